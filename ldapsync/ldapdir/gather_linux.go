package ldapdir

import (
	"syscall"
	"time"
)

// rest holds the thread. With time.Sleep the runtime would wait for the network meanwhile, and be woken up for every
// piece that comes.
func rest(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // cut short by a signal: less has gathered
}
