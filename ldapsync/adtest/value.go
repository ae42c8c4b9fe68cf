package adtest

import (
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// packed holds the values of one attribute as the elements of a BER SET, so that a search copies
// them and a directory of 100,000 objects has one allocation per attribute.
type packed struct {
	raw string
	n   int
}

func pack(values ...string) packed {
	size := 0
	for _, v := range values {
		size += len(v) + 6
	}
	var b strings.Builder
	b.Grow(size)
	var head [6]byte
	for _, v := range values {
		b.Write(ber.AppendHeader(head[:0], ber.OctetString, len(v)))
		b.WriteString(v)
	}
	return packed{b.String(), len(values)}
}

// all yields the values in order.
func (p packed) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := p.raw; s != ""; {
			v, rest := cutValue(s)
			if !yield(v) {
				return
			}
			s = rest
		}
	}
}

// cutValue splits the first element off; pack wrote it, so it is well formed.
func cutValue(s string) (value, rest string) {
	n, at := int(s[1]), 2
	if n >= 0x80 {
		k := n & 0x7f
		n = 0
		for _, c := range []byte(s[2 : 2+k]) {
			n = n<<8 | int(c)
		}
		at += k
	}
	return s[at : at+n], s[at+n:]
}

func (p packed) list() []string {
	out := make([]string, 0, p.n)
	for v := range p.all() {
		out = append(out, v)
	}
	return out
}

func (p packed) first() string {
	if p.n == 0 {
		return ""
	}
	v, _ := cutValue(p.raw)
	return v
}

// slice returns the values lo to hi, both included.
func (p packed) slice(lo, hi int) packed {
	start, end, i := -1, 0, 0
	for s := p.raw; s != "" && i <= hi; i++ {
		_, rest := cutValue(s)
		if i == lo {
			start = len(p.raw) - len(s)
		}
		end = len(p.raw) - len(rest)
		s = rest
	}
	if start < 0 {
		return packed{}
	}
	return packed{p.raw[start:end], i - lo}
}

// check tells whether a value may be stored.
func (t *attrType) check(v string) *Error {
	bad := func(why string) *Error {
		return refuse(ResultInvalidAttributeSyntax, "00000057: AttrErr: problem 1005 (INVALID_ATTRIBUTE_SYNTAX), Att %s: %s", t.name, why)
	}
	if v == "" {
		return bad("empty value")
	}
	switch t.syntax {
	case IntegerSyntax:
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return bad("no integer")
		}
	case BooleanSyntax:
		if v != "TRUE" && v != "FALSE" {
			return bad("neither TRUE nor FALSE")
		}
	case TimeSyntax:
		if _, ok := parseTime(v); !ok {
			return bad("no generalizedTime")
		}
	case DNSyntax:
		if _, err := parseDN(v); err != nil {
			return bad("no DN")
		}
	case SIDSyntax:
		if _, err := SIDString(v); err != nil {
			return bad("no SID")
		}
	case StringSyntax, OIDSyntax:
		if !utf8.ValidString(v) {
			return bad("no UTF-8")
		}
	}
	if t.max > 0 && (len(v) > t.max && (t.syntax != StringSyntax || utf8.RuneCountInString(v) > t.max)) {
		return refuse(ResultConstraintViolation, "00002082: AtrErr: problem 1005 (CONSTRAINT_ATT_TYPE), Att %s: longer than %d", t.name, t.max)
	}
	return nil
}

// key is the form in which two values of t are equal. Link values are compared by the caller.
func (t *attrType) key(v string) string {
	switch t.syntax {
	case StringSyntax, OIDSyntax, BooleanSyntax:
		return fold(v)
	case DNSyntax:
		if k, ok := dnKey(v); ok {
			return k
		}
	case IntegerSyntax:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case TimeSyntax:
		if tm, ok := parseTime(v); ok {
			return formatTime(tm)
		}
	}
	return v
}

// compare orders two values for >= and <=; false if the syntax has no order.
func (t *attrType) compare(a, b string) (int, bool) {
	switch t.syntax {
	case IntegerSyntax:
		x, err1 := strconv.ParseInt(a, 10, 64)
		y, err2 := strconv.ParseInt(b, 10, 64)
		if err1 != nil || err2 != nil {
			return 0, false
		}
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	case TimeSyntax:
		x, ok1 := parseTime(a)
		y, ok2 := parseTime(b)
		return x.Compare(y), ok1 && ok2
	case StringSyntax:
		return strings.Compare(fold(a), fold(b)), true
	case OctetSyntax:
		return strings.Compare(a, b), true
	}
	return 0, false
}

// parseTime reads generalizedTime as Active Directory writes it, or with Z, fractions or UTCTime's
// two-digit year left out as RFC 4517 section 3.3.13 allows.
func parseTime(v string) (time.Time, bool) {
	if len(v) > 32 {
		return time.Time{}, false
	}
	for _, layout := range []string{"20060102150405Z", "20060102150405.999999999Z", "20060102150405Z0700", "200601021504Z"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func formatTime(t time.Time) string { return t.UTC().Format("20060102150405") + ".0Z" }
