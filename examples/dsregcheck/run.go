package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.internal/hybridkit/dsreg"
)

const (
	exitOK       = 0
	exitFindings = 1
	exitUsage    = 2
)

// A checker holds the flags and what was found so far.
type checker struct {
	want     dsreg.Expectation
	asJSON   bool
	summary  bool
	redactor *dsreg.Redactor
	color    bool

	out    *bufio.Writer
	errOut io.Writer
	tick   *progress

	fleet   dsreg.Fleet
	read    int // captures
	failed  bool
	worst   dsreg.Severity
	written int
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("dsregcheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print one JSON document per capture, one per line")
	expect := flags.String("expect", "", "JSON `file` with what is wanted: tenantId, tenantName, join, trust, hello, syncPatience, since, at, unsynchronised")
	tenant := flags.String("tenant", "", "wanted tenant `id`, as in CDJ\\AAD TenantId")
	want := flags.String("want", "", "wanted join `state`: hybrid, entra, domain, registered, drs or none")
	at := flags.String("at", "", "`time` of the captures (RFC 3339), for those that print no clock")
	redact := flags.Bool("redact", false, "replace identities, consistently over all captures; without -json and -summary print the redacted captures")
	summary := flags.Bool("summary", false, "print counts over all captures in place of each capture")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: dsregcheck [flags] [FILE|DIR|-]...\n\nReads output of dsregcmd (/status, /debug, /listaccounts) and says what is wrong.\nOn Windows without a file it runs dsregcmd /status itself.\n\nflags:")
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "\nexit status: 0 no error finding, 1 error finding, 2 wrong use or unreadable input")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	c := &checker{asJSON: *asJSON, summary: *summary, out: bufio.NewWriter(stdout), errOut: stderr, color: isTerminal(stdout) && os.Getenv("NO_COLOR") == ""}
	if err := c.configure(*expect, *tenant, *want, *at); err != nil {
		fmt.Fprintln(stderr, "dsregcheck:", err)
		return exitUsage
	}
	if *redact {
		c.redactor = &dsreg.Redactor{}
	}
	paths := flags.Args()
	if len(paths) == 0 {
		return c.finish(c.local(ctx, flags.Usage))
	}
	c.tick = newProgress(stderr)
	for _, path := range paths {
		if err := c.path(ctx, path, stdin); err != nil {
			return c.finish(err)
		}
	}
	return c.finish(nil)
}

// configure makes the expectation; flags overrule the file.
func (c *checker) configure(file, tenant, want, at string) error {
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &c.want); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if tenant != "" {
		if _, err := dsreg.ParseUUID(tenant); err != nil {
			return fmt.Errorf("-tenant: %w", err)
		}
		c.want.TenantID = tenant
	}
	if want != "" {
		j, err := dsreg.ParseWant(want)
		if err != nil {
			return fmt.Errorf("-want: %w", err)
		}
		c.want.Join = j
	}
	if at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return fmt.Errorf("-at: %q is not a time like 2026-03-04T09:30:00Z", at)
		}
		c.want.At = t
	}
	c.fleet.Want = c.want
	return nil
}

var errNoInput = errors.New("no input: name a file, a folder, or - for standard input")

// local runs dsregcmd on this computer.
func (c *checker) local(ctx context.Context, usage func()) error {
	out, err := runDsregcmd(ctx)
	if errors.Is(err, errNoInput) {
		fmt.Fprintln(c.errOut, "dsregcheck:", err)
		usage()
		c.failed = true
		return nil
	}
	if err != nil {
		return err
	}
	if c.want.At.IsZero() {
		c.want.At = time.Now() // the capture is of this moment
	}
	c.fleet.Want = c.want
	return c.reader(ctx, "dsregcmd /status", bytes.NewReader(out))
}

// path reads a file, every file below a folder, or standard input.
func (c *checker) path(ctx context.Context, path string, stdin io.Reader) error {
	if path == "-" {
		return c.reader(ctx, "-", stdin)
	}
	info, err := os.Stat(path)
	if err != nil {
		c.unreadable(err)
		return nil
	}
	if !info.IsDir() {
		return c.file(ctx, path)
	}
	before := c.read
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			c.unreadable(err)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case d.Type().IsRegular() && !strings.HasPrefix(d.Name(), "."):
			return c.file(ctx, p)
		}
		return nil
	})
	if err == nil && c.read == before && !c.failed {
		c.unreadable(fmt.Errorf("%s: no file with a capture", path))
	}
	return err
}

func (c *checker) file(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		c.unreadable(err)
		return nil
	}
	defer f.Close()
	return c.reader(ctx, path, f)
}

func (c *checker) unreadable(err error) {
	c.failed = true
	c.tick.clear()
	_ = c.out.Flush() // so that messages and results stay in order
	fmt.Fprintln(c.errOut, "dsregcheck:", err)
}

// reader checks every capture of one input. It returns only errors that end
// the run: a cancelled context or an output that cannot be written.
func (c *checker) reader(ctx context.Context, name string, r io.Reader) error {
	for st, err := range dsreg.Decode(r) {
		if err != nil {
			c.unreadable(fmt.Errorf("%s: %w", name, err))
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.capture(name, st); err != nil {
			return err
		}
		c.tick.step(c.read)
	}
	return nil
}

func (c *checker) capture(name string, st *dsreg.Status) error {
	c.read++
	if c.redactor != nil {
		st = c.redactor.Status(st)
	}
	d := dsreg.Diagnose(st, c.want)
	c.worst = max(c.worst, d.Worst())
	switch {
	case c.summary:
		label := name
		if st.Several {
			label = fmt.Sprintf("%s#%d", name, st.Index)
		}
		c.fleet.AddDiagnosis(label, st, d)
		return nil
	case c.asJSON:
		b, err := json.Marshal(dsreg.NewReport(name, st, d))
		if err != nil {
			return err
		}
		_, err = c.out.Write(append(b, '\n'))
		return err
	case c.redactor != nil:
		return st.WriteText(c.out)
	}
	if c.written++; c.written > 1 {
		fmt.Fprintln(c.out)
	}
	c.tick.clear()
	c.human(name, st, d)
	return nil
}

// finish prints the summary and chooses the exit status.
func (c *checker) finish(err error) int {
	c.tick.clear()
	if err == nil && c.summary && (c.read > 0 || !c.failed) {
		err = c.printSummary()
	}
	err = errors.Join(err, c.out.Flush())
	switch {
	case err != nil:
		fmt.Fprintln(c.errOut, "dsregcheck:", err)
		return exitUsage
	case c.failed:
		return exitUsage
	case c.worst == dsreg.Error:
		return exitFindings
	}
	return exitOK
}
