package hazardtest

import (
	"context"
	"fmt"

	"go.internal/hybridkit/ldapsync"
)

func rightCases() []Case {
	return []Case{
		{"listing-denied", "the account loses the right to list the organisational unit: success, and nothing there",
			"a directory that may not be listed proves nothing", Refuse, func(ctx context.Context, e *env) error {
				if e.Faults.DenyList == nil {
					return fmt.Errorf("%w: no fault DenyList", ErrSkipped)
				}
				over, err := e.Faults.DenyList(ctx, e.staff)
				if err != nil {
					return prepared(err)
				}
				if err := e.refuse(ctx, "not proved that the account may list"); err != nil {
					return err
				}
				return e.over(ctx, over)
			}},
		{"attribute-denied", "the account loses the right to read one mapped attribute: it is silently missing",
			"an attribute that may not be read is not taken for cleared", Hold, func(ctx context.Context, e *env) error {
				if e.Faults.DenyRead == nil {
					return fmt.Errorf("%w: no fault DenyRead", ErrSkipped)
				}
				over, err := e.Faults.DenyRead(ctx, e.staff, attrTitle)
				if err != nil {
					return prepared(err)
				}
				// One object is read again in any case; what else of it changed is written.
				if err := e.set(ctx, e.users[3], attrWard, "Theatre"); err != nil {
					return err
				}
				c, err := e.cycle(ctx)
				if err != nil || c.refused != nil {
					return fmt.Errorf("the cycle was not carried out: %w", firstOf(err, c.refused))
				}
				if err := said(c.plan, e.users[3].source, "title cannot be read"); err != nil {
					return err
				}
				if err := e.hold(ctx, "title cannot be read", e.users[3].source); err != nil {
					return err
				}
				return e.over(ctx, over)
			}},
		{"attribute-denied-while-leaving", "somebody leaves while an attribute cannot be read",
			"what the engine wrote is reverted, and nothing of anybody else", Correct, func(ctx context.Context, e *env) error {
				if e.Faults.DenyRead == nil {
					return fmt.Errorf("%w: no fault DenyRead", ErrSkipped)
				}
				over, err := e.Faults.DenyRead(ctx, e.staff, attrTitle)
				if err != nil {
					return prepared(err)
				}
				if err := e.move(ctx, e.users[5], e.away); err != nil {
					return err
				}
				e.gone(e.users[5])
				if err := e.correct(ctx, 1); err != nil {
					return err
				}
				return e.over(ctx, over)
			}},
		{"filter-attribute-denied", "the account loses the right to read the attribute that the filter asks about: nobody passes it",
			"objects that cannot be judged do not leave", Refuse, func(ctx context.Context, e *env) error {
				if e.Faults.DenyRead == nil {
					return fmt.Errorf("%w: no fault DenyRead", ErrSkipped)
				}
				e.change = append(e.change, func(s *ldapsync.Syncer) { s.Organisation.Tracks[0].Scope.Filter = "(title=Nurse)" })
				if err := e.correct(ctx, 0); err != nil {
					return err
				}
				over, err := e.Faults.DenyRead(ctx, e.staff, attrTitle)
				if err != nil {
					return prepared(err)
				}
				if err := e.refuse(ctx, "shows no objects at all"); err != nil {
					return err
				}
				return e.over(ctx, over)
			}},
		{"disabled-account", "accounts are disabled, where the organisation synchronises enabled ones only",
			"a disabled account is held as it is", Hold, func(ctx context.Context, e *env) error {
				for _, p := range e.users {
					if err := e.SourceWorld.Set(ctx, p.source, "userAccountControl", "544"); err != nil {
						return prepared(err)
					}
				}
				e.change = append(e.change, func(s *ldapsync.Syncer) {
					s.Organisation.Tracks[0].Scope.Conditions = append(s.Organisation.Tracks[0].Scope.Conditions, ldapsync.Enabled())
				})
				if err := e.correct(ctx, 0); err != nil {
					return err
				}
				if err := e.SourceWorld.Set(ctx, e.users[6].source, "userAccountControl", "546"); err != nil {
					return prepared(err)
				}
				if err := e.SourceWorld.Set(ctx, e.users[6].source, attrTitle, "Nobody"); err != nil {
					return prepared(err)
				}
				if err := e.hold(ctx, "", e.users[6].source); err != nil {
					return err
				}
				if err := e.set(ctx, e.users[6], attrTitle, "Matron"); err != nil {
					return err
				}
				if err := e.SourceWorld.Set(ctx, e.users[6].source, "userAccountControl", "544"); err != nil {
					return prepared(err)
				}
				return e.correct(ctx, 1)
			}},
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
