package cmlog

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"

	"go.internal/hybridkit/comgmt/internal/text"
)

// DefaultMaxRecord is the length above which a record is cut. The client writes nothing near it.
const DefaultMaxRecord = 1 << 20

// A Reader reads logs. The zero Reader is ready to use.
type Reader struct {
	// MaxRecord is the length in bytes from which a record is cut. Memory stays below a small multiple of it; records
	// that fit into the reading buffer of 128 KiB may be longer. 0: [DefaultMaxRecord].
	MaxRecord int
}

// Read yields the records of r in order with the default limits. See [Reader.Read].
func Read(r io.Reader) iter.Seq2[Record, error] { return Reader{}.Read(r) }

// Read yields the records of r in order. No text is refused: what has no frame becomes plain records, and damage is told in
// Cut and Problem. An error is r's own; it comes last, after what was read before it. The sequence can be
// used once.
func (c Reader) Read(r io.Reader) iter.Seq2[Record, error] {
	limit := c.MaxRecord
	if limit == 0 {
		limit = DefaultMaxRecord
	}
	limit = max(limit, 2*maxTrailer)
	return func(yield func(Record, error) bool) {
		s := &scanner{r: text.NewReader(r), max: limit, line: 1}
		if !s.head(yield) {
			return
		}
		for {
			rec, ok := s.next()
			if !ok {
				break
			}
			if !yield(rec, nil) {
				return
			}
		}
		if s.err != nil {
			yield(Record{}, s.err)
		}
	}
}

// maxTrailer is the greatest length of a frame's attributes.
const maxTrailer = 2 << 10

var (
	frameOpen    = []byte("<![LOG[")
	frameClose   = []byte("]LOG]!><time=\"")
	frameNext    = []byte("\n<![LOG[")
	legacyOpen   = []byte("$$<")
	closeMessage = len("]LOG]!>")
)

// scanner holds the part of the text that is being read: buf[pos:] is unread.
type scanner struct {
	r      io.Reader
	buf    []byte
	pos    int
	eof    bool
	err    error
	max    int
	line   int
	offset int64 // of buf[0]
	dates  dateCache
	// open is an offset before which no unread frame ends. It keeps a long run of frames that are never closed from
	// being searched to the end again for each of them.
	open int64
}

// fill reads more; false if there is no more or the buffer holds max bytes of one record.
func (s *scanner) fill() bool {
	if s.eof || len(s.buf)-s.pos >= s.max {
		return false
	}
	// Moving less than half of the buffer out of the way would cost more than reading it did. That bounds the buffer too:
	// when it is twice max and full, half of it has been read.
	if s.pos > 0 && s.pos >= len(s.buf)/2 {
		n := copy(s.buf, s.buf[s.pos:])
		s.offset += int64(s.pos)
		s.buf, s.pos = s.buf[:n], 0
	}
	if len(s.buf) == cap(s.buf) {
		grown := make([]byte, len(s.buf), max(128<<10, 2*cap(s.buf)))
		copy(grown, s.buf)
		s.buf = grown
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.err = err
			}
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
	s.eof, s.err = true, io.ErrNoProgress
	return false
}

// index finds sep at or after from (relative to pos), reading as needed; -1 if there is none within max.
func (s *scanner) index(sep []byte, from int) int {
	for {
		if i := bytes.Index(s.buf[s.pos+from:], sep); i >= 0 {
			return from + i
		}
		from = max(from, len(s.buf)-s.pos-len(sep)+1)
		if !s.fill() {
			return -1
		}
	}
}

// need makes n unread bytes available if the text has them.
func (s *scanner) need(n int) bool {
	for len(s.buf)-s.pos < n {
		if !s.fill() {
			return false
		}
	}
	return true
}

// take cuts n bytes off the unread text as a string and counts its lines.
func (s *scanner) take(n int) (raw string, line int, offset int64) {
	b := s.buf[s.pos : s.pos+n]
	line, offset = s.line, s.offset+int64(s.pos)
	s.line += bytes.Count(b, []byte{'\n'})
	s.pos += n
	return string(b), line, offset
}

// head reads what only the beginning of a text can have: a CSV header, or the end of a record whose beginning is in an older file.
func (s *scanner) head(yield func(Record, error) bool) bool {
	s.need(len(frameOpen))
	if bytes.HasPrefix(s.buf[s.pos:], frameOpen) {
		return true
	}
	if columns, separator, ok := s.csvHeader(); ok {
		s.readCSV(columns, separator, yield)
		return false
	}
	end := s.index(frameClose, 0)
	if end < 0 {
		return true
	}
	if open := bytes.Index(s.buf[s.pos:s.pos+end], frameOpen); open >= 0 {
		return true
	}
	// Everything before the end of the frame is one message without its beginning, unless lines before it have frames of another kind.
	if bytes.Contains(s.buf[s.pos:s.pos+end], legacyOpen) {
		return true
	}
	return yield(s.frame(0, end, CutHead), nil)
}

// next returns the next record; false at the end.
func (s *scanner) next() (Record, bool) {
	for {
		if !s.need(1) {
			return Record{}, false
		}
		if b := s.buf[s.pos]; b == '\n' || b == '\r' {
			if b == '\n' {
				s.line++
			}
			s.pos++
			continue
		}
		break
	}
	s.need(len(frameOpen))
	if !bytes.HasPrefix(s.buf[s.pos:], frameOpen) {
		return s.unframed(), true
	}
	end := s.index(frameClose, max(len(frameOpen), min(int(s.open-s.offset)-s.pos, len(s.buf)-s.pos)))
	if s.open = s.offset + int64(s.pos+end); end < 0 {
		s.open = s.offset + int64(len(s.buf)-len(frameClose)+1)
	}
	// A record that was never closed ends where the next line opens one.
	stop := end
	if end < 0 {
		stop = len(s.buf) - s.pos
	}
	if cut := bytes.Index(s.buf[s.pos+len(frameOpen):s.pos+stop], frameNext); cut >= 0 {
		return s.cut(len(frameOpen)+cut, CutTail), true
	}
	if end < 0 {
		why := CutTail
		if !s.eof {
			why = CutLong
		}
		return s.cut(stop, why), true
	}
	return s.frame(len(frameOpen), end, Whole), true
}

// cut returns a record that lost its end: n bytes from the opening on.
func (s *scanner) cut(n int, why Cut) Record {
	raw, line, offset := s.take(n)
	raw = strings.TrimRight(raw, "\r\n")
	r := Record{Format: CMTrace, Cut: why, Line: line, Offset: offset, Raw: raw, Message: raw[min(len(raw), len(frameOpen)):]}
	// The frame may be cut inside its end.
	for i := range len(frameClose) {
		if part := string(frameClose[:len(frameClose)-i]); len(part) > 1 && strings.HasSuffix(r.Message, part) {
			r.Message = strings.TrimSuffix(r.Message, part)
			break
		}
	}
	return r
}

// frame returns the record whose message is [from:end] of the unread text.
func (s *scanner) frame(from, end int, cut Cut) Record {
	attributes := end + closeMessage
	i, closed := s.frameEnd(attributes)
	raw, line, offset := s.take(min(i, len(s.buf)-s.pos))
	r := Record{Format: CMTrace, Cut: cut, Line: line, Offset: offset, Raw: raw, Message: raw[from:end]}
	if !closed && cut == Whole {
		r.Cut = CutTail
	}
	s.attributes(&r, raw[attributes:])
	return r
}

// frameEnd finds the end of the attributes that begin at from: ">" outside quotes, on the same line.
func (s *scanner) frameEnd(from int) (end int, closed bool) {
	// Almost always the first ">" follows a quote, and then it is outside.
	b := s.buf[s.pos+from:]
	if i := bytes.IndexByte(b, '>'); i > 0 && i < maxTrailer && b[i-1] == '"' && bytes.IndexByte(b[:i], '\n') < 0 {
		return from + i + 1, true
	}
	quoted := false
	for i := from; i < from+maxTrailer; i++ {
		if s.pos+i >= len(s.buf) && !s.need(i+1) {
			return i, false
		}
		switch b := s.buf[s.pos+i]; {
		case b == '"':
			quoted = !quoted
		case b == '>' && !quoted:
			return i + 1, true
		case b == '\n', b == '\r':
			return i, false
		}
	}
	return from + maxTrailer, false
}

// attributes reads name="value" pairs.
func (s *scanner) attributes(r *Record, t string) {
	if t != "" && t[0] == '<' {
		t = t[1:]
	}
	var clock, date string
	for {
		equals := strings.IndexByte(t, '=')
		if equals < 0 || equals+1 >= len(t) || t[equals+1] != '"' {
			break
		}
		name, value, after := t[:equals], t[equals+2:], ""
		if quote := strings.IndexByte(value, '"'); quote >= 0 {
			value, after = value[:quote], value[quote+1:]
		}
		for len(name) > 0 && name[0] == ' ' {
			name = name[1:]
		}
		switch name {
		case "time":
			clock = value
		case "date":
			date = value
		case "component":
			r.Component = value
		case "context":
			r.Context = value
		case "type":
			if len(value) == 1 && value[0] >= '0' && value[0] <= '9' {
				r.Severity = Severity(value[0] - '0')
			} else if value != "" {
				r.Problem = "type is not a digit"
			}
		case "thread":
			r.Thread = value
		case "file":
			r.File = value
		}
		t = after
	}
	s.dates.stamp(r, date, clock)
}

// unframed returns the record that the next line is without a frame of CMTrace.
func (s *scanner) unframed() Record {
	n := s.index([]byte{'\n'}, 0)
	cut := Whole
	if n < 0 {
		n = len(s.buf) - s.pos
		if !s.eof {
			cut = CutLong
		}
	}
	b := s.buf[s.pos : s.pos+n]
	if open := bytes.Index(b, frameOpen); open > 0 {
		n = open
		b = b[:open]
	}
	if end := bytes.Index(b, frameClose); end >= 0 {
		return s.frame(0, end, CutHead)
	}
	raw, line, offset := s.take(n)
	raw = strings.TrimRight(raw, "\r")
	r := Record{Message: raw, Raw: raw, Line: line, Offset: offset, Cut: cut}
	if cut == Whole && !s.legacy(&r) {
		s.copied(&r)
	}
	return r
}

// legacy reads "message  $$<COMPONENT><MM-DD-YYYY HH:MM:SS.mmm±BBB><thread=1234 (0x4D2)>".
func (s *scanner) legacy(r *Record) bool {
	at := strings.LastIndex(r.Raw, string(legacyOpen))
	if at < 0 {
		return false
	}
	parts := strings.Split(strings.TrimSpace(r.Raw[at+2:]), "><")
	if len(parts) < 3 {
		return false
	}
	thread, ok := strings.CutPrefix(parts[2], "thread=")
	date, clock, found := strings.Cut(parts[1], " ")
	if !ok || !found {
		return false
	}
	r.Format = Legacy
	r.Message = strings.TrimRight(r.Raw[:at], " \t")
	r.Component = strings.TrimPrefix(parts[0], "<")
	r.Thread, _, _ = strings.Cut(strings.TrimSuffix(thread, ">"), " ")
	s.dates.stamp(r, date, clock)
	return true
}

// copied reads "message  component  M/D/YYYY h:mm:ss AM  1234 (0x4D2)", separated by tabs or spaces.
func (s *scanner) copied(r *Record) bool {
	t := strings.TrimRight(r.Raw, " \t")
	open := strings.LastIndex(t, " (0x")
	if open < 0 || !strings.HasSuffix(t, ")") {
		return false
	}
	t, thread, ok := cutLast(t[:open])
	if !ok || strings.Trim(thread, "0123456789") != "" || thread == "" {
		return false
	}
	t, clock, ok := cutLast(t)
	if !ok {
		return false
	}
	half := strings.ToUpper(clock)
	if half == "AM" || half == "PM" {
		if t, clock, ok = cutLast(t); !ok {
			return false
		}
	} else {
		half = ""
	}
	t, date, ok := cutLast(t)
	if !ok || strings.Count(date, "/") != 2 || strings.Count(clock, ":") != 2 {
		return false
	}
	message, component, _ := cutLast(t)
	if component == "" {
		return false
	}
	r.Format, r.Message, r.Component, r.Thread = Copy, strings.TrimRight(message, " \t"), component, thread
	s.dates.stamp(r, strings.ReplaceAll(date, "/", "-"), clock)
	if r.Wall.IsZero() {
		return true
	}
	switch {
	case half != "" && (r.Wall.Hour < 1 || r.Wall.Hour > 12):
		r.Wall, r.Problem = Wall{}, "hour does not fit "+half
	case half == "PM" && r.Wall.Hour < 12:
		r.Wall.Hour += 12
	case half == "AM" && r.Wall.Hour == 12:
		r.Wall.Hour = 0
	}
	return true
}

// cutLast takes the last word off t.
func cutLast(t string) (rest, word string, ok bool) {
	t = strings.TrimRight(t, " \t")
	i := strings.LastIndexAny(t, " \t")
	if i < 0 {
		return "", t, t != ""
	}
	return t[:i], t[i+1:], true
}

// ErrCSV is wrapped by errors in a CSV log.
var ErrCSV = errors.New("cmlog: CSV")
