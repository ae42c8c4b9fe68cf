package adtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// A Server is one domain controller. Its methods may be called concurrently.
type Server struct {
	dir       *directory
	name      string
	usnOffset int64
	tls       *authority
	plainBind bool
	noTLS     bool
	gcOn      bool
	maxPage   int
	maxRange  int
	settings  GUID // objectGUID of the NTDS Settings object, which holds the invocationId

	url, tlsURL, gcURL, gcTLSURL string

	rootDSEMu  sync.Mutex
	rootDSESet map[string]rootAttr // by folded name

	hook  atomic.Pointer[Hook]
	seq   atomic.Int64
	stats counters
	pages sync.Pool // of *[]byte: buffers of pages

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	accepting []chan struct{} // closed when the listener's goroutine is gone
	conns     map[*conn]struct{}
	connSeq   int64
}

// URL returns the LDAP URL; "" if the server is socketless.
func (s *Server) URL() string { return s.url }

// TLSURL returns the LDAPS URL; "" if there is none.
func (s *Server) TLSURL() string { return s.tlsURL }

// GCURL returns the LDAP URL of the Global Catalog; "" unless Config.GlobalCatalog is set.
func (s *Server) GCURL() string { return s.gcURL }

// GCTLSURL returns the LDAPS URL of the Global Catalog; "" if there is none.
func (s *Server) GCTLSURL() string { return s.gcTLSURL }

// BaseDN returns the distinguished name of the domain.
func (s *Server) BaseDN() string { return s.dir.baseDN }

// DNSHostName returns the name in the server's certificate and in dnsHostName of the rootDSE.
func (s *Server) DNSHostName() string { return s.name + "." + s.dir.domain }

// Dial returns a connection within the process: buffered, with deadlines, and without a socket,
// so that it may be used inside a testing/synctest bubble in which the server was started too. It
// speaks LDAP without TLS; StartTLS works.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) { return s.dial(ctx, false, false) }

// DialGC is Dial to the Global Catalog, whether or not Config.GlobalCatalog opens ports for it.
func (s *Server) DialGC(ctx context.Context) (net.Conn, error) { return s.dial(ctx, false, true) }

// DialTLS is Dial with LDAPS. The handshake is done, verified with CertPool.
func (s *Server) DialTLS(ctx context.Context) (*tls.Conn, error) {
	raw, err := s.dial(ctx, true, false)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, s.TLSConfig())
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (s *Server) dial(ctx context.Context, useTLS, gc bool) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if useTLS && s.noTLS {
		return nil, &net.OpError{Op: "dial", Net: "ldaps", Err: net.ErrClosed}
	}
	client, server := newPipe(s.DNSHostName())
	if !s.handle(server, useTLS, gc) {
		return nil, &net.OpError{Op: "dial", Net: "ldap", Err: net.ErrClosed}
	}
	return client, nil
}

// CertPool returns the pool that verifies the server's certificate, unless Config.Certificate says
// otherwise. The caller may change it.
func (s *Server) CertPool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.tls.ca)
	return p
}

// CAPEM returns the certificate of the test's certification authority in PEM.
func (s *Server) CAPEM() []byte { return s.tls.pem() }

// TLSConfig returns a new client configuration with CertPool and DNSHostName.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{RootCAs: s.CertPool(), ServerName: s.DNSHostName(), MinVersion: tls.VersionTLS12}
}

// serve accepts connections until the listener is closed.
func (s *Server) serve(l net.Listener, useTLS, gc bool) {
	done := make(chan struct{})
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.accepting = append(s.accepting, done)
	s.mu.Unlock()
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.handle(c, useTLS, gc)
		}
	}()
}

// handle serves one connection in a goroutine; false if the server is closed.
func (s *Server) handle(raw net.Conn, useTLS, gc bool) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		raw.Close()
		return false
	}
	s.connSeq++
	c := newConn(s, raw, s.connSeq, useTLS, gc)
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.stats.connections.Add(1)
	go func() {
		defer close(c.done)
		c.run()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	return true
}

// DropConnections closes every open connection without a word, as a restarted domain controller
// does. New connections are accepted.
func (s *Server) DropConnections() {
	for _, c := range s.open() {
		c.drop()
		<-c.done
	}
}

func (s *Server) open() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// Close stops listening, drops every connection and returns when no goroutine of the server is
// left. Data can still be read with Get and Dump. Closing twice is allowed.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	listeners, accepting := s.listeners, s.accepting
	s.listeners, s.accepting = nil, nil
	s.mu.Unlock()
	for i, l := range listeners {
		l.Close()
		<-accepting[i]
	}
	s.DropConnections()
	return nil
}

// HighestUSN returns highestCommittedUSN of this domain controller.
func (s *Server) HighestUSN() int64 {
	s.dir.mu.RLock()
	defer s.dir.mu.RUnlock()
	return s.dir.seq + s.usnOffset
}

// SetRootDSE replaces an attribute of this domain controller's rootDSE, for instance isSynchronized;
// without values the attribute is missing. It stays so until it is set again.
func (s *Server) SetRootDSE(attr string, values ...string) {
	s.rootDSEMu.Lock()
	defer s.rootDSEMu.Unlock()
	if s.rootDSESet == nil {
		s.rootDSESet = map[string]rootAttr{}
	}
	s.rootDSESet[fold(attr)] = rootAttr{attr, slices.Clone(values)}
}

// InvocationID returns the identity of this domain controller's database (MS-ADTS 3.1.1.1.9).
func (s *Server) InvocationID() GUID {
	s.dir.mu.RLock()
	defer s.dir.mu.RUnlock()
	return s.invocation()
}

func (s *Server) invocation() GUID {
	var g GUID
	if n := s.dir.byGUID[s.settings]; n != nil {
		copy(g[:], n.rec.get(s.dir.types["invocationid"]).first())
	}
	return g
}

// SetInvocationID changes it, as a restore from backup does.
func (s *Server) SetInvocationID(g GUID) error {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	return asError(s.dir.setSystem(s.dir.byGUID[s.settings], "invocationId", g.Raw()))
}
