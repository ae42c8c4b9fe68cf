package scepclient_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smallstep/scep"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/sceptest"
)

func TestEnrolSendsWhatThePolicySays(t *testing.T) {
	ndes := scepclient.PolicyNDES()
	for name, c := range map[string]struct {
		cfg            sceptest.Config
		policy         scepclient.Policy
		cipher, digest string
		warn           []string
		err            error
	}{
		"rfc default":             {sceptest.Config{}, scepclient.Policy{}, "AES-128-CBC", "SHA-256", nil, nil},
		"aes-256 and sha-512":     {sceptest.Config{}, scepclient.Policy{Cipher: scepclient.AES256, Digest: scepclient.SHA512}, "AES-256-CBC", "SHA-512", nil, nil},
		"no capabilities":         {sceptest.Config{Capabilities: []string{}}, scepclient.Policy{}, "AES-128-CBC", "SHA-256", nil, nil},
		"caps error":              {sceptest.Config{Status: statusFor("GetCACaps", 404)}, scepclient.Policy{AssumeCapabilities: []string{"POSTPKIOperation", "AES", "SHA-256"}}, "AES-128-CBC", "SHA-256", nil, nil},
		"ndes by default policy":  {sceptest.Config{Mode: sceptest.NDES}, scepclient.Policy{}, "", "", nil, scepclient.ErrPolicy},
		"ndes":                    {sceptest.Config{Mode: sceptest.NDES}, ndes, "3DES-CBC", "SHA-256", []string{scepclient.WarnWeakRequest, scepclient.WarnWeakReplyCipher}, nil},
		"old ndes":                {sceptest.Config{Mode: sceptest.NDES, Capabilities: []string{"POSTPKIOperation", "SHA-1", "DES3"}}, ndes, "3DES-CBC", "SHA-1", []string{scepclient.WarnWeakRequest, scepclient.WarnWeakReplyCipher, scepclient.WarnWeakReplyDigest}, nil},
		"sha-1 only":              {sceptest.Config{Capabilities: []string{"POSTPKIOperation", "AES", "SHA-1"}}, scepclient.Policy{}, "", "", nil, scepclient.ErrPolicy},
		"standard required":       {sceptest.Config{Capabilities: []string{"AES"}}, scepclient.Policy{RequireSCEPStandard: true}, "", "", nil, scepclient.ErrPolicy},
		"single DES reply":        {sceptest.Config{WeakReplies: true}, scepclient.Policy{}, "AES-128-CBC", "SHA-256", nil, scepclient.ErrReply},
		"single DES reply, taken": {sceptest.Config{WeakReplies: true}, scepclient.Policy{Reply: scepclient.ReplyLenient}, "AES-128-CBC", "SHA-256", []string{scepclient.WarnWeakReplyCipher, scepclient.WarnWeakReplyDigest}, nil},
		"strict reply":            {sceptest.Config{}, scepclient.Policy{Reply: scepclient.ReplyStrict}, "AES-128-CBC", "SHA-256", nil, nil},
		"strict reply, 3DES":      {sceptest.Config{Mode: sceptest.NDES}, scepclient.Policy{AllowTripleDES: true, Reply: scepclient.ReplyStrict}, "3DES-CBC", "SHA-256", nil, scepclient.ErrReply},
	} {
		t.Run(name, func(t *testing.T) {
			ca := sceptest.New(t, c.cfg)
			cl := client(ca)
			cl.Policy = c.policy
			iss, err := cl.Enrol(t.Context(), request())
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
			} else {
				require.NoError(t, err)
				var codes []string
				for _, w := range iss.Warnings {
					codes = append(codes, w.Code)
				}
				require.Equal(t, c.warn, codes)
			}
			if c.cipher == "" {
				require.Empty(t, ca.Requests(), "nothing may be sent")
				return
			}
			r := ca.Requests()[0]
			require.Equal(t, c.cipher, r.Cipher)
			require.Equal(t, c.digest, r.Digest)
			require.Equal(t, 1, r.Recipients)
			require.Len(t, r.SenderNonce, 16)
			require.Regexp(t, "^[0-9A-F]{40}$", r.TransactionID)
		})
	}
}

func statusFor(op string, code int) func(string) int {
	return func(o string) int {
		if o == op {
			return code
		}
		return 0
	}
}

func TestMethodFollowsCapabilities(t *testing.T) {
	for method, caps := range map[string][]string{"POST": {"SCEPStandard"}, "GET": {"AES", "SHA-256"}} {
		ca := sceptest.New(t, sceptest.Config{Capabilities: caps})
		_, err := client(ca).Enrol(t.Context(), request())
		require.NoError(t, err)
		require.Equal(t, method, ca.Requests()[0].Method)
	}
}

func TestEnrolOverLoopback(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{})
	u, err := ca.Listen("")
	require.NoError(t, err)
	cl := &scepclient.Client{URL: u + "?profile=a", Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
	_, err = cl.Enrol(t.Context(), request())
	require.NoError(t, err)
}

func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := sceptest.New(t, sceptest.Config{Pending: 3})
		req := request()
		saved := 0
		req.OnPending = func(tx *scepclient.Transaction, wait time.Duration) error {
			require.Equal(t, time.Minute, wait)
			saved++
			return nil
		}
		start := time.Now()
		iss, err := client(ca).Enrol(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, 3*time.Minute, time.Since(start))
		require.Equal(t, 3, saved)
		require.Equal(t, 3, iss.Polls)
		require.Equal(t, "CertPoll", iss.Message)
		reqs := ca.Requests()
		require.Len(t, reqs, 4)
		for _, r := range reqs[1:] {
			require.Equal(t, "20", r.MessageType)
			require.Equal(t, reqs[0].TransactionID, r.TransactionID)
			require.True(t, r.Signer.Equal(reqs[0].Signer))
			require.NotEqual(t, reqs[0].SenderNonce, r.SenderNonce)
		}
	})
}

func TestResumeAfterRestart(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{ManualApproval: true})
	cl := client(ca)
	cl.Poll = func(int) (time.Duration, bool) { return 0, false }
	_, err := cl.Enrol(t.Context(), request())
	var pe *scepclient.PendingError
	require.ErrorAs(t, err, &pe)
	require.ErrorIs(t, err, scepclient.ErrPending)

	saved, err := json.Marshal(pe.Transaction)
	require.NoError(t, err)
	require.NotContains(t, string(saved), "secret")
	tx, err := scepclient.ParseTransaction(saved)
	require.NoError(t, err)

	_, err = cl.Resume(t.Context(), tx, newKey(), nil)
	require.ErrorIs(t, err, scepclient.ErrKey)
	_, err = cl.Resume(t.Context(), tx, deviceKey(), nil)
	require.ErrorIs(t, err, scepclient.ErrPending)
	ca.Approve(tx.TransactionID)
	iss, err := cl.Resume(t.Context(), tx, deviceKey(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, iss.Polls)
	_, err = cl.Resume(t.Context(), tx, deviceKey(), nil)
	var fe *scepclient.FailureError
	require.ErrorAs(t, err, &fe)
	require.Equal(t, scepclient.BadCertID, fe.FailInfo)
}

func TestPollingEndsWithTheContext(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{Pending: 100})
	ctx, cancel := context.WithCancel(t.Context())
	req := request()
	req.OnPending = func(*scepclient.Transaction, time.Duration) error { cancel(); return nil }
	_, err := client(ca).Enrol(ctx, req)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, scepclient.ErrPending)
}

func TestParseTransactionRefuses(t *testing.T) {
	for _, s := range []string{"", "{}", `{"version":1}`, `{"version":2,"url":"x","transactionId":"A"}`, `{"version":1,"url":"x","transactionId":"A","signerCertificate":"AAAA"}`, "null", "[]"} {
		_, err := scepclient.ParseTransaction([]byte(s))
		require.Error(t, err, s)
	}
}

func enrolled(t *testing.T, ca *sceptest.CA) *scepclient.Issued {
	t.Helper()
	iss, err := client(ca).Enrol(t.Context(), request())
	require.NoError(t, err)
	return iss
}

func renewal(iss *scepclient.Issued, key crypto.Signer) scepclient.Renewal {
	return scepclient.Renewal{
		Certificate: iss.Certificate, OldKey: deviceKey(),
		Request: scepclient.Request{Key: key, Template: scepclient.TemplateOf(iss.Certificate)},
	}
}

var secondKey = sync.OnceValue(newKey)

func TestRenew(t *testing.T) {
	refuse := func(types ...string) func(sceptest.Request) []byte {
		return func(r sceptest.Request) []byte {
			for _, typ := range types {
				if r.MessageType == typ && len(r.CA.Issued()) > 0 && r.Signer.Equal(r.CA.Issued()[0]) {
					return r.CA.Failure(r, 2, "not this way")
				}
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		cfg       sceptest.Config
		change    func(*scepclient.Renewal)
		want      string
		types     []string
		challenge int // how often the challenge was sent
		err       error
	}{
		"renewalreq":     {cfg: sceptest.Config{}, want: "RenewalReq", types: []string{"17"}},
		"not advertised": {cfg: sceptest.Config{Capabilities: []string{"AES", "SHA-256", "POSTPKIOperation"}}, want: "PKCSReq", types: []string{"19"}},
		"old style":      {cfg: sceptest.Config{Reply: refuse("17")}, want: "PKCSReq", types: []string{"17", "19"}},
		"fresh": {cfg: sceptest.Config{Reply: refuse("17", "19")}, want: "PKCSReq", types: []string{"17", "19", "19"}, challenge: 1,
			change: func(r *scepclient.Renewal) { r.Challenge = scepclient.NewSecret("secret") }},
		"no challenge left": {cfg: sceptest.Config{Reply: refuse("17", "19")}, types: []string{"17", "19", "19"}, err: scepclient.ErrFailure},
		"step-ca": {cfg: sceptest.Config{RenewalNeedsChallenge: true}, want: "RenewalReq", types: []string{"17"}, challenge: 1,
			change: func(r *scepclient.Renewal) {
				r.Challenge = scepclient.NewSecret("secret")
				r.Steps = []scepclient.RenewalStep{scepclient.StepRenewalReqChallenge}
			}},
		"one-time challenge is sent once": {cfg: sceptest.Config{RenewalNeedsChallenge: true}, types: []string{"17"}, challenge: 1, err: scepclient.ErrNoChallenge,
			change: func(r *scepclient.Renewal) {
				r.Challenge = scepclient.NewSecret("used")
				r.Steps = []scepclient.RenewalStep{scepclient.StepRenewalReqChallenge, scepclient.StepFresh}
			}},
		"reusable challenge": {cfg: sceptest.Config{Reply: refuse("17")}, want: "PKCSReq", types: []string{"17", "19"}, challenge: 2,
			change: func(r *scepclient.Renewal) {
				r.Challenge, r.ReusableChallenge = scepclient.NewSecret("secret"), true
				r.Steps = []scepclient.RenewalStep{scepclient.StepRenewalReqChallenge, scepclient.StepFresh}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			ca := sceptest.New(t, c.cfg)
			old := enrolled(t, ca)
			before := len(ca.Requests())
			r := renewal(old, secondKey())
			if c.change != nil {
				c.change(&r)
			}
			iss, err := client(ca).Renew(t.Context(), r)
			var types []string
			sent := 0
			for _, m := range ca.Requests()[before:] {
				types = append(types, m.MessageType)
				if m.Challenge != "" {
					sent++
				}
			}
			require.Equal(t, c.types, types)
			require.Equal(t, c.challenge, sent)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, iss.Message)
			require.True(t, secondKey().PublicKey.Equal(iss.Certificate.PublicKey))
			require.Equal(t, old.Certificate.RawSubject, iss.Certificate.RawSubject)
			require.Equal(t, old.Certificate.DNSNames, iss.Certificate.DNSNames)
		})
	}
}

func TestRenewStopsAtAReplyThatMustNotBeBelieved(t *testing.T) {
	bad := false
	ca := sceptest.New(t, sceptest.Config{RA: true, Reply: func(r sceptest.Request) []byte {
		if bad {
			return sceptest.Cases()[13].Reply(r) // nonce-mismatch
		}
		return nil
	}})
	old := enrolled(t, ca)
	bad = true
	before := len(ca.Requests())
	_, err := client(ca).Renew(t.Context(), renewal(old, secondKey()))
	require.ErrorIs(t, err, scepclient.ErrReply)
	require.Len(t, ca.Requests(), before+1)
}

func TestQueries(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{NextCA: true})
	iss := enrolled(t, ca)
	cl, q := client(ca), scepclient.Query{Certificate: iss.Certificate, Key: deviceKey()}

	got, err := cl.GetCert(t.Context(), q, iss.Certificate.SerialNumber)
	require.NoError(t, err)
	require.True(t, got.Equal(iss.Certificate))
	_, err = cl.GetCert(t.Context(), q, big.NewInt(5))
	require.ErrorIs(t, err, scepclient.ErrFailure)

	ca.Revoke(big.NewInt(4242))
	crl, err := cl.GetCRL(t.Context(), q, iss.Certificate)
	require.NoError(t, err)
	require.Len(t, crl.RevokedCertificateEntries, 1)
	require.Equal(t, int64(4242), crl.RevokedCertificateEntries[0].SerialNumber.Int64())

	next, err := cl.GetNextCACert(t.Context())
	require.NoError(t, err)
	require.Len(t, next, 1)
	require.True(t, next[0].Equal(ca.Next))

	ca = sceptest.New(t, sceptest.Config{})
	_, err = client(ca).GetNextCACert(t.Context())
	require.ErrorIs(t, err, scepclient.ErrUnsupported)
}

func TestOldCRLIsRefused(t *testing.T) {
	old := sceptest.New(t, sceptest.Config{})
	iss := enrolled(t, old)
	cl := client(old)
	cl.Now = func() time.Time { return time.Now().AddDate(0, 0, 10) } // the CRL lasts a week, the certificate a month
	_, err := cl.GetCRL(t.Context(), scepclient.Query{Certificate: iss.Certificate, Key: deviceKey()}, iss.Certificate)
	var re *scepclient.ReplyError
	require.ErrorAs(t, err, &re)
	require.Equal(t, scepclient.CheckCRL, re.Check)
}

// signOnly is a key that cannot decrypt, as in some TPMs.
type signOnly struct{ k crypto.Signer }

func (s signOnly) Public() crypto.PublicKey { return s.k.Public() }
func (s signOnly) Sign(r io.Reader, d []byte, o crypto.SignerOpts) ([]byte, error) {
	return s.k.Sign(r, d, o)
}

func TestKeysThatCannotDecrypt(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]crypto.Signer{"ec": ec, "sign only": signOnly{deviceKey()}} {
		t.Run(name, func(t *testing.T) {
			ca := sceptest.New(t, sceptest.Config{})
			req := request()
			req.Key = key
			_, err := client(ca).Enrol(t.Context(), req)
			require.ErrorIs(t, err, scepclient.ErrPolicy)
			require.Empty(t, ca.Requests())

			req.TransportKey = secondKey()
			iss, err := client(ca).Enrol(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, key.Public(), iss.Certificate.PublicKey)
		})
	}
}

func TestFailure(t *testing.T) {
	for _, empty := range []bool{false, true} {
		ca := sceptest.New(t, sceptest.Config{EmptyContent: empty})
		req := request()
		req.Challenge = scepclient.NewSecret("wrong")
		_, err := client(ca).Enrol(t.Context(), req)
		var fe *scepclient.FailureError
		require.ErrorAs(t, err, &fe)
		require.Equal(t, scepclient.BadRequest, fe.FailInfo)
		require.Equal(t, "challenge password rejected", fe.Text)
		require.NotContains(t, err.Error(), "wrong")
	}
	// A number RFC 8894 does not know is kept and printed, not fatal.
	ca := sceptest.New(t, sceptest.Config{Reply: func(r sceptest.Request) []byte { return r.CA.Failure(r, 9, "Gerät unbekannt") }})
	_, err := client(ca).Enrol(t.Context(), request())
	require.ErrorContains(t, err, `failInfo(9) ("Gerät unbekannt")`)
}

func TestOneTimeChallenge(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES, Challenges: []string{}})
	cl := client(ca)
	cl.Policy = scepclient.PolicyNDES()
	req := request()
	req.Challenge = scepclient.NewSecret(ca.NewChallenge())
	_, err := cl.Enrol(t.Context(), req)
	require.NoError(t, err)
}

// flaky loses answers or refuses connections.
type flaky struct {
	next http.RoundTripper
	lose func(*http.Request) error
	sent int
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.next.RoundTrip(r)
	if e := f.lose(r); e != nil {
		f.sent++
		return nil, e
	}
	return resp, err
}

func TestLostAnswerIsNotSentAgain(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{})
	cl := client(ca)
	fl := &flaky{next: ca.Client().Transport, lose: func(r *http.Request) error {
		if strings.Contains(r.URL.RawQuery, "PKIOperation") {
			return errors.New("connection reset")
		}
		return nil
	}}
	cl.HTTPClient = &http.Client{Transport: fl}
	cl.URLs = []string{ca.URL()} // a second server must not get it either
	_, err := cl.Enrol(t.Context(), request())
	var ue *scepclient.UnclearError
	require.ErrorAs(t, err, &ue)
	require.Equal(t, 1, fl.sent)
	require.Equal(t, ca.Requests()[0].TransactionID, ue.TransactionID)
}

func TestNextServer(t *testing.T) {
	down := sceptest.New(t, sceptest.Config{Status: func(string) int { return 503 }})
	up := sceptest.New(t, sceptest.Config{})
	a, err := down.Listen("")
	require.NoError(t, err)
	b, err := up.Listen("")
	require.NoError(t, err)
	cl := &scepclient.Client{URLs: []string{"http://127.0.0.1:1/scep", a, b}, Trust: scepclient.Trust{Pins: []string{up.Pin()}}}
	iss, err := cl.Enrol(t.Context(), request())
	require.NoError(t, err)
	require.NotNil(t, iss)
	require.Len(t, up.Requests(), 1)

	cl.URLs = cl.URLs[:2]
	_, err = cl.Enrol(t.Context(), request())
	var he *scepclient.HTTPError
	require.ErrorAs(t, err, &he)
	require.Equal(t, 503, he.Status)
}

func TestParallelPolicies(t *testing.T) {
	rfc := sceptest.New(t, sceptest.Config{})
	ndes := sceptest.New(t, sceptest.Config{Mode: sceptest.NDES})
	weak := sceptest.New(t, sceptest.Config{WeakReplies: true})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			ca, p := rfc, scepclient.Policy{Cipher: scepclient.Cipher(i % 2), Digest: scepclient.Digest(i / 2 % 2)}
			switch i % 3 {
			case 1:
				ca, p = ndes, scepclient.PolicyNDES()
			case 2:
				ca, p = weak, scepclient.Policy{Reply: scepclient.ReplyLenient}
			}
			cl := client(ca)
			cl.Policy = p
			_, err := cl.Enrol(t.Context(), request())
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, r := range ndes.Requests() {
		require.Equal(t, "3DES-CBC", r.Cipher)
	}
	for _, r := range rfc.Requests() {
		require.Contains(t, []string{"AES-128-CBC", "AES-256-CBC"}, r.Cipher)
	}
}

// TestMessagesAreReadBySmallstep is the conformance partner: what we send, smallstep/scep reads.
func TestMessagesAreReadBySmallstep(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{})
	enrolled(t, ca)
	raw := ca.Requests()[0].Raw
	msg, err := scep.ParsePKIMessage(raw)
	require.NoError(t, err)
	require.Equal(t, scep.PKCSReq, msg.MessageType)
	require.Equal(t, ca.Requests()[0].TransactionID, string(msg.TransactionID))
}

func TestRejectChanged(t *testing.T) {
	c := sceptest.PolicyCases()[1]
	ca := sceptest.New(t, sceptest.Config{Reply: c.Reply})
	cl := client(ca)
	iss, err := cl.Enrol(t.Context(), request())
	require.NoError(t, err)
	require.Equal(t, scepclient.WarnChanged, iss.Warnings[0].Code)
	cl.Policy.RejectChanged = true
	iss, err = cl.Enrol(t.Context(), request())
	require.ErrorIs(t, err, scepclient.ErrReply)
	require.Nil(t, iss)
}
