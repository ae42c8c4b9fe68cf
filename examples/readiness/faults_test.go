package main

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adpreflight"
)

// A sample is the files of the demo, to be changed.
type sample struct {
	t     *testing.T
	files fstest.MapFS
}

func newSample(t *testing.T) *sample {
	s := &sample{t, fstest.MapFS{}}
	require.NoError(t, fs.WalkDir(demoFiles, "demo", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := demoFiles.ReadFile(name)
		s.files[strings.TrimPrefix(name, "demo/")] = &fstest.MapFile{Data: b}
		return err
	}))
	return s
}

// edit replaces text that must be there.
func (s *sample) edit(name, old, new string) {
	s.t.Helper()
	text := string(s.files[name].Data)
	require.Contains(s.t, text, old, name)
	s.files[name] = &fstest.MapFile{Data: []byte(strings.Replace(text, old, new, 1))}
}

// heal mends everything that is wrong in the demo.
func (s *sample) heal() {
	s.edit("request.json", `"lifetimeSeconds": 28800`, `"lifetimeSeconds": 27000`)
	s.edit("network.json", `"192.168.88.10:3268",`, `"192.168.88.10:3268", "192.168.88.10:3269",`)
	s.edit("directory.ldif", "trustAttributes: 4", "trustAttributes: 20")
	s.edit("directory.ldif", "cai.pryce@ashdown.local", "cai.pryce@ashdown.example")
	s.edit("directory.ldif", "CN=Dee Quill,OU=Wards,", "CN=Dee Quill,")
	s.edit("directory.ldif", "{00000002-1111-4111-8111-111111111111},cn=policies,cn=system,DC=ashdown,DC=example;0]", "{00000002-1111-4111-8111-111111111111},cn=policies,cn=system,DC=ashdown,DC=example;1]")
	s.edit("ndes.reg", "IPSECIntermediateOffline", "AshdownNDES")
	// The second computer goes, and with it its expired certificate.
	text := string(s.files["directory.ldif"].Data)
	at := strings.Index(text, "dn: CN=AV-002,")
	end := at + strings.Index(text[at:], "\n\n") + 1
	s.files["directory.ldif"] = &fstest.MapFile{Data: []byte(text[:at] + text[end:])}
}

func (s *sample) report() adpreflight.Report {
	s.t.Helper()
	_, r, err := demoOf(s.t.Context(), s.files)
	require.NoError(s.t, err)
	return *r
}

// wrongStandIn is what is wrong with the NDES server in this process: its password page is open to everybody.
const wrongStandIn = "ndes.live.password-page"

func TestHealed(t *testing.T) {
	s := newSample(t)
	s.heal()
	for _, c := range s.report().Checks {
		if c.ID != wrongStandIn && (c.State == adpreflight.Fail || c.State == adpreflight.Warning) {
			t.Errorf("%s is %s: %s %v", c.ID, c.State, c.Evidence, c.Details)
		}
	}
}

// TestFaults: each part of the report notices what is wrong in its input, in the one check that is about it.
func TestFaults(t *testing.T) {
	for _, f := range []struct {
		name, check    string
		state          adpreflight.State
		file, old, new string
		hides          []string
	}{
		{"no Same Sign-On", "declared.same-sign-on", adpreflight.Fail, "request.json", `"sameSignOn": true`, `"sameSignOn": false`, nil},
		{"question not answered", "declared.intune", adpreflight.NotTried, "request.json", `"intune": true, `, ``, nil},
		{"VPN network", "vpn.range", adpreflight.Fail, "request.json", `"192.168.92.40/29", "enc`, `"10.1.2.0/29", "enc`, nil},
		{"Kerberos closed", "ports.kerberos.out", adpreflight.Fail, "network.json", `"192.168.88.10:88", `, ``, nil},
		{"name not resolved", "dns.names", adpreflight.Fail, "network.json", `, "se01.prov.example": ["192.168.88.11"]`, ``, nil},
		{"trust both ways", "trust.direction", adpreflight.Fail, "directory.ldif", "trustDirection: 2", "trustDirection: 3", nil},
		{"another domain controller", "dc.name", adpreflight.Fail, "request.json", `"name": "edge.ashdown.example"`, `"name": "edge9.ashdown.example"`, nil},
		{"unknown attribute", "attributes.users", adpreflight.Fail, "request.json", `"title", "userP`, `"payNumber", "userP`, nil},
		{"policy of another tenant", "cdj.Kiosks", adpreflight.Fail, "directory.ldif", "system,DC=ashdown,DC=example;1]", "system,DC=ashdown,DC=example;0]", nil},
		{"no policy", "cdj.HybridComputers", adpreflight.Fail, "directory.ldif", "{00000001-1111-4111-8111-111111111111},cn=policies,cn=system,DC=ashdown,DC=example;0]",
			"{00000001-1111-4111-8111-111111111111},cn=policies,cn=system,DC=ashdown,DC=example;1]", []string{"cdj.Kiosks"}},
		{"template", "ndes.registry.SignatureTemplate", adpreflight.Fail, "ndes.reg", `"SignatureTemplate"="AshdownNDES"`, `"SignatureTemplate"="Ashdown NDES"`, nil},
		{"URL limit", "ndes.registry.MaxFieldLength", adpreflight.Fail, "ndes.reg", `"MaxFieldLength"=dword:0000fffe`, `"MaxFieldLength"=dword:00004000`, nil},
		{"registration authority expired", "ndes.live.ca-certificates", adpreflight.Fail, "network.json", `"http": {}`, `"http": {"GetCACert": 500}`,
			[]string{"ndes.live.ra-dates", "ndes.live.ra-usage", "ndes.live.ra-chain", "ndes.live.crl"}},
		{"NDES does not run", "ndes.live.base-status", adpreflight.Fail, "network.json", `"http": {}`, `"http": {"": 500}`, []string{wrongStandIn}},
		{"short key", "scep.key-size", adpreflight.Warning, "profiles.json", "size2048", "size1024", nil},
		{"no SID", "scep.strong-mapping", adpreflight.Warning, "profiles.json", `{"sanType": "universalResourceIdentifier", "name": "{{OnPremisesSecurityIdentifier}}"}`, ``, nil},
		{"MDM scope", "comgmt.mdm-user-scope", adpreflight.Fail, "request.json", `"mdmUserScope": "some"`, `"mdmUserScope": "none"`, nil},
		{"connection point offline", "comgmt.service-connection-point", adpreflight.Fail, "request.json", `"connectionPointOnline": true`, `"connectionPointOnline": false`, nil},
		{"foreign discovery URL", "comgmt.mdm-discovery-url", adpreflight.Fail, "request.json", "https://enrollment.manage.microsoft.com/", "https://mdm.other.example/", nil},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := newSample(t)
			s.heal()
			before := s.report()
			s.edit(f.file, f.old, f.new)
			after := s.report()
			require.Len(t, after.Checks, len(before.Checks))
			for i, c := range after.Checks {
				switch {
				case c.ID == f.check:
					require.Equal(t, f.state, c.State, "%s: %s", c.ID, c.Evidence)
				case slices.Contains(f.hides, c.ID):
				default:
					require.Equal(t, before.Checks[i].State, c.State, "%s: %s", c.ID, c.Evidence)
				}
			}
		})
	}
}

// What is not given is not looked at, and said so.
func TestNothingGiven(t *testing.T) {
	code, out, errs := readiness(t, `{"organisation": "Ashdown Vale"}`, "-")
	require.Equal(t, exitNot, code, errs) // the guide's own tables contradict each other
	require.Contains(t, out, "WARNING         lint.routes")
	for _, id := range []string{"cdj", "ndes.registry", "ndes.live", "scep.profiles", "comgmt", "dc.answers", "trust.exists"} {
		require.Regexp(t, `NOT TRIED       `+regexp.QuoteMeta(id)+` `, out)
	}
	require.NotContains(t, out, "FAIL ")
	require.NotContains(t, out, "PASS ")
}
