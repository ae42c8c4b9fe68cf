package entra

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Limit is so many writes in any window of time of that length.
type Limit struct {
	Writes int
	Per    time.Duration
}

// DefaultLimits are the writes that Entra ID admits of one application in one tenant: 3,000 in 150 seconds
// (Microsoft, "Microsoft Graph service-specific throttling limits", identity and access), spread evenly: 20 in any
// second, so that no window of any length has a burst.
func DefaultLimits() []Limit { return []Limit{{Writes: 20, Per: time.Second}} }

// A Budget paces writes so that no window of time ever holds more than its limits allow: it is exact, not an average.
// What Graph counts is attempts, so every item of a batch and every repetition takes from it. Share one Budget
// between all that write with the same application in the same tenant. The zero Budget has the DefaultLimits. It
// keeps the time with package time alone, which is virtual inside a testing/synctest bubble.
//
// Set the field before first use. The methods may be called concurrently.
type Budget struct {
	Limits []Limit // nil: DefaultLimits; all of them hold. Empty and not nil: no limit

	mu     sync.Mutex
	rings  []ring
	paused time.Time
}

// slack keeps two writes that are exactly one window apart out of any window, whichever of its ends counts.
const slack = time.Millisecond

// ring holds the times of the last writes of one limit, the oldest at next.
type ring struct {
	times []time.Time
	next  int
}

// most is how many writes can go at once.
func (b *Budget) most() int {
	n := maxBatch
	for _, l := range b.limits() {
		n = min(n, max(l.Writes, 1))
	}
	return n
}

func (b *Budget) limits() []Limit {
	if b.Limits == nil {
		return DefaultLimits()
	}
	return b.Limits
}

// reserve takes n writes if they may go now, and says else how long to wait before asking again.
func (b *Budget) reserve(n int) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	limits := b.limits()
	if b.rings == nil {
		b.rings = make([]ring, len(limits))
		for i, l := range limits {
			b.rings[i].times = make([]time.Time, max(l.Writes, 1))
		}
	}
	now := time.Now()
	at := now
	if b.paused.After(at) {
		at = b.paused
	}
	for i, l := range limits {
		r := &b.rings[i]
		// n more fit once the n-th oldest of the last Writes has left the window.
		last := r.times[(r.next+n-1)%len(r.times)]
		if free := last.Add(l.Per + slack); !last.IsZero() && free.After(at) {
			at = free
		}
	}
	if at.After(now) {
		return at.Sub(now)
	}
	for i := range b.rings {
		r := &b.rings[i]
		for range n {
			r.times[r.next] = now
			r.next = (r.next + 1) % len(r.times)
		}
	}
	return 0
}

// Take waits until n writes may go and takes them. n may be at most what the limits allow at once.
func (b *Budget) Take(ctx context.Context, n int) error {
	for _, l := range b.limits() {
		if n > max(l.Writes, 1) {
			return fmt.Errorf("entra: %d writes at once never fit into a limit of %d in %s", n, l.Writes, l.Per)
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := b.reserve(n)
		if wait == 0 {
			return nil
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// Pause lets nothing go for d from now, for everybody who shares the budget. A pause that is longer already stays.
func (b *Budget) Pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := time.Now().Add(d); t.After(b.paused) {
		b.paused = t
	}
}
