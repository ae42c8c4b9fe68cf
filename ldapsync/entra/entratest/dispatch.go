package entratest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// dispatch lets the directory answer a call. It takes the lock, except for a $batch, whose items take it in turn.
func (s *Server) dispatch(c *call) *answer {
	if c.Path == "/$batch" {
		return s.batch(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due()
	segments, a := splitKeys(c.segments)
	if a != nil {
		return a
	}
	if len(segments) == 0 {
		return notAllowed(c)
	}
	switch first := segments[0]; first.name {
	case "users", "devices":
		t := &userType
		if first.name == "devices" {
			t = &deviceType
		}
		return s.directoryObject(c, t, segments)
	case "directory":
		return s.directoryResource(c, segments[1:])
	case "applications":
		return s.application(c, segments)
	case "servicePrincipals":
		return s.servicePrincipal(c, segments)
	case "auditLogs":
		return s.auditLog(c, segments[1:])
	case "deviceManagement":
		return s.deviceManagement(c, segments[1:])
	case "directoryObjects":
		if len(segments) == 2 && strings.TrimPrefix(segments[1].name, "microsoft.graph.") == "getAvailableExtensionProperties" {
			return s.availableExtensions(c)
		}
		return missing("/directoryObjects other than getAvailableExtensionProperties")
	case "organization":
		return s.organizationResource(c, segments[1:])
	}
	return missing("/%s", segments[0].name)
}

func notAllowed(c *call) *answer {
	return fail(http.StatusMethodNotAllowed, codeRequest, "Specified HTTP method is not allowed for the request target: %s %s", c.Method, c.Path)
}

// A segment of a path: its name, and the key that followed it in parentheses, as in devices(deviceId='…').
type segment struct {
	name     string
	key      string // "" if there is none
	keyName  string // name of an alternate key, "" for the id
	function bool   // ended in (), as in delta()
}

// splitKeys reads a path: users/x, users('x') and devices(deviceId='x') alike.
func splitKeys(path []string) ([]segment, *answer) {
	var out []segment
	for _, p := range path {
		if p == "" {
			continue
		}
		name, rest, ok := strings.Cut(p, "(")
		if !ok || !strings.HasSuffix(rest, ")") || name == "" {
			out = append(out, segment{name: p})
			continue
		}
		inner := strings.TrimSuffix(rest, ")")
		if inner == "" {
			out = append(out, segment{name: name, function: true})
			continue
		}
		sg := segment{name: name}
		if keyName, value, ok := strings.Cut(inner, "="); ok && !strings.HasPrefix(inner, "'") {
			sg.keyName, inner = keyName, value
		}
		if len(inner) < 2 || inner[0] != '\'' || inner[len(inner)-1] != '\'' {
			return nil, fail(400, codeBadRequest, "Bad Request - Error in query syntax.")
		}
		sg.key = strings.ReplaceAll(inner[1:len(inner)-1], "''", "'")
		out = append(out, sg)
	}
	return out, nil
}

// key takes the key of the first segment, in parentheses or as the second segment, and returns what follows.
func key(segments []segment) (keyName, key string, rest []segment) {
	if segments[0].key != "" {
		return segments[0].keyName, segments[0].key, segments[1:]
	}
	if len(segments) < 2 {
		return "", "", nil
	}
	k := segments[1].name
	if segments[1].key != "" { // a user principal name with parentheses
		k += "('" + segments[1].key + "')"
	}
	return "", k, segments[2:]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
