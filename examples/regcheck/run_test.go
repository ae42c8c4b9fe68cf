package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regconv"
	"go.internal/hybridkit/registry/registrytest"
	"go.internal/hybridkit/registry/regpol"
)

// regcheck runs the program.
func regcheck(t *testing.T, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

const (
	mscep = `HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP`
	http  = `HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters`
)

// mistakes is an NDES server as people leave it.
func mistakes() registrytest.Map {
	return registrytest.Map{
		mscep: {
			"SignatureTemplate": registry.String("Ashdown Device"), "EncryptionTemplate": registry.String("IPSECIntermediateOffline"),
			"GeneralPurposeTemplate": registry.String("AshdownDevice"),
		},
		http: {"MaxFieldLength": registry.DWord(0x65534), "MaxRequestBytes": registry.DWord(65536)},
	}
}

// file writes m in the given format and returns its path.
func file(t *testing.T, name string, f regconv.Format, m registrytest.Map) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, regconv.Encode(&b, f, m.Snapshot(t).Entries()))
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
	return path
}

func TestCheckFindsTheClassicMistakes(t *testing.T) {
	for format, name := range map[regconv.Format]string{
		regconv.Reg: "server.reg", regconv.Pol: "Registry.pol", regconv.GPP: "Registry.xml", regconv.Query: "query.txt", regconv.JSON: "values.json", regconv.Inf: "GptTmpl.inf",
	} {
		t.Run(string(format), func(t *testing.T) {
			path := file(t, name, format, mistakes())
			code, out, errOut := regcheck(t, "", "check", "-schema", "ndes", "-param", "template=AshdownDevice", "-json", path)
			require.Empty(t, errOut)
			require.Equal(t, exitDrift, code)
			var r report
			require.NoError(t, json.Unmarshal([]byte(out), &r))
			require.Equal(t, path, r.File)
			require.Equal(t, string(format), r.Format)
			require.Equal(t, "ndes", r.Schema)
			require.False(t, r.OK)
			var got []string
			for _, d := range r.Drift {
				got = append(got, d.Kind.String()+" "+d.Name)
				require.NotEmpty(t, d.Why)
				require.NotEmpty(t, d.Remedy)
				require.NotEmpty(t, d.Source)
				require.NotEmpty(t, d.Want)
				require.True(t, d.Line > 0 || d.Offset > 0, "evidence: %+v", d)
				if d.Kind == registry.DisplayName {
					require.Equal(t, "Ashdown Device", d.Got)
					require.Equal(t, "AshdownDevice", d.Want)
				}
				if d.Kind == registry.HexDecimalSlip {
					require.Equal(t, "415028", d.Got)
					require.Equal(t, "65534", d.Want)
				}
			}
			require.ElementsMatch(t, []string{
				"display-name SignatureTemplate", "placeholder EncryptionTemplate", "hex-decimal-slip MaxFieldLength", "wrong-value MaxRequestBytes",
			}, got)
		})
	}
}

func TestCheckText(t *testing.T) {
	path := file(t, "server.reg", regconv.Reg, mistakes())
	code, out, _ := regcheck(t, "", "check", path, "-schema", "ndes", "-param", "template=AshdownDevice")
	require.Equal(t, exitDrift, code)
	for _, s := range []string{"4 drifts from ndes", "65534 was typed with the editor set to hexadecimal", "After a change: Restart the server", "(line 6)"} {
		require.Contains(t, out, s)
	}
}

func TestCheckOK(t *testing.T) {
	var b bytes.Buffer
	code, out, errOut := regcheck(t, "", "emit", "-schema", "cdj", "-param", "tenant-id=4d5f6e7a-0b1c-4d2e-8f30-415263748596", "-param", "tenant-name=ashdown.example", "-as", "reg")
	require.Equal(t, exitOK, code, errOut)
	b.WriteString(out)
	code, out, errOut = regcheck(t, b.String(), "check", "-schema", "cdj", "-param", "tenant-id=4d5f6e7a-0b1c-4d2e-8f30-415263748596", "-param", "tenant-name=ASHDOWN.example", "-")
	require.Equal(t, exitOK, code, errOut)
	require.Equal(t, "- (reg): no drift from cdj\n", out)
	code, out, _ = regcheck(t, b.String(), "check", "-schema", "cdj", "-json", "-")
	require.Equal(t, exitOK, code)
	require.JSONEq(t, `{"file":"-","format":"reg","schema":"cdj","ok":true,"drift":[]}`, out)
}

func TestCheckTogether(t *testing.T) {
	m := mistakes()
	software := file(t, "software.reg", regconv.Reg, registrytest.Map{mscep: m[mscep]})
	system := file(t, "system.reg", regconv.Reg, registrytest.Map{http: m[http]})
	_, apart, _ := regcheck(t, "", "check", "-schema", "ndes", software, system)
	require.Contains(t, apart, "error missing")
	_, out, _ := regcheck(t, "", "check", "-schema", "ndes", "-together", software, system)
	require.NotContains(t, out, "error missing")
	require.Contains(t, out, "("+system+", line ")
}

func TestCheckIIS(t *testing.T) {
	config := filepath.Join(t.TempDir(), "applicationHost.config")
	require.NoError(t, os.WriteFile(config, []byte("<configuration/>"), 0o666))
	for _, schema := range []string{"iis", "ndes"} {
		code, out, _ := regcheck(t, "", "check", "-schema", schema, "-json", config)
		require.Equal(t, exitDrift, code)
		require.Contains(t, out, `"name":"requestLimits/@maxUrl"`)
	}
	code, _, errOut := regcheck(t, "", "check", "-schema", "cdj", config)
	require.Equal(t, exitError, code)
	require.Contains(t, errOut, "holds no values of schema cdj")
}

func TestSchemaFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "ashdown.json")
	require.NoError(t, os.WriteFile(name, []byte(`{"use":[{"schema":"ndes-templates","params":{"template":"AshdownDevice"}}]}`), 0o666))
	code, out, errOut := regcheck(t, "", "check", "-schema", name, "-json", file(t, "server.reg", regconv.Reg, mistakes()))
	require.Equal(t, exitDrift, code, errOut)
	require.Contains(t, out, `"schema":"ashdown"`)
	require.Equal(t, 1, strings.Count(out, "display-name"))
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(data), 0o666))
		return path
	}
	png, empty := write("x.png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), write("empty", "")
	cut := write("cut.pol", "PReg\x01\x00\x00\x00[\x00S\x00")
	bad := write("bad.reg", "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\A]\r\n\"x\"=dword:zz\r\n")
	for _, tt := range []struct {
		args []string
		msg  string
	}{
		{nil, "usage"}, {[]string{"nope"}, "no command"}, {[]string{"check"}, "-schema is missing"}, {[]string{"check", "-x"}, "not defined"},
		{[]string{"check", "-schema", "nope", png}, "no such schema"}, {[]string{"check", "-schema", "cdj", "-param", "x", png}, "name=value"},
		{[]string{"check", "-schema", "cdj", "-param", "template=x", png}, "no parameter"}, {[]string{"check", "-schema", "cdj", "-param", "tenant-id=x", png}, "36 characters"},
		{[]string{"check", "-schema", "cdj", "-param", "tenant-id=x", "-param", "tenant-id=y", png}, "twice"},
		{[]string{"check", "-schema", "cdj", png}, "unknown format"}, {[]string{"check", "-schema", "cdj", empty}, "empty"},
		{[]string{"check", "-schema", "cdj", dir}, "folder"}, {[]string{"check", "-schema", "cdj", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"check", "-schema", "cdj", cut}, "no NUL"}, {[]string{"check", "-schema", "cdj", bad}, "line 4"},
		{[]string{"check", "-schema", "-", "-"}, "schema file is empty"}, {[]string{"check", "-schema", "cdj", "-codepage", "x", bad}, "no code page"},
		{[]string{"check", "-schema", "cdj", "-format", "x", bad}, "unknown format"}, {[]string{"check", "-schema", bad, bad}, "schema file"},
		{[]string{"dump", bad, bad}, "one file"}, {[]string{"dump", bad}, "line 4"}, {[]string{"diff", bad}, "two files"},
		{[]string{"convert", bad}, "-to is missing"}, {[]string{"convert", "-to", "hive", bad}, "cannot write"}, {[]string{"convert", "-to", "x", bad}, "cannot write"},
		{[]string{"emit", "-schema", "cdj", "-as", "reg"}, "needs parameters"}, {[]string{"emit", "-schema", "http"}, "-as is missing"},
		{[]string{"emit", "-schema", "http", "-as", "x"}, "no form"}, {[]string{"emit", "-schema", "http", "-as", "admx"}, "tattoo"},
		{[]string{"effective"}, "needed"}, {[]string{"effective", "-sysvol", dir, "-links", empty, "-ou", "x"}, "regcheck effective"}, {[]string{"script"}, "-schema is missing"},
	} {
		code, out, errOut := regcheck(t, "", tt.args...)
		require.Equal(t, exitError, code, "%v", tt.args)
		require.Contains(t, errOut, tt.msg, "%v", tt.args)
		require.Empty(t, out, "%v", tt.args)
	}
}

func TestStandardInputOnce(t *testing.T) {
	code, _, errOut := regcheck(t, "REGEDIT4\n", "diff", "-", "-")
	require.Equal(t, exitError, code)
	require.Contains(t, errOut, "once only")
}

func TestHelp(t *testing.T) {
	code, out, _ := regcheck(t, "", "-h")
	require.Equal(t, exitOK, code)
	for _, c := range commands() {
		require.Contains(t, out, "  "+c.name+" ")
		code, out, errOut := regcheck(t, "", c.name, "-h")
		require.Equal(t, exitOK, code)
		require.Empty(t, errOut)
		require.Contains(t, out, "usage: regcheck "+c.name)
	}
}

func TestTolerant(t *testing.T) {
	text := "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\A]\r\n\"x\"=dword:zz\r\n\"y\"=\"1\"\r\n"
	code, out, errOut := regcheck(t, text, "dump", "-tolerant")
	require.Equal(t, exitDrift, code)
	require.Contains(t, errOut, "line 4")
	require.Contains(t, out, `HKLM\SOFTWARE\A\y  REG_SZ  "1"`)
	code, out, _ = regcheck(t, text, "check", "-schema", "http", "-tolerant", "-json", "-")
	require.Equal(t, exitDrift, code)
	require.Contains(t, out, `"errors":["reg: line 4`)
}

func TestDumpJSONReadsBack(t *testing.T) {
	path := file(t, "server.reg", regconv.Reg, mistakes())
	code, out, _ := regcheck(t, "", "dump", "-json", path)
	require.Equal(t, exitOK, code)
	var first struct{ Path, Name, Type, Data, Text string }
	require.NoError(t, json.Unmarshal([]byte(out[:strings.IndexByte(out, '\n')]), &first))
	require.Equal(t, `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Cryptography\MSCEP`, first.Path)
	require.Equal(t, "REG_SZ", first.Type)
	back := filepath.Join(t.TempDir(), "dump.json")
	require.NoError(t, os.WriteFile(back, []byte(out), 0o666))
	code, out, _ = regcheck(t, "", "diff", path, back)
	require.Equal(t, exitOK, code)
	require.Empty(t, out)
}

func TestDiff(t *testing.T) {
	a := file(t, "a.reg", regconv.Reg, mistakes())
	b := file(t, "b.pol", regconv.Pol, registrytest.Map{http: {"MaxFieldLength": registry.DWord(65534), "New": registry.String("x")}})
	code, out, _ := regcheck(t, "", "diff", a, b)
	require.Equal(t, exitDrift, code)
	require.Equal(t, []string{
		`- HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP`,
		`- HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\MaxRequestBytes  REG_DWORD 65536 (0x10000)`,
		`~ HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\MaxFieldLength  REG_DWORD 415028 (0x65534) -> REG_DWORD 65534 (0xfffe)`,
		`+ HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\New  REG_SZ "x"`,
	}, strings.Split(strings.TrimSpace(out), "\n"))
	_, out, _ = regcheck(t, "", "diff", "-json", a, b)
	require.Contains(t, out, `{"op":"set","path":"HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters","name":"MaxFieldLength","old":{"type":"REG_DWORD"`)
}

func TestConvertSaysWhatIsLost(t *testing.T) {
	var pol bytes.Buffer
	require.NoError(t, regpol.Encode(&pol, slices.Values(registry.Delta{
		{Op: registry.ClearValues, Path: registry.HKLM(`SOFTWARE\Policies\A`)},
		{Op: registry.Set, Path: registry.HKLM(`SOFTWARE\Policies\A`), Name: "1", Value: registry.String("x")},
	})))
	code, out, errOut := regcheck(t, pol.String(), "convert", "-to", "query")
	require.Equal(t, exitDrift, code)
	require.Contains(t, errOut, "clear-values")
	require.Contains(t, out, "    1    REG_SZ    x")

	target := filepath.Join(t.TempDir(), "out.pol")
	code, _, errOut = regcheck(t, pol.String(), "convert", "-to", "pol", "-o", target)
	require.Equal(t, exitOK, code, errOut)
	got, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, pol.Bytes(), got)
}

func TestEmitForms(t *testing.T) {
	for _, form := range []string{"reg", "reg4", "pol", "gpp", "inf", "json", "reg-add", "reg-add-batch", "powershell"} {
		code, out, errOut := regcheck(t, "", "emit", "-schema", "http", "-as", form)
		require.Equal(t, exitOK, code, errOut)
		require.NotEmpty(t, out)
		if f, ok := regconv.Detect([]byte(out), ""); ok {
			code, report, errOut := regcheck(t, out, "check", "-schema", "http", "-")
			require.Equal(t, exitOK, code, "%s detected as %s: %s%s", form, f, report, errOut)
		} else {
			require.Contains(t, []string{"reg-add", "reg-add-batch", "powershell"}, form)
		}
	}
	dir := t.TempDir()
	code, out, _ := regcheck(t, "", "emit", "-schema", "registration", "-as", "admx", "-o", dir, "-namespace", "Ashdown.Policies")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, filepath.Join(dir, "en-US", "Ashdown-Policies.adml"))
	code, out, _ = regcheck(t, "", "emit", "-schema", "http", "-as", "reg", "-remove")
	require.Equal(t, exitOK, code)
	require.Contains(t, registry.FromUTF16([]byte(out)), `"MaxFieldLength"=-`)
}

func TestEmitGPO(t *testing.T) {
	for form, want := range map[string]string{"gpo": "Registry.xml", "gpo-pol": "registry.pol", "gpo-gpp": "Registry.xml"} {
		dir := filepath.Join(t.TempDir(), "out")
		code, out, errOut := regcheck(t, "", "emit", "-schema", "http", "-as", form, "-o", dir, "-name", "NDES limits")
		require.Equal(t, exitOK, code, errOut)
		require.Contains(t, errOut, "tattoo")
		found := ""
		for name := range strings.Lines(out) {
			if name = strings.TrimSpace(name); strings.EqualFold(filepath.Base(name), want) {
				found = name
			}
		}
		require.NotEmpty(t, found, out)
		code, out, errOut = regcheck(t, "", "check", "-schema", "http", found)
		require.Equal(t, exitOK, code, out+errOut)
		code, _, errOut = regcheck(t, "", "emit", "-schema", "http", "-as", form, "-o", dir, "-name", "NDES limits")
		require.Equal(t, exitError, code)
		require.Contains(t, errOut, "nothing is overwritten")
	}
	code, _, errOut := regcheck(t, "", "emit", "-schema", "http", "-as", "gpo")
	require.Equal(t, exitError, code)
	require.Contains(t, errOut, "-o names it")
}

// TestEffective resolves two policies that set the same value: the one linked to the unit itself wins, unless the other is
// enforced.
func TestEffective(t *testing.T) {
	sysvol := t.TempDir()
	add := func(id string, n uint32) {
		var b bytes.Buffer
		require.NoError(t, regpol.Encode(&b, slices.Values(registry.Delta{
			{Op: registry.Set, Path: registry.HKLM(http[5:]), Name: "MaxFieldLength", Value: registry.DWord(n)},
			{Op: registry.Set, Path: registry.HKLM(http[5:]), Name: "MaxRequestBytes", Value: registry.DWord(65534)},
		})))
		dir := filepath.Join(sysvol, "Policies", id, "Machine")
		require.NoError(t, os.MkdirAll(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "Registry.pol"), b.Bytes(), 0o666))
	}
	const low, high = "{11111111-1111-4111-8111-111111111111}", "{22222222-2222-4222-8222-222222222222}"
	add(low, 0x65534)
	add(high, 65534)
	links := func(enforced string) string {
		path := filepath.Join(t.TempDir(), "links.json")
		require.NoError(t, os.WriteFile(path, []byte(`{"containers": [
			{"dn": "DC=ashdown,DC=example", "kind": "domain", "links": [{"gpo": "`+low+`", "enforced": `+enforced+`}]},
			{"dn": "OU=NDES,DC=ashdown,DC=example", "links": [{"gpo": "`+high+`"}]}],
			"gpos": [{"id": "`+low+`", "name": "Old baseline"}, {"id": "`+high+`", "name": "NDES"}]}`), 0o666))
		return path
	}
	args := func(enforced string, more ...string) []string {
		return append([]string{"effective", "-sysvol", sysvol, "-links", links(enforced), "-ou", "OU=NDES,DC=ashdown,DC=example"}, more...)
	}
	code, out, errOut := regcheck(t, "", args("false", "-under", http)...)
	require.Equal(t, exitOK, code, errOut)
	require.Contains(t, out, `MaxFieldLength  REG_DWORD 65534 (0xfffe)`)
	require.Regexp(t, `(?m)^  won      .*NDES`, out)
	require.Regexp(t, `(?m)^  lost     .*Old baseline.*: lower-precedence`, out)

	code, out, errOut = regcheck(t, "", args("true", "-json")...)
	require.Equal(t, exitOK, code, errOut)
	var first effectiveValue
	require.NoError(t, json.Unmarshal([]byte(out[:strings.IndexByte(out, '\n')]), &first))
	require.Equal(t, "Old baseline", first.Winner.GPO)
	require.True(t, first.Winner.Tattoo)
	require.Equal(t, "enforced", string(first.Losers[0].Reason))

	code, out, _ = regcheck(t, "", args("false", "-schema", "http")...)
	require.Equal(t, exitOK, code, out)
	code, out, _ = regcheck(t, "", args("true", "-schema", "http")...)
	require.Equal(t, exitDrift, code)
	require.Contains(t, out, "hex-decimal-slip")
	code, _, errOut = regcheck(t, "", "effective", "-sysvol", sysvol, "-links", links("false"), "-ou", "OU=None,DC=other,DC=example")
	require.Equal(t, exitError, code)
	require.NotEmpty(t, errOut)
}

func TestScriptAndSchemas(t *testing.T) {
	code, out, _ := regcheck(t, "", "script", "-schema", "cdj")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, `@('LocalMachine', 'SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD')`)
	require.NotContains(t, out, `'SYSTEM\CurrentControlSet\Services')`)
	code, out, _ = regcheck(t, "", "schemas")
	require.Equal(t, exitOK, code)
	for _, name := range registry.Names() {
		require.Contains(t, out, name+" ")
	}
}
