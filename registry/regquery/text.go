package regquery

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/internal/lines"
)

const format = "query"

// ErrNoKey is wrapped by the error for a text without any key: most likely an error message of reg query. It says nothing
// about whether the key exists, because the message is translated and may as well mean that access was denied.
var ErrNoKey = errors.New("no key in the text; is it an error message?")

// A Decoder reads the output of reg query. The zero Decoder is strict: it stops at the first line that it does not
// understand.
type Decoder struct {
	// Tolerant makes Decode report such lines and go on.
	Tolerant bool
	// CodePage is used for lines that are neither UTF-8 nor in a file with a byte order mark; nil means OEM 850, the
	// console of Western Europe.
	CodePage codepage.Page
	// DefaultNames are the names under which the default value is printed, which depend on the language of Windows;
	// nil means "(Default)".
	DefaultNames []string
	// NotSet are the texts printed with /ve for a default value that does not exist; nil means "(value not set)".
	NotSet []string
	// Separator is what separates the strings of a REG_MULTI_SZ, if reg query was called with /se; "" means \0.
	Separator string
	// MaxLine limits one line in bytes; 0 means 16 MiB.
	MaxLine int
}

// Decode reads the output of reg query with the zero Decoder. See [Decoder.Decode].
func Decode(r io.Reader) iter.Seq2[registry.Entry, error] { return Decoder{}.Decode(r) }

// Decode yields a CreateKey per key and a Set per value. Lines that are neither, such as the translated summary of a
// search, are Notes; a text of such lines alone is an error wrapping ErrNoKey. The sequence can be ranged over once.
func (d Decoder) Decode(r io.Reader) iter.Seq2[registry.Entry, error] {
	if d.CodePage == nil {
		d.CodePage = codepage.OEM850()
	}
	if d.DefaultNames == nil {
		d.DefaultNames = []string{"(Default)"}
	}
	if d.NotSet == nil {
		d.NotSet = []string{"(value not set)"}
	}
	if d.Separator == "" {
		d.Separator = `\0`
	}
	if d.MaxLine <= 0 {
		d.MaxLine = 16 << 20
	}
	return func(yield func(registry.Entry, error) bool) {
		p := textParser{Decoder: d, lines: lines.New(r, console{d.CodePage}, d.MaxLine), yield: yield}
		p.run()
	}
}

// A console is a code page that takes lines of valid UTF-8 for what they are.
type console struct{ codepage.Page }

func (c console) Append(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return append(dst, b...)
	}
	return c.Page.Append(dst, b)
}

type textParser struct {
	Decoder
	lines   *lines.Reader
	yield   func(registry.Entry, error) bool
	stopped bool
	path    registry.Path
	key     bool
	junk    string
	where   registry.Pos // of junk
}

func (p *textParser) pos() registry.Pos {
	return registry.Pos{Line: p.lines.Number, Offset: p.lines.Start}
}

func (p *textParser) emit(e registry.Entry) {
	e.Pos = p.pos()
	if !p.yield(e, nil) {
		p.stopped = true
	}
}

func (p *textParser) fail(field, msg string) {
	err := &registry.SyntaxError{Format: format, Pos: p.pos(), Field: field, Msg: msg}
	if !p.yield(registry.Entry{}, err) || !p.Tolerant {
		p.stopped = true
	}
}

func (p *textParser) run() {
	for !p.stopped && p.lines.Next() {
		if p.lines.Long {
			p.fail("line", fmt.Sprintf("more than %d bytes", p.MaxLine))
			continue
		}
		p.line(string(p.lines.Line))
	}
	switch err := p.lines.Err(); {
	case p.stopped:
	case err != nil:
		p.yield(registry.Entry{}, err)
	case !p.key:
		p.yield(registry.Entry{}, &registry.SyntaxError{Format: format, Pos: p.where, Msg: clip(p.junk), Err: ErrNoKey})
	}
}

func (p *textParser) line(s string) {
	if strings.TrimSpace(s) == "" {
		return
	}
	if value, ok := strings.CutPrefix(s, "    "); ok {
		if !p.key {
			p.fail("value", "stands before the first key: "+clip(s))
			return
		}
		p.value(value)
		return
	}
	if path, err := registry.ParsePath(strings.TrimSuffix(s, "\r")); err == nil && strings.HasPrefix(s, "HKEY_") {
		p.path, p.key = path, true
		p.emit(registry.Entry{Op: registry.CreateKey, Path: path})
		return
	}
	if p.junk == "" {
		p.junk, p.where = s, p.pos()
	}
	p.emit(registry.Entry{Op: registry.Note, Note: s})
}

// value reads "name    type    data". Names may contain blanks, so the first type that is known is looked for.
func (p *textParser) value(s string) {
	name, typ, data, ok := split(s)
	if !ok {
		p.fail("value", "no type in the line; a string with a line break cannot be read from reg query: "+clip(s))
		return
	}
	e := registry.Entry{Op: registry.Set, Path: p.path, Name: name}
	if slices.Contains(p.DefaultNames, name) {
		e.Name = ""
		if typ == registry.TypeSZ && slices.Contains(p.NotSet, data) {
			return
		}
	}
	v, note, err := p.data(typ, data)
	if err != nil {
		p.fail("data", fmt.Sprintf("%s: %v: %v", name, typ, err))
		return
	}
	e.Value, e.Note = v, note
	p.emit(e)
}

func split(s string) (name string, t registry.Type, data string, ok bool) {
	const gap = "    "
	for from := 0; ; {
		i := strings.Index(s[from:], gap+"REG_")
		if i < 0 {
			return "", 0, "", false
		}
		at := from + i
		word, rest, _ := strings.Cut(s[at+len(gap):], gap)
		if t, ok := registry.ParseType(strings.TrimRight(word, " ")); ok {
			return s[:at], t, rest, true
		}
		from = at + 1
	}
}

func (p *textParser) data(t registry.Type, s string) (v registry.Value, note string, err error) {
	v.Type = t
	switch t {
	case registry.TypeSZ:
		return registry.String(s), "", nil
	case registry.TypeExpandSZ:
		return registry.ExpandString(s), "", nil
	case registry.TypeLink:
		v.Data = registry.AppendUTF16(nil, s)
	case registry.TypeMultiSZ:
		if strings.Contains(s, p.Separator) {
			note = "split at " + p.Separator + ", which may also have been in a string"
		}
		return registry.Strings(strings.Split(s, p.Separator)...), note, nil
	case registry.TypeDWord, registry.TypeDWordBigEndian, registry.TypeQWord:
		digits, ok := strings.CutPrefix(s, "0x")
		if !ok {
			return v, "", fmt.Errorf("%q is no number with 0x", clip(s))
		}
		bits := 32
		if t == registry.TypeQWord {
			bits = 64
		}
		n, err := strconv.ParseUint(digits, 16, bits)
		if err != nil {
			return v, "", fmt.Errorf("%q is no hexadecimal number of %d bits", clip(s), bits)
		}
		return number(t, n), "", nil
	default:
		if v.Data, err = hex.DecodeString(s); err != nil {
			return v, "", fmt.Errorf("%q are no hexadecimal bytes", clip(s))
		}
	}
	return v, note, nil
}

func number(t registry.Type, n uint64) registry.Value {
	v := registry.QWord(n)
	if t != registry.TypeQWord {
		v = registry.DWord(uint32(n))
	}
	if t == registry.TypeDWordBigEndian {
		slices.Reverse(v.Data)
	}
	v.Type = t
	return v
}

func clip(s string) string {
	const n = 60
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// Encode writes entries as reg query prints them, in UTF-8 with CRLF. Everything but CreateKey and Set is left out and
// returned as *registry.LossError, and so are strings that the format cannot hold: with line breaks, or data that does
// not fit its type.
func Encode(w io.Writer, entries iter.Seq[registry.Entry]) error {
	var losses registry.Losses
	var b strings.Builder
	var path registry.Path
	flush := func() error {
		_, err := io.WriteString(w, b.String())
		b.Reset()
		return err
	}
	open := false
	for e := range entries {
		switch {
		case e.Op == registry.Note:
			continue
		case e.Op != registry.Set && e.Op != registry.CreateKey:
			losses.Add(format, e, "it lists values and cannot delete or protect")
			continue
		case e.Path.Hive == 0:
			losses.Add(format, e, "the root of the key is not known")
			continue
		case strings.ContainsAny(e.Path.Key+e.Name, "\r\n\x00"):
			losses.Add(format, e, "a name with a line break or NUL")
			continue
		}
		text, why := "", ""
		if e.Op == registry.Set {
			if text, why = print(e.Value); why != "" {
				losses.Add(format, e, why)
				continue
			}
		}
		if e.Op == registry.CreateKey || !open || !path.Equal(e.Path) {
			path, open = e.Path, true
			fmt.Fprintf(&b, "\r\n%s\r\n", path)
		}
		if e.Op == registry.Set {
			fmt.Fprintf(&b, "    %s    %v    %s\r\n", registry.ValueName(e.Name), e.Value.Type, text)
		}
		if b.Len() > 64<<10 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	b.WriteString("\r\n")
	if err := flush(); err != nil {
		return err
	}
	return losses.Err()
}

func print(v registry.Value) (text, why string) {
	var err error
	switch v.Type {
	case registry.TypeSZ, registry.TypeExpandSZ, registry.TypeLink:
		text, err = v.Text()
	case registry.TypeMultiSZ:
		var list []string
		list, err = v.List()
		text = strings.Join(list, `\0`)
		for _, s := range list {
			if strings.Contains(s, `\0`) {
				return "", `a string with \0, which separates strings`
			}
		}
	case registry.TypeDWord, registry.TypeDWordBigEndian, registry.TypeQWord:
		var n uint64
		n, err = v.Uint()
		text = "0x" + strconv.FormatUint(n, 16)
	default:
		text = strings.ToUpper(hex.EncodeToString(v.Data))
	}
	if err != nil {
		return "", strings.TrimPrefix(err.Error(), "registry: ")
	}
	if strings.ContainsAny(text, "\r\n") {
		return "", "a string with a line break"
	}
	return text, ""
}
