package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
	"go.internal/hybridkit/ldapsync/ldif"
	"go.internal/hybridkit/ldapsync/mapfile"
	"go.internal/hybridkit/ldapsync/syncrules"
)

// Exit codes.
const (
	exitOK       = 0
	exitFindings = 1
	exitError    = 2
)

const usage = `usage: mapexpr COMMAND [flags] OPERANDS

  eval     EXPRESSION [LDIF]     what an expression gives, for every entry
  explain  EXPRESSION [LDIF]     the same, step by step
  lint     RULES                 what will hurt
  describe RULES                 a table of the rules
  import   SCHEMA|EXPORT         a mapping file, and what could not be represented
  diff     BEFORE AFTER LDIF     who would change, and how
  repl     [LDIF]                expressions from the terminal, one a line

RULES, BEFORE and AFTER: a mapping file, a Cloud Sync schema (JSON), Entra Connect sync rules (XML), or the folder
that Get-ADSyncServerConfiguration writes. One operand may be "-" for standard input.
"mapexpr COMMAND -h" lists the flags of a command.
Exit codes: 0 fine, 1 findings, differences or an evaluation that failed, 2 wrong use or input.
`

// tool is one run of the program.
type tool struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	json            bool
	dialect         expr.Dialect
	now             time.Time
	domain          ldapsync.Domain
	params          pairs
	rename          pairs
	out             string
	mapping         string
	class           string
	rule, connector string
	outbound        string
	gc              bool
	limit           int
}

// pairs is a flag NAME=VALUE that may be given several times.
type pairs map[string]string

func (p pairs) String() string { return "" }

// Set takes one pair.
func (p pairs) Set(s string) error {
	name, v, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errors.New("NAME=VALUE is expected")
	}
	p[name] = v
	return nil
}

// errUsage is wrong use that was explained already.
var errUsage = errors.New("wrong use")

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &tool{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, dialect: expr.CloudSync, now: time.Now(), params: pairs{}, rename: pairs{}}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitError
	}
	name := args[0]
	if name == "-h" || name == "-help" || name == "--help" || name == "help" {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	commands := map[string]struct {
		least, most int
		run         func([]string) (int, error)
	}{
		"eval": {1, 2, t.eval}, "explain": {1, 2, t.explain}, "repl": {0, 1, t.repl},
		"lint": {1, 1, t.lint}, "describe": {1, 1, t.describe}, "import": {1, 1, t.imports}, "diff": {3, 3, t.diff},
	}
	cmd, ok := commands[name]
	if !ok {
		fmt.Fprintf(stderr, "mapexpr: unknown command %q\n%s", name, usage)
		return exitError
	}
	fs := flag.NewFlagSet("mapexpr "+name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stderr, "flags of mapexpr %s:\n", name)
		fs.PrintDefaults()
	}
	fs.BoolVar(&t.json, "json", false, "print JSON")
	switch name {
	case "eval", "explain", "repl":
		fs.TextVar(&t.dialect, "dialect", expr.CloudSync, "`dialect` of the expression: cloudsync or connect")
	default:
		fs.StringVar(&t.rule, "rule", "", "of a Cloud Sync schema, only the synchronization rule with this `name` or id")
		fs.StringVar(&t.connector, "connector", "", "of Entra Connect rules, the inbound connector's `name` or id")
		fs.StringVar(&t.outbound, "outbound", "", "of Entra Connect rules, go on to this connector (`name` or id); without it, to the metaverse")
		fs.Var(t.rename, "rename", "call a target attribute otherwise: `NAME=OTHER`; may be repeated")
	}
	switch name {
	case "eval", "explain", "repl", "diff":
		fs.Func("now", "the reference `time`, such as 2026-11-21T09:00:00Z; the clock's if absent", func(s string) (err error) {
			t.now, err = time.Parse(time.RFC3339, s)
			return err
		})
		fs.StringVar(&t.domain.FQDN, "fqdn", "", "DNS `name` of the source domain")
		fs.StringVar(&t.domain.NetBIOS, "netbios", "", "NetBIOS `name` of the source domain")
	}
	if name != "lint" && name != "describe" {
		fs.Var(t.params, "param", "value of a parameter: `NAME=VALUE`, without percent signs; may be repeated")
	}
	switch name {
	case "import":
		fs.StringVar(&t.out, "out", "", "write the mapping file to this `file` instead of standard output")
	case "lint":
		fs.BoolVar(&t.gc, "gc", false, "the source is read through the global catalog")
	case "diff":
		fs.StringVar(&t.mapping, "mapping", "", "`name` of the mapping in both")
		fs.StringVar(&t.class, "class", "user", "`class` of the mapping where no name is given: user or device")
		fs.IntVar(&t.limit, "limit", 20, "objects to list; 0 lists all")
	}
	if err := fs.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitError
	}
	if n := fs.NArg(); n < cmd.least || n > cmd.most {
		fmt.Fprintf(stderr, "mapexpr %s: %d operands; see mapexpr -h. Flags come before operands\n", name, n)
		return exitError
	}
	dashes := 0
	for _, a := range fs.Args() {
		if a == "-" {
			dashes++
		}
	}
	if dashes > 1 {
		fmt.Fprintf(stderr, "mapexpr %s: only one operand can be standard input\n", name)
		return exitError
	}
	code, err := cmd.run(fs.Args())
	if err != nil {
		if !errors.Is(err, errUsage) {
			fmt.Fprintf(stderr, "mapexpr %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "\n  "))
		}
		return exitError
	}
	return code
}

func (t *tool) printJSON(v any) error {
	e := json.NewEncoder(t.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (t *tool) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(t.stdin), nil
	}
	return os.Open(name)
}

// entries reads an LDIF file; without a name there is one entry that has nothing.
func (t *tool) entries(name string) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		if name == "" {
			yield(ldapsync.Object{}, nil)
			return
		}
		f, err := t.open(name)
		if err != nil {
			yield(ldapsync.Object{}, err)
			return
		}
		defer f.Close()
		n := 0
		for o, err := range ldif.Records(f, ldif.Config{}) {
			if err == nil {
				err = t.ctx.Err()
			}
			n++
			if !yield(o, err) || err != nil {
				return
			}
		}
		if n == 0 {
			yield(ldapsync.Object{}, fmt.Errorf("%s holds no entries", name))
		}
	}
}

// load reads rules of any kind. imp is nil for a mapping file.
func (t *tool) load(name string) (f *mapfile.File, imp *syncrules.Import, err error) {
	connect := syncrules.ConnectOptions{Connector: t.connector, Outbound: t.outbound, Parameters: t.params, Rename: t.rename}
	if st, err := os.Stat(name); name != "-" && err == nil && st.IsDir() {
		if imp, err = syncrules.ConnectFolder(os.DirFS(name), connect); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		return imp.File, imp, nil
	}
	r, err := t.open(name)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, syncrules.MaxBytes+1))
	if err != nil {
		return nil, nil, err
	}
	head := bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	switch {
	case bytes.HasPrefix(head, []byte("<")), bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		imp, err = syncrules.Connect(bytes.NewReader(b), connect)
	case bytes.Contains(b, []byte(`"synchronizationRules"`)):
		imp, err = syncrules.CloudSync(bytes.NewReader(b), syncrules.CloudSyncOptions{Rule: t.rule, Rename: t.rename})
	default:
		f, err = mapfile.Read(bytes.NewReader(b))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if imp != nil {
		f = imp.File
	}
	return f, imp, nil
}
