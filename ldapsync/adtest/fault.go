package adtest

import (
	"context"
	"sync/atomic"
	"time"
)

// An Op is an LDAP operation.
type Op uint8

// The operations.
const (
	OpBind Op = iota + 1
	OpUnbind
	OpSearch
	OpModify
	OpAdd
	OpDelete
	OpModifyDN
	OpCompare
	OpAbandon
	OpExtended
)

var opNames = [...]string{OpBind: "bind", OpUnbind: "unbind", OpSearch: "search", OpModify: "modify", OpAdd: "add", OpDelete: "delete",
	OpModifyDN: "modifyDN", OpCompare: "compare", OpAbandon: "abandon", OpExtended: "extended"}

// String returns the name of the operation.
func (o Op) String() string {
	if int(o) < len(opNames) && opNames[o] != "" {
		return opNames[o]
	}
	return "Op(" + itoa(int(o)) + ")"
}

// Writes reports whether the operation changes the directory.
func (o Op) Writes() bool { return o == OpModify || o == OpAdd || o == OpDelete || o == OpModifyDN }

// A Scope is the scope of a search (RFC 4511 section 4.5.1.2).
type Scope uint8

// The scopes.
const (
	ScopeBase     Scope = 0
	ScopeOneLevel Scope = 1
	ScopeSubtree  Scope = 2
)

// A Request is what a Hook sees of an operation before it is carried out.
type Request struct {
	Op      Op
	Conn    int64  // number of the connection, from 1
	Seq     int64  // number of the request on this server, from 1
	Account string // who is bound; "" is nobody. For OpBind: who was bound before
	TLS     bool
	GC      bool     // on the Global Catalog
	DN      string   // as the client wrote it: base, target, or name to bind
	NewDN   string   // OpModifyDN: the new name
	Changes []Change // OpModify; OpAdd as AddValues

	Scope      Scope // OpSearch, with the following
	Filter     string
	Attributes []string
	Page       int // 0 for the first page and for searches without paging

	Name     string   // OpExtended: the OID
	Controls []string // OIDs
}

// A Drop says when a Fault drops the connection.
type Drop uint8

// The moments.
const (
	DropNever  Drop = iota
	DropBefore      // nothing is done
	DropAfter       // the operation is carried out, its answer is lost; a search sends Entries entries first
)

// A Fault is what goes wrong with one operation. The zero Fault is nothing.
type Fault struct {
	Delay     time.Duration // before anything else; counts against a search's time limit
	Code      int           // answer this instead of carrying out; a search sends Entries entries first
	Message   string        // diagnosticMessage for Code
	Referrals []string      // for Code 10
	Entries   int           // entries a search sends before Code or DropAfter takes effect
	Drop      Drop
	LosePage  bool // a search leaves out the entries of this page and ends as if nothing were missing
}

func (f Fault) none() bool {
	return f.Delay == 0 && f.Code == 0 && f.Drop == DropNever && !f.LosePage
}

// A Hook decides what goes wrong. It is called before every operation but Unbind and Abandon, from
// the goroutine of that operation, so concurrently; it may block, and ctx ends with an Abandon and
// with the connection.
// It must not call methods of the Server that close it or drop its connections; reading and
// changing data is allowed, which makes a concurrent edit between two requests easy to stage.
type Hook func(ctx context.Context, r Request) Fault

// SetHook replaces the hook; nil removes it. Operations that have begun keep theirs.
func (s *Server) SetHook(h Hook) {
	if h == nil {
		s.hook.Store(nil)
		return
	}
	s.hook.Store(&h)
}

// fault asks the hook.
func (s *Server) fault(ctx context.Context, r *Request) Fault {
	h := s.hook.Load()
	if h == nil {
		return Fault{}
	}
	f := (*h)(ctx, *r)
	if !f.none() {
		s.stats.faults.Add(1)
	}
	return f
}

// Stats counts what a server was asked for. Operations that failed count as well, except for the
// four kinds of writes.
type Stats struct {
	Connections int64 // accepted so far
	Open        int64 // open now
	Binds       int64
	FailedBinds int64
	Searches    int64 // pages count one by one
	Entries     int64 // sent
	Compares    int64
	Abandons    int64
	Modifies    int64 // succeeded over LDAP, with or without effect
	Adds        int64
	Deletes     int64
	Moves       int64 // ModifyDN
	Faults      int64 // faults a hook asked for
	Watches     int64 // change notifications registered now
}

// Writes is the number of successful LDAP writes.
func (s Stats) Writes() int64 { return s.Modifies + s.Adds + s.Deletes + s.Moves }

type counters struct {
	connections, binds, failedBinds, searches, entries, compares, abandons, modifies, adds, deletes, moves, faults atomic.Int64
}

// Stats returns the counters of this domain controller.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := int64(len(s.conns))
	s.mu.Unlock()
	watches := int64(0)
	s.dir.mu.RLock()
	for sub := range s.dir.subs {
		if sub.on == s {
			watches++
		}
	}
	s.dir.mu.RUnlock()
	c := &s.stats
	return Stats{
		Watches:     watches,
		Connections: c.connections.Load(), Open: open, Binds: c.binds.Load(), FailedBinds: c.failedBinds.Load(), Searches: c.searches.Load(),
		Entries: c.entries.Load(), Compares: c.compares.Load(), Abandons: c.abandons.Load(), Modifies: c.modifies.Load(), Adds: c.adds.Load(),
		Deletes: c.deletes.Load(), Moves: c.moves.Load(), Faults: c.faults.Load(),
	}
}
