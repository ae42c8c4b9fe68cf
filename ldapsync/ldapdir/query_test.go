package ldapdir_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/ldapdir"
)

func TestSearch(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	d := s.open(t, asReader(s))
	for i := range 45 { // more than two pages
		_, err := s.server.Add(fmt.Sprintf("OU=unit %02d,%s", i, s.base), adtest.Attrs{"objectClass": {"organizationalUnit"}, "description": {"a", "b"}})
		require.NoError(t, err)
	}
	count := func(base string, scope int, filter string, attrs ...string) (n int, last map[string][]string, err error) {
		err = d.Search(t.Context(), base, scope, filter, attrs, func(dn string, a map[string][]string) error {
			require.True(t, base == "" || strings.HasSuffix(dn, s.base.String()), dn)
			n, last = n+1, a
			return nil
		})
		return n, last, err
	}
	n, last, err := count(s.base.String(), 1, "(ou=unit*)", "description", "ntsecuritydescriptor")
	require.NoError(t, err)
	require.Equal(t, 45, n)
	require.ElementsMatch(t, []string{"a", "b"}, last["description"])
	require.Len(t, last["ntsecuritydescriptor"], 1)

	n, last, err = count("", 0, "", "dnsHostName", "tokenGroups")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{s.server.DNSHostName()}, last["dnshostname"])
	require.NotEmpty(t, last["tokengroups"])

	n, _, err = count(s.base.String(), 2, "(cn=nobody)")
	require.NoError(t, err)
	require.Zero(t, n)

	_, _, err = count("OU=nowhere,"+s.base.String(), 1, "")
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
	_, _, err = count(s.base.String(), 1, "(cn=")
	require.ErrorContains(t, err, "not a filter")
	_, _, err = count(s.base.String(), 3, "")
	require.ErrorAs(t, err, new(*ldapdir.ConfigError))

	enough := errors.New("enough")
	n = 0
	err = d.Search(t.Context(), s.base.String(), 2, "", nil, func(string, map[string][]string) error { n++; return enough })
	require.Equal(t, enough, err)
	require.Equal(t, 1, n)
	_, _, err = count(s.base.String(), 0, "") // the next search has a connection that works
	require.NoError(t, err)
}

// A connection that dies midway is an error: entries are not told of twice.
func TestSearchLost(t *testing.T) {
	s := adtestSite(t, adtest.Config{})
	d := s.open(t, asReader(s))
	require.NoError(t, d.Search(t.Context(), "", 0, "", nil, func(string, map[string][]string) error { return nil }))
	n := 0
	err := d.Search(t.Context(), s.base.String(), 2, "", nil, func(string, map[string][]string) error {
		if n++; n == 1 {
			s.server.DropConnections()
		}
		return nil
	})
	if err != nil { // all may have been received before
		require.ErrorIs(t, err, ldapsync.ErrTransient)
	}
	seen := map[string]int{}
	require.NoError(t, d.Search(t.Context(), s.base.String(), 2, "", nil, func(dn string, _ map[string][]string) error { seen[dn]++; return nil }))
	for dn, n := range seen {
		require.Equal(t, 1, n, dn)
	}
}
