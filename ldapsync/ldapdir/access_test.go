package ldapdir_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

const (
	absent     = ldapsync.Absent
	present    = ldapsync.Present
	unreadable = ldapsync.Unreadable
)

func TestVerifyAbsent(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	ids := w.people(t, unit, 2)
	ctx := t.Context()
	d := s.open(t, asReader(s))
	attrs := []string{"title", "mail", "department", "noSuchAttribute", "displayName", "unicodePwd", "tokenGroups"}
	got, err := d.VerifyAbsent(ctx, ids[0], attrs)
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{absent, absent, absent, unreadable, unreadable, unreadable, unreadable}, got)

	require.NoError(t, w.Set(ctx, ids[0], "mail", "ann@ashdown.example"))
	lift, err := s.server.Deny(adtest.Denial{Account: "reader", DN: "<GUID=" + ids[0].String() + ">", Right: adtest.ReadProperty, Attribute: "mail"})
	require.NoError(t, err)
	o, err := d.Locate(ctx, ids[0], []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, absent, o.Presence("mail"), "the server says nothing")
	got, err = d.VerifyAbsent(ctx, ids[0], []string{"title", "MAIL"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{absent, unreadable}, got)
	got, err = d.VerifyAbsent(ctx, ids[1], []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{absent}, got, "another object")

	access, err := d.Access(ctx, ids[0], []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, adsec.Denied, access[0].Verdict.Access)
	require.Contains(t, access[0].Why, "(OD;")

	lift()
	o, err = d.Locate(ctx, ids[0], []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, []string{"ann@ashdown.example"}, o.All("mail"))
	got, err = d.VerifyAbsent(ctx, ids[0], []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{unreadable}, got, "there is a value now: the earlier read proves nothing")

	_, err = s.server.Deny(adtest.Denial{DN: "<GUID=" + ids[1].String() + ">", Right: adtest.ReadProperty})
	require.NoError(t, err)
	got, err = d.VerifyAbsent(ctx, ids[1], []string{"mail"})
	if err == nil {
		require.Equal(t, []ldapsync.Presence{unreadable}, got, "everything denied, the descriptor included")
	}

	_, err = d.VerifyAbsent(ctx, ldapsync.GUID{1}, []string{"mail"})
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
	got, err = d.VerifyAbsent(ctx, ldapsync.GUID{1}, nil)
	require.NoError(t, err)
	require.Empty(t, got)

	trusting := s.open(t, asReader(s), func(c *ldapdir.Config) { c.TrustAbsence = true })
	got, err = trusting.VerifyAbsent(ctx, ids[0], []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{absent}, got)
}

// descriptor serves an object with a security descriptor of its own.
func descriptor(t testing.TB, s site, id ldapsync.GUID, sd *adsec.Descriptor) {
	raw, err := sd.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, s.server.Set("<GUID="+id.String()+">", "nTSecurityDescriptor", string(raw)))
}

func TestVerifyAbsentByDescriptor(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	id := w.people(t, unit, 1)[0]
	d := s.open(t, asReader(s))
	mail, err := ldapsync.ParseGUID("bf967961-0de6-11d0-a285-00aa003049e2")
	require.NoError(t, err)
	public, err := ldapsync.ParseGUID("e48d0154-bcf8-11d1-8702-00c04fb96050")
	require.NoError(t, err)
	au := adsec.AuthenticatedUsers()
	for name, c := range map[string]struct {
		aces []adsec.ACE
		want ldapsync.Presence
	}{
		"nothing":      {nil, unreadable},
		"read all":     {[]adsec.ACE{{SID: au, Mask: adsec.GenericRead}}, absent},
		"property set": {[]adsec.ACE{{Type: adsec.AllowObject, SID: au, Mask: adsec.ReadProperty, ObjectType: public}}, absent},
		"property":     {[]adsec.ACE{{Type: adsec.AllowObject, SID: au, Mask: adsec.ReadProperty, ObjectType: mail}}, absent},
		"denied":       {[]adsec.ACE{{Type: adsec.DenyObject, SID: adsec.Everyone(), Mask: adsec.ReadProperty, ObjectType: mail}, {SID: au, Mask: adsec.GenericRead}}, unreadable},
		"condition":    {[]adsec.ACE{{Type: adsec.AllowCallback, SID: au, Mask: adsec.GenericRead, Data: []byte("artx")}}, unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			descriptor(t, s, id, &adsec.Descriptor{Owner: adsec.System(), DACL: &adsec.ACL{ACEs: c.aces}})
			got, err := d.VerifyAbsent(t.Context(), id, []string{"mail"})
			require.NoError(t, err)
			require.Equal(t, []ldapsync.Presence{c.want}, got)
			access, err := d.Access(t.Context(), id, []string{"mail"})
			require.NoError(t, err)
			if name == "nothing" {
				require.Equal(t, fmt.Sprintf(`dsacls "%s" /I:S /G "reader@ashdown.example:RP;mail;user"`, unit.DN), access[0].Remedy)
			} else {
				require.Empty(t, access[0].Remedy)
			}
		})
	}
	require.NoError(t, s.server.Set("<GUID="+id.String()+">", "nTSecurityDescriptor", "broken"))
	got, err := d.VerifyAbsent(t.Context(), id, []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{unreadable}, got)
}

func TestVerifyListing(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	w := s.world(t)
	unit := w.unit(t)
	w.people(t, unit, 2)
	ctx := t.Context()
	d := s.open(t, asReader(s))
	p, err := d.VerifyListing(ctx, unit)
	require.NoError(t, err)
	require.Equal(t, present, p)

	lift, err := s.server.Deny(adtest.Denial{Account: "reader", DN: unit.DN.String(), Right: adtest.ListContents})
	require.NoError(t, err)
	got, err := collect(ctx, d, ldapsync.Query{Class: ldapsync.User, Container: unit})
	require.NoError(t, err)
	require.Empty(t, got, "success with no entries")
	p, err = d.VerifyListing(ctx, unit)
	require.NoError(t, err)
	require.Equal(t, unreadable, p)
	a, err := d.ListAccess(ctx, unit)
	require.NoError(t, err)
	require.Contains(t, a.Why, "list contents is denied by (")
	lift()

	descriptor(t, s, unit.ID, &adsec.Descriptor{DACL: &adsec.ACL{ACEs: []adsec.ACE{{SID: adsec.Everyone(), Mask: adsec.ReadControl | adsec.ReadProperty}}}})
	a, err = d.ListAccess(ctx, ldapsync.Container{DN: unit.DN})
	require.NoError(t, err)
	require.Equal(t, unreadable, a.Presence)
	require.Equal(t, fmt.Sprintf(`dsacls "%s" /G "reader@ashdown.example:LC"`, unit.DN), a.Remedy)

	_, err = d.VerifyListing(ctx, ldapsync.Container{ID: ldapsync.GUID{1}})
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
}

func TestPlainLDAPVerifiesNothing(t *testing.T) {
	d, err := ldapdir.Open(ldapdir.Config{URL: "ldaps://directory.ashdown.example", Kind: ldapdir.PlainLDAP})
	require.NoError(t, err)
	got, err := d.VerifyAbsent(t.Context(), ldapsync.GUID{1}, []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{unreadable}, got)
	p, err := d.VerifyListing(t.Context(), ldapsync.Container{})
	require.NoError(t, err)
	require.Equal(t, unreadable, p)
	_, err = d.Access(t.Context(), ldapsync.GUID{1}, []string{"mail"})
	require.ErrorContains(t, err, "only Active Directory")

	d, err = ldapdir.Open(ldapdir.Config{URL: "ldaps://directory.ashdown.example", Kind: ldapdir.PlainLDAP, TrustAbsence: true})
	require.NoError(t, err)
	got, err = d.VerifyAbsent(t.Context(), ldapsync.GUID{1}, []string{"mail"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{absent}, got)
	p, err = d.VerifyListing(t.Context(), ldapsync.Container{})
	require.NoError(t, err)
	require.Equal(t, present, p)
}

// setDACL puts entries in front of the DACL of an object on a real server.
func (w *world) setDACL(t testing.TB, id ldapsync.GUID, front ...adsec.ACE) {
	_, err := w.PutACEs(id, front...)
	require.NoError(t, err)
}

// TestAccessOnSamba compares the evaluation with what a real server shows to an ordinary account.
func TestAccessOnSamba(t *testing.T) {
	s := realSite(t, "SAMBA", ldapdir.ActiveDirectory)
	w := s.world(t)
	unit := w.unit(t)
	id := w.people(t, unit, 1)[0]
	ctx := t.Context()
	require.NoError(t, w.Set(ctx, id, "mail", "ann@ashdown.example"))
	require.NoError(t, w.Set(ctx, id, "telephoneNumber", "01"))
	d := s.open(t, asReader(s))
	attrs := []string{"mail", "telephoneNumber", "displayName", "title", "department"}
	look := func() (seen, verified []ldapsync.Presence) {
		o, err := d.Locate(ctx, id, attrs)
		require.NoError(t, err)
		for _, a := range attrs {
			seen = append(seen, o.Presence(a))
		}
		verified, err = d.VerifyAbsent(ctx, id, attrs)
		require.NoError(t, err)
		return seen, verified
	}
	seen, verified := look()
	require.Equal(t, []ldapsync.Presence{present, present, present, absent, absent}, seen)
	require.Equal(t, []ldapsync.Presence{unreadable, unreadable, unreadable, absent, absent}, verified)

	mail, err := ldapsync.ParseGUID("bf967961-0de6-11d0-a285-00aa003049e2")
	require.NoError(t, err)
	personal, err := ldapsync.ParseGUID("77b5b886-944a-11d1-aebd-0000f80367c1")
	require.NoError(t, err)
	au := adsec.AuthenticatedUsers()
	w.setDACL(t, id, adsec.ACE{Type: adsec.DenyObject, SID: au, Mask: adsec.ReadProperty, ObjectType: mail},
		adsec.ACE{Type: adsec.DenyObject, SID: au, Mask: adsec.ReadProperty, ObjectType: personal})
	seen, verified = look()
	require.Equal(t, []ldapsync.Presence{absent, absent, present, absent, absent}, seen, "denied by property and by property set")
	require.Equal(t, []ldapsync.Presence{unreadable, unreadable, unreadable, absent, absent}, verified)

	p, err := d.VerifyListing(ctx, unit)
	require.NoError(t, err)
	require.Equal(t, present, p)
	w.setDACL(t, unit.ID, adsec.ACE{Type: adsec.Deny, SID: au, Mask: adsec.ListContents})
	got, err := collect(ctx, d, ldapsync.Query{Class: ldapsync.User, Container: unit})
	require.NoError(t, err)
	require.Empty(t, got)
	p, err = d.VerifyListing(ctx, unit)
	require.NoError(t, err)
	require.Equal(t, unreadable, p)
}
