package entra_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

func track(m ...ldapsync.Rule) ldapsync.Track {
	t := ldapsync.UsersTrack("OU=Staff,DC=ashdown,DC=example", "", m)
	t.Place = ldapsync.Placement{}
	t.Join.Anchor, t.Join.Form, t.Join.KeepAnchor = "onPremisesImmutableId", ldapsync.AnchorBase64, true
	return t
}

// TestCheckTrack: what cannot be written is refused with the reason and what writes it instead.
func TestCheckTrack(t *testing.T) {
	g := target(t, canned{status: 500}, func(c *entra.Config) { c.Extensions = []entra.Extension{{Name: "costCentre", AppID: app, Users: true}} })
	require.NoError(t, g.CheckTrack(track(ldapsync.Copy("department", "department"), ldapsync.Copy("x", "ExtensionAttribute7"), ldapsync.Copy("x", "costcentre"),
		ldapsync.Copy("x", "extension_8b0f6c4e3d554f0b9d2c7a1e9c0b5f21_costCentre"))))
	for attr, why := range map[string]string{
		"onPremisesSamAccountName":      "Entra Connect or Cloud Sync",
		"onPremisesExtensionAttributes": "not a property",
		"sAMAccountName":                "onPremisesSamAccountName is read-only",
		"proxyAddresses":                "Exchange",
		"sn":                            "surname",
		"aboutMe":                       "SharePoint",
		"extensionAttribute16":          "not a property",
		"id":                            "Entra ID writes it",
		"cn":                            "no distinguished name",
	} {
		err := g.CheckTrack(track(ldapsync.Copy("x", attr)))
		var e *entra.ReadOnlyError
		require.ErrorAs(t, err, &e, attr)
		require.Equal(t, attr, e.Property)
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, "track users")
	}
	devices := ldapsync.DevicesTrack("OU=PCs,DC=ashdown,DC=example", "OU=x", ldapsync.Mapping{ldapsync.Copy("x", "isCompliant"), ldapsync.Copy("x", "extensionAttribute1")})
	err := g.CheckTrack(devices)
	require.ErrorContains(t, err, "Intune")
	require.ErrorContains(t, err, "Policy.Create")
	require.ErrorContains(t, err, "no organisational units")
	require.NotContains(t, err.Error(), "extensionAttribute1")
	tr := track()
	tr.Join.Anchor, tr.Join.KeepAnchor = "onPremisesSecurityIdentifier", false
	require.ErrorContains(t, g.CheckTrack(tr), "KeepAnchor")
	tr = track()
	tr.Policy.Leave = ldapsync.LeaveDelete
	require.ErrorIs(t, g.CheckTrack(tr), entra.ErrUnsupported)
}

// TestMastered: extension attributes are written for users that were never synchronised, and for no others; plain
// properties for those that are not synchronised now. Nothing is sent for the others.
func TestMastered(t *testing.T) {
	server := entratest.New(entratest.Config{})
	never := server.AddUser(entratest.Object{})
	synced := server.AddUser(entratest.Object{"onPremisesSyncEnabled": true, "onPremisesLastSyncDateTime": "2026-11-20T08:00:00Z"})
	once := server.AddUser(entratest.Object{"onPremisesSyncEnabled": nil, "onPremisesLastSyncDateTime": "2026-01-01T00:00:00Z"})
	off := server.AddUser(entratest.Object{"onPremisesSyncEnabled": false, "onPremisesLastSyncDateTime": "2026-01-01T00:00:00Z"})
	g := target(t, server.Transport())
	ext := []any{"extensionAttribute1", nil, []string{"a"}}
	dep := []any{"department", nil, []string{"Ward 3"}}
	write(t, g, ldapsync.User, never, append(ext, dep...)...)
	write(t, g, ldapsync.User, once, dep...)
	write(t, g, ldapsync.User, off, dep...)
	for id, was := range map[string]bool{synced: false, once: true, off: true} {
		err := tryWrite(t, g, ldapsync.User, id, ext...)
		var m *entra.MasteredError
		require.ErrorAs(t, err, &m)
		require.ErrorIs(t, err, ldapsync.ErrPermission)
		require.Equal(t, was, m.Was)
	}
	require.ErrorContains(t, tryWrite(t, g, ldapsync.User, synced, dep...), "change it there")
	require.Len(t, server.Writes(), 3)

	// It became synchronised between the read and the write: Graph refuses, and it is recognised.
	late := server.AddUser(entratest.Object{})
	server.Script(entratest.Fault{Method: "PATCH", Path: "/users/" + late, Status: 400, ContentType: "application/json",
		Body: []byte(`{"error":{"code":"Request_BadRequest","message":"Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration."}}`)})
	err := tryWrite(t, g, ldapsync.User, late, ext...)
	var m *entra.MasteredError
	require.ErrorAs(t, err, &m)
	var e *entra.Error
	require.ErrorAs(t, err, &e)
}

// TestValues: values that Graph would refuse are refused before anything is sent, all kinds go in and come out.
func TestValues(t *testing.T) {
	server := entratest.New(entratest.Config{})
	id := server.AddUser(entratest.Object{"department": "Ward 3"})
	g := target(t, server.Transport())
	for attr, after := range map[string][]string{
		"department": {""}, "displayName": nil, "usageLocation": nil, "accountEnabled": {"yes"}, "businessPhones": {"1", "2"},
		"onPremisesImmutableId": {"a_b"}, "employeeHireDate": {"2026-11-21"}, "jobTitle": {"\xff"}, "city": {"a", "b"},
	} {
		server.ResetRequests()
		err := tryWrite(t, g, ldapsync.User, id, attr, nil, after)
		require.ErrorContains(t, err, attr)
		require.Empty(t, server.Requests(), attr)
	}
	write(t, g, ldapsync.User, id, "accountEnabled", []string{"TRUE"}, []string{"false"}, "businessPhones", nil, []string{"+44 1"},
		"employeeHireDate", nil, []string{"2026-11-21T00:00:00Z"}, "department", []string{"Ward 3"}, []string{`a "b" \ c` + "\t\u2028é"})
	guid, err := ldapsync.ParseGUID(id)
	require.NoError(t, err)
	o, err := g.Get(t.Context(), guid, []string{"accountEnabled", "businessPhones", "employeeHireDate", "department", "cn", "onPremisesSyncEnabled"})
	require.NoError(t, err)
	for attr, want := range map[string][]string{"accountEnabled": {"FALSE"}, "businessPhones": {"+44 1"}, "employeeHireDate": {"2026-11-21T00:00:00Z"},
		"department": {`a "b" \ c` + "\t\u2028é"}, "cn": {"user1@ashdown.example"}, "onPremisesSyncEnabled": nil} {
		require.Equal(t, want, o.All(attr), attr)
	}
	require.Equal(t, "CN=user1@ashdown.example", o.DN.String())
	_, err = g.Get(t.Context(), guid, []string{"sAMAccountName"})
	require.ErrorContains(t, err, "onPremisesSamAccountName")
}

// TestUnclearLooksAgain: after a write of which nobody knows whether it was made, the object is read before anything
// is sent again; what was made is not made twice.
func TestUnclearLooksAgain(t *testing.T) {
	for name, c := range map[string]struct {
		fault entratest.Fault
		sends int
	}{
		"made":     {entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Drop: true, Effect: true}, 1},
		"not made": {entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Drop: true}, 1},
		"503 made": {entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Status: 503, RetryAfter: "2.5", Effect: true}, 1},
		"503 not":  {entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Status: 503, RetryAfter: "2.5"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := entratest.New(entratest.Config{})
				id := server.AddUser(entratest.Object{})
				if c.fault.Path != "" { // the second call: the first one reads
					c.fault.Skip = 1
				}
				server.Script(c.fault)
				write(t, target(t, server.Transport()), ldapsync.User, id, "department", nil, []string{"Ward 3"})
				u, _ := server.User(id)
				require.Equal(t, "Ward 3", u["department"])
				made := 0
				for _, r := range server.Writes() {
					if r.Status != 503 || c.fault.Effect {
						made++
					}
				}
				require.Equal(t, c.sends, made)
			})
		})
	}
	t.Run("somebody else came in between", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := entratest.New(entratest.Config{})
			id := server.AddUser(entratest.Object{})
			server.Script(entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Status: 503, RetryAfter: "5"})
			time.AfterFunc(2*time.Second, func() { server.SetUser(id, entratest.Object{"department": "Theatre"}) })
			err := tryWrite(t, target(t, server.Transport()), ldapsync.User, id, "department", nil, []string{"Ward 3"})
			require.ErrorIs(t, err, ldapsync.ErrPrecondition)
			u, _ := server.User(id)
			require.Equal(t, "Theatre", u["department"])
		})
	})
}

// TestLag: a read that lags behind our own write is repeated until it shows it; without Settle it is believed.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{ReadLag: entratest.Lag{For: 3 * time.Second}})
		id := server.AddUser(entratest.Object{})
		guid, err := ldapsync.ParseGUID(id)
		require.NoError(t, err)
		for _, settle := range []time.Duration{-1, 0} {
			time.Sleep(time.Hour)
			g := target(t, server.Transport(), func(c *entra.Config) { c.Settle = settle })
			before, err := g.Get(t.Context(), guid, []string{"department"})
			require.NoError(t, err)
			want := fmt.Sprint("Ward ", settle)
			write(t, g, ldapsync.User, id, "department", before.All("department"), []string{want})
			o, err := g.Get(t.Context(), guid, []string{"department"})
			require.NoError(t, err)
			if settle < 0 {
				require.NotEqual(t, []string{want}, o.All("department"))
			} else {
				require.Equal(t, []string{want}, o.All("department"))
			}
		}
	})
}

// TestDeleteOnlyIfTold: nothing is deleted unless the configuration says so.
func TestDeleteOnlyIfTold(t *testing.T) {
	server := entratest.New(entratest.Config{})
	id, err := ldapsync.ParseGUID(server.AddDevice(entratest.Object{}))
	require.NoError(t, err)
	del := ldapsync.Change{Op: ldapsync.OpDelete, ID: id, Class: ldapsync.Device}
	_, err = target(t, server.Transport()).Write(t.Context(), del)
	require.ErrorIs(t, err, entra.ErrUnsupported)
	require.Empty(t, server.Requests())
	_, err = target(t, server.Transport(), func(c *entra.Config) { c.Delete = true }).Write(t.Context(), del)
	require.NoError(t, err)
	require.Empty(t, server.Devices())
}

// estate is an organisation of n people in a directory in memory, and the same people in Entra ID.
func estate(t *testing.T, server *entratest.Server, n int) (*memdir.Dir, []ldapsync.GUID) {
	t.Helper()
	ad := memdir.New(memdir.Config{Info: ldapsync.DirectoryInfo{Kind: "active-directory", Server: "dc1.ashdown.example", Domain: ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"}}})
	ou, err := ad.AddOU("OU=Staff,DC=ashdown,DC=example")
	require.NoError(t, err)
	ids := make([]ldapsync.GUID, n)
	for i := range ids {
		upn := fmt.Sprintf("user%05d@ashdown.example", i)
		ids[i], err = ad.Add(ldapsync.NewObject(ldapsync.GUID{}, ou.DN.Child("CN", fmt.Sprintf("User %05d", i)), ldapsync.User,
			ldapsync.Values("userPrincipalName", upn), ldapsync.Values("sAMAccountName", fmt.Sprintf("user%05d", i)), ldapsync.Values("department", "Ward 3")))
		require.NoError(t, err)
		o := entratest.Object{"userPrincipalName": upn}
		if i%2 == 0 {
			o["onPremisesImmutableId"] = ids[i].ImmutableID()
		}
		server.AddUser(o)
	}
	return ad, ids
}

// TestCycle: users are joined by immutableId or userPrincipalName and written; a second cycle writes nothing; who
// leaves has exactly what was written taken back, as null; undoing works.
func TestCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{ShuffleBatch: true, ReadLag: entratest.Lag{For: 200 * time.Millisecond}, Budgets: []entratest.Budget{entratest.WriteBudget()}})
		ad, ids := estate(t, server, 101)
		budget := new(entra.Budget)
		g := target(t, server.Transport(), func(c *entra.Config) { c.Budget = budget; c.Settle = 0; c.Linger = 0 })
		s := &ldapsync.Syncer{
			Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{track(ldapsync.Copy("department", "department"), ldapsync.Copy("sAMAccountName", "extensionAttribute1"))}},
			Source:       ad, Target: g, State: memstate.New(), Workers: 40, TempDir: t.TempDir(),
		}
		cycle := func() *ldapsync.Report {
			p, err := s.Plan(t.Context())
			require.NoError(t, err)
			r, err := s.Apply(t.Context(), p, ldapsync.ApplyOptions{Accept: accepts(p)})
			require.NoError(t, err)
			require.True(t, r.OK(), r.Problems)
			return r
		}
		require.Equal(t, 101, cycle().Writes)
		for _, u := range server.Users() {
			require.Equal(t, "Ward 3", u["department"])
		}
		calls := 0
		for _, r := range server.Requests() {
			if r.Batch == 0 && r.Method == http.MethodPost {
				calls++
			}
		}
		require.Less(t, calls, 60, "requests are put together")
		require.LessOrEqual(t, entratest.Peak(server.Writes(), time.Second), 20)
		server.ResetRequests()
		require.Zero(t, cycle().Writes)
		require.Empty(t, server.Writes())

		left, err := ad.AddOU("OU=Leavers,DC=ashdown,DC=example")
		require.NoError(t, err)
		require.NoError(t, ad.Move(ids[7], left.DN))
		require.Equal(t, 1, cycle().Writes)
		u, _ := server.User("user00007@ashdown.example")
		require.Nil(t, u["department"])
		require.JSONEq(t, `{"department":null,"onPremisesExtensionAttributes":{"extensionAttribute1":null}}`, string(server.Writes()[0].Body))

		applied, err := s.Applied(t.Context())
		require.NoError(t, err)
		undo, err := s.Undo(t.Context(), applied[0].ID)
		require.NoError(t, err)
		_, err = s.Apply(t.Context(), undo, ldapsync.ApplyOptions{Accept: accepts(undo)})
		require.NoError(t, err)
		u, _ = server.User("user00007@ashdown.example")
		require.Equal(t, "Ward 3", u["department"])
	})
}

func accepts(p *ldapsync.Plan) (out []string) {
	for _, t := range p.Trips {
		out = append(out, t.Accept)
	}
	return out
}

// TestRefusedBeforeAnything: the engine asks the target before it reads, and nothing at all is sent.
func TestRefusedBeforeAnything(t *testing.T) {
	server := entratest.New(entratest.Config{})
	ad, _ := estate(t, server, 1)
	s := &ldapsync.Syncer{Source: ad, Target: target(t, server.Transport()), State: memstate.New(),
		Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{track(ldapsync.Copy("sAMAccountName", "onPremisesSamAccountName"))}}}
	_, err := s.Plan(t.Context())
	var e *entra.ReadOnlyError
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, err, "Entra Connect")
	require.Empty(t, server.Requests())
}

// TestContainer: there are none.
func TestContainer(t *testing.T) {
	g := target(t, canned{status: 500})
	c, err := g.Container(t.Context(), ldapsync.ContainerRef{})
	require.NoError(t, err)
	require.True(t, c.ID.IsZero() && c.DN.IsRoot())
	_, err = g.Container(t.Context(), ldapsync.ContainerRef{DN: "OU=Staff"})
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
}

// TestPagesLoop: a listing that leads back to itself ends.
func TestPagesLoop(t *testing.T) {
	c := client(t, canned{status: 200, body: `{"value":[],"@odata.nextLink":"` + base + `/users?$skiptoken=x"}`})
	var last error
	for _, err := range c.Pages(t.Context(), "/users", nil) {
		last = err
	}
	require.ErrorIs(t, last, ldapsync.ErrPartial)
	require.ErrorContains(t, last, "leads back")
}

// TestConcurrentCallers: workers whose writes share batches do not get each other's answers.
func TestConcurrentCallers(t *testing.T) {
	server := entratest.New(entratest.Config{ShuffleBatch: true})
	ids := people(server, 60)
	g := target(t, server.Transport(), func(c *entra.Config) { c.Linger = 0 })
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			if err := tryWrite(t, g, ldapsync.User, id, "department", nil, []string{fmt.Sprint("Ward ", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, id := range ids {
		u, _ := server.User(id)
		require.Equal(t, fmt.Sprint("Ward ", i), u["department"])
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err := g.Queue().Do(ctx, entra.Request{Method: "GET", Path: "/users"})
	require.ErrorIs(t, err, context.Canceled)
}

// TestLongRetryAfter: what asks to wait for hours is given up, and says for how long.
func TestLongRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		id := server.AddUser(entratest.Object{})
		server.Script(entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Status: 429, RetryAfter: "7200"})
		begin := time.Now()
		err := tryWrite(t, target(t, server.Transport()), ldapsync.User, id, "department", nil, []string{"x"})
		require.ErrorIs(t, err, ldapsync.ErrTransient)
		var e *entra.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 2*time.Hour, e.RetryAfter())
		require.Less(t, time.Since(begin), time.Second)
	})
}

// TestMatch: people are found by immutableId, userPrincipalName, mail, employeeId or any other property.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, source, value string
		cloud               entratest.Object
		key                 ldapsync.MatchKey
	}{
		{"userPrincipalName", "userPrincipalName", "ANN@ashdown.example", entratest.Object{"userPrincipalName": "ann@ashdown.example"}, ldapsync.MatchKey{}},
		{"mail", "mail", "ann@ashdown.example", entratest.Object{"mail": "ann@ashdown.example"}, ldapsync.MatchKey{}},
		{"employeeId", "employeeNumber", "4711", entratest.Object{"employeeId": "4711"}, ldapsync.MatchKey{Source: "employeeNumber", Target: "employeeId", Exact: true}},
		{"extension attribute", "extensionAttribute9", "x-9", entratest.Object{"onPremisesExtensionAttributes": map[string]any{"extensionAttribute4": "x-9"}}, ldapsync.MatchKey{Source: "extensionAttribute9", Target: "extensionAttribute4"}},
	} {
		server := entratest.New(entratest.Config{})
		server.AddUser(entratest.Object{"userPrincipalName": "somebody@ashdown.example"})
		id := server.AddUser(c.cloud)
		ad := memdir.New(memdir.Config{})
		ou, err := ad.AddOU("OU=Staff,DC=ashdown,DC=example")
		require.NoError(t, err)
		_, err = ad.Add(ldapsync.NewObject(ldapsync.GUID{}, ou.DN.Child("CN", "Ann"), ldapsync.User, ldapsync.Values(c.source, c.value), ldapsync.Values("department", "Ward 3")))
		require.NoError(t, err)
		tr := entra.UsersTrack(ou.DN.String(), ldapsync.Mapping{ldapsync.Copy("department", "department")})
		if c.key != (ldapsync.MatchKey{}) {
			tr.Join.Keys = []ldapsync.MatchKey{c.key}
		}
		s := &ldapsync.Syncer{Source: ad, Target: target(t, server.Transport()), State: memstate.New(), Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{tr}}}
		p, err := s.Plan(t.Context())
		require.NoError(t, err, c.name)
		require.Len(t, p.Items, 1, c.name)
		require.Equal(t, id, p.Items[0].Target.String(), c.name)
		r, err := s.Apply(t.Context(), p, ldapsync.ApplyOptions{})
		require.NoError(t, err)
		require.True(t, r.OK())
		for _, w := range server.Writes() {
			require.NotContains(t, string(w.Body), "onPremisesImmutableId", "the anchor is read, not written")
		}
	}
}

// TestDeviceCycle: computers are joined by their objectGUID, get extension attributes, and are left alone on leaving.
func TestDeviceCycle(t *testing.T) {
	server := entratest.New(entratest.Config{})
	ad := memdir.New(memdir.Config{})
	ou, err := ad.AddOU("OU=PCs,DC=ashdown,DC=example")
	require.NoError(t, err)
	away, err := ad.AddOU("OU=Old,DC=ashdown,DC=example")
	require.NoError(t, err)
	pc := computer(1)
	_, err = ad.Add(pc.With("location", "Ward 3"))
	require.NoError(t, err)
	id := server.AddDevice(entratest.Object{"deviceId": pc.ID.String(), "displayName": "PC-001", "trustType": "ServerAd", "onPremisesSyncEnabled": true})
	tr := entra.DevicesTrack(ou.DN.String(), ldapsync.Mapping{ldapsync.Copy("location", "extensionAttribute1")})
	tr.Scope.Conditions = nil // its certificate is not the matter here
	s := &ldapsync.Syncer{Source: ad, Target: target(t, server.Transport()), State: memstate.New(), Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{tr}}}
	cycle := func() *ldapsync.Plan {
		p, err := s.Plan(t.Context())
		require.NoError(t, err)
		r, err := s.Apply(t.Context(), p, ldapsync.ApplyOptions{Accept: accepts(p)})
		require.NoError(t, err)
		require.True(t, r.OK(), r.Problems)
		return p
	}
	require.Equal(t, 1, cycle().Count(ldapsync.ActionUpdate))
	d, _ := server.Device(id)
	require.Equal(t, "Ward 3", d["extensionAttributes"].(map[string]any)["extensionAttribute1"])
	require.NoError(t, ad.Move(pc.ID, away.DN))
	server.ResetRequests()
	require.Equal(t, 1, cycle().Count(ldapsync.ActionStop))
	require.Empty(t, server.Writes())
}

// TestEnginePace: through the whole engine, with reads before and after each write and 300 ms for every call, forty
// workers use the budget up.
func TestEnginePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		ad, _ := estate(t, server, 1000)
		g := target(t, server.Transport(), func(c *entra.Config) { c.Budget, c.Settle, c.Linger = nil, 0, 0 })
		s := &ldapsync.Syncer{Source: ad, Target: g, State: memstate.New(), Workers: 40, TempDir: t.TempDir(),
			Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{track(ldapsync.Copy("department", "department"))}}}
		p, err := s.Plan(t.Context())
		require.NoError(t, err)
		server.Script(entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Times: -1, Delay: 300 * time.Millisecond})
		begin := time.Now()
		r, err := s.Apply(t.Context(), p, ldapsync.ApplyOptions{})
		require.NoError(t, err)
		require.Equal(t, 1000, r.Writes)
		took := time.Since(begin)
		t.Logf("%s for 1,000 writes", took)
		require.Less(t, took, 53*time.Second)
		require.Equal(t, 20, entratest.Peak(server.Writes(), time.Second))
	})
}
