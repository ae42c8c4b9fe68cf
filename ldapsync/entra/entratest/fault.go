package entratest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"path"
	"time"
)

// Where is the kind of request a fault applies to.
type Where uint8

const (
	Anywhere  Where = iota // HTTP requests and items of a $batch
	OuterOnly              // HTTP requests only, the call of a $batch among them
	ItemsOnly              // items of a $batch only
)

// A Page is the body of an error answer, in one of the shapes that have been seen in front of and behind Graph.
type Page uint8

const (
	GraphError    Page = iota // the documented error object
	EmptyObject               // {}
	CodeOnly                  // {"error":{"code":"…"}}, without a message
	OAuthError                // {"error":"invalid"}, the shape of a token service
	NullMessage               // {"error":{"code":"…","message":null}}
	HTMLPage                  // text/html, as gateways send
	EmptyBody                 // nothing
	TruncatedGzip             // Content-Encoding: gzip, ending in the middle
	TruncatedJSON             // JSON that ends in the middle
	ErrorArray                // [], JSON that is no object
)

// A Fault is one thing that goes wrong. Faults are tried in the order they were scripted; the first that matches and is
// not used up makes the answer.
type Fault struct {
	Name string // put into Request.Fault; "" is "fault"

	// Which requests: all conditions hold. The zero values match everything.
	Method string              // such as PATCH
	Path   string              // a path.Match pattern of Request.Path, such as /users/*
	Where  Where               // HTTP requests, items, or both
	Match  func(*Request) bool // called with the server locked: it must not call the server

	Skip        int     // matching requests that pass before the first hit
	Times       int     // hits until it is used up: 0 is one, less than 0 never
	Probability float64 // of a hit, from the server's seed; 0 is always

	Delay  time.Duration // waits before anything else, on the real or the synctest clock
	Effect bool          // the request is carried out and its answer replaced: the client cannot know that it was
	Drop   bool          // the connection ends without an answer; in a $batch, the whole one. ServeHTTP panics with http.ErrAbortHandler

	Status      int         // of the answer; 0 with no Drop leaves the answer alone (a Fault that only delays)
	Page        Page        // its body
	Body        []byte      // its body literally, instead of Page
	ContentType string      // of Body
	RetryAfter  string      // header Retry-After: Graph sends whole numbers and fractions such as 0.249
	Header      http.Header // more headers
}

// TooManyRequests is a 429 with a Retry-After, once.
func TooManyRequests(retryAfter string) Fault {
	return Fault{Name: "429", Status: http.StatusTooManyRequests, RetryAfter: retryAfter}
}

// ServiceUnavailable is a 503 with a Retry-After ("" for none), once.
func ServiceUnavailable(retryAfter string) Fault {
	return Fault{Name: "503", Status: http.StatusServiceUnavailable, RetryAfter: retryAfter}
}

// BadGateway is a 502 with a page of HTML, once.
func BadGateway() Fault { return Fault{Name: "502", Status: http.StatusBadGateway, Page: HTMLPage} }

// Script adds faults behind those that are there.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Name == "" {
			f.Name = "fault"
		}
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, &fault{Fault: f})
	}
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// A fault is a scripted Fault with its counters.
type fault struct {
	Fault
	seen, hits int
}

// fault returns the fault that hits a call, nil if none does. The lock is held.
func (s *Server) fault(c *call) *fault {
	for _, f := range s.faults {
		if f.Times > 0 && f.hits >= f.Times || !f.matches(c.Request) {
			continue
		}
		if f.seen++; f.seen <= f.Skip {
			continue
		}
		if f.Probability > 0 && s.random.Float64() >= f.Probability {
			continue
		}
		f.hits++
		return f
	}
	return nil
}

func (f *Fault) matches(r *Request) bool {
	switch {
	case f.Method != "" && f.Method != r.Method,
		f.Where == OuterOnly && r.Batch > 0,
		f.Where == ItemsOnly && r.Batch == 0:
		return false
	}
	if f.Path != "" {
		if ok, err := path.Match(f.Path, r.Path); !ok || err != nil {
			return false
		}
	}
	return f.Match == nil || f.Match(r)
}

// replaces reports whether the fault makes an answer of its own.
func (f *Fault) replaces() bool { return f.Drop || f.Status != 0 }

func (f *Fault) answer() *answer {
	if f.Drop {
		return &answer{drop: true}
	}
	a := &answer{status: f.Status, header: http.Header{}}
	for name, values := range f.Header {
		a.header[http.CanonicalHeaderKey(name)] = values
	}
	if f.RetryAfter != "" {
		a.header.Set("Retry-After", f.RetryAfter)
	}
	if f.Body != nil {
		a.raw, a.contentType = f.Body, f.ContentType
		return a
	}
	code := faultCode(f.Status)
	switch f.Page {
	case EmptyObject:
		a.body = map[string]any{}
	case CodeOnly:
		a.body = map[string]any{"error": map[string]any{"code": code}}
	case OAuthError:
		a.body = map[string]any{"error": "invalid"}
	case NullMessage:
		a.body = map[string]any{"error": map[string]any{"code": code, "message": nil}}
	case HTMLPage:
		a.raw, a.contentType = []byte("<!DOCTYPE html>\n<html><head><title>"+http.StatusText(f.Status)+"</title></head><body><h2>Our services aren't available right now</h2></body></html>\n"), "text/html"
	case EmptyBody:
		a.raw = []byte{}
	case TruncatedGzip:
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(`{"error":{"code":"` + code + `","message":"The answer ends in the middle of its compression."}}`)) // to memory
		_ = z.Close()
		a.raw, a.contentType = b.Bytes()[:b.Len()/2], "application/json"
		a.header.Set("Content-Encoding", "gzip")
	case TruncatedJSON:
		a.raw, a.contentType = []byte(`{"error":{"code":"`+code), "application/json"
	case ErrorArray:
		a.raw, a.contentType = []byte(`[]`), "application/json"
	default:
		a.body = map[string]any{"error": map[string]any{"code": code, "message": faultMessage(f.Status)}}
	}
	return a
}

func faultCode(status int) string {
	switch status {
	case 401:
		return codeToken
	case 403:
		return codeDenied
	case 404:
		return codeNotFound
	case 410:
		return codeSyncState
	case 429:
		return codeTooMany
	case 500:
		return "generalException"
	case 503:
		return "serviceNotAvailable"
	case 504:
		return "UnknownError"
	}
	return codeRequest
}

func faultMessage(status int) string {
	if status == http.StatusTooManyRequests {
		return "Please retry again later."
	}
	if t := http.StatusText(status); t != "" {
		return t
	}
	return "An error has occurred."
}
