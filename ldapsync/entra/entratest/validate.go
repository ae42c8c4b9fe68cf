package entratest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// The refusals of objects whose master is elsewhere, in the service's words.
const (
	masteredOnPremises = "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration."
	masteredExchange   = "Unable to update the specified properties for objects that have originated within an external service."
)

// A write is a body that is to change, or make, an object.
type write struct {
	kind    *resource
	version string
	body    Object
	before  Object // nil when the object is created
	app     bool   // with application permissions, not as a user
}

// check returns the refusal Graph would give to a write, nil if it is in order. The members are looked at in no order that
// Microsoft documents; here in the order of their names, so that a refusal is always the same.
func (s *Server) check(w write) *answer {
	for _, name := range sortedKeys(w.body) {
		if a := s.checkProperty(w, name, w.body[name]); a != nil {
			return a
		}
	}
	if w.kind == &userType && w.before != nil {
		return checkMaster(w)
	}
	return nil
}

func (s *Server) checkProperty(w write, name string, v any) *answer {
	if strings.Contains(name, "@") {
		return checkAnnotation(w, name, v)
	}
	p, ok := w.kind.property(name, w.version)
	if !ok {
		if strings.HasPrefix(name, "extension_") {
			return s.checkExtension(w, name, v)
		}
		for _, nav := range w.kind.navigation {
			if nav == name {
				return fail(400, codeRequest, "Property '%s' is a navigation property: it is not set in the body of resource '%s'.", name, w.kind.name)
			}
		}
		return fail(400, codeRequest, "Property '%s' does not exist as a declared property or extension property.", name)
	}
	switch {
	case p.is(readOnly), p.is(onCreate) && w.before != nil:
		return fail(400, codeRequest, "Property '%s' is read-only and cannot be set.", name)
	case p.is(mdmOnly):
		return fail(403, codeDenied, "Insufficient privileges to complete the operation.")
	case p.is(sharePoint):
		return missing("%s of a user is kept by SharePoint, which this server does not have", name)
	case name == "customSecurityAttributes", name == "mailboxSettings":
		return missing("%s is not kept by this server", name)
	}
	if v == nil && p.is(required) {
		return fail(400, codeRequest, "A value is required for property '%s' of resource '%s'.", name, w.kind.name)
	}
	if a := checkValue(w.kind.name, name, p, v); a != nil {
		return a
	}
	return w.checkRules(name, v)
}

func checkAnnotation(w write, name string, v any) *answer {
	switch {
	case name == "@odata.type":
		if t, _ := v.(string); strings.TrimPrefix(t, "#") != "microsoft.graph."+w.kind.odata {
			return fail(400, codeBadRequest, "The type '%v' is not microsoft.graph.%s.", v, w.kind.odata)
		}
	case strings.HasSuffix(name, "@odata.bind"):
		return missing("%s: references to other objects are not kept by this server", name)
	}
	return nil // other annotations say nothing about the object
}

// checkValue checks the JSON kind, the members of complex values, length and the empty string.
func checkValue(resource, name string, p property, v any) *answer {
	if v == nil {
		return nil
	}
	wrong := func() *answer {
		return fail(400, codeBadRequest, "Cannot convert the value of property '%s' to the expected type '%s'.", name, edmNames[p.typ])
	}
	invalid := func() *answer {
		return fail(400, codeRequest, "Invalid value specified for property '%s' of resource '%s'.", name, resource)
	}
	switch p.typ {
	case edmBool:
		if _, ok := v.(bool); !ok {
			return wrong()
		}
	case edmInt32, edmInt64:
		n, ok := v.(json.Number)
		if !ok {
			return wrong()
		}
		if i, err := n.Int64(); err != nil || p.typ == edmInt32 && (i < math.MinInt32 || i > math.MaxInt32) {
			return wrong()
		}
	case edmStrings:
		list, ok := v.([]any)
		if !ok {
			return wrong()
		}
		for _, e := range list {
			if t, ok := e.(string); !ok {
				return wrong()
			} else if t == "" {
				return invalid()
			}
		}
	case edmObject:
		m, ok := v.(map[string]any)
		if !ok {
			return wrong()
		}
		return checkComplex(resource, p.object, m)
	case edmObjects:
		list, ok := v.([]any)
		if !ok {
			return wrong()
		}
		for _, e := range list {
			m, ok := e.(map[string]any)
			if !ok {
				return wrong()
			}
			if a := checkComplex(resource, p.object, m); a != nil {
				return a
			}
		}
	default:
		t, ok := v.(string)
		if !ok {
			return wrong()
		}
		if p.typ == edmTime {
			if _, err := time.Parse(time.RFC3339, t); err != nil {
				return wrong()
			}
		}
		if p.typ == edmBinary {
			if _, err := base64.StdEncoding.DecodeString(t); err != nil {
				return wrong()
			}
		}
		if t == "" || p.maxLen > 0 && utf8.RuneCountInString(t) > p.maxLen {
			return invalid() // the empty string is never a value: a property is cleared with null
		}
	}
	return nil
}

func checkComplex(resource, typ string, m map[string]any) *answer {
	members, known := complexTypes[typ]
	if !known {
		return nil
	}
	for _, name := range sortedKeys(m) {
		if strings.Contains(name, "@") {
			continue
		}
		p, ok := members[name]
		if !ok {
			return fail(400, codeBadRequest, "The property '%s' does not exist on type 'microsoft.graph.%s'.", name, typ)
		}
		if a := checkValue(resource, name, p, m[name]); a != nil {
			return a
		}
	}
	return nil
}

// checkRules are the rules of single properties that no type expresses.
func (w write) checkRules(name string, v any) *answer {
	invalid := fail(400, codeRequest, "Invalid value specified for property '%s' of resource '%s'.", name, w.kind.name)
	text, _ := v.(string)
	switch {
	case name == "businessPhones":
		if list, _ := v.([]any); len(list) > 1 {
			return invalid // a collection that takes one number only
		}
	case name == "onPremisesImmutableId" && strings.ContainsAny(text, "$_"):
		return invalid
	case name == "userPrincipalName":
		local, domain, ok := strings.Cut(text, "@")
		if !ok || local == "" || !strings.Contains(domain, ".") || strings.ContainsAny(text, " \t\"<>") || strings.Contains(domain, "@") {
			return fail(400, codeRequest, "Property userPrincipalName is invalid.")
		}
	case name == "usageLocation" && v != nil:
		if len(text) != 2 || strings.ToUpper(text) != text {
			return invalid
		}
	case w.kind == &deviceType && w.before != nil && w.app:
		windows := strings.EqualFold(w.before.text("operatingSystem"), "Windows")
		linux := strings.EqualFold(w.before.text("operatingSystem"), "Linux")
		if name == "extensionAttributes" && linux || name != "extensionAttributes" && !windows {
			return fail(403, codeDenied, "Insufficient privileges to complete the operation.")
		}
	}
	return nil
}

// checkMaster refuses what another directory is the master of: everything but a few cloud properties and directory
// extensions of a user that is synchronised from Active Directory, and the extension attributes of one that ever was,
// which from then on only Exchange changes.
func checkMaster(w write) *answer {
	synced := w.before.flag("onPremisesSyncEnabled")
	_, once := w.before["onPremisesLastSyncDateTime"].(string)
	for _, name := range sortedKeys(w.body) {
		if strings.Contains(name, "@") || strings.HasPrefix(name, "extension_") {
			continue
		}
		switch p, _ := w.kind.property(name, w.version); {
		case synced && !p.is(cloud):
			return fail(400, codeRequest, "%s", masteredOnPremises)
		case once && !synced && name == "onPremisesExtensionAttributes":
			return fail(400, codeRequest, "%s", masteredExchange)
		}
	}
	return nil
}

// merge returns the object a body makes of before: complex values are merged member by member, as PATCH does.
func merge(before, body Object) Object {
	after := cloneObject(before)
	if after == nil {
		after = Object{}
	}
	for name, v := range body {
		if strings.Contains(name, "@") {
			continue
		}
		add, isObject := v.(map[string]any)
		old, wasObject := after[name].(map[string]any)
		if isObject && wasObject {
			for k, e := range add {
				old[k] = clone(e)
			}
			continue
		}
		after[name] = clone(v)
	}
	delete(after, "passwordProfile") // never returned
	return after
}

// known says what is wrong with an object that comes in by the back door, "" if the schema knows all of it. Read-only
// properties are in order there. The lock is held.
func (s *Server) known(kind *resource, o Object) string {
	for _, name := range sortedKeys(o) {
		p, ok := kind.property(name, "beta")
		var a *answer
		switch {
		case strings.Contains(name, "@"):
		case strings.HasPrefix(name, "extension_"):
			a = s.checkExtension(write{kind: kind, body: o}, name, o[name])
		case !ok:
			return fmt.Sprintf("%s has no property %q", kind.odata, name)
		case o[name] != nil:
			a = checkValue(kind.name, name, p, o[name])
		}
		if a != nil {
			return a.message()
		}
	}
	return ""
}

// message returns error.message of an error answer.
func (a *answer) message() string {
	body, _ := a.body.(map[string]any)
	e, _ := body["error"].(map[string]any)
	m, _ := e["message"].(string)
	return m
}
