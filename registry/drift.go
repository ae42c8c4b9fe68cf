package registry

import (
	"fmt"
	"iter"
	"strings"
)

// A Kind is a way in which a value differs from what it should be. The text forms are stable.
type Kind uint8

const (
	Missing        Kind = iota + 1 // the value is not there
	WrongValue                     // it holds something else
	WrongType                      // its type or the length of its data is wrong
	HexDecimalSlip                 // a decimal number was typed as hexadecimal, or the reverse
	DisplayName                    // the display name of a certificate template instead of its name
	Placeholder                    // the installer's default was never replaced
	Misplaced                      // it is in a place where nobody looks, such as WOW6432Node
	NoEffect                       // Windows ignores it
	OutOfRange                     // Windows does not accept the number
	Contradictory                  // it contradicts another value
)

// kinds is the only place names of kinds are written down.
var kinds = [...]string{
	Missing: "missing", WrongValue: "wrong-value", WrongType: "wrong-type", HexDecimalSlip: "hex-decimal-slip",
	DisplayName: "display-name", Placeholder: "placeholder", Misplaced: "misplaced", NoEffect: "no-effect",
	OutOfRange: "out-of-range", Contradictory: "contradictory",
}

// String returns "missing", "wrong-value", "wrong-type", "hex-decimal-slip", "display-name", "placeholder",
// "misplaced", "no-effect", "out-of-range" or "contradictory", and "Kind(n)" for any other number.
func (k Kind) String() string {
	if k > 0 && int(k) < len(kinds) {
		return kinds[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText returns k.String(); it fails for a number without a name.
func (k Kind) MarshalText() ([]byte, error) {
	if k == 0 || int(k) >= len(kinds) {
		return nil, fmt.Errorf("registry: no kind of drift %d", k)
	}
	return []byte(kinds[k]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, s := range kinds {
		if i > 0 && s == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("registry: no kind of drift %q", clip(string(b), 40))
}

// A Severity says how bad a Drift is.
type Severity uint8

const (
	Warning Severity = iota + 1 // works, but not as its author thinks, or will stop working
	Failure                     // something does not work
)

// String returns "warning" or "error", and "Severity(n)" for any other number.
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Failure:
		return "error"
	}
	return fmt.Sprintf("Severity(%d)", uint8(s))
}

// MarshalText returns s.String().
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *Severity) UnmarshalText(b []byte) error {
	for _, v := range []Severity{Warning, Failure} {
		if v.String() == string(b) {
			*s = v
			return nil
		}
	}
	return fmt.Errorf("registry: no severity %q", clip(string(b), 40))
}

// A Drift is one difference between a registry and a schema, with the evidence for it and what to do.
type Drift struct {
	Kind     Kind
	Severity Severity
	Path     Path   // of the value that is wrong or missing
	Name     string // "" is the default value
	Want     string // what should be there, for people; "" if that is not known
	Got      string // what is there, for people; "" if nothing is
	// WantValue and GotValue are what Want and Got describe, where that is a value and no secret.
	WantValue, GotValue Value

	Why    string // what was found and what follows from it
	Remedy string // what to do
	Source string // document and section the judgement rests on
	Basis  Basis
	Origin Origin // where the value was read, the zero Origin for a missing one
	Fix    Delta  // the change that mends it, empty if that is not a matter of this registry alone or needs a decision
}

// String returns one line: severity, kind, place, and what was found.
func (d Drift) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v %s", d.Severity, d.Kind, d.Path.Short())
	fmt.Fprintf(&b, `\%s`, ValueName(d.Name))
	if d.Got != "" {
		fmt.Fprintf(&b, " = %s", d.Got)
	}
	if d.Want != "" {
		fmt.Fprintf(&b, " (want %s)", d.Want)
	}
	if d.Why != "" {
		fmt.Fprintf(&b, ": %s", d.Why)
	}
	return b.String()
}

// Drift yields how snap differs from s, setting by setting and then rule by rule; nothing if all is well.
// Differences in the case of names, and of data where Windows ignores it, are no drift. A key that snap does not hold
// is taken to be absent: give it everything that Paths names.
func (s Schema) Drift(snap *Snapshot) iter.Seq[Drift] {
	return func(yield func(Drift) bool) {
		stopped := false
		report := func(d Drift) {
			if !stopped && !yield(d) {
				stopped = true
			}
		}
		for i := range s.Settings {
			if s.Settings[i].check(snap, report); stopped {
				return
			}
		}
		for _, r := range s.Rules {
			r.Check(snap, func(d Drift) {
				if d.Source == "" {
					d.Source, d.Basis = r.Source, r.Basis
				}
				report(d)
			})
			if stopped {
				return
			}
		}
	}
}
