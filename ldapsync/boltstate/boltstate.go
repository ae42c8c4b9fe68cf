// Package boltstate keeps an ldapsync.State in one file on disk, with no server: the embedded default of an
// engine. The file is a bbolt database (go.etcd.io/bbolt), safe against crashes: a commit is wholly there or not
// at all.
//
//	s, err := boltstate.Open("engine.state", boltstate.Options{})
//	if errors.Is(err, ldapsync.ErrStateInUse) { … }
//
// One process at a time may have a state open for writing; several may read it. The file holds values of
// attributes (the pre-images that Undo needs), so it is created for its owner alone, mode 0600. A file that is
// not a state, or a damaged one, is never written to: see FileError.
package boltstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"
	boltErrors "go.etcd.io/bbolt/errors"

	"go.internal/hybridkit/ldapsync"
)

// The limits of ldapsync.State.
const (
	maxKey   = 512
	maxValue = 16 << 20
)

// FormatVersion is the version of the layout of the file that this package writes, and the only one it reads.
const FormatVersion = "1"

var (
	metaBucket = []byte("hybridkit-ldapsync-meta")
	dataBucket = []byte("hybridkit-ldapsync-state")
	formatKey  = []byte("format")
)

// Options configure Open. The zero Options are useful.
type Options struct {
	// Timeout is how long Open waits for another process to let go of the file. Zero means two seconds;
	// negative waits for ever.
	Timeout time.Duration

	// ReadOnly opens an existing state for reading, beside other readers. Commit fails.
	ReadOnly bool
}

// A Problem says what is wrong with a file. The zero Problem is none.
type Problem string

// The problems.
const (
	NotAState    Problem = "is not a state file"            // some other file, or an empty one
	Damaged      Problem = "is damaged"                     // cut off or overwritten
	OtherVersion Problem = "was written by another version" // a layout that this package does not know
	NoAccess     Problem = "cannot be opened"               // missing folder, rights, not a regular file
	Missing      Problem = "does not exist"                 // with ReadOnly only
)

// A FileError says why a file cannot be used as a state. The file was not changed.
type FileError struct {
	Path    string
	Problem Problem
	Detail  string // what exactly, and what to do
	Err     error  // the cause, if there is one
}

// Error returns path, problem and what to do about it.
func (e *FileError) Error() string {
	text := fmt.Sprintf("boltstate: %s %s", e.Path, e.Problem)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += " (" + e.Err.Error() + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

var errClosed = errors.New("boltstate: the state is closed")

// A State is an open file. It is safe for concurrent use.
type State struct {
	path string
	db   *bolt.DB

	// mu orders commits and the steps of scans: a commit holds it, a scan holds it for reading while it
	// fetches the next records.
	mu     sync.RWMutex
	closed bool
	scans  map[*scan]struct{}

	looked atomic.Int64 // at so many places of the file since dropPages was last called
}

// The process may hold this much of the file before it lets go of it: only files larger than smallFile, and after
// so many looks that the system has mapped a few megabytes for them (it maps up to 64 KB at a time).
const (
	smallFile = 16 << 20
	manyLooks = 256
)

// look counts looks into the file and lets go of its pages now and then. s.mu is held for reading or writing.
func (s *State) look(n int) {
	if s.looked.Add(int64(n)) < manyLooks {
		return
	}
	s.looked.Store(0)
	_ = s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if tx.Size() > smallFile {
				dropPages(tx)
			}
			return nil
		})
	})
}

var _ ldapsync.State = (*State)(nil)

// Open opens the state at path, and creates it where there is none. The errors: one wrapping
// ldapsync.ErrStateInUse if another process has it open, or a *FileError.
func Open(path string, opts Options) (*State, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && opts.ReadOnly:
		return nil, &FileError{Path: path, Problem: Missing, Detail: "an engine creates it when it first runs"}
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, &FileError{Path: path, Problem: NoAccess, Err: err}
	case !info.Mode().IsRegular():
		return nil, &FileError{Path: path, Problem: NoAccess, Detail: "it is not a regular file"}
	}
	if err := inspect(path); err != nil {
		return nil, err
	}
	db, err := open(path, opts)
	if err != nil {
		return nil, err
	}
	s := &State{path: path, db: db, scans: map[*scan]struct{}{}}
	if err := s.guard(s.checkFormat); err != nil {
		_ = db.Close()
		return nil, err
	}
	return s, nil
}

// open opens a database that inspect found in order.
func open(path string, opts Options) (db *bolt.DB, err error) {
	timeout := opts.Timeout
	switch {
	case timeout == 0:
		timeout = 2 * time.Second
	case timeout < 0:
		timeout = 0 // bbolt's word for ever
	}
	var file *os.File
	defer func() {
		if err != nil && file != nil {
			unlock(file) // bbolt does both, unless it panicked
			_ = file.Close()
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer onPanic(path, &err)
	db, err = bolt.Open(path, 0o600, &bolt.Options{
		Timeout: timeout, ReadOnly: opts.ReadOnly, FreelistType: bolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			return file, err
		},
	})
	switch {
	case errors.Is(err, boltErrors.ErrTimeout):
		return nil, fmt.Errorf("boltstate: %s: %w: stop the other engine or wait for it to end, or use another state file", path, ldapsync.ErrStateInUse)
	case errors.Is(err, boltErrors.ErrInvalid), errors.Is(err, boltErrors.ErrChecksum), errors.Is(err, boltErrors.ErrVersionMismatch):
		return nil, damaged(path, err)
	case err != nil:
		return nil, &FileError{Path: path, Problem: NoAccess, Err: err}
	}
	return db, nil
}

func damaged(path string, err error) error {
	return &FileError{Path: path, Problem: Damaged, Err: err,
		Detail: "restore it from a backup, or move it away to begin with an empty state: that costs a full read and the ability to revert what was written so far"}
}

// create makes an empty state next to path and puts it in place in one step, so that a crash leaves no half-made
// file under the name.
func create(path string) error {
	fail := func(err error) error { return &FileError{Path: path, Problem: NoAccess, Err: err} }
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return fail(err)
	}
	tmp := f.Name()
	defer os.Remove(tmp)
	if err := f.Close(); err != nil {
		return fail(err)
	}
	db, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return fail(err)
	}
	err = errors.Join(db.Update(initialise), db.Close())
	if err != nil {
		return fail(err)
	}
	// A link does not replace what another process put there in the meantime.
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, statErr := os.Stat(path); statErr == nil {
			return nil
		}
		if err := os.Rename(tmp, path); err != nil { // a file system without links
			return fail(err)
		}
	}
	return nil
}

func initialise(tx *bolt.Tx) error {
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucket(dataBucket); err != nil {
		return err
	}
	return meta.Put(formatKey, []byte(FormatVersion))
}

func (s *State) checkFormat() error {
	return s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil || tx.Bucket(dataBucket) == nil {
			return &FileError{Path: s.path, Problem: NotAState, Detail: "it is a database of another program; choose another path"}
		}
		if v := meta.Get(formatKey); string(v) != FormatVersion {
			return &FileError{Path: s.path, Problem: OtherVersion,
				Detail: fmt.Sprintf("its format is %.20q, this program reads %q; use the program that wrote it, or move the file away to begin with an empty state", v, FormatVersion)}
		}
		return nil
	})
}

// onPanic turns what a damaged file makes bbolt do, including access beyond the end of the mapped file, into an
// error. It needs debug.SetPanicOnFault to be on.
func onPanic(path string, err *error) {
	if p := recover(); p != nil {
		cause, ok := p.(error)
		if !ok {
			cause = fmt.Errorf("%v", p)
		}
		*err = damaged(path, cause)
	}
}

// guard runs f with damage to the file turned into an error.
func (s *State) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer onPanic(s.path, &err)
	return f()
}

// Path returns the path the state was opened with.
func (s *State) Path() string { return s.path }

// Get returns a copy of the value, or an error wrapping ldapsync.ErrNotFound.
func (s *State) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("boltstate: get: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	var out []byte
	err := s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			v := tx.Bucket(dataBucket).Get([]byte(key))
			if v == nil {
				return fmt.Errorf("boltstate: %q: %w", key, ldapsync.ErrNotFound)
			}
			out = append([]byte{}, v...)
			return nil
		})
	})
	s.look(1)
	return out, err
}

// Commit applies the operations in order, all or none, and returns when they are on disk; see ldapsync.State.
// A context that is cancelled while Commit waits for another commit prevents it.
func (s *State) Commit(ctx context.Context, ops []ldapsync.StateOp) error {
	for _, op := range ops {
		switch {
		case op.Key == "" || len(op.Key) > maxKey || !utf8.ValidString(op.Key):
			return fmt.Errorf("boltstate: a key must be UTF-8 of 1 to %d bytes; this one has %d", maxKey, len(op.Key))
		case !op.Delete && len(op.Value) > maxValue:
			return fmt.Errorf("boltstate: %q: a value of %d bytes is longer than %d", op.Key, len(op.Value), maxValue)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errClosed
	case s.db.IsReadOnly():
		return fmt.Errorf("boltstate: %s is open for reading only", s.path)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("boltstate: commit: %w", err)
	}
	defer s.look(len(ops))
	return s.guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error { return s.apply(tx.Bucket(dataBucket), ops) })
	})
}

func (s *State) apply(b *bolt.Bucket, ops []ldapsync.StateOp) error {
	for _, op := range ops {
		if op.Expect == nil {
			continue
		}
		v := b.Get([]byte(op.Key))
		if (v != nil) != (*op.Expect != nil) || !bytes.Equal(v, *op.Expect) {
			return fmt.Errorf("boltstate: %q: %w", op.Key, ldapsync.ErrConflict)
		}
	}
	for _, op := range ops {
		key := []byte(op.Key)
		if len(s.scans) > 0 {
			old := b.Get(key)
			for sc := range s.scans {
				sc.remember(op.Key, old)
			}
		}
		var err error
		if op.Delete {
			err = b.Delete(key)
		} else {
			err = b.Put(key, op.Value)
		}
		if err != nil {
			return fmt.Errorf("boltstate: %q: %w", op.Key, err)
		}
	}
	return nil
}

// Close releases the file, after commits under way. Scans under way end with an error. Further calls fail; closing
// again does nothing.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.guard(s.db.Close)
}

// Scan iterates over the keys with the prefix, in order, as they are when the iteration begins. It holds no
// transaction while the caller looks at a record, so commits are possible, from the same goroutine too, and a
// slow caller keeps nothing from being reused in the file.
func (s *State) Scan(ctx context.Context, prefix string) iter.Seq2[ldapsync.Record, error] {
	return func(yield func(ldapsync.Record, error) bool) {
		sc := &scan{prefix: []byte(prefix)}
		s.mu.Lock()
		s.scans[sc] = struct{}{}
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			delete(s.scans, sc)
			s.mu.Unlock()
		}()
		for !sc.ended {
			err := ctx.Err()
			if err != nil {
				err = fmt.Errorf("boltstate: scan: %w", err)
			} else {
				err = s.fetch(sc)
			}
			if err != nil {
				yield(ldapsync.Record{}, err)
				return
			}
			for _, r := range sc.batch {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}
