package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

var marks = map[state]string{done: "ok", stopped: "STOP", waiting: "wait", passed: "note", follows: "-", unseen: "?"}

// clean keeps control characters of an input away from the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}

// print writes the report for people.
func (r *report) print(w io.Writer) {
	name := r.Device
	if name == "" {
		name = "the device"
	}
	fmt.Fprintf(w, "%s: %s\n", clean(name), clean(r.Verdict))
	if c := r.Cause; c != nil {
		for _, e := range c.Evidence {
			fmt.Fprintf(w, "  saw: %s\n", clean(e))
		}
		fmt.Fprintf(w, "  why: %s\n  do:  %s\n", clean(c.Why), strings.ReplaceAll(clean(c.Remedy), "\n", "\n       "))
	}
	if n := r.Next; n != nil {
		fmt.Fprintf(w, "  next: %s", n.What)
		if !n.Latest.IsZero() {
			fmt.Fprintf(w, ", between %s and %s", n.Earliest.UTC().Format("2006-01-02 15:04"), n.Latest.UTC().Format("15:04 UTC"))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	for _, l := range r.Links {
		note := strings.Join(l.Evidence, "; ")
		if l.State == passed {
			note += ": " + l.Fault + ", but the device is registered"
		}
		fmt.Fprintf(w, "  %-4s  %-12s  %s\n", marks[l.State], l.ID, l.Title)
		if note != "" {
			fmt.Fprintf(w, "                      %s\n", clean(note))
		}
	}
	if len(r.Timeline) > 0 {
		fmt.Fprintln(w)
	}
	for _, m := range r.Timeline {
		fmt.Fprintf(w, "  %s  %s\n", m.Time.Format(time.RFC3339), m.What)
	}
	if len(r.Unseen) > 0 {
		fmt.Fprintln(w, "\nnot seen, and what would show it:")
	}
	for _, m := range r.Unseen {
		fmt.Fprintf(w, "  %-12s  %s\n", m.Link, m.Give)
	}
}
