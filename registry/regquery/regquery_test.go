package regquery_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/registrytest"
	"go.internal/hybridkit/registry/regquery"
)

const sample = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Ashdown\r\n" +
	"    (Default)    REG_SZ    the default\r\n" +
	"    a name    with four blanks    REG_SZ    and    data    REG_SZ    too\r\n" +
	"    Empty    REG_SZ    \r\n" +
	"    Number    REG_DWORD    0xfffe\r\n" +
	"    Big    REG_QWORD    0x1122334455667788\r\n" +
	"    Odd    REG_DWORD_BIG_ENDIAN    0x1\r\n" +
	"    Bytes    REG_BINARY    DEADBEEF\r\n" +
	"    Nothing    REG_NONE    \r\n" +
	"    Path    REG_EXPAND_SZ    %SystemRoot%\\x\r\n" +
	"    List    REG_MULTI_SZ    one\\0two words\r\n" +
	"\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Ashdown\\Sub\r\n"

func sampleMap() registrytest.Map {
	return registrytest.Map{
		`HKLM\SOFTWARE\Ashdown`: {
			"": registry.String("the default"), "a name    with four blanks": registry.String("and    data    REG_SZ    too"),
			"Empty": registry.String(""), "Number": registry.DWord(0xfffe), "Big": registry.QWord(0x1122334455667788),
			"Odd":   {Type: registry.TypeDWordBigEndian, Data: []byte{0, 0, 0, 1}},
			"Bytes": registry.Binary([]byte{0xDE, 0xAD, 0xBE, 0xEF}), "Nothing": {Type: registry.TypeNone},
			"Path": registry.ExpandString(`%SystemRoot%\x`), "List": registry.Strings("one", "two words"),
		},
		`HKLM\SOFTWARE\Ashdown\Sub`: {},
	}
}

func TestDecode(t *testing.T) {
	for name, data := range map[string][]byte{
		"utf-8": []byte(sample), "lf": []byte(strings.ReplaceAll(sample, "\r\n", "\n")),
		"utf-16": registry.AppendUTF16([]byte("\xFF\xFE"), sample), "no last line end": []byte(strings.TrimSuffix(sample, "\r\n")),
	} {
		t.Run(name, func(t *testing.T) {
			registrytest.Equal(t, sampleMap().Snapshot(t), registrytest.Collect(t, regquery.Decode(bytes.NewReader(data))))
		})
	}
}

func TestRoundTrip(t *testing.T) {
	want := sampleMap().Snapshot(t)
	var text, lines bytes.Buffer
	require.NoError(t, regquery.Encode(&text, want.Entries()))
	registrytest.Equal(t, want, registrytest.Collect(t, regquery.Decode(&text)))
	require.NoError(t, regquery.EncodeJSON(&lines, want.Entries()))
	back := registrytest.Collect(t, regquery.DecodeJSON(&lines))
	require.Equal(t, registrytest.Dump(want), registrytest.Dump(back))
}

func TestEncodeSaysWhatItLeavesOut(t *testing.T) {
	p := registry.HKLM(`SOFTWARE\Ashdown`)
	lossy := []registry.Entry{
		{Op: registry.DeleteValue, Path: p, Name: "x"}, {Op: registry.Set, Path: p, Name: "x", Value: registry.String("a\r\nb")},
		{Op: registry.Set, Path: p, Name: "x", Value: registry.Value{Type: registry.TypeDWord, Data: []byte{1}}},
		{Op: registry.Set, Path: p, Name: "x", Value: registry.Strings(`a\0b`)}, {Op: registry.Set, Path: registry.Path{Key: "x"}},
		{Op: registry.Set, Path: p, Name: "x\n"},
	}
	for _, e := range lossy {
		err := regquery.Encode(io.Discard, slices.Values([]registry.Entry{e}))
		loss, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok, "%v", e)
		require.Equal(t, e, loss.Entry)
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		msg        string
	}{
		{"error message", "ERROR: The system was unable to find the specified registry key or value.\r\n", 1, "no key in the text"},
		{"empty", "", 0, "no key in the text"},
		{"value first", "    v    REG_SZ    x\n", 1, "before the first key"},
		{"no type", "HKEY_LOCAL_MACHINE\\A\n    v\n", 2, "no type"},
		{"unknown type", "HKEY_LOCAL_MACHINE\\A\n    v    REG_THING    x\n", 2, "no type"},
		{"null", "HKEY_LOCAL_MACHINE\\A\n    v    REG_QWORD    (null)\n", 2, "no number"},
		{"too big", "HKEY_LOCAL_MACHINE\\A\n    v    REG_DWORD    0x100000000\n", 2, "32 bits"},
		{"odd hex", "HKEY_LOCAL_MACHINE\\A\n    v    REG_BINARY    ABC\n", 2, "hexadecimal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var last error
			for _, err := range regquery.Decode(strings.NewReader(tt.text)) {
				last = err
			}
			se, ok := errors.AsType[*registry.SyntaxError](last)
			require.True(t, ok, "%v", last)
			require.Equal(t, tt.line, se.Pos.Line)
			require.ErrorContains(t, last, tt.msg)
		})
	}
}

func TestSummaryAndUnsetDefault(t *testing.T) {
	text := "\nHKEY_LOCAL_MACHINE\\A\n    (Default)    REG_SZ    (value not set)\n\nEnd of search: 1 match(es) found.\n"
	var notes []string
	for e, err := range regquery.Decode(strings.NewReader(text)) {
		require.NoError(t, err)
		require.NotEqual(t, registry.Set, e.Op)
		if e.Op == registry.Note {
			notes = append(notes, e.Note)
		}
	}
	require.Equal(t, []string{"End of search: 1 match(es) found."}, notes)
}

func TestConsoleCodePage(t *testing.T) {
	german := "HKEY_LOCAL_MACHINE\\A\r\n    (Standard)    REG_SZ    gr\x81n\r\n"
	snap := registrytest.Collect(t, regquery.Decoder{CodePage: codepage.OEM850(), DefaultNames: []string{"(Standard)"}}.Decode(strings.NewReader(german)))
	registrytest.Equal(t, registrytest.Map{`HKLM\A`: {"": registry.String("grün")}}.Snapshot(t), snap)
}

func TestPowerShell(t *testing.T) {
	text := `[
	 {"MaxFieldLength": 65534, "Signed": -1, "Huge": 4294967296, "List": ["a", "b"], "Bytes": [1, 255], "(default)": "d", "Nothing": null,
	  "Wrapped": {"value": [7], "Count": 1},
	  "PSPath": "Microsoft.PowerShell.Core\\Registry::HKEY_LOCAL_MACHINE\\SYSTEM\\X", "PSParentPath": "y", "PSChildName": "X", "PSDrive": "HKLM", "PSProvider": "z"}
	]`
	want := registrytest.Map{`HKLM\SYSTEM\X`: {
		"MaxFieldLength": registry.DWord(65534), "Signed": registry.DWord(0xFFFFFFFF), "Huge": registry.QWord(1 << 32), "List": registry.Strings("a", "b"),
		"Bytes": registry.Binary([]byte{1, 255}), "": registry.String("d"), "Nothing": {}, "Wrapped": registry.Binary([]byte{7}),
	}}.Snapshot(t)
	for name, data := range map[string][]byte{"utf-8": []byte(text), "bom": []byte("\xEF\xBB\xBF" + text), "utf-16": registry.AppendUTF16([]byte("\xFF\xFE"), text)} {
		t.Run(name, func(t *testing.T) {
			registrytest.Equal(t, want, registrytest.Collect(t, regquery.DecodeJSON(bytes.NewReader(data))))
		})
	}
}

func TestJSONErrors(t *testing.T) {
	for text, msg := range map[string]string{
		``: "too early", `{`: "too early", `[{"path":"HKLM\\A"}`: "too early", `7`: "where an object", `{"a":1}`: "names no key",
		`{"path":"HKXX\\A","type":"REG_SZ"}`: "no known root", `{"path":"HKLM\\A","type":"REG_X"}`: "no type",
		`{"path":"HKLM\\A","type":"REG_SZ","data":"0"}`: "hexadecimal", `{"PSPath":"x","a":1}`: "no known root",
		`{"PSPath":"HKLM\\A","a":1.5}`: "whole number", `{"PSPath":"HKLM\\A","a":{"b":1}}`: "no value", `{"PSPath":"HKLM\\A","a":[256]}`: "no byte",
		`{"PSPath":"HKLM\\A","a":["x",1]}`: "one list", `[[[[[[[[[[`: "nested", `[}`: "invalid",
	} {
		var last error
		for _, err := range regquery.DecodeJSON(strings.NewReader(text)) {
			if err != nil {
				last = err
			}
		}
		require.ErrorContains(t, last, msg, text)
	}
	for range regquery.DecodeJSON(strings.NewReader(`[]`)) {
		t.Fatal("an empty list has no entries")
	}
}

func TestScript(t *testing.T) {
	s := regquery.Script([]registry.Path{registry.HKLM(`SOFTWARE\It's`), registry.HKCU("Software"), {Hive: registry.ClassesRoot, Key: "x"}})
	require.Contains(t, s, "    @('LocalMachine', 'SOFTWARE\\It''s')\r\n    @('CurrentUser', 'Software')\r\n)")
	require.NotContains(t, s, "KEYS")
	require.Equal(t, strings.Count(s, "\n"), strings.Count(s, "\r\n"))
	require.Equal(t, "'a\u2019\u2019b'", regquery.Quote("a\u2019b"))
}

func TestCorpus(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS names no folder with real samples")
	}
	files, err := filepath.Glob(filepath.Join(dir, "registry", "query", "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		snap, err := registry.Collect(name, regquery.Decode(bytes.NewReader(data)))
		if strings.Contains(name, "missing") {
			require.ErrorIs(t, err, regquery.ErrNoKey)
			continue
		}
		require.NoError(t, err, name)
		values := 0
		for range snap.All() {
			values++
		}
		require.Equal(t, bytes.Count(data, []byte("    REG_")), values, name)
	}
	t.Logf("%d outputs of reg query", len(files))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(sample))
	f.Add(registry.AppendUTF16([]byte("\xFF\xFE"), sample))
	f.Fuzz(func(t *testing.T, data []byte) {
		snap, _ := registry.Collect("", regquery.Decoder{Tolerant: true}.Decode(bytes.NewReader(data)))
		for it := range snap.All() {
			_ = it.Value.String()
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`[{"path":"HKLM\\A","name":"x","type":"REG_DWORD","data":"01000000"},{"PSPath":"HKCU\\B","a":[1,2],"b":["x"],"c":-1}]`))
	f.Add([]byte("\xFF\xFE{\x00}\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		snap, _ := registry.Collect("", regquery.JSONDecoder{Tolerant: true}.Decode(bytes.NewReader(data)))
		// What was read is written and read again without a difference.
		var out bytes.Buffer
		if err := regquery.EncodeJSON(&out, snap.Entries()); err != nil {
			t.Fatal(err)
		}
	})
}
