package adtest

import (
	"context"
	"strings"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// responses are the response tags of the requests that have one.
var responses = map[byte]byte{
	tagBindRequest: tagBindResponse, tagSearchRequest: tagSearchDone, tagModifyRequest: tagModifyResponse, tagAddRequest: tagAddResponse,
	tagDeleteRequest: tagDeleteResponse, tagModifyDNRequest: tagModifyDNResponse, tagCompareRequest: tagCompareResponse, tagExtendedRequest: tagExtendedResponse,
}

func opOf(tag byte) Op {
	switch tag {
	case tagBindRequest:
		return OpBind
	case tagUnbindRequest:
		return OpUnbind
	case tagSearchRequest:
		return OpSearch
	case tagModifyRequest:
		return OpModify
	case tagAddRequest:
		return OpAdd
	case tagDeleteRequest:
		return OpDelete
	case tagModifyDNRequest:
		return OpModifyDN
	case tagCompareRequest:
		return OpCompare
	case tagAbandonRequest:
		return OpAbandon
	}
	return OpExtended
}

// request describes a message to the hook.
func (c *conn) request(m message, op Op) *Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &Request{Op: op, Conn: c.id, Seq: c.s.seq.Add(1), TLS: c.secure, GC: c.gc}
	if c.bound != nil {
		q.Account = c.bound.Name
	}
	for _, ctl := range m.controls {
		q.Controls = append(q.Controls, ctl.oid)
	}
	return q
}

// result answers m.
func (c *conn) result(m message, e *Error) { c.finish(m.id, responses[m.op], e, "", "") }

// operate carries out one operation other than bind, unbind, abandon and StartTLS.
func (c *conn) operate(ctx context.Context, m message) {
	q := c.request(m, opOf(m.op))
	o, err := decodeControls(m.controls)
	if err != nil {
		c.result(m, err)
		return
	}
	switch r := m.body.(type) {
	case *searchRequest:
		q.DN, q.Scope, q.Attributes = r.base, r.scope, r.attributes
		if c.s.hook.Load() != nil {
			q.Filter = r.filter.String()
		}
		if o.paged != nil && o.paged.cookie != "" {
			c.mu.Lock()
			if p := c.pagings[o.paged.cookie]; p != nil {
				q.Page = p.page
			}
			c.mu.Unlock()
		}
		c.search(ctx, m, r, o, q)
	case *modifyRequest:
		q.DN, q.Changes = r.dn, r.changes
		c.writing(ctx, m, q, func(d *directory, by *account) *Error {
			n, err := d.target(by, r.dn, o)
			if err != nil {
				return err
			}
			return d.modify(by, n, r.changes, writeOptions{permissive: o.permissive, deleted: o.deleted})
		})
	case *addRequest:
		q.DN, q.Changes = r.dn, r.attrs
		c.writing(ctx, m, q, func(d *directory, by *account) *Error { return d.addRequest(by, r) })
	case string:
		q.DN = r
		c.writing(ctx, m, q, func(d *directory, by *account) *Error {
			n, err := d.target(by, r, o)
			if err != nil {
				return err
			}
			return d.remove(by, n, o.tree)
		})
	case *modifyDNRequest:
		q.DN, q.NewDN = r.dn, r.newRDN
		if r.hasSuperior {
			q.NewDN += "," + r.newSuperior
		} else if _, parent, ok := strings.Cut(r.dn, ","); ok {
			if dn, err := parseDN(r.dn); err == nil && len(dn) > 1 {
				parent = joinDN(dn[1:])
			}
			q.NewDN += "," + parent
		}
		c.writing(ctx, m, q, func(d *directory, by *account) *Error { return d.moveRequest(by, r, o) })
	case *compareRequest:
		q.DN = r.dn
		c.s.stats.compares.Add(1)
		c.compare(ctx, m, q, r, o)
	case *extendedRequest:
		q.Name = r.name
		c.extended(ctx, m, q, r)
	}
}

// writing carries out one of the four writes between the two moments at which a fault can strike.
func (c *conn) writing(ctx context.Context, m message, q *Request, do func(*directory, *account) *Error) {
	f := c.s.fault(ctx, q)
	switch {
	case ctx.Err() != nil, f.Delay > 0 && !sleep(ctx, f.Delay):
		return // abandoned or gone before it began
	case f.Drop == DropBefore:
		c.drop()
		return
	case f.Code != ResultSuccess:
		c.result(m, f.result())
		return
	}
	by := c.who()
	var err *Error
	if by == nil {
		err = notBound()
	} else {
		d := c.s.dir
		d.mu.Lock()
		err = do(d, by)
		d.mu.Unlock()
	}
	if err == nil {
		c.s.stats.wrote(q.Op)
	}
	if f.Drop == DropAfter {
		c.drop()
		return
	}
	c.result(m, err)
}

func (s *counters) wrote(op Op) {
	switch op {
	case OpModify:
		s.modifies.Add(1)
	case OpAdd:
		s.adds.Add(1)
	case OpDelete:
		s.deletes.Add(1)
	case OpModifyDN:
		s.moves.Add(1)
	}
}

// target finds what a write or compare names; what the account cannot see does not exist for it.
func (d *directory) target(by *account, dn string, o options) (*node, *Error) {
	n, err := d.find(dn)
	if err != nil {
		return nil, err
	}
	if !d.visible(by, n, o.deleted) {
		return nil, noSuchObject(d.dn(d.root))
	}
	return n, nil
}

func (d *directory) addRequest(by *account, r *addRequest) *Error {
	attrs := Attrs{}
	password, setPassword := "", false
	for _, a := range r.attrs {
		t, err := d.typeForWrite(a.Attr)
		if err != nil {
			return err
		}
		if t.writeOnly {
			if password, err = newPassword(t, Change{ReplaceValues, a.Attr, a.Values}); err != nil {
				return err
			}
			setPassword = true
			continue
		}
		if _, twice := attrs[t.name]; twice {
			return valueExists(t)
		}
		attrs[t.name] = a.Values
	}
	n, err := d.addObject(by, r.dn, attrs, writeOptions{})
	if err == nil && setPassword {
		d.setPassword(n, password)
	}
	return err
}

func (d *directory) moveRequest(by *account, r *modifyDNRequest, o options) *Error {
	n, err := d.target(by, r.dn, o)
	if err != nil {
		return err
	}
	name, err := parseDN(r.newRDN)
	if err != nil || len(name) != 1 {
		return invalidDN("new RDN " + quote(r.newRDN))
	}
	if !r.deleteOld {
		return refuse(ResultUnwillingToPerform, "00002077: SvcErr: problem 5003 (WILL_NOT_PERFORM): deleteoldrdn must be TRUE")
	}
	var parent *node
	if r.hasSuperior {
		if parent, err = d.target(by, r.newSuperior, o); err != nil {
			if err.Code == ResultNoSuchObject {
				err = refuse(ResultOther, "00002089: UpdErr: the new parent does not exist")
			}
			return err
		}
	}
	return d.move(by, n, name[0], parent)
}

func (c *conn) compare(ctx context.Context, m message, q *Request, r *compareRequest, o options) {
	if !c.survives(ctx, m, q) {
		return
	}
	who := c.who()
	if who == nil {
		c.result(m, notBound())
		return
	}
	c.result(m, c.s.compare(who, r, o, c.gc))
}

func (s *Server) compare(who *account, r *compareRequest, o options, gc bool) *Error {
	d := s.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, err := d.target(who, r.dn, o)
	if err != nil {
		return err
	}
	is := func(f *filter) bool { return d.compile(f, s, who, gc).match(n) == isTrue }
	switch {
	case is(&filter{op: filterEqual, attr: r.attr, value: r.value}):
		return &Error{Code: ResultCompareTrue}
	case !is(&filter{op: filterPresent, attr: r.attr}):
		return refuse(ResultNoSuchAttribute, "00002080: AtrErr: problem 1001 (NO_ATTRIBUTE_OR_VAL), Att %s", quote(r.attr))
	}
	return &Error{Code: ResultCompareFalse}
}

// survives applies the fault of an operation that writes nothing; false if it was the end of it.
func (c *conn) survives(ctx context.Context, m message, q *Request) bool {
	f := c.s.fault(ctx, q)
	switch {
	case ctx.Err() != nil, f.Delay > 0 && !sleep(ctx, f.Delay):
		return false
	case f.Drop != DropNever:
		c.drop()
		return false
	case f.Code != ResultSuccess:
		c.result(m, f.result())
		return false
	}
	return true
}

func (c *conn) extended(ctx context.Context, m message, q *Request, r *extendedRequest) {
	if !c.survives(ctx, m, q) {
		return
	}
	if r.name != oidWhoAmI {
		c.result(m, refuse(ResultProtocolError, "0000203D: LdapErr: comment: Unknown extended request OID, data 0"))
		return
	}
	var b ber.Builder
	who := ""
	if a := c.who(); a != nil {
		who = "u:" + c.s.dir.netBIOS + `\` + a.Name
	}
	b.Str(0x8b, who)
	c.finish(m.id, tagExtendedResponse, nil, string(b.B), "")
}

// bind answers a bind in the reading goroutine, because nothing may overtake it.
func (c *conn) bind(m message, r *bindRequest) {
	c.s.stats.binds.Add(1)
	q := c.request(m, OpBind)
	q.DN = r.name
	c.mu.Lock()
	c.bound = nil // RFC 4511 section 4.2.1: a failed bind leaves the connection anonymous
	secure, peer := c.secure, c.peer
	c.mu.Unlock()
	if !c.survives(c.end, m, q) {
		return
	}
	var who *account
	_, err := decodeControls(m.controls)
	if err == nil {
		who, err = c.logOn(r, secure, peer)
	}
	if err != nil {
		c.s.stats.failedBinds.Add(1)
	} else {
		c.mu.Lock()
		c.bound = who
		c.mu.Unlock()
	}
	c.result(m, err)
}

func (c *conn) logOn(r *bindRequest, secure bool, peer string) (*account, *Error) {
	d := c.s.dir
	switch {
	case r.version != 3:
		return nil, refuse(ResultProtocolError, "00000057: LdapErr: LDAP version %d is not supported", r.version)
	case r.simple && r.password == "":
		return nil, nil // anonymous, also with a name (RFC 4513 section 5.1.2), as a domain controller answers
	case r.simple && !secure && !c.s.plainBind:
		return nil, refuse(ResultStrongerAuthRequired, `00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if SSL\TLS are not already active on the connection, data 0, v4563`)
	case r.simple:
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.authenticate(r.name, r.password)
	case r.sasl == "EXTERNAL":
		d.mu.Lock()
		defer d.mu.Unlock()
		a := d.accounts[fold(peer)]
		if peer == "" || a == nil {
			return nil, refuse(ResultInvalidCredentials, "80090304: LdapErr: comment: the TLS connection has no certificate of an account, data 0, v4563")
		}
		return a, d.mayLogOn(a)
	}
	return nil, refuse(ResultAuthMethodNotSupported, "00002027: LdapErr: comment: Invalid Authentication method, data 0, v4563")
}
