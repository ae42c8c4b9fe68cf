//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package boltstate

import (
	"os"
	"syscall"
)

// unlock releases the lock of a file that bbolt gave up on while it was mapped: closing it does not, because the
// mapping keeps the file open.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
