package ndes

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const missingName = "devices and the policy module refuse such a server (Error 12175)"

func checkTLS(v *visit) {
	u, err := url.Parse(v.url)
	if err != nil || u.Scheme != "https" {
		v.found(Unknown, "the address is http", "", "See url-form.")
		return
	}
	addr := u.Host
	if u.Port() == "" {
		addr += ":443"
	}
	ctx, cancel := context.WithTimeout(v.ctx, 20*time.Second)
	defer cancel()
	// The chain is verified below, so that a bad one can be described instead of ending the connection.
	d := tls.Dialer{Config: &tls.Config{ServerName: v.host, InsecureSkipVerify: true}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		v.found(Error, "TLS handshake: "+err.Error(), "No TLS connection.", "Check the certificate bound to port 443 in IIS, and the firewall.")
		return
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	leaf := state.PeerCertificates[0]
	evidence := fmt.Sprintf("%s, names %s, until %s", leaf.Subject, strings.Join(leaf.DNSNames, " "), leaf.NotAfter.Format(time.DateOnly))
	now := v.now()
	switch {
	case now.Before(leaf.NotBefore), now.After(leaf.NotAfter):
		v.found(Error, evidence, "The TLS certificate is out of date.", "Renew it and bind it in IIS.")
	case leaf.NotAfter.Sub(now) < v.soon():
		v.found(Warning, evidence, "The TLS certificate expires soon.", "Renew it and bind it in IIS.")
	}
	verifyTLS(v, state.PeerCertificates, evidence)
	for _, name := range append([]string{v.host}, v.Names...) {
		if err := leaf.VerifyHostname(name); err != nil {
			v.found(Error, evidence, "The certificate is not for "+name+": "+missingName+".", "Issue a certificate whose SAN holds the names used inside and outside.")
		}
	}
	if cn := leaf.Subject.CommonName; cn != "" && !slices.ContainsFunc(append([]string{v.host}, v.Names...), func(n string) bool { return strings.EqualFold(n, cn) }) && len(v.Names) > 0 {
		v.found(Info, evidence, "The common name is none of the names given. Microsoft's pages differ on whether it is to be the internal or the external one; either is accepted here.", "")
	}
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) && len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0 {
		v.found(Error, evidence, "No extended key usage server authentication.", "Issue it from a template with server authentication.")
	}
	if k, ok := leaf.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < 2048 {
		v.found(Error, fmt.Sprintf("%s, RSA %d bits", evidence, k.N.BitLen()), "The key is shorter than 2048 bits.", "Issue it with a key of 2048 bits or more.")
	}
}

func verifyTLS(v *visit, chain []*x509.Certificate, evidence string) {
	leaf := chain[0]
	if bytes.Equal(leaf.RawSubject, leaf.RawIssuer) {
		v.found(Error, evidence, "The TLS certificate signed itself; devices do not trust it.", "Bind a certificate of a CA the devices trust.")
		return
	}
	inter := x509.NewCertPool()
	for _, c := range chain[1:] {
		inter.AddCert(c)
	}
	at := v.now()
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter // reported already
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: v.Roots, Intermediates: inter, CurrentTime: at})
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
	case errors.As(err, &unknown):
		v.found(Error, evidence+": "+err.Error(), fmt.Sprintf("The chain of %d certificates does not lead to a root trusted here: an intermediate is not sent, or the root is private.", len(chain)),
			"Install the intermediate in the Intermediate Certification Authorities store of the server; give private roots to the Doctor and to devices.")
	default:
		v.found(Error, evidence+": "+err.Error(), "The chain does not verify.", "Replace the certificate or its chain.")
	}
}

// maxCRLs bounds how many distribution points one run fetches.
const maxCRLs = 16

func checkCRL(v *visit) {
	certs := v.have()
	seen := map[string]bool{}
	none := true
	for _, c := range certs {
		for _, dp := range c.CRLDistributionPoints {
			none = false
			u, err := url.Parse(dp)
			if err != nil || seen[dp] || len(seen) >= maxCRLs {
				continue
			}
			seen[dp] = true
			if u.Scheme != "http" && u.Scheme != "https" {
				v.found(Info, fmt.Sprintf("%s: %s", c.Subject, dp), "Only members of the domain can read an LDAP distribution point; devices outside cannot.", "Add an http distribution point to the CA.")
				continue
			}
			v.crl(c, dp, certs)
		}
	}
	if certs != nil && none {
		v.found(Info, "no distribution point in the CA and RA certificates", "A root has none; an issuing CA and RAs usually have.", "")
	}
}

func (v *visit) crl(c *x509.Certificate, dp string, certs []*x509.Certificate) {
	const meaning = "NDES cannot check its RA certificates and answers HTTP 500 or 503; devices may refuse certificates."
	const remedy = "Publish the CRL and make its address reachable from NDES, devices and domain controllers, also from outside where devices are."
	a := v.get(dp)
	if a.err != nil || a.status != http.StatusOK {
		evidence := fmt.Sprintf("%s: HTTP %d", dp, a.status)
		if a.err != nil {
			evidence = dp + ": " + a.err.Error()
		}
		v.found(Error, evidence, meaning, remedy)
		return
	}
	crl, err := x509.ParseRevocationList(a.body)
	if err != nil {
		v.found(Error, dp+": not a CRL: "+err.Error(), meaning, remedy)
		return
	}
	now := v.now()
	switch {
	case !crl.NextUpdate.IsZero() && now.After(crl.NextUpdate):
		v.found(Error, fmt.Sprintf("%s: expired %s", dp, crl.NextUpdate.UTC().Format(time.RFC3339)), meaning, remedy)
	case now.Add(5 * time.Minute).Before(crl.ThisUpdate):
		v.found(Error, fmt.Sprintf("%s: valid from %s only", dp, crl.ThisUpdate.UTC().Format(time.RFC3339)), meaning, "Check clocks.")
	}
	for _, p := range certs {
		if bytes.Equal(p.RawSubject, crl.RawIssuer) {
			if err := crl.CheckSignatureFrom(p); err != nil {
				v.found(Warning, dp+": "+err.Error(), "The CRL is not signed by the CA certificate of that name in GetCACert; after a renewal of the CA there are two.", remedy)
			}
			break
		}
	}
	for _, e := range crl.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(c.SerialNumber) == 0 && bytes.Equal(crl.RawIssuer, c.RawIssuer) {
			v.found(Error, fmt.Sprintf("%s, serial %X, is revoked", c.Subject, c.SerialNumber), "This certificate of the SCEP server is revoked.", "Enrol a new one.")
		}
	}
}
