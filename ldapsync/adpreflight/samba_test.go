package adpreflight_test

import (
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// samba is a real domain controller. Where it is say these environment variables:
//
//	HYBRIDKIT_SAMBA_URL     ldaps://127.0.0.73
//	HYBRIDKIT_SAMBA_CA      PEM file with the authority of its certificate
//	HYBRIDKIT_SAMBA_SYSTEM  ldapi:// URL of its privileged socket, which is SYSTEM without a bind
//	HYBRIDKIT_SAMBA_READER, HYBRIDKIT_SAMBA_PASSWORD  userPrincipalName of an ordinary account, and its password
type samba struct {
	l                      *ldap.Conn
	base                   string
	users, devices         string
	trust, zone, scp, role string
	cfg                    ldapdir.Config
	run                    adpreflight.Config
	reader                 ldapsync.SID
	guid                   ldapsync.GUID // of the device
}

func openSamba(t *testing.T) *samba {
	url := os.Getenv("HYBRIDKIT_SAMBA_URL")
	system := os.Getenv("HYBRIDKIT_SAMBA_SYSTEM")
	if url == "" || system == "" {
		t.Skip("HYBRIDKIT_SAMBA_URL and HYBRIDKIT_SAMBA_SYSTEM are not set: there is no Samba domain controller to test against")
	}
	l, err := ldap.DialURL(system)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &samba{l: l}
	s.base = s.first(t, "", "defaultNamingContext")
	pem, err := os.ReadFile(os.Getenv("HYBRIDKIT_SAMBA_CA"))
	require.NoError(t, err)
	s.cfg = ldapdir.Config{URL: url, TLS: ldapdir.TLS{CAs: x509.NewCertPool()},
		Bind: ldapdir.Simple{User: os.Getenv("HYBRIDKIT_SAMBA_READER"), Password: ldapdir.NewSecret(os.Getenv("HYBRIDKIT_SAMBA_PASSWORD"))}}
	require.True(t, s.cfg.TLS.CAs.AppendCertsFromPEM(pem))
	s.build(t)
	return s
}

func (s *samba) build(t *testing.T) {
	name, _, _ := strings.Cut(os.Getenv("HYBRIDKIT_SAMBA_READER"), "@")
	found, err := s.l.Search(ldap.NewSearchRequest(s.base, 2, 0, 0, 0, false, "(sAMAccountName="+name+")", []string{"objectSid"}, nil))
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	s.reader, err = ldapsync.SIDFromBytes(found.Entries[0].GetRawAttributeValue("objectSid"))
	require.NoError(t, err)

	s.users, s.devices = "OU=TANSyncUsers,"+s.base, "OU=HybridComputers,"+s.base
	s.trust, s.zone = "CN=prov.example,CN=System,"+s.base, "DC=prov.example,CN=MicrosoftDNS,CN=System,"+s.base
	services := "CN=Services,CN=Configuration," + s.base
	s.scp = "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration," + services
	s.role = "CN=RID Manager$,CN=System," + s.base
	for _, ou := range []string{s.users, s.devices} {
		s.add(t, ou, "objectClass", "organizationalUnit")
		// What the delegation wizard grants: the unit and everything below.
		s.entry(t, ou, adsec.ACE{Type: adsec.Allow, Flags: adsec.ContainerInherit, SID: s.reader,
			Mask: adsec.ReadProperty | adsec.ListContents | adsec.ListObject | adsec.ReadControl})
	}
	for _, n := range []string{"amy", "ben", "cai"} {
		s.add(t, "CN="+n+","+s.users, "objectClass", "user", "sAMAccountName", n, "userPrincipalName", n+"@ashdown.example", "title", "Nurse")
	}
	device := "CN=AV-001," + s.devices
	s.add(t, device, "objectClass", "computer", "sAMAccountName", "AV-001$", "dNSHostName", "av-001.ashdown.example", "userAccountControl", "4096",
		"operatingSystem", "Windows 11 Enterprise", "operatingSystemVersion", "10.0 (22631)")
	s.guid, err = ldapsync.GUIDFromBytes([]byte(s.first(t, device, "objectGUID")))
	require.NoError(t, err)
	s.set(t, device, "userCertificate", certificate(t, s.guid.String(), now, now.AddDate(1, 0, 0)))
	s.add(t, s.trust, "objectClass", "trustedDomain", "trustPartner", "prov.example", "flatName", "PROV", "trustDirection", "2", "trustType", "2", "trustAttributes", "20",
		"securityIdentifier", partnerSID(t))
	if _, err := s.l.Search(ldap.NewSearchRequest("CN=MicrosoftDNS,CN=System,"+s.base, 0, 0, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil)); err != nil {
		s.add(t, "CN=MicrosoftDNS,CN=System,"+s.base, "objectClass", "container")
	}
	s.add(t, s.zone, "objectClass", "dnsZone", "dNSProperty", property(1, 4, 0, 0, 0))
	s.set(t, s.zone, "dNSProperty", property(1, 4, 0, 0, 0), property(0x81, 1, 0, 0, 0, 192, 168, 88, 10))
	s.add(t, "CN=Device Registration Configuration,"+services, "objectClass", "container")
	s.add(t, s.scp, "objectClass", "serviceConnectionPoint", "keywords", "azureADId:"+tenant)

	s.run = adpreflight.Config{Service: service(), Suffixes: []string{"ashdown.example"}, MaxSkew: 100 * 365 * 24 * time.Hour, Now: func() time.Time { return now.AddDate(0, 1, 0) },
		Scopes: []adpreflight.Scope{
			{ID: "users", Class: ldapsync.User, OU: s.users, Attrs: []string{"mail", "objectSid", "sAMAccountName", "title", "userPrincipalName"}},
			{ID: "devices", Class: ldapsync.Device, OU: s.devices}}}
}

func (s *samba) first(t *testing.T, dn, attr string) string {
	res, err := s.l.Search(ldap.NewSearchRequest(dn, 0, 0, 0, 0, false, "(objectClass=*)", []string{attr}, nil))
	require.NoError(t, err, dn)
	require.Len(t, res.Entries, 1)
	return string(res.Entries[0].GetRawAttributeValue(attr))
}

func (s *samba) add(t *testing.T, dn string, pairs ...string) {
	r := ldap.NewAddRequest(dn, nil)
	for p := range slices.Chunk(pairs, 2) {
		r.Attribute(p[0], p[1:])
	}
	require.NoError(t, s.l.Add(r), dn)
	t.Cleanup(func() { _ = s.l.Del(ldap.NewDelRequest(dn, nil)) })
}

// set replaces an attribute and returns what puts the old values back.
func (s *samba) set(t *testing.T, dn, attr string, values ...string) (undo func()) {
	res, err := s.l.Search(ldap.NewSearchRequest(dn, 0, 0, 0, 0, false, "(objectClass=*)", []string{attr}, nil))
	require.NoError(t, err, dn)
	var old []string
	for _, v := range res.Entries[0].GetRawAttributeValues(attr) {
		old = append(old, string(v))
	}
	change := func(v []string) {
		r := ldap.NewModifyRequest(dn, nil)
		r.Replace(attr, v)
		require.NoError(t, s.l.Modify(r), dn)
	}
	change(values)
	return func() { change(old) }
}

// entry puts an access control entry at the head of an object's DACL and returns what takes it away again.
func (s *samba) entry(t *testing.T, dn string, ace adsec.ACE) (undo func()) {
	flags := ldap.NewControlString("1.2.840.113556.1.4.801", true, "\x30\x03\x02\x01\x04")
	res, err := s.l.Search(ldap.NewSearchRequest(dn, 0, 0, 0, 0, false, "(objectClass=*)", []string{"nTSecurityDescriptor"}, []ldap.Control{flags}))
	require.NoError(t, err)
	old := res.Entries[0].GetRawAttributeValue("nTSecurityDescriptor")
	sd, err := adsec.Parse(old)
	require.NoError(t, err)
	sd.DACL.ACEs = slices.Insert(sd.DACL.ACEs, 0, ace)
	sd.DACL.Revision = 0
	write := func(raw []byte) {
		r := ldap.NewModifyRequest(dn, []ldap.Control{flags})
		r.Replace("nTSecurityDescriptor", []string{string(raw)})
		require.NoError(t, s.l.Modify(r), dn)
	}
	raw, err := sd.MarshalBinary()
	require.NoError(t, err)
	write(raw)
	return func() { write(old) }
}

func (s *samba) report(t *testing.T) adpreflight.Report {
	d, err := ldapdir.Open(s.cfg) // a new connection every time: its cost counts
	require.NoError(t, err)
	defer d.Close()
	cfg := s.run
	cfg.Directory = d
	r, err := adpreflight.Run(t.Context(), cfg)
	require.NoError(t, err)
	return r
}

// An ordinary account finds each of these faults on a Samba domain controller; the CI step reads the times.
func TestSamba(t *testing.T) {
	s := openSamba(t)
	title, err := ldapsync.ParseGUID("bf967a55-0de6-11d0-a285-00aa003049e2") // schemaIDGUID of title
	require.NoError(t, err)
	before := s.report(t)
	for _, c := range before.Checks {
		if c.State == adpreflight.Fail || c.State == adpreflight.Warning && c.ID != "dc.dedicated" {
			t.Errorf("healthy: %s is %s: %s %v", c.ID, c.State, c.Evidence, c.Details)
		}
	}
	t.Logf("healthy: %d checks in %d ms", len(before.Checks), before.Elapsed.Milliseconds())
	id, ok := before.Get("dc.affiliation")
	require.True(t, ok)
	_, text, _ := strings.Cut(id.Evidence, "invocationId is ")
	s.run.Invocation, err = ldapsync.ParseGUID(text)
	require.NoError(t, err)
	s.run.FSMO = map[string]string{"pdc": before.Server, "rid": before.Server}
	before = s.report(t)
	device := "CN=AV-001," + s.devices
	for _, f := range []struct {
		name, check string
		state       adpreflight.State
		seed        func(*testing.T) func()
		hides       []string
	}{
		{"trust direction", "trust.direction", adpreflight.Fail, func(t *testing.T) func() { return s.set(t, s.trust, "trustDirection", "1") }, nil},
		{"trust not selective", "trust.selective", adpreflight.Fail, func(t *testing.T) func() { return s.set(t, s.trust, "trustAttributes", "4") }, nil},
		{"no SID filtering", "trust.sid-filtering", adpreflight.Fail, func(t *testing.T) func() { return s.set(t, s.trust, "trustAttributes", "16") }, nil},
		{"forest trust", "trust.external", adpreflight.Fail, func(t *testing.T) func() { return s.set(t, s.trust, "trustAttributes", "28") }, nil},
		{"attribute withheld", "delegation.users.read", adpreflight.Fail, func(t *testing.T) func() {
			return s.entry(t, "CN=ben,"+s.users, adsec.ACE{Type: adsec.DenyObject, Mask: adsec.ReadProperty, SID: s.reader, ObjectType: title})
		}, nil},
		{"list contents denied", "delegation.users.list", adpreflight.Fail, func(t *testing.T) func() {
			return s.entry(t, s.users, adsec.ACE{Type: adsec.Deny, Mask: adsec.ListContents, SID: s.reader})
		}, []string{"delegation.users.read", "ou.users.children", "ou.users.contents", "users.upn-suffixes"}},
		{"user in a child unit", "ou.users.children", adpreflight.Warning, func(t *testing.T) func() {
			s.add(t, "OU=Wards,"+s.users, "objectClass", "organizationalUnit")
			s.add(t, "CN=dee,OU=Wards,"+s.users, "objectClass", "user", "sAMAccountName", "dee")
			return func() {
				require.NoError(t, s.l.Del(ldap.NewDelRequest("CN=dee,OU=Wards,"+s.users, nil)))
				require.NoError(t, s.l.Del(ldap.NewDelRequest("OU=Wards,"+s.users, nil)))
			}
		}, nil},
		{"certificate expired", "devices.certificates", adpreflight.Fail, func(t *testing.T) func() {
			return s.set(t, device, "userCertificate", certificate(t, s.guid.String(), now.AddDate(-2, 0, 0), now))
		}, nil},
		{"certificate of another object", "devices.certificates", adpreflight.Warning, func(t *testing.T) func() {
			return s.set(t, device, "userCertificate", certificate(t, "av-001.ashdown.example", now, now.AddDate(1, 0, 0)))
		}, nil},
		{"device disabled", "devices.enabled", adpreflight.Warning, func(t *testing.T) func() { return s.set(t, device, "userAccountControl", "4098") }, nil},
		{"another tenant", "scp.tenant", adpreflight.Fail, func(t *testing.T) func() {
			return s.set(t, s.scp, "keywords", "azureADId:00000000-1111-2222-3333-444444444444")
		}, nil},
		{"forwarder elsewhere", "dns.forwarder", adpreflight.Fail, func(t *testing.T) func() {
			return s.set(t, s.zone, "dNSProperty", property(1, 4, 0, 0, 0), property(0x81, 1, 0, 0, 0, 10, 0, 0, 1))
		}, nil},
		{"unknown attribute", "attributes.users", adpreflight.Fail, func(t *testing.T) func() {
			old := s.run.Scopes[0].Attrs
			s.run.Scopes[0].Attrs = append(slices.Clone(old), "ashdownPayNumber")
			return func() { s.run.Scopes[0].Attrs = old }
		}, nil},
		{"clock", "dc.clock", adpreflight.Fail, func(t *testing.T) func() {
			old := s.run.MaxSkew
			s.run.MaxSkew = time.Minute // the controller's clock is not that of the fixtures
			return func() { s.run.MaxSkew = old }
		}, nil},
		{"restored", "dc.affiliation", adpreflight.Warning, func(t *testing.T) func() {
			old := s.run.Invocation
			s.run.Invocation = ldapsync.GUID{1}
			return func() { s.run.Invocation = old }
		}, nil},
		{"role elsewhere", "fsmo.agreed", adpreflight.Fail, func(t *testing.T) func() {
			s.run.FSMO["rid"] = "dc2.ashdown.example"
			return func() { s.run.FSMO["rid"] = before.Server }
		}, nil},
		{"unknown suffix", "users.upn-suffixes", adpreflight.Warning, func(t *testing.T) func() {
			return s.set(t, "CN=amy,"+s.users, "userPrincipalName", "amy@ashdown.local")
		}, nil},
	} {
		t.Run(f.name, func(t *testing.T) {
			undo := f.seed(t)
			after := s.report(t)
			undo()
			for i, c := range after.Checks {
				want := before.Checks[i].State
				if c.ID == f.check {
					want = f.state
				} else if slices.Contains(f.hides, c.ID) {
					want = adpreflight.NotTried
				}
				require.Equal(t, want, c.State, "%s: %s %v", c.ID, c.Evidence, c.Details)
			}
			t.Logf("found by %s in %d ms", f.check, after.Elapsed.Milliseconds())
		})
	}
}

// The account of the service needs Allowed to Authenticate on the domain controller.
func TestSambaSelectiveAuthentication(t *testing.T) {
	s := openSamba(t)
	foreign, err := ldapsync.ParseSID("S-1-5-21-1-2-3-1105")
	require.NoError(t, err)
	right, err := ldapsync.ParseGUID("68b1d179-0d15-4d4f-ab71-46152e79a7bc")
	require.NoError(t, err)
	s.run.Subject = []ldapsync.SID{foreign, s.reader, adsec.AuthenticatedUsers(), adsec.Everyone()}
	server := "CN=DC1,OU=Domain Controllers," + s.base
	undo := s.entry(t, server, adsec.ACE{Type: adsec.AllowObject, Mask: adsec.ControlAccess, SID: foreign, ObjectType: right})
	before := s.report(t)
	undo()
	after := s.report(t)
	for i, c := range after.Checks {
		want := before.Checks[i].State
		if c.ID == "trust.allowed-to-authenticate" {
			require.Equal(t, adpreflight.Pass, want, before.Checks[i].Evidence)
			want = adpreflight.Fail
		}
		require.Equal(t, want, c.State, "%s: %s", c.ID, c.Evidence)
	}
	t.Logf("found by trust.allowed-to-authenticate in %d ms", after.Elapsed.Milliseconds())
}
