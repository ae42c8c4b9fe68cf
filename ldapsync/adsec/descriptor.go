package adsec

import (
	"encoding/binary"
	"fmt"

	"go.internal/hybridkit/ldapsync"
)

// maxDescriptor bounds what Parse reads: two ACLs of at most 64 KiB each, two SIDs and the header are far below.
const maxDescriptor = 256 << 10

// A Control holds the control bits of a security descriptor ([MS-DTYP] section 2.4.6). Bits without a name are
// kept.
type Control uint16

// The control bits this package acts on or prints.
const (
	DACLPresent       Control = 0x0004
	SACLPresent       Control = 0x0010
	DACLAutoInherited Control = 0x0400
	SACLAutoInherited Control = 0x0800
	DACLProtected     Control = 0x1000
	SACLProtected     Control = 0x2000
	SelfRelative      Control = 0x8000
)

// A Descriptor is a security descriptor. The zero Descriptor has no owner and no DACL: it protects nothing.
type Descriptor struct {
	Control      Control // MarshalBinary sets the bits that say what is there
	Owner, Group ldapsync.SID
	DACL         *ACL // nil: there is none, and everything is granted to everyone
	SACL         *ACL
}

// An ACL is a list of access control entries in the order in which they are stored, which is the order in
// which they count.
type ACL struct {
	Revision byte // 2, or 4 where there are object ACEs; 0 lets MarshalBinary choose
	ACEs     []ACE
}

// An ACEType is the kind of an access control entry ([MS-DTYP] section 2.4.4.1).
type ACEType uint8

// The kinds that grant or refuse access.
const (
	Allow               ACEType = 0x00
	Deny                ACEType = 0x01
	Audit               ACEType = 0x02
	AllowObject         ACEType = 0x05
	DenyObject          ACEType = 0x06
	AuditObject         ACEType = 0x07
	AllowCallback       ACEType = 0x09
	DenyCallback        ACEType = 0x0A
	AllowCallbackObject ACEType = 0x0B
	DenyCallbackObject  ACEType = 0x0C
	AuditCallback       ACEType = 0x0D
	AuditCallbackObject ACEType = 0x0F
	MandatoryLabel      ACEType = 0x11
	ResourceAttribute   ACEType = 0x12
	ScopedPolicyID      ACEType = 0x13
)

// aceTypes is the only place where the properties of the kinds are written down.
var aceTypes = map[ACEType]struct {
	sddl                                  string
	allows, denies, hasObject, conditions bool
}{
	Allow: {sddl: "A", allows: true}, Deny: {sddl: "D", denies: true}, Audit: {sddl: "AU"},
	AllowObject: {sddl: "OA", allows: true, hasObject: true}, DenyObject: {sddl: "OD", denies: true, hasObject: true},
	AuditObject:   {sddl: "OU", hasObject: true},
	AllowCallback: {sddl: "XA", allows: true, conditions: true}, DenyCallback: {sddl: "XD", denies: true, conditions: true},
	AllowCallbackObject: {sddl: "ZA", allows: true, hasObject: true, conditions: true},
	DenyCallbackObject:  {sddl: "ZD", denies: true, hasObject: true, conditions: true}, // SDDL has no code for it
	AuditCallback:       {sddl: "XU", conditions: true}, AuditCallbackObject: {sddl: "ZU", hasObject: true, conditions: true},
	MandatoryLabel: {sddl: "ML"}, ResourceAttribute: {sddl: "RA"}, ScopedPolicyID: {sddl: "SP"},
}

// String returns the SDDL code, such as "OA", or "ACEType(n)".
func (t ACEType) String() string {
	if k, ok := aceTypes[t]; ok {
		return k.sddl
	}
	return fmt.Sprintf("ACEType(%d)", uint8(t))
}

// ACEFlags say how an entry is inherited and audited ([MS-DTYP] section 2.4.4.1).
type ACEFlags uint8

// The flags.
const (
	ObjectInherit      ACEFlags = 0x01
	ContainerInherit   ACEFlags = 0x02
	NoPropagateInherit ACEFlags = 0x04
	InheritOnly        ACEFlags = 0x08 // does not count on the object itself
	Inherited          ACEFlags = 0x10
	SuccessfulAccess   ACEFlags = 0x40
	FailedAccess       ACEFlags = 0x80
)

// An ACE is one access control entry.
type ACE struct {
	Type  ACEType
	Flags ACEFlags
	Mask  Right
	SID   ldapsync.SID

	// ObjectType is the property, property set, extended right or class the entry is about, zero for all.
	// InheritedObjectType is the class of the objects that inherit it. Only object ACEs have them.
	ObjectType, InheritedObjectType ldapsync.GUID

	// Data is what follows the SID: the condition of a callback ACE. For a Type this package does not know it is
	// everything after the four bytes of the header, and Mask and SID are zero.
	Data []byte
}

// known reports whether the type's layout is known.
func (a ACE) known() bool { _, ok := aceTypes[a.Type]; return ok }

// A SyntaxError is what Parse reports.
type SyntaxError struct {
	Offset int    // of the structure at fault, from the start of the descriptor
	What   string // "DACL entry 3"
	Why    string
}

// Error names the structure, its offset and what is wrong with it.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("adsec: not a security descriptor: %s at offset %d: %s", e.What, e.Offset, e.Why)
}

// Parse reads a self-relative security descriptor, the value of nTSecurityDescriptor. Every error is a
// *SyntaxError. Entries of unknown type are kept.
func Parse(b []byte) (*Descriptor, error) {
	if len(b) < 20 || len(b) > maxDescriptor {
		return nil, &SyntaxError{0, "header", fmt.Sprintf("a descriptor has 20 to %d bytes, not %d", maxDescriptor, len(b))}
	}
	if b[0] != 1 {
		return nil, &SyntaxError{0, "header", fmt.Sprintf("revision %d is not 1", b[0])}
	}
	d := &Descriptor{Control: Control(binary.LittleEndian.Uint16(b[2:]))}
	if d.Control&SelfRelative == 0 {
		return nil, &SyntaxError{2, "header", "it is not self-relative"}
	}
	var err error
	if d.Owner, err = sidAt(b, 4, "owner"); err != nil {
		return nil, err
	}
	if d.Group, err = sidAt(b, 8, "group"); err != nil {
		return nil, err
	}
	if d.Control&SACLPresent != 0 {
		if d.SACL, err = aclAt(b, 12, "SACL"); err != nil {
			return nil, err
		}
	}
	if d.Control&DACLPresent != 0 {
		if d.DACL, err = aclAt(b, 16, "DACL"); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// offsetAt reads the offset field at position p; 0 means that the part is not there.
func offsetAt(b []byte, p, least int, what string) (int, error) {
	o := binary.LittleEndian.Uint32(b[p:])
	if o == 0 {
		return 0, nil
	}
	if o < 20 || uint64(o)+uint64(least) > uint64(len(b)) {
		return 0, &SyntaxError{p, what, fmt.Sprintf("it points to %d, outside the descriptor", o)}
	}
	return int(o), nil
}

func sidAt(b []byte, p int, what string) (ldapsync.SID, error) {
	o, err := offsetAt(b, p, 8, what)
	if o == 0 || err != nil {
		return ldapsync.SID{}, err
	}
	sid, _, err := cutSID(b[o:])
	if err != nil {
		return ldapsync.SID{}, &SyntaxError{o, what, err.Error()}
	}
	return sid, nil
}

// cutSID reads the SID at the start of b and returns the rest.
func cutSID(b []byte) (ldapsync.SID, []byte, error) {
	if len(b) < 8 || len(b) < 8+4*int(b[1]) {
		return ldapsync.SID{}, nil, fmt.Errorf("the SID is cut short")
	}
	n := 8 + 4*int(b[1])
	sid, err := ldapsync.SIDFromBytes(b[:n])
	return sid, b[n:], err
}

func aclAt(b []byte, p int, what string) (*ACL, error) {
	o, err := offsetAt(b, p, 8, what)
	if o == 0 || err != nil {
		return nil, err // present and null: as if there were none
	}
	size, count := int(binary.LittleEndian.Uint16(b[o+2:])), int(binary.LittleEndian.Uint16(b[o+4:]))
	if size < 8 || o+size > len(b) {
		return nil, &SyntaxError{o, what, fmt.Sprintf("its size of %d does not fit", size)}
	}
	if count > (size-8)/4 {
		return nil, &SyntaxError{o, what, fmt.Sprintf("%d entries do not fit into %d bytes", count, size)}
	}
	acl := &ACL{Revision: b[o]}
	if count > 0 {
		acl.ACEs = make([]ACE, count)
	}
	at, end := o+8, o+size
	for i := range acl.ACEs {
		fail := func(why string) error { return &SyntaxError{at, fmt.Sprintf("%s entry %d", what, i), why} }
		if end-at < 4 {
			return nil, fail("the list ends before it")
		}
		n := int(binary.LittleEndian.Uint16(b[at+2:]))
		if n < 4 || n > end-at {
			return nil, fail(fmt.Sprintf("its size of %d does not fit", n))
		}
		if err := acl.ACEs[i].parse(b[at : at+n]); err != nil {
			return nil, fail(err.Error())
		}
		at += n
	}
	return acl, nil
}

const (
	objectTypePresent          = 1
	inheritedObjectTypePresent = 2
)

func (a *ACE) parse(b []byte) error {
	a.Type, a.Flags = ACEType(b[0]), ACEFlags(b[1])
	b = b[4:]
	kind, ok := aceTypes[a.Type]
	if !ok {
		a.Data = append([]byte(nil), b...)
		return nil
	}
	if len(b) < 4 {
		return fmt.Errorf("the access mask is missing")
	}
	a.Mask, b = Right(binary.LittleEndian.Uint32(b)), b[4:]
	if kind.hasObject {
		if len(b) < 4 {
			return fmt.Errorf("the object flags are missing")
		}
		flags := binary.LittleEndian.Uint32(b)
		b = b[4:]
		for _, g := range []struct {
			bit uint32
			to  *ldapsync.GUID
		}{{objectTypePresent, &a.ObjectType}, {inheritedObjectTypePresent, &a.InheritedObjectType}} {
			if flags&g.bit == 0 {
				continue
			}
			if len(b) < 16 {
				return fmt.Errorf("an object type is cut short")
			}
			*g.to, b = ldapsync.GUID(b[:16]), b[16:]
			if g.to.IsZero() {
				return fmt.Errorf("an object type is present and zero") // would read as "all"
			}
		}
	}
	var err error
	if a.SID, b, err = cutSID(b); err != nil {
		return err
	}
	if len(b) > 0 {
		a.Data = append([]byte(nil), b...)
	}
	return nil
}
