package gssapi_test

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/ldapdir/gssapi"
)

// TestKerberos signs in to a Samba domain controller. Beside the variables that package ldapdir's tests document,
// HYBRIDKIT_SAMBA_SPN names the LDAP service; the server must have that name in servicePrincipalName and run with
// "ldap server require strong auth = allow_sasl_over_tls" (or no).
func TestKerberos(t *testing.T) {
	env := func(v string) string { return os.Getenv("HYBRIDKIT_SAMBA_" + v) }
	if env("SPN") == "" {
		t.Skip("HYBRIDKIT_SAMBA_SPN is not set: there is no Kerberos service to test against")
	}
	u, err := url.Parse(env("URL"))
	require.NoError(t, err)
	base := ldapsync.MustParseDN(env("BASE"))
	var labels []string
	for d := base; !d.IsRoot(); d = d.Parent() {
		_, label := d.RDN()
		labels = append(labels, label)
	}
	realm := strings.ToUpper(strings.Join(labels, "."))
	conf := filepath.Join(t.TempDir(), "krb5.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\n[realms]\n%s = {\n kdc = %s:88\n}\n",
		realm, realm, u.Hostname()), 0o600))
	pem, err := os.ReadFile(env("CA"))
	require.NoError(t, err)
	cas := x509.NewCertPool()
	require.True(t, cas.AppendCertsFromPEM(pem))

	user, _, _ := strings.Cut(env("READER"), "@")
	try := func(password string) error {
		secret := ldapdir.NewSecret(password)
		d, err := ldapdir.Open(ldapdir.Config{URL: env("URL"), TLS: ldapdir.TLS{CAs: cas},
			Bind: gssapi.Auth{User: user, Realm: realm, Password: &secret, Krb5Conf: conf, SPN: env("SPN")}})
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		c, err := d.Container(t.Context(), ldapsync.ContainerRef{DN: env("BASE")})
		if err == nil {
			require.False(t, c.ID.IsZero())
			p, err := d.VerifyListing(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, ldapsync.Present, p, "the account's groups are known without its name")
		}
		return err
	}
	require.NoError(t, try(env("READER_PASSWORD")))
	err = try("Falsch-4711")
	require.ErrorIs(t, err, ldapsync.ErrCredentials)
	require.NotErrorIs(t, err, ldapsync.ErrTransient)
	require.NotContains(t, err.Error(), "Falsch")
}

func TestMistakes(t *testing.T) {
	secret := ldapdir.NewSecret("x")
	for want, a := range map[string]gssapi.Auth{
		"exactly one of Keytab": {User: "u", Realm: "R", Keytab: "k", CCache: "c"},
		"needs User and Realm":  {Password: &secret},
		"krb5.conf":             {User: "u", Realm: "R", Password: &secret, Krb5Conf: filepath.Join(t.TempDir(), "krb5.conf")},
	} {
		require.ErrorContains(t, a.Bind(t.Context(), nil, "dc1.ashdown.example"), want)
	}
	require.Equal(t, "u@R", gssapi.Auth{User: "u", Realm: "R"}.String())
	require.NotContains(t, fmt.Sprintf("%+v", gssapi.Auth{User: "u", Realm: "R", Password: &secret}), "x")
}

func Example() {
	_, err := ldapdir.Open(ldapdir.Config{
		URL:  "ldaps://dc1.ashdown.example",
		Bind: gssapi.Auth{User: "svc-sync", Realm: "ASHDOWN.EXAMPLE", Keytab: "/etc/sync/sync.keytab"},
	})
	fmt.Println(err)
	// Output: <nil>
}
