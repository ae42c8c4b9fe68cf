package expr_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/expr"
)

func eval(t *testing.T, d expr.Dialect, src string, o expr.Options, env *expr.Env) (expr.Value, error) {
	t.Helper()
	e, err := expr.Parse(d, src)
	if err != nil {
		return expr.Value{}, err
	}
	p, err := expr.Compile(e, o)
	if err != nil {
		return expr.Value{}, err
	}
	return p.Eval(t.Context(), env)
}

// TestFunctions has the cases that Microsoft's examples do not.
func TestFunctions(t *testing.T) {
	C, X := expr.CloudSync, expr.Connect
	attrs := expr.Attrs{
		"mv": expr.Strings("b", "a", "B"), "one": expr.String("x"), "empty": expr.String(""), "n": expr.String("514"),
		"sid":  expr.Binary("\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00"),
		"guid": expr.Binary("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
	}
	tests := []struct {
		d         expr.Dialect
		src, want string
	}{
		{C, `Append([none], "x")`, `null`},
		{C, `Left([none], 2)`, `""`}, {C, `Left("abc", -1)`, `"abc"`}, {C, `Left("abc", 0)`, `""`}, {C, `Left("😀a", 1)`, `""`}, {C, `Left("😀a", 3)`, `"😀a"`},
		{C, `Mid("abc", 2, 99)`, `"bc"`}, {C, `Mid("abc", 9, 1)`, `""`},
		{X, `Mid("abc", 9, 1)`, `"abc"`}, {X, `Mid("abc", 0, 1)`, `"abc"`}, {X, `Mid("abc", 2, -1)`, `"abc"`}, {X, `Mid("abc", 2, 0)`, `""`},
		{X, `Right("abc", 0)`, `""`}, {X, `Right("abc", -1)`, `"abc"`}, {X, `Right("abc", 9)`, `"abc"`}, {X, `Right("a😀", 2)`, `"😀"`},
		{X, `Len("😀")`, `2`}, {X, `PadLeft("User", 2, "0")`, `"User"`}, {X, `PadRight([none], 5, "0")`, `""`},
		{X, `PCase("mary ANN o'neil")`, `"Mary ANN O'neil"`}, {C, `PCase("mary-ann o'NEIL")`, `"Mary-Ann O'neil"`},
		{C, `ToUpper("straße ı i")`, `"STRAßE ı I"`}, {C, `ToUpper("i", "tr-TR")`, `"İ"`}, {C, `ToLower("I İ", "tr")`, `"ı i"`}, {C, `ToLower("İ")`, `"İ"`},
		{C, `NormalizeDiacritics("Łukasz Øystein Æsir straße ǟ ē̂ ē ñ")`, `"Lukasz OEystein AEsir strasse a e e n"`},
		{C, `NormalizeDiacritics("đ Ωά")`, `"đ Ωά"`},
		{C, `StripSpaces("a b` + "\u00a0" + `c")`, `"ab` + `\u00a0c"`},
		{C, `Join("-", [mv], [none], [one])`, `"b-a-B-x"`}, {X, `Join([mv])`, `"b a B"`}, {X, `Join([mv], "")`, `"baB"`},
		{C, `Count([mv])`, `3`}, {C, `Count([none])`, `0`}, {C, `Count([one])`, `1`},
		{X, `ItemOrNull([mv], 9)`, `null`}, {X, `ItemOrNull([mv], 1)`, `"b"`},
		{X, `Contains([mv], "b", CaseInsensitive)`, `1`}, {X, `Contains([mv], "B")`, `3`}, {X, `Contains([mv], "z")`, `0`},
		{X, `InStr("ABC", "b", 1, vbTextCompare)`, `2`}, {X, `InStr("abc", "z")`, `0`}, {X, `InStrRev("abab", "ab", 3)`, `1`},
		{X, `Split("a,b,c", ",", 2)`, `{"a", "b,c"}`}, {X, `Switch(False, "x")`, `null`},
		{X, `BitOr(1, &H10)`, `17`}, {X, `IsBitSet([n], 2)`, `True`}, {X, `IsBitSet([none], 2)`, `False`}, {C, `BitAnd([n], 2)`, `2`},
		{X, `CNum("12") + 3`, `15`}, {X, `7 - 2 * 3`, `15`}, {X, `7 - (2 * 3)`, `1`}, {X, `-3 + 1`, `-2`},
		{X, `IsNumeric("1a")`, `False`}, {X, `IsNumeric("12")`, `True`}, {X, `IsDate("1/2/2026")`, `True`}, {X, `IsDate("x")`, `False`},
		{X, `IsGuid("{00001111-aaaa-2222-bbbb-3333cccc4444}")`, `True`}, {X, `IsEmpty([empty])`, `True`}, {X, `IsEmpty([none])`, `False`},
		{X, `IsString([one])`, `True`}, {X, `IsString([mv])`, `False`}, {C, `Not("TRUE")`, `False`}, {C, `Not([none])`, `True`},
		{X, `StringFromSid([sid])`, `"S-1-5-32-544"`}, {X, `StringFromGuid([guid])`, `"33221100-5544-7766-8899-aabbccddeeff"`},
		{X, `CGuid("33221100-5544-7766-8899-aabbccddeeff") = [guid]`, `True`},
		{X, `ConvertToBase64(CGuid("33221100-5544-7766-8899-aabbccddeeff"))`, `"ABEiM0RVZneImaq7zN3u/w=="`},
		{X, `ConvertFromBase64("4pyT", ASCII)`, `"???"`}, {X, `ConvertFromBase64(ConvertToBase64("é😀"))`, `"é😀"`},
		{X, `ReplaceChars("a b", "a:ä, ö:oe")`, `"ä b"`}, {X, `LTrim("  a ") & "|"`, `"a |"`}, {X, `"a" & CRLF & "b"`, `"a\r\nb"`},
		{X, `EscapeDNComponent("a,b")`, `"a\\,b"`}, {X, `DNComponent("CN=a\\,b,OU=c", 2)`, `"c"`}, {X, `DNComponent("CN=a", 5)`, `""`},
		{X, `IIF([mv] = "a", "yes", [mv])`, `{"b", "yes", "B"}`}, {X, `Where($i, [mv], $i <> "a")`, `{"b", "B"}`},
		{X, `AuthoritativeNull`, `authoritative null`}, {X, `NULL`, `null`}, {X, `Trim(IgnoreThisFlow)`, `ignore`},
		{X, `"10" < "9"`, `True`}, {X, `10 < "9"`, `False`}, {X, `NULL = ""`, `False`}, {X, `[none] = NULL`, `True`}, {X, `"a" = "A"`, `False`},
		{X, `CDate("2026-01-02") > CDate("1/1/2026")`, `True`}, {X, `DateAdd("q", 1, CDate("2026-01-31"))`, `4/30/2026 12:00:00 AM`},
		{X, `CDate("5 January 2026 3 pm")`, `1/5/2026 3:00:00 PM`}, {X, `CDate("Jan 5, 2026")`, `1/5/2026 12:00:00 AM`}, {X, `CDate("2026-01-05T10:11:12.5+0130")`, `1/5/2026 8:41:12 AM`},
		{X, `FormatDateTime(CDate("2026-01-05 15:04:05.25"), "dddd d MMM yy h:mm tt fff FF '%d' \\h K zzz")`, `"Monday 5 Jan 26 3:04 PM 250 25 %d h Z +00:00"`},
		{X, `FormatDateTime(CDate("2026-01-05 15:04:05"), "s")`, `"2026-01-05T15:04:05"`}, {X, `FormatDateTime(CDate("2026-01-05"), "o")`, `"2026-01-05T00:00:00.0000000Z"`},
		{X, `FormatDateTime(CDate("2026-01-05 15:04:05"), "HH:mm:ss.FFF")`, `"15:04:05"`},
		{C, `FormatDateTime(" 5.1.26 ", , "d.M.yy", "yyyyMMdd")`, `"20260105"`}, {C, `FormatDateTime("12:30 AM", "NoCurrentDateDefault", "hh:mm tt", "yyyy HH:mm")`, `"0001 00:30"`},
		{C, `FormatDateTime([none], "yyyy", "yy")`, `null`},
		{C, `DateDiff("d", "2026-01-01", "2026-01-31")`, `30`}, {C, `NumFromDate("1601-01-02")`, `864000000000`},
		{C, `Replace("a1b22", , "(\\d)(?<x>\\d)?", , "<${x}$1$$>", , )`, `"a<1$>b<22$>"`}, {C, `Replace("ab", , "(?<l>a)(b)", , "$1$2", , )`, `"ba"`},
		{C, `Replace("aXbX", "X", , , "", , )`, `"ab"`}, {C, `Replace("١٢", , "\\d", , "n", , )`, `"nn"`},
		{C, `Switch([none], "d", "", "e")`, `"e"`}, {C, `Switch("a", "d", "A", "e")`, `"d"`}, {C, `Coalesce([none], [empty], "x")`, `""`},
		{C, `SingleAppRoleAssignment([one])`, `"x"`}, {C, `AppRoleAssignmentsComplex([mv])`, `{"b", "a", "B"}`},
		{C, `IgnoreFlowIfNullOrEmpty([one])`, `"x"`}, {C, `[mv]`, `{"b", "a", "B"}`}, {C, `ToUpper([mv])`, `{"B", "A", "B"}`},
		{C, `Word("a--b", 2, "-")`, `"b"`}, {C, `Word("a b", 0, " ")`, `""`}, {C, `Word([none], 1, " ")`, `""`}, {C, `CBool("0")`, `False`},
	}
	for _, tt := range tests {
		v, err := eval(t, tt.d, tt.src, expr.Options{}, &expr.Env{Attrs: attrs})
		require.NoError(t, err, tt.src)
		require.Equal(t, tt.want, v.String(), tt.src)
	}
}

// TestMistakes: every error has the column and, where there is one, a suggestion.
func TestMistakes(t *testing.T) {
	tests := []struct {
		d      expr.Dialect
		src    string
		column int
		text   string
		cond   error
	}{
		{expr.CloudSync, ``, 1, "empty", expr.ErrSyntax},
		{expr.CloudSync, `Trim("a`, 6, "has no end", expr.ErrSyntax},
		{expr.CloudSync, `Trim([a)`, 6, "write ]", expr.ErrSyntax},
		{expr.CloudSync, "Append(\"é\",\n  Trimm([b]))", 3, "did you mean Trim?", expr.ErrType},
		{expr.CloudSync, `trim([a])`, 1, "names are case-sensitive: write Trim", expr.ErrType},
		{expr.CloudSync, `UCase([a])`, 1, "of the Entra Connect dialect, not of Cloud Sync (use ToUpper)", expr.ErrType},
		{expr.Connect, `Coalesce([a], "b")`, 1, "use IIF(IsPresent", expr.ErrType},
		{expr.Connect, `ToLower([a])`, 1, "use LCase", expr.ErrType},
		{expr.CloudSync, `IIF([a] = "b" && [c] = "d", 1, 2)`, 15, "nest IIF", expr.ErrSyntax},
		{expr.CloudSync, `IIF([a], NULL, 1)`, 10, "leave the argument out", expr.ErrSyntax},
		{expr.CloudSync, `Trim(“a”)`, 6, "straight double quotes", expr.ErrSyntax},
		{expr.CloudSync, `Trim(a)`, 6, "write [a] for an attribute", expr.ErrSyntax},
		{expr.CloudSync, `%Domain.FQDN%`, 1, "only in the Entra Connect dialect", expr.ErrSyntax},
		{expr.Connect, `$x`, 1, "within With, Where and Select", expr.ErrType},
		{expr.Connect, `With($cert, [a], $cret)`, 18, "did you mean $cert?", expr.ErrType},
		{expr.Connect, `1 / 2`, 3, "no division", expr.ErrSyntax},
		{expr.Connect, `"a" + 1`, 1, "joined with &", expr.ErrType},
		{expr.Connect, `Replace([a], "b", , , "c", , )`, 21, "Replace(source, [oldValue]", expr.ErrType},
		{expr.CloudSync, `Replace([a], "b", "c")`, 1, "leave out oldValue or regexPattern", expr.ErrType},
		{expr.CloudSync, `Replace([a], , "(?<=x)y", , "", , )`, 16, "lookbehind", expr.ErrRegexp},
		{expr.CloudSync, `Replace([a], , "(a)\\1", , "", , )`, 16, "back reference", expr.ErrRegexp},
		{expr.CloudSync, `Replace([a], , "(?<x>y)", "z", "", , )`, 27, "has no group z", expr.ErrType},
		{expr.CloudSync, `Switch([a], "b", "c", "d", "e")`, 1, "groups of 2", expr.ErrType},
		{expr.CloudSync, `Left([a], "b")`, 11, "without quotes", expr.ErrType},
		{expr.Connect, `FormatDateTime("2026-01-01", "yyyy")`, 16, "write CDate(", expr.ErrType},
		{expr.CloudSync, `InStr("a", "b", 1, vbTextComapre)`, 20, "did you mean vbTextCompare?", expr.ErrSyntax},
		{expr.CloudSync, `Append("a", SelectUniqueValue("b", "c"))`, 13, "outermost", expr.ErrType},
		{expr.CloudSync, `Item([mv], 9)`, 1, "no value 9 among 3", expr.ErrValue},
		{expr.CloudSync, `Append("a", [mv])`, 1, "pick one with Item", expr.ErrType},
		{expr.CloudSync, `Now()`, 1, "no reference time", expr.ErrNoClock},
		{expr.CloudSync, `Guid()`, 1, "no source of randomness", expr.ErrNoRandom},
		{expr.CloudSync, `SelectUniqueValue("a", "b")`, 1, "no lookup", expr.ErrNoLookup},
		{expr.CloudSync, `CDate("20150123105347.1Z")`, 1, "FormatDateTime", expr.ErrValue},
		{expr.CloudSync, `DateAdd("weeks", 1, "2026-01-01")`, 1, "unknown interval", expr.ErrValue},
		{expr.CloudSync, `DateAdd("yyyy", 9999, "2026-01-01")`, 1, "years 1 to 9999", expr.ErrValue},
		{expr.CloudSync, strings.Repeat("Trim(", 200), 501, "deeper than 100", expr.ErrSyntax},
		{expr.Connect, `9223372036854775807 + 1`, 1, "more than 64 bits", expr.ErrValue},
		{expr.Connect, `PadLeft("a", 999999999, "b")`, 1, "bytes of text", expr.ErrBudget},
		{expr.Connect, `CertSubject("x")`, 1, "not a certificate", expr.ErrValue},
	}
	env := &expr.Env{Attrs: expr.Attrs{"mv": expr.Strings("a", "b", "c")}}
	for _, tt := range tests {
		_, err := eval(t, tt.d, tt.src, expr.Options{}, env)
		require.ErrorContains(t, err, tt.text, tt.src)
		require.ErrorIs(t, err, tt.cond, tt.src)
		e, ok := errors.AsType[*expr.Error](err)
		require.True(t, ok)
		require.Equal(t, tt.column, e.Column, tt.src)
	}
}

func TestNullCondition(t *testing.T) {
	src := `IIF(IsNullOrEmpty([country]), "Other", "Some")`
	v, err := eval(t, expr.CloudSync, src, expr.Options{}, nil)
	require.NoError(t, err)
	require.Equal(t, "Some", v.Text(), "the condition fails")
	v, err = eval(t, expr.CloudSync, src, expr.Options{NullCondition: expr.NullEvaluates}, nil)
	require.NoError(t, err)
	require.Equal(t, "Other", v.Text())
	_, err = eval(t, expr.CloudSync, src, expr.Options{NullCondition: expr.NullIsError}, nil)
	require.ErrorIs(t, err, expr.ErrValue)
	v, err = eval(t, expr.Connect, src, expr.Options{}, nil)
	require.NoError(t, err)
	require.Equal(t, "Other", v.Text())
}

// TestExplainNullCondition: the steps show which attribute made the condition fail.
func TestExplainNullCondition(t *testing.T) {
	steps, _, err := expr.MustCompile(expr.CloudSync, `IIF(IsPresent([a]), "x", "y")`).Explain(t.Context(), nil)
	require.NoError(t, err)
	var got []string
	for _, s := range steps {
		got = append(got, s.Text+" = "+s.Value.String())
	}
	require.Equal(t, []string{`[a] = null`, `IsPresent([a]) = False`, `"y" = "y"`, `IIF(IsPresent([a]), "x", "y") = "y"`}, got)
	_, err = expr.Compile(&expr.Expr{}, expr.Options{})
	require.Error(t, err)
}

func TestOptions(t *testing.T) {
	v, err := eval(t, expr.Connect, `"a" = "A"`, expr.Options{FoldCase: true}, nil)
	require.NoError(t, err)
	require.Equal(t, "True", v.Text())

	src := `Replace([t], , "(?<n>\\d+)", "n", , [m], )`
	attrs := expr.Attrs{"t": expr.String("tel 12"), "m": expr.String("34")}
	v, err = eval(t, expr.CloudSync, src, expr.Options{}, &expr.Env{Attrs: attrs})
	require.NoError(t, err)
	require.Equal(t, "tel 12", v.Text(), "the newer page: the source has a value")
	v, err = eval(t, expr.CloudSync, src, expr.Options{OlderReplace: true}, &expr.Env{Attrs: attrs})
	require.NoError(t, err)
	require.Equal(t, "tel 34", v.Text(), "the older page: the group within the source is replaced")
}

// TestUnknown: what could not be read never becomes null.
func TestUnknown(t *testing.T) {
	env := &expr.Env{Attrs: expr.Attrs{"secret": expr.Unknown(), "cn": expr.String("ann")}}
	for src, want := range map[string]expr.Kind{
		`[secret]`: expr.KindUnknown, `Coalesce([secret], [cn])`: expr.KindUnknown, `Coalesce([cn], [secret])`: expr.KindString,
		`IIF(IsPresent([secret]), "a", "b")`: expr.KindUnknown, `IgnoreFlowIfNullOrEmpty([secret])`: expr.KindUnknown,
		`Switch("x", [secret], "x", "y")`: expr.KindString,
	} {
		v, err := eval(t, expr.CloudSync, src, expr.Options{}, env)
		require.NoError(t, err, src)
		require.Equal(t, want, v.Kind(), src)
	}
}

// TestRedact: nothing printable shows the value, and the value is there.
func TestRedact(t *testing.T) {
	p := expr.MustCompile(expr.CloudSync, `Redact(Append([pin], "!"))`)
	env := &expr.Env{Attrs: expr.Attrs{"pin": expr.String("4711")}}
	steps, v, err := p.Explain(t.Context(), env)
	require.NoError(t, err)
	require.Equal(t, "4711!", v.Text())
	require.True(t, v.Redacted())
	require.Len(t, steps, 4)
	for _, s := range steps {
		require.Equal(t, "[Redact]", s.Value.String())
	}
	_, err = eval(t, expr.CloudSync, `Redact(CDate([pin]))`, expr.Options{}, env)
	require.ErrorIs(t, err, expr.ErrValue)
	require.NotContains(t, err.Error(), "4711")
	_, err = eval(t, expr.CloudSync, `Redact(Error([pin]))`, expr.Options{}, env)
	require.NotContains(t, err.Error(), "4711")
}

// TestBudget: what would take long or much ends with ErrBudget.
func TestBudget(t *testing.T) {
	long := expr.Attrs{"a": expr.String(strings.Repeat("a", 1<<20)), "mv": expr.Strings(make([]string, 50_000)...)}
	for _, tt := range []struct {
		d   expr.Dialect
		src string
	}{
		{expr.Connect, `With($b, [a] & [a] & [a], With($c, $b & $b, $c & $c))`},
		{expr.Connect, `Replace([a], "a", "` + strings.Repeat("b", 1000) + `")`},
		{expr.Connect, `Select($x, [mv], Select($y, [mv], $x & $y))`},
		{expr.CloudSync, `Replace([a], , "(a?){500}b", , "", , )`},
		{expr.CloudSync, `Replace([a], "a", , , [a], , )`},
		{expr.CloudSync, `Split([a], "a")`},
	} {
		start := time.Now()
		_, err := eval(t, tt.d, tt.src, expr.Options{}, &expr.Env{Attrs: long})
		require.ErrorIs(t, err, expr.ErrBudget, tt.src)
		require.Less(t, time.Since(start), 10*time.Second, tt.src)
	}
}

// TestUnique: the value is escaped in the filter, taken values are passed over, and the lookup's error comes back.
func TestUnique(t *testing.T) {
	var asked []expr.UniqueQuery
	lookupErr := errors.New("no domain controller")
	env := &expr.Env{Attrs: expr.Attrs{"cn": expr.String("Zoë (temp)*"), "sn": expr.String("b")}, UniqueAttribute: "mail",
		Unique: func(_ context.Context, q expr.UniqueQuery) (bool, error) {
			asked = append(asked, q)
			return q.Rule < 3, nil
		}}
	v, err := eval(t, expr.CloudSync, `SelectUniqueValue([cn], [none], [sn])`, expr.Options{}, env)
	require.NoError(t, err)
	require.Equal(t, "b", v.Text())
	require.Len(t, asked, 2, "a null candidate is not looked up")
	require.Equal(t, `(mail=Zoë \28temp\29\2a)`, asked[0].Filter)
	_, err = eval(t, expr.CloudSync, `SelectUniqueValue([cn], [sn])`, expr.Options{}, env)
	require.ErrorIs(t, err, expr.ErrNoUniqueValue)
	env.Unique = func(context.Context, expr.UniqueQuery) (bool, error) { return false, lookupErr }
	_, err = eval(t, expr.CloudSync, `SelectUniqueValue([cn], [sn])`, expr.Options{}, env)
	require.ErrorIs(t, err, lookupErr)
}

func TestExprLists(t *testing.T) {
	e, err := expr.Parse(expr.Connect, `IIF([b] = %P.Q%, ImportedValue("a"), [b] & [c])`)
	require.NoError(t, err)
	require.Equal(t, []string{"b", "a", "c"}, e.Attributes())
	require.Equal(t, []string{"P.Q"}, e.Parameters())
	require.True(t, e.Deterministic())
	e, err = expr.Parse(expr.Connect, `[a]&( ( [b] ) ) & ([c]&"q")`)
	require.NoError(t, err)
	require.Equal(t, `[a] & [b] & ([c] & "q")`, e.String())
	made, err := expr.New(expr.CloudSync, &expr.Node{Kind: expr.NodeCall, Text: "Append", Args: []*expr.Node{
		{Kind: expr.NodeAttr, Text: "cn"}, {Kind: expr.NodeString, Text: `"\`}}})
	require.NoError(t, err)
	require.Equal(t, `Append([cn], "\"\\")`, made.Source)
	_, err = expr.New(expr.CloudSync, &expr.Node{Kind: expr.NodeAttr, Text: "a] & [b"})
	require.Error(t, err)
}

// TestFunctionTables: the tables hold the functions the pages list, and those that are said to be added.
func TestFunctionTables(t *testing.T) {
	provisioning := `Append AppRoleAssignmentsComplex BitAnd CBool CDate Coalesce ConvertToBase64 ConvertToUTF8Hex Count CStr
		DateAdd DateDiff DateFromNum FormatDateTime Guid IgnoreFlowIfNullOrEmpty IIF InStr IsNull IsNullOrEmpty IsPresent IsString
		Item Join Left Mid NormalizeDiacritics Not Now NumFromDate PCase RandomString Redact RemoveDuplicates Replace
		SelectUniqueValue SingleAppRoleAssignment Split StripSpaces Switch ToLower ToUpper Word`
	cloudSync := ` ConvertFromBase64 DNComponent Error StringFromSid Trim`
	inExamples := ` Contains CRef`
	connect := `CertExtensionOids CertFormat CertFriendlyName CertHashString CertIssuer CertIssuerDN CertIssuerOid CertKeyAlgorithm
		CertKeyAlgorithmParams CertNameInfo CertNotAfter CertNotBefore CertPublicKeyOid CertPublicKeyParametersOid CertSerialNumber
		CertSignatureAlgorithmOid CertSubject CertSubjectNameDN CertSubjectNameOid CertThumbprint CertVersion IsCert
		CBool CDate CGuid ConvertFromBase64 ConvertToBase64 ConvertFromUTF8Hex ConvertToUTF8Hex CNum CRef CStr StringFromGuid StringFromSid
		DateAdd DateFromNum FormatDateTime Now NumFromDate DNComponent DNComponentRev EscapeDNComponent
		IsBitSet IsDate IsEmpty IsGuid IsNull IsNullOrEmpty IsNumeric IsPresent IsString BitAnd BitOr RandomNum
		Contains Count Item ItemOrNull Join RemoveDuplicates Split Error IIF Select Switch Where With
		GUID InStr InStrRev LCase Left Len LTrim Mid PadLeft PadRight PCase Replace ReplaceChars Right RTrim Trim UCase Word`
	added := ` Guid ImportedValue`
	for d, list := range map[expr.Dialect]string{expr.CloudSync: provisioning + cloudSync + inExamples, expr.Connect: connect + added} {
		var names []string
		for _, f := range expr.Functions(d) {
			names = append(names, f.Name)
			require.NotEmpty(t, f.Source, f.Name)
			require.True(t, strings.HasPrefix(f.Signature(), f.Name+"("))
		}
		require.ElementsMatch(t, strings.Fields(list), names)
	}
}

func TestDialect(t *testing.T) {
	for _, d := range []expr.Dialect{expr.CloudSync, expr.Connect} {
		got, err := expr.ParseDialect(d.String())
		require.NoError(t, err)
		require.Equal(t, d, got)
		b, err := d.MarshalText()
		require.NoError(t, err)
		require.NoError(t, got.UnmarshalText(b))
	}
	_, err := expr.Dialect(9).MarshalText()
	require.Error(t, err)
	_, err = expr.Parse(0, "1")
	require.Error(t, err)
	_ = expr.Dialect(255).String()
}

// TestImports: mappings must be testable without a driver.
func TestImports(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to list imports")
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		first, _, _ := strings.Cut(dep, "/")
		if strings.Contains(first, ".") && dep != "go.internal/hybridkit/ldapsync" && dep != "go.internal/hybridkit/ldapsync/expr" {
			t.Errorf("imports %s: this package imports ldapsync and the standard library only", dep)
		}
		require.NotEqual(t, "testing", dep, "testing belongs into packages whose names end in test")
	}
}
