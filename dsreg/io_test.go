package dsreg_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/dsreg/dsregtest"
)

func TestJSONRoundTrip(t *testing.T) {
	inputs := []string{
		"note\n" + hybrid().String() + "\nremark\n", domain().String(), dsregtest.New(dsregtest.Registered).WorkAccount(2).String(),
		hybrid().Set("Tenant Details", "TenantName", "RÚpertoire par dÚfaut").Set("SSO State", "QuantumPrt", "?").String(), joinLog, accountLog,
		"| Device State |\n AzureAdJoined : YES\n| Ngc Pre", string(waiting().Render(dsregtest.Format{Damage: dsregtest.Flattened})),
	}
	for id, fx := range ruleFixtures {
		if fx.fires.report != nil {
			inputs = append(inputs, string(fx.fires.report.Render(fx.fires.format)))
		}
		_ = id
	}
	for _, in := range inputs {
		st, err := dsreg.ParseString(in)
		require.NoError(t, err)
		b, err := json.Marshal(st)
		require.NoError(t, err)
		var back dsreg.Status
		require.NoError(t, json.Unmarshal(b, &back))
		require.True(t, reflect.DeepEqual(*st, back), "something is lost")
		again, err := json.Marshal(&back)
		require.NoError(t, err)
		require.JSONEq(t, string(b), string(again))
	}
	for _, bad := range []string{`[]`, `{"headings":[{"title":"x","firstRow":3}],"rows":[]}`, `{"headings":[{"title":"x","firstRow":-1}]}`, `{"texts":[{"class":"poem"}]}`, `{"rows":[1]}`, `{"joinState":"married"}`} {
		require.Error(t, json.Unmarshal([]byte(bad), new(dsreg.Status)), bad)
	}
	var st dsreg.Status
	require.NoError(t, json.Unmarshal([]byte(`{"rows":[{"section":"SSO State","label":"FutureRow","value":"1","line":3,"key":"SSO State/FutureRow"}]}`), &st))
	f, ok := st.Find("", "FutureRow")
	require.True(t, ok)
	require.False(t, f.Known(), "a newer version's row is kept as unknown")
}

func TestFindingJSON(t *testing.T) {
	d := dsreg.Diagnose(waiting().Status(t), dsreg.Expectation{})
	b, err := json.Marshal(d.Findings)
	require.NoError(t, err)
	var back []dsreg.Finding
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, d.Findings, back)
}

func TestExpectationJSON(t *testing.T) {
	want := dsreg.Expectation{TenantID: dsregtest.TenantID, TenantName: "ashdown.example", Join: dsreg.HybridJoined, Trust: dsreg.TrustCloudKerberos, Hello: dsreg.No,
		SyncPatience: 90 * time.Minute, Since: clock, At: clock.Add(time.Hour), Unsynchronised: []string{"adm"}}
	b, err := json.Marshal(want)
	require.NoError(t, err)
	var back dsreg.Expectation
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, want, back)
	for _, bad := range []string{`{"tenant":"x"}`, `{"tenantId":"x"}`, `{"join":"maybe"}`, `{"join":"contradictory"}`, `{"trust":"blind"}`, `{"syncPatience":"-1h"}`, `{"syncPatience":"soon"}`, `{"hello":"x"}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &back), bad)
	}
}

const joinLog = `dsregcmd::wmain logging initialized.
DsrCmdAccountMgr::IsDomainControllerAvailable: DsGetDcName success { domain:ashdown.example forest:ashdown.example domainController:\\dc1.ashdown.example isDcAvailable:true }
PreJoinChecks Complete.
preCheckResult: Join
isPrivateKeyFound: undefined
isJoined: NO
isDcAvailable: YES
isSystem: YES
keyProvider: undefined
keyContainer: undefined
dsrInstance: undefined
elapsedSeconds: 0
resultCode: 0x0
TenantInfo::Discover: Join Info { TenantType = Federated; AutoJoinEnabled = 1; TenandID = 4d1c2f6e-8a53-4b7e-9c21-6f0a5e7b1d38; TenantName = ashdown.example }
AdalLog: Token is not available in the cache ; HRESULT: 0x0
AdalLog:  HRESULT: 0xcaa9002c
LogFatalAuthError: AdalMessage: integrated sign-in failed
AdalErrorCode: 0xcaa9002c
AdalCorrelationId: {0f9d3b52-77c4-4e18-a6b0-d15e48c2f970}
AutoEnrollAsComputer: Unable to retrieve access token. GetComputerTokenForADRS failed with error 0xcaa9002c.
DsrCmdJoinHelper::Join: Federated ADRS join failed with error 0xcaa1000e. Try synchronized join.
Join request ID: 6a2d81f0-44c7-4a5b-9e10-3b7c2f5d8a96
Join response time: Wed, 04 Mar 2026 09:30:00 GMT
Join HTTP status: 400
Join error code: DirectoryError
Join message: The device object by the given id (b7e0c9d4-15a2-4f63-8e9b-2c4d7a10f5e6) is not found.
DsrDeviceAutoJoin failed 0x801c03f2.
DsrCmdJoinHelper::Join: DsrCmdDeviceEnroller::AutoEnrollSync failed with error code 0x801c03f2.
DSREGCMD_END_STATUS
             AzureAdJoined : NO
          EnterpriseJoined : NO
`

const accountLog = `Call CleanupAccounts to remove WAM accounts from the current user profile.

User accounts:
Removing account: u:11.22, user: r.okafor@ashdown.example, authority: https://login.microsoftonline.com/common.
Remove account result: 0x80070005.

Accounts found: 1.

Application accounts:
Account: a:33, user: app@ashdown.example, authority: https://login.microsoftonline.com/organizations.
Accounts found: 1.

Default account: u:11.22, user: r.okafor@ashdown.example.
`

func TestJoinLog(t *testing.T) {
	for _, in := range []string{joinLog, "    " + strings.ReplaceAll(joinLog, "\n", "\n    "), strings.ReplaceAll(joinLog, "\n", "\r\n")} {
		st, err := dsreg.ParseString(in)
		require.NoError(t, err)
		require.Equal(t, dsreg.KindJoin, st.Kind)
		l := st.Log
		require.True(t, l.Complete)
		require.Equal(t, "Join", l.PreCheck.Result.Raw)
		require.Equal(t, dsreg.Absent, l.PreCheck.IsPrivateKeyFound.State, "undefined is no value")
		require.True(t, l.PreCheck.IsDCAvailable.Yes())
		require.True(t, l.PreCheck.IsJoined.No())
		require.Equal(t, "Federated", l.TenantType)
		require.Equal(t, dsreg.Yes, l.AutoJoin)
		require.Equal(t, dsregtest.TenantID, l.TenantID)
		require.Equal(t, dsreg.Code(0xcaa9002c), l.Adal.Value)
		require.Equal(t, dsreg.Code(0xcaa9002c), l.TokenError.Value)
		require.Equal(t, dsreg.Code(0xcaa1000e), l.FederatedError.Value)
		require.Equal(t, dsreg.Code(0x801c03f2), l.SyncError.Value)
		require.True(t, l.SyncTried)
		require.Equal(t, 400, l.HTTPStatus.N)
		require.Equal(t, "integrated sign-in failed", l.AdalMessage.Raw)
		require.True(t, st.Device.AzureAdJoined.No())
		require.Equal(t, dsreg.Undetermined, st.Join(), "the trace does not print DomainJoined")
		d := dsreg.Diagnose(st, dsreg.Expectation{})
		require.True(t, d.Has("sync-pending"))
		f, ok := d.Find("auth-wstrust")
		require.True(t, ok)
		require.Equal(t, dsreg.Warning, f.Severity, "the synchronised join follows")
		for _, f := range d.Findings {
			requireFinding(t, st, f)
		}
	}
	requireAccounted(t, joinLog)
	st, err := dsreg.ParseString("dsregcmd::wmain logging initialized.\nTenantInfo::Discover: Failed reading registration data from AD. Defaulting to autojoin disabled 0x80070002\nisDcAvailable: NO\nDSREGCMD_END_STATUS\n")
	require.NoError(t, err)
	d := dsreg.Diagnose(st, dsreg.Expectation{})
	require.True(t, d.Has("domain-only-scp-missing"))
	require.True(t, d.Has("dc-unreachable"))
	st, err = dsreg.ParseString("dsregcmd::wmain logging initialized.\nDsrCmdLeaveHelper::Leave: Device left.\nDSREGCMD_END_STATUS\n AzureAdJoined : NO\n")
	require.NoError(t, err)
	require.Equal(t, dsreg.KindLeave, st.Kind)
}

func TestAccounts(t *testing.T) {
	st, err := dsreg.ParseString(accountLog)
	require.NoError(t, err)
	require.Equal(t, dsreg.KindCleanup, st.Kind)
	a := st.Accounts
	require.Len(t, a.Users, 1)
	require.True(t, a.Users[0].Removed)
	require.Equal(t, dsreg.Code(0x80070005), a.Users[0].Result.Value)
	require.Equal(t, 1, a.Failures)
	require.Equal(t, dsreg.WAMAccount{Handle: "a:33", User: "app@ashdown.example", Authority: "https://login.microsoftonline.com/organizations", Line: 10}, a.Apps[0])
	require.Equal(t, 1, a.AppsFound.N)
	require.Equal(t, "r.okafor@ashdown.example", a.Default.User)
	requireAccounted(t, accountLog)
}

func TestRedact(t *testing.T) {
	secrets := []string{dsregtest.TenantID, dsregtest.DeviceID, "Ashdown", "okafor", "AV-LT-0417", "5C0F1A7E92B34D66", "0f9d3b52", "e3a8145c"}
	for name, text := range map[string]string{
		"hybrid": attempt(hybrid(), "AcquirePrtDiagnostics", "0xc000006d", "okafor2@ashdown.example", "invalid_grant", "AADSTS50034: user okafor2@ashdown.example not in "+dsregtest.TenantID).Preface(`PS C:\Users\okafor2> dsregcmd /status`).String(),
		"domain": waiting().String(), "registered": dsregtest.New(dsregtest.Registered).WorkAccount(2).String(), "log": joinLog, "accounts": accountLog,
		"local":  noToken().Set(dd, "Executing Account Name", `AV-LT-0417\setup`).String(),
		"crlf16": string(hybrid().Render(dsregtest.Format{Encoding: dsregtest.UTF16LEBOM, LineEnd: "\r\n"})),
		"old":    string(hybrid().Render(dsregtest.Format{Layout: dsregtest.Old1803})),
	} {
		t.Run(name, func(t *testing.T) {
			clean, err := dsreg.Redact(text)
			require.NoError(t, err)
			for _, s := range secrets {
				require.NotContains(t, strings.ToLower(clean), strings.ToLower(s))
			}
			before, err := dsreg.ParseString(text)
			require.NoError(t, err)
			after, err := dsreg.ParseString(clean)
			require.NoError(t, err)
			requireSameShape(t, before, after)

			var r dsreg.Redactor
			requireSameShape(t, before, r.Status(before))
			require.NotEmpty(t, r.Replacements())
			twice, err := dsreg.Redact(clean)
			require.NoError(t, err)
			require.Equal(t, clean, twice, "applied twice is applied once")
		})
	}
	var r dsreg.Redactor
	a, err := r.Text(hybrid().String())
	require.NoError(t, err)
	b, err := r.Text(domain().Set("Device State", "Device Name", "AV-LT-0999.ashdown.example").String())
	require.NoError(t, err)
	name := func(s string) string {
		st, err := dsreg.ParseString(s)
		require.NoError(t, err)
		return st.Device.DeviceName.Raw
	}
	require.NotEqual(t, name(a), name(b), "two computers stay two")
	require.Equal(t, name(a)[strings.Index(name(a), "."):], name(b)[strings.Index(name(b), "."):], "one domain stays one")
	clean, err := dsreg.Redact(attempt(hybrid(), "AcquirePrtDiagnostics", "0xc000006d", "S-1-12-1-1234567890-11-22-33", "x", "SID S-1-5-21-1-2-3-1104 of S-1-12-1-1234567890-11-22-33").
		Set("IE Proxy Config for Current User", "Proxy Server List", "10.20.30.40:8080;proxy.ashdown.example:3128").String())
	require.NoError(t, err)
	for _, gone := range []string{"1234567890", "S-1-5-21-1-", "10.20.30.40", "proxy.ashdown"} {
		require.NotContains(t, clean, gone)
	}
	require.Contains(t, clean, "User Identity : S-1-5-21-0-0-0-1\n")
	require.Contains(t, clean, "SID S-1-5-21-0-0-0-2 of S-1-5-21-0-0-0-1\n")
	require.Contains(t, clean, "Proxy Server List : 192.0.2.1:8080;domain")
	_, err = dsreg.Redact("nothing to see")
	require.ErrorIs(t, err, dsreg.ErrNoCapture)
}

func requireSameShape(t *testing.T, a, b *dsreg.Status) {
	t.Helper()
	require.Equal(t, a.Kind, b.Kind)
	require.Equal(t, a.Join(), b.Join())
	fa, fb := slices.Collect(a.Fields()), slices.Collect(b.Fields())
	require.Equal(t, len(fa), len(fb))
	for i := range fa {
		require.Equal(t, fa[i].Key(), fb[i].Key())
		require.Equal(t, fa[i].Label, fb[i].Label)
		require.Equal(t, fa[i].Line, fb[i].Line)
		require.Equal(t, fa[i].Value == "", fb[i].Value == "", "%s", fa[i].Label)
	}
	da, db := dsreg.Diagnose(a, dsreg.Expectation{}), dsreg.Diagnose(b, dsreg.Expectation{})
	require.Equal(t, idsOf(da), idsOf(db))
	require.Equal(t, a.Details.DeviceID.State, b.Details.DeviceID.State)
	require.Equal(t, a.Details.Thumbprint.State, b.Details.Thumbprint.State)
}

func TestCompareLeave(t *testing.T) {
	before, after := hybrid().Status(t), domain().Status(t)
	c := dsreg.Compare(before, after, dsreg.Expectation{})
	require.True(t, c.ConfirmsLeave())
	require.False(t, c.ConfirmsHybridJoin())
	for _, k := range []dsreg.ChangeKind{dsreg.ChangeLeft, dsreg.ChangeLostPRT, dsreg.ChangeRow, dsreg.ChangeFinding} {
		require.True(t, c.Has(k), k)
	}
	require.False(t, c.Has(dsreg.ChangeDevice))
	back := dsreg.Compare(after, before, dsreg.Expectation{})
	require.True(t, back.ConfirmsHybridJoin())
	require.True(t, back.Has(dsreg.ChangeJoined))
	require.True(t, back.Has(dsreg.ChangeGotPRT))
	require.True(t, back.Has(dsreg.ChangeSolved))

	other := domain().Set("Device State", "Device Name", "AV-LT-0500.ashdown.example").Status(t)
	c = dsreg.Compare(before, other, dsreg.Expectation{})
	require.True(t, c.Has(dsreg.ChangeDevice))
	require.False(t, c.ConfirmsLeave(), "another computer confirms nothing")
	cut, err := dsreg.ParseString("| User State |\n NgcSet : NO\n")
	require.NoError(t, err)
	require.False(t, dsreg.Compare(before, cut, dsreg.Expectation{}).ConfirmsLeave(), "a capture that does not say confirms nothing")
}

func TestCompareDetails(t *testing.T) {
	same := dsreg.Compare(hybrid().Status(t), hybrid().Status(t), dsreg.Expectation{})
	require.Empty(t, same.Changes)
	for kind, after := range map[dsreg.ChangeKind]*dsregtest.Report{
		dsreg.ChangeRenewed:    hybrid().Set(sso, "AzureAdPrtUpdateTime", "2026-03-04 12:30:00.000 UTC"),
		dsreg.ChangeTenant:     hybrid().Set("Tenant Details", "TenantId", "11111111-2222-4333-8444-555555555555"),
		dsreg.ChangeReregister: hybrid().Set("Device Details", "DeviceId", "11111111-2222-4333-8444-555555555555"),
		dsreg.ChangeRegistered: hybrid().Set("User State", "WorkplaceJoined", "YES").WorkAccount(1),
	} {
		c := dsreg.Compare(hybrid().Status(t), after.Status(t), dsreg.Expectation{})
		require.True(t, c.Has(kind), "%s: %+v", kind, c.Changes)
		require.True(t, c.Has(dsreg.ChangeRow))
	}
	c := dsreg.Compare(hybrid().Set("User State", "WorkplaceJoined", "YES").WorkAccount(1).Status(t), hybrid().Status(t), dsreg.Expectation{})
	require.True(t, c.Has(dsreg.ChangeRemoved))
	c = dsreg.Compare(dsregtest.New(dsregtest.Workgroup).Status(t), dsregtest.New(dsregtest.Registered).Status(t), dsreg.Expectation{})
	require.True(t, c.Has(dsreg.ChangeState))
}

func TestFleet(t *testing.T) {
	var f dsreg.Fleet
	f.Keep = 3
	for i := range 50 {
		r := hybrid()
		switch {
		case i%10 == 0:
			r = attempt(noToken(), "AcquirePrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50126: x")
			if i == 20 {
				r.Set(dd, "KeySignTest", "FAILED (device key)")
			}
		case i%3 == 0:
			r = dsregtest.New(dsregtest.Workgroup)
		}
		f.Add(fmt.Sprintf("pc%02d", i), r.Status(t))
	}
	s := f.Summary()
	require.Equal(t, 50, s.Captures)
	require.Equal(t, 5, s.WithErrors)
	require.Equal(t, 45, s.Clean)
	require.Equal(t, []dsreg.JoinCount{{State: dsreg.HybridJoined, Count: 35}, {State: dsreg.NotJoined, Count: 15}}, s.JoinStates)
	require.Equal(t, []dsreg.TenantCount{{ID: dsregtest.TenantID, Name: dsregtest.TenantName, Count: 35}}, s.Tenants)
	require.Len(t, s.Worst, 3)
	require.Equal(t, "pc20", s.Worst[0].Name, "two errors are worse than one")
	require.Equal(t, "pc00", s.Worst[1].Name)
	require.Equal(t, "prt-missing", s.Findings[0].ID)
	require.Equal(t, dsreg.Error, s.Findings[0].Severity)
	require.Equal(t, 5, s.Findings[0].Count)
	b, err := json.Marshal(&f)
	require.NoError(t, err)
	var back dsreg.FleetSummary
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, s, back)
	require.NotNil(t, new(dsreg.Fleet).Summary().Worst)
}

func TestWriteText(t *testing.T) {
	for _, in := range []string{hybrid().Preface("PS C:\\> dsregcmd /status").String(), domain().String(), joinLog, accountLog, string(waiting().Render(dsregtest.Format{Wrap: 80})), string(hybrid().Render(dsregtest.Format{Layout: dsregtest.Old1803}))} {
		st, err := dsreg.ParseString(in)
		require.NoError(t, err)
		var b strings.Builder
		require.NoError(t, st.WriteText(&b))
		back, err := dsreg.ParseString(b.String())
		require.NoError(t, err)
		require.Equal(t, facts(st), facts(back))
		require.Equal(t, st.Join(), back.Join())
	}
}

// TestImports keeps the package and its test helper free of dependencies.
func TestImports(t *testing.T) {
	for _, pkg := range []string{".", "./dsregtest"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", pkg).Output()
		require.NoError(t, err)
		for dep := range strings.FieldsSeq(string(out)) {
			first, _, _ := strings.Cut(dep, "/")
			if strings.Contains(first, ".") && !strings.HasPrefix(dep, "go.internal/hybridkit/dsreg") {
				t.Errorf("%s imports %s: dsreg is standard library only, so that agents can link it", pkg, dep)
			}
			if dep == "testing" && pkg == "." {
				t.Errorf("dsreg imports testing: that belongs in dsregtest")
			}
			if dep == "net/http" || dep == "os/exec" {
				t.Errorf("%s imports %s: the package contacts nobody and runs nothing", pkg, dep)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", ".").Output()
	require.NoError(t, err)
	for _, banned := range []string{"github.com/microsoftgraph/", "github.com/go-ldap/"} {
		require.NotContains(t, string(out), banned, "tests count too: every consumer's go mod tidy follows them")
	}
}
