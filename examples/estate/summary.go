package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/dsreg"
)

// A count is a name and how many devices it fits.
type count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// A summary is what -json prints and the page begins with.
type summary struct {
	Devices    int                       `json:"devices"`
	WithErrors int                       `json:"withErrors"`
	Files      int                       `json:"files"`
	Captures   int                       `json:"captures"`
	Joins      []count                   `json:"joinStates"`
	Tenants    []count                   `json:"tenants"` // the most frequent; the rest is "other"
	Findings   []kind                    `json:"findings"`
	Workloads  map[string]map[string]int `json:"workloads"` // by workload, then by authority
	Tokens     []count                   `json:"prtAge"`
	Certs      []count                   `json:"certificateDaysLeft"`
	Worst      []worst                   `json:"worst"`
	Unreadable int                       `json:"unreadable"`
	Failures   []failure                 `json:"failures"` // the first of them
}

type worst struct {
	Device   string   `json:"device"`
	State    string   `json:"joinState"`
	Findings []string `json:"findings"`
}

const (
	maxWorst   = 20
	maxTenants = 20
)

// Buckets of ages: a bucket holds what is below its limit and not below the one before. A token lives 14 days and is
// renewed every 4 hours (Microsoft, "Primary refresh token").
var (
	tokenBuckets = []bucket{{4, "under 4 hours"}, {24, "under a day"}, {7 * 24, "under a week"}, {14 * 24, "under two weeks"}, {1 << 30, "over"}}
	certBuckets  = []bucket{{0, "ended"}, {30, "under 30 days"}, {365, "under a year"}, {1 << 30, "longer"}}
)

type bucket struct {
	below int32
	name  string
}

func fill(buckets []bucket, counts []count, n int32) {
	if n == unknownAge {
		counts[len(buckets)].Count++
		return
	}
	for i, b := range buckets {
		if n < b.below || i == len(buckets)-1 {
			counts[i].Count++
			return
		}
	}
}

func empty(buckets []bucket) []count {
	out := make([]count, 0, len(buckets)+1)
	for _, b := range buckets {
		out = append(out, count{Name: b.name})
	}
	return append(out, count{Name: "unknown"})
}

func (e *estate) summary(list []*device) *summary {
	s := &summary{Devices: len(list), Files: e.files, Captures: e.captures, Unreadable: e.failures, Failures: e.failed,
		Tokens: empty(tokenBuckets), Certs: empty(certBuckets), Workloads: map[string]map[string]int{}, Worst: []worst{}}
	joins, tenants := map[string]int{}, map[string]int{}
	for i := range e.kinds {
		e.kinds[i].Count = 0
	}
	for w := range comgmt.AllWorkloadSet().All() {
		s.Workloads[w.String()] = map[string]int{}
	}
	for _, d := range list {
		joins[d.state()]++
		if d.tenant != "" {
			tenants[d.tenant]++
		}
		if d.worst == dsreg.Error {
			s.WithErrors++
		}
		for _, n := range d.findings {
			e.kinds[n].Count++
		}
		fill(tokenBuckets, s.Tokens, d.prtHours)
		fill(certBuckets, s.Certs, d.certDays)
		for i, a := range d.authorities() {
			s.Workloads[comgmt.Workload(i+1).String()][a.String()]++
		}
		if len(s.Worst) < maxWorst && d.worst >= dsreg.Warning {
			w := worst{d.name, d.state(), []string{}}
			for _, n := range d.findings {
				if e.kinds[n].Severity >= dsreg.Warning {
					w.Findings = append(w.Findings, e.kinds[n].ID)
				}
			}
			s.Worst = append(s.Worst, w)
		}
	}
	s.Joins, s.Tenants = ranked(joins), ranked(tenants)
	if len(s.Tenants) > maxTenants {
		other := count{Name: "other"}
		for _, t := range s.Tenants[maxTenants:] {
			other.Count += t.Count
		}
		s.Tenants = append(s.Tenants[:maxTenants], other)
	}
	s.Findings = slices.DeleteFunc(slices.Clone(e.kinds), func(k kind) bool { return k.Count == 0 })
	slices.SortFunc(s.Findings, func(a, b kind) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Count, a.Count), strings.Compare(a.ID, b.ID))
	})
	if s.Failures == nil {
		s.Failures = []failure{}
	}
	return s
}

func ranked(m map[string]int) []count {
	out := make([]count, 0, len(m))
	for name, n := range m {
		out = append(out, count{name, n})
	}
	slices.SortFunc(out, func(a, b count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name)) })
	return out
}

// clean keeps control characters of an input away from the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}

func (s *summary) print(w io.Writer) {
	fmt.Fprintf(w, "%d devices, %d with an error; %d captures in %d files, %d unreadable\n", s.Devices, s.WithErrors, s.Captures, s.Files, s.Unreadable)
	list := func(title string, counts []count) {
		fmt.Fprintf(w, "\n%s\n", title)
		for _, c := range counts {
			if c.Count > 0 {
				fmt.Fprintf(w, "  %8d  %5.1f %%  %s\n", c.Count, 100*float64(c.Count)/float64(s.Devices), clean(c.Name))
			}
		}
	}
	list("join state", s.Joins)
	list("tenant", s.Tenants)
	fmt.Fprintln(w, "\nfindings")
	for _, f := range s.Findings {
		if f.Severity > dsreg.Info {
			fmt.Fprintf(w, "  %8d  %-7s  %s: %s\n", f.Count, f.Severity, clean(f.ID), clean(f.Title))
		}
	}
	fmt.Fprintln(w, "\nworkloads                  Intune  ConfigMgr       none    unknown")
	for wl := range comgmt.AllWorkloadSet().All() {
		a := s.Workloads[wl.String()]
		fmt.Fprintf(w, "  %-20s %10d %10d %10d %10d\n", wl, a["intune"], a["configmgr"], a["none"], a["unknown"])
	}
	list("age of the primary refresh token", s.Tokens)
	list("days until the device certificate ends", s.Certs)
	if len(s.Worst) > 0 {
		fmt.Fprintln(w, "\nworst")
	}
	for _, d := range s.Worst {
		fmt.Fprintf(w, "  %-16s %-14s %s\n", clean(d.Device), d.State, clean(strings.Join(d.Findings, ", ")))
	}
	for _, f := range s.Failures {
		fmt.Fprintf(w, "\nunreadable: %s: %s", clean(f.File), clean(f.Error))
	}
	if len(s.Failures) > 0 {
		fmt.Fprintln(w)
	}
}

// A progress counts files on a terminal, at most ten times a second; it is silent elsewhere. A nil progress does
// nothing.
type progress struct {
	w     io.Writer
	last  time.Time
	shown bool
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &progress{w: w, last: time.Now().Add(time.Second)}
}

func (p *progress) step(n int) {
	if p == nil {
		return
	}
	if now := time.Now(); now.Sub(p.last) >= 100*time.Millisecond {
		fmt.Fprintf(p.w, "\r%d files", n)
		p.last, p.shown = now, true
	}
}

func (p *progress) clear() {
	if p != nil && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
