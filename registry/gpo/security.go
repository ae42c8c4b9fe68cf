package gpo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry/gpp"
)

// applyGroupPolicy is the extended right edacfd8f-ffb3-11d1-b41d-00a0c968f939 in the byte order of a GUID in memory.
const applyGroupPolicy = "\x8f\xfd\xac\xed\xb3\xff\xd1\x11\xb4\x1d\x00\xa0\xc9\x68\xf9\x39"

var errSD = errors.New("no self-relative security descriptor that can be read")

// permissions returns who may read and apply a GPO from its security descriptor ([MS-DTYP] 2.4.6, 2.4.5, 2.4.4).
func permissions(sd []byte) ([]Permission, error) {
	le := binary.LittleEndian
	if len(sd) < 20 || sd[0] != 1 {
		return nil, errSD
	}
	const daclPresent = 4
	at := le.Uint32(sd[16:])
	if le.Uint16(sd[2:])&daclPresent == 0 || at == 0 {
		return []Permission{{Trustee: "S-1-1-0", Read: true, Apply: true}}, nil // no list: everyone may do everything
	}
	if uint64(at)+8 > uint64(len(sd)) {
		return nil, errSD
	}
	acl := sd[at:]
	list := []Permission{}
	aces := acl[8:]
	for i := range int(le.Uint16(acl[4:])) {
		if len(aces) < 8 || int(le.Uint16(aces[2:])) < 8 || int(le.Uint16(aces[2:])) > len(aces) {
			return nil, fmt.Errorf("%w: entry %d", errSD, i+1)
		}
		ace := aces[:le.Uint16(aces[2:])]
		aces = aces[len(ace):]
		p, ok, err := permission(ace)
		if err != nil {
			return nil, fmt.Errorf("%w: entry %d", err, i+1)
		}
		if ok {
			list = append(list, p)
		}
	}
	return list, nil
}

func permission(ace []byte) (p Permission, ok bool, err error) {
	const (
		inheritOnly   = 0x08
		readProperty  = 0x10
		controlAccess = 0x100
		genericAll    = 0x10000000
		genericRead   = 0x80000000
	)
	mask := binary.LittleEndian.Uint32(ace[4:])
	sid := ace[8:]
	var right []byte
	switch ace[0] {
	case 0, 1: // ACCESS_ALLOWED_ACE, ACCESS_DENIED_ACE
	case 5, 6: // the same for an object: flags, then the GUID of the right and of the inheriting class if they are there
		if len(sid) < 4 {
			return p, false, errSD
		}
		flags := sid[0]
		sid = sid[4:]
		if flags&1 != 0 {
			if len(sid) < 16 {
				return p, false, errSD
			}
			right, sid = sid[:16], sid[16:]
		}
		if flags&2 != 0 {
			if len(sid) < 16 {
				return p, false, errSD
			}
			sid = sid[16:]
		}
	default:
		return p, false, nil
	}
	if p.Trustee, err = sidText(sid); err != nil {
		return p, false, err
	}
	p.Deny = ace[0] == 1 || ace[0] == 6
	all := mask&genericAll != 0
	p.Read = right == nil && (all || mask&(readProperty|genericRead) != 0)
	p.Apply = (all || mask&controlAccess != 0) && (right == nil || string(right) == applyGroupPolicy)
	return p, ace[1]&inheritOnly == 0 && (p.Read || p.Apply), nil
}

func sidText(b []byte) (string, error) {
	if len(b) < 8 || b[0] != 1 || len(b) < 8+4*int(b[1]) {
		return "", errSD
	}
	var authority uint64
	for _, c := range b[2:8] {
		authority = authority<<8 | uint64(c)
	}
	var s strings.Builder
	s.WriteString("S-1-" + strconv.FormatUint(authority, 10))
	for i := range int(b[1]) {
		s.WriteString("-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b[8+4*i:])), 10))
	}
	return s.String(), nil
}

// everyone lists the principals that every domain member and user is, by SID and English name.
var everyone = []string{"S-1-5-11", "Authenticated Users", `NT AUTHORITY\Authenticated Users`, "authenticated-users", "S-1-1-0", "Everyone"}

// access reports whether someone with the given principals is granted a right. Denials count before grants, as in
// a list in canonical order. With nil principals only trustees that everybody is are known.
func access(list []Permission, principals []string, right func(Permission) bool) (t gpp.Tri, why string) {
	allowed, unknown := "", ""
	for _, p := range list {
		if !right(p) {
			continue
		}
		switch is := member(p.Trustee, principals); {
		case is == gpp.Unknown && unknown == "":
			unknown = p.Trustee
		case is == gpp.Yes && p.Deny:
			return gpp.No, "denied to " + p.Trustee
		case is == gpp.Yes && allowed == "":
			allowed = p.Trustee
		}
	}
	switch {
	case unknown != "" && (allowed == "" || denies(list, principals, right)):
		return gpp.Unknown, "membership in " + unknown
	case allowed != "":
		return gpp.Yes, "granted to " + allowed
	}
	return gpp.No, "granted to none of its groups"
}

// denies reports whether a denial concerns someone of whom it is not known whether the target is one.
func denies(list []Permission, principals []string, right func(Permission) bool) bool {
	for _, p := range list {
		if p.Deny && right(p) && member(p.Trustee, principals) == gpp.Unknown {
			return true
		}
	}
	return false
}

func member(trustee string, principals []string) gpp.Tri {
	for _, list := range [][]string{everyone, principals} {
		for _, s := range list {
			if strings.EqualFold(s, trustee) {
				return gpp.Yes
			}
		}
	}
	if principals == nil {
		return gpp.Unknown
	}
	return gpp.No
}
