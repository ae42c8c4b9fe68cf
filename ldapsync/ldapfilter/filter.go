// Package ldapfilter reads, prints and evaluates LDAP search filters (RFC 4515) over ldapsync objects, so that
// a scope can be tried, tested and explained without a directory.
//
//	f, err := ldapfilter.Parse("(&(department=Ward 3)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))")
//	if f.Match(object) == ldapfilter.True { … }
//
// Evaluation has three values (RFC 4511 section 4.5.1.7): what depends on an attribute that could not be read
// is Undefined, and so is its negation, so that a filter never counts missing knowledge as a fact.
//
// There is no schema here. Attributes that hold binary values or distinguished names are known by name; all
// others are text, compared without case. Accents, widths and runs of blanks are compared as they are, where
// Active Directory ignores some of them.
package ldapfilter

import (
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// Limits on what Parse accepts. They are far above what a directory itself takes.
const (
	MaxSize  = 64 << 10 // bytes of text
	MaxDepth = 64       // nested parentheses
)

// The matching rules that are evaluated in extensible matches ([MS-ADTS] 3.1.1.3.4.4). Others are Undefined.
const (
	RuleBitAnd = "1.2.840.113556.1.4.803" // LDAP_MATCHING_RULE_BIT_AND: all bits are set
	RuleBitOr  = "1.2.840.113556.1.4.804" // LDAP_MATCHING_RULE_BIT_OR: at least one bit is set
)

// A Filter is a parsed search filter. Filters are immutable and may be used concurrently. The zero Filter
// matches every object and prints as the empty text.
type Filter struct{ root *node }

type kind uint8

const (
	and kind = iota + 1
	or
	not
	equal
	approx
	atLeast
	atMost
	present
	substring
	extensible
)

type node struct {
	kind     kind
	children []*node // and, or, not
	attr     string  // as written, with options; may be empty in an extensible match
	value    string  // unescaped
	parts    []string
	open     struct{ start, end bool } // substring: begins, ends with "*"
	rule     string                    // extensible
	dn       bool                      // extensible: the attributes of the name count too
	folded   string                    // value in lower case
	foldPart []string                  // parts in lower case
}

// fill computes what matching needs again and again.
func (n *node) fill() *node {
	n.folded = strings.ToLower(n.value)
	n.foldPart = make([]string, len(n.parts))
	for i, p := range n.parts {
		n.foldPart[i] = strings.ToLower(p)
	}
	return n
}

// Equal returns the filter (attr=value); value is escaped when it is printed.
func Equal(attr, value string) Filter {
	return Filter{(&node{kind: equal, attr: attr, value: value}).fill()}
}

// Present returns the filter (attr=*).
func Present(attr string) Filter { return Filter{&node{kind: present, attr: attr}} }

// And returns the conjunction. Zero Filters among fs are left out; of none of them the result is the zero
// Filter, of a single one it is that one.
func And(fs ...Filter) Filter {
	var kids []*node
	for _, f := range fs {
		if f.root != nil {
			kids = append(kids, f.root)
		}
	}
	switch len(kids) {
	case 0:
		return Filter{}
	case 1:
		return Filter{kids[0]}
	}
	return Filter{&node{kind: and, children: kids}}
}

// Or returns the disjunction. A zero Filter among fs makes it the zero Filter, which matches everything. Of no
// filters it is "(|)", which matches nothing (RFC 4526).
func Or(fs ...Filter) Filter {
	kids := make([]*node, 0, len(fs))
	for _, f := range fs {
		if f.root == nil {
			return Filter{}
		}
		kids = append(kids, f.root)
	}
	if len(kids) == 1 {
		return Filter{kids[0]}
	}
	return Filter{&node{kind: or, children: kids}}
}

// Not returns the negation; of the zero Filter it is "(|)", which matches nothing.
func Not(f Filter) Filter {
	if f.root == nil {
		return Or()
	}
	return Filter{&node{kind: not, children: []*node{f.root}}}
}

// IsZero reports whether f is the zero Filter.
func (f Filter) IsZero() bool { return f.root == nil }

// Attrs returns the attributes that the filter looks at, without options, each once however it is spelled, in
// the order of the text. An object must have been read with these for Match to mean anything.
func (f Filter) Attrs() []string {
	var out []string
	var walk func(*node)
	walk = func(n *node) {
		for _, c := range n.children {
			walk(c)
		}
		name := baseName(n.attr)
		if name != "" && !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, name) }) {
			out = append(out, name)
		}
	}
	if f.root != nil {
		walk(f.root)
	}
	return out
}

// String prints the filter in its canonical form: no blanks between the parts, values escaped as Escape does.
// Parsing it gives an equal filter.
func (f Filter) String() string {
	if f.root == nil {
		return ""
	}
	var b strings.Builder
	f.root.print(&b)
	return b.String()
}

func (n *node) print(b *strings.Builder) {
	b.WriteByte('(')
	switch n.kind {
	case and, or, not:
		b.WriteByte("?&|!"[n.kind])
		for _, c := range n.children {
			c.print(b)
		}
	case present:
		b.WriteString(n.attr + "=*")
	case substring:
		b.WriteString(n.attr + "=")
		if n.open.start {
			b.WriteByte('*')
		}
		for i, p := range n.parts {
			if i > 0 {
				b.WriteByte('*')
			}
			b.WriteString(Escape(p))
		}
		if n.open.end {
			b.WriteByte('*')
		}
	case extensible:
		b.WriteString(n.attr)
		if n.dn {
			b.WriteString(":dn")
		}
		if n.rule != "" {
			b.WriteString(":" + n.rule)
		}
		b.WriteString(":=" + Escape(n.value))
	default:
		b.WriteString(n.attr + operators[n.kind] + Escape(n.value))
	}
	b.WriteByte(')')
}

var operators = [...]string{equal: "=", approx: "~=", atLeast: ">=", atMost: "<="}

// MarshalText writes the canonical text.
func (f Filter) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText parses.
func (f *Filter) UnmarshalText(b []byte) error {
	v, err := Parse(string(b))
	if err == nil {
		*f = v
	}
	return err
}

// ForClass returns the usual filter of a class: people's accounts are user objects of category person, because
// computers are user objects too. The zero Class gives the zero Filter.
func ForClass(c ldapsync.Class) Filter {
	switch c {
	case ldapsync.User:
		return And(Equal("objectCategory", "person"), Equal("objectClass", "user"))
	case ldapsync.Device:
		return Equal("objectCategory", "computer")
	}
	return Filter{}
}
