package expr

import (
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// read fills b from the source of randomness.
func (m *machine) read(b []byte) bool {
	if m.env.Random == nil {
		m.noClock = true
		m.bad(ErrNoRandom, "", "%v", ErrNoRandom)
		return false
	}
	if _, err := io.ReadFull(m.env.Random, b); err != nil {
		m.bad(err, "", "reading the source of randomness: %v", err)
		return false
	}
	return true
}

// below gives an even number in [0, n).
func (m *machine) below(n uint64) (uint64, bool) {
	for range 64 {
		var b [8]byte
		if !m.read(b[:]) {
			return 0, false
		}
		hi, lo := bits.Mul64(binary.LittleEndian.Uint64(b[:]), n)
		if lo >= -n%n {
			return hi, true
		}
	}
	m.bad(ErrNoRandom, "", "the source of randomness repeats itself")
	return 0, false
}

// guid is a random GUID (RFC 9562 section 5.4).
func guid(m *machine, _ []Value) Value {
	var b [16]byte
	if !m.read(b[:]) {
		return Value{}
	}
	b[7] = b[7]&0x0F | 0x40 // the directory's GUIDs hold this field with its low byte first
	b[8] = b[8]&0x3F | 0x80
	return String(ldapsync.GUID(b).String())
}

func randomNum(m *machine, a []Value) Value {
	lo, hi := a[0].n, a[1].n
	if lo > hi {
		return m.bad(ErrValue, "", "the range is empty")
	}
	span := uint64(hi) - uint64(lo) + 1
	if span == 0 {
		return m.bad(ErrValue, "", "the range is too wide")
	}
	n, ok := m.below(span)
	if !ok {
		return Value{}
	}
	return Number(lo + int64(n))
}

// The characters of a random text: those of Windows' password complexity rule (Microsoft, "Password must meet
// complexity requirements").
const (
	randomDigits  = "0123456789"
	randomSpecial = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/"
	randomCapital = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	randomLower   = "abcdefghijklmnopqrstuvwxyz"
)

// randomString takes the characters beyond the minima from the classes that have one, or from all if none has.
func randomString(m *machine, a []Value) Value {
	length := a[0].n
	if length < 1 || length > 256 {
		return m.bad(ErrValue, "write a length of 1 to 256", "the length is %d", length)
	}
	avoid := ""
	if len(a) > 5 {
		avoid = a[5].s
	}
	out := make([]byte, 0, length)
	var rest, any string
	for i, class := range [...]string{randomDigits, randomSpecial, randomCapital, randomLower} {
		class = strings.Map(func(r rune) rune {
			if strings.ContainsRune(avoid, r) {
				return -1
			}
			return r
		}, class)
		any += class
		n := a[i+1].n
		if n > 0 {
			rest += class
		}
		if n > length-int64(len(out)) {
			return m.bad(ErrValue, "", "the minima are more than the length %d", length)
		}
		for range n {
			if !m.pick(&out, class) {
				return Value{}
			}
		}
	}
	if rest == "" {
		rest = any
	}
	for int64(len(out)) < length {
		if !m.pick(&out, rest) {
			return Value{}
		}
	}
	for i := len(out) - 1; i > 0; i-- {
		j, ok := m.below(uint64(i) + 1)
		if !ok {
			return Value{}
		}
		out[i], out[j] = out[j], out[i]
	}
	return String(string(slices.Clip(out)))
}

func (m *machine) pick(out *[]byte, class string) bool {
	if class == "" {
		m.bad(ErrValue, "", "no character of a class is left")
		return false
	}
	n, ok := m.below(uint64(len(class)))
	if ok {
		*out = append(*out, class[n])
	}
	return ok
}
