package expr

import (
	"cmp"
	"math/bits"
	"strings"
)

func (c *compiler) binary(n *Node) code {
	for _, a := range n.Args {
		t := staticType(c.d, a)
		switch n.Text {
		case "+", "-", "*":
			isLit := true
			if a.Kind == NodeString {
				_, isLit = parseNumber(a.Text)
			}
			if !isLit || !convertible(t, TypeNumber) {
				hint := ""
				if n.Text == "+" {
					hint = "texts are joined with &"
				}
				c.fail(a.Pos, hint, "a %s is no operand of %s", t, n.Text)
			}
		case "&&", "||":
			if !convertible(t, TypeBool) || a.Kind == NodeString && !isTruth(a.Text) {
				c.fail(a.Pos, "", "a %s is no operand of %s", t, n.Text)
			}
		}
	}
	left, right := c.node(n.Args[0]), c.node(n.Args[1])
	if logical(n.Text) {
		stop := n.Text == "||"
		return func(m *machine) Value {
			l, ok := m.operand(n, left)
			if !ok {
				return Value{}
			}
			if b, isBool := truth(l); l.kind != KindMulti && isBool && b == stop {
				return Bool(stop)
			}
			r, ok := m.operand(n, right)
			if !ok {
				return Value{}
			}
			return m.pairwise(n, l, r, logic)
		}
	}
	var op func(m *machine, n *Node, l, r Value) Value
	switch n.Text {
	case "&":
		op = concat
	case "+", "-", "*":
		op = arithmetic
	case "=", "<>", "<", "<=", ">", ">=":
		op = comparison(n.Text, c.o.FoldCase)
	default:
		c.fail(n.Pos, "", "unknown operator %s", clip(n.Text))
		return failed
	}
	return func(m *machine) Value {
		l, ok := m.operand(n, left)
		if !ok {
			return Value{}
		}
		r, ok := m.operand(n, right)
		if !ok {
			return Value{}
		}
		if l.kind != KindMulti && r.kind != KindMulti {
			return op(m, n, l, r)
		}
		return m.pairwise(n, l, r, op)
	}
}

func isTruth(s string) bool {
	_, ok := truth(String(s))
	return ok
}

func (m *machine) operand(n *Node, f code) (Value, bool) {
	if !m.step(1) {
		return Value{}, false
	}
	v := f(m)
	if v.kind == KindIgnore || v.kind == KindAuthoritativeNull {
		m.fail(n, ErrType, "", "%s is no operand of %s", v.kind, n.Text)
	}
	return v, m.err == nil
}

// pairwise applies an operator to each value of a multi-valued operand, and to the pairs of two of them.
func (m *machine) pairwise(n *Node, l, r Value, op func(*machine, *Node, Value, Value) Value) Value {
	if l.kind != KindMulti && r.kind != KindMulti {
		return op(m, n, l, r)
	}
	count := max(len(l.list), len(r.list))
	if l.kind == KindMulti && r.kind == KindMulti && len(l.list) != len(r.list) {
		return m.fail(n, ErrType, "", "the operands of %s have %d and %d values", n.Text, len(l.list), len(r.list))
	}
	if !m.step(count) || !m.room(count*8) {
		return Value{}
	}
	out := make([]Value, count)
	for i := range out {
		x, y := l, r
		if l.kind == KindMulti {
			x = l.list[i]
		}
		if r.kind == KindMulti {
			y = r.list[i]
		}
		if out[i] = op(m, n, x, y); m.err != nil {
			return Value{}
		}
	}
	return Value{kind: KindMulti, list: out}
}

// concat treats null as no text, as Visual Basic does. Two nulls make null.
func concat(m *machine, n *Node, l, r Value) Value {
	if l.kind == KindNull && r.kind == KindNull {
		return Value{}
	}
	x, y := l.Text(), r.Text()
	if !m.room(len(x) + len(y)) {
		return Value{}
	}
	return String(x + y)
}

func arithmetic(m *machine, n *Node, l, r Value) Value {
	if l.kind == KindNull || r.kind == KindNull {
		return Value{}
	}
	x, okx := m.convert(l, TypeNumber)
	y, oky := m.convert(r, TypeNumber)
	if !okx || !oky {
		return m.fail(n, ErrType, "", "a %s and a %s are no operands of %s", l.kind, r.kind, n.Text)
	}
	var z int64
	overflow := false
	switch n.Text {
	case "+":
		z = x.n + y.n
		overflow = (x.n^z)&(y.n^z) < 0
	case "-":
		z = x.n - y.n
		overflow = (x.n^y.n)&(x.n^z) < 0
	default:
		hi, lo := bits.Mul64(magnitude(x.n), magnitude(y.n))
		negative := (x.n < 0) != (y.n < 0)
		overflow = hi != 0 || lo > 1<<63 || lo == 1<<63 && !negative
		z = int64(lo)
		if negative {
			z = -z
		}
	}
	if overflow {
		return m.fail(n, ErrValue, "", "the result of %s has more than 64 bits", n.Text)
	}
	return Number(z)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func logic(m *machine, n *Node, l, r Value) Value {
	x, okx := truth(l)
	y, oky := truth(r)
	if !okx || !oky {
		return m.fail(n, ErrType, "compare it with something", "a %s and a %s are no operands of %s", l.kind, r.kind, n.Text)
	}
	if n.Text == "&&" {
		return Bool(x && y)
	}
	return Bool(x || y)
}

// comparison compares numbers, dates and booleans as such where one side is one and the other can be read as
// one, else texts: byte by byte for = and <>, or without case if fold is set. Null equals null only, and is
// neither less nor greater than anything.
func comparison(op string, fold bool) func(*machine, *Node, Value, Value) Value {
	return func(m *machine, n *Node, l, r Value) Value {
		if l.kind == KindNull || r.kind == KindNull {
			same := l.kind == r.kind
			return Bool(op == "=" && same || op == "<>" && !same)
		}
		order, ok := 0, true
		switch {
		case l.kind == KindString && r.kind == KindString:
			if fold && strings.EqualFold(l.s, r.s) {
				break
			}
			order = strings.Compare(l.s, r.s)
		case l.kind == KindDate || r.kind == KindDate:
			x, okx := dateOperand(l)
			y, oky := dateOperand(r)
			order, ok = cmp.Compare(x.n, y.n), okx && oky
		case l.kind == KindBool || r.kind == KindBool:
			x, okx := truth(l)
			y, oky := truth(r)
			ok = okx && oky
			if x != y {
				order = -1
				if x {
					order = 1
				}
			}
		case l.kind == KindNumber || r.kind == KindNumber:
			x, okx := m.convert(l, TypeNumber)
			y, oky := m.convert(r, TypeNumber)
			order, ok = cmp.Compare(x.n, y.n), okx && oky
		default:
			order = strings.Compare(l.Text(), r.Text())
		}
		if !ok {
			if op == "=" || op == "<>" {
				return Bool(op == "<>")
			}
			return m.fail(n, ErrType, "", "a %s and a %s cannot be compared with %s", l.kind, r.kind, op)
		}
		switch op {
		case "=":
			return Bool(order == 0)
		case "<>":
			return Bool(order != 0)
		case "<":
			return Bool(order < 0)
		case "<=":
			return Bool(order <= 0)
		case ">":
			return Bool(order > 0)
		}
		return Bool(order >= 0)
	}
}

// dateOperand reads a text as a date where the other operand is one.
func dateOperand(v Value) (Value, bool) {
	if v.kind == KindString {
		return parseDate(v.s)
	}
	return v, v.kind == KindDate
}
