package memdir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// Write carries out one change; see ldapsync.Target. As in Active Directory a value may not be empty and not
// occur twice, the attribute of the name changes only by OpRename, and a container is deleted only when it is
// empty.
func (d *Dir) Write(ctx context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	d.counts.writes.Add(1)
	if err := d.begin(ctx, Event{Op: OpWrite, ID: c.ID, Change: &c}); err != nil {
		return ldapsync.GUID{}, err
	}
	d.mu.Lock()
	before := d.usn
	id, err := d.write(c)
	changed := d.usn != before
	d.mu.Unlock()
	if err != nil {
		return ldapsync.GUID{}, fmt.Errorf("memdir: %s: %w", c.Op, err)
	}
	if changed {
		d.counts.changes.Add(1)
	}
	if err := d.event(Event{Op: OpWrite, ID: id, Change: &c, Done: true}); err != nil {
		return ldapsync.GUID{}, err
	}
	return id, nil
}

func (d *Dir) write(c ldapsync.Change) (ldapsync.GUID, error) {
	for i, e := range c.Edits {
		if err := checkEdit(e); err != nil {
			return ldapsync.GUID{}, err
		}
		if slices.ContainsFunc(c.Edits[:i], func(o ldapsync.Edit) bool { return strings.EqualFold(o.Attr, e.Attr) }) {
			return ldapsync.GUID{}, fmt.Errorf("attribute %s is edited twice", e.Attr)
		}
	}
	if c.Op == ldapsync.OpCreate {
		return d.create(c)
	}
	n := d.byID[c.ID]
	switch {
	case n == nil && c.Op == ldapsync.OpDelete:
		return c.ID, nil
	case n == nil || n.hidden:
		return ldapsync.GUID{}, fmt.Errorf("%s <GUID=%s>: %w", c.DN, c.ID, ldapsync.ErrNotFound)
	case n.denyWrite:
		return ldapsync.GUID{}, fmt.Errorf("%s: %w", n.state.obj.DN, ldapsync.ErrPermission)
	}
	switch c.Op {
	case ldapsync.OpUpdate:
		return c.ID, d.update(n, c)
	case ldapsync.OpRename:
		_, name := n.state.obj.DN.RDN()
		switch name {
		case c.NewName:
			return c.ID, nil
		case c.OldName:
			return c.ID, d.rename(n, c.NewName)
		}
		return ldapsync.GUID{}, fmt.Errorf("%s: the name is not %q: %w", n.state.obj.DN, c.OldName, ldapsync.ErrPrecondition)
	case ldapsync.OpDelete:
		if err := holds(n, c.Edits); err != nil {
			return ldapsync.GUID{}, err
		}
		if len(n.children) > 0 {
			return ldapsync.GUID{}, fmt.Errorf("%s has entries below it", n.state.obj.DN)
		}
		d.detach(n)
		delete(d.byID, c.ID)
		d.usn++
		return c.ID, nil
	}
	return ldapsync.GUID{}, errors.New("no such operation")
}

func checkEdit(e ldapsync.Edit) error {
	if e.Attr == "" {
		return errors.New("an edit names no attribute")
	}
	if slices.Contains(e.After, "") {
		return fmt.Errorf("attribute %s: a value may not be empty", e.Attr)
	}
	if len(e.After) > 1 {
		sorted := slices.Sorted(slices.Values(e.After))
		if len(slices.Compact(sorted)) != len(e.After) {
			return fmt.Errorf("attribute %s: a value occurs twice", e.Attr)
		}
	}
	return nil
}

func (d *Dir) create(c ldapsync.Change) (ldapsync.GUID, error) {
	if c.DN.IsRoot() {
		return ldapsync.GUID{}, errors.New("a DN is missing")
	}
	parent := d.root
	if p := c.DN.Parent(); !p.IsRoot() {
		parent = d.byKey[p.Key()]
		if parent == nil {
			return ldapsync.GUID{}, fmt.Errorf("%s: its container: %w", c.DN, ldapsync.ErrNotFound)
		}
	}
	if parent.denyWrite {
		return ldapsync.GUID{}, fmt.Errorf("%s: %w", c.DN, ldapsync.ErrPermission)
	}
	if d.byKey[c.DN.Key()] != nil {
		return ldapsync.GUID{}, fmt.Errorf("%s: %w", c.DN, ldapsync.ErrExists)
	}
	attrs := make([]ldapsync.Attr, len(c.Edits))
	for i, e := range c.Edits {
		if len(e.Before) > 0 {
			return ldapsync.GUID{}, fmt.Errorf("%s: %s of a new object: %w", c.DN, e.Attr, ldapsync.ErrPrecondition)
		}
		attrs[i] = ldapsync.Attr{Name: e.Attr, Values: slices.Clone(e.After)}
	}
	n, err := d.insert(ldapsync.NewObject(ldapsync.GUID{}, c.DN, c.Class, attrs...), parent)
	if err != nil {
		return ldapsync.GUID{}, err
	}
	return n.state.obj.ID, nil
}

// holds checks the preconditions.
func holds(n *node, edits []ldapsync.Edit) error {
	for _, e := range edits {
		a := n.state.obj.Attr(e.Attr)
		if a.Presence == ldapsync.Unreadable {
			return fmt.Errorf("%s: %s cannot be read: %w", n.state.obj.DN, e.Attr, ldapsync.ErrPermission)
		}
		if !ldapsync.SameValues(a.Values, e.Before) {
			return fmt.Errorf("%s: %s: %w", n.state.obj.DN, e.Attr, ldapsync.ErrPrecondition)
		}
	}
	return nil
}

func (d *Dir) update(n *node, c ldapsync.Change) error {
	done := true
	for _, e := range c.Edits {
		a := n.state.obj.Attr(e.Attr)
		done = done && a.Presence != ldapsync.Unreadable && ldapsync.SameValues(a.Values, e.After)
	}
	if done {
		return nil
	}
	if err := holds(n, c.Edits); err != nil {
		return err
	}
	typ, _ := n.state.obj.DN.RDN()
	o := n.state.obj
	for _, e := range c.Edits {
		if strings.EqualFold(e.Attr, typ) {
			return fmt.Errorf("%s: %s is the name; only a rename changes it", o.DN, e.Attr)
		}
		o = o.With(e.Attr, e.After...)
	}
	d.replace(n, o)
	return nil
}
