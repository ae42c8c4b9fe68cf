package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	done := make(chan int, 1)
	ldif := "dn: OU=X,DC=vale,DC=example\nobjectClass: organizationalUnit\n"
	go func() {
		done <- run(ctx, []string{"-json", "-dump", "-plain", "-gc", "-domain", "vale.example", "-ldif", "-", "-ca", ca}, strings.NewReader(ldif), w, io.Discard)
		w.Close()
	}()
	out := bufio.NewReader(r)
	line, err := out.ReadString('\n')
	require.NoError(t, err)
	var got served
	require.NoError(t, json.Unmarshal([]byte(line), &got))
	require.Equal(t, "DC=vale,DC=example", got.Base)
	c, err := ldap.DialURL(got.URL)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Bind("writer@vale.example", "Passw0rd-writer"))
	add := ldap.NewAddRequest("CN=a,OU=X,DC=vale,DC=example", nil)
	add.Attribute("objectClass", []string{"user"})
	require.NoError(t, c.Add(add))
	pem, err := os.ReadFile(ca)
	require.NoError(t, err)
	require.Contains(t, string(pem), "BEGIN CERTIFICATE")
	cancel()
	dump, err := io.ReadAll(out)
	require.NoError(t, err)
	require.Contains(t, string(dump), "dn: CN=a,OU=X,DC=vale,DC=example")
	require.Equal(t, exitOK, <-done)
}

func TestRunWrong(t *testing.T) {
	dir := t.TempDir()
	png := filepath.Join(dir, "x.png")
	require.NoError(t, os.WriteFile(png, []byte("\x89PNG\r\n\x1a\n\x00\x00"), 0o600))
	for name, tc := range map[string]struct {
		args []string
		code int
		text string
	}{
		"help":         {[]string{"-h"}, exitOK, "Exit codes"},
		"bad flag":     {[]string{"-nonsense"}, exitUsage, "not defined"},
		"argument":     {[]string{"x.ldif"}, exitUsage, "unexpected argument"},
		"missing file": {[]string{"-ldif", filepath.Join(dir, "none")}, exitUsage, "none"},
		"png":          {[]string{"-ldif", png}, exitUsage, "LDIF line 1"},
		"not loopback": {[]string{"-listen", "192.0.2.1:389"}, exitUsage, "loopback"},
		"bad domain":   {[]string{"-domain", "a..b"}, exitUsage, "DNS name"},
		"bad ca":       {[]string{"-ca", filepath.Join(dir, "no", "ca.pem")}, exitUsage, "ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, tc.code, run(t.Context(), tc.args, strings.NewReader(""), &out, &errs))
			require.Contains(t, errs.String(), tc.text)
			require.Empty(t, out.String())
		})
	}
}
