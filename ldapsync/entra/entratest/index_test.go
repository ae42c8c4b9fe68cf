package entratest_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// TestIndexFollowsChanges asks by filter after every kind of change, with filters that the index can and cannot answer.
func TestIndexFollowsChanges(t *testing.T) {
	s := entratest.New(entratest.Config{})
	found := func(filter string) (ids []any) {
		t.Helper()
		r := get(t, s, "/users?$select=id&$count=true&$filter="+url.QueryEscape(filter), "ConsistencyLevel", "eventual")
		require.Equal(t, 200, r.status, r.raw)
		for _, v := range r.values() {
			ids = append(ids, v["id"])
		}
		require.EqualValues(t, len(ids), r.body["@odata.count"])
		return ids
	}
	// The second filter of each pair has a clause the index does not know, and has to say the same.
	check := func(want []any, value string) {
		t.Helper()
		require.Equal(t, want, found("employeeId eq '"+value+"'"))
		require.Equal(t, want, found("employeeId eq '"+value+"' and accountEnabled in (true,false)"))
	}
	a := s.AddUser(entratest.Object{"employeeId": "K1"})
	b := s.AddUser(entratest.Object{"employeeId": "k1", "mail": "b@ashdown.example"})
	check([]any{a, b}, "k1")
	s.SetUser(a, entratest.Object{"employeeId": "K2"})
	check([]any{b}, "K1")
	check([]any{a}, "k2")
	require.Equal(t, []any{a, b}, found("employeeId in ('k2','K1','k2')"), "each once, in the order of the directory")
	require.Equal(t, []any{a, b}, found("employeeId eq 'k2' or mail eq 'b@ashdown.example' or employeeId eq 'k2'"))
	require.Equal(t, []any{a}, found("not (employeeId eq 'k1')"))
	s.SetUser(a, entratest.Object{"employeeId": nil})
	check(nil, "k2")
	s.DeleteUser(b, false)
	check(nil, "k1")
	require.Equal(t, 200, do(t, s, "POST", "/directory/deletedItems/"+b+"/restore", "").status)
	check([]any{b}, "k1")
	require.Equal(t, 204, patch(t, s, "/users/"+b, `{"employeeId":"k3"}`).status)
	check([]any{b}, "k3")

	lagged := entratest.New(entratest.Config{IndexLag: entratest.Lag{Reads: 1000}})
	id := lagged.AddUser(entratest.Object{"employeeId": "1"})
	require.Equal(t, 204, patch(t, lagged, "/users/"+id, `{"employeeId":"2"}`).status)
	for value, n := range map[string]int{"1": 1, "2": 0} {
		require.Len(t, get(t, lagged, "/users?$filter="+url.QueryEscape(fmt.Sprintf("employeeId eq '%s'", value))).values(), n)
	}
}
