package adtest

import (
	"fmt"
	"strconv"
)

// Result codes of RFC 4511 appendix A that a domain controller sends.
const (
	ResultSuccess                      = 0
	ResultOperationsError              = 1
	ResultProtocolError                = 2
	ResultTimeLimitExceeded            = 3
	ResultSizeLimitExceeded            = 4
	ResultCompareFalse                 = 5
	ResultCompareTrue                  = 6
	ResultAuthMethodNotSupported       = 7
	ResultStrongerAuthRequired         = 8
	ResultReferral                     = 10
	ResultAdminLimitExceeded           = 11
	ResultUnavailableCriticalExtension = 12
	ResultConfidentialityRequired      = 13
	ResultNoSuchAttribute              = 16
	ResultUndefinedAttributeType       = 17
	ResultInappropriateMatching        = 18
	ResultConstraintViolation          = 19
	ResultAttributeOrValueExists       = 20
	ResultInvalidAttributeSyntax       = 21
	ResultNoSuchObject                 = 32
	ResultInvalidDNSyntax              = 34
	ResultInappropriateAuthentication  = 48
	ResultInvalidCredentials           = 49
	ResultInsufficientAccessRights     = 50
	ResultBusy                         = 51
	ResultUnavailable                  = 52
	ResultUnwillingToPerform           = 53
	ResultNamingViolation              = 64
	ResultObjectClassViolation         = 65
	ResultNotAllowedOnNonLeaf          = 66
	ResultNotAllowedOnRDN              = 67
	ResultEntryAlreadyExists           = 68
	ResultObjectClassModsProhibited    = 69
	ResultAffectsMultipleDSAs          = 71
	ResultOther                        = 80
)

// An Error is a refused operation: the result a client would see.
type Error struct {
	Code      int    // one of the Result constants, or what a hook chose
	Message   string // diagnosticMessage
	MatchedDN string // the nearest existing ancestor, with ResultNoSuchObject

	referrals []string
}

// Error returns code and message.
func (e *Error) Error() string {
	s := "adtest: result " + strconv.Itoa(e.Code)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

func refuse(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalidDN(problem string) *Error {
	return refuse(ResultInvalidDNSyntax, "0000208F: NameErr: problem 2006 (BAD_NAME), data 8349: %s", problem)
}

func noSuchObject(matched string) *Error {
	e := refuse(ResultNoSuchObject, "0000208D: NameErr: problem 2001 (NO_OBJECT), data 0, best match of:\n\t'%s'\n", matched)
	e.MatchedDN = matched
	return e
}

func noAccess(what string) *Error {
	return refuse(ResultInsufficientAccessRights, "00002098: SecErr: problem 4003 (INSUFF_ACCESS_RIGHTS), data 0: %s", what)
}

// asError hides the typed nil from callers.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

func itoa(n int) string { return strconv.Itoa(n) }

// quote shortens text from outside for a message.
func quote(s string) string {
	if len(s) > 120 {
		s = s[:120] + "…"
	}
	return strconv.Quote(s)
}
