package cms

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Errors of Decrypt. ErrDecrypt is one error for a wrong key, wrong padding and altered or truncated data,
// so that an answer to the network cannot tell them apart (RFC 8017, 7.2).
var (
	ErrNoRecipient = errors.New("cms: not encrypted to this certificate")
	ErrDecrypt     = errors.New("cms: cannot be decrypted")
)

// An EnvelopedData is a parsed EnvelopedData.
type EnvelopedData struct {
	Cipher     Cipher
	CipherOID  asn1.ObjectIdentifier
	Recipients []Recipient

	iv   []byte
	tag  int // GCM tag length
	data []byte
}

// A Recipient is one KeyTransRecipientInfo.
type Recipient struct {
	Issuer, Serial, KeyID []byte
	OAEP                  bool

	alg  asn1.ObjectIdentifier
	hash crypto.Hash
	mgf  crypto.Hash
	key  []byte
}

// Names reports whether r is meant for c.
func (r *Recipient) Names(c *x509.Certificate) bool { return names(r.Issuer, r.Serial, r.KeyID, c) }

// ParseEnvelopedData reads a ContentInfo with EnvelopedData. Recipients other than key transport are skipped.
func ParseEnvelopedData(ber []byte) (*EnvelopedData, error) {
	der, err := Normalise(ber)
	if err != nil {
		return nil, err
	}
	body, err := contentInfo(der, OIDEnvelopedData)
	if err != nil {
		return nil, err
	}
	var (
		ed                                   EnvelopedData
		version                              int
		originator, recipients, info, params cryptobyte.String
		alg, unprotected                     cryptobyte.String
		contentType                          asn1.ObjectIdentifier
		has                                  bool
	)
	if !body.ReadASN1Integer(&version) ||
		!body.ReadOptionalASN1(&originator, &has, tagCtx0) ||
		!body.ReadASN1(&recipients, cbasn1.SET) ||
		!body.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&unprotected, &has, tagCtx1) || !body.Empty() {
		return nil, malformed("EnvelopedData")
	}
	if !info.ReadASN1ObjectIdentifier(&contentType) || !info.ReadASN1(&alg, cbasn1.SEQUENCE) ||
		!alg.ReadASN1ObjectIdentifier(&ed.CipherOID) {
		return nil, malformed("encryptedContentInfo")
	}
	ed.Cipher = cipherByOID(ed.CipherOID)
	params = alg
	if err := ed.readParams(params); err != nil {
		return nil, err
	}
	if ed.data, err = readEncrypted(info); err != nil {
		return nil, err
	}
	for n := 0; !recipients.Empty(); n++ {
		var one cryptobyte.String
		var tag cbasn1.Tag
		if n == maxItems || !recipients.ReadAnyASN1(&one, &tag) {
			return nil, malformed("recipientInfos")
		}
		if tag != cbasn1.SEQUENCE {
			continue
		}
		r, err := parseRecipient(one)
		if err != nil {
			return nil, err
		}
		ed.Recipients = append(ed.Recipients, r)
	}
	return &ed, nil
}

func (ed *EnvelopedData) readParams(p cryptobyte.String) error {
	if ed.Cipher == CipherUnknown {
		return nil
	}
	c := ciphers[ed.Cipher]
	var iv cryptobyte.String
	if !c.gcm {
		if !p.ReadASN1(&iv, cbasn1.OCTET_STRING) || len(iv) != c.iv {
			return malformed("initialisation vector")
		}
		ed.iv = iv
		return nil
	}
	// RFC 5084 has SEQUENCE { OCTET STRING nonce, INTEGER DEFAULT 12 }. smallstep/pkcs7, and so step-ca, puts
	// that SEQUENCE inside a primitive one and tags the nonce [4].
	var seq, wrapped cryptobyte.String
	if p.ReadASN1(&wrapped, cbasn1.Tag(16)) {
		p = wrapped
	}
	tag := cbasn1.OCTET_STRING
	if !p.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return malformed("GCM parameters")
	}
	if smallstep := cbasn1.Tag(4).ContextSpecific(); seq.PeekASN1Tag(smallstep) {
		tag = smallstep
	}
	ed.tag = 12
	if !seq.ReadASN1(&iv, tag) || (!seq.Empty() && !seq.ReadASN1Integer(&ed.tag)) ||
		len(iv) != c.iv || ed.tag < 12 || ed.tag > 16 {
		return malformed("GCM parameters")
	}
	ed.iv = iv
	return nil
}

// readEncrypted reads encryptedContent [0], which BER writers split into OCTET STRINGs.
func readEncrypted(info cryptobyte.String) ([]byte, error) {
	var data cryptobyte.String
	if info.ReadASN1(&data, tagCtx0p) && info.Empty() {
		return data, nil
	}
	if !info.ReadASN1(&data, tagCtx0) || !info.Empty() {
		return nil, malformed("encryptedContent")
	}
	var out []byte
	for !data.Empty() {
		var part cryptobyte.String
		if !data.ReadASN1(&part, cbasn1.OCTET_STRING) {
			return nil, malformed("encryptedContent")
		}
		out = append(out, part...)
	}
	return out, nil
}

func parseRecipient(s cryptobyte.String) (Recipient, error) {
	var (
		r        Recipient
		version  int
		alg, key cryptobyte.String
		err      error
	)
	if !s.ReadASN1Integer(&version) {
		return r, malformed("KeyTransRecipientInfo")
	}
	if r.Issuer, r.Serial, r.KeyID, err = readID(&s, "KeyTransRecipientInfo"); err != nil {
		return r, err
	}
	if !s.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&r.alg) ||
		!s.ReadASN1(&key, cbasn1.OCTET_STRING) || !s.Empty() {
		return r, malformed("KeyTransRecipientInfo")
	}
	r.key = key
	if r.alg.Equal(oidOAEP) {
		r.OAEP = true
		if r.hash, r.mgf, err = oaepParams(alg); err != nil {
			return r, err
		}
	}
	return r, nil
}

// oaepParams reads RSAES-OAEP-params (RFC 8017, A.2.1): hash [0], MGF [1], both SHA-1 by default.
func oaepParams(p cryptobyte.String) (hash, mgf crypto.Hash, err error) {
	hash, mgf = crypto.SHA1, crypto.SHA1
	if p.Empty() {
		return hash, mgf, nil
	}
	var seq, h, m, src cryptobyte.String
	var hasH, hasM, hasS bool
	tag2 := cbasn1.Tag(2).ContextSpecific().Constructed()
	if !p.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadOptionalASN1(&h, &hasH, tagCtx0) ||
		!seq.ReadOptionalASN1(&m, &hasM, tagCtx1) || !seq.ReadOptionalASN1(&src, &hasS, tag2) {
		return 0, 0, malformed("OAEP parameters")
	}
	alg := func(s cryptobyte.String) (asn1.ObjectIdentifier, cryptobyte.String, bool) {
		var in cryptobyte.String
		var oid asn1.ObjectIdentifier
		ok := s.ReadASN1(&in, cbasn1.SEQUENCE) && in.ReadASN1ObjectIdentifier(&oid)
		return oid, in, ok
	}
	if hasH {
		oid, _, ok := alg(h)
		if hash = digestByOID(oid); !ok || hash == 0 {
			return 0, 0, malformed("OAEP hash")
		}
	}
	if hasM {
		oid, rest, ok := alg(m)
		if !ok || !oid.Equal(oidMGF1) {
			return 0, 0, malformed("OAEP mask generation")
		}
		oid, _, ok = alg(rest)
		if mgf = digestByOID(oid); !ok || mgf == 0 {
			return 0, 0, malformed("OAEP mask generation hash")
		}
	}
	return hash, mgf, nil
}

// Decrypt opens ed with the key of c, using one private-key operation.
func (ed *EnvelopedData) Decrypt(c *x509.Certificate, key crypto.Decrypter) ([]byte, error) {
	for i := range ed.Recipients {
		if r := &ed.Recipients[i]; r.Names(c) {
			return ed.open(r, key)
		}
	}
	return nil, ErrNoRecipient
}

func (ed *EnvelopedData) open(r *Recipient, key crypto.Decrypter) ([]byte, error) {
	if ed.Cipher == CipherUnknown {
		return nil, fmt.Errorf("cms: content cipher %v is not supported", ed.CipherOID)
	}
	c := ciphers[ed.Cipher]
	var opts crypto.DecrypterOpts
	switch {
	case r.OAEP:
		opts = &rsa.OAEPOptions{Hash: r.hash, MGFHash: r.mgf}
	case r.alg.Equal(oidRSA):
		// A wrong padding gives a random key, and so ErrDecrypt later: no oracle for whoever sent this.
		//lint:ignore SA1019 the only key transport NDES and most SCEP servers answer with (RFC 8894, 3.1)
		opts = &rsa.PKCS1v15DecryptOptions{SessionKeyLen: c.key}
	default:
		return nil, fmt.Errorf("cms: key transport %v is not supported", r.alg)
	}
	cek, err := key.Decrypt(rand.Reader, r.key, opts)
	if err != nil || len(cek) != c.key {
		return nil, ErrDecrypt
	}
	block, err := newBlock(ed.Cipher, cek)
	if err != nil {
		return nil, ErrDecrypt
	}
	if c.gcm {
		aead, err := cipher.NewGCMWithTagSize(block, ed.tag)
		if err != nil {
			return nil, ErrDecrypt
		}
		out, err := aead.Open(nil, ed.iv, ed.data, nil)
		if err != nil {
			return nil, ErrDecrypt
		}
		return out, nil
	}
	n := block.BlockSize()
	if len(ed.data) == 0 || len(ed.data)%n != 0 {
		return nil, ErrDecrypt
	}
	out := make([]byte, len(ed.data))
	cipher.NewCBCDecrypter(block, ed.iv).CryptBlocks(out, ed.data)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > n {
		return nil, ErrDecrypt
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, ErrDecrypt
		}
	}
	return out[:len(out)-pad], nil
}

func newBlock(c Cipher, key []byte) (cipher.Block, error) {
	switch c {
	case DESCBC:
		return des.NewCipher(key) // replies of micromdm scepserver and step-ca; the caller's policy decides before
	case TripleDESCBC:
		return des.NewTripleDESCipher(key)
	default:
		return aes.NewCipher(key)
	}
}

// An Envelope describes an EnvelopedData to make, for exactly one recipient.
type Envelope struct {
	Recipient *x509.Certificate // with an RSA key
	Cipher    Cipher

	// Shapes of what peers send, for tests of readers.
	ByKeyID bool
	OAEP    crypto.Hash                         // 0: PKCS #1 v1.5
	AnyCBC  bool                                // allow single DES
	Corrupt func(plaintextPadded []byte) []byte // changes the padded plaintext
	Cut     int                                 // bytes to cut from the end of the ciphertext
}

// Encrypt makes a ContentInfo with EnvelopedData.
func Encrypt(e Envelope, content []byte) ([]byte, error) {
	if int(e.Cipher) >= len(ciphers) || (!ciphers[e.Cipher].send && (!e.AnyCBC || e.Cipher != DESCBC)) {
		return nil, fmt.Errorf("cms: %v is not used for sending", e.Cipher)
	}
	pub, ok := e.Recipient.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("cms: recipient has a %T, key transport needs RSA", e.Recipient.PublicKey)
	}
	c := ciphers[e.Cipher]
	cek, iv := make([]byte, c.key), make([]byte, c.iv)
	rand.Read(cek)
	rand.Read(iv)
	block, err := newBlock(e.Cipher, cek)
	if err != nil {
		return nil, err
	}
	n := block.BlockSize()
	pad := n - len(content)%n
	plain := append(make([]byte, 0, len(content)+pad), content...)
	for range pad {
		plain = append(plain, byte(pad))
	}
	if e.Corrupt != nil {
		plain = e.Corrupt(plain)
	}
	data := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, plain)
	data = data[:len(data)-e.Cut]
	var wrapped []byte
	if e.OAEP != 0 {
		wrapped, err = rsa.EncryptOAEP(e.OAEP.New(), rand.Reader, pub, cek, nil)
	} else {
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, pub, cek) //lint:ignore SA1019 the only key transport NDES and every other SCEP server read (RFC 8894, 3.1)
	}
	if err != nil {
		return nil, fmt.Errorf("cms: encrypt key: %w", err)
	}
	version := int64(0)
	if e.ByKeyID {
		version = 2
	}
	b := cryptobyte.NewBuilder(nil)
	addContentInfo(b, OIDEnvelopedData, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(version)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(version)
				addID(b, e.Recipient, e.ByKeyID)
				if e.OAEP != 0 {
					addOAEP(b, e.OAEP)
				} else {
					addAlg(b, oidRSA, true)
				}
				b.AddASN1OctetString(wrapped)
			})
		})
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(OIDData)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(c.oid)
				b.AddASN1OctetString(iv)
			})
			b.AddASN1(tagCtx0p, func(b *cryptobyte.Builder) { b.AddBytes(data) })
		})
	})
	return b.Bytes()
}

func addOAEP(b *cryptobyte.Builder, h crypto.Hash) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidOAEP)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if h == crypto.SHA1 {
				return // the defaults
			}
			b.AddASN1(tagCtx0, func(b *cryptobyte.Builder) { addAlg(b, digestOID(h), true) })
			b.AddASN1(tagCtx1, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidMGF1)
					addAlg(b, digestOID(h), true)
				})
			})
		})
	})
}
