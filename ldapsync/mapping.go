package ldapsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Mapping is a list of rules. Several rules may have the same target attribute: they are asked in order until
// one does not abstain. A Mapping is data: copy it, change it, append to it.
type Mapping []Rule

// An Outcome is what a mapping wants one target attribute to be.
type Outcome struct {
	To     string
	Rule   string   // the rule that spoke; the last one asked if all abstained
	From   []string // its inputs
	Result Result   // never KindAbstain
	Once   bool     // the rule speaks only while the target attribute is absent
}

// Validate reports mistakes that need no object: rules without a target or function, unknown parameters, and
// two rules with the same name for one attribute. All mistakes come together.
func (m Mapping) Validate() error {
	var errs []error
	type key struct{ to, name string }
	seen := make(map[key]bool)
	for i, r := range m {
		if r.To == "" {
			errs = append(errs, fmt.Errorf("rule %d (%s) has no target attribute", i+1, r.Name()))
		}
		if r.Value == nil {
			errs = append(errs, fmt.Errorf("rule %d (%s) has no Value function", i+1, r.Name()))
		}
		for _, f := range r.From {
			switch {
			case f == "":
				errs = append(errs, fmt.Errorf("rule %s names an empty input", r.Name()))
			case strings.HasPrefix(f, "%") && !strings.EqualFold(f, ParamDomainFQDN) && !strings.EqualFold(f, ParamDomainNetBIOS):
				errs = append(errs, fmt.Errorf("rule %s: unknown parameter %s (known: %s, %s)", r.Name(), f, ParamDomainFQDN, ParamDomainNetBIOS))
			}
		}
		k := key{canonicalName(r.To), r.Name()}
		if seen[k] {
			errs = append(errs, fmt.Errorf("two rules named %s for %s: give one of them an ID", r.Name(), r.To))
		}
		seen[k] = true
	}
	return errors.Join(errs...)
}

// Inputs returns the source attributes the rules read, sorted, each once, without parameters.
func (m Mapping) Inputs() []string {
	set := make(map[string]string)
	for _, r := range m {
		sourceAttrs(set, r.From)
	}
	return sortedNames(set)
}

// Targets returns the target attributes, sorted, each once.
func (m Mapping) Targets() []string {
	set := make(map[string]string)
	for _, r := range m {
		sourceAttrs(set, []string{r.To})
	}
	return sortedNames(set)
}

// Apply runs all rules on one object and returns an Outcome for each target attribute, sorted by name. Rules
// that fail are left out of the outcomes and returned together as joined *RuleErrors. A rule that panics is
// reported as one that failed.
func (m Mapping) Apply(o Object, env Env) ([]Outcome, error) {
	var errs []error
	out := make([]Outcome, 0, len(m))
	done := func(to string) int {
		return slices.IndexFunc(out, func(x Outcome) bool { return strings.EqualFold(x.To, to) })
	}
	var failed map[string]bool
	var strayed string
	for i := range m {
		r := &m[i]
		at := done(r.To)
		if at >= 0 && out[at].Result.Kind != KindAbstain || failed != nil && failed[canonicalName(r.To)] {
			continue
		}
		res, err := r.run(&o, &env, &strayed)
		if err != nil {
			errs = append(errs, &RuleError{Rule: r.Name(), To: r.To, DN: o.DN, Err: err})
			if failed == nil {
				failed = make(map[string]bool)
			}
			failed[canonicalName(r.To)] = true
			if at >= 0 {
				out = slices.Delete(out, at, at+1)
			}
			continue
		}
		oc := Outcome{To: r.To, Rule: r.Name(), From: r.From, Result: res, Once: r.Once}
		if at >= 0 {
			out[at] = oc
		} else {
			out = append(out, oc)
		}
	}
	for i := range out {
		if out[i].Result.Kind == KindAbstain {
			out[i].Result.Kind = KindSkip
			if out[i].Result.Reason == "" {
				out[i].Result.Reason = "no rule has an opinion"
			}
		}
	}
	slices.SortFunc(out, func(a, b Outcome) int { return compareFold(a.To, b.To) })
	return out, errors.Join(errs...)
}

// run asks the rule. strayed is room for the name of an input that it reads without having declared it.
func (r *Rule) run(o *Object, env *Env, strayed *string) (res Result, err error) {
	if !r.Partial {
		for _, f := range r.From {
			if o.Presence(f) == Unreadable {
				return Unknown(f + " cannot be read"), nil
			}
		}
	}
	defer func() {
		if p := recover(); p != nil {
			res, err = Result{}, fmt.Errorf("the rule panicked: %v", p)
		}
	}()
	*strayed = ""
	res, err = r.Value(Inputs{obj: o, env: env, declared: r.From, strayed: strayed})
	switch {
	case err != nil:
	case *strayed != "":
		err = fmt.Errorf("it reads %s but does not declare it in From", *strayed)
	case int(res.Kind) >= len(resultNames):
		err = fmt.Errorf("it returned the unknown kind %d", uint8(res.Kind))
	case res.Kind == KindSet && len(res.Values) == 0:
		err = errors.New("it sets no values; return Clear to clear the attribute")
	case res.Kind == KindSet && slices.Contains(res.Values, ""):
		err = errors.New("it sets an empty value, which no directory holds; return Clear to clear the attribute")
	case res.Kind == KindSet && len(res.Values) > 1 && hasDuplicates(res.Values):
		err = errors.New("it sets the same value twice")
	}
	return res, err
}

func hasDuplicates(v []string) bool {
	s := slices.Sorted(slices.Values(v))
	return len(slices.Compact(s)) < len(v)
}
