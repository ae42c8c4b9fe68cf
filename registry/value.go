package registry

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Type is the type number stored with a value. Any 32-bit number can be stored, so unknown ones are kept.
type Type uint32

// The types of winnt.h ("Registry Value Types").
const (
	TypeNone             Type = iota
	TypeSZ                    // a string
	TypeExpandSZ              // a string with %VARIABLES%
	TypeBinary                // bytes
	TypeDWord                 // 32 bits, little-endian
	TypeDWordBigEndian        // 32 bits, big-endian
	TypeLink                  // the target of a symbolic link, UTF-16 without NUL
	TypeMultiSZ               // strings, each with a NUL, and a NUL at the end
	TypeResourceList          // hardware resources
	TypeFullResourceDesc      // hardware resources
	TypeResourceReqList       // hardware resources
	TypeQWord                 // 64 bits, little-endian
)

// types is the only place type names are written down.
var types = [...]string{
	TypeNone: "REG_NONE", TypeSZ: "REG_SZ", TypeExpandSZ: "REG_EXPAND_SZ", TypeBinary: "REG_BINARY",
	TypeDWord: "REG_DWORD", TypeDWordBigEndian: "REG_DWORD_BIG_ENDIAN", TypeLink: "REG_LINK",
	TypeMultiSZ: "REG_MULTI_SZ", TypeResourceList: "REG_RESOURCE_LIST",
	TypeFullResourceDesc: "REG_FULL_RESOURCE_DESCRIPTOR",
	TypeResourceReqList:  "REG_RESOURCE_REQUIREMENTS_LIST", TypeQWord: "REG_QWORD",
}

// String returns "REG_SZ" and so on, and "REG_0x…" with the number in hexadecimal for a type without a name.
func (t Type) String() string {
	if int64(t) < int64(len(types)) {
		return types[t]
	}
	return "REG_0x" + strconv.FormatUint(uint64(t), 16)
}

// ParseType is the inverse of String. It ignores case and also takes REG_DWORD_LITTLE_ENDIAN,
// REG_QWORD_LITTLE_ENDIAN and a plain number.
func ParseType(s string) (Type, bool) {
	for i, n := range types {
		if strings.EqualFold(n, s) {
			return Type(i), true
		}
	}
	switch u := strings.ToUpper(s); {
	case u == "REG_DWORD_LITTLE_ENDIAN":
		return TypeDWord, true
	case u == "REG_QWORD_LITTLE_ENDIAN":
		return TypeQWord, true
	case strings.HasPrefix(u, "REG_"):
		s = u[len("REG_"):]
		if !strings.HasPrefix(s, "0X") {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 0, 32)
	return Type(n), err == nil
}

// MarshalText returns t.String().
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseType.
func (t *Type) UnmarshalText(b []byte) error {
	v, ok := ParseType(string(b))
	if !ok {
		return fmt.Errorf("registry: no value type %q", clip(string(b), 40))
	}
	*t = v
	return nil
}

// A Value is the content of one value: its type and its bytes exactly as stored. The bytes need not fit the
// type: a REG_DWORD of 2 bytes or a REG_SZ without NUL exists, is kept, and the accessors say so with an error.
// The zero Value is a REG_NONE without data.
//
// A Value shares Data with whoever made it; treat Data as read-only.
type Value struct {
	Type Type
	Data []byte
}

// String returns a REG_SZ with its NUL.
func String(s string) Value { return Value{TypeSZ, sz(s)} }

// ExpandString returns a REG_EXPAND_SZ with its NUL.
func ExpandString(s string) Value { return Value{TypeExpandSZ, sz(s)} }

func sz(s string) []byte { return append(AppendUTF16(make([]byte, 0, 2*len(s)+2), s), 0, 0) }

// Strings returns a REG_MULTI_SZ. An empty string among list would end the list for its reader, so empty strings are
// left out ("Registry Value Types": the list ends at the first empty string).
func Strings(list ...string) Value {
	var b []byte
	for _, s := range list {
		if s != "" {
			b = append(AppendUTF16(b, s), 0, 0)
		}
	}
	return Value{TypeMultiSZ, append(b, 0, 0)}
}

// DWord returns a REG_DWORD.
func DWord(n uint32) Value { return Value{TypeDWord, binary.LittleEndian.AppendUint32(nil, n)} }

// QWord returns a REG_QWORD.
func QWord(n uint64) Value { return Value{TypeQWord, binary.LittleEndian.AppendUint64(nil, n)} }

// Binary returns a REG_BINARY that shares b.
func Binary(b []byte) Value { return Value{TypeBinary, b} }

// Errors of the accessors of a Value; they are wrapped with the type and length that caused them.
var (
	ErrType   = errors.New("registry: value is of another type")
	ErrLength = errors.New("registry: data does not fit the type")
)

// Text returns the string in a REG_SZ, REG_EXPAND_SZ or REG_LINK. It ends before the first NUL, which is what
// Windows programs see; data behind that NUL, a missing NUL and an odd length each give the string and an error
// wrapping ErrLength. Another type gives an error wrapping ErrType.
func (v Value) Text() (string, error) {
	switch v.Type {
	case TypeSZ, TypeExpandSZ, TypeLink:
	default:
		return "", fmt.Errorf("%w: %v is not a string", ErrType, v.Type)
	}
	n, found := nul(v.Data)
	s := FromUTF16(v.Data[:n])
	switch {
	case len(v.Data)%2 != 0:
		return s, fmt.Errorf("%w: %v of %d bytes, an odd number", ErrLength, v.Type, len(v.Data))
	case !found && v.Type != TypeLink:
		return s, fmt.Errorf("%w: %v without terminating NUL", ErrLength, v.Type)
	case found && n+2 != len(v.Data):
		return s, fmt.Errorf("%w: %v goes on after its NUL at byte %d of %d", ErrLength, v.Type, n, len(v.Data))
	}
	return s, nil
}

// nul returns the offset of the first NUL code unit, or the even length of b if there is none.
func nul(b []byte) (n int, found bool) {
	for n+1 < len(b) {
		if b[n] == 0 && b[n+1] == 0 {
			return n, true
		}
		n += 2
	}
	return n, false
}

// List returns the strings of a REG_MULTI_SZ. The list ends at the first empty string. Data that is not
// terminated so, or goes on behind the end, gives the strings and an error wrapping ErrLength.
func (v Value) List() ([]string, error) {
	if v.Type != TypeMultiSZ {
		return nil, fmt.Errorf("%w: %v is not a list of strings", ErrType, v.Type)
	}
	var list []string
	b := v.Data
	for {
		n, found := nul(b)
		if n > 0 {
			list = append(list, FromUTF16(b[:n]))
		}
		switch {
		case !found && (n > 0 || len(v.Data) == 0):
			return list, fmt.Errorf("%w: %v without terminating NUL", ErrLength, v.Type)
		case !found:
			return list, fmt.Errorf("%w: %v without the NUL that ends the list", ErrLength, v.Type)
		case n == 0 && len(b) > 2:
			return list, fmt.Errorf("%w: %v goes on after the end of its list, %d bytes", ErrLength, v.Type, len(b)-2)
		case n == 0:
			return list, nil
		}
		b = b[n+2:]
	}
}

// Uint returns the number in a REG_DWORD, REG_DWORD_BIG_ENDIAN or REG_QWORD. Data of another length than 4 or
// 8 bytes gives 0 and an error wrapping ErrLength, another type one wrapping ErrType.
func (v Value) Uint() (uint64, error) {
	want := 4
	switch v.Type {
	case TypeDWord, TypeDWordBigEndian:
	case TypeQWord:
		want = 8
	default:
		return 0, fmt.Errorf("%w: %v is not a number", ErrType, v.Type)
	}
	if len(v.Data) != want {
		return 0, fmt.Errorf("%w: %v of %d bytes instead of %d", ErrLength, v.Type, len(v.Data), want)
	}
	switch v.Type {
	case TypeDWordBigEndian:
		return uint64(binary.BigEndian.Uint32(v.Data)), nil
	case TypeQWord:
		return binary.LittleEndian.Uint64(v.Data), nil
	}
	return uint64(binary.LittleEndian.Uint32(v.Data)), nil
}

// Plain returns the content alone, for programs: the text of a string without quotes, a number in decimal, the strings of a list
// separated by line feeds, and hexadecimal bytes for anything else and for data that does not fit its type.
func (v Value) Plain() string {
	switch v.Type {
	case TypeSZ, TypeExpandSZ, TypeLink:
		if s, err := v.Text(); err == nil {
			return s
		}
	case TypeMultiSZ:
		if l, err := v.List(); err == nil {
			return strings.Join(l, "\n")
		}
	case TypeDWord, TypeDWordBigEndian, TypeQWord:
		if n, err := v.Uint(); err == nil {
			return strconv.FormatUint(n, 10)
		}
	}
	return hex.EncodeToString(v.Data)
}

// Equal reports whether v and w have the same type and the same bytes.
func (v Value) Equal(w Value) bool { return v.Type == w.Type && bytes.Equal(v.Data, w.Data) }

// String shows the value to a person: strings quoted, numbers in decimal and hexadecimal, anything else and
// data that does not fit its type as hexadecimal bytes, at most 64 of them.
func (v Value) String() string {
	switch v.Type {
	case TypeSZ, TypeExpandSZ, TypeLink:
		if s, err := v.Text(); err == nil {
			return strconv.Quote(s)
		}
	case TypeMultiSZ:
		if l, err := v.List(); err == nil {
			return fmt.Sprintf("%q", l)
		}
	case TypeDWord, TypeDWordBigEndian, TypeQWord:
		if n, err := v.Uint(); err == nil {
			return fmt.Sprintf("%d (0x%x)", n, n)
		}
	}
	b, more := v.Data, ""
	if len(b) > 64 {
		b, more = b[:64], fmt.Sprintf("… (%d bytes)", len(v.Data))
	}
	return "hex:" + hex.EncodeToString(b) + more
}
