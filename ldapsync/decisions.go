package ldapsync

import (
	"fmt"
	"slices"
	"strings"
)

// A decision is what the engine took one object of the source for. Two decisions may contradict each other.
type decision struct {
	source GUID
	dn     DN
	anchor string // "" if it is not known
	target GUID   // what it would be joined with; zero if none
}

// decisions are those on all objects of a track that the source showed: in a spool, and 16 bytes of each in
// memory.
type decisions struct {
	spool   spool
	hash    hasher
	count   int
	anchors twins
	targets twins
	rec     []byte
}

// add keeps d and returns its number.
func (ds *decisions) add(d *decision) (int, error) {
	ds.rec = append(ds.rec[:0], d.source[:]...)
	ds.rec = append(ds.rec, d.target[:]...)
	ds.rec = appendText(ds.rec, d.anchor)
	ds.rec = appendDN(ds.rec, d.dn)
	if _, err := ds.spool.add(ds.rec); err != nil {
		return 0, err
	}
	if d.anchor != "" {
		ds.anchors.add(ds.hash.text(hashAnchor, d.anchor))
	}
	if !d.target.IsZero() {
		ds.targets.add(ds.hash.guid(d.target))
	}
	ds.count++
	return ds.count - 1, nil
}

// all calls f for every decision, with its number.
func (ds *decisions) all(f func(int, decision)) error {
	at := int64(0)
	for i := range ds.count {
		rec, next, err := ds.spool.get(at)
		if err != nil {
			return err
		}
		r := reader{s: string(rec)}
		d := decision{source: r.fixed(), target: r.fixed(), anchor: r.text(), dn: r.dn()}
		if r.err != nil {
			return fmt.Errorf("ldapsync: temporary file: a decision: %w", r.err)
		}
		f(i, d)
		at = next
	}
	return nil
}

// markConflicts finds objects of the source that cannot all be right: the same anchor, or the same counterpart.
func (p *planner) markConflicts() error {
	anchors, targets := p.decided.anchors.repeated(), p.decided.targets.repeated()
	if len(anchors) == 0 && len(targets) == 0 {
		return nil
	}
	type member struct {
		number int
		decision
	}
	byAnchor, byTarget := make(map[string][]member), make(map[GUID][]member)
	err := p.decided.all(func(i int, d decision) {
		if d.anchor != "" && anchors[p.hash.text(hashAnchor, d.anchor)] {
			byAnchor[d.anchor] = append(byAnchor[d.anchor], member{i, d})
		}
		if !d.target.IsZero() && targets[p.hash.guid(d.target)] {
			byTarget[d.target] = append(byTarget[d.target], member{i, d})
		}
	})
	if err != nil {
		return err
	}
	at := make(map[int]int, len(p.results)) // places in results, by number
	for i, r := range p.results {
		at[r.number] = i
	}
	conflict := func(group []member, what string) {
		if len(group) < 2 {
			return
		}
		names := make([]string, len(group))
		for i, d := range group {
			names[i] = d.dn.String()
		}
		slices.Sort(names)
		reason := what + ": " + listNames(names)
		for _, d := range group {
			i, ok := at[d.number]
			if !ok {
				p.counts.Unchanged--
				i = len(p.results)
				at[d.number] = i
				p.results = append(p.results, result{number: d.number, source: d.source, dn: d.dn})
			}
			it := p.item(&Object{ID: d.source, DN: d.dn}, ActionConflict, reason)
			it.Target = d.target
			p.results[i].items = []Item{it}
		}
	}
	for _, g := range byAnchor {
		conflict(g, "these objects have the same source anchor")
	}
	for target, g := range byTarget {
		conflict(g, "these objects would be joined with the same target object "+target.String())
	}
	return nil
}

// listNames names all of a few, and some of many.
func listNames(names []string) string {
	const most = 10
	if n := len(names); n > most {
		return strings.Join(names[:most], " and ") + fmt.Sprintf(" and %d more", n-most)
	}
	return strings.Join(names, " and ")
}
