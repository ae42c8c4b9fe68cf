package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"go.internal/hybridkit/ldapsync"
)

// Find returns the users or devices whose property has a value: by onPremisesImmutableId, userPrincipalName, mail,
// employeeId, deviceId, an extension attribute, a directory extension or any other property that is known, in the
// form of attribute values. Properties that need it are asked for as advanced queries, whose answers may lag behind
// writes by seconds to minutes: do not use Find to verify a write. Text is compared without regard to case, as Graph
// does, but for a directory extension.
func (t *Target) Find(ctx context.Context, class ldapsync.Class, attr, value string, attrs []string) ([]ldapsync.Object, error) {
	s, err := t.choose(class, attrs)
	if err != nil {
		return nil, err
	}
	p := t.find(class, attr)
	if p == nil {
		return nil, t.unknown(class, attr)
	}
	filter, err := p.equals(value)
	if err != nil {
		return nil, fmt.Errorf("entra: find by %s: %w", attr, err)
	}
	path, header := s.info.path+"?"+s.query+"&"+Query("$filter", filter)[1:], http.Header(nil)
	if p.Advanced {
		path, header = path+"&$count=true", eventual()
	}
	var out []ldapsync.Object
	for raw, err := range t.client.Pages(ctx, path, header) {
		if err != nil {
			return nil, err
		}
		o, _, err := s.decode(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// equals is the filter for a value.
func (p *Property) equals(value string) (string, error) {
	name := p.Name
	if p.In != "" {
		name = p.In + "/" + p.Name
	}
	one := *p
	one.Multi, one.Max = false, 0
	raw, err := one.encode([]string{value})
	if err != nil {
		return "", err
	}
	literal := string(raw)
	switch p.Kind {
	case Binary:
		return "", errors.New("binary values cannot be filtered by")
	case Text:
		literal = Quote(value)
	case Instant:
		literal = strings.Trim(literal, `"`)
	}
	if p.Multi {
		return name + "/any(x:x eq " + literal + ")", nil
	}
	return name + " eq " + literal, nil
}

// CheckPlan looks up, before anything is written, which items of a plan Active Directory's authority forbids: it reads
// every user that the plan would change in a way that depends on it, twenty in a request, and returns a
// *MasteredError for each, by the item's place in Plan.Items. Writing would refuse them one by one. The first error of
// reading ends it and is returned.
func (t *Target) CheckPlan(ctx context.Context, plan *ldapsync.Plan) (map[int]error, error) {
	type check struct {
		at int
		p  *patch
	}
	var checks []check
	for i := range plan.Items {
		it := &plan.Items[i]
		if it.Action != ldapsync.ActionUpdate && it.Action != ldapsync.ActionRevert || it.Class != ldapsync.User {
			continue
		}
		p := &patch{class: it.Class, id: it.Target}
		for _, e := range it.Edits {
			if prop := t.find(it.Class, e.Attr); prop != nil && (prop.Mastered || prop.NeverSynced) {
				p.attrs, p.props = append(p.attrs, e.Attr), append(p.props, prop)
			}
		}
		if len(p.props) > 0 {
			checks = append(checks, check{i, p})
		}
	}
	out := make(map[int]error)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan check)
	for range min(4*maxBatch, len(checks)) {
		wg.Go(func() {
			for c := range work {
				_, m, err := t.fetch(ctx, c.p.class, c.p.id, nil)
				gone := errors.Is(err, ldapsync.ErrNotFound)
				if err == nil {
					err = checkMastered(c.p, m)
				}
				var mastered *MasteredError
				mu.Lock()
				switch {
				case gone, errors.As(err, &mastered):
					out[c.at] = err
				case err != nil && failed == nil:
					failed = err
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for _, c := range checks {
		if ctx.Err() != nil {
			break
		}
		work <- c
	}
	close(work)
	wg.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return out, failed
}
