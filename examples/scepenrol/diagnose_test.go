package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient/sceptest"
)

const profileJSON = `{"value":[{"@odata.type":"#microsoft.graph.windows81SCEPCertificateProfile","displayName":"Laptops","renewalThresholdPercentage":20,
"subjectNameFormat":"custom","subjectNameFormatString":"CN={{FullyQualifiedDomainName}}","certificateStore":"machine","keyUsage":"digitalSignature,keyEncipherment",
"keySize":"size2048","hashAlgorithm":"sha2","certificateValidityPeriodValue":1,"certificateValidityPeriodScale":"years",
"extendedKeyUsages":[{"name":"Client Authentication","objectIdentifier":"1.3.6.1.5.5.7.3.2"}],
"scepServerUrls":["https://ndes01.ashdown.example/certsrv/mscep/mscep.dll"],"rootCertificateId":"1"}]}`

func TestDoctorCommand(t *testing.T) {
	ca, u := serve(t, sceptest.Config{Mode: sceptest.NDES})
	code, out, errs := scepenrol(t, "", "doctor", "-url", u, "-pin", ca.Pin(), "-intune")
	require.Equal(t, 1, code, errs) // http, and a password page without authentication
	require.Contains(t, out, "password-page")
	code, out, _ = scepenrol(t, "", "doctor", "-json", "-url", u)
	require.Equal(t, 1, code)
	require.Contains(t, out, `"check": "long-query"`)
	code, _, errs = scepenrol(t, "", "doctor", "-url", "ftp://x")
	require.Equal(t, 2, code, errs)
}

func TestProfileCommands(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	p := write("p.json", profileJSON)
	code, out, errs := scepenrol(t, "", "profile", "lint", p)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "GeneralPurposeTemplate")
	code, out, _ = scepenrol(t, profileJSON, "profile", "lint", "-join", "entra", "-json", "-")
	require.Equal(t, 1, code)
	require.Contains(t, out, `"rule": "held"`)
	code, _, _ = scepenrol(t, profileJSON, "profile", "lint", "-join", "entra", "-disable", "held", "-")
	require.Equal(t, 0, code)

	for join, want := range map[string]struct {
		code int
		says string
	}{"hybrid-pending": {1, "held: The device waits"}, "entra": {1, "never: The device will wait for ever"}} {
		d := write("d.json", `{"joinState":"`+join+`","values":{"DeviceName":"AV-1"}}`)
		code, out, errs := scepenrol(t, "", "profile", "why", "-profile", p, "-device", d)
		require.Equal(t, want.code, code, errs)
		require.Contains(t, out, want.says)
	}
	d := write("d.json", `{"joinState":"hybrid","values":{"FullyQualifiedDomainName":"av-1.ashdown.example"}}`)
	code, out, _ = scepenrol(t, "", "profile", "why", "-json", "-profile", p, "-device", d)
	require.Equal(t, 0, code)
	require.Contains(t, out, `"CN=av-1.ashdown.example"`)

	for _, args := range [][]string{
		{"profile"}, {"profile", "x"}, {"profile", "lint"}, {"profile", "lint", "/nonexistent"}, {"profile", "lint", write("bad", "\x89PNG\r\n\x1a\n")}, {"profile", "lint", write("empty", "")},
		{"profile", "lint", write("cut", profileJSON[:100])}, {"profile", "lint", "-join", "x", p}, {"profile", "lint", "-disable", "x", p}, {"profile", "lint", "-x"},
		{"profile", "why"}, {"profile", "why", "-profile", p, "-device", "/nonexistent"}, {"profile", "why", "-profile", p, "-device", p}, {"profile", "why", "-name", "x", "-profile", p, "-device", d},
	} {
		code, _, errs := scepenrol(t, "", args...)
		require.Equal(t, 2, code, args)
		require.NotEmpty(t, errs)
	}
}
