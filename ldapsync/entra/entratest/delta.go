package entratest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A deltaToken is what a $deltatoken or $skiptoken of a delta holds.
type deltaToken struct {
	Set    string   `json:"s"`
	Epoch  int      `json:"e"`
	Issued int64    `json:"i"` // Unix seconds
	Since  uint64   `json:"n"` // changes up to this one are known
	Until  uint64   `json:"u"` // last change of this round, in a $skiptoken
	After  uint64   `json:"a"` // cursor within the round: order in a first round, change number later
	Select []string `json:"f"`
	IDs    []string `json:"d"`
	Empty  bool     `json:"o,omitempty"` // an empty page comes first
}

// delta answers /users/delta and /devices/delta (page "Use delta query to track changes"). In the first round a property
// without a value is absent; later one that was cleared is null, and what did not change is there as it is, or absent with
// Prefer: return=minimal. Changes that a lag still hides come with the next round.
func (s *Server) delta(c *call, t *resource) *answer {
	tok, a := s.deltaToken(c, t)
	if a != nil {
		return a
	}
	minimal := strings.Contains(c.Header.Get("Prefer"), "return=minimal")
	changes := s.changes(t, &tok)
	page := []any{}
	size := s.config.PageSize
	if tok.Empty {
		size = 0
	}
	if m, ok := preferredPage(c.Header.Get("Prefer")); ok {
		size = min(size, m)
	}
	more := false
	for _, ch := range changes {
		if ch.position <= tok.After {
			continue
		}
		if len(page) == size {
			more = true
			break
		}
		tok.After = ch.position
		if o := s.deltaItem(t, ch, tok, minimal, c.Version); o != nil {
			page = append(page, map[string]any(o))
		}
	}
	if s.config.DeltaRepeats && len(page) > 0 {
		page = append(page, clone(page[s.random.IntN(len(page))]))
		s.random.Shuffle(len(page), func(i, j int) { page[i], page[j] = page[j], page[i] })
	}
	body := map[string]any{"@odata.context": c.context(t.set), "value": page}
	tok.Issued = s.clock().Unix()
	link := c.base + "/" + c.Version + "/" + t.set + "/delta?"
	if more {
		tok.Empty = s.config.EmptyPages && !tok.Empty
		body["@odata.nextLink"] = link + "$skiptoken=" + encodeToken(tok)
	} else {
		tok.Since, tok.Until, tok.After, tok.Empty = tok.Until, 0, 0, false
		body["@odata.deltaLink"] = link + "$deltatoken=" + encodeToken(tok)
	}
	return &answer{status: http.StatusOK, body: body}
}

// preferredPage reads odata.maxpagesize.
func preferredPage(prefer string) (n int, ok bool) {
	for part := range strings.SplitSeq(prefer, ",") {
		if v, found := strings.CutPrefix(strings.TrimSpace(part), "odata.maxpagesize="); found {
			for _, d := range v {
				if d < '0' || d > '9' || n > MaxTop {
					return 0, false
				}
				n = n*10 + int(d-'0')
			}
			return n, n > 0
		}
	}
	return 0, false
}

// deltaToken starts a round or goes on with one.
func (s *Server) deltaToken(c *call, t *resource) (deltaToken, *answer) {
	tok := deltaToken{Set: t.set, Epoch: s.epoch}
	skip, again := c.Query.Get("$skiptoken"), c.Query.Get("$deltatoken")
	if again == "latest" {
		tok.Since = s.horizon(t)
		tok.Until = tok.Since
		tok.After = s.dir.seq // nothing of this round is to be given
		return s.deltaOptions(c, t, tok)
	}
	if skip == "" && again == "" {
		if c.Query.Has("$deltatoken") || c.Query.Has("$skiptoken") {
			return tok, fail(400, codeRequest, "Badly formed token.")
		}
		tok.Until = s.horizon(t)
		return s.deltaOptions(c, t, tok)
	}
	given := skip
	if again != "" {
		given = again
	}
	tok = deltaToken{}
	if !decodeToken(given, &tok) || tok.Set != t.set || tok.Since > s.dir.seq || tok.Until > s.dir.seq {
		return tok, fail(400, codeRequest, "Badly formed token.")
	}
	if tok.Epoch != s.epoch || s.clock().Sub(time.Unix(tok.Issued, 0)) > s.config.DeltaLifetime {
		return tok, fail(http.StatusGone, codeSyncState, "The delta token is no longer valid, and the application must reset the sync state.").
			with("Location", c.base+"/"+c.Version+"/"+t.set+"/delta?$deltatoken=")
	}
	if again != "" {
		tok.Until, tok.After = s.horizon(t), 0
	}
	return tok, nil
}

// deltaOptions reads what only the first request of a delta may say.
func (s *Server) deltaOptions(c *call, t *resource, tok deltaToken) (deltaToken, *answer) {
	for _, name := range []string{"$top", "$orderby", "$search", "$count", "$skip"} {
		if c.Query.Has(name) {
			return tok, fail(400, codeUnsupportedQuery, "The query parameter '%s' is not supported with delta.", name)
		}
	}
	if c.Query.Has("$expand") {
		return tok, fail(400, codeUnsupportedQuery, "The query parameter '$expand' is not supported with delta.")
	}
	var a *answer
	if tok.Select, a = s.selection(c.Query.Get("$select"), t, c.Version); a != nil {
		return tok, a
	}
	if v, ok := c.Query["$filter"]; ok {
		if tok.IDs, a = s.parseIDs(v[0], t, c.Version); a == nil && len(tok.IDs) > 50 {
			a = fail(400, codeUnsupportedQuery, "A delta filter takes 50 object ids at most.")
		}
	}
	return tok, a
}

// horizon is the last change that every reader of lists sees.
func (s *Server) horizon(t *resource) uint64 {
	h := s.dir.seq
	for _, e := range s.dir.entities[t] {
		if len(e.past) == 0 {
			continue
		}
		if v := s.dir.view(e, byIndex, true); v.hidden > 0 {
			h = min(h, v.hidden-1)
		}
	}
	return h
}

// A change is an object that a delta round has to show.
type change struct {
	e        *entity
	position uint64
	seen     view
	first    bool // the client does not know the object
}

// changes returns the objects of a round in the order of its cursor.
func (s *Server) changes(t *resource, tok *deltaToken) []change {
	var out []change
	for _, e := range s.dir.entities[t] {
		if len(tok.IDs) > 0 && !slices.ContainsFunc(tok.IDs, func(id string) bool { return strings.EqualFold(id, e.id) }) {
			continue
		}
		if e.changed <= tok.Since {
			continue
		}
		seen := s.dir.view(e, byIndex, false)
		ch := change{e: e, seen: seen, first: tok.Since == 0 || e.created > tok.Since, position: e.changed}
		if tok.Since == 0 {
			ch.position = e.order
		}
		if !seen.exists && (tok.Since == 0 || seen.deleted == "") {
			continue // never shown, or not visible yet
		}
		out = append(out, ch)
	}
	slices.SortFunc(out, func(a, b change) int { return cmp.Compare(a.position, b.position) })
	return out
}

// deltaItem is an object as a delta shows it; nil if none of the selected properties changed.
func (s *Server) deltaItem(t *resource, ch change, tok deltaToken, minimal bool, version string) Object {
	if !ch.seen.exists {
		reason := ch.seen.deleted
		return Object{"id": ch.e.id, "@removed": map[string]any{"reason": reason}}
	}
	all := project(t, ch.seen.data, tok.Select, version)
	out, any := Object{"id": ch.e.id}, ch.first
	names := sortedKeys(all)
	for _, name := range tok.Select {
		if _, ok := all[name]; !ok {
			names = append(names, name) // a directory extension that lost its value
		}
	}
	for _, name := range names {
		if name == "id" {
			continue
		}
		set := ch.seen.data[name] != nil
		if !ch.first && ch.seen.props[name] > tok.Since {
			out[name], any = all[name], true
			continue
		}
		if set && (ch.first || !minimal) {
			out[name] = all[name]
		}
	}
	if !any {
		return nil
	}
	return out
}
