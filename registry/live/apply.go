package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regfile"
)

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
