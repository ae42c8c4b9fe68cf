package ldapsync

import (
	"context"
	"iter"
)

// A State keeps what the engine must remember between cycles: which objects it joined, which attributes it
// owns and what they were before, and the journal of applied plans. Losing it costs a full read and the
// ability to revert; it never causes a write.
//
// It is an ordered key-value store. Keys are non-empty UTF-8 of at most 512 bytes, values at most 16 MiB. An
// implementation is finished when statetest.Run passes. Methods may be called concurrently.
type State interface {
	// Get returns a copy of the value, or an error wrapping ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)

	// Scan iterates in key order over the keys with the prefix, as they were at one moment: commits during the
	// iteration are not seen. The value is valid until the next step.
	Scan(ctx context.Context, prefix string) iter.Seq2[Record, error]

	// Commit applies the operations in order, all or none, and returns when they are durable. If a StateOp's
	// expectation does not hold, nothing is changed and the error wraps ErrConflict. Cancelling ctx before
	// Commit begins its work prevents it; later it has no effect.
	Commit(ctx context.Context, ops []StateOp) error

	// Close releases the state. Further calls fail, and so do the next steps of scans.
	Close() error
}

// A Record is one key and its value.
type Record struct {
	Key   string
	Value []byte
}

// A StateOp is one step of a commit: put Value at Key, or delete Key if Delete is set.
type StateOp struct {
	Key    string
	Value  []byte
	Delete bool // deleting what is not there succeeds

	// Expect, if not nil, must hold before the commit: the value at Key equals *Expect, or Key is not there
	// where *Expect is nil.
	Expect *[]byte
}
