package hazardtest

import (
	"context"
	"errors"
	"iter"
	"sync"

	"go.internal/hybridkit/ldapsync"
)

var errKilled = errors.New("hazardtest: the program was killed")

// A tap stands between the engine and everything it talks to, counts the calls, and can stop the program at any of
// them: before the call is made, or after it was carried out and before the engine knows.
type tap struct {
	mu    sync.Mutex
	calls int
	stop  int  // the number of the call to stop at; 0 for none
	after bool // stop after it instead of before
	dead  bool
	write func(ldapsync.Change) error // called before each write
	save  func() error                // called before each commit
}

func (t *tap) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls, t.stop, t.dead, t.write, t.save = 0, 0, false, nil, nil
}

// arm stops the program at a call from now on.
func (t *tap) arm(n int, after bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls, t.stop, t.after, t.dead = 0, n, after, false
}

// die stops the program here.
func (t *tap) die() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dead = true
}

// enter is called before a call; leave after it was carried out.
func (t *tap) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead {
		return errKilled
	}
	if t.calls++; t.calls == t.stop && !t.after {
		t.dead = true
		return errKilled
	}
	return nil
}

func (t *tap) leave() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead || t.after && t.stop > 0 && t.calls >= t.stop {
		t.dead = true
		return errKilled
	}
	return nil
}

// do runs a call. What it returned is lost where the program stops after it.
func do[T any](t *tap, f func() (T, error)) (T, error) {
	var zero T
	if err := t.enter(); err != nil {
		return zero, err
	}
	v, err := f()
	if dead := t.leave(); dead != nil {
		return zero, dead
	}
	return v, err
}

func (t *tap) stream(seq iter.Seq2[ldapsync.Object, error]) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		if err := t.enter(); err != nil {
			yield(ldapsync.Object{}, err)
			return
		}
		n := 0
		for o, err := range seq {
			if n++; err == nil && n == people/2 { // the middle of a stream is a place of its own
				err = t.enter()
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
		if err := t.leave(); err != nil {
			yield(ldapsync.Object{}, err)
		}
	}
}

type tapSource struct {
	t *tap
	s ldapsync.Source
}

// A tapVerifier is a tapSource that can verify absence, because its source can.
type tapVerifier struct {
	tapSource
	v ldapsync.AbsenceVerifier
}

func (t *tap) source(s ldapsync.Source) ldapsync.Source {
	if v, ok := s.(ldapsync.AbsenceVerifier); ok {
		return tapVerifier{tapSource{t, s}, v}
	}
	return tapSource{t, s}
}

func (s tapSource) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	return do(s.t, func() (ldapsync.DirectoryInfo, error) { return s.s.Info(ctx) })
}
func (s tapSource) Container(ctx context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error) {
	return do(s.t, func() (ldapsync.Container, error) { return s.s.Container(ctx, ref) })
}
func (s tapSource) ChildContainers(ctx context.Context, c ldapsync.Container) ([]ldapsync.Container, error) {
	return do(s.t, func() ([]ldapsync.Container, error) { return s.s.ChildContainers(ctx, c) })
}
func (s tapSource) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return s.t.stream(s.s.Read(ctx, q))
}
func (s tapSource) Locate(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	return do(s.t, func() (ldapsync.Object, error) { return s.s.Locate(ctx, id, attrs) })
}
func (s tapVerifier) VerifyAbsent(ctx context.Context, id ldapsync.GUID, attrs []string) ([]ldapsync.Presence, error) {
	return do(s.t, func() ([]ldapsync.Presence, error) { return s.v.VerifyAbsent(ctx, id, attrs) })
}
func (s tapVerifier) VerifyListing(ctx context.Context, c ldapsync.Container) (ldapsync.Presence, error) {
	return do(s.t, func() (ldapsync.Presence, error) { return s.v.VerifyListing(ctx, c) })
}

type tapTarget struct {
	t *tap
	ldapsync.Target
}

func (t *tap) target(d ldapsync.Target) ldapsync.Target { return tapTarget{t, d} }

func (d tapTarget) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	return do(d.t, func() (ldapsync.DirectoryInfo, error) { return d.Target.Info(ctx) })
}
func (d tapTarget) Container(ctx context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error) {
	return do(d.t, func() (ldapsync.Container, error) { return d.Target.Container(ctx, ref) })
}
func (d tapTarget) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return d.t.stream(d.Target.Read(ctx, q))
}
func (d tapTarget) Get(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	return do(d.t, func() (ldapsync.Object, error) { return d.Target.Get(ctx, id, attrs) })
}
func (d tapTarget) Write(ctx context.Context, c ldapsync.Change) (ldapsync.GUID, error) {
	return do(d.t, func() (ldapsync.GUID, error) {
		if d.t.write != nil {
			if err := d.t.write(c); err != nil {
				return ldapsync.GUID{}, err
			}
		}
		return d.Target.Write(ctx, c)
	})
}

type tapState struct {
	t *tap
	ldapsync.State
}

func (t *tap) state(s ldapsync.State) ldapsync.State { return tapState{t, s} }

func (s tapState) Get(ctx context.Context, key string) ([]byte, error) {
	return do(s.t, func() ([]byte, error) { return s.State.Get(ctx, key) })
}
func (s tapState) Commit(ctx context.Context, ops []ldapsync.StateOp) error {
	_, err := do(s.t, func() (struct{}, error) {
		if s.t.save != nil {
			if err := s.t.save(); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, s.State.Commit(ctx, ops)
	})
	return err
}
