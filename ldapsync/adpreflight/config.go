package adpreflight

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A Directory is an LDAP connection to the domain controller that is examined. *ldapdir.Dir is one.
type Directory interface {
	// Search calls each for every entry, with its attributes by name in lower case, until each returns an error,
	// which Search then returns. base is a DN or "" for the rootDSE; scope is 0 for the object itself, 1 for what is
	// directly below, 2 for everything (RFC 4511 section 4.5.1.2). Without filter every object is taken. If attrs
	// name nTSecurityDescriptor, its owner, group and DACL are asked for. It pages as needed. A base that is not
	// there or not visible is an error that wraps ldapsync.ErrNotFound.
	Search(ctx context.Context, base string, scope int, filter string, attrs []string, each func(dn string, attrs map[string][]string) error) error
}

// A Network tries connections. Dialer is one. Methods are called concurrently. Beside the hosts of the Service, the
// address 198.51.100.253 is tried, which no machine has (RFC 5737), to notice what answers for everyone.
type Network interface {
	// Connect opens a TCP connection to host:port and closes it. The error wraps ErrRefused where the host answered
	// that nothing listens, and is any other error where nothing answered.
	Connect(ctx context.Context, address string) error

	// Lookup asks the DNS server at host:port for the addresses of a name, over "udp" or "tcp". The error wraps
	// ErrNoSuchName where the server answered that there is no such name, and is any other error where it gave no
	// usable answer.
	Lookup(ctx context.Context, protocol, server, name string) ([]netip.Addr, error)
}

// Conditions that a Network reports.
var (
	ErrRefused    = errors.New("connection refused")
	ErrNoSuchName = errors.New("no such name")
)

// A Vantage is where the checks run, which decides what the firewall lets be tried.
type Vantage uint8

// The vantages. From the zero Vantage no port is tried.
const (
	Elsewhere        Vantage = iota // neither end of the VPN, or unknown
	FromOrganisation                // the edge domain controller or its VLAN: connections to the service are tried
	FromService                     // a host of the service: connections to the domain controller are tried
)

var vantages = [...]string{Elsewhere: "elsewhere", FromOrganisation: "organisation", FromService: "service"}

// String returns "elsewhere", "organisation" or "service", or "Vantage(n)".
func (v Vantage) String() string {
	if int(v) >= len(vantages) {
		return fmt.Sprintf("Vantage(%d)", uint8(v))
	}
	return vantages[v]
}

// MarshalText writes what String returns. A Vantage without a name is an error.
func (v Vantage) MarshalText() ([]byte, error) {
	if int(v) >= len(vantages) {
		return nil, fmt.Errorf("adpreflight: %s is no vantage", v)
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads what MarshalText writes; empty text is Elsewhere.
func (v *Vantage) UnmarshalText(b []byte) error {
	for i, name := range vantages {
		if name == string(b) || len(b) == 0 {
			*v = Vantage(i)
			return nil
		}
	}
	return fmt.Errorf("adpreflight: %.40q is no vantage: use organisation, service or elsewhere", b)
}

// A Scope is one organisational unit that is synchronised.
type Scope struct {
	ID    string         // in check IDs: "users"
	Class ldapsync.Class // User or Device
	OU    string         // distinguished name
	Attrs []string       // that the mapping reads (Mapping.Inputs); nil: those of the built-in mapping of the class
}

// A Config says what is examined and what is expected. The zero Config examines nothing. Every field may be left out:
// the checks that need it are then NotTried or NotApplicable, and say what is missing.
type Config struct {
	Directory Directory // nil: nothing is asked over LDAP
	Network   Network   // nil: no connection is tried
	Vantage   Vantage

	Service Service // what is at the other end; OperationsGuide() for the guide's own
	Scopes  []Scope

	DCAddress  string            // of the edge domain controller: an IP address
	DCName     string            // the DNS name that should answer; "": any
	Invocation ldapsync.GUID     // invocationId of its database when it was last looked at; zero: not known
	FSMO       map[string]string // role (see Roles) to the DNS name of the agreed holder; nil: any
	Suffixes   []string          // UPN suffixes that are verified in the tenant
	Subject    []ldapsync.SID    // SIDs of the account whose rights count, with its groups; nil: the connected account
	Account    string            // the name of that account in dsacls commands; "": Service.Account
	PartialSet bool              // attributes will be read on a Global Catalog port (3268, 3269)

	Answers Answers // what only people know

	MaxSkew        time.Duration    // between the domain controller's clock and Now; 0: 5 min, the Kerberos default
	MaxObjects     int              // examined in each scope; 0: 10,000
	NetworkTimeout time.Duration    // for one connection or question; 0: 3 s
	Now            func() time.Time // nil: time.Now
}

// A ConfigError is a mistake in a Config.
type ConfigError struct {
	Field string
	Why   string
}

// Error names the field and what is wrong with it.
func (e *ConfigError) Error() string { return "adpreflight: " + e.Field + ": " + e.Why }

func (c Config) prepared() (Config, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxSkew == 0 {
		c.MaxSkew = 5 * time.Minute
	}
	if c.MaxObjects == 0 {
		c.MaxObjects = 10000
	}
	if c.NetworkTimeout == 0 {
		c.NetworkTimeout = 3 * time.Second
	}
	if c.Account == "" {
		c.Account = c.Service.Account
	}
	if c.Account == "" {
		c.Account = "ACCOUNT"
	}
	if c.MaxSkew < 0 || c.MaxObjects < 0 || c.NetworkTimeout < 0 {
		return c, &ConfigError{"MaxSkew, MaxObjects, NetworkTimeout", "must not be negative"}
	}
	if c.DCAddress != "" {
		if _, err := netip.ParseAddr(c.DCAddress); err != nil {
			return c, &ConfigError{"DCAddress", fmt.Sprintf("%.60q is not an IP address", c.DCAddress)}
		}
	}
	for role := range c.FSMO {
		known := false
		for _, r := range Roles() {
			known = known || r == role
		}
		if !known {
			return c, &ConfigError{"FSMO", fmt.Sprintf("%.40q is no role: use %s", role, strings.Join(Roles(), ", "))}
		}
	}
	seen := map[string]bool{}
	c.Scopes = append([]Scope(nil), c.Scopes...)
	for i, s := range c.Scopes {
		field := fmt.Sprintf("Scopes[%d]", i)
		if s.ID == "" || seen[s.ID] || strings.ContainsFunc(s.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return c, &ConfigError{field + ".ID", "must be there, without blanks, and different in every scope"}
		}
		seen[s.ID] = true
		dn, err := ldapsync.ParseDN(s.OU)
		if err != nil {
			return c, &ConfigError{field + ".OU", err.Error()}
		}
		if dn.IsRoot() {
			return c, &ConfigError{field + ".OU", "is empty"}
		}
		if s.Attrs != nil {
			continue
		}
		switch s.Class {
		case ldapsync.User:
			c.Scopes[i].Attrs = ldapsync.CloudSSOUsers(ldapsync.DefaultCarriers()).Inputs()
		case ldapsync.Device:
			c.Scopes[i].Attrs = ldapsync.HybridJoinDevices(ldapsync.DefaultCarriers()).Inputs()
		default:
			return c, &ConfigError{field + ".Class", "is neither User nor Device"}
		}
	}
	return c, c.Service.check()
}
