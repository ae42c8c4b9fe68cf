package ldapsync

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// leavers looks for every joined object that the read did not show, and finds out why.
func (p *planner) leavers(ctx context.Context) error {
	missing := p.links.count - p.links.nSeen
	if missing == 0 {
		return nil
	}
	listing := true
	if v, ok := p.s.Source.(AbsenceVerifier); ok {
		for _, c := range p.containers {
			pr, err := v.VerifyListing(ctx, c)
			if err != nil {
				return &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("%d joined objects are missing, and it could not be verified that the account may list %s", missing, c.DN), Err: err}
			}
			if pr != Present {
				listing = false
				p.trip("listing:"+p.t.Name, "it is not proved that the account may list the contents of %s, so %d missing objects prove nothing", c.DN, missing)
			}
		}
	}
	attrs := filterAttrs(p.t.Scope.Filter)
	i := 0
	err := p.links.missing(func(l *link) error {
		if i%100 == 0 {
			p.s.progress(Progress{Phase: "look for leavers", Track: p.t.Name, Done: i, Total: missing})
		}
		i++
		if !listing {
			p.holdLink(l, looseDN(l.SourceDN), "not seen, but it is not proved that the account may list its OU", 0)
			return nil
		}
		o, err := p.s.Source.Locate(ctx, l.Source, attrs)
		switch {
		case errors.Is(err, ErrNotFound):
			return p.nowhere(ctx, l)
		case err != nil:
			return &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("it could not be found out where %s is now", l.SourceDN), Err: err}
		}
		return p.elsewhere(ctx, l, &o, attrs)
	})
	if err != nil {
		return err
	}
	p.s.progress(Progress{Phase: "look for leavers", Track: p.t.Name, Done: missing, Total: missing})
	return nil
}

// nowhere: the object was deleted, or moved to where the account cannot see.
func (p *planner) nowhere(ctx context.Context, l *link) error {
	n := l.Missing + 1
	if need := p.t.Policy.missingCycles(); n < need {
		p.holdLink(l, looseDN(l.SourceDN), fmt.Sprintf("found nowhere: deleted, or moved where the account cannot see; it leaves after %d such cycles, this is number %d", need, n), n)
		return nil
	}
	return p.leave(ctx, l, looseDN(l.SourceDN), "found nowhere: deleted, or moved where the account cannot see")
}

// elsewhere: the object exists and was not among those read.
func (p *planner) elsewhere(ctx context.Context, l *link, o *Object, filter []string) error {
	for _, c := range p.containers {
		switch {
		case o.DN.IsChildOf(c.DN), p.t.Scope.Subtree && o.DN.IsBelow(c.DN):
			if o.Class != p.t.Class && o.Class != 0 {
				return p.leave(ctx, l, o.DN, "it is a "+o.Class.String()+" now")
			}
			if p.t.Scope.Filter == "" {
				p.holdLink(l, o.DN, "it is in the OU but the read did not show it", 0)
				return nil
			}
			hidden, err := p.hidden(ctx, o, filter)
			if err != nil {
				return err
			}
			if len(hidden) > 0 {
				p.holdLink(l, o.DN, "the filter does not select it, but "+strings.Join(hidden, ", ")+" cannot be read", 0)
				return nil
			}
			return p.leave(ctx, l, o.DN, "the filter does not select it any more")
		case !p.t.Scope.Subtree && o.DN.IsBelow(c.DN) && !p.t.Policy.LeaveToChildOU:
			p.holdLink(l, o.DN, "it was moved to a child OU, which is not traversed: move it back, or out of the OU if it shall leave", 0)
			return nil
		}
	}
	return p.leave(ctx, l, o.DN, "it was moved out of the OU")
}

func (p *planner) holdLink(l *link, dn DN, reason string, missing int) {
	o := Object{ID: l.Source, DN: dn}
	it := p.item(&o, ActionHold, reason)
	it.Target, it.TargetDN, it.Missing, it.Anchor = l.Target, looseDN(l.TargetDN), missing, l.Anchor
	p.trace.match(&o).missing(p, l, reason)
	p.results = append(p.results, result{number: -1, source: l.Source, dn: dn, items: []Item{it}})
}

// leave plans what happens at the target when an object leaves scope.
func (p *planner) leave(ctx context.Context, l *link, dn DN, reason string) error {
	o := Object{ID: l.Source, DN: dn}
	p.trace.match(&o).missing(p, l, reason)
	it := p.item(&o, ActionStop, reason)
	it.Target, it.TargetDN, it.Anchor = l.Target, looseDN(l.TargetDN), l.Anchor
	done := func() error {
		p.results = append(p.results, result{number: -1, source: l.Source, dn: dn, items: []Item{it}})
		return nil
	}
	if p.t.Policy.Leave == LeaveStop {
		return done()
	}
	t, err := p.counterpart(ctx, l)
	if err != nil {
		return err
	}
	if t == nil {
		it.Reason += "; its counterpart is gone already"
		return done()
	}
	it.TargetDN = t.DN
	if p.t.Policy.Leave == LeaveDelete && l.Created {
		it.Action = ActionDelete
		for a := range t.Attrs() {
			if a.Presence == Present && !strings.EqualFold(a.Name, p.t.Place.rdn()) {
				it.Edits = append(it.Edits, PlannedEdit{Attr: a.Name, Rule: ruleRevert, Before: a.Values, Reason: "the object is deleted"})
			}
		}
		return done()
	}
	for _, own := range l.Owned {
		switch cur := t.Attr(own.Attr); {
		case cur.Presence == Absent:
		case cur.Presence == Unreadable:
			it.Notes = append(it.Notes, Note{Attr: own.Attr, Rule: ruleRevert, Reason: "the target attribute cannot be read"})
		case fingerprint(cur.Values) != own.Written:
			it.Notes = append(it.Notes, Note{Attr: own.Attr, Rule: ruleRevert, Reason: "it was changed at the target since this engine wrote it"})
		default:
			it.Edits = append(it.Edits, PlannedEdit{Attr: own.Attr, Rule: ruleRevert, Before: cur.Values, Reason: "the engine wrote it as rule " + own.Rule})
		}
	}
	if len(it.Edits) > 0 {
		it.Action = ActionRevert
	}
	return done()
}

// filterAttrs lists the attributes an RFC 4515 filter asks about, so that they can be checked for readability.
func filterAttrs(filter string) []string {
	set := make(map[string]string)
	for i := 0; i < len(filter); i++ {
		if filter[i] != '(' {
			continue
		}
		end := i + 1
		for end < len(filter) && (isAlnum(filter[end]) || filter[end] == '-' || filter[end] == '.') {
			end++
		}
		if end > i+1 && end < len(filter) && strings.IndexByte("=~<>:", filter[end]) >= 0 {
			sourceAttrs(set, []string{filter[i+1 : end]})
		}
	}
	return sortedNames(set)
}
