// Package mappingtest runs an organisation's tests of its mapping: one file for each case, with a source object
// and what the mapping must make of it. A test needs no directory, no network and no Go beyond this:
//
//	func TestUsers(t *testing.T) { mappingtest.Run(t, Users, "testdata/users/*.txtar") }
//
// A file is a txtar archive (golang.org/x/tools/txtar): text that says what the case is about, then sections.
//
//	A nurse who has no display name gets one made of her names.
//
//	-- object --
//	dn: CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example
//	objectClass: user
//	givenName: Ann
//	sn: Oakley
//	# mobile: unreadable
//	-- domain --
//	fqdn: ashdown.example
//	netbios: ASHDOWN
//	-- now --
//	2026-11-21T08:00:00Z
//	-- target --
//	dn: CN=Ann,OU=People,DC=forest,DC=example
//	description: set by hand
//	-- want --
//	description: skip           # it has a value, and the rule speaks only once
//	displayName: set "Ann Oakley"
//	mobile: unknown
//	title: clear
//
// The object is one entry of LDIF as package ldif reads it; objectGUID and objectSid may be written as text. The
// comment "# name: unreadable" makes an attribute one that could not be read. The sections domain, now and
// target are optional; target matters to rules that speak only while their attribute is absent.
//
// In want there is a line for each target attribute, sorted: set with the values, clear, skip, unknown, or error
// with the text of the error. Values are Go strings in quotes; values that are not text are base64:… instead.
// Conditions (see Config) come first: "@name: ok", or "held" or "leaves" where the object fails it, or "unknown"
// where an input is unreadable. Blank lines and what follows a
// "#" outside quotes are ignored; -update writes reasons there.
//
// To have the want sections written, set MAPPINGTEST_UPDATE=1 in the environment, or declare a boolean flag
// "update" in the test and pass -update. Then read the difference before you commit it.
package mappingtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldif"
)

// UpdateVariable is the environment variable that makes Run write the want sections.
const UpdateVariable = "MAPPINGTEST_UPDATE"

// Config is what is tested.
type Config struct {
	Mapping    ldapsync.Mapping
	Conditions []ldapsync.Condition // tested too, each with a line of its own
	Env        ldapsync.Env         // for files without the sections domain and now
}

// Run tests a mapping against the files that match the pattern, one sub-test for each. A pattern that matches no
// file fails the test.
func Run(t *testing.T, m ldapsync.Mapping, pattern string) {
	t.Helper()
	Config{Mapping: m}.Run(t, pattern)
}

// Run is the function Run with conditions and an environment.
func (c Config) Run(t *testing.T, pattern string) {
	t.Helper()
	if err := c.Mapping.Validate(); err != nil {
		t.Fatalf("the mapping: %v", err)
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("mappingtest: no file matches %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			if err := c.runFile(file, updating()); err != nil {
				t.Error(err)
			}
		})
	}
}

// updating reports whether want sections shall be written. The flag is the caller's: a package that declares one
// would clash with tests that do.
func updating() bool {
	if v := os.Getenv(UpdateVariable); v != "" && v != "0" {
		return true
	}
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

func (c Config) runFile(file string, update bool) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	want, got, err := c.Check(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if !update {
		if d := Diff(want, got); d != "" {
			return fmt.Errorf("%s: the mapping does something else (- wanted, + got; %s=1 accepts it):\n%s", file, UpdateVariable, d)
		}
		return nil
	}
	if Diff(want, got) == "" {
		return nil // as it is, with the author's own comments
	}
	a := txtar.Parse(data)
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
	if i < 0 {
		i = len(a.Files)
		a.Files = append(a.Files, txtar.File{Name: "want"})
	}
	a.Files[i].Data = []byte(got)
	return os.WriteFile(file, txtar.Format(a), 0o644)
}

// Check runs the mapping on the file with the given content. want is the want section, got what that should be;
// Diff says whether they agree. The error is about the file itself.
func (c Config) Check(data []byte) (want, got string, err error) {
	sections := map[string][]byte{}
	for _, f := range txtar.Parse(data).Files {
		if _, ok := sections[f.Name]; ok {
			return "", "", fmt.Errorf("there are two sections %q", f.Name)
		}
		if !slices.Contains([]string{"object", "domain", "now", "target", "want"}, f.Name) {
			return "", "", fmt.Errorf("there is no section %.40q in these files; object, domain, now, target and want are", f.Name)
		}
		sections[f.Name] = f.Data
	}
	if _, ok := sections["object"]; !ok {
		return "", "", errors.New(`the section "-- object --" is missing`)
	}
	obj, err := entry("object", sections["object"])
	if err != nil {
		return "", "", err
	}
	var target *ldapsync.Object
	if text, ok := sections["target"]; ok {
		o, err := entry("target", text)
		if err != nil {
			return "", "", err
		}
		target = &o
	}
	env, err := c.env(sections)
	if err != nil {
		return "", "", err
	}
	return string(sections["want"]), c.render(obj, target, env), nil
}

func entry(section string, text []byte) (ldapsync.Object, error) {
	var out []ldapsync.Object
	for o, err := range ldif.Records(bytes.NewReader(text), ldif.Config{}) {
		if err != nil {
			return ldapsync.Object{}, fmt.Errorf("section %s: %w", section, err)
		}
		out = append(out, o)
	}
	if len(out) != 1 {
		return ldapsync.Object{}, fmt.Errorf("section %s has %d entries, not one", section, len(out))
	}
	return out[0], nil
}

func (c Config) env(sections map[string][]byte) (ldapsync.Env, error) {
	env := c.Env
	if text, ok := sections["domain"]; ok {
		env.Domain = ldapsync.Domain{}
		for l := range strings.Lines(string(text)) {
			name, value, found := strings.Cut(l, ":")
			value = strings.TrimSpace(value)
			switch {
			case strings.TrimSpace(l) == "":
			case found && strings.EqualFold(strings.TrimSpace(name), "fqdn"):
				env.Domain.FQDN = value
			case found && strings.EqualFold(strings.TrimSpace(name), "netbios"):
				env.Domain.NetBIOS = value
			default:
				return env, fmt.Errorf("section domain: %.60q is neither fqdn: … nor netbios: …", strings.TrimSpace(l))
			}
		}
	}
	if text, ok := sections["now"]; ok {
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
		if err != nil {
			return env, fmt.Errorf("section now: %.40q is not a time such as 2026-11-21T08:00:00Z", strings.TrimSpace(string(text)))
		}
		env.Now = t
	}
	return env, nil
}

// render is the want section that the mapping deserves.
func (c Config) render(obj ldapsync.Object, target *ldapsync.Object, env ldapsync.Env) string {
	var b strings.Builder
	for _, cond := range c.Conditions {
		ok, reason, err := cond.Check(obj, env)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "@%s: error %s\n", cond.ID, oneLine(err.Error()))
		case ok:
			fmt.Fprintf(&b, "@%s: ok\n", cond.ID)
		case slices.ContainsFunc(cond.From, func(a string) bool { return obj.Presence(a) == ldapsync.Unreadable }):
			fmt.Fprintf(&b, "@%s: unknown%s\n", cond.ID, comment(reason))
		case cond.Leave:
			fmt.Fprintf(&b, "@%s: leaves%s\n", cond.ID, comment(reason))
		default:
			fmt.Fprintf(&b, "@%s: held%s\n", cond.ID, comment(reason))
		}
	}
	outcomes, err := c.Mapping.Apply(obj, env)
	lines := map[string]string{}
	for _, o := range outcomes {
		res := o.Result
		if o.Once && target != nil && target.Presence(o.To) != ldapsync.Absent && res.Kind != ldapsync.KindUnknown {
			res = ldapsync.Skip("it has a value, and the rule speaks only once")
		}
		switch text := res.Kind.String(); res.Kind {
		case ldapsync.KindSet:
			for _, v := range res.Values {
				text += " " + quote(v)
			}
			lines[o.To] = text
		default:
			lines[o.To] = text + comment(res.Reason)
		}
	}
	for _, e := range ruleErrors(err) {
		lines[e.To] = "error " + oneLine(e.Err.Error())
	}
	names := make([]string, 0, len(lines))
	for n := range lines {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for _, n := range names {
		fmt.Fprintf(&b, "%s: %s\n", n, lines[n])
	}
	return b.String()
}

// ruleErrors takes the joined error of Mapping.Apply apart.
func ruleErrors(err error) []*ldapsync.RuleError {
	switch e := err.(type) {
	case nil:
		return nil
	case *ldapsync.RuleError:
		return []*ldapsync.RuleError{e}
	case interface{ Unwrap() []error }:
		var out []*ldapsync.RuleError
		for _, sub := range e.Unwrap() {
			out = append(out, ruleErrors(sub)...)
		}
		return out
	}
	return []*ldapsync.RuleError{{To: "?", Err: err}}
}

func comment(reason string) string {
	if reason == "" {
		return ""
	}
	return "  # " + oneLine(reason)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// quote prints a value so that it can be compared and edited.
func quote(v string) string {
	if utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) {
		return strconv.Quote(v)
	}
	return "base64:" + base64.StdEncoding.EncodeToString([]byte(v))
}
