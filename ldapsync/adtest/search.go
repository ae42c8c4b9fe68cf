package adtest

import (
	"context"
	"slices"
	"time"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// maxPagings is how many unfinished paged searches one connection keeps (MaxResultSetsPerConn).
const maxPagings = 10

// paging is an unfinished paged search. Its cookie is good for the next page, on the connection
// that began it.
type paging struct {
	base   GUID
	scope  Scope
	filter string
	after  int64 // dnt of the last entry
	sent   int64
	page   int
}

// batch is what one pass over the directory found, encoded.
type batch struct {
	buf  []byte
	ends []int // end of each entry in buf
	last int64 // dnt of the last entry
	more bool
}

// search carries out one SearchRequest and sends its answer.
func (c *conn) search(ctx context.Context, m message, r *searchRequest, o options, q *Request) {
	s := c.s
	s.stats.searches.Add(1)
	start := time.Now()
	fault := s.fault(ctx, q)
	switch {
	case ctx.Err() != nil:
		return // abandoned: no answer (RFC 4511 section 4.11)
	case fault.Drop == DropBefore:
		c.drop()
		return
	}
	if fault.Delay > 0 {
		limit := fault.Delay
		if r.timeLimit > 0 {
			limit = min(limit, time.Duration(r.timeLimit)*time.Second-time.Since(start))
		}
		if !sleep(ctx, limit) {
			return
		}
		if r.timeLimit > 0 && limit < fault.Delay {
			c.finish(m.id, tagSearchDone, timeLimit(), "", "")
			return
		}
	}
	if fault.ends() && fault.Entries <= 0 {
		c.fail(m.id, fault)
		return
	}

	who := c.who()
	switch {
	case r.base == "" && r.scope == ScopeBase:
		var b ber.Builder
		c.rootDSE(&b, m.id, r)
		s.stats.entries.Add(1)
		if c.write(b.B) == nil {
			c.finish(m.id, tagSearchDone, nil, "", "")
		}
		return
	case who == nil:
		c.finish(m.id, tagSearchDone, notBound(), "", "")
		return
	case o.notify:
		c.watch(ctx, m.id, r, o, who)
		return
	case o.dirSync != nil:
		c.dirSync(ctx, m.id, r, o, who, fault)
		return
	}

	x, base, result := c.prepare(m.id, r, o, who)
	if result != nil {
		c.finish(m.id, tagSearchDone, result, "", "")
		return
	}
	limit, p := s.maxPage, (*paging)(nil)
	if o.paged != nil {
		if p, result = c.page(o.paged, r, base); result != nil || p == nil {
			c.finish(m.id, tagSearchDone, result, "", pagedAnswer("", o.paged))
			return
		}
		limit = min(limit, int(min(o.paged.size, 1<<30)))
	}
	after, sent := int64(0), int64(0)
	if p != nil {
		after, sent = p.after, p.sent
	}
	limited := r.sizeLimit > 0 && r.sizeLimit-sent < int64(limit)
	if limited {
		limit = int(r.sizeLimit - sent)
	}
	found := c.gather(x, base, r, o, after, limit)
	defer c.s.recycle(found.buf)
	if ctx.Err() != nil {
		return
	}
	if r.timeLimit > 0 && time.Since(start) > time.Duration(r.timeLimit)*time.Second {
		c.finish(m.id, tagSearchDone, timeLimit(), "", "")
		return
	}

	if !c.deliver(ctx, m.id, found, fault) {
		return
	}
	switch {
	case found.more && (p == nil || limited):
		result = refuse(ResultSizeLimitExceeded, "00002023: SvcErr: problem 5008 (SIZE_LIMIT_EXCEEDED)")
	case !found.more && !o.domainScope && !c.gc:
		if c.write(c.references(m.id, base, r.scope)) != nil {
			return
		}
	}
	controls := ""
	if p != nil {
		cookie := ""
		if found.more && !limited {
			p.after, p.sent, p.page = found.last, sent+int64(len(found.ends)), p.page+1
			cookie = c.keep(p)
		}
		controls = pagedAnswer(cookie, o.paged)
	}
	c.finish(m.id, tagSearchDone, result, "", controls)
}

func timeLimit() *Error {
	return refuse(ResultTimeLimitExceeded, "00000057: LdapErr: problem 5007 (TIME_LIMIT_EXCEEDED)")
}

func notBound() *Error {
	return refuse(ResultOperationsError, "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563")
}

// sleep waits; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fail ends an operation as a fault wants it.
func (c *conn) fail(id int64, f Fault) {
	if f.Drop != DropNever {
		c.drop()
		return
	}
	c.finish(id, tagSearchDone, f.result(), "", "")
}

// ends reports whether a search does not come to its own end.
func (f Fault) ends() bool { return f.Code != ResultSuccess || f.Drop == DropAfter }

func (f Fault) result() *Error {
	return &Error{Code: f.Code, Message: f.Message, referrals: f.Referrals}
}

// prepare resolves the base and builds the encoder.
func (c *conn) prepare(id int64, r *searchRequest, o options, who *account) (*encoder, *node, *Error) {
	d := c.s.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	var base *node
	switch {
	case r.base == "" && c.gc:
		base = d.root
	case r.base == "":
		return nil, nil, noSuchObject("")
	default:
		n, err := d.find(r.base)
		if err != nil {
			return nil, nil, err
		}
		if !d.visible(who, n, o.deleted) {
			return nil, nil, noSuchObject(d.dn(d.root))
		}
		base = n
	}
	return &encoder{s: c.s, d: d, who: who, gc: c.gc, sel: d.selectAttributes(r.attributes), typesOnly: r.typesOnly, sdFlags: o.sdFlags,
		extendedDN: o.extendedDN, base: r.scope == ScopeBase, id: id}, base, nil
}

// page finds the state of a paged search, or starts one; nil without error means that the client
// gave up or wanted no entries.
func (c *conn) page(p *pagedControl, r *searchRequest, base *node) (*paging, *Error) {
	if p.cookie == "" {
		if p.size == 0 {
			return nil, nil
		}
		return &paging{base: base.guid, scope: r.scope, filter: r.filter.String()}, nil
	}
	c.mu.Lock()
	state := c.pagings[p.cookie]
	delete(c.pagings, p.cookie)
	c.mu.Unlock()
	if state == nil || state.base != base.guid || state.scope != r.scope || state.filter != r.filter.String() {
		return nil, refuse(ResultUnavailableCriticalExtension, "00000057: LdapErr: comment: Error processing control, data 0: the cookie is not of this connection and search")
	}
	if p.size == 0 {
		return nil, nil
	}
	return state, nil
}

// keep stores the state of a paged search and returns its cookie. The oldest is forgotten.
func (c *conn) keep(p *paging) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cookieSeq++
	g := guidFor("cookie", itoa(int(c.id)), itoa(int(c.cookieSeq)))
	cookie := string(g[:])
	c.pagings[cookie] = p
	c.cookies = append(c.cookies, cookie)
	if len(c.cookies) > maxPagings*4 { // most of these were used up
		c.cookies = slices.DeleteFunc(c.cookies, func(k string) bool { return c.pagings[k] == nil })
	}
	for len(c.pagings) > maxPagings {
		delete(c.pagings, c.cookies[0])
		c.cookies = c.cookies[1:]
	}
	return cookie
}

func pagedAnswer(cookie string, p *pagedControl) string {
	if p == nil {
		return ""
	}
	var b ber.Builder
	m := b.Begin(ber.Sequence)
	b.Int(ber.Integer, 0)
	b.Str(ber.OctetString, cookie)
	b.End(m)
	return encodeControl(oidPaged, string(b.B))
}

// gather encodes up to limit matching entries after the given dnt. It holds the directory for
// reading meanwhile, so entries of one page belong together.
func (c *conn) gather(x *encoder, base *node, r *searchRequest, o options, after int64, limit int) batch {
	d := c.s.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out batch
	b := ber.Builder{B: c.s.buffer()}
	if d.byGUID[base.guid] != base { // restored meanwhile
		if base = d.byGUID[base.guid]; base == nil {
			return out
		}
	}
	m := d.compile(r.filter, c.s, x.who, c.gc)
	take := func(n *node) bool {
		if n.dnt <= after || !d.inScope(n, base, r.scope, c.gc && r.base == "") || !d.visible(x.who, n, o.deleted) && n != base || m.match(n) != isTrue {
			return true
		}
		if len(out.ends) >= limit {
			out.more = true
			return false
		}
		x.entry(&b, n)
		out.ends = append(out.ends, len(b.B))
		out.last = n.dnt
		return true
	}
	d.candidates(base, r.scope, after, m, take)
	out.buf = b.B
	return out
}

// buffer returns room for a page; recycle gives it back.
func (s *Server) buffer() []byte {
	if b, ok := s.pages.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (s *Server) recycle(b []byte) {
	if cap(b) > 0 && cap(b) <= 8<<20 {
		s.pages.Put(&b)
	}
}

// candidates offers the objects that can be in scope, in order of creation, until take is false.
func (d *directory) candidates(base *node, scope Scope, after int64, m *matcher, take func(*node) bool) {
	var list []*node
	switch {
	case scope == ScopeBase:
		take(base)
		return
	case m.known:
		list = m.indexed
	case scope == ScopeOneLevel:
		if base.kids == nil {
			return
		}
		list = base.kids.list.nodes[base.kids.list.from(after+1):]
	case base == d.root:
		list = d.order.nodes[d.order.from(after+1):]
	default:
		list = below(base, after, nil)
		slices.SortFunc(list, func(a, b *node) int { return int(a.dnt - b.dnt) })
	}
	for _, n := range list {
		if n != nil && !take(n) {
			return
		}
	}
}

// below collects base and what is below it.
func below(base *node, after int64, list []*node) []*node {
	if base.dnt > after {
		list = append(list, base)
	}
	if base.kids != nil {
		for _, k := range base.kids.list.nodes {
			if k != nil {
				list = below(k, after, list)
			}
		}
	}
	return list
}

// inScope checks scope and naming context; on the Global Catalog an empty base spans them all.
func (d *directory) inScope(n, base *node, scope Scope, everywhere bool) bool {
	if n.nc != base.nc && !everywhere {
		return false
	}
	switch scope {
	case ScopeBase:
		return n == base
	case ScopeOneLevel:
		return n.parent == base
	}
	return base == d.root || n.isBelow(base)
}

// deliver sends what a search found, or as much as a fault lets through; false if the search has
// ended with that.
func (c *conn) deliver(ctx context.Context, id int64, found batch, f Fault) bool {
	n := len(found.ends)
	switch {
	case f.LosePage:
		n = 0
	case f.ends():
		n = min(n, f.Entries)
	}
	if !c.sendEntries(ctx, found, n) {
		return false
	}
	if f.ends() {
		c.fail(id, f)
	}
	return !f.ends()
}

// sendEntries writes the first n entries; false if the search ended on the way.
func (c *conn) sendEntries(ctx context.Context, found batch, n int) bool {
	const chunk = 64 << 10
	start := 0
	for i := range n {
		end := found.ends[i]
		if end-start < chunk && i < n-1 {
			continue
		}
		if ctx.Err() != nil || c.write(found.buf[start:end]) != nil {
			return false
		}
		start = end
	}
	c.s.stats.entries.Add(int64(n))
	return true
}

// references are the continuation references of a subtree search from the domain: the other naming
// contexts below it, as Windows names them.
func (c *conn) references(id int64, base *node, scope Scope) []byte {
	d := c.s.dir
	if base != d.root || scope != ScopeSubtree {
		return nil
	}
	var b ber.Builder
	for _, u := range []string{
		"ldap://ForestDnsZones." + d.domain + "/DC=ForestDnsZones," + d.baseDN,
		"ldap://DomainDnsZones." + d.domain + "/DC=DomainDnsZones," + d.baseDN,
		"ldap://" + d.domain + "/CN=Configuration," + d.baseDN,
	} {
		m := b.Begin(ber.Sequence)
		b.Int(ber.Integer, id)
		r := b.Begin(tagSearchReference)
		b.Str(ber.OctetString, u)
		b.End(r)
		b.End(m)
	}
	return b.B
}
