package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/certfile"
	"go.internal/hybridkit/scepclient/renew"
)

// pendingFile holds the transaction of a first enrolment inside -out.
const pendingFile = "pending.json"

// A subject is the set of flags that describe the certificate.
type subject struct {
	cn, o, ou, c  string
	sans          list
	sid, upn      string
	usage         string
	eku           list
	bits          int
	challengeFile string
	challengeEnv  string
}

func (s *subject) register(f *flag.FlagSet) {
	f.StringVar(&s.cn, "cn", "", "common name")
	f.StringVar(&s.o, "o", "", "organization")
	f.StringVar(&s.ou, "ou", "", "organizational unit")
	f.StringVar(&s.c, "c", "", "country, two letters")
	f.Var(&s.sans, "san", "subject alternative `name`: host, dns:host, email:addr, ip:addr or uri:URI; may be repeated")
	f.StringVar(&s.upn, "upn", "", "user principal name as SAN")
	f.StringVar(&s.sid, "sid", "", "SID for strong mapping, as SAN URI")
	f.StringVar(&s.usage, "usage", "both", "key usage: sign, encrypt, both or none; NDES chooses the template by it")
	f.Var(&s.eku, "eku", "extended key usage: client, server, smartcard or an `OID`; may be repeated")
	f.IntVar(&s.bits, "bits", 2048, "size of a new RSA key: 2048, 3072 or 4096")
	registerChallenge(f, &s.challengeFile, &s.challengeEnv)
}

func registerChallenge(f *flag.FlagSet, file, env *string) {
	f.StringVar(file, "challenge-file", "", "read the challenge password from this `file`, - for standard input")
	f.StringVar(env, "challenge-env", "", "read the challenge password from this environment `variable`")
}

func (s *subject) template() (t scepclient.Template, err error) {
	if s.cn == "" {
		return t, usagef("-cn is required")
	}
	t.Subject = pkix.Name{CommonName: s.cn}
	for _, p := range []struct {
		v   string
		dst *[]string
	}{{s.o, &t.Subject.Organization}, {s.ou, &t.Subject.OrganizationalUnit}, {s.c, &t.Subject.Country}} {
		if p.v != "" {
			*p.dst = []string{p.v}
		}
	}
	for _, san := range s.sans {
		kind, v, ok := strings.Cut(san, ":")
		if !ok {
			kind, v = "dns", san
		}
		switch kind {
		case "dns":
			t.DNSNames = append(t.DNSNames, v)
		case "email":
			t.EmailAddresses = append(t.EmailAddresses, v)
		case "ip":
			ip := net.ParseIP(v)
			if ip == nil {
				return t, usagef("-san %q is not an IP address", san)
			}
			t.IPAddresses = append(t.IPAddresses, ip)
		case "uri":
			u, err := url.Parse(v)
			if err != nil || u.Scheme == "" {
				return t, usagef("-san %q is not a URI", san)
			}
			t.URIs = append(t.URIs, u)
		default:
			return t, usagef("-san %q: %q is not dns, email, ip or uri", san, kind)
		}
	}
	if s.upn != "" {
		t.UPNs = []string{s.upn}
	}
	if t.SID = s.sid; s.sid != "" {
		if _, err := scepclient.SIDURI(s.sid); err != nil {
			return t, usageError{err}
		}
	}
	switch s.usage {
	case "sign":
		t.KeyUsage = x509.KeyUsageDigitalSignature
	case "encrypt":
		t.KeyUsage = x509.KeyUsageKeyEncipherment
	case "both":
		t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	case "none":
	default:
		return t, usagef("-usage is sign, encrypt, both or none, not %q", s.usage)
	}
	for _, e := range s.eku {
		oid, err := parseEKU(e)
		if err != nil {
			return t, err
		}
		t.ExtKeyUsage = append(t.ExtKeyUsage, oid)
	}
	return t, nil
}

func parseEKU(s string) (asn1.ObjectIdentifier, error) {
	switch s {
	case "client":
		return scepclient.OIDClientAuth, nil
	case "server":
		return scepclient.OIDServerAuth, nil
	case "smartcard":
		return scepclient.OIDSmartcardLogon, nil
	}
	o, err := x509.ParseOID(s)
	if err != nil {
		return nil, usagef("-eku %q is not client, server, smartcard or an OID", s)
	}
	var oid asn1.ObjectIdentifier
	b, err := o.MarshalBinary()
	if err == nil {
		_, err = asn1.Unmarshal(append([]byte{6, byte(len(b))}, b...), &oid)
	}
	if err != nil {
		return nil, usagef("-eku %q cannot be encoded", s)
	}
	return oid, nil
}

func (a *app) enrol(ctx context.Context, args []string) error {
	var (
		s                 service
		sub               subject
		keyPath, out, p12 string
		p12File, p12Env   string
		force             bool
	)
	f := a.flags("enrol", "-url URL -pin SHA256 -cn NAME -challenge-file FILE -out DIR")
	s.register(f)
	sub.register(f)
	f.StringVar(&keyPath, "key", "", "private key `file`; made if it does not exist (default OUT/key.pem)")
	f.StringVar(&out, "out", "", "`folder` for key.pem, cert.pem and chain.pem")
	f.StringVar(&p12, "p12", "", "also write key, certificate and chain to this PKCS #12 `file`")
	f.StringVar(&p12File, "p12-password-file", "", "`file` with the password of -p12")
	f.StringVar(&p12Env, "p12-password-env", "", "environment `variable` with the password of -p12")
	f.BoolVar(&force, "force", false, "replace a certificate that is there already")
	c, err := s.parse(f, args, true, true)
	if err != nil {
		return err
	}
	if out == "" {
		return usagef("-out is required")
	}
	tmpl, err := sub.template()
	if err != nil {
		return err
	}
	challenge, err := a.readSecret(sub.challengeFile, sub.challengeEnv, "challenge")
	if err != nil {
		return err
	}
	p12Password, err := a.readSecret(p12File, p12Env, "p12-password")
	if err != nil {
		return err
	}
	if p12 != "" && p12Password.IsZero() {
		return usagef("-p12 needs -p12-password-file or -p12-password-env")
	}
	if exists(filepath.Join(out, pendingFile)) && !force {
		return usagef("%s has a pending request: scepenrol status goes on with it, -force drops it", out)
	}
	if exists(filepath.Join(out, renew.CertFile)) && !force {
		return usagef("%s has a certificate: scepenrol renew renews it, -force replaces it", out)
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return usageError{err}
	}
	if keyPath == "" {
		keyPath = filepath.Join(out, renew.KeyFile)
	}
	key, err := a.key(keyPath, sub.bits)
	if err != nil {
		return err
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	iss, err := c.Enrol(ctx, scepclient.Request{Key: key, Template: tmpl, Challenge: challenge, OnPending: a.savePending(out)})
	if err != nil {
		return a.pendingHint(err, out)
	}
	if err := a.deliver(out, iss); err != nil {
		return err
	}
	if p12 != "" {
		return certfile.WritePKCS12(p12, key, iss.Certificate, iss.Chain, p12Password.Reveal(), false)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// key reads the key or makes it.
func (a *app) key(path string, bits int) (crypto.Signer, error) {
	key, err := certfile.ReadKey(path)
	if err == nil {
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, usageError{err}
	}
	a.progress("making a %d-bit key", bits)
	k, err := certfile.GenerateRSA(bits)
	if err != nil {
		return nil, usageError{err}
	}
	return k, certfile.WriteKey(path, k)
}

// savePending writes the transaction before each wait.
func (a *app) savePending(out string) func(*scepclient.Transaction, time.Duration) error {
	return func(tx *scepclient.Transaction, wait time.Duration) error {
		b, err := json.MarshalIndent(tx, "", "  ")
		if err != nil {
			return err
		}
		a.progress("transaction %s is pending, poll %d in %s", tx.TransactionID, tx.Polls+1, wait)
		return certfile.WriteFile(filepath.Join(out, pendingFile), append(b, '\n'), certfile.KeyMode)
	}
}

func (a *app) pendingHint(err error, out string) error {
	if errors.Is(err, scepclient.ErrPending) {
		return fmt.Errorf("%w; go on with: scepenrol status -out %s", err, out)
	}
	return err
}

// deliver writes certificate and chain and prints what came.
func (a *app) deliver(out string, iss *scepclient.Issued) error {
	if err := renew.Write(out, nil, iss); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(out, pendingFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if a.json {
		a.printJSON(map[string]any{"certificate": show(iss.Certificate), "message": iss.Message, "transactionId": iss.TransactionID, "polls": iss.Polls, "warnings": iss.Warnings,
			"file": filepath.Join(out, renew.CertFile)})
		return nil
	}
	fmt.Fprintf(a.stdout, "issued   %s\nserial   %X\nvalid    until %s\nsha256   %s\nwritten  %s\n", iss.Certificate.Subject, iss.Certificate.SerialNumber,
		iss.Certificate.NotAfter.UTC().Format(time.RFC3339), scepclient.Fingerprint(iss.Certificate), filepath.Join(out, renew.CertFile))
	a.warnings(iss.Warnings)
	return nil
}

func (a *app) renew(ctx context.Context, args []string) error {
	var (
		s               service
		out, file, env  string
		steps           string
		threshold, bits int
		force, reusable bool
	)
	f := a.flags("renew", "-url URL -pin SHA256 -out DIR")
	s.register(f)
	f.StringVar(&out, "out", "", "`folder` with key.pem and cert.pem")
	f.IntVar(&threshold, "threshold", renew.DefaultThreshold, "percentage of the lifetime left when renewal is due")
	f.IntVar(&bits, "bits", 0, "size of the new RSA key, 0: as before")
	f.StringVar(&steps, "steps", "", "comma-separated `steps` in place of renewalreq,signed-by-old,fresh; also renewalreq+challenge")
	f.BoolVar(&force, "force", false, "renew although it is not due")
	f.BoolVar(&reusable, "reusable", false, "the challenge may be sent more than once")
	registerChallenge(f, &file, &env)
	c, err := s.parse(f, args, true, true)
	if err != nil {
		return err
	}
	if out == "" {
		return usagef("-out is required")
	}
	abs, err := filepath.Abs(out)
	if err != nil {
		return usageError{err}
	}
	if !exists(filepath.Join(abs, renew.CertFile)) && !exists(filepath.Join(abs, renew.ReadyDir)) {
		return usagef("%s has no %s", out, renew.CertFile)
	}
	k := &renew.Keeper{Dir: filepath.Dir(abs), Client: c, Threshold: threshold, Jitter: -1, Bits: bits, ReusableChallenge: reusable}
	for _, name := range strings.FieldsFunc(steps, func(r rune) bool { return r == ',' }) {
		step, err := scepclient.ParseRenewalStep(name)
		if err != nil {
			return usageError{err}
		}
		k.Steps = append(k.Steps, step)
	}
	if file != "" || env != "" {
		secret, err := a.readSecret(file, env, "challenge")
		if err != nil {
			return err
		}
		k.Challenge = func(context.Context, string) (scepclient.Secret, error) { return secret, nil }
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	r := k.Renew(ctx, filepath.Base(abs), force)
	if r.Err != nil && !a.json {
		return r.Err
	}
	if a.json {
		a.printJSON(r)
		if r.Err != nil {
			return errFindings
		}
		return nil
	}
	fmt.Fprintf(a.stdout, "%s  %s, valid until %s, renewal due %s\n", r.Action, out, r.NotAfter.UTC().Format(time.RFC3339), r.Due.UTC().Format(time.RFC3339))
	a.warnings(r.Warnings)
	return nil
}

func (a *app) status(ctx context.Context, args []string) error {
	var s service
	var out, keyPath string
	f := a.flags("status", "-out DIR [-pin SHA256]")
	s.register(f)
	f.StringVar(&out, "out", "", "`folder` of an enrolment")
	f.StringVar(&keyPath, "key", "", "private key `file` (default OUT/key.pem)")
	c, err := s.parse(f, args, false, false)
	if err != nil {
		return err
	}
	if out == "" {
		return usagef("-out is required")
	}
	if keyPath == "" {
		keyPath = filepath.Join(out, renew.KeyFile)
	}
	b, err := os.ReadFile(filepath.Join(out, pendingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a.showFolder(out)
	}
	if err != nil {
		return usageError{err}
	}
	tx, err := scepclient.ParseTransaction(b)
	if err != nil {
		return usageError{err}
	}
	if len(s.pins) == 0 && s.caFile == "" && !s.insecure {
		return usagef("a request is pending at %s since %s: give -pin or -ca-file to go on with it", tx.URL, tx.Created.Format(time.RFC3339))
	}
	key, err := certfile.ReadKey(keyPath)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	iss, err := c.Resume(ctx, tx, key, a.savePending(out))
	if err != nil {
		return a.pendingHint(err, out)
	}
	return a.deliver(out, iss)
}

func (a *app) showFolder(out string) error {
	certs, err := certfile.ReadCertificates(filepath.Join(out, renew.CertFile))
	if err != nil {
		return usageError{err}
	}
	due, err := (&renew.Keeper{Jitter: -1}).Due(certs[0])
	if err != nil {
		return err
	}
	state := "valid"
	switch now := time.Now(); {
	case now.After(certs[0].NotAfter):
		state = "expired"
	case now.After(due):
		state = "due"
	}
	if a.json {
		a.printJSON(map[string]any{"state": state, "certificate": show(certs[0]), "due": due})
	} else {
		fmt.Fprintf(a.stdout, "%s  %s, until %s, renewal due %s\n", state, certs[0].Subject, certs[0].NotAfter.UTC().Format(time.RFC3339), due.UTC().Format(time.RFC3339))
	}
	if state != "valid" {
		return errFindings
	}
	return nil
}
