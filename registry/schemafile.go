package registry

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// ParseSchema reads a schema from JSON of at most 16 MiB. The file names schemas of this package with the
// organisation's parameters, or has settings of its own, or both; its own settings come first and win.
//
//	{
//	  "name": "ashdown-ndes",
//	  "use": [{"schema": "ndes", "params": {"template": "AshdownDevice"}}],
//	  "settings": [{
//	    "path": "HKLM\\SOFTWARE\\Ashdown\\Agent", "name": "Mode", "type": "REG_DWORD",
//	    "want": 1, "one-of": [0, 1], "why": "…", "consequence": "…", "remedy": "…", "source": "…"
//	  }]
//	}
//
// The members of a setting are path, name, type and, as far as needed, want, default, required, absent, read-only, secret, content
// (guid, domain, template, thumbprint or name), min, max, at-least, one-of, dead, why, consequence, remedy, source and
// basis. want and default are a number, a string, a list of strings or, for other types, a string of hexadecimal
// digits. Unknown members are an error.
func ParseSchema(r io.Reader) (Schema, error) {
	const limit = 16 << 20
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return Schema{}, err
	}
	if len(data) > limit {
		return Schema{}, fmt.Errorf("registry: schema file of more than %d bytes", limit)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Schema{}, fmt.Errorf("%w: the schema file is empty", ErrSchema)
	}
	var file schemaFile
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return Schema{}, fmt.Errorf("registry: schema file, near byte %d: %w", dec.InputOffset(), err)
	}
	if len(file.Use) == 0 && len(file.Settings) == 0 {
		return Schema{}, fmt.Errorf("%w in the file: it has neither \"use\" nor \"settings\"", ErrSchema)
	}
	own := Schema{AfterChange: file.AfterChange, AfterRemoval: file.AfterRemoval}
	for i, js := range file.Settings {
		set, err := js.setting()
		if err != nil {
			return Schema{}, fmt.Errorf("registry: schema file, setting %d (%s): %w", i+1, clip(js.Name, 40), err)
		}
		own.Settings = append(own.Settings, set)
	}
	parts := []Schema{own}
	for _, u := range file.Use {
		s, err := ByName(u.Schema, u.Params)
		if err != nil {
			return Schema{}, err
		}
		parts = append(parts, s)
	}
	return Merge(file.Name, file.Title, parts...), nil
}

type schemaFile struct {
	Name, Title  string
	AfterChange  string `json:"after-change"`
	AfterRemoval string `json:"after-removal"`
	Use          []struct {
		Schema string
		Params Params
	}
	Settings []jsonSetting
}

type jsonSetting struct {
	Path                                   Path
	Name                                   string
	Type                                   Type
	Want, Default                          json.RawMessage
	Required, Absent, Secret               bool
	ReadOnly                               bool `json:"read-only"`
	Content                                string
	Min, Max                               uint64
	OneOf                                  []uint64 `json:"one-of"`
	Dead, Why, Consequence, Remedy, Source string
	Basis                                  *Basis
	AtLeast                                bool `json:"at-least"`
}

// contents are the names of a Content in a schema file, by its number.
var contents = [...]string{AnyText: "", GUID: "guid", DomainName: "domain", TemplateName: "template", Thumbprint: "thumbprint", NameText: "name"}

func (js jsonSetting) setting() (Setting, error) {
	s := Setting{
		Path: js.Path, Name: js.Name, Type: js.Type, Required: js.Required, Absent: js.Absent, Secret: js.Secret, ReadOnly: js.ReadOnly,
		Min: js.Min, Max: js.Max, OneOf: js.OneOf, Dead: js.Dead, Why: js.Why, Consequence: js.Consequence,
		Remedy: js.Remedy, Source: js.Source, Basis: Reported, AtLeast: js.AtLeast,
	}
	if s.Path.IsZero() {
		return s, fmt.Errorf("%w: no path", ErrSchema)
	}
	if js.Basis != nil {
		s.Basis = *js.Basis
	}
	i := slices.Index(contents[:], js.Content)
	if i < 0 {
		return s, fmt.Errorf("%w: no content %q", ErrSchema, clip(js.Content, 40))
	}
	s.Content = Content(i)
	if s.Max > 0 && s.Min > s.Max {
		return s, fmt.Errorf("%w: min %d is above max %d", ErrSchema, s.Min, s.Max)
	}
	var err error
	if s.Want, err = jsonValue(js.Type, js.Want); err != nil {
		return s, fmt.Errorf("want: %w", err)
	}
	if s.Default, err = jsonValue(js.Type, js.Default); err != nil {
		return s, fmt.Errorf("default: %w", err)
	}
	return s, nil
}

// jsonValue reads a value of the given type; nothing and null are the zero Value.
func jsonValue(t Type, raw json.RawMessage) (Value, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return Value{}, nil
	}
	switch t {
	case TypeDWord, TypeDWordBigEndian:
		var n uint32
		if err := json.Unmarshal(raw, &n); err != nil {
			return Value{}, err
		}
		v := DWord(n)
		if t == TypeDWordBigEndian {
			v.Data[0], v.Data[1], v.Data[2], v.Data[3] = v.Data[3], v.Data[2], v.Data[1], v.Data[0]
		}
		v.Type = t
		return v, nil
	case TypeQWord:
		var n uint64
		err := json.Unmarshal(raw, &n)
		return QWord(n), err
	case TypeMultiSZ:
		var list []string
		err := json.Unmarshal(raw, &list)
		return Strings(list...), err
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return Value{}, err
	}
	if t == TypeSZ || t == TypeExpandSZ {
		return Value{t, sz(s)}, nil
	}
	b, err := hex.DecodeString(s)
	return Value{t, b}, err
}
