package adtest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A GUID is an objectGUID, invocationId or schemaIDGUID in the byte order of the directory: the
// first three fields are little-endian (MS-DTYP 2.3.4.2). The zero GUID is no object's.
type GUID [16]byte

// guidOrder maps the positions of the text form to those of the bytes.
var guidOrder = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// String returns the usual text form in lower case, without braces.
func (g GUID) String() string {
	var t [16]byte
	for i, p := range guidOrder {
		t[i] = g[p]
	}
	h := hex.EncodeToString(t[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Raw returns the 16 bytes as an attribute value.
func (g GUID) Raw() string { return string(g[:]) }

// ParseGUID reads the text form, with or without braces, in either case.
func ParseGUID(s string) (GUID, error) {
	var g GUID
	t := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	if len(t) != 36 || t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-' {
		return GUID{}, fmt.Errorf("adtest: %q is not a GUID", s)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(t, "-", ""))
	if err != nil || len(b) != 16 {
		return GUID{}, fmt.Errorf("adtest: %q is not a GUID", s)
	}
	for i, p := range guidOrder {
		g[p] = b[i]
	}
	return g, nil
}

// guidFor derives a GUID (version 8, RFC 9562 section 5.8) from text, so that a run repeats itself.
func guidFor(parts ...string) GUID {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	var g GUID
	copy(g[:], sum[:])
	g[7] = g[7]&0x0f | 0x80 // the version is in the high byte of the third field
	g[8] = g[8]&0x3f | 0x80
	return g
}

// SID turns the text form of a security identifier into the bytes of objectSid (MS-DTYP 2.4.2.2).
func SID(text string) (string, error) {
	bad := fmt.Errorf("adtest: %q is not a SID", text)
	p := strings.Split(text, "-")
	if len(p) < 3 || len(p) > 18 || (p[0] != "S" && p[0] != "s") || p[1] != "1" {
		return "", bad
	}
	authority, err := strconv.ParseUint(p[2], 0, 48)
	if err != nil {
		return "", bad
	}
	b := []byte{1, byte(len(p) - 3), byte(authority >> 40), byte(authority >> 32), byte(authority >> 24), byte(authority >> 16), byte(authority >> 8), byte(authority)}
	for _, s := range p[3:] {
		v, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return "", bad
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return string(b), nil
}

// SIDString turns the bytes of objectSid into the text form.
func SIDString(raw string) (string, error) {
	if len(raw) < 8 || raw[0] != 1 || len(raw) != 8+4*int(raw[1]) || raw[1] > 15 {
		return "", fmt.Errorf("adtest: %d bytes are not a SID", len(raw))
	}
	var authority uint64
	for i := 2; i < 8; i++ {
		authority = authority<<8 | uint64(raw[i])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "S-1-%d", authority)
	for i := 8; i < len(raw); i += 4 {
		fmt.Fprintf(&b, "-%d", binary.LittleEndian.Uint32([]byte(raw[i:i+4])))
	}
	return b.String(), nil
}

// mustSID is for SIDs written in this package.
func mustSID(text string) string {
	s, err := SID(text)
	if err != nil {
		panic(err)
	}
	return s
}

// rid returns the last part of a SID.
func rid(raw string) uint32 {
	if len(raw) < 12 {
		return 0
	}
	return binary.LittleEndian.Uint32([]byte(raw[len(raw)-4:]))
}
