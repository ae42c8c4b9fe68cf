package mapfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
	"go.internal/hybridkit/ldapsync/ldapfilter"
)

// A Function makes a rule for the target attribute of the arguments a file gives. It is called by Build, once for
// each rule that names it.
type Function func(to string, args []string) (ldapsync.Rule, error)

// Options are what a file does not hold.
type Options struct {
	// Functions that rules may name. Builtins returns this package's; add your own to the map.
	Functions map[string]Function

	// Expr are the options every expression is compiled with.
	Expr expr.Options
}

// A Set is what a section becomes. It is immutable and may be used by several goroutines.
type Set struct {
	Name       string
	Class      ldapsync.Class
	OUs        []string
	Mapping    ldapsync.Mapping
	Conditions []ldapsync.Condition
	Keys       []ldapsync.MatchKey
	Rows       []Row // as Describe makes them, with the text of the file's expressions
}

// Build compiles all sections, in the order of the file. All mistakes come together, each an *Error.
func (f *File) Build(o Options) ([]*Set, error) {
	errs := f.check()
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	sets := make([]*Set, len(f.Mappings))
	for i := range f.Mappings {
		set, bad := f.build(i, sets, o)
		sets[i] = set
		errs = append(errs, bad...)
		if len(errs) >= maxErrors {
			break
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return sets, nil
}

// BuildOne builds one section (and what it builds on): the one with the name, or, with an empty name, the only one
// for the class.
func (f *File) BuildOne(name string, class ldapsync.Class, o Options) (*Set, error) {
	i, err := f.section(name, class)
	if err != nil {
		return nil, err
	}
	sets, err := f.Build(o)
	if err != nil {
		return nil, err
	}
	return sets[i], nil
}

// AddTo adds the set to a track: its mapping and conditions to what is there, its OUs and keys where the track has
// none of its own.
func (s *Set) AddTo(t *ldapsync.Track) {
	t.Mapping = append(slices.Clone(t.Mapping), s.Mapping...)
	t.Scope.Conditions = append(slices.Clone(t.Scope.Conditions), s.Conditions...)
	if len(t.Scope.OUs) == 0 {
		for _, dn := range s.OUs {
			t.Scope.OUs = append(t.Scope.OUs, ldapsync.ContainerRef{DN: dn})
		}
	}
	if len(t.Join.Keys) == 0 {
		t.Join.Keys = s.Keys
	}
}

func (f *File) build(i int, before []*Set, o Options) (*Set, []error) {
	s := &f.Mappings[i]
	at := fmt.Sprintf("mappings[%d]", i)
	var errs []error
	set := &Set{Name: s.Name, Class: s.Class, OUs: s.OUs, Keys: s.Keys}
	for j, sf := range s.Scope {
		fl, err := compileGroups(sf.Groups)
		if err != nil {
			errs = append(errs, f.place(fmt.Sprintf("%s.scope[%d]", at, j), err))
			continue
		}
		set.Conditions = append(set.Conditions, sf.condition(fl))
	}
	var m ldapsync.Mapping
	var merge []bool
	for j := range s.Rules {
		at := fmt.Sprintf("%s.rules[%d]", at, j)
		r, field, err := s.Rules[j].build(s, o)
		if err != nil {
			errs = append(errs, f.place(at+field, err))
			continue
		}
		// Two rules for one attribute need names of their own.
		base := r.Name()
		for n := 2; slices.ContainsFunc(m, func(q ldapsync.Rule) bool {
			return strings.EqualFold(q.To, r.To) && q.Name() == r.Name()
		}); n++ {
			r.ID = fmt.Sprintf("%s-%d", base, n)
		}
		m, merge = append(m, r), append(merge, s.Rules[j].Merge)
		set.Rows = append(set.Rows, s.Rules[j].row(s, r))
	}
	if len(errs) > 0 {
		return nil, errs
	}
	m = merged(m, merge, s.Rules)
	if s.NoContribution == Clear {
		for _, to := range m.Targets() {
			m = append(m, ldapsync.Rule{To: to, ID: to + " (no contribution)", Doc: "null where no rule contributes", Value: func(ldapsync.Inputs) (ldapsync.Result, error) {
				return ldapsync.Clear("no rule contributes a value"), nil
			}})
		}
	}
	if s.Input != "" {
		at := slices.IndexFunc(before, func(b *Set) bool { return b != nil && b.Name == s.Input })
		if at < 0 {
			return nil, nil // that section's own mistakes are reported
		}
		m = after(before[at].Mapping, m, s.Class)
		set.Conditions = conditionsAfter(before[at].Mapping, set.Conditions, s.Class)
		set.Conditions = append(slices.Clone(before[at].Conditions), set.Conditions...)
		if set.OUs == nil {
			set.OUs = before[at].OUs
		}
	}
	if err := m.Validate(); err != nil {
		return nil, []error{f.place(at, err)}
	}
	for i := range set.Conditions {
		id := set.Conditions[i].ID
		for n := 2; slices.ContainsFunc(set.Conditions[:i], func(d ldapsync.Condition) bool { return d.ID == set.Conditions[i].ID }); n++ {
			set.Conditions[i].ID = fmt.Sprintf("%s-%d", id, n)
		}
	}
	set.Mapping = m
	return set, nil
}

// build makes the rule. field is the part of it that is wrong where it fails.
func (r *Rule) build(s *Section, o Options) (out ldapsync.Rule, field string, err error) {
	null := r.Null
	switch {
	case r.Copy != "":
		out = copyRule(r.Copy, r.To)
	case r.Constant != nil:
		out = ldapsync.Constant(r.To, r.Constant...)
	case r.Skip != "":
		out = ldapsync.Rule{To: r.To, Doc: "left alone: " + r.Skip, Value: func(ldapsync.Inputs) (ldapsync.Result, error) { return ldapsync.Skip(r.Skip), nil }}
	case r.Function != "":
		f, ok := o.Functions[r.Function]
		if !ok {
			return out, ".function", fmt.Errorf("there is no function %q; this program has %s", clip(r.Function), cmpOr(names(o.Functions), "none"))
		}
		if out, err = f(r.To, slices.Clone(r.Args)); err != nil {
			return out, ".args", fmt.Errorf("function %s: %w", r.Function, err)
		}
		out.To = r.To
	default:
		if null == "" && r.dialect(s) == expr.Connect {
			null = NullAbstain
		}
		if out, err = expression(r.dialect(s), r.Expression, r.To, s.Parameters, o.Expr); err != nil {
			return out, ".expression", err
		}
	}
	if r.ID != "" {
		out.ID = r.ID
	}
	out.Doc, out.Source = cmpOr(r.Doc, out.Doc), cmpOr(r.Source, out.Source)
	out.Once = out.Once || r.Once
	if r.Default != nil {
		out = ldapsync.Default(out, r.Default...)
	}
	switch null {
	case NullAbstain:
		inner := out.Value
		out.Value = func(in ldapsync.Inputs) (ldapsync.Result, error) {
			res, err := inner(in)
			if err == nil && res.Kind == ldapsync.KindClear && res.Reason != authoritative {
				res.Kind = ldapsync.KindAbstain
			}
			return res, err
		}
	case NullKeep:
		out = ldapsync.KeepIfAbsent(out)
	}
	if len(r.When) > 0 {
		fl, err := compileGroups(r.When)
		if err != nil {
			return out, ".when", err
		}
		out = gated(out, fl)
	}
	return out, "", nil
}

// authoritative is the reason that tells AuthoritativeNull from a null that lets lower rules speak.
const authoritative = "AuthoritativeNull: the rule clears the attribute and lets no other speak"

// gated lets a rule speak only where the filter holds, and says Unknown where nobody can know.
func gated(r ldapsync.Rule, f *filter) ldapsync.Rule {
	own, inner, partial := r.From, r.Value, r.Partial
	r.From = union(own, f.attrs)
	r.Partial = true
	r.Value = func(in ldapsync.Inputs) (ldapsync.Result, error) {
		switch t, why := f.test(lookup(in)); t {
		case no:
			return ldapsync.Abstain(why), nil
		case unknown:
			return ldapsync.Unknown(why), nil
		}
		if !partial {
			for _, a := range own {
				if in.Presence(a) == ldapsync.Unreadable {
					return ldapsync.Unknown(a + " cannot be read"), nil
				}
			}
		}
		return inner(in)
	}
	return r
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, x := range b {
		if !slices.ContainsFunc(out, func(y string) bool { return strings.EqualFold(x, y) }) {
			out = append(out, x)
		}
	}
	return out
}

// copyRule is ldapsync.Copy, and knows the attributes that are no attributes: identity and place.
func copyRule(from, to string) ldapsync.Rule {
	switch strings.ToLower(from) {
	case "objectguid":
		return ldapsync.Rule{To: to, Doc: "the bytes of objectGUID", Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
			return ldapsync.Set(in.ID().Raw()), nil
		}}
	case "dn", "distinguishedname":
		return ldapsync.Rule{To: to, Doc: "the distinguished name", Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
			return ldapsync.Set(in.DN().String()), nil
		}}
	}
	return ldapsync.Copy(from, to)
}

// implicit reports attributes that come with every object and are not declared as inputs.
func implicit(name string) bool {
	return strings.EqualFold(name, "objectGUID") || strings.EqualFold(name, "dn") || strings.EqualFold(name, "distinguishedName")
}

// lookup shows a rule's inputs to clauses.
func lookup(in ldapsync.Inputs) func(string) expr.Value {
	return attributes{src: in, id: in.ID(), dn: in.DN()}.Lookup
}

// ObjectAttributes shows an object to expressions as the rules of a mapping file see it: binary attributes are
// bytes, TRUE and FALSE of attributes that hold booleans are booleans, what could not be read is unknown, and
// objectGUID, distinguishedName and dn come from the object itself.
func ObjectAttributes(o ldapsync.Object) expr.Attributes {
	return attributes{src: o, id: o.ID, dn: o.DN, bools: booleans(nil)}
}

type attributes struct {
	src interface {
		Presence(name string) ldapsync.Presence
		All(name string) []string
	}
	id    ldapsync.GUID
	dn    ldapsync.DN
	bools []string
}

// booleans selects the attributes that hold booleans: of the names, or all that are known.
func booleans(names []string) []string {
	var out []string
	for n, info := range expr.ADSchema() {
		if info.Type == expr.TypeBool && (names == nil || slices.ContainsFunc(names, func(m string) bool { return strings.EqualFold(n, m) })) {
			out = append(out, n)
		}
	}
	return out
}

// Lookup implements expr.Attributes.
func (a attributes) Lookup(name string) expr.Value {
	switch strings.ToLower(name) {
	case "objectguid":
		if !a.id.IsZero() {
			return expr.Binary(a.id.Raw())
		}
		return expr.Value{}
	case "dn", "distinguishedname":
		return expr.String(a.dn.String())
	}
	switch a.src.Presence(name) {
	case ldapsync.Unreadable:
		return expr.Unknown()
	case ldapsync.Absent:
		return expr.Value{}
	}
	vals := a.src.All(name)
	if len(vals) == 1 && isBool(vals[0]) && slices.ContainsFunc(a.bools, func(b string) bool { return strings.EqualFold(b, name) }) {
		return expr.Bool(strings.EqualFold(vals[0], "true"))
	}
	return typed(name, vals)
}

func typed(name string, vals []string) expr.Value {
	if !ldapfilter.Binary(name) {
		return expr.Strings(vals...)
	}
	list := make([]expr.Value, len(vals))
	for i, v := range vals {
		list[i] = expr.Binary(v)
	}
	if len(list) == 1 {
		return list[0]
	}
	return expr.Multi(list...)
}

// expression makes a rule of an expression.
func expression(d expr.Dialect, text, to string, params map[string]string, o expr.Options) (ldapsync.Rule, error) {
	e, err := expr.Parse(d, text)
	if err != nil {
		return ldapsync.Rule{}, err
	}
	p, err := expr.Compile(e, o)
	if err != nil {
		return ldapsync.Rule{}, err
	}
	var from, needs []string
	for _, a := range e.Attributes() {
		if !implicit(a) {
			from = union(from, []string{a})
		}
	}
	for _, name := range e.Parameters() {
		known := "%" + name + "%"
		if _, given := fixed(params, name); given {
			continue
		}
		if !strings.EqualFold(known, ldapsync.ParamDomainFQDN) && !strings.EqualFold(known, ldapsync.ParamDomainNetBIOS) {
			return ldapsync.Rule{}, fmt.Errorf("the parameter %s has no value here; give it in the mapping's parameters", known)
		}
		needs = append(needs, name)
		from = append(from, known)
	}
	bools := booleans(append([]string{}, from...))
	return ldapsync.Rule{
		To: to, From: from, Partial: true, Doc: e.String(),
		Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
			env := expr.Env{Attrs: attributes{src: in, id: in.ID(), dn: in.DN(), bools: bools}, Now: in.Now(), UniqueAttribute: to, Params: params}
			if len(needs) > 0 {
				env.Params = make(map[string]string, len(params)+len(needs))
				for k, v := range params {
					env.Params[k] = v
				}
				for _, n := range needs {
					v, ok := in.Get("%" + n + "%")
					if !ok {
						return ldapsync.Unknown("%" + n + "% is not known"), nil
					}
					env.Params[n] = v
				}
			}
			v, err := p.Eval(context.Background(), &env)
			if err != nil {
				return ldapsync.Result{}, err
			}
			return Result(v), nil
		},
	}, nil
}

func fixed(params map[string]string, name string) (string, bool) {
	for k, v := range params {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// Result is what the value of an expression means for its target: Unknown, Skip (IgnoreThisFlow), Clear, or Set. A
// value of nothing but empty text is null, which means Clear; see Rule.Null.
func Result(v expr.Value) ldapsync.Result {
	switch v.Kind() {
	case expr.KindUnknown:
		return ldapsync.Unknown("an attribute it needs cannot be read")
	case expr.KindIgnore:
		return ldapsync.Skip("the expression ignores this flow")
	case expr.KindAuthoritativeNull:
		return ldapsync.Clear(authoritative)
	}
	var vals []string
	for _, t := range v.Texts() {
		if !slices.Contains(vals, t) {
			vals = append(vals, t)
		}
	}
	if len(vals) == 0 {
		return ldapsync.Clear("the expression is null")
	}
	return ldapsync.Set(vals...)
}

// merged replaces the rules of each attribute that has rules which merge by one rule that asks them all.
func merged(m ldapsync.Mapping, merge []bool, rules []Rule) ldapsync.Mapping {
	if !slices.Contains(merge, true) {
		return m
	}
	var out ldapsync.Mapping
	for i, r := range m {
		same := func(q ldapsync.Rule) bool { return strings.EqualFold(q.To, r.To) }
		var all []int
		merges := false
		for j, q := range m {
			if same(q) {
				all = append(all, j)
				merges = merges || merge[j]
			}
		}
		if !merges {
			out = append(out, r)
			continue
		}
		if all[0] != i {
			continue
		}
		out = append(out, mergeRules(m, all, merge, rules))
	}
	return out
}

// mergeRules brings the values of the merging rules together. A rule that does not merge speaks only if nothing of
// a higher precedence did, and then ends the list, as the precedence of Entra Connect has it.
func mergeRules(m ldapsync.Mapping, all []int, merge []bool, rules []Rule) ldapsync.Rule {
	out := ldapsync.Rule{To: m[all[0]].To, Doc: "the values of several rules together", Partial: true}
	for _, j := range all {
		out.From = union(out.From, m[j].From)
		out.ID += cmpOr(map[bool]string{true: " + "}[out.ID != ""], "") + m[j].Name()
	}
	out.Value = func(in ldapsync.Inputs) (ldapsync.Result, error) {
		var vals []string
		last := ldapsync.Abstain("no rule has a value")
		for _, j := range all {
			if a := slices.IndexFunc(m[j].From, func(a string) bool { return in.Presence(a) == ldapsync.Unreadable }); a >= 0 && !m[j].Partial {
				return ldapsync.Unknown(m[j].From[a] + " cannot be read"), nil
			}
			res, err := m[j].Value(in)
			if err != nil {
				return res, fmt.Errorf("%s: %w", m[j].Name(), err)
			}
			switch {
			case res.Kind == ldapsync.KindUnknown:
				return res, nil
			case res.Kind == ldapsync.KindSet && merge[j]:
				for _, v := range res.Values {
					if !slices.ContainsFunc(vals, func(w string) bool { return v == w || !rules[j].MergeExact && strings.EqualFold(v, w) }) {
						vals = append(vals, v)
					}
				}
			case res.Kind != ldapsync.KindAbstain && !merge[j] && len(vals) == 0:
				return res, nil
			case res.Kind != ldapsync.KindSet && res.Kind != ldapsync.KindAbstain:
				last = res
			}
		}
		if len(vals) > 0 {
			return ldapsync.Set(vals...), nil
		}
		return last, nil
	}
	return out
}

// after makes a mapping whose inputs are the results of another. What a rule of first leaves alone or cannot tell
// is unreadable to second, so that nothing is concluded from it; what no rule sets is absent.
func after(first, second ldapsync.Mapping, class ldapsync.Class) ldapsync.Mapping {
	out := slices.Clone(second)
	for i := range out {
		r := out[i]
		sub, from := feeding(first, r.From)
		r.From = from
		r.Partial = true
		r.Value = func(in ldapsync.Inputs) (ldapsync.Result, error) {
			o, env, err := between(sub, in, from, class)
			if err != nil {
				return ldapsync.Result{}, err
			}
			one := ldapsync.Mapping{second[i]}
			res, err := one.Apply(o, env)
			if err != nil || len(res) == 0 {
				return ldapsync.Result{}, unwrapRule(err)
			}
			if k := res[0].Result; k.Kind == ldapsync.KindSkip && strings.HasPrefix(k.Reason, abstained) {
				return ldapsync.Abstain(strings.TrimPrefix(k.Reason, abstained)), nil
			}
			return res[0].Result, nil
		}
		inner := second[i].Value
		second[i].Value = func(in ldapsync.Inputs) (ldapsync.Result, error) {
			res, err := inner(in)
			if err == nil && res.Kind == ldapsync.KindAbstain {
				res.Reason = abstained + res.Reason // Apply turns it into a skip
			}
			return res, err
		}
		out[i] = r
	}
	return out
}

// abstained marks an abstention on its way through Apply.
const abstained = "\x00abstained "

// conditionsAfter moves conditions behind a mapping. A condition that makes objects leave gets one before it that
// holds those of which the mapping cannot tell what it needs.
func conditionsAfter(first ldapsync.Mapping, conds []ldapsync.Condition, class ldapsync.Class) []ldapsync.Condition {
	var out []ldapsync.Condition
	for _, c := range conds {
		sub, from := feeding(first, c.From)
		inner := c
		known := func(o ldapsync.Object) (bool, string) {
			for _, a := range inner.From {
				if o.Presence(a) == ldapsync.Unreadable {
					return false, a + " is not known"
				}
			}
			return true, ""
		}
		guard := ldapsync.Condition{ID: c.ID + "-known", From: from, Doc: "what " + c.ID + " tests is known", Test: func(in ldapsync.Inputs) (bool, string) {
			o, _, err := between(sub, in, from, class)
			if err != nil {
				return false, err.Error()
			}
			return known(o)
		}}
		c.From = from
		c.Test = func(in ldapsync.Inputs) (bool, string) {
			o, env, err := between(sub, in, from, class)
			if err != nil {
				return false, err.Error()
			}
			ok, why, err := inner.Check(o, env)
			if err != nil {
				return false, err.Error()
			}
			return ok, why
		}
		out = append(out, guard, c)
	}
	return out
}

// feeding selects the rules that set one of the attributes, and what those read.
func feeding(first ldapsync.Mapping, attrs []string) (sub ldapsync.Mapping, from []string) {
	for _, r := range first {
		if slices.ContainsFunc(attrs, func(a string) bool { return strings.EqualFold(a, r.To) }) {
			sub = append(sub, r)
			from = union(from, r.From)
		}
	}
	for _, a := range attrs {
		if strings.HasPrefix(a, "%") {
			from = union(from, []string{a})
		}
	}
	return sub, from
}

// between makes the object that stands between two mappings.
func between(first ldapsync.Mapping, in ldapsync.Inputs, from []string, class ldapsync.Class) (ldapsync.Object, ldapsync.Env, error) {
	env := ldapsync.Env{Now: in.Now()}
	var attrs []ldapsync.Attr
	for _, a := range from {
		switch {
		case strings.EqualFold(a, ldapsync.ParamDomainFQDN):
			env.Domain.FQDN, _ = in.Get(a)
		case strings.EqualFold(a, ldapsync.ParamDomainNetBIOS):
			env.Domain.NetBIOS, _ = in.Get(a)
		default:
			attrs = append(attrs, ldapsync.Attr{Name: a, Values: in.All(a), Presence: in.Presence(a)})
		}
	}
	outcomes, err := first.Apply(ldapsync.NewObject(in.ID(), in.DN(), class, attrs...), env)
	if err != nil {
		return ldapsync.Object{}, env, unwrapRule(err)
	}
	o := ldapsync.NewObject(in.ID(), in.DN(), class)
	for _, oc := range outcomes {
		switch oc.Result.Kind {
		case ldapsync.KindSet:
			o = o.With(oc.To, oc.Result.Values...)
		case ldapsync.KindUnknown, ldapsync.KindSkip:
			o = o.WithUnreadable(oc.To)
		}
	}
	return o, env, nil
}

// unwrapRule takes the outermost wrapping off, which the engine adds again.
func unwrapRule(err error) error {
	var re *ldapsync.RuleError
	if errors.As(err, &re) {
		return cmp.Or(re.Err, err)
	}
	return err
}
