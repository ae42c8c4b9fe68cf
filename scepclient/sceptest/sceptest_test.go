package sceptest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/sceptest"
)

var keys = sync.OnceValues(func() ([2]*rsa.PrivateKey, error) {
	a, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return [2]*rsa.PrivateKey{}, err
	}
	b, err := rsa.GenerateKey(rand.Reader, 2048)
	return [2]*rsa.PrivateKey{a, b}, err
})

func client(ca *sceptest.CA) *scepclient.Client {
	return &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Policy: scepclient.PolicyNDES(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
}

func request(t *testing.T, challenge string) scepclient.Request {
	t.Helper()
	k, err := keys()
	require.NoError(t, err)
	return scepclient.Request{Key: k[0], Challenge: scepclient.NewSecret(challenge), Template: scepclient.Template{Subject: pkix.Name{CommonName: "a"}}}
}

func TestChallenges(t *testing.T) {
	for name, c := range map[string]struct {
		cfg       sceptest.Config
		challenge string
		ok        []bool // one request after the other
	}{
		"static":         {sceptest.Config{}, "secret", []bool{true, true}},
		"wrong":          {sceptest.Config{}, "other", []bool{false}},
		"one time":       {sceptest.Config{OneTime: true, Challenges: []string{"x"}}, "x", []bool{true, false}},
		"none is needed": {sceptest.Config{Challenges: []string{}}, "", []bool{true, true}},
	} {
		ca := sceptest.New(t, c.cfg)
		for i, ok := range c.ok {
			_, err := client(ca).Enrol(t.Context(), request(t, c.challenge))
			require.Equal(t, ok, err == nil, "%s, request %d: %v", name, i+1, err)
		}
	}
}

// TestRenewalIsForHolders: a certificate of another CA does not renew here.
func TestRenewalIsForHolders(t *testing.T) {
	k, err := keys()
	require.NoError(t, err)
	other, err := client(sceptest.New(t, sceptest.Config{})).Enrol(t.Context(), request(t, "secret"))
	require.NoError(t, err)
	ca := sceptest.New(t, sceptest.Config{})
	r := scepclient.Renewal{Certificate: other.Certificate, OldKey: k[0]}
	r.Key = k[1]
	_, err = client(ca).Renew(t.Context(), r)
	require.ErrorIs(t, err, scepclient.ErrFailure)
	require.Empty(t, ca.Issued())
}

func TestHTTP(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
	u, err := ca.Listen("")
	require.NoError(t, err)
	_, err = ca.Listen("")
	require.Error(t, err, "it listens once")
	for query, want := range map[string]int{"": 403, "?operation=GetCACaps": 200, "?operation=getcacaps": 500, "?operation=PKIOperation&message=%21": 400, "?operation=PKIOperation&message=AAAA": 500, "?operation=GetNextCACert": 500} {
		resp, err := http.Get(u + query)
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode, query)
		if strings.HasSuffix(query, "GetCACaps") {
			require.Contains(t, string(b), "DES3\r\n")
			require.NotContains(t, string(b), "AES")
		}
	}
	_, err = sceptest.New(t, sceptest.Config{}).Listen("0.0.0.0:0")
	require.ErrorContains(t, err, "loopback")
	ca.Close()
	ca.Close()
}

func TestCasesAreThirtyTwo(t *testing.T) {
	accept, names := 0, map[string]bool{}
	for _, c := range sceptest.Cases() {
		if c.Accept {
			accept++
		}
		require.False(t, names[c.Name], c.Name)
		require.NotEmpty(t, c.Why)
		names[c.Name] = true
		ca := sceptest.New(t, sceptest.Config{RA: true, Reply: c.Reply})
		cl := client(ca)
		_, err := cl.Enrol(t.Context(), request(t, ""))
		require.Equal(t, c.Accept, err == nil, "%s: %v", c.Name, err)
		require.Len(t, ca.Requests(), 1)
	}
	require.Len(t, names, 32)
	require.Equal(t, 13, accept)
}

func TestBrokenConfigurationIsAnError(t *testing.T) {
	failed := ""
	sceptest.New(tb{t, &failed}, sceptest.Config{})
	require.Empty(t, failed)
	ca, err := sceptest.NewCA(sceptest.Config{Order: []int{-1, 99}})
	require.NoError(t, err)
	_, err = client(ca).GetCACert(t.Context())
	require.Error(t, err, "an answer without certificates")
}

type tb struct {
	*testing.T
	failed *string
}

func (b tb) Fatalf(format string, args ...any) { *b.failed = fmt.Sprintf(format, args...) }

func ExampleNewCA() {
	ca, err := sceptest.NewCA(sceptest.Config{Mode: sceptest.NDES})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ca.Close()
	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client()}
	caps, err := c.GetCACaps(context.Background())
	fmt.Println(caps, err)
	fmt.Println(ca.RASign.KeyUsage == x509.KeyUsageDigitalSignature, ca.RAEncrypt.KeyUsage == x509.KeyUsageKeyEncipherment)
	// Output:
	// POSTPKIOperation Renewal SHA-512 SHA-256 SHA-1 DES3 <nil>
	// true true
}
