package ldapdir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"go.internal/hybridkit/ldapsync"
)

// Write carries out one change; see ldapsync.Target and the package comment. All of a change is one LDAP
// request: one that is too large for the server is refused whole. A deletion takes no objects below along.
func (d *Dir) Write(ctx context.Context, ch ldapsync.Change) (ldapsync.GUID, error) {
	var f func(context.Context, *conn, ldapsync.Change) (ldapsync.GUID, error)
	switch ch.Op {
	case ldapsync.OpCreate:
		f = d.create
	case ldapsync.OpUpdate:
		f = d.update
	case ldapsync.OpRename:
		f = d.rename
	case ldapsync.OpDelete:
		f = d.remove
	default:
		return ldapsync.GUID{}, fmt.Errorf("ldapdir: a change cannot be of kind %s", ch.Op)
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return ldapsync.GUID{}, lost("connect", d.ep.name, "", ctx.Err())
	}
	for fresh := false; ; fresh = true {
		c, err := d.get(ctx, fresh)
		if err != nil {
			return ldapsync.GUID{}, err
		}
		id, err := f(ctx, c, ch)
		// Every change begins with a read. If that finds the connection dead, or nothing of the request was sent,
		// nothing was written, and another connection is worth one try.
		stale := err != nil && c.reused && c.broken() && ctx.Err() == nil && !errors.Is(err, ldapsync.ErrUnclear)
		d.put(c)
		if !stale || fresh {
			return id, err
		}
	}
}

// attempts bounds how often a conditional write is tried again because something else of the entry changed.
const attempts = 5

// before is an object as it is before a write.
type before struct {
	ldapsync.Object
	version string // entryCSN of a plain LDAP server that has the assertion control
}

const versionAttr = "entryCSN" // OpenLDAP: changes with every change of the entry

func (d *Dir) before(ctx context.Context, c *conn, ch ldapsync.Change) (before, error) {
	attrs := make([]string, 0, len(ch.Edits)+1)
	for _, e := range ch.Edits {
		attrs = append(attrs, e.Attr)
	}
	assert := d.cfg.Kind == PlainLDAP && c.root.supports(oidAssertion)
	if assert {
		attrs = append(attrs, versionAttr)
	}
	o, err := d.object(ctx, c, ch.ID, attrs)
	b := before{Object: o}
	if assert {
		b.version, _ = o.Get(versionAttr)
	}
	return b, err
}

// controls makes a write conditional on the entry being what was read, where the server can do that.
func (b before) controls() []ldap.Control {
	if b.version == "" {
		return nil
	}
	return []ldap.Control{ldap.NewControlString(oidAssertion, true, equals(versionAttr, b.version))}
}

// compare says whether all edits are as Before says, and whether all are as After says already.
func (b before) compare(edits []ldapsync.Edit) (asBefore, asAfter bool, differs string) {
	asBefore, asAfter = true, true
	for _, e := range edits {
		now := b.All(e.Attr)
		if !ldapsync.SameValues(now, e.After) {
			asAfter = false
		}
		if asBefore && !ldapsync.SameValues(now, e.Before) {
			asBefore, differs = false, e.Attr
		}
	}
	return asBefore, asAfter, differs
}

func (d *Dir) changed(op string, id ldapsync.GUID, why string) error {
	e := &Error{Op: op, Server: d.ep.name, Object: id.String(), cause: errors.New(why), Advice: "make a new plan"}
	return e.as(ldapsync.ErrPrecondition)
}

func (d *Dir) update(ctx context.Context, c *conn, ch ldapsync.Change) (ldapsync.GUID, error) {
	replace, refused := false, (*Error)(nil)
	for range attempts {
		b, err := d.before(ctx, c, ch)
		if err != nil {
			return ldapsync.GUID{}, err
		}
		asBefore, asAfter, differs := b.compare(ch.Edits)
		switch {
		case asAfter:
			return ch.ID, nil
		case !asBefore:
			return ldapsync.GUID{}, d.changed("modify", ch.ID, differs+" is not what the plan saw")
		}
		m := ldap.NewModifyRequest(d.objectBase(b.Object), b.controls())
		for _, e := range ch.Edits {
			d.edit(m, e, replace || b.version != "")
		}
		if len(m.Changes) == 0 {
			return ch.ID, nil
		}
		err = d.send(ctx, c, "modify", ch, func(l *ldap.Conn) error { return l.Modify(m) })
		if err == nil {
			return ch.ID, nil
		}
		e := (*Error)(nil)
		if !errors.As(err, &e) {
			return ldapsync.GUID{}, err
		}
		switch {
		case e.Code == ResultNoSuchObject && d.cfg.Kind == PlainLDAP:
			// Renamed or deleted since: the next read tells.
		case e.Code == ResultInappropriateMatch && d.cfg.Kind == PlainLDAP && !replace:
			replace = true // an attribute without an equality rule: single values cannot be named
		case e.Code == ResultNoSuchAttribute, e.Code == ResultValueExists, e.Code == ResultAssertionFailed:
			// Somebody was faster. The next read tells whether that was this very change, one of these
			// attributes, or something else of the entry.
			refused = e
		default:
			return ldapsync.GUID{}, err
		}
	}
	if refused != nil && refused.Code != ResultAssertionFailed {
		return ldapsync.GUID{}, refused // the values are as planned each time, and yet the server does not take them
	}
	return ldapsync.GUID{}, d.changed("modify", ch.ID, "the entry keeps changing")
}

// edit adds what makes of Before After: by naming the values that go and come, or by replacing all.
func (d *Dir) edit(m *ldap.ModifyRequest, e ldapsync.Edit, replace bool) {
	if ldapsync.SameValues(e.Before, e.After) {
		return // a precondition, nothing to change
	}
	name := d.wireName(e.Attr)
	if replace {
		m.Replace(name, e.After)
		return
	}
	if gone := without(e.Before, e.After); len(gone) > 0 {
		m.Delete(name, gone)
	}
	if come := without(e.After, e.Before); len(come) > 0 {
		m.Add(name, come)
	}
}

// without returns the values of a that are not in b.
func without(a, b []string) []string {
	in := make(map[string]bool, len(b))
	for _, v := range b {
		in[v] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(v string) bool { return in[v] })
}

// binaryOnly are the attributes that RFC 4523 section 2 lets be transferred with ;binary only. Active Directory does
// without.
var binaryOnly = []string{"userCertificate", "cACertificate", "crossCertificatePair", "certificateRevocationList",
	"authorityRevocationList", "deltaRevocationList"}

func (d *Dir) wireName(attr string) string {
	if d.cfg.Kind == PlainLDAP && slices.ContainsFunc(binaryOnly, func(b string) bool { return sameName(b, attr) }) {
		return attr + ";binary"
	}
	return attr
}

func (d *Dir) create(ctx context.Context, c *conn, ch ldapsync.Change) (ldapsync.GUID, error) {
	class, ok := d.cfg.Classes[ch.Class]
	if !ok {
		return ldapsync.GUID{}, &ConfigError{"Classes", fmt.Sprintf("nothing is said about class %s", ch.Class)}
	}
	typ, value := ch.DN.RDN()
	if typ == "" {
		return ldapsync.GUID{}, errors.New("ldapdir: an object to create needs a DN")
	}
	if c.reused && time.Since(c.used) > time.Second {
		// Find out about a dead connection before the request is on its way: after that the outcome is unclear.
		if _, err := d.one(ctx, c, request{attrs: []string{"supportedLDAPVersion"}}, "the rootDSE"); err != nil {
			return ldapsync.GUID{}, err
		}
	}
	req := ldap.NewAddRequest(ch.DN.String(), nil)
	given := map[string]bool{}
	set := func(name string, values []string) {
		key := strings.ToLower(name)
		if !given[key] && len(values) > 0 {
			req.Attribute(d.wireName(name), values)
			given[key] = true
		}
	}
	for _, e := range ch.Edits {
		set(e.Attr, e.After)
	}
	set("objectClass", class.ObjectClasses)
	set(typ, []string{value})
	for _, a := range class.Defaults {
		set(a.Name, a.Values)
	}
	if err := d.send(ctx, c, "add", ch, func(l *ldap.Conn) error { return l.Add(req) }); err != nil {
		if errors.Is(err, ldapsync.ErrNotFound) {
			e := (*Error)(nil)
			errors.As(err, &e)
			e.Advice = "the container of the new object is missing: create it first"
		}
		return ldapsync.GUID{}, err
	}
	e, err := d.one(ctx, c, request{base: ch.DN.String(), attrs: []string{d.cfg.Kind.idAttr()}}, ch.DN.String())
	if err == nil {
		var o ldapsync.Object
		if o, _, err = d.decoder(0, nil).object(e.lend()); err == nil {
			return o.ID, nil
		}
	}
	made := &Error{Op: "add", Server: d.ep.name, Object: ch.DN.String(), cause: fmt.Errorf("the object was created, but its identity could not be read: %v", err)}
	return ldapsync.GUID{}, made.as(ldapsync.ErrUnclear)
}

func (d *Dir) rename(ctx context.Context, c *conn, ch ldapsync.Change) (ldapsync.GUID, error) {
	if ch.NewName == "" {
		return ldapsync.GUID{}, errors.New("ldapdir: a rename needs a new name")
	}
	for range attempts {
		b, err := d.before(ctx, c, ch)
		if err != nil {
			return ldapsync.GUID{}, err
		}
		typ, name := b.DN.RDN()
		switch {
		case name == ch.NewName:
			return ch.ID, nil
		case name != ch.OldName:
			return ldapsync.GUID{}, d.changed("rename", ch.ID, fmt.Sprintf("its name is %q, not %q", name, ch.OldName))
		}
		// By the DN just read, not by identity: if somebody renames it in between, this name is gone and the
		// server refuses.
		req := ldap.NewModifyDNWithControlsRequest(b.DN.String(), typ+"="+ldapsync.EscapeRDNValue(ch.NewName), true, "", b.controls())
		err = d.send(ctx, c, "rename", ch, func(l *ldap.Conn) error { return l.ModifyDN(req) })
		if !errors.Is(err, ldapsync.ErrNotFound) && !isCode(err, ResultAssertionFailed) {
			if err != nil {
				return ldapsync.GUID{}, err
			}
			return ch.ID, nil
		}
	}
	return ldapsync.GUID{}, d.changed("rename", ch.ID, "it keeps moving")
}

func (d *Dir) remove(ctx context.Context, c *conn, ch ldapsync.Change) (ldapsync.GUID, error) {
	for range attempts {
		b, err := d.before(ctx, c, ch)
		if errors.Is(err, ldapsync.ErrNotFound) {
			return ch.ID, nil
		}
		if err != nil {
			return ldapsync.GUID{}, err
		}
		if asBefore, _, differs := b.compare(ch.Edits); !asBefore {
			return ldapsync.GUID{}, d.changed("delete", ch.ID, differs+" is not what the plan saw")
		}
		req := ldap.NewDelRequest(d.objectBase(b.Object), b.controls())
		err = d.send(ctx, c, "delete", ch, func(l *ldap.Conn) error { return l.Del(req) })
		// Gone by that name: deleted meanwhile or, on a plain LDAP server, renamed. The next read tells.
		if !errors.Is(err, ldapsync.ErrNotFound) && !isCode(err, ResultAssertionFailed) {
			if err != nil {
				return ldapsync.GUID{}, err
			}
			return ch.ID, nil
		}
	}
	return ldapsync.GUID{}, d.changed("delete", ch.ID, "it keeps changing")
}

func isCode(err error, code ResultCode) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && e.Code == code
}

// send makes one write and waits for the answer. Where no answer comes, the connection is closed, and what is
// known depends on whether anything of the request had left.
func (d *Dir) send(ctx context.Context, c *conn, op string, ch ldapsync.Change, f func(*ldap.Conn) error) error {
	what := ch.DN.String()
	if what == "" {
		what = ch.ID.String()
	}
	if err := ctx.Err(); err != nil {
		return lost(op, d.ep.name, what, err)
	}
	wait, cancel := context.WithTimeout(ctx, d.cfg.WriteTimeout)
	defer cancel()
	stop := context.AfterFunc(wait, func() { _ = c.Close() })
	defer stop()
	sent := c.sent.Load()
	err := f(c.l)
	if err == nil {
		return nil
	}
	e, answered := fromLDAP(op, d.ep.name, what, err)
	if answered {
		return e
	}
	if cause := wait.Err(); cause != nil {
		e = lost(op, d.ep.name, what, errors.Join(cause, err))
	}
	e.kinds = []error{ldapsync.ErrTransient}
	if c.sent.Load() != sent {
		e.kinds, e.Advice = []error{ldapsync.ErrUnclear}, "read the object again to find out whether the change was made"
	}
	_ = c.Close()
	return e
}
