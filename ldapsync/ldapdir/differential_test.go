package ldapdir_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

// TestSameAsGoLDAP reads every entry of the test directories with ldapdir and with go-ldap, as the same account,
// and compares names, attributes and values byte for byte.
func TestSameAsGoLDAP(t *testing.T) {
	files, err := filepath.Glob("../../examples/syncengine/demo/*.ldif")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2, "the directories of the example program")
	for _, file := range files {
		t.Run(filepath.ToSlash(strings.TrimPrefix(file, "../../examples/")), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			sameAsGoLDAP(t, loadedSite(t, string(text)))
		})
	}
	t.Run("odd", func(t *testing.T) { sameAsGoLDAP(t, loadedSite(t, oddLDIF())) })
	t.Run("samba", func(t *testing.T) { sameAsGoLDAP(t, realSite(t, "SAMBA", ldapdir.ActiveDirectory)) })
	t.Run("slapd", func(t *testing.T) { sameAsGoLDAP(t, realSite(t, "SLAPD", ldapdir.PlainLDAP)) })
}

var dcPart = regexp.MustCompile(`(?i)DC=([^,\s]+)`)

// loadedSite is a domain with the entries of an LDIF file, as its administrator.
func loadedSite(t *testing.T, text string) site {
	var labels []string
	first := regexp.MustCompile(`(?mi)^dn: .*$`).FindString(text)
	for _, m := range dcPart.FindAllStringSubmatch(first, -1) {
		labels = append(labels, m[1])
	}
	domain := strings.Join(labels, ".")
	s := adtestSite(t, adtest.Config{Domain: domain, LDIF: strings.NewReader(text)})
	admin := "admin@" + domain
	s.config.Bind = ldapdir.Simple{User: admin, Password: ldapdir.NewSecret("Passw0rd-admin")}
	s.admin = func() (*ldap.Conn, error) {
		c, err := s.server.DialTLS(t.Context())
		if err != nil {
			return nil, err
		}
		l := ldap.NewConn(c, true)
		l.Start()
		return l, l.Bind(admin, "Passw0rd-admin")
	}
	return s
}

// oddLDIF has what the demonstrations lack: values of many sizes, names that are escaped, and more values than come
// at once.
func oddLDIF() string {
	var b strings.Builder
	b.WriteString("dn: OU=Odd,DC=ashdown,DC=example\nobjectClass: organizationalUnit\n\n")
	for _, cn := range []string{`Oakley\, Ann`, `\ leading`, `two  blanks`, `Zoë`, `a\+b`, `\#hash`, `quo\"te`} {
		b.WriteString("dn: CN=" + cn + ",OU=Odd,DC=ashdown,DC=example\nobjectClass: user\n\n")
	}
	b.WriteString("dn: CN=sizes,OU=Odd,DC=ashdown,DC=example\nobjectClass: user\n")
	for _, n := range []int{1, 126, 127, 128, 129, 254, 255, 256, 4095, 4096, 4097, 32_700, 65_535, 65_536, 70_000, 200_000} {
		b.WriteString("url: " + strings.Repeat("x", n) + "\n")
	}
	b.WriteString("jpegPhoto:: AAECA/8=\n\ndn: CN=many,OU=Odd,DC=ashdown,DC=example\nobjectClass: group\n")
	for i := range 1600 {
		b.WriteString("url: https://ashdown.example/" + strings.Repeat("y", i%300) + "/" + string(rune('a'+i%26)) + strings.Repeat("z", i/26) + "\n")
	}
	b.WriteString("\n")
	return b.String()
}

func sameAsGoLDAP(t *testing.T, s site) {
	w := s.world(t)
	d := s.open(t, func(c *ldapdir.Config) { c.PageSize = 100 })
	ours := map[string]ldapsync.Object{}
	base, err := d.Container(t.Context(), ldapsync.ContainerRef{DN: s.base.String()})
	require.NoError(t, err)
	for o, err := range d.Read(t.Context(), ldapsync.Query{Container: base, Subtree: true, Attrs: []string{"*"}}) {
		require.NoError(t, err)
		require.NotContains(t, ours, o.DN.String())
		ours[o.DN.String()] = o
	}
	id := "objectGUID"
	if s.kind == ldapdir.PlainLDAP {
		id = "entryUUID"
	}
	req := ldap.NewSearchRequest(base.DN.String(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{id, "*"}, nil)
	theirs, err := w.Conn.SearchWithPaging(req, 100)
	require.NoError(t, err)
	values := 0
	for _, e := range theirs.Entries {
		if e.DN == base.DN.String() {
			continue
		}
		o, ok := ours[e.DN]
		require.True(t, ok, "%s is missing", e.DN)
		delete(ours, e.DN)
		n := 0
		for _, a := range e.Attributes {
			name, options, _ := strings.Cut(a.Name, ";")
			if strings.HasPrefix(options, "range=") {
				require.Greater(t, len(o.All(name)), len(a.Values), "%s %s", e.DN, a.Name)
				a.Values = append(a.Values, o.All(name)[len(a.Values):]...) // go-ldap does not fetch the others
			}
			if len(a.Values) == 0 {
				continue // beside the range
			}
			require.Equal(t, a.Values, o.All(name), "%s %s", e.DN, a.Name)
			require.Equal(t, name, o.Attr(name).Name)
			n++
			values += len(a.Values)
		}
		for a := range o.Attrs() {
			require.Equal(t, ldapsync.Present, a.Presence)
			n--
		}
		require.Zero(t, n, "%s has other attributes", e.DN)
	}
	require.Empty(t, ours, "entries that go-ldap did not see")
	t.Logf("%d entries, %d values", len(theirs.Entries)-1, values)
}
