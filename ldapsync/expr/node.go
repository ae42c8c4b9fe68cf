package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// NodeKind is what a Node is.
type NodeKind uint8

// The kinds of nodes. The zero NodeKind is none.
const (
	NodeString  NodeKind = iota + 1 // "text"; Text is the text without quotes and escapes
	NodeNumber                      // 42, -1 or &HFF; Num is the number
	NodeName                        // a constant: True, False, NULL, CRLF, IgnoreThisFlow, vbTextCompare, UTF8, …
	NodeAttr                        // [name]
	NodeParam                       // %name%, Entra Connect only
	NodeVar                         // $name, Entra Connect only; Text is without the dollar sign
	NodeCall                        // Text(Args…)
	NodeBinary                      // Args[0] Text Args[1]
	NodeOmitted                     // an argument left out: f(a, , b)
)

var nodeKindNames = [...]string{"", "string", "number", "name", "attribute", "parameter", "variable", "call", "operator", "omitted"}

// String returns the name of the kind, such as "attribute".
func (k NodeKind) String() string {
	if k == 0 || int(k) >= len(nodeKindNames) {
		return fmt.Sprintf("NodeKind(%d)", uint8(k))
	}
	return nodeKindNames[k]
}

// A Node is a part of an expression. Trees that Parse returns must not be modified; to make another expression
// build a tree and give it to New.
type Node struct {
	Kind NodeKind
	Text string  // the string, name or operator
	Num  int64   // of a NodeNumber
	Hex  bool    // a NodeNumber that is written in hexadecimal
	Args []*Node // of a call and an operator

	Pos, End int // byte offsets in the source: the node is source[Pos:End]
}

// Walk calls f for n and, where f returns true, for the nodes below, in source order.
func (n *Node) Walk(f func(*Node) bool) {
	if n == nil || !f(n) {
		return
	}
	for _, a := range n.Args {
		a.Walk(f)
	}
}

// An Expr is an expression that was parsed: its syntax is right, its functions may not be. It must not be
// modified and may be used concurrently.
type Expr struct {
	Dialect Dialect
	Source  string
	Root    *Node
}

// String returns the canonical text: one space after each comma, one around operators, parentheses only where
// they matter, decimal numbers without and hexadecimal ones with capital digits. It parses to the same tree.
func (e *Expr) String() string {
	var b strings.Builder
	printNode(&b, e.Root)
	return b.String()
}

// Attributes returns the attributes the expression reads, in order of first use, including those ImportedValue
// names. Names that differ in case are different.
func (e *Expr) Attributes() []string { return e.names(NodeAttr) }

// Parameters returns the parameters the expression reads, without percent signs, in order of first use.
func (e *Expr) Parameters() []string { return e.names(NodeParam) }

func (e *Expr) names(kind NodeKind) []string {
	var out []string
	e.Root.Walk(func(n *Node) bool {
		name := ""
		switch {
		case n.Kind == kind:
			name = n.Text
		case kind == NodeAttr && isImported(n):
			name = n.Args[0].Text
		}
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
		return true
	})
	return out
}

func isImported(n *Node) bool {
	return n.Kind == NodeCall && n.Text == "ImportedValue" && len(n.Args) == 1 && n.Args[0].Kind == NodeString
}

// Deterministic says whether the expression gives the same value for the same attributes and parameters: it
// calls neither a clock, nor a source of randomness, nor the target.
func (e *Expr) Deterministic() bool {
	ok := true
	e.Root.Walk(func(n *Node) bool {
		if f := lookupFunc(e.Dialect, n); f != nil && f.impure {
			ok = false
		}
		return ok
	})
	return ok
}

// New makes an Expr of a tree, such as one built from Microsoft Graph's attributeMappingSource. The result's
// Source is the canonical text and its Root a new tree with positions. A tree with no text in the dialect is an
// error.
func New(d Dialect, root *Node) (*Expr, error) {
	if !d.known() {
		return nil, fmt.Errorf("expr: %v has no expressions", d)
	}
	if err := checkTree(root, 0, new(int)); err != nil {
		return nil, err
	}
	var b strings.Builder
	printNode(&b, root)
	e, err := Parse(d, b.String())
	if err != nil {
		return nil, err
	}
	if !sameTree(e.Root, root) {
		return nil, fmt.Errorf("expr: the tree of %q has no text in the %s dialect", clip(b.String()), d.title())
	}
	return e, nil
}

func checkTree(n *Node, depth int, count *int) error {
	*count++
	if n == nil {
		return fmt.Errorf("expr: the tree has a nil node")
	}
	if depth > maxDepth || *count > maxSource {
		return fmt.Errorf("expr: the tree is deeper than %d or has more than %d nodes", maxDepth, maxSource)
	}
	if n.Kind == NodeBinary && len(n.Args) != 2 {
		return fmt.Errorf("expr: operator %q has %d operands", clip(n.Text), len(n.Args))
	}
	for _, a := range n.Args {
		if err := checkTree(a, depth+1, count); err != nil {
			return err
		}
	}
	return nil
}

// sameTree compares without positions.
func sameTree(a, b *Node) bool {
	return a.Kind == b.Kind && a.Text == b.Text && a.Num == b.Num && a.Hex == b.Hex && slices.EqualFunc(a.Args, b.Args, sameTree)
}

func printNode(b *strings.Builder, n *Node) {
	switch n.Kind {
	case NodeString:
		printString(b, n.Text)
	case NodeNumber:
		if n.Hex && n.Num >= 0 {
			b.WriteString("&H" + strings.ToUpper(strconv.FormatInt(n.Num, 16)))
		} else {
			b.WriteString(strconv.FormatInt(n.Num, 10))
		}
	case NodeAttr:
		b.WriteString("[" + n.Text + "]")
	case NodeParam:
		b.WriteString("%" + n.Text + "%")
	case NodeVar:
		b.WriteString("$" + n.Text)
	case NodeCall:
		b.WriteString(n.Text + "(")
		for i, a := range n.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			printNode(b, a)
		}
		b.WriteString(")")
	case NodeBinary:
		// Operators group to the left; && and || come last.
		printOperand(b, n.Args[0], n.Args[0].Kind == NodeBinary && logical(n.Args[0].Text) && !logical(n.Text))
		b.WriteString(" " + n.Text + " ")
		printOperand(b, n.Args[1], n.Args[1].Kind == NodeBinary && (logical(n.Args[1].Text) || !logical(n.Text)))
	default:
		b.WriteString(n.Text)
	}
}

func printString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}

func printOperand(b *strings.Builder, n *Node, parens bool) {
	if parens {
		b.WriteByte('(')
	}
	printNode(b, n)
	if parens {
		b.WriteByte(')')
	}
}
