package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"go.internal/hybridkit/ldapsync"
)

// A DeltaItem is one line of a delta query: what is known to have changed of one object.
type DeltaItem struct {
	ID    ldapsync.GUID
	Class ldapsync.Class

	// Removed is "" for an object that is there, "changed" for one in the recycle bin, from where it may come back,
	// and "deleted" for one that is gone for good (Microsoft, "Use delta query to track changes").
	Removed string

	// Raw is the object as Graph sent it: a member that is missing is unchanged, one that is null was cleared.
	Raw map[string]json.RawMessage

	// Full: the item comes from a full read, so that what is missing is absent.
	Full bool

	target *Target
}

// Values returns the values of an attribute after the change. known is false if the item says nothing of it; known
// with no values means that the attribute was cleared. In a full read everything that was asked for is known.
func (d *DeltaItem) Values(attr string) (values []string, known bool) {
	p := d.target.find(d.Class, attr)
	if p == nil {
		return nil, false
	}
	member := p.Name
	if p.In != "" {
		member = p.In
	}
	raw, there := d.Raw[member]
	if !there {
		return nil, d.Full
	}
	if p.In != "" && string(raw) != "null" {
		// A complex property comes whole.
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw, &inner) != nil {
			return nil, false
		}
		raw = inner[p.Name]
	}
	v, err := p.decode(raw)
	return v, err == nil
}

// A Delta is a delta query under way.
type Delta struct {
	items iter.Seq2[DeltaItem, error]
	link  string
}

// Items iterates over the changes, once. Items may come several times and in any order; the last one counts. The first
// error ends the sequence; an error that wraps ErrResync means that the token is no longer valid.
func (d *Delta) Items() iter.Seq2[DeltaItem, error] { return d.items }

// Link is where the next delta query starts, "" unless Items came to its end without an error. Keep it only after
// everything that Items gave has been dealt with. It contains no secret but the state of the query.
func (d *Delta) Link() string { return d.link }

// Delta asks what has changed in users or devices since link, which is Link of an earlier Delta. With link "" it
// reads everything, with the attributes named: later queries then tell of changes of these alone.
func (t *Target) Delta(ctx context.Context, class ldapsync.Class, link string, attrs ...string) *Delta {
	d := &Delta{}
	full := link == ""
	d.items = func(yield func(DeltaItem, error) bool) {
		d.link = ""
		path := link
		if full {
			s, err := t.choose(class, attrs)
			if err != nil {
				yield(DeltaItem{}, err)
				return
			}
			path = s.info.path + "/delta?" + s.query
		} else if _, err := t.info(class); err != nil {
			yield(DeltaItem{}, err)
			return
		}
		last := ""
		for p, err := range t.client.pages(ctx, path, nil) {
			if err != nil {
				yield(DeltaItem{}, err)
				return
			}
			for _, raw := range p.Value {
				it, err := t.deltaItem(class, raw)
				it.Full = full
				if !yield(it, err) || err != nil {
					return
				}
			}
			last = p.Delta
		}
		if last == "" {
			yield(DeltaItem{}, fmt.Errorf("entra: the last page of the delta query has no deltaLink: %w", ldapsync.ErrPartial))
			return
		}
		d.link = last
	}
	return d
}

func (t *Target) deltaItem(class ldapsync.Class, raw json.RawMessage) (DeltaItem, error) {
	it := DeltaItem{Class: class, target: t}
	if err := json.Unmarshal(raw, &it.Raw); err != nil {
		return it, fmt.Errorf("entra: an item of a delta query is not an object: %w", err)
	}
	var err error
	if it.ID, err = ldapsync.ParseGUID(jsonText(it.Raw["id"])); err != nil {
		return it, fmt.Errorf("entra: an item of a delta query has the id %s: %w", printable(it.Raw["id"]), err)
	}
	if removed, ok := it.Raw["@removed"]; ok {
		var r struct{ Reason string }
		if json.Unmarshal(removed, &r) != nil || r.Reason == "" {
			r.Reason = "changed" // the careful reading: it may come back
		}
		it.Removed = r.Reason
	}
	return it, nil
}

// Follow calls f with every change since link and returns the link for the next time. Where the token is no longer
// valid (HTTP 410) it calls restart, if that is not nil, and reads everything again: what f then does not see is
// gone. f sees nothing between restart and the first item of the full read. An error of f ends it.
func (t *Target) Follow(ctx context.Context, class ldapsync.Class, link string, attrs []string, restart func() error, f func(DeltaItem) error) (next string, err error) {
	for {
		d := t.Delta(ctx, class, link, attrs...)
		err := each(d.Items(), f)
		switch {
		case err == nil:
			return d.Link(), nil
		case !errors.Is(err, ErrResync) || link == "":
			return "", err
		}
		if restart != nil {
			if err := restart(); err != nil {
				return "", err
			}
		}
		link = ""
	}
}

func each(seq iter.Seq2[DeltaItem, error], f func(DeltaItem) error) error {
	for it, err := range seq {
		if err != nil {
			return err
		}
		if err := f(it); err != nil {
			return err
		}
	}
	return nil
}
