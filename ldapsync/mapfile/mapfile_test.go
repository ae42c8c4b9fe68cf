package mapfile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/mapfile"
	"go.internal/hybridkit/ldapsync/mappingtest"
)

func ExampleRead() {
	f, err := mapfile.Read(strings.NewReader(`{
  "version": 1,
  "mappings": [{
    "name": "users", "class": "user", "dialect": "cloudsync",
    "rules": [
      {"to": "displayName", "expression": "Join(\" \", [givenName], [sn])"},
      {"to": "mail", "copy": "mail", "null": "keep"},
      {"to": "company", "constant": ["Ashdown Vale"]},
      {"to": "msDS-cloudExtensionAttribute1", "function": "sid-text", "args": ["objectSid"]}
    ]
  }]
}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := f.BuildOne("", ldapsync.User, mapfile.Options{Functions: mapfile.Builtins()})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := ldapsync.NewObject(ldapsync.GUID{1}, ldapsync.MustParseDN("CN=Ann,DC=ashdown,DC=example"), ldapsync.User,
		ldapsync.Values("givenName", "Ann"), ldapsync.Values("sn", "Oakley"))
	outcomes, err := set.Mapping.Apply(ann, ldapsync.Env{})
	for _, o := range outcomes {
		fmt.Println(o.To, o.Result.Kind, o.Result.Values)
	}
	fmt.Println(err)
	// Output:
	// company set [Ashdown Vale]
	// displayName set [Ann Oakley]
	// mail skip []
	// msDS-cloudExtensionAttribute1 clear []
	// <nil>
}

func ExampleWriteMarkdown() {
	_ = mapfile.WriteMarkdown(os.Stdout, mapfile.Describe(ldapsync.Mapping{
		ldapsync.Copy("mail", "mail"), ldapsync.Once(ldapsync.Concat("displayName", " ", "givenName", "sn")),
	}))
	// Output:
	// | target | sources | rule | kind | what | when |
	// | --- | --- | --- | --- | --- | --- |
	// | mail | mail | mail | go | copy of mail |  |
	// | displayName | givenName, sn | displayName | go | givenName, sn joined with " ", once; once |  |
}

// load reads and builds the only mapping of a text.
func load(t *testing.T, rules string, more ...string) *mapfile.Set {
	t.Helper()
	f, err := mapfile.Read(strings.NewReader(`{"version": 1, "mappings": [{"name": "m", "class": "user", ` + strings.Join(more, "") + `"rules": [` + rules + `]}]}`))
	require.NoError(t, err)
	sets, err := f.Build(mapfile.Options{Functions: mapfile.Builtins()})
	require.NoError(t, err)
	return sets[0]
}

func ann() ldapsync.Object {
	return ldapsync.NewObject(ldapsync.GUID{1, 2, 3}, ldapsync.MustParseDN("CN=Ann,OU=Staff,DC=ashdown,DC=example"), ldapsync.User,
		ldapsync.Values("givenName", "Ann"), ldapsync.Values("sn", "Oakley"), ldapsync.Values("userAccountControl", "514"),
		ldapsync.Values("proxyAddresses", "SMTP:ann@ashdown.example", "smtp:a.oakley@ashdown.example"),
		ldapsync.Values("active", "TRUE")).WithUnreadable("title")
}

func TestRules(t *testing.T) {
	env := ldapsync.Env{Domain: ldapsync.Domain{FQDN: "ashdown.example"}, Now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct {
		section, rules string
		want           string // "to: verdict", joined with "; "
	}{
		"copy":                     {"", `{"to": "x", "copy": "sn"}`, `x: set ["Oakley"]`},
		"copy absent":              {"", `{"to": "x", "copy": "mail"}`, "x: clear"},
		"copy unreadable":          {"", `{"to": "x", "copy": "title"}`, "x: unknown"},
		"copy objectGUID":          {"", `{"to": "x", "copy": "objectGUID"}`, `x: set ["\x01\x02\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"]`},
		"copy dn":                  {"", `{"to": "x", "copy": "distinguishedName"}`, `x: set ["CN=Ann,OU=Staff,DC=ashdown,DC=example"]`},
		"keep":                     {"", `{"to": "x", "copy": "mail", "null": "keep"}`, "x: skip"},
		"default":                  {"", `{"to": "x", "copy": "mail", "default": ["none"]}`, `x: set ["none"]`},
		"abstain then next":        {"", `{"to": "x", "copy": "mail", "null": "abstain"}, {"to": "x", "copy": "sn"}`, `x: set ["Oakley"]`},
		"abstain alone":            {"", `{"to": "x", "copy": "mail", "null": "abstain"}`, "x: skip"},
		"no contribution":          {`"noContribution": "clear", `, `{"to": "x", "copy": "mail", "null": "abstain"}`, "x: clear"},
		"skip":                     {"", `{"to": "x", "skip": "not ours"}`, "x: skip"},
		"cloud null clears":        {`"dialect": "cloudsync", `, `{"to": "x", "expression": "Trim([mail])"}, {"to": "x", "id": "second", "constant": ["y"]}`, "x: clear"},
		"connect null":             {`"dialect": "connect", `, `{"to": "x", "expression": "NULL"}, {"to": "x", "id": "second", "constant": ["y"]}`, `x: set ["y"]`},
		"authoritative null":       {`"dialect": "connect", `, `{"to": "x", "expression": "AuthoritativeNull"}, {"to": "x", "id": "second", "constant": ["y"]}`, "x: clear"},
		"ignore this flow":         {`"dialect": "connect", `, `{"to": "x", "expression": "IgnoreThisFlow"}`, "x: skip"},
		"unreadable input":         {`"dialect": "cloudsync", `, `{"to": "x", "expression": "Append([title], \"!\")"}`, "x: unknown"},
		"parameter":                {`"dialect": "connect", `, `{"to": "x", "expression": "%Domain.FQDN%"}, {"to": "y", "expression": "%Domain.Netbios%"}`, `x: set ["ashdown.example"]; y: unknown`},
		"own parameter":            {`"dialect": "connect", "parameters": {"Forest.FQDN": "forest.example"}, `, `{"to": "x", "expression": "%Forest.FQDN%"}`, `x: set ["forest.example"]`},
		"when":                     {"", `{"to": "x", "constant": ["y"], "when": [[{"attribute": "sn", "operator": "equal", "values": ["oakley"]}]]}`, `x: set ["y"]`},
		"when not":                 {"", `{"to": "x", "constant": ["y"], "when": [[{"attribute": "sn", "operator": "equal", "values": ["oakley"], "exact": true}]]}`, "x: skip"},
		"when unknown":             {"", `{"to": "x", "constant": ["y"], "when": [[{"attribute": "title", "operator": "notNull"}]]}`, "x: unknown"},
		"when either":              {"", `{"to": "x", "constant": ["y"], "when": [[{"attribute": "title", "operator": "notNull"}], [{"attribute": "sn", "operator": "notNull"}]]}`, `x: set ["y"]`},
		"when unsupported":         {"", `{"to": "x", "constant": ["y"], "when": [[{"operator": "unsupported", "why": "groups"}]]}`, "x: unknown"},
		"when unsupported, but no": {"", `{"to": "x", "constant": ["y"], "when": [[{"operator": "unsupported", "why": "groups"}, {"attribute": "sn", "operator": "null"}]]}`, "x: skip"},
		"merge": {"", `{"to": "x", "copy": "proxyAddresses", "merge": true, "null": "abstain"}, {"to": "x", "id": "b", "constant": ["smtp:ANN@ashdown.example", "smtp:new@ashdown.example"], "merge": true}`,
			`x: set ["SMTP:ann@ashdown.example" "smtp:a.oakley@ashdown.example" "smtp:new@ashdown.example"]`},
		"merge with case":  {"", `{"to": "x", "copy": "sn", "merge": true}, {"to": "x", "id": "b", "constant": ["OAKLEY"], "merge": true, "mergeExact": true}`, `x: set ["Oakley" "OAKLEY"]`},
		"merge unknown":    {"", `{"to": "x", "copy": "title", "merge": true}, {"to": "x", "id": "b", "constant": ["y"], "merge": true}`, "x: unknown"},
		"merge of nothing": {`"noContribution": "clear", `, `{"to": "x", "copy": "mail", "merge": true, "null": "abstain"}, {"to": "x", "id": "b", "copy": "info", "merge": true, "null": "abstain"}`, "x: clear"},
		"same value twice": {`"dialect": "connect", `, `{"to": "x", "expression": "Split(\"a;a\", \";\")"}`, `x: set ["a"]`},
		"functions":        {"", `{"to": "x", "function": "concat", "args": ["-", "givenName", "sn"]}, {"to": "y", "function": "domain-fqdn"}, {"to": "z", "function": "account-enabled"}`, `x: set ["Ann-Oakley"]; y: set ["ashdown.example"]; z: set ["FALSE"]`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := load(t, c.rules, c.section).Mapping.Apply(ann(), env)
			require.NoError(t, err)
			var got []string
			for _, o := range out {
				s := o.To + ": " + o.Result.Kind.String()
				if o.Result.Kind == ldapsync.KindSet {
					s += fmt.Sprintf(" %q", o.Result.Values)
				}
				got = append(got, s)
			}
			require.Equal(t, c.want, strings.Join(got, "; "))
		})
	}
}

func TestOperators(t *testing.T) {
	covered := map[mapfile.Operator]bool{mapfile.Unsupported: true}
	for _, c := range []struct {
		op   mapfile.Operator
		attr string
		val  string
		want bool
	}{
		{"equal", "sn", "OAKLEY", true}, {"equal", "proxyAddresses", "smtp:a.oakley@ashdown.example", true}, {"equal", "mail", "x", false},
		{"notEqual", "sn", "Oakley", false}, {"notEqual", "mail", "True", true}, {"equal", "active", "True", true},
		{"less", "userAccountControl", "1000", true}, {"less", "sn", "p", true}, {"less", "mail", "p", false},
		{"lessOrEqual", "userAccountControl", "514", true}, {"greater", "userAccountControl", "60", true}, {"greaterOrEqual", "userAccountControl", "515", false},
		{"contains", "sn", "AK", true}, {"notContains", "sn", "ak", false}, {"startsWith", "sn", "oak", true}, {"notStartsWith", "sn", "oak", false},
		{"endsWith", "sn", "LEY", true}, {"notEndsWith", "sn", "x", true},
		{"in", "proxyAddresses", "smtp:A.OAKLEY@ashdown.example", true}, {"notIn", "proxyAddresses", "smtp:b@x", true},
		{"bitSet", "userAccountControl", "2", true}, {"bitNotSet", "userAccountControl", "0x2", false}, {"bitSet", "sn", "2", false},
		{"matches", "sn", "^oak.*y$", true}, {"notMatches", "sn", "^x", true},
		{"true", "active", "", true}, {"false", "active", "", false}, {"null", "mail", "", true}, {"notNull", "sn", "", true},
	} {
		covered[c.op] = true
		values := fmt.Sprintf(`, "values": [%q]`, c.val)
		if c.val == "" {
			values = ""
		}
		set := load(t, `{"to": "x", "copy": "y"}`, fmt.Sprintf(`"scope": [{"groups": [[{"attribute": %q, "operator": %q%s}]], "leave": true}], `, c.attr, c.op, values))
		ok, why, err := set.Conditions[0].Check(ann(), ldapsync.Env{})
		require.NoError(t, err)
		require.Equal(t, c.want, ok, "%s %s %s: %s", c.attr, c.op, c.val, why)
		require.True(t, set.Conditions[0].Leave)
		require.Equal(t, c.want, why == "")
	}
	for _, op := range mapfile.Operators() {
		require.True(t, covered[op], "no test of %s", op)
	}
	set := load(t, `{"to": "x", "copy": "y"}`, `"scope": [{"groups": [[{"operator": "unsupported", "why": "groups"}]], "leave": true}], `)
	require.False(t, set.Conditions[0].Leave, "what nobody can evaluate makes no object leave")
}

// TestInput: a mapping on top of another, as from a directory to the metaverse and on.
func TestInput(t *testing.T) {
	f, err := mapfile.Read(strings.NewReader(`{"version": 1, "mappings": [
		{"name": "in", "dialect": "connect", "noContribution": "clear", "rules": [
			{"to": "person", "expression": "[givenName] & \" \" & [sn]"},
			{"to": "kept", "skip": "somebody else's"},
			{"to": "job", "expression": "[title]"},
			{"to": "fqdn", "expression": "%Domain.FQDN%"}]},
		{"name": "out", "class": "user", "input": "in", "dialect": "connect",
		 "scope": [{"id": "s", "leave": true, "groups": [[{"attribute": "person", "operator": "startsWith", "values": ["Ann"]}]]},
		           {"id": "k", "leave": true, "groups": [[{"attribute": "kept", "operator": "notNull"}]]}],
		 "rules": [
			{"to": "displayName", "expression": "UCase([person])"},
			{"to": "info", "copy": "kept"}, {"to": "title", "expression": "[job]"}, {"to": "company", "copy": "fqdn"},
			{"to": "pager", "expression": "[nothing]"}, {"to": "pager", "id": "b", "constant": ["7"]}]}]}`))
	require.NoError(t, err)
	set, err := f.BuildOne("", ldapsync.User, mapfile.Options{})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"givenName", "sn", "title"}, set.Mapping.Inputs())
	out, err := set.Mapping.Apply(ann(), ldapsync.Env{Domain: ldapsync.Domain{FQDN: "ashdown.example"}})
	require.NoError(t, err)
	var got []string
	for _, o := range out {
		got = append(got, fmt.Sprint(o.To, " ", o.Result.Kind, " ", o.Result.Values))
	}
	require.Equal(t, []string{"company set [ashdown.example]", "displayName set [ANN OAKLEY]", "info unknown []", "pager set [7]", "title unknown []"}, got)

	ok, _, err := set.Conditions[1].Check(ann(), ldapsync.Env{})
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, set.Conditions[2].Leave, "what is left alone in between is not known, so the object is held")
	ok, why, err := set.Conditions[2].Check(ann(), ldapsync.Env{})
	require.NoError(t, err)
	require.False(t, ok, why)
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "line 1, column 1: the file is empty"},
		{`{"version": 2, "mappings": []}`, "line 1, column 13: version: version 2 is not known"},
		{"{\"version\": 1,\n \"mapings\": []}", `line 2, column 13: there is no member "mapings"; known are $schema, doc, mappings, version`},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "copy": 5}]}]}`, "line 1, column 73: mappings[0].rules[0].copy: a string is expected here, not a number"},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x"}]}]}`, "exactly one of copy, constant, expression, function and skip; this one is none"},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "copy": "y", "skip": "z"}]}]}`, "this one is copy and skip"},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "expression": "[y]"}]}]}`, "neither the rule nor its mapping says in which dialect"},
		{`{"version": 1, "mappings": [{"name": "a", "input": "b", "rules": [{"to": "x", "copy": "y"}]}]}`, `there is no mapping "b" before this one`},
		{`{"version": 1, "mappings": [{"name": "a", "class": "printer", "rules": []}]}`, "mappings[0].class: "},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "copy": "y", "when": [[{"attribute": "z", "operator": "like", "values": ["q"]}]]}]}]}`, `when[0][0]: unknown operator "like"`},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "copy": "y", "when": [[{"attribute": "z", "operator": "matches", "values": ["("]}]]}]}]}`, "the regular expression"},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "function": "sid", "args": ["y"]}]}]}`, `there is no function "sid"; this program has account-enabled, concat`},
		{`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "function": "sid-text"}]}]}`, "function sid-text: it takes one attribute"},
		{"{\"version\": 1, \"mappings\": [{\"name\": \"a\", \"dialect\": \"cloudsync\", \"rules\": [\n{\"to\": \"x\", \"expression\": \"Append([y]\"}]}]}", "line 2, column 27: mappings[0].rules[0].expression: "},
		{`{"version": 1, "mappings": [{"name": "a", "dialect": "connect", "rules": [{"to": "x", "expression": "%Forest.FQDN%"}]}]}`, "%Forest.FQDN% has no value here"},
	} {
		f, err := mapfile.Read(strings.NewReader(c.text))
		if err == nil {
			_, err = f.Build(mapfile.Options{Functions: mapfile.Builtins()})
		}
		require.ErrorContains(t, err, c.want)
		var e *mapfile.Error
		require.ErrorAs(t, err, &e)
		require.Positive(t, e.Line)
	}
}

func TestRoundTrip(t *testing.T) {
	b, err := os.ReadFile("testdata/users.json")
	require.NoError(t, err)
	f, err := mapfile.Read(bytes.NewReader(b))
	require.NoError(t, err)
	var out, again bytes.Buffer
	_, err = f.WriteTo(&out)
	require.NoError(t, err)
	g, err := mapfile.Read(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	_, err = g.WriteTo(&again)
	require.NoError(t, err)
	require.Equal(t, out.String(), again.String())
	require.JSONEq(t, string(b), out.String())
}

// TestMappingTest: the tests of a Go mapping run on a file as they are.
func TestMappingTest(t *testing.T) {
	r, err := os.Open("testdata/users.json")
	require.NoError(t, err)
	defer r.Close()
	f, err := mapfile.Read(r)
	require.NoError(t, err)
	set, err := f.BuildOne("", ldapsync.User, mapfile.Options{Functions: mapfile.Builtins()})
	require.NoError(t, err)
	mappingtest.Config{Mapping: set.Mapping, Conditions: set.Conditions}.Run(t, "testdata/users/*.txtar")
}

// TestSchema: the published schema and the reader know the same members.
func TestSchema(t *testing.T) {
	var s struct {
		Properties map[string]any
		Defs       map[string]struct {
			Properties map[string]json.RawMessage
			Required   []string
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(mapfile.Schema(), &s))
	known := func(text string) []string {
		_, err := mapfile.Read(strings.NewReader(text))
		require.Error(t, err)
		_, list, found := strings.Cut(err.Error(), "known are ")
		require.True(t, found, err)
		list, _, _ = strings.Cut(list, "\n")
		return strings.Split(list, ", ")
	}
	keys := func(m map[string]json.RawMessage) []string {
		var out []string
		for k := range m {
			out = append(out, k)
		}
		slices.Sort(out)
		return out
	}
	require.Equal(t, known(`{"mappings": [{"no": 1}]}`), keys(s.Defs["mapping"].Properties))
	require.Equal(t, known(`{"mappings": [{"rules": [{"no": 1}]}]}`), keys(s.Defs["rule"].Properties))
	require.Equal(t, known(`{"mappings": [{"rules": [{"when": [[{"no": 1}]]}]}]}`), keys(s.Defs["clause"].Properties))
	require.Len(t, s.Properties, len(known(`{"no": 1}`)))
	var op struct{ Enum []mapfile.Operator }
	require.NoError(t, json.Unmarshal(s.Defs["clause"].Properties["operator"], &op))
	require.Equal(t, mapfile.Operators(), op.Enum)
}

func TestCompare(t *testing.T) {
	before := load(t, `{"to": "a", "copy": "sn"}, {"to": "b", "copy": "givenName"}, {"to": "c", "copy": "mail"}, {"to": "same", "copy": "title"}`)
	after := load(t, `{"to": "A", "function": "upper", "args": ["sn"]}, {"to": "c", "copy": "mail", "default": ["x"]}, {"to": "same", "copy": "title"}, {"to": "d", "constant": ["new"]}`)
	var got []string
	for _, d := range mapfile.Compare(before, after, ann(), ldapsync.Env{}) {
		got = append(got, fmt.Sprintf("%s: %v -> %v", d.To, d.Before, d.After))
	}
	require.Equal(t, []string{`a: set "Oakley" -> set "OAKLEY"`, `b: set "Ann" -> skip`, `c: clear -> set "x"`, `d: skip -> set "new"`}, got)
	require.Empty(t, mapfile.Compare(before, before, ann(), ldapsync.Env{}))
	gone := load(t, `{"to": "a", "copy": "sn"}`, `"scope": [{"id": "s", "leave": true, "groups": [[{"attribute": "sn", "operator": "null"}]]}], `)
	d := mapfile.Compare(before, gone, ann(), ldapsync.Env{})
	require.Len(t, d, 1)
	require.Equal(t, `set "in scope" -> clear`, fmt.Sprintf("%v -> %v", d[0].Before, d[0].After))
}

func FuzzRead(f *testing.F) {
	b, err := os.ReadFile("testdata/users.json")
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"version": 1, "mappings": [{"name": "a", "rules": [{"to": "x", "copy": "y"}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := mapfile.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out, again bytes.Buffer
		_, err = file.WriteTo(&out)
		require.NoError(t, err)
		g, err := mapfile.Read(bytes.NewReader(out.Bytes()))
		require.NoError(t, err, out.String())
		_, err = g.WriteTo(&again)
		require.NoError(t, err)
		require.Equal(t, out.String(), again.String())
		if sets, err := file.Build(mapfile.Options{Functions: mapfile.Builtins()}); err == nil {
			_, _ = sets[0].Mapping.Apply(ann(), ldapsync.Env{})
		}
	})
}
