package scepclient

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// Trust says which CA a client believes (RFC 8894, 2.2). One of Pins, Roots and Insecure has to be set.
type Trust struct {
	// Pins are SHA-256 fingerprints over whole DER certificates, in hex; colons, blanks and case do not
	// matter. A pin may name a root, the issuing CA, or an RA certificate. What does not chain to a pinned
	// CA is not used. Where pins are set, one of them has to name a certificate of the answer or of Roots.
	Pins []string
	// Roots are local copies of CA certificates, for servers that do not return what a pin would name.
	Roots []*x509.Certificate
	// Insecure trusts whatever GetCACert returns, with a warning: the challenge then goes to whoever answered.
	Insecure bool
}

// A CASet is the authenticated answer of GetCACert with the choice of roles.
type CASet struct {
	// Received are all certificates as sent, also those that are not used.
	Received []*x509.Certificate
	// CA is the certificate that issues.
	CA *x509.Certificate
	// Recipient is the certificate requests are encrypted to: always exactly one.
	Recipient *x509.Certificate
	// Signers are the certificates a reply may be signed by, byte for byte: the CA and its RAs.
	Signers []*x509.Certificate
	// Anchors end every chain: the pinned CA certificates and Trust.Roots.
	Anchors []*x509.Certificate
	// Warnings tell what was left out and why.
	Warnings []Warning
}

// Fingerprint returns the SHA-256 of the DER certificate in lower-case hex, the form of a pin.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// ParseCACerts reads the body of GetCACert by its content, whatever its Content-Type: one DER certificate, a
// certificates-only SignedData, or (not in the RFC) PEM. A certificate Go cannot parse is left out and
// counted in skipped, as long as one remains.
func ParseCACerts(body []byte) (certs []*x509.Certificate, skipped int, err error) {
	if c, err := x509.ParseCertificate(body); err == nil {
		return []*x509.Certificate{c}, 0, nil
	}
	var raw [][]byte
	if bytes.Contains(body[:min(len(body), 4096)], []byte("-----BEGIN ")) {
		for rest := body; ; {
			var b *pem.Block
			if b, rest = pem.Decode(rest); b == nil {
				break
			}
			switch b.Type {
			case "CERTIFICATE":
				raw = append(raw, b.Bytes)
			case "PKCS7", "CMS":
				if sd, err := cms.ParseSignedData(b.Bytes); err == nil {
					raw = append(raw, sd.Certificates...)
				}
			}
		}
	} else {
		sd, err := cms.ParseSignedData(body)
		if err != nil {
			return nil, 0, &ReplyError{Check: CheckCMS, Detail: "GetCACert: neither a certificate nor PKCS #7", HTML: isHTML(body), Err: err}
		}
		raw = sd.Certificates
	}
	return parseCerts(raw)
}

func parseCerts(raw [][]byte) (certs []*x509.Certificate, skipped int, err error) {
	for _, der := range raw {
		c, perr := x509.ParseCertificate(der)
		if perr != nil {
			skipped, err = skipped+1, perr
			continue
		}
		if !slices.ContainsFunc(certs, c.Equal) {
			certs = append(certs, c)
		}
	}
	if len(certs) == 0 {
		return nil, skipped, &ReplyError{Check: CheckContent, Detail: "no certificate", Err: err}
	}
	return certs, skipped, nil
}

func isHTML(b []byte) bool {
	s := strings.ToLower(string(bytes.TrimSpace(b[:min(len(b), 512)])))
	return strings.HasPrefix(s, "<!doctype html") || strings.HasPrefix(s, "<html") || strings.Contains(s, "<head") || strings.Contains(s, "<body")
}

// ParsePin returns a SHA-256 fingerprint as 64 small hex digits, from any way of writing it: capitals, and colons, blanks
// or hyphens between the digits. Anything else is a *TrustError.
func ParsePin(text string) (string, error) {
	clean := strings.ToLower(strings.NewReplacer(":", "", " ", "", "-", "").Replace(text))
	if b, err := hex.DecodeString(clean); err != nil || len(b) != sha256.Size {
		return "", &TrustError{fmt.Sprintf("pin %q is not a SHA-256 fingerprint (64 hex digits)", text)}
	}
	return clean, nil
}

// pins normalises Pins.
func (t Trust) pins() ([]string, error) {
	var out []string
	for _, p := range t.Pins {
		clean, err := ParsePin(p)
		if err != nil {
			return nil, err
		}
		out = append(out, clean)
	}
	if len(out) == 0 && len(t.Roots) == 0 && !t.Insecure {
		return nil, &TrustError{"no pin: set Trust.Pins to the SHA-256 fingerprint of the CA certificate, or Trust.Roots"}
	}
	return out, nil
}

var (
	oidEKUEnrolAgent = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 1} // Certificate Request Agent: NDES
	oidEKUCMCRA      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 28}      // id-kp-cmcRA (RFC 6402)
)

// raRank says how much c looks like a registration authority: 2 by its extended key usage, 1 because
// nothing speaks against it, 0 because it says it is an end entity's certificate. Every enrolled client
// chains to the CA just as an RA does, and GetCACert is not signed: without this, whoever is on the path
// and holds one enrolled certificate could add it to the answer and read the challenge.
func raRank(c *x509.Certificate) int {
	has := func(oid asn1.ObjectIdentifier) bool {
		return slices.ContainsFunc(c.UnknownExtKeyUsage, oid.Equal)
	}
	if has(oidEKUEnrolAgent) || has(oidEKUCMCRA) {
		return 2
	}
	for _, e := range c.ExtKeyUsage {
		switch e {
		case x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageMicrosoftServerGatedCrypto:
			return 0
		}
	}
	return 1
}

// isCA treats version 1 certificates that signed themselves as CAs, as old roots are.
func isCA(c *x509.Certificate) bool {
	return c.IsCA || (!c.BasicConstraintsValid && bytes.Equal(c.RawSubject, c.RawIssuer) && c.Version < 3)
}

func validAt(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// Authenticate checks certs against t at the time now and chooses who is who: a single CA, RA pairs in any
// order, expired twins, a CA without the keyEncipherment bit, an EC CA with an RSA decrypter.
// The recipient is, in this order, an RA with keyEncipherment or dataEncipherment, an RA without key usage,
// the CA. Key usage is a preference and not a filter, because one widely deployed server sets only one of
// the bits (RFC 8894, 3.5.2). An RA whose extended key usage is that of an ordinary client or server is
// taken only when a pin names it.
func (t Trust) Authenticate(certs []*x509.Certificate, now time.Time) (*CASet, error) {
	pins, err := t.pins()
	if err != nil {
		return nil, err
	}
	set := &CASet{Received: certs, Anchors: slices.Clone(t.Roots)}
	pinned := func(c *x509.Certificate) bool { return slices.Contains(pins, Fingerprint(c)) }
	var pinnedRA []*x509.Certificate
	for _, c := range certs {
		switch {
		case pinned(c) && isCA(c):
			set.Anchors = append(set.Anchors, c)
		case pinned(c):
			pinnedRA = append(pinnedRA, c)
		case t.Insecure && len(pins) == 0 && isCA(c):
			set.Anchors = append(set.Anchors, c)
		}
	}
	if len(pins) > 0 && !slices.ContainsFunc(set.Anchors, pinned) && len(pinnedRA) == 0 {
		var have []string
		for _, c := range certs {
			have = append(have, Fingerprint(c)+" ("+c.Subject.String()+")")
		}
		return nil, &TrustError{"no certificate of the answer has a pinned fingerprint; it holds " + strings.Join(have, ", ") +
			". If the pin names a root the server does not return, set Trust.Roots"}
	}
	if t.Insecure && len(pins) == 0 && len(t.Roots) == 0 {
		set.warn(WarnUnpinned, "the CA was not authenticated: no pin was set")
	}
	if len(set.Anchors) == 0 {
		// Only an RA is pinned: the CA is the one whose signature the RA carries.
		for _, ra := range pinnedRA {
			for _, c := range certs {
				if isCA(c) && ra.CheckSignatureFrom(c) == nil && !slices.ContainsFunc(set.Anchors, c.Equal) {
					set.Anchors = append(set.Anchors, c)
				}
			}
		}
	}
	if len(set.Anchors) == 0 && len(pinnedRA) == 0 {
		return nil, &TrustError{"the answer holds no CA certificate"}
	}
	var cas, ras []*x509.Certificate
	for _, c := range certs {
		switch {
		case !validAt(c, now):
			set.warn(WarnCASkipped, fmt.Sprintf("%s is not valid at %s (%s to %s)", c.Subject, stamp(now), stamp(c.NotBefore), stamp(c.NotAfter)))
		case slices.ContainsFunc(pinnedRA, c.Equal):
			ras = append(ras, c)
		case isCA(c) && slices.ContainsFunc(set.Anchors, func(a *x509.Certificate) bool {
			return !a.Equal(c) && bytes.Equal(a.RawIssuer, c.RawSubject) && a.CheckSignatureFrom(c) == nil
		}):
			// Above the pinned certificate: of no use, and nothing to report.
		case set.verify(c, certs, now) != nil:
			set.warn(WarnCASkipped, fmt.Sprintf("%s does not chain to a pinned certificate", c.Subject))
		case isCA(c):
			cas = append(cas, c)
		case raRank(c) == 0:
			set.warn(WarnCASkipped, fmt.Sprintf("%s is an end-entity certificate by its extended key usage; pin %s if it is an RA", c.Subject, Fingerprint(c)))
		default:
			ras = append(ras, c)
		}
	}
	if len(pinnedRA) > 0 && len(set.Anchors) > 0 && !slices.ContainsFunc(set.Anchors, pinned) && len(t.Roots) == 0 {
		// An RA pin authenticates the RA and nothing else: other RAs of the answer are not used.
		ras = slices.DeleteFunc(ras, func(c *x509.Certificate) bool { return !pinned(c) })
	}
	set.CA = chooseCA(cas, ras)
	if set.CA == nil && len(t.Roots) > 0 && len(ras) > 0 {
		set.CA = chooseCA(t.Roots, ras) // the server returns its RAs only
	}
	if set.CA == nil {
		return nil, &TrustError{"no usable CA certificate" + set.reasons()}
	}
	newest := func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) }
	slices.SortStableFunc(ras, newest)
	ras = slices.DeleteFunc(ras, func(c *x509.Certificate) bool {
		return !bytes.Equal(c.RawIssuer, set.CA.RawSubject) && !slices.ContainsFunc(pinnedRA, c.Equal)
	})
	set.Signers = append([]*x509.Certificate{set.CA}, ras...)
	if set.Recipient = chooseRecipient(ras, set.CA); set.Recipient == nil {
		return nil, &TrustError{"no certificate with an RSA key to encrypt to; RFC 8894 (3.1) has password-based encryption for that, which no known CA offers" + set.reasons()}
	}
	return set, nil
}

func (s *CASet) warn(code, text string) { s.Warnings = append(s.Warnings, Warning{code, text}) }

func (s *CASet) reasons() string {
	var out string
	for _, w := range s.Warnings {
		out += "; " + w.Text
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// chooseCA picks the CA that issued the RAs, else the lowest of the hierarchy, the newest of twins.
func chooseCA(cas, ras []*x509.Certificate) *x509.Certificate {
	var best *x509.Certificate
	score := func(c *x509.Certificate) (n int) {
		for _, ra := range ras {
			if bytes.Equal(ra.RawIssuer, c.RawSubject) && ra.CheckSignatureFrom(c) == nil {
				n += 2 * (1 + raRank(ra))
			}
		}
		issues := slices.ContainsFunc(cas, func(d *x509.Certificate) bool {
			return !bytes.Equal(c.RawSubject, d.RawSubject) && bytes.Equal(d.RawIssuer, c.RawSubject)
		})
		if !issues {
			n++
		}
		return n
	}
	for _, c := range cas {
		if best == nil || score(c) > score(best) || (score(c) == score(best) && c.NotBefore.After(best.NotBefore)) {
			best = c
		}
	}
	return best
}

// chooseRecipient takes RAs sorted newest first.
func chooseRecipient(ras []*x509.Certificate, ca *x509.Certificate) *x509.Certificate {
	isRSA := func(c *x509.Certificate) bool { _, ok := c.PublicKey.(*rsa.PublicKey); return ok }
	const encrypts = x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	pick := func(ok func(*x509.Certificate) bool) *x509.Certificate {
		for rank := 2; rank >= 0; rank-- {
			for _, c := range ras {
				if isRSA(c) && raRank(c) == rank && ok(c) {
					return c
				}
			}
		}
		return nil
	}
	if c := pick(func(c *x509.Certificate) bool { return c.KeyUsage&encrypts != 0 }); c != nil {
		return c
	}
	if c := pick(func(c *x509.Certificate) bool { return c.KeyUsage == 0 }); c != nil {
		return c
	}
	if isRSA(ca) {
		return ca
	}
	return pick(func(*x509.Certificate) bool { return true }) // an EC CA whose RSA certificate lacks the bit
}

var errUntimely = errors.New("not valid at this time")

// verify builds a chain from c to an anchor.
func (s *CASet) verify(c *x509.Certificate, others []*x509.Certificate, now time.Time) error {
	_, err := s.chain(c, others, now)
	return err
}

func (s *CASet) chain(c *x509.Certificate, others []*x509.Certificate, now time.Time) ([]*x509.Certificate, error) {
	roots, inter := x509.NewCertPool(), x509.NewCertPool()
	for _, a := range s.Anchors {
		roots.AddCert(a)
	}
	for _, o := range others {
		if isCA(o) {
			inter.AddCert(o)
		}
	}
	if !validAt(c, now) {
		return nil, errUntimely
	}
	chains, err := c.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: inter, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, err
	}
	return chains[0], nil
}
