package ldapsync

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A ValueList is the values of an attribute in a plan. In JSON a value that is printable text is a string, any
// other an object {"base64": "…"}, so that every byte survives. Nil and empty mean absent.
type ValueList []string

// MarshalJSON implements json.Marshaler.
func (v ValueList) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	for i, s := range v {
		if i > 0 {
			out = append(out, ',')
		}
		var e []byte
		var err error
		if printable(s) {
			e, err = json.Marshal(s)
		} else {
			e, err = json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString([]byte(s))})
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e...)
	}
	return append(out, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *ValueList) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*v = nil
	for _, r := range raw {
		var s string
		if string(r) == "null" {
			return errors.New("a value is null")
		}
		if len(r) > 0 && r[0] == '{' {
			var o struct {
				Base64 *[]byte `json:"base64"`
			}
			if err := json.Unmarshal(r, &o); err != nil {
				return err
			}
			if o.Base64 == nil {
				return errors.New(`a value is neither text nor {"base64": "…"}`)
			}
			s = string(*o.Base64)
		} else if err := json.Unmarshal(r, &s); err != nil {
			return err
		}
		*v = append(*v, s)
	}
	return nil
}

// String prints the values for people: text quoted, other bytes shortened with their length, "absent" for none.
func (v ValueList) String() string {
	if len(v) == 0 {
		return "absent"
	}
	var b strings.Builder
	for i, s := range v {
		if i == 4 && len(v) > 5 {
			fmt.Fprintf(&b, ", … %d more", len(v)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		switch {
		case len(s) == 16 && !printable(s):
			b.WriteString("{" + GUID([]byte(s)).String() + "}")
		case !printable(s):
			fmt.Fprintf(&b, "(%d bytes %x…)", len(s), s[:min(len(s), 6)])
		case utf8.RuneCountInString(s) > 60:
			r := []rune(s)
			b.WriteString(strconv.Quote(string(r[:57]) + "…"))
		default:
			b.WriteString(strconv.Quote(s))
		}
	}
	return b.String()
}

// printable reports whether a value is text that JSON and a terminal keep as it is.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
