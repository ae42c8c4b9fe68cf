package mapfile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
)

// An Operator of a Clause. They are those of Entra Connect's scope filters (Microsoft, "Understanding declarative
// provisioning") and of the provisioning service's (Microsoft, "Attribute-based application provisioning with
// scoping filters") under names of one form.
type Operator string

// Unsupported marks a clause that came from elsewhere and cannot be evaluated here. Its answer is never known.
const Unsupported Operator = "unsupported"

// An operation tests one value. multi says that any of an attribute's values may match; otherwise the first counts.
type operation struct {
	operands int // how many values the clause must have; -1: at least one
	negate   bool
	null     bool // tests presence only
	test     func(c *compiled, v string) bool
}

type compiled struct {
	Clause
	op operation
	re *regexp.Regexp
	n  int64
}

// operations is the table of operators. It is a function so that there is no package-level state to change.
func operations() map[Operator]operation {
	text := func(f func(v, w string) bool) func(*compiled, string) bool {
		return func(c *compiled, v string) bool {
			return slices.ContainsFunc(c.Values, func(w string) bool {
				if !c.Exact || isBool(w) {
					return f(strings.ToLower(v), strings.ToLower(w))
				}
				return f(v, w)
			})
		}
	}
	order := func(ok func(int) bool) func(*compiled, string) bool {
		return func(c *compiled, v string) bool { return ok(compareValues(v, c.Values[0], c.Exact)) }
	}
	equal := text(func(v, w string) bool { return v == w })
	less, greater := func(i int) bool { return i < 0 }, func(i int) bool { return i > 0 }
	contains, prefix, suffix := text(strings.Contains), text(strings.HasPrefix), text(strings.HasSuffix)
	bits := func(c *compiled, v string) bool {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return err == nil && n&c.n == c.n
	}
	match := func(c *compiled, v string) bool { return c.re.MatchString(v) }
	yes := func(w string) func(*compiled, string) bool {
		return func(_ *compiled, v string) bool { return strings.EqualFold(v, w) }
	}
	return map[Operator]operation{
		"equal": {1, false, false, equal}, "notEqual": {1, true, false, equal},
		"less": {1, false, false, order(less)}, "greaterOrEqual": {1, false, false, order(func(i int) bool { return i >= 0 })},
		"greater": {1, false, false, order(greater)}, "lessOrEqual": {1, false, false, order(func(i int) bool { return i <= 0 })},
		"contains": {1, false, false, contains}, "notContains": {1, true, false, contains},
		"startsWith": {1, false, false, prefix}, "notStartsWith": {1, true, false, prefix},
		"endsWith": {1, false, false, suffix}, "notEndsWith": {1, true, false, suffix},
		"in": {-1, false, false, equal}, "notIn": {-1, true, false, equal},
		"bitSet": {1, false, false, bits}, "bitNotSet": {1, true, false, bits},
		"matches": {1, false, false, match}, "notMatches": {1, true, false, match},
		"true": {0, false, false, yes("true")}, "false": {0, false, false, yes("false")},
		"notNull": {0, false, true, nil}, "null": {0, true, true, nil},
		Unsupported: {0, false, false, nil},
	}
}

// Operators returns the operators, sorted.
func Operators() []Operator { return slices.Sorted(maps.Keys(operations())) }

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

// compareValues orders whole numbers as numbers, everything else as text.
func compareValues(v, w string, exact bool) int {
	a, err1 := strconv.ParseInt(v, 10, 64)
	b, err2 := strconv.ParseInt(w, 10, 64)
	switch {
	case err1 == nil && err2 == nil && a < b:
		return -1
	case err1 == nil && err2 == nil && a > b:
		return 1
	case err1 == nil && err2 == nil:
		return 0
	case exact:
		return strings.Compare(v, w)
	}
	return strings.Compare(strings.ToLower(v), strings.ToLower(w))
}

func (c Clause) compile() (*compiled, error) {
	op, ok := operations()[c.Operator]
	if !ok {
		var names []string
		for _, o := range Operators() {
			names = append(names, string(o))
		}
		return nil, fmt.Errorf("unknown operator %q; known are %s", clip(string(c.Operator)), strings.Join(names, ", "))
	}
	out := &compiled{Clause: c, op: op}
	if c.Operator == Unsupported {
		if c.Why == "" {
			return nil, fmt.Errorf("an unsupported clause says why")
		}
		return out, nil
	}
	switch {
	case c.Attribute == "":
		return nil, fmt.Errorf("the clause names no attribute")
	case op.operands >= 0 && len(c.Values) != op.operands:
		return nil, fmt.Errorf("operator %s takes %d values, not %d", c.Operator, op.operands, len(c.Values))
	case op.operands < 0 && len(c.Values) == 0:
		return nil, fmt.Errorf("operator %s takes at least one value", c.Operator)
	}
	switch c.Operator {
	case "bitSet", "bitNotSet":
		n, err := strconv.ParseInt(c.Values[0], 0, 64)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not a number with bits", clip(c.Values[0]))
		}
		out.n = n
	case "matches", "notMatches":
		pattern := c.Values[0]
		if !c.Exact {
			pattern = "(?i:" + pattern + ")"
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("the regular expression: %w", err)
		}
		out.re = re
	}
	return out, nil
}

func checkGroups(gs []Group, at string, fail func(field, format string, args ...any)) {
	for i, g := range gs {
		if len(g) == 0 {
			fail(fmt.Sprintf("%s[%d]", at, i), "the group has no clauses")
		}
		for j, c := range g {
			if _, err := c.compile(); err != nil {
				fail(fmt.Sprintf("%s[%d][%d]", at, i, j), "%w", err)
			}
		}
	}
}

// String describes the clause as "department equal Ward 3".
func (c Clause) String() string {
	if c.Operator == Unsupported {
		return "unsupported: " + c.Why
	}
	s := c.Attribute + " " + string(c.Operator)
	if len(c.Values) > 0 {
		s += fmt.Sprintf(" %q", strings.Join(c.Values, "|"))
	}
	return s
}

// truth has three values: what depends on something unreadable is not known.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

// test evaluates the clause and says why it does not hold.
func (c *compiled) test(look func(string) expr.Value) (truth, string) {
	if c.Operator == Unsupported {
		return unknown, c.Why
	}
	v := look(c.Attribute)
	if v.Kind() == expr.KindUnknown {
		return unknown, c.Attribute + " cannot be read"
	}
	var holds bool
	vals := v.Texts()
	if c.op.null {
		holds = (len(vals) > 0) != c.op.negate
	} else {
		holds = slices.ContainsFunc(vals, func(s string) bool { return c.op.test(c, s) }) != c.op.negate
	}
	if holds {
		return yes, ""
	}
	if len(vals) == 0 {
		return no, fmt.Sprintf("%s is absent (%s)", c.Attribute, c.Clause)
	}
	return no, fmt.Sprintf("%s is %q (%s)", c.Attribute, clip(vals[0]), c.Clause)
}

type filter struct {
	groups [][]*compiled
	attrs  []string
}

func compileGroups(gs []Group) (*filter, error) {
	f := &filter{}
	for _, g := range gs {
		var out []*compiled
		for _, c := range g {
			cc, err := c.compile()
			if err != nil {
				return nil, err
			}
			out = append(out, cc)
			if c.Attribute != "" && c.Operator != Unsupported && !slices.ContainsFunc(f.attrs, func(a string) bool { return strings.EqualFold(a, c.Attribute) }) {
				f.attrs = append(f.attrs, c.Attribute)
			}
		}
		f.groups = append(f.groups, out)
	}
	return f, nil
}

// test is yes if a group holds, else unknown if one might.
func (f *filter) test(look func(string) expr.Value) (truth, string) {
	if len(f.groups) == 0 {
		return yes, ""
	}
	best, why := no, ""
	for _, g := range f.groups {
		all, reason := yes, ""
		for _, c := range g {
			if t, r := c.test(look); t < all {
				all, reason = t, r
			}
		}
		if all == yes {
			return yes, ""
		}
		if all > best || why == "" {
			best, why = all, reason
		}
	}
	return best, why
}

func (f *filter) supported() bool {
	for _, g := range f.groups {
		if slices.ContainsFunc(g, func(c *compiled) bool { return c.Operator == Unsupported }) {
			return false
		}
	}
	return true
}

// condition makes the engine's condition of a scope filter.
func (sf ScopeFilter) condition(f *filter) ldapsync.Condition {
	return ldapsync.Condition{
		ID: cmpOr(sf.ID, "scope"), Doc: sf.Doc, From: f.attrs, Leave: sf.Leave && f.supported(),
		Test: func(in ldapsync.Inputs) (bool, string) {
			t, why := f.test(lookup(in))
			return t == yes, why
		},
	}
}
