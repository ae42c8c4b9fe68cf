package bulk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
)

// DefaultLimit is what the service takes of one job (Microsoft, "synchronizationJob: bulkUpload").
func DefaultLimit() entra.Limit { return entra.Limit{Writes: 40, Per: time.Second} }

// A Job is a provisioning job that takes uploads. Set the fields before first use. Its methods may be called
// concurrently.
type Job struct {
	Client           *entra.Client // required
	ServicePrincipal string        // object id of the service principal of the provisioning application; required
	ID               string        // of the job, such as API2AAD.…; required

	Budget *entra.Budget // paces the requests; nil: one of the job's own with DefaultLimit
	Retry  entra.Retry   // the zero value means its defaults

	Parallel int           // requests on their way at a time; 0 means 8
	Interval time.Duration // between looks into the logs; 0 means 30 s

	Progress func(done, total int) // records sent, or with a fate; called from one goroutine at a time; may be nil

	once sync.Once
	own  *entra.Budget
}

func (j *Job) budget() *entra.Budget {
	j.once.Do(func() { j.own = &entra.Budget{Limits: []entra.Limit{DefaultLimit()}} })
	if j.Budget != nil {
		return j.Budget
	}
	return j.own
}

func (j *Job) check() error {
	if j.Client == nil || j.ServicePrincipal == "" || j.ID == "" {
		return errors.New("bulk: a Job needs Client, ServicePrincipal and ID")
	}
	return nil
}

// A Receipt says what was accepted. It is data: keep it to follow the records later.
type Receipt struct {
	Job     string            `json:"job"`
	Sent    map[string]Upload `json:"sent"`              // by ExternalID
	Refused map[string]string `json:"refused,omitempty"` // by ExternalID: the error of the request it was in
	Since   time.Time         `json:"since"`             // the service's clock before the first request
}

// An Upload is one request that was accepted.
type Upload struct {
	RequestID string    `json:"requestId"` // Graph's request-id
	At        time.Time `json:"at"`        // the service's clock, to the second
}

// Upload sends records in requests of 50. A request that was refused because of the pace, or whose answer was lost, is
// sent again: the service matches records with users, so one that comes twice changes nothing the second time. The
// error joins those of the requests that failed for good; the receipt says which records went through.
func (j *Job) Upload(ctx context.Context, records []Record) (*Receipt, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	out := &Receipt{Job: j.ID, Sent: make(map[string]Upload, len(records)), Since: time.Now().UTC().Truncate(time.Second)}
	// Everything is encoded before anything is sent: a mistake in the last record must not leave half of them behind.
	var bodies [][]byte
	seen := make(map[string]bool, len(records))
	for _, r := range records {
		if seen[r.ExternalID] {
			return nil, fmt.Errorf("bulk: two records have the ExternalID %s", r.ExternalID)
		}
		seen[r.ExternalID] = true
	}
	for from := 0; from < len(records); from += MaxOperations {
		body, err := Encode(records[from:min(from+MaxOperations, len(records))])
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	done := 0
	work := make(chan int)
	for range min(max(j.parallel(), 1), len(bodies)) {
		wg.Go(func() {
			for i := range work {
				res, err := j.send(ctx, bodies[i])
				part := records[i*MaxOperations : min((i+1)*MaxOperations, len(records))]
				mu.Lock()
				if err != nil {
					errs = append(errs, fmt.Errorf("bulk: records %d to %d: %w", i*MaxOperations+1, i*MaxOperations+len(part), err))
				}
				up := Upload{RequestID: res.Header.Get("request-id"), At: clock(res.Header)}
				for _, r := range part {
					if err == nil {
						out.Sent[r.ExternalID] = up
						continue
					}
					if out.Refused == nil {
						out.Refused = make(map[string]string)
					}
					out.Refused[r.ExternalID] = err.Error()
				}
				if err == nil && up.At.Before(out.Since) {
					out.Since = up.At
				}
				done += len(part)
				if j.Progress != nil {
					j.Progress(done, len(records))
				}
				mu.Unlock()
			}
		})
	}
	for i := range bodies {
		work <- i
	}
	close(work)
	wg.Wait()
	return out, errors.Join(errs...)
}

func (j *Job) parallel() int {
	if j.Parallel <= 0 {
		return 8
	}
	return j.Parallel
}

// clock is the service's time in an answer.
func clock(h http.Header) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t.UTC()
	}
	return time.Now().UTC().Truncate(time.Second)
}

func (j *Job) send(ctx context.Context, body []byte) (entra.Response, error) {
	r := entra.Request{
		Method: http.MethodPost, Path: "/servicePrincipals/" + entra.Segment(j.ServicePrincipal) + "/synchronization/jobs/" + entra.Segment(j.ID) + "/bulkUpload",
		Body: body, ContentType: "application/scim+json",
	}
	for try := 1; ; try++ {
		if err := j.budget().Take(ctx, 1); err != nil {
			return entra.Response{}, err
		}
		res, err := j.Client.Do(ctx, r)
		wait, again := j.Retry.Again(try, err)
		if err == nil || !again || ctx.Err() != nil || !errors.Is(err, ldapsync.ErrTransient) && !errors.Is(err, ldapsync.ErrUnclear) {
			return res, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return res, errors.Join(ctx.Err(), err)
		}
	}
}
