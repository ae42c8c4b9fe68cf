package entra_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// people adds n users and returns their ids.
func people(server *entratest.Server, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = server.AddUser(entratest.Object{"userPrincipalName": fmt.Sprintf("user%05d@ashdown.example", i)})
	}
	return ids
}

func patches(ids []string, body string) []entra.Request {
	out := make([]entra.Request, len(ids))
	for i, id := range ids {
		out[i] = entra.Request{Method: http.MethodPatch, Path: "/users/" + id, Body: []byte(body)}
	}
	return out
}

// patched are the items of batches that reached the server, refused ones included.
func patched(server *entratest.Server) []entratest.Request {
	var out []entratest.Request
	for _, r := range server.Requests() {
		if r.Batch > 0 && r.Method == http.MethodPatch {
			out = append(out, r)
		}
	}
	return out
}

// TestBudgetPace: 10,000 writes of which one in twenty is throttled, with fractions of seconds in Retry-After, end
// within 3 % of the shortest time in which so many attempts fit into the budget, and no window of any length holds
// more than the budget allows.
func TestBudgetPace(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of virtual seconds take a few real ones")
	}
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{Seed: 7, ShuffleBatch: true})
		for _, after := range []string{"0.249", "2.128", "0.75", "1"} {
			server.Script(entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Times: -1, Probability: 0.0125, Status: 429, RetryAfter: after})
		}
		server.Script(entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Times: -1, Delay: 300 * time.Millisecond})
		ids := people(server, 10_000)
		q := &entra.Queue{Client: client(t, server.Transport())}
		begin := time.Now()
		for i, r := range q.DoAll(t.Context(), patches(ids, `{"department":"Ward 3"}`)) {
			require.NoError(t, r.Err, i)
		}
		took := time.Since(begin)
		sent := patched(server)
		refused := len(sent) - len(ids)
		ideal := time.Duration((len(sent)-1)/20) * time.Second
		t.Logf("%d writes, %d refusals: %s; the least is %s (%+.2f %%)", len(ids), refused, took, ideal, 100*(took.Seconds()/ideal.Seconds()-1))
		require.InDelta(t, 500, refused, 100, "one in twenty is throttled")
		require.LessOrEqual(t, took.Seconds(), 1.03*ideal.Seconds())
		for _, w := range []struct {
			window time.Duration
			most   int
		}{{time.Second, 20}, {10 * time.Second, 200}, {150 * time.Second, 3000}} {
			require.LessOrEqual(t, entratest.Peak(sent, w.window), w.most, w.window)
		}
		for _, id := range ids {
			u, _ := server.User(id)
			require.Equal(t, "Ward 3", u["department"])
		}
	})
}

// TestBudgetShared: two queues of one application share its budget, and several limits hold together.
func TestBudgetShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		ids := people(server, 300)
		budget := &entra.Budget{Limits: []entra.Limit{{Writes: 20, Per: time.Second}, {Writes: 100, Per: 20 * time.Second}}}
		var wg sync.WaitGroup
		for _, part := range [][]string{ids[:150], ids[150:]} {
			q := &entra.Queue{Client: client(t, server.Transport()), Budget: budget}
			wg.Go(func() {
				for _, r := range q.DoAll(t.Context(), patches(part, `{"department":"Ward 3"}`)) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			})
		}
		wg.Wait()
		sent := patched(server)
		require.Len(t, sent, 300)
		require.Equal(t, 20, entratest.Peak(sent, time.Second))
		require.Equal(t, 100, entratest.Peak(sent, 20*time.Second))
	})
}

// TestRetryAfterExact: an item that is throttled is sent again after exactly the time that was asked for, fractions
// included, while the others of its batch are done at once.
func TestRetryAfterExact(t *testing.T) {
	for _, after := range []string{"0.249", "2.128", "7", "0.001"} {
		synctest.Test(t, func(t *testing.T) {
			server := entratest.New(entratest.Config{})
			ids := people(server, 20)
			server.Script(entratest.Fault{Path: "/users/" + ids[3], Method: "PATCH", Status: 429, RetryAfter: after})
			q := &entra.Queue{Client: client(t, server.Transport()), Budget: quick()}
			begin := time.Now()
			for _, r := range q.DoAll(t.Context(), patches(ids, `{"department":"Ward 3"}`)) {
				require.NoError(t, r.Err)
			}
			want, err := time.ParseDuration(after + "s")
			require.NoError(t, err)
			// The lonely item waits for company a little.
			require.InDelta(t, want.Seconds(), time.Since(begin).Seconds(), 0.006)
			require.GreaterOrEqual(t, time.Since(begin), want)
			require.Len(t, patched(server), 21)
		})
	}
}

// TestAllThrottled: where a whole batch is refused, nothing else is sent until the time is over.
func TestAllThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		ids := people(server, 60)
		server.Script(entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Times: 20, Status: 429, RetryAfter: "9.5"})
		q := &entra.Queue{Client: client(t, server.Transport())}
		begin := time.Now()
		for _, r := range q.DoAll(t.Context(), patches(ids, `{"department":"Ward 3"}`)) {
			require.NoError(t, r.Err)
		}
		for _, r := range patched(server)[20:] {
			require.GreaterOrEqual(t, r.Time.Sub(begin), 9500*time.Millisecond)
		}
	})
}

// TestOuterThrottled: a batch that is refused as a whole is refused item by item, and sent again.
func TestOuterThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		ids := people(server, 5)
		server.Script(entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Times: 2, Status: 429, RetryAfter: "3.5"})
		q := &entra.Queue{Client: client(t, server.Transport())}
		begin := time.Now()
		for _, r := range q.DoAll(t.Context(), patches(ids, `{"department":"Ward 3"}`)) {
			require.NoError(t, r.Err)
		}
		require.InDelta(t, 7, time.Since(begin).Seconds(), 0.02)
	})
}

// TestGivesUp: what stays throttled ends as ErrTransient, with everything Graph said.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := entratest.New(entratest.Config{})
		ids := people(server, 1)
		server.Script(entratest.Fault{Method: "PATCH", Where: entratest.ItemsOnly, Times: -1, Status: 429, RetryAfter: "1.5",
			Header: http.Header{"X-Ms-Throttle-Scope": {"Tenant_Application/Write/x"}}})
		q := &entra.Queue{Client: client(t, server.Transport()), Retry: entra.Retry{Attempts: 3}}
		r := q.DoAll(t.Context(), patches(ids, `{"department":"x"}`))[0]
		require.ErrorIs(t, r.Err, ldapsync.ErrTransient)
		var e *entra.Error
		require.ErrorAs(t, r.Err, &e)
		require.Equal(t, 429, e.Status)
		require.Equal(t, 1500*time.Millisecond, e.RetryAfter())
		require.ErrorContains(t, r.Err, "after 3 tries")
		require.ErrorContains(t, r.Err, "Tenant_Application/Write/x")
		require.Len(t, patched(server), 3)
	})
}

// TestUnclearNotRepeated: the queue never sends a write again whose outcome it does not know; it sends reads again.
func TestUnclearNotRepeated(t *testing.T) {
	for name, fault := range map[string]entratest.Fault{
		"503 of an item":  {Method: "PATCH", Where: entratest.ItemsOnly, Status: 503, RetryAfter: "1", Effect: true},
		"502 of the call": {Path: "/$batch", Where: entratest.OuterOnly, Status: 502, Page: entratest.HTMLPage, Effect: true},
		"no answer":       {Path: "/$batch", Where: entratest.OuterOnly, Drop: true, Effect: true},
		"half an answer":  {Path: "/$batch", Where: entratest.OuterOnly, Status: 200, Page: entratest.TruncatedJSON, Effect: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := entratest.New(entratest.Config{})
				ids := people(server, 1)
				server.Script(fault)
				q := &entra.Queue{Client: client(t, server.Transport())}
				r := q.DoAll(t.Context(), patches(ids, `{"department":"Ward 3"}`))[0]
				require.ErrorIs(t, r.Err, ldapsync.ErrUnclear)
				require.NotErrorIs(t, r.Err, ldapsync.ErrTransient)
				require.Len(t, server.Writes(), 1)
			})
		})
	}
	t.Run("reads", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := entratest.New(entratest.Config{})
			ids := people(server, 1)
			server.Script(entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Drop: true}, entratest.Fault{Method: "GET", Where: entratest.ItemsOnly, Status: 503})
			q := &entra.Queue{Client: client(t, server.Transport())}
			res, err := q.Do(t.Context(), entra.Request{Method: "GET", Path: "/users/" + ids[0] + "?$select=id"})
			require.NoError(t, err)
			require.Contains(t, string(res.Body), ids[0])
		})
	})
}

// TestQueueCancel: cancelling ends waiting at once, says what is known, and leaves nothing behind.
func TestQueueCancel(t *testing.T) {
	t.Run("waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := entratest.New(entratest.Config{})
			ids := people(server, 50)
			q := &entra.Queue{Client: client(t, server.Transport()), Budget: &entra.Budget{Limits: []entra.Limit{{Writes: 20, Per: time.Hour}}}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begin := time.Now()
			done, cut := 0, 0
			for _, r := range q.DoAll(ctx, patches(ids, `{"department":"x"}`)) {
				if r.Err == nil {
					done++
				} else if errors.Is(r.Err, context.DeadlineExceeded) && !errors.Is(r.Err, ldapsync.ErrUnclear) {
					cut++
				}
			}
			require.Equal(t, [2]int{20, 30}, [2]int{done, cut})
			require.Equal(t, time.Minute, time.Since(begin))
		})
	})
	t.Run("on its way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := entratest.New(entratest.Config{})
			ids := people(server, 1)
			server.Script(entratest.Fault{Path: "/$batch", Where: entratest.OuterOnly, Delay: time.Minute})
			q := &entra.Queue{Client: client(t, server.Transport())}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := q.Do(ctx, patches(ids, `{"department":"x"}`)[0])
			require.ErrorIs(t, err, ldapsync.ErrUnclear)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(2 * time.Minute)
		})
	})
}

// TestBatchOrder: answers come in any order and are given back in ours; a mistake in one item is its own.
func TestBatchOrder(t *testing.T) {
	server := entratest.New(entratest.Config{ShuffleBatch: true, Seed: 3})
	ids := people(server, 20)
	c := client(t, server.Transport())
	reqs := patches(ids, `{"department":"Ward 3"}`)
	reqs[4].Body = []byte(`{"department":""}`)
	reqs[9].Path = "/users/00000000-0000-4000-8000-000000000000"
	results, err := c.Batch(t.Context(), reqs)
	require.NoError(t, err)
	for i, r := range results {
		switch i {
		case 4:
			var e *entra.Error
			require.ErrorAs(t, r.Err, &e)
			require.Equal(t, 400, e.Status)
			require.NotEmpty(t, e.Message)
		case 9:
			require.ErrorIs(t, r.Err, ldapsync.ErrNotFound)
		default:
			require.NoError(t, r.Err, i)
			require.Equal(t, 204, r.Response.Status)
		}
	}
	_, err = c.Batch(t.Context(), patches(append(ids, ids[0]), `{}`))
	require.ErrorContains(t, err, "1 to 20")
	_, err = c.Batch(t.Context(), []entra.Request{{Method: "PATCH", Path: "https://elsewhere.example/x", Body: []byte(`{}`)}})
	require.ErrorContains(t, err, "not relative")
	_, err = c.Batch(t.Context(), []entra.Request{{Method: "PATCH", Path: "/users/x", Body: []byte(`{`)}})
	require.ErrorContains(t, err, "not JSON")
	require.False(t, strings.Contains(err.Error(), "{"))
}
