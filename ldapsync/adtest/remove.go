package adtest

import (
	"slices"
	"strings"
)

// remove deletes an object; with tree also what is below it, the deepest first. Tombstones stay.
// The caller holds mu for writing.
func (d *directory) remove(by *account, n *node, tree bool) *Error {
	switch {
	case n.rec.deleted:
		return noSuchObject(d.dn(d.root))
	case !by.writes() || d.denied(by, n, DeleteObject, nil):
		return noAccess("no right to delete")
	case n.nc == n || n.rec.get(d.types["iscriticalsystemobject"]).first() == "TRUE":
		return refuse(ResultUnwillingToPerform, "00002077: SvcErr: problem 5003 (WILL_NOT_PERFORM): %s is needed by the system", quote(d.dn(n)))
	case n.hasKids() && !tree:
		return refuse(ResultNotAllowedOnNonLeaf, "00002015: UpdErr: problem 6003 (CANT_ON_NON_LEAF)")
	}
	if n.kids != nil {
		for _, k := range slices.Clone(n.kids.list.nodes) {
			if k == nil {
				continue
			}
			if err := d.remove(by, k, true); err != nil {
				return err
			}
		}
	}
	d.bury(n)
	return nil
}

// bury turns a leaf into a tombstone (MS-ADTS 3.1.1.5.5.1.1): its name gets the GUID, it moves to
// Deleted Objects, and what the schema does not keep is cleared. The recycle bin is not modelled, so
// it is recycled at once.
func (d *directory) bury(n *node) {
	parentDN := d.dn(n.parent)
	before := d.listening(n)
	grave := n.nc.child(rdn{"CN", "Deleted Objects"}.key())
	if grave == nil {
		grave = d.root.child(rdn{"CN", "Deleted Objects"}.key())
	}
	n.detach()
	n.rdn.value += "\nDEL:" + n.guid.String()
	n.attach(grave)

	rec := &record{deleted: true}
	for _, a := range n.rec.attrs {
		switch {
		case a.typ.tombstone:
			rec.attrs = append(rec.attrs, a)
		case a.vals.n > 0:
			rec.attrs = append(rec.attrs, attr{typ: a.typ}) // cleared
		default:
			rec.attrs = append(rec.attrs, a)
		}
	}
	for name, v := range map[string]string{"isDeleted": "TRUE", "isRecycled": "TRUE", "lastKnownParent": parentDN} {
		t := d.types[strings.ToLower(name)]
		rec.attrs = append(slices.DeleteFunc(rec.attrs, func(a attr) bool { return a.typ == t }), attr{typ: t, vals: d.intern(t, pack(v))})
	}
	slices.SortStableFunc(rec.attrs, func(a, b attr) int {
		if (a.seq == 0) != (b.seq == 0) {
			return boolInt(a.seq == 0) - boolInt(b.seq == 0)
		}
		if a.seq == 0 {
			return strings.Compare(a.typ.lower, b.typ.lower)
		}
		return 0
	})
	// Links to a deleted object go without a change of the object that held them.
	for _, b := range slices.Clone(d.back[n.guid]) {
		from := d.byGUID[b.from]
		if from == nil {
			continue
		}
		fresh := *from.rec
		fresh.attrs = slices.Clone(fresh.attrs)
		for i := range fresh.attrs {
			if a := &fresh.attrs[i]; a.typ == b.typ {
				a.vals = pack(slices.DeleteFunc(a.vals.list(), func(v string) bool { return v == linkTo(n.guid) })...)
			}
		}
		d.swap(from, from.rec, &fresh)
	}
	d.commit(n, rec, true)
	d.wake(before, n)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// move renames n and, with a parent, moves it. The caller holds mu for writing.
func (d *directory) move(by *account, n *node, name rdn, parent *node) *Error {
	if parent == nil {
		parent = n.parent
	}
	switch {
	case n.rec.deleted:
		return noSuchObject(d.dn(d.root))
	case n.nc == n || n.rec.get(d.types["iscriticalsystemobject"]).first() == "TRUE":
		return refuse(ResultUnwillingToPerform, "00002077: SvcErr: problem 5003 (WILL_NOT_PERFORM): %s is needed by the system", quote(d.dn(n)))
	case name.typ != n.rdn.typ:
		return refuse(ResultUnwillingToPerform, "00002077: SvcErr: problem 5003 (WILL_NOT_PERFORM): the naming attribute cannot change")
	case parent.rec.deleted:
		return noSuchObject(d.dn(d.root))
	case parent.isBelow(n):
		return refuse(ResultUnwillingToPerform, "00002089: SvcErr: an object cannot move below itself")
	case parent.nc != n.nc:
		return refuse(ResultAffectsMultipleDSAs, "00002076: SvcErr: the new parent is in another naming context")
	case !by.writes() || d.denied(by, n, WriteProperty, d.types["name"]):
		return noAccess("no right to rename")
	case parent != n.parent && (d.denied(by, n, DeleteObject, nil) || d.denied(by, parent, CreateChild, nil)):
		return noAccess("no right to move")
	}
	if err := n.rdnType.check(name.value); err != nil {
		return err
	}
	if other := parent.child(name.key()); other != nil && other != n {
		return alreadyExists(d.dn(other))
	}
	if name == n.rdn && parent == n.parent {
		return nil
	}
	before := d.listening(n)
	n.detach()
	n.rdn = name
	n.attach(parent)
	rec := *n.rec
	rec.attrs = slices.Clone(rec.attrs)
	d.commit(n, &rec, true)
	d.wake(before, n)
	return nil
}
