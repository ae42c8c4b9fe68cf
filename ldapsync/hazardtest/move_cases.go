package hazardtest

import (
	"context"
	"errors"
	"fmt"

	"go.internal/hybridkit/ldapsync"
)

func moveCases() []Case {
	return []Case{
		{"child-ou", "an object is moved into an organisational unit below its own, which is not traversed",
			"it is held until somebody moves it back or out", Hold, func(ctx context.Context, e *env) error {
				child, err := e.SourceWorld.AddOU(ctx, e.staff.DN, "Nights")
				if err != nil {
					return prepared(err)
				}
				if err := e.move(ctx, e.users[2], child); err != nil {
					return err
				}
				if err := e.hold(ctx, "moved to a child OU", e.users[2].source); err != nil {
					return err
				}
				return e.over(ctx, func() error { return e.move(ctx, e.users[2], e.staff) })
			}},
		{"ou-renamed", "the organisational unit is renamed",
			"it is followed by its objectGUID, and nobody leaves", Correct, func(ctx context.Context, e *env) error {
				if err := e.SourceWorld.Rename(ctx, e.staff.ID, "Colleagues"); err != nil {
					return prepared(err)
				}
				if err := e.correct(ctx, 0); err != nil {
					return err
				}
				if err := e.set(ctx, e.users[2], attrTitle, "Matron"); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
		{"ou-moved", "the organisational unit is moved",
			"it is followed by its objectGUID, and nobody leaves", Correct, func(ctx context.Context, e *env) error {
				if err := e.SourceWorld.Move(ctx, e.staff.ID, e.away.DN); err != nil {
					return prepared(err)
				}
				if err := e.correct(ctx, 0); err != nil {
					return err
				}
				if err := e.set(ctx, e.users[2], attrTitle, "Matron"); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
		{"ou-recreated", "the organisational unit is deleted and made again under the same name, with the people anew",
			"another organisational unit is not taken for the old one", Refuse, func(ctx context.Context, e *env) error {
				if err := e.SourceWorld.Rename(ctx, e.staff.ID, "Being deleted"); err != nil {
					return prepared(err)
				}
				for _, p := range e.users {
					if err := e.SourceWorld.Delete(ctx, p.source); err != nil {
						return prepared(err)
					}
				}
				if err := e.SourceWorld.Delete(ctx, e.staff.ID); err != nil {
					return prepared(err)
				}
				again, err := e.SourceWorld.AddOU(ctx, e.SourceBase.DN, "Staff")
				if err != nil {
					return prepared(err)
				}
				for i, p := range e.users {
					attrs := []ldapsync.Attr{ldapsync.Values(e.Key, fmt.Sprintf("hazard-%03d", i)), ldapsync.Values(attrTitle, "Impostor")}
					if _, err := e.SourceWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, again.DN.Child("CN", p.name), ldapsync.User, attrs...)); err != nil {
						return prepared(err)
					}
				}
				return e.refuse(ctx, "deleted and made again")
			}},
		{"ou-deleted", "the organisational unit is deleted with everybody in it",
			"an organisational unit that cannot be found proves nothing", Refuse, func(ctx context.Context, e *env) error {
				for _, p := range e.users {
					if err := e.SourceWorld.Delete(ctx, p.source); err != nil {
						return prepared(err)
					}
				}
				if err := e.SourceWorld.Delete(ctx, e.staff.ID); err != nil {
					return prepared(err)
				}
				return e.refuse(ctx, "cannot be found")
			}},
		{"mass-move", "most of the organisational unit is moved away",
			"so many are not reverted without a word", Refuse, func(ctx context.Context, e *env) error {
				moved := e.users[:people-4]
				for _, p := range moved {
					if err := e.move(ctx, p, e.away); err != nil {
						return err
					}
				}
				if err := e.refuse(ctx, "would be reverted"); err != nil {
					return err
				}
				return e.over(ctx, func() error {
					for _, p := range moved {
						if err := e.move(ctx, p, e.staff); err != nil {
							return err
						}
					}
					return nil
				})
			}},
		{"moved-and-back", "somebody is moved out of the organisational unit and back, within a cycle and over several",
			"they are reverted when they are seen outside, and written again when they are back", Correct, func(ctx context.Context, e *env) error {
				p := e.users[7]
				if err := errors.Join(e.move(ctx, p, e.away), e.move(ctx, p, e.staff)); err != nil {
					return err
				}
				if err := e.correct(ctx, 0); err != nil {
					return fmt.Errorf("out and back between two cycles: %w", err)
				}
				for range 2 {
					if err := e.move(ctx, p, e.away); err != nil {
						return err
					}
					before := e.gone(p)
					if err := e.correct(ctx, 1); err != nil {
						return fmt.Errorf("out: %w", err)
					}
					if err := e.move(ctx, p, e.staff); err != nil {
						return err
					}
					e.want[p.target] = before
					if err := e.correct(ctx, 1); err != nil {
						return fmt.Errorf("back: %w", err)
					}
				}
				return nil
			}},
		{"moved-between-plan-and-apply", "somebody leaves and comes back while a plan waits to be applied",
			"the plan does what it said, and the next one puts it right", Correct, func(ctx context.Context, e *env) error {
				p := e.users[7]
				if err := e.move(ctx, p, e.away); err != nil {
					return err
				}
				s := e.engine()
				plan, err := s.Plan(ctx)
				if err != nil {
					return err
				}
				if err := e.move(ctx, p, e.staff); err != nil {
					return err
				}
				if _, err := s.Apply(ctx, plan, ldapsync.ApplyOptions{}); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
		{"deleted", "somebody is deleted",
			"they leave after two cycles in which they are found nowhere, not after one", Correct, func(ctx context.Context, e *env) error {
				p := e.users[8]
				if err := e.SourceWorld.Delete(ctx, p.source); err != nil {
					return prepared(err)
				}
				c, err := e.cycle(ctx)
				if err != nil || c.refused != nil {
					return fmt.Errorf("the cycle was not carried out: %w", firstOf(err, c.refused))
				}
				if err := e.same(ctx); err != nil {
					return fmt.Errorf("after one cycle: %w", err)
				}
				if err := said(c.plan, p.source, "found nowhere"); err != nil {
					return err
				}
				e.gone(p)
				return e.correct(ctx, 1)
			}},
	}
}
