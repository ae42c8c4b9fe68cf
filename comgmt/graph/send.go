package graph

// What is here has a twin in scepclient/intune/graph, since the module's packages do not import each other; a
// test keeps both the same.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
)

// MaxAnswer is the largest answer that is read, in bytes; a page of a thousand managed devices of beta has about 5 MB.
const MaxAnswer = 64 << 20

const (
	defaultTries = 6
	firstWait    = time.Second // without a Retry-After: then 2, 4, 8 … seconds
)

// An Error is an answer of Graph that is no success, or a request that got none.
type Error struct {
	Operation  string        // such as "managedDevices"
	StatusCode int           // HTTP status, 0 if there was no answer
	Code       string        // error.code of the answer, such as "TooManyRequests"; "" if it has none
	Message    string        // error.message of the answer; "" if it has none
	RetryAfter time.Duration // what Retry-After says, fractions of a second included; 0 if it says nothing
	RequestID  string        // Graph's request-id, for its support; "" if it sent none
	Err        error         // what went wrong beside the answer; may be nil
}

// Error returns operation, status and reason.
func (e *Error) Error() string {
	s := "comgmt/graph: " + e.Operation + ":"
	if e.StatusCode != 0 {
		s += fmt.Sprintf(" HTTP %d", e.StatusCode)
	}
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			s += " " + part
		}
	}
	if e.Err != nil {
		s += " " + e.Err.Error()
	}
	if e.RetryAfter > 0 {
		s += " (retry after " + e.RetryAfter.String() + ")"
	}
	if e.RequestID != "" {
		s += " (request-id " + e.RequestID + ")"
	}
	return s
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports a 404 as [ErrNotFound].
func (e *Error) Is(target error) bool {
	return target == ErrNotFound && e.StatusCode == http.StatusNotFound
}

// send asks until there is an answer that is a success, or one that asking again would not change.
func (r *Reader) send(ctx context.Context, operation string, ri *abstractions.RequestInformation) ([]byte, error) {
	ri.Headers.Add("Accept", "application/json")
	wait := firstWait
	for try := 1; ; try++ {
		body, err := r.once(ctx, operation, ri)
		var e *Error
		if !errors.As(err, &e) || !e.temporary() || try >= cmp.Or(r.MaxTries, defaultTries) {
			return body, err
		}
		t := time.NewTimer(cmp.Or(e.RetryAfter, wait))
		wait *= 2
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			e.Err = errors.Join(e.Err, ctx.Err())
			return nil, e
		}
	}
}

// temporary reports an answer that says to come back.
func (e *Error) temporary() bool {
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// once sends a request once and reads the answer itself: kiota's own reading loses the status where the answer is not
// JSON, and its generated errors panic where error.message is missing. The adapter's retries are off for the request, since
// they cut Retry-After to whole seconds and run inside the client's timeout; so is its compression.
func (r *Reader) once(ctx context.Context, operation string, ri *abstractions.RequestInformation) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Operation: operation, Err: err}
	}
	var answer *http.Response
	var body []byte
	var readErr error
	handler := abstractions.NewRequestHandlerOption()
	handler.SetResponseHandler(func(native any, _ abstractions.ErrorMappings) (any, error) {
		if a, ok := native.(*http.Response); ok && a != nil {
			answer = a
			body, readErr = readAll(a.Body)
		}
		return nil, nil
	})
	ri.AddRequestOptions([]abstractions.RequestOption{
		handler, khttp.NewCompressionOptionsReference(false),
		&khttp.RetryHandlerOptions{ShouldRetry: func(time.Duration, int, *http.Request, *http.Response) bool { return false }},
	})
	primitive, err := r.Adapter.SendPrimitive(ctx, ri, "[]byte", nil)
	if answer == nil { // no answer, or an adapter that knows no response handlers
		if raw, ok := primitive.([]byte); ok && err == nil && len(raw) > 0 {
			return raw, nil
		}
		return nil, foreign(operation, err)
	}
	e := &Error{
		Operation: operation, StatusCode: answer.StatusCode, RequestID: answer.Header.Get("request-id"),
		RetryAfter: retryAfter(answer.Header.Get("Retry-After"), time.Now()), Err: readErr,
	}
	switch {
	case answer.StatusCode >= 400:
		e.explain(body, answer)
		return nil, e
	case readErr != nil:
		return nil, e
	case len(body) == 0:
		e.Err = ErrNoAnswer
		return nil, e
	}
	return body, nil
}

// explain takes code and message out of an error answer, whatever shape it has.
func (e *Error) explain(body []byte, answer *http.Response) {
	var doc struct {
		Error json.RawMessage `json:"error"`
	}
	var inner struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &doc) == nil && json.Unmarshal(doc.Error, &inner) == nil {
		e.Code, e.Message = inner.Code, inner.Message
	} else if text := ""; json.Unmarshal(doc.Error, &text) == nil {
		e.Code = text // the shape of a token service
	}
	if e.Code == "" && e.Message == "" && e.Err == nil {
		e.Err = errors.New(http.StatusText(answer.StatusCode))
	}
	if answer.StatusCode == http.StatusUnauthorized && answer.Request != nil && answer.Request.Header.Get("Authorization") == "" {
		e.Err = ErrNoToken
	}
}

// foreign is the error of an adapter that reads answers in its own way.
func foreign(operation string, err error) error {
	e := &Error{Operation: operation, Err: cmp.Or(err, ErrNoAnswer)}
	var api abstractions.ApiErrorable
	if errors.As(err, &api) {
		e.StatusCode = api.GetStatusCode()
		if h := api.GetResponseHeaders(); h != nil {
			for _, id := range h.Get("request-id") {
				e.RequestID = id
			}
			for _, after := range h.Get("Retry-After") {
				e.RetryAfter = retryAfter(after, time.Now())
			}
		}
	}
	return e
}

// readAll reads and closes a body of bounded size.
func readAll(body io.ReadCloser) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, MaxAnswer+1))
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && len(b) > MaxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d bytes", MaxAnswer)
	}
	return b, err
}

// retryAfter reads the header: seconds, which Graph also sends with a fraction, or a date.
func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 24*3600 {
		return time.Duration(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}
