package ldapsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The kinds of texts that are hashed.
const (
	hashAnchor byte = iota
	hashKey         // and above: one for each match key
)

// maxFound bounds how many target objects are counted that answer to the same anchor or match key.
const maxFound = 20

// A targetIndex finds the objects of the target by everything a Join may ask for. The objects are in a spool; of
// each, 8 bytes for each thing it can be found by are in memory.
type targetIndex struct {
	container Container
	attrs     []string
	join      *Join
	hash      hasher
	spool     spool
	count     int
	ids       spoolIndex
	anchors   spoolIndex
	keys      []spoolIndex // one for each match key
	dns       spoolIndex
	again     map[int64]bool // places of objects that the read showed a second time
}

// readTarget reads the counterparts.
func (p *planner) readTarget(ctx context.Context) error {
	j := p.t.Join
	c, err := p.s.Target.Container(ctx, p.t.Place.Container)
	if errors.Is(err, ErrNotFound) {
		return &RefusedError{Track: p.t.Name, Why: fmt.Sprintf("the target container %s cannot be found: check its name and the account's rights", p.t.Place.Container.DN), Err: err}
	}
	if err != nil {
		return fmt.Errorf("ldapsync: track %s: target container: %w", p.t.Name, err)
	}
	ix := &p.target
	*ix = targetIndex{container: c, join: &p.t.Join, hash: p.hash, spool: spool{dir: p.s.TempDir}, keys: make([]spoolIndex, len(j.Keys))}
	set := make(map[string]string)
	sourceAttrs(set, p.t.targetAttrs())
	for k, attr := range p.links.attrs {
		if _, ok := set[k]; !ok {
			set[k] = attr
		}
	}
	ix.attrs = sortedNames(set)
	p.s.progress(Progress{Phase: "read target", Track: p.t.Name})
	q := Query{Class: p.t.Class, Container: c, Subtree: p.t.Place.Subtree, Filter: p.t.Place.Filter, Attrs: ix.attrs}
	var rec []byte
	for o, err := range p.s.Target.Read(ctx, q) {
		if err != nil {
			return &RefusedError{Track: p.t.Name, Why: "reading the target ended early; what was read is thrown away", Err: errors.Join(ErrPartial, err)}
		}
		rec = appendObject(rec[:0], &o)
		if err := ix.add(&o, rec); err != nil {
			return err
		}
		if ix.count%1000 == 0 {
			p.s.progress(Progress{Phase: "read target", Track: p.t.Name, Done: ix.count})
		}
	}
	if err := ix.sort(); err != nil {
		return err
	}
	p.counts.Target = ix.count
	p.s.progress(Progress{Phase: "read target", Track: p.t.Name, Done: p.counts.Target, Total: p.counts.Target})
	return ctx.Err()
}

// add takes in an object in its form for the spool.
func (ix *targetIndex) add(o *Object, rec []byte) error {
	at, err := ix.spool.add(rec)
	if err != nil {
		return err
	}
	ix.count++
	if err := ix.ids.add(ix.hash.guid(o.ID), at); err != nil {
		return err
	}
	if err := ix.dns.add(ix.hash.dn(o.DN), at); err != nil {
		return err
	}
	if ix.join.Anchor != "" {
		if v, ok := o.Get(ix.join.Anchor); ok {
			if err := ix.anchors.add(ix.hash.text(hashAnchor, v), at); err != nil {
				return err
			}
		}
	}
	for i, k := range ix.join.Keys {
		for _, v := range o.All(k.Target) {
			if err := ix.keys[i].add(ix.hash.text(hashKey+byte(i), k.norm(v)), at); err != nil {
				return err
			}
		}
	}
	return nil
}

// sort ends adding. Of objects that the read showed twice the first sight counts.
func (ix *targetIndex) sort() error {
	ix.ids.sort()
	ix.anchors.sort()
	ix.dns.sort()
	for _, k := range ix.keys {
		k.sort()
	}
	for from := 0; from < len(ix.ids); {
		to := from + 1
		for to < len(ix.ids) && ix.ids[to]>>placeBits == ix.ids[from]>>placeBits {
			to++
		}
		if to-from > 1 {
			seen := make(map[GUID]bool)
			for _, e := range ix.ids[from:to] {
				o, err := ix.load(place(e))
				if err != nil {
					return err
				}
				if seen[o.ID] {
					if ix.again == nil {
						ix.again = make(map[int64]bool)
					}
					ix.again[place(e)] = true
					ix.count--
				}
				seen[o.ID] = true
			}
		}
		from = to
	}
	return nil
}

func (ix *targetIndex) load(at int64) (*Object, error) {
	rec, _, err := ix.spool.get(at)
	if err != nil {
		return nil, err
	}
	return decodeObject(rec)
}

// byID finds an object by its identity; nil if it was not read.
func (ix *targetIndex) byID(id GUID) (*Object, error) {
	for _, e := range ix.ids.places(ix.hash.guid(id)) {
		o, err := ix.load(place(e))
		if err != nil || o.ID == id {
			return o, err
		}
	}
	return nil, nil
}

// hasDN reports whether an object of this name was read.
func (ix *targetIndex) hasDN(dn DN) (bool, error) {
	for _, e := range ix.dns.places(ix.hash.dn(dn)) {
		if ix.again[place(e)] {
			continue
		}
		o, err := ix.load(place(e))
		if err != nil || o.DN.Equal(dn) {
			return err == nil, err
		}
	}
	return false, nil
}

// A finding is the target objects that answer to an anchor or a match key.
type finding struct {
	n       int
	objects []*Object // the first of them
	more    bool      // there are more than maxFound
}

// names names some of them for people.
func (f *finding) names() string {
	var out []string
	for i, o := range f.objects {
		if i == 3 {
			out = append(out, "…")
			break
		}
		out = append(out, o.DN.String())
	}
	slices.Sort(out)
	return strings.Join(out, " and ")
}

// size says how many they are.
func (f *finding) size() string {
	if f.more {
		return fmt.Sprintf("more than %d", maxFound)
	}
	return fmt.Sprint(f.n)
}

// find adds to f the objects among entries that are what is looked for.
func (ix *targetIndex) find(f *finding, entries spoolIndex, is func(*Object) bool) error {
	for _, e := range entries {
		if ix.again[place(e)] {
			continue
		}
		o, err := ix.load(place(e))
		if err != nil {
			return err
		}
		if !is(o) || slices.ContainsFunc(f.objects, func(x *Object) bool { return x.ID == o.ID }) {
			continue
		}
		if f.n == maxFound {
			f.more = true
			return nil
		}
		f.n++
		f.objects = append(f.objects, o)
	}
	return nil
}

// byAnchor finds the objects whose anchor is v.
func (ix *targetIndex) byAnchor(v string) (f finding, err error) {
	err = ix.find(&f, ix.anchors.places(ix.hash.text(hashAnchor, v)), func(o *Object) bool {
		have, ok := o.Get(ix.join.Anchor)
		return ok && have == v
	})
	return f, err
}

// byKey adds the objects to f that have the normalised value v of a match key.
func (ix *targetIndex) byKey(f *finding, key int, v string) error {
	k := ix.join.Keys[key]
	return ix.find(f, ix.keys[key].places(ix.hash.text(hashKey+byte(key), v)), func(o *Object) bool {
		return slices.ContainsFunc(o.All(k.Target), func(have string) bool { return k.norm(have) == v })
	})
}
