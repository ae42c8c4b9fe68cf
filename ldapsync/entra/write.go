package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"go.internal/hybridkit/ldapsync"
)

// ErrUnsupported is an operation that the target does not do.
var ErrUnsupported = errors.New("not done by this target")

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
