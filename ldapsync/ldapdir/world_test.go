package ldapdir_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/internal/ldapworld"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// The tests run against adtest, and also against real servers where these environment variables say where:
//
//	HYBRIDKIT_SAMBA_URL       ldaps://127.0.0.41 of a Samba domain controller (4.17 or later)
//	HYBRIDKIT_SAMBA_CA        PEM file with the authority of its certificate
//	HYBRIDKIT_SAMBA_BASE      DC=lab,DC=example; the tests make and delete organisational units below it
//	HYBRIDKIT_SAMBA_USER      an administrator, LAB\Administrator, and
//	HYBRIDKIT_SAMBA_PASSWORD  its password
//	HYBRIDKIT_SAMBA_READER    an ordinary account, svc-reader@lab.example, and
//	HYBRIDKIT_SAMBA_READER_PASSWORD  its password
//
//	HYBRIDKIT_SLAPD_URL, _BASE, _USER, _PASSWORD   the same for OpenLDAP with inetorgperson.schema; ldap:// without TLS
type site struct {
	name     string
	kind     ldapdir.Kind
	base     ldapsync.DN
	admin    func() (*ldap.Conn, error)
	config   ldapdir.Config // how the code under test connects, with the rights to write
	readOnly ldapdir.Auth   // an ordinary account; nil if there is none
	server   *adtest.Server // nil for real servers
}

func adtestSite(t testing.TB, cfg adtest.Config) site {
	cfg.Socketless = true
	s := adtest.New(t, cfg)
	return site{
		name: "adtest", kind: ldapdir.ActiveDirectory, base: ldapsync.MustParseDN(s.BaseDN()), server: s,
		admin: func() (*ldap.Conn, error) {
			c, err := s.DialTLS(context.Background())
			if err != nil {
				return nil, err
			}
			l := ldap.NewConn(c, true)
			l.Start()
			return l, l.Bind("admin@ashdown.example", "Passw0rd-admin")
		},
		config: ldapdir.Config{
			TLS:      ldapdir.TLS{CAs: s.CertPool(), ServerName: s.DNSHostName()},
			Dial:     s.Dial,
			Bind:     ldapdir.Simple{User: "writer@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-writer")},
			PageSize: 20,
		},
		readOnly: ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-reader")},
	}
}

// realSite describes a server named by environment variables; it skips the test if there is none.
func realSite(t testing.TB, name string, kind ldapdir.Kind) site {
	env := func(v string) string { return os.Getenv("HYBRIDKIT_" + name + "_" + v) }
	url := env("URL")
	if url == "" {
		t.Skipf("HYBRIDKIT_%s_URL is not set: there is no server to test against", name)
	}
	s := site{name: strings.ToLower(name), kind: kind, base: ldapsync.MustParseDN(env("BASE"))}
	s.config = ldapdir.Config{
		URL: url, Kind: kind, PageSize: 20, AllowPlaintext: strings.HasPrefix(url, "ldap://"),
		Bind: ldapdir.Simple{User: env("USER"), Password: ldapdir.NewSecret(env("PASSWORD"))},
	}
	tlsConfig := &tls.Config{}
	if file := env("CA"); file != "" {
		pem, err := os.ReadFile(file)
		require.NoError(t, err)
		s.config.TLS.CAs = x509.NewCertPool()
		require.True(t, s.config.TLS.CAs.AppendCertsFromPEM(pem))
		tlsConfig.RootCAs = s.config.TLS.CAs
	}
	s.admin = func() (*ldap.Conn, error) {
		l, err := ldap.DialURL(url, ldap.DialWithTLSConfig(tlsConfig))
		if err != nil {
			return nil, err
		}
		return l, l.Bind(env("USER"), env("PASSWORD"))
	}
	if env("READER") != "" {
		s.readOnly = ldapdir.Simple{User: env("READER"), Password: ldapdir.NewSecret(env("READER_PASSWORD"))}
	}
	return s
}

// eachSite runs f against adtest and whatever real servers there are.
func eachSite(t *testing.T, f func(*testing.T, site)) {
	t.Run("adtest", func(t *testing.T) { f(t, adtestSite(t, adtest.Config{})) })
	t.Run("samba", func(t *testing.T) { f(t, realSite(t, "SAMBA", ldapdir.ActiveDirectory)) })
	t.Run("slapd", func(t *testing.T) { f(t, realSite(t, "SLAPD", ldapdir.PlainLDAP)) })
}

func (s site) open(t testing.TB, change ...func(*ldapdir.Config)) *ldapdir.Dir {
	cfg := s.config
	for _, c := range change {
		c(&cfg)
	}
	d, err := ldapdir.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func asReader(s site) func(*ldapdir.Config) {
	return func(c *ldapdir.Config) { c.Bind = s.readOnly }
}

// world is the directory as an administrator sees it.
type world struct {
	*ldapworld.World
	s site
}

func (s site) world(t testing.TB) *world {
	l, err := s.admin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return &world{&ldapworld.World{Conn: l, Kind: s.kind, Base: s.base}, s}
}

var units atomic.Int64

// unit makes an empty organisational unit for one test and removes it with what is below afterwards.
func (w *world) unit(t testing.TB) ldapsync.Container {
	c, err := w.AddOU(t.Context(), w.s.base, fmt.Sprintf("ldapdir-%d-%d", os.Getpid(), units.Add(1)))
	require.NoError(t, err)
	t.Cleanup(func() {
		if w.s.server == nil {
			w.Wipe(c.DN)
		}
	})
	return c
}
