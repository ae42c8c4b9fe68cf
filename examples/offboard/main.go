// Command offboard says how users, devices or a whole organisation leave the service: ordered steps with the exact
// commands, what to verify after each, and what the engine will revert. It changes nothing itself.
//
//	offboard demo
//	offboard plan [-json] [-engine PLAN.jsonl] [REQUEST.json|-]
//	offboard verify [-json] BEFORE.txt AFTER.txt
//
// Exit status: 0 fine, 1 verify: the device has not left, 2 wrong use or unreadable input.
package main

import (
	"context"
	"os"
	"os/signal"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("offboard")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
