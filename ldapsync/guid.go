package ldapsync

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// A GUID is an objectGUID in the byte order of the wire: the first three fields are little-endian
// ([MS-DTYP] 2.3.4.2). The zero GUID is no identity. GUIDs are comparable and usable as map keys.
type GUID [16]byte

// textOrder holds, for each byte of the text form, its place on the wire.
var textOrder = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// GUIDFromBytes takes the 16 bytes of an objectGUID value as a directory returns them.
func GUIDFromBytes(b []byte) (GUID, error) {
	if len(b) != 16 {
		return GUID{}, fmt.Errorf("ldapsync: a GUID has 16 bytes, not %d", len(b))
	}
	return GUID(b), nil
}

// ParseGUID reads the text form, with or without braces, in either case:
// 0174f793-0bb5-4e97-9b7f-f6198260a8a8.
func ParseGUID(s string) (GUID, error) {
	t := s
	if len(t) == 38 && t[0] == '{' && t[37] == '}' {
		t = t[1:37]
	}
	if len(t) != 36 || t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-' {
		return GUID{}, fmt.Errorf("ldapsync: %q is not a GUID such as 0174f793-0bb5-4e97-9b7f-f6198260a8a8", clip(s))
	}
	var g GUID
	for i, at := range textOrder {
		high, low := hexDigit(t[textPlace[i]]), hexDigit(t[textPlace[i]+1])
		if high > 15 || low > 15 {
			return GUID{}, fmt.Errorf("ldapsync: %q is not a GUID: a digit is not hexadecimal", clip(s))
		}
		g[at] = high<<4 | low
	}
	return g, nil
}

// textPlace holds where each byte stands in the text form.
var textPlace = [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// hexDigit returns the value of a hexadecimal digit, 0xff for another character.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// String returns the text form in lower case without braces. For a device this is its deviceId in Entra ID.
func (g GUID) String() string {
	var raw [16]byte
	for i, at := range textOrder {
		raw[i] = g[at]
	}
	var out [36]byte
	hex.Encode(out[0:8], raw[0:4])
	hex.Encode(out[9:13], raw[4:6])
	hex.Encode(out[14:18], raw[6:8])
	hex.Encode(out[19:23], raw[8:10])
	hex.Encode(out[24:36], raw[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// IsZero reports whether g is no identity.
func (g GUID) IsZero() bool { return g == GUID{} }

// Raw returns the 16 wire bytes as a string, the form attribute values have in this package.
func (g GUID) Raw() string { return string(g[:]) }

// ImmutableID returns base64 of the wire bytes (never of the text), which is the immutableId of a user whose
// source anchor is objectGUID (Microsoft, "Plan connect design concepts", sourceAnchor).
func (g GUID) ImmutableID() string { return base64.StdEncoding.EncodeToString(g[:]) }

// FilterText returns the value for an LDAP filter: each wire byte as \xx (RFC 4515 section 3).
func (g GUID) FilterText() string {
	var b strings.Builder
	for _, c := range g {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	return b.String()
}

// MarshalText writes the text form; the zero GUID is the empty text.
func (g GUID) MarshalText() ([]byte, error) {
	if g.IsZero() {
		return []byte{}, nil
	}
	return []byte(g.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (g *GUID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*g = GUID{}
		return nil
	}
	v, err := ParseGUID(string(b))
	if err == nil {
		*g = v
	}
	return err
}

// clip shortens text from outside for an error message.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
