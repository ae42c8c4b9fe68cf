package dsreg

import "strings"

// mayWrap reports whether the current line, which is no row, can be the rest
// of the row on the line before it: it starts in column 0 while the rows are
// indented. Whether it is one is decided at the end of the capture.
func (p *parser) mayWrap(indent int) bool {
	if indent != 0 || p.lastRow < 0 || p.lastRow != len(p.st.fields)-1 || p.lastLen < 40 {
		return false
	}
	return p.wrapOpen || p.lastIndented >= 0 && p.lastRow-p.lastIndented < 4
}

// addWrap files the line as a row or as text for now, and remembers it.
func (p *parser) addWrap(t, s string, indent int) {
	if !p.room() {
		return
	}
	row := p.lastRow
	w := wrap{row: row, own: -1, text: -1, s: s, before: p.lastLen}
	if len(p.wraps) > 0 && p.wrapOpen {
		w.row = p.wraps[len(p.wraps)-1].row
	}
	p.measure(s)
	p.content()
	if label, value, ok := split(t); ok && p.sec != SecNone {
		w.own = len(p.st.fields)
		p.push(p.title, label, value, 0)
		p.lastRow = w.own
	} else {
		w.text = len(p.st.texts)
		p.st.texts = append(p.st.texts, TextLine{Text: s, Line: p.line, Lines: 1})
		p.tail = len(p.st.texts)
	}
	p.wraps = append(p.wraps, w)
	p.wrapOpen = true
}

// joinWraps decides every candidate: it continues its row if the line before
// it is as long as the longest line the program printed, which is the width
// of the console. The parts are joined without a blank, because the console
// cuts inside words.
func (p *parser) joinWraps() {
	dropRow := make(map[int]bool, len(p.wraps))
	dropText := make(map[int]bool, len(p.wraps))
	parts := make(map[int]*strings.Builder)
	for _, w := range p.wraps {
		line := 0
		if w.own >= 0 {
			line = p.st.fields[w.own].Line
		} else {
			line = p.st.texts[w.text].Line
		}
		f := &p.st.fields[w.row]
		if w.before != p.longest || line != f.Line+max(f.Lines, 1) {
			continue // a rejected line leaves a gap, which rejects those after it
		}
		b := parts[w.row]
		if b == nil {
			b = &strings.Builder{}
			b.WriteString(f.Value)
			parts[w.row] = b
		}
		b.WriteString(strings.TrimRight(w.s, " \t"))
		f.Lines = line - f.Line + 1
		if w.own >= 0 {
			dropRow[w.own] = true
		} else {
			dropText[w.text] = true
		}
	}
	for row, b := range parts {
		p.st.fields[row].Value = b.String()
	}
	if len(dropRow) > 0 {
		p.dropRows(dropRow)
	}
	if len(dropText) > 0 {
		kept := p.st.texts[:0]
		for i, t := range p.st.texts {
			if !dropText[i] {
				kept = append(kept, t)
			}
		}
		p.st.texts = kept
	}
}

func (p *parser) dropRows(drop map[int]bool) {
	kept, h := p.st.fields[:0], 0
	for i, f := range p.st.fields {
		for h < len(p.st.headings) && p.st.headings[h].first <= i {
			p.st.headings[h].first = len(kept)
			h++
		}
		if !drop[i] {
			kept = append(kept, f)
		}
	}
	for ; h < len(p.st.headings); h++ {
		p.st.headings[h].first = len(kept)
	}
	p.st.fields = kept
}
