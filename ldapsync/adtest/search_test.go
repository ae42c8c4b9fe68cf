package adtest_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

func names(dns []string) []string {
	out := []string{}
	for _, dn := range dns {
		first, _, _ := strings.Cut(dn, ",")
		_, v, _ := strings.Cut(first, "=")
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

func TestFilters(t *testing.T) {
	s := newVale(t)
	require.NoError(t, s.Set("CN=PC-0001,"+devices, "servicePrincipalName", "HOST/pc-0001", "TERMSRV/pc-0001"))
	require.NoError(t, s.Set(ada, "mS-DS-ConsistencyGuid", "\x01\x02(*)"))
	require.NoError(t, s.Set("CN=Zoë Hart,"+people, "accountExpires", "9223372036854775807"))
	require.NoError(t, s.Set(ada, "accountExpires", "133000000000000000"))
	c := connect(t, s, "reader")
	e, err := s.Get(ada)
	require.NoError(t, err)
	sid, err := adtest.SIDString(e.First("objectSid"))
	require.NoError(t, err)
	guid := e.GUID.Raw()
	for filter, want := range map[string][]string{
		"(objectClass=*)":                              {"Ada Vale", "All", "Child", "Child User", "Devices", "PC-0001", "People", "Staff", "Trust", "Zoë Hart"},
		"(objectClass=USER)":                           {"Ada Vale", "Child User", "PC-0001", "Zoë Hart"},
		"(&(objectCategory=person)(objectClass=user))": {"Ada Vale", "Child User", "Zoë Hart"},
		"(objectCategory=computer)":                    {"PC-0001"},
		"(objectCategory=CN=Computer,CN=Schema,CN=Configuration,DC=ashdown,DC=example)": {"PC-0001"},
		"(sAMAccountName=ADA.VALE)": {"Ada Vale"},
		"(samaccountname=nobody)":   {},
		"(displayName=zoë hart)":    {"Zoë Hart"},
		"(displayName~=ZOË HART)":   {"Zoë Hart"},
		"(cn=ada*)":                 {"Ada Vale"},
		"(cn=*a*e)":                 {"Ada Vale"},
		"(cn=a*a*v*e)":              {"Ada Vale"},
		"(cn=*v*d*)":                {},
		"(cn=ada vale*vale)":        {},
		"(name=*0001)":              {"PC-0001"},
		"(ou=*)":                    {"Child", "Devices", "People", "Trust"},
		"(title=*)":                 {"Ada Vale"},
		"(!(title=*))":              {"All", "Child", "Child User", "Devices", "PC-0001", "People", "Staff", "Trust", "Zoë Hart"},
		"(|(title=ward sister)(sAMAccountName=staff))":   {"Ada Vale", "Staff"},
		"(&(objectClass=user)(!(objectClass=computer)))": {"Ada Vale", "Child User", "Zoë Hart"},
		"(&)": {"Ada Vale", "All", "Child", "Child User", "Devices", "PC-0001", "People", "Staff", "Trust", "Zoë Hart"},
		"(|)": {},
		// three-valued logic: an attribute nobody knows decides nothing, negated or not
		"(nosuchattr=x)":                 {},
		"(!(nosuchattr=x))":              {},
		"(|(nosuchattr=x)(cn=Staff))":    {"Staff"},
		"(&(nosuchattr=x)(cn=Staff))":    {},
		"(!(&(nosuchattr=x)(cn=Staff)))": {"Ada Vale", "All", "Child", "Child User", "Devices", "PC-0001", "People", "Trust", "Zoë Hart"},
		"(!(tokenGroups=x))":             {},
		// integers, bits
		"(userAccountControl=512)":                          {"Ada Vale"},
		"(userAccountControl=0512)":                         {"Ada Vale"},
		"(userAccountControl>=514)":                         {"Child User", "PC-0001", "Zoë Hart"},
		"(userAccountControl<=513)":                         {"Ada Vale"},
		"(userAccountControl:1.2.840.113556.1.4.803:=2)":    {"Child User", "PC-0001", "Zoë Hart"},
		"(!(userAccountControl:1.2.840.113556.1.4.803:=2))": {"Ada Vale", "All", "Child", "Devices", "People", "Staff", "Trust"},
		"(userAccountControl:1.2.840.113556.1.4.803:=34)":   {"Child User", "PC-0001"},
		"(userAccountControl:1.2.840.113556.1.4.804:=4128)": {"Child User", "PC-0001"},
		"(userAccountControl:1.2.3:=2)":                     {},
		"(title:1.2.840.113556.1.4.803:=2)":                 {},
		"(accountExpires>=9000000000000000000)":             {"Child User", "PC-0001", "Zoë Hart"},
		"(accountExpires<=133000000000000000)":              {"Ada Vale"},
		// strings in order, multi-valued
		"(&(objectClass=user)(cn>=p))":        {"PC-0001", "Zoë Hart"},
		"(cn<=all)":                           {"Ada Vale", "All"},
		"(proxyAddresses=smtp:a.vale@*)":      {"Ada Vale"},
		"(servicePrincipalName=host/pc-0001)": {"PC-0001"},
		"(mail=ada.vale@ASHDOWN.example)":     {"Ada Vale"},
		"(anr=ada)":                           {"Ada Vale"},
		"(anr=zo)":                            {"Zoë Hart"},
		"(anr==Ada)":                          {"Ada Vale"},
		// octets, SIDs, GUIDs
		"(mS-DS-ConsistencyGuid=" + ldap.EscapeFilter("\x01\x02(*)") + ")": {"Ada Vale"},
		"(userCertificate=\\00\\01\\02)":                                   {"PC-0001"},
		"(userCertificate=\\00*)":                                          {"PC-0001"},
		"(objectGUID=" + ldap.EscapeFilter(guid) + ")":                     {"Ada Vale"},
		"(objectGUID=" + e.GUID.String() + ")":                             {},
		"(objectSid=" + sid + ")":                                          {"Ada Vale"},
		"(objectSid=" + ldap.EscapeFilter(e.First("objectSid")) + ")":      {"Ada Vale"},
		// DNs
		"(distinguishedName=cn=ada vale, " + people + ")":                  {"Ada Vale"},
		"(manager=cn=zoë hart," + people + ")":                             {"Ada Vale"},
		"(directReports=" + ada + ")":                                      {"Zoë Hart"},
		"(member=" + ada + ")":                                             {"Staff"},
		"(memberOf=CN=Staff,OU=Trust," + base + ")":                        {"Ada Vale"},
		"(memberOf=CN=None," + base + ")":                                  {},
		"(memberOf=*)":                                                     {"Ada Vale", "Staff"},
		"(manager=*hart*)":                                                 {},
		"(member:1.2.840.113556.1.4.1941:=" + ada + ")":                    {"All", "Staff"},
		"(memberOf:1.2.840.113556.1.4.1941:=CN=All,OU=Trust," + base + ")": {"Ada Vale", "Staff"},
		"(title:1.2.840.113556.1.4.1941:=" + ada + ")":                     {},
		"(cn:=ada vale)":                                                   {"Ada Vale"},
		"(whenCreated>=20000101000000.0Z)":                                 {"Ada Vale", "All", "Child", "Child User", "Devices", "PC-0001", "People", "Staff", "Trust", "Zoë Hart"},
		"(whenChanged<=20000101000000.0Z)":                                 {},
		"(whenChanged>=yesterday)":                                         {},
		"(uSNChanged>=99999999)":                                           {},
		"(!(uSNChanged>=99999999))":                                        {"Ada Vale", "All", "Child", "Child User", "Devices", "PC-0001", "People", "Staff", "Trust", "Zoë Hart"},
		"(instanceType=4)":                                                 {"Ada Vale", "All", "Child", "Child User", "Devices", "PC-0001", "People", "Staff", "Trust", "Zoë Hart"},
		"(unicodePwd=*)":                                                   {},
	} {
		got := find(t, c, "OU=Trust,"+base, ldap.ScopeWholeSubtree, filter)
		require.Equal(t, want, names(got), filter)
	}
}

func TestGUIDStringFilter(t *testing.T) {
	s := newVale(t, func(c *adtest.Config) { c.GUIDStringFilter = true })
	e, err := s.Get(ada)
	require.NoError(t, err)
	require.Equal(t, []string{ada}, find(t, connect(t, s, "reader"), base, ldap.ScopeWholeSubtree, "(objectGUID="+e.GUID.String()+")"))
}

func TestScopesAndBases(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	e, err := s.Get(people)
	require.NoError(t, err)
	u, err := s.Get(ada)
	require.NoError(t, err)
	sid, err := adtest.SIDString(u.First("objectSid"))
	require.NoError(t, err)
	require.Equal(t, []string{people}, find(t, c, people, ldap.ScopeBaseObject, "(objectClass=*)"))
	require.Len(t, find(t, c, people, ldap.ScopeSingleLevel, "(objectClass=*)"), 3)
	require.Len(t, find(t, c, people, ldap.ScopeWholeSubtree, "(objectClass=*)"), 5)
	require.Len(t, find(t, c, "<GUID="+e.GUID.String()+">", ldap.ScopeSingleLevel, "(objectClass=user)"), 2)
	require.Len(t, find(t, c, fmt.Sprintf("<GUID=%x>", e.GUID.Raw()), ldap.ScopeSingleLevel, "(objectClass=user)"), 2)
	require.Equal(t, []string{ada}, find(t, c, "<SID="+sid+">", ldap.ScopeBaseObject, "(objectClass=user)"))
	require.Equal(t, []string{"CN=Users," + base}, find(t, c, "<WKGUID=A9D1CA15768811D1ADED00C04FD8D5CD,"+base+">", ldap.ScopeBaseObject, "(objectClass=*)"))
	require.Equal(t, []string{}, find(t, c, people, ldap.ScopeBaseObject, "(objectClass=user)"), "the filter counts for the base too")
	for dn, code := range map[string]int{
		"OU=None,OU=Trust," + base:                    32,
		"DC=elsewhere,DC=example":                     32,
		"nonsense":                                    34,
		"<GUID=nonsense>":                             34,
		"<GUID=00000000-0000-0000-0000-000000000001>": 32,
		"<SID=S-1-5-21-1-2-3-4>":                      32,
		"<WKGUID=00000000000000000000000000000000," + base + ">": 32,
		"<FOO=1>": 34,
		"":        32,
	} {
		_, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		requireCode(t, err, code)
	}
	var le *ldap.Error
	_, err = c.Search(ldap.NewSearchRequest("CN=x,OU=None,OU=Trust,"+base, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
	require.ErrorAs(t, err, &le)
	require.Equal(t, "OU=Trust,"+base, le.MatchedDN)
}

func TestDomainSearchLeavesOutOtherContexts(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	search := func(controls ...ldap.Control) *ldap.SearchResult {
		res, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)", []string{"1.1"}, controls))
		require.NoError(t, err)
		return res
	}
	res := search()
	for _, e := range res.Entries {
		require.NotContains(t, e.DN, "CN=Configuration")
		require.NotContains(t, e.DN, "CN=Deleted Objects")
	}
	require.Contains(t, res.Referrals, "ldap://ashdown.example/CN=Configuration,"+base)
	require.Empty(t, search(ldap.NewControlString("1.2.840.113556.1.4.1339", true, "")).Referrals)
	require.NotEmpty(t, find(t, c, "CN=Configuration,"+base, ldap.ScopeWholeSubtree, "(objectClass=nTDSDSA)"))
}

func TestAttributeSelection(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	list := func(typesOnly bool, attrs ...string) map[string]int {
		res, err := c.Search(ldap.NewSearchRequest(ada, ldap.ScopeBaseObject, 0, 0, 0, typesOnly, "(objectClass=*)", attrs, nil))
		require.NoError(t, err)
		require.Len(t, res.Entries, 1)
		out := map[string]int{}
		for _, a := range res.Entries[0].Attributes {
			_, twice := out[a.Name]
			require.False(t, twice, a.Name)
			out[a.Name] = len(a.Values)
		}
		return out
	}
	require.Equal(t, map[string]int{"title": 1, "proxyAddresses": 2}, list(false, "TITLE", "proxyaddresses", "title", "nosuch", "department"))
	require.Equal(t, map[string]int{"title": 0, "proxyAddresses": 0}, list(true, "title", "proxyAddresses"))
	require.Empty(t, list(false, "1.1"))
	all := list(false, "*")
	require.Equal(t, all, list(false))
	require.NotContains(t, all, "tokenGroups")
	require.NotContains(t, all, "parentGUID")
	more := list(false, "*", "parentGUID", "canonicalName", "title")
	require.Len(t, more, len(all)+2)
	require.Equal(t, "ashdown.example/Trust/People/Ada Vale", read(t, c, ada, "canonicalName").GetAttributeValue("canonicalName"))
	require.Equal(t, map[string]int{"userCertificate": 1}, func() map[string]int {
		e := read(t, c, "CN=PC-0001,"+devices, "userCertificate;binary")
		return map[string]int{e.Attributes[0].Name: len(e.Attributes[0].Values)}
	}())
}

func TestTokenGroups(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	want := []string{}
	for _, dn := range []string{"CN=Staff,OU=Trust," + base, "CN=All,OU=Trust," + base, "CN=Domain Users,CN=Users," + base, "CN=Users,CN=Builtin," + base} {
		e, err := s.Get(dn)
		require.NoError(t, err)
		want = append(want, e.First("objectSid"))
	}
	require.ElementsMatch(t, want, read(t, c, ada, "tokenGroups").GetAttributeValues("tokenGroups"))
	res, err := c.Search(ldap.NewSearchRequest(people, ldap.ScopeSingleLevel, 0, 0, 0, false, "(cn=Ada*)", []string{"tokenGroups"}, nil))
	require.NoError(t, err)
	require.Empty(t, res.Entries[0].Attributes, "tokenGroups needs a base search")
}

// crowd adds n users below an OU of its own.
func crowd(t testing.TB, s *adtest.Server, n int) string {
	t.Helper()
	ou := "OU=Crowd," + base
	_, err := s.Add(ou, adtest.Attrs{"objectClass": {"organizationalUnit"}})
	require.NoError(t, err)
	for i := range n {
		name := fmt.Sprintf("user%05d", i)
		_, err := s.Add("CN="+name+","+ou, adtest.Attrs{"objectClass": {"user"}, "sAMAccountName": {name}, "mail": {name + "@ashdown.example"}})
		require.NoError(t, err)
	}
	return ou
}

func TestPaging(t *testing.T) {
	s := newVale(t, func(c *adtest.Config) { c.MaxPageSize = 100 })
	ou := crowd(t, s, 250)
	c := connect(t, s, "reader")
	req := func(limit int, controls ...ldap.Control) *ldap.SearchRequest {
		return ldap.NewSearchRequest(ou, ldap.ScopeSingleLevel, 0, limit, 0, false, "(objectClass=user)", []string{"sAMAccountName"}, controls)
	}
	res, err := c.Search(req(0))
	requireCode(t, err, 4)
	require.Len(t, res.Entries, 100, "the first page is sent before the limit is reported")
	for _, size := range []uint32{1, 7, 50, 100, 1000} {
		if size == 1 {
			continue
		}
		res, err := c.SearchWithPaging(req(0), size)
		require.NoError(t, err)
		require.Len(t, res.Entries, 250)
	}
	for _, scope := range []int{ldap.ScopeWholeSubtree, ldap.ScopeSingleLevel} {
		r := req(0)
		r.Scope = scope
		res, err = c.SearchWithPaging(r, 33)
		require.NoError(t, err)
		seen := map[string]bool{}
		for _, e := range res.Entries {
			require.False(t, seen[e.DN])
			seen[e.DN] = true
		}
		require.Len(t, seen, 250)
	}
	res, err = c.Search(req(30))
	requireCode(t, err, 4)
	require.Len(t, res.Entries, 30)
	_, err = c.SearchWithPaging(req(60), 50)
	requireCode(t, err, 4)

	// A cookie is good once, for the same search, on its own connection.
	p := ldap.NewControlPaging(100)
	res, err = c.Search(req(0, p))
	require.NoError(t, err)
	cookie := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging).Cookie
	require.NotEmpty(t, cookie)
	p.SetCookie(cookie)
	_, err = connect(t, s, "reader").Search(req(0, p))
	requireCode(t, err, 12)
	other := req(0, p)
	other.Filter = "(objectClass=*)"
	_, err = c.Search(other)
	requireCode(t, err, 12)
	_, err = c.Search(req(0, p))
	requireCode(t, err, 12)

	// Giving up with size 0 ends the search.
	res, err = c.Search(req(0, ldap.NewControlPaging(100)))
	require.NoError(t, err)
	p = ldap.NewControlPaging(0)
	p.SetCookie(ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging).Cookie)
	res, err = c.Search(req(0, p))
	require.NoError(t, err)
	require.Empty(t, res.Entries)
}

func TestPagingSeesChangesBetweenPages(t *testing.T) {
	s := newVale(t)
	ou := crowd(t, s, 30)
	s.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpSearch && r.Page == 1 {
			require.NoError(t, s.Move("CN=user00025,"+ou, "CN=user00025,"+people)) // not read yet: lost
			require.NoError(t, s.Delete("CN=user00001,"+ou))                       // read already: stays in the result
			require.NoError(t, s.Move("CN=Ada Vale,"+people, "CN=Ada Vale,"+ou))   // older than the cursor: missed
		}
		return adtest.Fault{}
	})
	res, err := connect(t, s, "reader").SearchWithPaging(ldap.NewSearchRequest(ou, ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=user)", nil, nil), 10)
	require.NoError(t, err)
	require.Len(t, res.Entries, 29)
}

func TestRanges(t *testing.T) {
	s := newVale(t)
	ou := crowd(t, s, 3500)
	var members []string
	for i := range 3500 {
		members = append(members, fmt.Sprintf("CN=user%05d,%s", i, ou))
	}
	group := "CN=Staff,OU=Trust," + base
	require.NoError(t, s.Set(group, "member", members...))
	c := connect(t, s, "reader")
	for ask, want := range map[string]struct {
		name  string
		n     int
		first string
		empty string // the name that comes without values
	}{
		"member":                 {"member;range=0-1499", 1500, members[0], "member"},
		"*":                      {"member;range=0-1499", 1500, members[0], "member"},
		"member;range=0-*":       {"member;range=0-1499", 1500, members[0], "member;range=0-*"},
		"member;range=1500-*":    {"member;range=1500-2999", 1500, members[1500], "member;range=1500-*"},
		"member;range=3000-*":    {"member;range=3000-*", 500, members[3000], ""},
		"member;range=3000-9999": {"member;range=3000-*", 500, members[3000], "member;range=3000-9999"},
		"Member;Range=10-19":     {"member;range=10-19", 10, members[10], ""},
	} {
		var full, empty []*ldap.EntryAttribute
		for _, a := range read(t, c, group, ask).Attributes {
			switch {
			case !strings.HasPrefix(a.Name+";", "member;"):
			case len(a.Values) == 0:
				empty = append(empty, a)
			default:
				full = append(full, a)
			}
		}
		require.Len(t, full, 1, ask)
		require.Equal(t, want.name, full[0].Name, ask)
		require.Len(t, full[0].Values, want.n)
		require.Equal(t, want.first, full[0].Values[0])
		if want.empty == "" {
			require.Empty(t, empty, ask)
		} else {
			require.Len(t, empty, 1, ask)
			require.Equal(t, want.empty, empty[0].Name)
		}
	}
	require.Empty(t, read(t, c, group, "member;range=3500-*").Attributes)
	e := read(t, c, ada, "proxyAddresses;range=0-*")
	require.Equal(t, "proxyAddresses;range=0-*", e.Attributes[0].Name)
}

func TestTimeLimit(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	s.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpSearch {
			return adtest.Fault{Delay: time.Hour}
		}
		return adtest.Fault{}
	})
	_, err := c.Search(ldap.NewSearchRequest(people, ldap.ScopeSingleLevel, 0, 0, 1, false, "(objectClass=*)", nil, nil))
	requireCode(t, err, 3)
}

func TestRootDSE(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "")
	e := read(t, c, "")
	require.Equal(t, "CN=Configuration,"+base, e.GetAttributeValue("configurationNamingContext"))
	require.Equal(t, "CN=Schema,CN=Configuration,"+base, e.GetAttributeValue("schemaNamingContext"))
	require.Equal(t, "dc1.ashdown.example", e.GetAttributeValue("dnsHostName"))
	require.Equal(t, "TRUE", e.GetAttributeValue("isSynchronized"))
	require.Equal(t, "TRUE", e.GetAttributeValue("isGlobalCatalogReady"))
	require.Equal(t, strconv.FormatInt(s.HighestUSN(), 10), e.GetAttributeValue("highestCommittedUSN"))
	require.Contains(t, e.GetAttributeValues("supportedControl"), "1.2.840.113556.1.4.841")
	at, err := time.Parse("20060102150405.0Z", e.GetAttributeValue("currentTime"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
	require.Len(t, read(t, c, "", "dnsHostName").Attributes, 1)

	c = connect(t, s, "reader")
	settings := read(t, c, e.GetAttributeValue("dsServiceName"))
	require.Equal(t, s.InvocationID().Raw(), string(settings.GetRawAttributeValue("invocationId")))
	require.NotEmpty(t, settings.GetRawAttributeValue("objectGUID"))
	for _, dn := range []string{base, "CN=Infrastructure," + base, "CN=RID Manager$,CN=System," + base, "CN=Partitions,CN=Configuration," + base, "CN=Schema,CN=Configuration," + base} {
		require.Equal(t, settings.DN, read(t, c, dn, "fSMORoleOwner").GetAttributeValue("fSMORoleOwner"), dn)
	}
	require.NotEmpty(t, read(t, c, e.GetAttributeValue("subschemaSubentry"), "attributeTypes").GetAttributeValues("attributeTypes"))
	gc := find(t, c, e.GetAttributeValue("schemaNamingContext"), ldap.ScopeSingleLevel, "(&(lDAPDisplayName=title)(isMemberOfPartialAttributeSet=FALSE))")
	require.Len(t, gc, 1)
	require.Contains(t, strings.Join(read(t, c, "CN=Default Query Policy,CN=Query-Policies,CN=Directory Service,CN=Windows NT,CN=Services,CN=Configuration,"+base, "lDAPAdminLimits").GetAttributeValues("lDAPAdminLimits"), " "), "MaxPageSize=1000")
}
