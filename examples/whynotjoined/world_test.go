package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg/dsregtest"
	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/ldapsync/ldif"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
)

const (
	hybridOU    = "OU=HybridComputers,DC=ashdown,DC=example"
	otherTenant = "9a7c1f53-0d2e-4b86-a1f4-3e5d7c9b2a10"
	tenantName  = "ashdown.example"
	syncSID     = "S-1-5-21-214434701-3963466206-1237063796-5150"
)

var (
	clock    = time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)
	deviceID = mustGUID(dsregtest.DeviceID)
)

// A world is a device of which everything is known and in order. A test breaks one thing and what follows from it.
type world struct {
	dn       string
	computer map[string][]string
	ouSD     *adsec.Descriptor
	scp      string // azureADId
	local    map[string]string
	policies []policy // strongest first; they fill the registry when there are any
	noCopy   bool
	entra    string
	report   *dsregtest.Report
	args     []string
}

type policy struct {
	name, tenant string
	enforced     bool
}

func healthy() *world {
	return &world{
		dn: "CN=AV-LT-0417," + hybridOU,
		computer: map[string][]string{
			"objectClass": {"top", "person", "organizationalPerson", "user", "computer"}, "cn": {dsregtest.Computer}, "sAMAccountName": {dsregtest.Computer + "$"},
			"dNSHostName": {"AV-LT-0417.ashdown.example"}, "userAccountControl": {"4096"}, "operatingSystem": {"Windows 11 Enterprise"}, "operatingSystemVersion": {"10.0 (26100)"},
			"extensionAttribute3": {"hybrid"}, "userCertificate": {certificate(deviceID.String(), clock.Add(-150*time.Minute), clock.AddDate(10, 0, 0))},
			"whenCreated": {"20260303080000.0Z"}, "whenChanged": {"20260304070000.0Z"},
		},
		ouSD:   descriptor(adsec.ListContents | adsec.ReadProperty),
		scp:    dsregtest.TenantID,
		local:  map[string]string{"TenantId": dsregtest.TenantID, "TenantName": tenantName},
		entra:  entraJSON(`"accountEnabled":true,"registrationDateTime":"2026-03-04T08:40:00Z"`),
		report: dsregtest.New(dsregtest.Hybrid),
		args:   []string{"-filter", "(extensionAttribute3=hybrid)", "-account", syncSID, "-since", "2026-03-04T06:00:00Z"},
	}
}

// unjoined is the world before the device has registered: what it shows of the cloud is what follows.
func (w *world) unjoined() *world {
	w.noCopy, w.entra = true, `{"value":[]}`
	w.report = waitingReport("2026-03-04 04:00:00.000 UTC")
	return w
}

// waitingReport is of a computer that tried to register and was not found in Microsoft Entra ID.
func waitingReport(since string) *dsregtest.Report {
	return dsregtest.New(dsregtest.Domain).InsertAfter("Diagnostic Data", "Fallback to Fed-Join", "Previous Registration", since, "Registration Type", "sync",
		"Error Phase", "join", "Client ErrorCode", "0x801c03f2", "Server ErrorCode", "DirectoryError",
		"Server Message", "The device object by the given id ("+dsregtest.DeviceID+") is not found.", "Https Status", "400", "Request Id", "6a2d81f0-44c7-4a5b-9e10-3b7c2f5d8a96")
}

// failedTest is of a computer on which one of the tests before a join fails; those after it are skipped.
func failedTest(label, value string) *dsregtest.Report {
	tests := []string{"AD Connectivity Test", "AD Configuration Test", "DRS Discovery Test", "DRS Connectivity Test", "Kerberos Ticket Test", "Token acquisition Test"}
	r := dsregtest.New(dsregtest.Domain).Set("Diagnostic Data", label, value)
	for _, l := range tests[slices.Index(tests, label)+1:] {
		r.Set("Diagnostic Data", l, "SKIPPED")
	}
	return r
}

func entraJSON(members string) string {
	return `{"value":[{"id":"5f0c2d1e-7a36-4f7e-8b90-c1d2e3f4a5b6","deviceId":"` + dsregtest.DeviceID + `","displayName":"` + dsregtest.Computer + `","trustType":"ServerAd","createdDateTime":"2026-03-04T08:05:00Z",` + members + `}]}`
}

// certificate makes a certificate like the one of the Automatic-Device-Join task, always the same for the same input.
func certificate(cn string, from, to time.Time) string {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(nil, t, t, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(der)
}

// descriptor grants rights on the OU and everything in it to the synchronising account, and to nobody else.
func descriptor(rights adsec.Right) *adsec.Descriptor {
	sid, err := ldapsync.ParseSID(syncSID)
	if err != nil {
		panic(err)
	}
	return &adsec.Descriptor{Owner: adsec.System(), Group: adsec.System(), DACL: &adsec.ACL{ACEs: []adsec.ACE{{Type: adsec.Allow, Mask: rights, SID: sid}}}}
}

// write puts the world into files and returns the flags that name them.
func (w *world) write(t testing.TB, dir string) []string {
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o666))
		return path
	}
	object := func(id ldapsync.GUID, dn string, attrs map[string][]string) ldapsync.Object {
		var list []ldapsync.Attr
		for name, values := range attrs {
			list = append(list, ldapsync.Values(name, values...))
		}
		return ldapsync.NewObject(id, ldapsync.MustParseDN(dn), 0, list...)
	}
	ldifFile := func(name string, objects ...ldapsync.Object) string {
		var b bytes.Buffer
		require.NoError(t, ldif.Write(&b, slices.Values(objects)))
		return file(name, b.Bytes())
	}
	sd, err := w.ouSD.MarshalBinary()
	require.NoError(t, err)
	w.computer["nTSecurityDescriptor"] = []string{string(sd)}
	objects := []ldapsync.Object{
		object(mustGUID("1f0d7a52-33c1-4c8e-9b21-5a6f7e8d9c01"), hybridOU, map[string][]string{"objectClass": {"top", "organizationalUnit"}, "ou": {"HybridComputers"}, "nTSecurityDescriptor": {string(sd)}}),
		object(deviceID, w.dn, w.computer),
		object(mustGUID("c3d4e5f6-0718-4a2b-8c3d-4e5f60718293"), "CN=AV-LT-0001,"+hybridOU, map[string][]string{"objectClass": {"top", "user", "computer"}, "cn": {"AV-LT-0001"}}),
	}
	if w.scp != "" {
		objects = append(objects, object(mustGUID("2e1d0c9b-8a7f-4e6d-9c5b-4a3f2e1d0c9b"), "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,CN=Configuration,DC=ashdown,DC=example",
			map[string][]string{"objectClass": {"top", "serviceConnectionPoint"}, "keywords": {"azureADName:" + tenantName, "azureADId:" + w.scp}}))
	}
	args := append([]string{"-ad", ldifFile("directory.ldif", objects...), "-ou", hybridOU, "-at", clock.Format(time.RFC3339),
		"-tenant-id", dsregtest.TenantID, "-tenant-name", tenantName, "-entra", file("devices.json", []byte(w.entra+"\n")), "-dsreg", file("dsregcmd.txt", []byte(w.report.String()))}, w.args...)
	copies := []ldapsync.Object{object(mustGUID("0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d"), "OU=Devices,DC=prov,DC=example", map[string][]string{"objectClass": {"top", "organizationalUnit"}})}
	if !w.noCopy {
		copies = append(copies, object(mustGUID("7b6a5948-3726-4150-8f0e-dcbbaa998877"), "CN=AV-LT-0417,OU=Devices,DC=prov,DC=example",
			map[string][]string{"objectClass": {"top", "user", "computer"}, "mS-DS-ConsistencyGuid": {deviceID.Raw()}, "whenCreated": {"20260304075500.0Z"}}))
	}
	args = append(args, "-copy", ldifFile("provisioning.ldif", copies...))
	if w.policies != nil {
		return append(args, w.writePolicies(t, dir, file)...)
	}
	var reg strings.Builder
	reg.WriteString("Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\CDJ\\AAD]\r\n")
	for _, name := range []string{"TenantId", "TenantName"} {
		if v, ok := w.local[name]; ok {
			fmt.Fprintf(&reg, "%q=%q\r\n", name, v)
		}
	}
	if w.local != nil {
		args = append(args, "-registry", file("cdj.reg", []byte(reg.String())))
	}
	return args
}

// writePolicies makes a SYSVOL folder with the policies, all linked to the OU.
func (w *world) writePolicies(t testing.TB, dir string, file func(string, []byte) string) []string {
	sysvol := filepath.Join(dir, "sysvol")
	require.NoError(t, os.MkdirAll(sysvol, 0o777))
	var links, gpos []string
	for i, p := range w.policies {
		id := fmt.Sprintf("{%08d-1111-4111-8111-111111111111}", i+1)
		c := gpo.Content{Name: p.name, ID: id, Domain: "ashdown.example", Computer: registry.CDJ(registry.CDJParams{TenantID: p.tenant, TenantName: tenantName}).Desired()}
		_, err := gpo.Write(sysvol, c)
		require.NoError(t, err)
		links = append(links, fmt.Sprintf(`{"gpo": %q, "enforced": %t}`, id, p.enforced))
		gpos = append(gpos, fmt.Sprintf(`{"id": %q, "name": %q}`, id, p.name))
	}
	return []string{"-sysvol", sysvol, "-links", file("links.json", []byte(`{"containers": [
  {"dn": "DC=ashdown,DC=example", "kind": "domain"},
  {"dn": "`+hybridOU+`", "links": [`+strings.Join(links, ", ")+`]}],
 "gpos": [`+strings.Join(gpos, ", ")+"]}\n"))}
}
