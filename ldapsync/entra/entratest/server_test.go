package entratest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

const graph = "https://graph.ashdown.example/v1.0"

// A reply is an answer as a client reads it.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (r reply) code() string {
	e, _ := r.body["error"].(map[string]any)
	c, _ := e["code"].(string)
	return c
}

func (r reply) message() string {
	e, _ := r.body["error"].(map[string]any)
	m, _ := e["message"].(string)
	return m
}

func (r reply) values() []map[string]any {
	list, _ := r.body["value"].([]any)
	var out []map[string]any
	for _, v := range list {
		out = append(out, v.(map[string]any))
	}
	return out
}

// do sends one request with a token; headers are name, value pairs.
func do(t testing.TB, s *entratest.Server, method, url, body string, headers ...string) reply {
	t.Helper()
	if strings.HasPrefix(url, "/") {
		url = graph + url
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer token-of-a-test")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.Transport().RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	r := reply{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		d := json.NewDecoder(bytes.NewReader(raw))
		require.NoError(t, d.Decode(&r.body), "%s %s: %s", method, url, raw)
	}
	return r
}

func get(t testing.TB, s *entratest.Server, url string, headers ...string) reply {
	t.Helper()
	return do(t, s, "GET", url, "", headers...)
}

func patch(t testing.TB, s *entratest.Server, url, body string) reply {
	t.Helper()
	return do(t, s, "PATCH", url, body)
}

func TestUserReadAndWrite(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddUser(entratest.Object{"userPrincipalName": "maud@ashdown.example", "department": "Tower", "employeeId": "71"})

	r := get(t, s, "/users/maud@ashdown.example")
	require.Equal(t, 200, r.status)
	require.Equal(t, id, r.body["id"])
	require.NotContains(t, r.body, "department", "returned on $select only")
	require.Contains(t, r.body, "givenName")
	require.Nil(t, r.body["givenName"])

	r = patch(t, s, "/users/"+id, `{"department":null,"onPremisesExtensionAttributes":{"extensionAttribute3":"north"}}`)
	require.Equal(t, 204, r.status, r.raw)
	require.Empty(t, r.raw)
	r = patch(t, s, "/users/"+id, `{"onPremisesExtensionAttributes":{"extensionAttribute4":"x"}}`)
	require.Equal(t, 204, r.status)

	r = get(t, s, "/users('maud@ashdown.example')?$select=department,onPremisesExtensionAttributes")
	require.NotContains(t, r.body, "id", "not selected")
	require.Contains(t, r.body, "department")
	require.Nil(t, r.body["department"])
	ext := r.body["onPremisesExtensionAttributes"].(map[string]any)
	require.Equal(t, "north", ext["extensionAttribute3"])
	require.Equal(t, "x", ext["extensionAttribute4"])
	require.Len(t, ext, 15)

	require.Equal(t, 404, get(t, s, "/users/nobody@ashdown.example").status)
	require.Equal(t, "Request_ResourceNotFound", get(t, s, "/users/nobody@ashdown.example").code())
}

func TestBatchSlice(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddUser(entratest.Object{"userPrincipalName": "maud@ashdown.example"})
	s.Script(entratest.Fault{Where: entratest.ItemsOnly, Skip: 1, Status: 429, RetryAfter: "0.249"})
	r := do(t, s, "POST", "/$batch", `{"requests":[
		{"id":"1","method":"PATCH","url":"/users/`+id+`","body":{"department":"Moat"},"headers":{"Content-Type":"application/json"}},
		{"id":"2","method":"PATCH","url":"/users/`+id+`","body":{"jobTitle":"Keeper"},"headers":{"Content-Type":"application/json"}},
		{"id":"3","method":"GET","url":"/users/`+id+`?$select=department,jobTitle"}]}`)
	require.Equal(t, 200, r.status, r.raw)
	responses := r.body["responses"].([]any)
	require.Len(t, responses, 3)
	second := responses[1].(map[string]any)
	require.EqualValues(t, 429, second["status"])
	require.Equal(t, "0.249", second["headers"].(map[string]any)["Retry-After"])
	third := responses[2].(map[string]any)
	require.Equal(t, "Moat", third["body"].(map[string]any)["department"])
	require.Nil(t, third["body"].(map[string]any)["jobTitle"])
	require.Len(t, s.Requests(), 4)
	require.Len(t, s.Writes(), 2)
}

func TestDeltaSlice(t *testing.T) {
	s := entratest.New(entratest.Config{})
	a := s.AddUser(entratest.Object{"userPrincipalName": "a@ashdown.example", "department": "One"})
	b := s.AddUser(entratest.Object{"userPrincipalName": "b@ashdown.example"})
	r := get(t, s, "/users/delta?$select=department,jobTitle")
	require.Len(t, r.values(), 2)
	require.Equal(t, "One", r.values()[0]["department"])
	require.NotContains(t, r.values()[0], "jobTitle")
	link := r.body["@odata.deltaLink"].(string)
	require.Empty(t, get(t, s, link).values())

	s.SetUser(a, entratest.Object{"department": nil, "city": "Ash"})
	s.DeleteUser(b, false)
	r = get(t, s, link)
	require.Len(t, r.values(), 2)
	require.Contains(t, r.values()[0], "department")
	require.Nil(t, r.values()[0]["department"])
	require.Equal(t, map[string]any{"reason": "changed"}, r.values()[1]["@removed"])

	s.ExpireDelta()
	r = get(t, s, link)
	require.Equal(t, 410, r.status)
	require.Equal(t, "syncStateNotFound", r.code())
}
