// Command estate sums up what was collected from many devices: dsregcmd output, registry exports,
// CoManagementHandler.log and pages of Graph, in a folder. It prints a summary, JSON, CSV, or one page of HTML that
// needs nothing else.
//
//	estate demo [-devices N] [-html FILE]
//	estate [-json] [-html FILE] [-csv FILE] [-tenant ID] [-want STATE] FOLDER...
//
// Files belong to the device they name. Where a file names none (a registry export, a log), it is the folder the file is
// in, or, directly in FOLDER, the file's name up to the first dot.
//
// Exit status: 0 no device has an error, 1 one has, 2 wrong use or something could not be read.
package main

import (
	"context"
	"os"
	"os/signal"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("estate")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
