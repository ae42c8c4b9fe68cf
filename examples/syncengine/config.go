package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/boltstate"
	"go.internal/hybridkit/ldapsync/changes"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entraauth"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/ldif"
	"go.internal/hybridkit/ldapsync/mapfile"
)

// Config is the file given with -config. Unknown members are refused. Paths are relative to the file.
type Config struct {
	Interval      Duration       `json:"interval"` // of "run"; "5m" if absent
	Organisations []Organisation `json:"organisations"`
}

// Duration is a time.Duration in Go's text form: "90s", "5m".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err == nil && v <= 0 {
		err = fmt.Errorf("the duration %s is not positive", b)
	}
	*d = Duration(v)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Organisation is one organisation: where it is read, where it is written, and what.
type Organisation struct {
	Name            string          `json:"name"`
	Inactive        bool            `json:"inactive"` // nothing is read or written
	Domain          ldapsync.Domain `json:"domain"`   // of the source; fqdn is filled in from the directory if absent
	Source          Directory       `json:"source"`
	Target          Directory       `json:"target"`
	State           string          `json:"state"` // file of the engine's memory, made if absent
	Users           *Track          `json:"users"`
	Devices         *Track          `json:"devices"`
	Guards          ldapsync.Guards `json:"guards"`
	Workers         int             `json:"workers"`         // writes at a time; if absent 4, and 40 for Entra ID, where they share requests
	WritesPerSecond float64         `json:"writesPerSecond"` // if absent no limit, and 20 for Entra ID
	More            []More          `json:"more"`            // further targets of the same source
}

// Directory is a connection. Passwords are in a file or an environment variable, never in the configuration.
type Directory struct {
	Kind           string   `json:"kind"` // "ad" (default), "ldap", for a source "ldif", for a target "entra"
	URL            string   `json:"url"`  // ldaps://dc1.ashdown.example; ldap:// uses StartTLS
	Bind           string   `json:"bind"` // "simple" (default with a user), "external", "anonymous"
	User           string   `json:"user"` // name@domain, DOMAIN\name or a DN
	PasswordFile   string   `json:"passwordFile"`
	PasswordEnv    string   `json:"passwordEnv"`
	CAFile         string   `json:"caFile"`     // PEM; the system's CAs if absent
	PinSHA256      []string `json:"pinSHA256"`  // of the server's certificate, instead of a CA
	ServerName     string   `json:"serverName"` // in the certificate; the URL's host if absent
	ClientCert     string   `json:"clientCert"` // PEM, for bind "external"
	ClientKey      string   `json:"clientKey"`
	AllowPlaintext bool     `json:"allowPlaintext"` // passwords without TLS: for tests only
	BaseDN         string   `json:"baseDN"`
	PageSize       int      `json:"pageSize"`
	TrustAbsence   bool     `json:"trustAbsence"` // kind "ldap": there, unreadable attributes cannot be told from absent ones
	File           string   `json:"file"`         // kind "ldif": the export
	Attributes     []string `json:"attributes"`   // kind "ldif": the list it was made with (ldifde -l), if it was

	// Changes makes a source of kind "ad" read only what changed, beside a list of who is there: "auto" finds the
	// best way the account has rights for; "dirsync", "dirsync-object-security" and "usn" ask for one. The copy this
	// needs is in the state file. Absent: everything is read in every cycle.
	Changes   changes.Method `json:"changes"`
	FullEvery Duration       `json:"fullEvery"` // with "changes": everything is read after this time; "24h" if absent
	Notify    bool           `json:"notify"`    // "run" begins a cycle when a source of kind "ad" tells of a change in one of the OUs

	// The rest is for kind "entra", which has no URL: the cloud is in auth. OUs, names and creation do not exist there,
	// so tracks leave out targetOU, rdn and create; anchor, anchorForm and keys have defaults that fit.
	Auth         *entraauth.Config `json:"auth"`
	Extensions   []Extension       `json:"extensions"`   // directory extensions that mappings name
	UserFilter   string            `json:"userFilter"`   // OData: "userType eq 'Member'"
	DeviceFilter string            `json:"deviceFilter"` // OData
	Delete       bool              `json:"delete"`       // allow "leave": "delete"
	budget       *entra.Budget     // shared by all of the application in the tenant
}

// Track is what is synchronised of one class.
type Track struct {
	OUs                []ldapsync.ContainerRef `json:"ous"` // [{"dn": "OU=…"}]
	Subtree            bool                    `json:"subtree"`
	Filter             string                  `json:"filter"`
	Canaries           []ldapsync.Canary       `json:"canaries"`
	RequireCertificate *bool                   `json:"requireCertificate"` // devices: only with a hybrid-join certificate; true if absent
	RequireEnabled     bool                    `json:"requireEnabled"`     // disabled accounts are held

	TargetOU      ldapsync.ContainerRef `json:"targetOU"`
	TargetSubtree bool                  `json:"targetSubtree"`
	TargetFilter  string                `json:"targetFilter"`
	RDN           string                `json:"rdn"`

	// Mapping names rules: "cloud-sso-users", "hybrid-join-devices", "copy:title", "copy:mail>otherMailbox",
	// "constant:company=Ashdown Vale".
	Mapping  []string           `json:"mapping"`
	Carriers *ldapsync.Carriers `json:"carriers"` // target attributes of the two named mappings

	// MappingFile is a mapping file (package mapfile), whose rules come after those of Mapping. It also gives the
	// conditions of its scope, and OUs and keys where this configuration has none. "FILE#NAME" takes one mapping of
	// several; otherwise the file has one for the class.
	MappingFile string `json:"mappingFile"`

	SourceAnchor []string            `json:"sourceAnchor"`
	Anchor       *string             `json:"anchor"` // target attribute; mS-DS-ConsistencyGuid if absent, "" for none
	AnchorForm   ldapsync.AnchorForm `json:"anchorForm"`
	Keys         []ldapsync.MatchKey `json:"keys"`
	Adopt        bool                `json:"adopt"`

	Create         *bool                 `json:"create"` // true for devices, false for users if absent
	Leave          *ldapsync.LeaveAction `json:"leave"`  // "stop" for devices, "revert" for users if absent
	MissingCycles  int                   `json:"missingCycles"`
	LeaveToChildOU bool                  `json:"leaveToChildOU"`
	ClearForeign   bool                  `json:"clearForeign"`
}

func loadConfig(path string, stdin io.Reader) (*Config, error) {
	var b []byte
	var err error
	dir := "."
	if path == "-" {
		b, err = io.ReadAll(io.LimitReader(stdin, 16<<20))
	} else {
		b, err = os.ReadFile(path)
		dir = filepath.Dir(path)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	var c Config
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("configuration %s, line %d: %w", path, lineOf(b, d.InputOffset(), err), err)
	}
	if len(c.Organisations) == 0 {
		return nil, fmt.Errorf("configuration %s names no organisation", path)
	}
	if c.Interval == 0 {
		c.Interval = Duration(5 * time.Minute)
	}
	if c.Organisations, err = expand(c.Organisations); err != nil {
		return nil, err
	}
	shareBudgets(c.Organisations)
	for i := range c.Organisations {
		o := &c.Organisations[i]
		if o.State != "" && o.State != "-" && !filepath.IsAbs(o.State) {
			o.State = filepath.Join(dir, o.State)
		}
		o.Source.rebase(dir)
		if o.Target.Auth != nil { // which further targets may share
			auth := *o.Target.Auth
			o.Target.Auth = &auth
		}
		o.Target.rebase(dir)
		for _, t := range []*Track{o.Users, o.Devices} {
			if t != nil && t.MappingFile != "" && !filepath.IsAbs(t.MappingFile) {
				t.MappingFile = filepath.Join(dir, t.MappingFile)
			}
		}
	}
	return &c, nil
}

// lineOf finds the line a JSON error is about.
func lineOf(b []byte, at int64, err error) int {
	var syn *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syn):
		at = syn.Offset
	case errors.As(err, &typ):
		at = typ.Offset
	}
	return 1 + bytes.Count(b[:min(max(at, 0), int64(len(b)))], []byte("\n"))
}

// mapping turns the names of a configuration into rules.
func mapping(names []string, c *ldapsync.Carriers) (ldapsync.Mapping, error) {
	carriers := ldapsync.DefaultCarriers()
	if c != nil {
		carriers = *c
	}
	var m ldapsync.Mapping
	for _, n := range names {
		kind, arg, _ := strings.Cut(n, ":")
		switch {
		case n == "cloud-sso-users":
			m = append(m, ldapsync.CloudSSOUsers(carriers)...)
		case n == "hybrid-join-devices":
			m = append(m, ldapsync.HybridJoinDevices(carriers)...)
		case kind == "copy" && arg != "":
			from, to, ok := strings.Cut(arg, ">")
			if !ok {
				to = from
			}
			m = append(m, ldapsync.Copy(from, to))
		case kind == "constant" && strings.Contains(arg, "="):
			to, v, _ := strings.Cut(arg, "=")
			m = append(m, ldapsync.Constant(to, v))
		default:
			return nil, fmt.Errorf("unknown mapping %q; known are cloud-sso-users, hybrid-join-devices, copy:ATTR, copy:FROM>TO, constant:ATTR=VALUE", n)
		}
	}
	return m, nil
}

// mappingSet reads "FILE" or "FILE#NAME".
func mappingSet(name string, class ldapsync.Class) (*mapfile.Set, error) {
	file, section, _ := strings.Cut(name, "#")
	r, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("mappingFile: %w", err)
	}
	defer r.Close()
	f, err := mapfile.Read(r)
	if err != nil {
		return nil, fmt.Errorf("mappingFile %s: %w", file, err)
	}
	set, err := f.BuildOne(section, class, mapfile.Options{Functions: mapfile.Builtins()})
	if err != nil {
		return nil, fmt.Errorf("mappingFile %s: %w", file, err)
	}
	return set, nil
}

// track makes the engine's track of a configuration's.
func (t *Track) track(class ldapsync.Class, target string) (ldapsync.Track, error) {
	m, err := mapping(t.Mapping, t.Carriers)
	if err != nil {
		return ldapsync.Track{}, err
	}
	out := ldapsync.UsersTrack("", "", m)
	if class == ldapsync.Device {
		out = ldapsync.DevicesTrack("", "", m)
		if t.RequireCertificate != nil && !*t.RequireCertificate {
			out.Scope.Conditions = nil
		}
	}
	if t.RequireEnabled {
		out.Scope.Conditions = append(out.Scope.Conditions, ldapsync.Enabled())
	}
	out.Scope.OUs, out.Scope.Subtree, out.Scope.Filter, out.Scope.Canaries = t.OUs, t.Subtree, t.Filter, t.Canaries
	out.Join.Form = t.AnchorForm
	if target == "entra" {
		out = entra.AsTrack(out)
	}
	out.Place = ldapsync.Placement{Container: t.TargetOU, Subtree: t.TargetSubtree, Filter: t.TargetFilter, RDN: t.RDN}
	if t.SourceAnchor != nil {
		out.Join.SourceAnchor = t.SourceAnchor
	}
	if t.Anchor != nil {
		out.Join.Anchor = *t.Anchor
	}
	if t.AnchorForm != 0 {
		out.Join.Form = t.AnchorForm
	}
	out.Join.Adopt = t.Adopt
	if t.Keys != nil {
		out.Join.Keys = t.Keys
	}
	if t.MappingFile != "" {
		set, err := mappingSet(t.MappingFile, class)
		if err != nil {
			return ldapsync.Track{}, err
		}
		if t.Keys == nil && len(set.Keys) > 0 {
			out.Join.Keys = nil // the file's, instead of the class's usual ones
		}
		set.AddTo(&out)
	}
	if t.Create != nil {
		out.Policy.Create = *t.Create
	}
	if t.Leave != nil {
		out.Policy.Leave = *t.Leave
	}
	out.Policy.MissingCycles, out.Policy.LeaveToChildOU, out.Policy.ClearForeign = t.MissingCycles, t.LeaveToChildOU, t.ClearForeign
	return out, nil
}

// watches lists what "run" is to be told of. The directory must be closed.
func (o *Organisation) watches() ([]changes.Watch, *ldapdir.Dir, error) {
	if !o.Source.Notify || o.Inactive {
		return nil, nil, nil
	}
	if o.Source.Kind != "" && o.Source.Kind != "ad" {
		return nil, nil, fmt.Errorf(`organisation %s: "notify" is for a source of kind "ad"`, o.Name)
	}
	d, err := o.Source.open()
	if err != nil {
		return nil, nil, fmt.Errorf("organisation %s: source: %w", o.Name, err)
	}
	var out []changes.Watch
	for _, t := range []*Track{o.Users, o.Devices} {
		if t != nil {
			for _, ou := range t.OUs {
				out = append(out, changes.Watch{Notifier: d, OU: ou})
			}
		}
	}
	return out, d, nil
}

// open connects an organisation. closeAll releases everything that was opened; report is told how objects were read.
func (o *Organisation) open(readOnly bool, report func(changes.Reading)) (s *ldapsync.Syncer, closeAll func(), err error) {
	var closers []io.Closer
	closeAll = func() {
		for _, c := range closers {
			c.Close()
		}
	}
	fail := func(format string, args ...any) (*ldapsync.Syncer, func(), error) {
		closeAll()
		return nil, nil, fmt.Errorf("organisation "+o.Name+": "+format, args...)
	}
	s = &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: o.Name, Domain: o.Domain, Inactive: o.Inactive},
		Guards:       o.Guards, Workers: o.Workers, Rate: o.WritesPerSecond,
	}
	for _, t := range []struct {
		class ldapsync.Class
		cfg   *Track
	}{{ldapsync.User, o.Users}, {ldapsync.Device, o.Devices}} {
		if t.cfg == nil {
			continue
		}
		track, err := t.cfg.track(t.class, o.Target.Kind)
		if err != nil {
			return fail("%ss: %w", t.class, err)
		}
		s.Organisation.Tracks = append(s.Organisation.Tracks, track)
	}
	if err := s.Organisation.Validate(); err != nil {
		return fail("%w", err)
	}
	if o.State == "" {
		return fail(`"state" names no file to keep the engine's memory in`)
	}
	if o.Source.Kind == "ldif" {
		f, err := os.Open(o.Source.File)
		if err != nil {
			return fail("source: %w", err)
		}
		src, err := ldif.Parse(f, ldif.Config{Attrs: o.Source.Attributes})
		f.Close()
		if err != nil {
			return fail("source %s: %w", o.Source.File, err)
		}
		s.Source = src
	} else {
		d, err := o.Source.open()
		if err != nil {
			return fail("source: %w", err)
		}
		closers = append(closers, d)
		s.Source = d
	}
	if o.Target.Kind == "entra" {
		g, err := o.Target.entra(o.WritesPerSecond)
		if err != nil {
			return fail("target: %w", err)
		}
		s.Target, s.Rate = g, 0 // its budget paces
		if s.Workers == 0 {
			s.Workers = 40
		}
	} else {
		d, err := o.Target.open()
		if err != nil {
			return fail("target: %w", err)
		}
		closers = append(closers, d)
		s.Target = d
	}
	st, err := boltstate.Open(o.State, boltstate.Options{Timeout: 2 * time.Second, ReadOnly: readOnly})
	if err != nil {
		return fail("state: %w", err)
	}
	closers = append(closers, st)
	s.State = st
	if m := o.Source.Changes; m != "" && !readOnly {
		d, ok := s.Source.(*ldapdir.Dir)
		if !ok || o.Source.Kind == "ldap" {
			return fail(`"changes" is for a source of kind "ad"`)
		}
		if m == "auto" {
			m = changes.Auto
		} else if !slices.Contains([]changes.Method{changes.DirSync, changes.DirSyncObjectSecurity, changes.USN}, m) {
			return fail(`source: unknown way to find changes %q; known are "auto", %q, %q, %q`, m, changes.DirSync, changes.DirSyncObjectSecurity, changes.USN)
		}
		s.Source = &changes.Source{Directory: d, State: st, Organisation: o.Name, Method: m, FullEvery: time.Duration(o.Source.FullEvery), OnRead: report}
	}
	return s, closeAll, nil
}

func (d *Directory) open() (*ldapdir.Dir, error) {
	cfg := ldapdir.Config{
		URL: d.URL, AllowPlaintext: d.AllowPlaintext, BaseDN: d.BaseDN, PageSize: d.PageSize, TrustAbsence: d.TrustAbsence,
		TLS: ldapdir.TLS{PinSHA256: d.PinSHA256, ServerName: d.ServerName},
	}
	switch d.Kind {
	case "", "ad":
	case "ldap":
		cfg.Kind = ldapdir.PlainLDAP
	default:
		return nil, fmt.Errorf(`unknown kind %q; known are "ad", "ldap", for a source "ldif", for a target "entra"`, d.Kind)
	}
	if d.CAFile != "" {
		cas, err := d.cas()
		if err != nil {
			return nil, err
		}
		cfg.TLS.CAs = cas
	}
	if d.ClientCert != "" {
		c, err := tls.LoadX509KeyPair(d.ClientCert, d.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		cfg.TLS.Certificate = &c
	}
	switch d.Bind {
	case "", "simple":
		if d.User == "" {
			if d.Bind == "simple" {
				return nil, errors.New(`bind "simple" needs a user`)
			}
			break
		}
		secret, err := d.secret()
		if err != nil {
			return nil, err
		}
		cfg.Bind = ldapdir.Simple{User: d.User, Password: secret}
	case "external":
		cfg.Bind = ldapdir.External{}
	case "anonymous":
	default:
		return nil, fmt.Errorf(`unknown bind %q; known are "simple", "external", "anonymous"`, d.Bind)
	}
	return ldapdir.Open(cfg)
}

func (d *Directory) cas() (*x509.CertPool, error) {
	pem, err := os.ReadFile(d.CAFile)
	if err != nil {
		return nil, fmt.Errorf("caFile: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("caFile %s holds no PEM certificate", d.CAFile)
	}
	return pool, nil
}

func (d *Directory) secret() (ldapdir.Secret, error) {
	switch {
	case d.PasswordFile != "":
		if _, err := os.Stat(d.PasswordFile); err != nil {
			return ldapdir.Secret{}, fmt.Errorf("passwordFile: %w", err)
		}
		return ldapdir.SecretFile(d.PasswordFile), nil
	case d.PasswordEnv != "":
		name := d.PasswordEnv
		if _, ok := os.LookupEnv(name); !ok {
			return ldapdir.Secret{}, fmt.Errorf("passwordEnv: the environment variable %s is not set", name)
		}
		return ldapdir.SecretFunc(func(context.Context) (string, error) { return os.Getenv(name), nil }), nil
	}
	return ldapdir.Secret{}, fmt.Errorf("no password for %s: name a passwordFile or a passwordEnv", d.User)
}
