// Command dsregcheck reads output of dsregcmd from files, folders or standard
// input and says how each device is joined and what is wrong.
//
//	dsregcheck [-json] [-expect FILE] [-tenant ID] [-want hybrid|entra|domain|registered] [-at RFC3339]
//	           [-redact] [-summary] [FILE|DIR|-]...
//
// On Windows without a file it runs dsregcmd /status itself. Exit status: 0
// without error findings, 1 with one, 2 if something could not be read.
package main

import (
	"context"
	"os"
	"os/signal"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("dsregcheck")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
