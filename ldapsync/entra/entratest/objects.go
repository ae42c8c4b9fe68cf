package entratest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gone is the state after a deletion.
func (st state) gone(forGood bool, now time.Time) state {
	data := cloneObject(st.data)
	data["deletedDateTime"] = stamp(now)
	if forGood {
		return state{data: data, deleted: "deleted"}
	}
	return state{data: data, deleted: "changed"}
}

// stamp writes a time as Graph does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// directoryObject answers /users and /devices and what is below them.
func (s *Server) directoryObject(c *call, t *resource, segments []segment) *answer {
	if len(segments) > 1 && segments[0].key == "" {
		switch segments[1].name {
		case "delta", "microsoft.graph.delta":
			if c.Method != http.MethodGet || len(segments) > 2 {
				return notAllowed(c)
			}
			return s.delta(c, t)
		case "$count":
			return s.countObjects(c, t)
		}
	}
	keyName, id, rest := key(segments)
	if id == "" {
		switch c.Method {
		case http.MethodGet:
			return s.listObjects(c, t)
		case http.MethodPost:
			return s.createObject(c, t)
		}
		return notAllowed(c)
	}
	var e *entity
	switch {
	case keyName == "":
		e = s.dir.find(t, id)
	case keyName == "deviceId" && t == &deviceType, keyName == "userPrincipalName" && t == &userType:
		e = s.dir.findBy(t, keyName, id)
	default:
		return fail(400, codeBadRequest, "The key '%s' is not a key of resource '%s'.", keyName, t.name)
	}
	if len(rest) > 0 {
		return s.related(c, t, e, id, rest)
	}
	switch c.Method {
	case http.MethodGet:
		return s.readObject(c, t, e, id)
	case http.MethodPatch:
		return s.updateObject(c, t, e, id)
	case http.MethodDelete:
		if e == nil || e.now.deleted != "" {
			return notFound(id)
		}
		s.dir.commit(e, e.now.gone(t == &deviceType, s.clock()), true)
		return &answer{status: http.StatusNoContent}
	}
	return notAllowed(c)
}

func notFound(id string) *answer {
	return fail(404, codeNotFound, "Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

func (s *Server) readObject(c *call, t *resource, e *entity, id string) *answer {
	o, a := s.options(c, t, false)
	if a != nil {
		return a
	}
	if e == nil {
		return notFound(id)
	}
	seen := s.dir.view(e, byID, true)
	if !seen.exists {
		return notFound(id)
	}
	out := s.present(t, e, seen, o, c)
	out["@odata.context"] = c.context(t.set) + "/$entity"
	return &answer{status: http.StatusOK, body: map[string]any(out)}
}

// present is an object as an answer shows it.
func (s *Server) present(t *resource, e *entity, seen view, o options, c *call) Object {
	out := project(t, seen.data, o.selected, c.Version)
	for _, name := range o.expand {
		ids := e.owners
		if name == "registeredUsers" {
			ids = e.users
		}
		out[name] = s.people(ids, c)
	}
	return out
}

func (s *Server) people(ids []string, c *call) []any {
	list := []any{}
	for _, id := range ids {
		if u := s.dir.ids[strings.ToLower(id)]; u != nil {
			if seen := s.dir.view(u, byIndex, false); seen.exists {
				o := project(u.kind, seen.data, nil, c.Version)
				o["@odata.type"] = "#microsoft.graph." + u.kind.odata
				list = append(list, map[string]any(o))
			}
		}
	}
	return list
}

func (c *call) context(set string) string {
	return c.base + "/" + c.Version + "/$metadata#" + set
}

// related answers what hangs on an object: the owners and users of a device.
func (s *Server) related(c *call, t *resource, e *entity, id string, rest []segment) *answer {
	name := rest[0].name
	if t == &deviceType && len(rest) == 1 && (name == "registeredOwners" || name == "registeredUsers") {
		if c.Method != http.MethodGet {
			return missing("%s of %s", c.Method, name)
		}
		if e == nil || e.now.deleted != "" {
			return notFound(id)
		}
		ids := e.owners
		if name == "registeredUsers" {
			ids = e.users
		}
		return &answer{status: http.StatusOK, body: map[string]any{
			"@odata.context": c.context("directoryObjects"), "value": s.people(ids, c),
		}}
	}
	return missing("%s of %s", name, t.set)
}

func (s *Server) updateObject(c *call, t *resource, e *entity, id string) *answer {
	body, a := c.object()
	if a != nil {
		return a
	}
	if e == nil || e.now.deleted != "" {
		return notFound(id)
	}
	if a := s.check(write{kind: t, version: c.Version, body: body, before: e.now.data, app: !s.config.Delegated}); a != nil {
		return a
	}
	next := merge(e.now.data, body)
	if a := s.conflict(t, e, next); a != nil {
		return a
	}
	s.dir.commit(e, state{data: next}, true)
	return &answer{status: http.StatusNoContent}
}

// conflict refuses a value that another object already has where it has to be unique.
func (s *Server) conflict(t *resource, e *entity, next Object) *answer {
	unique := []string{"userPrincipalName", "onPremisesImmutableId"}
	if t == &deviceType {
		unique = []string{"deviceId"}
	}
	for _, name := range unique {
		if e != nil && equal(e.now.data[name], next[name]) {
			continue
		}
		if other := s.dir.findBy(t, name, next.text(name)); other != nil && other != e {
			return fail(400, codeRequest, "Another object with the same value for property %s already exists.", name)
		}
	}
	return nil
}

func (s *Server) createObject(c *call, t *resource) *answer {
	body, a := c.object()
	if a != nil {
		return a
	}
	needed := []string{"accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName"}
	if t == &deviceType {
		needed = []string{"accountEnabled", "alternativeSecurityIds", "deviceId", "displayName", "operatingSystem", "operatingSystemVersion"}
	}
	for _, name := range needed {
		if body[name] == nil {
			return fail(400, codeRequest, "A value is required for property '%s' of resource '%s'.", name, t.name)
		}
	}
	if a := s.check(write{kind: t, version: c.Version, body: body, app: !s.config.Delegated}); a != nil {
		return a
	}
	data := merge(nil, body)
	if a := s.conflict(t, nil, data); a != nil {
		return a
	}
	data["id"] = s.dir.newID()
	if t == &userType {
		data["createdDateTime"] = stamp(s.clock())
		if data["userType"] == nil {
			data["userType"] = "Member"
		}
	}
	e := s.dir.add(t, data, true)
	out := project(t, e.now.data, nil, c.Version)
	for name := range body {
		if _, ok := t.property(name, c.Version); ok && data[name] != nil {
			out[name] = clone(data[name])
		}
	}
	out["@odata.context"] = c.context(t.set) + "/$entity"
	return (&answer{status: http.StatusCreated, body: map[string]any(out)}).with("Location", c.base+"/"+c.Version+"/"+t.set+"/"+e.id)
}

// A cursor is where a list goes on, inside a $skiptoken.
type cursor struct {
	Set   string `json:"s"`
	After uint64 `json:"a"`           // order of the last object given
	Empty bool   `json:"e,omitempty"` // an empty page comes first
}

func encodeToken(v any) string {
	b, _ := json.Marshal(v) // of plain structs
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeToken(t string, v any) bool {
	b, err := base64.RawURLEncoding.DecodeString(t)
	return err == nil && json.Unmarshal(b, v) == nil
}

func (s *Server) listObjects(c *call, t *resource) *answer {
	o, a := s.options(c, t, true)
	if a != nil {
		return a
	}
	var from cursor
	if o.skip != "" && (!decodeToken(o.skip, &from) || from.Set != t.set) {
		return fail(400, codeRequest, "The skip token is invalid.")
	}
	if from.Empty {
		return c.emptyPage(t.set, from)
	}
	page, total, last, next := []any{}, 0, uint64(0), false
	among := s.dir.candidates(t, o.keys)
	if !o.count { // what is on earlier pages counts for nothing else
		at, _ := slices.BinarySearchFunc(among, from.After+1, func(e *entity, order uint64) int { return cmp.Compare(e.order, order) })
		among = among[at:]
	}
	for _, e := range among {
		seen := s.dir.view(e, byIndex, true)
		if !seen.exists || o.filter != nil && !o.filter(seen.data) {
			continue
		}
		total++
		if e.order <= from.After {
			continue
		}
		if len(page) == o.top {
			if next = true; !o.count {
				break
			}
			continue
		}
		page = append(page, map[string]any(s.present(t, e, seen, o, c)))
		last = e.order
	}
	body := map[string]any{"@odata.context": c.context(t.set), "value": page}
	if o.count && o.skip == "" {
		body["@odata.count"] = total
	}
	if next {
		body["@odata.nextLink"] = c.link("$skiptoken", encodeToken(cursor{Set: t.set, After: last, Empty: s.config.EmptyPages}))
	}
	return &answer{status: http.StatusOK, body: body}
}

// emptyPage is a page without objects that leads on to the page at the cursor.
func (c *call) emptyPage(context string, at cursor) *answer {
	at.Empty = false
	return &answer{status: http.StatusOK, body: map[string]any{
		"@odata.context": c.context(context), "value": []any{}, "@odata.nextLink": c.link("$skiptoken", encodeToken(at)),
	}}
}

// link is the URL of the same request with one more option, for a nextLink.
func (c *call) link(option, value string) string {
	var b strings.Builder
	b.WriteString(c.base + "/" + c.Version + (c.escapedPath()) + "?")
	for _, name := range sortedKeys(c.Query) {
		if name != option && strings.HasPrefix(name, "$") {
			b.WriteString(name + "=" + escapeQuery(c.Query.Get(name)) + "&")
		}
	}
	b.WriteString(option + "=" + escapeQuery(value))
	return b.String()
}

func (s *Server) countObjects(c *call, t *resource) *answer {
	if c.Method != http.MethodGet {
		return notAllowed(c)
	}
	if !strings.EqualFold(c.Header.Get("ConsistencyLevel"), "eventual") {
		return fail(400, codeRequest, "$count is not currently supported.")
	}
	var match filter
	if v, ok := c.Query["$filter"]; ok {
		var a *answer
		if match, _, a = s.parseFilter(v[0], t, c.Version, true); a != nil {
			return a
		}
	}
	n := 0
	for _, e := range s.dir.entities[t] {
		if seen := s.dir.view(e, byIndex, true); seen.exists && (match == nil || match(seen.data)) {
			n++
		}
	}
	return &answer{status: http.StatusOK, raw: []byte(strconv.Itoa(n)), contentType: "text/plain"}
}
