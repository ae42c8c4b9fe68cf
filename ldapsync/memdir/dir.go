// Package memdir is a directory in memory: an ldapsync.Source, Target and AbsenceVerifier for tests, demonstrations
// and benchmarks. It keeps the contracts that package targettest checks, needs no network and no server, and
// starts nothing.
//
//	d := memdir.New(memdir.Config{})
//	id, err := d.Add(ldapsync.NewObject(ldapsync.GUID{}, dn, ldapsync.User, ldapsync.Values("cn", "Ann Oakley")))
//	for o, err := range d.Read(ctx, query) { … }
//
// Beside what an engine sees there is a back door for the test itself: Add, Set, Move, Rename, Delete, Object,
// Dump and Clone change or show the truth without hooks and counters. DenyRead, DenyList, DenyWrite and Hide
// take rights away as Active Directory does: silently. SetHook makes calls fail.
//
// It has no schema: any attribute takes any number of values. Nothing is unique but the identity and the DN,
// linked attributes do not follow renames, and nothing is generated but objectGUID, objectClass and the
// attribute of the name. A Dir is safe for concurrent use.
package memdir

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.internal/hybridkit/ldapsync"
)

var (
	_ ldapsync.Source          = (*Dir)(nil)
	_ ldapsync.Target          = (*Dir)(nil)
	_ ldapsync.AbsenceVerifier = (*Dir)(nil)
)

// Config configures New. The zero Config is useful.
type Config struct {
	// Seed makes the identities of created objects: the same seed and the same order of creations give the same
	// identities. Two directories that objects are copied between should have different seeds.
	Seed uint64

	// Info is what Info answers. An empty Kind becomes "memory"; HighestUSN grows by one with each change.
	Info ldapsync.DirectoryInfo

	// Clock gives DirectoryInfo.Time. Nil: the time in Info, always.
	Clock func() time.Time
}

// A Dir is a directory in memory. Make one with New.
type Dir struct {
	cfg    Config
	hook   atomic.Pointer[Hook]
	counts struct{ reads, objects, gets, writes, changes atomic.Int64 }

	mu      sync.RWMutex
	root    *node
	byKey   map[string]*node
	byID    map[ldapsync.GUID]*node
	created uint64
	usn     uint64
	denied  []string // attributes nobody may read, in lower case
}

// node is one place in the tree. What readers see of it hangs at state, which is replaced and never changed, so
// that a Read needs the lock only to collect the pointers.
type node struct {
	state      *state
	key        string
	parent     *node
	children   map[string]*node
	sorted     []*node // of children, nil when out of date
	denyList   bool
	denyWrite  bool
	hidden     bool
	isOU       bool
	isPlace    bool // may be asked for as a container
	registered bool // has an identity and was added, unlike the root
}

type state struct {
	obj    ldapsync.Object
	denied []string // attributes that may not be read, in lower case
}

// New makes an empty directory.
func New(cfg Config) *Dir {
	if cfg.Info.Kind == "" {
		cfg.Info.Kind = "memory"
	}
	return &Dir{
		cfg: cfg, usn: cfg.Info.HighestUSN,
		root:  &node{state: &state{}, isPlace: true},
		byKey: map[string]*node{}, byID: map[ldapsync.GUID]*node{},
	}
}

// Clone returns an independent copy: objects, rights and the identities that creations will get. The hook and
// the counters are not copied. Object data is shared until it changes, so a Clone of 100,000 objects is cheap.
func (d *Dir) Clone() *Dir {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c := New(d.cfg)
	c.created, c.usn, c.denied = d.created, d.usn, slices.Clone(d.denied)
	var walk func(from, parent *node) *node
	walk = func(from, parent *node) *node {
		n := *from
		n.parent, n.sorted, n.children = parent, nil, make(map[string]*node, len(from.children))
		for k, child := range from.children {
			n.children[k] = walk(child, &n)
		}
		if n.registered {
			c.byKey[n.key], c.byID[n.state.obj.ID] = &n, &n
		}
		return &n
	}
	c.root = walk(d.root, nil)
	return c
}

// Len returns the number of entries, containers included.
func (d *Dir) Len() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.byID)
}

// newID makes the next identity. It is a hash of the seed and a counter, marked as a random GUID (RFC 9562).
func (d *Dir) newID() ldapsync.GUID {
	for {
		d.created++
		var in [16]byte
		binary.BigEndian.PutUint64(in[:8], d.cfg.Seed)
		binary.BigEndian.PutUint64(in[8:], d.created)
		sum := sha256.Sum256(in[:])
		g := ldapsync.GUID(sum[:16])
		g[7] = g[7]&0x0f | 0x40 // the version is in the third field, which is little-endian
		g[8] = g[8]&0x3f | 0x80
		if d.byID[g] == nil {
			return g
		}
	}
}

// rdnText returns the text of the leftmost RDN.
func rdnText(dn ldapsync.DN) string {
	s := dn.String()
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ',', ';':
			return strings.TrimLeft(s[:i], " ")
		}
	}
	return strings.TrimLeft(s, " ")
}

// below composes the DN of an entry, spelled like its parent's.
func below(rdn string, parent ldapsync.DN) (ldapsync.DN, error) {
	if parent.IsRoot() {
		return ldapsync.ParseDN(rdn)
	}
	return ldapsync.ParseDN(rdn + "," + parent.String())
}

func (n *node) kids() []*node {
	if n.sorted == nil && len(n.children) > 0 {
		n.sorted = make([]*node, 0, len(n.children))
		for _, c := range n.children {
			n.sorted = append(n.sorted, c)
		}
		slices.SortFunc(n.sorted, func(a, b *node) int { return strings.Compare(a.key, b.key) })
	}
	return n.sorted
}

// attach puts n, whose state has its DN, below parent.
func (d *Dir) attach(n, parent *node) {
	n.parent = parent
	n.key = n.state.obj.DN.Key()
	if parent.children == nil {
		parent.children = map[string]*node{}
	}
	parent.children[n.key] = n
	parent.sorted = nil
	d.byKey[n.key] = n
	d.byID[n.state.obj.ID] = n
}

func (d *Dir) detach(n *node) {
	delete(n.parent.children, n.key)
	n.parent.sorted = nil
	delete(d.byKey, n.key)
}

// insert adds an object whose parent is there.
func (d *Dir) insert(o ldapsync.Object, parent *node) (*node, error) {
	dn, err := below(rdnText(o.DN), parent.state.obj.DN)
	if err != nil {
		return nil, fmt.Errorf("memdir: %w", err)
	}
	o.DN = dn
	if d.byKey[dn.Key()] != nil {
		return nil, fmt.Errorf("memdir: %s: %w", dn, ldapsync.ErrExists)
	}
	switch {
	case o.ID.IsZero():
		o.ID = d.newID()
	case d.byID[o.ID] != nil:
		return nil, fmt.Errorf("memdir: %s: identity %s: %w", dn, o.ID, ldapsync.ErrExists)
	}
	n := &node{registered: true}
	typ, name := dn.RDN()
	classes := o.All("objectClass")
	if classes == nil {
		classes = objectClasses(o.Class, typ)
		o = o.With("objectClass", classes...)
	}
	if o.Class == 0 {
		switch {
		case hasFold(classes, "computer"):
			o.Class = ldapsync.Device
		case hasFold(classes, "user"):
			o.Class = ldapsync.User
		}
	}
	n.isOU = hasFold(classes, "organizationalUnit")
	n.isPlace = n.isOU || hasFold(classes, "container") || hasFold(classes, "domain") || hasFold(classes, "domainDNS") ||
		hasFold(classes, "builtinDomain") || hasFold(classes, "organization")
	if o.Presence(typ) == ldapsync.Absent {
		o = o.With(typ, name)
	}
	// These two are shown from the identity and the place; a stored copy would only go stale.
	for _, shown := range []string{"objectGUID", "distinguishedName"} {
		if o.Presence(shown) != ldapsync.Absent {
			o = o.With(shown)
		}
	}
	n.state = &state{obj: o}
	d.attach(n, parent)
	d.usn++
	return n, nil
}

// objectClasses returns the classes an entry gets that brings none, by its class or the type of its name.
func objectClasses(c ldapsync.Class, rdnType string) []string {
	switch c {
	case ldapsync.User:
		return []string{"top", "person", "organizationalPerson", "user"}
	case ldapsync.Device:
		return []string{"top", "person", "organizationalPerson", "user", "computer"}
	}
	switch strings.ToLower(rdnType) {
	case "ou":
		return []string{"top", "organizationalUnit"}
	case "dc":
		return []string{"top", "domain", "domainDNS"}
	case "o":
		return []string{"top", "organization"}
	}
	return []string{"top", "container"}
}

func hasFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(v string) bool { return strings.EqualFold(v, s) })
}

// relocate gives n a new name or a new parent and tells everything below it.
func (d *Dir) relocate(n, parent *node, dn ldapsync.DN) error {
	if other := d.byKey[dn.Key()]; other != nil && other != n {
		return fmt.Errorf("memdir: %s: %w", dn, ldapsync.ErrExists)
	}
	var move func(n, parent *node, dn ldapsync.DN) error
	move = func(n, parent *node, dn ldapsync.DN) error {
		kids := slices.Clone(n.kids())
		d.detach(n)
		s := *n.state
		s.obj.DN = dn
		n.state = &s
		d.attach(n, parent)
		for _, k := range kids {
			kdn, err := below(rdnText(k.state.obj.DN), dn)
			if err == nil {
				err = move(k, n, kdn)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	d.usn++
	return move(n, parent, dn)
}
