package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/regconv"
)

// Exit codes.
const (
	exitOK    = 0
	exitDrift = 1
	exitError = 2
)

// An app is one run of the program.
type app struct {
	ctx    context.Context
	stdin  io.Reader
	out    *bufio.Writer
	errOut io.Writer
	flags  *flag.FlagSet

	format   string
	page     string
	root     string
	tolerant bool
	json     bool
	output   string
	schema   string
	params   registry.Params
	stdinWas string // what took standard input
	together bool
	eff      effectiveFlags

	to        string
	as        string
	remove    bool
	namespace string
	gpoName   string
	domain    string
	backup    bool
}

type command struct {
	name, args, what string
	run              func(*app, []string) (int, error)
	flags            func(*app)
}

func commands() []command {
	return []command{
		{"check", "-schema NAME|FILE [-param k=v]... [FILE...]", "what differs from a schema", (*app).check, (*app).checkFlags},
		{"dump", "FILE", "every value of a file", (*app).dump, (*app).inputFlags},
		{"diff", "A B", "what turns A into B", (*app).diff, (*app).inputFlags},
		{"convert", "-to FORMAT [FILE]", "write a file in another format", (*app).convert, (*app).convertFlags},
		{"emit", "-schema NAME|FILE [-param k=v]... -as FORM", "what to deploy", (*app).emit, (*app).emitFlags},
		{"effective", "-sysvol DIR -links FILE -ou DN", "which Group Policy wins for each value", (*app).effective, (*app).effectiveFlags},
		{"script", "-schema NAME|FILE", "a PowerShell script that collects the values of a schema", (*app).script, (*app).schemaFlags},
		{"schemas", "", "the schemas and their parameters", (*app).schemas, func(*app) {}},
	}
}

// errUsage marks errors after which the flags of the command are worth showing.
var errUsage = errors.New("usage")

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitError
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return runCommand(ctx, c, args[1:], stdin, stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "regcheck: no command %q\n", args[0])
	usage(stderr)
	return exitError
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: regcheck COMMAND [flags] [FILE...]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %-50s %s\n", c.name, c.args, c.what)
	}
	fmt.Fprint(w, "\nregcheck COMMAND -h shows the flags of a command. FILE may be - for standard input.\n"+
		"Exit status: 0 no drift, 1 drift or difference, 2 wrong use or input that could not be read.\n")
}

func runCommand(ctx context.Context, c command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{ctx: ctx, stdin: stdin, out: bufio.NewWriter(stdout), errOut: stderr, params: registry.Params{}}
	a.flags = flag.NewFlagSet("regcheck "+c.name, flag.ContinueOnError)
	a.flags.SetOutput(stderr)
	a.flags.Usage = func() {
		fmt.Fprintf(a.flags.Output(), "usage: regcheck %s %s\n%s\n", c.name, c.args, c.what)
		a.flags.PrintDefaults()
	}
	c.flags(a)
	for _, arg := range args {
		if arg == "-h" || arg == "-help" || arg == "--help" {
			a.flags.SetOutput(stdout)
		}
		if arg == "--" || !strings.HasPrefix(arg, "-") {
			break
		}
	}
	// Flags may stand behind files too; parsing stops at the first file, so it is repeated.
	var files []string
	for {
		if err := a.flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return exitOK
			}
			return exitError
		}
		rest := a.flags.Args()
		if len(rest) == 0 {
			break
		}
		if used := len(args) - len(rest); used > 0 && args[used-1] == "--" {
			files = append(files, rest...)
			break
		}
		files, args = append(files, rest[0]), rest[1:]
	}
	code, err := c.run(a, files)
	if e := a.out.Flush(); err == nil {
		err = e
	}
	if err != nil {
		fmt.Fprintf(stderr, "regcheck %s: %s\n", c.name, strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
		if errors.Is(err, errUsage) {
			fmt.Fprintf(stderr, "regcheck %s -h shows the flags\n", c.name)
		}
		return exitError
	}
	return code
}

func (a *app) inputFlags() {
	a.flags.StringVar(&a.format, "format", "", "format of the input; default: detected")
	a.flags.StringVar(&a.page, "codepage", "", "code page of 8-bit files, such as windows-1252, oem850 or utf-8")
	a.flags.StringVar(&a.root, "root", "", "`key` where an offline hive belongs, such as HKLM\\SOFTWARE; default: from its name and content")
	a.flags.BoolVar(&a.tolerant, "tolerant", false, "report what breaks the format and go on instead of giving up")
	a.flags.BoolVar(&a.json, "json", false, "print JSON")
}

func (a *app) schemaFlags() {
	a.flags.StringVar(&a.schema, "schema", "", "name of a schema (see regcheck schemas) or a JSON `file` with one")
	a.flags.Func("param", "parameter `name=value` of the schema, such as tenant-id=…; may be repeated", func(s string) error {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return errors.New("a parameter is written name=value")
		}
		if _, twice := a.params[k]; twice {
			return fmt.Errorf("parameter %s is given twice", k)
		}
		a.params[k] = v
		return nil
	})
}

// getSchema returns the schema that the flags name. A name with a dot or a separator is a file.
func (a *app) getSchema() (registry.Schema, error) {
	if a.schema == "" {
		return registry.Schema{}, usagef("-schema is missing; there are %s", strings.Join(registry.Names(), ", "))
	}
	if a.schema != "-" && !strings.ContainsAny(a.schema, `./\`) {
		s, err := registry.ByName(a.schema, a.params)
		if err != nil {
			return s, usagef("%s", strings.TrimPrefix(err.Error(), "registry: "))
		}
		return s, nil
	}
	if len(a.params) > 0 {
		return registry.Schema{}, usagef("parameters of a schema file belong in the file")
	}
	r, err := a.open(a.schema)
	if err != nil {
		return registry.Schema{}, err
	}
	defer r.Close()
	s, err := registry.ParseSchema(r)
	if err != nil {
		return s, fmt.Errorf("%s: %w", a.schema, err)
	}
	if s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(a.schema), filepath.Ext(a.schema))
	}
	return s, nil
}

// open opens a file or, for "-", standard input, which can be used once.
func (a *app) open(name string) (io.ReadCloser, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		if st, err := f.Stat(); err == nil && st.IsDir() {
			f.Close()
			return nil, fmt.Errorf("%s is a folder", name)
		}
		return f, nil
	}
	if a.stdinWas != "" {
		return nil, usagef("standard input can be read once only")
	}
	a.stdinWas = name
	return io.NopCloser(a.stdin), nil
}

// options are the decoding options of one file.
func (a *app) options(name string) (regconv.Options, error) {
	o := regconv.Options{Name: name, Format: regconv.Format(a.format), Tolerant: a.tolerant}
	if a.page != "" {
		page, ok := codepage.ByName(strings.ToLower(a.page))
		if !ok {
			return o, usagef("no code page %q", a.page)
		}
		o.CodePage = page
	}
	if a.root != "" {
		var err error
		if o.Root, err = registry.ParsePath(a.root); err != nil {
			return o, usagef("-root: %v", err)
		}
	}
	// The transaction logs of an offline hive lie beside it.
	for _, suffix := range []string{".LOG1", ".LOG2"} {
		if name == "-" {
			break
		}
		if b, err := readSmall(name + suffix); err == nil && len(b) > 0 {
			o.Logs = append(o.Logs, b)
		}
	}
	return o, nil
}

func readSmall(name string) ([]byte, error) {
	const limit = 512 << 20
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// create opens the -o file, or returns standard output.
func (a *app) create() (io.Writer, func() error, error) {
	if a.output == "" || a.output == "-" {
		return a.out, func() error { return nil }, nil
	}
	f, err := os.Create(a.output)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}
