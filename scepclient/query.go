package scepclient

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"github.com/smallstep/scep"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A Query identifies the client of GetCert and GetCRL: the certificate and key that sign the request and
// open the reply. The certificate is usually one this CA issued.
type Query struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// GetCert fetches the certificate with the given serial number from the CA (RFC 8894, 3.3.4) and checks
// serial, issuer and chain. Of NDES no reliable report of support exists; micromdm scepserver and step-ca
// answer with an error.
func (c *Client) GetCert(ctx context.Context, q Query, serial *big.Int) (*x509.Certificate, error) {
	s, rep, err := c.query(ctx, scep.GetCert, q, nil, serial)
	if err != nil {
		return nil, err
	}
	defer s.close()
	certs, _, err := parseCerts(rep.content.Certificates)
	if err != nil {
		return nil, err
	}
	for _, cert := range certs {
		if cert.SerialNumber.Cmp(serial) != 0 || !bytes.Equal(cert.RawIssuer, s.ca.CA.RawSubject) {
			continue
		}
		// The certificate may be expired by now, which is no fault of the answer: its chain is checked
		// for the last moment it was valid.
		at := s.c.now()
		if at.After(cert.NotAfter) {
			at = cert.NotAfter
		}
		if _, err := s.ca.chain(cert, certs, at); err != nil {
			return nil, &ReplyError{Check: CheckChain, Detail: "certificate does not chain to the pinned CA", Err: err}
		}
		return cert, nil
	}
	return nil, &ReplyError{Check: CheckContent, Detail: fmt.Sprintf("no certificate with serial number %X of this CA in the reply", serial)}
}

// GetCRL fetches the CRL that covers the certificate of this CA with the given issuer name and serial number
// (RFC 8894, 3.3.5) and checks that the CA signed it and that it is current. Use the certificate's CRL
// distribution points where there are any.
func (c *Client) GetCRL(ctx context.Context, q Query, of *x509.Certificate) (*x509.RevocationList, error) {
	s, rep, err := c.query(ctx, scep.GetCRL, q, of.RawIssuer, of.SerialNumber)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if len(rep.content.CRLs) == 0 {
		return nil, &ReplyError{Check: CheckContent, Detail: "no CRL in the reply"}
	}
	var best *x509.RevocationList
	var why error
	for _, der := range rep.content.CRLs {
		crl, err := x509.ParseRevocationList(der)
		if err == nil {
			err = s.checkCRL(crl)
		}
		switch {
		case err != nil:
			why = errors.Join(why, err)
		case best == nil || crl.ThisUpdate.After(best.ThisUpdate):
			best = crl
		}
	}
	if best == nil {
		return nil, &ReplyError{Check: CheckCRL, Detail: "no acceptable CRL", Err: why}
	}
	return best, nil
}

func (s *session) checkCRL(crl *x509.RevocationList) error {
	signer := s.ca.CA
	if !bytes.Equal(crl.RawIssuer, signer.RawSubject) {
		return fmt.Errorf("CRL of %q, want %q", crl.Issuer, signer.Subject)
	}
	if err := crl.CheckSignatureFrom(signer); err != nil {
		return err
	}
	now := s.c.now()
	if now.Add(defaultSkew).Before(crl.ThisUpdate) || (!crl.NextUpdate.IsZero() && now.After(crl.NextUpdate)) {
		return fmt.Errorf("CRL is for %s to %s, now is %s", stamp(crl.ThisUpdate), stamp(crl.NextUpdate), stamp(now))
	}
	return nil
}

// query sends IssuerAndSerialNumber. issuer nil is the CA's subject.
func (c *Client) query(ctx context.Context, typ scep.MessageType, q Query, issuer []byte, serial *big.Int) (*session, *certRep, error) {
	if q.Certificate == nil || serial == nil {
		return nil, nil, &PolicyError{What: "Query.Certificate and a serial number are needed"}
	}
	signer, err := newSigner(q.Certificate, q.Key)
	if err != nil {
		return nil, nil, err
	}
	s, err := c.open(ctx, c.urls())
	if err != nil {
		return nil, nil, err
	}
	if issuer == nil {
		issuer = s.ca.CA.RawSubject
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(issuer)
		b.AddASN1BigInt(serial)
	})
	data, err := b.Bytes()
	var rep *certRep
	if err == nil {
		rep, err = s.exchange(ctx, newMessage(typ, newTransactionID(), signer), data)
	}
	if err == nil && rep.status != scep.SUCCESS {
		err = &FailureError{FailInfo: rep.failInfo, Text: rep.text, Operation: messageName(typ)}
		if rep.status == scep.PENDING {
			err = &ReplyError{Check: CheckStatus, Detail: messageName(typ) + " answered with PENDING"}
		}
	}
	if err != nil {
		s.close()
		var he *HTTPError
		if errors.As(err, &he) {
			err = errors.Join(ErrUnsupported, err)
		}
		return nil, nil, err
	}
	return s, rep, nil
}
