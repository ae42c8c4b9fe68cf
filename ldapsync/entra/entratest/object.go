package entratest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// An Object is a JSON object as Graph sends and takes it. A nil value is JSON null, which is not the same as a member that
// is absent. Objects that the server returns are copies; their numbers are [json.Number].
type Object map[string]any

// normal returns a deep copy of o as decoding its JSON would give it, so that what a test writes as int or []string is
// stored as what a client's request would have been.
func normal(o Object) (Object, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	v, err := decodeJSON(b)
	if err != nil {
		return nil, err
	}
	m, _ := v.(map[string]any)
	return m, nil
}

// decodeJSON decodes one JSON value and refuses anything behind it. Numbers stay [json.Number].
func decodeJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value (at byte %d)", d.InputOffset())
	}
	return v, nil
}

// clone copies a decoded JSON value.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = clone(e)
		}
		return m
	case Object:
		return Object(clone(map[string]any(v)).(map[string]any))
	case []any:
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = clone(e)
		}
		return a
	}
	return v
}

func cloneObject(o Object) Object {
	if o == nil {
		return nil
	}
	return clone(o).(Object)
}

// equal compares decoded JSON values.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// text returns a member that is a string, "" for anything else.
func (o Object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// flag returns a member that is a boolean, false for anything else.
func (o Object) flag(name string) bool {
	b, _ := o[name].(bool)
	return b
}
