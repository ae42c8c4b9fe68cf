// Package live reads and changes the registry of the Windows it runs on. On other systems it builds, and every
// function returns an *UnsupportedError.
//
//	snapshot, err := live.Read(ctx, []registry.Path{registry.HKLM(`SOFTWARE\Microsoft\Cryptography\MSCEP`)}, live.Options{})
//	undo, err := live.Apply(ctx, delta, live.Options{Rollback: file})
//
// Apply is a transaction by compensation: it first reads everything a Delta touches, writes what takes it back as
// a .reg file, makes the changes, reads them back, and if anything fails on the way takes back what was done. It
// is not isolated: other programs see the steps and may interfere. The kernel's own transactions (KTM) are not used;
// Microsoft advises against new use of them.
//
// Names and data go through unchanged, including names that are no valid UTF-16 and data that does not fit its
// type. Security descriptors are neither read nor changed: a Delta with a SecureKey is refused, and a key that is
// deleted and restored gets the permissions it inherits.
package live

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.internal/hybridkit/registry"
)

// Options say how Read and Apply work. The zero Options are ready for use.
type Options struct {
	// View is the registry of 64-bit (the zero View) or 32-bit programs, whatever kind of program this one is.
	View registry.View
	// Rollback receives, before anything is changed, a .reg file (version 5) that takes the changes back. If it has
	// a method Sync() error, as *os.File has, that is called too. With nil, undo is only returned. (What the file
	// cannot say exactly: reg import adds the NUL that a string lacks.)
	Rollback io.Writer
	// Tolerant makes Read go on where a key cannot be read, most often for lack of permission; the errors are
	// joined in Read's error beside the Snapshot.
	Tolerant bool
}

// An UnsupportedError is returned by every function on systems that have no registry. It wraps
// errors.ErrUnsupported.
type UnsupportedError struct{ GOOS string }

// Error names the system.
func (e *UnsupportedError) Error() string { return "live: " + e.GOOS + " has no registry" }

// Unwrap returns errors.ErrUnsupported.
func (e *UnsupportedError) Unwrap() error { return errors.ErrUnsupported }

// A KeyError is a failure of Windows at one key or value.
type KeyError struct {
	Op   string // "open", "read", "create", "set", "delete value", "delete key"
	Path registry.Path
	Name string // of the value, for "set" and "delete value"
	Err  error  // a syscall.Errno
}

// Error says what could not be done where.
func (e *KeyError) Error() string {
	at := e.Path.Short()
	if e.Op == "set" || e.Op == "delete value" {
		at += " " + registry.ValueName(e.Name)
	}
	return fmt.Sprintf("live: %s %.300s: %v", e.Op, at, e.Err)
}

// Unwrap returns e.Err.
func (e *KeyError) Unwrap() error { return e.Err }

// An ApplyError says at which change Apply failed and whether the changes before it were taken back.
type ApplyError struct {
	Change   int            // index into the Delta; its length if all changes were made but did not last
	Entry    registry.Entry // the change, zero if none
	Err      error          // why it failed
	Rollback error          // nil: the registry is as it was before
}

// Error says both.
func (e *ApplyError) Error() string {
	s := fmt.Sprintf("change %d failed: %v", e.Change+1, e.Err)
	if e.Entry.Op == 0 {
		s = e.Err.Error()
	}
	if e.Rollback != nil {
		return s + "; and the changes before it could not be taken back: " + e.Rollback.Error()
	}
	return s + "; all changes were taken back"
}

// Unwrap returns both errors.
func (e *ApplyError) Unwrap() []error {
	if e.Rollback != nil {
		return []error{e.Err, e.Rollback}
	}
	return []error{e.Err}
}

// ErrRefused is wrapped by the error of Apply for a Delta that it does not even try.
var ErrRefused = errors.New("live: change refused")

// Read reads the given keys with everything below them. Keys that do not exist are simply not in the Snapshot.
// Symbolic links, CurrentControlSet among them, are followed as Windows does it, but one below a key that is read
// is read as another copy of its target; links that form a cycle end at the 512 levels Windows allows.
func Read(ctx context.Context, keys []registry.Path, opts Options) (*registry.Snapshot, error) {
	s, err := open(opts.View)
	if err != nil {
		return nil, err
	}
	return read(ctx, s, keys, opts)
}

// Apply makes the changes of d in order, all or none of them. It returns what takes them back, also together with
// an error if it got that far. Notes are skipped. The error is a *KeyError or from ctx if nothing was changed yet, an
// *ApplyError after that; cancelling ctx half-way takes back what was done. A Delta with a SecureKey, without
// known roots, with a NUL in a name, or that deletes a root key is refused with an error wrapping ErrRefused.
func Apply(ctx context.Context, d registry.Delta, opts Options) (undo registry.Delta, err error) {
	s, err := open(opts.View)
	if err != nil {
		return nil, err
	}
	return apply(ctx, s, d, opts)
}

// A store is the registry as the code below needs it. Errors are *KeyError.
type store interface {
	// key returns the values and the names of the sub keys of p; ok is false if p does not exist.
	key(p registry.Path) (values []registry.Item, subs []string, ok bool, err error)
	link(p registry.Path) (bool, error) // whether p is a symbolic link to another key
	create(p registry.Path) error
	set(p registry.Path, name string, v registry.Value) error
	deleteValue(p registry.Path, name string) error // nil if it is not there
	deleteKey(p registry.Path) error                // without sub keys; nil if it is not there
}

const origin = "live registry"

func read(ctx context.Context, s store, keys []registry.Path, opts Options) (*registry.Snapshot, error) {
	snap := new(registry.Snapshot)
	var errs []error
	for _, p := range keys {
		if p.Hive == 0 {
			return nil, fmt.Errorf("live: no root key in %q", p.Key)
		}
		if err := readTree(ctx, s, p, snap, 0, opts.Tolerant, &errs); err != nil {
			return snap, err
		}
	}
	return snap, errors.Join(errs...)
}

// readTree copies p and everything below it to snap.
func readTree(ctx context.Context, s store, p registry.Path, snap *registry.Snapshot, depth int, tolerant bool, errs *[]error) error {
	subs, ok, err := readKey(ctx, s, p, snap)
	if err != nil && tolerant && ctx.Err() == nil {
		if len(*errs) < 1000 {
			*errs = append(*errs, err)
		}
		return nil
	}
	if err != nil || !ok || depth >= registry.MaxDepth {
		return err
	}
	for _, name := range subs {
		if err := readTree(ctx, s, p.Join(name), snap, depth+1, tolerant, errs); err != nil {
			return err
		}
	}
	return nil
}

// readKey copies p alone to snap.
func readKey(ctx context.Context, s store, p registry.Path, snap *registry.Snapshot) (subs []string, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	values, subs, ok, err := s.key(p)
	if err != nil || !ok {
		return nil, false, err
	}
	if err := snap.Apply(registry.Entry{Op: registry.CreateKey, Path: p}, origin); err != nil {
		return nil, false, err
	}
	for _, it := range values {
		it.Path, it.Origin = p, registry.Origin{Source: origin}
		if err := snap.Put(it); err != nil {
			return nil, false, err
		}
	}
	return subs, true, nil
}
