package regfile

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/internal/lines"
)

const format = "reg"

// A Version is the kind of a .reg file, told by its first line.
type Version uint8

const (
	Version5  Version = iota // "Windows Registry Editor Version 5.00"
	Version4                 // "REGEDIT4": strings written as hex are ANSI too
	Version31                // "REGEDIT": lines "HKEY_CLASSES_ROOT\key = value" of Windows 3.1
)

const (
	header5  = "Windows Registry Editor Version 5.00"
	header4  = "REGEDIT4"
	header31 = "REGEDIT"
)

// String returns the header line of the version.
func (v Version) String() string {
	switch v {
	case Version5:
		return header5
	case Version4:
		return header4
	case Version31:
		return header31
	}
	return fmt.Sprintf("Version(%d)", uint8(v))
}

// Errors wrapped in the SyntaxErrors of Decode.
var (
	// ErrHeader: the first line is no header. Windows imports nothing from such a file, and neither does a Decoder.
	ErrHeader = errors.New("the first line is not the header of a .reg file")
	// ErrEncoding: Windows refuses the encoding of the file. A tolerant Decoder reports it and reads on.
	ErrEncoding = errors.New("reg import refuses this encoding; save the file as UTF-16LE with a byte order mark")
	// ErrTooLong: a line or value is longer than Decoder.MaxValue. The value is dropped.
	ErrTooLong = errors.New("longer than the limit of the decoder")
)

// A Decoder reads .reg files. The zero Decoder is strict: it stops at the first line that reg import would drop
// or that means something else than its author thought.
type Decoder struct {
	// Tolerant makes Decode report such lines and go on, which gives what reg import would give.
	Tolerant bool
	// Exact makes Decode report the bytes of hex(1), hex(2) and hex(7) as written. Otherwise a missing
	// NUL is added, as an import does it.
	Exact bool
	// CodePage is used for files without UTF-16 or UTF-8 mark; nil means Windows-1252.
	CodePage codepage.Page
	// MaxValue limits one line and the data of one value, in bytes; 0 means 64 MiB.
	MaxValue int
}

// An Encoding is how the characters of a .reg file are stored.
type Encoding uint8

const (
	UTF16LE      = Encoding(lines.UTF16LE)      // with byte order mark: what Windows writes for version 5
	ANSI         = Encoding(lines.EightBit)     // 8 bits in a code page: what Windows writes for REGEDIT4
	UTF16LENoBOM = Encoding(lines.UTF16LENoBOM) // refused by Windows
	UTF16BE      = Encoding(lines.UTF16BE)      // with byte order mark; refused by reg import
	UTF8BOM      = Encoding(lines.UTF8BOM)      // refused by Wine; Windows not known
)

var encodings = [...]string{"UTF-16LE", "ANSI", "UTF-16LE without byte order mark", "UTF-16BE", "UTF-8 with byte order mark"}

// String returns a name for people, and "Encoding(n)" for a number without a name.
func (e Encoding) String() string {
	if int(e) < len(encodings) {
		return encodings[e]
	}
	return fmt.Sprintf("Encoding(%d)", uint8(e))
}

// Info says what kind of file was read.
type Info struct {
	Version  Version
	Encoding Encoding
	CodePage string // name of the page used, "" for UTF-16
}

// Decode reads a file with the zero Decoder. See [Decoder.Decode].
func Decode(r io.Reader) iter.Seq2[registry.Entry, error] { return Decoder{}.Decode(r) }

// Decode yields the entries of r in order: a CreateKey per key header, a Set, DeleteValue or DeleteKey per line,
// and a Note per comment line, with its semicolon. A comment behind a value is in the Note of that Entry. An empty
// line beyond the one that separates keys is a Note without text, so that Encode gives it back. Errors are *registry.SyntaxError; an error of r ends the sequence as it is. The sequence can be
// ranged over once. Names and data of entries that stand near each other share blocks of a few kilobytes.
func (d Decoder) Decode(r io.Reader) iter.Seq2[registry.Entry, error] {
	_, seq := d.Open(r)
	return seq
}

// Open reads the header of r and returns what kind of file it is, together with the sequence that Decode would
// return. A wrong header is reported by the sequence, not by Info.
func (d Decoder) Open(r io.Reader) (Info, iter.Seq2[registry.Entry, error]) {
	if d.CodePage == nil {
		d.CodePage = codepage.Windows1252()
	}
	if d.MaxValue <= 0 {
		d.MaxValue = 64 << 20
	}
	p := &parser{Decoder: d, lines: lines.New(r, d.CodePage, d.MaxValue)}
	p.header()
	info := Info{Version: p.version, Encoding: Encoding(p.lines.Encoding())}
	if info.Encoding == ANSI || info.Encoding == UTF8BOM {
		info.CodePage = p.lines.Page().Name()
	}
	return info, p.run
}

type parser struct {
	Decoder
	lines   *lines.Reader
	version Version
	fatal   error // of the header
	used    bool
	yield   func(registry.Entry, error) bool
	stopped bool

	path    registry.Path
	state   keyState
	pending hexValue
	unq     []byte // scratch for unquote
	arena   arena
	blanks  int // empty lines since the last line
	last    lineKind
}

// A keyState says what becomes of value lines.
type keyState uint8

const (
	noKey      keyState = iota // before the first key header: reg import ignores them
	openKey                    // they belong to parser.path
	deletedKey                 // behind [-key]: ignored without an error
	badKey                     // behind a header that could not be understood
)

// header reads the first line.
func (p *parser) header() {
	if !p.lines.Next() {
		p.fatal = p.syntax("header", "the file is empty", ErrHeader)
		return
	}
	line := string(trimLeft(p.lines.Line))
	switch {
	case line == header5:
		p.version = Version5
	case line == header4:
		p.version = Version4
	case line == header31:
		p.version = Version31
	case strings.HasPrefix(line, "REGEDIT"):
		p.fatal = p.syntax("header", fmt.Sprintf("%q is accepted by reg import, which then imports nothing", clip(line)), ErrHeader)
	default:
		p.fatal = p.syntax("header", strconv.QuoteToASCII(clip(line)), ErrHeader)
	}
}

func (p *parser) run(yield func(registry.Entry, error) bool) {
	if p.used {
		yield(registry.Entry{}, errors.New("reg: the sequence was already used; a stream can be read once"))
		return
	}
	p.used, p.yield = true, yield
	if p.fatal != nil {
		if err := p.lines.Err(); err != nil {
			yield(registry.Entry{}, err)
			return
		}
		yield(registry.Entry{}, p.fatal)
		return
	}
	if enc := Encoding(p.lines.Encoding()); enc > ANSI {
		p.fail("encoding", enc.String(), ErrEncoding)
	}
	for !p.stopped && p.lines.Next() {
		if p.lines.Long {
			p.pending.active = false
			p.fail("line", fmt.Sprintf("more than %d bytes", p.MaxValue), ErrTooLong)
			continue
		}
		switch line := p.lines.Line; {
		case p.version == Version31:
			p.line31(line)
		case p.pending.active:
			p.continued(line)
		default:
			p.parseLine(line)
		}
	}
	if err := p.lines.Err(); err != nil && !p.stopped {
		yield(registry.Entry{}, err)
		return
	}
	if p.pending.active && !p.stopped {
		p.finishHex(nil)
	}
	p.layout(separated)
}

func (p *parser) pos() registry.Pos {
	return registry.Pos{Line: p.lines.Number, Offset: p.lines.Start}
}

func (p *parser) syntax(field, msg string, err error) *registry.SyntaxError {
	return &registry.SyntaxError{Format: format, Pos: p.pos(), Field: field, Msg: msg, Err: err}
}

// fail reports that the current line was dropped.
func (p *parser) fail(field, msg string, err error) {
	if p.stopped {
		return
	}
	if !p.yield(registry.Entry{}, p.syntax(field, msg, err)) || !p.Tolerant {
		p.stopped = true
	}
}

func (p *parser) emit(e registry.Entry) {
	if !p.stopped && !p.yield(e, nil) {
		p.stopped = true
	}
}

// recovered reports an entry together with what was wrong about it.
func (p *parser) recovered(e registry.Entry, field, msg string) {
	if p.stopped {
		return
	}
	if !p.Tolerant {
		p.fail(field, msg, nil)
		return
	}
	if !p.yield(e, p.syntax(field, msg, nil)) {
		p.stopped = true
	}
}

func (p *parser) parseLine(line []byte) {
	line = trimLeft(line)
	if len(line) == 0 {
		p.blanks++
		return
	}
	switch line[0] {
	case ';', '#':
		p.layout(commented)
		p.emit(registry.Entry{Op: registry.Note, Note: string(line), Pos: p.pos()})
		return
	case '[':
		p.layout(separated)
		p.keyLine(line[1:])
		return
	}
	p.layout(plain)
	switch line[0] {
	case '@':
		p.valueLine("", line[1:], "")
	case '"':
		name, rest, odd, err := p.unquote(line[1:])
		if err != "" {
			p.fail("value name", err, nil)
			return
		}
		p.valueLine(p.arena.text(name), rest, odd)
	default:
		p.fail("", "neither key, value nor comment: "+clip(string(line)), nil)
	}
}

// keyLine handles what stands behind "[". The last "]" of the line closes, text behind it is ignored.
func (p *parser) keyLine(line []byte) {
	end := lastIndex(line, ']')
	if end < 0 || len(line) > 0 && isBlank(line[0]) {
		why := "no closing bracket"
		if end >= 0 {
			why = "blank behind the opening bracket"
		}
		p.state = badKey
		p.fail("key", why+"; this line and the values below it are dropped", nil)
		return
	}
	name, rest := p.arena.text(line[:end]), line[end+1:]
	op := registry.CreateKey
	if strings.HasPrefix(name, "-") {
		op, name = registry.DeleteKey, name[1:]
	}
	path, err := registry.ParsePath(name)
	if err != nil {
		p.state = badKey
		p.fail("key", "values below it are dropped", err)
		return
	}
	p.path, p.state = path, openKey
	if op == registry.DeleteKey {
		p.state = deletedKey
	}
	p.emit(registry.Entry{Op: op, Path: path, Note: comment(rest), Pos: p.pos()})
}

// comment returns the comment in the rest of a line, with its semicolon.
func comment(rest []byte) string {
	rest = trimLeft(rest)
	if len(rest) > 0 && rest[0] == ';' {
		return string(rest)
	}
	return ""
}

// A lineKind is what matters about a line for the empty lines around it.
type lineKind uint8

const (
	plain     lineKind = iota // a value, or a line that was dropped
	separated                 // a key header or the end of the file: one empty line before it goes without saying
	commented                 // a comment; behind it no empty line goes without saying
)

// layout is called before a line of the given kind is handled and reports the empty lines before it that the
// encoder would not write by itself.
func (p *parser) layout(kind lineKind) {
	if kind == separated && p.last != commented && p.blanks > 0 {
		p.blanks--
	}
	for ; p.blanks > 0 && !p.stopped; p.blanks-- {
		pos := registry.Pos{Line: p.lines.Number - p.blanks}
		p.emit(registry.Entry{Op: registry.Note, Pos: pos})
	}
	p.last = kind
}

// ignored reports whether value lines are without effect here, and complains if that will surprise.
func (p *parser) ignored() bool {
	switch p.state {
	case openKey:
		return false
	case deletedKey:
		p.fail("", "the value stands behind a key deletion and is ignored", nil)
	case noKey:
		p.fail("", "the value stands before the first key and is ignored", nil)
	case badKey:
		p.fail("", "the key of this value was not understood; the value is dropped", nil)
	}
	return true
}

// line31 handles a line of a Windows 3.1 file: everything but HKEY_CLASSES_ROOT is ignored.
func (p *parser) line31(line []byte) {
	const root = "HKEY_CLASSES_ROOT"
	s := string(line)
	if !strings.HasPrefix(s, root) {
		if strings.TrimSpace(s) != "" {
			p.fail("key", "a REGEDIT file sets only keys below "+root+": "+clip(s), nil)
		}
		return
	}
	end := strings.IndexAny(s, " \t")
	if end < 0 {
		end = len(s)
	}
	path, err := registry.ParsePath(s[:end])
	if err != nil {
		p.fail("key", "", err)
		return
	}
	value := strings.TrimPrefix(strings.TrimLeft(s[end:], " \t"), "=")
	value = strings.TrimPrefix(value, " ")
	p.emit(registry.Entry{Op: registry.Set, Path: path, Value: registry.String(value), Pos: p.pos()})
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func lastIndex(b []byte, c byte) int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == c {
			return i
		}
	}
	return -1
}

// clip shortens a line for an error message.
func clip(s string) string {
	const n = 60
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
