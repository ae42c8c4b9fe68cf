package statetest

import (
	"context"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// RunFor is Run with another limit.
func (c Case) RunFor(ctx context.Context, s ldapsync.State, limit time.Duration) error {
	return c.runFor(ctx, s, limit)
}
