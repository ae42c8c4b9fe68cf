package ldapdir

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// secure adds TLS where the configuration wants it.
func (d *Dir) secure(ctx context.Context, raw net.Conn) (net.Conn, bool, error) {
	if t, ok := raw.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, false, untrusted(d.ep.name, time.Now(), err)
		}
		return t, true, nil
	}
	if !d.ep.implicit {
		if d.cfg.AllowPlaintext || d.ep.local {
			return raw, false, nil
		}
		if err := startTLS(raw); err != nil {
			if r := (*result)(nil); errors.As(err, &r) {
				e := refusal("start TLS", d.ep.name, "", r.code, r.matched, r.diagnostic)
				if r.code != ResultBusy {
					e.kinds = nil // 52 unavailable is what a domain controller without a certificate answers
				}
				e.Advice = "the server does not offer StartTLS: give it a certificate, use ldaps://, or set AllowPlaintext in a laboratory"
				return nil, false, e
			}
			return nil, false, lost("start TLS", d.ep.name, "", err)
		}
	}
	t := tls.Client(raw, d.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, false, untrusted(d.ep.name, time.Now(), err)
	}
	return t, true, nil
}

// Error makes a result usable as an error inside this package.
func (r *result) Error() string { return r.code.String() }

// startTLS asks for TLS (RFC 4511 section 4.14). Nothing may be read beyond the answer.
func startTLS(c net.Conn) error {
	const oid = "1.3.6.1.4.1.1466.20037"
	if _, err := io.WriteString(c, tlv(tagSequence, integer(tagInteger, 1), tlv(0x77, tlv(0x80, oid)))); err != nil {
		return err
	}
	head := make([]byte, 2, 6)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if digits := int(head[1]) - 0x80; digits > 0 {
		if digits > 4 {
			return errMalformed
		}
		head = head[:2+digits]
		if _, err := io.ReadFull(c, head[2:]); err != nil {
			return err
		}
	}
	n := int64(head[1])
	if len(head) > 2 {
		n = 0
		for _, b := range head[2:] {
			n = n<<8 | int64(b)
		}
	}
	const most = 64 << 10
	if head[0] != tagSequence || n > most {
		return errMalformed
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	_, rest, err := expect(tagInteger, string(body))
	if err != nil {
		return err
	}
	reply, _, err := expect(opExtendedReply, rest)
	if err != nil {
		return err
	}
	r, err := parseResult(reply, "")
	if err != nil {
		return err
	}
	if r.code != 0 {
		return &r
	}
	return nil
}

// A pinError is a certificate that is not the pinned one.
type pinError struct{ got string }

func (e *pinError) Error() string {
	return "the server's certificate is not the pinned one: its SHA-256 is " + e.got
}

// tlsConfig makes the client side of TLS.
func tlsConfig(t TLS, host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: t.CAs, ServerName: t.ServerName}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.Certificate != nil {
		c.Certificates = []tls.Certificate{*t.Certificate}
	}
	if len(t.PinSHA256) == 0 {
		if c.ServerName == "" {
			c.ServerName = "name.missing.invalid" // matches nothing: a Dial hook without TLS.ServerName
		}
		return c
	}
	var pins [][]byte
	for _, p := range t.PinSHA256 {
		b, _ := hex.DecodeString(strings.ReplaceAll(p, ":", "")) // checked by prepared
		pins = append(pins, b)
	}
	name, roots := c.ServerName, t.CAs
	c.InsecureSkipVerify = true // replaced by the following
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server sent no certificate")
		}
		leaf := s.PeerCertificates[0]
		sum := sha256.Sum256(leaf.Raw)
		if !slices.ContainsFunc(pins, func(p []byte) bool { return bytes.Equal(p, sum[:]) }) {
			return &pinError{hex.EncodeToString(sum[:])}
		}
		if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}
		}
		if roots == nil {
			return nil
		}
		more := x509.NewCertPool()
		for _, m := range s.PeerCertificates[1:] {
			more.AddCert(m)
		}
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: more})
		return err
	}
	return c
}
