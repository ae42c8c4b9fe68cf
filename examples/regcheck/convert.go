package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regconv"
	"go.internal/hybridkit/registry/regquery"
)

// one returns the single file of args, "-" if there is none.
func one(args []string) (string, error) {
	switch len(args) {
	case 0:
		return "-", nil
	case 1:
		return args[0], nil
	}
	return "", usagef("one file, not %d", len(args))
}

// decode reads all entries of a file. Without -tolerant the first error ends it.
func (a *app) decode(name string) (regconv.Format, []registry.Entry, []string, error) {
	f, err := a.open(name)
	if err != nil {
		return "", nil, nil, err
	}
	defer f.Close()
	o, err := a.options(name)
	if err != nil {
		return "", nil, nil, err
	}
	format, seq, err := regconv.Decode(f, o)
	if err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	var entries []registry.Entry
	var errs []string
	for e, err := range cancelled(a, seq) {
		if err != nil {
			if !a.tolerant || a.ctx.Err() != nil {
				return "", nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			errs = append(errs, err.Error())
		}
		if e.Op != 0 {
			entries = append(entries, e)
		}
	}
	return format, entries, errs, nil
}

// complain prints errors of a tolerant decoder and returns the exit code they stand for.
func (a *app) complain(name string, errs []string) int {
	for _, e := range errs {
		fmt.Fprintf(a.errOut, "%s: %s\n", name, e)
	}
	if len(errs) > 0 {
		return exitDrift
	}
	return exitOK
}

// A dumped is one line of dump -json. Effects that are not values have an op.
type dumped struct {
	Op   string `json:"op,omitempty"`
	Path string `json:"path"`
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Data string `json:"data"`
	Text string `json:"text"`
	Note string `json:"note,omitempty"`
	Line int    `json:"line,omitempty"`
	Off  int64  `json:"offset,omitempty"`
}

func (a *app) dump(args []string) (int, error) {
	name, err := one(args)
	if err != nil {
		return 0, err
	}
	_, entries, errs, err := a.decode(name)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if a.json {
			err = a.dumpJSON(e)
		} else {
			a.dumpText(e)
		}
		if err != nil {
			return 0, err
		}
	}
	return a.complain(name, errs), nil
}

func (a *app) dumpJSON(e registry.Entry) error {
	d := dumped{Path: e.Path.String(), Name: e.Name, Note: e.Note, Line: e.Pos.Line, Off: e.Pos.Offset}
	if d.Line > 0 {
		d.Off = 0
	}
	switch e.Op {
	case registry.CreateKey, registry.Note:
		return nil
	case registry.Set:
	default:
		d.Op = e.Op.String()
	}
	if e.Op == registry.Set || e.Op == registry.SetIfAbsent || e.Op == registry.SecureKey {
		d.Type, d.Data, d.Text = e.Value.Type.String(), hex.EncodeToString(e.Value.Data), e.Value.String()
	}
	return writeJSON(a.out, d)
}

func (a *app) dumpText(e registry.Entry) {
	text := e.String()
	if e.Op == registry.Set {
		text = fmt.Sprintf(`%s\%s  %v  %v`, e.Path.Short(), registry.ValueName(e.Name), e.Value.Type, e.Value)
		if e.Note != "" {
			text += "  ; " + strings.TrimLeft(e.Note, "; ")
		}
	}
	if e.Op == registry.Note && e.Note == "" {
		return
	}
	fmt.Fprintln(a.out, text)
}

func (a *app) convertFlags() {
	a.inputFlags()
	a.flags.StringVar(&a.to, "to", "", "format of the output")
	a.flags.StringVar(&a.output, "o", "", "write to this `file` instead of standard output")
}

func (a *app) convert(args []string) (int, error) {
	name, err := one(args)
	if err != nil {
		return 0, err
	}
	if a.to == "" {
		return 0, usagef("-to is missing; it is one of %v", regconv.Formats())
	}
	if a.json {
		return 0, usagef("convert has no -json; -to json writes JSON")
	}
	if !slices.Contains(regconv.Formats(), regconv.Format(a.to)) || a.to == string(regconv.Hive) {
		return 0, usagef("cannot write format %q; it is one of %v but hive", a.to, regconv.Formats())
	}
	_, entries, errs, err := a.decode(name)
	if err != nil {
		return 0, err
	}
	code := a.complain(name, errs)
	lost, err := a.write(func(w io.Writer) error { return regconv.Encode(w, regconv.Format(a.to), slices.Values(entries)) })
	return max(code, lost), err
}

// write calls f with the output. What a format cannot hold is printed and gives exit code 1.
func (a *app) write(f func(io.Writer) error) (int, error) {
	w, done, err := a.create()
	if err != nil {
		return 0, err
	}
	err = f(w)
	if e := done(); e != nil && err == nil {
		err = e
	}
	if lost := losses(err); lost != nil {
		return a.complain("not written", lost), nil
	}
	return exitOK, err
}

func (a *app) diff(args []string) (int, error) {
	if len(args) != 2 {
		return 0, usagef("two files, not %d", len(args))
	}
	var snaps [2]*registry.Snapshot
	code := exitOK
	for i, name := range args {
		_, snap, config, errs, err := a.read(name)
		if err == nil && config != nil {
			err = errors.New("an IIS configuration cannot be compared")
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		a.complain(name, errs)
		snaps[i] = snap
	}
	for _, e := range registry.Diff(snaps[0], snaps[1]) {
		code = exitDrift
		was, had := snaps[0].Get(e.Path, e.Name)
		if a.json {
			d := diffed{Op: e.Op.String(), Path: e.Path.String(), Name: e.Name}
			if e.Op == registry.Set {
				d.New = &typed{e.Value.Type.String(), hex.EncodeToString(e.Value.Data), e.Value.String()}
			}
			if had && (e.Op == registry.Set || e.Op == registry.DeleteValue) {
				d.Old = &typed{was.Value.Type.String(), hex.EncodeToString(was.Value.Data), was.Value.String()}
			}
			if err := writeJSON(a.out, d); err != nil {
				return 0, err
			}
			continue
		}
		place := e.Path.Short()
		if e.Op == registry.Set || e.Op == registry.DeleteValue {
			place += `\` + registry.ValueName(e.Name)
		}
		switch {
		case e.Op == registry.Set && had:
			fmt.Fprintf(a.out, "~ %s  %v %v -> %v %v\n", place, was.Value.Type, was.Value, e.Value.Type, e.Value)
		case e.Op == registry.Set:
			fmt.Fprintf(a.out, "+ %s  %v %v\n", place, e.Value.Type, e.Value)
		case e.Op == registry.DeleteValue:
			fmt.Fprintf(a.out, "- %s  %v %v\n", place, was.Value.Type, was.Value)
		case e.Op == registry.DeleteKey:
			fmt.Fprintf(a.out, "- %s\n", place)
		default:
			fmt.Fprintf(a.out, "+ %s\n", place)
		}
	}
	return code, nil
}

// A diffed is one line of diff -json.
type diffed struct {
	Op   string `json:"op"`
	Path string `json:"path"`
	Name string `json:"name"`
	Old  *typed `json:"old,omitempty"`
	New  *typed `json:"new,omitempty"`
}

type typed struct {
	Type string `json:"type"`
	Data string `json:"data"`
	Text string `json:"text"`
}

func (a *app) script(args []string) (int, error) {
	if len(args) > 0 {
		return 0, usagef("script takes no file")
	}
	schema, err := a.getSchema()
	if err != nil {
		return 0, err
	}
	_, err = io.WriteString(a.out, regquery.Script(schema.Paths()))
	return exitOK, err
}

func (a *app) schemas(args []string) (int, error) {
	if len(args) > 0 {
		return 0, usagef("schemas takes no file")
	}
	for _, name := range registry.Names() {
		s, err := registry.ByName(name, nil)
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(a.out, "%-17s %s\n", name, s.Title)
		if params := registry.ParamNames(name); len(params) > 0 {
			fmt.Fprintf(a.out, "%-17s parameters: %s\n", "", strings.Join(params, ", "))
		}
	}
	fmt.Fprintf(a.out, "%-17s %s\n", "iis", "request limits of applicationHost.config, also checked with schema ndes")
	return exitOK, nil
}
