package entratest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The limits of a $filter. Graph takes fifteen clauses joined by or, and as many members of in; the depth is this
// package's, so that a request cannot exhaust the stack.
const (
	maxClauses = 15
	maxDepth   = 40
)

// A filter decides whether a list contains an object.
type filter func(Object) bool

// A filterParser reads the subset of OData that the package comment lists, and checks each clause against the table of
// what the property supports as it goes.
type filterParser struct {
	t        *resource
	version  string
	advanced bool
	s        *Server

	tokens  []filterToken
	pos     int
	depth   int
	negated bool
	element string // variable of any(), "" outside
	parent  string // collection of any()
	scan    bool   // something beside "indexed property eq text", or and in was seen
	keys    []lookup
	failure *answer
}

type filterToken struct {
	kind byte // n name, s string, v number or date, ( ) , : punctuation, 0 end
	text string
	at   int
}

// parseFilter compiles a $filter. advanced says that the request has ConsistencyLevel: eventual and $count=true.
// keys are the values that suffice to find what it matches, nil if every object has to be looked at.
func (s *Server) parseFilter(text string, t *resource, version string, advanced bool) (f filter, keys []lookup, a *answer) {
	p := filterParser{s: s, t: t, version: version, advanced: advanced}
	f = p.parse(text)
	if !p.scan {
		keys = p.keys
	}
	return f, keys, p.failure
}

// parseIDs compiles the $filter of a delta, which takes ids only: id eq 'a' or id eq 'b'.
func (s *Server) parseIDs(text string, t *resource, version string) (ids []string, a *answer) {
	_, keys, a := s.parseFilter(text, t, version, false)
	for _, k := range keys {
		if k.name == "id" {
			ids = append(ids, k.value)
		}
	}
	if a == nil && (len(ids) == 0 || len(ids) != len(keys)) {
		a = fail(400, codeUnsupportedQuery, "Delta queries support a filter of object ids only.")
	}
	return ids, a
}

func (p *filterParser) parse(text string) filter {
	var bad int
	if p.tokens, bad = lexFilter(text); bad >= 0 {
		p.syntax(bad, text)
		return nil
	}
	f := p.or()
	if p.failure == nil && p.peek().kind != 0 {
		p.syntax(p.peek().at, text)
	}
	return f
}

func lexFilter(text string) (tokens []filterToken, bad int) {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case strings.IndexByte("(),:", c) >= 0:
			tokens = append(tokens, filterToken{c, string(c), i})
			i++
		case c == '\'':
			var b strings.Builder
			start := i
			for i++; ; i++ {
				if i >= len(text) {
					return nil, start
				}
				if text[i] == '\'' {
					if i+1 < len(text) && text[i+1] == '\'' { // a quote inside is doubled
						i++
					} else {
						break
					}
				}
				b.WriteByte(text[i])
			}
			i++
			tokens = append(tokens, filterToken{'s', b.String(), start})
		default:
			start := i
			for i < len(text) && strings.IndexByte(" \t(),'", text[i]) < 0 && (text[i] != ':' || c >= '0' && c <= '9') {
				i++
			}
			kind := byte('n')
			if c >= '0' && c <= '9' || c == '-' {
				kind = 'v'
			}
			tokens = append(tokens, filterToken{kind, text[start:i], start})
		}
	}
	return tokens, -1
}

func (p *filterParser) peek() filterToken {
	if p.pos < len(p.tokens) {
		return p.tokens[p.pos]
	}
	at := 0
	if len(p.tokens) > 0 {
		last := p.tokens[len(p.tokens)-1]
		at = last.at + len(last.text)
	}
	return filterToken{at: at}
}

func (p *filterParser) next() filterToken {
	t := p.peek()
	p.pos++
	return t
}

// word reports whether the next token is the keyword, and takes it.
func (p *filterParser) word(w string) bool {
	if t := p.peek(); t.kind == 'n' && strings.EqualFold(t.text, w) {
		p.pos++
		return true
	}
	return false
}

func (p *filterParser) expect(kind byte) bool {
	if p.peek().kind == kind {
		p.pos++
		return true
	}
	p.syntax(p.peek().at, "")
	return false
}

func (p *filterParser) syntax(at int, _ string) {
	if p.failure == nil {
		p.failure = fail(400, codeBadRequest, "Invalid filter clause: Syntax error at position %d.", at)
	}
}

func never(Object) bool { return false }

func (p *filterParser) or() filter {
	if p.depth++; p.depth > maxDepth {
		p.failure = fail(400, codeBadRequest, "Invalid filter clause: The recursion limit of %d was reached.", maxDepth)
		return never
	}
	defer func() { p.depth-- }()
	all := []filter{p.and()}
	for p.failure == nil && p.word("or") {
		if all = append(all, p.and()); len(all) > maxClauses {
			p.failure = fail(400, codeUnsupportedQuery, "Too many child clauses specified in search filter expression containing 'OR' operators: %d. Max allowed: %d.", len(all), maxClauses)
		}
	}
	return func(o Object) bool { return slices.ContainsFunc(all, func(f filter) bool { return f(o) }) }
}

func (p *filterParser) and() filter {
	f := p.unary()
	for p.failure == nil && p.word("and") {
		p.scan = true
		left, right := f, p.unary()
		f = func(o Object) bool { return left(o) && right(o) }
	}
	return f
}

func (p *filterParser) unary() filter {
	if p.failure != nil {
		return never
	}
	if p.word("not") {
		if p.depth++; p.depth > maxDepth {
			p.failure = fail(400, codeBadRequest, "Invalid filter clause: The recursion limit of %d was reached.", maxDepth)
			return never
		}
		defer func() { p.depth-- }()
		p.scan = true
		was := p.negated
		p.negated = true
		f := p.unary()
		p.negated = was
		return func(o Object) bool { return !f(o) }
	}
	if p.peek().kind == '(' {
		p.pos++
		f := p.or()
		p.expect(')')
		return f
	}
	return p.clause()
}

// clause is one comparison.
func (p *filterParser) clause() filter {
	t := p.next()
	if t.kind != 'n' {
		p.syntax(t.at, "")
		return never
	}
	switch strings.ToLower(t.text) {
	case "startswith":
		return p.function(opStarts, strings.HasPrefix)
	case "endswith":
		return p.function(opEnds, strings.HasSuffix)
	case "contains":
		if p.t.logs {
			return p.function(opEq, strings.Contains)
		}
		p.failure = fail(400, codeUnsupportedQuery, "Unsupported or invalid query filter clause specified: the function 'contains' is not supported on resource '%s'.", p.t.name)
		return never
	}
	if strings.HasSuffix(t.text, "/any") && p.peek().kind == '(' {
		return p.any(strings.TrimSuffix(t.text, "/any"))
	}
	path, ok := p.path(t)
	if !ok {
		return never
	}
	op := p.next()
	if op.kind != 'n' {
		p.syntax(op.at, "")
		return never
	}
	switch o := strings.ToLower(op.text); o {
	case "eq", "ne", "ge", "le", "gt", "lt":
		v, ok := p.literal()
		if !ok {
			return never
		}
		column := map[string]int{"eq": opEq, "ne": opNe, "ge": opGe, "gt": opGe, "le": opLe, "lt": opLe}[o]
		p.require(path, column)
		if v == nil {
			p.require(path, opNull)
		}
		if o == "eq" {
			p.lookup(path, v)
		} else {
			p.scan = true
		}
		return path.compare(o, v)
	case "in":
		return p.in(path)
	}
	p.syntax(op.at, "")
	return never
}

// lookup notes a value that the index can find.
func (p *filterParser) lookup(path filterPath, v any) {
	text, ok := v.(string)
	if !ok || text == "" || p.negated || len(path.names) > 1 || path.names[0] == elementKey || !slices.Contains(indexed, path.text) {
		p.scan = true
		return
	}
	p.keys = append(p.keys, lookup{path.text, strings.ToLower(text)})
}

func (p *filterParser) in(path filterPath) filter {
	p.require(path, opIn)
	var values []any
	if !p.expect('(') {
		return never
	}
	for {
		v, ok := p.literal()
		if !ok {
			return never
		}
		p.lookup(path, v)
		if values = append(values, v); len(values) > maxClauses {
			p.failure = fail(400, codeUnsupportedQuery, "Too many values in the 'in' clause. Max allowed: %d.", maxClauses)
			return never
		}
		if p.peek().kind != ',' {
			break
		}
		p.pos++
	}
	p.expect(')')
	return func(o Object) bool {
		return slices.ContainsFunc(values, func(v any) bool { return path.compare("eq", v)(o) })
	}
}

func (p *filterParser) function(column int, match func(s, part string) bool) filter {
	p.scan = true
	if !p.expect('(') {
		return never
	}
	t := p.next()
	path, ok := p.path(t)
	if !ok || !p.expect(',') {
		return never
	}
	v, ok := p.literal()
	text, isText := v.(string)
	if !ok || !isText {
		p.syntax(p.peek().at, "")
		return never
	}
	if !p.expect(')') {
		return never
	}
	p.require(path, column)
	fold := strings.ToLower
	if p.t.logs {
		fold = func(s string) string { return s }
	}
	text = fold(text)
	return func(o Object) bool {
		s, ok := path.value(o).(string)
		return ok && match(fold(s), text)
	}
}

// any is collection/any(x:…); inside, the variable stands for an element.
func (p *filterParser) any(collection string) filter {
	p.scan = true
	name, ok := p.t.declared(collection, p.version)
	if row := p.t.properties[name]; !ok || p.element != "" || row.typ != edmStrings && row.typ != edmObjects {
		p.failure = fail(400, codeBadRequest, "Invalid filter clause: '%s' is no collection of type 'microsoft.graph.%s'.", collection, p.t.odata)
		return never
	}
	p.expect('(')
	variable := p.next()
	if variable.kind != 'n' || !p.expect(':') {
		p.syntax(variable.at, "")
		return never
	}
	p.element, p.parent = variable.text, name
	f := p.or()
	p.element, p.parent = "", ""
	p.expect(')')
	return func(o Object) bool {
		list, _ := o[name].([]any)
		return slices.ContainsFunc(list, func(e any) bool { return f(Object{elementKey: e}) })
	}
}

// elementKey holds the element of a collection while any() looks at it.
const elementKey = "\x00"

// A filterPath is the property a clause is about.
type filterPath struct {
	text  string // declared name of the property, for the table
	names []string
	exact bool // text compares with case
}

func (f filterPath) value(o Object) any {
	var v any = map[string]any(o)
	for _, n := range f.names {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[n]
	}
	return v
}

func (p *filterParser) path(t filterToken) (filterPath, bool) {
	if t.kind != 'n' {
		p.syntax(t.at, "")
		return filterPath{}, false
	}
	names := strings.Split(t.text, "/")
	if p.element != "" && names[0] == p.element {
		return filterPath{text: p.parent, names: append([]string{elementKey}, names[1:]...)}, true
	}
	if strings.HasPrefix(names[0], "extension_") && len(names) == 1 {
		if p.s != nil && !p.s.extensionKnown(names[0]) {
			p.failure = fail(400, codeBadRequest, "Invalid filter clause: Could not find a property named '%s' on type 'microsoft.graph.%s'.", names[0], p.t.odata)
			return filterPath{}, false
		}
		return filterPath{text: names[0], names: names}, true
	}
	name, ok := p.t.declared(names[0], p.version)
	row := p.t.properties[name]
	if !ok || len(names) > 2 || len(names) == 2 && row.typ != edmObject {
		p.failure = fail(400, codeBadRequest, "Invalid filter clause: Could not find a property named '%s' on type 'microsoft.graph.%s'.", t.text, p.t.odata)
		return filterPath{}, false
	}
	path := filterPath{text: name, names: []string{name}, exact: p.t.logs}
	if len(names) == 2 {
		if members, known := complexTypes[row.object]; known {
			if _, ok := members[names[1]]; !ok {
				p.failure = fail(400, codeBadRequest, "Invalid filter clause: Could not find a property named '%s' on type 'microsoft.graph.%s'.", names[1], row.object)
				return filterPath{}, false
			}
		}
		path.names = append(path.names, names[1])
	} else if row.typ >= edmStrings {
		p.failure = fail(400, codeUnsupportedQuery, "Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", name, p.t.name)
		return filterPath{}, false
	}
	return path, true
}

// require refuses an operator that the property does not support, or supports in an advanced query only.
func (p *filterParser) require(path filterPath, column int) {
	if p.failure != nil {
		return
	}
	row, ok := p.t.filter[path.text]
	switch {
	case strings.HasPrefix(path.text, "extension_"):
		row, ok = "DAADDDDAA", true
	case path.text == "onPremisesImmutableId" && p.s != nil && p.s.config.SimpleImmutableID:
		row = "DA-DDD---"
	}
	columns := []int{column}
	if p.negated {
		columns = append(columns, opNot)
	}
	for _, c := range columns {
		if !ok || row[c] == '-' && c != opNot || row[c] == 'A' && !p.advanced {
			p.failure = fail(400, codeUnsupportedQuery, "Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", path.text, p.t.name)
			return
		}
	}
	if p.negated && !p.advanced {
		p.failure = fail(400, codeUnsupportedQuery, "Operator 'not' is not supported because the 'ConsistencyLevel:eventual' header is missing. Refer to https://aka.ms/graph-docs/advanced-queries for more information")
	}
}

// literal takes a value: text, number, date, true, false or null.
func (p *filterParser) literal() (any, bool) {
	t := p.next()
	switch t.kind {
	case 's':
		return t.text, true
	case 'v':
		if when, err := time.Parse(time.RFC3339, t.text); err == nil {
			return when, true
		}
		if n := json.Number(t.text); json.Valid([]byte(t.text)) {
			return n, true
		}
		if len(t.text) == 36 { // a GUID may be written without quotes
			return t.text, true
		}
	case 'n':
		switch strings.ToLower(t.text) {
		case "true":
			return true, true
		case "false":
			return false, true
		case "null":
			return nil, true
		}
	}
	p.syntax(t.at, "")
	return nil, false
}

// compare compares as the directory does: text without case, dates as instants; null equals only null, and differs from
// everything else.
func (f filterPath) compare(op string, want any) filter {
	return func(o Object) bool {
		have := f.value(o)
		c, comparable := order(have, want)
		if text, ok := want.(string); ok && f.exact && op == "eq" {
			return have == text
		}
		switch op {
		case "eq":
			return comparable && c == 0
		case "ne":
			return !comparable || c != 0
		case "ge":
			return comparable && have != nil && c >= 0
		case "gt":
			return comparable && have != nil && c > 0
		case "le":
			return comparable && have != nil && c <= 0
		default:
			return comparable && have != nil && c < 0
		}
	}
}

func order(have, want any) (int, bool) {
	switch want := want.(type) {
	case nil:
		return 0, have == nil
	case bool:
		b, ok := have.(bool)
		if b == want {
			return 0, ok
		}
		return 1, ok
	case json.Number:
		n, ok := have.(json.Number)
		if !ok {
			return 0, false
		}
		a, err1 := n.Float64()
		b, err2 := want.Float64()
		switch {
		case a < b:
			return -1, err1 == nil && err2 == nil
		case a > b:
			return 1, err1 == nil && err2 == nil
		}
		return 0, err1 == nil && err2 == nil
	case time.Time:
		t, err := time.Parse(time.RFC3339, fmt.Sprint(have))
		return t.Compare(want), err == nil
	case string:
		s, ok := have.(string)
		return strings.Compare(strings.ToLower(s), strings.ToLower(want)), ok
	}
	return 0, false
}
