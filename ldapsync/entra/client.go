package entra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
)

// DefaultMaxAnswer is the largest answer a Client reads, in bytes. A page of 999 users with every property is
// about 4 MB.
const DefaultMaxAnswer = 64 << 20

// A Client sends requests to Microsoft Graph through a kiota request adapter and hands back what came: status,
// headers and raw JSON, with null and absent kept apart. Nothing is left to the adapter's defaults that would lose
// something: compression and retry are off in every request (a default client sends a wrong body when it repeats
// one), the answer is read before any of kiota's deserialisers sees it, and an answer that is no success becomes an
// *Error, never a panic.
//
// Set the fields before first use. The methods may be called concurrently.
type Client struct {
	// Adapter authenticates and sends. Required; its base URL must be set, such as https://graph.microsoft.com/v1.0.
	// The adapter of an existing GraphServiceClient does: client.GetAdapter().
	Adapter abstractions.RequestAdapter

	// Retry is for reads and for what was certainly not carried out. The zero value means its defaults.
	Retry Retry

	// MaxAnswer bounds the size of an answer in bytes; 0 means DefaultMaxAnswer.
	MaxAnswer int64

	// Timeout bounds one request, its answer included; 0 means 100 s, negative leaves it to the adapter. A write that
	// runs into it has an unknown outcome; a read is repeated.
	Timeout time.Duration

	// Anonymous allows requests without a token, for a fake on this machine. Without it a request that the
	// adapter would send without Authorization fails before it is sent: kiota's token provider leaves the token
	// out, silently, where the host is not among its allowed ones.
	Anonymous bool

	once    sync.Mutex
	base    *url.URL
	checked bool
}

// A Retry says how often and how patiently a request is tried. Graph's Retry-After is obeyed exactly, fractions of
// a second included; the waits are for where it sends none: they double from Base up to Max.
type Retry struct {
	Attempts int           // in all; 0 means 8
	Base     time.Duration // 0 means 500 ms
	Max      time.Duration // 0 means 30 s
	// Longest is how long a Retry-After is waited for; 0 means 15 min. What asks for more is given up, with an error
	// that says how long (RetryAfter).
	Longest time.Duration
}

// Again says whether to try again after the given try, from 1, and how long to wait before.
func (r Retry) Again(try int, err error) (wait time.Duration, ok bool) {
	attempts, base, most, longest := r.Attempts, r.Base, r.Max, r.Longest
	if attempts <= 0 {
		attempts = 8
	}
	if base <= 0 {
		base = 500 * time.Millisecond
	}
	if most <= 0 {
		most = 30 * time.Second
	}
	if longest <= 0 {
		longest = 15 * time.Minute
	}
	if try >= attempts {
		return 0, false
	}
	var ra interface{ RetryAfter() time.Duration }
	if errors.As(err, &ra) && ra.RetryAfter() > 0 {
		return ra.RetryAfter(), ra.RetryAfter() <= longest
	}
	d := base << min(try-1, 20)
	if d > most || d <= 0 {
		d = most
	}
	return d, true
}

// A Request is one call of Graph.
type Request struct {
	Method string // GET, POST, PATCH, DELETE

	// Path is relative to the version: "/users/…?$select=id", escaped already (see Path and Query). An absolute
	// URL, such as an @odata.nextLink, must be on the host of the adapter's base URL: anything else is refused,
	// since the token would go there.
	Path string

	Beta        bool        // ask beta instead of v1.0; for relative paths outside batches
	Header      http.Header // in addition; may be nil
	Body        []byte      // JSON unless ContentType says otherwise
	ContentType string      // "" means application/json where there is a body
}

// reads reports whether the request changes nothing, so that it may be repeated.
func (r *Request) reads() bool { return r.Method == http.MethodGet || r.Method == "" }

// A Response is an answer that is a success. Body is raw, nil for 204.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	client string // our client-request-id
}

// ErrNoToken is a request that would go out without Authorization.
var ErrNoToken = errors.New("the request would go out without a token: the host is not among the allowed hosts of the adapter's token provider (names only, no https://), or the adapter authenticates nobody")

// ErrForeignHost is a link to another host than the adapter's base URL.
var ErrForeignHost = errors.New("the link leads to another host: not followed, since the token would go there")

// Do sends one request once and reads the answer. An answer that is no success, or none, is an *Error. It does not
// repeat anything and takes nothing from a Budget: see Get for reads and Queue for writes.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	if err := ctx.Err(); err != nil {
		return Response{}, err
	}
	u, err := c.resolve(&r)
	if err != nil {
		return Response{}, fmt.Errorf("entra: %s %s: %w", r.Method, cutQuery(r.Path), err)
	}
	if err := c.preflight(ctx, u); err != nil {
		return Response{}, err
	}
	var got struct {
		res    Response
		called bool
		naked  bool
		err    error
	}
	handler := abstractions.NewRequestHandlerOption()
	handler.SetResponseHandler(func(native any, _ abstractions.ErrorMappings) (any, error) {
		got.called = true
		res, ok := native.(*http.Response)
		if !ok || res == nil {
			got.err = fmt.Errorf("the adapter hands over a %T instead of an HTTP response", native)
			return nil, nil
		}
		defer res.Body.Close()
		got.naked = res.Request != nil && res.Request.Header.Get("Authorization") == ""
		got.res = Response{Status: res.StatusCode, Header: res.Header}
		got.res.Body, got.err = readAll(res.Body, c.MaxAnswer)
		return nil, nil
	})
	info := c.info(u, &r)
	info.AddRequestOptions(plain(handler))
	id := info.Headers.Get("client-request-id")[0]
	limited, cancel := c.limit(ctx)
	defer cancel()
	err = c.Adapter.SendNoContent(limited, info, nil)
	e := &Error{Method: r.Method, Path: cutQuery(r.Path), ClientRequestID: id}
	switch {
	case err != nil && !got.called:
		return Response{}, e.transport(ctx, &r, err)
	case !got.called:
		e.Err = errors.New("the adapter gave no answer: it does not know kiota's response handlers")
		return Response{}, e
	case got.naked && !c.Anonymous:
		e.Err, e.kind = ErrNoToken, credentials
		e.Status = got.res.Status
		return Response{}, e
	}
	if got.res.Status >= 200 && got.res.Status < 300 && got.err == nil {
		got.res.client = id
		return got.res, nil
	}
	return Response{}, e.answer(&r, got.res, got.err)
}

func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	switch {
	case c.Timeout == 0:
		return context.WithTimeout(ctx, 100*time.Second)
	case c.Timeout < 0:
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.Timeout)
}

// info builds kiota's form of a request.
func (c *Client) info(u *url.URL, r *Request) *abstractions.RequestInformation {
	info := abstractions.NewRequestInformation()
	info.Method = method(r.Method)
	info.SetUri(*u)
	for k, vs := range r.Header {
		for _, v := range vs {
			info.Headers.Add(k, v)
		}
	}
	if !info.Headers.ContainsKey("client-request-id") {
		info.Headers.Add("client-request-id", requestID())
	}
	if !info.Headers.ContainsKey("Accept") {
		info.Headers.Add("Accept", "application/json")
	}
	if r.Body != nil {
		ct := r.ContentType
		if ct == "" {
			ct = "application/json"
		}
		info.SetStreamContentAndContentType(r.Body, ct)
	}
	return info
}

func method(m string) abstractions.HttpMethod {
	switch m {
	case http.MethodPost:
		return abstractions.POST
	case http.MethodPatch:
		return abstractions.PATCH
	case http.MethodDelete:
		return abstractions.DELETE
	case http.MethodPut:
		return abstractions.PUT
	}
	return abstractions.GET
}

// plain is what every request carries to undo, for itself, what an adapter's middlewares would do. Retry handlers of
// kiota cut Retry-After down to whole seconds, and where they come before compression the repeated request has a
// body that is not what its headers say.
func plain(handler abstractions.RequestHandlerOption) []abstractions.RequestOption {
	never := func(time.Duration, int, *http.Request, *http.Response) bool { return false }
	return []abstractions.RequestOption{handler, khttp.NewCompressionOptionsReference(false), &khttp.RetryHandlerOptions{ShouldRetry: never}}
}

// resolve makes the absolute URL of a request.
func (c *Client) resolve(r *Request) (*url.URL, error) {
	base, err := c.baseURL()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Path, "/") {
		root := strings.TrimSuffix(base.String(), "/")
		if r.Beta {
			root = strings.TrimSuffix(root, "/v1.0") + "/beta"
		}
		return url.Parse(root + r.Path)
	}
	u, err := url.Parse(r.Path)
	if err != nil {
		return nil, errors.New("the link is not a URL")
	}
	if !strings.EqualFold(u.Host, base.Host) || u.Scheme != base.Scheme || u.User != nil {
		return nil, fmt.Errorf("%w (%s instead of %s)", ErrForeignHost, u.Host, base.Host)
	}
	return u, nil
}

func (c *Client) baseURL() (*url.URL, error) {
	c.once.Lock()
	defer c.once.Unlock()
	if c.base != nil {
		return c.base, nil
	}
	if c.Adapter == nil {
		return nil, errors.New("Client.Adapter is nil")
	}
	u, err := url.Parse(c.Adapter.GetBaseUrl())
	if err != nil || u.Host == "" || u.Scheme == "" {
		return nil, fmt.Errorf("the adapter's base URL is %q; set it, for example to https://graph.microsoft.com/v1.0", c.Adapter.GetBaseUrl())
	}
	c.base = u
	return u, nil
}

// preflight lets the adapter prepare one request and looks whether there is a token in it, once.
func (c *Client) preflight(ctx context.Context, u *url.URL) error {
	if c.Anonymous {
		return nil
	}
	c.once.Lock()
	defer c.once.Unlock()
	if c.checked {
		return nil
	}
	native, err := c.Adapter.ConvertToNativeRequest(ctx, c.info(u, &Request{Method: http.MethodGet}))
	if err != nil {
		e := &Error{Method: http.MethodGet, Path: "(token for " + u.Host + ")", Err: err, kind: credentials}
		if k, ok := signIn(err); ok {
			e.kind = k
		} else if ctx.Err() != nil {
			e.kind = permanent
		}
		return e
	}
	if req, ok := native.(*http.Request); ok && req.Header.Get("Authorization") == "" {
		return &Error{Method: http.MethodGet, Path: "(token for " + u.Host + ")", Err: ErrNoToken, kind: credentials}
	}
	c.checked = true
	return nil
}

// Get sends a read and repeats it, as Retry says, while Graph is busy or unreachable.
func (c *Client) Get(ctx context.Context, path string, header http.Header) (Response, error) {
	r := Request{Method: http.MethodGet, Path: path, Header: header}
	for try := 1; ; try++ {
		res, err := c.Do(ctx, r)
		if err == nil || !transient(err) {
			return res, err
		}
		wait, again := c.Retry.Again(try, err)
		if !again {
			return res, err
		}
		if !sleep(ctx, wait) {
			return res, errors.Join(ctx.Err(), err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// readAll reads at most limit bytes and says so if there are more.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = DefaultMaxAnswer
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(b)) > limit {
		return b[:limit], fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	if len(b) == 0 {
		return nil, err
	}
	return b, err
}

// cutQuery leaves out the query, whose filters carry values of attributes, and the host.
func cutQuery(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if u, err := url.Parse(path); err == nil && u.Host != "" {
		return u.Path
	}
	return path
}

// requestID makes a client-request-id, a random GUID (RFC 9562 section 5.4).
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
