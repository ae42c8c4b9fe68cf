package adtest

import (
	"slices"
	"strings"
)

// Attrs are the attributes of an object by name. Values are the raw bytes, in strings.
type Attrs map[string][]string

// writeOptions say how a write came in.
type writeOptions struct {
	direct     bool // from this package's own API: may set objectGUID and objectSid
	loading    bool // from LDIF: server-maintained attributes are ignored, links may dangle
	permissive bool // permissive modify control
	deleted    bool // show-deleted control: deleted objects may be named
}

// addObject creates an object. The caller holds mu for writing.
func (d *directory) addObject(by *account, dn string, attrs Attrs, opt writeOptions) (*node, *Error) {
	parts, err := parseDN(dn)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, refuse(ResultNamingViolation, "00002099: NameErr: the root has no name")
	}
	parent, left := d.walk(parts)
	switch {
	case parent == nil:
		return nil, noSuchObject("")
	case left == 0:
		return nil, alreadyExists(dn)
	case left > 1 || parent.rec.deleted:
		return nil, noSuchObject(d.dn(parent))
	case d.denied(by, parent, CreateChild, nil) || !by.writes():
		return nil, noAccess("no right to create a child")
	}
	n := &node{rdn: parts[0], nc: parent.nc}
	if n.rdnType, err = d.typeForWrite(n.rdn.typ); err != nil {
		return nil, err
	}
	if e := n.rdnType.check(n.rdn.value); e != nil {
		return nil, e
	}
	rec := &record{}
	if err := d.fill(n, rec, attrs, opt); err != nil {
		return nil, err
	}
	if err := d.defaults(n, rec, opt); err != nil {
		return nil, err
	}
	if n.guid == (GUID{}) {
		n.guid = d.newObjectGUID(parent.guid, n.rdn)
	} else if d.byGUID[n.guid] != nil {
		return nil, refuse(ResultConstraintViolation, "00002083: AtrErr: objectGUID %s is in use", n.guid)
	}
	d.insert(n, parent, rec)
	return n, nil
}

func alreadyExists(dn string) *Error {
	return refuse(ResultEntryAlreadyExists, "00000524: UpdErr: problem 6005 (ENTRY_EXISTS), data 0: %s", quote(dn))
}

// insert puts a finished object into the tree, the indexes and the change order.
func (d *directory) insert(n, parent *node, rec *record) {
	rec.attrs = slices.Clip(rec.attrs)
	d.dnt++
	n.dnt = d.dnt
	n.attach(parent)
	d.byGUID[n.guid] = n
	d.order.insert(n)
	n.created, n.born = d.seq+1, d.now().Unix()
	d.commit(n, rec, true)
}

// commit makes rec the record of n: it stamps the change, keeps indexes and links, wakes listeners.
func (d *directory) commit(n *node, rec *record, named bool) {
	d.seq++
	old := n.rec
	rec.changed, rec.at = d.seq, d.now().Unix()
	if named {
		rec.named = d.seq
	}
	for i := range rec.attrs {
		if rec.attrs[i].seq == 0 {
			rec.attrs[i].seq = d.seq
		}
	}
	d.swap(n, old, rec)
	d.notify(n)
}

// swap replaces the record without marking a change.
func (d *directory) swap(n *node, old, rec *record) {
	d.reindex(n, old, rec)
	d.relink(n, old, rec)
	n.rec = rec
}

// relink keeps the back links of what old and rec point at.
func (d *directory) relink(n *node, old, rec *record) {
	rec.links = false
	for _, a := range rec.attrs {
		rec.links = rec.links || a.typ.link != nil && a.vals.n > 0
	}
	if (old == nil || !old.links) && !rec.links {
		return
	}
	count := map[backTarget]int{}
	each := func(r *record, by int) {
		if r == nil {
			return
		}
		for _, a := range r.attrs {
			if a.typ.link == nil {
				continue
			}
			if by < 0 && rec.get(a.typ) == a.vals || by > 0 && old != nil && old.get(a.typ) == a.vals {
				continue // unchanged
			}
			for v := range a.vals.all() {
				if g, ok := linkTarget(v); ok {
					count[backTarget{g, a.typ}] += by
				}
			}
		}
	}
	each(old, -1)
	each(rec, 1)
	for t, k := range count {
		b := backlink{n.guid, t.typ}
		switch {
		case k < 0:
			d.back[t.guid] = slices.DeleteFunc(d.back[t.guid], func(x backlink) bool { return x == b })
			if len(d.back[t.guid]) == 0 {
				delete(d.back, t.guid)
			}
		case k > 0:
			d.back[t.guid] = append(d.back[t.guid], b)
		}
	}
}

type backTarget struct {
	guid GUID
	typ  *attrType
}

// fill checks the given attributes and stores them in rec, objectClass first, then by name.
func (d *directory) fill(n *node, rec *record, attrs Attrs, opt writeOptions) *Error {
	type given struct {
		typ    *attrType
		values []string
	}
	list := make([]given, 0, len(attrs))
	for name, values := range attrs {
		t, err := d.typeForWrite(name)
		if err != nil {
			return err
		}
		list = append(list, given{t, values})
	}
	slices.SortFunc(list, func(a, b given) int {
		ca, cb := a.typ.lower == "objectclass", b.typ.lower == "objectclass"
		if ca != cb {
			return boolInt(cb) - boolInt(ca)
		}
		return strings.Compare(a.typ.lower, b.typ.lower)
	})
	rec.attrs = make([]attr, 0, len(list)+6) // room for defaults
	for _, g := range list {
		t, values := g.typ, g.values
		if rec.get(t).n > 0 {
			return refuse(ResultAttributeOrValueExists, "00002083: AtrErr: attribute %s given twice", t.name)
		}
		switch skip, err := d.special(n, t, values, opt); {
		case err != nil:
			return err
		case skip:
			continue
		}
		p, err := d.values(t, values, opt)
		if err != nil {
			return err
		}
		rec.attrs = append(rec.attrs, attr{typ: t, vals: p})
	}
	return nil
}

// special handles the attributes of an add that are not simply stored.
func (d *directory) special(n *node, t *attrType, values []string, opt writeOptions) (skip bool, err *Error) {
	switch {
	case t == n.rdnType:
		if len(values) != 1 || fold(values[0]) != fold(n.rdn.value) {
			return false, refuse(ResultNamingViolation, "00002099: NameErr: problem 2005 (NAMING_VIOLATION): %s differs from the name", t.name)
		}
		return true, nil
	case t.lower == "objectguid" && (opt.direct || d.guidOnAdd):
		if len(values) != 1 || len(values[0]) != 16 {
			return false, refuse(ResultInvalidAttributeSyntax, "00000057: AttrErr: objectGUID must be one value of 16 bytes")
		}
		n.guid = GUID([]byte(values[0]))
		return true, nil
	case t.lower == "objectsid" && opt.direct:
		return false, nil
	case t.lower == "distinguishedname" && !opt.loading:
		return true, nil // some clients send it; it must be the name, which the tree holds
	case t.writeOnly:
		if opt.loading {
			return true, nil
		}
		// The caller sets the password once the object exists.
		return true, nil
	case t.system || t.constructed || t.back || t.lower == "objectguid" || t.lower == "objectsid":
		if opt.loading {
			return true, nil
		}
		return false, systemOnly(t)
	}
	return false, nil
}

func systemOnly(t *attrType) *Error {
	return refuse(ResultConstraintViolation, "0000209A: AtrErr: problem 1005 (CONSTRAINT_ATT_TYPE), Att %s is maintained by the server", t.name)
}

// values checks a set of values and packs it.
func (d *directory) values(t *attrType, values []string, opt writeOptions) (packed, *Error) {
	if len(values) == 0 {
		return packed{}, refuse(ResultInvalidAttributeSyntax, "00000057: AttrErr: %s has no values", t.name)
	}
	if t.single && len(values) > 1 {
		return packed{}, refuse(ResultConstraintViolation, "00002081: AtrErr: problem 1005 (CONSTRAINT_ATT_TYPE): %s is single-valued", t.name)
	}
	if t.lower == "objectclass" {
		values = classValues(values)
	}
	if len(values) == 1 {
		s, err := d.store(t, values[0], opt)
		if err != nil {
			return packed{}, err
		}
		return d.intern(t, pack(s)), nil
	}
	stored := make([]string, len(values))
	seen := make(map[string]bool, len(values))
	for i, v := range values {
		s, err := d.store(t, v, opt)
		if err != nil {
			return packed{}, err
		}
		if k := d.storedKey(t, s); seen[k] {
			return packed{}, valueExists(t)
		} else {
			seen[k] = true
		}
		stored[i] = s
	}
	return d.intern(t, pack(stored...)), nil
}

// store turns one value into its stored form.
func (d *directory) store(t *attrType, v string, opt writeOptions) (string, *Error) {
	if t.link != nil {
		s, err := d.linkValue(v)
		if err != nil && opt.loading && err.Code == ResultNoSuchObject {
			return v, nil
		}
		return s, err
	}
	if t.lower == "objectcategory" && !strings.Contains(v, "=") {
		v = d.category(v)
	}
	return v, t.check(v)
}

// storedKey is the form in which stored values are equal.
func (d *directory) storedKey(t *attrType, v string) string {
	if t.link != nil {
		if _, ok := linkTarget(v); ok {
			return v
		}
	}
	return t.key(v)
}

func valueExists(t *attrType) *Error {
	return refuse(ResultAttributeOrValueExists, "00002083: AtrErr: problem 1006 (ATT_OR_VALUE_EXISTS), Att %s", t.name)
}

// category turns the name of a class or category into the DN that objectCategory holds.
func (d *directory) category(name string) string {
	if c, ok := classes[strings.ToLower(name)]; ok {
		name = c.category
	}
	return "CN=" + name + ",CN=Schema,CN=Configuration," + d.baseDN
}
