package adtest

import (
	"strconv"
	"strings"
	"time"
)

// truth is the three-valued logic of X.511 section 7.8.1: what cannot be decided matches neither a
// filter nor its negation.
type truth int8

const (
	isFalse truth = iota
	isTrue
	undefined
)

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// A matcher is a filter prepared for one search. It is used with mu held for reading.
type matcher struct {
	d     *directory
	s     *Server
	who   *account
	gc    bool
	match func(*node) truth
	// indexed are the candidates if the filter demands an indexed value; nil without known is none.
	indexed []*node
	known   bool
}

// compile prepares f.
func (d *directory) compile(f *filter, s *Server, who *account, gc bool) *matcher {
	m := &matcher{d: d, s: s, who: who, gc: gc}
	m.match = m.build(f)
	m.indexed, m.known = m.candidates(f)
	return m
}

// candidates uses an index for an equality on its own or within an and.
func (m *matcher) candidates(f *filter) ([]*node, bool) {
	switch f.op {
	case filterAnd:
		for _, sub := range f.subs {
			if c, ok := m.candidates(sub); ok {
				return c, true
			}
		}
	case filterEqual:
		t := m.d.typeOf(f.attr)
		if t == nil {
			return nil, false
		}
		switch {
		case t.lower == "objectguid":
			if g, ok := m.guid(f.value); ok {
				if n := m.d.byGUID[g]; n != nil {
					return []*node{n}, true
				}
			}
			return nil, true
		case t.lower == "distinguishedname":
			if n, err := m.d.find(f.value); err == nil {
				return []*node{n}, true
			}
			return nil, true
		case t.index && m.d.index[t] != nil:
			if t.lower == "cn" { // the naming attribute is not stored
				return nil, false
			}
			return m.d.index[t].find(t.key(m.assertion(t, f.value))), true
		}
	}
	return nil, false
}

// build turns a filter into a function.
func (m *matcher) build(f *filter) func(*node) truth {
	switch f.op {
	case filterAnd, filterOr:
		subs := make([]func(*node) truth, len(f.subs))
		for i, s := range f.subs {
			subs[i] = m.build(s)
		}
		stop, result := isFalse, isTrue // and: the first false decides
		if f.op == filterOr {
			stop, result = isTrue, isFalse
		}
		return func(n *node) truth {
			r := result
			for _, sub := range subs {
				switch sub(n) {
				case stop:
					return stop
				case undefined:
					r = undefined
				}
			}
			return r
		}
	case filterNot:
		sub := m.build(f.subs[0])
		return func(n *node) truth {
			switch sub(n) {
			case isTrue:
				return isFalse
			case isFalse:
				return isTrue
			}
			return undefined
		}
	}
	if strings.EqualFold(f.attr, "anr") && (f.op == filterEqual || f.op == filterApprox) {
		return m.build(ambiguousName(f.value))
	}
	t := m.d.typeOf(f.attr)
	if t == nil || t.writeOnly || t.constructed || m.gc && !t.gc {
		return func(*node) truth { return undefined }
	}
	test := m.test(t, f)
	if len(m.d.denials) == 0 {
		return test
	}
	return func(n *node) truth {
		if m.d.denied(m.who, n, ReadProperty, t) {
			return undefined
		}
		return test(n)
	}
}

// ambiguousName is the filter that (anr=x) stands for: a prefix of any of the attributes that take part
// in ambiguous name resolution, without the rule for first and last name.
func ambiguousName(value string) *filter {
	f := &filter{op: filterOr}
	for _, a := range []string{"displayName", "givenName", "sn", "sAMAccountName", "name", "proxyAddresses", "mail", "physicalDeliveryOfficeName"} {
		if exact, ok := strings.CutPrefix(value, "="); ok {
			f.subs = append(f.subs, &filter{op: filterEqual, attr: a, value: exact})
		} else {
			f.subs = append(f.subs, &filter{op: filterSubstrings, attr: a, initial: value})
		}
	}
	return f
}

// test builds the comparison of one attribute.
func (m *matcher) test(t *attrType, f *filter) func(*node) truth {
	any := func(ok func(string) bool) func(*node) truth {
		return func(n *node) truth {
			for v := range m.values(n, t).all() {
				if ok(v) {
					return isTrue
				}
			}
			return isFalse
		}
	}
	switch f.op {
	case filterPresent:
		return func(n *node) truth { return truthOf(m.values(n, t).n > 0) }
	case filterEqual, filterApprox:
		if t.link != nil || t.back {
			return m.linkEqual(t, f.value)
		}
		want := t.key(m.assertion(t, f.value))
		if t.syntax == StringSyntax || t.syntax == OIDSyntax {
			return any(func(v string) bool { return strings.EqualFold(v, want) })
		}
		return any(func(v string) bool { return t.key(v) == want })
	case filterGreater, filterLess:
		want := f.value
		if _, ok := t.compare(want, want); !ok {
			return func(*node) truth { return undefined }
		}
		return any(func(v string) bool {
			c, ok := t.compare(v, want)
			return ok && (c == 0 || (c > 0) == (f.op == filterGreater))
		})
	case filterSubstrings:
		if t.syntax != StringSyntax && t.syntax != OctetSyntax {
			return func(*node) truth { return undefined }
		}
		norm := func(s string) string { return s }
		if t.syntax == StringSyntax {
			norm = fold
		}
		initial, final := norm(f.initial), norm(f.final)
		middle := make([]string, len(f.any))
		for i, s := range f.any {
			middle[i] = norm(s)
		}
		return any(func(v string) bool {
			v, ok := strings.CutPrefix(norm(v), initial)
			for _, s := range middle {
				var found bool
				_, v, found = strings.Cut(v, s)
				ok = ok && found
			}
			return ok && strings.HasSuffix(v, final)
		})
	case filterExtensible:
		return m.extensible(t, f, any)
	}
	return func(*node) truth { return undefined }
}

func (m *matcher) extensible(t *attrType, f *filter, any func(func(string) bool) func(*node) truth) func(*node) truth {
	switch f.rule {
	case "":
		return m.test(t, &filter{op: filterEqual, attr: f.attr, value: f.value})
	case ruleBitAnd, ruleBitOr:
		mask, err := strconv.ParseInt(f.value, 10, 64)
		if err != nil || t.syntax != IntegerSyntax {
			break
		}
		return any(func(v string) bool {
			x := parseInt(v) & mask
			return f.rule == ruleBitAnd && x == mask || f.rule == ruleBitOr && x != 0
		})
	case ruleInChain:
		target, err := m.d.find(f.value)
		if err != nil || t.link == nil && !t.back {
			return func(*node) truth { return isFalse }
		}
		reached := m.chain(t, target)
		return func(n *node) truth { return truthOf(reached[n.guid]) }
	}
	return func(*node) truth { return undefined }
}

// linkEqual compares links by the object they point at.
func (m *matcher) linkEqual(t *attrType, dn string) func(*node) truth {
	target, err := m.d.find(dn)
	if err != nil {
		key, ok := dnKey(dn)
		return func(n *node) truth { // a DN that was loaded without its object
			if t.back || !ok {
				return isFalse
			}
			for v := range n.rec.get(t).all() {
				if _, linked := linkTarget(v); !linked && t.key(v) == key {
					return isTrue
				}
			}
			return isFalse
		}
	}
	sources := map[GUID]bool{}
	if t.back {
		// The objects whose back link names target are those its forward link names.
		for _, a := range target.rec.attrs {
			if a.typ.link == t {
				for v := range a.vals.all() {
					if g, ok := linkTarget(v); ok {
						sources[g] = true
					}
				}
			}
		}
	} else {
		for _, b := range m.d.back[target.guid] {
			if b.typ == t {
				sources[b.from] = true
			}
		}
	}
	return func(n *node) truth { return truthOf(sources[n.guid]) }
}

// chain returns the objects from which target is reached over one or more links of type t.
func (m *matcher) chain(t *attrType, target *node) map[GUID]bool {
	reached := map[GUID]bool{}
	queue := []*node{target}
	visit := func(g GUID) {
		if n := m.d.byGUID[g]; n != nil && !reached[g] {
			reached[g] = true
			queue = append(queue, n)
		}
	}
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if t.back {
			for _, a := range n.rec.attrs {
				if a.typ.link == t {
					for v := range a.vals.all() {
						if g, ok := linkTarget(v); ok {
							visit(g)
						}
					}
				}
			}
			continue
		}
		for _, b := range m.d.back[n.guid] {
			if b.typ == t {
				visit(b.from)
			}
		}
	}
	return reached
}

// values returns what a filter compares: stored values, or those the server derives.
func (m *matcher) values(n *node, t *attrType) packed {
	if t.back {
		return m.d.backValues(n, t)
	}
	if p, ok := m.s.derived(n, t); ok {
		return p
	}
	return n.rec.get(t)
}

// assertion turns the forms a filter may use into the stored form.
func (m *matcher) assertion(t *attrType, v string) string {
	switch {
	case t.syntax == SIDSyntax && strings.HasPrefix(strings.ToUpper(v), "S-1-"):
		if raw, err := SID(v); err == nil {
			return raw
		}
	case t.lower == "objectcategory" && !strings.Contains(v, "="):
		return m.d.category(v)
	case t.lower == "objectguid":
		if g, ok := m.guid(v); ok {
			return g.Raw()
		}
	}
	return v
}

func (m *matcher) guid(v string) (GUID, bool) {
	if len(v) == 16 {
		return GUID([]byte(v)), true
	}
	if m.d.stringGUIDs {
		g, err := ParseGUID(v)
		return g, err == nil
	}
	return GUID{}, false
}

// derived returns the attributes that follow from the object's identity and place.
// The caller holds mu.
func (s *Server) derived(n *node, t *attrType) (packed, bool) {
	if t == n.rdnType {
		return pack(n.rdn.value), true
	}
	if !t.derived {
		return packed{}, false
	}
	switch t.lower {
	case "objectguid":
		return pack(n.guid.Raw()), true
	case "distinguishedname":
		return pack(s.dir.dn(n)), true
	case "name":
		return pack(n.rdn.value), true
	case "usnchanged":
		return pack(strconv.FormatInt(n.rec.changed+s.usnOffset, 10)), true
	case "usncreated":
		return pack(strconv.FormatInt(n.created+s.usnOffset, 10)), true
	case "whenchanged":
		return pack(formatTime(time.Unix(n.rec.at, 0))), true
	case "whencreated":
		return pack(formatTime(time.Unix(n.born, 0))), true
	case "instancetype":
		if n.nc == n {
			return pack("5"), true
		}
		return pack("4"), true
	}
	return packed{}, false
}

func parseInt(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// fileTime is the number of 100 ns steps since 1601 (MS-DTYP 2.3.3).
func fileTime(t time.Time) int64 {
	return t.Unix()*1e7 + int64(t.Nanosecond()/100) + 116444736000000000
}
