package ldapsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The names of the engine's own rules in plans.
const (
	ruleAnchor = "anchor"
	ruleRevert = "revert"
)

// A planner plans one track.
type planner struct {
	s     *Syncer
	t     *Track
	plan  *Plan
	env   Env
	run   *runRecord
	trace *tracer

	containers []Container
	links      map[GUID]*linkRecord
	linkedTo   map[GUID]GUID // target object to the source object it is linked with
	target     targetIndex
	results    []result
	seen       map[GUID]bool
	canaries   []bool
	present    map[string]int // joined objects whose target has the attribute
	unreadable map[string]int // objects of which a source attribute turned out unreadable
	counts     TrackCounts
}

// A result is what was decided for one object of the source.
type result struct {
	source GUID
	dn     DN
	anchor string
	target GUID // what it would be joined with; zero if none
	items  []Item
}

// sortable pairs an item with its place in the plan.
type sortable struct {
	key  string
	item Item
}

func (p *planner) planTrack(ctx context.Context) error {
	p.counts.Track = p.t.Name
	p.seen = make(map[GUID]bool)
	p.present, p.unreadable = make(map[string]int), make(map[string]int)
	p.canaries = make([]bool, len(p.t.Scope.Canaries))
	if err := p.findOUs(ctx); err != nil {
		return err
	}
	var err error
	if p.links, err = loadLinks(ctx, p.s.State, p.s.keys(), p.t.Name); err != nil {
		return err
	}
	p.counts.Linked = len(p.links)
	p.linkedTo = make(map[GUID]GUID, len(p.links))
	for _, l := range p.links {
		p.linkedTo[l.Target] = l.Source
	}
	if err := p.readTarget(ctx); err != nil {
		return err
	}
	if err := p.readSource(ctx); err != nil {
		return err
	}
	p.markConflicts()
	if err := p.leavers(ctx); err != nil {
		return err
	}
	p.markNameClashes()
	var all []sortable
	for _, r := range p.results {
		for _, it := range r.items {
			all = append(all, sortable{r.dn.Key() + "\x00" + r.source.String(), it})
		}
	}
	slices.SortStableFunc(all, func(a, b sortable) int { return strings.Compare(a.key, b.key) })
	for _, x := range all {
		p.plan.Items = append(p.plan.Items, x.item)
	}
	p.plan.Counts = append(p.plan.Counts, p.counts)
	for _, a := range slices.Sorted(maps.Keys(p.unreadable)) {
		p.notice("%s cannot be read on %d objects; what depends on it is left as it is", a, p.unreadable[a])
	}
	last, hadRun := p.run.Read[p.t.Name]
	p.s.Guards.check(p.plan, p.t, p.counts, p.present, last, hadRun)
	for i, c := range p.t.Scope.Canaries {
		if !p.canaries[i] {
			p.trip("canary:"+p.t.Name, "the canary %s was not seen with the attributes it always has (%s)", c.name(), strings.Join(c.Attrs, ", "))
		}
	}
	return nil
}

func (c Canary) name() string {
	if !c.ID.IsZero() {
		return c.ID.String()
	}
	return c.DN
}

func (p *planner) trip(guard, format string, args ...any) {
	p.plan.Trips = append(p.plan.Trips, Trip{Guard: guard, Saw: fmt.Sprintf(format, args...)})
}

func (p *planner) notice(format string, args ...any) {
	p.plan.Notices = append(p.plan.Notices, p.t.Name+": "+fmt.Sprintf(format, args...))
}

// findOUs resolves the OUs: by the objectGUID learned before, so that a renamed or moved OU is followed and one
// that was deleted and made again is not mistaken for the old one.
func (p *planner) findOUs(ctx context.Context) error {
	for _, ref := range p.t.Scope.OUs {
		name := ref.DN
		if !ref.ID.IsZero() {
			name = ref.ID.String()
		}
		var rec ouRecord
		known, _, err := loadJSON(ctx, p.s.State, p.s.keys().ou(p.t.Name, name), &rec)
		if err != nil {
			return err
		}
		ask := ref
		if known && ref.ID.IsZero() {
			ask = ContainerRef{ID: rec.ID}
		}
		c, err := p.s.Source.Container(ctx, ask)
		if errors.Is(err, ErrNotFound) && known && ref.ID.IsZero() {
			again, err2 := p.s.Source.Container(ctx, ref)
			if err2 == nil {
				p.trip("ou-replaced:"+p.t.Name, "the OU %s is not the one synchronised before (objectGUID %s, now %s): it was deleted and made again, or another one took its name", ref.DN, rec.ID, again.ID)
				c, err = again, nil
			}
		}
		if errors.Is(err, ErrNotFound) {
			return &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("the OU %s cannot be found: check its name, whether it was deleted, and whether the account may read it", name), Err: err}
		}
		if err != nil {
			return fmt.Errorf("ldapsync: track %s: OU %s: %w", p.t.Name, name, err)
		}
		if known && c.DN.String() != rec.DN && c.ID == rec.ID {
			p.notice("the OU %s is now %s; it is followed by its objectGUID", rec.DN, c.DN)
		}
		p.containers = append(p.containers, c)
		p.plan.Anchors = append(p.plan.Anchors, OUAnchor{Track: p.t.Name, Ref: name, ID: c.ID, DN: c.DN})
		if !p.t.Scope.Subtree {
			kids, err := p.s.Source.ChildContainers(ctx, c)
			if err != nil {
				return fmt.Errorf("ldapsync: track %s: child OUs of %s: %w", p.t.Name, c.DN, err)
			}
			slices.SortFunc(kids, func(a, b Container) int { return strings.Compare(a.DN.Key(), b.DN.Key()) })
			for _, k := range kids {
				p.notice("the child OU %s is not traversed", k.DN)
			}
		}
	}
	return nil
}

// readSource streams the source and decides object by object.
func (p *planner) readSource(ctx context.Context) error {
	attrs := p.t.sourceAttrs()
	p.s.progress(Progress{Phase: "read source", Track: p.t.Name})
	for _, c := range p.containers {
		q := Query{Class: p.t.Class, Container: c, Subtree: p.t.Scope.Subtree, Filter: p.t.Scope.Filter, Attrs: attrs}
		for o, err := range p.s.Source.Read(ctx, q) {
			if err != nil {
				return &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("reading %s ended after %d objects; what was read is thrown away", c.DN, p.counts.Read), Err: errors.Join(ErrPartial, err)}
			}
			if o.ID.IsZero() {
				return &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("%s has no readable objectGUID", o.DN)}
			}
			if p.seen[o.ID] {
				continue // in two OUs of the scope, one below the other
			}
			p.seen[o.ID] = true
			p.counts.Read++
			if p.counts.Read%1000 == 0 {
				p.s.progress(Progress{Phase: "read source", Track: p.t.Name, Done: p.counts.Read, Total: p.run.Read[p.t.Name]})
			}
			p.sight(&o)
			if err := p.object(ctx, o); err != nil {
				return err
			}
		}
	}
	p.s.progress(Progress{Phase: "read source", Track: p.t.Name, Done: p.counts.Read, Total: p.counts.Read})
	return ctx.Err()
}

// sight checks whether o is a canary.
func (p *planner) sight(o *Object) {
	for i, c := range p.t.Scope.Canaries {
		if c.ID != o.ID && (!c.ID.IsZero() || !strings.EqualFold(c.DN, o.DN.String())) {
			continue
		}
		p.canaries[i] = !slices.ContainsFunc(c.Attrs, func(a string) bool { return o.Presence(a) != Present })
	}
}

func (p *planner) item(o *Object, a Action, reason string) Item {
	return Item{Track: p.t.Name, Action: a, Class: p.t.Class, Source: o.ID, SourceDN: o.DN, Reason: reason}
}

func (p *planner) add(r result) { p.results = append(p.results, r) }

// object decides what happens with one object that is in scope.
func (p *planner) object(ctx context.Context, o Object) error {
	r := result{source: o.ID, dn: o.DN}
	tr := p.trace.match(&o)
	tr.sawInScope(p, &o)
	hold := func(a Action, reason string) error {
		it := p.item(&o, a, reason)
		if l := p.links[o.ID]; l != nil {
			it.Target = l.Target
			it.TargetDN = looseDN(l.TargetDN)
		}
		r.items = append(r.items, it)
		p.add(r)
		return nil
	}
	for _, c := range p.t.Scope.Conditions {
		ok, unknown, reason, err := c.test(&o, &p.env)
		if err != nil {
			return fmt.Errorf("ldapsync: track %s: %w", p.t.Name, err)
		}
		if !ok && !unknown && c.Leave {
			hidden, err := p.hidden(ctx, &o, c.From)
			if err != nil {
				return err
			}
			if len(hidden) > 0 {
				unknown, reason = true, strings.Join(hidden, ", ")+" cannot be read"
			}
		}
		tr.condition(c, ok, reason)
		switch {
		case ok:
		case !unknown && c.Leave:
			if l := p.links[o.ID]; l != nil {
				return p.leave(ctx, l, o.DN, "condition "+c.ID+": "+reason)
			}
			return nil
		default:
			return hold(ActionHold, "condition "+c.ID+": "+reason)
		}
	}
	anchor, ok := p.t.Join.anchor(&o)
	if !ok {
		return hold(ActionHold, "the source anchor cannot be read")
	}
	r.anchor = anchor
	m := p.join(ctx, &o, anchor)
	tr.joined(m)
	if m.err != nil {
		return m.err
	}
	if m.action != 0 {
		return hold(m.action, m.reason)
	}
	if p.links[o.ID] == nil && (m.target != nil || p.t.Policy.Create) {
		// The anchor is for good: an attribute that comes first and only looks absent would give a wrong one.
		var first []string
		for _, a := range p.t.Join.sourceAnchors() {
			if strings.EqualFold(a, "objectGUID") {
				break
			}
			first = append(first, a)
			if o.Presence(a) == Present {
				break
			}
		}
		hidden, err := p.hidden(ctx, &o, first)
		if err != nil {
			return err
		}
		if len(hidden) > 0 {
			return hold(ActionHold, "the source anchor "+strings.Join(hidden, ", ")+" cannot be read")
		}
	}
	it, rename, err := p.edits(ctx, &o, m, tr)
	if err != nil {
		return err
	}
	it.Anchor = []byte(anchor)
	if m.target == nil {
		if !p.t.Policy.Create {
			return hold(ActionWait, m.reason)
		}
		r.items = append(r.items, p.create(&o, it, m))
		p.add(r)
		return nil
	}
	r.target = m.target.ID
	it.Target, it.TargetDN = m.target.ID, m.target.DN
	if rename != nil {
		rename.Anchor, rename.Target, rename.TargetDN = it.Anchor, it.Target, it.TargetDN
		r.items = append(r.items, *rename)
	}
	switch {
	case len(it.Edits) > 0:
		it.Action = ActionUpdate
		it.Reason = m.reason
		r.items = append(r.items, it)
	case p.links[o.ID] == nil || p.links[o.ID].Target != m.target.ID:
		it.Action, it.Reason = ActionJoin, m.reason+"; already as it should be"
		r.items = append(r.items, it)
	case p.links[o.ID].Missing > 0:
		it.Action, it.Reason = ActionJoin, "it was missing and is back"
		r.items = append(r.items, it)
	case len(it.Notes) > 0:
		it.Action, it.Reason = ActionHold, "some attributes are left as they are"
		r.items = append(r.items, it)
	case rename == nil:
		p.counts.Unchanged++
	}
	p.add(r)
	return nil
}

// create turns the edits for an object without counterpart into a create item, or a hold if something is missing.
func (p *planner) create(o *Object, it Item, m match) Item {
	it.Action, it.Reason = ActionCreate, m.reason
	if it.NewName == "" {
		it.Action, it.Reason, it.Edits = ActionHold, "no rule gave a value for the naming attribute "+p.t.Place.rdn(), nil
		return it
	}
	for _, n := range it.Notes {
		if n.Rule != "" {
			it.Action, it.Reason, it.Edits = ActionHold, "not created while an attribute cannot be computed", nil
			return it
		}
	}
	it.TargetDN = p.target.container.DN.Child(p.t.Place.rdn(), it.NewName)
	it.NewName = ""
	if p.target.byDN[it.TargetDN.Key()] {
		it.Action, it.Reason, it.Edits = ActionConflict, fmt.Sprintf("%s is already there and is not joined with this object", it.TargetDN), nil
	}
	return it
}

// markConflicts finds objects of the source that cannot all be right: the same anchor, or the same counterpart.
func (p *planner) markConflicts() {
	anchors := make(map[string][]int)
	targets := make(map[GUID][]int)
	for i, r := range p.results {
		if r.anchor != "" {
			anchors[r.anchor] = append(anchors[r.anchor], i)
		}
		if !r.target.IsZero() {
			targets[r.target] = append(targets[r.target], i)
		}
	}
	conflict := func(group []int, what string) {
		if len(group) < 2 {
			return
		}
		names := make([]string, len(group))
		for i, at := range group {
			names[i] = p.results[at].dn.String()
		}
		slices.Sort(names)
		for _, at := range group {
			r := &p.results[at]
			if len(r.items) == 0 {
				p.counts.Unchanged--
			}
			o := Object{ID: r.source, DN: r.dn}
			it := p.item(&o, ActionConflict, what+": "+strings.Join(names, " and "))
			it.Target = r.target
			r.items = []Item{it}
		}
	}
	for _, g := range anchors {
		conflict(g, "these objects have the same source anchor")
	}
	for at, g := range targets {
		conflict(g, "these objects would be joined with the same target object "+at.String())
	}
}

// markNameClashes finds creates and renames of one plan that want the same name.
func (p *planner) markNameClashes() {
	names := make(map[string][]*Item)
	for i := range p.results {
		for j := range p.results[i].items {
			it := &p.results[i].items[j]
			switch it.Action {
			case ActionCreate:
				names[it.TargetDN.Key()] = append(names[it.TargetDN.Key()], it)
			case ActionRename:
				dn := it.TargetDN.Parent().Child(p.t.Place.rdn(), it.NewName)
				if p.target.byDN[dn.Key()] && !dn.Equal(it.TargetDN) {
					it.Action, it.Reason = ActionConflict, fmt.Sprintf("%s is already there", dn)
					continue
				}
				names[dn.Key()] = append(names[dn.Key()], it)
			}
		}
	}
	for _, group := range names {
		if len(group) < 2 {
			continue
		}
		slices.SortFunc(group, func(a, b *Item) int { return cmp.Compare(a.SourceDN.Key(), b.SourceDN.Key()) })
		for _, it := range group {
			it.Action, it.Edits = ActionConflict, nil
			it.Reason = fmt.Sprintf("several objects would have the same name at the target: %s and %s", group[0].SourceDN, group[1].SourceDN)
		}
	}
}

// hidden returns those of the attributes that a read showed as absent but that the account may not read.
func (p *planner) hidden(ctx context.Context, o *Object, attrs []string) ([]string, error) {
	v, ok := p.s.Source.(AbsenceVerifier)
	if !ok {
		return nil, nil
	}
	var ask []string
	for _, a := range attrs {
		if !strings.HasPrefix(a, "%") && o.Presence(a) == Absent && !containsFold(ask, a) {
			ask = append(ask, a)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	got, err := v.VerifyAbsent(ctx, o.ID, ask)
	if err != nil {
		return nil, &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("it could not be verified whether %s of %s may be read", strings.Join(ask, ", "), o.DN), Err: err}
	}
	if len(got) != len(ask) {
		return nil, fmt.Errorf("ldapsync: the source verified %d of %d attributes", len(got), len(ask))
	}
	var out []string
	for i, pr := range got {
		if pr != Absent {
			p.unreadable[ask[i]]++
			out = append(out, ask[i])
		}
	}
	return out, nil
}

// looseDN parses a DN that the engine itself wrote down.
func looseDN(s string) DN {
	d, _ := ParseDN(s)
	return d
}
