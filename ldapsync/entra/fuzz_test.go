package entra_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
)

// FuzzBatchAnswer: whatever comes back, every request has a result: an answer of its own, or an error. A write whose
// answer is missing is never a success.
func FuzzBatchAnswer(f *testing.F) {
	for _, s := range []string{
		`{"responses":[{"id":"1","status":204},{"id":"2","status":429,"headers":{"Retry-After":"0.249"},"body":{"error":{"code":"TooManyRequests","message":"x"}}}]}`,
		`{"responses":[{"id":2,"status":200,"headers":{"a":null,"b":1,"c":{}},"body":"aGk="}]}`,
		`{"responses":[]}`, `{"responses":null}`, `null`, ``, `{"responses":[{"id":"1"},{"id":"1"}]}`, `{"responses":[{"id":"-1","status":200}]}`, `{"responses":[{"id":"1","status":1e9}]}`,
	} {
		f.Add(s)
	}
	reqs := []entra.Request{{Method: "GET", Path: "/users/x"}, {Method: "PATCH", Path: "/users/y", Body: []byte(`{"department":null}`)}}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := client(t, canned{status: 200, body: body}).Batch(t.Context(), reqs)
		if len(got) != 2 {
			t.Fatalf("%d results", len(got))
		}
		for i, r := range got {
			ok := r.Response.Status >= 200 && r.Response.Status < 300
			if (r.Err == nil) != ok || err != nil && r.Err == nil {
				t.Fatalf("result %d: %d and %v (%v)", i, r.Response.Status, r.Err, err)
			}
			if r.Err != nil {
				_ = r.Err.Error()
			}
		}
	})
}

// FuzzError: an error answer of any shape is an *Error with its status, printable, with a wait of a week at most.
func FuzzError(f *testing.F) {
	for _, c := range oddBodies {
		f.Add(c.status, c.body, "2.128")
	}
	for _, wait := range []string{"", "0", "-1", "NaN", "Inf", "1e300", "0x10", "Fri, 20 Nov 2026 10:00:00 GMT", "\x00"} {
		f.Add(429, `{"error":{"code":"a","message":"b","innerError":{"code":"c","request-id":"d"}}}`, wait)
	}
	f.Fuzz(func(t *testing.T, status int, body, wait string) {
		if status < 300 || status > 599 {
			return
		}
		_, err := client(t, canned{status: status, header: http.Header{"Retry-After": {wait}}, body: body}).Do(t.Context(), entra.Request{Method: "PATCH", Path: "/users/x", Body: []byte(`{}`)})
		e, ok := err.(*entra.Error)
		if !ok || e.Status != status {
			t.Fatalf("%T %v", err, err)
		}
		if w := e.RetryAfter(); w < 0 || w > 7*24*time.Hour {
			t.Fatalf("it would wait %s for %q", w, wait)
		}
		if s := e.Error(); !utf8.ValidString(e.Body) || strings.ContainsAny(e.Body, "\x00\n") || s == "" {
			t.Fatalf("%q", s)
		}
	})
}

// FuzzDevice: any JSON is a device or an error.
func FuzzDevice(f *testing.F) {
	f.Add(`{"id":"0174f793-0bb5-4e97-9b7f-f6198260a8a8","deviceId":"1174f793-0bb5-4e97-9b7f-f6198260a8a8","extensionAttributes":{"extensionAttribute1":"x"},"registrationDateTime":"2026-11-20T10:00:00Z"}`)
	f.Add(`{"id":1}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := entra.DecodeDevice([]byte(s))
		if err == nil && d.ID == (ldapsync.GUID{}) && !strings.Contains(s, "0000") {
			t.Fatalf("a device without an identity from %q", s)
		}
	})
}

// FuzzRead: any page of users is objects or an error, and never an endless listing.
func FuzzRead(f *testing.F) {
	f.Add(`{"value":[{"id":"0174f793-0bb5-4e97-9b7f-f6198260a8a8","department":"x","businessPhones":["1",null],"onPremisesExtensionAttributes":{"extensionAttribute1":null}}]}`)
	f.Add(`{"value":[{"id":"0174f793-0bb5-4e97-9b7f-f6198260a8a8","department":{}}]}`)
	f.Add(`{"value":[{}]}`)
	f.Add(`{"value":{}}`)
	f.Add(`{"value":[],"@odata.nextLink":"https://graph.ashdown.example/v1.0/users?x"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if !json.Valid([]byte(body)) {
			return
		}
		g := target(t, canned{status: 200, body: body})
		n := 0
		for _, err := range g.Read(t.Context(), ldapsync.Query{Class: ldapsync.User, Attrs: []string{"department", "businessPhones", "accountEnabled", "extensionAttribute1"}}) {
			if n++; err == nil && n > len(body) {
				t.Fatal("more objects than bytes")
			}
		}
	})
}
