package intune_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/intune"
	"go.internal/hybridkit/scepclient/sceptest"
)

const good = `{
  "@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile",
  "id": "5d0c8a52-1f3b-4f0e-9d1a-0a6c2f3b7e11",
  "displayName": "Ashdown device certificate",
  "version": 3,
  "roleScopeTagIds": ["0"],
  "renewalThresholdPercentage": 20,
  "keyStorageProvider": "useTpmKspOtherwiseUseSoftwareKsp",
  "subjectNameFormat": "custom",
  "subjectNameFormatString": "CN={{DeviceName}},O=Ashdown Vale",
  "subjectAlternativeNameType": "none",
  "certificateValidityPeriodValue": 1,
  "certificateValidityPeriodScale": "years",
  "extendedKeyUsages": [{"name": "Client Authentication", "objectIdentifier": "1.3.6.1.5.5.7.3.2"}],
  "customSubjectAlternativeNames": [{"sanType": "domainNameService", "name": "{{DeviceName}}.ashdown.example", "x": 1}],
  "scepServerUrls": ["https://scep-ashdown.msappproxy.net/certsrv/mscep/mscep.dll"],
  "keyUsage": "digitalSignature,keyEncipherment",
  "keySize": "size2048",
  "hashAlgorithm": "sha2",
  "certificateStore": "machine",
  "rootCertificate@odata.bind": "https://graph.microsoft.com/beta/deviceManagement/deviceConfigurations('0f9b3c1e-77aa-4c0e-8f6b-3a1d2e4f5a01')",
  "somethingNew": {"a": [1, 2.50, 1e3]}
}`

func parse(t *testing.T, s string) *intune.Documents {
	t.Helper()
	d, err := intune.Parse(strings.NewReader(s))
	require.NoError(t, err)
	return d
}

func profile(t *testing.T, changes ...string) *intune.Profile {
	t.Helper()
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(good), &m))
	for _, c := range changes {
		k, v, _ := strings.Cut(c, "=")
		if v == "" {
			delete(m, k)
		} else {
			m[k] = json.RawMessage(v)
		}
	}
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return parse(t, string(b)).SCEP[0]
}

func TestRoundTripLosesNothing(t *testing.T) {
	p := parse(t, good).SCEP[0]
	b, err := json.Marshal(p)
	require.NoError(t, err)
	var want bytes.Buffer
	require.NoError(t, json.Compact(&want, []byte(good)))
	require.Equal(t, want.String(), string(b))

	p.KeySize = "size4096"
	p.Assignments = []intune.Assignment{{Target: intune.Target{ODataType: "#microsoft.graph.allDevicesAssignmentTarget"}}}
	p.HashAlgorithm = nil
	b, err = json.Marshal(p)
	require.NoError(t, err)
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &m))
	require.Equal(t, `"size4096"`, string(m["keySize"]))
	require.Equal(t, `null`, string(m["hashAlgorithm"]))
	require.Equal(t, `{"a":[1,2.50,1e3]}`, string(m["somethingNew"]))
	require.Contains(t, string(m["customSubjectAlternativeNames"]), `"x":1`)
	require.Contains(t, string(m["assignments"]), "allDevices")
}

func TestParse(t *testing.T) {
	for _, typ := range []string{"windows81SCEPCertificateProfile", "windows10XSCEPCertificateProfile", "windowsPhone81SCEPCertificateProfile", "iosScepCertificateProfile", "macOSScepCertificateProfile",
		"androidScepCertificateProfile", "androidForWorkScepCertificateProfile", "androidWorkProfileScepCertificateProfile", "androidDeviceOwnerScepCertificateProfile", "aospDeviceOwnerScepCertificateProfile"} {
		d := parse(t, `{"value":[{"@odata.type":"#microsoft.graph.`+typ+`","hashAlgorithm":["sha2"],"keyUsage":["digitalSignature"]}]}`)
		require.Len(t, d.SCEP, 1, typ)
		require.NotEmpty(t, d.SCEP[0].Platform())
		root := strings.Replace(strings.Replace(typ, "SCEPCertificateProfile", "TrustedRootCertificate", 1), "ScepCertificateProfile", "TrustedRootCertificate", 1)
		d = parse(t, `[{"@odata.type":"#microsoft.graph.`+root+`","trustedRootCertificate":"AAEC","new":7}]`)
		require.Len(t, d.Roots, 1, root)
		require.Equal(t, []byte{0, 1, 2}, d.Roots[0].Certificate)
		b, err := json.Marshal(d.Roots[0])
		require.NoError(t, err)
		require.Contains(t, string(b), `"new":7`)
	}
	d := parse(t, "\ufeff"+`{"@odata.type":"#microsoft.graph.windowsWifiConfiguration"}`)
	require.Len(t, d.Other, 1)
	for _, s := range []string{"", "null", "7", `"x"`, "{", `{"a":1}`, `[[[[[[]]]]]]`, "\x89PNG\r\n", `{"@odata.type":"#microsoft.graph.iosScepCertificateProfile","keySize":4}`,
		`{"@odata.type":"#microsoft.graph.iosScepCertificateProfile","keySize":"a","keySize":"b"}`} {
		_, err := intune.Parse(strings.NewReader(s))
		require.Error(t, err, s)
	}
	_, err := intune.Parse(strings.NewReader("{\n\"a\": 1,\n}"))
	require.ErrorContains(t, err, "line 3")
}

func findings(fs []intune.Finding) (out []string) {
	for _, f := range fs {
		out = append(out, string(f.Severity)+" "+f.Rule+": "+f.Evidence)
	}
	return out
}

// TestRules has a firing case for each rule; the good profile is the quiet one.
func TestRules(t *testing.T) {
	quiet := intune.Lint(&intune.Documents{SCEP: []*intune.Profile{profile(t)}}, intune.Estate{})
	require.Equal(t, []string{"info ndes-template: template=GeneralPurposeTemplate"}, findings(quiet))

	fired := map[string]bool{}
	for _, c := range []struct {
		rule     string
		severity intune.Severity
		says     string
		estate   intune.Estate
		changes  []string
	}{
		{"resource-type", intune.Info, "no devices", intune.Estate{}, []string{`@odata.type="#microsoft.graph.windows10XSCEPCertificateProfile"`}},
		{"enumeration", intune.Warning, "size3072", intune.Estate{}, []string{`keySize="size3072"`}},
		{"enumeration", intune.Warning, "codeSigning", intune.Estate{}, []string{`keyUsage="digitalSignature,codeSigning"`}},
		{"ndes-template", intune.Info, "SignatureTemplate", intune.Estate{}, []string{`keyUsage="digitalSignature"`}},
		{"ndes-template", intune.Info, "EncryptionTemplate", intune.Estate{}, []string{`keyUsage="keyEncipherment"`}},
		{"ndes-template", intune.Error, "no key usage", intune.Estate{}, []string{`keyUsage=""`}},
		{"root-missing", intune.Error, "no trusted root", intune.Estate{}, []string{`rootCertificate@odata.bind`}},
		{"key-size", intune.Warning, "1024", intune.Estate{}, []string{`keySize="size1024"`}},
		{"key-storage", intune.Error, "software KSP", intune.Estate{}, []string{`keySize="size4096"`}},
		{"key-storage", intune.Error, "Windows Hello", intune.Estate{}, []string{`keySize="size4096"`, `keyStorageProvider="usePassportForWorkKspOtherwiseFail"`}},
		{"hash", intune.Warning, "SHA-1", intune.Estate{}, []string{`hashAlgorithm="sha1"`}},
		{"hash", intune.Info, "strongest", intune.Estate{}, []string{`hashAlgorithm="sha1"`, `@odata.type="#microsoft.graph.androidDeviceOwnerScepCertificateProfile"`}},
		{"validity", intune.Warning, "under five days", intune.Estate{}, []string{`certificateValidityPeriodValue=4`, `certificateValidityPeriodScale="days"`}},
		{"validity", intune.Error, "24 months", intune.Estate{}, []string{`certificateValidityPeriodValue=3`}},
		{"validity", intune.Warning, "template", intune.Estate{}, []string{`@odata.type="#microsoft.graph.iosScepCertificateProfile"`}},
		{"threshold", intune.Error, "outside 1-99", intune.Estate{}, []string{`renewalThresholdPercentage=100`}},
		{"url", intune.Warning, "http URL", intune.Estate{}, []string{`scepServerUrls=["http://ndes01.ashdown.example/certsrv/mscep/mscep.dll"]`}},
		{"url", intune.Error, "http URL", intune.Estate{}, []string{`scepServerUrls=["http://ndes01.ashdown.example/certsrv/mscep/mscep.dll"]`, `@odata.type="#microsoft.graph.androidScepCertificateProfile"`}},
		{"url", intune.Warning, "does not end in /mscep.dll", intune.Estate{}, []string{`scepServerUrls=["https://ndes01.ashdown.example/certsrv/mscep/"]`}},
		{"url", intune.Error, "no server", intune.Estate{}, []string{`scepServerUrls=[]`}},
		{"url", intune.Error, "not an address", intune.Estate{}, []string{`scepServerUrls=["ndes01"]`}},
		{"subject", intune.Error, "backslash", intune.Estate{}, []string{`subjectNameFormatString="CN=Ashdown\\, Vale"`}},
		{"subject", intune.Error, "single braces", intune.Estate{}, []string{`subjectNameFormatString="CN={DeviceName}"`}},
		{"subject", intune.Error, "character |", intune.Estate{}, []string{`subjectNameFormatString="CN={{DeviceName}}|x"`}},
		{"subject", intune.Error, "attribute type", intune.Estate{}, []string{`subjectNameFormatString="XY=1"`}},
		{"variable", intune.Error, "unknown variable", intune.Estate{}, []string{`subjectNameFormatString="CN={{Devicename1}}"`}},
		{"variable", intune.Error, "user variable", intune.Estate{}, []string{`subjectNameFormatString="CN={{UserPrincipalName}}"`}},
		{"variable", intune.Warning, "DeviceId as subject", intune.Estate{}, []string{`subjectNameFormatString="CN={{DEVICEID}}"`}},
		{"variable", intune.Warning, "modem", intune.Estate{}, []string{`subjectNameFormatString="CN={{IMEI}}"`}},
		{"held", intune.Info, "held until then", intune.Estate{}, []string{`subjectNameFormatString="CN={{FullyQualifiedDomainName}}"`}},
		{"held", intune.Error, "never resolves", intune.Estate{Join: intune.EntraJoined}, []string{`subjectNameFormatString="CN={{FullyQualifiedDomainName}}"`}},
		{"held", intune.Warning, "random name", intune.Estate{Join: intune.HybridJoined}, nil},
		{"sid-uri", intune.Error, "URI attribute", intune.Estate{}, []string{`customSubjectAlternativeNames=[{"sanType":"userPrincipalName","name":"{{OnPremisesSecurityIdentifier}}"}]`}},
		{"strong-mapping", intune.Warning, "no SID", intune.Estate{StrongMapping: true}, nil},
		{"extended-key-usage", intune.Error, "is \"x\"", intune.Estate{}, []string{`extendedKeyUsages=[{"name":"n","objectIdentifier":"x"}]`}},
		{"extended-key-usage", intune.Info, "Client Authentication only", intune.Estate{}, []string{`@odata.type="#microsoft.graph.iosScepCertificateProfile"`, `extendedKeyUsages=[{"name":"n","objectIdentifier":"1.3.6.1.5.5.7.3.1"}]`}},
		{"limits", intune.Error, "501", intune.Estate{}, []string{`extendedKeyUsages=[` + strings.TrimSuffix(strings.Repeat(`{"name":"n","objectIdentifier":"1.3.6.1.5.5.7.3.2"},`, 501), ",") + `]`}},
		{"android-chain", intune.Info, "issuing CA", intune.Estate{}, []string{`@odata.type="#microsoft.graph.androidWorkProfileScepCertificateProfile"`}},
	} {
		fs := intune.Lint(&intune.Documents{SCEP: []*intune.Profile{profile(t, c.changes...)}}, c.estate)
		hit := false
		for _, f := range fs {
			require.NotEmpty(t, f.Source)
			hit = hit || f.Rule == c.rule && f.Severity == c.severity && strings.Contains(f.Evidence, c.says)
		}
		require.True(t, hit, "%s %v: %v", c.rule, c.changes, findings(fs))
		fired[c.rule] = true
	}
	ids := map[string]bool{}
	for _, r := range intune.Rules() {
		require.False(t, ids[r.ID], r.ID)
		ids[r.ID] = true
		require.NotEmpty(t, r.Source)
		if !strings.HasPrefix(r.ID, "root-") { // TestRootRules
			require.True(t, fired[r.ID], "no firing case for %s", r.ID)
		}
	}
}

func TestRootRules(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{})
	group := func(g string) string {
		return `[{"target":{"@odata.type":"#microsoft.graph.groupAssignmentTarget","groupId":"` + g + `"}}]`
	}
	lint := func(rootType, cert, rootAssign, assign string) []string {
		root := parse(t, `{"@odata.type":"#microsoft.graph.`+rootType+`","id":"0f9b3c1e-77aa-4c0e-8f6b-3a1d2e4f5a01","displayName":"Root","trustedRootCertificate":"`+cert+`","assignments":`+rootAssign+`}`)
		root.SCEP = []*intune.Profile{profile(t, "assignments="+assign)}
		return findings(intune.Lint(root, intune.Estate{}))[1:]
	}
	root := base64.StdEncoding.EncodeToString(ca.Root.Raw)
	require.Empty(t, lint("windows81TrustedRootCertificate", root, group("a"), group("a")))
	require.Contains(t, lint("windows81TrustedRootCertificate", root, group("b"), group("a"))[0], "error root-assignment: SCEP profile: group a; root profile \"Root\": group b")
	require.Contains(t, lint("windows81TrustedRootCertificate", root, "[]", group("a"))[0], "nobody")
	require.Contains(t, lint("iosTrustedRootCertificate", root, group("a"), group("a"))[0], "is for iOS")
	require.Contains(t, lint("windows81TrustedRootCertificate", "AAEC", group("a"), group("a"))[0], "no certificate")
	require.Contains(t, lint("windows81TrustedRootCertificate", base64.StdEncoding.EncodeToString(ca.Issuing.Raw), group("a"), group("a"))[0], "intermediate")
}

const sid = "S-1-5-21-2004336348-1177238915-682003330-1104"

var (
	hybrid  = &intune.Device{Join: intune.HybridJoined, DomainJoined: true, Values: map[string]string{"DeviceName": "AV-LT-0042", "FullyQualifiedDomainName": "AV-LT-0042.corp.ashdown.example", "OnPremisesSecurityIdentifier": sid, "AzureADDeviceId": "8a2ecb4a-5c7f-4d0c-9a55-0a3d9d0d5a01"}}
	pending = &intune.Device{Join: intune.HybridPending, Values: map[string]string{"DeviceName": "DESKTOP-IE5GH3", "Device_Serial": "5CG0123XYZ"}}
	entra   = &intune.Device{Join: intune.EntraJoined, Values: map[string]string{"DeviceName": "AV-LT-0001", "AAD_Device_ID": "8a2ecb4a-5c7f-4d0c-9a55-0a3d9d0d5a02"}}
)

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		variable string
		typ      intune.CertificateType
		device   *intune.Device
		want     intune.Outcome
		value    string
		says     string
	}{
		{"FullyQualifiedDomainName", intune.DeviceType, hybrid, intune.Resolved, "AV-LT-0042.corp.ashdown.example", ""},
		{"fullyqualifieddomainname", intune.DeviceType, pending, intune.Held, "", "restart"},
		{"FullyQualifiedDomainName", intune.DeviceType, entra, intune.Never, "", "for ever"},
		{"FullyQualifiedDomainName", intune.DeviceType, &intune.Device{Platform: intune.IOS}, intune.Failed, "", "Windows only"},
		{"FullyQualifiedDomainName", intune.DeviceType, &intune.Device{}, intune.Held, "", "unknown"},
		{"DeviceName", intune.DeviceType, pending, intune.Resolved, "DESKTOP-IE5GH3", "random name"},
		{"AAD_Device_ID", intune.DeviceType, entra, intune.Resolved, "8a2ecb4a-5c7f-4d0c-9a55-0a3d9d0d5a02", ""},
		{"AzureADDeviceId", intune.DeviceType, hybrid, intune.Resolved, "8a2ecb4a-5c7f-4d0c-9a55-0a3d9d0d5a01", ""},
		{"AAD_Device_ID", intune.DeviceType, pending, intune.Held, "", "hybrid join"},
		{"SERIALNUMBER", intune.DeviceType, pending, intune.Resolved, "5CG0123XYZ", ""},
		{"IMEI", intune.DeviceType, entra, intune.Failed, "", "support every variable"},
		{"UserPrincipalName", intune.DeviceType, entra, intune.Failed, "", "device certificate"},
		{"UserPrincipalName", intune.UserType, entra, intune.Failed, "", "no user"},
		{"OnPremisesSecurityIdentifier", intune.DeviceType, hybrid, intune.Resolved, sid, ""},
		{"OnPremisesSecurityIdentifier", intune.DeviceType, entra, intune.Never, "", "hybrid joined Windows"},
		{"OnPremisesSecurityIdentifier", intune.DeviceType, pending, intune.Held, "", "after the hybrid join"},
		{"OnPremisesSecurityIdentifier", intune.UserType, entra, intune.Failed, "", "not synchronised"},
		{"Department", intune.UserType, &intune.Device{Platform: intune.AOSP}, intune.Failed, "", "AOSP"},
		{"DEVICE_ID", intune.DeviceType, entra, intune.Failed, "", "no such variable"},
	} {
		r := intune.Resolve(c.variable, c.typ, c.device)
		require.Equal(t, c.want, r.Outcome, "%s: %s", c.variable, r.Reason)
		require.Equal(t, c.value, r.Value, c.variable)
		require.Contains(t, r.Reason, c.says, c.variable)
		require.NotEmpty(t, r.Source)
		if c.want != intune.Resolved {
			require.NotEmpty(t, r.Remedy, c.variable)
		}
	}
}

func TestEvaluateIsSafeAgainstInjection(t *testing.T) {
	p := profile(t, `subjectNameFormatString="CN={{DeviceName}}Device1,O=Ashdown Vale"`)
	d := &intune.Device{Join: intune.EntraJoined, Values: map[string]string{"DeviceName": `x",OU=Domain Admins,CN="{{DeviceId}}`, "DeviceId": "not substituted twice"}}
	e := intune.Evaluate(p, d)
	require.Equal(t, intune.Resolved, e.Outcome)
	require.Len(t, e.Subject, 2)
	require.Equal(t, `x",OU=Domain Admins,CN="{{DeviceId}}Device1`, e.Subject[0][0].Value)
	again, err := intune.ParseName(e.SubjectText)
	require.NoError(t, err)
	require.Equal(t, e.Subject, again)
}

func TestEvaluatedProfileEnrols(t *testing.T) {
	p := profile(t, `subjectNameFormatString="CN={{FullyQualifiedDomainName}},OU=Laptops+OU=Leeds,O=\"Ashdown, Vale\""`,
		`customSubjectAlternativeNames=[{"sanType":"domainNameService","name":"{{FullyQualifiedDomainName}}"},{"sanType":"universalResourceIdentifier","name":"{{OnPremisesSecurityIdentifier}}"}]`)
	e := intune.Evaluate(p, hybrid)
	require.Equal(t, intune.Resolved, e.Outcome, e.Problems)
	tmpl, err := e.Template(p)
	require.NoError(t, err)
	ca := sceptest.New(t, sceptest.Config{})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	c := &scepclient.Client{URL: ca.URL(), HTTPClient: ca.Client(), Trust: scepclient.Trust{Pins: []string{ca.Pin()}}}
	iss, err := c.Enrol(t.Context(), scepclient.Request{Key: key, Template: tmpl, Challenge: scepclient.NewSecret("secret")})
	require.NoError(t, err)
	require.Equal(t, []string{sid}, scepclient.SIDs(iss.Certificate))
	require.Equal(t, "AV-LT-0042.corp.ashdown.example", iss.Certificate.Subject.CommonName)
	require.Equal(t, []string{"Ashdown, Vale"}, iss.Certificate.Subject.Organization)
	require.Equal(t, x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment, iss.Certificate.KeyUsage)
}

func TestWhy(t *testing.T) {
	p := profile(t, `subjectNameFormatString="CN={{FullyQualifiedDomainName}}"`, `customSubjectAlternativeNames=[{"sanType":"universalResourceIdentifier","name":"{{OnPremisesSecurityIdentifier}}"}]`)
	for d, want := range map[*intune.Device]struct {
		outcome intune.Outcome
		says    string
	}{
		hybrid:                 {intune.Resolved, "Nothing in"},
		pending:                {intune.Held, "holds the request"},
		entra:                  {intune.Never, "wait for ever"},
		{Platform: intune.IOS}: {intune.Failed, "fails on it"},
	} {
		a := intune.Why(p, d)
		require.Equal(t, want.outcome, a.Outcome)
		require.Contains(t, a.Summary, want.says)
		if want.outcome != intune.Resolved {
			require.NotEmpty(t, a.Reasons)
		}
	}
	require.Contains(t, strings.Join(intune.Why(p, entra).Remedies, " "), "a profile of their own")
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		`CN=a,O=b`:                         `CN=a,O=b`,
		`CN = a ; O= b c `:                 `CN=a,O=b c`,
		`CN="Test (Ashdown, LLC)",DC=corp`: `CN="Test (Ashdown, LLC)",DC=corp`,
		`CN="a ""b"" c"`:                   `CN="a ""b"" c"`,
		`CN=a+OU=b,C=GB`:                   `CN=a+OU=b,C=GB`,
		`CN={{UserName}},E={{EmailAddress}},OU=Mobile,O=Finance Group,L=Leeds,ST=Yorkshire,C=GB`: `CN={{UserName}},E={{EmailAddress}},OU=Mobile,O=Finance Group,L=Leeds,ST=Yorkshire,C=GB`,
		`CN=`:       `CN=`,
		`1.2.3.4=x`: `1.2.3.4=x`,
	} {
		n, err := intune.ParseName(in)
		require.NoError(t, err, in)
		require.Equal(t, want, n.String(), in)
		der, err := n.DER()
		require.NoError(t, err, in)
		require.NotEmpty(t, der)
	}
	for _, in := range []string{"", "x", "CN", `CN="a`, `CN="a"b`, "=x", "XX=1", "CN=\xff", "CN=a,,O=b"} {
		_, err := intune.ParseName(in)
		require.Error(t, err, in)
	}
}

func TestParseDevice(t *testing.T) {
	d, err := intune.ParseDevice(strings.NewReader(`{"joinState":"hybrid-pending","values":{"DeviceName":"X"}}`))
	require.NoError(t, err)
	require.Equal(t, intune.HybridPending, d.Join)
	for _, s := range []string{"", "[]", `{"joinState":"x"}`, `{"platform":"x"}`, `{"values":{"Nope":"1"}}`, `{"more":1}`, `{} {}`} {
		_, err := intune.ParseDevice(strings.NewReader(s))
		require.Error(t, err, s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"value":[{"@odata.type":"#microsoft.graph.iosTrustedRootCertificate","trustedRootCertificate":"AAEC"}]}`))
	f.Add([]byte(`[{"@odata.type":"x"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := intune.Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		intune.Lint(d, intune.Estate{StrongMapping: true, Join: intune.HybridJoined})
		for _, p := range d.SCEP {
			intune.Why(p, hybrid)
			out, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := intune.Parse(bytes.NewReader(out))
			if err != nil || len(again.SCEP) != 1 {
				t.Fatalf("cannot read what was written: %v", err)
			}
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add(`CN="a, ""b""",O=c+OU=d;DC=e`)
	f.Add(`CN={{DeviceName}}\,x`)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := intune.ParseName(s)
		if err != nil {
			return
		}
		again, err := intune.ParseName(n.String())
		if err != nil || again.String() != n.String() {
			t.Fatalf("%q: %q: %v", s, n, err)
		}
	})
}

// TestCorpusProfiles lints the sample profiles and compares with what the sample's index expects.
func TestCorpusProfiles(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: the sample corpus is not part of this module")
	}
	dir = filepath.Join(dir, "scep/intune")
	for prefix, want := range map[string][]string{
		"p01": {"info ndes-template: template=GeneralPurposeTemplate", "info held: "}, "p02": {"info ndes-template: template=GeneralPurposeTemplate"},
		"p03": {"info ndes-template: template=GeneralPurposeTemplate"}, "p04": {"info ndes-template: template=SignatureTemplate", "warning validity: "},
		"p05": {"error variable: user variable UserPrincipalName in a device certificate"}, "p07": {"info ndes-template: template=EncryptionTemplate"},
		"p09": {"error subject: subject CN: single braces", "error variable: unknown variable Devicename1", "error subject: alternative name: character |"},
		"p10": {"error subject: "}, "p11": {}, "p13": {"error sid-uri: OnPremisesSecurityIdentifier works only with the URI attribute"},
		"p14": {"warning validity: validity under five days", "error threshold: renewalThresholdPercentage"}, "p15": {"error key-storage: 4096-bit keys need the software KSP on Windows"},
		"p16": {"warning key-size: 1024-bit key", "warning hash: SHA-1", "warning url: http URL"}, "p18": {"warning url: URL does not end in /mscep.dll"},
		"p19": {"error root-missing: no trusted root profile bound"},
	} {
		files, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		b, err := os.ReadFile(files[0])
		require.NoError(t, err)
		d := parse(t, string(b))
		got := findings(intune.Lint(d, intune.Estate{}))
		bad := 0
		for _, w := range want {
			hit := false
			for _, g := range got {
				hit = hit || strings.HasPrefix(g, w)
			}
			require.True(t, hit, "%s: want %q in %v", prefix, w, got)
			if !strings.HasPrefix(w, "info") {
				bad++
			}
		}
		for _, g := range got {
			if !strings.HasPrefix(g, "info") {
				bad--
			}
		}
		require.Zero(t, bad, "%s: more or fewer errors and warnings than expected: %v", prefix, got)
		out, err := json.Marshal(d.SCEP[0])
		require.NoError(t, err)
		require.JSONEq(t, string(b), string(out))
	}
}

func TestCorpusVariables(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: the sample corpus is not part of this module")
	}
	b, err := os.ReadFile(filepath.Join(dir, "scep/intune/variables.vectors.json"))
	require.NoError(t, err)
	var v struct {
		Facts   map[string]map[string]any
		Vectors []struct{ ID, Template, Facts, CertificateType, SAN, Expect string }
	}
	require.NoError(t, json.Unmarshal(b, &v))
	joins := map[string]intune.JoinState{"hybrid": intune.HybridJoined, "hybrid-pending": intune.HybridPending, "aadj": intune.EntraJoined}
	for _, c := range v.Vectors {
		d := &intune.Device{Values: map[string]string{}}
		for k, val := range v.Facts[c.Facts] {
			switch k {
			case "joinType":
				d.Join = joins[val.(string)]
			case "domainJoined":
				d.DomainJoined = val.(bool)
			default:
				d.Values[k] = val.(string)
			}
		}
		p := &intune.Profile{ODataType: "#microsoft.graph.windows81SCEPCertificateProfile", SubjectNameFormat: "custom", SubjectNameFormatString: c.Template, CertificateStore: "machine"}
		if c.CertificateType == "user" {
			p.CertificateStore = "user"
		}
		if c.SAN == "URI" {
			p.SubjectNameFormatString = "CN=x"
			p.CustomSubjectAlternativeNames = []intune.SAN{{Type: "universalResourceIdentifier", Name: c.Template}}
		}
		e := intune.Evaluate(p, d)
		word, _, _ := strings.Cut(c.Expect, " ")
		switch word {
		case "HOLD":
			require.Equal(t, intune.Held, e.Outcome, c.ID)
		case "NEVER":
			require.Equal(t, intune.Never, e.Outcome, c.ID)
		case "ERROR":
			require.Equal(t, intune.Failed, e.Outcome, c.ID)
		case "ABSENT:":
			require.Equal(t, intune.Resolved, e.Outcome, c.ID)
			require.Empty(t, e.SANs, c.ID)
		default:
			require.Equal(t, intune.Resolved, e.Outcome, "%s: %v %v", c.ID, e.Problems, e.Variables)
			if c.SAN == "URI" {
				require.Equal(t, c.Expect, e.SANs[0].Name, c.ID)
			} else {
				require.True(t, strings.HasPrefix(c.Expect, e.SubjectText), "%s: %s, want %s", c.ID, e.SubjectText, c.Expect)
			}
		}
	}
}
