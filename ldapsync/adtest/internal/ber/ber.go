// Package ber reads and writes the part of BER that LDAP uses (RFC 4511 section 5.1): definite
// lengths and tags below 31. Every length is checked before it is used, and nothing is allocated
// for bytes that have not arrived.
package ber

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Universal tags that LDAP uses.
const (
	Boolean     = 0x01
	Integer     = 0x02
	OctetString = 0x04
	Enumerated  = 0x0a
	Sequence    = 0x30
	Set         = 0x31
)

// ErrTooLarge reports a message longer than the reader's limit.
var ErrTooLarge = errors.New("ber: message larger than the limit")

// errTruncated reports an element that ends after its container.
var errTruncated = errors.New("ber: element is longer than what holds it")

// A ByteReader is what ReadMessage reads from; *bufio.Reader is one.
type ByteReader interface {
	io.Reader
	io.ByteReader
}

// ReadMessage reads one SEQUENCE and returns its content. It returns io.EOF only between messages.
// A message whose content is longer than limit is refused with ErrTooLarge before it is read.
func ReadMessage(r ByteReader, limit int) ([]byte, error) {
	tag, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	if tag != Sequence {
		return nil, fmt.Errorf("ber: message starts with tag 0x%02x, want 0x%02x", tag, Sequence)
	}
	n, err := readLength(r)
	if err != nil {
		return nil, noEOF(err)
	}
	if n > limit {
		return nil, ErrTooLarge
	}
	// The announced length is only a claim: grow with what really arrives.
	const step = 64 << 10
	buf := make([]byte, 0, min(n, step))
	for len(buf) < n {
		k := min(n-len(buf), step)
		if cap(buf)-len(buf) < k {
			grown := make([]byte, len(buf), min(n, 2*cap(buf)+k))
			copy(grown, buf)
			buf = grown
		}
		if _, err := io.ReadFull(r, buf[len(buf):len(buf)+k]); err != nil {
			return nil, noEOF(err)
		}
		buf = buf[:len(buf)+k]
	}
	return buf, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readLength(r io.ByteReader) (int, error) {
	b, err := r.ReadByte()
	if err != nil || b < 0x80 {
		return int(b), err
	}
	k := int(b & 0x7f)
	if k == 0 || k > 4 {
		return 0, fmt.Errorf("ber: length of %d bytes is not supported", k)
	}
	n := 0
	for range k {
		if b, err = r.ReadByte(); err != nil {
			return 0, err
		}
		n = n<<8 | int(b)
	}
	if n > math.MaxInt32 {
		return 0, ErrTooLarge
	}
	return n, nil
}

// A Cursor walks over the elements of one constructed value. The zero Cursor is empty.
// What it returns points into the bytes it was made from.
type Cursor struct{ b []byte }

// NewCursor returns a Cursor over the elements in b.
func NewCursor(b []byte) Cursor { return Cursor{b} }

// Empty reports whether every element was read.
func (c *Cursor) Empty() bool { return len(c.b) == 0 }

// Peek returns the tag of the next element, or 0 at the end.
func (c *Cursor) Peek() byte {
	if len(c.b) == 0 {
		return 0
	}
	return c.b[0]
}

// Next returns the next element's tag and content.
func (c *Cursor) Next() (tag byte, content []byte, err error) {
	b := c.b
	if len(b) < 2 {
		return 0, nil, errTruncated
	}
	tag = b[0]
	if tag&0x1f == 0x1f {
		return 0, nil, fmt.Errorf("ber: tag 0x%02x has more than one byte", tag)
	}
	n, b := int(b[1]), b[2:]
	if n >= 0x80 {
		k := n & 0x7f
		if k == 0 || k > 4 {
			return 0, nil, fmt.Errorf("ber: length of %d bytes is not supported", k)
		}
		if len(b) < k {
			return 0, nil, errTruncated
		}
		n = 0
		for _, x := range b[:k] {
			n = n<<8 | int(x)
		}
		b = b[k:]
	}
	if n > len(b) {
		return 0, nil, errTruncated
	}
	c.b = b[n:]
	return tag, b[:n], nil
}

// Expect returns the content of the next element, which must have the given tag.
func (c *Cursor) Expect(tag byte) ([]byte, error) {
	got, content, err := c.Next()
	if err != nil {
		return nil, err
	}
	if got != tag {
		return nil, fmt.Errorf("ber: tag 0x%02x, want 0x%02x", got, tag)
	}
	return content, nil
}

// Into returns a Cursor over the elements inside the next element, which must have the given tag.
func (c *Cursor) Into(tag byte) (Cursor, error) {
	content, err := c.Expect(tag)
	return Cursor{content}, err
}

// Str returns the next element, which must have the given tag, as a string.
func (c *Cursor) Str(tag byte) (string, error) {
	content, err := c.Expect(tag)
	return string(content), err
}

// Int returns the next element, which must have the given tag, as a number of at most 8 bytes.
func (c *Cursor) Int(tag byte) (int64, error) {
	content, err := c.Expect(tag)
	if err != nil {
		return 0, err
	}
	return ParseInt(content)
}

// ParseInt decodes the content of an INTEGER or ENUMERATED.
func ParseInt(content []byte) (int64, error) {
	if len(content) == 0 || len(content) > 8 {
		return 0, fmt.Errorf("ber: integer of %d bytes", len(content))
	}
	v := int64(int8(content[0]))
	for _, x := range content[1:] {
		v = v<<8 | int64(x)
	}
	return v, nil
}

// Bool returns the next element, which must have the given tag, as a truth value.
func (c *Cursor) Bool(tag byte) (bool, error) {
	content, err := c.Expect(tag)
	if err != nil {
		return false, err
	}
	if len(content) != 1 {
		return false, fmt.Errorf("ber: boolean of %d bytes", len(content))
	}
	return content[0] != 0, nil
}
