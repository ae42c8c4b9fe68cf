// Package renew keeps the certificates of a folder fresh over SCEP.
//
//	k := &renew.Keeper{Dir: "/etc/ashdown/certs", Client: client}
//	err := k.Run(ctx)
//
// Each sub-folder of Dir is one certificate: key.pem (0600), cert.pem, chain.pem. A certificate is renewed when
// the part of its lifetime that Threshold names is left, as Intune's renewalThresholdPercentage has it, a little
// earlier for each by a jitter that depends on its key, so that a thousand devices enrolled on one day do not
// come back at one minute.
//
// A renewal makes a new key in next/, asks, and only when the certificate has passed every check of package
// scepclient renames next/ to ready/ and moves its files into place. Whatever moment the process dies at, the
// next run goes on: a pending request is resumed from next/transaction.json, a ready/ is moved into place, a
// next/ whose request was never answered is begun again. The old key is kept until the new certificate is
// there. A lock file makes two processes on one folder take turns; the second sees that there is nothing left to
// do.
//
// What it does not do: the first enrolment (a folder without cert.pem is skipped), watching revocation, keys in
// hardware, and replacing two files in one instant: between two renames a reader can find the new key.pem and
// the old cert.pem. Reload in Hook, which runs after both.
package renew

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/certfile"
)

// Names of files and folders inside a certificate's folder.
const (
	KeyFile         = "key.pem"
	CertFile        = "cert.pem"
	ChainFile       = "chain.pem"
	TransactionFile = "transaction.json" // in NextDir, while the CA has not decided
	NextDir         = "next"             // the renewal in progress
	ReadyDir        = "ready"            // a finished renewal to be moved into place
	LockFile        = ".lock"
)

// DefaultThreshold is the percentage of the lifetime that is left when a renewal is due.
const DefaultThreshold = 20

// A Keeper renews the certificates below Dir. Dir and Client are required. Its methods may be called
// concurrently, also from several processes.
type Keeper struct {
	// Dir holds one sub-folder per certificate.
	Dir string
	// Client is the SCEP service.
	Client *scepclient.Client
	// Threshold is the percentage (1 to 99) of the lifetime left when renewal is due. 0: DefaultThreshold.
	Threshold int
	// Jitter is how many per cent of the lifetime earlier a renewal may come. 0: 5. Negative: none.
	Jitter int
	// Bits is the size of new RSA keys. 0: the size of the old key.
	Bits int
	// Steps is the ladder of scepclient.Renewal. nil: its default.
	Steps []scepclient.RenewalStep
	// Template describes the new certificate. nil: scepclient.TemplateOf the old one.
	Template func(name string, old *x509.Certificate) (scepclient.Template, error)
	// Challenge is called once per renewal when Steps has a step that sends one. nil: there is none, and such
	// steps are left out.
	Challenge func(ctx context.Context, name string) (scepclient.Secret, error)
	// ReusableChallenge is scepclient.Renewal.ReusableChallenge.
	ReusableChallenge bool
	// Hook runs after the files are in place, or after a failure (Result.Err set). Its error is returned in the
	// Result, and does not undo the renewal.
	Hook func(ctx context.Context, r Result) error
	// Interval is how long Run waits between two looks at the folder. 0: one hour.
	Interval time.Duration
	// Logger. nil: none.
	Logger *slog.Logger
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// An Action says what Once did with a certificate.
type Action string

// The actions.
const (
	Fresh    Action = "fresh"    // nothing to do yet
	Renewed  Action = "renewed"  // new key and certificate are in place
	Pending  Action = "pending"  // the CA has not decided; the next run asks again
	Failed   Action = "failed"   // see Result.Err
	Finished Action = "finished" // an interrupted renewal was moved into place
)

// A Result is what happened to one certificate.
type Result struct {
	Name     string
	Action   Action
	NotAfter time.Time // of the certificate in place
	Due      time.Time // when the next renewal is due
	Warnings []scepclient.Warning
	Err      error
}

// MarshalJSON writes the error as text.
func (r Result) MarshalJSON() ([]byte, error) {
	out := struct {
		Name     string               `json:"name"`
		Action   Action               `json:"action"`
		NotAfter time.Time            `json:"notAfter,omitzero"`
		Due      time.Time            `json:"due,omitzero"`
		Warnings []scepclient.Warning `json:"warnings,omitempty"`
		Error    string               `json:"error,omitempty"`
	}{Name: r.Name, Action: r.Action, NotAfter: r.NotAfter, Due: r.Due, Warnings: r.Warnings}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	return json.Marshal(out)
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

func (k *Keeper) log() *slog.Logger {
	if k.Logger != nil {
		return k.Logger
	}
	return slog.New(slog.DiscardHandler)
}

func (k *Keeper) threshold() (int, error) {
	switch {
	case k.Threshold == 0:
		return DefaultThreshold, nil
	case k.Threshold < 1 || k.Threshold > 99:
		return 0, fmt.Errorf("renew: threshold %d is not 1 to 99 per cent", k.Threshold)
	}
	return k.Threshold, nil
}

// Due returns when c is due for renewal: when Threshold per cent of its lifetime are left, minus its jitter.
func (k *Keeper) Due(c *x509.Certificate) (time.Time, error) {
	th, err := k.threshold()
	if err != nil {
		return time.Time{}, err
	}
	life := c.NotAfter.Sub(c.NotBefore)
	due := c.NotAfter.Add(-life / 100 * time.Duration(th))
	jitter := k.Jitter
	if jitter == 0 {
		jitter = 5
	}
	if jitter > 0 {
		// From the key, not from chance: a restart does not draw again.
		sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		part := time.Duration(binary.BigEndian.Uint16(sum[:2]))
		due = due.Add(-life / 100 * time.Duration(min(jitter, 50)) / 65536 * part)
	}
	return due, nil
}

// Run renews until ctx ends, looking at the folder every Interval. Failures go to Hook and Logger and are tried
// again at the next look. It returns ctx.Err(), or at once if the Keeper itself is set up wrongly.
func (k *Keeper) Run(ctx context.Context) error {
	interval := k.Interval
	if interval <= 0 {
		interval = time.Hour
	}
	for {
		if _, err := k.Once(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		t := time.NewTimer(interval)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// Once looks at every certificate once, in the order of names, and renews what is due. The error is about
// the folder as a whole; what went wrong with one certificate is in its Result.
func (k *Keeper) Once(ctx context.Context) ([]Result, error) {
	if k.Client == nil || k.Dir == "" {
		return nil, errors.New("renew: Keeper.Dir and Keeper.Client are required")
	}
	if _, err := k.threshold(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(k.Dir)
	if err != nil {
		return nil, fmt.Errorf("renew: %w", err)
	}
	var out []Result
	for _, e := range entries {
		if !e.IsDir() || e.Name()[0] == '.' {
			continue
		}
		dir := filepath.Join(k.Dir, e.Name())
		if !exists(filepath.Join(dir, CertFile)) && !exists(filepath.Join(dir, ReadyDir)) {
			continue
		}
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		out = append(out, k.Renew(ctx, e.Name(), false))
	}
	return out, nil
}

// Renew looks at one certificate and renews it if it is due, or in any case with force.
func (k *Keeper) Renew(ctx context.Context, name string, force bool) Result {
	r := k.renew(ctx, name, force)
	r.Name = name
	if r.Err != nil {
		r.Action = Failed
		if errors.Is(r.Err, scepclient.ErrPending) {
			r.Action = Pending
		}
		k.log().WarnContext(ctx, "certificate not renewed", "name", name, "error", r.Err.Error())
	}
	if r.Action != Fresh && k.Hook != nil {
		if err := k.Hook(ctx, r); err != nil {
			r.Err = errors.Join(r.Err, fmt.Errorf("renew: hook: %w", err))
		}
	}
	return r
}

func (k *Keeper) renew(ctx context.Context, name string, force bool) (r Result) {
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return Result{Err: fmt.Errorf("renew: %q is not the name of a sub-folder", name)}
	}
	dir := filepath.Join(k.Dir, name)
	unlock, err := lock(ctx, filepath.Join(dir, LockFile))
	if err != nil {
		return Result{Err: fmt.Errorf("renew: lock: %w", err)}
	}
	defer unlock()
	finished, err := finish(dir)
	if err != nil {
		return Result{Err: err}
	}
	old, key, err := load(dir)
	if err != nil {
		return Result{Err: err}
	}
	if err := k.describe(&r, old); err != nil {
		return Result{Err: err}
	}
	if finished {
		r.Action = Finished
		return r
	}
	if k.now().Before(r.Due) && !force && !exists(filepath.Join(dir, NextDir, TransactionFile)) {
		r.Action = Fresh
		return r
	}
	iss, newKey, err := k.obtain(ctx, dir, name, old, key)
	if err != nil {
		r.Err = err
		return r
	}
	if err := install(dir, newKey, iss); err != nil {
		r.Err = err
		return r
	}
	r.Action, r.Warnings = Renewed, iss.Warnings
	r.Err = k.describe(&r, iss.Certificate)
	k.log().InfoContext(ctx, "certificate renewed", "name", name, "notAfter", r.NotAfter)
	return r
}

func (k *Keeper) describe(r *Result, c *x509.Certificate) (err error) {
	r.NotAfter = c.NotAfter
	r.Due, err = k.Due(c)
	return err
}

// obtain resumes or starts the request. What it needs to go on later is in next/.
func (k *Keeper) obtain(ctx context.Context, dir, name string, old *x509.Certificate, oldKey crypto.Signer) (*scepclient.Issued, crypto.Signer, error) {
	next := filepath.Join(dir, NextDir)
	save := func(tx *scepclient.Transaction, _ time.Duration) error {
		b, err := json.MarshalIndent(tx, "", "  ")
		if err != nil {
			return err
		}
		return certfile.WriteFile(filepath.Join(next, TransactionFile), append(b, '\n'), certfile.KeyMode)
	}
	if b, err := os.ReadFile(filepath.Join(next, TransactionFile)); err == nil {
		iss, newKey, err := k.resume(ctx, next, b, oldKey, save)
		if err == nil || !restartable(err) {
			return iss, newKey, err
		}
		k.log().WarnContext(ctx, "pending request is lost, asking again", "name", name, "error", err.Error())
	}
	if err := os.RemoveAll(next); err != nil {
		return nil, nil, fmt.Errorf("renew: %w", err)
	}
	if err := os.Mkdir(next, 0o700); err != nil {
		return nil, nil, fmt.Errorf("renew: %w", err)
	}
	bits := k.Bits
	if pub, ok := old.PublicKey.(*rsa.PublicKey); bits == 0 && ok {
		bits = max(2048, pub.N.BitLen())
	}
	newKey, err := certfile.GenerateRSA(max(bits, 2048))
	if err != nil {
		return nil, nil, err
	}
	if err := certfile.WriteKey(filepath.Join(next, KeyFile), newKey); err != nil {
		return nil, nil, fmt.Errorf("renew: %w", err)
	}
	ren := scepclient.Renewal{Certificate: old, OldKey: oldKey, ReusableChallenge: k.ReusableChallenge}
	ren.Key, ren.OnPending = newKey, save
	ren.Template = scepclient.TemplateOf(old)
	if k.Template != nil {
		if ren.Template, err = k.Template(name, old); err != nil {
			return nil, nil, err
		}
	}
	if ren.Steps = k.Steps; ren.Steps == nil {
		ren.Steps = scepclient.DefaultRenewalSteps()
	}
	needs := func(s scepclient.RenewalStep) bool {
		return s == scepclient.StepFresh || s == scepclient.StepRenewalReqChallenge
	}
	if k.Challenge == nil {
		ren.Steps = slices.DeleteFunc(slices.Clone(ren.Steps), needs)
	} else if slices.ContainsFunc(ren.Steps, needs) {
		if ren.Challenge, err = k.Challenge(ctx, name); err != nil {
			return nil, nil, fmt.Errorf("renew: challenge: %w", err)
		}
	}
	iss, err := k.Client.Renew(ctx, ren)
	return iss, newKey, err
}

// resume goes on with a saved transaction. Its signer is the old key, or the new one in a fresh enrolment.
func (k *Keeper) resume(ctx context.Context, next string, saved []byte, oldKey crypto.Signer, save func(*scepclient.Transaction, time.Duration) error) (*scepclient.Issued, crypto.Signer, error) {
	tx, err := scepclient.ParseTransaction(saved)
	if err != nil {
		return nil, nil, err
	}
	newKey, err := certfile.ReadKey(filepath.Join(next, KeyFile))
	if err != nil {
		return nil, nil, fmt.Errorf("renew: %w", err)
	}
	iss, err := k.Client.Resume(ctx, tx, oldKey, save)
	if errors.Is(err, scepclient.ErrKey) {
		iss, err = k.Client.Resume(ctx, tx, newKey, save)
	}
	return iss, newKey, err
}

// restartable errors mean that the CA no longer knows the transaction or that the files are damaged; anything
// else (no network, still pending) leaves the transaction as it is.
func restartable(err error) bool {
	if errors.Is(err, scepclient.ErrPending) {
		return false
	}
	return errors.Is(err, scepclient.ErrFailure) || errors.Is(err, scepclient.ErrKey) || errors.Is(err, os.ErrNotExist)
}
