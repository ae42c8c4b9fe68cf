package adtest

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// Flags of the DirSync control (MS-ADTS 3.1.1.3.4.1.3). Others are accepted and do nothing;
// INCREMENTAL_VALUES too: linked attributes come whole, as from Samba.
const (
	dirSyncObjectSecurity = 0x1
	dirSyncAncestorsFirst = 0x800
)

// dirSyncBatch is how many objects one answer holds at most, besides MaxBytes.
const dirSyncBatch = 1000

// A cookie holds the database it came from and the number of the last change it covers. A first
// cycle goes on after the last object; the later ones go by change, so both are the same here.
const cookieMagic = "MSDS\x03\x00\x00\x00"

func dirSyncCookie(invocation GUID, seq int64) string {
	b := append([]byte(cookieMagic), invocation[:]...)
	return string(binary.LittleEndian.AppendUint64(b, uint64(seq)))
}

// dirSyncStart reads a cookie. One from a database that no domain controller has any more (restored,
// so its invocationId changed) starts again from the beginning.
func (d *directory) dirSyncStart(cookie string) (int64, *Error) {
	if cookie == "" {
		return 0, nil
	}
	body, ok := strings.CutPrefix(cookie, cookieMagic)
	if !ok || len(body) != 24 {
		return 0, refuse(ResultUnavailableCriticalExtension, "0000203D: LdapErr: comment: Error processing control, data 0: bad DirSync cookie")
	}
	seq := int64(binary.LittleEndian.Uint64([]byte(body[16:])))
	from := GUID([]byte(body[:16]))
	for _, s := range d.servers {
		if s.invocation() == from && seq >= 0 && seq <= d.seq {
			return seq, nil
		}
	}
	return 0, nil
}

// dirSync answers a search with the DirSync control: the objects of a naming context that changed
// since the cookie, with the attributes that changed. Cleared attributes come without values.
func (c *conn) dirSync(ctx context.Context, id int64, r *searchRequest, o options, who *account, fault Fault) {
	objectSecurity := o.dirSync.flags&dirSyncObjectSecurity != 0
	x, base, result := c.prepare(id, r, o, who)
	switch {
	case result != nil:
	case base.nc != base:
		result = refuse(ResultInsufficientAccessRights, "00002105: LdapErr: comment: Error processing control, data 0: the base is not the root of a naming context")
	case r.scope != ScopeSubtree:
		result = refuse(ResultUnwillingToPerform, "0000202B: LdapErr: comment: Error processing control, data 0: DirSync needs a subtree search")
	case !objectSecurity && !who.Admin && !who.Replicate:
		result = noAccess("DirSync without OBJECT_SECURITY needs DS-Replication-Get-Changes")
	}
	if result != nil {
		c.finish(id, tagSearchDone, result, "", "")
		return
	}
	found, cookie, result := c.gatherChanges(x, base, r, o)
	if result != nil {
		c.finish(id, tagSearchDone, result, "", "")
		return
	}
	if !c.deliver(ctx, id, found, fault) {
		return
	}
	var b ber.Builder
	m := b.Begin(ber.Sequence)
	b.Int(ber.Integer, int64(boolInt(found.more)))
	b.Int(ber.Integer, 0)
	b.Str(ber.OctetString, cookie)
	b.End(m)
	c.finish(id, tagSearchDone, nil, "", encodeControl(oidDirSync, string(b.B)))
}

func (c *conn) gatherChanges(x *encoder, base *node, r *searchRequest, o options) (out batch, cookie string, err *Error) {
	d := c.s.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	since, err := d.dirSyncStart(o.dirSync.cookie)
	if err != nil {
		return out, "", err
	}
	restricted := o.dirSync.flags&dirSyncObjectSecurity != 0 && !x.who.Admin
	who := x.who
	if !restricted {
		who = &system
		x.who = who
	}
	m := d.compile(r.filter, c.s, who, c.gc)
	var changed []*node
	for _, n := range d.order.nodes {
		if n == nil || n.rec.changed <= since || n.nc != base || !d.visible(who, n, true) || n.graveyard {
			continue
		}
		changed = append(changed, n)
	}
	slices.SortFunc(changed, func(a, b *node) int { return int(a.rec.changed - b.rec.changed) })
	var b ber.Builder
	last := since
	picked := changed[:0]
	for i, n := range changed {
		if len(picked) >= dirSyncBatch || i > 0 && o.dirSync.maxBytes > 0 && int64(len(b.B)) >= o.dirSync.maxBytes {
			out.more = true
			break
		}
		last = n.rec.changed
		if m.match(n) != isTrue || !x.changedEntry(nil, n, since) {
			continue
		}
		picked = append(picked, n)
		x.changedEntry(&b, n, since) // measures; written in order below if ancestors come first
		out.ends = append(out.ends, len(b.B))
	}
	if o.dirSync.flags&dirSyncAncestorsFirst != 0 {
		slices.SortStableFunc(picked, func(a, b *node) int { return depth(a) - depth(b) })
		b.B, out.ends = b.B[:0], out.ends[:0]
		for _, n := range picked {
			x.changedEntry(&b, n, since)
			out.ends = append(out.ends, len(b.B))
		}
	}
	if !out.more {
		last = d.seq
	}
	out.buf = b.B
	return out, dirSyncCookie(c.s.invocation(), last), nil
}

func depth(n *node) int {
	k := 0
	for ; n != nil; n = n.parent {
		k++
	}
	return k
}

// changedEntry appends what changed of n since a change number; with a nil builder it only says
// whether anything that was asked for did.
func (x *encoder) changedEntry(b *ber.Builder, n *node, since int64) bool {
	x.hide, x.hideAll = nil, false
	if len(x.d.denials) > 0 {
		x.hide, x.hideAll = x.d.hidden(x.who, n)
	}
	wants := func(t *attrType) bool {
		return (x.sel.all || slices.ContainsFunc(x.sel.want, func(w wanted) bool { return w.typ == t })) &&
			!x.hideAll && !slices.Contains(x.hide, t) && !t.writeOnly && (!x.gc || t.gc)
	}
	name, isNew := x.d.types["name"], n.created > since
	moved := n.rec.named > since
	var changed []attr
	for _, a := range n.rec.attrs {
		if a.seq > since && wants(a.typ) && !(isNew && a.vals.n == 0) {
			changed = append(changed, a)
		}
	}
	any := len(changed) > 0 || moved && (wants(name) || wants(n.rdnType))
	if b == nil || !any {
		return any
	}
	m := b.Begin(ber.Sequence)
	b.Int(ber.Integer, x.id)
	e := b.Begin(tagSearchEntry)
	b.Str(ber.OctetString, x.extend(n, x.d.dn(n)))
	list := b.Begin(ber.Sequence)
	put := func(t *attrType, p packed) { x.put(b, t.name, p) }
	for _, t := range []string{"objectguid", "instancetype"} {
		p, _ := x.s.derived(n, x.d.types[t])
		put(x.d.types[t], p)
	}
	if moved && wants(name) {
		put(name, pack(n.rdn.value))
		if n.parent != nil {
			put(x.d.types["parentguid"], pack(n.parent.guid.Raw()))
		}
	}
	if moved && wants(n.rdnType) {
		put(n.rdnType, pack(n.rdn.value))
	}
	if when := x.d.types["whencreated"]; isNew && wants(when) {
		p, _ := x.s.derived(n, when)
		put(when, p)
	}
	for _, a := range changed {
		p := a.vals
		switch {
		case a.typ.link != nil:
			p = x.d.resolve(p)
		case a.typ.syntax == SDSyntax:
			p = x.descriptor(n, a.typ)
		}
		put(a.typ, p)
	}
	b.End(list)
	b.End(e)
	b.End(m)
	return true
}
