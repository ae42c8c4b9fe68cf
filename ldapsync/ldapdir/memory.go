package ldapdir

import (
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// What objects are made of is taken from memory that a few of them share: enough that an entry costs less than one
// allocation, little enough that a value somebody keeps does not keep a page of entries with it.
const (
	textAtOnce  = 4 << 10 // bytes of values and names
	valueAtOnce = 64      // values
	attrAtOnce  = 64      // attributes
)

// memory is where the parts of objects lie. What was handed out is never written again.
type memory struct {
	text  strings.Builder
	vals  []string
	attrv []ldapsync.Attr
}

// room makes room for n more bytes of text.
func (m *memory) room(n int) {
	if m.text.Cap()-m.text.Len() < n {
		m.text.Reset()
		m.text.Grow(max(textAtOnce, n))
	}
}

// copy returns a copy of s.
func (m *memory) copy(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	m.room(len(s))
	from := m.text.Len()
	m.text.Write(s)
	return m.text.String()[from:]
}

// values decodes a set of values.
func (m *memory) values(set []byte) ([]string, error) {
	if len(set) == 0 {
		return nil, nil
	}
	v, rest, err := expect(tagOctets, set)
	if err != nil {
		return nil, err
	}
	n, size := 1, len(v)
	for more := rest; len(more) > 0; n++ { // one value is the rule
		var next []byte
		if next, more, err = expect(tagOctets, more); err != nil {
			return nil, err
		}
		size += len(next)
	}
	m.room(size)
	if cap(m.vals)-len(m.vals) < n {
		m.vals = make([]string, 0, max(valueAtOnce, n))
	}
	first := len(m.vals)
	for {
		from := m.text.Len()
		m.text.Write(v)
		m.vals = append(m.vals, m.text.String()[from:])
		if len(rest) == 0 {
			return m.vals[first:len(m.vals):len(m.vals)], nil
		}
		v, rest, _ = expect(tagOctets, rest)
	}
}

// attrs returns n zero attributes.
func (m *memory) attrs(n int) []ldapsync.Attr {
	if cap(m.attrv)-len(m.attrv) < n {
		m.attrv = make([]ldapsync.Attr, 0, max(attrAtOnce/max(n, 1)*n, n))
	}
	from := len(m.attrv)
	m.attrv = m.attrv[:from+n]
	return m.attrv[from : from+n : from+n]
}

// giveBack takes back the end of what attrs returned last.
func (m *memory) giveBack(end []ldapsync.Attr) {
	clear(end)
	m.attrv = m.attrv[:len(m.attrv)-len(end)]
}
