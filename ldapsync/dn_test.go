package ldapsync_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func TestDN(t *testing.T) {
	for _, c := range []struct {
		text, typ, val string
		n              int
		parent         string
	}{
		{"", "", "", 0, ""}, {"  ", "", "", 0, ""},
		{"CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example", "CN", "Ann Oakley", 4, "OU=Staff,DC=ashdown,DC=example"},
		{"cn = Ann , ou = Staff", "cn", "Ann", 2, "ou = Staff"},
		{`CN=Oakley\, Ann,OU=x`, "CN", "Oakley, Ann", 2, "OU=x"},
		{`CN=Oakley\2C Ann;OU=x`, "CN", "Oakley, Ann", 2, "OU=x"},
		{`CN=\ lead and trail\ ,OU=x`, "CN", " lead and trail ", 2, "OU=x"},
		{`CN=\#1\=\"\+\<\>\;\\,OU=x`, "CN", `#1="+<>;\`, 2, "OU=x"},
		{`CN=Zo\C3\AB`, "CN", "Zoë", 1, ""}, {"CN=Zoë", "CN", "Zoë", 1, ""}, {`CN=\FF\00`, "CN", "\xff\x00", 1, ""},
		{"OID.2.5.4.3=x", "OID.2.5.4.3", "x", 1, ""}, {"2.5.4.3=#0C0141", "2.5.4.3", "#0c0141", 1, ""}, {"CN=#0C0141 , OU=y", "CN", "#0c0141", 2, "OU=y"},
		{"CN=a+SN=b,OU=x", "CN", "a", 2, "OU=x"}, {"CN=", "CN", "", 1, ""}, {"CN=a=b", "CN", "a=b", 1, ""},
		{`CN=Ann\0ADEL:0174f793-0bb5-4e97-9b7f-f6198260a8a8,CN=Deleted Objects,DC=x`, "CN", "Ann\nDEL:0174f793-0bb5-4e97-9b7f-f6198260a8a8", 3, "CN=Deleted Objects,DC=x"},
	} {
		d, err := ldapsync.ParseDN(c.text)
		require.NoError(t, err, c.text)
		typ, val := d.RDN()
		require.Equal(t, c.typ, typ, c.text)
		require.Equal(t, c.val, val, c.text)
		require.Equal(t, c.n, d.Len(), c.text)
		require.Equal(t, c.n == 0, d.IsRoot())
		require.Equal(t, c.parent, d.Parent().String(), c.text)
		require.True(t, d.Equal(ldapsync.MustParseDN(d.String())), c.text)
	}
}

func TestDNErrors(t *testing.T) {
	for text, want := range map[string]string{
		"CN": "column 3: '=' is missing", "=x": "column 1: an attribute type", "CN=a,": "column 6: an attribute type", ",CN=a": "column 1: an attribute type",
		"CN=a,,OU=b": "column 6: an attribute type", `CN=a"b`: `column 5: '"' must be escaped`, "CN=a<b": "column 5", "CN=a\x00": "column 5", `CN=a\`: "a backslash ends", `CN=a\x`: "needs no backslash",
		`CN=a\4`: "two hexadecimal digits", `CN=a\4g`: "two hexadecimal digits", "CN=#0": "pairs of hexadecimal", "CN=#": "pairs of hexadecimal", "CN=#00x": "unexpected text after", "CN=a+": "column 6: an attribute type",
		"C_N=a": "column 2: '=' is missing", "nonsense": "'=' is missing", strings.Repeat("x", 70000): "longer than", strings.Repeat("x", 60000): "'=' is missing",
	} {
		_, err := ldapsync.ParseDN(text)
		require.ErrorContains(t, err, want, text)
		require.Less(t, len(err.Error()), 300)
	}
	require.Panics(t, func() { ldapsync.MustParseDN("x") })
}

func TestDNCompare(t *testing.T) {
	for _, pair := range [][2]string{
		{"CN=Ann,OU=x", "cn=ANN,ou=X"}, {"CN=Zoë", "cn=ZOË"}, {"CN=a  b", "CN=a b"}, {`CN=\ a\ `, "CN=a"}, {"CN=a,OU=b", " CN = a ; OU = b"},
		{`CN=a\2Cb`, `CN=a\,b`}, {`CN=a\=b`, "CN=a=b"}, {"CN=#0C01", "CN=#0c01"}, {"CN=a+SN=b", "sn=B+cn=A"}, {"", ""},
	} {
		a, b := ldapsync.MustParseDN(pair[0]), ldapsync.MustParseDN(pair[1])
		require.True(t, a.Equal(b), "%s and %s", a, b)
		require.Equal(t, a.Key(), b.Key())
	}
	for _, pair := range [][2]string{
		{"CN=a", "OU=a"}, {"CN=a", "CN=b"}, {"CN=a,OU=x", "CN=a"}, {`CN=a\,OU\=x`, "CN=a,OU=x"}, {`CN=\FF`, `CN=\FE`}, {`CN=\#0c01`, "CN=#0C01"},
		{"CN=#41", "CN=#61"}, {"CN=a+SN=b", `CN=a\+SN\=b`}, {"CN=Zoe", "CN=Zoë"}, {"CN=", ""},
	} {
		a, b := ldapsync.MustParseDN(pair[0]), ldapsync.MustParseDN(pair[1])
		require.False(t, a.Equal(b), "%s and %s", a, b)
		require.NotEqual(t, a.Key(), b.Key())
	}
}

func TestDNTree(t *testing.T) {
	ou := ldapsync.MustParseDN("OU=Staff,DC=ashdown,DC=example")
	for child, want := range map[string][2]bool{ // below, child of
		"CN=Ann,OU=Staff,DC=ashdown,DC=example":         {true, true},
		"cn=ann, ou=STAFF, dc=ashdown, dc=example":      {true, true},
		"CN=Ann,OU=Ward,OU=Staff,DC=ashdown,DC=example": {true, false},
		"OU=Staff,DC=ashdown,DC=example":                {false, false},
		"CN=Ann,OU=NotStaff,DC=ashdown,DC=example":      {false, false},
		"CN=Ann,XOU=Staff,DC=ashdown,DC=example":        {false, false},
		`CN=Ann\,OU\=Staff,DC=ashdown,DC=example`:       {false, false},
		"DC=ashdown,DC=example":                         {false, false},
	} {
		d := ldapsync.MustParseDN(child)
		require.Equal(t, want, [2]bool{d.IsBelow(ou), d.IsChildOf(ou)}, child)
	}
	require.True(t, ou.IsBelow(ldapsync.DN{}))
	require.True(t, ldapsync.DN{}.Child("DC", "x").IsChildOf(ldapsync.DN{}))
	c := ou.Child("CN", ` #"Oakley", Ann `)
	require.Equal(t, `CN=\ #\"Oakley\"\, Ann\ ,OU=Staff,DC=ashdown,DC=example`, c.String())
	require.True(t, c.Parent().Equal(ou))
	require.Equal(t, "", ldapsync.DN{}.Parent().String())
}

func TestDNText(t *testing.T) {
	var d ldapsync.DN
	require.NoError(t, d.UnmarshalText([]byte("CN=Ann,DC=x")))
	b, err := d.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "CN=Ann,DC=x", string(b))
	require.Error(t, d.UnmarshalText([]byte("x")))
	require.Equal(t, "CN=Ann,DC=x", d.String(), "a failed parse leaves it alone")
}

func FuzzDN(f *testing.F) {
	for _, s := range []string{"", "CN=Ann,OU=Staff", `CN=\ #\,\2C\FF+SN=b;OU = x `, "2.5.4.3=#0C0141", "CN=a\\", "CN=  a  b  "} {
		f.Add(s, "Oakley, Ann")
	}
	f.Add("CN=x", "\xff #,+\"\\<>;=\x00 ")
	f.Add("CN=x", "#")
	f.Fuzz(func(t *testing.T, text, value string) {
		d, err := ldapsync.ParseDN(text)
		if err != nil || len(text)+3*len(value) > 60000 || d.Len() > 1000 {
			return
		}
		again, err := ldapsync.ParseDN(d.String())
		if err != nil || !again.Equal(d) || again.Key() != d.Key() {
			t.Fatalf("%q read again: %v", d, err)
		}
		if k, err := ldapsync.ParseDN(d.Key()); err != nil || !k.Equal(d) {
			t.Fatalf("the key %q of %q is no equal name: %v", d.Key(), d, err)
		}
		up := d
		for range d.Len() {
			p, err := ldapsync.ParseDN(up.Parent().String())
			if err != nil || !p.Equal(up.Parent()) || !up.IsChildOf(p) {
				t.Fatalf("the parent %q of %q: %v", up.Parent(), up, err)
			}
			up = p
		}
		c, err := ldapsync.ParseDN(d.Child("CN", value).String())
		if err != nil || !c.Equal(d.Child("CN", value)) || !c.Parent().Equal(d) {
			t.Fatalf("child %q of %q: %v", value, d, err)
		}
		if _, v := c.RDN(); v != value {
			t.Fatalf("child %q is named %q", value, v)
		}
	})
}

func BenchmarkParseDN(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ldapsync.MustParseDN(`CN=Oakley\, Ann,OU=Staff,OU=Trust,DC=ashdown,DC=example`)
	}
}

func ExampleParseDN() {
	d, err := ldapsync.ParseDN(`CN=Oakley\, Ann,OU=Staff,DC=ashdown,DC=example`)
	typ, name := d.RDN()
	fmt.Println(typ, name, err)
	fmt.Println(d.Parent())
	fmt.Println(d.IsChildOf(ldapsync.MustParseDN("ou=staff, dc=ashdown, dc=example")))
	_, err = ldapsync.ParseDN(`CN=Oakley "Ann"`)
	fmt.Println(err)
	// Output:
	// CN Oakley, Ann <nil>
	// OU=Staff,DC=ashdown,DC=example
	// true
	// ldapsync: "CN=Oakley \"Ann\"" is not a distinguished name: column 11: '"' must be escaped with a backslash
}
