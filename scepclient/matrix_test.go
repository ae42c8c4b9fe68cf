package scepclient_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/sceptest"
)

// deviceKey is shared: making a key costs more than everything else in a test.
var deviceKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey() })

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func client(ca *sceptest.CA) *scepclient.Client {
	return &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
}

func request() scepclient.Request {
	return scepclient.Request{
		Key: deviceKey(), Challenge: scepclient.NewSecret("secret"),
		Template: scepclient.Template{
			Subject:  pkix.Name{Organization: []string{"Ashdown Vale"}, CommonName: "laptop-0042.ashdown.example"},
			DNSNames: []string{"laptop-0042.ashdown.example"},
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		},
	}
}

// TestMatrix is the live hostile matrix: 13 replies to accept, 19 to reject, no crash.
func TestMatrix(t *testing.T) {
	accepted, rejected := 0, 0
	checks := map[string]scepclient.Check{
		"nonce-mismatch": scepclient.CheckNonce, "nonce-missing": scepclient.CheckNonce,
		"tid-mismatch": scepclient.CheckTransactionID, "tid-prefix": scepclient.CheckTransactionID,
		"wrong-key": scepclient.CheckKey, "other-ca": scepclient.CheckChain, "expired": scepclient.CheckDates,
		"unknown-signer": scepclient.CheckSigner, "enrolled-client-signer": scepclient.CheckSigner,
		"bad-signature": scepclient.CheckSignature, "bad-digest": scepclient.CheckSignature,
		"msgtype-19": scepclient.CheckMessageType, "msgtype-99": scepclient.CheckMessageType, "status-1": scepclient.CheckStatus,
		"contenttype-attr": scepclient.CheckSignature, "dup-nonce": scepclient.CheckSignature,
		"empty-degenerate": scepclient.CheckContent, "truncated": scepclient.CheckDecrypt, "bad-padding": scepclient.CheckDecrypt,
	}
	for _, c := range sceptest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			ca := sceptest.New(t, sceptest.Config{RA: true, Reply: c.Reply})
			iss, err := client(ca).Enrol(t.Context(), request())
			if c.Accept {
				require.NoError(t, err, c.Why)
				require.True(t, deviceKey().PublicKey.Equal(iss.Certificate.PublicKey))
				require.True(t, iss.Chain[len(iss.Chain)-1].Equal(ca.Issuing))
				accepted++
				return
			}
			require.Nil(t, iss, c.Why)
			require.ErrorIs(t, err, scepclient.ErrReply, c.Why)
			var re *scepclient.ReplyError
			require.ErrorAs(t, err, &re)
			require.Equal(t, checks[c.Name], re.Check, re.Error())
			rejected++
		})
	}
	require.Equal(t, 13, accepted)
	require.Equal(t, 19, rejected)
}
