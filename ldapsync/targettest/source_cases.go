package targettest

import (
	"context"
	"fmt"
	"slices"

	"go.internal/hybridkit/ldapsync"
)

// SourceCases returns the suite for Source.
func SourceCases() []Case {
	cases := slices.Concat(containerCases(), readCases(), childCases(), locateCases(), verifyCases())
	for i := range cases {
		run := cases[i].run
		cases[i].run = func(ctx context.Context, e *env) error {
			if e.Source == nil {
				return prepared(fmt.Errorf("there is no Source"))
			}
			e.reader = e.Source
			return run(ctx, e)
		}
	}
	return cases
}

func childCases() []Case {
	return []Case{
		{"children", "ChildContainers lists the organisational units directly below, with identity and DN, and nothing else.", func(ctx context.Context, e *env) error {
			return e.withTree(ctx, func() error {
				want, err := e.ou(ctx, e.Base.DN, awkward[0])
				if err != nil {
					return err
				}
				got, err := e.Source.ChildContainers(ctx, e.Base)
				if err != nil {
					return did("child containers", err)
				}
				var list []string
				for _, c := range got {
					_, n := c.DN.RDN()
					list = append(list, n)
					if n == awkward[0] {
						if err := e.isContainer(c, want); err != nil {
							return err
						}
					}
				}
				slices.Sort(list)
				if w := slices.Sorted(slices.Values([]string{"Level 2", awkward[0]})); !slices.Equal(list, w) {
					return fmt.Errorf("the child containers are %s, not %s", quoted(list), quoted(w))
				}
				return nil
			})
		}},
		{"children-none", "A container without organisational units has no child containers, and that is no error.", func(ctx context.Context, e *env) error {
			if _, err := e.add(ctx, e.Base.DN, "Ann"); err != nil {
				return err
			}
			got, err := e.Source.ChildContainers(ctx, e.Base)
			if err == nil && len(got) > 0 {
				err = fmt.Errorf("%d are listed", len(got))
			}
			return did("child containers", err)
		}},
		{"children-missing", "The child containers of a container that is gone are an error.", func(ctx context.Context, e *env) error {
			if _, err := e.Source.ChildContainers(ctx, ldapsync.Container{ID: nobody, DN: e.Base.DN.Child("OU", "Nowhere")}); err == nil {
				return fmt.Errorf("they are listed without an error")
			}
			return nil
		}},
	}
}

func (e *env) locate(ctx context.Context, id ldapsync.GUID, wantDN ldapsync.DN) error {
	o, err := e.Source.Locate(ctx, id, []string{e.Attrs.Text})
	if err != nil {
		return did("locate", err)
	}
	if o.ID != id || !o.DN.Equal(wantDN) {
		return fmt.Errorf("the object is %s %s, not %s %s", o.ID, o.DN, id, wantDN)
	}
	return nil
}

func locateCases() []Case {
	return []Case{
		{"locate", "Locate gives the object of an identity, with its class and the attributes asked for, and no others.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				o, err := e.Source.Locate(ctx, id, []string{e.Attrs.Text, e.Attrs.Text3})
				if err != nil {
					return did("locate", err)
				}
				if o.ID != id || o.Class != e.class() || !o.DN.Equal(e.Base.DN.Child("CN", "Ann")) {
					return fmt.Errorf("the object is %s %s %s", o.Class, o.ID, o.DN)
				}
				if o.Presence(e.Attrs.Text2) != ldapsync.Absent {
					return fmt.Errorf("it has %s, which was not asked for", e.Attrs.Text2)
				}
				return steps(
					func() error { return shows(o, e.Attrs.Text, "Ann Oakley") },
					func() error { return shows(o, e.Attrs.Text3) })
			})
		}},
		{"locate-moved", "Locate finds an object that was moved elsewhere.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				ou, err := e.ou(ctx, e.Base.DN, "Leavers")
				if err != nil {
					return err
				}
				return steps(
					func() error { return e.locate(ctx, id, e.Base.DN.Child("CN", "Ann")) },
					func() error { return prepared(e.World.Move(ctx, id, ou.DN)) },
					func() error { return e.locate(ctx, id, ou.DN.Child("CN", "Ann")) })
			})
		}},
		{"locate-renamed", "Locate finds an object that was renamed.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error { return prepared(e.World.Rename(ctx, id, awkward[0])) },
					func() error { return e.locate(ctx, id, e.Base.DN.Child("CN", awkward[0])) })
			})
		}},
		{"locate-deleted", "Locate of an object that was deleted is ErrNotFound.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.World.Delete(ctx, id); err != nil {
					return prepared(err)
				}
				_, err := e.Source.Locate(ctx, id, nil)
				return wants("locate", err, ldapsync.ErrNotFound)
			})
		}},
		{"locate-unknown", "Locate of an identity that never was is ErrNotFound.", func(ctx context.Context, e *env) error {
			_, err := e.Source.Locate(ctx, nobody, nil)
			return wants("locate", err, ldapsync.ErrNotFound)
		}},
	}
}

func verifyCases() []Case {
	verifier := func(e *env) (ldapsync.AbsenceVerifier, error) {
		v, ok := e.Source.(ldapsync.AbsenceVerifier)
		if !ok {
			return nil, skipped("the source is no AbsenceVerifier")
		}
		return v, nil
	}
	return []Case{
		{"verify-absent", "VerifyAbsent says Absent of attributes that the account may read and that have no value, one answer for each.", func(ctx context.Context, e *env) error {
			v, err := verifier(e)
			if err != nil {
				return err
			}
			id, err := e.add(ctx, e.Base.DN, "Ann")
			if err != nil {
				return err
			}
			got, err := v.VerifyAbsent(ctx, id, []string{e.Attrs.Text, e.Attrs.Text2, e.Attrs.Text3})
			if err != nil {
				return did("verify", err)
			}
			if !slices.Equal(got, make([]ldapsync.Presence, 3)) {
				return fmt.Errorf("three absent attributes are %v", got)
			}
			return nil
		}},
		{"verify-unreadable", "VerifyAbsent says Unreadable of an attribute that the account may not read.", func(ctx context.Context, e *env) error {
			v, err := verifier(e)
			if err != nil {
				return err
			}
			if e.Faults.DenyRead == nil {
				return skipped("the fixture cannot deny reading an attribute")
			}
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.Faults.DenyRead(ctx, id, e.Attrs.Text2); err != nil {
					return prepared(err)
				}
				got, err := v.VerifyAbsent(ctx, id, []string{e.Attrs.Text3, e.Attrs.Text2})
				if err != nil {
					return did("verify", err)
				}
				if !slices.Equal(got, []ldapsync.Presence{ldapsync.Absent, ldapsync.Unreadable}) {
					return fmt.Errorf("an absent and an unreadable attribute are %v", got)
				}
				return nil
			})
		}},
		{"verify-unreadable-read", "A read never shows an attribute that the account may not read as present or with other values.", func(ctx context.Context, e *env) error {
			if e.Faults.DenyRead == nil {
				return skipped("the fixture cannot deny reading an attribute")
			}
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.Faults.DenyRead(ctx, id, e.Attrs.Text2); err != nil {
					return prepared(err)
				}
				o, err := e.one(ctx, e.query(e.Base, e.Attrs.Text, e.Attrs.Text2))
				if err != nil {
					return err
				}
				if o.Presence(e.Attrs.Text2) == ldapsync.Present {
					return fmt.Errorf("%s is %s", e.Attrs.Text2, quoted(o.All(e.Attrs.Text2)))
				}
				return shows(o, e.Attrs.Text, "Ann Oakley")
			})
		}},
		{"verify-listing", "VerifyListing says Present of a container that the account may list, even if it is empty.", func(ctx context.Context, e *env) error {
			v, err := verifier(e)
			if err != nil {
				return err
			}
			got, err := v.VerifyListing(ctx, e.Base)
			if err == nil && got != ldapsync.Present {
				err = fmt.Errorf("it says %s", got)
			}
			return did("verify", err)
		}},
		{"verify-listing-denied", "VerifyListing says Unreadable of a container that the account may not list.", func(ctx context.Context, e *env) error {
			v, err := verifier(e)
			if err != nil {
				return err
			}
			if e.Faults.DenyList == nil {
				return skipped("the fixture cannot deny listing a container")
			}
			if _, err := e.add(ctx, e.Base.DN, "Ann"); err != nil {
				return err
			}
			if err := e.Faults.DenyList(ctx, e.Base); err != nil {
				return prepared(err)
			}
			got, err := v.VerifyListing(ctx, e.Base)
			if err == nil && got != ldapsync.Unreadable {
				err = fmt.Errorf("it says %s", got)
			}
			return did("verify", err)
		}},
	}
}
