package gpp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpp"
)

const (
	head  = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<RegistrySettings clsid=\"{A3CCFC41-DFDB-43a5-8D26-0FE8B954DA51}\">"
	tail  = "\r\n</RegistrySettings>\r\n"
	clsid = `clsid="{9CD4B2F4-923D-47f5-A062-E897DD1DAD50}"`
	key   = `hive="HKEY_LOCAL_MACHINE" key="SOFTWARE\Ashdown"`
)

// item is a registry item with the given attributes on the element and on its properties.
func item(attrs, props string) string {
	return `<Registry ` + clsid + ` ` + attrs + `><Properties ` + props + `/></Registry>`
}

func file(items ...string) string { return head + strings.Join(items, "\r\n\t") + tail }

// documents are files in every layout that is known, plus some that nobody wrote yet.
var documents = map[string]string{
	"editor": file(
		item(`name="a" status="a" image="7" changed="2026-02-03 04:05:06" uid="{00000000-0000-4000-8000-000000000001}" bypassErrors="1"`, `action="U" displayDecimal="0" default="0" `+key+` name="a" type="REG_SZ" value="x &lt;&amp;&gt; &quot;ä"`),
		item(`name="b" bypassErrors="0" changed="2026-02-03 04:05:06" removePolicy="1" future="kept"`, `action="R" `+key+` name="b" type="REG_DWORD" value="0000fffe" novel="2"`)),
	"cmdlet": "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<RegistrySettings clsid=\"{A3CCFC41-DFDB-43a5-8D26-0FE8B954DA51}\">\r\n  <Registry " + clsid +
		" name=\"a\" image=\"2\" disabled=\"0\">\r\n    <Properties action=\"U\" default=\"0\" " + key + " name=\"a\" type=\"REG_SZ\" value=\"1\" />\r\n  </Registry>\r\n</RegistrySettings>",
	"collections": file(`<Collection clsid="{53B533F5-224C-47e3-B01B-CA3B3F3FF4BF}" name="outer" colour="red">` +
		item(`name="in1"`, key+` name="in1" type="REG_SZ" value="1"`) +
		"\r\n\t\t<Collection clsid=\"{53B533F5-224C-47e3-B01B-CA3B3F3FF4BF}\" name=\"inner\" disabled=\"1\">" + item(`name="in2"`, key+` name="in2" type="REG_SZ" value="2"`) +
		`</Collection><Filters><FilterGroup bool="AND" not="0" name="ASHDOWN\Staff" sid="" userContext="1"/>` + "\r\n\t\t\t</Filters></Collection>"),
	"one line":    `<RegistrySettings>` + item(`name='single "quotes"'`, `action='D' `+key+` name="x"`) + `</RegistrySettings>`,
	"odd":         "<?xml version='1.0'?>\n<!-- made by hand --><RegistrySettings\n  clsid = \"x\" >\n\n<!-- inside --><Registry name=\"a\"\n>text<![CDATA[<>]]><Properties/></Registry  >\n<Unheard of=\"it\"/></RegistrySettings><!-- behind -->\n\n",
	"empty":       `<RegistrySettings/>`,
	"other types": `<Drives clsid="{8FDDCC1A-0C3C-43cd-A6B4-71A6DF20DA8C}"><Drive name="S:"><Properties action="U" path="\\files.ashdown.example\s"/><Filters><FilterRunOnce hidden="1" not="0" bool="AND" id="{1}"/>` + "\r\n\t\t</Filters></Drive></Drives>",
}

func TestUnchangedIsByteForByte(t *testing.T) {
	for name, in := range documents {
		t.Run(name, func(t *testing.T) {
			doc, err := gpp.Parse([]byte(in))
			require.NoError(t, err)
			require.Equal(t, in, string(doc.Bytes()))
			require.True(t, gpp.Sniff([]byte(in)))
		})
	}
}

func TestCorpus(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no files of GPMC to read")
	}
	files, err := filepath.Glob(filepath.Join(dir, "registry", "gpp", "*.xml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			in, err := os.ReadFile(f)
			require.NoError(t, err)
			doc, err := gpp.Parse(in)
			require.NoError(t, err)
			require.True(t, bytes.Equal(in, doc.Bytes()), "the file is not rewritten byte for byte")
			n := 0
			for e, err := range gpp.Decode(bytes.NewReader(in)) {
				require.NoError(t, err)
				require.NotZero(t, e.Pos.Line)
				n++
			}
			require.NotZero(t, n)
			// Written anew from nothing but the meaning, an editor-made file of ours has the same bytes.
			if strings.HasPrefix(filepath.Base(f), "made-editor-form") {
				fresh := gpp.New()
				for node := range doc.All() {
					fresh.Nodes = append(fresh.Nodes, &gpp.Node{Kind: gpp.Registry, Changed: node.Changed, UID: node.UID, Properties: node.Properties})
				}
				require.Equal(t, string(in), string(fresh.Bytes()))
			}
		})
	}
}

func entries(t *testing.T, d gpp.Decoder, in string) (out []string) {
	t.Helper()
	for e, err := range d.Decode(strings.NewReader(in)) {
		require.NoError(t, err)
		out = append(out, e.String())
	}
	return out
}

func TestDecode(t *testing.T) {
	prop := func(action, rest string) string { return `action="` + action + `" ` + key + ` ` + rest }
	for _, c := range []struct {
		name string
		in   string
		want []string
	}{
		{"string", item("", prop("U", `name="v" type="REG_SZ" value="x &amp; y"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_SZ "x & y"`}},
		{"no action is update", item("", key+` name="v" type="REG_SZ" value="x"`), []string{`set HKLM\SOFTWARE\Ashdown v REG_SZ "x"`}},
		{"expand", item("", prop("U", `name="v" type="REG_EXPAND_SZ" value="%X%"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_EXPAND_SZ "%X%"`}},
		{"dword", item("", prop("U", `name="v" type="REG_DWORD" value="0000FFFE"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_DWORD 65534 (0xfffe)`}},
		{"dword lower case", item("", prop("U", `name="v" type="REG_DWORD" value="0000fffe"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_DWORD 65534 (0xfffe)`}},
		{"qword", item("", prop("U", `name="v" type="REG_QWORD" value="00000000000000FF"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_QWORD 255 (0xff)`}},
		{"binary", item("", prop("U", `name="v" type="REG_BINARY" value="00 0f FF"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_BINARY hex:000fff`}},
		{"binary contiguous", item("", prop("U", `name="v" type="REG_BINARY" value="000fff"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_BINARY hex:000fff`}},
		{"multi", `<Registry><Properties ` + prop("U", `name="v" type="REG_MULTI_SZ" value="a b c"`) + `><Values><Value>a b</Value><Value>c &lt;</Value></Values></Properties></Registry>`,
			[]string{`set HKLM\SOFTWARE\Ashdown v REG_MULTI_SZ ["a b" "c <"]`}},
		{"multi without list", item("", prop("U", `name="v" type="REG_MULTI_SZ" value="a b"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_MULTI_SZ ["a b"]`}},
		{"multi with empty list", `<Registry><Properties ` + prop("U", `name="v" type="REG_MULTI_SZ" value="a"`) + `><Values/></Properties></Registry>`,
			[]string{`set HKLM\SOFTWARE\Ashdown v REG_MULTI_SZ []`}},
		{"default value", item("", prop("U", `name="" default="1" type="REG_SZ" value="d"`)), []string{`set HKLM\SOFTWARE\Ashdown (Default) REG_SZ "d"`}},
		{"create", item("", prop("C", `name="v" type="REG_SZ" value="x"`)), []string{`set-if-absent HKLM\SOFTWARE\Ashdown v REG_SZ "x"`}},
		{"replace", item("", prop("R", `name="v" type="REG_SZ" value="x"`)), []string{`delete-value HKLM\SOFTWARE\Ashdown v`, `set HKLM\SOFTWARE\Ashdown v REG_SZ "x"`}},
		{"delete", item("", prop("D", `name="v" type="REG_SZ" value=""`)), []string{`delete-value HKLM\SOFTWARE\Ashdown v`}},
		{"create key", item("", prop("C", `name="" default="0"`)), []string{`create-key HKLM\SOFTWARE\Ashdown`}},
		{"replace key", item("", prop("R", `name=""`)), []string{`delete-key HKLM\SOFTWARE\Ashdown`, `create-key HKLM\SOFTWARE\Ashdown`}},
		{"delete key", item("", prop("D", `name=""`)), []string{`delete-key HKLM\SOFTWARE\Ashdown`}},
		{"disabled", item(`disabled="1"`, prop("U", `name="v" type="REG_SZ" value="x"`)), []string{`note HKLM\SOFTWARE\Ashdown ; disabled`}},
		{"user context", item(`userContext="1"`, prop("U", `name="v" type="REG_SZ" value="x"`)), []string{`set HKLM\SOFTWARE\Ashdown v REG_SZ "x" ; in the user's security context`}},
		{"bits", `<Registry><Properties ` + prop("U", `name="v" type="REG_DWORD" value="00000001" bitfield="1"`) + `><SubProp id="b" value="1" mask="1"/></Properties></Registry>`,
			[]string{`note HKLM\SOFTWARE\Ashdown ; sets single bits of the value, which depends on what is there`}},
		{"targeting", `<Registry><Properties ` + prop("U", `name="v" type="REG_SZ" value="x"`) + `/><Filters><FilterComputer bool="AND" not="1" type="NETBIOS" name="KIOSK1"/></Filters></Registry>`,
			[]string{`set HKLM\SOFTWARE\Ashdown v REG_SZ "x" ; only if not FilterComputer type="NETBIOS" name="KIOSK1"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, entries(t, gpp.Decoder{}, file(c.in)))
		})
	}
	require.Equal(t, []string{`set HKLM\SOFTWARE\Ashdown in1 REG_SZ "1" ; only if FilterGroup name="ASHDOWN\Staff" userContext="1"`,
		`note HKLM\SOFTWARE\Ashdown ; collection "inner" is disabled`}, entries(t, gpp.Decoder{}, documents["collections"]))
	require.Equal(t, []string{`note HKLM\SOFTWARE\Ashdown ; targeting does not apply: FilterGroup name="ASHDOWN\Staff" userContext="1"`,
		`note HKLM\SOFTWARE\Ashdown ; collection "inner" is disabled`}, entries(t, gpp.Decoder{Facts: &gpp.Facts{UserGroups: []string{}}}, documents["collections"]))
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"decimal number", file(item("", key+` name="v" type="REG_DWORD" value="65534"`)), `gpp: line 2: value: "65534" is not 8 hexadecimal digits, so it may be meant in decimal`},
		{"number", file(item("", key+` name="v" type="REG_DWORD" value="0000FFFG"`)), `value: "0000FFFG" is not hexadecimal`},
		{"bytes", file(item("", key+` name="v" type="REG_BINARY" value="0 1"`+``), item("", key+` name="v" type="REG_BINARY" value="0"`)), `value: "0" are not`},
		{"type", file(item("", key+` name="v" type="REG_FOO" value=""`)), `type: "REG_FOO"`},
		{"action", file(item("", `action="X" `+key+` name="v"`)), `action: "X"`},
		{"hive", file(item("", `hive="HKEY_NOWHERE" key="a" name="v"`)), `hive: no root key "HKEY_NOWHERE"`},
		{"backslash", file(item("", `hive="HKEY_LOCAL_MACHINE" key="\a" name="v"`)), `starts with a backslash`},
		{"not XML", "Windows Registry Editor Version 5.00\r\n", "text outside of any element"},
		{"PNG", "\x89PNG\r\n\x1a\n\x00\x00", "invalid UTF-8"},
		{"nothing", "", "the document ends early"},
		{"cut off", documents["editor"][:300], "unexpected EOF"},
		{"open element", "<RegistrySettings><Registry>", "the document ends early"},
		{"wrong end", "<RegistrySettings></Registry>", "closes nothing"},
		{"two roots", "<RegistrySettings/><RegistrySettings/>", "a second root element"},
		{"doctype", "<!DOCTYPE x [<!ENTITY a \"b\">]><RegistrySettings/>", "DOCTYPE"},
		{"other root", "<html/>", "root element: <html>"},
		{"encoding", "<?xml version=\"1.0\" encoding=\"utf-16\"?><RegistrySettings/>", `encoding "utf-16"`},
		{"depth", "<RegistrySettings>" + strings.Repeat("<Collection>", 200), "levels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got error
			for _, err := range gpp.Decode(strings.NewReader(c.in)) {
				if err != nil {
					got = err
				}
			}
			require.ErrorContains(t, got, c.want)
			se, ok := errors.AsType[*registry.SyntaxError](got)
			require.True(t, ok)
			require.NotZero(t, se.Pos.Line)
		})
	}
	// Tolerant goes on behind the item.
	in := file(item("", key+` name="v" type="REG_DWORD" value="65534"`), item("", key+` name="w" type="REG_SZ" value="x"`))
	var set, errs int
	for e, err := range (gpp.Decoder{Tolerant: true}).Decode(strings.NewReader(in)) {
		if err != nil {
			errs++
		} else if e.Op == registry.Set {
			set++
		}
	}
	require.Equal(t, []int{1, 1}, []int{set, errs})
	for _, err := range (gpp.Decoder{MaxBytes: 10}).Decode(strings.NewReader(in)) {
		require.ErrorContains(t, err, "more than 10 bytes")
	}
}

func TestEdit(t *testing.T) {
	doc, err := gpp.Parse([]byte(documents["editor"]))
	require.NoError(t, err)
	p := &doc.Nodes[1].Properties
	require.True(t, p.SetValue(registry.DWord(16384)))
	doc.Nodes[1].Disabled = true
	want := strings.Replace(documents["editor"], `value="0000fffe" novel="2"`, `value="00004000" novel="2"`, 1)
	want = strings.Replace(want, `future="kept"`, `future="kept" disabled="1"`, 1)
	require.Equal(t, want, string(doc.Bytes()), "only what was changed changes")

	doc.Nodes = doc.Nodes[1:]
	doc.Nodes = append(doc.Nodes, &gpp.Node{Kind: gpp.Registry, Changed: "2026-03-04 05:06:07", UID: "{1}",
		Properties: gpp.Properties{Hive: "HKEY_LOCAL_MACHINE", Key: `SOFTWARE\New`, Name: "n", Type: "REG_SZ", Data: "v"},
		Filters:    []gpp.Filter{{Kind: "FilterOs", Attrs: []gpp.Attr{{"version", "WINTHRESHOLD"}}}, {Kind: "FilterCollection", Or: true, Filters: []gpp.Filter{{Kind: "FilterSite", Not: true, Attrs: []gpp.Attr{{"name", "HQ"}}}}}}})
	out := string(doc.Bytes())
	require.Contains(t, out, "</Registry>\r\n\t<Registry "+clsid+` name="n" status="n" image="7" changed="2026-03-04 05:06:07" uid="{1}"><Properties action="U" displayDecimal="0" default="0" hive="HKEY_LOCAL_MACHINE" key="SOFTWARE\New" name="n" type="REG_SZ" value="v"/>`+
		`<Filters><FilterOs bool="AND" not="0" version="WINTHRESHOLD"/><FilterCollection bool="OR" not="0"><FilterSite bool="AND" not="1" name="HQ"/></FilterCollection></Filters></Registry>`+tail)
	again, err := gpp.Parse([]byte(out))
	require.NoError(t, err)
	require.Len(t, again.Nodes, 2)
	require.Equal(t, doc.Nodes[1].Filters, again.Nodes[1].Filters)

	doc, err = gpp.Parse([]byte(documents["collections"]))
	require.NoError(t, err)
	doc.Nodes[0].Children[1].Disabled = false
	require.Equal(t, strings.Replace(documents["collections"], `disabled="1"`, `disabled="0"`, 1), string(doc.Bytes()))
	doc.Nodes[0].Children = doc.Nodes[0].Children[1:]
	out = string(doc.Bytes())
	require.NotContains(t, out, "in1")
	require.Equal(t, 1, strings.Count(out, "<Filters>"))
	again, err = gpp.Parse([]byte(out))
	require.NoError(t, err)
	require.Equal(t, "inner", again.Nodes[0].Children[0].Name)
	require.Len(t, again.Nodes[0].Filters, 1)

	doc, err = gpp.Parse([]byte(documents["cmdlet"]))
	require.NoError(t, err)
	doc.Nodes = append(doc.Nodes, &gpp.Node{Kind: gpp.Registry, UID: "{2}", Properties: gpp.Properties{Hive: "HKEY_LOCAL_MACHINE", Key: "K", Name: "n", Type: "REG_SZ", Data: "v"}})
	require.True(t, strings.HasSuffix(string(doc.Bytes()), "  </Registry>\r\n  <Registry "+clsid+` name="n" image="2" status="n" uid="{2}" disabled="0">`+"\r\n    <Properties action=\"U\" default=\"0\" displayDecimal=\"0\" hive=\"HKEY_LOCAL_MACHINE\" key=\"K\" name=\"n\" type=\"REG_SZ\" value=\"v\" />\r\n  </Registry>\r\n</RegistrySettings>"), "%s", doc.Bytes())

	doc, err = gpp.Parse([]byte(documents["empty"]))
	require.NoError(t, err)
	doc.Disabled = true
	require.Equal(t, `<RegistrySettings disabled="1"/>`, string(doc.Bytes()))
}

func TestEncode(t *testing.T) {
	p := registry.HKLM(`SOFTWARE\Ashdown`)
	in := []registry.Entry{
		{Op: registry.CreateKey, Path: p},
		{Op: registry.Set, Path: p, Name: "s", Value: registry.String("line\r\nbreak & <tag> \"q\"")},
		{Op: registry.Set, Path: p, Value: registry.ExpandString("%default%")},
		{Op: registry.Set, Path: p, Name: "d", Value: registry.DWord(0xFFFE)},
		{Op: registry.SetIfAbsent, Path: p, Name: "q", Value: registry.QWord(1 << 40)},
		{Op: registry.Set, Path: p, Name: "b", Value: registry.Binary([]byte{0, 15, 255})},
		{Op: registry.Set, Path: p, Name: "e", Value: registry.Binary(nil)},
		{Op: registry.Set, Path: p, Name: "m", Value: registry.Strings("one two", "three")},
		{Op: registry.DeleteValue, Path: p, Name: "old"},
		{Op: registry.CreateKey, Path: p.Join("Empty")},
		{Op: registry.DeleteKey, Path: p.Join("Gone")},
	}
	var b bytes.Buffer
	require.NoError(t, gpp.Encoder{Changed: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}.Encode(&b, slices.Values(in)))
	var got []registry.Entry
	for e, err := range gpp.Decode(&b) {
		require.NoError(t, err)
		e.Pos = registry.Pos{}
		got = append(got, e)
	}
	want := in[1:] // the key of values needs no item of its own
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].String(), got[i].String())
		require.True(t, want[i].Value.Equal(got[i].Value))
	}
	var again, twice bytes.Buffer
	require.NoError(t, gpp.Encode(&again, slices.Values(in)))
	require.NoError(t, gpp.Encode(&twice, slices.Values(in)))
	require.Equal(t, again.String(), twice.String(), "the same input gives the same bytes")

	for _, e := range []registry.Entry{
		{Op: registry.ClearValues, Path: p}, {Op: registry.SecureKey, Path: p, Value: registry.DWord(1)},
		{Op: registry.Set, Path: registry.Path{Key: "x"}, Name: "n", Value: registry.DWord(1)},
		{Op: registry.Set, Path: p, Name: "n", Value: registry.Value{Type: registry.TypeDWord, Data: []byte{1}}},
		{Op: registry.Set, Path: p, Name: "n", Value: registry.Value{Type: registry.TypeNone}},
		{Op: registry.Set, Path: p, Name: "n\x01", Value: registry.DWord(1)},
		{Op: registry.Set, Path: p, Name: "n", Value: registry.Value{Type: registry.TypeSZ, Data: []byte{0, 0xD8, 0, 0}}},
	} {
		b.Reset()
		err := gpp.Encode(&b, slices.Values([]registry.Entry{e}))
		le, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok, "%v", e)
		require.Equal(t, "gpp", le.Format)
		_, err = gpp.Parse(b.Bytes())
		require.NoError(t, err)
	}
}

func TestEval(t *testing.T) {
	f := func(kind string, attrs ...string) gpp.Filter {
		out := gpp.Filter{Kind: kind}
		for i := 0; i < len(attrs); i += 2 {
			out.Attrs = append(out.Attrs, gpp.Attr{Name: attrs[i], Value: attrs[i+1]})
		}
		return out
	}
	or := func(x gpp.Filter) gpp.Filter { x.Or = true; return x }
	not := func(x gpp.Filter) gpp.Filter { x.Not = true; return x }
	all := func(x ...gpp.Filter) gpp.Filter { return gpp.Filter{Kind: "FilterCollection", Filters: x} }
	facts := &gpp.Facts{Computer: "PC-0042", ComputerDNS: "pc-0042.ashdown.example", Domains: []string{"ashdown.example", "ASHDOWN"},
		OU: "OU=Lab,OU=Workstations,DC=ashdown,DC=example", Groups: []string{`ASHDOWN\Pilot`, "S-1-5-21-1-2-3-1105"}, UserGroups: []string{},
		Site: "HQ", Addresses: []netip.Addr{netip.MustParseAddr("10.20.30.40")}, OS: "WINTHRESHOLD"}
	yes, no := f("FilterSite", "name", "hq"), f("FilterSite", "name", "Branch")
	wmi := f("FilterWmi", "query", "SELECT *")
	for i, c := range []struct {
		list []gpp.Filter
		want gpp.Tri
	}{
		{nil, gpp.Yes},
		{[]gpp.Filter{yes}, gpp.Yes}, {[]gpp.Filter{no}, gpp.No}, {[]gpp.Filter{not(no)}, gpp.Yes},
		{[]gpp.Filter{or(no)}, gpp.No}, // the first filter's own bool does not count
		{[]gpp.Filter{yes, no}, gpp.No}, {[]gpp.Filter{no, or(yes)}, gpp.Yes},
		{[]gpp.Filter{yes, or(no), no}, gpp.No}, // left to right: (yes OR no) AND no
		{[]gpp.Filter{no, no, or(yes)}, gpp.Yes},
		{[]gpp.Filter{yes, or(all(yes, no)), yes}, gpp.Yes},
		{[]gpp.Filter{not(all(yes, no))}, gpp.Yes},
		{[]gpp.Filter{wmi}, gpp.Unknown}, {[]gpp.Filter{not(wmi)}, gpp.Unknown},
		{[]gpp.Filter{no, wmi}, gpp.No}, {[]gpp.Filter{wmi, no}, gpp.No}, {[]gpp.Filter{wmi, or(yes)}, gpp.Yes},
		{[]gpp.Filter{yes, wmi}, gpp.Unknown}, {[]gpp.Filter{no, or(wmi)}, gpp.Unknown},
		{[]gpp.Filter{f("FilterComputer", "type", "NETBIOS", "name", "pc-00*")}, gpp.Yes},
		{[]gpp.Filter{f("FilterComputer", "type", "NETBIOS", "name", "pc-??43")}, gpp.No},
		{[]gpp.Filter{f("FilterComputer", "type", "NETBIOS", "name", "*-*2")}, gpp.Yes},
		{[]gpp.Filter{f("FilterComputer", "type", "DNS", "name", "PC-0042.ashdown.example")}, gpp.Yes},
		{[]gpp.Filter{f("FilterDomain", "name", "ashdown")}, gpp.Yes},
		{[]gpp.Filter{f("FilterDomain", "name", "ashdown", "userContext", "1")}, gpp.Unknown},
		{[]gpp.Filter{f("FilterOrgUnit", "name", "ou=workstations, dc=ashdown,dc=example", "directMember", "0")}, gpp.Yes},
		{[]gpp.Filter{f("FilterOrgUnit", "name", "OU=Workstations,DC=ashdown,DC=example", "directMember", "1")}, gpp.No},
		{[]gpp.Filter{f("FilterOrgUnit", "name", "OU=Stations,DC=ashdown,DC=example")}, gpp.No},
		{[]gpp.Filter{f("FilterGroup", "name", `ashdown\pilot`, "sid", "")}, gpp.Yes},
		{[]gpp.Filter{f("FilterGroup", "name", "renamed", "sid", "S-1-5-21-1-2-3-1105")}, gpp.Yes},
		{[]gpp.Filter{f("FilterGroup", "name", `ASHDOWN\Pilot`, "sid", "", "userContext", "1")}, gpp.No}, // known to be in no group
		{[]gpp.Filter{f("FilterUser", "name", `ASHDOWN\kim`)}, gpp.Unknown},
		{[]gpp.Filter{f("FilterIpRange", "min", "10.20.0.0", "max", "10.20.255.255")}, gpp.Yes},
		{[]gpp.Filter{f("FilterIpRange", "min", "10.21.0.0", "max", "10.21.255.255")}, gpp.No},
		{[]gpp.Filter{f("FilterOs", "class", "NT", "version", "WINTHRESHOLD", "type", "NE", "edition", "NE", "sp", "NE")}, gpp.Yes},
		{[]gpp.Filter{f("FilterOs", "class", "NT", "version", "WINTHRESHOLDSRV", "type", "NE")}, gpp.No},
		{[]gpp.Filter{f("FilterOs", "version", "NE", "edition", "EN")}, gpp.Unknown},
	} {
		v := facts.Eval(c.list)
		require.Equal(t, c.want, v.Applies, "case %d: %s", i, gpp.Describe(c.list))
		require.Equal(t, c.want == gpp.Unknown, len(v.Missing) > 0, "case %d: %v", i, v)
		require.Equal(t, c.want == gpp.No, v.Because != "", "case %d: %v", i, v)
	}
	both := []gpp.Filter{yes, or(yes), no} // (yes OR yes) AND no, or yes OR (yes AND no)
	require.Equal(t, gpp.No, facts.Eval(both).Applies)
	and := *facts
	and.AndBeforeOr = true
	require.Equal(t, gpp.Yes, and.Eval(both).Applies)
	require.Equal(t, gpp.No, and.Eval([]gpp.Filter{yes, no, or(no), yes}).Applies)
	require.Equal(t, gpp.Unknown, and.Eval([]gpp.Filter{yes, no, or(wmi)}).Applies)
	require.Equal(t, gpp.Unknown, (*gpp.Facts)(nil).Eval([]gpp.Filter{yes}).Applies)
	facts.Ask = func(f gpp.Filter) gpp.Tri {
		if f.Kind == "FilterWmi" {
			return gpp.Yes
		}
		return gpp.Unknown
	}
	require.Equal(t, gpp.No, facts.Eval([]gpp.Filter{not(wmi)}).Applies)
}

// Work grows with the size of the file, not with its square.
func BenchmarkDecode(b *testing.B) {
	comments := "<RegistrySettings>" + strings.Repeat("<!---->", 1<<17) + "</RegistrySettings>"
	var items []string
	for i := range 4000 {
		items = append(items, item(fmt.Sprintf(`name="n%d"`, i), fmt.Sprintf(`action="U" %s name="n%d" type="REG_DWORD" value="0000FFFE"`, key, i)))
	}
	nested := "<RegistrySettings>" + strings.Repeat(`<Collection name="c">`, 90) + strings.Repeat(item("", key+` name="x" type="REG_SZ" value="1"`), 4000) + strings.Repeat("</Collection>", 90) + "</RegistrySettings>"
	for name, in := range map[string]string{"comments": comments, "items": file(items...), "nested": nested} {
		b.Run(fmt.Sprintf("%s/bytes=%d", name, len(in)), func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range gpp.Decode(strings.NewReader(in)) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func TestSniff(t *testing.T) {
	for in, want := range map[string]bool{"": false, "<": false, "<RegistrySettingsX>": false, "<?xml?": false, "<Drives>": true,
		"\xEF\xBB\xBF <?xml version=\"1.0\"?> <!-- c --> <RegistrySettings/>": true, "{\"a\":1}": false, "<html>": false} {
		require.Equal(t, want, gpp.Sniff([]byte(in)), "%q", in)
	}
}

func TestStrings(t *testing.T) {
	for _, v := range []fmt.Stringer{gpp.Registry, gpp.Kind(0), gpp.Kind(99), gpp.Unknown, gpp.No, gpp.Yes, gpp.Tri(9)} {
		require.NotEmpty(t, v.String())
	}
}

func FuzzParse(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		doc, err := gpp.Parse(in)
		if err == nil && !bytes.Equal(doc.Bytes(), in) {
			t.Fatalf("not byte for byte:\n%q\n%q", in, doc.Bytes())
		}
		for range (gpp.Decoder{Tolerant: true, Facts: &gpp.Facts{Site: "x"}}).Decode(bytes.NewReader(in)) {
		}
		gpp.Sniff(in)
		if err != nil {
			return
		}
		for n := range doc.All() { // an edited document can be read again
			n.Desc = "edited <&>"
			n.Filters = append(n.Filters, gpp.Filter{Kind: "FilterBattery"})
		}
		if _, err := gpp.Parse(doc.Bytes()); err != nil {
			t.Fatalf("%v\n%q", err, doc.Bytes())
		}
	})
}
