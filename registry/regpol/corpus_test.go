package regpol_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regpol"
)

// TestCorpus decodes real files, compares the records with what an independent reader found, and encodes them
// again on both layers: each must give the bytes of the file.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS names no folder with real samples")
	}
	files, err := filepath.Glob(filepath.Join(dir, "registry", "pol", "*.pol"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	identical, refused := 0, 0
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			out := regpol.AppendHeader(nil)
			var records []regpol.Record
			for rec, err := range (regpol.Decoder{}).Records(data) {
				if err != nil {
					var se *registry.SyntaxError
					require.ErrorAs(t, err, &se)
					t.Logf("strict: %v", err)
					refused++
					for rec, err := range (regpol.Decoder{Tolerant: true}).Records(data) {
						t.Logf("tolerant: %+v, %v", rec, err)
					}
					return
				}
				records = append(records, rec)
				out, err = regpol.AppendRecord(out, rec)
				require.NoError(t, err)
			}
			require.Equal(t, data, out)
			var again bytes.Buffer
			require.NoError(t, regpol.Encode(&again, func(yield func(registry.Entry) bool) {
				for e, err := range (regpol.Decoder{}).DecodeBytes(data) {
					require.NoError(t, err)
					if !yield(e) {
						return
					}
				}
			}))
			require.Equal(t, data, again.Bytes())
			identical++
			compare(t, name+".expected.jsonl", records)
		})
	}
	t.Logf("%d files re-encode byte-identically, %d refused with an offset", identical, refused)
}

func compare(t *testing.T, name string, records []regpol.Record) {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<22)
	n := 0
	for ; sc.Scan(); n++ {
		var want struct {
			Key, Value, Hex, Sha256 string
			Type                    uint32
			Size                    int
		}
		require.NoError(t, json.Unmarshal(sc.Bytes(), &want))
		require.Less(t, n, len(records))
		got := records[n]
		require.Equal(t, want.Key, got.Key)
		require.Equal(t, want.Value, got.Name)
		require.Equal(t, want.Type, uint32(got.Type))
		require.Len(t, got.Data, want.Size)
		if want.Sha256 != "" {
			sum := sha256.Sum256(got.Data)
			require.Equal(t, want.Sha256, hex.EncodeToString(sum[:]))
		} else {
			require.Equal(t, want.Hex, hex.EncodeToString(got.Data))
		}
	}
	require.NoError(t, sc.Err())
	require.Len(t, records, n)
}
