// Command whynotjoined says where the hybrid join of one device has stopped. It takes whatever is at hand about the
// device (exports of directories, its registry, Group Policy, dsregcmd output, the Entra device, co-management,
// a SCEP profile), puts it in the order in which a hybrid join happens, and names the first link that does not hold.
//
//	whynotjoined demo
//	whynotjoined [-ad FILE.ldif -ou DN] [-registry FILE] [-copy FILE.ldif] [-entra FILE.json] [-dsreg FILE] …
//
// Exit status: 0 the device is joined, 1 it is not, 2 wrong use or unreadable input.
package main

import (
	"context"
	"os"
	"os/signal"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("whynotjoined")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
