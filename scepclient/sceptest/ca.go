package sceptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// A Mode is a kind of server.
type Mode uint8

const (
	// RFC is a CA by RFC 8894: AES-128, SHA-256, renewal without challenge, GetCert, GetCRL. The zero value.
	RFC Mode = iota
	// NDES answers as NDES is reported to: an RA pair, no AES in its capabilities, 3DES replies with the digest
	// of the request, challenges good for one use, 403 on the bare address.
	NDES
)

// Config describes a CA. The zero Config is an RFC 8894 CA with the challenge "secret".
type Config struct {
	Mode Mode
	// Challenges are the accepted challenge passwords. nil: "secret". Empty but not nil: none is needed.
	Challenges []string
	// OneTime makes each challenge good for one request. NDES mode implies it for challenges made by
	// NewChallenge, and for all when set.
	OneTime bool
	// RA adds an RA pair (one signs, one decrypts) in RFC mode.
	RA bool
	// ECCA gives the CA an EC key, and an RSA certificate to decrypt with, as step-ca's decrypterCertificate.
	ECCA bool
	// Order permutes the certificates of GetCACert, which are RA signer, RA decrypter, issuing CA, root (if
	// IncludeRoot) by default: an index into that list each. nil: as listed.
	Order []int
	// IncludeRoot adds the root to GetCACert.
	IncludeRoot bool
	// Extra certificates for GetCACert.
	Extra []*x509.Certificate
	// Capabilities replace those of the mode. Empty but not nil: an empty answer.
	Capabilities []string
	// NextCA offers GetNextCACert.
	NextCA bool
	// RenewalNeedsChallenge refuses RenewalReq without a valid challenge, as step-ca and micromdm do.
	RenewalNeedsChallenge bool
	// WeakReplies signs with SHA-1 and encrypts with single DES, as micromdm scepserver does.
	WeakReplies bool
	// EmptyContent sends FAILURE and PENDING with an empty OCTET STRING instead of no eContent; certmonger
	// needs that for PENDING.
	EmptyContent bool
	// Pending is how many answers a request gets before it is decided.
	Pending int
	// ManualApproval keeps requests pending until Approve.
	ManualApproval bool
	// Validity of issued certificates. 0: 30 days.
	Validity time.Duration
	// Reply may answer a PKIOperation in place of the CA. It returns nil to let the CA answer.
	Reply func(Request) []byte
	// Status may turn an operation ("" is the bare address) into an HTTP error. It returns 0 to let it pass.
	Status func(operation string) int
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// TB is what New needs of *testing.T and *testing.B; this package does not import testing, so that a program
// may serve a CA too.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// A CA is a running certification authority.
type CA struct {
	// Root, Issuing, RASign and RAEncrypt are its certificates. Without RAs both are Issuing.
	Root, Issuing, RASign, RAEncrypt *x509.Certificate
	// Next is the certificate GetNextCACert announces, nil without Config.NextCA.
	Next *x509.Certificate

	cfg                 Config
	issuingKey, signKey crypto.Signer
	decKey              crypto.Decrypter
	rootKey             crypto.Signer
	otherKey            *rsa.PrivateKey
	handler             http.Handler
	mu                  sync.Mutex
	serial              int64
	crlNumber           int64
	challenges          map[string]bool // true: one use
	issued              []*x509.Certificate
	revoked             []x509.RevocationListEntry
	pending             map[string]*pendingRequest
	requests            []Request
	listener            net.Listener
	server              *http.Server
}

type pendingRequest struct {
	csr      *x509.CertificateRequest
	left     int
	approved bool
	signer   *x509.Certificate
}

// testKeys are made once per process; making three RSA keys takes longer than a hundred enrolments.
var testKeys = sync.OnceValues(func() ([]*rsa.PrivateKey, error) {
	var out []*rsa.PrivateKey
	for range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
})

// New starts a CA for a test. Its listener, if URL was asked for, is closed when the test ends.
func New(t TB, cfg Config) *CA {
	t.Helper()
	ca, err := NewCA(cfg)
	if err != nil {
		t.Fatalf("sceptest: %v", err)
	}
	t.Cleanup(ca.Close)
	return ca
}

// NewCA is New without a test. Call Close when done.
func NewCA(cfg Config) (*CA, error) {
	keys, err := testKeys()
	if err != nil {
		return nil, err
	}
	ca := &CA{cfg: cfg, challenges: map[string]bool{}, pending: map[string]*pendingRequest{}, serial: 1000, otherKey: keys[3]}
	if cfg.Challenges == nil {
		ca.challenges["secret"] = cfg.OneTime
	}
	for _, c := range cfg.Challenges {
		ca.challenges[c] = cfg.OneTime
	}
	ca.rootKey = keys[0]
	ca.issuingKey = keys[1]
	if cfg.ECCA {
		if ca.issuingKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
	}
	const caUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	now := ca.now()
	name := func(cn string) pkix.Name {
		return pkix.Name{Country: []string{"GB"}, Organization: []string{"Ashdown Vale"}, CommonName: cn}
	}
	root := &x509.Certificate{Subject: name("Ashdown Vale Root CA"), NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(10, 0, 0), IsCA: true, KeyUsage: caUsage}
	if ca.Root, err = ca.sign(root, root, ca.rootKey.Public(), ca.rootKey); err != nil {
		return nil, err
	}
	issuing := &x509.Certificate{Subject: name("Ashdown Vale Issuing CA 1"), NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(5, 0, 0), IsCA: true, MaxPathLenZero: true, KeyUsage: caUsage | x509.KeyUsageKeyEncipherment}
	if ca.Issuing, err = ca.sign(issuing, ca.Root, ca.issuingKey.Public(), ca.rootKey); err != nil {
		return nil, err
	}
	ca.RASign, ca.RAEncrypt, ca.signKey = ca.Issuing, ca.Issuing, ca.issuingKey
	if d, ok := ca.issuingKey.(crypto.Decrypter); ok {
		ca.decKey = d
	}
	if cfg.RA || cfg.Mode == NDES {
		// One subject for both, as NDES has it; Certificate Request Agent as extended key usage.
		agent := []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 1}}
		ra := &x509.Certificate{Subject: name("NDES01-MSCEP-RA"), NotBefore: now.AddDate(0, -6, 0), NotAfter: now.AddDate(1, 6, 0), KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: agent}
		if ca.RASign, err = ca.sign(ra, ca.Issuing, keys[2].Public(), ca.issuingKey); err != nil {
			return nil, err
		}
		ra.KeyUsage = x509.KeyUsageKeyEncipherment
		if ca.RAEncrypt, err = ca.sign(ra, ca.Issuing, keys[3].Public(), ca.issuingKey); err != nil {
			return nil, err
		}
		ca.signKey, ca.decKey = keys[2], keys[3]
		ca.otherKey = keys[0]
	} else if cfg.ECCA {
		dec := &x509.Certificate{Subject: name("SCEP decrypter"), NotBefore: now.AddDate(0, -6, 0), NotAfter: now.AddDate(1, 6, 0), KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature}
		if ca.RAEncrypt, err = ca.sign(dec, ca.Issuing, keys[2].Public(), ca.issuingKey); err != nil {
			return nil, err
		}
		ca.RASign, ca.signKey, ca.decKey = ca.RAEncrypt, keys[2], keys[2]
	}
	if cfg.NextCA {
		next := *issuing
		next.Subject = name("Ashdown Vale Issuing CA 2")
		if ca.Next, err = ca.sign(&next, ca.Root, keys[3].Public(), ca.rootKey); err != nil {
			return nil, err
		}
	}
	ca.handler = http.HandlerFunc(ca.serve)
	return ca, nil
}

func (ca *CA) now() time.Time {
	if ca.cfg.Now != nil {
		return ca.cfg.Now()
	}
	return time.Now()
}

// sign completes t with a serial number and signs it.
func (ca *CA) sign(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	t.SerialNumber = big.NewInt(ca.nextSerial())
	t.BasicConstraintsValid = true
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	ski := sha256.Sum256(spki)
	t.SubjectKeyId = ski[:20]
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (ca *CA) nextSerial() int64 {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.serial++
	return ca.serial
}

// Pin returns the SHA-256 fingerprint of the issuing CA in hex.
func (ca *CA) Pin() string { return fingerprint(ca.Issuing) }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// NewChallenge adds and returns a one-time challenge of 16 hex digits, as the NDES password page shows.
func (ca *CA) NewChallenge() string {
	b := make([]byte, 8)
	rand.Read(b)
	s := fmt.Sprintf("%X", b)
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.challenges[s] = true
	return s
}

// takeChallenge reports whether s is accepted, and uses it up if it is good for one time.
func (ca *CA) takeChallenge(s string) bool {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.cfg.Challenges != nil && len(ca.cfg.Challenges) == 0 && len(ca.challenges) == 0 {
		return true
	}
	once, ok := ca.challenges[s]
	if ok && once {
		delete(ca.challenges, s)
	}
	return ok
}

// Approve decides a request kept back by Config.ManualApproval.
func (ca *CA) Approve(transactionID string) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if p := ca.pending[transactionID]; p != nil {
		p.approved = true
	}
}

// Revoke puts a serial number on the CRL.
func (ca *CA) Revoke(serial *big.Int) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.revoked = append(ca.revoked, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: ca.now()})
}

// Issued returns the certificates issued so far.
func (ca *CA) Issued() []*x509.Certificate {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return slices.Clone(ca.issued)
}

// Issue makes a certificate for csr without asking for a challenge: subject, SAN, key usage and extended key
// usage as requested, and client authentication where none is.
func (ca *CA) Issue(csr *x509.CertificateRequest) (*x509.Certificate, error) {
	return ca.issue(csr, csr.PublicKey, ca.Issuing, ca.issuingKey, ca.now())
}

func (ca *CA) issue(csr *x509.CertificateRequest, pub crypto.PublicKey, parent *x509.Certificate, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	validity := ca.cfg.Validity
	if validity == 0 {
		validity = 30 * 24 * time.Hour
	}
	t := &x509.Certificate{RawSubject: csr.RawSubject, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(validity)}
	eku := false
	for _, e := range csr.Extensions {
		t.ExtraExtensions = append(t.ExtraExtensions, e)
		eku = eku || e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37})
	}
	if !eku {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	c, err := ca.sign(t, parent, pub, key)
	if err != nil {
		return nil, err
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.issued = append(ca.issued, c)
	return c, nil
}

func (ca *CA) capabilities() []string {
	if ca.cfg.Capabilities != nil {
		return ca.cfg.Capabilities
	}
	if ca.cfg.Mode == NDES {
		return []string{"POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3"}
	}
	caps := []string{"AES", "POSTPKIOperation", "Renewal", "SCEPStandard", "SHA-256", "SHA-512"}
	if ca.cfg.NextCA {
		caps = append(caps, "GetNextCACert")
	}
	return caps
}

// certificates is the list GetCACert returns.
func (ca *CA) certificates() []*x509.Certificate {
	var list []*x509.Certificate
	for _, c := range []*x509.Certificate{ca.RASign, ca.RAEncrypt, ca.Issuing} {
		if !slices.ContainsFunc(list, c.Equal) {
			list = append(list, c)
		}
	}
	if ca.cfg.IncludeRoot {
		list = append(list, ca.Root)
	}
	list = append(list, ca.cfg.Extra...)
	if ca.cfg.Order == nil {
		return list
	}
	var out []*x509.Certificate
	for _, i := range ca.cfg.Order {
		if i >= 0 && i < len(list) {
			out = append(out, list[i])
		}
	}
	return out
}

func (ca *CA) replyCipher() cms.Cipher {
	switch {
	case ca.cfg.WeakReplies:
		return cms.DESCBC
	case ca.cfg.Mode == NDES:
		return cms.TripleDESCBC
	}
	return cms.AES128CBC
}

func (ca *CA) replyDigest(r Request) crypto.Hash {
	switch {
	case ca.cfg.WeakReplies:
		return crypto.SHA1
	case ca.cfg.Mode == NDES && r.digest.Available():
		return r.digest
	}
	return crypto.SHA256
}

// hasCapability tells the handler what it promised.
func (ca *CA) hasCapability(k string) bool {
	return slices.ContainsFunc(ca.capabilities(), func(s string) bool {
		return strings.EqualFold(s, k) || (strings.EqualFold(s, "SCEPStandard") && k == "POSTPKIOperation")
	})
}
