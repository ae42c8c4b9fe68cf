package adtest

import (
	"context"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// maxNotifications is MaxNotificationPerConn of the default query policy.
const maxNotifications = 5

// watch answers a search with the change notification control: nothing now, and an entry for each
// object in scope that is created, modified, renamed, deleted, or moved in or out, until the client
// abandons it. An object that left is sent as it is then, with its new name. Deleted objects and
// objects the account cannot see are sent with their name and objectGUID only.
func (c *conn) watch(ctx context.Context, id int64, r *searchRequest, o options, who *account) {
	d := c.s.dir
	x, base, result := c.prepare(id, r, o, who)
	if result == nil && (r.filter.op != filterPresent || fold(r.filter.attr) != "objectclass") {
		result = refuse(ResultUnwillingToPerform, "000020AF: LdapErr: comment: Error processing control, data 0: the filter must be (objectClass=*)")
	}
	if result == nil && !c.addWatch() {
		result = refuse(ResultAdminLimitExceeded, "00002024: SvcErr: more than %d notifications on one connection", maxNotifications)
	}
	if result != nil {
		c.finish(id, tagSearchDone, result, "", "")
		return
	}
	sub := newSubscription(c.s, base.guid, r.scope)
	d.mu.Lock()
	d.subscribe(sub)
	d.mu.Unlock()
	defer func() {
		d.unsubscribe(sub)
		c.mu.Lock()
		c.watches--
		c.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.wake:
		}
		var b ber.Builder
		n := int64(0)
		d.mu.Lock()
		x.parent = nil // names may have changed
		for _, g := range sub.take() {
			obj := d.byGUID[g]
			switch {
			case obj == nil:
				continue
			case d.visible(who, obj, who.Admin):
				x.entry(&b, obj)
			default:
				x.nameOnly(&b, obj)
			}
			n++
		}
		d.mu.Unlock()
		if n > 0 && c.write(b.B) != nil {
			return
		}
		c.s.stats.entries.Add(n)
	}
}

func (c *conn) addWatch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watches >= maxNotifications {
		return false
	}
	c.watches++
	return true
}

// nameOnly appends an entry for an object of which the account may know that it changed.
func (x *encoder) nameOnly(b *ber.Builder, n *node) {
	m := b.Begin(ber.Sequence)
	b.Int(ber.Integer, x.id)
	e := b.Begin(tagSearchEntry)
	b.Str(ber.OctetString, x.d.dn(n))
	list := b.Begin(ber.Sequence)
	x.hide, x.hideAll = nil, false
	t := x.d.types["objectguid"]
	x.attribute(b, t, pack(n.guid.Raw()), wanted{})
	if n.rec.deleted {
		x.attribute(b, x.d.types["isdeleted"], pack("TRUE"), wanted{})
	}
	b.End(list)
	b.End(e)
	b.End(m)
}
