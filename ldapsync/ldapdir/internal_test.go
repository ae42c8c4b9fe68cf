package ldapdir

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func TestSplitName(t *testing.T) {
	for in, want := range map[string]struct {
		name  string
		rng   *valueRange
		fails bool
	}{
		"member":                        {name: "member"},
		"member;range=0-1499":           {name: "member", rng: &valueRange{low: 0, high: 1499}},
		"member;Range=1500-*":           {name: "member", rng: &valueRange{low: 1500, last: true}},
		"userCertificate;binary":        {name: "userCertificate"},
		"cn;lang-de":                    {name: "cn;lang-de"},
		"x;binary;range=0-0;lang-en":    {name: "x;lang-en", rng: &valueRange{}},
		"member;range=":                 {fails: true},
		"member;range=5":                {fails: true},
		"member;range=5-4":              {fails: true},
		"member;range=-5-9":             {fails: true},
		"member;range=*-*":              {fails: true},
		"member;range=+1-2":             {fails: true},
		"member;range=0-99999999999":    {fails: true},
		"member;range=0-1;range=2-3":    {fails: true},
		"member;range=0-18446744073709": {fails: true},
	} {
		name, r, err := splitName(in)
		if want.fails {
			require.Error(t, err, in)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want.name, name, in)
		require.Equal(t, want.rng, r, in)
	}
}

func FuzzSplitName(f *testing.F) {
	for _, s := range []string{"member", "member;range=0-1499", "member;range=1500-*", "cn;lang-de;binary", ";;;", "a;range=0-0;range=1-*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, r, err := splitName(s)
		if err != nil {
			return
		}
		if len(name) > len(s) {
			t.Fatalf("%q became longer: %q", s, name)
		}
		if r != nil && (r.low < 0 || !r.last && r.high < r.low || r.low > maxRangeIndex || r.high > maxRangeIndex) {
			t.Fatalf("%q: range %+v", s, *r)
		}
		again, none, err := splitName(name)
		if err != nil || again != name || none != nil {
			t.Fatalf("%q: the name %q is not final: %q %v %v", s, name, again, none, err)
		}
	})
}

// sampleEntry is a search entry as a server sends it, after the message ID.
func sampleEntry() string {
	attr := func(name string, values ...string) string {
		set := ""
		for _, v := range values {
			set += tlv(tagOctets, v)
		}
		return tlv(tagSequence, tlv(tagOctets, name), tlv(tagSet, set))
	}
	return tlv(opSearchEntry, tlv(tagOctets, "CN=Ann Oakley,OU=People,DC=ashdown,DC=example"), tlv(tagSequence,
		attr("objectGUID", "0123456789abcdef"), attr("cn", "Ann Oakley"), attr("otherTelephone;range=0-1", "1", "2"),
		attr("otherTelephone"), attr("title"), attr("objectClass", "top", "person", "organizationalPerson", "user")))
}

func testDir(t testing.TB) *Dir {
	d, err := Open(Config{URL: "ldaps://dc1.ashdown.example"})
	require.NoError(t, err)
	return d
}

func TestDecode(t *testing.T) {
	_, body, _, err := cut(sampleEntry())
	require.NoError(t, err)
	dn, rest, err := expect(tagOctets, body)
	require.NoError(t, err)
	attrs, _, err := expect(tagSequence, rest)
	require.NoError(t, err)
	x := testDir(t).decoder(0, []string{"CN", "OTHERTELEPHONE", "mail"})
	for range 2 { // the second time from the cache
		o, more, err := x.object(entry{dn, attrs}.lend())
		require.NoError(t, err)
		require.Equal(t, ldapsync.User, o.Class)
		require.Equal(t, []string{"Ann Oakley"}, o.All("cn"))
		require.Equal(t, "CN", o.Attr("cn").Name)
		require.Equal(t, []string{"1", "2"}, o.All("otherTelephone"))
		require.Len(t, more, 1)
		require.Equal(t, 2, more[0].next)
		require.Equal(t, ldapsync.Absent, o.Presence("title"))
		require.Equal(t, ldapsync.Absent, o.Presence("objectClass"), "not asked for")
	}
	_, _, err = x.object(entry{dn: dn}.lend())
	require.ErrorContains(t, err, "has no objectGUID")
}

func TestClassify(t *testing.T) {
	d := testDir(t)
	user := []string{"top", "person", "organizationalPerson", "user"}
	computer := append(append([]string{}, user...), "computer")
	for _, c := range []struct {
		classes  []string
		category string
		want     ldapsync.Class
	}{
		{user, "CN=Person,CN=Schema,CN=Configuration,DC=x", ldapsync.User},
		{computer, "CN=Computer,CN=Schema,CN=Configuration,DC=x", ldapsync.Device},
		{append(computer, "msDS-GroupManagedServiceAccount"), "CN=ms-DS-Group-Managed-Service-Account,CN=Schema,CN=Configuration,DC=x", 0},
		{[]string{"top", "person", "organizationalPerson", "contact"}, "CN=Person,CN=Schema,CN=Configuration,DC=x", 0},
		{[]string{"top", "organizationalUnit"}, "", 0},
		{computer, "", ldapsync.Device},
		{user, "", ldapsync.User},
	} {
		require.Equal(t, c.want, d.classify(c.classes, c.category), "%v %s", c.classes, c.category)
	}
}

// FuzzMessage feeds search answers to the decoder, and compares what it makes of an entry with what the library
// behind go-ldap makes of it.
func FuzzMessage(f *testing.F) {
	message := func(op ...string) string {
		return tlv(tagSequence, integer(tagInteger, firstOwnID+1), strings.Join(op, ""))
	}
	done := message(tlv(opSearchDone, integer(tagEnumerated, 0), tlv(tagOctets), tlv(tagOctets)),
		tlv(tagControls, control(oidPaged, false, tlv(tagSequence, integer(tagInteger, 0), tlv(tagOctets, "cookie")))))
	f.Add(message(sampleEntry()) + message(sampleEntry()) + done)
	f.Add(done)
	f.Add(message(tlv(opSearchDone, integer(tagEnumerated, 51), tlv(tagOctets, "DC=x"), tlv(tagOctets, "busy"))))
	f.Add(message(tlv(opSearchReference, tlv(tagOctets, "ldap://elsewhere.example/"))) + done)
	f.Add(message(tlv(opSearchEntry, tlv(tagOctets, "CN=a,DC=x"), tlv(tagSequence))) + message(sampleEntry())[:100])
	f.Add("\x30\x84\x04\x00\x00\x00" + integer(tagInteger, firstOwnID+1) + "\x64\x84\x03\xff\xff\xf0")
	d := testDir(f)
	f.Fuzz(func(t *testing.T, m string) {
		if n := allocated(func() { _, _ = received(t, d, []string{"cn", "*"}, m) }); n > uint64(10*bufferSize+64*len(m)) {
			t.Fatalf("%d bytes made %d", len(m), n)
		}
		w := newWire(readConn{r: strings.NewReader(m)})
		rt := &route{id: firstOwnID + 1, chunks: make(chan chunk, len(m)+1), done: make(chan struct{})}
		w.routes[rt.id] = rt
		_, _ = io.ReadAll(w)
		s := &searching{w: w, rt: rt, timeout: time.Minute, timer: time.NewTimer(time.Minute)}
		e, res, err := s.next(t.Context())
		if err != nil || res != nil {
			if res != nil && len(res.cookie)+len(res.diagnostic)+len(res.matched) > len(m) {
				t.Fatal("more than there was")
			}
			return
		}
		if first, _ := readHeader([]byte(m)); first.id != rt.id {
			return // it came behind something else
		}
		if packet, err := ber.DecodePacketErr([]byte(m)); err == nil {
			sameEntry(t, e.keep(), packet)
		}
		o, _, err := d.decoder(0, []string{"*"}).object(e)
		if err == nil && o.DN.String() != string(e.dn) && strings.TrimSpace(string(e.dn)) != "" {
			t.Fatalf("%q became %q", e.dn, o.DN)
		}
	})
}

// sameEntry compares an entry with a packet of the library, as far as go-ldap would look into it.
func sameEntry(t *testing.T, e entry, packet *ber.Packet) {
	if len(packet.Children) < 2 || packet.Children[1].Tag != opSearchEntry&0x1f || len(packet.Children[1].Children) < 2 {
		return
	}
	list := packet.Children[1].Children[1].Children
	i := 0
	err := e.each(func(description, set string) error {
		values, err := appendValues(nil, set)
		if err != nil || i >= len(list) || len(list[i].Children) < 2 {
			return errMalformed
		}
		if got := list[i].Children[0].Data.String(); got != description {
			t.Fatalf("attribute %d is %q, not %q", i, description, got)
		}
		theirs := list[i].Children[1].Children
		if len(theirs) != len(values) {
			t.Fatalf("%s has %d values, not %d", description, len(values), len(theirs))
		}
		for j, v := range theirs {
			if v.Data.String() != values[j] {
				t.Fatalf("%s: value %d is %q, not %q", description, j, values[j], v.Data.String())
			}
		}
		i++
		return nil
	})
	if err == nil && (i != len(list) || packet.Children[1].Children[0].Data.String() != e.dn) {
		t.Fatalf("%q with %d attributes is %q with %d", e.dn, i, packet.Children[1].Children[0].Data.String(), len(list))
	}
}

type nopConn struct{ net.Conn }

func (nopConn) Close() error                     { return nil }
func (nopConn) Write(p []byte) (int, error)      { return len(p), nil }
func (nopConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzWire feeds bytes to the splitter of messages: what is not ours must reach go-ldap unchanged.
func FuzzWire(f *testing.F) {
	own := tlv(tagSequence, integer(tagInteger, firstOwnID+1), sampleEntry())
	other := tlv(tagSequence, integer(tagInteger, 7), tlv(0x61, integer(tagEnumerated, 0), tlv(tagOctets), tlv(tagOctets)))
	f.Add([]byte(other + own + other))
	f.Add([]byte(own))
	f.Add([]byte("\x30\x84\x7f\xff\xff\xff\x02\x01\x01"))
	f.Add([]byte("\x30\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWire(readConn{r: bytes.NewReader(b)})
		got, err := io.ReadAll(w)
		if err == nil && len(got) > len(b) {
			t.Fatal("more than there was")
		}
		if !bytes.Contains(b, got) && !subsequence(got, b) {
			t.Fatal("bytes that were not there")
		}
	})
}

func subsequence(a, b []byte) bool {
	for _, c := range b {
		if len(a) > 0 && a[0] == c {
			a = a[1:]
		}
	}
	return len(a) == 0
}

type readConn struct {
	nopConn
	r io.Reader
}

func (c readConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func TestWireSplits(t *testing.T) {
	own := tlv(tagSequence, integer(tagInteger, firstOwnID+1), sampleEntry())
	stray := tlv(tagSequence, integer(tagInteger, firstOwnID+9), sampleEntry())
	other := tlv(tagSequence, integer(tagInteger, 7), tlv(tagOctets, strings.Repeat("x", 100_000)))
	w := newWire(readConn{r: strings.NewReader(other + own + stray + own + other)})
	rt := &route{id: firstOwnID + 1, chunks: make(chan chunk, 2), done: make(chan struct{})}
	w.routes[rt.id] = rt
	got, err := io.ReadAll(w)
	require.NoError(t, err)
	require.Equal(t, other+other, string(got))
	require.Len(t, rt.chunks, 2)
	require.Equal(t, chunk{[]byte(own), -1}, <-rt.chunks)
	require.True(t, w.broken())
}

// TestBERAgainstLibrary compares our encoding with that of the library behind go-ldap.
func TestBERAgainstLibrary(t *testing.T) {
	for _, v := range []int64{0, 1, 127, 128, 255, 256, 32767, 32768, 8388607, 8388608, firstOwnID, 1<<31 - 1} {
		ours := integer(tagInteger, v)
		require.Equal(t, string(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, v, "").Bytes()), ours)
		content, rest, err := expect(tagInteger, ours)
		require.NoError(t, err)
		require.Empty(t, rest)
		back, err := number(content)
		require.NoError(t, err)
		require.Equal(t, v, back)
	}
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 70000} {
		text := strings.Repeat("x", n)
		p, err := ber.DecodePacketErr([]byte(tlv(tagOctets, text)))
		require.NoError(t, err)
		require.Equal(t, text, p.Data.String())
		content, _, err := expect(tagOctets, tlv(tagOctets, text))
		require.NoError(t, err)
		require.Equal(t, text, content)
	}
	for _, bad := range []string{"", "\x04", "\x04\x80", "\x04\x85\x00\x00\x00\x00\x00", "\x04\x02a", "\x04\x84\xff\xff\xff\xff", "\x04\x82\x01"} {
		_, _, _, err := cut(bad)
		require.ErrorIs(t, err, errMalformed, "%q", bad)
	}
	_, err := number("")
	require.Error(t, err)
}

func TestCredentialAdvice(t *testing.T) {
	for code, want := range map[string]string{"52e": "wrong", "525": "does not exist", "530": "at this time", "531": "this computer",
		"532": "has expired", "533": "disabled", "568": "too many groups", "701": "account has expired", "773": "must be changed", "775": "locked out", "": "wrong"} {
		got := credentialAdvice("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data " + code + ", v4563\x00")
		require.Contains(t, got, want)
		require.Contains(t, got, "not tried again")
	}
}

func TestErrorText(t *testing.T) {
	e := refusal("search", "ldaps://dc1", "OU=X", ResultNoSuchObject, "DC=x", "0000208D:\n\x00 name")
	require.Equal(t, "ldapdir: search OU=X at ldaps://dc1: result 32 noSuchObject (0000208D:   name); found as far as DC=x; check the DN or identity, and whether the account may see the object [not found]", e.Error())
	require.ErrorIs(t, e, ldapsync.ErrNotFound)
	require.Equal(t, "ResultCode(4711)", ResultCode(4711).String())
	long := refusal("search", "x", "", ResultBusy, "", strings.Repeat("é", 1000))
	require.Less(t, len(long.Diagnostic), maxDiagnostic+10)
	cause := errors.New("cause")
	require.ErrorIs(t, lost("modify", "x", "y", cause), cause)
}
