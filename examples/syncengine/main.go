// Syncengine synchronises users and devices from an organisation's Active Directory to a provisioning directory,
// to Microsoft Entra ID, or to both.
//
//	syncengine demo                              a whole cycle on two directories in this process
//	syncengine plan    -config FILE [-out PLAN]  what would change, and why
//	syncengine apply   -config FILE [-plan PLAN] do it
//	syncengine run     -config FILE              do it every interval until stopped
//	syncengine explain -config FILE DN|GUID      why one object is synchronised as it is, or not
//	syncengine undo    -config FILE PLAN-ID      take an applied plan back
//	syncengine status  -config FILE              what is known, and what can be undone
//
// Exit codes: 0 fine, 1 there is something to look at (changes in a plan, items that were refused or failed, a
// guard that blocked), 2 wrong use, wrong input, or a directory that could not be read; then nothing was written.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("syncengine")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
