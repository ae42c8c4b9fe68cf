package entratest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// MaxBody is the number of bytes, after decompression, that the server takes in one request.
const MaxBody = 4 << 20

// A Config says how one tenant behaves. The zero Config is a directory without limits, delays and faults.
type Config struct {
	// Now is the clock; nil is time.Now, which is virtual inside a testing/synctest bubble.
	Now func() time.Time
	// Seed decides ids and everything random. The same seed and the same requests give the same answers.
	Seed uint64
	// Token is the only bearer token that is accepted; "" accepts any that is not empty.
	Token string
	// BaseURL is what links begin with, such as https://graph.microsoft.com; "" takes scheme and host of the request.
	BaseURL string
	// PageSize is the number of objects in a page where the request has no $top; 0 is 100.
	PageSize int
	// EmptyPages puts an empty page with a nextLink before every page but the first, as Microsoft says may come.
	EmptyPages bool
	// DeltaLifetime is how long a delta or skip token is good for; 0 is 7 days. Later it is 410 syncStateNotFound.
	DeltaLifetime time.Duration
	// DeltaRepeats makes a delta come in an order of its own and some of its items come again on a later page, both of which
	// Microsoft says may happen.
	DeltaRepeats bool
	// ReadLag delays what a read by id sees, IndexLag what lists, filters and deltas see.
	ReadLag, IndexLag Lag
	// Budgets are the limits beyond which requests are 429; nil is no limit.
	Budgets []Budget
	// ShuffleBatch gives the answers of a $batch in random order, as Microsoft reserves to do.
	ShuffleBatch bool
	// SimpleImmutableID lets onPremisesImmutableId be filtered without ConsistencyLevel: eventual and $count=true.
	// Microsoft's table says that it needs both; whether the service insists is not known.
	SimpleImmutableID bool
	// Delegated makes requests come from an administrator instead of an application, which lifts what application
	// permissions cannot do to devices.
	Delegated bool
}

// A Server is Microsoft Graph of one tenant. It may be used concurrently, and is made by [New].
type Server struct {
	config Config

	mu       sync.Mutex
	dir      *directory
	random   *rand.Rand
	requests []*Request
	faults   []*fault
	budgets  []*budget
	epoch    int // of delta tokens
	tenant
}

// New returns a server with an empty directory.
func New(c Config) *Server {
	if c.PageSize <= 0 {
		c.PageSize = 100
	}
	if c.DeltaLifetime <= 0 {
		c.DeltaLifetime = 7 * 24 * time.Hour
	}
	s := &Server{config: c, random: rand.New(rand.NewPCG(c.Seed, 0x656e747261))}
	s.dir = newDirectory(c, s.clock)
	s.organization = Object{"id": s.dir.newID(), "displayName": "Ashdown Vale"}
	for _, b := range c.Budgets {
		s.budgets = append(s.budgets, &budget{Budget: b})
	}
	return s
}

func (s *Server) clock() time.Time {
	if s.config.Now != nil {
		return s.config.Now()
	}
	return time.Now()
}

// A call is one request on its way through the server.
type call struct {
	*Request
	segments []string // of Path
	base     string   // what links begin with
	plain    bool     // the body is announced as compressed but is not
	tooLarge bool
	bearer   string
	ctx      context.Context
}

// ServeHTTP answers as https://graph.microsoft.com would, for the paths the package comment lists.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(r)
	a := s.serve(c)
	if a.drop {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	writeAnswer(w, r, a)
}

func writeAnswer(w http.ResponseWriter, r *http.Request, a *answer) {
	body, contentType := a.encode()
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	} else if len(body) == 0 {
		w.Header()["Content-Type"] = nil // net/http would guess one
	}
	if len(body) == 0 && a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", "0")
	}
	if a.raw == nil && len(body) > 1400 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(a.status)
		z := gzip.NewWriter(w)
		_, _ = z.Write(body) // a client that went away needs no answer
		_ = z.Close()
		return
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}

// newCall decodes a request as far as it can be without looking at the directory.
func (s *Server) newCall(r *http.Request) *call {
	c := &call{ctx: r.Context(), Request: &Request{Time: s.clock(), Method: r.Method, Header: r.Header.Clone()}}
	c.setURL(r.URL.EscapedPath(), r.URL.RawQuery)
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		if strings.EqualFold(scheme, "Bearer") {
			c.bearer = token
		}
		c.Header.Set("Authorization", scheme) // a token is not for a record that tests print
	}
	c.base = s.config.BaseURL
	if c.base == "" {
		c.base = "http://"
		if r.TLS != nil || r.URL.Scheme == "https" {
			c.base = "https://"
		}
		c.base += r.Host
	}
	if r.Body == nil {
		return c
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	switch {
	case err != nil:
		c.plain = true
	case len(raw) > MaxBody:
		c.tooLarge = true
	case strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip"):
		raw, err = gunzip(raw)
		c.tooLarge = errors.Is(err, errTooLarge)
		c.plain = err != nil && !c.tooLarge
	}
	c.Body = raw
	return c
}

var errTooLarge = errors.New("entratest: body too large")

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, MaxBody+1))
	if err == nil && len(out) > MaxBody {
		err = errTooLarge
	}
	return out, err
}

// setURL takes a path, escaped or not, and a raw query.
func (c *call) setURL(path, rawQuery string) {
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if u, err := url.PathUnescape(segment); err == nil {
			segment = u
		}
		c.segments = append(c.segments, segment)
	}
	c.Version, c.segments = c.segments[0], c.segments[1:]
	c.Path = "/" + strings.Join(c.segments, "/")
	c.Query = parseQuery(rawQuery)
}

// parseQuery decodes a query. Unlike net/url it takes a semicolon and a stray percent sign for themselves, as a filter
// in a $batch is often not escaped.
func parseQuery(raw string) url.Values {
	q := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if u, err := url.QueryUnescape(name); err == nil {
			name = u
		}
		if u, err := url.QueryUnescape(value); err == nil {
			value = u
		}
		q[name] = append(q[name], value)
	}
	return q
}

// serve records a call, plays faults and budgets, and lets the directory answer. It is used for HTTP requests and for
// the items of a $batch.
func (s *Server) serve(c *call) *answer {
	s.mu.Lock()
	s.requests = append(s.requests, c.Request)
	f := s.fault(c)
	s.mu.Unlock()
	if f != nil && f.Delay > 0 && !wait(c.ctx, f.Delay) && !f.Effect {
		return &answer{drop: true} // the client went away before the request was looked at
	}

	s.mu.Lock()
	requestID := s.dir.newID()
	var a *answer
	switch {
	case f != nil && f.replaces() && !f.Effect:
		a = f.answer()
	default:
		if a = s.admit(c); a == nil {
			s.mu.Unlock()
			a = s.dispatch(c) // takes the lock itself, as a $batch serves its items one by one
			s.mu.Lock()
			s.charge(c, a)
		}
		if f != nil && f.replaces() {
			a = f.answer()
		}
	}
	if f != nil {
		c.Fault = f.Name
	}
	if !a.drop {
		a.finish(s.clock(), requestID, c.Header.Get("Client-Request-Id"))
		c.Status = a.status
	}
	s.mu.Unlock()
	return a
}

// wait sleeps, and reports whether it could to the end.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// admit refuses what never reaches the directory: no token, a broad limit, a body that cannot be read.
func (s *Server) admit(c *call) *answer {
	if c.Batch == 0 {
		if c.bearer == "" {
			return fail(401, codeToken, "Access token is empty.").with("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`)
		}
		if s.config.Token != "" && c.bearer != s.config.Token {
			return fail(401, codeToken, "Access token validation failure.").with("WWW-Authenticate", `Bearer realm="", error="invalid_token"`)
		}
	}
	if c.Version != "v1.0" && c.Version != "beta" {
		return fail(400, codeBadRequest, "Invalid version: %s", c.Version)
	}
	if a := s.throttle(c); a != nil {
		return a
	}
	if c.tooLarge {
		return fail(413, codeBadRequest, "The request body is larger than %d bytes.", MaxBody)
	}
	if c.plain {
		return fail(400, codeBadRequest, "The request body is not in the encoding that Content-Encoding announces.")
	}
	return nil
}

// object decodes the body of a call as a JSON object.
func (c *call) object(mediaTypes ...string) (Object, *answer) {
	if len(mediaTypes) == 0 {
		mediaTypes = []string{"application/json"}
	}
	media, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	known := false
	for _, m := range mediaTypes {
		known = known || strings.EqualFold(m, media)
	}
	if !known {
		return nil, fail(415, codeBadRequest, "Content-Type %q is not %s.", media, mediaTypes[0])
	}
	v, err := decodeJSON(c.Body)
	if err != nil {
		return nil, fail(400, codeBadRequest, "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fail(400, codeBadRequest, "Empty Payload. JSON content expected.")
	}
	return m, nil
}
