package ldapsync_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"iter"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

const (
	usersOU   = "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"
	devicesOU = "OU=HybridComputers,DC=ashdown,DC=example"
	people    = "OU=Ashdown,DC=prov,DC=example"
	copies    = "OU=Devices,OU=Ashdown,DC=prov,DC=example"
)

var clock = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// A world is two directories in memory and an engine between them.
type world struct {
	t        *testing.T
	src, dst *memdir.Dir
	state    ldapsync.State
	*ldapsync.Syncer
}

func newWorld(t *testing.T) *world {
	w := &world{
		t:     t,
		src:   memdir.New(memdir.Config{Seed: 1, Info: ldapsync.DirectoryInfo{Server: "dc1.ashdown.example", Domain: ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"}}}),
		dst:   memdir.New(memdir.Config{Seed: 2}),
		state: memstate.New(),
	}
	for _, ou := range []string{usersOU, devicesOU} {
		_, err := w.src.AddOU(ou)
		require.NoError(t, err)
	}
	for _, ou := range []string{people, copies} {
		_, err := w.dst.AddOU(ou)
		require.NoError(t, err)
	}
	w.Syncer = &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{
			ldapsync.UsersTrack(usersOU, people, append(ldapsync.CloudSSOUsers(ldapsync.DefaultCarriers()), ldapsync.UserProfile("title", "department")...)),
			ldapsync.DevicesTrack(devicesOU, copies, ldapsync.HybridJoinDevices(ldapsync.DefaultCarriers())),
		}},
		Source: w.src, Target: w.dst, State: w.state,
		Now:   func() time.Time { return clock },
		Retry: ldapsync.Retry{Attempts: 3, Base: time.Microsecond, Max: time.Microsecond},
	}
	return w
}

func sid(rid int) string {
	s, err := ldapsync.ParseSID(fmt.Sprintf("S-1-5-21-214434701-3963466206-1237063796-%d", rid))
	if err != nil {
		panic(err)
	}
	return s.Raw()
}

// user adds a user to the source, and the person that another product provisioned to the target.
func (w *world) user(n int) ldapsync.GUID {
	w.t.Helper()
	name := fmt.Sprintf("user%03d", n)
	upn := name + "@ashdown.example"
	id, err := w.src.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN(usersOU).Child("CN", name), ldapsync.User,
		ldapsync.Values("sAMAccountName", name), ldapsync.Values("userPrincipalName", upn), ldapsync.Values("objectSid", sid(1000+n)),
		ldapsync.Values("title", "Nurse"), ldapsync.Values("department", "Ward "+fmt.Sprint(n%7))))
	require.NoError(w.t, err)
	_, err = w.dst.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN(people).Child("CN", name), ldapsync.User, ldapsync.Values("userPrincipalName", upn)))
	require.NoError(w.t, err)
	return id
}

func (w *world) users(n int) []ldapsync.GUID {
	var ids []ldapsync.GUID
	for i := range n {
		ids = append(ids, w.user(i))
	}
	return ids
}

// device adds a computer with a hybrid-join certificate that is valid around the test's clock.
func (w *world) device(n int) ldapsync.GUID {
	w.t.Helper()
	name := fmt.Sprintf("PC%03d", n)
	id, err := w.src.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN(devicesOU).Child("CN", name), ldapsync.Device,
		ldapsync.Values("dNSHostName", strings.ToLower(name)+".ashdown.example"), ldapsync.Values("operatingSystem", "Windows 11 Enterprise"),
		ldapsync.Values("operatingSystemVersion", "10.0 (26100)"), ldapsync.Values("objectSid", sid(5000+n)), ldapsync.Values("userAccountControl", "4096")))
	require.NoError(w.t, err)
	require.NoError(w.t, w.src.Set(id, "userCertificate", certificate(w.t, id.String(), clock.AddDate(-1, 0, 0), clock.AddDate(9, 0, 0))))
	return id
}

func certificate(t testing.TB, cn string, from, to time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	return string(der)
}

func (w *world) plan() *ldapsync.Plan {
	w.t.Helper()
	p, err := w.Plan(context.Background())
	require.NoError(w.t, err)
	return p
}

func (w *world) apply(p *ldapsync.Plan, accept ...string) *ldapsync.Report {
	w.t.Helper()
	r, err := w.Apply(context.Background(), p, ldapsync.ApplyOptions{Accept: accept})
	require.NoError(w.t, err)
	return r
}

// cycle plans and applies, and requires that everything was carried out.
func (w *world) cycle() *ldapsync.Plan {
	w.t.Helper()
	p := w.plan()
	require.Empty(w.t, p.Trips)
	r := w.apply(p)
	require.True(w.t, r.OK(), "%+v", r)
	return p
}

// settled requires that nothing is left to write, twice.
func (w *world) settled() {
	w.t.Helper()
	before := w.dst.Dump()
	p := w.plan()
	require.True(w.t, p.Empty(), text(p))
	require.Zero(w.t, w.apply(p).Writes)
	require.Equal(w.t, before, w.dst.Dump())
}

func text(p *ldapsync.Plan) string {
	var b bytes.Buffer
	if err := p.WriteText(&b, ldapsync.TextOptions{}); err != nil {
		return err.Error()
	}
	return b.String()
}

// person returns the target object of the n-th user.
func (w *world) person(n int) ldapsync.Object {
	w.t.Helper()
	o, ok := w.dst.At(fmt.Sprintf("CN=user%03d,%s", n, people))
	require.True(w.t, ok)
	return o
}

// only returns the plan's one item for a source object.
func only(t *testing.T, p *ldapsync.Plan, id ldapsync.GUID) ldapsync.Item {
	t.Helper()
	var found []ldapsync.Item
	for _, it := range p.Items {
		if it.Source == id {
			found = append(found, it)
		}
	}
	require.Len(t, found, 1, text(p))
	return found[0]
}

func attrs(it ldapsync.Item) (set, cleared []string) {
	for _, e := range it.Edits {
		if len(e.After) == 0 {
			cleared = append(cleared, e.Attr)
		} else {
			set = append(set, e.Attr)
		}
	}
	return
}

func TestInitialSyncThenNothing(t *testing.T) {
	w := newWorld(t)
	w.users(30)
	dev := w.device(1)
	p := w.cycle()
	require.Equal(t, 30, p.Count(ldapsync.ActionUpdate))
	require.Equal(t, 1, p.Count(ldapsync.ActionCreate))
	o := w.person(4)
	require.Equal(t, []string{"user004"}, o.All("msDS-cloudExtensionAttribute4"))
	require.Equal(t, []string{"ashdown.example"}, o.All("msDS-cloudExtensionAttribute2"))
	require.Equal(t, []string{"S-1-5-21-214434701-3963466206-1237063796-1004"}, o.All("msDS-cloudExtensionAttribute1"))
	pc, ok := w.dst.At("CN=PC001," + copies)
	require.True(t, ok)
	require.Equal(t, []string{dev.Raw()}, pc.All("mS-DS-ConsistencyGuid"), "the copy carries the source's objectGUID")
	require.NotEqual(t, dev, pc.ID)
	require.Len(t, pc.All("userCertificate"), 1)
	w.settled()
}

func TestLeaverIsRevertedToNull(t *testing.T) {
	w := newWorld(t)
	ids := w.users(30)
	before := w.person(3)
	require.NoError(t, w.dst.Set(w.person(3).ID, "telephoneNumber", "01632 960001"))
	w.cycle()
	require.NoError(t, w.src.Move(ids[3], ldapsync.MustParseDN("OU=TANSync,DC=ashdown,DC=example")))
	p := w.plan()
	it := only(t, p, ids[3])
	require.Equal(t, ldapsync.ActionRevert, it.Action)
	require.Contains(t, it.Reason, "moved out of the OU")
	w.apply(p)
	after := w.person(3)
	require.Equal(t, []string{"01632 960001"}, after.All("telephoneNumber"), "what the engine did not write stays")
	for a := range after.Attrs() {
		if !strings.EqualFold(a.Name, "telephoneNumber") {
			require.Equal(t, before.All(a.Name), a.Values, a.Name)
		}
	}
	w.settled()
	// Coming back is like joining.
	require.NoError(t, w.src.Move(ids[3], ldapsync.MustParseDN(usersOU)))
	w.cycle()
	require.Equal(t, []string{"user003"}, w.person(3).All("msDS-cloudExtensionAttribute4"))
	w.settled()
}

func TestMoverAndRename(t *testing.T) {
	w := newWorld(t)
	ids := w.users(30)
	dev := w.device(7)
	w.cycle()
	require.NoError(t, w.src.Rename(ids[2], "Oakley, Ann"))
	require.NoError(t, w.src.Set(ids[2], "department", "Theatre"))
	require.NoError(t, w.src.Rename(dev, "PC700"))
	p := w.plan()
	set, cleared := attrs(only(t, p, ids[2]))
	require.Equal(t, []string{"department"}, set, "a new name is no change of identity")
	require.Empty(t, cleared)
	w.apply(p)
	_, ok := w.dst.At("CN=PC700," + copies)
	require.True(t, ok, w.dst.Dump())
	w.settled()
}

func TestClearedAndUnreadable(t *testing.T) {
	w := newWorld(t)
	ids := w.users(30)
	w.cycle()
	require.NoError(t, w.src.Set(ids[1], "title"))
	require.NoError(t, w.src.DenyRead(ids[2], "title"))
	p := w.plan()
	_, cleared := attrs(only(t, p, ids[1]))
	require.Equal(t, []string{"title"}, cleared)
	it := only(t, p, ids[2])
	require.Equal(t, ldapsync.ActionHold, it.Action)
	require.Equal(t, "title cannot be read", it.Notes[0].Reason)
	w.apply(p)
	require.Empty(t, w.person(1).All("title"))
	require.Equal(t, []string{"Nurse"}, w.person(2).All("title"))
}

func TestForeignValuesAreNotCleared(t *testing.T) {
	w := newWorld(t)
	ids := w.users(10)
	require.NoError(t, w.src.Set(ids[1], "title"))
	require.NoError(t, w.dst.Set(w.person(1).ID, "title", "Registrar"))
	p := w.plan()
	it := only(t, p, ids[1])
	require.Contains(t, it.Notes[0].Reason, "did not write")
	w.apply(p)
	require.Equal(t, []string{"Registrar"}, w.person(1).All("title"))

	// A value edited by hand after the engine wrote it is neither cleared nor reverted.
	require.NoError(t, w.dst.Set(w.person(2).ID, "title", "Charge nurse"))
	require.NoError(t, w.src.Move(ids[2], ldapsync.MustParseDN("OU=TANSync,DC=ashdown,DC=example")))
	p = w.plan()
	it = only(t, p, ids[2])
	_, cleared := attrs(it)
	require.NotContains(t, cleared, "title")
	require.Contains(t, it.Notes[0].Reason, "changed at the target")
}

func TestOURenamedMovedReplacedDeleted(t *testing.T) {
	w := newWorld(t)
	w.users(30)
	w.cycle()
	ou, err := w.src.Container(context.Background(), ldapsync.ContainerRef{DN: usersOU})
	require.NoError(t, err)
	require.NoError(t, w.src.Rename(ou.ID, "Renamed"))
	p := w.plan()
	require.True(t, p.Empty(), text(p))
	require.Contains(t, strings.Join(p.Notices, "\n"), "followed by its objectGUID")
	require.NoError(t, w.src.Move(ou.ID, ldapsync.MustParseDN("DC=ashdown,DC=example")))
	require.True(t, w.plan().Empty())

	// Another OU takes the old name while the old one is still there: nothing changes.
	_, err = w.src.AddOU(usersOU)
	require.NoError(t, err)
	require.True(t, w.plan().Empty())
	// The old one is hidden, as after a lost right: the new one is not taken for it.
	require.NoError(t, w.src.Hide(ou.ID, true))
	p = w.plan()
	require.Equal(t, "ou-replaced:users", p.Trips[0].Guard)
	_, err = w.Apply(context.Background(), p, ldapsync.ApplyOptions{})
	var blocked *ldapsync.BlockedError
	require.ErrorAs(t, err, &blocked)
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	t.Run("OU not found", func(t *testing.T) {
		w := newWorld(t)
		w.Organisation.Tracks[0].Scope.OUs[0].DN = "OU=Nowhere,DC=ashdown,DC=example"
		_, err := w.Plan(ctx)
		var refused *ldapsync.RefusedError
		require.ErrorAs(t, err, &refused)
		require.ErrorIs(t, err, ldapsync.ErrNotFound)
		require.Contains(t, err.Error(), "OU=Nowhere,DC=ashdown,DC=example cannot be found")
	})
	t.Run("partial read", func(t *testing.T) {
		w := newWorld(t)
		w.users(5)
		w.src.SetHook(memdir.PartialRead(3))
		_, err := w.Plan(ctx)
		require.ErrorIs(t, err, ldapsync.ErrPartial)
	})
	t.Run("partial read of the target", func(t *testing.T) {
		w := newWorld(t)
		w.users(5)
		w.dst.SetHook(memdir.PartialRead(3))
		_, err := w.Plan(ctx)
		require.ErrorIs(t, err, ldapsync.ErrPartial)
	})
	t.Run("global catalog", func(t *testing.T) {
		w := newWorld(t)
		w.Source = memdir.New(memdir.Config{Info: ldapsync.DirectoryInfo{Partial: true}})
		_, err := w.Plan(ctx)
		require.ErrorContains(t, err, "Global Catalog")
	})
	t.Run("cancelled", func(t *testing.T) {
		w := newWorld(t)
		w.users(5)
		done, cancel := context.WithCancel(ctx)
		cancel()
		_, err := w.Plan(done)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("plan of another organisation", func(t *testing.T) {
		w := newWorld(t)
		p := w.plan()
		w.Organisation.Name = "other"
		_, err := w.Apply(ctx, p, ldapsync.ApplyOptions{})
		require.ErrorContains(t, err, "for the organisation ashdown")
	})
	t.Run("edited plan", func(t *testing.T) {
		w := newWorld(t)
		w.users(5)
		p := w.plan()
		p.Items[0].Edits[0].After = ldapsync.ValueList{"x"}
		_, err := w.Apply(ctx, p, ldapsync.ApplyOptions{})
		require.ErrorContains(t, err, "changed after it was made")
	})
	t.Run("inactive", func(t *testing.T) {
		w := newWorld(t)
		w.users(5)
		w.Organisation.Inactive = true
		p := w.plan()
		require.Empty(t, p.Items)
		require.Zero(t, w.src.Counts().Reads)
	})
}

func TestGuards(t *testing.T) {
	out := ldapsync.MustParseDN("OU=TANSync,DC=ashdown,DC=example")
	guards := func(p *ldapsync.Plan) (names []string) {
		for _, tr := range p.Trips {
			names = append(names, tr.Guard)
		}
		return
	}
	t.Run("reverts", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(40)
		w.cycle()
		for _, id := range ids[:5] {
			require.NoError(t, w.src.Move(id, out))
		}
		p := w.plan()
		require.Equal(t, []string{"reverts:users"}, guards(p))
		require.Contains(t, p.Trips[0].Saw, "5 of 40")
		_, err := w.Apply(context.Background(), p, ldapsync.ApplyOptions{Accept: []string{"reverts:users"}})
		require.Error(t, err, "an acceptance names the plan")
		require.True(t, w.apply(p, p.Trips[0].Accept).OK())
		require.Equal(t, 5, p.Count(ldapsync.ActionRevert))
		w.settled()
	})
	t.Run("clears of one attribute", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(40)
		w.cycle()
		for _, id := range ids[:5] {
			require.NoError(t, w.src.Set(id, "title"))
		}
		require.Equal(t, []string{"clears:users:title"}, guards(w.plan()))
		w.Guards.Clears.Off = true
		require.Empty(t, guards(w.plan()))
	})
	t.Run("empty read", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(40)
		w.cycle()
		ou, err := w.src.Container(context.Background(), ldapsync.ContainerRef{DN: usersOU})
		require.NoError(t, err)
		require.NoError(t, w.src.DenyList(ou.ID, true))
		p := w.plan()
		require.Equal(t, []string{"listing:users", "empty-read:users"}, guards(p))
		require.Equal(t, 40, p.Count(ldapsync.ActionHold))
		require.True(t, p.Empty())
		require.NoError(t, w.src.DenyList(ou.ID, false))
		for _, id := range ids {
			require.NoError(t, w.src.Delete(id))
		}
		p = w.plan()
		require.Contains(t, guards(p), "empty-read:users")
	})
	t.Run("floor", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(40)
		w.cycle()
		for _, id := range ids[:12] {
			require.NoError(t, w.src.Delete(id))
		}
		require.Equal(t, []string{"floor:users"}, guards(w.plan()), "the first cycle only holds what is missing")
		w.Guards.Floor = 50
		require.Empty(t, guards(w.plan()))
	})
	t.Run("canary", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(10)
		w.Organisation.Tracks[0].Scope.Canaries = []ldapsync.Canary{{ID: ids[0], Attrs: []string{"title"}}, {DN: "CN=user001," + usersOU}}
		w.cycle()
		require.NoError(t, w.src.DenyRead(ids[0], "title"))
		require.Equal(t, []string{"canary:users"}, guards(w.plan()))
		require.NoError(t, w.src.AllowRead(ids[0]))
		require.Empty(t, guards(w.plan()))
		require.NoError(t, w.src.Move(ids[1], out))
		require.Equal(t, []string{"canary:users"}, guards(w.plan()))
	})
	t.Run("deletes", func(t *testing.T) {
		w := newWorld(t)
		w.Organisation.Tracks[1].Policy.Leave = ldapsync.LeaveDelete
		var ids []ldapsync.GUID
		for i := range 20 {
			ids = append(ids, w.device(i))
		}
		w.cycle()
		for _, id := range ids[:3] {
			require.NoError(t, w.src.Move(id, out))
		}
		p := w.plan()
		require.Equal(t, []string{"deletes:devices"}, guards(p))
		require.True(t, w.apply(p, p.Trips[0].Accept).OK())
		_, there := w.dst.At("CN=PC000," + copies)
		require.False(t, there)
		w.settled()
	})
}

func TestMissingObjectsWaitACycle(t *testing.T) {
	w := newWorld(t)
	ids := w.users(30)
	w.cycle()
	require.NoError(t, w.src.Delete(ids[5]))
	p := w.cycle()
	require.Equal(t, ldapsync.ActionHold, only(t, p, ids[5]).Action)
	p = w.cycle()
	require.Equal(t, ldapsync.ActionRevert, only(t, p, ids[5]).Action)
	require.Empty(t, w.person(5).All("title"))
	w.settled()
	// Hidden for a cycle and back again: nothing was lost.
	require.NoError(t, w.src.Hide(ids[6], true))
	w.cycle()
	require.NoError(t, w.src.Hide(ids[6], false))
	w.cycle()
	require.Equal(t, []string{"Nurse"}, w.person(6).All("title"))
	require.NoError(t, w.src.Hide(ids[6], true))
	require.Equal(t, ldapsync.ActionHold, only(t, w.cycle(), ids[6]).Action, "the count starts again")
}

func TestChildOUHolds(t *testing.T) {
	w := newWorld(t)
	ids := w.users(30)
	w.cycle()
	child := ldapsync.MustParseDN(usersOU).Child("OU", "Night staff")
	_, err := w.src.AddOU(child.String())
	require.NoError(t, err)
	require.NoError(t, w.src.Move(ids[9], child))
	p := w.plan()
	require.Equal(t, ldapsync.ActionHold, only(t, p, ids[9]).Action)
	require.Contains(t, strings.Join(p.Notices, "\n"), "Night staff")
	w.Organisation.Tracks[0].Policy.LeaveToChildOU = true
	require.Equal(t, ldapsync.ActionRevert, only(t, w.plan(), ids[9]).Action)
	w.Organisation.Tracks[0].Scope.Subtree = true
	require.True(t, w.plan().Empty())
}

func TestConflicts(t *testing.T) {
	t.Run("duplicate anchors", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(10)
		for _, id := range ids[:2] {
			require.NoError(t, w.src.Set(id, "mS-DS-ConsistencyGuid", "0123456789abcdef"))
		}
		p := w.plan()
		require.Equal(t, 2, p.Count(ldapsync.ActionConflict))
		require.Contains(t, only(t, p, ids[0]).Reason, "same source anchor")
	})
	t.Run("duplicate match keys at the source", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(10)
		require.NoError(t, w.src.Set(ids[1], "userPrincipalName", "USER000@ashdown.example"))
		p := w.plan()
		require.Equal(t, 2, p.Count(ldapsync.ActionConflict))
		require.Contains(t, only(t, p, ids[1]).Reason, "same target object")
	})
	t.Run("duplicate match keys at the target", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(10)
		require.NoError(t, w.dst.Set(w.person(1).ID, "userPrincipalName", "user000@ashdown.example"))
		p := w.plan()
		require.Contains(t, only(t, p, ids[0]).Reason, "2 target objects match userPrincipalName")
		require.Equal(t, ldapsync.ActionWait, only(t, p, ids[1]).Action)
	})
	t.Run("deleted and made again with the same name", func(t *testing.T) {
		w := newWorld(t)
		ids := w.users(30)
		w.cycle()
		old, _ := w.src.Object(ids[4])
		require.NoError(t, w.src.Delete(ids[4]))
		again, err := w.src.Add(ldapsync.NewObject(ldapsync.GUID{}, old.DN, ldapsync.User, ldapsync.Values("userPrincipalName", "user004@ashdown.example"), ldapsync.Values("sAMAccountName", "user004")))
		require.NoError(t, err)
		p := w.cycle()
		require.Equal(t, ldapsync.ActionConflict, only(t, p, again).Action)
		require.Equal(t, ldapsync.ActionHold, only(t, p, ids[4]).Action)
		p = w.cycle()
		require.Equal(t, ldapsync.ActionRevert, only(t, p, ids[4]).Action)
		p = w.cycle()
		require.Equal(t, ldapsync.ActionUpdate, only(t, p, again).Action)
		w.settled()
	})
	t.Run("name taken", func(t *testing.T) {
		w := newWorld(t)
		dev := w.device(3)
		_, err := w.dst.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN(copies).Child("CN", "PC003"), ldapsync.Device))
		require.NoError(t, err)
		require.Contains(t, only(t, w.plan(), dev).Reason, "already there")
	})
}

func TestDeviceCertificateHolds(t *testing.T) {
	w := newWorld(t)
	good, none, foreign, old, braces := w.device(1), w.device(2), w.device(3), w.device(4), w.device(5)
	require.NoError(t, w.src.Set(none, "userCertificate"))
	require.NoError(t, w.src.Set(foreign, "userCertificate", certificate(t, "PC003.ashdown.example", clock.AddDate(-1, 0, 0), clock.AddDate(1, 0, 0)), "not a certificate"))
	require.NoError(t, w.src.Set(old, "userCertificate", certificate(t, old.String(), clock.AddDate(-2, 0, 0), clock.AddDate(-1, 0, 0))))
	enterprise := certificate(t, "PC005.ashdown.example", clock.AddDate(-1, 0, 0), clock.AddDate(1, 0, 0))
	own := certificate(t, "{"+braces.String()+"}", clock.AddDate(-1, 0, 0), clock.AddDate(1, 0, 0))
	require.NoError(t, w.src.Set(braces, "userCertificate", enterprise, own))
	p := w.cycle()
	require.Equal(t, ldapsync.ActionCreate, only(t, p, good).Action)
	require.Contains(t, only(t, p, none).Reason, "userCertificate is absent")
	require.Contains(t, only(t, p, foreign).Reason, "no certificate has the subject")
	require.Contains(t, only(t, p, old).Reason, "expired on 2025-11-20")
	pc, _ := w.dst.At("CN=PC005," + copies)
	require.Equal(t, []string{own}, pc.All("userCertificate"), "enterprise certificates stay behind")

	// An expired certificate on a synchronised device is reported; the copy stays as it is.
	require.NoError(t, w.src.Set(good, "userCertificate", certificate(t, good.String(), clock.AddDate(-2, 0, 0), clock.AddDate(-1, 0, 0))))
	before := w.dst.Dump()
	p = w.cycle()
	require.Equal(t, ldapsync.ActionHold, only(t, p, good).Action)
	require.Equal(t, before, w.dst.Dump())
	// Leaving the OU stops the synchronisation and deletes nothing.
	require.NoError(t, w.src.Move(good, ldapsync.MustParseDN("DC=ashdown,DC=example")))
	p = w.cycle()
	require.Equal(t, ldapsync.ActionStop, only(t, p, good).Action)
	require.Equal(t, before, w.dst.Dump())
}

func TestConcurrentEditIsRefused(t *testing.T) {
	w := newWorld(t)
	w.users(20)
	p := w.plan()
	require.NoError(t, w.dst.Set(w.person(7).ID, "title", "Sister"))
	r := w.apply(p)
	require.Equal(t, 1, r.Refused)
	require.Equal(t, 19, r.Done["update"])
	require.Contains(t, r.Problems[0].Error, "changed since the plan was made")
	require.Equal(t, []string{"Sister"}, w.person(7).All("title"))
	_, err := w.Apply(context.Background(), p, ldapsync.ApplyOptions{})
	var stale *ldapsync.StalePlanError
	require.ErrorAs(t, err, &stale)
	require.True(t, stale.Applied)
	// The next plan sees the edit, says so, and the mapping wins.
	require.Equal(t, 1, w.cycle().Count(ldapsync.ActionUpdate))
	require.Equal(t, []string{"Nurse"}, w.person(7).All("title"))
}

func TestTransientAndUnclearWrites(t *testing.T) {
	for name, hook := range map[string]memdir.Hook{
		"busy":                     memdir.Busy(memdir.OpWrite, 2),
		"answer lost, not written": memdir.LoseAnswers(2, false),
		"answer lost, written":     memdir.LoseAnswers(5, true),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.users(20)
			w.device(1)
			w.dst.SetHook(hook)
			w.cycle()
			w.dst.SetHook(nil)
			w.settled()
		})
	}
	t.Run("for ever", func(t *testing.T) {
		w := newWorld(t)
		w.users(3)
		w.dst.SetHook(memdir.Busy(memdir.OpWrite, 1<<30))
		r := w.apply(w.plan())
		require.Equal(t, 3, r.Failed)
		require.Contains(t, r.Problems[0].Error, "after 3 tries")
		w.dst.SetHook(nil)
		w.cycle()
		w.settled()
	})
}

func TestUnmappedAttributeIsReverted(t *testing.T) {
	w := newWorld(t)
	w.users(3)
	w.cycle()
	m := w.Organisation.Tracks[0].Mapping
	w.Organisation.Tracks[0].Mapping = m[:len(m)-1] // no rule for title any more
	w.Guards.Clears.Off = true
	p := w.cycle()
	_, cleared := attrs(p.Items[0])
	require.Equal(t, []string{"title"}, cleared)
	w.settled()
}

func TestLostState(t *testing.T) {
	w := newWorld(t)
	ids := w.users(10)
	w.device(1)
	w.cycle()
	w.State = memstate.New()
	before := w.dst.Dump()
	p := w.cycle()
	require.True(t, p.Empty())
	require.Equal(t, 11, p.Count(ldapsync.ActionJoin))
	require.Equal(t, before, w.dst.Dump())
	w.settled()
	require.NoError(t, w.src.Move(ids[0], ldapsync.MustParseDN("DC=ashdown,DC=example")))
	require.Equal(t, ldapsync.ActionStop, only(t, w.plan(), ids[0]).Action, "nothing is known to be ours")

	w.State = memstate.New()
	require.NoError(t, w.src.Move(ids[0], ldapsync.MustParseDN(usersOU)))
	w.Organisation.Tracks[0].Join.Adopt = true
	w.cycle()
	require.NoError(t, w.src.Move(ids[0], ldapsync.MustParseDN("DC=ashdown,DC=example")))
	_, cleared := attrs(only(t, w.plan(), ids[0]))
	require.Contains(t, cleared, "title")
}

func TestCounterpartDeletedAtTheTarget(t *testing.T) {
	w := newWorld(t)
	dev := w.device(1)
	ids := w.users(2)
	w.cycle()
	pc, _ := w.dst.At("CN=PC001," + copies)
	require.NoError(t, w.dst.Delete(pc.ID))
	require.NoError(t, w.dst.Delete(w.person(1).ID))
	p := w.plan()
	require.Equal(t, ldapsync.ActionCreate, only(t, p, dev).Action)
	require.Contains(t, only(t, p, dev).Reason, "deleted at the target")
	require.Equal(t, ldapsync.ActionWait, only(t, p, ids[1]).Action)
	w.apply(p)
	require.Equal(t, ldapsync.ActionWait, only(t, w.plan(), ids[1]).Action)
}

func TestHiddenAnchorHolds(t *testing.T) {
	w := newWorld(t)
	ids := w.users(3)
	require.NoError(t, w.src.Set(ids[0], "mS-DS-ConsistencyGuid", "0123456789abcdef"))
	// As Active Directory does it: the attribute is merely not there, and only the security descriptor knows why.
	w.Source = silent{w.src, "mS-DS-ConsistencyGuid"}
	p := w.plan()
	require.Equal(t, 3, p.Count(ldapsync.ActionHold), text(p))
	require.Contains(t, only(t, p, ids[0]).Reason, "source anchor mS-DS-ConsistencyGuid cannot be read")
	w.Source = w.src
	w.cycle()
	require.Equal(t, []string{"0123456789abcdef"}, w.person(0).All("mS-DS-ConsistencyGuid"))
	require.Equal(t, []string{ids[1].Raw()}, w.person(1).All("mS-DS-ConsistencyGuid"))
	// For objects that are joined already nothing depends on it.
	w.Source = silent{w.src, "title"}
	p = w.plan()
	require.True(t, p.Empty(), text(p))
	require.Contains(t, strings.Join(p.Notices, "\n"), "title cannot be read on 3 objects")
}

// silent is a source that leaves an attribute out without a word, and says so only when asked.
type silent struct {
	*memdir.Dir
	attr string
}

func (s silent) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		for o, err := range s.Dir.Read(ctx, q) {
			if !yield(o.With(s.attr), err) {
				return
			}
		}
	}
}

func (s silent) VerifyAbsent(_ context.Context, _ ldapsync.GUID, attrs []string) ([]ldapsync.Presence, error) {
	out := make([]ldapsync.Presence, len(attrs))
	for i, a := range attrs {
		if strings.EqualFold(a, s.attr) {
			out[i] = ldapsync.Unreadable
		}
	}
	return out, nil
}

func TestServerChangesDuringTheRead(t *testing.T) {
	w := newWorld(t)
	w.users(3)
	w.Source = &fickle{Dir: w.src}
	_, err := w.Plan(context.Background())
	require.ErrorIs(t, err, ldapsync.ErrPartial)
	require.ErrorContains(t, err, "another server (dc2")
}

// fickle answers from another domain controller the second time it is asked who it is.
type fickle struct {
	*memdir.Dir
	asked int
}

func (f *fickle) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	f.asked++
	i, err := f.Dir.Info(ctx)
	i.Server = fmt.Sprintf("dc%d.ashdown.example", f.asked)
	return i, err
}

func TestRateAndRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.users(40)
		w.Rate = 20
		start := time.Now()
		w.cycle()
		// The first write is free, the others are 50 ms apart.
		require.Equal(t, 39*50*time.Millisecond, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.users(1)
		asked := 0
		w.dst.SetHook(func(e memdir.Event) error {
			if e.Op == memdir.OpWrite && !e.Done {
				if asked++; asked == 1 {
					return later{}
				}
			}
			return nil
		})
		start := time.Now()
		w.cycle()
		require.Equal(t, 42*time.Second, time.Since(start))
	})
}

// later is a refusal that says when to try again.
type later struct{}

func (later) Error() string             { return "too many requests" }
func (later) RetryAfter() time.Duration { return 42 * time.Second }
func (later) Unwrap() error             { return ldapsync.ErrTransient }

// TestUnconfirmedWrite is about a target that accepts a write and does not keep it.
func TestUnconfirmedWrite(t *testing.T) {
	w := newWorld(t)
	w.users(2)
	w.Target = forgetful{w.dst}
	r := w.apply(w.plan())
	require.Equal(t, 2, r.Failed)
	require.Contains(t, r.Problems[0].Error, "accepted the write but does not show it")
	w.SkipConfirm = true
	require.True(t, w.apply(w.plan()).OK())
}

type forgetful struct{ *memdir.Dir }

func (f forgetful) Write(_ context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	return c.ID, nil
}
