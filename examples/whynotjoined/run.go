package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cmlog"
	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/ldapfilter"
	"go.internal/hybridkit/ldapsync/ldif"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
	"go.internal/hybridkit/registry/regconv"
	"go.internal/hybridkit/scepclient/intune"
)

const (
	exitJoined = 0
	exitNot    = 1
	exitUsage  = 2
)

// An app holds the flags and where files come from.
type app struct {
	open  func(name string) (io.ReadCloser, error)
	stdin io.Reader

	asJSON                         bool
	device, ou, account, filter    string
	ad, copies, regs, entra        list
	anchor, capture, sysvol, links string
	tenantID, tenantName           string
	flags, log, profile            string
	at, since                      string
}

// A list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func (a *app) flagSet(stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("whynotjoined", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&a.asJSON, "json", false, "print one JSON document")
	f.StringVar(&a.device, "device", "", "`name` or objectGUID of the computer; else that of the dsregcmd output, or of the only computer of -ad")
	f.Var(&a.ad, "ad", "LDIF `file` of the organisation's directory; with the OU, and the configuration partition for its service connection point")
	f.StringVar(&a.ou, "ou", "", "`DN` of the synchronised OU")
	f.StringVar(&a.account, "account", "", "`SIDs` of the account that synchronises and of its groups, with commas")
	f.StringVar(&a.filter, "filter", "", "the scope's own LDAP `filter`")
	f.Var(&a.copies, "copy", "LDIF `file` of the provisioning forest")
	f.StringVar(&a.anchor, "anchor", "mS-DS-ConsistencyGuid", "`attribute` of a copy that holds the computer's objectGUID")
	f.Var(&a.regs, "registry", "registry export of the device, any `file` that regcheck reads")
	f.StringVar(&a.sysvol, "sysvol", "", "`folder` with the domain's Policies, to have Group Policy computed")
	f.StringVar(&a.links, "links", "", "JSON or LDIF `file` of OUs and links, for -sysvol")
	f.Var(&a.entra, "entra", "JSON `file` of Graph: the device, devices, or deleted devices")
	f.StringVar(&a.capture, "dsreg", "", "`file` with the output of dsregcmd /status")
	f.StringVar(&a.flags, "flags", "", "co-management `flags` of the device, decimal or 0x…")
	f.StringVar(&a.log, "log", "", "CoManagementHandler.log `file`")
	f.StringVar(&a.profile, "scep-profile", "", "JSON `file` of Graph with the SCEP profile")
	f.StringVar(&a.tenantID, "tenant-id", "", "wanted tenant `id`")
	f.StringVar(&a.tenantName, "tenant-name", "", "wanted tenant `name`, a verified domain")
	f.StringVar(&a.since, "since", "", "`time` at which the device was placed in the OU (RFC 3339)")
	f.StringVar(&a.at, "at", "", "`time` at which all this was collected (RFC 3339); else the clock of the dsregcmd output, else now")
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: whynotjoined demo [-json]\n       whynotjoined [flags]\n\nSays where the hybrid join of one device has stopped, from whatever is given.\n\"-\" is standard input.\n\nflags:")
		f.PrintDefaults()
		fmt.Fprintln(stderr, "\nexit status: 0 the device is joined, 1 it is not or not yet, 2 wrong use or unreadable input")
	}
	return f
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, open: func(name string) (io.ReadCloser, error) { return os.Open(name) }}
	demo := len(args) > 0 && args[0] == "demo"
	if demo {
		args = args[1:]
	}
	f := a.flagSet(stderr)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, "whynotjoined:", err)
		return exitUsage
	}
	if f.NArg() > 0 {
		return fail(fmt.Errorf("%q: files are given with flags, see -h", f.Arg(0)))
	}
	if demo {
		if f.NFlag() > 1 || f.NFlag() == 1 && !a.asJSON {
			return fail(errors.New("demo takes no flag but -json"))
		}
		a.demo()
	}
	e, name, err := a.gather(ctx)
	if err != nil {
		return fail(err)
	}
	r := explain(name, e)
	w := bufio.NewWriter(stdout)
	if a.asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		err = enc.Encode(r)
	} else {
		r.print(w)
	}
	if err = errors.Join(err, w.Flush()); err != nil {
		return fail(err)
	}
	if !r.Joined {
		return exitNot
	}
	return exitJoined
}

// with opens a file and hands it to read; errors name the file.
func (a *app) with(name string, read func(io.Reader) error) error {
	if name == "-" {
		if err := read(a.stdin); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		return nil
	}
	f, err := a.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// gather reads everything that was given.
func (a *app) gather(ctx context.Context) (*evidence, string, error) {
	e := &evidence{tenant: registry.CDJParams{TenantID: a.tenantID, TenantName: a.tenantName}}
	if len(a.ad)+len(a.copies)+len(a.regs)+len(a.entra) == 0 && a.capture+a.sysvol+a.flags+a.log+a.profile == "" {
		return nil, "", errors.New("nothing to look at: give at least one of -dsreg, -ad, -registry, -entra, … (see -h), or demo")
	}
	for _, step := range []func(*evidence) error{a.options, a.readCapture, a.readDirectory, a.readCopy, a.readRegistry, a.readPolicy, a.readEntra, a.readManagement} {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		if err := step(e); err != nil {
			return nil, "", err
		}
	}
	return e, a.deviceName(e), nil
}

func (a *app) options(e *evidence) (err error) {
	for _, t := range []struct {
		flag, value string
		to          *time.Time
	}{{"-at", a.at, &e.at}, {"-since", a.since, &e.since}} {
		if t.value == "" {
			continue
		}
		if *t.to, err = time.Parse(time.RFC3339, t.value); err != nil {
			return fmt.Errorf("%s: %q is not a time like 2026-03-04T09:30:00Z", t.flag, t.value)
		}
	}
	if a.tenantID != "" {
		if _, err := dsreg.ParseUUID(a.tenantID); err != nil {
			return fmt.Errorf("-tenant-id: %w", err)
		}
	}
	if a.ou != "" {
		if e.ou, err = ldapsync.ParseDN(a.ou); err != nil {
			return fmt.Errorf("-ou: %w", err)
		}
	}
	if a.filter != "" {
		f, err := ldapfilter.Parse(a.filter)
		if err != nil {
			return fmt.Errorf("-filter: %w", err)
		}
		e.filter = &f
	}
	if a.account != "" {
		sids := []ldapsync.SID{adsec.Everyone(), adsec.AuthenticatedUsers()}
		for s := range strings.SplitSeq(a.account, ",") {
			sid, err := ldapsync.ParseSID(strings.TrimSpace(s))
			if err != nil {
				return fmt.Errorf("-account: %w", err)
			}
			sids = append(sids, sid)
		}
		e.account = adsec.NewToken(sids...)
	}
	if a.flags != "" {
		v, err := comgmt.ParseFlags(a.flags)
		if err != nil {
			return fmt.Errorf("-flags: %w", err)
		}
		e.flags = &v
	}
	return nil
}

func (a *app) readCapture(e *evidence) error {
	if a.capture != "" {
		if err := a.with(a.capture, func(r io.Reader) (err error) {
			e.capture, err = dsreg.Parse(r)
			return err
		}); err != nil {
			return err
		}
		if t := e.capture.Diagnostics.Pre.ClientTime.Time; e.at.IsZero() {
			e.at = t
		}
	}
	if e.at.IsZero() {
		e.at = time.Now()
	}
	if e.capture != nil {
		e.diagnosis = dsreg.Diagnose(e.capture, dsreg.Expectation{TenantID: a.tenantID, TenantName: a.tenantName, Join: dsreg.HybridJoined, At: e.at, Since: e.since})
	}
	return nil
}

// readDirectory finds the computer, its OU and service connection points in exports of the directory.
func (a *app) readDirectory(e *evidence) error {
	var only *ldapsync.Object
	computers := 0
	for _, name := range a.ad {
		e.adGiven = true
		if err := a.with(name, func(r io.Reader) error {
			for o, err := range ldif.Records(r, ldif.Config{}) {
				if err != nil {
					return err
				}
				if !e.ou.IsRoot() && o.DN.Equal(e.ou) {
					e.ouObject = &o
				}
				if s, ok := readSCP(o); ok {
					e.scp = append(e.scp, s)
				}
				if ldif.ClassOf(o) != ldapsync.Device {
					continue
				}
				if computers++; computers == 1 {
					only = &o
				}
				if a.isDevice(e, o) {
					if e.ad != nil && e.ad.ID != o.ID {
						return fmt.Errorf("%s and %s are both meant by %q: give -device with the objectGUID", e.ad.DN, o.DN, a.deviceName(e))
					}
					e.ad = &o
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if e.ad == nil && a.deviceName(e) == "" {
		switch computers {
		case 0:
		case 1:
			e.ad = only
		default:
			return fmt.Errorf("the export holds %d computers: say which one with -device", computers)
		}
	}
	return nil
}

// isDevice reports whether o is the computer that is asked for.
func (a *app) isDevice(e *evidence, o ldapsync.Object) bool {
	if a.device == "" && e.capture != nil && e.capture.Details.DeviceID.IsSet() {
		if id, err := ldapsync.ParseGUID(e.capture.Details.DeviceID.Raw); err == nil && id == o.ID {
			return true
		}
	}
	want := a.deviceName(e)
	if want == "" {
		return false
	}
	if id, err := ldapsync.ParseGUID(want); err == nil {
		return id == o.ID
	}
	for _, attr := range []string{"cn", "name", "dNSHostName"} {
		if v, ok := o.Get(attr); ok && strings.EqualFold(v, want) {
			return true
		}
	}
	v, ok := o.Get("sAMAccountName")
	return ok && strings.EqualFold(v, strings.TrimSuffix(want, "$")+"$")
}

// deviceName is what the device is called, "" if nothing says so.
func (a *app) deviceName(e *evidence) string {
	if a.device != "" {
		return a.device
	}
	if e.capture != nil && e.capture.Device.DeviceName.IsSet() {
		name, _, _ := strings.Cut(e.capture.Device.DeviceName.Raw, ".")
		return name
	}
	if e.ad != nil {
		_, name := e.ad.DN.RDN()
		return name
	}
	if len(e.entra) > 0 && e.entra[0].Name != "" {
		return e.entra[0].Name
	}
	return ""
}

func (a *app) readCopy(e *evidence) error {
	if len(a.copies) > 0 && len(a.ad) == 0 {
		return errors.New("-copy needs -ad with the computer: its objectGUID is the anchor of the copy")
	}
	if e.ad == nil {
		return nil
	}
	for _, name := range a.copies {
		e.copyGiven = true
		if err := a.with(name, func(r io.Reader) error {
			for o, err := range ldif.Records(r, ldif.Config{}) {
				if err != nil {
					return err
				}
				if v, ok := o.Get(a.anchor); ok && v == e.ad.ID.Raw() {
					e.copy = &o
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) readRegistry(e *evidence) error {
	for _, name := range a.regs {
		if err := a.with(name, func(r io.Reader) error {
			_, seq, err := regconv.Decode(r, regconv.Options{Name: name})
			if err != nil {
				return err
			}
			if e.registry == nil {
				e.registry = new(registry.Snapshot)
			}
			return e.registry.ApplyAll(name, seq)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) readPolicy(e *evidence) error {
	if (a.sysvol == "") != (a.links == "") {
		return errors.New("-sysvol and -links belong together")
	}
	if a.sysvol == "" {
		return nil
	}
	if e.ad == nil {
		return errors.New("-sysvol needs -ad with the computer: its place decides which policies reach it")
	}
	return a.with(a.links, func(r io.Reader) error {
		estate, err := gpo.Load(a.dir(a.sysvol), r)
		if err != nil {
			return err
		}
		e.policy, err = estate.Effective(gpo.Target{DN: e.ad.DN.String(), Local: e.registry})
		return err
	})
}

func (a *app) dir(name string) fs.FS {
	if d, ok := strings.CutPrefix(name, demoPrefix); ok {
		sub, err := fs.Sub(demoFiles, d)
		if err != nil {
			panic(err) // the name is a constant
		}
		return sub
	}
	return os.DirFS(name)
}

func (a *app) readEntra(e *evidence) error {
	for _, name := range a.entra {
		if err := a.with(name, func(r io.Reader) error {
			devices, err := readEntra(r)
			if err != nil {
				return err
			}
			e.entraGiven = true
			for _, d := range devices {
				if a.isEntraDevice(e, d) {
					e.entra = append(e.entra, d)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// isEntraDevice goes by the deviceId, which is the objectGUID; by the name only where no identity is known.
func (a *app) isEntraDevice(e *evidence, d entraDevice) bool {
	switch {
	case e.ad != nil:
		return strings.EqualFold(d.DeviceID, e.ad.ID.String())
	case e.capture != nil && e.capture.Details.DeviceID.IsSet():
		return strings.EqualFold(d.DeviceID, e.capture.Details.DeviceID.Raw)
	}
	name := a.deviceName(e)
	return name == "" || strings.EqualFold(d.Name, name) || strings.EqualFold(d.DeviceID, name)
}

func (a *app) readManagement(e *evidence) error {
	if a.log != "" {
		if err := a.with(a.log, func(r io.Reader) error {
			st, err := cmlog.ReadState(r)
			if err == nil && st.Events == 0 {
				return errors.New("no entry that CoManagementHandler.log would have")
			}
			e.handler = &st
			return err
		}); err != nil {
			return err
		}
		if e.flags == nil {
			e.flags = e.handler.Applied
		}
	}
	if a.profile == "" {
		return nil
	}
	return a.with(a.profile, func(r io.Reader) error {
		docs, err := intune.Parse(r)
		if err != nil {
			return err
		}
		if len(docs.SCEP) != 1 {
			return fmt.Errorf("%d SCEP profiles, want one", len(docs.SCEP))
		}
		e.profile = docs.SCEP[0]
		return nil
	})
}
