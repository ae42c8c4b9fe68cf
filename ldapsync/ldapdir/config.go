package ldapdir

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
)

// A Kind is the family of a directory server.
type Kind uint8

// The kinds. The zero Kind is ActiveDirectory.
const (
	// ActiveDirectory has objectGUID as identity, security descriptors, and finds objects by <GUID=…>.
	ActiveDirectory Kind = iota
	// PlainLDAP is any other server with entryUUID (RFC 4530), whose text form becomes the identity.
	PlainLDAP
)

var kindNames = [...]string{ActiveDirectory: "active-directory", PlainLDAP: "ldap"}

// String returns "active-directory" or "ldap".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// UnmarshalText reads what String writes; empty text is ActiveDirectory.
func (k *Kind) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*k = ActiveDirectory
		return nil
	}
	for i, n := range kindNames {
		if n == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("ldapdir: unknown kind of directory %q: use %q or %q", b, kindNames[0], kindNames[1])
}

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) {
	if int(k) >= len(kindNames) {
		return nil, fmt.Errorf("ldapdir: no such kind of directory: %d", uint8(k))
	}
	return []byte(kindNames[k]), nil
}

// A Config says how to reach a directory and what is in it. URL (or Dial) and Bind are what most need.
type Config struct {
	// URL is ldaps://host[:636], ldap://host[:389] or ldapi://path with / written as %2F. With ldap:// the
	// connection is secured by StartTLS before anything else, unless AllowPlaintext is set.
	URL  string
	Kind Kind
	TLS  TLS
	// AllowPlaintext leaves an ldap:// connection as it is: passwords and data are readable on the network.
	AllowPlaintext bool
	Bind           Auth // nil: Anonymous

	// BaseDN is where objects are looked for by identity on a PlainLDAP server. Empty: the default naming context,
	// or the first naming context of a server that has no default.
	BaseDN string
	// Classes says what users and devices are. A class that is missing is as DefaultClass says.
	Classes map[ldapsync.Class]ClassConfig

	// AllowGlobalCatalog accepts the ports 3268 and 3269, where many attributes are silently missing. Every attribute
	// that has no value there is then Unreadable, because the port does not say which ones it holds.
	AllowGlobalCatalog bool
	// TrustAbsence makes VerifyAbsent and VerifyListing believe what the server shows. A PlainLDAP server cannot be
	// asked: without TrustAbsence both say Unreadable for it, and nothing is ever cleared because of it. Set it
	// where the account is known to read all of the attributes that are mapped.
	TrustAbsence bool

	PageSize     int           // 0: 1000, the limit of a domain controller's default policy; at most 20000
	Connections  int           // 0: 4; how many single reads and writes at once, and idle connections. Streaming reads have one each in addition
	DialTimeout  time.Duration // 0: 30 s, for the connection, TLS and bind together
	ReadTimeout  time.Duration // 0: 2 min without any answer to a read; a domain controller works on a query that long
	WriteTimeout time.Duration // 0: 1 min until the answer to a write

	// Dial connects instead of the network, for servers in the same process. A *tls.Conn it returns counts as secured.
	Dial   func(context.Context) (net.Conn, error)
	Logger *slog.Logger // nil: nothing is logged
}

// TLS says whom to trust. TLS 1.2 is the least that is spoken.
type TLS struct {
	CAs *x509.CertPool // nil: the system's

	// PinSHA256 are SHA-256 digests of the server's certificate (DER) in hexadecimal, colons allowed: openssl x509
	// -fingerprint -sha256. Where set, one must match, and CAs and the name are only checked if CAs is set too.
	// Validity dates are always checked.
	PinSHA256 []string

	ServerName  string           // "": the host of URL
	Certificate *tls.Certificate // the client's, for External
}

// A ClassConfig says how objects of a class are found and made.
type ClassConfig struct {
	Filter        string          // RFC 4515
	ObjectClasses []string        // of new objects, most general first
	RDN           string          // attribute that names new objects: "CN"
	Defaults      []ldapsync.Attr // of new objects, where the change does not set them
}

// DefaultClass returns what a class is on a server of the kind: users and computers of Active Directory, where
// computers are users too and are told apart by objectCategory, or inetOrgPerson and device (RFC 2798, RFC 4519)
// elsewhere.
func DefaultClass(k Kind, c ldapsync.Class) ClassConfig {
	switch {
	case k == PlainLDAP && c == ldapsync.Device:
		return ClassConfig{Filter: "(objectClass=device)", ObjectClasses: []string{"top", "device"}, RDN: "cn"}
	case k == PlainLDAP:
		return ClassConfig{Filter: "(objectClass=inetOrgPerson)", RDN: "cn",
			ObjectClasses: []string{"top", "person", "organizationalPerson", "inetOrgPerson"}}
	case c == ldapsync.Device:
		return ClassConfig{Filter: "(objectCategory=computer)", RDN: "CN",
			ObjectClasses: []string{"top", "person", "organizationalPerson", "user", "computer"}}
	}
	return ClassConfig{Filter: "(&(objectCategory=person)(objectClass=user))", RDN: "CN",
		ObjectClasses: []string{"top", "person", "organizationalPerson", "user"}}
}

// A ConfigError is a mistake in a Config.
type ConfigError struct {
	Field string
	Why   string
}

// Error names the field and what is wrong with it.
func (e *ConfigError) Error() string { return "ldapdir: Config." + e.Field + ": " + e.Why }

// endpoint is where a Config points to.
type endpoint struct {
	name     string // for messages
	network  string // "tcp", "unix", or "" where Config.Dial connects
	host     string
	port     string
	implicit bool // TLS from the first byte
	local    bool // never leaves the machine
	partial  bool // a Global Catalog port
}

const maxPageSize = 20000 // the hard maximum of MaxPageSize

// prepared fills in the defaults and finds mistakes.
func (cfg Config) prepared() (Config, endpoint, error) {
	ep, err := cfg.endpoint()
	if err != nil {
		return cfg, ep, err
	}
	if ep.partial && !cfg.AllowGlobalCatalog {
		return cfg, ep, &ConfigError{"URL", "port " + ep.port + " is the Global Catalog, which silently lacks attributes such as title, department, operatingSystem and proxyAddresses: use 636 or 389, or set AllowGlobalCatalog"}
	}
	if int(cfg.Kind) >= len(kindNames) {
		return cfg, ep, &ConfigError{"Kind", fmt.Sprintf("no such kind: %d", uint8(cfg.Kind))}
	}
	for _, p := range cfg.TLS.PinSHA256 {
		if b, err := hex.DecodeString(strings.ReplaceAll(p, ":", "")); err != nil || len(b) != 32 {
			return cfg, ep, &ConfigError{"TLS.PinSHA256", fmt.Sprintf("%q is not a SHA-256 digest of 64 hexadecimal digits", p)}
		}
	}
	if _, ok := cfg.Bind.(External); ok && !ep.local && cfg.TLS.Certificate == nil && cfg.Dial == nil {
		return cfg, ep, &ConfigError{"TLS.Certificate", "SASL EXTERNAL needs a client certificate"}
	}
	if s, ok := cfg.Bind.(Simple); ok && s.User == "" {
		return cfg, ep, &ConfigError{"Bind", "a simple bind needs the name of a user; for none use Anonymous"}
	}
	if _, err := ldapsync.ParseDN(cfg.BaseDN); err != nil {
		return cfg, ep, &ConfigError{"BaseDN", err.Error()}
	}
	classes := maps.Clone(cfg.Classes)
	if classes == nil {
		classes = map[ldapsync.Class]ClassConfig{}
	}
	for _, c := range []ldapsync.Class{ldapsync.User, ldapsync.Device} {
		cc, def := classes[c], DefaultClass(cfg.Kind, c)
		if cc.Filter == "" {
			cc.Filter = def.Filter
		}
		if len(cc.ObjectClasses) == 0 {
			cc.ObjectClasses = def.ObjectClasses
		}
		if cc.RDN == "" {
			cc.RDN = def.RDN
		}
		if _, err := ldap.CompileFilter(cc.Filter); err != nil {
			return cfg, ep, &ConfigError{"Classes", fmt.Sprintf("the filter of class %s: %q: %v", c, cc.Filter, err)}
		}
		classes[c] = cc
	}
	cfg.Classes = classes
	if cfg.Bind == nil {
		cfg.Bind = Anonymous{}
	}
	for _, n := range []struct {
		field       string
		v           *int
		most, usual int
	}{{"PageSize", &cfg.PageSize, maxPageSize, 1000}, {"Connections", &cfg.Connections, 1000, 4}} {
		if *n.v < 0 || *n.v > n.most {
			return cfg, ep, &ConfigError{n.field, fmt.Sprintf("%d is not between 0 and %d", *n.v, n.most)}
		}
		if *n.v == 0 {
			*n.v = n.usual
		}
	}
	for _, d := range []struct {
		field string
		v     *time.Duration
		usual time.Duration
	}{{"DialTimeout", &cfg.DialTimeout, 30 * time.Second}, {"ReadTimeout", &cfg.ReadTimeout, 2 * time.Minute}, {"WriteTimeout", &cfg.WriteTimeout, time.Minute}} {
		if *d.v < 0 {
			return cfg, ep, &ConfigError{d.field, "it is negative"}
		}
		if *d.v == 0 {
			*d.v = d.usual
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, ep, nil
}

func (cfg Config) endpoint() (endpoint, error) {
	if cfg.URL == "" {
		if cfg.Dial == nil {
			return endpoint{}, &ConfigError{"URL", "it is empty: give ldaps://server"}
		}
		return endpoint{name: "in-process server", host: cfg.TLS.ServerName}, nil
	}
	fail := func(why string) (endpoint, error) {
		return endpoint{}, &ConfigError{"URL", fmt.Sprintf("%q: %s", cfg.URL, why)}
	}
	scheme, rest, ok := strings.Cut(cfg.URL, "://")
	if !ok {
		return fail("it must begin with ldaps://, ldap:// or ldapi://")
	}
	if strings.EqualFold(scheme, "ldapi") {
		host, _, _ := strings.Cut(rest, "/")
		path, err := url.PathUnescape(host)
		if err != nil || path == "" {
			return fail("write the path of the socket with %2F for /: ldapi://%2Frun%2Fslapd%2Fldapi")
		}
		return endpoint{name: cfg.URL, network: "unix", host: path, local: true}, nil
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return endpoint{}, &ConfigError{"URL", "it is not a URL"} // not quoted: it may hold a password
	}
	if u.User != nil {
		return endpoint{}, &ConfigError{"URL", "it holds a user name: put the name and the password into Bind"} // not quoted
	}
	if u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fail("only a scheme, a host and a port belong into it")
	}
	ep := endpoint{name: cfg.URL, network: "tcp", host: u.Hostname(), port: u.Port()}
	switch strings.ToLower(u.Scheme) {
	case "ldaps":
		ep.implicit = true
		if ep.port == "" {
			ep.port = "636"
		}
	case "ldap":
		if ep.port == "" {
			ep.port = "389"
		}
	default:
		return fail("it must begin with ldaps://, ldap:// or ldapi://")
	}
	ep.partial = ep.port == "3268" || ep.port == "3269"
	return ep, nil
}
