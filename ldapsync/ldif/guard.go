package ldif

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"go.internal/hybridkit/ldapsync"
)

// record is what the guard knows of an entry that it passed on.
type record struct {
	lines      []line
	unreadable []string
}

// line is a logical line: unfolded, with the number of its first physical line.
type line struct {
	no   int
	text string
}

// dn is the text of the DN for messages, as it stands there if it cannot be decoded.
func (r record) dn() string {
	if len(r.lines) == 0 {
		return ""
	}
	_, text, _ := strings.Cut(r.lines[0].text, ":")
	if encoded, ok := strings.CutPrefix(text, ":"); ok {
		if b, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " ")); err == nil {
			return string(b)
		}
	}
	return strings.TrimLeft(text, " ")
}

// guard stands between a file and the parser. It bounds sizes, refuses what the parser would do beyond parsing,
// and hands over one entry at a time, unfolded, while remembering where its lines were.
type guard struct {
	cfg     Config
	in      *bufio.Reader
	limit   *io.LimitedReader
	no      int // of the last physical line
	pending []record
	out     strings.Reader
	err     error
	first   bool
}

func newGuard(r io.Reader, cfg Config) *guard {
	limit := &io.LimitedReader{R: r, N: cfg.MaxBytes + 1}
	decoded := transform.NewReader(limit, unicode.BOMOverride(encoding.Nop.NewDecoder()))
	return &guard{cfg: cfg, in: bufio.NewReaderSize(decoded, 64<<10), limit: limit, first: true}
}

// Read gives the parser the text of the next entry.
func (g *guard) Read(p []byte) (int, error) {
	for g.out.Len() == 0 {
		if g.err != nil {
			return 0, g.err
		}
		rec, err := g.record()
		if err != nil {
			g.err = err
			continue
		}
		var b strings.Builder
		for _, l := range rec.lines {
			b.WriteString(l.text)
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
		g.pending = append(g.pending, rec)
		g.out.Reset(b.String())
	}
	return g.out.Read(p)
}

// physical reads one line without its end. io.EOF comes with no text.
func (g *guard) physical() (string, error) {
	var b []byte
	for {
		part, err := g.in.ReadSlice('\n')
		b = append(b, part...)
		switch {
		case g.limit.N <= 0:
			return "", &Error{Line: g.no + 1, Reason: fmt.Sprintf("the file is larger than %d bytes", g.cfg.MaxBytes)}
		case len(b) > g.cfg.MaxRecord:
			return "", &Error{Line: g.no + 1, Reason: fmt.Sprintf("a line is longer than %d bytes", g.cfg.MaxRecord)}
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(b) == 0:
			return "", io.EOF
		case errors.Is(err, io.EOF):
			return "", &Error{Line: g.no + 1, Err: ldapsync.ErrPartial, Reason: "the file is cut off in the middle of this line; export it again"}
		case err != nil:
			return "", &Error{Line: g.no + 1, Reason: "the file cannot be read: " + reasonOf(err), Err: err}
		}
		g.no++
		text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
		if !utf8.ValidString(text) {
			return "", &Error{Line: g.no, Reason: "the text is not UTF-8; export with ldifde -u, or in base64"}
		}
		if strings.ContainsRune(text, 0) {
			return "", &Error{Line: g.no, Reason: "the line has a NUL character; this is not LDIF, or UTF-16 without a byte order mark"}
		}
		return text, nil
	}
}

// record reads the next entry. Records that are not entries are dealt with here.
func (g *guard) record() (record, error) {
	for {
		rec, err := g.logical()
		if err != nil {
			return record{}, err
		}
		if g.first && strings.HasPrefix(rec.lines[0].text, "version:") {
			if v := strings.TrimSpace(rec.lines[0].text[len("version:"):]); v != "1" {
				return record{}, &Error{Line: rec.lines[0].no, Reason: fmt.Sprintf("LDIF version %.10q is not 1", v)}
			}
			rec.lines = rec.lines[1:]
		}
		g.first = false
		if len(rec.lines) == 0 {
			continue
		}
		head := rec.lines[0]
		switch name, value, _ := strings.Cut(head.text, ":"); strings.ToLower(name) {
		case "dn":
			rec.lines[0].text = "dn" + head.text[2:]
		case "ref", "search", "result":
			// What ldapsearch prints beside entries: continuation references, and how the search ended.
			for _, l := range rec.lines {
				if v, ok := strings.CutPrefix(l.text, "result: "); ok && !strings.HasPrefix(v, "0 ") {
					return record{}, &Error{Line: l.no, Err: ldapsync.ErrPartial, Reason: fmt.Sprintf("the search behind this export failed: %.80s; export it again", v)}
				}
			}
			continue
		default:
			return record{}, &Error{Line: head.no, Reason: fmt.Sprintf("an entry begins with %.40q, not with \"dn:\"", name+":"+value)}
		}
		if err := g.check(&rec); err != nil {
			return record{}, err
		}
		return rec, nil
	}
}

// logical reads the logical lines up to a blank line.
func (g *guard) logical() (record, error) {
	var rec record
	size := 0
	inComment := false
	var folded []byte // the last logical line so far, once it has continuation lines
	unfold := func() {
		if folded != nil {
			rec.lines[len(rec.lines)-1].text = string(folded)
			folded = nil
		}
	}
	for {
		text, err := g.physical()
		if errors.Is(err, io.EOF) && len(rec.lines) > 0 {
			unfold()
			return rec, nil
		}
		if err != nil {
			if e, ok := errors.AsType[*Error](err); ok && e.DN == "" {
				e.DN = rec.dn()
			}
			return record{}, err
		}
		if size += len(text) + 1; size > g.cfg.MaxRecord || len(rec.lines) > maxLines {
			return record{}, &Error{Line: g.no, DN: rec.dn(), Reason: fmt.Sprintf("the entry is larger than %d bytes or %d lines", g.cfg.MaxRecord, maxLines)}
		}
		switch {
		case text == "" && len(rec.lines) > 0:
			unfold()
			return rec, nil
		case text == "":
			inComment, size = false, 0
		case text[0] == '#':
			inComment = true
			if name, ok := strings.CutSuffix(strings.TrimSpace(text[1:]), ": unreadable"); ok && len(rec.lines) > 0 && !strings.ContainsAny(name, " :;") {
				rec.unreadable = append(rec.unreadable, name)
			}
		case text[0] == ' ' && inComment:
		case text[0] == ' ' && len(rec.lines) == 0:
			return record{}, &Error{Line: g.no, Reason: "a continuation line continues nothing"}
		case text[0] == ' ':
			if folded == nil {
				folded = []byte(rec.lines[len(rec.lines)-1].text)
			}
			folded = append(folded, text[1:]...)
		default:
			inComment = false
			unfold()
			rec.lines = append(rec.lines, line{g.no, text})
		}
	}
}

// check refuses what the parser must not see, and rewrites what it does not know: values that are empty, and
// ranges of values.
func (g *guard) check(rec *record) error {
	bad := func(l line, format string, args ...any) error {
		return &Error{Line: l.no, DN: rec.dn(), Reason: fmt.Sprintf(format, args...)}
	}
	kept := rec.lines[:0:len(rec.lines)]
	for i, l := range rec.lines {
		name, value, ok := strings.Cut(l.text, ":")
		switch {
		case !ok:
			return bad(l, "%.40q has no colon after an attribute name", l.text)
		case strings.HasPrefix(value, "<"):
			return bad(l, "the value of %.40s is in another file, which is not opened; export the value itself", name)
		case i == 1 && strings.EqualFold(name, "changetype"):
			if v := strings.TrimSpace(value); !strings.EqualFold(v, "add") {
				return bad(l, "the entry is a change (%.20s), not part of an export", v)
			}
			continue // what ldifde writes in exports
		case i == 1 && strings.EqualFold(name, "control"):
			return bad(l, "the entry has a control; it is a change, not part of an export")
		case value == "" || strings.TrimLeft(value, " ") == "":
			l.text = name + ":: "
			value = ": "
		}
		if at := strings.Index(strings.ToLower(name), ";range="); at >= 0 {
			// The parser knows no "=" in names. Only the range from the first to the last value is all of them.
			if name[at+len(";range="):] != "0-*" {
				base, _, _ := strings.Cut(name, ";") // the values of all spellings come together
				rec.unreadable = append(rec.unreadable, base)
			}
			l.text = name[:at] + ":" + value
		}
		kept = append(kept, l)
	}
	rec.lines = kept
	if len(rec.lines) == 1 {
		return bad(rec.lines[0], "the entry has no attributes; is the file cut off?")
	}
	return nil
}
