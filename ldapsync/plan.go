package ldapsync

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// PlanVersion is the version of the plan format this package writes and reads.
const PlanVersion = 1

// An Action is what a plan does with one object.
type Action uint8

// The actions. The first group writes to the target, the second only to the state, the third reports.
const (
	ActionCreate Action = iota + 1 // a new object at the target
	ActionUpdate                   // attributes of a joined object
	ActionRename                   // the name of a joined object
	ActionRevert                   // the object left scope: what the engine wrote becomes null
	ActionDelete                   // the object left scope: its counterpart is deleted

	ActionJoin // a counterpart was found and is already right: remember it
	ActionStop // the object left scope: forget it, write nothing

	ActionHold     // something forbids a conclusion or a change: nothing happens until that is resolved
	ActionWait     // there is no counterpart at the target yet, and the track does not create any
	ActionConflict // it is not clear which objects belong together
)

var actionNames = [...]string{
	ActionCreate: "create", ActionUpdate: "update", ActionRename: "rename", ActionRevert: "revert", ActionDelete: "delete",
	ActionJoin: "join", ActionStop: "stop", ActionHold: "hold", ActionWait: "wait", ActionConflict: "conflict",
}

// String returns the name.
func (a Action) String() string {
	if a == 0 || int(a) >= len(actionNames) {
		return fmt.Sprintf("Action(%d)", uint8(a))
	}
	return actionNames[a]
}

// MarshalText writes the name; the zero Action is an error.
func (a Action) MarshalText() ([]byte, error) {
	if a == 0 || int(a) >= len(actionNames) {
		return nil, fmt.Errorf("ldapsync: no such action: %d", uint8(a))
	}
	return []byte(actionNames[a]), nil
}

// UnmarshalText reads what MarshalText writes.
func (a *Action) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return errors.New("ldapsync: an action is missing")
	}
	return unmarshalName(a, b, actionNames[:], "action")
}

// Writes reports whether the action writes to the target.
func (a Action) Writes() bool { return a >= ActionCreate && a <= ActionDelete }

// Acts reports whether the action changes the target or the state.
func (a Action) Acts() bool { return a >= ActionCreate && a <= ActionStop }

// A PlannedEdit is one attribute of an Item and why it changes.
type PlannedEdit struct {
	Attr   string    `json:"attr"`
	Rule   string    `json:"rule"`             // the rule that asked for it; "anchor" and "revert" are the engine's own
	Inputs []Input   `json:"inputs,omitempty"` // what the rule read
	Before ValueList `json:"before"`           // at the target, when the plan was made
	After  ValueList `json:"after"`            // empty: null
	Reason string    `json:"reason"`
}

// An Input is a source attribute a rule read.
type Input struct {
	Attr   string    `json:"attr"`
	Values ValueList `json:"values"`
}

// A Note is an attribute, or the object as a whole where Attr is empty, that the plan deliberately leaves as it
// is, and why.
type Note struct {
	Attr   string `json:"attr,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason"`
}

// An Item is a line of a plan: what happens with one object, and why.
type Item struct {
	Track    string        `json:"track"`
	Action   Action        `json:"action"`
	Class    Class         `json:"class"`
	Source   GUID          `json:"source"`
	SourceDN DN            `json:"sourceDN"`
	Target   GUID          `json:"target,omitzero"`
	TargetDN DN            `json:"targetDN,omitzero"`
	Anchor   []byte        `json:"anchor,omitempty"` // the source anchor, raw
	Reason   string        `json:"reason"`
	OldName  string        `json:"oldName,omitempty"` // ActionRename
	NewName  string        `json:"newName,omitempty"`
	Edits    []PlannedEdit `json:"edits,omitempty"`
	Notes    []Note        `json:"notes,omitempty"`
	Adopt    []PlannedEdit `json:"adopt,omitempty"`   // attributes that are right already and count as written (Join.Adopt)
	Missing  int           `json:"missing,omitempty"` // how many cycles in a row the object was found nowhere, this one included

	// Restore is, in a plan made by Undo, the state's record of the object as it was; null means there was none.
	Restore json.RawMessage `json:"restore,omitempty"`
}

// TrackCounts are the sizes of one track in a plan.
type TrackCounts struct {
	Track     string `json:"track"`
	Read      int    `json:"read"`      // objects the source showed in the OUs
	Unchanged int    `json:"unchanged"` // joined, and nothing to do
	Linked    int    `json:"linked"`    // objects joined before this plan
	Target    int    `json:"target"`    // objects read at the target
}

// An OUAnchor is an OU as a plan found it. Applying the plan remembers it, and later plans follow the OU by its
// objectGUID.
type OUAnchor struct {
	Track string `json:"track"`
	Ref   string `json:"ref"` // the DN as configured, or the objectGUID
	ID    GUID   `json:"id"`
	DN    DN     `json:"dn"`
}

// A Trip is a guard that forbids applying a plan.
type Trip struct {
	Guard  string `json:"guard"`  // for example "reverts:users"
	Saw    string `json:"saw"`    // what it saw, in words and figures
	Accept string `json:"accept"` // the text that accepts it, for this plan only
}

// A Plan is everything that would change, decided before anything does. It is data: print it, review it, keep
// it, apply it later. The same source, target, state and time give the same plan byte for byte.
type Plan struct {
	Version      int           `json:"version"`
	ID           string        `json:"id"` // SHA-256 over the content
	Organisation string        `json:"organisation"`
	Created      time.Time     `json:"created"`
	Generation   uint64        `json:"generation"` // of the state it was made from
	Source       DirectoryInfo `json:"source"`
	Target       DirectoryInfo `json:"target"`
	Counts       []TrackCounts `json:"counts"`
	Anchors      []OUAnchor    `json:"anchors,omitempty"`
	Trips        []Trip        `json:"trips,omitempty"`
	Notices      []string      `json:"notices,omitempty"` // child OUs, renamed OUs and the like
	Undo         string        `json:"undo,omitempty"`    // the ID of the plan this one takes back
	Items        []Item        `json:"-"`                 // written as lines of their own
}

// Empty reports whether applying the plan would write nothing to the target.
func (p *Plan) Empty() bool {
	for i := range p.Items {
		if p.Items[i].Action.Writes() {
			return false
		}
	}
	return true
}

// Count returns how many items have the action.
func (p *Plan) Count(a Action) int {
	n := 0
	for i := range p.Items {
		if p.Items[i].Action == a {
			n++
		}
	}
	return n
}

// hash computes the ID: SHA-256 over organisation, generation, undo, anchors, and items. The time, the server's
// state and the texts of the guards are left out, so that the same work has the same ID.
func (p *Plan) hash() (string, error) {
	h := sha256.New()
	enc := json.NewEncoder(h)
	head := struct {
		V    int
		Org  string
		Gen  uint64
		Undo string
		OUs  []OUAnchor
		N    []TrackCounts
	}{p.Version, p.Organisation, p.Generation, p.Undo, p.Anchors, p.Counts}
	if err := enc.Encode(head); err != nil {
		return "", err
	}
	for i := range p.Items {
		if err := enc.Encode(&p.Items[i]); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// seal computes the ID and the acceptance texts that depend on it.
func (p *Plan) seal() error {
	id, err := p.hash()
	if err != nil {
		return fmt.Errorf("ldapsync: plan: %w", err)
	}
	p.ID = id
	for i := range p.Trips {
		p.Trips[i].Accept = p.Trips[i].Guard + "@" + p.Short()
	}
	return nil
}

// Short returns the first twelve characters of the ID, enough to name the plan.
func (p *Plan) Short() string { return p.ID[:min(len(p.ID), 12)] }

// change is the write an item stands for.
func (it *Item) change() Change {
	c := Change{ID: it.Target, Class: it.Class, DN: it.TargetDN}
	switch it.Action {
	case ActionCreate:
		c.Op = OpCreate
	case ActionRename:
		c.Op, c.OldName, c.NewName = OpRename, it.OldName, it.NewName
		return c
	case ActionDelete:
		c.Op = OpDelete
	default:
		c.Op = OpUpdate
	}
	for _, e := range it.Edits {
		c.Edits = append(c.Edits, Edit{Attr: e.Attr, Before: e.Before, After: e.After})
	}
	return c
}
