package adtest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is how much one side may write before the other reads; like a socket, so that a
// client may send several requests before it reads an answer.
const pipeBuffer = 256 << 10

// newPipe returns the two ends of an in-memory connection.
func newPipe(name string) (client, server net.Conn) {
	a, b := newHalf(), newHalf()
	return &pipeEnd{in: a, out: b, local: "client", remote: pipeAddr(name)}, &pipeEnd{in: b, out: a, local: pipeAddr(name), remote: "client"}
}

// half is one direction. Waiting is done with a condition variable, which is durably blocking in
// a testing/synctest bubble.
type half struct {
	mu      sync.Mutex
	cond    *sync.Cond
	buf     []byte
	eof     bool // the writer closed
	dead    bool // the reader closed
	readBy  deadline
	writeBy deadline
}

func newHalf() *half {
	h := &half{}
	h.cond = sync.NewCond(&h.mu)
	return h
}

// deadline is a point in time that wakes a half.
type deadline struct {
	timer *time.Timer
	past  bool
	gen   int
}

func (h *half) set(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.gen++
	d.past = false
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		d.past = true
	default:
		gen := d.gen
		d.timer = time.AfterFunc(wait, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if d.gen == gen {
				d.past = true
				h.cond.Broadcast()
			}
		})
	}
	h.cond.Broadcast()
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.dead:
			return 0, net.ErrClosed
		case h.readBy.past:
			return 0, os.ErrDeadlineExceeded
		case len(h.buf) > 0:
			n := copy(p, h.buf)
			if h.buf = h.buf[n:]; len(h.buf) == 0 {
				h.buf = nil
			}
			h.cond.Broadcast()
			return n, nil
		case h.eof:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		h.cond.Wait()
	}
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(p) > 0 {
		switch {
		case h.eof:
			return n, net.ErrClosed
		case h.dead:
			return n, io.ErrClosedPipe
		case h.writeBy.past:
			return n, os.ErrDeadlineExceeded
		case len(h.buf) < pipeBuffer:
			k := min(len(p), pipeBuffer-len(h.buf))
			h.buf = append(h.buf, p[:k]...)
			p, n = p[k:], n+k
			h.cond.Broadcast()
			continue
		}
		h.cond.Wait()
	}
	return n, nil
}

// stop ends one direction from the reader's or the writer's side.
func (h *half) stop(reader bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if reader {
		h.dead, h.buf = true, nil
	} else {
		h.eof = true
	}
	for _, d := range []*deadline{&h.readBy, &h.writeBy} {
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	h.cond.Broadcast()
}

// pipeEnd is a net.Conn.
type pipeEnd struct {
	in, out       *half
	local, remote pipeAddr
}

func (e *pipeEnd) Read(p []byte) (int, error) {
	n, err := e.in.read(p)
	return n, e.wrap("read", err)
}

func (e *pipeEnd) Write(p []byte) (int, error) {
	n, err := e.out.write(p)
	return n, e.wrap("write", err)
}

func (e *pipeEnd) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "adtest", Addr: e.remote, Err: err}
}

func (e *pipeEnd) Close() error {
	e.in.stop(true)
	e.out.stop(false)
	return nil
}

func (e *pipeEnd) LocalAddr() net.Addr  { return e.local }
func (e *pipeEnd) RemoteAddr() net.Addr { return e.remote }

func (e *pipeEnd) SetDeadline(t time.Time) error {
	e.in.set(&e.in.readBy, t)
	e.out.set(&e.out.writeBy, t)
	return nil
}

func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	e.in.set(&e.in.readBy, t)
	return nil
}

func (e *pipeEnd) SetWriteDeadline(t time.Time) error {
	e.out.set(&e.out.writeBy, t)
	return nil
}

type pipeAddr string

func (a pipeAddr) Network() string { return "adtest" }
func (a pipeAddr) String() string  { return string(a) }
