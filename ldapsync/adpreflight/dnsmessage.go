package adpreflight

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Types of resource records (RFC 1035 section 3.2.2, RFC 3596).
const (
	dnsA    = 1
	dnsAAAA = 28
)

// dnsQuestion encodes a question for the addresses of a name, recursion desired (RFC 1035 section 4.1).
func dnsQuestion(id uint16, name string, kind uint16) ([]byte, error) {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0) // recursion desired; one question
	if len(name) > 253 {
		return nil, errors.New("adpreflight: a DNS name has at most 253 characters")
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 {
			return nil, fmt.Errorf("adpreflight: %.80q is no DNS name", name)
		}
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, kind)
	return append(b, 0, 1), nil // class IN
}

var errDNS = errors.New("adpreflight: the DNS answer is malformed")

// dnsAnswer reads the addresses of an answer. A server that says the name does not exist gives ErrNoSuchName; any
// other failure it reports is an error that names the code. Aliases are followed as far as the server sent what they
// lead to.
func dnsAnswer(b []byte, id, kind uint16) ([]netip.Addr, error) {
	const header = 12
	if len(b) < header || binary.BigEndian.Uint16(b) != id || b[2]&0x80 == 0 {
		return nil, errDNS
	}
	switch code := b[3] & 0xf; code {
	case 0:
	case 3:
		return nil, ErrNoSuchName
	default:
		return nil, fmt.Errorf("adpreflight: the DNS server answers with code %d (RFC 1035 section 4.1.1; 2 server failure, 5 refused)", code)
	}
	questions, answers := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	at := header
	for ; questions > 0; questions-- {
		at = dnsSkipName(b, at)
		if at += 4; at > len(b) {
			return nil, errDNS
		}
	}
	var out []netip.Addr
	for ; answers > 0; answers-- {
		at = dnsSkipName(b, at)
		if at+10 > len(b) {
			return nil, errDNS
		}
		n := int(binary.BigEndian.Uint16(b[at+8:]))
		data := at + 10
		if data+n > len(b) {
			return nil, errDNS
		}
		switch typ := binary.BigEndian.Uint16(b[at:]); {
		case typ != kind:
		case typ == dnsA && n == 4, typ == dnsAAAA && n == 16:
			a, _ := netip.AddrFromSlice(b[data : data+n])
			out = append(out, a)
		default:
			return nil, errDNS
		}
		at = data + n
	}
	return out, nil
}

// dnsSkipName returns the offset after a name, which may end in a pointer (RFC 1035 section 4.1.4), or an offset past
// the end where the name is broken.
func dnsSkipName(b []byte, at int) int {
	for at < len(b) {
		switch n := int(b[at]); {
		case n == 0:
			return at + 1
		case n >= 0xc0:
			return at + 2
		case n >= 0x40:
			return len(b) + 1
		default:
			at += 1 + n
		}
	}
	return len(b) + 1
}
