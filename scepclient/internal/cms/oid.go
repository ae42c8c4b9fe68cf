package cms

import (
	"crypto"
	_ "crypto/md5"    // registered so that MD5 is named in errors; never accepted
	_ "crypto/sha1"   // replies of NDES, micromdm scepserver and step-ca are signed with SHA-1
	_ "crypto/sha256" // SHA-224 and SHA-256
	_ "crypto/sha512" // SHA-384 and SHA-512
	"encoding/asn1"
)

// Object identifiers of CMS and of SCEP's signed attributes (RFC 8894, 3.2.1).
var (
	OIDData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	OIDSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	OIDEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}

	OIDContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	OIDMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	OIDSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}

	OIDMessageType    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 2}
	OIDPKIStatus      = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 3}
	OIDFailInfo       = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 4}
	OIDSenderNonce    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 5}
	OIDRecipientNonce = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 6}
	OIDTransactionID  = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 7}
	OIDFailInfoText   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 24, 1}
)

var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidOAEP    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidMGF1    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidPSS     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidECKey   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}
)

type digestEntry struct {
	hash            crypto.Hash
	oid, rsa, ecdsa asn1.ObjectIdentifier
}

// digests lists the digest algorithms with every signature algorithm that names one.
var digests = []digestEntry{
	{crypto.MD5, asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}, nil},
	{crypto.SHA1, asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}},
	{crypto.SHA224, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 14}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 1}},
	{crypto.SHA256, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}},
	{crypto.SHA384, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}},
	{crypto.SHA512, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}},
}

func digestByOID(oid asn1.ObjectIdentifier) crypto.Hash {
	for _, d := range digests {
		if d.oid.Equal(oid) {
			return d.hash
		}
	}
	return 0
}

func digestOID(h crypto.Hash) asn1.ObjectIdentifier {
	for _, d := range digests {
		if d.hash == h {
			return d.oid
		}
	}
	return nil
}

// A Cipher is a content-encryption algorithm.
type Cipher uint8

// The ciphers seen in SCEP messages. GCM in plain EnvelopedData is what step-ca sends; it is read, never sent.
const (
	CipherUnknown Cipher = iota
	DESCBC
	TripleDESCBC
	AES128CBC
	AES192CBC
	AES256CBC
	AES128GCM
	AES192GCM
	AES256GCM
)

var ciphers = [...]struct {
	oid       asn1.ObjectIdentifier
	name      string
	key, iv   int
	gcm, send bool
}{
	DESCBC:       {asn1.ObjectIdentifier{1, 3, 14, 3, 2, 7}, "DES-CBC", 8, 8, false, false},
	TripleDESCBC: {asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}, "3DES-CBC", 24, 8, false, true},
	AES128CBC:    {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}, "AES-128-CBC", 16, 16, false, true},
	AES192CBC:    {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}, "AES-192-CBC", 24, 16, false, true},
	AES256CBC:    {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, "AES-256-CBC", 32, 16, false, true},
	AES128GCM:    {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 6}, "AES-128-GCM", 16, 12, true, false},
	AES192GCM:    {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 26}, "AES-192-GCM", 24, 12, true, false},
	AES256GCM:    {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 46}, "AES-256-GCM", 32, 12, true, false},
}

// String returns the usual name, or "unknown cipher".
func (c Cipher) String() string {
	if c == CipherUnknown || int(c) >= len(ciphers) {
		return "unknown cipher"
	}
	return ciphers[c].name
}

func cipherByOID(oid asn1.ObjectIdentifier) Cipher {
	for c, e := range ciphers {
		if len(e.oid) > 0 && e.oid.Equal(oid) {
			return Cipher(c)
		}
	}
	return CipherUnknown
}
