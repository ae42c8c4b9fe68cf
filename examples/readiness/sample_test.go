package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adsec"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
)

// writeSample makes the parts of the demo that are not text people write: the directory with its certificates, and
// SYSVOL. The rest of the demo folder is written by hand.
func writeSample(t *testing.T) {
	require.NoError(t, os.WriteFile("demo/directory.ldif", sampleDirectory(t), 0o666))
	require.NoError(t, os.WriteFile("demo/profiles.json", sampleProfiles(t), 0o666))
	require.NoError(t, os.RemoveAll("demo/sysvol"))
	var q request
	require.NoError(t, json.Unmarshal(startingPoint(), &q))
	right := registry.CDJ(registry.CDJParams{TenantID: q.Service.TenantID, TenantName: q.Service.TenantName}).Desired()
	wrong := registry.CDJ(registry.CDJParams{TenantID: "0b3f7a52-1c9d-4e08-9f66-2ad4c8b1e7f0", TenantName: "pilot.ashdown.example"}).Desired()
	for name, d := range map[string]registry.Delta{policyID(1): right, policyID(2): wrong} {
		_, err := gpo.Write("demo/sysvol", gpo.Content{Name: name, ID: name, Computer: d})
		require.NoError(t, err)
		require.NoError(t, os.Remove("demo/sysvol/"+name+".ldif")) // the directory has them
	}
}

func policyID(n int) string { return fmt.Sprintf("{%08d-1111-4111-8111-111111111111}", n) }

// sampleDirectory is the directory of the demo in LDIF.
func sampleDirectory(t *testing.T) []byte {
	const base = "DC=ashdown,DC=example"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	var b bytes.Buffer
	b.WriteString("version: 1\n")
	entry := func(dn string, pairs ...string) {
		fmt.Fprintf(&b, "\ndn: %s,%s\n", dn, base)
		for i := 0; i < len(pairs); i += 2 {
			v := pairs[i+1]
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
				fmt.Fprintf(&b, "%s:: %s\n", pairs[i], base64.StdEncoding.EncodeToString([]byte(v)))
			} else {
				fmt.Fprintf(&b, "%s: %s\n", pairs[i], v)
			}
		}
	}
	link := func(n, option int) string {
		return fmt.Sprintf("[LDAP://cn=%s,cn=policies,cn=system,%s;%d]", policyID(n), base, option)
	}
	certificate := func(id ldapsync.GUID, from, to time.Time) string {
		c := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id.String()}, NotBefore: from, NotAfter: to}
		der, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
		require.NoError(t, err)
		return string(der)
	}
	property := func(id uint32, data ...byte) string {
		p := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
		for _, n := range []uint32{1, 0, 1, id} { // name length, flag, version, id
			p = binary.LittleEndian.AppendUint32(p, n)
		}
		return string(append(append(p, data...), 0))
	}
	entry("OU=TANSync", "objectClass", "organizationalUnit")
	entry("OU=TANSyncUsers,OU=TANSync", "objectClass", "organizationalUnit")
	entry("OU=Wards,OU=TANSyncUsers,OU=TANSync", "objectClass", "organizationalUnit")
	for _, u := range []struct{ name, ou, suffix string }{
		{"Amy Marsh", "", "ashdown.example"}, {"Ben Okoro", "", "ashdown.example"}, {"Cai Pryce", "", "ashdown.local"}, {"Dee Quill", "OU=Wards,", "ashdown.example"},
	} {
		login := strings.ToLower(strings.ReplaceAll(u.name, " ", "."))
		entry("CN="+u.name+","+u.ou+"OU=TANSyncUsers,OU=TANSync", "objectClass", "user", "sAMAccountName", login, "userPrincipalName", login+"@"+u.suffix,
			"userAccountControl", "512", "mail", login+"@ashdown.example", "title", "Nurse")
	}
	entry("OU=HybridComputers", "objectClass", "organizationalUnit", "gPLink", link(1, 0))
	entry("OU=Kiosks,OU=HybridComputers", "objectClass", "organizationalUnit", "gPLink", link(2, 0))
	for i, d := range []struct{ from, to time.Time }{{demoTime.AddDate(0, -1, 0), demoTime.AddDate(9, 11, 0)}, {demoTime.AddDate(-2, 0, 0), demoTime.AddDate(0, 0, -20)}} {
		id := ldapsync.GUID{0: byte(i + 1), 7: 0x4a, 8: 0x80, 15: 0x01}
		name := fmt.Sprintf("AV-%03d", i+1)
		entry("CN="+name+",OU=HybridComputers", "objectClass", "computer", "objectGUID", id.Raw(), "sAMAccountName", name+"$", "userAccountControl", "4096",
			"dNSHostName", strings.ToLower(name)+".ashdown.example", "operatingSystem", "Windows 11 Enterprise", "operatingSystemVersion", "10.0 (22631)",
			"userCertificate", certificate(id, d.from, d.to))
	}
	entry("CN=Policies,CN=System", "objectClass", "container")
	apply, err := ldapsync.ParseGUID("edacfd8f-ffb3-11d1-b41d-00a0c968f939") // the right Apply Group Policy
	require.NoError(t, err)
	everyone := adsec.Descriptor{Owner: adsec.System(), DACL: &adsec.ACL{ACEs: []adsec.ACE{
		{Type: adsec.AllowObject, Mask: adsec.ControlAccess, SID: adsec.AuthenticatedUsers(), ObjectType: apply},
		{Type: adsec.Allow, Mask: adsec.ReadProperty | adsec.ListContents | adsec.ListObject | adsec.ReadControl, SID: adsec.AuthenticatedUsers()},
	}}}
	sd, err := everyone.MarshalBinary()
	require.NoError(t, err)
	for i, name := range []string{"Hybrid join", "Old pilot"} {
		entry("CN="+policyID(i+1)+",CN=Policies,CN=System", "objectClass", "groupPolicyContainer", "displayName", name, "flags", "0", "nTSecurityDescriptor", string(sd))
	}
	partner, err := ldapsync.ParseSID("S-1-5-21-1004336348-1177238915-682003330")
	require.NoError(t, err)
	entry("CN=prov.example,CN=System", "objectClass", "trustedDomain", "trustPartner", "prov.example", "flatName", "PROV", "trustDirection", "2", "trustType", "2", "trustAttributes", "4",
		"securityIdentifier", partner.Raw())
	entry("CN=MicrosoftDNS,CN=System", "objectClass", "container")
	entry("DC=prov.example,CN=MicrosoftDNS,CN=System", "objectClass", "dnsZone", "dNSProperty", property(1, 4, 0, 0, 0), "dNSProperty", property(0x81, 1, 0, 0, 0, 192, 168, 88, 10))
	return b.Bytes()
}

// sampleProfiles are a trusted-root and a SCEP profile as Graph shows them.
func sampleProfiles(t *testing.T) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	root := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Ashdown Vale Root CA"}, NotBefore: demoTime.AddDate(-1, 0, 0), NotAfter: demoTime.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, &root, &root, key.Public(), key)
	require.NoError(t, err)
	const group = `[{"id": "a1", "target": {"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": "0d6b6c8f-6f6a-4f7e-8f1d-5f3c2a9e1b01"}}]`
	return fmt.Appendf(nil, `{"value": [
  {"@odata.type": "#microsoft.graph.windows81TrustedRootCertificate", "id": "6a0c41f7-5d0e-4d0f-9a53-1f0b6c0e7a11", "displayName": "Ashdown root",
   "certFileName": "ashdown-root.cer", "destinationStore": "computerCertStoreRoot", "trustedRootCertificate": %q, "assignments": %s},
  {"@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile", "id": "b8e2f5a0-9f43-4f2b-8a77-0c4a4d1c2e22", "displayName": "Ashdown laptops",
   "renewalThresholdPercentage": 20, "subjectNameFormat": "custom", "subjectNameFormatString": "CN={{FullyQualifiedDomainName}}", "certificateStore": "machine",
   "keyUsage": "digitalSignature,keyEncipherment", "customSubjectAlternativeNames": [{"sanType": "universalResourceIdentifier", "name": "{{OnPremisesSecurityIdentifier}}"}],
   "keySize": "size2048", "hashAlgorithm": "sha2", "certificateValidityPeriodValue": 1, "certificateValidityPeriodScale": "years",
   "keyStorageProvider": "useTpmKspOtherwiseUseSoftwareKsp", "extendedKeyUsages": [{"name": "Client Authentication", "objectIdentifier": "1.3.6.1.5.5.7.3.2"}],
   "scepServerUrls": ["https://ndes01.ashdown.example/certsrv/mscep/mscep.dll"], "rootCertificate": {"id": "6a0c41f7-5d0e-4d0f-9a53-1f0b6c0e7a11"}, "assignments": %s}
]}
`, base64.StdEncoding.EncodeToString(der), group, group)
}
