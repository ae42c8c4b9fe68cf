package adsec

import (
	"fmt"
	"strings"
)

// String writes the descriptor in SDDL ([MS-DTYP] section 2.5.1). SIDs of a domain stay numbers, because their
// codes lose which domain. Two things have no SDDL form and are written in angle brackets: the condition of a
// callback ACE and entries of unknown type.
func (d *Descriptor) String() string {
	var b strings.Builder
	if !d.Owner.IsZero() {
		b.WriteString("O:" + sidSDDL(d.Owner))
	}
	if !d.Group.IsZero() {
		b.WriteString("G:" + sidSDDL(d.Group))
	}
	if d.DACL != nil {
		b.WriteString("D:" + aclFlags(d.Control, DACLProtected, DACLAutoInherited))
		d.DACL.write(&b)
	} else if d.Control&DACLPresent != 0 {
		b.WriteString("D:NO_ACCESS_CONTROL")
	}
	if d.SACL != nil {
		b.WriteString("S:" + aclFlags(d.Control, SACLProtected, SACLAutoInherited))
		d.SACL.write(&b)
	}
	return b.String()
}

func aclFlags(c, protected, autoInherited Control) string {
	out := ""
	if c&protected != 0 {
		out += "P"
	}
	if c&autoInherited != 0 {
		out += "AI"
	}
	return out
}

func (l *ACL) write(b *strings.Builder) {
	for _, a := range l.ACEs {
		b.WriteString(a.String())
	}
}

var aceFlagCodes = [...]struct {
	bit  ACEFlags
	code string
}{
	{ObjectInherit, "OI"}, {ContainerInherit, "CI"}, {NoPropagateInherit, "NP"}, {InheritOnly, "IO"},
	{Inherited, "ID"}, {SuccessfulAccess, "SA"}, {FailedAccess, "FA"},
}

// String writes the entry in SDDL: (OD;CI;RP;bf967961-0de6-11d0-a285-00aa003049e2;;AU).
func (a ACE) String() string {
	if !a.known() {
		return fmt.Sprintf("<%s, %d bytes>", a.Type, len(a.Data))
	}
	flags := ""
	for _, f := range aceFlagCodes {
		if a.Flags&f.bit != 0 {
			flags += f.code
		}
	}
	object, inherited := "", ""
	if !a.ObjectType.IsZero() {
		object = a.ObjectType.String()
	}
	if !a.InheritedObjectType.IsZero() {
		inherited = a.InheritedObjectType.String()
	}
	more := ""
	if len(a.Data) > 0 {
		more = fmt.Sprintf(";<%d bytes>", len(a.Data))
	}
	return fmt.Sprintf("(%s;%s;%s;%s;%s;%s%s)", a.Type, flags, a.Mask.sddl(), object, inherited, sidSDDL(a.SID), more)
}
