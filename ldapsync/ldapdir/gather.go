package ldapdir

import (
	"net"
	"time"
)

const (
	// manyEntries is how many entries must have come in a row before more are left to gather: a search that answers
	// with few of them is not made to wait.
	manyEntries = 64
	// gatherFor is how long they gather. A page of entries takes many times as long.
	gatherFor = 200 * time.Microsecond
)

// A gathering is the connection to the server below TLS. Servers send every entry by itself. To be woken up for each
// costs more than to decode it, and the server, which has to do the waking, its time as well. While many entries
// follow each other (on), a Read that would find nothing, because the one before took all there was, gives them a
// moment to gather. It delays the end of a page by no more than that.
type gathering struct {
	net.Conn
	rest  func(time.Duration)
	on    bool // set by the goroutine that reads
	taken bool // the last Read took all there was
}

func (g *gathering) Read(p []byte) (int, error) {
	if g.on && g.taken {
		g.rest(gatherFor)
	}
	n, err := g.Conn.Read(p)
	g.taken = n < len(p)
	return n, err
}
