package adtest

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Bounds of a distinguished name: far above what a directory holds, far below what hurts.
const (
	maxDNLength = 16 << 10
	maxDNDepth  = 128
)

// An rdn is one component of a DN: its attribute in the spelling of the schema, its value unescaped.
type rdn struct{ typ, value string }

// rdnTypes are the naming attributes a domain controller knows, by name and by OID.
var rdnTypes = map[string]string{
	"cn": "CN", "ou": "OU", "dc": "DC", "l": "L", "o": "O", "c": "C",
	"2.5.4.3": "CN", "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "2.5.4.7": "L", "2.5.4.10": "O", "2.5.4.6": "C",
}

// parseDN reads an RFC 4514 distinguished name. Multi-valued components are refused, as Active
// Directory does.
func parseDN(s string) ([]rdn, *Error) {
	if len(s) > maxDNLength {
		return nil, invalidDN("longer than " + itoa(maxDNLength) + " bytes")
	}
	var dn []rdn
	for rest := s; strings.TrimLeft(rest, " ") != "" || len(dn) > 0; {
		typ, after, ok := strings.Cut(rest, "=")
		typ = strings.Trim(typ, " ")
		if !ok || typ == "" {
			return nil, invalidDN("component without attribute in " + quote(s))
		}
		if strings.ContainsFunc(typ, notInType) {
			return nil, invalidDN(quote(typ) + " is not an attribute in " + quote(s))
		}
		value, tail, more, err := dnValue(after)
		if err != "" {
			return nil, invalidDN(err + " in " + quote(s))
		}
		name, known := rdnTypes[strings.ToLower(typ)]
		if !known {
			name = strings.ToUpper(typ)
		}
		if len(dn) == maxDNDepth {
			return nil, invalidDN("more than " + itoa(maxDNDepth) + " components")
		}
		dn = append(dn, rdn{name, value})
		if !more {
			break
		}
		rest = tail
	}
	return dn, nil
}

// notInType holds for what is in no attribute's name and in no OID (RFC 4512 section 1.4).
func notInType(r rune) bool {
	return r >= utf8.RuneSelf || !isAlnum(byte(r)) && r != '-' && r != '.'
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// dnValue reads one value up to an unescaped comma (or semicolon, RFC 4514 section 2.4 note).
func dnValue(s string) (value, rest string, more bool, problem string) {
	s = strings.TrimLeft(s, " ")
	if s == "" || s[0] == ',' || s[0] == ';' {
		return "", "", false, "empty value"
	}
	if s[0] == '#' {
		h := s[1:]
		if i := strings.IndexAny(h, ",;"); i >= 0 {
			h, rest, more = h[:i], h[i+1:], true
		}
		b, err := hex.DecodeString(strings.TrimSpace(h))
		if err != nil || len(b) < 2 || int(b[1]) != len(b)-2 {
			return "", "", false, "bad #hex value"
		}
		if len(b) == 2 {
			return "", "", false, "empty value"
		}
		return string(b[2:]), rest, more, ""
	}
	b := make([]byte, 0, len(s))
	keep := 0 // trailing blanks beyond this point are not part of the value
	quoted := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			if !quoted && len(b) > 0 {
				return "", "", false, "unescaped quote"
			}
			quoted = !quoted
			keep = len(b)
			continue
		case quoted && c != '\\':
			b = append(b, c)
			keep = len(b)
			continue
		case c == ',' || c == ';':
			if b = b[:trimEnd(b, keep)]; len(b) == 0 {
				return "", "", false, "empty value"
			}
			return string(b), s[i+1:], true, ""
		case c == '+':
			return "", "", false, "multi-valued component"
		case c == '<' || c == '>':
			return "", "", false, "unescaped " + string(c)
		case c == '\\':
			if i+1 >= len(s) {
				return "", "", false, "backslash at the end"
			}
			if i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
				b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
				i += 2
			} else if strings.IndexByte(` "#+,;<=>\`, s[i+1]) >= 0 {
				b = append(b, s[i+1])
				i++
			} else {
				return "", "", false, "bad escape"
			}
			keep = len(b)
			continue
		}
		b = append(b, c)
	}
	if quoted {
		return "", "", false, "quote not closed"
	}
	b = b[:trimEnd(b, keep)]
	if len(b) == 0 {
		return "", "", false, "empty value"
	}
	return string(b), "", false, ""
}

func trimEnd(b []byte, keep int) int {
	n := len(b)
	for n > keep && b[n-1] == ' ' {
		n--
	}
	return n
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}

// escapeRDN writes a value as Active Directory does: special characters with a backslash, line
// ends and NUL as two hexadecimal digits.
func escapeRDN(v string) string {
	plain := true
	for i := 0; i < len(v); i++ {
		switch c := v[i]; c {
		case ',', '\\', '+', '<', '>', ';', '"', '=', '\n', '\r', 0:
			plain = false
		case '#':
			plain = plain && i > 0
		case ' ':
			plain = plain && i > 0 && i < len(v)-1
		}
	}
	if plain {
		return v
	}
	b := make([]byte, 0, len(v)+8)
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '\n' || c == '\r' || c == 0:
			b = append(b, '\\', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
			continue
		case strings.IndexByte(`,\+<>;"=`, c) >= 0, c == '#' && i == 0, c == ' ' && (i == 0 || i == len(v)-1):
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}

func (r rdn) String() string { return r.typ + "=" + escapeRDN(r.value) }

// key is what two names of one parent must not share.
func (r rdn) key() string { return r.typ + "=" + fold(r.value) }

func joinDN(dn []rdn) string {
	var b strings.Builder
	for i, r := range dn {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// dnKey is the form in which DN values that are no links are compared; false if s is no DN.
func dnKey(s string) (string, bool) {
	dn, err := parseDN(s)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for _, r := range dn {
		b.WriteString(escapeRDN(r.key()))
		b.WriteByte(',')
	}
	return b.String(), true
}

// fold is the form in which strings are compared without case. Bytes that are not UTF-8 are kept.
func fold(s string) string {
	ascii, lower := true, true
	for i := 0; i < len(s); i++ {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		lower = lower && (c < 'A' || c > 'Z')
	}
	switch {
	case ascii && lower:
		return s
	case ascii || !utf8.ValidString(s):
		b := []byte(s)
		for i, c := range b {
			if c >= 'A' && c <= 'Z' {
				b[i] = c + 'a' - 'A'
			}
		}
		return string(b)
	}
	return strings.ToLower(strings.ToUpper(s))
}
