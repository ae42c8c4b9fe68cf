package ldapdir

import "fmt"

// A ResultCode is the resultCode of an LDAP answer (RFC 4511 appendix A). Codes without a name are kept.
type ResultCode uint16

// The codes that this package or its callers act on.
const (
	ResultOperationsError      ResultCode = 1
	ResultTimeLimit            ResultCode = 3
	ResultSizeLimit            ResultCode = 4
	ResultStrongerAuthRequired ResultCode = 8
	ResultReferral             ResultCode = 10
	ResultAdminLimit           ResultCode = 11
	ResultUnavailableExtension ResultCode = 12
	ResultNoSuchAttribute      ResultCode = 16
	ResultUndefinedAttribute   ResultCode = 17
	ResultInappropriateMatch   ResultCode = 18
	ResultConstraintViolation  ResultCode = 19
	ResultValueExists          ResultCode = 20
	ResultInvalidSyntax        ResultCode = 21
	ResultNoSuchObject         ResultCode = 32
	ResultInvalidDN            ResultCode = 34
	ResultInappropriateAuth    ResultCode = 48
	ResultInvalidCredentials   ResultCode = 49
	ResultInsufficientAccess   ResultCode = 50
	ResultBusy                 ResultCode = 51
	ResultUnavailable          ResultCode = 52
	ResultUnwilling            ResultCode = 53
	ResultNamingViolation      ResultCode = 64
	ResultObjectClassViolation ResultCode = 65
	ResultNotAllowedOnNonLeaf  ResultCode = 66
	ResultEntryExists          ResultCode = 68
	ResultOther                ResultCode = 80
	ResultAssertionFailed      ResultCode = 122
)

var resultNames = map[ResultCode]string{
	0: "success", ResultOperationsError: "operationsError", 2: "protocolError", ResultTimeLimit: "timeLimitExceeded",
	ResultSizeLimit: "sizeLimitExceeded", 5: "compareFalse", 6: "compareTrue", 7: "authMethodNotSupported",
	ResultStrongerAuthRequired: "strongerAuthRequired", ResultReferral: "referral", ResultAdminLimit: "adminLimitExceeded",
	ResultUnavailableExtension: "unavailableCriticalExtension", 13: "confidentialityRequired", 14: "saslBindInProgress",
	ResultNoSuchAttribute: "noSuchAttribute", ResultUndefinedAttribute: "undefinedAttributeType",
	ResultInappropriateMatch: "inappropriateMatching", ResultConstraintViolation: "constraintViolation",
	ResultValueExists: "attributeOrValueExists", ResultInvalidSyntax: "invalidAttributeSyntax",
	ResultNoSuchObject: "noSuchObject", 33: "aliasProblem", ResultInvalidDN: "invalidDNSyntax", 36: "aliasDereferencingProblem",
	ResultInappropriateAuth: "inappropriateAuthentication", ResultInvalidCredentials: "invalidCredentials",
	ResultInsufficientAccess: "insufficientAccessRights", ResultBusy: "busy", ResultUnavailable: "unavailable",
	ResultUnwilling: "unwillingToPerform", 54: "loopDetect", ResultNamingViolation: "namingViolation",
	ResultObjectClassViolation: "objectClassViolation", ResultNotAllowedOnNonLeaf: "notAllowedOnNonLeaf",
	67: "notAllowedOnRDN", ResultEntryExists: "entryAlreadyExists", 69: "objectClassModsProhibited", 71: "affectsMultipleDSAs",
	ResultOther: "other", 118: "canceled", ResultAssertionFailed: "assertionFailed", 123: "authorizationDenied",
}

// String returns the name of RFC 4511, such as "busy", or "ResultCode(n)".
func (c ResultCode) String() string {
	if n, ok := resultNames[c]; ok {
		return n
	}
	return fmt.Sprintf("ResultCode(%d)", uint16(c))
}
