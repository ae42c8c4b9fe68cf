package main

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/ldapfilter"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/scepclient/intune"
)

func lookOU(e *evidence, l link) link {
	switch {
	case !e.adGiven || e.ou.IsRoot():
		return l
	case e.ad == nil:
		return l.saw("no such computer in the export").stop("not-in-directory", "The computer is not in the export of the organisation's directory, so nothing can synchronise it.", "Look for the computer under another name; join it to the domain; or export the OU it is in.")
	case !e.ad.DN.IsBelow(e.ou):
		return l.saw("it is %s", e.ad.DN).stop("outside-ou", fmt.Sprintf("Only computers in %s are synchronised.", e.ou), "Move the computer object into the OU.")
	}
	return l.is(done, "it is %s", e.ad.DN)
}

func lookChildOU(e *evidence, l link) link {
	switch {
	case e.ad == nil || e.ou.IsRoot() || !e.ad.DN.IsBelow(e.ou):
		return l
	case !e.ad.DN.IsChildOf(e.ou):
		return l.saw("it is in %s", e.ad.DN.Parent()).stop("child-ou", "Child OUs of the synchronised OU are not read.", "Move the computer object one level up, directly into "+e.ou.String()+".")
	}
	return l.is(done, "its parent is the OU")
}

func lookEnabled(e *evidence, l link) link {
	if e.ad == nil {
		return l
	}
	v, ok := e.ad.Get("userAccountControl")
	uac, err := strconv.ParseUint(v, 10, 32)
	switch {
	case !ok || err != nil:
		return l
	case uac&0x2 != 0:
		return l.saw("userAccountControl %s has the bit ACCOUNTDISABLE", v).stop("account-disabled", "A disabled computer cannot sign in to the domain, so its task never runs.", "Enable the computer account, if it is still in use.")
	}
	return l.is(done, "userAccountControl %s", v)
}

func lookOS(e *evidence, l link) link {
	if e.ad == nil {
		return l
	}
	name, hasName := e.ad.Get("operatingSystem")
	version, hasVersion := e.ad.Get("operatingSystemVersion")
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(strings.TrimSpace(major))
	saw := strings.TrimSpace(name + " " + version)
	switch {
	case !hasName && !hasVersion:
		return l
	case hasName && !strings.Contains(strings.ToLower(name), "windows"):
		return l.saw("%s", saw).stop("not-windows", "Only Windows joins Microsoft Entra ID this way.", "Leave the computer out of the OU.")
	case hasVersion && err == nil && n < 10:
		return l.saw("%s", saw).stop("os-too-old", "Windows before 10 and Windows Server before 2016 does not register by itself, and must not be synchronised.", "Upgrade the computer or take it out of the OU.")
	}
	return l.is(done, "%s", saw)
}

// tenantFaults are findings of dsregcmd output that say that the device does not know its tenant, or knows another one.
var tenantFaults = map[string]string{
	"domain-only-scp-missing":  "scp-missing",
	"scp-wrong-tenant":         "wrong-tenant",
	"joined-unexpected-tenant": "wrong-tenant",
}

func lookTenant(e *evidence, l link) link {
	schema := registry.CDJ(e.tenant)
	snap, where := e.registry, "the registry export"
	if snap == nil && e.policy != nil {
		s, err := e.policy.Snapshot()
		if err == nil {
			snap, where = s, "Group Policy"
		}
	}
	if snap != nil {
		path := schema.Settings[0].Path
		id, hasID := snap.Get(path, "TenantId")
		name, hasName := snap.Get(path, "TenantName")
		if e.policy != nil {
			if lost := losing(e, path); lost != "" {
				return l.saw("%s", lost).stop("losing-gpo", "A Group Policy Object with the right tenant reaches the computer and loses against another one.", "Remove the other policy's values, or change link order, enforcement or filtering so that the right one wins.")
			}
		}
		switch {
		case !hasID && !hasName:
			if named := e.scpTenants(); e.tenant.TenantID != "" && slices.Contains(named, strings.ToLower(e.tenant.TenantID)) {
				return l.is(done, "%s has no CDJ\\AAD values, and the service connection point in the directory names the tenant", where)
			}
			return l.saw("%s has no TenantId and no TenantName below CDJ\\AAD", where).stop("cdj-missing", "The device does not learn its tenant.", "Link the Group Policy with the CDJ\\AAD values to the OU, and see with gpresult /r that it is applied.")
		}
		for d := range schema.Drift(snap) {
			if d.Severity != registry.Failure {
				continue
			}
			fault := "cdj-" + d.Kind.String()
			if d.Kind == registry.WrongValue {
				fault = "wrong-tenant"
			}
			return l.saw("%s in %s: %s, wanted %s", d.Name, where, orNothing(d.Got), d.Want).stop(fault, d.Why+".", d.Remedy+".")
		}
		if e.tenant == (registry.CDJParams{}) {
			return l.is(done, "%s says tenant %s (%s); give -tenant-id to have it compared", where, id.Value.Plain(), name.Value.Plain())
		}
		return l.is(done, "%s says tenant %s (%s)", where, id.Value.Plain(), name.Value.Plain())
	}
	if e.diagnosis != nil {
		for _, f := range e.diagnosis.Findings {
			if fault, ok := tenantFaults[f.ID]; ok && f.Severity == dsreg.Error {
				return l.saw("dsregcmd: %s", rows(f)).stop(fault, f.Cause, f.Remedy)
			}
		}
		if e.capture.Tenant.TenantID.IsSet() && e.tenant.TenantID != "" && e.capture.Tenant.TenantID.Is(e.tenant.TenantID) {
			return l.is(done, "dsregcmd: TenantId %s", e.capture.Tenant.TenantID.Raw)
		}
	}
	return l
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// losing describes a policy with the right tenant that does not win.
func losing(e *evidence, path registry.Path) string {
	if e.tenant.TenantID == "" {
		return ""
	}
	v, ok := e.policy.Get(path, "TenantId")
	if !ok || v.Winner == nil || strings.EqualFold(v.Winner.Entry.Value.Plain(), e.tenant.TenantID) {
		return ""
	}
	for _, c := range v.Losers {
		if strings.EqualFold(c.Entry.Value.Plain(), e.tenant.TenantID) {
			return fmt.Sprintf("%q has the right TenantId and loses to %q: %s", c.Link.Name, v.Winner.Link.Name, c.Detail)
		}
	}
	return ""
}

func lookSCP(e *evidence, l link) link {
	if len(e.scp) == 0 || e.tenant.TenantID == "" {
		return l
	}
	other := ""
	for _, s := range e.scp {
		if s.tenant != "" && !strings.EqualFold(s.tenant, e.tenant.TenantID) {
			other = s.tenant
			l = l.saw("%s names tenant %s", s.dn, s.tenant)
		} else if s.tenant != "" {
			l = l.saw("%s names the wanted tenant", s.dn)
		}
	}
	if other == "" {
		l.State = done
		return l
	}
	if e.registry != nil || e.policy != nil {
		if t := lookTenant(e, link{}); t.State == done {
			return l.is(done, "the device's own CDJ\\AAD values win over it")
		}
	}
	return l.stop("scp-conflict", "A service connection point in the directory names another tenant, and nothing shows that the device has CDJ\\AAD values that win over it.", "Give the device the CDJ\\AAD values by Group Policy, or correct the service connection point, if no other device needs it.")
}

func (e *evidence) scpTenants() []string {
	var out []string
	for _, s := range e.scp {
		out = append(out, strings.ToLower(s.tenant))
	}
	return out
}

// errorIn returns the worst error finding of one of the phases.
func (e *evidence) errorIn(phases ...dsreg.Phase) (dsreg.Finding, bool) {
	if e.diagnosis != nil {
		for _, f := range e.diagnosis.Findings {
			if f.Severity == dsreg.Error && slices.Contains(phases, f.Phase) {
				return f, true
			}
		}
	}
	return dsreg.Finding{}, false
}

func rows(f dsreg.Finding) string {
	var out []string
	for _, r := range f.Rows {
		out = append(out, fmt.Sprintf("line %d %s : %s", r.Line, r.Label, strings.ReplaceAll(r.Value, "\n", " ")))
	}
	if f.Code != "" {
		out = append(out, f.Code)
	}
	return strings.Join(out, "; ")
}

func lookDiscovery(e *evidence, l link) link {
	if e.capture == nil {
		return l
	}
	if f, ok := e.errorIn(dsreg.PhasePreCheck, dsreg.PhaseDiscover); ok && tenantFaults[f.ID] == "" {
		return l.saw("dsregcmd: %s", rows(f)).stop(f.ID, f.Cause, f.Remedy)
	}
	pre := &e.capture.Diagnostics.Pre
	switch {
	case e.diagnosis.Join.State == dsreg.HybridJoined:
		return l.is(done, "dsregcmd: it is joined")
	case pre.DRSDiscoveryTest.Result == dsreg.Pass:
		return l.is(done, "dsregcmd: DRS Discovery Test : PASS")
	}
	return l
}

func lookCertificate(e *evidence, l link) link {
	if e.ad == nil {
		return l
	}
	if e.ad.Presence("userCertificate") == ldapsync.Unreadable {
		return l.saw("userCertificate is not in the export, or could not be read")
	}
	state, valid, evidence := ldapsync.HybridJoinCertificates(e.ad.ID, e.ad.All("userCertificate"), e.at)
	l = l.saw("%s", evidence)
	switch state {
	case ldapsync.CertValid:
		l.State = done
		if c, err := x509.ParseCertificate([]byte(valid[0])); err == nil {
			l = l.saw("valid until %s", c.NotAfter.UTC().Format(time.DateOnly))
		}
		return l
	case ldapsync.CertNone:
		const why = "The task Automatic-Device-Join has not written a certificate into userCertificate; without it the computer is not synchronised."
		const do = `See on the device that the task \Microsoft\Windows\Workplace Join\Automatic-Device-Join is enabled and runs, and what dsregcmd /status says.`
		if !e.since.IsZero() && e.at.Sub(e.since) < patienceLeast {
			return l.wait("certificate-absent", why, "Wait for the hourly task.")
		}
		return l.stop("certificate-absent", why, do)
	case ldapsync.CertForeign:
		return l.stop("certificate-foreign", "userCertificate holds certificates, but none whose subject is CN=<objectGUID of this computer>; those of an enterprise PKI do not count.", "See that the task Automatic-Device-Join runs; a copied or restored computer object needs dsregcmd /leave and a new join.")
	case ldapsync.CertExpired:
		return l.stop("certificate-expired", "The certificate is not in date, so the computer counts as out of scope, and a device that was synchronised may be deleted.", "Run dsregcmd /debug /leave and restart, so that the device makes a new one; check its clock.")
	}
	return l.stop("certificate-unreadable", "No value of userCertificate is a certificate.", "Remove the values and let the task write a new one.")
}

// Identities of the schema for access checks ([MS-ADSC], [MS-ADA3]).
var (
	classComputer   = mustGUID("bf967a86-0de6-11d0-a285-00aa003049e2")
	classOU         = mustGUID("bf967aa5-0de6-11d0-a285-00aa003049e2")
	setPersonal     = mustGUID("77b5b886-944a-11d1-aebd-0000f80367c1")
	attrCertificate = mustGUID("bf967a7f-0de6-11d0-a285-00aa003049e2")
)

func mustGUID(s string) ldapsync.GUID {
	g, err := ldapsync.ParseGUID(s)
	if err != nil {
		panic(err)
	}
	return g
}

func lookDelegation(e *evidence, l link) link {
	if e.account.Len() == 0 || e.ad == nil {
		return l
	}
	const do = "Delegate control of the OU to the account with the wizard: read, computer objects; or run\n"
	check := func(o *ldapsync.Object, q adsec.Query, g adsec.Grant, what string) bool {
		raw, ok := o.Get("nTSecurityDescriptor")
		if !ok {
			return true
		}
		sd, err := adsec.Parse([]byte(raw))
		if err != nil {
			l = l.saw("%s: %v", o.DN, err)
			return true
		}
		v := sd.Check(e.account, q)
		if v.Access == adsec.Granted {
			l = l.is(done, "%s: %s", what, v)
			return true
		}
		if v.Access == adsec.Undetermined {
			l = l.saw("%s: %s", what, v)
			return true
		}
		l = l.saw("%s: %s", what, v).stop("delegation-missing", "The account that synchronises may not "+what+"; it sees nothing where there is something, without any error.", do+g.Dsacls())
		return false
	}
	if e.ouObject != nil && !check(e.ouObject, adsec.Query{Right: adsec.ListContents, Class: classOU}, adsec.Grant{DN: e.ouObject.DN.String(), Account: "THE-ACCOUNT", Right: adsec.ListContents}, "list what is in the OU") {
		return l
	}
	ou := e.ad.DN.Parent()
	if e.ouObject != nil {
		ou = e.ouObject.DN
	}
	check(e.ad, adsec.Query{Right: adsec.ReadProperty, Class: classComputer, PropertySet: setPersonal, Property: attrCertificate}, adsec.Grant{DN: ou.String(), Account: "THE-ACCOUNT", Right: adsec.ReadProperty, Property: "userCertificate", Class: "computer"}, "read userCertificate of the computer")
	return l
}

func lookFilter(e *evidence, l link) link {
	if e.filter == nil || e.ad == nil {
		return l
	}
	switch e.filter.Match(*e.ad) {
	case ldapfilter.True:
		return l.is(done, "it matches %s", e.filter)
	case ldapfilter.False:
		return l.saw("it does not match %s", e.filter).stop("filtered", "The filter of the scope leaves the computer out.", "Change the attribute the filter asks for, or the filter.")
	}
	return l.saw("whether it matches %s depends on an attribute that is not in the export", e.filter)
}

func lookCopy(e *evidence, l link) link {
	switch {
	case !e.copyGiven:
		return l
	case e.copy != nil:
		return l.is(done, "%s", e.copy.DN)
	}
	l = l.saw("no object with the anchor of the computer")
	const why = "The engine has not made a copy of the computer."
	if e.overdue() || e.started().IsZero() {
		return l.stop("not-synchronised", why, "See with syncengine explain what the engine says of the computer, and when its last cycle ended.")
	}
	return l.wait("not-synchronised", why, "Wait for the next cycle.")
}

func lookEntra(e *evidence, l link) link {
	if !e.entraGiven {
		return l
	}
	var live []entraDevice
	for _, d := range e.entra {
		if d.Deleted.IsZero() {
			live = append(live, d)
		}
	}
	if len(live) > 0 {
		l = l.is(done, "%s, trustType %s", live[0].name(), orNothing(live[0].TrustType))
		if len(live) > 1 {
			l = l.saw("%d device objects have this identity", len(live))
		}
		return l
	}
	rejected := e.capture != nil && e.capture.Details.DeviceAuthStatus.Result == dsreg.AuthRejected
	if len(e.entra) > 0 || rejected {
		for _, d := range e.entra {
			l = l.saw("%s was deleted %s", d.name(), d.Deleted.UTC().Format(time.RFC3339))
		}
		if rejected {
			l = l.saw("dsregcmd: DeviceAuthStatus : %s", e.capture.Details.DeviceAuthStatus.Raw)
		}
		return l.stop("deleted-in-cloud", "The device object was in Microsoft Entra ID and has been deleted there. It does not come back by itself: synchronisation makes it again only after the computer object changes.", "Restore it from the deleted devices, or change the computer object (or provision it on demand); then run dsregcmd /debug /leave on the device and restart it.")
	}
	l = l.saw("no device with deviceId %s", e.identity())
	const why = "Microsoft's synchronisation has not made the device object."
	if e.overdue() || e.started().IsZero() {
		return l.stop("not-in-entra", why, "See on the server of Entra Connect or in the provisioning logs of Cloud Sync whether the copy is in scope and exported.")
	}
	return l.wait("not-in-entra", why, "Wait for the next synchronisation.")
}

func (e *evidence) identity() string {
	switch {
	case e.ad != nil:
		return e.ad.ID.String()
	case e.capture != nil && e.capture.Details.DeviceID.IsSet():
		return e.capture.Details.DeviceID.Raw
	}
	return "of this computer"
}

func lookDevice(e *evidence, l link) link {
	for _, d := range e.entra {
		if !d.Deleted.IsZero() {
			continue
		}
		if d.Enabled != nil && !*d.Enabled {
			return l.saw("%s: accountEnabled false", d.name()).stop("device-disabled", "The device object is disabled in Microsoft Entra ID, so the device gets no tokens.", "Enable the device object in Microsoft Entra ID, if nobody disabled it on purpose.")
		}
		if d.Enabled != nil {
			l = l.is(done, "%s: accountEnabled true", d.name())
		}
	}
	if e.capture == nil {
		return l
	}
	switch s := &e.capture.Details.DeviceAuthStatus; s.Result {
	case dsreg.AuthRejected:
		f, _ := e.diagnosis.Find("device-disabled-or-deleted")
		return l.saw("dsregcmd: DeviceAuthStatus : %s", s.Raw).stop("device-disabled-or-deleted", f.Cause, f.Remedy)
	case dsreg.AuthOK:
		return l.is(done, "dsregcmd: DeviceAuthStatus : %s", s.Raw)
	}
	return l
}

func lookRegistration(e *evidence, l link) link {
	const pendingWhy = "The device object is there, and the device has not used it yet: its task runs once an hour and at sign-in."
	const pendingDo = "Sign in on the device, with a connection to the internet and to a domain controller, or run the task Automatic-Device-Join."
	var live *entraDevice
	for i := range e.entra {
		if e.entra[i].Deleted.IsZero() {
			live = &e.entra[i]
		}
	}
	if e.capture != nil {
		if e.diagnosis.Join.State == dsreg.HybridJoined {
			l = l.saw("dsregcmd: AzureAdJoined : YES, DomainJoined : YES")
			if s := &e.capture.Details.DeviceAuthStatus; s.Result == dsreg.AuthRejected {
				return l.saw("DeviceAuthStatus : %s", s.Raw).stop("registration-void", "The device has registered, and its device object does not accept it any more.", "Mend the device object first; then run dsregcmd /debug /leave on the device and restart it, if it still does not join.")
			}
			l.State = done
			return l
		}
		if f, ok := e.errorIn(dsreg.PhaseAuth); ok {
			return l.saw("dsregcmd: %s", rows(f)).stop("token-failure", f.Cause, f.Remedy)
		}
		if f, ok := e.diagnosis.Find("sync-overdue"); ok && live == nil {
			return l.saw("dsregcmd: %s", rows(f)).stop(f.ID, f.Cause, f.Remedy)
		}
		if f, ok := e.errorIn(dsreg.PhaseJoin); ok && f.ID != "sync-overdue" && f.ID != "join-state-unexpected" {
			return l.saw("dsregcmd: %s", rows(f)).stop(f.ID, f.Cause, f.Remedy)
		}
		if f, ok := e.diagnosis.Find("sync-pending"); ok && live == nil {
			return l.saw("dsregcmd: %s", rows(f)).wait(f.ID, f.Cause, f.Remedy)
		}
	}
	if live != nil {
		switch {
		case live.Registered.IsZero():
			l = l.saw("%s: pending, it has no registrationDateTime", live.name())
			if e.overdue() {
				return l.stop("registration-pending", pendingWhy, pendingDo)
			}
			return l.wait("registration-pending", pendingWhy, pendingDo)
		case e.capture == nil:
			return l.is(done, "%s: registered %s", live.name(), live.Registered.UTC().Format(time.RFC3339))
		}
	}
	if e.capture != nil {
		switch st := e.diagnosis.Join.State; st {
		case dsreg.Undetermined, dsreg.Contradictory:
			return l.saw("dsregcmd: the join state is %s", st)
		default:
			return l.saw("dsregcmd: %s", st).stop("not-registered", "The device is not joined to Microsoft Entra ID, and its output does not say why.", "Run dsregcmd /status in an elevated prompt, so that it makes its tests, and give that output.")
		}
	}
	return l
}

func lookPRT(e *evidence, l link) link {
	if e.capture == nil {
		return l
	}
	if f, ok := e.errorIn(dsreg.PhasePRT); ok {
		return l.saw("dsregcmd: %s", rows(f)).stop(f.ID, f.Cause, f.Remedy)
	}
	p := &e.capture.SSO.AzureAdPrt
	switch {
	case p.Yes():
		return l.is(done, "dsregcmd: AzureAdPrt : YES")
	case p.No():
		l = l.saw("dsregcmd: AzureAdPrt : NO")
		if f, ok := e.diagnosis.Find("prt-not-applicable"); ok {
			l = l.saw("%s", f.Cause)
		}
	}
	return l
}

func lookEnrolment(e *evidence, l link) link {
	if e.flags != nil {
		l = l.saw("co-management flags %s: %s", e.flags, e.flags.Explain())
	}
	enrolled := comgmt.Unknown
	if e.handler != nil {
		enrolled = e.handler.Enrolled
		if err := e.handler.LastError; err != nil && enrolled != comgmt.Yes {
			return l.saw("CoManagementHandler.log: %s", err.Explain()).stop("enrolment-failed", "Co-management tried to enrol the device and failed.", "See comgmt error with the code, and comgmt log with the whole file.")
		}
	}
	switch {
	case enrolled == comgmt.Yes:
		return l.is(done, "CoManagementHandler.log: the device is enrolled")
	case e.flags != nil && !e.flags.Configured():
		return l.stop("not-configured", "No co-management policy has reached the client.", "See that the device is in the collection for automatic enrolment.")
	case enrolled == comgmt.No:
		return l.saw("CoManagementHandler.log: not enrolled").wait("not-enrolled", "The device is not enrolled in Intune.", "Wait for the next try, which the log names.")
	}
	return l
}

func lookSCEP(e *evidence, l link) link {
	if e.profile == nil {
		return l
	}
	d := &intune.Device{Platform: intune.Windows, Values: map[string]string{}}
	if e.capture != nil {
		switch e.diagnosis.Join.State {
		case dsreg.HybridJoined:
			d.Join, d.DomainJoined = intune.HybridJoined, true
		case dsreg.DomainJoined, dsreg.DomainJoinedRegistered:
			d.Join, d.DomainJoined = intune.HybridPending, true
		case dsreg.EntraJoined:
			d.Join = intune.EntraJoined
		}
		if e.capture.Device.DeviceName.IsSet() {
			d.Values["DeviceName"] = e.capture.Device.DeviceName.Raw
		}
	}
	if e.ad != nil {
		if v, ok := e.ad.Get("dNSHostName"); ok {
			d.Values["FullyQualifiedDomainName"] = v
		}
	}
	if d.Join == intune.HybridJoined && e.ad != nil {
		d.Values["AAD_Device_ID"] = e.ad.ID.String()
	}
	a := intune.Why(e.profile, d)
	l = l.saw("profile %q: %s", e.profile.DisplayName, a.Outcome)
	why, do := strings.TrimSpace(a.Summary+" "+strings.Join(a.Reasons, " ")), strings.Join(a.Remedies, " ")
	switch a.Outcome {
	case intune.Resolved:
		l.State = done
		return l.saw("%s", a.Summary)
	case intune.Held:
		return l.wait("scep-held", why, do)
	}
	return l.stop("scep-"+string(a.Outcome), why, do)
}

func notBefore(der string) time.Time {
	c, err := x509.ParseCertificate([]byte(der))
	if err != nil {
		return time.Time{}
	}
	return c.NotBefore
}
