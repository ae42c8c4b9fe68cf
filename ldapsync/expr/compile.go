package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// NullCondition says what a Cloud Sync IIF does whose condition reads an attribute that is null or empty.
// Microsoft documents only that "the condition check fails" (Reference for writing expressions, IIF, Known
// limitations).
type NullCondition uint8

const (
	NullFails     NullCondition = iota // the condition is false, even IsNullOrEmpty([a]): IIF gives its third argument
	NullIsError                        // the evaluation fails
	NullEvaluates                      // the condition is evaluated as it is written, as Entra Connect does
)

// Options change what an expression means where Microsoft's documents are silent or contradict each other.
// The zero Options are this package's reading of them.
type Options struct {
	// FoldCase makes = and <> compare texts without case. Only Switch of Cloud Sync is documented: it compares
	// with case, always.
	FoldCase bool
	// NullCondition is what a Cloud Sync IIF does with a null in its condition.
	NullCondition NullCondition
	// OlderReplace selects the Cloud Sync page's sixth form of Replace, with a regular expression, a group and
	// a replacement attribute: it replaces the group within the source. The newer page returns the source,
	// or where there is none the group within the replacement attribute, and its example does so too.
	OlderReplace bool
	// Limits bound an evaluation.
	Limits Limits
}

// Limits bound what an evaluation may do. A zero field means its default.
type Limits struct {
	Steps int // function calls, attribute reads, values looked at; 100,000
	Bytes int // of all texts made, also those thrown away again; 4 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Steps <= 0 {
		l.Steps = 100_000
	}
	if l.Bytes <= 0 {
		l.Bytes = 4 << 20
	}
	return l
}

// code is a compiled node.
type code func(m *machine) Value

// A Program is a compiled expression. It is immutable and may be used concurrently.
type Program struct {
	expr    *Expr
	options Options
	root    code
	redacts bool // somewhere in it values are redacted, so no message quotes any
	pool    sync.Pool
}

// Expr returns the expression the program was compiled from.
func (p *Program) Expr() *Expr { return p.expr }

// Compile checks names of functions, numbers and types of arguments, and prepares the expression, which Parse or
// New made, for evaluation. All mistakes come together as joined *Errors.
func Compile(e *Expr, o Options) (*Program, error) {
	if e == nil || e.Root == nil || !e.Dialect.known() {
		return nil, errors.New("expr: Compile needs an expression that Parse or New made")
	}
	p, c := newCompiler(e, o)
	p.root = c.node(e.Root)
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return p, nil
}

// MustCompile parses and compiles an expression of the program's own text and panics if that fails.
func MustCompile(d Dialect, src string) *Program {
	e, err := Parse(d, src)
	if err == nil {
		var p *Program
		if p, err = Compile(e, Options{}); err == nil {
			return p
		}
	}
	panic(err)
}

type compiler struct {
	p     *Program
	e     *Expr
	d     Dialect
	o     Options
	errs  []error
	vars  []string // in scope, innermost last; the index is the place in machine.vars
	trace bool
	depth int
}

func newCompiler(e *Expr, o Options) (*Program, *compiler) {
	o.Limits = o.Limits.withDefaults()
	p := &Program{expr: e, options: o}
	e.Root.Walk(func(n *Node) bool {
		p.redacts = p.redacts || n.Kind == NodeCall && n.Text == "Redact"
		return true
	})
	return p, &compiler{p: p, e: e, d: e.Dialect, o: o}
}

func (c *compiler) fail(at int, suggestion, format string, args ...any) {
	if len(c.errs) < 20 {
		c.errs = append(c.errs, newError(c.e.Source, at, ErrType, suggestion, format, args...))
	}
}

func failed(*machine) Value { return Value{} }

// node compiles a node. In trace mode each node reports its value.
func (c *compiler) node(n *Node) code {
	if !c.trace {
		f := c.plain(n)
		if n.Kind == NodeCall && len(c.errs) == 0 && constant(c.d, n) {
			return fold(c, f)
		}
		return f
	}
	depth := c.depth
	c.depth++
	f := c.plain(n)
	c.depth--
	return func(m *machine) Value {
		v := f(m)
		if m.err == nil || m.failedAt == nil {
			m.record(n, depth, v)
		}
		return v
	}
}

// constant says whether the node calls only deterministic functions with constant arguments.
func constant(d Dialect, n *Node) bool {
	switch n.Kind {
	case NodeAttr, NodeParam, NodeVar:
		return false
	case NodeCall:
		if f := lookupFunc(d, n); f == nil || f.impure || f.form != nil || f.Name == "Error" || f.Name == "Redact" {
			return false
		}
	}
	return !slices.ContainsFunc(n.Args, func(a *Node) bool { return !constant(d, a) })
}

// fold evaluates a constant once. One that fails is left to fail each time, where it is reached.
func fold(c *compiler, f code) code {
	m := &machine{p: c.p, env: &Env{}, steps: 10_000, bytes: 64 << 10}
	v := f(m)
	if m.err != nil || m.noClock {
		return f
	}
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		return v
	}
}

func (c *compiler) plain(n *Node) code {
	switch n.Kind {
	case NodeString:
		v := String(n.Text)
		return func(*machine) Value { return v }
	case NodeNumber:
		v := Number(n.Num)
		return func(*machine) Value { return v }
	case NodeOmitted:
		return func(*machine) Value { return Value{} }
	case NodeName:
		return c.name(n)
	case NodeAttr:
		name := n.Text
		return func(m *machine) Value { return m.attr(name) }
	case NodeParam:
		return func(m *machine) Value {
			if v, ok := m.env.Params[n.Text]; ok {
				return String(v)
			}
			return m.fail(n, ErrValue, "", "the parameter %%%s%% has no value", n.Text)
		}
	case NodeVar:
		at := len(c.vars) - 1
		for at >= 0 && c.vars[at] != n.Text {
			at--
		}
		if at < 0 {
			hint := "variables exist within With, Where and Select"
			if near := nearest(n.Text, c.vars); near != "" {
				hint = "did you mean $" + near + "?"
			}
			c.fail(n.Pos, hint, "unknown variable $%s", clip(n.Text))
			return failed
		}
		return func(m *machine) Value { return m.vars[at] }
	case NodeBinary:
		return c.binary(n)
	case NodeCall:
		return c.call(n)
	}
	c.fail(n.Pos, "", "the tree has a node of no kind")
	return failed
}

func (c *compiler) name(n *Node) code {
	var v Value
	switch n.Text {
	case "True", "False":
		v = Bool(n.Text == "True")
	case "NULL":
	case "CRLF":
		v = String("\r\n")
	case "IgnoreThisFlow":
		v = Ignore()
	case "AuthoritativeNull":
		v = AuthoritativeNull()
	default:
		v = String(n.Text)
	}
	return func(*machine) Value { return v }
}

func (c *compiler) call(n *Node) code {
	f := lookupFunc(c.d, n)
	if f == nil {
		c.unknownFunction(n)
		for _, a := range n.Args {
			c.node(a)
		}
		return failed
	}
	if f.topLevel && n != c.e.Root {
		c.fail(n.Pos, "make it the outermost function", "%s works only at the top level", f.Name)
	}
	if !c.arity(f, n) {
		return failed
	}
	if f.form != nil {
		return f.form(c, n)
	}
	return c.eager(f, n)
}

func (c *compiler) unknownFunction(n *Node) {
	if _, ok := table(c.d.other())[n.Text]; ok {
		hint := ""
		if other := counterpart(c.d, n.Text); other != "" {
			hint = "use " + other
		}
		c.fail(n.Pos, hint, "%s is a function of the %s dialect, not of %s", n.Text, c.d.other().title(), c.d.title())
		return
	}
	hint := ""
	near := nearest(n.Text, functionNames(c.d))
	switch {
	case near != "" && strings.EqualFold(near, n.Text):
		hint = "names are case-sensitive: write " + near
	case near != "":
		hint = "did you mean " + near + "?"
	}
	c.fail(n.Pos, hint, "unknown function %s", clip(n.Text))
}

// param returns the parameter the i-th argument of count is for; nil if there are too many.
func (f *function) param(i, count int) *Param {
	first := slices.IndexFunc(f.Params, func(p Param) bool { return p.Repeats })
	if first < 0 || i < first {
		if i >= len(f.Params) {
			return nil
		}
		return &f.Params[i]
	}
	return &f.Params[first+(i-first)%(len(f.Params)-first)]
}

func (c *compiler) arity(f *function, n *Node) bool {
	least, most, group := 0, len(f.Params), 0
	for i, p := range f.Params {
		if p.Repeats {
			group++
		}
		if !p.Optional {
			least = i + 1
		}
	}
	count := len(n.Args)
	hint := "write " + f.Signature()
	if o, ok := table(c.d.other())[f.Name]; ok && o.Signature() != f.Signature() {
		hint += fmt.Sprintf("; %s is the signature of the %s dialect", o.Signature(), c.d.other().title())
	}
	switch {
	case count < least:
		c.fail(n.Pos, hint, "%s has %d of at least %d arguments", f.Name, count, least)
		return false
	case group == 0 && count > most:
		c.fail(n.Args[most].Pos, hint, "%s has %d of at most %d arguments", f.Name, count, most)
		return false
	case group > 1 && (count-(most-group))%group != 0:
		c.fail(n.Pos, hint, "the last arguments of %s come in groups of %d", f.Name, group)
		return false
	}
	ok := true
	for i, a := range n.Args {
		if p := f.param(i, count); !c.argument(f, p, a) {
			ok = false
		}
	}
	return ok
}

// argument checks what can be known of an argument without evaluating it.
func (c *compiler) argument(f *function, p *Param, a *Node) bool {
	bad := func(hint, format string, args ...any) bool {
		c.fail(a.Pos, hint, "%s of %s: %s", p.Name, f.Name, fmt.Sprintf(format, args...))
		return false
	}
	switch {
	case a.Kind == NodeOmitted:
		if !p.Optional && p.Type != TypeAny {
			return bad("", "the argument must not be left out")
		}
	case p.Type == TypeVar:
		if a.Kind != NodeVar {
			return bad("write a new name such as $item", "not a variable")
		}
	case p.Type == TypeName:
		if (a.Kind == NodeName || a.Kind == NodeString) && !slices.Contains(p.Names, a.Text) {
			hint := "one of " + strings.Join(p.Names, ", ")
			if near := nearest(a.Text, p.Names); near != "" {
				hint = "did you mean " + near + "?"
			}
			return bad(hint, "unknown constant %s", clip(a.Text))
		}
	case p.Type == TypeNumber && a.Kind == NodeString:
		if _, ok := parseNumber(a.Text); !ok {
			return bad("write a number without quotes", "%q is not a number", clip(a.Text))
		}
	case p.Type == TypeDate && c.d == Connect && a.Kind == NodeString:
		return bad("write CDate("+clip(c.e.Source[a.Pos:a.End])+")", "a text is not a date")
	case p.Type == TypeDate && a.Kind == NodeNumber:
		return bad("use DateFromNum for a FILETIME", "a number is not a date")
	case a.Kind == NodeName && (p.Type == TypeString || p.Type == TypeNumber || p.Type == TypeDate) && isEnum(a.Text):
		return bad("", "the constant %s does not belong here", a.Text)
	}
	if t := staticType(c.d, a); !convertible(t, p.Type) {
		return bad("", "a %s does not fit where a %s is expected", t, p.Type)
	}
	return true
}

func isEnum(name string) bool {
	switch name {
	case "True", "False", "NULL", "CRLF", "IgnoreThisFlow", "AuthoritativeNull":
		return false
	}
	return true
}

// staticType is what a node gives as far as its text tells.
func staticType(d Dialect, n *Node) Type {
	switch n.Kind {
	case NodeString, NodeParam:
		return TypeString
	case NodeNumber:
		return TypeNumber
	case NodeName:
		if n.Text == "True" || n.Text == "False" {
			return TypeBool
		}
		return TypeAny
	case NodeCall:
		if f := lookupFunc(d, n); f != nil {
			return f.Result
		}
	case NodeBinary:
		switch n.Text {
		case "&":
			return TypeString
		case "+", "-", "*":
			return TypeNumber
		}
		return TypeBool
	}
	return TypeAny
}

// convertible says whether a value of one type can serve where another is expected.
func convertible(from, to Type) bool {
	switch to {
	case TypeNumber:
		return from != TypeBool && from != TypeDate && from != TypeBinary
	case TypeDate:
		return from != TypeBool && from != TypeNumber && from != TypeBinary
	case TypeBinary:
		return from != TypeBool && from != TypeNumber && from != TypeDate
	case TypeBool:
		return from != TypeDate && from != TypeBinary
	}
	return true
}

// eager compiles a call whose arguments are all evaluated, from left to right.
func (c *compiler) eager(f *function, n *Node) code {
	args := make([]code, len(n.Args))
	params := make([]*Param, len(n.Args))
	for i, a := range n.Args {
		args[i] = c.node(a)
		params[i] = f.param(i, len(n.Args))
	}
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		base := len(m.stack)
		for i, arg := range args {
			v := arg(m)
			if m.err != nil {
				m.stack = m.stack[:base]
				return Value{}
			}
			if v.kind == KindIgnore || v.kind == KindAuthoritativeNull {
				if !f.nulls || params[i].Type != TypeAny {
					m.stack = m.stack[:base]
					return v
				}
			}
			m.stack = append(m.stack, v)
		}
		a := m.stack[base:len(m.stack):len(m.stack)]
		m.at = n
		var v Value
		if f.each && len(a) > 0 && a[0].kind == KindMulti {
			v = m.each(f, params, n, a)
		} else {
			v = m.apply(f, params, n, a)
		}
		m.stack = m.stack[:base]
		return v
	}
}
