package adsec

import "strings"

// A Grant is a right that an administrator shall give to an account.
type Grant struct {
	DN       string // of the organisational unit or object
	Account  string // DOMAIN\name or a SID
	Right    Right  // ReadProperty, ListContents, …
	Property string // lDAPDisplayName; "" for all
	Class    string // lDAPDisplayName of the objects below DN that it is for; "" for DN itself
}

// Dsacls returns the command line that makes the grant with dsacls.exe (Microsoft, "Dsacls Syntax"), to be run on a
// domain controller or a machine with the administration tools. It adds one entry and replaces none. Some codes of
// rights are not those of SDDL: control access is CA there.
func (g Grant) Dsacls() string {
	statement := g.Account + ":" + g.Right.dsacls()
	inherit := ""
	if g.Property != "" || g.Class != "" {
		statement += ";" + g.Property
	}
	if g.Class != "" {
		statement += ";" + g.Class
		inherit = " /I:S"
	}
	return "dsacls " + quote(g.DN) + inherit + " /G " + quote(statement)
}

// quote wraps s for the Windows command line: a quotation mark inside is doubled with a backslash, and the
// backslashes before it as well.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for i := range len(s) {
		switch s[i] {
		case '\\':
			slashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteByte(s[i])
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte('"')
	return b.String()
}
