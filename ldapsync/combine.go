package ldapsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Copy makes the target attribute what the source attribute is: set if present, null if absent.
func Copy(from, to string) Rule {
	return Rule{To: to, From: []string{from}, Doc: "copy of " + from, Value: func(in Inputs) (Result, error) {
		if v := in.All(from); len(v) > 0 {
			return Set(v...), nil
		}
		return Clear(from + " is absent"), nil
	}}
}

// Constant sets the target attribute to fixed values.
func Constant(to string, values ...string) Rule {
	values = slices.Clone(values)
	return Rule{To: to, Doc: fmt.Sprintf("constant %q", values), Value: func(Inputs) (Result, error) {
		return Set(values...), nil
	}}
}

// FirstOf takes the first of the source attributes that is present, and null if none is. One that cannot be
// read makes the result Unknown if none before it is present.
func FirstOf(to string, from ...string) Rule {
	from = slices.Clone(from)
	return Rule{To: to, From: from, Doc: "first present of " + strings.Join(from, ", "), Partial: true, Value: func(in Inputs) (Result, error) {
		for _, f := range from {
			switch in.Presence(f) {
			case Present:
				return Set(in.All(f)...), nil
			case Unreadable:
				return Unknown(f + " cannot be read"), nil
			}
		}
		return Clear("none of " + strings.Join(from, ", ") + " is present"), nil
	}}
}

// Concat joins the first values of those source attributes that are present, with sep between them; null if none
// is present.
func Concat(to, sep string, from ...string) Rule {
	from = slices.Clone(from)
	return Rule{To: to, From: from, Doc: fmt.Sprintf("%s joined with %q", strings.Join(from, ", "), sep), Value: func(in Inputs) (Result, error) {
		var parts []string
		for _, f := range from {
			if v, ok := in.Get(f); ok {
				parts = append(parts, v)
			}
		}
		if len(parts) == 0 {
			return Clear("none of " + strings.Join(from, ", ") + " is present"), nil
		}
		return Set(strings.Join(parts, sep)), nil
	}}
}

// Lookup translates the first value of the source attribute by a table, without regard to case. A value that is
// not in the table gives otherwise's result; a nil otherwise makes it an error. An absent attribute gives null.
func Lookup(to, from string, table map[string]string, otherwise func(value string) Result) Rule {
	folded := make(map[string]string, len(table))
	for k, v := range table {
		folded[strings.ToLower(k)] = v
	}
	return Rule{To: to, From: []string{from}, Doc: from + " by table", Value: func(in Inputs) (Result, error) {
		v, ok := in.Get(from)
		if !ok {
			return Clear(from + " is absent"), nil
		}
		if t, ok := folded[strings.ToLower(v)]; ok {
			return Set(t), nil
		}
		if otherwise == nil {
			return Result{}, fmt.Errorf("%s %q is not in the table", from, clip(v))
		}
		return otherwise(v), nil
	}}
}

// Transform puts every value r sets through f. Other results pass unchanged. Values that become equal are
// merged.
func Transform(r Rule, doc string, f func(string) (string, error)) Rule {
	inner := r.Value
	r.Doc += ", " + doc
	r.Value = func(in Inputs) (Result, error) {
		res, err := inner(in)
		if err != nil || res.Kind != KindSet {
			return res, err
		}
		out := make([]string, 0, len(res.Values))
		for _, v := range res.Values {
			t, err := f(v)
			if err != nil {
				return Result{}, err
			}
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
		res.Values = out
		return res, nil
	}
	return r
}

// Lower maps the values to lower case.
func Lower(r Rule) Rule {
	return Transform(r, "in lower case", func(s string) (string, error) { return strings.ToLower(s), nil })
}

// Upper maps the values to upper case.
func Upper(r Rule) Rule {
	return Transform(r, "in upper case", func(s string) (string, error) { return strings.ToUpper(s), nil })
}

// Trim removes leading and trailing white space. A value of nothing else is dropped; if none is left the result
// is null.
func Trim(r Rule) Rule {
	inner := r.Value
	r.Doc += ", trimmed"
	r.Value = func(in Inputs) (Result, error) {
		res, err := inner(in)
		if err != nil || res.Kind != KindSet {
			return res, err
		}
		var out []string
		for _, v := range res.Values {
			if t := strings.TrimSpace(v); t != "" && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
		if len(out) == 0 {
			return Clear("only white space"), nil
		}
		res.Values = out
		return res, nil
	}
	return r
}

// AtMost makes a value of more than n characters an error, before the target refuses it.
func AtMost(n int, r Rule) Rule {
	return Transform(r, fmt.Sprintf("at most %d characters", n), func(s string) (string, error) {
		if c := utf8.RuneCountInString(s); c > n {
			return "", fmt.Errorf("a value has %d characters; %s takes at most %d", c, r.To, n)
		}
		return s, nil
	})
}

// SingleValued makes several values an error.
func SingleValued(r Rule) Rule {
	inner := r.Value
	r.Value = func(in Inputs) (Result, error) {
		res, err := inner(in)
		if err == nil && res.Kind == KindSet && len(res.Values) > 1 {
			return Result{}, fmt.Errorf("%d values for %s, which takes one", len(res.Values), r.To)
		}
		return res, err
	}
	return r
}

// Default sets fixed values where r would make the attribute null.
func Default(r Rule, values ...string) Rule {
	inner, values := r.Value, slices.Clone(values)
	r.Doc += fmt.Sprintf(", default %q", values)
	r.Value = func(in Inputs) (Result, error) {
		res, err := inner(in)
		if err == nil && res.Kind == KindClear {
			return Set(values...), nil
		}
		return res, err
	}
	return r
}

// KeepIfAbsent leaves the target attribute alone where r would make it null.
func KeepIfAbsent(r Rule) Rule {
	inner := r.Value
	r.Doc += ", kept if absent"
	r.Value = func(in Inputs) (Result, error) {
		res, err := inner(in)
		if err == nil && res.Kind == KindClear {
			return Skip(res.Reason), nil
		}
		return res, err
	}
	return r
}

// Once makes r speak only while the target attribute is absent.
func Once(r Rule) Rule {
	r.Once = true
	r.Doc += ", once"
	return r
}

// When lets r speak only where the condition holds; elsewhere it abstains.
func When(c Condition, r Rule) Rule {
	inner := r.Value
	own := slices.Clone(r.From)
	r.From = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(own), c.From...))))
	r.Doc += ", when " + c.ID
	r.Value = func(in Inputs) (Result, error) {
		if c.Test == nil {
			return Result{}, errors.New("the condition has no Test function")
		}
		sub := in
		sub.declared = c.From
		if ok, why := c.Test(sub); !ok {
			return Abstain(why), nil
		}
		sub.declared = own
		return inner(sub)
	}
	return r
}

// Equals is a condition: the first value of the attribute is one of these, without regard to case.
func Equals(attr string, values ...string) Condition {
	return Condition{
		ID: attr + "=" + strings.Join(values, "|"), From: []string{attr},
		Test: func(in Inputs) (bool, string) {
			v, ok := in.Get(attr)
			if !ok {
				return false, attr + " is absent"
			}
			for _, w := range values {
				if strings.EqualFold(v, w) {
					return true, ""
				}
			}
			return false, fmt.Sprintf("%s is %q", attr, clip(v))
		},
	}
}

// Has is a condition: the attribute is present.
func Has(attr string) Condition {
	return Condition{ID: "has-" + attr, From: []string{attr}, Test: func(in Inputs) (bool, string) {
		return in.Presence(attr) == Present, attr + " is absent"
	}}
}

// Enabled is a condition: the account is enabled (userAccountControl bit 0x2 is clear).
func Enabled() Condition {
	return Condition{ID: "account-enabled", From: []string{"userAccountControl"}, Source: "[MS-ADA3] userAccountControl", Test: func(in Inputs) (bool, string) {
		v, ok := in.Get("userAccountControl")
		if !ok {
			return false, "userAccountControl is absent"
		}
		u, err := ParseUserAccountControl(v)
		if err != nil {
			return false, err.Error()
		}
		return u.Enabled(), "the account is disabled"
	}}
}

// Leaves returns the condition with Leave set: objects that fail it are out of scope.
func Leaves(c Condition) Condition {
	c.Leave = true
	return c
}

// GUIDText sets the text form of the source object's objectGUID, which is a device's deviceId in Entra ID.
func GUIDText(to string) Rule {
	return Rule{To: to, Doc: "objectGUID as text", Value: func(in Inputs) (Result, error) {
		return Set(in.ID().String()), nil
	}}
}

// SIDText sets the text form of a SID attribute.
func SIDText(from, to string) Rule {
	r := Transform(Copy(from, to), "as S-1-… text", func(s string) (string, error) {
		sid, err := SIDFromBytes([]byte(s))
		return sid.String(), err
	})
	return r
}

// AccountEnabled sets "TRUE" or "FALSE" after bit 0x2 of userAccountControl.
func AccountEnabled(to string) Rule {
	r := Transform(SingleValued(Copy("userAccountControl", to)), "as TRUE or FALSE", func(s string) (string, error) {
		u, err := ParseUserAccountControl(s)
		return strings.ToUpper(fmt.Sprint(u.Enabled())), err
	})
	r.Doc = "whether the account is enabled"
	return r
}
