package adtest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// population starts a server with n users of 16 attributes and returns their OU.
func population(b *testing.B, n int) (*adtest.Server, string) {
	b.Helper()
	ou := "OU=People," + base
	r, w := io.Pipe()
	go func() {
		out := bufio.NewWriter(w)
		fmt.Fprintf(out, "dn: %s\nobjectClass: organizationalUnit\n\n", ou)
		for i := range n {
			id := fmt.Sprintf("user%06d", i)
			fmt.Fprintf(out, "dn: CN=%s,%s\nobjectClass: user\nsAMAccountName: %s\nuserPrincipalName: %s@ashdown.example\nmail: %s@ashdown.example\n", id, ou, id, id, id)
			fmt.Fprintf(out, "displayName: User %d of Ashdown Vale\ngivenName: User\nsn: Number%d\ntitle: Nurse\ndepartment: Ward %d\ncompany: Ashdown Vale\n", i, i, i%40)
			fmt.Fprintf(out, "employeeID: %d\ntelephoneNumber: +44 1632 96%04d\nuserAccountControl: 512\nproxyAddresses: SMTP:%s@ashdown.example\nproxyAddresses: smtp:u%d@ashdown.example\n\n", i, i%10000, id, i)
		}
		out.Flush()
		w.Close()
	}()
	s, err := adtest.Start(adtest.Config{LDIF: r, AllowPlainBind: true, Socketless: true})
	require.NoError(b, err)
	b.Cleanup(func() { s.Close() })
	return s, ou
}

func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s, err := adtest.Start(adtest.Config{Socketless: true})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkServe reads an OU with pages of 1,000 as fast as a client that only counts bytes can.
func BenchmarkServe(b *testing.B) {
	for _, n := range []int{10000, 100000} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			s, ou := population(b, n)
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportAllocs()
			total := int64(0)
			for b.Loop() {
				entries, size := drain(b, s, ou)
				require.Equal(b, n, entries)
				total += size
			}
			b.SetBytes(total / int64(b.N))
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heapB/user")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
		})
	}
}

// drain reads all pages without decoding entries.
func drain(b *testing.B, s *adtest.Server, ou string) (entries int, size int64) {
	raw, err := s.Dial(context.Background())
	require.NoError(b, err)
	defer raw.Close()
	r := bufio.NewReaderSize(raw, 256<<10)
	tlv := func(tag byte, parts ...string) string {
		body := strings.Join(parts, "")
		return string([]byte{tag, 0x84, byte(len(body) >> 24), byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}) + body
	}
	next := func() []byte {
		head, err := r.Peek(6)
		require.NoError(b, err)
		n := int(head[2])<<24 | int(head[3])<<16 | int(head[4])<<8 | int(head[5])
		msg := make([]byte, 6+n)
		_, err = io.ReadFull(r, msg)
		require.NoError(b, err)
		return msg
	}
	one := string([]byte{2, 1, 1})
	_, err = io.WriteString(raw, tlv(0x30, one, tlv(0x60, "\x02\x01\x03", tlv(4, `ASHDOWN\reader`), tlv(0x80, "Passw0rd-reader"))))
	require.NoError(b, err)
	next()
	for cookie := ""; ; {
		search := tlv(0x63, tlv(4, ou), "\x0a\x01\x01\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00", tlv(0xa3, tlv(4, "objectClass"), tlv(4, "user")), tlv(0x30,
			tlv(4, "objectGUID"), tlv(4, "uSNChanged"), tlv(4, "sAMAccountName"), tlv(4, "userPrincipalName"), tlv(4, "mail"), tlv(4, "displayName"), tlv(4, "givenName"),
			tlv(4, "sn"), tlv(4, "title"), tlv(4, "department"), tlv(4, "company"), tlv(4, "employeeID"), tlv(4, "telephoneNumber"), tlv(4, "userAccountControl"), tlv(4, "proxyAddresses"), tlv(4, "objectSid")))
		control := tlv(0xa0, tlv(0x30, tlv(4, "1.2.840.113556.1.4.319"), tlv(4, tlv(0x30, "\x02\x02\x03\xe8", tlv(4, cookie)))))
		_, err = io.WriteString(raw, tlv(0x30, one, search, control))
		require.NoError(b, err)
		for {
			msg := next()
			size += int64(len(msg))
			if msg[9] == 0x64 {
				entries++
				continue
			}
			i := strings.Index(string(msg), "1.2.840.113556.1.4.319")
			require.Positive(b, i)
			cookie = string(msg[len(msg)-16:])
			if strings.HasSuffix(string(msg), "\x04\x00") {
				return entries, size
			}
			break
		}
	}
}

func BenchmarkModify(b *testing.B) {
	s, ou := population(b, 1000)
	raw, err := s.Dial(b.Context())
	require.NoError(b, err)
	c := ldap.NewConn(raw, false)
	c.Start()
	defer c.Close()
	require.NoError(b, c.Bind(`ASHDOWN\writer`, "Passw0rd-writer"))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		m := ldap.NewModifyRequest(fmt.Sprintf("CN=user%06d,%s", i%1000, ou), nil)
		m.Replace("title", []string{fmt.Sprint(i)})
		if err := c.Modify(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEquality(b *testing.B) {
	s, _ := population(b, 10000)
	raw, err := s.Dial(b.Context())
	require.NoError(b, err)
	c := ldap.NewConn(raw, false)
	c.Start()
	defer c.Close()
	require.NoError(b, c.Bind(`ASHDOWN\reader`, "Passw0rd-reader"))
	for _, attr := range []string{"sAMAccountName", "department"} {
		b.Run(attr, func(b *testing.B) {
			for b.Loop() {
				res, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, 0, 0, 0, false, "("+attr+"=user005000)", []string{"1.1"}, nil))
				if err != nil || len(res.Entries) > 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
