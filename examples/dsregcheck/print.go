package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.internal/hybridkit/dsreg"
)

// paint colours s on a terminal.
func (c *checker) paint(sev dsreg.Severity, s string) string {
	if !c.color {
		return s
	}
	code := "36"
	switch sev {
	case dsreg.Error:
		code = "31;1"
	case dsreg.Warning:
		code = "33"
	case 0:
		code = "32"
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
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

// human prints the verdict in one line, then the findings, worst first. A
// failed write stays in c.out and is reported when it is flushed.
func (c *checker) human(name string, st *dsreg.Status, d *dsreg.Diagnosis) {
	r := dsreg.NewReport(name, st, d)
	where := clean(name)
	if st.Several {
		where = fmt.Sprintf("%s#%d", where, st.Index)
	}
	fmt.Fprintf(c.out, "%s: %s\n", where, c.paint(d.Worst(), clean(r.Verdict)))
	for _, f := range d.Findings {
		code := ""
		if f.Code != "" {
			code = " (" + f.Code + ")"
		}
		fmt.Fprintf(c.out, "\n  %s %s: %s%s\n", c.paint(f.Severity, fmt.Sprintf("%-7s", f.Severity)), f.ID, f.Title, clean(code))
		for _, row := range f.Rows {
			fmt.Fprintf(c.out, "      line %d: [%s] %s : %s\n", row.Line, clean(row.Section), clean(row.Label), strings.ReplaceAll(clean(row.Value), "\n", "\n          "))
		}
		note := ""
		if f.Transient == dsreg.Yes {
			note = " It is expected to pass by itself."
		}
		fmt.Fprintf(c.out, "      why: %s%s\n", clean(f.Cause), note)
		if f.Remedy != "" {
			fmt.Fprintf(c.out, "      do:  %s\n", clean(f.Remedy))
		}
	}
}

func (c *checker) printSummary() error {
	s := c.fleet.Summary()
	if c.asJSON {
		b, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = c.out.Write(append(b, '\n'))
		return err
	}
	fmt.Fprintf(c.out, "%d captures, %d with errors, %d clean\n\njoin state\n", s.Captures, s.WithErrors, s.Clean)
	for _, j := range s.JoinStates {
		fmt.Fprintf(c.out, "  %6d  %s\n", j.Count, j.State)
	}
	if len(s.Tenants) > 0 {
		fmt.Fprintln(c.out, "\ntenants")
		for _, t := range s.Tenants {
			fmt.Fprintf(c.out, "  %6d  %s  %s\n", t.Count, clean(t.ID), clean(t.Name))
		}
	}
	if len(s.Findings) > 0 {
		fmt.Fprintln(c.out, "\nfindings")
		for _, f := range s.Findings {
			fmt.Fprintf(c.out, "  %6d  %s %-28s first in %s\n", f.Count, c.paint(f.Severity, fmt.Sprintf("%-7s", f.Severity)), f.ID, clean(f.Example))
		}
	}
	if len(s.Worst) > 0 {
		fmt.Fprintln(c.out, "\nworst")
		for _, w := range s.Worst {
			fmt.Fprintf(c.out, "  %d errors, %d warnings  %s  %s  %s\n", w.Errors, w.Warnings, clean(w.Name), w.State, strings.Join(w.Findings, " "))
		}
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A progress counts captures on a terminal, at most ten times a second; it
// is silent elsewhere. A nil progress does nothing.
type progress struct {
	w     io.Writer
	last  time.Time
	shown bool
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		return nil
	}
	return &progress{w: w, last: time.Now().Add(time.Second)} // nothing for runs that are over at once
}

func (p *progress) step(n int) {
	if p == nil {
		return
	}
	if now := time.Now(); now.Sub(p.last) >= 100*time.Millisecond {
		fmt.Fprintf(p.w, "\r%d captures", n)
		p.last, p.shown = now, true
	}
}

func (p *progress) clear() {
	if p != nil && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
