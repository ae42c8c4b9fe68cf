package ldapfilter

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.internal/hybridkit/ldapsync"
)

// A Truth is what a filter says of an object. Only True selects it. The zero Truth is Undefined.
type Truth uint8

// The truth values.
const (
	Undefined Truth = iota // depends on what could not be read, or on a matching rule that is not known here
	False
	True
)

// String returns "undefined", "false" or "true".
func (t Truth) String() string {
	switch t {
	case Undefined:
		return "undefined"
	case False:
		return "false"
	case True:
		return "true"
	}
	return "Truth(" + strconv.Itoa(int(t)) + ")"
}

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Match evaluates the filter.
//
// An attribute that is absent makes a test on it False, as in Active Directory; one that is Unreadable makes it
// Undefined. Equality, substrings and ordering are without case for text and byte for byte for binary values
// (see Binary). Where both sides of an ordering are whole numbers, or both are times, they compare as such; an
// "approximately equal" is an equality, as in Active Directory. Distinguished names compare as such.
//
// Where the object does not carry them as attributes, objectGUID, distinguishedName, objectClass and
// objectCategory are derived from its ID, DN and Class. The value of objectCategory may be the short name of a
// class; that of objectSid may be the text S-1-….
func (f Filter) Match(o ldapsync.Object) Truth {
	if f.root == nil {
		return True
	}
	return f.root.match(&o)
}

func (n *node) match(o *ldapsync.Object) Truth {
	switch n.kind {
	case and, or:
		// The value that decides at once, and what is left if none does.
		decides, rest := False, True
		if n.kind == or {
			decides, rest = True, False
		}
		for _, c := range n.children {
			switch t := c.match(o); t {
			case decides:
				return t
			case Undefined:
				rest = Undefined
			}
		}
		return rest
	case not:
		switch n.children[0].match(o) {
		case True:
			return False
		case False:
			return True
		}
		return Undefined
	case extensible:
		return n.matchExtensible(o)
	}
	name := baseName(n.attr)
	values, known := valuesOf(o, name)
	if !known {
		return Undefined
	}
	if n.kind == present {
		return truth(len(values) > 0)
	}
	for _, v := range values {
		if n.matchValue(name, v) {
			return True
		}
	}
	return False
}

func (n *node) matchValue(name, v string) bool {
	switch n.kind {
	case equal, approx, extensible:
		return n.equals(name, v)
	case substring:
		if isBytes(name, v) {
			return n.substring(v, n.parts)
		}
		return n.substring(strings.ToLower(v), n.foldPart)
	case atLeast:
		return n.order(name, v) >= 0
	case atMost:
		return n.order(name, v) <= 0
	}
	return false
}

func (n *node) equals(name, v string) bool {
	if v == n.value {
		return true
	}
	switch strings.ToLower(name) {
	case "objectsid":
		sid, err := ldapsync.ParseSID(n.value)
		return err == nil && sid.Raw() == v
	case "objectcategory":
		if !strings.Contains(n.value, "=") {
			return categoryIs(v, n.value)
		}
	}
	if isBytes(name, v) || isBytes(name, n.value) {
		return false
	}
	if dnValued[strings.ToLower(name)] {
		a, aerr := ldapsync.ParseDN(v)
		b, berr := ldapsync.ParseDN(n.value)
		return aerr == nil && berr == nil && a.Equal(b)
	}
	return strings.EqualFold(v, n.value)
}

// categoryIs resolves the short name of a class to the name of its category: user's is Person.
func categoryIs(dn, short string) bool {
	if strings.EqualFold(short, "user") {
		short = "person"
	}
	if strings.EqualFold(dn, short) {
		return true
	}
	d, err := ldapsync.ParseDN(dn)
	if err != nil {
		return false
	}
	_, v := d.RDN()
	// Names of schema objects have hyphens where the short names have none: Organizational-Unit.
	return strings.EqualFold(strings.ReplaceAll(v, "-", ""), strings.ReplaceAll(short, "-", ""))
}

func (n *node) substring(v string, parts []string) bool {
	for i, p := range parts {
		last := i == len(parts)-1
		switch {
		case i == 0 && !n.open.start:
			if !strings.HasPrefix(v, p) {
				return false
			}
			v = v[len(p):]
			if last && !n.open.end {
				return v == ""
			}
		case last && !n.open.end:
			return strings.HasSuffix(v, p)
		default:
			at := strings.Index(v, p)
			if at < 0 {
				return false
			}
			v = v[at+len(p):]
		}
	}
	return true
}

func (n *node) order(name, v string) int {
	if isBytes(name, v) || isBytes(name, n.value) {
		return strings.Compare(v, n.value)
	}
	if a, err := strconv.ParseInt(v, 10, 64); err == nil {
		if b, err := strconv.ParseInt(n.value, 10, 64); err == nil {
			switch {
			case a < b:
				return -1
			case a > b:
				return 1
			}
			return 0
		}
	}
	if a, err := ldapsync.ParseGeneralizedTime(v); err == nil {
		if b, err := ldapsync.ParseGeneralizedTime(n.value); err == nil {
			return a.Compare(b)
		}
	}
	return strings.Compare(strings.ToLower(v), n.folded)
}

func (n *node) matchExtensible(o *ldapsync.Object) Truth {
	name := baseName(n.attr)
	switch n.rule {
	case RuleBitAnd, RuleBitOr:
		values, known := valuesOf(o, name)
		mask, err := strconv.ParseInt(n.value, 10, 64)
		if !known || err != nil || name == "" {
			return Undefined
		}
		for _, v := range values {
			if bits, err := strconv.ParseInt(v, 10, 64); err == nil {
				if n.rule == RuleBitAnd && bits&mask == mask || n.rule == RuleBitOr && bits&mask != 0 {
					return True
				}
			}
		}
		return False
	case "": // the attribute's own equality
		if n.dn {
			for d := o.DN; !d.IsRoot(); d = d.Parent() {
				if typ, v := d.RDN(); strings.EqualFold(typ, name) && n.equals(name, v) {
					return True
				}
			}
		}
		values, known := valuesOf(o, name)
		if !known {
			return Undefined
		}
		for _, v := range values {
			if n.equals(name, v) {
				return True
			}
		}
		return False
	}
	return Undefined
}

// valuesOf returns the values of an attribute, and false if it could not be read.
func valuesOf(o *ldapsync.Object, name string) ([]string, bool) {
	a := o.Attr(name)
	switch a.Presence {
	case ldapsync.Unreadable:
		return nil, false
	case ldapsync.Present:
		return a.Values, true
	}
	switch strings.ToLower(name) {
	case "objectguid":
		if !o.ID.IsZero() {
			return []string{o.ID.Raw()}, true
		}
	case "distinguishedname":
		if !o.DN.IsRoot() {
			return []string{o.DN.String()}, true
		}
	case "objectclass":
		switch o.Class {
		case ldapsync.User:
			return []string{"top", "person", "organizationalPerson", "user"}, true
		case ldapsync.Device:
			return []string{"top", "person", "organizationalPerson", "user", "computer"}, true
		}
	case "objectcategory":
		switch o.Class {
		case ldapsync.User:
			return []string{"Person"}, true
		case ldapsync.Device:
			return []string{"Computer"}, true
		}
	}
	return nil, true
}

// baseName strips options such as ;binary and ;range=0-1499.
func baseName(attr string) string {
	name, _, _ := strings.Cut(attr, ";")
	return name
}

// isBytes reports whether a value is to be compared byte for byte.
func isBytes(name, v string) bool { return !utf8.ValidString(v) || Binary(name) }

// Binary reports whether an attribute is known, by its name, to hold binary values in Active Directory. Any
// value that is not UTF-8 counts as binary besides.
func Binary(attr string) bool { return binaryValued[strings.ToLower(baseName(attr))] }

var binaryValued = map[string]bool{
	"objectguid": true, "objectsid": true, "sidhistory": true, "ms-ds-consistencyguid": true, "ms-ds-creatorsid": true,
	"usercertificate": true, "cacertificate": true, "usersmimecertificate": true, "userpkcs12": true,
	"thumbnailphoto": true, "jpegphoto": true, "photo": true, "audio": true, "thumbnaillogo": true,
	"ntsecuritydescriptor": true, "logonhours": true, "securityidentifier": true, "schemaidguid": true,
	"attributesecurityguid": true, "invocationid": true, "msexchmailboxguid": true, "msexcharchiveguid": true,
	"msexchmailboxsecuritydescriptor": true, "tokengroups": true, "unicodepwd": true, "parentguid": true,
	"msds-deviceid": true, "msds-generationid": true, "replpropertymetadata": true,
}

// dnValued names the attributes that hold distinguished names. msDS-KeyCredentialLink is not among them: its
// syntax is DN with binary.
var dnValued = map[string]bool{
	"distinguishedname": true, "member": true, "memberof": true, "manager": true, "directreports": true,
	"managedby": true, "managedobjects": true, "objectcategory": true, "secretary": true, "assistant": true,
	"owner": true, "seealso": true, "altrecipient": true, "publicdelegates": true, "lastknownparent": true,
	"serverreference": true, "homemdb": true, "ownerbl": true, "msds-parentdistname": true,
}
