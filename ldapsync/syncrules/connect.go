package syncrules

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
	"go.internal/hybridkit/ldapsync/mapfile"
)

// ConnectOptions choose among what a configuration holds.
type ConnectOptions struct {
	// Connector is the id or, where the export has the connectors, the name of the connector whose inbound rules are
	// imported. Empty: the only one that has inbound rules for users or devices, apart from the one of Entra ID,
	// which is known by its id.
	Connector string

	// Outbound, the id or name of another connector: its outbound rules are imported too, on top of the inbound
	// ones, so that the mapping goes from the source's attributes to that directory's. Empty: the target attributes
	// are those of the metaverse.
	Outbound string

	// Parameters are the values of %name% parameters besides %Domain.FQDN% and %Domain.Netbios%, without percent
	// signs.
	Parameters map[string]string

	// Rename gives target attributes other names, without regard to case.
	Rename map[string]string
}

// EntraConnector is the id that Entra Connect gives its connector to Microsoft Entra ID.
const EntraConnector = "{b891884f-051e-4a83-95af-2544101c9083}"

// Connect imports sync rules from XML: one synchronizationRule element, or many, alone or within any others.
func Connect(r io.Reader, o ConnectOptions) (*Import, error) {
	c := &connect{o: o}
	if err := c.add("", r); err != nil {
		return nil, err
	}
	return c.make()
}

// ConnectFolder imports the folder that Get-ADSyncServerConfiguration writes: all XML files in SynchronizationRules
// and in Connectors, or, without those, in the folder itself.
func ConnectFolder(fsys fs.FS, o ConnectOptions) (*Import, error) {
	c := &connect{o: o}
	var files []string
	for _, pattern := range []string{"Connectors/*.xml", "SynchronizationRules/*.xml", "*.xml"} {
		m, err := fs.Glob(fsys, pattern)
		if err != nil {
			return nil, err
		}
		if pattern != "*.xml" || len(files) == 0 {
			files = append(files, m...)
		}
	}
	if len(files) == 0 {
		return nil, &Error{Line: 1, Column: 1, Reason: "the folder has no XML files, neither in SynchronizationRules nor in itself"}
	}
	for _, name := range files {
		f, err := fsys.Open(name)
		if err != nil {
			return nil, err
		}
		err = c.add(name, f)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return c.make()
}

// connectRule is one synchronizationRule.
type connectRule struct {
	file, place string
	b           []byte
	n           *element

	id, name, direction, connector, from, to, link string
	precedence                                     int
	disabled                                       bool
	scope                                          []mapfile.Group
}

type connect struct {
	o     ConnectOptions
	size  int
	rules []*connectRule
	names map[string]string // of connectors, by id in lower case
	out   Import
}

func (c *connect) add(file string, r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, int64(MaxBytes-c.size)+1))
	if err != nil {
		return err
	}
	if c.size += len(b); c.size > MaxBytes {
		return &Error{File: file, Line: 1, Column: 1, Reason: fmt.Sprintf("the configuration is larger than %d MB", MaxBytes>>20)}
	}
	b = toUTF8(b)
	roots, bad := parseXML(b)
	if bad != nil {
		bad.File = file
		return bad
	}
	var walk func(e *element, at string) error
	walk = func(e *element, at string) error {
		at = path.Join(at, e.name)
		switch e.name {
		case "synchronizationRule":
			rule := &connectRule{file: file, place: fmt.Sprintf("%s[%d]", at, len(c.rules)+1), b: b, n: e}
			if err := c.read(rule); err != nil {
				return err
			}
			c.rules = append(c.rules, rule)
			return nil
		case "ma-data":
			if id, name := e.child("id"), e.child("name"); id != nil && name != nil {
				if c.names == nil {
					c.names = map[string]string{}
				}
				c.names[strings.ToLower(strings.TrimSpace(id.text))] = strings.TrimSpace(name.text)
			}
			return nil
		}
		for _, k := range e.kids {
			if err := walk(k, at); err != nil {
				return err
			}
		}
		return nil
	}
	for _, e := range roots {
		if err := walk(e, ""); err != nil {
			return err
		}
	}
	return nil
}

func (r *connectRule) wrong(e *element, format string, args ...any) *Error {
	line, col := position(r.b, e.offset)
	return &Error{File: r.file, Line: line, Column: col, Offset: e.offset, Place: r.place + "/" + e.name, Reason: fmt.Sprintf(format, args...)}
}

func (c *connect) find(l Level, r *connectRule, e *element, what, reason string) {
	line, _ := position(r.b, e.offset)
	place := r.place
	if e != r.n {
		place += "/" + e.name
	}
	c.out.Findings = append(c.out.Findings, Finding{Level: l, File: r.file, Line: line, Place: place, What: r.name + ": " + what, Reason: reason})
}

// read takes what identifies and selects a rule.
func (c *connect) read(r *connectRule) error {
	text := map[string]*string{"id": &r.id, "name": &r.name, "direction": &r.direction, "connector": &r.connector,
		"sourceObjectType": &r.from, "targetObjectType": &r.to, "linkType": &r.link}
	seen := map[string]bool{}
	for _, k := range r.n.kids {
		v := strings.TrimSpace(k.text)
		if seen[k.name] {
			return r.wrong(k, "the element is given twice")
		}
		seen[k.name] = true
		if p, ok := text[k.name]; ok {
			*p = v
			continue
		}
		switch k.name {
		case "precedence":
			n, err := strconv.ParseInt(v, 10, 32)
			if err != nil {
				return r.wrong(k, "%q is not a whole number", clip(v))
			}
			r.precedence = int(n)
		case "disabled":
			b, err := strconv.ParseBool(strings.ToLower(v))
			if err != nil && v != "" {
				return r.wrong(k, "%q is neither True nor False", clip(v))
			}
			r.disabled = b
		}
	}
	for _, need := range []struct{ name, v string }{{"name", r.name}, {"direction", r.direction}, {"connector", r.connector}, {"sourceObjectType", r.from}, {"targetObjectType", r.to}} {
		if need.v == "" {
			return r.wrong(r.n, "the rule has no %s", need.name)
		}
	}
	if r.direction != "Inbound" && r.direction != "Outbound" {
		return r.wrong(r.n.child("direction"), "%q is neither Inbound nor Outbound", clip(r.direction))
	}
	return nil
}

// resolve finds the connector asked for among the rules.
func (c *connect) resolve(asked, direction string) (string, error) {
	ids := map[string]bool{}
	for _, r := range c.rules {
		object := r.from
		if direction == "Outbound" {
			object = r.to
		}
		if r.direction == direction && class(object) != 0 {
			ids[strings.ToLower(r.connector)] = true
		}
	}
	var list []string
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		list = append(list, strings.TrimSpace(id+" "+c.names[id]))
		if asked != "" && (strings.EqualFold(strings.Trim(asked, "{}"), strings.Trim(id, "{}")) || strings.EqualFold(asked, c.names[id])) {
			return id, nil
		}
	}
	if asked == "" && direction == "Inbound" {
		delete(ids, EntraConnector)
		if len(ids) == 1 {
			return slices.Collect(maps.Keys(ids))[0], nil
		}
	}
	why := "name one"
	if asked != "" {
		why = fmt.Sprintf("there is none %q", clip(asked))
	}
	return "", &Error{Line: 1, Column: 1, Reason: fmt.Sprintf("which connector is the %s one? %s; those with such rules for users or devices: %s", strings.ToLower(direction), why, cmp.Or(strings.Join(list, ", "), "none"))}
}

func (c *connect) make() (*Import, error) {
	if len(c.rules) == 0 {
		return nil, &Error{Line: 1, Column: 1, Reason: "there is no synchronizationRule element in it, so this is no export of sync rules"}
	}
	in, err := c.resolve(c.o.Connector, "Inbound")
	if err != nil {
		return nil, err
	}
	out := ""
	if c.o.Outbound != "" {
		if out, err = c.resolve(c.o.Outbound, "Outbound"); err != nil {
			return nil, err
		}
	}
	c.out = Import{File: &mapfile.File{Version: mapfile.Version}, Findings: []Finding{}}
	// Lowest precedence number first (Microsoft, "Understanding declarative provisioning", Precedence).
	slices.SortStableFunc(c.rules, func(a, b *connectRule) int { return cmp.Compare(a.precedence, b.precedence) })
	inbound, outbound := map[string][]*connectRule{}, map[string][]*connectRule{}
	var order []string
	for _, r := range c.rules {
		switch id := strings.ToLower(r.connector); {
		case r.disabled:
			c.find(Info, r, r.n, "a disabled rule", "it was not imported")
		case r.direction == "Inbound" && id == in:
			if class(r.from) == 0 {
				c.find(Lost, r, r.n, "objects of type "+clip(r.from), "this engine synchronises users and devices")
				continue
			}
			if inbound[r.from] == nil {
				order = append(order, r.from)
			}
			inbound[r.from] = append(inbound[r.from], r)
		case r.direction == "Outbound" && out != "" && id == out:
			outbound[r.from] = append(outbound[r.from], r)
		default:
			c.find(Info, r, r.n, fmt.Sprintf("%s rule of connector %s", r.direction, cmp.Or(c.names[id], r.connector)), "another connector or direction was asked for")
		}
	}
	slices.Sort(order)
	for _, object := range order {
		rules := inbound[object]
		s := c.section("in from "+object, rules)
		s.Class = class(object)
		mv := map[string]bool{}
		for _, r := range rules {
			mv[r.to] = true
		}
		if out == "" {
			c.out.File.Mappings = append(c.out.File.Mappings, s)
			continue
		}
		s.Name += " (metaverse)"
		outs := slices.DeleteFunc(slices.Clone(slices.Concat(slices.Collect(maps.Values(outbound))...)), func(r *connectRule) bool { return !mv[r.from] })
		slices.SortStableFunc(outs, func(a, b *connectRule) int { return cmp.Compare(a.precedence, b.precedence) })
		if len(outs) == 0 {
			c.find(Lost, rules[0], rules[0].n, "objects of type "+object, "no outbound rule takes them on, so they were not imported")
			continue
		}
		o := c.section("out to "+cmp.Or(c.names[out], out)+" from "+object, outs)
		o.Class, s.Class, o.Input = s.Class, 0, s.Name
		// An inbound join compares with the metaverse; where an outbound flow copies that attribute, the target can be
		// compared in its place.
		for _, k := range s.Keys {
			if i := slices.IndexFunc(o.Rules, func(q mapfile.Rule) bool { return strings.EqualFold(q.Copy, k.Target) }); i >= 0 {
				o.Keys = append(o.Keys, ldapsync.MatchKey{Source: k.Source, Target: o.Rules[i].To, Exact: k.Exact})
			}
		}
		s.Keys = nil
		c.out.File.Mappings = append(c.out.File.Mappings, s, o)
	}
	return &c.out, nil
}

// section makes a mapping of rules, which come in the order of precedence.
func (c *connect) section(name string, rules []*connectRule) mapfile.Section {
	s := mapfile.Section{Name: name, Dialect: expr.Connect, NoContribution: mapfile.Clear}
	provision, everything, uncertain := false, false, false
	var scope []mapfile.Group
	for _, r := range rules {
		c.scope(r)
		if r.link == "Provision" && !provision {
			provision, everything, scope = true, false, nil
		}
		if !provision || r.link == "Provision" {
			everything = everything || len(r.scope) == 0
			scope = append(scope, r.scope...)
		}
	}
	for _, g := range scope {
		uncertain = uncertain || slices.ContainsFunc(g, func(cl mapfile.Clause) bool { return cl.Operator == mapfile.Unsupported })
	}
	if !everything && len(scope) > 0 {
		what := "all of its rules"
		if provision {
			what = "its rules of link type Provision"
		}
		s.Scope = []mapfile.ScopeFilter{{ID: "sync-rule-scope", Doc: "in scope of one of " + what, Groups: scope, Leave: !uncertain}}
	}
	for _, r := range rules {
		c.flows(r, &s)
		c.joins(r, &s)
	}
	return s
}

// connectOperator translates the operators of scope filters (Microsoft, "Understanding declarative provisioning",
// Scope).
func connectOperator(name string) (mapfile.Operator, bool) {
	op, ok := map[string]mapfile.Operator{
		"EQUAL": "equal", "NOTEQUAL": "notEqual", "LESSTHAN": "less", "LESSTHAN_OR_EQUAL": "lessOrEqual",
		"GREATERTHAN": "greater", "GREATERTHAN_OR_EQUAL": "greaterOrEqual", "CONTAINS": "contains", "NOTCONTAINS": "notContains",
		"STARTSWITH": "startsWith", "NOTSTARTSWITH": "notStartsWith", "ENDSWITH": "endsWith", "NOTENDSWITH": "notEndsWith",
		"ISNULL": "null", "ISNOTNULL": "notNull", "ISIN": "in", "ISNOTIN": "notIn", "ISBITSET": "bitSet", "ISNOTBITSET": "bitNotSet",
	}[strings.ToUpper(name)]
	return op, ok
}

func (c *connect) scope(r *connectRule) {
	n := r.n.child("synchronizationCriteria")
	if n == nil {
		return
	}
	for _, g := range n.kids {
		if g.name != "conditions" {
			c.find(Lost, r, g, "the element "+clip(g.name)+" in synchronizationCriteria", "it is not known; nothing was made of it")
			continue
		}
		var group mapfile.Group
		for _, s := range g.kids {
			var cl mapfile.Clause
			var op, value string
			for _, k := range s.kids {
				switch k.name {
				case "csAttribute":
					cl.Attribute = strings.TrimSpace(k.text)
				case "csOperator":
					op = strings.TrimSpace(k.text)
				case "csValue":
					value = strings.TrimSpace(k.text)
				default:
					c.find(Lost, r, k, "the element "+clip(k.name)+" in a scope clause", "it is not known; nothing was made of it")
				}
			}
			known, ok := connectOperator(op)
			why := fmt.Sprintf("the operator %s cannot be evaluated here", clip(op))
			if ok {
				cl.Operator = known
				if known != "null" && known != "notNull" {
					cl.Values = []string{value}
				}
				if err := checkClause(cl); err != nil {
					ok, why = false, err.Error()
				}
			}
			if !ok {
				text := clip(strings.TrimSpace(cl.Attribute + " " + op + " " + value))
				c.find(Lost, r, s, "the scope clause "+text, why+"; objects for which it matters are held, and rules in its scope do not speak for them")
				cl = mapfile.Clause{Operator: mapfile.Unsupported, Why: clip(text + ": " + why)}
			}
			group = append(group, cl)
		}
		if len(group) > 0 {
			r.scope = append(r.scope, group)
		}
	}
}

func (c *connect) flows(r *connectRule, s *mapfile.Section) {
	for _, k := range r.n.kids {
		switch k.name {
		case "id", "internal-id", "version", "name", "description", "immutable-tag", "direction", "disabled", "connector",
			"sourceObjectType", "targetObjectType", "linkType", "precedence", "precedence-after", "precedence-before",
			"relationshipCriteria", "synchronizationCriteria":
		case "EnablePasswordSync":
			if strings.EqualFold(strings.TrimSpace(k.text), "true") {
				c.find(Lost, r, k, "password synchronisation", "passwords are not this engine's business")
			}
		case "softDeleteExpiryInterval":
			if v := strings.TrimSpace(k.text); v != "" && v != "00:00:00" {
				c.find(Lost, r, k, "soft deletion for "+clip(v), "this engine has no soft deletion; see its missingCycles")
			}
		case "attribute-mappings":
			for _, m := range k.kids {
				if m.name != "mapping" {
					c.find(Lost, r, m, "the element "+clip(m.name)+" in attribute-mappings", "it is not known; nothing was made of it")
					continue
				}
				c.flow(r, m, s)
			}
		default:
			c.find(Lost, r, k, "the element "+clip(k.name), "it is not known; nothing was made of it")
		}
	}
	switch r.link {
	case "Provision", "Join", "":
	default:
		c.find(Changed, r, cmp.Or(r.n.child("linkType"), r.n), "link type "+clip(r.link), "this engine joins once and keeps the link, as Join does")
	}
}

func (c *connect) flow(r *connectRule, m *element, s *mapfile.Section) {
	var to, text, merge string
	var src *element
	once := false
	if v := m.attr("execute-once"); v != "" {
		once, _ = strconv.ParseBool(strings.ToLower(v))
	}
	for _, k := range m.kids {
		switch k.name {
		case "dest":
			to = strings.TrimSpace(k.text)
		case "src":
			src = k
		case "expression":
			text = strings.TrimSpace(k.text)
		case "valueMergeType":
			merge = strings.TrimSpace(k.text)
		default:
			c.find(Lost, r, k, "the element "+clip(k.name)+" of the flow to "+clip(to), "it is not known; nothing was made of it")
		}
	}
	if to == "" {
		c.find(Lost, r, m, "an attribute flow", "it names no target attribute")
		return
	}
	// The metaverse between two steps keeps its names.
	if r.direction == "Outbound" || c.o.Outbound == "" {
		to = renamed(c.o.Rename, to)
	}
	rule := mapfile.Rule{To: to, ID: r.name, Source: fmt.Sprintf("sync rule %s, precedence %d", r.name, r.precedence), When: r.scope, Once: once}
	if once {
		c.find(Changed, r, m, "the flow to "+to+" is applied once", "here it is applied whenever the target attribute is absent")
	}
	lost := func(why string) {
		c.find(Lost, r, m, "the flow to "+to+" from "+clip(cmp.Or(text, "nothing")), why+"; the attribute is left alone where the rule is in scope")
		rule.Expression, rule.Copy, rule.Constant, rule.Null, rule.Merge = "", "", nil, "", false
		rule.Skip, rule.Doc = clip(why), text
	}
	switch {
	case text != "":
		e, err := expr.Parse(expr.Connect, text)
		if err != nil {
			lost(err.Error())
			break
		}
		rule.Expression = text
		for _, p := range e.Parameters() {
			for name, v := range c.o.Parameters {
				if strings.EqualFold(name, p) {
					if s.Parameters == nil {
						s.Parameters = map[string]string{}
					}
					s.Parameters[p] = v
				}
			}
		}
		if why := cannotRun(e, s.Parameters); why != "" {
			lost(why)
		}
	case src != nil && src.child("attr") != nil:
		attrs := 0
		for _, k := range src.kids {
			if k.name == "attr" {
				attrs++
			}
		}
		if attrs > 1 {
			lost("a direct flow from several attributes")
			break
		}
		rule.Copy, rule.Null = strings.TrimSpace(src.child("attr").text), mapfile.NullAbstain
		if rule.Copy == "" {
			lost("the source attribute has no name")
		}
	case src != nil:
		v := strings.TrimSpace(src.text)
		for _, k := range src.kids {
			v = cmp.Or(v, strings.TrimSpace(k.text))
		}
		if v == "" {
			lost("the flow has no source")
			break
		}
		rule.Constant = []string{v}
	default:
		lost("the flow has no source")
	}
	switch merge {
	case "", "Update":
	case "Merge", "MergeCaseInsensitive":
		rule.Merge, rule.MergeExact = rule.Skip == "", rule.Skip == "" && merge == "Merge"
	default:
		c.find(Lost, r, m, "the flow to "+to+" merges as "+clip(merge), "Microsoft does not say what that means; read as Update")
	}
	s.Rules = append(s.Rules, rule)
}

func (c *connect) joins(r *connectRule, s *mapfile.Section) {
	n := r.n.child("relationshipCriteria")
	if n == nil {
		return
	}
	for _, g := range n.kids {
		if g.name != "conditions" {
			c.find(Lost, r, g, "the element "+clip(g.name)+" in relationshipCriteria", "it is not known; nothing was made of it")
			continue
		}
		var keys []ldapsync.MatchKey
		for _, cond := range g.kids {
			var k ldapsync.MatchKey
			for _, e := range cond.kids {
				v := strings.TrimSpace(e.text)
				switch e.name {
				case "csAttribute":
					k.Source = v
				case "ilmAttribute":
					k.Target = v
				case "caseSensitive":
					k.Exact, _ = strconv.ParseBool(strings.ToLower(v))
				default:
					c.find(Lost, r, e, "the element "+clip(e.name)+" in a join condition", "it is not known; nothing was made of it")
				}
			}
			keys = append(keys, k)
		}
		switch {
		case len(keys) > 1:
			c.find(Lost, r, g, fmt.Sprintf("a join rule with %d conditions", len(keys)), "this engine joins by one attribute at a time, so the group was left out")
		case r.direction == "Outbound":
			c.find(Info, r, g, "a join rule", "it joins the metaverse; objects are joined by the inbound rules and the engine's anchor")
		case len(keys) == 1 && keys[0].Source != "" && keys[0].Target != "":
			if !slices.Contains(s.Keys, keys[0]) {
				s.Keys = append(s.Keys, keys[0])
			}
		default:
			c.find(Lost, r, g, "a join rule", "it does not name an attribute of both sides")
		}
	}
}
