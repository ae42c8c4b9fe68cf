package scepclient_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/ndes"
	"go.internal/hybridkit/scepclient/sceptest"
)

// enrolWithNDES is a whole enrolment with NDES: a one-time password from the password page, then the certificate.
func enrolWithNDES(ctx context.Context, key *rsa.PrivateKey, pin, user, password string) (*scepclient.Issued, error) {
	e, err := ndes.ParseEndpoint("ndes01.ashdown.example")
	if err != nil {
		return nil, err
	}
	page, err := (&ndes.Admin{URL: e.Admin, Username: user, Password: scepclient.NewSecret(password)}).Challenge(ctx)
	if err != nil {
		return nil, err
	}
	c := &scepclient.Client{URL: e.Enrol, Trust: scepclient.Trust{Pins: []string{pin}}, Policy: scepclient.PolicyNDES()}
	return c.Enrol(ctx, scepclient.Request{
		Key: key, Challenge: page.Challenge,
		Template: scepclient.Template{Subject: pkix.Name{CommonName: "laptop-0042"}, KeyUsage: x509.KeyUsageDigitalSignature},
	})
}

func ExampleClient_Enrol_ndes() {
	_ = enrolWithNDES // as above, against a server that exists
	// The same against a test CA in NDES mode, without a network:
	ca, err := sceptest.NewCA(sceptest.Config{Mode: sceptest.NDES})
	if err != nil {
		log.Fatal(err)
	}
	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}, Policy: scepclient.PolicyNDES()}
	iss, err := c.Enrol(context.Background(), scepclient.Request{
		Key: deviceKey(), Challenge: scepclient.NewSecret(ca.NewChallenge()),
		Template: scepclient.Template{Subject: pkix.Name{CommonName: "laptop-0042"}, KeyUsage: x509.KeyUsageDigitalSignature},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(iss.Certificate.Subject, iss.Chain[0].Subject.CommonName)
	for _, w := range iss.Warnings {
		fmt.Println(w)
	}
	// Output:
	// CN=laptop-0042 Ashdown Vale Issuing CA 1
	// weak-request: the request was encrypted with 3DES: the CA offers nothing better
	// weak-reply-cipher: the reply is encrypted with 3DES
}

func ExampleClient_Renew() {
	ca, err := sceptest.NewCA(sceptest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
	old, err := c.Enrol(context.Background(), scepclient.Request{Key: deviceKey(), Challenge: scepclient.NewSecret("secret"), Template: scepclient.Template{Subject: pkix.Name{CommonName: "laptop-0042"}}})
	if err != nil {
		log.Fatal(err)
	}
	next, err := c.Renew(context.Background(), scepclient.Renewal{
		Certificate: old.Certificate, OldKey: deviceKey(),
		Request: scepclient.Request{Key: secondKey(), Template: scepclient.TemplateOf(old.Certificate)},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(next.Message, next.Certificate.Subject)
	// Output: RenewalReq CN=laptop-0042
}

func ExampleExplain() {
	ca, err := sceptest.NewCA(sceptest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
	_, err = c.Enrol(context.Background(), scepclient.Request{Key: deviceKey(), Challenge: scepclient.NewSecret("used before")})
	fmt.Println(err)
	if fe, ok := errors.AsType[*scepclient.FailureError](err); ok {
		fmt.Println(fe.FailInfo == scepclient.BadRequest)
	}
	if e, ok := scepclient.Explain(err); ok {
		fmt.Println(e.ID)
	}
	// Output:
	// scepclient: PKCSReq refused: badRequest ("challenge password rejected")
	// true
	// bad-request
}
