//go:build !graphreport

package main

import (
	"fmt"
	"os"
)

// Without the tag there is no report: the Graph SDK would cost every build of this module minutes and gigabytes.
func main() {
	fmt.Fprintln(os.Stderr, "graphreport is built with the whole Graph SDK, which takes minutes and 5 GiB of memory the first time:\n\n\tgo run -tags graphreport ./examples/graphreport demo")
	os.Exit(2)
}
