package ldapsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// counterpart finds the target object of a link, also outside the container. It is nil if it is gone.
func (p *planner) counterpart(ctx context.Context, l *link) (*Object, error) {
	if o, err := p.target.byID(l.Target); o != nil || err != nil {
		return o, err
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
}

// join finds the counterpart: the link l, which may be nil, then the anchor, then the keys in order.
func (p *planner) join(ctx context.Context, o *Object, anchor string, l *link) (match, error) {
	j := p.t.Join
	want := j.Form.encode(anchor)
	lost := ""
	if l != nil {
		t, err := p.counterpart(ctx, l)
		if err != nil {
			return match{}, err
		}
		if t != nil {
			if j.Anchor != "" {
				switch a := t.Attr(j.Anchor); {
				case a.Presence == Unreadable:
					return match{action: ActionHold, reason: "the anchor of the counterpart cannot be read"}, nil
				case a.Presence == Present && !slices.Contains(a.Values, want):
					return match{action: ActionConflict, reason: fmt.Sprintf("the counterpart %s now has another anchor: %s", t.DN, ValueList(a.Values))}, nil
				}
			}
			return match{target: t, reason: "joined before"}, nil
		}
		lost = "its counterpart was deleted at the target; "
	}
	if j.Anchor != "" {
		found, err := p.target.byAnchor(want)
		if err != nil {
			return match{}, err
		}
		switch found.n {
		case 0:
		case 1:
			return p.claim(o, found.objects[0], match{reason: lost + "found by its anchor", byAnchor: true}, want)
		default:
			return match{action: ActionConflict, reason: fmt.Sprintf("%s target objects have its anchor: %s", found.size(), found.names())}, nil
		}
	}
	for i, k := range j.Keys {
		if o.Presence(k.Source) == Unreadable {
			return match{action: ActionHold, reason: "the match key " + k.Source + " cannot be read"}, nil
		}
		var found finding
		for _, v := range o.All(k.Source) {
			if err := p.target.byKey(&found, i, k.norm(v)); err != nil {
				return match{}, err
			}
		}
		switch found.n {
		case 0:
		case 1:
			return p.claim(o, found.objects[0], match{reason: fmt.Sprintf("%sfound by %s = %s", lost, k.Target, k.Source)}, want)
		default:
			return match{action: ActionConflict, reason: fmt.Sprintf("%s target objects match %s: %s", found.size(), k.Source, found.names())}, nil
		}
	}
	return match{reason: lost + "no counterpart at the target"}, nil
}

// claim checks that a target object that was found is free.
func (p *planner) claim(o, t *Object, m match, want string) (match, error) {
	l, err := p.links.to(t.ID)
	if err != nil {
		return match{}, err
	}
	if l != nil && l.Source != o.ID {
		return match{action: ActionConflict, reason: fmt.Sprintf("the counterpart %s is still joined with %s (%s); it is free once that one has left", t.DN, l.SourceDN, l.Source)}, nil
	}
	if p.t.Join.Anchor != "" && !m.byAnchor {
		switch a := t.Attr(p.t.Join.Anchor); {
		case a.Presence == Unreadable:
			return match{action: ActionHold, reason: "the anchor of the counterpart cannot be read"}, nil
		case a.Presence == Present && !slices.Contains(a.Values, want):
			return match{action: ActionConflict, reason: fmt.Sprintf("%s matches but has another anchor: %s", t.DN, ValueList(a.Values))}, nil
		}
	}
	m.target = t
	return m, nil
}
