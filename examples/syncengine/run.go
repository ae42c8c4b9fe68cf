package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/changes"
)

// Exit codes.
const (
	exitOK       = 0
	exitFindings = 1
	exitError    = 2
)

const usage = `usage: syncengine COMMAND [flags]

  demo                                 a whole cycle on two directories in this process
  plan    -config FILE [-out PLAN]     what would change, and why
  apply   -config FILE [-plan PLAN]    do it
  run     -config FILE                 do it every interval, and when told of changes, until stopped
  explain -config FILE DN|GUID         why one object is synchronised as it is, or not
  undo    -config FILE PLAN-ID         take an applied plan back
  status  -config FILE                 what is known, and what can be undone

"syncengine COMMAND -h" lists the flags of a command. FILE and PLAN may be "-" for standard input.
Exit codes: 0 fine, 1 something to look at, 2 wrong use or input, or a directory that could not be read.
`

// tool is one run of the program.
type tool struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	config, org, planFile, out string
	accept                     list
	json, quiet, dryRun        bool
	interval                   time.Duration
	read                       map[string]string // how each organisation's objects were read last
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &tool{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitError
	}
	commands := map[string]struct {
		operands int
		what     string
		run      func(args []string) (int, error)
	}{
		"demo":    {0, "", t.demo},
		"plan":    {0, "", t.plan},
		"apply":   {0, "", t.apply},
		"run":     {0, "", t.loop},
		"explain": {1, "the DN or objectGUID of one object", t.explain},
		"undo":    {1, "the ID of an applied plan, or its beginning (see syncengine status)", t.undo},
		"status":  {0, "", t.status},
	}
	name := args[0]
	if name == "-h" || name == "-help" || name == "--help" || name == "help" {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	cmd, ok := commands[name]
	if !ok {
		fmt.Fprintf(stderr, "syncengine: unknown command %q\n%s", name, usage)
		return exitError
	}
	fs := flag.NewFlagSet("syncengine "+name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&t.json, "json", false, "print JSON")
	if name != "demo" {
		fs.StringVar(&t.config, "config", "", "configuration `file` (required)")
		fs.StringVar(&t.org, "org", "", "only the organisation with this `name`")
	}
	switch name {
	case "plan":
		fs.StringVar(&t.out, "out", "", "write the plan to this `file`, for apply -plan")
		fs.BoolVar(&t.quiet, "quiet", false, "leave out what is held or waits")
	case "apply":
		fs.StringVar(&t.planFile, "plan", "", "apply the plan in this `file` instead of making one")
		fs.Var(&t.accept, "accept", "accept a guard once: the `text` the plan printed")
	case "run":
		fs.DurationVar(&t.interval, "interval", 0, "time between two cycles; overrides the configuration")
	case "undo":
		fs.BoolVar(&t.dryRun, "dry-run", false, "only print what would be taken back")
	}
	if err := fs.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitError
	}
	if fs.NArg() != cmd.operands {
		if cmd.operands == 1 && fs.NArg() == 0 {
			fmt.Fprintf(stderr, "syncengine %s: give %s\n", name, cmd.what)
		} else {
			fmt.Fprintf(stderr, "syncengine %s: unexpected %q; flags come before operands\n", name, fs.Args())
		}
		return exitError
	}
	code, err := cmd.run(fs.Args())
	if err == nil {
		return code
	}
	var blocked *ldapsync.BlockedError
	if errors.As(err, &blocked) {
		for _, tr := range blocked.Trips {
			fmt.Fprintf(stderr, "syncengine: blocked by guard %s: %s\n  if this is right, accept it once: syncengine apply -config %s -plan PLAN -accept %q\n", tr.Guard, tr.Saw, t.config, tr.Accept)
		}
		return exitFindings
	}
	fmt.Fprintf(stderr, "syncengine %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	return exitError
}

// each opens the organisations asked for, one after another.
func (t *tool) each(readOnly bool, f func(*ldapsync.Syncer) (int, error)) (int, error) {
	if t.config == "" {
		return exitError, errors.New("name a configuration file with -config")
	}
	if t.config == "-" && t.planFile == "-" {
		return exitError, errors.New("only one of -config and -plan can be standard input")
	}
	c, err := loadConfig(t.config, t.stdin)
	if err != nil {
		return exitError, err
	}
	var orgs []*Organisation
	var names []string
	for i := range c.Organisations {
		names = append(names, c.Organisations[i].Name)
		if t.org == "" || t.org == c.Organisations[i].Name {
			orgs = append(orgs, &c.Organisations[i])
		}
	}
	if len(orgs) == 0 {
		return exitError, fmt.Errorf("the configuration has no organisation %q (it has %s)", t.org, strings.Join(names, ", "))
	}
	if len(orgs) > 1 && (t.out != "" || t.planFile != "") {
		return exitError, fmt.Errorf("a plan file is for one organisation: choose it with -org (%s)", strings.Join(names, ", "))
	}
	worst := exitOK
	for _, o := range orgs {
		s, done, err := o.open(readOnly, t.reported(o.Name))
		if err != nil {
			return exitError, err
		}
		show := t.progress(s)
		code, err := f(s)
		show()
		done()
		if err != nil {
			return exitError, err
		}
		worst = max(worst, code)
	}
	return worst, nil
}

// reported says how objects were read, when that is not as it was the last time.
func (t *tool) reported(org string) func(changes.Reading) {
	return func(r changes.Reading) {
		how := "only what changed, found by " + string(r.Method)
		if r.Full {
			how = "everything (" + r.Why + ")"
			if r.Method != changes.Full {
				how += "; from now on what changed, found by " + string(r.Method)
			}
		}
		key := org + "\x00" + r.Class.String() + r.Container.Key()
		if last, ok := t.read[key]; how == last || !r.Full && !ok {
			return
		}
		if t.read == nil {
			t.read = make(map[string]string)
		}
		t.read[key] = how
		fmt.Fprintf(t.stderr, "syncengine: %s: %ss of %s: read %s\n", org, r.Class, r.Container, how)
	}
}

// progress shows a line of progress where standard error is a terminal. The function it returns removes it.
func (t *tool) progress(s *ldapsync.Syncer) (done func()) {
	f, ok := t.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	const clear = "\r\x1b[K"
	last := time.Time{}
	s.Progress = func(p ldapsync.Progress) {
		if time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		what := strings.TrimSpace(p.Phase + " " + p.Track)
		if p.Total > 0 {
			const width = 30
			n := min(width, width*p.Done/p.Total)
			fmt.Fprintf(f, "%s%s [%s%s] %d of %d", clear, what, strings.Repeat("#", n), strings.Repeat(".", width-n), p.Done, p.Total)
			return
		}
		fmt.Fprintf(f, "%s%s: %d", clear, what, p.Done)
	}
	return func() {
		if !last.IsZero() {
			fmt.Fprint(f, clear)
		}
	}
}

func (t *tool) printJSON(v any) error {
	e := json.NewEncoder(t.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (t *tool) plan([]string) (int, error) {
	return t.each(false, func(s *ldapsync.Syncer) (int, error) {
		p, err := s.Plan(t.ctx)
		if err != nil {
			return exitError, err
		}
		if t.out != "" {
			if err := writePlan(t.out, p); err != nil {
				return exitError, err
			}
		}
		if t.json {
			_, err = p.WriteTo(t.stdout)
		} else {
			opt := ldapsync.TextOptions{}
			if t.quiet {
				opt.Show = func(it *ldapsync.Item) bool { return it.Action.Writes() || it.Action == ldapsync.ActionConflict }
			}
			err = p.WriteText(t.stdout, opt)
		}
		if err != nil {
			return exitError, err
		}
		if err := t.foretell(s, p); err != nil {
			return exitError, err
		}
		if !p.Empty() || len(p.Trips) > 0 || p.Count(ldapsync.ActionConflict) > 0 {
			return exitFindings, nil
		}
		return exitOK, nil
	})
}

// writePlan replaces the file in one step, readable by its owner only: a plan holds personal data.
func writePlan(path string, p *ldapsync.Plan) error {
	f, err := os.CreateTemp(dirOf(path), ".plan-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = p.WriteTo(f); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func dirOf(path string) string {
	if i := strings.LastIndexAny(path, `/\`); i >= 0 {
		return path[:i+1]
	}
	return "."
}

func (t *tool) apply([]string) (int, error) {
	return t.each(false, func(s *ldapsync.Syncer) (int, error) {
		var p *ldapsync.Plan
		var err error
		if t.planFile != "" {
			p, err = t.readPlan()
		} else {
			p, err = s.Plan(t.ctx)
		}
		if err != nil {
			return exitError, err
		}
		return t.carryOut(s, p)
	})
}

func (t *tool) readPlan() (*ldapsync.Plan, error) {
	if t.planFile == "-" {
		return ldapsync.ReadPlan(t.stdin)
	}
	f, err := os.Open(t.planFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := ldapsync.ReadPlan(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.planFile, err)
	}
	return p, nil
}

func (t *tool) carryOut(s *ldapsync.Syncer, p *ldapsync.Plan) (int, error) {
	r, err := s.Apply(t.ctx, p, ldapsync.ApplyOptions{Accept: t.accept})
	if r != nil {
		var perr error
		if t.json {
			perr = t.printJSON(r)
		} else {
			perr = r.WriteText(t.stdout)
		}
		err = errors.Join(err, perr)
	}
	if err != nil {
		return exitError, err
	}
	if !r.OK() {
		return exitFindings, nil
	}
	return exitOK, nil
}

// loop runs cycles until it is told to stop. What a cycle could not do is reported, and the next one tries again.
func (t *tool) loop([]string) (int, error) {
	if t.config == "" {
		return exitError, errors.New("name a configuration file with -config")
	}
	if t.config == "-" {
		return exitError, errors.New("run reads its configuration before every cycle: it must be a file")
	}
	c, err := loadConfig(t.config, t.stdin)
	if err != nil {
		return exitError, err
	}
	if t.interval == 0 {
		t.interval = time.Duration(c.Interval)
	}
	var watches []changes.Watch
	for i := range c.Organisations {
		if o := &c.Organisations[i]; t.org == "" || t.org == o.Name {
			w, d, err := o.watches()
			if err != nil {
				return exitError, err
			}
			if d != nil {
				defer d.Close()
			}
			watches = append(watches, w...)
		}
	}
	worst, cycle := exitOK, 0
	for up := range changes.Wakeups(t.ctx, watches, t.interval, changes.WakeOptions{}) {
		cycle++
		if up.Lost != nil {
			fmt.Fprintf(t.stderr, "syncengine run: no notifications for a while, so the interval alone counted: %v\n", up.Lost)
		}
		code, err := t.each(false, func(s *ldapsync.Syncer) (int, error) {
			p, err := s.Plan(t.ctx)
			if err != nil {
				return exitError, err
			}
			code, err := t.carryOut(s, p)
			var blocked *ldapsync.BlockedError
			if errors.As(err, &blocked) {
				fmt.Fprintf(t.stderr, "syncengine run: %s: %v\n", s.Organisation.Name, err)
				return exitFindings, nil
			}
			return code, err
		})
		if t.ctx.Err() != nil {
			fmt.Fprintln(t.stderr, "syncengine run: stopped; the next start goes on where this one ended")
			return worst, nil
		}
		switch {
		case err != nil && cycle == 1:
			return exitError, err // a mistake in the configuration shows at once
		case err != nil:
			fmt.Fprintf(t.stderr, "syncengine run: cycle %d: %v\n", cycle, err)
			worst = exitFindings
		default:
			worst = code
		}
	}
	fmt.Fprintln(t.stderr, "syncengine run: stopped")
	return worst, nil
}

func (t *tool) explain(args []string) (int, error) {
	found := false
	code, err := t.each(false, func(s *ldapsync.Syncer) (int, error) {
		e, err := s.Explain(t.ctx, args[0])
		if errors.Is(err, ldapsync.ErrNotFound) && t.org == "" {
			return exitOK, nil
		}
		if err != nil {
			return exitError, err
		}
		found = true
		if t.json {
			return exitOK, t.printJSON(e)
		}
		return exitOK, e.WriteText(t.stdout)
	})
	if err == nil && !found {
		return exitError, fmt.Errorf("%s: no organisation has this object in its OUs or has synchronised it", args[0])
	}
	return code, err
}

func (t *tool) undo(args []string) (int, error) {
	return t.each(false, func(s *ldapsync.Syncer) (int, error) {
		p, err := s.Undo(t.ctx, args[0])
		if err != nil {
			return exitError, err
		}
		if t.dryRun {
			if t.json {
				_, err = p.WriteTo(t.stdout)
			} else {
				err = p.WriteText(t.stdout, ldapsync.TextOptions{})
			}
			return exitOK, err
		}
		code, err := t.carryOut(s, p)
		if err == nil && !t.json {
			fmt.Fprintln(t.stdout, "the next plan will want the same changes again, unless the mapping or the source changes or the organisation is made inactive")
		}
		return code, err
	})
}

func (t *tool) status([]string) (int, error) {
	return t.each(false, func(s *ldapsync.Syncer) (int, error) {
		st, err := s.Status(t.ctx)
		if err != nil {
			return exitError, err
		}
		if t.json {
			return exitOK, t.printJSON(st)
		}
		fmt.Fprintf(t.stdout, "%s: ", st.Organisation)
		if st.LastRun.IsZero() {
			fmt.Fprintln(t.stdout, "never synchronised")
		} else {
			fmt.Fprintf(t.stdout, "last synchronised %s from %s\n", st.LastRun.Format(time.RFC3339), st.Source.Server)
		}
		for _, tr := range st.Tracks {
			fmt.Fprintf(t.stdout, "  %-8s %d read, %d joined, %d of them created here, %d missing\n", tr.Track, tr.Read, tr.Joined, tr.Created, tr.Missing)
		}
		for _, a := range st.Applied {
			mark := ""
			switch {
			case a.UndoneBy != "":
				mark = ", undone"
			case a.Undo != "":
				mark = ", undid " + a.Undo[:12]
			}
			fmt.Fprintf(t.stdout, "  plan %s  %s  %d items%s\n", a.ID[:12], a.Started.UTC().Format(time.RFC3339), a.Items, mark)
		}
		if st.Interrupted != "" {
			fmt.Fprintf(t.stdout, "  plan %s was interrupted: apply it again to continue, or make a new plan\n", st.Interrupted[:12])
			return exitFindings, nil
		}
		return exitOK, nil
	})
}
