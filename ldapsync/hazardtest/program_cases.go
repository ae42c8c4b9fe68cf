package hazardtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memstate"
)

func programCases() []Case {
	return []Case{
		{"killed-anywhere", "the program is killed at any call it makes to a directory or to its state",
			"started again, it does what was due, once, and still knows what it owns", Correct, killedAnywhere},
		{"state-full", "the disk with the state is full",
			"nothing is written that could not be remembered", Refuse, func(ctx context.Context, e *env) error {
				if err := e.SourceWorld.Set(ctx, e.users[1].source, attrTitle, "Matron"); err != nil {
					return prepared(err)
				}
				full := errors.New("no space left on device")
				e.tap.save = func() error { return full }
				for range 3 {
					s := e.engine()
					p, err := s.Plan(ctx)
					if err == nil {
						_, err = s.Apply(ctx, p, ldapsync.ApplyOptions{})
					}
					if !errors.Is(err, full) {
						return fmt.Errorf("the engine did not say that its state cannot be written: %w", err)
					}
					if err := e.same(ctx); err != nil {
						return err
					}
				}
				e.tap.save = nil
				e.want[e.users[1].target][attrTitle] = []string{"Matron"}
				return e.correct(ctx, 1)
			}},
		{"state-lost", "the state is lost",
			"nothing is written; what was written before it was lost is not reverted when somebody leaves", Correct, func(ctx context.Context, e *env) error {
				e.State = memstate.New()
				if err := e.correct(ctx, 0); err != nil {
					return err
				}
				if err := e.set(ctx, e.users[1], attrTitle, "Matron"); err != nil {
					return err
				}
				if err := e.correct(ctx, 1); err != nil {
					return err
				}
				if err := e.move(ctx, e.users[1], e.away); err != nil {
					return err
				}
				e.want[e.users[1].target][attrTitle] = nil // this it knows to have written
				return e.correct(ctx, 1)
			}},
		{"state-of-yesterday", "the state is restored from a backup that is older than what was written since",
			"a value that is not what the old state knows is not reverted", Hold, func(ctx context.Context, e *env) error {
				a, b := e.users[1], e.users[2]
				yesterday, err := clone(ctx, e.State)
				if err != nil {
					return prepared(err)
				}
				if err := errors.Join(e.set(ctx, a, attrTitle, "Matron"), e.set(ctx, b, attrTitle, "Matron")); err != nil {
					return err
				}
				if err := e.correct(ctx, 2); err != nil {
					return err
				}
				e.State = yesterday
				if err := e.move(ctx, a, e.away); err != nil {
					return err
				}
				e.gone(a)
				e.want[a.target][attrTitle] = []string{"Matron"}
				return e.correct(ctx, 1)
			}},
		{"state-half-written", "a commit to the state fails in the middle of applying a plan, at every place",
			"the plan is finished later, and nothing is written twice", Correct, func(ctx context.Context, e *env) error {
				for fail := 1; ; fail++ {
					if fail > 200 {
						return errors.New("there is no end of commits")
					}
					title := fmt.Sprintf("Title %d", fail)
					for i := range 5 {
						if err := e.set(ctx, e.users[i], attrTitle, title); err != nil {
							return err
						}
					}
					n := 0
					broken := errors.New("input/output error")
					e.tap.save = func() error {
						if n++; n == fail {
							return broken
						}
						return nil
					}
					_, _ = e.cycle(ctx)
					e.tap.save = nil
					if err := e.correct(ctx, -1); err != nil {
						return fmt.Errorf("commit %d failed: %w", fail, err)
					}
					if n < fail {
						break
					}
				}
				if err := e.move(ctx, e.users[0], e.away); err != nil {
					return err
				}
				e.gone(e.users[0]) // it still knows what it owns
				return e.correct(ctx, 1)
			}},
		{"two-engines", "two engines run on one state, with plans of the same moment",
			"the second is refused, and writes nothing", Refuse, func(ctx context.Context, e *env) error {
				p := e.users[1]
				if err := e.SourceWorld.Set(ctx, p.source, attrTitle, "Matron"); err != nil {
					return prepared(err)
				}
				first := e.engine()
				one, err := first.Plan(ctx)
				if err != nil {
					return err
				}
				if err := e.SourceWorld.Set(ctx, p.source, attrTitle, "Sister"); err != nil {
					return prepared(err)
				}
				second := e.engine()
				two, err := second.Plan(ctx)
				if err != nil {
					return err
				}
				if _, err := second.Apply(ctx, two, ldapsync.ApplyOptions{}); err != nil {
					return err
				}
				e.want[p.target][attrTitle] = []string{"Sister"}
				_, err = first.Apply(ctx, one, ldapsync.ApplyOptions{})
				if err == nil {
					return errors.New("a plan from a state that is past was applied")
				}
				if err := e.over(ctx, nil); err != nil {
					return err
				}
				for n := range 10 { // and now really at once: what each of them makes of it, the end is right
					if err := e.set(ctx, p, attrTitle, fmt.Sprint("Title ", n)); err != nil {
						return err
					}
					var both sync.WaitGroup
					for range 2 {
						both.Go(func() { _, _ = e.cycle(ctx) })
					}
					both.Wait()
					if err := e.correct(ctx, -1); err != nil {
						return fmt.Errorf("two at once: %w", err)
					}
				}
				return nil
			}},
	}
}

// killedAnywhere stops the program at every call in turn, before it and after it, while there is work of every kind.
func killedAnywhere(ctx context.Context, e *env) error {
	leaver := e.users[3]
	full := e.want[leaver.target]
	out := false
	for n := 1; ; n++ {
		if n > 500 {
			return errors.New("there is no end of calls")
		}
		survived := true
		e.clock = e.clock.Add(time.Minute)
		for _, after := range []bool{false, true} {
			work := []error{
				e.set(ctx, e.users[0], attrTitle, fmt.Sprintf("Title %d %v", n, after)),
				e.set(ctx, e.users[1], e.Multi, fmt.Sprint(3*n), fmt.Sprint(3*n+1)),
			}
			if ward := e.want[e.users[2].target][attrWard]; len(ward) > 0 {
				work = append(work, e.set(ctx, e.users[2], attrWard))
			} else {
				work = append(work, e.set(ctx, e.users[2], attrWard, "Theatre"))
			}
			if out = !out; out {
				work = append(work, e.move(ctx, leaver, e.away))
				e.gone(leaver)
			} else {
				work = append(work, e.move(ctx, leaver, e.staff))
				e.want[leaver.target] = full
			}
			if err := errors.Join(work...); err != nil {
				return err
			}
			e.tap.arm(n, after)
			c, err := e.cycle(ctx)
			killed := errors.Is(err, errKilled) || errors.Is(c.refused, errKilled) || c.report != nil && strings.Contains(fmt.Sprint(c.report.Problems), errKilled.Error())
			if !killed && err != nil {
				return err
			}
			e.tap.forget()
			survived = survived && !killed
			if err := e.correct(ctx, -1); err != nil {
				return fmt.Errorf("killed at call %d, after it %v: %w", n, after, err)
			}
		}
		if survived {
			if n < 20 {
				return fmt.Errorf("the program makes only %d calls: the case tests nothing", n)
			}
			return nil
		}
	}
}

// clone copies a state.
func clone(ctx context.Context, s ldapsync.State) (ldapsync.State, error) {
	var ops []ldapsync.StateOp
	for r, err := range s.Scan(ctx, "") {
		if err != nil {
			return nil, err
		}
		ops = append(ops, ldapsync.StateOp{Key: strings.Clone(r.Key), Value: append([]byte(nil), r.Value...)})
	}
	out := memstate.New()
	return out, out.Commit(ctx, ops)
}

// A swapper makes another server answer from the middle of the first stream of objects to the end of the plan.
type swapper struct {
	ldapsync.Source
	swap func() func()
	over *func()
}

type swapVerifier struct {
	swapper
	ldapsync.AbsenceVerifier
}

func swapping(s ldapsync.Source, swap func() func()) ldapsync.Source {
	w := swapper{s, swap, new(func())}
	if v, ok := s.(ldapsync.AbsenceVerifier); ok {
		return swapVerifier{w, v}
	}
	return w
}

func (s swapper) end() {
	if *s.over != nil {
		(*s.over)()
		*s.over = nil
	}
}

func (s swapper) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	defer s.end()
	return s.Source.Info(ctx)
}

func (s swapper) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		for o, err := range s.Source.Read(ctx, q) {
			switch {
			case err != nil: // the source has noticed it itself, and there will be no plan
				s.end()
			case *s.over == nil:
				*s.over = s.swap()
			}
			if !yield(o, err) {
				return
			}
		}
	}
}
