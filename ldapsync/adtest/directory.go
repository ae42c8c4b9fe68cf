package adtest

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// A directory is the data that the domain controllers of one domain share. Records are immutable:
// a write replaces them, so that a search can encode what it gathered after it let go of the lock.
// Positions in the tree (parent, name) are read and changed under mu only.
type directory struct {
	mu    sync.RWMutex
	types map[string]*attrType
	state
	subs     map[*subscription]struct{}
	accounts map[string]*account // by folded sAMAccountName
	denials  []*denial
	servers  []*Server

	base        []rdn
	baseKeys    []string
	baseDN      string
	domain      string
	netBIOS     string
	now         func() time.Time
	newGUID     func() GUID
	strict      bool
	guidOnAdd   bool
	stringGUIDs bool
	lockout     int
	interned    map[string]string
}

// state is what Snapshot copies.
type state struct {
	seq     int64 // changes so far; a server's USN is this plus its own offset
	dnt     int64 // objects so far
	nextRID uint32
	sid     string // of the domain
	root    *node
	order   kidList // every object, in order of creation
	byGUID  map[GUID]*node
	index   map[*attrType]*index
	back    map[GUID][]backlink // who points here
}

// A node is an object: an identity, a place in the tree, and its current record.
type node struct {
	dnt     int64
	guid    GUID
	parent  *node // nil for the domain
	nc      *node // root of its naming context
	rdnType *attrType
	rdn     rdn
	kids    *kids
	created int64 // seq
	born    int64 // Unix seconds
	rec     *record

	graveyard bool // the Deleted Objects container
}

// A record is what an object held after one write.
type record struct {
	attrs   []attr
	changed int64 // seq of the last write
	named   int64 // seq of creation or of the last rename or move
	at      int64 // Unix seconds of the last write
	deleted bool
	links   bool // has forward links
}

// An attr without values was cleared; it is kept because DirSync reports it.
type attr struct {
	typ  *attrType
	vals packed
	seq  int64
}

type backlink struct {
	from GUID
	typ  *attrType
}

// get returns the stored values of t.
func (r *record) get(t *attrType) packed {
	for i := range r.attrs {
		if r.attrs[i].typ == t {
			return r.attrs[i].vals
		}
	}
	return packed{}
}

// kids are the children of a node, by name and in the order of creation.
type kids struct {
	byKey map[string]*node
	list  kidList
}

// A kidList is ordered by dnt. Removed entries leave a hole until half of the list is holes.
type kidList struct {
	dnts  []int64
	nodes []*node
	holes int
}

func (l *kidList) insert(n *node) {
	i := len(l.dnts)
	if i > 0 && l.dnts[i-1] >= n.dnt {
		i = sort.Search(len(l.dnts), func(i int) bool { return l.dnts[i] >= n.dnt })
		if i < len(l.dnts) && l.dnts[i] == n.dnt {
			l.nodes[i] = n
			l.holes--
			return
		}
	}
	l.dnts = slices.Insert(l.dnts, i, n.dnt)
	l.nodes = slices.Insert(l.nodes, i, n)
}

func (l *kidList) remove(n *node) {
	i := sort.Search(len(l.dnts), func(i int) bool { return l.dnts[i] >= n.dnt })
	if i == len(l.dnts) || l.nodes[i] != n {
		return
	}
	l.nodes[i] = nil
	l.holes++
	if l.holes > 32 && l.holes > len(l.nodes)/2 {
		var kept kidList
		for _, n := range l.nodes {
			if n != nil {
				kept.dnts, kept.nodes = append(kept.dnts, n.dnt), append(kept.nodes, n)
			}
		}
		*l = kept
	}
}

// from returns the position of the first entry with at least this dnt.
func (l *kidList) from(dnt int64) int {
	return sort.Search(len(l.dnts), func(i int) bool { return l.dnts[i] >= dnt })
}

func (n *node) child(key string) *node {
	if n.kids == nil {
		return nil
	}
	return n.kids.byKey[key]
}

// attach puts n below p; the caller has checked that the name is free.
func (n *node) attach(p *node) {
	n.parent = p
	if p.kids == nil {
		p.kids = &kids{byKey: map[string]*node{}}
	}
	p.kids.byKey[n.rdn.key()] = n
	p.kids.list.insert(n)
}

func (n *node) detach() {
	delete(n.parent.kids.byKey, n.rdn.key())
	n.parent.kids.list.remove(n)
}

func (n *node) isBelow(p *node) bool {
	for ; n != nil; n = n.parent {
		if n == p {
			return true
		}
	}
	return false
}

// hasKids reports whether live objects are below n.
func (n *node) hasKids() bool { return n.kids != nil && len(n.kids.byKey) > 0 }

// An index finds objects by the key of an attribute value.
type index struct {
	one  map[string]*node
	more map[string][]*node // from the second object with a key on
}

func (x *index) add(key string, n *node) {
	if first, ok := x.one[key]; !ok {
		x.one[key] = n
	} else if first != n && !slices.Contains(x.more[key], n) {
		x.more[key] = append(x.more[key], n)
	}
}

func (x *index) remove(key string, n *node) {
	more := x.more[key]
	if x.one[key] == n {
		if len(more) == 0 {
			delete(x.one, key)
			return
		}
		x.one[key], more = more[0], more[1:]
	} else {
		more = slices.DeleteFunc(more, func(m *node) bool { return m == n })
	}
	if len(more) == 0 {
		delete(x.more, key)
		return
	}
	x.more[key] = more
}

// find returns the objects with this key in order of creation.
func (x *index) find(key string) []*node {
	first, ok := x.one[key]
	if !ok {
		return nil
	}
	out := append([]*node{first}, x.more[key]...)
	slices.SortFunc(out, func(a, b *node) int { return int(a.dnt - b.dnt) })
	return out
}

func (d *directory) reindex(n *node, old, new *record) {
	if old != nil {
		for _, a := range old.attrs {
			if x := d.index[a.typ]; x != nil {
				for v := range a.vals.all() {
					x.remove(a.typ.key(v), n)
				}
			}
		}
	}
	if new == nil {
		return
	}
	for _, a := range new.attrs {
		if x := d.index[a.typ]; x != nil {
			for v := range a.vals.all() {
				x.add(a.typ.key(v), n)
			}
		}
	}
}

// dn returns the distinguished name of n. The caller holds mu.
func (d *directory) dn(n *node) string {
	if n.parent == nil {
		return d.baseDN
	}
	var b strings.Builder
	for ; n.parent != nil; n = n.parent {
		b.WriteString(n.rdn.String())
		b.WriteByte(',')
	}
	b.WriteString(d.baseDN)
	return b.String()
}

// find resolves a DN, <GUID=…>, <SID=…> or <WKGUID=…,dn>. Where there is no such object the error
// names the nearest ancestor. The caller holds mu.
func (d *directory) find(dn string) (*node, *Error) {
	if strings.HasPrefix(dn, "<") {
		return d.findSpecial(dn)
	}
	parts, err := parseDN(dn)
	if err != nil {
		return nil, err
	}
	n, left := d.walk(parts)
	if n == nil {
		return nil, noSuchObject("")
	}
	if left > 0 {
		return nil, noSuchObject(d.dn(n))
	}
	return n, nil
}

// walk follows a DN from the domain down as far as objects exist.
func (d *directory) walk(parts []rdn) (n *node, left int) {
	left = len(parts) - len(d.base)
	if left < 0 {
		return nil, 0
	}
	for i, r := range parts[left:] {
		if r.key() != d.baseKeys[i] {
			return nil, 0
		}
	}
	n = d.root
	for ; left > 0; left-- {
		next := n.child(parts[left-1].key())
		if next == nil {
			break
		}
		n = next
	}
	return n, left
}

// newObjectGUID gives an object its identity. Without Config.NewGUID it follows from the parent's
// identity, the name, and how often that name was used there before, so that it does not depend on
// what else the directory holds.
func (d *directory) newObjectGUID(parent GUID, name rdn) GUID {
	for i := 0; ; i++ {
		g := GUID{}
		if d.newGUID != nil {
			g = d.newGUID()
		} else {
			g = guidFor("objectGUID", string(parent[:]), name.key(), itoa(i))
		}
		if _, taken := d.byGUID[g]; !taken && g != (GUID{}) {
			return g
		}
	}
}

// typeOf finds an attribute by name, without its options; nil if the schema lacks it.
func (d *directory) typeOf(name string) *attrType {
	if t := d.types[name]; t != nil {
		return t
	}
	name, _, _ = strings.Cut(name, ";")
	if t := d.types[strings.ToLower(name)]; t != nil {
		return t
	}
	return nil
}

// typeForWrite is typeOf, but adds an unknown attribute unless the schema is strict.
func (d *directory) typeForWrite(name string) (*attrType, *Error) {
	if t := d.typeOf(name); t != nil {
		return t, nil
	}
	name, _, _ = strings.Cut(name, ";")
	ok := name != "" && len(name) <= 256
	for i, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c == '-' || c >= '0' && c <= '9'))
	}
	if !ok || d.strict {
		return nil, refuse(ResultNoSuchAttribute, "00000057: LdapErr: comment: Error in attribute conversion operation, data 0: %s", quote(name))
	}
	return add(d.types, AttributeType{Name: name}), nil
}

// intern shares the bytes of values that many objects have.
func (d *directory) intern(t *attrType, p packed) packed {
	if t.index || len(p.raw) > 256 || t.syntax == OctetSyntax || t.syntax == SIDSyntax {
		return p
	}
	if s, ok := d.interned[p.raw]; ok {
		p.raw = s
	} else if len(d.interned) < 4096 {
		d.interned[p.raw] = p.raw
	}
	return p
}
