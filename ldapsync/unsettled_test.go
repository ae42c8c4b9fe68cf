package ldapsync_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
)

// A slow target is one whose writes may arrive late, or never.
type slow struct {
	*memdir.Dir
	fate   func(ldapsync.Change) error // what the writer is told of a write that is held back; nil: it is not
	arrive func() bool                 // whether they arrive before a call
	held   []ldapsync.Change
}

func (s *slow) deliver() {
	for _, c := range s.held {
		// What changed since is refused; the writer does not hear of it.
		_, _ = s.Dir.Write(context.Background(), c)
	}
	s.held = nil
}

func (s *slow) before() {
	if s.arrive != nil && s.arrive() {
		s.deliver()
	}
}

func (s *slow) Get(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	s.before()
	return s.Dir.Get(ctx, id, attrs)
}

func (s *slow) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	s.before()
	return s.Dir.Read(ctx, q)
}

func (s *slow) Write(ctx context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	s.before()
	if s.fate != nil {
		if err := s.fate(c); err != nil {
			s.held = append(s.held, c)
			return ldapsync.GUID{}, err
		}
	}
	if c.Op == ldapsync.OpCreate {
		// The one held back would be refused as long as this one has its name. That it comes after a rename, and makes
		// a second object, is what nobody but the directory can prevent.
		s.held = slices.DeleteFunc(s.held, func(h ldapsync.Change) bool { return h.Op == c.Op && h.DN.Equal(c.DN) })
	}
	return s.Dir.Write(ctx, c)
}

// TestLateWrites runs random histories in which programs are killed and answers lost while the writes are on their
// way, and arrive at some later moment, or never. When everybody has left, nothing that the engine wrote is there.
func TestLateWrites(t *testing.T) {
	ctx := context.Background()
	out := ldapsync.MustParseDN("DC=ashdown,DC=example")
	late := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		w, users, devices := openWorld(t, r)
		w.user(20) // these two stay, so that no read is empty
		w.device(20)
		w.Workers = 1
		now := clock
		w.Now = func() time.Time { return now }
		target := &slow{Dir: w.dst, arrive: func() bool { return r.IntN(4) == 0 }}
		w.Target = target
		var left atomic.Int64
		real := w.State
		w.State = killState{real, &left}
		for range 8 {
			left.Store(1 << 30)
			target.fate = func(ldapsync.Change) error {
				switch r.IntN(6) {
				case 0:
					late++
					return ldapsync.ErrUnclear
				case 1:
					late++
					left.Store(0)
					return errKilled
				}
				return nil
			}
			if p, err := w.Plan(ctx); err == nil {
				_, err = w.Apply(ctx, p, ldapsync.ApplyOptions{})
				if err != nil {
					require.ErrorIs(t, err, errKilled, "seed %d", seed)
				}
			} else {
				require.ErrorIs(t, err, errKilled, "seed %d", seed)
			}
			w.shake(r, users, devices)
		}
		left.Store(1 << 30)
		target.fate = nil
		if r.IntN(2) == 0 {
			target.deliver()
		} else {
			target.held = nil // they never arrive
		}
		target.arrive = nil
		for range 3 {
			require.True(t, w.apply(w.plan()).OK(), "seed %d", seed)
		}
		for _, id := range append(users, devices...) {
			require.NoError(t, w.src.Move(id, out))
		}
		for range 3 {
			now = now.Add(time.Hour) // what has not arrived by now never will
			require.True(t, w.apply(w.plan()).OK(), "seed %d", seed)
		}
		for i := range users {
			o := w.person(i)
			for a := range o.Attrs() {
				switch a.Name {
				case "CN", "userPrincipalName", "objectGUID", "objectClass":
				case "title":
					require.Equal(t, []string{fmt.Sprintf("old %d", i)}, a.Values, "seed %d: user %d", seed, i)
				default:
					require.Empty(t, a.Values, "seed %d: user %d still has %s", seed, i, a.Name)
				}
			}
		}
		for _, o := range w.dst.Objects() {
			if _, name := o.DN.RDN(); name != "PC020" {
				require.NotEqual(t, ldapsync.Device, o.Class, "seed %d: %s was created and not deleted", seed, o.DN)
			}
		}
	}
	require.Greater(t, late, 130)
}

// TestSettle is about single writes whose answer is lost.
func TestSettle(t *testing.T) {
	var now time.Time
	// start makes a world in which the change of user 0's title to Matron is held back.
	start := func(t *testing.T, settle time.Duration) (*world, *slow, ldapsync.GUID) {
		w := newWorld(t)
		w.Settle = settle
		now = clock
		w.Now = func() time.Time { return now }
		ids := w.users(20)
		w.cycle()
		target := &slow{Dir: w.dst, fate: func(ldapsync.Change) error { return ldapsync.ErrUnclear }}
		w.Target = target
		require.NoError(t, w.src.Set(ids[0], "title", "Matron"))
		require.Equal(t, 1, w.apply(w.plan()).Failed)
		target.fate = nil
		return w, target, ids[0]
	}
	leave := func(t *testing.T, w *world, id ldapsync.GUID) {
		require.NoError(t, w.src.Move(id, ldapsync.MustParseDN("DC=ashdown,DC=example")))
	}
	t.Run("arrives", func(t *testing.T) {
		w, target, id := start(t, 0)
		target.deliver()
		w.settled()
		leave(t, w, id)
		w.cycle()
		require.Empty(t, w.person(0).All("title"))
	})
	t.Run("arrives and is undone", func(t *testing.T) {
		w, target, _ := start(t, 0)
		target.deliver()
		applied, err := w.Applied(context.Background())
		require.NoError(t, err)
		p, err := w.Undo(context.Background(), applied[0].ID)
		require.NoError(t, err)
		require.True(t, w.apply(p).OK())
		require.Equal(t, []string{"Nurse"}, w.person(0).All("title"))
	})
	t.Run("arrives when the person has left", func(t *testing.T) {
		w, target, id := start(t, 0)
		leave(t, w, id)
		require.Equal(t, ldapsync.ActionRevert, only(t, w.cycle(), id).Action)
		require.NoError(t, w.dst.Set(w.person(0).ID, "title", "Nurse")) // as the write that is late expects it
		target.deliver()
		require.Equal(t, []string{"Matron"}, w.person(0).All("title"))
		w.cycle()
		require.Empty(t, w.person(0).All("title"))
		w.settled()
	})
	t.Run("the next plan is much later", func(t *testing.T) {
		w, target, id := start(t, 0)
		target.deliver()
		leave(t, w, id)
		now = now.AddDate(0, 0, 3)
		require.Equal(t, ldapsync.ActionRevert, only(t, w.cycle(), id).Action)
		require.Empty(t, w.person(0).All("title"))
	})
	t.Run("Settle is negative", func(t *testing.T) {
		w, target, id := start(t, -1)
		target.deliver()
		w.settled()
		leave(t, w, id)
		w.cycle()
		require.Equal(t, []string{"Matron"}, w.person(0).All("title"), "it was not looked for again")
	})
	for name, after := range map[string]time.Duration{"Settle is over": 5 * time.Minute, "the clock was set back": -time.Hour} {
		t.Run("the value of somebody else: "+name, func(t *testing.T) {
			w, _, id := start(t, 0)
			require.NoError(t, w.src.Set(id, "title", "Nurse")) // nothing to write any more
			now = now.Add(after)
			w.settled()
			require.NoError(t, w.dst.Set(w.person(0).ID, "title", "Matron"))
			leave(t, w, id)
			w.cycle()
			require.Equal(t, []string{"Matron"}, w.person(0).All("title"))
		})
	}
	for settle, after := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Hour: time.Hour} {
		t.Run("not yet over: "+after.String(), func(t *testing.T) {
			w, target, id := start(t, settle)
			require.NoError(t, w.src.Set(id, "title", "Nurse"))
			now = now.Add(after - time.Second)
			w.settled()
			target.deliver()
			leave(t, w, id)
			w.cycle()
			require.Empty(t, w.person(0).All("title"))
		})
	}
	t.Run("overtaken by another write", func(t *testing.T) {
		w, target, id := start(t, 0)
		require.NoError(t, w.src.Set(id, "title", "Sister"))
		w.cycle()
		require.Equal(t, []string{"Sister"}, w.person(0).All("title"))
		target.deliver() // is refused
		w.settled()
		leave(t, w, id)
		require.Equal(t, ldapsync.ActionRevert, only(t, w.cycle(), id).Action)
		require.Empty(t, w.person(0).All("title"))
	})
	t.Run("part of it overtaken", func(t *testing.T) {
		w, target, id := start(t, 0)
		require.NoError(t, w.src.Set(id, "department", "Theatre"))
		target.arrive = func() bool { return true }
		require.Equal(t, ldapsync.ActionUpdate, only(t, w.cycle(), id).Action) // the title has arrived when it looks
		require.Equal(t, []string{"Matron"}, w.person(0).All("title"))
		w.settled()
		leave(t, w, id)
		w.cycle()
		require.Empty(t, w.person(0).All("title"))
		require.Empty(t, w.person(0).All("department"))
	})
	t.Run("the target does not show it yet", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(20)
		w.cycle()
		target := &slow{Dir: w.dst}
		w.Target = lagging{target}
		require.NoError(t, w.src.Set(ids[0], "title", "Matron"))
		require.Contains(t, w.apply(w.plan()).Problems[0].Error, "does not show it")
		w.Target = w.dst
		target.deliver()
		w.settled()
		leave(t, w, ids[0])
		w.cycle()
		require.Empty(t, w.person(0).All("title"))
	})
	t.Run("creates an object", func(t *testing.T) {
		w := newWorld(t)
		w.Organisation.Tracks[1].Policy.Leave = ldapsync.LeaveDelete
		off := ldapsync.Threshold{Off: true}
		w.Guards = ldapsync.Guards{Reverts: off, Deletes: off, Floor: -1}
		now = clock
		w.Now = func() time.Time { return now }
		w.users(20)
		w.device(1)
		w.cycle()
		id := w.device(2)
		target := &slow{Dir: w.dst, fate: func(ldapsync.Change) error { return ldapsync.ErrUnclear }}
		w.Target = target
		require.Equal(t, 1, w.apply(w.plan()).Failed)
		target.fate = nil
		require.NoError(t, w.src.Rename(id, "PC-NEW"))
		it := only(t, w.cycle(), id)
		require.Equal(t, ldapsync.ActionHold, it.Action, "it could be created twice")
		require.Contains(t, it.Reason, "cn=PC002,"+copies+", whose outcome is not known, may still arrive")
		target.deliver()
		require.Equal(t, ldapsync.ActionRename, only(t, w.cycle(), id).Action)
		w.settled()
		leave(t, w, id)
		require.Equal(t, ldapsync.ActionDelete, only(t, w.cycle(), id).Action, "it knows to have created it")
	})
	t.Run("a create that never arrives", func(t *testing.T) {
		w := newWorld(t)
		now = clock
		w.Now = func() time.Time { return now }
		w.users(20)
		id := w.device(2)
		target := &slow{Dir: w.dst, fate: func(c ldapsync.Change) error {
			if c.Op == ldapsync.OpCreate {
				return ldapsync.ErrUnclear
			}
			return nil
		}}
		w.Target = target
		require.Equal(t, 1, w.apply(w.plan()).Failed)
		target.fate = nil
		require.NoError(t, w.src.Rename(id, "PC-NEW"))
		now = now.Add(5 * time.Minute)
		require.Equal(t, ldapsync.ActionCreate, only(t, w.cycle(), id).Action)
		w.settled()
	})
	t.Run("it cannot be found out", func(t *testing.T) {
		w, _, _ := start(t, 0)
		w.dst.SetHook(func(e memdir.Event) error {
			if e.Op == memdir.OpGet {
				return errors.New("no answer")
			}
			return nil
		})
		_, err := w.Plan(context.Background())
		require.ErrorContains(t, err, "whether a write arrived")
	})
}

// A lagging target says that it has carried out what it holds back.
type lagging struct{ *slow }

func (l lagging) Write(_ context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	l.held = append(l.held, c)
	return c.ID, nil
}
