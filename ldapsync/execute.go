package ldapsync

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// line carries out one line of the journal.
func (a *applier) line(ctx context.Context, l numbered) lineOutcome {
	o := lineOutcome{line: l}
	if !l.Item.Action.Writes() {
		o.status, o.target = StatusDone, l.Item.Target
		return o
	}
	a.execute(ctx, &l.Item, &o)
	o.late = o.late && o.status != StatusDone
	return o
}

// execute writes one item, with retries. StatusPending means that ctx ended before anything was decided.
func (a *applier) execute(ctx context.Context, it *Item, o *lineOutcome) {
	r := a.s.Retry
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.Base <= 0 {
		r.Base = 200 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 30 * time.Second
	}
	for try := 1; ; try++ {
		if a.pace(ctx) != nil {
			return
		}
		id, err := a.s.Target.Write(ctx, it.change())
		o.late = o.late || errors.Is(err, ErrUnclear)
		switch {
		case err == nil:
			if it.Action != ActionCreate {
				id = it.Target
			}
			a.confirm(ctx, it, id, o)
			return
		case errors.Is(err, ErrUnclear), errors.Is(err, ErrExists) && it.Action == ActionCreate:
			// The write may have been made: by this call, or by one that was killed before it was recorded.
			seen, id, ierr := inspect(context.WithoutCancel(ctx), a.s.Target, a.s.track(it.Track), it)
			switch {
			case ierr != nil && ctx.Err() != nil:
				return
			case ierr != nil:
				err = errors.Join(err, ierr, ErrTransient)
			case seen == asAfter:
				o.status, o.target, o.wrote = StatusDone, id, true
				return
			case seen == asNeither || errors.Is(err, ErrExists):
				o.status, o.err = StatusRefused, err
				return
			}
		case errors.Is(err, ErrPrecondition), errors.Is(err, ErrNotFound), errors.Is(err, ErrExists):
			o.status, o.err = StatusRefused, err
			return
		case !errors.Is(err, ErrTransient):
			if ctx.Err() == nil {
				o.status, o.err = StatusFailed, err
			}
			return
		}
		if try >= r.Attempts {
			o.status, o.err = StatusFailed, fmt.Errorf("after %d tries: %w", try, err)
			return
		}
		a.s.log().Warn("write will be tried again", "action", it.Action.String(), "source", it.Source.String(), "try", try, "error", err)
		if !sleep(ctx, r.wait(try, err)) {
			return
		}
	}
}

// wait is how long to wait after the given try.
func (r Retry) wait(try int, err error) time.Duration {
	var ra interface{ RetryAfter() time.Duration }
	if errors.As(err, &ra) && ra.RetryAfter() > 0 {
		return ra.RetryAfter()
	}
	d := r.Base << min(try-1, 20)
	if d > r.Max || d <= 0 {
		d = r.Max
	}
	return d/2 + rand.N(d/2+1)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pace waits for the rate limit.
func (a *applier) pace(ctx context.Context) error {
	if a.s.Rate <= 0 {
		return ctx.Err()
	}
	step := time.Duration(float64(time.Second) / a.s.Rate)
	a.mu.Lock()
	now := time.Now()
	at := a.next
	if at.Before(now) {
		at = now
	}
	a.next = at.Add(step)
	a.mu.Unlock()
	if d := at.Sub(now); d > 0 && !sleep(ctx, d) {
		return ctx.Err()
	}
	return ctx.Err()
}

// confirm reads back what was written.
func (a *applier) confirm(ctx context.Context, it *Item, id GUID, o *lineOutcome) {
	o.status, o.target, o.wrote = StatusDone, id, true
	if a.s.SkipConfirm {
		return
	}
	check := *it
	check.Target = id
	if it.Action == ActionCreate {
		check.Action = ActionUpdate // by its identity now, not by its anchor
	}
	seen, _, err := inspect(context.WithoutCancel(ctx), a.s.Target, a.s.track(it.Track), &check)
	switch {
	case err != nil:
		// The write was made; that it could not be read back is no reason to do it again.
		a.s.log().Warn("a write could not be confirmed", "source", it.Source.String(), "error", err)
	case seen != asAfter:
		o.status, o.err, o.late = StatusFailed, errors.New("the target accepted the write but does not show it"), true
	}
}

// sighting is how an item's target object looks.
type sighting uint8

const (
	asBefore sighting = iota // as the plan saw it
	asAfter                  // as the plan wants it
	asNeither
)

// inspect compares the target object of an item with the plan. For a create it looks for the anchor.
func inspect(ctx context.Context, target Target, t *Track, it *Item) (sighting, GUID, error) {
	o, found, err := counterpartOf(ctx, target, t, it)
	switch {
	case err != nil:
		return asNeither, GUID{}, err
	case !found && it.Action == ActionCreate:
		return asBefore, GUID{}, nil
	case !found && it.Action == ActionDelete:
		return asAfter, it.Target, nil
	case !found:
		return asNeither, it.Target, nil
	}
	if it.Action == ActionRename {
		switch _, name := o.DN.RDN(); name {
		case it.NewName:
			return asAfter, o.ID, nil
		case it.OldName:
			return asBefore, o.ID, nil
		}
		return asNeither, o.ID, nil
	}
	after, before := it.Action != ActionDelete, true
	for _, e := range it.Edits {
		v := o.All(e.Attr)
		after = after && SameValues(v, e.After)
		before = before && SameValues(v, e.Before)
	}
	switch {
	case after:
		return asAfter, o.ID, nil
	case before:
		return asBefore, o.ID, nil
	}
	return asNeither, o.ID, nil
}

// counterpartOf reads the target object of an item, as far as the item is about it; false if there is none.
func counterpartOf(ctx context.Context, target Target, t *Track, it *Item) (Object, bool, error) {
	if t == nil {
		return Object{}, false, fmt.Errorf("the organisation has no track %s any more", it.Track)
	}
	attrs := make([]string, 0, len(it.Edits))
	for _, e := range it.Edits {
		attrs = append(attrs, e.Attr)
	}
	if it.Action != ActionCreate {
		o, err := target.Get(ctx, it.Target, attrs)
		if errors.Is(err, ErrNotFound) {
			return Object{}, false, nil
		}
		return o, err == nil, err
	}
	if t.Join.Anchor == "" || len(it.Anchor) == 0 {
		return Object{}, false, nil
	}
	c, err := target.Container(ctx, t.Place.Container)
	if err != nil {
		return Object{}, false, err
	}
	var f strings.Builder
	for _, b := range []byte(t.Join.Form.encode(string(it.Anchor))) {
		fmt.Fprintf(&f, `\%02x`, b)
	}
	q := Query{Class: t.Class, Container: c, Subtree: t.Place.Subtree, Filter: "(" + t.Join.Anchor + "=" + f.String() + ")", Attrs: attrs}
	for o, err := range target.Read(ctx, q) {
		return o, err == nil, err
	}
	return Object{}, false, nil
}

// track finds a track by name; nil if there is none.
func (s *Syncer) track(name string) *Track {
	for i := range s.Organisation.Tracks {
		if s.Organisation.Tracks[i].Name == name {
			return &s.Organisation.Tracks[i]
		}
	}
	return nil
}
