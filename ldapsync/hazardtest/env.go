package hazardtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/memstate"
	"go.internal/hybridkit/ldapsync/targettest"
)

// people is how many users a case has: enough that one or two that leave are no accident to the guards.
const people = 24

// The attributes that are mapped, beside Fixture.Multi.
const (
	attrName  = "displayName"
	attrTitle = "title"
	attrWard  = "department"
)

// A person is a user with their counterpart at the target.
type person struct {
	source, target ldapsync.GUID
	name           string
}

// env is what a case works with: an engine between two directories, and what the target must look like.
type env struct {
	*Fixture
	outcome Outcome
	tap     *tap

	staff, away, devices ldapsync.Container // at the source
	people, copies       ldapsync.Container // at the target
	users                []person
	want                 map[ldapsync.GUID]map[string][]string // of every object at the target
	clock                time.Time
	change               []func(*ldapsync.Syncer) // to the configuration, by the case
}

func newEnv(ctx context.Context, f *Fixture, outcome Outcome) (*env, error) {
	e := &env{Fixture: f, outcome: outcome, tap: &tap{}, want: make(map[ldapsync.GUID]map[string][]string), clock: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
	if e.Key == "" {
		e.Key = "employeeID"
	}
	if e.Multi == "" {
		e.Multi = "otherTelephone"
	}
	if e.State == nil {
		e.State = memstate.New()
	}
	if e.Target == nil {
		d := memdir.New(memdir.Config{Seed: 77})
		base, err := d.AddOU("OU=Hazards,DC=prov,DC=example")
		if err != nil {
			return nil, err
		}
		e.Target, e.TargetWorld, e.TargetBase = d, backDoor{d}, base
	}
	return e, prepared(e.prepare(ctx))
}

func prepared(err error) error {
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	return nil
}

// prepare makes the organisational units, the users at both sides, and synchronises them.
func (e *env) prepare(ctx context.Context) (err error) {
	for _, ou := range []struct {
		c     *ldapsync.Container
		w     targettest.World
		under ldapsync.DN
		name  string
	}{
		{&e.staff, e.SourceWorld, e.SourceBase.DN, "Staff"}, {&e.away, e.SourceWorld, e.SourceBase.DN, "Away"}, {&e.devices, e.SourceWorld, e.SourceBase.DN, "Devices"},
		{&e.people, e.TargetWorld, e.TargetBase.DN, "People"}, {&e.copies, e.TargetWorld, e.TargetBase.DN, "Copies"},
	} {
		if *ou.c, err = ou.w.AddOU(ctx, ou.under, ou.name); err != nil {
			return err
		}
	}
	for i := range people {
		if _, err := e.addUser(ctx, i); err != nil {
			return err
		}
	}
	e.tap.forget()
	return e.correct(ctx, people)
}

// addUser adds a user to the source, and to the target the person another product provisioned.
func (e *env) addUser(ctx context.Context, i int) (*person, error) {
	p := person{name: fmt.Sprintf("user%03d", i)}
	key := ldapsync.Values(e.Key, fmt.Sprintf("hazard-%03d", i))
	values := map[string][]string{attrName: {"User " + fmt.Sprint(i)}, attrTitle: {"Nurse"}, attrWard: {"Ward " + fmt.Sprint(i%5)}, e.Multi: {fmt.Sprint(1000 + i), fmt.Sprint(2000 + i)}}
	attrs := []ldapsync.Attr{key}
	for _, a := range slices.Sorted(maps.Keys(values)) {
		attrs = append(attrs, ldapsync.Values(a, values[a]...))
	}
	var err error
	if p.source, err = e.SourceWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, e.staff.DN.Child("CN", p.name), ldapsync.User, attrs...)); err != nil {
		return nil, err
	}
	if p.target, err = e.TargetWorld.Add(ctx, ldapsync.NewObject(ldapsync.GUID{}, e.people.DN.Child("CN", p.name), ldapsync.User, key)); err != nil {
		return nil, err
	}
	e.want[p.target] = values
	e.users = append(e.users, p)
	return &e.users[len(e.users)-1], nil
}

// set changes an attribute at the source, and what the target must then have.
func (e *env) set(ctx context.Context, p person, attr string, values ...string) error {
	e.want[p.target][attr] = values
	return prepared(e.SourceWorld.Set(ctx, p.source, attr, values...))
}

func (e *env) move(ctx context.Context, p person, to ldapsync.Container) error {
	return prepared(e.SourceWorld.Move(ctx, p.source, to.DN))
}

// gone says that all mapped attributes of a person's counterpart must be reverted.
func (e *env) gone(p person) (before map[string][]string) {
	before = e.want[p.target]
	e.want[p.target] = map[string][]string{}
	return before
}

// engine makes the engine, as a program that was just started.
func (e *env) engine() *ldapsync.Syncer {
	users := ldapsync.UsersTrack(e.staff.DN.String(), e.people.DN.String(), ldapsync.UserProfile(attrName, attrTitle, attrWard, e.Multi))
	users.Join.Keys = []ldapsync.MatchKey{{Source: e.Key, Target: e.Key}}
	users.Join.SourceAnchor = nil
	devices := ldapsync.DevicesTrack(e.devices.DN.String(), e.copies.DN.String(), ldapsync.HybridJoinDevices(ldapsync.DefaultCarriers()))
	s := &ldapsync.Syncer{
		Organisation: ldapsync.Organisation{Name: "hazards", Domain: ldapsync.Domain{FQDN: "ashdown.example", NetBIOS: "ASHDOWN"}, Tracks: []ldapsync.Track{users, devices}},
		Source:       e.tap.source(e.Source), Target: e.tap.target(e.Target), State: e.tap.state(e.State),
		Now:     func() time.Time { return e.clock },
		Workers: 2, Retry: ldapsync.Retry{Attempts: 2, Base: time.Microsecond, Max: time.Microsecond},
	}
	for _, c := range e.change {
		c(s)
	}
	if e.Adjust != nil {
		e.Adjust(s)
	}
	return s
}

// A cycle is what became of one plan.
type cycle struct {
	plan    *ldapsync.Plan
	report  *ldapsync.Report
	refused error // why there was no plan, or why it was not applied
}

// cycle makes a plan and applies it, as an unattended engine does. It returns an error where something went wrong
// that is no refusal.
func (e *env) cycle(ctx context.Context) (c cycle, err error) {
	s := e.engine()
	if c.plan, c.refused = s.Plan(ctx); c.refused != nil {
		return c, ctx.Err()
	}
	c.report, err = s.Apply(ctx, c.plan, ldapsync.ApplyOptions{})
	if blocked := (*ldapsync.BlockedError)(nil); errors.As(err, &blocked) {
		c.refused, err = err, nil
	}
	return c, err
}

// same compares the target with what it must be.
func (e *env) same(ctx context.Context) error {
	for id, want := range e.want {
		o, err := e.TargetWorld.Get(ctx, id)
		if errors.Is(err, ldapsync.ErrNotFound) {
			return fmt.Errorf("WRONG DELETE: the object %s at the target is gone", id)
		}
		if err != nil {
			return prepared(err)
		}
		for _, a := range []string{attrName, attrTitle, attrWard, e.Multi} {
			got := o.All(a)
			switch {
			case ldapsync.SameValues(got, want[a]):
			case len(got) == 0:
				return fmt.Errorf("WRONG CLEAR: %s of %s is gone; it must be %s", a, o.DN, short(want[a]))
			case len(want[a]) == 0:
				return fmt.Errorf("%s of %s is %s and must have no value", a, o.DN, short(got))
			default:
				return fmt.Errorf("WRONG VALUE: %s of %s is %s and must be %s", a, o.DN, short(got), short(want[a]))
			}
		}
	}
	all, err := e.TargetWorld.List(ctx, e.people.DN)
	if err != nil {
		return prepared(err)
	}
	if len(all) != len(e.users) {
		return fmt.Errorf("there are %d people at the target and must be %d", len(all), len(e.users))
	}
	return nil
}

func short(v []string) string {
	if len(v) > 3 {
		return fmt.Sprintf("%q and %d more", v[:3], len(v)-3)
	}
	return fmt.Sprintf("%q", v)
}

// refuse requires that cycle after cycle nothing is concluded and nothing is written. why is part of what is said.
func (e *env) refuse(ctx context.Context, why string) error {
	for n := range 3 {
		c, err := e.cycle(ctx)
		if err != nil {
			return err
		}
		if err := e.same(ctx); err != nil {
			return fmt.Errorf("cycle %d of the hazard: %w", n+1, err)
		}
		if c.refused == nil {
			return fmt.Errorf("cycle %d of the hazard was not refused; the plan does %s", n+1, summary(c.plan))
		}
		if !strings.Contains(c.refused.Error(), why) {
			return fmt.Errorf("refused for another reason than %q: %w", why, c.refused)
		}
	}
	return nil
}

// hold requires that cycle after cycle nothing is written, and that each of the objects is held for the reason.
func (e *env) hold(ctx context.Context, why string, ids ...ldapsync.GUID) error {
	for n := range 4 {
		c, err := e.cycle(ctx)
		if err != nil {
			return err
		}
		if c.refused != nil {
			return fmt.Errorf("cycle %d of the hazard was refused: %w", n+1, c.refused)
		}
		if err := e.same(ctx); err != nil {
			return fmt.Errorf("cycle %d of the hazard: %w", n+1, err)
		}
		for _, id := range ids {
			if err := said(c.plan, id, why); err != nil {
				return fmt.Errorf("cycle %d of the hazard: %w", n+1, err)
			}
		}
	}
	return nil
}

// said requires that the plan has an item for the object that leaves something as it is and says why.
func said(p *ldapsync.Plan, id ldapsync.GUID, why string) error {
	var got []string
	for _, it := range p.Items {
		if it.Source != id {
			continue
		}
		all := []string{it.Action.String() + ": " + it.Reason}
		for _, n := range it.Notes {
			all = append(all, n.Reason)
		}
		if strings.Contains(strings.Join(all, "; "), why) && (it.Action == ldapsync.ActionHold || it.Action == ldapsync.ActionConflict || len(it.Notes) > 0) {
			return nil
		}
		got = append(got, all...)
	}
	return fmt.Errorf("nothing in the plan leaves %s as it is because of %q; the plan says of it: %q", id, why, got)
}

// correct requires that the target is as it must be after at most two cycles, and that nothing is written after
// that. writes is how many writes there must be; negative: any number.
func (e *env) correct(ctx context.Context, writes int) error {
	total := 0
	for n := range 4 {
		c, err := e.cycle(ctx)
		if err != nil {
			return err
		}
		if c.refused != nil {
			return fmt.Errorf("refused: %w", c.refused)
		}
		if !c.report.OK() {
			return fmt.Errorf("not everything was carried out: %+v", c.report.Problems)
		}
		total += c.report.Writes
		if n >= 2 && c.report.Writes > 0 {
			return fmt.Errorf("still writing in cycle %d: %s", n+1, summary(c.plan))
		}
	}
	if err := e.same(ctx); err != nil {
		return err
	}
	if writes >= 0 && total != writes {
		return fmt.Errorf("%d writes were made and %d were due", total, writes)
	}
	return nil
}

// over ends a hazard and requires that everything is well again without a write.
func (e *env) over(ctx context.Context, lift func() error) error {
	if lift != nil {
		if err := lift(); err != nil {
			return prepared(err)
		}
	}
	if err := e.correct(ctx, 0); err != nil {
		return fmt.Errorf("after the hazard: %w", err)
	}
	return nil
}

func summary(p *ldapsync.Plan) string {
	n := make(map[string]int)
	for _, it := range p.Items {
		n[it.Action.String()]++
	}
	return fmt.Sprint(n)
}

// backDoor is a memdir as a World.
type backDoor struct{ d *memdir.Dir }

func (b backDoor) AddOU(_ context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error) {
	return b.d.AddOU(parent.Child("OU", name).String())
}
func (b backDoor) Add(_ context.Context, o ldapsync.Object) (ldapsync.GUID, error) { return b.d.Add(o) }
func (b backDoor) Set(_ context.Context, id ldapsync.GUID, attr string, values ...string) error {
	return b.d.Set(id, attr, values...)
}
func (b backDoor) Move(_ context.Context, id ldapsync.GUID, parent ldapsync.DN) error {
	return b.d.Move(id, parent)
}
func (b backDoor) Rename(_ context.Context, id ldapsync.GUID, name string) error {
	return b.d.Rename(id, name)
}
func (b backDoor) Delete(_ context.Context, id ldapsync.GUID) error { return b.d.Delete(id) }
func (b backDoor) Get(_ context.Context, id ldapsync.GUID) (ldapsync.Object, error) {
	if o, ok := b.d.Object(id); ok {
		return o, nil
	}
	return ldapsync.Object{}, fmt.Errorf("%s: %w", id, ldapsync.ErrNotFound)
}
func (b backDoor) List(_ context.Context, parent ldapsync.DN) (out []ldapsync.Object, err error) {
	for _, o := range b.d.Objects() {
		if o.DN.IsChildOf(parent) {
			out = append(out, o)
		}
	}
	return out, nil
}
