package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/certfile"
)

const usage = `usage: scepenrol COMMAND [flags]

  caps      what a SCEP server says it can do
  cacert    its CA and RA certificates, who is who, and their fingerprints
  enrol     enrol a certificate into a folder
  renew     renew the certificate of a folder if it is due
  status    the state of a folder; goes on with a pending request
  crl       fetch the CRL over SCEP
  doctor    examine an NDES or another SCEP server
  profile   lint FILE…: check Intune profiles; why -profile FILE -device FILE: why a device waits
  testca    serve a CA for tests on a loopback port

scepenrol COMMAND -h shows the flags. Exit status: 0 done, 1 refused, pending or findings,
2 wrong usage or input.
`

// An app is one run of the program.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
}

// usageError makes exit status 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errFindings makes exit status 1 without another message.
var errFindings = errors.New("findings")

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	commands := map[string]func(context.Context, []string) error{
		"caps": a.caps, "cacert": a.cacert, "enrol": a.enrol, "renew": a.renew, "status": a.status, "crl": a.crl, "testca": a.testca,
		"doctor": a.doctor, "profile": a.profile,
	}
	if len(args) == 0 {
		io.WriteString(stderr, usage)
		return 2
	}
	if args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		io.WriteString(stdout, usage)
		return 0
	}
	cmd, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(stderr, "scepenrol: unknown command %q\n\n%s", args[0], usage)
		return 2
	}
	err := cmd(ctx, args[1:])
	var ue usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errFindings):
		return 1
	case errors.As(err, &ue):
		a.fail(err)
		return 2
	}
	a.fail(err)
	return 1
}

// fail prints an error with its explanation, as text or JSON.
func (a *app) fail(err error) {
	e, known := scepclient.Explain(err)
	if a.json {
		out := map[string]any{"error": err.Error()}
		if known {
			out["explanation"] = e
		}
		a.printJSON(out)
		return
	}
	fmt.Fprintf(a.stderr, "scepenrol: %v\n", err)
	if known {
		fmt.Fprintf(a.stderr, "  means: %s\n  do:    %s\n", e.Meaning, e.Remedy)
	}
}

func (a *app) printJSON(v any) {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		fmt.Fprintf(a.stderr, "scepenrol: %v\n", err)
	}
}

// progress prints a line on a terminal and nothing into a pipe.
func (a *app) progress(format string, args ...any) {
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// A service is the set of flags that describe the SCEP server.
type service struct {
	urls, pins list
	caFile     string
	insecure   bool
	ndes       bool
	reply      string
	method     string
	caID       string
	poll       time.Duration
	polls      int
	timeout    time.Duration
}

func (a *app) flags(name, synopsis string) *flag.FlagSet {
	fs := flag.NewFlagSet("scepenrol "+name, flag.ContinueOnError)
	fs.SetOutput(a.stderr)
	fs.BoolVar(&a.json, "json", false, "print JSON")
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: scepenrol %s %s\n", name, synopsis)
		fs.PrintDefaults()
	}
	return fs
}

func (s *service) register(fs *flag.FlagSet) {
	fs.Var(&s.urls, "url", "`URL` of the SCEP server; may be repeated, the first that works is used")
	fs.Var(&s.pins, "pin", "`SHA256` fingerprint of the CA (or RA, or root) certificate; may be repeated")
	fs.StringVar(&s.caFile, "ca-file", "", "PEM or DER `file` with CA certificates to trust instead of a pin")
	fs.BoolVar(&s.insecure, "insecure", false, "trust whatever CA answers (the challenge goes to it)")
	fs.BoolVar(&s.ndes, "ndes", false, "policy for NDES: 3DES and SHA-1 where the server offers nothing better")
	fs.StringVar(&s.reply, "reply", "standard", "algorithms accepted in replies: standard, lenient (single DES too) or strict")
	fs.StringVar(&s.method, "method", "", "force `GET or POST`")
	fs.StringVar(&s.caID, "ca-id", "", "CA identifier to send as message=")
	fs.DurationVar(&s.poll, "poll", time.Minute, "wait between polls of a pending request")
	fs.IntVar(&s.polls, "max-polls", 10, "how often to poll before giving up (the request can be resumed)")
	fs.DurationVar(&s.timeout, "timeout", 0, "give up after this `time`, 0: never")
}

// client turns the flags into a Client.
func (s *service) client() (*scepclient.Client, error) {
	c := &scepclient.Client{URLs: s.urls, Method: strings.ToUpper(s.method), CAIdentifier: s.caID}
	if s.ndes {
		c.Policy = scepclient.PolicyNDES()
	}
	var err error
	if c.Policy.Reply, err = scepclient.ParseReplyPolicy(s.reply); err != nil {
		return nil, usageError{err}
	}
	if c.Method != "" && c.Method != "GET" && c.Method != "POST" {
		return nil, usagef("-method is GET or POST, not %q", s.method)
	}
	c.Trust = scepclient.Trust{Pins: s.pins, Insecure: s.insecure}
	if s.caFile != "" {
		if c.Trust.Roots, err = certfile.ReadCertificates(s.caFile); err != nil {
			return nil, usageError{err}
		}
	}
	c.Poll = func(n int) (time.Duration, bool) { return s.poll, n <= s.polls }
	return c, nil
}

func (s *service) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout > 0 {
		return context.WithTimeout(ctx, s.timeout)
	}
	return context.WithCancel(ctx)
}

// parse parses flags, wants no arguments left and makes the client.
func (s *service) parse(fs *flag.FlagSet, args []string, needURL, needTrust bool) (*scepclient.Client, error) {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usageError{err}
	}
	if fs.NArg() > 0 {
		return nil, usagef("unexpected argument %q", fs.Arg(0))
	}
	if needURL && len(s.urls) == 0 {
		return nil, usagef("-url is required")
	}
	for _, raw := range s.urls {
		if u, err := url.Parse(raw); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, usagef("-url %q is not an http or https address", raw)
		}
	}
	for _, pin := range s.pins {
		if _, err := scepclient.ParsePin(pin); err != nil {
			return nil, usagef("-pin %q is not a SHA-256 fingerprint (64 hex digits); scepenrol cacert shows the fingerprints to compare", pin)
		}
	}
	if needTrust && len(s.pins) == 0 && s.caFile == "" && !s.insecure {
		return nil, usagef("-pin or -ca-file is required; scepenrol cacert shows the fingerprints to compare")
	}
	return s.client()
}

// readSecret reads a secret from a file ("-" is standard input) or an environment variable.
func (a *app) readSecret(file, env, what string) (scepclient.Secret, error) {
	switch {
	case file != "" && env != "":
		return scepclient.Secret{}, usagef("-%s-file and -%s-env exclude each other", what, what)
	case env != "":
		v, ok := os.LookupEnv(env)
		if !ok {
			return scepclient.Secret{}, usagef("environment variable %s is not set", env)
		}
		return scepclient.NewSecret(v), nil
	case file != "":
		var b []byte
		var err error
		if file == "-" {
			b, err = io.ReadAll(io.LimitReader(a.stdin, 1<<16))
		} else {
			b, err = os.ReadFile(file)
		}
		if err != nil {
			return scepclient.Secret{}, usageError{err}
		}
		if len(b) >= 1<<16 {
			return scepclient.Secret{}, usagef("-%s-file is too large for a password", what)
		}
		return scepclient.NewSecret(strings.TrimRight(string(b), "\r\n")), nil
	}
	return scepclient.Secret{}, nil
}

// certificate is how certificates are shown.
type certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	SHA256    string    `json:"sha256"`
	Roles     []string  `json:"roles,omitempty"`
}

func show(c *x509.Certificate, roles ...string) certificate {
	return certificate{c.Subject.String(), c.Issuer.String(), fmt.Sprintf("%X", c.SerialNumber), c.NotBefore.UTC(), c.NotAfter.UTC(), scepclient.Fingerprint(c), roles}
}
