package boltstate_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/boltstate"
	"go.internal/hybridkit/ldapsync/statetest"
)

func open(t testing.TB, path string) *boltstate.State {
	s, err := boltstate.Open(path, boltstate.Options{Timeout: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t testing.TB, s ldapsync.State, keyValues ...string) {
	var ops []ldapsync.StateOp
	for i := 0; i < len(keyValues); i += 2 {
		ops = append(ops, ldapsync.StateOp{Key: keyValues[i], Value: []byte(keyValues[i+1])})
	}
	require.NoError(t, s.Commit(t.Context(), ops))
}

func TestState(t *testing.T) {
	statetest.Run(t, func(t *testing.T) ldapsync.State { return open(t, filepath.Join(t.TempDir(), "s")) }, nil)
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "engine.state")
	s := open(t, path)
	require.Equal(t, path, s.Path())
	put(t, s, "a", "1", "b", "")
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "closing again does nothing")
	s = open(t, path)
	v, err := s.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "1", string(v))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary files stay behind")
}

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := open(t, path)
	for _, readOnly := range []bool{false, true} {
		_, err := boltstate.Open(path, boltstate.Options{Timeout: 20 * time.Millisecond, ReadOnly: readOnly})
		require.ErrorIs(t, err, ldapsync.ErrStateInUse)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "stop the other engine")
	}
	require.NoError(t, s.Close())
	open(t, path)
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	_, err := boltstate.Open(path, boltstate.Options{ReadOnly: true})
	fe, ok := errors.AsType[*boltstate.FileError](err)
	require.True(t, ok, err)
	require.Equal(t, boltstate.Missing, fe.Problem)
	require.NoFileExists(t, path)

	s := open(t, path)
	put(t, s, "a", "1")
	require.NoError(t, s.Close())
	for range 2 { // two readers at once
		r, err := boltstate.Open(path, boltstate.Options{ReadOnly: true})
		require.NoError(t, err)
		defer r.Close()
		v, err := r.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "1", string(v))
		require.ErrorContains(t, r.Commit(t.Context(), []ldapsync.StateOp{{Key: "a"}}), "reading only")
	}
}

// bad lists files that are not usable as a state, and what Open must say.
func bad(t *testing.T) map[string]struct {
	content []byte
	problem boltstate.Problem
} {
	dir := t.TempDir()
	path := filepath.Join(dir, "good")
	s := open(t, path)
	for i := range 200 {
		put(t, s, fmt.Sprint("key", i), strings.Repeat("v", 500))
	}
	require.NoError(t, s.Close())
	good, err := os.ReadFile(path)
	require.NoError(t, err)

	write := func(name string, f func(tx *bolt.Tx) error) []byte {
		p := filepath.Join(dir, name)
		db, err := bolt.Open(p, 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(f))
		require.NoError(t, db.Close())
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		return b
	}
	foreign := write("foreign", func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("users")); return err })
	future := write("future", func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucket([]byte("hybridkit-ldapsync-state")); err != nil {
			return err
		}
		b, err := tx.CreateBucket([]byte("hybridkit-ldapsync-meta"))
		if err != nil {
			return err
		}
		return b.Put([]byte("format"), []byte("99"))
	})
	heads := bytes.Clone(good)
	for i := 16 + 8; i < 16+40; i++ {
		heads[i] ^= 0x55
		heads[os.Getpagesize()+i] ^= 0x55
	}
	rubbish := bytes.Clone(good)
	for i := 2 * os.Getpagesize(); i < len(rubbish); i++ {
		rubbish[i] = 0xAA
	}
	type file = struct {
		content []byte
		problem boltstate.Problem
	}
	return map[string]file{
		"empty":              {nil, boltstate.NotAState},
		"text":               {[]byte("this is not a state\n"), boltstate.NotAState},
		"PNG":                {append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 9000)...), boltstate.NotAState},
		"foreign database":   {foreign, boltstate.NotAState},
		"another version":    {future, boltstate.OtherVersion},
		"cut to one page":    {good[:os.Getpagesize()], boltstate.Damaged},
		"cut in half":        {good[:len(good)/2], boltstate.Damaged},
		"broken headers":     {heads, boltstate.Damaged},
		"broken pages":       {rubbish, boltstate.Damaged},
		"cut within headers": {good[:40], boltstate.Damaged},
	}
}

func TestBadFiles(t *testing.T) {
	for name, c := range bad(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			require.NoError(t, os.WriteFile(path, c.content, 0o600))
			for _, readOnly := range []bool{false, true} {
				_, err := boltstate.Open(path, boltstate.Options{ReadOnly: readOnly, Timeout: 50 * time.Millisecond})
				fe, ok := errors.AsType[*boltstate.FileError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, c.problem, fe.Problem, "%v", err)
				require.ErrorContains(t, err, path)
				require.Less(t, len(err.Error()), 600)
			}
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, len(c.content), len(after))
			require.True(t, bytes.Equal(c.content, after), "the file is left as it was")
			_, _, err = boltstate.Compact(path, boltstate.Options{Timeout: 50 * time.Millisecond})
			require.Error(t, err)
		})
	}
}

func TestBadPaths(t *testing.T) {
	dir := t.TempDir()
	for path, problem := range map[string]boltstate.Problem{
		dir:                                boltstate.NoAccess,
		filepath.Join(dir, "none", "s"):    boltstate.NoAccess,
		filepath.Join(dir, "nul\x00", "s"): boltstate.NoAccess,
	} {
		_, err := boltstate.Open(path, boltstate.Options{})
		fe, ok := errors.AsType[*boltstate.FileError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, problem, fe.Problem)
	}
	_, _, err := boltstate.Compact(filepath.Join(dir, "missing"), boltstate.Options{})
	fe, ok := errors.AsType[*boltstate.FileError](err)
	require.True(t, ok)
	require.Equal(t, boltstate.Missing, fe.Problem)
	require.NoFileExists(t, filepath.Join(dir, "missing"))
}

// TestDamagePage flips bytes of single pages: whatever is read afterwards is right or an error.
func TestDamagePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := open(t, path)
	var ops []ldapsync.StateOp
	for i := range 300 {
		ops = append(ops, ldapsync.StateOp{Key: fmt.Sprintf("key%04d", i), Value: bytes.Repeat([]byte("v"), 300)})
	}
	require.NoError(t, s.Commit(t.Context(), ops))
	require.NoError(t, s.Verify(t.Context()))
	require.NoError(t, s.Close())
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	page := os.Getpagesize()
	errs := 0
	for p := 2; p < len(good)/page; p++ {
		b := bytes.Clone(good)
		for i := range 64 { // the page's header and the places of its first elements
			b[p*page+i] ^= byte(0x80 + i)
		}
		require.NoError(t, os.WriteFile(path, b, 0o600))
		s, err := boltstate.Open(path, boltstate.Options{Timeout: 50 * time.Millisecond})
		if err != nil {
			errs++
			continue
		}
		for _, err := range s.Scan(t.Context(), "") {
			if err != nil {
				errs++
			}
		}
		_ = s.Close()
	}
	require.Positive(t, errs, "damage was noticed")
}

func TestVerify(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s"))
	put(t, s, "a", "1")
	require.NoError(t, s.Verify(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Verify(ctx), context.Canceled)
	require.NoError(t, s.Close())
	require.Error(t, s.Verify(t.Context()))
}

func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := open(t, path)
	for i := range 50 {
		put(t, s, fmt.Sprint("k", i), strings.Repeat("v", 50_000))
	}
	var ops []ldapsync.StateOp
	for i := 1; i < 50; i++ {
		ops = append(ops, ldapsync.StateOp{Key: fmt.Sprint("k", i), Delete: true})
	}
	require.NoError(t, s.Commit(t.Context(), ops))
	_, _, err := boltstate.Compact(path, boltstate.Options{Timeout: 20 * time.Millisecond})
	require.ErrorIs(t, err, ldapsync.ErrStateInUse)
	require.NoError(t, s.Close())
	before, after, err := boltstate.Compact(path, boltstate.Options{})
	require.NoError(t, err)
	require.Less(t, after, before/5)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, after, info.Size())
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	s = open(t, path)
	n := 0
	for r, err := range s.Scan(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, "k0", r.Key)
		require.Len(t, r.Value, 50_000)
		n++
	}
	require.Equal(t, 1, n)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestCancelledScanAndClose(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "s"))
	var ops []ldapsync.StateOp
	for i := range 600 {
		ops = append(ops, ldapsync.StateOp{Key: fmt.Sprint("k", i)})
	}
	require.NoError(t, s.Commit(t.Context(), ops))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range s.Scan(ctx, "") {
		cancel()
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	_, err := s.Get(ctx, "k0")
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range s.Scan(t.Context(), "") {
		last = err
		require.NoError(t, s.Close())
	}
	require.ErrorContains(t, last, "closed", "a scan that outlives its state ends with an error")
}

// TestMain is also the program that the crash test kills: it commits as fast as it can and says what is
// durable.
func TestMain(m *testing.M) {
	if path := os.Getenv("BOLTSTATE_CRASH_PATH"); path != "" {
		os.Exit(crash(path))
	}
	os.Exit(m.Run())
}

const crashKeys = 20

func crash(path string) int {
	ctx := context.Background()
	s, err := boltstate.Open(path, boltstate.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	first := 1
	if v, err := s.Get(ctx, "key0"); err == nil {
		n, _, _ := strings.Cut(string(v), " ")
		first, _ = strconv.Atoi(n)
	}
	for i := first; ; i++ {
		var ops []ldapsync.StateOp
		for k := range crashKeys {
			// Values of changing length move the pages about.
			ops = append(ops, ldapsync.StateOp{Key: fmt.Sprint("key", k), Value: fmt.Append(nil, i, " ", strings.Repeat("x", i*37%3000))})
		}
		if err := s.Commit(ctx, ops); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(i)
	}
}

// TestCrash kills a process that commits, again and again, and looks at what is left: every commit is wholly
// there or not at all, and none that was reported is lost. (A process that ends does not lose what the kernel
// has; that commits survive a power cut rests on bbolt's fsync.)
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes; not with -short")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "s")
	open(t, path).Close()
	for round := range 8 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), "BOLTSTATE_CRASH_PATH="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(t, lines.Scan(), "the first commit")
		go func() {
			time.Sleep(time.Duration(round*7) * time.Millisecond)
			_ = cmd.Process.Kill()
		}()
		durable := 0
		for {
			durable, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
			if !lines.Scan() || !isNumber(lines.Text()) {
				break
			}
		}
		_ = cmd.Wait()

		s := open(t, path)
		require.NoError(t, s.Verify(t.Context()))
		seen := map[string]int{}
		n := 0
		for r, err := range s.Scan(t.Context(), "key") {
			require.NoError(t, err)
			seen[string(r.Value)]++
			n++
		}
		require.Equal(t, crashKeys, n)
		require.Len(t, seen, 1, "all keys are of one commit")
		for v := range seen {
			text, _, _ := strings.Cut(v, " ")
			last, err := strconv.Atoi(text)
			require.NoError(t, err)
			require.GreaterOrEqual(t, last, durable)
			require.LessOrEqual(t, last, durable+1, "a commit is reported before the next one")
		}
		require.NoError(t, s.Close())
	}
}

func isNumber(s string) bool { _, err := strconv.Atoi(s); return err == nil }

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("ops=%d", n), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "s"))
			var ops []ldapsync.StateOp
			for i := range n {
				ops = append(ops, ldapsync.StateOp{Key: fmt.Sprintf("owner/%06d", i), Value: bytes.Repeat([]byte("v"), 200)})
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Commit(context.Background(), ops); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	const n = 100_000
	s := open(b, filepath.Join(b.TempDir(), "s"))
	var ops []ldapsync.StateOp
	for i := range n {
		ops = append(ops, ldapsync.StateOp{Key: fmt.Sprintf("owner/%06d", i), Value: bytes.Repeat([]byte("v"), 200)})
	}
	require.NoError(b, s.Commit(context.Background(), ops))
	b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			got := 0
			for _, err := range s.Scan(context.Background(), "owner/") {
				if err != nil {
					b.Fatal(err)
				}
				got++
			}
			if got != n {
				b.Fatal(got)
			}
		}
	})
}

func Example() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "boltstate")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "engine.state")

	s, err := boltstate.Open(path, boltstate.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = s.Commit(ctx, []ldapsync.StateOp{{Key: "cycle", Value: []byte("1")}})

	_, err = boltstate.Open(path, boltstate.Options{Timeout: time.Millisecond})
	fmt.Println(errors.Is(err, ldapsync.ErrStateInUse))

	_ = s.Close()
	s, _ = boltstate.Open(path, boltstate.Options{})
	defer s.Close()
	v, err := s.Get(ctx, "cycle")
	fmt.Println(string(v), err)
	// Output:
	// true
	// 1 <nil>
}
