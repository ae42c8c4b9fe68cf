package ldapsync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The keys of a State, below "org/<organisation>/":
//
//	run                        runRecord: generation, unfinished plan, figures of the last good run
//	ou/<track>/<ref>           ouRecord: the OU a configured name stands for
//	link/<track>/<source GUID> linkRecord: which target object, and what of it is ours
//	journal/<number>           journalHead: an applied plan; numbers grow and have 12 digits
//	journal/<number>/<line>    journalLine: an item of it, with what the state held before
//	unsettled/<number>/<line>  unsettledRecord: a line whose write may still arrive
type keys struct{ org string }

func (k keys) run() string { return "org/" + k.org + "/run" }
func (k keys) ou(track, ref string) string {
	return "org/" + k.org + "/ou/" + track + "/" + shortKey(ref)
}
func (k keys) links(track string) string { return "org/" + k.org + "/link/" + track + "/" }
func (k keys) link(track string, g GUID) string {
	return k.links(track) + g.String()
}
func (k keys) journals() string        { return "org/" + k.org + "/journal/" }
func (k keys) journal(n uint64) string { return fmt.Sprintf("%s%012d", k.journals(), n) }
func (k keys) line(n uint64, i int) string {
	return fmt.Sprintf("%s%012d/%08d", k.journals(), n, i)
}
func (k keys) unsettled() string { return "org/" + k.org + "/unsettled/" }
func (k keys) unsettledLine(n uint64, i int) string {
	return fmt.Sprintf("%s%012d/%08d", k.unsettled(), n, i)
}

// shortKey keeps a key short and independent of the spelling of a DN.
func shortKey(ref string) string {
	h := sha256.Sum256([]byte(strings.ToLower(ref)))
	return hex.EncodeToString(h[:16])
}

// A runRecord is what the state knows of an organisation as a whole.
type runRecord struct {
	Generation uint64         `json:"generation"`        // grows with every applied plan
	Pending    string         `json:"pending,omitempty"` // the ID of a plan whose application has begun and not ended
	Journal    uint64         `json:"journal"`           // the number of the last journal
	LastPlan   string         `json:"lastPlan,omitempty"`
	LastRun    time.Time      `json:"lastRun,omitzero"`
	Read       map[string]int `json:"read,omitempty"` // objects seen by the last good run, by track
	Source     DirectoryInfo  `json:"source,omitzero"`
}

type ouRecord struct {
	Ref string `json:"ref"`
	ID  GUID   `json:"id"`
	DN  string `json:"dn"`
}

// A linkRecord is one joined object. The state holds it in the form of linkcodec.go, journals as JSON.
type linkRecord struct {
	Source   GUID      `json:"source"`
	SourceDN string    `json:"sourceDN"`
	Target   GUID      `json:"target"`
	TargetDN string    `json:"targetDN,omitempty"`
	Anchor   []byte    `json:"anchor"`
	Created  bool      `json:"created,omitempty"` // the engine created the target object
	Missing  int       `json:"missing,omitempty"` // cycles in a row it was found nowhere
	Owned    ownedList `json:"owned,omitempty"`
}

// An ownedAttr is an attribute the engine wrote.
type ownedAttr struct {
	Attr    string    `json:"attr"`
	Rule    string    `json:"rule"`
	Pre     ValueList `json:"pre,omitempty"` // before the engine's first write
	Written digest    `json:"written"`       // fingerprint of what it wrote last
}

// fingerprint identifies a set of values without keeping them.
func fingerprint(values []string) digest {
	if len(values) > 1 {
		values = slices.Sorted(slices.Values(values))
	}
	var room [256]byte
	b := room[:0]
	for _, v := range values {
		b = strconv.AppendInt(b, int64(len(v)), 10)
		b = append(b, ':')
		b = append(b, v...)
	}
	h := sha256.Sum256(b)
	return digest(h[:16])
}

// A journalHead describes an applied plan.
type journalHead struct {
	Plan     string    `json:"plan"`
	Undo     string    `json:"undo,omitempty"` // the plan this one took back
	UndoneBy string    `json:"undoneBy,omitempty"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Lines    int       `json:"lines"`
	Accepted []string  `json:"accepted,omitempty"`
}

// A journalLine is one acting item of an applied plan.
type journalLine struct {
	Item   Item        `json:"item"`
	Link   *linkRecord `json:"link,omitempty"` // as it was before
	Status Status      `json:"status"`
	Target GUID        `json:"target,omitzero"` // of the object created
	Error  string      `json:"error,omitempty"`
}

func loadJSON(ctx context.Context, s State, key string, v any) (found bool, raw []byte, err error) {
	raw, err = s.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, nil, fmt.Errorf("ldapsync: the state's record %s cannot be read: %w", key, err)
	}
	return true, raw, nil
}

func putJSON(key string, v any) (StateOp, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return StateOp{}, fmt.Errorf("ldapsync: state record %s: %w", key, err)
	}
	return StateOp{Key: key, Value: b}, nil
}

// eachLink calls f for the links of a track, in the order of the text of their objectGUIDs. Link and raw are valid
// during the call.
func eachLink(ctx context.Context, s State, k keys, track string, f func(l *linkRecord, raw []byte) error) error {
	var l linkRecord
	for r, err := range s.Scan(ctx, k.links(track)) {
		if err != nil {
			return fmt.Errorf("ldapsync: read state: %w", err)
		}
		if err := l.decode(r.Value); err != nil {
			return fmt.Errorf("ldapsync: the state's record %s cannot be read: %w", r.Key, err)
		}
		if err := f(&l, r.Value); err != nil {
			return err
		}
	}
	return nil
}

// loadLink reads one link, and its form in the state; nil if there is none.
func loadLink(ctx context.Context, s State, key string) (l *linkRecord, raw []byte, err error) {
	raw, err = s.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if l, err = decodeLink(raw); err != nil {
		return nil, nil, fmt.Errorf("ldapsync: the state's record %s cannot be read: %w", key, err)
	}
	return l, raw, nil
}

// putLink stores a link; nil deletes it.
func putLink(key string, l *linkRecord) StateOp {
	if l == nil {
		return StateOp{Key: key, Delete: true}
	}
	return StateOp{Key: key, Value: appendLink(nil, l)}
}

// An opWriter commits operations in groups.
type opWriter struct {
	s   State
	ops []StateOp
}

func (w *opWriter) add(ctx context.Context, ops ...StateOp) error {
	if w.ops = append(w.ops, ops...); len(w.ops) < 500 {
		return nil
	}
	return w.flush(ctx)
}

func (w *opWriter) flush(ctx context.Context) error {
	if len(w.ops) == 0 {
		return nil
	}
	err := w.s.Commit(ctx, w.ops)
	w.ops = w.ops[:0]
	return err
}
