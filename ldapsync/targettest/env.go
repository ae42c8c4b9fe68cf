package targettest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// reader is what Source and Target have in common.
type reader interface {
	Info(ctx context.Context) (ldapsync.DirectoryInfo, error)
	Container(ctx context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error)
	Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error]
}

// env is a Fixture with its defaults, and the helpers of the cases.
type env struct {
	Fixture
	reader reader
}

// awkward are names that need care in distinguished names, filters and URLs.
var awkward = []string{
	`Oakley, Ann "Nan"`,
	`#1 Ward + Theatre; <east> = 3`,
	`back\slash (and) *star*`,
	`Zoë Ångström 渡辺`,
	`slash/and%20percent`,
}

// photo makes a binary value that begins like a JPEG, so that servers which look take it.
func photo(n int) string {
	b := []byte{0xFF, 0xD8, 0xFF, 0xE0, 0x00, 0x10, 'J', 'F', 'I', 'F', 0x00, byte(n)}
	for i := range 256 {
		b = append(b, byte(i))
	}
	return string(append(b, 0xFF, 0xD9))
}

func (e *env) class() ldapsync.Class { return e.Classes[0] }

// object describes an object of the suite at a place, with what the directory requires.
func (e *env) object(class ldapsync.Class, parent ldapsync.DN, name string, attrs ...ldapsync.Attr) ldapsync.Object {
	var all []ldapsync.Attr
	if e.Required != nil {
		all = e.Required(class, name)
	}
	return ldapsync.NewObject(ldapsync.GUID{}, parent.Child("CN", name), class, append(slices.Clone(all), attrs...)...)
}

// add puts an object into the world and returns its identity.
func (e *env) add(ctx context.Context, parent ldapsync.DN, name string, attrs ...ldapsync.Attr) (ldapsync.GUID, error) {
	id, err := e.World.Add(ctx, e.object(e.class(), parent, name, attrs...))
	return id, prepared(err)
}

func (e *env) ou(ctx context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error) {
	c, err := e.World.AddOU(ctx, parent, name)
	return c, prepared(err)
}

// prepared marks an error of the fixture's World, so that it is not taken for one of what is under test.
func prepared(err error) error {
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	return nil
}

// steps runs checks one after another and stops at the first that fails.
func steps(list ...func() error) error {
	for _, f := range list {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// query asks for the suite's own class in a container.
func (e *env) query(c ldapsync.Container, attrs ...string) ldapsync.Query {
	return ldapsync.Query{Class: e.class(), Container: c, Attrs: attrs}
}

// read collects a read and checks what holds for every read.
func (e *env) read(ctx context.Context, q ldapsync.Query) ([]ldapsync.Object, error) {
	var out []ldapsync.Object
	var failed error
	for o, err := range e.reader.Read(ctx, q) {
		switch {
		case failed != nil:
			return out, errors.New("a read goes on after an error")
		case err != nil:
			failed = err
		case o.ID.IsZero():
			return out, fmt.Errorf("read: %s has no identity", o.DN)
		default:
			out = append(out, o)
		}
		if len(out) > 1_000_000 {
			return out, errors.New("a read does not end")
		}
	}
	return out, failed
}

// names returns the values of the RDNs, sorted.
func names(objects []ldapsync.Object) []string {
	out := make([]string, 0, len(objects))
	for _, o := range objects {
		_, n := o.DN.RDN()
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// reads checks which objects a query gives.
func (e *env) reads(ctx context.Context, what string, q ldapsync.Query, want ...string) error {
	got, err := e.read(ctx, q)
	if err != nil {
		return fmt.Errorf("read of %s: %w", what, err)
	}
	slices.Sort(want)
	if n := names(got); !slices.Equal(n, want) {
		return fmt.Errorf("read of %s gives %s, not %s", what, quoted(n), quoted(want))
	}
	return nil
}

// sameSet compares values in any order.
func sameSet(what string, got, want []string) error {
	if !ldapsync.SameValues(got, want) {
		return fmt.Errorf("%s is %s, not %s", what, quoted(got), quoted(want))
	}
	return nil
}

// shows checks an attribute of an object as it was read.
func shows(o ldapsync.Object, attr string, want ...string) error {
	if len(want) == 0 && o.Presence(attr) != ldapsync.Absent {
		return fmt.Errorf("%s of %s is %s, not absent", attr, o.DN, o.Presence(attr))
	}
	return sameSet(attr+" of "+o.DN.String(), o.All(attr), want)
}

// holds checks an attribute in the world.
func (e *env) holds(ctx context.Context, id ldapsync.GUID, attr string, want ...string) error {
	o, err := e.World.Get(ctx, id)
	if err != nil {
		return prepared(err)
	}
	return sameSet("in the directory, "+attr, o.All(attr), want)
}

// count checks how many objects there are in a container of the world.
func (e *env) count(ctx context.Context, c ldapsync.DN, want int) error {
	list, err := e.World.List(ctx, c)
	if err != nil {
		return prepared(err)
	}
	if len(list) != want {
		return fmt.Errorf("in the directory there are %d objects, not %d: %s", len(list), want, quoted(names(list)))
	}
	return nil
}

// wants checks that an error wraps the sentinel.
func wants(what string, err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("%s: the error is %v, it does not wrap %q", what, err, target)
	}
	return nil
}

// quoted prints values for a message; binary and long ones would garble it.
func quoted(values []string) string {
	out := make([]string, 0, len(values))
	for i, v := range values {
		if i == 10 {
			out = append(out, fmt.Sprintf("and %d more", len(values)-i))
			break
		}
		if len(v) > 40 {
			v = v[:40] + "…"
		}
		out = append(out, fmt.Sprintf("%q", v))
	}
	return "[" + strings.Join(out, " ") + "]"
}

func edit(attr string, before, after []string) ldapsync.Edit {
	return ldapsync.Edit{Attr: attr, Before: before, After: after}
}

func vals(v ...string) []string { return v }

// update writes edits to one object.
func (e *env) update(ctx context.Context, id ldapsync.GUID, edits ...ldapsync.Edit) error {
	o, err := e.World.Get(ctx, id)
	if err != nil && !errors.Is(err, ldapsync.ErrNotFound) {
		return prepared(err)
	}
	got, err := e.Target.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Class: e.class(), DN: o.DN, Edits: edits})
	if err == nil && got != id {
		return fmt.Errorf("the update returns the identity %s, not %s", got, id)
	}
	return err
}

func did(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
