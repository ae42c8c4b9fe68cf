package adpreflight_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/adtest"
)

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		own := dep == "go.internal/hybridkit/ldapsync" || strings.HasPrefix(dep, "go.internal/hybridkit/ldapsync/adsec") || strings.HasSuffix(dep, "/adpreflight")
		if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") && !own {
			t.Errorf("imports %s: a check needs a Directory, not a particular one", dep)
		}
	}
}

func TestStates(t *testing.T) {
	for s := adpreflight.NotTried; s <= adpreflight.Fail; s++ {
		text, err := s.MarshalText()
		require.NoError(t, err)
		var back adpreflight.State
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, s, back)
	}
	require.Equal(t, "State(200)", adpreflight.State(200).String())
	_, err := adpreflight.State(200).MarshalText()
	require.Error(t, err)
	require.Error(t, new(adpreflight.State).UnmarshalText([]byte("good")))
}

func TestReportJSON(t *testing.T) {
	e := newEstate(t)
	require.NoError(t, e.dc.Set(trustDN, "trustDirection", "1"))
	r := e.run(t)
	b, err := json.Marshal(r)
	require.NoError(t, err)
	var back adpreflight.Report
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, r, back)

	again := e.run(t)
	require.Equal(t, r.Checks, again.Checks, "an unchanged estate gives equal checks")
	ids := map[string]bool{}
	for _, c := range r.Checks {
		require.False(t, ids[c.ID], c.ID)
		ids[c.ID] = true
		require.NotContains(t, c.Evidence+c.Remedy+c.Title, "\n")
	}
	var text bytes.Buffer
	require.NoError(t, r.WriteText(&text, false))
	require.Contains(t, text.String(), "FAIL            trust.direction")
	require.Contains(t, text.String(), "next: trust.direction: remove the trust")
	require.NotContains(t, text.String(), "isSynchronized", "what passes has one line")
}

func TestConfigErrors(t *testing.T) {
	ou := adpreflight.Scope{ID: "users", Class: ldapsync.User, OU: usersOU}
	for want, cfg := range map[string]adpreflight.Config{
		"DCAddress":       {DCAddress: "edge"},
		"FSMO":            {FSMO: map[string]string{"primary": "dc1"}},
		"Scopes[1].ID":    {Scopes: []adpreflight.Scope{ou, ou}},
		"Scopes[0].ID":    {Scopes: []adpreflight.Scope{{OU: usersOU}}},
		"Scopes[0].OU":    {Scopes: []adpreflight.Scope{{ID: "x", Class: ldapsync.User, OU: "people"}}},
		"Scopes[0].Class": {Scopes: []adpreflight.Scope{{ID: "x", OU: usersOU}}},
		"MaxSkew":         {MaxSkew: -1},
		"Hosts[0]":        {Service: adpreflight.Service{Hosts: []adpreflight.Host{{Address: "ad01"}}}},
		"Ports[0].ID":     {Service: adpreflight.Service{Ports: []adpreflight.PortRule{{}}}},
		"Ports[0].Hosts":  {Service: adpreflight.Service{Ports: []adpreflight.PortRule{{ID: "x", Hosts: []string{"y"}}}}},
		"Dynamic":         {Service: adpreflight.Service{Ports: []adpreflight.PortRule{{ID: "x", Dynamic: []uint16{9, 1}}}}},
		"VPN.Route":       {Service: adpreflight.Service{VPN: adpreflight.VPN{Route: "192.168.88.0"}}},
	} {
		_, err := adpreflight.Run(t.Context(), cfg)
		var ce *adpreflight.ConfigError
		require.ErrorAs(t, err, &ce, want)
		require.Contains(t, ce.Field, want)
	}
}

// brokenDirectory fails every search.
type brokenDirectory struct{ err error }

func (b brokenDirectory) Search(context.Context, string, int, string, []string, func(string, map[string][]string) error) error {
	return b.err
}

func TestDirectoryThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		err error
		how adpreflight.State
	}{
		"refused":     {ldapsync.ErrCredentials, adpreflight.Fail},
		"unreachable": {errors.New("no route\nto host"), adpreflight.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEstate(t)
			e.cfg.Directory = brokenDirectory{c.err}
			for _, k := range e.run(t).Checks {
				switch {
				case k.ID == "dc.answers":
					require.Equal(t, c.how, k.State)
					require.NotContains(t, k.Evidence, "\n")
				case strings.HasPrefix(k.ID, "dc."), strings.HasPrefix(k.ID, "trust."), strings.HasPrefix(k.ID, "ou."), strings.HasPrefix(k.ID, "delegation."), k.ID == "scp.tenant":
					require.Equal(t, adpreflight.NotTried, k.State, "%s: %s", k.ID, k.Evidence)
				}
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	e := newEstate(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := adpreflight.Run(ctx, e.cfg)
	require.ErrorIs(t, err, context.Canceled)
	require.NotEmpty(t, r.Checks)
	c, _ := r.Get("trust.direction")
	require.Equal(t, adpreflight.NotTried, c.State)
}

// A server that drops the connection in the middle leaves checks untried, and none passed by mistake.
func TestConnectionLost(t *testing.T) {
	e := newEstate(t)
	e.edge.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
		if r.Op == adtest.OpSearch && strings.Contains(r.Filter, "objectClass=user") {
			return adtest.Fault{Drop: adtest.DropAfter, Entries: 1}
		}
		return adtest.Fault{}
	})
	r := e.run(t)
	for _, id := range []string{"delegation.users.read", "ou.users.contents", "devices.certificates", "users.upn-suffixes"} {
		c, _ := r.Get(id)
		require.Equal(t, adpreflight.NotTried, c.State, "%s: %s", id, c.Evidence)
	}
}

// The account of the service is of another domain: selective authentication concerns it.
func TestAllowedToAuthenticate(t *testing.T) {
	e := newEstate(t)
	foreign, err := ldapsync.ParseSID("S-1-5-21-1-2-3-1105")
	require.NoError(t, err)
	e.cfg.Subject = []ldapsync.SID{foreign, adsec.AuthenticatedUsers(), adsec.Everyone()}
	r := e.run(t)
	c, _ := r.Get("trust.allowed-to-authenticate")
	require.Equal(t, adpreflight.Fail, c.State, c.Evidence)
	require.Equal(t, `dsacls "CN=EDGE,OU=Domain Controllers,DC=ashdown,DC=example" /G "PROV\svc-sync:CA;Allowed to Authenticate"`, c.Remedy)

	right, err := ldapsync.ParseGUID("68b1d179-0d15-4d4f-ab71-46152e79a7bc")
	require.NoError(t, err)
	sd := adsec.Descriptor{Owner: adsec.System(), DACL: &adsec.ACL{ACEs: []adsec.ACE{{Type: adsec.AllowObject, Mask: adsec.ControlAccess, SID: foreign, ObjectType: right}}}}
	raw, err := sd.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, e.dc.Set("CN=EDGE,OU=Domain Controllers,DC=ashdown,DC=example", "nTSecurityDescriptor", string(raw)))
	c, _ = e.run(t).Get("trust.allowed-to-authenticate")
	require.Equal(t, adpreflight.Pass, c.State, c.Evidence)

	require.NoError(t, e.dc.Set(trustDN, "securityIdentifier"))
	c, _ = e.run(t).Get("trust.allowed-to-authenticate")
	require.Equal(t, adpreflight.NotTried, c.State, c.Evidence)
}

func TestByUrgency(t *testing.T) {
	r := adpreflight.Report{Checks: []adpreflight.Check{{ID: "a", State: adpreflight.Pass}, {ID: "b", State: adpreflight.Warning}, {ID: "c"}, {ID: "d", State: adpreflight.Fail},
		{ID: "e", State: adpreflight.NotApplicable}, {ID: "f", State: adpreflight.Fail}}}
	order := ""
	for _, c := range r.ByUrgency().Checks {
		order += c.ID
	}
	require.Equal(t, "dfbcae", order)
	require.Equal(t, "a", r.Checks[0].ID, "the report itself stays as it is")
	next, ok := r.Next()
	require.True(t, ok)
	require.Equal(t, "d", next.ID)
}

// From outside the organisation nobody answers, which says nothing about the forwarder.
func TestNamesFromElsewhere(t *testing.T) {
	e := newEstate(t)
	delete(e.net.names, edgeIP+":53")
	c, _ := e.run(t).Get("dns.names")
	require.Equal(t, adpreflight.Fail, c.State)
	e.cfg.Vantage = adpreflight.Elsewhere
	c, _ = e.run(t).Get("dns.names")
	require.Equal(t, adpreflight.NotTried, c.State)
}

// An account that nobody granted anything is told the command that does.
func TestRemedyIsDsacls(t *testing.T) {
	e := newEstate(t)
	stranger, err := ldapsync.ParseSID("S-1-5-21-1-2-3-1105")
	require.NoError(t, err)
	e.cfg.Subject = []ldapsync.SID{stranger}
	r := e.run(t)
	c, _ := r.Get("delegation.users.list")
	require.Equal(t, adpreflight.Fail, c.State)
	require.Equal(t, adsec.Grant{DN: usersOU, Account: `PROV\svc-sync`, Right: adsec.ListContents}.Dsacls(), c.Remedy)
	c, _ = r.Get("delegation.users.read")
	require.Equal(t, adpreflight.Fail, c.State)
	require.Equal(t, adsec.Grant{DN: usersOU, Account: `PROV\svc-sync`, Right: adsec.ReadProperty, Class: "user"}.Dsacls(), c.Remedy)
	require.Len(t, c.Details, 5)

	e.cfg.Scopes[0].Attrs = []string{"mail"}
	c, _ = e.run(t).Get("delegation.users.read")
	require.Equal(t, adsec.Grant{DN: usersOU, Account: `PROV\svc-sync`, Right: adsec.ReadProperty, Property: "mail", Class: "user"}.Dsacls(), c.Remedy)
}

// An administrator's object does not inherit what is delegated on the organisational unit.
func TestProtectedObject(t *testing.T) {
	e := newEstate(t)
	sd := adsec.Descriptor{Control: adsec.DACLProtected, Owner: adsec.System(), DACL: &adsec.ACL{ACEs: []adsec.ACE{
		{Type: adsec.Allow, Mask: adsec.ReadControl | adsec.ListObject, SID: adsec.AuthenticatedUsers()}}}}
	raw, err := sd.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, e.dc.Set("CN=Ben Okoro,"+usersOU, "nTSecurityDescriptor", string(raw)))
	c, _ := e.run(t).Get("delegation.users.read")
	require.Equal(t, adpreflight.Fail, c.State)
	require.Contains(t, c.Details[0], "on 1 user, such as CN=Ben Okoro")
	require.Contains(t, c.Remedy, "AdminSDHolder")
	require.NotContains(t, c.Remedy, "dsacls")
}

// An entry that denies is removed where it is: on the object, or where the object inherits it from.
func TestRemedyNamesTheEntry(t *testing.T) {
	for flags, want := range map[adsec.ACEFlags]string{
		0:               " from CN=Ben Okoro," + usersOU + ": no grant comes before",
		adsec.Inherited: " from the container where it was set, which the Security tab (advanced) of CN=Ben Okoro," + usersOU + " names",
	} {
		e := newEstate(t)
		denies := adsec.ACE{Type: adsec.Deny, Flags: flags, Mask: adsec.ReadProperty, SID: adsec.AuthenticatedUsers()}
		sd := adsec.Descriptor{Owner: adsec.System(), DACL: &adsec.ACL{ACEs: []adsec.ACE{denies,
			{Type: adsec.Allow, Mask: adsec.ReadControl | adsec.ListObject | adsec.ReadProperty, SID: adsec.AuthenticatedUsers()}}}}
		raw, err := sd.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, e.dc.Set("CN=Ben Okoro,"+usersOU, "nTSecurityDescriptor", string(raw)))
		c, _ := e.run(t).Get("delegation.users.read")
		require.Equal(t, adpreflight.Fail, c.State)
		require.Contains(t, c.Remedy, "remove the entry "+denies.String()+want)
	}
}

// The Global Catalog lacks attributes, silently.
func TestPartialSet(t *testing.T) {
	e := newEstate(t)
	e.cfg.PartialSet = true
	r := e.run(t)
	c, _ := r.Get("attributes.users.global-catalog")
	require.Equal(t, adpreflight.Fail, c.State)
	require.Equal(t, []string{"title"}, c.Details)
	e.cfg.Scopes[0].Attrs = []string{"mail"}
	c, _ = e.run(t).Get("attributes.users.global-catalog")
	require.Equal(t, adpreflight.Pass, c.State)
}

// The infrastructure master on a Global Catalog matters only with several domains, where some controller is none.
func TestInfrastructureMaster(t *testing.T) {
	e := newEstate(t)
	_, err := e.dc.Add("CN=WARDS,CN=Partitions,CN=Configuration,DC=ashdown,DC=example", adtest.Attrs{"objectClass": {"crossRef"}, "nETBIOSName": {"WARDS"}, "dnsRoot": {"wards.ashdown.example"}})
	require.NoError(t, err)
	get := func() adpreflight.Check { c, _ := e.run(t).Get("lint.infrastructure-master"); return c }
	require.Equal(t, adpreflight.Pass, get().State)
	require.NoError(t, e.dc.Set("CN=NTDS Settings,CN=edge,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=ashdown,DC=example", "options", "0"))
	c := get()
	require.Equal(t, adpreflight.Warning, c.State)
	require.Equal(t, []string{"edge.ashdown.example"}, c.Details)
}

// More objects than are looked at are said to be so.
func TestMaxObjects(t *testing.T) {
	e := newEstate(t)
	e.cfg.MaxObjects = 2
	c, _ := e.run(t).Get("delegation.users.read")
	require.Equal(t, adpreflight.Pass, c.State)
	require.Contains(t, c.Evidence, "the first 2 users")
	c, _ = e.run(t).Get("ou.users")
	require.Contains(t, c.Evidence, "at least 2 users")
}

func BenchmarkRun(b *testing.B) {
	for _, n := range []int{3, 3000} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			e := newEstate(b)
			for i := 3; i < n; i++ {
				_, err := e.dc.Add(fmt.Sprintf("CN=u%d,%s", i, usersOU), adtest.Attrs{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprint("u", i)}})
				require.NoError(b, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := adpreflight.Run(b.Context(), e.cfg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
