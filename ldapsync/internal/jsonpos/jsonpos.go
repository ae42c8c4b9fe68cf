// Package jsonpos reads JSON into a tree that knows where everything stood, so that a reader of a file format can
// name the line of any mistake, and tell the members it understood from those it did not.
package jsonpos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Limits of Parse.
const (
	MaxDepth = 64
	MaxNodes = 1 << 20
)

// Kind is what a Node is.
type Kind uint8

// The kinds. The zero Kind is null.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

var kinds = [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}

// String returns the name with its article.
func (k Kind) String() string { return kinds[k] }

// A Node is a value of the text.
type Node struct {
	Kind    Kind
	Offset  int    // of the value's first byte
	Text    string // String: the value; Number: its digits
	True    bool
	Items   []*Node  // Array
	Members []Member // Object, in the order of the text
}

// A Member is a name and its value.
type Member struct {
	Name string
	*Node
}

// An Error is a place and what is wrong there.
type Error struct {
	Offset int
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Parse reads one value. Names given twice, text after the value, and what exceeds the limits are errors, all of
// them *Error.
func Parse(b []byte) (*Node, error) {
	if !utf8.Valid(b) {
		at := 0
		for at < len(b) {
			r, n := utf8.DecodeRune(b[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, &Error{at, "the text is not UTF-8"}
	}
	p := &parser{b: b, d: json.NewDecoder(bytes.NewReader(b))}
	p.d.UseNumber()
	n, err := p.value(0)
	if err == nil {
		if _, more := p.d.Token(); !errors.Is(more, io.EOF) {
			err = &Error{p.at(), "there is more text after the end of the JSON value"}
		}
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

type parser struct {
	b     []byte
	d     *json.Decoder
	nodes int
}

// at is the offset of the next token.
func (p *parser) at() int {
	i := int(p.d.InputOffset())
	for i < len(p.b) && (p.b[i] == ' ' || p.b[i] == '\t' || p.b[i] == '\n' || p.b[i] == '\r' || p.b[i] == ',' || p.b[i] == ':') {
		i++
	}
	return i
}

func (p *parser) token() (json.Token, int, error) {
	at := p.at()
	t, err := p.d.Token()
	var syn *json.SyntaxError
	switch {
	case err == nil:
		return t, at, nil
	case errors.As(err, &syn):
		return nil, at, &Error{at, "not JSON: " + syn.Error()}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if len(bytes.TrimSpace(p.b)) == 0 {
			return nil, at, &Error{0, "the file is empty"}
		}
		return nil, at, &Error{len(p.b), "the text ends in the middle of the JSON value"}
	}
	return nil, at, &Error{at, "not JSON: " + err.Error()}
}

func (p *parser) value(depth int) (*Node, error) {
	t, at, err := p.token()
	if err != nil {
		return nil, err
	}
	if p.nodes++; p.nodes > MaxNodes {
		return nil, &Error{at, fmt.Sprintf("more than %d values", MaxNodes)}
	}
	if depth > MaxDepth {
		return nil, &Error{at, fmt.Sprintf("nested more than %d levels deep", MaxDepth)}
	}
	n := &Node{Offset: at}
	switch t := t.(type) {
	case bool:
		n.Kind, n.True = Bool, t
	case json.Number:
		n.Kind, n.Text = Number, t.String()
	case string:
		n.Kind, n.Text = String, t
	case json.Delim:
		if t == '[' {
			n.Kind = Array
			for p.d.More() {
				item, err := p.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.Items = append(n.Items, item)
			}
		} else {
			n.Kind = Object
			seen := make(map[string]bool)
			for p.d.More() {
				name, at, err := p.token()
				if err != nil {
					return nil, err
				}
				s, _ := name.(string)
				if seen[s] {
					return nil, &Error{at, fmt.Sprintf("the member %q is given twice", clip(s))}
				}
				seen[s] = true
				v, err := p.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.Members = append(n.Members, Member{s, v})
			}
		}
		if _, _, err := p.token(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// Get returns the member, nil if there is none or n is no object.
func (n *Node) Get(name string) *Node {
	if n != nil {
		for _, m := range n.Members {
			if m.Name == name {
				return m.Node
			}
		}
	}
	return nil
}

// Position returns the line and column of an offset; both count from 1, columns in bytes.
func Position(b []byte, offset int) (line, column int) {
	b = b[:min(max(offset, 0), len(b))]
	return 1 + bytes.Count(b, []byte("\n")), len(b) - bytes.LastIndexByte(b, '\n')
}
