package hazardtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"go.internal/hybridkit/ldapsync"
)

func targetCases() []Case {
	return []Case{
		{"edited-between-plan-and-apply", "another administrator changes a value at the target after the plan was made",
			"that value is not overwritten by this plan; the rest is written", Hold, func(ctx context.Context, e *env) error {
				a, b := e.users[12], e.users[13]
				if err := errors.Join(e.set(ctx, a, attrTitle, "Matron"), e.set(ctx, b, attrTitle, "Matron")); err != nil {
					return err
				}
				s := e.engine()
				p, err := s.Plan(ctx)
				if err != nil {
					return err
				}
				if err := e.TargetWorld.Set(ctx, a.target, attrTitle, "By hand"); err != nil {
					return prepared(err)
				}
				r, err := s.Apply(ctx, p, ldapsync.ApplyOptions{})
				if err != nil {
					return err
				}
				e.want[a.target][attrTitle] = []string{"By hand"}
				if err := e.same(ctx); err != nil {
					return err
				}
				if r.Refused != 1 || r.Writes != 1 {
					return fmt.Errorf("%d writes refused and %d made, not one of each", r.Refused, r.Writes)
				}
				e.want[a.target][attrTitle] = []string{"Matron"} // the next plan has seen it, and the mapping decides
				return e.correct(ctx, 1)
			}},
		{"edited-and-left", "a value the engine wrote is changed by hand at the target; then the person leaves",
			"the value of somebody else is not reverted", Hold, func(ctx context.Context, e *env) error {
				p := e.users[12]
				if err := e.TargetWorld.Set(ctx, p.target, attrTitle, "By hand"); err != nil {
					return prepared(err)
				}
				if err := e.move(ctx, p, e.away); err != nil {
					return err
				}
				s := e.engine()
				plan, err := s.Plan(ctx)
				if err != nil {
					return err
				}
				if err := said(plan, p.source, "changed at the target since this engine wrote it"); err != nil {
					return err
				}
				if _, err := s.Apply(ctx, plan, ldapsync.ApplyOptions{}); err != nil {
					return err
				}
				e.gone(p)
				e.want[p.target][attrTitle] = []string{"By hand"}
				return e.over(ctx, nil)
			}},
		{"edited-during-revert", "a value is changed by hand at the target between the plan that reverts it and the revert",
			"it is not cleared", Hold, func(ctx context.Context, e *env) error {
				p := e.users[12]
				if err := e.move(ctx, p, e.away); err != nil {
					return err
				}
				s := e.engine()
				plan, err := s.Plan(ctx)
				if err != nil {
					return err
				}
				if err := e.TargetWorld.Set(ctx, p.target, attrWard, "By hand"); err != nil {
					return prepared(err)
				}
				if _, err := s.Apply(ctx, plan, ldapsync.ApplyOptions{}); err != nil {
					return err
				}
				e.want[p.target][attrWard] = []string{"By hand"}
				if err := e.same(ctx); err != nil {
					return err
				}
				e.gone(p)
				e.want[p.target][attrWard] = []string{"By hand"}
				return e.correct(ctx, 1)
			}},
		{"foreign-value", "an attribute that the source has not, and the engine never wrote, has a value at the target",
			"it is not cleared", Hold, func(ctx context.Context, e *env) error {
				p, err := e.addUser(ctx, people)
				if err != nil {
					return prepared(err)
				}
				one := *p
				if err := e.set(ctx, one, attrWard); err != nil {
					return err
				}
				if err := e.TargetWorld.Set(ctx, one.target, attrWard, "From elsewhere"); err != nil {
					return prepared(err)
				}
				e.want[one.target][attrWard] = []string{"From elsewhere"}
				if err := e.correct(ctx, 1); err != nil {
					return err
				}
				if err := e.hold(ctx, "", one.source); err != nil {
					return err
				}
				if err := e.move(ctx, one, e.away); err != nil {
					return err
				}
				e.gone(one)
				e.want[one.target][attrWard] = []string{"From elsewhere"}
				return e.correct(ctx, 1)
			}},
		{"counterpart-deleted", "the counterpart of somebody is deleted at the target",
			"users are not created again, and nobody else is affected", Hold, func(ctx context.Context, e *env) error {
				p := e.users[14]
				if err := e.TargetWorld.Delete(ctx, p.target); err != nil {
					return prepared(err)
				}
				delete(e.want, p.target)
				e.users = append(e.users[:14:14], e.users[15:]...)
				return e.correct(ctx, 0)
			}},
		{"write-unclear", "the answer to a write is lost, whether it was carried out or not",
			"the object is looked at before anything is sent again", Correct, func(ctx context.Context, e *env) error {
				for i := range 4 {
					if err := e.set(ctx, e.users[i], attrTitle, "Matron"); err != nil {
						return err
					}
				}
				var n atomic.Int64
				inner := e.Target
				e.Target = lossy{inner, &n}
				if err := e.correct(ctx, -1); err != nil {
					return err
				}
				if n.Load() < 4 {
					return fmt.Errorf("only %d answers were lost", n.Load())
				}
				e.Target = inner
				return e.over(ctx, nil)
			}},
		{"write-late", "a write arrives at the target after the next run has looked for it",
			"it counts as the engine's own, and is reverted when the person leaves or has left", Correct, writeLate},
		{"target-busy", "the target is too busy for some writes",
			"they are made later, once", Correct, func(ctx context.Context, e *env) error {
				var n atomic.Int64
				e.tap.write = func(ldapsync.Change) error {
					if n.Add(1)%3 != 0 {
						return fmt.Errorf("busy: %w", ldapsync.ErrTransient)
					}
					return nil
				}
				for i := range 3 {
					if err := e.set(ctx, e.users[i], attrTitle, "Matron"); err != nil {
						return err
					}
				}
				for range 6 {
					if _, err := e.cycle(ctx); err != nil {
						return err
					}
				}
				e.tap.write = nil
				return e.over(ctx, nil)
			}},
	}
}

// writeLate holds writes back until the next run reads the target: that of a program that was killed meanwhile, and
// those whose answer never came.
func writeLate(ctx context.Context, e *env) error {
	late := &tardy{Target: e.Target}
	e.Target = late
	killed := func(ldapsync.Change) error { e.tap.die(); return errKilled }
	unclear := func(ldapsync.Change) error { return ldapsync.ErrUnclear }
	for n, c := range []struct {
		answer func(ldapsync.Change) error
		join   bool // the write is the first one to that person
		gone   bool // the person has left when it arrives
	}{{killed, false, false}, {killed, true, false}, {unclear, false, false}, {unclear, true, false}, {unclear, false, true}} {
		p := e.users[n]
		if c.join {
			added, err := e.addUser(ctx, len(e.users))
			if err != nil {
				return prepared(err)
			}
			p = *added
		} else if err := e.set(ctx, p, attrTitle, "Matron"); err != nil {
			return err
		}
		late.answer = c.answer
		_, _ = e.cycle(ctx)
		e.tap.forget()
		late.answer = nil
		if len(late.held) == 0 {
			return errors.New("nothing was written: the case tests nothing")
		}
		if c.gone {
			if err := e.move(ctx, p, e.away); err != nil {
				return err
			}
			next, err := e.cycle(ctx)
			if err := errors.Join(err, next.refused); err != nil {
				return err
			}
			e.gone(p)
			if err := e.same(ctx); err != nil {
				return err
			}
			// It arrives at a target that does not compare before it writes.
			late.held = nil
			if err := e.TargetWorld.Set(ctx, p.target, attrTitle, "Matron"); err != nil {
				return prepared(err)
			}
			if err := e.correct(ctx, 1); err != nil {
				return fmt.Errorf("after it arrived: %w", err)
			}
			continue
		}
		late.arrive = true
		if err := e.correct(ctx, 0); err != nil {
			return fmt.Errorf("after it arrived: %w", err)
		}
		if err := e.move(ctx, p, e.away); err != nil {
			return err
		}
		e.gone(p)
		if err := e.correct(ctx, 1); err != nil {
			return fmt.Errorf("after the person left: %w", err)
		}
	}
	e.Target = late.Target
	return nil
}

// A tardy target carries writes out when it is next read.
type tardy struct {
	ldapsync.Target
	answer func(ldapsync.Change) error // nil: writes are carried out at once

	mu     sync.Mutex
	held   []ldapsync.Change
	arrive bool
}

func (t *tardy) Write(ctx context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	if t.answer == nil {
		return t.Target.Write(ctx, c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = append(t.held, c)
	return ldapsync.GUID{}, t.answer(c)
}

func (t *tardy) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		t.mu.Lock()
		held := t.held
		if !t.arrive {
			held = nil
		} else {
			t.held, t.arrive = nil, false
		}
		t.mu.Unlock()
		for _, c := range held {
			if _, err := t.Target.Write(ctx, c); err != nil {
				yield(ldapsync.Object{}, prepared(err))
				return
			}
		}
		t.Target.Read(ctx, q)(yield)
	}
}

// lossy loses the answer of every second write, in turn after it was carried out and before.
type lossy struct {
	ldapsync.Target
	n *atomic.Int64
}

func (l lossy) Write(ctx context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	switch l.n.Add(1) % 4 {
	case 1:
		_, err := l.Target.Write(ctx, c)
		return ldapsync.GUID{}, errors.Join(ldapsync.ErrUnclear, err)
	case 3:
		return ldapsync.GUID{}, ldapsync.ErrUnclear
	}
	return l.Target.Write(ctx, c)
}
