package regfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
)

// A hexValue is a value whose data goes on over several lines.
type hexValue struct {
	active bool
	entry  registry.Entry
	data   []byte // reused; a finished value is copied
	odd    string // what was strange about the name
}

// valueLine handles what stands behind the name of a value. odd says what was strange about the name, if anything.
func (p *parser) valueLine(name string, rest []byte, odd string) {
	rest = trimLeft(rest)
	if len(rest) == 0 || rest[0] != '=' {
		p.fail("value", "no = behind the name "+strconv.Quote(clip(name)), nil)
		return
	}
	rest = trimRight(trimLeft(rest[1:]))
	if p.ignored() {
		return
	}
	e := registry.Entry{Op: registry.Set, Path: p.path, Name: name, Pos: p.pos()}
	switch {
	case bytes.HasPrefix(rest, []byte("-")):
		if !isTail(rest[1:]) {
			p.fail("value", "text behind the - that would delete it", nil)
			return
		}
		e.Op, e.Note = registry.DeleteValue, comment(rest[1:])
	case bytes.HasPrefix(rest, []byte(`"`)):
		text, tail, strange, err := p.unquote(rest[1:])
		if err == "" && !isTail(tail) {
			err = "text behind the closing quote"
		}
		if err != "" {
			p.fail("value", err, nil)
			return
		}
		if odd == "" {
			odd = strange
		}
		// unquote reuses its buffer: the text is copied here.
		e.Value.Type = registry.TypeSZ
		e.Value.Data = appendSZ(p.arena.bytes(2*len(text)+2), text)
		e.Note = comment(tail)
	case bytes.HasPrefix(rest, []byte("dword:")):
		n, tail, ok := dword(rest[len("dword:"):])
		if !ok {
			p.fail("value", "dword needs one to eight hexadecimal digits and nothing else: "+clip(string(rest)), nil)
			return
		}
		if c := trimLeft(rest[len("dword:"):]); odd == "" && c[0] == ';' {
			odd = "dword without digits before a comment; Wine imports 0"
		}
		e.Value.Type = registry.TypeDWord
		e.Value.Data = binary.LittleEndian.AppendUint32(p.arena.bytes(4), n)
		e.Note = comment(tail)
	case bytes.HasPrefix(rest, []byte("hex")):
		typ, data, strange, ok := hexType(rest[len("hex"):])
		if !ok {
			p.fail("value", "not hex: or hex(type): with a type up to ffffffff: "+clip(string(rest)), nil)
			return
		}
		if odd == "" {
			odd = strange
		}
		e.Value.Type = typ
		p.pending = hexValue{active: true, entry: e, data: p.pending.data[:0], odd: odd}
		p.hexData(data)
		return
	default:
		p.fail("value", "data that is neither a string, dword:, hex: nor -: "+clip(string(rest)), nil)
		return
	}
	p.value(e, odd)
}

// value emits e, with a complaint if something about it was strange.
func (p *parser) value(e registry.Entry, odd string) {
	if odd != "" {
		p.recovered(e, "value", odd)
	} else {
		p.emit(e)
	}
}

// isTail reports whether b may stand behind a complete value: nothing, blanks or a comment.
func isTail(b []byte) bool {
	b = trimLeft(b)
	return len(b) == 0 || b[0] == ';'
}

// unquote reads up to the closing quote. text is valid until the next call; err is "" if all is well; odd names an
// escape that has no meaning, which an import replaces by its second character.
func (p *parser) unquote(s []byte) (text, rest []byte, odd, err string) {
	// Most strings have no escape: those are returned where they stand.
	for i, c := range s {
		if c == '"' {
			return s[:i], s[i+1:], "", ""
		}
		if c == '\\' || c == 0 {
			break
		}
	}
	out := p.unq[:0]
	defer func() { p.unq = out[:0] }()
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case 0:
			return nil, nil, "", "a NUL in quotes"
		case '"':
			return out, s[i+1:], odd, ""
		case '\\':
			i++
			if i == len(s) {
				return nil, nil, "", "no closing quote"
			}
			switch c = s[i]; c {
			case '\\', '"':
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case '0':
				return nil, nil, "", `\0 in quotes makes an import drop the value`
			default:
				odd = `the escape \` + string(rune(c)) + ` is unknown; an import drops the backslash`
			}
		}
		out = append(out, c)
	}
	return nil, nil, "", "no closing quote"
}

// appendSZ is registry.AppendUTF16 for bytes, with the NUL.
func appendSZ(dst, s []byte) []byte {
	for i, c := range s {
		if c >= 0x80 {
			return append(registry.AppendUTF16(dst, string(s[i:])), 0, 0)
		}
		dst = append(dst, c, 0)
	}
	return append(dst, 0, 0)
}

// dword reads one to eight digits behind optional blanks. No digit but a comment counts as 0, as in Wine.
func dword(b []byte) (n uint32, tail []byte, ok bool) {
	b = trimLeft(b)
	i := 0
	for ; i < len(b) && unhex[b[i]] < 16; i++ {
		if i == 8 {
			return 0, nil, false
		}
		n = n<<4 | uint32(unhex[b[i]])
	}
	return n, b[i:], (i > 0 || len(b) > 0) && isTail(b[i:])
}

// hexType reads ":" or "(type):" behind "hex". odd names what only Wine is known to accept.
func hexType(b []byte) (typ registry.Type, data []byte, odd string, ok bool) {
	if len(b) > 0 && b[0] == ':' {
		return registry.TypeBinary, b[1:], "", true
	}
	end := bytes.Index(b, []byte("):"))
	if end < 0 || b[0] != '(' {
		return 0, nil, "", false
	}
	text := trimLeft(b[1:end])
	if len(text) == 0 || len(text) < end-1 {
		odd = "hex" + string(b[:end+1]) + " with a blank or without a number; Wine imports it"
	}
	var n uint64
	for _, c := range text {
		if unhex[c] > 15 {
			return 0, nil, "", false
		}
		if n = n<<4 | uint64(unhex[c]); n > 0xFFFFFFFF {
			return 0, nil, "", false
		}
	}
	return registry.Type(n), b[end+2:], odd, true
}

// hexData reads bytes separated by commas into the pending value, to the end of the line.
func (p *parser) hexData(b []byte) {
	data := p.pending.data
	for {
		// Nearly all bytes are two digits and a comma.
		for len(b) >= 3 && b[2] == ',' {
			hi, lo := unhex[b[0]], unhex[b[1]]
			if hi|lo > 15 {
				break
			}
			data = append(data, hi<<4|lo)
			b = b[3:]
		}
		b = trimLeft(b)
		if len(b) == 0 || b[0] == ';' {
			p.pending.data = data
			p.finishHex(b)
			return
		}
		if b[0] == '\\' {
			p.pending.data = data
			if !isTail(b[1:]) {
				p.dropHex("text behind the \\ that continues the line: " + clip(string(b)))
			} else if len(data) > p.MaxValue {
				p.pending.active = false
				p.fail("value", fmt.Sprintf("more than %d bytes", p.MaxValue), ErrTooLong)
			}
			return
		}
		i, n := 0, 0
		if rest := bytes.TrimPrefix(bytes.TrimPrefix(b, []byte("+")), []byte("0x")); len(rest) < len(b) && len(rest) > 0 && unhex[rest[0]] < 16 {
			b, p.pending.odd = rest, "a byte with 0x or a sign; Wine imports it"
		}
		for ; i < len(b) && unhex[b[i]] < 16; i++ {
			if n = n<<4 | int(unhex[b[i]]); n > 0xFF {
				p.dropHex("byte above ff: " + clip(string(b)))
				return
			}
		}
		if i == 0 {
			p.dropHex("not a hexadecimal byte: " + clip(string(b)))
			return
		}
		data = append(data, byte(n))
		if b = b[i:]; len(b) > 0 && b[0] == ',' {
			b = b[1:]
			continue
		}
		if !isTail(b) {
			p.dropHex("text behind a byte where a comma is expected: " + clip(string(b)))
			return
		}
	}
}

// dropHex gives up the pending value.
func (p *parser) dropHex(msg string) {
	p.pending.active = false
	p.fail("value", strconv.Quote(clip(p.pending.entry.Name))+": "+msg, nil)
}

// continued handles a line behind one that ended in a backslash. Blank lines and comments are skipped. A line
// that does not start with a digit ends and drops the value and is itself lost, even if it is a key header:
// that is what Windows does, and the values below then land in the wrong key, so it is worth an error.
func (p *parser) continued(line []byte) {
	line = trimRight(trimLeft(line))
	switch {
	case len(line) == 0:
	case line[0] == ';':
		p.pending.entry.Note += string(line)
	case unhex[line[0]] > 15:
		p.dropHex("the line above ends in \\, so this line is taken for its continuation and lost: " + clip(string(line)))
	default:
		p.hexData(line)
	}
}

// finishHex emits the pending value; rest is what stands behind its last byte.
func (p *parser) finishHex(rest []byte) {
	p.pending.active = false
	e := p.pending.entry
	data := p.stored(e.Value.Type, p.pending.data)
	e.Value.Data = append(p.arena.bytes(len(data)), data...)
	if cap(p.pending.data) > 64<<10 {
		p.pending.data = nil
	}
	e.Note += comment(rest)
	p.value(e, p.pending.odd)
}

// stored returns the bytes an import stores for string types: UTF-16, ended by at least one NUL.
func (p *parser) stored(t registry.Type, data []byte) []byte {
	if t != registry.TypeSZ && t != registry.TypeExpandSZ && t != registry.TypeMultiSZ || len(data) == 0 {
		return data
	}
	if p.version == Version4 {
		if !p.Exact && data[len(data)-1] != 0 {
			data = append(data, 0)
		}
		return registry.AppendUTF16(make([]byte, 0, 2*len(data)), string(p.lines.Page().Append(nil, data)))
	}
	if n := len(data); !p.Exact && n%2 == 0 && (data[n-2] != 0 || data[n-1] != 0) {
		data = append(data, 0, 0)
	}
	return data
}

// unhex maps a digit to its value and everything else to 0xFF.
var unhex = func() (t [256]byte) {
	for i := range t {
		switch c := byte(i); {
		case '0' <= c && c <= '9':
			t[i] = c - '0'
		case 'a' <= c && c <= 'f':
			t[i] = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			t[i] = c - 'A' + 10
		default:
			t[i] = 0xFF
		}
	}
	return
}()

// An arena hands out memory for names and data from blocks, so that most entries need no allocation of their own. A block
// is kept as long as anything in it is; blocks are small so that this does not matter.
type arena struct {
	block []byte
	names strings.Builder
}

const arenaBlock = 4 << 10

// bytes returns an empty slice with room for n bytes.
func (a *arena) bytes(n int) []byte {
	if n > arenaBlock/4 {
		return make([]byte, 0, n)
	}
	if cap(a.block)-len(a.block) < n {
		a.block = make([]byte, 0, arenaBlock)
	}
	from := len(a.block)
	a.block = a.block[:from+n]
	return a.block[from : from : from+n]
}

// text returns b as a string.
func (a *arena) text(b []byte) string {
	if len(b) > arenaBlock/4 {
		return string(b)
	}
	if a.names.Cap()-a.names.Len() < len(b) {
		a.names = strings.Builder{}
		a.names.Grow(arenaBlock)
	}
	from := a.names.Len()
	a.names.Write(b)
	return a.names.String()[from:]
}
