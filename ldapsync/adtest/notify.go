package adtest

// A subscription is one change notification search (control 1.2.840.113556.1.4.528). Changed
// objects wait in a queue without duplicates, so it cannot grow beyond the number of objects.
type subscription struct {
	on    *Server
	base  GUID
	scope Scope
	queue []GUID
	has   map[GUID]bool
	wake  chan struct{} // capacity 1
}

func newSubscription(on *Server, base GUID, scope Scope) *subscription {
	return &subscription{on: on, base: base, scope: scope, has: map[GUID]bool{}, wake: make(chan struct{}, 1)}
}

func (d *directory) subscribe(s *subscription) {
	d.subs[s] = struct{}{}
}

func (d *directory) unsubscribe(s *subscription) {
	d.mu.Lock()
	delete(d.subs, s)
	d.mu.Unlock()
}

// covers reports whether n is in the scope now. The caller holds mu.
func (s *subscription) covers(n *node) bool {
	switch s.scope {
	case ScopeBase:
		return n.guid == s.base
	case ScopeOneLevel:
		return n.parent != nil && n.parent.guid == s.base
	}
	for ; n != nil; n = n.parent {
		if n.guid == s.base {
			return true
		}
	}
	return false
}

// listening returns the subscriptions that cover n where it is now. A move asks before and after,
// so that moving out is seen too.
func (d *directory) listening(n *node) []*subscription {
	var out []*subscription
	for s := range d.subs {
		if s.covers(n) {
			out = append(out, s)
		}
	}
	return out
}

func (d *directory) notify(n *node) {
	if len(d.subs) > 0 {
		d.wake(d.listening(n), n)
	}
}

// wake queues n for the given subscriptions.
func (d *directory) wake(subs []*subscription, n *node) {
	for _, s := range subs {
		if _, active := d.subs[s]; !active || s.has[n.guid] {
			continue
		}
		s.has[n.guid] = true
		s.queue = append(s.queue, n.guid)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// take empties the queue. The caller holds mu for writing.
func (s *subscription) take() []GUID {
	q := s.queue
	s.queue = nil
	clear(s.has)
	return q
}
