package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxOperations is the most records one request may have.
const MaxOperations = 50

// The schemas of SCIM (RFC 7643 section 4, RFC 7644 section 3.7).
const (
	SchemaUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	SchemaEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	SchemaBulk       = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
)

// A Record is one user as it shall be. Attributes that are not in it are left to the job's mapping, which by default
// leaves them alone.
type Record struct {
	// ExternalID is what the service finds the user by. Required, and unique within an upload.
	ExternalID string
	// Attributes are values by SCIM path: "userName", "name.givenName", `addresses[type eq "work"].locality`,
	// "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department". Values are strings, booleans,
	// numbers, or what encoding/json makes objects of.
	Attributes map[string]any
}

// Set sets an attribute and makes the map where there is none.
func (r *Record) Set(path string, value any) {
	if r.Attributes == nil {
		r.Attributes = make(map[string]any)
	}
	r.Attributes[path] = value
}

// path is a SCIM path, as far as records need it (RFC 7644 section 3.5.2).
type path struct {
	schema string // "" for the core schema
	attr   string
	typ    string // of an element of a multi-valued attribute
	sub    string
}

func parsePath(s string) (path, error) {
	var p path
	rest := s
	if strings.HasPrefix(strings.ToLower(s), "urn:") {
		i := strings.LastIndexByte(s, ':')
		p.schema, rest = s[:i], s[i+1:]
	}
	attr, filter, found := strings.Cut(rest, "[")
	if found {
		cond, after, ok := strings.Cut(filter, "]")
		name, value, eq := strings.Cut(cond, " eq ")
		if !ok || !eq || strings.TrimSpace(name) != "type" || len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return p, fmt.Errorf(`bulk: path %q: a filter is [type eq "…"]`, s)
		}
		p.typ = value[1 : len(value)-1]
		if p.sub, ok = strings.CutPrefix(after, "."); !ok {
			return p, fmt.Errorf("bulk: path %q: after a filter comes the sub-attribute", s)
		}
		p.attr = attr
	} else {
		p.attr, p.sub, _ = strings.Cut(rest, ".")
	}
	for _, n := range []string{p.attr, p.sub} {
		if strings.ContainsAny(n, `[]". `) {
			return p, fmt.Errorf("bulk: path %q: %q is not the name of an attribute", s, n)
		}
	}
	if p.attr == "" || strings.HasSuffix(rest, ".") {
		return p, fmt.Errorf("bulk: path %q names no attribute", s)
	}
	return p, nil
}

// data makes the SCIM resource of a record.
func (r *Record) data() (map[string]any, error) {
	if r.ExternalID == "" {
		return nil, errors.New("bulk: a record has no ExternalID")
	}
	schemas := []string{SchemaUser}
	out := map[string]any{"externalId": r.ExternalID}
	paths := make([]string, 0, len(r.Attributes))
	for p := range r.Attributes {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, text := range paths {
		p, err := parsePath(text)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", r.ExternalID, err)
		}
		in := out
		if p.schema != "" && !strings.EqualFold(p.schema, SchemaUser) {
			ext, _ := out[p.schema].(map[string]any)
			if ext == nil {
				ext = make(map[string]any)
				out[p.schema] = ext
				schemas = append(schemas, p.schema)
			}
			in = ext
		}
		if err := p.set(in, r.Attributes[text]); err != nil {
			return nil, fmt.Errorf("bulk: record %s: path %s: %w", r.ExternalID, text, err)
		}
	}
	out["schemas"] = schemas
	return out, nil
}

var errTwice = errors.New("it and another path exclude each other")

func (p path) set(in map[string]any, value any) error {
	if p.attr == "externalId" || p.attr == "schemas" {
		return errors.New("it is not set as an attribute")
	}
	old, there := in[p.attr]
	switch {
	case p.typ != "":
		list, ok := old.([]map[string]any)
		if there && !ok {
			return errTwice
		}
		i := slices.IndexFunc(list, func(e map[string]any) bool { return e["type"] == p.typ })
		if i < 0 {
			list = append(list, map[string]any{"type": p.typ})
			i = len(list) - 1
		}
		list[i][p.sub] = value
		in[p.attr] = list
	case p.sub != "":
		m, ok := old.(map[string]any)
		if there && !ok {
			return errTwice
		}
		if m == nil {
			m = make(map[string]any)
		}
		m[p.sub] = value
		in[p.attr] = m
	case there:
		return errTwice
	default:
		in[p.attr] = value
	}
	return nil
}

type operation struct {
	Method string         `json:"method"`
	BulkID string         `json:"bulkId"`
	Path   string         `json:"path"`
	Data   map[string]any `json:"data"`
}

// Encode makes the body of one request of 1 to MaxOperations records.
func Encode(records []Record) ([]byte, error) {
	if len(records) == 0 || len(records) > MaxOperations {
		return nil, fmt.Errorf("bulk: a request has 1 to %d records, not %d", MaxOperations, len(records))
	}
	body := struct {
		Schemas      []string    `json:"schemas"`
		Operations   []operation `json:"Operations"`
		FailOnErrors *int        `json:"failOnErrors"`
	}{Schemas: []string{SchemaBulk}}
	seen := make(map[string]bool, len(records))
	for i := range records {
		data, err := records[i].data()
		if err != nil {
			return nil, err
		}
		if seen[records[i].ExternalID] {
			return nil, fmt.Errorf("bulk: two records have the ExternalID %s", records[i].ExternalID)
		}
		seen[records[i].ExternalID] = true
		body.Operations = append(body.Operations, operation{"POST", records[i].ExternalID, "/Users", data})
	}
	return json.Marshal(body)
}
