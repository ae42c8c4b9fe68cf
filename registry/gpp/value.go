package gpp

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
)

func badField(field, format string, args ...any) error {
	return &registry.SyntaxError{Format: "gpp", Field: field, Msg: fmt.Sprintf(format, args...)}
}

// Path returns the key of the item. A leading backslash, which the editor never writes, is an error.
func (p Properties) Path() (registry.Path, error) {
	h, ok := registry.ParseHive(p.Hive)
	switch {
	case !ok:
		return registry.Path{}, badField("hive", "no root key %.40q", p.Hive)
	case strings.HasPrefix(p.Key, `\`):
		return registry.Path{}, badField("key", "%.80q starts with a backslash", p.Key)
	case p.Key == "":
		return registry.Path{}, badField("key", "empty")
	}
	return registry.Path{Hive: h}.Join(p.Key), nil
}

// IsKey reports whether the item is about the key itself, not about a value.
func (p Properties) IsKey() bool { return p.Name == "" && !p.Default }

func (p Properties) ops() ([]registry.Op, error) {
	switch key := p.IsKey(); p.Action {
	case Create:
		if key {
			return []registry.Op{registry.CreateKey}, nil
		}
		return []registry.Op{registry.SetIfAbsent}, nil
	case Update, "":
		if key {
			return []registry.Op{registry.CreateKey}, nil
		}
		return []registry.Op{registry.Set}, nil
	case Replace:
		if key {
			return []registry.Op{registry.DeleteKey, registry.CreateKey}, nil
		}
		return []registry.Op{registry.DeleteValue, registry.Set}, nil
	case Delete:
		if key {
			return []registry.Op{registry.DeleteKey}, nil
		}
		return []registry.Op{registry.DeleteValue}, nil
	}
	return nil, badField("action", "%.40q is none of C, R, U, D", string(p.Action))
}

// Value returns what the item sets. It is an error if the text does not have the form of the type.
func (p Properties) Value() (registry.Value, error) {
	number := func(digits int) (uint64, error) {
		if len(p.Data) != digits {
			return 0, badField("value", "%.40q is not %d hexadecimal digits, so it may be meant in decimal", p.Data, digits)
		}
		n, err := strconv.ParseUint(p.Data, 16, 64)
		if err != nil {
			return 0, badField("value", "%.40q is not hexadecimal", p.Data)
		}
		return n, nil
	}
	switch p.Type {
	case "REG_SZ":
		return registry.String(p.Data), nil
	case "REG_EXPAND_SZ":
		return registry.ExpandString(p.Data), nil
	case "REG_MULTI_SZ":
		if p.Values == nil && p.Data != "" {
			return registry.Strings(p.Data), nil
		}
		return registry.Strings(p.Values...), nil
	case "REG_DWORD":
		n, err := number(8)
		if err != nil {
			return registry.Value{}, err
		}
		return registry.DWord(uint32(n)), nil
	case "REG_QWORD":
		n, err := number(16)
		if err != nil {
			return registry.Value{}, err
		}
		return registry.QWord(n), nil
	case "REG_BINARY":
		b, err := hex.DecodeString(strings.ReplaceAll(p.Data, " ", ""))
		if err != nil {
			return registry.Value{}, badField("value", "%.40q are not hexadecimal bytes", p.Data)
		}
		return registry.Binary(b), nil
	}
	return registry.Value{}, badField("type", "%.40q", p.Type)
}

// SetValue makes p set v, in the form Windows writes. It returns false, and changes nothing, for types that
// preferences do not have and for data that does not fit its type.
func (p *Properties) SetValue(v registry.Value) bool {
	data, values := "", []string(nil)
	switch v.Type {
	case registry.TypeSZ, registry.TypeExpandSZ:
		s, err := v.Text()
		if err != nil || !xmlText(s) {
			return false
		}
		data = s
	case registry.TypeMultiSZ:
		list, err := v.List()
		if err != nil || !xmlText(strings.Join(list, "")) {
			return false
		}
		data, values = strings.Join(list, " "), list
	case registry.TypeDWord, registry.TypeQWord:
		n, err := v.Uint()
		if err != nil {
			return false
		}
		data = fmt.Sprintf("%0*X", 2*len(v.Data), n)
	case registry.TypeBinary:
		data = fmt.Sprintf("% x", v.Data)
	default:
		return false
	}
	p.Type, p.Data, p.Values = v.Type.String(), data, values
	return true
}

// xmlText reports whether XML 1.0 can hold s.
func xmlText(s string) bool {
	for len(s) > 0 {
		r, n := registry.DecodeWTF8(s)
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0xD800 && r < 0xE000 || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD && n == 1 {
			return false
		}
		s = s[n:]
	}
	return true
}
