package entratest_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// TestParallel has several clients write, read, batch and script at once; the race detector watches.
func TestParallel(t *testing.T) {
	s := entratest.New(entratest.Config{Budgets: []entratest.Budget{entratest.WriteBudget()}, ShuffleBatch: true})
	var ids []string
	for range 20 {
		ids = append(ids, s.AddUser(nil))
	}
	s.Script(entratest.Fault{Method: "PATCH", Probability: 0.1, Times: -1, Status: 503})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				id := ids[(w*25+i)%len(ids)]
				patch(t, s, "/users/"+id, fmt.Sprintf(`{"city":"%d"}`, i))
				get(t, s, "/users/delta?$select=city")
				do(t, s, "POST", "/$batch", items(fmt.Sprintf(`{"id":"1","method":"PATCH","url":"/users/%s","headers":{"Content-Type":"application/json"},"body":{"state":"x"}}`, id)))
				s.SetUser(id, entratest.Object{"country": fmt.Sprint(w)})
				_ = s.Requests()
			}
		})
	}
	wg.Wait()
	require.Len(t, s.Requests(), 8*25*4)
	require.Len(t, s.Writes(), 8*25*2)
	for _, id := range ids {
		u, ok := s.User(id)
		require.True(t, ok)
		require.NotNil(t, u["country"])
	}
}
