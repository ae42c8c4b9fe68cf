package adtest

import (
	"encoding/binary"
	"slices"
)

// Access mask bits (MS-ADTS 5.1.3.2).
const (
	maskCreateChild   = 0x00000001
	maskListContents  = 0x00000004
	maskReadProperty  = 0x00000010
	maskWriteProperty = 0x00000020
	maskDelete        = 0x00010000
	maskGenericRead   = 0x00020094 // READ_CONTROL, list contents, read property, list object
	maskFullControl   = 0x000f01ff
)

// descriptor returns nTSecurityDescriptor: the stored bytes, or one made from the accounts and
// denials. It is returned to administrators, and to others with the SD flags control unless that
// asks for the SACL (MS-ADTS 3.1.1.3.4.1.11).
func (x *encoder) descriptor(n *node, t *attrType) packed {
	flags := x.sdFlags
	if flags < 0 {
		flags = 15
	}
	if flags&8 != 0 && !x.who.Admin {
		return packed{}
	}
	raw := n.rec.get(t).first()
	if raw == "" {
		raw = x.d.security(n)
	}
	return pack(cutDescriptor(raw, flags))
}

// An ace is one access control entry before encoding.
type ace struct {
	deny      bool
	inherited bool
	mask      uint32
	object    GUID // attribute; zero is all
	sid       string
}

// security makes the descriptor of an object from what this package enforces: everybody who is
// authenticated reads, administrators and writers write, denials come first.
func (d *directory) security(n *node) string {
	authenticated := mustSID("S-1-5-11")
	var aces []ace
	for _, inherited := range []bool{false, true} { // explicit entries precede inherited ones
		for _, x := range d.denials {
			if !x.covers(n) || (x.guid != n.guid) != inherited {
				continue
			}
			sid := authenticated
			if a := d.accounts[x.account]; x.account != "" && a != nil {
				if o := d.byGUID[a.guid]; o != nil {
					sid = o.rec.get(d.types["objectsid"]).first()
				}
			}
			e := ace{deny: true, inherited: inherited, sid: sid, mask: map[Right]uint32{ReadProperty: maskReadProperty, WriteProperty: maskWriteProperty,
				ListContents: maskListContents, CreateChild: maskCreateChild, DeleteObject: maskDelete}[x.right]}
			if x.typ != nil {
				e.object = x.typ.schemaID
			}
			aces = append(aces, e)
		}
	}
	aces = append(aces, ace{inherited: true, mask: maskFullControl, sid: d.sidFor(512)})
	for _, s := range d.writerSIDs() {
		aces = append(aces, ace{inherited: true, mask: maskFullControl &^ 0xc0000, sid: s})
	}
	aces = append(aces, ace{inherited: true, mask: maskGenericRead, sid: authenticated})

	acl := []byte{4, 0, 0, 0, byte(len(aces)), byte(len(aces) >> 8), 0, 0} // ACL_REVISION_DS
	for _, e := range aces {
		acl = e.append(acl)
	}
	binary.LittleEndian.PutUint16(acl[2:], uint16(len(acl)))
	owner := d.sidFor(512)
	sd := make([]byte, 20)
	sd[0] = 1
	binary.LittleEndian.PutUint16(sd[2:], 0x8404) // SE_SELF_RELATIVE, SE_DACL_AUTO_INHERITED, SE_DACL_PRESENT
	put := func(at int, part []byte) {
		binary.LittleEndian.PutUint32(sd[at:], uint32(len(sd)))
		sd = append(sd, part...)
	}
	put(4, []byte(owner))
	put(8, []byte(owner))
	put(16, acl)
	return string(sd)
}

// writerSIDs returns the SIDs of accounts that may write without being administrators, sorted.
func (d *directory) writerSIDs() []string {
	var out []string
	for _, a := range d.accounts {
		if n := d.byGUID[a.guid]; n != nil && a.Write && !a.Admin {
			out = append(out, n.rec.get(d.types["objectsid"]).first())
		}
	}
	slices.Sort(out)
	return out
}

// append encodes the entry (MS-DTYP 2.4.4).
func (e ace) append(b []byte) []byte {
	start := len(b)
	kind := byte(0) // ACCESS_ALLOWED_ACE_TYPE
	if e.deny {
		kind = 1
	}
	if e.object != (GUID{}) {
		kind += 5 // the object forms
	}
	flags := byte(0)
	if e.inherited {
		flags = 0x12 // CONTAINER_INHERIT_ACE, INHERITED_ACE
	}
	b = append(b, kind, flags, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, e.mask)
	if e.object != (GUID{}) {
		b = append(b, 1, 0, 0, 0) // ACE_OBJECT_TYPE_PRESENT
		b = append(b, e.object[:]...)
	}
	b = append(b, e.sid...)
	binary.LittleEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// cutDescriptor leaves out the parts that the SD flags do not ask for: 1 owner, 2 group, 4 DACL,
// 8 SACL. Bytes that are no self-relative descriptor are returned as they are.
func cutDescriptor(raw string, flags int64) string {
	if flags == 0 {
		flags = 15
	}
	if len(raw) < 20 {
		return raw
	}
	src := []byte(raw)
	out := make([]byte, 20)
	copy(out, src[:4])
	control := binary.LittleEndian.Uint16(src[2:])
	for _, p := range []struct {
		flag    int64
		at      int
		acl     bool
		present uint16
	}{{1, 4, false, 0}, {2, 8, false, 0}, {8, 12, true, 0x10}, {4, 16, true, 0x4}} {
		off := int(binary.LittleEndian.Uint32(src[p.at:]))
		if flags&p.flag == 0 {
			control &^= p.present
			continue
		}
		if off == 0 {
			continue
		}
		n := 0
		switch {
		case off < 20 || off+8 > len(src):
			return raw
		case p.acl:
			n = int(binary.LittleEndian.Uint16(src[off+2:]))
		default:
			n = 8 + 4*int(src[off+1])
		}
		if off+n > len(src) {
			return raw
		}
		binary.LittleEndian.PutUint32(out[p.at:], uint32(len(out)))
		out = append(out, src[off:off+n]...)
	}
	binary.LittleEndian.PutUint16(out[2:], control)
	return string(out)
}
