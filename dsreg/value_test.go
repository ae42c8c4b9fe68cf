package dsreg_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
)

func TestParseUUID(t *testing.T) {
	const text = "4d1c2f6e-8a53-4b7e-9c21-6f0a5e7b1d38"
	for _, s := range []string{text, strings.ToUpper(text), "{" + text + "}", "{ " + text + " }"} {
		u, err := dsreg.ParseUUID(s)
		require.NoError(t, err)
		require.Equal(t, text, u.String())
		require.False(t, u.IsZero())
	}
	for _, s := range []string{"", "{}", text[1:], text + "0", strings.ReplaceAll(text, "-", "0"), "4d1c2f6-e8a53-4b7e-9c21-6f0a5e7b1d38", "4d1c2f6e-8a5--4b7e-9c21-6f0a5e7b1d3-", "xd1c2f6e-8a53-4b7e-9c21-6f0a5e7b1d38", strings.Repeat("-", 36)} {
		_, err := dsreg.ParseUUID(s)
		require.Error(t, err, s)
	}
}

// TestStates keeps apart what a row can say: the seven states and, for flags, YES and NO.
func TestStates(t *testing.T) {
	read := func(row string) *dsreg.Status {
		return mustParse(t, "| SSO State |\n AzureAdPrt"+row+"\n OnPremTgt : NO\n")
	}
	for row, want := range map[string]struct {
		state dsreg.State
		value dsreg.Tri
		code  dsreg.Code
	}{
		" : YES": {dsreg.Set, dsreg.Yes, 0}, " : NO": {dsreg.Set, dsreg.No, 0}, " :": {dsreg.Empty, dsreg.Maybe, 0}, " : UNKNOWN": {dsreg.Unknown, dsreg.Maybe, 0},
		" : ERROR": {dsreg.Failed, dsreg.Maybe, 0}, " : ERROR 0xd0020017": {dsreg.Failed, dsreg.Maybe, 0xd0020017}, " : ERROR (0x80070520)": {dsreg.Failed, dsreg.Maybe, 0x80070520},
		" : ERROR [UNKNOWN_ERROR]": {dsreg.Failed, dsreg.Maybe, 0}, " : SKIPPED": {dsreg.NotTested, dsreg.Maybe, 0}, " : NOT TESTED": {dsreg.NotTested, dsreg.Maybe, 0},
		" : maybe": {dsreg.Malformed, dsreg.Maybe, 0}, "Update : YES": {dsreg.Absent, dsreg.Maybe, 0},
	} {
		f := &read(row).SSO.AzureAdPrt
		require.Equal(t, want.state, f.State, row)
		require.Equal(t, want.value, f.Value, row)
		require.Equal(t, want.code, f.Code, row)
	}
}

func TestTypes(t *testing.T) {
	row := func(section, label, value string) *dsreg.Status {
		return mustParse(t, "| "+section+" |\n  "+label+" : "+value+"\n  Filler : x\n")
	}
	for value, want := range map[string]time.Time{
		"2019-01-24 19:15:33.000 UTC": time.Date(2019, 1, 24, 19, 15, 33, 0, time.UTC),
		"2026-09-14 08:06:22 UTC":     time.Date(2026, 9, 14, 8, 6, 22, 0, time.UTC),
		"2020-07-18 20:10:33.789 UTC": time.Date(2020, 7, 18, 20, 10, 33, 789e6, time.UTC),
		"[Date] UTC":                  {}, "2020-02-30 00:00:00.000 UTC": {}, "2020-07-18 20:10:33.789": {}, "2020-07-18 20:10:33. UTC": {}, "2020-13-18 20:10:33 UTC": {}, "7/18/2020 8:10:33 PM": {},
	} {
		st := row("Diagnostic Data", "Client Time", value).Diagnostics.Pre.ClientTime
		require.Equal(t, want, st.Time, value)
		require.Equal(t, !want.IsZero(), st.State == dsreg.Set, value)
	}
	for value, state := range map[string]dsreg.State{"[ 2020-11-16 18:55:24.000 UTC -- 2030-11-16 19:25:24.000 UTC ]": dsreg.Set, "[2020-11-16 18:55:24 UTC--2030-11-16 19:25:24 UTC]": dsreg.Set,
		"[REDACTED_DATE_RANGE]": dsreg.Malformed, "[ 2020-11-16 18:55:24.000 UTC -- ": dsreg.Malformed} {
		require.Equal(t, state, row("Device Details", "DeviceCertificateValidity", value).Details.DeviceCertificateValidity.State, value)
	}
	for value, want := range map[string]struct {
		state        dsreg.State
		result       dsreg.TestResult
		outer, cause dsreg.Code
	}{
		"PASS": {dsreg.Set, dsreg.Pass, 0, 0}, "SKIPPED": {dsreg.NotTested, dsreg.NoResult, 0, 0}, "FAIL": {dsreg.Set, dsreg.Fail, 0, 0}, "FAIL [0x54b]": {dsreg.Set, dsreg.Fail, 0x54b, 0},
		"FAIL [0x801c0021/0x80072ee2]": {dsreg.Set, dsreg.Fail, 0x801c0021, 0x80072ee2}, "FAIL [x]": {dsreg.Malformed, dsreg.NoResult, 0, 0}, "FAIL [0x1/": {dsreg.Malformed, dsreg.NoResult, 0, 0},
	} {
		x := row("Diagnostic Data", "DRS Discovery Test", value).Diagnostics.Pre.DRSDiscoveryTest
		require.Equal(t, want.state, x.State, value)
		require.Equal(t, want.result, x.Result, value)
		require.Equal(t, want.outer, x.Outer, value)
		require.Equal(t, want.cause, x.Cause, value)
	}
	for value, want := range map[string]struct {
		result dsreg.TestResult
		key    string
	}{"PASSED": {dsreg.Pass, ""}, "FAILED (device key)": {dsreg.Fail, "device key"}, "FAILED (resource account key)": {dsreg.Fail, "resource account key"}, "MUST Run elevated to test.": {dsreg.NoResult, ""}} {
		k := row("Diagnostic Data", "KeySignTest", value).Diagnostics.Post.KeySignTest
		require.Equal(t, want.result, k.Result, value)
		require.Equal(t, want.key, k.Key, value)
	}
	for value, want := range map[string]dsreg.AuthResult{"SUCCESS": dsreg.AuthOK, "FAILED. Device is either disabled or deleted": dsreg.AuthRejected, "FAILED. Error: 0xd000023c": dsreg.AuthNotTested, "FAILED. ERROR": dsreg.AuthNotTested, "odd": dsreg.AuthUnknown} {
		require.Equal(t, want, row("Device Details", "DeviceAuthStatus", value).Details.DeviceAuthStatus.Result, value)
	}
	for value, want := range map[string][3]string{`ASHDOWN\ruth, ruth@ashdown.example`: {"ASHDOWN", "ruth", "ruth@ashdown.example"}, `AV-LT-0417\setup`: {"AV-LT-0417", "setup", ""}, `ASHDOWN\AV-LT-0417$, AV-LT-0417$@ashdown.example`: {"ASHDOWN", "AV-LT-0417$", "AV-LT-0417$@ashdown.example"}, `***\***`: {"***", "***", ""}} {
		a := row("Diagnostic Data", "Executing Account Name", value).Diagnostics.ExecutingAccountName
		require.Equal(t, want, [3]string{a.Domain, a.User, a.UPN})
		require.Equal(t, strings.HasSuffix(a.User, "$"), a.Machine())
	}
	st := row("User State", "WamDefaultGUID", "{ B16898C6-A148-4967-9171-64D755DA8520 } (MicrosoftAccount)")
	require.Equal(t, "MicrosoftAccount", st.User.WamDefaultGUID.Name)
	_, err := row("Tenant Details", "SettingsUrl", "eyJVc{lots}").Tenant.SettingsURL.URIs()
	require.Error(t, err)
	_, err = row("Tenant Details", "SettingsUrl", "e30=").Tenant.SettingsURL.URIs()
	require.ErrorContains(t, err, `"Uris"`)
	_, err = row("Tenant Details", "SettingsUrl", "eyJ9").Tenant.SettingsURL.URIs()
	require.Error(t, err)
	_, err = row("SSO State", "EnterprisePrtAuthority", "NO").SSO.EnterprisePrtAuthority.URL()
	require.Error(t, err)
}
