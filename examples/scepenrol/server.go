package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/certfile"
	"go.internal/hybridkit/scepclient/sceptest"
)

func (a *app) caps(ctx context.Context, args []string) error {
	var s service
	fs := a.flags("caps", "-url URL")
	s.register(fs)
	c, err := s.parse(fs, args, true, false)
	if err != nil {
		return err
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	caps, err := c.GetCACaps(ctx)
	if err != nil {
		return err
	}
	cipher, digest, perr := c.Policy.Choose(caps)
	if a.json {
		out := map[string]any{"capabilities": caps, "unknown": caps.Unknown()}
		if perr == nil {
			out["cipher"], out["digest"] = cipher.String(), digest.String()
		} else {
			out["policy"] = perr.Error()
		}
		a.printJSON(out)
		return nil
	}
	fmt.Fprintf(a.stdout, "capabilities  %s\n", caps)
	if caps.HTTPStatus != 0 {
		fmt.Fprintf(a.stdout, "GetCACaps     HTTP status %d, which means none (RFC 8894, 3.5.2)\n", caps.HTTPStatus)
	}
	if u := caps.Unknown(); len(u) > 0 {
		fmt.Fprintf(a.stdout, "unknown       %s\n", strings.Join(u, " "))
	}
	if perr != nil {
		fmt.Fprintf(a.stdout, "requests      %v\n", perr)
		return nil
	}
	fmt.Fprintf(a.stdout, "requests      %s, %s\n", cipher, digest)
	return nil
}

func (a *app) cacert(ctx context.Context, args []string) error {
	var s service
	var out string
	fs := a.flags("cacert", "-url URL [-pin SHA256] [-out FILE]")
	s.register(fs)
	fs.StringVar(&out, "out", "", "write the authenticated certificates to this PEM `file`")
	c, err := s.parse(fs, args, true, false)
	if err != nil {
		return err
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	if len(s.pins) == 0 && s.caFile == "" && !s.insecure {
		if out != "" {
			return usagef("-out needs -pin or -ca-file: certificates nobody checked are not written")
		}
		certs, err := c.FetchCACert(ctx)
		if err != nil {
			return err
		}
		return a.showCACert(&scepclient.CASet{Received: certs}, false)
	}
	set, err := c.GetCACert(ctx)
	if err != nil {
		return err
	}
	if out != "" {
		if err := certfile.WriteCertificates(out, set.Signers...); err != nil {
			return err
		}
	}
	return a.showCACert(set, true)
}

func (a *app) showCACert(set *scepclient.CASet, authenticated bool) error {
	var list []certificate
	for _, c := range set.Received {
		var roles []string
		role := func(name string, ok bool) {
			if ok {
				roles = append(roles, name)
			}
		}
		role("issuing CA", set.CA != nil && c.Equal(set.CA))
		role("recipient", set.Recipient != nil && c.Equal(set.Recipient))
		role("signer", slices.ContainsFunc(set.Signers, c.Equal))
		role("anchor", slices.ContainsFunc(set.Anchors, c.Equal))
		list = append(list, show(c, roles...))
	}
	if a.json {
		a.printJSON(map[string]any{"authenticated": authenticated, "certificates": list, "warnings": set.Warnings})
		return nil
	}
	for _, c := range list {
		fmt.Fprintf(a.stdout, "%s\n  sha256  %s\n  valid   %s to %s\n", c.Subject, c.SHA256, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		if len(c.Roles) > 0 {
			fmt.Fprintf(a.stdout, "  used as %s\n", strings.Join(c.Roles, ", "))
		}
	}
	if !authenticated {
		fmt.Fprintln(a.stdout, "not authenticated: compare a fingerprint with the CA's administrator, then use it with -pin")
	}
	a.warnings(set.Warnings)
	return nil
}

func (a *app) warnings(ws []scepclient.Warning) {
	for _, w := range ws {
		fmt.Fprintf(a.stdout, "warning  %s\n", w)
	}
}

func (a *app) crl(ctx context.Context, args []string) error {
	var s service
	var certPath, keyPath, out string
	fs := a.flags("crl", "-url URL -pin SHA256 -cert FILE -key FILE [-out FILE]")
	s.register(fs)
	fs.StringVar(&certPath, "cert", "", "certificate `file` this CA issued; it signs the request and its CRL is asked for")
	fs.StringVar(&keyPath, "key", "", "private key `file` of -cert")
	fs.StringVar(&out, "out", "", "write the CRL to this PEM `file`")
	c, err := s.parse(fs, args, true, true)
	if err != nil {
		return err
	}
	if certPath == "" || keyPath == "" {
		return usagef("-cert and -key are required")
	}
	certs, err := certfile.ReadCertificates(certPath)
	if err != nil {
		return usageError{err}
	}
	key, err := certfile.ReadKey(keyPath)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	crl, err := c.GetCRL(ctx, scepclient.Query{Certificate: certs[0], Key: key}, certs[0])
	if err != nil {
		return err
	}
	if out != "" {
		if err := certfile.WriteFile(out, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl.Raw}), certfile.CertMode); err != nil {
			return err
		}
	}
	revoked := slices.ContainsFunc(crl.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(certs[0].SerialNumber) == 0
	})
	if a.json {
		a.printJSON(map[string]any{"issuer": crl.Issuer.String(), "number": crl.Number, "thisUpdate": crl.ThisUpdate, "nextUpdate": crl.NextUpdate,
			"revoked": len(crl.RevokedCertificateEntries), "certificateRevoked": revoked})
	} else {
		fmt.Fprintf(a.stdout, "CRL of %s, number %v, valid until %s, %d revoked\n", crl.Issuer, crl.Number, crl.NextUpdate.UTC().Format(time.RFC3339), len(crl.RevokedCertificateEntries))
	}
	if revoked {
		if !a.json {
			fmt.Fprintln(a.stdout, "this certificate is revoked")
		}
		return errFindings
	}
	return nil
}

// testca serves sceptest, so that other programs can be tried against a CA that does what it is told.
func (a *app) testca(ctx context.Context, args []string) error {
	var cfg sceptest.Config
	var addr, mode, caFile string
	fs := a.flags("testca", "[-listen 127.0.0.1:0] [-mode rfc|ndes]")
	fs.StringVar(&addr, "listen", "127.0.0.1:0", "loopback `address`")
	fs.StringVar(&mode, "mode", "rfc", "rfc or ndes")
	fs.IntVar(&cfg.Pending, "pending", 0, "answer each request this often with PENDING first")
	fs.BoolVar(&cfg.EmptyContent, "empty-content", false, "send PENDING and FAILURE with empty content (certmonger needs it)")
	fs.BoolVar(&cfg.IncludeRoot, "root", false, "include the root in GetCACert")
	fs.StringVar(&caFile, "ca-out", "", "write CA.issuing.pem, CA.root.pem, CA.sign.pem and CA.enc.pem with this `prefix`")
	if err := fs.Parse(args); err != nil {
		return usageError{err}
	}
	switch mode {
	case "rfc":
	case "ndes":
		cfg.Mode = sceptest.NDES
	default:
		return usagef("-mode is rfc or ndes, not %q", mode)
	}
	ca, err := sceptest.NewCA(cfg)
	if err != nil {
		return err
	}
	defer ca.Close()
	if caFile != "" {
		for suffix, c := range map[string]*x509.Certificate{".issuing.pem": ca.Issuing, ".root.pem": ca.Root, ".sign.pem": ca.RASign, ".enc.pem": ca.RAEncrypt} {
			if err := certfile.WriteCertificates(caFile+suffix, c); err != nil {
				return err
			}
		}
	}
	url, err := ca.Listen(addr)
	if err != nil {
		return usageError{err}
	}
	if a.json {
		a.printJSON(map[string]string{"url": url, "pin": ca.Pin(), "challenge": "secret"})
	} else {
		fmt.Fprintf(a.stdout, "url %s\npin %s\nchallenge secret (for tests only)\n", url, ca.Pin())
	}
	if f, ok := a.stdout.(*os.File); ok {
		f.Sync()
	}
	<-ctx.Done()
	return nil
}
