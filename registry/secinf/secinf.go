// Package secinf reads and writes the registry values of security templates: the section [Registry Values] of
// Machine\Microsoft\Windows NT\SecEdit\GptTmpl.inf in a Group Policy Object, and of the files secedit exports. They are a
// way for values to reach a machine that is easily forgotten: the security extension applies them beside
// Registry.pol.
//
//	for entry, err := range secinf.Decode(file) { … }
//	doc, err := secinf.Parse(data)   // the whole file; doc.Bytes() gives it back
//
// A line is MACHINE\key\name=type,data with the type number of winnt.h. Types 1 (REG_SZ), 2, 3 (bytes in
// hexadecimal, separated by commas), 4 (REG_DWORD in decimal) and 7 (a list separated by commas) occur. Strings
// are quoted; "" inside quotes is a quotation mark. A key MACHINE is HKEY_LOCAL_MACHINE; USERS, CURRENT_USER and
// CLASSES_ROOT name the others.
//
// The other sections of a template (account policies, user rights, services) are kept but not interpreted.
// String substitution (%name%) and line continuation of INF files do not occur in templates and are not done.
//
// Sources: [MS-GPSB], section on Registry Values, for the form; files written by Windows for the encoding (UTF-16LE with
// BOM) and for details.
package secinf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
)

// MaxBytes is the longest file a Decoder reads if it does not say otherwise.
const MaxBytes = 64 << 20

const section = "[Registry Values]"

// ErrNotTemplate is wrapped by the error for a file that has no section of an INF file.
var ErrNotTemplate = errors.New("not a security template")

// A Decoder turns the registry values of a template into entries, all of them Set. The zero Decoder is strict.
type Decoder struct {
	Tolerant bool  // go on after a line that cannot be understood
	MaxBytes int64 // longest input; 0 is the constant MaxBytes
	// CodePage is used for lines of an 8-bit file that are not UTF-8, which secedit /export of an old Windows may
	// write. With nil such a line is an error, because nothing in the file says which code page it is.
	CodePage codepage.Page
}

// Decode reads a template with the zero Decoder.
func Decode(r io.Reader) iter.Seq2[registry.Entry, error] { return Decoder{}.Decode(r) }

// Decode reads a template, in UTF-16LE with BOM, UTF-8, or an 8-bit code page (see CodePage), and yields a Set per line of [Registry Values] with its line number. Errors are *registry.SyntaxError. A
// template without the section yields nothing.
func (d Decoder) Decode(r io.Reader) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		limit := d.MaxBytes
		if limit <= 0 {
			limit = MaxBytes
		}
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		if err == nil && int64(len(data)) > limit {
			err = fmt.Errorf("more than %d bytes", limit)
		}
		if err != nil {
			yield(registry.Entry{}, &registry.SyntaxError{Format: "inf", Msg: "reading", Err: err})
			return
		}
		doc, err := Parse(data)
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		in := false
		for i, line := range doc.Lines {
			text := strings.TrimSpace(line.Text)
			switch {
			case text == "" || text[0] == ';':
			case text[0] == '[':
				in = isSection(text)
			case in:
				var e registry.Entry
				var err error
				if doc.UTF16 || utf8.ValidString(text) {
					e, err = ParseLine(text)
				} else if d.CodePage != nil {
					e, err = ParseLine(string(d.CodePage.Append(nil, []byte(text))))
				} else {
					err = errors.New("not UTF-8, and no code page is given")
				}
				e.Pos = registry.Pos{Line: i + 1, Offset: line.Offset}
				if err != nil {
					e, err = registry.Entry{}, &registry.SyntaxError{Format: "inf", Pos: e.Pos, Msg: err.Error()}
				}
				if !yield(e, err) || err != nil && !d.Tolerant {
					return
				}
			}
		}
	}
}

func isSection(text string) bool {
	name, _, ok := strings.Cut(text[1:], "]")
	return ok && strings.EqualFold(strings.TrimSpace(name), section[1:len(section)-1])
}

// A Line is one line of a file: its text and the line end that follows ("\r\n", "\n", "\r" or nothing at the end).
type Line struct {
	Text, End string
	Offset    int64 // of the line in the file, in bytes
}

// A Document is a template as a list of lines. Bytes gives back what was parsed.
type Document struct {
	Lines []Line
	UTF16 bool // UTF-16LE with BOM, which Windows writes
	bom8  bool
	odd   []byte // a half code unit at the end
}

// Sniff reports whether data is a security template: UTF-16 or 8-bit text with one of the sections only they have.
func Sniff(data []byte) bool {
	doc := split(data[:min(len(data), 64<<10)&^1])
	for _, l := range doc.Lines {
		text := strings.TrimSpace(l.Text)
		for _, s := range []string{"[Unicode]", section, "[System Access]", "[Privilege Rights]"} {
			if strings.EqualFold(text, s) {
				return true
			}
		}
		if text != "" && text[0] != ';' && text[0] != '[' && !strings.Contains(text, "=") {
			return false
		}
	}
	return false
}

// Parse splits data into lines. The error wraps ErrNotTemplate for a file without any section.
func Parse(data []byte) (*Document, error) {
	doc := split(data)
	for i, l := range doc.Lines {
		text := strings.TrimSpace(l.Text)
		if text == "" || text[0] == ';' {
			continue
		}
		if text[0] == '[' && strings.Contains(text, "]") {
			return doc, nil
		}
		return nil, &registry.SyntaxError{Format: "inf", Pos: registry.Pos{Line: i + 1, Offset: l.Offset},
			Msg: "no section header before the first line", Err: ErrNotTemplate}
	}
	return nil, &registry.SyntaxError{Format: "inf", Pos: registry.Pos{Line: max(len(doc.Lines), 1)}, Msg: "no section", Err: ErrNotTemplate}
}

var bom16, bom8 = []byte{0xFF, 0xFE}, []byte{0xEF, 0xBB, 0xBF}

func split(data []byte) *Document {
	doc := &Document{UTF16: bytes.HasPrefix(data, bom16), bom8: bytes.HasPrefix(data, bom8)}
	var text string
	at, width := int64(0), int64(1)
	switch {
	case doc.UTF16:
		doc.odd = bytes.Clone(data[len(data)&^1:])
		text, at, width = registry.FromUTF16(data[2:]), 2, 2
	case doc.bom8:
		text, at = string(data[3:]), 3
	default:
		text = string(data)
	}
	for text != "" {
		i := strings.IndexAny(text, "\r\n")
		end := ""
		switch {
		case i < 0:
			i = len(text)
		case strings.HasPrefix(text[i:], "\r\n"):
			end = "\r\n"
		default:
			end = text[i : i+1]
		}
		doc.Lines = append(doc.Lines, Line{text[:i], end, at})
		n := int64(i + len(end))
		if width == 2 {
			n = int64(len(registry.AppendUTF16(nil, text[:i+len(end)])))
		}
		at += n
		text = text[i+len(end):]
	}
	return doc
}

// Bytes returns the file.
func (d *Document) Bytes() []byte {
	var s strings.Builder
	for _, l := range d.Lines {
		s.WriteString(l.Text)
		s.WriteString(l.End)
	}
	switch {
	case d.UTF16:
		return append(registry.AppendUTF16(bytes.Clone(bom16), s.String()), d.odd...)
	case d.bom8:
		return append(bytes.Clone(bom8), s.String()...)
	}
	return []byte(s.String())
}

// roots are the names templates use for the root keys.
var roots = [...]struct {
	name string
	hive registry.Hive
}{{"MACHINE", registry.LocalMachine}, {"CURRENT_USER", registry.CurrentUser}, {"USERS", registry.Users}, {"CLASSES_ROOT", registry.ClassesRoot}}

// ParseLine reads one line of the section without its line end. The error says what is wrong with it, without a place.
func ParseLine(line string) (registry.Entry, error) {
	name, data, ok := cutUnquoted(line, '=')
	if !ok {
		return registry.Entry{}, errors.New("no equal sign")
	}
	name = strings.TrimSpace(name)
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		name = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	root, key, _ := strings.Cut(name, `\`)
	e := registry.Entry{Op: registry.Set}
	for _, r := range roots {
		if strings.EqualFold(r.name, root) {
			e.Path.Hive = r.hive
		}
	}
	i := strings.LastIndexByte(key, '\\')
	switch {
	case e.Path.Hive == 0:
		return registry.Entry{}, fmt.Errorf("no root key %.40q", root)
	case i <= 0:
		return registry.Entry{}, fmt.Errorf("no key and value name in %.80q", name)
	}
	e.Path, e.Name = registry.Path{Hive: e.Path.Hive}.Join(key[:i]), key[i+1:]
	fields, err := splitFields(data)
	if err != nil {
		return registry.Entry{}, err
	}
	typ, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return registry.Entry{}, fmt.Errorf("value type %.40q", fields[0])
	}
	e.Value, err = value(registry.Type(typ), fields[1:])
	return e, err
}

func value(t registry.Type, fields []string) (registry.Value, error) {
	switch t {
	case registry.TypeSZ, registry.TypeExpandSZ:
		if len(fields) != 1 {
			return registry.Value{}, fmt.Errorf("%d fields for a string", len(fields))
		}
		v := registry.String(fields[0])
		v.Type = t
		return v, nil
	case registry.TypeBinary:
		var b []byte
		for _, f := range fields {
			n, err := strconv.ParseUint(f, 16, 8)
			if err != nil && !(len(fields) == 1 && f == "") {
				return registry.Value{}, fmt.Errorf("byte %.40q", f)
			}
			if err == nil {
				b = append(b, byte(n))
			}
		}
		return registry.Binary(b), nil
	case registry.TypeDWord:
		if len(fields) == 1 {
			if n, err := strconv.ParseUint(fields[0], 10, 32); err == nil {
				return registry.DWord(uint32(n)), nil
			}
			if n, err := strconv.ParseInt(fields[0], 10, 32); err == nil {
				return registry.DWord(uint32(n)), nil // written signed
			}
			if s, ok := strings.CutPrefix(strings.ToLower(fields[0]), "0x"); ok {
				if n, err := strconv.ParseUint(s, 16, 32); err == nil {
					return registry.DWord(uint32(n)), nil
				}
			}
		}
		return registry.Value{}, fmt.Errorf("number %.40q", strings.Join(fields, ","))
	case registry.TypeMultiSZ:
		return registry.Strings(fields...), nil
	}
	return registry.Value{}, fmt.Errorf("value type %d is not one of 1, 2, 3, 4 and 7", uint32(t))
}

// cutUnquoted is strings.Cut for a separator outside of quotation marks.
func cutUnquoted(s string, sep byte) (before, after string, ok bool) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// splitFields splits at commas outside of quotation marks, which may stand anywhere in a field, and ends at a
// comment. Blanks around unquoted text do not count.
func splitFields(s string) ([]string, error) {
	var fields []string
	var b strings.Builder
	quoted, wasQuoted := false, false
	end := func() {
		f := b.String()
		if !wasQuoted {
			f = strings.TrimSpace(f)
		}
		fields = append(fields, f)
		b.Reset()
		wasQuoted = false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			if !quoted && strings.TrimSpace(b.String()) == "" {
				b.Reset()
			}
			quoted, wasQuoted = !quoted, true
		case quoted:
			b.WriteByte(c)
		case c == ',':
			end()
		case c == ';':
			i = len(s)
		case wasQuoted && (c == ' ' || c == '\t'):
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New("a quotation mark is not closed")
	}
	end()
	return fields, nil
}

// FormatLine is the inverse of ParseLine. It returns why for entries that a template cannot hold.
func FormatLine(e registry.Entry) (line, why string) {
	root := ""
	for _, r := range roots {
		if r.hive == e.Path.Hive {
			root = r.name
		}
	}
	switch {
	case e.Op != registry.Set:
		return "", "a template only sets values"
	case root == "" || e.Path.Key == "":
		return "", "a line needs a root key and a key below it"
	case strings.ContainsAny(e.Path.Key+e.Name, "\r\n\x00") || strings.Contains(e.Name, `\`):
		return "", "the name does not fit on a line"
	case e.Name == "":
		return "", "a line needs a value name"
	}
	name := root + `\` + e.Path.Key + `\` + e.Name
	if strings.ContainsAny(name, `"=;,`) || strings.TrimSpace(name) != name {
		name = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	fields := []string{strconv.Itoa(int(e.Value.Type))}
	switch e.Value.Type {
	case registry.TypeSZ, registry.TypeExpandSZ:
		s, err := e.Value.Text()
		if err != nil {
			return "", err.Error()
		}
		fields = append(fields, `"`+strings.ReplaceAll(s, `"`, `""`)+`"`)
	case registry.TypeMultiSZ:
		list, err := e.Value.List()
		if err != nil {
			return "", err.Error()
		}
		for _, s := range list {
			if strings.ContainsAny(s, "\",; \t") {
				s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
			}
			fields = append(fields, s)
		}
		if len(list) == 0 {
			fields = append(fields, "")
		}
	case registry.TypeDWord:
		n, err := e.Value.Uint()
		if err != nil {
			return "", err.Error()
		}
		fields = append(fields, strconv.FormatUint(n, 10))
	case registry.TypeBinary:
		for _, b := range e.Value.Data {
			fields = append(fields, hex.EncodeToString([]byte{b}))
		}
		if len(e.Value.Data) == 0 {
			fields = append(fields, "")
		}
	default:
		return "", "a template has only REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD and REG_MULTI_SZ"
	}
	line = name + "=" + strings.Join(fields, ",")
	if strings.ContainsAny(line, "\r\n") {
		return "", "text with a line break does not fit on a line"
	}
	return line, ""
}

// Encode writes a template that sets values and nothing else, in UTF-16LE with BOM and CRLF, as Windows does. A
// CreateKey before values of the key is covered by them; everything else a template cannot hold is left out and
// reported as *registry.LossError.
func Encode(w io.Writer, entries iter.Seq[registry.Entry]) error {
	doc := &Document{UTF16: true}
	add := func(s string) { doc.Lines = append(doc.Lines, Line{Text: s, End: "\r\n"}) }
	add("[Unicode]")
	add("Unicode=yes")
	add(section)
	var losses registry.Losses
	var keys []registry.Entry
	valued := map[registry.Path]bool{}
	for e := range entries {
		if e.Op == registry.CreateKey {
			keys = append(keys, e)
			continue
		}
		line, why := FormatLine(e)
		if why != "" {
			losses.Add("inf", e, why)
			continue
		}
		for p := e.Path; p.Key != ""; p = p.Parent() {
			valued[p.Fold()] = true
		}
		add(line)
	}
	for _, e := range keys {
		if !valued[e.Path.Fold()] && e.Path.Key != "" {
			losses.Add("inf", e, "a template only sets values")
		}
	}
	add("[Version]")
	add(`signature="$CHICAGO$"`)
	add("Revision=1")
	if _, err := w.Write(doc.Bytes()); err != nil {
		return err
	}
	return losses.Err()
}
