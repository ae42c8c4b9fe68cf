package renew

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/certfile"
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// load reads the certificate and key in place and checks that they belong together.
func load(dir string) (*x509.Certificate, crypto.Signer, error) {
	certs, err := certfile.ReadCertificates(filepath.Join(dir, CertFile))
	if err != nil {
		return nil, nil, fmt.Errorf("renew: %w", err)
	}
	key, err := certfile.ReadKey(filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, nil, fmt.Errorf("renew: %w", err)
	}
	if eq, ok := certs[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !eq.Equal(key.Public()) {
		return nil, nil, fmt.Errorf("renew: %s does not belong to %s in %s", KeyFile, CertFile, dir)
	}
	return certs[0], key, nil
}

// Write puts a first certificate into dir, creating it, in the layout a Keeper works on. key is written unless
// it is nil, for keys that are there already or live elsewhere.
func Write(dir string, key crypto.Signer, iss *scepclient.Issued) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return write(dir, key, iss)
}

func write(dir string, key crypto.Signer, iss *scepclient.Issued) error {
	if key != nil {
		if err := certfile.WriteKey(filepath.Join(dir, KeyFile), key); err != nil {
			return err
		}
	}
	if err := certfile.WriteChain(filepath.Join(dir, ChainFile), iss.Chain...); err != nil {
		return err
	}
	return certfile.WriteCertificates(filepath.Join(dir, CertFile), iss.Certificate)
}

// install completes next/ and makes it ready in one rename, then moves its files into place.
func install(dir string, key crypto.Signer, iss *scepclient.Issued) error {
	next := filepath.Join(dir, NextDir)
	if err := write(next, key, iss); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	if err := os.Remove(filepath.Join(next, TransactionFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("renew: %w", err)
	}
	if err := os.Rename(next, filepath.Join(dir, ReadyDir)); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	_, err := finish(dir)
	return err
}

// finish moves a ready renewal into place. It may be interrupted and repeated at any point.
func finish(dir string) (bool, error) {
	ready := filepath.Join(dir, ReadyDir)
	if !exists(ready) {
		return false, nil
	}
	for _, f := range []string{ChainFile, KeyFile, CertFile} {
		err := os.Rename(filepath.Join(ready, f), filepath.Join(dir, f))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // not there: moved before an interruption
			return false, fmt.Errorf("renew: %w", err)
		}
	}
	if err := os.RemoveAll(ready); err != nil {
		return false, fmt.Errorf("renew: %w", err)
	}
	return true, nil
}
