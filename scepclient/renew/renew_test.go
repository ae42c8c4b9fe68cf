package renew_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/certfile"
	"go.internal/hybridkit/scepclient/renew"
	"go.internal/hybridkit/scepclient/sceptest"
)

// setup enrols one certificate of ten days into dir/web.
func setup(t *testing.T, cfg sceptest.Config, clock ...func() time.Time) (*sceptest.CA, *renew.Keeper, string) {
	t.Helper()
	cfg.Validity = 10 * 24 * time.Hour
	ca := sceptest.New(t, cfg)
	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
	keeper := &renew.Keeper{Client: c, Jitter: -1}
	if clock != nil {
		c.Now, keeper.Now = clock[0], clock[0]
	}
	c.Poll = func(int) (time.Duration, bool) { return 0, true }
	key, err := certfile.GenerateRSA(2048)
	require.NoError(t, err)
	iss, err := c.Enrol(t.Context(), scepclient.Request{
		Key: key, Challenge: scepclient.NewSecret("secret"),
		OnPending: func(tx *scepclient.Transaction, _ time.Duration) error { ca.Approve(tx.TransactionID); return nil },
		Template:  scepclient.Template{Subject: pkix.Name{CommonName: "web.ashdown.example"}, DNSNames: []string{"web.ashdown.example"}, KeyUsage: x509.KeyUsageDigitalSignature},
	})
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, renew.Write(filepath.Join(dir, "web"), key, iss))
	keeper.Dir = dir
	return ca, keeper, dir
}

func read(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	certs, err := certfile.ReadCertificates(filepath.Join(dir, "web", renew.CertFile))
	require.NoError(t, err)
	return certs[0]
}

func in(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

const day = 24 * time.Hour

func TestRenewsWhenDue(t *testing.T) {
	ca, k, dir := setup(t, sceptest.Config{})
	old := read(t, dir)
	k.Now = in(7 * day) // 30 % left
	res, err := k.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, renew.Fresh, res[0].Action)
	require.Len(t, ca.Issued(), 1)

	k.Now = in(8*day + time.Hour) // under 20 %
	var hooked []renew.Action
	k.Hook = func(_ context.Context, r renew.Result) error { hooked = append(hooked, r.Action); return nil }
	res, err = k.Once(t.Context())
	require.NoError(t, err)
	require.NoError(t, res[0].Err)
	require.Equal(t, renew.Renewed, res[0].Action)
	require.Equal(t, []renew.Action{renew.Renewed}, hooked)
	now := read(t, dir)
	require.NotEqual(t, old.SerialNumber, now.SerialNumber)
	require.NotEqual(t, old.RawSubjectPublicKeyInfo, now.RawSubjectPublicKeyInfo)
	require.Equal(t, old.DNSNames, now.DNSNames)
	st, err := os.Stat(filepath.Join(dir, "web", renew.KeyFile))
	require.NoError(t, err)
	require.Equal(t, certfile.KeyMode, st.Mode().Perm())
	require.NoDirExists(t, filepath.Join(dir, "web", renew.NextDir))
	require.NoDirExists(t, filepath.Join(dir, "web", renew.ReadyDir))

	b, err := json.Marshal(res[0])
	require.NoError(t, err)
	require.Contains(t, string(b), `"action":"renewed"`)
}

func TestTwoKeepersRenewOnce(t *testing.T) {
	clock := time.Now().Add(-9 * day)
	now := func() time.Time { return clock }
	ca, k, dir := setup(t, sceptest.Config{Now: now}, now)
	old := read(t, dir)
	clock = time.Now() // a tenth of its lifetime is left
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[renew.Action]int{}
	for range 4 {
		other := *k // a Keeper of its own, as another process would have
		wg.Go(func() {
			r := other.Renew(t.Context(), "web", false)
			mu.Lock()
			defer mu.Unlock()
			counts[r.Action]++
			if r.Err != nil {
				t.Error(r.Err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, map[renew.Action]int{renew.Renewed: 1, renew.Fresh: 3}, counts)
	require.Len(t, ca.Issued(), 2)
	require.NotEqual(t, old.SerialNumber, read(t, dir).SerialNumber)
}

func TestPendingIsResumed(t *testing.T) {
	ca, k, dir := setup(t, sceptest.Config{ManualApproval: true})
	old := read(t, dir)
	k.Client.Poll = func(int) (time.Duration, bool) { return 0, false }
	require.Equal(t, renew.Pending, k.Renew(t.Context(), "web", true).Action)
	saved := filepath.Join(dir, "web", renew.NextDir, renew.TransactionFile)
	b, err := os.ReadFile(saved)
	require.NoError(t, err)
	tx, err := scepclient.ParseTransaction(b)
	require.NoError(t, err)
	requests := len(ca.Requests())

	again := &renew.Keeper{Dir: dir, Client: k.Client, Jitter: -1} // after a restart, and not due by the clock
	require.Equal(t, renew.Pending, again.Renew(t.Context(), "web", false).Action)
	require.Equal(t, "20", ca.Requests()[requests].MessageType)
	ca.Approve(tx.TransactionID)
	r := again.Renew(t.Context(), "web", false)
	require.NoError(t, r.Err)
	require.Equal(t, renew.Renewed, r.Action)
	require.NotEqual(t, old.SerialNumber, read(t, dir).SerialNumber)
	require.NoFileExists(t, saved)
}

func TestLostFilesAndInterruption(t *testing.T) {
	_, k, dir := setup(t, sceptest.Config{})
	web := filepath.Join(dir, "web")
	old := read(t, dir)
	require.Equal(t, renew.Renewed, k.Renew(t.Context(), "web", true).Action)

	// The process died after the key was moved and before the certificate was.
	ready := filepath.Join(web, renew.ReadyDir)
	require.NoError(t, os.Mkdir(ready, 0o700))
	require.NoError(t, os.Rename(filepath.Join(web, renew.CertFile), filepath.Join(ready, renew.CertFile)))
	require.NoError(t, certfile.WriteCertificates(filepath.Join(web, renew.CertFile), old))
	r := k.Renew(t.Context(), "web", false)
	require.NoError(t, r.Err)
	require.Equal(t, renew.Finished, r.Action)
	require.NotEqual(t, old.SerialNumber, read(t, dir).SerialNumber)

	// It died with a half-written next folder: begun again.
	require.NoError(t, os.Mkdir(filepath.Join(web, renew.NextDir), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(web, renew.NextDir, renew.KeyFile), []byte("half"), 0o600))
	require.Equal(t, renew.Renewed, k.Renew(t.Context(), "web", true).Action)
}

func TestFailuresLeaveTheOldCertificate(t *testing.T) {
	_, k, dir := setup(t, sceptest.Config{RenewalNeedsChallenge: true})
	old := read(t, dir)
	r := k.Renew(t.Context(), "web", true)
	require.Equal(t, renew.Failed, r.Action)
	require.ErrorIs(t, r.Err, scepclient.ErrFailure)
	require.Equal(t, old.SerialNumber, read(t, dir).SerialNumber)

	k.Challenge = func(context.Context, string) (scepclient.Secret, error) { return scepclient.NewSecret("secret"), nil }
	k.Hook = func(context.Context, renew.Result) error { return errors.New("reload failed") }
	r = k.Renew(t.Context(), "web", true)
	require.ErrorContains(t, r.Err, "reload failed")
	require.Equal(t, renew.Renewed, r.Action)
	require.NotEqual(t, old.SerialNumber, read(t, dir).SerialNumber)
}

func TestBadSetUp(t *testing.T) {
	_, k, dir := setup(t, sceptest.Config{})
	require.Error(t, k.Renew(t.Context(), "../web", true).Err)
	require.Error(t, k.Renew(t.Context(), "", true).Err)
	k.Threshold = 100
	_, err := k.Once(t.Context())
	require.ErrorContains(t, err, "threshold 100")
	_, err = (&renew.Keeper{}).Once(t.Context())
	require.Error(t, err)
	k.Threshold = 0
	key, err := certfile.GenerateRSA(2048)
	require.NoError(t, err)
	require.NoError(t, certfile.WriteKey(filepath.Join(dir, "web", renew.KeyFile), key))
	require.ErrorContains(t, k.Renew(t.Context(), "web", true).Err, "does not belong")
}

func TestRunEndsWithTheContext(t *testing.T) {
	_, k, _ := setup(t, sceptest.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, k.Run(ctx), context.DeadlineExceeded)
}

func TestDueAndJitter(t *testing.T) {
	k := &renew.Keeper{Jitter: -1}
	nb := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &x509.Certificate{NotBefore: nb, NotAfter: nb.Add(100 * day)}
	due, err := k.Due(c)
	require.NoError(t, err)
	require.Equal(t, nb.Add(80*day), due)
	k.Jitter = 10
	seen := map[time.Time]bool{}
	for i := range 50 {
		c.RawSubjectPublicKeyInfo = []byte{byte(i)}
		due, err = k.Due(c)
		require.NoError(t, err)
		require.False(t, due.After(nb.Add(80*day)) || due.Before(nb.Add(70*day)), due)
		seen[due] = true
	}
	require.Greater(t, len(seen), 40)
}
