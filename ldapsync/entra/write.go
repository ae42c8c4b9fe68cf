package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// ErrUnsupported is an operation that the target does not do.
var ErrUnsupported = errors.New("not done by this target")

// A MasteredError is a write to a property whose authority is the Active Directory that the object is, or was,
// synchronised from. It wraps ldapsync.ErrPermission: no permission of Graph's helps.
type MasteredError struct {
	Class    ldapsync.Class
	ID       ldapsync.GUID
	Property string
	Was      bool // synchronised once, and not any more
	Err      error
}

// Error says who is the authority and what to do.
func (e *MasteredError) Error() string {
	if e.Was {
		return fmt.Sprintf("entra: %s %s: %s: the object was synchronised from Active Directory once; after that only Exchange's tools can change it (Set-Mailbox or Set-User), not Graph", e.Class, e.ID, e.Property)
	}
	return fmt.Sprintf("entra: %s %s: %s: the object is synchronised from Active Directory, which is the authority: change it there, or map a directory extension instead", e.Class, e.ID, e.Property)
}

// Unwrap returns ErrPermission and what Graph said, if it was asked.
func (e *MasteredError) Unwrap() []error {
	if e.Err == nil {
		return []error{ldapsync.ErrPermission}
	}
	return []error{ldapsync.ErrPermission, e.Err}
}

// CheckTrack refuses a track that would write what cannot be written, before anything is read: an error for each
// such rule, joined, each a *ReadOnlyError with the reason and what writes it instead.
func (t *Target) CheckTrack(track ldapsync.Track) error {
	if _, err := t.info(track.Class); err != nil {
		return err
	}
	var errs []error
	refuse := func(rule, attr, why string) {
		errs = append(errs, &ReadOnlyError{Track: track.Name, Class: track.Class, Rule: rule, Property: attr, Why: why})
	}
	for _, r := range track.Mapping {
		if p, why := t.writable(track.Class, r.To); p == nil {
			refuse(r.Name(), r.To, why)
		}
	}
	if j := track.Join; j.Anchor != "" {
		if p, why := t.writable(track.Class, j.Anchor); p == nil && !j.KeepAnchor {
			refuse("anchor", j.Anchor, why+"; set Join.KeepAnchor to join by it without writing it")
		}
	}
	for _, k := range track.Join.Keys {
		if t.find(track.Class, k.Target) == nil {
			errs = append(errs, t.unknown(track.Class, k.Target))
		}
	}
	if track.Policy.Create {
		errs = append(errs, fmt.Errorf("entra: track %s: Policy.Create: %w", track.Name, creates(track.Class)))
	}
	if track.Policy.Leave == ldapsync.LeaveDelete && !t.cfg.Delete {
		errs = append(errs, fmt.Errorf("entra: track %s: the policy deletes what leaves: %w: set Config.Delete if it shall", track.Name, ErrUnsupported))
	}
	if track.Place.Container != (ldapsync.ContainerRef{}) {
		errs = append(errs, fmt.Errorf("entra: track %s: Entra ID has no organisational units; leave the placement's container empty", track.Name))
	}
	return errors.Join(errs...)
}

func creates(class ldapsync.Class) error {
	if class == ldapsync.Device {
		return fmt.Errorf("%w: a device is made by its own registration, for hybrid join after Entra Connect or Cloud Sync sent its certificate", ErrUnsupported)
	}
	return fmt.Errorf("%w: users are made by Entra Connect, Cloud Sync, or API-driven provisioning (package bulk)", ErrUnsupported)
}

// writable finds a property that can be written, or says why it cannot.
func (t *Target) writable(class ldapsync.Class, attr string) (*Property, string) {
	p := t.class[class].table.find(attr)
	if p == nil {
		if strings.EqualFold(attr, "cn") {
			return nil, "objects of Entra ID have no distinguished name; it stands for " + t.class[class].name.Name
		}
		var e *ReadOnlyError
		errors.As(t.unknown(class, attr), &e)
		return nil, e.Why
	}
	if p.ReadOnly != "" {
		return nil, p.ReadOnly
	}
	return p, ""
}

// patch is a change of one object, checked as far as that needs no request.
type patch struct {
	class ldapsync.Class
	id    ldapsync.GUID
	attrs []string
	props []*Property
	edits []ldapsync.Edit
	body  []byte
}

// newPatch checks the edits and makes the body: the members that change and no others, with null for what is
// cleared.
func (t *Target) newPatch(ch *ldapsync.Change) (*patch, error) {
	p := &patch{class: ch.Class, id: ch.ID, edits: ch.Edits}
	if len(ch.Edits) == 0 {
		return nil, errors.New("entra: an update without edits")
	}
	plain, nested := map[string]json.RawMessage{}, map[string]map[string]json.RawMessage{}
	for _, e := range ch.Edits {
		prop, why := t.writable(ch.Class, e.Attr)
		if prop == nil {
			return nil, &ReadOnlyError{Class: ch.Class, Property: e.Attr, Why: why}
		}
		raw, err := prop.encode(e.After)
		if err != nil {
			return nil, fmt.Errorf("entra: %s %s: %s: %w", ch.Class, ch.ID, e.Attr, err)
		}
		p.attrs, p.props = append(p.attrs, e.Attr), append(p.props, prop)
		if prop.In == "" {
			plain[prop.Name] = raw
			continue
		}
		if nested[prop.In] == nil {
			nested[prop.In] = map[string]json.RawMessage{}
		}
		nested[prop.In][prop.Name] = raw
	}
	for in, m := range nested {
		raw, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		plain[in] = raw
	}
	var err error
	p.body, err = json.Marshal(plain)
	return p, err
}

// Write carries out one change; see ldapsync.Target. Creating and renaming are refused with ErrUnsupported, and so is
// deleting unless Config.Delete is set.
func (t *Target) Write(ctx context.Context, ch ldapsync.Change) (ldapsync.GUID, error) {
	c, err := t.info(ch.Class)
	if err != nil {
		return ldapsync.GUID{}, err
	}
	if err := ctx.Err(); err != nil {
		return ldapsync.GUID{}, err
	}
	switch ch.Op {
	case ldapsync.OpUpdate, ldapsync.OpDelete:
	case ldapsync.OpCreate:
		return ldapsync.GUID{}, fmt.Errorf("entra: create %s: %w", ch.DN, creates(ch.Class))
	case ldapsync.OpRename:
		return ldapsync.GUID{}, fmt.Errorf("entra: rename: %w: objects of Entra ID have no name of that kind; map displayName", ErrUnsupported)
	default:
		return ldapsync.GUID{}, fmt.Errorf("entra: a change with the operation %s", ch.Op)
	}
	if ch.ID.IsZero() {
		return ldapsync.GUID{}, errors.New("entra: a change without an identity")
	}
	if ch.Class == ldapsync.Device {
		t.knowDevice(ch.ID)
	}
	path := c.path + "/" + ch.ID.String()
	unlock, err := t.lock(ctx, ch.ID)
	if err != nil {
		return ldapsync.GUID{}, err
	}
	defer unlock()
	if ch.Op == ldapsync.OpDelete {
		return t.delete(ctx, &ch, path)
	}
	p, err := t.newPatch(&ch)
	if err != nil {
		return ldapsync.GUID{}, err
	}
	req := Request{Method: http.MethodPatch, Path: path, Body: p.body}
	err = t.carefully(ctx, p, func() error {
		_, err := t.queue.Do(ctx, req)
		return t.mastered(p, err)
	})
	if err != nil {
		return ldapsync.GUID{}, err
	}
	return ch.ID, nil
}

// errAlready is an object that is as it shall be.
var errAlready = errors.New("already so")

// carefully reads, compares, sends; and where the outcome is not clear reads again before it sends again.
func (t *Target) carefully(ctx context.Context, p *patch, send func() error) error {
	var last error
	for try := 1; ; try++ {
		err := t.compare(ctx, p)
		switch {
		case errors.Is(err, errAlready):
			t.wrote(p)
			return nil
		case err != nil && last != nil:
			return errors.Join(err, last)
		case err != nil:
			return err
		}
		err = send()
		if err == nil {
			t.wrote(p)
			return nil
		}
		wait, again := t.cfg.Retry.Again(try, err)
		if !unclearErr(err) || !again || ctx.Err() != nil {
			return err
		}
		last = err
		if !sleep(ctx, wait) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// compare reads the object and says whether it is as the plan saw it.
func (t *Target) compare(ctx context.Context, p *patch) error {
	o, m, err := t.fetch(ctx, p.class, p.id, p.attrs)
	if err != nil {
		return err
	}
	before, after := true, true
	for _, e := range p.edits {
		have := o.All(e.Attr)
		after = after && ldapsync.SameValues(have, e.After)
		if !ldapsync.SameValues(have, e.Before) && before {
			before = false
			err = fmt.Errorf("entra: %s %s: %s: %w", p.class, p.id, e.Attr, ldapsync.ErrPrecondition)
		}
	}
	switch {
	case after:
		return errAlready
	case !before:
		return err
	}
	return checkMastered(p, m)
}

// checkMastered refuses what the authority of Active Directory forbids, from the object's own properties.
func checkMastered(p *patch, m map[string]json.RawMessage) error {
	synced := string(m["onPremisesSyncEnabled"]) == "true"
	once := synced || jsonText(m["onPremisesLastSyncDateTime"]) != ""
	for i, prop := range p.props {
		switch {
		case synced && (prop.Mastered || prop.NeverSynced):
			return &MasteredError{Class: p.class, ID: p.id, Property: p.attrs[i]}
		case once && prop.NeverSynced:
			return &MasteredError{Class: p.class, ID: p.id, Property: p.attrs[i], Was: true}
		}
	}
	return nil
}

// mastered recognises Graph's own refusal, for objects that became synchronised after they were read.
func (t *Target) mastered(p *patch, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest && strings.Contains(e.Message, "on-premises mastered") {
		return &MasteredError{Class: p.class, ID: p.id, Property: strings.Join(p.attrs, ", "), Err: err}
	}
	return err
}

func (t *Target) delete(ctx context.Context, ch *ldapsync.Change, path string) (ldapsync.GUID, error) {
	if !t.cfg.Delete {
		return ldapsync.GUID{}, fmt.Errorf("entra: delete %s: %w: set Config.Delete if it shall", ch.DN, ErrUnsupported)
	}
	p := &patch{class: ch.Class, id: ch.ID}
	for _, e := range ch.Edits {
		p.attrs = append(p.attrs, e.Attr)
	}
	var last error
	for try := 1; ; try++ {
		o, _, err := t.fetch(ctx, p.class, p.id, p.attrs)
		switch {
		case errors.Is(err, ldapsync.ErrNotFound):
			return ch.ID, nil
		case err != nil:
			return ldapsync.GUID{}, errors.Join(err, last)
		}
		if i := slices.IndexFunc(ch.Edits, func(e ldapsync.Edit) bool { return !ldapsync.SameValues(o.All(e.Attr), e.Before) }); i >= 0 {
			return ldapsync.GUID{}, fmt.Errorf("entra: delete %s %s: %s: %w", ch.Class, ch.ID, ch.Edits[i].Attr, ldapsync.ErrPrecondition)
		}
		_, err = t.queue.Do(ctx, Request{Method: http.MethodDelete, Path: path})
		wait, again := t.cfg.Retry.Again(try, err)
		switch {
		case err == nil, errors.Is(err, ldapsync.ErrNotFound):
			return ch.ID, nil
		case !unclearErr(err), !again, ctx.Err() != nil:
			return ldapsync.GUID{}, err
		}
		last = err
		if !sleep(ctx, wait) {
			return ldapsync.GUID{}, errors.Join(err, ctx.Err())
		}
	}
}

// A lock keeps two writes to one object apart.
type lock struct {
	turn  chan struct{}
	users int
}

func (t *Target) lock(ctx context.Context, id ldapsync.GUID) (func(), error) {
	t.mu.Lock()
	l := t.locks[id]
	if l == nil {
		l = &lock{turn: make(chan struct{}, 1)}
		t.locks[id] = l
	}
	l.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		if l.users--; l.users == 0 {
			delete(t.locks, id)
		}
		t.mu.Unlock()
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// recent is what was written to an object a moment ago, for reads that lag behind.
type recent struct {
	at    time.Time
	after map[string][]string // by property name
}

func (t *Target) settle() time.Duration {
	if t.cfg.Settle == 0 {
		return 15 * time.Second
	}
	return t.cfg.Settle
}

// wrote remembers a write, and forgets old ones.
func (t *Target) wrote(p *patch) {
	if t.settle() <= 0 {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.written)%1024 == 1023 {
		for id, r := range t.written {
			if now.Sub(r.at) > t.settle() {
				delete(t.written, id)
			}
		}
	}
	r, ok := t.written[p.id]
	if !ok || now.Sub(r.at) > t.settle() {
		r = recent{after: make(map[string][]string, len(p.edits))}
	}
	r.at = now
	for i, e := range p.edits {
		r.after[p.props[i].Name] = e.After
	}
	t.written[p.id] = r
}
