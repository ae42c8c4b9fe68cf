package registry

import "iter"

// An ordered is a map from case-insensitive names to items that remembers the order of insertion. Removal
// leaves a hole that is closed when half of the slots are holes, so no sequence of calls is quadratic.
type ordered[T any] struct {
	slots []slot[T]
	index map[string]int // of folded names; nil while there are few
	holes int
}

type slot[T any] struct {
	fold string
	item *T // nil: a hole
}

const indexFrom = 9 // below this many slots a scan is faster than a map, and most keys have few values

func (o *ordered[T]) find(fold string) int {
	if o.index != nil {
		if i, ok := o.index[fold]; ok {
			return i
		}
		return -1
	}
	for i := range o.slots {
		if o.slots[i].item != nil && o.slots[i].fold == fold {
			return i
		}
	}
	return -1
}

func (o *ordered[T]) get(fold string) *T {
	if i := o.find(fold); i >= 0 {
		return o.slots[i].item
	}
	return nil
}

// put adds item under a name that is not there yet.
func (o *ordered[T]) put(fold string, item *T) {
	o.slots = append(o.slots, slot[T]{fold, item})
	switch {
	case o.index != nil:
		o.index[fold] = len(o.slots) - 1
	case len(o.slots) >= indexFrom:
		o.reindex()
	}
}

func (o *ordered[T]) reindex() {
	o.index = nil
	if len(o.slots) < indexFrom {
		return
	}
	o.index = make(map[string]int, len(o.slots))
	for i := range o.slots {
		if o.slots[i].item != nil {
			o.index[o.slots[i].fold] = i
		}
	}
}

func (o *ordered[T]) remove(fold string) bool {
	i := o.find(fold)
	if i < 0 {
		return false
	}
	o.slots[i] = slot[T]{}
	delete(o.index, fold)
	if o.holes++; o.holes*2 > len(o.slots) {
		live := make([]slot[T], 0, len(o.slots)-o.holes)
		for _, s := range o.slots {
			if s.item != nil {
				live = append(live, s)
			}
		}
		o.slots, o.holes = live, 0
		o.reindex()
	}
	return true
}

// all yields the items in order. The caller does not change o meanwhile.
func (o *ordered[T]) all() iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		for i := range o.slots {
			if s := &o.slots[i]; s.item != nil && !yield(s.fold, s.item) {
				return
			}
		}
	}
}
