//go:build graphreport

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/examples/graphreport/report"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

func try(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestDemo(t *testing.T) {
	code, out, errs := try(t, "", "demo", "-json")
	require.Equal(t, exitFindings, code, errs)
	require.Empty(t, errs, "no progress in a pipe")
	var r report.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Len(t, r.Devices, 8, "over three pages, hybrid-joined only")
	require.Equal(t, map[string]int{report.CoManaged: 2, report.ByConfigMgr: 1, report.ByIntune: 3, report.ByNobody: 2}, r.Authorities)
	require.Equal(t, map[string]int{report.Stale: 3, report.Pending: 1, report.Disabled: 1, report.Unmanaged: 1, report.Duplicate: 2, report.NoOwner: 4}, r.Issues)
	require.Equal(t, 2, r.Orphans)
	require.Equal(t, []string{"ada@ashdown.example"}, r.Devices[0].Owners)

	code, out, _ = try(t, "", "demo", "-stale", "365")
	require.Equal(t, exitFindings, code)
	require.Contains(t, out, "stale after 365 days")
	require.NotContains(t, out, "stale 3")
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		f := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(f, []byte(content), 0o600))
		return f
	}
	for name, args := range map[string][]string{
		"nothing": {}, "bad flag": {"-x"}, "argument": {"demo", "extra"}, "stale": {"demo", "-stale", "3"}, "both": {"demo", "-config", "x"},
		"no file": {"-config", filepath.Join(dir, "nosuch")}, "empty": {"-config", write("empty", "")}, "cut": {"-config", write("cut", `{"method":"az`)},
		"image": {"-config", write("png", "\x89PNG\r\n\x1a\n\x00")}, "unknown member": {"-config", write("member", `{"methode":"azure-cli"}`)},
		"no method": {"-config", write("none", `{}`)}, "standard input": {"-config", "-"},
	} {
		code, out, errs := try(t, "", args...)
		require.Equal(t, exitUsage, code, name)
		require.Empty(t, out, name)
		require.NotEmpty(t, errs, name)
	}
	code, _, errs := try(t, "", "-h")
	require.Equal(t, exitOK, code)
	require.Contains(t, errs, "usage: graphreport")
}

// TestErrorPages: the SDK's own Error panics on several of these.
func TestErrorPages(t *testing.T) {
	for page, want := range map[entratest.Page]string{
		entratest.GraphError: "devices: Graph answered HTTP 403: Authorization_RequestDenied: Forbidden", entratest.EmptyObject: "HTTP 403",
		entratest.CodeOnly: "HTTP 403: Authorization_RequestDenied", entratest.OAuthError: "HTTP 403", entratest.NullMessage: "HTTP 403",
		entratest.HTMLPage: "", entratest.EmptyBody: "403", entratest.TruncatedGzip: "",
	} {
		s := demoTenant()
		s.Script(entratest.Fault{Status: 403, Page: page, Times: -1})
		a, err := tenantAdapter(s)
		require.NoError(t, err)
		_, err = read(t.Context(), a, report.Options{Now: demoNow}, newProgress(nil))
		require.ErrorContains(t, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, err := demoAdapter()
	require.NoError(t, err)
	_, err = read(ctx, a, report.Options{Now: demoNow}, newProgress(nil))
	require.Error(t, err)
}
