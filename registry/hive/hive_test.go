package hive_test

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/hive"
)

// flatten returns what Entries should yield for k.
func flatten(k *tkey, path string) (out []registry.Entry) {
	p := registry.Path{Key: path}
	out = append(out, registry.Entry{Op: registry.CreateKey, Path: p})
	for _, v := range k.values {
		out = append(out, registry.Entry{Op: registry.Set, Path: p, Name: v.name, Value: registry.Value{Type: v.typ, Data: v.data}})
	}
	for _, s := range k.subs {
		out = append(out, flatten(s, p.Join(s.name).Key)...)
	}
	return out
}

func collect(t testing.TB, seq iter.Seq2[registry.Entry, error]) (out []registry.Entry) {
	t.Helper()
	for e, err := range seq {
		require.NoError(t, err)
		if e.Op != registry.CreateKey {
			require.NotZero(t, e.Pos.Offset)
		}
		e.Pos = registry.Pos{}
		out = append(out, e)
	}
	return out
}

func requireEntries(t testing.TB, want, got []registry.Entry) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		w, g := want[i], got[i]
		require.Truef(t, w.Op == g.Op && w.Path == g.Path && w.Name == g.Name && w.Value.Equal(g.Value), "entry %d:\nwant %v\ngot  %v", i, w, g)
	}
}

func TestEntries(t *testing.T) {
	got := collect(t, hive.Decode(bytes.NewReader(build(sample()))))
	requireEntries(t, flatten(sample(), ""), got)

	mounted := collect(t, hive.Decoder{Root: registry.HKLM("SYSTEM")}.Decode(bytes.NewReader(build(sample()))))
	require.Equal(t, registry.HKLM(`SYSTEM\Beta\Two\Deep`), mounted[len(mounted)-2].Path)
}

func TestKeyMethods(t *testing.T) {
	h, err := hive.Open(build(sample()), hive.Options{})
	require.NoError(t, err)
	require.Equal(t, `\config\TEST`, h.Header.FileName)
	require.False(t, h.Header.Dirty())
	root, err := h.Root()
	require.NoError(t, err)
	require.Equal(t, "ROOT", root.Name())

	k, err := h.Lookup(`beta\TWO\deep`)
	require.NoError(t, err)
	require.Equal(t, "Deep", k.Name())
	require.Equal(t, time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), k.Written())
	sd, err := k.Security()
	require.NoError(t, err)
	require.Equal(t, []byte{1, 0, 4, 0x80}, sd)

	k, err = h.Lookup("ALPHA")
	require.NoError(t, err)
	class, err := k.Class()
	require.NoError(t, err)
	require.Equal(t, "Ashdown class", class)
	v, err := k.Value("INLINE3")
	require.NoError(t, err)
	data, err := v.Data()
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3}, data, "three bytes inline are three bytes")

	_, err = k.Value("nothing")
	require.ErrorIs(t, err, hive.ErrNotFound)
	_, err = h.Lookup(`Alpha\Nothing`)
	require.ErrorIs(t, err, hive.ErrNotFound)
}

func TestMount(t *testing.T) {
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"ControlSet001", "Select"}, `HKLM\SYSTEM`},
		{[]string{"CLASSES", "Microsoft", "Policies"}, `HKLM\SOFTWARE`},
		{[]string{"Control Panel", "Environment", "Software"}, `HKCU`},
		{[]string{"Something", "Else"}, ``},
	} {
		root := &tkey{name: "r"}
		for _, k := range c.keys {
			root.subs = append(root.subs, &tkey{name: k})
		}
		h, err := hive.Open(build(root), hive.Options{})
		require.NoError(t, err)
		p, ok := h.Mount()
		require.Equal(t, c.want, p.Short())
		require.Equal(t, c.want != "", ok)
	}
}

// find returns the place of the nth occurrence of sig as the signature of a cell.
func find(t *testing.T, b []byte, sig string, nth int) int {
	t.Helper()
	for i := 4096 + 32; i < len(b); {
		n := int(int32(le.Uint32(b[i:])))
		if n < 0 {
			n = -n
			if string(b[i+4:i+6]) == sig {
				if nth--; nth == 0 {
					return i + 4
				}
			}
		}
		i += n
	}
	t.Fatalf("no %s", sig)
	return 0
}

func TestCorrupt(t *testing.T) {
	nk := func(b []byte, nth int) []byte { return b[find(t, b, "nk", nth):] }
	for _, c := range []struct {
		name  string
		wreck func([]byte) []byte
		want  string // part of the error
	}{
		{"bins beyond the file", func(b []byte) []byte { return b[:len(b)-4096] }, "4096 bytes before the end"},
		{"no bin", func(b []byte) []byte { b[4096] = 'x'; return b }, "no hbin signature"},
		{"bin size", func(b []byte) []byte { le.PutUint32(b[4096+8:], 4097); return b }, "its size is 4097"},
		{"bin place", func(b []byte) []byte { le.PutUint32(b[4096+4:], 4096); return b }, "it says it is at 0x1000"},
		{"cell size 0", func(b []byte) []byte { le.PutUint32(b[4096+32:], 0); return b }, "its size is 0"},
		{"cell size wraps", func(b []byte) []byte { le.PutUint32(b[4096+32:], 0x80000000); return b }, "cell"},
		{"root in mid-cell", func(b []byte) []byte { le.PutUint32(b[36:], le.Uint32(b[36:])+8); sum(b); return b }, "no allocated cell"},
		{"root far away", func(b []byte) []byte { le.PutUint32(b[36:], 0xFFFFFFF8); sum(b); return b }, "no allocated cell"},
		{"nk signature", func(b []byte) []byte { nk(b, 1)[0] = 'x'; return b }, "nk"},
		{"nk name", func(b []byte) []byte { le.PutUint16(nk(b, 1)[72:], 60000); return b }, "name of 60000 bytes"},
		{"sub-key count", func(b []byte) []byte { le.PutUint32(nk(b, 4)[20:], 1<<30); return b }, "sub-keys, the hive has room"},
		{"fewer sub-keys", func(b []byte) []byte { le.PutUint32(nk(b, 4)[20:], 2); return b }, "2 sub-keys, 1 are listed"},
		{"list signature", func(b []byte) []byte { b[find(t, b, "li", 1)] = 'x'; return b }, `signature "xi"`},
		{"list count", func(b []byte) []byte { le.PutUint16(b[find(t, b, "li", 1)+2:], 9999); return b }, "9999 entries"},
		{"cycle", func(b []byte) []byte {
			le.PutUint32(b[find(t, b, "lf", 1)+4:], le.Uint32(b[36:])) // Deep becomes the root
			return b
		}, "listed twice"},
		{"value count", func(b []byte) []byte { le.PutUint32(nk(b, 1)[36:], 5000); return b }, "5000 values in"},
		{"vk signature", func(b []byte) []byte { b[find(t, b, "vk", 3)] = 'x'; return b }, "vk"},
		{"vk name", func(b []byte) []byte { le.PutUint16(b[find(t, b, "vk", 3)+2:], 60000); return b }, "name of 60000 bytes"},
		{"inline of 5", func(b []byte) []byte { le.PutUint32(b[find(t, b, "vk", 4)+4:], 1<<31|5); return b }, "5 bytes of data in a field of 4"},
		{"data too long", func(b []byte) []byte { le.PutUint32(b[find(t, b, "vk", 9)+4:], 16000); return b }, "16000 bytes in a cell of"},
		{"data nowhere", func(b []byte) []byte { le.PutUint32(b[find(t, b, "vk", 9)+8:], 4); return b }, "no allocated cell"},
		{"segments missing", func(b []byte) []byte { le.PutUint16(b[find(t, b, "db", 1)+2:], 1); return b }, "16345 bytes in 1 segments"},
		{"segment short", func(b []byte) []byte {
			b2 := b[find(t, b, "db", 2)+4:]
			list := 4096 + 4 + int(le.Uint32(b2))
			copy(b[list:], b[list+12:list+16]) // the short last segment first
			return b
		}, "segment 1 has"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.wreck(build(sample()))
			var first error
			for _, err := range hive.Decode(bytes.NewReader(b)) {
				if err != nil {
					require.NoError(t, first, "a strict decoder stops at the first error")
					first = err
				}
			}
			require.ErrorIs(t, first, hive.ErrCorrupt)
			require.ErrorContains(t, first, c.want)
			var se *registry.SyntaxError
			require.ErrorAs(t, first, &se)
			require.NotZero(t, se.Pos.Offset)

			// A tolerant decoder reports it too, and never fails to end.
			n, errs := 0, 0
			for _, err := range (hive.Decoder{Tolerant: true}).Decode(bytes.NewReader(b)) {
				if n++; err != nil {
					errs++
				}
			}
			require.NotZero(t, errs)
		})
	}
}

func TestTolerantKeepsTheRest(t *testing.T) {
	b := build(sample())
	b[find(t, b, "vk", 3)] = 'x' // the second value of Alpha
	var got []string
	for e, err := range (hive.Decoder{Tolerant: true}).Decode(bytes.NewReader(b)) {
		if err == nil && e.Op == registry.Set {
			got = append(got, e.Name)
		}
	}
	require.Len(t, got, 13)
	require.NotContains(t, got, "inline0")
}

func TestNotHive(t *testing.T) {
	for _, in := range []string{"", "regf", strings.Repeat("x", 5000), "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00", 600)} {
		_, err := hive.Open([]byte(in), hive.Options{Tolerant: true})
		require.ErrorIs(t, err, hive.ErrNotHive)
	}
	b := build(sample())
	le.PutUint32(b[24:], 2)
	sum(b)
	_, err := hive.Open(b, hive.Options{})
	require.ErrorIs(t, err, hive.ErrVersion)
	for _, err := range (hive.Decoder{MaxBytes: 5000}).Decode(bytes.NewReader(build(sample()))) {
		require.ErrorContains(t, err, "more than 5000 bytes")
	}
}

func TestPredefinedHandle(t *testing.T) {
	b := build(&tkey{name: "r", subs: []*tkey{{name: "Perflib", subs: []*tkey{{name: "009"}}}}})
	nk := b[find(t, b, "nk", 1):] // keys are written from the bottom up
	nk[2] |= 0x40
	le.PutUint32(nk[36:], 0x80000050)
	require.Len(t, collect(t, hive.Decode(bytes.NewReader(b))), 3)
}

// Sharing cells must not make the work grow with the square of the size.
func TestSharedListsAreRefused(t *testing.T) {
	root := &tkey{name: "r"}
	for i := range 3000 {
		root.subs = append(root.subs, &tkey{name: fmt.Sprintf("k%04d", i), subs: []*tkey{{name: "s"}}})
	}
	b := build(root)
	list, count := uint32(0), uint32(0)
	for i := range 3001 { // the root's record comes last: let all keys use the list of the last before it
		off := find(t, b[:], "nk", 6001-i)
		if i == 0 {
			list, count = le.Uint32(b[off+28:]), le.Uint32(b[off+20:])
			continue
		}
		if i > 300 {
			break
		}
		le.PutUint32(b[off+28:], list)
		le.PutUint32(b[off+20:], count)
	}
	entries, errs := 0, 0
	for _, err := range (hive.Decoder{Tolerant: true}).Decode(bytes.NewReader(b)) {
		if err == nil {
			entries++
		} else {
			errs++
		}
	}
	require.Less(t, entries, 6002)
	require.Less(t, errs, 1000)
	require.NotZero(t, errs)
}

func TestStopEarly(t *testing.T) {
	for n := range 20 {
		i := 0
		for range hive.Decode(bytes.NewReader(build(sample()))) {
			if i++; i > n {
				break
			}
		}
		require.Equal(t, n+1, i)
	}
}

func TestSnapshotOfSystemHive(t *testing.T) {
	dword := func(n string, v uint32) tvalue {
		return tvalue{name: n, typ: 4, data: registry.DWord(v).Data, inline: true}
	}
	param := func(set string, v uint32) *tkey {
		return &tkey{name: set, subs: []*tkey{{name: "Services", subs: []*tkey{{name: "HTTP", subs: []*tkey{
			{name: "Parameters", values: []tvalue{dword("MaxFieldLength", v)}}}}}}}}
	}
	b := build(&tkey{name: "SYSTEM", subs: []*tkey{param("ControlSet001", 16384), param("ControlSet002", 65534),
		{name: "Select", values: []tvalue{dword("Current", 2)}}}})
	s, err := registry.Collect("SYSTEM", hive.Decoder{Guess: true}.Decode(bytes.NewReader(b)))
	require.NoError(t, err)
	p := s.Resolve(registry.HKLM(`SYSTEM\CurrentControlSet\Services\HTTP\Parameters`))
	it, ok := s.Get(p, "maxfieldlength")
	require.True(t, ok)
	require.Equal(t, registry.DWord(65534), it.Value)
}

func FuzzDecode(f *testing.F) {
	f.Add(build(sample()))
	f.Add(build(&tkey{name: "r"}))
	f.Add(build(&tkey{name: "r", list: "ri", subs: []*tkey{{name: "a"}, {name: "b", values: []tvalue{{name: "v", typ: 3, data: pattern(40)}}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		total, entries := 0, 0
		for e := range (hive.Decoder{Tolerant: true}).Decode(bytes.NewReader(b)) {
			total += len(e.Value.Data)
			entries++
		}
		// Every cell is used once, so there cannot be more of anything than bytes.
		if total > len(b) || entries > len(b)+1000 {
			t.Fatalf("%d bytes of data in %d entries from %d bytes", total, entries, len(b))
		}
		h, err := hive.Open(b, hive.Options{})
		if err != nil {
			return
		}
		if root, err := h.Root(); err == nil {
			for k, err := range root.Subkeys() {
				if err == nil {
					_, _ = k.Class()
					_, _ = k.Security()
					k.Written()
				}
			}
		}
		// What the strict reader accepts, the tolerant one reads in the same way.
		strict := slices.Collect(firsts(h.Entries(registry.Path{})))
		tol, _ := hive.Open(b, hive.Options{Tolerant: true})
		loose := slices.Collect(firsts(tol.Entries(registry.Path{})))
		if len(loose) < len(strict) {
			t.Fatalf("tolerant %d, strict %d", len(loose), len(strict))
		}
	})
}

func firsts(seq iter.Seq2[registry.Entry, error]) iter.Seq[registry.Entry] {
	return func(yield func(registry.Entry) bool) {
		for e, err := range seq {
			if err == nil && !yield(e) {
				return
			}
		}
	}
}
