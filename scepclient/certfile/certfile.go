// Package certfile writes and reads the files of an enrolled certificate: private keys and PKCS #12 with mode
// 0600, certificates and chains as PEM, each replaced atomically so that a reader sees the old file or the new
// one and never half of either.
//
// It is a package of its own because PKCS #12 needs a library (software.sslmate.com/src/go-pkcs12) that package
// scepclient does without.
package certfile

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"software.sslmate.com/src/go-pkcs12"
)

// Modes of the files.
const (
	KeyMode  os.FileMode = 0o600
	CertMode os.FileMode = 0o644
)

// maxFile is the largest file read, in bytes.
const maxFile = 4 << 20

// WriteFile replaces path atomically: it writes a temporary file with mode in the same folder, syncs it,
// and renames it. The file never has a wider mode, whatever the umask. On Windows the mode has no effect beyond
// the read-only bit; put keys into a folder with a fitting ACL there.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	return write(path, data, mode, true)
}

func write(path string, data []byte, mode os.FileMode, sync bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if mode != KeyMode {
		if err = f.Chmod(mode); err != nil {
			return err
		}
	}
	if sync {
		if err = f.Sync(); err != nil {
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// GenerateRSA makes an RSA key of 2048, 3072 or 4096 bits.
func GenerateRSA(bits int) (*rsa.PrivateKey, error) {
	switch bits {
	case 2048, 3072, 4096:
		return rsa.GenerateKey(rand.Reader, bits)
	}
	return nil, fmt.Errorf("certfile: RSA keys have 2048, 3072 or 4096 bits, not %d", bits)
}

// WriteKey writes a private key as PKCS #8 PEM with mode 0600.
func WriteKey(path string, key crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("certfile: %w", err)
	}
	return WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), KeyMode)
}

// ReadKey reads a private key from PEM (PKCS #8, PKCS #1 or SEC 1), unencrypted. Errors never hold its bytes.
func ReadKey(path string) (crypto.Signer, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// ParseKey is ReadKey for bytes.
func ParseKey(b []byte) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, errors.New("certfile: no private key in PEM")
		}
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("certfile: the private key is encrypted, which is not supported")
		default:
			continue
		}
		if err != nil {
			return nil, errors.New("certfile: private key cannot be parsed")
		}
		if s, ok := key.(crypto.Signer); ok {
			return s, nil
		}
		return nil, fmt.Errorf("certfile: a %T cannot sign", key)
	}
}

// WriteCertificates writes certificates as PEM with mode 0644, in the order given.
func WriteCertificates(path string, certs ...*x509.Certificate) error {
	return write(path, encode(certs), CertMode, true)
}

// WriteChain is WriteCertificates without waiting for the disk: after a power failure a chain can be fetched again,
// which a certificate cannot.
func WriteChain(path string, certs ...*x509.Certificate) error {
	return write(path, encode(certs), CertMode, false)
}

func encode(certs []*x509.Certificate) (out []byte) {
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// ReadCertificates reads all certificates of a PEM or DER file.
func ReadCertificates(path string) ([]*x509.Certificate, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	certs, err := ParseCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

// ParseCertificates is ReadCertificates for bytes.
func ParseCertificates(b []byte) ([]*x509.Certificate, error) {
	if c, err := x509.ParseCertificate(b); err == nil {
		return []*x509.Certificate{c}, nil
	}
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certfile: certificate %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("certfile: no certificate")
	}
	return out, nil
}

// WritePKCS12 writes key, certificate and chain as PKCS #12 with mode 0600, encrypted with AES-256 and PBKDF2.
// legacy encrypts with 3DES and SHA-1 instead, for Windows Server 2016 and older.
func WritePKCS12(path string, key crypto.PrivateKey, cert *x509.Certificate, chain []*x509.Certificate, password string, legacy bool) error {
	enc := pkcs12.Modern
	if legacy {
		enc = pkcs12.LegacyDES
	}
	der, err := enc.Encode(key, cert, chain, password)
	if err != nil {
		return fmt.Errorf("certfile: PKCS #12: %w", err)
	}
	return WriteFile(path, der, KeyMode)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return b, err
}
