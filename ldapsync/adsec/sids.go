package adsec

import "go.internal/hybridkit/ldapsync"

// wellKnown maps SIDs that mean the same in every domain to their SDDL code and name ([MS-DTYP] section 2.4.2.4).
var wellKnown = [...]struct{ sid, sddl, name string }{
	{"S-1-1-0", "WD", "Everyone"}, {"S-1-3-0", "CO", "Creator Owner"}, {"S-1-3-1", "CG", "Creator Group"},
	{"S-1-3-4", "OW", "Owner Rights"}, {"S-1-5-2", "NU", "Network"}, {"S-1-5-4", "IU", "Interactive"},
	{"S-1-5-7", "AN", "Anonymous"}, {"S-1-5-9", "ED", "Enterprise Domain Controllers"}, {"S-1-5-10", "PS", "Principal Self"},
	{"S-1-5-11", "AU", "Authenticated Users"}, {"S-1-5-18", "SY", "System"}, {"S-1-5-19", "LS", "Local Service"},
	{"S-1-5-20", "NS", "Network Service"}, {"S-1-5-15", "", "This Organization"},
	{"S-1-5-32-544", "BA", "Administrators"}, {"S-1-5-32-545", "BU", "Users"}, {"S-1-5-32-546", "BG", "Guests"},
	{"S-1-5-32-548", "AO", "Account Operators"}, {"S-1-5-32-549", "SO", "Server Operators"},
	{"S-1-5-32-550", "PO", "Print Operators"}, {"S-1-5-32-551", "BO", "Backup Operators"},
	{"S-1-5-32-554", "RU", "Pre-Windows 2000 Compatible Access"}, {"S-1-5-32-560", "", "Windows Authorization Access"},
}

// SIDName returns the name of a SID that means the same in every domain, else its text form.
func SIDName(sid ldapsync.SID) string {
	text := sid.String()
	for _, w := range wellKnown {
		if w.sid == text {
			return w.name
		}
	}
	return text
}

func sidSDDL(sid ldapsync.SID) string {
	text := sid.String()
	for _, w := range wellKnown {
		if w.sid == text && w.sddl != "" {
			return w.sddl
		}
	}
	return text
}

// fixed makes a SID of the NT authority or another below 256, from constants.
func fixed(authority byte, subs ...byte) ldapsync.SID {
	b := []byte{1, byte(len(subs)), 0, 0, 0, 0, 0, authority}
	for _, s := range subs {
		b = append(b, s, 0, 0, 0)
	}
	sid, _ := ldapsync.SIDFromBytes(b)
	return sid
}

// The two that every check compares with, made once.
var principalSelf, ownerRights = fixed(5, 10), fixed(3, 4)

// Everyone is S-1-1-0, a group of every token but the anonymous one on recent systems.
func Everyone() ldapsync.SID { return fixed(1, 0) }

// AuthenticatedUsers is S-1-5-11.
func AuthenticatedUsers() ldapsync.SID { return fixed(5, 11) }

// Network is S-1-5-2: whoever signed in over the network.
func Network() ldapsync.SID { return fixed(5, 2) }

// PrincipalSelf is S-1-5-10: in an entry, the object itself.
func PrincipalSelf() ldapsync.SID { return principalSelf }

// OwnerRights is S-1-3-4: in an entry, the owner of the object.
func OwnerRights() ldapsync.SID { return ownerRights }

// System is S-1-5-18.
func System() ldapsync.SID { return fixed(5, 18) }
