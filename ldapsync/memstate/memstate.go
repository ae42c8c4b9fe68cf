// Package memstate is an ldapsync.State in memory, for tests, dry runs and engines that may forget. It keeps
// the whole contract (package statetest checks it) but durability: what it holds ends with the process.
package memstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"go.internal/hybridkit/ldapsync"
)

// The limits of ldapsync.State.
const (
	maxKey   = 512
	maxValue = 16 << 20
)

var errClosed = errors.New("memstate: the state is closed")

// A State is an ordered key-value store in memory. The zero State is empty and ready for use. It is safe for
// concurrent use and must not be copied.
type State struct {
	mu     sync.RWMutex
	data   map[string][]byte // values are never modified in place
	closed bool
}

var _ ldapsync.State = (*State)(nil)

// New returns an empty State.
func New() *State { return new(State) }

// Get returns a copy of the value, or an error wrapping ldapsync.ErrNotFound.
func (s *State) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memstate: get: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	v, ok := s.data[key]
	if !ok {
		return nil, fmt.Errorf("memstate: %q: %w", key, ldapsync.ErrNotFound)
	}
	return append([]byte{}, v...), nil
}

// Scan iterates over the keys with the prefix, in order, as they are when the iteration begins. It takes no
// lock while it iterates.
func (s *State) Scan(ctx context.Context, prefix string) iter.Seq2[ldapsync.Record, error] {
	return func(yield func(ldapsync.Record, error) bool) {
		s.mu.RLock()
		closed := s.closed
		var all []ldapsync.Record
		for k, v := range s.data {
			if strings.HasPrefix(k, prefix) {
				all = append(all, ldapsync.Record{Key: k, Value: v})
			}
		}
		s.mu.RUnlock()
		if closed {
			yield(ldapsync.Record{}, errClosed)
			return
		}
		slices.SortFunc(all, func(a, b ldapsync.Record) int { return strings.Compare(a.Key, b.Key) })
		for _, r := range all {
			if err := ctx.Err(); err != nil {
				yield(ldapsync.Record{}, fmt.Errorf("memstate: scan: %w", err))
				return
			}
			r.Value = append([]byte{}, r.Value...)
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Commit applies the operations in order, all or none; see ldapsync.State.
func (s *State) Commit(ctx context.Context, ops []ldapsync.StateOp) error {
	for _, op := range ops {
		switch {
		case op.Key == "" || len(op.Key) > maxKey || !utf8.ValidString(op.Key):
			return fmt.Errorf("memstate: a key must be UTF-8 of 1 to %d bytes; this one has %d", maxKey, len(op.Key))
		case !op.Delete && len(op.Value) > maxValue:
			return fmt.Errorf("memstate: %q: a value of %d bytes is longer than %d", op.Key, len(op.Value), maxValue)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstate: commit: %w", err)
	}
	for _, op := range ops {
		if op.Expect == nil {
			continue
		}
		v, ok := s.data[op.Key]
		if ok != (*op.Expect != nil) || !bytes.Equal(v, *op.Expect) {
			return fmt.Errorf("memstate: %q: %w", op.Key, ldapsync.ErrConflict)
		}
	}
	if s.data == nil {
		s.data = map[string][]byte{}
	}
	for _, op := range ops {
		if op.Delete {
			delete(s.data, op.Key)
		} else {
			s.data[op.Key] = append([]byte{}, op.Value...)
		}
	}
	return nil
}

// Close forgets everything. Further calls of Get, Scan and Commit fail; closing again does nothing.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.data = true, nil
	return nil
}

// Clone returns an independent copy, for trying something out. The copy of a closed State is closed.
func (s *State) Clone() *State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := &State{closed: s.closed, data: make(map[string][]byte, len(s.data))}
	for k, v := range s.data {
		c.data[k] = v
	}
	return c
}
