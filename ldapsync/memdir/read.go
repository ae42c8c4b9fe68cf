package memdir

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapfilter"
)

// begin is what every call does first.
func (d *Dir) begin(ctx context.Context, e Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memdir: %s: %w", e.Op, err)
	}
	return d.event(e)
}

// Info returns Config.Info with the time of the clock and the number of changes.
func (d *Dir) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	if err := d.begin(ctx, Event{Op: OpInfo}); err != nil {
		return ldapsync.DirectoryInfo{}, err
	}
	info := d.cfg.Info
	d.mu.RLock()
	info.HighestUSN = d.usn
	d.mu.RUnlock()
	if d.cfg.Clock != nil {
		info.Time = d.cfg.Clock()
	}
	return info, d.event(Event{Op: OpInfo, Done: true})
}

// place finds a container. The zero reference is the root, which is the zero Container.
func (d *Dir) place(id ldapsync.GUID, dn ldapsync.DN) (*node, error) {
	if id.IsZero() && dn.IsRoot() {
		return d.root, nil
	}
	n := d.byID[id]
	if id.IsZero() {
		n = d.byKey[dn.Key()]
	}
	if n == nil || n.hidden || !n.isPlace {
		what := dn.String()
		if !id.IsZero() {
			what = "<GUID=" + id.String() + ">"
		}
		return nil, fmt.Errorf("memdir: container %s: %w", what, ldapsync.ErrNotFound)
	}
	return n, nil
}

// Container finds an organisational unit, a container or a domain. The zero reference is the whole directory.
func (d *Dir) Container(ctx context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error) {
	if err := d.begin(ctx, Event{Op: OpContainer, ID: ref.ID}); err != nil {
		return ldapsync.Container{}, err
	}
	var dn ldapsync.DN
	if ref.ID.IsZero() {
		var err error
		if dn, err = ldapsync.ParseDN(ref.DN); err != nil {
			return ldapsync.Container{}, err
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, err := d.place(ref.ID, dn)
	if err != nil {
		return ldapsync.Container{}, err
	}
	return ldapsync.Container{ID: n.state.obj.ID, DN: n.state.obj.DN}, d.event(Event{Op: OpContainer, ID: n.state.obj.ID, Done: true})
}

// ChildContainers lists the organisational units directly below c, by name. The order is part of no contract.
func (d *Dir) ChildContainers(ctx context.Context, c ldapsync.Container) ([]ldapsync.Container, error) {
	if err := d.begin(ctx, Event{Op: OpContainers, ID: c.ID}); err != nil {
		return nil, err
	}
	d.mu.Lock() // kids may sort
	n, err := d.place(c.ID, c.DN)
	var out []ldapsync.Container
	if err == nil && !n.denyList {
		for _, k := range n.kids() {
			if k.isOU && !k.hidden {
				out = append(out, ldapsync.Container{ID: k.state.obj.ID, DN: k.state.obj.DN})
			}
		}
	}
	d.mu.Unlock()
	if err == nil {
		err = d.event(Event{Op: OpContainers, ID: c.ID, Done: true})
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// collect lists what a read of n looks at, as it is now.
func (n *node) collect(subtree bool, out []*state) []*state {
	if n.denyList {
		return out
	}
	for _, k := range n.kids() {
		if !k.hidden {
			out = append(out, k.state)
		}
		if subtree {
			out = k.collect(true, out)
		}
	}
	return out
}

// Read streams the objects the query selects, as they were when the iteration began, ordered by name. A zero
// Class selects entries of every kind. The zero Container is the whole directory, for which Subtree is implied.
func (d *Dir) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		d.counts.reads.Add(1)
		fail := func(err error) { yield(ldapsync.Object{}, err) }
		if err := ctx.Err(); err != nil {
			fail(fmt.Errorf("memdir: read: %w", err))
			return
		}
		filter, err := ldapfilter.Parse(q.Filter)
		if err != nil {
			fail(err)
			return
		}
		d.mu.Lock() // kids may sort
		n, err := d.place(q.Container.ID, q.Container.DN)
		var all []*state
		if err == nil {
			all = n.collect(q.Subtree || n == d.root, make([]*state, 0, len(n.children)))
		}
		denied := d.denied
		d.mu.Unlock()
		if err != nil {
			fail(err)
			return
		}
		sent := 0
		for _, s := range all {
			if q.Class != 0 && s.obj.Class != q.Class {
				continue
			}
			if !filter.IsZero() && filter.Match(s.visible(denied)) != ldapfilter.True {
				continue
			}
			if err := ctx.Err(); err != nil {
				fail(fmt.Errorf("memdir: read: %w: %w", ldapsync.ErrPartial, err))
				return
			}
			if err := d.event(Event{Op: OpRead, ID: q.Container.ID, N: sent}); err != nil {
				fail(err)
				return
			}
			d.counts.objects.Add(1)
			if !yield(s.project(denied, q.Attrs), nil) {
				return
			}
			sent++
		}
		if err := d.event(Event{Op: OpRead, ID: q.Container.ID, N: sent, Done: true}); err != nil {
			fail(err)
		}
	}
}

func (s *state) isDenied(denied []string, attr string) bool {
	if len(denied) == 0 && len(s.denied) == 0 {
		return false
	}
	attr = strings.ToLower(attr)
	return slices.Contains(denied, attr) || slices.Contains(s.denied, attr)
}

// visible is what a filter may look at: a test on an attribute that may not be read is Undefined.
func (s *state) visible(denied []string) ldapsync.Object {
	o := s.obj
	for _, list := range [][]string{denied, s.denied} {
		for _, a := range list {
			o = o.WithUnreadable(a)
		}
	}
	return o
}

// project selects attributes. Values are shared, not copied.
func (s *state) project(denied, attrs []string) ldapsync.Object {
	special := len(denied) > 0 || len(s.denied) > 0
	for _, a := range attrs {
		special = special || strings.EqualFold(a, "objectGUID") || strings.EqualFold(a, "distinguishedName")
	}
	if !special {
		return s.obj.Select(attrs...)
	}
	list := make([]ldapsync.Attr, 0, len(attrs))
	for _, name := range attrs {
		switch {
		case s.isDenied(denied, name):
		case strings.EqualFold(name, "objectGUID"):
			list = append(list, ldapsync.Values("objectGUID", s.obj.ID.Raw()))
		case strings.EqualFold(name, "distinguishedName"):
			list = append(list, ldapsync.Values("distinguishedName", s.obj.DN.String()))
		default:
			list = append(list, s.obj.Attr(name))
		}
	}
	return ldapsync.NewObject(s.obj.ID, s.obj.DN, s.obj.Class, list...)
}

// Locate finds an object by identity wherever it is.
func (d *Dir) Locate(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	return d.Get(ctx, id, attrs)
}

// Get returns the named attributes of an object, or an error wrapping ErrNotFound.
func (d *Dir) Get(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	d.counts.gets.Add(1)
	if err := d.begin(ctx, Event{Op: OpGet, ID: id}); err != nil {
		return ldapsync.Object{}, err
	}
	s, denied, err := d.look(id)
	if err == nil {
		err = d.event(Event{Op: OpGet, ID: id, Done: true})
	}
	if err != nil {
		return ldapsync.Object{}, err
	}
	return s.project(denied, attrs), nil
}

func (d *Dir) look(id ldapsync.GUID) (*state, []string, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := d.byID[id]
	if n == nil || n.hidden {
		return nil, nil, fmt.Errorf("memdir: <GUID=%s>: %w", id, ldapsync.ErrNotFound)
	}
	return n.state, d.denied, nil
}

// VerifyAbsent says of attributes whether they are absent, present, or only not readable.
func (d *Dir) VerifyAbsent(ctx context.Context, id ldapsync.GUID, attrs []string) ([]ldapsync.Presence, error) {
	if err := d.begin(ctx, Event{Op: OpVerify, ID: id}); err != nil {
		return nil, err
	}
	s, denied, err := d.look(id)
	if err != nil {
		return nil, err
	}
	out := make([]ldapsync.Presence, len(attrs))
	for i, a := range attrs {
		out[i] = s.obj.Presence(a)
		if s.isDenied(denied, a) {
			out[i] = ldapsync.Unreadable
		}
	}
	return out, d.event(Event{Op: OpVerify, ID: id, Done: true})
}

// VerifyListing says whether a container may be listed.
func (d *Dir) VerifyListing(ctx context.Context, c ldapsync.Container) (ldapsync.Presence, error) {
	if err := d.begin(ctx, Event{Op: OpVerify, ID: c.ID}); err != nil {
		return ldapsync.Unreadable, err
	}
	d.mu.RLock()
	n, err := d.place(c.ID, c.DN)
	may := ldapsync.Unreadable
	if err == nil && !n.denyList {
		may = ldapsync.Present
	}
	d.mu.RUnlock()
	if err == nil {
		err = d.event(Event{Op: OpVerify, ID: c.ID, Done: true})
	}
	return may, err
}
