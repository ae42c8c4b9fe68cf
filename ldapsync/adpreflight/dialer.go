package adpreflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
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

// Lookup implements Network. It asks server alone, not the system's resolver or its hosts file.
func (d Dialer) Lookup(ctx context.Context, protocol, server, name string) ([]netip.Addr, error) {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, protocol, server)
	}}
	// The dot at the end keeps search domains out; a name with a dot in it is not looked up in the hosts file first
	// unless it is there.
	addrs, err := resolver.LookupNetIP(ctx, "ip", name+".")
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, fmt.Errorf("%w: %w", ErrNoSuchName, err)
	}
	if err != nil {
		return nil, refusal(err)
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, nil
}
