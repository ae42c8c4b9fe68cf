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
	"errors"
	"fmt"
	"io"
	"iter"
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
