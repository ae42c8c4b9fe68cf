package ldapdir_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

func simple(name string) ldapdir.Auth {
	return ldapdir.Simple{User: name + "@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-" + name)}
}

func tryInfo(t *testing.T, cfg ldapdir.Config) error {
	d, err := ldapdir.Open(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	_, err = d.Info(t.Context())
	return err
}

func TestTransport(t *testing.T) {
	good := adtest.New(t, adtest.Config{})
	ca := ldapdir.TLS{CAs: good.CertPool(), ServerName: good.DNSHostName()}
	raw, err := good.DialTLS(t.Context())
	require.NoError(t, err)
	sum := sha256.Sum256(raw.ConnectionState().PeerCertificates[0].Raw)
	require.NoError(t, raw.Close())
	pin := hex.EncodeToString(sum[:])
	colons := strings.ToUpper(pin[:2])
	for i := 2; i < len(pin); i += 2 {
		colons += ":" + strings.ToUpper(pin[i:i+2])
	}
	other := strings.Repeat("00", 32)

	expired := adtest.New(t, adtest.Config{Certificate: adtest.ExpiredCertificate})
	foreign := adtest.New(t, adtest.Config{Certificate: adtest.ForeignCertificate})
	wrongName := adtest.New(t, adtest.Config{Certificate: adtest.WrongNameCertificate})
	noTLS := adtest.New(t, adtest.Config{NoTLS: true})
	plain := adtest.New(t, adtest.Config{AllowPlainBind: true})
	trust := func(s *adtest.Server) ldapdir.TLS {
		return ldapdir.TLS{CAs: s.CertPool(), ServerName: s.DNSHostName()}
	}

	for name, c := range map[string]struct {
		cfg  ldapdir.Config
		want string // "" for success
	}{
		"ldaps":              {ldapdir.Config{URL: good.TLSURL(), TLS: ca}, ""},
		"ldaps by address":   {ldapdir.Config{URL: good.TLSURL(), TLS: ldapdir.TLS{CAs: good.CertPool()}}, ""},
		"StartTLS":           {ldapdir.Config{URL: good.URL(), TLS: ca}, ""},
		"unknown authority":  {ldapdir.Config{URL: good.TLSURL()}, "TLS.CAs"},
		"pinned":             {ldapdir.Config{URL: good.TLSURL(), TLS: ldapdir.TLS{PinSHA256: []string{other, pin}}}, ""},
		"pinned, colons":     {ldapdir.Config{URL: good.URL(), TLS: ldapdir.TLS{PinSHA256: []string{colons}}}, ""},
		"pinned other":       {ldapdir.Config{URL: good.TLSURL(), TLS: ldapdir.TLS{PinSHA256: []string{other}}}, pin},
		"pin and authority":  {ldapdir.Config{URL: good.TLSURL(), TLS: ldapdir.TLS{PinSHA256: []string{pin}, CAs: good.CertPool()}}, ""},
		"pin, wrong name":    {ldapdir.Config{URL: good.TLSURL(), TLS: ldapdir.TLS{PinSHA256: []string{pin}, CAs: good.CertPool(), ServerName: "x.example"}}, "set TLS.ServerName"},
		"pin, wrong ca":      {ldapdir.Config{URL: good.TLSURL(), TLS: ldapdir.TLS{PinSHA256: []string{pin}, CAs: foreign.CertPool()}}, "TLS.CAs"},
		"expired":            {ldapdir.Config{URL: expired.TLSURL(), TLS: trust(expired)}, "renew it on the server"},
		"expired, StartTLS":  {ldapdir.Config{URL: expired.URL(), TLS: trust(expired)}, "renew it on the server"},
		"foreign":            {ldapdir.Config{URL: foreign.TLSURL(), TLS: trust(foreign)}, "TLS.CAs"},
		"wrong name":         {ldapdir.Config{URL: wrongName.TLSURL(), TLS: trust(wrongName)}, "set TLS.ServerName"},
		"no StartTLS":        {ldapdir.Config{URL: noTLS.URL(), TLS: ca}, "does not offer StartTLS"},
		"TLS to plain port":  {ldapdir.Config{URL: strings.Replace(good.URL(), "ldap:", "ldaps:", 1), TLS: ca}, "start TLS"},
		"plaintext refused":  {ldapdir.Config{URL: good.URL(), AllowPlaintext: true}, "without TLS"},
		"plaintext accepted": {ldapdir.Config{URL: plain.URL(), AllowPlaintext: true}, ""},
		"in process":         {ldapdir.Config{Dial: good.Dial, TLS: ca}, ""},
		"in process, secured": {ldapdir.Config{Dial: func(ctx context.Context) (net.Conn, error) {
			return good.DialTLS(ctx)
		}}, ""},
		"in process, no name": {ldapdir.Config{Dial: good.Dial, TLS: ldapdir.TLS{CAs: good.CertPool()}}, "set TLS.ServerName"},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Bind = simple("reader")
			err := tryInfo(t, c.cfg)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.NotErrorIs(t, err, ldapsync.ErrCredentials)
			if name != "TLS to plain port" {
				require.NotErrorIs(t, err, ldapsync.ErrTransient, "a certificate does not get better by waiting")
			}
		})
	}
	require.Zero(t, plain.Stats().FailedBinds)
}

func TestExternalBind(t *testing.T) {
	s := adtest.New(t, adtest.Config{})
	cert, err := s.ClientCertificate("reader")
	require.NoError(t, err)
	cfg := ldapdir.Config{URL: s.TLSURL(), Bind: ldapdir.External{},
		TLS: ldapdir.TLS{CAs: s.CertPool(), ServerName: s.DNSHostName(), Certificate: &cert}}
	d, err := ldapdir.Open(cfg)
	require.NoError(t, err)
	c, err := d.Container(t.Context(), ldapsync.ContainerRef{DN: "CN=Users," + s.BaseDN()})
	require.NoError(t, err)
	require.False(t, c.ID.IsZero())
	require.NoError(t, d.Close())
	cfg.TLS.Certificate = nil
	_, err = ldapdir.Open(cfg)
	require.ErrorContains(t, err, "needs a client certificate")
}

func TestGlobalCatalog(t *testing.T) {
	s := adtest.New(t, adtest.Config{GlobalCatalog: true})
	id, err := s.Add("CN=Ann Oakley,CN=Users,"+s.BaseDN(), adtest.Attrs{"objectClass": {"user"}, "title": {"Nurse"}, "mail": {"ann@ashdown.example"}})
	require.NoError(t, err)
	for _, url := range []string{"ldap://dc1.ashdown.example:3268", "ldaps://dc1.ashdown.example:3269"} {
		_, err := ldapdir.Open(ldapdir.Config{URL: url})
		require.ErrorContains(t, err, "Global Catalog")
		require.True(t, errors.As(err, new(*ldapdir.ConfigError)))
	}
	d, err := ldapdir.Open(ldapdir.Config{URL: "ldap://dc1.ashdown.example:3268", Dial: s.DialGC, AllowGlobalCatalog: true, Bind: simple("reader"),
		TLS: ldapdir.TLS{CAs: s.CertPool(), ServerName: s.DNSHostName()}})
	require.NoError(t, err)
	info, err := d.Info(t.Context())
	require.NoError(t, err)
	require.True(t, info.Partial)
	attrs := []string{"mail", "title", "displayName", "department"}
	want := []ldapsync.Presence{present, unreadable, unreadable, unreadable}
	users, err := d.Container(t.Context(), ldapsync.ContainerRef{DN: "CN=Users," + s.BaseDN()})
	require.NoError(t, err)
	got, err := collect(t.Context(), d, ldapsync.Query{Class: ldapsync.User, Container: users, Filter: "(cn=Ann Oakley)", Attrs: attrs})
	require.NoError(t, err)
	require.Len(t, got, 1)
	one, err := d.Locate(t.Context(), ldapsync.GUID(id), attrs)
	require.NoError(t, err)
	for i, a := range attrs {
		require.Equal(t, want[i], got[0].Presence(a), a)
		require.Equal(t, want[i], one.Presence(a), a)
	}
	require.NoError(t, d.Close())
}

func TestConfigErrors(t *testing.T) {
	for name, c := range map[string]struct {
		cfg         ldapdir.Config
		field, want string
	}{
		"empty":        {ldapdir.Config{}, "URL", "it is empty"},
		"no scheme":    {ldapdir.Config{URL: "dc1.ashdown.example"}, "URL", "must begin with ldaps://"},
		"http":         {ldapdir.Config{URL: "https://dc1"}, "URL", "must begin with ldaps://"},
		"path":         {ldapdir.Config{URL: "ldaps://dc1/OU=x"}, "URL", "only a scheme"},
		"no host":      {ldapdir.Config{URL: "ldaps://:636"}, "URL", "only a scheme"},
		"password":     {ldapdir.Config{URL: "ldaps://ann:geheim@dc1"}, "URL", "into Bind"},
		"broken":       {ldapdir.Config{URL: "ldaps://ann:geheim@[dc1"}, "URL", "not a URL"},
		"socket":       {ldapdir.Config{URL: "ldapi:///"}, "URL", "%2F"},
		"kind":         {ldapdir.Config{URL: "ldaps://dc1", Kind: 7}, "Kind", "no such kind"},
		"pin":          {ldapdir.Config{URL: "ldaps://dc1", TLS: ldapdir.TLS{PinSHA256: []string{"ab:cd"}}}, "TLS.PinSHA256", "64 hexadecimal digits"},
		"user":         {ldapdir.Config{URL: "ldaps://dc1", Bind: ldapdir.Simple{}}, "Bind", "name of a user"},
		"base":         {ldapdir.Config{URL: "ldaps://dc1", BaseDN: "here"}, "BaseDN", "not a distinguished name"},
		"page":         {ldapdir.Config{URL: "ldaps://dc1", PageSize: 1 << 20}, "PageSize", "not between"},
		"connections":  {ldapdir.Config{URL: "ldaps://dc1", Connections: -1}, "Connections", "not between"},
		"timeout":      {ldapdir.Config{URL: "ldaps://dc1", ReadTimeout: -1}, "ReadTimeout", "negative"},
		"class filter": {ldapdir.Config{URL: "ldaps://dc1", Classes: map[ldapsync.Class]ldapdir.ClassConfig{ldapsync.User: {Filter: "user"}}}, "Classes", "class user"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ldapdir.Open(c.cfg)
			e := (*ldapdir.ConfigError)(nil)
			require.True(t, errors.As(err, &e), "%v", err)
			require.Equal(t, c.field, e.Field)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "geheim")
		})
	}
}

func TestKindIsChecked(t *testing.T) {
	s := realSite(t, "SLAPD", ldapdir.PlainLDAP)
	s.config.Kind = ldapdir.ActiveDirectory
	_, err := s.open(t).Info(t.Context())
	require.ErrorContains(t, err, "set Kind to PlainLDAP")
}

func TestSecret(t *testing.T) {
	const text = "Geheim-4711"
	for _, s := range []ldapdir.Secret{ldapdir.NewSecret(text), ldapdir.SecretFunc(func(context.Context) (string, error) { return text, nil })} {
		got, err := s.Reveal(t.Context())
		require.NoError(t, err)
		require.Equal(t, text, got)
		bind := ldapdir.Simple{User: "u", Password: s}
		j, err := json.Marshal(bind)
		require.NoError(t, err)
		var logged strings.Builder
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", s, "bind", bind)
		for _, out := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %s %q %x %d", s, s, s, s, s, s), fmt.Sprintf("%+v", bind), fmt.Sprintf("%#v", &bind), string(j), logged.String()} {
			require.NotContains(t, out, text)
			require.NotContains(t, out, hex.EncodeToString([]byte(text)))
		}
		require.Equal(t, "REDACTED", fmt.Sprintf("%+v", s))
		require.Contains(t, string(j), "REDACTED")
	}
	_, err := ldapdir.Secret{}.Reveal(t.Context())
	require.ErrorContains(t, err, "no password is set")

	path := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(path, []byte("pass word\r\n"), 0o600))
	got, err := ldapdir.SecretFile(path).Reveal(t.Context())
	require.NoError(t, err)
	require.Equal(t, "pass word", got)
	require.NoError(t, os.WriteFile(path, []byte("\n"), 0o600))
	_, err = ldapdir.SecretFile(path).Reveal(t.Context())
	require.ErrorContains(t, err, "is empty")
}

// TestRenewedPassword: after a refusal nothing is tried until the password changes.
func TestRenewedPassword(t *testing.T) {
	s := adtestSite(t, adtest.Config{LockoutThreshold: 3})
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("old\n"), 0o600))
	d := s.open(t, func(c *ldapdir.Config) {
		c.Bind = ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.SecretFile(file)}
	})
	for range 10 {
		_, err := d.Info(t.Context())
		require.ErrorIs(t, err, ldapsync.ErrCredentials)
	}
	require.NoError(t, os.Remove(file))
	_, err := d.Info(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "make the password available")
	require.NoError(t, os.WriteFile(file, []byte("Passw0rd-reader\n"), 0o600))
	_, err = d.Info(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, s.server.Stats().FailedBinds)

	_, err = s.open(t, func(c *ldapdir.Config) {
		c.Bind = ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("")}
	}).Info(t.Context())
	require.ErrorContains(t, err, "is empty")
	require.NotErrorIs(t, err, ldapsync.ErrTransient)
}

func TestAnonymous(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	d := s.open(t, func(c *ldapdir.Config) { c.Bind = nil })
	_, err := collect(t.Context(), d, ldapsync.Query{Class: ldapsync.User, Container: ldapsync.Container{DN: s.base}})
	require.ErrorIs(t, err, ldapsync.ErrPermission)
	require.ErrorContains(t, err, "configure Bind")
}
