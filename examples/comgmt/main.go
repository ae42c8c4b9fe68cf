// Command comgmt explains co-management: what a capabilities value means, who manages which workload on which device and
// why, what a change of plan does, and what logs, Graph documents, error codes and client installation lines say.
//
// It reads files and DNS only; it talks to no site and to no tenant. Run it with -h for its sub-commands. Exit codes:
// 0 fine, 1 something was found (a change, a problem, an unknown error code, a check without an answer), 2 wrong usage
// or unusable input.
package main

import (
	"context"
	"os"
	"os/signal"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("comgmt")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
