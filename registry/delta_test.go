package registry_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
)

func TestDeltaUndoRestores(t *testing.T) {
	var before registry.Snapshot
	k := registry.HKLM(`SOFTWARE\Ashdown`)
	for _, it := range []registry.Item{
		{Path: k, Name: "a", Value: registry.DWord(1)},
		{Path: k, Name: "b", Value: registry.String("x")},
		{Path: k.Join("Sub"), Name: "", Value: registry.String("default")},
	} {
		require.NoError(t, before.Put(it))
	}
	d := registry.Delta{
		{Op: registry.Set, Path: k, Name: "A", Value: registry.DWord(2)},
		{Op: registry.DeleteValue, Path: k, Name: "b"},
		{Op: registry.DeleteKey, Path: k.Join("sub")},
		{Op: registry.Set, Path: registry.HKLM(`SOFTWARE\New\Deep`), Name: "n", Value: registry.QWord(7)},
	}
	after := before.Clone()
	require.NoError(t, d.Apply(after, "test"))
	require.NotEmpty(t, registry.Diff(&before, after))
	undo, err := d.Undo(&before)
	require.NoError(t, err)
	require.NoError(t, undo.Apply(after, "undo"))
	require.Empty(t, registry.Diff(&before, after))
	require.Empty(t, registry.Diff(after, &before))
	require.Equal(t, slices.Collect(before.Keys(registry.Path{})), slices.Collect(after.Keys(registry.Path{})))
}
