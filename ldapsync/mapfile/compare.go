package mapfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// A Verdict is what a mapping wants one target attribute of one object to be.
type Verdict struct {
	Kind   ldapsync.ResultKind `json:"kind"`
	Values []string            `json:"values,omitempty"`
	Rule   string              `json:"rule,omitempty"`
	Reason string              `json:"reason,omitempty"`
	Error  string              `json:"error,omitempty"` // the rule failed; Kind is unknown then
}

// String describes the verdict: set "Nurse", clear, error ….
func (v Verdict) String() string {
	switch {
	case v.Error != "":
		return "error " + v.Error
	case v.Kind == ldapsync.KindSet:
		q := make([]string, len(v.Values))
		for i, s := range v.Values {
			q[i] = fmt.Sprintf("%q", s)
		}
		return "set " + strings.Join(q, " ")
	}
	return v.Kind.String()
}

func (v Verdict) same(w Verdict) bool {
	return v.Kind == w.Kind && v.Error == w.Error && ldapsync.SameValues(v.Values, w.Values)
}

// A Difference is one target attribute, or the scope where To is "", that two mappings see differently.
type Difference struct {
	To     string  `json:"to"`
	Before Verdict `json:"before"`
	After  Verdict `json:"after"`
}

// Compare applies two mappings with their conditions to one object and returns what differs, sorted by attribute. An
// object that is out of scope under both differs in nothing. A target attribute that only one of them has counts
// as skipped by the other. Reasons and rule names that differ are no difference.
func Compare(before, after *Set, o ldapsync.Object, env ldapsync.Env) []Difference {
	a, b := before.scope(o, env), after.scope(o, env)
	out := []Difference{}
	if !a.same(b) {
		out = append(out, Difference{Before: a, After: b})
	}
	if a.Kind != ldapsync.KindSet || b.Kind != ldapsync.KindSet {
		return out
	}
	va, vb := before.verdicts(o, env), after.verdicts(o, env)
	for key, x := range va {
		y, ok := vb[key]
		if !ok {
			y = named{name: x.name, Verdict: Verdict{Reason: "no rule for it"}}
		}
		if !x.same(y.Verdict) {
			out = append(out, Difference{To: x.name, Before: x.Verdict, After: y.Verdict})
		}
	}
	for key, y := range vb {
		if x := (Verdict{Reason: "no rule for it"}); !hasKey(va, key) && !x.same(y.Verdict) {
			out = append(out, Difference{To: y.name, Before: x, After: y.Verdict})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.To), strings.ToLower(b.To)), strings.Compare(a.To, b.To))
	})
	return out
}

// scope is "set in scope" for an object that takes part, or "skip" and "clear" for one held and one that leaves.
func (s *Set) scope(o ldapsync.Object, env ldapsync.Env) Verdict {
	for _, c := range s.Conditions {
		ok, why, err := c.Check(o, env)
		switch {
		case err != nil:
			return Verdict{Kind: ldapsync.KindUnknown, Rule: c.ID, Error: err.Error()}
		case ok:
		case c.Leave && !slices.ContainsFunc(c.From, func(a string) bool { return o.Presence(a) == ldapsync.Unreadable }):
			return Verdict{Kind: ldapsync.KindClear, Rule: c.ID, Reason: why}
		default:
			return Verdict{Kind: ldapsync.KindSkip, Rule: c.ID, Reason: why}
		}
	}
	return Verdict{Kind: ldapsync.KindSet, Values: []string{"in scope"}}
}

type named struct {
	name string
	Verdict
}

func hasKey(m map[string]named, key string) bool { _, ok := m[key]; return ok }

func (s *Set) verdicts(o ldapsync.Object, env ldapsync.Env) map[string]named {
	out := make(map[string]named)
	outcomes, err := s.Mapping.Apply(o, env)
	for _, oc := range outcomes {
		out[strings.ToLower(oc.To)] = named{oc.To, Verdict{Kind: oc.Result.Kind, Values: oc.Result.Values, Rule: oc.Rule, Reason: oc.Result.Reason}}
	}
	for _, e := range ruleErrors(err) {
		out[strings.ToLower(e.To)] = named{e.To, Verdict{Kind: ldapsync.KindUnknown, Rule: e.Rule, Error: e.Err.Error()}}
	}
	return out
}

// ruleErrors takes the joined error of Mapping.Apply apart.
func ruleErrors(err error) []*ldapsync.RuleError {
	switch e := err.(type) {
	case *ldapsync.RuleError:
		return []*ldapsync.RuleError{e}
	case interface{ Unwrap() []error }:
		var out []*ldapsync.RuleError
		for _, sub := range e.Unwrap() {
			out = append(out, ruleErrors(sub)...)
		}
		return out
	}
	return nil
}
