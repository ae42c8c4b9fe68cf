package gpo_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
	"go.internal/hybridkit/registry/gpp"
)

const (
	domain = "DC=ashdown,DC=example"
	root   = "OU=Workstations," + domain
	parent = "OU=Lab," + root
	child  = "OU=Bench 1," + parent
)

var key = registry.HKLM(`SOFTWARE\Ashdown`)

// values are REG_SZ values below key.
func values(pairs ...string) gpo.Settings {
	var s gpo.Settings
	for i := 0; i < len(pairs); i += 2 {
		s.Entries = append(s.Entries, registry.Entry{Op: registry.Set, Path: key, Name: pairs[i], Value: registry.String(pairs[i+1]), Pos: registry.Pos{Record: i/2 + 1}})
	}
	return s
}

func defaults() []gpo.Permission {
	return []gpo.Permission{{Trustee: "S-1-5-11", Read: true, Apply: true}}
}

// estate has a site, a domain and three OUs; link adds a GPO.
func estate() *gpo.Estate {
	return &gpo.Estate{Containers: []gpo.Container{{DN: "CN=HQ,CN=Sites,CN=Configuration," + domain, Kind: gpo.Site}, {DN: domain, Kind: gpo.Domain}, {DN: root}, {DN: parent}, {DN: child}}}
}

func container(e *gpo.Estate, dn string) *gpo.Container {
	for i := range e.Containers {
		if e.Containers[i].DN == dn || dn == "site" && e.Containers[i].Kind == gpo.Site {
			return &e.Containers[i]
		}
	}
	panic(dn)
}

func link(e *gpo.Estate, dn string, g gpo.GPO, l gpo.Link) {
	if g.Security == nil {
		g.Security = defaults()
	}
	l.GPO = g.Name
	e.GPOs = append(e.GPOs, g)
	c := container(e, dn)
	c.Links = append(c.Links, l)
}

func effective(t *testing.T, e *gpo.Estate, target gpo.Target) *gpo.Result {
	t.Helper()
	if target.DN == "" {
		target.DN = child
	}
	if target.Site == "" {
		target.Site = "hq"
	}
	r, err := e.Effective(target)
	require.NoError(t, err)
	require.Empty(t, r.Errors)
	return r
}

// requireValue checks a value, the GPO it comes from, and "GPO: reason" of all others, strongest first.
func requireValue(t *testing.T, r *gpo.Result, name, want, from string, losers ...string) {
	t.Helper()
	v, ok := r.Get(key, name)
	require.True(t, ok, name)
	if want == "" {
		require.False(t, v.Present, "%s: %v", name, v.Value)
	} else {
		s, err := v.Value.Text()
		require.NoError(t, err)
		require.Equal(t, want, s)
	}
	winner := ""
	if v.Winner != nil {
		winner = v.Winner.Link.Name
	}
	require.Equal(t, from, winner, name)
	var got []string
	for _, l := range v.Losers {
		require.NotEmpty(t, l.Reason)
		require.NotEmpty(t, l.Detail)
		got = append(got, l.Link.Name+": "+string(l.Reason))
	}
	require.Equal(t, losers, got, name)
	require.Empty(t, v.Unknown)
}

// The four tests that follow have the topology and the outcome of scenarios that were run on Windows 11 clients of
// a Windows Server 2025 domain.

func TestSiteDomainOU(t *testing.T) {
	e := estate()
	link(e, "site", gpo.GPO{Name: "Site", Computer: values("Precedence", "site", "SiteOnly", "1")}, gpo.Link{})
	link(e, domain, gpo.GPO{Name: "Domain", Computer: values("Precedence", "domain")}, gpo.Link{})
	link(e, parent, gpo.GPO{Name: "Parent", Computer: values("Precedence", "parent")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "ChildA", Computer: values("Precedence", "childA")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "ChildB", Computer: values("Precedence", "childB", "ChildBOnly", "1")}, gpo.Link{})
	r := effective(t, e, gpo.Target{})
	requireValue(t, r, "Precedence", "childA", "ChildA", "ChildB: link-order", "Parent: lower-precedence", "Domain: lower-precedence", "Site: lower-precedence")
	requireValue(t, r, "SiteOnly", "1", "Site")
	requireValue(t, r, "ChildBOnly", "1", "ChildB")
	require.Empty(t, r.Notes)

	s, err := r.Snapshot()
	require.NoError(t, err)
	it, ok := s.Get(key, "precedence")
	require.True(t, ok)
	require.Equal(t, "ChildA (link 1 of "+child+"), policy: record 1 at byte 0x0", it.Origin.String())
}

func TestDisabledBlockedEnforced(t *testing.T) {
	e := estate()
	container(e, child).BlockInheritance = true
	link(e, domain, gpo.GPO{Name: "DomainPlain", Computer: values("Block", "domainPlain")}, gpo.Link{})
	link(e, domain, gpo.GPO{Name: "DomainEnforced", Computer: values("Block", "domainEnforced", "EnforcedOnly", "1")}, gpo.Link{Enforced: true})
	link(e, child, gpo.GPO{Name: "Child", Computer: values("Block", "child", "Side", "computer")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "UserSideOff", UserDisabled: true, Computer: values("MachineVal", "1"), User: values("UserVal", "1")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "DisabledLink", Computer: values("DisabledLinkVal", "1")}, gpo.Link{Disabled: true})
	r := effective(t, e, gpo.Target{})
	requireValue(t, r, "Block", "domainEnforced", "DomainEnforced", "Child: enforced", "DomainPlain: blocked")
	requireValue(t, r, "EnforcedOnly", "1", "DomainEnforced")
	requireValue(t, r, "Side", "computer", "Child")
	requireValue(t, r, "MachineVal", "1", "UserSideOff")
	requireValue(t, r, "DisabledLinkVal", "", "", "DisabledLink: link-disabled")

	u := effective(t, e, gpo.Target{User: true})
	v, ok := u.Get(key, "UserVal")
	require.True(t, ok)
	require.Equal(t, gpo.HalfDisabled, v.Losers[0].Reason)
	require.Contains(t, strings.Join(u.Notes, "\n"), "loopback")
}

func TestWMI(t *testing.T) {
	e := estate()
	link(e, child, gpo.GPO{Name: "False", WMIFilter: "never", Computer: values("Wmi", "false")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "Failed", WMIFilter: "no such class", Computer: values("Wmi", "failed")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "True", WMIFilter: "always", Computer: values("Wmi", "true")}, gpo.Link{})
	r := effective(t, e, gpo.Target{WMI: map[string]gpo.WMIResult{"Always": gpo.WMITrue, "never": gpo.WMIFalse, "no such class": gpo.WMIFailed}})
	requireValue(t, r, "Wmi", "true", "True", "False: wmi-filter", "Failed: wmi-filter")

	// A filter nobody evaluated stays unknown, and the answer says what hangs on it.
	r = effective(t, e, gpo.Target{WMI: map[string]gpo.WMIResult{"always": gpo.WMITrue, "never": gpo.WMIFalse}})
	v, _ := r.Get(key, "Wmi")
	require.Equal(t, "True", v.Winner.Link.Name)
	require.Len(t, v.Unknown, 1)
	require.Equal(t, "Failed", v.Unknown[0].Link.Name)
	require.Equal(t, "result of the WMI filter no such class", v.Unknown[0].Detail)
}

func TestSecurityFilter(t *testing.T) {
	read := gpo.Permission{Trustee: "Authenticated Users", Read: true}
	both := gpo.Permission{Trustee: `ASHDOWN\PC1$`, Read: true, Apply: true}
	e := estate()
	link(e, child, gpo.GPO{Name: "Deny", Security: []gpo.Permission{read, both, {Trustee: both.Trustee, Deny: true, Apply: true}}, Computer: values("Filter", "deny", "DenyOnly", "1")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "DenyRead", Security: []gpo.Permission{read, both, {Trustee: both.Trustee, Deny: true, Read: true}}, Computer: values("Filter", "denyRead")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "Allow", Security: []gpo.Permission{read, both}, Computer: values("Filter", "allow", "AllowOnly", "1")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "ReadOnly", Security: []gpo.Permission{read}, Computer: values("Filter", "readOnly")}, gpo.Link{})
	r := effective(t, e, gpo.Target{Principals: []string{`ashdown\pc1$`}})
	requireValue(t, r, "Filter", "allow", "Allow", "Deny: security-filter", "DenyRead: security-filter", "ReadOnly: security-filter")
	requireValue(t, r, "DenyOnly", "", "", "Deny: security-filter")

	r = effective(t, e, gpo.Target{}) // of whom nothing is known
	v, _ := r.Get(key, "Filter")
	require.Nil(t, v.Winner)
	require.Len(t, v.Unknown, 3)
	require.Equal(t, `read by the computer: membership in ASHDOWN\PC1$; apply: membership in ASHDOWN\PC1$`, v.Unknown[1].Detail)

	// The user's settings: the computer reads, the user applies.
	e = estate()
	link(e, child, gpo.GPO{Name: "User", Security: []gpo.Permission{{Trustee: "PC1", Read: true}, {Trustee: "kim", Apply: true}}, User: values("V", "1")}, gpo.Link{})
	r = effective(t, e, gpo.Target{User: true, Principals: []string{"kim"}, ComputerPrincipals: []string{"PC1"}})
	requireValue(t, r, "V", "1", "User")
	r = effective(t, e, gpo.Target{User: true, Principals: []string{"kim"}, ComputerPrincipals: []string{"PC2"}})
	requireValue(t, r, "V", "", "", "User: security-filter")
}

func TestEnforcedTwice(t *testing.T) {
	e := estate()
	link(e, domain, gpo.GPO{Name: "Top", Computer: values("V", "top")}, gpo.Link{Enforced: true})
	link(e, parent, gpo.GPO{Name: "Middle", Computer: values("V", "middle")}, gpo.Link{Enforced: true})
	link(e, parent, gpo.GPO{Name: "Second", Computer: values("V", "second")}, gpo.Link{Enforced: true})
	link(e, child, gpo.GPO{Name: "Low", Computer: values("V", "low")}, gpo.Link{})
	r := effective(t, e, gpo.Target{})
	requireValue(t, r, "V", "top", "Top", "Middle: enforced", "Second: enforced", "Low: enforced")
}

func prefs(items string) gpo.Settings {
	return gpo.Settings{Preferences: []byte(`<RegistrySettings>` + items + `</RegistrySettings>`)}
}

func pref(attrs, action, name, value, filters string) string {
	return `<Registry ` + attrs + `><Properties action="` + action + `" hive="HKEY_LOCAL_MACHINE" key="SOFTWARE\Ashdown" name="` + name +
		`" type="REG_SZ" value="` + value + `"/>` + filters + `</Registry>`
}

func TestMechanisms(t *testing.T) {
	e := estate()
	link(e, child, gpo.GPO{Name: "Policy", Computer: values("V", "policy", "W", "policy")}, gpo.Link{})
	link(e, domain, gpo.GPO{Name: "Preference", Computer: prefs(pref("", "U", "V", "preference", "") + pref("", "C", "W", "create", "") + pref("", "C", "X", "create", ""))}, gpo.Link{})
	link(e, domain, gpo.GPO{Name: "Template", Computer: gpo.Settings{Security: []byte("[Registry Values]\r\nMACHINE\\SOFTWARE\\Ashdown\\V=1,\"template\"\r\n")}}, gpo.Link{})
	r := effective(t, e, gpo.Target{})
	requireValue(t, r, "V", "preference", "Preference", "Template: weaker-mechanism", "Policy: weaker-mechanism")
	requireValue(t, r, "W", "policy", "Policy", "Preference: already-exists")
	requireValue(t, r, "X", "create", "Preference")
	v, _ := r.Get(key, "V")
	require.Equal(t, gpo.Preference, v.Winner.Mechanism)
	require.Equal(t, 1, v.Winner.Entry.Pos.Record)
	require.True(t, v.Winner.Tattoo)
}

func TestExtensions(t *testing.T) {
	const registryOnly = "[{35378eac-683f-11d2-a89a-00c04fbbcfa2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]"
	e := estate()
	link(e, child, gpo.GPO{Name: "Forgotten", MachineExtensionNames: registryOnly, Computer: prefs(pref("", "U", "V", "preference", ""))}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "Policy", MachineExtensionNames: registryOnly, Computer: values("V", "policy")}, gpo.Link{})
	r := effective(t, e, gpo.Target{})
	requireValue(t, r, "V", "policy", "Policy", "Forgotten: no-extension")
}

func TestSwitches(t *testing.T) {
	e := estate()
	link(e, child, gpo.GPO{Name: "Policy", Computer: values("V", "policy")}, gpo.Link{})
	link(e, child, gpo.GPO{Name: "Preference", Computer: prefs(pref("", "U", "V", "preference", ""))}, gpo.Link{})
	e.Mechanisms = []gpo.Mechanism{gpo.Preference, gpo.Policy}
	requireValue(t, effective(t, e, gpo.Target{}), "V", "policy", "Policy", "Preference: weaker-mechanism")

	two := `{"containers": [{"dn": "DC=a", "kind": "domain", "gPLink": "[LDAP://cn=` + idA + `;0][LDAP://cn=` + idB + `;0]"}],
		"gpos": [{"id": "` + idA + `"}, {"id": "` + idB + `"}], "firstEntryStrongest": %t, "mechanisms": ["policy"]}`
	for first, want := range map[bool]string{false: idB, true: idA} {
		e, err := gpo.ReadLinks(strings.NewReader(fmt.Sprintf(two, first)))
		require.NoError(t, err)
		require.Equal(t, want, e.Order(gpo.Target{DN: "DC=a"})[0].ID)
	}
}

func TestPreferences(t *testing.T) {
	ou := func(dn string) string {
		return `<Filters><FilterOrgUnit bool="AND" not="0" name="` + dn + `" directMember="0"/></Filters>`
	}
	e := estate()
	link(e, child, gpo.GPO{Name: "P", Computer: prefs(
		pref("", "U", "V", "first", "") +
			pref("", "U", "V", "second", ou(parent)) +
			pref("", "U", "V", "elsewhere", ou("OU=Servers,"+domain)) +
			pref(`disabled="1"`, "U", "V", "off", "") +
			pref("", "U", "T", "maybe", `<Filters><FilterWmi bool="AND" not="0" query="x"/></Filters>`) +
			pref(`removePolicy="1"`, "R", "R", "removed later", "") +
			pref("", "D", "Gone", "", "") +
			`<Collection disabled="1">` + pref("", "D", "Kept", "", "") + `</Collection>`)}, gpo.Link{})
	local := new(registry.Snapshot)
	for _, n := range []string{"Gone", "Kept", "V", "Untouched"} {
		require.NoError(t, local.Put(registry.Item{Path: key, Name: n, Value: registry.String("local")}))
	}
	r := effective(t, e, gpo.Target{Local: local})
	requireValue(t, r, "V", "second", "P", "P: item-disabled", "P: targeting", "P: earlier-in-file", ": overwritten")
	requireValue(t, r, "Gone", "", "P", ": overwritten")
	requireValue(t, r, "Kept", "local", "", "P: item-disabled")
	requireValue(t, r, "R", "removed later", "P")
	v, _ := r.Get(key, "R")
	require.False(t, v.Winner.Tattoo)
	v, _ = r.Get(key, "T")
	require.False(t, v.Present)
	require.Len(t, v.Unknown, 1)
	require.Contains(t, v.Unknown[0].Detail, "item-level targeting needs Wmi")
	_, ok := r.Get(key, "Untouched")
	require.False(t, ok, "values no GPO is about are not listed")

	r = effective(t, e, gpo.Target{Facts: &gpp.Facts{Ask: func(f gpp.Filter) gpp.Tri { return gpp.Yes }}})
	requireValue(t, r, "T", "maybe", "P")
}

func TestInstructions(t *testing.T) {
	op := func(op registry.Op, p registry.Path, name string) registry.Entry {
		return registry.Entry{Op: op, Path: p, Name: name}
	}
	e := estate()
	sub := key.Join("Sub")
	deep := registry.Entry{Op: registry.Set, Path: sub, Name: "D", Value: registry.String("deep")}
	link(e, child, gpo.GPO{Name: "Clear", Computer: gpo.Settings{Entries: []registry.Entry{
		op(registry.ClearValues, key, ""), op(registry.DeleteKey, sub, ""),
		{Op: registry.Set, Path: key, Name: "After", Value: registry.String("after")}, op(registry.DeleteValue, key, "X"),
		{Op: registry.SetIfAbsent, Path: key, Name: "Soft", Value: registry.String("soft")}}}}, gpo.Link{})
	link(e, domain, gpo.GPO{Name: "Set", Computer: values("V", "1", "After", "before", "Soft", "before")}, gpo.Link{})
	e.GPOs[1].Computer.Entries = append(e.GPOs[1].Computer.Entries, deep)
	local := new(registry.Snapshot)
	require.NoError(t, local.Put(registry.Item{Path: key, Name: "L", Value: registry.String("local")}))
	r := effective(t, e, gpo.Target{Local: local})
	requireValue(t, r, "V", "", "Clear", "Set: lower-precedence")
	requireValue(t, r, "L", "", "Clear", ": overwritten")
	requireValue(t, r, "After", "after", "Clear", "Clear: earlier-in-file", "Set: lower-precedence")
	requireValue(t, r, "Soft", "soft", "Clear", "Clear: earlier-in-file", "Set: lower-precedence")
	v, ok := r.Get(sub, "D")
	require.True(t, ok)
	require.False(t, v.Present)
	require.Equal(t, registry.DeleteKey, v.Winner.Entry.Op)
}

func TestTattoo(t *testing.T) {
	e := estate()
	in := func(p registry.Path) registry.Entry {
		return registry.Entry{Op: registry.Set, Path: p, Name: "v", Value: registry.DWord(1)}
	}
	policies, tattoo := registry.HKLM(`SOFTWARE\POLICIES\Ashdown`), registry.HKLM(`SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD`)
	link(e, child, gpo.GPO{Name: "G", Computer: gpo.Settings{Entries: []registry.Entry{in(policies), in(tattoo)}}}, gpo.Link{})
	r := effective(t, e, gpo.Target{})
	v, _ := r.Get(policies, "v")
	require.False(t, v.Winner.Tattoo)
	v, _ = r.Get(tattoo, "v")
	require.True(t, v.Winner.Tattoo)
}

func TestLocalGPO(t *testing.T) {
	e := estate()
	e.Containers = append(e.Containers, gpo.Container{Kind: gpo.Local, Links: []gpo.Link{{GPO: "LocalGPO"}}})
	e.GPOs = append(e.GPOs, gpo.GPO{Name: "LocalGPO", ID: "local", Computer: values("V", "local", "L", "local")})
	container(e, root).BlockInheritance = true
	link(e, child, gpo.GPO{Name: "Child", Computer: values("V", "child")}, gpo.Link{})
	r := effective(t, e, gpo.Target{})
	requireValue(t, r, "V", "child", "Child", "LocalGPO: lower-precedence")
	requireValue(t, r, "L", "local", "LocalGPO")
}

func TestWhatIsNotKnown(t *testing.T) {
	e := estate()
	e.Containers = slices.Delete(e.Containers, 3, 4) // the parent
	link(e, child, gpo.GPO{Name: "Plain", Computer: values("V", "1")}, gpo.Link{})
	e.GPOs[0].Security = nil
	c := container(e, child)
	c.Links = append(c.Links, gpo.Link{GPO: "{31B2F340-016D-11D2-945F-00C04FB984F9}"})
	r, err := e.Effective(gpo.Target{DN: "CN=PC1," + child})
	require.NoError(t, err)
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"nothing is known of " + parent, "no site is given", "security filtering of Plain is not given", "neither listed nor in SYSVOL"} {
		require.Contains(t, notes, want)
	}
	require.NotContains(t, notes, "CN=PC1")
	requireValue(t, r, "V", "1", "Plain")

	for _, dn := range []string{"", "OU=Elsewhere,DC=other,DC=example", "nonsense"} {
		_, err := e.Effective(gpo.Target{DN: dn})
		require.ErrorIs(t, err, gpo.ErrTarget)
	}
}

func TestErrorsInFiles(t *testing.T) {
	e := estate()
	link(e, child, gpo.GPO{Name: "Bad", Computer: gpo.Settings{Policy: []byte("PReg\x01\x00\x00\x00[\x00x"), Preferences: []byte("<html/>"),
		Security: []byte("[Registry Values]\r\nMACHINE\\a\\b=99,1\r\n")}}, gpo.Link{})
	r, err := e.Effective(gpo.Target{DN: child, Site: "HQ"})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(r.Errors), 3)
	all := ""
	for _, err := range r.Errors {
		all += err.Error() + "\n"
	}
	for _, want := range []string{"Bad (link 1 of " + child + "): Registry.pol: ", "GptTmpl.inf: ", "Registry.xml: "} {
		require.Contains(t, all, want)
	}
}

func TestStrings(t *testing.T) {
	for _, s := range []string{gpo.OU.String(), gpo.Kind(9).String(), gpo.Policy.String(), gpo.Mechanism(9).String()} {
		require.NotEmpty(t, s)
	}
	var k gpo.Kind
	require.NoError(t, k.UnmarshalText([]byte("SITE")))
	require.Equal(t, gpo.Site, k)
	require.Error(t, k.UnmarshalText([]byte("x")))
	_, err := gpo.Kind(9).MarshalText()
	require.Error(t, err)
	e := estate()
	link(e, child, gpo.GPO{Name: "G", Computer: values("V", "1")}, gpo.Link{Enforced: true})
	v, _ := effective(t, e, gpo.Target{}).Get(key, "V")
	require.Equal(t, `REG_SZ "1" from G (link 1 of `+child+`, enforced), policy, record 1 at byte 0x0`, v.Winner.String())
	require.True(t, bytes.Contains([]byte(v.Winner.String()), []byte("enforced")))
}

func BenchmarkEffective(b *testing.B) {
	const gpos, each = 200, 200
	e := estate()
	for i := range gpos {
		var s gpo.Settings
		for j := range each {
			s.Entries = append(s.Entries, registry.Entry{Op: registry.Set, Path: key.Join(fmt.Sprint(j % 20)), Name: fmt.Sprint("v", j), Value: registry.DWord(uint32(i))})
		}
		link(e, []string{domain, root, parent, child}[i%4], gpo.GPO{Name: fmt.Sprint("GPO ", i), Computer: s}, gpo.Link{})
	}
	b.Run(fmt.Sprintf("gpos=%d/values=%d", gpos, each), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := e.Effective(gpo.Target{DN: child, Site: "HQ"})
			if err != nil || len(r.Values) != each {
				b.Fatal(err, len(r.Values))
			}
		}
	})
}
