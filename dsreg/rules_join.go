package dsreg

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Documents that rules rest on.
const (
	srcDsregcmd = "Microsoft Learn, troubleshoot-device-dsregcmd"
	srcHybrid   = "Microsoft Learn, troubleshoot-hybrid-join-windows-current"
	srcPRT      = "Microsoft Learn, troubleshoot-primary-refresh-token"
	srcKerberos = "Microsoft Learn, how-to-hybrid-join-using-microsoft-entra-kerberos"
	srcCaptures = "published captures"
	srcOwn      = "rule of this package"
)

// allRules is what Diagnose runs; it is built once and never changed.
var allRules = sync.OnceValue(Rules)

func isStatus(c *Case) bool { return c.Status.Kind == KindStatus }

// attempted reports a capture that holds a trace of a join attempt.
func attempted(c *Case) bool { return c.attempted }

func (c *Case) lookForAttempt() bool {
	p := &c.Status.Diagnostics.Pre
	if c.Status.Log != nil || p.ClientErrorCode.Present() || p.ServerMessage.Present() || p.ServerErrorCode.Present() || p.ServerErrorSubCode.Present() {
		return true
	}
	for _, t := range p.tests() {
		if t.Present() {
			return true
		}
	}
	return false
}

// serverMessage returns what the registration service said, from a status or a log.
func serverMessage(c *Case) (msg string, cells []*Cell) {
	p := &c.Status.Diagnostics.Pre
	switch {
	case p.ServerMessage.Present():
		return p.ServerMessage.Raw, []*Cell{&p.ServerMessage.Cell}
	case c.Status.Log != nil && c.Status.Log.Message.Present():
		return c.Status.Log.Message.Raw, []*Cell{&c.Status.Log.Message.Cell}
	}
	return "", nil
}

// The codes that have a rule of their own. prejoin-other takes the rest, so that no failing test stays without a finding.
var (
	scpCodes      = []Code{0x80070002, 0x801c001d}
	tenantCodes   = []Code{0x801c003a}
	networkCodes  = []Code{0x801c001f, 0x801c000c, 0x801c0021, 0x801c0025, 0xc000023c, 0xc00000be, 0xc00000c4}
	htmlCodes     = []Code{0x8007000d, 0x801c000b, 0x801c0012}
	realmCodes    = []Code{0x801c003d}
	kerberosCodes = []Code{0x801c0095, 0x80090311, 0x80090303, 0x8009030c}
	dcCodes       = []Code{0x54b, 0x8007054b}
	tpmCodes      = []Code{0x80290407, 0x80280036, 0x80090031, 0x801c0010, 0x801c0011, 0x80090016}
	quotaCodes    = []Code{0x801c000e}
	syncCodes     = []Code{0x801c03f2}
)

func isNetwork(code Code) bool {
	f, _ := code.Split()
	return f == FamilyWinHTTP || oneOf(networkCodes...)(code)
}

func isSignIn(code Code) bool {
	f, _ := code.Split()
	return f == FamilyADAL || f == FamilyADALNet || code == 0x801c0515 || code == 0x801c0013 || code == 0x801c0014
}

// syncFallback reports that the device goes on with a synchronised join.
func syncFallback(c *Case) bool {
	return c.Status.Diagnostics.Pre.FallbackToSyncJoin.Is("ENABLED") || c.Status.Log != nil && c.Status.Log.SyncTried
}

// waiting reports a synchronised join whose device object is not in the cloud yet.
func waiting(c *Case) bool {
	p := &c.Status.Diagnostics.Pre
	msg, _ := serverMessage(c)
	low := strings.ToLower(msg)
	if c.Join.State == EntraJoined || c.Join.State == HybridJoined || renewing(c) || ServerCode(msg) != "" {
		return false
	}
	if isMissingObject(low) || strings.Contains(low, "target computer's sid") || strings.Contains(low, "target computer’s sid") {
		return true
	}
	// Without the message the code alone says DirectoryError, which is most often this.
	return msg == "" && p.ClientErrorCode.Value == 0x801c03f2 && (p.RegistrationType.Is("sync") || p.RegistrationType.Is("fallback_sync"))
}

// short prints a duration without zero parts at its end.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func renewing(c *Case) bool {
	p := &c.Status.Diagnostics.Pre
	return strings.EqualFold(p.ServerErrorSubCode.Raw, "error_missing_device") || strings.EqualFold(p.ServerOperation.Raw, "DeviceRenew")
}

// pending tells since when a synchronised join waits, and whether that is too long.
func pending(c *Case) (overdue bool, why string) {
	p := &c.Status.Diagnostics.Pre
	ref := c.Clock
	if c.Expect.At.After(ref) {
		ref = c.Expect.At // the caller says it is later now, and knows no newer capture
	}
	since, what := c.Expect.Since, "the device could first register"
	if since.IsZero() && p.PreviousRegistration.State == Set {
		since, what = p.PreviousRegistration.Time, "the recorded attempt"
	}
	if since.IsZero() || ref.IsZero() {
		return false, ""
	}
	age := ref.Sub(since)
	if age > c.Expect.patience() {
		return true, fmt.Sprintf("It is %s since %s, more than the patience of %s.", short(age.Round(time.Minute)), what, short(c.Expect.patience()))
	}
	return false, ""
}

func joinRules() []Rule {
	return []Rule{
		{ID: "state-contradictory", Title: "The join rows contradict each other", Phase: PhaseCapture, Severity: Error, Source: srcDsregcmd + ", device state table", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				if c.Join.State == Contradictory {
					report(Finding{Rows: c.Join.Rows, Cause: strings.ToUpper(c.Join.Reason[:1]) + c.Join.Reason[1:] + ".", Remedy: "Take the capture again and check that it was not edited.", Transient: No})
				}
			}},
		{ID: "state-undetermined", Title: "The join state cannot be told", Phase: PhaseCapture, Severity: Info, Source: srcDsregcmd + ", device state table", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				if c.Join.State != Undetermined {
					return
				}
				f := Finding{Rows: c.Join.Rows, Cause: "Missing: " + strings.Join(c.Join.Missing, "; ") + ".", Remedy: "Take the whole capture, from \"Device State\" on."}
				for _, flag := range []*Flag{&c.Status.Device.AzureAdJoined, &c.Status.Device.EnterpriseJoined, &c.Status.Device.DomainJoined} {
					if flag.State == Failed {
						f.Severity = Warning
						f.Remedy = "The program itself failed to read its state: run it again, and look at the event log User Device Registration/Admin."
					}
				}
				if want := c.Expect.Join; want != Undetermined { // who asks for a state must not take silence for it
					f.Severity = Error
					f.Cause = "Wanted: " + want.Title() + ". " + f.Cause
				}
				report(f)
			}},
		{ID: "join-state-unexpected", Title: "The device is not joined as wanted", Phase: PhaseJoin, Severity: Error, Source: srcOwn,
			Applies: func(c *Case) bool {
				return isStatus(c) && c.Expect.Join != Undetermined && c.Join.State != Undetermined && c.Join.State != Contradictory
			},
			Check: func(c *Case, report func(Finding)) {
				have, want := c.Join.State, c.Expect.Join
				if have == want || want == DomainJoined && have == DomainJoinedRegistered {
					return
				}
				f := Finding{Rows: c.Join.Rows, Cause: fmt.Sprintf("Wanted: %s. Found: %s.", want.Title(), have.Title()), Remedy: "Follow the other findings of the phases pre-check to join; without any, register the device as wanted."}
				if waiting(c) && want == HybridJoined {
					if overdue, _ := pending(c); !overdue {
						f.Severity, f.Transient = Info, Yes
						f.Remedy = "Wait for synchronisation; see sync-pending."
					}
				}
				if want == DomainJoined && (have == HybridJoined || have == EntraJoined) {
					f.Remedy = "dsregcmd /leave in an elevated prompt, then restart; remove the CDJ\\AAD values or the service connection point if the device shall stay so."
				}
				report(f)
			}},
		{ID: "not-joined-expected", Title: "The device is not joined, and nothing says that it should be", Phase: PhaseJoin, Severity: Info, Source: "MicrosoftDocs/azure-docs#48791", Applies: isStatus,
			Check: func(c *Case, report func(Finding)) {
				switch {
				case c.Expect.Join != Undetermined && c.Expect.Join != c.Join.State:
				case c.Join.State == NotJoined:
					report(Finding{Rows: c.Join.Rows, Cause: "A workgroup computer: joined neither to Active Directory nor to Microsoft Entra ID. That is a state, not a fault.", Remedy: "Nothing, unless the device should be joined.", Transient: No})
				case c.Join.State == Registered:
					report(Finding{Rows: c.Join.Rows, Cause: "The device is registered by a work account only (Microsoft Entra registered). Device and token rows say NO by design.", Remedy: "Nothing, unless the device should be joined.", Transient: No})
				}
			}},
		{ID: "dc-unreachable", Title: "No domain controller could be reached", Phase: PhasePreCheck, Severity: Error, Source: srcDsregcmd + ", pre-join diagnostics", Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				t := &c.Status.Diagnostics.Pre.ADConnectivityTest
				code, cells := c.code(oneOf(dcCodes...))
				switch {
				case t.Result == Fail:
					f := Finding{Rows: c.Cells(append(cells, &t.Cell)...), Cause: "The test of the connection to Active Directory failed; the tests after it were skipped.", Remedy: "Restore line of sight to a domain controller (network, VPN, DNS)."}
					if t.Outer != 0 {
						f = f.fromCode(t.Outer)
					}
					f.Rows = uniqueRows(f.Rows)
					report(f)
				case len(cells) > 0:
					report(Finding{Rows: c.Cells(cells...)}.fromCode(code))
				case c.Status.Log != nil && c.Status.Log.PreCheck.IsDCAvailable.No():
					report(Finding{Rows: c.Cells(&c.Status.Log.PreCheck.IsDCAvailable.Cell), Cause: "The pre-check found no domain controller.", Remedy: "Restore line of sight to a domain controller (network, VPN, DNS)."})
				}
			}},
		{ID: "domain-only-scp-missing", Title: "The device finds no service connection point", Phase: PhaseDiscover, Severity: Error, Source: srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				code, cells := c.code(oneOf(scpCodes...))
				if len(cells) == 0 {
					return
				}
				f := Finding{Rows: c.Cells(cells...), Transient: No,
					Cause:  "There is neither a service connection point in Active Directory nor a client-side one in CDJ\\AAD, so the device does not know its tenant.",
					Remedy: "Deploy HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\CDJ\\AAD TenantId and TenantName, or create the service connection point; then run the task Automatic-Device-Join."}
				if id := c.Expect.TenantID; id != "" {
					f.Remedy = "Deploy HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\CDJ\\AAD with TenantId = " + id + strings.TrimSuffix(" and TenantName = "+c.Expect.TenantName, " and TenantName = ") + ", then run the task Automatic-Device-Join."
				}
				if w := c.Expect.Join; w == DomainJoined || w == DomainJoinedRegistered {
					f.Severity, f.Remedy = Info, "Nothing: the device shall be joined to Active Directory only."
				}
				report(f.fromCode(code))
			}},
		{ID: "scp-wrong-tenant", Title: "The service connection point names a tenant that does not exist", Phase: PhaseDiscover, Severity: Error, Source: srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				msg, cells := serverMessage(c)
				if ServerCode(msg) == "AADSTS90002" {
					report(Finding{Rows: c.Cells(cells...), Code: "AADSTS90002", Transient: No, Cause: "The registration service does not know the tenant that the device presented.", Remedy: scpRemedy(c)})
					return
				}
				if code, cells := c.code(oneOf(tenantCodes...)); len(cells) > 0 {
					f := Finding{Rows: c.Cells(cells...)}.fromCode(code)
					f.Remedy = scpRemedy(c)
					report(f)
				}
			}},
		{ID: "joined-unexpected-tenant", Title: "The device is joined to another tenant", Phase: PhaseJoin, Severity: Error, Source: srcOwn,
			Applies: func(c *Case) bool {
				return c.Expect.TenantID != "" && (c.Join.State == EntraJoined || c.Join.State == HybridJoined) && c.Status.Tenant.TenantID.State == Set
			},
			Check: func(c *Case, report func(Finding)) {
				want, err := ParseUUID(c.Expect.TenantID)
				have := &c.Status.Tenant.TenantID
				if err == nil && want == have.ID {
					return
				}
				report(Finding{Rows: c.Cells(&have.Cell, &c.Status.Tenant.TenantName.Cell), Transient: No,
					Cause:  fmt.Sprintf("Joined to tenant %s; %s was expected.", have.ID, clip(c.Expect.TenantID, 64)),
					Remedy: "dsregcmd /leave in an elevated prompt, correct CDJ\\AAD TenantId and TenantName, then restart."})
			}},
		{ID: "discovery-network", Title: "The registration service cannot be reached", Phase: PhaseDiscover, Severity: Error, Source: srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				if code, _ := c.code(oneOf(append(htmlCodes, append(realmCodes, tenantCodes...)...)...)); code != 0 {
					return // a more exact rule speaks
				}
				code, cells := c.code(isNetwork)
				if len(cells) == 0 {
					return
				}
				f := Finding{Rows: c.Cells(cells...), Cause: "Discovery of the registration service failed on the network."}.fromCode(code)
				if pre := &c.Status.Diagnostics.Pre; pre.UserContext.Present() && !pre.UserContext.Is("SYSTEM") && len(cells) > 0 && cells[0] != &pre.ClientErrorCode.Cell {
					f.Confidence = Medium
					f.Cause = join(f.Cause, "The tests ran as the user; the join itself runs as SYSTEM, which may use another proxy.")
				}
				if code == 0x801c0025 {
					f.Severity = Info
				}
				report(f)
			}},
		{ID: "discovery-proxy-html", Title: "A proxy answers in place of the registration service", Phase: PhaseDiscover, Severity: Error, Source: srcHybrid, Applies: attempted,
			Check: byCode("The answer of discovery was not what the service sends.", htmlCodes...)},
		{ID: "realm-discovery", Title: "The sign-in realm could not be discovered", Phase: PhaseDiscover, Severity: Error, Source: srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				code, cells := c.code(oneOf(realmCodes...))
				if len(cells) == 0 {
					return
				}
				f := Finding{Rows: c.Cells(cells...)}.fromCode(code)
				if inner, _ := c.code(isNetwork); inner != 0 {
					f.Cause = join(f.Cause, "Underneath: "+Finding{}.fromCode(inner).Cause)
				}
				report(f)
			}},
		{ID: "auth-wstrust", Title: "The computer got no token from the federation service", Phase: PhaseAuth, Severity: Error, Source: srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				code, cells := c.code(isSignIn)
				t := &c.Status.Diagnostics.Pre.TokenAcquisitionTest
				if len(cells) == 0 && t.Result != Fail {
					return
				}
				f := Finding{Rows: uniqueRows(c.Cells(append(cells, failCell(t)...)...)), Cause: "The token for the federated join could not be acquired."}
				if code != 0 {
					f = f.fromCode(code)
				} else if t.Outer != 0 {
					f = f.fromCode(t.Outer)
				}
				if syncFallback(c) {
					f.Severity = Warning
					f.Cause = join(f.Cause, "The device goes on with a synchronised join, so this alone does not prevent registration.")
				}
				report(f)
			}},
		{ID: "auth-kerberos", Title: "The Kerberos join got no ticket", Phase: PhaseAuth, Severity: Error, Source: srcKerberos, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				t := &c.Status.Diagnostics.Pre.KerberosTicketTest
				code, cells := c.code(oneOf(kerberosCodes...))
				if len(cells) == 0 && t.Result != Fail {
					return
				}
				f := Finding{Rows: uniqueRows(c.Cells(append(cells, failCell(t)...)...)), Cause: "The ticket for adrs/enterpriseregistration.windows.net was not issued."}
				if code != 0 {
					f = f.fromCode(code)
				} else if t.Outer != 0 {
					f = f.fromCode(t.Outer)
				}
				p := &c.Status.Diagnostics.Pre
				if p.FallbackToFedJoin.Is("ENABLED") || syncFallback(c) || p.RegistrationType.Is("fallback_sync") {
					f.Severity = Warning
					f.Cause = join(f.Cause, "The device falls back to another way of joining, so this alone does not prevent registration.")
				}
				report(f)
			}},
		{ID: "sync-pending", Title: "The join waits for the device object to be synchronised", Phase: PhaseJoin, Severity: Info, Source: srcDsregcmd + ", pre-join diagnostics; " + srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				if overdue, _ := pending(c); !waiting(c) || overdue {
					return
				}
				report(syncFinding(c, "This is the normal interim state of a synchronised join: the registration service does not know the device object yet.",
					"Wait for the next synchronisation cycle, up to "+short(c.Expect.patience())+". If it persists, check that userCertificate of the computer object is populated and its organisational unit is in scope."))
			}},
		{ID: "sync-overdue", Title: "The device object has not arrived in time", Phase: PhaseJoin, Severity: Error, Source: srcDsregcmd + ", pre-join diagnostics; " + srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				overdue, why := pending(c)
				if !waiting(c) || !overdue {
					return
				}
				f := syncFinding(c, "The registration service still does not know the device object. "+why,
					"Check that userCertificate of the computer object is populated, its organisational unit is in scope of synchronisation, and synchronisation is healthy. Then run the task Automatic-Device-Join.")
				f.Transient = No
				if c.Expect.Since.IsZero() {
					f.Confidence = Medium
				}
				report(f)
			}},
		{ID: "stale-registration-renew", Title: "A leftover registration is being renewed", Phase: PhaseJoin, Severity: Error, Source: "lab report on Windows 11 24H2", Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				if !renewing(c) {
					return
				}
				p := &c.Status.Diagnostics.Pre
				report(Finding{Rows: c.Cells(&p.ServerErrorSubCode.Cell, &p.ServerOperation.Cell, &p.ServerMessage.Cell), Transient: No, Code: p.ServerErrorSubCode.Raw,
					Cause:  "The device tries to renew an old registration whose object is gone from Microsoft Entra ID.",
					Remedy: "dsregcmd /leave in an elevated prompt, then restart."})
			}},
		{ID: "throttled", Title: "The registration service throttles the device", Phase: PhaseJoin, Severity: Info, Source: srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				if msg, cells := serverMessage(c); containsFold(msg, "throttled") {
					report(Finding{Rows: c.Cells(cells...), Transient: Yes, Cause: "Too many attempts in a short time.", Remedy: "Wait at least 300 seconds; the next scheduled attempt normally works."})
				}
			}},
		{ID: "tpm-failure", Title: "The TPM failed", Phase: PhaseJoin, Severity: Error, Source: srcHybrid, Applies: attempted, Check: byCode("", 0x80290407)},
		{ID: "tpm-fips", Title: "The TPM is in FIPS mode", Phase: PhaseJoin, Severity: Error, Source: srcHybrid, Applies: attempted, Check: byCode("", 0x80280036)},
		{ID: "tpm-locked", Title: "The TPM is locked out", Phase: PhaseJoin, Severity: Warning, Source: srcHybrid, Applies: attempted, Check: byCode("", 0x80090031)},
		{ID: "tpm-attestation", Title: "TPM attestation failed", Phase: PhaseJoin, Severity: Error, Source: "Microsoft Learn, MDM enrolment errors", Applies: attempted, Check: byCode("", 0x801c0010, 0x801c0011)},
		{ID: "tpm-keyset", Title: "The device key does not exist", Phase: PhaseJoin, Severity: Error, Source: srcHybrid, Applies: attempted, Check: byCode("", 0x80090016)},
		{ID: "quota", Title: "Too many devices", Phase: PhaseJoin, Severity: Error, Source: "Microsoft Learn, MDM enrolment errors", Applies: attempted, Check: byCode("", quotaCodes...)},
		{ID: "previous-failure-outdated", Title: "The recorded failure is older than the tests, which pass", Phase: PhaseJoin, Severity: Info, Source: srcDsregcmd + ", pre-join diagnostics", Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				if !c.outdated {
					return
				}
				p := &c.Status.Diagnostics.Pre
				f := Finding{Rows: c.Cells(&p.ClientTime.Cell, &p.PreviousRegistration.Cell, &p.ErrorPhase.Cell, &p.ClientErrorCode.Cell), Transient: Yes,
					Cause:  "All tests pass now; the failure was recorded " + p.ClientTime.Time.Sub(p.PreviousRegistration.Time).Round(1e9).String() + " before.",
					Remedy: "Wait for the next attempt, or run the task \\Microsoft\\Windows\\Workplace Join\\Automatic-Device-Join."}
				if p.ClientErrorCode.Value != 0 {
					f.Code = p.ClientErrorCode.Value.String()
				}
				report(f)
			}},
		{ID: "join-refused", Title: "The registration service refused the device", Phase: PhaseJoin, Severity: Error, Source: srcHybrid, Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				if waiting(c) || renewing(c) {
					return
				}
				msg, cells := serverMessage(c)
				if text, ok := ExplainText(msg); ok && (text.Code == "AADSTS90002" || text.Match == "throttled") {
					return
				}
				p := &c.Status.Diagnostics.Pre
				if !p.ServerErrorCode.Present() && msg == "" || c.outdated {
					return
				}
				f := Finding{Rows: c.Cells(append(cells, &p.ServerErrorCode.Cell, &p.ServerErrorSubCode.Cell, &p.ClientErrorCode.Cell, &p.HTTPSStatus.Cell)...), Code: ServerCode(msg),
					Cause: "The registration service answered with an error of its own."}
				if t, ok := ExplainText(msg); ok && t.Meaning != "" {
					f.Cause, f.Remedy = join(f.Cause, t.Meaning), t.Remedy
				}
				if code := p.ClientErrorCode.Value; code != 0 && f.Code == "" {
					f = f.fromCode(code)
				}
				if f.Remedy == "" {
					f.Remedy = "Read the server message."
				}
				report(f)
			}},
		{ID: "prejoin-other", Title: "A pre-join test or the join failed with another code", Phase: PhaseJoin, Severity: Error, Source: srcDsregcmd + ", pre-join diagnostics", Applies: attempted,
			Check: func(c *Case, report func(Finding)) {
				known := func(code Code) bool {
					for _, set := range [][]Code{scpCodes, tenantCodes, htmlCodes, realmCodes, kerberosCodes, dcCodes, tpmCodes, quotaCodes, syncCodes} {
						if oneOf(set...)(code) {
							return true
						}
					}
					return isNetwork(code) || isSignIn(code)
				}
				p := &c.Status.Diagnostics.Pre
				if p.ServerErrorCode.Present() || p.ServerMessage.Present() || p.ADConnectivityTest.Result == Fail {
					known = func(Code) bool { return true } // join-refused or dc-unreachable speaks
				}
				code, cells := c.code(func(code Code) bool { return code != 0 && !known(code) })
				if len(cells) > 0 {
					f := Finding{Rows: c.Cells(cells...)}.fromCode(code)
					if f.Remedy == "" {
						f.Remedy = "Look the code up in the event log User Device Registration/Admin (events 304, 305, 307)."
					}
					report(f)
					return
				}
				// A test that failed without a code.
				var failed []*Cell
				for _, t := range p.tests()[1:] {
					if t.Result == Fail && t.Outer == 0 && t != &p.KerberosTicketTest && t != &p.TokenAcquisitionTest {
						failed = append(failed, &t.Cell)
					}
				}
				if len(failed) > 0 {
					report(Finding{Rows: c.Cells(failed...), Cause: "The test failed without a code.", Remedy: "Run dsregcmd /join /debug as SYSTEM and read its trace."})
				}
			}},
	}
}

// byCode is the check of a rule that is one or more codes.
func byCode(cause string, codes ...Code) func(*Case, func(Finding)) {
	return func(c *Case, report func(Finding)) {
		if code, cells := c.code(oneOf(codes...)); len(cells) > 0 {
			report(Finding{Rows: c.Cells(cells...), Cause: cause}.fromCode(code))
		}
	}
}

func failCell(t *Test) []*Cell {
	if t.Result == Fail {
		return []*Cell{&t.Cell}
	}
	return nil
}

func uniqueRows(rows []Field) []Field {
	var out []Field
	for _, f := range rows {
		dup := false
		for _, g := range out {
			dup = dup || g.Line == f.Line && g.Label == f.Label
		}
		if !dup {
			out = append(out, f)
		}
	}
	return out
}

func scpRemedy(c *Case) string {
	s := "Correct the tenant in CDJ\\AAD TenantId and TenantName, or in the keywords of the service connection point, and check that the tenant has a subscription."
	if c.Expect.TenantID != "" {
		s += " Expected: " + clip(c.Expect.TenantID, 64) + "."
	}
	return s
}

func syncFinding(c *Case, cause, remedy string) Finding {
	p := &c.Status.Diagnostics.Pre
	_, cells := serverMessage(c)
	f := Finding{Rows: uniqueRows(c.Cells(append(cells, &p.RegistrationType.Cell, &p.PreviousRegistration.Cell, &p.ClientErrorCode.Cell, &p.ServerErrorCode.Cell)...)),
		Cause: cause, Remedy: remedy, Transient: Yes}
	if p.ClientErrorCode.Value != 0 {
		f.Code = p.ClientErrorCode.Value.String()
	} else if l := c.Status.Log; l != nil && l.SyncError.Value != 0 {
		f.Code = l.SyncError.Value.String()
	}
	return f
}
