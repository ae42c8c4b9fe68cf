package scepclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
)

// An Explanation says what a failure means and what to do about it.
type Explanation struct {
	ID      string `json:"id"` // stable, such as http-500
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
	Source  string `json:"source"`
}

const (
	srcRFC       = "RFC 8894"
	srcDevice    = "Microsoft: Troubleshoot device to NDES server communication for SCEP certificate profiles"
	srcPolicy    = "Microsoft: Troubleshoot the NDES policy module"
	srcConfigure = "Microsoft: Configure infrastructure to support SCEP with Intune"
	srcValidate  = "Microsoft: Validate-NDESConfiguration.ps1"
)

// explanations is the table of failures; Explain looks up IDs in it.
var explanations = []Explanation{
	{"http-403", "Access denied. For the bare NDES address this is the healthy answer once the Intune policy module is installed; for an operation it is not.",
		"Ask the same address with ?operation=GetCACaps. If that is refused too, look for IP or client-certificate restrictions in IIS and on proxies.", srcDevice},
	{"ndes-page", "The NDES information page: NDES works, but the Intune policy module is not registered. Without Intune this page is normal.",
		"With Intune: install the Certificate Connector with the SCEP feature on this server and restart it.", srcValidate},
	{"http-500", "NDES could not serve the operation: IIS_IUSRS lacks 'Impersonate a client after authentication', the service account is locked or expired, the RA certificates are expired, deleted or unreadable, or the CRL of the RA or CA cannot be reached. Other servers answer so to operations they do not have.",
		"Check the service account, the two MSCEP-RA certificates and their private-key permissions, and CRL access from the NDES server.", srcDevice},
	{"http-503", "The SCEP application pool is stopped: an intermediate certificate in the Trusted Root store, a CRL that cannot be reached, CertificateRegistrationSvc with Windows authentication, an expired NDESPolicy certificate, or account permissions.",
		"Leave only self-issued certificates in LocalMachine\\Root, check the application log, then start the SCEP pool.", srcDevice},
	{"http-gateway", "The gateway in front did not reach the server: with Microsoft Entra application proxy the connector is down.",
		"Check the application proxy connector and the internal URL of the published application.", srcDevice},
	{"http-url-length", "The URL or a header is longer than the server, IIS request filtering or a proxy allows. An Intune challenge makes URLs of many kilobytes.",
		"Set maxUrl and maxQueryString of request filtering and MaxFieldLength and MaxRequestBytes of HTTP.sys to 65534 (restart the server), on proxies likewise; or let the server advertise POSTPKIOperation.", srcConfigure},
	{"http-401", "The server asks for authentication where SCEP has none: anonymous authentication is off for the mscep application, or a proxy pre-authenticates.",
		"Turn anonymous authentication on for /certsrv/mscep; in application proxy set pre-authentication to Passthrough.", srcConfigure},
	{"http-404", "Nothing is at this path, or request filtering hid it (404.14 URL too long, 404.15 query too long).",
		"NDES is at /certsrv/mscep/mscep.dll. If short queries work and long ones do not, raise the URL limits to 65534.", srcDevice},
	{"http-405", "The server does not take this method here.",
		"Set Client.Method to GET or POST by what the server supports, and check what GetCACaps advertises.", srcRFC},
	{"http-redirect", "The server redirects a message or to another host, as a sign-in page does.",
		"Use the address it redirects to if that is the SCEP server; otherwise let SCEP pass without pre-authentication.", srcConfigure},
	{"http-other", "The server answered with an HTTP status that is not 200.",
		"Look into the log of the server and of proxies in between.", srcRFC},
	{"html-200", "HTTP 200 with a web page instead of CMS: a proxy's sign-in page, or the NDES information page.",
		"Let the SCEP path pass the proxy without pre-authentication, and check that the URL ends in mscep.dll.", srcConfigure},
	{"bad-request", "The CA refused the transaction. On NDES: the challenge is wrong, used or expired (event 29), Intune's validation said no, the template name is wrong (0x80094800, event 31), or the CA denied the request. micromdm scepserver and step-ca answer so to a RenewalReq without challenge.",
		"Get a new challenge and enrol again; check the template names under HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP and the failed requests of the CA; for renewals give a challenge and the step renewalreq+challenge.", srcDevice},
	{"bad-message-check", "The CA could not open or verify the message, often because it was encrypted to a certificate of another server (NDES: 'cannot decrypt the client's PKCS7 message', 0x80090005) or with algorithms it does not have.",
		"With several NDES servers behind one name make the connection sticky; check that the RA certificates of GetCACert are current; try PolicyNDES.", srcDevice},
	{"bad-alg", "The CA does not support an algorithm of the request.",
		"Look at what GetCACaps advertises; for NDES use PolicyNDES (3DES and SHA-1 where advertised).", srcRFC},
	{"bad-time", "The time in the request is too far from the CA's clock.",
		"Set the clocks of this machine and of the CA.", srcRFC},
	{"bad-cert-id", "The CA knows no certificate or pending request by that name: for a poll, it has forgotten the transaction.",
		"For a poll: enrol again. For GetCert and GetCRL: check serial number and issuer.", srcRFC},
	{"failure-other", "The CA refused without a reason RFC 8894 defines.", "Look into the log of the CA.", srcRFC},
	{"tls-name", "The server's TLS certificate is for another name. The policy module reports the same as Error 12175, WINHTTP_CALLBACK_STATUS_FLAG_CERT_CN_INVALID.",
		"The certificate in IIS needs every name NDES answers to, internal and external, in its SAN.", srcPolicy},
	{"tls-untrusted", "The server's TLS certificate does not chain to a root this machine trusts, or is out of date. On the policy module's side client certificates show as HTTP 403.16 (not trusted) and 403.17 (expired).",
		"Install the root and send the whole chain; renew the certificate; keep intermediates out of the Trusted Root store.", srcPolicy},
	{"unreachable", "The server could not be reached; nothing was sent.",
		"Check name, port, DNS and firewall. Behind application proxy use the external URL from outside.", srcDevice},
	{"unclear", "The request was sent and no answer came back. The CA may have issued a certificate, and a one-time challenge may be used up.",
		"Look at the CA before asking again; with NDES get a new challenge. The request was not repeated.", srcRFC + " 7.4"},
	{"pending", "The CA has not decided. Manual approval may take days.",
		"Save the transaction and resume it when the request has been approved.", srcRFC + " 4.4"},
	{"untrusted-ca", "The certificates of GetCACert are not those that were pinned, or none of them is usable now.",
		"Compare the fingerprint with the CA's administrator. Expired RA certificates have to be renewed on the server.", srcRFC + " 2.2"},
	{"reply-refused", "The server answered with something that must not be believed. The CA may have issued a certificate all the same.",
		"Read the check named in the error. For weak ciphers or digests decide whether Policy.Reply may be more lenient; anything else is a fault or an attack.", srcRFC + " 3.2"},
	{"policy", "The request was not sent, because what the CA offers or the key can do is below the policy.",
		"Do what the error says, if it is acceptable.", srcRFC + " 7.5"},
}

// Explanations returns a copy of the table, for documentation and tests.
func Explanations() []Explanation { return append([]Explanation(nil), explanations...) }

func explanation(id string) (Explanation, bool) {
	for _, e := range explanations {
		if e.ID == id {
			return e, true
		}
	}
	return Explanation{}, false
}

// Explain says what err means and what to do. ok is false for an error it knows nothing about.
func Explain(err error) (e Explanation, ok bool) {
	var (
		he  *HTTPError
		fe  *FailureError
		re  *ReplyError
		hn  x509.HostnameError
		ua  x509.UnknownAuthorityError
		ci  x509.CertificateInvalidError
		tv  *tls.CertificateVerificationError
		op  *net.OpError
		dns *net.DNSError
	)
	switch {
	case err == nil:
		return Explanation{}, false
	case errors.As(err, &hn):
		return explanation("tls-name")
	case errors.Is(err, ErrUntrusted):
		return explanation("untrusted-ca")
	case errors.Is(err, ErrPolicy) && !errors.Is(err, ErrFailure):
		return explanation("policy")
	case errors.Is(err, ErrPending):
		return explanation("pending")
	case errors.As(err, &re) && re.HTML:
		return explanation("html-200")
	case errors.As(err, &re):
		return explanation("reply-refused")
	case errors.As(err, &fe):
		return explanation(failureID(fe.FailInfo))
	case errors.As(err, &he):
		return explanation(statusID(he.Status))
	case errors.Is(err, ErrUnclear):
		return explanation("unclear")
	case errors.As(err, &ua), errors.As(err, &ci), errors.As(err, &tv):
		return explanation("tls-untrusted")
	case errors.As(err, &op), errors.As(err, &dns), errors.Is(err, errNotSent):
		return explanation("unreachable")
	}
	return Explanation{}, false
}

func failureID(f FailInfo) string {
	switch f {
	case BadAlg:
		return "bad-alg"
	case BadMessageCheck:
		return "bad-message-check"
	case BadRequest:
		return "bad-request"
	case BadTime:
		return "bad-time"
	case BadCertID:
		return "bad-cert-id"
	}
	return "failure-other"
}

func statusID(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "http-401"
	case http.StatusForbidden:
		return "http-403"
	case http.StatusNotFound:
		return "http-404"
	case http.StatusMethodNotAllowed:
		return "http-405"
	case http.StatusBadRequest, http.StatusRequestURITooLong, http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		return "http-url-length"
	case http.StatusInternalServerError, http.StatusNotImplemented:
		return "http-500"
	case http.StatusServiceUnavailable:
		return "http-503"
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return "http-gateway"
	}
	if status >= 300 && status < 400 {
		return "http-redirect"
	}
	return "http-other"
}

// ExplainNDES explains the status of the bare NDES address, which differs from that of an operation: 403 is
// healthy with the Intune policy module, and 200 with the information page means that there is none.
func ExplainNDES(status int, body []byte) (e Explanation, ok bool) {
	if status == http.StatusOK && strings.Contains(string(body), "Network Device Enrollment Service") {
		return explanation("ndes-page")
	}
	if status == http.StatusOK && isHTML(body) {
		return explanation("html-200")
	}
	return explanation(statusID(status))
}
