package ldapfilter_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapfilter"
)

func guid(t testing.TB) ldapsync.GUID {
	g, err := ldapsync.ParseGUID("0174f793-0bb5-4e97-9b7f-f6198260a8a8")
	require.NoError(t, err)
	return g
}

func ann(t testing.TB) ldapsync.Object {
	sid, err := ldapsync.ParseSID("S-1-5-21-1-2-3-1104")
	require.NoError(t, err)
	return ldapsync.NewObject(guid(t), ldapsync.MustParseDN(`CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example`), ldapsync.User,
		ldapsync.Values("cn", "Ann Oakley"),
		ldapsync.Values("department", "Ward 3 (East)"),
		ldapsync.Values("proxyAddresses", "SMTP:ann@ashdown.example", "smtp:a.oakley@ashdown.example"),
		ldapsync.Values("userAccountControl", "514"),
		ldapsync.Values("groupType", "-2147483646"),
		ldapsync.Values("logonCount", "9"),
		ldapsync.Values("sn", "Öz"),
		ldapsync.Values("whenChanged", "20261120214502.0Z"),
		ldapsync.Values("thumbnailPhoto", "AbC\xff\x00"),
		ldapsync.Values("logonHours", "ABC"),
		ldapsync.Values("objectSid", sid.Raw()),
		ldapsync.Values("manager", "CN=Bob Ash,OU=Staff,DC=ashdown,DC=example"),
		ldapsync.Attr{Name: "mobile", Presence: ldapsync.Unreadable},
	)
}

func TestMatch(t *testing.T) {
	const tru, fal, und = ldapfilter.True, ldapfilter.False, ldapfilter.Undefined
	for _, c := range []struct {
		filter string
		want   ldapfilter.Truth
	}{
		{"", tru}, {"(&)", tru}, {"(|)", fal}, {"(!(|))", tru},
		{"(cn=ann oakley)", tru}, {"(CN=Ann Oakley)", tru}, {"(cn=ann)", fal}, {"(cn~=ANN OAKLEY)", tru},
		{`(department=ward 3 \28east\29)`, tru}, {"(sn=öZ)", tru},
		{"(cn=*)", tru}, {"(title=*)", fal}, {"(title=x)", fal}, {"(!(title=x))", tru}, {"(title>=x)", fal},
		{"(cn=a*)", tru}, {"(cn=*Y)", tru}, {"(cn=*n o*)", tru}, {"(cn=a*o*y)", tru}, {"(cn=a*n*n*n*)", fal}, {"(cn=ann oakley*ann oakley)", fal},
		{"(cn=ann*ann*)", fal}, {"(cn=ann oak*akley)", fal}, {"(cn=b*)", fal},
		{"(proxyAddresses=smtp:A.OAKLEY*)", tru}, {"(proxyAddresses=smtp:bob*)", fal},
		{"(logonCount>=9)", tru}, {"(logonCount>=10)", fal}, {"(logonCount<=10)", tru}, {"(logonCount<=08)", fal},
		{"(cn>=ann)", tru}, {"(cn<=ANN)", fal}, {"(cn<=b)", tru},
		{"(whenChanged>=20261120224501+0100)", tru}, {"(whenChanged>=20261120224503+0100)", fal},
		{"(userAccountControl:1.2.840.113556.1.4.803:=2)", tru}, {"(userAccountControl:1.2.840.113556.1.4.803:=6)", fal},
		{"(userAccountControl:1.2.840.113556.1.4.804:=6)", tru}, {"(userAccountControl:1.2.840.113556.1.4.804:=4)", fal},
		{"(userAccountControl:1.2.840.113556.1.4.803:=x)", und}, {"(cn:1.2.840.113556.1.4.803:=2)", fal},
		{"(groupType:1.2.840.113556.1.4.803:=2147483648)", tru},
		{"(title:1.2.840.113556.1.4.803:=2)", fal}, {"(mobile:1.2.840.113556.1.4.803:=2)", und},
		{"(memberOf:1.2.840.113556.1.4.1941:=CN=x)", und}, {"(:caseExactMatch:=x)", und}, {"(cn:caseExactMatch:=Ann Oakley)", und},
		{"(cn:=ann oakley)", tru}, {"(ou:dn:=staff)", tru}, {"(ou:=staff)", fal}, {"(ou:dn:=other)", fal}, {"(mobile:=1)", und},
		{"(mobile=1)", und}, {"(mobile=*)", und}, {"(!(mobile=1))", und}, {"(mobile=1*)", und}, {"(mobile>=1)", und},
		{"(&(mobile=1)(cn=b))", fal}, {"(&(mobile=1)(cn=ann*))", und}, {"(|(mobile=1)(cn=ann*))", tru}, {"(|(mobile=1)(cn=b))", und},
		{`(thumbnailPhoto=AbC\ff\00)`, tru}, {`(thumbnailPhoto=abc\ff\00)`, fal}, {`(thumbnailPhoto=AbC*)`, tru}, {`(thumbnailPhoto=abc*)`, fal},
		{"(logonHours=ABC)", tru}, {"(logonHours=abc)", fal}, {"(logonHours>=abc)", fal}, {"(logonHours<=abc)", tru},
		{`(objectGUID=\93\f7\74\01\b5\0b\97\4e\9b\7f\f6\19\82\60\a8\a8)`, tru}, {"(objectGUID=0174f793-0bb5-4e97-9b7f-f6198260a8a8)", fal},
		{"(objectSid=S-1-5-21-1-2-3-1104)", tru}, {"(objectSid=S-1-5-21-1-2-3-1105)", fal}, {"(objectSid=junk)", fal},
		{"(manager=cn=bob ash, ou=staff,dc=ASHDOWN,dc=example)", tru}, {"(manager=cn=bob)", fal}, {"(manager=bob)", fal},
		{"(distinguishedName=cn=ann oakley,ou=staff,dc=ashdown,dc=example)", tru},
		{"(objectClass=user)", tru}, {"(objectClass=computer)", fal}, {"(objectCategory=person)", tru}, {"(objectCategory=user)", tru}, {"(objectCategory=computer)", fal},
		{"(cn;lang-en=ann oakley)", tru},
	} {
		f, err := ldapfilter.Parse(c.filter)
		require.NoError(t, err, c.filter)
		require.Equal(t, c.want, f.Match(ann(t)), c.filter)
		again, err := ldapfilter.Parse(f.String())
		require.NoError(t, err, f.String())
		require.Equal(t, f, again, "printing and parsing %s", c.filter)
	}
}

func TestMatchStoredClass(t *testing.T) {
	ou := ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN("OU=Staff,DC=ashdown,DC=example"), 0,
		ldapsync.Values("objectClass", "top", "organizationalUnit"),
		ldapsync.Values("objectCategory", "CN=Organizational-Unit,CN=Schema,CN=Configuration,DC=ashdown,DC=example"))
	for text, want := range map[string]ldapfilter.Truth{
		"(objectCategory=organizationalUnit)": ldapfilter.True,
		"(objectCategory=person)":             ldapfilter.False,
		"(objectCategory=cn=organizational-unit,cn=schema,cn=configuration,dc=ashdown,dc=example)": ldapfilter.True,
		"(objectGUID=*)": ldapfilter.False,
	} {
		require.Equal(t, want, ldapfilter.MustParse(text).Match(ou), text)
	}
	device := ldapsync.NewObject(guid(t), ldapsync.DN{}, ldapsync.Device)
	require.Equal(t, ldapfilter.True, ldapfilter.ForClass(ldapsync.Device).Match(device))
	require.Equal(t, ldapfilter.False, ldapfilter.ForClass(ldapsync.User).Match(device), "a computer is a user object of another category")
	require.Equal(t, ldapfilter.True, ldapfilter.ForClass(ldapsync.User).Match(ann(t)))
	require.True(t, ldapfilter.ForClass(0).IsZero())
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
		reason string
	}{
		{"cn=ann", 0, "'(' is missing"}, {"(cn=ann", 7, "')' is missing"}, {"(", 1, "cut off"}, {"(cn)", 3, "is missing after"},
		{"(=x)", 1, "attribute name is missing"}, {"(cn=a)(cn=b)", 6, "text after"}, {"(cn=a(b)", 5, `\28`}, {`(cn=\2)`, 4, "two hex"},
		{`(cn=\zz)`, 4, "two hex"}, {`(cn=a\`, 5, "two hex"}, {"(!)", 2, "one filter"}, {"(!(a=b)(c=d))", 7, "one filter"}, {"(&(a=b)", 7, "')' is missing"},
		{"(cn=a**b)", 4, "two '*'"}, {"(cn=**)", 4, "two '*'"}, {"(cn>=a*)", 6, "for '=' only"}, {"(cn:=a*)", 6, "for '=' only"}, {"(:=x)", 3, "attribute or a matching rule"},
		{"(cn:dn:1.2:3.4:=x)", 14, "':=' is missing"}, {"(cn:1.2.3)", 9, "':=' is missing"}, {"(cn::=x)", 4, "matching rule is missing"},
		{"(1..2=x)", 1, "not an attribute name"}, {"(-a=x)", 1, "not an attribute name"}, {"(a;;b=x)", 1, "not an attribute name"}, {"(cn =x)", 3, "is missing after"},
		{"(cn=a\x00b)", 5, `\00`}, {"(&cn=x)", 2, "'(' is missing"},
	} {
		_, err := ldapfilter.Parse(c.text)
		e, ok := errors.AsType[*ldapfilter.SyntaxError](err)
		require.True(t, ok, "%s: %v", c.text, err)
		require.Equal(t, c.offset, e.Offset, "%s: %v", c.text, err)
		require.Contains(t, e.Reason, c.reason, c.text)
		require.Contains(t, err.Error(), fmt.Sprintf("column %d", c.offset+1))
	}
}

func TestParseLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("(!", n-1) + "(a=b)" + strings.Repeat(")", n-1) }
	_, err := ldapfilter.Parse(nested(ldapfilter.MaxDepth))
	require.NoError(t, err)
	_, err = ldapfilter.Parse(nested(ldapfilter.MaxDepth + 1))
	require.ErrorContains(t, err, "nested deeper")
	_, err = ldapfilter.Parse("(a=" + strings.Repeat("x", ldapfilter.MaxSize) + ")")
	require.ErrorContains(t, err, "longer than")
	require.Less(t, len(err.Error()), 200, "the error does not carry the whole input")
}

func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		" ( & ( cn=a) \n (!(b=*)) )": "(&(cn=a)(!(b=*)))",
		`(cn=\41nn\2A)`:              `(cn=Ann\2a)`,
		`(cn= a )`:                   `(cn= a )`,
		`(x=\ff\00)`:                 `(x=\ff\00)`,
		"(cn=*a*b*)":                 "(cn=*a*b*)",
		"(cn:dn:2.4.6:=x)":           "(cn:dn:2.4.6:=x)",
		"(:dn:2.4.6:=x)":             "(:dn:2.4.6:=x)",
		"(2.5.4.3=x)":                "(2.5.4.3=x)",
		"(extension_0a1b_x=1)":       "(extension_0a1b_x=1)",
		"  ":                         "",
		"(cn=Zoë)":                   "(cn=Zoë)",
		"(department=)":              "(department=)",
		"(userAccountControl:" + "1.2.3" + ":=2)": "(userAccountControl:1.2.3:=2)",
		"(|(a>=1)(b<=2)(c~=3))":                   "(|(a>=1)(b<=2)(c~=3))",
	} {
		f, err := ldapfilter.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, f.String())
	}
}

func TestBuild(t *testing.T) {
	a, b := ldapfilter.Equal("cn", `we*ird)(x=`), ldapfilter.Present("mail")
	require.Equal(t, `(&(cn=we\2aird\29\28x=)(mail=*))`, ldapfilter.And(a, ldapfilter.Filter{}, b).String())
	require.Equal(t, `(|(mail=*)(!(mail=*)))`, ldapfilter.Or(b, ldapfilter.Not(b)).String())
	require.True(t, ldapfilter.And().IsZero())
	require.Equal(t, b, ldapfilter.And(b))
	require.Equal(t, b, ldapfilter.Or(b))
	require.True(t, ldapfilter.Or(b, ldapfilter.Filter{}).IsZero())
	require.Equal(t, "(|)", ldapfilter.Not(ldapfilter.Filter{}).String())
}

func TestAttrs(t *testing.T) {
	require.Equal(t, []string{"cn", "MAIL", "uid"}, ldapfilter.MustParse("(&(cn=a)(|(MAIL=*)(CN;lang-de=b)(mail=x))(uid:=1))").Attrs())
	require.Empty(t, ldapfilter.Filter{}.Attrs())
}

func TestText(t *testing.T) {
	var f ldapfilter.Filter
	require.NoError(t, f.UnmarshalText([]byte("(cn=a)")))
	b, err := f.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "(cn=a)", string(b))
	require.Error(t, f.UnmarshalText([]byte("(")))
	require.Equal(t, "(cn=a)", f.String(), "a failed parse leaves the filter alone")
	require.Panics(t, func() { ldapfilter.MustParse("(") })
	for v, want := range map[ldapfilter.Truth]string{0: "undefined", 1: "false", 2: "true", 9: "Truth(9)"} {
		require.Equal(t, want, v.String())
	}
}

func TestEscapeBytes(t *testing.T) {
	require.Equal(t, guid(t).FilterText(), ldapfilter.EscapeBytes(guid(t).Raw()))
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "(cn=ann)", "(&(a=b)(!(c=*d*e*)))", `(x=\ff\00)`, "(a:dn:1.2.3:=x)", "(:1.2:=)", "(a>=1)", "(cn=", "((((", "(a;b=c)"} {
		f.Add(s)
	}
	o := ann(f)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ldapfilter.Parse(s)
		if err != nil {
			e, ok := errors.AsType[*ldapfilter.SyntaxError](err)
			if !ok || e.Offset < 0 || e.Offset > len(s) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := ldapfilter.Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q printed as %q: %v", s, p, err)
		}
		if got, want := again.Match(o), p.Match(o); got != want {
			t.Fatalf("%q is %v, printed and parsed it is %v", s, want, got)
		}
		if n := ldapfilter.Not(ldapfilter.Not(p)).Match(o); n != p.Match(o) {
			t.Fatalf("double negation of %q is %v", s, n)
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", `*()\`, "\x00\xff", "Zoë", " lead"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, text := range []string{"(a=" + ldapfilter.Escape(v) + ")", "(a=" + ldapfilter.EscapeBytes(v) + ")"} {
			p, err := ldapfilter.Parse(text)
			if len(text) > ldapfilter.MaxSize {
				return
			}
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			o := ldapsync.NewObject(ldapsync.GUID{}, ldapsync.DN{}, 0, ldapsync.Values("a", v))
			if p.Match(o) != ldapfilter.True {
				t.Fatalf("%q does not match the value it was made of", text)
			}
			if p.String() != ldapfilter.Equal("a", v).String() {
				t.Fatalf("%q prints as %q", text, p)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	f, o := ldapfilter.MustParse("(&(objectCategory=person)(department=ward*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"), ann(b)
	b.ReportAllocs()
	for b.Loop() {
		f.Match(o)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ldapfilter.MustParse("(&(objectCategory=person)(department=ward*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))")
	}
}

func Example() {
	f, err := ldapfilter.Parse("(&(department=ward*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))")
	if err != nil {
		fmt.Println(err)
		return
	}
	nurse := ldapsync.NewObject(ldapsync.GUID{}, ldapsync.DN{}, ldapsync.User,
		ldapsync.Values("department", "Ward 3"), ldapsync.Values("userAccountControl", "512"))
	fmt.Println(f.Match(nurse))
	fmt.Println(f.Match(nurse.With("userAccountControl", "514")))
	fmt.Println(f.Match(nurse.WithUnreadable("userAccountControl")))
	// Output:
	// true
	// false
	// undefined
}

func ExampleParse_error() {
	_, err := ldapfilter.Parse("(&(cn=ann)(mail)")
	fmt.Println(err)
	// Output: ldapfilter: column 16, near ")": one of = ~= >= <= := is missing after the attribute name
}

func ExampleEscape() {
	fmt.Println("(cn=" + ldapfilter.Escape("Oakley (Ward *)") + ")")
	// Output: (cn=Oakley \28Ward \2a\29)
}
