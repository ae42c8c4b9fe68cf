package scepclient

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smallstep/scep"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A Request asks for one certificate. Key is required, and either Template or CSR.
type Request struct {
	// Key is the key to be certified: anything that signs (a TPM, a PKCS #11 token, a KMS). Unless
	// TransportKey is set it also has to be RSA and a crypto.Decrypter, because the reply is encrypted to it.
	Key crypto.Signer
	// TransportKey signs the message and opens the reply in place of Key, for EC keys and for tokens that do
	// not decrypt. It must be RSA and a crypto.Decrypter. RFC 8894 (2.3) says SHOULD, not MUST, about one key.
	TransportKey crypto.Signer
	// Template is what the certificate is to say.
	Template Template
	// CSR is a ready PKCS #10 request for Key, with its challenge inside if it needs one; Template and
	// Challenge are then not used.
	CSR []byte
	// Challenge is the challenge password. It is put into exactly one message.
	Challenge Secret
	// TransactionID overrides the random one. PrintableString characters only.
	TransactionID string
	// OnPending is called before each wait for a CA that has not decided, with the transaction to save; an
	// error from it ends the call.
	OnPending func(tx *Transaction, wait time.Duration) error
}

// An Issued is a certificate that passed every check, with its way to the pinned CA.
type Issued struct {
	Certificate *x509.Certificate
	// Chain goes from the issuer to the anchor, both included.
	Chain         []*x509.Certificate
	TransactionID string
	// Message is the message that was answered: PKCSReq, RenewalReq, CertPoll or GetCert.
	Message string
	// Polls is how often CertPoll was sent.
	Polls    int
	Warnings []Warning
	// CA is the set the certificate was checked against.
	CA *CASet
}

// Enrol sends one PKCSReq (RFC 8894, 3.3.1) with one challenge, polls while the CA is undecided, and
// returns a certificate that is for Key, valid now, and chains to the pinned CA. It costs four
// private-key operations. It never sends the challenge twice: see *UnclearError.
//
// Errors: *PolicyError and *TrustError before anything secret is sent; *HTTPError; *FailureError, the CA's no;
// *ReplyError, an answer that must not be believed; *UnclearError; *PendingError with the transaction to resume.
func (c *Client) Enrol(ctx context.Context, req Request) (*Issued, error) {
	p, err := c.prepare(req, true)
	if err != nil {
		return nil, err
	}
	return c.enrolOn(ctx, c.urls(), p, req)
}

// enrolOn tries the PKIOperation on one server after another only while it could not be sent.
func (c *Client) enrolOn(ctx context.Context, urls []string, p *prepared, req Request) (*Issued, error) {
	for {
		s, err := c.open(ctx, urls)
		if err != nil {
			return nil, err
		}
		iss, err := s.request(ctx, scep.PKCSReq, p, p.self, req)
		s.close()
		if i := slices.Index(urls, s.url); errors.Is(err, errNotSent) && ctx.Err() == nil && i+1 < len(urls) {
			urls = urls[i+1:]
			continue
		}
		return iss, err
	}
}

// A prepared request is what needs no server: CSR, keys, self-signed certificate.
type prepared struct {
	csr    []byte
	parsed *x509.CertificateRequest
	self   signerPair
	tid    string
}

// prepare makes the CSR with req.Challenge and, for a message that no certificate signs yet, a self-signed one.
func (c *Client) prepare(req Request, selfSign bool) (*prepared, error) {
	if req.Key == nil {
		return nil, &PolicyError{What: "Request.Key is not set"}
	}
	transport := req.TransportKey
	if transport == nil {
		transport = req.Key
	}
	if _, err := newSigner(nil, transport); err != nil {
		return nil, err
	}
	if err := checkKeySize(transport.Public()); err != nil {
		return nil, err
	}
	p := &prepared{csr: req.CSR, tid: req.TransactionID}
	if p.tid == "" {
		p.tid = newTransactionID()
	} else if !validTransactionID(p.tid) {
		return nil, &PolicyError{What: fmt.Sprintf("transactionID %q is not a PrintableString", p.tid)}
	}
	var err error
	if p.csr == nil {
		if p.csr, err = CreateCSR(&req.Template, req.Key, req.Challenge); err != nil {
			return nil, err
		}
	}
	if p.parsed, err = x509.ParseCertificateRequest(p.csr); err != nil {
		return nil, fmt.Errorf("scepclient: Request.CSR: %w", err)
	}
	if eq, ok := p.parsed.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !eq.Equal(req.Key.Public()) {
		return nil, &PolicyError{What: "Request.CSR is not for Request.Key"}
	}
	if selfSign {
		cert, err := selfSigned(p.parsed.RawSubject, transport, c.now())
		if err != nil {
			return nil, err
		}
		p.self, err = newSigner(cert, transport)
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// request sends one PKCSReq or RenewalReq and polls.
func (s *session) request(ctx context.Context, typ scep.MessageType, p *prepared, signer signerPair, req Request) (*Issued, error) {
	tx := &Transaction{
		Version: transactionVersion, URL: s.url, TransactionID: p.tid, Message: messageName(typ), Created: s.c.now().UTC().Truncate(time.Second),
		SignerCertificate: signer.cert.Raw, Subject: p.parsed.RawSubject, PublicKey: p.parsed.RawSubjectPublicKeyInfo,
	}
	for _, e := range p.parsed.Extensions {
		tx.Extensions = append(tx.Extensions, Extension{OID: e.Id.String(), Value: e.Value})
	}
	rep, err := s.exchange(ctx, newMessage(typ, p.tid, signer), p.csr)
	if err != nil {
		return nil, err
	}
	return s.finish(ctx, tx, rep, signer, req.OnPending)
}

// finish turns a reply into a certificate, a failure, or polls.
func (s *session) finish(ctx context.Context, tx *Transaction, rep *certRep, signer signerPair, onPending func(*Transaction, time.Duration) error) (*Issued, error) {
	message := tx.Message
	poll := s.c.Poll
	if poll == nil {
		poll = DefaultPoll
	}
	for n := 1; ; n++ {
		switch rep.status {
		case scep.SUCCESS:
			pub, err := x509.ParsePKIXPublicKey(tx.PublicKey)
			if err != nil {
				return nil, fmt.Errorf("scepclient: transaction: %w", err)
			}
			iss, err := s.issued(rep, pub)
			if err != nil {
				return nil, err
			}
			iss.TransactionID, iss.Message, iss.Polls = tx.TransactionID, message, tx.Polls
			if err := s.compare(iss, tx); err != nil {
				return nil, err
			}
			return iss, nil
		case scep.FAILURE:
			return nil, &FailureError{FailInfo: rep.failInfo, Text: rep.text, TransactionID: tx.TransactionID, Operation: message}
		}
		wait, again := poll(n)
		if onPending != nil {
			if err := onPending(tx, wait); err != nil {
				return nil, errors.Join(err, &PendingError{tx})
			}
		}
		if !again {
			return nil, &PendingError{tx}
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, errors.Join(err, &PendingError{tx})
		}
		var err error
		if rep, err = s.poll(ctx, tx, signer); err != nil {
			return nil, err
		}
		message = messageName(scep.CertPoll)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll sends one CertPoll (RFC 8894, 3.3.3): issuer is the subject of the CA, subject that of the request.
func (s *session) poll(ctx context.Context, tx *Transaction, signer signerPair) (*certRep, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(s.ca.CA.RawSubject)
		b.AddBytes(tx.Subject)
	})
	data, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	tx.Polls++
	rep, err := s.exchange(ctx, newMessage(scep.CertPoll, tx.TransactionID, signer), data)
	if err != nil {
		var ue *UnclearError
		var he *HTTPError
		if errors.As(err, &ue) || errors.As(err, &he) || errors.Is(err, errNotSent) {
			// A poll may be repeated, unlike a request: the transaction stays good.
			return nil, errors.Join(err, &PendingError{tx})
		}
		return nil, err
	}
	return rep, nil
}

// compare reports, or by policy refuses, what the CA changed.
func (s *session) compare(iss *Issued, tx *Transaction) error {
	var diffs []string
	if !bytes.Equal(iss.Certificate.RawSubject, tx.Subject) {
		diffs = append(diffs, fmt.Sprintf("subject is %q", iss.Certificate.Subject))
	}
	for _, want := range tx.Extensions {
		name, known := map[string]string{oidSAN.String(): "subject alternative name", oidKeyUsage.String(): "key usage", oidExtKeyUsage.String(): "extended key usage"}[want.OID]
		if !known {
			continue
		}
		i := slices.IndexFunc(iss.Certificate.Extensions, func(e pkix.Extension) bool { return e.Id.String() == want.OID })
		switch {
		case i < 0:
			diffs = append(diffs, "no "+name)
		case !bytes.Equal(iss.Certificate.Extensions[i].Value, want.Value):
			diffs = append(diffs, "another "+name)
		}
	}
	if len(diffs) == 0 {
		return nil
	}
	text := fmt.Sprintf("the certificate is not as requested: %v", diffs)
	if s.c.Policy.RejectChanged {
		return &ReplyError{Check: CheckChanged, Detail: text}
	}
	iss.Warnings = append(iss.Warnings, Warning{WarnChanged, text})
	return nil
}

// A Transaction is a request the CA has not decided about. It marshals to JSON and holds no secret: neither
// challenge nor key. Save it from Request.OnPending and hand it to Resume, in this process or another.
type Transaction struct {
	Version           int         `json:"version"`
	URL               string      `json:"url"` // polls go to the server that knows the transaction
	TransactionID     string      `json:"transactionId"`
	Message           string      `json:"message"` // PKCSReq or RenewalReq
	Created           time.Time   `json:"created"`
	Polls             int         `json:"polls"`
	SignerCertificate []byte      `json:"signerCertificate"`    // DER; the key of Resume belongs to it
	Subject           []byte      `json:"subject"`              // DER Name
	PublicKey         []byte      `json:"publicKey"`            // DER SubjectPublicKeyInfo of the requested certificate
	Extensions        []Extension `json:"extensions,omitempty"` // as requested
}

// An Extension is a requested certificate extension.
type Extension struct {
	OID   string `json:"oid"`
	Value []byte `json:"value"`
}

const transactionVersion = 1

// ParseTransaction reads what json.Marshal wrote.
func ParseTransaction(b []byte) (*Transaction, error) {
	var tx Transaction
	if err := json.Unmarshal(b, &tx); err != nil {
		return nil, fmt.Errorf("scepclient: transaction: %w", err)
	}
	if tx.Version != transactionVersion {
		return nil, fmt.Errorf("scepclient: transaction: version %d, want %d", tx.Version, transactionVersion)
	}
	if !validTransactionID(tx.TransactionID) || tx.URL == "" {
		return nil, errors.New("scepclient: transaction: transactionId or url missing")
	}
	if _, err := x509.ParseCertificate(tx.SignerCertificate); err != nil {
		return nil, fmt.Errorf("scepclient: transaction: signerCertificate: %w", err)
	}
	if _, err := x509.ParsePKIXPublicKey(tx.PublicKey); err != nil {
		return nil, fmt.Errorf("scepclient: transaction: publicKey: %w", err)
	}
	var name cryptobyte.String
	in := cryptobyte.String(tx.Subject)
	if !in.ReadASN1(&name, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errors.New("scepclient: transaction: subject is not a DER Name")
	}
	return &tx, nil
}

// Resume polls for a saved transaction, first at once and then by Client.Poll. key is the key of the
// transaction's signer certificate: Request.Key or TransportKey of an enrolment, the old key of a renewal.
// Trust is checked anew. RFC 8894 (5.2) recommends a new request after an interruption; resuming is for
// CAs that remember, and for one-time challenges that are used up.
func (c *Client) Resume(ctx context.Context, tx *Transaction, key crypto.Signer, onPending func(*Transaction, time.Duration) error) (*Issued, error) {
	cert, err := x509.ParseCertificate(tx.SignerCertificate)
	if err != nil {
		return nil, fmt.Errorf("scepclient: transaction: %w", err)
	}
	signer, err := newSigner(cert, key)
	if err != nil {
		return nil, err
	}
	if pub, ok := cert.PublicKey.(*rsa.PublicKey); !ok || !pub.Equal(key.Public()) {
		return nil, ErrKey
	}
	s, err := c.open(ctx, []string{tx.URL})
	if err != nil {
		return nil, err
	}
	defer s.close()
	next := *tx
	rep, err := s.poll(ctx, &next, signer)
	if err != nil {
		return nil, err
	}
	return s.finish(ctx, &next, rep, signer, onPending)
}
