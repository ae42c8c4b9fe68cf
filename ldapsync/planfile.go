package ldapsync

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxPlanLine bounds one line of a plan file.
const maxPlanLine = 64 << 20

// A PlanFileError says where a plan file is wrong.
type PlanFileError struct {
	Line int // from 1
	Err  error
}

// Error names the line.
func (e *PlanFileError) Error() string {
	return fmt.Sprintf("ldapsync: plan file, line %d: %v", e.Line, e.Err)
}

// Unwrap returns Err.
func (e *PlanFileError) Unwrap() error { return e.Err }

// planTrailer ends a plan file, so that one that was cut off is noticed.
type planTrailer struct {
	End   bool   `json:"end"`
	Items int    `json:"items"`
	ID    string `json:"id"`
}

// WriteTo writes the plan as JSON Lines: a header, an item a line, a trailer. The bytes depend on nothing but
// the plan.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	cw := &countWriter{w: w}
	b := bufio.NewWriter(cw)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return cw.n, err
	}
	for i := range p.Items {
		if err := enc.Encode(&p.Items[i]); err != nil {
			return cw.n, err
		}
	}
	if err := enc.Encode(planTrailer{true, len(p.Items), p.ID}); err != nil {
		return cw.n, err
	}
	err := b.Flush()
	return cw.n, err
}

type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// ReadPlan reads what WriteTo wrote. It refuses files that are cut off, have been edited (the ID no longer fits
// the content), have members this version does not know, or are of another version. Errors are *PlanFileError
// unless reading failed.
func ReadPlan(r io.Reader) (*Plan, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), maxPlanLine)
	line := 0
	fail := func(err error) (*Plan, error) { return nil, &PlanFileError{Line: max(line, 1), Err: err} }
	decode := func(v any) error {
		d := json.NewDecoder(strings.NewReader(sc.Text()))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			return err
		}
		if d.More() {
			return errors.New("more than one JSON value")
		}
		return nil
	}
	var p Plan
	for sc.Scan() {
		line++
		if line == 1 {
			if err := decode(&p); err != nil {
				return fail(fmt.Errorf("this is not a plan: %w", err))
			}
			if p.Version != PlanVersion {
				return fail(fmt.Errorf("version %d of the plan format is not supported (supported: %d); make a new plan", p.Version, PlanVersion))
			}
			continue
		}
		if strings.HasPrefix(sc.Text(), `{"end":`) {
			var t planTrailer
			if err := decode(&t); err != nil {
				return fail(err)
			}
			if t.Items != len(p.Items) {
				return fail(fmt.Errorf("%d items, but the last line says %d", len(p.Items), t.Items))
			}
			if sc.Scan() {
				line++
				return fail(errors.New("there is text after the last line"))
			}
			id, err := p.hash()
			if err != nil {
				return fail(err)
			}
			if id != p.ID || t.ID != p.ID {
				return fail(errors.New("the content does not fit the plan's ID: the file was changed; make a new plan"))
			}
			return &p, nil
		}
		var it Item
		if err := decode(&it); err != nil {
			return fail(err)
		}
		p.Items = append(p.Items, it)
	}
	if err := sc.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("ldapsync: plan file: %w", err)
	} else if err != nil {
		line++
		return fail(err)
	}
	if line == 0 {
		return fail(errors.New("the file is empty"))
	}
	return fail(errors.New("the file ends in the middle: its last line is missing"))
}

// TextOptions say how WriteText prints.
type TextOptions struct {
	Redact bool             // values are replaced by "[redacted]": for logs and tickets
	Show   func(*Item) bool // print only these items; nil prints all
	Limit  int              // print at most so many items and say how many more there are; 0 prints all
}

// WriteText prints the plan for people.
func (p *Plan) WriteText(w io.Writer, opt TextOptions) error {
	b := bufio.NewWriter(w)
	show := func(v ValueList) string {
		if opt.Redact && len(v) > 0 {
			return "[redacted]"
		}
		return v.String()
	}
	fmt.Fprintf(b, "plan %s for %s", p.Short(), p.Organisation)
	if p.Undo != "" {
		fmt.Fprintf(b, ", taking back plan %s", p.Undo[:min(len(p.Undo), 12)])
	}
	fmt.Fprintln(b)
	shown, more := 0, 0
	for i := range p.Items {
		it := &p.Items[i]
		if opt.Show != nil && !opt.Show(it) {
			continue
		}
		if opt.Limit > 0 && shown == opt.Limit {
			more++
			continue
		}
		shown++
		name := it.SourceDN.String()
		if name == "" {
			name = it.TargetDN.String()
		}
		if name == "" {
			name = it.Source.String()
		}
		fmt.Fprintf(b, "  %-8s %s  (%s)\n", it.Action, name, it.Reason)
		if it.Action == ActionRename {
			fmt.Fprintf(b, "           name: %s -> %s\n", show(ValueList{it.OldName}), show(ValueList{it.NewName}))
		}
		for _, e := range it.Edits {
			if it.Action == ActionDelete {
				continue
			}
			fmt.Fprintf(b, "           %s: %s -> %s", e.Attr, show(e.Before), show(e.After))
			fmt.Fprintf(b, "  [%s; %s", e.Rule, e.Reason)
			for _, in := range e.Inputs {
				fmt.Fprintf(b, "; %s=%s", in.Attr, show(in.Values))
			}
			fmt.Fprintln(b, "]")
		}
		for _, n := range it.Notes {
			if n.Attr != "" {
				fmt.Fprintf(b, "           %s left as it is: %s\n", n.Attr, n.Reason)
			} else {
				fmt.Fprintf(b, "           note: %s\n", n.Reason)
			}
		}
	}
	if more > 0 {
		fmt.Fprintf(b, "  … and %d more\n", more)
	}
	for _, n := range p.Notices {
		fmt.Fprintf(b, "  notice: %s\n", n)
	}
	for _, c := range p.Counts {
		fmt.Fprintf(b, "  %s: %d read, %d joined before, %d unchanged", c.Track, c.Read, c.Linked, c.Unchanged)
		for a := ActionCreate; a <= ActionConflict; a++ {
			n := 0
			for i := range p.Items {
				if p.Items[i].Track == c.Track && p.Items[i].Action == a {
					n++
				}
			}
			if n > 0 {
				fmt.Fprintf(b, ", %d %s", n, a)
			}
		}
		fmt.Fprintln(b)
	}
	for _, t := range p.Trips {
		fmt.Fprintf(b, "  BLOCKED by guard %s: %s\n           to accept once: %s\n", t.Guard, t.Saw, t.Accept)
	}
	return b.Flush()
}
