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

	"go.internal/hybridkit/scepclient/sceptest"
)

func serve(t *testing.T, cfg sceptest.Config) (*sceptest.CA, string) {
	t.Helper()
	ca := sceptest.New(t, cfg)
	u, err := ca.Listen("")
	require.NoError(t, err)
	return ca, u
}

func scepenrol(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestEnrolRenewStatusCRL(t *testing.T) {
	ca, u := serve(t, sceptest.Config{RA: true})
	dir := filepath.Join(t.TempDir(), "web")
	trust := []string{"-url", u, "-pin", ca.Pin()}
	with := func(cmd string, more ...string) []string { return append(append([]string{cmd}, trust...), more...) }

	code, out, _ := scepenrol(t, "", "caps", "-url", u)
	require.Equal(t, 0, code)
	require.Contains(t, out, "AES-128-CBC, SHA-256")
	code, out, _ = scepenrol(t, "", "cacert", "-url", u)
	require.Equal(t, 0, code)
	require.Contains(t, out, "not authenticated")
	code, out, _ = scepenrol(t, "", with("cacert", "-json")...)
	require.Equal(t, 0, code)
	var set struct {
		Authenticated bool
		Certificates  []certificate
	}
	require.NoError(t, json.Unmarshal([]byte(out), &set))
	require.True(t, set.Authenticated)
	require.Len(t, set.Certificates, 3)

	p12 := filepath.Join(t.TempDir(), "web.p12")
	t.Setenv("P12", "open sesame")
	code, out, errs := scepenrol(t, "secret\n", with("enrol", "-cn", "web.ashdown.example", "-o", "Ashdown Vale", "-san", "web.ashdown.example", "-san", "ip:192.0.2.7",
		"-san", "uri:urn:ashdown:web", "-upn", "web@ashdown.example", "-sid", "S-1-5-21-1-2-3-1104", "-eku", "client", "-eku", "1.3.6.1.5.5.7.3.1",
		"-challenge-file", "-", "-out", dir, "-p12", p12, "-p12-password-env", "P12")...)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "CN=web.ashdown.example")
	require.FileExists(t, p12)
	c := ca.Issued()[0]
	require.Equal(t, []string{"web.ashdown.example"}, c.DNSNames)
	require.Len(t, c.URIs, 2)
	st, err := os.Stat(filepath.Join(dir, "key.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())

	code, _, errs = scepenrol(t, "", with("enrol", "-cn", "x", "-out", dir)...)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "-force")
	code, out, _ = scepenrol(t, "", "status", "-out", dir)
	require.Equal(t, 0, code)
	require.Contains(t, out, "valid")
	code, out, _ = scepenrol(t, "", with("renew", "-out", dir)...)
	require.Equal(t, 0, code)
	require.Contains(t, out, "fresh")
	code, out, errs = scepenrol(t, "", with("renew", "-out", dir, "-force", "-json")...)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, `"action": "renewed"`)
	require.Len(t, ca.Issued(), 2)

	crl := with("crl", "-cert", filepath.Join(dir, "cert.pem"), "-key", filepath.Join(dir, "key.pem"))
	code, out, errs = scepenrol(t, "", crl...)
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "CRL of")
	ca.Revoke(ca.Issued()[1].SerialNumber)
	code, out, _ = scepenrol(t, "", crl...)
	require.Equal(t, 1, code)
	require.Contains(t, out, "revoked")
}

func TestPendingIsResumedByStatus(t *testing.T) {
	ca, u := serve(t, sceptest.Config{ManualApproval: true})
	dir := filepath.Join(t.TempDir(), "web")
	challenge := filepath.Join(t.TempDir(), "challenge")
	require.NoError(t, os.WriteFile(challenge, []byte("secret"), 0o600))
	code, _, errs := scepenrol(t, "", "enrol", "-url", u, "-pin", ca.Pin(), "-cn", "web", "-challenge-file", challenge, "-out", dir, "-max-polls", "1", "-poll", "1ms")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "scepenrol status")
	b, err := os.ReadFile(filepath.Join(dir, pendingFile))
	require.NoError(t, err)
	require.NotContains(t, string(b), "secret")
	code, _, errs = scepenrol(t, "", "status", "-out", dir)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "-pin")
	ca.Approve(ca.Requests()[0].TransactionID)
	code, out, errs := scepenrol(t, "", "status", "-out", dir, "-pin", ca.Pin())
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "issued")
	require.NoFileExists(t, filepath.Join(dir, pendingFile))
}

func TestRefusals(t *testing.T) {
	ca, u := serve(t, sceptest.Config{})
	dir := filepath.Join(t.TempDir(), "web")
	const secret = "hunter2hunter2"
	t.Setenv("CHALLENGE", secret)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"wrong challenge": {[]string{"enrol", "-url", u, "-pin", ca.Pin(), "-cn", "x", "-challenge-env", "CHALLENGE", "-out", dir}, 1, "event 29"},
		"json":            {[]string{"enrol", "-json", "-url", u, "-pin", ca.Pin(), "-cn", "x", "-challenge-env", "CHALLENGE", "-out", dir}, 1, `"bad-request"`},
		"wrong pin":       {[]string{"enrol", "-url", u, "-pin", strings.Repeat("ab", 32), "-cn", "x", "-challenge-env", "CHALLENGE", "-out", dir}, 1, "pinned fingerprint"},
		"no server":       {[]string{"caps", "-url", "http://127.0.0.1:1/scep"}, 1, "could not be reached"},
		"no fingerprint":  {[]string{"enrol", "-url", u, "-pin", "00", "-cn", "x", "-out", dir}, 2, "64 hex digits"},
		"no pin":          {[]string{"enrol", "-url", u, "-cn", "x", "-out", dir}, 2, "-pin"},
		"no url":          {[]string{"caps"}, 2, "-url"},
		"bad url":         {[]string{"caps", "-url", "-ndes"}, 2, "http"},
		"bad flag":        {[]string{"caps", "-nope"}, 2, "nope"},
		"bad command":     {[]string{"nope"}, 2, "unknown command"},
		"nothing":         {nil, 2, "usage"},
		"extra":           {[]string{"caps", "-url", u, "more"}, 2, "unexpected"},
		"bad san":         {[]string{"enrol", "-url", u, "-pin", ca.Pin(), "-cn", "x", "-san", "ip:x", "-out", dir}, 2, "IP address"},
		"bad eku":         {[]string{"enrol", "-url", u, "-pin", ca.Pin(), "-cn", "x", "-eku", "x", "-out", dir}, 2, "OID"},
		"bad usage":       {[]string{"enrol", "-url", u, "-pin", ca.Pin(), "-cn", "x", "-usage", "x", "-out", dir}, 2, "-usage"},
		"bad reply":       {[]string{"caps", "-url", u, "-reply", "x"}, 2, "strict"},
		"missing file":    {[]string{"crl", "-url", u, "-pin", ca.Pin(), "-cert", "/nonexistent", "-key", "/nonexistent"}, 2, "no such file"},
		"no certificate":  {[]string{"renew", "-url", u, "-pin", ca.Pin(), "-out", dir}, 2, "cert.pem"},
		"help":            {[]string{"-h"}, 0, "usage"},
		"command help":    {[]string{"enrol", "-h"}, 0, "-challenge-file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := scepenrol(t, "", c.args...)
			require.Equal(t, c.code, code, out+errs)
			require.Contains(t, out+errs, c.says)
			require.NotContains(t, out+errs, secret)
		})
	}
	png := filepath.Join(t.TempDir(), "a.png")
	require.NoError(t, os.WriteFile(png, []byte("\x89PNG\r\n\x1a\n\x00\x00"), 0o600))
	code, _, errs := scepenrol(t, "", "crl", "-url", u, "-pin", ca.Pin(), "-cert", png, "-key", png)
	require.Equal(t, 2, code, errs)
}

func TestTestCA(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(ctx, []string{"testca", "-mode", "ndes"}, nil, &out, &errs), errs.String())
	require.Contains(t, out.String(), "mscep.dll")
	require.Equal(t, 2, run(ctx, []string{"testca", "-listen", "0.0.0.0:0"}, nil, &out, &errs))
}
