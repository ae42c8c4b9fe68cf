package adtest_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// modify applies changes over LDAP; each is "add|delete|replace attr value…".
func modify(c *ldap.Conn, dn string, controls []ldap.Control, changes ...[]string) error {
	m := ldap.NewModifyRequest(dn, controls)
	for _, ch := range changes {
		switch ch[0] {
		case "add":
			m.Add(ch[1], ch[2:])
		case "delete":
			m.Delete(ch[1], ch[2:])
		case "replace":
			m.Replace(ch[1], ch[2:])
		}
	}
	return c.Modify(m)
}

func TestModify(t *testing.T) {
	type changes = [][]string
	permissive := []ldap.Control{ldap.NewControlString("1.2.840.113556.1.4.1413", true, "")}
	for name, tc := range map[string]struct {
		changes  changes
		controls []ldap.Control
		code     int
		attr     string
		want     []string
	}{
		"replace":                           {changes{{"replace", "title", "Matron"}}, nil, 0, "title", []string{"Matron"}},
		"replace, case of the name":         {changes{{"replace", "TITLE", "Matron"}}, nil, 0, "title", []string{"Matron"}},
		"replace with nothing":              {changes{{"replace", "title"}}, nil, 0, "title", nil},
		"replace absent with nothing":       {changes{{"replace", "department"}}, nil, 0, "department", nil},
		"case-only change":                  {changes{{"replace", "title", "WARD SISTER"}}, nil, 0, "title", []string{"WARD SISTER"}},
		"add":                               {changes{{"add", "department", "Wards"}}, nil, 0, "department", []string{"Wards"}},
		"add to single-valued":              {changes{{"add", "title", "Matron"}}, nil, 20, "title", []string{"Ward Sister"}},
		"add existing value":                {changes{{"add", "proxyAddresses", "smtp:A.VALE@ashdown.example"}}, nil, 20, "", nil},
		"add existing value, permissive":    {changes{{"add", "proxyAddresses", "smtp:a.vale@ashdown.example"}}, permissive, 0, "", nil},
		"add the same twice":                {changes{{"add", "proxyAddresses", "smtp:x", "smtp:X"}}, nil, 20, "", nil},
		"delete value":                      {changes{{"delete", "proxyAddresses", "SMTP:ada.vale@ashdown.example"}}, nil, 0, "proxyAddresses", []string{"smtp:a.vale@ashdown.example"}},
		"delete attribute":                  {changes{{"delete", "title"}}, nil, 0, "title", nil},
		"delete absent attribute":           {changes{{"delete", "department"}}, nil, 16, "", nil},
		"delete absent, permissive":         {changes{{"delete", "department"}}, permissive, 0, "department", nil},
		"delete absent value":               {changes{{"delete", "title", "Matron"}}, nil, 16, "title", []string{"Ward Sister"}},
		"compare and swap":                  {changes{{"delete", "title", "Ward Sister"}, {"add", "title", "Matron"}}, nil, 0, "title", []string{"Matron"}},
		"compare and swap, stale":           {changes{{"delete", "title", "Nurse"}, {"add", "title", "Matron"}}, nil, 16, "title", []string{"Ward Sister"}},
		"all or nothing":                    {changes{{"replace", "title", "Matron"}, {"delete", "department"}}, nil, 16, "title", []string{"Ward Sister"}},
		"empty string":                      {changes{{"replace", "title", ""}}, nil, 21, "title", []string{"Ward Sister"}},
		"two values for single-valued":      {changes{{"replace", "title", "a", "b"}}, nil, 19, "", nil},
		"too long":                          {changes{{"replace", "employeeID", strings.Repeat("x", 17)}}, nil, 19, "", nil},
		"no number":                         {changes{{"replace", "userAccountControl", "abc"}}, nil, 21, "", nil},
		"server-maintained":                 {changes{{"replace", "uSNChanged", "1"}}, nil, 19, "", nil},
		"objectGUID":                        {changes{{"replace", "objectGUID", strings.Repeat("x", 16)}}, nil, 19, "", nil},
		"back link":                         {changes{{"add", "memberOf", "CN=All,OU=Trust," + base}}, nil, 53, "", nil},
		"name":                              {changes{{"replace", "cn", "Other"}}, nil, 67, "", nil},
		"objectClass":                       {changes{{"add", "objectClass", "computer"}}, nil, 69, "", nil},
		"sAMAccountName of someone else":    {changes{{"replace", "sAMAccountName", "ZOE.hart"}}, nil, 68, "", nil},
		"link to nothing":                   {changes{{"replace", "manager", "CN=None," + base}}, nil, 32, "", nil},
		"link":                              {changes{{"replace", "manager", "cn=pc-0001," + devices}}, nil, 0, "manager", []string{"CN=PC-0001," + devices}},
		"unknown attribute is kept":         {changes{{"add", "ashdownPayroll", "7", "8"}}, nil, 0, "ashdownPayroll", []string{"7", "8"}},
		"binary value":                      {changes{{"add", "userCertificate", "\x00\xff\x80"}}, nil, 0, "userCertificate", []string{"\x00\xff\x80"}},
		"critical control nobody knows":     {changes{{"replace", "title", "x"}}, []ldap.Control{ldap.NewControlString("1.2.3.4", true, "")}, 12, "title", []string{"Ward Sister"}},
		"other control nobody knows":        {changes{{"replace", "title", "x"}}, []ldap.Control{ldap.NewControlString("1.2.3.4", false, "")}, 0, "title", []string{"x"}},
		"RFC 4528 assertion is not known":   {changes{{"replace", "title", "x"}}, []ldap.Control{ldap.NewControlString("1.3.6.1.1.12", true, "x")}, 12, "", nil},
		"attribute name that cannot be one": {changes{{"add", "two words", "x"}}, nil, 16, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newVale(t)
			c := connect(t, s, "writer")
			before, err := s.Get(ada)
			require.NoError(t, err)
			err = modify(c, ada, tc.controls, tc.changes...)
			after, gerr := s.Get(ada)
			require.NoError(t, gerr)
			if tc.code != 0 {
				requireCode(t, err, tc.code)
				require.Equal(t, before, after, "a refused modification changes nothing")
				require.Zero(t, s.Stats().Writes())
			} else {
				require.NoError(t, err)
				require.Equal(t, int64(1), s.Stats().Modifies)
			}
			if tc.attr != "" {
				require.Equal(t, tc.want, after.Get(tc.attr))
			}
		})
	}
}

func TestModifyWithoutEffectKeepsUSN(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "writer")
	usn := s.HighestUSN()
	require.NoError(t, modify(c, ada, nil, []string{"replace", "title", "Ward Sister"}, []string{"replace", "department"}))
	require.Equal(t, usn, s.HighestUSN())
	require.NoError(t, modify(c, ada, nil, []string{"replace", "title", "ward sister"}))
	require.Equal(t, usn+1, s.HighestUSN())
	require.Equal(t, strconv.FormatInt(usn+1, 10), read(t, c, ada, "uSNChanged").GetAttributeValue("uSNChanged"))
}

func TestAdd(t *testing.T) {
	dn := "CN=New One," + people
	attrs := func(kv ...string) []ldap.Attribute {
		var out []ldap.Attribute
		for i := 0; i < len(kv); i += 2 {
			out = append(out, ldap.Attribute{Type: kv[i], Vals: strings.Split(kv[i+1], "|")})
		}
		return out
	}
	for name, tc := range map[string]struct {
		dn    string
		attrs []ldap.Attribute
		code  int
	}{
		"user":                       {dn, attrs("objectClass", "user", "sAMAccountName", "new.one"), 0},
		"whole chain":                {dn, attrs("objectClass", "top|person|organizationalPerson|user"), 0},
		"awkward name":               {`CN=O'Neil\, \"Sam\" \+ \#1\=\<x\>\; \\ ü 😀,` + people, attrs("objectClass", "user"), 0},
		"OU":                         {"OU=More," + base, attrs("objectClass", "organizationalUnit"), 0},
		"name repeated as cn":        {dn, attrs("objectClass", "user", "cn", "new one"), 0},
		"exists":                     {ada, attrs("objectClass", "user"), 68},
		"exists in other case":       {"cn=ADA VALE," + people, attrs("objectClass", "user"), 68},
		"sAMAccountName exists":      {dn, attrs("objectClass", "user", "sAMAccountName", "Ada.Vale"), 68},
		"no parent":                  {"CN=x,OU=None," + people, attrs("objectClass", "user"), 32},
		"other domain":               {"CN=x,DC=elsewhere", attrs("objectClass", "user"), 32},
		"no class":                   {dn, attrs("sAMAccountName", "x"), 65},
		"wrong naming attribute":     {"OU=x," + people, attrs("objectClass", "user"), 64},
		"cn differs from the name":   {dn, attrs("objectClass", "user", "cn", "Other"), 64},
		"empty value":                {dn, attrs("objectClass", "user", "title", ""), 21},
		"two for single-valued":      {dn, attrs("objectClass", "user", "title", "a|b"), 19},
		"twice the same":             {dn, attrs("objectClass", "user", "description", "a|A"), 20},
		"objectGUID":                 {dn, attrs("objectClass", "user", "objectGUID", strings.Repeat("x", 16)), 19},
		"objectSid":                  {dn, attrs("objectClass", "user", "objectSid", strings.Repeat("x", 28)), 19},
		"bad name":                   {"nonsense", attrs("objectClass", "user"), 34},
		"multi-valued name":          {"CN=a+SN=b," + people, attrs("objectClass", "user"), 34},
		"empty name":                 {"CN=," + people, attrs("objectClass", "user"), 34},
		"empty name in hexadecimal":  {"CN=#0400," + people, attrs("objectClass", "user"), 34},
		"name of no attribute":       {"C\xfcN=x," + people, attrs("objectClass", "user"), 34},
		"attribute given twice":      {dn, append(attrs("objectClass", "user", "title", "a"), attrs("TITLE", "b")...), 20},
		"name longer than allowed":   {"CN=" + strings.Repeat("x", 65) + "," + people, attrs("objectClass", "user"), 19},
		"below a user is allowed":    {"CN=x," + ada, attrs("objectClass", "container"), 0},
		"objectCategory by its name": {dn, attrs("objectClass", "user", "objectCategory", "person"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newVale(t)
			c := connect(t, s, "writer")
			usn := s.HighestUSN()
			err := c.Add(&ldap.AddRequest{DN: tc.dn, Attributes: tc.attrs})
			if tc.code != 0 {
				requireCode(t, err, tc.code)
				require.Equal(t, usn, s.HighestUSN())
				return
			}
			require.NoError(t, err)
			e := read(t, c, tc.dn)
			parsed, err := ldap.ParseDN(e.DN)
			require.NoError(t, err)
			want, err := ldap.ParseDN(tc.dn)
			require.NoError(t, err)
			require.True(t, parsed.EqualFold(want), e.DN)
			require.Equal(t, e.GetAttributeValue("uSNCreated"), e.GetAttributeValue("uSNChanged"))
			if len(e.GetAttributeValues("objectClass")) > 3 {
				require.NotEmpty(t, e.GetAttributeValue("sAMAccountName"))
				require.Equal(t, "546", e.GetAttributeValue("userAccountControl"))
				require.Equal(t, "805306368", e.GetAttributeValue("sAMAccountType"))
			}
		})
	}
}

func TestGUIDOnAdd(t *testing.T) {
	s := newVale(t, func(c *adtest.Config) { c.GUIDOnAdd = true })
	g, err := adtest.ParseGUID("0174f793-0bb5-4e97-9b7f-f6198260a8a8")
	require.NoError(t, err)
	c := connect(t, s, "writer")
	add := ldap.NewAddRequest("CN=Copy,"+devices, nil)
	add.Attribute("objectClass", []string{"computer"})
	add.Attribute("objectGUID", []string{g.Raw()})
	require.NoError(t, c.Add(add))
	e, err := s.Get("<GUID=0174f793-0bb5-4e97-9b7f-f6198260a8a8>")
	require.NoError(t, err)
	require.Equal(t, "CN=Copy,"+devices, e.DN)
	add.DN = "CN=Second," + devices
	requireCode(t, c.Add(add), 19)
}

func TestDeleteLeavesTombstone(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "writer")
	e, err := s.Get(ada)
	require.NoError(t, err)
	requireCode(t, c.Del(ldap.NewDelRequest("OU=Trust,"+base, nil)), 66)
	requireCode(t, c.Del(ldap.NewDelRequest("CN=Users,"+base, nil)), 53)
	requireCode(t, c.Del(ldap.NewDelRequest(base, nil)), 53)
	require.NoError(t, c.Del(ldap.NewDelRequest(ada, nil)))
	requireCode(t, c.Del(ldap.NewDelRequest(ada, nil)), 32)
	guid := "<GUID=" + e.GUID.String() + ">"

	show := []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}
	search := func(c *ldap.Conn, base string, scope int, controls []ldap.Control) (*ldap.SearchResult, error) {
		return c.Search(ldap.NewSearchRequest(base, scope, 0, 0, 0, false, "(objectClass=*)", nil, controls))
	}
	_, err = search(c, guid, ldap.ScopeBaseObject, nil)
	requireCode(t, err, 32)
	_, err = search(c, guid, ldap.ScopeBaseObject, show)
	requireCode(t, err, 32) // not for an ordinary account
	wk := "<WKGUID=18e2ea80684f11d2b9aa00c04f79f805," + base + ">"
	res, err := search(c, wk, ldap.ScopeSingleLevel, show)
	require.NoError(t, err)
	require.Empty(t, res.Entries, "success with nothing, not an error")
	_, err = search(c, wk, ldap.ScopeSingleLevel, nil)
	requireCode(t, err, 32)

	admin := connect(t, s, "admin")
	res, err = search(admin, wk, ldap.ScopeSingleLevel, show)
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	tomb := res.Entries[0]
	require.Equal(t, `CN=Ada Vale\0ADEL:`+e.GUID.String()+",CN=Deleted Objects,"+base, tomb.DN)
	require.Equal(t, "TRUE", tomb.GetAttributeValue("isDeleted"))
	require.Equal(t, people, tomb.GetAttributeValue("lastKnownParent"))
	require.Equal(t, "ada.vale", tomb.GetAttributeValue("sAMAccountName"))
	require.Equal(t, e.First("objectSid"), string(tomb.GetRawAttributeValue("objectSid")))
	require.NotEmpty(t, tomb.GetAttributeValues("objectClass"))
	require.Empty(t, tomb.GetAttributeValue("title"))
	require.Empty(t, tomb.GetAttributeValue("objectCategory"))
	staff, err := s.Get("CN=Staff,OU=Trust," + base)
	require.NoError(t, err)
	require.Empty(t, staff.Get("member"))

	// The name and the account name are free again; it is another object.
	again := ldap.NewAddRequest(ada, nil)
	again.Attribute("objectClass", []string{"user"})
	again.Attribute("sAMAccountName", []string{"ada.vale"})
	require.NoError(t, c.Add(again))
	e2, err := s.Get(ada)
	require.NoError(t, err)
	require.NotEqual(t, e.GUID, e2.GUID)
	require.NotEqual(t, e.First("objectSid"), e2.First("objectSid"))
}

func TestTreeDelete(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "writer")
	require.NoError(t, c.Del(ldap.NewDelRequest("OU=People,OU=Trust,"+base, []ldap.Control{ldap.NewControlSubtreeDelete()})))
	require.Equal(t, []string{}, find(t, c, "OU=Trust,"+base, ldap.ScopeWholeSubtree, "(objectCategory=person)"))
	require.Len(t, find(t, connect(t, s, "admin"), base, ldap.ScopeWholeSubtree, "(isDeleted=TRUE)", ldap.NewControlMicrosoftShowDeleted()), 5)
}

func TestModifyDN(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "writer")
	before, err := s.Get(ada)
	require.NoError(t, err)
	guid := "<GUID=" + before.GUID.String() + ">"
	usn := s.HighestUSN()

	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest(ada, "CN=Ada Hart", true, "")))
	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest("CN=Ada Hart,"+people, "CN=ada hart", true, "")))
	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest("CN=ada hart,"+people, "CN=Ada Hart", true, "OU=Child,"+people)))
	require.Equal(t, usn+3, s.HighestUSN())
	e := read(t, c, guid)
	require.Equal(t, "CN=Ada Hart,OU=Child,"+people, e.DN)
	require.Equal(t, "Ada Hart", e.GetAttributeValue("cn"))
	require.Equal(t, "Ada Hart", e.GetAttributeValue("name"))
	require.Equal(t, "ada.vale", e.GetAttributeValue("sAMAccountName"))
	requireCode(t, c.ModifyDN(ldap.NewModifyDNRequest(ada, "CN=x", true, "")), 32)

	staff := read(t, c, "CN=Staff,OU=Trust,"+base, "member", "uSNChanged")
	require.Equal(t, e.DN, staff.GetAttributeValue("member"), "links follow")

	require.NoError(t, c.ModifyDN(ldap.NewModifyDNRequest(people, "OU=Staff", true, "")))
	require.Equal(t, "CN=Ada Hart,OU=Child,OU=Staff,OU=Trust,"+base, read(t, c, guid).DN)
	require.Equal(t, e.GetAttributeValue("uSNChanged"), read(t, c, guid, "uSNChanged").GetAttributeValue("uSNChanged"), "children of a renamed OU are not touched")

	staffOU := "OU=Staff,OU=Trust," + base
	for name, tc := range map[string]struct {
		req  *ldap.ModifyDNRequest
		code int
	}{
		"taken":             {ldap.NewModifyDNRequest("CN=Zoë Hart,"+staffOU, "OU=Child", true, ""), 53},
		"taken name":        {ldap.NewModifyDNRequest("CN=PC-0001,"+devices, "CN=zoë hart", true, staffOU), 68},
		"below itself":      {ldap.NewModifyDNRequest(staffOU, "OU=Staff", true, "OU=Child,"+staffOU), 53},
		"no new parent":     {ldap.NewModifyDNRequest(staffOU, "OU=Staff", true, "OU=None,"+base), 80},
		"keep the old name": {ldap.NewModifyDNRequest(staffOU, "OU=X", false, ""), 53},
		"into another NC":   {ldap.NewModifyDNRequest("CN=PC-0001,"+devices, "CN=PC-0001", true, "CN=Configuration,"+base), 71},
		"the domain":        {ldap.NewModifyDNRequest(base, "DC=x", true, ""), 53},
		"two components":    {ldap.NewModifyDNRequest(staffOU, "OU=a,OU=b", true, ""), 34},
	} {
		usn := s.HighestUSN()
		requireCode(t, c.ModifyDN(tc.req), tc.code)
		require.Equal(t, usn, s.HighestUSN(), name)
	}
}

func TestOrdinaryAccountCannotWrite(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	usn := s.HighestUSN()
	requireCode(t, modify(c, ada, nil, []string{"replace", "title", "x"}), 50)
	requireCode(t, c.Del(ldap.NewDelRequest(ada, nil)), 50)
	requireCode(t, c.ModifyDN(ldap.NewModifyDNRequest(ada, "CN=x", true, "")), 50)
	add := ldap.NewAddRequest("CN=x,"+people, nil)
	add.Attribute("objectClass", []string{"user"})
	requireCode(t, c.Add(add), 50)
	require.Equal(t, usn, s.HighestUSN())
	require.Zero(t, s.Stats().Writes())
}

func TestStrictSchema(t *testing.T) {
	s := newVale(t, func(c *adtest.Config) {
		c.StrictSchema = true
		c.Attributes = []adtest.AttributeType{{Name: "ashdownPayroll", Syntax: adtest.IntegerSyntax, SingleValued: true}}
	})
	c := connect(t, s, "writer")
	requireCode(t, modify(c, ada, nil, []string{"replace", "unheardOf", "1"}), 16)
	requireCode(t, modify(c, ada, nil, []string{"replace", "ashdownPayroll", "x"}), 21)
	require.NoError(t, modify(c, ada, nil, []string{"replace", "ashdownpayroll", "12"}))
	require.Equal(t, "12", read(t, c, ada).GetAttributeValue("ashdownPayroll"))
	require.Equal(t, []string{"CN=ashdownPayroll,CN=Schema,CN=Configuration," + base},
		find(t, c, "CN=Schema,CN=Configuration,"+base, ldap.ScopeSingleLevel, "(&(lDAPDisplayName=ashdownPayroll)(isSingleValued=TRUE))"))
}

func TestCompare(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	for value, want := range map[string]bool{"ward sister": true, "Matron": false} {
		got, err := c.Compare(ada, "title", value)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := c.Compare(ada, "department", "x")
	requireCode(t, err, 16)
	_, err = c.Compare("CN=None,"+people, "title", "x")
	requireCode(t, err, 32)
}
