package ndes

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/scepclient"
)

const (
	srcDevice    = "Microsoft: Troubleshoot device to NDES server communication for SCEP certificate profiles"
	srcConfigure = "Microsoft: Configure infrastructure to support SCEP with Intune"
	srcValidate  = "Microsoft: Validate-NDESConfiguration.ps1"
	srcRFC       = "RFC 8894"
)

// Checks returns the checks of a Doctor, the caller's to select from.
func Checks() []Check {
	return []Check{
		{"url-form", "The address is that of an NDES enrolment", srcConfigure, checkURL},
		{"base-status", "The bare address answers as a healthy NDES", srcValidate, checkBase},
		{"capabilities", "GetCACaps answers, and says something usable", srcRFC + " 3.5.2", checkCapabilities},
		{"ca-certificates", "GetCACert answers with certificates", srcDevice, checkCACert},
		{"ra-dates", "CA and RA certificates are in date", srcDevice, checkDates},
		{"ra-usage", "One RA certificate signs and one decrypts", srcDevice, checkUsage},
		{"ra-chain", "RA certificates are issued by the CA beside them", srcDevice, checkChain},
		{"pin", "The CA is the one that was pinned", srcRFC + " 2.2", checkPin},
		{"long-query", "A query of 31 kB passes", srcConfigure, checkLongQuery},
		{"tls", "The TLS certificate is trusted, in date, and for the right names", srcConfigure, checkTLS},
		{"crl", "The CRLs of CA and RA certificates can be fetched and are current", srcDevice, checkCRL},
		{"password-page", "The password page wants authentication over TLS", "CERT VU#971035; reported NTLM relay to mscep_admin", checkPasswordPage},
	}
}

func checkURL(v *visit) {
	u, err := url.Parse(v.url)
	if err != nil {
		v.found(Error, v.URL, "Not an address.", "Give https://HOST/certsrv/mscep/mscep.dll.")
		return
	}
	if !v.ndes {
		v.found(Info, v.url, "Not a path of NDES; checks that are about NDES alone may not apply.", "NDES is at /certsrv/mscep/mscep.dll.")
	}
	if u.Scheme == "http" {
		v.found(Warning, v.url, "SCEP protects its messages itself (RFC 8894, 7.10), but Android profiles of Intune need https, and GetCACaps and GetCACert can be changed on the way.",
			"Publish the address over https.")
	}
}

func checkBase(v *visit) {
	a := v.baseAnswer()
	if v.failed(a, "GET "+v.url) {
		return
	}
	evidence := fmt.Sprintf("HTTP %d", a.status)
	if infoPage(a) {
		evidence += " with the NDES page"
	}
	e, _ := scepclient.ExplainNDES(a.status, bytes.ReplaceAll(a.body, []byte{0}, nil))
	switch {
	case !v.ndes:
		v.found(Info, evidence, "", "")
	case a.status == http.StatusForbidden && v.Intune:
		v.found(Healthy, evidence, "The Intune policy module is installed.", "")
	case a.status == http.StatusForbidden:
		v.found(Info, evidence, "With the Intune policy module this is right; without it, access is denied.", e.Remedy)
	case a.status == http.StatusOK && infoPage(a) && v.Intune:
		v.explained(Error, evidence, e)
	case a.status == http.StatusOK && infoPage(a):
		v.found(Healthy, evidence, "NDES without the Intune policy module.", "")
	default:
		v.explained(Error, evidence, e)
	}
}

func checkCapabilities(v *visit) {
	a := v.capsAnswer()
	if v.failed(a, "GetCACaps") {
		return
	}
	if a.status != http.StatusOK {
		v.found(Warning, fmt.Sprintf("GetCACaps: HTTP %d", a.status), "Clients take this as no capabilities: they use GET, and some 3DES and SHA-1 or weaker.",
			"Old NDES versions do not know GetCACaps; otherwise see what base-status and ca-certificates say.")
		return
	}
	caps := scepclient.ParseCapabilities(a.body)
	if len(caps.Keywords) == 0 {
		v.found(Warning, "GetCACaps: no keyword", "An empty list, or a web page in its place.", "Check that no proxy answers for the server.")
		return
	}
	evidence := caps.String()
	if !caps.Has(scepclient.CapPOST) {
		v.found(Warning, evidence, "Requests go into URLs of many kilobytes.", "Update NDES, or raise every URL limit on the way (see long-query).")
	}
	if !caps.Has(scepclient.CapSHA256) && !caps.Has(scepclient.CapSHA512) {
		v.found(Warning, evidence, "Requests can be signed with SHA-1 only.", "Update the server.")
	}
	if !caps.Has(scepclient.CapAES) {
		v.found(Info, evidence, "Requests have to be encrypted with 3DES. This is what NDES is reported to advertise.", "Clients of this module need PolicyNDES.")
	} else {
		v.found(Healthy, evidence, "", "")
	}
}

func checkCACert(v *visit) {
	certs, a, err := v.certificates()
	switch {
	case err != nil && a.err == nil:
		v.httpStatus(a, "GetCACert")
		return
	case err != nil:
		v.failed(&answer{err: err}, "GetCACert")
		return
	}
	var names []string
	for _, c := range certs {
		names = append(names, fmt.Sprintf("%s (%s)", c.Subject, scepclient.Fingerprint(c)[:16]))
	}
	v.found(Healthy, fmt.Sprintf("%d certificates: %s", len(certs), strings.Join(names, "; ")), "", "")
}

// have returns the certificates, and reports Unknown where there are none: checkCACert says why.
func (v *visit) have() []*x509.Certificate {
	certs, _, err := v.certificates()
	if err != nil {
		v.found(Unknown, "no certificates from GetCACert", "", "See ca-certificates.")
	}
	return certs
}

func checkDates(v *visit) {
	now := v.now()
	for _, c := range v.have() {
		kind, consequence := "RA", "An expired RA certificate makes NDES answer every call with HTTP 500; both RA certificates last two years by their default templates."
		if c.IsCA {
			kind, consequence = "CA", "Nothing the CA issues is valid."
		}
		evidence := fmt.Sprintf("%s %s: %s to %s", kind, c.Subject, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		remedy := "Renew the CEP Encryption and Exchange Enrollment Agent (Offline request) certificates in the computer store of the NDES server, give its account the private keys, and restart IIS."
		switch {
		case now.Before(c.NotBefore):
			v.found(Error, evidence, "Not valid yet: a clock is wrong.", "Check the clocks of this machine, the CA and NDES.")
		case now.After(c.NotAfter):
			v.found(Error, evidence, consequence, remedy)
		case c.NotAfter.Sub(now) < v.soon():
			v.found(Warning, fmt.Sprintf("%s, %d days left", evidence, int(c.NotAfter.Sub(now).Hours()/24)), consequence, remedy)
		}
	}
}

var oidEnrolAgent = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 1}

func ras(certs []*x509.Certificate) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(certs), func(c *x509.Certificate) bool { return c.IsCA })
}

func checkUsage(v *visit) {
	certs := v.have()
	if certs == nil {
		return
	}
	list := ras(certs)
	if len(list) == 0 {
		if v.ndes {
			v.found(Warning, "no RA certificate", "NDES always has two; this server answers with a CA certificate only.", "Check that the address is that of NDES.")
			return
		}
		v.found(Healthy, "no RA: the CA does its own work", "", "")
		return
	}
	var signs, decrypts bool
	for _, c := range list {
		signs = signs || c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageDigitalSignature != 0
		_, isRSA := c.PublicKey.(*rsa.PublicKey)
		decrypts = decrypts || isRSA && (c.KeyUsage == 0 || c.KeyUsage&(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment) != 0)
		if v.ndes && !slices.ContainsFunc(c.UnknownExtKeyUsage, oidEnrolAgent.Equal) {
			v.found(Info, c.Subject.String(), "Without the extended key usage Certificate Request Agent (1.3.6.1.4.1.311.20.2.1), which the RA certificates of NDES have.", "Check what this certificate is for.")
		}
	}
	if !signs {
		v.found(Error, fmt.Sprintf("%d RA certificates, none with digitalSignature", len(list)), "The Exchange Enrollment Agent (Offline request) certificate is missing: NDES cannot sign replies.", "Enrol it in the computer store and restart IIS.")
	}
	if !decrypts {
		v.found(Error, fmt.Sprintf("%d RA certificates, none with keyEncipherment", len(list)), "The CEP Encryption certificate is missing: NDES cannot read requests.", "Enrol it in the computer store and restart IIS.")
	}
}

func checkChain(v *visit) {
	certs := v.have()
	for _, c := range ras(certs) {
		if slices.ContainsFunc(certs, func(p *x509.Certificate) bool {
			return p.IsCA && bytes.Equal(p.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(p) == nil
		}) {
			continue
		}
		v.found(Error, fmt.Sprintf("%s issued by %s, whose certificate is not in GetCACert", c.Subject, c.Issuer),
			"After a renewal of the CA the RA certificates still chain to the old CA: Windows devices fail (CAPI2 event 30, 0x800B0109).", "Renew both RA certificates from the current CA.")
	}
}

func checkPin(v *visit) {
	certs := v.have()
	if certs == nil {
		return
	}
	if len(v.Trust.Pins) == 0 && len(v.Trust.Roots) == 0 {
		v.found(Unknown, "no pin given", "", "Give the SHA-256 fingerprint of the CA certificate.")
		return
	}
	set, err := v.Trust.Authenticate(certs, v.now())
	if err != nil {
		v.found(Error, err.Error(), "Clients that pin this CA refuse the server.", "Compare the fingerprint with the CA's administrator.")
		return
	}
	for _, w := range set.Warnings {
		v.found(Info, w.Text, "", "")
	}
	v.found(Healthy, fmt.Sprintf("requests are encrypted to %s, replies may be signed by %d certificates", set.Recipient.Subject, len(set.Signers)), "", "")
}

// longQuery is the length of the test query in bytes: the order of an Intune challenge in a GET.
const longQuery = 31 << 10

func checkLongQuery(v *visit) {
	if a := v.capsAnswer(); a.err != nil {
		v.found(Unknown, "the server does not answer short queries", "", "See capabilities.")
		return
	}
	a := v.operation("GetCACaps", strings.Repeat("A", longQuery))
	what := fmt.Sprintf("GetCACaps with %d bytes of query", longQuery)
	remedy, _ := scepclient.Explain(&scepclient.HTTPError{Status: http.StatusRequestURITooLong})
	switch {
	case a.err != nil:
		v.explained(Error, what+": "+a.err.Error(), remedy)
	case a.status != v.capsAnswer().status:
		v.explained(Error, fmt.Sprintf("%s: HTTP %d, short: HTTP %d", what, a.status, v.capsAnswer().status), remedy)
	default:
		v.found(Healthy, fmt.Sprintf("%s: HTTP %d", what, a.status), "", "")
	}
}

func checkPasswordPage(v *visit) {
	e, err := ParseEndpoint(v.URL)
	if err != nil || e.Admin == "" {
		v.found(Unknown, "no password page at this address", "", "")
		return
	}
	a := v.get(e.Admin)
	if a.err != nil {
		v.found(Unknown, "password page: "+a.err.Error(), "", "")
		return
	}
	auth := strings.Join(a.header.Values("Www-Authenticate"), ", ")
	plain := strings.HasPrefix(e.Admin, "http://")
	switch {
	case a.status == http.StatusOK && infoPage(a):
		v.found(Error, e.Admin+": HTTP 200 without authentication", "Anyone who reaches this address gets challenge passwords, and with them certificates.", "Turn on Windows authentication and turn off anonymous authentication for mscep_admin.")
	case a.status == http.StatusUnauthorized && plain:
		v.found(Warning, fmt.Sprintf("%s: HTTP 401 over http, offers %s", e.Admin, auth), "An NTLM exchange over http can be relayed: whoever does gets challenge passwords.", "Require TLS with Extended Protection for mscep_admin, and publish it inside only.")
	case a.status == http.StatusUnauthorized && strings.Contains(strings.ToLower(auth), "basic"):
		v.found(Warning, fmt.Sprintf("%s: HTTP 401, offers %s", e.Admin, auth), "Basic authentication hands the password of an account that may request challenges to the server.", "Offer Negotiate only.")
	case a.status == http.StatusUnauthorized:
		v.found(Healthy, fmt.Sprintf("%s: HTTP 401, offers %s", e.Admin, auth), "Whether Extended Protection (channel binding) is on cannot be seen from here.", "")
	default:
		v.found(Info, fmt.Sprintf("%s: HTTP %d", e.Admin, a.status), "", "")
	}
}
