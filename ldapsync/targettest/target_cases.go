package targettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.internal/hybridkit/ldapsync"
)

// TargetCases returns the suite for Target.
func TargetCases() []Case {
	cases := slices.Concat(containerCases(), readCases(), getCases(), updateCases(), preconditionCases(), createCases(), renameCases(), deleteCases(), failureCases())
	for i := range cases {
		run := cases[i].run
		cases[i].run = func(ctx context.Context, e *env) error {
			if e.Target == nil {
				return prepared(errors.New("there is no Target"))
			}
			e.reader = e.Target
			return run(ctx, e)
		}
	}
	return cases
}

func getCases() []Case {
	return []Case{
		{"get", "Get gives the attributes asked for, with the identity and DN, and no others.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				o, err := e.Target.Get(ctx, id, []string{e.Attrs.Text, e.Attrs.Text3})
				if err != nil {
					return did("get", err)
				}
				if o.ID != id || !o.DN.Equal(e.Base.DN.Child("CN", "Ann")) {
					return fmt.Errorf("the object is %s %s", o.ID, o.DN)
				}
				if o.Presence(e.Attrs.Text2) != ldapsync.Absent {
					return fmt.Errorf("it has %s, which was not asked for", e.Attrs.Text2)
				}
				return steps(
					func() error { return shows(o, e.Attrs.Text, "Ann Oakley") },
					func() error { return shows(o, e.Attrs.Text3) })
			})
		}},
		{"get-values", "Get gives all values, byte for byte.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Binary, photo(1), photo(2)), ldapsync.Values(e.Attrs.Multi, "+44 1 1", "+44 2 2"))
			if err != nil {
				return err
			}
			o, err := e.Target.Get(ctx, id, []string{e.Attrs.Binary, e.Attrs.Multi})
			if err != nil {
				return did("get", err)
			}
			return steps(
				func() error { return shows(o, e.Attrs.Binary, photo(1), photo(2)) },
				func() error { return shows(o, e.Attrs.Multi, "+44 1 1", "+44 2 2") })
		}},
		{"get-missing", "Get of an identity that is not there is ErrNotFound.", func(ctx context.Context, e *env) error {
			_, err := e.Target.Get(ctx, nobody, []string{e.Attrs.Text})
			return wants("get", err, ldapsync.ErrNotFound)
		}},
		{"get-moved", "Get finds an object by identity after it was moved and renamed.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				ou, err := e.ou(ctx, e.Base.DN, "Elsewhere")
				if err != nil {
					return err
				}
				if err := errors.Join(e.World.Move(ctx, id, ou.DN), e.World.Rename(ctx, id, "Nan")); err != nil {
					return prepared(err)
				}
				o, err := e.Target.Get(ctx, id, nil)
				if err != nil {
					return did("get", err)
				}
				if want := ou.DN.Child("CN", "Nan"); !o.DN.Equal(want) {
					return fmt.Errorf("the object is at %s, not %s", o.DN, want)
				}
				return nil
			})
		}},
	}
}

func updateCases() []Case {
	return []Case{
		{"update-set", "An update sets an attribute that was absent, and returns the identity.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error { return did("update", e.update(ctx, id, edit(e.Attrs.Text3, nil, vals("Nurse")))) },
					func() error { return e.holds(ctx, id, e.Attrs.Text3, "Nurse") })
			})
		}},
		{"update-change", "An update changes a value and leaves other attributes alone.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error {
						return did("update", e.update(ctx, id, edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4"))))
					},
					func() error { return e.holds(ctx, id, e.Attrs.Text2, "Ward 4") },
					func() error { return e.holds(ctx, id, e.Attrs.Text, "Ann Oakley") })
			})
		}},
		{"update-clear", "An edit to no values clears the attribute.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error { return did("update", e.update(ctx, id, edit(e.Attrs.Text2, vals("Ward 3"), nil))) },
					func() error { return e.holds(ctx, id, e.Attrs.Text2) },
					func() error { return e.holds(ctx, id, e.Attrs.Text, "Ann Oakley") })
			})
		}},
		{"update-several", "One update may set, change and clear different attributes.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error {
						return did("update", e.update(ctx, id,
							edit(e.Attrs.Text3, nil, vals("Nurse")), edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4")), edit(e.Attrs.Text, vals("Ann Oakley"), nil)))
					},
					func() error { return e.holds(ctx, id, e.Attrs.Text3, "Nurse") },
					func() error { return e.holds(ctx, id, e.Attrs.Text2, "Ward 4") },
					func() error { return e.holds(ctx, id, e.Attrs.Text) })
			})
		}},
		{"update-case", "A change of case alone is written, though directories compare without case.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error {
						return did("update", e.update(ctx, id, edit(e.Attrs.Text, vals("Ann Oakley"), vals("ANN Oakley"))))
					},
					func() error { return e.holds(ctx, id, e.Attrs.Text, "ANN Oakley") })
			})
		}},
		{"update-unicode", "Text of any script is written as it is, with its case, blanks and special characters.", func(ctx context.Context, e *env) error {
			const text = `Zoë "Å"  渡辺 \,;+<>#=*() ` + "\U0001F600!"
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error {
						return did("update", e.update(ctx, id, edit(e.Attrs.Text, vals("Ann Oakley"), vals(text))))
					},
					func() error { return e.holds(ctx, id, e.Attrs.Text, text) })
			})
		}},
		{"update-binary", "Binary values are written byte for byte.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Binary, photo(1)))
			if err != nil {
				return err
			}
			return steps(
				func() error {
					return did("update", e.update(ctx, id, edit(e.Attrs.Binary, vals(photo(1)), vals(photo(2), photo(3)))))
				},
				func() error { return e.holds(ctx, id, e.Attrs.Binary, photo(2), photo(3)) })
		}},
		{"update-multi", "Values of an attribute are a set: some go, some come, some stay.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Multi, "+44 1 1", "+44 2 2", "+44 3 3"))
			if err != nil {
				return err
			}
			return steps(
				func() error {
					return did("update", e.update(ctx, id, edit(e.Attrs.Multi, vals("+44 1 1", "+44 2 2", "+44 3 3"), vals("+44 4 4", "+44 2 2"))))
				},
				func() error { return e.holds(ctx, id, e.Attrs.Multi, "+44 2 2", "+44 4 4") })
		}},
		{"update-multi-order", "The order of values in Before and in the directory does not matter.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Multi, "+44 1 1", "+44 2 2", "+44 3 3"))
			if err != nil {
				return err
			}
			return steps(
				func() error {
					return did("update", e.update(ctx, id, edit(e.Attrs.Multi, vals("+44 3 3", "+44 1 1", "+44 2 2"), vals("+44 5 5"))))
				},
				func() error { return e.holds(ctx, id, e.Attrs.Multi, "+44 5 5") })
		}},
		{"update-moved", "An update finds its object by identity, not by the DN of the plan.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				ou, err := e.ou(ctx, e.Base.DN, "Elsewhere")
				if err != nil {
					return err
				}
				// Another object takes the old name.
				if err := e.World.Move(ctx, id, ou.DN); err != nil {
					return prepared(err)
				}
				other, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Text2, "Ward 3"))
				if err != nil {
					return err
				}
				_, err = e.Target.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Class: e.class(), DN: e.Base.DN.Child("CN", "Ann"),
					Edits: []ldapsync.Edit{edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4"))}})
				return steps(
					func() error { return did("update", err) },
					func() error { return e.holds(ctx, id, e.Attrs.Text2, "Ward 4") },
					func() error { return e.holds(ctx, other, e.Attrs.Text2, "Ward 3") })
			})
		}},
		{"update-missing", "An update of an object that is not there is ErrNotFound.", func(ctx context.Context, e *env) error {
			return wants("update", e.update(ctx, nobody, edit(e.Attrs.Text, nil, vals("x"))), ldapsync.ErrNotFound)
		}},
		{"update-deleted", "An update of an object that was deleted is ErrNotFound, even if another took its name.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.World.Delete(ctx, id); err != nil {
					return prepared(err)
				}
				other, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Text2, "Ward 3"))
				if err != nil {
					return err
				}
				_, err = e.Target.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Class: e.class(), DN: e.Base.DN.Child("CN", "Ann"),
					Edits: []ldapsync.Edit{edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4"))}})
				return steps(
					func() error { return wants("update", err, ldapsync.ErrNotFound) },
					func() error { return e.holds(ctx, other, e.Attrs.Text2, "Ward 3") })
			})
		}},
		{"update-read", "What was written is what Read and Get show.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.update(ctx, id, edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 9"))); err != nil {
					return did("update", err)
				}
				o, err := e.Target.Get(ctx, id, []string{e.Attrs.Text2})
				if err != nil {
					return did("get", err)
				}
				r, err := e.one(ctx, e.query(e.Base, e.Attrs.Text2))
				if err != nil {
					return err
				}
				return steps(
					func() error { return shows(o, e.Attrs.Text2, "Ward 9") },
					func() error { return shows(r, e.Attrs.Text2, "Ward 9") })
			})
		}},
	}
}

// refusesUpdate expects ErrPrecondition and no change of the three text attributes.
func (e *env) refusesUpdate(ctx context.Context, id ldapsync.GUID, edits ...ldapsync.Edit) error {
	before, err := e.World.Get(ctx, id)
	if err != nil {
		return prepared(err)
	}
	err = e.update(ctx, id, edits...)
	if err := wants("update", err, ldapsync.ErrPrecondition); err != nil {
		return err
	}
	for _, a := range []string{e.Attrs.Text, e.Attrs.Text2, e.Attrs.Text3, e.Attrs.Multi} {
		if err := e.holds(ctx, id, a, before.All(a)...); err != nil {
			return err
		}
	}
	return nil
}

func preconditionCases() []Case {
	return []Case{
		{"precondition-changed", "An attribute that has another value than Before is ErrPrecondition; nothing is written.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return e.refusesUpdate(ctx, id, edit(e.Attrs.Text2, vals("Ward 2"), vals("Ward 4")))
			})
		}},
		{"precondition-case", "Before is compared as bytes: another case is another value.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return e.refusesUpdate(ctx, id, edit(e.Attrs.Text2, vals("WARD 3"), vals("Ward 4")))
			})
		}},
		{"precondition-added", "An attribute that should be absent and is there is ErrPrecondition.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return e.refusesUpdate(ctx, id, edit(e.Attrs.Text2, nil, vals("Ward 4")))
			})
		}},
		{"precondition-gone", "An attribute that should be there and is absent is ErrPrecondition.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return e.refusesUpdate(ctx, id, edit(e.Attrs.Text3, vals("Nurse"), vals("Matron")))
			})
		}},
		{"precondition-clear", "A clear is refused too when the value is another.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return e.refusesUpdate(ctx, id, edit(e.Attrs.Text2, vals("Ward 2"), nil))
			})
		}},
		{"precondition-more", "A value more than Before says is ErrPrecondition.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Multi, "+44 1 1", "+44 2 2", "+44 3 3"))
			if err != nil {
				return err
			}
			return e.refusesUpdate(ctx, id, edit(e.Attrs.Multi, vals("+44 1 1", "+44 2 2"), vals("+44 4 4")))
		}},
		{"precondition-fewer", "A value fewer than Before says is ErrPrecondition.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Multi, "+44 1 1"))
			if err != nil {
				return err
			}
			return e.refusesUpdate(ctx, id, edit(e.Attrs.Multi, vals("+44 1 1", "+44 2 2"), vals("+44 4 4")))
		}},
		{"precondition-whole", "If one edit is refused none is made.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return e.refusesUpdate(ctx, id, edit(e.Attrs.Text3, nil, vals("Nurse")), edit(e.Attrs.Text2, vals("Ward 2"), vals("Ward 4")), edit(e.Attrs.Text, vals("Ann Oakley"), nil))
			})
		}},
		{"repeat", "An update whose edits are all made already writes nothing and succeeds.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				edits := []ldapsync.Edit{edit(e.Attrs.Text3, nil, vals("Nurse")), edit(e.Attrs.Text, vals("Ann Oakley"), nil)}
				return steps(
					func() error { return did("the first time", e.update(ctx, id, edits...)) },
					func() error { return did("the second time", e.update(ctx, id, edits...)) },
					func() error { return e.holds(ctx, id, e.Attrs.Text3, "Nurse") },
					func() error { return e.holds(ctx, id, e.Attrs.Text) })
			})
		}},
		{"repeat-multi", "An update of several values may be repeated, in any order.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Multi, "+44 1 1"))
			if err != nil {
				return err
			}
			return steps(
				func() error {
					return did("the first time", e.update(ctx, id, edit(e.Attrs.Multi, vals("+44 1 1"), vals("+44 2 2", "+44 3 3"))))
				},
				func() error {
					return did("the second time", e.update(ctx, id, edit(e.Attrs.Multi, vals("+44 1 1"), vals("+44 3 3", "+44 2 2"))))
				},
				func() error { return e.holds(ctx, id, e.Attrs.Multi, "+44 2 2", "+44 3 3") })
		}},
		{"repeat-partly", "If some edits are made already and others are not, that is ErrPrecondition: somebody else was there.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.World.Set(ctx, id, e.Attrs.Text3, "Nurse"); err != nil {
					return prepared(err)
				}
				return e.refusesUpdate(ctx, id, edit(e.Attrs.Text3, nil, vals("Nurse")), edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4")))
			})
		}},
		{"concurrent", "Of concurrent updates from the same value to different ones, one succeeds.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				errs := make([]error, 6)
				var wg sync.WaitGroup
				for i := range errs {
					wg.Go(func() {
						_, errs[i] = e.Target.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Class: e.class(), DN: e.Base.DN.Child("CN", "Ann"),
							Edits: []ldapsync.Edit{edit(e.Attrs.Text2, vals("Ward 3"), vals(fmt.Sprint("Floor ", i)))}})
					})
				}
				wg.Wait()
				won := -1
				for i, err := range errs {
					switch {
					case err == nil && won >= 0:
						return errors.New("two updates from the same value succeeded")
					case err == nil:
						won = i
					default:
						if err := wants("a concurrent update", err, ldapsync.ErrPrecondition); err != nil {
							return err
						}
					}
				}
				if won < 0 {
					return errors.New("none of the concurrent updates succeeded")
				}
				return e.holds(ctx, id, e.Attrs.Text2, fmt.Sprint("Floor ", won))
			})
		}},
	}
}

// create writes an OpCreate in the base.
func (e *env) create(ctx context.Context, class ldapsync.Class, parent ldapsync.DN, name string, attrs ...ldapsync.Attr) (ldapsync.GUID, error) {
	o := e.object(class, parent, name, attrs...)
	c := ldapsync.Change{Op: ldapsync.OpCreate, Class: class, DN: o.DN}
	for a := range o.Attrs() {
		c.Edits = append(c.Edits, edit(a.Name, nil, a.Values))
	}
	return e.Target.Write(ctx, c)
}

func createCases() []Case {
	return []Case{
		{"create", "A create makes the object with all attributes and returns its identity.", func(ctx context.Context, e *env) error {
			id, err := e.create(ctx, e.class(), e.Base.DN, "New", ldapsync.Values(e.Attrs.Text, "New One"),
				ldapsync.Values(e.Attrs.Multi, "+44 1 1", "+44 2 2"), ldapsync.Values(e.Attrs.Binary, photo(1)))
			if err != nil {
				return did("create", err)
			}
			o, err := e.World.Get(ctx, id)
			if err != nil {
				return fmt.Errorf("the identity that was returned: %w", err)
			}
			if want := e.Base.DN.Child("CN", "New"); !o.DN.Equal(want) {
				return fmt.Errorf("the object is at %s, not %s", o.DN, want)
			}
			return steps(
				func() error { return e.holds(ctx, id, e.Attrs.Text, "New One") },
				func() error { return e.holds(ctx, id, e.Attrs.Multi, "+44 1 1", "+44 2 2") },
				func() error { return e.holds(ctx, id, e.Attrs.Binary, photo(1)) })
		}},
		{"create-class", "What a create makes is of the class asked for.", func(ctx context.Context, e *env) error {
			for _, class := range e.Classes {
				name := "A " + class.String()
				if _, err := e.create(ctx, class, e.Base.DN, name); err != nil {
					return did("create", err)
				}
				q := e.query(e.Base)
				q.Class = class
				if err := e.reads(ctx, "the class "+class.String(), q, name); err != nil {
					return err
				}
			}
			return nil
		}},
		{"create-awkward-names", "Objects are created under names that need escaping.", func(ctx context.Context, e *env) error {
			for _, name := range awkward {
				id, err := e.create(ctx, e.class(), e.Base.DN, name)
				if err != nil {
					return did(fmt.Sprintf("create %q", name), err)
				}
				o, err := e.World.Get(ctx, id)
				if err != nil {
					return prepared(err)
				}
				if _, got := o.DN.RDN(); got != name {
					return fmt.Errorf("the object is named %q, not %q", got, name)
				}
			}
			return nil
		}},
		{"create-exists", "A create where an object is, is ErrExists and leaves that alone.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				_, err := e.create(ctx, e.class(), e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Text, "Another"))
				return steps(
					func() error { return wants("create", err, ldapsync.ErrExists) },
					func() error { return e.holds(ctx, id, e.Attrs.Text, "Ann Oakley") },
					func() error { return e.count(ctx, e.Base.DN, 1) })
			})
		}},
		{"create-repeat", "A create that is repeated is ErrExists and makes no second object.", func(ctx context.Context, e *env) error {
			if _, err := e.create(ctx, e.class(), e.Base.DN, "New"); err != nil {
				return did("create", err)
			}
			_, err := e.create(ctx, e.class(), e.Base.DN, "New")
			return steps(
				func() error { return wants("the second create", err, ldapsync.ErrExists) },
				func() error { return e.count(ctx, e.Base.DN, 1) })
		}},
		{"create-no-container", "A create in a container that is not there is ErrNotFound.", func(ctx context.Context, e *env) error {
			_, err := e.create(ctx, e.class(), e.Base.DN.Child("OU", "Nowhere"), "New")
			return steps(
				func() error { return wants("create", err, ldapsync.ErrNotFound) },
				func() error { return e.count(ctx, e.Base.DN, 0) })
		}},
	}
}

func (e *env) rename(ctx context.Context, id ldapsync.GUID, from, to string) error {
	got, err := e.Target.Write(ctx, ldapsync.Change{Op: ldapsync.OpRename, ID: id, Class: e.class(), DN: e.Base.DN.Child("CN", from), OldName: from, NewName: to})
	if err == nil && got != id {
		return fmt.Errorf("the rename returns the identity %s, not %s", got, id)
	}
	return err
}

// named checks the place and name of an object in the world.
func (e *env) named(ctx context.Context, id ldapsync.GUID, parent ldapsync.DN, want string) error {
	o, err := e.World.Get(ctx, id)
	if err != nil {
		return prepared(err)
	}
	if _, got := o.DN.RDN(); got != want || !o.DN.IsChildOf(parent) {
		return fmt.Errorf("in the directory the object is %s, not %q in %s", o.DN, want, parent)
	}
	return nil
}

func renameCases() []Case {
	return []Case{
		{"rename", "A rename changes the name and keeps identity, place and attributes.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error { return did("rename", e.rename(ctx, id, "Ann", "Nan")) },
					func() error { return e.named(ctx, id, e.Base.DN, "Nan") },
					func() error { return e.holds(ctx, id, e.Attrs.Text, "Ann Oakley") },
					func() error { return e.count(ctx, e.Base.DN, 1) })
			})
		}},
		{"rename-case", "A rename of case alone is carried out.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error { return did("rename", e.rename(ctx, id, "Ann", "ANN")) },
					func() error { return e.named(ctx, id, e.Base.DN, "ANN") })
			})
		}},
		{"rename-awkward-names", "Names that need escaping are taken as they are.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				old := "Ann"
				for _, name := range awkward {
					if err := e.rename(ctx, id, old, name); err != nil {
						return did(fmt.Sprintf("rename to %q", name), err)
					}
					if err := e.named(ctx, id, e.Base.DN, name); err != nil {
						return err
					}
					old = name
				}
				return nil
			})
		}},
		{"rename-moved", "A rename finds its object by identity and leaves it where it is.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				ou, err := e.ou(ctx, e.Base.DN, "Elsewhere")
				if err != nil {
					return err
				}
				return steps(
					func() error { return prepared(e.World.Move(ctx, id, ou.DN)) },
					func() error { return did("rename", e.rename(ctx, id, "Ann", "Nan")) },
					func() error { return e.named(ctx, id, ou.DN, "Nan") })
			})
		}},
		{"rename-precondition", "A rename of an object that has another name than OldName is ErrPrecondition.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error { return wants("rename", e.rename(ctx, id, "Anna", "Nan"), ldapsync.ErrPrecondition) },
					func() error { return e.named(ctx, id, e.Base.DN, "Ann") })
			})
		}},
		{"rename-repeat", "A rename that was made already succeeds.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error { return did("the first time", e.rename(ctx, id, "Ann", "Nan")) },
					func() error { return did("the second time", e.rename(ctx, id, "Ann", "Nan")) },
					func() error { return e.named(ctx, id, e.Base.DN, "Nan") })
			})
		}},
		{"rename-exists", "A rename to a name that another object has is ErrExists; both stay as they are.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				other, err := e.add(ctx, e.Base.DN, "Bob")
				if err != nil {
					return err
				}
				return steps(
					func() error { return wants("rename", e.rename(ctx, id, "Ann", "Bob"), ldapsync.ErrExists) },
					func() error { return e.named(ctx, id, e.Base.DN, "Ann") },
					func() error { return e.named(ctx, other, e.Base.DN, "Bob") })
			})
		}},
		{"rename-missing", "A rename of an object that is not there is ErrNotFound.", func(ctx context.Context, e *env) error {
			return wants("rename", e.rename(ctx, nobody, "Ann", "Nan"), ldapsync.ErrNotFound)
		}},
	}
}

func (e *env) delete(ctx context.Context, id ldapsync.GUID, edits ...ldapsync.Edit) error {
	_, err := e.Target.Write(ctx, ldapsync.Change{Op: ldapsync.OpDelete, ID: id, Class: e.class(), DN: e.Base.DN.Child("CN", "Ann"), Edits: edits})
	return err
}

func (e *env) gone(ctx context.Context, id ldapsync.GUID) error {
	_, err := e.World.Get(ctx, id)
	if err == nil {
		return errors.New("in the directory the object is still there")
	}
	if !errors.Is(err, ldapsync.ErrNotFound) {
		return prepared(err)
	}
	return nil
}

func deleteCases() []Case {
	return []Case{
		{"delete", "A delete removes the object and no other.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if _, err := e.add(ctx, e.Base.DN, "Bob"); err != nil {
					return err
				}
				return steps(
					func() error { return did("delete", e.delete(ctx, id)) },
					func() error { return e.gone(ctx, id) },
					func() error { return e.count(ctx, e.Base.DN, 1) })
			})
		}},
		{"delete-gone", "A delete of what is gone already succeeds, even if another took its name.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.World.Delete(ctx, id); err != nil {
					return prepared(err)
				}
				if _, err := e.add(ctx, e.Base.DN, "Ann"); err != nil {
					return err
				}
				return steps(
					func() error { return did("delete", e.delete(ctx, id)) },
					func() error { return e.count(ctx, e.Base.DN, 1) })
			})
		}},
		{"delete-precondition", "A delete whose edits do not hold is ErrPrecondition; the object stays.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error {
						return wants("delete", e.delete(ctx, id, edit(e.Attrs.Text, vals("Ann Oakley"), nil), edit(e.Attrs.Text2, vals("Ward 2"), nil)), ldapsync.ErrPrecondition)
					},
					func() error { return e.holds(ctx, id, e.Attrs.Text, "Ann Oakley") })
			})
		}},
		{"delete-precondition-holds", "A delete whose edits hold is carried out.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				return steps(
					func() error {
						return did("delete", e.delete(ctx, id, edit(e.Attrs.Text, vals("Ann Oakley"), nil), edit(e.Attrs.Text3, nil, nil)))
					},
					func() error { return e.gone(ctx, id) })
			})
		}},
		{"delete-moved", "A delete finds its object by identity, not by the DN of the plan.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				ou, err := e.ou(ctx, e.Base.DN, "Elsewhere")
				if err != nil {
					return err
				}
				if err := e.World.Move(ctx, id, ou.DN); err != nil {
					return prepared(err)
				}
				if _, err := e.add(ctx, e.Base.DN, "Ann"); err != nil {
					return err
				}
				return steps(
					func() error { return did("delete", e.delete(ctx, id)) },
					func() error { return e.gone(ctx, id) },
					func() error { return e.count(ctx, e.Base.DN, 1) })
			})
		}},
	}
}

func failureCases() []Case {
	return []Case{
		{"write-no-op", "A change without an operation is an error and changes nothing.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				_, err := e.Target.Write(ctx, ldapsync.Change{ID: id, Class: e.class(), DN: e.Base.DN.Child("CN", "Ann"), Edits: []ldapsync.Edit{edit(e.Attrs.Text2, vals("Ward 3"), vals("x"))}})
				if err == nil {
					return errors.New("it succeeds")
				}
				return e.holds(ctx, id, e.Attrs.Text2, "Ward 3")
			})
		}},
		{"write-cancelled", "A write whose context is cancelled before it begins is an error and changes nothing.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				done, cancel := context.WithCancel(ctx)
				cancel()
				_, err := e.Target.Write(done, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Class: e.class(), DN: e.Base.DN.Child("CN", "Ann"),
					Edits: []ldapsync.Edit{edit(e.Attrs.Text2, vals("Ward 3"), vals("x"))}})
				if err == nil {
					return errors.New("it succeeds")
				}
				return e.holds(ctx, id, e.Attrs.Text2, "Ward 3")
			})
		}},
		{"write-busy", "A busy directory is ErrTransient: nothing was written, and the same change succeeds later.", func(ctx context.Context, e *env) error {
			if e.Faults.Busy == nil {
				return skipped("the fixture cannot make the directory busy")
			}
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				change := edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4"))
				e.Faults.Busy()
				return steps(
					func() error { return wants("update", e.update(ctx, id, change), ldapsync.ErrTransient) },
					func() error { return e.holds(ctx, id, e.Attrs.Text2, "Ward 3") },
					func() error { return did("the repetition", e.update(ctx, id, change)) },
					func() error { return e.holds(ctx, id, e.Attrs.Text2, "Ward 4") })
			})
		}},
		{"write-lost-answer", "A write that was carried out and whose answer was lost is ErrUnclear, not ErrTransient, or a success; its repetition succeeds.", func(ctx context.Context, e *env) error {
			return e.lost(ctx, true)
		}},
		{"write-lost-request", "A write that was lost is ErrUnclear or ErrTransient, or a success after it was repeated; its repetition succeeds.", func(ctx context.Context, e *env) error {
			return e.lost(ctx, false)
		}},
		{"write-denied", "A write without the right to it is ErrPermission and changes nothing.", func(ctx context.Context, e *env) error {
			if e.Faults.DenyWrite == nil {
				return skipped("the fixture cannot deny writing")
			}
			return e.withAnn(ctx, func(id ldapsync.GUID) error {
				if err := e.Faults.DenyWrite(ctx, id); err != nil {
					return prepared(err)
				}
				return steps(
					func() error {
						return wants("update", e.update(ctx, id, edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4"))), ldapsync.ErrPermission)
					},
					func() error { return e.holds(ctx, id, e.Attrs.Text2, "Ward 3") })
			})
		}},
	}
}

func (e *env) lost(ctx context.Context, written bool) error {
	if e.Faults.LoseAnswer == nil {
		return skipped("the fixture cannot lose answers")
	}
	return e.withAnn(ctx, func(id ldapsync.GUID) error {
		change := edit(e.Attrs.Text2, vals("Ward 3"), vals("Ward 4"))
		e.Faults.LoseAnswer(written)
		err := e.update(ctx, id, change)
		switch {
		case err == nil: // the target looked again
			if err := e.holds(ctx, id, e.Attrs.Text2, "Ward 4"); err != nil {
				return fmt.Errorf("the update succeeds, but %w", err)
			}
		case errors.Is(err, ldapsync.ErrTransient):
			if err := e.holds(ctx, id, e.Attrs.Text2, "Ward 3"); err != nil {
				return fmt.Errorf("the error says that nothing was written, but %w", err)
			}
		default:
			if err := wants("update", err, ldapsync.ErrUnclear); err != nil {
				return err
			}
		}
		return steps(
			func() error { return did("the repetition", e.update(ctx, id, change)) },
			func() error { return e.holds(ctx, id, e.Attrs.Text2, "Ward 4") })
	})
}
