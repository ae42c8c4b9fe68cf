// Package statetest holds the conformance suite for implementations of ldapsync.State: one case for each clause
// of the contract.
//
//	func TestState(t *testing.T) {
//		statetest.Run(t, func(t *testing.T) ldapsync.State { return memstate.New() }, nil)
//	}
//
// Every case gets an empty State of its own, which the suite closes. The suite as data, for a caller that is
// not a test, is Check. Names of cases are stable; an implementation that cannot keep a clause skips it by name,
// with a reason. Durability cannot be seen from inside a process and is not covered.
package statetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A Case is one clause of the contract.
type Case struct {
	Name string // stable: an implementation skips a clause by this name
	Rule string // what the contract says; a failure means that this is not so

	run func(ctx context.Context, s ldapsync.State) error
}

// caseTimeout ends a case that hangs, if the State heeds contexts; a State that deadlocks is reported by Run
// and Check all the same.
const caseTimeout = time.Minute

// Run runs the case on an empty State and closes it. It returns what was wrong.
func (c Case) Run(ctx context.Context, s ldapsync.State) error {
	return c.runFor(ctx, s, caseTimeout)
}

func (c Case) runFor(ctx context.Context, s ldapsync.State, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := c.run(ctx, s)
		_ = s.Close() // may be closed already, by the case
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select { // the case may end because of the context
	case err := <-done:
		return err
	case <-time.After(limit / 10):
		return fmt.Errorf("a call did not return: %w", ctx.Err())
	}
}

// Check runs all cases. newState is called for each and returns an empty State. The result has an entry for
// each case, nil if it passed.
func Check(ctx context.Context, newState func() (ldapsync.State, error)) map[string]error {
	out := map[string]error{}
	for _, c := range Cases() {
		s, err := newState()
		if err == nil {
			err = c.Run(ctx, s)
		}
		out[c.Name] = err
	}
	return out
}

// Run runs all cases as sub-tests. skip names cases that are left out, each with the reason; a name that no case
// has fails the test.
func Run(t *testing.T, newState func(t *testing.T) ldapsync.State, skip map[string]string) {
	t.Helper()
	cases := Cases()
	for name := range skip {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Name == name }) {
			t.Errorf("statetest: there is no case %q to skip", name)
		}
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if why, ok := skip[c.Name]; ok {
				t.Skip(why)
			}
			if err := c.Run(t.Context(), newState(t)); err != nil {
				t.Errorf("%s\nthe contract: %s", err, c.Rule)
			}
		})
	}
}
