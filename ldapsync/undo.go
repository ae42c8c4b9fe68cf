package ldapsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Recover closes the books of an Apply that was interrupted and will not be continued: it finds out which of its
// writes were made, by reading the target, and records them. What is not there may be on its way still, and so may a
// write whose answer was lost: for these it looks again each time, until Syncer.Settle has passed. It writes to the
// state only. Plan and Undo call it. Where nothing is open it does nothing.
func (s *Syncer) Recover(ctx context.Context) error {
	_, err := s.clearUp(ctx)
	return err
}

// clearUp is Recover; it returns the names of the counterparts that may still be created.
func (s *Syncer) clearUp(ctx context.Context) (map[objectKey]DN, error) {
	closed, err := s.closeInterrupted(ctx)
	if err != nil {
		return nil, err
	}
	return s.settle(ctx, closed)
}

// closeInterrupted returns the number of the journal it closed, or 0.
func (s *Syncer) closeInterrupted(ctx context.Context) (uint64, error) {
	a := &applier{s: s, k: s.keys()}
	var err error
	if _, a.runRaw, err = loadJSON(ctx, s.State, a.k.run(), &a.run); err != nil {
		return 0, err
	}
	if a.run.Pending == "" {
		return 0, nil
	}
	a.n = a.run.Journal
	done := a.run
	done.Pending = ""
	var head journalHead
	found, _, err := loadJSON(ctx, s.State, a.k.journal(a.n), &head)
	if err != nil {
		return 0, err
	}
	if !found {
		// It ended while it was still writing the journal, before the first write.
		if err := dropLines(ctx, s.State, a.k, a.n); err != nil {
			return 0, err
		}
		return 0, a.putRun(ctx, done)
	}
	// That the journal is whole must be known before anything is concluded from it.
	if err := eachLine(ctx, s.State, a.k, a.n, head.Lines, func(int, *journalLine) error { return nil }); err != nil {
		return 0, err
	}
	w := opWriter{s: s.State}
	err = eachLine(ctx, s.State, a.k, a.n, head.Lines, func(at int, l *journalLine) error {
		if l.Status != StatusPending {
			return nil
		}
		l.Status, l.Error = StatusRefused, "the run was interrupted before this was done"
		if l.Item.Action.Writes() {
			seen, id, err := inspect(ctx, s.Target, s.track(l.Item.Track), &l.Item)
			if err != nil {
				return fmt.Errorf("ldapsync: an interrupted run cannot be cleared up: %s: %w", l.Item.SourceDN, err)
			}
			if seen == asAfter {
				l.Status, l.Error, l.Target = StatusDone, "", id
			}
		}
		ops, err := a.lineOps(numbered{at, l}, l.Status != StatusDone)
		if err != nil {
			return err
		}
		return w.add(ctx, ops...)
	})
	if err := errors.Join(err, w.flush(ctx)); err != nil {
		return 0, err
	}
	more, err := closeJournal(ctx, s.State, a.k, a.n, s.now(), head.Undo, head.Plan)
	if err != nil {
		return 0, err
	}
	done.Generation++
	s.log().Info("cleared up after an interrupted run", "organisation", s.Organisation.Name, "plan", head.Plan)
	return a.n, a.putRun(ctx, done, more...)
}

// An AppliedPlan describes a plan that was applied and can be undone.
type AppliedPlan struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Items    int       `json:"items"`
	Undo     string    `json:"undo,omitempty"`     // the plan it took back
	UndoneBy string    `json:"undoneBy,omitempty"` // the plan that took it back
	Accepted []string  `json:"accepted,omitempty"` // guards that were overruled
}

// Applied lists the plans the state remembers, the newest first.
func (s *Syncer) Applied(ctx context.Context) ([]AppliedPlan, error) {
	var out []AppliedPlan
	err := eachJournal(ctx, s.State, s.keys(), func(_ uint64, h journalHead) {
		out = append(out, AppliedPlan{ID: h.Plan, Started: h.Started, Finished: h.Finished, Items: h.Lines, Undo: h.Undo, UndoneBy: h.UndoneBy, Accepted: h.Accepted})
	})
	slices.Reverse(out)
	return out, err
}

// eachJournal calls f for the heads of all journals, the oldest first.
func eachJournal(ctx context.Context, s State, k keys, f func(uint64, journalHead)) error {
	for r, err := range s.Scan(ctx, k.journals()) {
		if err != nil {
			return err
		}
		num := strings.TrimPrefix(r.Key, k.journals())
		if strings.Contains(num, "/") {
			continue
		}
		n, err := strconv.ParseUint(num, 10, 64)
		if err != nil {
			return fmt.Errorf("ldapsync: the state has an odd key %s", r.Key)
		}
		var h journalHead
		if err := json.Unmarshal(r.Value, &h); err != nil {
			return fmt.Errorf("ldapsync: the state's record %s cannot be read: %w", r.Key, err)
		}
		f(n, h)
	}
	return nil
}

// findJournal finds an applied plan by its ID or the beginning of it, at least 8 characters.
func findJournal(ctx context.Context, s State, k keys, id string) (journalHead, uint64, error) {
	var head journalHead
	var num uint64
	hits := 0
	err := eachJournal(ctx, s, k, func(n uint64, h journalHead) {
		if h.Plan == id || len(id) >= 8 && strings.HasPrefix(h.Plan, id) {
			head, num = h, n
			hits++
		}
	})
	switch {
	case err != nil:
		return head, 0, err
	case hits == 0:
		return head, 0, fmt.Errorf("ldapsync: plan %s: %w", clip(id), ErrUnknownPlan)
	case hits > 1:
		return head, 0, fmt.Errorf("ldapsync: plan %s: %d applied plans begin so: %w", clip(id), hits, ErrUnknownPlan)
	}
	return head, num, nil
}

// Undo makes the plan that takes back an applied plan: every attribute returns to what it was, byte for byte,
// created objects are deleted and deleted ones made again (with a new identity). Like any plan it writes
// nothing until it is applied, and then refuses whatever has changed since. id is the plan's ID or its beginning,
// at least 8 characters.
//
// Later plans that touched the same objects must be undone first. The next ordinary plan will want to do it all
// again unless the mapping or the source changed, or the organisation is made inactive.
func (s *Syncer) Undo(ctx context.Context, id string) (*Plan, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.Recover(ctx); err != nil {
		return nil, err
	}
	k := s.keys()
	head, num, err := findJournal(ctx, s.State, k, id)
	if err != nil {
		return nil, err
	}
	if head.UndoneBy != "" {
		return nil, fmt.Errorf("ldapsync: plan %s was undone already, by plan %s", head.Plan[:12], head.UndoneBy[:12])
	}
	var lines []*journalLine // what was done
	touched := make(map[GUID]bool)
	err = eachLine(ctx, s.State, k, num, head.Lines, func(_ int, l *journalLine) error {
		if l.Status == StatusDone {
			lines = append(lines, l)
			touched[l.Item.Source] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	later := make(map[uint64]journalHead)
	err = eachJournal(ctx, s.State, k, func(n uint64, h journalHead) {
		if n > num && h.UndoneBy == "" && h.Undo == "" {
			later[n] = h
		}
	})
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Sorted(maps.Keys(later)) {
		err := eachLine(ctx, s.State, k, n, later[n].Lines, func(_ int, l *journalLine) error {
			if l.Status == StatusDone && touched[l.Item.Source] {
				return fmt.Errorf("ldapsync: plan %s, applied later, also changed %s: undo that one first", later[n].Plan[:12], l.Item.SourceDN)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var run runRecord
	if _, _, err := loadJSON(ctx, s.State, k.run(), &run); err != nil {
		return nil, err
	}
	dst, err := s.Target.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ldapsync: target: %w", err)
	}
	dst.Time, dst.HighestUSN = time.Time{}, 0
	p := &Plan{Version: PlanVersion, Organisation: s.Organisation.Name, Created: s.now().UTC(), Generation: run.Generation, Target: dst, Undo: head.Plan}
	for _, l := range slices.Backward(lines) {
		// An object that was deleted and made again by an undo has a new identity, which the link knows.
		now, _, err := loadLink(ctx, s.State, k.link(l.Item.Track, l.Item.Source))
		if err != nil {
			return nil, err
		}
		it, err := reverse(l, now)
		if err != nil {
			return nil, err
		}
		p.Items = append(p.Items, it)
	}
	return p, p.seal()
}

// reverse is the item that takes back a line. now is the object's link, nil if it is not joined any more.
func reverse(l *journalLine, now *linkRecord) (Item, error) {
	it, before := l.Item, l.Link
	if was := it.Target; now != nil && now.Target != was {
		it.Target = now.Target
		if before != nil && before.Target == was {
			c := *before
			c.Target = now.Target
			before = &c
		}
	}
	it.Reason, it.Notes, it.Adopt, it.Missing = "undo of "+it.Action.String(), nil, nil, 0
	it.Edits = nil
	for _, e := range l.Item.Edits {
		it.Edits = append(it.Edits, PlannedEdit{Attr: e.Attr, Rule: e.Rule, Before: e.After, After: e.Before, Reason: "undo"})
	}
	var err error
	if it.Restore, err = json.Marshal(before); err != nil {
		return it, fmt.Errorf("ldapsync: undo: %w", err)
	}
	switch l.Item.Action {
	case ActionCreate:
		it.Action = ActionDelete
		if now == nil {
			it.Target = l.Target
		}
	case ActionDelete:
		it.Action = ActionCreate
	case ActionRename:
		it.OldName, it.NewName = it.NewName, it.OldName
		it.TargetDN = it.TargetDN.Parent().Child(rdnType(it.TargetDN), it.OldName)
	case ActionRevert:
		it.Action = ActionUpdate
	case ActionJoin:
		it.Action = ActionStop
	case ActionStop:
		it.Action = ActionJoin
	}
	return it, nil
}

func rdnType(d DN) string {
	t, _ := d.RDN()
	return t
}

// prune removes the oldest journals.
func (s *Syncer) prune(ctx context.Context, newest uint64) error {
	keep := uint64(30)
	if s.KeepJournals > 0 {
		keep = uint64(s.KeepJournals)
	}
	if newest <= keep {
		return nil
	}
	k := s.keys()
	var old []uint64
	if err := eachJournal(ctx, s.State, k, func(n uint64, _ journalHead) {
		if n+keep <= newest {
			old = append(old, n)
		}
	}); err != nil {
		return err
	}
	for _, n := range old {
		// The head last: what is left by an interruption is removed the next time.
		if err := dropLines(ctx, s.State, k, n); err != nil {
			return err
		}
		if err := s.State.Commit(ctx, []StateOp{{Key: k.journal(n), Delete: true}}); err != nil {
			return err
		}
	}
	return nil
}

// dropLines removes the lines of a journal, in pieces.
func dropLines(ctx context.Context, s State, k keys, n uint64) error {
	w := opWriter{s: s}
	for r, err := range s.Scan(ctx, k.journal(n)+"/") {
		if err != nil {
			return err
		}
		if err := w.add(ctx, StateOp{Key: strings.Clone(r.Key), Delete: true}); err != nil {
			return err
		}
	}
	return w.flush(ctx)
}
