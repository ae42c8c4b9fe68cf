package entratest_test

import (
	"fmt"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// round follows a delta to its deltaLink.
func round(t *testing.T, s *entratest.Server, link string, headers ...string) (items []map[string]any, next string) {
	t.Helper()
	for {
		r := get(t, s, link, headers...)
		require.Equal(t, 200, r.status, r.raw)
		items = append(items, r.values()...)
		if next, ok := r.body["@odata.deltaLink"].(string); ok {
			require.NotContains(t, r.body, "@odata.nextLink")
			return items, next
		}
		link = r.body["@odata.nextLink"].(string)
	}
}

func TestDeltaNullAndAbsent(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddUser(entratest.Object{"department": "Moat", "city": "Ash"})
	items, link := round(t, s, "/users/delta?$select=department,city,jobTitle")
	require.Equal(t, []map[string]any{{"id": id, "department": "Moat", "city": "Ash"}}, items)

	s.SetUser(id, entratest.Object{"department": nil})
	items, again := round(t, s, link)
	require.Equal(t, []map[string]any{{"id": id, "department": nil, "city": "Ash"}}, items)
	items, _ = round(t, s, link, "Prefer", "return=minimal")
	require.Equal(t, []map[string]any{{"id": id, "department": nil}}, items, "a link can be used again")

	s.SetUser(id, entratest.Object{"givenName": "Ada"}) // not selected
	items, _ = round(t, s, again)
	require.Empty(t, items)
}

func TestDeltaLifeOfAnObject(t *testing.T) {
	s := entratest.New(entratest.Config{PageSize: 2})
	var ids []string
	for i := range 5 {
		ids = append(ids, s.AddUser(entratest.Object{"employeeId": fmt.Sprint(i)}))
	}
	items, link := round(t, s, "/users/delta()?$select=employeeId")
	require.Len(t, items, 5)

	s.DeleteUser(ids[0], false)
	s.DeleteUser(ids[1], true)
	created := s.AddUser(entratest.Object{"employeeId": "9"})
	s.SetUser(ids[2], entratest.Object{"employeeId": "22"})
	items, link = round(t, s, link)
	got := map[string]any{}
	for _, it := range items {
		got[it["id"].(string)] = it["@removed"]
	}
	require.Equal(t, map[string]any{
		ids[0]: map[string]any{"reason": "changed"}, ids[1]: map[string]any{"reason": "deleted"}, created: nil, ids[2]: nil,
	}, got)

	require.Equal(t, 200, do(t, s, "POST", "/directory/deletedItems/"+ids[0]+"/restore", "").status)
	items, link = round(t, s, link)
	require.Equal(t, []map[string]any{{"id": ids[0], "employeeId": "0"}}, items, "a restored object comes whole")
	items, _ = round(t, s, link)
	require.Empty(t, items)
}

func TestDeltaLatestAndIDs(t *testing.T) {
	s := entratest.New(entratest.Config{})
	a, b := s.AddUser(nil), s.AddUser(nil)
	items, link := round(t, s, "/users/delta?$deltatoken=latest&$select=city")
	require.Empty(t, items)
	s.SetUser(b, entratest.Object{"city": "Ash"})
	items, _ = round(t, s, link)
	require.Equal(t, []map[string]any{{"id": b, "city": "Ash"}}, items)

	items, _ = round(t, s, "/users/delta?$filter="+url.QueryEscape("id eq '"+a+"' or id eq '0'"))
	require.Len(t, items, 1)
	require.Equal(t, a, items[0]["id"])
	for _, q := range []string{"$filter=" + url.QueryEscape("displayName eq 'x'"), "$top=5", "$orderby=id", "$expand=manager", "$select=nosuch", "$deltatoken=", "$deltatoken=rubbish", "$skiptoken=e30"} {
		require.Equal(t, 400, get(t, s, "/users/delta?"+q).status, q)
	}
	require.Equal(t, 400, get(t, s, "/devices/delta?"+mustQuery(t, link)).status, "a token of another set")
}

func mustQuery(t *testing.T, link string) string {
	u, err := url.Parse(link)
	require.NoError(t, err)
	return u.RawQuery
}

func TestDeltaExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{DeltaLifetime: time.Hour})
		s.AddDevice(nil)
		_, link := round(t, s, "/devices/delta")
		time.Sleep(time.Hour)
		require.Equal(t, 200, get(t, s, link).status)
		time.Sleep(time.Second)
		r := get(t, s, link)
		require.Equal(t, 410, r.status)
		require.Equal(t, "syncStateNotFound", r.code())
		items, _ := round(t, s, r.header.Get("Location")[:len(r.header.Get("Location"))-len("?$deltatoken=")])
		require.Len(t, items, 1)
	})
}

func TestDeltaRepeats(t *testing.T) {
	s := entratest.New(entratest.Config{DeltaRepeats: true, PageSize: 5, Seed: 3})
	want := map[any]bool{}
	for range 12 {
		want[s.AddUser(nil)] = true
	}
	items, _ := round(t, s, "/users/delta")
	require.Len(t, items, 15, "one of each page comes twice")
	got := map[any]bool{}
	for _, it := range items {
		got[it["id"]] = true
	}
	require.Equal(t, want, got)
}

// TestDeltaLag checks that a change hidden by the lag is neither shown early nor lost.
func TestDeltaLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{IndexLag: entratest.Lag{For: time.Minute}})
		a, b := s.AddUser(nil), s.AddUser(nil)
		_, link := round(t, s, "/users/delta?$select=city")
		require.Equal(t, 204, patch(t, s, "/users/"+a, `{"city":"Ash"}`).status)
		s.SetUser(b, entratest.Object{"city": "Oak"}) // a later change that is seen at once
		items, link := round(t, s, link)
		require.Equal(t, []map[string]any{{"id": b, "city": "Oak"}}, items)
		time.Sleep(time.Minute)
		items, link = round(t, s, link)
		require.Contains(t, items, map[string]any{"id": a, "city": "Ash"})
		items, _ = round(t, s, link)
		require.Empty(t, items)
	})
}

func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{ReadLag: entratest.Lag{Reads: 2}, IndexLag: entratest.Lag{For: time.Minute}})
		id := s.AddUser(entratest.Object{"department": "Moat"})
		byFilter := func() int {
			return len(get(t, s, "/users?$filter="+url.QueryEscape("department eq 'Tower'")).values())
		}
		require.Equal(t, 204, patch(t, s, "/users/"+id, `{"department":"Tower"}`).status)
		for i, want := range []string{"Moat", "Moat", "Tower", "Tower"} {
			require.Equal(t, want, get(t, s, "/users/"+id+"?$select=department").body["department"], i)
		}
		require.Zero(t, byFilter())
		time.Sleep(time.Minute)
		require.Equal(t, 1, byFilter())

		r := do(t, s, "POST", "/users", `{"accountEnabled":true,"displayName":"Ida","mailNickname":"ida","userPrincipalName":"ida@ashdown.example","passwordProfile":{"password":"x"}}`)
		require.Equal(t, 201, r.status)
		require.Equal(t, 404, get(t, s, "/users/ida@ashdown.example").status)
		require.Equal(t, 404, get(t, s, "/users/ida@ashdown.example").status)
		require.Equal(t, 200, get(t, s, "/users/ida@ashdown.example").status)
		require.Len(t, get(t, s, "/users").values(), 1)
		time.Sleep(time.Minute)
		require.Len(t, get(t, s, "/users").values(), 2)
	})
}
