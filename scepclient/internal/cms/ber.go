package cms

import (
	"errors"
	"fmt"
)

const (
	// MaxSize is the longest message accepted, in bytes. It is the limit the Go SCEP servers use for requests.
	MaxSize = 2 << 20
	// MaxDepth is how deep constructed values may nest. A certificate in a degenerate SignedData needs about 14.
	MaxDepth = 40
)

// A SyntaxError says where input stopped being BER, or which structure a value did not fit.
type SyntaxError struct {
	Offset int    // byte offset in the input, -1 when the fault is in the structure rather than the encoding
	What   string // the element or field
}

func (e *SyntaxError) Error() string {
	if e.Offset < 0 {
		return "cms: malformed " + e.What
	}
	return fmt.Sprintf("cms: offset %d: %s", e.Offset, e.What)
}

func malformed(what string) error { return &SyntaxError{Offset: -1, What: what} }

// Normalise returns b as DER as far as encoding goes: definite, minimal lengths, and OCTET STRING and
// BIT STRING in primitive form. It does not sort SET OF, because the order in which a peer sent its
// signed attributes is part of what it signed. Input that is DER already is returned as it is.
// Bytes after the first value are an error.
func Normalise(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, &SyntaxError{What: "empty input"}
	}
	if len(b) > MaxSize {
		return nil, &SyntaxError{What: fmt.Sprintf("%d bytes, limit %d", len(b), MaxSize)}
	}
	r := berReader{in: b}
	n, err := r.check(0, len(b), 0)
	if err != nil {
		return nil, err
	}
	if n != len(b) {
		return nil, &SyntaxError{Offset: n, What: "bytes after the message"}
	}
	if !r.rewrite {
		return b, nil
	}
	out, _, err := r.encode(make([]byte, 0, len(b)+16), 0, len(b), 0)
	return out, err
}

type berReader struct {
	in      []byte
	rewrite bool // something in the input is BER but not DER
}

type header struct {
	tag         byte
	long        []byte // identifier octets after the first, for tag numbers above 30
	start, body int    // offsets of the identifier and of the contents
	length      int    // -1: indefinite
	minimal     bool
}

var errEOC = errors.New("end-of-contents")

func (r *berReader) header(at, end int) (header, error) {
	h := header{start: at, minimal: true}
	if at >= end {
		return h, &SyntaxError{Offset: at, What: "truncated identifier"}
	}
	h.tag = r.in[at]
	at++
	if h.tag&0x1f == 0x1f {
		first := at
		for {
			if at >= end || at-first > 3 {
				return h, &SyntaxError{Offset: h.start, What: "tag number too long"}
			}
			at++
			if r.in[at-1]&0x80 == 0 {
				break
			}
		}
		h.long = r.in[first:at]
	}
	if at >= end {
		return h, &SyntaxError{Offset: at, What: "truncated length"}
	}
	l := r.in[at]
	at++
	switch {
	case l < 0x80:
		h.length = int(l)
	case l == 0x80:
		if h.tag&0x20 == 0 {
			return h, &SyntaxError{Offset: h.start, What: "indefinite length on a primitive value"}
		}
		h.length = -1
	default:
		n := int(l & 0x7f)
		if n > 4 || at+n > end {
			return h, &SyntaxError{Offset: at - 1, What: "length too long"}
		}
		for range n {
			h.length = h.length<<8 | int(r.in[at])
			at++
		}
		h.minimal = h.length >= 0x80 && r.in[at-n] != 0
	}
	h.body = at
	if h.length > end-at {
		return h, &SyntaxError{Offset: h.start, What: fmt.Sprintf("length %d exceeds the %d bytes that follow", h.length, end-at)}
	}
	if h.tag == 0 {
		if h.length != 0 {
			return h, &SyntaxError{Offset: h.start, What: "end-of-contents with contents"}
		}
		return h, errEOC
	}
	return h, nil
}

// check walks one value, finds its end, and notes whether anything must be rewritten.
func (r *berReader) check(at, end, depth int) (int, error) {
	if depth > MaxDepth {
		return 0, &SyntaxError{Offset: at, What: "nested too deeply"}
	}
	h, err := r.header(at, end)
	if err == errEOC {
		return 0, &SyntaxError{Offset: at, What: "stray end-of-contents"}
	}
	if err != nil {
		return 0, err
	}
	if !h.minimal || h.length < 0 || isConstructedString(h.tag) {
		r.rewrite = true
	}
	if h.tag&0x20 == 0 {
		return h.body + h.length, nil
	}
	limit := end
	if h.length >= 0 {
		limit = h.body + h.length
	}
	p := h.body
	for {
		if h.length >= 0 && p == limit {
			return p, nil
		}
		if h.length < 0 {
			if e, err := r.header(p, limit); err == errEOC {
				return e.body, nil
			}
		}
		if p, err = r.check(p, limit, depth+1); err != nil {
			return 0, err
		}
	}
}

// isConstructedString reports a constructed OCTET STRING or BIT STRING; the character strings of SCEP
// attributes are short and never split.
func isConstructedString(tag byte) bool { return tag == 0x24 || tag == 0x23 }

// encode appends the DER form of the value at. check has passed, so offsets are in range.
func (r *berReader) encode(out []byte, at, end, depth int) ([]byte, int, error) {
	h, err := r.header(at, end)
	if err != nil {
		return nil, 0, err
	}
	if h.tag&0x20 == 0 {
		next := h.body + h.length
		out = appendHeader(append(out, h.tag), h.long, h.length)
		return append(out, r.in[h.body:next]...), next, nil
	}
	limit := end
	if h.length >= 0 {
		limit = h.body + h.length
	}
	var body []byte
	p := h.body
	for {
		if h.length >= 0 && p == limit {
			break
		}
		if h.length < 0 {
			if e, err := r.header(p, limit); err == errEOC {
				p = e.body
				break
			}
		}
		if body, p, err = r.encode(body, p, limit, depth+1); err != nil {
			return nil, 0, err
		}
	}
	tag := h.tag
	if isConstructedString(tag) {
		if body, err = joinSegments(body, tag&^0x20); err != nil {
			return nil, 0, err
		}
		tag &^= 0x20
	}
	out = appendHeader(append(out, tag), h.long, len(body))
	return append(out, body...), p, nil
}

// joinSegments concatenates the primitive segments of a split string (X.690, 8.6.4 and 8.7.3).
// segments is DER.
func joinSegments(segments []byte, tag byte) ([]byte, error) {
	r := berReader{in: segments}
	var out []byte
	for p := 0; p < len(segments); {
		h, err := r.header(p, len(segments))
		if err != nil || h.tag != tag || h.length < 0 {
			return nil, &SyntaxError{Offset: -1, What: "split string"}
		}
		seg := segments[h.body : h.body+h.length]
		p = h.body + h.length
		if tag == 0x03 {
			// Every segment of a BIT STRING starts with its own count of unused bits; only the last may be non-zero.
			if len(seg) == 0 || (p < len(segments) && seg[0] != 0) {
				return nil, &SyntaxError{Offset: -1, What: "split bit string"}
			}
			if out == nil {
				out = []byte{0}
			}
			out[0] = seg[0]
			seg = seg[1:]
		}
		out = append(out, seg...)
	}
	return out, nil
}

func appendHeader(out, long []byte, n int) []byte {
	out = append(out, long...)
	switch {
	case n < 0x80:
		return append(out, byte(n))
	case n < 0x100:
		return append(out, 0x81, byte(n))
	case n < 0x10000:
		return append(out, 0x82, byte(n>>8), byte(n))
	default:
		return append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
}
