//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package boltstate

import "os"

// unlock does nothing: here a lock that bbolt left on a damaged file ends with the process.
func unlock(*os.File) {}
