package entratest_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

func TestFaultSelection(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddUser(nil)
	s.Script(
		entratest.Fault{Name: "second patch", Method: "PATCH", Path: "/users/*", Skip: 1, Times: 2, Status: 503, RetryAfter: "1"},
		entratest.Fault{Name: "device", Path: "/devices/*", Status: 500},
	)
	var got []int
	for range 5 {
		got = append(got, patch(t, s, "/users/"+id, `{"city":"Ash"}`).status)
	}
	require.Equal(t, []int{204, 503, 503, 204, 204}, got)
	require.Equal(t, "second patch", s.Requests()[1].Fault)
	require.Empty(t, s.Requests()[0].Fault)
	s.Script(entratest.Fault{Times: -1, Status: 500})
	s.ClearFaults()
	require.Equal(t, 200, get(t, s, "/users").status)
}

// TestFaultPages checks the bytes of every odd page, since clients are tested against just those.
func TestFaultPages(t *testing.T) {
	for page, want := range map[entratest.Page]struct{ contentType, body string }{
		entratest.EmptyObject:   {"application/json", `{}`},
		entratest.CodeOnly:      {"application/json", `{"error":{"code":"TooManyRequests"}}`},
		entratest.OAuthError:    {"application/json", `{"error":"invalid"}`},
		entratest.NullMessage:   {"application/json", `{"error":{"code":"TooManyRequests","message":null}}`},
		entratest.HTMLPage:      {"text/html", "<!DOCTYPE html>"},
		entratest.EmptyBody:     {"", ""},
		entratest.TruncatedJSON: {"application/json", `{"error":{"code":"TooManyRequests`},
		entratest.ErrorArray:    {"application/json", `[]`},
		entratest.GraphError:    {"application/json", `{"error":{"code":"TooManyRequests","innerError":`},
	} {
		s := entratest.New(entratest.Config{})
		s.Script(entratest.Fault{Status: 429, Page: page, RetryAfter: "0.249"})
		req, err := http.NewRequestWithContext(t.Context(), "GET", graph+"/users", nil)
		require.NoError(t, err)
		resp, err := s.Transport().RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, "0.249", resp.Header.Get("Retry-After"))
		media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
		require.Equal(t, want.contentType, media)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(body), want.body), "%s", body)
		if want.body == "" {
			require.Empty(t, body)
		}
	}
}

func TestTruncatedGzip(t *testing.T) {
	s := entratest.New(entratest.Config{})
	s.Script(entratest.Fault{Status: 500, Page: entratest.TruncatedGzip, Times: -1})
	srv := httptest.NewServer(s)
	defer srv.Close()
	for name, client := range map[string]*http.Client{"network": srv.Client(), "transport": {Transport: s.Transport()}} {
		resp, err := client.Get(srv.URL + "/v1.0/users")
		require.NoError(t, err, name)
		_, err = io.ReadAll(resp.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
		require.NoError(t, resp.Body.Close())
	}
}

func TestUnclearOutcome(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddUser(nil)
	s.Script(
		entratest.Fault{Method: "PATCH", Effect: true, Drop: true},
		entratest.Fault{Method: "PATCH", Drop: true},
		entratest.Fault{Method: "PATCH", Effect: true, Status: 504},
	)
	srv := httptest.NewServer(s)
	defer srv.Close()
	send := func(city string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), "PATCH", srv.URL+"/v1.0/users/"+id, strings.NewReader(`{"city":"`+city+`"}`))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer x")
		req.Header.Set("Content-Type", "application/json")
		resp, err := srv.Client().Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	city := func() any { u, _ := s.User(id); return u["city"] }
	_, err := send("Ash")
	require.Error(t, err)
	require.Equal(t, "Ash", city(), "carried out, though the client saw nothing")
	_, err = send("Oak")
	require.Error(t, err)
	require.Equal(t, "Ash", city())
	status, err := send("Elm")
	require.NoError(t, err)
	require.Equal(t, 504, status)
	require.Equal(t, "Elm", city())
}

func TestDelayAndCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{})
		id := s.AddUser(nil)
		s.Script(entratest.Fault{Delay: time.Minute, Times: -1})
		start := time.Now()
		require.Equal(t, 200, get(t, s, "/users").status, "a fault that only delays")
		require.Equal(t, time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "PATCH", graph+"/users/"+id, strings.NewReader(`{"city":"Ash"}`))
		require.NoError(t, err)
		_, err = s.Transport().RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		u, _ := s.User(id)
		require.NotContains(t, u, "city")
	})
}

// TestWriteBudget sends writes as fast as they are admitted, through a client that obeys Retry-After to the millisecond, and
// checks that the budget is neither exceeded in any window nor wasted.
func TestWriteBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{Budgets: []entratest.Budget{entratest.WriteBudget()}})
		id := s.AddUser(nil)
		start, throttled := time.Now(), 0
		for i := range 9500 {
			for {
				r := patch(t, s, "/users/"+id, fmt.Sprintf(`{"city":"%d"}`, i))
				if r.status == 204 {
					break
				}
				require.Equal(t, 429, r.status)
				require.Equal(t, "TooManyRequests", r.code())
				require.Equal(t, "WriteLimitExceeded", r.header.Get("x-ms-throttle-information"))
				throttled++
				wait, err := strconv.ParseFloat(r.header.Get("Retry-After"), 64)
				require.NoError(t, err)
				time.Sleep(time.Duration(math.Round(wait*1000)) * time.Millisecond)
			}
			time.Sleep(7 * time.Millisecond)
		}
		require.LessOrEqual(t, entratest.Peak(s.Writes(), 150*time.Second), 3000)
		require.Len(t, s.Writes(), 9500)
		require.Positive(t, throttled)
		require.Less(t, time.Since(start), 480*time.Second, "9,500 writes need three full windows")
		require.Equal(t, 200, get(t, s, "/users").status, "reads have no part in it")
	})
}

func TestBudgetCountsBatchItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{Budgets: []entratest.Budget{{Kind: entratest.Writes, Limit: 3, Window: 10 * time.Second, Scope: "Tenant_Application/Write/Users"}}})
		id := s.AddUser(nil)
		var list []string
		for i := range 5 {
			list = append(list, fmt.Sprintf(`{"id":"%d","method":"PATCH","url":"/users/%s","headers":{"Content-Type":"application/json"},"body":{"city":"c"}}`, i, id))
		}
		got := answers(t, do(t, s, "POST", "/$batch", items(list...)))
		var status []float64
		for i := range 5 {
			status = append(status, got[fmt.Sprint(i)]["status"].(float64))
		}
		require.Equal(t, []float64{204, 204, 204, 429, 429}, status)
		header := got["3"]["headers"].(map[string]any)
		require.Equal(t, "10", header["Retry-After"])
		require.Equal(t, "Tenant_Application/Write/Users", header["X-Ms-Throttle-Scope"])
		require.Equal(t, "1.00", got["2"]["headers"].(map[string]any)["X-Ms-Throttle-Limit-Percentage"])
		time.Sleep(2500 * time.Millisecond)
		require.Equal(t, "7.5", patch(t, s, "/users/"+id, `{"city":"x"}`).header.Get("Retry-After"))
		time.Sleep(7500 * time.Millisecond)
		require.Equal(t, 204, patch(t, s, "/users/"+id, `{"city":"x"}`).status)
		require.Len(t, s.Writes(), 4)
	})
}

func TestUnitBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{Budgets: []entratest.Budget{{Kind: entratest.ResourceUnits, Limit: 6, Window: time.Second}}})
		require.Equal(t, "2", get(t, s, "/users").header.Get("x-ms-resource-unit"))
		require.Equal(t, "1", get(t, s, "/users?$select=id").header.Get("x-ms-resource-unit"))
		require.Equal(t, "1", get(t, s, "/users?$select=id&$top=5").header.Get("x-ms-resource-unit"))
		require.Equal(t, 200, get(t, s, "/users").status)
		require.Equal(t, 429, get(t, s, "/users?$select=id").status)
		time.Sleep(time.Second)
		require.Equal(t, 200, get(t, s, "/users").status)
	})
}

func TestProbability(t *testing.T) {
	run := func(seed uint64) (hits int) {
		s := entratest.New(entratest.Config{Seed: seed})
		s.Script(entratest.Fault{Probability: 0.05, Times: -1, Status: 429, RetryAfter: "0.124"})
		for range 2000 {
			if get(t, s, "/users?$top=1").status == 429 {
				hits++
			}
		}
		return hits
	}
	hits := run(7)
	require.InDelta(t, 100, hits, 40)
	require.Equal(t, hits, run(7), "the same seed gives the same faults")
}
