package ldapsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A targetIndex finds the objects of the target by everything a Join may ask for.
type targetIndex struct {
	container Container
	attrs     []string
	byID      map[GUID]*Object
	byAnchor  map[string][]GUID
	byKey     []map[string][]GUID // one for each match key
	byDN      map[string]bool
}

// readTarget reads the counterparts.
func (p *planner) readTarget(ctx context.Context) error {
	j := p.t.Join
	c, err := p.s.Target.Container(ctx, p.t.Place.Container)
	if errors.Is(err, ErrNotFound) {
		return &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("the target container %s cannot be found: check its name and the account's rights", p.t.Place.Container.DN), Err: err}
	}
	if err != nil {
		return fmt.Errorf("ldapsync: track %s: target container: %w", p.t.Name, err)
	}
	ix := targetIndex{container: c, byID: make(map[GUID]*Object), byAnchor: make(map[string][]GUID), byDN: make(map[string]bool), byKey: make([]map[string][]GUID, len(j.Keys))}
	for i := range ix.byKey {
		ix.byKey[i] = make(map[string][]GUID)
	}
	set := make(map[string]string)
	sourceAttrs(set, p.t.targetAttrs())
	for _, l := range p.links {
		for k, o := range l.Owned {
			if _, ok := set[k]; !ok {
				set[k] = o.Attr
			}
		}
	}
	ix.attrs = sortedNames(set)
	p.s.progress(Progress{Phase: "read target", Track: p.t.Name})
	q := Query{Class: p.t.Class, Container: c, Subtree: p.t.Place.Subtree, Filter: p.t.Place.Filter, Attrs: ix.attrs}
	for o, err := range p.s.Target.Read(ctx, q) {
		if err != nil {
			return &RefusedError{Track: p.t.Name, Why: "reading the target ended early; what was read is thrown away", Err: errors.Join(ErrPartial, err)}
		}
		if ix.byID[o.ID] != nil {
			continue
		}
		ix.byID[o.ID] = &o
		ix.byDN[o.DN.Key()] = true
		if j.Anchor != "" {
			if v, ok := o.Get(j.Anchor); ok {
				ix.byAnchor[v] = append(ix.byAnchor[v], o.ID)
			}
		}
		for i, k := range j.Keys {
			for _, v := range o.All(k.Target) {
				ix.byKey[i][k.norm(v)] = append(ix.byKey[i][k.norm(v)], o.ID)
			}
		}
		if n := len(ix.byID); n%1000 == 0 {
			p.s.progress(Progress{Phase: "read target", Track: p.t.Name, Done: n})
		}
	}
	p.counts.Target = len(ix.byID)
	p.s.progress(Progress{Phase: "read target", Track: p.t.Name, Done: p.counts.Target, Total: p.counts.Target})
	p.target = ix
	return ctx.Err()
}

// counterpart finds the target object of a link, also outside the container. It is nil if it is gone.
func (p *planner) counterpart(ctx context.Context, l *linkRecord) (*Object, error) {
	if o := p.target.byID[l.Target]; o != nil {
		return o, nil
	}
	o, err := p.s.Target.Get(ctx, l.Target, p.target.attrs)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ldapsync: track %s: target object %s: %w", p.t.Name, l.Target, err)
	}
	return &o, nil
}

// A match is the answer to "which target object belongs to this one".
type match struct {
	target   *Object
	reason   string
	action   Action // ActionHold or ActionConflict if there is no answer
	byAnchor bool
	err      error
}

// join finds the counterpart: the link, then the anchor, then the keys in order.
func (p *planner) join(ctx context.Context, o *Object, anchor string) match {
	j := p.t.Join
	want := j.Form.encode(anchor)
	lost := ""
	if l := p.links[o.ID]; l != nil {
		t, err := p.counterpart(ctx, l)
		if err != nil {
			return match{err: err}
		}
		if t != nil {
			if j.Anchor != "" {
				switch a := t.Attr(j.Anchor); {
				case a.Presence == Unreadable:
					return match{action: ActionHold, reason: "the anchor of the counterpart cannot be read"}
				case a.Presence == Present && !slices.Contains(a.Values, want):
					return match{action: ActionConflict, reason: fmt.Sprintf("the counterpart %s now has another anchor: %s", t.DN, ValueList(a.Values))}
				}
			}
			return match{target: t, reason: "joined before"}
		}
		lost = "its counterpart was deleted at the target; "
	}
	if j.Anchor != "" {
		switch ids := p.target.byAnchor[want]; len(ids) {
		case 0:
		case 1:
			return p.claim(o, ids[0], match{reason: lost + "found by its anchor", byAnchor: true}, want)
		default:
			return match{action: ActionConflict, reason: fmt.Sprintf("%d target objects have its anchor: %s", len(ids), p.names(ids))}
		}
	}
	for i, k := range j.Keys {
		if o.Presence(k.Source) == Unreadable {
			return match{action: ActionHold, reason: "the match key " + k.Source + " cannot be read"}
		}
		var ids []GUID
		for _, v := range o.All(k.Source) {
			for _, id := range p.target.byKey[i][k.norm(v)] {
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
		}
		switch len(ids) {
		case 0:
		case 1:
			return p.claim(o, ids[0], match{reason: fmt.Sprintf("%sfound by %s = %s", lost, k.Target, k.Source)}, want)
		default:
			return match{action: ActionConflict, reason: fmt.Sprintf("%d target objects match %s: %s", len(ids), k.Source, p.names(ids))}
		}
	}
	return match{reason: lost + "no counterpart at the target"}
}

// claim checks that a target object that was found is free.
func (p *planner) claim(o *Object, id GUID, m match, want string) match {
	t := p.target.byID[id]
	if owner, ok := p.linkedTo[id]; ok && owner != o.ID {
		l := p.links[owner]
		return match{action: ActionConflict, reason: fmt.Sprintf("the counterpart %s is still joined with %s (%s); it is free once that one has left", t.DN, l.SourceDN, owner)}
	}
	if p.t.Join.Anchor != "" && !m.byAnchor {
		switch a := t.Attr(p.t.Join.Anchor); {
		case a.Presence == Unreadable:
			return match{action: ActionHold, reason: "the anchor of the counterpart cannot be read"}
		case a.Presence == Present && !slices.Contains(a.Values, want):
			return match{action: ActionConflict, reason: fmt.Sprintf("%s matches but has another anchor: %s", t.DN, ValueList(a.Values))}
		}
	}
	m.target = t
	return m
}

func (p *planner) names(ids []GUID) string {
	var out []string
	for i, id := range ids {
		if i == 3 {
			out = append(out, "…")
			break
		}
		out = append(out, p.target.byID[id].DN.String())
	}
	slices.Sort(out)
	return strings.Join(out, " and ")
}
