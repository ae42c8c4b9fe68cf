//go:build linux

package boltstate_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

// mapped returns how much of a mapped file the process holds in memory.
func mapped(t *testing.T, path string) (bytes int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	require.NoError(t, err)
	defer f.Close()
	inside, found := false, false
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		switch {
		case strings.HasSuffix(sc.Text(), " "+path):
			inside, found = true, true
		case inside && fields[0] == "Rss:":
			kb, err := strconv.Atoi(fields[1])
			require.NoError(t, err)
			bytes += kb << 10
			inside = false
		}
	}
	require.True(t, found, "the state is mapped")
	return bytes
}

// TestPages looks at every record of a large state and requires that the process does not become as large.
func TestPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := open(t, path)
	const n = 20_000
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 3000) }
	for i := 0; i < n; i += 1000 {
		var ops []ldapsync.StateOp
		for k := i; k < i+1000; k++ {
			ops = append(ops, ldapsync.StateOp{Key: fmt.Sprintf("k/%06d", k), Value: value(k)})
		}
		require.NoError(t, s.Commit(t.Context(), ops))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(n*3000))
	// A commit in the loop changes what is mapped.
	i := 0
	for r, err := range s.Scan(context.Background(), "k/") {
		require.NoError(t, err)
		require.True(t, bytes.Equal(r.Value, value(i)), r.Key)
		if i++; i%5000 == 0 {
			require.NoError(t, s.Commit(t.Context(), []ldapsync.StateOp{{Key: fmt.Sprint("other/", i), Value: make([]byte, 5<<20)}}))
		}
	}
	require.Equal(t, n, i)
	require.Less(t, mapped(t, path), int(info.Size()/4), "after a scan")
	for i := range n {
		v, err := s.Get(t.Context(), fmt.Sprintf("k/%06d", i*7919%n))
		require.NoError(t, err)
		require.True(t, bytes.Equal(v, value(i*7919%n)), i)
	}
	require.Less(t, mapped(t, path), int(info.Size()/4), "after reading each")
}
