package entra

import (
	"context"
	"errors"
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
