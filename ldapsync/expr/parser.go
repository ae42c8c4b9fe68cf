package expr

import (
	"fmt"
	"math"
	"slices"
)

// constants are the names that stand for values, with the dialects they belong to.
var constants = []struct {
	name    string
	connect bool // Entra Connect only
}{
	{"True", false}, {"False", false},
	{"NULL", true}, {"CRLF", true}, {"IgnoreThisFlow", true}, {"AuthoritativeNull", true},
	{"vbTextCompare", false}, {"vbBinaryCompare", false},
	{"UTF8", false}, {"ASCII", false}, {"Unicode", false},
	{"CaseInsensitive", false}, {"CaseSensitive", false},
}

type parser struct {
	lexer
	tok   token
	depth int
}

// Parse reads an expression. The error is an *Error of the condition ErrSyntax with the position of the first
// mistake. Names of functions, their arguments and types are Compile's business. Expressions of more than
// 64 KiB or nested deeper than 100 are errors.
func Parse(d Dialect, src string) (*Expr, error) {
	if !d.known() {
		return nil, fmt.Errorf("expr: %v has no expressions", d)
	}
	if len(src) > maxSource {
		return nil, newError(src[:100], 0, ErrSyntax, "", "the expression has %d bytes, more than %d", len(src), maxSource)
	}
	p := &parser{lexer: lexer{src: src, d: d}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEnd {
		return nil, p.fail(0, "", "the expression is empty")
	}
	root, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		hint := ""
		if p.tok.text == ")" {
			hint = "remove it, or add the ( it closes"
		}
		return nil, p.fail(p.tok.pos, hint, "unexpected %s after the expression", p.tok.describe())
	}
	return &Expr{Dialect: d, Source: src, Root: root}, nil
}

func (t token) describe() string {
	switch t.kind {
	case tokEnd:
		return "end"
	case tokString:
		return "string"
	case tokNumber:
		return "number"
	case tokAttr:
		return "attribute [" + clip(t.text) + "]"
	case tokParam:
		return "parameter"
	case tokVar:
		return "variable $" + clip(t.text)
	}
	return fmt.Sprintf("%q", clip(t.text))
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

func (p *parser) is(kind tokenKind, text string) bool {
	return p.tok.kind == kind && p.tok.text == text
}

// logical says whether the operator is && or ||.
func logical(op string) bool { return op == "&&" || op == "||" }

// expression reads comparisons and the like joined by && and ||. Microsoft documents one priority for all
// operators of Entra Connect, evaluated left to right ("Declarative provisioning expressions", Operators). Read
// literally that makes a = "x" || b = "y" mean ((a = "x") || b) = "y", which no rule means and the rules Entra
// Connect installs would fail by. So && and || come last here, and all others have one priority. For Cloud Sync
// nothing is documented.
func (p *parser) expression() (*Node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.tok.pos, "", "the expression is nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	return p.chain(true, func() (*Node, error) { return p.chain(false, p.operand) })
}

// chain reads operands joined by operators of one priority, which group to the left.
func (p *parser) chain(logic bool, operand func() (*Node, error)) (*Node, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for n := 1; p.tok.kind == tokOp; n++ {
		op := p.tok
		if err := p.allowed(op); err != nil {
			return nil, err
		}
		if logical(op.text) != logic {
			break
		}
		if n > maxDepth {
			return nil, p.fail(op.pos, "", "more than %d operators in a row", maxDepth)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = &Node{Kind: NodeBinary, Text: op.text, Args: []*Node{left, right}, Pos: left.Pos, End: right.End}
	}
	return left, nil
}

// allowed says whether the dialect has the operator.
func (p *parser) allowed(op token) error {
	if p.d == Connect || slices.Contains([]string{"=", "<>", "<", "<=", ">", ">=", "&"}, op.text) {
		return nil
	}
	hint := ""
	switch op.text {
	case "&&":
		hint = "nest IIF in the second argument of IIF"
	case "||":
		hint = "nest IIF in the third argument of IIF"
	}
	return p.fail(op.pos, hint, "the operator %s exists only in the Entra Connect dialect", op.text)
}

func (p *parser) operand() (*Node, error) {
	t := p.tok
	leaf := func(k NodeKind) (*Node, error) {
		n := &Node{Kind: k, Text: t.text, Num: t.num, Hex: t.hex, Pos: t.pos, End: t.end}
		return n, p.advance()
	}
	switch t.kind {
	case tokString:
		return leaf(NodeString)
	case tokNumber:
		return leaf(NodeNumber)
	case tokAttr:
		return leaf(NodeAttr)
	case tokParam:
		return leaf(NodeParam)
	case tokVar:
		return leaf(NodeVar)
	case tokName:
		return p.named()
	case tokOp:
		if t.text == "-" {
			return p.negative()
		}
	case tokPunct:
		if t.text == "(" {
			return p.parenthesis()
		}
	}
	return nil, p.fail(t.pos, "", "a value is missing before the %s", t.describe())
}

func (p *parser) negative() (*Node, error) {
	minus := p.tok
	// The smallest number has no positive counterpart to negate.
	if rest := p.src[p.i:]; len(rest) >= 19 && rest[:19] == "9223372036854775808" && (len(rest) == 19 || !isWord(rest[19]) && rest[19] != '.') {
		p.i += 19
		n := &Node{Kind: NodeNumber, Num: math.MinInt64, Pos: minus.pos, End: p.i}
		return n, p.advance()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind != tokNumber || p.tok.hex {
		return nil, p.fail(minus.pos, "write a number after it, or 0 before it", "a minus sign does not begin a number")
	}
	n := &Node{Kind: NodeNumber, Num: -p.tok.num, Pos: minus.pos, End: p.tok.end}
	return n, p.advance()
}

func (p *parser) parenthesis() (*Node, error) {
	open := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if !p.is(tokPunct, ")") {
		_, col := position(p.src, open.pos)
		return nil, p.fail(p.tok.pos, "write )", "unexpected %s; the parenthesis of column %d is open", p.tok.describe(), col)
	}
	return n, p.advance()
}

func (p *parser) named() (*Node, error) {
	name := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.is(tokPunct, "(") {
		for _, c := range constants {
			if c.name == name.text && !(c.connect && p.d == CloudSync) {
				return &Node{Kind: NodeName, Text: name.text, Pos: name.pos, End: name.end}, nil
			}
		}
		return nil, p.unknownName(name)
	}
	n := &Node{Kind: NodeCall, Text: name.text, Pos: name.pos}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.is(tokPunct, ")") {
		n.End = p.tok.end
		return n, p.advance()
	}
	for {
		if p.is(tokPunct, ",") || p.is(tokPunct, ")") {
			n.Args = append(n.Args, &Node{Kind: NodeOmitted, Pos: p.tok.pos, End: p.tok.pos})
		} else {
			a, err := p.expression()
			if err != nil {
				return nil, err
			}
			n.Args = append(n.Args, a)
		}
		if p.is(tokPunct, ")") {
			n.End = p.tok.end
			return n, p.advance()
		}
		if !p.is(tokPunct, ",") {
			return nil, p.fail(p.tok.pos, "write a comma or )", "unexpected %s in the arguments of %s", p.tok.describe(), clip(n.Text))
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) unknownName(name token) error {
	var names []string
	for _, c := range constants {
		if c.name == name.text {
			hint := ""
			switch name.text {
			case "NULL":
				hint = "leave the argument out"
			case "IgnoreThisFlow":
				hint = "use IgnoreFlowIfNullOrEmpty"
			}
			return p.fail(name.pos, hint, "the constant %s exists only in the Entra Connect dialect", name.text)
		}
		if !c.connect || p.d == Connect {
			names = append(names, c.name)
		}
	}
	hint := fmt.Sprintf("write [%s] for an attribute and %q for a text", clip(name.text), clip(name.text))
	if near := nearest(name.text, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if f := nearest(name.text, functionNames(p.d)); f == name.text {
		hint = "write " + f + "( and its arguments"
	}
	return p.fail(name.pos, hint, "unknown name %s", clip(name.text))
}
