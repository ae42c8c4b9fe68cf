package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	kiotahttp "github.com/microsoft/kiota-http-go"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/graph"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// token puts a bearer token into every request, as a credential would.
type token struct{}

func (token) AuthenticateRequest(_ context.Context, ri *abstractions.RequestInformation, _ map[string]any) error {
	ri.Headers.Add("Authorization", "Bearer of-a-test")
	return nil
}

// reader returns a Reader over a fake of Graph, through kiota's default middleware: retries, compression and all.
func reader(t testing.TB, s *entratest.Server, auth authentication.AuthenticationProvider) *graph.Reader {
	t.Helper()
	client := &http.Client{Transport: kiotahttp.NewCustomTransportWithParentTransport(s.Transport(), kiotahttp.GetDefaultMiddlewares()...)}
	adapter, err := kiotahttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(auth, nil, nil, client)
	require.NoError(t, err)
	adapter.SetBaseUrl("https://graph.microsoft.com/v1.0")
	return &graph.Reader{Adapter: adapter}
}

func count(t testing.TB, r *graph.Reader) (n int, err error) {
	t.Helper()
	for _, e := range r.ManagedDevices(t.Context()) {
		if e != nil {
			return n, e
		}
		n++
	}
	return n, nil
}

// TestBothVersions reads the same devices from v1.0, which knows six workloads, and from beta, which knows eight.
func TestBothVersions(t *testing.T) {
	s := entratest.New(entratest.Config{PageSize: 2})
	for i := range 5 {
		s.AddManagedDevice(entratest.Object{
			"deviceName": fmt.Sprintf("AV-%d", i), "managementAgent": "configurationManagerClientMdm", "joinType": "hybridAzureADJoined",
			"configurationManagerClientEnabledFeatures": entratest.Object{"compliancePolicy": true, "inventory": false},
			"configurationManagerClientHealthState":     entratest.Object{"state": "healthy"},
		})
	}
	for _, beta := range []bool{false, true} {
		r := reader(t, s, token{})
		r.Beta = beta
		n := 0
		for d, err := range r.ManagedDevices(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, comgmt.Yes, d.Features.Get(comgmt.Compliance))
			require.Equal(t, comgmt.Unknown, d.Features.Get(comgmt.EndpointProtection), "absent is unknown, not no")
			n++
		}
		require.Equal(t, 5, n)
	}
	versions := map[string]int{}
	for _, q := range s.Requests() {
		versions[q.Version]++
	}
	require.Equal(t, map[string]int{"v1.0": 3, "beta": 3}, versions)
}

// TestThrottling: with a fractional Retry-After the SDK's own retry waits 0 s and with a long one runs into the client's
// timeout. The Reader waits what it is told, and sends exactly one request for each try.
func TestThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{})
		s.AddManagedDevice(entratest.Object{"deviceName": "AV-1"})
		s.Script(entratest.TooManyRequests("0.249"), entratest.TooManyRequests("180"), entratest.BadGateway(), entratest.ServiceUnavailable(""))
		start := time.Now()
		n, err := count(t, reader(t, s, token{}))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, 249*time.Millisecond+180*time.Second+4*time.Second+8*time.Second, time.Since(start))
		require.Len(t, s.Requests(), 5)
		for _, q := range s.Requests() {
			require.Empty(t, q.Header.Get("Retry-Attempt"), "the adapter's retry is off")
			require.Empty(t, q.Header.Get("Content-Encoding"))
		}

		s.Script(entratest.Fault{Times: -1, Status: 429, RetryAfter: "2.128"})
		s.ResetRequests()
		r := reader(t, s, token{})
		r.MaxTries = 2
		_, err = count(t, r)
		var e *graph.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 429, e.StatusCode)
		require.Equal(t, "TooManyRequests", e.Code)
		require.Equal(t, 2128*time.Millisecond, e.RetryAfter)
		require.Len(t, s.Requests(), 2)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = reader(t, s, token{}).ManagedDevice(ctx, "x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorAs(t, err, &e)
		require.Equal(t, 429, e.StatusCode, "what it waited for is not lost")
	})
}

// TestOddPages: the SDK's generated error panics on several of these, and loses the status of the others.
func TestOddPages(t *testing.T) {
	for page, want := range map[entratest.Page]string{
		entratest.GraphError: "HTTP 403 Authorization_RequestDenied Forbidden", entratest.EmptyObject: "HTTP 403 Forbidden",
		entratest.CodeOnly: "HTTP 403 Authorization_RequestDenied", entratest.OAuthError: "HTTP 403 invalid",
		entratest.NullMessage: "HTTP 403 Authorization_RequestDenied", entratest.HTMLPage: "HTTP 403 Forbidden",
		entratest.EmptyBody: "HTTP 403 Forbidden", entratest.TruncatedGzip: "HTTP 403 unexpected EOF",
		entratest.TruncatedJSON: "HTTP 403 Forbidden", entratest.ErrorArray: "HTTP 403 Forbidden",
	} {
		s := entratest.New(entratest.Config{})
		s.Script(entratest.Fault{Status: 403, Page: page})
		_, err := reader(t, s, token{}).ManagedDevice(t.Context(), "x")
		var e *graph.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 403, e.StatusCode)
		require.NotEmpty(t, e.RequestID)
		require.ErrorContains(t, err, want)
	}
	for _, page := range []entratest.Page{entratest.HTMLPage, entratest.EmptyBody, entratest.TruncatedGzip, entratest.TruncatedJSON} {
		s := entratest.New(entratest.Config{})
		s.Script(entratest.Fault{Status: 200, Page: page})
		_, err := count(t, reader(t, s, token{}))
		require.Error(t, err, "a 200 that is no answer is no empty list")
	}
}

func TestDroppedConnection(t *testing.T) {
	s := entratest.New(entratest.Config{})
	s.Script(entratest.Fault{Drop: true, Times: -1})
	_, err := count(t, reader(t, s, token{}))
	var e *graph.Error
	require.ErrorAs(t, err, &e)
	require.Zero(t, e.StatusCode)
}

// TestNoToken: kiota's token provider leaves the token out, silently, where the host is not among its allowed ones.
func TestNoToken(t *testing.T) {
	s := entratest.New(entratest.Config{})
	_, err := count(t, reader(t, s, &authentication.AnonymousAuthenticationProvider{}))
	require.ErrorIs(t, err, graph.ErrNoToken)
	s = entratest.New(entratest.Config{Token: "another"})
	_, err = count(t, reader(t, s, token{}))
	require.NotErrorIs(t, err, graph.ErrNoToken)
	require.ErrorContains(t, err, "InvalidAuthenticationToken")
}

// TestEndlessEmptyPages: a list that never comes to an end is an error, not a hang.
func TestEndlessEmptyPages(t *testing.T) {
	asked := 0
	r := serve(t, false, func(w http.ResponseWriter, q *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"value":[],"@odata.nextLink":"http://%s/v1.0/x?$skiptoken=%d"}`, q.Host, asked)
	})
	_, err := count(t, r)
	require.ErrorContains(t, err, "in a row were empty")
	require.Less(t, asked, 200)
}

func TestAnswerTooLarge(t *testing.T) {
	r := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range graph.MaxAnswer>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	_, err := count(t, r)
	require.ErrorContains(t, err, "larger than")
}

// plainAdapter is an adapter that knows no response handlers, such as a fake of a test.
type plainAdapter struct {
	abstractions.RequestAdapter
	body []byte
	err  error
}

func (plainAdapter) GetBaseUrl() string { return "https://graph.microsoft.com/v1.0" }

func (a plainAdapter) SendPrimitive(context.Context, *abstractions.RequestInformation, string, abstractions.ErrorMappings) (any, error) {
	if a.err != nil {
		return nil, a.err
	}
	return a.body, nil
}

func TestPlainAdapter(t *testing.T) {
	n, err := count(t, &graph.Reader{Adapter: plainAdapter{body: []byte(`{"value":[{"deviceName":"AV-1","managementAgent":"mdm"}]}`)}})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	headers := abstractions.NewResponseHeaders()
	headers.Add("request-id", "71")
	_, err = count(t, &graph.Reader{Adapter: plainAdapter{err: &abstractions.ApiError{ResponseStatusCode: 403, ResponseHeaders: headers}}})
	var e *graph.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 403, e.StatusCode)
	require.Equal(t, "71", e.RequestID)
	_, err = count(t, &graph.Reader{Adapter: plainAdapter{err: errors.New("no network")}})
	require.ErrorContains(t, err, "no network")
	_, err = count(t, &graph.Reader{Adapter: plainAdapter{}})
	require.ErrorIs(t, err, graph.ErrNoAnswer)
}
