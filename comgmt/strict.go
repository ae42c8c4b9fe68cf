package comgmt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.internal/hybridkit/comgmt/internal/text"
)

// An InputError is a plan or device document that cannot be used. It says where.
type InputError struct {
	Path string // "workloads.compliance.slider", "[3].join"; empty for the document as a whole
	Line int    // from 1
	Err  error
}

// Error returns "line 4: workloads.compliance.slider: …".
func (e *InputError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("line %d: %s: %v", e.Line, e.Path, e.Err)
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

// Errors of [DecodePlan] and [DecodeDevices] that a program may want to tell apart.
var (
	ErrUnknownMember   = errors.New("unknown member")
	ErrDuplicateMember = errors.New("member given twice")
)

// strict reads JSON member by member so that an error can say where it is.
type strict struct {
	dec   *json.Decoder
	lines *lineCounter
}

func newStrict(r io.Reader) *strict {
	lines := &lineCounter{r: text.NewReader(r)}
	return &strict{dec: json.NewDecoder(lines), lines: lines}
}

func (s *strict) fail(path string, err error) error {
	var at *InputError
	if errors.As(err, &at) {
		return err
	}
	offset := s.dec.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &InputError{Path: path, Line: s.lines.line(offset), Err: err}
}

// value decodes the next value into v.
func (s *strict) value(path string, v any) error {
	if err := s.dec.Decode(v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			err = fmt.Errorf("%s where %v is expected", wrong.Value, wrong.Type.Kind())
		}
		return s.fail(path, err)
	}
	return nil
}

// object reads an object, or null for an empty one. member is called with each name and reads its value; it
// returns ErrUnknownMember for a name it does not have.
func (s *strict) object(path string, member func(path, name string) error) error {
	t, err := s.dec.Token()
	if err != nil {
		return s.fail(path, err)
	}
	if t == nil {
		return nil
	}
	if t != json.Delim('{') {
		return s.fail(path, fmt.Errorf("want an object"))
	}
	var seen []string
	for s.dec.More() {
		t, err := s.dec.Token()
		if err != nil {
			return s.fail(path, err)
		}
		name, _ := t.(string)
		at := name
		if path != "" {
			at = path + "." + name
		}
		if slices.Contains(seen, name) {
			return s.fail(clip(at), ErrDuplicateMember)
		}
		seen = append(seen, name)
		if err := member(at, name); err != nil {
			return s.fail(clip(at), err)
		}
	}
	if _, err := s.dec.Token(); err != nil {
		return s.fail(path, err)
	}
	return nil
}

// end checks that nothing follows.
func (s *strict) end() error {
	if _, err := s.dec.Token(); err == io.EOF {
		return nil
	} else if err != nil {
		return s.fail("", err)
	}
	return s.fail("", errors.New("more follows after the end"))
}

// A lineCounter remembers where lines begin in what was read ahead of the decoder.
type lineCounter struct {
	r      io.Reader
	read   int64
	before int     // newlines before the first of breaks
	breaks []int64 // offsets of newlines not yet forgotten
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

func (l *lineCounter) line(offset int64) int {
	i, _ := slices.BinarySearch(l.breaks, offset)
	return l.before + i + 1
}

// forget drops lines before offset, so that a long document needs little memory.
func (l *lineCounter) forget(offset int64) {
	i, _ := slices.BinarySearch(l.breaks, offset)
	l.before += i
	l.breaks = append(l.breaks[:0], l.breaks[i:]...)
}
