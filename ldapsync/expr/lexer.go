package expr

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an expression. The longest rules Entra Connect ships are below 4 KiB and nest 12 deep.
const (
	maxSource = 64 << 10 // bytes
	maxDepth  = 100      // of nested calls and parentheses
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokString
	tokNumber
	tokName
	tokAttr
	tokParam
	tokVar
	tokOp
	tokPunct // ( ) ,
)

type token struct {
	kind     tokenKind
	text     string
	num      int64
	hex      bool
	pos, end int
}

type lexer struct {
	src string
	d   Dialect
	i   int
}

func (l *lexer) fail(at int, suggestion, format string, args ...any) error {
	return newError(l.src, at, ErrSyntax, suggestion, format, args...)
}

// next reads one token.
func (l *lexer) next() (token, error) {
	for l.i < len(l.src) && (l.src[l.i] == ' ' || l.src[l.i] == '\t' || l.src[l.i] == '\r' || l.src[l.i] == '\n') {
		l.i++
	}
	start := l.i
	if start == len(l.src) {
		return token{kind: tokEnd, pos: start, end: start}, nil
	}
	tok := func(k tokenKind, text string) (token, error) {
		return token{kind: k, text: text, pos: start, end: l.i}, nil
	}
	switch c := l.src[start]; {
	case c == '(' || c == ')' || c == ',':
		l.i++
		return tok(tokPunct, l.src[start:l.i])
	case c == '"':
		s, err := l.quoted()
		if err != nil {
			return token{}, err
		}
		return tok(tokString, s)
	case c == '[':
		return l.attribute()
	case c == '%':
		end := strings.IndexByte(l.src[start+1:], '%')
		if end < 0 || !plainName(l.src[start+1:start+1+end]) {
			return token{}, l.fail(start, "write parameters as %Domain.FQDN%", "a percent sign does not begin a parameter")
		}
		if l.d != Connect {
			return token{}, l.fail(start, "", "parameters such as %s exist only in the Entra Connect dialect", clip(l.src[start:start+end+2]))
		}
		l.i = start + end + 2
		return tok(tokParam, l.src[start+1:l.i-1])
	case c == '$':
		l.i++
		l.word()
		if l.i == start+1 {
			return token{}, l.fail(start, "write variables as $item", "a dollar sign does not begin a variable")
		}
		if l.d != Connect {
			return token{}, l.fail(start, "", "variables such as %s exist only in the Entra Connect dialect", clip(l.src[start:l.i]))
		}
		return tok(tokVar, l.src[start+1:l.i])
	case c == '&' && start+1 < len(l.src) && (l.src[start+1] == 'H' || l.src[start+1] == 'h') && start+2 < len(l.src) && isHex(l.src[start+2]):
		l.i += 2
		for l.i < len(l.src) && isWord(l.src[l.i]) {
			l.i++
		}
		n, err := strconv.ParseUint(l.src[start+2:l.i], 16, 63)
		if err != nil {
			return token{}, l.fail(start, "", "%s is not a hexadecimal number of 63 bits", clip(l.src[start:l.i]))
		}
		return token{kind: tokNumber, num: int64(n), hex: true, pos: start, end: l.i}, nil
	case c >= '0' && c <= '9':
		return l.number(start)
	case isWord(c):
		l.word()
		return tok(tokName, l.src[start:l.i])
	}
	for _, op := range [...]string{"<=", "<>", ">=", "&&", "||", "<", ">", "=", "+", "-", "*", "&"} {
		if strings.HasPrefix(l.src[start:], op) {
			l.i += len(op)
			return tok(tokOp, op)
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[start:])
	hint := ""
	switch {
	case r == '“' || r == '”' || r == '„' || r == '‘' || r == '’' || r == '\'':
		hint = `write straight double quotes "`
	case unicode.IsSpace(r):
		hint = "write an ordinary blank"
	case r == '/':
		hint = "there is no division"
	case r == '!':
		hint = "write <> for not equal, and Not or a comparison with False for not"
	case r == ';':
		hint = "write a comma between arguments"
	}
	return token{}, l.fail(start, hint, "unexpected character %q", r)
}

// number reads digits. Decimal fractions are documented in neither dialect.
func (l *lexer) number(start int) (token, error) {
	for l.i < len(l.src) && isWord(l.src[l.i]) {
		l.i++
	}
	n, err := strconv.ParseInt(l.src[start:l.i], 10, 64)
	if err != nil {
		hint := ""
		if strings.HasPrefix(l.src[start:], "0x") {
			hint = "write hexadecimal numbers as &HFF"
		}
		return token{}, l.fail(start, hint, "%s is not a number of 64 bits", clip(l.src[start:l.i]))
	}
	if l.i < len(l.src) && l.src[l.i] == '.' {
		return token{}, l.fail(l.i, "", "numbers have no fractions")
	}
	return token{kind: tokNumber, num: n, pos: start, end: l.i}, nil
}

// quoted reads a string constant. A backslash escapes \ and " (Reference for writing expressions, Syntax overview;
// the rules Entra Connect installs write "\\0ACNF:" for a text that begins with one backslash). Before anything
// else it stands for itself: Replace of Entra Connect reads "\r\n" itself, and regular expressions are written both ways.
func (l *lexer) quoted() (string, error) {
	start := l.i
	var b strings.Builder
	from := start + 1
	for i := from; i < len(l.src); i++ {
		switch c := l.src[i]; {
		case c == '\\' && i+1 < len(l.src) && (l.src[i+1] == '\\' || l.src[i+1] == '"'):
			b.WriteString(l.src[from:i])
			i++
			from = i
		case c == '"':
			l.i = i + 1
			if b.Len() == 0 {
				return l.src[from:i], nil
			}
			b.WriteString(l.src[from:i])
			return b.String(), nil
		}
	}
	return "", l.fail(start, "", "the string that begins here has no end")
}

// attribute reads [name]. Names may hold brackets in pairs, as SCIM paths do: [emails[type eq "work"].value].
func (l *lexer) attribute() (token, error) {
	start, depth := l.i, 0
	for i := start; i < len(l.src); i++ {
		switch l.src[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				l.i = i + 1
				name := l.src[start+1 : i]
				if strings.TrimSpace(name) != name || name == "" {
					return token{}, l.fail(start, "write [attributeName] without blanks", "the attribute name is empty or has blanks around it")
				}
				return token{kind: tokAttr, text: name, pos: start, end: l.i}, nil
			}
		case '\n', '\r':
			return token{}, l.fail(start, "write ]", "the attribute name that begins here has no end")
		}
	}
	return token{}, l.fail(start, "write ]", "the attribute name that begins here has no end")
}

func (l *lexer) word() {
	for l.i < len(l.src) && isWord(l.src[l.i]) {
		l.i++
	}
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// plainName says whether the text can name a parameter.
func plainName(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) && s[i] != '.' && s[i] != '-' {
			return false
		}
	}
	return s != ""
}
