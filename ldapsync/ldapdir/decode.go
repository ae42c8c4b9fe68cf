package ldapdir

import (
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// sameName compares attribute names, which are ASCII without case.
func sameName(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// idAttr is the attribute that holds the identity.
func (k Kind) idAttr() string {
	if k == PlainLDAP {
		return "entryUUID"
	}
	return "objectGUID"
}

// parseID reads a value of idAttr.
func (k Kind) parseID(v string) (ldapsync.GUID, error) {
	if k == PlainLDAP {
		return ldapsync.ParseGUID(v)
	}
	return ldapsync.GUIDFromBytes([]byte(v))
}

// A decoder makes objects of entries. It belongs to one read and one goroutine.
type decoder struct {
	d      *Dir
	class  ldapsync.Class // of all entries; 0: look at objectClass
	wanted []string       // as the caller spelled them
	all    bool           // "*" or "+" is among them
	fields map[string]field

	parent     ldapsync.DN // of the entry before, which most share
	parentText string
}

// field is what becomes of an attribute with one description.
type field struct {
	name string // "" to drop it
	id   bool
	kind byte // 'c' objectClass, 't' objectCategory, 0 others
}

// maxFields bounds the cache of descriptions; ranges make new ones.
const maxFields = 1024

func (d *Dir) decoder(class ldapsync.Class, attrs []string) *decoder {
	x := &decoder{d: d, class: class, fields: map[string]field{}}
	for _, a := range attrs {
		switch {
		case a == "*" || a == "+":
			x.all = true
		case !slices.ContainsFunc(x.wanted, func(w string) bool { return sameName(w, a) }):
			x.wanted = append(x.wanted, a)
		}
	}
	return x
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

// look says what becomes of an attribute, and of what range its values are.
func (x *decoder) look(description string) (field, *valueRange, error) {
	if f, ok := x.fields[description]; ok {
		return f, nil, nil
	}
	name, ranged, err := splitName(description)
	if err != nil {
		return field{}, nil, err
	}
	var f field
	if i := slices.IndexFunc(x.wanted, func(w string) bool { return sameName(w, name) }); i >= 0 {
		f.name = x.wanted[i]
	} else if x.all {
		f.name = strings.Clone(name)
	}
	f.id = sameName(name, x.d.cfg.Kind.idAttr())
	switch {
	case sameName(name, "objectClass"):
		f.kind = 'c'
	case sameName(name, "objectCategory"):
		f.kind = 't'
	}
	if ranged == nil && len(x.fields) < maxFields {
		x.fields[strings.Clone(description)] = f
	}
	return f, ranged, nil
}

// object decodes an entry. Attributes of which values are missing are returned in rest.
func (x *decoder) object(e entry) (o ldapsync.Object, rest []more, err error) {
	var (
		id       ldapsync.GUID
		hasID    bool
		classes  []string
		category string
		attrs    = make([]ldapsync.Attr, 0, len(x.wanted)+2)
		all      = make([]string, 0, len(x.wanted)+8)
	)
	err = e.each(func(description, set string) error {
		f, ranged, err := x.look(description)
		if err != nil || f == (field{}) {
			return err
		}
		// All values of the entry share one slice, as far as it lasts.
		start := len(all)
		if all, err = appendValues(all, set); err != nil {
			return err
		}
		values := all[start:len(all):len(all)]
		if f.id && len(values) > 0 {
			if id, err = x.d.cfg.Kind.parseID(values[0]); err != nil {
				return err
			}
			hasID = true
		}
		switch {
		case f.kind == 'c':
			classes = values
		case f.kind == 't' && len(values) > 0:
			category = values[0]
		}
		if f.name == "" || ranged != nil && len(values) == 0 {
			// An attribute whose name came empty beside the same name with a range has its values there.
			return nil
		}
		if ranged != nil && ranged.low != 0 {
			return fmt.Errorf("the first values of %s are missing: the server began with %s", f.name, description)
		}
		if ranged != nil && !ranged.last {
			rest = append(rest, more{f.name, ranged.high + 1})
		}
		if len(values) > 0 {
			attrs = append(attrs, ldapsync.Attr{Name: f.name, Values: values})
		}
		return nil
	})
	if err != nil {
		return o, nil, fmt.Errorf("%s: %w", e.dn, err)
	}
	if !hasID {
		return o, nil, fmt.Errorf("%s has no %s: the account may not read it, so the object cannot be identified", e.dn, x.d.cfg.Kind.idAttr())
	}
	dn, err := x.parseDN(e.dn)
	if err != nil {
		return o, nil, err
	}
	if x.d.ep.partial {
		// Which attributes the Global Catalog holds cannot be asked there: isMemberOfPartialAttributeSet is not one.
		for _, w := range x.wanted {
			if !slices.ContainsFunc(attrs, func(a ldapsync.Attr) bool { return sameName(a.Name, w) }) {
				attrs = append(attrs, ldapsync.Attr{Name: w, Presence: ldapsync.Unreadable})
			}
		}
	}
	class := x.class
	if class == 0 {
		class = x.d.classify(classes, category)
	}
	return ldapsync.NewObject(id, dn, class, attrs...), rest, nil
}

// parseDN is ldapsync.ParseDN, cheaper for plain names in the container of the entry before.
func (x *decoder) parseDN(text string) (ldapsync.DN, error) {
	head, tail, ok := strings.Cut(text, ",")
	if ok && tail == x.parentText && !strings.ContainsAny(head, `\+"<>;#`) {
		typ, value, _ := strings.Cut(head, "=")
		if dn := x.parent.Child(typ, value); dn.String() == text {
			return dn, nil
		}
	}
	dn, err := ldapsync.ParseDN(text)
	if err == nil {
		x.parent = dn.Parent()
		x.parentText = x.parent.String()
	}
	return dn, err
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
