package adpreflight

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Dialer is the Network of the operating system. The zero Dialer is ready to use.
type Dialer struct {
	net.Dialer
}

// wsaRefused is WSAECONNREFUSED of Windows Sockets, which differs from the constant of package syscall there.
const wsaRefused = syscall.Errno(10061)

// Connect implements Network.
func (d Dialer) Connect(ctx context.Context, address string) error {
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return refusal(err)
	}
	return c.Close()
}

func refusal(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaRefused) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// Lookup implements Network. It asks server alone: neither the system's resolver nor its hosts file has a say, which
// could hide that the server does not know the name. Without IPv4 addresses it asks for IPv6 ones.
func (d Dialer) Lookup(ctx context.Context, protocol, server, name string) ([]netip.Addr, error) {
	addrs, err := d.ask(ctx, protocol, server, name, dnsA)
	if err == nil && len(addrs) == 0 {
		addrs, err = d.ask(ctx, protocol, server, name, dnsAAAA)
	}
	return addrs, err
}

func (d Dialer) ask(ctx context.Context, protocol, server, name string, kind uint16) ([]netip.Addr, error) {
	if protocol != "udp" && protocol != "tcp" {
		return nil, fmt.Errorf("adpreflight: %.20q is neither udp nor tcp", protocol)
	}
	c, err := d.DialContext(ctx, protocol, server)
	if err != nil {
		return nil, refusal(err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	id := uint16(rand.Uint32())
	question, err := dnsQuestion(id, name, kind)
	if err != nil {
		return nil, err
	}
	var answer []byte
	if protocol == "tcp" {
		answer, err = exchangeTCP(c, question)
	} else {
		answer, err = exchangeUDP(ctx, c, question, id)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, refusal(err)
	}
	return dnsAnswer(answer, id, kind)
}

// exchangeTCP puts the length before the message (RFC 1035 section 4.2.2).
func exchangeTCP(c net.Conn, question []byte) ([]byte, error) {
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(c, answer)
	return answer, err
}

// exchangeUDP asks again every second, because datagrams get lost, until the context ends.
func exchangeUDP(ctx context.Context, c net.Conn, question []byte, id uint16) ([]byte, error) {
	b := make([]byte, 4096)
	for {
		if _, err := c.Write(question); err != nil {
			return nil, err
		}
		again := time.Now().Add(time.Second)
		for {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			_ = c.SetReadDeadline(again)
			n, err := c.Read(b)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				break
			}
			if err != nil {
				return nil, err
			}
			if n >= 2 && binary.BigEndian.Uint16(b) == id { // not the late answer to an earlier question
				return b[:n], nil
			}
		}
	}
}
