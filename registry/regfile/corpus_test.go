package regfile_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/regfile"
)

// corpus returns the folder of real samples, which lies outside of the repository.
func corpus(t *testing.T) string {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS names no folder with real samples")
	}
	return filepath.Join(dir, "registry", "reg")
}

// A lineCase is a one-topic input with what reg import made of it.
type lineCase struct {
	ID, Evidence, Encoding, Text string
	WineRC                       int `json:"wine_rc"`
	Result                       map[string][]struct {
		Name string
		Type uint32
		Hex  string
	}
}

// bytes returns the file of c as it was given to reg import.
func (c lineCase) bytes(t *testing.T) []byte {
	text := c.Text
	if !strings.HasSuffix(c.Encoding, "-lf") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if strings.HasPrefix(c.Encoding, "utf-16le-bom") {
		return registry.AppendUTF16([]byte{0xFF, 0xFE}, text)
	}
	require.Equal(t, "cp1252", c.Encoding)
	b, ok := codepage.Windows1252().Encode(nil, text)
	require.True(t, ok)
	return b
}

// TestCorpusLineCases compares the tolerant decoder with what reg import did.
func TestCorpusLineCases(t *testing.T) {
	f, err := os.Open(filepath.Join(corpus(t), "line-cases.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	agree, total := 0, 0
	for sc.Scan() {
		var c lineCase
		require.NoError(t, json.Unmarshal(sc.Bytes(), &c))
		total++
		ok := t.Run(c.ID, func(t *testing.T) {
			base := registry.HKCU(`RT\` + c.ID)
			snap, _ := registry.Collect(c.ID, regfile.Decoder{Tolerant: true}.Decode(bytes.NewReader(c.bytes(t))))
			want, got := new(registry.Snapshot), new(registry.Snapshot)
			for sub, values := range c.Result {
				require.NoError(t, want.Apply(registry.Entry{Op: registry.CreateKey, Path: base.Join(sub)}, ""))
				for _, v := range values {
					data, err := hex.DecodeString(v.Hex)
					require.NoError(t, err)
					require.NoError(t, want.Put(registry.Item{Path: base.Join(sub), Name: v.Name, Value: registry.Value{Type: registry.Type(v.Type), Data: data}}))
				}
			}
			for e := range snap.Entries() {
				if e.Path.Under(base) {
					require.NoError(t, got.Apply(e, ""))
				}
			}
			require.Empty(t, registry.Diff(want, got), c.Text)
			require.Empty(t, registry.Diff(got, want), c.Text)
			if it, found := got.Get(base, "v"); found {
				for _, v := range c.Result[""] {
					if registry.EqualFold(v.Name, "v") {
						require.Equal(t, v.Name, it.Name)
					}
				}
			}
		})
		if ok {
			agree++
		}
	}
	require.NoError(t, sc.Err())
	t.Logf("%d of %d cases agree with reg import", agree, total)
	require.NotZero(t, total)
}

// TestCorpusFiles decodes every file, encodes it and decodes that again.
func TestCorpusFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t), "*.reg"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			var entries []registry.Entry
			info, seq := regfile.Decoder{Tolerant: true, Exact: true}.Open(bytes.NewReader(data))
			for e, err := range seq {
				if err != nil {
					t.Log(err)
				}
				if e.Op != 0 {
					entries = append(entries, e)
				}
			}
			if info.Version == regfile.Version31 {
				return
			}
			var out bytes.Buffer
			require.NoError(t, regfile.Encoder{Version: info.Version}.Encode(&out, slices.Values(entries)))
			same := bytes.Equal(out.Bytes(), data)
			t.Logf("%v, %v, %d entries, byte-identical: %v", info.Version, info.Encoding, len(entries), same)
			var again []registry.Entry
			for e, err := range (regfile.Decoder{Tolerant: true, Exact: true}).Decode(&out) {
				var se *registry.SyntaxError
				require.False(t, err != nil && !errors.As(err, &se), "%v", err)
				if e.Op != 0 {
					again = append(again, e)
				}
			}
			require.Equal(t, strip(entries), strip(again))
		})
	}
}

func strip(list []registry.Entry) []registry.Entry {
	out := slices.Clone(list)
	for i := range out {
		out[i].Pos = registry.Pos{}
		if out[i].Value.Data == nil {
			out[i].Value.Data = []byte{}
		}
	}
	return out
}
