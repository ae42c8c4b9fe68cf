package memdir

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// Add puts an object where its DN says and returns its identity: o.ID, or a new one if that is zero. Missing
// ancestors are created. What o lacks is added: objectClass by its Class (or by the type of its name: OU, DC, O,
// else container), the attribute of its name; a zero Class is taken from objectClass. The error wraps
// ErrExists if DN or identity are taken.
func (d *Dir) Add(o ldapsync.Object) (ldapsync.GUID, error) {
	if o.DN.IsRoot() {
		return ldapsync.GUID{}, errors.New("memdir: an object needs a DN")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	parent, err := d.ancestors(o.DN.Parent())
	if err != nil {
		return ldapsync.GUID{}, err
	}
	n, err := d.insert(o, parent)
	if err != nil {
		return ldapsync.GUID{}, err
	}
	return n.state.obj.ID, nil
}

func (d *Dir) ancestors(dn ldapsync.DN) (*node, error) {
	if dn.IsRoot() {
		return d.root, nil
	}
	if n := d.byKey[dn.Key()]; n != nil {
		return n, nil
	}
	parent, err := d.ancestors(dn.Parent())
	if err != nil {
		return nil, err
	}
	return d.insert(ldapsync.NewObject(ldapsync.GUID{}, dn, 0), parent)
}

// AddOU makes sure that a container exists, with its ancestors, and returns it.
func (d *Dir) AddOU(dn string) (ldapsync.Container, error) {
	name, err := ldapsync.ParseDN(dn)
	if err != nil {
		return ldapsync.Container{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.ancestors(name)
	if err != nil {
		return ldapsync.Container{}, err
	}
	return ldapsync.Container{ID: n.state.obj.ID, DN: n.state.obj.DN}, nil
}

// edit runs f with the node of an object under the lock.
func (d *Dir) edit(id ldapsync.GUID, f func(*node) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.byID[id]
	if n == nil {
		return fmt.Errorf("memdir: %s: %w", id, ldapsync.ErrNotFound)
	}
	return f(n)
}

func (d *Dir) replace(n *node, o ldapsync.Object) {
	s := *n.state
	s.obj = o
	n.state = &s
	d.usn++
}

// Set replaces the values of an attribute; with none it is cleared.
func (d *Dir) Set(id ldapsync.GUID, attr string, values ...string) error {
	return d.edit(id, func(n *node) error {
		d.replace(n, n.state.obj.With(attr, values...))
		return nil
	})
}

// SetUnreadable makes an attribute one that the source knows it cannot read: reads show it as Unreadable. For
// the silent kind see DenyRead.
func (d *Dir) SetUnreadable(id ldapsync.GUID, attr string) error {
	return d.edit(id, func(n *node) error {
		d.replace(n, n.state.obj.WithUnreadable(attr))
		return nil
	})
}

// Move puts an object, with all below it, into another container, which must exist.
func (d *Dir) Move(id ldapsync.GUID, parent ldapsync.DN) error {
	return d.edit(id, func(n *node) error {
		p := d.root
		if !parent.IsRoot() {
			p = d.byKey[parent.Key()]
		}
		if p == nil {
			return fmt.Errorf("memdir: %s: %w", parent, ldapsync.ErrNotFound)
		}
		for a := p; a != nil; a = a.parent {
			if a == n {
				return fmt.Errorf("memdir: %s cannot be moved below itself", n.state.obj.DN)
			}
		}
		dn, err := below(rdnText(n.state.obj.DN), p.state.obj.DN)
		if err != nil {
			return err
		}
		return d.relocate(n, p, dn)
	})
}

// Rename changes the value of an object's RDN and the attribute that holds it. The identity stays.
func (d *Dir) Rename(id ldapsync.GUID, name string) error {
	return d.edit(id, func(n *node) error { return d.rename(n, name) })
}

func (d *Dir) rename(n *node, name string) error {
	if name == "" {
		return errors.New("memdir: a name may not be empty")
	}
	typ, _ := n.state.obj.DN.RDN()
	if err := d.relocate(n, n.parent, n.parent.state.obj.DN.Child(typ, name)); err != nil {
		return err
	}
	s := *n.state
	s.obj = s.obj.With(typ, name)
	n.state = &s
	return nil
}

// Delete removes an object and everything below it.
func (d *Dir) Delete(id ldapsync.GUID) error {
	return d.edit(id, func(n *node) error {
		var drop func(*node)
		drop = func(n *node) {
			for _, c := range n.children {
				drop(c)
			}
			delete(d.byKey, n.key)
			delete(d.byID, n.state.obj.ID)
		}
		d.detach(n)
		drop(n)
		d.usn++
		return nil
	})
}

// Object returns an object with all its attributes, whatever rights were taken away, and false if there is
// none.
func (d *Dir) Object(id ldapsync.GUID) (ldapsync.Object, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if n := d.byID[id]; n != nil {
		return n.state.obj, true
	}
	return ldapsync.Object{}, false
}

// At returns the object at a DN, and false if there is none.
func (d *Dir) At(dn string) (ldapsync.Object, bool) {
	name, err := ldapsync.ParseDN(dn)
	if err != nil {
		return ldapsync.Object{}, false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if n := d.byKey[name.Key()]; n != nil {
		return n.state.obj, true
	}
	return ldapsync.Object{}, false
}

// Objects returns the users and devices, in the order of Dump.
func (d *Dir) Objects() []ldapsync.Object {
	d.mu.Lock() // kids may sort
	defer d.mu.Unlock()
	var out []ldapsync.Object
	d.walk(d.root, func(n *node) {
		if n.state.obj.Class != 0 {
			out = append(out, n.state.obj)
		}
	})
	return out
}

// walk visits everything below n, parents first, siblings by name.
func (d *Dir) walk(n *node, visit func(*node)) {
	for _, c := range n.kids() {
		visit(c)
		d.walk(c, visit)
	}
}

// DenyRead makes attributes silently missing from reads of one object, or of all objects if id is zero, as a
// directory does for an account without the right. VerifyAbsent tells the truth about them.
func (d *Dir) DenyRead(id ldapsync.GUID, attrs ...string) error {
	lower := make([]string, len(attrs))
	for i, a := range attrs {
		lower[i] = strings.ToLower(a)
	}
	if id.IsZero() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.denied = slices.Concat(d.denied, lower)
		return nil
	}
	return d.edit(id, func(n *node) error {
		s := *n.state
		s.denied = slices.Concat(s.denied, lower)
		n.state = &s
		return nil
	})
}

// AllowRead takes all that DenyRead did for the id back.
func (d *Dir) AllowRead(id ldapsync.GUID) error {
	if id.IsZero() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.denied = nil
		return nil
	}
	return d.edit(id, func(n *node) error {
		s := *n.state
		s.denied = nil
		n.state = &s
		return nil
	})
}

// DenyList makes a container look empty, or takes that back: reads of it succeed with nothing in them.
func (d *Dir) DenyList(id ldapsync.GUID, deny bool) error {
	return d.edit(id, func(n *node) error { n.denyList = deny; return nil })
}

// DenyWrite makes writes to an object fail with ErrPermission, or takes that back. For a container it denies
// creating objects in it.
func (d *Dir) DenyWrite(id ldapsync.GUID, deny bool) error {
	return d.edit(id, func(n *node) error { n.denyWrite = deny; return nil })
}

// Hide makes an object invisible to all reads, or visible again.
func (d *Dir) Hide(id ldapsync.GUID, hide bool) error {
	return d.edit(id, func(n *node) error { n.hidden = hide; return nil })
}

// Dump returns the whole tree as LDIF (RFC 2849): parents first, siblings by name, attributes by name, long lines
// not folded. Two directories with the same content give the same text, so Dump is what a test compares.
// Rights are not in it; an attribute made unreadable is a comment.
func (d *Dir) Dump() string {
	var b strings.Builder
	_ = d.DumpTo(&b) // a Builder does not fail
	return b.String()
}

// DumpTo writes Dump to w.
func (d *Dir) DumpTo(w io.Writer) error {
	d.mu.Lock() // kids may sort
	var all []*state
	d.walk(d.root, func(n *node) { all = append(all, n.state) })
	d.mu.Unlock()
	var b strings.Builder
	for i, s := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		line(&b, "dn", s.obj.DN.String())
		line(&b, "objectGUID", s.obj.ID.Raw())
		for a := range s.obj.Attrs() {
			if a.Presence == ldapsync.Unreadable {
				b.WriteString("# " + a.Name + ": unreadable\n")
			}
			for _, v := range a.Values {
				line(&b, a.Name, v)
			}
		}
		if b.Len() > 1<<16 || i == len(all)-1 {
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	return nil
}

// line writes one attribute value, in base64 where RFC 2849 asks for it.
func line(b *strings.Builder, name, v string) {
	safe := v == "" || v[0] != ' ' && v[0] != ':' && v[0] != '<' && v[len(v)-1] != ' '
	for i := 0; i < len(v) && safe; i++ {
		safe = v[i] >= 0x20 && v[i] < 0x7f
	}
	if name == "objectGUID" {
		safe = false // always binary, even where the bytes happen to be text
	}
	if safe {
		b.WriteString(name + ": " + v + "\n")
		return
	}
	b.WriteString(name + ":: " + base64.StdEncoding.EncodeToString([]byte(v)) + "\n")
}
