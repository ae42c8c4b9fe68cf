package ldapdir

import (
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// sameName compares attribute names, which are ASCII without case.
func sameName(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// compareNames orders attribute names as objects do: by their bytes with ASCII letters in lower case.
func compareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// idAttr is the attribute that holds the identity.
func (k Kind) idAttr() string {
	if k == PlainLDAP {
		return "entryUUID"
	}
	return "objectGUID"
}

// A decoder makes objects of entries. It belongs to one read and one goroutine.
//
// What it makes is copied out of the messages into memory that a few objects share (see memory.go).
type decoder struct {
	d      *Dir
	class  ldapsync.Class // of all entries; 0: look at objectClass
	wanted []string       // as the caller spelled them, sorted without case
	all    bool           // "*" or "+" is among them

	fields map[string]*field
	start  field           // its next is the first attribute of an entry
	last   *field          // the attribute before the one that is looked at
	filled []bool          // of wanted, in the entry that is being decoded
	extra  []ldapsync.Attr // those that only "*" asks for

	memory memory
	names  ldapsync.DNParser
}

// field is what becomes of an attribute with one description.
type field struct {
	description string
	next        *field // the one that followed it in an entry

	name string // "" to drop it
	slot int    // place of the name in wanted, -1 if it is not among them
	id   bool
	kind byte // 'c' objectClass, 't' objectCategory, 0 others
}

// maxAttributes bounds an entry. The schema of a large forest has some 5,000 attributes.
const maxAttributes = 1 << 15

// maxFields and maxDescription bound the cache of descriptions; ranges make new ones.
const maxFields, maxDescription = 1024, 256

func (d *Dir) decoder(class ldapsync.Class, attrs []string) *decoder {
	x := &decoder{d: d, class: class, fields: map[string]*field{}}
	for _, a := range attrs {
		switch {
		case a == "*" || a == "+":
			x.all = true
		case !slices.ContainsFunc(x.wanted, func(w string) bool { return sameName(w, a) }):
			x.wanted = append(x.wanted, a)
		}
	}
	slices.SortFunc(x.wanted, compareNames)
	x.filled = make([]bool, len(x.wanted))
	return x
}

// parseID reads the value of the attribute with the identity.
func (x *decoder) parseID(v []byte) (ldapsync.GUID, error) {
	if x.d.cfg.Kind == PlainLDAP {
		return ldapsync.ParseGUID(x.memory.copy(v))
	}
	return ldapsync.GUIDFromBytes(v)
}

// request returns the attributes to ask the server for.
func (x *decoder) request() []string {
	out := []string{x.d.cfg.Kind.idAttr()}
	add := func(name string) {
		if !slices.ContainsFunc(out, func(o string) bool { return sameName(o, name) }) {
			out = append(out, name)
		}
	}
	if x.all {
		out = append(out, "*")
	}
	for _, w := range x.wanted {
		add(w)
	}
	if x.class == 0 {
		add("objectClass")
		if x.d.cfg.Kind == ActiveDirectory {
			add("objectCategory")
		}
	}
	return out
}

// look says what becomes of an attribute, and of what range its values are. Servers return attributes in the same
// order, of which an entry leaves some out.
func (x *decoder) look(description []byte) (*field, *valueRange, error) {
	f := x.last.next
	for range 4 {
		if f == nil {
			break
		}
		if f.description == string(description) {
			x.last = f
			return f, nil, nil
		}
		f = f.next
	}
	f, ok := x.fields[string(description)]
	if !ok {
		var ranged *valueRange
		var err error
		if f, ranged, err = x.field(string(description)); err != nil {
			return nil, nil, err
		}
		if ranged != nil || len(x.fields) >= maxFields || len(description) > maxDescription {
			return f, ranged, nil
		}
		x.fields[f.description] = f
	}
	if (x.last.next == nil || f.next == nil) && f != x.last {
		x.last.next = f
	}
	x.last = f
	return f, nil, nil
}

func (x *decoder) field(description string) (*field, *valueRange, error) {
	name, ranged, err := splitName(description)
	if err != nil {
		return nil, nil, err
	}
	f := &field{description: description, id: sameName(name, x.d.cfg.Kind.idAttr())}
	f.slot = slices.IndexFunc(x.wanted, func(w string) bool { return sameName(w, name) })
	if f.slot >= 0 {
		f.name = x.wanted[f.slot]
	} else if x.all {
		f.name = name
	}
	switch {
	case sameName(name, "objectClass"):
		f.kind = 'c'
	case sameName(name, "objectCategory"):
		f.kind = 't'
	}
	return f, ranged, nil
}

// object decodes an entry. Attributes of which values are missing are returned in rest.
func (x *decoder) object(e lentEntry) (o ldapsync.Object, rest []more, err error) {
	var (
		id       ldapsync.GUID
		hasID    bool
		classes  []string
		category string
	)
	attrs := x.memory.attrs(len(x.wanted))
	x.last = &x.start
	clear(x.filled)
	x.extra = x.extra[:0]
	fail := func(err error) (ldapsync.Object, []more, error) {
		return o, nil, fmt.Errorf("%s: %w", e.dn, err)
	}
	for i, list := 0, e.attrs; len(list) > 0; i++ {
		var description, set []byte
		if description, set, list, err = attribute(list); err != nil {
			return fail(err)
		}
		if i == maxAttributes {
			return fail(fmt.Errorf("more than %d attributes", maxAttributes))
		}
		f, ranged, err := x.look(description)
		if err != nil {
			return fail(err)
		}
		if f.name == "" && !f.id && f.kind == 0 {
			continue
		}
		if f.id && len(set) > 0 {
			first, _, err := expect(tagOctets, set)
			if err == nil {
				id, err = x.parseID(first)
			}
			if err != nil {
				return fail(err)
			}
			hasID = true
			if f.name == "" {
				continue
			}
		}
		values, err := x.memory.values(set)
		if err != nil {
			return fail(err)
		}
		switch {
		case f.kind == 'c':
			classes = values
		case f.kind == 't' && len(values) > 0:
			category = values[0]
		}
		if f.name == "" || ranged != nil && len(values) == 0 {
			// An attribute whose name came empty beside the same name with a range has its values there.
			continue
		}
		if ranged != nil && ranged.low != 0 {
			return fail(fmt.Errorf("the first values of %s are missing: the server began with %s", f.name, description))
		}
		if ranged != nil && !ranged.last {
			rest = append(rest, more{f.name, ranged.high + 1})
		}
		switch {
		case len(values) == 0:
		case f.slot >= 0:
			attrs[f.slot] = ldapsync.Attr{Name: f.name, Values: values, Presence: ldapsync.Present}
			x.filled[f.slot] = true
		default:
			x.extra = append(x.extra, ldapsync.Attr{Name: f.name, Values: values, Presence: ldapsync.Present})
		}
	}
	if !hasID {
		return o, nil, fmt.Errorf("%s has no %s: the account may not read it, so the object cannot be identified", e.dn, x.d.cfg.Kind.idAttr())
	}
	dn, err := x.names.Parse(x.memory.copy(e.dn))
	if err != nil {
		return o, nil, err
	}
	class := x.class
	if class == 0 {
		class = x.d.classify(classes, category)
	}
	return ldapsync.NewSortedObject(id, dn, class, x.attrs(attrs)), rest, nil
}

// attrs makes the attributes of the entry, sorted, out of those in the places of wanted and the others.
func (x *decoder) attrs(places []ldapsync.Attr) []ldapsync.Attr {
	n := 0
	for i, filled := range x.filled {
		switch {
		case filled && n < i:
			places[n] = places[i]
		case filled:
		case x.d.ep.partial:
			// Which attributes the Global Catalog holds cannot be asked there: isMemberOfPartialAttributeSet is not one.
			places[n] = ldapsync.Attr{Name: x.wanted[i], Presence: ldapsync.Unreadable}
		default:
			continue
		}
		n++
	}
	x.memory.giveBack(places[n:])
	if len(x.extra) == 0 {
		return places[:n:n]
	}
	all := append(places[:n:n], x.extra...)
	slices.SortStableFunc(all, func(a, b ldapsync.Attr) int { return compareNames(a.Name, b.Name) })
	n = 0
	for i, a := range all { // of one name the last counts
		if i+1 == len(all) || compareNames(a.Name, all[i+1].Name) != 0 {
			all[n] = a
			n++
		}
	}
	clear(all[n:])
	return all[:n:n]
}

// classify finds the class of an object that was not asked for by class. With Active Directory's usual filters
// objectCategory decides as it does in them; otherwise the class of which the object has all object classes, the
// one with most of them.
func (d *Dir) classify(objectClasses []string, category string) ldapsync.Class {
	has := func(name string) bool {
		return slices.ContainsFunc(objectClasses, func(c string) bool { return strings.EqualFold(c, name) })
	}
	if d.usualClasses && category != "" {
		head, _, _ := strings.Cut(category, ",")
		switch {
		case strings.EqualFold(head, "CN=Computer"):
			return ldapsync.Device
		case strings.EqualFold(head, "CN=Person") && has("user"):
			return ldapsync.User
		}
		return 0
	}
	best, most := ldapsync.Class(0), 0
	for _, class := range []ldapsync.Class{ldapsync.User, ldapsync.Device} {
		names := d.cfg.Classes[class].ObjectClasses
		if len(names) > most && !slices.ContainsFunc(names, func(n string) bool { return !has(n) }) {
			best, most = class, len(names)
		}
	}
	return best
}
