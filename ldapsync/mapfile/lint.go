package mapfile

import (
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
)

// A LintFinding is something valid in a mapping file that will hurt.
type LintFinding struct {
	Mapping  string        `json:"mapping"`
	To       string        `json:"to"`
	Rule     string        `json:"rule,omitempty"` // its ID, if it has one
	Line     int           `json:"line,omitempty"` // of the rule in the file; 0 if the file was not read from text
	ID       string        `json:"id"`
	Severity expr.Severity `json:"severity"`
	Message  string        `json:"message"`
	Evidence string        `json:"evidence,omitempty"`
	Remedy   string        `json:"remedy,omitempty"`
}

// String returns the finding in one line.
func (f LintFinding) String() string {
	at := f.Mapping + ": " + f.To
	if f.Line > 0 {
		at = fmt.Sprintf("line %d: %s", f.Line, at)
	}
	s := fmt.Sprintf("%s: %s: %s: %s", at, f.Severity, f.ID, f.Message)
	if f.Evidence != "" {
		s += fmt.Sprintf(" (%s)", f.Evidence)
	}
	if f.Remedy != "" {
		s += "; " + f.Remedy
	}
	return s
}

// Lint applies the expression linter to every expression, and finds besides:
//
//	rule-unreachable   an earlier rule for the attribute always speaks, so this one never does
//	rule-skips         the rule leaves its attribute alone, for the reason it gives
//	clause-unsupported a clause that nobody can evaluate holds objects
//
// The schema of the source, if given, is not used for mappings that build on others.
func (f *File) Lint(o expr.LintOptions) []LintFinding {
	var out []LintFinding
	for i := range f.Mappings {
		s := &f.Mappings[i]
		opts := o
		if s.Input != "" {
			opts.Schema = nil
		}
		for _, sf := range s.Scope {
			out = append(out, unsupportedClauses(s, "", "", 0, sf.Groups)...)
		}
		always := map[string]string{}
		for j := range s.Rules {
			r := &s.Rules[j]
			line := 0
			if f.at != nil {
				line = f.place(fmt.Sprintf("mappings[%d].rules[%d]", i, j), nil).Line
			}
			add := func(id string, sev expr.Severity, message, evidence, remedy string) {
				out = append(out, LintFinding{Mapping: s.Name, To: r.To, Rule: r.ID, Line: line, ID: id, Severity: sev, Message: message, Evidence: evidence, Remedy: remedy})
			}
			key := strings.ToLower(r.To)
			if by, ok := always[key]; ok && !r.Merge {
				add("rule-unreachable", expr.Warning, "never asked: "+by+" for the same attribute always speaks", "", "remove it, or let the other abstain")
			}
			if len(r.When) == 0 && !r.Merge && !r.abstains(s) {
				always[key] = cmpOr(r.ID, "an earlier rule")
			}
			if r.Skip != "" {
				add("rule-skips", expr.Warning, "the attribute is left alone: "+r.Skip, r.Doc, "")
			}
			out = append(out, unsupportedClauses(s, r.To, r.ID, line, r.When)...)
			if r.Expression == "" {
				continue
			}
			e, err := expr.Parse(r.dialect(s), r.Expression)
			if err != nil {
				add("invalid", expr.Fault, err.Error(), r.Expression, "")
				continue
			}
			opts.OnCreateOnly = r.Once
			for _, x := range expr.Lint(e, opts) {
				add(x.ID, x.Severity, x.Message, x.Evidence, x.Remedy)
			}
		}
	}
	return out
}

// abstains says whether a rule may leave the word to the next.
func (r *Rule) abstains(s *Section) bool {
	switch {
	case r.Default != nil, r.Constant != nil, r.Skip != "":
		return false
	case r.Null != "":
		return r.Null == NullAbstain
	}
	return r.Function != "" || r.Expression != "" && r.dialect(s) == expr.Connect
}

func unsupportedClauses(s *Section, to, rule string, line int, gs []Group) []LintFinding {
	var out []LintFinding
	for _, g := range gs {
		if i := slices.IndexFunc(g, func(c Clause) bool { return c.Operator == Unsupported }); i >= 0 {
			out = append(out, LintFinding{Mapping: s.Name, To: to, Rule: rule, Line: line, ID: "clause-unsupported", Severity: expr.Warning,
				Message: "objects for which it matters are held", Evidence: g[i].Why, Remedy: "write a clause in its place"})
		}
	}
	return out
}

// A Change is an object that two mappings see differently.
type Change struct {
	DN          string       `json:"dn"`
	ID          string       `json:"id,omitempty"` // objectGUID
	Differences []Difference `json:"differences"`
}

// CompareObject is Compare with the object's name to it. ok says whether anything differs.
func CompareObject(before, after *Set, o ldapsync.Object, env ldapsync.Env) (c Change, ok bool) {
	d := Compare(before, after, o, env)
	c = Change{DN: o.DN.String(), Differences: d}
	if !o.ID.IsZero() {
		c.ID = o.ID.String()
	}
	return c, len(d) > 0
}
