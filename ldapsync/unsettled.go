package ldapsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A write may arrive after the engine has looked for it: when the program is killed, or an answer is lost, while the
// request is on its way, and at a target that shows writes late. If such a write were taken for not made, what it
// wrote would be nobody's and stay when the object leaves. So lines of the journal that were not seen carried out but
// may have been sent are unsettled for a while, and every Plan looks for them again.

// An unsettledRecord is what the state knows of such a line; its key names the line.
type unsettledRecord struct {
	Since time.Time `json:"since"`
}

// defaultSettle is far more than a request stays on its way.
const defaultSettle = 5 * time.Minute

func (s *Syncer) settleTime() time.Duration {
	if s.Settle == 0 {
		return defaultSettle
	}
	return s.Settle
}

// unsettled is the record of a line whose write may still arrive; none if the line writes nothing that could be owned.
func (s *Syncer) unsettled(n uint64, l numbered) ([]StateOp, error) {
	if l.Item.Action != ActionCreate && l.Item.Action != ActionUpdate || s.settleTime() <= 0 {
		return nil, nil
	}
	op, err := putJSON(s.keys().unsettledLine(n, l.at), unsettledRecord{Since: s.now().UTC()})
	return []StateOp{op}, err
}

// An objectKey is an object of the source in a track.
type objectKey struct {
	track  string
	source GUID
}

// settle looks again for the writes that may have arrived by now, and records them. Those of the journal closed were
// looked for a moment ago. It returns the names of the counterparts that may still be created.
func (s *Syncer) settle(ctx context.Context, closed uint64) (map[objectKey]DN, error) {
	k := s.keys()
	creates := make(map[objectKey]DN)
	w := opWriter{s: s.State}
	for r, err := range s.State.Scan(ctx, k.unsettled()) {
		if err != nil {
			return nil, fmt.Errorf("ldapsync: read state: %w", err)
		}
		var u unsettledRecord
		if err := json.Unmarshal(r.Value, &u); err != nil {
			return nil, fmt.Errorf("ldapsync: the state's record %s cannot be read: %w", r.Key, err)
		}
		key := strings.Clone(r.Key)
		line := k.journals() + strings.TrimPrefix(key, k.unsettled())
		l := new(journalLine)
		found, _, err := loadJSON(ctx, s.State, line, l)
		if err != nil {
			return nil, err
		}
		wait := closed > 0 && strings.HasPrefix(line, k.journal(closed)+"/")
		if found && l.Status != StatusDone && s.track(l.Item.Track) != nil && !wait {
			var ops []StateOp
			if ops, wait, err = s.arrived(ctx, line, l); err != nil {
				return nil, fmt.Errorf("ldapsync: it cannot be found out whether a write arrived: %s: %w", l.Item.SourceDN, err)
			}
			if len(ops) > 0 { // on its own, since it expects something
				if err := s.State.Commit(ctx, ops); errors.Is(err, ErrConflict) {
					continue // another process was there; the next call looks again
				} else if err != nil {
					return nil, err
				}
			}
			// A clock that was set back must not keep it for ever.
			age := s.now().Sub(u.Since)
			wait = wait && age >= 0 && age < s.settleTime()
		}
		switch {
		case !wait:
			if err := w.add(ctx, StateOp{Key: key, Delete: true}); err != nil {
				return nil, err
			}
		case l.Item.Action == ActionCreate:
			creates[objectKey{l.Item.Track, l.Item.Source}] = l.Item.TargetDN
		}
	}
	return creates, w.flush(ctx)
}

// arrived looks for the write of a line. It returns what is to be recorded of it, and whether to look again later.
func (s *Syncer) arrived(ctx context.Context, key string, l *journalLine) (ops []StateOp, wait bool, err error) {
	linkKey := s.keys().link(l.Item.Track, l.Item.Source)
	now, raw, err := loadLink(ctx, s.State, linkKey)
	if err != nil {
		return nil, false, err
	}
	it := l.Item
	o, found, err := counterpartOf(ctx, s.Target, s.track(it.Track), &it)
	switch {
	case err != nil:
		return nil, false, err
	case !found:
		return nil, true, nil
	case now != nil && now.Target != o.ID && (l.Link == nil || now.Target != l.Link.Target):
		return nil, false, nil // joined with another object since
	}
	var owned ownedList
	created := it.Action == ActionCreate
	if now != nil && now.Target == o.ID {
		owned, created = now.Owned, created && !now.Created
	}
	it.Edits = nil
	for _, e := range l.Item.Edits {
		if !SameValues(o.All(e.Attr), e.After) {
			wait = wait || it.Action == ActionUpdate // what was created may have been changed since
			continue
		}
		own, mine := owned.get(e.Attr)
		if mine != (len(e.After) > 0) || mine && own.Written != fingerprint(e.After) { // else a later line wrote it
			it.Edits = append(it.Edits, e)
		}
	}
	all := len(it.Edits) == len(l.Item.Edits)
	if len(it.Edits) == 0 && !created || it.Restore != nil && !all {
		return nil, wait, nil
	}
	link := putLink(linkKey, nextLink(now, &it, o.ID))
	link.Expect = &raw
	ops = append(ops, link)
	if all {
		l.Status, l.Error, l.Target = StatusDone, "", o.ID
		op, err := putJSON(key, l)
		if err != nil {
			return nil, false, err
		}
		ops = append(ops, op)
	}
	return ops, wait, nil
}
