package hazardtest

import (
	"context"
	"fmt"

	"go.internal/hybridkit/ldapsync"
)

func identityCases() []Case {
	return []Case{
		{"renamed", "somebody marries: name, display name and account change",
			"they stay the same person at the target", Correct, func(ctx context.Context, e *env) error {
				p := e.users[9]
				if err := e.SourceWorld.Rename(ctx, p.source, "Zoë Ångström, née 9"); err != nil {
					return prepared(err)
				}
				if err := e.set(ctx, p, attrName, "Zoë Ångström"); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
		{"key-changed", "the attribute two objects were joined by changes, and another object has that value now",
			"a join that was made stays", Correct, func(ctx context.Context, e *env) error {
				a, b := e.users[9], e.users[10]
				for _, s := range []struct {
					p person
					v string
				}{{a, "hazard-temp"}, {b, "hazard-009"}, {a, "hazard-010"}} {
					if err := e.SourceWorld.Set(ctx, s.p.source, e.Key, s.v); err != nil {
						return prepared(err)
					}
				}
				if err := e.correct(ctx, 0); err != nil {
					return err
				}
				if err := e.set(ctx, a, attrTitle, "Matron"); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
		{"recreated-same-name", "somebody is deleted, and a new account has the same name and the same key",
			"the new account is not taken for the old one: it is joined after that has left and was reverted", Correct, func(ctx context.Context, e *env) error {
				p := e.users[10]
				if err := e.SourceWorld.Delete(ctx, p.source); err != nil {
					return prepared(err)
				}
				again, err := e.SourceWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, e.staff.DN.Child("CN", p.name), ldapsync.User,
					ldapsync.Values(e.Key, "hazard-010"), ldapsync.Values(attrTitle, "Registrar")))
				if err != nil {
					return prepared(err)
				}
				for n := range 2 {
					c, err := e.cycle(ctx)
					if err != nil || c.refused != nil {
						return fmt.Errorf("the cycle was not carried out: %w", firstOf(err, c.refused))
					}
					if n == 1 { // now the old one counts as deleted
						e.gone(p)
					}
					if err := e.same(ctx); err != nil {
						return fmt.Errorf("after %d cycles: %w", n+1, err)
					}
					if err := said(c.plan, again, ""); err != nil {
						return fmt.Errorf("after %d cycles: %w", n+1, err)
					}
				}
				e.want[p.target][attrTitle] = []string{"Registrar"}
				return e.correct(ctx, 1)
			}},
		{"duplicate-anchors", "two accounts carry the same mS-DS-ConsistencyGuid, as a copied account does",
			"neither is written, and nobody else is affected", Hold, func(ctx context.Context, e *env) error {
				i, j := e.users[11], people
				id, err := ldapsync.GUIDFromBytes([]byte("0123456789abcdef"))
				if err != nil {
					return err
				}
				first, err := e.addUser(ctx, j)
				if err != nil {
					return prepared(err)
				}
				second, err := e.addUser(ctx, j+1)
				if err != nil {
					return prepared(err)
				}
				one, two := *first, *second
				e.want[one.target], e.want[two.target] = map[string][]string{}, map[string][]string{}
				for _, p := range []person{one, two} {
					if err := e.SourceWorld.Set(ctx, p.source, "mS-DS-ConsistencyGuid", id.Raw()); err != nil {
						return prepared(err)
					}
				}
				if err := e.hold(ctx, "", one.source, two.source); err != nil {
					return err
				}
				if err := e.set(ctx, i, attrTitle, "Matron"); err != nil {
					return err
				}
				return e.correct(ctx, 1)
			}},
		{"duplicate-source-keys", "two accounts at the source have the same key",
			"neither is joined by it", Hold, func(ctx context.Context, e *env) error {
				p, err := e.addUser(ctx, people)
				if err != nil {
					return prepared(err)
				}
				one := *p
				e.want[one.target] = map[string][]string{}
				two, err := e.SourceWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, e.staff.DN.Child("CN", "double"), ldapsync.User,
					ldapsync.Values(e.Key, fmt.Sprintf("hazard-%03d", people)), ldapsync.Values(attrTitle, "Impostor")))
				if err != nil {
					return prepared(err)
				}
				return e.hold(ctx, "", one.source, two)
			}},
		{"key-of-somebody-else", "a new account has the key of somebody who is joined already",
			"it is held, and the other one stays as it is", Hold, func(ctx context.Context, e *env) error {
				two, err := e.SourceWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, e.staff.DN.Child("CN", "double"), ldapsync.User,
					ldapsync.Values(e.Key, "hazard-004"), ldapsync.Values(attrTitle, "Impostor")))
				if err != nil {
					return prepared(err)
				}
				return e.hold(ctx, "", two)
			}},
		{"duplicate-target-keys", "two people at the target have the same key",
			"neither is chosen", Hold, func(ctx context.Context, e *env) error {
				p, err := e.addUser(ctx, people)
				if err != nil {
					return prepared(err)
				}
				one := *p
				e.want[one.target] = map[string][]string{}
				twin, err := e.TargetWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, e.people.DN.Child("CN", "twin"), ldapsync.User,
					ldapsync.Values(e.Key, fmt.Sprintf("hazard-%03d", people))))
				if err != nil {
					return prepared(err)
				}
				e.want[twin] = map[string][]string{}
				e.users = append(e.users, person{target: twin, name: "twin"})
				return e.hold(ctx, "match", one.source)
			}},
	}
}
