// Package gssapi authenticates ldapdir connections with Kerberos. It is a package of its own so that only those
// who use it carry the Kerberos library.
//
//	dir, err := ldapdir.Open(ldapdir.Config{
//		URL:  "ldaps://dc1.ashdown.example",
//		Bind: gssapi.Auth{User: "svc-sync", Realm: "ASHDOWN.EXAMPLE", Keytab: "/etc/sync/sync.keytab"},
//	})
//
// The connection must be secured by TLS: there is no SASL security layer here, so a domain controller that
// demands signing accepts nothing else. One that demands channel binding (LdapEnforceChannelBinding 2) may refuse
// even that, because the binding is not sent; a simple bind over TLS works there.
package gssapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-ldap/ldap/v3"
	krb "github.com/go-ldap/ldap/v3/gssapi"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/krberror"
	"github.com/jcmturner/gokrb5/v8/messages"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// Auth is a Kerberos account: a ldapdir.Auth. Exactly one of Keytab, CCache and Password says how it proves who it
// is. A ticket is fetched for every connection.
type Auth struct {
	User     string // without the realm; not with CCache
	Realm    string // in upper case; not with CCache
	Keytab   string // file
	CCache   string // file, as kinit makes it
	Password *ldapdir.Secret

	Krb5Conf string // "": the file in KRB5_CONFIG, else /etc/krb5.conf
	SPN      string // "": ldap/ and the host of the server
}

var _ ldapdir.Auth = Auth{}

// String names the account.
func (a Auth) String() string {
	if a.CCache != "" {
		return "the Kerberos tickets in " + a.CCache
	}
	return a.User + "@" + a.Realm
}

// Bind gets tickets and binds with SASL GSSAPI. A refusal by the KDC that concerns the account wraps
// ldapsync.ErrCredentials.
func (a Auth) Bind(ctx context.Context, c *ldap.Conn, host string) error {
	kc, err := a.client(ctx)
	if err != nil {
		return explain(err)
	}
	defer func() { _ = kc.Close() }()
	spn := a.SPN
	if spn == "" {
		spn = "ldap/" + host
	}
	if err := c.GSSAPIBind(kc, spn, ""); err != nil {
		return explain(err)
	}
	return nil
}

func (a Auth) client(ctx context.Context) (*krb.Client, error) {
	given := 0
	for _, set := range []bool{a.Keytab != "", a.CCache != "", a.Password != nil} {
		if set {
			given++
		}
	}
	if given != 1 {
		return nil, errors.New("give exactly one of Keytab, CCache and Password")
	}
	if a.CCache == "" && (a.User == "" || a.Realm == "") {
		return nil, errors.New("a keytab or a password needs User and Realm")
	}
	conf := a.Krb5Conf
	if conf == "" {
		if conf = os.Getenv("KRB5_CONFIG"); conf == "" {
			conf = "/etc/krb5.conf"
		}
	}
	// Active Directory does not know the FAST negotiation of the library.
	fast := client.DisablePAFXFAST(true)
	switch {
	case a.Keytab != "":
		return krb.NewClientWithKeytab(a.User, a.Realm, a.Keytab, conf, fast)
	case a.CCache != "":
		return krb.NewClientFromCCache(a.CCache, conf, fast)
	}
	text, err := a.Password.Reveal(ctx)
	if err != nil {
		return nil, fmt.Errorf("the password of %s: %w", a, err)
	}
	return krb.NewClientWithPassword(a.User, a.Realm, text, conf, fast)
}

// accountErrors are the KDC's answers that another attempt does not change (RFC 4120 section 7.5.9).
var accountErrors = []int32{errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, errorcode.KDC_ERR_PREAUTH_FAILED,
	errorcode.KDC_ERR_CLIENT_REVOKED, errorcode.KDC_ERR_KEY_EXPIRED, errorcode.KDC_ERR_CLIENT_NOTYET, errorcode.KDC_ERR_NAME_EXP}

// explain marks what concerns the account. The library returns the KDC's answer as a value in some places and as
// text in a chain of texts in others.
func explain(err error) error {
	refused := func() error { return fmt.Errorf("%w: %w", ldapsync.ErrCredentials, err) }
	if ke := (messages.KRBError{}); errors.As(err, &ke) {
		for _, code := range accountErrors {
			if ke.ErrorCode == code {
				return refused()
			}
		}
		return err
	}
	text := err.Error()
	if ke := (krberror.Krberror{}); errors.As(err, &ke) {
		text = ke.Error()
	}
	for _, code := range accountErrors {
		if strings.Contains(text, errorcode.Lookup(code)) {
			return refused()
		}
	}
	return err
}
