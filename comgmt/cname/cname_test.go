package cname_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cname"
)

var _ comgmt.Resolver = (*cname.Resolver)(nil)

// name encodes a DNS name without compression.
func name(s string) []byte {
	var b []byte
	for label := range strings.SplitSeq(s, ".") {
		b = append(b, byte(len(label)))
		b = append(b, label...)
	}
	return append(b, 0)
}

// record is one resource record whose owner is a pointer to the question.
func record(kind uint16, data []byte) []byte {
	b := []byte{0xC0, 12}
	b = binary.BigEndian.AppendUint16(b, kind)
	b = append(b, 0, 1, 0, 0, 14, 16)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// answer makes an answer to the question with the flags and records.
func answer(question []byte, flags uint16, records ...[]byte) []byte {
	m := append([]byte(nil), question...)
	binary.BigEndian.PutUint16(m[2:], flags)
	binary.BigEndian.PutUint16(m[6:], uint16(len(records)))
	for _, r := range records {
		m = append(m, r...)
	}
	return m
}

const ok, nxdomain, servfail, truncated = 0x8180, 0x8183, 0x8182, 0x8380

// resolver answers questions from functions, one per transport, without a network.
func resolver(t *testing.T, udp, tcp func(question []byte) [][]byte) *cname.Resolver {
	return &cname.Resolver{Server: "192.0.2.53", Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		require.Equal(t, "192.0.2.53:53", address)
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			buf := make([]byte, 1024)
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if network == "tcp" {
				if n == 2 { // the length may come alone
					m, err := server.Read(buf[n:])
					if err != nil {
						return
					}
					n += m
				}
				for _, m := range tcp(buf[2:n]) {
					server.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
				}
				return
			}
			for _, m := range udp(buf[:n]) {
				server.Write(m)
			}
		}()
		return client, nil
	}}
}

func TestCNAME(t *testing.T) {
	target := record(5, name("EnterpriseEnrollment-s.manage.example"))
	one := func(m func(q []byte) []byte) func([]byte) [][]byte {
		return func(q []byte) [][]byte { return [][]byte{m(q)} }
	}
	for _, c := range []struct {
		label string
		udp   func([]byte) [][]byte
		tcp   func([]byte) [][]byte
		want  string
		err   string
	}{
		{"record", one(func(q []byte) []byte { return answer(q, ok, target) }), nil, "EnterpriseEnrollment-s.manage.example", ""},
		{"chain: the first counts", one(func(q []byte) []byte {
			return answer(q, ok, target, append(append(name("enterpriseenrollment-s.manage.example"), 0, 5, 0, 1, 0, 0, 0, 1, 0, 3), name("x")...))
		}), nil, "EnterpriseEnrollment-s.manage.example", ""},
		{"address first", one(func(q []byte) []byte { return answer(q, ok, record(1, []byte{192, 0, 2, 1}), target) }), nil, "EnterpriseEnrollment-s.manage.example", ""},
		{"compressed target", one(func(q []byte) []byte { return answer(q, ok, record(5, []byte{3, 'w', 'w', 'w', 0xC0, 12})) }), nil, "www.enterpriseenrollment.ashdown.example", ""},
		{"address only", one(func(q []byte) []byte { return answer(q, ok, record(1, []byte{192, 0, 2, 1})) }), nil, "", ""},
		{"none", one(func(q []byte) []byte { return answer(q, ok) }), nil, "", ""},
		{"no such name", one(func(q []byte) []byte { return answer(q, nxdomain) }), nil, "", ""},
		{"record, but its target does not exist", one(func(q []byte) []byte { return answer(q, nxdomain, target) }), nil, "EnterpriseEnrollment-s.manage.example", ""},
		{"server failure", one(func(q []byte) []byte { return answer(q, servfail) }), nil, "", "enterpriseenrollment.ashdown.example: the DNS server answered: server failure"},
		{"cut, then TCP", one(func(q []byte) []byte { return answer(q, truncated) }), one(func(q []byte) []byte { return answer(q, ok, target) }), "EnterpriseEnrollment-s.manage.example", ""},
		{"somebody else's datagram first", func(q []byte) [][]byte {
			other := answer(q, ok, record(5, name("evil.example")))
			other[0] ^= 0xFF
			return [][]byte{other, answer(q, ok, target)}
		}, nil, "EnterpriseEnrollment-s.manage.example", ""},
		{"control characters", one(func(q []byte) []byte { return answer(q, ok, record(5, []byte{3, 'a', '\n', '.', 0})) }), nil, `a\010\046`, ""},
		{"question sent back", one(func(q []byte) []byte { return q }), nil, "", "malformed"},
		{"short", one(func(q []byte) []byte { return q[:5] }), nil, "", "malformed"},
		{"record cut", one(func(q []byte) []byte { m := answer(q, ok, target); return m[:len(m)-4] }), nil, "", "malformed"},
		{"pointer to itself", one(func(q []byte) []byte { return answer(q, ok, record(5, []byte{0xC0, byte(len(q) + 12)})) }), nil, "", "malformed"},
		{"name shorter than its record", one(func(q []byte) []byte { return answer(q, ok, record(5, []byte{1, 'a', 0, 0, 0})) }), nil, "", "malformed"},
	} {
		t.Run(c.label, func(t *testing.T) {
			r := resolver(t, c.udp, c.tcp)
			r.Timeout = time.Second
			got, err := r.CNAME(t.Context(), "enterpriseenrollment.ashdown.example.")
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for _, bad := range []string{"", "a..b", strings.Repeat("x", 64) + ".example", strings.Repeat("abcdefg.", 40) + "example"} {
		_, err := resolver(t, nil, nil).CNAME(t.Context(), bad)
		require.ErrorContains(t, err, "DNS name", bad)
	}
}

// TestSilentServer shows that neither a silent server nor a cancelled context can hang a caller.
func TestSilentServer(t *testing.T) {
	silent := resolver(t, func([]byte) [][]byte { time.Sleep(200 * time.Millisecond); return nil }, nil)
	silent.Timeout = 20 * time.Millisecond
	_, err := silent.CNAME(t.Context(), "www.ashdown.example")
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = silent.CNAME(ctx, "www.ashdown.example")
	require.Error(t, err)
}

// TestLoopback asks a server on a real socket, over UDP and over TCP.
func TestLoopback(t *testing.T) {
	var listen net.ListenConfig
	packets, err := listen.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer packets.Close()
	listener, err := listen.Listen(t.Context(), "tcp", packets.LocalAddr().String())
	if err != nil {
		t.Skipf("the TCP port of the UDP port is taken: %v", err)
	}
	defer listener.Close()
	go func() {
		buf := make([]byte, 1024)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			packets.WriteTo(answer(buf[:n], truncated), from)
		}
	}()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var length [2]byte
			if _, err := io.ReadFull(conn, length[:]); err == nil {
				q := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(conn, q); err == nil {
					m := answer(q, ok, record(5, name("edge.example")))
					conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
				}
			}
			conn.Close()
		}
	}()
	r := &cname.Resolver{Server: packets.LocalAddr().String()}
	got, err := r.CNAME(t.Context(), "www.ashdown.example")
	require.NoError(t, err)
	require.Equal(t, "edge.example", got)
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0x81, 0x80, 0, 1, 0, 1}, record(5, name("a.example")))
	f.Add([]byte{0x81, 0x80, 0, 0, 0xFF, 0xFF}, []byte{0xC0, 12})
	f.Fuzz(func(t *testing.T, head, rest []byte) {
		r := resolver(t, func(q []byte) [][]byte {
			m := append(append(append([]byte(nil), q[:2]...), head...), rest...)
			if len(m) > 1<<12 {
				m = m[:1<<12]
			}
			return [][]byte{m}
		}, func(q []byte) [][]byte { return nil })
		r.Timeout = time.Second
		target, err := r.CNAME(t.Context(), "www.ashdown.example")
		if err == nil && strings.ContainsFunc(target, func(c rune) bool { return c < ' ' }) {
			t.Fatalf("%q", target)
		}
	})
}

func ExampleResolver() {
	r := &cname.Resolver{Server: "192.0.2.53", Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { // stands in for a DNS server
			buf := make([]byte, 512)
			if n, err := server.Read(buf); err == nil {
				server.Write(answer(buf[:n], ok, record(5, name("EnterpriseEnrollment-s.manage.microsoft.com"))))
			}
			server.Close()
		}()
		return client, nil
	}}
	target, err := r.CNAME(context.Background(), "enterpriseenrollment.ashdown.example")
	fmt.Println(target, err)
	// Output: EnterpriseEnrollment-s.manage.microsoft.com <nil>
}
