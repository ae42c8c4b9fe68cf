package entra_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
)

// batchServer answers batches over TLS and HTTP/2 at once.
func batchServer(b *testing.B) *httptest.Server {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		n := bytes.Count(body, []byte(`"method":`))
		out := append(make([]byte, 0, 2048), `{"responses":[`...)
		for i := range n {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, `{"id":"`...)
			out = strconv.AppendInt(out, int64(i+1), 10)
			out = append(out, `","status":204,"headers":{"Cache-Control":"no-cache","x-ms-resource-unit":"1"},"body":null}`...)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(out, "]}"...))
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	b.Cleanup(srv.Close)
	return srv
}

// BenchmarkBatchPatch compares the queue, through a kiota adapter, with plain net/http and encoding/json, both with
// batches of 20 from 8 goroutines, client and server in this process. The figure is users a second.
func BenchmarkBatchPatch(b *testing.B) {
	const chunk = 2000
	srv := batchServer(b)
	ids := make([]string, chunk)
	for i := range ids {
		ids[i] = fmt.Sprintf("0174f793-0bb5-4e97-9b7f-%012x", i)
	}
	type attrs struct {
		Department *string           `json:"department"`
		Ext        map[string]string `json:"onPremisesExtensionAttributes"`
	}
	body := func(i int) []byte {
		raw, err := json.Marshal(attrs{nil, map[string]string{"extensionAttribute1": strconv.Itoa(i)}})
		if err != nil {
			b.Error(err)
		}
		return raw
	}
	// Processor time is what can be compared while the machine has other things to do.
	rate := func(b *testing.B, used time.Duration) {
		users := float64(b.N) * chunk
		b.ReportMetric(users/b.Elapsed().Seconds(), "users/s")
		if used > 0 {
			b.ReportMetric(used.Seconds()*1e6/users, "cpu-us/user")
		}
	}
	b.Run("queue", func(b *testing.B) {
		a := sdk(b, srv.Client())
		a.SetBaseUrl(srv.URL + "/v1.0")
		q := &entra.Queue{Client: &entra.Client{Adapter: a}, Budget: quick(), Parallel: 8, Linger: -1}
		b.ReportAllocs()
		began := cpuTime()
		for b.Loop() {
			reqs := make([]entra.Request, chunk)
			for i := range reqs {
				reqs[i] = entra.Request{Method: http.MethodPatch, Path: "/users/" + ids[i], Body: body(i)}
			}
			for _, r := range q.DoAll(b.Context(), reqs) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
		}
		rate(b, cpuTime()-began)
	})
	b.Run("net-http", func(b *testing.B) {
		type request struct {
			ID      string            `json:"id"`
			Method  string            `json:"method"`
			URL     string            `json:"url"`
			Headers map[string]string `json:"headers"`
			Body    json.RawMessage   `json:"body"`
		}
		send := func(from int) error {
			var out struct {
				Requests []request `json:"requests"`
			}
			for i := range 20 {
				out.Requests = append(out.Requests, request{strconv.Itoa(i + 1), "PATCH", "/users/" + ids[from+i], map[string]string{"Content-Type": "application/json"}, body(from + i)})
			}
			raw, err := json.Marshal(out)
			if err != nil {
				return err
			}
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, srv.URL+"/v1.0/$batch", bytes.NewReader(raw))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer test")
			res, err := srv.Client().Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			var in struct {
				Responses []struct {
					ID      string
					Status  int
					Headers map[string]string
					Body    json.RawMessage
				}
			}
			if err := json.NewDecoder(res.Body).Decode(&in); err != nil {
				return err
			}
			for _, r := range in.Responses {
				if r.Status != 204 {
					return fmt.Errorf("%s: %d", r.ID, r.Status)
				}
			}
			if len(in.Responses) != 20 {
				return fmt.Errorf("%d answers", len(in.Responses))
			}
			return nil
		}
		b.ReportAllocs()
		began := cpuTime()
		for b.Loop() {
			work := make(chan int)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for from := range work {
						if err := send(from); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for from := 0; from < chunk; from += 20 {
				work <- from
			}
			close(work)
			wg.Wait()
		}
		rate(b, cpuTime()-began)
	})
}

// BenchmarkRead reads a page of 999 users, beside encoding/json into a struct of the same fields.
func BenchmarkRead(b *testing.B) {
	var page bytes.Buffer
	page.WriteString(`{"value":[`)
	for i := range 999 {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"id":"0174f793-0bb5-4e97-9b7f-%012x","userPrincipalName":"user%05d@ashdown.example","department":"Ward 3","jobTitle":null,"onPremisesImmutableId":"AAECAwQFBgcICQoLDA0ODw==","onPremisesExtensionAttributes":{"extensionAttribute1":"user%05d","extensionAttribute2":null}}`, i, i, i)
	}
	page.WriteString(`]}`)
	c := canned{status: 200, body: page.String()}
	rate := func(b *testing.B, used time.Duration) {
		users := float64(b.N) * 999
		b.ReportMetric(users/b.Elapsed().Seconds(), "users/s")
		if used > 0 {
			b.ReportMetric(used.Seconds()*1e6/users, "cpu-us/user")
		}
	}
	b.Run("target", func(b *testing.B) {
		g := target(b, c)
		b.ReportAllocs()
		began := cpuTime()
		for b.Loop() {
			n := 0
			for _, err := range g.Read(b.Context(), ldapsync.Query{Class: ldapsync.User, Attrs: []string{"department", "jobTitle", "onPremisesImmutableId", "extensionAttribute1"}}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 999 {
				b.Fatal(n)
			}
		}
		rate(b, cpuTime()-began)
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		began := cpuTime()
		for b.Loop() {
			var p struct {
				Value []struct {
					ID, UserPrincipalName, OnPremisesImmutableID string
					Department, JobTitle                         *string
					OnPremisesExtensionAttributes                map[string]*string
				}
			}
			if err := json.Unmarshal([]byte(c.body), &p); err != nil || len(p.Value) != 999 {
				b.Fatal(err)
			}
		}
		rate(b, cpuTime()-began)
	})
}
