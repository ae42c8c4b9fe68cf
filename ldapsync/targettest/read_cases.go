package targettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.internal/hybridkit/ldapsync"
)

// containerCases and readCases are clauses that Source and Target share.
func containerCases() []Case {
	return []Case{
		{"info-kind", "Info names the kind of directory.", func(ctx context.Context, e *env) error {
			i, err := e.reader.Info(ctx)
			if err == nil && i.Kind == "" {
				err = errors.New("the kind is empty")
			}
			return did("info", err)
		}},
		{"container-by-dn", "Container finds an organisational unit by its DN, without regard to case.", func(ctx context.Context, e *env) error {
			for _, dn := range []string{e.Base.DN.String(), strings.ToUpper(e.Base.DN.String())} {
				c, err := e.reader.Container(ctx, ldapsync.ContainerRef{DN: dn})
				if err != nil {
					return did("container "+dn, err)
				}
				if err := e.isContainer(c, e.Base); err != nil {
					return err
				}
			}
			return nil
		}},
		{"container-by-id", "Container finds an organisational unit by its identity.", func(ctx context.Context, e *env) error {
			c, err := e.reader.Container(ctx, ldapsync.ContainerRef{ID: e.Base.ID})
			if err != nil {
				return did("container", err)
			}
			return e.isContainer(c, e.Base)
		}},
		{"container-id-after-rename", "The identity of an organisational unit finds it under its new name, whatever DN the reference has.", func(ctx context.Context, e *env) error {
			ou, err := e.ou(ctx, e.Base.DN, "Before")
			if err != nil {
				return err
			}
			if err := e.World.Rename(ctx, ou.ID, "After"); err != nil {
				return prepared(err)
			}
			c, err := e.reader.Container(ctx, ldapsync.ContainerRef{ID: ou.ID, DN: ou.DN.String()})
			if err != nil {
				return did("container", err)
			}
			return e.isContainer(c, ldapsync.Container{ID: ou.ID, DN: e.Base.DN.Child("OU", "After")})
		}},
		{"container-awkward-names", "Container finds organisational units whose names need escaping.", func(ctx context.Context, e *env) error {
			for _, name := range awkward {
				ou, err := e.ou(ctx, e.Base.DN, name)
				if err != nil {
					return err
				}
				c, err := e.reader.Container(ctx, ldapsync.ContainerRef{DN: ou.DN.String()})
				if err != nil {
					return did(fmt.Sprintf("container %q", name), err)
				}
				if err := e.isContainer(c, ou); err != nil {
					return err
				}
			}
			return nil
		}},
		{"container-missing-dn", "A DN that is not there is ErrNotFound.", func(ctx context.Context, e *env) error {
			_, err := e.reader.Container(ctx, ldapsync.ContainerRef{DN: e.Base.DN.Child("OU", "Nowhere").String()})
			return wants("container", err, ldapsync.ErrNotFound)
		}},
		{"container-missing-id", "An identity that is not there is ErrNotFound, even if there is something at the DN.", func(ctx context.Context, e *env) error {
			_, err := e.reader.Container(ctx, ldapsync.ContainerRef{ID: nobody, DN: e.Base.DN.String()})
			return wants("container", err, ldapsync.ErrNotFound)
		}},
	}
}

// nobody is an identity that no object has.
var nobody = ldapsync.GUID{0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 0x40, 0x80, 5, 6, 7, 8, 9, 10, 11}

func (e *env) isContainer(got, want ldapsync.Container) error {
	if got.ID != want.ID || !got.DN.Equal(want.DN) {
		return fmt.Errorf("the container is %s %s, not %s %s", got.ID, got.DN, want.ID, want.DN)
	}
	return nil
}

func readCases() []Case {
	return []Case{
		{"read-one-level", "Read gives the objects directly in the container and none below.", func(ctx context.Context, e *env) error {
			return e.withTree(ctx, func() error {
				return e.reads(ctx, "one level", e.query(e.Base), "Ann", "Bob")
			})
		}},
		{"read-subtree", "Read with Subtree gives the objects at any depth.", func(ctx context.Context, e *env) error {
			return e.withTree(ctx, func() error {
				q := e.query(e.Base)
				q.Subtree = true
				return e.reads(ctx, "the subtree", q, "Ann", "Bob", "Cy", "Deb")
			})
		}},
		{"read-empty", "Read of an empty container gives nothing and no error.", func(ctx context.Context, e *env) error {
			return e.reads(ctx, "an empty container", e.query(e.Base))
		}},
		{"read-class", "Read gives objects of the class asked for only; a computer is not a user.", func(ctx context.Context, e *env) error {
			if len(e.Classes) < 2 {
				return skipped("the directory holds one class")
			}
			for _, class := range e.Classes {
				if _, err := e.World.Add(ctx, e.object(class, e.Base.DN, "A "+class.String())); err != nil {
					return prepared(err)
				}
			}
			for _, class := range e.Classes {
				q := e.query(e.Base)
				q.Class = class
				got, err := e.read(ctx, q)
				if err != nil {
					return did("read", err)
				}
				if n := names(got); !slices.Equal(n, []string{"A " + class.String()}) {
					return fmt.Errorf("read of class %s gives %s", class, quoted(n))
				}
				if got[0].Class != class {
					return fmt.Errorf("an object of class %s says %s", class, got[0].Class)
				}
			}
			return nil
		}},
		{"read-identity", "Read gives each object its identity and the DN where it is.", func(ctx context.Context, e *env) error {
			id, err := e.add(ctx, e.Base.DN, "Ann")
			if err != nil {
				return err
			}
			got, err := e.read(ctx, e.query(e.Base))
			if err != nil || len(got) != 1 {
				return fmt.Errorf("read gives %d objects of 1: %w", len(got), err)
			}
			if want := e.Base.DN.Child("CN", "Ann"); got[0].ID != id || !got[0].DN.Equal(want) {
				return fmt.Errorf("the object is %s %s, not %s %s", got[0].ID, got[0].DN, id, want)
			}
			return nil
		}},
		{"read-each-once", "Read gives every object once, however many there are.", func(ctx context.Context, e *env) error {
			want, err := e.fill(ctx)
			if err != nil {
				return err
			}
			return e.reads(ctx, fmt.Sprint(e.Many, " objects"), e.query(e.Base, e.Attrs.Text), want...)
		}},
		{"read-attrs", "Read gives the attributes asked for and no others.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(ldapsync.GUID) error {
				o, err := e.one(ctx, e.query(e.Base, e.Attrs.Text, e.Attrs.Text2))
				if err != nil {
					return err
				}
				for a := range o.Attrs() {
					if !strings.EqualFold(a.Name, e.Attrs.Text) && !strings.EqualFold(a.Name, e.Attrs.Text2) {
						return fmt.Errorf("read gives %s, which was not asked for", a.Name)
					}
				}
				return steps(
					func() error { return shows(o, e.Attrs.Text, "Ann Oakley") },
					func() error { return shows(o, e.Attrs.Text2, "Ward 3") })
			})
		}},
		{"read-no-attrs", "Read of no attributes gives identity and DN only.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(ldapsync.GUID) error {
				o, err := e.one(ctx, e.query(e.Base))
				if err != nil {
					return err
				}
				for a := range o.Attrs() {
					return fmt.Errorf("read gives %s, which was not asked for", a.Name)
				}
				return nil
			})
		}},
		{"read-attr-case", "Attribute names compare without case.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(ldapsync.GUID) error {
				o, err := e.one(ctx, e.query(e.Base, strings.ToUpper(e.Attrs.Text)))
				if err != nil {
					return err
				}
				return shows(o, strings.ToLower(e.Attrs.Text), "Ann Oakley")
			})
		}},
		{"read-absent", "An attribute without a value is absent.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(ldapsync.GUID) error {
				o, err := e.one(ctx, e.query(e.Base, e.Attrs.Text, e.Attrs.Text3))
				if err != nil {
					return err
				}
				return steps(
					func() error { return shows(o, e.Attrs.Text3) },
					func() error { return shows(o, e.Attrs.Text, "Ann Oakley") })
			})
		}},
		{"read-multi", "Read gives all values of an attribute.", func(ctx context.Context, e *env) error {
			want := vals("+44 1 1", "+44 2 2", "+44 3 3")
			if _, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Multi, want...)); err != nil {
				return err
			}
			o, err := e.one(ctx, e.query(e.Base, e.Attrs.Multi))
			if err != nil {
				return err
			}
			return shows(o, e.Attrs.Multi, want...)
		}},
		{"read-binary", "Values are bytes and arrive as they are.", func(ctx context.Context, e *env) error {
			if _, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Binary, photo(1), photo(2))); err != nil {
				return err
			}
			o, err := e.one(ctx, e.query(e.Base, e.Attrs.Binary))
			if err != nil {
				return err
			}
			return shows(o, e.Attrs.Binary, photo(1), photo(2))
		}},
		{"read-unicode", "Text values arrive as UTF-8, with case and blanks as they are.", func(ctx context.Context, e *env) error {
			const text = "Zoë  ÅNGSTRÖM 渡辺 \U0001F600"
			if _, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Text, text)); err != nil {
				return err
			}
			o, err := e.one(ctx, e.query(e.Base, e.Attrs.Text))
			if err != nil {
				return err
			}
			return shows(o, e.Attrs.Text, text)
		}},
		{"read-awkward-names", "Objects whose names need escaping are read, and their DNs name them.", func(ctx context.Context, e *env) error {
			for _, n := range awkward {
				if _, err := e.add(ctx, e.Base.DN, n); err != nil {
					return err
				}
			}
			got, err := e.read(ctx, e.query(e.Base))
			if err != nil {
				return did("read", err)
			}
			for _, o := range got {
				if !o.DN.IsChildOf(e.Base.DN) {
					return fmt.Errorf("%s is not in %s", o.DN, e.Base.DN)
				}
			}
			if n := names(got); !slices.Equal(n, slices.Sorted(slices.Values(awkward))) {
				return fmt.Errorf("read gives %s", quoted(n))
			}
			return nil
		}},
		{"read-awkward-container", "Read works in containers whose names need escaping.", func(ctx context.Context, e *env) error {
			for i, n := range awkward {
				ou, err := e.ou(ctx, e.Base.DN, n)
				if err != nil {
					return err
				}
				name := fmt.Sprint("Ann ", i)
				if _, err := e.add(ctx, ou.DN, name); err != nil {
					return err
				}
				if err := e.reads(ctx, n, e.query(ou), name); err != nil {
					return err
				}
			}
			return nil
		}},
		{"read-filter", "A filter narrows the class down; it does not replace it.", func(ctx context.Context, e *env) error {
			class := e.Classes[len(e.Classes)-1]
			for _, o := range []ldapsync.Object{
				e.object(e.class(), e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Text, "x1")),
				e.object(e.class(), e.Base.DN, "Bob", ldapsync.Values(e.Attrs.Text, "x2")),
				e.object(e.class(), e.Base.DN, "Cy"),
				e.object(class, e.Base.DN, "Dot"),
			} {
				if _, err := e.World.Add(ctx, o); err != nil {
					return prepared(err)
				}
			}
			q := e.query(e.Base)
			q.Filter = fmt.Sprintf("(|(%s=X1)(cn=Cy)(cn=Dot))", e.Attrs.Text)
			if class == e.class() {
				return e.reads(ctx, q.Filter, q, "Ann", "Cy", "Dot")
			}
			return e.reads(ctx, q.Filter, q, "Ann", "Cy")
		}},
		{"read-filter-malformed", "A filter that cannot be read is an error, not an empty or a full result.", func(ctx context.Context, e *env) error {
			return e.withAnn(ctx, func(ldapsync.GUID) error {
				for _, f := range []string{"(cn=Ann", "cn", "(cn=a)(cn=b)", ")(cn=*"} {
					q := e.query(e.Base)
					q.Filter = f
					if got, err := e.read(ctx, q); err == nil {
						return fmt.Errorf("the filter %q gives %d objects and no error", f, len(got))
					}
				}
				return nil
			})
		}},
		{"read-missing-container", "Read of a container that is gone is an error, not an empty result.", func(ctx context.Context, e *env) error {
			for _, c := range []ldapsync.Container{{ID: nobody, DN: e.Base.DN.Child("OU", "Nowhere")}, {ID: nobody, DN: e.Base.DN}} {
				if got, err := e.read(ctx, e.query(c)); err == nil {
					return fmt.Errorf("a read of %s <GUID=%s> gives %d objects and no error", c.DN, c.ID, len(got))
				}
			}
			return nil
		}},
		{"read-renamed-container", "Read finds its container by identity after it was renamed.", func(ctx context.Context, e *env) error {
			ou, err := e.ou(ctx, e.Base.DN, "Before")
			if err != nil {
				return err
			}
			if _, err := e.add(ctx, ou.DN, "Ann"); err != nil {
				return err
			}
			if err := e.World.Rename(ctx, ou.ID, "After"); err != nil {
				return prepared(err)
			}
			got, err := e.read(ctx, e.query(ou))
			if err != nil || len(got) != 1 {
				return fmt.Errorf("read gives %d objects of 1: %w", len(got), err)
			}
			if want := e.Base.DN.Child("OU", "After"); !got[0].DN.IsChildOf(want) {
				return fmt.Errorf("the object is at %s, not in %s", got[0].DN, want)
			}
			return nil
		}},
		{"read-moved", "Read shows objects where they are now.", func(ctx context.Context, e *env) error {
			ou, err := e.ou(ctx, e.Base.DN, "Leavers")
			if err != nil {
				return err
			}
			id, err := e.add(ctx, e.Base.DN, "Ann")
			if err != nil {
				return err
			}
			return steps(
				func() error { return e.reads(ctx, "the old place", e.query(e.Base), "Ann") },
				func() error { return prepared(e.World.Move(ctx, id, ou.DN)) },
				func() error { return e.reads(ctx, "the old place", e.query(e.Base)) },
				func() error { return e.reads(ctx, "the new place", e.query(ou), "Ann") })
		}},
		{"read-break", "A read may be left early; later reads are whole.", func(ctx context.Context, e *env) error {
			want, err := e.fill(ctx)
			if err != nil {
				return err
			}
			for n := range 3 {
				got := 0
				for _, err := range e.reader.Read(ctx, e.query(e.Base)) {
					if err != nil {
						return did("read", err)
					}
					if got++; got > n {
						break
					}
				}
			}
			return e.reads(ctx, "everything, after reads that were left", e.query(e.Base), want...)
		}},
		{"read-again", "A sequence can be iterated again and then shows the directory of that time.", func(ctx context.Context, e *env) error {
			if _, err := e.add(ctx, e.Base.DN, "First"); err != nil {
				return err
			}
			seq := e.reader.Read(ctx, e.query(e.Base))
			for n := range 3 {
				got := -1
				for _, err := range seq {
					if err != nil {
						return did("read", err)
					}
					got++
				}
				if got != n {
					return fmt.Errorf("the sequence gives %d objects where there are %d", got+1, n+1)
				}
				if _, err := e.add(ctx, e.Base.DN, fmt.Sprint("User ", n)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"read-concurrent", "Reads may run at the same time.", func(ctx context.Context, e *env) error {
			want, err := e.fill(ctx)
			if err != nil {
				return err
			}
			errs := make([]error, 4)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { errs[i] = e.reads(ctx, "everything", e.query(e.Base, e.Attrs.Text, e.Attrs.Text2), want...) })
			}
			wg.Wait()
			return errors.Join(errs...)
		}},
		{"read-nested", "An object may be looked up while a read is under way.", func(ctx context.Context, e *env) error {
			if _, err := e.fill(ctx); err != nil {
				return err
			}
			n := 0
			for _, err := range e.reader.Read(ctx, e.query(e.Base)) {
				if err != nil {
					return did("read", err)
				}
				if n++; n <= 3 {
					if _, err := e.reader.Container(ctx, ldapsync.ContainerRef{ID: e.Base.ID, DN: e.Base.DN.String()}); err != nil {
						return did("container during a read", err)
					}
				}
			}
			if n != e.Many {
				return fmt.Errorf("the read gives %d objects of %d", n, e.Many)
			}
			return nil
		}},
		{"read-cancelled", "A read whose context is cancelled before it begins is an error.", func(ctx context.Context, e *env) error {
			if _, err := e.add(ctx, e.Base.DN, "Ann"); err != nil {
				return err
			}
			done, cancel := context.WithCancel(ctx)
			cancel()
			if got, err := e.read(done, e.query(e.Base)); err == nil {
				return fmt.Errorf("the read gives %d objects and no error", len(got))
			}
			return nil
		}},
		{"read-cancel-midway", "A read that is cancelled midway ends in an error unless everything was given.", func(ctx context.Context, e *env) error {
			if _, err := e.fill(ctx); err != nil {
				return err
			}
			cancelled, cancel := context.WithCancel(ctx)
			defer cancel()
			got := 0
			for _, err := range e.reader.Read(cancelled, e.query(e.Base)) {
				if err != nil {
					return nil
				}
				cancel()
				got++
			}
			if got != e.Many {
				return fmt.Errorf("the read ends without an error after %d objects of %d", got, e.Many)
			}
			return nil
		}},
		{"read-partial", "A read that breaks off ends in an error; what came before must not look complete.", func(ctx context.Context, e *env) error {
			if e.Faults.BreakRead == nil {
				return skipped("the fixture cannot break reads")
			}
			if _, err := e.fill(ctx); err != nil {
				return err
			}
			e.Faults.BreakRead(e.Many / 2)
			got, err := e.read(ctx, e.query(e.Base))
			if err == nil {
				return fmt.Errorf("the read ends without an error after %d objects of %d", len(got), e.Many)
			}
			if errors.Is(err, ldapsync.ErrNotFound) {
				return fmt.Errorf("a broken read says that something is not there: %w", err)
			}
			return nil
		}},
	}
}

// withTree makes Ann and Bob in the base, Cy in an organisational unit there, Deb in one below that.
func (e *env) withTree(ctx context.Context, f func() error) error {
	parent := e.Base.DN
	for i, n := range []string{"Ann", "Bob", "Cy", "Deb"} {
		if i >= 2 {
			ou, err := e.ou(ctx, parent, fmt.Sprint("Level ", i))
			if err != nil {
				return err
			}
			parent = ou.DN
		}
		if _, err := e.add(ctx, parent, n); err != nil {
			return err
		}
	}
	return f()
}

// withAnn makes one object with two text attributes.
func (e *env) withAnn(ctx context.Context, f func(ldapsync.GUID) error) error {
	id, err := e.add(ctx, e.Base.DN, "Ann", ldapsync.Values(e.Attrs.Text, "Ann Oakley"), ldapsync.Values(e.Attrs.Text2, "Ward 3"))
	if err != nil {
		return err
	}
	return f(id)
}

// one reads exactly one object.
func (e *env) one(ctx context.Context, q ldapsync.Query) (ldapsync.Object, error) {
	got, err := e.read(ctx, q)
	if err != nil || len(got) != 1 {
		return ldapsync.Object{}, fmt.Errorf("read gives %d objects of 1: %w", len(got), err)
	}
	return got[0], nil
}

// fill adds Many objects and returns their names.
func (e *env) fill(ctx context.Context) ([]string, error) {
	var out []string
	for i := range e.Many {
		name := fmt.Sprintf("User %04d", i)
		if _, err := e.add(ctx, e.Base.DN, name, ldapsync.Values(e.Attrs.Text, name)); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}
