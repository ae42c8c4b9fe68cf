package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// joinCertificate makes what the Automatic-Device-Join task writes: a self-signed certificate for ten years whose
// subject is CN=objectGUID. The key is derived from the identity, so that the demonstration repeats itself.
func joinCertificate(id ldapsync.GUID, from time.Time) (string, error) {
	seed := sha256.Sum256([]byte(id.String()))
	key := ed25519.NewKeyFromSeed(seed[:])
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id.String()}, NotBefore: from.AddDate(0, 0, -1), NotAfter: from.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, key.Public(), key)
	return string(der), err
}
