package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"go.internal/hybridkit/ldapsync"
)

// ErrResync is an answer of a delta query that says: start over, with a full read (HTTP 410).
var ErrResync = errors.New("the delta token is no longer valid: read everything again")

// An Error is an answer of Graph that is no success, or the lack of an answer. It wraps one of the conditions of
// package ldapsync (ErrNotFound, ErrPermission, ErrCredentials, ErrTransient, ErrUnclear) where one fits, or
// ErrResync. errors.As turns it into an *odataerrors.ODataError and into kiota's abstractions.ApiErrorable, for code
// that knows those; the ODataError always has a message, so that its Error method, which panics without one, is
// safe.
type Error struct {
	Method string
	Path   string // without query
	Status int    // HTTP status, of the item where it was in a batch; 0 if there was no answer

	Code      string // error.code, such as "Request_ResourceNotFound"; "" if the answer had none
	Message   string // error.message; "" if the answer had none
	InnerCode string // error.innerError.code
	Body      string // the beginning of an answer that is not Graph's error format, printable

	RequestID       string // Graph's request-id, for its support
	ClientRequestID string // ours, sent with the request; in a batch that of the whole batch
	Date            string // of the answer

	Wait  time.Duration // Retry-After, fractions kept; 0 if there was none
	Scope string        // x-ms-throttle-scope
	Why   string        // x-ms-throttle-information

	Header http.Header // of the answer; nil if there was none
	Err    error       // what went wrong where there was no (whole) answer; may be nil

	kind kind
}

type kind uint8

const (
	permanent kind = iota
	notFound
	permission
	credentials
	retryable // certainly not carried out, or harmless to repeat
	unclear   // may have been carried out
	resync
)

// Error names the request, what Graph said, and what its support asks for.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "entra: %s %s: ", e.Method, e.Path)
	switch {
	case e.Status != 0:
		fmt.Fprintf(&b, "HTTP %d", e.Status)
	case e.Err == nil:
		b.WriteString("no answer")
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.InnerCode != "" && e.InnerCode != e.Code {
		b.WriteString(" (" + e.InnerCode + ")")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	} else if e.Body != "" {
		fmt.Fprintf(&b, ": not an answer of Graph's: %q", e.Body)
	}
	if e.Err != nil {
		if e.Status != 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.Wait > 0 {
		fmt.Fprintf(&b, "; retry after %s", e.Wait)
	}
	if e.Scope != "" {
		b.WriteString("; throttled in " + e.Scope)
	}
	if e.RequestID != "" {
		b.WriteString(" [request-id " + e.RequestID + "]")
	} else if e.ClientRequestID != "" {
		b.WriteString(" [client-request-id " + e.ClientRequestID + "]")
	}
	return b.String()
}

// RetryAfter is how long Graph asked to wait, 0 if it did not ask. ldapsync.Retry obeys it.
func (e *Error) RetryAfter() time.Duration { return e.Wait }

// Unwrap returns Err and the condition.
func (e *Error) Unwrap() []error {
	var out []error
	if e.Err != nil {
		out = append(out, e.Err)
	}
	switch e.kind {
	case notFound:
		out = append(out, ldapsync.ErrNotFound)
	case permission:
		out = append(out, ldapsync.ErrPermission)
	case credentials:
		out = append(out, ldapsync.ErrCredentials)
	case retryable:
		out = append(out, ldapsync.ErrTransient)
	case unclear:
		out = append(out, ldapsync.ErrUnclear)
	case resync:
		out = append(out, ErrResync)
	}
	return out
}

// As gives the error as the SDK's own types.
func (e *Error) As(target any) bool {
	switch t := target.(type) {
	case **odataerrors.ODataError:
		*t = e.odata()
		return true
	case *abstractions.ApiErrorable:
		*t = e.odata()
		return true
	}
	return false
}

// odata is the SDK's form. It is made only where it is asked for: making one reads a package variable of kiota's that
// the making of a client writes.
func (e *Error) odata() *odataerrors.ODataError {
	o, m := odataerrors.NewODataError(), odataerrors.NewMainError()
	code, message := e.Code, e.Message
	if message == "" {
		message = e.Error()
	}
	m.SetCode(&code)
	m.SetMessage(&message)
	o.SetErrorEscaped(m)
	o.Message = message
	o.SetStatusCode(e.Status)
	headers := abstractions.NewResponseHeaders()
	for k, vs := range e.Header {
		for _, v := range vs {
			headers.Add(k, v)
		}
	}
	o.SetResponseHeaders(headers)
	return o
}

func transient(err error) bool { return errors.Is(err, ldapsync.ErrTransient) }

// transport completes the error of a request that got no answer.
func (e *Error) transport(ctx context.Context, r *Request, err error) *Error {
	e.Err = err
	var dial *net.OpError
	var dns *net.DNSError
	if k, ok := signIn(err); ok {
		e.kind = k
		return e
	}
	switch {
	case r.reads():
		e.kind = retryable
		if ctx.Err() != nil {
			e.kind = permanent
		}
	case errors.As(err, &dns), errors.As(err, &dial) && dial.Op == "dial":
		e.kind = retryable // no connection, so nothing was sent
	default:
		e.kind = unclear
	}
	return e
}

// signIn recognises a request that was not sent because there was no token for it. azidentity's errors say by a method
// that the credential was refused; entraauth's say whether that was so, or the sign-in service was not to be had.
func signIn(err error) (kind, bool) {
	var final interface{ NonRetriable() }
	switch {
	case errors.Is(err, ldapsync.ErrTransient):
		return retryable, true
	case errors.Is(err, ldapsync.ErrCredentials), errors.As(err, &final):
		return credentials, true
	}
	return 0, false
}

// answer completes the error of an answer that is no success, or was cut off.
func (e *Error) answer(r *Request, res Response, cut error) *Error {
	e.Status, e.Header, e.Err = res.Status, res.Header, cut
	e.RequestID = res.Header.Get("request-id")
	e.Date = res.Header.Get("Date")
	e.Wait = retryAfter(res.Header.Get("Retry-After"), e.Date)
	e.Scope = res.Header.Get("x-ms-throttle-scope")
	e.Why = res.Header.Get("x-ms-throttle-information")
	e.parse(res.Body)
	e.kind = kindOf(r, res.Status, e.Code, cut)
	return e
}

// kindOf says what an answer means for the caller.
func kindOf(r *Request, status int, code string, cut error) kind {
	busy := unclear
	if r.reads() {
		busy = retryable
	}
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusFailedDependency:
		return retryable // refused at the door
	case status >= 200 && status < 300, status == http.StatusRequestTimeout, status >= 500:
		// A success whose body was cut off, or a failure somewhere behind the door.
		if status == http.StatusNotImplemented {
			return permanent
		}
		return busy
	case status == http.StatusUnauthorized:
		return credentials
	case status == http.StatusForbidden:
		return permission
	case status == http.StatusNotFound:
		return notFound
	case status == http.StatusGone:
		return resync
	case status == http.StatusConflict && strings.EqualFold(code, "Directory_ConcurrencyViolation"), status == http.StatusLocked:
		return retryable
	case status == 0 && cut != nil:
		return busy
	}
	return permanent
}

// parse reads Graph's error format as far as the body has it: {}, an error that is a text (as OAuth sends it), and a
// page of HTML are all seen in practice.
func (e *Error) parse(body []byte) {
	var outer struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	if len(body) == 0 {
		return
	}
	if json.Unmarshal(body, &outer) == nil && len(outer.Error) > 0 {
		var text string
		if json.Unmarshal(outer.Error, &text) == nil {
			e.Code, e.Message = text, outer.Description
			return
		}
		var main map[string]json.RawMessage
		if json.Unmarshal(outer.Error, &main) == nil {
			e.Code, e.Message = jsonText(main["code"]), jsonText(main["message"])
			inner := main["innerError"]
			if inner == nil {
				inner = main["innererror"]
			}
			var in map[string]json.RawMessage
			if json.Unmarshal(inner, &in) == nil {
				e.InnerCode = jsonText(in["code"])
				if e.RequestID == "" {
					e.RequestID = jsonText(in["request-id"])
				}
			}
		}
	}
	if e.Code == "" && e.Message == "" {
		e.Body = printable(body)
	}
}

// jsonText is the text of a JSON string, and "" of anything else.
func jsonText(raw json.RawMessage) string {
	s, _ := unquote(raw)
	return s
}

// unquote reads a JSON string. Most have nothing to take out, and need no decoder.
func unquote(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if body := raw[1 : len(raw)-1]; raw[len(raw)-1] == '"' && isPlain(body) {
		return string(body), true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// isPlain reports whether the inside of a JSON string stands for itself.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c == '\\' || c == '"' || c < ' ' {
			return false
		}
	}
	return utf8.Valid(b)
}

// printable is the beginning of a body for a message.
func printable(b []byte) string {
	b = bytes.TrimSpace(b)
	const most = 160
	if len(b) > most {
		b = b[:most]
	}
	s := strings.ToValidUTF8(string(b), string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// maxRetryAfter is where a Retry-After is no number to take at its word any more.
const maxRetryAfter = 7 * 24 * time.Hour

// retryAfter reads the header: seconds, which Graph sends with fractions ("2.128"), or an HTTP date (RFC 9110 section
// 10.2.3), measured against the answer's own Date so that clocks need not agree. It returns 0 for none or nonsense.
func retryAfter(v, date string) time.Duration {
	v = strings.TrimSpace(v)
	if v == "" {
		return 0
	}
	d := time.Duration(0)
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		switch {
		case !(s > 0):
			return 0
		case s > maxRetryAfter.Seconds():
			return maxRetryAfter
		}
		d = time.Duration(s * float64(time.Second))
	} else if at, err := http.ParseTime(v); err == nil {
		from := time.Now()
		if sent, err := http.ParseTime(date); err == nil {
			from = sent
		}
		d = at.Sub(from)
	}
	return min(max(d, 0), maxRetryAfter)
}
