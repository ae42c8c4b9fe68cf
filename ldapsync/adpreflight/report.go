package adpreflight

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A State is the outcome of a Check.
type State uint8

// The states. The zero State is NotTried: a check that says nothing has found nothing.
const (
	NotTried      State = iota // it could not be looked at; the evidence says why
	NotApplicable              // it does not concern this organisation; the evidence says why
	Pass
	Warning // it works, but not for everything or not safely
	Fail    // the prerequisite is not met
)

var states = [...]string{NotTried: "not tried", NotApplicable: "not applicable", Pass: "pass", Warning: "warning", Fail: "fail"}

// String returns "not tried", "not applicable", "pass", "warning" or "fail", or "State(n)".
func (s State) String() string {
	if int(s) >= len(states) {
		return fmt.Sprintf("State(%d)", uint8(s))
	}
	return states[s]
}

// MarshalText writes what String returns. A State without a name is an error.
func (s State) MarshalText() ([]byte, error) {
	if int(s) >= len(states) {
		return nil, fmt.Errorf("adpreflight: %s is no state", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range states {
		if name == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("adpreflight: %.40q is no state", b)
}

// A Check is one prerequisite and what was found about it. Every text is fit for one line.
type Check struct {
	ID       string   `json:"id"`    // stable, such as "trust.direction"
	Title    string   `json:"title"` // the prerequisite as a statement
	State    State    `json:"state"`
	Evidence string   `json:"evidence"`          // what was seen, or why it was not looked at
	Details  []string `json:"details,omitempty"` // single findings where there are several, at most 10
	Remedy   string   `json:"remedy,omitempty"`  // what to do; empty where nothing is to be done
	Source   string   `json:"source"`            // document and section that demand it
}

// A Report is what Run found: every check that there is for the Config, whatever its state, in an order in which
// they depend on each other. Two runs over an unchanged estate give equal checks, except where the evidence is a
// time.
type Report struct {
	Server  string        `json:"server,omitempty"` // dnsHostName of the domain controller that answered
	Checks  []Check       `json:"checks"`
	Elapsed time.Duration `json:"elapsedNanoseconds"`
}

// Get returns the check with the ID.
func (r Report) Get(id string) (Check, bool) {
	for _, c := range r.Checks {
		if c.ID == id {
			return c, true
		}
	}
	return Check{}, false
}

// Count returns how many checks have the state.
func (r Report) Count(s State) int {
	n := 0
	for _, c := range r.Checks {
		if c.State == s {
			n++
		}
	}
	return n
}

// Next returns the thing to do next: the first check that fails or, where none does, the first that warns. Checks
// come in the order in which they depend on each other, so that what comes first may be the cause of the rest.
func (r Report) Next() (Check, bool) {
	for _, want := range []State{Fail, Warning} {
		for _, c := range r.Checks {
			if c.State == want {
				return c, true
			}
		}
	}
	return Check{}, false
}

// ByUrgency returns the report with the checks that fail first, then those that warn, those that were not tried, that
// pass and that are not applicable; within each, they stay in the order in which they depend on each other. What comes
// first is Next.
func (r Report) ByUrgency() Report {
	r.Checks = slices.Clone(r.Checks)
	rank := func(s State) int {
		switch s {
		case Fail:
			return 0
		case Warning:
			return 1
		case NotTried:
			return 2
		case Pass:
			return 3
		}
		return 4
	}
	slices.SortStableFunc(r.Checks, func(a, b Check) int { return rank(a.State) - rank(b.State) })
	return r
}

// WriteText writes the report for people: a line for each check, and below those that do not pass the evidence,
// the remedy and the source. With all set, the evidence of those that pass is written too.
func (r Report) WriteText(w io.Writer, all bool) error {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-14s  %-38s  %s\n", strings.ToUpper(c.State.String()), c.ID, c.Title)
		if c.State == Pass && !all {
			continue
		}
		line := func(s string) { b.WriteString("                " + s + "\n") }
		line(c.Evidence)
		for _, d := range c.Details {
			line("  - " + d)
		}
		if c.Remedy != "" {
			line("do: " + c.Remedy)
		}
		if c.State == Fail || c.State == Warning || all {
			line("see: " + c.Source)
		}
	}
	fmt.Fprintf(&b, "\n%d checks: %d fail, %d warn, %d pass, %d not tried, %d not applicable\n",
		len(r.Checks), r.Count(Fail), r.Count(Warning), r.Count(Pass), r.Count(NotTried), r.Count(NotApplicable))
	if c, ok := r.Next(); ok {
		fmt.Fprintf(&b, "next: %s: %s\n", c.ID, c.Remedy)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// A verdict is the outcome of a check before it has a name.
type verdict struct {
	state    State
	evidence string
	details  []string
	remedy   string
}

func pass(format string, args ...any) verdict {
	return verdict{state: Pass, evidence: fmt.Sprintf(format, args...)}
}

func notTried(format string, args ...any) verdict {
	return verdict{evidence: fmt.Sprintf(format, args...)}
}

func notApplicable(format string, args ...any) verdict {
	return verdict{state: NotApplicable, evidence: fmt.Sprintf(format, args...)}
}

func fail(remedy, format string, args ...any) verdict {
	return verdict{state: Fail, evidence: fmt.Sprintf(format, args...), remedy: remedy}
}

func warn(remedy, format string, args ...any) verdict {
	return verdict{state: Warning, evidence: fmt.Sprintf(format, args...), remedy: remedy}
}

// most is how many single findings a check lists.
const most = 10

// with adds findings, as many as a report should hold.
func (v verdict) with(details ...string) verdict {
	if len(details) > most {
		rest := len(details) - most + 1
		details = append(details[:most-1:most-1], fmt.Sprintf("and %d more", rest))
	}
	v.details = details
	return v
}

// line makes text from a directory or a network fit for one line.
func line(s string) string {
	const longest = 400
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }), " ")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
