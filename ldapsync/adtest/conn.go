package adtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"sync"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// maxOutstanding is how many operations one connection may have open; more are answered busy.
const maxOutstanding = 1024

// conn is one client. One goroutine reads; every operation runs in its own, so that an Abandon
// is seen while a search runs. Writes of one connection are carried out in the order they came.
type conn struct {
	s    *Server
	id   int64
	gc   bool
	ldap bool          // implicit TLS: LDAPS
	done chan struct{} // closed when run has returned
	end  context.Context
	stop context.CancelFunc

	raw net.Conn // what drop closes

	writeMu sync.Mutex
	rw      net.Conn // raw, or TLS on it
	broken  bool

	mu        sync.Mutex
	bound     *account
	secure    bool
	peer      string // subject of the client certificate
	running   map[int64]*running
	tail      chan struct{} // closed when the last write so far is done
	pagings   map[string]*paging
	cookies   []string // in order of use
	cookieSeq int64
	watches   int

	ops sync.WaitGroup
}

// running is an operation that has no answer yet.
type running struct{ cancel context.CancelFunc }

func newConn(s *Server, raw net.Conn, id int64, useTLS, gc bool) *conn {
	c := &conn{s: s, id: id, gc: gc, ldap: useTLS, done: make(chan struct{}), raw: raw, rw: raw, running: map[int64]*running{}, pagings: map[string]*paging{}}
	c.end, c.stop = context.WithCancel(context.Background())
	return c
}

// drop closes the connection without a word.
func (c *conn) drop() {
	c.stop()
	c.raw.Close()
}

func (c *conn) who() *account {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bound
}

// run serves the connection until it ends.
func (c *conn) run() {
	defer func() {
		c.drop()
		c.ops.Wait()
	}()
	if c.ldap && !c.startTLS() {
		return
	}
	r := bufio.NewReaderSize(c.rw, 16<<10)
	for {
		body, err := ber.ReadMessage(r, maxMessage)
		if err != nil {
			if err == ber.ErrTooLarge {
				c.disconnect("message too large")
			}
			return
		}
		m, err := decodeMessage(body)
		if err != nil {
			c.disconnect(err.Error())
			return
		}
		switch m.op {
		case tagUnbindRequest:
			return
		case tagAbandonRequest:
			c.s.stats.abandons.Add(1)
			c.abandon(m.body.(int64))
			continue
		case tagBindRequest:
			c.abandonAll()
			c.bind(m, m.body.(*bindRequest))
			continue
		case tagExtendedRequest:
			if x := m.body.(*extendedRequest); x.name == oidStartTLS {
				if !c.upgrade(m, x) {
					return
				}
				r = bufio.NewReaderSize(c.rw, 16<<10)
				continue
			}
		}
		c.begin(m)
	}
}

// begin runs an operation in its own goroutine.
func (c *conn) begin(m message) {
	ctx, cancel := context.WithCancel(c.end)
	c.mu.Lock()
	if len(c.running) >= maxOutstanding || c.running[m.id] != nil {
		taken := c.running[m.id] != nil
		c.mu.Unlock()
		cancel()
		refused := refuse(ResultBusy, "0000200E: SvcErr: more than %d operations on one connection", maxOutstanding)
		if taken {
			refused = refuse(ResultProtocolError, "00000057: LdapErr: message id %d is in use", m.id)
		}
		c.send(m.id, responses[m.op], refused, "", "")
		return
	}
	op := &running{cancel}
	c.running[m.id] = op
	var before, after chan struct{}
	if opOf(m.op).Writes() {
		before, after = c.tail, make(chan struct{})
		c.tail = after
	}
	c.mu.Unlock()
	c.ops.Add(1)
	go func() {
		defer c.ops.Done()
		defer cancel()
		if after != nil {
			defer close(after)
			if before != nil {
				<-before
			}
		}
		c.operate(ctx, m)
		c.forget(m.id, op)
	}()
}

func (c *conn) abandon(id int64) {
	c.mu.Lock()
	op := c.running[id]
	c.mu.Unlock()
	if op != nil {
		op.cancel()
	}
}

// abandonAll ends what runs: a bind begins anew (RFC 4511 section 4.2.1).
func (c *conn) abandonAll() {
	c.mu.Lock()
	for _, op := range c.running {
		op.cancel()
	}
	c.mu.Unlock()
	c.ops.Wait()
}

// write sends whole messages.
func (c *conn) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if c.broken {
		return net.ErrClosed
	}
	if _, err := c.rw.Write(b); err != nil {
		c.broken = true
		c.drop()
		return err
	}
	return nil
}

// forget makes a message id free again; with an operation only if it is still that one's.
func (c *conn) forget(id int64, op *running) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op == nil || c.running[id] == op {
		delete(c.running, id)
	}
}

// finish sends the end of an operation. Its id is free before the client can know.
func (c *conn) finish(id int64, tag byte, e *Error, extra, controls string) {
	c.forget(id, nil)
	c.send(id, tag, e, extra, controls)
}

func (c *conn) send(id int64, tag byte, e *Error, extra, controls string) {
	var b ber.Builder
	appendResult(&b, id, tag, e, extra, controls)
	c.write(b.B)
}

// disconnect sends the notice of disconnection (RFC 4511 section 4.4.1).
func (c *conn) disconnect(why string) {
	var name ber.Builder
	name.Str(0x8a, "1.3.6.1.4.1.1466.20036")
	c.finish(0, tagExtendedResponse, refuse(ResultProtocolError, "00000057: LdapErr: comment: Error decoding ldap message: %s", why), string(name.B), "")
}

// startTLS makes the connection a TLS connection; false if the handshake failed.
func (c *conn) startTLS() bool {
	t := tls.Server(c.raw, c.s.serverConfig())
	if err := t.HandshakeContext(c.end); err != nil {
		return false
	}
	c.writeMu.Lock()
	c.rw = t
	c.writeMu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secure = true
	if p := t.ConnectionState().PeerCertificates; len(p) > 0 {
		c.peer = p[0].Subject.CommonName
	}
	return true
}

// upgrade answers StartTLS; false if the connection is over.
func (c *conn) upgrade(m message, x *extendedRequest) bool {
	var name ber.Builder
	name.Str(0x8a, oidStartTLS)
	var refused *Error
	q := c.request(m, OpExtended)
	q.Name = x.name
	f := c.s.fault(c.end, q)
	c.mu.Lock()
	busy := len(c.running) > 0
	secure := c.secure
	c.mu.Unlock()
	switch {
	case f.Delay > 0 && !sleep(c.end, f.Delay), f.Drop != DropNever:
		return false
	case f.Code != 0:
		refused = f.result()
	case c.s.noTLS:
		refused = refuse(ResultUnavailable, "00000000: LdapErr: DSID-0C090F78, comment: Error initializing SSL/TLS, data 0, v4563")
	case secure, busy:
		refused = refuse(ResultOperationsError, "00000057: LdapErr: comment: TLS or an operation is active already")
	}
	c.finish(m.id, tagExtendedResponse, refused, string(name.B), "")
	return refused != nil || c.startTLS()
}
