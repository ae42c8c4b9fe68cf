package ldapsync_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
)

// TestTempDir lets a plan need more than a spool keeps in memory.
func TestTempDir(t *testing.T) {
	w := newWorld(t)
	ids := w.users(60)
	for i, id := range ids {
		require.NoError(t, w.src.Set(id, "title", strings.Repeat(fmt.Sprint(i), 100_000)))
	}
	w.cycle() // the target has 6 MB of titles now
	w.TempDir = t.TempDir()
	w.settled()
	require.NoError(t, w.src.Set(ids[7], "title", "Sister"))
	require.Equal(t, ldapsync.ActionUpdate, only(t, w.cycle(), ids[7]).Action)
	left, err := os.ReadDir(w.TempDir)
	require.NoError(t, err)
	require.Empty(t, left)

	w.TempDir += "/none"
	_, err = w.Plan(context.Background())
	require.ErrorContains(t, err, "temporary file")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// repeating shows every object twice, the second time with another title.
type repeating struct{ *memdir.Dir }

func (r repeating) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		for again := range 2 {
			for o, err := range r.Dir.Read(ctx, q) {
				if again > 0 {
					o = o.With("title", "seen again").With("userPrincipalName", "other@ashdown.example")
				}
				if !yield(o, err) {
					return
				}
			}
		}
	}
}

func TestTargetSeenTwice(t *testing.T) {
	w := newWorld(t)
	ids := w.users(20)
	w.Target = repeating{w.dst}
	p := w.cycle()
	require.Equal(t, 20, p.Counts[0].Target)
	require.Equal(t, 20, p.Count(ldapsync.ActionUpdate), "found by their keys, each once")
	w.Target = w.dst
	w.settled()
	w.Target = repeating{w.dst}
	require.NoError(t, w.src.Set(ids[3], "title", "Sister"))
	p = w.plan()
	require.Len(t, p.Items, 1)
	require.Equal(t, ldapsync.ValueList{"Nurse"}, p.Items[0].Edits[0].Before, "the first sight counts")
}

func TestManyConflicts(t *testing.T) {
	w := newWorld(t)
	ids := w.users(25)
	anchor := strings.Repeat("\x07", 16)
	for _, id := range ids {
		require.NoError(t, w.src.Set(id, "mS-DS-ConsistencyGuid", anchor))
	}
	p := w.plan()
	require.Equal(t, 25, p.Count(ldapsync.ActionConflict))
	require.Len(t, p.Items, 25)
	reason := only(t, p, ids[0]).Reason
	require.Contains(t, reason, "the same source anchor: CN=user000,")
	require.Contains(t, reason, "and 15 more")

	w = newWorld(t)
	id := w.user(0)
	for i := range 30 {
		_, err := w.dst.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN(people).Child("CN", fmt.Sprint("double", i)), ldapsync.User, ldapsync.Values("userPrincipalName", "USER000@ashdown.example")))
		require.NoError(t, err)
	}
	it := only(t, w.plan(), id)
	require.Equal(t, ldapsync.ActionConflict, it.Action)
	require.Contains(t, it.Reason, "more than 20 target objects match userPrincipalName")
}

// TestUnchangedBecomesConflict: two objects that were in order contradict each other afterwards.
func TestUnchangedBecomesConflict(t *testing.T) {
	w := newWorld(t)
	ids := w.users(20)
	w.cycle()
	other := w.person(1)
	anchor, _ := other.Get("mS-DS-ConsistencyGuid")
	require.NoError(t, w.src.Set(ids[0], "mS-DS-ConsistencyGuid", anchor))
	require.NoError(t, w.src.Set(ids[1], "mS-DS-ConsistencyGuid", anchor))
	p := w.plan()
	require.Equal(t, 18, p.Counts[0].Unchanged)
	require.Equal(t, ldapsync.ActionConflict, only(t, p, ids[0]).Action)
	require.Equal(t, ldapsync.ActionConflict, only(t, p, ids[1]).Action)
}
