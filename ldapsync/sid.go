package ldapsync

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// A SID is a security identifier ([MS-DTYP] 2.4.2). The zero SID is none. SIDs are comparable.
type SID struct{ raw string }

// maxSubAuthorities is the most sub-authorities a SID may have ([MS-DTYP] 2.4.2.2).
const maxSubAuthorities = 15

// SIDFromBytes takes an objectSid value as a directory returns it: revision, count, a 48-bit big-endian
// authority, then little-endian sub-authorities. Trailing bytes are an error.
func SIDFromBytes(b []byte) (SID, error) {
	if len(b) < 8 {
		return SID{}, fmt.Errorf("ldapsync: a SID has at least 8 bytes, not %d", len(b))
	}
	if b[0] != 1 {
		return SID{}, fmt.Errorf("ldapsync: SID revision %d is not 1", b[0])
	}
	if n := int(b[1]); n > maxSubAuthorities || len(b) != 8+4*n {
		return SID{}, fmt.Errorf("ldapsync: a SID of %d sub-authorities does not have %d bytes", n, len(b))
	}
	return SID{string(b)}, nil
}

// ParseSID reads the text form S-1-5-21-….
func ParseSID(s string) (SID, error) {
	parts := strings.Split(s, "-")
	if len(parts) < 3 || !strings.EqualFold(parts[0], "S") || parts[1] != "1" || len(parts)-3 > maxSubAuthorities {
		return SID{}, fmt.Errorf("ldapsync: %q is not a SID such as S-1-5-21-1-2-3-1104", clip(s))
	}
	digits, base := parts[2], 10
	if hexa, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		digits, base = hexa, 16
	}
	authority, err := strconv.ParseUint(digits, base, 48)
	if err != nil {
		return SID{}, fmt.Errorf("ldapsync: %q is not a SID: its authority is not a 48-bit number", clip(s))
	}
	b := make([]byte, 8, 8+4*(len(parts)-3))
	binary.BigEndian.PutUint64(b, authority)
	b[0], b[1] = 1, byte(len(parts)-3)
	for _, p := range parts[3:] {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return SID{}, fmt.Errorf("ldapsync: %q is not a SID: %q is not a 32-bit number", clip(s), clip(p))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return SID{string(b)}, nil
}

// String returns the text form, "" for the zero SID. Authorities of 2^32 and more are hexadecimal, as Windows
// prints them ([MS-DTYP] 2.4.2.1).
func (s SID) String() string {
	if s.raw == "" {
		return ""
	}
	var buf [8 + 15*4]byte // a SID has at most 15 subauthorities
	b := append(buf[:0], s.raw...)
	var head [8]byte
	copy(head[2:], b[2:8])
	authority := binary.BigEndian.Uint64(head[:])
	var room [192]byte
	out := append(room[:0], "S-1-"...)
	if authority >= 1<<32 {
		out = fmt.Appendf(out, "0x%012X", authority)
	} else {
		out = strconv.AppendUint(out, authority, 10)
	}
	for rest := b[8:]; len(rest) >= 4; rest = rest[4:] {
		out = append(out, '-')
		out = strconv.AppendUint(out, uint64(binary.LittleEndian.Uint32(rest)), 10)
	}
	return string(out)
}

// Raw returns the wire bytes as a string, "" for the zero SID.
func (s SID) Raw() string { return s.raw }

// IsZero reports whether s is none.
func (s SID) IsZero() bool { return s.raw == "" }

// Domain returns the SID without its last sub-authority: for an account, the SID of its domain. A SID without
// sub-authorities gives the zero SID.
func (s SID) Domain() SID {
	if len(s.raw) <= 8 {
		return SID{}
	}
	b := []byte(s.raw[:len(s.raw)-4])
	b[1]--
	return SID{string(b)}
}

// MarshalText writes the text form.
func (s SID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the text form; empty text is the zero SID.
func (s *SID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*s = SID{}
		return nil
	}
	v, err := ParseSID(string(b))
	if err == nil {
		*s = v
	}
	return err
}
