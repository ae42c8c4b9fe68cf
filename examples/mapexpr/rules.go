package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
	"go.internal/hybridkit/ldapsync/mapfile"
	"go.internal/hybridkit/ldapsync/syncrules"
)

func (t *tool) lint(args []string) (int, error) {
	f, imp, err := t.load(args[0])
	if err != nil {
		return exitError, err
	}
	found := f.Lint(expr.LintOptions{Schema: expr.ADSchema(), GlobalCatalog: t.gc})
	code := exitOK
	for _, x := range found {
		if x.Severity > expr.Info {
			code = exitFindings
		}
	}
	var report []syncrules.Finding
	if imp != nil {
		for _, x := range imp.Findings {
			if x.Level > syncrules.Info {
				report, code = append(report, x), exitFindings
			}
		}
	}
	if t.json {
		if found == nil {
			found = []mapfile.LintFinding{}
		}
		return code, t.printJSON(struct {
			Findings []mapfile.LintFinding `json:"findings"`
			Import   []syncrules.Finding   `json:"import,omitempty"`
		}{found, report})
	}
	for _, x := range report {
		fmt.Fprintln(t.stdout, x)
	}
	for _, x := range found {
		fmt.Fprintln(t.stdout, x)
	}
	n := 0
	for _, m := range f.Mappings {
		n += len(m.Rules)
	}
	_, err = fmt.Fprintf(t.stdout, "%d rules in %d mappings, %d findings\n", n, len(f.Mappings), len(found)+len(report))
	return code, err
}

func (t *tool) describe(args []string) (int, error) {
	f, _, err := t.load(args[0])
	if err != nil {
		return exitError, err
	}
	sets, err := f.Build(mapfile.Options{Functions: mapfile.Builtins()})
	if err != nil {
		return exitError, err
	}
	for i, s := range sets {
		if t.json {
			err = t.printJSON(struct {
				Mapping string         `json:"mapping"`
				Class   ldapsync.Class `json:"class,omitzero"`
				Rules   []mapfile.Row  `json:"rules"`
			}{s.Name, s.Class, s.Rows})
		} else {
			fmt.Fprintf(t.stdout, "%s## %s\n\n", map[bool]string{true: "\n"}[i > 0], s.Name)
			err = mapfile.WriteMarkdown(t.stdout, s.Rows)
		}
		if err != nil {
			return exitError, err
		}
	}
	return exitOK, nil
}

func (t *tool) imports(args []string) (int, error) {
	f, imp, err := t.load(args[0])
	if err != nil {
		return exitError, err
	}
	if imp == nil {
		return exitError, errors.New("this is a mapping file already")
	}
	if t.json {
		if t.out != "" {
			if err := t.write(f); err != nil {
				return exitError, err
			}
		}
		err = t.printJSON(imp)
	} else {
		for _, x := range imp.Findings {
			fmt.Fprintln(t.stderr, x)
		}
		fmt.Fprintf(t.stderr, "%d mappings; %d lost, %d changed, %d to know\n", len(f.Mappings), imp.Count(syncrules.Lost), imp.Count(syncrules.Changed), imp.Count(syncrules.Info))
		err = t.write(f)
	}
	if imp.Count(syncrules.Lost)+imp.Count(syncrules.Changed) > 0 {
		return exitFindings, err
	}
	return exitOK, err
}

// write writes a mapping file, whole or not at all.
func (t *tool) write(f *mapfile.File) error {
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		return err
	}
	if t.out == "" || t.out == "-" {
		_, err := b.WriteTo(t.stdout)
		return err
	}
	tmp := t.out + ".tmp"
	if err := os.WriteFile(tmp, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, t.out)
}

func (t *tool) diff(args []string) (int, error) {
	var class ldapsync.Class
	if err := class.UnmarshalText([]byte(t.class)); err != nil {
		return exitError, err
	}
	var sets [2]*mapfile.Set
	for i, name := range args[:2] {
		f, _, err := t.load(name)
		if err != nil {
			return exitError, err
		}
		if sets[i], err = f.BuildOne(t.mapping, class, mapfile.Options{Functions: mapfile.Builtins()}); err != nil {
			return exitError, fmt.Errorf("%s: %w", name, err)
		}
	}
	class = cmp.Or(sets[0].Class, class)
	env := ldapsync.Env{Domain: t.domain, Now: t.now}
	seen, changed := 0, 0
	attrs := map[string]int{}
	var shown bytes.Buffer
	show := progress(t.stderr)
	for o, err := range t.entries(args[2]) {
		if err != nil {
			return exitError, err
		}
		if o.Class != class {
			continue
		}
		seen++
		show(seen, false)
		c, differs := mapfile.CompareObject(sets[0], sets[1], o, env)
		if !differs {
			continue
		}
		changed++
		for _, d := range c.Differences {
			attrs[d.To]++
		}
		switch {
		case t.json:
			if err := t.printJSON(c); err != nil {
				return exitError, err
			}
		case t.limit == 0 || changed <= t.limit:
			fmt.Fprintln(&shown, c.DN)
			for _, d := range c.Differences {
				fmt.Fprintf(&shown, "  %s: %v -> %v\n", cmp.Or(d.To, "scope"), d.Before, d.After)
			}
		}
	}
	show(seen, true)
	code := exitOK
	if changed > 0 {
		code = exitFindings
	}
	if t.json {
		return code, nil
	}
	fmt.Fprintf(t.stdout, "%d of %d %ss would change\n", changed, seen, class)
	for _, a := range sorted(attrs) {
		fmt.Fprintf(t.stdout, "  %-30s %d\n", cmp.Or(a, "scope"), attrs[a])
	}
	if _, err := shown.WriteTo(t.stdout); err != nil {
		return exitError, err
	}
	if t.limit > 0 && changed > t.limit {
		fmt.Fprintf(t.stdout, "… and %d more (-limit 0 lists all)\n", changed-t.limit)
	}
	return code, nil
}

// progress shows a count on a terminal, and nothing elsewhere.
func progress(w io.Writer) func(n int, done bool) {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int, bool) {}
	}
	return func(n int, done bool) {
		switch {
		case done:
			fmt.Fprint(w, "\r\x1b[K")
		case n%1000 == 0:
			fmt.Fprintf(w, "\r%d objects", n)
		}
	}
}
