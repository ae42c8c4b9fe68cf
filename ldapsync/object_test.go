package ldapsync_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func TestObject(t *testing.T) {
	o := ldapsync.NewObject(mustGUID(guidText), ldapsync.MustParseDN("CN=Ann"), ldapsync.User,
		ldapsync.Values("sn", "Oakley"), ldapsync.Values("CN", "Ann"), ldapsync.Values("mail"), ldapsync.Values("cn", "Ann", "Nan"),
		ldapsync.Attr{Name: "mobile", Values: []string{"x"}, Presence: ldapsync.Unreadable}, ldapsync.Attr{Name: "title", Values: []string{"Nurse"}})
	names := func(o ldapsync.Object) (out []string) {
		for a := range o.Attrs() {
			out = append(out, a.Name)
		}
		return out
	}
	require.Equal(t, []string{"cn", "mobile", "sn", "title"}, names(o), "sorted without case, the last of equal names, absent ones left out")
	require.Equal(t, []string{"Ann", "Nan"}, o.All("Cn"))
	v, ok := o.Get("CN")
	require.True(t, ok)
	require.Equal(t, "Ann", v)
	_, ok = o.Get("mobile")
	require.False(t, ok, "values of an unreadable attribute are dropped")
	require.Nil(t, o.All("mobile"))
	require.Equal(t, ldapsync.Unreadable, o.Presence("MOBILE"))
	require.Equal(t, ldapsync.Present, o.Presence("title"))
	require.Equal(t, ldapsync.Attr{Name: "mail"}, o.Attr("mail"))

	changed := o.With("sn", "Ash").With("TITLE").With("givenName", "Ann").WithUnreadable("cn")
	require.Equal(t, []string{"cn", "givenName", "mobile", "sn"}, names(changed))
	require.Equal(t, []string{"cn", "mobile", "sn", "title"}, names(o), "the original is as it was")
	require.Equal(t, []string{"Oakley"}, o.All("sn"))
	require.Equal(t, ldapsync.Absent, changed.Presence("title"))
	require.Equal(t, ldapsync.Unreadable, changed.Presence("cn"))

	s := o.Select("TITLE", "mail", "mobile", "title")
	require.Equal(t, []string{"mobile", "title"}, names(s))
	require.Equal(t, o.ID, s.ID)
	require.Empty(t, names(o.Select()))

	values := []string{"a"}
	w := o.With("x", values...)
	values[0] = "b"
	require.Equal(t, []string{"a"}, w.All("x"), "With keeps no reference")

	var zero ldapsync.Object
	require.Equal(t, ldapsync.Absent, zero.Presence("cn"))
	require.Equal(t, []string{"y"}, zero.With("x", "y").All("X"))
}

// TestObjectAgainstMap compares an Object with a map on any sequence of changes.
func TestObjectAgainstMap(t *testing.T) {
	var o ldapsync.Object
	model := map[string]string{}
	names := []string{"cn", "CN", "a", "B", "b-c", "B1", "z", "Zz", "é"}
	for i := range 500 {
		n := names[i*7%len(names)]
		switch i % 5 {
		case 4:
			o = o.With(n)
			delete(model, strings.ToLower(n))
		default:
			o = o.With(n, fmt.Sprint(i))
			model[strings.ToLower(n)] = fmt.Sprint(i)
		}
		count := 0
		prev := ""
		for a := range o.Attrs() {
			require.Less(t, prev, strings.ToLower(a.Name))
			prev = strings.ToLower(a.Name)
			count++
		}
		require.Equal(t, len(model), count)
		for n, v := range model {
			require.Equal(t, []string{v}, o.All(strings.ToUpper(n)[:1]+n[1:]))
		}
	}
}

func TestSameValues(t *testing.T) {
	for _, c := range []struct {
		a, b []string
		want bool
	}{
		{nil, nil, true}, {nil, []string{}, true}, {[]string{"a"}, nil, false}, {[]string{"a"}, []string{"a"}, true}, {[]string{"a"}, []string{"A"}, false},
		{[]string{"a", "b"}, []string{"b", "a"}, true}, {[]string{"a", "b"}, []string{"a", "b"}, true}, {[]string{"a", "a"}, []string{"a", "b"}, false}, {[]string{"a", "a", "b"}, []string{"a", "b", "b"}, false},
	} {
		require.Equal(t, c.want, ldapsync.SameValues(c.a, c.b), "%q %q", c.a, c.b)
		require.Equal(t, c.want, ldapsync.SameValues(c.b, c.a))
	}
	a := []string{"b", "a"}
	ldapsync.SameValues(a, []string{"a", "b"})
	require.Equal(t, []string{"b", "a"}, a, "the arguments are left alone")
}

func TestNames(t *testing.T) {
	for v, want := range map[fmt.Stringer]string{
		ldapsync.Absent: "absent", ldapsync.Present: "present", ldapsync.Unreadable: "unreadable", ldapsync.Presence(9): "Presence(9)",
		ldapsync.User: "user", ldapsync.Device: "device", ldapsync.Class(0): "Class(0)", ldapsync.Class(255): "Class(255)",
		ldapsync.OpCreate: "create", ldapsync.OpUpdate: "update", ldapsync.OpRename: "rename", ldapsync.OpDelete: "delete", ldapsync.Op(0): "Op(0)", ldapsync.Op(255): "Op(255)",
	} {
		require.Equal(t, want, v.String())
	}
	for _, c := range []ldapsync.Class{0, ldapsync.User, ldapsync.Device} {
		b, err := c.MarshalText()
		require.NoError(t, err)
		var u ldapsync.Class
		require.NoError(t, u.UnmarshalText(b))
		require.Equal(t, c, u)
	}
	_, err := ldapsync.Class(7).MarshalText()
	require.Error(t, err)
	var c ldapsync.Class
	require.ErrorContains(t, c.UnmarshalText([]byte("robot")), `unknown class "robot"`)
}

func BenchmarkObject(b *testing.B) {
	var attrs []ldapsync.Attr
	var names []string
	for i := range 20 {
		n := fmt.Sprint("attribute", i)
		attrs = append(attrs, ldapsync.Values(n, "value"))
		names = append(names, strings.ToUpper(n))
	}
	b.Run("new/attrs=20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ldapsync.NewObject(ldapsync.GUID{}, ldapsync.DN{}, 0, attrs...)
		}
	})
	o := ldapsync.NewObject(ldapsync.GUID{}, ldapsync.DN{}, 0, attrs...)
	b.Run("get/attrs=20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.Get(names[13])
		}
	})
	b.Run("select/attrs=20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.Select(names...)
		}
	})
}

func ExampleObject() {
	o := ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("CN=Ann Oakley,DC=ashdown,DC=example"), ldapsync.User,
		ldapsync.Values("mail", "ann@ashdown.example")).WithUnreadable("mobile")
	for _, name := range []string{"MAIL", "title", "mobile"} {
		fmt.Println(name, o.Presence(name), slices.Clone(o.All(name)))
	}
	// Output:
	// MAIL present [ann@ashdown.example]
	// title absent []
	// mobile unreadable []
}
