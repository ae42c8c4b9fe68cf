package adsec_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
)

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		own := strings.HasPrefix(dep, "go.internal/hybridkit/ldapsync")
		if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") && !own {
			t.Errorf("imports %s: an access check needs the standard library only", dep)
		}
	}
}

func sid(t testing.TB, text string) ldapsync.SID {
	s, err := ldapsync.ParseSID(text)
	require.NoError(t, err)
	return s
}

func guid(t testing.TB, text string) ldapsync.GUID {
	g, err := ldapsync.ParseGUID(text)
	require.NoError(t, err)
	return g
}

func TestCheck(t *testing.T) {
	var (
		me      = sid(t, "S-1-5-21-1-2-3-1104")
		group   = sid(t, "S-1-5-21-1-2-3-2000")
		other   = sid(t, "S-1-5-21-1-2-3-9999")
		object  = sid(t, "S-1-5-21-1-2-3-5000")
		user    = guid(t, "bf967aba-0de6-11d0-a285-00aa003049e2")
		mail    = guid(t, "bf967961-0de6-11d0-a285-00aa003049e2")
		title   = guid(t, "bf967a55-0de6-11d0-a285-00aa003049e2")
		public  = guid(t, "e48d0154-bcf8-11d1-8702-00c04fb96050")
		token   = adsec.NewToken(me, group, adsec.Everyone(), adsec.AuthenticatedUsers())
		reading = adsec.Query{Right: adsec.ReadProperty, Class: user, PropertySet: public, Property: mail, Self: object}
	)
	const rp = adsec.ReadProperty
	ace := func(kind adsec.ACEType, who ldapsync.SID, mask adsec.Right) adsec.ACE {
		return adsec.ACE{Type: kind, SID: who, Mask: mask}
	}
	on := func(a adsec.ACE, what ldapsync.GUID) adsec.ACE { a.ObjectType = what; return a }
	for_ := func(a adsec.ACE, class ldapsync.GUID) adsec.ACE { a.InheritedObjectType = class; return a }
	with := func(a adsec.ACE, f adsec.ACEFlags) adsec.ACE { a.Flags = f; return a }
	if_ := func(a adsec.ACE) adsec.ACE { a.Data = []byte("artx"); return a }

	for name, c := range map[string]struct {
		aces  []adsec.ACE
		owner ldapsync.SID
		ask   func(*adsec.Query)
		want  adsec.Access
		index int
	}{
		"nothing":                   {nil, ldapsync.SID{}, nil, adsec.Denied, -1},
		"allowed":                   {[]adsec.ACE{ace(adsec.Allow, group, rp)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"allowed to another":        {[]adsec.ACE{ace(adsec.Allow, other, rp)}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"another right":             {[]adsec.ACE{ace(adsec.Allow, me, adsec.WriteProperty)}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"denied first":              {[]adsec.ACE{ace(adsec.Deny, group, rp), ace(adsec.Allow, me, rp)}, ldapsync.SID{}, nil, adsec.Denied, 0},
		"allowed first, as stored":  {[]adsec.ACE{ace(adsec.Allow, me, rp), ace(adsec.Deny, group, rp)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"property":                  {[]adsec.ACE{on(ace(adsec.AllowObject, me, rp), mail)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"another property":          {[]adsec.ACE{on(ace(adsec.AllowObject, me, rp), title)}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"property set":              {[]adsec.ACE{on(ace(adsec.AllowObject, me, rp), public)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"class":                     {[]adsec.ACE{on(ace(adsec.AllowObject, me, rp), user)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"property denied in a set":  {[]adsec.ACE{on(ace(adsec.DenyObject, adsec.AuthenticatedUsers(), rp), mail), on(ace(adsec.AllowObject, me, rp), public)}, ldapsync.SID{}, nil, adsec.Denied, 0},
		"other property denied":     {[]adsec.ACE{on(ace(adsec.DenyObject, me, rp), title), ace(adsec.Allow, me, rp)}, ldapsync.SID{}, nil, adsec.Granted, 1},
		"only to be inherited":      {[]adsec.ACE{with(ace(adsec.Deny, me, rp), adsec.InheritOnly|adsec.ContainerInherit), with(ace(adsec.Allow, me, rp), adsec.Inherited)}, ldapsync.SID{}, nil, adsec.Granted, 1},
		"inherit-only grants not":   {[]adsec.ACE{with(ace(adsec.Allow, me, rp), adsec.InheritOnly)}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"inherited by its class":    {[]adsec.ACE{for_(on(with(ace(adsec.AllowObject, me, rp), adsec.Inherited), mail), user)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"denied to other classes":   {[]adsec.ACE{for_(with(ace(adsec.DenyObject, me, rp), adsec.Inherited|adsec.InheritOnly|adsec.ContainerInherit), title), with(ace(adsec.Allow, me, rp), adsec.Inherited)}, ldapsync.SID{}, nil, adsec.Granted, 1},
		"own before inherited":      {[]adsec.ACE{on(ace(adsec.AllowObject, me, rp), mail), with(on(ace(adsec.DenyObject, group, rp), public), adsec.Inherited)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"generic read":              {[]adsec.ACE{ace(adsec.Allow, me, adsec.GenericRead)}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"generic write reads not":   {[]adsec.ACE{ace(adsec.Allow, me, adsec.GenericWrite)}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"two entries together":      {[]adsec.ACE{ace(adsec.Allow, me, rp), ace(adsec.Allow, group, adsec.ControlAccess)}, ldapsync.SID{}, func(q *adsec.Query) { q.Right |= adsec.ControlAccess }, adsec.Granted, 1},
		"one of two missing":        {[]adsec.ACE{ace(adsec.Allow, me, rp)}, ldapsync.SID{}, func(q *adsec.Query) { q.Right |= adsec.ControlAccess }, adsec.Denied, -1},
		"self, not me":              {[]adsec.ACE{ace(adsec.Allow, adsec.PrincipalSelf(), rp)}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"self":                      {[]adsec.ACE{ace(adsec.Allow, adsec.PrincipalSelf(), rp)}, ldapsync.SID{}, func(q *adsec.Query) { q.Self = me }, adsec.Granted, 0},
		"owner":                     {nil, me, func(q *adsec.Query) { q.Right = adsec.ReadControl | adsec.WriteDAC }, adsec.Granted, -1},
		"owner reads not":           {nil, me, nil, adsec.Denied, -1},
		"owner denied does not":     {[]adsec.ACE{ace(adsec.Deny, me, adsec.WriteDAC)}, me, func(q *adsec.Query) { q.Right = adsec.WriteDAC }, adsec.Granted, -1},
		"owner rights limit":        {[]adsec.ACE{ace(adsec.Allow, adsec.OwnerRights(), adsec.ReadControl)}, me, func(q *adsec.Query) { q.Right = adsec.WriteDAC }, adsec.Denied, -1},
		"owner rights grant":        {[]adsec.ACE{ace(adsec.Allow, adsec.OwnerRights(), rp)}, me, nil, adsec.Granted, 0},
		"owner rights of another":   {[]adsec.ACE{ace(adsec.Allow, adsec.OwnerRights(), rp)}, other, nil, adsec.Denied, -1},
		"condition":                 {[]adsec.ACE{if_(ace(adsec.AllowCallback, me, rp))}, ldapsync.SID{}, nil, adsec.Undetermined, 0},
		"condition, then allowed":   {[]adsec.ACE{if_(ace(adsec.AllowCallback, me, rp)), ace(adsec.Allow, me, rp)}, ldapsync.SID{}, nil, adsec.Undetermined, 0},
		"condition, then denied":    {[]adsec.ACE{if_(ace(adsec.AllowCallback, me, rp)), ace(adsec.Deny, me, rp)}, ldapsync.SID{}, nil, adsec.Undetermined, 0},
		"condition denies":          {[]adsec.ACE{if_(ace(adsec.DenyCallback, me, rp)), ace(adsec.Allow, me, rp)}, ldapsync.SID{}, nil, adsec.Undetermined, 0},
		"condition denies, no more": {[]adsec.ACE{if_(ace(adsec.DenyCallback, me, rp))}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"condition after the grant": {[]adsec.ACE{ace(adsec.Allow, me, rp), if_(ace(adsec.DenyCallback, me, rp))}, ldapsync.SID{}, nil, adsec.Granted, 0},
		"audit is no grant":         {[]adsec.ACE{ace(adsec.Audit, me, rp)}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"unknown kind is no grant":  {[]adsec.ACE{{Type: 0x42, Data: []byte("xxxx")}}, ldapsync.SID{}, nil, adsec.Denied, -1},
		"privilege":                 {[]adsec.ACE{ace(adsec.Allow, me, adsec.AccessSystemSecurity)}, ldapsync.SID{}, func(q *adsec.Query) { q.Right = adsec.AccessSystemSecurity }, adsec.Denied, -1},
	} {
		t.Run(name, func(t *testing.T) {
			q := reading
			if c.ask != nil {
				c.ask(&q)
			}
			d := &adsec.Descriptor{Owner: c.owner, DACL: &adsec.ACL{ACEs: c.aces}}
			raw, err := d.MarshalBinary()
			require.NoError(t, err)
			d, err = adsec.Parse(raw)
			require.NoError(t, err)
			v := d.Check(token, q)
			require.Equal(t, c.want, v.Access, "%s: %s", d, v)
			require.Equal(t, c.index, v.Index, "%s: %s", d, v)
			if v.Index >= 0 {
				require.Equal(t, d.DACL.ACEs[v.Index], v.ACE)
			}
		})
	}
	require.Equal(t, adsec.Granted, (&adsec.Descriptor{}).Check(adsec.Token{}, reading).Access, "no DACL grants all")
	require.Equal(t, adsec.Denied, (&adsec.Descriptor{DACL: &adsec.ACL{}}).Check(token, reading).Access, "an empty one nothing")
}

// TestCheckOneRightAtATime: what is granted together must be granted alone, and the other way round where no
// condition is involved, for all small lists.
func TestCheckOneRightAtATime(t *testing.T) {
	me := sid(t, "S-1-5-21-1-2-3-1104")
	token := adsec.NewToken(me)
	masks := []adsec.Right{adsec.ReadProperty, adsec.ListObject, adsec.ReadProperty | adsec.ListObject, adsec.GenericRead}
	var entries []adsec.ACE
	for _, m := range masks {
		entries = append(entries, adsec.ACE{Type: adsec.Allow, SID: me, Mask: m}, adsec.ACE{Type: adsec.Deny, SID: me, Mask: m})
	}
	for _, a := range entries {
		for _, b := range entries {
			for _, c := range entries {
				d := &adsec.Descriptor{DACL: &adsec.ACL{ACEs: []adsec.ACE{a, b, c}}}
				one := d.Check(token, adsec.Query{Right: adsec.ReadProperty}).Access
				two := d.Check(token, adsec.Query{Right: adsec.ListObject}).Access
				both := d.Check(token, adsec.Query{Right: adsec.ReadProperty | adsec.ListObject}).Access
				require.Equal(t, one == adsec.Granted && two == adsec.Granted, both == adsec.Granted, d.String())
			}
		}
	}
}

func TestToken(t *testing.T) {
	a, b := sid(t, "S-1-5-21-1-2-3-1104"), sid(t, "S-1-5-11")
	require.True(t, adsec.NewToken(a, b).Equal(adsec.NewToken(b, a, a, ldapsync.SID{})))
	require.False(t, adsec.NewToken(a).Equal(adsec.NewToken(b)))
	require.False(t, adsec.NewToken(a).Equal(adsec.NewToken(a, b)))
	require.False(t, adsec.Token{}.Has(adsec.Everyone()))
	require.Equal(t, 2, adsec.NewToken(a, b).Len())
}
