package intune

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A document keeps a JSON object as it was read, so that writing it loses nothing the model does not know.
type document struct {
	order  []string
	raw    map[string]json.RawMessage
	loaded map[string]json.RawMessage // what the model made of it
}

// readObject splits a JSON object into its members in order.
func readObject(b []byte) (document, error) {
	d := document{raw: map[string]json.RawMessage{}}
	dec := json.NewDecoder(bytes.NewReader(b))
	t, err := dec.Token()
	if err != nil {
		return d, err
	}
	if t != json.Delim('{') {
		return d, errors.New("not a JSON object")
	}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return d, err
		}
		key := k.(string) // keys of an object are strings
		if _, twice := d.raw[key]; twice {
			return d, fmt.Errorf("property %q appears twice", key)
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return d, fmt.Errorf("property %q: %w", key, err)
		}
		d.order = append(d.order, key)
		d.raw[key] = v
	}
	return d, nil
}

// members encodes a model as its JSON members.
func members(model any) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(model)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(b, &m)
}

// load decodes b into model and remembers both.
func (d *document) load(b []byte, model any) error {
	doc, err := readObject(b)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, model); err != nil {
		return err
	}
	*d = doc
	d.loaded, err = members(model)
	return err
}

// save writes the members as they were read, except those that were changed in the model since.
func (d *document) save(model any) ([]byte, error) {
	now, err := members(model)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteByte('{')
	write := func(key string, v json.RawMessage) {
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		k, _ := json.Marshal(key) // a string always encodes
		out.Write(k)
		out.WriteByte(':')
		out.Write(v)
	}
	for _, key := range d.order {
		v, modelled := now[key]
		was, had := d.loaded[key]
		switch {
		case modelled && (!had || !bytes.Equal(v, was)):
			write(key, v)
		case !modelled && had:
			write(key, json.RawMessage("null")) // emptied: Graph clears a property by null
		default:
			write(key, d.raw[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if _, known := d.raw[key]; !known && !bytes.Equal(now[key], d.loaded[key]) {
			write(key, now[key])
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// A List is a property that is a string with commas in most resource types and a collection in others.
type List []string

// UnmarshalJSON takes both forms.
func (l *List) UnmarshalJSON(b []byte) error {
	*l = nil
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]string)(l))
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	for p := range bytes.SplitSeq([]byte(s), []byte(",")) {
		if p = bytes.TrimSpace(p); len(p) > 0 {
			*l = append(*l, string(p))
		}
	}
	return nil
}

// MarshalJSON writes the form with commas.
func (l List) MarshalJSON() ([]byte, error) {
	var b []byte
	for i, s := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, s...)
	}
	return json.Marshal(string(b))
}

// Has reports whether l holds s.
func (l List) Has(s string) bool { return slices.Contains(l, s) }
