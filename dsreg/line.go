package dsreg

import (
	"strings"
	"unicode/utf8"
)

// isBlank reports the bytes that indent and pad.
func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == 0 }

// trim removes blanks at both ends, with the no-break spaces and zero-width
// marks that come with text copied from web pages, and returns the
// indentation in bytes.
func trim(s string) (string, int) {
	const blanks = "        "
	i, n := 0, len(s)
	for i+len(blanks) <= n && s[i:i+len(blanks)] == blanks {
		i += len(blanks)
	}
	for i < n && isBlank(s[i]) {
		i++
	}
	for i+len(blanks) <= n && s[n-len(blanks):n] == blanks {
		n -= len(blanks)
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

// fullRule is the rule of an untouched capture.
const fullRule = "+----------------------------------------------------------------------+"

// isRule reports a box rule, a Markdown rule or a code fence.
func isRule(t string) bool {
	if t == fullRule {
		return true
	}
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
	if n >= p.longest && !p.ascii {
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
