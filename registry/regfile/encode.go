package regfile

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
)

// An Encoder writes .reg files. The zero Encoder writes what regedit and reg export write today: version 5,
// UTF-16LE with byte order mark, CRLF.
type Encoder struct {
	Version  Version       // Version5 or Version4
	CodePage codepage.Page // of Version4; nil means Windows-1252
}

// Encode writes entries with the zero Encoder. See [Encoder.Encode].
func Encode(w io.Writer, entries iter.Seq[registry.Entry]) error {
	return Encoder{}.Encode(w, entries)
}

// Encode writes entries in their order. Every change of key starts a block "[key]"; a CreateKey always does.
// Comments (Note entries without a key and the Note of other entries) are written with a semicolon unless they
// have one; a Note without text is an empty line.
//
// A string is written in quotes if that reads back as the same bytes, otherwise as hex(1); a REG_DWORD of
// another length than four bytes as hex(4). Line breaks in names are written as \r and \n.
//
// What a .reg file cannot say is left out and returned as *registry.LossError: SetIfAbsent, ClearValues,
// SecureKey, unknown instructions, keys without a root, names with a NUL or, in Version4, with characters that
// the code page lacks. An error of w ends the writing and is returned alone.
func (e Encoder) Encode(w io.Writer, entries iter.Seq[registry.Entry]) error {
	if e.Version != Version5 && e.Version != Version4 {
		return fmt.Errorf("reg: cannot write version %v", e.Version)
	}
	if e.CodePage == nil {
		e.CodePage = codepage.Windows1252()
	}
	p := &printer{Encoder: e, w: bufio.NewWriterSize(w, 64<<10)}
	if e.Version == Version5 {
		p.w.WriteString("\xFF\xFE")
	}
	p.line = append(p.line, e.Version.String()...)
	p.endLine()
	for entry := range entries {
		if p.entry(entry); p.err != nil {
			return p.err
		}
	}
	if p.last != commented {
		p.endLine() // the empty line behind the last block
	}
	if p.err == nil {
		p.err = p.w.Flush()
	}
	if p.err != nil {
		return p.err
	}
	return p.losses.Err()
}

type printer struct {
	Encoder
	w      *bufio.Writer
	path   registry.Path
	block  bool   // inside the block of path
	line   []byte // WTF-8
	out    []byte // the line as written
	err    error
	losses registry.Losses
	last   lineKind // of the last line that was not empty
}

// endLine writes p.line and a line end.
func (p *printer) endLine() {
	if p.err != nil {
		return
	}
	p.out = p.out[:0]
	if p.Version == Version5 {
		p.out = appendUTF16(p.out, p.line)
		p.out = append(p.out, '\r', 0, '\n', 0)
	} else {
		var ok bool
		if p.out, ok = p.CodePage.Encode(p.out, string(p.line)); !ok {
			// Names and strings were checked; what is left is a comment.
			for _, r := range string(p.line) {
				if p.out, ok = p.CodePage.Encode(p.out, string(r)); !ok {
					p.out = append(p.out, '?')
				}
			}
		}
		p.out = append(p.out, '\r', '\n')
	}
	p.line = p.line[:0]
	_, p.err = p.w.Write(p.out)
}

// appendUTF16 is registry.AppendUTF16 for bytes, without a conversion for ASCII.
func appendUTF16(dst, s []byte) []byte {
	for i, c := range s {
		if c >= utf8.RuneSelf {
			return registry.AppendUTF16(dst, string(s[i:]))
		}
		dst = append(dst, c, 0)
	}
	return dst
}

func (p *printer) lose(e registry.Entry, why string) { p.losses.Add(format, e, why) }

func (p *printer) entry(e registry.Entry) {
	switch e.Op {
	case registry.Note:
		if !e.Path.IsZero() || len(e.Value.Data) > 0 {
			p.lose(e, "an instruction of another format")
			return
		}
		if e.Note == "" {
			p.endLine()
			return
		}
		for text := range strings.SplitSeq(e.Note, "\n") {
			p.comment(strings.TrimSuffix(text, "\r"))
			p.endLine()
		}
		p.last = commented
		return
	case registry.SetIfAbsent:
		p.lose(e, "it cannot set a value only where there is none")
		return
	case registry.ClearValues:
		p.lose(e, "it cannot delete all values of a key and keep its sub keys")
		return
	case registry.SecureKey:
		p.lose(e, "it has no permissions")
		return
	case registry.Set, registry.DeleteValue, registry.CreateKey, registry.DeleteKey:
	default:
		p.lose(e, "unknown operation")
		return
	}
	if e.Path.Hive == 0 || e.Path.Hive > registry.CurrentConfig {
		p.lose(e, "the root of the key is not known")
		return
	}
	if strings.ContainsAny(e.Path.Key, "\x00\r\n") || strings.IndexByte(e.Name, 0) >= 0 {
		p.lose(e, "a name with a NUL or a key with a line break")
		return
	}
	if p.Version == Version4 && !p.has(e) {
		p.lose(e, "characters that "+p.CodePage.Name()+" lacks")
		return
	}
	switch e.Op {
	case registry.CreateKey:
		p.header(e.Path, "", e.Note)
	case registry.DeleteKey:
		p.header(e.Path, "-", e.Note)
		p.block = false
	default:
		if !p.block || p.path != e.Path && !p.path.Equal(e.Path) {
			p.header(e.Path, "", "")
		}
		p.value(e)
	}
}

// has reports whether the code page has all characters of e.
func (p *printer) has(e registry.Entry) bool {
	texts := []string{e.Path.Key, e.Name}
	if e.Op == registry.Set {
		switch e.Value.Type {
		case registry.TypeSZ, registry.TypeExpandSZ, registry.TypeMultiSZ:
			if len(e.Value.Data)%2 != 0 {
				return false
			}
			texts = append(texts, registry.FromUTF16(e.Value.Data))
		}
	}
	for _, s := range texts {
		var ok bool
		if p.out, ok = p.CodePage.Encode(p.out[:0], s); !ok {
			return false
		}
	}
	return true
}

func (p *printer) header(path registry.Path, minus, note string) {
	if p.last != commented {
		p.endLine()
	}
	p.last = separated
	p.line = append(p.line, '[')
	p.line = append(p.line, minus...)
	p.line = append(p.line, path.Hive.String()...)
	if path.Key != "" {
		p.line = append(p.line, '\\')
		p.line = append(p.line, path.Key...)
	}
	p.line = append(p.line, ']')
	p.note(note)
	p.endLine()
	p.path, p.block = path, true
}

// note appends what an entry says beside its effect.
func (p *printer) note(s string) {
	if s != "" {
		p.line = append(p.line, ' ')
		p.comment(strings.NewReplacer("\r", " ", "\n", " ").Replace(s))
	}
}

func (p *printer) comment(s string) {
	if !strings.HasPrefix(s, ";") && !strings.HasPrefix(s, "#") {
		p.line = append(p.line, ';')
	}
	p.line = append(p.line, s...)
}

func (p *printer) value(e registry.Entry) {
	if e.Name == "" {
		p.line = append(p.line, '@')
	} else {
		p.quote(e.Name)
	}
	p.line = append(p.line, '=')
	switch {
	case e.Op == registry.DeleteValue:
		p.line = append(p.line, '-')
	case e.Value.Type == registry.TypeSZ && quotable(e.Value.Data):
		p.quoteSZ(e.Value.Data[:len(e.Value.Data)-2])
	case e.Value.Type == registry.TypeDWord && len(e.Value.Data) == 4:
		p.line = append(p.line, "dword:"...)
		for i := 3; i >= 0; i-- {
			p.hexByte(e.Value.Data[i])
		}
	default:
		p.hex(e.Value)
	}
	p.note(e.Note)
	p.endLine()
	p.last = plain
}

// quotable reports whether the bytes of a REG_SZ can be written in quotes and read back: text with exactly one
// NUL, at the end, no line breaks, and no half surrogate pairs.
func quotable(b []byte) bool {
	if len(b) < 2 || len(b)%2 != 0 || b[len(b)-1] != 0 || b[len(b)-2] != 0 {
		return false
	}
	for i := 0; i < len(b)-2; i += 2 {
		u := uint16(b[i]) | uint16(b[i+1])<<8
		switch {
		case u == 0 || u == '\r' || u == '\n' || u >= 0xDC00 && u < 0xE000:
			return false
		case u >= 0xD800 && u < 0xDC00:
			if lo := uint16(b[i+2]) | uint16(b[i+3])<<8; lo < 0xDC00 || lo >= 0xE000 {
				return false
			}
			i += 2
		}
	}
	return true
}

func (p *printer) quote(s string) {
	p.line = append(p.line, '"')
	for i := 0; i < len(s); i++ {
		p.quoted(s[i])
	}
	p.line = append(p.line, '"')
}

func (p *printer) quoted(c byte) {
	switch c {
	case '\\', '"':
		p.line = append(p.line, '\\', c)
	case '\r':
		p.line = append(p.line, `\r`...)
	case '\n':
		p.line = append(p.line, `\n`...)
	default:
		p.line = append(p.line, c)
	}
}

// quoteSZ writes UTF-16 without its NUL in quotes.
func (p *printer) quoteSZ(b []byte) {
	for i := 0; i < len(b); i += 2 {
		if b[i] >= utf8.RuneSelf || b[i+1] != 0 {
			p.quote(registry.FromUTF16(b))
			return
		}
	}
	p.line = append(p.line, '"')
	for i := 0; i < len(b); i += 2 {
		p.quoted(b[i])
	}
	p.line = append(p.line, '"')
}

const digits = "0123456789abcdef"

func (p *printer) hexByte(c byte) { p.line = append(p.line, digits[c>>4], digits[c&15]) }

// foldAt is the column behind which Windows continues on the next line.
const foldAt = 76

// hex writes data the way Windows folds it: as soon as a line is longer than 76 characters behind a comma and
// bytes remain, a backslash ends it and the next line is indented by two blanks.
func (p *printer) hex(v registry.Value) {
	p.line = append(p.line, "hex"...)
	if v.Type != registry.TypeBinary {
		p.line = fmt.Appendf(p.line, "(%x)", uint32(v.Type))
	}
	p.line = append(p.line, ':')
	data := v.Data
	if p.Version == Version4 && (v.Type == registry.TypeSZ || v.Type == registry.TypeExpandSZ || v.Type == registry.TypeMultiSZ) {
		data, _ = p.CodePage.Encode(nil, registry.FromUTF16(data)) // has was true
	}
	column := utf8.RuneCount(p.line)
	for i, c := range data {
		p.hexByte(c)
		if i == len(data)-1 {
			return
		}
		p.line = append(p.line, ',')
		if column += 3; column > foldAt {
			p.line = append(p.line, '\\')
			p.endLine()
			p.line = append(p.line, "  "...)
			column = 2
		}
	}
}
