package statetest_test

import (
	"context"
	"fmt"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memstate"
	"go.internal/hybridkit/ldapsync/statetest"
)

// The suite as data: which clauses of the contract a State does not keep.
func ExampleCheck() {
	broken := 0
	for name, err := range statetest.Check(context.Background(), func() (ldapsync.State, error) { return memstate.New(), nil }) {
		if err != nil {
			fmt.Println(name, err)
			broken++
		}
	}
	fmt.Println(broken, "clauses are broken")
	// Output: 0 clauses are broken
}
