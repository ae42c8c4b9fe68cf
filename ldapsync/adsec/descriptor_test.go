package adsec_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
)

func sample(t testing.TB) *adsec.Descriptor {
	me := sid(t, "S-1-5-21-1-2-3-1104")
	return &adsec.Descriptor{
		Control: adsec.DACLProtected | adsec.DACLAutoInherited,
		Owner:   sid(t, "S-1-5-32-544"), Group: sid(t, "S-1-5-21-1-2-3-513"),
		DACL: &adsec.ACL{ACEs: []adsec.ACE{
			{Type: adsec.DenyObject, Flags: adsec.ContainerInherit, SID: adsec.AuthenticatedUsers(), Mask: adsec.ReadProperty,
				ObjectType: guid(t, "bf967961-0de6-11d0-a285-00aa003049e2"), InheritedObjectType: guid(t, "bf967aba-0de6-11d0-a285-00aa003049e2")},
			{Type: adsec.Allow, SID: me, Mask: adsec.GenericRead | adsec.ListObject},
			{Type: adsec.AllowCallback, SID: adsec.System(), Mask: 0x02000000, Data: []byte("artx\x00\x00\x00\x00")},
			{Type: 0x42, Flags: adsec.Inherited, Data: []byte{1, 2, 3, 4}},
		}},
		SACL: &adsec.ACL{ACEs: []adsec.ACE{{Type: adsec.Audit, Flags: adsec.FailedAccess, SID: adsec.Everyone(), Mask: adsec.WriteProperty}}},
	}
}

func TestRoundTrip(t *testing.T) {
	d := sample(t)
	raw, err := d.MarshalBinary()
	require.NoError(t, err)
	back, err := adsec.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, "O:BAG:S-1-5-21-1-2-3-513"+
		"D:PAI(OD;CI;RP;bf967961-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;AU)"+
		"(A;;GRLO;;;S-1-5-21-1-2-3-1104)(XA;;0x2000000;;;SY;<8 bytes>)<ACEType(66), 4 bytes>"+
		"S:(AU;FA;WP;;;WD)", back.String())
	again, err := back.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, raw, again)
}

// The bytes of a small descriptor, composed by hand from the tables of [MS-DTYP] 2.4.2 to 2.4.6.
const byHand = "0100" + "0484" + "30000000" + "00000000" + "00000000" + "14000000" + // header: owner at 0x30, DACL at 0x14
	"02001c0001000000" + // ACL of 28 bytes, one entry
	"00021400" + "94000200" + "0101000000000005" + "0b000000" + // (A;CI;LCRPLORC;;;AU)
	"0102000000000005" + "20000000" + "20020000" // S-1-5-32-544

func TestParseByHand(t *testing.T) {
	raw, err := hex.DecodeString(byHand)
	require.NoError(t, err)
	d, err := adsec.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, "O:BAD:AI(A;CI;LCRPLORC;;;AU)", d.String())
	again, err := d.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, raw, again)
}

func TestParseRefuses(t *testing.T) {
	raw, err := sample(t).MarshalBinary()
	require.NoError(t, err)
	for cut := range len(raw) {
		if _, err := adsec.Parse(raw[:cut]); err == nil {
			t.Errorf("cut to %d of %d bytes: accepted", cut, len(raw))
		} else {
			require.IsType(t, &adsec.SyntaxError{}, err)
		}
	}
	for name, c := range map[string]struct {
		change func([]byte)
		want   string
	}{
		"revision":        {func(b []byte) { b[0] = 2 }, "revision 2"},
		"absolute":        {func(b []byte) { b[3] = 0 }, "not self-relative"},
		"offset":          {func(b []byte) { b[16], b[17] = 0xff, 0xff }, "outside the descriptor"},
		"into the header": {func(b []byte) { b[16] = 4 }, "outside the descriptor"},
		"ACL size":        {func(b []byte) { b[0x16] = 7 }, "does not fit"},
		"many entries":    {func(b []byte) { b[0x19] = 0xff }, "do not fit"},
		"entry size":      {func(b []byte) { b[0x1e] = 3 }, "its size of 3"},
		"SID revision":    {func(b []byte) { b[0x24] = 9 }, "revision 9"},
		"SID too long":    {func(b []byte) { b[0x25] = 15 }, "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(byHand)
			require.NoError(t, err)
			c.change(b)
			_, err = adsec.Parse(b)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err = adsec.Parse(make([]byte, 1<<20))
	require.ErrorContains(t, err, "not 1048576")
}

func TestMarshalRefuses(t *testing.T) {
	_, err := (&adsec.Descriptor{DACL: &adsec.ACL{ACEs: []adsec.ACE{{}}}}).MarshalBinary()
	require.ErrorContains(t, err, "DACL: entry 0: it has no SID")
	_, err = (&adsec.Descriptor{DACL: &adsec.ACL{ACEs: []adsec.ACE{{SID: adsec.Everyone(), ObjectType: ldapsync.GUID{1}}}}}).MarshalBinary()
	require.ErrorContains(t, err, "no object types")
	many := make([]adsec.ACE, 4000)
	for i := range many {
		many[i] = adsec.ACE{SID: adsec.Everyone()}
	}
	_, err = (&adsec.Descriptor{DACL: &adsec.ACL{ACEs: many}}).MarshalBinary()
	require.ErrorContains(t, err, "more than a list can hold")
}

func TestNullDACL(t *testing.T) {
	raw, err := (&adsec.Descriptor{Control: adsec.DACLPresent}).MarshalBinary()
	require.NoError(t, err)
	d, err := adsec.Parse(raw)
	require.NoError(t, err)
	require.Nil(t, d.DACL)
	require.Equal(t, "D:NO_ACCESS_CONTROL", d.String())
}

func FuzzParse(f *testing.F) {
	raw, err := sample(f).MarshalBinary()
	require.NoError(f, err)
	f.Add(raw)
	hand, err := hex.DecodeString(byHand)
	require.NoError(f, err)
	f.Add(hand)
	f.Add([]byte{})
	token := adsec.NewToken(adsec.Everyone(), adsec.AuthenticatedUsers())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := adsec.Parse(b)
		if err != nil {
			if d != nil {
				t.Fatal("a descriptor beside an error")
			}
			return
		}
		text := d.String()
		v := d.Check(token, adsec.Query{Right: adsec.ReadProperty | adsec.ListContents})
		out, err := d.MarshalBinary()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := adsec.Parse(out)
		if err != nil {
			t.Fatalf("%s: what MarshalBinary wrote: %v", text, err)
		}
		if again.String() != text || again.Check(token, adsec.Query{Right: adsec.ReadProperty | adsec.ListContents}).Access != v.Access {
			t.Fatalf("%s became %s", text, again)
		}
	})
}

func TestNames(t *testing.T) {
	require.Equal(t, "read property|list object|0x200", (adsec.ReadProperty | adsec.ListObject | 0x200).String())
	require.Equal(t, "0x0", adsec.Right(0).String())
	require.Equal(t, "Authenticated Users", adsec.SIDName(adsec.AuthenticatedUsers()))
	require.Equal(t, "S-1-5-21-1-2-3-4", adsec.SIDName(sid(t, "S-1-5-21-1-2-3-4")))
	for _, c := range []struct {
		got  ldapsync.SID
		want string
	}{{adsec.Everyone(), "S-1-1-0"}, {adsec.AuthenticatedUsers(), "S-1-5-11"}, {adsec.PrincipalSelf(), "S-1-5-10"}, {adsec.OwnerRights(), "S-1-3-4"}, {adsec.System(), "S-1-5-18"}} {
		require.Equal(t, c.want, c.got.String())
	}
	for a, want := range map[adsec.Access]string{adsec.Undetermined: "undetermined", adsec.Granted: "granted", adsec.Denied: "denied", 9: "Access(?)"} {
		require.Equal(t, want, a.String())
	}
}

func TestDsacls(t *testing.T) {
	for want, g := range map[string]adsec.Grant{
		`dsacls "OU=People,DC=ashdown,DC=example" /G "ASHDOWN\svc-sync:LC"`: {
			DN: "OU=People,DC=ashdown,DC=example", Account: `ASHDOWN\svc-sync`, Right: adsec.ListContents},
		`dsacls "OU=People,DC=ashdown,DC=example" /I:S /G "ASHDOWN\svc-sync:RP;mail;user"`: {
			DN: "OU=People,DC=ashdown,DC=example", Account: `ASHDOWN\svc-sync`, Right: adsec.ReadProperty, Property: "mail", Class: "user"},
		`dsacls "OU=People,DC=ashdown,DC=example" /I:S /G "svc-sync@ashdown.example:RPCA;secret;user"`: {
			DN: "OU=People,DC=ashdown,DC=example", Account: "svc-sync@ashdown.example", Right: adsec.ReadProperty | adsec.ControlAccess, Property: "secret", Class: "user"},
		`dsacls "OU=A" /G "x:GEWS"`:            {DN: "OU=A", Account: "x", Right: adsec.GenericExecute | adsec.ValidatedWrite},
		`dsacls "OU=\\\"A\\\"" /G "x:RP;mail"`: {DN: `OU=\"A\"`, Account: "x", Right: adsec.ReadProperty, Property: "mail"},
		`dsacls "OU=A\\" /G "x:GR"`:            {DN: `OU=A\`, Account: "x", Right: adsec.GenericRead},
	} {
		require.Equal(t, want, g.Dsacls())
	}
}

func ExampleDescriptor_Check() {
	mail, _ := ldapsync.ParseGUID("bf967961-0de6-11d0-a285-00aa003049e2")
	sd := &adsec.Descriptor{DACL: &adsec.ACL{ACEs: []adsec.ACE{
		{Type: adsec.DenyObject, SID: adsec.AuthenticatedUsers(), Mask: adsec.ReadProperty, ObjectType: mail},
		{Type: adsec.Allow, SID: adsec.AuthenticatedUsers(), Mask: adsec.GenericRead},
	}}}
	token := adsec.NewToken(adsec.Everyone(), adsec.AuthenticatedUsers())
	fmt.Println(sd.Check(token, adsec.Query{Right: adsec.ReadProperty, Property: mail}))
	fmt.Println(sd.Check(token, adsec.Query{Right: adsec.ListContents}))
	// Output:
	// denied by (OD;;RP;bf967961-0de6-11d0-a285-00aa003049e2;;AU)
	// granted by (A;;GR;;;AU)
}

func BenchmarkCheck(b *testing.B) {
	me := sid(b, "S-1-5-21-1-2-3-1104")
	token := adsec.NewToken(me, adsec.AuthenticatedUsers())
	d := &adsec.Descriptor{DACL: &adsec.ACL{}}
	for i := range 60 {
		d.DACL.ACEs = append(d.DACL.ACEs, adsec.ACE{Type: adsec.AllowObject, SID: me, Mask: adsec.ReadProperty, ObjectType: ldapsync.GUID{byte(i + 1)}})
	}
	raw, err := d.MarshalBinary()
	require.NoError(b, err)
	b.Run("parse/aces=60", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := adsec.Parse(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check/aces=60", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if d.Check(token, adsec.Query{Right: adsec.ReadProperty, Property: ldapsync.GUID{60}}).Access != adsec.Granted {
				b.Fatal("not granted")
			}
		}
	})
}
