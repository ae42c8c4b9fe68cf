package gpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
)

// An Attr is one attribute of an element, decoded. Names are case-sensitive.
type Attr struct{ Name, Value string }

// An element is an XML element that remembers its bytes: what is not changed is written as it was read.
type element struct {
	name  string
	attrs []Attr
	start []byte  // the start tag, or the whole of <x/>
	kids  []child // content in order
	end   []byte  // the end tag; nil after <x/>
	pos   registry.Pos
}

// A child is an element or, if el is nil, bytes between elements: text, comments, white space.
type child struct {
	el  *element
	raw []byte
}

func (e *element) attr(name string) (string, bool) {
	for _, a := range e.attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

func (e *element) get(name string) string { v, _ := e.attr(name); return v }

// elements returns the child elements with the given name; "" returns all.
func (e *element) elements(name string) (list []*element) {
	for _, c := range e.kids {
		if c.el != nil && (name == "" || c.el.name == name) {
			list = append(list, c.el)
		}
	}
	return list
}

// text returns the decoded text directly inside e.
func (e *element) text() string {
	var b strings.Builder
	d := xml.NewDecoder(bytes.NewReader(e.appendTo(nil)))
	depth := 0
	for {
		tok, err := d.RawToken()
		if err != nil {
			return b.String()
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 1 {
				b.Write(tok)
			}
		}
	}
}

func (e *element) appendTo(b []byte) []byte {
	b = append(b, e.start...)
	for _, c := range e.kids {
		if c.el != nil {
			b = c.el.appendTo(b)
		} else {
			b = append(b, c.raw...)
		}
	}
	return append(b, e.end...)
}

// set changes an attribute and renders the start tag anew, with all attributes in their order. A nil value
// removes the attribute.
func (e *element) set(name string, value *string) {
	i := slices.IndexFunc(e.attrs, func(a Attr) bool { return a.Name == name })
	switch {
	case value == nil && i < 0, value != nil && i >= 0 && e.attrs[i].Value == *value:
		return
	case value == nil:
		e.attrs = slices.Delete(slices.Clone(e.attrs), i, i+1)
	case i >= 0:
		e.attrs = slices.Clone(e.attrs)
		e.attrs[i].Value = *value
	default:
		e.attrs = append(e.attrs[:len(e.attrs):len(e.attrs)], Attr{name, *value})
	}
	e.render()
}

func (e *element) render() {
	b := append([]byte{'<'}, e.name...)
	for _, a := range e.attrs {
		b = append(append(append(b, ' '), a.Name...), '=', '"')
		b = append(appendEscaped(b, a.Value), '"')
	}
	switch {
	case len(e.kids) > 0 || e.end != nil:
		b = append(b, '>')
		if e.end == nil {
			e.end = []byte("</" + e.name + ">")
		}
	case bytes.HasSuffix(e.start, []byte(" />")):
		b = append(b, " />"...)
	default:
		b = append(b, "/>"...)
	}
	e.start = b
}

// appendEscaped escapes as Windows writes it, plus the control characters that would not survive otherwise.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&quot;"...)
		case '\t', '\n', '\r':
			b = fmt.Appendf(b, "&#x%X;", c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// newElement makes an element that was in no file.
func newElement(name string, attrs ...Attr) *element {
	e := &element{name: name, attrs: attrs}
	e.render()
	return e
}

var bom = []byte{0xEF, 0xBB, 0xBF}

const (
	maxDepth    = 100
	maxElements = 1 << 20
)

// ErrNotPreferences is wrapped by the error for a document that is no XML or whose root element is not that of a
// preference file.
var ErrNotPreferences = errors.New("not a Group Policy Preferences file")

// parseXML reads one document. It takes UTF-8 only, refuses a DOCTYPE and returns what stands before the root
// element, the root, and what stands behind it.
func parseXML(data []byte) (before []byte, root *element, after []byte, err error) {
	body := bytes.TrimPrefix(data, bom)
	skipped := len(data) - len(body)
	lines := lineCounter{data: data}
	fail := func(off int, format string, args ...any) error {
		return &registry.SyntaxError{Format: "gpp", Pos: lines.at(off), Msg: fmt.Sprintf(format, args...), Err: ErrNotPreferences}
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("encoding %q; only utf-8 is read", label)
	}
	var stack []*element
	count, rootEnd := 0, 0
	for {
		from := int(d.InputOffset()) + skipped
		tok, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, nil, fail(from, "%v", err)
		}
		raw := data[from : int(d.InputOffset())+skipped]
		switch tok := tok.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(stack) >= maxDepth {
				return nil, nil, nil, fail(from, "more than %d elements or %d levels", maxElements, maxDepth)
			}
			el := &element{name: qualified(tok.Name), start: raw, pos: lines.at(from)}
			el.pos.Offset = int64(from)
			for _, a := range tok.Attr {
				el.attrs = append(el.attrs, Attr{qualified(a.Name), a.Value})
			}
			switch {
			case len(stack) > 0:
				top := stack[len(stack)-1]
				top.kids = append(top.kids, child{el: el})
			case root != nil:
				return nil, nil, nil, fail(from, "a second root element <%.40s>", el.name)
			default:
				root, before = el, data[:from]
			}
			stack = append(stack, el)
		case xml.EndElement:
			if len(stack) == 0 || stack[len(stack)-1].name != qualified(tok.Name) {
				return nil, nil, nil, fail(from, "</%.40s> closes nothing", qualified(tok.Name))
			}
			top := stack[len(stack)-1]
			if len(raw) > 0 { // empty for the end that <x/> implies
				top.end = raw
			}
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				rootEnd = int(d.InputOffset()) + skipped
			}
		case xml.Directive:
			return nil, nil, nil, fail(from, "a DOCTYPE or other declaration")
		default:
			if len(stack) > 0 {
				top := stack[len(stack)-1]
				if last := len(top.kids) - 1; last >= 0 && top.kids[last].el == nil {
					// Bytes between two elements are one child, however many comments they are.
					top.kids[last].raw = data[from-len(top.kids[last].raw) : from+len(raw)]
				} else {
					top.kids = append(top.kids, child{raw: raw})
				}
			} else if c, ok := tok.(xml.CharData); ok && len(bytes.TrimSpace(c)) > 0 {
				return nil, nil, nil, fail(from, "text outside of any element")
			}
		}
	}
	if root == nil || len(stack) > 0 {
		return nil, nil, nil, fail(len(data), "the document ends early")
	}
	return before, root, data[rootEnd:], nil
}

func qualified(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

// A lineCounter turns rising offsets into line numbers without counting from the start each time.
type lineCounter struct {
	data  []byte
	off   int
	lines int
}

func (l *lineCounter) at(off int) registry.Pos {
	if off < l.off {
		l.off, l.lines = 0, 0
	}
	off = min(off, len(l.data))
	l.lines += bytes.Count(l.data[l.off:off], []byte{'\n'})
	l.off = off
	return registry.Pos{Line: l.lines + 1, Offset: int64(off)}
}
