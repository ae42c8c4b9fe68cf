package syncrules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
	"go.internal/hybridkit/ldapsync/internal/jsonpos"
	"go.internal/hybridkit/ldapsync/mapfile"
)

// CloudSyncOptions choose among what a synchronization schema holds. The zero value takes everything.
type CloudSyncOptions struct {
	Rule string // only the synchronization rule with this id or name

	// Rename gives target attributes other names, without regard to case: the directory this engine writes seldom
	// calls them as Entra does.
	Rename map[string]string
}

// CloudSync imports a synchronization schema, as GET
// /servicePrincipals/{id}/synchronization/jobs/{id}/schema answers it: each enabled object mapping of users or
// devices becomes a mapping, in the order of the rules' priorities. Mistakes in the text or in the shape of what is
// understood are an *Error; everything else is imported or found.
func CloudSync(r io.Reader, o CloudSyncOptions) (*Import, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxBytes {
		return nil, &Error{Line: 1, Column: 1, Reason: fmt.Sprintf("larger than %d MB", MaxBytes>>20)}
	}
	c := &cloud{b: bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), o: o, out: &Import{File: &mapfile.File{Version: mapfile.Version}, Findings: []Finding{}}}
	root, err := jsonpos.Parse(c.b)
	var at *jsonpos.Error
	if errors.As(err, &at) {
		return nil, c.wrong(at.Offset, "", at.Reason)
	}
	if root.Kind == jsonpos.Object && root.Get("synchronizationRules") == nil && root.Get("value") != nil {
		root = root.Get("value") // some clients wrap the answer
	}
	c.schema(root)
	if c.err != nil {
		return nil, c.err
	}
	if len(c.out.File.Mappings) == 0 {
		return nil, c.wrong(root.Offset, "synchronizationRules", "there is no enabled object mapping of users or devices to import")
	}
	return c.out, nil
}

type cloud struct {
	b   []byte
	o   CloudSyncOptions
	out *Import
	err error
}

func (c *cloud) wrong(offset int, place, reason string) *Error {
	line, col := jsonpos.Position(c.b, offset)
	return &Error{Line: line, Column: col, Offset: offset, Place: place, Reason: reason}
}

func (c *cloud) find(l Level, n *jsonpos.Node, place, what, reason string) {
	line, _ := jsonpos.Position(c.b, n.Offset)
	c.out.Findings = append(c.out.Findings, Finding{Level: l, Line: line, Place: place, What: what, Reason: reason})
}

// members checks that n is an object, calls the functions for its members, and finds those there is none for. A nil
// function is for a member that says nothing this engine needs.
func (c *cloud) members(n *jsonpos.Node, place string, known map[string]func(*jsonpos.Node, string)) {
	if !c.is(n, place, jsonpos.Object) {
		return
	}
	for _, m := range n.Members {
		sub := m.Name
		if place != "" {
			sub = place + "." + m.Name
		}
		f, ok := known[m.Name]
		switch {
		case ok && f != nil && m.Kind != jsonpos.Null:
			f(m.Node, sub)
		case ok, strings.HasPrefix(m.Name, "@odata."), strings.Contains(m.Name, "@odata."):
		default:
			c.find(Lost, m.Node, sub, "the member "+clip(m.Name), "it is not among the members Microsoft documents for this resource; nothing was made of it")
		}
	}
}

func (c *cloud) is(n *jsonpos.Node, place string, k jsonpos.Kind) bool {
	if n.Kind != k && c.err == nil {
		c.err = c.wrong(n.Offset, place, fmt.Sprintf("%v is expected here, not %v", k, n.Kind))
	}
	return n.Kind == k
}

func (c *cloud) text(to *string) func(*jsonpos.Node, string) {
	return func(n *jsonpos.Node, place string) {
		if c.is(n, place, jsonpos.String) {
			*to = n.Text
		}
	}
}

func (c *cloud) flag(to *bool) func(*jsonpos.Node, string) {
	return func(n *jsonpos.Node, place string) {
		if c.is(n, place, jsonpos.Bool) {
			*to = n.True
		}
	}
}

func (c *cloud) number(to *int) func(*jsonpos.Node, string) {
	return func(n *jsonpos.Node, place string) {
		if c.is(n, place, jsonpos.Number) {
			i, err := strconv.ParseInt(n.Text, 10, 32)
			if err != nil && c.err == nil {
				c.err = c.wrong(n.Offset, place, clip(n.Text)+" is not a whole number of 32 bits")
			}
			*to = int(i)
		}
	}
}

func (c *cloud) each(f func(*jsonpos.Node, string)) func(*jsonpos.Node, string) {
	return func(n *jsonpos.Node, place string) {
		if c.is(n, place, jsonpos.Array) {
			for i, item := range n.Items {
				f(item, fmt.Sprintf("%s[%d]", place, i))
			}
		}
	}
}

func (c *cloud) schema(root *jsonpos.Node) {
	type placed struct {
		n        *jsonpos.Node
		place    string
		priority int
	}
	var rules []placed
	seen := false
	c.members(root, "", map[string]func(*jsonpos.Node, string){
		"id": nil, "version": nil, "provisioningTaskIdentifier": nil, "directories": nil,
		"synchronizationRules": func(n *jsonpos.Node, place string) {
			seen = true
			c.each(func(n *jsonpos.Node, place string) {
				p := placed{n: n, place: place}
				if v := n.Get("priority"); v != nil && v.Kind != jsonpos.Null {
					c.number(&p.priority)(v, place+".priority")
				}
				rules = append(rules, p)
			})(n, place)
		},
	})
	if !seen && c.err == nil {
		c.err = c.wrong(root.Offset, "", "there are no synchronizationRules, so this is no synchronization schema")
	}
	slices.SortStableFunc(rules, func(a, b placed) int { return cmp.Compare(a.priority, b.priority) })
	for _, r := range rules {
		c.rule(r.n, r.place)
	}
}

func (c *cloud) rule(n *jsonpos.Node, place string) {
	var id, name, source, target string
	var mappings []func()
	var ous []string
	c.members(n, place, map[string]func(*jsonpos.Node, string){
		"editable": nil, "priority": nil, "id": c.text(&id), "name": c.text(&name),
		"sourceDirectoryName": c.text(&source), "targetDirectoryName": c.text(&target),
		"metadata": c.metadata,
		"containerFilter": func(n *jsonpos.Node, place string) {
			c.members(n, place, map[string]func(*jsonpos.Node, string){
				"includedContainers": c.each(func(n *jsonpos.Node, place string) {
					if !c.is(n, place, jsonpos.String) {
						return
					}
					if _, err := ldapsync.ParseDN(n.Text); err != nil {
						c.find(Lost, n, place, "the container "+clip(n.Text), "it is no distinguished name; name the OU in the engine's configuration")
						return
					}
					ous = append(ous, n.Text)
				}),
			})
			if len(ous) > 0 {
				c.find(Changed, n, place, "a container filter", "Cloud Sync takes all objects below a container; this engine takes those directly in it unless its scope says subtree")
			}
		},
		"groupFilter": func(n *jsonpos.Node, place string) {
			c.find(Lost, n, place, "a group filter", "membership of groups is not evaluated; scope by OU or by a filter on memberOf instead")
		},
		"objectMappings": c.each(func(n *jsonpos.Node, place string) {
			mappings = append(mappings, func() { c.objectMapping(n, place, cmp.Or(name, id), source, target, ous) })
		}),
	})
	if c.o.Rule != "" && c.o.Rule != id && c.o.Rule != name {
		c.find(Info, n, place, "the rule "+cmp.Or(name, id), "another rule was asked for")
		return
	}
	for _, f := range mappings {
		f()
	}
}

// metadata holds the service's own switches. The values of Microsoft's sample (objectMapping resource type) say
// nothing; others are found.
func (c *cloud) metadata(n *jsonpos.Node, place string) {
	c.each(func(n *jsonpos.Node, place string) {
		var key, value string
		c.members(n, place, map[string]func(*jsonpos.Node, string){"key": c.text(&key), "value": c.text(&value)})
		switch strings.Trim(strings.ToLower(value), `"`) {
		case "", "false", "normal", "default":
		default:
			if key != "IsCustomerDefined" {
				c.find(Lost, n, place, fmt.Sprintf("metadata %s = %s", clip(key), clip(value)), "Microsoft does not say what it means; nothing was made of it")
			}
		}
	})(n, place)
}

// class maps the name of an object to what this engine synchronises.
func class(object string) ldapsync.Class {
	switch strings.ToLower(object) {
	case "user", "inetorgperson", "person":
		return ldapsync.User
	case "computer", "device":
		return ldapsync.Device
	}
	return 0
}

func (c *cloud) objectMapping(n *jsonpos.Node, place, rule, source, target string, ous []string) {
	enabled := true
	var name, from, to, flows string
	var maps []func()
	s := mapfile.Section{Dialect: expr.CloudSync, OUs: ous}
	keys := []matching{}
	var unsynced bool
	c.members(n, place, map[string]func(*jsonpos.Node, string){
		"enabled": c.flag(&enabled), "name": c.text(&name), "flowTypes": c.text(&flows), "metadata": c.metadata,
		"sourceObjectName": c.text(&from), "targetObjectName": c.text(&to),
		"scope": func(n *jsonpos.Node, place string) {
			c.members(n, place, map[string]func(*jsonpos.Node, string){
				"name":              nil,
				"groups":            c.filter(&s, "scope", true),
				"inputFilterGroups": c.filter(&s, "input-filter", false),
				"categoryFilterGroups": func(n *jsonpos.Node, place string) {
					if len(n.Items) > 0 {
						c.find(Changed, n, place, "category filter groups", "experimental, says Microsoft: here an object that fails them is held, not given to another mapping")
					}
					c.filter(&s, "category-filter", false)(n, place)
				},
			})
		},
		"attributeMappings": c.each(func(n *jsonpos.Node, place string) {
			maps = append(maps, func() { c.attributeMapping(n, place, &s, &keys) })
		}),
	})
	what := fmt.Sprintf("the mapping %s (%s to %s)", clip(cmp.Or(name, rule)), clip(from), clip(to))
	if s.Class = class(from); s.Class == 0 {
		c.find(Lost, n, place, what, "objects of this kind are not synchronised by this engine, which takes users and devices")
		return
	}
	if !enabled {
		c.find(Info, n, place, what, "it is not enabled, so it was not imported")
		return
	}
	if flows != "" {
		parts := strings.FieldsFunc(flows, func(r rune) bool { return r == ',' || r == ' ' })
		unsynced = !slices.Contains(parts, "Update")
		at := n.Get("flowTypes")
		c.find(Info, at, place+".flowTypes", flows, "whether objects are created, and what becomes of those that leave, is in the engine's configuration (create, leave)")
		if unsynced {
			c.find(Lost, at, place+".flowTypes", flows+" without Update", "this engine has no objects that are made and then never updated; every rule became one that speaks only while its attribute is absent")
		}
	}
	s.Name = c.unique(cmp.Or(name, strings.TrimSpace(rule+" "+from), "mapping"))
	s.Doc = fmt.Sprintf("%s, from %s of %s to %s of %s", rule, from, source, to, target)
	for _, f := range maps {
		f()
	}
	if unsynced {
		for i := range s.Rules {
			s.Rules[i].Once = true
		}
	}
	slices.SortStableFunc(keys, func(a, b matching) int { return cmp.Compare(a.priority, b.priority) })
	for _, k := range keys {
		s.Keys = append(s.Keys, k.MatchKey)
	}
	if len(s.Rules) == 0 {
		c.find(Lost, n, place, what, "it has no attribute mappings")
		return
	}
	c.out.File.Mappings = append(c.out.File.Mappings, s)
}

type matching struct {
	priority int
	ldapsync.MatchKey
}

func (c *cloud) unique(name string) string {
	out := name
	for i := 2; slices.ContainsFunc(c.out.File.Mappings, func(s mapfile.Section) bool { return s.Name == out }); i++ {
		out = fmt.Sprintf("%s (%d)", name, i)
	}
	return out
}

// cloudOperator translates the operators of the provisioning service's scoping filters (Microsoft,
// "Attribute-based application provisioning with scoping filters"), however blanks, '_' and case are used.
func cloudOperator(name string) (mapfile.Operator, bool) {
	op, ok := map[string]mapfile.Operator{
		"EQUALS": "equal", "NOTEQUALS": "notEqual", "ISTRUE": "true", "ISFALSE": "false", "ISNULL": "null", "ISNOTNULL": "notNull",
		"REGEXMATCH": "matches", "NOTREGEXMATCH": "notMatches", "GREATERTHAN": "greater", "GREATERTHANOREQUALS": "greaterOrEqual",
		"INCLUDES": "contains",
	}[strings.ToUpper(strings.NewReplacer(" ", "", "_", "").Replace(name))]
	return op, ok
}

func (c *cloud) filter(s *mapfile.Section, id string, leave bool) func(*jsonpos.Node, string) {
	return func(n *jsonpos.Node, place string) {
		f := mapfile.ScopeFilter{ID: id, Leave: leave}
		c.each(func(n *jsonpos.Node, place string) {
			var g mapfile.Group
			var title string
			c.members(n, place, map[string]func(*jsonpos.Node, string){
				"name":    c.text(&title),
				"clauses": c.each(func(n *jsonpos.Node, place string) { g = append(g, c.clause(n, place)) }),
			})
			if len(g) == 0 {
				c.find(Changed, n, place, "a group without clauses", "it would let every object in; it was left out, so that the other groups decide")
				return
			}
			f.Groups = append(f.Groups, g)
		})(n, place)
		if len(f.Groups) > 0 {
			s.Scope = append(s.Scope, f)
		}
	}
}

func (c *cloud) clause(n *jsonpos.Node, place string) mapfile.Clause {
	var op string
	out := mapfile.Clause{Exact: true}
	c.members(n, place, map[string]func(*jsonpos.Node, string){
		"operatorName": c.text(&op), "sourceOperandName": c.text(&out.Attribute),
		"targetOperand": func(n *jsonpos.Node, place string) {
			c.members(n, place, map[string]func(*jsonpos.Node, string){"values": c.each(func(n *jsonpos.Node, place string) {
				if c.is(n, place, jsonpos.String) {
					out.Values = append(out.Values, n.Text)
				}
			})})
		},
	})
	known, ok := cloudOperator(op)
	if !ok {
		return c.unsupported(n, place, out, op, fmt.Sprintf("the operator %s is not known", clip(op)))
	}
	out.Operator = known
	switch known {
	case "true", "false", "null", "notNull":
		out.Values, out.Exact = nil, false
	}
	if err := checkClause(out); err != nil {
		return c.unsupported(n, place, out, op, err.Error())
	}
	return out
}

func (c *cloud) unsupported(n *jsonpos.Node, place string, cl mapfile.Clause, op, why string) mapfile.Clause {
	c.find(Lost, n, place, fmt.Sprintf("the clause %s %s %q", clip(cl.Attribute), clip(op), cl.Values), why+"; objects for which it matters are held")
	return mapfile.Clause{Operator: mapfile.Unsupported, Why: clip(fmt.Sprintf("%s %s %q: %s", cl.Attribute, op, cl.Values, why))}
}

// checkClause asks the mapping file's own rules.
func checkClause(cl mapfile.Clause) error {
	f := mapfile.File{Version: mapfile.Version, Mappings: []mapfile.Section{{Name: "x", Rules: []mapfile.Rule{{To: "x", Copy: "x", When: []mapfile.Group{{cl}}}}}}}
	_, err := f.Build(mapfile.Options{})
	var e *mapfile.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (c *cloud) attributeMapping(n *jsonpos.Node, place string, s *mapfile.Section, keys *[]matching) {
	var def *string
	var behaviour, flow, to string
	priority := 0
	var src *jsonpos.Node
	c.members(n, place, map[string]func(*jsonpos.Node, string){
		"defaultValue": func(n *jsonpos.Node, place string) {
			if c.is(n, place, jsonpos.String) {
				def = &n.Text
			}
		},
		"exportMissingReferences": nil, // "For internal use only", says Microsoft
		"flowBehavior":            c.text(&behaviour), "flowType": c.text(&flow), "matchingPriority": c.number(&priority),
		"targetAttributeName": c.text(&to),
		"source":              func(n *jsonpos.Node, place string) { src = n },
	})
	if to == "" {
		c.find(Lost, n, place, "an attribute mapping", "it names no target attribute")
		return
	}
	to = renamed(c.o.Rename, to)
	r := mapfile.Rule{To: to}
	c.source(src, n, place+".source", s, &r)
	if def != nil && *def != "" {
		switch {
		case src == nil && r.Constant == nil:
			r.Constant, r.Skip = []string{*def}, ""
		case r.Skip == "":
			r.Default = []string{*def}
		}
	}
	switch flow {
	case "", "Always":
	case "ObjectAddOnly":
		r.Once = true
		c.find(Changed, n.Get("flowType"), place+".flowType", to+": ObjectAddOnly", "Cloud Sync sets it when it creates the object; here the rule speaks whenever the attribute is absent")
	default:
		c.find(Lost, n.Get("flowType"), place+".flowType", to+": "+clip(flow), "values cannot only be added to an attribute; the attribute is left alone")
		r = mapfile.Rule{To: to, Skip: "flow type " + clip(flow) + " is not supported", Doc: r.Expression}
	}
	if behaviour != "" && behaviour != "FlowWhenChanged" && behaviour != "FlowAlways" {
		c.find(Lost, n.Get("flowBehavior"), place+".flowBehavior", to+": "+clip(behaviour), "it is not among the behaviours Microsoft documents; the engine compares with the target every time, as FlowAlways does")
	}
	if priority > 0 {
		if r.Copy != "" {
			*keys = append(*keys, matching{priority, ldapsync.MatchKey{Source: r.Copy, Target: to}})
		} else {
			c.find(Lost, n.Get("matchingPriority"), place+".matchingPriority", fmt.Sprintf("matching on %s, priority %d", to, priority), "objects are matched by an attribute as it is, not by what an expression makes of it")
		}
	}
	if i := slices.IndexFunc(s.Rules, func(q mapfile.Rule) bool { return strings.EqualFold(q.To, to) }); i >= 0 {
		c.find(Changed, n, place, "a second mapping to "+to, "the first decides; it has no opinion only where the first abstains")
	}
	s.Rules = append(s.Rules, r)
}

// source fills the rule from an attributeMappingSource, n, which is nil where there is none.
func (c *cloud) source(n, parent *jsonpos.Node, place string, s *mapfile.Section, r *mapfile.Rule) {
	if n == nil {
		r.Skip = "the mapping has neither a source nor a default value"
		if d := parent.Get("defaultValue"); d == nil || d.Kind == jsonpos.Null || d.Text == "" {
			c.find(Lost, parent, place, r.To, "the mapping has neither a source nor a default value; the attribute is left alone")
		}
		return
	}
	root, text := c.tree(n, place, 0)
	if c.err != nil {
		return
	}
	lost := func(why string) {
		c.find(Lost, n, place, r.To+" from "+clip(text), why+"; the attribute is left alone")
		r.Copy, r.Expression, r.Constant = "", "", nil
		r.Skip, r.Doc = clip(why), text
	}
	var e *expr.Expr
	var err error
	switch {
	case text != "":
		e, err = expr.Parse(expr.CloudSync, text)
	case root != nil:
		if e, err = expr.New(expr.CloudSync, root); err == nil {
			text = e.String()
		}
	default:
		lost("the source says neither an expression nor a name")
		return
	}
	if err != nil {
		lost(err.Error())
		return
	}
	switch e.Root.Kind {
	case expr.NodeAttr:
		r.Copy = e.Root.Text
		return
	case expr.NodeString:
		if e.Root.Text != "" {
			r.Constant = []string{e.Root.Text}
			return
		}
	}
	r.Expression = text
	if why := cannotRun(e, nil); why != "" {
		lost(why)
	}
}

// cannotRun says why an expression cannot be a rule of this engine, "" if it can.
func cannotRun(e *expr.Expr, params map[string]string) string {
	if !e.Deterministic() {
		random := ""
		e.Root.Walk(func(n *expr.Node) bool {
			if n.Kind == expr.NodeCall && random == "" {
				switch strings.ToLower(n.Text) {
				case "guid", "randomstring", "randomnum", "selectuniquevalue":
					random = n.Text
				}
			}
			return true
		})
		if random != "" {
			return random + " gives another value every time, or needs a look into the target, so no rule of this engine can be it"
		}
	}
	imported := false
	e.Root.Walk(func(n *expr.Node) bool {
		imported = imported || n.Kind == expr.NodeCall && strings.EqualFold(n.Text, "ImportedValue")
		return true
	})
	if imported {
		return "ImportedValue reads what the target confirmed, which a rule of this engine does not see"
	}
	f := mapfile.File{Version: mapfile.Version, Mappings: []mapfile.Section{{Name: "x", Parameters: params, Rules: []mapfile.Rule{{To: "x", Expression: e.Source, Dialect: e.Dialect}}}}}
	if _, err := f.Build(mapfile.Options{}); err != nil {
		var m *mapfile.Error
		if errors.As(err, &m) {
			err = m.Err
		}
		return err.Error()
	}
	return ""
}

// tree reads an attributeMappingSource: its expression, and the tree of names and parameters it is equivalent to.
func (c *cloud) tree(n *jsonpos.Node, place string, depth int) (*expr.Node, string) {
	var text, name, kind string
	var params []*expr.Node
	c.members(n, place, map[string]func(*jsonpos.Node, string){
		"expression": c.text(&text), "name": c.text(&name), "type": c.text(&kind),
		"parameters": c.each(func(n *jsonpos.Node, place string) {
			c.members(n, place, map[string]func(*jsonpos.Node, string){
				"key": nil, // the name of the parameter in the function's description; the order counts
				"value": func(n *jsonpos.Node, place string) {
					p, t := c.tree(n, place, depth+1)
					if p == nil && t != "" {
						if e, err := expr.Parse(expr.CloudSync, t); err == nil {
							p = e.Root
						}
					}
					if p != nil {
						params = append(params, p)
					}
				},
			})
		}),
	})
	if name == "" {
		return nil, text
	}
	switch kind {
	case "", "Attribute":
		return &expr.Node{Kind: expr.NodeAttr, Text: name}, text
	case "Constant":
		return &expr.Node{Kind: expr.NodeString, Text: name}, text
	case "Function":
		return &expr.Node{Kind: expr.NodeCall, Text: name, Args: params}, text
	}
	if c.err == nil {
		c.err = c.wrong(n.Get("type").Offset, place+".type", fmt.Sprintf("%q is none of Attribute, Constant, Function", clip(kind)))
	}
	return nil, text
}
