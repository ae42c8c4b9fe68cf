package scepclient_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"testing"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/sceptest"
)

// fuzzReplies returns the real bytes of every case, which differ in each run in nonces and signatures only.
func fuzzReplies(f *testing.F) (replies [][]byte, ca *sceptest.CA, req sceptest.Request) {
	f.Helper()
	ca = sceptest.New(f, sceptest.Config{})
	cl := client(ca)
	if _, err := cl.Enrol(f.Context(), request()); err != nil {
		f.Fatal(err)
	}
	req = ca.Requests()[0]
	for _, c := range append(sceptest.Cases(), sceptest.PolicyCases()...) {
		replies = append(replies, c.Reply(req))
	}
	return append(replies, ca.Failure(req, 2, "Grund"), ca.Pending(req)), ca, req
}

// FuzzReply puts bytes through everything that happens to a reply.
func FuzzReply(f *testing.F) {
	replies, ca, req := fuzzReplies(f)
	for _, r := range replies {
		f.Add(r)
	}
	f.Add([]byte("<html>"))
	f.Add([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff})
	open, err := scepclient.ReplyOpener(client(ca), ca.Issuing, req.Signer, deviceKey(), req.TransactionID, req.SenderNonce)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) { _ = open(b) })
}

func FuzzParseCACerts(f *testing.F) {
	ca := sceptest.New(f, sceptest.Config{RA: true})
	f.Add(ca.Issuing.Raw)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	replies, _, _ := fuzzReplies(f)
	f.Add(replies[0])
	trust := scepclient.Trust{Insecure: true}
	f.Fuzz(func(t *testing.T, b []byte) {
		certs, _, err := scepclient.ParseCACerts(b)
		if (err == nil) == (len(certs) == 0) {
			t.Fatal("neither certificates nor error, or both")
		}
		if err == nil {
			_, _ = trust.Authenticate(certs, certs[0].NotBefore)
		}
	})
}

func FuzzParseCapabilities(f *testing.F) {
	f.Add([]byte("AES\r\nPOSTPKIOperation\r\n"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := scepclient.ParseCapabilities(b)
		for _, k := range c.Keywords {
			if !c.Has(k) {
				t.Fatalf("%q", k)
			}
		}
		_, _, _ = scepclient.Policy{}.Choose(c)
	})
}

func FuzzParseTransaction(f *testing.F) {
	ca := sceptest.New(f, sceptest.Config{})
	cl := client(ca)
	iss, err := cl.Enrol(f.Context(), request())
	if err != nil {
		f.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(iss.Certificate.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	good, err := json.Marshal(scepclient.Transaction{Version: 1, URL: "http://x/", TransactionID: "A", SignerCertificate: iss.Certificate.Raw, Subject: iss.Certificate.RawSubject, PublicKey: spki})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		tx, err := scepclient.ParseTransaction(b)
		if (tx == nil) == (err == nil) {
			t.Fatal("neither transaction nor error, or both")
		}
	})
}

func FuzzSIDExtension(f *testing.F) {
	f.Add([]byte{0x30, 0x05, 0xa0, 0x03, 0x06, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &x509.Certificate{}
		c.Extensions = append(c.Extensions, extension(b))
		scepclient.SIDs(c)
	})
}

func extension(b []byte) pkix.Extension {
	return pkix.Extension{Id: scepclient.OIDSIDExtension, Value: b}
}
