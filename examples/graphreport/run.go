//go:build graphreport

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"go.internal/hybridkit/examples/graphreport/report"
	"go.internal/hybridkit/ldapsync/entra/entraauth"
)

const (
	exitOK       = 0
	exitFindings = 1
	exitUsage    = 2
)

// maxConfig bounds the configuration, which is a dozen lines.
const maxConfig = 1 << 20

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	demo := len(args) > 0 && args[0] == "demo"
	if demo {
		args = args[1:]
	}
	f := flag.NewFlagSet("graphreport", flag.ContinueOnError)
	f.SetOutput(stderr)
	asJSON := f.Bool("json", false, "print the report as one JSON document")
	stale := f.Int("stale", int(report.DefaultStale/(24*time.Hour)), "a device counts as stale after so many `days` without a sign-in; 14 at least")
	config := f.String("config", "", "`file` with an entraauth configuration, - for standard input")
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: graphreport [-json] [-stale DAYS] -config FILE\n       graphreport demo [-json] [-stale DAYS]\n\n")
		f.PrintDefaults()
	}
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	usage := func(why string) int {
		fmt.Fprintln(stderr, "graphreport:", why)
		f.Usage()
		return exitUsage
	}
	switch {
	case f.NArg() > 0:
		return usage("unexpected argument " + f.Arg(0))
	case *stale < 14 || *stale > 36500:
		return usage("-stale has to be 14 to 36500: Entra ID notes a sign-in up to 14 days late")
	case demo == (*config != ""):
		return usage("-config is needed, except for demo, which takes none")
	}

	o := report.Options{Now: time.Now(), Stale: time.Duration(*stale) * 24 * time.Hour}
	var adapter abstractions.RequestAdapter
	var err error
	if demo {
		o.Now = demoNow
		adapter, err = demoAdapter()
	} else {
		adapter, err = connect(*config, stdin)
	}
	if err != nil {
		fmt.Fprintln(stderr, "graphreport:", err)
		return exitUsage
	}
	r, err := read(ctx, adapter, o, newProgress(stderr))
	if err != nil {
		fmt.Fprintln(stderr, "graphreport:", err)
		return exitUsage
	}
	write := r.WriteText
	if *asJSON {
		write = r.WriteJSON
	}
	if err := write(stdout); err != nil {
		fmt.Fprintln(stderr, "graphreport:", err)
		return exitUsage
	}
	if r.Findings() > 0 {
		return exitFindings
	}
	return exitOK
}

// connect reads the configuration and makes the adapter. It signs in with the first request.
func connect(file string, stdin io.Reader) (abstractions.RequestAdapter, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	d := json.NewDecoder(io.LimitReader(in, maxConfig))
	d.DisallowUnknownFields()
	var c entraauth.Config
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: at byte %d: %w", file, d.InputOffset(), err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return entraauth.NewAdapter(c)
}
