package ldapdir_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
)

func phones(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("+44 %06d", i)
	}
	return out
}

func TestRanges(t *testing.T) {
	s := adtestSite(t, adtest.Config{MaxValRange: 10})
	w := s.world(t)
	unit := w.unit(t)
	ids := w.people(t, unit, 45) // more than two pages
	ctx := t.Context()
	sizes := map[ldapsync.GUID]int{ids[3]: 10, ids[4]: 11, ids[5]: 20, ids[22]: 21, ids[44]: 137}
	for id, n := range sizes {
		require.NoError(t, w.Set(ctx, id, "otherTelephone", phones(n)...))
		require.NoError(t, w.Set(ctx, id, "url", phones(12)...))
	}
	d := s.open(t)
	attrs := []string{"cn", "otherTelephone", "url"}
	got, err := collect(ctx, d, ldapsync.Query{Class: ldapsync.User, Container: unit, Attrs: attrs})
	require.NoError(t, err)
	require.Len(t, got, 45)
	seen := 0
	for _, o := range got {
		n := sizes[o.ID]
		require.True(t, ldapsync.SameValues(phones(n), o.All("otherTelephone")), "%s: %d values, not %d", o.DN, len(o.All("otherTelephone")), n)
		if n > 0 {
			require.True(t, ldapsync.SameValues(phones(12), o.All("url")))
			seen++
		}
		require.Len(t, slices.Collect(o.Attrs()), 1+2*min(n, 1))
	}
	require.Equal(t, len(sizes), seen)

	o, err := d.Get(ctx, ids[44], attrs)
	require.NoError(t, err)
	require.Len(t, o.All("otherTelephone"), 137)

	// A change of one value in many: all of them are compared.
	before := phones(137)
	after := append(slices.Clone(before[1:]), "+44 x")
	change := ldapsync.Change{Op: ldapsync.OpUpdate, ID: ids[44], Edits: []ldapsync.Edit{{Attr: "otherTelephone", Before: before, After: after}}}
	_, err = d.Write(ctx, change)
	require.NoError(t, err)
	o, err = d.Get(ctx, ids[44], attrs)
	require.NoError(t, err)
	require.True(t, ldapsync.SameValues(after, o.All("otherTelephone")))

	// A range that does not go on is not a whole attribute.
	s.server.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		if len(r.Attributes) == 1 && strings.Contains(r.Attributes[0], ";range=20-") {
			return adtest.Fault{Code: 51}
		}
		return adtest.Fault{}
	})
	_, err = collect(ctx, d, ldapsync.Query{Class: ldapsync.User, Container: unit, Attrs: attrs})
	require.ErrorIs(t, err, ldapsync.ErrPartial)
	require.ErrorIs(t, err, ldapsync.ErrTransient)
	_, err = d.Get(ctx, ids[44], attrs)
	require.ErrorIs(t, err, ldapsync.ErrTransient)
}
