package scepclient

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/smallstep/scep"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// messageNames are printed instead of scep.MessageType.String, which panics on any other value in a way
// that recover cannot stop.
var messageNames = map[scep.MessageType]string{
	scep.CertRep: "CertRep", scep.RenewalReq: "RenewalReq", scep.PKCSReq: "PKCSReq",
	scep.CertPoll: "CertPoll", scep.GetCert: "GetCert", scep.GetCRL: "GetCRL",
}

func messageName(t scep.MessageType) string {
	if s, ok := messageNames[t]; ok {
		return s
	}
	return fmt.Sprintf("messageType(%q)", string(t))
}

// A signerPair signs requests and opens replies.
type signerPair struct {
	cert *x509.Certificate
	key  crypto.Signer
	dec  crypto.Decrypter
}

// newSigner refuses, before anything is sent, a key that could not open the reply.
func newSigner(cert *x509.Certificate, key crypto.Signer) (signerPair, error) {
	if key == nil {
		return signerPair{}, &PolicyError{What: "no private key"}
	}
	if _, ok := key.Public().(*rsa.PublicKey); !ok {
		return signerPair{}, &PolicyError{What: fmt.Sprintf("a %T cannot receive a SCEP reply", key.Public()), Do: "set Request.TransportKey to an RSA key; the reply is encrypted to it (RFC 8894, 2.3)"}
	}
	dec, ok := key.(crypto.Decrypter)
	if !ok {
		return signerPair{}, &PolicyError{What: fmt.Sprintf("the key (%T) can sign but not decrypt, and the reply is encrypted to it", key), Do: "set Request.TransportKey to an RSA key that can"}
	}
	return signerPair{cert, key, dec}, nil
}

// A message is one request of ours, and what its reply must match.
type message struct {
	typ    scep.MessageType
	tid    string
	nonce  []byte
	signer signerPair
}

// newMessage draws a senderNonce of 16 bytes (RFC 8894, 3.2.1.5).
func newMessage(typ scep.MessageType, tid string, signer signerPair) *message {
	m := &message{typ: typ, tid: tid, nonce: make([]byte, 16), signer: signer}
	rand.Read(m.nonce)
	return m
}

// newTransactionID returns 20 random bytes as upper-case hex: unique per transaction, also for two requests
// with one key, which the hash of the key is not (RFC 8894, appendix A).
func newTransactionID() string {
	b := make([]byte, 20)
	rand.Read(b)
	return fmt.Sprintf("%X", b)
}

// seal encrypts data to the one recipient of the session and signs.
func (s *session) seal(m *message, data []byte) ([]byte, error) {
	cipher, digest, err := s.c.Policy.Choose(s.caps)
	if err != nil {
		return nil, err
	}
	env, err := cms.Encrypt(cms.Envelope{Recipient: s.ca.Recipient, Cipher: cipherNames[cipher].cms}, data)
	if err != nil {
		return nil, err
	}
	return cms.Sign(cms.Signing{
		Key: m.signer.key, Certificate: m.signer.cert, Digest: digestNames[digest].hash,
		Content: env, Certificates: [][]byte{m.signer.cert.Raw},
		Attributes: []cms.Attribute{
			{Type: cms.OIDMessageType, Values: [][]byte{cms.PrintableString(string(m.typ))}},
			{Type: cms.OIDTransactionID, Values: [][]byte{cms.PrintableString(m.tid)}},
			{Type: cms.OIDSenderNonce, Values: [][]byte{cms.OctetString(m.nonce)}},
			{Type: cms.OIDSigningTime, Values: [][]byte{signingTime(s.c.now())}},
		},
	})
}

func signingTime(t time.Time) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1UTCTime(t.UTC().Truncate(time.Second))
	der, err := b.Bytes()
	if err != nil { // after 2049
		b = cryptobyte.NewBuilder(nil)
		b.AddASN1GeneralizedTime(t.UTC().Truncate(time.Second))
		der, _ = b.Bytes()
	}
	return der
}

// A certRep is a reply that passed every check up to its content.
type certRep struct {
	status   scep.PKIStatus
	failInfo FailInfo
	text     string
	content  *cms.SignedData // SUCCESS
	warnings []Warning
}

// exchange sends data as m and checks the reply.
func (s *session) exchange(ctx context.Context, m *message, data []byte) (*certRep, error) {
	raw, err := s.seal(m, data)
	if err != nil {
		return nil, err
	}
	s.c.log().DebugContext(ctx, "scep request", "message", messageName(m.typ), "transaction", m.tid, "bytes", len(raw))
	body, err := s.post(ctx, raw)
	if err != nil {
		var he *HTTPError
		var re *ReplyError
		switch {
		case errors.As(err, &he), errors.As(err, &re), errors.Is(err, errNotSent):
			return nil, err
		}
		return nil, &UnclearError{TransactionID: m.tid, Err: err}
	}
	return s.openReply(m, body)
}

// verifySigner finds the one signer of sd among the authenticated CA and RA certificates and checks the
// signature with it. Certificates inside the message are not looked at: whoever could put them there could
// put in a client's certificate too, and that chains to the CA just as well.
func (s *session) verifySigner(sd *cms.SignedData) (*x509.Certificate, *cms.SignerInfo, error) {
	if n := len(sd.Signers); n != 1 {
		return nil, nil, &ReplyError{Check: CheckCMS, Detail: fmt.Sprintf("%d signatures, want one", n)}
	}
	si := &sd.Signers[0]
	var last error
	for _, c := range s.ca.Signers {
		if !si.Names(c) {
			continue
		}
		// An EC or RSA key each verify only their own; expired twins share a name, so go on after a failure.
		if last = si.Verify(c, cms.OIDData, sd.Content); last == nil {
			return c, si, nil
		}
	}
	if last == nil {
		return nil, nil, &ReplyError{Check: CheckSigner, Detail: "not signed by a CA or RA certificate of the authenticated GetCACert answer"}
	}
	return nil, nil, &ReplyError{Check: CheckSignature, Detail: "signature", Err: last}
}

func (s *session) openReply(m *message, body []byte) (*certRep, error) {
	sd, err := cms.ParseSignedData(body)
	if err != nil {
		detail := "not CMS SignedData"
		if isHTML(body) {
			detail = "a web page instead of CMS"
		}
		return nil, &ReplyError{Check: CheckCMS, Detail: detail, HTML: isHTML(body), Err: err}
	}
	if !sd.ContentType.Equal(cms.OIDData) {
		return nil, &ReplyError{Check: CheckCMS, Detail: "content type " + sd.ContentType.String()}
	}
	_, si, err := s.verifySigner(sd)
	if err != nil {
		return nil, err
	}
	typ, err := attrText(si, cms.OIDMessageType)
	if err != nil || scep.MessageType(typ) != scep.CertRep {
		return nil, &ReplyError{Check: CheckMessageType, Detail: fmt.Sprintf("messageType is %q, want CertRep", typ), Err: err}
	}
	tid, err := attrText(si, cms.OIDTransactionID)
	if err != nil || tid != m.tid {
		return nil, &ReplyError{Check: CheckTransactionID, Detail: fmt.Sprintf("transactionID is %q, want %q", tid, m.tid), Err: err}
	}
	nonce, err := attrOctets(si, cms.OIDRecipientNonce)
	if err != nil || !bytes.Equal(nonce, m.nonce) {
		return nil, &ReplyError{Check: CheckNonce, Detail: "recipientNonce is not our senderNonce", Err: err}
	}
	status, err := attrText(si, cms.OIDPKIStatus)
	if err != nil {
		return nil, &ReplyError{Check: CheckStatus, Detail: "pkiStatus", Err: err}
	}
	rep := &certRep{status: scep.PKIStatus(status), failInfo: NoFailInfo}
	warn, refuse := s.c.Policy.reply(cms.CipherUnknown, si.Digest)
	switch rep.status {
	case scep.SUCCESS:
	case scep.PENDING:
		rep.warnings = warn
	case scep.FAILURE:
		if err := rep.readFailure(si); err != nil {
			return nil, err
		}
	default:
		return nil, &ReplyError{Check: CheckStatus, Detail: fmt.Sprintf("pkiStatus is %q", status)}
	}
	if refuse != "" {
		return nil, &ReplyError{Check: CheckPolicy, Detail: refuse}
	}
	if rep.status != scep.SUCCESS {
		return rep, nil // content of FAILURE and PENDING is absent, empty or junk: never read
	}
	return rep, s.openContent(rep, m, sd, si.Digest)
}

// readFailure keeps numbers the RFC does not know and a missing failInfo.
func (r *certRep) readFailure(si *cms.SignerInfo) error {
	text, err := attrText(si, cms.OIDFailInfo)
	if err != nil {
		return &ReplyError{Check: CheckStatus, Detail: "failInfo", Err: err}
	}
	if text != "" {
		n := 0
		for _, c := range text {
			if c < '0' || c > '9' || len(text) > 5 {
				return &ReplyError{Check: CheckStatus, Detail: fmt.Sprintf("failInfo is %q", text)}
			}
			n = 10*n + int(c-'0')
		}
		r.failInfo = FailInfo(n)
	}
	r.text, err = attrText(si, cms.OIDFailInfoText)
	if err != nil {
		r.text = "" // an explanation nobody can read is no reason to hide the failure
	}
	return nil
}

func (s *session) openContent(rep *certRep, m *message, sd *cms.SignedData, h crypto.Hash) error {
	env, err := cms.ParseEnvelopedData(sd.Content)
	if err != nil {
		return &ReplyError{Check: CheckCMS, Detail: "SUCCESS without EnvelopedData", Err: err}
	}
	if env.Cipher == cms.CipherUnknown {
		return &ReplyError{Check: CheckPolicy, Detail: "content cipher " + env.CipherOID.String()}
	}
	warn, refuse := s.c.Policy.reply(env.Cipher, h)
	if refuse != "" {
		return &ReplyError{Check: CheckPolicy, Detail: refuse}
	}
	rep.warnings = warn
	plain, err := env.Decrypt(m.signer.cert, m.signer.dec)
	switch {
	case errors.Is(err, cms.ErrNoRecipient):
		return &ReplyError{Check: CheckRecipient, Detail: "not encrypted to the certificate that signed the request"}
	case err != nil:
		return &ReplyError{Check: CheckDecrypt, Detail: "envelope", Err: err}
	}
	if rep.content, err = cms.ParseSignedData(plain); err != nil {
		return &ReplyError{Check: CheckContent, Detail: "not certificates-only SignedData", Err: err}
	}
	return nil
}

// issued picks the certificate for pub out of a SUCCESS reply by its key (the order of a SET OF means
// nothing) and checks dates and chain.
func (s *session) issued(rep *certRep, pub crypto.PublicKey) (*Issued, error) {
	certs, _, err := parseCerts(rep.content.Certificates)
	if err != nil {
		return nil, err
	}
	type equaler interface{ Equal(crypto.PublicKey) bool }
	var mine []*x509.Certificate
	for _, c := range certs {
		if k, ok := c.PublicKey.(equaler); ok && k.Equal(pub) {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		return nil, &ReplyError{Check: CheckKey, Detail: fmt.Sprintf("none of the %d certificates has the public key of the request", len(certs))}
	}
	slices.SortStableFunc(mine, func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	out := &Issued{Certificate: mine[0], Warnings: slices.Concat(s.ca.Warnings, s.requestWarnings(), rep.warnings), CA: s.ca}
	if len(mine) > 1 {
		out.Warnings = append(out.Warnings, Warning{WarnSeveral, fmt.Sprintf("%d certificates carry the requested key; the newest was taken", len(mine))})
	}
	now := s.c.now()
	skew := s.c.Skew
	if skew == 0 {
		skew = defaultSkew
	}
	if nb := mine[0].NotBefore; now.Before(nb) && !now.Add(skew).Before(nb) {
		now = nb
	}
	if !validAt(mine[0], now) {
		return nil, &ReplyError{Check: CheckDates, Detail: fmt.Sprintf("certificate is valid from %s to %s, now is %s", stamp(mine[0].NotBefore), stamp(mine[0].NotAfter), stamp(now))}
	}
	chain, err := s.ca.chain(mine[0], append(slices.Clone(s.ca.Received), certs...), now)
	if err != nil {
		return nil, &ReplyError{Check: CheckChain, Detail: "certificate does not chain to the pinned CA", Err: err}
	}
	if isCA(mine[0]) {
		out.Warnings = append(out.Warnings, Warning{WarnChanged, "the certificate is a CA certificate"})
	}
	out.Chain = chain[1:]
	return out, nil
}

// requestWarnings tells what the request was protected with, where that is less than RFC 8894 makes mandatory.
func (s *session) requestWarnings() []Warning {
	cipher, digest, err := s.c.Policy.Choose(s.caps)
	var weak []string
	if err == nil && cipher == DES3 {
		weak = append(weak, "encrypted with 3DES")
	}
	if err == nil && digest == SHA1 {
		weak = append(weak, "signed with SHA-1")
	}
	if weak == nil {
		return nil
	}
	return []Warning{{WarnWeakRequest, "the request was " + strings.Join(weak, " and ") + ": the CA offers nothing better"}}
}

// attrText reads a signed attribute as text: PrintableString as RFC 8894 has it, and the other string
// types seen. An absent attribute is "".
func attrText(si *cms.SignerInfo, oid asn1.ObjectIdentifier) (string, error) {
	der, err := si.Attr(oid)
	if err != nil || der == nil {
		return "", err
	}
	s := cryptobyte.String(der)
	var v cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&v, &tag) || !s.Empty() {
		return "", errors.New("malformed string")
	}
	switch tag {
	case cbasn1.PrintableString, cbasn1.IA5String, cbasn1.UTF8String, 18 /* NumericString */, 26 /* VisibleString */ :
		return strings.ToValidUTF8(string(v), "\uFFFD"), nil
	case cbasn1.T61String: // in practice Latin-1
		r := make([]rune, len(v))
		for i, b := range v {
			r[i] = rune(b)
		}
		return string(r), nil
	case 30: // BMPString
		if len(v)%2 != 0 {
			return "", errors.New("malformed BMPString")
		}
		u := make([]uint16, len(v)/2)
		for i := range u {
			u[i] = uint16(v[2*i])<<8 | uint16(v[2*i+1])
		}
		return string(utf16.Decode(u)), nil
	}
	return "", fmt.Errorf("string type %d", tag)
}

func attrOctets(si *cms.SignerInfo, oid asn1.ObjectIdentifier) ([]byte, error) {
	der, err := si.Attr(oid)
	if err != nil || der == nil {
		return nil, err
	}
	s := cryptobyte.String(der)
	var v cryptobyte.String
	if !s.ReadASN1(&v, cbasn1.OCTET_STRING) || !s.Empty() {
		return nil, errors.New("not an OCTET STRING")
	}
	return v, nil
}

// validTransactionID reports whether s fits a PrintableString of reasonable length.
func validTransactionID(s string) bool {
	return s != "" && len(s) <= 256 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" '()+,-./:=?", r))
	})
}
