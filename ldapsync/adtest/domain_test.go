package adtest_test

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

func TestSetRootDSE(t *testing.T) {
	s := newVale(t)
	c := connect(t, s, "")
	s.SetRootDSE("ISSYNCHRONIZED", "FALSE")
	s.SetRootDSE("isGlobalCatalogReady")
	s.SetRootDSE("somethingElse", "1", "2")
	e := read(t, c, "")
	require.Equal(t, "FALSE", e.GetAttributeValue("isSynchronized"))
	require.Empty(t, e.GetAttributeValues("isGlobalCatalogReady"))
	require.Equal(t, []string{"1", "2"}, e.GetAttributeValues("somethingElse"))
}

func TestTwoDomainsInOneProcess(t *testing.T) {
	one := newVale(t)
	two := adtest.New(t, adtest.Config{Domain: "provisioning.example", NetBIOS: "PROV", AllowPlainBind: true, Socketless: true, MaxPageSize: 5,
		Attributes: []adtest.AttributeType{{Name: "ashdownSource", Syntax: adtest.OctetSyntax, SingleValued: true}}})
	var wg sync.WaitGroup
	for _, s := range []*adtest.Server{one, two} {
		wg.Go(func() {
			for i := range 50 {
				if _, err := s.Add("CN=u"+itoa(int64(i))+",CN=Users,"+s.BaseDN(), adtest.Attrs{"objectClass": {"user"}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	raw, err := two.Dial(t.Context())
	require.NoError(t, err)
	c := ldap.NewConn(raw, false)
	c.Start()
	defer c.Close()
	require.NoError(t, c.Bind(`PROV\writer`, "Passw0rd-writer"))
	require.Error(t, c.Bind(`ASHDOWN\writer`, "Passw0rd-writer"))
	a, err := one.Get("CN=u1,CN=Users," + one.BaseDN())
	require.NoError(t, err)
	b, err := two.Get("CN=u1,CN=Users," + two.BaseDN())
	require.NoError(t, err)
	require.NotEqual(t, a.GUID, b.GUID)
	require.NotEqual(t, a.First("objectSid")[:24], b.First("objectSid")[:24])
}

func TestAccounts(t *testing.T) {
	n := uint64(0)
	s := newVale(t, func(c *adtest.Config) {
		c.Accounts = []adtest.Account{
			{Name: "admin", Password: "Passw0rd-admin", Admin: true},
			{Name: "svc-sync", Password: "Passw0rd-svc-sync", Replicate: true, DN: "CN=Sync Service,OU=Trust," + base},
			{Name: "ada.vale", Password: "Passw0rd-ada.vale", Admin: true},
		}
		c.NewGUID = func() (g adtest.GUID) {
			n++
			binary.BigEndian.PutUint64(g[8:], n)
			return g
		}
	})
	c := connect(t, s, "svc-sync")
	_, _, err := dirSync(t, c, base, 0, nil)
	require.NoError(t, err, "the replication right")
	e, err := s.Get("CN=Sync Service,OU=Trust," + base)
	require.NoError(t, err)
	require.Equal(t, "svc-sync", e.First("sAMAccountName"))
	require.Regexp(t, "^00000000-0000-0000-0000-0000000", e.GUID.String())
	requireCode(t, modify(c, ada, nil, []string{"replace", "title", "x"}), 50)

	// An existing user as an administrator: in the group, and in the token.
	admins, err := s.Get("CN=Domain Admins,CN=Users," + base)
	require.NoError(t, err)
	require.Contains(t, admins.Get("member"), ada)
	c = connect(t, s, "ada.vale")
	require.Contains(t, read(t, c, ada, "tokenGroups").GetAttributeValues("tokenGroups"), admins.First("objectSid"))
	require.NoError(t, modify(c, ada, nil, []string{"replace", "title", "Head"}))
}

func TestSnapshotOlderThanServer(t *testing.T) {
	s := newVale(t)
	snap := s.Snapshot()
	s2, err := s.AddDC(adtest.DCConfig{DC: "dc2", AllowPlainBind: true, Socketless: true})
	require.NoError(t, err)
	defer s2.Close()
	s.Restore(snap)
	require.Empty(t, read(t, connect(t, s2, ""), "").GetAttributeValue("dsServiceName"))
	require.Equal(t, adtest.GUID{}, s2.InvocationID())
	require.Error(t, s2.SetInvocationID(adtest.GUID{1}))
}

func TestGUIDAndSIDText(t *testing.T) {
	for _, text := range []string{"0174f793-0bb5-4e97-9b7f-f6198260a8a8", "{0174F793-0BB5-4E97-9B7F-F6198260A8A8}"} {
		g, err := adtest.ParseGUID(text)
		require.NoError(t, err)
		require.Equal(t, "\x93\xf7\x74\x01\xb5\x0b\x97\x4e\x9b\x7f\xf6\x19\x82\x60\xa8\xa8", g.Raw())
		require.Equal(t, "0174f793-0bb5-4e97-9b7f-f6198260a8a8", g.String())
	}
	for _, bad := range []string{"", "0174f7930bb54e979b7ff6198260a8a8", "0174f793-0bb5-4e97-9b7f-f6198260a8ag", "0174f793-0bb5-4e97-9b7f_f6198260a8a8"} {
		_, err := adtest.ParseGUID(bad)
		require.Error(t, err, bad)
	}
	for _, sid := range []string{"S-1-5-21-214434701-3963466206-1237063796-11103", "S-1-5-32-544", "S-1-0"} {
		raw, err := adtest.SID(sid)
		require.NoError(t, err)
		back, err := adtest.SIDString(raw)
		require.NoError(t, err)
		require.Equal(t, sid, back)
	}
	for _, bad := range []string{"", "S-1", "S-2-5-32", "S-1-5-4294967296", "S-1-5-x", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16"} {
		_, err := adtest.SID(bad)
		require.Error(t, err, bad)
	}
	_, err := adtest.SIDString("\x01\x02")
	require.Error(t, err)
}
