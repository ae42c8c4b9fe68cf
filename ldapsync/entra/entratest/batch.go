package entratest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// MaxBatch is the number of requests a $batch may have.
const MaxBatch = 20

// An item is one request of a $batch.
type item struct {
	id        string
	call      *call
	dependsOn []string
}

// batch carries out the items of a $batch (page "Combine multiple HTTP requests using JSON batching"). Every item counts
// against the budgets and can fail on its own; the answer of the batch itself is 200.
func (s *Server) batch(c *call) *answer {
	if c.Batch > 0 {
		return fail(400, codeBadRequest, "A $batch cannot contain a $batch.")
	}
	if c.Method != http.MethodPost {
		return notAllowed(c)
	}
	body, a := c.object()
	if a != nil {
		return a
	}
	items, a := s.items(c, body)
	if a != nil {
		return a
	}
	responses, status := make([]any, 0, len(items)), map[string]int{}
	for i, it := range items {
		it.call.Batch, it.call.BatchID, it.call.Time = i+1, it.id, s.clock()
		got := s.item(it, status)
		if got.drop {
			return got
		}
		status[strings.ToLower(it.id)] = got.status
		responses = append(responses, respond(it.id, got))
	}
	if s.config.ShuffleBatch {
		s.mu.Lock()
		s.random.Shuffle(len(responses), func(i, j int) { responses[i], responses[j] = responses[j], responses[i] })
		s.mu.Unlock()
	}
	return &answer{status: http.StatusOK, body: map[string]any{"responses": responses}}
}

// item carries out one item, or fails it because one that it depends on did.
func (s *Server) item(it item, status map[string]int) *answer {
	for _, d := range it.dependsOn {
		if status[strings.ToLower(d)] >= 400 {
			it.call.Status = http.StatusFailedDependency
			s.mu.Lock()
			s.requests = append(s.requests, it.call.Request)
			s.mu.Unlock()
			return fail(http.StatusFailedDependency, "FailedDependency", "The request failed because a request it depends on failed.")
		}
	}
	return s.serve(it.call)
}

// respond is an answer in the form of a $batch: JSON as it is, everything else as base64 text.
func respond(id string, a *answer) map[string]any {
	out := map[string]any{"id": id, "status": a.status}
	raw, contentType := a.encode()
	header := map[string]any{"Cache-Control": "no-cache"}
	for name := range a.header {
		header[name] = a.header.Get(name)
	}
	if contentType != "" {
		header["Content-Type"] = contentType
	}
	out["headers"] = header
	switch {
	case len(raw) == 0:
	case strings.HasPrefix(contentType, "application/json") && json.Valid(raw):
		out["body"] = json.RawMessage(raw)
	default:
		out["body"] = base64.StdEncoding.EncodeToString(raw)
	}
	return out
}

// items decodes the requests of a $batch. What is wrong with one of them fails the whole batch, as it does at Graph.
func (s *Server) items(c *call, body Object) ([]item, *answer) {
	list, ok := body["requests"].([]any)
	if !ok {
		return nil, fail(400, codeBadRequest, "Invalid batch payload format.")
	}
	if len(list) > MaxBatch {
		return nil, fail(400, codeBadRequest, "Number of batch request steps exceeds the maximum value of %d.", MaxBatch)
	}
	var items []item
	seen := map[string]bool{}
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fail(400, codeBadRequest, "Invalid batch payload format.")
		}
		it, a := decodeItem(c, m)
		if a != nil {
			return nil, a
		}
		if seen[strings.ToLower(it.id)] {
			return nil, fail(400, codeBadRequest, "Request Id %s has to be unique in a batch.", it.id)
		}
		for _, d := range it.dependsOn {
			if !seen[strings.ToLower(d)] {
				return nil, fail(400, codeBadRequest, "Request %s depends on request %s, which is not before it in the batch.", it.id, d)
			}
		}
		seen[strings.ToLower(it.id)] = true
		items = append(items, it)
	}
	return items, checkSerial(items)
}

// checkSerial refuses what Microsoft does not support: no item depends on another, or each on the one before it, or all
// that depend, on the same one.
func checkSerial(items []item) *answer {
	serial, same, common := true, true, ""
	for i, it := range items {
		if i > 0 && (len(it.dependsOn) != 1 || !strings.EqualFold(it.dependsOn[0], items[i-1].id)) {
			serial = false
		}
		for _, d := range it.dependsOn {
			if common == "" {
				common = d
			}
			same = same && strings.EqualFold(d, common)
		}
	}
	if serial || same {
		return nil
	}
	return fail(400, codeBadRequest, "Dependencies of a batch have to be fully parallel, fully sequential, or all on the same request.")
}

func decodeItem(c *call, m map[string]any) (item, *answer) {
	o := Object(m)
	it := item{id: o.text("id")}
	if it.id == "" || o.text("url") == "" || o.text("method") == "" {
		return it, fail(400, codeBadRequest, "Invalid batch payload format: id, method and url are required.")
	}
	h := http.Header{}
	if v, set := m["headers"]; set && v != nil {
		headers, ok := v.(map[string]any)
		if !ok {
			return it, fail(400, codeBadRequest, "Invalid batch payload format: headers of request %s.", it.id)
		}
		for name, v := range headers {
			text, ok := v.(string)
			if !ok {
				return it, fail(400, codeBadRequest, "Invalid batch payload format: header %s of request %s is no string.", name, it.id)
			}
			h.Set(name, text)
		}
	}
	it.call = &call{ctx: c.ctx, base: c.base, Request: &Request{Method: strings.ToUpper(o.text("method")), Header: h}}
	path, query, _ := strings.Cut(o.text("url"), "?")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	it.call.setURL("/"+c.Version+path, query)
	if body := m["body"]; body != nil {
		if h.Get("Content-Type") == "" {
			return it, fail(400, codeBadRequest, "The Content-Type header is missing in request %s, which has a body.", it.id)
		}
		if text, ok := body.(string); ok {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return it, fail(400, codeBadRequest, "The body of request %s is no base64.", it.id)
			}
			it.call.Body = raw
		} else if b, err := json.Marshal(body); err == nil {
			it.call.Body = b
		}
	}
	if v, set := m["dependsOn"]; set && v != nil {
		list, ok := v.([]any)
		for _, d := range list {
			id, isText := d.(string)
			ok = ok && isText
			it.dependsOn = append(it.dependsOn, id)
		}
		if !ok {
			return it, fail(400, codeBadRequest, "Invalid batch payload format: dependsOn of request %s.", it.id)
		}
	}
	return it, nil
}

// escapedPath is Path as a link has it.
func (c *call) escapedPath() string {
	var b strings.Builder
	for _, s := range c.segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// escapeQuery escapes a value of a query, leaving what Graph's links leave readable.
func escapeQuery(v string) string {
	return strings.NewReplacer("%27", "'", "%2C", ",", "%24", "$", "%2F", "/", "%3A", ":").Replace(url.QueryEscape(v))
}
