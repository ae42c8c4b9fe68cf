package ldapdir_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// The tests run against adtest, and also against real servers where these environment variables say where:
//
//	HYBRIDKIT_SAMBA_URL       ldaps://127.0.0.41 of a Samba domain controller (4.17 or later)
//	HYBRIDKIT_SAMBA_CA        PEM file with the authority of its certificate
//	HYBRIDKIT_SAMBA_BASE      DC=lab,DC=example; the tests make and delete organisational units below it
//	HYBRIDKIT_SAMBA_USER      an administrator, LAB\Administrator, and
//	HYBRIDKIT_SAMBA_PASSWORD  its password
//	HYBRIDKIT_SAMBA_READER    an ordinary account, svc-reader@lab.example, and
//	HYBRIDKIT_SAMBA_READER_PASSWORD  its password
//
//	HYBRIDKIT_SLAPD_URL, _BASE, _USER, _PASSWORD   the same for OpenLDAP with inetorgperson.schema; ldap:// without TLS
type site struct {
	name     string
	kind     ldapdir.Kind
	base     ldapsync.DN
	admin    func() (*ldap.Conn, error)
	config   ldapdir.Config // how the code under test connects, with the rights to write
	readOnly ldapdir.Auth   // an ordinary account; nil if there is none
	server   *adtest.Server // nil for real servers
}

func adtestSite(t testing.TB, cfg adtest.Config) site {
	cfg.Socketless = true
	s := adtest.New(t, cfg)
	return site{
		name: "adtest", kind: ldapdir.ActiveDirectory, base: ldapsync.MustParseDN(s.BaseDN()), server: s,
		admin: func() (*ldap.Conn, error) {
			c, err := s.DialTLS(context.Background())
			if err != nil {
				return nil, err
			}
			l := ldap.NewConn(c, true)
			l.Start()
			return l, l.Bind("admin@ashdown.example", "Passw0rd-admin")
		},
		config: ldapdir.Config{
			TLS:      ldapdir.TLS{CAs: s.CertPool(), ServerName: s.DNSHostName()},
			Dial:     s.Dial,
			Bind:     ldapdir.Simple{User: "writer@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-writer")},
			PageSize: 20,
		},
		readOnly: ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-reader")},
	}
}

// realSite describes a server named by environment variables; it skips the test if there is none.
func realSite(t testing.TB, name string, kind ldapdir.Kind) site {
	env := func(v string) string { return os.Getenv("HYBRIDKIT_" + name + "_" + v) }
	url := env("URL")
	if url == "" {
		t.Skipf("HYBRIDKIT_%s_URL is not set: there is no server to test against", name)
	}
	s := site{name: strings.ToLower(name), kind: kind, base: ldapsync.MustParseDN(env("BASE"))}
	s.config = ldapdir.Config{
		URL: url, Kind: kind, PageSize: 20, AllowPlaintext: strings.HasPrefix(url, "ldap://"),
		Bind: ldapdir.Simple{User: env("USER"), Password: ldapdir.NewSecret(env("PASSWORD"))},
	}
	tlsConfig := &tls.Config{}
	if file := env("CA"); file != "" {
		pem, err := os.ReadFile(file)
		require.NoError(t, err)
		s.config.TLS.CAs = x509.NewCertPool()
		require.True(t, s.config.TLS.CAs.AppendCertsFromPEM(pem))
		tlsConfig.RootCAs = s.config.TLS.CAs
	}
	s.admin = func() (*ldap.Conn, error) {
		l, err := ldap.DialURL(url, ldap.DialWithTLSConfig(tlsConfig))
		if err != nil {
			return nil, err
		}
		return l, l.Bind(env("USER"), env("PASSWORD"))
	}
	if env("READER") != "" {
		s.readOnly = ldapdir.Simple{User: env("READER"), Password: ldapdir.NewSecret(env("READER_PASSWORD"))}
	}
	return s
}

// eachSite runs f against adtest and whatever real servers there are.
func eachSite(t *testing.T, f func(*testing.T, site)) {
	t.Run("adtest", func(t *testing.T) { f(t, adtestSite(t, adtest.Config{})) })
	t.Run("samba", func(t *testing.T) { f(t, realSite(t, "SAMBA", ldapdir.ActiveDirectory)) })
	t.Run("slapd", func(t *testing.T) { f(t, realSite(t, "SLAPD", ldapdir.PlainLDAP)) })
}

func (s site) open(t testing.TB, change ...func(*ldapdir.Config)) *ldapdir.Dir {
	cfg := s.config
	for _, c := range change {
		c(&cfg)
	}
	d, err := ldapdir.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func asReader(s site) func(*ldapdir.Config) {
	return func(c *ldapdir.Config) { c.Bind = s.readOnly }
}

// world is the directory through go-ldap, as an administrator: a targettest.World.
type world struct {
	s  site
	mu sync.Mutex
	l  *ldap.Conn
}

func (s site) world(t testing.TB) *world {
	l, err := s.admin()
	require.NoError(t, err)
	w := &world{s: s, l: l}
	t.Cleanup(func() { _ = l.Close() })
	return w
}

var units atomic.Int64

// unit makes an empty organisational unit for one test and removes it with what is below afterwards.
func (w *world) unit(t testing.TB) ldapsync.Container {
	c, err := w.AddOU(t.Context(), w.s.base, fmt.Sprintf("ldapdir-%d-%d", os.Getpid(), units.Add(1)))
	require.NoError(t, err)
	t.Cleanup(func() {
		if w.s.server == nil {
			w.wipe(c.DN)
		}
	})
	return c
}

func (w *world) wipe(dn ldapsync.DN) {
	r, err := w.search(dn.String(), ldap.ScopeWholeSubtree, "(objectClass=*)", "1.1")
	if err != nil {
		return
	}
	for i := len(r.Entries) - 1; i >= 0; i-- {
		_ = w.l.Del(ldap.NewDelRequest(r.Entries[i].DN, nil))
	}
	_ = w.l.Del(ldap.NewDelRequest(dn.String(), nil))
}

func (w *world) idAttr() string {
	if w.s.kind == ldapdir.PlainLDAP {
		return "entryUUID"
	}
	return "objectGUID"
}

func (w *world) search(base string, scope int, filter string, attrs ...string) (*ldap.SearchResult, error) {
	return w.l.SearchWithPaging(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attrs, nil), 500)
}

func (w *world) object(e *ldap.Entry) (ldapsync.Object, error) {
	var id ldapsync.GUID
	var err error
	if w.s.kind == ldapdir.PlainLDAP {
		id, err = ldapsync.ParseGUID(e.GetAttributeValue("entryUUID"))
	} else {
		id, err = ldapsync.GUIDFromBytes(e.GetRawAttributeValue("objectGUID"))
	}
	if err != nil {
		return ldapsync.Object{}, err
	}
	dn, err := ldapsync.ParseDN(e.DN)
	if err != nil {
		return ldapsync.Object{}, err
	}
	var attrs []ldapsync.Attr
	class := ldapsync.Class(0)
	for _, a := range e.Attributes {
		name, _, _ := strings.Cut(a.Name, ";")
		attrs = append(attrs, ldapsync.Values(name, a.Values...))
		if strings.EqualFold(name, "objectClass") {
			for _, v := range a.Values {
				switch strings.ToLower(v) {
				case "computer", "device":
					class = ldapsync.Device
				case "user", "inetorgperson":
					class = max(class, ldapsync.User)
				}
			}
		}
	}
	return ldapsync.NewObject(id, dn, class, attrs...), nil
}

func (w *world) find(id ldapsync.GUID, attrs ...string) (ldapsync.Object, error) {
	base, scope, filter := "<GUID="+id.String()+">", ldap.ScopeBaseObject, "(objectClass=*)"
	if w.s.kind == ldapdir.PlainLDAP {
		base, scope, filter = w.s.base.String(), ldap.ScopeWholeSubtree, "(entryUUID="+id.String()+")"
	}
	r, err := w.search(base, scope, filter, append([]string{w.idAttr(), "objectClass"}, attrs...)...)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) || err == nil && len(r.Entries) == 0 {
		return ldapsync.Object{}, fmt.Errorf("%s: %w", id, ldapsync.ErrNotFound)
	}
	if err != nil {
		return ldapsync.Object{}, err
	}
	return w.object(r.Entries[0])
}

func (w *world) AddOU(_ context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	req := ldap.NewAddRequest(parent.Child("OU", name).String(), nil)
	req.Attribute("objectClass", []string{"top", "organizationalUnit"})
	req.Attribute("ou", []string{name})
	if err := w.l.Add(req); err != nil {
		return ldapsync.Container{}, err
	}
	r, err := w.search(req.DN, ldap.ScopeBaseObject, "(objectClass=*)", w.idAttr())
	if err != nil {
		return ldapsync.Container{}, err
	}
	o, err := w.object(r.Entries[0])
	return ldapsync.Container{ID: o.ID, DN: o.DN}, err
}

var accountNumber atomic.Int64

func (w *world) Add(_ context.Context, o ldapsync.Object) (ldapsync.GUID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	class := ldapdir.DefaultClass(w.s.kind, o.Class)
	typ, name := o.DN.RDN()
	req := ldap.NewAddRequest(o.DN.String(), nil)
	req.Attribute("objectClass", class.ObjectClasses)
	req.Attribute(typ, []string{name})
	if w.s.kind == ldapdir.ActiveDirectory && o.Presence("sAMAccountName") == ldapsync.Absent {
		req.Attribute("sAMAccountName", []string{fmt.Sprintf("t%d-%d", os.Getpid(), accountNumber.Add(1))})
	}
	for a := range o.Attrs() {
		if !strings.EqualFold(a.Name, typ) {
			req.Attribute(a.Name, a.Values)
		}
	}
	if err := w.l.Add(req); err != nil {
		return ldapsync.GUID{}, err
	}
	r, err := w.search(req.DN, ldap.ScopeBaseObject, "(objectClass=*)", w.idAttr())
	if err != nil {
		return ldapsync.GUID{}, err
	}
	made, err := w.object(r.Entries[0])
	return made.ID, err
}

func (w *world) Set(_ context.Context, id ldapsync.GUID, attr string, values ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	req := ldap.NewModifyRequest(o.DN.String(), nil)
	req.Replace(attr, values)
	return w.l.Modify(req)
}

func (w *world) Move(_ context.Context, id ldapsync.GUID, parent ldapsync.DN) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	typ, name := o.DN.RDN()
	return w.l.ModifyDN(ldap.NewModifyDNRequest(o.DN.String(), typ+"="+ldap.EscapeDN(name), true, parent.String()))
}

func (w *world) Rename(_ context.Context, id ldapsync.GUID, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	typ, _ := o.DN.RDN()
	return w.l.ModifyDN(ldap.NewModifyDNRequest(o.DN.String(), typ+"="+ldap.EscapeDN(name), true, ""))
}

func (w *world) Delete(_ context.Context, id ldapsync.GUID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, err := w.find(id)
	if err != nil {
		return err
	}
	return w.l.Del(ldap.NewDelRequest(o.DN.String(), nil))
}

func (w *world) Get(_ context.Context, id ldapsync.GUID) (ldapsync.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.find(id, "*")
}

func (w *world) List(_ context.Context, parent ldapsync.DN) ([]ldapsync.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, err := w.search(parent.String(), ldap.ScopeSingleLevel, "(!(objectClass=organizationalUnit))", w.idAttr(), "objectClass")
	if err != nil {
		return nil, err
	}
	var out []ldapsync.Object
	for _, e := range r.Entries {
		o, oerr := w.object(e)
		err = errors.Join(err, oerr)
		out = append(out, o)
	}
	return out, err
}
