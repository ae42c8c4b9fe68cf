package main

import (
	"errors"
	"fmt"
	"strings"

	"go.internal/hybridkit/comgmt"
)

func (t *tool) flagsCommand(args []string) (int, error) {
	values, err := t.parse(args)
	if err == nil {
		err = need(values, 1, -1, "one or more values")
	}
	if err != nil {
		return 0, err
	}
	var all []comgmt.Flags
	for _, v := range values {
		f, err := comgmt.ParseFlags(v)
		if err != nil {
			return 0, err
		}
		all = append(all, f)
	}
	l := t.list()
	for _, f := range all {
		if t.json {
			if err := l.add(f.Report()); err != nil {
				return 0, err
			}
			continue
		}
		fmt.Fprintf(t.out, "%v (%s): %s\n", f, f.Hex(), f.Explain())
	}
	if t.json {
		l.end()
	}
	return fine, nil
}

func (t *tool) effective(args []string) (int, error) {
	planFile := t.flags.String("plan", "", "`file` with the plan; without one, the client's own flags decide")
	files, err := t.parse(args)
	if err == nil {
		err = need(files, 1, -1, "one or more files with devices")
	}
	if err != nil {
		return 0, err
	}
	decide := comgmt.Device.Observed
	if *planFile != "" {
		p, err := t.plan(*planFile)
		if err != nil {
			return 0, err
		}
		decide = func(d comgmt.Device) comgmt.Effective { return p.Effective(d) }
	}
	l := t.list()
	if t.json {
		defer l.end()
	}
	return fine, t.devices(files, func(d comgmt.Device) error {
		e := decide(d)
		if t.json {
			return l.add(e)
		}
		fmt.Fprintln(t.out, e.Device)
		for w := range comgmt.AllWorkloads() {
			v := e.Verdict(w)
			fmt.Fprintf(t.out, "  %-22v %-10v %s (%v): %s\n", w, v.Authority, v.Rule, v.Basis, strings.Join(v.Evidence, "; "))
		}
		for _, n := range e.Notes {
			fmt.Fprintf(t.out, "  note: %s\n", n)
		}
		return nil
	})
}

func (t *tool) diff(args []string) (int, error) {
	files, err := t.parse(args)
	if err == nil {
		err = need(files, 3, -1, "OLD.json NEW.json DEVICES.json")
	}
	if err != nil {
		return 0, err
	}
	from, err := t.plan(files[0])
	if err != nil {
		return 0, err
	}
	to, err := t.plan(files[1])
	if err != nil {
		return 0, err
	}
	l := t.list()
	if t.json {
		defer l.end()
	}
	var sum comgmt.Summary
	err = t.devices(files[2:], func(d comgmt.Device) error {
		c, changed := comgmt.Diff(from, to, d)
		sum.Add(c, changed)
		switch {
		case !changed:
			return nil
		case t.json:
			return l.add(c)
		}
		fmt.Fprintln(t.out, c.Device)
		for w := range comgmt.AllWorkloads() {
			if m, ok := c.Workloads[w]; ok {
				fmt.Fprintf(t.out, "  %-22v %v → %v (%s)\n", w, m.From.Authority, m.To.Authority, m.To.Rule)
			}
		}
		if c.Enrols {
			fmt.Fprintln(t.out, "  starts to enrol in Intune")
		}
		if a, b := c.Before.Flags, c.After.Flags; a != nil && b != nil && *a != *b {
			fmt.Fprintf(t.out, "  capabilities %v → %v\n", *a, *b)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	code := fine
	if sum.Changed > 0 {
		code = found
	}
	if t.json {
		return code, nil
	}
	fmt.Fprintf(t.out, "%d of %d devices change, %d start to enrol\n", sum.Changed, sum.Devices, sum.Enrol)
	for w := range comgmt.AllWorkloads() {
		if n, ok := sum.Workloads[w]; ok {
			fmt.Fprintf(t.out, "  %-22v %d to Intune, %d to Configuration Manager, %d lost\n", w, n.ToIntune, n.ToConfigMgr, n.Lost)
		}
	}
	for _, f := range comgmt.LintStep(from, to) {
		fmt.Fprintf(t.out, "%v: %s: %s\n", f.Status, f.Subject, f.Message)
	}
	return code, nil
}

// planAndDevices reads the arguments PLAN.json [DEVICES.json…]; devices is nil if none are named.
func (t *tool) planAndDevices(files []string) (*comgmt.Plan, []comgmt.Device, error) {
	if err := need(files, 1, -1, "PLAN.json [DEVICES.json…]"); err != nil {
		return nil, nil, err
	}
	p, err := t.plan(files[0])
	if err != nil {
		return nil, nil, err
	}
	var devices []comgmt.Device
	if len(files) > 1 {
		devices = []comgmt.Device{}
	}
	err = t.devices(files[1:], func(d comgmt.Device) error { devices = append(devices, d); return nil })
	return p, devices, err
}

func (t *tool) lint(args []string) (int, error) {
	var goals comgmt.Goals
	t.flags.BoolVar(&goals.ConditionalAccess, "conditional-access", false, "conditional access will require compliant devices")
	t.flags.BoolVar(&goals.Autopatch, "autopatch", false, "devices will be in Windows Autopatch")
	t.flags.BoolVar(&goals.Autopilot, "autopilot", false, "devices will come from Autopilot into co-management")
	files, err := t.parse(args)
	if err != nil {
		return 0, err
	}
	p, devices, err := t.planAndDevices(files)
	if err != nil {
		return 0, err
	}
	return t.findings(p.Lint(goals, devices))
}

func (t *tool) emit(args []string) (int, error) {
	format := t.flags.String("format", "markdown", "powershell, markdown or html")
	title := t.flags.String("title", "", "title of the page")
	files, err := t.parse(args)
	if err != nil {
		return 0, err
	}
	if t.json {
		return 0, usageError{errors.New("emit writes a document, not JSON")}
	}
	p, devices, err := t.planAndDevices(files)
	if err != nil {
		return 0, err
	}
	var text string
	switch *format {
	case "powershell":
		text, err = p.PowerShell()
	case "markdown":
		text = p.Markdown(*title, devices)
	case "html":
		text, err = p.HTML(*title, devices)
	default:
		return 0, usageError{fmt.Errorf("no format is called %.40q", *format)}
	}
	if err != nil {
		return 0, err
	}
	_, err = t.out.WriteString(text)
	return fine, err
}

func (t *tool) schema(args []string) (int, error) {
	names, err := t.parse(args)
	if err == nil {
		err = need(names, 1, 1, "plan or devices")
	}
	if err != nil {
		return 0, err
	}
	switch names[0] {
	case "plan":
		_, err = t.out.Write(comgmt.PlanSchema())
	case "devices":
		_, err = t.out.Write(comgmt.DevicesSchema())
	default:
		err = usageError{fmt.Errorf("no schema is called %.40q", names[0])}
	}
	return fine, err
}

func (t *tool) rules(args []string) (int, error) {
	if rest, err := t.parse(args); err != nil {
		return 0, err
	} else if err := need(rest, 0, 0, "no argument"); err != nil {
		return 0, err
	}
	l := t.list()
	if t.json {
		defer l.end()
	}
	for _, r := range comgmt.Rules() {
		if t.json {
			if err := l.add(r); err != nil {
				return 0, err
			}
			continue
		}
		fmt.Fprintf(t.out, "%-48s %v: %s [%s]\n", r.ID, r.Basis, r.Title, r.Source)
	}
	for _, c := range comgmt.Checks() {
		if t.json {
			if err := l.add(c); err != nil {
				return 0, err
			}
			continue
		}
		fmt.Fprintf(t.out, "%-48s check: %s [%s]\n", c.ID, c.Title, c.Source)
	}
	return fine, nil
}
