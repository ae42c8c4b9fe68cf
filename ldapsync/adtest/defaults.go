package adtest

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Values of sAMAccountType and userAccountControl that the server sets (MS-ADTS 3.1.1.6.1.3, 2.2.16).
const (
	samUser     = "805306368"
	samComputer = "805306369"
	samGroup    = "268435456"
	newUser     = "546"  // NORMAL_ACCOUNT, PASSWD_NOTREQD, ACCOUNTDISABLE
	newComputer = "4130" // WORKSTATION_TRUST_ACCOUNT, PASSWD_NOTREQD, ACCOUNTDISABLE
	never       = "9223372036854775807"
)

// defaults adds what the server sets on a new object and checks its class.
func (d *directory) defaults(n *node, rec *record, opt writeOptions) *Error {
	oc := rec.get(d.types["objectclass"])
	if oc.n == 0 {
		return refuse(ResultObjectClassViolation, "0000207C: UpdErr: problem 6002 (OBJ_CLASS_VIOLATION): objectClass is missing")
	}
	c, known := structural(oc.list())
	if known {
		if c.rdn != n.rdn.typ {
			return refuse(ResultNamingViolation, "00002099: NameErr: problem 2005 (NAMING_VIOLATION): an object of class %s is named by %s, not %s", c.chain[len(c.chain)-1], c.rdn, n.rdn.typ)
		}
		d.setDefault(rec, "objectCategory", d.category(c.category))
	}
	kind := ""
	for v := range oc.all() {
		switch strings.ToLower(v) {
		case "computer", "group", "user":
			kind = strings.ToLower(v) // the chain goes from general to special
		case "foreignsecurityprincipal":
			d.setDefault(rec, "objectSid", d.nextSID())
		}
	}
	switch kind {
	case "":
		return nil
	case "group":
		d.setDefault(rec, "groupType", "-2147483646") // global security group
		d.setDefault(rec, "sAMAccountType", samGroup)
	default:
		uac, group, sam := newUser, "513", samUser
		if kind == "computer" {
			uac, group, sam = newComputer, "515", samComputer
		}
		d.setDefault(rec, "userAccountControl", uac)
		d.setDefault(rec, "primaryGroupID", group)
		d.setDefault(rec, "sAMAccountType", sam)
		d.setDefault(rec, "accountExpires", never)
		d.setDefault(rec, "pwdLastSet", "0")
	}
	if rec.get(d.types["objectsid"]).n == 0 {
		d.setDefault(rec, "objectSid", d.nextSID())
	} else if sid := rec.get(d.types["objectsid"]).first(); strings.HasPrefix(sid[8:], d.sid[8:]) {
		d.nextRID = max(d.nextRID, rid(sid)+1)
	}
	sam := d.types["samaccountname"]
	if rec.get(sam).n == 0 {
		d.setDefault(rec, "sAMAccountName", "$"+strings.ToUpper(strconv.FormatUint(uint64(d.nextRID), 36))+"-"+guidFor(d.domain, "sam", strconv.FormatUint(uint64(d.nextRID), 10)).String()[:13])
	}
	return d.uniqueAccount(nil, rec.get(sam).first())
}

// uniqueAccount refuses a sAMAccountName that another object has.
func (d *directory) uniqueAccount(self *node, name string) *Error {
	sam := d.types["samaccountname"]
	for _, other := range d.index[sam].find(sam.key(name)) {
		if other != self && !other.rec.deleted {
			return refuse(ResultEntryAlreadyExists, "00000524: UpdErr: problem 6005 (ENTRY_EXISTS), data 0: sAMAccountName %s is taken", quote(name))
		}
	}
	return nil
}

func (d *directory) setDefault(rec *record, name, value string) {
	t := d.types[strings.ToLower(name)]
	if rec.get(t).n == 0 {
		rec.attrs = append(rec.attrs, attr{typ: t, vals: d.intern(t, pack(value))})
	}
}

// nextSID allocates the SID of a new security principal.
func (d *directory) nextSID() string {
	d.nextRID++
	return d.sidFor(d.nextRID - 1)
}

func (d *directory) sidFor(rid uint32) string {
	b := append([]byte(d.sid), 0, 0, 0, 0)
	b[1]++
	binary.LittleEndian.PutUint32(b[len(b)-4:], rid)
	return string(b)
}
