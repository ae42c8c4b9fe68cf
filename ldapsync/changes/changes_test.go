package changes_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adtest"
	"go.internal/hybridkit/ldapsync/changes"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
)

var _ changes.Directory = (*ldapdir.Dir)(nil)
var _ changes.Notifier = (*ldapdir.Dir)(nil)

const base = "DC=ashdown,DC=example"

var asked = []string{"displayName", "title", "department", "otherTelephone"}

// A world is a domain with an organisational unit that is read.
type world struct {
	t       *testing.T
	dc      *adtest.Server
	dir     *ldapdir.Dir
	state   ldapsync.State
	ou      ldapsync.Container
	source  *changes.Source
	reading changes.Reading // the last one
	now     time.Time
}

func newWorld(t *testing.T, account string, cfg adtest.Config) *world {
	cfg.Socketless = true
	cfg.Accounts = append(adtest.DefaultAccounts(), adtest.Account{Name: "replicator", Password: "Passw0rd-replicator", Replicate: true})
	w := &world{t: t, dc: adtest.New(t, cfg), state: memstate.New(), now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
	for _, ou := range []string{"OU=Staff", "OU=Away", "OU=Old"} {
		_, err := w.dc.Add(ou+","+base, adtest.Attrs{"objectClass": {"organizationalUnit"}})
		require.NoError(t, err)
	}
	for i := range 30 {
		w.add(i)
	}
	w.dir = open(t, w.dc, account)
	w.use(w.dir, changes.Auto)
	var err error
	w.ou, err = w.dir.Container(t.Context(), ldapsync.ContainerRef{DN: "OU=Staff," + base})
	require.NoError(t, err)
	return w
}

func open(t *testing.T, dc *adtest.Server, account string) *ldapdir.Dir {
	d, err := ldapdir.Open(ldapdir.Config{
		TLS: ldapdir.TLS{CAs: dc.CertPool(), ServerName: dc.DNSHostName()}, Dial: dc.Dial, PageSize: 10,
		Bind: ldapdir.Simple{User: account + "@ashdown.example", Password: ldapdir.NewSecret("Passw0rd-" + account)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func (w *world) use(d changes.Directory, m changes.Method) {
	w.source = &changes.Source{Directory: d, State: w.state, Organisation: "ashdown", Method: m,
		Now: func() time.Time { return w.now }, OnRead: func(r changes.Reading) { w.reading = r }}
}

func dn(i int, ou string) string { return fmt.Sprintf("CN=user%03d,OU=%s,%s", i, ou, base) }

func (w *world) add(i int) {
	_, err := w.dc.Add(dn(i, "Staff"), adtest.Attrs{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("user%03d", i)},
		"displayName": {fmt.Sprintf("User %d", i)}, "title": {"Nurse"}})
	require.NoError(w.t, err)
}

func (w *world) query() ldapsync.Query {
	return ldapsync.Query{Class: ldapsync.User, Container: w.ou, Attrs: asked}
}

// show prints objects so that two reads can be compared.
func show(t *testing.T, s ldapsync.Source, q ldapsync.Query) string {
	t.Helper()
	text, err := try(t.Context(), s, q)
	require.NoError(t, err)
	return text
}

func try(ctx context.Context, s ldapsync.Source, q ldapsync.Query) (string, error) {
	var lines []string
	for o, err := range s.Read(ctx, q) {
		if err != nil {
			return "", err
		}
		l := o.DN.String() + " " + o.ID.String() + " " + o.Class.String()
		for a := range o.Attrs() {
			if slices.ContainsFunc(q.Attrs, func(n string) bool { return strings.EqualFold(n, a.Name) }) {
				l += fmt.Sprintf(" %s=%q", a.Name, slices.Sorted(slices.Values(a.Values)))
			}
		}
		lines = append(lines, l)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

// check requires that a read through the copy gives what a direct read gives.
func (w *world) check() {
	w.t.Helper()
	require.Equal(w.t, show(w.t, w.dir, w.query()), show(w.t, w.source, w.query()))
}

// TestMethods: the account's rights decide; every method reads only what changed.
func TestMethods(t *testing.T) {
	for _, c := range []struct {
		account string
		ask     changes.Method
		want    changes.Method
	}{
		{"admin", changes.Auto, changes.DirSync},
		{"replicator", changes.Auto, changes.DirSync},
		{"reader", changes.Auto, changes.DirSyncObjectSecurity},
		{"reader", changes.DirSyncObjectSecurity, changes.DirSyncObjectSecurity},
		{"replicator", changes.DirSyncObjectSecurity, changes.DirSyncObjectSecurity},
		{"reader", changes.USN, changes.USN},
	} {
		t.Run(c.account+" "+string(c.ask), func(t *testing.T) {
			w := newWorld(t, c.account, adtest.Config{})
			w.use(w.dir, c.ask)
			w.check()
			require.Equal(t, changes.Reading{Class: ldapsync.User, Container: w.ou.DN, Method: c.want, Full: true, Why: "it is the first time", Objects: 30, Fetched: 30}, w.reading)
			w.check()
			require.Equal(t, changes.Reading{Class: ldapsync.User, Container: w.ou.DN, Method: c.want, Objects: 30}, w.reading)

			require.NoError(t, w.dc.Set(dn(3, "Staff"), "title", "Matron"))
			require.NoError(t, w.dc.Set(dn(4, "Staff"), "title"))
			require.NoError(t, w.dc.Move(dn(5, "Staff"), dn(5, "Away")))
			require.NoError(t, w.dc.Move(dn(6, "Staff"), "CN=renamed,OU=Staff,"+base))
			require.NoError(t, w.dc.Delete(dn(7, "Staff")))
			w.add(100)
			w.check()
			require.Equal(t, changes.Reading{Class: ldapsync.User, Container: w.ou.DN, Method: c.want, Objects: 29, Fetched: 4}, w.reading)
			require.NoError(t, w.dc.Move(dn(5, "Away"), dn(5, "Staff")))
			w.check()
			require.Equal(t, 1, w.reading.Fetched)
			require.NoError(t, w.dc.Move("OU=Staff,"+base, "OU=People,"+base))
			w.check()
			require.Zero(t, w.reading.Fetched, "new names come from the sweep")
		})
	}
	w := newWorld(t, "reader", adtest.Config{})
	w.use(w.dir, changes.DirSync)
	_, err := try(t.Context(), w.source, w.query())
	require.ErrorIs(t, err, ldapsync.ErrPermission, "a method that was asked for is not replaced by another")
}

// TestFullReads: what a change number cannot show leads to a full read, and the reason is told.
func TestFullReads(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	why := func(want string, full bool) {
		t.Helper()
		w.check()
		require.Contains(t, w.reading.Why, want)
		require.Equal(t, full, w.reading.Full)
	}
	why("first time", true)
	w.now = w.now.Add(23 * time.Hour)
	why("", false)
	w.now = w.now.Add(time.Hour)
	why("everything was read last at 2026-11-20T09:00:00Z", true)
	w.now = w.now.Add(-time.Minute)
	why("everything was read last", true) // the clock went back

	q := w.query()
	q.Attrs = append(q.Attrs, "mail")
	show(t, w.source, q)
	require.Contains(t, w.reading.Why, "have changed")
	q.Attrs = append(asked, "memberOf")
	for range 2 {
		show(t, w.source, q)
		require.Equal(t, changes.Full, w.reading.Method)
		require.Equal(t, "changes of memberOf do not show in uSNChanged", w.reading.Why)
	}
	w.use(w.dir, changes.Full)
	why("the method is full", true)
	w.use(w.dir, changes.USN)
	why("have changed", true)
	why("", false)
	require.NoError(t, w.dc.SetInvocationID(adtest.GUID{9}))
	why("its invocationId changed", true)

	snap := w.dc.Snapshot()
	require.NoError(t, w.dc.Set(dn(3, "Staff"), "title", "Matron"))
	why("", false)
	w.dc.Restore(snap)
	why("went back: it was restored", true)
	require.NoError(t, w.dc.Set(dn(3, "Staff"), "title", "Sister"))
	why("", false)
}

// TestAnotherController: with all changes told the copy stays good, with change numbers it does not.
func TestAnotherController(t *testing.T) {
	for _, m := range []changes.Method{changes.DirSync, changes.DirSyncObjectSecurity, changes.USN} {
		t.Run(string(m), func(t *testing.T) {
			w := newWorld(t, "admin", adtest.Config{})
			w.use(w.dir, m)
			w.check()
			dc2, err := w.dc.AddDC(adtest.DCConfig{DC: "dc2", Socketless: true, FirstUSN: 90_000})
			require.NoError(t, err)
			require.NoError(t, w.dc.Set(dn(3, "Staff"), "title", "Matron"))
			require.NoError(t, w.dc.Set(dn(4, "Staff"), "title"))
			w.use(open(t, dc2, "admin"), m)
			w.check()
			if m != changes.DirSync {
				require.Equal(t, "dc2.ashdown.example answers instead of dc1.ashdown.example, and change numbers belong to one domain controller", w.reading.Why)
			} else {
				require.Equal(t, changes.Reading{Class: ldapsync.User, Container: w.ou.DN, Method: m, Objects: 30, Fetched: 2}, w.reading)
			}
			require.NoError(t, w.dc.Set(dn(3, "Staff"), "title", "Sister"))
			w.check()
			require.Equal(t, 1, w.reading.Fetched)
			w.use(w.dir, m)
			w.check()
		})
	}
}

// TestRandom: whatever happens between the reads, a read through the copy gives what a direct read gives.
func TestRandom(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 7))
			account := []string{"admin", "replicator", "reader"}[seed%3]
			w := newWorld(t, account, adtest.Config{})
			m := []changes.Method{changes.Auto, changes.DirSyncObjectSecurity, changes.USN}[seed/3%3]
			w.use(w.dir, m)
			dc2, err := w.dc.AddDC(adtest.DCConfig{DC: "dc2", Socketless: true, FirstUSN: 12_000})
			require.NoError(t, err)
			dirs := []*ldapdir.Dir{w.dir, open(t, dc2, account)}
			next, snap := 200, w.dc.Snapshot()
			var log []string
			for step := range 60 {
				var in []string
				out, err := w.dc.Entries(base)
				require.NoError(t, err)
				var away []string
				for _, e := range out {
					switch {
					case strings.HasSuffix(e.DN, ",OU=Staff,"+base):
						in = append(in, e.DN)
					case strings.HasSuffix(e.DN, ",OU=Away,"+base):
						away = append(away, e.DN)
					}
				}
				for range rnd.IntN(4) {
					pick := func(from []string) string { return from[rnd.IntN(len(from))] }
					what := rnd.IntN(10)
					log = append(log, fmt.Sprint(step, " ", what))
					switch {
					case what < 2 && len(in) > 0: // an object may be gone by now; then nothing happens
						_ = w.dc.Set(pick(in), []string{"title", "department", "displayName"}[rnd.IntN(3)], fmt.Sprint("v", rnd.IntN(3)))
					case what == 2 && len(in) > 0:
						_ = w.dc.Set(pick(in), "title")
					case what == 3 && len(in) > 0:
						_ = w.dc.Delete(pick(in))
					case what == 4:
						w.add(next)
						next++
					case what == 5 && len(in) > 0:
						d := pick(in)
						_ = w.dc.Move(d, strings.Replace(d, "OU=Staff", "OU=Away", 1))
					case what == 6 && len(away) > 0:
						d := pick(away)
						_ = w.dc.Move(d, strings.Replace(d, "OU=Away", "OU=Staff", 1))
					case what == 7 && len(in) > 0:
						next++
						_ = w.dc.Move(pick(in), fmt.Sprintf("CN=r%d,OU=Staff,%s", next, base))
					case what == 8 && len(away) > 0:
						_ = w.dc.Set(pick(away), "title", fmt.Sprint("w", rnd.IntN(3)))
					case what == 9 && rnd.IntN(6) == 0:
						// A rollback that is not announced by a new invocationId is found by highestCommittedUSN,
						// if it is read before that has grown again.
						w.dc.Restore(snap)
						require.NoError(t, w.dc.SetInvocationID(adtest.GUID{1, byte(step), byte(rnd.IntN(200))}))
						require.NoError(t, dc2.SetInvocationID(adtest.GUID{2, byte(step), byte(rnd.IntN(200))}))
					}
				}
				switch rnd.IntN(8) {
				case 0:
					w.dir = dirs[rnd.IntN(2)]
					w.use(w.dir, m)
				case 1: // somebody loses patience
					n := rnd.IntN(20)
					for range w.source.Read(t.Context(), w.query()) {
						if n--; n < 0 {
							break
						}
					}
				case 2: // the state cannot be written
					w.use(w.dir, m)
					w.source.State = failing{w.state}
					_, err := try(t.Context(), w.source, w.query())
					require.ErrorIs(t, err, errFull)
					w.use(w.dir, m)
				case 4: // a right is lost for a while
					if step%5 == 0 {
						w.now = w.now.Add(24 * time.Hour) // in a full read, too
					}
					lift, err := w.dc.Deny(adtest.Denial{Account: account, DN: "OU=Staff," + base, Subtree: true, Right: adtest.ReadProperty, Attribute: "title"})
					require.NoError(t, err)
					show(t, w.source, w.query())
					lift()
				case 3: // the connection breaks in the middle
					w.dc.SetHook(func(_ context.Context, r adtest.Request) adtest.Fault {
						if r.Op == adtest.OpSearch && r.Page == 1 {
							return adtest.Fault{Entries: 3, Drop: adtest.DropAfter}
						}
						return adtest.Fault{}
					})
					dc2.SetHook(nil)
					if _, err := try(t.Context(), w.source, w.query()); err != nil {
						require.ErrorIs(t, err, ldapsync.ErrTransient)
					}
					w.dc.SetHook(nil)
				}
				require.Equal(t, show(t, w.dir, w.query()), show(t, w.source, w.query()), "%v", log)
			}
		})
	}
}

var errFull = errors.New("disk full")

type failing struct{ ldapsync.State }

func (failing) Commit(context.Context, []ldapsync.StateOp) error { return errFull }

// TestRefusedCookie: a cookie the server does not take leads to a full read, and a new one.
func TestRefusedCookie(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	w.check()
	bad := &badCookie{Dir: w.dir, bad: true}
	w.use(bad, changes.Auto)
	w.check()
	require.Contains(t, w.reading.Why, "the server did not take the DirSync cookie: ldapdir: search")
	require.True(t, w.reading.Full)
	bad.bad = false
	w.check()
	require.False(t, w.reading.Full)
}

// badCookie spoils cookies, as restoring another backup of the state does.
type badCookie struct {
	*ldapdir.Dir
	bad bool
}

func (b *badCookie) Changed(ctx context.Context, cookie []byte, attrs []string, repl bool, each func(ldapsync.GUID) error) ([]byte, error) {
	if b.bad && cookie != nil {
		cookie = []byte("not a cookie")
	}
	return b.Dir.Changed(ctx, cookie, attrs, repl, each)
}

// TestServerSwappedDuringRead: what two servers said is not put together.
func TestServerSwappedDuringRead(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	w.check()
	require.NoError(t, w.dc.Set(dn(3, "Staff"), "title", "Matron"))
	for o, err := range w.source.Read(t.Context(), w.query()) {
		if err != nil {
			require.ErrorIs(t, err, ldapsync.ErrPartial)
			require.ErrorContains(t, err, "answers after the read")
			break
		}
		_ = o
		w.dc.SetRootDSE("dnsHostName", "dc9.ashdown.example")
	}
	w.dc.SetRootDSE("dnsHostName", "dc1.ashdown.example")
	w.check()
	require.Equal(t, 1, w.reading.Fetched, "what was not committed is read again")
}

// TestLostRight: a right that is lost clears nothing: the copy keeps what was read, and where the object is read
// again, the absence is for the engine to verify.
func TestLostRight(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	w.check()
	lift, err := w.dc.Deny(adtest.Denial{Account: "reader", DN: "OU=Staff," + base, Subtree: true, Right: adtest.ReadProperty, Attribute: "title"})
	require.NoError(t, err)
	require.Contains(t, show(t, w.source, w.query()), `title=["Nurse"]`)
	lift()
	w.check()
}

// TestRightsComeBack: what was read while a right was missing is not kept for the truth.
func TestRightsComeBack(t *testing.T) {
	for _, full := range []bool{false, true} {
		w := newWorld(t, "reader", adtest.Config{})
		if !full {
			w.check()
		}
		lift, err := w.dc.Deny(adtest.Denial{Account: "reader", DN: "OU=Staff," + base, Subtree: true, Right: adtest.ReadProperty, Attribute: "title"})
		require.NoError(t, err)
		require.NoError(t, w.dc.Set(dn(3, "Staff"), "department", "Theatre"))
		for range 2 {
			require.NotContains(t, line(show(t, w.source, w.query()), dn(3, "Staff")), "title")
			require.Equal(t, full, w.reading.Full)
		}
		if full {
			require.Equal(t, "title could not be read on every object, and rights that are granted do not show in uSNChanged", w.reading.Why)
		} else {
			require.Equal(t, 1, w.reading.Fetched, "what could not be read is tried again")
		}
		lift()
		w.check()
		w.check()
		require.False(t, w.reading.Full)
		require.Zero(t, w.reading.Fetched)
	}

	// Somebody of whom one attribute is denied is not noticed by a full read, but when the engine asks.
	w := newWorld(t, "reader", adtest.Config{})
	for i := range 10 {
		require.NoError(t, w.dc.Set(dn(i, "Staff"), "title"))
	}
	lift, err := w.dc.Deny(adtest.Denial{Account: "reader", DN: dn(20, "Staff"), Right: adtest.ReadProperty, Attribute: "title"})
	require.NoError(t, err)
	show(t, w.source, w.query())
	u, err := w.dc.Get(dn(20, "Staff"))
	require.NoError(t, err)
	id, err := ldapsync.GUIDFromBytes([]byte(u.GUID.Raw()))
	require.NoError(t, err)
	got, err := w.source.VerifyAbsent(t.Context(), id, []string{"title"})
	require.NoError(t, err)
	require.Equal(t, []ldapsync.Presence{ldapsync.Unreadable}, got)
	lift()
	w.check()
	require.Equal(t, 1, w.reading.Fetched)
	w.check()
	require.Zero(t, w.reading.Fetched)
}

// TestTwoAtOnce: the second of two engines on one state fails, and nothing is mixed.
func TestTwoAtOnce(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	w.check()
	require.NoError(t, w.dc.Set(dn(3, "Staff"), "title", "Matron"))
	other := *w.source
	first := true
	var err error
	for _, err = range w.source.Read(t.Context(), w.query()) {
		if first {
			first = false
			show(t, &other, w.query())
		}
	}
	require.ErrorIs(t, err, ldapsync.ErrConflict)
	w.check()
}

func TestPassedOn(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	for _, q := range []ldapsync.Query{
		{Container: w.ou, Attrs: asked},
		{Class: ldapsync.User, Container: w.ou},
	} {
		require.Equal(t, show(t, w.dir, q), show(t, w.source, q))
		require.Zero(t, w.reading)
	}
}

// Damage in the State is noticed and mended.
func TestDamagedCopy(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	w.check()
	n := 0
	var ops []ldapsync.StateOp
	for rec, err := range w.state.Scan(t.Context(), "changes/") {
		require.NoError(t, err)
		if n++; n%3 == 0 && !strings.HasSuffix(rec.Key, "mark") {
			ops = append(ops, ldapsync.StateOp{Key: rec.Key, Value: rec.Value[:len(rec.Value)/2]})
		}
	}
	require.NoError(t, w.state.Commit(t.Context(), ops))
	w.check()
	require.Equal(t, len(ops), w.reading.Fetched)
	for rec, err := range w.state.Scan(t.Context(), "changes/") {
		require.NoError(t, err)
		if strings.HasSuffix(rec.Key, "mark") {
			ops = []ldapsync.StateOp{{Key: rec.Key, Value: []byte("{")}}
		}
	}
	require.NoError(t, w.state.Commit(t.Context(), ops))
	w.check()
	require.True(t, w.reading.Full)
	w.check()
	require.False(t, w.reading.Full)
}

// TestNothingIsLeft: a generation that was replaced or not finished does not stay in the State.
func TestNothingIsLeft(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	count := func() (n int) {
		for _, err := range w.state.Scan(t.Context(), "") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	w.check()
	require.Equal(t, 31, count())
	for range 3 {
		w.now = w.now.Add(25 * time.Hour)
		for range w.source.Read(t.Context(), w.query()) {
			break
		}
		w.check()
		require.Equal(t, 31, count())
	}
}

// TestEngine: an engine that reads through the copy writes what one writes that reads everything.
func TestEngine(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	ann := func(d *memdir.Dir) { // the people another product provisioned
		for i := range 40 {
			_, err := d.Add(ldapsync.NewObject(ldapsync.GUID{}, ldapsync.MustParseDN(fmt.Sprintf("CN=user%03d,OU=People,DC=prov,DC=example", i)), ldapsync.User,
				ldapsync.Values("sAMAccountName", fmt.Sprintf("user%03d", i))))
			require.NoError(t, err)
		}
	}
	engine := func(src ldapsync.Source, state ldapsync.State) (*ldapsync.Syncer, *memdir.Dir) {
		dst := memdir.New(memdir.Config{Seed: 3})
		ann(dst)
		track := ldapsync.UsersTrack("OU=Staff,"+base, "OU=People,DC=prov,DC=example", ldapsync.UserProfile(asked[:3]...))
		track.Join.Keys = []ldapsync.MatchKey{{Source: "sAMAccountName", Target: "sAMAccountName"}}
		return &ldapsync.Syncer{Organisation: ldapsync.Organisation{Name: "ashdown", Tracks: []ldapsync.Track{track}},
			Source: src, Target: dst, State: state, Now: func() time.Time { return w.now }}, dst
	}
	plain, plainDst := engine(w.dir, memstate.New())
	copied, copiedDst := engine(w.source, w.state)
	for _, step := range []func() error{
		func() error { return nil },
		func() error { return w.dc.Set(dn(1, "Staff"), "title", "Matron") },
		func() error { return w.dc.Set(dn(2, "Staff"), "title") },
		func() error { return w.dc.Move(dn(3, "Staff"), dn(3, "Away")) },
		func() error { return w.dc.Delete(dn(4, "Staff")) },
		func() error { return nil },
		func() error { w.add(31); return nil },
		func() error { return w.dc.Move(dn(3, "Away"), dn(3, "Staff")) },
		func() error { return w.dc.Move("OU=Staff,"+base, "OU=Crew,"+base) },
	} {
		require.NoError(t, step())
		for _, s := range []*ldapsync.Syncer{plain, copied} {
			p, err := s.Plan(t.Context())
			require.NoError(t, err)
			require.Empty(t, p.Trips)
			r, err := s.Apply(t.Context(), p, ldapsync.ApplyOptions{})
			require.NoError(t, err)
			require.True(t, r.OK())
		}
		require.Equal(t, plainDst.Dump(), copiedDst.Dump())
	}
	require.False(t, w.reading.Full)
}

// TestGoneMeanwhile: an object that goes between being read and being verified does not spoil the read.
func TestGoneMeanwhile(t *testing.T) {
	w := newWorld(t, "reader", adtest.Config{})
	w.check()
	require.NoError(t, w.dc.Set(dn(3, "Staff"), "title"))
	w.use(deleting{w.dir, func() { _ = w.dc.Delete(dn(3, "Staff")) }}, changes.Auto)
	show(t, w.source, w.query())
	w.use(w.dir, changes.Auto)
	w.check()
}

// deleting deletes before it verifies.
type deleting struct {
	*ldapdir.Dir
	remove func()
}

func (d deleting) VerifyAbsent(ctx context.Context, id ldapsync.GUID, attrs []string) ([]ldapsync.Presence, error) {
	d.remove()
	return d.Dir.VerifyAbsent(ctx, id, attrs)
}

// line returns the line of what show printed that is about an object.
func line(text, dn string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, dn+" ") {
			return l
		}
	}
	return ""
}
