package registry_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
)

func seq(list ...registry.Entry) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestSnapshotKeepsFirstSpellingAndLastData(t *testing.T) {
	p := registry.HKLM(`Software\Ashdown`)
	snap, err := registry.Collect("file", seq(
		registry.Entry{Op: registry.Set, Path: p, Name: "Value", Value: registry.DWord(1), Pos: registry.Pos{Line: 1}},
		registry.Entry{Op: registry.Set, Path: registry.HKLM(`SOFTWARE\ASHDOWN`), Name: "VALUE", Value: registry.DWord(2), Pos: registry.Pos{Line: 2}},
		registry.Entry{Op: registry.SetIfAbsent, Path: p, Name: "value", Value: registry.DWord(3), Pos: registry.Pos{Line: 3}},
		registry.Entry{Op: registry.SetIfAbsent, Path: p, Name: "other", Value: registry.DWord(4), Pos: registry.Pos{Line: 4}},
	))
	require.NoError(t, err)
	items := slices.Collect(snap.All())
	require.Len(t, items, 2)
	require.Equal(t, registry.Item{Path: p, Name: "Value", Value: registry.DWord(2), Origin: registry.Origin{Source: "file", Pos: registry.Pos{Line: 2}}}, items[0])
	require.Equal(t, "file: line 4", items[1].Origin.String())
	require.Equal(t, []string{"Ashdown"}, slices.Collect(snap.Subkeys(registry.HKLM("SOFTWARE"))))
	require.True(t, snap.HasKey(registry.HKLM("")))
	require.False(t, snap.HasKey(registry.HKCU("")))
}

func TestSnapshotDeletes(t *testing.T) {
	p := registry.HKLM(`A\B`)
	base := []registry.Entry{
		{Op: registry.Set, Path: p, Name: "x", Value: registry.DWord(1)}, {Op: registry.Set, Path: p, Name: "y", Value: registry.DWord(2)},
		{Op: registry.Set, Path: p.Join("C"), Name: "z", Value: registry.DWord(3)}, {Op: registry.Note, Note: "x"}, {Op: registry.SecureKey, Path: p},
	}
	for name, tt := range map[string]struct {
		e    registry.Entry
		left []string
	}{
		"value":         {registry.Entry{Op: registry.DeleteValue, Path: p, Name: "X"}, []string{"y", "z"}},
		"missing value": {registry.Entry{Op: registry.DeleteValue, Path: p, Name: "none"}, []string{"x", "y", "z"}},
		"missing key":   {registry.Entry{Op: registry.DeleteValue, Path: registry.HKCU("none"), Name: "x"}, []string{"x", "y", "z"}},
		"values":        {registry.Entry{Op: registry.ClearValues, Path: p}, []string{"z"}},
		"key":           {registry.Entry{Op: registry.DeleteKey, Path: registry.HKLM(`a\b`)}, nil},
		"sub key":       {registry.Entry{Op: registry.DeleteKey, Path: p.Join("c")}, []string{"x", "y"}},
	} {
		t.Run(name, func(t *testing.T) {
			snap, err := registry.Collect("", seq(append(slices.Clone(base), tt.e)...))
			require.NoError(t, err)
			var left []string
			for it := range snap.All() {
				left = append(left, it.Name)
			}
			require.Equal(t, tt.left, left)
		})
	}
}

func TestSnapshotRefuses(t *testing.T) {
	var snap registry.Snapshot
	require.ErrorIs(t, snap.Apply(registry.Entry{Op: registry.DeleteKey, Path: registry.HKLM("")}, ""), registry.ErrRoot)
	require.ErrorIs(t, snap.Apply(registry.Entry{Op: registry.CreateKey, Path: registry.HKLM(strings.Repeat(`a\`, 600))}, ""), registry.ErrDepth)
	require.NoError(t, snap.Apply(registry.Entry{Op: registry.CreateKey, Path: registry.HKLM(strings.Repeat(`a\`, 512))}, ""))
	require.Error(t, snap.Apply(registry.Entry{}, ""))
	_, err := registry.Collect("", func(yield func(registry.Entry, error) bool) {
		for i := range 150 {
			yield(registry.Entry{}, fmt.Errorf("error %d", i))
		}
	})
	require.ErrorContains(t, err, "error 99\nand 50 more errors")
}

// TestManyValues removes and adds often enough to need the index and to close holes.
func TestManyValues(t *testing.T) {
	var snap registry.Snapshot
	p := registry.HKLM("A")
	want := map[string]bool{}
	for i := range 3000 {
		name := fmt.Sprint(i % 700)
		e := registry.Entry{Op: registry.Set, Path: p, Name: name, Value: registry.DWord(uint32(i))}
		if i%3 == 0 {
			e.Op = registry.DeleteValue
		}
		want[name] = e.Op == registry.Set
		require.NoError(t, snap.Apply(e, ""))
		require.NoError(t, snap.Apply(registry.Entry{Op: registry.CreateKey, Path: p.Join(name)}, ""))
		if i%2 == 0 {
			require.NoError(t, snap.Apply(registry.Entry{Op: registry.DeleteKey, Path: p.Join(name)}, ""))
		}
	}
	n := 0
	for name, there := range want {
		_, ok := snap.Get(p, name)
		require.Equal(t, there, ok, name)
		if there {
			n++
		}
	}
	require.Len(t, slices.Collect(snap.Values(p)), n)
	require.Empty(t, registry.Diff(&snap, snap.Clone()))
}

func TestDiffNeverDeletesWhatAFileDoesNotName(t *testing.T) {
	a, _ := registry.Collect("", seq(registry.Entry{Op: registry.Set, Path: registry.HKLM(`SOFTWARE\Ashdown\Deep`), Name: "x", Value: registry.DWord(1)}))
	d := registry.Diff(a, new(registry.Snapshot))
	require.Len(t, d, 1)
	require.Equal(t, registry.HKLM(`SOFTWARE\Ashdown\Deep`), d[0].Path)
	require.Equal(t, registry.DeleteKey, d[0].Op)
}

func TestResolve(t *testing.T) {
	http := registry.HKLM(`SYSTEM\CurrentControlSet\Services\HTTP`)
	var snap registry.Snapshot
	require.Equal(t, http, snap.Resolve(http))
	require.NoError(t, snap.Put(registry.Item{Path: registry.HKLM(`SYSTEM\Select`), Name: "current", Value: registry.DWord(3)}))
	require.Equal(t, registry.HKLM(`SYSTEM\ControlSet003\Services\HTTP`), snap.Resolve(http))
	require.NoError(t, snap.Apply(registry.Entry{Op: registry.CreateKey, Path: registry.HKLM(`SYSTEM\CurrentControlSet`)}, ""))
	require.Equal(t, http, snap.Resolve(http))
}

func TestOps(t *testing.T) {
	for o := range registry.Op(12) {
		text, err := o.MarshalText()
		if o == 0 || o > registry.Note {
			require.Error(t, err)
			require.Contains(t, o.String(), "Op(")
			continue
		}
		require.NoError(t, err)
		var back registry.Op
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, o, back)
		require.NotEmpty(t, registry.Entry{Op: o, Path: registry.HKLM("A"), Note: "n"}.String())
	}
	for k := range registry.Kind(14) {
		text, err := k.MarshalText()
		if k == 0 || k > registry.Contradictory {
			require.Error(t, err)
			require.Contains(t, k.String(), "Kind(")
			continue
		}
		require.NoError(t, err)
		var back registry.Kind
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, k, back)
	}
}

func TestLosses(t *testing.T) {
	var l registry.Losses
	require.NoError(t, l.Err())
	for range 150 {
		l.Add("x", registry.Entry{Op: registry.CreateKey, Path: registry.HKLM("A")}, "why")
	}
	loss, ok := errors.AsType[*registry.LossError](l.Err())
	require.True(t, ok)
	require.Equal(t, `x cannot hold create-key HKLM\A: why`, loss.Error())
	require.ErrorContains(t, l.Err(), "and 50 more entries left out")
}

func TestSyntaxError(t *testing.T) {
	cause := errors.New("cause")
	err := &registry.SyntaxError{Format: "pol", Pos: registry.Pos{Record: 3, Offset: 0x68}, Field: "size", Msg: "no ]", Err: cause}
	require.EqualError(t, err, "pol: record 3 at byte 0x68: size: no ]: cause")
	require.ErrorIs(t, err, cause)
	require.EqualError(t, &registry.SyntaxError{Format: "reg", Pos: registry.Pos{Line: 7}}, "reg: line 7")
}
