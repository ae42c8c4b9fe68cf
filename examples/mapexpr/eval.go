package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
	"go.internal/hybridkit/ldapsync/mapfile"
)

// answer is what -json prints for an entry.
type answer struct {
	DN     string   `json:"dn,omitempty"`
	Kind   string   `json:"kind,omitempty"`
	Values []string `json:"values,omitempty"`
	Result string   `json:"result,omitempty"` // what a rule would do with its target
	Error  string   `json:"error,omitempty"`
	Steps  []step   `json:"steps,omitempty"`
}

type step struct {
	Depth int    `json:"depth"`
	Text  string `json:"text"`
	Value string `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func (t *tool) compile(text string) (*expr.Program, error) {
	e, err := expr.Parse(t.dialect, text)
	if err != nil {
		return nil, err
	}
	return expr.Compile(e, expr.Options{})
}

func (t *tool) env(o ldapsync.Object) *expr.Env {
	params := maps.Clone(map[string]string(t.params))
	for name, v := range map[string]string{"Domain.FQDN": t.domain.FQDN, "Domain.Netbios": t.domain.NetBIOS} {
		if v != "" {
			params[name] = v
		}
	}
	return &expr.Env{Attrs: mapfile.ObjectAttributes(o), Params: params, Now: t.now}
}

func (t *tool) eval(args []string) (int, error)    { return t.each(args, false) }
func (t *tool) explain(args []string) (int, error) { return t.each(args, true) }

// each evaluates the expression for every entry.
func (t *tool) each(args []string, explain bool) (int, error) {
	text := args[0]
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(t.stdin, 1<<20))
		if err != nil {
			return exitError, err
		}
		text = strings.TrimSpace(string(b))
	}
	p, err := t.compile(text)
	if err != nil {
		return exitError, err
	}
	file := ""
	if len(args) > 1 {
		file = args[1]
	}
	code := exitOK
	for o, err := range t.entries(file) {
		if err != nil {
			return exitError, err
		}
		ok, err := t.show(p, o, explain)
		if err != nil {
			return exitError, err
		}
		if !ok {
			code = exitFindings
		}
	}
	return code, nil
}

// show evaluates for one entry. ok is false where the evaluation failed; err is about printing.
func (t *tool) show(p *expr.Program, o ldapsync.Object, explain bool) (ok bool, err error) {
	a := answer{DN: o.DN.String()}
	var v expr.Value
	var steps []expr.Step
	var failed error
	if explain {
		steps, v, failed = p.Explain(t.ctx, t.env(o))
	} else {
		v, failed = p.Eval(t.ctx, t.env(o))
	}
	prefix := ""
	if a.DN != "" {
		prefix = a.DN + ": "
	}
	if t.json {
		for _, s := range steps {
			st := step{Depth: s.Depth, Text: s.Text}
			if s.Err != nil {
				st.Error = s.Err.Error()
			} else {
				st.Value = s.Value.String()
			}
			a.Steps = append(a.Steps, st)
		}
		if failed != nil {
			a.Error = failed.Error()
		} else {
			a.Kind, a.Result = v.Kind().String(), mapfile.Result(v).Kind.String()
			switch {
			case v.Redacted():
				a.Values = []string{v.String()}
			case v.Kind() == expr.KindBinary:
				a.Values = []string{v.String()}
			default:
				a.Values = v.Texts()
			}
		}
		return failed == nil, t.printJSON(a)
	}
	if explain {
		if a.DN != "" {
			fmt.Fprintln(t.stdout, a.DN)
		}
		for _, s := range steps {
			what := "= " + s.Value.String()
			if s.Err != nil {
				what = "fails: " + strings.ReplaceAll(s.Err.Error(), "\n", " ")
			}
			fmt.Fprintf(t.stdout, "  %s%s  %s\n", strings.Repeat("  ", s.Depth), s.Text, what)
		}
		prefix = "  "
	}
	if failed != nil {
		_, err = fmt.Fprintf(t.stdout, "%sfails: %v\n", prefix, failed)
		return false, err
	}
	_, err = fmt.Fprintf(t.stdout, "%s%v\n", prefix, v)
	return true, err
}

const replHelp = `An expression a line. The commands are
  :explain EXPRESSION    step by step
  :lint EXPRESSION       what will hurt
  :dialect NAME          cloudsync or connect
  :entry N               use the N-th entry of the LDIF file
  :functions [PREFIX]    the functions of the dialect
  :quit
`

// repl reads lines from a terminal, with editing and history, or from a pipe.
func (t *tool) repl(args []string) (int, error) {
	objects := []ldapsync.Object{{}}
	if len(args) > 0 {
		if args[0] == "-" {
			return exitError, errors.New("expressions come from standard input; name a file")
		}
		objects = nil
		for o, err := range t.entries(args[0]) {
			if err != nil {
				return exitError, err
			}
			if objects = append(objects, o); len(objects) > 100_000 {
				return exitError, errors.New("more than 100000 entries; cut the file down")
			}
		}
	}
	var next func() (string, error)
	if f, ok := t.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		old, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			return exitError, err
		}
		defer func() { _ = term.Restore(int(f.Fd()), old) }()
		tt := term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{f, t.stdout}, t.dialect.String()+"> ")
		t.stdout = tt
		fmt.Fprintln(tt, "An expression a line; :help lists the commands, Ctrl-D ends.")
		next = func() (string, error) {
			tt.SetPrompt(t.dialect.String() + "> ")
			return tt.ReadLine()
		}
	} else {
		sc := bufio.NewScanner(t.stdin)
		sc.Buffer(nil, 1<<20)
		next = func() (string, error) {
			if sc.Scan() {
				return sc.Text(), nil
			}
			if sc.Err() != nil {
				return "", sc.Err()
			}
			return "", io.EOF
		}
	}
	at, code := 0, exitOK
	for t.ctx.Err() == nil {
		line, err := next()
		if errors.Is(err, io.EOF) {
			return code, nil
		}
		if err != nil {
			return exitError, err
		}
		cmd, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case cmd == "":
		case cmd == ":quit" || cmd == ":q":
			return code, nil
		case cmd == ":help":
			fmt.Fprint(t.stdout, replHelp)
		case cmd == ":dialect":
			d, err := expr.ParseDialect(rest)
			if err != nil {
				fmt.Fprintln(t.stdout, err)
				continue
			}
			t.dialect = d
		case cmd == ":entry":
			n := 0
			if _, err := fmt.Sscan(rest, &n); err != nil || n < 1 || n > len(objects) {
				fmt.Fprintf(t.stdout, "there are entries 1 to %d\n", len(objects))
				continue
			}
			at = n - 1
			fmt.Fprintln(t.stdout, objects[at].DN)
		case cmd == ":functions":
			for _, f := range expr.Functions(t.dialect) {
				if strings.HasPrefix(strings.ToLower(f.Name), strings.ToLower(rest)) {
					fmt.Fprintln(t.stdout, f.Signature())
				}
			}
		case cmd == ":lint":
			e, err := expr.Parse(t.dialect, rest)
			if err != nil {
				fmt.Fprintln(t.stdout, err)
				continue
			}
			for _, f := range expr.Lint(e, expr.LintOptions{Schema: expr.ADSchema()}) {
				fmt.Fprintln(t.stdout, f)
			}
		case strings.HasPrefix(cmd, ":") && cmd != ":explain":
			fmt.Fprintf(t.stdout, "there is no command %s; :help lists them\n", cmd)
		default:
			text := line
			if cmd == ":explain" {
				text = rest
			}
			p, err := t.compile(text)
			ok := false
			if err != nil {
				fmt.Fprintln(t.stdout, err)
			} else if ok, err = t.show(p, objects[at], cmd == ":explain"); err != nil {
				return exitError, err
			}
			if !ok {
				code = exitFindings
			}
		}
	}
	return exitError, t.ctx.Err()
}

func sorted(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
