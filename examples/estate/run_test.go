package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg/dsregtest"
)

var update = flag.Bool("update", false, "write the embedded sample and the golden output again")

const clock = "2026-03-04T09:30:00Z"

func estateOf(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func summaryOf(t *testing.T, args ...string) (int, summary) {
	t.Helper()
	code, out, errs := estateOf(t, append([]string{"-json"}, args...)...)
	require.Empty(t, errs)
	var s summary
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&s))
	return code, s
}

// sample writes a small estate: a folder a device, and a page of Graph beside them.
func sample(t *testing.T, dir string) {
	t.Helper()
	write := func(name, content string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	}
	device := func(n int, s dsregtest.State) (string, *dsregtest.Report) {
		name := fmt.Sprintf("AV-LT-%04d", n)
		r := dsregtest.New(s)
		if s == dsregtest.Hybrid || s == dsregtest.Domain {
			return name, r.Set("Device State", "Device Name", name+".ashdown.example")
		}
		return name, r.Set("Device State", "Device Name", name)
	}
	put := func(n int, s dsregtest.State, change func(*dsregtest.Report)) {
		name, r := device(n, s)
		if change != nil {
			change(r)
		}
		write(name+"/status.txt", r.String())
	}
	for n := 401; n <= 405; n++ {
		put(n, dsregtest.Hybrid, nil)
	}
	put(406, dsregtest.Hybrid, func(r *dsregtest.Report) {
		r.Set("Device Details", "DeviceAuthStatus", "FAILED. Device is either disabled or deleted")
	})
	put(407, dsregtest.Hybrid, func(r *dsregtest.Report) {
		r.Set("Device Details", "DeviceCertificateValidity", "[ 2016-03-20 07:11:05.000 UTC -- 2026-03-20 07:41:05.000 UTC ]")
	})
	put(408, dsregtest.Domain, func(r *dsregtest.Report) {
		r.Set("Diagnostic Data", "AD Configuration Test", "FAIL [0x80070002]")
		for _, l := range []string{"DRS Discovery Test", "DRS Connectivity Test", "Kerberos Ticket Test", "Token acquisition Test"} {
			r.Set("Diagnostic Data", l, "SKIPPED")
		}
	})
	put(409, dsregtest.Domain, nil)
	put(410, dsregtest.Entra, nil)
	put(411, dsregtest.Workgroup, nil)
	cdj := func(tenant string) string {
		return "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\CDJ\\AAD]\r\n\"TenantId\"=\"" + tenant + "\"\r\n\"TenantName\"=\"ashdown.example\"\r\n"
	}
	write("AV-LT-0401/cdj.reg", cdj(dsregtest.TenantID))
	write("AV-LT-0408/cdj.reg", cdj("{"+dsregtest.TenantID+"}"))
	write("AV-LT-0401/ccm.reg", "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\CCM]\r\n\"CoManagementFlags\"=dword:00002005\r\n")
	log := func(message string) string {
		return `<![LOG[` + message + `]LOG]!><time="09:11:05.1234567-000" date="03-04-2026" component="CoManagementHandler" context="" type="1" thread="4242" file="comanagementhandler.cpp:1">` + "\r\n"
	}
	write("AV-LT-0401/CoManagementHandler.log", log("Workloads flag retrieved 8197")+log("Device is already enrolled with MDM."))
	write("AV-LT-0409/CoManagementHandler.log", log("Failed to enroll with RegisterDeviceWithManagementUsingAADDeviceCredentials with error code 0x8018002a."))
	write("managedDevices.json", `{"value":[{"@odata.type":"#microsoft.graph.managedDevice","id":"1","deviceName":"AV-LT-0402","managementAgent":"configurationManagerClientMdm",
"configurationManagerClientEnabledFeatures":{"inventory":true,"modernApps":false,"resourceAccess":false,"deviceConfiguration":false,"compliancePolicy":true,"windowsUpdateForBusiness":true}}]}
`)
}

func TestDemo(t *testing.T) {
	dir := t.TempDir()
	sample(t, dir)
	golden := filepath.Join("testdata", "demo.golden")
	if *update {
		require.NoError(t, os.RemoveAll("demo"))
		require.NoError(t, os.CopyFS("demo", os.DirFS(dir)))
		t.Skip("the embedded sample is written; run again with ESTATE_GOLDEN=1 for the output")
	}
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		rel, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("demo", rel))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run go test -update")
		return nil
	}))
	require.Equal(t, 17, n)
	code, out, errs := estateOf(t, "demo")
	require.Equal(t, exitErrors, code, errs)
	if os.Getenv("ESTATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(golden, []byte(out), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), out)
}

func counted(list []count, name string) int {
	for _, c := range list {
		if c.Name == name {
			return c.Count
		}
	}
	return 0
}

func TestSummary(t *testing.T) {
	dir := t.TempDir()
	sample(t, dir)
	code, s := summaryOf(t, "-at", clock, "-tenant", dsregtest.TenantID, "-tenant-name", "ashdown.example", dir)
	require.Equal(t, exitErrors, code)
	require.Equal(t, 11, s.Devices)
	require.Equal(t, 7, counted(s.Joins, "hybrid-joined"))
	require.Equal(t, 2, counted(s.Joins, "domain-joined"))
	require.Equal(t, 8, counted(s.Tenants, dsregtest.TenantName))
	found := map[string]int{}
	for _, f := range s.Findings {
		found[f.ID] = f.Count
		require.NotEmpty(t, f.Title)
	}
	require.Equal(t, 1, found["device-disabled-or-deleted"])
	require.Equal(t, 1, found["cert-expiring"])
	require.Equal(t, 1, found["domain-only-scp-missing"])
	require.Equal(t, 1, found["registry/wrong-value TenantId"], found)
	require.Equal(t, 1, found["comgmt/enrolment 0x8018002A"], found)
	require.Equal(t, 1, counted(s.Certs, "under 30 days"))
	require.Equal(t, 8, counted(s.Tokens, "under 4 hours"))
	require.Equal(t, map[string]int{"intune": 1, "configmgr": 1, "unknown": 9}, s.Workloads["resource-access"], "Intune by flags and enrolment, Configuration Manager by Graph")
	require.Equal(t, map[string]int{"intune": 1, "configmgr": 1, "unknown": 9}, s.Workloads["compliance"], "the other way round")
	require.Equal(t, map[string]int{"configmgr": 1, "unknown": 10}, s.Workloads["office-click-to-run"], "v1.0 of Graph has no member for it")
	require.Equal(t, "AV-LT-0408", s.Worst[0].Device)
	sum := 0
	for _, c := range s.Joins {
		sum += c.Count
	}
	require.Equal(t, s.Devices, sum)
	for _, a := range s.Workloads {
		sum := 0
		for _, n := range a {
			sum += n
		}
		require.Equal(t, s.Devices, sum)
	}
}

// TestLatest: of several captures of a device the latest counts, in whatever order they come.
func TestLatest(t *testing.T) {
	dir := t.TempDir()
	bad := dsregtest.New(dsregtest.Hybrid).Set("Device Details", "DeviceAuthStatus", "FAILED. Device is either disabled or deleted").String()
	good := dsregtest.New(dsregtest.Hybrid).String()
	for i, order := range [][2]string{{bad, good}, {good, bad}} {
		sub := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.MkdirAll(sub, 0o777))
		for j, text := range order {
			path := filepath.Join(sub, fmt.Sprintf("%d.txt", j))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
			at := time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)
			if text == bad {
				at = at.Add(-time.Hour)
			}
			require.NoError(t, os.Chtimes(path, at, at))
		}
		code, s := summaryOf(t, sub)
		require.Equal(t, exitOK, code, "%+v", s)
		require.Equal(t, 1, s.Devices)
		require.Equal(t, 2, s.Captures)
		require.Zero(t, s.WithErrors)
	}
}

func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	sample(t, dir)
	page, table := filepath.Join(t.TempDir(), "e.html"), filepath.Join(t.TempDir(), "e.csv")
	code, _, errs := estateOf(t, "-at", clock, "-html", page, "-csv", table, "-title", `</script><b>"`, dir)
	require.Equal(t, exitErrors, code, errs)
	f, err := os.Open(table)
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 12)
	require.Len(t, rows[0], 14)
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	html := string(b)
	require.NotContains(t, html, `</script><b>`, "the title is text")
	require.Equal(t, 1, strings.Count(html, "</script>"))
	require.NotRegexp(t, regexp.MustCompile(`(?i)(src|href)="(https?:)?//`), html, "nothing is loaded")
	require.Contains(t, html, "default-src 'none'")
	require.NotContains(t, html, "innerHTML")
	_, rest, ok := strings.Cut(html, "const data = ")
	require.True(t, ok)
	text, _, ok := strings.Cut(rest, ";\nconst $")
	require.True(t, ok)
	var d pageData
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	require.Len(t, d.Rows, 11)
	require.Equal(t, 11, d.Summary.Devices)
}

// TestHostileNames: names from captures cannot leave their place in any output.
func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	evil := `=cmd|'</script><script>alert(1)</script>`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(dsregtest.New(dsregtest.Hybrid).Set("Device State", "Device Name", evil).Set("Tenant Details", "TenantName", "\x1b[31m"+evil).String()), 0o666))
	page, table := filepath.Join(t.TempDir(), "e.html"), filepath.Join(t.TempDir(), "e.csv")
	_, out, errs := estateOf(t, "-at", clock, "-html", page, "-csv", table, dir)
	require.Empty(t, errs)
	require.NotContains(t, out, "\x1b")
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(b), "</script>"))
	b, err = os.ReadFile(table)
	require.NoError(t, err)
	require.NotContains(t, string(b), "\n=cmd")
	require.Contains(t, string(b), "'=cmd")
}

// TestMany: the page stays small with 100,000 devices. How fast a browser shows it is measured in .ci.
func TestMany(t *testing.T) {
	page := filepath.Join(t.TempDir(), "e.html")
	code, out, errs := estateOf(t, "demo", "-json", "-devices", "100000", "-html", page)
	require.Equal(t, exitErrors, code, errs)
	require.Contains(t, out, `"devices":100000,`)
	info, err := os.Stat(page)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(15_000_000))
	t.Logf("%.1f MB", float64(info.Size())/1e6)
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	png := filepath.Join(dir, "x.png")
	require.NoError(t, os.WriteFile(png, []byte("\x89PNG\r\n\x1a\n\x00\x00"), 0o666))
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no folder"},
		{[]string{"-nosuch"}, "not defined"},
		{[]string{"demo", "x"}, "takes no folder"},
		{[]string{"-devices", "5", dir}, "for demo"},
		{[]string{"demo", "-devices", "-1"}, "-devices"},
		{[]string{filepath.Join(dir, "none")}, "no such file"},
		{[]string{png}, "is no folder"},
		{[]string{dir}, "PNG image"},
		{[]string{t.TempDir()}, "no file that says something"},
		{[]string{"-at", "x", dir}, "-at"},
		{[]string{"-want", "x", dir}, "-want"},
		{[]string{"-tenant", "x", dir}, "-tenant"},
		{[]string{"demo", "-html", filepath.Join(dir, "no", "x.html")}, "no such file"},
	} {
		code, out, errs := estateOf(t, c.args...)
		require.Equal(t, exitUsage, code, c.args)
		require.Empty(t, out, c.args)
		require.Contains(t, errs, c.want, "%q", c.args)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte(dsregtest.New(dsregtest.Hybrid).String()), 0o666))
	code, out, _ := estateOf(t, "-at", clock, dir)
	require.Equal(t, exitUsage, code, "a file that could not be read is not passed over")
	require.Contains(t, out, "1 devices")
	require.Contains(t, out, "unreadable: ")
	code, _, errs := estateOf(t, "-h")
	require.Equal(t, exitOK, code)
	require.Contains(t, errs, "exit status")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, exitUsage, run(ctx, []string{"demo"}, &bytes.Buffer{}, &bytes.Buffer{}))
}
