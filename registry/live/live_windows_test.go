package live_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/live"
	"go.internal/hybridkit/registry/regfile"
	"go.internal/hybridkit/registry/regquery"
)

// tempFile makes an empty file. (Wine 8 cannot remove the folder that T.TempDir makes.)
func tempFile(t *testing.T, name string) *os.File {
	f, err := os.CreateTemp("", name+"-*.reg")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.Remove(f.Name()) })
	return f
}

// scratch returns a key of its own below HKCU that is removed afterwards.
func scratch(t *testing.T) registry.Path {
	p := registry.HKCU(fmt.Sprintf(`Software\hybridkit-test-%d-%s`, os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-")))
	t.Cleanup(func() {
		_, err := live.Apply(t.Context(), registry.Delta{{Op: registry.DeleteKey, Path: p}}, live.Options{})
		if err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return p
}

// everything sets values of every type, some with data that does not fit, below p.
func everything(p registry.Path) registry.Delta {
	set := func(key, name string, v registry.Value) registry.Entry {
		return registry.Entry{Op: registry.Set, Path: p.Join(key), Name: name, Value: v}
	}
	raw := func(t registry.Type, b ...byte) registry.Value { return registry.Value{Type: t, Data: b} }
	return registry.Delta{
		{Op: registry.CreateKey, Path: p},
		set("", "", registry.String("default")),
		set("", "text", registry.String(`C:\Ashdown "Vale" = ; [x]`)),
		set("", "ünïcødé €", registry.String("Żółć 😀")),
		set("", "empty text", registry.String("")),
		set("", "no NUL", raw(registry.TypeSZ, 'a', 0)),
		set("", "odd", raw(registry.TypeSZ, 'a', 0, 'b')),
		set("", "line break", registry.String("a\r\nb")),
		set("", "expand", registry.ExpandString(`%SystemRoot%\x`)),
		set("", "none", raw(registry.TypeNone)),
		set("", "binary", registry.Binary(bytes.Repeat([]byte{0, 15, 255}, 100))),
		set("", "large", registry.Binary(bytes.Repeat([]byte("Ashdown "), 4000))),
		set("", "number", registry.DWord(0xFFFE)),
		set("", "short number", raw(registry.TypeDWord, 1, 2)),
		set("", "big endian", raw(registry.TypeDWordBigEndian, 0, 0, 1, 0)),
		set("", "long number", registry.QWord(1<<40)),
		set("", "list", registry.Strings("one", "two three")),
		set("", "empty list", registry.Strings()),
		set("", "strange", raw(0x12345, 1, 2, 3)),
		set(`Sub\Deep`, "v", registry.DWord(1)),
		set(`Sub/with slash`, "v", registry.DWord(2)),
		{Op: registry.CreateKey, Path: p.Join("Empty")},
	}
}

func equal(t *testing.T, want, got *registry.Snapshot) {
	t.Helper()
	for _, e := range append(registry.Diff(want, got), registry.Diff(got, want)...) {
		t.Errorf("differs: %v", e)
	}
}

func TestApplyAndRead(t *testing.T) {
	p := scratch(t)
	d := append(everything(p), registry.Entry{Op: registry.Set, Path: p.Join("lone \xed\xa0\x80 key"), Name: "lone \xed\xb0\x80", Value: registry.DWord(1)})
	want := new(registry.Snapshot)
	require.NoError(t, d.Apply(want, ""))
	var rollback bytes.Buffer
	undo, err := live.Apply(t.Context(), d, live.Options{Rollback: &rollback})
	require.NoError(t, err)
	got, err := live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	equal(t, want, got)

	change := registry.Delta{
		{Op: registry.DeleteKey, Path: p.Join("Sub")},
		{Op: registry.ClearValues, Path: p},
		{Op: registry.Set, Path: p.Join(`New\Key`), Name: "n", Value: registry.DWord(3)},
		{Op: registry.SetIfAbsent, Path: p.Join(`Sub/with slash`), Name: "V", Value: registry.DWord(9)},
	}
	f := tempFile(t, "rollback")
	file := f.Name()
	_, err = live.Apply(t.Context(), change, live.Options{Rollback: f})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	got, err = live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	changed := want.Clone()
	require.NoError(t, change.Apply(changed, ""))
	equal(t, changed, got)

	// The system's own program takes the change back with the file.
	out, err := exec.Command("reg", "import", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	got, err = live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	for _, s := range []*registry.Snapshot{want, got} { // reg import adds the NUL that these lack
		for _, name := range []string{"no NUL", "odd"} {
			require.NoError(t, s.Apply(registry.Entry{Op: registry.DeleteValue, Path: p, Name: name}, ""))
		}
	}
	equal(t, want, got)

	_, err = live.Apply(t.Context(), undo, live.Options{})
	require.NoError(t, err)
	got, err = live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	require.False(t, got.HasKey(p))
}

func TestFailureTakesBackForReal(t *testing.T) {
	p := scratch(t)
	_, err := live.Apply(t.Context(), everything(p), live.Options{})
	require.NoError(t, err)
	was, err := live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	_, err = live.Apply(t.Context(), registry.Delta{
		{Op: registry.Set, Path: p, Name: "text", Value: registry.DWord(1)},
		{Op: registry.DeleteKey, Path: p.Join("Sub")},
		{Op: registry.Set, Path: p.Join("New"), Name: "n", Value: registry.DWord(1)},
		{Op: registry.Set, Path: p, Name: strings.Repeat("x", 20000), Value: registry.DWord(1)}, // longer than Windows allows
	}, live.Options{})
	ae, ok := errors.AsType[*live.ApplyError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, 3, ae.Change)
	require.NoError(t, ae.Rollback)
	now, err := live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	equal(t, was, now)
}

func TestView32(t *testing.T) {
	p := registry.HKLM(fmt.Sprintf(`SOFTWARE\hybridkit-test-%d`, os.Getpid()))
	set := registry.Delta{{Op: registry.Set, Path: p, Name: "n", Value: registry.DWord(32)}}
	undo, err := live.Apply(t.Context(), set, live.Options{View: registry.View32})
	if errors.Is(err, syscall.ERROR_ACCESS_DENIED) {
		t.Skip("HKLM can only be written by an administrator")
	}
	require.NoError(t, err)
	in32 := p.In(registry.View32)
	require.NotEqual(t, p, in32)
	s, err := live.Read(t.Context(), []registry.Path{p, in32}, live.Options{})
	require.NoError(t, err)
	require.False(t, s.HasKey(p), "64-bit programs do not see it")
	it, ok := s.Get(in32, "n")
	require.True(t, ok)
	require.Equal(t, registry.DWord(32), it.Value)
	_, err = live.Apply(t.Context(), undo, live.Options{View: registry.View32})
	require.NoError(t, err)
}

// noRollback fails, so that nothing can be changed.
type noRollback struct{}

func (noRollback) Write([]byte) (int, error) { return 0, errors.New("no change wanted") }

// CurrentControlSet is a link to one of the numbered sets on every Windows. Should it not be refused, the rollback
// file that cannot be written keeps it from being deleted.
func TestLinkIsRefused(t *testing.T) {
	p := registry.HKLM(`SYSTEM\CurrentControlSet`)
	_, err := live.Apply(t.Context(), registry.Delta{{Op: registry.DeleteKey, Path: p}}, live.Options{Rollback: noRollback{}})
	require.ErrorIs(t, err, live.ErrRefused)
	require.ErrorContains(t, err, "symbolic link")
}

// What reg export writes and our reader makes of it is what the registry holds.
func TestRegExport(t *testing.T) {
	p := scratch(t)
	_, err := live.Apply(t.Context(), everything(p), live.Options{})
	require.NoError(t, err)
	want, err := live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	f := tempFile(t, "export")
	require.NoError(t, f.Close())
	file := f.Name()
	out, err := exec.Command("reg", "export", p.Short(), file, "/y").CombinedOutput()
	require.NoError(t, err, "%s", out)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	got := new(registry.Snapshot)
	err = got.ApplyAll(file, regfile.Decoder{Tolerant: true}.Decode(bytes.NewReader(b)))
	// A string with a line break is exported raw and cannot be imported again, strings without NUL get one, and
	// Wine's reg exports a REG_DWORD of two bytes with two more that are not there. Everything else must agree.
	lost := []string{"line break", "no NUL", "odd", "short number"}
	if err != nil {
		t.Logf("reported, as it should be: %v", err)
	}
	compared := 0
	for it := range want.Below(p) {
		if slices.Contains(lost, it.Name) {
			continue
		}
		have, ok := got.Get(it.Path, it.Name)
		require.True(t, ok, "%s %s", it.Path, it.Name)
		require.True(t, it.Value.Equal(have.Value), "%s: registry %v, export %v", it.Name, it.Value, have.Value)
		compared++
	}
	require.Greater(t, compared, 14)
	for q := range want.Keys(p) {
		require.True(t, got.HasKey(q), "%v", q)
	}
}

// The same for reg query /s, as far as that form can say it.
func TestRegQuery(t *testing.T) {
	p := scratch(t)
	d := registry.Delta{{Op: registry.CreateKey, Path: p}}
	for _, e := range everything(p) {
		if slices.Contains([]string{"text", "empty text", "expand", "binary", "number", "list", ""}, e.Name) && e.Op == registry.Set {
			d = append(d, e)
		}
	}
	d = append(d, registry.Entry{Op: registry.Set, Path: p.Join(`Sub\Deep`), Name: "four    blanks", Value: registry.DWord(7)})
	_, err := live.Apply(t.Context(), d, live.Options{})
	require.NoError(t, err)
	want, err := live.Read(t.Context(), []registry.Path{p}, live.Options{})
	require.NoError(t, err)
	out, err := exec.Command("reg", "query", p.Short(), "/s").Output()
	require.NoError(t, err)
	got := new(registry.Snapshot)
	err = got.ApplyAll("reg query", regquery.Decoder{Tolerant: true}.Decode(bytes.NewReader(out)))
	if err != nil {
		t.Logf("reported: %v", err)
	}
	compared := 0
	for it := range want.Below(p) {
		have, ok := got.Get(it.Path, it.Name)
		require.True(t, ok, "%s %q in\n%s", it.Path, it.Name, out)
		require.True(t, it.Value.Equal(have.Value), "%s: registry %v, query %v", it.Name, it.Value, have.Value)
		compared++
	}
	require.Equal(t, 8, compared)
}

// The same for everything the system itself has below a large key. Values that the forms cannot carry are counted
// and must stay few.
func TestLargeKey(t *testing.T) {
	p := registry.HKLM(`SOFTWARE\Microsoft`)
	want, err := live.Read(t.Context(), []registry.Path{p}, live.Options{Tolerant: true})
	if err != nil {
		t.Logf("some keys cannot be read here: %v", err)
	}
	f := tempFile(t, "large")
	require.NoError(t, f.Close())
	out, err := exec.Command("reg", "export", p.Short(), f.Name(), "/y").CombinedOutput()
	require.NoError(t, err, "%s", out)
	export, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	query, err := exec.Command("reg", "query", p.Short(), "/s").Output()
	require.NoError(t, err)

	fromExport, errExport := registry.Collect("export", regfile.Decoder{Tolerant: true}.Decode(bytes.NewReader(export)))
	fromQuery, errQuery := registry.Collect("query", regquery.Decoder{Tolerant: true}.Decode(bytes.NewReader(query)))
	compared, lost := 0, map[string]int{}
	for it := range want.Below(p) {
		compared++
		if v, ok := fromExport.Get(it.Path, it.Name); !ok || !it.Value.Equal(v.Value) {
			if _, err := it.Value.Text(); err == nil || !ok {
				t.Errorf("export: %s %q is %v, not %v", it.Path, it.Name, v.Value, it.Value)
			}
			lost["export"]++
		}
		if v, ok := fromQuery.Get(it.Path, it.Name); !ok || !it.Value.Equal(v.Value) {
			lost["query"]++
			if lost["query"] < 10 {
				t.Logf("query: %s %q is %v, not %v", it.Path, it.Name, v.Value, it.Value)
			}
		}
	}
	t.Logf("%d values; the export lost %d (%v), the query %d (%v)", compared, lost["export"], errExport, lost["query"], errQuery)
	require.Greater(t, compared, 500)
	require.Less(t, lost["export"]*1000, compared, "fewer than one in a thousand")
	require.Less(t, lost["query"]*100, compared, "fewer than one in a hundred")
}
