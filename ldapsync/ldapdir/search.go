package ldapdir

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Object identifiers of controls.
const (
	oidPaged     = "1.2.840.113556.1.4.319" // RFC 2696
	oidSDFlags   = "1.2.840.113556.1.4.801" // [MS-ADTS] section 3.1.1.3.4.1.11
	oidAssertion = "1.3.6.1.1.12"           // RFC 4528
)

// scope of a search (RFC 4511 section 4.5.1.2).
type scope int64

const (
	scopeBase scope = iota
	scopeOne
	scopeSub
)

// A request is one search.
type request struct {
	base   string
	scope  scope
	filter string // encoded; "" for (objectClass=*)
	attrs  []string
	// Page, if not 0, asks for a page of that many entries; cookie says where to go on.
	page    int
	cookie  string
	sdFlags bool // ask for owner, group and DACL of nTSecurityDescriptor
}

// compile encodes a filter.
func compile(filter string) (string, error) {
	p, err := ldap.CompileFilter(filter)
	if err != nil {
		return "", fmt.Errorf("ldapdir: %q is not a filter (RFC 4515): %w", filter, err)
	}
	return string(p.Bytes()), nil
}

// both encodes the conjunction of two encoded filters; the second may be empty.
func both(a, b string) string {
	if b == "" {
		return a
	}
	return tlv(0xa0, a, b)
}

// equals encodes (attr=value) for a value that is bytes.
func equals(attr, value string) string { return tlv(0xa3, tlv(tagOctets, attr), tlv(tagOctets, value)) }

// present encodes (attr=*).
func present(attr string) string { return tlv(0x87, attr) }

func (r request) encode() (op, controls string) {
	filter := r.filter
	if filter == "" {
		filter = present("objectClass")
	}
	names := ""
	for _, a := range r.attrs {
		names += tlv(tagOctets, a)
	}
	op = tlv(opSearch,
		tlv(tagOctets, r.base), integer(tagEnumerated, int64(r.scope)),
		integer(tagEnumerated, 0),                      // never dereference aliases
		integer(tagInteger, 0), integer(tagInteger, 0), // no limits but the server's
		boolean(false), filter, tlv(tagSequence, names))
	if r.page > 0 {
		// Critical: a server that cannot page must say so rather than stop at its limit.
		controls += control(oidPaged, true, tlv(tagSequence, integer(tagInteger, int64(r.page)), tlv(tagOctets, r.cookie)))
	}
	if r.sdFlags {
		controls += control(oidSDFlags, true, tlv(tagSequence, integer(tagInteger, 7)))
	}
	if controls != "" {
		controls = tlv(tagControls, controls)
	}
	return op, controls
}

func control(oid string, critical bool, value string) string {
	return tlv(tagSequence, tlv(tagOctets, oid), boolean(critical), tlv(tagOctets, value))
}

// An entry is a search result.
type entry struct {
	dn    string
	attrs string // encoded PartialAttributeList
}

// A lentEntry is an entry in memory that the next message will use.
type lentEntry struct{ dn, attrs []byte }

func (e lentEntry) keep() entry { return entry{string(e.dn), string(e.attrs)} }
func (e entry) lend() lentEntry { return lentEntry{[]byte(e.dn), []byte(e.attrs)} }

// each calls f for every attribute and its encoded values, and stops at an error.
func (e entry) each(f func(name, values string) error) error {
	for list := e.attrs; list != ""; {
		var name, values string
		var err error
		if name, values, list, err = attribute(list); err != nil {
			return err
		}
		if err := f(name, values); err != nil {
			return err
		}
	}
	return nil
}

// attribute takes the first PartialAttribute off a list: its description and its encoded values.
func attribute[B bytestring](list B) (description, values, rest B, err error) {
	one, rest, err := expect(tagSequence, list)
	if err == nil {
		description, one, err = expect(tagOctets, one)
	}
	if err == nil {
		values, _, err = expect(tagSet, one)
	}
	return description, values, rest, err
}

// appendValues decodes a set of values.
func appendValues(to []string, set string) ([]string, error) {
	for set != "" {
		v, rest, err := expect(tagOctets, set)
		if err != nil {
			return nil, err
		}
		to, set = append(to, v), rest
	}
	return to, nil
}

// A result is the end of a search.
type result struct {
	code       ResultCode
	matched    string
	diagnostic string
	cookie     string // of the paged results control; "" after the last page
	paged      bool
}

// parseResult reads an LDAPResult and the controls after it.
func parseResult(body, controls string) (result, error) {
	var r result
	code, rest, err := expect(tagEnumerated, body)
	if err != nil {
		return r, err
	}
	n, err := number(code)
	if err != nil || n < 0 || n > 0xffff {
		return r, errMalformed
	}
	r.code = ResultCode(n)
	if r.matched, rest, err = expect(tagOctets, rest); err != nil {
		return r, err
	}
	if r.diagnostic, _, err = expect(tagOctets, rest); err != nil {
		return r, err
	}
	if controls == "" {
		return r, nil
	}
	list, _, err := expect(tagControls, controls)
	if err != nil {
		return r, err
	}
	for list != "" {
		var one, oid string
		if one, list, err = expect(tagSequence, list); err != nil {
			return r, err
		}
		if oid, one, err = expect(tagOctets, one); err != nil {
			return r, err
		}
		if oid != oidPaged {
			continue
		}
		tag, value, rest, err := cut(one)
		if err == nil && tag == tagBoolean {
			value, _, err = expect(tagOctets, rest)
		}
		if err != nil {
			return r, err
		}
		if value, _, err = expect(tagSequence, value); err != nil {
			return r, err
		}
		_, value, err = expect(tagInteger, value) // an estimate of the size of the result
		if err != nil {
			return r, err
		}
		if r.cookie, _, err = expect(tagOctets, value); err != nil {
			return r, err
		}
		r.paged = true
	}
	return r, nil
}

// A searching is a search under way.
type searching struct {
	w       *wire
	rt      *route
	timeout time.Duration
	timer   *time.Timer
	buffer  []byte   // lent by the wire
	chunk   []byte   // the messages in buffer that have not been returned
	queue   [][]byte // buffers that come after it
	ending  *result  // of the search, when it has come; entries may still be in chunk and queue
	any     bool     // something was received
	over    bool
}

func (w *wire) search(r request, timeout time.Duration) (*searching, error) {
	op, controls := r.encode()
	rt, err := w.send(op, controls, timeout)
	if err != nil {
		return nil, err
	}
	return &searching{w: w, rt: rt, timeout: timeout, timer: time.NewTimer(timeout)}, nil
}

// next returns the next entry, or the result at the end. A nil result and no error is an entry; it is lent until next
// is called again. References are skipped. After an error the search is over and the connection is closed.
func (s *searching) next(ctx context.Context) (lentEntry, *result, error) {
	for {
		if len(s.chunk) == 0 && len(s.queue) == 0 && s.ending != nil {
			s.stop()
			return lentEntry{}, s.ending, nil
		}
		e, ok, err := s.step(ctx)
		if err != nil {
			s.stop()
			return lentEntry{}, nil, err
		}
		if ok {
			return e, nil, nil
		}
	}
}

// step takes one message, and reports whether it was an entry.
func (s *searching) step(ctx context.Context) (e lentEntry, ok bool, err error) {
	if len(s.chunk) == 0 {
		s.w.giveBack(s.buffer)
		s.buffer = nil
		if len(s.queue) == 0 {
			if err := s.fetch(ctx); err != nil {
				return e, false, err
			}
		}
		s.buffer, s.queue = s.queue[0], s.queue[1:]
		if s.chunk = s.buffer; len(s.chunk) == 0 {
			return e, false, nil
		}
	}
	tag, body, _, rest, err := message(s.chunk)
	if err != nil {
		return e, false, err
	}
	s.chunk = rest
	switch tag {
	case opSearchEntry:
		if e.dn, body, err = expect(tagOctets, body); err == nil {
			e.attrs, _, err = expect(tagSequence, body)
		}
		return e, true, err
	case opSearchReference, opIntermediate:
		return e, false, nil
	}
	return e, false, errMalformed
}

// fetch waits for a chunk and takes those behind it that are there: the end of the search is worth knowing before
// all entries have been decoded.
func (s *searching) fetch(ctx context.Context) error {
	c, err := s.receive(ctx)
	if err != nil {
		return err
	}
	s.any = true
	for {
		if c.result >= 0 {
			_, body, controls, _, err := message(c.messages[c.result:])
			if err != nil {
				return err
			}
			r, err := parseResult(string(body), string(controls))
			if err != nil {
				return err
			}
			s.ending, c.messages = &r, c.messages[:c.result]
		}
		s.queue = append(s.queue, c.messages)
		select {
		case c = <-s.rt.chunks:
		default:
			return nil
		}
	}
}

// message takes the first message off messages.
func message(messages []byte) (tag byte, body, controls, rest []byte, err error) {
	content, rest, err := expect(tagSequence, messages)
	if err == nil {
		_, content, err = expect(tagInteger, content)
	}
	if err == nil {
		tag, body, controls, err = cut(content)
	}
	return tag, body, controls, rest, err
}

func (s *searching) receive(ctx context.Context) (chunk, error) {
	if err := ctx.Err(); err != nil {
		return chunk{}, err
	}
	select {
	case m := <-s.rt.chunks:
		return m, nil
	default:
	}
	for {
		s.timer.Reset(s.timeout)
		before := s.w.whole.Load()
		select {
		case m := <-s.rt.chunks:
			return m, nil
		case <-ctx.Done():
			return chunk{}, ctx.Err()
		case <-s.timer.C:
			if s.w.whole.Load() != before {
				continue // the wire is collecting them
			}
			return chunk{}, fmt.Errorf("nothing from the server in %v: %w", s.timeout, context.DeadlineExceeded)
		case <-s.w.closed:
			select { // what came before the end counts
			case m := <-s.rt.chunks:
				return m, nil
			default:
			}
			return chunk{}, errors.Join(errLost, s.w.err)
		}
	}
}

var errLost = errors.New("the connection to the server was lost")

// leave is stop for a reason that lies not in the connection: what asked is not tried again on a new one.
func (s *searching) leave() {
	if s.ending == nil {
		s.w.left.Store(true)
	}
	s.stop()
}

// stop gives the search up: the server is told, and the connection is closed, because more answers may be on
// their way.
func (s *searching) stop() {
	if s == nil || s.over {
		return
	}
	s.over = true
	s.timer.Stop()
	if s.ending != nil { // all answers are here
		s.w.shut(s.rt)
		s.w.giveBack(s.buffer)
		return
	}
	s.w.abandon(s.rt)
	_ = s.w.Close()
}
