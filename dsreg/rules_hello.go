package dsreg

import "strings"

// blockers are the rows of "Ngc Prerequisite Check" that stop the
// provisioning of Windows Hello for Business when they say NO. One rule each.
var blockers = [...]struct {
	label, cause, remedy string
	trust                Trust // the trust type that needs the row
	cell                 func(*NgcCheck) *Flag
}{
	{"IsDeviceJoined", "The device is not joined.", "Join it first.", "", func(n *NgcCheck) *Flag { return &n.IsDeviceJoined }},
	{"IsUserAzureAD", "The user did not sign in with an account of Microsoft Entra ID, or has no token.", "Repair the primary refresh token, or use a synchronised user.", "", func(n *NgcCheck) *Flag { return &n.IsUserAzureAD }},
	{"PostLogonEnabled", "Provisioning is left to a custom mechanism.", "Nothing, if that is intended.", "", func(n *NgcCheck) *Flag { return &n.PostLogonEnabled }},
	{"DeviceEligible", "The device lacks required hardware, for example a TPM in a virtual machine.", "Provide a TPM or relax the policy.", "", func(n *NgcCheck) *Flag { return &n.DeviceEligible }},
	{"SessionIsNotRemote", "The session is remote.", "Sign in at the console.", "", func(n *NgcCheck) *Flag { return &n.SessionIsNotRemote }},
	{"ScepReady", "The certificate from MDM is not ready.", "Check the SCEP profile.", "", func(n *NgcCheck) *Flag { return &n.ScepReady }},
	{"AdfsRefreshToken", "There is no enterprise token of AD FS, which certificate trust needs.", "See enterprise-prt-failing.", TrustCertificate, func(n *NgcCheck) *Flag { return &n.AdfsRefreshToken }},
	{"AdfsRaIsReady", "AD FS is not set up as registration authority.", "Configure the registration authority.", TrustCertificate, func(n *NgcCheck) *Flag { return &n.AdfsRaIsReady }},
	{"LogonCertTemplateReady", "The template of the sign-in certificate is not ready.", "Publish the template and grant AD FS the right to enrol.", TrustCertificate, func(n *NgcCheck) *Flag { return &n.LogonCertTemplateReady }},
	{"OnPremTGT", "There is no cloud Kerberos ticket (CloudTGT before Windows 11 23H2).", "Check the Microsoft Entra Kerberos server object and the build.", TrustCloudKerberos, func(n *NgcCheck) *Flag { return &n.OnPremTGT }},
}

func helloRules() []Rule {
	// Where the check itself failed all flags are UNKNOWN and mean nothing.
	checked := func(c *Case) bool {
		n := &c.Status.Ngc
		return isStatus(c) && n.NgcPreReq.State != Failed && !n.PreReqResult.Is("WillProvision")
	}
	rules := []Rule{
		{ID: "whfb-check-failed", Title: "The check for Windows Hello for Business could not run", Phase: PhaseHello, Severity: Info, Source: srcCaptures, Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				n := &c.Status.Ngc.NgcPreReq
				if n.State != Failed && n.Value == 0 {
					return
				}
				code := n.Code
				if code == 0 {
					code = n.Value
				}
				f := Finding{Rows: c.Cells(&n.Cell), Cause: "The flags of the section are UNKNOWN and mean nothing.", Remedy: "Run it again in an interactive session.", Transient: Maybe}
				if code != 0 {
					f = f.fromCode(code)
				}
				report(f)
			}},
		{ID: "whfb-not-wanted", Title: "Windows Hello for Business is not enabled by policy", Phase: PhaseHello, Severity: Info, Source: srcDsregcmd + ", NGC prerequisite check", User: true, Applies: checked,
			Check: func(c *Case, report func(Finding)) {
				p := &c.Status.Ngc.PolicyEnabled
				if !p.No() {
					return
				}
				f := Finding{Rows: c.Cells(&p.Cell, &c.Status.Ngc.PreReqResult.Cell), Cause: "PolicyEnabled is NO: by design where Windows Hello for Business is not wanted.", Remedy: "Nothing, or enable it by Group Policy or Intune.", Transient: No}
				if c.Expect.Hello == Yes {
					f.Severity, f.Cause = Warning, "Windows Hello for Business is wanted, and no policy enables it for this user or device."
					f.Remedy = "Enable it by Group Policy or Intune."
				}
				report(f)
			}},
	}
	for _, b := range blockers {
		rules = append(rules, Rule{
			ID: "whfb-blocked-" + strings.ToLower(b.label), Title: "Windows Hello for Business waits for " + b.label, Phase: PhaseHello, Severity: Info,
			Source: srcDsregcmd + ", NGC prerequisite check", User: b.label != "SessionIsNotRemote", Applies: checked,
			Check: func(c *Case, report func(Finding)) {
				cell := b.cell(&c.Status.Ngc)
				if !cell.No() {
					return
				}
				if first := b.label == "IsDeviceJoined" || b.label == "IsUserAzureAD"; first && c.Expect.Hello != Yes && !tokenDevice(c) {
					return // nothing is joined, so nothing is missing
				}
				f := Finding{Rows: c.Cells(&cell.Cell, &c.Status.Ngc.PreReqResult.Cell), Cause: b.cause, Remedy: b.remedy, Transient: No}
				if c.Expect.Hello == Yes || b.trust != "" && b.trust == c.Expect.Trust {
					f.Severity = Warning // what is deployed does not work
				}
				report(f)
			},
		})
	}
	return rules
}
