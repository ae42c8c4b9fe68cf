// Command entratestd serves a tenant of package entratest on loopback, for trying clients of Microsoft Graph by hand and
// for tests in other languages. Nothing is stored.
//
//	entratestd -load users.json -quota -log
//	curl -H 'Authorization: Bearer x' "$URL/v1.0/users?\$select=displayName"
//
// It prints where it listens and runs until it is interrupted. Exit status: 0 stopped, 2 wrong flags or input.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const (
	exitOK    = 0
	exitUsage = 2
)

// served is what -json prints.
type served struct {
	URL     string `json:"url"` // v1.0 and beta are below it
	Users   int    `json:"users"`
	Devices int    `json:"devices"`
}

type options struct {
	listen, token, ca      string
	load                   []string
	quota, tls, log, empty bool
	asJSON, dump           bool
	throttle               float64
	lag                    time.Duration
	seed                   uint64
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var o options
	f := flag.NewFlagSet("entratestd", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: entratestd [flags]\n\nServes a fictional tenant of Microsoft Graph on loopback until it is interrupted.\n\n")
		f.PrintDefaults()
		fmt.Fprint(stderr, "\nExit status: 0 stopped, 2 wrong flags or input.\n")
	}
	f.Func("load", "JSON `file` of users and devices as Graph answers them, - is standard input; may be given again", func(s string) error {
		o.load = append(o.load, s)
		return nil
	})
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback `address`")
	f.StringVar(&o.token, "token", "", "the only bearer `token` that is accepted; any if empty")
	f.BoolVar(&o.quota, "quota", false, "limit writes, resource units and uploads as the service does")
	f.Float64Var(&o.throttle, "throttle", 0, "answer 429 with `probability` 0 to 1, whatever the quota")
	f.DurationVar(&o.lag, "lag", 0, "show a write only after this `time`")
	f.BoolVar(&o.empty, "empty-pages", false, "put empty pages between pages")
	f.Uint64Var(&o.seed, "seed", 0, "`number` that decides ids and chance")
	f.BoolVar(&o.tls, "tls", false, "serve HTTPS with a certificate of its own")
	f.StringVar(&o.ca, "ca", "", "write that certificate to this `file`")
	f.BoolVar(&o.log, "log", false, "print a line for every request, and every item of a $batch, to standard error")
	f.BoolVar(&o.asJSON, "json", false, "print where it listens as JSON")
	f.BoolVar(&o.dump, "dump", false, "when stopped, print users and devices as JSON")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case f.NArg() > 0:
		fmt.Fprintf(stderr, "entratestd: unexpected argument %q; see entratestd -h\n", f.Arg(0))
		return exitUsage
	}
	if err := o.serve(ctx, stdin, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "entratestd:", err)
		return exitUsage
	}
	return exitOK
}

// tenant makes the server and fills it.
func (o *options) tenant(stdin io.Reader) (*entratest.Server, error) {
	if o.throttle < 0 || o.throttle > 1 {
		return nil, fmt.Errorf("-throttle %v is no probability", o.throttle)
	}
	if o.ca != "" && !o.tls {
		return nil, errors.New("-ca needs -tls")
	}
	c := entratest.Config{Token: o.token, Seed: o.seed, EmptyPages: o.empty, ReadLag: entratest.Lag{For: o.lag}, IndexLag: entratest.Lag{For: o.lag}}
	if o.quota {
		c.Budgets = []entratest.Budget{entratest.WriteBudget(), entratest.UnitBudget(), entratest.UploadBudget()}
	}
	s := entratest.New(c)
	for _, name := range o.load {
		in := stdin
		if name != "-" {
			file, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer file.Close()
			in = file
		}
		if _, err := s.Load(in); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if o.throttle > 0 {
		fault := entratest.TooManyRequests("0.249")
		fault.Times, fault.Probability = -1, o.throttle
		s.Script(fault)
	}
	return s, nil
}

// serve runs until ctx ends.
func (o *options) serve(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("-listen %s: only loopback addresses, such as 127.0.0.1:8080: anybody could write here", o.listen)
	}
	s, err := o.tenant(stdin)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: o.logged(s, stderr), ReadHeaderTimeout: 10 * time.Second}
	scheme := "http"
	if o.tls {
		scheme = "https"
		if srv.TLSConfig, err = selfSigned(host, o.ca); err != nil {
			l.Close()
			return err
		}
	}
	where := served{URL: scheme + "://" + l.Addr().String(), Users: len(s.Users()), Devices: len(s.Devices())}
	if o.asJSON {
		json.NewEncoder(stdout).Encode(where)
	} else {
		fmt.Fprintf(stdout, "%s: %d users, %d devices\n", where.URL, where.Users, where.Devices)
	}
	done := make(chan error, 1)
	go func() {
		if o.tls {
			done <- srv.ServeTLS(l, "", "")
			return
		}
		done <- srv.Serve(l)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	srv.Close()
	<-done
	if o.dump {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"users": s.Users(), "devices": s.Devices()})
	}
	return nil
}

// logged serves one request at a time and forgets its record, which would otherwise grow for as long as the server runs.
func (o *options) logged(s *entratest.Server, w io.Writer) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		defer s.ResetRequests()
		s.ServeHTTP(rw, r)
		if !o.log {
			return
		}
		for _, q := range s.Requests() {
			indent, why := "", ""
			if q.Batch > 0 {
				indent = "  "
			}
			if q.Fault != "" {
				why = " (" + q.Fault + ")"
			}
			fmt.Fprintf(w, "%s %s%d %s %q%s\n", q.Time.UTC().Format("15:04:05.000"), indent, q.Status, q.Method, "/"+q.Version+q.Path, why)
		}
	})
}
