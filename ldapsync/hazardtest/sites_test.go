package hazardtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/changes"
	"go.internal/hybridkit/ldapsync/hazardtest"
	"go.internal/hybridkit/ldapsync/internal/ldapworld"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

// How a fixture reads and writes.
type kind struct {
	changes    changes.Method // "": everything is read in every cycle
	ldapTarget bool           // write to a second domain instead of memory
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func open(dc *adtest.Server, account string) *ldapdir.Dir {
	return must(ldapdir.Open(ldapdir.Config{
		TLS: ldapdir.TLS{CAs: dc.CertPool(), ServerName: dc.DNSHostName()}, Dial: dc.Dial, PageSize: 10,
		Bind: ldapdir.Simple{User: account + "@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-" + account)},
	}))
}

// world connects to a domain as its administrator.
func world(dc *adtest.Server) *ldapworld.World {
	c := must(dc.DialTLS(context.Background()))
	l := ldap.NewConn(c, true)
	l.Start()
	if err := l.Bind("admin@ashdown.example", "Passw0rd-admin"); err != nil {
		panic(err)
	}
	return &ldapworld.World{Conn: l, Kind: ldapdir.ActiveDirectory, Base: ldapsync.MustParseDN(dc.BaseDN())}
}

// onAdtest describes a domain in this process.
func onAdtest(k kind) *hazardtest.Fixture {
	dc := must(adtest.Start(adtest.Config{Socketless: true}))
	closers := []func(){func() { _ = dc.Close() }}
	w := world(dc)
	f := &hazardtest.Fixture{SourceWorld: w, SourceBase: must(w.AddOU(context.Background(), w.Base, "Hazards"))}
	copy := &changes.Source{State: memstate.New(), Organisation: "hazards", Method: k.changes}
	source := func(dc *adtest.Server) ldapsync.Source {
		d := open(dc, "reader")
		closers = append(closers, func() { _ = d.Close() })
		if k.changes == "" {
			return d
		}
		s := *copy
		s.Directory = d
		return &s
	}
	f.Source = source(dc)
	if k.ldapTarget {
		to := must(adtest.Start(adtest.Config{Socketless: true}))
		w := world(to)
		d := open(to, "writer")
		f.Target, f.TargetWorld, f.TargetBase = d, w, must(w.AddOU(context.Background(), w.Base, "Hazards"))
		closers = append(closers, func() { _ = to.Close() }, func() { _ = d.Close() })
	}
	f.Close = func() {
		for _, c := range closers {
			c()
		}
	}
	f.Faults = hazardtest.Faults{
		Reading: func(t hazardtest.Trouble) (func(), bool) { return reading(dc, f, t) },
		DenyList: func(_ context.Context, c ldapsync.Container) (func() error, error) {
			return deny(dc, adtest.Denial{Account: "reader", DN: "<GUID=" + c.ID.String() + ">", Right: adtest.ListContents})
		},
		DenyRead: func(_ context.Context, c ldapsync.Container, attr string) (func() error, error) {
			return deny(dc, adtest.Denial{Account: "reader", DN: "<GUID=" + c.ID.String() + ">", Subtree: true, Right: adtest.ReadProperty, Attribute: attr})
		},
		GlobalCatalog: func(context.Context) (ldapsync.Source, error) {
			return ldapdir.Open(ldapdir.Config{URL: "ldap://dc1.ashdown.example:3268", AllowGlobalCatalog: true,
				TLS: ldapdir.TLS{CAs: dc.CertPool(), ServerName: dc.DNSHostName()}, Dial: dc.DialGC,
				Bind: ldapdir.Simple{User: "reader@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-reader")}})
		},
		OtherServer: func(context.Context) (ldapsync.Source, error) {
			other, err := dc.AddDC(adtest.DCConfig{DC: "dc2", Socketless: true, FirstUSN: 12_003})
			if err != nil {
				return nil, err
			}
			return source(other), nil
		},
		SwapServer: func() func() {
			dc.SetRootDSE("dnsHostName", "dc9.ashdown.example")
			return func() { dc.SetRootDSE("dnsHostName", "dc1.ashdown.example") }
		},
		RestoreServer: func() error { return dc.SetInvocationID(adtest.GUID{7, 7, 7}) },
	}
	return f
}

func deny(dc *adtest.Server, d adtest.Denial) (func() error, error) {
	lift, err := dc.Deny(d)
	return func() error { lift(); return nil }, err
}

// reading breaks the searches that list objects.
func reading(dc *adtest.Server, f *hazardtest.Fixture, t hazardtest.Trouble) (func(), bool) {
	if t == hazardtest.CookieRefused {
		s, ok := f.Source.(*changes.Source)
		if !ok || s.Method == changes.USN {
			return nil, false
		}
		inner := s.Directory
		s.Directory = spoiled{inner}
		return func() { s.Directory = inner }, true
	}
	fault := map[hazardtest.Trouble]adtest.Fault{
		hazardtest.NothingThere:   {LosePage: true},
		hazardtest.PageMissing:    {LosePage: true},
		hazardtest.ConnectionLost: {Entries: 3, Drop: adtest.DropAfter},
		hazardtest.SizeLimit:      {Entries: 3, Code: adtest.ResultSizeLimitExceeded},
		hazardtest.TimeLimit:      {Entries: 3, Code: adtest.ResultTimeLimitExceeded},
		hazardtest.AdminLimit:     {Entries: 3, Code: adtest.ResultAdminLimitExceeded},
		hazardtest.ServerBusy:     {Code: adtest.ResultBusy},
		hazardtest.Unavailable:    {Entries: 3, Code: adtest.ResultUnavailable},
		hazardtest.Referral:       {Code: adtest.ResultReferral, Referrals: []string{"ldap://dc2.ashdown.example"}},
		hazardtest.RangeLost:      {Drop: adtest.DropBefore},
	}[t]
	dc.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		listing := r.Op == adtest.OpSearch && r.Account == "reader" && r.Scope == adtest.ScopeOneLevel && r.DN != "" && len(r.Controls) > 0
		ranged := r.Op == adtest.OpSearch && len(r.Attributes) > 0 && containsRange(r.Attributes)
		switch {
		case t == hazardtest.RangeLost && ranged,
			t == hazardtest.NothingThere && listing,
			t == hazardtest.PageMissing && listing && r.Page == 0,
			t != hazardtest.RangeLost && t != hazardtest.NothingThere && t != hazardtest.PageMissing && listing && r.Page == 1,
			(t == hazardtest.ServerBusy || t == hazardtest.Referral) && listing:
			return fault
		}
		return adtest.Fault{}
	})
	return func() { dc.SetHook(nil) }, true
}

func containsRange(attrs []string) bool {
	for _, a := range attrs {
		for i := range len(a) {
			if a[i] == ';' {
				return true
			}
		}
	}
	return false
}

// spoiled loses its cookies.
type spoiled struct{ changes.Directory }

func (s spoiled) Changed(ctx context.Context, cookie []byte, attrs []string, repl bool, each func(ldapsync.GUID) error) ([]byte, error) {
	if cookie != nil {
		cookie = []byte("not a cookie")
	}
	return s.Directory.Changed(ctx, cookie, attrs, repl, each)
}

var units atomic.Int64

// onSamba describes a Samba domain controller that the environment names; see package ldapdir's tests for the
// variables.
func onSamba(t testing.TB, k kind) *hazardtest.Fixture {
	env := func(v string) string { return os.Getenv("HYBRIDKIT_SAMBA_" + v) }
	if env("URL") == "" {
		t.Skip("HYBRIDKIT_SAMBA_URL is not set: there is no server to test against")
	}
	pem, err := os.ReadFile(env("CA"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	l, err := ldap.DialURL(env("URL"), ldap.DialWithTLSConfig(&tls.Config{RootCAs: pool}))
	require.NoError(t, err)
	require.NoError(t, l.Bind(env("USER"), env("PASSWORD")))
	w := &ldapworld.World{Conn: l, Kind: ldapdir.ActiveDirectory, Base: ldapsync.MustParseDN(env("BASE"))}
	base, err := w.AddOU(t.Context(), w.Base, fmt.Sprintf("hazards-%d-%d", os.Getpid(), units.Add(1)))
	require.NoError(t, err)
	connect := func(url string, gc bool) *ldapdir.Dir {
		d, err := ldapdir.Open(ldapdir.Config{URL: url, PageSize: 10, TLS: ldapdir.TLS{CAs: pool}, AllowGlobalCatalog: gc,
			Bind: ldapdir.Simple{User: env("READER"), Password: ldapdir.NewSecret(env("READER_PASSWORD"))}})
		require.NoError(t, err)
		return d
	}
	d := connect(env("URL"), false)
	f := &hazardtest.Fixture{Source: d, SourceWorld: w, SourceBase: base, Key: "employeeID"}
	if k.changes != "" {
		f.Source = &changes.Source{Directory: d, State: memstate.New(), Organisation: "hazards", Method: k.changes}
	}
	f.Close = func() {
		w.Wipe(base.DN) // objects may have been moved to places below it only
		_ = d.Close()
		_ = l.Close()
	}
	au := adsec.AuthenticatedUsers()
	f.Faults = hazardtest.Faults{
		Reading: func(t hazardtest.Trouble) (func(), bool) {
			if t == hazardtest.CookieRefused {
				return reading(nil, f, t)
			}
			return nil, false
		},
		DenyList: func(_ context.Context, c ldapsync.Container) (func() error, error) {
			return w.PutACEs(c.ID, adsec.ACE{Type: adsec.Deny, SID: au, Mask: adsec.ListContents})
		},
		DenyRead: func(ctx context.Context, c ldapsync.Container, attr string) (func() error, error) {
			id, err := w.SchemaID(attr)
			if err != nil {
				return nil, err
			}
			// On the objects themselves: what they inherit counts less than what their class grants them.
			all, err := w.List(ctx, c.DN)
			var lifts []func() error
			for _, o := range all {
				lift, aerr := w.PutACEs(o.ID, adsec.ACE{Type: adsec.DenyObject, SID: au, Mask: adsec.ReadProperty, ObjectType: id})
				err, lifts = errors.Join(err, aerr), append(lifts, lift)
			}
			return func() (err error) {
				for _, lift := range lifts {
					err = errors.Join(err, lift())
				}
				return err
			}, err
		},
		GlobalCatalog: func(context.Context) (ldapsync.Source, error) { return connect(env("URL")+":3269", true), nil },
	}
	return f
}
