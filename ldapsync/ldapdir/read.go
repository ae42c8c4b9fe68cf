package ldapdir

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"go.internal/hybridkit/ldapsync"
)

// base returns the search base of a container: by identity where it has one, because that survives renaming. A
// plain LDAP server has no such names; pages looks the DN up there.
func (d *Dir) base(c ldapsync.Container) (string, error) {
	switch {
	case d.cfg.Kind == ActiveDirectory && !c.ID.IsZero():
		return guidBase(c.ID), nil
	case c.ID.IsZero() && c.DN.IsRoot():
		return "", errors.New("ldapdir: the query names no container")
	}
	return c.DN.String(), nil
}

// guidBase is the name by which Active Directory finds an object wherever it is ([MS-ADTS] section 3.1.1.3.1.2.4).
func guidBase(id ldapsync.GUID) string { return "<GUID=" + id.String() + ">" }

// Read streams the objects the query selects. The zero Class selects objects of any class. The query's filter is
// taken in addition to that of the class.
func (d *Dir) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		r, err := d.reading(q)
		if err != nil {
			yield(ldapsync.Object{}, err)
			return
		}
		r.yield = yield
		if err := r.run(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(ldapsync.Object{}, err)
		}
	}
}

// errEnough ends a read whose caller wants no more objects.
var errEnough = errors.New("enough")

// A reading is one Read. It decodes on the goroutine of its caller: what the server sends meanwhile waits in the
// connection.
type reading struct {
	d     *Dir
	req   request
	what  string
	skip  ldapsync.Container // the base itself, which a subtree search includes
	x     *decoder
	yield func(ldapsync.Object, error) bool

	held   []heldObject // objects of which values are missing
	ranged bool         // there are or were some: pages come one after the other
}

type heldObject struct {
	object ldapsync.Object
	rest   []more
}

func (d *Dir) reading(q ldapsync.Query) (*reading, error) {
	base, err := d.base(q.Container)
	if err != nil {
		return nil, err
	}
	filter := present("objectClass")
	if q.Class != 0 {
		cc, ok := d.cfg.Classes[q.Class]
		if !ok {
			return nil, &ConfigError{"Classes", fmt.Sprintf("nothing is said about class %s", q.Class)}
		}
		if filter, err = compile(cc.Filter); err != nil {
			return nil, err
		}
	}
	if q.Filter != "" {
		more, err := compile(q.Filter)
		if err != nil {
			return nil, err
		}
		filter = both(filter, more)
	}
	r := &reading{d: d, what: base, skip: q.Container, x: d.decoder(q.Class, q.Attrs)}
	if !q.Container.DN.IsRoot() {
		r.what = q.Container.DN.String()
	}
	r.req = request{base: base, scope: scopeOne, filter: filter, attrs: r.x.request()}
	if q.Subtree {
		r.req.scope = scopeSub
	}
	return r, nil
}

// run reads all pages on one connection.
func (r *reading) run(ctx context.Context) error {
	for fresh := false; ; fresh = true {
		c, err := r.d.get(ctx, fresh)
		if err != nil {
			return r.partial(err)
		}
		began, err := r.pages(ctx, c)
		stale := err != nil && !began && c.reused && c.broken() && ctx.Err() == nil
		r.d.put(c)
		switch {
		case err == nil:
			return nil
		case !stale || fresh:
			return r.partial(err)
		}
		r.d.log.Debug("an idle connection had died", "server", r.d.ep.name)
	}
}

// partial marks a failure that leaves a part of the objects unread. A container that is not there, refused
// credentials and a missing right are clear answers and stay what they are.
func (r *reading) partial(err error) error {
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		return err // *ConfigError
	}
	for _, clear := range []error{ldapsync.ErrNotFound, ldapsync.ErrCredentials, ldapsync.ErrPermission, ldapsync.ErrPartial} {
		if errors.Is(e, clear) {
			return err
		}
	}
	marked := *e
	marked.kinds = append(slices.Clone(e.kinds), ldapsync.ErrPartial)
	return &marked
}

// pages reports whether the server answered anything, and how it ended.
func (r *reading) pages(ctx context.Context, c *conn) (began bool, err error) {
	d := r.d
	req := r.req
	if d.cfg.Kind == PlainLDAP && !r.skip.ID.IsZero() {
		// There are no names by identity: find out what the container is called now.
		e, err := d.entry(ctx, c, r.skip.ID, request{attrs: []string{d.cfg.Kind.idAttr()}})
		if err != nil {
			return false, err
		}
		req.base = e.dn
	}
	if c.root.supports(oidPaged) {
		req.page = d.cfg.PageSize
	}
	ask := func() (*searching, error) {
		s, err := c.search(req, d.cfg.ReadTimeout)
		if err != nil {
			return nil, lost("search", d.ep.name, r.what, errors.Join(errLost, err))
		}
		return s, nil
	}
	s, err := ask()
	if err != nil {
		return false, err
	}
	var ahead *searching // of the next page
	defer func() {
		s.stop()
		ahead.stop()
	}()
	for {
		e, res, err := s.next(ctx)
		if err != nil {
			return began || s.any, lost("search", d.ep.name, r.what, err)
		}
		began = true
		// The next page comes while the end of this one is being worked on.
		if next := s.ending; ahead == nil && next != nil && next.code == 0 && next.cookie != "" && !r.ranged {
			req.cookie = next.cookie
			if ahead, err = ask(); err != nil {
				return true, err
			}
		}
		if res == nil {
			if err := r.take(e); err != nil {
				return true, err
			}
			continue
		}
		if res.code != 0 {
			return true, refusal("search", d.ep.name, r.what, res.code, res.matched, res.diagnostic)
		}
		if ahead == nil {
			if err := r.complete(ctx, c); err != nil {
				return true, err
			}
		}
		if res.cookie == "" {
			return true, nil
		}
		if ahead == nil {
			req.cookie = res.cookie
			if ahead, err = ask(); err != nil {
				return true, err
			}
		}
		s, ahead = ahead, nil
	}
}

// take decodes an entry.
func (r *reading) take(e lentEntry) error {
	o, rest, err := r.x.object(e)
	if err != nil {
		return &Error{Op: "search", Server: r.d.ep.name, Object: r.what, cause: err}
	}
	if r.req.scope == scopeSub && (o.ID == r.skip.ID || o.DN.Equal(r.skip.DN)) {
		return nil
	}
	if len(rest) > 0 {
		r.held = append(r.held, heldObject{o, rest})
		r.ranged = true
		return nil
	}
	return r.give(o)
}

func (r *reading) give(o ldapsync.Object) error {
	if !r.yield(o, nil) {
		return errEnough
	}
	return nil
}

// complete fetches the missing values of the objects so far. No other search is under way then: its answers
// would stand in the way.
func (r *reading) complete(ctx context.Context, c *conn) error {
	for _, h := range r.held {
		o, err := r.d.completed(ctx, c, h)
		if err != nil {
			return err
		}
		if err := r.give(o); err != nil {
			return err
		}
	}
	r.held = nil
	return nil
}

func (d *Dir) completed(ctx context.Context, c *conn, h heldObject) (ldapsync.Object, error) {
	o := h.object
	for _, m := range h.rest {
		values, err := d.rest(ctx, c, d.objectBase(o), m, o.All(m.name))
		if err != nil {
			return o, err
		}
		o = o.With(m.name, values...)
	}
	return o, nil
}

// objectBase is the name by which an object that was read is found again.
func (d *Dir) objectBase(o ldapsync.Object) string {
	if d.cfg.Kind == ActiveDirectory {
		return guidBase(o.ID)
	}
	return o.DN.String()
}

// Container finds an organisational unit or any other object that can hold objects. The zero reference is an
// error: a whole domain is never meant by accident.
func (d *Dir) Container(ctx context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error) {
	var out ldapsync.Container
	if ref.ID.IsZero() {
		dn, err := ldapsync.ParseDN(ref.DN)
		if err != nil {
			return out, err
		}
		if dn.IsRoot() {
			return out, errors.New("ldapdir: a container is named by its DN or its identity: both are empty")
		}
		err = d.with(ctx, func(c *conn) error {
			e, err := d.one(ctx, c, request{base: ref.DN, attrs: []string{d.cfg.Kind.idAttr()}}, ref.DN)
			if err != nil {
				return err
			}
			o, _, err := d.decoder(0, nil).object(e.lend())
			out = ldapsync.Container{ID: o.ID, DN: o.DN}
			return d.undecodable(ref.DN, err)
		})
		return out, err
	}
	o, err := d.Get(ctx, ref.ID, nil)
	return ldapsync.Container{ID: o.ID, DN: o.DN}, err
}

func (d *Dir) undecodable(what string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: "search", Server: d.ep.name, Object: what, cause: err}
}

// ChildContainers lists the organisational units and, with Active Directory, the containers directly below c.
func (d *Dir) ChildContainers(ctx context.Context, c ldapsync.Container) ([]ldapsync.Container, error) {
	filter := "(objectClass=organizationalUnit)"
	if d.cfg.Kind == ActiveDirectory {
		filter = "(|(objectClass=organizationalUnit)(objectCategory=container))"
	}
	var out []ldapsync.Container
	for o, err := range d.Read(ctx, ldapsync.Query{Container: c, Filter: filter}) {
		if err != nil {
			return nil, err
		}
		out = append(out, ldapsync.Container{ID: o.ID, DN: o.DN})
	}
	return out, nil
}

// Locate finds an object by identity wherever it is now; see ldapsync.Source.
func (d *Dir) Locate(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	return d.Get(ctx, id, attrs)
}

// Get returns the named attributes of one object; see ldapsync.Target.
func (d *Dir) Get(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	var out ldapsync.Object
	err := d.with(ctx, func(c *conn) (err error) {
		out, err = d.object(ctx, c, id, attrs)
		return err
	})
	return out, err
}

// object reads one object by identity.
func (d *Dir) object(ctx context.Context, c *conn, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	x := d.decoder(0, attrs)
	e, err := d.entry(ctx, c, id, request{attrs: x.request()})
	if err != nil {
		return ldapsync.Object{}, err
	}
	o, rest, err := x.object(e.lend())
	if err != nil {
		return o, d.undecodable(id.String(), err)
	}
	if o.ID != id {
		return o, &Error{Op: "search", Server: d.ep.name, Object: id.String(), cause: fmt.Errorf("the server returned %s instead", o.ID)}
	}
	return d.completed(ctx, c, heldObject{o, rest})
}

// entry makes r a search for the object with the identity.
func (d *Dir) entry(ctx context.Context, c *conn, id ldapsync.GUID, r request) (entry, error) {
	if id.IsZero() {
		return entry{}, (&Error{Op: "search", Server: d.ep.name, cause: errors.New("the object has no identity")}).as(ldapsync.ErrNotFound)
	}
	if d.cfg.Kind == ActiveDirectory {
		r.base = guidBase(id)
		return d.one(ctx, c, r, id.String())
	}
	r.base, r.scope, r.filter = d.cfg.BaseDN, scopeSub, equals("entryUUID", id.String())
	if r.base == "" {
		r.base = c.root.defaultNC
	}
	if r.base == "" && len(c.root.namingContexts) > 0 {
		r.base = c.root.namingContexts[0]
	}
	if r.base == "" {
		return entry{}, &ConfigError{"BaseDN", "the server names no naming context: say where objects are looked for"}
	}
	return d.one(ctx, c, r, id.String())
}
