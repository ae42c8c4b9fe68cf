package ldapdir

import (
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// pieces gives one message to each Read, as a server does that sends every entry by itself, or as much as fits if
// they have gathered.
type pieces struct {
	messages []string
	gathered bool
}

func (p *pieces) Read(b []byte) (n int, err error) {
	if len(p.messages) == 0 {
		return 0, io.EOF
	}
	for more := true; more && n < len(b) && len(p.messages) > 0; more = p.gathered {
		k := copy(b[n:], p.messages[0])
		n += k
		if p.messages[0] = p.messages[0][k:]; p.messages[0] == "" {
			p.messages = p.messages[1:]
		}
	}
	return n, nil
}

// TestGathering: a read waits only behind many entries, and only where the one before took all there was.
func TestGathering(t *testing.T) {
	own := func(op string) string { return tlv(tagSequence, integer(tagInteger, firstOwnID+1), op) }
	entry := own(sampleEntry())
	done := own(tlv(opSearchDone, integer(tagEnumerated, 0), tlv(tagOctets), tlv(tagOctets)))
	page := func(n int) []string { return append(slices.Repeat([]string{entry}, n), done) }
	for name, c := range map[string]struct {
		messages []string
		gather   bool // what is left has gathered by the end of the first wait
		waits    int
	}{
		"few":               {page(manyEntries - 1), false, 0},
		"many":              {page(manyEntries), false, 1},
		"more":              {page(manyEntries + 99), false, 100},
		"behind the end":    {append(page(manyEntries), page(manyEntries-1)...), false, 1},
		"all has gathered":  {page(manyEntries + 30), true, 1},
		"a buffer was full": {page(manyEntries + 20*bufferSize/len(entry)), true, 1},
		"few, twice":        {[]string{entry, done, entry, done}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			sent := strings.Join(c.messages, "")
			p := &pieces{messages: c.messages}
			waits := 0
			g := &gathering{Conn: readConn{r: p}, rest: func(d time.Duration) {
				require.Equal(t, gatherFor, d)
				waits++
				p.gathered = c.gather
			}}
			w := newWire(g)
			w.raw = g
			rt := &route{id: firstOwnID + 1, chunks: make(chan chunk, len(c.messages)), done: make(chan struct{})}
			w.routes[rt.id] = rt
			_, err := io.ReadAll(w)
			require.NoError(t, err)
			got := ""
			for len(rt.chunks) > 0 {
				got += string((<-rt.chunks).messages)
			}
			require.Equal(t, sent, got)
			require.Equal(t, c.waits, waits)
		})
	}
}

// TestGatheringIsUsed: on connections of the network, with and without TLS, and on no others.
func TestGatheringIsUsed(t *testing.T) {
	s := adtest.New(t, adtest.Config{AllowPlainBind: true})
	bind := Simple{User: "reader@ashdown.example", Password: NewSecret("Passw0rd-reader")}
	trust := TLS{CAs: s.CertPool(), ServerName: s.DNSHostName()}
	for name, c := range map[string]struct {
		cfg  Config
		used bool
	}{
		"ldaps":      {Config{URL: s.TLSURL(), TLS: trust}, true},
		"StartTLS":   {Config{URL: s.URL(), TLS: trust}, true},
		"plaintext":  {Config{URL: s.URL(), AllowPlaintext: true}, true},
		"in process": {Config{Dial: s.Dial, TLS: trust}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Bind = bind
			d, err := Open(c.cfg)
			require.NoError(t, err)
			w, err := d.dial(t.Context())
			require.NoError(t, err)
			defer func() {
				require.NoError(t, w.Close())
				require.NoError(t, d.Close())
			}()
			require.Equal(t, c.used, w.raw != nil)
			if !c.used {
				return
			}
			require.NotNil(t, w.raw.rest)
			below := w.wire.Conn
			if secured, ok := below.(*tls.Conn); ok {
				below = secured.NetConn()
			}
			require.Same(t, w.raw, below, "bytes come past it")
		})
	}
}
