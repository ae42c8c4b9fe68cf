package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg/dsregtest"
	"go.internal/hybridkit/ldapsync/adsec"
)

var update = flag.Bool("update", false, "write the embedded sample and the golden output again")

func why(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func reportOf(t *testing.T, args ...string) (int, report) {
	t.Helper()
	code, out, errs := why(t, "", append(args, "-json")...)
	require.Empty(t, errs)
	var r report
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&r))
	return code, r
}

// TestSeededFaults breaks each link of the chain, with what follows from it, and wants that link named and no other.
func TestSeededFaults(t *testing.T) {
	sso, details := "SSO State", "Device Details"
	noToken := func(w *world) {
		w.report.Set(sso, "AzureAdPrt", "NO").Remove(sso, "AzureAdPrtUpdateTime", "AzureAdPrtExpiryTime").Set(sso, "CloudTgt", "NO").
			InsertAfter(sso, "AzureAdPrtAuthority", "AcquirePrtDiagnostics", "PRESENT", "Previous Prt Attempt", "2026-03-04 09:00:00.123 UTC", "Attempt Status", "0xc000006d", "User Identity", dsregtest.UPN,
				"Credential Type", "Password", "HTTP status", "400", "Server Error Code", "invalid_grant", "Server Error Description", "AADSTS50126: Error validating credentials.")
	}
	for _, c := range []struct {
		name, link, fault string
		breaks            func(*world) *world
	}{
		{"not in the directory", "ou", "not-in-directory", func(w *world) *world {
			w.computer["cn"], w.computer["sAMAccountName"], w.computer["dNSHostName"] = []string{"OTHER"}, []string{"OTHER$"}, []string{"other.ashdown.example"}
			w = w.unjoined()
			w.noCopy = false
			return w
		}},
		{"another OU", "ou", "outside-ou", func(w *world) *world {
			w.dn = "CN=AV-LT-0417,OU=Old,DC=ashdown,DC=example"
			return w.unjoined()
		}},
		{"a child OU", "child-ou", "child-ou", func(w *world) *world {
			w.dn = "CN=AV-LT-0417,OU=Ward 3," + hybridOU
			return w.unjoined()
		}},
		{"a disabled account", "enabled", "account-disabled", func(w *world) *world {
			w.computer["userAccountControl"] = []string{"4098"}
			delete(w.computer, "userCertificate")
			return w.unjoined()
		}},
		{"an old Windows", "os", "os-too-old", func(w *world) *world {
			w.computer["operatingSystem"], w.computer["operatingSystemVersion"] = []string{"Windows 7 Enterprise"}, []string{"6.1 (7601)"}
			delete(w.computer, "userCertificate")
			return w.unjoined()
		}},
		{"no CDJ values", "tenant", "cdj-missing", func(w *world) *world {
			w.local, w.scp = map[string]string{}, ""
			delete(w.computer, "userCertificate")
			w = w.unjoined()
			w.report = failedTest("AD Configuration Test", "FAIL [0x80070002]")
			return w
		}},
		{"no CDJ values, seen by the device alone", "tenant", "scp-missing", func(w *world) *world {
			w.local, w.scp = nil, ""
			delete(w.computer, "userCertificate")
			w = w.unjoined()
			w.report = failedTest("AD Configuration Test", "FAIL [0x80070002]")
			return w
		}},
		{"CDJ values of another tenant", "tenant", "wrong-tenant", func(w *world) *world {
			w.local["TenantId"] = otherTenant
			w = w.unjoined()
			w.report = failedTest("DRS Discovery Test", "FAIL [0x801c003a]")
			return w
		}},
		{"braces around the tenant", "tenant", "wrong-tenant", func(w *world) *world {
			w.local["TenantId"] = "{" + dsregtest.TenantID + "}"
			return w.unjoined()
		}},
		{"a policy that loses", "tenant", "losing-gpo", func(w *world) *world {
			w.policies = []policy{{"Hybrid join", dsregtest.TenantID, false}, {"Old pilot", otherTenant, true}}
			delete(w.computer, "userCertificate")
			return w.unjoined()
		}},
		{"a service connection point of another tenant", "scp", "scp-conflict", func(w *world) *world {
			w.local, w.scp = nil, otherTenant
			return w.unjoined()
		}},
		{"no domain controller", "discovery", "dc-unreachable", func(w *world) *world {
			w = w.unjoined()
			delete(w.computer, "userCertificate")
			w.report = failedTest("AD Connectivity Test", "FAIL [0x54b]")
			return w
		}},
		{"no certificate", "certificate", "certificate-absent", func(w *world) *world {
			delete(w.computer, "userCertificate")
			return w.unjoined()
		}},
		{"a certificate of the enterprise PKI", "certificate", "certificate-foreign", func(w *world) *world {
			w.computer["userCertificate"] = []string{certificate("AV-LT-0417.ashdown.example", clock.AddDate(-1, 0, 0), clock.AddDate(1, 0, 0))}
			return w.unjoined()
		}},
		{"an expired certificate", "certificate", "certificate-expired", func(w *world) *world {
			w.computer["userCertificate"] = []string{certificate(deviceID.String(), clock.AddDate(-2, 0, 0), clock.AddDate(-1, 0, 0))}
			return w.unjoined()
		}},
		{"no right to list", "delegation", "delegation-missing", func(w *world) *world {
			w.ouSD = descriptor(adsec.ReadProperty)
			return w.unjoined()
		}},
		{"no right to read", "delegation", "delegation-missing", func(w *world) *world {
			w.ouSD = descriptor(adsec.ListContents)
			return w.unjoined()
		}},
		{"filtered", "filter", "filtered", func(w *world) *world {
			w.computer["extensionAttribute3"] = []string{"kiosk"}
			return w.unjoined()
		}},
		{"not synchronised", "copy", "not-synchronised", func(w *world) *world {
			w.computer["userCertificate"] = []string{certificate(deviceID.String(), clock.Add(-4*time.Hour), clock.AddDate(10, 0, 0))}
			w.args[len(w.args)-1] = "2026-03-04T04:00:00Z"
			return w.unjoined()
		}},
		{"not in Entra", "entra", "not-in-entra", func(w *world) *world {
			w.computer["userCertificate"] = []string{certificate(deviceID.String(), clock.Add(-4*time.Hour), clock.AddDate(10, 0, 0))}
			w = w.unjoined()
			w.noCopy = false
			return w
		}},
		{"deleted in the cloud, found among the deleted", "entra", "deleted-in-cloud", func(w *world) *world {
			w = w.unjoined()
			w.noCopy, w.entra = false, entraJSON(`"deletedDateTime":"2026-03-04T08:30:00Z"`)
			return w
		}},
		{"deleted in the cloud, seen by the device", "entra", "deleted-in-cloud", func(w *world) *world {
			w.entra = `{"value":[]}`
			w.report.Set(details, "DeviceAuthStatus", "FAILED. Device is either disabled or deleted").Set(sso, "AzureAdPrt", "NO")
			return w
		}},
		{"disabled in Entra", "device", "device-disabled", func(w *world) *world {
			w.entra = entraJSON(`"accountEnabled":false,"registrationDateTime":"2026-03-04T08:40:00Z"`)
			w.report.Set(details, "DeviceAuthStatus", "FAILED. Device is either disabled or deleted").Set(sso, "AzureAdPrt", "NO")
			return w
		}},
		{"registration pending for too long", "registration", "registration-pending", func(w *world) *world {
			w.computer["userCertificate"] = []string{certificate(deviceID.String(), clock.Add(-4*time.Hour), clock.AddDate(10, 0, 0))}
			w.report = waitingReport("2026-03-04 09:10:00.000 UTC")
			w.entra = entraJSON(`"accountEnabled":true`)
			return w
		}},
		{"no token for the registration", "registration", "token-failure", func(w *world) *world {
			w.report = failedTest("Token acquisition Test", "FAIL [0xcaa90017]").Set("Diagnostic Data", "Fallback to Sync-Join", "DISABLED")
			w.entra = entraJSON(`"accountEnabled":true`)
			return w
		}},
		{"no primary refresh token", "prt", "prt-missing", func(w *world) *world {
			noToken(w)
			return w
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, r := reportOf(t, c.breaks(healthy()).write(t, t.TempDir())...)
			require.NotNil(t, r.Cause, "%+v", r)
			require.Equal(t, c.link, r.Cause.ID, "%+v", r.Cause)
			require.Equal(t, c.fault, r.Cause.Fault, "%+v", r.Cause)
			require.Equal(t, stopped, r.Cause.State)
			require.NotEmpty(t, r.Cause.Why)
			require.NotEmpty(t, r.Cause.Remedy)
			require.NotEmpty(t, r.Cause.Evidence)
			require.Equal(t, exitNot, code)
			require.False(t, r.Joined)
			for _, l := range r.Links {
				if l.ID != c.link {
					require.NotContains(t, []state{stopped, waiting}, l.State, "%+v", l)
				}
			}
		})
	}
}

func TestHealthy(t *testing.T) {
	w := healthy()
	code, r := reportOf(t, w.write(t, t.TempDir())...)
	require.Nil(t, r.Cause)
	require.True(t, r.Joined, "%+v", r)
	require.Equal(t, exitJoined, code)
	for _, l := range r.Links {
		if l.ID != "enrolment" && l.ID != "scep" {
			require.Equal(t, done, l.State, "%+v", l)
		}
	}
	require.True(t, len(r.Timeline) > 8)
	for i := 1; i < len(r.Timeline); i++ {
		require.False(t, r.Timeline[i].Time.Before(r.Timeline[i-1].Time))
	}
}

// TestWaiting: within the one to three hours nothing is wrong, and the tool says until when.
func TestWaiting(t *testing.T) {
	w := healthy().unjoined()
	w.report = waitingReport("2026-03-04 09:10:00.000 UTC")
	code, r := reportOf(t, w.write(t, t.TempDir())...)
	require.Equal(t, exitNot, code)
	require.Equal(t, "copy", r.Cause.ID)
	require.Equal(t, waiting, r.Cause.State)
	made := clock.Add(-150 * time.Minute)
	require.Equal(t, made.Add(time.Hour), r.Next.Earliest)
	require.Equal(t, made.Add(3*time.Hour), r.Next.Latest)

	w = healthy()
	w.entra, w.report = entraJSON(`"accountEnabled":true`), dsregtest.New(dsregtest.Domain)
	_, r = reportOf(t, w.write(t, t.TempDir())...)
	require.Equal(t, "registration", r.Cause.ID)
	require.Equal(t, waiting, r.Cause.State)
	require.NotNil(t, r.Next)
}

// TestRegisteredAnyway: a device that is registered is not said to be stopped by what no longer holds.
func TestRegisteredAnyway(t *testing.T) {
	w := healthy()
	w.dn = "CN=AV-LT-0417,OU=Old,DC=ashdown,DC=example"
	code, r := reportOf(t, w.write(t, t.TempDir())...)
	require.Equal(t, exitJoined, code)
	require.Nil(t, r.Cause)
	require.Equal(t, passed, r.Links[0].State)
	require.Equal(t, "outside-ou", r.Links[0].Fault)
}

// TestSubsets: every single kind of evidence gives a report that says what it could not see, and invents nothing.
func TestSubsets(t *testing.T) {
	all := healthy().write(t, t.TempDir())
	value := func(name string) string {
		for i, a := range all {
			if a == name {
				return all[i+1]
			}
		}
		t.Fatal(name)
		return ""
	}
	for flags, seen := range map[string]string{
		"-ad":       "enabled os certificate",
		"-dsreg":    "discovery device registration prt",
		"-entra":    "entra device registration",
		"-registry": "tenant",
	} {
		t.Run(flags, func(t *testing.T) {
			args := []string{flags, value(flags), "-at", clock.Format(time.RFC3339)}
			if flags == "-ad" {
				args = append(args, "-device", dsregtest.Computer)
			}
			_, r := reportOf(t, args...)
			require.Nil(t, r.Cause)
			var got []string
			for _, l := range r.Links {
				if l.State != unseen {
					require.Equal(t, done, l.State, "%+v", l)
					got = append(got, l.ID)
				}
			}
			require.Equal(t, seen, strings.Join(got, " "))
			require.Len(t, r.Unseen, len(chain)+len(after)-len(got))
			require.Equal(t, flags == "-dsreg" || flags == "-entra", r.Joined)
		})
	}
}

func TestManagement(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		return path
	}
	profile := file("scep.json", scepProfile)
	w := healthy()
	_, r := reportOf(t, append(w.write(t, dir), "-scep-profile", profile, "-flags", "8197")...)
	last := r.Links[len(r.Links)-1]
	require.Equal(t, "scep", last.ID)
	require.Equal(t, done, last.State, "%+v", last)
	require.Contains(t, r.Links[len(r.Links)-2].Evidence[0], "8197")

	w = healthy().unjoined()
	w.report = waitingReport("2026-03-04 09:10:00.000 UTC")
	profile = file("scep2.json", strings.ReplaceAll(scepProfile, "FullyQualifiedDomainName", "AAD_Device_ID"))
	_, r = reportOf(t, append(w.write(t, dir), "-scep-profile", profile, "-flags", "0")...)
	require.Equal(t, follows, r.Links[len(r.Links)-1].State, "%+v", r.Links)
	require.Equal(t, "scep-held", r.Links[len(r.Links)-1].Fault)
	require.Equal(t, "not-configured", r.Links[len(r.Links)-2].Fault)
}

const scepProfile = `{"value":[{"@odata.type":"#microsoft.graph.windows81SCEPCertificateProfile","displayName":"Ashdown laptops","renewalThresholdPercentage":20,
"subjectNameFormat":"custom","subjectNameFormatString":"CN={{FullyQualifiedDomainName}}","certificateStore":"machine","keyUsage":"digitalSignature,keyEncipherment",
"keySize":"size2048","hashAlgorithm":"sha2","certificateValidityPeriodValue":1,"certificateValidityPeriodScale":"years",
"extendedKeyUsages":[{"name":"Client Authentication","objectIdentifier":"1.3.6.1.5.5.7.3.2"}],
"scepServerUrls":["https://ndes01.ashdown.example/certsrv/mscep/mscep.dll"],"rootCertificateId":"1"}]}
`

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) string {
		f, err := os.CreateTemp(dir, "")
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString(content)
		require.NoError(t, err)
		return f.Name()
	}
	png := file("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	all := healthy().write(t, dir)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "nothing to look at"},
		{[]string{"-nosuch"}, "not defined"},
		{[]string{"x.txt"}, "files are given with flags"},
		{[]string{"demo", "-ou", "x"}, "no flag but -json"},
		{[]string{"-dsreg", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"-dsreg", png}, "a PNG image"},
		{[]string{"-dsreg", file("")}, "empty"},
		{[]string{"-ad", png}, "ldif: line 1"},
		{[]string{"-ad", all[1]}, "holds 2 computers"},
		{[]string{"-ad", all[1], "-ou", "nonsense"}, "-ou"},
		{[]string{"-ad", all[1], "-filter", "(cn=", "-device", "x"}, "-filter"},
		{[]string{"-ad", all[1], "-account", "S-1-x"}, "-account"},
		{[]string{"-ad", all[1], "-at", "yesterday"}, "2026-03-04T09:30:00Z"},
		{[]string{"-ad", all[1], "-tenant-id", "x"}, "-tenant-id"},
		{[]string{"-copy", all[1]}, "needs -ad"},
		{[]string{"-sysvol", dir}, "belong together"},
		{[]string{"-sysvol", dir, "-links", all[1]}, "needs -ad"},
		{[]string{"-entra", file("{")}, "line 1"},
		{[]string{"-entra", file("{\"value\":\n7}")}, "line 2"},
		{[]string{"-entra", file(`{"error":{"code":"Authorization_RequestDenied"}}`)}, "Authorization_RequestDenied"},
		{[]string{"-entra", file(`{"value":[],"@odata.nextLink":"x"}`)}, "all pages"},
		{[]string{"-entra", file(`{"x":1}`)}, "neither a device"},
		{[]string{"-registry", png}, "format"},
		{[]string{"-flags", "x"}, "-flags"},
		{[]string{"-log", file("hello\n")}, "no entry"},
		{[]string{"-scep-profile", file(`{"value":[]}`)}, "SCEP"},
	} {
		code, out, errs := why(t, "", c.args...)
		require.Equal(t, exitUsage, code, c.args)
		require.Empty(t, out, c.args)
		require.Contains(t, errs, c.want, "%q", c.args)
	}
	code, _, errs := why(t, "", "-h")
	require.Equal(t, 0, code)
	require.Contains(t, errs, "exit status")
	code, out, _ := why(t, dsregtest.New(dsregtest.Hybrid).String(), "-dsreg", "-", "-at", clock.Format(time.RFC3339))
	require.Equal(t, exitJoined, code, out)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, exitUsage, run(ctx, []string{"-flags", "1"}, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}))
}

// TestDemo: the embedded sample is the world of TestSeededFaults with a losing policy, and prints what README shows.
func TestDemo(t *testing.T) {
	w := healthy()
	w.policies = []policy{{"Hybrid join", dsregtest.TenantID, false}, {"Old pilot", otherTenant, true}}
	delete(w.computer, "userCertificate")
	w = w.unjoined()
	w.report = failedTest("DRS Discovery Test", "FAIL [0x801c003a]")
	dir := t.TempDir()
	w.write(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "scep.json"), []byte(scepProfile), 0o666))
	if *update {
		require.NoError(t, os.RemoveAll("demo"))
		require.NoError(t, os.CopyFS("demo", os.DirFS(dir)))
		t.Skip("the embedded sample is written; run again for the golden output")
	}
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		rel, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("demo", rel))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run go test -update")
		return nil
	}))
	require.Greater(t, n, 7)
	code, out, errs := why(t, "", "demo")
	require.Equal(t, exitNot, code, errs)
	golden, err := os.ReadFile(filepath.Join("testdata", "demo.golden"))
	if os.Getenv("WHYNOTJOINED_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "demo.golden"), []byte(out), 0o666))
		return
	}
	require.NoError(t, err)
	require.Equal(t, string(golden), out)
	code, r := reportOf(t, "demo")
	require.Equal(t, exitNot, code)
	require.Equal(t, "losing-gpo", r.Cause.Fault)
}
