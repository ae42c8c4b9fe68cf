//go:build graphreport

package main

import (
	"context"
	"os"
	"os/signal"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("graphreport")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
