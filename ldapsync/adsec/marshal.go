package adsec

import (
	"encoding/binary"
	"fmt"
	"math"

	"go.internal/hybridkit/ldapsync"
)

// MarshalBinary writes the self-relative form that Parse reads: what fakes and tests serve as
// nTSecurityDescriptor. The control bits SelfRelative, DACLPresent and SACLPresent are set as needed.
func (d *Descriptor) MarshalBinary() ([]byte, error) {
	control := d.Control | SelfRelative
	if d.DACL != nil {
		control |= DACLPresent
	}
	if d.SACL != nil {
		control |= SACLPresent
	}
	b := make([]byte, 20)
	b[0] = 1
	binary.LittleEndian.PutUint16(b[2:], uint16(control))
	for _, part := range []struct {
		what string
		acl  *ACL
		at   int
	}{{"SACL", d.SACL, 12}, {"DACL", d.DACL, 16}} {
		if part.acl == nil {
			continue
		}
		binary.LittleEndian.PutUint32(b[part.at:], uint32(len(b)))
		var err error
		if b, err = part.acl.append(b); err != nil {
			return nil, fmt.Errorf("adsec: %s: %w", part.what, err)
		}
	}
	for _, part := range []struct {
		sid ldapsync.SID
		at  int
	}{{d.Owner, 4}, {d.Group, 8}} {
		if !part.sid.IsZero() {
			binary.LittleEndian.PutUint32(b[part.at:], uint32(len(b)))
			b = append(b, part.sid.Raw()...)
		}
	}
	if len(b) > maxDescriptor {
		return nil, fmt.Errorf("adsec: a descriptor of %d bytes is longer than %d", len(b), maxDescriptor)
	}
	return b, nil
}

func (l *ACL) append(b []byte) ([]byte, error) {
	start := len(b)
	revision := l.Revision
	if revision == 0 {
		revision = 2
		for _, a := range l.ACEs {
			if aceTypes[a.Type].hasObject {
				revision = 4 // ACL_REVISION_DS, [MS-DTYP] section 2.4.5
			}
		}
	}
	b = append(b, revision, 0, 0, 0, 0, 0, 0, 0)
	for i, a := range l.ACEs {
		var err error
		if b, err = a.append(b); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	if len(b)-start > math.MaxUint16 || len(l.ACEs) > math.MaxUint16 {
		return nil, fmt.Errorf("%d entries of %d bytes are more than a list can hold", len(l.ACEs), len(b)-start)
	}
	binary.LittleEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	binary.LittleEndian.PutUint16(b[start+4:], uint16(len(l.ACEs)))
	return b, nil
}

func (a ACE) append(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, byte(a.Type), byte(a.Flags), 0, 0)
	if a.known() {
		if a.SID.IsZero() {
			return nil, fmt.Errorf("it has no SID")
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(a.Mask))
		if aceTypes[a.Type].hasObject {
			var flags uint32
			if !a.ObjectType.IsZero() {
				flags |= objectTypePresent
			}
			if !a.InheritedObjectType.IsZero() {
				flags |= inheritedObjectTypePresent
			}
			b = binary.LittleEndian.AppendUint32(b, flags)
			if !a.ObjectType.IsZero() {
				b = append(b, a.ObjectType[:]...)
			}
			if !a.InheritedObjectType.IsZero() {
				b = append(b, a.InheritedObjectType[:]...)
			}
		} else if !a.ObjectType.IsZero() || !a.InheritedObjectType.IsZero() {
			return nil, fmt.Errorf("type %s has no object types", a.Type)
		}
		b = append(b, a.SID.Raw()...)
	}
	b = append(b, a.Data...)
	if len(b)-start > math.MaxUint16 {
		return nil, fmt.Errorf("it has %d bytes, more than fit", len(b)-start)
	}
	binary.LittleEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b, nil
}
