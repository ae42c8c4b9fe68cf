package adtest_test

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

const base = "DC=ashdown,DC=example"

// vale is a small trust: two OUs with people, one with computers.
const vale = `version: 1

dn: OU=Trust,DC=ashdown,DC=example
objectClass: organizationalUnit

dn: OU=People,OU=Trust,DC=ashdown,DC=example
objectClass: organizationalUnit

dn: OU=Devices,OU=Trust,DC=ashdown,DC=example
objectClass: organizationalUnit

dn: OU=Child,OU=People,OU=Trust,DC=ashdown,DC=example
objectClass: organizationalUnit

dn: CN=Ada Vale,OU=People,OU=Trust,DC=ashdown,DC=example
objectClass: user
sAMAccountName: ada.vale
userPrincipalName: ada.vale@ashdown.example
mail: Ada.Vale@ashdown.example
displayName: Ada Vale
givenName: Ada
sn: Vale
title: Ward Sister
employeeID: 1001
userAccountControl: 512
proxyAddresses: SMTP:Ada.Vale@ashdown.example
proxyAddresses: smtp:a.vale@ashdown.example
manager: CN=Zoë Hart,OU=People,OU=Trust,DC=ashdown,DC=example

dn:: Q049Wm/DqyBIYXJ0LE9VPVBlb3BsZSxPVT1UcnVzdCxEQz1hc2hkb3duLERDPWV4YW1wbGU=
objectClass: user
sAMAccountName: zoe.hart
userAccountControl: 514
displayName:: Wm/DqyBIYXJ0
employeeID: 1002

dn: CN=Child User,OU=Child,OU=People,OU=Trust,DC=ashdown,DC=example
objectClass: user
sAMAccountName: child.user

dn: CN=PC-0001,OU=Devices,OU=Trust,DC=ashdown,DC=example
objectClass: computer
sAMAccountName: PC-0001$
dNSHostName: pc-0001.ashdown.example
operatingSystem: Windows 11 Enterprise
userCertificate:: AAEC

dn: CN=Staff,OU=Trust,DC=ashdown,DC=example
objectClass: group
sAMAccountName: Staff
member: CN=Ada Vale,OU=People,OU=Trust,DC=ashdown,DC=example

dn: CN=All,OU=Trust,DC=ashdown,DC=example
objectClass: group
sAMAccountName: All
member: CN=Staff,OU=Trust,DC=ashdown,DC=example
`

const (
	people  = "OU=People,OU=Trust," + base
	devices = "OU=Devices,OU=Trust," + base
	ada     = "CN=Ada Vale," + people
)

// newVale starts a server with the small trust that accepts plain binds.
func newVale(t testing.TB, change ...func(*adtest.Config)) *adtest.Server {
	t.Helper()
	cfg := adtest.Config{LDIF: strings.NewReader(vale), AllowPlainBind: true, Socketless: true}
	for _, f := range change {
		f(&cfg)
	}
	return adtest.New(t, cfg)
}

// connect opens a connection without a socket and binds, unless account is "".
func connect(t testing.TB, s *adtest.Server, account string) *ldap.Conn {
	t.Helper()
	raw, err := s.Dial(t.Context())
	require.NoError(t, err)
	c := ldap.NewConn(raw, false)
	c.Start()
	t.Cleanup(func() { c.Close() })
	if account != "" {
		require.NoError(t, c.Bind(account+"@ashdown.example", "Passw0rd-"+account))
	}
	return c
}

// find searches and returns the DNs.
func find(t testing.TB, c *ldap.Conn, base string, scope int, filter string, controls ...ldap.Control) []string {
	t.Helper()
	res, err := c.Search(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, controls))
	require.NoError(t, err)
	out := []string{}
	for _, e := range res.Entries {
		out = append(out, e.DN)
		require.Empty(t, e.Attributes)
	}
	return out
}

// read returns one object with the given attributes.
func read(t testing.TB, c *ldap.Conn, dn string, attrs ...string) *ldap.Entry {
	t.Helper()
	res, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", attrs, nil))
	require.NoError(t, err)
	require.Len(t, res.Entries, 1)
	return res.Entries[0]
}

func requireCode(t testing.TB, err error, code int) {
	t.Helper()
	require.Error(t, err)
	require.True(t, ldap.IsErrorWithCode(err, uint16(code)), "want result %d, got %v", code, err)
}

func TestFirstSteps(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	require.Equal(t, []string{ada, "CN=Zoë Hart," + people}, find(t, c, people, ldap.ScopeSingleLevel, "(&(objectCategory=person)(objectClass=user))"))
	require.Len(t, find(t, c, people, ldap.ScopeWholeSubtree, "(objectClass=user)"), 3)
	e := read(t, c, ada)
	require.Equal(t, []string{"top", "person", "organizationalPerson", "user"}, e.GetAttributeValues("objectClass"))
	require.Equal(t, "CN=Person,CN=Schema,CN=Configuration,"+base, e.GetAttributeValue("objectCategory"))
	require.Equal(t, "CN=Zoë Hart,"+people, e.GetAttributeValue("manager"))
	require.Equal(t, []string{"CN=Staff,OU=Trust," + base}, e.GetAttributeValues("memberOf"))
	require.Equal(t, "Ada Vale", e.GetAttributeValue("name"))
	require.Equal(t, "Ada Vale", e.GetAttributeValue("cn"))
	require.Equal(t, ada, e.GetAttributeValue("distinguishedName"))
	require.Len(t, e.GetRawAttributeValue("objectGUID"), 16)
	require.Len(t, e.GetRawAttributeValue("objectSid"), 28)
	require.Empty(t, e.GetRawAttributeValue("nTSecurityDescriptor"))
}
