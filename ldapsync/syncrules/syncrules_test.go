package syncrules_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/mapfile"
	"go.internal/hybridkit/ldapsync/syncrules"
)

func ExampleCloudSync() {
	imp, err := syncrules.CloudSync(strings.NewReader(`{"synchronizationRules": [{"name": "AD2AADProvisioning", "objectMappings": [{
	  "enabled": true, "name": "people", "sourceObjectName": "user", "targetObjectName": "User",
	  "attributeMappings": [
	    {"targetAttributeName": "department", "source": {"expression": "ToUpper([department])"}, "defaultValue": "NONE"},
	    {"targetAttributeName": "alias", "source": {"expression": "RandomString(6,0,0,0,6,\"\")"}}
	  ]}]}]}`), syncrules.CloudSyncOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range imp.File.Mappings[0].Rules {
		fmt.Println(r.To, r.Expression, r.Default, r.Skip != "")
	}
	for _, f := range imp.Findings {
		fmt.Println(f.Level, f.Line, f.Place)
	}
	// Output:
	// department ToUpper([department]) [NONE] false
	// alias  [] true
	// lost 5 synchronizationRules[0].objectMappings[0].attributeMappings[1].source
}

func cloud(t *testing.T, mapping, extra string) *syncrules.Import {
	t.Helper()
	text := fmt.Sprintf(`{"synchronizationRules": [{"name": "r", "objectMappings": [{"name": "m", "sourceObjectName": "user", %s
		"attributeMappings": [%s]}]}]}`, extra, mapping)
	imp, err := syncrules.CloudSync(strings.NewReader(text), syncrules.CloudSyncOptions{})
	require.NoError(t, err)
	_, err = imp.File.Build(mapfile.Options{})
	require.NoError(t, err)
	return imp
}

func TestCloudSyncMappings(t *testing.T) {
	for name, c := range map[string]struct {
		mapping string
		want    mapfile.Rule
		finding string // "" for none
	}{
		"attribute":      {`{"targetAttributeName": "x", "source": {"expression": "[mail]", "name": "mail", "type": "Attribute", "parameters": []}}`, mapfile.Rule{To: "x", Copy: "mail"}, ""},
		"without text":   {`{"targetAttributeName": "x", "source": {"name": "mail"}}`, mapfile.Rule{To: "x", Copy: "mail"}, ""},
		"constant":       {`{"targetAttributeName": "x", "source": {"expression": "\"a\"", "name": "a", "type": "Constant"}}`, mapfile.Rule{To: "x", Constant: []string{"a"}}, ""},
		"default only":   {`{"targetAttributeName": "x", "source": null, "defaultValue": "en_US"}`, mapfile.Rule{To: "x", Constant: []string{"en_US"}}, ""},
		"default":        {`{"targetAttributeName": "x", "source": {"expression": "[sn]"}, "defaultValue": "."}`, mapfile.Rule{To: "x", Copy: "sn", Default: []string{"."}}, ""},
		"tree":           {`{"targetAttributeName": "x", "source": {"name": "Append", "type": "Function", "parameters": [{"key": "source", "value": {"name": "sn", "type": "Attribute"}}, {"key": "suffix", "value": {"name": "!", "type": "Constant"}}]}}`, mapfile.Rule{To: "x", Expression: `Append([sn], "!")`}, ""},
		"once":           {`{"targetAttributeName": "x", "flowType": "ObjectAddOnly", "source": {"expression": "[sn]"}}`, mapfile.Rule{To: "x", Copy: "sn", Once: true}, "changed: line 2: synchronizationRules[0].objectMappings[0].attributeMappings[0].flowType"},
		"add values":     {`{"targetAttributeName": "x", "flowType": "MultiValueAddOnly", "source": {"expression": "[sn]"}}`, mapfile.Rule{To: "x", Skip: "flow type MultiValueAddOnly is not supported"}, "lost: line 2"},
		"nothing":        {`{"targetAttributeName": "x"}`, mapfile.Rule{To: "x", Skip: "the mapping has neither a source nor a default value"}, "neither a source nor a default"},
		"unknown member": {`{"targetAttributeName": "x", "source": {"expression": "[sn]"}, "weight": 3}`, mapfile.Rule{To: "x", Copy: "sn"}, "attributeMappings[0].weight: the member weight"},
		"behaviour":      {`{"targetAttributeName": "x", "source": {"expression": "[sn]"}, "flowBehavior": "Never"}`, mapfile.Rule{To: "x", Copy: "sn"}, "not among the behaviours"},
	} {
		t.Run(name, func(t *testing.T) {
			imp := cloud(t, c.mapping, "")
			require.Equal(t, []mapfile.Rule{c.want}, imp.File.Mappings[0].Rules)
			if c.finding == "" {
				require.Empty(t, imp.Findings)
				return
			}
			require.Len(t, imp.Findings, 1)
			require.Contains(t, imp.Findings[0].String(), c.finding)
		})
	}
	imp := cloud(t, `{"targetAttributeName": "x", "source": {"expression": "Guid()"}}, {"targetAttributeName": "y", "source": {"expression": "Nope([a])"}}, {"targetAttributeName": "z", "source": {"expression": "Trim([a]"}}`, "")
	require.Equal(t, 3, imp.Count(syncrules.Lost))
	for i, text := range []string{"Guid()", "Nope([a])", "Trim([a]"} {
		r := imp.File.Mappings[0].Rules[i]
		require.NotEmpty(t, r.Skip)
		require.Equal(t, text, r.Doc, "the original is kept for people")
	}
}

func TestCloudSyncScopeAndMatching(t *testing.T) {
	imp := cloud(t, `{"targetAttributeName": "b", "matchingPriority": 2, "source": {"expression": "[mail]"}},
		{"targetAttributeName": "a", "matchingPriority": 1, "source": {"expression": "[upn]"}},
		{"targetAttributeName": "c", "matchingPriority": 3, "source": {"expression": "Trim([sn])"}}`,
		`"flowTypes": "Add", "metadata": [{"key": "Disposition", "value": "\"Special\""}],
		"scope": {"groups": [{"name": "g", "clauses": [{"operatorName": "EQUALS", "sourceOperandName": "department", "targetOperand": {"values": ["Sales"]}},
			{"operatorName": "IS NOT NULL", "sourceOperandName": "sn", "targetOperand": {"values": []}}]},
			{"clauses": [{"operatorName": "Greater_Than_OR_EQUALS", "sourceOperandName": "level", "targetOperand": {"values": ["3"]}}]}, {"clauses": []}],
		"inputFilterGroups": [{"clauses": [{"operatorName": "IsMemberOf", "sourceOperandName": "groups", "targetOperand": {"values": ["g1"]}}]}],
		"categoryFilterGroups": []},`)
	s := imp.File.Mappings[0]
	require.Equal(t, []ldapsync.MatchKey{{Source: "upn", Target: "a"}, {Source: "mail", Target: "b"}}, s.Keys)
	require.Equal(t, mapfile.ScopeFilter{ID: "scope", Leave: true, Groups: []mapfile.Group{
		{{Attribute: "department", Operator: "equal", Values: []string{"Sales"}, Exact: true}, {Attribute: "sn", Operator: "notNull"}},
		{{Attribute: "level", Operator: "greaterOrEqual", Values: []string{"3"}, Exact: true}}}}, s.Scope[0])
	require.Equal(t, mapfile.Unsupported, s.Scope[1].Groups[0][0].Operator)
	require.False(t, s.Scope[1].Leave)
	for _, r := range s.Rules {
		require.True(t, r.Once, "flow types without Update")
	}
	all := fmt.Sprint(imp.Findings)
	for _, want := range []string{"metadata Disposition", "without Update", "a group without clauses", "the operator IsMemberOf is not known", "objects are matched by an attribute as it is"} {
		require.Contains(t, all, want)
	}
}

func TestCloudSyncErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                            "line 1, column 1: the file is empty",
		`{`:                           "ends in the middle",
		`[]`:                          "an object is expected here, not an array",
		`{"a": 1}`:                    "there are no synchronizationRules",
		`{"synchronizationRules": 5}`: "line 1, column 26: synchronizationRules: an array is expected here, not a number",
		"{\"synchronizationRules\": [\n{\"objectMappings\": [{\"enabled\": \"yes\"}]}]}":                                                                                                "line 2, column 33: synchronizationRules[0].objectMappings[0].enabled: a boolean is expected here, not a string",
		`{"synchronizationRules": [{"objectMappings": [{"sourceObjectName": "group"}]}]}`:                                                                                               "no enabled object mapping of users or devices",
		`{"synchronizationRules": [{"objectMappings": [{"sourceObjectName": "user", "attributeMappings": [{"targetAttributeName": "x", "source": {"name": "a", "type": "Macro"}}]}]}]}`: `"Macro" is none of Attribute, Constant, Function`,
		`{"synchronizationRules": [], "synchronizationRules": []}`:                                                                                                                      "given twice",
	} {
		_, err := syncrules.CloudSync(strings.NewReader(text), syncrules.CloudSyncOptions{})
		var e *syncrules.Error
		require.ErrorAs(t, err, &e, text)
		require.ErrorContains(t, err, want)
	}
}

const ad = "{6f1d0a5e-3b7c-4e0e-9a44-0c8f6f3c1d21}"

// rule writes a sync rule.
func rule(name string, precedence int, flows, more string) string {
	return fmt.Sprintf(`<synchronizationRule><id>{%08d-0000-4000-8000-000000000000}</id><name>%s</name><direction>Inbound</direction><disabled>False</disabled>
<connector>%s</connector><sourceObjectType>user</sourceObjectType><targetObjectType>person</targetObjectType><precedence>%d</precedence>
<attribute-mappings>%s</attribute-mappings>
%s</synchronizationRule>`, precedence, name, ad, precedence, flows, more)
}

func flow(to, src, expression string) string {
	s := "<mapping><dest>" + to + "</dest>"
	if src != "" {
		s += "<src>" + src + "</src>"
	}
	if expression != "" {
		s += "<expression>" + strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(expression) + "</expression>"
	}
	return s + "<valueMergeType>Update</valueMergeType></mapping>"
}

func connect(t *testing.T, o syncrules.ConnectOptions, rules ...string) (*syncrules.Import, *mapfile.Set) {
	t.Helper()
	imp, err := syncrules.Connect(strings.NewReader("<rules>"+strings.Join(rules, "\n")+"</rules>"), o)
	require.NoError(t, err)
	set, err := imp.File.BuildOne("", ldapsync.User, mapfile.Options{})
	require.NoError(t, err)
	return imp, set
}

func apply(t *testing.T, set *mapfile.Set, attrs ...ldapsync.Attr) string {
	t.Helper()
	out, err := set.Mapping.Apply(ldapsync.NewObject(ldapsync.GUID{1}, ldapsync.MustParseDN("CN=Ann,DC=ashdown,DC=example"), ldapsync.User, attrs...), ldapsync.Env{Domain: ldapsync.Domain{FQDN: "ashdown.example"}})
	require.NoError(t, err)
	var s []string
	for _, o := range out {
		s = append(s, fmt.Sprintf("%s=%v%v", o.To, o.Result.Kind, o.Result.Values))
	}
	return strings.Join(s, " ")
}

// TestConnectPrecedence: the lowest number wins; NULL lets the next rule speak, AuthoritativeNull does not,
// IgnoreThisFlow leaves the target; where no rule contributes the attribute is null.
func TestConnectPrecedence(t *testing.T) {
	scope := func(attr, op, value string) string {
		return "<synchronizationCriteria><conditions><scope><csAttribute>" + attr + "</csAttribute><csOperator>" + op + "</csOperator><csValue>" + value + "</csValue></scope></conditions></synchronizationCriteria>"
	}
	_, set := connect(t, syncrules.ConnectOptions{},
		rule("low", 300, flow("a", "<attr>sn</attr>", "")+flow("b", "", `"low"`)+flow("c", "", `"low"`)+flow("d", "", `"low"`)+flow("e", "constant", ""), ""),
		rule("high", 100, flow("a", "<attr>displayName</attr>", "")+flow("b", "", "NULL")+flow("c", "", "AuthoritativeNull")+flow("d", "", "IgnoreThisFlow"), ""),
		rule("other", 50, flow("a", "", `"visitor"`), scope("employeeType", "EQUAL", "Visitor")),
	)
	require.Equal(t, "a=set[Oakley] b=set[low] c=clear[] d=skip[] e=set[constant]", apply(t, set, ldapsync.Values("sn", "Oakley")))
	require.Equal(t, "a=set[Ann] b=set[low] c=clear[] d=skip[] e=set[constant]", apply(t, set, ldapsync.Values("displayName", "Ann")))
	require.Equal(t, "a=set[visitor] b=set[low] c=clear[] d=skip[] e=set[constant]", apply(t, set, ldapsync.Values("employeeType", "visitor")))
	require.Equal(t, "a=clear[] b=set[low] c=clear[] d=skip[] e=set[constant]", apply(t, set))
	require.Empty(t, set.Conditions, "a rule without a scope takes every object")
}

func TestConnectFindings(t *testing.T) {
	for name, c := range map[string]struct{ flows, more, want, result string }{
		"imported value": {flow("x", "<attr>proxyAddresses</attr>", `IIF(IsPresent([proxyAddresses]),[proxyAddresses],ImportedValue("proxyAddresses"))`), "", "lost", "x=skip[]"},
		"random":         {flow("x", "", "GUID()"), "", "gives another value every time", "x=skip[]"},
		"parameter":      {flow("x", "", "%Forest.FQDN%"), "", "has no value here", "x=skip[]"},
		"unparsable":     {flow("x", "", "IIF("), "", "lost", "x=skip[]"},
		"no source":      {flow("x", "", ""), "", "the flow has no source", "x=skip[]"},
		"merge":          {strings.ReplaceAll(flow("x", "<attr>sn</attr>", ""), "Update", "Replace"), "", "merges as Replace", "x=clear[]"},
		"once":           {strings.Replace(flow("x", "<attr>sn</attr>", ""), "<mapping>", `<mapping execute-once="true">`, 1), "", "applied once", "x=clear[]"},
		"unknown part":   {flow("x", "<attr>sn</attr>", ""), "<madeUp>1</madeUp>", "the element madeUp", "x=clear[]"},
		"password":       {flow("x", "<attr>sn</attr>", ""), "<EnablePasswordSync>True</EnablePasswordSync>", "passwords are not", "x=clear[]"},
		"joins":          {flow("x", "<attr>sn</attr>", ""), "<relationshipCriteria><conditions><condition><csAttribute>a</csAttribute><ilmAttribute>b</ilmAttribute></condition><condition><csAttribute>c</csAttribute><ilmAttribute>d</ilmAttribute></condition></conditions></relationshipCriteria>", "a join rule with 2 conditions", "x=clear[]"},
		"member of":      {flow("x", "", `"v"`), "<synchronizationCriteria><conditions><scope><csAttribute>dn</csAttribute><csOperator>ISMEMBEROF</csOperator><csValue>g</csValue></scope></conditions></synchronizationCriteria>", "ISMEMBEROF cannot be evaluated", "x=unknown[]"},
		"link":           {flow("x", "<attr>sn</attr>", ""), "<linkType>StickyJoin</linkType>", "link type StickyJoin", "x=clear[]"},
	} {
		t.Run(name, func(t *testing.T) {
			imp, set := connect(t, syncrules.ConnectOptions{}, rule("r", 100, c.flows, c.more))
			require.Len(t, imp.Findings, 1, "%v", imp.Findings)
			require.Contains(t, imp.Findings[0].String(), c.want)
			require.Contains(t, imp.Findings[0].Place, "rules/synchronizationRule[1]")
			require.Equal(t, c.result, apply(t, set))
			for _, cond := range set.Conditions {
				require.False(t, cond.Leave)
			}
		})
	}
	imp, set := connect(t, syncrules.ConnectOptions{Parameters: map[string]string{"forest.fqdn": "f.example"}}, rule("r", 100, flow("x", "", "%Forest.FQDN%"), ""))
	require.Empty(t, imp.Findings)
	require.Equal(t, "x=set[f.example]", apply(t, set))
}

func TestConnectMerge(t *testing.T) {
	m := func(f string) string { return strings.ReplaceAll(f, "Update", "MergeCaseInsensitive") }
	_, set := connect(t, syncrules.ConnectOptions{}, rule("a", 100, m(flow("x", "<attr>proxyAddresses</attr>", "")), ""), rule("b", 101, m(flow("x", "<attr>mail</attr>", "")), ""))
	require.Equal(t, "x=set[one two]", apply(t, set, ldapsync.Values("proxyAddresses", "one", "two"), ldapsync.Values("mail", "ONE")))
	require.Equal(t, "x=clear[]", apply(t, set))
}

func TestConnectErrors(t *testing.T) {
	good := rule("r", 1, flow("x", "<attr>sn</attr>", ""), "")
	for text, want := range map[string]string{
		"":                          "there is no XML element in it",
		"{}":                        "text outside of the XML elements",
		"<a></b>":                   "not XML",
		good[:200]:                  "ends in the middle",
		"<a/>":                      "no synchronizationRule element",
		"<synchronizationRule/>":    "the rule has no name",
		strings.Repeat("<a>", 100):  "nested more than 64",
		"\x89PNG\r\n\x1a\n\x00\x00": "neither UTF-8 nor UTF-16",
		strings.Replace(good, "<precedence>1<", "<precedence>one<", 1): `"one" is not a whole number`,
		strings.Replace(good, "Inbound", "Sideways", 1):                "neither Inbound nor Outbound",
		strings.Replace(good, "False", "Perhaps", 1):                   "neither True nor False",
		"<x>" + good + strings.ReplaceAll(good, ad, "{0b}") + "</x>":   "which connector is the inbound one",
	} {
		_, err := syncrules.Connect(strings.NewReader(text), syncrules.ConnectOptions{})
		var e *syncrules.Error
		require.ErrorAs(t, err, &e, "%s: %v", text, err)
		require.ErrorContains(t, err, want)
		require.Positive(t, e.Line)
	}
	_, err := syncrules.Connect(strings.NewReader(good), syncrules.ConnectOptions{Connector: "nobody"})
	require.ErrorContains(t, err, `there is none "nobody"`)
}

func TestConnectFolderAndEncodings(t *testing.T) {
	good := rule("r", 1, flow("x", "<attr>sn</attr>", ""), "")
	text := `<?xml version="1.0" encoding="utf-16"?>` + "\n" + strings.Replace(good, "sn", "Størrelse", 1)
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	folder := fstest.MapFS{
		"SynchronizationRules/SynchronizationRule_1.xml": {Data: b},
		"Connectors/Connector_1.xml":                     {Data: []byte("<ma-data><id>" + strings.ToUpper(ad) + "</id><name>ashdown.example</name></ma-data>")},
		"GlobalSettings/MV.xml":                          {Data: []byte("not read")},
	}
	imp, err := syncrules.ConnectFolder(folder, syncrules.ConnectOptions{Connector: "ashdown.example"})
	require.NoError(t, err)
	require.Equal(t, "Størrelse", imp.File.Mappings[0].Rules[0].Copy)
	_, err = syncrules.ConnectFolder(fstest.MapFS{}, syncrules.ConnectOptions{})
	require.ErrorContains(t, err, "no XML files")
	folder["SynchronizationRules/x.xml"] = &fstest.MapFile{Data: []byte("<a>")}
	_, err = syncrules.ConnectFolder(folder, syncrules.ConnectOptions{})
	require.ErrorContains(t, err, "SynchronizationRules/x.xml, line 1")
}

// usable checks what holds of every import: the file can be written, read and built, and rules do not panic.
func usable(t *testing.T, imp *syncrules.Import, err error) {
	if err != nil {
		var e *syncrules.Error
		if !errors.As(err, &e) || e.Line < 1 {
			t.Fatalf("an error without a place: %v", err)
		}
		return
	}
	var b bytes.Buffer
	if len(imp.File.Mappings) == 0 {
		return
	}
	_, err = imp.File.WriteTo(&b)
	require.NoError(t, err)
	f, err := mapfile.Read(&b)
	require.NoError(t, err)
	sets, err := f.Build(mapfile.Options{})
	require.NoError(t, err)
	for _, s := range sets {
		_, _ = s.Mapping.Apply(ldapsync.NewObject(ldapsync.GUID{1}, ldapsync.DN{}, ldapsync.User, ldapsync.Values("sn", "Oakley")), ldapsync.Env{})
	}
}

func FuzzCloudSync(f *testing.F) {
	f.Add([]byte(`{"synchronizationRules": [{"name": "r", "priority": 1, "objectMappings": [{"name": "m", "sourceObjectName": "user", "flowTypes": "Add, Update", "scope": {"groups": [{"clauses": [{"operatorName": "EQUALS", "sourceOperandName": "a", "targetOperand": {"values": ["b"]}}]}]}, "attributeMappings": [{"targetAttributeName": "x", "matchingPriority": 1, "defaultValue": "d", "source": {"expression": "Trim([sn])", "name": "Trim", "type": "Function", "parameters": [{"key": "s", "value": {"name": "sn"}}]}}]}]}]}`))
	f.Add([]byte(`{"synchronizationRules": [{"objectMappings": [{"sourceObjectName": "computer", "attributeMappings": [{"targetAttributeName": "", "source": {}}]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		imp, err := syncrules.CloudSync(bytes.NewReader(b), syncrules.CloudSyncOptions{})
		usable(t, imp, err)
	})
}

func FuzzConnect(f *testing.F) {
	f.Add([]byte(rule("r", 100, flow("x", "<attr>sn</attr>", "")+flow("y", "", `IIF(IsPresent([sn]),[sn],NULL)`), "<synchronizationCriteria><conditions><scope><csAttribute>sn</csAttribute><csOperator>EQUAL</csOperator><csValue>v</csValue></scope></conditions></synchronizationCriteria>")))
	f.Add([]byte(rule("r", 100, "<mapping execute-once='true'><dest>x</dest><src>c</src><valueMergeType>Merge</valueMergeType></mapping>", "<relationshipCriteria><conditions><condition><csAttribute>a</csAttribute><ilmAttribute>b</ilmAttribute></condition></conditions></relationshipCriteria>")))
	f.Fuzz(func(t *testing.T, b []byte) {
		imp, err := syncrules.Connect(bytes.NewReader(b), syncrules.ConnectOptions{})
		usable(t, imp, err)
	})
}
