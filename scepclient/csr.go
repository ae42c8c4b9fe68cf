package scepclient

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // digests of the CSR signature
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// A Template is what a certificate is asked to say. The zero Template asks for an empty subject and no
// extension, which most CAs refuse.
type Template struct {
	// Subject is the name, unless RawSubject (a DER Name) is set.
	Subject    pkix.Name
	RawSubject []byte

	// Subject alternative names. UPNs become otherName 1.3.6.1.4.1.311.20.2.3.
	DNSNames       []string
	EmailAddresses []string
	IPAddresses    []net.IP
	URIs           []*url.URL
	UPNs           []string
	// SID adds the URI tag:microsoft.com,2022-09-14:sid:SID for strong mapping (KB5014754); "" adds none.
	SID string

	// KeyUsage is a critical extension; 0 leaves it out. NDES chooses the certificate template by it:
	// digitalSignature only, keyEncipherment only, or both.
	KeyUsage x509.KeyUsage
	// ExtKeyUsage lists extended key usages; empty leaves the extension out.
	ExtKeyUsage []asn1.ObjectIdentifier
	// ExtraExtensions are added as they are.
	ExtraExtensions []pkix.Extension
}

// Extended key usages often asked for.
var (
	OIDClientAuth     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	OIDServerAuth     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	OIDSmartcardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
)

var (
	oidExtensionRequest  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	oidSAN               = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidUPN               = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// subject returns the DER Name.
func (t *Template) subject() ([]byte, error) {
	if t.RawSubject != nil {
		var rdn pkix.RDNSequence
		if rest, err := asn1.Unmarshal(t.RawSubject, &rdn); err != nil || len(rest) > 0 {
			return nil, errors.New("scepclient: RawSubject is not a DER Name")
		}
		return t.RawSubject, nil
	}
	return asn1.Marshal(t.Subject.ToRDNSequence())
}

// extensions returns what goes into extensionRequest.
func (t *Template) extensions() ([]pkix.Extension, error) {
	var out []pkix.Extension
	san, err := t.san()
	if err != nil {
		return nil, err
	}
	if san != nil {
		out = append(out, pkix.Extension{Id: oidSAN, Value: san})
	}
	if t.KeyUsage != 0 {
		out = append(out, pkix.Extension{Id: oidKeyUsage, Critical: true, Value: keyUsageDER(t.KeyUsage)})
	}
	if len(t.ExtKeyUsage) > 0 {
		v, err := asn1.Marshal(t.ExtKeyUsage)
		if err != nil {
			return nil, fmt.Errorf("scepclient: extended key usage: %w", err)
		}
		out = append(out, pkix.Extension{Id: oidExtKeyUsage, Value: v})
	}
	for _, e := range t.ExtraExtensions {
		for _, o := range out {
			if o.Id.Equal(e.Id) {
				return nil, fmt.Errorf("scepclient: extension %v is in ExtraExtensions and in another field", e.Id)
			}
		}
	}
	return append(out, t.ExtraExtensions...), nil
}

// keyUsageDER encodes the BIT STRING of RFC 5280, 4.2.1.3: bit 0 is digitalSignature, trailing zeros are cut.
func keyUsageDER(u x509.KeyUsage) []byte {
	var b [2]byte
	last := 0
	for i := range 9 {
		if u&(1<<i) != 0 {
			b[i/8] |= 0x80 >> (i % 8)
			last = i
		}
	}
	der, _ := asn1.Marshal(asn1.BitString{Bytes: b[:last/8+1], BitLength: last + 1}) // cannot fail: a well-formed BIT STRING
	return der
}

func (t *Template) san() ([]byte, error) {
	outer := cryptobyte.NewBuilder(nil)
	var b *cryptobyte.Builder
	n := 0
	var fail error
	ia5 := func(tag uint8, what, s string) {
		n++
		if strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e || r < 0x20 }) || s == "" {
			fail = errors.Join(fail, fmt.Errorf("scepclient: %s %q is not ASCII text", what, s))
			return
		}
		b.AddASN1(cbasn1.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	}
	outer.AddASN1(cbasn1.SEQUENCE, func(names *cryptobyte.Builder) {
		b = names
		for _, u := range t.UPNs {
			n++
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidUPN)
				b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(u)) })
				})
			})
		}
		for _, e := range t.EmailAddresses {
			ia5(1, "email address", e)
		}
		for _, d := range t.DNSNames {
			ia5(2, "DNS name", d)
		}
		for _, u := range t.URIs {
			ia5(6, "URI", u.String())
		}
		if t.SID != "" {
			u, err := SIDURI(t.SID)
			if err != nil {
				fail = errors.Join(fail, err)
			} else {
				ia5(6, "SID", u)
			}
		}
		for _, ip := range t.IPAddresses {
			n++
			v := ip.To4()
			if v == nil {
				v = ip.To16()
			}
			if v == nil {
				fail = errors.Join(fail, errors.New("scepclient: IP address of wrong length"))
				continue
			}
			b.AddASN1(cbasn1.Tag(7).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(v) })
		}
	})
	if fail != nil || n == 0 {
		return nil, fail
	}
	return outer.Bytes()
}

// CreateCSR makes a PKCS #10 request (RFC 2986) with one private-key operation. The challenge, unless zero,
// becomes the challengePassword attribute (RFC 2985, 5.4.1): whoever reads the CSR reads the challenge, so
// it belongs inside a SCEP envelope and nowhere else. RSA and ECDSA keys sign with SHA-256 (P-384: SHA-384,
// P-521: SHA-512); RSA keys have 2048 to 8192 bits.
func CreateCSR(t *Template, key crypto.Signer, challenge Secret) ([]byte, error) {
	if key == nil {
		return nil, &PolicyError{What: "no private key"}
	}
	if err := checkKeySize(key.Public()); err != nil {
		return nil, err
	}
	subject, err := t.subject()
	if err != nil {
		return nil, err
	}
	exts, err := t.extensions()
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("scepclient: %w", err)
	}
	extDER, err := asn1.Marshal(exts)
	if err != nil {
		return nil, fmt.Errorf("scepclient: extensions: %w", err)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(subject)
		b.AddBytes(spki)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			var attrs [][]byte
			if !challenge.IsZero() {
				attrs = append(attrs, attribute(oidChallengePassword, challengeDER(challenge.Reveal())))
			}
			if len(exts) > 0 {
				attrs = append(attrs, attribute(oidExtensionRequest, extDER))
			}
			addSet(b, attrs)
		})
	})
	info, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("scepclient: certification request: %w", err)
	}
	alg, sig, err := signCSR(key, info)
	if err != nil {
		return nil, err
	}
	b = cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		b.AddBytes(alg)
		b.AddASN1BitString(sig)
	})
	return b.Bytes()
}

func attribute(oid asn1.ObjectIdentifier, value []byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(value) })
	})
	return b.BytesOrPanic() // a constant identifier and bytes made here
}

func addSet(b *cryptobyte.Builder, elements [][]byte) {
	if len(elements) == 2 && string(elements[0]) > string(elements[1]) {
		elements[0], elements[1] = elements[1], elements[0]
	}
	for _, e := range elements {
		b.AddBytes(e)
	}
}

// challengeDER uses PrintableString where it can and UTF8String otherwise, as RFC 2985 asks.
func challengeDER(s string) []byte {
	printable := !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" '()+,-./:=?", r))
	})
	tag := cbasn1.UTF8String
	if printable {
		tag = cbasn1.PrintableString
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	return b.BytesOrPanic() // bytes under a tag cannot fail
}

func signCSR(key crypto.Signer, info []byte) (alg, sig []byte, err error) {
	hash := crypto.SHA256
	var oid asn1.ObjectIdentifier
	null := false
	switch pub := key.Public().(type) {
	case *rsa.PublicKey:
		oid, null = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, true
	case *ecdsa.PublicKey:
		oid = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
		switch pub.Curve {
		case elliptic.P384():
			hash, oid = crypto.SHA384, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
		case elliptic.P521():
			hash, oid = crypto.SHA512, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}
		}
	case ed25519.PublicKey:
		hash, oid = 0, asn1.ObjectIdentifier{1, 3, 101, 112}
	default:
		return nil, nil, &PolicyError{What: fmt.Sprintf("a %T cannot sign a certificate request", pub)}
	}
	in := info
	if hash != 0 {
		h := hash.New()
		h.Write(info)
		in = h.Sum(nil)
	}
	if sig, err = key.Sign(rand.Reader, in, hash); err != nil {
		return nil, nil, fmt.Errorf("scepclient: sign certificate request: %w", err)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
	alg, err = b.Bytes()
	return alg, sig, err
}

const minRSABits, maxRSABits = 2048, 8192

func checkKeySize(pub crypto.PublicKey) error {
	if k, ok := pub.(*rsa.PublicKey); ok && (k.N.BitLen() < minRSABits || k.N.BitLen() > maxRSABits) {
		return &PolicyError{What: fmt.Sprintf("an RSA key of %d bits", k.N.BitLen()), Do: fmt.Sprintf("use %d to %d", minRSABits, 4096)}
	}
	return nil
}

// selfSigned makes the certificate that signs a first request (RFC 8894, 2.3): subject and key of the
// request, both key usages, valid from a little before now for a month so that polls can use it too.
func selfSigned(subject []byte, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] = serial[0]&0x7f | 0x40
	tmpl := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		RawSubject:   subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(30 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if spki, err := x509.MarshalPKIXPublicKey(key.Public()); err == nil {
		// For replies whose recipient is named by subjectKeyIdentifier.
		tmpl.SubjectKeyId = cms.KeyID(&x509.Certificate{RawSubjectPublicKeyInfo: spki})
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("scepclient: self-signed certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
