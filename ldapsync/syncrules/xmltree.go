package syncrules

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of the XML reader.
const (
	maxXMLDepth = 64
	maxXMLNodes = 1 << 20
)

// element is an XML element with its place.
type element struct {
	name   string
	attrs  []xml.Attr
	text   string // of the element itself, without that of its children
	kids   []*element
	offset int
}

// child returns the first child with the name, nil if there is none.
func (e *element) child(name string) *element {
	for _, k := range e.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (e *element) attr(name string) string {
	for _, a := range e.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// toUTF8 turns UTF-16 with a byte order mark into UTF-8 and takes the mark of UTF-8 away.
func toUTF8(b []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	units := make([]uint16, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		units = append(units, order.Uint16(b[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}

// parseXML reads all root elements of the text: an export is one file for each rule, and files are easily joined.
func parseXML(b []byte) ([]*element, *Error) {
	fail := func(at int, format string, args ...any) ([]*element, *Error) {
		line, col := position(b, at)
		return nil, &Error{Line: line, Column: col, Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return fail(0, "the text is neither UTF-8 nor UTF-16 with a byte order mark")
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	var roots, open []*element
	nodes := 0
	for {
		at := int(d.InputOffset())
		t, err := d.Token()
		var syn *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF) && len(roots) == 0:
			return fail(0, "there is no XML element in it")
		case errors.Is(err, io.EOF):
			return roots, nil
		case errors.As(err, &syn) && strings.Contains(syn.Msg, "unexpected EOF"):
			return fail(len(b), "the XML ends in the middle of an element")
		case errors.As(err, &syn):
			return fail(at, "not XML: %s", syn.Msg)
		case err != nil:
			return fail(at, "not XML: %v", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if nodes++; nodes > maxXMLNodes {
				return fail(at, "more than %d elements", maxXMLNodes)
			}
			if len(open) >= maxXMLDepth {
				return fail(at, "nested more than %d levels deep", maxXMLDepth)
			}
			e := &element{name: t.Name.Local, attrs: t.Copy().Attr, offset: at}
			if len(open) > 0 {
				up := open[len(open)-1]
				up.kids = append(up.kids, e)
			} else {
				roots = append(roots, e)
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return fail(at, "there is text outside of the XML elements")
			}
		}
	}
}

func position(b []byte, at int) (line, col int) {
	b = b[:min(max(at, 0), len(b))]
	return 1 + bytes.Count(b, []byte("\n")), len(b) - bytes.LastIndexByte(b, '\n')
}
