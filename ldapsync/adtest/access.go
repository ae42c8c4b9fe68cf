package adtest

import (
	"slices"
	"strings"
)

// A Right is what a Denial takes away.
type Right uint8

// The rights (MS-ADTS 5.1.3.2), with what a client sees when they are missing.
const (
	ReadProperty  Right = iota + 1 // the attribute is missing from entries, and filters on it match nothing
	WriteProperty                  // modify and rename: 50 insufficientAccessRights
	ListContents                   // the children are invisible: success with no entries
	CreateChild                    // add and move to here: 50
	DeleteObject                   // delete and move from here: 50
)

// A Denial takes one right from one account, or from all that are not administrators. It stays
// with the object through renames and moves, and shows in nTSecurityDescriptor as an explicit
// deny entry, unless the object holds a descriptor of its own.
type Denial struct {
	Account   string // sAMAccountName; "" is every account without Admin
	DN        string // the object
	Subtree   bool   // and everything below it
	Right     Right
	Attribute string // for ReadProperty and WriteProperty; "" is all attributes
}

// denial is a Denial resolved.
type denial struct {
	account string // folded
	guid    GUID
	subtree bool
	right   Right
	typ     *attrType
}

// Deny takes a right away until lift is called. Lifting twice does nothing more.
func (s *Server) Deny(d Denial) (lift func(), err error) {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	n, e := s.dir.find(d.DN)
	if e != nil {
		return nil, e
	}
	if d.Right < ReadProperty || d.Right > DeleteObject {
		return nil, refuse(ResultOther, "Denial.Right %d is no right", d.Right)
	}
	if d.Account != "" && s.dir.accounts[fold(d.Account)] == nil {
		return nil, refuse(ResultOther, "Denial.Account %s is no account", quote(d.Account))
	}
	x := &denial{account: fold(d.Account), guid: n.guid, subtree: d.Subtree, right: d.Right}
	if d.Attribute != "" {
		if d.Right != ReadProperty && d.Right != WriteProperty {
			return nil, refuse(ResultOther, "Denial.Attribute is for ReadProperty and WriteProperty only")
		}
		if x.typ, e = s.dir.typeForWrite(d.Attribute); e != nil {
			return nil, e
		}
	}
	s.dir.denials = append(s.dir.denials, x)
	return func() {
		s.dir.mu.Lock()
		defer s.dir.mu.Unlock()
		s.dir.denials = slices.DeleteFunc(slices.Clone(s.dir.denials), func(o *denial) bool { return o == x })
	}, nil
}

// appliesTo reports whether x covers this account and object. The caller holds mu.
func (x *denial) appliesTo(a *account, n *node) bool {
	switch {
	case a == &system, x.account == "" && a.Admin, x.account != "" && x.account != fold(a.Name):
		return false
	}
	return x.covers(n)
}

func (x *denial) covers(n *node) bool {
	if n.guid == x.guid {
		return true
	}
	if x.subtree {
		for p := n.parent; p != nil; p = p.parent {
			if p.guid == x.guid {
				return true
			}
		}
	}
	return false
}

// denied reports whether a lacks the right on n; t is the attribute, or nil for the other rights.
func (d *directory) denied(a *account, n *node, right Right, t *attrType) bool {
	for _, x := range d.denials {
		if x.right == right && (x.typ == nil || x.typ == t) && x.appliesTo(a, n) {
			return true
		}
	}
	return false
}

// visible reports whether a sees that n exists: the right to list its parent decides (MS-ADTS
// 5.1.3.3.6, without list-object mode). Deleted objects are for administrators who ask for them;
// their container is there for everybody who asks.
func (d *directory) visible(a *account, n *node, deleted bool) bool {
	if n.rec.deleted && (!deleted || !a.Admin) || n.graveyard && !deleted {
		return false
	}
	return len(d.denials) == 0 || n.parent == nil || !d.denied(a, n.parent, ListContents, nil)
}

// hidden returns which attributes of n an account may not read. The caller holds mu.
func (d *directory) hidden(a *account, n *node) (types []*attrType, all bool) {
	for _, x := range d.denials {
		if x.right == ReadProperty && x.appliesTo(a, n) {
			if x.typ == nil {
				return nil, true
			}
			types = append(types, x.typ)
		}
	}
	return types, false
}

// tokenSIDs returns the SIDs of the groups n belongs to, directly or through other groups, with
// its primary group: what tokenGroups holds. The caller holds mu.
func (d *directory) tokenSIDs(n *node) []string {
	member, sid := d.types["member"], d.types["objectsid"]
	seen := map[GUID]bool{}
	var out []string
	var climb func(g *node)
	add := func(g *node) {
		if g == nil || seen[g.guid] || g.rec.deleted {
			return
		}
		seen[g.guid] = true
		if s := g.rec.get(sid).first(); s != "" {
			out = append(out, s)
		}
		climb(g)
	}
	climb = func(g *node) {
		for _, b := range d.back[g.guid] {
			if b.typ == member {
				add(d.byGUID[b.from])
			}
		}
	}
	if p := n.rec.get(d.types["primarygroupid"]).first(); p != "" {
		for _, g := range d.index[sid].find(d.sidFor(uint32(parseInt(p)))) {
			add(g)
		}
	}
	climb(n)
	slices.SortFunc(out, strings.Compare)
	return out
}
