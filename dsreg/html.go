package dsreg

import (
	"html"
	"strings"
)

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
