package regfile_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regfile"
)

// deviations are the cases of testdata/wine.jsonl in which this package does not do what Wine 8.0 did, and why.
var deviations = map[string]string{
	"h-r4-u16":       "the header decides that the bytes of hex(2) are ANSI; Wine goes by the encoding of the file",
	"v5a-hex1":       "the header decides that the bytes of hex(1) are UTF-16; Wine goes by the encoding of the file",
	"hex-type-minus": "a negative type number is a quirk of strtoul",
	"hex2-odd3":      "the odd byte is kept; Wine replaces it",
	"hex1-embed":     "Wine stores the bytes behind the first NUL but does not export them",
	"hex1-empty":     "Wine stores no bytes but exports an empty string",
	"hex4-long":      "Wine stores five bytes but exports four",
	"k-nobr":         "values behind a malformed key header are never given to the key before",
	"k-sp":           "values behind a malformed key header are never given to the key before",
	"k-tab":          "values behind a malformed key header are never given to the key before",
}

type wineCase struct {
	ID, Encoding string
	Text         string // of the file, with LF for CRLF
	Export       string // of HKCU\RT afterwards, without the header
}

// cases reads testdata/wine.jsonl. Unpaired surrogates, which encoding/json replaces, are restored.
func cases(t *testing.T) []wineCase {
	f, err := os.Open("testdata/wine.jsonl")
	require.NoError(t, err)
	defer f.Close()
	var list []wineCase
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var c wineCase
		require.NoError(t, json.Unmarshal(sc.Bytes(), &c))
		c.Text = strings.ReplaceAll(c.Text, "\uFFFD", "\xED\xA0\x80")
		c.Export = strings.ReplaceAll(c.Export, "\uFFFD", "\xED\xA0\x80")
		list = append(list, c)
	}
	require.NoError(t, sc.Err())
	return list
}

func (c wineCase) file() []byte {
	text := strings.ReplaceAll(c.Text, "\n", "\r\n")
	if c.Encoding == "utf-16" {
		return registry.AppendUTF16([]byte{0xFF, 0xFE}, text)
	}
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) { // the bytes of the file as U+0000 to U+00FF
		b = append(b, byte(u))
	}
	return b
}

// below returns what entries leave below HKCU\RT in a registry where that key was absent.
func below(data []byte, d regfile.Decoder) *registry.Snapshot {
	snap := new(registry.Snapshot)
	for e := range d.Decode(bytes.NewReader(data)) {
		if e.Op != 0 && e.Path.Under(registry.HKCU("RT")) {
			_ = snap.Apply(e, "")
		}
	}
	return snap
}

// TestLikeWine imports files of one topic each and compares with what Wine 8.0 made of them. The strict decoder must refuse a
// file in which the tolerant one finds a mistake, and accept all others.
func TestLikeWine(t *testing.T) {
	seen := 0
	for _, c := range cases(t) {
		t.Run(c.ID, func(t *testing.T) {
			want := below(registry.AppendUTF16([]byte{0xFF, 0xFE}, "Windows Registry Editor Version 5.00\r\n\r\n"+strings.ReplaceAll(c.Export, "\n", "\r\n")), regfile.Decoder{Tolerant: true, Exact: true})
			got := below(c.file(), regfile.Decoder{Tolerant: true})
			different := append(registry.Diff(want, got), registry.Diff(got, want)...)
			if why, ok := deviations[c.ID]; ok {
				seen++
				require.NotEmpty(t, different, "no longer a deviation: %s", why)
			} else {
				require.Empty(t, different, "%q", c.Text)
			}
			var strict, tolerant error
			for _, err := range regfile.Decode(bytes.NewReader(c.file())) {
				strict = err
			}
			for _, err := range (regfile.Decoder{Tolerant: true}).Decode(bytes.NewReader(c.file())) {
				if tolerant == nil {
					tolerant = err
				}
			}
			require.Equal(t, tolerant, strict)
		})
	}
	require.Equal(t, len(deviations), seen)
}

// TestWine does the same with a Wine at hand, all cases with a version 5 header in one file, and compares exports: of Wine's own
// registry byte by byte with what Encode writes for it.
func TestWine(t *testing.T) {
	wine := os.Getenv("HYBRIDKIT_WINE")
	if wine == "" {
		t.Skip("HYBRIDKIT_WINE names no wine program; WINEPREFIX must be one that may be changed")
	}
	dir := t.TempDir()
	reg := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), wine, append([]string{"reg"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	var all strings.Builder
	all.WriteString("Windows Registry Editor Version 5.00\r\n")
	n := 0
	for _, c := range cases(t) {
		body, ok := strings.CutPrefix(c.Text, "Windows Registry Editor Version 5.00\n")
		if _, deviates := deviations[c.ID]; !ok || deviates || c.Encoding != "utf-16" || strings.ContainsAny(body, "\x00\x0b\x0c\u0085") || strings.HasSuffix(body, "\\\n") {
			continue
		}
		n++
		all.WriteString("\r\n" + strings.ReplaceAll(body, "\n", "\r\n"))
	}
	data := registry.AppendUTF16([]byte{0xFF, 0xFE}, all.String())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "all.reg"), data, 0o666))
	reg("add", `HKCU\RT`, "/f")
	reg("delete", `HKCU\RT`, "/f")
	reg("import", "all.reg")
	reg("export", `HKCU\RT`, "out.reg", "/y")
	out, err := os.ReadFile(filepath.Join(dir, "out.reg"))
	require.NoError(t, err)
	got, want := below(data, regfile.Decoder{Tolerant: true}), below(out, regfile.Decoder{})
	require.Empty(t, registry.Diff(got, want))
	require.Empty(t, registry.Diff(want, got))
	var again bytes.Buffer
	require.NoError(t, regfile.Encode(&again, entries(t, out)))
	t.Logf("%d cases, %d bytes exported", n, len(out))
	require.Greater(t, n, 100)
	if !strings.Contains(registry.FromUTF16(out), "\\n") { // Wine escapes line breaks, Windows does not
		require.Equal(t, out, again.Bytes())
	}
}

func entries(t *testing.T, data []byte) func(func(registry.Entry) bool) {
	return func(yield func(registry.Entry) bool) {
		for e, err := range regfile.Decode(bytes.NewReader(data)) {
			require.NoError(t, err)
			if !yield(e) {
				return
			}
		}
	}
}
