package dsreg

import (
	"strings"
	"unicode/utf8"
)

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
						rest = strings.Trim(rest, "*_`\"', \t")
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
	p.addRow(e, label, rest, s, indent, !isBlank(t[max(0, colon-1)]))
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
	home := p.home()
	for k, end := p.next, min(p.next+4, int16(len(catalog))); k < end; k++ {
		if p.labels.name[k] == label && p.labels.sec[k] == home {
			e = k
			goto found
		}
	}
	if e = p.lookup(label); e < 0 {
		return -1, "", ""
	}
found:
	rest, _ = trim(rest)
	if len(rest) > 0 && rest[0] == ':' && p.labels.kind[e] == TypeKeySign {
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
	own := p.labels.sec[e] == p.sec || p.sec == SecProxySystem && catalog[e].Section == SecProxyUser
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
	for ; len(s) >= 32; s = s[32:] {
		if (eight(s)|eight(s[8:])|eight(s[16:])|eight(s[24:]))&0x8080808080808080 != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// eight is the first eight bytes of s as one number.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
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
	p.push(p.title, label, value, e+1)
	p.next = e + 1
	p.implied = p.labels.sec[e]
	p.headless[e] = true
	p.lastRow = len(p.st.fields) - 1
	if indent > 0 {
		p.lastIndented = p.lastRow
	}
}

func (p *parser) push(title, label, value string, row int16) {
	if !p.ascii && !isASCII(value) {
		if fixed, ok := repairValue(value); ok {
			p.st.Source.Repairs = append(p.st.Source.Repairs, Repair{Line: p.line, From: value, To: fixed})
			value = fixed
		}
	}
	if p.st.fields == nil {
		if p.scratch == nil {
			p.scratch = make([]Field, 0, 112) // a full capture of a current build
		}
		p.st.fields = p.scratch[:0]
	}
	p.st.fields = append(p.st.fields, Field{})
	f := &p.st.fields[len(p.st.fields)-1]
	f.Section, f.Label, f.Value, f.Line, f.row = title, label, value, p.line, row
}

func (p *parser) unknownRow(label, value, s string, indent int) {
	if !p.room() {
		return
	}
	p.measure(s)
	p.content()
	p.opened, p.inBox, p.blank, p.wrapOpen = false, false, false, false
	p.push(p.title, label, value, 0)
	p.lastRow = len(p.st.fields) - 1
	if indent > 0 {
		p.lastIndented = p.lastRow
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
