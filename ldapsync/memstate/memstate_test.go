package memstate_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memstate"
	"go.internal/hybridkit/ldapsync/statetest"
)

func TestState(t *testing.T) {
	statetest.Run(t, func(*testing.T) ldapsync.State { return memstate.New() }, nil)
}

func TestClone(t *testing.T) {
	ctx := t.Context()
	s := memstate.New()
	require.NoError(t, s.Commit(ctx, []ldapsync.StateOp{{Key: "k", Value: []byte("v")}}))
	c := s.Clone()
	require.NoError(t, c.Commit(ctx, []ldapsync.StateOp{{Key: "k", Delete: true}}))
	v, err := s.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(v))
	_, err = c.Get(ctx, "k")
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
	require.NoError(t, s.Close())
	_, err = s.Clone().Get(ctx, "k")
	require.Error(t, err)
	require.NotErrorIs(t, err, ldapsync.ErrNotFound)
}

func TestCancelledScan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := memstate.New()
	require.NoError(t, s.Commit(ctx, []ldapsync.StateOp{{Key: "a"}, {Key: "b"}}))
	var last error
	for _, err := range s.Scan(ctx, "") {
		cancel()
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	_, err := s.Get(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
}

func Example() {
	ctx := context.Background()
	var s memstate.State
	_ = s.Commit(ctx, []ldapsync.StateOp{{Key: "owner/1", Value: []byte("title")}, {Key: "owner/2", Value: []byte("mail")}})
	for r, err := range s.Scan(ctx, "owner/") {
		fmt.Println(r.Key, string(r.Value), err)
	}
	// Output:
	// owner/1 title <nil>
	// owner/2 mail <nil>
}
