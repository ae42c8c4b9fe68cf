package adpreflight

import "net/netip"

// DNSAnswer and DNSQuestion are tested and fuzzed from outside.
func DNSAnswer(b []byte, id, kind uint16) ([]netip.Addr, error) { return dnsAnswer(b, id, kind) }

func DNSQuestion(id uint16, name string, kind uint16) ([]byte, error) {
	return dnsQuestion(id, name, kind)
}
