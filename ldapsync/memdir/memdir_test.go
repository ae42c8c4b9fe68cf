package memdir_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
)

const staffDN = "OU=Staff,DC=ashdown,DC=example"

func user(name string, attrs ...ldapsync.Attr) ldapsync.Object {
	return ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN(staffDN).Child("CN", name), ldapsync.User, attrs...)
}

func staff(t testing.TB) (*memdir.Dir, ldapsync.Container) {
	d := memdir.New(memdir.Config{Seed: 7})
	c, err := d.AddOU(staffDN)
	require.NoError(t, err)
	return d, c
}

func add(t testing.TB, d *memdir.Dir, o ldapsync.Object) ldapsync.GUID {
	id, err := d.Add(o)
	require.NoError(t, err)
	return id
}

func names(t testing.TB, d *memdir.Dir, q ldapsync.Query) []string {
	out := []string{}
	for o, err := range d.Read(t.Context(), q) {
		require.NoError(t, err)
		_, n := o.DN.RDN()
		out = append(out, n)
	}
	return out
}

func TestDumpIsDeterministic(t *testing.T) {
	build := func() *memdir.Dir {
		d, _ := staff(t)
		add(t, d, user("Zoë", ldapsync.Values("description", " lead", "line\nbreak", "plain")))
		id := add(t, d, user("Ann", ldapsync.Values("mail", "ann@ashdown.example")))
		require.NoError(t, d.SetUnreadable(id, "mobile"))
		return d
	}
	got := build().Dump()
	require.Equal(t, got, build().Dump())
	want := []string{"dn: DC=example", "dn: DC=ashdown,DC=example", "dn: OU=Staff,DC=ashdown,DC=example",
		"dn: CN=Ann,OU=Staff", "# mobile: unreadable", "dn:: ", "description:: " /* lead */, "description:: ", "description: plain"}
	at := 0
	for _, w := range want {
		i := strings.Index(got[at:], w)
		require.GreaterOrEqual(t, i, 0, "%q after %q", w, got[:at])
		at += i + len(w)
	}
}

func TestSeedsMakeDifferentIdentities(t *testing.T) {
	a, b := memdir.New(memdir.Config{Seed: 1}), memdir.New(memdir.Config{Seed: 2})
	require.NotEqual(t, add(t, a, user("Ann")), add(t, b, user("Ann")))
	c := memdir.New(memdir.Config{Seed: 1})
	require.Empty(t, names(t, c, ldapsync.Query{}), "an empty directory reads empty")
	require.Equal(t, a.Objects()[0].ID, add(t, c, user("Ann")))
}

func TestMutators(t *testing.T) {
	d, c := staff(t)
	id := add(t, d, user("Ann"))
	_, err := d.Add(user("ANN"))
	require.ErrorIs(t, err, ldapsync.ErrExists, "names compare without case")
	o, _ := d.Object(id)
	_, err = d.Add(ldapsync.NewObject(id, ldapsync.MustParseDN("CN=Other,"+staffDN), ldapsync.User))
	require.ErrorIs(t, err, ldapsync.ErrExists, "identities are unique")
	require.Equal(t, []string{"Ann"}, o.All("cn"))
	require.Contains(t, o.All("objectClass"), "user")

	leavers, err := d.AddOU("OU=Left,OU=Staff,DC=ashdown,DC=example")
	require.NoError(t, err)
	require.NoError(t, d.Move(id, leavers.DN))
	require.Empty(t, names(t, d, ldapsync.Query{Class: ldapsync.User, Container: c}))
	require.NoError(t, d.Rename(leavers.ID, "Gone, for good"))
	o, ok := d.At(`cn=ann,ou=gone\, for good,ou=staff,dc=ashdown,dc=example`)
	require.True(t, ok)
	require.Equal(t, `CN=Ann,OU=Gone\, for good,OU=Staff,DC=ashdown,DC=example`, o.DN.String())
	require.ErrorContains(t, d.Move(c.ID, leavers.DN.Parent().Child("OU", "Gone, for good")), "below itself")
	require.ErrorIs(t, d.Move(id, ldapsync.MustParseDN("OU=None")), ldapsync.ErrNotFound)
	require.Equal(t, []string{"Ann"}, names(t, d, ldapsync.Query{Class: ldapsync.User, Container: c, Subtree: true}))

	n := d.Len()
	require.NoError(t, d.Delete(leavers.ID))
	require.Equal(t, n-2, d.Len(), "the container and what was in it")
	require.ErrorIs(t, d.Set(id, "title", "x"), ldapsync.ErrNotFound)
	require.ErrorIs(t, d.Rename(leavers.ID, "x"), ldapsync.ErrNotFound)
	_, err = d.Add(ldapsync.Object{})
	require.Error(t, err)
	_, err = d.AddOU("nonsense")
	require.Error(t, err)
}

func TestCloneIsIndependent(t *testing.T) {
	d, c := staff(t)
	id := add(t, d, user("Ann", ldapsync.Values("title", "Nurse")))
	require.NoError(t, d.DenyRead(id, "mail"))
	copied := d.Clone()
	require.Equal(t, d.Dump(), copied.Dump())
	before := d.Dump()
	require.NoError(t, copied.Set(id, "title", "Matron"))
	bob := add(t, copied, user("Bob"))
	require.NoError(t, copied.Rename(c.ID, "Everybody"))
	require.Equal(t, before, d.Dump())
	require.Equal(t, bob, add(t, d, user("Cy")), "both continue from the same counter")
}

func TestRights(t *testing.T) {
	ctx := t.Context()
	d, c := staff(t)
	id := add(t, d, user("Ann", ldapsync.Values("mail", "a@x"), ldapsync.Values("title", "Nurse")))
	read := func() ldapsync.Object {
		o, err := d.Locate(ctx, id, []string{"mail", "title", "mobile", "objectGUID", "distinguishedName"})
		require.NoError(t, err)
		return o
	}
	require.Equal(t, []string{id.Raw()}, read().All("objectGUID"))
	require.Equal(t, []string{"CN=Ann," + staffDN}, read().All("distinguishedName"))
	require.NoError(t, d.DenyRead(id, "MAIL"))
	require.NoError(t, d.DenyRead(ldapsync.GUID{}, "mobile"))
	require.Equal(t, ldapsync.Absent, read().Presence("mail"), "denied silently")
	p, err := d.VerifyAbsent(ctx, id, []string{"title", "mail", "department", "mobile"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{ldapsync.Present, ldapsync.Unreadable, ldapsync.Absent, ldapsync.Unreadable}, p)
	require.Empty(t, names(t, d, ldapsync.Query{Class: ldapsync.User, Container: c, Filter: "(mail=*)"}))
	require.Empty(t, names(t, d, ldapsync.Query{Class: ldapsync.User, Container: c, Filter: "(!(mail=*))"}))
	require.NoError(t, d.AllowRead(id))
	require.NoError(t, d.AllowRead(ldapsync.GUID{}))
	require.Equal(t, ldapsync.Present, read().Presence("mail"))
	require.NoError(t, d.SetUnreadable(id, "mail"))
	require.Equal(t, ldapsync.Unreadable, read().Presence("mail"))
	_, err = d.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "mail", After: []string{"b"}}}})
	require.ErrorIs(t, err, ldapsync.ErrPermission)

	require.NoError(t, d.DenyList(c.ID, true))
	require.Empty(t, names(t, d, ldapsync.Query{Class: ldapsync.User, Container: c}), "success and nothing, as a directory answers")
	may, err := d.VerifyListing(ctx, c)
	require.NoError(t, err)
	require.Equal(t, ldapsync.Unreadable, may)
	require.NoError(t, d.DenyList(c.ID, false))
	may, err = d.VerifyListing(ctx, c)
	require.NoError(t, err)
	require.Equal(t, ldapsync.Present, may)

	require.NoError(t, d.Hide(id, true))
	_, err = d.Locate(ctx, id, nil)
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
	require.NoError(t, d.Hide(id, false))

	for _, denied := range []ldapsync.GUID{id, c.ID} {
		require.NoError(t, d.DenyWrite(denied, true))
	}
	before := d.Dump()
	for _, ch := range []ldapsync.Change{
		{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", Before: []string{"Nurse"}, After: []string{"x"}}}},
		{Op: ldapsync.OpDelete, ID: id},
		{Op: ldapsync.OpCreate, DN: c.DN.Child("CN", "New"), Class: ldapsync.Device},
	} {
		_, err := d.Write(ctx, ch)
		require.ErrorIs(t, err, ldapsync.ErrPermission, ch.Op)
	}
	require.Equal(t, before, d.Dump())
}

func TestHooks(t *testing.T) {
	ctx := t.Context()
	d, c := staff(t)
	id := add(t, d, user("Ann"))
	add(t, d, user("Bob"))
	q := ldapsync.Query{Class: ldapsync.User, Container: c}
	read := func() (n int, err error) {
		for _, e := range d.Read(ctx, q) {
			if e != nil {
				return n, e
			}
			n++
		}
		return n, nil
	}
	for after := range 3 {
		d.SetHook(memdir.PartialRead(after))
		n, err := read()
		require.Equal(t, after, n)
		require.ErrorIs(t, err, ldapsync.ErrPartial)
	}
	title := ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", After: []string{"Nurse"}}}}
	d.SetHook(memdir.LoseAnswers(1, false))
	_, err := d.Write(ctx, title)
	require.ErrorIs(t, err, ldapsync.ErrUnclear)
	o, _ := d.Object(id)
	require.Equal(t, ldapsync.Absent, o.Presence("title"), "lost before it was carried out")
	d.SetHook(memdir.LoseAnswers(1, true))
	_, err = d.Write(ctx, title)
	require.ErrorIs(t, err, ldapsync.ErrUnclear)
	o, _ = d.Object(id)
	require.Equal(t, ldapsync.Present, o.Presence("title"), "carried out, answer lost")
	_, err = d.Write(ctx, title)
	require.NoError(t, err, "the repetition succeeds")

	for _, op := range []memdir.Op{memdir.OpInfo, memdir.OpContainer, memdir.OpContainers, memdir.OpRead, memdir.OpGet, memdir.OpVerify, memdir.OpWrite} {
		calls := map[memdir.Op]func() error{
			memdir.OpInfo:       func() error { _, err := d.Info(ctx); return err },
			memdir.OpContainer:  func() error { _, err := d.Container(ctx, ldapsync.ContainerRef{ID: c.ID}); return err },
			memdir.OpContainers: func() error { _, err := d.ChildContainers(ctx, c); return err },
			memdir.OpRead:       func() error { _, err := read(); return err },
			memdir.OpGet:        func() error { _, err := d.Get(ctx, id, nil); return err },
			memdir.OpVerify:     func() error { _, err := d.VerifyAbsent(ctx, id, nil); return err },
			memdir.OpWrite:      func() error { _, err := d.Write(ctx, title); return err },
		}
		d.SetHook(memdir.Busy(op, 1))
		require.ErrorIs(t, calls[op](), ldapsync.ErrTransient, op)
		require.NoError(t, calls[op](), op)
		lost := errors.New("lost")
		d.SetHook(func(e memdir.Event) error {
			if e.Op == op && e.Done {
				return lost
			}
			return nil
		})
		require.ErrorIs(t, calls[op](), lost, op)
	}
	d.SetHook(nil)
	_, err = d.VerifyListing(ctx, c)
	require.NoError(t, err)
}

func TestCounts(t *testing.T) {
	ctx := t.Context()
	d, c := staff(t)
	id := add(t, d, user("Ann"))
	require.Len(t, names(t, d, ldapsync.Query{Class: ldapsync.User, Container: c}), 1)
	title := ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", After: []string{"Nurse"}}}}
	for range 2 {
		_, err := d.Write(ctx, title)
		require.NoError(t, err)
	}
	_, err := d.Get(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, memdir.Counts{Reads: 1, Objects: 1, Gets: 1, Writes: 2, Changes: 1}, d.Counts())
	d.ResetCounts()
	require.Zero(t, d.Counts())
}

func TestInfo(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	d := memdir.New(memdir.Config{Clock: func() time.Time { return now }, Info: ldapsync.DirectoryInfo{Server: "dc1", HighestUSN: 100}})
	add(t, d, user("Ann"))
	i, err := d.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, ldapsync.DirectoryInfo{Kind: "memory", Server: "dc1", HighestUSN: 104, Time: now}, i)
}

func TestWriteLimits(t *testing.T) {
	ctx := t.Context()
	d, c := staff(t)
	id := add(t, d, user("Ann"))
	before := d.Dump()
	for want, ch := range map[string]ldapsync.Change{
		"may not be empty":  {Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", After: []string{""}}}},
		"occurs twice":      {Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "mail", After: []string{"a", "b", "a"}}}},
		"edited twice":      {Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "mail"}, {Attr: "MAIL"}}},
		"only a rename":     {Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "cn", Before: []string{"Ann"}, After: []string{"Bob"}}}},
		"names no attr":     {Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{}}},
		"entries below":     {Op: ldapsync.OpDelete, ID: c.ID},
		"DN is missing":     {Op: ldapsync.OpCreate},
		"name may not be e": {Op: ldapsync.OpRename, ID: id, OldName: "Ann"},
		"no such operation": {ID: id},
	} {
		_, err := d.Write(ctx, ch)
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, before, d.Dump())
}

func TestConcurrentUse(t *testing.T) {
	ctx := t.Context()
	d, c := staff(t)
	ids := make([]ldapsync.GUID, 50)
	for i := range ids {
		ids[i] = add(t, d, user(fmt.Sprint("User ", i)))
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i, id := range ids {
				_, _ = d.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id, Edits: []ldapsync.Edit{{Attr: "title", After: []string{fmt.Sprint(w)}}}})
				if i%10 == w {
					_ = d.Rename(c.ID, fmt.Sprint("Staff ", w, i))
					_ = d.Dump()
					d.Clone()
				}
				n := 0
				for _, err := range d.Read(ctx, ldapsync.Query{Class: ldapsync.User, Container: c}) {
					if err == nil {
						n++
					}
				}
				if n != len(ids) {
					t.Errorf("a read saw %d of %d objects", n, len(ids))
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkRead streams a directory with ten attributes per object, of which six are asked for. The peer is a
// walk over a slice of the same objects: what no directory can be faster than.
func BenchmarkRead(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		d, c := staff(b)
		var objects []ldapsync.Object
		for i := range n {
			var attrs []ldapsync.Attr
			for a := range 10 {
				attrs = append(attrs, ldapsync.Values(fmt.Sprint("attr", a), fmt.Sprint("value ", i)))
			}
			o := user(fmt.Sprint("User ", i), attrs...)
			add(b, d, o)
			objects = append(objects, o)
		}
		attrs := []string{"attr0", "attr1", "attr2", "attr3", "attr4", "attr5"}
		b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for _, err := range d.Read(context.Background(), ldapsync.Query{Class: ldapsync.User, Container: c, Attrs: attrs}) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
		})
		b.Run(fmt.Sprintf("slice/objects=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, o := range objects {
					o.Select(attrs...)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	const n = 10_000
	b.Run(fmt.Sprintf("objects=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d, _ := staff(b)
			for i := range n {
				add(b, d, user(fmt.Sprint("User ", i)))
			}
		}
	})
}

func Example() {
	ctx := context.Background()
	d := memdir.New(memdir.Config{Seed: 1})
	ou, _ := d.AddOU("OU=Staff,DC=ashdown,DC=example")
	id, _ := d.Add(ldapsync.NewObject(ldapsync.GUID{}, ou.DN.Child("CN", "Ann Oakley"), ldapsync.User,
		ldapsync.Values("department", "Ward 3")))

	for o, err := range d.Read(ctx, ldapsync.Query{Class: ldapsync.User, Container: ou, Attrs: []string{"department"}}) {
		fmt.Println(o.DN, o.All("department"), err)
	}

	// A change that was planned before somebody else edited the object is refused.
	_ = d.Set(id, "department", "Ward 4")
	_, err := d.Write(ctx, ldapsync.Change{Op: ldapsync.OpUpdate, ID: id,
		Edits: []ldapsync.Edit{{Attr: "department", Before: []string{"Ward 3"}, After: []string{"Ward 5"}}}})
	fmt.Println(err)
	// Output:
	// CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example [Ward 3] <nil>
	// memdir: update: CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example: department: changed since the plan was made
}

func ExampleDir_SetHook() {
	d := memdir.New(memdir.Config{})
	_, _ = d.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=Ann,OU=Staff"), ldapsync.User))
	_, _ = d.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=Bob,OU=Staff"), ldapsync.User))
	d.SetHook(memdir.PartialRead(1))
	for o, err := range d.Read(context.Background(), ldapsync.Query{Class: ldapsync.User}) {
		fmt.Println(o.DN, err)
	}
	// Output:
	// CN=Ann,OU=Staff <nil>
	//  memdir: connection lost after 1 objects: read is incomplete
}
