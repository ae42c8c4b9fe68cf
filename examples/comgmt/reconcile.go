package main

import (
	"errors"
	"fmt"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cmlog"
)

// reconcile compares what several surfaces say about one device.
func (t *tool) reconcile(args []string) (int, error) {
	planFile := t.flags.String("plan", "", "`file` with the site's plan")
	graphFile := t.flags.String("graph", "", "`file` with the device's Graph document")
	logFile := t.flags.String("log", "", "the device's CoManagementHandler.log `file`")
	var s comgmt.Surfaces
	t.flags.Func("bridge", "ConfigInfo of WMI_Bridge_Server, a capabilities `value`", func(v string) error {
		f, err := comgmt.ParseFlags(v)
		s.Bridge = &f
		return err
	})
	t.flags.Func("site", "MDMWorkloads of the site database, a capabilities `value`", func(v string) error {
		f, err := comgmt.ParseFlags(v)
		s.Site = &comgmt.SiteState{Workloads: &f}
		return err
	})
	files, err := t.parse(args)
	if err == nil {
		err = need(files, 1, 1, "one file with one device")
	}
	if err != nil {
		return 0, err
	}
	n := 0
	if err := t.devices(files, func(d comgmt.Device) error { s.Device, n = d, n+1; return nil }); err != nil {
		return 0, err
	}
	if n != 1 {
		return 0, fmt.Errorf("%s: %d devices; reconcile compares the surfaces of one", files[0], n)
	}
	if *planFile != "" {
		if s.Plan, err = t.plan(*planFile); err != nil {
			return 0, err
		}
	}
	if *graphFile != "" {
		if s.Graph, err = t.oneGraph(*graphFile); err != nil {
			return 0, fmt.Errorf("%s: %w", *graphFile, err)
		}
	}
	if *logFile != "" {
		f, err := t.open(*logFile)
		if err != nil {
			return 0, err
		}
		state, err := cmlog.ReadState(f)
		f.Close()
		switch {
		case err != nil:
		case state.Records == 0:
			err = errNoLog
		case state.Framed == 0 && state.Binary > 0:
			err = errBinary
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", *logFile, err)
		}
		s.Log = state.LogState()
	}
	s.Now = time.Now()
	return t.disagreements(comgmt.Reconcile(s))
}

func (t *tool) oneGraph(name string) (*comgmt.GraphObject, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out *comgmt.GraphObject
	for o, err := range comgmt.DecodeGraph(f) {
		switch {
		case err != nil:
			return nil, err
		case o.Kind != comgmt.KindManagedDevice:
			return nil, fmt.Errorf("a %s, not a managedDevice", o.Kind)
		case out != nil:
			return nil, errors.New("more than one device")
		}
		out = &o
	}
	if out == nil {
		return nil, errors.New("no device")
	}
	return out, nil
}

func (t *tool) disagreements(ds []comgmt.Disagreement) (int, error) {
	code := fine
	l := t.list()
	if t.json {
		defer l.end()
	} else if len(ds) == 0 {
		fmt.Fprintln(t.out, "all surfaces that were given agree")
	}
	for _, d := range ds {
		if !d.Harmless {
			code = found
		}
		if t.json {
			if err := l.add(d); err != nil {
				return 0, err
			}
			continue
		}
		fmt.Fprintf(t.out, "%s (%s, %v)\n", d.Subject, d.ID, d.Basis)
		for _, c := range d.Claims {
			mark := " "
			if c.Surface == d.Liar {
				mark = "✗"
			}
			fmt.Fprintf(t.out, "  %s %-22s %s\n", mark, c.Surface, c.Says)
		}
		fmt.Fprintf(t.out, "    %s\n", d.Reason)
		if d.Remedy != "" {
			fmt.Fprintf(t.out, "    → %s\n", d.Remedy)
		}
	}
	return code, nil
}
