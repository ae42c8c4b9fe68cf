package ldapsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
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
	late  map[objectKey]DN // counterparts that an earlier run may still create
	trace *tracer

	containers []Container
	hash       hasher
	links      linkTable
	target     targetIndex
	results    []result          // those with items
	decided    decisions         // on all objects of the source
	unlinked   map[GUID]struct{} // objects of the source that were read and are not joined yet
	canaries   []bool
	mapped     map[string]bool   // the attributes the engine writes, by canonical name
	canon      map[string]string // canonical names
	present    map[string]int    // joined objects whose target has the attribute
	unreadable map[string]int    // objects of which a source attribute turned out unreadable
	counts     TrackCounts
}

// A result is what was decided for one object of the source.
type result struct {
	number int // of the decision; -1 for an object that the source did not show
	source GUID
	dn     DN
	items  []Item
}

func (p *planner) planTrack(ctx context.Context) error {
	defer p.close()
	p.hash = hasher{maphash.MakeSeed()}
	p.counts.Track = p.t.Name
	p.unlinked = make(map[GUID]struct{})
	p.decided = decisions{spool: spool{dir: p.s.TempDir}, hash: p.hash}
	p.present, p.unreadable = make(map[string]int), make(map[string]int)
	p.canaries = make([]bool, len(p.t.Scope.Canaries))
	p.canon, p.mapped = make(map[string]string), make(map[string]bool)
	for _, r := range p.t.Mapping {
		p.mapped[canonicalName(r.To)] = true
	}
	p.mapped[canonicalName(p.t.Join.Anchor)] = true
	if err := p.findOUs(ctx); err != nil {
		return err
	}
	if err := p.readLinks(ctx); err != nil {
		return err
	}
	p.counts.Linked = p.links.count
	if err := p.readTarget(ctx); err != nil {
		return err
	}
	if err := p.readSource(ctx); err != nil {
		return err
	}
	if err := p.markConflicts(); err != nil {
		return err
	}
	if err := p.leavers(ctx); err != nil {
		return err
	}
	if err := p.markNameClashes(); err != nil {
		return err
	}
	p.collect()
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

func (p *planner) close() {
	p.links.spool.close()
	p.target.spool.close()
	p.decided.spool.close()
}

// collect puts the items in the order of plans: by the name of the source object.
func (p *planner) collect() {
	keys := make([]string, len(p.results))
	order := make([]int, len(p.results))
	n := 0
	for i, r := range p.results {
		keys[i], order[i] = r.dn.Key()+"\x00"+r.source.String(), i
		n += len(r.items)
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(keys[a], keys[b]) })
	p.plan.Items = slices.Grow(p.plan.Items, n)
	for _, i := range order {
		p.plan.Items = append(p.plan.Items, p.results[i].items...)
	}
	p.results = nil
}

// canonical is canonicalName for names that come again and again.
func (p *planner) canonical(name string) string {
	c, ok := p.canon[name]
	if !ok {
		c = canonicalName(name)
		p.canon[strings.Clone(name)] = c
	}
	return c
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
			l, err := p.links.of(o.ID)
			if err != nil {
				return err
			}
			if p.saw(o.ID, l) {
				continue // in two OUs of the scope, one below the other
			}
			p.counts.Read++
			if p.counts.Read%1000 == 0 {
				p.s.progress(Progress{Phase: "read source", Track: p.t.Name, Done: p.counts.Read, Total: p.run.Read[p.t.Name]})
			}
			p.sight(&o)
			if err := p.object(ctx, &o, l); err != nil {
				return err
			}
		}
	}
	p.s.progress(Progress{Phase: "read source", Track: p.t.Name, Done: p.counts.Read, Total: p.counts.Read})
	return ctx.Err()
}

// saw notes that the source showed an object, and reports whether it did so before. l is its link, or nil.
func (p *planner) saw(id GUID, l *link) (before bool) {
	if l != nil {
		return p.links.see(l)
	}
	_, before = p.unlinked[id]
	p.unlinked[id] = struct{}{}
	return before
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

// object decides what happens with one object that is in scope. l is its link, or nil.
func (p *planner) object(ctx context.Context, o *Object, l *link) error {
	tr := p.trace.match(o)
	tr.sawInScope(p, o, l)
	d := decision{source: o.ID, dn: o.DN}
	add := func(items ...Item) error {
		n, err := p.decided.add(&d)
		if err == nil && len(items) > 0 {
			p.results = append(p.results, result{number: n, source: o.ID, dn: o.DN, items: items})
		}
		return err
	}
	hold := func(a Action, reason string) error {
		it := p.item(o, a, reason)
		if l != nil {
			it.Target = l.Target
			it.TargetDN = looseDN(l.TargetDN)
		}
		return add(it)
	}
	for _, c := range p.t.Scope.Conditions {
		ok, unknown, reason, err := c.test(o, &p.env)
		if err != nil {
			return fmt.Errorf("ldapsync: track %s: %w", p.t.Name, err)
		}
		if !ok && !unknown && c.Leave {
			hidden, err := p.hidden(ctx, o, c.From)
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
			if l != nil {
				return p.leave(ctx, l, o.DN, "condition "+c.ID+": "+reason)
			}
			return nil
		default:
			return hold(ActionHold, "condition "+c.ID+": "+reason)
		}
	}
	anchor, ok := p.t.Join.anchor(o)
	if !ok {
		return hold(ActionHold, "the source anchor cannot be read")
	}
	d.anchor = anchor
	m, err := p.join(ctx, o, anchor, l)
	if err != nil {
		return err
	}
	tr.joined(m)
	if m.action != 0 {
		return hold(m.action, m.reason)
	}
	if l == nil && (m.target != nil || p.t.Policy.Create) {
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
		hidden, err := p.hidden(ctx, o, first)
		if err != nil {
			return err
		}
		if len(hidden) > 0 {
			return hold(ActionHold, "the source anchor "+strings.Join(hidden, ", ")+" cannot be read")
		}
	}
	it, rename, err := p.edits(ctx, o, m, l, tr)
	if err != nil {
		return err
	}
	it.Anchor = []byte(anchor)
	if m.target == nil {
		if !p.t.Policy.Create {
			return hold(ActionWait, m.reason)
		}
		if it, err = p.create(it, m); err != nil {
			return err
		}
		return add(it)
	}
	d.target = m.target.ID
	it.Target, it.TargetDN = m.target.ID, m.target.DN
	var items []Item
	if rename != nil {
		rename.Anchor, rename.Target, rename.TargetDN = it.Anchor, it.Target, it.TargetDN
		items = append(items, *rename)
	}
	switch {
	case len(it.Edits) > 0:
		it.Action = ActionUpdate
		it.Reason = m.reason
		items = append(items, it)
	case l == nil || l.Target != m.target.ID:
		it.Action, it.Reason = ActionJoin, m.reason+"; already as it should be"
		items = append(items, it)
	case l.Missing > 0:
		it.Action, it.Reason = ActionJoin, "it was missing and is back"
		items = append(items, it)
	case len(it.Notes) > 0:
		it.Action, it.Reason = ActionHold, "some attributes are left as they are"
		items = append(items, it)
	case rename == nil:
		p.counts.Unchanged++
	}
	return add(items...)
}

// create turns the edits for an object without counterpart into a create item, or a hold if something is missing.
func (p *planner) create(it Item, m match) (Item, error) {
	it.Action, it.Reason = ActionCreate, m.reason
	if it.NewName == "" {
		it.Action, it.Reason, it.Edits = ActionHold, "no rule gave a value for the naming attribute "+p.t.Place.rdn(), nil
		return it, nil
	}
	for _, n := range it.Notes {
		if n.Rule != "" {
			it.Action, it.Reason, it.Edits = ActionHold, "not created while an attribute cannot be computed", nil
			return it, nil
		}
	}
	it.TargetDN = p.target.container.DN.Child(p.t.Place.rdn(), it.NewName)
	it.NewName = ""
	if dn := p.late[objectKey{p.t.Name, it.Source}]; !dn.IsRoot() && !dn.Equal(it.TargetDN) {
		it.Action, it.Reason, it.Edits = ActionHold, fmt.Sprintf("the write that creates %s, whose outcome is not known, may still arrive", dn), nil
		return it, nil
	}
	taken, err := p.target.hasDN(it.TargetDN)
	if taken {
		it.Action, it.Reason, it.Edits = ActionConflict, fmt.Sprintf("%s is already there and is not joined with this object", it.TargetDN), nil
	}
	return it, err
}

// markNameClashes finds creates and renames of one plan that want the same name.
func (p *planner) markNameClashes() error {
	names := make(map[string][]*Item)
	for i := range p.results {
		for j := range p.results[i].items {
			it := &p.results[i].items[j]
			switch it.Action {
			case ActionCreate:
				names[it.TargetDN.Key()] = append(names[it.TargetDN.Key()], it)
			case ActionRename:
				dn := it.TargetDN.Parent().Child(p.t.Place.rdn(), it.NewName)
				if dn.Equal(it.TargetDN) {
					names[dn.Key()] = append(names[dn.Key()], it)
					continue
				}
				taken, err := p.target.hasDN(dn)
				if err != nil {
					return err
				}
				if taken {
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
	return nil
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
