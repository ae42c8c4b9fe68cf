package ldapdir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// An Auth authenticates a new connection. Package ldapdir/gssapi has one for Kerberos.
type Auth interface {
	// Bind authenticates c to the server known as host. It returns go-ldap's error where the server refuses. If
	// ctx ends, c is closed underneath. An error that wraps ldapsync.ErrCredentials is final: it is not tried again.
	Bind(ctx context.Context, c *ldap.Conn, host string) error

	// String says who, for messages: never a secret.
	String() string
}

// Simple is the simple bind with a name and a password. It is made over TLS, over ldapi, or where
// Config.AllowPlaintext is set.
type Simple struct {
	User     string // userPrincipalName, DOMAIN\name or distinguished name
	Password Secret
}

// Bind implements Auth.
func (a Simple) Bind(ctx context.Context, c *ldap.Conn, _ string) error {
	text, err := a.Password.Reveal(ctx)
	if err != nil {
		return fmt.Errorf("the password of %s: %w", a.User, err)
	}
	if text == "" {
		// RFC 4513 section 5.1.2: the server would take it for an anonymous bind and answer success.
		return fmt.Errorf("the password of %s is empty", a.User)
	}
	return c.Bind(a.User, text)
}

// String returns the name.
func (a Simple) String() string { return a.User }

// fingerprint tells one password from another without keeping it.
func (a Simple) fingerprint(ctx context.Context) ([sha256.Size]byte, error) {
	text, err := a.Password.Reveal(ctx)
	return sha256.Sum256([]byte(a.User + "\x00" + text)), err
}

// External is SASL EXTERNAL: the client certificate in Config.TLS, or the process that is at the other end of an
// ldapi socket.
type External struct{}

// Bind implements Auth.
func (External) Bind(_ context.Context, c *ldap.Conn, _ string) error { return c.ExternalBind() }

// String returns "EXTERNAL".
func (External) String() string { return "EXTERNAL" }

// Anonymous is no authentication at all. Active Directory then shows little more than the rootDSE.
type Anonymous struct{}

// Bind implements Auth.
func (Anonymous) Bind(_ context.Context, c *ldap.Conn, _ string) error {
	err := c.UnauthenticatedBind("")
	if le := (*ldap.Error)(nil); errors.As(err, &le) && le.ResultCode == ldap.LDAPResultInappropriateAuthentication {
		return fmt.Errorf("the server does not allow anonymous connections: %w", err)
	}
	return err
}

// String returns "anonymous".
func (Anonymous) String() string { return "anonymous" }
