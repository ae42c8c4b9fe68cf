package main

import (
	"errors"
	"fmt"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cmlog"
)

// logReport is one element of the output of log.
type logReport struct {
	File   string        `json:"file"`
	State  cmlog.State   `json:"state"`
	Events []cmlog.Event `json:"events"`
}

func (t *tool) log(args []string) (int, error) {
	all := t.flags.Bool("all", false, "print every record, understood or not (text output)")
	quiet := t.flags.Bool("state", false, "print the state only")
	files, err := t.parse(args)
	if err == nil {
		err = need(files, 1, -1, "one or more logs")
	}
	if err != nil {
		return 0, err
	}
	l := t.list()
	if t.json {
		defer l.end()
	}
	code := fine
	for _, name := range files {
		r, err := t.readLog(name, *all && !t.json, *quiet)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		if r.State.LastError != nil || r.State.Coexistence == comgmt.Yes {
			code = found
		}
		if t.json {
			if err := l.add(r); err != nil {
				return 0, err
			}
			continue
		}
		t.printState(name, r.State)
	}
	return code, nil
}

var errNoLog = errors.New("this is no log: it is empty")
var errBinary = errors.New("this is no log: it holds binary data and no record")

// readLog reads one log and prints its timeline on the way, so that a long one needs little memory.
func (t *tool) readLog(name string, all, quiet bool) (logReport, error) {
	report := logReport{File: name, Events: []cmlog.Event{}}
	f, err := t.open(name)
	if err != nil {
		return report, err
	}
	defer f.Close()
	p := t.progress("records")
	defer p.done()
	for rec, err := range cmlog.Read(f) {
		if err != nil {
			return report, err
		}
		e, ok := report.State.Add(rec)
		if report.State.Framed == 0 && report.State.Binary > 0 {
			return report, errBinary
		}
		switch {
		case quiet:
		case ok && t.json:
			report.Events = append(report.Events, e)
		case ok && !t.json:
			fmt.Fprintf(t.out, "%6d  %s  %s\n", rec.Line, when(rec), e.Explain())
		case all:
			fmt.Fprintf(t.out, "%6d  %s  %s\n", rec.Line, when(rec), rec.Message)
		}
		if p.tick() && t.ctx.Err() != nil {
			return report, t.ctx.Err()
		}
	}
	if report.State.Records == 0 {
		return report, errNoLog
	}
	return report, nil
}

// when prints UTC where it is known and says so where it is not.
func when(r cmlog.Record) string {
	switch {
	case !r.Time.IsZero():
		return r.Time.Format("2006-01-02 15:04:05.000Z")
	case !r.Wall.IsZero():
		return r.Wall.String() + " local"
	}
	return "-"
}

func (t *tool) printState(name string, s cmlog.State) {
	fmt.Fprintf(t.out, "%s: %d records, %d understood\n", name, s.Records, s.Events)
	flags := func(label string, f *comgmt.Flags) {
		if f != nil {
			fmt.Fprintf(t.out, "  %-12s %v: %v with Intune\n", label, *f, f.Workloads())
		}
	}
	flags("policy", s.Policy)
	if s.Mask != nil {
		fmt.Fprintf(t.out, "  %-12s %v\n", "mask", *s.Mask)
	}
	flags("merged", s.Merged)
	flags("applied", s.Applied)
	for _, tri := range []struct {
		label string
		v     comgmt.Tri
	}{{"auto-enrol", s.AutoEnrol}, {"override", s.Override}, {"enrolled", s.Enrolled}, {"coexistence", s.Coexistence}} {
		if tri.v != comgmt.Unknown {
			fmt.Fprintf(t.out, "  %-12s %v\n", tri.label, tri.v)
		}
	}
	if s.Lagging {
		fmt.Fprintf(t.out, "  %-12s policy asks for co-management, the client is not there yet\n", "lagging")
	}
	if s.NextTimer != "" {
		fmt.Fprintf(t.out, "  %-12s %s\n", "next timer", s.NextTimer)
	}
	if s.LastError != nil {
		fmt.Fprintf(t.out, "  %-12s line %d: %s\n", "last error", s.LastError.Line, s.LastError.Explain())
	}
}

// graphReport is one element of the output of graph.
type graphReport struct {
	File string `json:"file"`
	comgmt.GraphReport
}

func (t *tool) graph(args []string) (int, error) {
	files, err := t.parse(args)
	if err == nil {
		err = need(files, 1, -1, "one or more Graph documents")
	}
	if err != nil {
		return 0, err
	}
	l := t.list()
	if t.json {
		defer l.end()
	}
	for _, name := range files {
		if err := t.graphFile(name, l); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return fine, nil
}

func (t *tool) graphFile(name string, l *list) error {
	f, err := t.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	p := t.progress("entities")
	defer p.done()
	for o, err := range comgmt.DecodeGraph(f) {
		if err != nil {
			return err
		}
		r := o.Report()
		if t.json {
			if err := l.add(graphReport{name, r}); err != nil {
				return err
			}
		} else {
			t.printGraph(r)
		}
		if p.tick() && t.ctx.Err() != nil {
			return t.ctx.Err()
		}
	}
	return nil
}

func (t *tool) printGraph(r comgmt.GraphReport) {
	fmt.Fprintf(t.out, "%s %s\n", r.Kind, r.Name)
	switch r.Kind {
	case comgmt.KindManagedDevice:
		fmt.Fprintf(t.out, "  %-22s %s (co-managed: %v)\n", "management agent", r.Agent, r.CoManaged)
		for w := range comgmt.AllWorkloads() {
			who := map[comgmt.Tri]string{comgmt.Yes: "intune", comgmt.No: "configmgr", comgmt.Unknown: "unknown"}[r.Workloads[w]]
			fmt.Fprintf(t.out, "  %-22v %-10s %s\n", w, who, r.Missing[w])
		}
		if r.Health != nil {
			fmt.Fprintf(t.out, "  %-22s %s (%s)\n", "client", r.Health.State, r.HealthText)
		}
	case comgmt.KindEligibleDevice:
		fmt.Fprintf(t.out, "  %s: %s\n", r.Status, r.Meaning)
	case comgmt.KindCoManagedSummary, comgmt.KindEligibleSummary:
		for w := range comgmt.AllWorkloads() {
			if n, ok := r.CountsByWorkload[w]; ok {
				fmt.Fprintf(t.out, "  %-22v %d\n", w, n)
			}
		}
		if r.CountsByWorkload == nil {
			for _, name := range []string{"comanagedCount", "eligibleCount", "eligibleButNotAzureAdJoinedCount", "needsOsUpdateCount", "ineligibleCount", "scheduledForEnrollmentCount"} {
				if n, ok := r.Counts[name]; ok {
					fmt.Fprintf(t.out, "  %-34s %d\n", name, n)
				}
			}
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(t.out, "  note: %s\n", n)
	}
}

func (t *tool) errorCommand(args []string) (int, error) {
	codes, err := t.parse(args)
	if err == nil {
		err = need(codes, 1, -1, "one or more error codes")
	}
	if err != nil {
		return 0, err
	}
	var reports []comgmt.ErrorReport
	code := fine
	for _, c := range codes {
		r, err := comgmt.ReportError(c)
		if err != nil {
			return 0, err
		}
		if !r.Known {
			code = found
		}
		reports = append(reports, r)
	}
	l := t.list()
	if t.json {
		defer l.end()
	}
	for _, r := range reports {
		if t.json {
			if err := l.add(r); err != nil {
				return 0, err
			}
			continue
		}
		fmt.Fprintf(t.out, "%v (%d, %d) %s\n  %s\n", r.Code, r.Unsigned, r.Signed, r.Name, r.Meaning)
		if r.AliasOf != 0 {
			info, _ := comgmt.LookupError(r.AliasOf)
			fmt.Fprintf(t.out, "  stands for %v %s: %s\n", r.AliasOf, info.Name, info.Meaning)
			r.Cause, r.Remedy = info.Cause, info.Remedy
		}
		if r.Cause != "" {
			fmt.Fprintf(t.out, "  cause:  %s\n", r.Cause)
		}
		if r.Remedy != "" {
			fmt.Fprintf(t.out, "  remedy: %s\n", r.Remedy)
		}
		fmt.Fprintf(t.out, "  source: %s\n", r.Source)
	}
	return code, nil
}
