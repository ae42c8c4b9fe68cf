package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what a Value is.
type Kind uint8

// The kinds of values. The last three are answers to "what shall the target be", not data.
const (
	KindNull   Kind = iota // absent
	KindString             // text
	KindNumber             // 64-bit integer
	KindBool
	KindDate              // a point in time in UTC, 100 ns resolution, years 1 to 9999, as .NET's DateTime
	KindBinary            // bytes
	KindMulti             // several values
	KindUnknown           // an attribute that could not be read was needed: nothing may be concluded
	KindIgnore            // leave the target as it is (IgnoreThisFlow, IgnoreFlowIfNullOrEmpty)
	KindAuthoritativeNull // clear the target and let no lower rule speak
)

var kindNames = [...]string{"null", "string", "number", "boolean", "date", "binary", "multi-valued", "unknown", "ignore", "authoritative null"}

// String returns the name of the kind, such as "multi-valued".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// A Value is what an attribute holds and what an expression gives. Values are immutable. The zero Value is null.
type Value struct {
	kind     Kind
	redacted bool
	s        string // KindString, KindBinary
	n        int64  // KindNumber; KindBool 0 or 1; KindDate ticks of 100 ns since 0001-01-01
	list     []Value
}

// String makes a string value.
func String(s string) Value { return Value{kind: KindString, s: s} }

// Strings makes null of no values, a string of one, and a multi-valued value of more.
func Strings(vals ...string) Value {
	switch len(vals) {
	case 0:
		return Value{}
	case 1:
		return String(vals[0])
	}
	list := make([]Value, len(vals))
	for i, s := range vals {
		list[i] = String(s)
	}
	return Value{kind: KindMulti, list: list}
}

// Number makes a number.
func Number(n int64) Value { return Value{kind: KindNumber, n: n} }

// Bool makes a boolean.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, n: 1}
	}
	return Value{kind: KindBool}
}

// Date makes a date, in UTC and cut to 100 ns. Times outside the years 1 to 9999 give null.
func Date(t time.Time) Value {
	v, ok := dateOf(t)
	if !ok {
		return Value{}
	}
	return v
}

// Binary makes a value of bytes, held in a string.
func Binary(b string) Value { return Value{kind: KindBinary, s: b} }

// Multi makes a multi-valued value of single ones, however few. Members that are multi-valued themselves are
// flattened; null, unknown and the like are dropped.
func Multi(vals ...Value) Value {
	list := make([]Value, 0, len(vals))
	for _, v := range vals {
		list = append(list, v.Values()...)
	}
	return Value{kind: KindMulti, list: list}
}

// Unknown is what an Attributes returns for an attribute that could not be read.
func Unknown() Value { return Value{kind: KindUnknown} }

// Ignore is what leaves the target as it is.
func Ignore() Value { return Value{kind: KindIgnore} }

// AuthoritativeNull is what clears the target and bars lower rules.
func AuthoritativeNull() Value { return Value{kind: KindAuthoritativeNull} }

// Kind says what the value is.
func (v Value) Kind() Kind { return v.kind }

// IsNull says whether the value is null or has no members. An empty string is not null.
func (v Value) IsNull() bool {
	switch v.kind {
	case KindNull, KindAuthoritativeNull:
		return true
	case KindMulti:
		return !slices.ContainsFunc(v.list, func(m Value) bool { return !m.IsNull() })
	}
	return false
}

// Redacted says whether the value passed through Redact. Text and Texts give such a value all the same; String,
// and so the fmt verbs, do not.
func (v Value) Redacted() bool { return v.redacted }

// Text is the value as the service would write it: True and False for booleans, decimal numbers, dates as
// M/d/yyyy h:mm:ss tt, raw bytes for binary, "" for null and the like, the first member of a multi-valued one.
func (v Value) Text() string {
	switch v.kind {
	case KindString, KindBinary:
		return v.s
	case KindNumber:
		return strconv.FormatInt(v.n, 10)
	case KindBool:
		if v.n != 0 {
			return "True"
		}
		return "False"
	case KindDate:
		return formatTicks(v.n, generalDate)
	case KindMulti:
		for _, m := range v.list {
			if !m.IsNull() {
				return m.Text()
			}
		}
	}
	return ""
}

// Texts returns the texts of all values, leaving out those that are null or empty; nil if there are none.
func (v Value) Texts() []string {
	if v.kind != KindMulti {
		if t := v.Text(); t != "" {
			return []string{t}
		}
		return nil
	}
	var out []string
	for _, m := range v.list {
		if t := m.Text(); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// Int returns the number, and whether the value is one.
func (v Value) Int() (int64, bool) { return v.n, v.kind == KindNumber }

// Bool returns the boolean, and whether the value is one.
func (v Value) Bool() (b, ok bool) { return v.kind == KindBool && v.n != 0, v.kind == KindBool }

// Time returns the date, and whether the value is one.
func (v Value) Time() (time.Time, bool) {
	if v.kind != KindDate {
		return time.Time{}, false
	}
	return ticksTime(v.n), true
}

// Values returns the members of a multi-valued value, a single one as a slice of one, and nil of null, unknown
// and the like.
func (v Value) Values() []Value {
	switch v.kind {
	case KindNull, KindUnknown, KindIgnore, KindAuthoritativeNull:
		return nil
	case KindMulti:
		if !slices.ContainsFunc(v.list, Value.IsNull) {
			return slices.Clone(v.list)
		}
		return slices.DeleteFunc(slices.Clone(v.list), Value.IsNull)
	}
	return []Value{v}
}

// Equal says whether two values have the same kind and content.
func (v Value) Equal(w Value) bool {
	return v.kind == w.kind && v.s == w.s && v.n == w.n && slices.EqualFunc(v.list, w.list, Value.Equal)
}

// String describes the value for people: quoted text, {a, b} for several, [Redact] for what Redact hides.
func (v Value) String() string {
	if v.redacted {
		return "[Redact]"
	}
	switch v.kind {
	case KindString:
		return strconv.Quote(v.s)
	case KindNumber, KindBool, KindDate:
		return v.Text()
	case KindBinary:
		if len(v.s) > 32 {
			return fmt.Sprintf("0x%X… (%d bytes)", v.s[:32], len(v.s))
		}
		return fmt.Sprintf("0x%X", v.s)
	case KindMulti:
		parts := make([]string, len(v.list))
		for i, m := range v.list {
			parts[i] = m.String()
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return v.kind.String()
}

// GoString is String: %#v must not show what Redact hides.
func (v Value) GoString() string { return v.String() }
