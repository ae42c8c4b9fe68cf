package sceptest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/smallstep/scep"
	"github.com/smallstep/scep/x509util"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// A Request is a PKIOperation as the CA read it.
type Request struct {
	CA            *CA    `json:"-"`
	Method        string // POST or GET
	MessageType   string // "19"
	TransactionID string
	SenderNonce   []byte
	// Signer is the certificate that signed the message: self-signed in a first enrolment.
	Signer *x509.Certificate
	// CSR and Challenge are those of PKCSReq and RenewalReq.
	CSR       *x509.CertificateRequest
	Challenge string
	// Issuer (DER Name) and Serial are those of GetCert and GetCRL; Issuer and Subject (DER Names) of CertPoll.
	Issuer, Subject []byte
	Serial          *big.Int
	// Cipher, Digest and Recipients say how the request was protected.
	Cipher     string
	Digest     string
	Recipients int
	// Raw is the message.
	Raw []byte

	digest crypto.Hash
}

// Requests returns the messages received so far, oldest first.
func (ca *CA) Requests() []Request {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return slices.Clone(ca.requests)
}

func (ca *CA) record(r Request) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.requests = append(ca.requests, r)
}

var errRequest = errors.New("sceptest: not a SCEP request")

// parse reads and verifies a request. What it cannot read is an HTTP error, as with real servers.
func (ca *CA) parse(body []byte) (Request, error) {
	r := Request{CA: ca, Raw: body}
	sd, err := cms.ParseSignedData(body)
	if err != nil {
		return r, fmt.Errorf("%w: %w", errRequest, err)
	}
	if len(sd.Signers) != 1 {
		return r, fmt.Errorf("%w: %d signers", errRequest, len(sd.Signers))
	}
	si := &sd.Signers[0]
	for _, der := range sd.Certificates {
		if c, err := x509.ParseCertificate(der); err == nil && si.Names(c) {
			r.Signer = c
		}
	}
	if r.Signer == nil {
		return r, fmt.Errorf("%w: certificate of the signer missing or unreadable", errRequest)
	}
	r.digest, r.Digest = si.Digest, si.Digest.String()
	if err := si.Verify(r.Signer, sd.ContentType, sd.Content); err != nil {
		return r, fmt.Errorf("%w: %w", errRequest, err)
	}
	r.MessageType, r.TransactionID = text(si, cms.OIDMessageType), text(si, cms.OIDTransactionID)
	if v, err := si.Attr(cms.OIDSenderNonce); err == nil && len(v) > 2 {
		s := cryptobyte.String(v)
		var n cryptobyte.String
		if s.ReadASN1(&n, cbasn1.OCTET_STRING) {
			r.SenderNonce = n
		}
	}
	env, err := cms.ParseEnvelopedData(sd.Content)
	if err != nil {
		return r, fmt.Errorf("%w: %w", errRequest, err)
	}
	r.Cipher, r.Recipients = env.Cipher.String(), len(env.Recipients)
	plain, err := env.Decrypt(ca.RAEncrypt, ca.decKey)
	if err != nil {
		return r, fmt.Errorf("%w: %w", errRequest, err)
	}
	return r, r.readData(plain)
}

func (r *Request) readData(plain []byte) error {
	s := cryptobyte.String(plain)
	var body, a, b cryptobyte.String
	switch scep.MessageType(r.MessageType) {
	case scep.PKCSReq, scep.RenewalReq, scep.UpdateReq:
		csr, err := x509.ParseCertificateRequest(plain)
		if err != nil {
			return fmt.Errorf("%w: %w", errRequest, err)
		}
		if err := csr.CheckSignature(); err != nil {
			return fmt.Errorf("%w: %w", errRequest, err)
		}
		r.CSR = csr
		r.Challenge, _ = x509util.ParseChallengePassword(plain) // absent and unreadable are both "no challenge"
	case scep.CertPoll:
		if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Element(&a, cbasn1.SEQUENCE) || !body.ReadASN1Element(&b, cbasn1.SEQUENCE) {
			return fmt.Errorf("%w: IssuerAndSubject", errRequest)
		}
		r.Issuer, r.Subject = a, b
	case scep.GetCert, scep.GetCRL:
		r.Serial = new(big.Int)
		if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Element(&a, cbasn1.SEQUENCE) || !body.ReadASN1Integer(r.Serial) {
			return fmt.Errorf("%w: IssuerAndSerialNumber", errRequest)
		}
		r.Issuer = a
	}
	return nil
}

func text(si *cms.SignerInfo, oid asn1.ObjectIdentifier) string {
	v, err := si.Attr(oid)
	if err != nil || v == nil {
		return ""
	}
	s := cryptobyte.String(v)
	var t cryptobyte.String
	var tag cbasn1.Tag
	s.ReadAnyASN1(&t, &tag)
	return string(t)
}

// answer is what a well-behaved CA says.
func (ca *CA) answer(r Request) []byte {
	switch scep.MessageType(r.MessageType) {
	case scep.PKCSReq, scep.RenewalReq:
		return ca.enrol(r)
	case scep.CertPoll:
		ca.mu.Lock()
		p := ca.pending[r.TransactionID]
		ca.mu.Unlock()
		if p == nil || !bytes.Equal(r.Issuer, ca.Issuing.RawSubject) || !bytes.Equal(r.Subject, p.csr.RawSubject) {
			return ca.Failure(r, 4, "no such transaction")
		}
		r.CSR = p.csr
		return ca.decide(r, p)
	case scep.GetCert:
		for _, c := range ca.Issued() {
			if c.SerialNumber.Cmp(r.Serial) == 0 && bytes.Equal(c.RawIssuer, r.Issuer) {
				return ca.Success(r, c)
			}
		}
		return ca.Failure(r, 4, "")
	case scep.GetCRL:
		crl, err := ca.CRL()
		if err != nil || !bytes.Equal(r.Issuer, ca.Issuing.RawSubject) {
			return ca.Failure(r, 4, "")
		}
		return ca.success(r, ca.degenerate(nil, [][]byte{crl}), nil)
	}
	return ca.Failure(r, 2, "") // UpdateReq (18) and everything unknown
}

func (ca *CA) enrol(r Request) []byte {
	ca.mu.Lock()
	p := ca.pending[r.TransactionID]
	ca.mu.Unlock()
	if p != nil { // the same request again while it is pending
		r.CSR = p.csr
		return ca.decide(r, p)
	}
	renewal := ca.isIssued(r.Signer)
	switch {
	case r.MessageType == string(scep.RenewalReq) && !renewal:
		return ca.Failure(r, 2, "renewal is not signed by a certificate of this CA")
	case renewal && !ca.cfg.RenewalNeedsChallenge && r.Challenge == "":
	case !ca.takeChallenge(r.Challenge):
		return ca.Failure(r, 2, "challenge password rejected")
	}
	p = &pendingRequest{csr: r.CSR, left: ca.cfg.Pending, signer: r.Signer}
	if p.left > 0 || ca.cfg.ManualApproval {
		ca.mu.Lock()
		ca.pending[r.TransactionID] = p
		ca.mu.Unlock()
	}
	return ca.decide(r, p)
}

func (ca *CA) decide(r Request, p *pendingRequest) []byte {
	ca.mu.Lock()
	wait := p.left > 0 || (ca.cfg.ManualApproval && !p.approved)
	if p.left > 0 {
		p.left--
	}
	if !wait {
		delete(ca.pending, r.TransactionID)
	}
	ca.mu.Unlock()
	if wait {
		return ca.Pending(r)
	}
	c, err := ca.Issue(p.csr)
	if err != nil {
		return ca.Failure(r, 2, err.Error())
	}
	return ca.Success(r, c)
}

func (ca *CA) isIssued(c *x509.Certificate) bool {
	now := ca.now()
	return slices.ContainsFunc(ca.Issued(), c.Equal) && now.After(c.NotBefore) && now.Before(c.NotAfter)
}

// Success returns a CertRep with c and the issuing CA's certificate.
func (ca *CA) Success(r Request, c *x509.Certificate) []byte {
	return ca.success(r, ca.degenerate([]*x509.Certificate{c, ca.Issuing}, nil), nil)
}

// Failure returns a CertRep FAILURE with any number as failInfo and, unless "", a failInfoText.
func (ca *CA) Failure(r Request, failInfo int, text string) []byte {
	extra := []cms.Attribute{{Type: cms.OIDFailInfo, Values: [][]byte{cms.PrintableString(strconv.Itoa(failInfo))}}}
	if text != "" {
		extra = append(extra, cms.Attribute{Type: cms.OIDFailInfoText, Values: [][]byte{cms.UTF8String(text)}})
	}
	return ca.certRep(r, shape{status: "2", extra: extra})
}

// Pending returns a CertRep PENDING.
func (ca *CA) Pending(r Request) []byte { return ca.certRep(r, shape{status: "3"}) }

// A shape is a reply in all the ways it can differ from what RFC 8894 asks for.
type shape struct {
	status     string
	extra      []cms.Attribute
	content    []byte // of SUCCESS, not yet encrypted
	env        cms.Envelope
	change     func(*cms.Signing)
	attrs      func([]cms.Attribute) []cms.Attribute
	afterwards func([]byte) []byte
}

func (ca *CA) success(r Request, content []byte, change func(*shape)) []byte {
	s := shape{status: "0", content: content, env: cms.Envelope{Recipient: r.Signer, Cipher: ca.replyCipher(), AnyCBC: true}}
	if change != nil {
		change(&s)
	}
	return ca.certRep(r, s)
}

func (ca *CA) certRep(r Request, s shape) []byte {
	sign := cms.Signing{
		Key: ca.signKey, Certificate: ca.RASign, Digest: ca.replyDigest(r), Certificates: [][]byte{ca.RASign.Raw},
		Attributes: append([]cms.Attribute{
			{Type: cms.OIDMessageType, Values: [][]byte{cms.PrintableString(string(scep.CertRep))}},
			{Type: cms.OIDTransactionID, Values: [][]byte{cms.PrintableString(r.TransactionID)}},
			{Type: cms.OIDRecipientNonce, Values: [][]byte{cms.OctetString(r.SenderNonce)}},
			{Type: cms.OIDSenderNonce, Values: [][]byte{cms.OctetString([]byte("0123456789abcdef"))}},
			{Type: cms.OIDPKIStatus, Values: [][]byte{cms.PrintableString(s.status)}},
		}, s.extra...),
	}
	switch {
	case s.content != nil:
		env, err := cms.Encrypt(s.env, s.content)
		if err != nil {
			return nil
		}
		sign.Content = env
	case ca.cfg.EmptyContent:
		sign.Content = []byte{}
	}
	if s.attrs != nil {
		sign.Attributes = s.attrs(sign.Attributes)
	}
	if s.change != nil {
		s.change(&sign)
	}
	der, err := cms.Sign(sign)
	if err != nil {
		return nil
	}
	if s.afterwards != nil {
		der = s.afterwards(der)
	}
	return der
}
