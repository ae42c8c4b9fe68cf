package entra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// An item is a request in a queue.
type item struct {
	req   Request
	ctx   context.Context
	done  func(Result)
	try   int
	since time.Time // when it became ready
	due   time.Time // when it may be sent again
	err   error     // of the last try
}

// A lane is what waits for the batches of one kind.
type lane struct {
	q      *Queue
	budget *Budget // nil for reads

	mu       sync.Mutex
	ready    []*item
	later    []*item // wait for their due time
	inflight int
	running  bool
	kick     chan struct{} // wakes the dispatcher up
}

// add puts items into the lane and makes sure that somebody sends them.
func (l *lane) add(items ...*item) {
	if len(items) == 0 {
		return
	}
	now := time.Now()
	l.mu.Lock()
	for _, it := range items {
		it.since = now
	}
	l.ready = append(l.ready, items...)
	start := !l.running
	l.running = true
	l.mu.Unlock()
	if start {
		go l.run()
	} else {
		l.wake()
	}
}

func (l *lane) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// remove takes an item out that is not on its way.
func (l *lane) remove(it *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range []*[]*item{&l.ready, &l.later} {
		for i, x := range *list {
			if x == it {
				*list = append((*list)[:i], (*list)[i+1:]...)
				l.wake() // there may be nothing left to wait for
				return true
			}
		}
	}
	return false
}

// run sends what is in the lane until it is empty.
func (l *lane) run() {
	for {
		batch, wait, more := l.next()
		if len(batch) > 0 {
			go l.send(batch)
			continue
		}
		if !more {
			return
		}
		if wait <= 0 { // until something happens
			<-l.kick
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-l.kick:
			t.Stop()
		}
	}
}

// next takes the next batch out. Without one it says how long to wait, 0 meaning until woken, and false if the lane
// is done.
func (l *lane) next() (batch []*item, wait time.Duration, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.ripen(now)
	if len(l.ready) == 0 && len(l.later) == 0 && l.inflight == 0 {
		l.running = false
		return nil, 0, false
	}
	for _, it := range l.later {
		if d := it.due.Sub(now); wait == 0 || d < wait {
			wait = d
		}
	}
	parallel := l.q.Parallel
	if parallel <= 0 {
		parallel = 4
	}
	if len(l.ready) == 0 || l.inflight >= parallel {
		if l.inflight >= parallel {
			wait = 0
		}
		return nil, wait, true
	}
	most := maxBatch
	if l.budget != nil {
		most = l.budget.most()
	}
	n := min(most, len(l.ready))
	sooner := func(d time.Duration) {
		if wait == 0 || d < wait {
			wait = d
		}
	}
	if linger := l.q.linger(); n < most && linger > 0 {
		if d := linger - now.Sub(l.ready[0].since); d > 0 {
			sooner(d)
			return nil, wait, true
		}
	}
	if l.budget != nil {
		if d := l.budget.reserve(n); d > 0 {
			sooner(d)
			return nil, wait, true
		}
	}
	batch = append(batch, l.ready[:n]...)
	clear(l.ready[:n])
	l.ready = l.ready[n:]
	l.inflight++
	return batch, 0, true
}

func (q *Queue) linger() time.Duration {
	if q.Linger == 0 {
		return 5 * time.Millisecond
	}
	return q.Linger
}

// ripen moves items whose time has come to those that are ready.
func (l *lane) ripen(now time.Time) {
	keep := l.later[:0]
	for _, it := range l.later {
		if it.due.After(now) {
			keep = append(keep, it)
			continue
		}
		it.since = it.due
		l.ready = append(l.ready, it)
	}
	clear(l.later[len(keep):])
	l.later = keep
}

// sweep answers items whose context has ended before they were sent.
func (l *lane) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range []*[]*item{&l.ready, &l.later} {
		keep := (*list)[:0]
		for _, it := range *list {
			if err := it.ctx.Err(); err != nil {
				it.done(Result{Err: errors.Join(err, it.err)})
				continue
			}
			keep = append(keep, it)
		}
		clear((*list)[len(keep):])
		*list = keep
	}
	l.wake()
}

// send sends one batch and deals with the answers.
func (l *lane) send(batch []*item) {
	ctx, cancel := allDone(batch)
	reqs := make([]Request, len(batch))
	for i, it := range batch {
		reqs[i] = it.req
		it.try++
	}
	results, err := l.q.Client.Batch(ctx, reqs)
	cancel()
	now := time.Now()
	throttled, longest := 0, time.Duration(0)
	var later []*item
	for i, it := range batch {
		res := results[i]
		if ctxErr := it.ctx.Err(); ctxErr != nil && res.Err != nil {
			it.done(Result{Err: errors.Join(ctxErr, res.Err)})
			continue
		}
		if res.Err == nil || !transient(res.Err) {
			it.done(res)
			continue
		}
		it.err = res.Err
		d, more := l.q.Retry.Again(it.try, res.Err)
		if !more {
			it.done(Result{Err: fmt.Errorf("after %d tries: %w", it.try, res.Err)})
			continue
		}
		var e *Error
		if errors.As(res.Err, &e) && e.Status == 429 {
			throttled++
			longest = max(longest, d)
		}
		it.due = now.Add(d)
		later = append(later, it)
	}
	// Where nothing at all was admitted the next batch would only add to it (Microsoft, "Microsoft Graph throttling
	// guidance": requests that are refused count as well).
	if l.budget != nil && (err != nil || len(batch) > 1) && throttled == len(batch) {
		l.budget.Pause(longest)
	}
	l.mu.Lock()
	l.later = append(l.later, later...)
	l.inflight--
	l.mu.Unlock()
	l.wake()
}

// allDone is a context that ends when those of all items have ended.
func allDone(batch []*item) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	same := true
	for _, it := range batch[1:] {
		same = same && it.ctx == batch[0].ctx
	}
	if same {
		stop := context.AfterFunc(batch[0].ctx, cancel)
		return ctx, func() { stop(); cancel() }
	}
	var left atomic.Int64
	left.Store(int64(len(batch)))
	stops := make([]func() bool, 0, len(batch))
	for _, it := range batch {
		stops = append(stops, context.AfterFunc(it.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, s := range stops {
			s()
		}
		cancel()
	}
}
