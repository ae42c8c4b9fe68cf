//go:build !unix

package entra_test

import "time"

// cpuTime is not measured here.
func cpuTime() time.Duration { return 0 }
