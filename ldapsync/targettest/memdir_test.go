package targettest_test

import (
	"context"
	"testing"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/targettest"
)

// world is the back door of memdir as a targettest.World. An implementation of one's own needs something like
// this for its directory.
type world struct{ *memdir.Dir }

func (w world) AddOU(_ context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error) {
	return w.Dir.AddOU(parent.Child("OU", name).String())
}
func (w world) Add(_ context.Context, o ldapsync.Object) (ldapsync.GUID, error) { return w.Dir.Add(o) }
func (w world) Set(_ context.Context, id ldapsync.GUID, attr string, values ...string) error {
	return w.Dir.Set(id, attr, values...)
}
func (w world) Move(_ context.Context, id ldapsync.GUID, parent ldapsync.DN) error {
	return w.Dir.Move(id, parent)
}
func (w world) Rename(_ context.Context, id ldapsync.GUID, name string) error {
	return w.Dir.Rename(id, name)
}
func (w world) Delete(_ context.Context, id ldapsync.GUID) error { return w.Dir.Delete(id) }
func (w world) Get(_ context.Context, id ldapsync.GUID) (ldapsync.Object, error) {
	if o, ok := w.Object(id); ok {
		return o, nil
	}
	return ldapsync.Object{}, ldapsync.ErrNotFound
}
func (w world) List(_ context.Context, parent ldapsync.DN) ([]ldapsync.Object, error) {
	var out []ldapsync.Object
	for _, o := range w.Objects() {
		if o.DN.IsChildOf(parent) {
			out = append(out, o)
		}
	}
	return out, nil
}

// fixture describes a memdir; wrap puts something between the suite and it.
func fixture(wrap func(*memdir.Dir) (ldapsync.Source, ldapsync.Target)) (*targettest.Fixture, error) {
	d := memdir.New(memdir.Config{})
	base, err := d.AddOU("OU=Suite,DC=ashdown,DC=example")
	if err != nil {
		return nil, err
	}
	f := &targettest.Fixture{
		Source: d, Target: d, World: world{d}, Base: base,
		Required: func(_ ldapsync.Class, name string) []ldapsync.Attr {
			return []ldapsync.Attr{ldapsync.Values("sn", name)}
		},
		Faults: targettest.Faults{
			BreakRead:  func(n int) { d.SetHook(memdir.PartialRead(n)) },
			Busy:       func() { d.SetHook(memdir.Busy(memdir.OpWrite, 1)) },
			LoseAnswer: func(written bool) { d.SetHook(memdir.LoseAnswers(1, written)) },
			DenyRead: func(_ context.Context, id ldapsync.GUID, attr string) error {
				return d.DenyRead(id, attr)
			},
			DenyList:  func(_ context.Context, c ldapsync.Container) error { return d.DenyList(c.ID, true) },
			DenyWrite: func(_ context.Context, id ldapsync.GUID) error { return d.DenyWrite(id, true) },
		},
	}
	if wrap != nil {
		f.Source, f.Target = wrap(d)
	}
	return f, nil
}

func newFixture(t *testing.T) *targettest.Fixture {
	f, err := fixture(nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMemdirIsATarget(t *testing.T) { targettest.Run(t, newFixture, nil) }
func TestMemdirIsASource(t *testing.T) { targettest.RunSource(t, newFixture, nil) }
