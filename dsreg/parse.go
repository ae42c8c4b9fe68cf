package dsreg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Limits. A real capture has fewer than 200 rows and 20 kB.
const (
	// MaxCapture is the longest single capture in bytes of UTF-8, with the noise around it.
	MaxCapture = 16 << 20
	// MaxRows is the largest number of rows, titles and text runs of one capture.
	MaxRows = 1 << 16
	// MaxCaptures is the largest number of captures that ParseAll returns; Decode has no such limit.
	MaxCaptures = 1 << 14
)

// Errors of Parse, ParseAll and Decode. Test for them with errors.Is.
var (
	// ErrNoCapture: nothing in the input is output of dsregcmd. It is never
	// reported as a device that is not joined.
	ErrNoCapture = errors.New("no dsregcmd output found")
	// ErrTooLarge: one capture exceeds MaxCapture or MaxRows, or there are more than MaxCaptures.
	ErrTooLarge = errors.New("input too large")
)

// An InputError says where and why an input could not be read. It wraps
// ErrNoCapture, ErrTooLarge or the error of the reader, and holds none of the input's text.
type InputError struct {
	Line   int   // line of the input, from 1; 0 if it has no line
	Offset int64 // bytes of decoded text before that line
	Reason string
	Err    error
}

// Error returns "dsreg: line n: reason".
func (e *InputError) Error() string {
	msg := e.Err.Error()
	if e.Reason != "" {
		msg += ": " + e.Reason
	}
	if e.Line > 0 {
		return fmt.Sprintf("dsreg: line %d: %s", e.Line, msg)
	}
	return "dsreg: " + msg
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

// Parse reads the first capture of r. It stops reading when a second one is
// certain; Status.Several then tells that there are more, which ParseAll and
// Decode return. Parse accepts what people paste: UTF-8, UTF-16, ANSI and OEM bytes, any line
// ends, prompts, HTML, Markdown, quoting, lost indentation, wrapped values,
// fragments and truncated output. It fails only if r fails, a limit is
// exceeded, or nothing in r is output of dsregcmd.
func Parse(r io.Reader) (*Status, error) {
	for st, err := range Decode(r) {
		return st, err
	}
	return nil, &InputError{Err: ErrNoCapture} // not reached: Decode yields a status or an error
}

// ParseString is Parse for text in memory. The Status shares the memory of s.
func ParseString(s string) (*Status, error) {
	if enc, _, skip := sniff([]byte(s[:min(len(s), sniffSize)])); enc != UTF8 || !utf8.ValidString(s) || len(s) > chunkSize {
		return Parse(strings.NewReader(s))
	} else if skip > 0 {
		s = s[skip:]
	}
	d := decoder{enc: UTF8}
	list, _, err := d.segment(s, true)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, noCapture(s, "")
	}
	list[0].Several = len(list) > 1
	list[0].derive(labels())
	return list[0], nil
}

// ParseAll reads every capture of r, up to MaxCaptures. Use Decode for more.
func ParseAll(r io.Reader) ([]*Status, error) {
	var all []*Status
	for st, err := range Decode(r) {
		if err != nil {
			return all, err
		}
		if len(all) == MaxCaptures {
			return all, &InputError{Line: st.Source.FirstLine, Err: ErrTooLarge, Reason: fmt.Sprintf("more than %d captures", MaxCaptures)}
		}
		all = append(all, st)
	}
	return all, nil
}

// chunkSize is how much text is read before captures are cut out of it. A
// capture shares the memory of its chunk.
const chunkSize = 192 << 10

// Decode iterates the captures of r in memory bounded by MaxCapture. After an
// error, which comes with a nil Status, there is nothing more.
func Decode(r io.Reader) iter.Seq2[*Status, error] {
	return func(yield func(*Status, error) bool) {
		text, buf, enc, binary, err := openText(r)
		if err != nil {
			yield(nil, &InputError{Reason: "reading", Err: err})
			return
		}
		d := decoder{enc: enc}
		var held *Status // one behind, so that Several is right for the first capture too
		give := func(list []*Status) bool {
			for _, st := range list {
				if held != nil {
					held.Several = true
					st.Several = true
					if !yield(held, nil) {
						return false
					}
				}
				held = st
			}
			return true
		}
		// The rows of one segment become typed while the next one is read.
		var before []*Status
		var typed sync.WaitGroup
		defer typed.Wait()
		want, eof := chunkSize, false
		for !eof {
			for len(buf) < want && !eof {
				if len(buf) == cap(buf) {
					buf = slices.Grow(buf, min(max(len(buf), 8<<10), want-len(buf)))
				}
				n, err := text.Read(buf[len(buf):min(want, cap(buf))])
				buf = buf[:len(buf)+n]
				if errors.Is(err, io.EOF) {
					eof = true
				} else if err != nil {
					typed.Wait()
					if give(before) && (held == nil || yield(held, nil)) {
						yield(nil, &InputError{Line: d.line, Offset: d.offset, Reason: "reading", Err: err})
					}
					return
				}
			}
			end := len(buf)
			if !eof {
				// Only whole lines, so that neither a line nor a rune is cut. CR alone ends a line too.
				end = max(bytes.LastIndexByte(buf, '\n'), lastCR(buf)) + 1
			}
			list, used, err := d.segment(string(buf[:end]), eof)
			typed.Wait()
			if !give(before) {
				return
			}
			if before = nil; held == nil || eof || err != nil {
				typeRows(list)
				if !give(list) {
					return
				}
			} else {
				before = list
				typed.Go(func() { typeRows(list) })
			}
			if err != nil {
				if held == nil || yield(held, nil) {
					yield(nil, err)
				}
				return
			}
			if eof && held == nil {
				yield(nil, noCapture(string(buf), binary))
				return
			}
			buf = buf[:copy(buf, buf[used:])]
			switch {
			case used > 0:
				want = max(chunkSize, len(buf)+chunkSize)
			case len(buf) >= MaxCapture:
				if held == nil || yield(held, nil) {
					yield(nil, &InputError{Line: d.line + 1, Offset: d.offset, Err: ErrTooLarge, Reason: fmt.Sprintf("no capture ends within %d MB", MaxCapture>>20)})
				}
				return
			default:
				want = min(2*max(want, len(buf)), MaxCapture) // doubled, so that text read again stays linear in the input
			}
		}
		yield(held, nil)
	}
}

// lastCR finds a carriage return that ends a line by itself: not the last
// byte, which may be half of CRLF.
func lastCR(b []byte) int {
	for i := len(b) - 2; i >= 0 && i > len(b)-4096; i-- {
		if b[i] == '\r' && b[i+1] != '\n' {
			return i
		}
	}
	return -1
}

func noCapture(s, binary string) error {
	e := &InputError{Err: ErrNoCapture}
	switch {
	case binary != "":
		e.Reason = "the input is " + binary
	case strings.TrimSpace(s) == "":
		e.Reason = "the input is empty"
	case strings.IndexByte(s, 0) >= 0:
		e.Reason = "the input is not text"
	default:
		e.Reason = "no row or title of its output in the text"
	}
	return e
}

// A decoder cuts captures out of consecutive segments of one input.
type decoder struct {
	enc    Encoding
	line   int   // lines before the next segment
	offset int64 // bytes before the next segment
	count  int   // captures found
}

// typeRows fills the typed model of captures that segment returned.
func typeRows(list []*Status) {
	for _, st := range list {
		st.derive(labels())
	}
}

// segment parses s and returns the captures that are complete, still without
// their typed rows, and how many bytes of s they take. Without last the final capture is kept back, because
// it may go on in the next segment.
func (d *decoder) segment(s string, last bool) ([]*Status, int, error) {
	text, enc, ascii := s, d.enc, isASCII(s)
	if !ascii && !utf8.ValidString(s) {
		// Lines stay lines, so the numbers hold; offsets are those of the repaired text.
		text, enc = repairBytes(s)
	}
	p := parser{labels: labels(), enc: enc, line: d.line, html: looksHTML(text)}
	p.ascii = ascii && !p.html
	p.run(text)
	if p.err != nil {
		p.err.Offset += d.offset
		p.number(d.count)
		return p.done, len(s), p.err
	}
	if last {
		p.finish()
		p.number(d.count)
		return p.done, len(s), nil
	}
	// Cut before the last capture, or before an earlier one if the text of
	// several stands on one line.
	k := len(p.done)
	for k > 0 && !p.starts[k].clean {
		k--
	}
	if k == 0 {
		return nil, 0, nil
	}
	p.done = p.done[:k]
	p.number(d.count)
	d.count += k
	keep := p.starts[k].offset
	if text != s {
		// The repaired text is longer: find the same line in the original.
		keep = lineOffset(s, p.starts[k].line-1-d.line)
	}
	d.line = p.starts[k].line - 1
	d.offset += int64(keep)
	return p.done, keep, nil
}

func (p *parser) number(before int) {
	for i, st := range p.done {
		st.Index = before + i + 1
	}
}

// lineOffset returns the offset of line n (from 0) of s.
func lineOffset(s string, n int) int {
	sc := newLines(s)
	for ; n > 0 && sc.more(); n-- {
		sc.cut()
	}
	return sc.pos
}

// lines cuts text at LF, CRLF and CR. It remembers where the next LF and CR
// are, so that text without one of them is searched once, not once per line.
type lines struct {
	s       string
	pos     int
	lf, cr  int
	noBreak bool // the last line cut had no line end
}

func newLines(s string) lines {
	l := lines{s: s}
	l.lf, l.cr = l.find('\n'), l.find('\r')
	return l
}

func (l *lines) find(c byte) int {
	if i := strings.IndexByte(l.s[l.pos:], c); i >= 0 {
		return l.pos + i
	}
	return len(l.s)
}

func (l *lines) more() bool { return l.pos < len(l.s) }

func (l *lines) cut() string {
	end := min(l.lf, l.cr)
	line := l.s[l.pos:end]
	switch {
	case end == len(l.s):
		l.pos, l.noBreak = end, true
		return line
	case l.cr == end && l.lf == end+1 && l.lf < len(l.s):
		l.pos = end + 2
	default:
		l.pos = end + 1
	}
	if l.lf < l.pos {
		l.lf = l.find('\n')
	}
	if l.cr < l.pos {
		l.cr = l.find('\r')
	}
	return line
}
