package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regfile"
)

// A fake is a registry in memory that can fail, so that the transaction is tested on every system.
type fake struct {
	s       registry.Snapshot
	failAt  int // number of the writing call that fails; 0: none
	broken  bool
	writes  int
	links   []registry.Path
	ignores string // a value name whose writes are accepted and forgotten
	onWrite func()
}

func (f *fake) write(e registry.Entry, op string) error {
	f.writes++
	if f.onWrite != nil {
		f.onWrite()
	}
	if f.writes == f.failAt || f.broken && f.writes > f.failAt && f.failAt > 0 {
		return &KeyError{Op: op, Path: e.Path, Name: e.Name, Err: errors.New("access is denied")}
	}
	if e.Name != "" && e.Name == f.ignores {
		return nil
	}
	return f.s.Apply(e, "")
}

func (f *fake) key(p registry.Path) (values []registry.Item, subs []string, ok bool, err error) {
	return slices.Collect(f.s.Values(p)), slices.Collect(f.s.Subkeys(p)), f.s.HasKey(p), nil
}

func (f *fake) link(p registry.Path) (bool, error) { return slices.Contains(f.links, p), nil }

func (f *fake) create(p registry.Path) error {
	return f.write(registry.Entry{Op: registry.CreateKey, Path: p}, "create")
}

func (f *fake) set(p registry.Path, name string, v registry.Value) error {
	if !f.s.HasKey(p) {
		return &KeyError{Op: "set", Path: p, Name: name, Err: errors.New("no such key")}
	}
	return f.write(registry.Entry{Op: registry.Set, Path: p, Name: name, Value: v}, "set")
}

func (f *fake) deleteValue(p registry.Path, name string) error {
	return f.write(registry.Entry{Op: registry.DeleteValue, Path: p, Name: name}, "delete value")
}

func (f *fake) deleteKey(p registry.Path) error {
	if len(slices.Collect(f.s.Subkeys(p))) > 0 {
		return &KeyError{Op: "delete key", Path: p, Err: errors.New("it has sub keys")}
	}
	return f.write(registry.Entry{Op: registry.DeleteKey, Path: p}, "delete key")
}

func (f *fake) all() (list []string) {
	for e := range f.s.Entries() {
		list = append(list, e.String())
	}
	slices.Sort(list)
	return list
}

var top = registry.HKLM(`SOFTWARE\Ashdown`)

func filled() *fake {
	f := new(fake)
	for _, e := range []registry.Entry{
		{Op: registry.CreateKey, Path: registry.HKLM("SOFTWARE")},
		{Op: registry.CreateKey, Path: top},
		{Op: registry.Set, Path: top, Name: "kept", Value: registry.DWord(1)},
		{Op: registry.Set, Path: top, Name: "changed", Value: registry.String("old")},
		{Op: registry.Set, Path: top.Join(`Old\Deep`), Name: "v", Value: registry.Binary([]byte{1, 2, 3})},
		{Op: registry.CreateKey, Path: top.Join(`Old`)},
		{Op: registry.Set, Path: top.Join(`Cleared`), Name: "a", Value: registry.QWord(1)},
		{Op: registry.Set, Path: top.Join(`Cleared`), Name: "b", Value: registry.Value{Type: registry.TypeDWord, Data: []byte{1, 2}}},
	} {
		if err := f.s.Apply(e, ""); err != nil {
			panic(err)
		}
	}
	return f
}

func changes() registry.Delta {
	return registry.Delta{
		{Op: registry.Note, Note: "nothing"},
		{Op: registry.Set, Path: top, Name: "changed", Value: registry.String("new")},
		{Op: registry.Set, Path: top.Join(`New\Deep`), Name: "v", Value: registry.DWord(2)},
		{Op: registry.SetIfAbsent, Path: top, Name: "KEPT", Value: registry.DWord(99)},
		{Op: registry.SetIfAbsent, Path: top, Name: "absent", Value: registry.DWord(3)},
		{Op: registry.DeleteKey, Path: top.Join("Old")},
		{Op: registry.ClearValues, Path: top.Join("Cleared")},
		{Op: registry.DeleteValue, Path: top, Name: "never there"},
		{Op: registry.CreateKey, Path: top.Join("Empty")},
	}
}

func TestApply(t *testing.T) {
	f := filled()
	was := f.all()
	want := f.s.Clone()
	require.NoError(t, changes().Apply(want, ""))
	var rollback bytes.Buffer
	undo, err := apply(t.Context(), f, changes(), Options{Rollback: &rollback})
	require.NoError(t, err)
	require.Empty(t, registry.Diff(want, &f.s))
	require.Empty(t, registry.Diff(&f.s, want))
	now := f.all()

	// Twice is once.
	_, err = apply(t.Context(), f, changes(), Options{})
	require.NoError(t, err)
	require.Equal(t, now, f.all())

	// The file takes everything back, and so does undo.
	g := &fake{s: *f.s.Clone()}
	for e, err := range regfile.Decode(&rollback) {
		require.NoError(t, err)
		require.NoError(t, g.s.Apply(e, ""))
	}
	require.Equal(t, was, g.all())
	_, err = apply(t.Context(), f, undo, Options{})
	require.NoError(t, err)
	require.Equal(t, was, f.all())
}

// Whichever write fails, the registry is afterwards as it was.
func TestFailureTakesBack(t *testing.T) {
	f := filled()
	_, err := apply(t.Context(), f, changes(), Options{})
	require.NoError(t, err)
	for i := 1; i <= f.writes; i++ {
		t.Run(fmt.Sprintf("write %d", i), func(t *testing.T) {
			f := filled()
			was := f.all()
			f.failAt = i
			undo, err := apply(t.Context(), f, changes(), Options{})
			ae, ok := errors.AsType[*ApplyError](err)
			require.True(t, ok, "%v", err)
			require.NoError(t, ae.Rollback)
			require.ErrorContains(t, err, "all changes were taken back")
			_, ok = errors.AsType[*KeyError](err)
			require.True(t, ok)
			require.NotEmpty(t, undo)
			require.Equal(t, was, f.all())
		})
	}
}

func TestRollbackCanFailToo(t *testing.T) {
	f := filled()
	f.failAt, f.broken = 4, true
	_, err := apply(t.Context(), f, changes(), Options{})
	ae, ok := errors.AsType[*ApplyError](err)
	require.True(t, ok)
	require.Error(t, ae.Rollback)
	require.ErrorContains(t, err, "could not be taken back")
}

func TestCancelTakesBack(t *testing.T) {
	f := filled()
	was := f.all()
	ctx, cancel := context.WithCancel(t.Context())
	f.onWrite = func() {
		if f.writes == 3 {
			cancel()
		}
	}
	_, err := apply(ctx, f, changes(), Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, was, f.all())

	f = filled()
	_, err = apply(ctx, f, changes(), Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, f.writes)
}

func TestVerify(t *testing.T) {
	f := filled()
	was := f.all()
	f.ignores = "changed"
	_, err := apply(t.Context(), f, changes(), Options{})
	require.ErrorContains(t, err, `value "changed" did not keep the change`)
	require.Equal(t, was, f.all())
}

func TestRefused(t *testing.T) {
	for _, e := range []registry.Entry{
		{Op: registry.SecureKey, Path: top, Value: registry.DWord(1)},
		{Op: registry.Set, Path: registry.Path{Key: "SOFTWARE"}, Name: "x", Value: registry.DWord(1)},
		{Op: registry.DeleteKey, Path: registry.HKLM("")},
		{Op: registry.Set, Path: top, Name: "a\x00b", Value: registry.DWord(1)},
		{Path: top},
	} {
		f := filled()
		_, err := apply(t.Context(), f, registry.Delta{{Op: registry.Set, Path: top, Name: "x", Value: registry.DWord(1)}, e}, Options{})
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorContains(t, err, "change 2")
		require.Zero(t, f.writes)
	}
}

func TestLinksAreNotDeleted(t *testing.T) {
	f := filled()
	f.links = []registry.Path{top.Join(`Old\Deep`)}
	_, err := apply(t.Context(), f, changes(), Options{})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, `HKLM\SOFTWARE\Ashdown\Old\Deep is a symbolic link`)
	require.Zero(t, f.writes)
}

type syncer struct {
	io.Writer
	err    error
	synced bool
}

func (s *syncer) Sync() error { s.synced = true; return s.err }

func TestRollbackFileComesFirst(t *testing.T) {
	f := filled()
	w := &syncer{Writer: io.Discard, err: errors.New("disk full")}
	_, err := apply(t.Context(), f, changes(), Options{Rollback: w})
	require.ErrorContains(t, err, "disk full")
	require.True(t, w.synced)
	require.Zero(t, f.writes, "without the file nothing is changed")
}

func TestRead(t *testing.T) {
	f := filled()
	s, err := read(t.Context(), f, []registry.Path{top, registry.HKLM(`SOFTWARE\Missing`)}, Options{})
	require.NoError(t, err)
	it, ok := s.Get(top.Join(`old\DEEP`), "V")
	require.True(t, ok)
	require.Equal(t, registry.Binary([]byte{1, 2, 3}), it.Value)
	require.Equal(t, "live registry", it.Origin.Source)
	require.False(t, s.HasKey(registry.HKLM(`SOFTWARE\Missing`)))
	_, err = read(t.Context(), f, []registry.Path{{Key: "x"}}, Options{})
	require.ErrorContains(t, err, "no root key")
}

func TestUnsupported(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has a registry")
	}
	_, err := Read(t.Context(), []registry.Path{top}, Options{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = Apply(t.Context(), changes(), Options{})
	ue, ok := errors.AsType[*UnsupportedError](err)
	require.True(t, ok)
	require.Equal(t, runtime.GOOS, ue.GOOS)
}
