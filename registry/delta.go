package registry

import "fmt"

// A Delta is a list of changes in the order of their application, the common form of everything that writes:
// `slices.Values(delta)` is what the Encode functions of the codecs take.
type Delta []Entry

// Apply applies d to s. source and the Pos of each entry become the Origin of the values. It stops at the first
// entry that cannot be applied and names it.
func (d Delta) Apply(s *Snapshot, source string) error {
	for i, e := range d {
		if err := s.Apply(e, source); err != nil {
			return fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	return nil
}

// Diff returns what turns from into to: keys deleted, then per key values deleted and values set. The spelling
// of names and the origin of values do not count as a difference. A key that from knows only as an ancestor of
// others is never deleted, because a file that does not name it says nothing about it.
func Diff(from, to *Snapshot) Delta { return diff(from, to, false) }

// Undo returns what takes a registry back to before after d was applied to it. before must hold every key that d
// touches with all its values, and the ancestors of those keys as far as they exist; a key that before lacks is
// taken to be created by d and deleted again. SecureKey cannot be undone and becomes a Note.
func (d Delta) Undo(before *Snapshot) (Delta, error) {
	after := before.Clone()
	if err := d.Apply(after, ""); err != nil {
		return nil, err
	}
	undo := diff(after, before, true)
	for _, e := range d {
		if e.Op == SecureKey {
			undo = append(undo, Entry{Op: Note, Path: e.Path, Note: "the permissions of this key were changed and are not restored"})
		}
	}
	return undo, nil
}

func diff(from, to *Snapshot, implied bool) Delta {
	var d Delta
	for _, n := range from.roots.all() {
		p := Path{Hive: n.hive()}
		if m := to.node(p); m != nil {
			d = n.deleted(m, p, implied, d)
		} else {
			d = n.deleted(new(node), p, implied, d)
		}
	}
	to.walk(Path{}, func(p Path, n *node) bool {
		old := from.node(p)
		if old == nil {
			n.yieldEntries(p, func(e Entry) bool {
				d = append(d, e)
				return true
			})
			return true
		}
		for fold, it := range old.values.all() {
			if n.values.get(fold) == nil {
				d = append(d, Entry{Op: DeleteValue, Path: p, Name: it.Name})
			}
		}
		for fold, it := range n.values.all() {
			if was := old.values.get(fold); was == nil || !was.Value.Equal(it.Value) {
				d = append(d, Entry{Op: Set, Path: p, Name: it.Name, Value: it.Value, Pos: it.Origin.Pos})
			}
		}
		return true
	})
	return d
}

// deleted appends what is gone in m, the counterpart of n. A key that was never stated is not deleted itself.
func (n *node) deleted(m *node, p Path, implied bool, d Delta) Delta {
	for fold, sub := range n.subs.all() {
		at := p.Join(sub.name)
		switch other := m.subs.get(fold); {
		case other != nil:
			d = sub.deleted(other, at, implied, d)
		case sub.stated || implied:
			d = append(d, Entry{Op: DeleteKey, Path: at})
		default:
			d = sub.deleted(new(node), at, implied, d)
		}
	}
	return d
}
