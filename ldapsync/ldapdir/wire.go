package ldapdir

import (
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
	in      []byte // what was received and not yet handed on is in[from:to]
	from    int
	to      int
	foreign int        // bytes left of the message that go-ldap is reading
	raw     *gathering // below TLS; nil for a connection within the process
	entries int        // of ours, received one after the other

	sent   atomic.Int64 // bytes written
	whole  atomic.Int64 // messages of our searches that have come to their end
	left   atomic.Bool  // closed by us, by searching.leave
	free   chan []byte  // buffers for chunks
	nextID atomic.Int64

	mu     sync.Mutex
	routes map[int64]*route
	closed chan struct{} // closed by fail
	err    error         // why; set before closed is closed
}

// A route takes the messages with one message ID.
type route struct {
	id     int64
	chunks chan chunk
	done   chan struct{} // closed when nobody takes messages any more
}

// A chunk is one or more whole LDAPMessages.
type chunk struct {
	messages []byte // lent: giveBack takes them
	result   int    // where the last message begins if that ends the search; else -1
}

const (
	// bufferSize is how much is received at once, and so about how large a chunk is.
	bufferSize = 64 << 10
	// enough is the size from which on a chunk is handed over although more of the same search must come.
	enough = bufferSize / 2
	// chunksAhead is how many chunks may wait: what is on its way while one is decoded.
	chunksAhead = 3
	// maxLent is how large a buffer may be that is kept for the next chunk.
	maxLent = 2 * bufferSize
)

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c, in: make([]byte, bufferSize), routes: map[int64]*route{}, closed: make(chan struct{}),
		free: make(chan []byte, 2*chunksAhead)}
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
	if w.from == w.to {
		if err := w.fill(1); err != nil {
			w.fail(err)
			return 0, err
		}
	}
	n := copy(p, w.in[w.from:min(w.to, w.from+w.foreign)])
	w.from += n
	w.foreign -= n
	return n, nil
}

// fill receives until n bytes are there. The buffer grows with what has really come, not with what a length says.
func (w *wire) fill(n int) error {
	for w.to-w.from < n {
		switch {
		case w.from == w.to:
			w.from, w.to = 0, 0
			if len(w.in) > 16*bufferSize {
				w.in = make([]byte, bufferSize) // one large entry shall not hold its size for the life of the connection
			}
		case w.from+n > len(w.in), w.from > len(w.in)/2:
			w.to = copy(w.in, w.in[w.from:w.to])
			w.from = 0
		}
		if w.to == len(w.in) {
			w.in = append(w.in, make([]byte, len(w.in))...)
		}
		if w.broken() {
			return w.err
		}
		k, err := w.Conn.Read(w.in[w.to:])
		w.to += k
		if err != nil && w.to-w.from < n {
			return err
		}
	}
	return nil
}

// next looks at the message that comes next, and routes it if it is one of ours, with those behind it that belong
// to the same search. After an entry there must come more: waiting for some of it costs less than waking up the
// search for every entry that arrives.
func (w *wire) next() error {
	first, err := w.peek()
	if err != nil {
		return err
	}
	if first.id < firstOwnID {
		w.foreign = first.size
		return nil
	}
	if err := w.fill(first.size); err != nil {
		return err
	}
	w.saw(first)
	run, last := first.size, first
	for run < enough && last.op != opSearchDone {
		m, err := readHeader(w.in[w.from+run : w.to])
		if err != nil || m.size > 0 && m.id != first.id {
			break // an error is met again when its turn comes
		}
		if m.size == 0 || m.size > w.to-w.from-run {
			if last.op != opSearchEntry || m.size > enough || w.fill(w.to-w.from+1) != nil {
				break
			}
			continue
		}
		w.saw(m)
		run, last = run+m.size, m
	}
	w.mu.Lock()
	rt := w.routes[first.id]
	w.mu.Unlock()
	c := w.in[w.from : w.from+run]
	w.from += run
	if rt == nil {
		return nil // abandoned
	}
	var buffer []byte
	select {
	case buffer = <-w.free:
	default:
	}
	buffer = append(buffer[:0], c...)
	result := -1
	if last.op == opSearchDone {
		result = run - last.size
	}
	select {
	case rt.chunks <- chunk{buffer, result}:
	case <-rt.done:
	case <-w.closed:
	}
	return nil
}

// saw counts a message of ours.
func (w *wire) saw(m header) {
	w.whole.Add(1)
	if w.entries++; m.op != opSearchEntry {
		w.entries = 0
	}
	if w.raw != nil {
		w.raw.on = w.entries >= manyEntries
	}
}

// giveBack takes a buffer for another chunk.
func (w *wire) giveBack(buffer []byte) {
	if buffer == nil || cap(buffer) > maxLent {
		return
	}
	select {
	case w.free <- buffer:
	default:
	}
}

// A header is the beginning of an LDAPMessage.
type header struct {
	size int // of the whole message; 0 if need bytes are needed to tell
	id   int64
	op   byte
	need int
}

// peek returns the header of the next message without consuming it.
func (w *wire) peek() (header, error) {
	for {
		h, err := readHeader(w.in[w.from:w.to])
		if err != nil || h.size > 0 {
			return h, err
		}
		if err := w.fill(h.need); err != nil {
			return h, err
		}
	}
}

// readHeader reads the header of the message at the start of b.
func readHeader(b []byte) (header, error) {
	if len(b) < 2 {
		return header{need: 2}, nil
	}
	head := 2
	if b[1] >= 0x80 {
		head += int(b[1] - 0x80)
	}
	if b[0] != tagSequence || b[1] == 0x80 || head > 6 {
		return header{}, errMalformed
	}
	if len(b) < head+2 {
		return header{need: head + 2}, nil
	}
	length := int64(b[1])
	if head > 2 {
		length = 0
		for _, c := range b[2:head] {
			length = length<<8 | int64(c)
		}
	}
	if length > maxMessage {
		return header{}, fmt.Errorf("the server sent a message of %d bytes, more than %d", length, maxMessage)
	}
	digits := int(b[head+1])
	op := head + 2 + digits
	if b[head] != tagInteger || digits == 0 || digits > 4 || length < int64(2+digits+2) {
		return header{}, errMalformed // an ID and an operation
	}
	if len(b) <= op {
		return header{need: op + 1}, nil
	}
	id := int64(int8(b[head+2]))
	for _, c := range b[head+3 : op] {
		id = id<<8 | int64(c)
	}
	return header{size: head + int(length), id: id, op: b[op]}, nil
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
	rt := &route{id: w.nextID.Add(1), chunks: make(chan chunk, chunksAhead), done: make(chan struct{})}
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
