package entratest

import (
	"cmp"
	"slices"
	"strings"
)

// indexed are the properties that clients look objects up by, so that a match of 10,000 users is not 10,000 walks through
// all of them.
var indexed = []string{"id", "userPrincipalName", "mail", "employeeId", "onPremisesImmutableId", "displayName", "deviceId"}

// A lookup is a property and its value in lower case.
type lookup struct{ name, value string }

// An indexKey is a lookup among the objects of a kind.
type indexKey struct {
	kind *resource
	lookup
}

// reindex moves e from the values it had to those of next. Deleted objects stay, as a lookup sees their state anyway.
func (d *directory) reindex(e *entity, next Object) {
	for _, name := range indexed {
		was, is := strings.ToLower(e.now.data.text(name)), strings.ToLower(next.text(name))
		if was == is {
			continue
		}
		if was != "" {
			k := indexKey{e.kind, lookup{name, was}}
			if d.index[k] = slices.DeleteFunc(d.index[k], func(o *entity) bool { return o == e }); len(d.index[k]) == 0 {
				delete(d.index, k)
			}
		}
		if is != "" {
			k := indexKey{e.kind, lookup{name, is}}
			at, _ := slices.BinarySearchFunc(d.index[k], e, byOrder)
			d.index[k] = slices.Insert(d.index[k], at, e)
		}
	}
}

func byOrder(a, b *entity) int { return cmp.Compare(a.order, b.order) }

// candidates returns the objects a list has to look at: all of them, or those with one of the values if the filter asks
// for nothing else. Behind a lag an object may still be seen with a value it no longer has.
func (d *directory) candidates(kind *resource, keys []lookup) []*entity {
	if keys == nil || d.lags != [2]Lag{} {
		return d.entities[kind]
	}
	var out []*entity
	for _, k := range keys {
		out = append(out, d.index[indexKey{kind, k}]...)
	}
	slices.SortFunc(out, byOrder)
	return slices.Compact(out)
}
