package ldapsync

import "fmt"

// A Class is the kind of object a track synchronises. The zero Class is none of them: an object that is
// neither a user nor a device.
type Class uint8

// The classes.
const (
	User   Class = iota + 1 // a person's account
	Device                  // a computer account
)

var classNames = [...]string{User: "user", Device: "device"}

// String returns "user" or "device", and "Class(n)" for others.
func (c Class) String() string {
	if c == 0 || int(c) >= len(classNames) {
		return fmt.Sprintf("Class(%d)", uint8(c))
	}
	return classNames[c]
}

// MarshalText writes the name; the zero Class is the empty text.
func (c Class) MarshalText() ([]byte, error) {
	if c == 0 {
		return []byte{}, nil
	}
	if int(c) >= len(classNames) {
		return nil, fmt.Errorf("ldapsync: no such class: %d", uint8(c))
	}
	return []byte(classNames[c]), nil
}

// UnmarshalText reads what MarshalText writes.
func (c *Class) UnmarshalText(b []byte) error { return unmarshalName(c, b, classNames[:], "class") }

// unmarshalName finds b among names, whose index is the value; empty text is the zero value.
func unmarshalName[T ~uint8](v *T, b []byte, names []string, what string) error {
	if len(b) == 0 {
		*v = 0
		return nil
	}
	for i, n := range names {
		if n != "" && n == string(b) {
			*v = T(i)
			return nil
		}
	}
	return fmt.Errorf("ldapsync: unknown %s %q", what, clip(string(b)))
}
