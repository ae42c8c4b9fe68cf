package ldapfilter

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A SyntaxError says where and why a text is not a filter.
type SyntaxError struct {
	Offset int    // in bytes from the start of the text
	Reason string // "a ')' is missing"
	Near   string // a little of the text from Offset
}

// Error returns position, reason and the text there.
func (e *SyntaxError) Error() string {
	near := "at the end"
	if e.Near != "" {
		near = fmt.Sprintf("near %q", e.Near)
	}
	return fmt.Sprintf("ldapfilter: column %d, %s: %s", e.Offset+1, near, e.Reason)
}

// Parse reads a filter as RFC 4515 defines it. Blanks and line breaks between its parts are allowed, which the
// RFC does not do, as is "_" in attribute names. Blank text is the zero Filter. Errors are *SyntaxError.
func Parse(s string) (Filter, error) {
	p := parser{s: s}
	if len(s) > MaxSize {
		p.i = MaxSize
		return Filter{}, p.fail(fmt.Sprintf("the filter is longer than %d bytes", MaxSize))
	}
	p.blanks()
	if p.i == len(s) {
		return Filter{}, nil
	}
	n, err := p.filter(1)
	if err != nil {
		return Filter{}, err
	}
	p.blanks()
	if p.i < len(s) {
		return Filter{}, p.fail("text after the filter")
	}
	return Filter{n}, nil
}

// MustParse is Parse for constants; it panics if s is not a filter.
func MustParse(s string) Filter {
	f, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return f
}

type parser struct {
	s string
	i int
}

func (p *parser) fail(reason string) error {
	near := p.s[p.i:]
	if len(near) > 20 {
		near = near[:20]
	}
	return &SyntaxError{Offset: p.i, Reason: reason, Near: near}
}

func (p *parser) blanks() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *parser) take(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) filter(depth int) (*node, error) {
	if depth > MaxDepth {
		return nil, p.fail(fmt.Sprintf("parentheses are nested deeper than %d", MaxDepth))
	}
	if !p.take('(') {
		return nil, p.fail("a '(' is missing")
	}
	p.blanks()
	if p.i == len(p.s) {
		return nil, p.fail("the filter is cut off")
	}
	var n *node
	var err error
	switch c := p.s[p.i]; c {
	case '&', '|', '!':
		p.i++
		n, err = p.list(c, depth)
	default:
		n, err = p.item()
	}
	if err != nil {
		return nil, err
	}
	if !p.take(')') {
		return nil, p.fail("a ')' is missing")
	}
	return n, nil
}

func (p *parser) list(op byte, depth int) (*node, error) {
	n := &node{kind: kind(strings.IndexByte("?&|!", op))}
	for {
		p.blanks()
		if p.i == len(p.s) || p.s[p.i] == ')' {
			break
		}
		if n.kind == not && len(n.children) == 1 {
			return nil, p.fail("'!' takes one filter")
		}
		c, err := p.filter(depth + 1)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, c)
	}
	if n.kind == not && len(n.children) == 0 {
		return nil, p.fail("'!' takes one filter")
	}
	return n, nil
}

// item reads attribute, operator and value, up to the closing parenthesis.
func (p *parser) item() (*node, error) {
	n := &node{}
	var err error
	if n.attr, err = p.attribute(); err != nil {
		return nil, err
	}
	if p.i < len(p.s) && p.s[p.i] == ':' {
		return p.extensible(n)
	}
	if n.attr == "" {
		return nil, p.fail("an attribute name is missing")
	}
	rest := p.s[p.i:]
	switch {
	case strings.HasPrefix(rest, "~="):
		n.kind, p.i = approx, p.i+2
	case strings.HasPrefix(rest, ">="):
		n.kind, p.i = atLeast, p.i+2
	case strings.HasPrefix(rest, "<="):
		n.kind, p.i = atMost, p.i+2
	case strings.HasPrefix(rest, "="):
		n.kind, p.i = equal, p.i+1
	default:
		return nil, p.fail("one of = ~= >= <= := is missing after the attribute name")
	}
	start := p.i
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		n.parts = append(n.parts, v)
		if !p.take('*') {
			break
		}
		if n.kind != equal {
			p.i--
			return nil, p.fail("'*' is for '=' only; write \\2a for the character")
		}
	}
	switch {
	case len(n.parts) == 1:
		n.value, n.parts = n.parts[0], nil
	case p.s[start:p.i] == "*":
		n.kind, n.parts = present, nil
	default:
		n.kind = substring
		last := len(n.parts) - 1
		n.open.start, n.open.end = n.parts[0] == "", n.parts[last] == ""
		var full []string
		for i, part := range n.parts {
			if part != "" {
				full = append(full, part)
			} else if i > 0 && i < last {
				p.i = start
				return nil, p.fail("two '*' in a row")
			}
		}
		if len(full) == 0 {
			p.i = start
			return nil, p.fail("two '*' in a row")
		}
		n.parts = full
	}
	return n.fill(), nil
}

// extensible reads [:dn][:rule]:=value.
func (p *parser) extensible(n *node) (*node, error) {
	n.kind = extensible
	for p.take(':') {
		if p.take('=') {
			if n.attr == "" && n.rule == "" {
				return nil, p.fail("an extensible match needs an attribute or a matching rule")
			}
			var err error
			if n.value, err = p.value(); err != nil {
				return nil, err
			}
			if p.i < len(p.s) && p.s[p.i] == '*' {
				return nil, p.fail("'*' is for '=' only; write \\2a for the character")
			}
			return n.fill(), nil
		}
		word, err := p.attribute()
		switch {
		case err != nil:
			return nil, err
		case word == "":
			return nil, p.fail("a matching rule is missing")
		case strings.EqualFold(word, "dn") && !n.dn && n.rule == "":
			n.dn = true
		case n.rule == "" && !strings.Contains(word, ";"):
			n.rule = word
		default:
			return nil, p.fail("':=' is missing")
		}
	}
	return nil, p.fail("':=' is missing")
}

// attribute reads an attribute description: a name or a dotted number, then options. It may be empty.
func (p *parser) attribute() (string, error) {
	start := p.i
	for p.i < len(p.s) && isName(p.s[p.i]) {
		p.i++
	}
	text := p.s[start:p.i]
	for i, part := range strings.Split(text, ";") {
		ok := text == "" || part != ""
		switch {
		case i > 0 || text == "":
			ok = ok && !strings.Contains(part, ".")
		case ok && isDigit(part[0]):
			ok = !strings.ContainsFunc(part, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) &&
				!strings.Contains(part, "..") && !strings.HasSuffix(part, ".")
		default:
			ok = ok && part[0] != '-' && !strings.Contains(part, ".")
		}
		if !ok {
			p.i = start
			return "", p.fail("not an attribute name")
		}
	}
	return text, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isName includes "=" nowhere, but does include the "_" of extension attributes, and the ";" of options.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || strings.IndexByte("-_.;", c) >= 0
}

// value reads up to an asterisk or a closing parenthesis.
func (p *parser) value() (string, error) {
	start := p.i
	end := strings.IndexAny(p.s[p.i:], "*()\\\x00")
	if end >= 0 && p.s[p.i+end] != '\\' && p.s[p.i+end] != '(' && p.s[p.i+end] != 0 {
		p.i += end
		return p.s[start:p.i], nil
	}
	var b strings.Builder
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case '*', ')':
			return b.String(), nil
		case '(', 0:
			return "", p.fail(fmt.Sprintf("%q must be written \\%02x", c, c))
		case '\\':
			if p.i+3 > len(p.s) {
				return "", p.fail("a backslash needs two hexadecimal digits")
			}
			v, err := hex.DecodeString(p.s[p.i+1 : p.i+3])
			if err != nil {
				return "", p.fail("a backslash needs two hexadecimal digits")
			}
			b.WriteByte(v[0])
			p.i += 3
		default:
			b.WriteByte(c)
			p.i++
		}
	}
	return b.String(), nil
}

// Escape writes a value for use in a filter (RFC 4515 section 3): the characters * ( ) \ and NUL, control
// characters, and bytes that are not UTF-8 as \xx. Any value, binary ones included, is safe in the result.
func Escape(v string) string {
	clean := true
	for i := 0; i < len(v) && clean; i++ {
		c := v[i]
		clean = c >= 0x20 && c < 0x7f && c != '*' && c != '(' && c != ')' && c != '\\'
	}
	if clean {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); {
		r, n := utf8.DecodeRuneInString(v[i:])
		if r == utf8.RuneError && n <= 1 || r < 0x20 || r == 0x7f || strings.ContainsRune(`*()\`, r) {
			fmt.Fprintf(&b, `\%02x`, v[i])
			i++
			continue
		}
		b.WriteString(v[i : i+n])
		i += n
	}
	return b.String()
}

// EscapeBytes writes every byte as \xx, the form some directories ask for in binary values such as objectGUID.
func EscapeBytes(v string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 3*len(v))
	for i := range len(v) {
		b = append(b, '\\', digits[v[i]>>4], digits[v[i]&15])
	}
	return string(b)
}
