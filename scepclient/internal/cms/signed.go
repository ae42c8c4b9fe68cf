package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	tagCtx0  = cbasn1.Tag(0).ContextSpecific().Constructed()
	tagCtx1  = cbasn1.Tag(1).ContextSpecific().Constructed()
	tagCtx0p = cbasn1.Tag(0).ContextSpecific()
)

// Errors of Verify. Each is one condition; a caller turns it into its own report.
var (
	ErrSignature   = errors.New("cms: signature does not verify")
	ErrDigest      = errors.New("cms: messageDigest is not the digest of the content")
	ErrContentType = errors.New("cms: contentType attribute is not the type of the content")
	ErrAlgorithm   = errors.New("cms: signature or digest algorithm not supported")
	ErrNotSigned   = errors.New("cms: not signed")
)

// maxItems bounds certificates, CRLs, signers, recipients and attributes of one message. A hierarchy with
// its RAs has fewer than ten.
const maxItems = 256

// A SignedData is a parsed SignedData. Its slices alias the normalised input.
type SignedData struct {
	ContentType  asn1.ObjectIdentifier
	Content      []byte // eContent octets
	HasContent   bool   // false: eContent absent
	Certificates [][]byte
	CRLs         [][]byte
	Signers      []SignerInfo
}

// A SignerInfo is one signature. Exactly one of Issuer and KeyID is set.
type SignerInfo struct {
	Issuer    []byte // DER Name
	Serial    []byte // contents of the INTEGER
	KeyID     []byte // subjectKeyIdentifier
	Digest    crypto.Hash
	Attrs     []Attribute
	Signature []byte

	sigAlg   asn1.ObjectIdentifier
	rawAttrs []byte // contents of signedAttrs as sent
}

// An Attribute is a signed attribute with its values as DER.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values [][]byte

	raw []byte
}

// ParseSignedData reads a ContentInfo with SignedData. It checks structure, not signatures.
func ParseSignedData(ber []byte) (*SignedData, error) {
	der, err := Normalise(ber)
	if err != nil {
		return nil, err
	}
	body, err := contentInfo(der, OIDSignedData)
	if err != nil {
		return nil, err
	}
	var (
		sd                             SignedData
		digestAlgs, encap, certs, crls cryptobyte.String
		signers                        cryptobyte.String
		version                        int
		hasCerts, hasCRLs              bool
	)
	if !body.ReadASN1Integer(&version) ||
		!body.ReadASN1(&digestAlgs, cbasn1.SET) ||
		!body.ReadASN1(&encap, cbasn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&certs, &hasCerts, tagCtx0) ||
		!body.ReadOptionalASN1(&crls, &hasCRLs, tagCtx1) ||
		!body.ReadASN1(&signers, cbasn1.SET) || !body.Empty() {
		return nil, malformed("SignedData")
	}
	var inner cryptobyte.String
	if !encap.ReadASN1ObjectIdentifier(&sd.ContentType) || !encap.ReadOptionalASN1(&inner, &sd.HasContent, tagCtx0) || !encap.Empty() {
		return nil, malformed("encapContentInfo")
	}
	if sd.HasContent {
		var content cryptobyte.String
		if !inner.ReadASN1(&content, cbasn1.OCTET_STRING) || !inner.Empty() {
			return nil, malformed("eContent")
		}
		sd.Content = content
	}
	if sd.Certificates, err = elements(certs, "certificates"); err != nil {
		return nil, err
	}
	if sd.CRLs, err = elements(crls, "crls"); err != nil {
		return nil, err
	}
	for n := 0; !signers.Empty(); n++ {
		var one cryptobyte.String
		if n == maxItems || !signers.ReadASN1(&one, cbasn1.SEQUENCE) {
			return nil, malformed("signerInfos")
		}
		si, err := parseSigner(one)
		if err != nil {
			return nil, err
		}
		sd.Signers = append(sd.Signers, si)
	}
	return &sd, nil
}

func contentInfo(der []byte, want asn1.ObjectIdentifier) (cryptobyte.String, error) {
	in := cryptobyte.String(der)
	var outer, explicit, body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1ObjectIdentifier(&oid) {
		return nil, malformed("ContentInfo")
	}
	if !oid.Equal(want) {
		return nil, malformed("ContentInfo: content type " + oid.String() + ", want " + want.String())
	}
	if !outer.ReadASN1(&explicit, tagCtx0) || !explicit.ReadASN1(&body, cbasn1.SEQUENCE) || !explicit.Empty() {
		return nil, malformed("ContentInfo")
	}
	return body, nil
}

// elements splits a SET OF into its members. Members that are not SEQUENCEs (attribute certificates,
// other certificate formats) are left out.
func elements(s cryptobyte.String, what string) ([][]byte, error) {
	var out [][]byte
	for n := 0; !s.Empty(); n++ {
		var e cryptobyte.String
		var tag cbasn1.Tag
		if n == maxItems || !s.ReadAnyASN1Element(&e, &tag) {
			return nil, malformed(what)
		}
		if tag == cbasn1.SEQUENCE {
			out = append(out, e)
		}
	}
	return out, nil
}

func parseSigner(s cryptobyte.String) (SignerInfo, error) {
	var (
		si              SignerInfo
		version         int
		digest, sigAlg  cryptobyte.String
		attrs, unsigned cryptobyte.String
		sig             cryptobyte.String
		has, hasU       bool
		digestOID       asn1.ObjectIdentifier
		err             error
	)
	if !s.ReadASN1Integer(&version) {
		return si, malformed("SignerInfo version")
	}
	if si.Issuer, si.Serial, si.KeyID, err = readID(&s, "SignerInfo"); err != nil {
		return si, err
	}
	if !s.ReadASN1(&digest, cbasn1.SEQUENCE) || !digest.ReadASN1ObjectIdentifier(&digestOID) ||
		!s.ReadOptionalASN1(&attrs, &has, tagCtx0) ||
		!s.ReadASN1(&sigAlg, cbasn1.SEQUENCE) || !sigAlg.ReadASN1ObjectIdentifier(&si.sigAlg) ||
		!s.ReadASN1(&sig, cbasn1.OCTET_STRING) ||
		!s.ReadOptionalASN1(&unsigned, &hasU, tagCtx1) || !s.Empty() {
		return si, malformed("SignerInfo")
	}
	si.Digest = digestByOID(digestOID)
	si.Signature = sig
	si.rawAttrs = attrs
	for n := 0; !attrs.Empty(); n++ {
		var a Attribute
		var raw, body, values cryptobyte.String
		if n == maxItems || !attrs.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
			return si, malformed("signedAttrs")
		}
		a.raw = raw
		if !raw.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&a.Type) ||
			!body.ReadASN1(&values, cbasn1.SET) || !body.Empty() {
			return si, malformed("signed attribute")
		}
		for m := 0; !values.Empty(); m++ {
			var v cryptobyte.String
			var tag cbasn1.Tag
			if m == maxItems || !values.ReadAnyASN1Element(&v, &tag) {
				return si, malformed("signed attribute " + a.Type.String())
			}
			a.Values = append(a.Values, v)
		}
		si.Attrs = append(si.Attrs, a)
	}
	return si, nil
}

// readID reads issuerAndSerialNumber or [0] subjectKeyIdentifier.
func readID(s *cryptobyte.String, what string) (issuer, serial, keyID []byte, err error) {
	if s.PeekASN1Tag(cbasn1.SEQUENCE) {
		var ias, name, num cryptobyte.String
		if !s.ReadASN1(&ias, cbasn1.SEQUENCE) || !ias.ReadASN1Element(&name, cbasn1.SEQUENCE) ||
			!ias.ReadASN1(&num, cbasn1.INTEGER) || !ias.Empty() {
			return nil, nil, nil, malformed(what + " issuerAndSerialNumber")
		}
		return name, num, nil, nil
	}
	// Some writers send the identifier as [0] EXPLICIT OCTET STRING.
	var ski cryptobyte.String
	if s.ReadASN1(&ski, tagCtx0p) {
		return nil, nil, ski, nil
	}
	var wrapped cryptobyte.String
	if s.ReadASN1(&wrapped, tagCtx0) && wrapped.ReadASN1(&ski, cbasn1.OCTET_STRING) && wrapped.Empty() {
		return nil, nil, ski, nil
	}
	return nil, nil, nil, malformed(what + " identifier")
}

// KeyID returns the subjectKeyIdentifier of c, or where c has none the SHA-1 of its public key that
// RFC 5280 (4.2.1.2) suggests and writers then use.
func KeyID(c *x509.Certificate) []byte {
	if len(c.SubjectKeyId) > 0 {
		return c.SubjectKeyId
	}
	spki := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var body, alg cryptobyte.String
	var bits asn1.BitString
	if !spki.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&alg, cbasn1.SEQUENCE) || !body.ReadASN1BitString(&bits) {
		return nil
	}
	sum := sha1.Sum(bits.Bytes)
	return sum[:]
}

// names reports whether the identifier in a SignerInfo or recipient names c.
func names(issuer, serial, keyID []byte, c *x509.Certificate) bool {
	if keyID != nil {
		return len(keyID) > 0 && bytes.Equal(keyID, KeyID(c))
	}
	return bytes.Equal(issuer, c.RawIssuer) && bytes.Equal(trimSerial(serial), trimSerial(serialBytes(c)))
}

// Names reports whether si says it was made by c. It does not check the signature.
func (si *SignerInfo) Names(c *x509.Certificate) bool {
	return names(si.Issuer, si.Serial, si.KeyID, c)
}

// serialBytes is the contents of the INTEGER of c's serial number.
func serialBytes(c *x509.Certificate) []byte {
	b := c.SerialNumber.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}

func trimSerial(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// Attr returns the one value of the attribute, nil if it is absent. It fails when the attribute
// appears twice or has other than one value, both of which RFC 5652 (5.3, 11) forbids here.
func (si *SignerInfo) Attr(oid asn1.ObjectIdentifier) ([]byte, error) {
	var found []byte
	for _, a := range si.Attrs {
		if !a.Type.Equal(oid) {
			continue
		}
		if found != nil || len(a.Values) != 1 {
			return nil, malformed("signed attribute " + oid.String() + ": more than one value")
		}
		found = a.Values[0]
	}
	return found, nil
}

// Verify checks the signature of si over content with the key of c: contentType, messageDigest, then the
// signature over the attributes as sent, or over their DER order. It checks nothing about c.
func (si *SignerInfo) Verify(c *x509.Certificate, contentType asn1.ObjectIdentifier, content []byte) error {
	h := si.Digest
	if h == 0 || h == crypto.MD5 {
		return ErrAlgorithm
	}
	if len(si.Attrs) == 0 {
		return malformed("signedAttrs: absent") // SCEP's attributes live there (RFC 8894, 3.2)
	}
	for i, a := range si.Attrs {
		for _, b := range si.Attrs[:i] {
			if a.Type.Equal(b.Type) {
				return malformed("signed attribute " + a.Type.String() + ": appears twice")
			}
		}
	}
	ct, err := si.Attr(OIDContentType)
	if err != nil {
		return err
	}
	var oid asn1.ObjectIdentifier
	s := cryptobyte.String(ct)
	if !s.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(contentType) {
		return ErrContentType
	}
	md, err := si.Attr(OIDMessageDigest)
	if err != nil {
		return err
	}
	var want cryptobyte.String
	s = md
	d := h.New()
	d.Write(content)
	if !s.ReadASN1(&want, cbasn1.OCTET_STRING) || !bytes.Equal(want, d.Sum(nil)) {
		return ErrDigest
	}
	if err := si.checkSignature(c, setOf(si.rawAttrs)); err == nil || err == ErrAlgorithm {
		return err
	}
	sorted := slices.Clone(si.Attrs)
	slices.SortFunc(sorted, func(a, b Attribute) int { return bytes.Compare(a.raw, b.raw) })
	var again []byte
	for _, a := range sorted {
		again = append(again, a.raw...)
	}
	return si.checkSignature(c, setOf(again))
}

func setOf(body []byte) []byte {
	return append(appendHeader([]byte{0x31}, nil, len(body)), body...)
}

func (si *SignerInfo) checkSignature(c *x509.Certificate, signed []byte) error {
	h := si.Digest
	if _, ok := c.PublicKey.(ed25519.PublicKey); !ok {
		d := h.New()
		d.Write(signed)
		signed = d.Sum(nil)
	}
	i := slices.IndexFunc(digests, func(d digestEntry) bool { return d.hash == h })
	combined := digests[i]
	switch pub := c.PublicKey.(type) {
	case *rsa.PublicKey:
		switch {
		case si.sigAlg.Equal(oidRSA), si.sigAlg.Equal(combined.rsa):
			if rsa.VerifyPKCS1v15(pub, h, signed, si.Signature) != nil {
				return ErrSignature
			}
			return nil
		case si.sigAlg.Equal(oidPSS):
			if rsa.VerifyPSS(pub, h, signed, si.Signature, &rsa.PSSOptions{Hash: h}) != nil {
				return ErrSignature
			}
			return nil
		}
	case *ecdsa.PublicKey:
		if si.sigAlg.Equal(combined.ecdsa) || si.sigAlg.Equal(oidECKey) {
			if !ecdsa.VerifyASN1(pub, signed, si.Signature) {
				return ErrSignature
			}
			return nil
		}
	case ed25519.PublicKey:
		if si.sigAlg.Equal(oidEd25519) {
			if !ed25519.Verify(pub, signed, si.Signature) {
				return ErrSignature
			}
			return nil
		}
	}
	return ErrAlgorithm
}
