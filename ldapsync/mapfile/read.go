package mapfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
	"go.internal/hybridkit/ldapsync/internal/jsonpos"
)

// Read reads a mapping file of at most MaxBytes. A byte order mark is allowed. All mistakes in one part of the
// file come together; each is an *Error. Expressions are checked by Build.
func Read(r io.Reader) (*File, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxBytes {
		return nil, &Error{Err: fmt.Errorf("the file is larger than %d MB", MaxBytes>>20)}
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	root, err := jsonpos.Parse(b)
	var at *jsonpos.Error
	if errors.As(err, &at) {
		line, col := jsonpos.Position(b, at.Offset)
		return nil, &Error{Line: line, Column: col, Err: err}
	}
	f := &File{text: b, at: map[string]int{}}
	d := &decoder{f: f}
	d.decode(root, reflect.ValueOf(f).Elem(), "")
	if len(d.errs) == 0 {
		d.errs = f.check()
	}
	if len(d.errs) > 0 {
		return nil, errors.Join(d.errs...)
	}
	return f, nil
}

// WriteTo writes the file as indented JSON. Read gives the same file again, and the same bytes come of it.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if errs := f.check(); len(errs) > 0 {
		return 0, errors.Join(errs...)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f); err != nil {
		return 0, err
	}
	return b.WriteTo(w)
}

// maxErrors bounds the mistakes that come together.
const maxErrors = 50

// decoder fills structs from a tree. It knows what this package's types are made of and nothing more.
type decoder struct {
	f    *File
	errs []error
}

func (d *decoder) fail(n *jsonpos.Node, path, format string, args ...any) {
	if len(d.errs) < maxErrors {
		line, col := jsonpos.Position(d.f.text, n.Offset)
		d.errs = append(d.errs, &Error{Line: line, Column: col, Field: path, Err: fmt.Errorf(format, args...)})
	}
}

func (d *decoder) want(n *jsonpos.Node, path string, k jsonpos.Kind) bool {
	if n.Kind != k {
		d.fail(n, path, "%v is expected here, not %v", k, n.Kind)
	}
	return n.Kind == k
}

type textReader interface{ UnmarshalText([]byte) error }

func (d *decoder) decode(n *jsonpos.Node, v reflect.Value, path string) {
	if path != "" {
		d.f.at[path] = n.Offset
	}
	if u, ok := v.Addr().Interface().(textReader); ok {
		if d.want(n, path, jsonpos.String) {
			if err := u.UnmarshalText([]byte(n.Text)); err != nil {
				d.fail(n, path, "%w", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if d.want(n, path, jsonpos.String) {
			v.SetString(n.Text)
		}
	case reflect.Bool:
		if d.want(n, path, jsonpos.Bool) {
			v.SetBool(n.True)
		}
	case reflect.Int:
		if d.want(n, path, jsonpos.Number) {
			i, err := strconv.ParseInt(n.Text, 10, 32)
			if err != nil {
				d.fail(n, path, "%s is not a whole number", n.Text)
			}
			v.SetInt(i)
		}
	case reflect.Slice:
		if d.want(n, path, jsonpos.Array) {
			v.Set(reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items)))
			for i, item := range n.Items {
				d.decode(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
		}
	case reflect.Map:
		if d.want(n, path, jsonpos.Object) {
			v.Set(reflect.MakeMap(v.Type()))
			for _, m := range n.Members {
				if d.want(m.Node, path+"."+m.Name, jsonpos.String) {
					v.SetMapIndex(reflect.ValueOf(m.Name), reflect.ValueOf(m.Text))
				}
			}
		}
	case reflect.Struct:
		if d.want(n, path, jsonpos.Object) {
			d.object(n, v, path)
		}
	}
}

func (d *decoder) object(n *jsonpos.Node, v reflect.Value, path string) {
	fields := map[string]int{}
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name != "" {
			fields[name] = i
		}
	}
	for _, m := range n.Members {
		sub := m.Name
		if path != "" {
			sub = path + "." + m.Name
		}
		i, ok := fields[m.Name]
		if !ok {
			known := slices.Sorted(maps.Keys(fields))
			d.fail(m.Node, path, "there is no member %q; known are %s", clip(m.Name), strings.Join(known, ", "))
			continue
		}
		d.decode(m.Node, v.Field(i), sub)
	}
}

// place makes an Error of a mistake in a part of the file.
func (f *File) place(field string, err error) *Error {
	e := &Error{Field: field, Err: err}
	for p := field; f.at != nil && p != ""; {
		if at, ok := f.at[p]; ok {
			e.Line, e.Column = jsonpos.Position(f.text, at)
			break
		}
		p = p[:max(strings.LastIndexAny(p, ".["), 0)]
	}
	return e
}

// check reports what needs no functions and no compiler.
func (f *File) check() []error {
	var errs []error
	fail := func(field, format string, args ...any) {
		if len(errs) < maxErrors {
			errs = append(errs, f.place(field, fmt.Errorf(format, args...)))
		}
	}
	if f.Version != Version {
		fail("version", "version %d is not known; this program reads version %d", f.Version, Version)
	}
	if len(f.Mappings) == 0 {
		fail("mappings", "the file has no mappings")
	}
	names := map[string]bool{}
	for i := range f.Mappings {
		s := &f.Mappings[i]
		at := fmt.Sprintf("mappings[%d]", i)
		if s.Name == "" || names[s.Name] {
			fail(at+".name", "the name %q is empty or another mapping's", s.Name)
		}
		// Only what comes before can be built on, so there are no circles.
		if s.Input != "" && !names[s.Input] {
			fail(at+".input", "there is no mapping %q before this one", s.Input)
		}
		names[s.Name] = true
		if !slices.Contains([]NoContribution{"", Keep, Clear}, s.NoContribution) {
			fail(at+".noContribution", `%q is neither "keep" nor "clear"`, clip(string(s.NoContribution)))
		}
		if len(s.Rules) == 0 {
			fail(at, "the mapping has no rules")
		}
		for j, sf := range s.Scope {
			checkGroups(sf.Groups, fmt.Sprintf("%s.scope[%d].groups", at, j), fail)
		}
		for j, k := range s.Keys {
			if k.Source == "" || k.Target == "" {
				fail(fmt.Sprintf("%s.keys[%d]", at, j), "a key needs a source and a target")
			}
		}
		for j, r := range s.Rules {
			r.check(s, fmt.Sprintf("%s.rules[%d]", at, j), fail)
		}
	}
	return errs
}

func (r *Rule) check(s *Section, at string, fail func(field, format string, args ...any)) {
	if r.To == "" {
		fail(at, "the rule names no target attribute (to)")
	}
	var is []string
	for _, k := range []struct {
		name string
		set  bool
	}{{"copy", r.Copy != ""}, {"constant", r.Constant != nil}, {"expression", r.Expression != ""}, {"function", r.Function != ""}, {"skip", r.Skip != ""}} {
		if k.set {
			is = append(is, k.name)
		}
	}
	if len(is) != 1 {
		fail(at, "a rule is exactly one of copy, constant, expression, function and skip; this one is %s", cmpOr(strings.Join(is, " and "), "none"))
	}
	if r.Expression != "" && r.dialect(s) == 0 {
		fail(at+".expression", "neither the rule nor its mapping says in which dialect the expression is (cloudsync, connect)")
	}
	if r.Expression == "" && r.Dialect != 0 {
		fail(at+".dialect", "only an expression has a dialect")
	}
	if r.Function == "" && r.Args != nil {
		fail(at+".args", "only a function has arguments")
	}
	if !slices.Contains([]Null{"", NullClear, NullAbstain, NullKeep}, r.Null) {
		fail(at+".null", `%q is none of "clear", "abstain" and "keep"`, clip(string(r.Null)))
	}
	for name, v := range map[string][]string{"constant": r.Constant, "default": r.Default} {
		if v != nil && (len(v) == 0 || slices.Contains(v, "")) {
			fail(at+"."+name, "no values, or an empty one")
		}
	}
	checkGroups(r.When, at+".when", fail)
}

func (r *Rule) dialect(s *Section) expr.Dialect {
	if r.Dialect != 0 {
		return r.Dialect
	}
	return s.Dialect
}

// Section returns the mapping with the name, or, if name is empty, the only one for the class.
func (f *File) section(name string, class ldapsync.Class) (int, error) {
	found := -1
	for i, s := range f.Mappings {
		switch {
		case name != "" && s.Name == name:
			return i, nil
		case name == "" && s.Class == class && found >= 0:
			return 0, fmt.Errorf("the file has several mappings for a %s: %s, %s; name one", class, f.Mappings[found].Name, s.Name)
		case name == "" && s.Class == class:
			found = i
		}
	}
	if found < 0 && name != "" {
		return 0, fmt.Errorf("the file has no mapping %q", clip(name))
	}
	if found < 0 {
		return 0, fmt.Errorf("the file has no mapping for a %s", class)
	}
	return found, nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
