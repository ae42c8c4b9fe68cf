package adtest

import (
	"slices"
	"strings"
)

// The methods in this file read and write the directory as an administrator, without LDAP. A write
// counts as one over LDAP does: USNs rise, notifications fire, links are kept. Names may be DNs,
// <GUID=…>, <SID=…> or <WKGUID=…,dn>. Errors are of type *Error.

// An Entry is a copy of an object.
type Entry struct {
	DN    string
	GUID  GUID
	Attrs Attrs // in the spelling of the schema, with derived attributes and back links
}

// Get returns the values of an attribute; names compare without case.
func (e Entry) Get(name string) []string {
	if v, ok := e.Attrs[name]; ok {
		return v
	}
	for k, v := range e.Attrs {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// First returns the first value of an attribute, or "".
func (e Entry) First(name string) string {
	if v := e.Get(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Get returns one object. Deleted objects are found by <GUID=…>.
func (s *Server) Get(dn string) (Entry, error) {
	s.dir.mu.RLock()
	defer s.dir.mu.RUnlock()
	n, err := s.dir.find(dn)
	if err != nil {
		return Entry{}, err
	}
	return s.snapshotEntry(n), nil
}

// Entries returns base and the live objects below it in its naming context, parents before
// children and siblings by name; "" is the domain. The objects every domain has are included.
func (s *Server) Entries(base string) ([]Entry, error) {
	s.dir.mu.RLock()
	defer s.dir.mu.RUnlock()
	nodes, err := s.dir.subtree(base)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, len(nodes))
	for i, n := range nodes {
		out[i] = s.snapshotEntry(n)
	}
	return out, nil
}

// subtree lists live objects sorted by name, level by level within each parent.
func (d *directory) subtree(base string) ([]*node, error) {
	root := d.root
	if base != "" {
		n, err := d.find(base)
		if err != nil {
			return nil, err
		}
		root = n
	}
	var out []*node
	var walk func(n *node)
	walk = func(n *node) {
		if n.rec.deleted || n.graveyard || n.nc != root.nc {
			return
		}
		out = append(out, n)
		if n.kids == nil {
			return
		}
		kids := slices.DeleteFunc(slices.Clone(n.kids.list.nodes), func(k *node) bool { return k == nil })
		slices.SortFunc(kids, func(a, b *node) int { return strings.Compare(a.rdn.key(), b.rdn.key()) })
		for _, k := range kids {
			walk(k)
		}
	}
	walk(root)
	return out, nil
}

func (s *Server) snapshotEntry(n *node) Entry {
	d := s.dir
	e := Entry{DN: d.dn(n), GUID: n.guid, Attrs: Attrs{}}
	x := &encoder{s: s, d: d, who: &system, sdFlags: 15, extendedDN: -1}
	put := func(t *attrType) {
		if p := x.value(n, t); p.n > 0 {
			e.Attrs[t.name] = p.list()
		}
	}
	for _, a := range n.rec.attrs {
		put(a.typ)
	}
	put(n.rdnType)
	for _, name := range derivedOrder {
		put(d.types[name])
	}
	for _, l := range d.back[n.guid] {
		if l.typ.link != nil && l.typ.link != l.typ {
			put(l.typ.link)
		}
	}
	return e
}

// Add creates an object and returns its objectGUID. An objectGUID or objectSid in attrs is used;
// other attributes the server maintains are refused.
func (s *Server) Add(dn string, attrs Attrs) (GUID, error) {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	n, err := s.dir.addObject(&system, dn, attrs, writeOptions{direct: true})
	if err != nil {
		return GUID{}, err
	}
	return n.guid, nil
}

// Modify applies all changes or none.
func (s *Server) Modify(dn string, changes ...Change) error {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	n, err := s.dir.find(dn)
	if err != nil {
		return err
	}
	return asError(s.dir.modify(&system, n, changes, writeOptions{direct: true}))
}

// Set replaces the values of one attribute; without values it clears it.
func (s *Server) Set(dn, attr string, values ...string) error {
	return s.Modify(dn, Change{ReplaceValues, attr, values})
}

// Move renames or moves an object to newDN. The new parent must exist.
func (s *Server) Move(dn, newDN string) error {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	n, err := s.dir.find(dn)
	if err != nil {
		return err
	}
	parts, err := parseDN(newDN)
	if err != nil {
		return err
	}
	if len(parts) < 2 {
		return invalidDN(quote(newDN))
	}
	parent, left := s.dir.walk(parts[1:])
	if parent == nil {
		return noSuchObject("")
	}
	if left > 0 {
		return noSuchObject(s.dir.dn(parent))
	}
	return asError(s.dir.move(&system, n, parts[0], parent))
}

// Delete removes an object and what is below it. Tombstones stay in Deleted Objects.
func (s *Server) Delete(dn string) error {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	n, err := s.dir.find(dn)
	if err != nil {
		return err
	}
	return asError(s.dir.remove(&system, n, true))
}

// SetPassword lets the object bind with this password, as a reader if it is no Account yet.
func (s *Server) SetPassword(dn, password string) error {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	n, err := s.dir.find(dn)
	if err != nil {
		return err
	}
	s.dir.setPassword(n, password)
	return nil
}
