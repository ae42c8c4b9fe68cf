package adtest_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

func deny(t *testing.T, s *adtest.Server, d adtest.Denial) func() {
	t.Helper()
	lift, err := s.Deny(d)
	require.NoError(t, err)
	return lift
}

func TestDeniedAttributeIsMissing(t *testing.T) {
	s := newVale(t)
	c, admin := connect(t, s, "reader"), connect(t, s, "admin")
	lift := deny(t, s, adtest.Denial{DN: people, Subtree: true, Right: adtest.ReadProperty, Attribute: "title"})
	e := read(t, c, ada)
	require.Empty(t, e.GetAttributeValue("title"))
	require.Equal(t, "Ada Vale", e.GetAttributeValue("displayName"))
	require.Empty(t, read(t, c, ada, "title").Attributes)
	require.Equal(t, []string{}, find(t, c, people, ldap.ScopeSingleLevel, "(title=ward sister)"))
	require.Equal(t, []string{"CN=Zoë Hart," + people}, find(t, c, people, ldap.ScopeSingleLevel, "(|(displayName=zoë*)(!(title=x)))"), "hidden is undefined, not false")
	require.Equal(t, "Ward Sister", read(t, admin, ada).GetAttributeValue("title"))
	_, err := c.Compare(ada, "title", "Ward Sister")
	requireCode(t, err, 16)
	lift()
	lift()
	require.Equal(t, "Ward Sister", read(t, c, ada).GetAttributeValue("title"))
}

func TestDeniedListing(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	e, err := s.Get(ada)
	require.NoError(t, err)
	deny(t, s, adtest.Denial{Account: "reader", DN: people, Right: adtest.ListContents})
	require.Equal(t, []string{}, find(t, c, people, ldap.ScopeSingleLevel, "(objectClass=*)"), "success with nothing")
	require.Equal(t, []string{people}, find(t, c, people, ldap.ScopeBaseObject, "(objectClass=*)"), "the OU itself is readable")
	for _, dn := range []string{ada, "<GUID=" + e.GUID.String() + ">"} {
		_, err = c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		requireCode(t, err, 32)
	}
	require.Equal(t, []string{"CN=Child User,OU=Child," + people}, find(t, c, base, ldap.ScopeWholeSubtree, "(&(objectCategory=person)(sAMAccountName=child.user))"), "only the parent's right counts")
	require.Len(t, find(t, connect(t, s, "writer"), people, ldap.ScopeSingleLevel, "(objectClass=*)"), 3)

	// The denial stays with the OU.
	require.NoError(t, s.Move(people, "OU=Staff,OU=Trust,"+base))
	require.Equal(t, []string{}, find(t, c, "OU=Staff,OU=Trust,"+base, ldap.ScopeSingleLevel, "(objectClass=*)"))
}

func TestDeniedObject(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "reader")
	deny(t, s, adtest.Denial{DN: ada, Right: adtest.ReadProperty})
	require.Len(t, find(t, c, people, ldap.ScopeSingleLevel, "(objectClass=user)"), 1)
}

func TestDeniedWrites(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "writer")
	deny(t, s, adtest.Denial{DN: people, Subtree: true, Right: adtest.WriteProperty, Attribute: "title"})
	requireCode(t, modify(c, ada, nil, []string{"replace", "displayName", "x"}, []string{"replace", "title", "x"}), 50)
	require.NoError(t, modify(c, ada, nil, []string{"replace", "displayName", "x"}))
	deny(t, s, adtest.Denial{DN: devices, Right: adtest.CreateChild})
	requireCode(t, c.ModifyDN(ldap.NewModifyDNRequest(ada, "CN=Ada Vale", true, devices)), 50)
	add := ldap.NewAddRequest("CN=PC-9,"+devices, nil)
	add.Attribute("objectClass", []string{"computer"})
	requireCode(t, c.Add(add), 50)
	deny(t, s, adtest.Denial{DN: ada, Right: adtest.DeleteObject})
	requireCode(t, c.Del(ldap.NewDelRequest(ada, nil)), 50)
	requireCode(t, c.Del(ldap.NewDelRequest(people, []ldap.Control{ldap.NewControlSubtreeDelete()})), 50)
	deny(t, s, adtest.Denial{DN: ada, Right: adtest.WriteProperty})
	requireCode(t, c.ModifyDN(ldap.NewModifyDNRequest(ada, "CN=Ada", true, "")), 50)
	_, err := s.Get(ada)
	require.NoError(t, err)
	for _, d := range []adtest.Denial{{}, {DN: ada}, {DN: ada, Right: adtest.ListContents, Attribute: "x"}, {DN: ada, Right: adtest.ReadProperty, Account: "nobody"}, {DN: "nonsense", Right: 1}} {
		_, err := s.Deny(d)
		require.Error(t, err)
	}
}

// acesOf reads the DACL of a self-relative security descriptor.
func acesOf(t *testing.T, sd []byte) (out []struct {
	kind byte
	mask uint32
	rest []byte
}) {
	t.Helper()
	off := binary.LittleEndian.Uint32(sd[16:])
	require.NotZero(t, off)
	acl := sd[off:]
	n, at := int(binary.LittleEndian.Uint16(acl[4:])), 8
	for range n {
		size := int(binary.LittleEndian.Uint16(acl[at+2:]))
		out = append(out, struct {
			kind byte
			mask uint32
			rest []byte
		}{acl[at], binary.LittleEndian.Uint32(acl[at+4:]), acl[at+8 : at+size]})
		at += size
	}
	require.Equal(t, int(binary.LittleEndian.Uint16(acl[2:])), at)
	return out
}

func sdFlags(v int32) ldap.Control {
	c := ldap.NewControlMicrosoftSDFlags()
	c.Criticality, c.ControlValue = true, v
	return c
}

func TestSecurityDescriptor(t *testing.T) {
	s := newVale(t)
	deny(t, s, adtest.Denial{Account: "reader", DN: people, Subtree: true, Right: adtest.ReadProperty, Attribute: "mail"})
	deny(t, s, adtest.Denial{DN: people, Right: adtest.ListContents})
	c, admin := connect(t, s, "reader"), connect(t, s, "admin")
	sd := func(c *ldap.Conn, dn string, controls ...ldap.Control) []byte {
		res, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"nTSecurityDescriptor"}, controls))
		require.NoError(t, err)
		return res.Entries[0].GetRawAttributeValue("nTSecurityDescriptor")
	}
	require.Empty(t, sd(c, people), "without the control an ordinary account gets none")
	require.Empty(t, sd(c, people, sdFlags(15)), "the SACL needs a privilege")
	require.NotEmpty(t, sd(admin, people))
	reader, err := s.Get("CN=reader,CN=Users," + base)
	require.NoError(t, err)

	full := sd(c, people, sdFlags(7))
	aces := acesOf(t, full)
	require.Equal(t, byte(6), aces[0].kind, "an object deny entry for one attribute")
	require.Equal(t, uint32(0x10), aces[0].mask)
	mail, err := adtest.ParseGUID("bf967961-0de6-11d0-a285-00aa003049e2")
	require.NoError(t, err)
	require.Equal(t, mail.Raw(), string(aces[0].rest[4:20]))
	require.Equal(t, reader.First("objectSid"), string(aces[0].rest[20:]))
	require.Equal(t, byte(1), aces[1].kind)
	require.Equal(t, uint32(0x4), aces[1].mask)
	for _, a := range aces[2:] {
		require.Equal(t, byte(0), a.kind)
	}

	dacl := sd(c, people, sdFlags(4))
	require.Less(t, len(dacl), len(full))
	require.Zero(t, binary.LittleEndian.Uint32(dacl[4:]), "no owner")
	require.Equal(t, aces, acesOf(t, dacl))
	require.Len(t, acesOf(t, sd(admin, ada, sdFlags(7))), len(aces)-1, "listing is denied on the OU itself only")

	require.NoError(t, s.Set(ada, "nTSecurityDescriptor", "raw bytes"))
	require.Equal(t, "raw bytes", string(sd(admin, ada, sdFlags(7))))
}

func TestEffectiveRightsAttributes(t *testing.T) {
	s := newVale(t)
	attrs := []string{"allowedAttributesEffective", "sDRightsEffective"}
	require.Empty(t, read(t, connect(t, s, "reader"), ada, attrs...).GetAttributeValues("allowedAttributesEffective"))
	deny(t, s, adtest.Denial{DN: ada, Right: adtest.WriteProperty, Attribute: "title"})
	e := read(t, connect(t, s, "writer"), ada, attrs...)
	require.Contains(t, e.GetAttributeValues("allowedAttributesEffective"), "displayName")
	require.NotContains(t, e.GetAttributeValues("allowedAttributesEffective"), "title")
	require.Equal(t, "0", e.GetAttributeValue("sDRightsEffective"))
}

func TestGlobalCatalog(t *testing.T) {
	s := newVale(t)
	raw, err := s.DialGC(t.Context())
	require.NoError(t, err)
	c := ldap.NewConn(raw, false)
	c.Start()
	defer c.Close()
	require.NoError(t, c.Bind(`ASHDOWN\reader`, "Passw0rd-reader"))
	e := read(t, c, ada)
	require.Equal(t, "Ada Vale", e.GetAttributeValue("displayName"))
	require.NotEmpty(t, e.GetAttributeValue("mail"))
	for _, hidden := range []string{"title", "employeeID", "proxyAddresses"} {
		require.Empty(t, e.GetAttributeValues(hidden), hidden)
		require.Empty(t, read(t, c, ada, hidden).Attributes)
	}
	require.Equal(t, []string{}, find(t, c, base, ldap.ScopeWholeSubtree, "(title=ward sister)"))
	require.Len(t, find(t, c, "", ldap.ScopeWholeSubtree, "(objectClass=nTDSDSA)"), 1, "an empty base spans all naming contexts")

	var gc bool
	s.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault { gc = r.GC; return adtest.Fault{} })
	_ = read(t, c, ada)
	require.True(t, gc)

	s2 := adtest.New(t, adtest.Config{GlobalCatalog: true})
	c2, err := ldap.DialURL(s2.GCTLSURL(), ldap.DialWithTLSConfig(s2.TLSConfig()))
	require.NoError(t, err)
	defer c2.Close()
	require.NoError(t, c2.Bind(`ASHDOWN\reader`, "Passw0rd-reader"))
	require.NotEmpty(t, s2.GCURL())
}

func TestExtendedDN(t *testing.T) {
	s := newVale(t)
	e, err := s.Get(ada)
	require.NoError(t, err)
	sid, err := adtest.SIDString(e.First("objectSid"))
	require.NoError(t, err)
	c := connect(t, s, "reader")
	got := find(t, c, ada, ldap.ScopeBaseObject, "(objectClass=*)", ldap.NewControlString("1.2.840.113556.1.4.529", true, "\x30\x03\x02\x01\x01"))
	require.Equal(t, []string{"<GUID=" + e.GUID.String() + ">;<SID=" + sid + ">;" + ada}, got)
	got = find(t, c, people, ldap.ScopeBaseObject, "(objectClass=*)", ldap.NewControlString("1.2.840.113556.1.4.529", true, ""))
	require.Regexp(t, "^<GUID=[0-9a-f]{32}>;OU=People", got[0])
}
