package adtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Names that a zero Config stands for, and the limits of a Windows domain controller's default
// query policy.
const (
	defaultDomain      = "ashdown.example"
	defaultDC          = "dc1"
	defaultMaxPageSize = 1000
	defaultMaxValRange = 1500
	defaultFirstUSN    = 12000
)

// Config describes a domain and its first domain controller. The zero Config is usable: domain
// ashdown.example, NetBIOS name ASHDOWN, domain controller dc1, DefaultAccounts, listening on
// ephemeral ports of 127.0.0.1.
type Config struct {
	Domain   string    // DNS name; gives the base DN
	NetBIOS  string    // "" is the first label of Domain in upper case, 15 characters at most
	DC       string    // host name without domain
	Accounts []Account // nil is DefaultAccounts
	LDIF     io.Reader // loaded before Start returns, as by Load

	AllowPlainBind bool   // accept simple binds without TLS; a hardened domain controller answers 8
	Socketless     bool   // no listener: Dial, DialTLS and DialGC only. Needed inside a testing/synctest bubble
	Listen         string // loopback address and port for LDAP; "" is 127.0.0.1:0
	ListenTLS      string // the same for LDAPS
	GlobalCatalog  bool   // also listen as Global Catalog, where attributes outside the partial attribute set are missing
	Certificate    Certificate
	NoTLS          bool // no LDAPS; StartTLS answers 52, as a domain controller without certificate

	MaxPageSize      int // entries per page, and per search without paging; 0 is 1,000
	MaxValRange      int // values of one attribute per answer; 0 is 1,500
	LockoutThreshold int // wrong passwords until an account answers "data 775"; 0 is never

	Now      func() time.Time // nil is time.Now
	NewGUID  func() GUID      // called under a lock; nil derives objectGUIDs from names, so that they are the same in every run
	FirstUSN int64            // USNs start above this; 0 is 12,000

	Attributes   []AttributeType // additions to the schema
	StrictSchema bool            // refuse unknown attributes with 16; otherwise they are multi-valued strings
	GUIDOnAdd    bool            // an LDAP add may choose objectGUID (right Add-GUID and fSpecifyGUIDOnAdd)

	// GUIDStringFilter lets (objectGUID=…) match the text form too, as Samba does. Windows is
	// believed to take escaped bytes only.
	GUIDStringFilter bool

	Hook Hook
}

// DCConfig describes a further domain controller of the same domain. Fields mean what they mean in
// Config; TLS material is shared with the first one.
type DCConfig struct {
	DC             string // required, and new in the domain
	FirstUSN       int64
	AllowPlainBind bool
	Socketless     bool
	Listen         string
	ListenTLS      string
	GlobalCatalog  bool
	NoTLS          bool
	MaxPageSize    int
	MaxValRange    int
	Hook           Hook
}

// TB is the part of testing.TB that New needs, so that programs outside tests do not link testing.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// New starts a server that is closed when the test ends. It calls t.Fatalf if that fails.
func New(t TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Start starts a server. The caller closes it; no goroutine is left after Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Domain == "" {
		cfg.Domain = defaultDomain
	}
	if cfg.DC == "" {
		cfg.DC = defaultDC
	}
	if cfg.Accounts == nil {
		cfg.Accounts = DefaultAccounts()
	}
	d, err := newDirectory(cfg)
	if err != nil {
		return nil, err
	}
	tls, err := newAuthority(cfg)
	if err != nil {
		return nil, fmt.Errorf("adtest: making certificates: %w", err)
	}
	s, err := d.newServer(DCConfig{
		DC: cfg.DC, FirstUSN: cfg.FirstUSN, AllowPlainBind: cfg.AllowPlainBind, Socketless: cfg.Socketless, Listen: cfg.Listen,
		ListenTLS: cfg.ListenTLS, GlobalCatalog: cfg.GlobalCatalog, NoTLS: cfg.NoTLS, MaxPageSize: cfg.MaxPageSize, MaxValRange: cfg.MaxValRange, Hook: cfg.Hook,
	}, tls)
	if err != nil {
		return nil, err
	}
	if err := d.populate(cfg); err != nil {
		return nil, err
	}
	if err := s.listen(cfg.Socketless, cfg.Listen, cfg.ListenTLS); err != nil {
		return nil, err
	}
	return s, nil
}

// AddDC starts a further domain controller over the same data. It has its own name, invocationId
// and USNs; replication is immediate, so every write is visible on all of them at once. Closing one
// leaves the others running.
func (s *Server) AddDC(cfg DCConfig) (*Server, error) {
	if cfg.DC == "" {
		return nil, fmt.Errorf("adtest: DCConfig.DC is required")
	}
	s.dir.mu.Lock()
	for _, o := range s.dir.servers {
		if strings.EqualFold(o.name, cfg.DC) {
			s.dir.mu.Unlock()
			return nil, fmt.Errorf("adtest: there is a domain controller %s already", cfg.DC)
		}
	}
	s.dir.mu.Unlock()
	added, err := s.dir.newServer(cfg, s.tls)
	if err != nil {
		return nil, err
	}
	if err := added.listen(cfg.Socketless, cfg.Listen, cfg.ListenTLS); err != nil {
		return nil, err
	}
	return added, nil
}

// newServer creates a domain controller that does not listen yet.
func (d *directory) newServer(cfg DCConfig, authority *authority) (*Server, error) {
	or := func(n, def int) int {
		if n <= 0 {
			return def
		}
		return n
	}
	s := &Server{
		dir: d, name: cfg.DC, tls: authority, plainBind: cfg.AllowPlainBind, noTLS: cfg.NoTLS, gcOn: cfg.GlobalCatalog,
		maxPage: or(cfg.MaxPageSize, defaultMaxPageSize), maxRange: or(cfg.MaxValRange, defaultMaxValRange), conns: map[*conn]struct{}{},
	}
	s.SetHook(cfg.Hook)
	d.mu.Lock()
	defer d.mu.Unlock()
	return s, d.addServer(s, cfg.FirstUSN)
}

// listen opens the ports. On an error the server is closed.
func (s *Server) listen(socketless bool, addr, addrTLS string) error {
	if socketless {
		return nil
	}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("adtest: Listen: %w", err)
	}
	ephemeral := net.JoinHostPort(host, "0")
	if addrTLS == "" {
		addrTLS = ephemeral
	}
	ports := []struct {
		on      bool
		addr    string
		tls, gc bool
		url     *string
	}{
		{true, addr, false, false, &s.url},
		{!s.noTLS, addrTLS, true, false, &s.tlsURL},
		{s.gcOn, ephemeral, false, true, &s.gcURL},
		{s.gcOn && !s.noTLS, ephemeral, true, true, &s.gcTLSURL},
	}
	for _, p := range ports {
		if !p.on {
			continue
		}
		l, err := listenLoopback(p.addr)
		if err != nil {
			s.Close()
			return fmt.Errorf("adtest: %w", err)
		}
		scheme := "ldap://"
		if p.tls {
			scheme = "ldaps://"
		}
		*p.url = scheme + l.Addr().String()
		s.serve(l, p.tls, p.gc)
	}
	return nil
}

// listenLoopback refuses addresses that other machines could reach: the passwords are well known.
func listenLoopback(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %s: only loopback addresses are allowed", addr)
	}
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
}
