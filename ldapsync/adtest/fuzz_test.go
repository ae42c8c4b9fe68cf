package adtest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// sequence wraps the content of a message.
func sequence(content []byte) []byte {
	var b ber.Builder
	m := b.Begin(ber.Sequence)
	b.Raw(string(content))
	b.End(m)
	return b.B
}

// requests are messages as go-ldap encodes them, without the outer SEQUENCE.
func requests(t testing.TB) [][]byte {
	base := "DC=ashdown,DC=example"
	var out [][]byte
	send := func(do func(*ldap.Conn)) {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if body, err := ber.ReadMessage(bufio.NewReader(server), maxMessage); err == nil {
				out = append(out, body)
			}
		}()
		c := ldap.NewConn(client, false)
		c.Start()
		go do(c)
		<-done
		c.Close()
		server.Close()
	}
	search := func(filter string, scope int, controls ...ldap.Control) {
		send(func(c *ldap.Conn) {
			c.Search(ldap.NewSearchRequest(base, scope, 0, 10, 5, false, filter, []string{"*", "tokenGroups", "member;range=0-1", "nTSecurityDescriptor"}, controls))
		})
	}
	search("(&(objectClass=user)(|(cn=a*b*c)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))(whenChanged>=20200101000000.0Z)(uSNChanged<=5)(anr=x))", 2, ldap.NewControlPaging(5))
	search("(member:1.2.840.113556.1.4.1941:=CN=admin,CN=Users,"+base+")", 2, ldap.NewControlMicrosoftShowDeleted(), ldap.NewControlMicrosoftSDFlags())
	search("(objectClass=*)", 2, ldap.NewRequestControlDirSync(1, 1000, []byte(cookieMagic)))
	search("(objectClass=*)", 1, ldap.NewControlString(oidExtendedDN, true, "\x30\x03\x02\x01\x01"))
	send(func(c *ldap.Conn) {
		m := ldap.NewModifyRequest("CN=admin,CN=Users,"+base, nil)
		m.Delete("description", nil)
		m.Replace("member", []string{"CN=reader,CN=Users," + base})
		c.Modify(m)
	})
	send(func(c *ldap.Conn) {
		a := ldap.NewAddRequest("CN=x,"+base, nil)
		a.Attribute("objectClass", []string{"user"})
		c.Add(a)
	})
	send(func(c *ldap.Conn) { c.Del(ldap.NewDelRequest("CN=reader,CN=Users,"+base, nil)) })
	send(func(c *ldap.Conn) {
		c.ModifyDN(ldap.NewModifyDNRequest("CN=reader,CN=Users,"+base, "CN=y", true, "CN=Computers,"+base))
	})
	send(func(c *ldap.Conn) { c.Compare(base, "objectClass", "domain") })
	send(func(c *ldap.Conn) { c.WhoAmI(nil) })
	send(func(c *ldap.Conn) { c.ExternalBind() })
	if len(out) < 9 {
		t.Fatalf("only %d seeds", len(out))
	}
	return out
}

// FuzzMessage sends one message on a bound connection and waits for the end: whatever comes, the
// server neither panics nor hangs, and what it answers is well-formed.
func FuzzMessage(f *testing.F) {
	for _, r := range requests(f) {
		f.Add(r)
	}
	s, err := Start(Config{AllowPlainBind: true, Socketless: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	snap := s.Snapshot()
	bind := []byte("\x30\x28\x02\x01\x00\x60\x23\x02\x01\x03\x04\x0dASHDOWN\\admin\x80\x0ePassw0rd-admin")
	bind[1] = byte(len(bind) - 2)
	bind[6] = byte(len(bind) - 7)
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<16 {
			return
		}
		s.Restore(snap)
		c, err := s.Dial(t.Context())
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		var out bytes.Buffer
		done := make(chan error, 1)
		go func() {
			_, err := io.Copy(&out, c)
			done <- err
		}()
		for _, b := range [][]byte{bind, sequence(in), []byte("\x30\x05\x02\x01\x7f\x42\x00")} {
			if _, err := c.Write(b); err != nil {
				break
			}
		}
		if err := <-done; errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server hangs")
		}
		for r := bytes.NewReader(out.Bytes()); r.Len() > 0; {
			body, err := ber.ReadMessage(r, 64<<20)
			if err != nil {
				t.Fatalf("answer: %v", err)
			}
			cur := ber.NewCursor(body)
			if _, err := cur.Int(ber.Integer); err != nil {
				t.Fatalf("answer without message id: %v", err)
			}
		}
	})
}

// FuzzFilter compares with go-ldap: the text of a decoded filter compiles there to a filter that
// decodes to the same text here.
func FuzzFilter(f *testing.F) {
	for _, text := range []string{"(cn=*)", "(&(a=b)(!(c>=d))(|(e<=f)(g~=h)))", "(cn=a*b*c)", "(cn=*b*)", "(x:dn:1.2.3:=v)", `(o=\00\ff\2a\28)`, "(&)", "(a:=b)"} {
		p, err := ldap.CompileFilter(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Bytes())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c := ber.NewCursor(in)
		flt, err := decodeFilter(&c)
		if err != nil || !plainNames(flt) {
			return
		}
		text := flt.String()
		p, err := ldap.CompileFilter(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		c = ber.NewCursor(p.Bytes())
		again, err := decodeFilter(&c)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again.String() != text {
			t.Fatalf("%s became %s", text, again)
		}
	})
}

// plainNames reports whether a filter has a text form that means the same: ordinary attribute
// names, and substrings without empty parts.
func plainNames(f *filter) bool {
	plain := func(s string) bool {
		for _, c := range []byte(s) {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
				return false
			}
		}
		return s != ""
	}
	switch f.op {
	case filterAnd, filterOr, filterNot:
		return !slices.ContainsFunc(f.subs, func(s *filter) bool { return !plainNames(s) }) && len(f.subs) > 0
	case filterSubstrings:
		return plain(f.attr) && !slices.Contains(f.any, "") && f.initial+f.final+strings.Join(f.any, "") != ""
	case filterExtensible:
		return plain(f.attr) && !f.dnAttrs && f.rule == ""
	case filterEqual, filterGreater, filterLess, filterApprox:
		return plain(f.attr) && f.value != ""
	}
	return plain(f.attr)
}

// FuzzDN checks that a name is written as it was read, and that go-ldap reads it alike.
func FuzzDN(f *testing.F) {
	for _, s := range []string{"CN=a,DC=b", `CN=a\,b\20,OU=\23x`, `cn="quoted, value",dc=x`, "2.5.4.3=#0403616263", "CN=#0400,DC=x", "\xe6\xe2=#040161", "CN=ü😀\\0A,DC=x", "", "CN=a;DC=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		dn, err := parseDN(in)
		if err != nil {
			return
		}
		text := joinDN(dn)
		again, err := parseDN(text)
		if err != nil {
			t.Fatalf("%q from %q: %v", text, in, err)
		}
		if !slices.Equal(dn, again) {
			t.Fatalf("%q from %q: %q, want %q", text, in, again, dn)
		}
		other, perr := ldap.ParseDN(text)
		if perr != nil {
			return // go-ldap refuses names and values that are not UTF-8
		}
		if len(other.RDNs) != len(dn) {
			t.Fatalf("%q: go-ldap sees %d components, want %d", text, len(other.RDNs), len(dn))
		}
		for i, r := range other.RDNs {
			if !utf8.ValidString(dn[i].value) {
				continue // go-ldap replaces such bytes
			}
			if got := r.Attributes[0].Value; got != dn[i].value {
				t.Fatalf("%q: go-ldap reads %q, want %q", text, got, dn[i].value)
			}
		}
	})
}

// FuzzLDIF checks that what the reader takes, the writer writes so that it is read alike.
func FuzzLDIF(f *testing.F) {
	for _, in := range []string{
		"version: 1\n\n# comment\n folded\ndn: CN=a,DC=b\nobjectClass: user\ndescription: folded\n  line\n\ndn:: Q049Yg==\nx;binary:: AAH/\nx: y\n",
		"dn: a\r\nchangetype: add\r\nb:\r\n", "dn:", "dn: x\na:< file:///x\n", "\n\n \n",
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		records, err := readLDIF(strings.NewReader(in))
		if err != nil {
			if e := (*LDIFError)(nil); !errors.As(err, &e) || e.Line < 1 || e.Line > strings.Count(in, "\n")+1 {
				t.Fatalf("error without a line of the file: %v", err)
			}
			return
		}
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		for _, r := range records {
			ldifValue(w, "dn", r.dn)
			for _, p := range r.pairs {
				ldifValue(w, p.name, p.value)
			}
			w.WriteByte('\n')
		}
		w.Flush()
		again, err := readLDIF(&out)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out.String())
		}
		if len(again) != len(records) {
			t.Fatalf("%d records became %d", len(records), len(again))
		}
		for i := range again {
			if again[i].dn != records[i].dn || !slices.Equal(again[i].pairs, records[i].pairs) {
				t.Fatalf("%+v became %+v", records[i], again[i])
			}
		}
	})
}
