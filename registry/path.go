package registry

import (
	"errors"
	"fmt"
	"strings"
)

// A Hive is a root of the registry. The zero Hive is none: a key relative to a root that is not known, as in an
// offline hive that is read without saying where it belongs.
type Hive uint8

const (
	LocalMachine  Hive = iota + 1 // HKEY_LOCAL_MACHINE
	CurrentUser                   // HKEY_CURRENT_USER
	Users                         // HKEY_USERS
	ClassesRoot                   // HKEY_CLASSES_ROOT
	CurrentConfig                 // HKEY_CURRENT_CONFIG
)

// hives is the only place names of roots are written down.
var hives = [...]struct{ long, short string }{
	LocalMachine:  {"HKEY_LOCAL_MACHINE", "HKLM"},
	CurrentUser:   {"HKEY_CURRENT_USER", "HKCU"},
	Users:         {"HKEY_USERS", "HKU"},
	ClassesRoot:   {"HKEY_CLASSES_ROOT", "HKCR"},
	CurrentConfig: {"HKEY_CURRENT_CONFIG", "HKCC"},
}

func (h Hive) known() bool { return h > 0 && int(h) < len(hives) }

// String returns the long name, "HKEY_LOCAL_MACHINE", "" for the zero Hive and "Hive(n)" for any other.
func (h Hive) String() string {
	if h.known() {
		return hives[h].long
	}
	if h == 0 {
		return ""
	}
	return fmt.Sprintf("Hive(%d)", uint8(h))
}

// Short returns the abbreviation, "HKLM", and otherwise what String returns.
func (h Hive) Short() string {
	if h.known() {
		return hives[h].short
	}
	return h.String()
}

// ParseHive returns the root with the given long or short name, compared without case; ok is false if there is none.
func ParseHive(s string) (h Hive, ok bool) {
	for i, n := range hives {
		if i > 0 && (strings.EqualFold(s, n.long) || strings.EqualFold(s, n.short)) {
			return Hive(i), true
		}
	}
	return 0, false
}

// A Path names a key: a root and the key names below it separated by backslashes, without one at either end.
// The empty Key is the root itself. A slash is an ordinary character.
//
// Paths compare equal with == only if they are spelled alike; use Equal, or compare the results of Fold, to
// ask whether they are the same key.
type Path struct {
	Hive Hive
	Key  string
}

// HKLM returns the path of a key below HKEY_LOCAL_MACHINE. Superfluous backslashes are removed.
func HKLM(key string) Path { return Path{LocalMachine, cleanKey(key)} }

// HKCU returns the path of a key below HKEY_CURRENT_USER. Superfluous backslashes are removed.
func HKCU(key string) Path { return Path{CurrentUser, cleanKey(key)} }

// ErrHive is wrapped by the error of ParsePath for a text that does not start with a known root.
var ErrHive = errors.New("registry: no known root key")

// ParsePath reads a full path such as `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft`, `HKLM\SOFTWARE` or the
// PowerShell forms `HKLM:\SOFTWARE` and `Microsoft.PowerShell.Core\Registry::HKEY_LOCAL_MACHINE\SOFTWARE`.
// Roots compare without case. Backslashes at the end are dropped and runs of them collapse, as reg import
// does it. The error wraps ErrHive.
func ParsePath(s string) (Path, error) {
	rest := s
	if strings.HasPrefix(rest, "HKEY_") {
		// The usual form has no provider in front.
	} else if i := strings.Index(rest, "::"); i >= 0 && i+2 < len(rest) && strings.HasSuffix(strings.ToLower(rest[:i]), "registry") {
		rest = rest[i+2:]
	}
	root, key, _ := strings.Cut(rest, `\`)
	h, ok := ParseHive(strings.TrimSuffix(root, ":"))
	if !ok {
		return Path{}, fmt.Errorf("%w in %q", ErrHive, clip(s, 80))
	}
	return Path{h, cleanKey(key)}, nil
}

// cleanKey drops empty components.
func cleanKey(key string) string {
	if key == "" || key[0] != '\\' && key[len(key)-1] != '\\' && !strings.Contains(key, `\\`) {
		return key
	}
	var b strings.Builder
	for part := range strings.SplitSeq(key, `\`) {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\\')
		}
		b.WriteString(part)
	}
	return b.String()
}

// clip shortens text from outside for an error message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// String returns the full path with the long name of the root. A Path without a root is its key alone.
func (p Path) String() string { return join(p.Hive.String(), p.Key) }

// Short returns the full path with the abbreviated root, the form people type: `HKLM\SOFTWARE`.
func (p Path) Short() string { return join(p.Hive.Short(), p.Key) }

func join(root, key string) string {
	switch {
	case root == "":
		return key
	case key == "":
		return root
	}
	return root + `\` + key
}

// IsZero reports whether p is the zero Path.
func (p Path) IsZero() bool { return p == Path{} }

// Join returns the path of the key sub below p. sub may have several components.
func (p Path) Join(sub string) Path {
	sub = cleanKey(sub)
	if p.Key == "" || sub == "" {
		return Path{p.Hive, p.Key + sub}
	}
	return Path{p.Hive, p.Key + `\` + sub}
}

// Parent returns the path one level up; the parent of a root is the root.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(p.Key, '\\')
	return Path{p.Hive, p.Key[:max(i, 0)]}
}

// Base returns the last component of the key, "" for a root.
func (p Path) Base() string { return p.Key[strings.LastIndexByte(p.Key, '\\')+1:] }

// Fold returns p in a form that is equal (==) for two paths of the same key, usable as a map key. See [Fold].
func (p Path) Fold() Path { return Path{p.Hive, Fold(p.Key)} }

// Equal reports whether p and q are the same key, ignoring case.
func (p Path) Equal(q Path) bool { return p.Hive == q.Hive && EqualFold(p.Key, q.Key) }

// Under reports whether p is q or a key below q, ignoring case.
func (p Path) Under(q Path) bool {
	_, ok := p.Rel(q)
	return ok
}

// Rel returns the part of p below q, "" if they are the same key; ok is false if p is not at or below q.
func (p Path) Rel(q Path) (rel string, ok bool) {
	switch {
	case p.Hive != q.Hive:
		return "", false
	case q.Key == "":
		return p.Key, true
	}
	n := strings.Count(q.Key, `\`) + 1
	i := 0
	for ; n > 0; n-- {
		j := strings.IndexByte(p.Key[i:], '\\')
		if j < 0 {
			return "", EqualFold(p.Key, q.Key)
		}
		i += j + 1
	}
	if !EqualFold(p.Key[:i-1], q.Key) {
		return "", false
	}
	return p.Key[i:], true
}

// MarshalText returns p.String(), so that a Path is a string in JSON.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePath; the empty text is the zero Path.
func (p *Path) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*p = Path{}
		return nil
	}
	*p, err = ParsePath(string(b))
	return err
}
