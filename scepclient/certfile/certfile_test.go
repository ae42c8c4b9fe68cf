package certfile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"go.internal/hybridkit/scepclient/certfile"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	key, err := certfile.GenerateRSA(2048)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)

	kp, cp, pp := filepath.Join(dir, "k"), filepath.Join(dir, "c"), filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(kp, []byte("old, and open to all"), 0o666))
	require.NoError(t, certfile.WriteKey(kp, key))
	require.NoError(t, certfile.WriteCertificates(cp, cert, cert))
	got, err := certfile.ReadKey(kp)
	require.NoError(t, err)
	require.True(t, key.Equal(got))
	certs, err := certfile.ReadCertificates(cp)
	require.NoError(t, err)
	require.Len(t, certs, 2)
	for _, legacy := range []bool{false, true} {
		require.NoError(t, certfile.WritePKCS12(pp, key, cert, certs[1:], "pässword", legacy))
		b, err := os.ReadFile(pp)
		require.NoError(t, err)
		k, c, chain, err := pkcs12.DecodeChain(b, "pässword")
		require.NoError(t, err)
		require.True(t, key.Equal(k))
		require.True(t, c.Equal(cert))
		require.Len(t, chain, 1)
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]os.FileMode{kp: 0o600, cp: 0o644, pp: 0o600} {
			st, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, mode, st.Mode().Perm(), path)
		}
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "no temporary file is left")
	require.Error(t, certfile.WriteKey(filepath.Join(dir, "none", "k"), key))
	_, err = certfile.GenerateRSA(1024)
	require.Error(t, err)
}

func TestReadKeyForms(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	k, err := certfile.ParseKey(append([]byte("text\n"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...))
	require.NoError(t, err)
	require.True(t, ec.Equal(k))
	r, err := certfile.GenerateRSA(2048)
	require.NoError(t, err)
	k, err = certfile.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)}))
	require.NoError(t, err)
	require.True(t, r.Equal(k))
	for _, typ := range []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "CERTIFICATE"} {
		_, err := certfile.ParseKey(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: []byte("hunter2")}))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err = certfile.ParseCertificates([]byte("\x89PNG"))
	require.Error(t, err)
	_, err = certfile.ParseCertificates(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
	require.ErrorContains(t, err, "certificate 1")
}
