package adtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

func TestBindNames(t *testing.T) {
	s := newVale(t)
	require.NoError(t, s.SetPassword(ada, "open sesame"))
	for name, want := range map[string]string{
		"reader@ashdown.example":                     "u:ASHDOWN\\reader",
		"READER@Ashdown.Example":                     "u:ASHDOWN\\reader",
		`ASHDOWN\reader`:                             "u:ASHDOWN\\reader",
		`ashdown.example\reader`:                     "u:ASHDOWN\\reader",
		"CN=reader,CN=Users,DC=ashdown,DC=example":   "u:ASHDOWN\\reader",
		"cn=READER, cn=users, dc=ashdown,dc=example": "u:ASHDOWN\\reader",
	} {
		c := connect(t, s, "")
		require.NoError(t, c.Bind(name, "Passw0rd-reader"), name)
		who, err := c.WhoAmI(nil)
		require.NoError(t, err)
		require.Equal(t, want, who.AuthzID)
	}
	c := connect(t, s, "")
	require.NoError(t, c.Bind("ada.vale@ashdown.example", "open sesame"))
}

func TestBindRefused(t *testing.T) {
	s := newVale(t)
	require.NoError(t, s.Set("CN=writer,CN=Users,"+base, "userAccountControl", "514"))
	require.NoError(t, s.Set("CN=admin,CN=Users,"+base, "accountExpires", "130000000000000000"))
	for _, tc := range []struct{ name, password, data string }{
		{"reader@ashdown.example", "wrong", "data 52e,"},
		{"reader", "Passw0rd-reader", "data 52e,"},
		{"nobody@ashdown.example", "x", "data 525,"},
		{`OTHER\reader`, "Passw0rd-reader", "data 525,"},
		{"CN=None,CN=Users," + base, "x", "data 525,"},
		{"writer@ashdown.example", "Passw0rd-writer", "data 533,"},
		{"admin@ashdown.example", "Passw0rd-admin", "data 701,"},
		{"writer@ashdown.example", "wrong", "data 52e,"},
	} {
		c := connect(t, s, "reader")
		err := c.Bind(tc.name, tc.password)
		requireCode(t, err, adtest.ResultInvalidCredentials)
		require.ErrorContains(t, err, tc.data, tc.name)
		_, err = c.Search(ldap.NewSearchRequest(base, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		requireCode(t, err, adtest.ResultOperationsError) // a failed bind leaves the connection anonymous
	}
	st := s.Stats()
	require.Equal(t, int64(8), st.FailedBinds)
	require.Equal(t, int64(16), st.Binds)
}

func TestLockout(t *testing.T) {
	s := newVale(t, func(c *adtest.Config) { c.LockoutThreshold = 3 })
	c := connect(t, s, "")
	for range 3 {
		require.ErrorContains(t, c.Bind(`ASHDOWN\reader`, "wrong"), "data 52e")
	}
	require.ErrorContains(t, c.Bind(`ASHDOWN\reader`, "Passw0rd-reader"), "data 775")
}

func TestAnonymous(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "")
	require.NoError(t, c.UnauthenticatedBind("reader@ashdown.example"), "a name without password is an anonymous bind")
	e := read(t, c, "")
	require.Equal(t, base, e.GetAttributeValue("defaultNamingContext"))
	_, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
	requireCode(t, err, adtest.ResultOperationsError)
	require.ErrorContains(t, err, "successful bind must be completed")
	requireCode(t, c.Del(ldap.NewDelRequest(ada, nil)), adtest.ResultOperationsError)
	requireCode(t, c.NTLMBind("ASHDOWN", "reader", "Passw0rd-reader"), adtest.ResultAuthMethodNotSupported)
}

func TestPlainBindNeedsTLS(t *testing.T) {
	s := adtest.New(t, adtest.Config{})
	for _, url := range []string{s.URL(), s.TLSURL()} {
		require.Regexp(t, `^ldaps?://127\.0\.0\.1:\d+$`, url)
	}
	c, err := ldap.DialURL(s.URL())
	require.NoError(t, err)
	defer c.Close()
	err = c.Bind("reader@ashdown.example", "Passw0rd-reader")
	requireCode(t, err, adtest.ResultStrongerAuthRequired)
	require.NoError(t, c.StartTLS(s.TLSConfig()))
	require.NoError(t, c.Bind("reader@ashdown.example", "Passw0rd-reader"))
	require.Len(t, find(t, c, base, ldap.ScopeBaseObject, "(objectClass=domainDNS)"), 1)

	c2, err := ldap.DialURL(s.TLSURL(), ldap.DialWithTLSConfig(s.TLSConfig()))
	require.NoError(t, err)
	defer c2.Close()
	require.NoError(t, c2.Bind("reader@ashdown.example", "Passw0rd-reader"))
	requireCode(t, c2.StartTLS(s.TLSConfig()), int(ldap.ErrorNetwork)) // go-ldap refuses it itself
}

func TestDialTLSAndStartTLSWithoutSocket(t *testing.T) {
	s := newVale(t, func(c *adtest.Config) { c.AllowPlainBind = false })
	require.Empty(t, s.URL())
	raw, err := s.DialTLS(t.Context())
	require.NoError(t, err)
	c := ldap.NewConn(raw, true)
	c.Start()
	defer c.Close()
	require.NoError(t, c.Bind("reader@ashdown.example", "Passw0rd-reader"))

	c2 := connect(t, s, "")
	require.NoError(t, c2.StartTLS(s.TLSConfig()))
	require.NoError(t, c2.Bind("reader@ashdown.example", "Passw0rd-reader"))
}

func TestExternal(t *testing.T) {
	s := adtest.New(t, adtest.Config{})
	cert, err := s.ClientCertificate("writer")
	require.NoError(t, err)
	cfg := s.TLSConfig()
	cfg.Certificates = []tls.Certificate{cert}
	c, err := ldap.DialURL(s.TLSURL(), ldap.DialWithTLSConfig(cfg))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.ExternalBind())
	who, err := c.WhoAmI(nil)
	require.NoError(t, err)
	require.Equal(t, "u:ASHDOWN\\writer", who.AuthzID)

	c, err = ldap.DialURL(s.TLSURL(), ldap.DialWithTLSConfig(s.TLSConfig()))
	require.NoError(t, err)
	defer c.Close()
	requireCode(t, c.ExternalBind(), adtest.ResultInvalidCredentials)
	_, err = s.ClientCertificate("nobody")
	require.ErrorContains(t, err, "no account")
}

func TestCertificates(t *testing.T) {
	for kind, check := range map[adtest.Certificate]func(error) bool{
		adtest.GoodCertificate: func(err error) bool { return err == nil },
		adtest.ExpiredCertificate: func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == x509.Expired
		},
		adtest.ForeignCertificate: func(err error) bool {
			var e x509.UnknownAuthorityError
			return errors.As(err, &e)
		},
		adtest.WrongNameCertificate: func(err error) bool {
			var e x509.HostnameError
			return errors.As(err, &e)
		},
	} {
		s := adtest.New(t, adtest.Config{Certificate: kind})
		c, err := tls.Dial("tcp", strings.TrimPrefix(s.TLSURL(), "ldaps://"), s.TLSConfig())
		if err == nil {
			c.Close()
		}
		require.True(t, check(err), "certificate %d: %v", kind, err)
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(s.CAPEM()))
	}
}

func TestNoTLS(t *testing.T) {
	s := adtest.New(t, adtest.Config{NoTLS: true})
	require.Empty(t, s.TLSURL())
	c, err := ldap.DialURL(s.URL())
	require.NoError(t, err)
	defer c.Close()
	requireCode(t, c.StartTLS(s.TLSConfig()), adtest.ResultUnavailable)
	_, err = s.DialTLS(t.Context())
	require.Error(t, err)
}

func TestPasswordChange(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "writer")
	quoted := ""
	for _, r := range `"N3w-pass"` {
		quoted += string([]byte{byte(r), 0})
	}
	mod := ldap.NewModifyRequest(ada, nil)
	mod.Replace("unicodePwd", []string{quoted})
	require.NoError(t, c.Modify(mod))
	require.Empty(t, read(t, c, ada, "unicodePwd").Attributes)
	require.NoError(t, connect(t, s, "").Bind("ada.vale@ashdown.example", "N3w-pass"))
	mod = ldap.NewModifyRequest(ada, nil)
	mod.Replace("unicodePwd", []string{"plain"})
	requireCode(t, c.Modify(mod), adtest.ResultUnwillingToPerform)
}

func TestListenOnlyOnLoopback(t *testing.T) {
	_, err := adtest.Start(adtest.Config{Listen: "0.0.0.0:0"})
	require.ErrorContains(t, err, "loopback")
	_, err = adtest.Start(adtest.Config{Listen: "nonsense"})
	require.ErrorContains(t, err, "Listen")
}

func TestClock(t *testing.T) {
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	s := newVale(t, func(c *adtest.Config) { c.Now = func() time.Time { return now } })
	c := connect(t, s, "reader")
	require.Equal(t, "20310506070809.0Z", read(t, c, "").GetAttributeValue("currentTime"))
	now = now.Add(time.Hour)
	require.NoError(t, s.Set(ada, "title", "Matron"))
	e := read(t, c, ada)
	require.Equal(t, "20310506070809.0Z", e.GetAttributeValue("whenCreated"))
	require.Equal(t, "20310506080809.0Z", e.GetAttributeValue("whenChanged"))
}
