package entra_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	coreauth "github.com/microsoftgraph/msgraph-sdk-go-core/authentication"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// busyOnce refuses the first request with 429 and notes whether the bodies of all requests are what their headers
// say.
type busyOnce struct {
	body    string
	calls   int
	corrupt bool
}

func (b *busyOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	b.calls++
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err == nil {
			raw, err = io.ReadAll(z)
		}
		b.corrupt = b.corrupt || err != nil
	}
	b.corrupt = b.corrupt || string(raw) != b.body
	if b.calls == 1 {
		return canned{status: 429, header: http.Header{"Retry-After": {"0"}, "Content-Type": {"application/json"}}, body: `{"error":{"code":"TooManyRequests","message":"slowly"}}`}.RoundTrip(r)
	}
	return canned{status: 204}.RoundTrip(r)
}

// TestTrap4RetriedBody: the order of a default client's middlewares comes from iterating over a map, so it is another
// for each client; with one of the two orders a request that is repeated after a 429 says that its body is
// compressed, and it is not. Ours sends the right body through the same clients.
func TestTrap4RetriedBody(t *testing.T) {
	const body = `{"department":"Ward 3"}`
	corrupt := 0
	for range 60 { // two of three clients do it
		rt := &busyOnce{body: body}
		hc := khttp.GetDefaultClient()
		hc.Transport = khttp.NewCustomTransportWithParentTransport(rt, khttp.GetDefaultMiddlewares()...)
		a := sdk(t, hc)
		ri := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(abstractions.PATCH, "{+baseurl}/users/x", map[string]string{})
		ri.SetStreamContentAndContentType([]byte(body), "application/json")
		_ = a.SendNoContent(t.Context(), ri, odata)
		if rt.corrupt {
			corrupt++
		}

		rt = &busyOnce{body: body}
		c := client(t, rt)
		_, err := c.Do(t.Context(), entra.Request{Method: http.MethodPatch, Path: "/users/x", Body: []byte(body)})
		require.ErrorIs(t, err, ldapsync.ErrTransient)
		require.Equal(t, 1, rt.calls, "the middlewares repeat nothing")
		_, err = c.Do(t.Context(), entra.Request{Method: http.MethodPatch, Path: "/users/x", Body: []byte(body)})
		require.NoError(t, err)
		require.False(t, rt.corrupt)
	}
	require.NotZero(t, corrupt, "the SDK's default")
}

// TestTrap5RetryAfter: the SDK cuts Retry-After down to whole seconds, so "0.249" does not wait at all, and repeats
// only three times. Ours waits exactly as long as it was asked to, within the limits of its Retry.
func TestTrap5RetryAfter(t *testing.T) {
	for _, c := range []struct {
		after string
		sdk   time.Duration
		ours  time.Duration
	}{
		{"0.249", 0, 249 * time.Millisecond},
		{"2.128", 2 * time.Second, 2128 * time.Millisecond},
		{"1", time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := entratest.New(entratest.Config{})
			id := people(server, 1)[0]
			server.Script(entratest.TooManyRequests(c.after))
			hc := khttp.GetDefaultClient()
			hc.Transport = khttp.NewCustomTransportWithParentTransport(server.Transport(), khttp.GetDefaultMiddlewares()...)
			begin := time.Now()
			_, err := sdk(t, hc).SendPrimitive(t.Context(), sdkGet("/users/"+id), "[]byte", odata)
			require.NoError(t, err)
			require.Equal(t, c.sdk, time.Since(begin), "the SDK's default")

			server.Script(entratest.TooManyRequests(c.after))
			begin = time.Now()
			_, err = client(t, server.Transport()).Get(t.Context(), "/users/"+id, nil)
			require.NoError(t, err)
			require.Equal(t, c.ours, time.Since(begin))
		})
	}
	t.Run("a 429 for longer than the client's timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := entratest.New(entratest.Config{})
			id := people(server, 1)[0]
			server.Script(entratest.TooManyRequests("120"))
			hc := khttp.GetDefaultClient()
			hc.Transport = khttp.NewCustomTransportWithParentTransport(server.Transport(), khttp.GetDefaultMiddlewares()...)
			_, err := sdk(t, hc).SendPrimitive(t.Context(), sdkGet("/users/"+id), "[]byte", odata)
			require.ErrorIs(t, err, context.DeadlineExceeded, "the SDK's default: the 429 is lost")

			server.ClearFaults()
			server.Script(entratest.TooManyRequests("120"))
			_, err = client(t, server.Transport()).Get(t.Context(), "/users/"+id, nil)
			require.NoError(t, err)
		})
	})
}

// fixed is a credential that always has a token.
type fixed struct{}

func (fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "secret", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// TestTrap10NoToken: to a host that is not among the allowed ones the SDK sends the request without a token and
// without an error. Ours sends nothing and says so; a link to another host is not followed.
func TestTrap10NoToken(t *testing.T) {
	auth, err := coreauth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(fixed{}, nil, []string{"graph.microsoft.com"})
	require.NoError(t, err)
	server := entratest.New(entratest.Config{})
	people(server, 3)
	a, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(auth, nil, nil, &http.Client{Transport: server.Transport()})
	require.NoError(t, err)
	a.SetBaseUrl("https://graph.elsewhere.example/v1.0")

	_, _ = a.SendPrimitive(t.Context(), sdkGet("/users"), "[]byte", nil)
	sent := server.Requests()
	require.Len(t, sent, 1)
	require.Empty(t, sent[0].Header.Get("Authorization"), "the SDK's default")
	server.ResetRequests()

	c := &entra.Client{Adapter: a}
	_, err = c.Get(t.Context(), "/users", nil)
	require.ErrorIs(t, err, entra.ErrNoToken)
	require.ErrorIs(t, err, ldapsync.ErrCredentials)
	require.Empty(t, server.Requests())

	// The same provider on its host: the token is there.
	a.SetBaseUrl("https://graph.microsoft.com/v1.0")
	_, err = (&entra.Client{Adapter: a}).Get(t.Context(), "/users", nil)
	require.NoError(t, err)
	require.Equal(t, "Bearer", server.Requests()[0].Header.Get("Authorization"), "the record leaves the token out")
	require.NotContains(t, errorOf(t, a), "secret")

	t.Run("links", func(t *testing.T) {
		for _, link := range []string{"https://evil.example/v1.0/users?$skiptoken=x", "http://graph.ashdown.example/v1.0/users", "https://user@graph.ashdown.example/v1.0/users", "//evil.example/x", "users", "\x7f:"} {
			calls := 0
			c := client(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				calls++
				require.Equal(t, "graph.ashdown.example", r.URL.Host)
				return canned{status: 200, body: `{"value":[],"@odata.nextLink":"` + strings.ReplaceAll(link, "\x7f", "\\u007f") + `"}`}.RoundTrip(r)
			}))
			var last error
			for _, err := range c.Pages(t.Context(), "/users", nil) {
				last = err
			}
			require.Error(t, last, link)
			require.Equal(t, 1, calls)
		}
	})
}

func errorOf(t *testing.T, a abstractions.RequestAdapter) string {
	t.Helper()
	_, err := (&entra.Client{Adapter: a}).Get(t.Context(), "/users/nobody", nil)
	require.Error(t, err)
	return err.Error()
}

// TestTrap12NoSerialisers: without the root client no serialisers are registered, and an error answer is reported as
// "no factory registered", its status lost. Ours needs none.
func TestTrap12NoSerialisers(t *testing.T) {
	server := entratest.New(entratest.Config{})
	_, err := adapter(t, server.Transport()).SendPrimitive(t.Context(), sdkGet("/users/nobody@ashdown.example"), "[]byte", odata)
	require.ErrorContains(t, err, "does not have a factory registered", "the SDK's default")

	_, err = client(t, server.Transport()).Get(t.Context(), "/users/nobody@ashdown.example", nil)
	require.ErrorIs(t, err, ldapsync.ErrNotFound)
	require.ErrorContains(t, err, "Request_ResourceNotFound")
	// The default middlewares set no client-request-id either.
	require.Empty(t, server.Requests()[0].Header.Get("client-request-id"), "the SDK's default")
	require.NotEmpty(t, server.Requests()[1].Header.Get("client-request-id"))
}

// TestTrap13URLs: parameters are %24select on the wire unless a middleware decodes them. Ours are $select with any
// client, and what needs escaping in a path is escaped.
func TestTrap13URLs(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.RequestURI
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"value":[]}`)
	}))
	defer srv.Close()
	a := sdk(t, srv.Client())
	a.SetBaseUrl(srv.URL + "/v1.0")
	ri := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(abstractions.GET, "{+baseurl}/users{?%24select}", map[string]string{})
	ri.QueryParametersAny["%24select"] = []string{"id"}
	_, err := a.SendPrimitive(t.Context(), ri, "[]byte", odata)
	require.NoError(t, err)
	require.Equal(t, "/v1.0/users?%24select=id", got, "the SDK's default, without its middlewares")

	c := &entra.Client{Adapter: a}
	_, err = c.Get(t.Context(), "/users/"+entra.Segment("ann_b.example#EXT#@ashdown.example")+entra.Query("$select", "id", "$filter", "", "$search", `"a b+c&d"`), nil)
	require.NoError(t, err)
	require.Equal(t, "/v1.0/users/ann_b.example%23EXT%23@ashdown.example?$select=id&$search=%22a%20b%2Bc%26d%22", got)
	require.Equal(t, "'O''Neill'", entra.Quote("O'Neill"))
}
