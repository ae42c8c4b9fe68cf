package entra_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

func collect(t *testing.T, d *entra.Delta) ([]entra.DeltaItem, string) {
	t.Helper()
	var out []entra.DeltaItem
	for it, err := range d.Items() {
		require.NoError(t, err)
		out = append(out, it)
	}
	require.NotEmpty(t, d.Link())
	return out, d.Link()
}

func TestDelta(t *testing.T) {
	server := entratest.New(entratest.Config{PageSize: 3})
	ids := people(server, 7)
	server.SetUser(ids[0], entratest.Object{"department": "Ward 3", "onPremisesExtensionAttributes": map[string]any{"extensionAttribute1": "a"}})
	g := target(t, server.Transport())
	all, link := collect(t, g.Delta(t.Context(), ldapsync.User, "", "department", "jobTitle", "extensionAttribute1"))
	require.Len(t, all, 7)
	require.True(t, all[0].Full)

	none, link := collect(t, g.Delta(t.Context(), ldapsync.User, link))
	require.Empty(t, none)

	server.SetUser(ids[0], entratest.Object{"department": nil})
	server.SetUser(ids[1], entratest.Object{"city": "Leeds"}) // not among the properties that were asked for
	server.DeleteUser(ids[2], false)
	server.DeleteUser(ids[3], true)
	changes, _ := collect(t, g.Delta(t.Context(), ldapsync.User, link))
	got := map[string]entra.DeltaItem{}
	for _, c := range changes {
		got[c.ID.String()] = c
	}
	require.NotContains(t, got, ids[1])
	require.Equal(t, "changed", got[ids[2]].Removed)
	require.Equal(t, "deleted", got[ids[3]].Removed)
	first := got[ids[0]]
	v, known := first.Values("Department")
	require.True(t, known)
	require.Empty(t, v)
	_, known = first.Values("jobTitle")
	require.False(t, known, "absent is unchanged, not cleared")
	_, known = first.Values("nonsense")
	require.False(t, known)
}

// TestFollow: a token that has expired leads to a full read, and says so first.
func TestFollow(t *testing.T) {
	server := entratest.New(entratest.Config{PageSize: 3})
	ids := people(server, 5)
	g := target(t, server.Transport())
	var seen []string
	restarts := 0
	follow := func(link string) string {
		seen, restarts = nil, 0
		next, err := g.Follow(t.Context(), ldapsync.User, link, []string{"department"}, func() error { restarts++; seen = nil; return nil },
			func(d entra.DeltaItem) error { seen = append(seen, d.ID.String()); return nil })
		require.NoError(t, err)
		return next
	}
	link := follow("")
	require.ElementsMatch(t, ids, seen)
	server.SetUser(ids[1], entratest.Object{"department": "x"})
	link = follow(link)
	require.Equal(t, []string{ids[1]}, seen)
	server.ExpireDelta()
	server.DeleteUser(ids[0], true)
	follow(link)
	require.Equal(t, 1, restarts)
	require.ElementsMatch(t, ids[1:], seen)

	d := g.Delta(t.Context(), ldapsync.User, link)
	for _, err := range d.Items() {
		require.ErrorIs(t, err, entra.ErrResync)
	}
	require.Empty(t, d.Link())
}
