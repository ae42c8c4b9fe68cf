package ldapdir_test

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// schemaObject returns the DN of an attribute's schema object and its schemaIDGUID.
func (w *world) schemaObject(t *testing.T, attr string) (dn string, id ldapsync.GUID) {
	root, err := w.Conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"schemaNamingContext"}, nil))
	require.NoError(t, err)
	r, err := w.Conn.Search(ldap.NewSearchRequest(root.Entries[0].GetAttributeValue("schemaNamingContext"), ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
		"(lDAPDisplayName="+attr+")", []string{"schemaIDGUID"}, nil))
	require.NoError(t, err)
	require.Len(t, r.Entries, 1)
	id, err = ldapsync.GUIDFromBytes(r.Entries[0].GetRawAttributeValue("schemaIDGUID"))
	require.NoError(t, err)
	return r.Entries[0].DN, id
}

// TestAccessAdvice: what is missing is named to the attribute, the right and the object, and the command that grants
// it is the one that would help.
func TestAccessAdvice(t *testing.T) {
	const rp, ca = adsec.ReadProperty, adsec.ControlAccess
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	id := w.people(t, unit, 1)[0]
	object := "<GUID=" + id.String() + ">"
	secretDN, secret := w.schemaObject(t, "employeeID")
	require.NoError(t, s.server.Set(secretDN, "searchFlags", "128")) // confidential
	d := s.open(t, asReader(s))
	dn := func() string {
		o, err := d.Locate(t.Context(), id, nil)
		require.NoError(t, err)
		return o.DN.String()
	}()
	_, mail := w.schemaObject(t, "mail")
	public, err := ldapsync.ParseGUID("e48d0154-bcf8-11d1-8702-00c04fb96050")
	require.NoError(t, err)
	user, err := ldapsync.ParseGUID("bf967aba-0de6-11d0-a285-00aa003049e2")
	require.NoError(t, err)
	au := adsec.AuthenticatedUsers()
	allow := func(f adsec.ACEFlags, r adsec.Right, what ldapsync.GUID) adsec.ACE {
		return adsec.ACE{Type: adsec.AllowObject, Flags: f, SID: au, Mask: r, ObjectType: what}
	}
	deny := func(f adsec.ACEFlags, r adsec.Right, what ldapsync.GUID) adsec.ACE {
		return adsec.ACE{Type: adsec.DenyObject, Flags: f, SID: au, Mask: r, ObjectType: what}
	}
	anything := ldapsync.GUID{}
	const (
		inherited = adsec.Inherited | adsec.ContainerInherit
		below     = adsec.InheritOnly | adsec.ContainerInherit
	)
	onOU := `dsacls "` + unit.DN.String() + `" /I:S /G "reader@ashdown.example:`
	onObject := `dsacls "` + dn + `" /G "reader@ashdown.example:`
	for _, c := range []struct {
		name    string
		attr    string
		aces    []adsec.ACE
		control adsec.Control
		admin   string // adminCount
		missing adsec.Right
		why     string // a part of it; "" for an attribute that may be read
		remedy  string
		remove  string // a part of it
	}{
		{name: "nothing granted", attr: "mail", missing: rp, why: "read property of mail (of Public-Information) is denied: no entry grants it", remedy: onOU + `RP;mail;user"`},
		{name: "another property set", attr: "mail", aces: []adsec.ACE{allow(0, rp, ldapsync.GUID{9})}, missing: rp, why: "no entry grants it", remedy: onOU + `RP;mail;user"`},
		{name: "the property set", attr: "mail", aces: []adsec.ACE{allow(0, rp, public)}},
		{name: "the class", attr: "mail", aces: []adsec.ACE{allow(0, rp, user)}},
		{name: "only for what is below", attr: "mail", aces: []adsec.ACE{allow(below, rp, anything)}, missing: rp, why: "no entry grants it", remedy: onOU + `RP;mail;user"`},
		{name: "denied only below", attr: "mail", aces: []adsec.ACE{deny(below, rp, anything), allow(inherited, rp, anything)}},
		{name: "the property set denied", attr: "mail", aces: []adsec.ACE{deny(0, rp, public), allow(0, rp, mail)}, missing: rp, why: "is denied by (OD;;RP;e48d0154", remove: "from " + dn + ": no grant comes before"},
		{name: "denied on the object", attr: "mail", aces: []adsec.ACE{deny(0, rp, mail), allow(0, rp, anything)}, missing: rp, why: "is denied by (OD;;RP;bf967961", remove: "remove the entry (OD;;RP;bf967961"},
		{name: "denied above", attr: "mail", aces: []adsec.ACE{deny(inherited, rp, mail), allow(inherited, rp, anything)}, missing: rp, why: "is denied by (OD;CIID;RP;", remedy: onObject + `RP;mail"`, remove: "or remove the entry (OD;CIID;RP;"},
		{name: "granted on the object, denied above", attr: "mail", aces: []adsec.ACE{allow(0, rp, mail), deny(inherited, rp, mail)}},
		{name: "nothing inherited", attr: "mail", control: adsec.DACLProtected, missing: rp, why: "does not inherit", remedy: onObject + `RP;mail"`},
		{name: "an administrator", attr: "mail", control: adsec.DACLProtected, admin: "1", missing: rp, why: "copied from AdminSDHolder",
			remedy: `dsacls "CN=AdminSDHolder,CN=System,DC=ashdown,DC=example" /G "reader@ashdown.example:RP;mail"`},
		{name: "not an administrator any more", attr: "mail", control: adsec.DACLProtected, admin: "0", missing: rp, why: "does not inherit", remedy: onObject + `RP;mail"`},
		{name: "a condition", attr: "mail", aces: []adsec.ACE{{Type: adsec.AllowCallback, SID: au, Mask: rp, Data: []byte("artx")}}, why: "is undetermined"},
		{name: "confidential, nothing granted", attr: "employeeID", missing: rp | ca, why: "read property|control access of employeeID", remedy: onOU + `RPCA;employeeID;user"`},
		{name: "confidential, only readable", attr: "employeeID", aces: []adsec.ACE{allow(0, rp, anything)}, missing: ca, why: "control access of employeeID is denied: no entry grants it", remedy: onOU + `CA;employeeID;user"`},
		{name: "confidential, control access of another", attr: "employeeID", aces: []adsec.ACE{allow(0, rp, anything), allow(0, ca, mail)}, missing: ca, why: "no entry", remedy: onOU + `CA;employeeID;user"`},
		{name: "confidential, granted", attr: "employeeID", aces: []adsec.ACE{allow(0, rp, anything), allow(0, ca, secret)}},
		{name: "confidential, generic all", attr: "employeeID", aces: []adsec.ACE{allow(0, adsec.GenericAll, anything)}},
		{name: "confidential, generic read", attr: "employeeID", aces: []adsec.ACE{allow(0, adsec.GenericRead, anything)}, missing: ca, why: "control access", remedy: onOU + `CA;employeeID;user"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			descriptor(t, s, id, &adsec.Descriptor{Control: c.control, Owner: adsec.System(), DACL: &adsec.ACL{ACEs: c.aces}})
			if c.admin != "" {
				require.NoError(t, s.server.Set(object, "adminCount", c.admin))
				t.Cleanup(func() { require.NoError(t, s.server.Set(object, "adminCount")) })
			}
			// adtest withholds nothing for these entries: only the descriptor is evaluated.
			got, err := d.Access(t.Context(), id, []string{c.attr})
			require.NoError(t, err)
			a := got[0]
			require.Equal(t, dn, a.Object.String())
			require.Equal(t, c.missing, a.Missing, a.Why)
			require.Equal(t, c.remedy, a.Remedy)
			if c.why == "" {
				require.Equal(t, absent, a.Presence, a.Why)
				require.Empty(t, a.Remove)
				return
			}
			require.Equal(t, unreadable, a.Presence)
			require.Contains(t, a.Why, c.why)
			require.Contains(t, a.Remove, c.remove)
			require.Equal(t, c.remove == "", a.Remove == "", a.Remove)
		})
	}
	for _, c := range []struct {
		name           string
		aces           []adsec.ACE
		remedy, remove string
	}{
		{"not granted", []adsec.ACE{allow(0, rp, anything)}, `dsacls "` + unit.DN.String() + `" /G "reader@ashdown.example:LC"`, ""},
		{"denied above", []adsec.ACE{deny(inherited, adsec.ListContents, anything), allow(inherited, adsec.GenericRead, anything)}, `dsacls "` + unit.DN.String() + `" /G "reader@ashdown.example:LC"`, "or remove"},
		{"denied", []adsec.ACE{deny(0, adsec.ListContents, anything), allow(0, adsec.GenericRead, anything)}, "", "no grant comes before"},
	} {
		t.Run("listing "+c.name, func(t *testing.T) {
			descriptor(t, s, unit.ID, &adsec.Descriptor{Owner: adsec.System(), DACL: &adsec.ACL{ACEs: c.aces}})
			a, err := d.ListAccess(t.Context(), unit)
			require.NoError(t, err)
			require.Equal(t, unreadable, a.Presence)
			require.Equal(t, adsec.ListContents, a.Missing)
			require.Equal(t, unit.DN.String(), a.Object.String())
			require.Equal(t, c.remedy, a.Remedy)
			require.Contains(t, a.Remove, c.remove)
		})
	}
}

// TestConfidentialOnSamba: a confidential attribute is withheld from an account that may read everything else, absence
// is not believed, and what the advice says is missing makes it visible when granted.
func TestConfidentialOnSamba(t *testing.T) {
	const attr = "msPKIRoamingTimeStamp" // searchFlags fCONFIDENTIAL in the schema of every domain
	s := realSite(t, "SAMBA", ldapdir.ActiveDirectory)
	w := s.world(t)
	unit := w.unit(t)
	id := w.people(t, unit, 1)[0]
	_, attrID := w.schemaObject(t, attr)
	require.NoError(t, w.Set(t.Context(), id, attr, "\x01\x02"))
	d := s.open(t, asReader(s))
	look := func() (ldapsync.Object, ldapdir.AttrAccess) {
		o, err := d.Locate(t.Context(), id, []string{attr})
		require.NoError(t, err)
		a, err := d.Access(t.Context(), id, []string{attr})
		require.NoError(t, err)
		return o, a[0]
	}
	o, a := look()
	require.Equal(t, absent, o.Presence(attr), "withheld without a word")
	require.Equal(t, unreadable, a.Presence)
	require.NotZero(t, a.Missing&adsec.ControlAccess, a.Why)
	require.Contains(t, a.Remedy, "CA;"+attr+";user")
	w.setDACL(t, id, adsec.ACE{Type: adsec.AllowObject, SID: adsec.AuthenticatedUsers(), Mask: a.Missing, ObjectType: attrID})
	o, a = look()
	require.Equal(t, []string{"\x01\x02"}, o.All(attr), "what was missing has been granted")
	require.Equal(t, present, a.Presence)
	require.NoError(t, w.Set(t.Context(), id, attr))
	_, a = look()
	require.Equal(t, absent, a.Presence, a.Why)
}

// TestInheritedOnSamba: an entry on the OU that denies an attribute of users hides it, the advice says that it is
// inherited, and the grant it names, on the object itself, makes the attribute visible again. The same entry for
// computers changes nothing.
func TestInheritedOnSamba(t *testing.T) {
	s := realSite(t, "SAMBA", ldapdir.ActiveDirectory)
	w := s.world(t)
	unit := w.unit(t)
	id := w.people(t, unit, 1)[0]
	_, number := w.schemaObject(t, "employeeNumber")
	_, room := w.schemaObject(t, "roomNumber")
	_, user := w.schemaObject(t, "user")
	_, computer := w.schemaObject(t, "computer")
	require.NoError(t, w.Set(t.Context(), id, "employeeNumber", "4711"))
	require.NoError(t, w.Set(t.Context(), id, "roomNumber", "Ward 2"))
	d := s.open(t, asReader(s))
	deny := func(property, class ldapsync.GUID) adsec.ACE {
		return adsec.ACE{Type: adsec.DenyObject, Flags: adsec.ContainerInherit | adsec.InheritOnly, SID: adsec.AuthenticatedUsers(),
			Mask: adsec.ReadProperty, ObjectType: property, InheritedObjectType: class}
	}
	w.setDACL(t, unit.ID, deny(number, user), deny(room, computer))
	look := func() (ldapsync.Object, []ldapdir.AttrAccess) {
		o, err := d.Locate(t.Context(), id, []string{"employeeNumber", "roomNumber"})
		require.NoError(t, err)
		a, err := d.Access(t.Context(), id, []string{"employeeNumber", "roomNumber"})
		require.NoError(t, err)
		return o, a
	}
	o, a := look()
	require.Equal(t, absent, o.Presence("employeeNumber"))
	require.Equal(t, []string{"Ward 2"}, o.All("roomNumber"))
	require.Equal(t, unreadable, a[0].Presence)
	require.Equal(t, adsec.ReadProperty, a[0].Missing)
	require.NotZero(t, a[0].Verdict.ACE.Flags&adsec.Inherited, a[0].Why)
	require.Empty(t, a[0].PropertySet, "what is in one is granted to users on each object by the schema, before what is inherited")
	require.Contains(t, a[0].Remedy, `dsacls "`+o.DN.String()+`" /G "`)
	require.Contains(t, a[0].Remove, "or remove the entry")
	w.setDACL(t, id, adsec.ACE{Type: adsec.AllowObject, SID: adsec.AuthenticatedUsers(), Mask: a[0].Missing, ObjectType: number})
	o, a = look()
	require.Equal(t, []string{"4711"}, o.All("employeeNumber"))
	require.Equal(t, present, a[0].Presence)
}
