package expr

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Conditions an *Error wraps; test with errors.Is.
var (
	ErrSyntax        = errors.New("syntax error")
	ErrType          = errors.New("type error")
	ErrBudget        = errors.New("the evaluation exceeds its budget")
	ErrNoClock       = errors.New("no reference time was given")
	ErrNoRandom      = errors.New("no source of randomness was given")
	ErrNoLookup      = errors.New("no lookup was given")
	ErrNoUniqueValue = errors.New("every candidate is taken")
	ErrRegexp        = errors.New("the regular expression cannot be run")
	ErrValue         = errors.New("a value does not fit")
)

// A CustomError is what the function Error raises.
type CustomError struct{ Message string }

// Error returns the message of the expression's author.
func (e *CustomError) Error() string { return e.Message }

// An Error is a mistake in an expression, or a failure to evaluate one, and where it is.
type Error struct {
	Expr       string // the whole expression
	Offset     int    // in bytes, from 0
	Line       int    // from 1
	Column     int    // in characters within the line, from 1
	Message    string
	Suggestion string // what to write instead; "" if there is nothing to suggest
	Err        error  // the condition, such as ErrSyntax or ErrBudget
}

// Error gives position, message, suggestion and the text around the position.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("expr: ")
	if e.Line > 1 {
		fmt.Fprintf(&b, "line %d, ", e.Line)
	}
	fmt.Fprintf(&b, "column %d: %s", e.Column, e.Message)
	if e.Suggestion != "" {
		fmt.Fprintf(&b, " (%s)", e.Suggestion)
	}
	fmt.Fprintf(&b, ", at %q", excerpt(e.Expr, e.Offset))
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func newError(src string, at int, cond error, suggestion, format string, args ...any) *Error {
	line, col := position(src, at)
	return &Error{Expr: src, Offset: at, Line: line, Column: col, Message: fmt.Sprintf(format, args...), Suggestion: suggestion, Err: cond}
}

// position gives the line and the column, both from 1, of a byte offset.
func position(src string, at int) (line, col int) {
	at = min(max(at, 0), len(src))
	head := src[:at]
	line = 1 + strings.Count(head, "\n")
	return line, 1 + utf8.RuneCountInString(head[strings.LastIndexByte(head, '\n')+1:])
}

// excerpt is the text from the offset on, or the last of it if the offset is the end.
func excerpt(src string, at int) string {
	at = min(max(at, 0), len(src))
	if at == len(src) {
		if at > 20 {
			return "…" + strings.ToValidUTF8(src[at-20:], "")
		}
		return src
	}
	return clip(src[at:])
}

// clip bounds a text for a message.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// nearest returns the name closest to the one given, or "" if none is close: at most a third of it differs.
func nearest(name string, names []string) string {
	if len(name) > 64 {
		return ""
	}
	best, bestDist := "", len(name)/3+1
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return n
		}
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < bestDist {
			best, bestDist = n, d
		}
	}
	for _, n := range names { // Random for RandomNum
		if best == "" && len(name) >= 4 && strings.HasPrefix(n, name) {
			best = n
		}
	}
	return best
}

// distance is the number of characters to insert, delete, replace or swap with the next one.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			cur[j+1] = min(prev[j]+cost, prev[j+1]+1, cur[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cur[j+1] = min(cur[j+1], before[j-1]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
