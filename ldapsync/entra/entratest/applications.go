package entratest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// A tenant is everything beside users and devices. The server's lock guards it.
type tenant struct {
	applications   []Object
	extensions     []extension
	organization   Object
	managed        []Object
	configurations []configuration
	jobs           []*job
	logs           []Object // auditLogs/provisioning, oldest first
}

// An extension is a directory extension an application has defined.
type extension struct {
	app  string // object id of the application
	data Object // as extensionProperties shows it
}

var applicationType = resource{
	name: "Application", odata: "application", set: "applications",
	properties: map[string]property{
		"id":          {typ: edmString, traits: readOnly | byDefault},
		"appId":       {typ: edmString, traits: readOnly | byDefault},
		"displayName": {typ: edmString, traits: byDefault | required},
	},
	filter: map[string]support{"appId": "DAA--D---", "displayName": "DAADDDDAA", "id": "DAA--D---"},
}

var extensionType = resource{
	name: "ExtensionProperty", odata: "extensionProperty", set: "extensionProperties",
	properties: map[string]property{
		"id":                     {typ: edmString, traits: readOnly | byDefault},
		"deletedDateTime":        {typ: edmTime, traits: readOnly | byDefault},
		"appDisplayName":         {typ: edmString, traits: readOnly | byDefault},
		"dataType":               {typ: edmString, traits: byDefault | required},
		"isMultiValued":          {typ: edmBool, traits: byDefault | required},
		"isSyncedFromOnPremises": {typ: edmBool, traits: readOnly | byDefault},
		"name":                   {typ: edmString, traits: byDefault | required},
		"targetObjects":          {typ: edmStrings, traits: byDefault | required},
	},
	filter: map[string]support{"name": "D--------", "isMultiValued": "D--------"},
}

// The data types of directory extensions (page "extensionProperty resource type").
var extensionTypes = map[string]property{
	"Binary": {typ: edmBinary, maxLen: 344}, "Boolean": {typ: edmBool}, "DateTime": {typ: edmTime},
	"Integer": {typ: edmInt32}, "LargeInteger": {typ: edmInt64}, "String": {typ: edmString, maxLen: 256},
}

var (
	extensionTargets = []string{"User", "Group", "AdministrativeUnit", "Application", "Device", "Organization"}
	extensionName    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// AddApplication adds an application, with a displayName and an appId, and returns its object id. What is missing is
// filled in.
func (s *Server) AddApplication(o Object) string {
	data, err := normal(o)
	if err != nil {
		panic("entratest: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app := Object{"id": data["id"], "appId": data["appId"], "displayName": data["displayName"]}
	for _, name := range []string{"id", "appId"} {
		if app.text(name) == "" {
			app[name] = s.dir.newID()
		}
	}
	if app.text("displayName") == "" {
		app["displayName"] = "Application " + app.text("appId")
	}
	s.applications = append(s.applications, app)
	return app.text("id")
}

// AddExtension defines a directory extension on an application, as POST extensionProperties does, and returns its full
// name, extension_<appId without hyphens>_<name>. It panics where the request would be refused.
func (s *Server) AddExtension(application, name, dataType string, targetObjects ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.findApplication("", application)
	if app == nil {
		panic("entratest: no application " + application)
	}
	ext, a := s.define(app, name, dataType, targetObjects, false)
	if a != nil {
		panic("entratest: " + a.message())
	}
	return ext.text("name")
}

// SyncExtension marks a directory extension as one that Microsoft Entra Connect writes, so that users mastered on premises
// refuse it.
func (s *Server) SyncExtension(fullName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.extensions {
		if e.data.text("name") == fullName {
			e.data["isSyncedFromOnPremises"] = true
		}
	}
}

func (s *Server) findApplication(keyName, key string) Object {
	for _, app := range s.applications {
		if keyName == "" && strings.EqualFold(app.text("id"), key) || keyName == "appId" && strings.EqualFold(app.text("appId"), key) {
			return app
		}
	}
	return nil
}

// define adds an extension after checking it.
func (s *Server) define(app Object, name, dataType string, targets []string, multi bool) (Object, *answer) {
	_, ok := extensionTypes[dataType]
	switch {
	case !ok:
		return nil, fail(400, codeRequest, "Invalid value specified for property 'dataType' of resource 'ExtensionProperty'.")
	case !extensionName.MatchString(name) || len(name) > 128:
		return nil, fail(400, codeRequest, "Invalid value specified for property 'name' of resource 'ExtensionProperty'.")
	case len(targets) == 0:
		return nil, fail(400, codeRequest, "A value is required for property 'targetObjects' of resource 'ExtensionProperty'.")
	}
	list := []any{}
	for _, t := range targets {
		if !slices.Contains(extensionTargets, t) {
			return nil, fail(400, codeRequest, "Invalid value specified for property 'targetObjects' of resource 'ExtensionProperty'.")
		}
		list = append(list, t)
	}
	full := "extension_" + strings.ReplaceAll(app.text("appId"), "-", "") + "_" + name
	if s.extensionKnown(full) {
		return nil, fail(400, codeRequest, "An extension property exists with the name %s.", full)
	}
	data := Object{
		"id": s.dir.newID(), "deletedDateTime": nil, "appDisplayName": app["displayName"], "dataType": dataType, "isMultiValued": multi,
		"isSyncedFromOnPremises": false, "name": full, "targetObjects": list,
	}
	s.extensions = append(s.extensions, extension{app: app.text("id"), data: data})
	return data, nil
}

func (s *Server) extension(name string) (extension, bool) {
	for _, e := range s.extensions {
		if e.data.text("name") == name {
			return e, true
		}
	}
	return extension{}, false
}

func (s *Server) extensionKnown(name string) bool {
	_, ok := s.extension(name)
	return ok
}

// checkExtension checks one directory extension of a body: it has to be defined, for this kind of object, and of the type
// of the value; a user mastered on premises refuses one that is synchronised.
func (s *Server) checkExtension(w write, name string, v any) *answer {
	e, ok := s.extension(name)
	if !ok || !slices.Contains(e.data["targetObjects"].([]any), any(w.kind.name)) {
		return fail(400, codeRequest, "The following extension properties are not available: %s.", name)
	}
	if w.before.flag("onPremisesSyncEnabled") && e.data.flag("isSyncedFromOnPremises") {
		return fail(400, codeRequest, "%s", masteredOnPremises)
	}
	p := extensionTypes[e.data.text("dataType")]
	if !e.data.flag("isMultiValued") {
		return checkValue(w.kind.name, name, p, v)
	}
	list, ok := v.([]any)
	if v != nil && !ok {
		return checkValue(w.kind.name, name, property{typ: edmStrings}, v)
	}
	for _, element := range list {
		if a := checkValue(w.kind.name, name, p, element); a != nil {
			return a
		}
	}
	return nil
}

// application answers /applications and their extensionProperties.
func (s *Server) application(c *call, segments []segment) *answer {
	keyName, id, rest := key(segments)
	if id == "" {
		if c.Method != http.MethodGet {
			return missing("%s of applications", c.Method)
		}
		return s.listPlain(c, &applicationType, s.applications, "applications")
	}
	app := s.findApplication(keyName, id)
	if app == nil {
		return notFound(id)
	}
	if len(rest) == 0 {
		if c.Method != http.MethodGet {
			return missing("%s of an application", c.Method)
		}
		return s.readPlain(c, &applicationType, app, "applications")
	}
	if rest[0].name != "extensionProperties" {
		return missing("%s of an application", rest[0].name)
	}
	_, extID, deeper := key(rest)
	if len(deeper) > 0 {
		return notAllowed(c)
	}
	if extID == "" {
		return s.applicationExtensions(c, app)
	}
	for i, e := range s.extensions {
		if e.app == app.text("id") && strings.EqualFold(e.data.text("id"), extID) {
			switch c.Method {
			case http.MethodGet:
				return s.readPlain(c, &extensionType, e.data, c.extensionsContext(app))
			case http.MethodDelete:
				s.extensions = slices.Delete(s.extensions, i, i+1)
				return &answer{status: http.StatusNoContent}
			}
			return notAllowed(c)
		}
	}
	return notFound(extID)
}

func (c *call) extensionsContext(app Object) string {
	return fmt.Sprintf("applications('%s')/extensionProperties", app.text("id"))
}

func (s *Server) applicationExtensions(c *call, app Object) *answer {
	switch c.Method {
	case http.MethodGet:
		var list []Object
		for _, e := range s.extensions {
			if e.app == app.text("id") {
				list = append(list, e.data)
			}
		}
		return s.listPlain(c, &extensionType, list, c.extensionsContext(app))
	case http.MethodPost:
		body, a := c.object()
		if a != nil {
			return a
		}
		if a := s.check(write{kind: &extensionType, version: c.Version, body: body}); a != nil {
			return a
		}
		for _, name := range []string{"dataType", "name", "targetObjects"} {
			if body[name] == nil {
				return fail(400, codeRequest, "A value is required for property '%s' of resource 'ExtensionProperty'.", name)
			}
		}
		var targets []string
		for _, t := range body["targetObjects"].([]any) {
			targets = append(targets, t.(string))
		}
		data, a := s.define(app, body.text("name"), body.text("dataType"), targets, body.flag("isMultiValued"))
		if a != nil {
			return a
		}
		out := cloneObject(data)
		out["@odata.context"] = c.context(c.extensionsContext(app)) + "/$entity"
		return &answer{status: http.StatusCreated, body: map[string]any(out)}
	}
	return notAllowed(c)
}

// availableExtensions answers directoryObjects/getAvailableExtensionProperties.
func (s *Server) availableExtensions(c *call) *answer {
	if c.Method != http.MethodPost {
		return notAllowed(c)
	}
	var want any
	if len(c.Body) > 0 {
		body, a := c.object()
		if a != nil {
			return a
		}
		want = body["isSyncedFromOnPremises"]
	}
	list := []any{}
	for _, e := range s.extensions {
		if want == nil || want == e.data["isSyncedFromOnPremises"] {
			list = append(list, clone(map[string]any(e.data)))
		}
	}
	return &answer{status: http.StatusOK, body: map[string]any{"@odata.context": c.context("directoryObjects"), "value": list}}
}

// readPlain is one object that no lag and no delta knows.
func (s *Server) readPlain(c *call, t *resource, data Object, set string) *answer {
	o, a := s.options(c, t, false)
	if a != nil {
		return a
	}
	out := project(t, data, o.selected, c.Version)
	out["@odata.context"] = c.context(set) + "/$entity"
	return &answer{status: http.StatusOK, body: map[string]any(out)}
}

// listPlain is a page of such objects.
func (s *Server) listPlain(c *call, t *resource, all []Object, set string) *answer {
	o, a := s.options(c, t, true)
	if a != nil {
		return a
	}
	var from cursor
	if o.skip != "" && (!decodeToken(o.skip, &from) || from.Set != t.set || from.After > uint64(len(all))) {
		return fail(400, codeRequest, "The skip token is invalid.")
	}
	if from.Empty {
		return c.emptyPage(set, from)
	}
	page, next := []any{}, 0
	for i := int(from.After); i < len(all); i++ {
		if o.filter != nil && !o.filter(all[i]) {
			continue
		}
		if len(page) == o.top {
			next = i
			break
		}
		page = append(page, map[string]any(t.present(all[i], o, c.Version)))
	}
	body := map[string]any{"@odata.context": c.context(set), "value": page}
	if o.count && o.skip == "" {
		n := 0
		for _, obj := range all {
			if o.filter == nil || o.filter(obj) {
				n++
			}
		}
		body["@odata.count"] = n
	}
	if next > 0 {
		body["@odata.nextLink"] = c.link("$skiptoken", encodeToken(cursor{Set: t.set, After: uint64(next), Empty: s.config.EmptyPages}))
	}
	return &answer{status: http.StatusOK, body: body}
}

// present is a plain object as an answer shows it; one of a derived type also shows what only its type has.
func (t *resource) present(data Object, o options, version string) Object {
	out := project(t, data, o.selected, version)
	for _, name := range o.expand {
		out[name] = clone(data[name])
	}
	if typ := data.text("@odata.type"); typ != "" && t.derived {
		out["@odata.type"] = typ
		if version != "beta" {
			out["@odata.type"] = "#microsoft.graph." + t.odata
			return out
		}
		if o.selected == nil {
			for name, v := range data {
				if _, declared := t.properties[name]; !declared && !slices.Contains(t.navigation, name) && !strings.HasSuffix(name, "@odata.bind") {
					out[name] = clone(v)
				}
			}
		}
	}
	return out
}

// organizationResource answers /organization.
func (s *Server) organizationResource(c *call, rest []segment) *answer {
	if c.Method != http.MethodGet || len(rest) > 0 {
		return notAllowed(c)
	}
	return &answer{status: http.StatusOK, body: map[string]any{
		"@odata.context": c.context("organization"), "value": []any{clone(map[string]any(s.organization))},
	}}
}

// SetOrganization sets what /organization returns, such as displayName, onPremisesSyncEnabled or verifiedDomains.
func (s *Server) SetOrganization(o Object) {
	data, err := normal(o)
	if err != nil {
		panic("entratest: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.organization = data
}

// directoryResource answers the recycle bin: /directory/deletedItems.
func (s *Server) directoryResource(c *call, rest []segment) *answer {
	if len(rest) == 0 || rest[0].name != "deletedItems" {
		return missing("/directory other than deletedItems")
	}
	if len(rest) == 1 {
		return missing("%s of all deletedItems: name the type", c.Method)
	}
	switch rest[1].name {
	case "microsoft.graph.user":
		var list []Object
		for _, e := range s.dir.entities[&userType] {
			if e.now.deleted == "changed" {
				list = append(list, e.now.data)
			}
		}
		if c.Method != http.MethodGet || len(rest) > 2 {
			return notAllowed(c)
		}
		return s.listPlain(c, &userType, list, "users")
	case "microsoft.graph.device":
		return s.listPlain(c, &deviceType, nil, "devices")
	}
	id := rest[1].name
	e := s.dir.ids[strings.ToLower(id)]
	if e == nil || e.now.deleted != "changed" {
		return notFound(id)
	}
	switch {
	case len(rest) == 2 && c.Method == http.MethodGet:
		return s.readPlain(c, e.kind, e.now.data, "directoryObjects")
	case len(rest) == 2 && c.Method == http.MethodDelete:
		s.dir.commit(e, e.now.gone(true, s.clock()), true)
		return &answer{status: http.StatusNoContent}
	case len(rest) == 3 && rest[2].name == "restore" && c.Method == http.MethodPost:
		data := cloneObject(e.now.data)
		delete(data, "deletedDateTime")
		if a := s.conflict(e.kind, nil, data); a != nil {
			return a
		}
		s.dir.commit(e, state{data: data}, true)
		out := project(e.kind, data, nil, c.Version)
		out["@odata.type"] = "#microsoft.graph." + e.kind.odata
		out["@odata.context"] = c.context("directoryObjects") + "/$entity"
		return &answer{status: http.StatusOK, body: map[string]any(out)}
	}
	return notAllowed(c)
}
