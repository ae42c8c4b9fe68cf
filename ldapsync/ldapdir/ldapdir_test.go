package ldapdir_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// people adds n users named "user 0000" and so on to the unit.
func (w *world) people(t testing.TB, unit ldapsync.Container, n int) []ldapsync.GUID {
	ids := make([]ldapsync.GUID, n)
	for i := range ids {
		name := fmt.Sprintf("user %04d", i)
		attrs := []ldapsync.Attr{ldapsync.Values("displayName", name+" Ångström")}
		if w.s.kind == ldapdir.PlainLDAP {
			attrs = append(attrs, ldapsync.Values("sn", name))
		}
		var err error
		ids[i], err = w.Add(t.Context(), ldapsync.NewObject(ldapsync.GUID{}, unit.DN.Child("CN", name), ldapsync.User, attrs...))
		require.NoError(t, err)
	}
	return ids
}

func collect(ctx context.Context, d *ldapdir.Dir, q ldapsync.Query) ([]ldapsync.Object, error) {
	var out []ldapsync.Object
	for o, err := range d.Read(ctx, q) {
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
	return out, nil
}

func TestReadPages(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		w := s.world(t)
		unit := w.unit(t)
		ids := w.people(t, unit, 105) // more than five pages
		below, err := w.AddOU(t.Context(), unit.DN, "below")
		require.NoError(t, err)
		w.people(t, below, 3)

		d := s.open(t)
		q := ldapsync.Query{Class: ldapsync.User, Container: unit, Attrs: []string{"CN", "DISPLAYNAME", "title"}}
		got, err := collect(t.Context(), d, q)
		require.NoError(t, err)
		var have []ldapsync.GUID
		for _, o := range got {
			have = append(have, o.ID)
			_, name := o.DN.RDN()
			require.Equal(t, []string{name}, o.All("cn"))
			require.Equal(t, []string{name + " Ångström"}, o.All("displayName"))
			require.Equal(t, ldapsync.Absent, o.Presence("title"))
			require.Equal(t, ldapsync.User, o.Class)
			require.True(t, o.DN.IsChildOf(unit.DN))
			for a := range o.Attrs() {
				require.Contains(t, q.Attrs, a.Name, "as the caller spelled it, and nothing else")
			}
		}
		require.ElementsMatch(t, ids, have)

		q.Subtree = true
		got, err = collect(t.Context(), d, q)
		require.NoError(t, err)
		require.Len(t, got, 108)

		q.Subtree, q.Filter = false, "(cn=user 000*)"
		got, err = collect(t.Context(), d, q)
		require.NoError(t, err)
		require.Len(t, got, 10)

		got, err = collect(t.Context(), d, ldapsync.Query{Container: unit, Subtree: true})
		require.NoError(t, err)
		require.Len(t, got, 109, "any class, the base itself not included")
		classes := map[ldapsync.Class]int{}
		for _, o := range got {
			classes[o.Class]++
		}
		require.Equal(t, map[ldapsync.Class]int{ldapsync.User: 108, 0: 1}, classes)

		children, err := d.ChildContainers(t.Context(), unit)
		require.NoError(t, err)
		require.Equal(t, []ldapsync.Container{below}, children)
	})
}

func TestLeaveAndCancel(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		w := s.world(t)
		unit := w.unit(t)
		w.people(t, unit, 70)
		d := s.open(t)
		q := ldapsync.Query{Class: ldapsync.User, Container: unit}
		for range 3 {
			n := 0
			for _, err := range d.Read(t.Context(), q) {
				require.NoError(t, err)
				if n++; n == 25 {
					break
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		var last error
		for _, err := range d.Read(ctx, q) {
			if last = err; err != nil {
				break
			}
			if n++; n == 5 {
				cancel()
			}
		}
		if last != nil { // it may have been read to the end already
			require.ErrorIs(t, last, context.Canceled)
			require.ErrorIs(t, last, ldapsync.ErrPartial)
		}
		cancel()
		_, err := collect(ctx, d, q)
		require.ErrorIs(t, err, context.Canceled)
		_, err = d.Info(ctx)
		require.ErrorIs(t, err, context.Canceled)

		got, err := collect(t.Context(), d, q)
		require.NoError(t, err)
		require.Len(t, got, 70)
	})
}

func TestNestedAndConcurrentUse(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		w := s.world(t)
		unit := w.unit(t)
		w.people(t, unit, 30)
		d := s.open(t, func(c *ldapdir.Config) { c.Connections = 1 })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for o, err := range d.Read(t.Context(), ldapsync.Query{Class: ldapsync.User, Container: unit, Attrs: []string{"cn"}}) {
					if err != nil {
						t.Error(err)
						return
					}
					got, err := d.Locate(t.Context(), o.ID, []string{"cn"})
					if err != nil || !slices.Equal(got.All("cn"), o.All("cn")) {
						t.Errorf("%s: %v %v", o.DN, got, err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestContainer(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		w := s.world(t)
		unit := w.unit(t)
		d := s.open(t)
		ctx := t.Context()
		got, err := d.Container(ctx, ldapsync.ContainerRef{DN: strings.ToLower(unit.DN.String())})
		require.NoError(t, err)
		require.Equal(t, unit.ID, got.ID)
		require.NoError(t, w.Rename(ctx, unit.ID, "renamed, "+fmt.Sprint(units.Add(1))))
		moved, err := d.Container(ctx, ldapsync.ContainerRef{DN: unit.DN.String(), ID: unit.ID})
		require.NoError(t, err)
		require.False(t, moved.DN.Equal(unit.DN))
		t.Cleanup(func() { w.Wipe(moved.DN) })

		_, err = d.Container(ctx, ldapsync.ContainerRef{DN: "OU=Nowhere," + s.base.String()})
		require.ErrorIs(t, err, ldapsync.ErrNotFound)
		_, err = collect(ctx, d, ldapsync.Query{Class: ldapsync.User, Container: ldapsync.Container{DN: ldapsync.MustParseDN("OU=Nowhere," + s.base.String())}})
		require.ErrorIs(t, err, ldapsync.ErrNotFound)
		_, err = d.Locate(ctx, ldapsync.GUID{1, 2, 3}, nil)
		require.ErrorIs(t, err, ldapsync.ErrNotFound)
		_, err = d.Locate(ctx, ldapsync.GUID{}, nil)
		require.ErrorIs(t, err, ldapsync.ErrNotFound)
		_, err = d.Container(ctx, ldapsync.ContainerRef{})
		require.ErrorContains(t, err, "both are empty")
		_, err = collect(ctx, d, ldapsync.Query{Class: ldapsync.User})
		require.ErrorContains(t, err, "names no container")
		_, err = collect(ctx, d, ldapsync.Query{Class: ldapsync.User, Container: moved, Filter: "(cn=a)(cn=b)"})
		require.ErrorContains(t, err, "is not a filter")
		_, err = collect(ctx, d, ldapsync.Query{Class: 9, Container: moved})
		require.ErrorContains(t, err, "Class(9)")
	})
}

func TestInfo(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		d := s.open(t)
		info, err := d.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, s.kind.String(), info.Kind)
		require.NotEmpty(t, info.Server)
		require.False(t, info.Partial)
		if s.kind == ldapdir.ActiveDirectory {
			require.False(t, info.InvocationID.IsZero())
			require.NotZero(t, info.HighestUSN)
			require.False(t, info.Time.IsZero())
			require.NotEmpty(t, info.Domain.FQDN)
			require.Equal(t, strings.ToUpper(info.Domain.NetBIOS), info.Domain.NetBIOS)
			require.NotEmpty(t, info.Domain.NetBIOS)
		}
		if s.server != nil {
			require.Equal(t, ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"}, info.Domain)
			require.Equal(t, s.server.InvocationID().String(), info.InvocationID.String())
			require.Equal(t, "dc1.ashdown.example", info.Server)
		}
	})
}

func TestBinaryValues(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		w := s.world(t)
		unit := w.unit(t)
		id := w.people(t, unit, 1)[0]
		d := s.open(t)
		photo := "\xff\xd8\xff\xe0\x00\x10JFIF\x00" + strings.Repeat("\x00\xff\x80\n\r ", 20000)
		_, err := d.Write(t.Context(), ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "jpegPhoto", After: []string{photo}}}})
		require.NoError(t, err)
		o, err := d.Get(t.Context(), id, []string{"JPEGPhoto"})
		require.NoError(t, err)
		require.True(t, ldapsync.SameValues([]string{photo}, o.All("jpegphoto")))
		there, err := w.Get(t.Context(), id)
		require.NoError(t, err)
		require.True(t, ldapsync.SameValues([]string{photo}, there.All("jpegPhoto")))
	})
}

func TestCertificates(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		w := s.world(t)
		unit := w.unit(t)
		id := w.people(t, unit, 1)[0]
		d := s.open(t)
		a, b, c := certificate(t, "a"), certificate(t, "b"), certificate(t, "c")
		write := func(before, after []string) error {
			_, err := d.Write(t.Context(), ldapsync.Change{Op: ldapsync.OpUpdate, ID: id,
				Edits: []ldapsync.Edit{{Attr: "userCertificate", Before: before, After: after}}})
			return err
		}
		has := func() []string {
			o, err := d.Get(t.Context(), id, []string{"userCertificate"})
			require.NoError(t, err)
			return o.All("userCertificate")
		}
		require.NoError(t, write(nil, []string{a, b}))
		require.ElementsMatch(t, []string{a, b}, has())
		require.NoError(t, write([]string{b, a}, []string{c, b}))
		require.ElementsMatch(t, []string{b, c}, has())
		require.ErrorIs(t, write([]string{a}, nil), ldapsync.ErrPrecondition)
		require.NoError(t, write([]string{b, c}, nil))
		require.Empty(t, has())
	})
}

func TestMessages(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		const secret = "Geheim-4711"
		d := s.open(t, func(c *ldapdir.Config) {
			user := c.Bind.(ldapdir.Simple).User
			c.Bind = ldapdir.Simple{User: user, Password: ldapdir.NewSecret(secret)}
		})
		for range 3 {
			_, err := d.Info(t.Context())
			require.ErrorIs(t, err, ldapsync.ErrCredentials)
			require.NotErrorIs(t, err, ldapsync.ErrTransient)
			require.ErrorContains(t, err, "password")
			require.NotContains(t, err.Error()+fmt.Sprintf("%+v %#v", err, err), secret)
		}
		if s.server != nil {
			require.EqualValues(t, 1, s.server.Stats().FailedBinds, "a wrong password is tried once")
		}
		_, err := collect(t.Context(), d, ldapsync.Query{Class: ldapsync.User, Container: ldapsync.Container{DN: s.base}})
		require.ErrorIs(t, err, ldapsync.ErrCredentials)
		e := (*ldapdir.Error)(nil)
		require.True(t, errors.As(err, &e))
		require.Equal(t, ldapdir.ResultInvalidCredentials, e.Code)
		require.Equal(t, "bind", e.Op)
	})
}
