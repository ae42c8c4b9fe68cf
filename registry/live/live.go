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
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regfile"
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

func refuse(d registry.Delta) error {
	for i, e := range d {
		why := ""
		switch e.Op {
		case registry.Note:
			continue
		case registry.Set, registry.SetIfAbsent, registry.DeleteValue, registry.ClearValues, registry.CreateKey:
		case registry.DeleteKey:
			if e.Path.Key == "" {
				why = "a root key cannot be deleted"
			}
		case registry.SecureKey:
			why = "permissions are not changed by this package"
		default:
			why = "unknown operation"
		}
		switch {
		case e.Path.Hive == 0:
			why = "no root key"
		case strings.Contains(e.Path.Key, "\x00") || strings.Contains(e.Name, "\x00"):
			why = "names with a NUL cannot be reached through the Win32 interface"
		}
		if why != "" {
			return fmt.Errorf("%w: change %d (%.200s): %s", ErrRefused, i+1, e.String(), why)
		}
	}
	return nil
}

// before reads what d touches: each key with its values, whole trees where keys are deleted, and which of the
// ancestors exist.
func before(ctx context.Context, s store, d registry.Delta) (*registry.Snapshot, error) {
	snap := new(registry.Snapshot)
	seen := map[registry.Path]bool{}
	for _, e := range d {
		if e.Op == registry.Note {
			continue
		}
		if e.Op == registry.DeleteKey {
			if err := refuseLinks(ctx, s, e.Path, 0); err != nil {
				return nil, err
			}
			if err := readTree(ctx, s, e.Path, snap, 0, false, nil); err != nil {
				return nil, err
			}
		}
		for p := e.Path; !seen[p.Fold()]; p = p.Parent() {
			seen[p.Fold()] = true
			// The values of ancestors are read too: it costs little, and Undo wants to know that the key exists.
			if _, _, err := readKey(ctx, s, p, snap); err != nil {
				return nil, err
			}
		}
	}
	return snap, nil
}

// refuseLinks fails if p or a key below it is a symbolic link: to delete it would mean to delete what it leads to.
func refuseLinks(ctx context.Context, s store, p registry.Path, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	is, err := s.link(p)
	if err == nil && is {
		return fmt.Errorf("%w: %s is a symbolic link, and what it leads to would be deleted", ErrRefused, p.Short())
	}
	_, subs, ok, err2 := s.key(p)
	if err = errors.Join(err, err2); err != nil || !ok || depth > registry.MaxDepth {
		return err
	}
	for _, name := range subs {
		if err := refuseLinks(ctx, s, p.Join(name), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, s store, d registry.Delta, opts Options) (registry.Delta, error) {
	if err := refuse(d); err != nil {
		return nil, err
	}
	was, err := before(ctx, s, d)
	if err != nil {
		return nil, err
	}
	undo, err := d.Undo(was)
	if err != nil {
		return nil, err
	}
	if opts.Rollback != nil {
		if err := regfile.Encode(opts.Rollback, slices.Values(undo)); err != nil {
			return undo, fmt.Errorf("live: writing the rollback file: %w", err)
		}
		if f, ok := opts.Rollback.(interface{ Sync() error }); ok {
			if err := f.Sync(); err != nil {
				return undo, fmt.Errorf("live: writing the rollback file: %w", err)
			}
		}
	}
	failed := func(i int, e registry.Entry, err error) error {
		// What was done is taken back even if ctx is what ended the work.
		return &ApplyError{Change: i, Entry: e, Err: err, Rollback: takeBack(context.WithoutCancel(ctx), s, d, min(i+1, len(d)), was)}
	}
	for i, e := range d {
		err := ctx.Err()
		if err == nil {
			err = step(s, e)
		}
		if err != nil {
			return undo, failed(i, e, err)
		}
	}
	if err := verify(s, was, d); err != nil {
		return undo, failed(len(d), registry.Entry{}, err)
	}
	return undo, nil
}

// takeBack undoes the first n changes of d, of which the last may have been made in part or not at all, and looks
// whether the registry is then as it was. That alone decides: undoing what was never done may fail without harm.
func takeBack(ctx context.Context, s store, d registry.Delta, n int, was *registry.Snapshot) error {
	undo, err := d[:n].Undo(was)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range undo {
		errs = append(errs, step(s, e))
	}
	now, err := before(ctx, s, d)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	left := append(registry.Diff(now, was), registry.Diff(was, now)...)
	if len(left) == 0 {
		return nil
	}
	for _, e := range left[:min(len(left), 20)] {
		errs = append(errs, fmt.Errorf("live: still to be taken back: %.200s", e.String()))
	}
	return errors.Join(errs...)
}

func step(s store, e registry.Entry) error {
	switch e.Op {
	case registry.Set:
		if err := s.create(e.Path); err != nil {
			return err
		}
		return s.set(e.Path, e.Name, e.Value)
	case registry.SetIfAbsent:
		values, _, _, err := s.key(e.Path)
		if err != nil || slices.ContainsFunc(values, func(it registry.Item) bool { return registry.EqualFold(it.Name, e.Name) }) {
			return err
		}
		return step(s, registry.Entry{Op: registry.Set, Path: e.Path, Name: e.Name, Value: e.Value})
	case registry.DeleteValue:
		return s.deleteValue(e.Path, e.Name)
	case registry.ClearValues:
		values, _, _, err := s.key(e.Path)
		for _, it := range values {
			if err == nil {
				err = s.deleteValue(e.Path, it.Name)
			}
		}
		return err
	case registry.CreateKey:
		return s.create(e.Path)
	case registry.DeleteKey:
		return deleteTree(s, e.Path, 0)
	}
	return nil
}

func deleteTree(s store, p registry.Path, depth int) error {
	_, subs, ok, err := s.key(p)
	if err != nil || !ok {
		return err
	}
	if depth > registry.MaxDepth {
		return &KeyError{Op: "delete key", Path: p, Err: registry.ErrDepth}
	}
	for _, name := range subs {
		if err := deleteTree(s, p.Join(name), depth+1); err != nil {
			return err
		}
	}
	return s.deleteKey(p)
}

// verify reads the keys that d touched once more: a change that Windows accepted but that is not there, because it
// was redirected or because another program interfered, is a failure.
func verify(s store, was *registry.Snapshot, d registry.Delta) error {
	want := was.Clone()
	if err := d.Apply(want, ""); err != nil {
		return err
	}
	done := map[registry.Path]bool{}
	for _, e := range d {
		p := e.Path
		if e.Op == registry.Note || done[p.Fold()] {
			continue
		}
		done[p.Fold()] = true
		values, _, ok, err := s.key(p)
		if err != nil {
			return err
		}
		if ok != want.HasKey(p) {
			return &KeyError{Op: "read", Path: p, Err: fmt.Errorf("after the change the key exists: %t", ok)}
		}
		for _, e := range d {
			if !e.Path.Equal(p) || e.Op != registry.Set && e.Op != registry.SetIfAbsent && e.Op != registry.DeleteValue {
				continue
			}
			it, there := want.Get(p, e.Name)
			i := slices.IndexFunc(values, func(it registry.Item) bool { return registry.EqualFold(it.Name, e.Name) })
			if there != (i >= 0) || there && !values[i].Value.Equal(it.Value) {
				return &KeyError{Op: "read", Path: p, Name: e.Name, Err: fmt.Errorf("value %q did not keep the change", e.Name)}
			}
		}
	}
	return nil
}
