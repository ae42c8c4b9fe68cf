package adpreflight_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adpreflight"
)

// reply makes the answer of a DNS server to a question: records for one name, and NXDOMAIN for others.
func reply(question []byte, records ...[]byte) []byte {
	b := append([]byte(nil), question...)
	b[2] |= 0x80
	if len(records) == 0 {
		b[3] |= 3
	}
	binary.BigEndian.PutUint16(b[6:], uint16(len(records)))
	for _, r := range records {
		b = append(append(b, 0xc0, 12), r...)
	}
	return b
}

func record(kind uint16, data ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = append(b, 0, 1, 0, 0, 0, 60)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

func TestDialerLookup(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer udp.Close()
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	require.NoError(t, err)
	defer tcp.Close()
	serve := func(q []byte) []byte {
		switch {
		case len(q) < 20:
			return nil
		case string(q[13:17]) == "ad01" && q[len(q)-3] == 1:
			return reply(q, record(5, 0xc0, 12), record(1, 192, 168, 88, 10))
		case string(q[13:17]) == "six1" && q[len(q)-3] == 1:
			return reply(q, record(5, 0xc0, 12))
		case string(q[13:17]) == "six1":
			return reply(q, record(28, netip.MustParseAddr("fd00::1").AsSlice()...))
		case string(q[13:17]) == "lame":
			b := reply(q)
			b[3] = 2
			return b
		}
		return reply(q)
	}
	dropped := false
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			if !dropped { // the first datagram gets lost
				dropped = true
				continue
			}
			_, _ = udp.WriteTo([]byte{0, 0, 1}, from) // of an earlier question
			_, _ = udp.WriteTo(serve(b[:n]), from)
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			var n [2]byte
			_, _ = io.ReadFull(c, n[:])
			q := make([]byte, binary.BigEndian.Uint16(n[:]))
			_, _ = io.ReadFull(c, q)
			a := serve(q)
			_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
			_ = c.Close()
		}
	}()
	var d adpreflight.Dialer
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	server := udp.LocalAddr().String()
	for _, protocol := range []string{"udp", "tcp"} {
		got, err := d.Lookup(ctx, protocol, server, "ad01.prov.example")
		require.NoError(t, err)
		require.Equal(t, []netip.Addr{netip.MustParseAddr("192.168.88.10")}, got)
		got, err = d.Lookup(ctx, protocol, server, "six1.prov.example")
		require.NoError(t, err)
		require.Equal(t, []netip.Addr{netip.MustParseAddr("fd00::1")}, got)
		_, err = d.Lookup(ctx, protocol, server, "nope.prov.example")
		require.ErrorIs(t, err, adpreflight.ErrNoSuchName)
		_, err = d.Lookup(ctx, protocol, server, "lame.prov.example")
		require.ErrorContains(t, err, "code 2")
		require.NotErrorIs(t, err, adpreflight.ErrNoSuchName)
		_, err = d.Lookup(ctx, protocol, server, "a..b")
		require.ErrorContains(t, err, "no DNS name")
	}
	require.NoError(t, d.Connect(ctx, server))
	_, err = d.Lookup(ctx, "sctp", server, "ad01.prov.example")
	require.ErrorContains(t, err, "neither udp nor tcp")
}

func TestDialerNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	var d adpreflight.Dialer
	require.ErrorIs(t, d.Connect(t.Context(), address), adpreflight.ErrRefused)

	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = d.Lookup(ctx, "udp", silent.LocalAddr().String(), "ad01.prov.example")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestParseZone(t *testing.T) {
	masters := property(0x91, append(append([]byte{2, 0, 0, 0, 2, 0, 0, 0}, make([]byte, 24)...),
		append(append([]byte{2, 0, 0, 53, 192, 168, 88, 10}, make([]byte, 56)...), append(append([]byte{23, 0, 0, 53, 0, 0, 0, 0}, netip.MustParseAddr("fd00::1").AsSlice()...), make([]byte, 40)...)...)...)...)
	for _, c := range []struct {
		name    string
		values  []string
		typ     adpreflight.ZoneType
		masters []string
		err     string
	}{
		{name: "nothing", typ: adpreflight.ZonePrimary},
		{name: "default of an empty property", values: []string{property(1)}, typ: adpreflight.ZonePrimary},
		{name: "forwarder", values: []string{property(1, 4, 0, 0, 0), property(0x81, 1, 0, 0, 0, 10, 1, 2, 3)}, typ: adpreflight.ZoneForwarder, masters: []string{"10.1.2.3"}},
		{name: "both lists: the newer counts", values: []string{property(1, 4, 0, 0, 0), property(0x81, 1, 0, 0, 0, 10, 1, 2, 3), masters}, typ: adpreflight.ZoneForwarder, masters: []string{"192.168.88.10", "fd00::1"}},
		{name: "other properties", values: []string{property(0x20, 1), property(1, 3, 0, 0, 0)}, typ: adpreflight.ZoneStub},
		{name: "short", values: []string{"abc"}, err: "at least 20 bytes"},
		{name: "data cut off", values: []string{property(1, 4, 0, 0, 0)[:22]}, err: "4 bytes of data are announced, 2 are there"},
		{name: "version", values: []string{property(1, 4, 0, 0, 0)[:12] + "\x02" + property(1, 4, 0, 0, 0)[13:]}, err: "version 2"},
		{name: "type too short", values: []string{property(1, 4)}, err: "fewer than 4"},
		{name: "count too large", values: []string{property(0x81, 255, 255, 255, 255, 1, 2, 3, 4)}, err: "4294967295 addresses do not fit"},
		{name: "new count too large", values: []string{property(0x91, append([]byte{0, 0, 0, 0, 9}, make([]byte, 40)...)...)}, err: "9 addresses do not fit"},
		{name: "family", values: []string{property(0x91, append([]byte{0, 0, 0, 0, 1}, make([]byte, 91)...)...)}, err: "address family 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			z, err := adpreflight.ParseZone(c.values)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.typ, z.Type)
			var got []string
			for _, m := range z.Masters {
				got = append(got, m.String())
			}
			require.Equal(t, c.masters, got)
		})
	}
}

func FuzzParseZone(f *testing.F) {
	f.Add(property(1, 4, 0, 0, 0), property(0x81, 1, 0, 0, 0, 10, 1, 2, 3))
	f.Add(property(0x91, append([]byte{0, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 88)...)...), "")
	f.Fuzz(func(t *testing.T, a, b string) {
		z, err := adpreflight.ParseZone([]string{a, b})
		if err == nil && len(z.Masters) > len(a)+len(b) {
			t.Fatalf("%d masters out of %d bytes", len(z.Masters), len(a)+len(b))
		}
	})
}

func FuzzDNSAnswer(f *testing.F) {
	q, err := adpreflight.DNSQuestion(7, "ad01.prov.example", 1)
	require.NoError(f, err)
	f.Add(reply(q, record(1, 192, 168, 88, 10)), uint16(1))
	f.Add(reply(q), uint16(28))
	f.Fuzz(func(t *testing.T, b []byte, kind uint16) {
		got, err := adpreflight.DNSAnswer(b, 7, kind)
		if err == nil && len(got)*4 > len(b) {
			t.Fatalf("%d addresses out of %d bytes", len(got), len(b))
		}
	})
}
