package expr

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad a Finding is.
type Severity uint8

// The severities. The zero Severity is Info.
const (
	Info    Severity = iota // works, and may not be what is meant
	Warning                 // gives wrong values for some objects, or cannot be checked
	Fault                   // fails, or can clear or overwrite what it should not
)

var severities = [...]string{"info", "warning", "fault"}

// String returns "info", "warning" or "fault".
func (s Severity) String() string {
	if int(s) >= len(severities) {
		return fmt.Sprintf("Severity(%d)", uint8(s))
	}
	return severities[s]
}

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is something valid that will hurt, and where.
type Finding struct {
	ID       string // stable; see LintRules
	Severity Severity
	Message  string
	Evidence string // the part of the expression that shows it
	Remedy   string
	Source   string // document and section the rule rests on
	Offset   int    // of Evidence, in bytes
	Line     int
	Column   int
}

// String gives position, ID, message and remedy in a line.
func (f Finding) String() string {
	return fmt.Sprintf("%d:%d: %s [%s] %s; %s", f.Line, f.Column, f.Severity, f.ID, f.Message, f.Remedy)
}

// LintOptions say what is known of where the expression runs. The zero LintOptions know nothing.
type LintOptions struct {
	Schema        Schema // of the source; nil: attributes are not checked
	GlobalCatalog bool   // the source is read through the global catalog
	OnCreateOnly  bool   // the mapping applies only during object creation (Entra Connect: apply once)
}

// A LintRule is one check. ID, Title and Source are constant.
type LintRule struct {
	ID       string
	Severity Severity
	Title    string
	Remedy   string
	Source   string
	check    func(l *linter, n *Node)
}

type linter struct {
	e    *Expr
	o    LintOptions
	rule *LintRule
	out  []Finding
}

// Lint applies all rules to an expression and returns the findings in the order of their positions. Mistakes
// that Compile reports are one finding each, with the ID "invalid".
func Lint(e *Expr, o LintOptions) []Finding {
	l := &linter{e: e, o: o}
	if _, err := Compile(e, Options{}); err != nil {
		errs := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			errs = joined.Unwrap()
		}
		for _, err := range errs {
			if x, ok := err.(*Error); ok {
				remedy := x.Suggestion
				if remedy == "" {
					remedy = "correct the expression"
				}
				id := "invalid"
				if table(e.Dialect.other())[wordAt(e.Source, x.Offset)] != nil && table(e.Dialect)[wordAt(e.Source, x.Offset)] == nil {
					id = "dialect"
				}
				l.out = append(l.out, Finding{ID: id, Severity: Fault, Message: x.Message, Evidence: excerpt(e.Source, x.Offset), Remedy: remedy,
					Offset: x.Offset, Line: x.Line, Column: x.Column})
			}
		}
	}
	rules := lintRules()
	for i := range rules {
		l.rule = &rules[i]
		e.Root.Walk(func(n *Node) bool {
			l.rule.check(l, n)
			return true
		})
	}
	slices.SortStableFunc(l.out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), strings.Compare(a.ID, b.ID))
	})
	return l.out
}

func wordAt(s string, at int) string {
	end := at
	for end < len(s) && isWord(s[end]) {
		end++
	}
	return s[min(at, len(s)):end]
}

// LintRules returns the rules Lint applies.
func LintRules() []LintRule { return lintRules() }

func (l *linter) report(n *Node, format string, args ...any) {
	line, col := position(l.e.Source, n.Pos)
	l.out = append(l.out, Finding{ID: l.rule.ID, Severity: l.rule.Severity, Message: fmt.Sprintf(format, args...),
		Evidence: clip(l.e.Source[n.Pos:n.End]), Remedy: l.rule.Remedy, Source: l.rule.Source, Offset: n.Pos, Line: line, Column: col})
}

func (l *linter) call(n *Node, name string, args int) bool {
	return n.Kind == NodeCall && n.Text == name && len(n.Args) >= args
}

// nullable says whether an attribute can be null as far as is known.
func (l *linter) nullable(name string) bool {
	info, _, _ := l.o.Schema.lookup(name)
	return !info.Required
}

// attributesOf returns the attributes a node reads, in order.
func attributesOf(n *Node) []*Node {
	var out []*Node
	n.Walk(func(x *Node) bool {
		if x.Kind == NodeAttr {
			out = append(out, x)
		}
		return true
	})
	return out
}

func lintRules() []LintRule {
	return []LintRule{
		{ID: "iif-null", Severity: Fault, Title: "IIF whose condition reads an attribute that can be null",
			Remedy: `test for "" with Switch: Switch([a], [a], "", "default")`, Source: pageProvisioning + ", IIF, Known limitations",
			check: func(l *linter, n *Node) {
				if l.e.Dialect != CloudSync || !l.call(n, "IIF", 3) {
					return
				}
				for _, a := range attributesOf(n.Args[0]) {
					if l.nullable(a.Text) {
						l.report(n, "where [%s] is null or empty the condition fails and IIF gives its third argument", a.Text)
						return
					}
				}
			}},
		{ID: "switch-clears", Severity: Fault, Title: "Switch that can clear the target",
			Remedy: "use nested IIF, or wrap it in IgnoreFlowIfNullOrEmpty", Source: pageProvisioning + ", Switch, Caution",
			check: func(l *linter, n *Node) {
				if l.e.Dialect == CloudSync && l.call(n, "Switch", 2) && !l.o.OnCreateOnly && !wrapped(l.e.Root, n) {
					l.report(n, "when another attribute of the object changes the service can evaluate this Switch to null and clear the target")
				}
			}},
		{ID: "switch-no-default", Severity: Warning, Title: "Switch that gives null for what it does not list",
			Remedy: "give a default: the second argument, or True and a value as the last pair", Source: pageConnect + ", Switch, Remarks",
			check: func(l *linter, n *Node) {
				if !l.call(n, "Switch", 2) || wrapped(l.e.Root, n) {
					return
				}
				if l.e.Dialect == CloudSync && n.Args[1].Kind == NodeOmitted {
					l.report(n, "a source that equals no key gives null, which clears the target")
				}
				if c := n.Args[len(n.Args)-len(n.Args)%2-2]; l.e.Dialect == Connect && !(c.Kind == NodeName && c.Text == "True") {
					l.report(n, "if no condition is true the result is null")
				}
			}},
		{ID: "switch-conditions", Severity: Fault, Title: "Switch written in the other dialect's way",
			Remedy: "Cloud Sync: Switch(source, default, key, value, …); Entra Connect: Switch(condition, value, …)", Source: pageProvisioning + ", Switch, Caution",
			check: func(l *linter, n *Node) {
				if !l.call(n, "Switch", 2) {
					return
				}
				first := n.Args[0]
				isCondition := staticType(l.e.Dialect, first) == TypeBool || first.Kind == NodeName
				if l.e.Dialect == CloudSync && isCondition {
					l.report(first, "the first argument is a source to compare with the keys, not a condition")
				}
				if l.e.Dialect == Connect && (first.Kind == NodeAttr || first.Kind == NodeString) && staticType(Connect, n.Args[1]) == TypeString {
					l.report(first, "the first argument is a condition, not a source to compare")
				}
			}},
		{ID: "dialect", Severity: Fault, Title: "A call with the other dialect's signature",
			Remedy: "see the signature of this dialect", Source: pageProvisioning + "; " + pageConnect,
			check: func(l *linter, n *Node) {
				if l.e.Dialect == CloudSync && l.call(n, "Join", 2) && n.Args[0].Kind == NodeAttr && n.Args[len(n.Args)-1].Kind == NodeString && len(n.Args) == 2 {
					l.report(n, "Join(separator, source, …) has the separator first here; Join(attribute, delimiter) is Entra Connect's")
				}
				if l.e.Dialect == Connect && l.call(n, "Join", 2) && n.Args[0].Kind == NodeString {
					l.report(n, "Join(attribute, delimiter) has the values first here; Join(separator, source, …) is Cloud Sync's")
				}
			}},
		{ID: "undocumented-function", Severity: Warning, Title: "A function that only an example of the page mentions",
			Remedy: "try it in the service before relying on it", Source: pageCloudSync,
			check: func(l *linter, n *Node) {
				if l.e.Dialect == CloudSync && n.Kind == NodeCall && (n.Text == "Contains" || n.Text == "CRef") {
					l.report(n, "%s is not in the list of functions", n.Text)
				}
			}},
		{ID: "attribute-unknown", Severity: Warning, Title: "An attribute the schema does not have",
			Remedy: "correct the name, or add it to the schema", Source: pageDeclarative + "; case: Understanding Declarative Provisioning Expressions",
			check: func(l *linter, n *Node) {
				if l.o.Schema == nil {
					return
				}
				name := n.Text
				if isImported(n) {
					name = n.Args[0].Text
				} else if n.Kind != NodeAttr {
					return
				}
				switch _, ok, near := l.o.Schema.lookup(name); {
				case ok:
				case strings.EqualFold(near, name):
					l.report(n, "names are case-sensitive: the attribute is [%s]", near)
				case near != "":
					l.report(n, "unknown attribute; did you mean [%s]?", near)
				default:
					l.report(n, "unknown attribute")
				}
			}},
		{ID: "global-catalog", Severity: Fault, Title: "An attribute the global catalog does not hold",
			Remedy: "read the source through LDAP (389, 636), not through the global catalog (3268, 3269)", Source: "Microsoft, Global Catalog and LDAP Searches: partial attribute set",
			check: func(l *linter, n *Node) {
				if info, ok, _ := l.o.Schema.lookup(n.Text); l.o.GlobalCatalog && n.Kind == NodeAttr && ok && !info.Catalog {
					l.report(n, "[%s] looks absent for every object, so what depends on it is cleared", n.Text)
				}
			}},
		{ID: "nondeterministic", Severity: Warning, Title: "A function whose value changes by itself",
			Remedy: "apply the mapping only during object creation", Source: pageProvisioning + ", Guid, Now, RandomString, SelectUniqueValue",
			check: func(l *linter, n *Node) {
				f := lookupFunc(l.e.Dialect, n)
				if f == nil || !f.impure || l.o.OnCreateOnly {
					return
				}
				if f.Name == "Now" && comparesDate(l.e.Root, n) {
					return // a condition that changes once is what such rules are for
				}
				l.report(n, "%s gives another value in each cycle, so every cycle writes the target again", f.Name)
			}},
		{ID: "unreachable", Severity: Warning, Title: "A branch that is never taken",
			Remedy: "remove it, or correct the condition", Source: "the language",
			check: (*linter).unreachable},
		{ID: "type-mismatch", Severity: Warning, Title: "A value of a type that does not fit",
			Remedy: "convert it, or pick one value", Source: pageConnect + ": functions verify the types of what is passed in",
			check: (*linter).types},
		{ID: "operator-priority", Severity: Info, Title: "Operators whose order is not what it looks like",
			Remedy: "write parentheses", Source: "Microsoft, Understanding Declarative Provisioning Expressions, Operators",
			check: func(l *linter, n *Node) {
				if n.Kind != NodeBinary || n.Args[0].Kind != NodeBinary || parenthesised(l.e, n.Args[0]) {
					return
				}
				rank := map[string]int{"*": 4, "+": 3, "-": 3, "&": 2, "&&": 0, "||": 0}
				outer, inner := rank[n.Text], rank[n.Args[0].Text]
				isCompare := func(op string) bool { return strings.ContainsAny(op, "<>=") }
				if isCompare(n.Text) {
					outer = 1
				}
				if isCompare(n.Args[0].Text) {
					inner = 1
				}
				if outer > inner || n.Text != n.Args[0].Text && logical(n.Text) && logical(n.Args[0].Text) {
					l.report(n, "%s is evaluated after %s: all operators but && and || have one priority, from left to right", n.Text, n.Args[0].Text)
				}
			}},
		{ID: "regex", Severity: Info, Title: "A regular expression that may mean something else in .NET",
			Remedy: "test it with texts that show the difference", Source: ".NET, Regular expression language",
			check: func(l *linter, n *Node) {
				if l.e.Dialect != CloudSync || !l.call(n, "Replace", 3) || n.Args[2].Kind != NodeString {
					return
				}
				p, err := compilePattern(n.Args[2].Text)
				if err != nil {
					return
				}
				for _, d := range p.differs {
					l.report(n.Args[2], "%s", d)
				}
				if p.empty && len(n.Args) > 4 && n.Args[4].Kind == NodeString && n.Args[4].Text != "" {
					l.report(n.Args[2], "the pattern matches the empty text; .NET also replaces the empty text after a match")
				}
			}},
		{ID: "unique-diacritics", Severity: Warning, Title: "SelectUniqueValue searches for letters with marks",
			Remedy: "wrap the candidate in NormalizeDiacritics", Source: pageProvisioning + ", SelectUniqueValue",
			check: func(l *linter, n *Node) {
				if !l.call(n, "SelectUniqueValue", 2) {
					return
				}
				for _, a := range n.Args {
					normal := false
					a.Walk(func(x *Node) bool {
						normal = normal || x.Kind == NodeCall && x.Text == "NormalizeDiacritics"
						return true
					})
					if !normal && len(attributesOf(a)) > 0 {
						l.report(a, "the service does not escape such letters in its search and fails")
					}
				}
			}},
		{ID: "unique-updates", Severity: Fault, Title: "SelectUniqueValue outside object creation",
			Remedy: "apply the mapping only during object creation", Source: pageProvisioning + ", SelectUniqueValue",
			check: func(l *linter, n *Node) {
				if l.call(n, "SelectUniqueValue", 2) && !l.o.OnCreateOnly {
					l.report(n, "the function is only meant for creating objects; on an update the object's own value is taken")
				}
			}},
	}
}

// wrapped says whether the node lies within IgnoreFlowIfNullOrEmpty.
func wrapped(root, n *Node) bool {
	found := false
	root.Walk(func(x *Node) bool {
		if x.Kind == NodeCall && x.Text == "IgnoreFlowIfNullOrEmpty" && x.Pos <= n.Pos && n.End <= x.End {
			found = true
		}
		return !found
	})
	return found
}

// comparesDate says whether the node is an operand of a comparison or of DateDiff.
func comparesDate(root, n *Node) bool {
	found := false
	root.Walk(func(x *Node) bool {
		if x.Kind == NodeBinary && strings.ContainsAny(x.Text, "<>") || x.Kind == NodeCall && x.Text == "DateDiff" {
			found = found || x.Pos <= n.Pos && n.End <= x.End
		}
		return true
	})
	return found
}

// parenthesised says whether the operator node stands in parentheses of its own.
func parenthesised(e *Expr, n *Node) bool {
	after := strings.TrimLeft(e.Source[n.End:], " \t\r\n")
	before := strings.TrimRight(e.Source[:n.Pos], " \t\r\n")
	return strings.HasPrefix(after, ")") && strings.HasSuffix(before, "(")
}

func (l *linter) unreachable(n *Node) {
	switch {
	case l.call(n, "IIF", 3):
		if b, ok := l.constantCondition(n.Args[0]); ok {
			dead := n.Args[2]
			if !b {
				dead = n.Args[1]
			}
			if dead.Kind != NodeOmitted {
				l.report(dead, "the condition is always %s", Bool(b).Text())
			}
		}
	case l.call(n, "Switch", 2) && l.e.Dialect == CloudSync:
		seen := map[string]bool{}
		for i := 2; i+1 < len(n.Args); i += 2 {
			if k := n.Args[i]; k.Kind == NodeString || k.Kind == NodeNumber {
				text := k.Text
				if k.Kind == NodeNumber {
					text = Number(k.Num).Text()
				}
				if seen[text] {
					l.report(k, "the key was there before")
				}
				seen[text] = true
			}
		}
	case l.call(n, "Switch", 2):
		for i := 0; i+1 < len(n.Args); i += 2 {
			b, ok := l.constantCondition(n.Args[i])
			if ok && !b {
				l.report(n.Args[i+1], "the condition is always False")
			}
			if ok && b && i+2 < len(n.Args) {
				l.report(n.Args[i+2], "the condition before is always True")
				return
			}
		}
	case l.call(n, "Coalesce", 2):
		for _, a := range n.Args[:len(n.Args)-1] {
			if a.Kind == NodeString || a.Kind == NodeNumber || a.Kind == NodeAttr && l.o.Schema != nil && !l.nullable(a.Text) {
				l.report(a, "it is never null, so what follows is never used")
				return
			}
		}
	}
}

// constantCondition evaluates a condition that reads nothing.
func (l *linter) constantCondition(n *Node) (value, ok bool) {
	if n.Kind != NodeName && n.Kind != NodeBinary && n.Kind != NodeCall || !constant(l.e.Dialect, n) {
		return false, false
	}
	p, c := newCompiler(&Expr{Dialect: l.e.Dialect, Source: l.e.Source, Root: n}, Options{Limits: Limits{Steps: 1000, Bytes: 10_000}})
	p.root = c.node(n)
	if len(c.errs) > 0 {
		return false, false
	}
	m := &machine{p: p}
	v, err := m.run(context.Background(), nil, p.root)
	if err != nil {
		return false, false
	}
	return truth(v)
}

// types compares the schema's types with what functions and operators take.
func (l *linter) types(n *Node) {
	f := lookupFunc(l.e.Dialect, n)
	if f == nil || l.o.Schema == nil {
		return
	}
	for i, a := range n.Args {
		p := f.param(i, len(n.Args))
		if a.Kind != NodeAttr || p == nil {
			continue
		}
		info, ok, _ := l.o.Schema.lookup(a.Text)
		if !ok {
			continue
		}
		switch {
		case info.MultiValued && p.Type != TypeMulti && p.Type != TypeAny && !(f.each && i == 0):
			l.report(a, "%s takes one value, and [%s] can have several: then it fails", f.Name, a.Text)
		case info.MultiValued && l.e.Dialect == CloudSync && f.Name == "Switch" && i == 0:
			l.report(a, "Switch takes one value, and [%s] can have several: then it fails", a.Text)
		case !info.MultiValued && info.Type != TypeAny && p.Type == TypeMulti && (f.Name == "Count" || f.Name == "Item" || f.Name == "RemoveDuplicates"):
			l.report(a, "[%s] has one value at most", a.Text)
		case info.Type == TypeBinary && p.Type == TypeString:
			l.report(a, "[%s] is binary and no text", a.Text)
		case info.Type != TypeAny && !convertible(info.Type, p.Type), info.Type == TypeString && p.Type == TypeNumber:
			l.report(a, "%s takes a %s, and [%s] is a %s", f.Name, p.Type, a.Text, info.Type)
		case info.Type == TypeString && p.Type == TypeDate && l.e.Dialect == Connect:
			l.report(a, "%s takes a date, and [%s] is a text: convert it with CDate", f.Name, a.Text)
		}
	}
}
