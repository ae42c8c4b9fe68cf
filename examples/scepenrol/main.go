// Scepenrol enrols and renews certificates over SCEP (RFC 8894), and examines SCEP servers and Intune profiles.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("scepenrol")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
