package entratest

import (
	"strconv"
	"strings"
)

// MaxTop is the largest $top for users and devices.
const MaxTop = 999

// Options are the query options of a call that reads.
type options struct {
	selected []string // declared names; nil is the default set
	top      int
	count    bool
	advanced bool // ConsistencyLevel: eventual
	filter   filter
	keys     []lookup // what the filter looks for, nil if it has to see every object
	expand   []string
	skip     string // cursor of a nextLink
}

var knownOptions = map[string]bool{
	"$select": true, "$top": true, "$count": true, "$filter": true, "$expand": true, "$skiptoken": true, "$orderby": true,
	"$search": true, "$skip": true, "$format": true, "$deltatoken": true,
}

// options decodes the query of a call for a type. A list has paging and filters, a single object has not.
func (s *Server) options(c *call, t *resource, list bool) (options, *answer) {
	o := options{top: s.config.PageSize, advanced: strings.EqualFold(strings.TrimSpace(c.Header.Get("ConsistencyLevel")), "eventual")}
	for name := range c.Query {
		if !knownOptions[name] && strings.HasPrefix(name, "$") {
			return o, fail(400, codeBadRequest, "The query parameter '%s' is not supported.", name)
		}
		switch name {
		case "$search", "$skip":
			return o, missing("query option %s", name)
		case "$orderby":
			if !t.logs {
				return o, missing("query option %s", name)
			}
		}
		if len(c.Query[name]) > 1 {
			return o, fail(400, codeBadRequest, "Query option '%s' was specified more than once, but it must be specified at most once.", name)
		}
	}
	var a *answer
	if o.selected, a = s.selection(c.Query.Get("$select"), t, c.Version); a != nil {
		return o, a
	}
	if v := c.Query.Get("$expand"); v != "" {
		for name := range strings.SplitSeq(v, ",") {
			people := t == &deviceType && (name == "registeredOwners" || name == "registeredUsers")
			if !people && (t != &configurationType || name != "assignments") {
				return o, missing("$expand of %s on %s", name, t.set)
			}
			o.expand = append(o.expand, name)
		}
	}
	if !list {
		return o, nil
	}
	if v := c.Query.Get("$top"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > MaxTop {
			return o, fail(400, codeRequest, "Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", v, MaxTop)
		}
		o.top = n
	}
	switch v := c.Query.Get("$count"); strings.ToLower(v) {
	case "", "false":
	case "true":
		if o.count = true; !o.advanced {
			return o, fail(400, codeRequest, "$count is not currently supported.")
		}
	default:
		return o, fail(400, codeBadRequest, "Invalid value '%s' for $count query option found. The $count query option requires a boolean.", v)
	}
	if v, ok := c.Query["$filter"]; ok {
		if o.filter, o.keys, a = s.parseFilter(v[0], t, c.Version, o.advanced && o.count); a != nil {
			return o, a
		}
	}
	o.skip = c.Query.Get("$skiptoken")
	return o, nil
}

// selection decodes $select. Names compare without case; one that the type does not have is refused.
func (s *Server) selection(v string, t *resource, version string) ([]string, *answer) {
	if v == "" {
		return nil, nil
	}
	selected := []string{}
	for name := range strings.SplitSeq(v, ",") {
		name = strings.TrimSpace(name)
		if name == "*" {
			return nil, nil
		}
		if strings.HasPrefix(name, "extension_") {
			selected = append(selected, name) // an open type: one that is not defined is just not there
			continue
		}
		declared, ok := t.declared(name, version)
		if !ok {
			return nil, fail(400, codeBadRequest, "Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, t.odata)
		}
		selected = append(selected, declared)
	}
	return selected, nil
}

// project returns the members of an object that a reader asked for, of a user or device without the id unless it was. A declared property that has no value is null, a
// collection empty; a directory extension without a value is absent.
func project(t *resource, data Object, selected []string, version string) Object {
	out := Object{}
	put := func(name string) {
		v, set := data[name]
		p, ok := t.property(name, version)
		switch {
		case !ok:
			if v != nil {
				out[name] = clone(v)
			}
		case p.object == "onPremisesExtensionAttributes":
			out[name] = allExtensionAttributes(v)
		case set && v != nil:
			out[name] = clone(v)
		case p.typ == edmStrings || p.typ == edmObjects:
			out[name] = []any{}
		default:
			out[name] = nil
		}
	}
	if selected == nil {
		for name, p := range t.properties {
			if p.is(byDefault) && (version == "beta" || !p.is(betaOnly)) {
				put(name)
			}
		}
	}
	for _, name := range selected {
		put(name)
	}
	if t != &userType && t != &deviceType {
		out["id"] = data["id"] // of the others nobody knows it to be left out
	}
	return out
}

// allExtensionAttributes returns the fifteen of them, null where they have no value, as the service does.
func allExtensionAttributes(v any) map[string]any {
	m, _ := v.(map[string]any)
	out := map[string]any{}
	for _, name := range extensionAttributeNames {
		out[name] = m[name]
	}
	return out
}
