package ldapsync

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// An Organisation is what one engine synchronises: its tracks, in order. Tracks are independent; the order is
// the order of plans.
type Organisation struct {
	Name   string // names the organisation in state and plans: letters, digits, '-', '_', '.'
	Domain Domain // of the source; empty fields are filled from the source where it tells them

	// Inactive: nothing is read and nothing written, as before an organisation has told its OU names and after
	// it has left.
	Inactive bool

	Tracks []Track
}

// A Track takes one class of objects from the OUs of its Scope to one place of the target.
type Track struct {
	Name    string // names the track in state and plans, for example "users"
	Class   Class
	Scope   Scope
	Mapping Mapping
	Join    Join
	Place   Placement
	Policy  Policy
}

// A Scope says which objects of the source take part. The service this models takes users from a single OU and
// devices from a single OU, and does not look into child OUs (operations guide, 7.9 and 7.10): one OU and one
// level is the zero value's meaning. Several OUs and subtrees are options.
type Scope struct {
	OUs     []ContainerRef
	Subtree bool   // also objects in child OUs, at any depth
	Filter  string // RFC 4515, in addition to the class

	// Conditions are checked in order; the first that fails decides.
	Conditions []Condition

	// Canaries must be seen by every read.
	Canaries []Canary
}

// A Canary is an object that a good read always shows, with attributes it always has. A missing canary, or a
// canary without one of the attributes, is evidence that the account has lost rights.
type Canary struct {
	ID    GUID     `json:"id,omitzero"`
	DN    string   `json:"dn,omitempty"` // used where ID is zero
	Attrs []string `json:"attrs,omitempty"`
}

// An AnchorForm is how a target stores the source anchor.
type AnchorForm uint8

// The forms. The zero form is raw bytes, as mS-DS-ConsistencyGuid holds them.
const (
	AnchorRaw    AnchorForm = iota // the bytes of the anchor
	AnchorBase64                   // base64 of the bytes: onPremisesImmutableId
	AnchorGUID                     // the text form of a GUID: deviceId; only for anchors of 16 bytes
)

var anchorForms = [...]string{"raw", "base64", "guid"}

// String returns "raw", "base64" or "guid".
func (f AnchorForm) String() string {
	if int(f) >= len(anchorForms) {
		return fmt.Sprintf("AnchorForm(%d)", uint8(f))
	}
	return anchorForms[f]
}

// MarshalText writes the name.
func (f AnchorForm) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *AnchorForm) UnmarshalText(b []byte) error {
	return unmarshalName(f, b, anchorForms[:], "anchor form")
}

// encode writes the anchor as the target stores it.
func (f AnchorForm) encode(anchor string) string {
	switch f {
	case AnchorBase64:
		return base64.StdEncoding.EncodeToString([]byte(anchor))
	case AnchorGUID:
		if g, err := GUIDFromBytes([]byte(anchor)); err == nil {
			return g.String()
		}
	}
	return anchor
}

// A Join says how an object of the source finds its counterpart. A link the engine made before comes first, then
// the anchor, then the match keys in order: the first key with exactly one match wins, several matches are a
// conflict, none asks the next key. A conflict is reported and never written.
type Join struct {
	// SourceAnchor are the attributes that may hold the source anchor; the first present wins, and objectGUID is
	// always the last resort. Nil means mS-DS-ConsistencyGuid (Microsoft, "Plan connect design concepts").
	// Name objectGUID alone to use nothing else.
	SourceAnchor []string

	// Anchor is the target attribute that holds the anchor, "" if none does. It is written when an object is
	// joined, unless KeepAnchor is set.
	Anchor     string
	Form       AnchorForm
	KeepAnchor bool

	Keys []MatchKey

	// Adopt: when a link is made by the anchor and not by a key, count mapped attributes that already have the
	// right value as written by this engine, so that they are reverted when the object leaves. For a state that
	// was lost. Without it only attributes this engine is known to have written are ever reverted.
	Adopt bool
}

// A MatchKey joins objects whose attributes have a value in common, without regard to case unless Exact.
type MatchKey struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Exact  bool   `json:"exact,omitempty"`
}

func (k MatchKey) norm(v string) string {
	if k.Exact {
		return v
	}
	return strings.ToLower(v)
}

func (j Join) sourceAnchors() []string {
	if j.SourceAnchor == nil {
		return []string{"mS-DS-ConsistencyGuid"}
	}
	return j.SourceAnchor
}

// anchor returns the raw bytes of an object's source anchor. ok is false if it cannot be known because an
// attribute that comes first cannot be read.
func (j Join) anchor(o *Object) (anchor string, ok bool) {
	for _, a := range j.sourceAnchors() {
		if strings.EqualFold(a, "objectGUID") {
			break
		}
		switch at := o.Attr(a); at.Presence {
		case Present:
			return at.Values[0], true
		case Unreadable:
			return "", false
		}
	}
	return o.ID.Raw(), true
}

// A Placement says where the counterparts are and how new ones are made.
type Placement struct {
	Container ContainerRef // where counterparts are looked for, and new objects created
	Subtree   bool         // look for counterparts below the container too
	Filter    string       // RFC 4515, in addition to the class

	// RDN is the naming attribute of new objects, "cn" if empty. The mapping must set it where Policy.Create is
	// on. A change of its value renames the target object.
	RDN string
}

func (p Placement) rdn() string {
	if p.RDN == "" {
		return "cn"
	}
	return p.RDN
}

// A LeaveAction is what happens at the target when an object leaves scope.
type LeaveAction uint8

// The actions. The zero action is the service's rule for users (operations guide, 7.10 and 9.2).
const (
	LeaveRevert LeaveAction = iota // the attributes this engine wrote become null; the object stays
	LeaveStop                      // nothing is written; the link is forgotten (operations guide, 9.3, for devices)
	LeaveDelete                    // the object is deleted, if this engine created it; else its attributes revert
)

var leaveActions = [...]string{"revert", "stop", "delete"}

// String returns "revert", "stop" or "delete".
func (l LeaveAction) String() string {
	if int(l) >= len(leaveActions) {
		return fmt.Sprintf("LeaveAction(%d)", uint8(l))
	}
	return leaveActions[l]
}

// MarshalText writes the name.
func (l LeaveAction) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (l *LeaveAction) UnmarshalText(b []byte) error {
	return unmarshalName(l, b, leaveActions[:], "leave action")
}

// A Policy says what the engine may do. The zero Policy updates what it can join, creates nothing, and reverts
// what leaves.
type Policy struct {
	Create bool // create counterparts that are missing at the target
	Leave  LeaveAction

	// MissingCycles is how many applied cycles in a row an object must be found nowhere before it counts as
	// deleted; 0 means 2. An object that is found elsewhere leaves at once. Nowhere can also mean "where the
	// account cannot see", so one cycle alone proves little.
	MissingCycles int

	// LeaveToChildOU: an object that was moved into a child OU of its OU leaves. Without it the object is held and
	// reported: child OUs are not traversed, and such a move is often a mistake.
	LeaveToChildOU bool

	// ClearForeign: a rule that results in Clear may also clear a value this engine did not write. Without it
	// such a value is held and reported.
	ClearForeign bool
}

func (p Policy) missingCycles() int {
	if p.MissingCycles <= 0 {
		return 2
	}
	return p.MissingCycles
}

// Validate reports everything that is wrong with the organisation's definition, all together.
func (o Organisation) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validName(o.Name) {
		fail("organisation name %q: use letters, digits, '-', '_' and '.'", clip(o.Name))
	}
	if len(o.Tracks) == 0 {
		fail("organisation %s has no tracks", o.Name)
	}
	names := make(map[string]bool)
	for _, t := range o.Tracks {
		if !validName(t.Name) {
			fail("track name %q: use letters, digits, '-', '_' and '.'", clip(t.Name))
		}
		if names[t.Name] {
			fail("two tracks are named %s", t.Name)
		}
		names[t.Name] = true
		if t.Class != User && t.Class != Device {
			fail("track %s: the class must be user or device", t.Name)
		}
		if len(t.Scope.OUs) == 0 {
			fail("track %s names no OU to read", t.Name)
		}
		for _, ou := range t.Scope.OUs {
			if ou.ID.IsZero() {
				if d, err := ParseDN(ou.DN); err != nil {
					errs = append(errs, fmt.Errorf("track %s: %w", t.Name, err))
				} else if d.IsRoot() {
					fail("track %s: an OU has neither a DN nor an objectGUID", t.Name)
				}
			}
		}
		for _, c := range t.Scope.Conditions {
			if c.Test == nil || c.ID == "" {
				fail("track %s: a condition has no ID or no Test function", t.Name)
			}
		}
		if len(t.Mapping) == 0 {
			fail("track %s has an empty mapping", t.Name)
		}
		if err := t.Mapping.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("track %s: %w", t.Name, err))
		}
		if t.Policy.Create && !containsFold(t.Mapping.Targets(), t.Place.rdn()) {
			fail("track %s creates objects, but no rule sets their naming attribute %s", t.Name, t.Place.rdn())
		}
		if t.Join.Anchor == "" && len(t.Join.Keys) == 0 {
			fail("track %s has neither an anchor attribute nor a match key, so nothing could be joined", t.Name)
		}
		if t.Join.Anchor == "" && t.Policy.Create {
			fail("track %s creates objects but has no anchor attribute to find them again", t.Name)
		}
		if t.Join.Anchor != "" && containsFold(t.Mapping.Targets(), t.Join.Anchor) {
			fail("track %s: %s is the anchor and is written by the engine; a rule must not write it", t.Name, t.Join.Anchor)
		}
		for _, k := range t.Join.Keys {
			if k.Source == "" || k.Target == "" {
				fail("track %s: a match key needs a source and a target attribute", t.Name)
			}
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("ldapsync: %w", errors.Join(errs...))
	}
	return nil
}

func validName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}

// sourceAttrs are the attributes a track reads from its source.
func (t *Track) sourceAttrs() []string {
	set := make(map[string]string)
	for _, r := range t.Mapping {
		sourceAttrs(set, r.From)
	}
	for _, c := range t.Scope.Conditions {
		sourceAttrs(set, c.From)
	}
	for _, c := range t.Scope.Canaries {
		sourceAttrs(set, c.Attrs)
	}
	for _, k := range t.Join.Keys {
		sourceAttrs(set, []string{k.Source})
	}
	sourceAttrs(set, t.Join.sourceAnchors())
	delete(set, "objectguid") // the identity comes always
	return sortedNames(set)
}

// targetAttrs are the attributes a track reads from its target.
func (t *Track) targetAttrs() []string {
	set := make(map[string]string)
	sourceAttrs(set, t.Mapping.Targets())
	for _, k := range t.Join.Keys {
		sourceAttrs(set, []string{k.Target})
	}
	if t.Join.Anchor != "" {
		sourceAttrs(set, []string{t.Join.Anchor})
	}
	return sortedNames(set)
}
