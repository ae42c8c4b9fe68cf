package changes

import (
	"context"
	"iter"
	"sync"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A Notifier tells of changes as they happen. *ldapdir.Dir is one.
type Notifier interface {
	// Container finds an organisational unit.
	Container(ctx context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error)

	// Notify calls changed when it has begun to listen, and for each change directly in the container, until it
	// cannot go on. It always returns an error.
	Notify(ctx context.Context, c ldapsync.Container, changed func()) error
}

// A Watch is an organisational unit to be told of, and who tells.
type Watch struct {
	Notifier Notifier
	OU       ldapsync.ContainerRef
}

// A Wakeup is a reason to look at the directory.
type Wakeup struct {
	// Why is "start", "interval", or "change".
	Why string
	// Lost says why notifications of an organisational unit did not come since the last Wakeup; nil if they did.
	// They are asked for again.
	Lost error
}

// WakeOptions adjust Wakeups. The zero value is useful.
type WakeOptions struct {
	// Settle is how long to wait after the first notification for others that belong to it. 0 means 200 ms.
	Settle time.Duration
	// Again is how long to wait before notifications are asked for again after they were lost, at first; doubled
	// each time, up to the interval. 0 means 1 s.
	Again time.Duration
}

// Wakeups yields when it is time for a cycle: at once, when something changed directly in one of the organisational
// units, and when the interval is over since the last time. Changes that come while the caller works are yielded
// after that, once. It ends with the context. Without a Watch there is only the interval.
//
// At most five notifications may be registered on one connection of a domain controller (MaxNotificationPerConn);
// ldapdir uses a connection for each.
func Wakeups(ctx context.Context, watches []Watch, interval time.Duration, opt WakeOptions) iter.Seq[Wakeup] {
	if opt.Settle == 0 {
		opt.Settle = 200 * time.Millisecond
	}
	if opt.Again == 0 {
		opt.Again = time.Second
	}
	return func(yield func(Wakeup) bool) {
		w := waker{opt: opt, interval: interval, changed: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		for _, watch := range watches {
			running.Go(func() { w.listen(ctx, watch) })
		}
		for why := "start"; ctx.Err() == nil; {
			if !yield(Wakeup{Why: why, Lost: w.takeLost()}) {
				return
			}
			if why = w.wait(ctx); why == "" {
				return
			}
		}
	}
}

type waker struct {
	opt      WakeOptions
	interval time.Duration
	changed  chan struct{} // of capacity 1

	mu   sync.Mutex
	lost error
}

func (w *waker) takeLost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.lost
	w.lost = nil
	return err
}

// wait returns "" when the context has ended.
func (w *waker) wait(ctx context.Context) string {
	timer := time.NewTimer(w.interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ""
	case <-timer.C:
		return "interval"
	case <-w.changed:
	}
	settle := time.NewTimer(w.opt.Settle)
	defer settle.Stop()
	select {
	case <-ctx.Done():
		return ""
	case <-settle.C:
	}
	select {
	case <-w.changed:
	default:
	}
	return "change"
}

// listen keeps notifications of one organisational unit coming.
func (w *waker) listen(ctx context.Context, watch Watch) {
	pause := w.opt.Again
	for {
		c, err := watch.Notifier.Container(ctx, watch.OU)
		if err == nil {
			began := false
			err = watch.Notifier.Notify(ctx, c, func() {
				began = true
				select {
				case w.changed <- struct{}{}:
				default:
				}
			})
			if began {
				pause = w.opt.Again
			}
		}
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		w.lost = err
		w.mu.Unlock()
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, max(w.interval, w.opt.Again))
	}
}
