package comgmt

import (
	"fmt"
	"strconv"
	"strings"
)

// An Authority is who manages a workload on a device.
type Authority uint8

const (
	AuthorityUnknown   Authority = iota // cannot be said from what was read
	AuthorityNone                       // neither Intune nor Configuration Manager
	AuthorityConfigMgr                  // Configuration Manager
	AuthorityIntune                     // Intune
)

var authorityNames = [...]string{"unknown", "none", "configmgr", "intune"}

// String returns "unknown", "none", "configmgr" or "intune"; these are also the values in JSON.
func (a Authority) String() string { return nameOf(authorityNames[:], int(a), "Authority") }

// MarshalText returns the name; it fails off the table.
func (a Authority) MarshalText() ([]byte, error) {
	return marshalName(authorityNames[:], int(a), "Authority")
}

// UnmarshalText reads the name.
func (a *Authority) UnmarshalText(b []byte) error {
	return unmarshalName(authorityNames[:], a, b, "authority")
}

// A Slider is the position of one workload on the Workloads page.
type Slider uint8

const (
	SliderConfigMgr Slider = iota // Configuration Manager, the default of every workload
	SliderPilot                   // Pilot Intune: Intune, for members of the workload's pilot collection
	SliderIntune                  // Intune, for all enrolled devices
)

var sliderNames = [...]string{"configmgr", "pilot", "intune"}

// String returns "configmgr", "pilot" or "intune"; these are also the values in JSON.
func (s Slider) String() string { return nameOf(sliderNames[:], int(s), "Slider") }

// MarshalText returns the name; it fails off the table.
func (s Slider) MarshalText() ([]byte, error) { return marshalName(sliderNames[:], int(s), "Slider") }

// UnmarshalText reads the name.
func (s *Slider) UnmarshalText(b []byte) error {
	return unmarshalName(sliderNames[:], s, b, "slider")
}

// A Basis says what an answer rests on.
type Basis uint8

const (
	BasisUnknown    Basis = iota // nothing: the answer is "unknown"
	BasisDocumented              // Microsoft's documentation says so
	BasisObserved                // seen on real clients or in their logs
	BasisDerived                 // concluded from the former
)

var basisNames = [...]string{"unknown", "documented", "observed", "derived"}

// String returns "unknown", "documented", "observed" or "derived"; these are also the values in JSON.
func (b Basis) String() string { return nameOf(basisNames[:], int(b), "Basis") }

// MarshalText returns the name; it fails off the table.
func (b Basis) MarshalText() ([]byte, error) { return marshalName(basisNames[:], int(b), "Basis") }

// UnmarshalText reads the name.
func (b *Basis) UnmarshalText(t []byte) error { return unmarshalName(basisNames[:], b, t, "basis") }

// A Tri is a fact that may be unknown. The zero Tri is Unknown: a document that does not mention a thing has not
// denied it. In JSON it is null, false or true.
type Tri uint8

const (
	Unknown Tri = iota
	No
	Yes
)

var triNames = [...]string{"unknown", "no", "yes"}

// TriOf returns Yes or No.
func TriOf(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

// String returns "unknown", "no" or "yes".
func (t Tri) String() string { return nameOf(triNames[:], int(t), "Tri") }

// MarshalJSON returns null, false or true.
func (t Tri) MarshalJSON() ([]byte, error) {
	switch t {
	case Unknown:
		return []byte("null"), nil
	case No:
		return []byte("false"), nil
	case Yes:
		return []byte("true"), nil
	}
	return nil, fmt.Errorf("comgmt: %v has no JSON form", t)
}

// UnmarshalJSON reads null, false or true.
func (t *Tri) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null":
		*t = Unknown
	case "false":
		*t = No
	case "true":
		*t = Yes
	default:
		return fmt.Errorf("comgmt: %q is none of null, false, true", clip(string(b)))
	}
	return nil
}

func nameOf(names []string, i int, kind string) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return kind + "(" + strconv.Itoa(i) + ")"
}

func marshalName(names []string, i int, kind string) ([]byte, error) {
	if i < 0 || i >= len(names) {
		return nil, fmt.Errorf("comgmt: %s has no name", nameOf(names, i, kind))
	}
	return []byte(names[i]), nil
}

func unmarshalName[T ~uint8](names []string, to *T, b []byte, kind string) error {
	for i, n := range names {
		if n == string(b) {
			*to = T(i)
			return nil
		}
	}
	return fmt.Errorf("comgmt: %q is no %s (want %s)", clip(string(b)), kind, strings.Join(names, ", "))
}
