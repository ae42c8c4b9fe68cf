package hazardtest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/changes"
	"go.internal/hybridkit/ldapsync/hazardtest"
	"go.internal/hybridkit/ldapsync/memstate"
)

type (
	ctx    = context.Context
	object = ldapsync.Object
	query  = ldapsync.Query
	guid   = ldapsync.GUID
	stream = iter.Seq2[object, error]
	engine = *ldapsync.Syncer
)

// A source is one that believes, forgets or mixes up, in the way its fields say. It verifies nothing.
type source struct {
	ldapsync.Source
	info      func(ctx) (ldapsync.DirectoryInfo, error)
	container func(ctx, ldapsync.ContainerRef) (ldapsync.Container, error)
	read      func(ctx, query) stream
	locate    func(ctx, guid, []string) (object, error)
}

func (s source) Info(c ctx) (ldapsync.DirectoryInfo, error) {
	if s.info != nil {
		return s.info(c)
	}
	return s.Source.Info(c)
}
func (s source) Container(c ctx, r ldapsync.ContainerRef) (ldapsync.Container, error) {
	if s.container != nil {
		return s.container(c, r)
	}
	return s.Source.Container(c, r)
}
func (s source) Read(c ctx, q query) stream {
	if s.read != nil {
		return s.read(c, q)
	}
	return s.Source.Read(c, q)
}
func (s source) Locate(c ctx, id guid, attrs []string) (object, error) {
	if s.locate != nil {
		return s.locate(c, id, attrs)
	}
	return s.Source.Locate(c, id, attrs)
}
func (s source) ChildContainers(c ctx, at ldapsync.Container) ([]ldapsync.Container, error) {
	out, err := s.Source.ChildContainers(c, at)
	if err != nil && c.Err() == nil {
		return nil, nil
	}
	return out, err
}

// unguarded takes away what would stop the engine from acting on what it believes.
func unguarded(s engine) {
	off := ldapsync.Threshold{Off: true}
	s.Guards = ldapsync.Guards{Reverts: off, Clears: off, Deletes: off, Floor: -1}
	for i := range s.Organisation.Tracks {
		s.Organisation.Tracks[i].Policy.MissingCycles = 1
	}
}

// credulous takes what was not read for gone, and an error for the end.
func credulous(s engine) {
	unguarded(s)
	inner := s.Source
	s.Source = source{Source: inner,
		read: func(c ctx, q query) stream {
			return func(yield func(object, error) bool) {
				n := 0
				for o, err := range inner.Read(c, q) {
					if err != nil {
						break
					}
					n++
					if !yield(o, nil) {
						return
					}
				}
				if n == 0 && q.Class == ldapsync.User {
					// One object is invented, so that even the guard against empty reads is silent.
					yield(ldapsync.NewObject(guid{9}, q.Container.DN.Child("CN", "nobody"), q.Class), nil)
				}
			}
		},
		locate: func(ctx, guid, []string) (object, error) { return object{}, ldapsync.ErrNotFound },
	}
}

// unverified believes absence.
func unverified(s engine) {
	unguarded(s)
	s.Source = source{Source: s.Source}
}

// frozen shows for ever what it has read first.
func frozen() func(engine) {
	seen := map[string][]object{}
	return func(s engine) {
		inner := s.Source
		s.Source = source{Source: inner, read: func(c ctx, q query) stream {
			return func(yield func(object, error) bool) {
				key := q.Class.String()
				if seen[key] == nil {
					for o, err := range inner.Read(c, q) {
						if err != nil {
							yield(o, err)
							return
						}
						seen[key] = append(seen[key], o)
					}
				}
				for _, o := range seen[key] {
					if !yield(o, nil) {
						return
					}
				}
			}
		}}
	}
}

// each changes the objects that are read; a false result leaves one out.
func each(f func(o object) (object, bool)) func(engine) {
	return func(s engine) {
		unguarded(s)
		inner := s.Source
		s.Source = source{Source: inner, read: func(c ctx, q query) stream {
			return func(yield func(object, error) bool) {
				for o, err := range inner.Read(c, q) {
					ok := true
					if err == nil {
						o, ok = f(o)
					}
					if ok && !yield(o, err) {
						return
					}
				}
			}
		}}
	}
}

// identity gives objects another identity.
func identity(of func(o object) string) func(engine) {
	return each(func(o object) (object, bool) {
		sum := sha256.Sum256([]byte(of(o)))
		var attrs []ldapsync.Attr
		for a := range o.Attrs() {
			attrs = append(attrs, a)
		}
		return ldapsync.NewObject(guid(sum[:16]), o.DN, o.Class, attrs...), true
	})
}

// byName finds organisational units by name alone, and takes every one of that name for the one it knew.
func byName() func(engine) {
	type known struct{ real, shown ldapsync.Container }
	units := map[string]*known{}
	return func(s engine) {
		credulous(s)
		inner := s.Source
		s.Source = source{Source: inner,
			container: func(c ctx, r ldapsync.ContainerRef) (ldapsync.Container, error) {
				for _, k := range units {
					if k.shown.ID == r.ID && !r.ID.IsZero() {
						r = ldapsync.ContainerRef{DN: k.shown.DN.String()}
					}
				}
				if r.DN == "" {
					first, err := inner.Container(c, r)
					if err != nil {
						return first, err
					}
					r.DN = first.DN.String()
				}
				got, err := inner.Container(c, ldapsync.ContainerRef{DN: r.DN})
				k := units[r.DN]
				switch {
				case k == nil && err != nil:
					return got, err
				case k == nil:
					k = &known{got, got}
					units[r.DN] = k
				case err == nil:
					k.real = got
				}
				return k.shown, nil
			},
			read: func(c ctx, q query) stream {
				if k := units[q.Container.DN.String()]; k != nil {
					q.Container = ldapsync.Container{DN: k.real.DN}
				}
				return inner.Read(c, q)
			},
		}
	}
}

// A target is one that shows or writes something else than it should.
type target struct {
	ldapsync.Target
	show  func(object) (object, bool)
	write func(ctx, ldapsync.Change) (guid, error)
}

func (t target) Read(c ctx, q query) stream {
	return func(yield func(object, error) bool) {
		for o, err := range t.Target.Read(c, q) {
			ok := true
			if err == nil && t.show != nil {
				o, ok = t.show(o)
			}
			if ok && !yield(o, err) {
				return
			}
		}
	}
}
func (t target) Get(c ctx, id guid, attrs []string) (object, error) {
	o, err := t.Target.Get(c, id, attrs)
	if err == nil && t.show != nil {
		o, _ = t.show(o)
	}
	return o, err
}
func (t target) Write(c ctx, ch ldapsync.Change) (guid, error) {
	if t.write != nil {
		return t.write(c, ch)
	}
	return t.Target.Write(c, ch)
}

// blind overwrites whatever is there.
func blind(s engine) {
	inner := s.Target
	s.Target = target{Target: inner, write: overwrite(inner)}
}

func overwrite(inner ldapsync.Target) func(ctx, ldapsync.Change) (guid, error) {
	return func(c ctx, ch ldapsync.Change) (guid, error) {
		edits := append([]ldapsync.Edit(nil), ch.Edits...)
		for i := range edits {
			if now, err := inner.Get(c, ch.ID, []string{edits[i].Attr}); err == nil {
				edits[i].Before = now.All(edits[i].Attr)
			}
		}
		ch.Edits = edits
		return inner.Write(c, ch)
	}
}

// pretending shows one value where there is another, and overwrites.
func pretending(is, shown string) func(engine) {
	return func(s engine) {
		inner := s.Target
		s.Target = target{Target: inner, write: overwrite(inner), show: func(o object) (object, bool) {
			if v, _ := o.Get("title"); v == is {
				o = o.With("title", shown)
			}
			return o, true
		}}
	}
}

// answering replaces errors of writes.
func answering(f func(error) error) func(engine) {
	return func(s engine) {
		s.SkipConfirm = true
		inner := s.Target
		s.Target = target{Target: inner, write: func(c ctx, ch ldapsync.Change) (guid, error) {
			id, err := inner.Write(c, ch)
			return id, f(err)
		}}
	}
}

// lying takes a write that the target had no time for as done, and shows it so.
func lying() func(engine) {
	var mu sync.Mutex
	done := map[guid][]ldapsync.Edit{}
	return func(s engine) {
		inner := s.Target
		s.Target = target{Target: inner,
			write: func(c ctx, ch ldapsync.Change) (guid, error) {
				id, err := inner.Write(c, ch)
				if errors.Is(err, ldapsync.ErrTransient) {
					mu.Lock()
					defer mu.Unlock()
					done[ch.ID] = ch.Edits
					return ch.ID, nil
				}
				return id, err
			},
			show: func(o object) (object, bool) {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range done[o.ID] {
					o = o.With(e.Attr, e.After...)
				}
				return o, true
			},
		}
	}
}

// A state is one that does not keep what it is given.
type state struct {
	ldapsync.State
	commit func(ctx, []ldapsync.StateOp) error
}

func (s state) Commit(c ctx, ops []ldapsync.StateOp) error { return s.commit(c, ops) }

// careless says that a commit was made where it was not.
func careless(s engine) {
	inner := s.State
	s.State = state{inner, func(c ctx, ops []ldapsync.StateOp) error {
		_ = inner.Commit(c, ops)
		return nil
	}}
}

// every loses every nth record of what is joined and owned.
func every(nth int) func() func(engine) { return always(losing("/link/", nth)) }

// losing loses every nth record of a kind.
func losing(kind string, nth int) func(engine) {
	n := 0
	return func(s engine) {
		inner := s.State
		s.State = state{inner, func(c ctx, ops []ldapsync.StateOp) error {
			kept := ops[:0:0]
			for _, op := range ops {
				if strings.Contains(op.Key, kind) {
					if n++; n%nth == 0 {
						continue
					}
				}
				kept = append(kept, op)
			}
			return inner.Commit(c, kept)
		}}
	}
}

// lonely gives every engine a state of its own.
func lonely(s engine) {
	own := memstate.New()
	var ops []ldapsync.StateOp
	for r, err := range s.State.Scan(context.Background(), "") {
		if err != nil {
			panic(err)
		}
		ops = append(ops, ldapsync.StateOp{Key: strings.Clone(r.Key), Value: append([]byte(nil), r.Value...)})
	}
	if err := own.Commit(context.Background(), ops); err != nil {
		panic(err)
	}
	s.State = own
}

// forgotten gives every engine an empty state.
func forgotten(s engine) { s.State = memstate.New() }

func policy(f func(users, devices *ldapsync.Track)) func(engine) {
	return func(s engine) {
		unguarded(s)
		f(&s.Organisation.Tracks[0], &s.Organisation.Tracks[1])
	}
}

var anyCertificate = policy(func(_, d *ldapsync.Track) {
	d.Scope.Conditions = nil
	d.Mapping = append(ldapsync.Mapping{ldapsync.Copy("userCertificate", "userCertificate")}, d.Mapping...)
	for i := len(d.Mapping) - 1; i > 0; i-- {
		if d.Mapping[i].To == "userCertificate" {
			d.Mapping = append(d.Mapping[:i], d.Mapping[i+1:]...)
		}
	}
})

// saboteurs say for each case which engine must fail it.
var saboteurs = map[string]func() func(engine){
	"empty-read":                     always(credulous),
	"page-missing":                   always(credulous),
	"connection-lost":                always(credulous),
	"size-limit":                     always(credulous),
	"time-limit":                     always(credulous),
	"admin-limit":                    always(credulous),
	"server-busy":                    always(credulous),
	"server-unavailable":             always(credulous),
	"referral":                       always(credulous),
	"range-lost":                     always(each(shortened)),
	"many-values":                    always(each(shortened)),
	"dirsync-cookie-refused":         frozen,
	"wrong-base":                     always(credulous),
	"wrong-filter":                   always(credulous),
	"mass-clear":                     always(unguarded),
	"global-catalog":                 always(func(s engine) { s.Source = source{Source: s.Source, info: whole(s.Source)} }),
	"another-server":                 frozen,
	"server-swapped-midway":          always(func(s engine) { s.Source = source{Source: s.Source, info: sameServer(s.Source)} }),
	"server-restored":                frozen,
	"listing-denied":                 always(credulous),
	"attribute-denied":               always(unverified),
	"filter-attribute-denied":        always(credulous),
	"attribute-denied-while-leaving": always(unverified),
	"disabled-account":               always(policy(func(u, _ *ldapsync.Track) { u.Scope.Conditions = nil })),
	"child-ou":                       always(policy(func(u, _ *ldapsync.Track) { u.Policy.LeaveToChildOU = true })),
	"ou-renamed":                     byName,
	"ou-moved":                       byName,
	"ou-recreated":                   byName,
	"ou-deleted":                     byName,
	"mass-move":                      always(unguarded),
	"moved-and-back":                 always(policy(func(u, _ *ldapsync.Track) { u.Policy.Leave = ldapsync.LeaveStop })),
	"moved-between-plan-and-apply":   frozen,
	"deleted":                        always(unguarded),
	"renamed":                        always(identity(func(o object) string { return o.DN.String() })),
	"key-changed":                    always(func(s engine) { forgotten(s); s.Organisation.Tracks[0].Join.Anchor = "" }),
	"recreated-same-name":            always(identity(func(o object) string { return o.DN.String() })),
	"duplicate-anchors":              always(policy(func(u, _ *ldapsync.Track) { u.Join.SourceAnchor = []string{"objectGUID"} })),
	"duplicate-source-keys":          always(each(func(o object) (object, bool) { _, n := o.DN.RDN(); return o, n != "double" })),
	"key-of-somebody-else":           always(identity(func(o object) string { k, _ := o.Get("employeeID"); return k })),
	"duplicate-target-keys": always(func(s engine) {
		s.Target = target{Target: s.Target, show: func(o object) (object, bool) { _, n := o.DN.RDN(); return o, n != "twin" }}
	}),
	"certificate-expired":           always(anyCertificate),
	"certificate-foreign":           always(anyCertificate),
	"certificate-gone":              always(anyCertificate),
	"certificate-damaged":           always(anyCertificate),
	"clock-forward":                 always(anyCertificate),
	"clock-back":                    always(anyCertificate),
	"device-moved-out":              always(policy(func(_, d *ldapsync.Track) { d.Policy.Leave = ldapsync.LeaveDelete })),
	"edited-between-plan-and-apply": always(blind),
	"edited-and-left":               always(pretending("By hand", "Nurse")),
	"edited-during-revert":          always(blind),
	"foreign-value":                 always(policy(func(u, _ *ldapsync.Track) { u.Policy.ClearForeign = true })),
	"counterpart-deleted": always(policy(func(u, _ *ldapsync.Track) {
		u.Policy.Create = true
		u.Mapping = append(u.Mapping, ldapsync.Copy("cn", "cn"))
	})),
	"write-unclear":      always(answering(func(err error) error { return errorUnless(err, ldapsync.ErrUnclear, errors.New("given up")) })),
	"write-late":         always(losing("/unsettled/", 1)),
	"target-busy":        lying,
	"killed-anywhere":    every(5),
	"state-full":         always(careless),
	"state-lost":         always(policy(func(u, _ *ldapsync.Track) { u.Join.Adopt = true })),
	"state-of-yesterday": always(pretending("Matron", "Nurse")),
	"state-half-written": every(1),
	"two-engines":        always(lonely),
}

// fromTheStart are the cases whose saboteur must have seen how things were.
var fromTheStart = map[string]bool{
	"dirsync-cookie-refused": true, "another-server": true, "server-restored": true,
	"ou-renamed": true, "ou-moved": true, "ou-recreated": true, "ou-deleted": true,
}

func always(f func(engine)) func() func(engine) { return func() func(engine) { return f } }

func shortened(o object) (object, bool) {
	if v := o.All("otherTelephone"); len(v) > 1500 {
		o = o.With("otherTelephone", v[:1500]...)
	}
	return o, true
}

func whole(s ldapsync.Source) func(ctx) (ldapsync.DirectoryInfo, error) {
	return func(c ctx) (ldapsync.DirectoryInfo, error) {
		i, err := s.Info(c)
		i.Partial = false
		return i, err
	}
}

func sameServer(s ldapsync.Source) func(ctx) (ldapsync.DirectoryInfo, error) {
	return func(c ctx) (ldapsync.DirectoryInfo, error) {
		i, err := s.Info(c)
		i.Server = "dc1.ashdown.example"
		return i, err
	}
}

func errorUnless(err, is, then error) error {
	if errors.Is(err, is) {
		return then
	}
	return err
}

// TestSaboteurs: every case notices an engine that does what the case is about wrong.
func TestSaboteurs(t *testing.T) {
	seen := 0
	for _, c := range hazardtest.Cases() {
		make := saboteurs[c.Name]
		require.NotNil(t, make, "%s has no saboteur: nobody knows whether it notices anything", c.Name)
		seen++
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			k := kind{}
			if c.Name == "dirsync-cookie-refused" {
				k.changes = changes.DirSyncObjectSecurity
			}
			f := onAdtest(k)
			engines, spoil := 0, make()
			f.Adjust = func(s engine) {
				if engines++; engines > 4 || fromTheStart[c.Name] { // the first four prepare the case
					spoil(s)
				}
			}
			err := c.Run(t.Context(), f)
			require.Error(t, err)
			require.NotErrorIs(t, err, hazardtest.ErrSkipped)
			require.NotContains(t, err.Error(), "fixture:")
			t.Log(err)
		})
	}
	require.Len(t, saboteurs, seen)
}
