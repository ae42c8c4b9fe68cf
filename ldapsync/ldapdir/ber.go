package ldapdir

import (
	"errors"
	"strings"
)

// Tags of the parts of LDAP messages that are encoded and decoded here (RFC 4511 section 4 and appendix B).
const (
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagEnumerated = 0x0a
	tagBoolean    = 0x01
	tagSequence   = 0x30
	tagSet        = 0x31
	tagControls   = 0xa0

	opUnbind          = 0x42
	opSearch          = 0x63
	opSearchEntry     = 0x64
	opSearchDone      = 0x65
	opSearchReference = 0x73
	opAbandon         = 0x50
	opExtendedReply   = 0x78
	opIntermediate    = 0x79
)

var errMalformed = errors.New("the server sent a message that is not LDAP")

// tlv encodes one element.
func tlv(tag byte, content ...string) string {
	n := 0
	for _, c := range content {
		n += len(c)
	}
	var b strings.Builder
	b.Grow(n + 6)
	b.WriteByte(tag)
	switch {
	case n < 0x80:
		b.WriteByte(byte(n))
	case n < 0x100:
		b.Write([]byte{0x81, byte(n)})
	case n < 0x10000:
		b.Write([]byte{0x82, byte(n >> 8), byte(n)})
	default:
		b.Write([]byte{0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	for _, c := range content {
		b.WriteString(c)
	}
	return b.String()
}

// integer encodes the content of a non-negative INTEGER or ENUMERATED below 2^31.
func integer(tag byte, v int64) string {
	content := []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	for len(content) > 1 && content[0] == 0 && content[1] < 0x80 {
		content = content[1:]
	}
	return tlv(tag, string(content))
}

func boolean(v bool) string {
	if v {
		return tlv(tagBoolean, "\xff")
	}
	return tlv(tagBoolean, "\x00")
}

// bytestring is what is decoded: a string, or bytes that are only lent.
type bytestring interface{ string | []byte }

// cut reads the element at the start of s. LDAP uses only tags of one byte and definite lengths (RFC 4511
// section 5.1).
func cut[B bytestring](s B) (tag byte, content, rest B, err error) {
	if len(s) < 2 {
		return 0, content, rest, errMalformed
	}
	n, at := int(s[1]), 2
	if n >= 0x80 {
		digits := n - 0x80
		if digits == 0 || digits > 4 || len(s) < 2+digits {
			return 0, content, rest, errMalformed
		}
		n = 0
		for i := range digits {
			n = n<<8 | int(s[2+i])
		}
		at += digits
	}
	if n < 0 || n > len(s)-at {
		return 0, content, rest, errMalformed
	}
	return s[0], s[at : at+n], s[at+n:], nil
}

// expect is cut for an element whose tag is known.
func expect[B bytestring](tag byte, s B) (content, rest B, err error) {
	if len(s) >= 2 && s[0] == tag && s[1] < 0x80 { // most are short
		if end := 2 + int(s[1]); end <= len(s) {
			return s[2:end], s[end:], nil
		}
	}
	t, content, rest, err := cut(s)
	if err == nil && t != tag {
		err = errMalformed
	}
	return content, rest, err
}

// number decodes the content of an INTEGER or ENUMERATED of at most four bytes.
func number(content string) (int64, error) {
	if len(content) == 0 || len(content) > 4 {
		return 0, errMalformed
	}
	v := int64(int8(content[0]))
	for _, c := range []byte(content[1:]) {
		v = v<<8 | int64(c)
	}
	return v, nil
}
