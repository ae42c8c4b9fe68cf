package ndes_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/ndes"
	"go.internal/hybridkit/scepclient/sceptest"
)

var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func key(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := testKey()
	require.NoError(t, err)
	return k
}

func examine(t *testing.T, d *ndes.Doctor) map[string][]ndes.Finding {
	t.Helper()
	r, err := d.Run(t.Context())
	require.NoError(t, err)
	out := map[string][]ndes.Finding{}
	for _, f := range r.Findings {
		require.NotEmpty(t, f.Source)
		require.NotEmpty(t, f.Evidence)
		if f.Severity == ndes.Error || f.Severity == ndes.Warning {
			require.NotEmpty(t, f.Meaning, f)
			require.NotEmpty(t, f.Remedy, f)
		}
		out[f.Check] = append(out[f.Check], f)
	}
	for _, c := range ndes.Checks() {
		require.NotEmpty(t, out[c.ID], c.ID)
	}
	return out
}

func severity(fs []ndes.Finding) ndes.Severity {
	return (&ndes.Report{Findings: fs}).Worst()
}

func TestDoctorOnAHealthyServer(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
	f := examine(t, &ndes.Doctor{URL: ca.URL(), HTTPClient: ca.Client(), Intune: true, Trust: scepclient.Trust{Pins: []string{ca.Pin()}}})
	for id, want := range map[string]ndes.Severity{
		"url-form": ndes.Warning /* http */, "base-status": ndes.Healthy, "capabilities": ndes.Info, "ca-certificates": ndes.Healthy, "ra-dates": ndes.Healthy,
		"ra-usage": ndes.Healthy, "ra-chain": ndes.Healthy, "pin": ndes.Healthy, "long-query": ndes.Healthy, "crl": ndes.Info,
		"tls": ndes.Unknown,
	} {
		require.Equal(t, want, severity(f[id]), "%s: %v", id, f[id])
	}
	require.Equal(t, ndes.Error, severity(f["password-page"]), "the test CA wants no authentication")
}

// TestHTTPCodes is the table of failures: each status, and what is said about it.
func TestHTTPCodes(t *testing.T) {
	for _, c := range []struct {
		name     string
		op       string
		status   int
		check    string
		severity ndes.Severity
		says     string
	}{
		{"403 is healthy with the policy module", "", 403, "base-status", ndes.Healthy, "policy module is installed"},
		{"500 on the bare address", "", 500, "base-status", ndes.Error, "Impersonate a client"},
		{"503", "", 503, "base-status", ndes.Error, "Trusted Root store"},
		{"504", "", 504, "base-status", ndes.Error, "connector"},
		{"502", "", 502, "base-status", ndes.Error, "connector"},
		{"401", "", 401, "base-status", ndes.Error, "anonymous"},
		{"404", "", 404, "base-status", ndes.Error, "path"},
		{"414", "", 414, "base-status", ndes.Error, "65534"},
		{"400", "", 400, "base-status", ndes.Error, "65534"},
		{"302", "", 302, "base-status", ndes.Error, "sign-in"},
		{"500 on GetCACert", "GetCACert", 500, "ca-certificates", ndes.Error, "RA certificates are expired"},
		{"500 on GetCACaps", "GetCACaps", 500, "capabilities", ndes.Warning, "no capabilities"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES, Status: func(op string) int {
				if op == c.op {
					return c.status
				}
				return 0
			}})
			f := examine(t, &ndes.Doctor{URL: ca.URL(), HTTPClient: ca.Client(), Intune: true})[c.check]
			require.Equal(t, c.severity, severity(f), f)
			require.Contains(t, f[0].Meaning+f[0].Remedy, c.says)
		})
	}
}

// page answers the bare address with a body, and everything else as ca does.
func page(ca http.Handler, status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			w.WriteHeader(status)
			w.Write([]byte(body))
			return
		}
		ca.ServeHTTP(w, r)
	})
}

func TestDoctorSeesAMissingPolicyModule(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
	srv := httptest.NewServer(page(ca, 200, "<html><title>Network Device Enrollment Service</title>"))
	defer srv.Close()
	f := examine(t, &ndes.Doctor{URL: srv.URL, Intune: true})["base-status"]
	require.Equal(t, ndes.Error, severity(f))
	require.Contains(t, f[0].Meaning, "policy module is not registered")
	f = examine(t, &ndes.Doctor{URL: srv.URL})["base-status"]
	require.Equal(t, ndes.Healthy, severity(f))

	signIn := httptest.NewServer(page(ca, 200, "<html><title>Sign in to your account</title>"))
	defer signIn.Close()
	f = examine(t, &ndes.Doctor{URL: signIn.URL})["base-status"]
	require.Equal(t, ndes.Error, severity(f))
	require.Contains(t, f[0].Meaning, "sign-in")
}

func TestDoctorSeesURLLimits(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.RawQuery) > 2048 {
			w.WriteHeader(http.StatusNotFound) // 404.15, as request filtering answers
			return
		}
		ca.ServeHTTP(w, r)
	}))
	defer srv.Close()
	f := examine(t, &ndes.Doctor{URL: srv.URL})["long-query"]
	require.Equal(t, ndes.Error, severity(f))
	require.Contains(t, f[0].Remedy, "65534")
}

func make1(t *testing.T, cn string, parent *x509.Certificate, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn}, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0)}
	change(c)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key(t).Public(), crypto.Signer(key(t)))
	require.NoError(t, err)
	out, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return out
}

func ca509(c *x509.Certificate) {
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

// serveCerts answers GetCACert with certs in PEM, and /crl.
func serveCerts(t *testing.T, crl func() []byte, certs ...*x509.Certificate) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/crl" && crl != nil:
			w.Write(crl())
		case r.URL.Query().Get("operation") == "GetCACert":
			w.Write(pemOf(certs...))
		case r.URL.Query().Get("operation") == "GetCACaps":
			w.Write([]byte("SHA-1\r\n"))
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestDoctorSeesRATroubles(t *testing.T) {
	agent := []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 1}}
	ca := make1(t, "CA", nil, ca509)
	oldCA := make1(t, "Old CA", nil, ca509)
	expired := make1(t, "RA", ca, func(c *x509.Certificate) {
		c.NotAfter, c.KeyUsage, c.UnknownExtKeyUsage = time.Now().AddDate(0, 0, -1), x509.KeyUsageDigitalSignature, agent
	})
	soon := make1(t, "RA", ca, func(c *x509.Certificate) {
		c.NotAfter, c.KeyUsage, c.UnknownExtKeyUsage = time.Now().AddDate(0, 0, 10), x509.KeyUsageDigitalSignature, agent
	})
	orphan := make1(t, "RA", oldCA, func(c *x509.Certificate) { c.KeyUsage, c.UnknownExtKeyUsage = x509.KeyUsageKeyEncipherment, agent })

	f := examine(t, &ndes.Doctor{URL: serveCerts(t, nil, ca, expired, orphan).URL, Trust: scepclient.Trust{Pins: []string{strings.Repeat("00", 32)}}})
	require.Contains(t, f["ra-dates"][0].Meaning, "HTTP 500")
	require.Equal(t, ndes.Error, severity(f["ra-dates"]))
	require.Contains(t, f["ra-chain"][0].Meaning, "0x800B0109")
	require.Equal(t, ndes.Error, severity(f["pin"]))
	require.Equal(t, ndes.Warning, severity(f["capabilities"]))

	f = examine(t, &ndes.Doctor{URL: serveCerts(t, nil, ca, soon).URL})
	require.Equal(t, ndes.Warning, severity(f["ra-dates"]))
	require.Contains(t, f["ra-usage"][0].Meaning, "CEP Encryption")
	require.Equal(t, ndes.Unknown, severity(f["pin"]))
	f = examine(t, &ndes.Doctor{URL: serveCerts(t, nil, ca, orphan).URL})
	require.Contains(t, f["ra-usage"][0].Meaning, "Exchange Enrollment Agent")
	f = examine(t, &ndes.Doctor{URL: serveCerts(t, nil, ca).URL})
	require.Equal(t, ndes.Warning, severity(f["ra-usage"]))
}

func TestDoctorFetchesCRLs(t *testing.T) {
	ca := make1(t, "CA", nil, ca509)
	var body []byte
	ra := func(dp ...string) *x509.Certificate {
		return make1(t, "RA", ca, func(c *x509.Certificate) {
			c.KeyUsage, c.CRLDistributionPoints = x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment, dp
		})
	}
	list := func(next time.Time, revoked ...x509.RevocationListEntry) []byte {
		b, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().AddDate(0, 0, -8), NextUpdate: next, RevokedCertificateEntries: revoked}, ca, key(t))
		require.NoError(t, err)
		return b
	}
	crlServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
	defer crlServer.Close()
	one := ra(crlServer.URL + "/ca.crl")
	examineCRL := func(c *x509.Certificate) []ndes.Finding {
		return examine(t, &ndes.Doctor{URL: serveCerts(t, nil, ca, c).URL})["crl"]
	}
	body = list(time.Now().AddDate(0, 0, 7))
	require.Equal(t, ndes.Healthy, severity(examineCRL(one)))
	body = list(time.Now().AddDate(0, 0, -1))
	require.Contains(t, examineCRL(one)[0].Evidence, "expired")
	body = list(time.Now().AddDate(0, 0, 7), x509.RevocationListEntry{SerialNumber: one.SerialNumber, RevocationTime: time.Now()})
	require.Contains(t, examineCRL(one)[0].Evidence, "is revoked")
	body = []byte("<html>")
	require.Contains(t, examineCRL(one)[0].Evidence, "not a CRL")
	require.Equal(t, ndes.Error, severity(examineCRL(ra("http://127.0.0.1:1/ca.crl"))))
	require.Contains(t, examineCRL(ra("ldap:///CN=CA"))[0].Meaning, "LDAP")
}

func TestDoctorSeesTLS(t *testing.T) {
	root := make1(t, "Root", nil, ca509)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	web := func(change func(*x509.Certificate)) tls.Certificate {
		c := make1(t, "ndes01.ashdown.example", root, func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage, c.KeyUsage = []string{"127.0.0.1.invalid", "ndes01.ashdown.example"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, x509.KeyUsageDigitalSignature
			c.IPAddresses = append(c.IPAddresses, []byte{127, 0, 0, 1})
			change(c)
		})
		return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key(t)}
	}
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		roots  *x509.CertPool
		names  []string
		want   ndes.Severity
		says   string
	}{
		"good":          {func(*x509.Certificate) {}, roots, []string{"ndes01.ashdown.example"}, ndes.Healthy, ""},
		"external name": {func(*x509.Certificate) {}, roots, []string{"scep.ashdown.example"}, ndes.Error, "12175"},
		"untrusted":     {func(*x509.Certificate) {}, x509.NewCertPool(), nil, ndes.Error, "does not lead to a root"},
		"expired":       {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, roots, nil, ndes.Error, "out of date"},
		"soon":          {func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 0, 5) }, roots, nil, ndes.Warning, "expires soon"},
		"client only":   {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, roots, nil, ndes.Error, "server authentication"},
	} {
		t.Run(name, func(t *testing.T) {
			ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
			srv := httptest.NewUnstartedServer(ca)
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{web(c.change)}}
			srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the Doctor ends handshakes on purpose
			srv.StartTLS()
			defer srv.Close()
			f := examine(t, &ndes.Doctor{URL: srv.URL, HTTPClient: srv.Client(), Roots: c.roots, Names: c.names})["tls"]
			require.Equal(t, c.want, severity(f), f)
			var all string
			for _, x := range f {
				all += x.Meaning
			}
			require.Contains(t, all, c.says)
		})
	}
}

func TestDoctorSetUp(t *testing.T) {
	for _, u := range []string{"", "ftp://x", "https://u:p@x/y"} {
		_, err := (&ndes.Doctor{URL: u}).Run(t.Context())
		require.Error(t, err, u)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&ndes.Doctor{URL: "https://ndes01.ashdown.example"}).Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	f := examine(t, &ndes.Doctor{URL: "http://127.0.0.1:1/certsrv/mscep/mscep.dll"})
	require.Equal(t, ndes.Error, severity(f["base-status"]))
	require.Equal(t, ndes.Unknown, severity(f["ra-dates"]))
	ids := map[string]bool{}
	for _, c := range ndes.Checks() {
		require.False(t, ids[c.ID], c.ID)
		require.NotEmpty(t, c.Title)
		ids[c.ID] = true
	}
}

func TestPasswordPageSeverities(t *testing.T) {
	for name, c := range map[string]struct {
		auth string
		tls  bool
		want ndes.Severity
	}{"http": {"Negotiate", false, ndes.Warning}, "https": {"Negotiate", true, ndes.Healthy}, "basic": {`Basic realm="x"`, true, ndes.Warning}} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", c.auth)
			w.WriteHeader(http.StatusUnauthorized)
		})
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		if c.tls {
			srv.StartTLS()
		} else {
			srv.Start()
		}
		f := examine(t, &ndes.Doctor{URL: srv.URL, HTTPClient: srv.Client()})["password-page"]
		require.Equal(t, c.want, severity(f), name)
		srv.Close()
	}
}

func pemOf(certs ...*x509.Certificate) (out []byte) {
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
