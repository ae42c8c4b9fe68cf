package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg/dsregtest"
)

func try(t *testing.T, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func scpMissing() *dsregtest.Report {
	return dsregtest.New(dsregtest.Domain).Set("Diagnostic Data", "AD Configuration Test", "FAIL [0x80070002]")
}

func TestHuman(t *testing.T) {
	code, out, errOut := try(t, dsregtest.New(dsregtest.Hybrid).String(), "-")
	require.Equal(t, exitOK, code, errOut)
	require.Equal(t, "-: Microsoft Entra hybrid joined (formerly hybrid Azure AD joined), tenant Ashdown Vale Trust; nothing wrong found\n", out)

	code, out, _ = try(t, scpMissing().String(), "-")
	require.Equal(t, exitFindings, code)
	verdict, rest, _ := strings.Cut(out, "\n")
	require.Equal(t, "-: joined to on-premises Active Directory only; 1 error, 0 warnings, first domain-only-scp-missing", verdict)
	require.Contains(t, rest, "[Diagnostic Data] AD Configuration Test : FAIL [0x80070002]")
	require.Less(t, strings.Index(rest, "error "), strings.Index(rest, "info "), "worst first")
	require.NotContains(t, out, "\x1b", "no colour in a pipe")
}

func TestJSON(t *testing.T) {
	path := write(t, "two.txt", dsregtest.New(dsregtest.Registered).String()+scpMissing().String())
	code, out, errOut := try(t, "", "-json", path)
	require.Equal(t, exitFindings, code, errOut)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 2, "one document per line")
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &doc))
	require.Equal(t, path, doc["file"])
	require.Equal(t, 1.0, doc["index"])
	require.Equal(t, "status", doc["kind"])
	require.Equal(t, "registered", doc["joinState"])
	require.Equal(t, "", doc["deviceId"])
	require.Equal(t, "not-applicable", doc["prt"])
	require.Equal(t, dsregtest.TenantID, doc["workAccounts"].([]any)[0].(map[string]any)["tenantId"])
	clear(doc)
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &doc))
	for _, k := range []string{"file", "index", "kind", "joinState", "deviceId", "tenantId", "tenantName", "domainName", "deviceName", "prt", "workAccounts", "clientTime", "findings", "rows"} {
		require.Contains(t, doc, k)
	}
	require.Equal(t, 2.0, doc["index"])
	require.Equal(t, "2026-03-04T09:30:00Z", doc["clientTime"])
	f := doc["findings"].([]any)[0].(map[string]any)
	for _, k := range []string{"id", "severity", "phase", "code", "rows", "cause", "remedy", "transient", "confidence", "source"} {
		require.Contains(t, f, k)
	}
	require.Equal(t, "domain-only-scp-missing", f["id"])
	require.Equal(t, false, f["transient"])
	row := f["rows"].([]any)[0].(map[string]any)
	require.Equal(t, "AD Configuration Test", row["label"])
	require.Equal(t, "FAIL [0x80070002]", row["value"])
	require.Equal(t, "Diagnostic Data", row["section"])
	require.Positive(t, row["line"])
}

func TestExpectations(t *testing.T) {
	hybrid := dsregtest.New(dsregtest.Hybrid).String()
	for _, c := range []struct {
		args []string
		code int
		has  string
	}{
		{[]string{"-want", "hybrid", "-tenant", dsregtest.TenantID, "-at", "2026-03-04T10:00:00Z"}, exitOK, "nothing wrong"},
		{[]string{"-want", "entra"}, exitFindings, "join-state-unexpected"},
		{[]string{"-tenant", "11111111-2222-4333-8444-555555555555"}, exitFindings, "joined-unexpected-tenant"},
		{[]string{"-at", "2027-03-04T10:00:00Z"}, exitFindings, "prt-expired"},
		{[]string{"-expect", write(t, "e.json", `{"tenantId":"11111111-2222-4333-8444-555555555555","join":"hybrid","trust":"cloud-kerberos"}`)}, exitFindings, "onprem-tgt-missing"},
		{[]string{"-expect", write(t, "e.json", `{"tenantId":"11111111-2222-4333-8444-555555555555"}`), "-tenant", dsregtest.TenantID}, exitOK, "nothing wrong"},
	} {
		code, out, errOut := try(t, hybrid, append(c.args, "-")...)
		require.Equal(t, c.code, code, "%v %s", c.args, errOut)
		require.Contains(t, out, c.has)
	}
}

func TestSummary(t *testing.T) {
	dir := t.TempDir()
	for i, r := range []*dsregtest.Report{dsregtest.New(dsregtest.Hybrid), scpMissing(), dsregtest.New(dsregtest.Workgroup)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".txt"), []byte(r.String()), 0o600))
	}
	code, out, errOut := try(t, "", "-summary", dir)
	require.Equal(t, exitFindings, code, errOut)
	require.Contains(t, out, "3 captures, 1 with errors, 2 clean")
	require.Contains(t, out, "b.txt  domain-joined  domain-only-scp-missing")
	code, out, _ = try(t, "", "-summary", "-json", dir)
	require.Equal(t, exitFindings, code)
	var doc struct{ Captures, WithErrors int }
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, 3, doc.Captures)
	require.Equal(t, 1, doc.WithErrors)
}

func TestRedact(t *testing.T) {
	code, out, errOut := try(t, dsregtest.New(dsregtest.Hybrid).String(), "-redact", "-")
	require.Equal(t, exitOK, code, errOut)
	require.NotContains(t, out, dsregtest.TenantID)
	require.NotContains(t, strings.ToLower(out), "ashdown")
	require.Contains(t, out, "AzureAdJoined : YES")
	code, out, _ = try(t, out, "-json", "-redact", "-")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, `"joinState":"hybrid-joined"`)
}

func TestWrongUse(t *testing.T) {
	good := write(t, "good.txt", dsregtest.New(dsregtest.Hybrid).String())
	for name, c := range map[string]struct {
		stdin string
		args  []string
		says  string
	}{
		"bad flag":      {"", []string{"-x"}, "flag provided but not defined"},
		"missing file":  {"", []string{"/no/such/file"}, "no such file"},
		"empty":         {"", []string{"-"}, "the input is empty"},
		"PNG":           {"\x89PNG\r\n\x1a\n\x00", []string{"-"}, "a PNG image"},
		"one byte":      {"x", []string{"-"}, "no dsregcmd output found"},
		"empty folder":  {"", []string{t.TempDir()}, "no file with a capture"},
		"bad tenant":    {"", []string{"-tenant", "x", "-"}, "is not a GUID"},
		"bad want":      {"", []string{"-want", "x", "-"}, "is not a join state"},
		"bad time":      {"", []string{"-at", "now", "-"}, "is not a time"},
		"no such file":  {"", []string{"-expect", "/no/such/file", "-"}, "no such file"},
		"bad expect":    {"", []string{"-expect", write(t, "e.json", `{"tennant":1}`), "-"}, "unknown field"},
		"good and bad":  {"", []string{good, "/no/such/file"}, "no such file"},
		"summary empty": {"", []string{"-summary", "-"}, "the input is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := try(t, c.stdin, c.args...)
			require.Equal(t, exitUsage, code)
			require.Contains(t, strings.ReplaceAll(errOut, "The system cannot find the", "no such"), c.says)
			if name == "good and bad" {
				require.Contains(t, out, "hybrid joined", "what can be read is reported")
			} else {
				require.Empty(t, out)
			}
		})
	}
	if runtime.GOOS != "windows" {
		code, _, errOut := try(t, "")
		require.Equal(t, exitUsage, code)
		require.Contains(t, errOut, "no input")
	}
	code, _, errOut := try(t, "", "-h")
	require.Equal(t, exitOK, code)
	require.Contains(t, errOut, "exit status")
}

func TestControlCharactersStayAway(t *testing.T) {
	r := dsregtest.New(dsregtest.Hybrid).Set("Tenant Details", "TenantName", "evil\x1b[31mred").Set("Device Details", "DeviceAuthStatus", "FAILED. Device is either disabled or deleted \x1b]0;x\x07")
	_, out, _ := try(t, r.String(), "-")
	require.NotContains(t, out, "\x1b")
	require.NotContains(t, out, "\x07")
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	code := run(ctx, []string{"-"}, strings.NewReader(dsregtest.New(dsregtest.Hybrid).String()), &out, &errOut)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut.String(), "canceled")
}
