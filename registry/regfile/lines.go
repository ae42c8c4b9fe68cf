package regfile

import (
	"encoding/binary"
	"io"
	"unicode/utf8"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
)

// An Encoding is how the characters of a .reg file are stored.
type Encoding uint8

const (
	UTF16LE      Encoding = iota // with byte order mark: what Windows writes for version 5
	ANSI                         // 8 bits in a code page: what Windows writes for REGEDIT4
	UTF16LENoBOM                 // refused by Windows
	UTF16BE                      // with byte order mark; refused by reg import
	UTF8BOM                      // refused by Wine; Windows not known
)

var encodings = [...]string{"UTF-16LE", "ANSI", "UTF-16LE without byte order mark", "UTF-16BE", "UTF-8 with byte order mark"}

// String returns a name for people; "Encoding(n)" is not needed because Decode yields only known ones.
func (e Encoding) String() string {
	if int(e) < len(encodings) {
		return encodings[e]
	}
	return "unknown encoding"
}

const chunk = 64 << 10

// A lineReader cuts a stream into lines of WTF-8. It holds one chunk and one line.
type lineReader struct {
	r       io.Reader
	enc     Encoding
	page    codepage.Page
	max     int // longest line in bytes
	buf     []byte
	pos     int // next byte in buf[:len(buf)]
	base    int64
	err     error // of r, io.EOF included
	line    []byte
	number  int   // of line, from 1
	start   int64 // offset of line
	skipLF  bool
	swapped int  // with UTF16BE: buf[:swapped] is in little-endian order
	long    bool // the line was longer than max and is cut
}

// fill makes at least n bytes available from pos, or fewer at the end.
func (l *lineReader) fill(n int) int {
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
func (l *lineReader) swap() {
	if l.enc != UTF16BE {
		return
	}
	for ; l.swapped+1 < len(l.buf); l.swapped += 2 {
		l.buf[l.swapped], l.buf[l.swapped+1] = l.buf[l.swapped+1], l.buf[l.swapped]
	}
}

// detect looks at the first bytes and skips a byte order mark.
func (l *lineReader) detect() {
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
		l.enc = ANSI
	}
}

// next reads the next line into l.line. It returns false at the end or on an error other than io.EOF in l.err.
func (l *lineReader) next() bool {
	l.line, l.long = l.line[:0], false
	if l.enc == ANSI || l.enc == UTF8BOM {
		return l.next8()
	}
	return l.next16()
}

func (l *lineReader) next8() bool {
	l.number++
	l.start = l.base + int64(l.pos)
	any, ascii := false, true
	for l.fill(1) > 0 {
		b := l.buf[l.pos:]
		if l.skipLF {
			l.skipLF = false
			if b[0] == '\n' {
				l.pos++
				l.start++
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
		l.line = l.page.Append(make([]byte, 0, len(l.line)*3/2), l.line)
	}
	return any
}

func (l *lineReader) add(b []byte) {
	if room := l.max - len(l.line); len(b) > room {
		b, l.long = b[:max(room, 0)], true
	}
	l.line = append(l.line, b...)
}

func (l *lineReader) next16() bool {
	l.number++
	l.start = l.base + int64(l.pos)
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
				l.start += 2
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
		if len(l.line) < l.max {
			l.line = registry.AppendWTF8(l.line, r)
		} else {
			l.long = true
		}
	}
}

// ascii appends the ASCII characters at the start of b and returns how many bytes that were; end says that a
// line end follows, which is then included.
func (l *lineReader) ascii(b []byte) (n int, end bool) {
	have := len(l.line)
	room := l.max - have
	if want := have + min(len(b)/2, max(room, 0)); cap(l.line) < want {
		l.line = append(make([]byte, 0, min(want*2, max(want, 4096))), l.line...)
	}
	out := l.line[have:cap(l.line)]
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
			l.long = true
		}
	}
	l.line = l.line[:have+k]
	return n, end
}
