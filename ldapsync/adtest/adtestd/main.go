// Command adtestd serves a fictional Active Directory domain from an LDIF file on loopback, for
// trying LDAP clients by hand and for tests in other languages. Nothing is stored.
//
//	adtestd -ldif trust.ldif -ca ca.pem
//
// It prints where it listens and runs until it is interrupted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.internal/hybridkit/ldapsync/adtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitOK    = 0
	exitUsage = 2 // wrong flags or input
)

// served is what -json prints.
type served struct {
	URL      string   `json:"url"`
	TLSURL   string   `json:"tlsUrl,omitempty"`
	GCURL    string   `json:"gcUrl,omitempty"`
	GCTLSURL string   `json:"gcTlsUrl,omitempty"`
	Base     string   `json:"base"`
	Host     string   `json:"host"`
	Accounts []string `json:"accounts"`
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("adtestd", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "usage: adtestd [flags]\n\nServes a fictional Active Directory domain on loopback until it is interrupted. Accounts are\nadmin, writer and reader; their passwords are \"Passw0rd-\" and the name.\n\n")
		fs.PrintDefaults()
		fmt.Fprint(stderr, "\nExit codes: 0 stopped, 2 wrong flags or input.\n")
	}
	domain := fs.String("domain", "ashdown.example", "DNS name of the domain")
	file := fs.String("ldif", "", "LDIF `file` to load, - is standard input")
	listen := fs.String("listen", "127.0.0.1:0", "loopback `address` for LDAP")
	listenTLS := fs.String("listen-tls", "127.0.0.1:0", "loopback `address` for LDAPS")
	gc := fs.Bool("gc", false, "also listen as Global Catalog")
	plain := fs.Bool("plain", false, "accept simple binds without TLS")
	ca := fs.String("ca", "", "write the certificate of the certification authority to this `file`")
	asJSON := fs.Bool("json", false, "print where it listens as JSON")
	dump := fs.Bool("dump", false, "when stopped, print the domain as LDIF")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	fail := func(err error) int {
		fmt.Fprintf(stderr, "adtestd: %v\n", err)
		return exitUsage
	}
	if fs.NArg() > 0 {
		return fail(fmt.Errorf("unexpected argument %q; see adtestd -h", fs.Arg(0)))
	}
	cfg := adtest.Config{Domain: *domain, Listen: *listen, ListenTLS: *listenTLS, GlobalCatalog: *gc, AllowPlainBind: *plain}
	switch *file {
	case "":
	case "-":
		cfg.LDIF = stdin
	default:
		f, err := os.Open(*file)
		if err != nil {
			return fail(err)
		}
		defer f.Close()
		cfg.LDIF = f
	}
	s, err := adtest.Start(cfg)
	if err != nil {
		return fail(err)
	}
	defer s.Close()
	if *ca != "" {
		if err := os.WriteFile(*ca, s.CAPEM(), 0o644); err != nil {
			return fail(err)
		}
	}
	report(stdout, s, *asJSON)
	<-ctx.Done()
	s.Close()
	if *dump {
		if err := s.Dump(stdout, ""); err != nil {
			return fail(err)
		}
	}
	return exitOK
}

func report(w io.Writer, s *adtest.Server, asJSON bool) {
	r := served{URL: s.URL(), TLSURL: s.TLSURL(), GCURL: s.GCURL(), GCTLSURL: s.GCTLSURL(), Base: s.BaseDN(), Host: s.DNSHostName()}
	for _, a := range adtest.DefaultAccounts() {
		r.Accounts = append(r.Accounts, a.Name)
	}
	if asJSON {
		json.NewEncoder(w).Encode(r)
		return
	}
	fmt.Fprintf(w, "base  %s\nldap  %s\nldaps %s\n", r.Base, r.URL, r.TLSURL)
	if r.GCURL != "" {
		fmt.Fprintf(w, "gc    %s %s\n", r.GCURL, r.GCTLSURL)
	}
}
