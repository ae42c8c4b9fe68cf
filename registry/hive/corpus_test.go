package hive_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/hive"
)

// TestCorpus compares every hive of the sample corpus with what libhivex reads from it. HYBRIDKIT_HIVES adds
// a folder of more hives with their dumps, which the CI step makes.
func TestCorpus(t *testing.T) {
	var files []string
	for _, dir := range []string{filepath.Join(os.Getenv("HYBRIDKIT_CORPUS"), "registry", "hive"), os.Getenv("HYBRIDKIT_HIVES")} {
		if dir != "" {
			list, err := filepath.Glob(filepath.Join(dir, "*.hiv"))
			require.NoError(t, err)
			files = append(files, list...)
		}
	}
	if os.Getenv("HYBRIDKIT_CORPUS") == "" && os.Getenv("HYBRIDKIT_HIVES") == "" {
		t.Skip("HYBRIDKIT_CORPUS and HYBRIDKIT_HIVES are not set: no hives to compare with libhivex")
	}
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, keys, values := dump(t, file+".expected.jsonl")
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			gotKeys, gotValues := 0, 0
			for e, err := range hive.Decode(bytes.NewReader(b)) {
				require.NoError(t, err)
				k := "\\" + e.Path.Key
				if e.Path.Key == "" {
					k = ""
				}
				switch e.Op {
				case registry.CreateKey:
					gotKeys++
					_, ok := want[k]
					require.Truef(t, ok, "libhivex has no key %q", k)
				case registry.Set:
					gotValues++
					list := want[k]
					require.NotEmptyf(t, list, "libhivex has no more values in %q than %q", k, e.Name)
					w := list[0]
					want[k] = list[1:]
					require.Equal(t, w.Name, e.Name, k)
					require.Equal(t, w.Type, uint32(e.Value.Type), k)
					require.Equal(t, w.Size, len(e.Value.Data), k+" "+e.Name)
					if sum := sha256.Sum256(e.Value.Data); w.SHA256 != "" {
						require.Equal(t, w.SHA256, hex.EncodeToString(sum[:]), k)
					} else {
						require.Equal(t, w.Hex, hex.EncodeToString(e.Value.Data), k)
					}
				}
			}
			require.Equal(t, keys, gotKeys)
			require.Equal(t, values, gotValues)
			t.Logf("%d keys and %d values agree with libhivex", keys, values)
		})
	}
}

type dumped struct {
	Name   string
	Type   uint32
	Size   int
	Hex    string
	SHA256 string
}

// dump reads lines {"key":…, "values":[…]} that libhivex gave.
func dump(t *testing.T, file string) (m map[string][]dumped, keys, values int) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	m = map[string][]dumped{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<26)
	for s.Scan() {
		if strings.TrimSpace(s.Text()) == "" {
			continue
		}
		var line struct {
			Key    string
			Values []dumped
		}
		require.NoError(t, json.Unmarshal(s.Bytes(), &line))
		m[line.Key] = append(m[line.Key], line.Values...)
		keys++
		values += len(line.Values)
	}
	require.NoError(t, s.Err())
	return m, keys, values
}
