package adtest_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// dirSync runs one DirSync cycle to its end.
func dirSync(t testing.TB, c *ldap.Conn, base string, flags int64, cookie []byte, attrs ...string) (entries []*ldap.Entry, next []byte, err error) {
	t.Helper()
	for {
		ctl := ldap.NewRequestControlDirSync(flags, 1<<20, cookie)
		res, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)", attrs, []ldap.Control{ctl}))
		if err != nil {
			return entries, cookie, err
		}
		entries = append(entries, res.Entries...)
		answer := ldap.FindControl(res.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
		cookie = answer.Cookie
		if answer.Flags == 0 {
			return entries, cookie, nil
		}
	}
}

func attrsOf(e *ldap.Entry) map[string][]string {
	out := map[string][]string{}
	for _, a := range e.Attributes {
		out[a.Name] = a.Values
	}
	return out
}

func TestDirSync(t *testing.T) {
	s := newVale(t)
	crowd(t, s, 1500)
	admin, reader := connect(t, s, "admin"), connect(t, s, "reader")
	_, _, err := dirSync(t, reader, base, 0, nil)
	requireCode(t, err, 50)
	_, _, err = dirSync(t, reader, people, 1, nil)
	requireCode(t, err, 50)

	for name, c := range map[string]*ldap.Conn{"admin": admin, "reader": reader} {
		flags := map[string]int64{"admin": 0, "reader": 1}[name]
		all, cookie, err := dirSync(t, c, base, flags, nil)
		require.NoError(t, err)
		require.Greater(t, len(all), 1500)
		seen := map[string]bool{}
		for _, e := range all {
			require.False(t, seen[e.DN])
			seen[e.DN] = true
			require.Len(t, e.GetRawAttributeValue("objectGUID"), 16)
			require.NotContains(t, e.DN, "CN=Configuration")
		}
		require.True(t, seen[ada])
		none, cookie2, err := dirSync(t, c, base, flags, cookie)
		require.NoError(t, err)
		require.Empty(t, none)
		require.NotEmpty(t, cookie2)
	}
}

func TestDirSyncChanges(t *testing.T) {
	s := newVale(t)
	admin, reader := connect(t, s, "admin"), connect(t, s, "reader")
	_, a, err := dirSync(t, admin, base, 0, nil)
	require.NoError(t, err)
	_, r, err := dirSync(t, reader, base, 1, nil, "title", "name", "displayName")
	require.NoError(t, err)

	// A changed and a cleared attribute: the cleared one comes without values.
	require.NoError(t, s.Modify(ada, adtest.Change{Op: adtest.ReplaceValues, Attr: "title"}, adtest.Change{Op: adtest.ReplaceValues, Attr: "mail", Values: []string{"new@ashdown.example"}}))
	got, r2, err := dirSync(t, reader, base, 1, r, "title", "name", "displayName")
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, ada, got[0].DN)
	m := attrsOf(got[0])
	require.Contains(t, m, "title")
	require.Empty(t, m["title"])
	require.NotContains(t, m, "mail", "not asked for")
	require.NotContains(t, m, "displayName", "not changed")
	got, a2, err := dirSync(t, admin, base, 0, a)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, []string{"new@ashdown.example"}, attrsOf(got[0])["mail"])
	require.Contains(t, attrsOf(got[0]), "instanceType")

	// The attribute list is a filter too.
	require.NoError(t, s.Set(ada, "mail", "again@ashdown.example"))
	got, r2, err = dirSync(t, reader, base, 1, r2, "title", "name", "displayName")
	require.NoError(t, err)
	require.Empty(t, got)

	// A move shows name and parentGUID.
	require.NoError(t, s.Move(ada, "CN=Ada Vale,"+devices))
	got, r2, err = dirSync(t, reader, base, 1, r2, "title", "name", "displayName")
	require.NoError(t, err)
	require.Len(t, got, 1)
	d, err := s.Get(devices)
	require.NoError(t, err)
	require.Equal(t, d.GUID.Raw(), string(got[0].GetRawAttributeValue("parentGUID")))

	// A delete shows to those with the replication right only.
	require.NoError(t, s.Delete("CN=Ada Vale,"+devices))
	got, _, err = dirSync(t, reader, base, 1, r2, "title", "name", "displayName")
	require.NoError(t, err)
	require.Empty(t, got)
	got, a2, err = dirSync(t, admin, base, 0, a2)
	require.NoError(t, err)
	require.Len(t, got, 1)
	m = attrsOf(got[0])
	require.Equal(t, []string{"TRUE"}, m["isDeleted"])
	require.Equal(t, []string{devices}, m["lastKnownParent"])
	require.Contains(t, m, "displayName")
	require.Empty(t, m["displayName"])

	// Cookies: garbage is refused, one of a database that was restored starts again.
	_, _, err = dirSync(t, admin, base, 0, []byte("garbage"))
	requireCode(t, err, 12)
	require.NoError(t, s.SetInvocationID(adtest.GUID{1}))
	require.Equal(t, adtest.GUID{1}, s.InvocationID())
	got, _, err = dirSync(t, admin, base, 0, a2)
	require.NoError(t, err)
	require.Greater(t, len(got), 10)
}

func TestDirSyncHidesDeniedAttributes(t *testing.T) {
	s := newVale(t)
	deny(t, s, adtest.Denial{DN: people, Subtree: true, Right: adtest.ReadProperty, Attribute: "title"})
	got, _, err := dirSync(t, connect(t, s, "reader"), base, 1, nil, "title")
	require.NoError(t, err)
	require.Empty(t, got)
	got, _, err = dirSync(t, connect(t, s, "admin"), base, 0x800, nil, "title", "objectClass")
	require.NoError(t, err)
	require.Equal(t, base, got[0].DN, "ancestors first")
}

func TestUSNPolling(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	mark := s.HighestUSN()
	changed := func() []string {
		return find(t, c, people, ldap.ScopeSingleLevel, "(uSNChanged>="+itoa(mark+1)+")")
	}
	require.Empty(t, changed())
	require.NoError(t, s.Set(ada, "title", "Matron"))
	require.Equal(t, []string{ada}, changed())
	require.NoError(t, s.Move(ada, "CN=Ada Vale,"+devices))
	require.Empty(t, changed(), "a move out of the OU is invisible")
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestNotification(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watch := func(dn string, scope int) ldap.Response {
		return c.SearchAsync(ctx, ldap.NewSearchRequest(dn, scope, 0, 0, 0, false, "(objectClass=*)", []string{"objectGUID", "isDeleted", "title"}, []ldap.Control{ldap.NewControlMicrosoftNotification()}), 16)
	}
	one := watch(people, ldap.ScopeSingleLevel)
	self := watch(people, ldap.ScopeBaseObject)
	next := func(r ldap.Response) *ldap.Entry {
		t.Helper()
		require.True(t, r.Next(), "no notification: %v", r.Err())
		return r.Entry()
	}
	registered := func(n int64) {
		require.Eventually(t, func() bool { return s.Stats().Watches == n }, 20*time.Second, time.Millisecond)
	}
	registered(2)

	require.NoError(t, s.Set(ada, "title", "Matron"))
	require.Equal(t, "Matron", next(one).GetAttributeValue("title"))
	g, err := s.Add("CN=New,"+people, adtest.Attrs{"objectClass": {"user"}})
	require.NoError(t, err)
	require.Equal(t, "CN=New,"+people, next(one).DN)
	require.NoError(t, s.Move("CN=New,"+people, "CN=New,"+devices))
	require.Equal(t, "CN=New,"+devices, next(one).DN, "moving out")
	require.NoError(t, s.Set("CN=New,"+devices, "title", "elsewhere"))
	require.NoError(t, s.Move("CN=New,"+devices, "CN=New,"+people))
	require.Equal(t, "CN=New,"+people, next(one).DN, "moving in; the change elsewhere made no noise")
	require.NoError(t, s.Set(people, "description", "x"))
	require.Equal(t, people, next(self).DN)
	require.NoError(t, s.Delete("CN=New,"+people))
	e := next(one)
	require.Equal(t, "TRUE", e.GetAttributeValue("isDeleted"))
	require.Equal(t, g.Raw(), string(e.GetRawAttributeValue("objectGUID")))

	_, err = c.Search(ldap.NewSearchRequest(people, ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=user)", nil, []ldap.Control{ldap.NewControlMicrosoftNotification()}))
	requireCode(t, err, 53)
	for range 3 {
		watch(people, ldap.ScopeSingleLevel)
	}
	registered(5)
	_, err = c.Search(ldap.NewSearchRequest(people, ldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=*)", nil, []ldap.Control{ldap.NewControlMicrosoftNotification()}))
	requireCode(t, err, 11)
	cancel()
	c.Close()
	registered(0)
}

func TestSnapshotAndRestore(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "admin")
	usn := s.HighestUSN()
	snap := s.Snapshot()
	before, err := s.Entries("")
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.Set(ada, "title", "Matron"))
		require.NoError(t, s.Move(ada, "CN=Moved,"+devices))
		require.NoError(t, s.Delete("CN=Zoë Hart,"+people))
		_, err = s.Add("CN=Later,"+people, adtest.Attrs{"objectClass": {"user"}})
		require.NoError(t, err)
		require.Greater(t, s.HighestUSN(), usn)
		s.Restore(snap)
		require.Equal(t, usn, s.HighestUSN(), "a USN rollback")
		after, err := s.Entries("")
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.Len(t, find(t, c, people, ldap.ScopeSingleLevel, "(objectClass=user)"), 2)
		require.Equal(t, []string{ada}, find(t, c, base, ldap.ScopeWholeSubtree, "(sAMAccountName=ada.vale)"))
		require.Equal(t, []string{"CN=Staff,OU=Trust," + base}, read(t, c, ada).GetAttributeValues("memberOf"))
	}
}

func TestSecondDC(t *testing.T) {
	s := newVale(t)
	s2, err := s.AddDC(adtest.DCConfig{DC: "dc2", FirstUSN: 500, AllowPlainBind: true, Socketless: true})
	require.NoError(t, err)
	defer s2.Close()
	_, err = s.AddDC(adtest.DCConfig{DC: "DC2"})
	require.Error(t, err)
	_, err = s.AddDC(adtest.DCConfig{})
	require.Error(t, err)
	c1, c2 := connect(t, s, "writer"), connect(t, s2, "writer")
	require.Equal(t, "dc2.ashdown.example", read(t, c2, "").GetAttributeValue("dnsHostName"))
	require.NotEqual(t, s.InvocationID(), s2.InvocationID())
	require.NotEqual(t, read(t, c1, "").GetAttributeValue("dsServiceName"), read(t, c2, "").GetAttributeValue("dsServiceName"))
	require.Less(t, s2.HighestUSN(), s.HighestUSN())
	require.NoError(t, modify(c2, ada, nil, []string{"replace", "title", "Matron"}))
	e1, e2 := read(t, c1, ada), read(t, c2, ada)
	require.Equal(t, "Matron", e1.GetAttributeValue("title"), "replication is immediate")
	require.NotEqual(t, e1.GetAttributeValue("uSNChanged"), e2.GetAttributeValue("uSNChanged"))
	require.Equal(t, e2.GetAttributeValue("uSNChanged"), itoa(s2.HighestUSN()))

	// A cookie of one works on the other.
	admin1, admin2 := connect(t, s, "admin"), connect(t, s2, "admin")
	_, cookie, err := dirSync(t, admin1, base, 0, nil)
	require.NoError(t, err)
	got, _, err := dirSync(t, admin2, base, 0, cookie)
	require.NoError(t, err)
	require.Empty(t, got)

	_, err = s2.DialTLS(t.Context())
	require.NoError(t, err)
	require.NoError(t, s2.Close())
	require.NotEmpty(t, read(t, c1, ada).DN, "the other one goes on")
}
