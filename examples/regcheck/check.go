package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/iis"
	"go.internal/hybridkit/registry/live"
	"go.internal/hybridkit/registry/regconv"
)

func (a *app) checkFlags() {
	a.schemaFlags()
	a.inputFlags()
	a.flags.BoolVar(&a.together, "together", false, "judge all files as one registry: exports of SOFTWARE and SYSTEM of one machine")
}

// A report is what check prints about one file.
type report struct {
	File   string  `json:"file"`
	Format string  `json:"format"`
	Schema string  `json:"schema"`
	OK     bool    `json:"ok"`
	Drift  []drift `json:"drift"`
	// Errors are what a tolerant decoder dropped or repaired, or parts of the live registry that could not be read.
	Errors []string `json:"errors,omitempty"`
}

// A drift is registry.Drift in the stable form of the -json output.
type drift struct {
	Kind     registry.Kind     `json:"kind"`
	Path     string            `json:"path"`
	Name     string            `json:"name"`
	Want     string            `json:"want"`
	Got      string            `json:"got"`
	Severity registry.Severity `json:"severity"`
	Why      string            `json:"why"`
	Remedy   string            `json:"remedy"`
	Source   string            `json:"source"`
	Basis    registry.Basis    `json:"basis"`
	File     string            `json:"file,omitempty"` // with -together
	Line     int               `json:"line,omitempty"`
	Offset   int64             `json:"offset,omitempty"`

	want, got string // for people
}

// plain is what -json says of a value: its content alone, with its type where that is what is wrong.
func plain(v registry.Value, text string, kind registry.Kind) string {
	if v.Type == registry.TypeNone && len(v.Data) == 0 {
		return text
	}
	if kind == registry.WrongType {
		return v.Type.String() + " " + v.Plain()
	}
	return v.Plain()
}

func (a *app) check(files []string) (int, error) {
	if a.schema == "iis" {
		if len(a.params) > 0 {
			return 0, usagef("schema iis has no parameters")
		}
		return a.checkFiles(registry.Schema{Name: "iis"}, files)
	}
	schema, err := a.getSchema()
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		if runtime.GOOS != "windows" {
			return 0, usagef("no file; the live registry can be read on Windows only")
		}
		snap, err := live.Read(a.ctx, schema.Paths(), live.Options{Tolerant: true})
		if snap == nil {
			return 0, err
		}
		r := judge(schema, snap, "", "live")
		r.Errors = messages(err)
		return a.print(r, schema)
	}
	return a.checkFiles(schema, files)
}

func (a *app) checkFiles(schema registry.Schema, files []string) (int, error) {
	if len(files) == 0 {
		return 0, usagef("no file")
	}
	code := exitOK
	all := new(registry.Snapshot)
	var merged report
	var formats []string
	for _, name := range files {
		format, snap, config, errs, err := a.read(name)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		if a.together {
			if config != nil {
				merged.add(config.Drift(name, iis.Want{}))
			} else if err := all.ApplyAll(name, both(snap)); err != nil {
				return 0, err
			}
			formats = append(formats, format)
			merged.Errors = append(merged.Errors, errs...)
			continue
		}
		r := report{File: name, Format: format, Schema: schema.Name}
		switch {
		case config != nil && (schema.Name == "iis" || hasHTTP(schema)):
			r.Schema = "iis"
			r.add(config.Drift(name, iis.Want{}))
		case config != nil:
			return 0, fmt.Errorf("%s: an IIS configuration holds no values of schema %s", name, schema.Name)
		case schema.Name == "iis":
			return 0, fmt.Errorf("%s: not an IIS configuration", name)
		default:
			r = judge(schema, snap, name, format)
		}
		r.Errors = errs
		c, err := a.print(r, schema)
		if err != nil {
			return 0, err
		}
		code = max(code, c)
	}
	if a.together {
		r := judge(schema, all, strings.Join(files, ", "), strings.Join(formats, ", "))
		r.Drift = append(r.Drift, merged.Drift...)
		r.OK, r.Errors = len(r.Drift) == 0, merged.Errors
		return a.print(r, schema)
	}
	return code, nil
}

// hasHTTP reports whether the schema is about an NDES server, for which the limits of IIS matter too.
func hasHTTP(s registry.Schema) bool {
	return slices.ContainsFunc(s.Settings, func(set registry.Setting) bool { return set.Name == "MaxFieldLength" })
}

// both makes the items of a snapshot what ApplyAll takes, with their places.
func both(s *registry.Snapshot) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		for e := range s.Entries() {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// read reads one file: a registry, or an IIS configuration.
func (a *app) read(name string) (format string, snap *registry.Snapshot, config *iis.Config, errs []string, err error) {
	f, err := a.open(name)
	if err != nil {
		return "", nil, nil, nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 4096)
	if head, _ := r.Peek(4096); a.format == "" && iis.Sniff(head) {
		config, err = iis.Parse(r)
		return "iis", nil, config, nil, err
	}
	o, err := a.options(name)
	if err != nil {
		return "", nil, nil, nil, err
	}
	got, seq, err := regconv.Decode(r, o)
	if err != nil {
		return "", nil, nil, nil, err
	}
	snap, errs, err = a.collect(name, seq)
	return string(got), snap, nil, errs, err
}

// collect applies what a decoder yields. Without -tolerant the first error is the last.
func (a *app) collect(name string, seq iter.Seq2[registry.Entry, error]) (*registry.Snapshot, []string, error) {
	snap, err := registry.Collect(name, cancelled(a, seq))
	if err == nil {
		return snap, nil, nil
	}
	if cause := a.ctx.Err(); cause != nil {
		return nil, nil, cause
	}
	if !a.tolerant {
		return nil, nil, err
	}
	return snap, messages(err), nil
}

// cancelled ends seq when the program is interrupted.
func cancelled(a *app, seq iter.Seq2[registry.Entry, error]) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		n := 0
		for e, err := range seq {
			if n++; n%4096 == 0 && a.ctx.Err() != nil {
				yield(registry.Entry{}, a.ctx.Err())
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// messages splits a joined error.
func messages(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func judge(schema registry.Schema, snap *registry.Snapshot, name, format string) report {
	r := report{File: name, Format: format, Schema: schema.Name}
	r.add(schema.Drift(snap))
	return r
}

func (r *report) add(seq iter.Seq[registry.Drift]) {
	for d := range seq {
		j := drift{
			Kind: d.Kind, Path: d.Path.String(), Name: d.Name, Want: plain(d.WantValue, d.Want, d.Kind), Got: plain(d.GotValue, d.Got, d.Kind), Severity: d.Severity, Why: d.Why,
			Remedy: d.Remedy, Source: d.Source, Basis: d.Basis, Line: d.Origin.Pos.Line, want: d.Want, got: d.Got,
		}
		if d.Origin.Source != r.File {
			j.File = d.Origin.Source
		}
		if j.Line == 0 {
			j.Offset = d.Origin.Pos.Offset
		}
		r.Drift = append(r.Drift, j)
	}
	r.OK = len(r.Drift) == 0
}

// print writes one report and returns the exit code it stands for.
func (a *app) print(r report, schema registry.Schema) (int, error) {
	code := exitOK
	if !r.OK {
		code = exitDrift
	}
	if a.json {
		if r.Drift == nil {
			r.Drift = []drift{}
		}
		return code, writeJSON(a.out, r)
	}
	name := r.File
	if name == "" {
		name = "live registry"
	}
	for _, e := range r.Errors {
		fmt.Fprintf(a.errOut, "%s: %s\n", name, e)
	}
	if r.OK {
		fmt.Fprintf(a.out, "%s (%s): no drift from %s\n", name, r.Format, r.Schema)
		return code, nil
	}
	fmt.Fprintf(a.out, "%s (%s): %d drifts from %s\n", name, r.Format, len(r.Drift), r.Schema)
	for _, d := range r.Drift {
		fmt.Fprintf(a.out, "\n%v %v  %s\\%s\n", d.Severity, d.Kind, d.Path, registry.ValueName(d.Name))
		where := ""
		switch {
		case d.Line > 0:
			where = fmt.Sprintf("  (line %d)", d.Line)
		case d.Offset > 0:
			where = fmt.Sprintf("  (byte 0x%x)", d.Offset)
		}
		if d.File != "" && where != "" {
			where = "  (" + d.File + ", " + strings.TrimPrefix(where, "  (")
		}
		row := func(label, text, more string) {
			if text != "" {
				fmt.Fprintf(a.out, "  %-7s %s%s\n", label, text, more)
			}
		}
		row("got", d.got, where)
		row("want", d.want, "")
		row("why", d.Why, "")
		row("remedy", d.Remedy, "")
		row("source", d.Source, basisNote(d.Basis))
	}
	if schema.AfterChange != "" {
		fmt.Fprintf(a.out, "\nAfter a change: %s\n", schema.AfterChange)
	}
	return code, nil
}

func basisNote(b registry.Basis) string {
	if b == registry.Documented {
		return ""
	}
	return " [" + b.String() + "]"
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// losses returns the lines of an error that is about entries a format cannot hold, and nil for any other error.
func losses(err error) []string {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*registry.LossError](err); !ok {
		return nil
	}
	return messages(err)
}
