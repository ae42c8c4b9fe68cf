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
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
)

// Exit codes.
const (
	fine     = 0
	found    = 1
	unusable = 2
)

const usage = `comgmt explains co-management between Configuration Manager and Intune.

usage: comgmt COMMAND [-json] [options] arguments

  flags VALUE…                            what a capabilities value means (12543, 0x30FF, -1, dword:…, REG_DWORD …)
  effective [-plan PLAN.json] DEVICES…    who manages each workload on each device, and why;
                                          without a plan: from the client's own flags
  diff OLD.json NEW.json DEVICES.json     what going from one plan to the next changes, device by device
  lint PLAN.json [DEVICES.json]           what is wrong with a plan
  emit -format F PLAN.json [DEVICES.json] the plan as powershell, markdown or html
  log FILE…                               timeline and state of CoManagementHandler.log and other client logs
  graph FILE.json…                        Graph documents: managed devices, eligible devices, summaries
  error CODE…                             what an enrolment error means
  ccmsetup 'LINE'…                        what is wrong with a client installation line
  ccmsetup -build -host H -site S         write one
  cmg -name N [-cert FILE]                names and certificate of a cloud management gateway
  preflight -domain D [-upns FILE]        preconditions of enrolment: DNS, UPN suffixes, URLs, settings
  reconcile [-plan P] [-graph G] [-log L] DEVICE.json
                                          where surfaces contradict each other, and which one is likely wrong
  schema plan|devices                     the JSON Schema of the input
  rules                                   the rules and checks, with their sources

A file named - is standard input. -json prints an array of objects. Exit code: 0 fine, 1 something was found
(or, by preflight and cmg, could not be checked), 2 wrong usage or unusable input. comgmt COMMAND -h prints the options of a command.
`

// tool is one run of the program.
type tool struct {
	ctx       context.Context
	stdin     io.Reader
	out       *bufio.Writer
	errs      io.Writer
	json      bool
	strict    bool // an unknown outcome counts as found
	stdinUsed bool
	flags     *flag.FlagSet
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &tool{ctx: ctx, stdin: stdin, out: bufio.NewWriter(stdout), errs: stderr}
	code, err := t.run(args)
	if flushed := t.out.Flush(); err == nil {
		err = flushed
	}
	var wrong usageError
	switch {
	case err == nil:
		return code
	case errors.Is(err, flag.ErrHelp):
		return fine
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "comgmt: %v\nTry comgmt -h.\n", err)
	default:
		// Errors of the package carry its name, which is the tool's too: once is enough.
		fmt.Fprintf(stderr, "comgmt: %v\n", strings.ReplaceAll(strings.TrimPrefix(err.Error(), "comgmt: "), ": comgmt: ", ": "))
	}
	return unusable
}

func (t *tool) run(args []string) (int, error) {
	for len(args) > 0 && (args[0] == "-json" || args[0] == "--json") {
		t.json, args = true, args[1:]
	}
	if len(args) == 0 {
		return 0, usageError{errors.New("no command")}
	}
	commands := map[string]func([]string) (int, error){
		"flags": t.flagsCommand, "effective": t.effective, "diff": t.diff, "lint": t.lint, "emit": t.emit, "log": t.log, "graph": t.graph,
		"error": t.errorCommand, "ccmsetup": t.ccmsetup, "cmg": t.cmg, "preflight": t.preflight, "reconcile": t.reconcile, "schema": t.schema, "rules": t.rules,
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help", "help":
		_, err := t.out.WriteString(usage)
		return fine, err
	}
	command, ok := commands[name]
	if !ok {
		return 0, usageError{fmt.Errorf("no command is called %.40q", name)}
	}
	t.flags = flag.NewFlagSet(name, flag.ContinueOnError)
	t.flags.SetOutput(io.Discard)
	t.flags.BoolVar(&t.json, "json", t.json, "print an array of objects")
	return command(args[1:])
}

// parse reads options and arguments in any order. A negative number is an argument.
func (t *tool) parse(args []string) ([]string, error) {
	const mark = "\x00" // keeps a negative number from being taken for an option
	var out, rest []string
	for i, a := range args {
		if a == "--" {
			args, rest = args[:i:i], args[i+1:]
			break
		}
	}
	work := append([]string(nil), args...)
	for i, a := range work {
		if len(a) > 1 && a[0] == '-' && a[1] >= '0' && a[1] <= '9' {
			work[i] = mark + a
		}
	}
	for len(work) > 0 {
		if err := t.flags.Parse(work); errors.Is(err, flag.ErrHelp) {
			t.flags.SetOutput(t.out)
			t.flags.Usage()
			return nil, err
		} else if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", t.flags.Name(), err)}
		}
		if work = t.flags.Args(); len(work) > 0 {
			out = append(out, strings.TrimPrefix(work[0], mark))
			work = work[1:]
		}
	}
	return append(out, rest...), nil
}

// need checks the number of arguments.
func need(args []string, least, most int, what string) error {
	if len(args) < least || most >= 0 && len(args) > most {
		return usageError{fmt.Errorf("want %s", what)}
	}
	return nil
}

// open opens a file, or standard input for "-", which can be read once.
func (t *tool) open(name string) (io.ReadCloser, error) {
	if name != "-" {
		return os.Open(name)
	}
	if t.stdinUsed {
		return nil, usageError{errors.New("standard input can be read only once")}
	}
	t.stdinUsed = true
	return io.NopCloser(t.stdin), nil
}

// plan reads a plan file.
func (t *tool) plan(name string) (*comgmt.Plan, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := comgmt.DecodePlan(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// devices calls f for every device of the files.
func (t *tool) devices(names []string, f func(comgmt.Device) error) error {
	p := t.progress("devices")
	defer p.done()
	for _, name := range names {
		if err := t.devicesOf(name, p, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *tool) devicesOf(name string, p *progress, f func(comgmt.Device) error) error {
	file, err := t.open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	for d, err := range comgmt.DecodeDevices(file) {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := f(d); err != nil {
			return err
		}
		if p.tick() && t.ctx.Err() != nil {
			return t.ctx.Err()
		}
	}
	return nil
}

// list writes an array of objects one by one.
type list struct {
	t     *tool
	n     int
	ended bool
}

func (t *tool) list() *list { return &list{t: t} }

func (l *list) add(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sep := "[\n"
	if l.n > 0 {
		sep = ",\n"
	}
	l.n++
	_, err = fmt.Fprintf(l.t.out, "%s%s", sep, b)
	return err
}

// end closes the array, so that what was printed before an error is JSON too.
func (l *list) end() {
	if l.ended {
		return
	}
	l.ended = true
	if l.n == 0 {
		l.t.out.WriteString("[")
	}
	l.t.out.WriteString("\n]\n")
}

// findings prints findings and returns the exit code.
func (t *tool) findings(fs []comgmt.Finding) (int, error) {
	code := fine
	if comgmt.Problems(fs) {
		code = found
	}
	if t.strict { // what was to be checked and could not be is not fine
		for _, f := range fs {
			if f.Status == comgmt.StatusUnknown {
				code = found
			}
		}
	}
	if t.json {
		l := t.list()
		defer l.end()
		for _, f := range fs {
			if err := l.add(f); err != nil {
				return 0, err
			}
		}
		return code, nil
	}
	if len(fs) == 0 {
		fmt.Fprintln(t.out, "nothing found")
	}
	for _, f := range fs {
		fmt.Fprintf(t.out, "%-14v %s: %s\n", f.Status, f.Subject, f.Message)
		for _, e := range f.Evidence {
			fmt.Fprintf(t.out, "%-14s   %s\n", "", e)
		}
		if f.Remedy != "" {
			fmt.Fprintf(t.out, "%-14s   → %s\n", "", f.Remedy)
		}
	}
	return code, nil
}

// A progress counts on a terminal and is silent in a pipe.
type progress struct {
	w    io.Writer
	what string
	n    int
	last time.Time
	show bool
	said bool
}

func (t *tool) progress(what string) *progress {
	p := &progress{w: t.errs, what: what, last: time.Now()}
	if f, ok := t.errs.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			p.show = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return p
}

// tick counts one; now and then it reports true, which is the time to look for cancellation.
func (p *progress) tick() bool {
	p.n++
	if p.n%4096 != 0 {
		return false
	}
	if p.show && time.Since(p.last) > 500*time.Millisecond {
		fmt.Fprintf(p.w, "\r%d %s", p.n, p.what)
		p.last, p.said = time.Now(), true
	}
	return true
}

func (p *progress) done() {
	if p.said {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
