package mappingtest_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/mappingtest"
)

var _ = flag.Bool("update", false, "write the want sections")

// users is the kind of mapping an organisation has.
var users = ldapsync.Mapping{
	{To: "displayName", From: []string{"displayName"}, ID: "display name given", Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
		if v, ok := in.Get("displayName"); ok {
			return ldapsync.Set(v), nil
		}
		return ldapsync.Abstain("none given"), nil
	}},
	ldapsync.Concat("displayName", " ", "givenName", "sn"),
	ldapsync.Lower(ldapsync.Copy("mail", "mail")),
	ldapsync.Copy("mobile", "mobile"),
	ldapsync.Copy("title", "title"),
	{To: "logonName", From: []string{"sn", ldapsync.ParamDomainNetBIOS}, Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
		domain, ok := in.Get(ldapsync.ParamDomainNetBIOS)
		if !ok {
			return ldapsync.Result{}, errors.New("the domain has no NetBIOS name #1")
		}
		sn, _ := in.Get("sn")
		return ldapsync.Set(domain + `\` + strings.ToLower(sn)), nil
	}},
}

func TestRun(t *testing.T) { mappingtest.Run(t, users, "testdata/*.txtar") }

const ann = "-- object --\ndn: CN=Ann,DC=x\nsn: Oakley\n"

func check(t *testing.T, c mappingtest.Config, text string) (want, got string) {
	want, got, err := c.Check([]byte(text))
	require.NoError(t, err)
	return want, got
}

func TestKinds(t *testing.T) {
	rule := func(to string, f func(ldapsync.Inputs) (ldapsync.Result, error)) ldapsync.Rule {
		return ldapsync.Rule{To: to, From: []string{"sn", "objectGUID", "objectSid"}, Value: f}
	}
	is := func(r ldapsync.Result) func(ldapsync.Inputs) (ldapsync.Result, error) {
		return func(ldapsync.Inputs) (ldapsync.Result, error) { return r, nil }
	}
	once := rule("b-once", is(ldapsync.Set("x")))
	once.Once = true
	c := mappingtest.Config{
		Mapping: ldapsync.Mapping{
			rule("z", is(ldapsync.Clear("nothing there"))), rule("Y", is(ldapsync.Skip(""))), rule("x", is(ldapsync.Unknown("who\nknows"))),
			rule("w", is(ldapsync.Abstain("not mine"))), rule("v", func(ldapsync.Inputs) (ldapsync.Result, error) {
				return ldapsync.Result{}, errors.New("went  wrong # badly")
			}),
			rule("u", is(ldapsync.Set(`quo"te # no comment`, "tab\t", "\x00\xff"))), once,
			rule("a-now", func(in ldapsync.Inputs) (ldapsync.Result, error) {
				return ldapsync.Set(in.Now().Format(time.DateOnly)), nil
			}),
			rule("a-id", func(in ldapsync.Inputs) (ldapsync.Result, error) { return ldapsync.Set(in.ID().String()), nil }),
		},
		Conditions: []ldapsync.Condition{
			{ID: "named", From: []string{"sn"}, Test: func(in ldapsync.Inputs) (bool, string) { _, ok := in.Get("sn"); return ok, "no name" }},
			{ID: "titled", From: []string{"title"}, Test: func(in ldapsync.Inputs) (bool, string) { _, ok := in.Get("title"); return ok, "no title" }},
			ldapsync.Leaves(ldapsync.Condition{ID: "gone", Test: func(ldapsync.Inputs) (bool, string) { return false, "moved" }}),
			{ID: "mobile", From: []string{"mobile"}, Test: func(in ldapsync.Inputs) (bool, string) { return true, "" }},
			{ID: "strays", Test: func(in ldapsync.Inputs) (bool, string) { _, ok := in.Get("sn"); return ok, "" }},
		},
		Env: ldapsync.Env{Now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)},
	}
	_, got := check(t, c, ann+"objectGUID: 0174f793-0bb5-4e97-9b7f-f6198260a8a8\n# mobile: unreadable\n-- target --\ndn: CN=x\nb-once: y\n")
	want := `@named: ok
@titled: held  # no title
@gone: leaves  # moved
@mobile: unknown  # mobile cannot be read
@strays: error condition strays reads sn but does not declare it
a-id: set "0174f793-0bb5-4e97-9b7f-f6198260a8a8"
a-now: set "2026-11-21"
b-once: skip  # it has a value, and the rule speaks only once
u: set "quo\"te # no comment" "tab\t" base64:AP8=
v: error went wrong # badly
w: skip  # not mine
x: unknown  # who knows
Y: skip
z: clear  # nothing there
`
	require.Equal(t, want, got)
	require.Empty(t, mappingtest.Diff(want, got))
	_, got = check(t, c, ann+"-- now --\n2031-01-02T00:00:00Z\n")
	require.Contains(t, got, `a-now: set "2031-01-02"`)
	require.Contains(t, got, `b-once: set "x"`)
}

func TestDomain(t *testing.T) {
	c := mappingtest.Config{Mapping: users, Env: ldapsync.Env{Domain: ldapsync.Domain{NetBIOS: "CONFIG"}}}
	_, got := check(t, c, ann)
	require.Contains(t, got, `logonName: set "CONFIG\\oakley"`)
	_, got = check(t, c, ann+"-- domain --\nNetBIOS: FILE\n\nfqdn: x\n")
	require.Contains(t, got, `logonName: set "FILE\\oakley"`)
	_, got = check(t, c, ann+"-- domain --\n")
	require.Contains(t, got, "logonName: error the domain has no NetBIOS name #1")
}

func TestMistakes(t *testing.T) {
	c := mappingtest.Config{Mapping: users}
	for want, text := range map[string]string{
		`"-- object --" is missing`:            "just text",
		"two sections \"object\"":              ann + ann,
		"no section \"objekt\"":                "-- objekt --\n",
		"section object has 0 entries":         "-- object --\n\n",
		"section object has 2 entries":         ann + "\ndn: CN=Bob,DC=x\nsn: Ash\n",
		"section object: ldif: line 2":         "-- object --\ndn: CN=x\nsn:: !\n",
		"section target: ldif: line 1":         ann + "-- target --\nx\n",
		"neither fqdn: … nor netbios: …":       ann + "-- domain --\nASHDOWN\n",
		"is not a time such as 2026-11-21T08:": ann + "-- now --\nyesterday\n",
	} {
		_, _, err := c.Check([]byte(text))
		require.ErrorContains(t, err, want)
	}
}

func TestDiff(t *testing.T) {
	for _, c := range []struct{ want, got, diff string }{
		{"a: set \"x\"\nb: clear\n", "a: set \"x\"\nb: clear\n", ""},
		{"\n# all\n a:   set  \"x\" # why\n\n", "a: set \"x\"\n", ""},
		{"a: set \"x  y\"\n", "a: set \"x y\"\n", "- a: set \"x  y\"\n+ a: set \"x y\"\n"},
		{"a: set \"x # y\"\n", "a: set \"x\"\n", "- a: set \"x # y\"\n+ a: set \"x\"\n"},
		{`a: set "x\" # y"` + "\n", `a: set "x\" # z"` + "\n", "- a: set \"x\\\" # y\"\n+ a: set \"x\\\" # z\"\n"},
		{"a: error x # y\n", "a: error x\n", "- a: error x # y\n+ a: error x\n"},
		{"", "a: clear\n", "+ a: clear\n"},
		{"a: clear\n", "", "- a: clear\n"},
		{"a: clear\nb: skip\nc: skip\n", "a: clear\nb: clear\nc: skip\n", "  a: clear\n- b: skip\n+ b: clear\n  c: skip\n"},
	} {
		require.Equal(t, c.diff, mappingtest.Diff(c.want, c.got), "%q %q", c.want, c.got)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "case.txtar")
	c := mappingtest.Config{Mapping: users}
	text := "what it is about\n" + ann
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	err := c.RunFile(path, false)
	require.ErrorContains(t, err, "+ mail: clear")
	require.ErrorContains(t, err, path)
	require.NoError(t, c.RunFile(path, true))
	require.NoError(t, c.RunFile(path, false))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(b), text+"-- want --\n"), "%s", b)

	// What is right stays as its author wrote it; what is wrong is replaced.
	own := strings.Replace(string(b), "mail: clear", "mail:   clear # mine", 1)
	require.NoError(t, os.WriteFile(path, []byte(own), 0o600))
	require.NoError(t, c.RunFile(path, true))
	b, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, own, string(b))
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(own, "mail:", "wrong:", 1)), 0o600))
	require.Error(t, c.RunFile(path, false))
	require.NoError(t, c.RunFile(path, true))
	require.NoError(t, c.RunFile(path, false))
	require.Error(t, c.RunFile(filepath.Join(dir, "none"), false))
}

func TestUpdating(t *testing.T) {
	for v, want := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv(mappingtest.UpdateVariable, v)
		require.Equal(t, want, mappingtest.Updating())
	}
	t.Setenv(mappingtest.UpdateVariable, "")
	old := flag.Lookup("update").Value.String()
	require.NoError(t, flag.Set("update", "true"))
	require.True(t, mappingtest.Updating())
	require.NoError(t, flag.Set("update", old))
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(ann + "-- want --\nmail: clear\n"))
	f.Add([]byte(ann + "-- domain --\nfqdn: x\n-- now --\n2026-11-21T08:00:00Z\n-- target --\ndn: CN=x\nmail: y\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		want, got, err := mappingtest.Config{Mapping: users}.Check(b)
		if err == nil && mappingtest.Diff(got, got) != "" {
			t.Fatal("a section differs from itself")
		}
		if err == nil && (mappingtest.Diff(want, got) == "") != (mappingtest.Diff(got, want) == "") {
			t.Fatal("Diff is not symmetric")
		}
	})
}

func Example() {
	// In a test: mappingtest.Run(t, mapping, "testdata/*.txtar"). Check is the same for one file, as data.
	mapping := ldapsync.Mapping{ldapsync.Copy("department", "department"), ldapsync.Copy("title", "title")}
	want, got, err := mappingtest.Config{Mapping: mapping}.Check([]byte(`
A nurse who has lost her title.
-- object --
dn: CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example
department: Ward 3
-- want --
department: set "Ward 3"
title: skip
`))
	fmt.Println(err)
	fmt.Print(mappingtest.Diff(want, got))
	// Output:
	// <nil>
	//   department: set "Ward 3"
	// - title: skip
	// + title: clear
}
