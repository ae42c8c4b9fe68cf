package ldapdir_test

import (
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

var readAttrs = []string{"cn", "sn", "givenName", "displayName", "mail", "title", "description", "employeeNumber",
	"telephoneNumber", "mobile", "street", "l", "st", "postalCode", "employeeType"}

// BenchmarkRead compares streaming with go-ldap's SearchWithPaging of the same objects over the same kind of
// connection, on adtest and, where HYBRIDKIT_SLAPD_URL says where, on slapd. The fixture has 2,000 objects with 15
// values each.
func BenchmarkRead(b *testing.B) {
	const n = 2000
	sites := map[string]func(testing.TB) site{
		"adtest": func(t testing.TB) site { return adtestSite(t, adtest.Config{}) },
		"slapd":  func(t testing.TB) site { return realSite(t, "SLAPD", ldapdir.PlainLDAP) },
	}
	for _, name := range []string{"adtest", "slapd"} {
		b.Run(fmt.Sprintf("%s/objects=%d", name, n), func(b *testing.B) {
			s := sites[name](b)
			w := s.world(b)
			unit := w.unit(b)
			for i := range n {
				cn := fmt.Sprintf("user %05d", i)
				attrs := []ldapsync.Attr{}
				for _, a := range readAttrs[1:] {
					attrs = append(attrs, ldapsync.Values(a, fmt.Sprintf("%s %05d", a, i)))
				}
				attrs = append(attrs, ldapsync.Values("telephoneNumber", fmt.Sprint(i)), ldapsync.Values("mobile", fmt.Sprint(i)))
				_, err := w.Add(b.Context(), ldapsync.NewObject(ldapsync.GUID{}, unit.DN.Child("CN", cn), ldapsync.User, attrs...))
				require.NoError(b, err)
			}
			d := s.open(b, func(c *ldapdir.Config) { c.PageSize = 1000 })
			b.Run("ldapdir", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					got := 0
					for o, err := range d.Read(b.Context(), ldapsync.Query{Class: ldapsync.User, Container: unit, Attrs: readAttrs}) {
						if err != nil {
							b.Fatal(err)
						}
						if _, ok := o.Get("mail"); ok {
							got++
						}
					}
					if got != n {
						b.Fatal(got)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/object")
			})
			b.Run("go-ldap", func(b *testing.B) {
				b.ReportAllocs()
				req := ldap.NewSearchRequest(unit.DN.String(), ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
					ldapdir.DefaultClass(s.kind, ldapsync.User).Filter, append([]string{w.IDAttr()}, readAttrs...), nil)
				for b.Loop() {
					r, err := w.Conn.SearchWithPaging(req, 1000)
					if err != nil || len(r.Entries) != n {
						b.Fatal(err)
					}
					req.Controls = nil
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/object")
			})
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	s := adtestSite(b, adtest.Config{})
	w := s.world(b)
	unit := w.unit(b)
	id := w.people(b, unit, 1)[0]
	d := s.open(b)
	before := []string(nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		after := []string{fmt.Sprint(i)}
		if _, err := d.Write(b.Context(), ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", Before: before, After: after}}}); err != nil {
			b.Fatal(err)
		}
		before = after
	}
}
