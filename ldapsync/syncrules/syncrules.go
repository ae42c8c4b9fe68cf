// Package syncrules imports the rules organisations already have into mapping files (package mapfile): the
// synchronization schema of Microsoft Entra Cloud Sync and of Entra's provisioning service (CloudSync), and the sync
// rules of a Microsoft Entra Connect (Azure AD Connect) server configuration export (Connect).
//
// Nothing is dropped in silence. What this engine does in another way, and what it cannot do, is a Finding with the
// place in the input and the reason. A flow that cannot be represented becomes a rule that leaves its target
// attribute alone, and a scope clause that cannot be evaluated holds objects: an import never clears or writes
// what the original would not have.
//
// The shapes follow Microsoft's "synchronizationSchema resource type" and its parts (Microsoft Graph), "Understanding
// declarative provisioning" and the files that Get-ADSyncServerConfiguration writes.
package syncrules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync/mapfile"
)

// MaxBytes is the size of the largest input.
const MaxBytes = 64 << 20

// Level says how much a Finding matters.
type Level uint8

// The levels. The zero level is Info.
const (
	Info    Level = iota // read and represented, or of no consequence here
	Changed              // represented, and it means something slightly different here
	Lost                 // not represented: the reason says what happens instead
)

var levels = [...]string{"info", "changed", "lost"}

// String returns "info", "changed" or "lost".
func (l Level) String() string {
	if int(l) >= len(levels) {
		return fmt.Sprintf("Level(%d)", uint8(l))
	}
	return levels[l]
}

// MarshalText writes the name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// A Finding is something in the input that does not arrive in the mapping file just as it was.
type Finding struct {
	Level  Level  `json:"level"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line"`
	Place  string `json:"place"`  // path in the input
	What   string `json:"what"`   // what is there
	Reason string `json:"reason"` // why it is not represented, or how it differs
}

// String returns the finding in one line.
func (f Finding) String() string {
	at := fmt.Sprintf("line %d", f.Line)
	if f.File != "" {
		at = f.File + ", " + at
	}
	return fmt.Sprintf("%s: %s: %s: %s: %s", f.Level, at, f.Place, f.What, f.Reason)
}

// An Import is what came of an input.
type Import struct {
	File     *mapfile.File `json:"file"`
	Findings []Finding     `json:"findings"`
}

// Count returns how many findings have the level.
func (i *Import) Count(l Level) int {
	n := 0
	for _, f := range i.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// An Error says why an input cannot be read at all, and where.
type Error struct {
	File         string // "" if the input is not a file
	Line, Column int    // from 1
	Offset       int    // in bytes
	Place        string // path in the input, "" if it is not what was expected as a whole
	Reason       string
}

// Error returns the place and the reason.
func (e *Error) Error() string {
	s := fmt.Sprintf("line %d, column %d: ", e.Line, e.Column)
	if e.File != "" {
		s = e.File + ", " + s
	}
	if e.Place != "" {
		s += e.Place + ": "
	}
	return s + e.Reason
}

// renamed looks a target attribute up in the options.
func renamed(names map[string]string, to string) string {
	if n, ok := names[to]; ok {
		return n
	}
	for _, from := range slices.Sorted(maps.Keys(names)) {
		if strings.EqualFold(from, to) {
			return names[from]
		}
	}
	return to
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
