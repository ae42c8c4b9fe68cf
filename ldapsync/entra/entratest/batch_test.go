package entratest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// items builds a $batch.
func items(list ...string) string { return `{"requests":[` + strings.Join(list, ",") + `]}` }

// answers returns the answers of a $batch by id.
func answers(t *testing.T, r reply) map[string]map[string]any {
	t.Helper()
	require.Equal(t, 200, r.status, r.raw)
	out := map[string]map[string]any{}
	for _, v := range r.body["responses"].([]any) {
		m := v.(map[string]any)
		out[m["id"].(string)] = m
	}
	return out
}

func TestBatchRefused(t *testing.T) {
	s := entratest.New(entratest.Config{})
	get := func(id string) string { return `{"id":"` + id + `","method":"GET","url":"/users"}` }
	var many []string
	for i := range 21 {
		many = append(many, get(fmt.Sprint(i)))
	}
	require.Equal(t, 200, do(t, s, "POST", "/$batch", items(many[:20]...)).status)
	for name, body := range map[string]string{
		"21 items":             items(many...),
		"an id twice":          items(get("a"), get("A")),
		"no id":                items(`{"method":"GET","url":"/users"}`),
		"no url":               items(`{"id":"1","method":"GET"}`),
		"no content type":      items(`{"id":"1","method":"PATCH","url":"/users/x","body":{}}`),
		"header is a number":   items(`{"id":"1","method":"GET","url":"/users","headers":{"x":1}}`),
		"headers are a list":   items(`{"id":"1","method":"GET","url":"/users","headers":[]}`),
		"body is not base64":   items(`{"id":"1","method":"POST","url":"/users","headers":{"Content-Type":"text/plain"},"body":"*"}`),
		"depends on a later":   items(`{"id":"1","method":"GET","url":"/users","dependsOn":["2"]}`, get("2")),
		"depends on itself":    items(`{"id":"1","method":"GET","url":"/users","dependsOn":["1"]}`),
		"dependsOn is a word":  items(get("1"), `{"id":"2","method":"GET","url":"/users","dependsOn":"1"}`),
		"partly serial":        items(get("1"), get("2"), `{"id":"3","method":"GET","url":"/users","dependsOn":["2"]}`, `{"id":"4","method":"GET","url":"/users","dependsOn":["1"]}`),
		"requests is no array": `{"requests":{}}`,
		"item is no object":    `{"requests":[1]}`,
		"nothing":              `{}`,
	} {
		r := do(t, s, "POST", "/$batch", body)
		require.Equal(t, 400, r.status, name)
		require.Equal(t, "BadRequest", r.code(), name)
	}
	require.Equal(t, 405, do(t, s, "GET", "/$batch", "").status)
	nested := answers(t, do(t, s, "POST", "/$batch", items(`{"id":"1","method":"POST","url":"/$batch","headers":{"Content-Type":"application/json"},"body":{"requests":[]}}`)))
	require.EqualValues(t, 400, nested["1"]["status"])
}

func TestBatchDependency(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddUser(nil)
	patch := func(n int, body, depends string) string {
		return fmt.Sprintf(`{"id":"%d","method":"PATCH","url":"/users/%s","headers":{"Content-Type":"application/json"},"body":%s,"dependsOn":[%s]}`, n, id, body, depends)
	}
	got := answers(t, do(t, s, "POST", "/$batch", items(patch(1, `{"city":"Ash"}`, ""), patch(2, `{"id":"x"}`, `"1"`), patch(3, `{"city":"Oak"}`, `"2"`))))
	require.EqualValues(t, 204, got["1"]["status"])
	require.NotContains(t, got["1"], "body")
	require.EqualValues(t, 400, got["2"]["status"])
	require.EqualValues(t, 424, got["3"]["status"])
	u, _ := s.User(id)
	require.Equal(t, "Ash", u["city"])
	reqs := s.Requests()
	require.Len(t, reqs, 4)
	require.Equal(t, []int{0, 1, 2, 3}, []int{reqs[0].Batch, reqs[1].Batch, reqs[2].Batch, reqs[3].Batch})
	require.Equal(t, 424, reqs[3].Status)
	require.Equal(t, "/users/"+id, reqs[3].Path)
}

func TestBatchHeadersAndShuffle(t *testing.T) {
	s := entratest.New(entratest.Config{ShuffleBatch: true, Seed: 1})
	s.AddUser(entratest.Object{"companyName": "Vale"})
	list := []string{
		`{"id":"advanced","method":"GET","url":"users?$filter=companyName eq 'Vale'&$count=true","headers":{"consistencylevel":"eventual"}}`,
		`{"id":"plain","method":"GET","url":"/users?$filter=companyName eq 'Vale'"}`,
		`{"id":"count","method":"GET","url":"/users/$count","headers":{"ConsistencyLevel":"eventual"}}`,
	}
	for i := range 10 {
		list = append(list, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/users"}`, i))
	}
	r := do(t, s, "POST", "/$batch", items(list...))
	got := answers(t, r)
	require.EqualValues(t, 200, got["advanced"]["status"])
	require.EqualValues(t, 400, got["plain"]["status"])
	require.Equal(t, "MQ==", got["count"]["body"], "what is no JSON comes as base64")
	var order []string
	for _, v := range r.body["responses"].([]any) {
		order = append(order, v.(map[string]any)["id"].(string))
	}
	require.NotEqual(t, "advanced", order[0]+order[1], "shuffled")
	b, err := json.Marshal(order)
	require.NoError(t, err)
	again := entratest.New(entratest.Config{ShuffleBatch: true, Seed: 1})
	again.AddUser(entratest.Object{"companyName": "Vale"})
	order = nil
	for _, v := range do(t, again, "POST", "/$batch", items(list...)).body["responses"].([]any) {
		order = append(order, v.(map[string]any)["id"].(string))
	}
	b2, err := json.Marshal(order)
	require.NoError(t, err)
	require.Equal(t, string(b), string(b2), "the same seed shuffles alike")
}
