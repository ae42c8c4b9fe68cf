package expr

import "fmt"

// A Dialect is one of Microsoft's two expression languages. They share names and differ in signatures, so it is
// always explicit. The zero Dialect is neither.
type Dialect uint8

const (
	// CloudSync is the language of Microsoft Entra Cloud Sync and of Entra provisioning (Microsoft, "Reference
	// for writing expressions for attribute mappings in Microsoft Entra ID", both the application provisioning
	// and the Cloud Sync page).
	CloudSync Dialect = iota + 1
	// Connect is the language of Microsoft Entra Connect (Azure AD Connect) sync rules (Microsoft,
	// "Declarative provisioning expressions" and "Functions Reference").
	Connect
)

var dialects = [...]struct{ name, title string }{
	CloudSync: {"cloudsync", "Cloud Sync"},
	Connect:   {"connect", "Entra Connect"},
}

func (d Dialect) known() bool { return d >= CloudSync && int(d) < len(dialects) }

// String returns "cloudsync" or "connect".
func (d Dialect) String() string {
	if !d.known() {
		return fmt.Sprintf("Dialect(%d)", uint8(d))
	}
	return dialects[d].name
}

func (d Dialect) title() string { return dialects[d].title }

func (d Dialect) other() Dialect {
	if d == CloudSync {
		return Connect
	}
	return CloudSync
}

// ParseDialect reads what String writes.
func ParseDialect(s string) (Dialect, error) {
	for d := CloudSync; d.known(); d++ {
		if dialects[d].name == s {
			return d, nil
		}
	}
	return 0, fmt.Errorf("expr: unknown dialect %q (known: cloudsync, connect)", clip(s))
}

// MarshalText writes the name; an unknown dialect is an error.
func (d Dialect) MarshalText() ([]byte, error) {
	if !d.known() {
		return nil, fmt.Errorf("expr: %v has no name", d)
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Dialect) UnmarshalText(b []byte) error {
	v, err := ParseDialect(string(b))
	if err == nil {
		*d = v
	}
	return err
}
