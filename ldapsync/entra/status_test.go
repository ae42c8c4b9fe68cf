package entra_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// TestStatus: what each answer means for a read and for a write.
func TestStatus(t *testing.T) {
	conditions := []error{ldapsync.ErrNotFound, ldapsync.ErrPermission, ldapsync.ErrCredentials, ldapsync.ErrTransient, ldapsync.ErrUnclear, entra.ErrResync}
	for _, c := range []struct {
		status      int
		body        string
		read, write error
	}{
		{400, `{"error":{"code":"Request_BadRequest","message":"x"}}`, nil, nil},
		{401, `{}`, ldapsync.ErrCredentials, ldapsync.ErrCredentials},
		{403, `{}`, ldapsync.ErrPermission, ldapsync.ErrPermission},
		{404, `{}`, ldapsync.ErrNotFound, ldapsync.ErrNotFound},
		{408, `{}`, ldapsync.ErrTransient, ldapsync.ErrUnclear},
		{409, `{"error":{"code":"Directory_ConcurrencyViolation"}}`, ldapsync.ErrTransient, ldapsync.ErrTransient},
		{409, `{"error":{"code":"ObjectConflict"}}`, nil, nil},
		{410, `{"error":{"code":"syncStateNotFound"}}`, entra.ErrResync, entra.ErrResync},
		{423, `{}`, ldapsync.ErrTransient, ldapsync.ErrTransient},
		{424, `{}`, ldapsync.ErrTransient, ldapsync.ErrTransient},
		{429, `{}`, ldapsync.ErrTransient, ldapsync.ErrTransient},
		{500, `{}`, ldapsync.ErrTransient, ldapsync.ErrUnclear},
		{501, `{}`, nil, nil},
		{502, `<html>`, ldapsync.ErrTransient, ldapsync.ErrUnclear},
		{503, ``, ldapsync.ErrTransient, ldapsync.ErrUnclear},
		{504, ``, ldapsync.ErrTransient, ldapsync.ErrUnclear},
		{302, ``, nil, nil},
	} {
		for method, want := range map[string]error{"GET": c.read, "PATCH": c.write, "POST": c.write, "DELETE": c.write} {
			_, err := client(t, canned{status: c.status, body: c.body}).Do(t.Context(), entra.Request{Method: method, Path: "/users/x"})
			require.Error(t, err)
			for _, cond := range conditions {
				require.Equal(t, cond == want, errors.Is(err, cond), "%s %d: %v", method, c.status, err)
			}
		}
	}
}

// TestTransport: without a connection nothing was sent; with one nobody knows.
func TestTransport(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"refused":  {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, ldapsync.ErrTransient},
		"no name":  {&net.DNSError{Err: "no such host"}, ldapsync.ErrTransient},
		"reset":    {&net.OpError{Op: "read", Err: errors.New("connection reset")}, ldapsync.ErrUnclear},
		"cut off":  {io.ErrUnexpectedEOF, ldapsync.ErrUnclear},
		"no reply": {errors.New("http2: server sent GOAWAY"), ldapsync.ErrUnclear},
	} {
		rt := roundTrip(func(*http.Request) (*http.Response, error) { return nil, c.err })
		_, err := client(t, rt).Do(t.Context(), entra.Request{Method: "PATCH", Path: "/users/x", Body: []byte(`{}`)})
		require.ErrorIs(t, err, c.want, name)
		require.ErrorIs(t, err, c.err)
		_, err = client(t, rt).Do(t.Context(), entra.Request{Method: "GET", Path: "/users/x"})
		require.ErrorIs(t, err, ldapsync.ErrTransient, name)
	}
	// An answer that breaks off after its headers.
	rt := roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := canned{status: 200}.RoundTrip(r)
		res.Body = io.NopCloser(io.MultiReader(io.LimitReader(zeros{}, 10), broken{}))
		return res, err
	})
	_, err := client(t, rt).Do(t.Context(), entra.Request{Method: "PATCH", Path: "/users/x", Body: []byte(`{}`)})
	require.ErrorIs(t, err, ldapsync.ErrUnclear)
	// One that does not end.
	rt = roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := canned{status: 200}.RoundTrip(r)
		res.Body = io.NopCloser(zeros{})
		return res, err
	})
	c := client(t, rt)
	c.MaxAnswer, c.Retry.Attempts = 1000, 1
	_, err = c.Get(t.Context(), "/users", nil)
	require.ErrorContains(t, err, "larger than 1000 bytes")

	_, err = (&entra.Client{}).Do(t.Context(), entra.Request{Path: "/users"})
	require.ErrorContains(t, err, "Adapter is nil")
	a := sdk(t, &http.Client{Transport: canned{status: 200}})
	a.SetBaseUrl("")
	_, err = (&entra.Client{Adapter: a}).Do(t.Context(), entra.Request{Path: "/users"})
	require.ErrorContains(t, err, "base URL")
	_, err = entra.New(entra.Config{})
	require.ErrorContains(t, err, "Client is nil")
	_, err = entra.New(entra.Config{Client: c, UserName: "nonsense"})
	require.ErrorContains(t, err, "nonsense")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBatchHeaders: headers of items go into the batch, as advanced queries need; null goes through.
func TestBatchHeaders(t *testing.T) {
	server := entratest.New(entratest.Config{})
	server.AddUser(entratest.Object{"companyName": "Ashdown"})
	c := client(t, server.Transport())
	path := "/users" + entra.Query("$filter", "companyName eq 'Ashdown'", "$count", "true")
	got, err := c.Batch(t.Context(), []entra.Request{
		{Method: "GET", Path: path, Header: http.Header{"ConsistencyLevel": {"eventual"}, "Prefer": {"a", "b"}}},
		{Method: "GET", Path: path},
	})
	require.NoError(t, err)
	require.NoError(t, got[0].Err)
	var e *entra.Error
	require.ErrorAs(t, got[1].Err, &e)
	require.Equal(t, 400, e.Status)
	require.NotEmpty(t, e.Code)
}

// TestCallersLeave: those who leave a batch that is on its way get their own error; the others their answer. A batch
// that everybody has left is given up.
func TestCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		ids := people(server, 3)
		server.Script(entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Delay: 10 * time.Second})
		q := &entra.Queue{Client: client(t, server.Transport())}
		errs := make([]error, 3)
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), []time.Duration{time.Second, 2 * time.Second, time.Minute}[i])
				defer cancel()
				_, errs[i] = q.Do(ctx, patches([]string{id}, `{"department":"x"}`)[0])
			})
		}
		wg.Wait()
		require.ErrorIs(t, errs[0], ldapsync.ErrUnclear)
		require.ErrorIs(t, errs[1], context.DeadlineExceeded)
		require.NoError(t, errs[2])
	})
	synctest.Test(t, func(t *testing.T) {
		given := false
		rt := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			given = true
			return nil, r.Context().Err()
		})
		q := &entra.Queue{Client: &entra.Client{Adapter: sdk(t, &http.Client{Transport: rt})}}
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
				defer cancel()
				_, err := q.Do(ctx, entra.Request{Method: "PATCH", Path: "/users/x", Body: []byte(`{}`)})
				if !errors.Is(err, ldapsync.ErrUnclear) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		require.True(t, given)
	})
}

// TestWaitingCallerLeaves: who leaves before the request was sent knows that nothing was sent.
func TestWaitingCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		ids := people(server, 2)
		q := &entra.Queue{Client: client(t, server.Transport()), Budget: &entra.Budget{Limits: []entra.Limit{{Writes: 1, Per: time.Hour}}}}
		_, err := q.Do(t.Context(), patches(ids[:1], `{"department":"x"}`)[0])
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = q.Do(ctx, patches(ids[1:], `{"department":"x"}`)[0])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ldapsync.ErrUnclear)
		require.Len(t, server.Writes(), 1)
	})
}

func TestBudgetTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(entra.Budget)
		begin := time.Now()
		for range 3 {
			require.NoError(t, b.Take(t.Context(), 20))
		}
		require.InDelta(t, 2, time.Since(begin).Seconds(), 0.01)
		require.Error(t, b.Take(t.Context(), 21))
		b.Pause(time.Minute)
		b.Pause(time.Second)
		begin = time.Now()
		require.NoError(t, b.Take(t.Context(), 1))
		require.Equal(t, time.Minute, time.Since(begin))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		require.ErrorIs(t, b.Take(ctx, 20), context.DeadlineExceeded)
	})
}

// TestDeltaOdd: what is wrong with the answer of a delta query is said, and no link is given.
func TestDeltaOdd(t *testing.T) {
	const id = `"id":"0174f793-0bb5-4e97-9b7f-f6198260a8a8"`
	for body, want := range map[string]string{
		`{"value":[]}`:   "no deltaLink",
		`{"value":[{}]}`: "has the id",
		`{"value":[7]}`:  "not an object",
		`{"value":{}}`:   "not a listing",
		`{"value":[{` + id + `}],"@odata.nextLink":"https://evil.example/"}`: "another host",
	} {
		d := target(t, canned{status: 200, body: body}).Delta(t.Context(), ldapsync.User, "", "department")
		var last error
		for _, err := range d.Items() {
			last = err
		}
		require.ErrorContains(t, last, want)
		require.Empty(t, d.Link())
	}
	g := target(t, canned{status: 200, body: `{"value":[{` + id + `,"@removed":{},"onPremisesExtensionAttributes":{"extensionAttribute1":"a","extensionAttribute2":null}}],"@odata.deltaLink":"` + base + `/x"}`})
	items, _ := collect(t, g.Delta(t.Context(), ldapsync.User, base+"/users/delta()?$deltatoken=x"))
	require.Equal(t, "changed", items[0].Removed)
	v, known := items[0].Values("extensionAttribute1")
	require.True(t, known)
	require.Equal(t, []string{"a"}, v)
	v, known = items[0].Values("extensionAttribute3")
	require.True(t, known, "a complex property comes whole")
	require.Empty(t, v)
	for _, err := range g.Delta(t.Context(), ldapsync.User, "", "sn").Items() {
		require.ErrorContains(t, err, "surname")
	}
	for _, err := range g.Delta(t.Context(), 0, "x").Items() {
		require.Error(t, err)
	}
	stop := errors.New("enough")
	_, err := g.Follow(t.Context(), ldapsync.User, base+"/x", nil, nil, func(entra.DeltaItem) error { return stop })
	require.ErrorIs(t, err, stop)
}

// TestErrorSays: an error carries what Graph's support asks for, from wherever Graph put it.
func TestErrorSays(t *testing.T) {
	c := canned{status: 429, header: http.Header{"Request-Id": {"r-1"}, "Date": {"Fri, 20 Nov 2026 10:00:00 GMT"}, "Retry-After": {"Fri, 20 Nov 2026 10:00:07 GMT"},
		"X-Ms-Throttle-Scope": {"Tenant_Application/Write/a/b"}, "X-Ms-Throttle-Information": {"WriteLimitExceeded"}}, body: `{"error":{"code":"TooManyRequests","message":"slowly","innerError":{"code":"Busy"}}}`}
	_, err := client(t, c).Do(t.Context(), entra.Request{Method: "PATCH", Path: "/users/x?$select=secret", Body: []byte(`{}`)})
	require.EqualError(t, err, "entra: PATCH /users/x: HTTP 429 TooManyRequests (Busy): slowly; retry after 7s; throttled in Tenant_Application/Write/a/b [request-id r-1]")
	var e *entra.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "WriteLimitExceeded", e.Why)

	// Of an item: its own, or the one in its body, or that of the call.
	for body, want := range map[string]string{
		`{"id":"1","status":404,"headers":{"request-id":"own"},"body":{"error":{"code":"x","message":"y"}}}`:      "own",
		`{"id":"1","status":404,"body":{"error":{"code":"x","message":"y","innerError":{"request-id":"inner"}}}}`: "inner",
		`{"id":"1","status":404,"body":{"error":{"code":"x","message":"y"}}}`:                                     "call",
	} {
		c := batchAnswer(body)
		c.header = http.Header{"Content-Type": {"application/json"}, "Request-Id": {"call"}}
		got, err := client(t, c).Batch(t.Context(), []entra.Request{{Method: "GET", Path: "/users/x"}})
		require.NoError(t, err)
		require.ErrorAs(t, got[0].Err, &e)
		require.Equal(t, want, e.RequestID)
		require.NotEmpty(t, e.ClientRequestID)
	}
}
