package expr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Attributes is where an expression finds the attributes it names. Lookup returns null for an attribute that is
// absent and Unknown() for one that could not be read: an evaluation that needs it gives KindUnknown. It must be
// safe for the concurrency the caller uses.
type Attributes interface {
	Lookup(name string) Value
}

// Attrs are attributes in a map. A name that is not in it is looked for without case, as directories compare
// names. The nil Attrs has no attributes.
type Attrs map[string]Value

// Lookup returns the value of the attribute, null if there is none.
func (a Attrs) Lookup(name string) Value {
	if v, ok := a[name]; ok {
		return v
	}
	for k, v := range a {
		if len(k) == len(name) && strings.EqualFold(k, name) {
			return v
		}
	}
	return Value{}
}

// A UniqueQuery asks whether the target already has an object with this value.
type UniqueQuery struct {
	Attribute string // the target attribute, from Env
	Value     string
	Filter    string // (attribute=value) with the value escaped (RFC 4515 section 3); "" without an Attribute
	Rule      int    // which argument of SelectUniqueValue, from 1
}

// An Env is what an evaluation sees beside its expression. Fields that are not needed may stay zero. An Env may
// be used by several evaluations at once if its Attrs, Random and Unique allow it.
type Env struct {
	Attrs    Attributes        // nil: every attribute is absent
	Imported Attributes        // for ImportedValue: what was confirmed by an import; nil: calling it is an error
	Params   map[string]string // by name without percent signs, such as Domain.FQDN
	Now      time.Time         // the reference time; zero: reading the clock is an error
	Random   io.Reader         // for Guid and RandomString; nil: calling them is an error

	// Unique answers SelectUniqueValue; nil: calling it is an error.
	Unique          func(context.Context, UniqueQuery) (taken bool, err error)
	UniqueAttribute string
}

// A Step is one node that an evaluation reached, and its value.
type Step struct {
	Depth    int // of nesting, from 0
	Pos, End int // byte offsets in the source
	Text     string
	Value    Value
	Err      error // what went wrong here
}

// machine is one evaluation.
type machine struct {
	p     *Program
	ctx   context.Context
	env   *Env
	steps int
	bytes int
	stack []Value // arguments
	vars  []Value
	at    *Node // the call that is being applied, for error positions

	err      error
	failedAt *Node
	noClock  bool
	trace    []Step
	tracing  bool
}

// errUnknown ends an evaluation that needs an attribute that could not be read.
var errUnknown = errors.New("an attribute could not be read")

// Eval evaluates the program. The result is a datum, or what the target shall be: see Kind. An attribute that
// could not be read gives KindUnknown and no error if the evaluation needs it. Other failures are *Errors.
// The context serves the lookups of SelectUniqueValue.
func (p *Program) Eval(ctx context.Context, env *Env) (Value, error) {
	m, _ := p.pool.Get().(*machine)
	if m == nil {
		m = &machine{p: p}
	}
	v, err := m.run(ctx, env, p.root)
	stack, vars := m.stack[:0], m.vars[:0]
	clear(stack[:cap(stack)])
	clear(vars[:cap(vars)])
	*m = machine{p: p, stack: stack, vars: vars}
	p.pool.Put(m)
	return v, err
}

// Explain evaluates the program and returns the value of each node that was reached, inner ones first. It is
// much slower than Eval and gives the same.
func (p *Program) Explain(ctx context.Context, env *Env) ([]Step, Value, error) {
	_, c := newCompiler(p.expr, p.options)
	c.p, c.trace = p, true
	root := c.node(p.expr.Root)
	m := &machine{p: p, tracing: true}
	v, err := m.run(ctx, env, root)
	return m.trace, v, err
}

func (m *machine) run(ctx context.Context, env *Env, root code) (v Value, err error) {
	if env == nil {
		env = &Env{}
	}
	m.ctx, m.env = ctx, env
	m.steps, m.bytes = m.p.options.Limits.Steps, m.p.options.Limits.Bytes
	v = root(m)
	switch {
	case m.err == errUnknown:
		return Unknown(), nil
	case m.err != nil:
		return Value{}, m.err
	}
	v = tidy(v)
	v.redacted = m.p.redacts
	return v, nil
}

// tidy drops the nulls that functions over multi-valued attributes leave in their places.
func tidy(v Value) Value {
	if v.kind == KindMulti {
		switch list := v.Values(); len(list) {
		case 0:
			return Value{}
		case 1:
			return list[0]
		default:
			v.list = list
		}
	}
	return v
}

const maxTrace = 10_000

func (m *machine) record(n *Node, depth int, v Value) {
	if n.Kind == NodeOmitted || len(m.trace) >= maxTrace {
		return
	}
	s := Step{Depth: depth, Pos: n.Pos, End: n.End, Text: m.p.expr.Source[n.Pos:n.End], Value: v, Err: m.err}
	if m.err != nil {
		m.failedAt = n
		if m.err == errUnknown {
			s.Value, s.Err = Unknown(), nil
		}
	}
	s.Value.redacted = m.p.redacts
	m.trace = append(m.trace, s)
}

// fail ends the evaluation. The first failure stays.
func (m *machine) fail(n *Node, cond error, suggestion, format string, args ...any) Value {
	if m.err == nil {
		m.err = newError(m.p.expr.Source, n.Pos, cond, suggestion, format, args...)
	}
	return Value{}
}

// bad is fail at the function being applied.
func (m *machine) bad(cond error, suggestion, format string, args ...any) Value {
	return m.fail(m.at, cond, suggestion, "%s", m.at.Text+": "+fmt.Sprintf(format, args...))
}

// quote shows a value in a message, unless the expression redacts values.
func (m *machine) quote(s string) string {
	if m.p.redacts {
		return "[Redact]"
	}
	return strconv.Quote(clip(s))
}

func (m *machine) step(n int) bool {
	if m.steps -= n; m.steps < 0 || n < 0 {
		if m.err == nil {
			m.err = newError(m.p.expr.Source, 0, ErrBudget, "", "the evaluation takes more than %d steps", m.p.options.Limits.Steps)
		}
		return false
	}
	return m.err == nil
}

// room takes n bytes from the budget before they are made.
func (m *machine) room(n int) bool {
	if m.bytes -= n; m.bytes < 0 || n < 0 {
		if m.err == nil {
			m.err = newError(m.p.expr.Source, 0, ErrBudget, "", "the evaluation makes more than %d bytes of text", m.p.options.Limits.Bytes)
		}
		return false
	}
	return m.err == nil
}

func (m *machine) attr(name string) Value {
	if !m.step(1) || m.env.Attrs == nil {
		return Value{}
	}
	return m.known(m.env.Attrs.Lookup(name))
}

func (m *machine) known(v Value) Value {
	switch v.kind {
	case KindUnknown:
		if m.err == nil {
			m.err = errUnknown
		}
		return Value{}
	case KindMulti:
		m.step(len(v.list))
	}
	return v
}

func (m *machine) now() (time.Time, bool) {
	if m.env.Now.IsZero() {
		m.noClock = true
		m.bad(ErrNoClock, "", "%v", ErrNoClock)
		return time.Time{}, false
	}
	return m.env.Now.UTC(), true
}

// apply converts the arguments in place and calls the function.
func (m *machine) apply(f *function, params []*Param, n *Node, a []Value) Value {
	for i := range a {
		k := a[i].kind
		if p := params[i]; p.Type != TypeAny && !(k == KindString && p.Type == TypeString) && !(k == KindNumber && p.Type == TypeNumber) {
			v, ok := m.convert(a[i], p.Type)
			if !ok {
				if m.err == nil {
					m.mismatch(f, p, n, a[i])
				}
				return Value{}
			}
			a[i] = v
		}
		if a[i].kind == KindNull && !f.nulls && !params[i].Optional {
			return Value{}
		}
	}
	v := f.eval(m, a)
	m.room(len(v.s))
	return v
}

// each applies the function to every value of its first argument (Microsoft, "Declarative provisioning
// expressions", Multi-valued attributes). Nulls keep their places, so that several results can be combined.
func (m *machine) each(f *function, params []*Param, n *Node, a []Value) Value {
	list := a[0].list
	if !m.step(len(list)) || !m.room(len(list)*8) {
		return Value{}
	}
	out := make([]Value, len(list))
	args := make([]Value, len(a))
	for i, item := range list {
		copy(args, a)
		args[0] = item
		out[i] = m.apply(f, params, n, args)
		if m.err != nil {
			return Value{}
		}
	}
	return Value{kind: KindMulti, list: out}
}

func (m *machine) mismatch(f *function, p *Param, n *Node, v Value) {
	hint := ""
	switch {
	case v.kind == KindMulti:
		hint = "pick one with Item, or join them with Join"
	case p.Type == TypeDate && v.kind == KindString && m.p.expr.Dialect == Connect:
		hint = "convert it with CDate"
	case p.Type == TypeDate && v.kind == KindString:
		hint = "convert it with FormatDateTime to yyyy-MM-dd first"
	case p.Type == TypeDate && v.kind == KindNumber:
		hint = "use DateFromNum for a FILETIME"
	}
	what := v.kind.String()
	if v.kind == KindString || v.kind == KindNumber {
		what += " " + m.quote(v.Text())
	}
	m.fail(n, ErrType, hint, "%s of %s: a %s does not fit where a %s is expected", p.Name, f.Name, what, p.Type)
}

// convert makes a value of the type, if that loses nothing. Null stays null. Attributes read over LDAP are texts
// whatever their syntax, so a text of digits is a number and TRUE a boolean.
func (m *machine) convert(v Value, t Type) (Value, bool) {
	if v.kind == KindNull {
		return v, true
	}
	if v.kind == KindMulti && t != TypeMulti {
		if len(v.list) != 1 {
			return v, false
		}
		v = v.list[0]
	}
	switch t {
	case TypeString, TypeName:
		if v.kind != KindString {
			v = String(v.Text())
			m.room(len(v.s))
		}
		return v, true
	case TypeNumber:
		if v.kind == KindNumber {
			return v, true
		}
		if v.kind == KindString {
			n, ok := parseNumber(v.s)
			return Number(n), ok
		}
		return v, false
	case TypeBool:
		b, ok := truth(v)
		return Bool(b), ok
	case TypeDate:
		if v.kind == KindDate {
			return v, true
		}
		if v.kind == KindString && m.p.expr.Dialect == CloudSync {
			return parseDate(v.s)
		}
		return v, false
	case TypeBinary:
		if v.kind == KindString {
			v.kind = KindBinary
		}
		return v, v.kind == KindBinary
	}
	return v, true
}

func parseNumber(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if h, ok := strings.CutPrefix(s, "&H"); ok {
		n, err := strconv.ParseUint(h, 16, 63)
		return int64(n), err == nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// truth reads a value as a condition: a number that is not 0, True in any case.
func truth(v Value) (b, ok bool) {
	switch v.kind {
	case KindBool, KindNumber:
		return v.n != 0, true
	case KindString:
		if strings.EqualFold(v.s, "true") {
			return true, true
		}
		if n, isNum := parseNumber(v.s); isNum {
			return n != 0, true
		}
		return false, strings.EqualFold(v.s, "false")
	}
	return false, v.kind == KindNull
}
