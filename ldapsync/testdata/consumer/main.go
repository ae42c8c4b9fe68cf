// Consumer is what another team writes: it imports two of the packages and must not pay for the others.
package main

import (
	"fmt"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/ldapsync"
)

func main() {
	var status *dsreg.Status
	fmt.Println(ldapsync.DefaultCarriers().SID, status == nil)
}
