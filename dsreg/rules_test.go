package dsreg_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/dsreg/dsregtest"
)

const (
	dd  = "Diagnostic Data"
	sso = "SSO State"
	ngc = "Ngc Prerequisite Check"
)

// A fixture is a capture with what is expected of its device.
type fixture struct {
	report *dsregtest.Report
	text   string // in place of report
	format dsregtest.Format
	want   dsreg.Expectation
}

func (f fixture) statuses(t *testing.T) []*dsreg.Status {
	t.Helper()
	text := f.text
	if f.report != nil {
		text = string(f.report.Render(f.format))
	}
	all, err := dsreg.ParseAll(strings.NewReader(text))
	require.NoError(t, err)
	return all
}

func of(r *dsregtest.Report, want ...dsreg.Expectation) fixture {
	f := fixture{report: r}
	if len(want) > 0 {
		f.want = want[0]
	}
	return f
}

func hybrid() *dsregtest.Report { return dsregtest.New(dsregtest.Hybrid) }
func domain() *dsregtest.Report { return dsregtest.New(dsregtest.Domain) }

// failed is a domain computer whose last attempt, twenty minutes ago, ended with a code.
func failed(phase, code string, more ...string) *dsregtest.Report {
	kv := append([]string{"Previous Registration", "2026-03-04 09:10:00.000 UTC", "Registration Type", "sync", "Error Phase", phase, "Client ErrorCode", code}, more...)
	return domain().InsertAfter(dd, "Fallback to Fed-Join", kv...)
}

// test is a domain computer with one failed test; those after it are skipped.
func test(label, value string) *dsregtest.Report {
	r := domain().Set(dd, label, value)
	tests := []string{"AD Connectivity Test", "AD Configuration Test", "DRS Discovery Test", "DRS Connectivity Test", "Kerberos Ticket Test", "Token acquisition Test"}
	for _, l := range tests[slices.Index(tests, label)+1:] {
		r.Set(dd, l, "SKIPPED")
	}
	return r
}

// waiting is a synchronised join whose object is not in the cloud yet.
func waiting() *dsregtest.Report {
	return failed("join", "0x801c03f2", "Server ErrorCode", "DirectoryError",
		"Server Message", "The device object by the given id ("+dsregtest.DeviceID+") is not found.", "Https Status", "400", "Request Id", "6a2d81f0-44c7-4a5b-9e10-3b7c2f5d8a96")
}

// attempt adds a failed token attempt for Microsoft Entra ID.
func attempt(r *dsregtest.Report, kind, status, user, code, text string) *dsregtest.Report {
	return r.InsertAfter(sso, "AzureAdPrtAuthority", kind, "PRESENT", "Previous Prt Attempt", "2026-03-04 09:00:00.123 UTC", "Attempt Status", status, "User Identity", user,
		"Credential Type", "Password", "Correlation ID", "c1a5f0d2-6b3e-4c79-8f14-a0d9e2b75c36", "Endpoint URI", "https://login.microsoftonline.com/"+dsregtest.TenantID+"/oauth2/token/",
		"HTTP Method", "POST", "HTTP Error", "0x0", "HTTP status", "400", "Server Error Code", code, "Server Error Description", text)
}

func enterpriseAttempt(r *dsregtest.Report) *dsregtest.Report {
	return r.InsertAfter(sso, "EnterprisePrtAuthority", "AcquirePrtDiagnostics", "PRESENT", "Attempt Status", "0xc00000d0", "User Identity", dsregtest.UPN,
		"Endpoint URI", "https://fs.ashdown.example:443/adfs/oauth2/token/", "HTTP status", "400", "Server Error Code", "invalid_grant", "Server Error Description", "MSIS9682: Received invalid OAuth request.")
}

func noToken() *dsregtest.Report {
	return hybrid().Set(sso, "AzureAdPrt", "NO").Remove(sso, "AzureAdPrtUpdateTime", "AzureAdPrtExpiryTime").Set(sso, "CloudTgt", "NO").Set(ngc, "IsUserAzureAD", "NO").Set(ngc, "PreReqResult", "WillNotProvision")
}

// blocked is a hybrid computer on which Windows Hello waits for a row.
func blocked(label string) *dsregtest.Report {
	return hybrid().InsertAfter(ngc, "CertEnrollment", label, "NO").Remove(ngc, "PreReqResult").Set(ngc, label, "NO").Set(ngc, "PreReqResult", "WillNotProvision")
}

var (
	clock = time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)
	at    = func(d time.Duration) dsreg.Expectation { return dsreg.Expectation{At: clock.Add(d)} }
)

// ruleFixtures holds for every rule a capture on which it fires and one that
// is as close as possible on which it is silent.
var ruleFixtures = map[string]struct{ fires, quiet fixture }{
	"state-contradictory":   {of(hybrid().Set("Device State", "EnterpriseJoined", "YES")), of(hybrid())},
	"state-undetermined":    {of(hybrid().Set("Device State", "AzureAdJoined", "ERROR [UNKNOWN_ERROR]")), of(hybrid())},
	"join-state-unexpected": {of(domain(), dsreg.Expectation{Join: dsreg.HybridJoined}), of(hybrid(), dsreg.Expectation{Join: dsreg.HybridJoined})},
	"not-joined-expected":   {of(dsregtest.New(dsregtest.Workgroup)), of(dsregtest.New(dsregtest.Workgroup), dsreg.Expectation{Join: dsreg.HybridJoined})},

	"dc-unreachable":            {of(test("AD Connectivity Test", "FAIL [0x54b]")), of(domain())},
	"domain-only-scp-missing":   {of(test("AD Configuration Test", "FAIL [0x80070002]")), of(domain())},
	"scp-wrong-tenant":          {of(test("DRS Discovery Test", "FAIL [0x801c003a]")), of(test("DRS Discovery Test", "FAIL [0x801c0021/0x801c000c]"))},
	"joined-unexpected-tenant":  {of(hybrid(), dsreg.Expectation{TenantID: "11111111-2222-4333-8444-555555555555"}), of(hybrid(), dsreg.Expectation{TenantID: "{" + strings.ToUpper(dsregtest.TenantID) + "}"})},
	"discovery-network":         {of(test("DRS Discovery Test", "FAIL [0x801c0021/0x80072ee2]")), of(test("DRS Discovery Test", "FAIL [0x801c0021/0x8007000d]"))},
	"discovery-proxy-html":      {of(test("DRS Discovery Test", "FAIL [0x801c0021/0x8007000d]")), of(test("DRS Discovery Test", "FAIL [0x801c0021/0x80072ee2]"))},
	"realm-discovery":           {of(test("DRS Discovery Test", "FAIL [0x801c003d/0x80072ee7]")), of(test("DRS Discovery Test", "FAIL [0x801c0021/0x80072ee7]"))},
	"auth-wstrust":              {of(test("Token acquisition Test", "FAIL [0xcaa90017]")), of(domain())},
	"auth-kerberos":             {of(test("Kerberos Ticket Test", "FAIL [0x80090303]")), of(domain())},
	"sync-pending":              {of(waiting()), of(waiting().Set(dd, "Previous Registration", "2026-03-04 04:00:00.000 UTC"))},
	"sync-overdue":              {of(waiting().Set(dd, "Previous Registration", "2026-03-04 04:00:00.000 UTC")), of(waiting())},
	"stale-registration-renew":  {of(waiting().InsertAfter(dd, "Server ErrorCode", "Server ErrorSubCode", "error_missing_device", "Server Operation", "DeviceRenew")), of(waiting())},
	"throttled":                 {of(waiting().Set(dd, "Server Message", "Your request is throttled temporarily. Please try after 300 seconds.")), of(waiting())},
	"tpm-failure":               {of(failed("join", "0x80290407")), of(failed("join", "0x80280036"))},
	"tpm-fips":                  {of(failed("join", "0x80280036")), of(failed("join", "0x80290407"))},
	"tpm-locked":                {of(failed("join", "0x80090031")), of(failed("join", "0x80290407"))},
	"tpm-attestation":           {of(failed("join", "0x801c0011")), of(failed("join", "0x80290407"))},
	"tpm-keyset":                {of(failed("join", "0x80090016")), of(failed("join", "0x80290407"))},
	"quota":                     {of(failed("join", "0x801c000e")), of(failed("join", "0x80290407"))},
	"previous-failure-outdated": {of(failed("discover", "0x801c0021")), of(failed("join", "0x801c03f2"))},
	"join-refused":              {of(failed("join", "0x801c0003", "Server ErrorCode", "AuthorizationError", "Server Message", "User is not allowed to join devices.")), of(waiting())},
	"prejoin-other":             {of(test("DRS Discovery Test", "FAIL [0x80004005]")), of(test("DRS Discovery Test", "FAIL [0x801c0021/0x80072ee2]"))},

	"device-disabled-or-deleted": {of(hybrid().Set("Device Details", "DeviceAuthStatus", "FAILED. Device is either disabled or deleted")), of(hybrid().Set("Device Details", "DeviceAuthStatus", "FAILED. Error: 0xd000023c"))},
	"device-auth-untested":       {of(hybrid().Set("Device Details", "DeviceAuthStatus", "FAILED. Error: 0xd000023c")), of(hybrid())},
	"key-unusable":               {of(hybrid().Set(dd, "KeySignTest", "FAILED (device key)")), of(hybrid().Set(dd, "KeySignTest", "MUST Run elevated to test."))},
	"key-untested":               {of(hybrid().Set(dd, "KeySignTest", "MUST Run elevated to test.")), of(hybrid())},
	"recovery-pending":           {of(hybrid().Set(dd, "AadRecoveryEnabled", "YES")), of(hybrid())},
	"cert-expired":               {of(hybrid(), dsreg.Expectation{At: clock.AddDate(10, 0, 0)}), of(hybrid(), at(0))},
	"cert-expiring":              {of(hybrid(), dsreg.Expectation{At: time.Date(2035, 5, 20, 0, 0, 0, 0, time.UTC)}), of(hybrid(), at(0))},
	"clock-skew":                 {of(hybrid(), dsreg.Expectation{At: clock.AddDate(-1, 0, 0)}), of(hybrid(), at(0))},
	"key-software":               {of(hybrid().Set("Device Details", "TpmProtected", "NO")), of(hybrid())},
	"dual-state":                 {of(hybrid().Set("User State", "WorkplaceJoined", "YES").WorkAccount(1)), of(hybrid())},
	"mdm-managed":                {of(hybrid().Set(dd, "OsVersionUpdated", "Managed by MDM")), of(hybrid())},
	"hostname-update-failed":     {of(hybrid().Set(dd, "Last HostName Update", "FAIL").Section(dd, "Client ErrorCode", "0x80072ee2")), of(hybrid().Set(dd, "Last HostName Update", "SUCCESS"))},

	"prt-missing":            {of(attempt(noToken(), "AcquirePrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50126: Error validating credentials.")), of(hybrid())},
	"prt-expired":            {of(hybrid(), at(15*24*time.Hour)), of(hybrid(), at(13*24*time.Hour))},
	"prt-stale":              {of(hybrid(), at(8*time.Hour)), of(hybrid(), at(2*time.Hour))},
	"prt-inconsistent":       {of(hybrid().Set(sso, "AzureAdPrtExpiryTime", "2026-02-01 08:30:00.000 UTC")), of(hybrid())},
	"prt-renewal-failing":    {of(attempt(hybrid(), "RefreshPrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50173: The grant has expired.")), of(hybrid())},
	"prt-other-user":         {of(attempt(hybrid(), "AcquirePrtDiagnostics", "0xc000006d", "m.sato@ashdown.example", "invalid_grant", "AADSTS50126: Error validating credentials.")), of(attempt(hybrid(), "AcquirePrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50126: Error validating credentials."))},
	"prt-not-applicable":     {of(dsregtest.New(dsregtest.Registered)), of(noToken())},
	"enterprise-prt-failing": {of(enterpriseAttempt(hybrid())), of(attempt(hybrid(), "AcquirePrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50126: Error validating credentials."))},
	"upn-unverified-suffix":  {of(attempt(noToken(), "AcquirePrtDiagnostics", "0xc00000d0", "r.okafor@ashdown.local", "invalid_request", "AADSTS90002: Tenant 'ashdown.local' not found.")), of(attempt(noToken(), "AcquirePrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50126: Error validating credentials."))},
	"wam-error-context":      {of(hybrid().Set("User State", "WamDefaultSet", "ERROR (0x80070520)")), of(hybrid())},
	"wam-consumer-default":   {of(hybrid().Set("User State", "WamDefaultAuthority", "consumers")), of(hybrid())},
	"onprem-tgt-missing":     {of(hybrid(), dsreg.Expectation{Trust: dsreg.TrustCloudKerberos}), of(hybrid())},
	"cloud-tgt-missing":      {of(hybrid().Set(sso, "CloudTgt", "NO")), of(hybrid())},

	"whfb-check-failed":                   {of(domain().Set(ngc, "NgcPreReq", "ERROR (0xd0020017)")), of(domain())},
	"whfb-not-wanted":                     {of(blocked("PolicyEnabled")), of(hybrid())},
	"whfb-blocked-isdevicejoined":         {of(blocked("IsDeviceJoined")), of(dsregtest.New(dsregtest.Workgroup))},
	"whfb-blocked-isuserazuread":          {of(blocked("IsUserAzureAD")), of(dsregtest.New(dsregtest.Workgroup))},
	"whfb-blocked-postlogonenabled":       {of(blocked("PostLogonEnabled")), of(hybrid())},
	"whfb-blocked-deviceeligible":         {of(blocked("DeviceEligible")), of(hybrid())},
	"whfb-blocked-sessionisnotremote":     {of(blocked("SessionIsNotRemote")), of(hybrid())},
	"whfb-blocked-scepready":              {of(blocked("ScepReady")), of(hybrid())},
	"whfb-blocked-adfsrefreshtoken":       {of(blocked("AdfsRefreshToken")), of(hybrid())},
	"whfb-blocked-adfsraisready":          {of(blocked("AdfsRaIsReady")), of(hybrid())},
	"whfb-blocked-logoncerttemplateready": {of(blocked("LogonCertTemplateReady")), of(hybrid().InsertAfter(ngc, "CertEnrollment", "LogonCertTemplateReady", "YES ( StateReady )"))},
	"whfb-blocked-onpremtgt":              {of(blocked("OnPremTGT")), of(hybrid())},

	"context-elevated":      {of(domain().Set(dd, "User Context", "ELEVATED User")), of(domain())},
	"context-system":        {of(domain().Set(dd, "User Context", "SYSTEM")), of(domain())},
	"context-remote":        {of(domain().Set(ngc, "SessionIsNotRemote", "NO")), of(domain())},
	"context-local-account": {of(noToken().Set(dd, "Executing Account Name", `AV-LT-0417\setup`)), of(noToken())},
	"tests-skipped":         {of(test("AD Configuration Test", "FAIL [0x80070002]")), of(domain())},
	"capture-truncated":     {fixture{report: hybrid(), format: dsregtest.Format{Cut: 1400}}, of(hybrid())},
	"capture-redacted":      {of(hybrid().Set("Tenant Details", "TenantId", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")), of(hybrid())},
	"capture-old-layout":    {fixture{report: hybrid(), format: dsregtest.Format{Layout: dsregtest.Old1803}}, of(hybrid())},
	"encoding-repaired":     {of(hybrid().Set("Tenant Details", "TenantName", "RÚpertoire par dÚfaut")), of(hybrid().Set("Tenant Details", "TenantName", "Répertoire par défaut"))},
	"multiple-captures":     {fixture{text: hybrid().String() + domain().String()}, of(hybrid())},
	"unknown-rows":          {of(hybrid().Set(sso, "QuantumPrt", "YES")), of(hybrid().RemoveSection("Virtual Desktop Settings").Section("Virtual Desktop Settings", "Provider", "Ashdown VDI", "Pool", "blue"))},
}

func TestEveryRuleHasFixtures(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range dsreg.Rules() {
		require.False(t, ids[r.ID], "%s occurs twice", r.ID)
		ids[r.ID] = true
		require.Regexp(t, `^[a-z0-9-]+$`, r.ID)
		require.NotEmpty(t, r.Title, r.ID)
		require.NotEmpty(t, r.Source, "%s: a rule without a source is an opinion", r.ID)
		require.NotZero(t, r.Severity, r.ID)
		require.NotEmpty(t, r.Phase, r.ID)
		fx, ok := ruleFixtures[r.ID]
		require.True(t, ok, "%s has no fixtures", r.ID)
		t.Run(r.ID, func(t *testing.T) {
			for _, st := range fx.fires.statuses(t) {
				d := dsreg.Diagnose(st, fx.fires.want)
				f, ok := d.Find(r.ID)
				require.True(t, ok, "does not fire; findings: %v", idsOf(d))
				requireFinding(t, st, f)
			}
			for _, st := range fx.quiet.statuses(t) {
				d := dsreg.Diagnose(st, fx.quiet.want)
				require.False(t, d.Has(r.ID), "is not silent")
				require.True(t, slices.Contains(d.Passed, r.ID) || slices.Contains(d.NotApplicable, r.ID))
			}
		})
	}
	for id := range ruleFixtures {
		require.True(t, ids[id], "fixtures for %s, which is no rule", id)
	}
}

func idsOf(d *dsreg.Diagnosis) (ids []string) {
	for _, f := range d.Findings {
		ids = append(ids, f.Severity.String()+" "+f.ID)
	}
	return ids
}

// requireFinding checks that a finding is complete and rests on rows of the capture.
func requireFinding(t testing.TB, st *dsreg.Status, f dsreg.Finding) {
	t.Helper()
	require.NotEmpty(t, f.Cause, f.ID)
	require.NotEmpty(t, f.Remedy, f.ID)
	require.NotEmpty(t, f.Source, f.ID)
	require.NotEmpty(t, f.Confidence, f.ID)
	require.NotEmpty(t, f.Phase, f.ID)
	all := slices.Collect(st.Fields())
	if len(f.Rows) == 0 {
		require.Contains(t, []string{"state-undetermined", "capture-truncated", "context-elevated", "context-remote"}, f.ID, "only a finding about missing rows or a prompt rests on none")
	}
	for i, row := range f.Rows {
		require.Contains(t, all, row, f.ID)
		if i > 0 {
			require.LessOrEqual(t, f.Rows[i-1].Line, row.Line, "%s: rows are in print order", f.ID)
		}
	}
}

// TestHealthyIsSilent: a healthy report in any layout and at a plausible time has no error and no warning.
func TestHealthyIsSilent(t *testing.T) {
	for s := dsregtest.Hybrid; s <= dsregtest.DRS; s++ {
		for _, l := range []dsregtest.Layout{dsregtest.Modern, dsregtest.Old1803, dsregtest.Server2016} {
			st, err := dsreg.Parse(strings.NewReader(string(dsregtest.New(s).Render(dsregtest.Format{Layout: l}))))
			require.NoError(t, err)
			for _, want := range []dsreg.Expectation{{}, at(0), {Join: st.Join(), TenantID: dsregtest.TenantID, At: clock}} {
				d := dsreg.Diagnose(st, want)
				require.LessOrEqual(t, d.Worst(), dsreg.Info, "state %d, layout %d: %v", s, l, idsOf(d))
			}
		}
	}
}

// TestUndeterminedIsNotWanted: a capture that breaks off is no proof of the state that was asked for.
func TestUndeterminedIsNotWanted(t *testing.T) {
	st, err := dsreg.ParseString("+----+\n| Device State |\n+----+\n AzureAdJo")
	require.NoError(t, err)
	require.Equal(t, dsreg.Info, dsreg.Diagnose(st, dsreg.Expectation{}).Worst())
	d := dsreg.Diagnose(st, dsreg.Expectation{Join: dsreg.HybridJoined})
	f, ok := d.Find("state-undetermined")
	require.True(t, ok)
	require.Equal(t, dsreg.Error, f.Severity)
	require.Contains(t, f.Cause, "Wanted: "+dsreg.HybridJoined.Title())
}

func TestContextLowersUserRows(t *testing.T) {
	broken := func() *dsregtest.Report {
		return attempt(noToken(), "AcquirePrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50126: Error validating credentials.")
	}
	f, ok := dsreg.Diagnose(broken().Status(t), dsreg.Expectation{}).Find("prt-missing")
	require.True(t, ok)
	require.Equal(t, dsreg.Error, f.Severity)
	require.Equal(t, "AADSTS50126", f.Code)
	for name, r := range map[string]*dsregtest.Report{
		"SYSTEM":       broken().Set(dd, "Executing Account Name", `ASHDOWN\AV-LT-0417$, AV-LT-0417$@ashdown.example`),
		"elevated":     broken().Set("User State", "WamDefaultSet", "ERROR (0x80070520)"),
		"remote shell": broken().Preface("*Evil-WinRM* PS C:\\> dsregcmd /status"),
	} {
		d := dsreg.Diagnose(r.Status(t), dsreg.Expectation{})
		f, ok := d.Find("prt-missing")
		require.True(t, ok, name)
		require.Equal(t, dsreg.Info, f.Severity, name)
		require.Equal(t, dsreg.Low, f.Confidence, name)
		require.True(t, d.Has("context-system") || d.Has("context-elevated") || d.Has("context-remote"), name)
	}
}

func TestNotExpectedIsNotBroken(t *testing.T) {
	severity := func(f fixture, id string) dsreg.Severity {
		d := dsreg.Diagnose(f.statuses(t)[0], f.want)
		x, ok := d.Find(id)
		require.True(t, ok, "%s: %v", id, idsOf(d))
		return x.Severity
	}
	admin := attempt(noToken(), "AcquirePrtDiagnostics", "0xc00000d0", "Administrator@ashdown.local", "invalid_request", "AADSTS90002: Tenant 'ashdown.local' not found.")
	require.Equal(t, dsreg.Info, severity(of(admin), "upn-unverified-suffix"))
	named := attempt(noToken(), "AcquirePrtDiagnostics", "0xc000006d", "svc.local@ashdown.example", "invalid_grant", "AADSTS50034: no such user")
	require.Equal(t, dsreg.Info, severity(of(named, dsreg.Expectation{Unsynchronised: []string{"SVC.LOCAL"}}), "prt-missing"))
	require.Equal(t, dsreg.Error, severity(of(named), "prt-missing"))
	require.Equal(t, dsreg.Info, severity(of(waiting(), dsreg.Expectation{Join: dsreg.HybridJoined}), "join-state-unexpected"))
	require.Equal(t, dsreg.Info, severity(of(test("AD Configuration Test", "FAIL [0x80070002]"), dsreg.Expectation{Join: dsreg.DomainJoined}), "domain-only-scp-missing"))
	require.Equal(t, dsreg.Info, severity(of(dsregtest.New(dsregtest.Workgroup)), "prt-not-applicable"))
	require.Equal(t, dsreg.Info, severity(of(blocked("AdfsRefreshToken"), dsreg.Expectation{Trust: dsreg.TrustCloudKerberos}), "whfb-blocked-adfsrefreshtoken"))
	require.Equal(t, dsreg.Warning, severity(of(blocked("AdfsRefreshToken"), dsreg.Expectation{Trust: dsreg.TrustCertificate}), "whfb-blocked-adfsrefreshtoken"))
	require.Equal(t, dsreg.Warning, severity(of(test("Kerberos Ticket Test", "FAIL [0x80090311]")), "auth-kerberos"), "there is a fallback")
	require.Equal(t, dsreg.Error, severity(of(test("Kerberos Ticket Test", "FAIL [0x80090311]").Set(dd, "Fallback to Sync-Join", "DISABLED").Set(dd, "Fallback to Fed-Join", "DISABLED")), "auth-kerberos"))
}

func TestSyncPatience(t *testing.T) {
	r := waiting() // the attempt is twenty minutes old by the capture's clock
	for _, c := range []struct {
		want    dsreg.Expectation
		overdue bool
	}{
		{dsreg.Expectation{}, false},
		{dsreg.Expectation{SyncPatience: 10 * time.Minute}, true},
		{dsreg.Expectation{At: clock.Add(time.Hour)}, false},
		{dsreg.Expectation{At: clock.Add(4 * time.Hour)}, true},
		{dsreg.Expectation{Since: clock.Add(-4 * time.Hour)}, true},
		{dsreg.Expectation{Since: clock.Add(-2 * time.Hour)}, false},
		{dsreg.Expectation{Since: clock.Add(-2 * time.Hour), SyncPatience: time.Hour}, true},
	} {
		d := dsreg.Diagnose(r.Status(t), c.want)
		require.Equal(t, c.overdue, d.Has("sync-overdue"), "%+v", c.want)
		require.Equal(t, !c.overdue, d.Has("sync-pending"), "%+v", c.want)
	}
}

func TestFourTokenBlocksKeepTheirOwners(t *testing.T) {
	r := hybrid()
	r.InsertAfter(sso, "AzureAdPrtAuthority",
		"AcquirePrtDiagnostics", "PRESENT", "Attempt Status", "0xc0000001", "Endpoint URI", "https://fs.ashdown.example/adfs/services/trust/13/usernamemixed",
		"RefreshPrtDiagnostics", "PRESENT", "Attempt Status", "0xc0000002", "Endpoint URI", "https://login.microsoftonline.com/common/oauth2/token")
	r.InsertAfter(sso, "EnterprisePrtAuthority",
		"AcquirePrtDiagnostics", "PRESENT", "Attempt Status", "0xc0000003", "Endpoint URI", "https://fs.ashdown.example/adfs/oauth2/token",
		"RefreshPrtDiagnostics", "ERROR (0x80070005)", "Attempt Status", "0xc0000004")
	a := r.Status(t).SSO.Attempts
	require.Len(t, a, 4)
	for i, want := range []struct {
		owner dsreg.PRTOwner
		kind  dsreg.AttemptKind
	}{{dsreg.OwnerEntra, dsreg.AcquirePRT}, {dsreg.OwnerEntra, dsreg.RefreshPRT}, {dsreg.OwnerEnterprise, dsreg.AcquirePRT}, {dsreg.OwnerEnterprise, dsreg.RefreshPRT}} {
		require.Equal(t, want.owner, a[i].Owner)
		require.Equal(t, want.kind, a[i].Kind)
		require.Equal(t, dsreg.Code(0xc0000001+i), a[i].AttemptStatus.Value)
		require.False(t, a[i].Disputed)
	}
	require.Equal(t, dsreg.Failed, a[3].Marker.State)
	require.Equal(t, dsreg.Code(0x80070005), a[3].Marker.Code)
}

// TestUnknownCodes: a code that is in no table still gives a whole finding.
func TestUnknownCodes(t *testing.T) {
	for id, r := range map[string]*dsregtest.Report{
		"auth-wstrust":  test("Token acquisition Test", "FAIL [0xcaa9000c]"),
		"auth-kerberos": test("Kerberos Ticket Test", "FAIL [0x80090399]"),
		"prejoin-other": test("DRS Connectivity Test", "FAIL [0x12345678]"),
		"prt-missing":   attempt(noToken(), "AcquirePrtDiagnostics", "0xc0009999", dsregtest.UPN, "odd", "no code at all"),
	} {
		st := r.Status(t)
		f, ok := dsreg.Diagnose(st, dsreg.Expectation{}).Find(id)
		require.True(t, ok, id)
		requireFinding(t, st, f)
		require.NotEmpty(t, f.Code, id)
	}
}

func TestDiagnosisIsDeterministic(t *testing.T) {
	for id, fx := range ruleFixtures {
		st := fx.fires.statuses(t)[0]
		require.Equal(t, dsreg.Diagnose(st, fx.fires.want), dsreg.Diagnose(st, fx.fires.want), id)
	}
}

func TestRulesAreTheCallersToChange(t *testing.T) {
	rules := dsreg.Rules()
	rules[0].ID = "mine"
	require.NotEqual(t, "mine", dsreg.Rules()[0].ID)
	own := []dsreg.Rule{{ID: "no-tpm", Title: "t", Severity: dsreg.Warning, Phase: dsreg.PhaseJoin, Source: "house rule",
		Applies: func(c *dsreg.Case) bool { return c.Status.Details.TpmProtected.Present() },
		Check: func(c *dsreg.Case, report func(dsreg.Finding)) {
			if c.Status.Details.TpmProtected.No() {
				report(dsreg.Finding{Rows: c.Cells(&c.Status.Details.TpmProtected.Cell), Cause: "c", Remedy: "r"})
			}
		}}}
	st := hybrid().Set("Device Details", "TpmProtected", "NO").Status(t)
	d := dsreg.DiagnoseWith(own, st, dsreg.Expectation{})
	require.Len(t, d.Findings, 1)
	require.Equal(t, "TpmProtected", d.Findings[0].Rows[0].Label)
	require.Equal(t, dsreg.High, d.Findings[0].Confidence)
	require.Equal(t, []string{"no-tpm"}, dsreg.DiagnoseWith(own, dsregtest.New(dsregtest.Workgroup).Status(t), dsreg.Expectation{}).NotApplicable)
}
