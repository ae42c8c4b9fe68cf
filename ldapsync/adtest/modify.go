package adtest

import (
	"slices"
	"strings"
)

// A ChangeOp is what a Change does with its values.
type ChangeOp uint8

// The operations of RFC 4511 section 4.6.
const (
	AddValues     ChangeOp = 0
	DeleteValues  ChangeOp = 1 // without values: the whole attribute
	ReplaceValues ChangeOp = 2 // without values: clears, also when there is nothing to clear
)

// A Change is one part of a modification.
type Change struct {
	Op     ChangeOp
	Attr   string
	Values []string
}

// modify applies all changes or none. A modification that leaves every value as it is changes no
// USN, as in Active Directory. The caller holds mu for writing.
func (d *directory) modify(by *account, n *node, changes []Change, opt writeOptions) *Error {
	if n.rec.deleted {
		if !opt.deleted || !by.Admin {
			return noSuchObject(d.dn(d.root))
		}
		return refuse(ResultUnwillingToPerform, "00002077: SvcErr: a deleted object is not modified here")
	}
	rec := &record{attrs: slices.Clone(n.rec.attrs), named: n.rec.named}
	password, setPassword := "", false
	for _, c := range changes {
		t, err := d.typeForWrite(c.Attr)
		if err != nil {
			return err
		}
		if !by.writes() || d.denied(by, n, WriteProperty, t) {
			return noAccess("no right to write " + t.name)
		}
		switch {
		case t.lower == "name" || t == n.rdnType:
			return refuse(ResultNotAllowedOnRDN, "00002016: UpdErr: problem 6004 (CANT_ON_RDN): %s", t.name)
		case t.lower == "objectclass":
			return refuse(ResultObjectClassModsProhibited, "000020B1: UpdErr: problem 6006 (OBJ_CLASS_MODS_PROHIBITED)")
		case t.writeOnly:
			if password, err = newPassword(t, c); err != nil {
				return err
			}
			setPassword = true
			continue
		case t.back:
			return refuse(ResultUnwillingToPerform, "0000209A: SvcErr: problem 5003 (WILL_NOT_PERFORM): %s follows from its forward link", t.name)
		case t.system || t.constructed || t.lower == "objectguid" || t.lower == "objectsid":
			return systemOnly(t)
		}
		if err := d.change(rec, t, c, opt); err != nil {
			return membershipError(t, err)
		}
	}
	sam := d.types["samaccountname"]
	if name := rec.get(sam); name != n.rec.get(sam) {
		if err := d.uniqueAccount(n, name.first()); err != nil {
			return err
		}
	}
	if setPassword {
		d.setPassword(n, password)
	}
	return d.commitIfChanged(n, rec)
}

// membershipError gives the answers that the account database, which owns group membership, has for
// a member that is there already or is not there.
func membershipError(t *attrType, err *Error) *Error {
	switch {
	case t.lower != "member":
	case err.Code == ResultAttributeOrValueExists:
		return refuse(ResultEntryAlreadyExists, "00000562: UpdErr: problem 6005 (ENTRY_EXISTS), data 0")
	case err.Code == ResultNoSuchAttribute:
		return refuse(ResultUnwillingToPerform, "00000561: SvcErr: problem 5003 (WILL_NOT_PERFORM), data 0")
	}
	return err
}

// commitIfChanged commits rec if any value differs from the current record.
func (d *directory) commitIfChanged(n *node, rec *record) *Error {
	changed := false
	for i := range rec.attrs {
		a := &rec.attrs[i]
		if a.vals == n.rec.get(a.typ) {
			continue
		}
		a.seq, changed = 0, true
	}
	if changed {
		d.commit(n, rec, false)
	}
	return nil
}

// change applies one change to rec.
func (d *directory) change(rec *record, t *attrType, c Change, opt writeOptions) *Error {
	i := slices.IndexFunc(rec.attrs, func(a attr) bool { return a.typ == t })
	if i < 0 {
		rec.attrs = append(rec.attrs, attr{typ: t})
		i = len(rec.attrs) - 1
	}
	a := &rec.attrs[i]
	before := a.vals
	switch c.Op {
	case ReplaceValues:
		if len(c.Values) == 0 {
			a.vals = packed{}
			break
		}
		p, err := d.values(t, c.Values, opt)
		if err != nil {
			return err
		}
		a.vals = p
	case AddValues:
		p, err := d.addValues(t, before, c.Values, opt)
		if err != nil {
			return err
		}
		a.vals = p
	case DeleteValues:
		p, err := d.deleteValues(t, before, c.Values, opt)
		if err != nil {
			return err
		}
		a.vals = p
	default:
		return refuse(ResultProtocolError, "00000057: LdapErr: modify operation %d is not supported", c.Op)
	}
	if a.vals == before && a.seq == 0 { // nothing was there and nothing came
		rec.attrs = slices.Delete(rec.attrs, i, i+1)
	}
	return nil
}

func (d *directory) addValues(t *attrType, old packed, values []string, opt writeOptions) (packed, *Error) {
	p, err := d.values(t, values, opt)
	if err != nil {
		return packed{}, err
	}
	have := make(map[string]bool, old.n)
	for v := range old.all() {
		have[d.storedKey(t, v)] = true
	}
	out := old.list()
	for v := range p.all() {
		switch {
		case !have[d.storedKey(t, v)]:
			out = append(out, v)
		case !opt.permissive:
			return packed{}, valueExists(t)
		}
	}
	if t.single && len(out) > 1 {
		return packed{}, valueExists(t)
	}
	if len(out) == old.n {
		return old, nil
	}
	return pack(out...), nil
}

func (d *directory) deleteValues(t *attrType, old packed, values []string, opt writeOptions) (packed, *Error) {
	missing := refuse(ResultNoSuchAttribute, "00002085: AtrErr: problem 1001 (NO_ATTRIBUTE_OR_VAL), Att %s", t.name)
	if len(values) == 0 {
		if old.n == 0 && !opt.permissive {
			return packed{}, missing
		}
		return packed{}, nil
	}
	gone := make(map[string]bool, len(values))
	for _, v := range values {
		if t.link != nil {
			if s, err := d.linkValue(v); err == nil {
				v = s
			}
		}
		gone[d.storedKey(t, v)] = true
	}
	var out []string
	removed := 0
	for v := range old.all() {
		if gone[d.storedKey(t, v)] {
			removed++
			continue
		}
		out = append(out, v)
	}
	switch {
	case removed < len(gone) && !opt.permissive:
		return packed{}, missing
	case removed == 0:
		return old, nil
	case len(out) == 0:
		return packed{}, nil
	}
	return pack(out...), nil
}

// newPassword reads the value of a password change: unicodePwd is UTF-16LE in quotes (MS-ADTS
// 3.1.1.3.1.5.1), userPassword plain text.
func newPassword(t *attrType, c Change) (string, *Error) {
	bad := refuse(ResultUnwillingToPerform, "0000001F: SvcErr: problem 5003 (WILL_NOT_PERFORM): bad %s", t.name)
	if c.Op != ReplaceValues || len(c.Values) != 1 {
		return "", bad
	}
	v := c.Values[0]
	if t.lower == "userpassword" {
		return v, nil
	}
	if len(v) < 4 || len(v)%2 != 0 || len(v) > 1024 {
		return "", bad
	}
	var b strings.Builder
	units := make([]uint16, len(v)/2)
	for i := range units {
		units[i] = uint16(v[2*i]) | uint16(v[2*i+1])<<8
	}
	b.WriteString(decodeUTF16(units))
	s := b.String()
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", bad
	}
	return s[1 : len(s)-1], nil
}
