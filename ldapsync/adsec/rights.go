package adsec

import (
	"fmt"
	"strings"
)

// A Right is an access mask ([MS-ADTS] section 5.1.3.2). Bits without a name are kept.
type Right uint32

// The rights on directory objects.
const (
	CreateChild          Right = 0x1
	DeleteChild          Right = 0x2
	ListContents         Right = 0x4
	ValidatedWrite       Right = 0x8
	ReadProperty         Right = 0x10
	WriteProperty        Right = 0x20
	DeleteTree           Right = 0x40
	ListObject           Right = 0x80
	ControlAccess        Right = 0x100
	Delete               Right = 0x10000
	ReadControl          Right = 0x20000
	WriteDAC             Right = 0x40000
	WriteOwner           Right = 0x80000
	Synchronize          Right = 0x100000
	AccessSystemSecurity Right = 0x1000000
	GenericAll           Right = 0x10000000
	GenericExecute       Right = 0x20000000
	GenericWrite         Right = 0x40000000
	GenericRead          Right = 0x80000000
)

// rightNames is the only place where the codes of SDDL, those of dsacls.exe where they differ, and the words are
// written down.
var rightNames = [...]struct {
	bit          Right
	sddl, dsacls string
	word         string
}{
	{GenericAll, "GA", "", "generic all"}, {GenericRead, "GR", "", "generic read"},
	{GenericWrite, "GW", "", "generic write"}, {GenericExecute, "GX", "GE", "generic execute"},
	{CreateChild, "CC", "", "create child"}, {DeleteChild, "DC", "", "delete child"},
	{ListContents, "LC", "", "list contents"}, {ValidatedWrite, "SW", "WS", "validated write"},
	{ReadProperty, "RP", "", "read property"}, {WriteProperty, "WP", "", "write property"},
	{DeleteTree, "DT", "", "delete tree"}, {ListObject, "LO", "", "list object"}, {ControlAccess, "CR", "CA", "control access"},
	{Delete, "SD", "", "delete"}, {ReadControl, "RC", "", "read permissions"}, {WriteDAC, "WD", "", "change permissions"},
	{WriteOwner, "WO", "", "change owner"}, {Synchronize, "", "", "synchronize"},
	{AccessSystemSecurity, "", "", "access system security"},
}

// String names the bits, for example "read property|list object", and prints the rest in hexadecimal.
func (r Right) String() string {
	var out []string
	for _, e := range rightNames {
		if r&e.bit != 0 {
			out = append(out, e.word)
			r &^= e.bit
		}
	}
	if r != 0 || len(out) == 0 {
		out = append(out, fmt.Sprintf("0x%X", uint32(r)))
	}
	return strings.Join(out, "|")
}

// sddl returns the codes of SDDL, or the number where a bit has no code.
func (r Right) sddl() string {
	var b strings.Builder
	rest := r
	for _, e := range rightNames {
		if rest&e.bit != 0 && e.sddl != "" {
			b.WriteString(e.sddl)
			rest &^= e.bit
		}
	}
	if rest != 0 {
		return fmt.Sprintf("0x%x", uint32(r))
	}
	return b.String()
}

// dsacls returns the codes of dsacls.exe. It has none for Synchronize and AccessSystemSecurity, which mean nothing on
// directory objects or are a privilege.
func (r Right) dsacls() string {
	var b strings.Builder
	for _, e := range rightNames {
		switch {
		case r&e.bit == 0:
		case e.dsacls != "":
			b.WriteString(e.dsacls)
		default:
			b.WriteString(e.sddl)
		}
	}
	return b.String()
}

// What the generic rights stand for on directory objects ([MS-ADTS] section 5.1.3.2).
const (
	allRights     = 0xF01FF
	readRights    = ReadControl | ListContents | ReadProperty | ListObject
	writeRights   = ReadControl | ValidatedWrite | WriteProperty
	executeRights = ReadControl | ListContents
)

// Specific replaces the generic rights by what they stand for.
func (r Right) Specific() Right {
	out := r &^ (GenericAll | GenericRead | GenericWrite | GenericExecute)
	for _, g := range [...]struct{ generic, means Right }{
		{GenericAll, allRights}, {GenericRead, readRights}, {GenericWrite, writeRights}, {GenericExecute, executeRights},
	} {
		if r&g.generic != 0 {
			out |= g.means
		}
	}
	return out
}
