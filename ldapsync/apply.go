package ldapsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ApplyOptions change how a plan is applied.
type ApplyOptions struct {
	// Accept holds the acceptance texts of the plan's trips (Trip.Accept). They contain the plan's ID, so they
	// are good for this plan only.
	Accept []string
}

// A BlockedError is a plan that guards forbid to apply. Nothing was written.
type BlockedError struct {
	Trips []Trip // those that were not accepted
}

// Error names the guards, what they saw and how to accept.
func (e *BlockedError) Error() string {
	var b strings.Builder
	b.WriteString("ldapsync: the plan is blocked")
	for _, t := range e.Trips {
		fmt.Fprintf(&b, "; guard %s saw %s (to accept once: %s)", t.Guard, t.Saw, t.Accept)
	}
	return b.String()
}

// A StalePlanError is a plan that was made from a state that has changed since. Make a new plan.
type StalePlanError struct {
	Plan     string
	Have     uint64 // generation the plan was made from
	Want     uint64 // generation of the state
	Applied  bool   // this very plan was applied already
	Pending  string // another plan whose application has begun
	Conflict error  // another process claimed the organisation at the same moment
}

// Error says what is newer.
func (e *StalePlanError) Error() string {
	s := "ldapsync: plan " + e.Plan[:min(len(e.Plan), 12)]
	switch {
	case e.Applied:
		return s + " was applied already"
	case e.Pending != "":
		return s + " cannot be applied: plan " + e.Pending[:min(len(e.Pending), 12)] + " is being applied or was interrupted; make a new plan"
	case e.Conflict != nil:
		return s + " cannot be applied: another process is applying a plan for the same organisation"
	}
	return fmt.Sprintf("%s was made from generation %d of the state, which is now at %d: make a new plan", s, e.Have, e.Want)
}

// Unwrap returns ErrConflict.
func (e *StalePlanError) Unwrap() error { return ErrConflict }

// Apply carries out a plan. It is the only method that writes to the target. Every change has the plan's values
// as its precondition: what has changed since is refused, item by item, and reported. The plan is recorded before
// the first write and every outcome after it, so an Apply that was cancelled or killed can be continued by
// applying the same plan again; what is done already is not done twice. Applying a plan that was completely
// applied gives a *StalePlanError.
//
// The error is nil if every item was tried; look at Report.OK. If ctx ends, the report says how far it came.
func (s *Syncer) Apply(ctx context.Context, p *Plan, opt ApplyOptions) (*Report, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if p.Organisation != s.Organisation.Name {
		return nil, fmt.Errorf("ldapsync: the plan is for the organisation %s, not %s", p.Organisation, s.Organisation.Name)
	}
	if id, err := p.hash(); err != nil || id != p.ID {
		return nil, errors.New("ldapsync: the plan was changed after it was made; make a new one")
	}
	if s.Organisation.Inactive && !p.Empty() {
		return nil, errors.New("ldapsync: the organisation is inactive: nothing is written")
	}
	var blocked []Trip
	for _, t := range p.Trips {
		if !slices.Contains(opt.Accept, t.Guard+"@"+p.Short()) {
			blocked = append(blocked, t)
		}
	}
	if len(blocked) > 0 {
		return nil, &BlockedError{Trips: blocked}
	}
	a := &applier{s: s, k: s.keys(), p: p}
	a.report = &Report{Plan: p.ID, Organisation: p.Organisation, Undo: p.Undo, Started: s.now(), Done: make(map[string]int)}
	if err := a.begin(ctx, opt.Accept); err != nil {
		return nil, err
	}
	err := a.work(ctx)
	if err == nil {
		// Everything was tried, so the books are closed even if ctx ends now.
		err = a.finish(context.WithoutCancel(ctx))
	}
	a.report.Finished = s.now()
	a.close()
	if err != nil {
		return a.report, fmt.Errorf("ldapsync: apply: %w", err)
	}
	s.log().Info("applied plan", "organisation", p.Organisation, "plan", p.Short(), "writes", a.report.Writes, "refused", a.report.Refused, "failed", a.report.Failed)
	return a.report, nil
}

// An applier applies one plan.
type applier struct {
	s      *Syncer
	k      keys
	p      *Plan
	run    runRecord
	runRaw []byte
	n      uint64 // of the journal
	lines  int    // in the journal
	report *Report
	late   []numbered // lines with a problem, for the report
	next   time.Time  // when the next write may start, for Rate
	mu     sync.Mutex
}

// begin claims the organisation in the state and writes the journal, or finds the one of an interrupted Apply.
func (a *applier) begin(ctx context.Context, accepted []string) error {
	var err error
	if _, a.runRaw, err = loadJSON(ctx, a.s.State, a.k.run(), &a.run); err != nil {
		return err
	}
	switch {
	case a.run.Pending == a.p.ID:
		a.n = a.run.Journal
		var head journalHead
		found, _, err := loadJSON(ctx, a.s.State, a.k.journal(a.n), &head)
		if err != nil {
			return err
		}
		if found {
			a.report.Resumed = true
			a.lines = head.Lines
			return eachLine(ctx, a.s.State, a.k, a.n, head.Lines, func(at int, l *journalLine) error {
				a.tally(at, l)
				return nil
			})
		}
	case a.run.Pending != "":
		return &StalePlanError{Plan: a.p.ID, Pending: a.run.Pending}
	case a.run.LastPlan == a.p.ID:
		return &StalePlanError{Plan: a.p.ID, Applied: true}
	case a.run.Generation != a.p.Generation:
		return &StalePlanError{Plan: a.p.ID, Have: a.p.Generation, Want: a.run.Generation}
	default:
		claim := a.run
		claim.Pending, claim.Journal = a.p.ID, a.run.Journal+1
		if err := a.putRun(ctx, claim); err != nil {
			if errors.Is(err, ErrConflict) {
				return &StalePlanError{Plan: a.p.ID, Conflict: err}
			}
			return err
		}
		a.n = a.run.Journal
	}
	return a.writeJournal(ctx, accepted)
}

// putRun replaces the run record if it is still what it was when it was read.
func (a *applier) putRun(ctx context.Context, r runRecord, more ...StateOp) error {
	op, err := putJSON(a.k.run(), r)
	if err != nil {
		return err
	}
	old := a.runRaw
	op.Expect = &old
	if err := a.s.State.Commit(ctx, append(more, op)); err != nil {
		return err
	}
	a.run, a.runRaw = r, op.Value
	return nil
}

// writeJournal records what is about to be done, in pieces, and the head last: a journal without a head means
// that nothing was written to the target yet.
func (a *applier) writeJournal(ctx context.Context, accepted []string) error {
	w := opWriter{s: a.s.State}
	var track string // of the item before
	var source GUID
	var prev *linkRecord // after the item before; items of one object follow each other
	for i := range a.p.Items {
		it := &a.p.Items[i]
		if !it.Action.Acts() {
			continue
		}
		if it.Source != source || it.Track != track {
			var err error
			if prev, _, err = loadLink(ctx, a.s.State, a.k.link(it.Track, it.Source)); err != nil {
				return err
			}
			source, track = it.Source, it.Track
		}
		op, err := putJSON(a.k.line(a.n, a.lines), journalLine{Item: *it, Link: prev})
		if err != nil {
			return err
		}
		prev = nextLink(prev, it, it.Target)
		a.lines++
		a.report.Pending++
		if err := w.add(ctx, op); err != nil {
			return err
		}
	}
	op, err := putJSON(a.k.journal(a.n), journalHead{Plan: a.p.ID, Undo: a.p.Undo, Started: a.report.Started, Lines: a.lines, Accepted: accepted})
	if err != nil {
		return err
	}
	if err := w.add(ctx, op); err != nil {
		return err
	}
	return w.flush(ctx)
}

// eachLine calls f for the lines of a journal, in order. That there are as many as its head says is known after the
// last.
func eachLine(ctx context.Context, s State, k keys, n uint64, count int, f func(at int, l *journalLine) error) error {
	at := 0
	for r, err := range s.Scan(ctx, k.journal(n)+"/") {
		if err != nil {
			return err
		}
		l := new(journalLine)
		if err := json.Unmarshal(r.Value, l); err != nil {
			return fmt.Errorf("ldapsync: the state's record %s cannot be read: %w", r.Key, err)
		}
		if r.Key != k.line(n, at) {
			return fmt.Errorf("ldapsync: the journal of plan number %d has the line %s in place of %s", n, r.Key, k.line(n, at))
		}
		if err := f(at, l); err != nil {
			return err
		}
		at++
	}
	if at != count {
		return fmt.Errorf("ldapsync: the journal of plan number %d has %d lines instead of %d", n, at, count)
	}
	return nil
}

// nextLink is the state's record of an object after an item was carried out; nil if there is none any more.
func nextLink(prev *linkRecord, it *Item, target GUID) *linkRecord {
	if it.Restore != nil {
		l := new(linkRecord)
		if json.Unmarshal(it.Restore, l) != nil || l.Source.IsZero() {
			return nil
		}
		if it.Action == ActionCreate {
			l.Target = target
		}
		return l
	}
	switch it.Action {
	case ActionRevert, ActionDelete, ActionStop:
		return nil
	}
	l := &linkRecord{Source: it.Source}
	if prev != nil && (prev.Target == target || it.Action == ActionRename) {
		*l = *prev
		l.Owned = slices.Clone(prev.Owned)
	}
	l.SourceDN, l.Target, l.Anchor, l.Missing = it.SourceDN.String(), target, it.Anchor, 0
	l.TargetDN = it.TargetDN.String()
	if it.Action == ActionCreate {
		l.Created = true
	}
	own := func(e PlannedEdit) {
		if len(e.After) == 0 {
			l.Owned = l.Owned.without(e.Attr)
			return
		}
		o, had := l.Owned.get(e.Attr)
		if !had {
			o.Pre = e.Before
		}
		o.Attr, o.Rule, o.Written = e.Attr, e.Rule, fingerprint(e.After)
		l.Owned = l.Owned.with(o)
	}
	for _, e := range it.Edits {
		own(e)
	}
	for _, e := range it.Adopt {
		own(e)
	}
	return l
}

// A numbered line of a journal.
type numbered struct {
	at int
	*journalLine
}

// An outcome of one line, on its way to the journal.
type lineOutcome struct {
	line   numbered
	status Status
	target GUID
	err    error
	wrote  bool
	late   bool // the write may still arrive
}

// pending sends the lines that were not tried yet, in groups of those that follow each other and are about one
// object. It ends early if ctx does.
func (a *applier) pending(ctx context.Context, jobs chan<- []numbered) error {
	var group []numbered
	send := func() error {
		if len(group) == 0 {
			return nil
		}
		select {
		case jobs <- group:
			group = nil
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := eachLine(ctx, a.s.State, a.k, a.n, a.lines, func(at int, l *journalLine) error {
		if l.Status != StatusPending {
			return nil
		}
		if len(group) > 0 && group[0].Item.Source != l.Item.Source {
			if err := send(); err != nil {
				return err
			}
		}
		group = append(group, numbered{at, l})
		return nil
	})
	if err != nil {
		return err
	}
	return send()
}

// work carries out the pending lines with several workers and records the outcomes in groups.
func (a *applier) work(ctx context.Context) error {
	workers := a.s.Workers
	if workers <= 0 {
		workers = 4
	}
	total := a.report.Pending
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan []numbered)
	out := make(chan lineOutcome, 256)
	var wg sync.WaitGroup
	for range min(workers, total) {
		wg.Go(func() {
			for g := range jobs {
				for i, line := range g {
					o := a.line(ctx, line)
					if ctx.Err() != nil && o.status == StatusPending {
						return
					}
					out <- o
					if o.status != StatusDone {
						for _, rest := range g[i+1:] {
							out <- lineOutcome{line: rest, status: o.status, err: errors.New("an earlier step for the same object was not carried out")}
						}
						break
					}
				}
			}
		})
	}
	var unread error // why not all lines could be read
	go func() {
		defer close(out)
		if total > 0 {
			unread = a.pending(ctx, jobs)
		}
		close(jobs)
		wg.Wait()
	}()
	done := 0
	a.s.progress(Progress{Phase: "apply", Total: total})
	var failed error
	for o := range out {
		batch := []lineOutcome{o}
	more:
		for len(batch) < 256 {
			select {
			case o, ok := <-out:
				if !ok {
					break more
				}
				batch = append(batch, o)
			default:
				break more
			}
		}
		if failed != nil {
			continue // the state cannot be written; drain, so that the workers end
		}
		if err := a.record(context.WithoutCancel(ctx), batch); err != nil {
			failed = fmt.Errorf("the state could not be written, so applying stopped; apply the same plan again when that is mended: %w", err)
			cancel(failed)
		}
		done += len(batch)
		a.s.progress(Progress{Phase: "apply", Done: done, Total: total})
	}
	switch {
	case failed != nil:
		return failed
	case a.report.Pending > 0 && ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return unread
}

// record writes outcomes and the links they lead to in one commit.
func (a *applier) record(ctx context.Context, batch []lineOutcome) error {
	var ops []StateOp
	for _, o := range batch {
		l := o.line
		l.Status, l.Target = o.status, o.target
		if o.err != nil {
			l.Error = o.err.Error()
		}
		if o.wrote {
			a.report.Writes++
		}
		a.report.Pending--
		a.tally(l.at, l.journalLine)
		more, err := a.lineOps(l, o.late)
		if err != nil {
			return err
		}
		ops = append(ops, more...)
	}
	return a.s.State.Commit(ctx, ops)
}

// lineOps are the state changes for a line that was tried, or looked for. late: it was not seen carried out, but may
// still be.
func (a *applier) lineOps(l numbered, late bool) ([]StateOp, error) {
	op, err := putJSON(a.k.line(a.n, l.at), l.journalLine)
	if err != nil {
		return nil, err
	}
	ops := []StateOp{op}
	if late {
		more, err := a.s.unsettled(a.n, l)
		return append(ops, more...), err
	}
	if l.Status != StatusDone {
		return ops, nil
	}
	key := a.k.link(l.Item.Track, l.Item.Source)
	target := l.Item.Target
	if l.Item.Action == ActionCreate {
		target = l.Target
	}
	return append(ops, putLink(key, nextLink(l.Link, &l.Item, target))), nil
}

// finish closes the books: the generation grows, and what the run learned is kept.
func (a *applier) finish(ctx context.Context) error {
	r := a.run
	r.Pending, r.LastPlan, r.LastRun = "", a.p.ID, a.s.now().UTC()
	r.Generation++
	var ops []StateOp
	if a.p.Undo == "" {
		r.Source = a.p.Source
		r.Read = maps.Clone(r.Read)
		if r.Read == nil {
			r.Read = make(map[string]int)
		}
		for _, c := range a.p.Counts {
			r.Read[c.Track] = c.Read
		}
		for _, ou := range a.p.Anchors {
			op, err := putJSON(a.k.ou(ou.Track, ou.Ref), ouRecord{Ref: ou.Ref, ID: ou.ID, DN: ou.DN.String()})
			if err != nil {
				return err
			}
			ops = append(ops, op)
		}
	}
	for i := range a.p.Items {
		it := &a.p.Items[i]
		if it.Action != ActionHold || it.Missing == 0 {
			continue
		}
		key := a.k.link(it.Track, it.Source)
		l, _, err := loadLink(ctx, a.s.State, key)
		if err != nil {
			return err
		}
		if l == nil {
			continue
		}
		l.Missing = it.Missing
		ops = append(ops, putLink(key, l))
	}
	undone := a.p.Undo
	if !a.report.OK() {
		undone = "" // what was refused can be tried again
	}
	more, err := closeJournal(ctx, a.s.State, a.k, a.n, a.s.now(), undone, a.p.ID)
	if err != nil {
		return err
	}
	if err := a.putRun(ctx, r, append(ops, more...)...); err != nil {
		return err
	}
	return a.s.prune(ctx, a.n)
}

// closeJournal marks a journal as finished, and the one it took back as undone.
func closeJournal(ctx context.Context, s State, k keys, n uint64, at time.Time, undo, id string) ([]StateOp, error) {
	var head journalHead
	if _, _, err := loadJSON(ctx, s, k.journal(n), &head); err != nil {
		return nil, err
	}
	head.Finished = at.UTC()
	op, err := putJSON(k.journal(n), head)
	if err != nil {
		return nil, err
	}
	ops := []StateOp{op}
	if undo == "" {
		return ops, nil
	}
	old, num, err := findJournal(ctx, s, k, undo)
	if err != nil {
		return nil, err
	}
	old.UndoneBy = id
	if op, err = putJSON(k.journal(num), old); err != nil {
		return nil, err
	}
	return append(ops, op), nil
}

// tally counts a line into the report.
func (a *applier) tally(at int, l *journalLine) {
	switch l.Status {
	case StatusDone:
		a.report.Done[l.Item.Action.String()]++
		return
	case StatusRefused:
		a.report.Refused++
	case StatusFailed:
		a.report.Failed++
	default:
		a.report.Pending++
		return
	}
	if len(a.late) < MaxProblems {
		a.late = append(a.late, numbered{at, l})
	}
}

// close completes the report.
func (a *applier) close() {
	slices.SortFunc(a.late, func(x, y numbered) int { return x.at - y.at })
	for _, l := range a.late {
		a.report.Problems = append(a.report.Problems, Problem{
			Track: l.Item.Track, Action: l.Item.Action, Source: l.Item.Source, SourceDN: l.Item.SourceDN,
			TargetDN: l.Item.TargetDN, Status: l.Status, Error: l.Error,
		})
	}
}
