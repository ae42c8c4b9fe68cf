package registry

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// FromUTF16 returns the UTF-16LE code units in b as a WTF-8 string: unpaired surrogates are kept as their
// three-byte form, so AppendUTF16(nil, FromUTF16(b)) gives b back for every b of even length. An odd last byte
// is ignored. NULs are characters like any other.
func FromUTF16(b []byte) string {
	n := len(b) / 2
	ascii := true
	for i := 0; i < n; i++ {
		if b[2*i] >= 0x80 || b[2*i+1] != 0 {
			ascii = false
			break
		}
	}
	var sb strings.Builder
	if ascii {
		sb.Grow(n)
		for i := 0; i < n; i++ {
			sb.WriteByte(b[2*i])
		}
		return sb.String()
	}
	sb.Grow(n + n/2)
	var buf [4]byte
	for i := 0; i < n; i++ {
		sb.Write(appendUnit(buf[:0], b, &i))
	}
	return sb.String()
}

// appendUnit appends the character that starts at code unit *i of b and advances *i over a second surrogate.
func appendUnit(dst, b []byte, i *int) []byte {
	r := rune(b[2**i]) | rune(b[2**i+1])<<8
	if r >= 0xD800 && r < 0xDC00 && 2*(*i+1)+1 < len(b) {
		if lo := rune(b[2*(*i+1)]) | rune(b[2*(*i+1)+1])<<8; lo >= 0xDC00 && lo < 0xE000 {
			*i++
			return utf8.AppendRune(dst, (r-0xD800)<<10|(lo-0xDC00)+0x10000)
		}
	}
	return AppendWTF8(dst, r)
}

// AppendWTF8 appends r to dst like utf8.AppendRune, but writes a surrogate (U+D800 to U+DFFF) as the three
// bytes of WTF-8 instead of replacing it by U+FFFD.
func AppendWTF8(dst []byte, r rune) []byte {
	if r >= 0xD800 && r < 0xE000 {
		return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0xBF, 0x80|byte(r)&0xBF)
	}
	return utf8.AppendRune(dst, r)
}

// DecodeWTF8 returns the first character of s and its length in bytes, like utf8.DecodeRuneInString, except
// that a surrogate in its three-byte form is returned as itself. A byte that is neither gives U+FFFD and 1.
func DecodeWTF8(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && len(s) >= 3 && s[0] == 0xED && s[1] >= 0xA0 && s[1] < 0xC0 && s[2] >= 0x80 && s[2] < 0xC0 {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return r, n
}

// AppendUTF16 appends s as UTF-16LE code units to dst, without a terminator. WTF-8 surrogates become single
// code units; bytes that are no WTF-8 become U+FFFD.
func AppendUTF16(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			dst = append(dst, c, 0)
			i++
			continue
		}
		r, n := DecodeWTF8(s[i:])
		i += n
		if r >= 0x10000 {
			r -= 0x10000
			hi, lo := 0xD800+r>>10, 0xDC00+r&0x3FF
			dst = append(dst, byte(hi), byte(hi>>8), byte(lo), byte(lo>>8))
			continue
		}
		dst = append(dst, byte(r), byte(r>>8))
	}
	return dst
}

// Fold returns s in the form in which two names are the same key or value if they are equal: upper case,
// character by character. Like the kernel's table it maps within the Basic Multilingual Plane only and never
// maps a non-ASCII character onto an ASCII one (U+0131 and U+017F stay). Characters of newer Unicode versions
// may fold here and not on an old Windows; names of that kind do not occur in the schemas.
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'a' <= c && c <= 'z' || c >= utf8.RuneSelf {
			return foldSlow(s, i)
		}
	}
	return s
}

func foldSlow(s string, i int) string {
	b := make([]byte, i, len(s)+4)
	copy(b, s)
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			b = append(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || r > 0xFFFF {
			b = append(b, s[i:i+n]...)
		} else if u := unicode.ToUpper(r); u >= utf8.RuneSelf && u <= 0xFFFF {
			b = utf8.AppendRune(b, u)
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return string(b)
}

// EqualFold reports whether a and b name the same key or value: Fold(a) == Fold(b).
func EqualFold(a, b string) bool {
	if a == b {
		return true
	}
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := a[i], b[i]
		if x >= utf8.RuneSelf || y >= utf8.RuneSelf {
			return Fold(a) == Fold(b)
		}
		if x == y {
			continue
		}
		if 'a' <= x && x <= 'z' {
			x -= 'a' - 'A'
		}
		if 'a' <= y && y <= 'z' {
			y -= 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return len(a) == len(b)
}
