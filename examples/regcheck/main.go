// Regcheck says whether the registry values that hybrid join and NDES need are set, where from and what breaks, on any
// system and from any file they travel in.
//
//	regcheck check -schema cdj|ndes|…|FILE [-param k=v]… [FILE…]   what differs from a schema, why it matters, how to mend it
//	regcheck dump FILE                                             every value, whatever the format
//	regcheck diff A B                                              what turns A into B
//	regcheck convert -to FORMAT [FILE]                             between any two formats
//	regcheck emit -schema … -as reg|pol|gpp|powershell|gpo|…       what to deploy, or to off-board with -remove
//	regcheck effective -sysvol DIR -links FILE -ou DN              which Group Policy wins, and why
//	regcheck script -schema …                                      a PowerShell script that collects the values
//	regcheck schemas                                               the schemas and their parameters
//
// FILE may be "-" for standard input. The format is detected: .reg, Registry.pol, Registry.xml, GptTmpl.inf, reg query
// output, JSON, an offline hive, or applicationHost.config. On Windows, check without a file reads the live registry.
//
// Exit status: 0 no drift, 1 drift or difference, 2 wrong use or input that could not be read.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.internal/hybridkit/examples/internal/version"
)

func main() {
	version.Main("regcheck")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
