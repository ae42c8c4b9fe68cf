package adpreflight_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

const (
	usersOU   = "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"
	devicesOU = "OU=HybridComputers,DC=ashdown,DC=example"
	trustDN   = "CN=prov.example,CN=System,DC=ashdown,DC=example"
	zoneDN    = "DC=prov.example,CN=MicrosoftDNS,CN=System,DC=ashdown,DC=example"
	scpDN     = "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,CN=Configuration,DC=ashdown,DC=example"
	tenant    = "7d0c1b1e-52a6-4a1c-9d52-3c35b8a6a6f1"
	edgeIP    = "192.168.92.42"
)

// now is the clock of every test, so that certificates and evidence are the same in every run.
var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// service is a fictional service that is as the guide's own is made.
func service() adpreflight.Service {
	s := adpreflight.OperationsGuide()
	s.TrustPartner, s.TrustFlatName, s.Account, s.TenantID, s.TenantName = "prov.example", "PROV", `PROV\svc-sync`, tenant, "ashdown.example"
	s.Hosts = []adpreflight.Host{
		{Address: "192.168.88.10", Name: "ad01.prov.example", DomainController: true},
		{Address: "192.168.88.11", Name: "se01.prov.example"},
	}
	for i := range s.Ports {
		s.Ports[i].Hosts = []string{"192.168.88.10"}
		if id := s.Ports[i].ID; id == "ldap" || id == "gc" {
			s.Ports[i].Hosts = []string{"192.168.88.10", "192.168.88.11"}
		}
	}
	return s
}

// An estate is an organisation in order, in a directory, with the Config to examine it.
type estate struct {
	dc, edge *adtest.Server
	cfg      adpreflight.Config
	net      *network
	guids    map[string]adtest.GUID // of the computers
}

var key = func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

// certificate makes a self-signed certificate with the subject CN=cn.
func certificate(t testing.TB, cn string, from, to time.Time) string {
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	return string(der)
}

// property encodes a dNSProperty value.
func property(id uint32, data ...byte) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, 1) // name length, unused
	b = binary.LittleEndian.AppendUint32(b, 0) // flag, unused
	b = binary.LittleEndian.AppendUint32(b, 1) // version
	b = binary.LittleEndian.AppendUint32(b, id)
	return string(append(append(b, data...), 0))
}

// partnerSID is the SID of the trusted domain.
func partnerSID(t testing.TB) string {
	s, err := ldapsync.ParseSID("S-1-5-21-1-2-3")
	require.NoError(t, err)
	return s.Raw()
}

func newEstate(t testing.TB) *estate {
	dc := adtest.New(t, adtest.Config{Socketless: true, Now: func() time.Time { return now }, Attributes: []adtest.AttributeType{{Name: "dNSProperty", Syntax: adtest.OctetSyntax}}})
	edge, err := dc.AddDC(adtest.DCConfig{DC: "edge", Socketless: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, edge.Close()) })
	e := &estate{dc: dc, edge: edge, net: newNetwork(), guids: map[string]adtest.GUID{}}
	add := func(dn string, attrs adtest.Attrs) adtest.GUID {
		g, err := dc.Add(dn, attrs)
		require.NoError(t, err, dn)
		return g
	}
	add("OU=TANSync,DC=ashdown,DC=example", adtest.Attrs{"objectClass": {"organizationalUnit"}})
	add(usersOU, adtest.Attrs{"objectClass": {"organizationalUnit"}})
	add(devicesOU, adtest.Attrs{"objectClass": {"organizationalUnit"}})
	for _, name := range []string{"Amy Marsh", "Ben Okoro", "Cai Pryce"} {
		first, last, _ := strings.Cut(strings.ToLower(name), " ")
		add("CN="+name+","+usersOU, adtest.Attrs{"objectClass": {"user"}, "sAMAccountName": {first + "." + last}, "userPrincipalName": {first + "." + last + "@ashdown.example"},
			"userAccountControl": {"512"}, "mail": {first + "." + last + "@ashdown.example"}, "title": {"Nurse"}})
	}
	for _, name := range []string{"AV-001", "AV-002"} {
		dn := "CN=" + name + "," + devicesOU
		g := add(dn, adtest.Attrs{"objectClass": {"computer"}, "sAMAccountName": {name + "$"}, "userAccountControl": {"4096"}, "dNSHostName": {strings.ToLower(name) + ".ashdown.example"},
			"operatingSystem": {"Windows 11 Enterprise"}, "operatingSystemVersion": {"10.0 (22631)"}})
		require.NoError(t, dc.Set(dn, "userCertificate", certificate(t, g.String(), now.AddDate(0, -1, 0), now.AddDate(9, 0, 0))))
		e.guids[name] = g
	}
	add(trustDN, adtest.Attrs{"objectClass": {"trustedDomain"}, "trustPartner": {"prov.example"}, "flatName": {"PROV"}, "trustDirection": {"2"}, "trustType": {"2"}, "trustAttributes": {"20"}, "securityIdentifier": {partnerSID(t)}})
	add("CN=MicrosoftDNS,CN=System,DC=ashdown,DC=example", adtest.Attrs{"objectClass": {"container"}})
	add(zoneDN, adtest.Attrs{"objectClass": {"dnsZone"}, "dNSProperty": {property(1, 4, 0, 0, 0), property(0x81, 1, 0, 0, 0, 192, 168, 88, 10)}})
	add(strings.TrimPrefix(scpDN, "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,"), adtest.Attrs{"objectClass": {"container"}})
	add(scpDN, adtest.Attrs{"objectClass": {"serviceConnectionPoint"}, "keywords": {"azureADName:ashdown.example", "azureADId:" + tenant}})
	settings, err := edge.Get("CN=NTDS Settings,CN=edge,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=ashdown,DC=example")
	require.NoError(t, err)
	partner := strings.Replace(settings.DN, "CN=edge,", "CN=dc1,", 1)
	add("CN=from-dc1,"+settings.DN, adtest.Attrs{"objectClass": {"nTDSConnection"}, "fromServer": {partner}})

	yes := true
	e.cfg = adpreflight.Config{
		Directory: e.open(t, "reader"), Network: e.net, Vantage: adpreflight.FromOrganisation, Service: service(),
		Scopes: []adpreflight.Scope{{ID: "users", Class: ldapsync.User, OU: usersOU, Attrs: []string{"mail", "objectSid", "sAMAccountName", "title", "userPrincipalName"}},
			{ID: "devices", Class: ldapsync.Device, OU: devicesOU}},
		DCAddress: edgeIP, DCName: "edge.ashdown.example", Invocation: ldapsync.GUID(edge.InvocationID()), FSMO: map[string]string{"pdc": "dc1.ashdown.example"}, Suffixes: []string{"ashdown.example"},
		Answers: adpreflight.Answers{Intune: &yes, Provisioning: "TANSync", SameSignOn: &yes, DedicatedDC: &yes, Track: "hybrid",
			VPN: adpreflight.VPN{IKE: "IKEv2", Gateway: "20.117.129.167", OnPremisesRange: "192.168.92.40/29", Encryption: "AES-256", Hash: "SHA-256", DHGroup: "Group 14",
				Lifetime: 27000, PFS: "None", KeyLength: 32, BGP: new(bool), Route: "192.168.88.0/24"}},
		Now: func() time.Time { return now },
	}
	return e
}

// open connects to the edge domain controller.
func (e *estate) open(t testing.TB, account string) *ldapdir.Dir {
	d, err := ldapdir.Open(ldapdir.Config{
		Dial: func(ctx context.Context) (net.Conn, error) { return e.edge.DialTLS(ctx) },
		Bind: ldapdir.Simple{User: account + "@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-" + account)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func (e *estate) run(t testing.TB) adpreflight.Report {
	r, err := adpreflight.Run(t.Context(), e.cfg)
	require.NoError(t, err)
	return r
}

// network is a Network in a map: what is not in it is silent.
type network struct {
	tcp   map[string]error // host:port; nil: open
	names map[string]map[string][]netip.Addr
}

func newNetwork() *network {
	n := &network{tcp: map[string]error{}, names: map[string]map[string][]netip.Addr{}}
	for _, host := range []string{"192.168.88.10", edgeIP} {
		for _, port := range []string{"53", "88", "135", "389", "445", "636", "3268", "3269"} {
			n.tcp[net.JoinHostPort(host, port)] = nil
		}
		n.names[net.JoinHostPort(host, "53")] = map[string][]netip.Addr{
			"ad01.prov.example": {netip.MustParseAddr("192.168.88.10")}, "se01.prov.example": {netip.MustParseAddr("192.168.88.11")}}
	}
	return n
}

func (n *network) Connect(ctx context.Context, address string) error {
	if err, ok := n.tcp[address]; ok {
		return err
	}
	return context.DeadlineExceeded
}

func (n *network) Lookup(ctx context.Context, protocol, server, name string) ([]netip.Addr, error) {
	names, ok := n.names[server]
	if !ok {
		return nil, context.DeadlineExceeded
	}
	if a, ok := names[name]; ok {
		return a, nil
	}
	return nil, adpreflight.ErrNoSuchName
}
