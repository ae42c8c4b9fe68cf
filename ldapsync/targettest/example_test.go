package targettest_test

import (
	"context"
	"errors"
	"fmt"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/targettest"
)

// forgetful is a Target that says it has written what it has not.
type forgetful struct{ *memdir.Dir }

func (f forgetful) Write(_ context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	return c.ID, nil
}

// The suite as data, run on a target that forgets: the clauses that notice.
func ExampleCheck() {
	results := targettest.Check(context.Background(), func(context.Context) (*targettest.Fixture, error) {
		return fixture(func(d *memdir.Dir) (ldapsync.Source, ldapsync.Target) { return d, forgetful{d} })
	})
	noticed := 0
	for _, err := range results {
		if err != nil && !errors.Is(err, targettest.ErrSkipped) {
			noticed++
		}
	}
	fmt.Println(noticed > 20)
	// Output: true
}
