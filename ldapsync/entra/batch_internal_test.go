package entra

import (
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sameItems: what usualItems takes apart is what encoding/json finds. It reports whether it did.
func sameItems(t *testing.T, answer string) bool {
	if !json.Valid([]byte(answer)) {
		_, _ = usualItems([]byte(answer)) // it must end
		return false
	}
	got, ok := usualItems([]byte(answer))
	if !ok {
		return false
	}
	var want struct {
		Responses []batchItem `json:"responses"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &want))
	require.Equal(t, want.Responses, got)
	for _, it := range got {
		h := http.Header{}
		if len(it.Headers) == 0 || !flat(it.Headers, h) {
			continue
		}
		var m map[string]string
		require.NoError(t, json.Unmarshal(it.Headers, &m))
		if len(h) < len(m) {
			continue // two spellings of a name: either value counts
		}
		want := http.Header{}
		for k, v := range m {
			want.Set(k, v)
		}
		require.Equal(t, want, h)
	}
	return true
}

func TestUsualItems(t *testing.T) {
	for _, answer := range []string{
		`{"responses":[{"id":"1","status":204,"headers":{"Cache-Control":"no-cache"},"body":null}]}`,
		`{"responses":[{"id":"2","status":429,"headers":{"Retry-After":"0.249"},"body":{"error":{"code":"a","message":"}]\"\\","x":[[{}],1]}}},{"id":1,"status":-1}]}`,
		" {\n \"responses\" : [ { \"id\" : \"1\" , \"status\" : 200 , \"body\" : [ 1 , \"a, b\" ] } , {\"status\": 404 } ] } \n",
		`{"responses":[{"id":"1","id":"2","status":1,"status":204,"body":"aGk=","headers":{}}]}`,
		`{"responses":[{"headers":null,"body":"\\","status":0}]}`,
	} {
		require.True(t, sameItems(t, answer), answer)
	}
	for _, answer := range []string{
		``, `null`, `[]`, `{}`, `{"responses":null}`, `{"responses":[]}`, `{"responses":[{}]}`, `{"responses":[null]}`, `{"Responses":[{"id":"1"}]}`,
		`{"responses":[{"id":"1","status":null}]}`, `{"responses":[{"id":"1","status":2e2}]}`, `{"responses":[{"id":"1","Status":200}]}`,
		`{"responses":[{"id":"1"}],"responses":[{"id":"2"}]}`, `{"@odata.context":"x","responses":[{"id":"1"}]}`, `{"responses":[{"id":"1"}]`, `{"responses":[{"\u0069d":"1"}]}`,
	} {
		require.False(t, sameItems(t, answer), answer)
	}
}

// TestManyItems: however many items an answer has, no more are kept than a batch may hold.
func TestManyItems(t *testing.T) {
	for item, message := range map[string]string{`{"id":1}`: "more than 20 items", `{}`: "more than 20 items", `{"id":1,"x":0}`: "more than 20 items", `[]`: "item 1 "} {
		answer := []byte(`{"responses":[` + strings.Repeat(item+",", 1<<20) + item + `]}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := batchItems(answer)
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, message)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*len(answer)+1<<20), item)
	}
	for answer, message := range map[string]string{`{`: "not JSON", `{"responses":null}`: "no responses", `{}`: "no responses", `{"responses":{}}`: "no array", `{"responses":[{"id":"1","status":"x"}]}`: "item 1 "} {
		_, err := batchItems([]byte(answer))
		require.ErrorContains(t, err, message, answer)
	}
	full := `{"responses":[` + strings.Repeat(`{"id":1},`, maxBatch-1)
	items, err := batchItems([]byte(full + `{"id":1}]}`))
	require.NoError(t, err)
	require.Len(t, items, maxBatch)
	items, err = batchItems([]byte(full + `{"Id":1}]}`))
	require.NoError(t, err)
	require.Len(t, items, maxBatch)
}

func FuzzUsualItems(f *testing.F) {
	f.Add(`{"responses":[{"id":"1","status":204,"headers":{"Cache-Control":"no-cache"},"body":null}]}`)
	f.Add(`{"responses":[{"id":"2","status":429,"headers":{"a":"b","A":"c"},"body":{"error":{"message":"}]\"\\","x":[[{}],1]}}},{"id":1}]}`)
	f.Add(`{"responses":[{"id":"1","status":200,"body":"\\"`)
	f.Fuzz(func(t *testing.T, answer string) { sameItems(t, answer) })
}
