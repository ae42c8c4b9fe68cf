package ldapdir

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// received feeds bytes to a wire as if a server had sent them in answer to a search, and decodes what is there.
func received(t testing.TB, d *Dir, attrs []string, bytes string) (entries int, err error) {
	w := newWire(readConn{r: strings.NewReader(bytes)})
	rt := &route{id: firstOwnID + 1, chunks: make(chan chunk, 1), done: make(chan struct{})}
	w.routes[rt.id] = rt
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.ReadAll(w)
	}()
	defer func() { <-read }()
	s := &searching{w: w, rt: rt, timeout: time.Minute, timer: time.NewTimer(time.Minute)}
	x := d.decoder(0, attrs)
	for {
		e, res, err := s.next(t.Context())
		if err != nil || res != nil {
			return entries, err
		}
		if _, _, err := x.object(e); err != nil {
			s.stop()
			return entries, err
		}
		entries++
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostileLengths: what is allocated follows what arrived, whatever lengths and counts the messages claim.
func TestHostileLengths(t *testing.T) {
	own := func(parts ...string) string { return integer(tagInteger, firstOwnID+1) + strings.Join(parts, "") }
	entry := func(list string) string {
		return tlv(tagSequence, own(tlv(opSearchEntry, tlv(tagOctets, "CN=a,DC=x"), tlv(tagSequence, list))))
	}
	id := tlv(tagSequence, tlv(tagOctets, "objectGUID"), tlv(tagSet, tlv(tagOctets, "0123456789abcdef")))
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	for _, c := range []struct {
		name  string
		bytes string
	}{
		{"a message of 64 MB of which nothing comes", "\x30\x84\x04\x00\x00\x00" + own("\x64")},
		{"a message of 64 MB of which 100 KB come", "\x30\x84\x04\x00\x00\x00" + own("\x64\x84\x03\xff\xff\xf0", strings.Repeat("x", 100_000))},
		{"a message of 64 MB of which 3 MB come", "\x30\x84\x04\x00\x00\x00" + own("\x64\x84\x03\xff\xff\xf0", strings.Repeat("x", 3_000_000))},
		{"a message of 4 GB", "\x30\x84\xff\xff\xff\xff" + own("\x64")},
		{"a message for go-ldap of 64 MB of which nothing comes", "\x30\x84\x04\x00\x00\x00\x02\x01\x07\x64"},
		{"a value longer than its message", entry(id + tlv(tagSequence, tlv(tagOctets, "cn"), "\x31\x84\x7f\xff\xff\xff\x04\x84\x7f\xff\xff\xff"))},
		{"a list longer than its message", tlv(tagSequence, own("\x64\x84\x7f\xff\xff\xff\x04\x84\x7f\xff\xff\xff"))},
		{"200,000 values of nothing", entry(id + tlv(tagSequence, tlv(tagOctets, "cn"), tlv(tagSet, many(200_000, func(int) string { return "\x04\x00" }))))},
		{"100,000 attributes of nothing", entry(id + many(100_000, func(int) string { return tlv(tagSequence, tlv(tagOctets, "a"), tlv(tagSet)) }))},
		{"30,000 attributes in the worst order", entry(id + many(30_000, func(i int) string {
			return tlv(tagSequence, tlv(tagOctets, fmt.Sprintf("a%06d", 30_000-i)), tlv(tagSet, tlv(tagOctets)))
		}))},
		{"20,000 ranges", entry(id + many(20_000, func(i int) string {
			return tlv(tagSequence, tlv(tagOctets, fmt.Sprintf("a%d;range=0-0", i)), tlv(tagSet, tlv(tagOctets, "v")))
		}))},
		{"a tower of 10,000 sequences", tlv(tagSequence, own(strings.Repeat("\x30\x84\x7f\xff\xff\xff", 10_000)))},
		{"an identity of the wrong size", entry(tlv(tagSequence, tlv(tagOctets, "objectGUID"), tlv(tagSet, tlv(tagOctets, strings.Repeat("x", 1_000_000)))))},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := testDir(t)
			n := allocated(func() { _, _ = received(t, d, []string{"*"}, c.bytes) })
			// The buffer of a connection and of its chunks, and of every byte at most 32: an attribute of
			// nine bytes becomes one of 48, in a slice that grows by doubling.
			limit := uint64(8*bufferSize + 32*len(c.bytes))
			require.LessOrEqual(t, n, limit, "%d bytes arrived", len(c.bytes))
		})
	}
}

// TestDecodeNeverKeeps: what an object is made of is its own, although the messages are in memory used again.
func TestDecodeNeverKeeps(t *testing.T) {
	_, body, _, err := cut(sampleEntry())
	require.NoError(t, err)
	dn, rest, err := expect(tagOctets, body)
	require.NoError(t, err)
	attrs, _, err := expect(tagSequence, rest)
	require.NoError(t, err)
	lent := entry{dn, attrs}.lend()
	o, _, err := testDir(t).decoder(0, []string{"*"}).object(lent)
	require.NoError(t, err)
	want, _, err := testDir(t).decoder(0, []string{"*"}).object(entry{dn, attrs}.lend())
	require.NoError(t, err)
	for i := range lent.attrs {
		lent.attrs[i] = 'X'
	}
	for i := range lent.dn {
		lent.dn[i] = 'X'
	}
	require.Equal(t, want, o)
}
