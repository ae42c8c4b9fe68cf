package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cmlog"
	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regconv"
)

const (
	exitOK     = 0
	exitErrors = 1
	exitUsage  = 2
)

// maxFile bounds a single file; CoManagementHandler.log rolls over at a few megabytes.
const maxFile = 256 << 20

type app struct {
	asJSON                         bool
	html, csv                      string
	tenantID, tenantName, want, at string
	devices                        int
	title                          string
	stdout, stderr                 io.Writer
	tick                           *progress
	est                            *estate
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, est: newEstate()}
	demo := len(args) > 0 && args[0] == "demo"
	if demo {
		args = args[1:]
	}
	f := flag.NewFlagSet("estate", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&a.asJSON, "json", false, "print the summary as one JSON document")
	f.StringVar(&a.html, "html", "", "write one page of HTML to `file`")
	f.StringVar(&a.csv, "csv", "", "write a line for each device to `file`")
	f.StringVar(&a.title, "title", "Estate", "`title` of the page")
	f.StringVar(&a.tenantID, "tenant", "", "wanted tenant `id`")
	f.StringVar(&a.tenantName, "tenant-name", "", "wanted tenant `name`, for CDJ values")
	f.StringVar(&a.want, "want", "", "wanted join `state`: hybrid, entra, domain, registered, drs or none")
	f.StringVar(&a.at, "at", "", "`time` of captures that print no clock (RFC 3339); else when their file was changed")
	f.IntVar(&a.devices, "devices", 0, "demo: repeat the sample until there are `N` devices")
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: estate demo [flags]\n       estate [flags] FOLDER...\n\nSums up dsregcmd output, registry exports, CoManagementHandler.log and pages of Graph of many devices.\n\nflags:")
		f.PrintDefaults()
		fmt.Fprintln(stderr, "\nexit status: 0 no device has an error, 1 one has, 2 wrong use or something could not be read")
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	code, err := a.run(ctx, demo, f.Args())
	a.tick.clear()
	if err != nil {
		fmt.Fprintln(stderr, "estate:", err)
		return exitUsage
	}
	return code
}

func (a *app) run(ctx context.Context, demo bool, folders []string) (int, error) {
	if err := a.options(demo, folders); err != nil {
		return 0, err
	}
	a.tick = newProgress(a.stderr)
	switch {
	case demo:
		if err := a.demo(ctx); err != nil {
			return 0, err
		}
	default:
		for _, dir := range folders {
			info, err := os.Stat(dir)
			if err == nil && !info.IsDir() {
				err = fmt.Errorf("%s is no folder", dir)
			}
			if err == nil {
				err = a.walk(ctx, os.DirFS(dir), dir)
			}
			if err != nil {
				return 0, err
			}
		}
	}
	if len(a.est.devices) == 0 {
		if a.est.failures > 0 {
			return 0, fmt.Errorf("nothing could be read; %s: %s", a.est.failed[0].File, a.est.failed[0].Error)
		}
		return 0, errors.New("no file that says something about a device")
	}
	list := a.est.sorted()
	s := a.est.summary(list)
	for _, out := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{a.csv, func(w io.Writer) error { return a.est.writeCSV(w, list) }},
		{a.html, func(w io.Writer) error { return a.est.writePage(w, a.title, list, s) }},
	} {
		if out.name == "" {
			continue
		}
		if err := writeFile(out.name, out.write); err != nil {
			return 0, err
		}
	}
	w := bufio.NewWriter(a.stdout)
	var err error
	a.tick.clear()
	if a.asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		err = e.Encode(s)
	} else {
		s.print(w)
	}
	switch err = errors.Join(err, w.Flush()); {
	case err != nil:
		return 0, err
	case a.est.failures > 0:
		return exitUsage, nil
	case s.WithErrors > 0:
		return exitErrors, nil
	}
	return exitOK, nil
}

func (a *app) options(demo bool, folders []string) error {
	switch {
	case demo && len(folders) > 0:
		return errors.New("demo takes no folder")
	case !demo && len(folders) == 0:
		return errors.New("no folder; see -h, or try estate demo")
	case !demo && a.devices != 0:
		return errors.New("-devices is for demo")
	case a.devices < 0 || a.devices > 10_000_000:
		return errors.New("-devices: want 0 to 10000000")
	}
	if a.tenantID != "" {
		if _, err := dsreg.ParseUUID(a.tenantID); err != nil {
			return fmt.Errorf("-tenant: %w", err)
		}
	}
	if a.want != "" {
		j, err := dsreg.ParseWant(a.want)
		if err != nil {
			return fmt.Errorf("-want: %w", err)
		}
		a.est.want.Join = j
	}
	if a.at != "" {
		t, err := time.Parse(time.RFC3339, a.at)
		if err != nil {
			return fmt.Errorf("-at: %q is not a time like 2026-03-04T09:30:00Z", a.at)
		}
		a.est.at = t
	}
	a.est.want.TenantID, a.est.want.TenantName = a.tenantID, a.tenantName
	a.est.schema = registry.CDJ(registry.CDJParams{TenantID: a.tenantID, TenantName: a.tenantName})
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// walk reads every file below a folder.
func (a *app) walk(ctx context.Context, fsys fs.FS, root string) error {
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.est.fail(filepath.Join(root, name), err)
			return nil
		case !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), "."):
			return nil
		}
		if err := a.file(fsys, name); err != nil {
			a.est.fail(filepath.Join(root, name), err)
		}
		a.est.files++
		a.tick.step(a.est.files)
		return nil
	})
}

// owner is the device a file belongs to that names none itself.
func owner(name string) string {
	if dir := path.Dir(name); dir != "." {
		return path.Base(dir)
	}
	base, _, _ := strings.Cut(path.Base(name), ".")
	return base
}

// file tells by its content what a file is, and takes it.
func (a *app) file(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	modified := time.Time{}
	if info, err := f.Stat(); err == nil {
		modified = info.ModTime()
	}
	r := bufio.NewReaderSize(&limited{f, maxFile}, 8192)
	head, err := r.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	text := plain(head)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return errors.New("the file is empty")
	case text[0] == '{' || text[0] == '[':
		for o, err := range comgmt.DecodeGraph(r) {
			if err != nil {
				return err
			}
			a.est.graph(&o)
		}
		return nil
	case bytes.Contains(text, []byte("<![LOG[")):
		st, err := cmlog.ReadState(r)
		if err != nil {
			return err
		}
		if st.Events > 0 {
			a.est.log(owner(name), &st)
		}
		return nil
	}
	if _, ok := regconv.Detect(head, path.Base(name)); ok {
		_, seq, err := regconv.Decode(r, regconv.Options{Name: path.Base(name)})
		if err != nil {
			return err
		}
		snap, err := registry.Collect(name, seq)
		if err != nil {
			return err
		}
		a.est.registry(owner(name), snap)
		return nil
	}
	for st, err := range dsreg.Decode(r) {
		if err != nil {
			return err
		}
		a.est.capture(st, owner(name), modified)
	}
	return nil
}

// plain is the beginning of a text without a byte order mark, and of UTF-16 without its zero bytes.
func plain(head []byte) []byte {
	if len(head) > 1 && (head[0] == 0xff && head[1] == 0xfe || head[0] == 0xfe && head[1] == 0xff) {
		head = bytes.ReplaceAll(head[2:], []byte{0}, nil)
	}
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
}

// A limited reader fails where a file is longer than any that belongs here.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("longer than %d MB", maxFile>>20)
	}
	n, err := l.r.Read(b[:min(int64(len(b)), l.left)])
	l.left -= int64(n)
	return n, err
}

func (e *estate) writeCSV(w io.Writer, list []*device) error {
	c := csv.NewWriter(w)
	head := []string{"device", "joinState", "worst", "tenant", "prtAgeHours", "certificateDaysLeft", "findings"}
	for wl := range comgmt.AllWorkloadSet().All() {
		head = append(head, wl.String())
	}
	if err := c.Write(head); err != nil {
		return err
	}
	row := make([]string, 0, len(head))
	for _, d := range list {
		var ids []string
		for _, n := range d.findings {
			ids = append(ids, e.kinds[n].ID)
		}
		row = append(row[:0], cell(d.name), d.state(), d.severity(), cell(d.tenant), number(d.prtHours), number(d.certDays), strings.Join(ids, " "))
		for _, a := range d.authorities() {
			row = append(row, a.String())
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// cell keeps a spreadsheet from taking a name for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func number(n int32) string {
	if n == unknownAge {
		return ""
	}
	return strconv.Itoa(int(n))
}

func (d *device) state() string {
	if !d.hasJoin {
		return "no-capture"
	}
	return d.join.String()
}

func (d *device) severity() string {
	if d.worst == 0 {
		return "none"
	}
	return d.worst.String()
}
