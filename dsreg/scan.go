package dsreg

import "strings"

// A parser turns lines into rows, titles and text, and cuts captures. It never
// looks at a line twice, except to cut a line that holds several rows.
type parser struct {
	labels *labelIndex
	enc    Encoding
	html   bool
	ascii  bool // no value can need a repair
	done   []*Status
	err    *InputError

	baseLine    int // lines before this text
	line        int // number of the current line
	startLine   int // first line of the current capture
	offset      int // offset of the current line
	lineLen     int // its length without the line end
	src         string
	runOffset   int     // where the last run of text starts in src
	runOpen     bool    // the run consists of whole lines, so the next one can join it
	partial     bool    // the current line is read in pieces
	contentLine int     // line of the last row or title
	starts      []start // where each capture starts, the current one last
	crowd       int     // captures that began on the line of the one before
	ending      bool    // the capture is the last one of the text
	scratch     []Field // memory for the rows of the current capture, copied at its end unless they fill it

	st       *Status
	sec      Section // section of the current row
	title    string
	implied  Section // section that the last known label of rows without a title belongs to
	next     int16   // catalogue entry that is expected next
	seen     uint32
	begun    bool // a row or a title of this capture was read
	inBox    bool // a rule was the last line that is not blank
	opened   bool // the last line was a title that its rule has not closed yet
	outside  bool // after a prompt or the footer: an unknown label is no row
	blank    bool // the last line was blank
	logging  bool
	logEnd   bool
	logJoin  bool // the log is one of a join or a leave
	listing  bool // account output
	headless [len(catalog)]bool
	tail     int // texts from here on came after the last row or title
	tailLine int // line and offset of the first of them
	tailOff  int

	// Wraps are decided when the longest line of the capture is known.
	longest      int
	measured     int // the line that was measured last
	lastLen      int
	lastRow      int // index of the row on the previous line, -1 if that was something else
	wraps        []wrap
	lastIndented int // index of the last row that was indented, -1 for none
	wrapOpen     bool
}

// A start is the place of a capture's first line.
type start struct {
	offset, line int
	clean        bool // the capture before it ends on an earlier line, so the text can be cut here
}

// A wrap is a line that may continue the row before it.
type wrap struct {
	row    int    // the row it continues
	own    int    // the provisional row it became, -1 for text
	text   int    // the provisional text it became, -1 for a row
	s      string // the line, without its end
	before int    // length of the line before it
}

// begin starts a capture at the current line.
func (p *parser) begin(offset, line int) {
	p.st = &Status{}
	p.startLine = line
	p.starts = append(p.starts, start{offset, line, p.contentLine < line})
	p.implied, p.logJoin = SecNone, false
	p.sec, p.title, p.next, p.seen = SecNone, "", 0, 0
	p.begun, p.inBox, p.opened, p.outside, p.blank, p.logging, p.logEnd, p.listing = false, false, false, false, false, false, false, false
	p.headless = [len(catalog)]bool{}
	p.tail, p.tailLine, p.tailOff = 0, line, offset
	p.longest, p.lastLen, p.lastRow, p.wraps, p.wrapOpen, p.lastIndented = 0, 0, -1, nil, false, -1
}

// run reads all lines of text.
func (p *parser) run(text string) {
	p.src = text
	p.baseLine = p.line
	p.contentLine, p.measured = p.line, p.line
	p.begin(0, p.line+1)
	l := newLines(text)
	for l.more() && p.err == nil {
		p.offset = l.pos
		p.line++
		s := l.cut()
		p.lineLen = len(s)
		p.partial = p.html
		if p.html {
			p.htmlLine(s)
		} else {
			p.physical(s)
		}
	}
	p.st.Source.CutEnd = l.noBreak && p.cutValue()
}

// maxPerLine bounds the captures of one input that share a line. Reports that
// join a capture into one line hold one, or a few; text cannot be cut between them.
const maxPerLine = 256

// boundary ends the current capture and starts another. The text after the
// last row (a prompt, a comment, a banner) introduces the new one.
func (p *parser) boundary() {
	if !p.begun {
		return
	}
	if p.contentLine == p.line {
		if p.crowd++; p.crowd > maxPerLine && p.err == nil {
			p.err = &InputError{Line: p.line, Offset: int64(p.offset), Err: ErrTooLarge, Reason: "too many captures on one line"}
		}
	}
	old, lead := p.st, p.st.texts[p.tail:]
	off, line := p.offset, p.line
	if len(lead) > 0 {
		off, line = p.tailOff, p.tailLine
	}
	old.texts = old.texts[:p.tail:p.tail]
	p.finishAt(max(line-1, p.contentLine))
	inBox := p.inBox
	p.begin(off, line)
	p.inBox = inBox
	p.st.texts = append([]TextLine(nil), lead...)
}

func (p *parser) finish() {
	if !p.begun {
		return
	}
	p.ending = 2*len(p.st.fields) > cap(p.st.fields) // nobody needs the scratch memory any more
	p.finishAt(p.line)
}

func (p *parser) finishAt(lastLine int) {
	if len(p.wraps) > 0 {
		p.joinWraps()
	}
	st := p.st
	switch n := len(st.fields); {
	case n == 0 || p.ending:
	case n < 32 || cap(st.fields) > n+n/4:
		p.scratch = st.fields
		st.fields = append(make([]Field, 0, n), st.fields...)
		if n >= 32 {
			p.scratch = make([]Field, 0, n+4)
		}
	default:
		p.scratch = make([]Field, 0, n+4) // the next capture is probably as long
	}
	st.Source.Encoding, st.Source.HTML = p.enc, p.html
	st.Source.FirstLine, st.Source.LastLine = p.startLine, max(lastLine, p.startLine)
	if p.opened {
		st.Source.CutEnd = true
	}
	if len(st.headings) > 0 {
		st.headings[len(st.headings)-1].Closed = !p.opened
	}
	p.done = append(p.done, st)
}

// content notes that a row or a title was read: text before it is not a tail.
func (p *parser) content() {
	p.begun = true
	p.contentLine = p.line
	p.tail = len(p.st.texts)
}

func (p *parser) room() bool {
	if len(p.st.fields)+len(p.st.headings)+len(p.st.texts) < MaxRows {
		return true
	}
	if p.err == nil {
		p.err = &InputError{Line: p.line, Offset: int64(p.offset), Err: ErrTooLarge, Reason: "more rows than one capture can have"}
	}
	return false
}

// physical reads one line of the input.
func (p *parser) physical(s string) {
	if len(s) > 74 && strings.Contains(s, "+---") {
		// Boxes that lost their line ends: a rule inside a line separates.
		for p.err == nil {
			i := strings.Index(s, "+---")
			if i < 0 {
				break
			}
			p.partial = true
			p.piece(s[:i])
			p.inBox, p.opened, p.lastRow = true, false, -1
			s = strings.TrimLeft(s[i:], "+-")
		}
	}
	p.piece(s)
}
