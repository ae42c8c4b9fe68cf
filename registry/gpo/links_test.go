package gpo_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
	"go.internal/hybridkit/registry/gpp"
	"go.internal/hybridkit/registry/regpol"
)

const (
	idA = "{0A000000-0000-4000-8000-00000000000A}"
	idB = "{0B000000-0000-4000-8000-00000000000B}"
)

func TestParseGPLink(t *testing.T) {
	link := func(id, options string) string {
		return "[LDAP://cn=" + id + ",cn=policies,cn=system," + domain + ";" + options + "]"
	}
	got, err := gpo.ParseGPLink(link(strings.ToLower(idA), "0") + link(idB, "3") + " ")
	require.NoError(t, err)
	require.Equal(t, []gpo.Link{{GPO: idB, Disabled: true, Enforced: true}, {GPO: idA}}, got, "the last entry is link order 1")
	got, err = gpo.ParseGPLink(" ")
	require.NoError(t, err)
	require.Empty(t, got)
	for _, in := range []string{"x", "[", "[LDAP://cn=" + idA + "]", link(idA, "x"), link("{1}", "0"), link("}{", "0")} {
		_, err := gpo.ParseGPLink(in)
		require.ErrorContains(t, err, "gPLink", in)
	}
}

const linksJSON = `{"containers": [
  {"dn": "DC=ashdown,DC=example", "kind": "domain", "links": [{"gpo": "Baseline", "enforced": true}]},
  {"dn": "OU=Lab,DC=ashdown,DC=example", "kind": "ou", "blockInheritance": true,
   "gPLink": "[LDAP://cn={0A000000-0000-4000-8000-00000000000A},cn=policies,cn=system,DC=ashdown,DC=example;1]"}],
 "gpos": [{"id": "0b000000-0000-4000-8000-00000000000b", "name": "Baseline", "userDisabled": true, "wmiFilter": "Laptops",
  "security": [{"trustee": "S-1-5-11", "read": true, "apply": true}]}]}`

func TestReadJSON(t *testing.T) {
	e, err := gpo.ReadLinks(strings.NewReader("\xEF\xBB\xBF" + linksJSON))
	require.NoError(t, err)
	require.Equal(t, gpo.Domain, e.Containers[0].Kind)
	require.Equal(t, []gpo.Link{{GPO: idA, Disabled: true}}, e.Containers[1].Links)
	require.True(t, e.Containers[1].BlockInheritance)
	require.Equal(t, "Laptops", e.GPOs[0].WMIFilter)
	for in, want := range map[string]string{
		"":                                  "neither a JSON object nor LDIF",
		"{\n\n\"containers\": x":            "line 3",
		`{"containres": []}`:                "unknown field",
		`{"containers": [{}]}`:              "has no dn",
		`{"containers": []} {}`:             "something follows",
		"{\"containers\": [\n{\"dn\": 1}]}": "line 2",
		`{"containers": [{"dn": "DC=a"}, {"dn": "dc = a"}]}`:                        "listed twice",
		`{"containers": [], "gpos": [{"id": "a"}, {"id": "A"}]}`:                    "listed twice",
		`{"containers": [{"dn": "DC=a", "gPLink": "x"}]}`:                           "does not start with [",
		`{"containers": [{"dn": "DC=a", "gPLink": "[]", "links": [{"gpo": "x"}]}]}`: "both links and gPLink",
		`{"containers": [{"dn": "DC=a", "kind": "forest"}]}`:                        `no kind of container "forest"`,
		"\x89PNG\r\n\x1a\n": "no colon",
	} {
		_, err := gpo.ReadLinks(strings.NewReader(in))
		require.ErrorIs(t, err, gpo.ErrLinks, in)
		require.ErrorContains(t, err, want)
	}
}

// sid returns a SID in binary form.
func sid(authority byte, subs ...uint32) []byte {
	b := []byte{1, byte(len(subs)), 0, 0, 0, 0, 0, authority}
	for _, s := range subs {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return b
}

func ace(kind, flags byte, mask uint32, object, who []byte) []byte {
	b := []byte{kind, flags, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, mask)
	b = append(append(b, object...), who...)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// descriptor returns a self-relative security descriptor with a DACL of the given entries.
func descriptor(aces ...[]byte) []byte {
	b := make([]byte, 20)
	b[0], b[2] = 1, 4
	b[16] = 20
	all := []byte{}
	for _, a := range aces {
		all = append(all, a...)
	}
	acl := []byte{4, 0}
	acl = binary.LittleEndian.AppendUint16(acl, uint16(8+len(all)))
	acl = binary.LittleEndian.AppendUint32(acl, uint32(len(aces)))
	return append(append(b, acl...), all...)
}

var applyRight = append([]byte{1, 0, 0, 0}, 0x8f, 0xfd, 0xac, 0xed, 0xb3, 0xff, 0xd1, 0x11, 0xb4, 0x1d, 0, 0xa0, 0xc9, 0x68, 0xf9, 0x39)

func ldif(sd []byte) string {
	return strings.ReplaceAll(fmt.Sprintf(`version: 1
# export of ashdown.example
dn: DC=ashdown,DC=example
objectClass: top
objectClass: domainDNS
gPLink: [LDAP://cn=%[2]s,cn=policies,cn=system,DC=ashdown,
 DC=example;2]

dn:: %[1]s
objectClass: organizationalUnit
gPOptions: 1
gPLink: [LDAP://CN=%[3]s,CN=Policies,CN=System,DC=ashdown,DC=example;0][LDAP://CN=%[2]s,CN=Policies,CN=System,DC=ashdown,DC=example;1]

dn: CN=HQ,CN=Sites,CN=Configuration,DC=ashdown,DC=example
objectClass: site
gPLink:

dn: CN=%[3]s,CN=Policies,CN=System,DC=ashdown,DC=example
objectClass: groupPolicyContainer
displayName: Lab settings
flags: 1
gPCMachineExtensionNames: [{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]
gPCWQLFilter: [ashdown.example;{11111111-2222-3333-4444-555555555555};0]
nTSecurityDescriptor:: %[4]s

dn: CN=Kim,OU=Lab,DC=ashdown,DC=example
objectClass: user
cn: Kim
`, base64.StdEncoding.EncodeToString([]byte("OU=Lab,DC=ashdown,DC=example")), idA, idB, base64.StdEncoding.EncodeToString(sd)), "\n", "\r\n")
}

func TestReadLDIF(t *testing.T) {
	lab, domainAdmins := sid(5, 21, 1, 2, 3, 1106), sid(5, 21, 1, 2, 3, 512)
	sd := descriptor(
		ace(6, 0, 0x100, applyRight, domainAdmins), // deny apply
		ace(0, 0, 0x20094, nil, lab), ace(5, 0, 0x100, applyRight, lab),
		ace(0, 0x08, 0x10, nil, sid(1, 0)),                                            // inherit only: not for this object
		ace(5, 0, 0x100, append([]byte{1, 0, 0, 0}, make([]byte, 16)...), sid(5, 11)), // another right
		ace(17, 0, 0x1, nil, sid(16, 8192)))
	e, err := gpo.ReadLinks(strings.NewReader(ldif(sd)))
	require.NoError(t, err)
	require.Len(t, e.Containers, 3)
	require.Equal(t, gpo.Container{DN: "DC=ashdown,DC=example", Kind: gpo.Domain, Links: []gpo.Link{{GPO: idA, Enforced: true}},
		GPLink: e.Containers[0].GPLink}, e.Containers[0])
	require.Equal(t, "OU=Lab,DC=ashdown,DC=example", e.Containers[1].DN)
	require.True(t, e.Containers[1].BlockInheritance)
	require.Equal(t, []gpo.Link{{GPO: idA, Disabled: true}, {GPO: idB}}, e.Containers[1].Links)
	require.Equal(t, gpo.Site, e.Containers[2].Kind)
	require.Equal(t, []gpo.GPO{{ID: idB, Name: "Lab settings", UserDisabled: true,
		MachineExtensionNames: "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]", WMIFilter: "{11111111-2222-3333-4444-555555555555}",
		Security: []gpo.Permission{{Trustee: "S-1-5-21-1-2-3-512", Deny: true, Apply: true}, {Trustee: "S-1-5-21-1-2-3-1106", Read: true},
			{Trustee: "S-1-5-21-1-2-3-1106", Apply: true}}}}, e.GPOs)

	for in, want := range map[string]string{
		"dn: DC=a\nobjectClass:< file:///etc/passwd\n": "given by URL",
		"cn: x\n":                        "line 1: a record starts with",
		"dn: DC=a\nnonsense\n":           "line 2: no colon",
		"dn:: !\n":                       "line 1: dn",
		"dn: OU=a\ngPOptions: x\n":       "line 1: gpoptions",
		"dn: OU=a\nchangetype: delete\n": "line 2: changetype",
		"dn: CN=" + idA + "\nobjectClass: groupPolicyContainer\nnTSecurityDescriptor: x\n": "no self-relative security descriptor",
	} {
		_, err := gpo.ReadLinks(strings.NewReader(in))
		require.ErrorIs(t, err, gpo.ErrLinks, in)
		require.ErrorContains(t, err, want)
	}
}

func pol(t testing.TB, name, value string) *fstest.MapFile {
	var b strings.Builder
	require.NoError(t, regpol.Encode(&b, func(yield func(registry.Entry) bool) {
		yield(registry.Entry{Op: registry.Set, Path: key, Name: name, Value: registry.String(value)})
	}))
	return &fstest.MapFile{Data: []byte(b.String())}
}

func TestLoad(t *testing.T) {
	sysvol := fstest.MapFS{
		"ashdown.example/Policies/" + strings.ToLower(idA) + "/MACHINE/registry.POL":            pol(t, "P", "a"),
		"ashdown.example/Policies/" + strings.ToLower(idA) + "/gpt.ini":                         {Data: []byte("[General]\r\nVersion=65538\r\n")},
		"ashdown.example/Policies/" + idB + "/Machine/Preferences/registry/registry.xml":        {Data: prefs(pref("", "U", "Q", "b", "")).Preferences},
		"ashdown.example/Policies/" + idB + "/Machine/Microsoft/Windows NT/SecEdit/GptTmpl.inf": {Data: []byte("[Registry Values]\r\nMACHINE\\SOFTWARE\\Ashdown\\S=1,\"c\"\r\n")},
		"ashdown.example/Policies/PolicyDefinitions/x.admx":                                     {Data: []byte("x")},
	}
	const links = `{"containers": [{"dn": "DC=ashdown,DC=example", "kind": "domain", "links": [{"gpo": "` + idA + `"}, {"gpo": "` + idB + `"}]}]}`
	e, err := gpo.Load(sysvol, strings.NewReader(links))
	require.NoError(t, err)
	r, err := e.Effective(gpo.Target{DN: "OU=Lab,DC=ashdown,DC=example", Site: "HQ"})
	require.NoError(t, err)
	require.Empty(t, r.Errors)
	require.Len(t, r.Values, 3)
	for i, want := range []string{"P", "Q", "S"} {
		require.Equal(t, want, r.Values[i].Name)
		require.True(t, r.Values[i].Present)
	}
	require.Equal(t, gpo.SecurityTemplate, r.Values[2].Winner.Mechanism)
	require.Equal(t, gpp.Yes, r.GPOs[0].Applies)
	a := e.GPOs[slices.IndexFunc(e.GPOs, func(g gpo.GPO) bool { return g.ID == idA })]
	require.EqualValues(t, 2, a.Computer.Version)
	require.EqualValues(t, 1, a.User.Version)

	require.ErrorIs(t, e.LoadSysvol(fstest.MapFS{"a/b.txt": {}}), gpo.ErrNoPolicies)
	require.Error(t, e.LoadSysvol(os.DirFS("/nonexistent folder")))
}

func FuzzReadLinks(f *testing.F) {
	f.Add([]byte(linksJSON))
	f.Add([]byte(ldif(descriptor(ace(5, 0, 0x100, applyRight, sid(5, 11)), ace(0, 0, 0x10, nil, sid(5, 11))))))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := gpo.ReadLinks(strings.NewReader(string(in)))
		if err != nil {
			return
		}
		for _, c := range e.Containers {
			r, err := e.Effective(gpo.Target{DN: c.DN, Site: "HQ"})
			if err == nil && len(r.GPOs) > 0 {
				_ = r.GPOs[0].String()
			}
		}
	})
}

func FuzzSecurityDescriptor(f *testing.F) {
	f.Add(descriptor(ace(5, 0, 0x100, applyRight, sid(5, 11)), ace(0, 0, 0x10, nil, sid(5, 21, 1, 2, 3, 4))))
	f.Fuzz(func(t *testing.T, sd []byte) {
		_, _ = gpo.ReadLinks(strings.NewReader(ldif(sd)))
	})
}
