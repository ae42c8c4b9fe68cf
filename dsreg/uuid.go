package dsreg

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// A UUID is a GUID in the order of its text.
type UUID [16]byte

// String returns the 36-character lower-case form.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], u[10:16])
	return string(b[:])
}

// IsZero reports the nil GUID, which the program never prints.
func (u UUID) IsZero() bool { return u == UUID{} }

// ParseUUID reads a GUID with or without braces; blanks inside the braces are
// accepted because dsregcmd prints them.
func ParseUUID(s string) (UUID, error) {
	if u, ok := parseUUID(s); ok {
		return u, nil
	}
	return UUID{}, fmt.Errorf("dsreg: %q is not a GUID", clip(s, 64))
}

func parseUUID(s string) (u UUID, ok bool) {
	if len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	for n, i := range [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		hi, lo := unhex(s[i]), unhex(s[i+1])
		if hi > 15 || lo > 15 {
			return UUID{}, false
		}
		u[n] = hi<<4 | lo
	}
	return u, true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// A GUID is a GUID row. A shortened or redacted one is Malformed and keeps its text in Raw.
type GUID struct {
	Cell
	ID UUID // zero unless State is Set
}

func (g *GUID) decode() (ok bool) {
	g.ID, ok = parseUUID(g.Raw)
	return ok
}
