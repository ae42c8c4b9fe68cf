package hazardtest

import (
	"context"
	"errors"
	"fmt"

	"go.internal/hybridkit/ldapsync"
)

func readCases() []Case {
	out := []Case{
		trouble("empty-read", NothingThere, "the organisational unit reads as empty, with success", "shows no objects at all"),
		trouble("page-missing", PageMissing, "a page of the read is missing, and the read ends with success", "the source shows"),
		trouble("connection-lost", ConnectionLost, "the connection breaks in the middle of a read", "read is incomplete"),
		trouble("size-limit", SizeLimit, "the server ends a read at its size limit", "read is incomplete"),
		trouble("time-limit", TimeLimit, "the server ends a read at its time limit", "read is incomplete"),
		trouble("admin-limit", AdminLimit, "the server ends a read at an administrative limit", "read is incomplete"),
		trouble("server-busy", ServerBusy, "the server is too busy to answer a read", "read is incomplete"),
		trouble("server-unavailable", Unavailable, "the server shuts down in the middle of a read", "read is incomplete"),
		trouble("referral", Referral, "the server refers the read to another server", "read is incomplete"),
	}
	return append(out,
		Case{"range-lost", "the connection breaks while the further values of an attribute with thousands are fetched",
			"nothing is concluded from some of the values", Refuse, func(ctx context.Context, e *env) error {
				if e.Faults.Reading == nil {
					return fmt.Errorf("%w: no fault Reading", ErrSkipped)
				}
				many := make([]string, 1600)
				for i := range many {
					many[i] = fmt.Sprintf("%05d", i)
				}
				if err := e.set(ctx, e.users[3], e.Multi, many...); err != nil {
					return err
				}
				if err := e.correct(ctx, 1); err != nil {
					return err
				}
				if err := e.set(ctx, e.users[3], e.Multi, many[:1590]...); err != nil {
					return err
				}
				e.want[e.users[3].target][e.Multi] = many // until the hazard is over
				over, ok := e.Faults.Reading(RangeLost)
				if !ok {
					return fmt.Errorf("%w: the fixture has no %s", ErrSkipped, "lost range")
				}
				if err := e.refuse(ctx, "what was read is thrown away"); err != nil {
					return err
				}
				over()
				e.want[e.users[3].target][e.Multi] = many[:1590]
				return e.correct(ctx, 1)
			}},
		Case{"many-values", "an attribute has more values than the server hands out at once (MaxValRange, 1,500)",
			"all of them arrive, and none is taken away", Correct, func(ctx context.Context, e *env) error {
				many := make([]string, 3200)
				for i := range many {
					many[i] = fmt.Sprintf("%05d", i)
				}
				if err := e.set(ctx, e.users[3], e.Multi, many...); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
		Case{"dirsync-cookie-refused", "the server does not take the DirSync cookie any more",
			"everything is read, and nothing is written that is not due", Correct, func(ctx context.Context, e *env) error {
				if e.Faults.Reading == nil {
					return fmt.Errorf("%w: no fault Reading", ErrSkipped)
				}
				over, ok := e.Faults.Reading(CookieRefused)
				if !ok {
					return fmt.Errorf("%w: the source keeps no cookie", ErrSkipped)
				}
				if err := e.set(ctx, e.users[3], attrTitle, "Matron"); err != nil {
					return err
				}
				if err := e.correct(ctx, 1); err != nil {
					return err
				}
				over()
				return e.over(ctx, nil)
			}},
		Case{"wrong-base", "the configuration names another organisational unit, which is empty",
			"that all objects left is not believed", Refuse, func(ctx context.Context, e *env) error {
				e.change = append(e.change, func(s *ldapsync.Syncer) {
					s.Organisation.Tracks[0].Scope.OUs = []ldapsync.ContainerRef{{DN: e.away.DN.String()}}
				})
				if err := e.refuse(ctx, "blocked"); err != nil {
					return err
				}
				return e.over(ctx, func() error { e.change = nil; return nil })
			}},
		Case{"wrong-filter", "the configuration gets a filter that nobody passes",
			"that all objects left is not believed", Refuse, func(ctx context.Context, e *env) error {
				e.change = append(e.change, func(s *ldapsync.Syncer) { s.Organisation.Tracks[0].Scope.Filter = "(title=Nobody)" })
				if err := e.refuse(ctx, "shows no objects at all"); err != nil {
					return err
				}
				return e.over(ctx, func() error { e.change = nil; return nil })
			}},
		Case{"mass-clear", "somebody empties an attribute of everybody at the source",
			"so many values are not cleared without a word", Refuse, func(ctx context.Context, e *env) error {
				for _, p := range e.users {
					if err := e.SourceWorld.Set(ctx, p.source, attrWard); err != nil {
						return prepared(err)
					}
				}
				if err := e.refuse(ctx, "would be cleared"); err != nil {
					return err
				}
				return e.over(ctx, func() error {
					for _, p := range e.users {
						if err := e.SourceWorld.Set(ctx, p.source, attrWard, e.want[p.target][attrWard]...); err != nil {
							return err
						}
					}
					return nil
				})
			}},
		Case{"global-catalog", "the connection is to a Global Catalog port, where attributes are silently missing",
			"such a read is refused", Refuse, func(ctx context.Context, e *env) error {
				if e.Faults.GlobalCatalog == nil {
					return fmt.Errorf("%w: no fault GlobalCatalog", ErrSkipped)
				}
				gc, err := e.Faults.GlobalCatalog(ctx)
				if err != nil {
					return prepared(err)
				}
				usual := e.Source
				e.Source = gc
				if err := e.refuse(ctx, "Global Catalog"); err != nil {
					return err
				}
				return e.over(ctx, func() error { e.Source = usual; return nil })
			}},
		Case{"another-server", "another domain controller answers from now on",
			"its change numbers are not mixed with those of the other one", Correct, func(ctx context.Context, e *env) error {
				if e.Faults.OtherServer == nil {
					return fmt.Errorf("%w: no fault OtherServer", ErrSkipped)
				}
				other, err := e.Faults.OtherServer(ctx)
				if err != nil {
					return prepared(err)
				}
				usual := e.Source
				for _, src := range []ldapsync.Source{other, usual, other} {
					e.Source = src
					title := fmt.Sprintf("%p", src)
					if err := errors.Join(e.set(ctx, e.users[3], attrTitle, title), e.set(ctx, e.users[4], attrTitle)); err != nil {
						return err
					}
					if err := e.correct(ctx, -1); err != nil {
						return err
					}
				}
				return e.over(ctx, nil)
			}},
		Case{"server-swapped-midway", "another domain controller answers before the reads of a cycle are done",
			"what two servers said is not put together", Refuse, func(ctx context.Context, e *env) error {
				if e.Faults.SwapServer == nil {
					return fmt.Errorf("%w: no fault SwapServer", ErrSkipped)
				}
				if err := e.set(ctx, e.users[3], attrTitle, "Matron"); err != nil {
					return err
				}
				e.want[e.users[3].target][attrTitle] = []string{"Nurse"} // until the hazard is over
				usual := e.Source
				e.Source = swapping(usual, e.Faults.SwapServer)
				if err := e.refuse(ctx, "answer"); err != nil {
					return err
				}
				e.Source = usual
				e.want[e.users[3].target][attrTitle] = []string{"Matron"}
				return e.correct(ctx, 1)
			}},
		Case{"server-restored", "the domain controller is restored from a backup (its invocationId changes)",
			"nothing it said before is relied on", Correct, func(ctx context.Context, e *env) error {
				if e.Faults.RestoreServer == nil {
					return fmt.Errorf("%w: no fault RestoreServer", ErrSkipped)
				}
				if err := e.Faults.RestoreServer(); err != nil {
					return prepared(err)
				}
				if err := e.set(ctx, e.users[3], attrTitle, "Matron"); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
	)
}

// trouble makes the case of a read that goes wrong while somebody changed, somebody left, and all else stayed.
func trouble(name string, t Trouble, hazard, why string) Case {
	return Case{name, hazard, "nothing is concluded from such a read", Refuse, func(ctx context.Context, e *env) error {
		if e.Faults.Reading == nil {
			return fmt.Errorf("%w: no fault Reading", ErrSkipped)
		}
		over, ok := e.Faults.Reading(t)
		if !ok {
			return fmt.Errorf("%w: the fixture has no such fault", ErrSkipped)
		}
		if err := e.refuse(ctx, why); err != nil {
			return err
		}
		over()
		return e.over(ctx, nil)
	}}
}
