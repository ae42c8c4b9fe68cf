package adtest

import (
	"encoding/hex"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// An encoder writes search entries of one search. It is used with mu held for reading.
type encoder struct {
	s          *Server
	d          *directory
	who        *account
	gc         bool
	sel        selection
	typesOnly  bool
	sdFlags    int64
	extendedDN int64
	base       bool // base-scope search: tokenGroups is available
	id         int64
	parent     *node // the last parent and its DN: siblings follow each other
	parentDN   string

	hide    []*attrType
	hideAll bool
}

// derivedOrder are the derived attributes in the order in which "*" returns them.
var derivedOrder = [...]string{"distinguishedname", "instancetype", "whencreated", "whenchanged", "usncreated", "usnchanged", "name", "objectguid"}

func (x *encoder) dn(n *node) string {
	if n.parent == nil {
		return x.d.baseDN
	}
	if n.parent != x.parent {
		x.parent, x.parentDN = n.parent, x.d.dn(n.parent)
	}
	return n.rdn.String() + "," + x.parentDN
}

// entry appends a SearchResultEntry for n.
func (x *encoder) entry(b *ber.Builder, n *node) {
	x.hide, x.hideAll = nil, false
	if len(x.d.denials) > 0 {
		x.hide, x.hideAll = x.d.hidden(x.who, n)
	}
	m := b.Begin(ber.Sequence)
	b.Int(ber.Integer, x.id)
	e := b.Begin(tagSearchEntry)
	b.Str(ber.OctetString, x.extend(n, x.dn(n)))
	list := b.Begin(ber.Sequence)
	if x.sel.all {
		x.everything(b, n)
	}
	for i, w := range x.sel.want {
		if x.sel.all && !w.ranged && !w.typ.constructed && w.typ.syntax != SDSyntax {
			continue // "*" had it
		}
		if slices.ContainsFunc(x.sel.want[:i], func(o wanted) bool { return o.typ == w.typ }) {
			continue
		}
		x.attribute(b, w.typ, x.value(n, w.typ), w)
	}
	b.End(list)
	b.End(e)
	b.End(m)
}

// everything appends what "*" stands for: stored, derived and back-link attributes, but neither
// constructed ones nor the security descriptor.
func (x *encoder) everything(b *ber.Builder, n *node) {
	for _, a := range n.rec.attrs {
		if a.typ.syntax != SDSyntax {
			x.attribute(b, a.typ, x.value(n, a.typ), wanted{})
		}
	}
	x.attribute(b, n.rdnType, pack(n.rdn.value), wanted{})
	for _, name := range derivedOrder {
		t := x.d.types[name]
		x.attribute(b, t, x.value(n, t), wanted{})
	}
	var done []*attrType
	for _, l := range x.d.back[n.guid] {
		if t := l.typ.link; t != nil && t != l.typ && !slices.Contains(done, t) {
			done = append(done, t)
			x.attribute(b, t, x.d.backValues(n, t), wanted{})
		}
	}
}

// value returns the values of an attribute as a client sees them.
func (x *encoder) value(n *node, t *attrType) packed {
	switch {
	case t.back:
		return x.d.backValues(n, t)
	case t.constructed:
		return x.constructed(n, t)
	case t.syntax == SDSyntax:
		return x.descriptor(n, t)
	}
	if p, ok := x.s.derived(n, t); ok {
		return p
	}
	p := n.rec.get(t)
	if t.link != nil {
		return x.d.resolve(p)
	}
	return p
}

// attribute appends one attribute unless the account may not read it or it has no values. More
// values than MaxValRange come as a range (MS-ADTS 3.1.1.3.1.3.3). Beside a range that is not the one
// asked for, a domain controller also sends the name that was asked for, without values: users of
// ldapjs (issue 582), ldap3 (336) and ownCloud (20274) show it.
func (x *encoder) attribute(b *ber.Builder, t *attrType, p packed, w wanted) {
	if p.n == 0 || x.hideAll || x.gc && !t.gc && !t.constructed || t.writeOnly || slices.Contains(x.hide, t) {
		return
	}
	if w.ranged && w.lo >= p.n {
		return
	}
	if w.ranged || p.n > x.s.maxRange {
		asked, hi := t.name, p.n-1
		if w.ranged {
			asked = rangeName(t, w.lo, w.hi)
			if w.hi >= 0 {
				hi = min(hi, w.hi)
			}
		}
		last := -1
		if hi = min(hi, w.lo+x.s.maxRange-1); hi < p.n-1 {
			last = hi
		}
		name := rangeName(t, w.lo, last)
		if name != asked {
			x.put(b, asked, packed{})
		}
		x.put(b, name, p.slice(w.lo, hi))
		return
	}
	x.put(b, t.name, p)
}

// rangeName is the name of an attribute with a range option; hi -1 is "*".
func rangeName(t *attrType, lo, hi int) string {
	last := "*"
	if hi >= 0 {
		last = itoa(hi)
	}
	return t.name + ";range=" + itoa(lo) + "-" + last
}

func (x *encoder) put(b *ber.Builder, name string, p packed) {
	m := b.Begin(ber.Sequence)
	b.Str(ber.OctetString, name)
	set := b.Begin(ber.Set)
	if !x.typesOnly {
		b.Raw(p.raw)
	}
	b.End(set)
	b.End(m)
}

// constructed computes an attribute that is not stored.
func (x *encoder) constructed(n *node, t *attrType) packed {
	switch t.lower {
	case "parentguid":
		if n.parent != nil {
			return pack(n.parent.guid.Raw())
		}
	case "canonicalname":
		return pack(x.d.canonical(n))
	case "tokengroups":
		if x.base {
			return pack(x.d.tokenSIDs(n)...)
		}
	case "subschemasubentry":
		return pack("CN=Aggregate,CN=Schema,CN=Configuration," + x.d.baseDN)
	case "sdrightseffective":
		if x.who.Admin {
			return pack("15")
		}
		return pack("0")
	case "allowedattributeseffective":
		if !x.who.writes() {
			break
		}
		var names []string
		for _, a := range x.d.types {
			if !a.system && !a.constructed && !a.back && !x.d.denied(x.who, n, WriteProperty, a) {
				names = append(names, a.name)
			}
		}
		slices.Sort(names)
		return pack(names...)
	}
	return packed{}
}

// canonical returns the name as ashdown.example/Users/name.
func (d *directory) canonical(n *node) string {
	var parts []string
	for ; n.parent != nil; n = n.parent {
		parts = append(parts, strings.ReplaceAll(n.rdn.value, "/", `\/`))
	}
	parts = append(parts, d.domain)
	slices.Reverse(parts)
	if len(parts) == 1 {
		return parts[0] + "/"
	}
	return strings.Join(parts, "/")
}

// extend puts GUID and SID before a DN if the extended DN control asked for it.
func (x *encoder) extend(n *node, dn string) string {
	if x.extendedDN < 0 {
		return dn
	}
	guid, sid := hex.EncodeToString(n.guid[:]), n.rec.get(x.d.types["objectsid"]).first()
	sidText := hex.EncodeToString([]byte(sid))
	if x.extendedDN == 1 {
		guid = n.guid.String()
		sidText, _ = SIDString(sid)
	}
	if sid == "" {
		return "<GUID=" + guid + ">;" + dn
	}
	return "<GUID=" + guid + ">;<SID=" + sidText + ">;" + dn
}
