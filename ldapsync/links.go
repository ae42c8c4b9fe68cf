package ldapsync

import (
	"context"
	"encoding/binary"
	"strings"
)

// linkTable is the joined objects of a track while a plan is made: the records are in a spool, and 16 bytes and a
// bit of each are in memory.
type linkTable struct {
	spool    spool
	hash     hasher
	count    int
	bySource spoolIndex
	byTarget spoolIndex
	seen     []uint64          // a bit for each link: the source showed the object
	nSeen    int               // bits set in seen
	attrs    map[string]string // the attributes that any link owns, by canonical name
}

// A link is a linkRecord in a linkTable.
type link struct {
	linkRecord
	number int // in the table
}

// readLinks reads the links of a track from the state.
func (p *planner) readLinks(ctx context.Context) error {
	t := &p.links
	t.spool.dir, t.hash, t.attrs = p.s.TempDir, p.hash, make(map[string]string)
	var rec []byte
	err := eachLink(ctx, p.s.State, p.s.keys(), p.t.Name, func(l *linkRecord, raw []byte) error {
		rec = append(binary.AppendUvarint(rec[:0], uint64(t.count)), raw...)
		at, err := t.spool.add(rec)
		if err != nil {
			return err
		}
		t.count++
		for i := range l.Owned {
			if k := p.canonical(l.Owned[i].Attr); t.attrs[k] == "" {
				t.attrs[k] = strings.Clone(l.Owned[i].Attr)
			}
		}
		if err := t.bySource.add(t.hash.guid(l.Source), at); err != nil {
			return err
		}
		return t.byTarget.add(t.hash.guid(l.Target), at)
	})
	t.bySource.sort()
	t.byTarget.sort()
	t.seen = make([]uint64, (t.count+63)/64)
	return err
}

func (t *linkTable) load(at int64) (*link, int64, error) {
	rec, next, err := t.spool.get(at)
	if err != nil {
		return nil, 0, err
	}
	number, k := binary.Uvarint(rec)
	l := &link{number: int(number)}
	if err := l.decode(rec[k:]); err != nil {
		return nil, 0, err
	}
	return l, next, nil
}

// of finds the link of a source object; nil if it has none.
func (t *linkTable) of(source GUID) (*link, error) {
	for _, e := range t.bySource.places(t.hash.guid(source)) {
		l, _, err := t.load(place(e))
		if err != nil || l.Source == source {
			return l, err
		}
	}
	return nil, nil
}

// to finds the link to a target object; nil if there is none.
func (t *linkTable) to(target GUID) (*link, error) {
	for _, e := range t.byTarget.places(t.hash.guid(target)) {
		l, _, err := t.load(place(e))
		if err != nil || l.Target == target {
			return l, err
		}
	}
	return nil, nil
}

// see notes that the source showed the object of l, and reports whether it did so before.
func (t *linkTable) see(l *link) (before bool) {
	word, bit := &t.seen[l.number/64], uint64(1)<<(l.number%64)
	before = *word&bit != 0
	if !before {
		*word |= bit
		t.nSeen++
	}
	return before
}

// missing calls f for every link whose object the source did not show, in the order of the text of their
// objectGUIDs.
func (t *linkTable) missing(f func(*link) error) error {
	for at, n := int64(0), 0; at < t.spool.end() && n < t.count; n++ {
		if t.seen[n/64]>>(n%64)&1 != 0 {
			_, next, err := t.spool.get(at)
			if err != nil {
				return err
			}
			at = next
			continue
		}
		l, next, err := t.load(at)
		if err != nil {
			return err
		}
		if err := f(l); err != nil {
			return err
		}
		at = next
	}
	return nil
}
