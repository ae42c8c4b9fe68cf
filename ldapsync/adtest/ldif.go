package adtest

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Bounds of an LDIF file.
const (
	maxLDIFValue = 16 << 20 // bytes of one unfolded line
	maxLDIFEntry = 64 << 20 // bytes of one record
)

// An LDIFError says where an LDIF file is wrong.
type LDIFError struct {
	Line int    // from 1
	DN   string // of the record, where it is known
	Err  error  // an *Error if the directory refused the entry
}

// Error returns line, name and cause.
func (e *LDIFError) Error() string {
	s := fmt.Sprintf("adtest: LDIF line %d", e.Line)
	if e.DN != "" {
		s += " (" + quote(e.DN) + ")"
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LDIFError) Unwrap() error { return e.Err }

// ldifRecord is one LDIF content record. Names and values share the bytes of their lines, which
// keeps a file of 100,000 entries small until they are placed.
type ldifRecord struct {
	line  int
	dn    string
	pairs []ldifPair
}

type ldifPair struct{ name, value string }

// attrs groups the values by name. Options of a name are dropped, and names compare without case.
func (rec *ldifRecord) attrs() Attrs {
	out := make(Attrs, len(rec.pairs))
	for _, p := range rec.pairs {
		name, _, _ := strings.Cut(p.name, ";")
		if _, ok := out[name]; !ok {
			for k := range out {
				if strings.EqualFold(k, name) {
					name = k
					break
				}
			}
		}
		out[name] = append(out[name], p.value)
	}
	return out
}

// Load adds the records of an LDIF file (RFC 2849) in any order: content records, or changes of
// type add as ldifde writes them. An object that exists already gets the given attributes in place
// of its own. objectGUID and objectSid of new objects are kept; other attributes that the server
// maintains are ignored, as are passwords. Links to objects that are not there are kept as text.
//
// Values by URL (attr:< …) and other changes are refused. A file that is no LDIF loads nothing; the
// first entry that the directory refuses ends the load, and those before it stay. Errors are of
// type *LDIFError.
func (s *Server) Load(r io.Reader) error {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	return s.dir.load(r)
}

// LoadFS loads files one after another.
func (s *Server) LoadFS(fsys fs.FS, names ...string) error {
	for _, name := range names {
		f, err := fsys.Open(name)
		if err != nil {
			return fmt.Errorf("adtest: %w", err)
		}
		err = s.Load(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (d *directory) load(r io.Reader) error {
	records, err := readLDIF(r)
	if err != nil {
		return err
	}
	type placed struct {
		ldifRecord
		depth int
		node  *node
	}
	list := make([]placed, len(records))
	seen := make(map[string]int, len(records))
	for i, rec := range records {
		dn, err := parseDN(rec.dn)
		if err != nil {
			return &LDIFError{rec.line, rec.dn, err}
		}
		key := fold(joinDN(dn))
		if first, twice := seen[key]; twice {
			return &LDIFError{rec.line, rec.dn, fmt.Errorf("the entry is in line %d already", first)}
		}
		seen[key] = rec.line
		list[i] = placed{ldifRecord: rec, depth: len(dn)}
	}
	slices.SortStableFunc(list, func(a, b placed) int { return a.depth - b.depth })
	opt := writeOptions{direct: true, loading: true}
	links := make([]Attrs, len(list)) // set when every object is there
	for i := range list {
		p := &list[i]
		attrs := p.attrs()
		p.pairs = nil
		for name, values := range attrs {
			if t := d.typeOf(name); t != nil && t.link != nil {
				if links[i] == nil {
					links[i] = Attrs{}
				}
				links[i][name] = values
				delete(attrs, name)
			}
		}
		var err *Error
		if p.node, err = d.find(p.dn); err == nil {
			err = d.merge(p.node, attrs, opt)
		} else {
			p.node, err = d.addObject(&system, p.dn, attrs, opt)
		}
		if err != nil {
			return &LDIFError{p.line, p.dn, err}
		}
	}
	for i, p := range list {
		if len(links[i]) == 0 {
			continue
		}
		if err := d.merge(p.node, links[i], opt); err != nil {
			return &LDIFError{p.line, p.dn, err}
		}
	}
	return nil
}

// merge replaces the given attributes of an existing object.
func (d *directory) merge(n *node, attrs Attrs, opt writeOptions) *Error {
	var changes []Change
	for name, values := range attrs {
		t, err := d.typeForWrite(name)
		if err != nil {
			return err
		}
		if t == n.rdnType || t.system || t.constructed || t.back || t.writeOnly || slices.Contains([]string{"objectclass", "objectguid", "objectsid"}, t.lower) {
			continue
		}
		changes = append(changes, Change{ReplaceValues, name, values})
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Attr, b.Attr) })
	if len(changes) == 0 {
		return nil
	}
	return d.modify(&system, n, changes, opt)
}

// readLDIF parses a whole file.
func readLDIF(r io.Reader) ([]ldifRecord, error) {
	l := &ldifReader{r: bufio.NewReaderSize(r, 64<<10)}
	var out []ldifRecord
	for {
		rec, err := l.record(len(out) == 0)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
}

// ldifReader unfolds lines.
type ldifReader struct {
	r    *bufio.Reader
	line int // number of the last physical line read
	peek *string
	size int // of the record so far
}

func (l *ldifReader) fail(line int, dn, format string, args ...any) error {
	return &LDIFError{line, dn, fmt.Errorf(format, args...)}
}

// physical reads one line without its end; ok is false at the end of the file.
func (l *ldifReader) physical() (s string, ok bool, err error) {
	if l.peek != nil {
		s, l.peek = *l.peek, nil
		l.line++
		return s, true, nil
	}
	var b []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if len(b)+len(part) > maxLDIFValue {
			return "", false, l.fail(l.line+1, "", "line longer than %d bytes", maxLDIFValue)
		}
		b = append(b, part...)
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(b) == 0 {
				return "", false, nil
			}
		default:
			return "", false, l.fail(l.line+1, "", "%w", err)
		}
		l.line++
		return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), true, nil
	}
}

// logical reads one unfolded line and the number of its first physical line. Comments are skipped.
func (l *ldifReader) logical() (s string, line int, ok bool, err error) {
	for {
		if s, ok, err = l.physical(); !ok || err != nil {
			return "", 0, false, err
		}
		line = l.line
		if strings.HasPrefix(s, " ") {
			return "", line, false, l.fail(line, "", "continuation line without a line before it")
		}
		var b strings.Builder
		b.WriteString(s)
		for s != "" {
			next, ok, err := l.physical()
			if err != nil {
				return "", line, false, err
			}
			if !ok {
				break
			}
			more, folded := strings.CutPrefix(next, " ")
			if !folded {
				l.peek = &next
				l.line--
				break
			}
			if b.Len()+len(more) > maxLDIFValue {
				return "", line, false, l.fail(line, "", "value longer than %d bytes", maxLDIFValue)
			}
			b.WriteString(more)
		}
		if !strings.HasPrefix(s, "#") {
			return b.String(), line, true, nil
		}
	}
}

// record reads one record; io.EOF at the end.
func (l *ldifReader) record(first bool) (rec ldifRecord, err error) {
	l.size = 0
	for {
		s, line, ok, err := l.logical()
		if err != nil {
			return rec, err
		}
		if !ok {
			if rec.dn == "" {
				return rec, io.EOF
			}
			return rec, nil
		}
		if s == "" {
			if rec.dn == "" {
				continue
			}
			return rec, nil
		}
		if l.size += len(s); l.size > maxLDIFEntry {
			return rec, l.fail(line, rec.dn, "record longer than %d bytes", maxLDIFEntry)
		}
		name, value, err := ldifLine(s)
		if err != nil {
			return rec, l.fail(line, rec.dn, "%w", err)
		}
		switch {
		case rec.dn == "" && first && strings.EqualFold(name, "version"):
			if value != "1" {
				return rec, l.fail(line, "", "version %s is not supported", quote(value))
			}
			first = false
		case rec.dn == "":
			if !strings.EqualFold(name, "dn") {
				return rec, l.fail(line, "", "a record starts with dn, not with %s", quote(name))
			}
			if value == "" {
				return rec, l.fail(line, "", "empty dn")
			}
			rec = ldifRecord{line: line, dn: value}
		case strings.EqualFold(name, "changetype"):
			if !strings.EqualFold(value, "add") {
				return rec, l.fail(line, rec.dn, "changetype %s is not supported, only add", quote(value))
			}
		case strings.EqualFold(name, "control"):
			return rec, l.fail(line, rec.dn, "controls are not supported")
		case strings.EqualFold(name, "dn"):
			return rec, l.fail(line, rec.dn, "a second dn: an empty line is missing before it")
		default:
			rec.pairs = append(rec.pairs, ldifPair{name, value})
		}
	}
}

// ldifLine splits one line into name and value.
func ldifLine(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, ":")
	if !ok || name == "" || name[0] == ';' {
		return "", "", fmt.Errorf("no attribute name and colon in %s", quote(s))
	}
	for _, c := range []byte(name) {
		if !isAlnum(c) && strings.IndexByte("-;.=*", c) < 0 {
			return "", "", fmt.Errorf("%s is no attribute name", quote(name))
		}
	}
	switch {
	case strings.HasPrefix(value, ":"):
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value[1:]))
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", name, err)
		}
		return name, string(b), nil
	case strings.HasPrefix(value, "<"):
		return "", "", fmt.Errorf("%s: values by URL are not read", name)
	}
	return name, strings.TrimLeft(value, " "), nil
}
