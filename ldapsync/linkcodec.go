package ldapsync

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// The form of a linkRecord in the state: a version, flags, and fields one after the other. Numbers are unsigned
// varints (package encoding/binary), texts have their length before them.
//
//	version   linkVersion
//	flags     linkCreated | linkAnchorIsSource
//	source    16 bytes
//	target    16 bytes
//	missing   number
//	sourceDN  text
//	targetDN  text
//	anchor    text; not there with linkAnchorIsSource
//	count     number of owned attributes, sorted by canonical name, each:
//	  attr    text
//	  rule    text
//	  written 16 bytes
//	  pre     number of values, then the values as texts
//
// States written before this form hold JSON objects, which begin with "{"; they are read as well, and each is
// replaced when its object is next written.
const linkVersion = 1

const (
	linkCreated        = 1 << 0
	linkAnchorIsSource = 1 << 1
)

// A digest identifies a set of values without keeping them.
type digest [16]byte

// MarshalText writes hexadecimal digits.
func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (d *digest) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(d) {
		return fmt.Errorf("a fingerprint has %d hexadecimal digits, not %d", 2*len(d), len(b))
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// An ownedList is the attributes of an object that the engine wrote, sorted by canonical name. In JSON it is an
// object with the canonical names as its members.
type ownedList []ownedAttr

func (l ownedList) find(attr string) (int, bool) {
	return slices.BinarySearchFunc(l, attr, func(o ownedAttr, a string) int { return compareFold(o.Attr, a) })
}

// get returns what is known of an attribute the engine wrote.
func (l ownedList) get(attr string) (ownedAttr, bool) {
	if i, ok := l.find(attr); ok {
		return l[i], true
	}
	return ownedAttr{}, false
}

// with returns a list in which o is known; the list itself may be changed.
func (l ownedList) with(o ownedAttr) ownedList {
	i, ok := l.find(o.Attr)
	if ok {
		l[i] = o
		return l
	}
	return slices.Insert(l, i, o)
}

// without returns a list without the attribute; the list itself may be changed.
func (l ownedList) without(attr string) ownedList {
	if i, ok := l.find(attr); ok {
		return slices.Delete(l, i, i+1)
	}
	return l
}

// MarshalJSON implements json.Marshaler.
func (l ownedList) MarshalJSON() ([]byte, error) {
	m := make(map[string]ownedAttr, len(l))
	for _, o := range l {
		m[canonicalName(o.Attr)] = o
	}
	return json.Marshal(m)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *ownedList) UnmarshalJSON(b []byte) error {
	var m map[string]ownedAttr
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*l = nil
	for k, o := range m {
		if canonicalName(o.Attr) != k {
			return fmt.Errorf("the attribute %q is filed as %q", clip(o.Attr), clip(k))
		}
		*l = append(*l, o)
	}
	slices.SortFunc(*l, func(a, b ownedAttr) int { return compareFold(a.Attr, b.Attr) })
	return nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendLink appends the form of l in the state.
func appendLink(b []byte, l *linkRecord) []byte {
	var flags byte
	if l.Created {
		flags |= linkCreated
	}
	if string(l.Anchor) == string(l.Source[:]) {
		flags |= linkAnchorIsSource
	}
	b = append(b, linkVersion, flags)
	b = append(b, l.Source[:]...)
	b = append(b, l.Target[:]...)
	b = binary.AppendUvarint(b, uint64(l.Missing))
	b = appendText(b, l.SourceDN)
	b = appendText(b, l.TargetDN)
	if flags&linkAnchorIsSource == 0 {
		b = appendText(b, string(l.Anchor))
	}
	b = binary.AppendUvarint(b, uint64(len(l.Owned)))
	for i := range l.Owned {
		o := &l.Owned[i]
		b = appendText(b, o.Attr)
		b = appendText(b, o.Rule)
		b = append(b, o.Written[:]...)
		b = binary.AppendUvarint(b, uint64(len(o.Pre)))
		for _, v := range o.Pre {
			b = appendText(b, v)
		}
	}
	return b
}

// decodeLink reads what the state holds for a joined object, in either form.
func decodeLink(raw []byte) (*linkRecord, error) {
	l := new(linkRecord)
	if err := l.decode(raw); err != nil {
		return nil, err
	}
	return l, nil
}

// decode is decodeLink for a record whose memory may be used again.
func (l *linkRecord) decode(raw []byte) error {
	*l = linkRecord{Owned: l.Owned[:0]}
	if len(raw) > 0 && raw[0] == '{' {
		l.Owned = nil
		if err := json.Unmarshal(raw, l); err != nil {
			return err
		}
		if l.Missing < 0 || l.Missing > math.MaxInt32 {
			return fmt.Errorf("it was missing %d times", l.Missing)
		}
		return nil
	}
	r := reader{s: string(raw)}
	if v := r.byte(); r.err == nil && v != linkVersion {
		return fmt.Errorf("its version is %d; this program reads version %d", v, linkVersion)
	}
	flags := r.byte()
	if flags&^(linkCreated|linkAnchorIsSource) != 0 {
		return fmt.Errorf("unknown flags %#x", flags)
	}
	l.Created = flags&linkCreated != 0
	l.Source, l.Target = GUID(r.fixed()), GUID(r.fixed())
	l.Missing = r.number()
	l.SourceDN, l.TargetDN = r.text(), r.text()
	if flags&linkAnchorIsSource != 0 {
		l.Anchor = l.Source[:]
	} else {
		l.Anchor = append(l.Anchor, r.text()...) // nil if empty
	}
	// An owned attribute takes 19 bytes or more, a value one: a count that cannot be true allocates nothing.
	n := r.count(19)
	if l.Owned = slices.Grow(l.Owned, n)[:n]; n == 0 {
		l.Owned = nil
	}
	for i := range l.Owned {
		o := &l.Owned[i]
		o.Attr, o.Rule = r.text(), r.text()
		o.Written, o.Pre = r.fixed(), nil
		if n := r.count(1); n > 0 {
			o.Pre = make(ValueList, n)
			for j := range o.Pre {
				o.Pre[j] = r.text()
			}
		}
		if i > 0 && compareFold(l.Owned[i-1].Attr, o.Attr) >= 0 {
			r.fail(errors.New("its attributes are not in order"))
		}
	}
	if r.err == nil && r.i < len(r.s) {
		r.fail(fmt.Errorf("%d bytes too many", len(r.s)-r.i))
	}
	return r.err
}

var errCutOff = errors.New("it is cut off")

// A reader takes a record apart. After an error everything it returns is zero. The texts it returns share the
// memory of s.
type reader struct {
	s   string
	i   int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.i = len(r.s)
}

func (r *reader) byte() byte {
	if r.i >= len(r.s) {
		r.fail(errCutOff)
		return 0
	}
	r.i++
	return r.s[r.i-1]
}

// number reads a varint that fits an int of 32 bits.
func (r *reader) number() int {
	v := 0
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift > 28 || shift == 28 && c > 7 || c == 0 && shift > 0 {
			r.fail(errors.New("a number is out of range"))
			return 0
		}
		v |= int(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

// count reads the number of things that follow and take at least size bytes each.
func (r *reader) count(size int) int {
	n := r.number()
	if n > (len(r.s)-r.i)/size {
		r.fail(errCutOff)
		return 0
	}
	return n
}

func (r *reader) text() string {
	n := r.count(1)
	r.i += n
	return r.s[r.i-n : r.i]
}

func (r *reader) fixed() (b [16]byte) {
	if len(r.s)-r.i < len(b) {
		r.fail(errCutOff)
		return b
	}
	copy(b[:], r.s[r.i:])
	r.i += len(b)
	return b
}
