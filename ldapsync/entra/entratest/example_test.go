package entratest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// A client that writes "" to clear a property is told so here, before it is told by the service.
func Example() {
	srv := entratest.New(entratest.Config{})
	srv.AddUser(entratest.Object{"userPrincipalName": "ada@ashdown.example", "department": "Moat"})
	client := &http.Client{Transport: srv.Transport()}

	for _, body := range []string{`{"department":""}`, `{"department":null}`} {
		req, err := http.NewRequest("PATCH", "https://graph.microsoft.com/v1.0/users/ada@ashdown.example", strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		req.Header.Set("Authorization", "Bearer anything")
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		var answer struct {
			Error struct{ Code, Message string }
		}
		_ = json.NewDecoder(resp.Body).Decode(&answer) // a 204 has no body
		resp.Body.Close()
		fmt.Println(strings.TrimSpace(fmt.Sprintln(resp.StatusCode, answer.Error.Code, answer.Error.Message)))
	}
	user, _ := srv.User("ada@ashdown.example")
	fmt.Println(user["department"], len(srv.Writes()))
	// Output:
	// 400 Request_BadRequest Invalid value specified for property 'department' of resource 'User'.
	// 204
	// <nil> 2
}

// The second of three writes is throttled for a quarter of a second, as items of a $batch can be.
func ExampleServer_Script() {
	srv := entratest.New(entratest.Config{})
	srv.Script(entratest.Fault{Where: entratest.ItemsOnly, Method: "PATCH", Skip: 1, Status: 429, RetryAfter: "0.249"})
	id := srv.AddUser(nil)
	var items []string
	for i := range 3 {
		items = append(items, fmt.Sprintf(`{"id":"%d","method":"PATCH","url":"/users/%s","body":{"city":"Ash"},"headers":{"Content-Type":"application/json"}}`, i, id))
	}
	req, err := http.NewRequest("POST", "https://graph.microsoft.com/v1.0/$batch", strings.NewReader(`{"requests":[`+strings.Join(items, ",")+`]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Authorization", "Bearer anything")
	req.Header.Set("Content-Type", "application/json")
	resp, err := srv.Transport().RoundTrip(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	for _, r := range srv.Requests() {
		fmt.Println(r.Method, r.Batch, r.Status)
	}
	// Output:
	// POST 0 200
	// PATCH 1 204
	// PATCH 2 429
	// PATCH 3 204
}

// A schedule of writes is checked against the service's limit: no more than 3,000 in any 150 seconds.
func ExamplePeak() {
	srv := entratest.New(entratest.Config{Budgets: []entratest.Budget{entratest.WriteBudget()}})
	// … run the client under test …
	budget := entratest.WriteBudget()
	fmt.Println(entratest.Peak(srv.Writes(), budget.Window) <= budget.Limit)
	// Output: true
}
