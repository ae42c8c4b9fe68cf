// Package ldif reads an LDIF export of a directory (RFC 2849), as ldifde or ldapsearch make it, as an
// ldapsync.Source: an organisation can plan against an export with no network and no account. It also writes
// LDIF.
//
//	src, err := ldif.Open("export.ldf", ldif.Config{})
//	for o, err := range src.Read(ctx, query) { … }
//
// An export must hold the objectGUID of its entries (or entryUUID, for servers other than Active Directory), the
// attributes that the mapping reads, and the organisational units that the scope names:
//
//	ldifde -u -f export.ldf -d "OU=Staff,DC=ashdown,DC=example"
//	ldapsearch -LLL -o ldif-wrap=no -E pr=500/noprompt -b "OU=Staff,DC=ashdown,DC=example" > export.ldf
//
// UTF-8, UTF-16 (ldifde -u) and byte order marks are recognised. Parsing is done by github.com/go-ldap/ldif
// behind a guard: files named in an export ("jpegPhoto:< file:…") are never opened, sizes are bounded, and
// errors name the line and the entry. A file that is cut off in the middle of a line, and the output of a search
// that ended in an error, are refused: an entry that is missing would look like one that left.
//
// An export cannot tell an attribute without a value from one that was not exported or could not be read. See
// Config.Attrs and Source.VerifyAbsent.
package ldif

import (
	"fmt"

	"go.internal/hybridkit/ldapsync"
)

// Limits on what is read, where Config does not say otherwise.
const (
	MaxBytes  = 2 << 30  // of the file
	MaxRecord = 32 << 20 // bytes of one entry
	maxLines  = 100_000  // attribute values of one entry
)

// Config configures Open, Parse and Records. The zero Config is useful.
type Config struct {
	// Attrs are the attributes the export was made with, for example the list after ldifde -l. Attributes
	// among them that an entry does not have are absent; others are unreadable. Nil: an attribute is taken for
	// exported if some entry has it, and mS-DS-ConsistencyGuid always, since many forests have it on no object.
	// If an export was made with a list that leaves it out, give the list here.
	Attrs []string

	// DeriveIDs makes identities out of DNs for entries that have neither objectGUID nor entryUUID, and lets
	// organisational units be found that are not in the export themselves. An entry that is renamed or moved
	// then looks like another one: good for trying things out, not for a state that is kept.
	DeriveIDs bool

	// Class is the class of entries that have no objectClass; see ClassOf for others.
	Class ldapsync.Class

	// Domain is what Source.Info says. An empty FQDN is taken from the DC components of the first entry.
	Domain ldapsync.Domain

	MaxBytes  int64 // 0: MaxBytes
	MaxRecord int   // 0: MaxRecord
}

func (c Config) withDefaults() Config {
	if c.MaxBytes <= 0 {
		c.MaxBytes = MaxBytes
	}
	if c.MaxRecord <= 0 {
		c.MaxRecord = MaxRecord
	}
	return c
}

// An Error says what is wrong with an export and where.
type Error struct {
	Path   string // of the file, "" if it was not read by Open
	Line   int    // 1 is the first; 0 if the error is about the whole file
	DN     string // of the entry, "" if that is not known
	Reason string
	Err    error // the cause, if there is one
}

// Error returns path, line, entry and reason.
func (e *Error) Error() string {
	text := "ldif: "
	if e.Path != "" {
		text += e.Path + ": "
	}
	if e.Line > 0 {
		text += fmt.Sprintf("line %d: ", e.Line)
	}
	if e.DN != "" {
		text += clip(e.DN) + ": "
	}
	return text + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// clip shortens text from outside for an error message.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
