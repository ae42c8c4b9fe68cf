package comgmt

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// An ErrorCode is a Windows result code (HRESULT) of enrolment, of the Configuration Manager client or of signing in.
type ErrorCode uint32

// String returns the code as "0x8018002A".
func (c ErrorCode) String() string { return fmt.Sprintf("0x%08X", uint32(c)) }

// Signed returns the code as SQL and PowerShell print it, such as -2145910742.
func (c ErrorCode) Signed() int32 { return int32(c) }

// MarshalText returns the hexadecimal form.
func (c ErrorCode) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts what [ParseErrorCode] accepts.
func (c *ErrorCode) UnmarshalText(b []byte) error {
	v, err := ParseErrorCode(string(b))
	if err == nil {
		*c = v
	}
	return err
}

// ErrErrorCode is wrapped by every error of [ParseErrorCode].
var ErrErrorCode = errors.New("comgmt: not an error code")

// ParseErrorCode reads a code in any of its four spellings: 0x8018002A, 8018002A, 2149056554 (unsigned decimal, as
// consoles and SQL show it) and -2145910742 (signed). Invisible marks around and inside it, as copied from web
// pages, are dropped. Hexadecimal has exactly eight digits: Microsoft's 0x80180002b, nine digits, is a slip for
// 0x8018002B and refused, since it cannot be known which digit is too many.
func ParseErrorCode(s string) (ErrorCode, error) {
	t := stripInvisible(s)
	bad := func(why string) (ErrorCode, error) {
		return 0, fmt.Errorf("%w: %q: %s", ErrErrorCode, clip(s), why)
	}
	if rest, ok := cutPrefixFold(t, "0x"); ok {
		n, err := strconv.ParseUint(rest, 16, 64)
		switch {
		case err != nil:
			return bad("not hexadecimal")
		case len(rest) != 8:
			return bad(fmt.Sprintf("%d hexadecimal digits, want 8", len(rest)))
		}
		return ErrorCode(n), nil
	}
	if strings.HasPrefix(t, "-") {
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil || n < math.MinInt32 {
			return bad("not a signed 32-bit number")
		}
		return ErrorCode(uint32(int32(n))), nil
	}
	// Eight digits alone are hexadecimal: no code of this kind is as small as a decimal of eight digits.
	if len(t) == 8 {
		if n, err := strconv.ParseUint(t, 16, 32); err == nil {
			return ErrorCode(n), nil
		}
	}
	n, err := strconv.ParseUint(t, 10, 32)
	if err != nil {
		return bad("want 0x and eight hexadecimal digits, or a decimal number of 32 bits")
	}
	return ErrorCode(n), nil
}

// An ErrorInfo explains a code.
type ErrorInfo struct {
	Code ErrorCode `json:"code"`
	// Name is the symbol in the Windows headers, "" where none is known.
	Name    string `json:"name,omitempty"`
	Meaning string `json:"meaning"`
	Cause   string `json:"cause,omitempty"`  // usual reason, "" where none is known
	Remedy  string `json:"remedy,omitempty"` // first thing to do
	Source  string `json:"source"`
	// AliasOf is the code this one stands for, 0 for none. Microsoft's "MDM registration constants" page prints
	// values for two errors that differ from the header; what devices return is the header's.
	AliasOf ErrorCode `json:"aliasOf,omitzero"`
	// Basis is documented for a code in the table, derived for one explained by its facility.
	Basis Basis `json:"basis"`
}

// ErrorCodes returns every code of the table, sorted. The slice is the caller's.
func ErrorCodes() []ErrorInfo {
	out := make([]ErrorInfo, 0, len(errorTable))
	for _, r := range errorTable {
		out = append(out, r.info())
	}
	return out
}

// LookupError explains a code. ok is false if neither the table nor its facility says anything; the
// ErrorInfo then says so. Facilities decoded beyond the table: 24 (device enrolment), 25 (Windows 8
// registration, where 400 to 599 is an HTTP status and 12000 up a WinHTTP error) and 7 (a Win32 error).
func LookupError(c ErrorCode) (info ErrorInfo, ok bool) {
	for _, r := range errorTable {
		if r.code == c {
			return r.info(), true
		}
	}
	info = ErrorInfo{Code: c, Basis: BasisDerived, Source: "structure of result codes"}
	low := uint32(c) & 0xFFFF
	switch uint32(c) >> 16 {
	case 0x8018:
		info.Meaning = fmt.Sprintf("device enrolment error %d, not in any published list", low)
	case 0x8019:
		switch {
		case low >= 400 && low <= 599:
			info.Name = fmt.Sprintf("HTTP %d", low)
			info.Meaning = fmt.Sprintf("the server answered with HTTP status %d", low)
			info.Cause = "the enrolment or token service, or a proxy on the way, refused"
			info.Remedy = "try again later for 429 and 5xx; otherwise look at the proxy and at the event log for the address"
		case low >= 12000 && low < 13000:
			info.Name = fmt.Sprintf("WinHTTP %d", low)
			info.Meaning = fmt.Sprintf("network error %d of WinINet/WinHTTP", low)
			info.Remedy = "check name resolution, proxy and TLS from the device's system context"
		default:
			info.Meaning = fmt.Sprintf("registration error %d of Windows 8, not in any published list", low)
		}
	case 0x8007:
		info.Name = fmt.Sprintf("Win32 %d", low)
		info.Meaning = fmt.Sprintf("Win32 error %d; \"net helpmsg %d\" prints its text on Windows", low, low)
	default:
		info.Meaning = "not a code of enrolment or co-management known here"
		info.Basis = BasisUnknown
		info.Source = "-"
		return info, false
	}
	return info, true
}

// errorRow is one line of the table.
type errorRow struct {
	code    ErrorCode
	name    string
	meaning string
	cause   string
	remedy  string
	source  string
	alias   ErrorCode
}

func (r errorRow) info() ErrorInfo {
	return ErrorInfo{Code: r.code, Name: r.name, Meaning: r.meaning, Cause: r.cause, Remedy: r.remedy, Source: r.source, AliasOf: r.alias, Basis: BasisDocumented}
}
