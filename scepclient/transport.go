package scepclient

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// A session is one sequence of requests that has to reach one server: another NDES behind the same name has
// other RA keys.
type session struct {
	c     *Client
	url   string
	http  *http.Client
	close func()
	caps  Capabilities
	ca    *CASet
}

const (
	defaultTimeout = 30 * time.Second
	maxRedirects   = 5
)

// newSession prepares the HTTP client: the caller's, or one of its own that stays with the first address
// it reached. Either follows redirects of GET on the same host only.
func (c *Client) newSession(u string) (*session, error) {
	parsed, err := url.Parse(u)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, fmt.Errorf("scepclient: %q is not an http or https URL", u)
	}
	s := &session{c: c, url: u, close: func() {}}
	if c.HTTPClient != nil {
		h := *c.HTTPClient
		s.http = &h
	} else {
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.DialContext = stickyDial()
		s.http = &http.Client{Transport: tr, Timeout: defaultTimeout}
		s.close = tr.CloseIdleConnections
	}
	s.http.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= maxRedirects:
			return fmt.Errorf("more than %d redirects", maxRedirects)
		case via[0].Method != http.MethodGet:
			return http.ErrUseLastResponse
		case req.URL.Host != via[0].URL.Host || (via[0].URL.Scheme == "https" && req.URL.Scheme != "https"):
			return http.ErrUseLastResponse
		}
		return nil
	}
	return s, nil
}

// stickyDial returns a dialler that, per name, keeps to the address that answered first.
func stickyDial() func(context.Context, string, string) (net.Conn, error) {
	var mu sync.Mutex
	known := map[string]string{}
	var d net.Dialer
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		target, ok := known[addr]
		mu.Unlock()
		if !ok {
			target = addr
		}
		conn, err := d.DialContext(ctx, network, target)
		if err == nil && !ok {
			mu.Lock()
			known[addr] = conn.RemoteAddr().String()
			mu.Unlock()
		}
		return conn, err
	}
}

func (s *session) address(op string, message *string) string {
	u, _ := url.Parse(s.url) // newSession parsed it
	q := "operation=" + op
	if message != nil {
		q += "&message=" + url.QueryEscape(*message)
	}
	if u.RawQuery != "" {
		q = u.RawQuery + "&" + q
	}
	u.RawQuery = q
	u.Fragment = ""
	return u.String()
}

func (s *session) display() string {
	u, _ := url.Parse(s.url)
	u.RawQuery, u.User = "", nil
	return u.String()
}

// errNotSent marks a request that did not leave this machine.
var errNotSent = errors.New("not sent")

func (s *session) do(ctx context.Context, op string, message *string, body []byte) ([]byte, *http.Response, error) {
	var tracing, wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { tracing.Store(true) },
		WroteHeaders: func() { wrote.Store(true) },
	})
	method, reader := http.MethodGet, io.Reader(nil)
	if body != nil {
		method, reader = http.MethodPost, bytes.NewReader(body) // a *bytes.Reader gives Content-Length; IIS takes no chunks
	}
	req, err := http.NewRequestWithContext(ctx, method, s.address(op, message), reader)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-pki-message")
	}
	if op == "PKIOperation" {
		// The transport sends again by itself what it thinks can be replayed on a connection that was closed
		// meanwhile: any GET without body, and a POST whose body it can get again. A request is sent once.
		req.GetBody = nil
		if body == nil {
			req.Body = io.NopCloser(bytes.NewReader(nil))
		}
	}
	if s.c.UserAgent != "" {
		req.Header.Set("User-Agent", s.c.UserAgent)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		// url.Error prints the whole URL, and a GET carries the message in it.
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		err = fmt.Errorf("%s %s: %w", op, s.display(), err)
		if tracing.Load() && !wrote.Load() {
			err = fmt.Errorf("%w: %w", errNotSent, err)
		}
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, cms.MaxSize+1))
	if err != nil {
		return nil, resp, fmt.Errorf("%s %s: reading the answer: %w", op, s.display(), err)
	}
	if resp.StatusCode != http.StatusOK {
		return b, resp, &HTTPError{Operation: op, URL: s.display(), Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Server: resp.Header.Get("Server")}
	}
	if len(b) > cms.MaxSize {
		return nil, resp, &ReplyError{Check: CheckCMS, Detail: fmt.Sprintf("%s: answer longer than %d bytes", op, cms.MaxSize)}
	}
	return b, resp, nil
}

// get sends one GET, and when the server refuses or says nothing, once more with a CA identifier: several
// servers need one and RFC 8894 has none (Windows sends "default").
func (s *session) get(ctx context.Context, op string) ([]byte, *http.Response, error) {
	var message *string
	if s.c.CAIdentifier != "" {
		message = &s.c.CAIdentifier
	}
	b, resp, err := s.do(ctx, op, message, nil)
	var he *HTTPError
	if message == nil && (errors.As(err, &he) || (err == nil && len(bytes.TrimSpace(b)) == 0)) {
		id := "default"
		if b2, resp2, err2 := s.do(ctx, op, &id, nil); err2 == nil && len(bytes.TrimSpace(b2)) > 0 {
			return b2, resp2, nil
		}
	}
	return b, resp, err
}

// capabilities asks GetCACaps. Only a server that cannot be reached is an error.
func (s *session) capabilities(ctx context.Context) error {
	b, _, err := s.get(ctx, "GetCACaps")
	var he *HTTPError
	switch {
	case err == nil:
		s.caps = ParseCapabilities(b)
	case errors.As(err, &he):
		s.caps = Capabilities{HTTPStatus: he.Status}
	case ctx.Err() != nil || errors.Is(err, errNotSent):
		return err
	default:
		s.caps = Capabilities{} // old NDES versions close the connection (RFC 8894, 3.5.2)
	}
	if len(s.caps.Keywords) == 0 && len(s.c.Policy.AssumeCapabilities) > 0 {
		s.caps.Keywords, s.caps.Assumed = s.c.Policy.AssumeCapabilities, true
	}
	return nil
}

func (s *session) certificates(ctx context.Context) error {
	b, _, err := s.get(ctx, "GetCACert")
	if err != nil {
		return err
	}
	certs, skipped, err := ParseCACerts(b)
	if err != nil {
		return err
	}
	if s.ca, err = s.c.Trust.Authenticate(certs, s.c.now()); err != nil {
		return err
	}
	if skipped > 0 {
		s.ca.warn(WarnCASkipped, fmt.Sprintf("%d certificates of GetCACert could not be parsed", skipped))
	}
	if s.c.Recipient != nil {
		chosen := s.c.Recipient.SelectCerts(s.ca.Signers)
		if len(chosen) != 1 {
			return &TrustError{fmt.Sprintf("Client.Recipient selected %d certificates, want one", len(chosen))}
		}
		s.ca.Recipient = chosen[0]
	}
	return nil
}

// post sends a pkiMessage the way the capabilities and Client.Method say and returns the answer.
func (s *session) post(ctx context.Context, msg []byte) ([]byte, error) {
	usePOST := s.caps.Has(CapPOST)
	switch s.c.Method {
	case http.MethodPost:
		usePOST = true
	case http.MethodGet:
		usePOST = false
	}
	if usePOST {
		b, _, err := s.do(ctx, "PKIOperation", nil, msg)
		return b, err
	}
	// Standard alphabet, then percent-escaped: the one form every known server reads.
	text := base64.StdEncoding.EncodeToString(msg)
	b, _, err := s.do(ctx, "PKIOperation", &text, nil)
	return b, err
}

func (c *Client) urls() []string {
	var out []string
	if c.URL != "" {
		out = append(out, c.URL)
	}
	for _, u := range c.URLs {
		if strings.TrimSpace(u) != "" {
			out = append(out, u)
		}
	}
	return out
}

// open starts a session on the first URL that answers GetCACaps and GetCACert acceptably.
func (c *Client) open(ctx context.Context, urls []string) (*session, error) {
	if len(urls) == 0 {
		return nil, errors.New("scepclient: no URL")
	}
	if _, err := c.Trust.pins(); err != nil {
		return nil, err // before anything is sent
	}
	var errs []error
	for i, u := range urls {
		s, err := c.newSession(u)
		if err == nil {
			if err = s.capabilities(ctx); err == nil {
				err = s.certificates(ctx)
			}
		}
		if err == nil {
			c.log().DebugContext(ctx, "scep session", "url", s.display(), "capabilities", s.caps.String(), "ca", s.ca.CA.Subject.String(), "recipient", s.ca.Recipient.Subject.String())
			return s, nil
		}
		if s != nil {
			s.close()
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
		if i+1 < len(urls) {
			c.log().WarnContext(ctx, "scep server not usable, trying the next", "error", err.Error())
		}
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}
