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
