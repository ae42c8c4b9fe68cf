package adpreflight_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/adtest"
)

func TestHealthyEstate(t *testing.T) {
	r := newEstate(t).run(t)
	for _, c := range r.Checks {
		require.NotEmpty(t, c.Title, c.ID)
		require.NotEmpty(t, c.Source, c.ID)
		require.NotEmpty(t, c.Evidence, c.ID)
		if c.State == adpreflight.Fail || c.State == adpreflight.Warning {
			t.Errorf("%s: %s: %s %v", c.ID, c.State, c.Evidence, c.Details)
		}
	}
	require.Zero(t, r.Count(adpreflight.Fail))
	_, ok := r.Next()
	require.False(t, ok)
}

// faults are what can be wrong in an estate: each is found by one check, and by no other.
var faults = []struct {
	name, check string
	state       adpreflight.State
	seed        func(*testing.T, *estate)
	// hides are checks that cannot be made any more because of the fault: they become NotTried.
	hides []string
}{
	{name: "no global catalog", check: "dc.global-catalog", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.edge.SetRootDSE("isGlobalCatalogReady", "FALSE") }},
	{name: "not synchronised", check: "dc.synchronized", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.edge.SetRootDSE("isSynchronized", "FALSE") }},
	{name: "clock", check: "dc.clock", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.edge.SetRootDSE("currentTime", "20260302085400.0Z") }},
	{name: "another domain controller", check: "dc.name", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.cfg.DCName = "edge2.ashdown.example" }},
	{name: "restored", check: "dc.affiliation", state: adpreflight.Warning, seed: func(t *testing.T, e *estate) { require.NoError(t, e.edge.SetInvocationID(adtest.GUID{1})) }},
	{name: "isolated", check: "dc.replication", state: adpreflight.Warning, seed: func(t *testing.T, e *estate) {
		require.NoError(t, e.dc.Delete("CN=from-dc1,CN=NTDS Settings,CN=edge,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=ashdown,DC=example"))
	}},
	{name: "role lost", check: "fsmo.holders", state: adpreflight.Fail, seed: set("CN=RID Manager$,CN=System,DC=ashdown,DC=example", "fSMORoleOwner")},
	{name: "role elsewhere", check: "fsmo.agreed", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.cfg.FSMO["pdc"] = "edge.ashdown.example" }},
	{name: "trust inbound", check: "trust.direction", state: adpreflight.Fail, seed: set(trustDN, "trustDirection", "1")},
	{name: "trust both ways", check: "trust.direction", state: adpreflight.Fail, seed: set(trustDN, "trustDirection", "3")},
	{name: "forest trust", check: "trust.external", state: adpreflight.Fail, seed: set(trustDN, "trustAttributes", "28")},
	{name: "not selective", check: "trust.selective", state: adpreflight.Fail, seed: set(trustDN, "trustAttributes", "4")},
	{name: "no SID filtering", check: "trust.sid-filtering", state: adpreflight.Fail, seed: set(trustDN, "trustAttributes", "16")},
	{name: "SID filtering relaxed", check: "trust.sid-filtering", state: adpreflight.Fail, seed: set(trustDN, "trustAttributes", "84")},
	{name: "wrong domain", check: "trust.exists", state: adpreflight.Fail, seed: set(trustDN, "flatName", "PROVIDER")},
	{name: "no forwarder", check: "dns.forwarder", state: adpreflight.Fail, seed: func(t *testing.T, e *estate) { require.NoError(t, e.dc.Delete(zoneDN)) }},
	{name: "forwarder elsewhere", check: "dns.forwarder", state: adpreflight.Fail, seed: set(zoneDN, "dNSProperty", property(1, 4, 0, 0, 0), property(0x81, 1, 0, 0, 0, 10, 0, 0, 1))},
	{name: "name not resolved", check: "dns.names", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { delete(e.net.names[edgeIP+":53"], "se01.prov.example") }},
	{name: "user in a child unit", check: "ou.users.children", state: adpreflight.Warning, seed: func(t *testing.T, e *estate) {
		_, err := e.dc.Add("OU=Wards,"+usersOU, adtest.Attrs{"objectClass": {"organizationalUnit"}})
		require.NoError(t, err)
		_, err = e.dc.Add("CN=Dee Quill,OU=Wards,"+usersOU, adtest.Attrs{"objectClass": {"user"}, "sAMAccountName": {"dee.quill"}})
		require.NoError(t, err)
	}},
	{name: "computer among users", check: "ou.users.contents", state: adpreflight.Warning, seed: func(t *testing.T, e *estate) {
		_, err := e.dc.Add("CN=AV-009,"+usersOU, adtest.Attrs{"objectClass": {"computer"}, "sAMAccountName": {"AV-009$"}})
		require.NoError(t, err)
	}},
	{name: "list denied", check: "delegation.users.list", state: adpreflight.Fail, seed: deny(adtest.Denial{Account: "reader", DN: usersOU, Right: adtest.ListContents}),
		hides: []string{"delegation.users.read", "ou.users.children", "ou.users.contents", "users.upn-suffixes"}},
	{name: "attribute denied everywhere", check: "delegation.users.read", state: adpreflight.Fail, seed: deny(adtest.Denial{Account: "reader", DN: usersOU, Subtree: true, Right: adtest.ReadProperty, Attribute: "title"})},
	{name: "attribute denied on one user", check: "delegation.users.read", state: adpreflight.Fail,
		seed: deny(adtest.Denial{Account: "reader", DN: "CN=Ben Okoro," + usersOU, Right: adtest.ReadProperty, Attribute: "mail"})},
	{name: "unknown attribute", check: "attributes.users", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) {
		e.cfg.Scopes[0].Attrs = append(e.cfg.Scopes[0].Attrs, "ashdownPayNumber")
	}},
	{name: "unit renamed", check: "ou.devices", state: adpreflight.Fail,
		seed: func(t *testing.T, e *estate) {
			require.NoError(t, e.dc.Move(devicesOU, "OU=Hybrid Computers,DC=ashdown,DC=example"))
		},
		hides: []string{"delegation.devices.list", "delegation.devices.read", "ou.devices.children", "ou.devices.contents", "attributes.devices", "attributes.devices.global-catalog",
			"devices.enabled", "devices.operating-system", "devices.dns-name", "devices.certificates"}},
	{name: "certificate expired", check: "devices.certificates", state: adpreflight.Fail, seed: func(t *testing.T, e *estate) {
		require.NoError(t, e.dc.Set("CN=AV-001,"+devicesOU, "userCertificate", certificate(t, e.guids["AV-001"].String(), now.AddDate(-2, 0, 0), now.AddDate(0, 0, -1))))
	}},
	{name: "certificate of another object", check: "devices.certificates", state: adpreflight.Warning, seed: func(t *testing.T, e *estate) {
		require.NoError(t, e.dc.Set("CN=AV-001,"+devicesOU, "userCertificate", certificate(t, e.guids["AV-002"].String(), now, now.AddDate(1, 0, 0))))
	}},
	{name: "no certificate anywhere", check: "devices.certificates", state: adpreflight.Warning, seed: func(t *testing.T, e *estate) {
		for name := range e.guids {
			require.NoError(t, e.dc.Set("CN="+name+","+devicesOU, "userCertificate"))
		}
	}},
	{name: "account disabled", check: "devices.enabled", state: adpreflight.Warning, seed: set("CN=AV-002,"+devicesOU, "userAccountControl", "4098")},
	{name: "Windows 7", check: "devices.operating-system", state: adpreflight.Warning, seed: func(t *testing.T, e *estate) {
		require.NoError(t, e.dc.Set("CN=AV-002,"+devicesOU, "operatingSystem", "Windows 7 Professional"))
		require.NoError(t, e.dc.Set("CN=AV-002,"+devicesOU, "operatingSystemVersion", "6.1 (7601)"))
	}},
	{name: "no DNS name", check: "devices.dns-name", state: adpreflight.Warning, seed: set("CN=AV-002,"+devicesOU, "dNSHostName")},
	{name: "another tenant", check: "scp.tenant", state: adpreflight.Fail, seed: set(scpDN, "keywords", "azureADName:other.example", "azureADId:00000000-1111-2222-3333-444444444444")},
	{name: "unknown suffix", check: "users.upn-suffixes", state: adpreflight.Warning, seed: set("CN=Amy Marsh,"+usersOU, "userPrincipalName", "amy.marsh@ashdown.local")},
	{name: "port closed", check: "ports.kerberos.out", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { delete(e.net.tcp, "192.168.88.10:88") }},
	{name: "nothing listens", check: "ports.smb.out", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.net.tcp["192.168.88.10:445"] = adpreflight.ErrRefused }},
	{name: "no LDAPS", check: "ports.ldap.in", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.net.tcp[edgeIP+":636"] = adpreflight.ErrRefused }},
	{name: "VPN lifetime", check: "vpn.lifetime", state: adpreflight.Warning, seed: func(_ *testing.T, e *estate) { e.cfg.Answers.VPN.Lifetime = 28800 }},
	{name: "VPN gateway", check: "vpn.gateway", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.cfg.Answers.VPN.Gateway = "203.0.113.9" }},
	{name: "VPN range too large", check: "vpn.range", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.cfg.Answers.VPN.OnPremisesRange = "192.168.92.0/24" }},
	{name: "no Intune", check: "declared.intune", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.cfg.Answers.Intune = new(bool) }},
	{name: "nobody provisions people", check: "declared.provisioning", state: adpreflight.Fail, seed: func(_ *testing.T, e *estate) { e.cfg.Answers.Provisioning = "none" }},
	{name: "a host outside the route", check: "lint.routes", state: adpreflight.Warning, seed: func(_ *testing.T, e *estate) {
		e.cfg.Service.Hosts = append(e.cfg.Service.Hosts, adpreflight.Host{Address: "192.168.90.10"})
		e.cfg.Service.Ports[6].Hosts = []string{"192.168.90.10"}
	}},
}

func set(dn, attr string, values ...string) func(*testing.T, *estate) {
	return func(t *testing.T, e *estate) { require.NoError(t, e.dc.Set(dn, attr, values...)) }
}

func deny(d adtest.Denial) func(*testing.T, *estate) {
	return func(t *testing.T, e *estate) {
		_, err := e.dc.Deny(d)
		require.NoError(t, err)
	}
}

func TestSeededFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			e := newEstate(t)
			before := e.run(t)
			f.seed(t, e)
			after := e.run(t)
			require.Len(t, after.Checks, len(before.Checks))
			for i, c := range after.Checks {
				was := before.Checks[i]
				require.Equal(t, was.ID, c.ID)
				switch {
				case c.ID == f.check:
					require.Equal(t, f.state, c.State, "%s: %s %v", c.ID, c.Evidence, c.Details)
					require.NotEqual(t, was.State, c.State)
					require.NotEmpty(t, c.Remedy, c.ID)
				case contains(f.hides, c.ID):
					require.Equal(t, adpreflight.NotTried, c.State, "%s: %s", c.ID, c.Evidence)
				default:
					require.Equal(t, was.State, c.State, "%s: %s %v", c.ID, c.Evidence, c.Details)
				}
			}
			next, ok := after.Next()
			require.True(t, ok)
			require.Equal(t, f.check, next.ID)
			require.Less(t, after.Elapsed, 20*time.Second)
		})
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
