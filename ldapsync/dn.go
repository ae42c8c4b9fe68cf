package ldapsync

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDN bounds the text ParseDN looks at. Active Directory's own limit for a distinguished name is far below.
const maxDN = 64 << 10

// A DN is a distinguished name (RFC 4514). The zero DN is the root, with no RDNs. DNs are immutable and may be
// shared between goroutines.
type DN struct {
	text string
	rdns []rdn
}

// rdn is one relative distinguished name; fold is its form for comparing.
type rdn struct {
	text string
	fold string
	typ  string // of the first type-and-value pair
	val  string // unescaped, of the first pair
}

// ParseDN reads the text form: RFC 4514 escapes, hexadecimal #values, blanks around separators, and several
// pairs joined by "+". An error names the column.
func ParseDN(s string) (DN, error) {
	if len(s) > maxDN {
		return DN{}, fmt.Errorf("ldapsync: a distinguished name of %d bytes is longer than %d", len(s), maxDN)
	}
	if strings.TrimSpace(s) == "" {
		return DN{}, nil
	}
	d := DN{text: s}
	p := dnParser{s: s}
	for {
		start := p.i
		r := rdn{}
		var pairs []string
		for {
			hexed := p.hexed
			typ, val, err := p.pair()
			if err != nil {
				return DN{}, err
			}
			if len(pairs) == 0 {
				r.typ, r.val = typ, val
			}
			if hexed != p.hexed {
				pairs = append(pairs, strings.ToLower(typ)+"="+val)
			} else {
				pairs = append(pairs, foldPair(typ, val))
			}
			if p.i < len(s) && s[p.i] == '+' {
				p.i++
				continue
			}
			break
		}
		slices.Sort(pairs) // the order of pairs means nothing
		r.fold = strings.Join(pairs, "+")
		r.text = strings.TrimLeft(s[start:p.i], " ")
		d.rdns = append(d.rdns, r)
		if p.i == len(s) {
			return d, nil
		}
		p.i++ // the comma or semicolon that pair stopped at
	}
}

// MustParseDN is ParseDN for constants; it panics if s is not a distinguished name.
func MustParseDN(s string) DN {
	d, err := ParseDN(s)
	if err != nil {
		panic(err)
	}
	return d
}

type dnParser struct {
	s     string
	i     int
	hexed int // number of # values so far
}

func (p *dnParser) fail(why string) error {
	return fmt.Errorf("ldapsync: %q is not a distinguished name: column %d: %s", clip(p.s), p.i+1, why)
}

func (p *dnParser) blanks() {
	for p.i < len(p.s) && p.s[p.i] == ' ' {
		p.i++
	}
}

// pair reads type=value and stops at the separator after it or at the end.
func (p *dnParser) pair() (typ, val string, err error) {
	p.blanks()
	start := p.i
	for p.i < len(p.s) && (isAlnum(p.s[p.i]) || p.s[p.i] == '-' || p.s[p.i] == '.') {
		p.i++
	}
	typ = p.s[start:p.i]
	if typ == "" {
		return "", "", p.fail("an attribute type is missing")
	}
	p.blanks()
	if p.i == len(p.s) || p.s[p.i] != '=' {
		return "", "", p.fail("'=' is missing")
	}
	p.i++
	p.blanks()
	if p.i < len(p.s) && p.s[p.i] == '#' {
		return p.hexValue(typ)
	}
	var b strings.Builder
	keep := 0 // length up to the last character that is not a bare blank
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case ',', ';', '+':
			return typ, b.String()[:keep], nil
		case '"', '<', '>', 0:
			return "", "", p.fail(fmt.Sprintf("%q must be escaped with a backslash", c))
		case '\\':
			if p.i+1 >= len(p.s) {
				return "", "", p.fail("a backslash ends the name")
			}
			if n := p.s[p.i+1]; isHex(n) {
				if p.i+2 >= len(p.s) || !isHex(p.s[p.i+2]) {
					return "", "", p.fail("a backslash needs two hexadecimal digits")
				}
				v, _ := hex.DecodeString(p.s[p.i+1 : p.i+3])
				b.WriteByte(v[0])
				p.i += 3
			} else {
				if !strings.ContainsRune(` "#+,;<=>\`, rune(n)) {
					return "", "", p.fail(fmt.Sprintf("%q needs no backslash", n))
				}
				b.WriteByte(n)
				p.i += 2
			}
			keep = b.Len()
		default:
			b.WriteByte(c)
			p.i++
			if c != ' ' {
				keep = b.Len()
			}
		}
	}
	return typ, b.String()[:keep], nil
}

func (p *dnParser) hexValue(typ string) (string, string, error) {
	p.i++
	start := p.i
	for p.i < len(p.s) && isHex(p.s[p.i]) {
		p.i++
	}
	v, err := hex.DecodeString(p.s[start:p.i])
	if err != nil || len(v) == 0 {
		return "", "", p.fail("a # value needs pairs of hexadecimal digits")
	}
	p.blanks()
	if p.i < len(p.s) && !strings.ContainsRune(",;+", rune(p.s[p.i])) {
		return "", "", p.fail("unexpected text after a # value")
	}
	p.hexed++
	return typ, "#" + hex.EncodeToString(v), nil
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// foldPair is the form of a type and a value for comparing. Escaping keeps it apart from its neighbours, and a
// value that begins with "#" from a hexadecimal one.
func foldPair(typ, val string) string {
	if utf8.ValidString(val) { // ToLower would make all other bytes the same
		val = strings.ToLower(val)
	}
	return strings.ToLower(typ) + "=" + escapeValue(foldSpace(val))
}

// foldSpace makes runs of blanks one blank and drops those at the ends: directories compare names so (RFC 4518
// section 2.6.1).
func foldSpace(s string) string {
	if !strings.Contains(s, "  ") && !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
}

// EscapeRDNValue escapes a value for use in a distinguished name (RFC 4514 section 2.4): leading and trailing
// blanks, a leading '#', the special characters, control characters, and bytes that are not UTF-8.
func EscapeRDNValue(v string) string { return escapeValue(v) }

func escapeValue(v string) string {
	var b strings.Builder
	for i := 0; i < len(v); {
		r, n := utf8.DecodeRuneInString(v[i:])
		switch {
		case r == utf8.RuneError && n <= 1, r < 0x20, r == 0x7f:
			for _, c := range []byte(v[i : i+n]) {
				fmt.Fprintf(&b, `\%02X`, c)
			}
		case r == ' ' && (i == 0 || i == len(v)-1), r == '#' && i == 0, strings.ContainsRune(`"+,;<>\=`, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteString(v[i : i+n])
		}
		i += n
	}
	return b.String()
}

// String returns the text the DN was parsed from, or composed of.
func (d DN) String() string { return d.text }

// IsRoot reports whether d has no RDNs.
func (d DN) IsRoot() bool { return len(d.rdns) == 0 }

// Len returns the number of RDNs.
func (d DN) Len() int { return len(d.rdns) }

// RDN returns the attribute type and the unescaped value of the leftmost RDN: "CN", "Ann Oakley". Both are
// empty for the root. Of a hexadecimal #value it is that text, in lower case.
func (d DN) RDN() (typ, value string) {
	if d.IsRoot() {
		return "", ""
	}
	return d.rdns[0].typ, d.rdns[0].val
}

// Parent returns the DN without its leftmost RDN; the parent of the root is the root.
func (d DN) Parent() DN {
	if len(d.rdns) < 2 {
		return DN{}
	}
	rest := d.rdns[1:]
	parts := make([]string, len(rest))
	for i, r := range rest {
		parts[i] = r.text
	}
	return DN{text: strings.Join(parts, ","), rdns: rest}
}

// Child returns the DN of an object named typ=value directly below d; value is escaped here.
func (d DN) Child(typ, value string) DN {
	text := typ + "=" + escapeValue(value)
	r := rdn{text: text, typ: typ, val: value, fold: foldPair(typ, value)}
	out := DN{text: text, rdns: append([]rdn{r}, d.rdns...)}
	if d.text != "" {
		out.text += "," + d.text
	}
	return out
}

// Equal compares as a directory does: types and values without case, runs of blanks as one, pairs of an RDN in
// any order. Accents and width are not folded, and bytes that are not UTF-8 are compared as they are.
func (d DN) Equal(e DN) bool {
	if len(d.rdns) != len(e.rdns) {
		return false
	}
	for i := range d.rdns {
		if d.rdns[i].fold != e.rdns[i].fold {
			return false
		}
	}
	return true
}

// Key returns a text that is the same for DNs that are Equal, for use as a map key.
func (d DN) Key() string {
	parts := make([]string, len(d.rdns))
	for i, r := range d.rdns {
		parts[i] = r.fold
	}
	return strings.Join(parts, ",")
}

// IsBelow reports whether d is somewhere below a, at any depth; a DN is not below itself.
func (d DN) IsBelow(a DN) bool {
	n := len(d.rdns) - len(a.rdns)
	return n > 0 && DN{rdns: d.rdns[n:]}.Equal(a)
}

// IsChildOf reports whether d is directly below a.
func (d DN) IsChildOf(a DN) bool { return len(d.rdns) == len(a.rdns)+1 && d.IsBelow(a) }

// MarshalText writes the text form.
func (d DN) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText parses the text form.
func (d *DN) UnmarshalText(b []byte) error {
	v, err := ParseDN(string(b))
	if err == nil {
		*d = v
	}
	return err
}
