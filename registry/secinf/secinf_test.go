package secinf_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/secinf"
)

func utf16(s string) []byte { return registry.AppendUTF16([]byte{0xFF, 0xFE}, s) }

func template(lines ...string) string {
	return "[Unicode]\r\nUnicode=yes\r\n[System Access]\r\nMinimumPasswordLength = 14\r\n[Registry Values]\r\n" + strings.Join(lines, "\r\n") +
		"\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\nRevision=1\r\n"
}

func TestDecode(t *testing.T) {
	const k = `MACHINE\System\CurrentControlSet\Control\Lsa\`
	for _, c := range []struct{ line, want string }{
		{k + `Level=4,5`, `Level REG_DWORD 5 (0x5)`},
		{k + `Types=4,2147483640`, `Types REG_DWORD 2147483640 (0x7ffffff8)`},
		{k + `Signed=4,-1`, `Signed REG_DWORD 4294967295 (0xffffffff)`},
		{k + `Hex=4,0x10`, `Hex REG_DWORD 16 (0x10)`},
		{k + `Sddl=1,"O:BAG:BAD:(A;;RC;;;BA)"`, `Sddl REG_SZ "O:BAG:BAD:(A;;RC;;;BA)"`},
		{k + `Quote=1,"a ""b"", c"`, `Quote REG_SZ "a \"b\", c"`},
		{k + `Bare=1,word ; comment`, `Bare REG_SZ "word"`},
		{k + `Empty=1,""`, `Empty REG_SZ ""`},
		{k + `Blank=1," x "`, `Blank REG_SZ " x "`},
		{k + `Path=2,"%SystemRoot%\x"`, `Path REG_EXPAND_SZ "%SystemRoot%\\x"`},
		{k + `Bytes=3,0,0f,FF`, `Bytes REG_BINARY hex:000fff`},
		{k + `NoBytes=3,`, `NoBytes REG_BINARY hex:`},
		{k + `List=7,one,"two, three",four`, `List REG_MULTI_SZ ["one" "two, three" "four"]`},
		{k + `Split=7,one","two`, `Split REG_MULTI_SZ ["one,two"]`},
		{k + `NoList=7,`, `NoList REG_MULTI_SZ []`},
		{"  " + strings.ToLower(k) + `Spaced = 4 , 1  `, `Spaced REG_DWORD 1 (0x1)`},
		{`"` + k + `a=b"=4,1`, `a=b REG_DWORD 1 (0x1)`},
	} {
		for _, in := range [][]byte{utf16(template(c.line)), []byte(template(c.line)), append([]byte("\xEF\xBB\xBF"), template(c.line)...)} {
			n := 0
			for e, err := range secinf.Decode(bytes.NewReader(in)) {
				require.NoError(t, err, c.line)
				require.Equal(t, registry.Set, e.Op)
				require.True(t, e.Path.Equal(registry.HKLM(`SYSTEM\CurrentControlSet\Control\Lsa`)), "%v", e.Path)
				require.Equal(t, c.want, e.Name+" "+e.Value.Type.String()+" "+e.Value.String())
				require.Equal(t, 6, e.Pos.Line)
				require.NotZero(t, e.Pos.Offset)
				n++
			}
			require.Equal(t, 1, n)
			doc, err := secinf.Parse(in)
			require.NoError(t, err)
			require.Equal(t, in, doc.Bytes())
			require.True(t, secinf.Sniff(in))
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`MACHINE\a\b`, "no equal sign"}, {`NOWHERE\a\b=4,1`, `no root key "NOWHERE"`}, {`MACHINE\b=4,1`, "no key and value name"},
		{`MACHINE\a\b=x,1`, `value type "x"`}, {`MACHINE\a\b=11,1`, "value type 11"}, {`MACHINE\a\b=4,1x`, `number "1x"`},
		{`MACHINE\a\b=4,1,2`, `number "1,2"`}, {`MACHINE\a\b=4`, `number ""`}, {`MACHINE\a\b=3,100`, `byte "100"`},
		{`MACHINE\a\b=1,"x`, "quotation mark is not closed"}, {`MACHINE\a\b=1,a,b`, "2 fields"},
	} {
		in := template(c.line, `MACHINE\a\good=4,1`)
		var got error
		for _, err := range secinf.Decode(strings.NewReader(in)) {
			got = err
		}
		require.ErrorContains(t, got, "inf: line 6: ", c.line)
		require.ErrorContains(t, got, c.want)
		good := 0
		for e, err := range (secinf.Decoder{Tolerant: true}).Decode(strings.NewReader(in)) {
			if err == nil && e.Name == "good" {
				good++
			}
		}
		require.Equal(t, 1, good)
	}
	for _, in := range []string{"", "\x89PNG\r\n\x1a\n", "Windows Registry Editor Version 5.00\r\n[HKEY_LOCAL_MACHINE\\x]\r\n"} {
		for _, err := range secinf.Decode(strings.NewReader(in)) {
			require.ErrorIs(t, err, secinf.ErrNotTemplate)
		}
		require.False(t, secinf.Sniff([]byte(in)))
	}
	for _, err := range (secinf.Decoder{MaxBytes: 9}).Decode(strings.NewReader(template())) {
		require.ErrorContains(t, err, "more than 9 bytes")
	}
}

func TestCodePage(t *testing.T) {
	in := template("MACHINE\\a\\Gr\xFC\xDFe=1,\"Caf\xE9\"", `MACHINE\a\plain=4,1`)
	var errs, good int
	for _, err := range (secinf.Decoder{Tolerant: true}).Decode(strings.NewReader(in)) {
		if err != nil {
			require.ErrorContains(t, err, "line 6: not UTF-8, and no code page is given")
			errs++
		} else {
			good++
		}
	}
	require.Equal(t, []int{1, 1}, []int{errs, good})
	for e, err := range (secinf.Decoder{CodePage: codepage.Windows1252()}).Decode(strings.NewReader(in)) {
		require.NoError(t, err)
		if e.Name != "plain" {
			require.Equal(t, "Grüße", e.Name)
			require.Equal(t, registry.String("Café"), e.Value)
		}
	}
}

func TestEncode(t *testing.T) {
	p := registry.HKLM(`System\Ashdown`)
	in := []registry.Entry{
		{Op: registry.CreateKey, Path: p},
		{Op: registry.Set, Path: p, Name: "s", Value: registry.String(`a "b"; c, d`)},
		{Op: registry.Set, Path: p, Name: "x", Value: registry.ExpandString(`%a%`)},
		{Op: registry.Set, Path: p, Name: "d", Value: registry.DWord(0xFFFFFFFF)},
		{Op: registry.Set, Path: p, Name: "b", Value: registry.Binary([]byte{0, 15, 255})},
		{Op: registry.Set, Path: p, Name: "m", Value: registry.Strings("one", "two, three", `"q"`)},
		{Op: registry.Set, Path: p, Name: "blank", Value: registry.Strings("\v", "a\f", "\u00a0b", "c\u2003d")},
		{Op: registry.Set, Path: p, Name: "m0", Value: registry.Strings()},
		{Op: registry.Set, Path: p, Name: `a=b;"c"`, Value: registry.DWord(1)},
	}
	var b bytes.Buffer
	require.NoError(t, secinf.Encode(&b, slices.Values(in)))
	require.True(t, bytes.HasPrefix(b.Bytes(), []byte{0xFF, 0xFE}))
	i := 1
	for e, err := range secinf.Decode(&b) {
		require.NoError(t, err)
		require.Equal(t, in[i].String(), e.String())
		require.True(t, in[i].Value.Equal(e.Value))
		i++
	}
	require.Equal(t, len(in), i)
	for _, e := range []registry.Entry{
		{Op: registry.DeleteValue, Path: p, Name: "x"}, {Op: registry.CreateKey, Path: p}, {Op: registry.Set, Path: p, Value: registry.DWord(1)},
		{Op: registry.Set, Path: p, Name: "q", Value: registry.QWord(1)}, {Op: registry.Set, Path: p, Name: "l", Value: registry.String("a\r\nb")},
		{Op: registry.Set, Path: p, Name: "d", Value: registry.Value{Type: registry.TypeDWord, Data: []byte{1}}},
		{Op: registry.Set, Path: registry.Path{Key: "a"}, Name: "d", Value: registry.DWord(1)},
	} {
		err := secinf.Encode(&b, slices.Values([]registry.Entry{e}))
		_, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok, "%v", e)
	}
}

func TestCorpus(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no security templates of Windows to read")
	}
	files, err := filepath.Glob(filepath.Join(dir, "registry", "gpo", "*.inf"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		in, err := os.ReadFile(f)
		require.NoError(t, err)
		doc, err := secinf.Parse(in)
		require.NoError(t, err)
		require.True(t, bytes.Equal(in, doc.Bytes()))
		// Each line of the section, written from what was read, is the line that was there.
		n := 0
		for e, err := range secinf.Decode(bytes.NewReader(in)) {
			require.NoError(t, err)
			line, why := secinf.FormatLine(e)
			require.Empty(t, why)
			require.Equal(t, strings.TrimSpace(doc.Lines[e.Pos.Line-1].Text), line)
			n++
		}
		require.Greater(t, n, 10)
		t.Logf("%s: %d values", filepath.Base(f), n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(template(`MACHINE\a\b=7,one","two`, `"MACHINE\a\c=d"=1,"x ""y"""`)))
	f.Add(utf16(template(`MACHINE\a\b=3,0,1`, `USERS\a\b=4,-1`)))
	f.Fuzz(func(t *testing.T, in []byte) {
		secinf.Sniff(in)
		doc, err := secinf.Parse(in)
		if err == nil && !bytes.Equal(doc.Bytes(), in) {
			t.Fatalf("not byte for byte: %q %q", in, doc.Bytes())
		}
		for e, err := range (secinf.Decoder{Tolerant: true}).Decode(bytes.NewReader(in)) {
			if line, why := secinf.FormatLine(e); err == nil && why == "" {
				again, err := secinf.ParseLine(line)
				if err != nil || !again.Path.Equal(e.Path) || again.Name != e.Name || !again.Value.Equal(e.Value) {
					t.Fatalf("%v became %q became %v, %v", e, line, again, err)
				}
			}
		}
	})
}

func ExampleDecode() {
	file := strings.NewReader("[Registry Values]\r\n" + `MACHINE\System\CurrentControlSet\Control\Lsa\LmCompatibilityLevel=4,5` + "\r\n")
	for e, err := range secinf.Decode(file) {
		fmt.Println(e, err)
	}
	// Output: set HKLM\System\CurrentControlSet\Control\Lsa LmCompatibilityLevel REG_DWORD 5 (0x5) <nil>
}
