package ldapdir

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Search is one search of any kind, for programs that look at more than the objects that are synchronised: a
// domain's trusts, the roles of its controllers, DNS zones. It calls each for every entry with the attributes the
// server returned, by name in lower case and without options, and stops at the first error each returns, which is
// then its own.
//
// Base is a DN, <GUID=…>, or "" for the rootDSE with scope 0. The scope is 0 for the object itself, 1 for what is
// directly below it, 2 for it and everything below (RFC 4511 section 4.5.1.2). The filter is that of RFC 4515; ""
// takes every object. Without attrs all are asked for. Where attrs name nTSecurityDescriptor, its owner, group and
// DACL are asked for, which ordinary accounts may read. Pages are fetched one after another; values beyond the
// number a domain controller returns at once (MaxValRange, 1,500) are not. A base that is not there, or not visible,
// is an error that wraps ldapsync.ErrNotFound.
func (d *Dir) Search(ctx context.Context, base string, scopeOf int, filter string, attrs []string, each func(dn string, attrs map[string][]string) error) error {
	if scopeOf < 0 || scopeOf > 2 {
		return &ConfigError{"scope", "it is 0, 1 or 2"}
	}
	r := request{base: base, scope: scope(scopeOf), attrs: attrs}
	if filter != "" {
		var err error
		if r.filter, err = compile(filter); err != nil {
			return err
		}
	}
	r.sdFlags = d.cfg.Kind == ActiveDirectory && slices.ContainsFunc(attrs, func(a string) bool { return sameName(a, "nTSecurityDescriptor") })
	what := base
	if what == "" {
		what = "the rootDSE"
	}
	told := false
	var ended error // of the first attempt that told of an entry
	return d.with(ctx, func(c *conn) (err error) {
		if told { // a repetition after a lost connection would tell of entries twice
			return ended
		}
		defer func() { ended = err }()
		if r.scope != scopeBase && c.root.supports(oidPaged) {
			r.page = d.cfg.PageSize
		}
		for r.cookie = ""; ; {
			res, err := d.page(ctx, c, r, what, func(e entry) error {
				told = true
				values, err := e.values()
				if err != nil {
					return d.undecodable(e.dn, err)
				}
				return each(strings.Clone(e.dn), values)
			})
			if err != nil {
				return err
			}
			if !res.paged || res.cookie == "" {
				return nil
			}
			r.cookie = strings.Clone(res.cookie)
		}
	})
}

// page makes one search and returns its result if that is success.
func (d *Dir) page(ctx context.Context, c *conn, r request, what string, each func(entry) error) (*result, error) {
	s, err := c.search(r, d.cfg.ReadTimeout)
	if err != nil {
		return nil, lost("search", d.ep.name, what, errors.Join(errLost, err))
	}
	defer s.stop()
	for {
		e, res, err := s.next(ctx)
		switch {
		case err != nil:
			return nil, lost("search", d.ep.name, what, err)
		case res == nil:
			if err := each(entry{string(e.dn), string(e.attrs)}); err != nil {
				return nil, err
			}
		case res.code != 0:
			return nil, refusal("search", d.ep.name, what, res.code, res.matched, res.diagnostic)
		default:
			return res, nil
		}
	}
}

// values decodes the attributes into memory of their own.
func (e entry) values() (map[string][]string, error) {
	out := map[string][]string{}
	err := e.each(func(name, set string) error {
		name, _, _ = strings.Cut(strings.ToLower(name), ";")
		values, err := appendValues(nil, set)
		for _, v := range values {
			out[name] = append(out[name], strings.Clone(v))
		}
		return err
	})
	return out, err
}
