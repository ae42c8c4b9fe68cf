package ldapdir_test

import (
	"context"
	"sync/atomic"
	"testing"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/targettest"
)

// fixture describes a site to the conformance suites. Sources are read by an account that may write as well: the
// suites take rights away by name.
func fixture(t *testing.T, s site) *targettest.Fixture {
	w := s.world(t)
	unit := w.unit(t)
	d := s.open(t, func(c *ldapdir.Config) { c.TrustAbsence = s.kind == ldapdir.PlainLDAP })
	f := &targettest.Fixture{Source: d, Target: d, World: w, Base: unit}
	if s.kind == ldapdir.PlainLDAP {
		f.Attrs = targettest.Attrs{Text: "displayName", Text2: "description", Text3: "title", Multi: "telephoneNumber", Binary: "jpegPhoto"}
		f.Required = func(class ldapsync.Class, name string) []ldapsync.Attr {
			if class == ldapsync.User {
				return []ldapsync.Attr{ldapsync.Values("sn", name)}
			}
			return nil
		}
	}
	switch {
	case s.server != nil:
		f.Faults = faults(s.server)
	case s.name == "samba" && s.readOnly != nil:
		// Rights are taken from an ordinary account by real entries in real descriptors; it writes nothing.
		f.Source = s.open(t, asReader(s))
		au := adsec.AuthenticatedUsers()
		f.Faults = targettest.Faults{
			DenyRead: func(ctx context.Context, id ldapsync.GUID, attr string) error {
				property, err := w.SchemaID(attr)
				if err == nil {
					w.setDACL(t, id, adsec.ACE{Type: adsec.DenyObject, SID: au, Mask: adsec.ReadProperty, ObjectType: property})
				}
				return err
			},
			DenyList: func(ctx context.Context, c ldapsync.Container) error {
				w.setDACL(t, c.ID, adsec.ACE{Type: adsec.Deny, SID: au, Mask: adsec.ListContents})
				return nil
			},
		}
	}
	return f
}

// faults breaks things for the account under test, which is writer.
func faults(s *adtest.Server) targettest.Faults {
	// next makes the next operation that matches fail.
	next := func(match func(adtest.Request) bool, f adtest.Fault) {
		var done atomic.Bool
		s.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
			if r.Account == "writer" && match(r) && done.CompareAndSwap(false, true) {
				return f
			}
			return adtest.Fault{}
		})
	}
	writes := func(r adtest.Request) bool { return r.Op.Writes() }
	deny := func(id ldapsync.GUID, right adtest.Right, attr string) error {
		_, err := s.Deny(adtest.Denial{Account: "writer", DN: "<GUID=" + id.String() + ">", Right: right, Attribute: attr})
		return err
	}
	return targettest.Faults{
		BreakRead: func(n int) {
			page := 20
			next(func(r adtest.Request) bool {
				return r.Op == adtest.OpSearch && r.Scope != adtest.ScopeBase && r.Page == n/page
			}, adtest.Fault{Entries: n % page, Drop: adtest.DropAfter})
		},
		Busy: func() { next(writes, adtest.Fault{Code: adtest.ResultBusy}) },
		LoseAnswer: func(written bool) {
			f := adtest.Fault{Drop: adtest.DropBefore}
			if written {
				f.Drop = adtest.DropAfter
			}
			next(writes, f)
		},
		DenyRead: func(_ context.Context, id ldapsync.GUID, attr string) error {
			return deny(id, adtest.ReadProperty, attr)
		},
		DenyList:  func(_ context.Context, c ldapsync.Container) error { return deny(c.ID, adtest.ListContents, "") },
		DenyWrite: func(_ context.Context, id ldapsync.GUID) error { return deny(id, adtest.WriteProperty, "") },
	}
}

func conformance(t *testing.T, run func(*testing.T, func(*testing.T) *targettest.Fixture, map[string]string)) {
	t.Run("adtest", func(t *testing.T) {
		run(t, func(t *testing.T) *targettest.Fixture { return fixture(t, adtestSite(t, adtest.Config{})) }, nil)
	})
	t.Run("samba", func(t *testing.T) {
		s := realSite(t, "SAMBA", ldapdir.ActiveDirectory)
		run(t, func(t *testing.T) *targettest.Fixture { return fixture(t, s) }, nil)
	})
	t.Run("slapd", func(t *testing.T) {
		s := realSite(t, "SLAPD", ldapdir.PlainLDAP)
		run(t, func(t *testing.T) *targettest.Fixture { return fixture(t, s) }, nil)
	})
}

func TestTargetConformance(t *testing.T) { conformance(t, targettest.Run) }

func TestSourceConformance(t *testing.T) { conformance(t, targettest.RunSource) }
