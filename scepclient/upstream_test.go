package scepclient_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"net/http"
	"reflect"
	"testing"

	"github.com/smallstep/pkcs7"
	"github.com/smallstep/scep"
	"github.com/smallstep/scep/x509util"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient/sceptest"
)

// capture keeps the last PKIOperation answer.
type capture struct {
	next http.RoundTripper
	body []byte
}

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err == nil {
		c.body, _ = io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(c.body))
	}
	return resp, err
}

// answer runs one enrolment against the named case and returns the reply with what opens it.
func answer(t *testing.T, name string) (ca *sceptest.CA, reply []byte, signer *x509.Certificate) {
	t.Helper()
	for _, c := range sceptest.Cases() {
		if c.Name == name {
			ca = sceptest.New(t, sceptest.Config{RA: true, Reply: c.Reply})
			cl := client(ca)
			rec := &capture{next: ca.Client().Transport}
			cl.HTTPClient = &http.Client{Transport: rec}
			_, _ = cl.Enrol(t.Context(), request())
			return ca, rec.body, ca.Requests()[0].Signer
		}
	}
	t.Fatalf("no case %q", name)
	return nil, nil, nil
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// countingKey counts private-key operations.
type countingKey struct {
	crypto.Signer
	crypto.Decrypter
	signs, decrypts int
}

func (k *countingKey) Public() crypto.PublicKey { return k.Signer.Public() }
func (k *countingKey) Sign(r io.Reader, d []byte, o crypto.SignerOpts) ([]byte, error) {
	k.signs++
	return k.Signer.Sign(r, d, o)
}
func (k *countingKey) Decrypt(r io.Reader, m []byte, o crypto.DecrypterOpts) ([]byte, error) {
	k.decrypts++
	return k.Decrypter.Decrypt(r, m, o)
}

// TestUpstreamDefects shows, one by one, why messages are made and read by an internal package and not by
// smallstep/scep and smallstep/pkcs7. A case that fails here has been mended upstream: the step it names can
// then be given back to the library.
func TestUpstreamDefects(t *testing.T) {
	parse := func(t *testing.T, name string) (*scep.PKIMessage, *x509.Certificate, error) {
		ca, reply, signer := answer(t, name)
		msg, err := scep.ParsePKIMessage(reply, scep.WithCACerts([]*x509.Certificate{ca.RASign, ca.RAEncrypt, ca.Issuing}))
		return msg, signer, err
	}
	csr := func(t *testing.T) *scep.PKIMessage {
		ca := sceptest.New(t, sceptest.Config{})
		enrolled(t, ca)
		r := ca.Requests()[0]
		msg, err := scep.NewCSRRequest(r.CSR, &scep.PKIMessage{MessageType: scep.PKCSReq, Recipients: []*x509.Certificate{ca.Issuing}, SignerKey: deviceKey(), SignerCert: r.Signer})
		require.NoError(t, err)
		return msg
	}
	sha1OID, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26})
	require.NoError(t, err)
	desOID, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 14, 3, 2, 7})
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		defect func(t *testing.T) bool // still there?
	}{
		{"MessageType.String panics on values it does not know", func(*testing.T) bool { return panics(func() { _ = scep.MessageType("99").String() }) }},
		{"FailInfo.String panics on values it does not know", func(*testing.T) bool { return panics(func() { _ = scep.FailInfo("9").String() }) }},
		{"DecryptPKIEnvelope panics on a reply without certificate", func(t *testing.T) bool {
			msg, signer, err := parse(t, "empty-degenerate")
			require.NoError(t, err)
			return panics(func() { _ = msg.DecryptPKIEnvelope(signer, deviceKey()) })
		}},
		{"DecryptPKIEnvelope returns the first certificate, not ours", func(t *testing.T) bool {
			msg, signer, err := parse(t, "ca-first")
			require.NoError(t, err)
			require.NoError(t, msg.DecryptPKIEnvelope(signer, deviceKey()))
			return msg.Certificate.IsCA
		}},
		{"DecryptPKIEnvelope panics on truncated ciphertext", func(t *testing.T) bool {
			msg, signer, err := parse(t, "truncated")
			require.NoError(t, err)
			return panics(func() { _ = msg.DecryptPKIEnvelope(signer, deviceKey()) })
		}},
		{"recipientNonce is not compared", func(t *testing.T) bool { _, _, err := parse(t, "nonce-mismatch"); return err == nil }},
		{"contentType attribute is not compared", func(t *testing.T) bool { _, _, err := parse(t, "contenttype-attr"); return err == nil }},
		{"two recipientNonces pass", func(t *testing.T) bool { _, _, err := parse(t, "dup-nonce"); return err == nil }},
		{"any self-signed signer passes without WithCACerts", func(t *testing.T) bool {
			_, reply, _ := answer(t, "unknown-signer")
			_, err := scep.ParsePKIMessage(reply)
			return err == nil
		}},
		{"unsorted signed attributes do not verify", func(t *testing.T) bool { _, _, err := parse(t, "unsorted-attrs"); return err != nil }},
		{"a signer named by subjectKeyIdentifier is not found", func(t *testing.T) bool { _, _, err := parse(t, "signer-ski"); return err != nil }},
		{"a recipient named by subjectKeyIdentifier is not found", func(t *testing.T) bool {
			msg, signer, err := parse(t, "recipient-ski")
			require.NoError(t, err)
			var derr error
			return panics(func() { derr = msg.DecryptPKIEnvelope(signer, deviceKey()) }) || derr != nil
		}},
		{"CACerts of GetNextCACert are the signer's", func(t *testing.T) bool {
			ca := sceptest.New(t, sceptest.Config{NextCA: true})
			cl := client(ca)
			rec := &capture{next: ca.Client().Transport}
			cl.HTTPClient = &http.Client{Transport: rec}
			_, err := cl.GetNextCACert(t.Context())
			require.NoError(t, err)
			certs, err := scep.CACerts(rec.body)
			return err != nil || len(certs) != 1 || !certs[0].Equal(ca.Next)
		}},
		{"the content cipher is a package variable, single DES by default", func(t *testing.T) bool {
			return pkcs7.ContentEncryptionAlgorithm == pkcs7.EncryptionAlgorithmDESCBC && bytes.Contains(csr(t).Raw, desOID)
		}},
		{"requests are signed with SHA-1 by default", func(t *testing.T) bool { return bytes.Contains(csr(t).Raw, sha1OID) }},
		{"every request of a key has one transactionID", func(t *testing.T) bool {
			first, second := csr(t), csr(t)
			return first.TransactionID == second.TransactionID
		}},
		{"CreateCertificateRequest with a challenge signs twice", func(*testing.T) bool {
			k := &countingKey{Signer: deviceKey(), Decrypter: deviceKey()}
			_, err := x509util.CreateCertificateRequest(rand.Reader, &x509util.CertificateRequest{
				CertificateRequest: x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, ChallengePassword: "p"}, k)
			return err != nil || k.signs > 1
		}},
		{"failInfoText is not read", func(*testing.T) bool {
			_, has := reflect.TypeFor[scep.CertRepMessage]().FieldByName("FailInfoText")
			return !has
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.defect(t) {
				t.Errorf("mended upstream: %s no longer holds", c.name)
			}
		})
	}
}
