package entratest

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// A Request is one request the server has seen: an HTTP request, or an item of a $batch.
type Request struct {
	Time    time.Time   // when it arrived, by Config.Now
	Method  string      // such as PATCH
	Version string      // v1.0 or beta
	Path    string      // below the version, unescaped, such as /users/a@ashdown.example
	Query   url.Values  // decoded
	Header  http.Header // of the request or the item; Authorization is replaced by its scheme
	Body    []byte      // decompressed
	Batch   int         // position in a $batch from 1; 0 for an HTTP request
	BatchID string      // id of the item
	Status  int         // of the answer; 0 if it was dropped
	Fault   string      // name of the fault or budget that made the answer, "" if it was the directory
}

// IsWrite reports whether r would change the directory and so counts against a write budget: every POST, PUT, PATCH and
// DELETE but $batch itself, whose items count singly, and bulkUpload, which has a limit of its own.
func (r *Request) IsWrite() bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return r.Path != "/$batch" && !r.isUpload()
	}
	return false
}

// Requests returns all requests since New or [Server.ResetRequests], in the order of their arrival. An item of a $batch
// follows the $batch it came in.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, len(s.requests))
	for i, r := range s.requests {
		all[i] = *r
	}
	return all
}

// ResetRequests forgets the requests seen so far. Budgets keep counting them.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Writes returns the writes among the requests that no budget refused, whatever the directory or a fault then answered.
func (s *Server) Writes() []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool { return !r.IsWrite() || r.Fault == budgetFault })
}

// Peak returns the largest number of requests in any span of time that is shorter than window. It is how a test says that
// a client kept to its rate: Peak(srv.Writes(), 150*time.Second) ≤ 3000.
func Peak(requests []Request, window time.Duration) int {
	times := make([]time.Time, len(requests))
	for i, r := range requests {
		times[i] = r.Time
	}
	slices.SortFunc(times, time.Time.Compare)
	peak, first := 0, 0
	for i, t := range times {
		for t.Sub(times[first]) >= window {
			first++
		}
		peak = max(peak, i-first+1)
	}
	return peak
}
