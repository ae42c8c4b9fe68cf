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
)

const (
	data   = "../syncengine/testdata"
	export = "../syncengine/demo/ashdown.ldif"
)

func mapexpr(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

const ann = "dn: CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example\nobjectClass: user\nobjectGUID:: k/d3AQu1C5dOm3/2GYJgqA==\ngivenName: Ann\nsn: Oakley\ntitle: Nurse\n"

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	cloud, connect := filepath.Join(dir, "cloud.json"), filepath.Join(dir, "connect.json")
	for _, c := range []struct {
		args  []string
		stdin string
		code  int
		want  string
	}{
		{[]string{"eval", `Join(" ", [givenName], [sn])`, "-"}, ann, exitOK, `"Ann Oakley"`},
		{[]string{"eval", `Left("abc", 2)`}, "", exitOK, `"ab"`},
		{[]string{"explain", "-dialect", "connect", `UCase(Left([title], 3))`, "-"}, ann, exitOK, `Left([title], 3)  = "Nur"`},
		{[]string{"eval", `Error("no")`}, "", exitFindings, "no"},
		{[]string{"import", "-out", cloud, data + "/cloudsync-schema.json"}, "", exitFindings, "lost"},
		{[]string{"import", "-outbound", "{b891884f-051e-4a83-95af-2544101c9083}", "-out", connect, data + "/connect"}, "", exitFindings, "lost"},
		{[]string{"lint", cloud}, "", exitOK, ""},
		{[]string{"describe", connect}, "", exitOK, "| userPrincipalName |"},
		{[]string{"diff", "-fqdn", "ashdown.example", "-netbios", "ASHDOWN", cloud, connect, export}, "", exitOK, "0 of 260 users would change"},
		{[]string{"repl"}, ":explain Left(\"abc\", 2)\n", exitOK, `= "ab"`},
		{[]string{"repl"}, "Len(\n", exitFindings, "column 5"},
	} {
		code, out, errs := mapexpr(t, c.stdin, c.args...)
		require.Equal(t, c.code, code, "%q: %s%s", c.args, out, errs)
		require.Contains(t, out+errs, c.want, "%q", c.args)
	}
	text, err := os.ReadFile(cloud)
	require.NoError(t, err)
	other := filepath.Join(dir, "other.json")
	require.NoError(t, os.WriteFile(other, bytes.ReplaceAll(text, []byte("ashdown.example"), []byte("other.example")), 0o666))
	code, out, _ := mapexpr(t, "", "diff", cloud, other, export)
	require.Equal(t, exitFindings, code)
	require.Contains(t, out, "260 of 260 users would change")
}

// TestJSON: every command that prints results has them as JSON too.
func TestJSON(t *testing.T) {
	cloud := filepath.Join(t.TempDir(), "cloud.json")
	_, _, errs := mapexpr(t, "", "import", "-out", cloud, data+"/cloudsync-schema.json")
	text, err := os.ReadFile(cloud)
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "other.json")
	require.NoError(t, os.WriteFile(other, bytes.ReplaceAll(text, []byte("ashdown.example"), []byte("other.example")), 0o666))
	for _, args := range [][]string{
		{"eval", "-json", "[title]", export}, {"explain", "-json", "[title]", export}, {"lint", "-json", cloud},
		{"describe", "-json", cloud}, {"diff", "-json", cloud, other, export},
	} {
		code, out, more := mapexpr(t, "", args...)
		require.NotEqual(t, exitError, code, "%q: %s%s", args, errs, more)
		d := json.NewDecoder(strings.NewReader(out))
		n := 0
		for d.More() {
			var v any
			require.NoError(t, d.Decode(&v), "%q", args)
			n++
		}
		require.Positive(t, n, "%q", args)
	}
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		return path
	}
	schema, err := os.ReadFile(data + "/cloudsync-schema.json")
	require.NoError(t, err)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "usage"},
		{[]string{"nosuch"}, "nosuch"},
		{[]string{"eval", "-nonsense"}, "not defined"},
		{[]string{"eval"}, ""},
		{[]string{"eval", "Trimm([x])"}, "Trim"},
		{[]string{"eval", "-dialect", "sql", "1"}, "dialect"},
		{[]string{"lint", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"import", file("empty", "")}, "empty"},
		{[]string{"import", file("a.png", "\x89PNG\r\n\x1a\n\x00")}, "a.png"},
		{[]string{"import", file("cut", string(schema[:900]))}, "line"},
		{[]string{"diff", "a", "b"}, ""},
	} {
		code, out, errs := mapexpr(t, "", c.args...)
		require.Equal(t, exitError, code, "%q: %s", c.args, out)
		require.NotEmpty(t, errs, "%q", c.args)
		require.Contains(t, errs, c.want, "%q", c.args)
	}
	code, out, errs := mapexpr(t, "", "-h")
	require.Equal(t, exitOK, code)
	require.Contains(t, out+errs, "Exit codes")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NotEqual(t, exitOK, run(ctx, []string{"eval", "[title]", export}, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}))
}
