package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/scepclient/sceptest"
)

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		return path
	}
	const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	file("a.png", png)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "empty"), 0o777))
	for _, c := range []struct {
		name string
		args []string
		in   string
		code int
		says string
	}{
		{"no arguments", nil, "", exitUsage, "usage: readiness demo"},
		{"help", []string{"-h"}, "", exitReady, "exit status"},
		{"unknown flag", []string{"-nonsense"}, "", exitUsage, "-nonsense"},
		{"unknown flag before demo", []string{"-nonsense", "demo"}, "", exitUsage, "-nonsense"},
		{"help of demo", []string{"demo", "-h"}, "", exitReady, "exit status"},
		{"demo with a file", []string{"demo", "x.json"}, "", exitUsage, "demo takes no file"},
		{"two requests", []string{"a.json", "b.json"}, "", exitUsage, "one request at a time"},
		{"no such file", []string{filepath.Join(dir, "none.json")}, "", exitUsage, "none.json"},
		{"a folder", []string{dir}, "", exitUsage, "is a directory"},
		{"empty", []string{"-"}, "", exitUsage, "the request is empty"},
		{"an image", []string{"-"}, png, exitUsage, "standard input: line 1: invalid character"},
		{"cut off", []string{"-"}, "{\n\"organisation\": \"Ash", exitUsage, "line 2: unexpected EOF"},
		{"misspelt", []string{file("m.json", "{\n\"organisation\": \"A\",\n\"polices\": {}}")}, "", exitUsage, `m.json: line 3: json: unknown field "polices"`},
		{"wrong type", []string{"-"}, "{\n\"answers\": {\"intune\": 1}}", exitUsage, "line 2: json: cannot unmarshal number"},
		{"two documents", []string{"-"}, "{} {}", exitUsage, "more after the request"},
		{"too long", []string{"-"}, strings.Repeat(" ", maxRequest+1), exitUsage, "at most"},
		{"unknown vantage", []string{"-"}, `{"network": {"vantage": "home"}}`, exitUsage, "no vantage"},
		{"negative timeout", []string{"-"}, `{"network": {"timeoutSeconds": -1}}`, exitUsage, "must not be negative"},
		{"no URL", []string{"-"}, `{"directory": {}}`, exitUsage, "directory.url"},
		{"no password", []string{"-"}, `{"directory": {"url": "ldaps://x.example", "user": "a@b"}}`, exitUsage, "directory.passwordFile"},
		{"no password file", []string{file("pw.json", `{"directory": {"url": "ldaps://x.example", "user": "a@b", "passwordFile": "pw"}}`)}, "", exitUsage, "no such file"},
		{"bad URL", []string{"-"}, `{"directory": {"url": "https://x.example"}}`, exitUsage, "URL"},
		{"bad SID", []string{"-"}, `{"directory": {"url": "ldaps://x.example", "subject": ["S-1"]}}`, exitUsage, "directory.subject"},
		{"bad OU", []string{"-"}, `{"directory": {"url": "ldaps://x.example", "users": {"ou": "people"}}}`, exitUsage, "Scopes[0].OU"},
		{"bad address", []string{"-"}, `{"directory": {"url": "ldaps://127.0.0.1:1", "address": "edge"}}`, exitUsage, "DCAddress"},
		{"bad role", []string{"-"}, `{"directory": {"url": "ldaps://127.0.0.1:1", "fsmo": {"boss": "dc1"}}}`, exitUsage, "FSMO"},
		{"CA file", []string{file("ca.json", `{"directory": {"url": "ldaps://127.0.0.1:1", "caFile": "a.png"}}`)}, "", exitUsage, "a.png: no certificate in PEM"},
		{"no OU for policy", []string{"-"}, `{"policy": {"sysvol": "."}}`, exitUsage, "policy.ous"},
		{"no links", []string{"-"}, `{"policy": {"sysvol": ".", "ous": ["OU=A,DC=b"]}}`, exitUsage, "policy.links"},
		{"no SYSVOL", []string{file("s.json", `{"policy": {"sysvol": "nowhere", "links": "a.png", "ous": ["OU=A,DC=b"]}}`)}, "", exitUsage, "nowhere"},
		{"SYSVOL is a file", []string{file("f.json", `{"policy": {"sysvol": "a.png", "links": "a.png", "ous": ["OU=A,DC=b"]}}`)}, "", exitUsage, "not a folder"},
		{"links are an image", []string{file("l.json", `{"policy": {"sysvol": "empty", "links": "a.png", "ous": ["OU=A,DC=b"]}}`)}, "", exitUsage, "a.png"},
		{"export is an image", []string{file("e.json", `{"ndes": {"export": "a.png"}}`)}, "", exitUsage, "a.png"},
		{"bad NDES address", []string{"-"}, `{"ndes": {"url": "::"}}`, exitUsage, "ndes.url"},
		{"profiles are an image", []string{file("p.json", `{"profiles": {"files": ["a.png"]}}`)}, "", exitUsage, "a.png"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := readiness(t, c.in, c.args...)
			require.Equal(t, c.code, code, "%s%s", out, errs)
			require.Contains(t, errs, c.says)
			require.Empty(t, out)
		})
	}
}

// The request that is printed to start from is one that can be read.
func TestRequest(t *testing.T) {
	code, out, errs := readiness(t, "", "request")
	require.Equal(t, exitReady, code, errs)
	q, err := readRequest(strings.NewReader("\xef\xbb\xbf" + out))
	require.NoError(t, err)
	require.Equal(t, "Ashdown Vale", q.Organisation)
}

// TestRealInput: files and servers instead of the stand-ins of the demo: LDAPS and SCEP on loopback.
func TestRealInput(t *testing.T) {
	dir := t.TempDir()
	s := newSample(t)
	s.heal()
	for name, f := range s.files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), f.Data, 0o666))
	}
	ldif, err := os.Open(filepath.Join(dir, "directory.ldif"))
	require.NoError(t, err)
	defer ldif.Close()
	dc := adtest.New(t, adtest.Config{DC: "edge", LDIF: ldif, Attributes: []adtest.AttributeType{{Name: "dNSProperty", Syntax: adtest.OctetSyntax}}})
	ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
	scep, err := ca.Listen("")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "password"), []byte("Passw0rd-reader\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pem"), dc.CAPEM(), 0o666))

	var q map[string]any
	require.NoError(t, json.Unmarshal(s.files["request.json"].Data, &q))
	set := func(part, name string, v any) { q[part].(map[string]any)[name] = v }
	set("directory", "url", dc.TLSURL())
	set("directory", "caFile", "ca.pem")
	set("directory", "address", "127.0.0.1")
	set("network", "vantage", "elsewhere")
	set("network", "timeoutSeconds", 0.2)
	set("ndes", "url", scep)
	set("coManagement", "domains", []string{})
	request := filepath.Join(dir, "request.json")
	b, err := json.Marshal(q)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(request, b, 0o666))

	code, out, errs := readiness(t, "", "-json", request)
	require.Equal(t, exitNot, code, errs)
	var doc struct{ adpreflight.Report }
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, "edge.ashdown.example", doc.Server)
	state := func(id string) adpreflight.State {
		c, ok := doc.Get(id)
		require.True(t, ok, id)
		return c.State
	}
	for _, id := range []string{"dc.answers", "trust.selective", "dns.forwarder", "delegation.devices.read", "cdj.HybridComputers", "cdj.Kiosks",
		"ndes.registry.SignatureTemplate", "ndes.live.ca-certificates", "scep.key-size", "comgmt.mdm-user-scope"} {
		require.Equal(t, adpreflight.Pass, state(id), id)
	}
	require.Equal(t, adpreflight.NotTried, state("ports.ldap.out"))
	require.NotContains(t, out, "Passw0rd")

	// Without the server everything that needs it is untried, and the report still comes.
	require.NoError(t, dc.Close())
	ca.Close()
	code, out, errs = readiness(t, "", "-json", request)
	require.Equal(t, exitNot, code, errs)
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, adpreflight.Fail, state("dc.answers"))
	c, ok := doc.Get("cdj")
	require.True(t, ok, "the links could not be read")
	require.Equal(t, adpreflight.NotTried, c.State)
	require.Equal(t, adpreflight.Pass, state("ndes.registry.SignatureTemplate"))
}

// TestLinksFile: Group Policy from files alone, and an organisational unit nobody linked anything to.
func TestLinksFile(t *testing.T) {
	s := newSample(t)
	s.heal()
	s.edit("request.json", `"sysvol": "sysvol", `, `"sysvol": "sysvol", "links": "links.json", `)
	s.files["links.json"] = &fstest.MapFile{Data: fmt.Appendf(nil, `{"containers": [{"dn": "DC=ashdown,DC=example", "kind": "domain"},
		{"dn": "OU=HybridComputers,DC=ashdown,DC=example", "links": [{"gpo": %q}]}], "gpos": [{"id": %q, "name": "Hybrid join", "wmiFilter": "Laptops"}]}`, policyID(1), policyID(1))}
	r := s.report()
	c, ok := r.Get("cdj.HybridComputers")
	require.True(t, ok)
	require.Equal(t, adpreflight.NotTried, c.State, "a WMI filter nobody evaluated: %s", c.Evidence)
	require.Contains(t, c.Evidence, "Laptops")
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	require.Equal(t, exitUsage, run(ctx, []string{"demo"}, strings.NewReader(""), &out, &errs))
	require.Contains(t, errs.String(), "context canceled")
	require.Empty(t, out.String())
}

func FuzzReadRequest(f *testing.F) {
	f.Add(startingPoint())
	f.Add([]byte(`{"directory": {"fsmo": {"pdc": "dc1"}}, "coManagement": {"useCMG": null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := readRequest(strings.NewReader(string(b)))
		if (q == nil) == (err == nil) {
			t.Fatalf("request %v, error %v", q, err)
		}
	})
}
