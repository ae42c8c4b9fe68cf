package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A Signing describes a SignedData to make. The zero values of the optional fields are what RFC 8894
// asks for; the fields under "shapes" make what peers send instead, for tests of readers.
type Signing struct {
	Key          crypto.Signer
	Certificate  *x509.Certificate // names the signer
	Digest       crypto.Hash
	Content      []byte   // nil: eContent absent
	Certificates [][]byte // DER
	Attributes   []Attribute

	// Shapes.
	ByKeyID       bool // name the signer by subjectKeyIdentifier
	KeepOrder     bool // leave Attributes in the order given, instead of DER order
	CombinedAlg   bool // shaNNNWithRSAEncryption instead of rsaEncryption
	NoContentType bool // do not add the contentType attribute
	Corrupt       func(digest, signature []byte)
}

// PrintableString returns the DER of a PrintableString; SCEP's numbers and transaction IDs are encoded so.
func PrintableString(s string) []byte { return tlv(0x13, []byte(s)) }

// UTF8String returns the DER of a UTF8String.
func UTF8String(s string) []byte { return tlv(0x0c, []byte(s)) }

// OctetString returns the DER of an OCTET STRING.
func OctetString(b []byte) []byte { return tlv(0x04, b) }

func tlv(tag byte, body []byte) []byte {
	return append(appendHeader([]byte{tag}, nil, len(body)), body...)
}

// OID returns the DER of an object identifier.
func OID(oid asn1.ObjectIdentifier) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1ObjectIdentifier(oid)
	return b.BytesOrPanic() // identifiers here are constants of this module
}

// Sign makes a ContentInfo with SignedData over id-data, with exactly one private-key operation.
func Sign(s Signing) ([]byte, error) {
	dig := digestOID(s.Digest)
	if dig == nil || !s.Digest.Available() {
		return nil, fmt.Errorf("cms: cannot sign with digest %v", s.Digest)
	}
	d := s.Digest.New()
	d.Write(s.Content)
	sum := d.Sum(nil)
	if s.Corrupt != nil {
		s.Corrupt(sum, nil)
	}
	attrs := slices.Clone(s.Attributes)
	if !s.NoContentType {
		attrs = append(attrs, Attribute{Type: OIDContentType, Values: [][]byte{OID(OIDData)}})
	}
	attrs = append(attrs, Attribute{Type: OIDMessageDigest, Values: [][]byte{OctetString(sum)}})
	raw := make([][]byte, len(attrs))
	for i, a := range attrs {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(a.Type)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for _, v := range a.Values {
					b.AddBytes(v)
				}
			})
		})
		var err error
		if raw[i], err = b.Bytes(); err != nil {
			return nil, fmt.Errorf("cms: attribute %v: %w", a.Type, err)
		}
	}
	if !s.KeepOrder {
		slices.SortFunc(raw, bytes.Compare)
	}
	attrBytes := bytes.Join(raw, nil)
	sigAlg, sig, err := sign(s.Key, s.Digest, setOf(attrBytes), s.CombinedAlg)
	if err != nil {
		return nil, err
	}
	if s.Corrupt != nil {
		s.Corrupt(nil, sig)
	}
	version := int64(1)
	if s.ByKeyID {
		version = 3
	}
	b := cryptobyte.NewBuilder(nil)
	addContentInfo(b, OIDSignedData, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(version)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAlg(b, dig, true) })
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(OIDData)
			if s.Content != nil {
				b.AddASN1(tagCtx0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(s.Content) })
			}
		})
		if len(s.Certificates) > 0 {
			b.AddASN1(tagCtx0, func(b *cryptobyte.Builder) { addAll(b, s.Certificates) })
		}
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(version)
				addID(b, s.Certificate, s.ByKeyID)
				addAlg(b, dig, true)
				b.AddASN1(tagCtx0, func(b *cryptobyte.Builder) { b.AddBytes(attrBytes) })
				b.AddBytes(sigAlg)
				b.AddASN1OctetString(sig)
			})
		})
	})
	return b.Bytes()
}

// sign returns the signatureAlgorithm and the signature. rsaEncryption with a NULL is what every peer
// reads: strongSwan 5.9.8 knows no other.
func sign(key crypto.Signer, h crypto.Hash, msg []byte, combined bool) (alg, sig []byte, err error) {
	i := slices.IndexFunc(digests, func(d digestEntry) bool { return d.hash == h })
	oid, null := asn1.ObjectIdentifier(nil), false
	var opts crypto.SignerOpts = h
	in := msg
	switch key.Public().(type) {
	case *rsa.PublicKey:
		oid, null = oidRSA, true
		if combined {
			oid = digests[i].rsa
		}
	case *ecdsa.PublicKey:
		oid = digests[i].ecdsa
	case ed25519.PublicKey:
		oid, opts = oidEd25519, crypto.Hash(0)
	default:
		return nil, nil, fmt.Errorf("cms: cannot sign with a %T", key.Public())
	}
	if opts == h {
		d := h.New()
		d.Write(msg)
		in = d.Sum(nil)
	}
	if sig, err = key.Sign(rand.Reader, in, opts); err != nil {
		return nil, nil, fmt.Errorf("cms: sign: %w", err)
	}
	b := cryptobyte.NewBuilder(nil)
	addAlg(b, oid, null)
	alg, err = b.Bytes()
	return alg, sig, err
}

func addContentInfo(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, body cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(tagCtx0, func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, body) })
	})
}

func addAlg(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, null bool) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
}

func addAll(b *cryptobyte.Builder, elements [][]byte) {
	sorted := slices.Clone(elements)
	slices.SortFunc(sorted, bytes.Compare) // SET OF in DER
	for _, e := range sorted {
		b.AddBytes(e)
	}
}

func addID(b *cryptobyte.Builder, c *x509.Certificate, byKeyID bool) {
	if byKeyID {
		b.AddASN1(tagCtx0p, func(b *cryptobyte.Builder) { b.AddBytes(KeyID(c)) })
		return
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(c.RawIssuer)
		b.AddASN1BigInt(c.SerialNumber)
	})
}

// Degenerate makes a certificates-only (or CRLs-only) SignedData (RFC 8894, 3.4).
func Degenerate(certs, crls [][]byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	addContentInfo(b, OIDSignedData, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(OIDData) })
		if len(certs) > 0 {
			// In the order given: readers must not rely on it, and servers differ.
			b.AddASN1(tagCtx0, func(b *cryptobyte.Builder) {
				for _, c := range certs {
					b.AddBytes(c)
				}
			})
		}
		if len(crls) > 0 {
			b.AddASN1(tagCtx1, func(b *cryptobyte.Builder) { addAll(b, crls) })
		}
		b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
	})
	return b.Bytes()
}

// Indefinite re-encodes DER as BER: constructed values get indefinite lengths and the OCTET STRINGs
// that are longer than chunk are split. Certificates, CSRs and attributes are hashed in DER, so
// only the outer levels down to depth are rewritten.
func Indefinite(der []byte, depth, chunk int) []byte {
	var out []byte
	in := cryptobyte.String(der)
	for !in.Empty() {
		var whole, body cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadAnyASN1Element(&whole, &tag) {
			return append(out, in...)
		}
		again := whole
		again.ReadAnyASN1(&body, &tag)
		switch {
		case depth > 0 && tag&0x20 != 0:
			out = append(out, byte(tag), 0x80)
			out = append(out, Indefinite(body, depth-1, chunk)...)
			out = append(out, 0, 0)
		case depth > 0 && tag == cbasn1.OCTET_STRING && len(body) > chunk:
			out = append(out, byte(tag)|0x20, 0x80)
			for part := range slices.Chunk([]byte(body), chunk) {
				out = append(out, tlv(0x04, part)...)
			}
			out = append(out, 0, 0)
		default:
			out = append(out, whole...)
		}
	}
	return out
}
