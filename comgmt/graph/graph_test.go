package graph_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/microsoft/kiota-abstractions-go/authentication"
	kiotahttp "github.com/microsoft/kiota-http-go"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/graph"
)

// serve returns a Reader that asks a handler through a real adapter, without its retries.
func serve(t testing.TB, beta bool, handler http.HandlerFunc) *graph.Reader {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	adapter, err := kiotahttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&authentication.AnonymousAuthenticationProvider{}, nil, nil, &http.Client{})
	require.NoError(t, err)
	adapter.SetBaseUrl(server.URL + "/v1.0")
	return &graph.Reader{Adapter: adapter, Beta: beta}
}

func TestManagedDevice(t *testing.T) {
	var asked string
	handler := func(w http.ResponseWriter, q *http.Request) {
		asked = q.URL.EscapedPath() + "?" + q.URL.Query().Get("$select")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"a b","deviceName":"AV-1042","managementAgent":"configurationManagerClientMdm","configurationManagerClientEnabledFeatures":{"modernApps":false}}`)
	}
	o, err := serve(t, false, handler).ManagedDevice(t.Context(), "a b/c")
	require.NoError(t, err)
	require.Equal(t, comgmt.Yes, o.Agent.CoManaged())
	require.Equal(t, comgmt.No, o.Features.Get(comgmt.ClientApps))
	require.Equal(t, comgmt.Unknown, o.Features.Get(comgmt.OfficeClickToRun))
	require.Equal(t, "/v1.0/deviceManagement/managedDevices/a%20b%2Fc?id,deviceName,managementAgent,deviceEnrollmentType,lastSyncDateTime,configurationManagerClientEnabledFeatures", asked)
	_, err = serve(t, true, handler).ManagedDevice(t.Context(), "x")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(asked, "/beta/deviceManagement/managedDevices/x?"), asked)
	require.Contains(t, asked, "configurationManagerClientHealthState", "beta has more")
}

func TestPages(t *testing.T) {
	var tops []string
	handler := func(w http.ResponseWriter, q *http.Request) {
		tops = append(tops, q.URL.Query().Get("$top"))
		w.Header().Set("Content-Type", "application/json")
		switch q.URL.Query().Get("$skiptoken") {
		case "":
			fmt.Fprintf(w, `{"value":[{"deviceName":"AV-1","managementAgent":"mdm"},{"deviceName":"AV-2","managementAgent":"mdm"}],"@odata.nextLink":"http://%s/v1.0/deviceManagement/managedDevices?$skiptoken=two"}`, q.Host)
		case "two":
			fmt.Fprint(w, `{"value":[{"deviceName":"AV-3","managementAgent":"mdm"}]}`)
		}
	}
	r := serve(t, false, handler)
	r.PageSize = 2
	var names []string
	for o, err := range r.ManagedDevices(t.Context()) {
		require.NoError(t, err)
		names = append(names, o.Name)
	}
	require.Equal(t, []string{"AV-1", "AV-2", "AV-3"}, names)
	require.Equal(t, []string{"2", ""}, tops)
	tops = nil
	for range r.ManagedDevices(t.Context()) {
		break
	}
	require.Len(t, tops, 1, "a page is asked for only when it is needed")
}

func TestNextLinkStaysHome(t *testing.T) {
	for link, want := range map[string]string{
		"https://elsewhere.example/v1.0/x": graph.ErrNextLink.Error(),
		"http://user@HOST/v1.0/x":          graph.ErrNextLink.Error(),
		"http://HOST/v1.0/again":           "read already",
		"http://HOST/%zz":                  "next page",
	} {
		asked := 0
		r := serve(t, false, func(w http.ResponseWriter, q *http.Request) {
			asked++
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"value":[],"@odata.nextLink":%q}`, strings.Replace(link, "HOST", q.Host, 1))
		})
		var last error
		for _, err := range r.ManagedDevices(t.Context()) {
			last = err
		}
		require.ErrorContains(t, last, want, link)
		require.LessOrEqual(t, asked, 2)
	}
}

func TestBetaOnly(t *testing.T) {
	r := serve(t, false, func(http.ResponseWriter, *http.Request) { t.Error("nothing is asked") })
	_, err := r.CoManagedSummary(t.Context())
	require.ErrorIs(t, err, graph.ErrBetaOnly)
	_, err = r.EligibleSummary(t.Context())
	require.ErrorIs(t, err, graph.ErrBetaOnly)
	for _, err := range r.EligibleDevices(t.Context()) {
		require.ErrorIs(t, err, graph.ErrBetaOnly)
	}
	beta := serve(t, true, func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(q.URL.Path, "/beta/deviceManagement/getComanagedDevicesSummary"):
			fmt.Fprint(w, `{"value":{"totalComanagedCount":3,"configurationSettingsCount":2}}`)
		case strings.HasSuffix(q.URL.Path, "/beta/deviceManagement/getComanagementEligibleDevicesSummary"):
			fmt.Fprint(w, `{"value":{"eligibleButNotAzureAdJoinedCount":4}}`)
		case strings.HasSuffix(q.URL.Path, "/beta/deviceManagement/comanagementEligibleDevices"):
			fmt.Fprint(w, `{"value":[{"deviceName":"AV-1","mdmStatus":"x","status":"eligible"}]}`)
		default:
			http.Error(w, "no", http.StatusNotFound)
		}
	})
	s, err := beta.CoManagedSummary(t.Context())
	require.NoError(t, err)
	n, ok := s.Workload(comgmt.DeviceConfiguration)
	require.True(t, ok)
	require.Equal(t, int64(2), n)
	e, err := beta.EligibleSummary(t.Context())
	require.NoError(t, err)
	require.Equal(t, comgmt.KindEligibleSummary, e.Kind)
	for o, err := range beta.EligibleDevices(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, comgmt.Eligibility("eligible"), o.Status)
	}
}

func TestErrors(t *testing.T) {
	status := http.StatusForbidden
	r := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("request-id", "11111111-av")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"error":{"code":"Forbidden","message":"no right"}}`)
	})
	_, err := r.ManagedDevice(t.Context(), "x")
	var e *graph.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 403, e.StatusCode)
	require.Equal(t, "11111111-av", e.RequestID)
	require.NotErrorIs(t, err, graph.ErrNotFound)
	status = http.StatusNotFound
	_, err = r.ManagedDevice(t.Context(), "x")
	require.ErrorIs(t, err, graph.ErrNotFound)
	_, err = r.Domains(t.Context())
	require.ErrorAs(t, err, &e)
	for _, err := range r.ManagedDevices(t.Context()) {
		require.ErrorAs(t, err, &e)
	}
	_, err = (&graph.Reader{}).ManagedDevice(t.Context(), "x")
	require.ErrorIs(t, err, graph.ErrNoAdapter)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.ManagedDevice(ctx, "x")
	require.ErrorIs(t, err, context.Canceled)
	empty := serve(t, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	_, err = empty.ManagedDevice(t.Context(), "x")
	require.ErrorIs(t, err, graph.ErrNoAnswer)
}

func TestDomains(t *testing.T) {
	r := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"value":[{"id":"Ashdown-Vale.org","isVerified":true},{"id":"vale.net","isVerified":false}]}`)
	})
	got, err := r.Domains(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"ashdown-vale.org"}, got)
}

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(dep, "github.com/microsoftgraph/") {
			t.Errorf("imports %s: the typed model is slow to build and cannot tell absent from false", dep)
		}
	}
}

func ExampleReader() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // stands in for Graph
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"value":[{"deviceName":"AV-1042","managementAgent":"configurationManagerClientMdm","configurationManagerClientEnabledFeatures":{"compliancePolicy":true}}]}`)
	}))
	defer server.Close()
	adapter, err := kiotahttp.NewNetHttpRequestAdapter(&authentication.AnonymousAuthenticationProvider{})
	if err != nil {
		fmt.Println(err)
		return
	}
	adapter.SetBaseUrl(server.URL + "/v1.0")

	reader := &graph.Reader{Adapter: adapter}
	for device, err := range reader.ManagedDevices(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(device.Name, "compliance with Intune:", device.Features.Get(comgmt.Compliance))
	}
	// Output: AV-1042 compliance with Intune: yes
}

// TestTwin keeps send.go and its twin the same but for what each says of itself.
func TestTwin(t *testing.T) {
	read := func(name string, own ...string) string {
		text, err := os.ReadFile(filepath.FromSlash(name))
		require.NoError(t, err)
		for _, o := range own {
			require.Contains(t, string(text), o, name)
			text = bytes.ReplaceAll(text, []byte(o), []byte("…"))
		}
		return string(text)
	}
	require.Equal(t,
		read("send.go", "scepclient/intune/graph", "a page of a thousand managed devices of beta has about 5 MB.", "managedDevices", "comgmt/graph: "),
		read("../../scepclient/intune/graph/send.go", "comgmt/graph", "it is also the limit of intune.Parse.", "deviceConfigurations", "intune/graph: "))
}
