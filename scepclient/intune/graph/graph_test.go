package graph_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	kiotahttp "github.com/microsoft/kiota-http-go"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
	"go.internal/hybridkit/scepclient/intune"
	"go.internal/hybridkit/scepclient/intune/graph"
)

// token puts a bearer token into every request, as a credential would.
type token struct{}

func (token) AuthenticateRequest(_ context.Context, ri *abstractions.RequestInformation, _ map[string]any) error {
	ri.Headers.Add("Authorization", "Bearer of-a-test")
	return nil
}

// over returns a Reader through kiota's default middleware: retries, compression and all.
func over(t testing.TB, transport http.RoundTripper, auth authentication.AuthenticationProvider) *graph.Reader {
	t.Helper()
	client := &http.Client{Transport: kiotahttp.NewCustomTransportWithParentTransport(transport, kiotahttp.GetDefaultMiddlewares()...)}
	adapter, err := kiotahttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(auth, nil, nil, client)
	require.NoError(t, err)
	adapter.SetBaseUrl("https://graph.microsoft.com/v1.0")
	return &graph.Reader{Adapter: adapter}
}

// vale is a tenant with one profile of each kind that matters, and one that does not.
func vale() (s *entratest.Server, scep, root string) {
	s = entratest.New(entratest.Config{PageSize: 2})
	root = s.AddConfiguration(entratest.Object{
		"@odata.type": "#microsoft.graph.windows81TrustedRootCertificate", "displayName": "Vale root", "destinationStore": "computerCertStoreRoot",
		"trustedRootCertificate": []byte("not a certificate"), "certFileName": "vale.cer",
	})
	group := entratest.Object{"target": entratest.Object{"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": "0e71"}}
	scep = s.AddConfiguration(entratest.Object{
		"@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile", "displayName": "Vale SCEP", "certificateStore": "machine",
		"scepServerUrls": []string{"https://scep.ashdown.example/certsrv/mscep/mscep.dll"}, "keyUsage": "digitalSignature,keyEncipherment",
		"subjectNameFormatString": "CN={{AAD_Device_ID}}", "renewalThresholdPercentage": 20, "addedLater": entratest.Object{"kept": true},
		"rootCertificate@odata.bind": "https://graph.microsoft.com/beta/deviceManagement/deviceConfigurations('" + root + "')",
	}, group, entratest.Object{"target": entratest.Object{"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}})
	s.AddConfiguration(entratest.Object{"@odata.type": "#microsoft.graph.iosScepCertificateProfile", "displayName": "Unbound", "scepServerUrls": []string{"https://x.ashdown.example"}})
	s.AddConfiguration(entratest.Object{"@odata.type": "#microsoft.graph.windowsWifiConfiguration", "displayName": "Vale Wi-Fi"})
	return s, scep, root
}

func TestDocuments(t *testing.T) {
	s, scep, root := vale()
	docs, err := over(t, s.Transport(), token{}).Documents(t.Context())
	require.NoError(t, err)
	require.Len(t, docs.SCEP, 2)
	require.Len(t, docs.Roots, 1)
	require.Len(t, docs.Other, 1)
	p := docs.SCEP[0]
	require.Equal(t, scep, p.ID)
	require.Equal(t, intune.Windows, p.Platform())
	require.Equal(t, root, p.RootID())
	require.Equal(t, "Vale root", p.RootCertificate.DisplayName)
	require.Len(t, p.Assignments, 2)
	require.Equal(t, "0e71", p.Assignments[0].Target.GroupID)
	require.True(t, p.KeyUsage.Has("keyEncipherment"))
	b, err := p.MarshalJSON()
	require.NoError(t, err)
	require.Contains(t, string(b), `"addedLater":{"kept":true}`)
	require.Empty(t, docs.SCEP[1].RootID(), "bound to none is no error")
	require.Equal(t, []byte("not a certificate"), docs.Roots[0].Certificate)
	for _, q := range s.Requests() {
		require.Equal(t, "beta", q.Version, "v1.0 has the profiles without their properties")
	}

	s.ResetRequests()
	r := over(t, s.Transport(), token{})
	r.SkipRoots, r.PageSize = true, 3
	docs, err = r.Documents(t.Context())
	require.NoError(t, err)
	require.Empty(t, docs.SCEP[0].RootID())
	require.Len(t, s.Requests(), 2)
}

func TestProfileAndAssignments(t *testing.T) {
	s, scep, root := vale()
	r := over(t, s.Transport(), token{})
	docs, err := r.Profile(t.Context(), scep)
	require.NoError(t, err)
	require.Len(t, docs.SCEP, 1)
	require.Equal(t, root, docs.SCEP[0].RootID())
	list, err := r.Assignments(t.Context(), scep)
	require.NoError(t, err)
	require.Len(t, list, 2)
	_, err = r.Profile(t.Context(), "a b/c")
	require.ErrorIs(t, err, graph.ErrNotFound)
	require.Equal(t, "/deviceManagement/deviceConfigurations/a b/c", s.Requests()[len(s.Requests())-1].Path)
	_, err = r.Assignments(t.Context(), "nosuch")
	require.ErrorIs(t, err, graph.ErrNotFound)
	_, err = (&graph.Reader{}).Documents(t.Context())
	require.ErrorIs(t, err, graph.ErrNoAdapter)
}

func TestThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := vale()
		s.Script(entratest.TooManyRequests("0.249"), entratest.TooManyRequests("180"))
		start := time.Now()
		docs, err := over(t, s.Transport(), token{}).Documents(t.Context())
		require.NoError(t, err)
		require.Len(t, docs.SCEP, 2)
		require.Equal(t, 249*time.Millisecond+180*time.Second, time.Since(start))
		for _, q := range s.Requests() {
			require.Empty(t, q.Header.Get("Retry-Attempt"), "the adapter's retry is off")
		}
	})
}

func TestErrors(t *testing.T) {
	for page, want := range map[entratest.Page]string{
		entratest.GraphError: "HTTP 403 Authorization_RequestDenied Forbidden", entratest.EmptyObject: "HTTP 403 Forbidden",
		entratest.CodeOnly: "HTTP 403 Authorization_RequestDenied", entratest.OAuthError: "HTTP 403 invalid",
		entratest.NullMessage: "HTTP 403 Authorization_RequestDenied", entratest.HTMLPage: "HTTP 403 Forbidden",
		entratest.EmptyBody: "HTTP 403 Forbidden", entratest.TruncatedGzip: "HTTP 403 unexpected EOF",
	} {
		s, _, _ := vale()
		s.Script(entratest.Fault{Status: 403, Page: page, Skip: 1}) // the second page
		docs, err := over(t, s.Transport(), token{}).Documents(t.Context())
		require.Nil(t, docs, "half a list is none")
		var e *graph.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 403, e.StatusCode)
		require.ErrorContains(t, err, want)
	}
	for _, page := range []entratest.Page{entratest.HTMLPage, entratest.EmptyBody, entratest.EmptyObject, entratest.TruncatedJSON, entratest.TruncatedGzip, entratest.ErrorArray} {
		s, _, _ := vale()
		s.Script(entratest.Fault{Status: 200, Page: page})
		_, err := over(t, s.Transport(), token{}).Documents(t.Context())
		require.Error(t, err, "a 200 that is no list is no empty list")
	}
	s, _, _ := vale()
	_, err := over(t, s.Transport(), &authentication.AnonymousAuthenticationProvider{}).Documents(t.Context())
	require.ErrorIs(t, err, graph.ErrNoToken)
}

// pages is a server whose every answer is a page.
type pages func(*http.Request) string

func (f pages) RoundTrip(q *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: q, Body: io.NopCloser(strings.NewReader(f(q))),
	}, nil
}

func TestNextLinks(t *testing.T) {
	for link, want := range map[string]string{
		"https://elsewhere.example/beta/x":         graph.ErrNextLink.Error(),
		"http://graph.microsoft.com/beta/x":        graph.ErrNextLink.Error(),
		"https://me@graph.microsoft.com/beta/x":    graph.ErrNextLink.Error(),
		"https://graph.microsoft.com/beta/again":   "read already",
		"https://graph.microsoft.com/%zz":          "next page",
		"https://graph.microsoft.com/beta/x?n=INC": "in a row were empty",
	} {
		asked := 0
		answer := func(*http.Request) string {
			asked++
			return fmt.Sprintf(`{"value":[],"@odata.nextLink":%q}`, strings.Replace(link, "INC", fmt.Sprint(asked), 1))
		}
		_, err := over(t, pages(answer), token{}).Documents(t.Context())
		require.ErrorContains(t, err, want, link)
		require.Less(t, asked, 200)
	}
}

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(dep, "github.com/microsoftgraph/") {
			t.Errorf("imports %s: the typed model is slow to build and has no SCEP profiles", dep)
		}
	}
}

func ExampleReader() {
	srv := entratest.New(entratest.Config{}) // stands in for Graph
	srv.AddConfiguration(entratest.Object{
		"@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile", "displayName": "Vale SCEP",
		"scepServerUrls": []string{"https://scep.ashdown.example/certsrv/mscep/mscep.dll"},
	}, entratest.Object{"target": entratest.Object{"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}})
	adapter, err := kiotahttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		token{}, nil, nil, &http.Client{Transport: srv.Transport()})
	if err != nil {
		fmt.Println(err)
		return
	}
	adapter.SetBaseUrl("https://graph.microsoft.com/v1.0")

	reader := &graph.Reader{Adapter: adapter}
	docs, err := reader.Documents(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range docs.SCEP {
		fmt.Println(p.DisplayName, p.SCEPServerURLs[0], p.Assignments[0].Target)
	}
	// Output: Vale SCEP https://scep.ashdown.example/certsrv/mscep/mscep.dll allDevices
}
