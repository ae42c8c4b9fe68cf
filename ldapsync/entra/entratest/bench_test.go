package entratest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// full returns a server with n users.
func full(n int) *entratest.Server {
	s := entratest.New(entratest.Config{})
	for i := range n {
		s.AddUser(entratest.Object{"userPrincipalName": fmt.Sprintf("u%d@ashdown.example", i), "employeeId": fmt.Sprint(i)})
	}
	return s
}

func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		s := full(n)
		send := func(b *testing.B, method, target, body string) {
			req, err := http.NewRequestWithContext(b.Context(), method, graph+target, strings.NewReader(body))
			require.NoError(b, err)
			req.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Type": {"application/json"}}
			resp, err := s.Transport().RoundTrip(req)
			require.NoError(b, err)
			require.Less(b, resp.StatusCode, 300)
		}
		for name, do := range map[string]func(*testing.B, int){
			"patch": func(b *testing.B, i int) {
				send(b, "PATCH", fmt.Sprintf("/users/u%d@ashdown.example", i%n), `{"city":"Ash"}`)
			},
			"filter": func(b *testing.B, i int) {
				send(b, "GET", "/users?$filter="+url.QueryEscape(fmt.Sprintf("employeeId eq '%d'", i%n)), "")
			},
			"page": func(b *testing.B, _ int) { send(b, "GET", "/users?$top=100", "") },
		} {
			b.Run(fmt.Sprintf("%s/users=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					do(b, i)
					if i++; i%1000 == 0 {
						s.ResetRequests()
					}
				}
			})
		}
	}
}
