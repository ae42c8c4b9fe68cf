// Command readiness says whether an organisation is ready to be onboarded. It reads one request file that names what
// there is to look at (answers, the directory, Group Policy, an NDES server, Intune profiles, co-management), makes every
// check of the operations guide and of the products, and puts the one thing to do next first.
//
//	readiness demo
//	readiness [-json] [-all] REQUEST.json|-
//	readiness request
//
// Exit status: 0 ready as far as could be looked at, 1 a check fails or warns, 2 wrong use or unreadable input.
package main

import (
	"context"
	"os"
	"os/signal"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("readiness")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
