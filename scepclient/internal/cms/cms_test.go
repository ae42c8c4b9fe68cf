package cms_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient/internal/cms"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func certificate(t testing.TB, key crypto.Signer) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(0x8001), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	out, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return out
}

func TestNormalise(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"der":                {"30030201ff", "30030201ff"},
		"indefinite":         {"30800201ff0000", "30030201ff"},
		"nested indefinite":  {"308030800201ff00000000", "300530030201ff"},
		"long length":        {"3081030201ff", "30030201ff"},
		"split octets":       {"2480040201020401030000", "0403010203"},
		"nested split":       {"24802480040101000004010200 00", "04020102"},
		"split bits":         {"238003020001030204f00000", "030304" + "01f0"},
		"high tag":           {"bf810003020100", "bf810003020100"},
		"empty":              {"", ""},
		"trailing":           {"300000", ""},
		"truncated":          {"30050202", ""},
		"huge length":        {"30847fffffff", ""},
		"no end":             {"30800201ff", ""},
		"stray end":          {"0000", ""},
		"indefinite scalar":  {"0280000000", ""},
		"bad segment":        {"2480020101 0000", ""},
		"too deep":           {strings.Repeat("3080", 60) + strings.Repeat("0000", 60), ""},
		"length of length":   {"308500000000030201ff", ""},
		"truncated long tag": {"3f8181818101", ""},
	} {
		in, err := hex.DecodeString(strings.ReplaceAll(c.in, " ", ""))
		require.NoError(t, err, name)
		got, err := cms.Normalise(in)
		if c.want == "" {
			require.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, hex.EncodeToString(got), name)
		again, err := cms.Normalise(got)
		require.NoError(t, err)
		require.Equal(t, got, again, "normalising twice is normalising once")
	}
	_, err := cms.Normalise(make([]byte, cms.MaxSize+1))
	require.Error(t, err)
}

func TestSignAndVerify(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]crypto.Signer{"rsa": rsaKey(), "ecdsa": ec, "ed25519": ed} {
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			c := certificate(t, key)
			for _, content := range [][]byte{nil, {}, []byte("content")} {
				der, err := cms.Sign(cms.Signing{Key: key, Certificate: c, Digest: h, Content: content, Certificates: [][]byte{c.Raw}, ByKeyID: h == crypto.SHA384})
				require.NoError(t, err, name)
				for _, in := range [][]byte{der, cms.Indefinite(der, 6, 3)} {
					sd, err := cms.ParseSignedData(in)
					require.NoError(t, err, name)
					require.Equal(t, content != nil, sd.HasContent)
					require.True(t, sd.Signers[0].Names(c))
					require.NoError(t, sd.Signers[0].Verify(c, cms.OIDData, sd.Content), "%s %v", name, h)
					require.ErrorIs(t, sd.Signers[0].Verify(c, cms.OIDData, []byte("other")), cms.ErrDigest)
					require.ErrorIs(t, sd.Signers[0].Verify(c, cms.OIDEnvelopedData, sd.Content), cms.ErrContentType)
				}
			}
		}
	}
	_, err = cms.Sign(cms.Signing{Key: rsaKey(), Certificate: certificate(t, rsaKey()), Digest: crypto.BLAKE2b_256})
	require.Error(t, err)
}

func TestEnvelopes(t *testing.T) {
	c := certificate(t, rsaKey())
	for _, cipher := range []cms.Cipher{cms.TripleDESCBC, cms.AES128CBC, cms.AES192CBC, cms.AES256CBC} {
		for _, n := range []int{0, 1, 15, 16, 17, 3000} {
			content := bytes.Repeat([]byte{7}, n)
			der, err := cms.Encrypt(cms.Envelope{Recipient: c, Cipher: cipher}, content)
			require.NoError(t, err)
			ed, err := cms.ParseEnvelopedData(cms.Indefinite(der, 4, 8))
			require.NoError(t, err)
			require.Equal(t, cipher, ed.Cipher)
			got, err := ed.Decrypt(c, rsaKey())
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))

			// smallstep/pkcs7 is the partner: it reads what we write.
			p7, err := pkcs7.Parse(der)
			require.NoError(t, err)
			if cipher != cms.AES192CBC {
				got, err = p7.Decrypt(c, rsaKey())
				require.NoError(t, err)
				require.True(t, bytes.Equal(content, got))
			}
		}
	}
	for _, weak := range []cms.Cipher{cms.DESCBC, cms.AES128GCM, cms.CipherUnknown, 99} {
		_, err := cms.Encrypt(cms.Envelope{Recipient: c, Cipher: weak}, []byte("x"))
		require.Error(t, err, weak)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = cms.Encrypt(cms.Envelope{Recipient: certificate(t, ec), Cipher: cms.AES128CBC}, []byte("x"))
	require.ErrorContains(t, err, "RSA")
	other := certificate(t, ec)
	der, err := cms.Encrypt(cms.Envelope{Recipient: c, Cipher: cms.AES128CBC}, []byte("x"))
	require.NoError(t, err)
	ed, err := cms.ParseEnvelopedData(der)
	require.NoError(t, err)
	other.RawIssuer = []byte("someone else")
	_, err = ed.Decrypt(other, rsaKey())
	require.ErrorIs(t, err, cms.ErrNoRecipient)
}

// TestPKCS7GCM reads AES-GCM as smallstep/pkcs7, and so step-ca, writes it. The cipher is a package variable there;
// this package's tests do not run in parallel.
func TestPKCS7GCM(t *testing.T) {
	was := pkcs7.ContentEncryptionAlgorithm
	defer func() { pkcs7.ContentEncryptionAlgorithm = was }()
	c := certificate(t, rsaKey())
	for alg, want := range map[int]cms.Cipher{pkcs7.EncryptionAlgorithmAES128GCM: cms.AES128GCM, pkcs7.EncryptionAlgorithmAES256GCM: cms.AES256GCM, pkcs7.EncryptionAlgorithmDESCBC: cms.DESCBC} {
		pkcs7.ContentEncryptionAlgorithm = alg
		der, err := pkcs7.Encrypt([]byte("content"), []*x509.Certificate{c})
		require.NoError(t, err)
		ed, err := cms.ParseEnvelopedData(der)
		require.NoError(t, err)
		require.Equal(t, want, ed.Cipher)
		got, err := ed.Decrypt(c, rsaKey())
		require.NoError(t, err)
		require.Equal(t, "content", string(got))
	}
	require.Equal(t, "unknown cipher", cms.Cipher(200).String())
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"30800201ff0000", "24802480040101000004010200000000", "238003020001030204f00000"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		der, err := cms.Normalise(b)
		if err != nil {
			return
		}
		again, err := cms.Normalise(der)
		if err != nil || !bytes.Equal(der, again) {
			t.Fatalf("not normal: %x: %v", der, err)
		}
	})
}

func FuzzSignedData(f *testing.F) {
	c := certificate(f, rsaKey())
	der, err := cms.Sign(cms.Signing{Key: rsaKey(), Certificate: c, Digest: crypto.SHA256, Content: []byte("x"), Certificates: [][]byte{c.Raw}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(cms.Indefinite(der, 5, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		sd, err := cms.ParseSignedData(b)
		if err != nil {
			return
		}
		for i := range sd.Signers {
			sd.Signers[i].Names(c)
			_ = sd.Signers[i].Verify(c, sd.ContentType, sd.Content)
		}
	})
}

func FuzzEnvelopedData(f *testing.F) {
	c := certificate(f, rsaKey())
	for _, e := range []cms.Envelope{{Recipient: c, Cipher: cms.AES128CBC}, {Recipient: c, Cipher: cms.TripleDESCBC, OAEP: crypto.SHA256, ByKeyID: true}} {
		der, err := cms.Encrypt(e, []byte("x"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ed, err := cms.ParseEnvelopedData(b)
		if err != nil {
			return
		}
		_, _ = ed.Decrypt(c, rsaKey())
	})
}
