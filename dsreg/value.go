package dsreg

import (
	"strconv"
	"strings"
)

// A Tri is a fact that may be unknown. The zero Tri is Maybe: a row this
// Windows build does not print, or printed as an error, is not "NO".
type Tri uint8

// The three values of a Tri.
const (
	Maybe Tri = iota
	No
	Yes
)

// String returns "unknown", "no" or "yes"; other values print as Tri(n).
func (t Tri) String() string {
	switch t {
	case Maybe:
		return "unknown"
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return "Tri(" + strconv.Itoa(int(t)) + ")"
}

// A State says in which way a row speaks. The zero State is Absent. The seven
// states are never folded into each other: an absent row, an empty one, a NO,
// an UNKNOWN, an ERROR and an untested one mean different things.
type State uint8

// The states of a Cell.
const (
	Absent    State = iota // the capture has no such row
	Empty                  // the row is there and its value is empty
	Set                    // a value of the row's type (YES, NO, a time, a code, …)
	Unknown                // the program printed UNKNOWN
	Failed                 // the program printed ERROR, with or without a code
	NotTested              // SKIPPED, NOT TESTED, or "MUST Run elevated to test."
	Malformed              // a value that is not of the row's type: redacted, cut off, or from a build newer than this package
)

var stateNames = [...]string{"absent", "empty", "set", "unknown", "failed", "not-tested", "malformed"}

// String returns the name of s in lower case; values off the table print as State(n).
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// A Cell is what every typed row has in common: where it stands and how it
// speaks. The zero Cell is a row that the capture does not have.
type Cell struct {
	Raw   string // the value as printed, blanks at both ends removed
	Line  int32  // line of the input, from 1; 0 when Absent
	row   int32  // index in Status.fields plus 1
	Code  Code   // the code of an ERROR (0x…); 0 if it carried none
	State State
}

// Present reports whether the capture has the row, whatever its value.
func (c *Cell) Present() bool { return c.State != Absent }

// IsSet reports whether the row holds a value of its type.
func (c *Cell) IsSet() bool { return c.State == Set }

// Is reports whether the row holds a value equal to s without regard to case.
func (c *Cell) Is(s string) bool { return c.State != Absent && strings.EqualFold(c.Raw, s) }

func (c *Cell) cell() *Cell { return c }

// A value is a typed row of the model: a struct that embeds Cell.
type value interface {
	cell() *Cell
	// decode reads Raw, which is neither empty nor one of the common
	// non-values, and reports whether it is of the type.
	decode() bool
}

// fill stores one printed row in its typed field. The first row wins: a later
// one with the same owner stays in Status.Fields only.
func fill(v value, raw string, line, row int32) bool {
	c := v.cell()
	if c.State != Absent {
		return false
	}
	c.Raw, c.Line, c.row = raw, line, row
	if raw == "" {
		c.State = Empty
		return true
	}
	switch raw[0] {
	case 'N', 'n':
		if len(raw) == 2 {
			break // NO
		}
		fallthrough
	case 'E', 'e', 'U', 'u', 'S', 's', 'M', 'm':
		if st, code, ok := nonValue(raw); ok {
			// "Unknown" is one of the catalogued values of CanReset and of the attribute uploads, and still says nothing.
			c.State, c.Code = st, code
			v.decode()
			return true
		}
	}
	if v.decode() {
		c.State = Set
	} else {
		c.State = Malformed
	}
	return true
}

// nonValue recognises what the program prints in place of a value.
func nonValue(s string) (State, Code, bool) {
	if len(s) > 48 {
		return 0, 0, false
	}
	switch {
	case strings.EqualFold(s, "UNKNOWN"):
		return Unknown, 0, true
	case strings.EqualFold(s, "SKIPPED"), strings.EqualFold(s, "NOT TESTED"):
		return NotTested, 0, true
	case hasPrefixFold(s, "MUST run elevated"):
		return NotTested, 0, true
	case strings.EqualFold(s, "ERROR"), strings.EqualFold(s, "ERROR [UNKNOWN_ERROR]"):
		return Failed, 0, true
	case hasPrefixFold(s, "ERROR 0x"):
		code, ok := parseHexCode(s[6:])
		return Failed, code, ok
	case hasPrefixFold(s, "ERROR (0x") && s[len(s)-1] == ')':
		code, ok := parseHexCode(s[7 : len(s)-1])
		return Failed, code, ok
	}
	return 0, 0, false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func containsFold(s, lower string) bool {
	return strings.Contains(strings.ToLower(s), lower)
}

// clip shortens text from outside before it goes into a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
