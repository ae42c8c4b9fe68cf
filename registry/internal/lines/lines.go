// Package lines cuts the text files of the registry codecs into lines of WTF-8, whatever their encoding, with bounded
// memory.
package lines

import (
	"encoding/binary"
	"io"
	"unicode/utf8"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
)

// An Encoding is how the characters of a file are stored, told by its first bytes.
type Encoding uint8

const (
	UTF16LE      Encoding = iota // with byte order mark
	EightBit                     // no mark
	UTF16LENoBOM                 // recognised by the NUL in the first character
	UTF16BE                      // with byte order mark
	UTF8BOM                      // with byte order mark
)

const chunk = 64 << 10

// A Reader cuts a stream into lines of WTF-8. It holds one chunk and one line.
type Reader struct {
	// Line is the line that Next read, without its end. It is valid until the next call.
	Line   []byte
	Number int   // of Line, from 1
	Start  int64 // offset of Line in bytes
	Long   bool  // Line was longer than the limit and is cut

	r       io.Reader
	enc     Encoding
	page    codepage.Page
	max     int // longest line in bytes
	buf     []byte
	pos     int // next byte in buf[:len(buf)]
	base    int64
	err     error // of r, io.EOF included
	skipLF  bool
	swapped int // with UTF16BE: buf[:swapped] is in little-endian order
}

// fill makes at least n bytes available from pos, or fewer at the end.
func (l *Reader) fill(n int) int {
	for len(l.buf)-l.pos < n && l.err == nil {
		if l.pos > 0 {
			l.base += int64(l.pos)
			l.swapped -= l.pos
			l.buf = l.buf[:copy(l.buf, l.buf[l.pos:])]
			l.pos = 0
		}
		if l.buf == nil {
			l.buf = make([]byte, 0, chunk)
		}
		m, err := l.r.Read(l.buf[len(l.buf):cap(l.buf)])
		l.buf = l.buf[:len(l.buf)+m]
		l.err = err
		l.swap()
	}
	return len(l.buf) - l.pos
}

// swap turns the bytes that came in since the last call into little-endian order.
func (l *Reader) swap() {
	if l.enc != UTF16BE {
		return
	}
	for ; l.swapped+1 < len(l.buf); l.swapped += 2 {
		l.buf[l.swapped], l.buf[l.swapped+1] = l.buf[l.swapped+1], l.buf[l.swapped]
	}
}

// New returns a Reader of r. Files without a byte order mark are in page, which gets whole lines; lines of more than max
// bytes are cut.
func New(r io.Reader, page codepage.Page, max int) *Reader {
	l := &Reader{r: r, page: page, max: max}
	l.detect()
	return l
}

// Encoding returns what the first bytes say.
func (l *Reader) Encoding() Encoding { return l.enc }

// Page returns the code page in use; it has no meaning for UTF-16.
func (l *Reader) Page() codepage.Page { return l.page }

// Err returns the error that ended Next, nil if it was the end of the file.
func (l *Reader) Err() error {
	if l.err == io.EOF {
		return nil
	}
	return l.err
}

// detect looks at the first bytes and skips a byte order mark.
func (l *Reader) detect() {
	n := l.fill(3)
	b := l.buf[l.pos:]
	switch {
	case n >= 2 && b[0] == 0xFF && b[1] == 0xFE:
		l.enc = UTF16LE
		l.pos += 2
	case n >= 2 && b[0] == 0xFE && b[1] == 0xFF:
		l.enc = UTF16BE
		l.pos += 2
		l.swapped = l.pos
		l.swap()
	case n >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF:
		l.enc, l.page = UTF8BOM, codepage.UTF8()
		l.pos += 3
	case n >= 2 && b[0] != 0 && b[1] == 0:
		l.enc = UTF16LENoBOM
	default:
		l.enc = EightBit
	}
}

// Next reads the next line. It returns false at the end of the file or after an error, see Err.
func (l *Reader) Next() bool {
	l.Line, l.Long = l.Line[:0], false
	if l.enc == EightBit || l.enc == UTF8BOM {
		return l.next8()
	}
	return l.next16()
}

func (l *Reader) next8() bool {
	l.Number++
	l.Start = l.base + int64(l.pos)
	any, ascii := false, true
	for l.fill(1) > 0 {
		b := l.buf[l.pos:]
		if l.skipLF {
			l.skipLF = false
			if b[0] == '\n' {
				l.pos++
				l.Start++
				continue
			}
		}
		any = true
		i := 0
		for i < len(b) && b[i] != '\n' && b[i] != '\r' {
			if b[i] >= utf8.RuneSelf {
				ascii = false
			}
			i++
		}
		l.add(b[:i])
		l.pos += i
		if i < len(b) {
			l.skipLF = b[i] == '\r'
			l.pos++
			break
		}
	}
	if !ascii {
		l.Line = l.page.Append(make([]byte, 0, len(l.Line)*3/2), l.Line)
	}
	return any
}

func (l *Reader) add(b []byte) {
	if room := l.max - len(l.Line); len(b) > room {
		b, l.Long = b[:max(room, 0)], true
	}
	l.Line = append(l.Line, b...)
}

func (l *Reader) next16() bool {
	l.Number++
	l.Start = l.base + int64(l.pos)
	any := false
	for {
		n := l.fill(4)
		if n < 2 {
			// A single byte at the end is half a character.
			l.pos += n
			return any
		}
		b := l.buf[l.pos:]
		b = b[:len(b)&^1]
		if l.skipLF {
			l.skipLF = false
			if b[0] == '\n' && b[1] == 0 {
				l.pos += 2
				l.Start += 2
				continue
			}
		}
		any = true
		i, end := l.ascii(b)
		l.pos += i
		if end {
			return true
		}
		if b = b[i:]; len(b) == 0 {
			continue
		}
		// One character that is not ASCII.
		r, w := rune(b[0])|rune(b[1])<<8, 2
		if r&0xFC00 == 0xD800 {
			if len(b) < 4 && l.err == nil {
				continue // its other half is in the next chunk
			}
			if len(b) >= 4 {
				if lo := rune(b[2]) | rune(b[3])<<8; lo&0xFC00 == 0xDC00 {
					r, w = (r-0xD800)<<10|(lo-0xDC00)+0x10000, 4
				}
			}
		}
		l.pos += w
		if len(l.Line) < l.max {
			l.Line = registry.AppendWTF8(l.Line, r)
		} else {
			l.Long = true
		}
	}
}

// ascii appends the ASCII characters at the start of b and returns how many bytes that were; end says that a
// line end follows, which is then included.
func (l *Reader) ascii(b []byte) (n int, end bool) {
	have := len(l.Line)
	room := l.max - have
	if want := have + min(len(b)/2, max(room, 0)); cap(l.Line) < want {
		l.Line = append(make([]byte, 0, min(want*2, max(want, 4096))), l.Line...)
	}
	out := l.Line[have:cap(l.Line)]
	k := 0
	// Four characters at a time while all of them are ASCII above CR.
	const high, units = 0x8000800080008000, 0x000E000E000E000E
	for n+8 <= len(b) && k+4 <= len(out) && k+4 <= room {
		v := binary.LittleEndian.Uint64(b[n:])
		if v&0xFF80FF80FF80FF80 != 0 || ((v|high)-units)&high != high {
			break
		}
		v = (v | v>>8) & 0x0000FFFF0000FFFF
		binary.LittleEndian.PutUint32(out[k:], uint32(v|v>>16))
		n, k = n+8, k+4
	}
	for n+1 < len(b) {
		c := b[n]
		if c >= utf8.RuneSelf || b[n+1] != 0 {
			break
		}
		n += 2
		if c <= '\r' && (c == '\n' || c == '\r') {
			l.skipLF = c == '\r'
			end = true
			break
		}
		if k < room && k < len(out) {
			out[k] = c
			k++
		} else {
			l.Long = true
		}
	}
	l.Line = l.Line[:have+k]
	return n, end
}
