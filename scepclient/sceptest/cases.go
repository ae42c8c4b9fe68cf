package sceptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// A Case is one reply to an enrolment that is right, though unusual, or wrong in exactly one way: transaction
// ID, nonce, signature and encryption are otherwise correct for the running request.
type Case struct {
	Name string
	// Accept says what a client has to do.
	Accept bool
	Why    string
	// Reply makes the answer; it is for Config.Reply of a CA with Config.RA.
	Reply func(Request) []byte
}

// Cases returns the 32 replies of the hostile matrix: 13 to accept and 19 to reject.
func Cases() []Case {
	good := func(name, why string, change func(*CA, *shape)) Case {
		return Case{name, true, why, enrolments(func(r Request, c *x509.Certificate) []byte {
			return r.CA.success(r, r.CA.degenerate([]*x509.Certificate{c}, nil), func(s *shape) { change(r.CA, s) })
		})}
	}
	order := func(name, why string, list func(ca *CA, leaf *x509.Certificate) []*x509.Certificate) Case {
		return Case{name, true, why, enrolments(func(r Request, c *x509.Certificate) []byte {
			return r.CA.success(r, r.CA.degenerate(list(r.CA, c), nil), nil)
		})}
	}
	bad := func(name, why string, change func(*CA, *shape)) Case {
		c := good(name, why, change)
		c.Accept = false
		return c
	}
	sign := func(f func(*cms.Signing)) func(*CA, *shape) {
		return func(_ *CA, s *shape) { s.change = f }
	}
	attr := func(f func([]cms.Attribute) []cms.Attribute) func(*CA, *shape) {
		return func(_ *CA, s *shape) { s.attrs = f }
	}
	set := func(i int, v []byte) func(*CA, *shape) {
		return attr(func(a []cms.Attribute) []cms.Attribute { a[i].Values = [][]byte{v}; return a })
	}
	// Positions of the attributes certRep writes.
	const messageType, transactionID, recipientNonce, pkiStatus = 0, 1, 2, 4
	return []Case{
		good("ok", "RFC 8894 algorithms, the certificate alone", func(*CA, *shape) {}),
		order("chain-leaf-last", "root, issuing CA, certificate: the order of a SET OF means nothing", func(ca *CA, leaf *x509.Certificate) []*x509.Certificate {
			return []*x509.Certificate{ca.Root, ca.Issuing, leaf}
		}),
		order("ca-first", "issuing CA before the certificate", func(ca *CA, leaf *x509.Certificate) []*x509.Certificate {
			return []*x509.Certificate{ca.Issuing, leaf}
		}),
		good("unsorted-attrs", "signed attributes not in DER order, signed as sent", sign(func(s *cms.Signing) { s.KeepOrder = true })),
		good("ber", "indefinite lengths and split OCTET STRINGs", func(_ *CA, s *shape) {
			s.afterwards = func(b []byte) []byte { return cms.Indefinite(b, 5, 100) }
		}),
		good("no-certs", "SignedData without certificates: the signer is one of GetCACert", sign(func(s *cms.Signing) { s.Certificates = nil })),
		good("signer-ski", "signer named by subjectKeyIdentifier", sign(func(s *cms.Signing) { s.ByKeyID = true })),
		good("recipient-ski", "recipient named by subjectKeyIdentifier", func(_ *CA, s *shape) { s.env.ByKeyID = true }),
		good("oaep-sha1", "RSAES-OAEP with its default parameters", func(_ *CA, s *shape) { s.env.OAEP = crypto.SHA1 }),
		good("oaep-sha256", "RSAES-OAEP with SHA-256", func(_ *CA, s *shape) { s.env.OAEP = crypto.SHA256 }),
		good("des3-sha1", "3DES-CBC and SHA-1, as NDES", func(_ *CA, s *shape) {
			s.env.Cipher = cms.TripleDESCBC
			s.change = func(s *cms.Signing) { s.Digest = crypto.SHA1 }
		}),
		good("aes256-sha512", "AES-256-CBC and SHA-512", func(_ *CA, s *shape) {
			s.env.Cipher = cms.AES256CBC
			s.change = func(s *cms.Signing) { s.Digest = crypto.SHA512 }
		}),
		good("signed-by-ca", "signed by the issuing CA where an RA usually signs", func(ca *CA, s *shape) {
			s.change = func(s *cms.Signing) { signAs(s, ca.Issuing, ca.issuingKey) }
		}),

		bad("nonce-mismatch", "recipientNonce is not the senderNonce: a replay", set(recipientNonce, cms.OctetString(make([]byte, 16)))),
		bad("nonce-missing", "no recipientNonce (RFC 8894, 3.2.1.5: MUST)", attr(func(a []cms.Attribute) []cms.Attribute {
			return append(a[:recipientNonce:recipientNonce], a[recipientNonce+1:]...)
		})),
		bad("tid-mismatch", "another transactionID", set(transactionID, cms.PrintableString("0000000000000000000000000000000000000000"))),
		{"tid-prefix", false, "the first half of the transactionID", enrolments(func(r Request, c *x509.Certificate) []byte {
			return r.CA.success(r, r.CA.degenerate([]*x509.Certificate{c}, nil), func(s *shape) {
				set(transactionID, cms.PrintableString(r.TransactionID[:len(r.TransactionID)/2]))(r.CA, s)
			})
		})},
		{"wrong-key", false, "a certificate of the CA for another key", enrolments(func(r Request, _ *x509.Certificate) []byte {
			return r.CA.withLeaf(r, func() (*x509.Certificate, error) {
				return r.CA.issue(r.CSR, r.CA.otherKey.Public(), r.CA.Issuing, r.CA.issuingKey, r.CA.now())
			})
		})},
		{"other-ca", false, "the right key, issued by a CA nobody pinned", enrolments(func(r Request, _ *x509.Certificate) []byte {
			return r.CA.withLeaf(r, func() (*x509.Certificate, error) { return r.CA.foreign(r.CSR) })
		})},
		{"expired", false, "a certificate that is out of date", enrolments(func(r Request, _ *x509.Certificate) []byte {
			return r.CA.withLeaf(r, func() (*x509.Certificate, error) {
				return r.CA.issue(r.CSR, r.CSR.PublicKey, r.CA.Issuing, r.CA.issuingKey, r.CA.now().AddDate(0, -6, 0))
			})
		})},
		bad("unknown-signer", "signed by a self-signed certificate that is in the message", func(ca *CA, s *shape) {
			s.change = func(s *cms.Signing) {
				if c, err := ca.selfSigned(); err == nil {
					signAs(s, c, ca.otherKey)
				}
			}
		}),
		{"enrolled-client-signer", false, "signed by another client of the same CA: it chains, but is no RA", enrolments(func(r Request, c *x509.Certificate) []byte {
			ca := r.CA
			other, err := ca.issue(r.CSR, ca.otherKey.Public(), ca.Issuing, ca.issuingKey, ca.now())
			if err != nil {
				return []byte{}
			}
			return ca.success(r, ca.degenerate([]*x509.Certificate{c}, nil), func(s *shape) {
				s.change = func(s *cms.Signing) { signAs(s, other, ca.otherKey) }
			})
		})},
		bad("bad-signature", "one bit of the signature flipped", sign(func(s *cms.Signing) {
			s.Corrupt = func(_, sig []byte) {
				if sig != nil {
					sig[len(sig)/2] ^= 1
				}
			}
		})),
		bad("bad-digest", "messageDigest is not that of the content", sign(func(s *cms.Signing) {
			s.Corrupt = func(digest, _ []byte) {
				if digest != nil {
					digest[0] ^= 1
				}
			}
		})),
		bad("msgtype-19", "messageType PKCSReq", set(messageType, cms.PrintableString("19"))),
		bad("msgtype-99", "messageType nobody defined", set(messageType, cms.PrintableString("99"))),
		bad("status-1", "pkiStatus nobody defined", set(pkiStatus, cms.PrintableString("1"))),
		bad("contenttype-attr", "contentType attribute says enveloped-data", sign(func(s *cms.Signing) {
			s.NoContentType = true
			s.Attributes = append(s.Attributes, cms.Attribute{Type: cms.OIDContentType, Values: [][]byte{cms.OID(cms.OIDEnvelopedData)}})
		})),
		bad("dup-nonce", "two recipientNonce attributes, the second one right", attr(func(a []cms.Attribute) []cms.Attribute {
			return append(a, cms.Attribute{Type: cms.OIDRecipientNonce, Values: [][]byte{cms.OctetString(make([]byte, 16))}})
		})),
		{"empty-degenerate", false, "SUCCESS without a certificate", enrolments(func(r Request, _ *x509.Certificate) []byte {
			return r.CA.success(r, r.CA.degenerate(nil, nil), nil)
		})},
		bad("truncated", "ciphertext that is no multiple of the block", func(_ *CA, s *shape) { s.env.Cut = 5 }),
		bad("bad-padding", "padding longer than a block", func(_ *CA, s *shape) {
			s.env.Corrupt = func(p []byte) []byte { p[len(p)-1] = 0xff; return p }
		}),
	}
}

// PolicyCases returns replies about which a client's policy decides: single DES, and a certificate with
// another subject.
func PolicyCases() []Case {
	return []Case{
		{"des", true, "single DES and SHA-1, as micromdm scepserver", enrolments(func(r Request, c *x509.Certificate) []byte {
			return r.CA.success(r, r.CA.degenerate([]*x509.Certificate{c}, nil), func(s *shape) {
				s.env.Cipher = cms.DESCBC
				s.change = func(s *cms.Signing) { s.Digest = crypto.SHA1 }
			})
		})},
		{"other-subject", true, "the right key under another subject", enrolments(func(r Request, _ *x509.Certificate) []byte {
			return r.CA.withLeaf(r, func() (*x509.Certificate, error) {
				csr := *r.CSR
				der, err := marshalName(pkix.Name{CommonName: "someone-else.ashdown.example"})
				if err != nil {
					return nil, err
				}
				csr.RawSubject = der
				return r.CA.Issue(&csr)
			})
		})},
	}
}

// enrolments makes a Reply that issues a certificate for PKCSReq and RenewalReq and leaves the rest to the CA.
func enrolments(f func(r Request, issued *x509.Certificate) []byte) func(Request) []byte {
	return func(r Request) []byte {
		if r.CSR == nil || (r.MessageType != "19" && r.MessageType != "17") {
			return nil
		}
		c, err := r.CA.Issue(r.CSR)
		if err != nil {
			return r.CA.Failure(r, 2, err.Error())
		}
		return f(r, c)
	}
}

func (ca *CA) withLeaf(r Request, make func() (*x509.Certificate, error)) []byte {
	c, err := make()
	if err != nil {
		return []byte{}
	}
	return ca.success(r, ca.degenerate([]*x509.Certificate{c}, nil), nil)
}

// foreign issues for csr under a CA with the name of ours and another key.
func (ca *CA) foreign(csr *x509.CertificateRequest) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{Subject: ca.Issuing.Subject, NotBefore: ca.now().Add(-time.Hour), NotAfter: ca.now().AddDate(1, 0, 0), IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	fake, err := ca.sign(t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return ca.issue(csr, csr.PublicKey, fake, key, ca.now())
}

func (ca *CA) selfSigned() (*x509.Certificate, error) {
	t := &x509.Certificate{Subject: ca.RASign.Subject, NotBefore: ca.now().Add(-time.Hour), NotAfter: ca.now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	return ca.sign(t, t, ca.otherKey.Public(), ca.otherKey)
}

func marshalName(n pkix.Name) ([]byte, error) { return asn1.Marshal(n.ToRDNSequence()) }

func signAs(s *cms.Signing, c *x509.Certificate, key crypto.Signer) {
	s.Certificate, s.Key, s.Certificates = c, key, [][]byte{c.Raw}
}
