package scepclient

import (
	"crypto"
	"crypto/x509"
)

// ReplyOpener returns a function that puts a reply through every check, for fuzzing and benchmarks.
func ReplyOpener(c *Client, ca, signer *x509.Certificate, key crypto.Signer, tid string, nonce []byte) (func([]byte) error, error) {
	pair, err := newSigner(signer, key)
	if err != nil {
		return nil, err
	}
	s := &session{c: c, ca: &CASet{Received: []*x509.Certificate{ca}, CA: ca, Signers: []*x509.Certificate{ca}, Anchors: []*x509.Certificate{ca}}}
	return func(body []byte) error {
		rep, err := s.openReply(&message{tid: tid, nonce: nonce, signer: pair}, body)
		if err != nil || rep.content == nil {
			return err
		}
		_, err = s.issued(rep, signer.PublicKey)
		return err
	}, nil
}
