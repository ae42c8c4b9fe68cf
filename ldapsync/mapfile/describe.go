package mapfile

import (
	"fmt"
	"io"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// A Row describes one rule of a mapping for people.
type Row struct {
	To      string   `json:"to"`
	From    []string `json:"from"`              // source attributes and parameters
	Rule    string   `json:"rule"`              // its name
	Kind    string   `json:"kind"`              // copy, constant, expression, function, skip; go for a rule of Go code
	Dialect string   `json:"dialect,omitempty"` // of Text, for an expression
	Text    string   `json:"text,omitempty"`    // the expression; for other kinds what the rule does
	When    string   `json:"when,omitempty"`
	Default []string `json:"default,omitempty"`
	Null    Null     `json:"null,omitempty"`
	Once    bool     `json:"once,omitempty"`
	Merge   bool     `json:"merge,omitempty"`
	Source  string   `json:"source,omitempty"` // the document the rule rests on
}

// Describe makes a row of each rule of any mapping. What only a file knows is in Set.Rows.
func Describe(m ldapsync.Mapping) []Row {
	rows := make([]Row, 0, len(m))
	for _, r := range m {
		from := r.From
		if from == nil {
			from = []string{}
		}
		rows = append(rows, Row{To: r.To, From: from, Rule: r.Name(), Kind: "go", Text: r.Doc, Once: r.Once, Source: r.Source})
	}
	return rows
}

func (r *Rule) row(s *Section, built ldapsync.Rule) Row {
	row := Describe(ldapsync.Mapping{built})[0]
	row.Default, row.Null, row.Merge = r.Default, r.Null, r.Merge
	switch {
	case r.Copy != "":
		row.Kind, row.Text = "copy", "["+r.Copy+"]"
	case r.Constant != nil:
		row.Kind, row.Text = "constant", fmt.Sprintf("%q", strings.Join(r.Constant, "|"))
	case r.Skip != "":
		row.Kind, row.Text = "skip", r.Skip
	case r.Function != "":
		row.Kind, row.Text = "function", r.Function+"("+strings.Join(r.Args, ", ")+")"
	default:
		row.Kind, row.Text, row.Dialect = "expression", r.Expression, r.dialect(s).String()
	}
	row.When = groupsText(r.When)
	return row
}

func groupsText(gs []Group) string {
	var or []string
	for _, g := range gs {
		var and []string
		for _, c := range g {
			and = append(and, c.String())
		}
		or = append(or, strings.Join(and, " and "))
	}
	return strings.Join(or, " or ")
}

// WriteMarkdown writes the rows as a table.
func WriteMarkdown(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString("| target | sources | rule | kind | what | when |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		what := cell(r.Text)
		if r.Kind == "expression" || r.Kind == "copy" {
			what = code(r.Text)
		}
		for _, add := range []struct {
			on   bool
			text string
		}{{r.Default != nil, "default " + code(strings.Join(r.Default, "|"))}, {r.Once, "once"}, {r.Merge, "merged"}, {r.Null != "", "null: " + string(r.Null)}} {
			if add.on {
				what += "; " + add.text
			}
		}
		kind := r.Kind
		if r.Dialect != "" {
			kind += " (" + r.Dialect + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", cell(r.To), cell(strings.Join(r.From, ", ")), cell(r.Rule), kind, what, cell(r.When))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell makes text safe in a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ", "\r", " ", "*", `\*`, "_", `\_`, "`", "\\`").Replace(s)
}

// code makes text a code span, with a fence longer than any in it.
func code(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	s = strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ").Replace(s)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}
