package ber

// A Builder appends elements to B. Constructed elements get the five-byte length that Windows
// domain controllers also send (84 and four bytes), so that it can be filled in afterwards.
type Builder struct{ B []byte }

// Begin starts a constructed element and returns the mark that End wants.
func (b *Builder) Begin(tag byte) int {
	b.B = append(b.B, tag, 0x84, 0, 0, 0, 0)
	return len(b.B)
}

// End fills in the length of the element that Begin started.
func (b *Builder) End(mark int) {
	n := len(b.B) - mark
	b.B[mark-4], b.B[mark-3], b.B[mark-2], b.B[mark-1] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
}

// Str appends s as a primitive element.
func (b *Builder) Str(tag byte, s string) {
	b.B = AppendHeader(b.B, tag, len(s))
	b.B = append(b.B, s...)
}

// Int appends v as a primitive element of the least length.
func (b *Builder) Int(tag byte, v int64) {
	n := 1
	for x := v; x > 127 || x < -128; x >>= 8 {
		n++
	}
	b.B = append(b.B, tag, byte(n))
	for i := n - 1; i >= 0; i-- {
		b.B = append(b.B, byte(v>>(8*i)))
	}
}

// Bool appends v as a primitive element.
func (b *Builder) Bool(tag byte, v bool) {
	x := byte(0)
	if v {
		x = 0xff
	}
	b.B = append(b.B, tag, 1, x)
}

// Raw appends elements that are already encoded.
func (b *Builder) Raw(s string) { b.B = append(b.B, s...) }

// AppendHeader appends a tag and the shortest form of a length.
func AppendHeader(b []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, tag, byte(n))
	case n < 0x100:
		return append(b, tag, 0x81, byte(n))
	case n < 0x10000:
		return append(b, tag, 0x82, byte(n>>8), byte(n))
	default:
		return append(b, tag, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
}
