package ldapsync_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func TestNewSortedObject(t *testing.T) {
	id, dn := ldapsync.GUID{7}, ldapsync.MustParseDN("CN=a,DC=x")
	for _, attrs := range [][]ldapsync.Attr{
		nil,
		{ldapsync.Values("cn", "a"), {Name: "mail", Presence: ldapsync.Unreadable}, ldapsync.Values("Title", "b", "c")},
		{ldapsync.Values("mail", "a"), ldapsync.Values("cn", "b")},
		{ldapsync.Values("cn", "a"), ldapsync.Values("CN", "b")},
		{{Name: "cn"}, ldapsync.Values("mail", "b")},
		{{Name: "cn", Values: []string{"a"}}},
		{{Name: "cn", Values: []string{"a"}, Presence: ldapsync.Unreadable}},
		{{Name: "cn", Presence: ldapsync.Present}},
	} {
		want := ldapsync.NewObject(id, dn, ldapsync.User, attrs...)
		got := ldapsync.NewSortedObject(id, dn, ldapsync.User, slices.Clone(attrs))
		require.Equal(t, slices.Collect(want.Attrs()), slices.Collect(got.Attrs()))
		got.With("zz", "1")
		require.Equal(t, ldapsync.Absent, got.Presence("zz"))
	}
}

func batchPerson(i int) ldapsync.Object {
	var id ldapsync.GUID
	copy(id[:], fmt.Sprintf("%016d", i))
	attrs := []ldapsync.Attr{{Name: "secretary", Presence: ldapsync.Unreadable}, ldapsync.Values("otherTelephone", "1", "2")}
	for _, name := range []string{"cn", "sn", "givenName", "displayName", "mail", "title", "department", "employeeID", "telephoneNumber", "mobile", "street", "l", "st", "postalCode"} {
		attrs = append(attrs, ldapsync.Values(name, fmt.Sprintf("%s of person %05d", name, i)))
	}
	dn := ldapsync.MustParseDN(fmt.Sprintf("CN=Person %05d,OU=People,DC=ashdown,DC=example", i))
	return ldapsync.NewObject(id, dn, ldapsync.User, attrs...)
}

func TestObjectBatch(t *testing.T) {
	var want []ldapsync.Object
	for i := range 3000 {
		want = append(want, batchPerson(i))
	}
	for _, dn := range []string{"", "DC=x", `CN=Oakley\, Ann,DC=x`, `CN=Oakley\, Ben,DC=x`, "CN=a  b,OU=y;DC=x", " CN=a , OU=y", "CN=Zoë,OU=y", "CN=a+SN=b,OU=y", "CN=#41,OU=y"} {
		d := ldapsync.MustParseDN(dn)
		want = append(want, ldapsync.NewObject(ldapsync.GUID{1}, d, 0), ldapsync.NewObject(ldapsync.GUID{2}, d, ldapsync.Device,
			ldapsync.Values("CN", strings.Repeat("x", 300_000)), ldapsync.Values("photo", "\x00\xff", "")))
	}
	var b ldapsync.ObjectBatch
	for i, o := range want {
		require.Equal(t, i, b.Len())
		b.Add(o)
		same(t, o, b.At(i)) // while it is being filled
	}
	n := 0
	for i, o := range b.All() {
		require.Equal(t, n, i)
		same(t, want[i], o)
		n++
	}
	require.Equal(t, len(want), n)
	for range b.All() {
		break
	}
	require.Panics(t, func() { b.At(n) })
}

func same(t *testing.T, want, got ldapsync.Object) {
	t.Helper()
	sameDN(t, want.DN, got.DN)
	require.Equal(t, want.ID, got.ID)
	require.Equal(t, want.Class, got.Class)
	require.Equal(t, slices.Collect(want.Attrs()), slices.Collect(got.Attrs()))
}

// BenchmarkHeld says how much memory an object of 17 values takes in a slice and in an ObjectBatch.
func BenchmarkHeld(b *testing.B) {
	const n = 10_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b.Run("slice", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			held := make([]ldapsync.Object, n)
			for i := range held {
				held[i] = batchPerson(i)
			}
			b.ReportMetric(float64(heap()-before)/n, "bytes/object")
			runtime.KeepAlive(held)
		}
	})
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			var held ldapsync.ObjectBatch
			for i := range n {
				held.Add(batchPerson(i))
			}
			b.ReportMetric(float64(heap()-before)/n, "bytes/object")
			runtime.KeepAlive(&held)
		}
	})
	b.Run("batch/read", func(b *testing.B) {
		var held ldapsync.ObjectBatch
		for i := range n {
			held.Add(batchPerson(i))
		}
		b.ReportAllocs()
		for b.Loop() {
			for _, o := range held.All() {
				if _, ok := o.Get("mail"); !ok {
					b.Fatal("no mail")
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/object")
	})
}

// FuzzObjectBatch adds objects with any name and values to a batch and takes them out again.
func FuzzObjectBatch(f *testing.F) {
	f.Add("CN=a,OU=x,DC=y", "cn", "a", "\x00\xff")
	f.Add(`CN=Oakley\, Ann,OU=x`, "title", "", "b")
	f.Add(" CN = a+SN=b ;DC=y", "", strings.Repeat("x", 300), "")
	f.Fuzz(func(t *testing.T, name, attr, v1, v2 string) {
		dn, err := ldapsync.ParseDN(name)
		if err != nil {
			return
		}
		var b ldapsync.ObjectBatch
		want := []ldapsync.Object{
			ldapsync.NewObject(ldapsync.GUID{1}, dn, ldapsync.User, ldapsync.Values(attr, v1, v2), ldapsync.Values("cn", v2)),
			ldapsync.NewObject(ldapsync.GUID{2}, dn, 0, ldapsync.Attr{Name: attr, Presence: ldapsync.Unreadable}),
			ldapsync.NewObject(ldapsync.GUID{3}, dn.Parent(), ldapsync.Device),
		}
		for _, o := range want {
			b.Add(o)
		}
		for i, o := range b.All() {
			same(t, want[i], o)
			same(t, want[i], b.At(i))
		}
	})
}

func ExampleObjectBatch() {
	var users ldapsync.ObjectBatch
	ou := ldapsync.MustParseDN("OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example")
	byMail := map[string]int{}
	for i, name := range []string{"Ann Oakley", "Ben Ashdown"} {
		o := ldapsync.NewObject(ldapsync.GUID{byte(i + 1)}, ou.Child("CN", name), ldapsync.User,
			ldapsync.Values("mail", strings.ToLower(name[:3])+"@ashdown.example"))
		mail, _ := o.Get("mail")
		byMail[mail] = users.Len()
		users.Add(o)
	}
	fmt.Println(users.Len(), users.At(byMail["ben@ashdown.example"]).DN)
	// Output: 2 CN=Ben Ashdown,OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example
}
