package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// An Op says what an Entry does to a registry.
type Op uint8

const (
	Set         Op = iota + 1 // give Path\Name the Value, creating the key
	SetIfAbsent               // the same, but only where Path\Name does not exist
	DeleteValue               // remove Path\Name
	ClearValues               // remove all values of Path; sub keys stay
	CreateKey                 // create Path
	DeleteKey                 // remove Path with everything below
	SecureKey                 // protect Path: Value is a REG_DWORD, 1 administrators and system full, users read; 0 undo
	Note                      // no effect: a comment or an instruction nobody knows, kept in Entry.Note and Entry.Value
)

var ops = [...]string{
	Set: "set", SetIfAbsent: "set-if-absent", DeleteValue: "delete-value", ClearValues: "clear-values",
	CreateKey: "create-key", DeleteKey: "delete-key", SecureKey: "secure-key", Note: "note",
}

// String returns "set", "set-if-absent", "delete-value", "clear-values", "create-key", "delete-key",
// "secure-key" or "note", and "Op(n)" for any other number.
func (o Op) String() string {
	if o > 0 && int(o) < len(ops) {
		return ops[o]
	}
	return "Op(" + strconv.Itoa(int(o)) + ")"
}

// MarshalText returns o.String(); it fails for a number without a name.
func (o Op) MarshalText() ([]byte, error) {
	if o == 0 || int(o) >= len(ops) {
		return nil, fmt.Errorf("registry: no operation %d", o)
	}
	return []byte(ops[o]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (o *Op) UnmarshalText(b []byte) error {
	for i, s := range ops {
		if i > 0 && s == string(b) {
			*o = Op(i)
			return nil
		}
	}
	return fmt.Errorf("registry: no operation %q", clip(string(b), 40))
}

// A Pos is a place in a file. The zero Pos is none. Binary formats count bytes and records, text formats lines.
type Pos struct {
	Line   int   // from 1, 0 if the format has no lines
	Offset int64 // in bytes from the start of the file
	Record int   // from 1, 0 if the format has no records
}

// String returns "line 7" or "record 3 at byte 0x68", and "" for the zero Pos.
func (p Pos) String() string {
	switch {
	case p.Line > 0:
		return "line " + strconv.Itoa(p.Line)
	case p.Record > 0:
		return fmt.Sprintf("record %d at byte 0x%x", p.Record, p.Offset)
	case p.Offset > 0:
		return fmt.Sprintf("byte 0x%x", p.Offset)
	}
	return ""
}

// An Entry is one instruction of a file, in the terms all formats share. Decoders of every format yield entries
// in the order of the file, which is the order of application: later entries win.
//
// A format that packs several effects into one record (`**DeleteValues` in a Registry.pol, action Replace in
// Group Policy Preferences) yields one Entry per effect, all with the same Pos.
type Entry struct {
	Op    Op
	Path  Path
	Name  string // of the value; "" is the default value. Meaningless for operations on keys.
	Value Value  // for Set, SetIfAbsent and SecureKey; for Note whatever the file held
	Note  string // what the file says beside the effect: the text of a comment, the name of an unknown instruction, a targeting condition
	Pos   Pos
}

// String describes e in one line for people.
func (e Entry) String() string {
	var b strings.Builder
	b.WriteString(e.Op.String())
	if !e.Path.IsZero() {
		b.WriteString(" " + e.Path.Short())
	}
	switch e.Op {
	case Set, SetIfAbsent:
		b.WriteString(" " + ValueName(e.Name) + " " + e.Value.Type.String() + " " + e.Value.String())
	case DeleteValue:
		b.WriteString(" " + ValueName(e.Name))
	case SecureKey:
		b.WriteString(" " + e.Value.String())
	}
	if e.Note != "" {
		b.WriteString(" ; " + e.Note)
	}
	return b.String()
}

// ValueName returns a value name as reg query shows it: "(Default)" for the empty one.
func ValueName(name string) string {
	if name == "" {
		return "(Default)"
	}
	return name
}

// A SyntaxError says where and how a file breaks the rules of its format.
//
// Decoders yield it as the error of a pair. A strict decoder (the zero value of each Decoder type) stops after
// the first. A tolerant decoder goes on if it can: a pair may then hold an error alone (something was dropped)
// or an error together with an Entry whose Op is not zero (something was recovered, and this is what was wrong).
type SyntaxError struct {
	Format string // "reg", "pol", "gpp", …
	Pos    Pos
	Field  string // the part of the record, "size", "value name", or ""
	Msg    string
	Err    error // cause, may be nil
}

// Error returns "pol: record 3 at byte 0x68: size: …".
func (e *SyntaxError) Error() string {
	var b strings.Builder
	b.WriteString(e.Format)
	for _, s := range []string{e.Pos.String(), e.Field, e.Msg} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns e.Err.
func (e *SyntaxError) Unwrap() error { return e.Err }
