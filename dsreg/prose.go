package dsreg

import "strings"

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
