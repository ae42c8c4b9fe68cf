package expr

import (
	"slices"
	"strings"
)

// The functions here do not evaluate all their arguments, or evaluate one many times.

// condition evaluates a condition; a multi-valued one is returned as it is.
func (m *machine) condition(n *Node, f code) Value {
	v := f(m)
	if m.err != nil {
		return Value{}
	}
	if v.kind == KindMulti {
		return v
	}
	b, ok := truth(v)
	if !ok {
		return m.fail(n, ErrType, "compare it with something", "a %s is no condition", v.kind)
	}
	return Bool(b)
}

func formIIF(c *compiler, n *Node) code {
	cond, then, otherwise := c.node(n.Args[0]), c.node(n.Args[1]), c.node(n.Args[2])
	var reads []*Node // attributes whose absence makes the condition fail
	if c.d == CloudSync && c.o.NullCondition != NullEvaluates {
		reads = attributesOf(n.Args[0])
	}
	depth := c.depth
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		for _, a := range reads {
			v := m.attr(a.Text)
			if m.err != nil {
				return Value{}
			}
			if v.IsNull() || v.kind == KindString && v.s == "" {
				if m.p.options.NullCondition == NullIsError {
					return m.fail(n.Args[0], ErrValue, `check for "" with Switch`, "the condition reads [%s], which is null or empty", a.Text)
				}
				if m.tracing { // the condition is not evaluated; show why
					m.record(a, depth+1, v)
					m.record(n.Args[0], depth, Bool(false))
				}
				return otherwise(m)
			}
		}
		b := m.condition(n.Args[0], cond)
		switch {
		case m.err != nil:
			return Value{}
		case b.kind == KindMulti:
			return m.choose(n, b.list, then, otherwise)
		case b.n != 0:
			return then(m)
		}
		return otherwise(m)
	}
}

// choose picks for each value of a multi-valued condition, as in IIF(InStr([proxyAddresses], "SIP:") = 1, NULL,
// [proxyAddresses]) (Microsoft, "Declarative provisioning expressions", Multi-valued attributes).
func (m *machine) choose(n *Node, conds []Value, then, otherwise code) Value {
	if !m.step(len(conds)) || !m.room(len(conds)*8) {
		return Value{}
	}
	branches := [2]code{then, otherwise}
	var vals [2]Value
	var have [2]bool
	out := make([]Value, len(conds))
	for i, cond := range conds {
		b, ok := truth(cond)
		if !ok {
			return m.fail(n.Args[0], ErrType, "compare it with something", "a %s is no condition", cond.kind)
		}
		k := 0
		if !b {
			k = 1
		}
		if !have[k] {
			vals[k], have[k] = branches[k](m), true
			if m.err != nil {
				return Value{}
			}
		}
		switch v := vals[k]; {
		case v.kind == KindIgnore || v.kind == KindAuthoritativeNull:
			return v
		case v.kind == KindMulti && len(v.list) != len(conds):
			return m.fail(n.Args[k+1], ErrType, "", "the condition has %d values and this %d", len(conds), len(v.list))
		case v.kind == KindMulti:
			out[i] = v.list[i]
		default:
			out[i] = v
		}
	}
	return Value{kind: KindMulti, list: out}
}

// formSwitchCloud is Switch(source, default, key1, value1, …). Null and "" are the same to it: the workaround
// Microsoft documents for IIF is a key of "".
func formSwitchCloud(c *compiler, n *Node) code {
	args := make([]code, len(n.Args))
	keys := make([]string, len(n.Args)) // of constant keys
	for i, a := range n.Args {
		args[i] = c.node(a)
		if i >= 2 && i%2 == 0 && a.Kind == NodeString {
			keys[i] = a.Text
		}
	}
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		v := args[0](m)
		if m.err != nil {
			return Value{}
		}
		if v.kind == KindMulti && len(v.list) != 1 {
			return m.fail(n.Args[0], ErrType, "pick one with Item, or join them with Join", "source of Switch: several values")
		}
		source := v.Text()
		for i := 2; i+1 < len(args); i += 2 {
			key := keys[i]
			if n.Args[i].Kind != NodeString {
				k := args[i](m)
				if m.err != nil {
					return Value{}
				}
				key = k.Text()
			}
			if !m.step(1) {
				return Value{}
			}
			if key == source {
				return args[i+1](m)
			}
		}
		return args[1](m)
	}
}

// formSwitchConnect is Switch(condition1, value1, …). All conditions are evaluated, and of the values only the
// one that is returned: Microsoft says that "all expressions" are evaluated and shows Error as a value.
func formSwitchConnect(c *compiler, n *Node) code {
	args := make([]code, len(n.Args))
	for i, a := range n.Args {
		args[i] = c.node(a)
	}
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		found := -1
		for i := 0; i+1 < len(args); i += 2 {
			b := m.condition(n.Args[i], args[i])
			if m.err != nil {
				return Value{}
			}
			if b.kind == KindMulti {
				return m.fail(n.Args[i], ErrType, "", "a condition of Switch has several values")
			}
			if b.n != 0 && found < 0 {
				found = i + 1
			}
		}
		if found < 0 {
			return Value{}
		}
		return args[found](m)
	}
}

func formCoalesce(c *compiler, n *Node) code {
	args := make([]code, len(n.Args))
	for i, a := range n.Args {
		args[i] = c.node(a)
	}
	return func(m *machine) Value {
		for _, arg := range args {
			if !m.step(1) {
				return Value{}
			}
			if v := arg(m); m.err != nil || !v.IsNull() {
				return v
			}
		}
		return Value{}
	}
}

// bind makes a variable known to the argument at body.
func (c *compiler) bind(n *Node, body int) code {
	if slices.Contains(c.vars, n.Args[0].Text) {
		c.fail(n.Args[0].Pos, "take another name", "the variable $%s is in use", clip(n.Args[0].Text))
	}
	c.vars = append(c.vars, n.Args[0].Text)
	f := c.node(n.Args[body])
	c.vars = c.vars[:len(c.vars)-1]
	return f
}

func formWith(c *compiler, n *Node) code {
	value := c.node(n.Args[1])
	body := c.bind(n, 2)
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		v := value(m)
		if m.err != nil {
			return Value{}
		}
		m.vars = append(m.vars, v)
		v = body(m)
		m.vars = m.vars[:len(m.vars)-1]
		return v
	}
}

// formItems makes Where, which keeps the values whose condition is true, and Select, which replaces each value.
func formItems(where bool) func(*compiler, *Node) code {
	return func(c *compiler, n *Node) code {
		values := c.node(n.Args[1])
		body := c.bind(n, 2)
		return func(m *machine) Value {
			if !m.step(1) {
				return Value{}
			}
			all := values(m)
			if m.err != nil || all.kind == KindIgnore || all.kind == KindAuthoritativeNull {
				return all
			}
			list := all.Values()
			if !m.step(len(list)) || !m.room(len(list)*8) {
				return Value{}
			}
			out := make([]Value, 0, len(list))
			m.vars = append(m.vars, Value{})
			for _, item := range list {
				m.vars[len(m.vars)-1] = item
				if where {
					b := m.condition(n.Args[2], body)
					if b.kind == KindMulti {
						m.fail(n.Args[2], ErrType, "", "the condition of Where has several values")
					}
					if b.n != 0 {
						out = append(out, item)
					}
				} else {
					v := body(m)
					if v.kind == KindMulti {
						m.fail(n.Args[2], ErrType, "", "the function of Select gives several values")
					}
					if !v.IsNull() {
						out = append(out, v)
					}
				}
				if m.err != nil {
					break
				}
			}
			m.vars = m.vars[:len(m.vars)-1]
			return Value{kind: KindMulti, list: out}
		}
	}
}

func formImportedValue(c *compiler, n *Node) code {
	if n.Args[0].Kind != NodeString {
		c.fail(n.Args[0].Pos, `write ImportedValue("proxyAddresses")`, "ImportedValue takes the name of an attribute in quotes")
		return failed
	}
	name := n.Args[0].Text
	return func(m *machine) Value {
		if !m.step(1) {
			return Value{}
		}
		if m.env.Imported == nil {
			return m.fail(n, ErrNoLookup, "", "ImportedValue: no imported attributes were given")
		}
		return m.known(m.env.Imported.Lookup(name))
	}
}

// formUnique asks for each candidate in turn. A candidate that is null or empty is passed over.
func formUnique(c *compiler, n *Node) code {
	args := make([]code, len(n.Args))
	for i, a := range n.Args {
		args[i] = c.node(a)
	}
	return func(m *machine) Value {
		if m.env.Unique == nil {
			return m.fail(n, ErrNoLookup, "", "SelectUniqueValue: %v", ErrNoLookup)
		}
		for i, arg := range args {
			v := arg(m)
			if !m.step(1) {
				return Value{}
			}
			if v.kind == KindMulti {
				return m.fail(n.Args[i], ErrType, "pick one with Item, or join them with Join", "SelectUniqueValue: several values")
			}
			text := v.Text()
			if text == "" {
				continue
			}
			q := UniqueQuery{Attribute: m.env.UniqueAttribute, Value: text, Rule: i + 1}
			if q.Attribute != "" {
				q.Filter = "(" + q.Attribute + "=" + escapeFilter(text) + ")"
			}
			taken, err := m.env.Unique(m.ctx, q)
			if err != nil {
				return m.fail(n.Args[i], err, "", "SelectUniqueValue: %v", err)
			}
			if !taken {
				return v
			}
		}
		return m.fail(n, ErrNoUniqueValue, "", "SelectUniqueValue: %v", ErrNoUniqueValue)
	}
}

// escapeFilter escapes an assertion value (RFC 4515 section 3). Letters with marks need nothing: a filter is
// UTF-8.
func escapeFilter(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	valid := strings.ToValidUTF8(s, "") == s
	for i := range len(s) {
		switch c := s[i]; {
		case c == '*' || c == '(' || c == ')' || c == '\\' || c == 0 || c >= 0x80 && !valid:
			b.WriteByte('\\')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
