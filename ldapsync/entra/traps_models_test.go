package entra_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	"github.com/microsoft/kiota-abstractions-go/store"
	khttp "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// The traps of the official SDK that this package exists to avoid, numbered as in its design. Each test shows what
// the SDK does by default and that this package does better. The SDK's user models cannot be imported here, since
// building them takes minutes and gigabytes; odataerrors has models of the same machinery (generated from the same
// templates, over the same backing store and serialisers), so the traps of models are shown with those.

// sdk is an adapter with the JSON serialisers of the SDK, over plain answers.
func sdk(t testing.TB, hc *http.Client) *khttp.NetHttpRequestAdapter {
	t.Helper()
	a, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(token("test"),
		jsonserialization.NewJsonParseNodeFactory(), jsonserialization.NewJsonSerializationWriterFactory(), hc)
	require.NoError(t, err)
	a.SetBaseUrl(base)
	return a
}

// canned answers every request with the same.
type canned struct {
	status int
	header http.Header
	body   string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	h := c.header.Clone()
	if h == nil {
		h = http.Header{"Content-Type": {"application/json"}}
	}
	return &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(strings.NewReader(c.body)), Request: r, ContentLength: int64(len(c.body))}, nil
}

func sdkGet(path string) *abstractions.RequestInformation {
	return abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(abstractions.GET, "{+baseurl}"+path, map[string]string{})
}

var odata = abstractions.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue}

func serialised(t *testing.T, f serialization.SerializationWriterFactory, m serialization.Parsable) string {
	t.Helper()
	w, err := f.GetSerializationWriter("application/json")
	require.NoError(t, err)
	require.NoError(t, w.WriteObjectValue("", m))
	b, err := w.GetSerializedContent()
	require.NoError(t, err)
	return string(b)
}

// TestTrap1Nulls: setting a property of a model to nil sends nothing at all unless the backing store is enabled on the
// adapter, which a core adapter does not do; the clear is lost without an error. Ours sends null, nested too.
func TestTrap1Nulls(t *testing.T) {
	m := odataerrors.NewMainError()
	text := "kept"
	m.SetCode(&text)
	m.SetMessage(nil)
	require.NotContains(t, serialised(t, jsonserialization.NewJsonSerializationWriterFactory(), m), `"message"`, "the SDK's default")

	server := entratest.New(entratest.Config{})
	id := server.AddUser(entratest.Object{"department": "Ward 3", "onPremisesExtensionAttributes": map[string]any{"extensionAttribute1": "a", "extensionAttribute2": "b"}})
	g := target(t, server.Transport())
	write(t, g, ldapsync.User, id, "department", []string{"Ward 3"}, nil, "extensionAttribute1", []string{"a"}, nil)
	sent := patched(server)
	require.Len(t, sent, 1)
	require.JSONEq(t, `{"department":null,"onPremisesExtensionAttributes":{"extensionAttribute1":null}}`, string(sent[0].Body))
	u, _ := server.User(id)
	require.Nil(t, u["department"])
	require.Equal(t, "b", u["onPremisesExtensionAttributes"].(map[string]any)["extensionAttribute2"])
}

// write changes attributes of one object: name, before, after, and so on.
func write(t *testing.T, g *entra.Target, class ldapsync.Class, id string, edits ...any) {
	t.Helper()
	require.NoError(t, tryWrite(t, g, class, id, edits...))
}

func tryWrite(t *testing.T, g *entra.Target, class ldapsync.Class, id string, edits ...any) error {
	t.Helper()
	guid, err := ldapsync.ParseGUID(id)
	require.NoError(t, err)
	ch := ldapsync.Change{Op: ldapsync.OpUpdate, ID: guid, Class: class}
	list := func(v any) []string {
		s, _ := v.([]string)
		return s
	}
	for i := 0; i+2 < len(edits); i += 3 {
		ch.Edits = append(ch.Edits, ldapsync.Edit{Attr: edits[i].(string), Before: list(edits[i+1]), After: list(edits[i+2])})
	}
	_, err = g.Write(t.Context(), ch)
	return err
}

// TestTrap2ChangeAfterGet: of a model that came from an answer, the first change is not sent, because the model stays
// in its initial state until it was serialised once. Ours has no models: what differs is what is sent.
func TestTrap2ChangeAfterGet(t *testing.T) {
	parse := store.NewBackingStoreParseNodeFactory(jsonserialization.NewJsonParseNodeFactory())
	node, err := parse.GetRootParseNode("application/json", []byte(`{"code":"a","message":"old"}`))
	require.NoError(t, err)
	v, err := node.GetObjectValue(odataerrors.CreateMainErrorFromDiscriminatorValue)
	require.NoError(t, err)
	m := v.(odataerrors.MainErrorable)
	changed := "new"
	m.SetMessage(&changed)
	body := serialised(t, store.NewBackingStoreSerializationWriterProxyFactory(jsonserialization.NewJsonSerializationWriterFactory()), m)
	require.NotContains(t, body, "new", "the SDK's default")

	server := entratest.New(entratest.Config{})
	id := server.AddUser(entratest.Object{"department": "old"})
	g := target(t, server.Transport())
	guid, err := ldapsync.ParseGUID(id)
	require.NoError(t, err)
	o, err := g.Get(t.Context(), guid, []string{"department"})
	require.NoError(t, err)
	write(t, g, ldapsync.User, id, "department", o.All("department"), []string{"new"})
	u, _ := server.User(id)
	require.Equal(t, "new", u["department"])
}

// TestTrap3Resent: a model that came from an answer sends back every property it does not know, changed or not. Ours
// sends the difference and nothing else.
func TestTrap3Resent(t *testing.T) {
	node, err := jsonserialization.NewJsonParseNodeFactory().GetRootParseNode("application/json", []byte(`{"code":"a","extension_x":"somebody else's"}`))
	require.NoError(t, err)
	v, err := node.GetObjectValue(odataerrors.CreateMainErrorFromDiscriminatorValue)
	require.NoError(t, err)
	require.Contains(t, serialised(t, jsonserialization.NewJsonSerializationWriterFactory(), v), "somebody else's", "the SDK's default")

	server := entratest.New(entratest.Config{})
	id := server.AddUser(entratest.Object{"department": "old", "jobTitle": "Nurse", "employeeId": "7"})
	write(t, target(t, server.Transport()), ldapsync.User, id, "department", []string{"old"}, []string{"new"})
	require.JSONEq(t, `{"department":"new"}`, string(patched(server)[0].Body))
}

// oddBodies are answers that have been seen in front of and behind Graph.
var oddBodies = map[string]canned{
	"empty object": {status: 400, body: `{}`},
	"code only":    {status: 400, body: `{"error":{"code":"Request_BadRequest"}}`},
	"OAuth":        {status: 400, body: `{"error":"invalid_request","error_description":"no"}`},
	"null message": {status: 400, body: `{"error":{"code":"x","message":null}}`},
	"array":        {status: 400, body: `[]`},
	"number":       {status: 400, body: `{"error":7}`},
	"HTML":         {status: 502, header: http.Header{"Content-Type": {"text/html"}}, body: "<html><h1>Bad Gateway</h1>\x00\xff"},
	"nothing":      {status: 500, body: ""},
	"cut off":      {status: 400, body: `{"error":{"code":"Req`},
}

// TestTrap6Errors: ODataError.Error panics where the body has no error.message, and a page of HTML loses its status.
// Ours never panics, always carries the status, and can still be had as an ODataError whose Error is safe.
func TestTrap6Errors(t *testing.T) {
	panics, statusLost := 0, 0
	for name, c := range oddBodies {
		t.Run(name, func(t *testing.T) {
			func() {
				defer func() {
					if recover() != nil {
						panics++
					}
				}()
				_, err := sdk(t, &http.Client{Transport: c}).SendPrimitive(t.Context(), sdkGet("/users"), "[]byte", odata)
				require.Error(t, err)
				_ = err.Error()
				var status abstractions.ApiErrorable
				if !errors.As(err, &status) || status.GetStatusCode() != c.status {
					statusLost++
				}
			}()

			_, err := client(t, c).Do(t.Context(), entra.Request{Method: "GET", Path: "/users"})
			var e *entra.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.status, e.Status)
			require.NotContains(t, err.Error(), "\x00")
			require.NotEmpty(t, e.ClientRequestID)
			var o *odataerrors.ODataError
			require.ErrorAs(t, err, &o)
			require.NotEmpty(t, o.Error())
			var status abstractions.ApiErrorable
			require.ErrorAs(t, err, &status)
			require.Equal(t, c.status, status.GetStatusCode())
		})
	}
	require.GreaterOrEqual(t, panics, 3, "the SDK's default")
	require.GreaterOrEqual(t, statusLost, 1, "the SDK's default")
}

// TestTrap7NoResult: 204, and 200 without a body, give (nil, nil) from the SDK, and whoever looks into the result
// panics. Ours gives the status and no body, and where a body is needed an error.
func TestTrap7NoResult(t *testing.T) {
	for _, status := range []int{200, 204} {
		c := canned{status: status, header: http.Header{"Content-Length": {"0"}}}
		v, err := sdk(t, &http.Client{Transport: c}).Send(t.Context(), sdkGet("/users/x"), odataerrors.CreateMainErrorFromDiscriminatorValue, odata)
		require.NoError(t, err)
		require.Nil(t, v, "the SDK's default")

		res, err := client(t, c).Do(t.Context(), entra.Request{Method: "GET", Path: "/users/x"})
		require.NoError(t, err)
		require.Equal(t, status, res.Status)
		require.Nil(t, res.Body)
		for _, err := range target(t, c).Read(t.Context(), ldapsync.Query{Class: ldapsync.User}) {
			require.ErrorIs(t, err, ldapsync.ErrPartial)
		}
	}
}

// sdkBatch sends one batch of n GETs with the SDK's batch.
func sdkBatch(t *testing.T, rt http.RoundTripper, n int) (core.BatchResponse, error) {
	t.Helper()
	a := sdk(t, &http.Client{Transport: rt})
	b := core.NewBatchRequest(a)
	for range n {
		if _, err := b.AddBatchRequestStep(*sdkGet("/users/x")); err != nil {
			return nil, err
		}
	}
	return b.Send(t.Context(), a)
}

func batchAnswer(items string) canned {
	return canned{status: 200, body: `{"responses":[` + items + `]}`}
}

// TestTrap8Batch: what the SDK's batch does with numbers, odd headers, text bodies and throttled items, and what ours
// does.
func TestTrap8Batch(t *testing.T) {
	one := []entra.Request{{Method: "GET", Path: "/users/x"}}
	t.Run("numbers", func(t *testing.T) {
		c := batchAnswer(`{"id":"1","status":200,"headers":{"Content-Type":"application/json"},"body":{"count":9007199254740993,"half":0.5}}`)
		res, err := sdkBatch(t, c, 1)
		require.NoError(t, err)
		body := res.GetResponses()[0].GetBody()
		require.Nil(t, body["count"], "the SDK's default")

		got, err := client(t, c).Batch(t.Context(), one)
		require.NoError(t, err)
		require.JSONEq(t, `{"count":9007199254740993,"half":0.5}`, string(got[0].Response.Body))
		require.Contains(t, string(got[0].Response.Body), "9007199254740993")
	})
	t.Run("headers", func(t *testing.T) {
		c := batchAnswer(`{"id":"1","status":200,"headers":{"Content-Type":"application/json","Location":null,"x-ms-resource-unit":1},"body":{}}`)
		require.Panics(t, func() { _, _ = sdkBatch(t, c, 1) }, "the SDK's default")

		got, err := client(t, c).Batch(t.Context(), one)
		require.NoError(t, err)
		require.NoError(t, got[0].Err)
		require.Equal(t, "1", got[0].Response.Header.Get("x-ms-resource-unit"))
	})
	t.Run("text body", func(t *testing.T) {
		c := batchAnswer(`{"id":"1","status":200,"headers":{"Content-Type":"image/jpeg"},"body":"/9j/4A=="}`)
		_, err := sdkBatch(t, c, 1)
		require.Error(t, err, "the SDK's default")

		got, err := client(t, c).Batch(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, []byte{0xff, 0xd8, 0xff, 0xe0}, got[0].Response.Body)
	})
	t.Run("errors of items", func(t *testing.T) {
		c := batchAnswer(`{"id":"1","status":404,"headers":{"Content-Type":"application/json"},"body":{"error":{"code":"Request_ResourceNotFound","message":"it is gone"}}}`)
		res, err := sdkBatch(t, c, 1)
		require.NoError(t, err)
		_, err = core.GetBatchResponseById[serialization.Parsable](res, *res.GetResponses()[0].GetId(), odataerrors.CreateMainErrorFromDiscriminatorValue)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "it is gone", "the SDK's default")

		got, err := client(t, c).Batch(t.Context(), one)
		require.NoError(t, err)
		require.ErrorIs(t, got[0].Err, ldapsync.ErrNotFound)
		require.ErrorContains(t, got[0].Err, "Request_ResourceNotFound: it is gone")
	})
	t.Run("throttled items", func(t *testing.T) {
		calls := 0
		rt := roundTrip(func(r *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return batchAnswer(`{"id":"1","status":429,"headers":{"Retry-After":"0.001"},"body":{"error":{"code":"TooManyRequests","message":"slowly"}}}`).RoundTrip(r)
			}
			return batchAnswer(`{"id":"1","status":200,"body":{}}`).RoundTrip(r)
		})
		res, err := sdkBatch(t, rt, 1)
		require.NoError(t, err)
		require.EqualValues(t, 429, *res.GetResponses()[0].GetStatus(), "the SDK's default: it is not sent again")

		calls = 0
		q := &entra.Queue{Client: client(t, rt), Linger: -1}
		_, err = q.Do(t.Context(), one[0])
		require.NoError(t, err)
		require.Equal(t, 2, calls)
	})
	t.Run("left out", func(t *testing.T) {
		c := batchAnswer(``)
		a := sdk(t, &http.Client{Transport: c})
		many := core.NewBatchRequest(a)
		step, err := many.AddBatchRequestStep(*sdkGet("/users/x"))
		require.NoError(t, err)
		res, err := many.Send(t.Context(), a)
		require.NoError(t, err)
		require.Panics(t, func() {
			_, _ = core.GetBatchResponseById[*odataerrors.MainError](res, *step.GetId(), odataerrors.CreateMainErrorFromDiscriminatorValue)
		}, "the SDK's default")

		got, err := client(t, c).Batch(t.Context(), one)
		require.NoError(t, err)
		require.ErrorIs(t, got[0].Err, ldapsync.ErrTransient)
	})
	t.Run("a later call fails", func(t *testing.T) {
		// The SDK's collection sends one batch after another; what the first ones did is lost with the first failure.
		calls := 0
		rt := roundTrip(func(r *http.Request) (*http.Response, error) {
			if calls++; calls == 2 {
				return canned{status: 403, body: `{"error":{"code":"Forbidden","message":"no"}}`}.RoundTrip(r)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			var items []string
			for i := range strings.Count(string(body), `"method"`) {
				items = append(items, fmt.Sprintf(`{"id":"%d","status":200,"headers":{},"body":{}}`, i+1))
			}
			return batchAnswer(strings.Join(items, ",")).RoundTrip(r)
		})
		a := sdk(t, &http.Client{Transport: rt})
		many := core.NewBatchRequestCollection(a)
		for range 25 {
			_, err := many.AddBatchRequestStep(*sdkGet("/users/x"))
			require.NoError(t, err)
		}
		res, err := many.Send(t.Context(), a)
		require.Error(t, err)
		require.Nil(t, res, "the SDK's default")

		calls = 0
		q := &entra.Queue{Client: client(t, rt), Linger: -1, Parallel: 1}
		reqs := make([]entra.Request, 25)
		for i := range reqs {
			reqs[i] = one[0]
		}
		done, refused := 0, 0
		for _, r := range q.DoAll(t.Context(), reqs) {
			if r.Err == nil {
				done++
			} else if errors.Is(r.Err, ldapsync.ErrPermission) {
				refused++
			}
		}
		require.Equal(t, [2]int{20, 5}, [2]int{done, refused})
	})
	t.Run("answers that do not fit", func(t *testing.T) {
		two := []entra.Request{{Method: "GET", Path: "/users/x"}, {Method: "PATCH", Path: "/users/y", Body: []byte(`{}`)}}
		for name, c := range map[string]canned{
			"left out":    batchAnswer(`{"id":"1","status":200,"body":{}}`),
			"twice":       batchAnswer(`{"id":"1","status":200},{"id":"1","status":200}`),
			"unknown":     batchAnswer(`{"id":"9","status":200}`),
			"not a batch": {status: 200, body: `{"value":[]}`},
			"no status":   batchAnswer(`{"id":"1","status":200},{"id":"2"}`),
			"null":        {status: 200, body: `null`},
		} {
			got, _ := client(t, c).Batch(t.Context(), two)
			require.ErrorIs(t, got[1].Err, ldapsync.ErrUnclear, name)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTrap9NullAndAbsent: a model cannot tell a property that is null from one that was not sent, so a delta cannot be
// applied with it. Ours keeps them apart. (That the SDK's page iterator loses the delta link with the wrong factory
// needs the SDK's models: examples/graphreport has the test.)
func TestTrap9NullAndAbsent(t *testing.T) {
	var seen [2]*string
	for i, body := range []string{`{"code":"a","message":null}`, `{"code":"a"}`} {
		node, err := jsonserialization.NewJsonParseNodeFactory().GetRootParseNode("application/json", []byte(body))
		require.NoError(t, err)
		v, err := node.GetObjectValue(odataerrors.CreateMainErrorFromDiscriminatorValue)
		require.NoError(t, err)
		seen[i] = v.(odataerrors.MainErrorable).GetMessage()
	}
	require.Equal(t, seen[0], seen[1], "the SDK's default")

	server := entratest.New(entratest.Config{})
	id := server.AddUser(entratest.Object{"department": "Ward 3", "jobTitle": "Nurse"})
	g := target(t, server.Transport())
	_, link := collect(t, g.Delta(t.Context(), ldapsync.User, "", "department", "jobTitle"))
	server.SetUser(id, entratest.Object{"department": nil})
	changes, _ := collect(t, g.Delta(t.Context(), ldapsync.User, link))
	require.Len(t, changes, 1)
	_, known := changes[0].Values("department")
	require.True(t, known)
}

// TestTrap11Races: the first use of the SDK's error registry, which every batch asks, is a data race, and so is setting
// up clients side by side. A process of its own does it, since a test in which the race detector finds something has
// failed. Ours reads no package variable of theirs on its way: a new client is used by many goroutines at once, errors
// included.
func TestTrap11Races(t *testing.T) {
	t.Run("the SDK", func(t *testing.T) {
		if !raceDetector {
			t.Skip("only the race detector sees a race: go test -race")
		}
		for _, races := range []string{"registry", "clients"} {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTrap11Child$", "-test.count=1")
			cmd.Env = append(os.Environ(), "HYBRIDKIT_RACE="+races)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the SDK's default")
			require.Contains(t, string(out), "WARNING: DATA RACE", "the SDK's default")
		}
	})
	server := entratest.New(entratest.Config{})
	ids := people(server, 8)
	server.Script(entratest.Fault{Method: "GET", Times: 10, Status: 503, Page: entratest.EmptyObject})
	q := &entra.Queue{Client: client(t, server.Transport()), Budget: quick(), Retry: entra.Retry{Base: time.Millisecond}}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for range 5 {
				if _, err := q.Do(t.Context(), entra.Request{Method: "GET", Path: "/users/" + id}); err != nil {
					t.Error(err)
				}
				_, err := q.Client.Do(t.Context(), entra.Request{Method: "GET", Path: "/users/nobody"})
				_ = err.Error()
			}
		})
	}
	wg.Wait()
}

// TestTrap11Child is what TestTrap11Races does in a process of its own.
func TestTrap11Child(t *testing.T) {
	races := os.Getenv("HYBRIDKIT_RACE")
	if races == "" {
		t.Skip("TestTrap11Races starts this")
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		adapter := sdk(t, &http.Client{})
		wg.Go(func() {
			<-start
			switch races {
			case "registry": // what each batch and each page iterator asks
				_, _ = core.GetErrorFactoryFromRegistry(core.BatchRequestErrorRegistryKey)
			case "clients": // what the constructor of a GraphServiceClient does
				adapter.EnableBackingStore(store.BackingStoreFactoryInstance)
			}
		})
	}
	close(start)
	wg.Wait()
}
