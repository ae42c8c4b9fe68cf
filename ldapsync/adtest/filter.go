package adtest

import (
	"encoding/hex"
	"fmt"
	"strings"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// Bounds of a filter: a domain controller refuses far smaller ones by time, this one by size.
const (
	maxFilterDepth = 64
	maxFilterParts = 20000
)

// Tags of Filter (RFC 4511 section 4.5.1.7).
const (
	filterAnd        = 0xa0
	filterOr         = 0xa1
	filterNot        = 0xa2
	filterEqual      = 0xa3
	filterSubstrings = 0xa4
	filterGreater    = 0xa5
	filterLess       = 0xa6
	filterPresent    = 0x87
	filterApprox     = 0xa8
	filterExtensible = 0xa9
)

// Matching rules beyond those of the syntax (MS-ADTS 3.1.1.3.4.4).
const (
	ruleBitAnd  = "1.2.840.113556.1.4.803"
	ruleBitOr   = "1.2.840.113556.1.4.804"
	ruleInChain = "1.2.840.113556.1.4.1941"
)

// A filter is a decoded search filter.
type filter struct {
	op    byte
	subs  []*filter // and, or, not
	attr  string
	value string
	// substrings
	initial, final string
	any            []string
	// extensible
	rule    string
	dnAttrs bool
}

// decodeFilter reads one Filter.
func decodeFilter(c *ber.Cursor) (*filter, error) {
	parts := 0
	return decodeFilterPart(c, 0, &parts)
}

func decodeFilterPart(c *ber.Cursor, depth int, parts *int) (*filter, error) {
	if depth > maxFilterDepth {
		return nil, fmt.Errorf("filter is nested deeper than %d", maxFilterDepth)
	}
	if *parts++; *parts > maxFilterParts {
		return nil, fmt.Errorf("filter has more than %d parts", maxFilterParts)
	}
	tag, content, err := c.Next()
	if err != nil {
		return nil, err
	}
	f := &filter{op: tag}
	in := ber.NewCursor(content)
	switch tag {
	case filterAnd, filterOr, filterNot:
		for !in.Empty() {
			sub, err := decodeFilterPart(&in, depth+1, parts)
			if err != nil {
				return nil, err
			}
			f.subs = append(f.subs, sub)
		}
		if tag == filterNot && len(f.subs) != 1 {
			return nil, fmt.Errorf("not filter with %d parts", len(f.subs))
		}
		return f, nil
	case filterEqual, filterGreater, filterLess, filterApprox:
		if f.attr, err = in.Str(ber.OctetString); err != nil {
			return nil, err
		}
		if f.value, err = in.Str(ber.OctetString); err != nil {
			return nil, err
		}
	case filterPresent:
		f.attr, in = string(content), ber.Cursor{}
	case filterSubstrings:
		if f.attr, err = in.Str(ber.OctetString); err != nil {
			return nil, err
		}
		seq, err := in.Into(ber.Sequence)
		if err != nil {
			return nil, err
		}
		if err := f.substrings(seq); err != nil {
			return nil, err
		}
	case filterExtensible:
		for !in.Empty() {
			tag, content, err := in.Next()
			if err != nil {
				return nil, err
			}
			switch tag {
			case 0x81:
				f.rule = string(content)
			case 0x82:
				f.attr = string(content)
			case 0x83:
				f.value = string(content)
			case 0x84:
				f.dnAttrs = len(content) == 1 && content[0] != 0
			default:
				return nil, fmt.Errorf("extensible filter with tag 0x%02x", tag)
			}
		}
	default:
		return nil, fmt.Errorf("filter with tag 0x%02x", tag)
	}
	if !in.Empty() {
		return nil, fmt.Errorf("filter with tag 0x%02x has more than it should", tag)
	}
	return f, nil
}

func (f *filter) substrings(seq ber.Cursor) error {
	n := 0
	for ; !seq.Empty(); n++ {
		tag, content, err := seq.Next()
		if err != nil {
			return err
		}
		switch {
		case tag == 0x80 && n == 0:
			f.initial = string(content)
		case tag == 0x81 && f.final == "":
			f.any = append(f.any, string(content))
		case tag == 0x82 && f.final == "" && seq.Empty():
			f.final = string(content)
		default:
			return fmt.Errorf("substring filter out of order")
		}
	}
	if n == 0 {
		return fmt.Errorf("substring filter without parts")
	}
	return nil
}

// String writes the filter as RFC 4515 does.
func (f *filter) String() string {
	var b strings.Builder
	f.write(&b)
	return b.String()
}

func (f *filter) write(b *strings.Builder) {
	b.WriteByte('(')
	switch f.op {
	case filterAnd, filterOr, filterNot:
		b.WriteByte(map[byte]byte{filterAnd: '&', filterOr: '|', filterNot: '!'}[f.op])
		for _, s := range f.subs {
			s.write(b)
		}
	case filterPresent:
		b.WriteString(f.attr + "=*")
	case filterSubstrings:
		b.WriteString(f.attr + "=" + escapeFilter(f.initial) + "*")
		for _, s := range f.any {
			b.WriteString(escapeFilter(s) + "*")
		}
		b.WriteString(escapeFilter(f.final))
	case filterExtensible:
		b.WriteString(f.attr)
		if f.dnAttrs {
			b.WriteString(":dn")
		}
		if f.rule != "" {
			b.WriteString(":" + f.rule)
		}
		b.WriteString(":=" + escapeFilter(f.value))
	default:
		b.WriteString(f.attr + map[byte]string{filterEqual: "=", filterGreater: ">=", filterLess: "<=", filterApprox: "~="}[f.op] + escapeFilter(f.value))
	}
	b.WriteByte(')')
}

func escapeFilter(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || strings.IndexByte(`*()\`, c) >= 0 {
			b.WriteByte('\\')
			b.WriteString(hex.EncodeToString([]byte{c}))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
