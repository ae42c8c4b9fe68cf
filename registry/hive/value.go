package hive

import (
	"fmt"
	"iter"

	"go.internal/hybridkit/registry"
)

const vkSize = 20 // a vk record without its name

// A Value is one value of a Key.
type Value struct {
	h   *Hive
	off uint32
	rec []byte
}

func (h *Hive) value(off uint32) (Value, error) {
	b, err := h.cell(off, "vk")
	if err != nil {
		return Value{}, err
	}
	if len(b) < vkSize || string(b[:2]) != "vk" {
		return Value{}, corrupt(off, "vk", "%d bytes, signature %q", len(b), b[:2])
	}
	n := int(le.Uint16(b[2:]))
	chars := n
	if le.Uint16(b[16:])&vkLatin1 == 0 {
		chars = n / 2
	}
	if n > len(b)-vkSize || chars > maxValueLen {
		return Value{}, corrupt(off, "vk", "name of %d bytes in a record of %d", n, len(b))
	}
	return Value{h, off, b}, nil
}

// Name returns the name of the value in WTF-8, "" for the default value.
func (v Value) Name() string {
	return nameText(v.rec[vkSize:vkSize+int(le.Uint16(v.rec[2:]))], le.Uint16(v.rec[16:])&vkLatin1 != 0)
}

// Offset returns where the record of the value is, in bytes from the beginning of the file.
func (v Value) Offset() int64 { return int64(v.off) + baseSize }

// Type returns the type as stored, which may be any number.
func (v Value) Type() registry.Type { return registry.Type(le.Uint32(v.rec[12:])) }

// Len returns the length of the data in bytes as the record states it.
func (v Value) Len() int { return int(le.Uint32(v.rec[4:]) &^ inlineFlag) }

// Data returns the data, exactly Len bytes. It belongs to the hive and must not be changed, unless it is longer
// than 16,344 bytes, when it may have been put together from segments. The error wraps ErrCorrupt.
func (v Value) Data() ([]byte, error) { return v.data(nil) }

func (v Value) data(seen bitmap) ([]byte, error) {
	n := v.Len()
	if le.Uint32(v.rec[4:])&inlineFlag != 0 {
		// Up to four bytes live in the offset field. The length is 0 to 4: taking always four is the classic mistake.
		if n > 4 {
			return nil, corrupt(v.off, "vk", "%d bytes of data in a field of 4", n)
		}
		return v.rec[8 : 8+n : 8+n], nil
	}
	off := le.Uint32(v.rec[8:])
	if n == 0 {
		return nil, nil
	}
	b, err := v.h.cell(off, "data")
	if err != nil {
		return nil, err
	}
	if seen != nil && !seen.take(off) {
		return nil, corrupt(off, "data", "it belongs to two values")
	}
	if n <= len(b) {
		return b[:n:n], nil
	}
	if n > maxSegment && string(b[:2]) == "db" && v.h.Header.Minor >= 4 {
		return v.h.bigData(off, b, n)
	}
	return nil, corrupt(off, "data", "%d bytes in a cell of %d", n, len(b))
}

// bigData puts together the n bytes of the db record b.
func (h *Hive) bigData(off uint32, b []byte, n int) ([]byte, error) {
	if len(b) < 8 {
		return nil, corrupt(off, "db", "a record of %d bytes", len(b))
	}
	segments, listOff := int(le.Uint16(b[2:])), le.Uint32(b[4:])
	list, err := h.cell(listOff, "db")
	if err != nil {
		return nil, err
	}
	if segments*4 > len(list) || n > segments*maxSegment {
		return nil, corrupt(off, "db", "%d bytes in %d segments, list of %d bytes", n, segments, len(list))
	}
	// Nothing is allocated before every segment is known to hold what it should.
	left := n
	for i := 0; left > 0; i++ {
		ref := le.Uint32(list[4*i:])
		seg, err := h.cell(ref, "db")
		if err != nil {
			return nil, err
		}
		if m := min(left, maxSegment); m > len(seg) {
			return nil, corrupt(ref, "db", "segment %d has %d bytes instead of %d", i+1, len(seg), m)
		} else {
			left -= m
		}
	}
	out := make([]byte, 0, n)
	for i := 0; len(out) < n; i++ {
		seg, _ := h.cell(le.Uint32(list[4*i:]), "db")
		out = append(out, seg[:min(n-len(out), maxSegment)]...)
	}
	return out, nil
}

// Values yields the values of k in the order of the hive, which is the order of their creation. After an error
// it stops, or goes on with the next value if the hive was opened tolerant.
func (k Key) Values() iter.Seq2[Value, error] { return k.values(nil) }

func (k Key) values(seen bitmap) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		n := int(le.Uint32(k.rec[36:]))
		if n == 0 || le.Uint16(k.rec[2:])&nkPredefined != 0 {
			return
		}
		off := le.Uint32(k.rec[40:])
		list, err := k.h.cell(off, "value list")
		if err == nil && seen != nil && !seen.take(off) {
			err = corrupt(off, "value list", "it belongs to two keys")
		}
		if err != nil {
			yield(Value{}, err)
			return
		}
		if n > len(list)/4 {
			if !yield(Value{}, corrupt(off, "value list", "%d values in %d bytes", n, len(list))) || !k.h.tolerant {
				return
			}
			n = len(list) / 4
		}
		for i := range n {
			ref := le.Uint32(list[4*i:])
			v, err := k.h.value(ref)
			if err == nil && seen != nil && !seen.take(ref) {
				v, err = Value{}, corrupt(ref, "vk", "the value is listed twice")
			}
			if !yield(v, err) || err != nil && !k.h.tolerant {
				return
			}
		}
	}
}

// Value returns the value with the given name, ignoring case; "" is the default value. The error wraps
// ErrNotFound or ErrCorrupt.
func (k Key) Value(name string) (Value, error) {
	for v, err := range k.Values() {
		switch {
		case err == nil && registry.EqualFold(v.Name(), name):
			return v, nil
		case err != nil && !k.h.tolerant:
			return Value{}, err
		}
	}
	return Value{}, fmt.Errorf("%w: value %q", ErrNotFound, name)
}
