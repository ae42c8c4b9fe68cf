package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"go.internal/hybridkit/scepclient/certfile"
	"go.internal/hybridkit/scepclient/intune"
	"go.internal/hybridkit/scepclient/ndes"
)

func (a *app) doctor(ctx context.Context, args []string) error {
	var s service
	var policyModule, verbose bool
	var names list
	var roots string
	f := a.flags("doctor", "-url URL [-pin SHA256] [-intune]")
	s.register(f)
	f.BoolVar(&policyModule, "intune", false, "the Intune policy module should be installed")
	f.BoolVar(&verbose, "v", false, "show checks without findings too")
	f.Var(&names, "name", "further `name` the TLS certificate must hold (internal or external); may be repeated")
	f.StringVar(&roots, "tls-roots", "", "PEM `file` with roots for the TLS chain, instead of this machine's")
	if _, err := s.parse(f, args, true, false); err != nil {
		return err
	}
	ctx, cancel := s.context(ctx)
	defer cancel()
	failing := false
	for _, u := range s.urls {
		d := &ndes.Doctor{URL: u, Intune: policyModule, Names: names, Progress: func(c ndes.Check) { a.progress("%s: %s", c.ID, c.Title) }}
		d.Trust.Pins = s.pins
		var err error
		if s.caFile != "" {
			if d.Trust.Roots, err = certfile.ReadCertificates(s.caFile); err != nil {
				return usageError{err}
			}
		}
		if roots != "" {
			cs, err := certfile.ReadCertificates(roots)
			if err != nil {
				return usageError{err}
			}
			d.Roots = x509.NewCertPool()
			for _, c := range cs {
				d.Roots.AddCert(c)
			}
		}
		r, err := d.Run(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return usageError{err}
		}
		w := r.Worst()
		failing = failing || w == ndes.Error || w == ndes.Warning
		if a.json {
			a.printJSON(r)
			continue
		}
		fmt.Fprintf(a.stdout, "%s\n", r.URL)
		for _, x := range r.Findings {
			if !verbose && (x.Severity == ndes.Healthy || x.Severity == ndes.Unknown) {
				continue
			}
			fmt.Fprintf(a.stdout, "%-8s %-16s %s\n", x.Severity, x.Check, x.Evidence)
			a.indent("means", x.Meaning)
			a.indent("do", x.Remedy)
		}
		fmt.Fprintf(a.stdout, "%d checks, worst: %s\n", len(ndes.Checks()), w)
	}
	if failing {
		return errFindings
	}
	return nil
}

func (a *app) indent(label, text string) {
	if text != "" {
		fmt.Fprintf(a.stdout, "         %-5s  %s\n", label, text)
	}
}

func (a *app) profile(_ context.Context, args []string) error {
	if len(args) == 0 {
		return usagef("profile needs lint or why")
	}
	switch args[0] {
	case "lint":
		return a.profileLint(args[1:])
	case "why":
		return a.profileWhy(args[1:])
	case "-h", "--help":
		fmt.Fprintln(a.stderr, "usage: scepenrol profile lint FILE…\n       scepenrol profile why -profile FILE -device FILE")
		return nil
	}
	return usagef("profile %q: lint or why", args[0])
}

// open reads a file, or standard input for "-".
func (a *app) open(path string) (io.Reader, func(), error) {
	if path == "-" {
		return a.stdin, func() {}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return f, func() { f.Close() }, nil
}

func (a *app) parseProfiles(path string) (*intune.Documents, error) {
	r, done, err := a.open(path)
	if err != nil {
		return nil, err
	}
	defer done()
	d, err := intune.Parse(r)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", path, err)}
	}
	return d, nil
}

func (a *app) parseFlags(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return usageError{err}
	}
	return err
}

func (a *app) profileLint(args []string) error {
	var estate intune.Estate
	var join, disable string
	f := a.flags("profile lint", "FILE…   (Graph JSON of SCEP and trusted root profiles, - for standard input)")
	f.StringVar(&join, "join", "", "join `state` of the devices: entra, hybrid, hybrid-pending, entra-registered, domain")
	f.BoolVar(&estate.StrongMapping, "strong-mapping", false, "certificates authenticate to Active Directory")
	f.StringVar(&disable, "disable", "", "comma-separated `rules` to leave out")
	if err := a.parseFlags(f, args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usagef("profile lint needs a file")
	}
	estate.Join = intune.JoinState(join)
	if _, err := intune.ParseDevice(strings.NewReader(fmt.Sprintf(`{"joinState":%q}`, join))); err != nil {
		return usageError{err}
	}
	docs := new(intune.Documents)
	for _, path := range f.Args() {
		d, err := a.parseProfiles(path)
		if err != nil {
			return err
		}
		docs.Append(d)
	}
	off := map[string]bool{}
	for _, id := range strings.FieldsFunc(disable, func(r rune) bool { return r == ',' || r == ' ' }) {
		off[id] = true
	}
	var rules []intune.Rule
	for _, r := range intune.Rules() {
		if !off[r.ID] {
			rules = append(rules, r)
		}
		delete(off, r.ID)
	}
	for id := range off {
		return usagef("-disable: no rule %q", id)
	}
	findings := intune.LintWith(docs, estate, rules)
	failing := false
	for _, x := range findings {
		failing = failing || x.Severity != intune.Info
	}
	if a.json {
		if findings == nil {
			findings = []intune.Finding{}
		}
		a.printJSON(map[string]any{"profiles": len(docs.SCEP), "roots": len(docs.Roots), "findings": findings})
	} else {
		for _, x := range findings {
			fmt.Fprintf(a.stdout, "%-7s %-18s %s: %s\n", x.Severity, x.Rule, x.Profile, x.Evidence)
			if x.Severity != intune.Info {
				a.indent("do", x.Remedy)
			}
		}
		fmt.Fprintf(a.stdout, "%d SCEP profiles, %d trusted root profiles\n", len(docs.SCEP), len(docs.Roots))
	}
	if failing {
		return errFindings
	}
	return nil
}

func (a *app) profileWhy(args []string) error {
	var profilePath, devicePath, name string
	f := a.flags("profile why", "-profile FILE -device FILE")
	f.StringVar(&profilePath, "profile", "", "Graph JSON `file` with the profile")
	f.StringVar(&devicePath, "device", "", `JSON `+"`file`"+` with the device: {"joinState": "hybrid-pending", "values": {"DeviceName": "…"}}`)
	f.StringVar(&name, "name", "", "display `name` of the profile, where the file has several")
	if err := a.parseFlags(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usagef("unexpected argument %q", f.Arg(0))
	}
	if profilePath == "" || devicePath == "" {
		return usagef("-profile and -device are required")
	}
	docs, err := a.parseProfiles(profilePath)
	if err != nil {
		return err
	}
	r, done, err := a.open(devicePath)
	if err != nil {
		return err
	}
	defer done()
	d, err := intune.ParseDevice(r)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", devicePath, err)}
	}
	var chosen []*intune.Profile
	for _, p := range docs.SCEP {
		if name == "" || p.DisplayName == name {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) != 1 {
		return usagef("%s holds %d SCEP profiles that fit; -name chooses one", profilePath, len(chosen))
	}
	ans := intune.Why(chosen[0], d)
	if a.json {
		a.printJSON(ans)
	} else {
		fmt.Fprintf(a.stdout, "%s: %s\n", ans.Outcome, ans.Summary)
		for _, x := range ans.Reasons {
			fmt.Fprintf(a.stdout, "  because  %s\n", x)
		}
		for _, x := range ans.Remedies {
			fmt.Fprintf(a.stdout, "  do       %s\n", x)
		}
	}
	if ans.Outcome != intune.Resolved {
		return errFindings
	}
	return nil
}
