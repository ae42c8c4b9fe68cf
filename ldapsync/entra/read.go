package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapfilter"
)

// eventual is the header of an advanced query.
func eventual() http.Header { return http.Header{"ConsistencyLevel": {"eventual"}} }

// Quote writes a text as an OData literal: 'O”Neill'. Of the result only the URL's own escaping is missing; see
// Query.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Query makes the query part of a path, with its question mark: Query("$filter", "mail eq "+Quote(mail)). Pairs with
// an empty value are left out.
func Query(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if b.Len() == 0 {
			b.WriteByte('?')
		} else {
			b.WriteByte('&')
		}
		// A blank must not become +, which is an escape of forms, not of URLs.
		b.WriteString(pairs[i] + "=" + strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
	}
	return b.String()
}

// Segment escapes an identifier for use as a segment of a path, such as a user principal name with # in it.
func Segment(s string) string { return url.PathEscape(s) }

// maxPages bounds a listing; at 999 objects a page it is more than any directory holds.
const maxPages = 1 << 20

// Pages reads a listing page by page and yields every member of "value" as raw JSON, in which null and absent are
// different. It follows @odata.nextLink on the same host only, sends the header with every page, and ends with an
// error where a link comes a second time. Each page is repeated while Graph is busy. The first error ends the
// sequence.
func (c *Client) Pages(ctx context.Context, path string, header http.Header) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for p, err := range c.pages(ctx, path, header) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range p.Value {
				if !yield(raw, nil) {
					return
				}
			}
		}
	}
}

type page struct {
	Value []json.RawMessage `json:"value"`
	Next  string            `json:"@odata.nextLink"`
	Delta string            `json:"@odata.deltaLink"`
}

func (c *Client) pages(ctx context.Context, path string, header http.Header) iter.Seq2[*page, error] {
	return func(yield func(*page, error) bool) {
		seen := make(map[string]bool)
		for n := 0; ; n++ {
			if seen[path] || n == maxPages {
				yield(nil, fmt.Errorf("entra: GET %s: page %d leads back to an earlier one: %w", cutQuery(path), n, ldapsync.ErrPartial))
				return
			}
			seen[path] = true
			res, err := c.Get(ctx, path, header)
			if err != nil {
				yield(nil, err)
				return
			}
			var p page
			if err := json.Unmarshal(res.Body, &p); err != nil || p.Value == nil {
				if err == nil {
					err = errors.New("it has no value")
				}
				yield(nil, fmt.Errorf("entra: GET %s: page %d is not a listing: %w", cutQuery(path), n+1, errors.Join(err, ldapsync.ErrPartial)))
				return
			}
			if !yield(&p, nil) || p.Next == "" {
				return
			}
			if path = p.Next; strings.HasPrefix(path, "/") { // would be taken for a path of ours
				yield(nil, fmt.Errorf("entra: GET %s: %w", cutQuery(path), ErrForeignHost))
				return
			}
		}
	}
}

// Read streams users or devices; see ldapsync.Source. The query's filter is evaluated here, on the attributes it
// names; to let Graph filter, set Config.UserFilter or DeviceFilter.
func (t *Target) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		if err := t.read(ctx, q, func(o ldapsync.Object) bool { return yield(o, nil) }); err != nil {
			yield(ldapsync.Object{}, err)
		}
	}
}

func (t *Target) read(ctx context.Context, q ldapsync.Query, yield func(ldapsync.Object) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !q.Container.ID.IsZero() || !q.Container.DN.IsRoot() {
		return fmt.Errorf("entra: container %s: Entra ID has no organisational units: %w", q.Container.DN, ldapsync.ErrNotFound)
	}
	if q.Class == 0 {
		for _, class := range []ldapsync.Class{ldapsync.User, ldapsync.Device} {
			q.Class = class
			more := true
			if err := t.read(ctx, q, func(o ldapsync.Object) bool { more = yield(o); return more }); err != nil || !more {
				return err
			}
		}
		return nil
	}
	f, err := matches(q.Filter)
	if err != nil {
		return err
	}
	extra := f.Attrs()
	s, err := t.choose(q.Class, append(q.Attrs[:len(q.Attrs):len(q.Attrs)], extra...))
	if err != nil {
		return err
	}
	path, header := s.info.path+"?$top="+strconv.Itoa(t.pageSize())+"&"+s.query, http.Header(nil)
	if s.info.filter != "" {
		path += "&" + Query("$filter", s.info.filter, "$count", "true")[1:]
		header = eventual()
	}
	seen := make(map[ldapsync.GUID]struct{})
	for raw, err := range t.client.Pages(ctx, path, header) {
		if err != nil {
			return err
		}
		o, _, err := s.decode(raw)
		if err != nil {
			return err
		}
		if _, again := seen[o.ID]; again {
			continue // moved to a later page while the listing went on
		}
		seen[o.ID] = struct{}{}
		if !f.IsZero() && f.Match(o) != ldapfilter.True {
			continue
		}
		if len(extra) > 0 {
			o = o.Select(q.Attrs...)
		}
		if !yield(o) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) pageSize() int {
	if t.cfg.PageSize > 0 {
		return t.cfg.PageSize
	}
	return 999
}

// fetch reads one object, with what checkMastered needs, and waits for a write of a moment ago to show.
func (t *Target) fetch(ctx context.Context, class ldapsync.Class, id ldapsync.GUID, attrs []string) (ldapsync.Object, map[string]json.RawMessage, error) {
	s, err := t.choose(class, attrs, "onPremisesSyncEnabled", "onPremisesLastSyncDateTime")
	if err != nil {
		return ldapsync.Object{}, nil, err
	}
	req := Request{Method: http.MethodGet, Path: s.info.path + "/" + id.String() + "?" + s.query}
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		res, err := t.queue.Do(ctx, req)
		if err != nil {
			return ldapsync.Object{}, nil, err
		}
		o, m, err := s.decode(res.Body)
		if err != nil {
			return ldapsync.Object{}, nil, err
		}
		if o.ID != id {
			return ldapsync.Object{}, nil, fmt.Errorf("entra: GET %s: the answer is about %s", cutQuery(req.Path), o.ID)
		}
		left, stale := t.stale(s, &o)
		if !stale {
			return o, m, nil
		}
		if !sleep(ctx, min(wait, left)) {
			return ldapsync.Object{}, nil, ctx.Err()
		}
	}
}

// stale reports whether an object does not show what was written to it a moment ago, and how long that may still be
// taken for a lag.
func (t *Target) stale(s *selection, o *ldapsync.Object) (left time.Duration, stale bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.written[o.ID]
	if !ok {
		return 0, false
	}
	if left = t.settle() - time.Since(r.at); left <= 0 {
		delete(t.written, o.ID)
		return 0, false
	}
	for _, w := range s.attrs {
		if after, ok := r.after[w.prop.Name]; ok && !ldapsync.SameValues(o.All(w.name), after) {
			return left, true
		}
	}
	return 0, false
}
