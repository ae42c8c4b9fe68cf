package ldapsync

import (
	"fmt"
	"slices"
)

// Defaults of the guards. 500 is the default of Entra Connect's and Cloud Sync's accidental-deletion threshold.
const (
	DefaultThresholdCount   = 500
	DefaultThresholdPercent = 10
	DefaultThresholdSpare   = 2
	DefaultFloorPercent     = 80
)

// A Threshold is how much of one kind a plan may do before it is blocked: more than Count, or more than Percent
// of what there is. The zero Threshold means the defaults.
type Threshold struct {
	Count   int     `json:"count,omitempty"`   // 0 means 500
	Percent float64 `json:"percent,omitempty"` // 0 means 10
	Spare   int     `json:"spare,omitempty"`   // up to so many never trip the percentage; 0 means 2, negative none
	Off     bool    `json:"off,omitempty"`
}

// Guards forbid applying a plan that looks like an accident. They are on by default. The peers' thresholds count
// deleted objects; these count reverts and cleared attributes as well, each on its own, because reverting to
// null is how an object leaves this system.
type Guards struct {
	Reverts Threshold `json:"reverts,omitzero"` // objects reverted or stopped, of those joined in the track
	Clears  Threshold `json:"clears,omitzero"`  // attributes cleared of objects that stay: in all, and for each attribute
	Deletes Threshold `json:"deletes,omitzero"` // objects deleted, of those joined in the track

	// Floor is how many percent of the last good run's objects a read must show; 0 means 80, negative turns it
	// off. An empty read after one that was not empty trips whatever Floor is.
	Floor float64 `json:"floor,omitempty"`
}

// trips reports whether n of total is too many, and says so.
func (t Threshold) trips(n, total int) (bool, string) {
	if t.Off || n == 0 {
		return false, ""
	}
	count, percent, spare := t.Count, t.Percent, t.Spare
	if count == 0 {
		count = DefaultThresholdCount
	}
	if percent == 0 {
		percent = DefaultThresholdPercent
	}
	switch {
	case spare == 0:
		spare = DefaultThresholdSpare
	case spare < 0:
		spare = 0
	}
	if n > count {
		return true, fmt.Sprintf("%d of %d; at most %d are allowed", n, total, count)
	}
	if n > spare && float64(n)*100 > percent*float64(total) {
		return true, fmt.Sprintf("%d of %d (%.0f %%); at most %g %% are allowed", n, total, float64(n)*100/float64(max(total, 1)), percent)
	}
	return false, ""
}

// check evaluates the guards that look at a track's items. present counts, for each attribute, the joined objects
// that have it at the target.
func (g Guards) check(p *Plan, t *Track, c TrackCounts, present map[string]int, last int, hadRun bool) {
	trip := func(guard, format string, args ...any) {
		p.Trips = append(p.Trips, Trip{Guard: guard, Saw: fmt.Sprintf(format, args...)})
	}
	floor := g.Floor
	if floor == 0 {
		floor = DefaultFloorPercent
	}
	switch {
	case c.Read == 0 && (c.Linked > 0 || last > 0):
		trip("empty-read:"+t.Name, "the source shows no objects at all, but %d are joined and the last good run saw %d; a lost right or a wrong OU looks like this", c.Linked, last)
	case hadRun && floor > 0 && float64(c.Read)*100 < floor*float64(last):
		trip("floor:"+t.Name, "the source shows %d objects, the last good run saw %d; at least %g %% are expected", c.Read, last, floor)
	}
	var reverts, deletes, clears int
	byAttr := make(map[string]int)
	for i := range p.Items {
		it := &p.Items[i]
		if it.Track != t.Name {
			continue
		}
		switch it.Action {
		case ActionRevert, ActionStop:
			reverts++
		case ActionDelete:
			deletes++
		case ActionUpdate:
			for _, e := range it.Edits {
				if len(e.After) == 0 {
					clears++
					byAttr[canonicalName(e.Attr)]++
				}
			}
		}
	}
	if bad, saw := g.Reverts.trips(reverts, c.Linked); bad {
		trip("reverts:"+t.Name, "objects that leave and would be reverted: %s", saw)
	}
	if bad, saw := g.Deletes.trips(deletes, c.Linked); bad {
		trip("deletes:"+t.Name, "objects that would be deleted: %s", saw)
	}
	if clears > 0 {
		all := 0
		for _, n := range present {
			all += n
		}
		if bad, saw := g.Clears.trips(clears, all); bad {
			trip("clears:"+t.Name, "attribute values that would be cleared: %s", saw)
		}
		names := make([]string, 0, len(byAttr))
		for a := range byAttr {
			names = append(names, a)
		}
		slices.Sort(names)
		for _, a := range names {
			if bad, saw := g.Clears.trips(byAttr[a], present[a]); bad {
				trip("clears:"+t.Name+":"+a, "values of %s that would be cleared: %s", a, saw)
			}
		}
	}
}
