package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"go.internal/hybridkit/ldapsync/adpreflight"
)

const (
	exitReady = 0
	exitNot   = 1
	exitUsage = 2
)

const usage = `usage: readiness demo [-json] [-all]
       readiness [-json] [-all] REQUEST.json|-
       readiness request

Says whether an organisation is ready to be onboarded, and what to do next. "request" prints a request to start from.

flags:`

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("readiness", flag.ContinueOnError)
	f.SetOutput(stderr)
	asJSON := f.Bool("json", false, "print one JSON document")
	all := f.Bool("all", false, "print the evidence of checks that pass, too")
	f.Usage = func() {
		fmt.Fprintln(stderr, usage)
		f.PrintDefaults()
		fmt.Fprintln(stderr, "\nexit status: 0 ready as far as could be looked at, 1 a check fails or warns, 2 wrong use or unreadable input")
	}
	err := f.Parse(args)
	word := ""
	if first := f.Arg(0); err == nil && (first == "demo" || first == "request") {
		word, err = first, f.Parse(f.Args()[1:]) // flags may stand on both sides of the word
	}
	if errors.Is(err, flag.ErrHelp) {
		return exitReady
	}
	if err != nil {
		return exitUsage
	}
	failed := func(err error) int {
		fmt.Fprintln(stderr, "readiness:", err)
		return exitUsage
	}
	var report *adpreflight.Report
	var name string
	switch {
	case word != "" && f.NArg() > 0:
		return failed(fmt.Errorf("%s takes no file: %q", word, f.Arg(0)))
	case word == "request":
		if _, err := stdout.Write(startingPoint()); err != nil {
			return failed(err)
		}
		return exitReady
	case word == "demo":
		name, report, err = demo(ctx)
	case f.NArg() == 0:
		f.Usage()
		return exitUsage
	case f.NArg() > 1:
		return failed(fmt.Errorf("%q: one request at a time", f.Arg(1)))
	default:
		name, report, err = fromFile(ctx, f.Arg(0), stdin, stderr)
	}
	if err != nil {
		return failed(err)
	}
	w := bufio.NewWriter(stdout)
	if err := errors.Join(write(w, name, *report, *asJSON, *all), w.Flush()); err != nil {
		return failed(err)
	}
	if _, bad := report.Next(); bad {
		return exitNot
	}
	return exitReady
}

func fromFile(ctx context.Context, name string, stdin io.Reader, stderr io.Writer) (string, *adpreflight.Report, error) {
	g := &gatherer{open: func(name string) (io.ReadCloser, error) { return os.Open(name) }, network: adpreflight.Dialer{}, progress: progressTo(stderr)}
	in, where := stdin, "standard input"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", nil, err
		}
		defer file.Close()
		in, where = file, name
		g.folder = filepath.Dir(name)
	}
	q, err := readRequest(in)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", where, err)
	}
	g.q = q
	defer g.close()
	report, err := g.report(ctx)
	return q.Organisation, report, err
}

// progressTo shows what is being done on a terminal, and nothing elsewhere.
func progressTo(w io.Writer) func(string) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string) {}
	}
	return func(what string) { fmt.Fprintf(f, "\r\x1b[K%s", what) }
}

// write prints the report, the most urgent first.
func write(w io.Writer, organisation string, r adpreflight.Report, asJSON, all bool) error {
	r = r.ByUrgency()
	if asJSON {
		type doc struct {
			Organisation string `json:"organisation,omitempty"`
			Ready        bool   `json:"ready"`
			Next         string `json:"next,omitempty"` // ID of the check to see to
			adpreflight.Report
		}
		next, bad := r.Next()
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(doc{organisation, !bad, next.ID, r})
	}
	if organisation != "" {
		if _, err := fmt.Fprintf(w, "Readiness of %s\n\n", organisation); err != nil {
			return err
		}
	}
	return r.WriteText(w, all)
}
