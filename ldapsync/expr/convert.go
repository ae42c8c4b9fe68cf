package expr

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.internal/hybridkit/ldapsync"
)

// toBase64 is base64 of UTF-16LE, which Microsoft calls Unicode.
func toBase64(m *machine, a []Value) Value {
	if a[0].kind == KindBinary {
		if !m.room(base64.StdEncoding.EncodedLen(len(a[0].s))) {
			return Value{}
		}
		return String(base64.StdEncoding.EncodeToString([]byte(a[0].s)))
	}
	s := a[0].Text()
	if !m.room(8 * len(s)) {
		return Value{}
	}
	u := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(u))
	for _, c := range u {
		b = append(b, byte(c), byte(c>>8))
	}
	return String(base64.StdEncoding.EncodeToString(b))
}

func fromBase64(m *machine, a []Value) Value {
	s := strings.Map(func(r rune) rune { // .NET skips white space
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, a[0].s)
	if !m.room(2 * len(s)) {
		return Value{}
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return m.bad(ErrValue, "", "%s is not base64", m.quote(a[0].s))
	}
	encoding := "Unicode"
	if len(a) > 1 && a[1].kind != KindNull {
		encoding = a[1].s
	}
	switch encoding {
	case "UTF8":
		return String(strings.ToValidUTF8(string(b), "\uFFFD"))
	case "ASCII":
		for i, c := range b {
			if c >= utf8.RuneSelf {
				b[i] = '?'
			}
		}
		return String(string(b))
	}
	u := make([]uint16, 0, len(b)/2+1)
	for i := 0; i+1 < len(b); i += 2 {
		u = append(u, uint16(b[i])|uint16(b[i+1])<<8)
	}
	if len(b)%2 == 1 {
		u = append(u, utf8.RuneError)
	}
	return String(string(utf16.Decode(u)))
}

func toUTF8Hex(m *machine, a []Value) Value {
	if !m.room(2 * len(a[0].s)) {
		return Value{}
	}
	return String(strings.ToUpper(hex.EncodeToString([]byte(a[0].s))))
}

func fromUTF8Hex(m *machine, a []Value) Value {
	b, err := hex.DecodeString(a[0].s)
	if err != nil {
		return m.bad(ErrValue, "", "%s is not pairs of hexadecimal digits", m.quote(a[0].s))
	}
	return String(strings.ToValidUTF8(string(b), "\uFFFD"))
}

func stringFromSid(m *machine, a []Value) Value {
	sid, err := ldapsync.SIDFromBytes([]byte(a[0].s))
	if err != nil {
		return m.bad(ErrValue, "give the attribute as it is in the directory, such as [objectSid]", "the %d bytes are not a SID", len(a[0].s))
	}
	return String(sid.String())
}

func stringFromGUID(m *machine, a []Value) Value {
	g, err := ldapsync.GUIDFromBytes([]byte(a[0].s))
	if err != nil {
		return m.bad(ErrValue, "give the attribute as it is in the directory, such as [objectGUID]", "the %d bytes are not a GUID", len(a[0].s))
	}
	return String(g.String())
}

// guidText reads xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, with or without braces.
func guidText(s string) (ldapsync.GUID, bool) {
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s = s[1 : len(s)-1]
	}
	if len(s) != 36 {
		return ldapsync.GUID{}, false
	}
	g, err := ldapsync.ParseGUID(s)
	return g, err == nil
}

// dnComponents splits a name at the commas that are not escaped. The components keep their escapes: the rules
// Entra Connect installs look for "\0ACNF:" in them.
func dnComponents(dn string) []string {
	var out []string
	quoted, start := false, 0
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ',', ';':
			if !quoted {
				out = append(out, strings.TrimLeft(dn[start:i], " "))
				start = i + 1
			}
		}
	}
	return append(out, strings.TrimLeft(dn[start:], " "))
}

// dnComponent gives the value of the n-th component, from 1; "" if there is none.
func dnComponent(parts []string, n int64) Value {
	if n < 1 || n > int64(len(parts)) {
		return String("")
	}
	_, value, _ := strings.Cut(parts[n-1], "=")
	return String(strings.TrimSpace(value))
}

func dnComponentRev(m *machine, a []Value) Value {
	parts := dnComponents(a[0].s)
	var kept []string
	for _, p := range parts {
		if len(a) > 2 && a[2].kind != KindNull {
			if typ, _, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(typ), "dc") {
				continue
			}
		}
		kept = append(kept, p)
	}
	if !m.step(len(parts)) {
		return Value{}
	}
	return dnComponent(kept, int64(len(kept))-a[1].n+1)
}

// escapeDNComponent escapes a component; what stands before its first = is taken for the attribute type, as in
// Microsoft's example, if it can be one.
func escapeDNComponent(m *machine, a []Value) Value {
	typ, value, ok := strings.Cut(a[0].s, "=")
	if !ok || !attributeType(typ) {
		typ, value = "", a[0].s
	} else {
		typ += "="
	}
	if !m.room(3 * len(value)) {
		return Value{}
	}
	return String(typ + ldapsync.EscapeRDNValue(value))
}

func attributeType(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) && (i == 0 || !(s[i] == '-' || s[i] >= '0' && s[i] <= '9')) {
			return false
		}
	}
	return s != ""
}
