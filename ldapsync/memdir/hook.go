package memdir

import (
	"fmt"
	"sync/atomic"

	"go.internal/hybridkit/ldapsync"
)

// An Op names the method of Source or Target that a hook sees.
type Op string

// The operations. OpGet stands for Get and Locate.
const (
	OpInfo       Op = "info"
	OpContainer  Op = "container"
	OpContainers Op = "child containers"
	OpRead       Op = "read"
	OpGet        Op = "get"
	OpVerify     Op = "verify"
	OpWrite      Op = "write"
)

// An Event is one moment in a call at which a Hook may interfere.
type Event struct {
	Op Op

	// Done is false before anything was done, and true when the work is done and the answer is about to be
	// returned. Reads have an event, not Done, before each object and one, Done, at the end.
	Done bool

	ID     ldapsync.GUID    // of the object or container, where the call names one
	N      int              // OpRead: objects streamed so far in this read
	Change *ldapsync.Change // OpWrite; not to be modified
}

// A Hook is called at the Events of every call, without a lock held, and concurrently if the calls are. If it
// returns an error the call returns that; it should wrap one of the errors of package ldapsync. An error at an
// Event that is not Done prevents the work, one at a Done event loses the answer to it.
type Hook func(Event) error

// SetHook installs a hook; nil removes it.
func (d *Dir) SetHook(h Hook) {
	if h == nil {
		d.hook.Store(nil)
		return
	}
	d.hook.Store(&h)
}

func (d *Dir) event(e Event) error {
	if h := d.hook.Load(); h != nil {
		return (*h)(e)
	}
	return nil
}

// Busy returns a hook that refuses the next n calls of an operation with ErrTransient.
func Busy(op Op, n int) Hook {
	left := new(atomic.Int64)
	left.Store(int64(n))
	return func(e Event) error {
		if e.Op == op && !e.Done && e.N == 0 && left.Add(-1) >= 0 {
			return fmt.Errorf("memdir: busy: %w", ldapsync.ErrTransient)
		}
		return nil
	}
}

// PartialRead returns a hook that ends every read with ErrPartial after n objects, also those of exactly n.
func PartialRead(n int) Hook {
	return func(e Event) error {
		if e.Op == OpRead && e.N >= n {
			return fmt.Errorf("memdir: connection lost after %d objects: %w", n, ldapsync.ErrPartial)
		}
		return nil
	}
}

// LoseAnswers returns a hook that loses the answers to the next n writes with ErrUnclear: of those that were
// carried out if written is set, else of those that were not.
func LoseAnswers(n int, written bool) Hook {
	left := new(atomic.Int64)
	left.Store(int64(n))
	return func(e Event) error {
		if e.Op == OpWrite && e.Done == written && left.Add(-1) >= 0 {
			return fmt.Errorf("memdir: connection lost: %w", ldapsync.ErrUnclear)
		}
		return nil
	}
}

// Counts says what was asked of a Dir by way of Source and Target.
type Counts struct {
	Reads   int64 // calls of Read that were iterated
	Objects int64 // objects they streamed
	Gets    int64 // calls of Get and Locate
	Writes  int64 // calls of Write
	Changes int64 // calls of Write that changed something
}

// Counts returns the counters since the Dir was made or ResetCounts was called.
func (d *Dir) Counts() Counts {
	c := &d.counts
	return Counts{c.reads.Load(), c.objects.Load(), c.gets.Load(), c.writes.Load(), c.changes.Load()}
}

// ResetCounts sets the counters to zero.
func (d *Dir) ResetCounts() {
	for _, c := range []*atomic.Int64{&d.counts.reads, &d.counts.objects, &d.counts.gets, &d.counts.writes, &d.counts.changes} {
		c.Store(0)
	}
}
