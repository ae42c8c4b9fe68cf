package entratest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Lag is how late a write is seen: after Reads reads of the object and after For has passed. Microsoft promises neither
// figure; the zero Lag shows a write at once.
type Lag struct {
	Reads int
	For   time.Duration
}

// An entity is one object of the directory with what is known of its past.
type entity struct {
	kind    *resource
	id      string
	order   uint64 // of creation, the order of lists
	created uint64 // number of the change that created or restored it
	changed uint64 // number of the last change
	props   map[string]uint64
	now     state
	past    []past // what readers behind a lag may still see, oldest first
	owners  []string
	users   []string
}

// A state is what the directory holds of an entity.
type state struct {
	data    Object
	deleted string // "" exists, "changed" in the recycle bin, "deleted" for good
}

// A past is the state before a write, and what has to happen until readers see that write.
type past struct {
	before state
	props  map[string]uint64
	absent bool // there was no object
	seq    uint64
	at     time.Time
	reads  [2]int // by lagKind
}

type lagKind int

const (
	byID lagKind = iota
	byIndex
)

// A directory is all objects of a tenant. The server's lock guards it.
type directory struct {
	seq      uint64 // of the last change
	orders   uint64
	entities map[*resource][]*entity
	ids      map[string]*entity
	index    map[indexKey][]*entity
	lags     [2]Lag
	clock    func() time.Time
	seed     [2]uint64
}

func newDirectory(c Config, clock func() time.Time) *directory {
	return &directory{
		entities: map[*resource][]*entity{}, ids: map[string]*entity{}, index: map[indexKey][]*entity{}, clock: clock,
		lags: [2]Lag{byID: c.ReadLag, byIndex: c.IndexLag}, seed: [2]uint64{c.Seed, 0},
	}
}

// newID returns a GUID that depends on the seed and on how many were asked for: a test sees the same ids every time.
func (d *directory) newID() string {
	for {
		if id := d.nextID(); d.ids[id] == nil {
			return id
		}
	}
}

func (d *directory) nextID() string {
	d.seed[1]++
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], mix(d.seed[0]^d.seed[1]*0x9e3779b97f4a7c15))
	binary.BigEndian.PutUint64(b[8:], mix(d.seed[0]+d.seed[1]))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// mix is the finishing step of the SplitMix64 generator.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// add stores a new object; a lagged one is invisible at first.
func (d *directory) add(kind *resource, data Object, lagged bool) *entity {
	d.orders++
	e := &entity{kind: kind, id: data.text("id"), order: d.orders, props: map[string]uint64{}, now: state{data: Object{}}}
	d.entities[kind] = append(d.entities[kind], e)
	d.ids[strings.ToLower(e.id)] = e
	d.commit(e, state{data: data}, lagged)
	e.created = d.seq
	if lagged && len(e.past) > 0 {
		e.past[0].absent = true
	}
	return e
}

// commit makes next the state of e. A lagged commit is seen by readers only after the lags of the directory.
func (d *directory) commit(e *entity, next state, lagged bool) {
	d.seq++
	if lagged && (d.lags[byID] != Lag{} || d.lags[byIndex] != Lag{}) {
		e.past = append(e.past, past{before: e.now, props: maps.Clone(e.props), seq: d.seq, at: d.clock()})
	} else {
		e.past = nil
	}
	d.reindex(e, next.data)
	for name, v := range next.data {
		if !equal(v, e.now.data[name]) {
			e.props[name] = d.seq
		}
	}
	for name := range e.now.data {
		if _, kept := next.data[name]; !kept {
			e.props[name] = d.seq
		}
	}
	if e.now.deleted != "" && next.deleted == "" {
		e.created = d.seq // restored: a delta shows it whole
	}
	e.now, e.changed = next, d.seq
}

// A view is what one reader sees of an entity.
type view struct {
	state
	exists bool
	props  map[string]uint64 // number of the last change of each property that the reader sees
	hidden uint64            // number of the first change that it does not see yet, 0 if there is none
}

// view returns what a reader of the kind sees of e, counting the read if it is one.
func (d *directory) view(e *entity, kind lagKind, read bool) view {
	now, lag := d.clock(), d.lags[kind]
	v := view{state: e.now, exists: e.now.deleted == "", props: e.props}
	for i := len(e.past) - 1; i >= 0; i-- {
		p := &e.past[i]
		if now.Sub(p.at) < lag.For || p.reads[kind] < lag.Reads {
			v = view{state: p.before, exists: !p.absent && p.before.deleted == "", props: p.props, hidden: p.seq}
		}
		if read {
			p.reads[kind]++
		}
	}
	if len(e.past) > 0 && v.hidden == 0 && read {
		d.forget(e, now)
	}
	return v
}

// forget drops the past that no reader sees any more.
func (d *directory) forget(e *entity, now time.Time) {
	e.past = slices.DeleteFunc(e.past, func(p past) bool {
		for kind, lag := range d.lags {
			if now.Sub(p.at) < lag.For || p.reads[kind] < lag.Reads {
				return false
			}
		}
		return true
	})
}

// find returns the object a path names: by id, and for users by user principal name, for devices only by id.
func (d *directory) find(kind *resource, key string) *entity {
	if e := d.ids[strings.ToLower(key)]; e != nil && e.kind == kind {
		return e
	}
	if kind == &userType {
		return d.findBy(kind, "userPrincipalName", key)
	}
	return nil
}

// findBy returns the first object that exists with a property of that value, compared without case; "" finds none.
func (d *directory) findBy(kind *resource, name, value string) *entity {
	among := d.entities[kind]
	if slices.Contains(indexed, name) {
		among = d.index[indexKey{kind, lookup{name, strings.ToLower(value)}}]
	}
	for _, e := range among {
		if e.now.deleted == "" && value != "" && strings.EqualFold(e.now.data.text(name), value) {
			return e
		}
	}
	return nil
}
