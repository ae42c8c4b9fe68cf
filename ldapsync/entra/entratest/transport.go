package entratest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
)

// Transport returns a RoundTripper that hands requests to the server in the caller's goroutine: no port, no network, and
// so fit for testing/synctest, where a fake of hours runs in milliseconds. Every host is this server. It does what
// [net/http.Transport] does that clients notice: it closes the request's body, undoes gzip unless the
// request names Accept-Encoding itself, and obeys the request's context.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	a := t.server.serve(t.server.newCall(in))
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if a.drop {
		return nil, io.ErrUnexpectedEOF
	}
	body, contentType := a.encode()
	h := http.Header{}
	for name, values := range a.header {
		h[name] = values
	}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	resp := &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Request: r, ContentLength: int64(len(body)),
	}
	if h.Get("Content-Encoding") == "gzip" && r.Header.Get("Accept-Encoding") == "" {
		h.Del("Content-Encoding")
		resp.Uncompressed, resp.ContentLength, resp.Body = true, -1, &lazyBody{raw: bytes.NewReader(body)}
		return resp, nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// A lazyBody undoes gzip while it is read, so that an answer that ends in the middle fails where net/http's would.
type lazyBody struct {
	raw io.Reader
	z   *gzip.Reader
}

func (b *lazyBody) Read(p []byte) (int, error) {
	if b.z == nil {
		z, err := gzip.NewReader(b.raw)
		if err != nil {
			return 0, err
		}
		b.z = z
	}
	return b.z.Read(p)
}

func (b *lazyBody) Close() error { return nil }
