package ldapdir

import (
	"bytes"
	"fmt"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// BenchmarkDecode makes objects of 1,000 entries of 16 values that have arrived, without a network, beside what the
// library behind go-ldap needs to take the same bytes apart.
func BenchmarkDecode(b *testing.B) {
	const n = 1000
	attrs := []string{"cn", "sn", "givenName", "displayName", "mail", "title", "description", "employeeNumber", "telephoneNumber", "mobile", "street", "l", "st", "postalCode", "employeeType"}
	var page []byte
	for i := range n {
		list := tlv(tagSequence, tlv(tagOctets, "objectGUID"), tlv(tagSet, tlv(tagOctets, fmt.Sprintf("%016d", i))))
		for j, a := range attrs {
			if (i+j)%20 == 0 {
				continue // not everybody has everything
			}
			values := tlv(tagOctets, fmt.Sprintf("%s %06d", a, i))
			if a == "telephoneNumber" {
				values += tlv(tagOctets, fmt.Sprintf("+44 20 7946 %06d", i))
			}
			list += tlv(tagSequence, tlv(tagOctets, a), tlv(tagSet, values))
		}
		page = append(page, tlv(tagSequence, integer(tagInteger, firstOwnID+1), tlv(opSearchEntry,
			tlv(tagOctets, fmt.Sprintf("CN=Oakley Ann %06d,OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example", i)), tlv(tagSequence, list)))...)
	}
	page = append(page, tlv(tagSequence, integer(tagInteger, firstOwnID+1), tlv(opSearchDone, integer(tagEnumerated, 0), tlv(tagOctets), tlv(tagOctets)))...)
	perEntry := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
		b.SetBytes(int64(len(page)))
	}
	d := testDir(b)
	b.Run(fmt.Sprintf("ldapdir/entries=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		text := string(page)
		for b.Loop() {
			if got, err := received(b, d, attrs, text); err != nil || got != n {
				b.Fatal(got, err)
			}
		}
		perEntry(b)
	})
	b.Run(fmt.Sprintf("asn1-ber/entries=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := bytes.NewReader(page)
			for range n {
				if _, err := ber.ReadPacket(r); err != nil {
					b.Fatal(err)
				}
			}
		}
		perEntry(b)
	})
}
