package boltstate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The head of a bbolt file: two pages, each a 16-byte page header and a record of magic, version, page size, and
// so on to the checksum (FNV-1a 64) of what precedes it. bbolt maps the file and trusts it, so what it would
// fault on is looked at here before.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSize    = 64
	pageHeader  = 16
	maxPageSize = 64 << 10
)

type boltMeta struct {
	pageSize uint32
	pages    uint64 // number of pages the file must have
	txid     uint64
}

func parseMeta(b []byte) (m boltMeta, ok bool) {
	if len(b) < pageHeader+metaSize {
		return m, false
	}
	b = b[pageHeader : pageHeader+metaSize]
	order := binary.NativeEndian
	if order.Uint32(b) != boltMagic || order.Uint32(b[4:]) != boltVersion {
		return m, false
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	m = boltMeta{pageSize: order.Uint32(b[8:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:])}
	return m, sum.Sum64() == order.Uint64(b[56:])
}

// inspect tells a damaged or foreign file from one that bbolt may map. It needs no lock: of the two heads at
// most one is being written at any time, and the file grows before a head says so.
func inspect(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return &FileError{Path: path, Problem: NoAccess, Err: err}
	}
	defer f.Close()
	head := make([]byte, maxPageSize+pageHeader+metaSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return &FileError{Path: path, Problem: NoAccess, Err: err}
	}
	head = head[:n]
	if n == 0 {
		return &FileError{Path: path, Problem: NotAState, Detail: "it is empty; delete it to begin with an empty state, or restore it from a backup"}
	}
	best, found := parseMeta(head)
	for size := 512; size <= maxPageSize && size < n; size *= 2 {
		if m, ok := parseMeta(head[size:]); ok && int(m.pageSize) == size && (!found || m.txid > best.txid) {
			best, found = m, true
		}
	}
	if !found {
		if n >= pageHeader+4 && binary.NativeEndian.Uint32(head[pageHeader:]) == boltMagic {
			return damaged(path, errors.New("neither of its two headers is valid"))
		}
		return &FileError{Path: path, Problem: NotAState, Detail: "choose another path"}
	}
	info, err := f.Stat()
	if err != nil {
		return &FileError{Path: path, Problem: NoAccess, Err: err}
	}
	if best.pages > 1<<40 || uint64(info.Size()) < best.pages*uint64(best.pageSize) {
		return damaged(path, fmt.Errorf("it has %d bytes of %d", info.Size(), best.pages*uint64(best.pageSize)))
	}
	return nil
}

// Verify reads every page of the file and reports damage as a *FileError. It takes about a second for each
// 100 MB, during which commits wait.
func (s *State) Verify(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	return s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if err := tx.Bucket(dataBucket).ForEach(func(k, v []byte) error {
				return ctx.Err()
			}); err != nil {
				return fmt.Errorf("boltstate: verify: %w", err)
			}
			var first error
			for err := range tx.Check() {
				if first == nil {
					first = err
				}
			}
			if first != nil {
				return damaged(s.path, first)
			}
			return nil
		})
	})
}

// Compact rewrites the closed state at path without the space that deleted and replaced records left. A crash
// leaves the old file. The errors are those of Open.
func Compact(path string, opts Options) (before, after int64, err error) {
	opts.ReadOnly = false
	if _, err := os.Stat(path); err != nil { // Open would create one
		return 0, 0, &FileError{Path: path, Problem: Missing, Err: err}
	}
	s, err := Open(path, opts)
	if err != nil {
		return 0, 0, err
	}
	defer s.Close() // holds the lock on the old file until the new one is in place
	fail := func(err error) (int64, int64, error) {
		if fe, ok := errors.AsType[*FileError](err); ok {
			return 0, 0, fe
		}
		return 0, 0, &FileError{Path: path, Problem: NoAccess, Err: err}
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".compact-*")
	if err != nil {
		return fail(err)
	}
	tmp := f.Name()
	defer os.Remove(tmp)
	if err := f.Close(); err != nil {
		return fail(err)
	}
	dst, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return fail(err)
	}
	err = s.guard(func() error { return bolt.Compact(dst, s.db, 1<<20) })
	if err := errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return fail(err)
	}
	small, err := os.Stat(tmp)
	if err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fail(err)
	}
	return info.Size(), small.Size(), nil
}
