package ldapsync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
)

// shake changes the source at random: values, names, places, rights to be there.
func (w *world) shake(r *rand.Rand, users, devices []ldapsync.GUID) {
	w.t.Helper()
	out, in := ldapsync.MustParseDN("OU=TANSync,DC=ashdown,DC=example"), ldapsync.MustParseDN(usersOU)
	pick := func(ids []ldapsync.GUID) ldapsync.GUID { return ids[r.IntN(len(ids))] }
	values := []string{"Nurse", "nurse", "Sister", "Größe, \"x\"+y", "\x00\xff\x10 bytes", " lead and trail "}
	for range 1 + r.IntN(6) {
		id := pick(users)
		var err error
		switch r.IntN(8) {
		case 0:
			err = w.src.Set(id, "title")
		case 1, 2:
			err = w.src.Set(id, "title", values[r.IntN(len(values))])
		case 3:
			err = w.src.Set(id, "department", values[r.IntN(len(values))])
		case 4:
			if o, _ := w.src.Object(id); o.DN.IsChildOf(in) {
				err = w.src.Move(id, out)
			} else {
				err = w.src.Move(id, in)
			}
		case 5:
			err = w.src.Rename(pick(devices), fmt.Sprintf("PC-%06d", r.IntN(1000000)))
		case 6:
			err = w.src.Set(pick(devices), "operatingSystemVersion", fmt.Sprintf("10.0 (%d)", 19041+r.IntN(9000)))
		case 7:
			d := pick(devices)
			if o, _ := w.src.Object(d); o.DN.IsChildOf(ldapsync.MustParseDN(devicesOU)) {
				err = w.src.Move(d, out)
			} else {
				err = w.src.Move(d, ldapsync.MustParseDN(devicesOU))
			}
		}
		if err != nil && !errors.Is(err, ldapsync.ErrExists) {
			require.NoError(w.t, err)
		}
	}
}

// openWorld is a world whose guards are off, with some people whose attributes were set by somebody else.
func openWorld(t *testing.T, r *rand.Rand) (w *world, users, devices []ldapsync.GUID) {
	w = newWorld(t)
	off := ldapsync.Threshold{Off: true}
	w.Guards = ldapsync.Guards{Reverts: off, Clears: off, Deletes: off, Floor: -1}
	w.Organisation.Tracks[0].Policy.ClearForeign = r.IntN(2) == 0
	w.Organisation.Tracks[1].Policy.Leave = ldapsync.LeaveDelete
	users = w.users(12)
	for i := range 6 {
		devices = append(devices, w.device(i))
	}
	for i := range 4 {
		require.NoError(t, w.dst.Set(w.person(i).ID, "title", fmt.Sprintf("old %d", i)))
	}
	return w, users, devices
}

// shape is everything at the target that does not depend on identities a directory hands out.
func shape(d *memdir.Dir) string {
	var b bytes.Buffer
	for _, o := range d.Objects() {
		fmt.Fprintf(&b, "%s\n", o.DN)
		for a := range o.Attrs() {
			if a.Name != "objectGUID" {
				fmt.Fprintf(&b, "  %s %q\n", a.Name, a.Values)
			}
		}
	}
	return b.String()
}

// TestUndoRestoresEveryByte applies random plans, one after the other, then takes them back, the last one first.
// After each step the target is what it was before that plan.
func TestUndoRestoresEveryByte(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w, users, devices := openWorld(t, r)
		type step struct{ id, before string }
		var steps []step
		for range 1 + r.IntN(4) {
			before := shape(w.dst)
			p := w.plan()
			require.True(t, w.apply(p).OK())
			if p.Count(ldapsync.ActionUpdate)+p.Count(ldapsync.ActionCreate)+p.Count(ldapsync.ActionRevert)+p.Count(ldapsync.ActionDelete)+p.Count(ldapsync.ActionRename) > 0 {
				steps = append(steps, step{p.ID, before})
			} else {
				require.Equal(t, before, shape(w.dst))
			}
			w.settled() // applying twice is applying once
			w.shake(r, users, devices)
		}
		for i := len(steps) - 1; i >= 0; i-- {
			p, err := w.Undo(ctx, steps[i].id)
			require.NoError(t, err, "seed %d", seed)
			rep := w.apply(reread(t, p))
			require.True(t, rep.OK(), "seed %d: %+v", seed, rep)
			require.Equal(t, steps[i].before, shape(w.dst), "seed %d, step %d", seed, i)
		}
		// The state went back as well: the engine can start again.
		require.True(t, w.apply(w.plan()).OK())
		w.settled()
	}
}

// reread writes a plan and reads it back, which must not change it.
func reread(t *testing.T, p *ldapsync.Plan) *ldapsync.Plan {
	t.Helper()
	var a, b bytes.Buffer
	_, err := p.WriteTo(&a)
	require.NoError(t, err)
	q, err := ldapsync.ReadPlan(bytes.NewReader(a.Bytes()))
	require.NoError(t, err)
	_, err = q.WriteTo(&b)
	require.NoError(t, err)
	require.Equal(t, a.String(), b.String())
	return q
}

func TestUndoRefuses(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ids := w.users(20)
	first := w.cycle()
	require.NoError(t, w.src.Set(ids[3], "title", "Sister"))
	second := w.cycle()
	_, err := w.Undo(ctx, first.ID)
	require.ErrorContains(t, err, "undo that one first")
	_, err = w.Undo(ctx, "00000000ffff")
	require.ErrorIs(t, err, ldapsync.ErrUnknownPlan)

	// An attribute changed since is refused, the rest of it can still be undone later.
	require.NoError(t, w.dst.Set(w.person(3).ID, "title", "Matron"))
	p, err := w.Undo(ctx, second.ID[:10])
	require.NoError(t, err)
	require.Equal(t, 1, w.apply(p).Refused)
	require.NoError(t, w.dst.Set(w.person(3).ID, "title", "Sister"))
	p, err = w.Undo(ctx, second.ID)
	require.NoError(t, err)
	require.True(t, w.apply(p).OK())
	require.Equal(t, []string{"Nurse"}, w.person(3).All("title"))
	_, err = w.Undo(ctx, second.ID)
	require.ErrorContains(t, err, "undone already")
	p, err = w.Undo(ctx, first.ID)
	require.NoError(t, err)
	require.True(t, w.apply(p).OK())
	require.Empty(t, w.person(5).All("title"))
	applied, err := w.Applied(ctx)
	require.NoError(t, err)
	require.Len(t, applied, 5)
	require.NotEmpty(t, applied[4].UndoneBy)
}

// killState stops the engine after a number of commits, as a killed process would be.
type killState struct {
	ldapsync.State
	left *atomic.Int64 // commits until the end
}

var errKilled = errors.New("killed")

func (k killState) Commit(ctx context.Context, ops []ldapsync.StateOp) error {
	if k.left.Add(-1) < 0 {
		return errKilled
	}
	return k.State.Commit(ctx, ops)
}

// TestKilledAnywhere stops an Apply at every commit to the state and at every call of the target, before and
// after the work, then goes on: with the same plan, or with a new one. The target ends up the same, the engine
// knows what it owns, and undo still brings everything back.
func TestKilledAnywhere(t *testing.T) {
	ctx := context.Background()
	for _, resume := range []bool{true, false} {
		for kill := 0; ; kill++ {
			w, users, devices := openWorld(t, rand.New(rand.NewPCG(7, 7)))
			w.Workers = 1
			w.cycle()
			require.NoError(t, w.src.Set(users[1], "title"))
			require.NoError(t, w.src.Set(users[2], "department", "Theatre"))
			require.NoError(t, w.src.Move(users[3], ldapsync.MustParseDN("DC=ashdown,DC=example")))
			require.NoError(t, w.src.Rename(devices[0], "PC-RENAMED"))
			require.NoError(t, w.src.Set(devices[0], "operatingSystem", "Windows 12"))
			require.NoError(t, w.src.Move(devices[1], ldapsync.MustParseDN("DC=ashdown,DC=example")))
			created := w.device(77)
			before := shape(w.dst)
			p := w.plan()

			var left, calls atomic.Int64
			left.Store(int64(kill))
			real := w.State
			w.State = killState{real, &left}
			w.dst.SetHook(func(e memdir.Event) error {
				if e.Op == memdir.OpWrite {
					if calls.Add(1) == int64(kill)+1 {
						left.Store(-1 << 30)
						return errKilled
					}
				}
				return nil
			})
			_, err := w.Apply(ctx, p, ldapsync.ApplyOptions{})
			w.dst.SetHook(nil)
			w.State = real
			if err == nil {
				require.Greater(t, kill, 8, "the loop must have killed something")
				break
			}
			require.ErrorIs(t, err, errKilled)
			if resume {
				rep, err := w.Apply(ctx, p, ldapsync.ApplyOptions{})
				require.NoError(t, err)
				require.Zero(t, rep.Refused+rep.Pending, "kill %d: %+v", kill, rep)
			} else {
				require.True(t, w.apply(w.plan()).OK(), "kill %d", kill)
			}
			if p2 := w.plan(); !p2.Empty() { // what failed because of the kill itself
				require.True(t, w.apply(p2).OK())
			}
			w.settled()

			got := w.person(2)
			require.Equal(t, []string{"Theatre"}, got.All("department"))
			require.Empty(t, w.person(1).All("title"))
			require.Empty(t, w.person(3).All("department"))
			pc, ok := w.dst.At("CN=PC077," + copies)
			require.True(t, ok)
			require.Equal(t, []string{created.Raw()}, pc.All("mS-DS-ConsistencyGuid"))

			// All plans back, last first: the target is as before the killed one.
			applied, err := w.Applied(ctx)
			require.NoError(t, err)
			for _, a := range applied[:len(applied)-1] {
				u, err := w.Undo(ctx, a.ID)
				require.NoError(t, err, "kill %d", kill)
				require.True(t, w.apply(u).OK(), "kill %d", kill)
			}
			require.Equal(t, before, shape(w.dst), "kill %d, resume %v", kill, resume)
		}
	}
}

func TestTwoEnginesAtOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ids := w.users(20)
	p := w.plan()
	require.NoError(t, w.src.Set(ids[0], "title", "Sister"))
	q := w.plan() // from the same generation, and as good as the first
	require.Equal(t, p.Generation, q.Generation)
	require.NotEqual(t, p.ID, q.ID)
	started, release := make(chan struct{}), make(chan struct{})
	var once bool
	w.Workers = 1
	w.dst.SetHook(func(e memdir.Event) error {
		if e.Op == memdir.OpWrite && !e.Done && !once {
			once = true
			close(started)
			<-release
		}
		return nil
	})
	done := make(chan error, 1)
	go func() {
		_, err := w.Apply(ctx, p, ldapsync.ApplyOptions{})
		done <- err
	}()
	<-started
	other := *w.Syncer
	other.Organisation.Tracks = append([]ldapsync.Track(nil), w.Organisation.Tracks...)
	_, err := other.Apply(ctx, q, ldapsync.ApplyOptions{})
	var stale *ldapsync.StalePlanError
	require.ErrorAs(t, err, &stale)
	require.Equal(t, p.ID, stale.Pending)
	close(release)
	require.NoError(t, <-done)
	w.dst.SetHook(nil)
	require.Equal(t, []string{"Nurse"}, w.person(0).All("title"), "the second plan wrote nothing")
	_, err = other.Apply(ctx, q, ldapsync.ApplyOptions{})
	require.ErrorIs(t, err, ldapsync.ErrConflict, "it was made from a state that is past")
	w.cycle()
	w.settled()
}

func TestCancelThenContinue(t *testing.T) {
	w := newWorld(t)
	w.users(50)
	w.Workers = 2
	p := w.plan()
	ctx, cancel := context.WithCancel(context.Background())
	var n atomic.Int64
	w.dst.SetHook(func(e memdir.Event) error {
		if e.Op == memdir.OpWrite && n.Add(1) == 20 {
			cancel()
		}
		return nil
	})
	r, err := w.Apply(ctx, p, ldapsync.ApplyOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.Positive(t, r.Pending)
	w.dst.SetHook(nil)
	st, err := w.Status(context.Background())
	require.NoError(t, err)
	require.Equal(t, p.ID, st.Interrupted)
	r2 := w.apply(p)
	require.True(t, r2.Resumed)
	require.True(t, r2.OK())
	require.Equal(t, 50, r.Writes+r2.Writes)
	w.settled()
}
