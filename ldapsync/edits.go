package ldapsync

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// edits computes the attribute changes for one object. The item it returns has no action yet; rename is the
// separate item for a changed name. For an object without counterpart the name is left in NewName.
// l is its link, or nil.
func (p *planner) edits(ctx context.Context, o *Object, m match, l *link, tr *tracer) (it Item, rename *Item, err error) {
	it = p.item(o, 0, "")
	outcomes, ruleErr := p.t.Mapping.Apply(*o, p.env)
	for _, e := range flatten(ruleErr) {
		it.Notes = append(it.Notes, Note{Attr: e.To, Rule: e.Rule, Reason: "the rule failed: " + e.Err.Error()})
		tr.failed(e)
	}
	var owned ownedList
	if l != nil && m.target != nil && l.Target == m.target.ID {
		owned = l.Owned
	}
	type suspect struct {
		edit int
		from []string
	}
	var suspects []suspect // edits that overwrite something although an input is absent
	target := Object{}
	if m.target != nil {
		target = *m.target
		for a := range target.Attrs() {
			p.present[p.canonical(a.Name)]++
		}
	}
	note := func(oc *Outcome, reason string) {
		it.Notes = append(it.Notes, Note{Attr: oc.To, Rule: oc.Rule, Reason: reason})
	}
	for i := range outcomes {
		oc := &outcomes[i]
		tr.outcome(oc)
		if oc.Result.Kind == KindUnknown {
			note(oc, oc.Result.Reason)
			continue
		}
		if strings.EqualFold(oc.To, p.t.Place.rdn()) {
			rename = p.rename(o, m, oc, &it)
			continue
		}
		cur := target.Attr(oc.To)
		own, mine := owned.get(oc.To)
		edited := mine && cur.Presence == Present && fingerprint(cur.Values) != own.Written
		if cur.Presence == Unreadable && oc.Result.Kind != KindSkip {
			note(oc, "the target attribute cannot be read")
			continue
		}
		edit := PlannedEdit{Attr: oc.To, Rule: oc.Rule, Before: cur.Values}
		switch oc.Result.Kind {
		case KindSet:
			if oc.Once && cur.Presence == Present {
				continue
			}
			edit.After = oc.Result.Values
			if SameValues(cur.Values, edit.After) {
				if p.t.Join.Adopt && m.byAnchor && !mine {
					edit.Before, edit.Reason = nil, "found as this engine would write it"
					it.Adopt = append(it.Adopt, edit)
				}
				continue
			}
			switch {
			case edited:
				edit.Reason = "it was changed at the target since this engine wrote it"
			case cur.Presence == Absent:
				edit.Reason = "not set yet"
			default:
				edit.Reason = "differs"
			}
		case KindClear:
			if cur.Presence == Absent {
				continue
			}
			if !p.t.Policy.ClearForeign && !mine {
				note(oc, "the source has no value, but this engine did not write the one at the target")
				continue
			}
			if !p.t.Policy.ClearForeign && edited {
				note(oc, "the source has no value, but the one at the target was changed since this engine wrote it")
				continue
			}
			edit.Reason = oc.Result.Reason
			if edit.Reason == "" {
				edit.Reason = "the source has no value"
			}
		default:
			continue
		}
		for _, f := range oc.From {
			if strings.HasPrefix(f, "%") {
				continue
			}
			edit.Inputs = append(edit.Inputs, Input{Attr: f, Values: o.All(f)})
		}
		if len(edit.Before) > 0 {
			suspects = append(suspects, suspect{len(it.Edits), oc.From})
		}
		it.Edits = append(it.Edits, edit)
	}
	it.Edits = append(it.Edits, p.unmapped(owned, target, &it)...)
	if p.t.Join.Anchor != "" && !p.t.Join.KeepAnchor && target.Presence(p.t.Join.Anchor) == Absent {
		it.Edits = append(it.Edits, PlannedEdit{Attr: p.t.Join.Anchor, Rule: ruleAnchor, After: ValueList{p.t.Join.Form.encode(p.anchorOf(o))}, Reason: "joins the two objects for good"})
	}
	// An attribute that looks absent at the source may merely be unreadable. Before anything at the target is
	// overwritten or cleared on such evidence, the source is asked.
	var ask []string
	for _, s := range suspects {
		ask = append(ask, s.from...)
	}
	hidden, err := p.hidden(ctx, o, ask)
	if err != nil {
		return it, nil, err
	}
	if len(hidden) > 0 {
		var drop []int
		for _, s := range suspects {
			for _, h := range hidden {
				if containsFold(s.from, h) {
					e := it.Edits[s.edit]
					it.Notes = append(it.Notes, Note{Attr: e.Attr, Rule: e.Rule, Reason: h + " cannot be read"})
					drop = append(drop, s.edit)
					break
				}
			}
		}
		for _, at := range slices.Backward(slices.Sorted(slices.Values(drop))) {
			it.Edits = slices.Delete(it.Edits, at, at+1)
		}
	}
	slices.SortFunc(it.Edits, func(a, b PlannedEdit) int { return compareFold(a.Attr, b.Attr) })
	slices.SortFunc(it.Notes, func(a, b Note) int { return compareFold(a.Attr, b.Attr) })
	return it, rename, nil
}

func (p *planner) anchorOf(o *Object) string {
	a, _ := p.t.Join.anchor(o)
	return a
}

// rename handles the naming attribute, which is no ordinary attribute: it is given on creation and changed by
// renaming.
func (p *planner) rename(o *Object, m match, oc *Outcome, it *Item) *Item {
	if oc.Result.Kind != KindSet {
		return nil
	}
	want := oc.Result.Values[0]
	if m.target == nil {
		it.NewName = want
		return nil
	}
	if typ, have := m.target.DN.RDN(); have == want || typ == "" {
		return nil
	} else {
		r := p.item(o, ActionRename, "the source object is named differently")
		r.OldName, r.NewName = have, want
		return &r
	}
}

// unmapped reverts what the engine wrote for rules that no longer exist.
func (p *planner) unmapped(owned ownedList, target Object, it *Item) []PlannedEdit {
	var out []PlannedEdit
	for _, own := range owned {
		if p.mapped[p.canonical(own.Attr)] {
			continue
		}
		switch cur := target.Attr(own.Attr); {
		case cur.Presence == Absent:
		case cur.Presence == Unreadable || fingerprint(cur.Values) != own.Written:
			it.Notes = append(it.Notes, Note{Attr: own.Attr, Rule: ruleRevert, Reason: "no rule writes it any more, but its value at the target is not the one this engine wrote"})
		default:
			out = append(out, PlannedEdit{Attr: own.Attr, Rule: ruleRevert, Before: cur.Values, Reason: "no rule writes it any more"})
		}
	}
	return out
}

// flatten returns the RuleErrors in an error of Mapping.Apply.
func flatten(err error) []*RuleError {
	switch e := err.(type) {
	case nil:
		return nil
	case *RuleError:
		return []*RuleError{e}
	case interface{ Unwrap() []error }:
		var out []*RuleError
		for _, x := range e.Unwrap() {
			out = append(out, flatten(x)...)
		}
		return out
	}
	return []*RuleError{{Err: fmt.Errorf("%w", err)}}
}
