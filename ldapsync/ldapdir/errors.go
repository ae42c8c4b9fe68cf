package ldapdir

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
)

// An Error is a refusal by the server or a failure to talk to it. It wraps the conditions of package ldapsync
// that apply, and the cause. It never holds a secret.
type Error struct {
	Op         string     // "connect", "start TLS", "bind", "search", "modify", "add", "rename", "delete"
	Server     string     // as the Config names it
	Object     string     // the name or identity it was about; "" for none
	Code       ResultCode // 0 where there was no answer
	MatchedDN  string     // the deepest object that was found on the way
	Diagnostic string     // what the server says
	Advice     string     // what to do

	kinds []error
	cause error
}

// Error is one line: what was tried, where, what came of it, what to do, and which conditions apply.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("ldapdir: " + e.Op)
	if e.Object != "" {
		b.WriteString(" " + e.Object)
	}
	b.WriteString(" at " + e.Server + ": ")
	switch {
	case e.Code != 0:
		fmt.Fprintf(&b, "result %d %s", uint16(e.Code), e.Code)
	case e.cause != nil:
		b.WriteString(e.cause.Error())
	}
	if e.Diagnostic != "" {
		b.WriteString(" (" + e.Diagnostic + ")")
	}
	if e.MatchedDN != "" {
		b.WriteString("; found as far as " + e.MatchedDN)
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	for i, k := range e.kinds {
		if i == 0 {
			b.WriteString(" [" + k.Error())
		} else {
			b.WriteString(", " + k.Error())
		}
	}
	if len(e.kinds) > 0 {
		b.WriteString("]")
	}
	return b.String()
}

// Unwrap returns the conditions and the cause.
func (e *Error) Unwrap() []error {
	out := append([]error(nil), e.kinds...)
	if e.cause != nil {
		out = append(out, e.cause)
	}
	return out
}

// as adds conditions.
func (e *Error) as(kinds ...error) *Error {
	e.kinds = append(e.kinds, kinds...)
	return e
}

const maxDiagnostic = 500

// printable makes a text from the server fit for one line of a message.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if len(s) > maxDiagnostic {
		s = strings.ToValidUTF8(s[:maxDiagnostic], "") + "…"
	}
	return s
}

// refusal makes the error for a result code ([MS-ADTS] section 3.1.1.3 leaves the codes to RFC 4511).
func refusal(op, server, object string, code ResultCode, matched, diagnostic string) *Error {
	e := &Error{Op: op, Server: server, Object: object, Code: code, MatchedDN: printable(matched), Diagnostic: printable(diagnostic)}
	switch code {
	case ResultOperationsError:
		if strings.Contains(diagnostic, "000004DC") { // "a successful bind must be completed on the connection"
			e.Advice = "the server wants a bind first: configure Bind"
			return e.as(ldapsync.ErrPermission)
		}
		e.as(ldapsync.ErrTransient)
	case ResultBusy, ResultUnavailable, ResultOther:
		e.as(ldapsync.ErrTransient)
	case ResultTimeLimit, ResultSizeLimit, ResultAdminLimit:
		if op == "search" {
			e.Advice = "a limit of the server was reached: try a smaller PageSize or a narrower filter"
			e.as(ldapsync.ErrTransient)
		} else {
			e.Advice = "the change is larger than the server takes in one request"
		}
	case ResultReferral:
		e.Advice = "another server holds this part of the directory: connect to that one (referrals are not followed)"
	case ResultUnavailableExtension:
		e.Advice = "the server does not support a control that is needed here"
	case ResultNoSuchObject:
		if op == "search" {
			e.Advice = "check the DN or identity, and whether the account may see the object"
		}
		e.as(ldapsync.ErrNotFound)
	case ResultInvalidDN:
		e.Advice = "the name is not a distinguished name this server accepts"
	case ResultEntryExists:
		e.as(ldapsync.ErrExists)
	case ResultStrongerAuthRequired, 13:
		e.Advice = "the server refuses this bind on a connection without TLS: use ldaps:// or StartTLS (ldap:// without AllowPlaintext)"
	case ResultInvalidCredentials, ResultInappropriateAuth, 7:
		e.Advice = credentialAdvice(diagnostic)
		e.as(ldapsync.ErrCredentials)
	case ResultInsufficientAccess:
		e.Advice = "the account lacks a right on the object: delegate it, for example with dsacls"
		e.as(ldapsync.ErrPermission)
	case ResultNoSuchAttribute, ResultValueExists:
		e.Advice = "an attribute is not what the account reads there: it may not be allowed to read it"
	case ResultUndefinedAttribute:
		e.Advice = "an attribute is not in the server's schema"
	case ResultConstraintViolation:
		e.Advice = "a value breaks a rule of the server: too long, or one that must be unique is taken"
	case ResultObjectClassViolation:
		e.Advice = "the object's classes do not allow an attribute, or demand one that is missing: see ClassConfig.ObjectClasses and Defaults"
	case ResultNotAllowedOnNonLeaf:
		e.Advice = "there are objects below it, for example recovery keys: remove or move those first"
	}
	return e
}

// credentialAdvice explains the code Active Directory hides in the text of result 49 (Microsoft, "LDAP error
// codes for Active Directory": data 52e and its kin are Windows error codes in hexadecimal).
func credentialAdvice(diagnostic string) string {
	const tail = "; it is not tried again, so that the account is not locked out"
	_, rest, _ := strings.Cut(diagnostic, "data ")
	code, _, _ := strings.Cut(rest, ",")
	switch strings.ToLower(strings.TrimRight(strings.TrimSpace(code), "\x00")) {
	case "525":
		return "the user does not exist" + tail
	case "530":
		return "the user may not sign in at this time" + tail
	case "531":
		return "the user may not sign in from this computer" + tail
	case "532":
		return "the password has expired" + tail
	case "533":
		return "the account is disabled" + tail
	case "568":
		return "the account is in too many groups" + tail
	case "701":
		return "the account has expired" + tail
	case "773":
		return "the password must be changed first" + tail
	case "775":
		return "the account is locked out" + tail
	}
	return "the user name or the password is wrong" + tail
}

// lost makes the error for a connection that failed, timed out or was never made.
func lost(op, server, object string, cause error) *Error {
	e := &Error{Op: op, Server: server, Object: object, cause: cause}
	switch {
	case errors.Is(cause, context.Canceled):
		return e
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(cause, os.ErrDeadlineExceeded):
		e.Advice = "no answer in time"
	}
	return e.as(ldapsync.ErrTransient)
}

// unreachable explains why there is no connection.
func unreachable(server string, cause error) *Error {
	e := lost("connect", server, "", cause)
	if dns := (*net.DNSError)(nil); errors.As(cause, &dns) {
		e.Advice = "check the name of the server and DNS"
	} else if !errors.Is(cause, context.Canceled) {
		e.Advice = "check that the server runs and that its port is reachable"
	}
	return e
}

// untrusted explains a TLS handshake that failed. What a certificate says is not transient; a connection that
// broke meanwhile is.
func untrusted(server string, now time.Time, cause error) *Error {
	e := &Error{Op: "start TLS", Server: server, cause: cause}
	var (
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		record    tls.RecordHeaderError
		pin       *pinError
	)
	switch {
	case errors.As(cause, &pin):
		e.Advice = "compare the fingerprint with the server's certificate; if it was renewed, change TLS.PinSHA256"
	case errors.As(cause, &invalid) && invalid.Reason == x509.Expired:
		e.Advice = validity(invalid.Cert, now)
	case errors.As(cause, &invalid):
		e.Advice = "the server's certificate is not valid for this: have it issued anew"
	case errors.As(cause, &authority):
		e.Advice = "give the authority that issued the server's certificate in TLS.CAs, or pin the certificate in TLS.PinSHA256"
	case errors.As(cause, &name):
		e.Advice = "the server's certificate is for another name: use the name in it as host, or set TLS.ServerName"
	case errors.As(cause, &record):
		e.Advice = "the server does not speak TLS on this port: ldaps:// is port 636, ldap:// with StartTLS is 389"
	case errors.Is(cause, context.Canceled):
	default:
		if alert := tls.AlertError(0); !errors.As(cause, &alert) {
			e.Advice = "the connection ended during the TLS handshake"
			return e.as(ldapsync.ErrTransient)
		}
		e.Advice = "the server refused the TLS handshake; it may want a client certificate or speak no TLS 1.2"
	}
	return e
}

func validity(c *x509.Certificate, now time.Time) string {
	if c == nil {
		return "a certificate is out of date"
	}
	who, day := c.Subject.String(), c.NotAfter
	if now.Before(c.NotBefore) {
		return fmt.Sprintf("the certificate %q is not valid before %s: check the clock", who, c.NotBefore.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("the certificate %q expired on %s: renew it on the server", who, day.UTC().Format(time.RFC3339))
}

// fromLDAP turns an error of go-ldap into ours. answered is false where it was not the server that refused.
func fromLDAP(op, server, object string, err error) (e *Error, answered bool) {
	le := (*ldap.Error)(nil)
	if errors.As(err, &le) && le.ResultCode > 0 && le.ResultCode < ldap.ErrorNetwork {
		text := ""
		if le.Err != nil {
			text = le.Err.Error()
		}
		return refusal(op, server, object, ResultCode(le.ResultCode), le.MatchedDN, text), true
	}
	return lost(op, server, object, err), false
}
