package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/ldapsync"
)

const (
	exitOK    = 0
	exitStill = 1
	exitUsage = 2
)

// The sample of the demonstration.
var (
	//go:embed demo/request.json
	demoRequest []byte
	//go:embed demo/before.txt
	demoBefore []byte
	//go:embed demo/after.txt
	demoAfter []byte
)

const usage = `usage: offboard demo [-json]
       offboard plan [-json] [-engine PLAN] [REQUEST.json|-]
       offboard verify [-json] BEFORE AFTER

Says how users, devices or a whole organisation leave, step by step. Changes nothing itself.
`

type app struct {
	asJSON bool
	engine string
	stdin  io.Reader
	out    *bufio.Writer
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, out: bufio.NewWriter(stdout)}
	code, err := a.command(ctx, args, stderr)
	if err = errors.Join(err, a.out.Flush()); err != nil {
		if !errors.Is(err, errUsage) {
			fmt.Fprintln(stderr, "offboard:", err)
		}
		return exitUsage
	}
	return code
}

// errUsage: the flag package has already said what is wrong.
var errUsage = errors.New("wrong use")

func (a *app) command(ctx context.Context, args []string, stderr io.Writer) (int, error) {
	f := flag.NewFlagSet("offboard", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&a.asJSON, "json", false, "print one JSON document")
	f.StringVar(&a.engine, "engine", "", "plan: `file` that syncengine plan wrote after the moves")
	f.Usage = func() {
		fmt.Fprint(stderr, usage+"\nflags:\n")
		f.PrintDefaults()
		fmt.Fprintln(stderr, "\nexit status: 0 fine, 1 verify: the device has not left, 2 wrong use or unreadable input")
	}
	name := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK, nil
		}
		return 0, errUsage
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	files := f.Args()
	switch {
	case name == "demo" && len(files) == 0 && a.engine == "":
		return a.demo()
	case name == "plan" && len(files) <= 1:
		return a.plan(append(files, "-")[0])
	case name == "verify" && len(files) == 2 && a.engine == "":
		return a.verify(files[0], files[1])
	case name == "":
		f.Usage()
		return 0, errUsage
	case name == "demo" || name == "plan" || name == "verify":
		return 0, fmt.Errorf("%s: wrong arguments, see offboard -h", name)
	}
	return 0, fmt.Errorf("unknown command %q, see offboard -h", name)
}

func (a *app) with(name string, read func(io.Reader) error) error {
	if name == "-" {
		if err := read(a.stdin); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (a *app) plan(name string) (int, error) {
	var q *request
	if err := a.with(name, func(r io.Reader) (err error) {
		q, err = readRequest(r)
		return err
	}); err != nil {
		return 0, err
	}
	d, err := q.steps()
	if err != nil {
		return 0, err
	}
	if a.engine != "" {
		if err := a.with(a.engine, func(r io.Reader) error {
			p, err := ldapsync.ReadPlan(r)
			if err == nil {
				d.reverts(p)
			}
			return err
		}); err != nil {
			return 0, err
		}
	}
	return exitOK, a.print(d)
}

func (a *app) print(d *departure) error {
	if a.asJSON {
		return a.encode(d)
	}
	fmt.Fprintf(a.out, "How %s leaves: %d steps.\n", clean(d.Organisation), len(d.Steps))
	for _, s := range d.Steps {
		fmt.Fprintf(a.out, "\n%2d. %s   [%s]\n    on %s\n", s.Number, clean(s.Title), s.ID, s.Where)
		for _, c := range s.Commands {
			fmt.Fprintf(a.out, "      %s\n", clean(c))
		}
		fmt.Fprintf(a.out, "    why: %s (%s)\n", clean(s.Why), s.Source)
		for _, v := range s.Verify {
			fmt.Fprintf(a.out, "    see: %s\n", clean(v))
		}
	}
	if len(d.Reverts) > 0 {
		fmt.Fprintf(a.out, "\nThe engine takes back, when its plan is applied:\n")
	}
	for _, r := range d.Reverts {
		fmt.Fprintf(a.out, "  %s: %s %s (%s)\n", clean(r.Object), r.Action, strings.Join(r.Attrs, ", "), clean(r.Reason))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(a.out, "\nnote: %s\n", clean(n))
	}
	return nil
}

// clean keeps control characters of an input away from the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}

func (a *app) encode(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// A check is what verify prints with -json.
type check struct {
	Left    bool            `json:"left"` // it was joined, and is joined to Active Directory only
	Before  dsreg.JoinState `json:"before"`
	After   dsreg.JoinState `json:"after"`
	Changes []dsreg.Change  `json:"changes"`
	Remedy  string          `json:"remedy,omitempty"`
}

func (a *app) verify(before, after string) (int, error) {
	var st [2]*dsreg.Status
	for i, name := range []string{before, after} {
		if err := a.with(name, func(r io.Reader) (err error) {
			st[i], err = dsreg.Parse(r)
			return err
		}); err != nil {
			return 0, err
		}
	}
	c := judge(st[0], st[1])
	code := exitOK
	if !c.Left {
		code = exitStill
	}
	if a.asJSON {
		return code, a.encode(c)
	}
	a.say(c)
	return code, nil
}

// judge says whether the device left between two captures.
func judge(before, after *dsreg.Status) check {
	c := dsreg.Compare(before, after, dsreg.Expectation{Join: dsreg.DomainJoined})
	r := check{Left: c.ConfirmsLeave() && !c.Has(dsreg.ChangeDevice), Before: c.Before, After: c.After, Changes: c.Changes}
	switch {
	case r.Left:
	case c.Has(dsreg.ChangeDevice):
		r.Remedy = "The captures are of two different computers."
	case c.After == dsreg.HybridJoined || c.After == dsreg.EntraJoined:
		r.Remedy = "Run dsregcmd.exe /debug /leave in an elevated prompt, with the task Automatic-Device-Join disabled, and look again."
	case c.Before != dsreg.HybridJoined && c.Before != dsreg.EntraJoined:
		r.Remedy = "The first capture is not of a joined device, so there was nothing to leave, or it was made too late."
	default:
		r.Remedy = "The second capture does not show that the device is joined to the on-premises Active Directory only: take the whole output."
	}
	return r
}

func (a *app) say(c check) {
	verdict := "The device has left: it is joined to the on-premises Active Directory only."
	if !c.Left {
		verdict = "It is not confirmed that the device has left. " + c.Remedy
	}
	fmt.Fprintf(a.out, "%s\n  before: %s\n  after:  %s\n", verdict, c.Before.Title(), c.After.Title())
	for _, ch := range c.Changes {
		if ch.Kind != dsreg.ChangeRow {
			fmt.Fprintf(a.out, "  %-16s %s: %s -> %s\n", ch.Kind, clean(ch.What), clean(ch.Before), clean(ch.After))
		}
	}
}

func (a *app) demo() (int, error) {
	q, err := readRequest(bytes.NewReader(demoRequest))
	if err != nil {
		return 0, err
	}
	d, err := q.steps()
	if err != nil {
		return 0, err
	}
	if !a.asJSON {
		if err := a.print(d); err != nil {
			return 0, err
		}
	}
	var st [2]*dsreg.Status
	for i, b := range [][]byte{demoBefore, demoAfter} {
		if st[i], err = dsreg.Parse(bytes.NewReader(b)); err != nil {
			return 0, err
		}
	}
	c := judge(st[0], st[1])
	if a.asJSON {
		return exitOK, a.encode(struct {
			Plan   *departure `json:"plan"`
			Verify check      `json:"verify"`
		}{d, c})
	}
	fmt.Fprint(a.out, "\nAnd one of the devices afterwards, offboard verify before.txt after.txt:\n\n")
	a.say(c)
	return exitOK, nil
}
