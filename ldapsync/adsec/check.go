package adsec

import "go.internal/hybridkit/ldapsync"

// A Token holds the SIDs of an account and of every group it is in. The zero Token is nobody: not even Everyone.
// Active Directory returns the SIDs of the account that is connected as tokenGroups of the rootDSE, well-known
// groups included ([MS-ADTS] section 3.1.1.3.2).
type Token struct{ sids map[ldapsync.SID]struct{} }

// NewToken makes a Token of exactly these SIDs.
func NewToken(sids ...ldapsync.SID) Token {
	t := Token{sids: make(map[ldapsync.SID]struct{}, len(sids))}
	for _, s := range sids {
		if !s.IsZero() {
			t.sids[s] = struct{}{}
		}
	}
	return t
}

// Has reports whether the SID is in the token.
func (t Token) Has(sid ldapsync.SID) bool { _, ok := t.sids[sid]; return ok }

// Len returns the number of SIDs.
func (t Token) Len() int { return len(t.sids) }

// Equal reports whether both hold the same SIDs.
func (t Token) Equal(u Token) bool {
	if len(t.sids) != len(u.sids) {
		return false
	}
	for s := range t.sids {
		if !u.Has(s) {
			return false
		}
	}
	return true
}

// A Query is one question to a descriptor.
type Query struct {
	Right Right // all of these; generic rights are replaced by what they stand for

	// The object tree, from the widest to the narrowest; zero levels are left out. Class is the schemaIDGUID of
	// the object's structural class. PropertySet is the attributeSecurityGUID of the attribute, Property its
	// schemaIDGUID. For ControlAccess, Property is the rightsGuid; for CreateChild, the schemaIDGUID of the child.
	Class, PropertySet, Property ldapsync.GUID

	// Self is the objectSid of the object, for entries about Principal Self; zero if it has none.
	Self ldapsync.SID
}

// An Access is the answer to a Query.
type Access uint8

// The answers. The zero Access is Undetermined.
const (
	Undetermined Access = iota // a condition decides that this package cannot evaluate
	Granted
	Denied // by an entry, or because no entry grants it
)

var accessNames = [...]string{"undetermined", "granted", "denied"}

// String returns "undetermined", "granted" or "denied".
func (a Access) String() string {
	if int(a) >= len(accessNames) {
		return "Access(?)"
	}
	return accessNames[a]
}

// A Verdict is the answer to a Query and what it rests on.
type Verdict struct {
	Access Access
	Index  int // of the entry of the DACL that decided; -1 if none did
	ACE    ACE // that entry
}

// String is one line for messages: "denied by entry 0 (OD;;RP;…)".
func (v Verdict) String() string {
	switch {
	case v.Index >= 0:
		return v.Access.String() + " by " + v.ACE.String()
	case v.Access == Denied:
		return "denied: no entry grants it"
	}
	return v.Access.String()
}

// Check evaluates the DACL for the token ([MS-DTYP] section 2.5.3.2). Entries count in the order in which they
// are stored, for each right the first that concerns it; entries that are only there to be inherited do not
// count. The owner always has ReadControl and WriteDAC unless there is an entry for Owner Rights. Without a DACL
// everything is granted. AccessSystemSecurity is a privilege and never granted here.
func (d *Descriptor) Check(t Token, q Query) Verdict {
	want := q.Right.Specific()
	if want&AccessSystemSecurity != 0 {
		return Verdict{Access: Denied, Index: -1}
	}
	if d.DACL == nil || want == 0 {
		return Verdict{Access: Granted, Index: -1}
	}
	isOwner := !d.Owner.IsZero() && t.Has(d.Owner)
	if isOwner && !d.limitsOwner() {
		want &^= ReadControl | WriteDAC
	}
	granted := Verdict{Access: Granted, Index: -1}
	maybe := Verdict{Access: Undetermined, Index: -1}
	var open, conditional Right = want, 0 // rights not decided yet; those that a condition may have granted
	for i, a := range d.DACL.ACEs {
		if open == 0 {
			break
		}
		kind, ok := aceTypes[a.Type]
		mask := a.Mask.Specific() & open
		if !ok || !kind.allows && !kind.denies || mask == 0 || a.Flags&InheritOnly != 0 ||
			!q.concerns(a.ObjectType) || !q.matches(a.SID, t, isOwner) {
			continue
		}
		here := Verdict{Access: Denied, Index: i, ACE: a}
		switch {
		case kind.conditions:
			if maybe.Index < 0 {
				maybe.Index, maybe.ACE = i, a
			}
			if kind.allows {
				conditional |= mask
			}
		case kind.allows:
			open &^= mask
			conditional &^= mask
			granted.Index, granted.ACE = i, a
		case mask&^conditional != 0:
			return here
		default: // refused, unless a condition before this entry had granted it
			open &^= mask
		}
	}
	switch {
	case open&^conditional != 0:
		return Verdict{Access: Denied, Index: -1}
	case maybe.Index >= 0:
		return maybe
	}
	return granted
}

// concerns reports whether an entry about the object type counts for the question: one without a type, or whose
// type is a node of the object tree at or above what is asked.
func (q Query) concerns(objectType ldapsync.GUID) bool {
	return objectType.IsZero() || objectType == q.Class || objectType == q.PropertySet || objectType == q.Property
}

func (q Query) matches(sid ldapsync.SID, t Token, isOwner bool) bool {
	switch sid {
	case principalSelf:
		return !q.Self.IsZero() && t.Has(q.Self)
	case ownerRights:
		return isOwner
	}
	return t.Has(sid)
}

// limitsOwner reports whether an entry for Owner Rights replaces what an owner has anyway.
func (d *Descriptor) limitsOwner() bool {
	for _, a := range d.DACL.ACEs {
		if a.SID == ownerRights && a.Flags&InheritOnly == 0 {
			return true
		}
	}
	return false
}
