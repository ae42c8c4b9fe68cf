package adtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// A Certificate says which certificate the server shows.
type Certificate uint8

// The certificates. Only the first passes a check against CertPool.
const (
	GoodCertificate      Certificate = iota // valid for DNSHostName, localhost and the loopback addresses
	ExpiredCertificate                      // ended an hour ago
	ForeignCertificate                      // from another certification authority
	WrongNameCertificate                    // for another host
)

// authority is the certification authority of one domain. Certificates of the servers are made on
// first use, because most tests need none or one.
type authority struct {
	ca    *x509.Certificate
	caKey *ecdsa.PrivateKey
	kind  Certificate
	names []string // host names of a domain controller without the first label

	mu     sync.Mutex
	serial int64
	leaf   map[string]*tls.Certificate
}

func newAuthority(cfg Config) (*authority, error) {
	a := &authority{kind: cfg.Certificate, names: []string{cfg.Domain}, leaf: map[string]*tls.Certificate{}}
	var err error
	a.ca, a.caKey, err = newCA("adtest " + cfg.Domain)
	return a, err
}

func newCA(name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(der)
	return c, key, err
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.ca.Raw})
}

// server returns the certificate of a domain controller.
func (a *authority) server(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaf[host]; c != nil {
		return c, nil
	}
	now := time.Now()
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: host}, DNSNames: append([]string{host, "localhost"}, a.names...), NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	ca, key := a.ca, a.caKey
	switch a.kind {
	case ExpiredCertificate:
		t.NotAfter = now.Add(-time.Hour)
	case ForeignCertificate:
		var err error
		if ca, key, err = newCA("adtest foreign"); err != nil {
			return nil, err
		}
	case WrongNameCertificate:
		t.Subject.CommonName, t.DNSNames, t.IPAddresses = "other.invalid", []string{"other.invalid"}, nil
	}
	c, err := a.issue(t, ca, key)
	if err != nil {
		return nil, err
	}
	a.leaf[host] = c
	return c, nil
}

func (a *authority) issue(t *x509.Certificate, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a.serial++
	t.SerialNumber = big.NewInt(a.serial + 1)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, ca, key.Public(), caKey)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// serverConfig is the TLS configuration of one domain controller.
func (s *Server) serverConfig() *tls.Config {
	pool := s.CertPool()
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.tls.server(s.DNSHostName()) },
	}
}

// ClientCertificate issues a certificate with which the account can bind by SASL EXTERNAL. The
// server maps it by its subject, CN=<account name>.
func (s *Server) ClientCertificate(account string) (tls.Certificate, error) {
	s.dir.mu.RLock()
	a := s.dir.accounts[fold(account)]
	s.dir.mu.RUnlock()
	if a == nil {
		return tls.Certificate{}, fmt.Errorf("adtest: %s is no account", quote(account))
	}
	s.tls.mu.Lock()
	defer s.tls.mu.Unlock()
	now := time.Now()
	c, err := s.tls.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: a.Name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, s.tls.ca, s.tls.caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	return *c, nil
}
