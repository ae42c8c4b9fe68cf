package ldapsync_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

var (
	ann = ldapsync.NewObject(mustGUID("0174f793-0bb5-4e97-9b7f-f6198260a8a8"), ldapsync.MustParseDN("CN=Ann Oakley,OU=Staff,DC=ashdown,DC=example"), ldapsync.User,
		ldapsync.Values("cn", "Ann Oakley"), ldapsync.Values("mail", "Ann.Oakley@ashdown.example"), ldapsync.Values("title", "  Staff nurse "),
		ldapsync.Values("proxyAddresses", "SMTP:a@x.example", "smtp:b@x.example"), ldapsync.Values("userAccountControl", "514"),
		ldapsync.Values("objectSid", sid(1104)), ldapsync.Values("blank", "   "),
	).WithUnreadable("secret")
	ashdown = ldapsync.Env{Domain: ldapsync.Domain{FQDN: "ashdown.example"}, Now: clock}
)

func mustGUID(s string) ldapsync.GUID {
	g, err := ldapsync.ParseGUID(s)
	if err != nil {
		panic(err)
	}
	return g
}

// TestCombinators lists, for each way to make a rule, what it results in.
func TestCombinators(t *testing.T) {
	fail := func(string) (string, error) { return "", errors.New("no") }
	otherwise := func(v string) ldapsync.Result { return ldapsync.Skip("not for " + v) }
	for name, c := range map[string]struct {
		rule ldapsync.Rule
		want string // kind and values, or the error
	}{
		"copy":                    {ldapsync.Copy("mail", "x"), "set Ann.Oakley@ashdown.example"},
		"copy, any case":          {ldapsync.Copy("MAIL", "x"), "set Ann.Oakley@ashdown.example"},
		"copy all values":         {ldapsync.Copy("proxyAddresses", "x"), "set SMTP:a@x.example smtp:b@x.example"},
		"copy absent":             {ldapsync.Copy("fax", "x"), "clear"},
		"copy unreadable":         {ldapsync.Copy("secret", "x"), "unknown"},
		"constant":                {ldapsync.Constant("x", "a", "b"), "set a b"},
		"constant empty":          {ldapsync.Constant("x", ""), "it sets an empty value"},
		"constant none":           {ldapsync.Constant("x"), "it sets no values"},
		"constant twice":          {ldapsync.Constant("x", "a", "a"), "it sets the same value twice"},
		"first":                   {ldapsync.FirstOf("x", "fax", "mail"), "set Ann.Oakley@ashdown.example"},
		"first none":              {ldapsync.FirstOf("x", "fax", "pager"), "clear"},
		"first unreadable first":  {ldapsync.FirstOf("x", "secret", "mail"), "unknown"},
		"first unreadable second": {ldapsync.FirstOf("x", "mail", "secret"), "set Ann.Oakley@ashdown.example"},
		"concat":                  {ldapsync.Concat("x", "/", "cn", "fax", "mail"), "set Ann Oakley/Ann.Oakley@ashdown.example"},
		"concat none":             {ldapsync.Concat("x", "/", "fax"), "clear"},
		"concat unreadable":       {ldapsync.Concat("x", "/", "cn", "secret"), "unknown"},
		"lookup":                  {ldapsync.Lookup("x", "cn", map[string]string{"ann oakley": "1"}, nil), "set 1"},
		"lookup otherwise":        {ldapsync.Lookup("x", "cn", nil, otherwise), "skip"},
		"lookup unknown":          {ldapsync.Lookup("x", "cn", nil, nil), `cn "Ann Oakley" is not in the table`},
		"lower":                   {ldapsync.Lower(ldapsync.Copy("mail", "x")), "set ann.oakley@ashdown.example"},
		"upper":                   {ldapsync.Upper(ldapsync.Copy("cn", "x")), "set ANN OAKLEY"},
		"lower merges":            {ldapsync.Lower(ldapsync.Constant("x", "A", "a")), "set a"},
		"lower of absent":         {ldapsync.Lower(ldapsync.Copy("fax", "x")), "clear"},
		"trim":                    {ldapsync.Trim(ldapsync.Copy("title", "x")), "set Staff nurse"},
		"trim to nothing":         {ldapsync.Trim(ldapsync.Copy("blank", "x")), "clear"},
		"transform fails":         {ldapsync.Transform(ldapsync.Copy("cn", "x"), "", fail), "no"},
		"at most":                 {ldapsync.AtMost(10, ldapsync.Copy("cn", "x")), "set Ann Oakley"},
		"at most exceeded":        {ldapsync.AtMost(9, ldapsync.Copy("cn", "x")), "a value has 10 characters; x takes at most 9"},
		"single":                  {ldapsync.SingleValued(ldapsync.Copy("proxyAddresses", "x")), "2 values for x, which takes one"},
		"default":                 {ldapsync.Default(ldapsync.Copy("fax", "x"), "none"), "set none"},
		"default not needed":      {ldapsync.Default(ldapsync.Copy("cn", "x"), "none"), "set Ann Oakley"},
		"default of unreadable":   {ldapsync.Default(ldapsync.Copy("secret", "x"), "none"), "unknown"},
		"keep":                    {ldapsync.KeepIfAbsent(ldapsync.Copy("fax", "x")), "skip"},
		"when":                    {ldapsync.When(ldapsync.Has("mail"), ldapsync.Copy("cn", "x")), "set Ann Oakley"},
		"when not":                {ldapsync.When(ldapsync.Has("fax"), ldapsync.Copy("cn", "x")), "skip"},
		"when equals":             {ldapsync.When(ldapsync.Equals("CN", "nobody", "ANN OAKLEY"), ldapsync.Copy("cn", "x")), "set Ann Oakley"},
		"when unreadable":         {ldapsync.When(ldapsync.Has("secret"), ldapsync.Copy("cn", "x")), "unknown"},
		"guid":                    {ldapsync.GUIDText("x"), "set 0174f793-0bb5-4e97-9b7f-f6198260a8a8"},
		"sid":                     {ldapsync.SIDText("objectSid", "x"), "set S-1-5-21-214434701-3963466206-1237063796-1104"},
		"sid of text":             {ldapsync.SIDText("cn", "x"), "ldapsync: SID revision 65 is not 1"},
		"enabled":                 {ldapsync.AccountEnabled("x"), "set FALSE"},
		"undeclared": {ldapsync.Rule{To: "x", Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
			v, _ := in.Get("cn")
			return ldapsync.Set("!" + v), nil
		}}, "it reads cn but does not declare it"},
		"panics":              {ldapsync.Rule{To: "x", Value: func(ldapsync.Inputs) (ldapsync.Result, error) { panic("oh") }}, "the rule panicked: oh"},
		"odd kind":            {ldapsync.Rule{To: "x", Value: func(ldapsync.Inputs) (ldapsync.Result, error) { return ldapsync.Result{Kind: 99}, nil }}, "unknown kind 99"},
		"parameter":           {ldapsync.Copy(ldapsync.ParamDomainFQDN, "x"), "set ashdown.example"},
		"parameter not known": {ldapsync.Copy(ldapsync.ParamDomainNetBIOS, "x"), "clear"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := ldapsync.Mapping{c.rule}.Apply(ann, ashdown)
			if err != nil {
				require.Empty(t, out)
				var re *ldapsync.RuleError
				require.ErrorAs(t, err, &re)
				require.Contains(t, re.Err.Error(), c.want)
				return
			}
			require.Equal(t, c.want, strings.Join(append([]string{out[0].Result.Kind.String()}, out[0].Result.Values...), " "))
		})
	}
}

func TestApplyAsksRulesInOrder(t *testing.T) {
	second := ldapsync.Constant("X", "second")
	second.ID = "fallback"
	m := ldapsync.Mapping{ldapsync.When(ldapsync.Has("fax"), ldapsync.Copy("fax", "x")), second, ldapsync.Copy("cn", "A"), ldapsync.Constant("b", "")}
	out, err := m.Apply(ann, ashdown)
	require.ErrorContains(t, err, "rule b for b on CN=Ann Oakley,OU=Staff")
	require.Len(t, out, 2)
	require.Equal(t, "A", out[0].To)
	require.Equal(t, "fallback", out[1].Rule)
	require.Equal(t, []string{"second"}, out[1].Result.Values)
	require.Equal(t, []string{"cn", "fax"}, m.Inputs())
	require.Equal(t, []string{"A", "b", "x"}, m.Targets())
}

func TestMappingValidate(t *testing.T) {
	err := ldapsync.Mapping{{}, ldapsync.Copy("a", "b"), ldapsync.Copy("c", "B"), ldapsync.Copy("%Forest.FQDN%", "d")}.Validate()
	for _, want := range []string{"has no target attribute", "has no Value function", "unknown parameter %Forest.FQDN%"} {
		require.ErrorContains(t, err, want)
	}
	dup := ldapsync.Mapping{ldapsync.Copy("a", "b"), ldapsync.Copy("c", "b")}
	require.ErrorContains(t, dup.Validate(), "two rules named b for b")
	carriers := ldapsync.DefaultCarriers()
	for _, m := range []ldapsync.Mapping{ldapsync.CloudSSOUsers(carriers), ldapsync.HybridJoinDevices(carriers)} {
		require.NoError(t, m.Validate())
		for _, r := range m {
			require.NotEmpty(t, r.Source, r.To)
			require.NotEmpty(t, r.Doc, r.To)
		}
	}
}

func TestOrganisationValidate(t *testing.T) {
	err := ldapsync.Organisation{Name: "a/b", Tracks: []ldapsync.Track{
		{Name: "users", Class: ldapsync.User},
		{Name: "users", Scope: ldapsync.Scope{OUs: []ldapsync.ContainerRef{{DN: "nonsense"}}}, Mapping: ldapsync.Mapping{ldapsync.Copy("a", "anchor")},
			Join: ldapsync.Join{Anchor: "Anchor"}, Policy: ldapsync.Policy{Create: true}},
	}}.Validate()
	for _, want := range []string{`organisation name "a/b"`, "names no OU", "empty mapping", "neither an anchor attribute nor a match key", "two tracks are named users",
		"class must be user or device", "not a distinguished name", "no rule sets their naming attribute cn", "a rule must not write it"} {
		require.ErrorContains(t, err, want)
	}
}

func TestHybridJoinCertificates(t *testing.T) {
	id := mustGUID("c91f22f2-5f41-4b5f-951d-e723729f7e30")
	year := func(from, to int) (string, string, string) {
		return certificate(t, id.String(), clock.AddDate(from, 0, 0), clock.AddDate(to, 0, 0)),
			certificate(t, "{"+strings.ToUpper(id.String())+"}", clock.AddDate(from, 0, 0), clock.AddDate(to, 0, 0)),
			certificate(t, "pc.ashdown.example", clock.AddDate(from, 0, 0), clock.AddDate(to, 0, 0))
	}
	good, braces, foreign := year(-1, 1)
	old, _, _ := year(-2, -1)
	young, _, _ := year(1, 2)
	for name, c := range map[string]struct {
		values []string
		state  ldapsync.CertState
		valid  int
	}{
		"none":          {nil, ldapsync.CertNone, 0},
		"garbage":       {[]string{"x", ""}, ldapsync.CertUnreadable, 0},
		"foreign":       {[]string{"x", foreign}, ldapsync.CertForeign, 0},
		"expired":       {[]string{foreign, old}, ldapsync.CertExpired, 0},
		"not yet valid": {[]string{young}, ldapsync.CertExpired, 0},
		"valid":         {[]string{old, foreign, good, "x"}, ldapsync.CertValid, 1},
		"braces":        {[]string{braces, good}, ldapsync.CertValid, 2},
	} {
		t.Run(name, func(t *testing.T) {
			state, valid, evidence := ldapsync.HybridJoinCertificates(id, c.values, clock)
			require.Equal(t, c.state, state)
			require.Len(t, valid, c.valid)
			require.NotEmpty(t, evidence)
		})
	}
}
