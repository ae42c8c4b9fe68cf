package ldapdir

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxMessage bounds one LDAP message. A domain controller sends at most 5,000 values of an attribute in one
	// (MaxValRange), an entry with a photo or a certificate store is far below.
	maxMessage = 64 << 20
	// firstOwnID separates the message IDs of the searches made here from those that go-ldap counts up from 1.
	firstOwnID = 1 << 30
)

// A wire is the connection as go-ldap sees it. It hands the messages that answer searches of this package to
// their route and everything else to go-ldap. Its Read is called by go-ldap's reading goroutine only.
type wire struct {
	net.Conn
	r       *bufio.Reader
	foreign int    // bytes left of the message that go-ldap is reading
	scratch []byte // the message that is being routed

	sent   atomic.Int64 // bytes written
	nextID atomic.Int64

	mu     sync.Mutex
	routes map[int64]*route
	closed chan struct{} // closed by fail
	err    error         // why; set before closed is closed
}

// A route takes the messages with one message ID.
type route struct {
	id       int64
	messages chan string   // the content of the LDAPMessage after its ID
	done     chan struct{} // closed when nobody takes messages any more
}

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c, r: bufio.NewReaderSize(c, 64<<10), routes: map[int64]*route{}, closed: make(chan struct{})}
	w.nextID.Store(firstOwnID)
	return w
}

// Read gives go-ldap its messages.
func (w *wire) Read(p []byte) (int, error) {
	for w.foreign == 0 {
		if err := w.next(); err != nil {
			w.fail(err)
			return 0, err
		}
	}
	n, err := w.r.Read(p[:min(len(p), w.foreign)])
	w.foreign -= n
	if err != nil {
		w.fail(err)
	}
	return n, err
}

// next looks at the message that comes next, and routes it if it is one of ours.
func (w *wire) next() error {
	size, id, err := w.peek()
	if err != nil {
		return err
	}
	if id < firstOwnID {
		w.foreign = size
		return nil
	}
	if cap(w.scratch) < size {
		w.scratch = make([]byte, size+size/2)
	}
	buf := w.scratch[:size]
	if _, err := io.ReadFull(w.r, buf); err != nil {
		return err
	}
	w.mu.Lock()
	rt := w.routes[id]
	w.mu.Unlock()
	if rt == nil {
		return nil // abandoned
	}
	content, _, err := expect(tagSequence, string(buf))
	if err != nil {
		return err
	}
	_, rest, err := expect(tagInteger, content)
	if err != nil {
		return err
	}
	select {
	case rt.messages <- rest:
	case <-rt.done:
	case <-w.closed:
	}
	if cap(w.scratch) > 1<<20 {
		w.scratch = nil // one large entry shall not hold its size for the life of the connection
	}
	return nil
}

// peek returns the size of the next message and its ID without consuming it.
func (w *wire) peek() (size int, id int64, err error) {
	b, err := w.r.Peek(2)
	if err != nil {
		return 0, 0, err
	}
	head := 2
	if b[1] >= 0x80 {
		head += int(b[1] - 0x80)
	}
	if b[0] != tagSequence || b[1] == 0x80 || head > 6 {
		return 0, 0, errMalformed
	}
	if b, err = w.r.Peek(head + 2); err != nil {
		return 0, 0, err
	}
	length := int64(b[1])
	if head > 2 {
		length = 0
		for _, c := range b[2:head] {
			length = length<<8 | int64(c)
		}
	}
	if length > maxMessage {
		return 0, 0, fmt.Errorf("the server sent a message of %d bytes, more than %d", length, maxMessage)
	}
	digits := int(b[head+1])
	if b[head] != tagInteger || digits > 4 || length < int64(2+digits) {
		return 0, 0, errMalformed
	}
	if b, err = w.r.Peek(head + 2 + digits); err != nil {
		return 0, 0, err
	}
	if id, err = number(string(b[head+2:])); err != nil {
		return 0, 0, err
	}
	return head + int(length), id, nil
}

// Write counts, so that a lost connection can be told from a request that never left.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.sent.Add(int64(n))
	if err != nil {
		w.fail(err)
	}
	return n, err
}

// Close ends everything that waits for the connection.
func (w *wire) Close() error {
	w.fail(net.ErrClosed)
	return w.Conn.Close()
}

func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		close(w.closed)
	}
}

// broken reports whether the connection has failed or was closed.
func (w *wire) broken() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// send writes one request under a new message ID and opens the route for its answers.
func (w *wire) send(request, controls string, timeout time.Duration) (*route, error) {
	rt := &route{id: w.nextID.Add(1), messages: make(chan string, 64), done: make(chan struct{})}
	w.mu.Lock()
	w.routes[rt.id] = rt
	w.mu.Unlock()
	if err := w.post(rt.id, request+controls, timeout); err != nil {
		w.shut(rt)
		return nil, err
	}
	return rt, nil
}

func (w *wire) post(id int64, content string, timeout time.Duration) error {
	if w.broken() {
		return w.err
	}
	if err := w.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, tlv(tagSequence, integer(tagInteger, id), content)); err != nil {
		return err
	}
	return w.SetWriteDeadline(time.Time{})
}

// shut closes a route; answers that still come are dropped.
func (w *wire) shut(rt *route) {
	w.mu.Lock()
	delete(w.routes, rt.id)
	w.mu.Unlock()
	close(rt.done)
}

// abandon tells the server that nobody waits for the answers of a search (RFC 4511 section 4.11).
func (w *wire) abandon(rt *route) {
	w.shut(rt)
	number := integer(opAbandon, rt.id)
	_ = w.post(w.nextID.Add(1), number, time.Second)
}

// unbind says goodbye and closes the connection.
func (w *wire) unbind() {
	_ = w.post(w.nextID.Add(1), tlv(opUnbind), time.Second)
	_ = w.Close()
}
