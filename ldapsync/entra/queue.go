package entra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A Queue sends requests that many goroutines hand it, twenty in a $batch, at the pace of a Budget. What was
// certainly not carried out (429, a dependency that failed, no connection) is sent again after exactly the time Graph
// asks for, item by item: a throttled item waits alone while the others go on. Reads go in batches of their own,
// take nothing from the Budget and are repeated after server errors too. A write whose outcome is not clear is
// never sent again: that is for the caller, who must look first.
//
// A Queue has no goroutine of its own while there is nothing to do and needs no closing. Set the fields before first
// use. The methods may be called concurrently.
type Queue struct {
	Client *Client // required
	Budget *Budget // for writes; nil: a Budget of its own with DefaultLimits

	Parallel int           // batches on their way at a time, of writes and of reads each; 0 means 4
	Linger   time.Duration // how long a batch that is not full waits for more; 0 means 5 ms, negative not at all
	Retry    Retry         // the zero value means its defaults

	once   sync.Once
	writes lane
	reads  lane
}

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

func (q *Queue) init() {
	q.once.Do(func() {
		b := q.Budget
		if b == nil {
			b = new(Budget)
		}
		q.writes = lane{q: q, budget: b, kick: make(chan struct{}, 1)}
		q.reads = lane{q: q, kick: make(chan struct{}, 1)}
	})
}

func (q *Queue) lane(r *Request) *lane {
	q.init()
	if r.reads() {
		return &q.reads
	}
	return &q.writes
}

// Do sends one request, together with others that are waiting, and returns its answer. If ctx ends while the request
// is on its way, the error of a write wraps ldapsync.ErrUnclear.
func (q *Queue) Do(ctx context.Context, r Request) (Response, error) {
	if err := ctx.Err(); err != nil {
		return Response{}, err
	}
	ch := make(chan Result, 1)
	l := q.lane(&r)
	it := &item{req: r, ctx: ctx, done: func(res Result) { ch <- res }}
	l.add(it)
	select {
	case res := <-ch:
		return res.Response, res.Err
	case <-ctx.Done():
	}
	if l.remove(it) { // it had not been sent, or was refused
		return Response{}, errors.Join(ctx.Err(), it.err)
	}
	select {
	case res := <-ch:
		return res.Response, res.Err
	default:
	}
	if r.reads() {
		return Response{}, ctx.Err()
	}
	return Response{}, &Error{Method: r.Method, Path: cutQuery(r.Path), Err: ctx.Err(), kind: unclear}
}

// DoAll sends many requests and returns a Result for each, in their order. Requests that were not sent when ctx ended
// have its error.
func (q *Queue) DoAll(ctx context.Context, reqs []Request) []Result {
	out := make([]Result, len(reqs))
	items := make([]item, len(reqs))
	var left atomic.Int64
	left.Store(int64(len(reqs)))
	all := make(chan struct{})
	if len(reqs) == 0 {
		return out
	}
	var lanes [2][]*item
	q.init()
	for i := range reqs {
		items[i] = item{req: reqs[i], ctx: ctx, done: func(r Result) {
			out[i] = r
			if left.Add(-1) == 0 {
				close(all)
			}
		}}
		k := 0
		if reqs[i].reads() {
			k = 1
		}
		lanes[k] = append(lanes[k], &items[i])
	}
	for i, l := range []*lane{&q.writes, &q.reads} {
		l.add(lanes[i]...)
		defer context.AfterFunc(ctx, l.sweep)()
	}
	<-all
	return out
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
