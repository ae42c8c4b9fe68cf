package ldapsync

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Presence says what is known of an attribute of an object. Absent is knowledge: the directory holds no value.
// Unreadable is the lack of it: the account may not read the attribute, or the server does not hold it, so
// nothing may be concluded and above all nothing cleared.
type Presence uint8

// The three states of an attribute. The zero Presence is Absent.
const (
	Absent Presence = iota
	Present
	Unreadable
)

var presenceNames = [...]string{"absent", "present", "unreadable"}

// String returns "absent", "present" or "unreadable".
func (p Presence) String() string {
	if int(p) >= len(presenceNames) {
		return fmt.Sprintf("Presence(%d)", uint8(p))
	}
	return presenceNames[p]
}

// An Attr is one attribute of an Object. Values are raw bytes in strings, at least one where Presence is
// Present, none otherwise.
type Attr struct {
	Name     string // as the directory or the caller spelled it, without options such as ;range=
	Values   []string
	Presence Presence
}

// An Object is one entry of a directory as it was read: an identity, a place and attributes. Attribute names
// compare without case. Objects are values: the With methods return changed copies, and the slices an Object
// hands out must not be modified. The zero Object has no identity and no attributes.
type Object struct {
	ID    GUID  // objectGUID, or what the driver uses in its place; never the DN, which changes
	DN    DN    // where it was when it was read; the zero DN in targets without names (Entra ID)
	Class Class // zero if neither user nor device
	attrs []Attr
}

// NewObject makes an Object of the attributes given. Of attributes with the same name the last one wins. An
// Attr with values is Present whatever its Presence says, unless that is Unreadable.
func NewObject(id GUID, dn DN, class Class, attrs ...Attr) Object {
	o := Object{ID: id, DN: dn, Class: class, attrs: make([]Attr, 0, len(attrs))}
	for _, a := range attrs {
		o.put(a)
	}
	return o
}

// Values makes a present Attr, for use with NewObject: NewObject(id, dn, User, Values("cn", "Ann")).
func Values(name string, values ...string) Attr {
	return Attr{Name: name, Values: values, Presence: Present}
}

func compareFold(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := lower(a[i]), lower(b[i])
		if x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func (o *Object) find(name string) (int, bool) {
	return slices.BinarySearchFunc(o.attrs, name, func(a Attr, n string) int { return compareFold(a.Name, n) })
}

// put stores a in place; absent attributes are not stored.
func (o *Object) put(a Attr) {
	switch {
	case a.Presence == Unreadable:
		a.Values = nil
	case len(a.Values) > 0:
		a.Presence = Present
	default:
		a.Presence = Absent
	}
	i, found := o.find(a.Name)
	switch {
	case a.Presence == Absent && found:
		o.attrs = slices.Delete(o.attrs, i, i+1)
	case a.Presence == Absent:
	case found:
		o.attrs[i] = a
	default:
		o.attrs = slices.Insert(o.attrs, i, a)
	}
}

// With returns a copy with the attribute set to the values; with no values it is absent in the copy.
func (o Object) With(name string, values ...string) Object {
	o.attrs = slices.Clone(o.attrs)
	o.put(Attr{Name: name, Values: slices.Clone(values)})
	return o
}

// WithUnreadable returns a copy in which the attribute could not be read.
func (o Object) WithUnreadable(name string) Object {
	o.attrs = slices.Clone(o.attrs)
	o.put(Attr{Name: name, Presence: Unreadable})
	return o
}

// Attr returns the attribute; one that is not there is Absent.
func (o Object) Attr(name string) Attr {
	if i, ok := o.find(name); ok {
		return o.attrs[i]
	}
	return Attr{Name: name}
}

// Get returns the first value, and whether there is one.
func (o Object) Get(name string) (string, bool) {
	if i, ok := o.find(name); ok && len(o.attrs[i].Values) > 0 {
		return o.attrs[i].Values[0], true
	}
	return "", false
}

// All returns the values, nil unless the attribute is present.
func (o Object) All(name string) []string {
	if i, ok := o.find(name); ok {
		return o.attrs[i].Values
	}
	return nil
}

// Presence says what is known of the attribute.
func (o Object) Presence(name string) Presence { return o.Attr(name).Presence }

// Attrs iterates over the attributes that are present or unreadable, sorted by name without case.
func (o Object) Attrs() iter.Seq[Attr] { return slices.Values(o.attrs) }

// Select returns a copy with only the named attributes. No names select none.
func (o Object) Select(names ...string) Object {
	out := Object{ID: o.ID, DN: o.DN, Class: o.Class, attrs: make([]Attr, 0, min(len(names), len(o.attrs)))}
	for _, n := range names {
		if i, ok := o.find(n); ok {
			out.put(o.attrs[i])
		}
	}
	return out
}

// SameValues compares two values of an attribute as sets of bytes: order does not matter, case does.
func SameValues(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 1 {
		return a[0] == b[0]
	}
	if slices.Equal(a, b) {
		return true
	}
	x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(x, y)
}

// canonicalName is how attribute names are kept where they are keys.
func canonicalName(name string) string { return strings.ToLower(name) }
