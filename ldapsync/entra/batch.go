package entra

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// maxBatch is how many requests a $batch may hold (Microsoft, "Combine multiple HTTP requests using JSON batching").
const maxBatch = 20

// A Result is what became of one request of a batch: a Response, or an error, which is an *Error.
type Result struct {
	Response Response
	Err      error
}

// Batch sends 1 to 20 requests as one $batch, once, and returns a Result for each, in their order. Graph carries
// them out in any order. Paths must be relative. Bodies must be JSON, since a batch carries nothing else. The bodies
// of the responses may share the memory of the whole answer: who keeps one keeps all.
//
// The error is nil if Graph answered the batch, whatever it said of the items. An error of the call as a whole is
// returned and stands in every Result too. An item that the answer leaves out has an error that wraps
// ldapsync.ErrUnclear, unless it only reads.
func (c *Client) Batch(ctx context.Context, reqs []Request) ([]Result, error) {
	results := make([]Result, len(reqs))
	body, err := encodeBatch(reqs)
	if err != nil {
		return fail(results, err), err
	}
	outer := Request{Method: http.MethodPost, Path: "/$batch", Body: body}
	res, err := c.Do(ctx, outer)
	if err != nil {
		return failBatch(results, reqs, err), err
	}
	if err := decodeBatch(res, reqs, results); err != nil {
		e := &Error{Method: outer.Method, Path: outer.Path, RequestID: res.Header.Get("request-id"), ClientRequestID: res.client, Header: res.Header, Err: err, kind: unclear}
		return failBatch(results, reqs, e), e
	}
	return results, nil
}

func fail(results []Result, err error) []Result {
	for i := range results {
		results[i] = Result{Err: err}
	}
	return results
}

// failBatch gives every item the failure of the call. What only reads may always be repeated.
func failBatch(results []Result, reqs []Request, err error) []Result {
	var e *Error
	if !errors.As(err, &e) {
		return fail(results, err)
	}
	for i := range results {
		item := *e
		if item.kind == unclear && reqs[i].reads() {
			item.kind = retryable
		}
		results[i] = Result{Err: &item}
	}
	return results
}

// encodeBatch writes the body of a $batch. It is written by hand, so that bodies go in as they are, nulls included.
func encodeBatch(reqs []Request) ([]byte, error) {
	if len(reqs) == 0 || len(reqs) > maxBatch {
		return nil, fmt.Errorf("entra: a batch has 1 to %d requests, not %d", maxBatch, len(reqs))
	}
	size := 32
	for i := range reqs {
		size += len(reqs[i].Body) + len(reqs[i].Path) + 96
	}
	b := append(make([]byte, 0, size), `{"requests":[`...)
	for i := range reqs {
		r := &reqs[i]
		if !strings.HasPrefix(r.Path, "/") || r.Beta {
			return nil, fmt.Errorf("entra: the path %s of request %d of a batch is not relative to the version of the batch", cutQuery(r.Path), i+1)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":"`...)
		b = strconv.AppendInt(b, int64(i+1), 10)
		b = append(b, `","method":"`...)
		b = append(b, method(r.Method).String()...)
		b = append(b, `","url":`...)
		b = appendJSON(b, r.Path)
		if r.Body != nil || len(r.Header) > 0 {
			b = append(b, `,"headers":{`...)
			comma := false
			for _, k := range sortedKeys(r.Header) {
				if comma {
					b = append(b, ',')
				}
				b = appendJSON(append(appendJSON(b, k), ':'), strings.Join(r.Header[k], ","))
				comma = true
			}
			if r.Body != nil && r.Header.Get("Content-Type") == "" {
				if comma {
					b = append(b, ',')
				}
				b = append(b, `"Content-Type":"application/json"`...)
			}
			b = append(b, '}')
		}
		if r.Body != nil {
			if r.ContentType != "" && !strings.HasPrefix(r.ContentType, "application/json") || !json.Valid(r.Body) {
				return nil, fmt.Errorf("entra: the body of request %d of a batch, %s %s, is not JSON", i+1, r.Method, cutQuery(r.Path))
			}
			b = append(append(b, `,"body":`...), r.Body...)
		}
		b = append(b, '}')
	}
	return append(b, `]}`...), nil
}

func sortedKeys(h http.Header) []string {
	if len(h) == 0 {
		return nil
	}
	out := make([]string, 0, len(h))
	for k := range h {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// appendJSON appends s as a JSON string.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			q, _ := json.Marshal(s) // a string always encodes
			return append(b, q...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

type batchItem struct {
	ID      json.RawMessage `json:"id"`
	Status  int             `json:"status"`
	Headers json.RawMessage `json:"headers"`
	Body    json.RawMessage `json:"body"`
}

// decodeBatch sorts the answers to their requests.
func decodeBatch(res Response, reqs []Request, results []Result) error {
	items, err := batchItems(res.Body)
	if err != nil {
		return err
	}
	seen := make([]bool, len(reqs))
	for i := range items {
		it := &items[i]
		n, err := strconv.Atoi(strings.Trim(string(it.ID), `"`))
		if err != nil || n < 1 || n > len(reqs) {
			return fmt.Errorf("the answer of the batch names a request %s that was not sent", printable(it.ID))
		}
		if seen[n-1] {
			return fmt.Errorf("the answer of the batch names request %d twice", n)
		}
		seen[n-1] = true
		results[n-1] = it.result(&reqs[n-1], &res)
	}
	for i, ok := range seen {
		if ok {
			continue
		}
		e := &Error{Method: reqs[i].Method, Path: cutQuery(reqs[i].Path), RequestID: res.Header.Get("request-id"), ClientRequestID: res.client,
			Err: errors.New("the answer of the batch leaves this request out"), kind: unclear}
		if reqs[i].reads() {
			e.kind = retryable
		}
		results[i].Err = e
	}
	return nil
}

// batchItems finds the items of the answer of a batch. They share the memory of the answer, or none of it.
func batchItems(answer []byte) ([]batchItem, error) {
	if json.Valid(answer) {
		if items, ok := usualItems(answer); ok {
			return items, nil
		}
	}
	var a struct {
		Responses json.RawMessage `json:"responses"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("the answer of the batch is not JSON: %w", err)
	}
	if len(a.Responses) == 0 || string(a.Responses) == "null" {
		return nil, errors.New("the answer of the batch has no responses")
	}
	d := json.NewDecoder(bytes.NewReader(a.Responses))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("the responses of the batch are no array: %s", printable(a.Responses))
	}
	var items []batchItem
	for d.More() {
		var it batchItem
		if err := d.Decode(&it); err != nil {
			return nil, fmt.Errorf("item %d of the answer of the batch: %w", len(items)+1, err)
		}
		if items = append(items, it); len(items) > maxBatch {
			return nil, fmt.Errorf("the answer of the batch has more than %d items", maxBatch)
		}
	}
	return items, nil
}

// usualItems takes an answer apart that has no more than Graph documents, from JSON that is known to be valid. It
// gives up at anything else.
func usualItems(answer []byte) ([]batchItem, bool) {
	j := validJSON(answer)
	if name, ok := j.name('{'); !ok || string(name) != "responses" || !j.next('[') {
		return nil, false
	}
	items := make([]batchItem, 0, maxBatch)
	for more := true; more && len(items) < maxBatch; more = j.next(',') {
		var it batchItem
		for open := byte('{'); ; open = ',' {
			name, ok := j.name(open)
			if !ok {
				return nil, false
			}
			v := j.value()
			switch string(name) {
			case "id":
				it.ID = v
			case "status":
				n, err := strconv.Atoi(string(v))
				if err != nil {
					return nil, false
				}
				it.Status = n
			case "headers":
				it.Headers = v
			case "body":
				it.Body = v
			default:
				return nil, false
			}
			if j.next('}') {
				break
			}
		}
		items = append(items, it)
	}
	return items, j.next(']') && j.next('}') && len(j) == 0
}

func (it *batchItem) result(r *Request, outer *Response) Result {
	res := Response{Status: it.Status, Header: headers(it.Headers)}
	res.Body = it.body(res.Header)
	if it.Status >= 200 && it.Status < 300 {
		return Result{Response: res}
	}
	e := &Error{Method: r.Method, Path: cutQuery(r.Path), ClientRequestID: outer.client}
	var missing error
	if it.Status == 0 {
		missing = errors.New("the answer has no status")
	}
	e.answer(r, res, missing)
	if e.RequestID == "" { // Graph's support finds the item by the call's
		e.RequestID = outer.Header.Get("request-id")
	}
	return Result{Err: e}
}

// headers reads the headers of an item: a text each, as a rule, which is taken apart here because it is what most of an
// answer consists of. null, numbers and others have been seen and go through the decoder.
func headers(raw json.RawMessage) http.Header {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	h := make(http.Header, bytes.Count(raw, []byte(`":`)))
	if flat(raw, h) {
		return h
	}
	clear(h)
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	for k, v := range m {
		switch v := v.(type) {
		case string:
			h.Set(k, v)
		case float64:
			h.Set(k, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	return h
}

// flat reads an object whose members are all texts without escapes, from JSON that is known to be valid. It gives up
// at anything else.
func flat(b []byte, h http.Header) bool {
	j := validJSON(b)
	for open := byte('{'); ; open = ',' {
		k, ok := j.name(open)
		if !ok {
			return false
		}
		v, ok := j.text()
		if !ok {
			return false
		}
		if h.Set(string(k), string(v)); j.next('}') {
			return true
		}
	}
}

// validJSON is what is left of a text that is known to be JSON. Given another, its methods give up or take too much.
type validJSON []byte

// next takes the character c, if that is what comes, and the space around it.
func (j *validJSON) next(c byte) bool {
	j.space()
	if b := *j; len(b) == 0 || b[0] != c {
		return false
	}
	*j = (*j)[1:]
	j.space()
	return true
}

func (j *validJSON) space() {
	for b := *j; len(b) > 0 && isSpace(b[0]); b = *j {
		*j = b[1:]
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// text takes a string without escapes.
func (j *validJSON) text() ([]byte, bool) {
	b := *j
	if len(b) < 2 || b[0] != '"' {
		return nil, false
	}
	end := 1 + bytes.IndexByte(b[1:], '"')
	if end < 1 || !isPlain(b[1:end]) {
		return nil, false
	}
	*j = b[end+1:]
	return b[1:end], true
}

// name takes open and the name of a member, to its colon.
func (j *validJSON) name(open byte) ([]byte, bool) {
	if !j.next(open) {
		return nil, false
	}
	s, ok := j.text()
	return s, ok && j.next(':')
}

// value takes any value.
func (j *validJSON) value() json.RawMessage {
	b, depth, quoted := *j, 0, false
	n := 0
	for ; n < len(b); n++ {
		c := b[n]
		switch {
		case quoted && c == '\\':
			n++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth > 0:
			if c == '}' || c == ']' {
				depth--
			}
		case c == ',' || c == '}' || c == ']' || isSpace(c):
			*j = b[n:]
			return json.RawMessage(b[:n:n])
		}
	}
	*j = nil
	return json.RawMessage(b)
}

// body is the raw body: JSON as it is, anything else decoded from the base64 text that a batch carries it in.
func (it *batchItem) body(h http.Header) []byte {
	b := bytes.TrimSpace(it.Body)
	if len(b) == 0 || string(b) == "null" {
		return nil
	}
	if ct := h.Get("Content-Type"); b[0] != '"' || ct == "" || strings.Contains(ct, "json") {
		return b
	}
	if raw, err := base64.StdEncoding.DecodeString(jsonText(b)); err == nil {
		return raw
	}
	return []byte(jsonText(b))
}

// unclearErr reports whether the outcome of a write is not known.
func unclearErr(err error) bool { return errors.Is(err, ldapsync.ErrUnclear) }
