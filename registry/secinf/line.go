package secinf

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
)

// roots are the names templates use for the root keys.
var roots = [...]struct {
	name string
	hive registry.Hive
}{{"MACHINE", registry.LocalMachine}, {"CURRENT_USER", registry.CurrentUser}, {"USERS", registry.Users}, {"CLASSES_ROOT", registry.ClassesRoot}}

// ParseLine reads one line of the section without its line end. The error says what is wrong with it, without a place.
func ParseLine(line string) (registry.Entry, error) {
	name, data, ok := cutUnquoted(line, '=')
	if !ok {
		return registry.Entry{}, errors.New("no equal sign")
	}
	name = strings.TrimSpace(name)
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		name = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	root, key, _ := strings.Cut(name, `\`)
	e := registry.Entry{Op: registry.Set}
	for _, r := range roots {
		if strings.EqualFold(r.name, root) {
			e.Path.Hive = r.hive
		}
	}
	i := strings.LastIndexByte(key, '\\')
	switch {
	case e.Path.Hive == 0:
		return registry.Entry{}, fmt.Errorf("no root key %.40q", root)
	case i <= 0:
		return registry.Entry{}, fmt.Errorf("no key and value name in %.80q", name)
	}
	e.Path, e.Name = registry.Path{Hive: e.Path.Hive}.Join(key[:i]), key[i+1:]
	fields, err := splitFields(data)
	if err != nil {
		return registry.Entry{}, err
	}
	typ, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return registry.Entry{}, fmt.Errorf("value type %.40q", fields[0])
	}
	e.Value, err = value(registry.Type(typ), fields[1:])
	return e, err
}

func value(t registry.Type, fields []string) (registry.Value, error) {
	switch t {
	case registry.TypeSZ, registry.TypeExpandSZ:
		if len(fields) != 1 {
			return registry.Value{}, fmt.Errorf("%d fields for a string", len(fields))
		}
		v := registry.String(fields[0])
		v.Type = t
		return v, nil
	case registry.TypeBinary:
		var b []byte
		for _, f := range fields {
			n, err := strconv.ParseUint(f, 16, 8)
			if err != nil && !(len(fields) == 1 && f == "") {
				return registry.Value{}, fmt.Errorf("byte %.40q", f)
			}
			if err == nil {
				b = append(b, byte(n))
			}
		}
		return registry.Binary(b), nil
	case registry.TypeDWord:
		if len(fields) == 1 {
			if n, err := strconv.ParseUint(fields[0], 10, 32); err == nil {
				return registry.DWord(uint32(n)), nil
			}
			if n, err := strconv.ParseInt(fields[0], 10, 32); err == nil {
				return registry.DWord(uint32(n)), nil // written signed
			}
			if s, ok := strings.CutPrefix(strings.ToLower(fields[0]), "0x"); ok {
				if n, err := strconv.ParseUint(s, 16, 32); err == nil {
					return registry.DWord(uint32(n)), nil
				}
			}
		}
		return registry.Value{}, fmt.Errorf("number %.40q", strings.Join(fields, ","))
	case registry.TypeMultiSZ:
		return registry.Strings(fields...), nil
	}
	return registry.Value{}, fmt.Errorf("value type %d is not one of 1, 2, 3, 4 and 7", uint32(t))
}

// cutUnquoted is strings.Cut for a separator outside of quotation marks.
func cutUnquoted(s string, sep byte) (before, after string, ok bool) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// splitFields splits at commas outside of quotation marks, which may stand anywhere in a field, and ends at a
// comment. Blanks around unquoted text do not count.
func splitFields(s string) ([]string, error) {
	var fields []string
	var b strings.Builder
	quoted, wasQuoted := false, false
	end := func() {
		f := b.String()
		if !wasQuoted {
			f = strings.TrimSpace(f)
		}
		fields = append(fields, f)
		b.Reset()
		wasQuoted = false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			if !quoted && strings.TrimSpace(b.String()) == "" {
				b.Reset()
			}
			quoted, wasQuoted = !quoted, true
		case quoted:
			b.WriteByte(c)
		case c == ',':
			end()
		case c == ';':
			i = len(s)
		case wasQuoted && (c == ' ' || c == '\t'):
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New("a quotation mark is not closed")
	}
	end()
	return fields, nil
}

// FormatLine is the inverse of ParseLine. It returns why for entries that a template cannot hold.
func FormatLine(e registry.Entry) (line, why string) {
	root := ""
	for _, r := range roots {
		if r.hive == e.Path.Hive {
			root = r.name
		}
	}
	switch {
	case e.Op != registry.Set:
		return "", "a template only sets values"
	case root == "" || e.Path.Key == "":
		return "", "a line needs a root key and a key below it"
	case strings.ContainsAny(e.Path.Key+e.Name, "\r\n\x00") || strings.Contains(e.Name, `\`):
		return "", "the name does not fit on a line"
	case e.Name == "":
		return "", "a line needs a value name"
	}
	name := root + `\` + e.Path.Key + `\` + e.Name
	if strings.ContainsAny(name, `"=;,`) || strings.TrimSpace(name) != name {
		name = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	fields := []string{strconv.Itoa(int(e.Value.Type))}
	switch e.Value.Type {
	case registry.TypeSZ, registry.TypeExpandSZ:
		s, err := e.Value.Text()
		if err != nil {
			return "", err.Error()
		}
		fields = append(fields, `"`+strings.ReplaceAll(s, `"`, `""`)+`"`)
	case registry.TypeMultiSZ:
		list, err := e.Value.List()
		if err != nil {
			return "", err.Error()
		}
		for _, s := range list {
			if strings.ContainsAny(s, "\",; \t") || strings.TrimSpace(s) != s {
				s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
			}
			fields = append(fields, s)
		}
		if len(list) == 0 {
			fields = append(fields, "")
		}
	case registry.TypeDWord:
		n, err := e.Value.Uint()
		if err != nil {
			return "", err.Error()
		}
		fields = append(fields, strconv.FormatUint(n, 10))
	case registry.TypeBinary:
		for _, b := range e.Value.Data {
			fields = append(fields, hex.EncodeToString([]byte{b}))
		}
		if len(e.Value.Data) == 0 {
			fields = append(fields, "")
		}
	default:
		return "", "a template has only REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD and REG_MULTI_SZ"
	}
	line = name + "=" + strings.Join(fields, ",")
	if strings.ContainsAny(line, "\r\n") {
		return "", "text with a line break does not fit on a line"
	}
	return line, ""
}
