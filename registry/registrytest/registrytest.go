// Package registrytest helps to test code that works on registries without having one: a registry in a literal,
// comparison with a readable difference, and golden files.
//
//	snap := registrytest.Map{
//		`HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters`: {"MaxFieldLength": registry.DWord(65534)},
//	}.Snapshot(t)
//	registrytest.Drift(t, registry.HTTPSys(), snap, `missing HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\MaxRequestBytes`)
//
// It does not imitate Windows: links such as CurrentControlSet and redirection to WOW6432Node are the caller's to
// write down.
package registrytest

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.internal/hybridkit/registry"
)

// A Map is a registry in a literal: full paths of keys, with a long or short root, to their values by name. The name
// "" is the default value; a key without values exists too.
type Map map[string]map[string]registry.Value

// Source is the Origin.Source of all values of a Map.
const Source = "registrytest"

// Snapshot returns the registry that m describes, with keys and values in the order of their names. A path
// without a known root fails the test.
func (m Map) Snapshot(t testing.TB) *registry.Snapshot {
	t.Helper()
	snap := new(registry.Snapshot)
	line := 0
	apply := func(e registry.Entry) {
		line++
		e.Pos.Line = line
		if err := snap.Apply(e, Source); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range sorted(m) {
		p, err := registry.ParsePath(key)
		if err != nil {
			t.Fatal(err)
		}
		apply(registry.Entry{Op: registry.CreateKey, Path: p})
		for _, name := range sorted(m[key]) {
			apply(registry.Entry{Op: registry.Set, Path: p, Name: name, Value: m[key][name]})
		}
	}
	return snap
}

func sorted[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(strings.Compare(registry.Fold(a), registry.Fold(b)), strings.Compare(a, b))
	})
}

// Collect reads all entries of a decoder and fails the test on the first error.
func Collect(t testing.TB, entries iter.Seq2[registry.Entry, error]) *registry.Snapshot {
	t.Helper()
	snap := new(registry.Snapshot)
	for e, err := range entries {
		if err == nil {
			err = snap.Apply(e, Source)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return snap
}

// Dump returns the values of snap as text, one line each, sorted by path and name: the form for golden files.
func Dump(snap *registry.Snapshot) string {
	var lines []string
	for it := range snap.All() {
		lines = append(lines, fmt.Sprintf("%s\\%s %v %v\n", it.Path.Short(), registry.ValueName(it.Name), it.Value.Type, it.Value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Equal fails the test if the two registries differ, and says how: the changes that turn got into want. Spelling,
// order and origin do not count.
func Equal(t testing.TB, want, got *registry.Snapshot) {
	t.Helper()
	if d := registry.Diff(got, want); len(d) > 0 {
		var b strings.Builder
		for _, e := range d {
			fmt.Fprintf(&b, "\n  %v", e)
		}
		t.Errorf("the registry differs from what is wanted; missing changes:%s", b.String())
	}
}

// Drift fails the test unless schema finds exactly the given drifts in snap, in any order. A drift is written as
// its kind, a blank, the short path, a backslash and the value name:
//
//	placeholder HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP\SignatureTemplate
func Drift(t testing.TB, schema registry.Schema, snap *registry.Snapshot, want ...string) {
	t.Helper()
	var got []string
	for d := range schema.Drift(snap) {
		got = append(got, fmt.Sprintf(`%v %s\%s`, d.Kind, d.Path.Short(), registry.ValueName(d.Name)))
	}
	want = slices.Clone(want)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("schema %s finds\n\t%s\nwant\n\t%s", schema.Name, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// Golden compares got with the file name, byte by byte. With the environment variable REGISTRYTEST_UPDATE=1 it writes
// the file instead.
func Golden(t testing.TB, name string, got []byte) {
	t.Helper()
	if os.Getenv("REGISTRYTEST_UPDATE") == "1" {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v; run the test with REGISTRYTEST_UPDATE=1 to create it", err)
	}
	if at := differ(want, got); at >= 0 {
		t.Errorf("%s differs at byte %d: want %q, got %q; REGISTRYTEST_UPDATE=1 accepts the new bytes", name, at, window(want, at), window(got, at))
	}
}

// differ returns the first place where a and b differ, -1 if they are equal.
func differ(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}

func window(b []byte, at int) []byte { return b[max(0, at-20):min(len(b), at+20)] }
