package renew

import (
	"context"
	"os"
	"time"
)

// lock waits for the lock file at path. The file stays when the lock is released: removing it would let a
// third process lock a new file while a second still waits for the old one.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		ok, err := tryLock(f)
		if err == nil && ok {
			return func() { f.Close() }, nil
		}
		if err == nil {
			t := time.NewTimer(50 * time.Millisecond)
			select {
			case <-t.C:
				continue
			case <-ctx.Done():
				t.Stop()
				err = ctx.Err()
			}
		}
		f.Close()
		return nil, err
	}
}
