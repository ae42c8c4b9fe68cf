package entratest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// An answer is what a request gets, before it is written to HTTP or into the answer of a $batch.
type answer struct {
	status      int
	header      http.Header
	body        any    // encoded as JSON, unless raw is set
	raw         []byte // sent as it is
	contentType string // of raw
	drop        bool   // no answer at all
}

// The codes Graph puts into error.code, as far as this package gives them.
const (
	codeBadRequest       = "BadRequest"
	codeRequest          = "Request_BadRequest"
	codeUnsupportedQuery = "Request_UnsupportedQuery"
	codeNotFound         = "Request_ResourceNotFound"
	codeDenied           = "Authorization_RequestDenied"
	codeToken            = "InvalidAuthenticationToken"
	codeTooMany          = "TooManyRequests"
	codeSyncState        = "syncStateNotFound"
	codeNotImplemented   = "notImplemented"
)

// fail is an error answer. Code and status are what clients may rely on; the words follow the service's.
func fail(status int, code, format string, args ...any) *answer {
	return &answer{status: status, header: http.Header{}, body: map[string]any{
		"error": map[string]any{"code": code, "message": fmt.Sprintf(format, args...)},
	}}
}

// missing is what this package, not Graph, refuses: it never looks like an answer of the service.
func missing(format string, args ...any) *answer {
	return fail(http.StatusNotImplemented, codeNotImplemented, "entratest: "+format, args...)
}

// with adds a header.
func (a *answer) with(name, value string) *answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(name, value)
	return a
}

// finish adds what every answer of Graph carries: request-id and Date, and in errors the same in innerError.
func (a *answer) finish(now time.Time, requestID, clientRequestID string) {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set("Request-Id", requestID)
	if clientRequestID != "" {
		a.header.Set("Client-Request-Id", clientRequestID)
	}
	body, ok := a.body.(map[string]any)
	if !ok || a.status < 400 {
		return
	}
	e, ok := body["error"].(map[string]any)
	if !ok || e["message"] == nil {
		return
	}
	if _, done := e["innerError"]; done {
		return
	}
	if clientRequestID == "" {
		clientRequestID = requestID
	}
	e["innerError"] = map[string]any{
		"date": now.UTC().Format("2006-01-02T15:04:05"), "request-id": requestID, "client-request-id": clientRequestID,
	}
}

// encode returns the bytes and the media type of the answer.
func (a *answer) encode() ([]byte, string) {
	if a.raw != nil || a.contentType != "" {
		return a.raw, a.contentType
	}
	if a.body == nil {
		return nil, ""
	}
	b, err := json.Marshal(a.body)
	if err != nil { // every body was decoded from JSON or is built of literals
		return []byte(`{"error":{"code":"generalException","message":"entratest: answer cannot be encoded"}}`), jsonType
	}
	return b, jsonType
}

const jsonType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
