package dsreg

import (
	"html"
	"strings"
	"unicode/utf8"
)

// A parser turns lines into rows, titles and text, and cuts captures. It never
// looks at a line twice, except to cut a line that holds several rows.
type parser struct {
	labels *labelIndex
	enc    Encoding
	html   bool
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
	scratch     []Field // memory for the rows of the current capture, copied at its end

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
	if cap(st.fields) > cap(p.scratch) {
		p.scratch = st.fields
	}
	if st.fields != nil && !p.ending {
		st.fields = append(make([]Field, 0, len(st.fields)), st.fields...)
	}
	st.Source.Encoding, st.Source.HTML = p.enc, p.html
	st.Source.FirstLine, st.Source.LastLine = p.startLine, max(lastLine, p.startLine)
	if p.opened {
		st.Source.CutEnd = true
	}
	if len(st.headings) > 0 {
		st.headings[len(st.headings)-1].Closed = !p.opened
	}
	st.derive(p.labels)
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

// isBlank reports the bytes that indent and pad.
func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == 0 }

// trim removes blanks at both ends, with the no-break spaces and zero-width
// marks that come with text copied from web pages, and returns the
// indentation in bytes.
func trim(s string) (string, int) {
	i, n := 0, len(s)
	for i < n && isBlank(s[i]) {
		i++
	}
	for n > i && isBlank(s[n-1]) {
		n--
	}
	if i < n && (s[i] >= utf8.RuneSelf || s[n-1] >= utf8.RuneSelf) {
		t := strings.TrimFunc(s[i:n], func(r rune) bool {
			return r == 0xa0 || r == 0x200b || r == 0xfeff || r == 0x3000 || r < 0x80 && isBlank(byte(r))
		})
		return t, i + strings.Index(s[i:n], t)
	}
	return s[i:n], i
}

// piece reads a line, or a part of one that stands for a line.
func (p *parser) piece(s string) {
	if p.err != nil {
		return
	}
	t, indent := trim(s)
	for len(t) > 0 && t[0] == '>' { // quoted mail or Markdown
		var more int
		s = t[1:]
		t, more = trim(s)
		indent = max(more-1, 0)
	}
	if t == "" {
		p.blank, p.lastRow, p.wrapOpen = true, -1, false
		return
	}
	c := t[0]
	if c == '+' || c == '-' || c == '=' || c == '`' || c == '~' || c == '*' || c == '_' {
		if isRule(t) {
			p.rule(t, s)
			return
		}
	}
	if c == '|' && p.boxTitle(t) {
		p.measure(s)
		return
	}
	if p.row(t, s, indent) {
		return
	}
	if strings.IndexByte(t, ':') < 0 && p.looseTitle(t) {
		p.measure(s)
		return
	}
	p.other(t, s, indent)
}

// isRule reports a box rule, a Markdown rule or a code fence.
func isRule(t string) bool {
	if len(t) < 3 {
		return false
	}
	if strings.HasPrefix(t, "```") || strings.HasPrefix(t, "~~~") {
		return len(t) < 24 && !strings.Contains(t, " : ")
	}
	for i := range len(t) {
		switch t[i] {
		case '+', '-', '=', '*', '_':
		default:
			return false
		}
	}
	return true
}

func (p *parser) rule(t, s string) {
	p.lastRow, p.wrapOpen = -1, false
	if t[0] != '+' && t[0] != '-' {
		return
	}
	p.measure(s)
	if p.opened {
		p.opened, p.inBox = false, false
		return
	}
	p.inBox = true
}

// measure notes the length of a line that the program printed. Padding does
// not count, one trailing blank may be where the console cut.
func (p *parser) measure(s string) {
	if p.measured == p.line && !p.html {
		return // one line may hold many rows
	}
	p.measured = p.line
	n := len(s)
	if n > 1 && isBlank(s[n-1]) && isBlank(s[n-2]) {
		n = len(strings.TrimRight(s, " \t"))
	}
	if n >= p.longest {
		n = utf8.RuneCountInString(s[:n]) // columns, not bytes
	}
	p.longest = max(p.longest, n)
	p.lastLen = n
}

// boxTitle reads "| Device State |", also where the right side is cut off.
func (p *parser) boxTitle(t string) bool {
	inner, _ := trim(t[1:])
	closed := strings.HasSuffix(inner, "|")
	if closed {
		inner, _ = trim(inner[:len(inner)-1])
	}
	if i := strings.IndexByte(inner, '|'); i >= 0 {
		// A box on one line with the rows behind it.
		head, _ := trim(inner[:i])
		if sec := sectionOf(head); sec != SecOther {
			p.section(sec, head)
			p.opened, p.partial = false, true
			p.piece(inner[i+1:])
			return true
		}
		return false
	}
	if inner == "" || len(inner) > 80 || strings.Contains(inner, " : ") {
		return false
	}
	sec := sectionOf(inner)
	if sec == SecOther && !p.inBox {
		return false
	}
	if !p.begun && !p.inBox {
		p.st.Source.CutStart = true
	}
	p.section(sec, inner)
	return true
}

// looseTitle reads a known title that lost its box, alone on its line.
func (p *parser) looseTitle(t string) bool {
	if len(t) > 60 {
		return false
	}
	name := strings.Trim(t, "#*_=| \t")
	if len(name) < 8 || name[0]|0x20 < 'a' || name[0]|0x20 > 'z' {
		return false
	}
	sec := sectionOf(name)
	if sec == SecOther {
		return false
	}
	p.section(sec, name)
	p.opened = false
	return true
}

// section opens a box; a box that cannot stand twice in a capture opens a capture.
func (p *parser) section(sec Section, title string) {
	switch {
	case p.listing, p.logging && (p.logEnd || p.logJoin):
		p.boundary()
	case p.logging:
		// Messages of "/status /debug" before the first box.
		p.logging = false
	case sec == SecDeviceState && len(p.st.fields)+len(p.st.headings) > 0 && !(p.sec == SecDeviceState && p.emptyBox()):
		p.boundary()
	case sec == SecWorkAccount:
		for i := range p.st.headings {
			if p.st.headings[i].Section == sec && p.st.headings[i].Title == title && !p.emptyBox() {
				p.boundary()
				break
			}
		}
	case sec != SecOther && p.seen&(1<<sec) != 0 && !(p.sec == sec && p.emptyBox()):
		p.boundary()
	}
	if !p.room() {
		return
	}
	if sec != SecOther && sec != SecWorkAccount {
		title = canonical(sec, title)
		p.next = p.firstOf(sec)
	} else if sec == SecWorkAccount {
		p.next = p.firstOf(sec)
	}
	p.content()
	p.sec, p.title = sec, title
	p.seen |= 1 << sec
	p.opened, p.inBox, p.outside, p.lastRow, p.wrapOpen = true, false, false, -1, false
	if p.st.headings == nil {
		p.st.headings = make([]Heading, 0, 10)
	}
	p.st.headings = append(p.st.headings, Heading{Section: sec, Title: title, Line: p.line, Closed: true, first: len(p.st.fields)})
}

// canonical gives titles that differ in case or blanks one spelling.
func canonical(sec Section, title string) string {
	if title == sectionTitles[sec] {
		return title
	}
	return sectionTitles[sec]
}

// firstOf returns the first entry of a section in the catalogue.
func (p *parser) firstOf(sec Section) int16 { return p.labels.first[sec] }

// emptyBox reports that no row was read since the last title.
func (p *parser) emptyBox() bool {
	n := len(p.st.headings)
	return n > 0 && p.st.headings[n-1].first == len(p.st.fields)
}

// row reads "label : value". It reports false for a line that is no row.
func (p *parser) row(t, s string, indent int) bool {
	colon := strings.IndexByte(t, ':')
	if colon < 0 {
		return false
	}
	if p.logging || p.listing {
		if p.special(t, s, indent) {
			return true
		}
	}
	e, label, rest := p.match(t, colon)
	if e < 0 {
		if c := t[0]; c == '*' || c == '_' || c == '`' || c == '"' || c == '\'' || c == '-' || c == '#' || c >= utf8.RuneSelf {
			if u := strings.TrimLeft(t, "*_`\"'-#• \t"); len(u) < len(t) && u != "" {
				if i := strings.IndexByte(u, ':'); i > 0 {
					if e, label, rest = p.match(u, i); e >= 0 {
						rest = strings.TrimRight(rest, "*_`\"', \t")
					}
				}
			}
		}
	}
	if e < 0 {
		return false
	}
	if p.lastText(e) && p.proseLine(t) {
		return true
	}
	if !p.claim(e) {
		return false
	}
	p.addRow(e, label, rest, s, indent, !isBlank(t[max(0, strings.IndexByte(t, ':')-1)]))
	return true
}

// match splits t at its first colon and looks the label up. KeySignTest has a
// colon of its own in builds up to 1803.
func (p *parser) match(t string, colon int) (e int16, label, rest string) {
	n := colon
	for n > 0 && isBlank(t[n-1]) {
		n--
	}
	if n == 0 || n > 40 {
		return -1, "", ""
	}
	label, rest = t[:n], t[colon+1:]
	// The guess: the next labels in print order.
	for k, end := p.next, min(p.next+4, int16(len(catalog))); k < end; k++ {
		if catalog[k].Name == label && catalog[k].Section == p.home() {
			e = k
			goto found
		}
	}
	if e = p.lookup(label); e < 0 {
		return -1, "", ""
	}
found:
	rest, _ = trim(rest)
	if len(rest) > 0 && rest[0] == ':' && catalog[e].Type == TypeKeySign {
		rest, _ = trim(rest[1:])
	}
	return e, label, rest
}

// home is the section whose labels are expected now.
func (p *parser) home() Section {
	switch p.sec {
	case SecNone:
		return p.implied
	case SecProxySystem:
		return SecProxyUser // same labels, one set of entries
	}
	return p.sec
}

// lookup finds the entry of a label for the current section.
func (p *parser) lookup(label string) int16 {
	cands, ok := p.labels.exact[label]
	if !ok {
		if cands = p.labels.fold[foldLabel(label)]; len(cands) == 0 {
			return -1
		}
	}
	sec := p.home()
	for _, e := range cands {
		if catalog[e].Section == sec {
			return e
		}
	}
	return cands[0]
}

// claim decides whether a known label is a row here. Under a title this
// package does not know, rows are somebody else's unless the title is not
// English (a translated document); words like "Type" need their own box.
func (p *parser) claim(e int16) bool {
	own := catalog[e].Section == p.sec || p.sec == SecProxySystem && catalog[e].Section == SecProxyUser
	if own {
		return true
	}
	if p.labels.loose[e] && !(p.begun && p.sec == SecNone && !p.outside) && !(catalog[e].Section <= SecTenantDetails && p.sec == SecDeviceState) {
		return false
	}
	if p.sec == SecOther && isASCII(p.title) {
		return false
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lastText reports that e may be a line of the server text above it.
func (p *parser) lastText(e int16) bool {
	if p.lastRow < 0 && !p.wrapOpen {
		return false
	}
	n := len(p.st.fields)
	return n > 0 && p.st.fields[n-1].row > 0 && p.labels.prose[p.st.fields[n-1].row-1] && catalog[e].Name == "Correlation ID"
}

// proseLine appends "Trace ID: …", "Correlation ID: …" and "Timestamp: …" to
// the server text they belong to: Entra puts line breaks into its messages.
func (p *parser) proseLine(t string) bool {
	f := &p.st.fields[len(p.st.fields)-1]
	if len(f.Value)+len(t) > 4096 || f.Lines > 16 {
		return false
	}
	f.Value += "\n" + t
	f.Lines = p.line - f.Line + 1
	p.lastRow = len(p.st.fields) - 1
	return true
}

// addRow stores a row, and the further rows that stand on its line.
func (p *parser) addRow(e int16, label, value, s string, indent int, tight bool) {
	for first := true; ; first = false {
		// A second "AzureAdJoined" where no titles tell captures apart.
		if e == 0 && (p.headless[0] && (p.sec == SecNone || p.sec == SecDeviceState)) && !p.logging {
			p.boundary()
		}
		if p.err != nil || !p.room() {
			return
		}
		next, nextLabel, after := int16(-1), "", ""
		cut := value
		if strings.IndexByte(value, ':') >= 0 && (tight && strings.Contains(value, ": ") || strings.Contains(value, " :")) {
			cut, next, nextLabel, after = p.inline(e, value, tight)
		}
		if next < 0 && !first {
			if i := strings.Index(cut, footerText); i > 0 {
				p.pushRow(e, label, strings.TrimSpace(cut[:i]), s, indent)
				p.text(TextFooter, cut[i:])
				p.content()
				return
			}
		}
		if next >= 0 {
			cut = strings.TrimRight(cut, " ,;|\t")
		}
		p.pushRow(e, label, cut, s, indent)
		if next < 0 {
			return
		}
		e, label, value = next, nextLabel, after
		if !p.claim(e) {
			p.unknownRow(label, value, s, indent)
			return
		}
	}
}

// inline finds the next known label inside a value: the line ends are gone.
// The label must be spelled exactly as the program prints it.
func (p *parser) inline(e int16, value string, tight bool) (cut string, next int16, label, rest string) {
	for i := 0; i < len(value); i++ {
		if value[i] != ':' || i == 0 {
			continue
		}
		spaced := value[i-1] == ' '
		if !spaced && (!tight || p.labels.prose[e]) || i+1 < len(value) && value[i+1] != ' ' {
			continue
		}
		head := strings.TrimRight(value[max(0, i-40):i], " ")
		if strings.HasSuffix(head, "KeySignTest:") {
			head = head[:len(head)-1]
		}
		base := max(0, i-40)
		// The last words before the colon, the longest label first; none has
		// more than four words.
		var at [4]int
		n := 0
		for j := len(head) - 1; j >= 0 && n < len(at); j-- {
			if j == 0 && base == 0 || j > 0 && head[j-1] == ' ' && head[j] != ' ' {
				at[n] = j
				n++
			}
		}
		start := -1
		for n--; n >= 0; n-- {
			if _, ok := p.labels.exact[head[at[n]:]]; ok {
				start = at[n]
				break
			}
		}
		if start < 0 {
			continue
		}
		label = head[start:]
		next = p.lookup(label)
		rest, _ = trim(value[i+1:])
		if label == "KeySignTest" && strings.HasPrefix(rest, ":") {
			rest, _ = trim(rest[1:])
		}
		return strings.TrimRight(value[:base+start], " "), next, label, rest
	}
	return value, -1, "", ""
}

func (p *parser) pushRow(e int16, label, value, s string, indent int) {
	p.measure(s)
	p.content()
	p.opened, p.inBox, p.outside, p.blank, p.wrapOpen = false, false, false, false, false
	p.push(Field{Section: p.title, Label: label, Value: value, Line: p.line, row: e + 1})
	p.next = e + 1
	p.implied = catalog[e].Section
	p.headless[e] = true
	p.lastRow = len(p.st.fields) - 1
	if indent > 0 {
		p.lastIndented = p.lastRow
	}
}

func (p *parser) push(f Field) {
	if f.Value != "" && !isASCII(f.Value) {
		if fixed, ok := repairValue(f.Value); ok {
			p.st.Source.Repairs = append(p.st.Source.Repairs, Repair{Line: f.Line, From: f.Value, To: fixed})
			f.Value = fixed
		}
	}
	if p.st.fields == nil {
		if p.scratch == nil {
			p.scratch = make([]Field, 0, 112) // a full capture of a current build
		}
		p.st.fields = p.scratch[:0]
	}
	p.st.fields = append(p.st.fields, f)
}

func (p *parser) unknownRow(label, value, s string, indent int) {
	if !p.room() {
		return
	}
	p.measure(s)
	p.content()
	p.opened, p.inBox, p.blank, p.wrapOpen = false, false, false, false
	p.push(Field{Section: p.title, Label: label, Value: value, Line: p.line})
	p.lastRow = len(p.st.fields) - 1
	if indent > 0 {
		p.lastIndented = p.lastRow
	}
}

const footerText = "For more information, please visit"

// other files a line that holds no known label: an unknown row, the rest of
// a wrapped one, or text.
func (p *parser) other(t, s string, indent int) {
	if p.special(t, s, indent) {
		return
	}
	if p.proseContinues(t) {
		return
	}
	class := classify(t)
	if class == TextOther && p.mayWrap(indent) {
		p.addWrap(t, s, indent)
		return
	}
	if class == TextOther && p.begun && !p.outside && p.sec != SecNone {
		if label, value, ok := split(t); ok {
			p.unknownRow(label, value, s, indent)
			return
		}
	}
	p.text(class, s)
	p.lastRow, p.wrapOpen = -1, false
	switch class {
	case TextPrompt:
		p.outside = true
	case TextFooter:
		p.outside = true
		if p.begun {
			p.content()
		}
	case TextProgress, TextElision:
		if p.begun {
			p.content()
		}
	}
}

func (p *parser) proseContinues(t string) bool {
	n := len(p.st.fields)
	if p.lastRow < 0 || n == 0 || p.lastRow != n-1 {
		return false
	}
	if e := p.st.fields[n-1].row - 1; e < 0 || !p.labels.prose[e] {
		return false
	}
	if strings.HasPrefix(t, "Trace ID:") || strings.HasPrefix(t, "Timestamp:") || strings.HasPrefix(t, "Error Code:") {
		return p.proseLine(t)
	}
	return false
}

// split divides an unknown row at " : ", or at " :" at the end of the line.
func split(t string) (label, value string, ok bool) {
	if i := strings.Index(t, " : "); i > 0 {
		label, value = t[:i], strings.TrimSpace(t[i+3:])
	} else if rest, found := strings.CutSuffix(t, " :"); found {
		label = rest
	} else {
		return "", "", false
	}
	label = strings.TrimSpace(label)
	if label == "" || len(label) > 64 || strings.ContainsAny(label, ":|<>") || label[0] == '+' {
		return "", "", false
	}
	return label, value, true
}

// classify recognises the text that surrounds captures.
func classify(t string) TextClass {
	switch {
	case strings.Contains(t, footerText):
		return TextFooter
	case strings.HasPrefix(t, "Waiting for Diagnostics Task"):
		return TextProgress
	case t == "..." || t == "…" || t == "[...]" || t == "[…]" || t == "<snip>" || t == "[snip]":
		return TextElision
	case strings.HasPrefix(t, "PS ") && strings.Contains(t, ">"), strings.HasPrefix(t, "PS>"), strings.HasPrefix(t, "*Evil-WinRM*"),
		strings.HasPrefix(t, "$ "), strings.HasPrefix(t, "# "), strings.HasPrefix(t, `\\`) && strings.Contains(t, ">"),
		len(t) > 2 && t[1] == ':' && t[2] == '\\' && strings.Contains(t, ">"),
		t[0] == '[' && strings.Contains(t, "]: PS "):
		return TextPrompt
	case len(t) < 80 && (hasPrefixFold(t, "dsregcmd ") || hasPrefixFold(t, "dsregcmd.exe")):
		return TextPrompt
	}
	return TextOther
}

// text keeps a line. Neighbouring lines of one class are one run.
func (p *parser) text(class TextClass, s string) {
	if !p.begun && class == TextOther && p.inBox {
		p.inBox = false
	}
	if n := len(p.st.texts); n > p.tail {
		last := &p.st.texts[n-1]
		if last.Class == class && class == TextOther && p.runOpen && !p.partial && last.Line+last.Lines == p.line {
			last.Text = p.src[p.runOffset : p.offset+p.lineLen] // a run is a piece of the input, whatever its length
			last.Lines++
			return
		}
	} else if p.begun {
		p.tailLine, p.tailOff = p.line, p.offset
	}
	if p.room() {
		p.runOffset, p.runOpen = p.offset, !p.partial
		p.st.texts = append(p.st.texts, TextLine{Class: class, Text: s, Line: p.line, Lines: 1})
	}
}

// cutValue reports that the last line of the input, which has no line end,
// looks cut: a row whose value is not of its type.
func (p *parser) cutValue() bool {
	if p.opened {
		return true
	}
	n := len(p.st.fields)
	return n > 0 && p.lastRow == n-1 && p.st.fields[n-1].row > 0 && cutOff(p.st.fields[n-1])
}

// cutOff reports a value that is a proper beginning of what its type prints.
func cutOff(f Field) bool {
	l := &catalog[f.row-1]
	v := f.Value
	switch l.Type {
	case TypeYesNo:
		return v == "Y" || v == "YE" || v == "N" || v == ""
	case TypeGUID:
		return len(v) < 36 && strings.Trim(v, "0123456789abcdefABCDEF-{") == ""
	case TypeTime:
		return len(v) < 23 && !strings.HasSuffix(v, "UTC")
	case TypeTimeRange:
		return !strings.HasSuffix(v, "]")
	case TypeHex:
		return len(v) < 40 && strings.Trim(v, "0123456789abcdefABCDEF") == ""
	case TypeTest:
		return !strings.HasSuffix(v, "]") && v != "PASS" && v != "SKIPPED"
	case TypeURL:
		return v != "" && strings.HasPrefix("https://", v)
	}
	return l.Name == "Idp" && len(v) < len("login.windows.net") && strings.HasPrefix("login.windows.net", v) ||
		l.Name == "PreReqResult" && v != "WillProvision" && v != "WillNotProvision"
}

// looksHTML reports tags or entities that a report or a web page left in the text.
func looksHTML(s string) bool {
	if strings.IndexByte(s, '<') < 0 && strings.IndexByte(s, '&') < 0 {
		return false
	}
	for _, mark := range [...]string{"<br", "<BR", "<pre", "<p>", "<div", "<td", "<code", "&nbsp;", "&#", "&quot;", "&lt;", "&gt;", "&amp;"} {
		if strings.Contains(s, mark) {
			return true
		}
	}
	return false
}

// htmlLine cuts a line at the tags that break lines, removes the others, and
// replaces entities. Angle brackets around anything else stay: people write <Tenant ID>.
func (p *parser) htmlLine(s string) {
	var b strings.Builder
	flush := func() {
		p.physical(strings.ReplaceAll(html.UnescapeString(b.String()), "\u00a0", " "))
		b.Reset()
	}
	for p.err == nil {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexByte(s[:min(len(s), 256)], '>')
		name, ok := "", false
		if end > 0 {
			name, ok = tagName(s[1:end])
		}
		switch {
		case !ok:
			b.WriteByte('<')
			s = s[1:]
			continue
		case name == "td" || name == "th":
			b.WriteByte(' ')
		case blockTag(name):
			flush()
		}
		s = s[end+1:]
	}
	b.WriteString(s)
	flush()
}

func tagName(s string) (string, bool) {
	s = strings.TrimPrefix(s, "/")
	n := 0
	for n < len(s) && (s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n < len(s) && s[n] != ' ' && s[n] != '/' {
		return "", false
	}
	name := strings.ToLower(s[:n])
	switch name {
	case "b", "i", "u", "em", "strong", "span", "code", "font", "tt", "a", "td", "th", "body", "html", "samp", "small":
		return name, true
	}
	return name, blockTag(name)
}

func blockTag(name string) bool {
	switch name {
	case "br", "p", "div", "pre", "li", "ul", "ol", "tr", "table", "tbody", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote":
		return true
	}
	return false
}
