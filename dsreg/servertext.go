package dsreg

import (
	"slices"
	"strings"
)

// A ServerText is what a message of Microsoft Entra ID or AD FS means.
type ServerText struct {
	Code    string // AADSTSnnnnn or MSISnnnn; "" for a text that carries no code
	Match   string // what the text contains, in lower case
	Meaning string
	Remedy  string
	Expects bool // normal for a while, or for some accounts: not a fault by itself
	Source  string
}

// serverTexts holds the catalogued texts. Codes come first.
var serverTexts = [...]ServerText{
	{"AADSTS90002", "aadsts90002", "The tenant named in the request does not exist: a wrong tenant in the service connection point, or a UPN suffix that is not a verified domain.", "For a join, correct the SCP or the CDJ\\AAD values. For a sign-in, give the user a verified UPN suffix or use Alternate Login ID.", false, "Microsoft Learn, troubleshoot-hybrid-join-windows-current; lab report for the sign-in"},
	{"AADSTS50155", "aadsts50155", "Device authentication failed: the device object is deleted or disabled.", "Enable the device object, or register the device again by its join type.", false, "Microsoft Learn, troubleshoot-primary-refresh-token"},
	{"AADSTS50034", "aadsts50034", "The user does not exist in the tenant.", "Check the UPN and whether the user is synchronised.", false, "Microsoft Learn, troubleshoot-primary-refresh-token"},
	{"AADSTS50126", "aadsts50126", "Wrong user name or password, or a new password that has not been synchronised yet.", "Wait for password hash synchronisation, then sign in again.", false, "Microsoft Learn, troubleshoot-primary-refresh-token"},
	{"AADSTS700003", "aadsts700003", "The device object was not found in the tenant.", "Register the device again.", false, "common knowledge, unverified"},
	{"AADSTS135011", "aadsts135011", "The device is disabled.", "Enable the device object.", false, "common knowledge, unverified"},
	{"AADSTS50173", "aadsts50173", "The session was revoked, usually by a password change.", "Sign in again.", true, "common knowledge, unverified"},
	{"AADSTS70044", "aadsts70044", "The session expired by a sign-in frequency policy.", "Sign in again.", true, "common knowledge, unverified"},
	{"AADSTS700082", "aadsts700082", "The refresh token expired through inactivity.", "Sign in again.", true, "common knowledge, unverified"},
	{"MSIS9682", "msis9682", "AD FS does not accept the device certificate: the device is not registered with a transport key there.", "Check device write-back and AD FS device registration. Sign-on to Microsoft Entra ID is not affected.", false, "Microsoft Q&A 591928"},
	{"MSIS9424", "msis9424", "AD FS does not accept the device certificate: the device is not registered with a transport key there.", "Check device write-back and AD FS device registration. Sign-on to Microsoft Entra ID is not affected.", false, "Microsoft Q&A 753549"},
	{"", "throttled", "Too many attempts: the request is throttled.", "Wait; the next scheduled attempt normally works.", true, "Microsoft Learn, troubleshoot-hybrid-join-windows-current"},
	{"", "target computer's sid", "The certificate in Microsoft Entra ID is not yet the one the computer uses.", "Wait for synchronisation.", true, "Microsoft Learn, troubleshoot-hybrid-join-windows-current"},
	{"", "error_missing_device", "The registration that is being renewed has no object in Microsoft Entra ID any more.", "dsregcmd /leave in an elevated prompt, then restart.", false, "lab report"},
}

// ExplainText looks for a catalogued text in a server message. A code in the
// text that is not catalogued is returned with the code alone.
func ExplainText(s string) (ServerText, bool) {
	code := ServerCode(s)
	low := strings.ToLower(s)
	for _, t := range serverTexts {
		if t.Code != "" && t.Code == code || t.Code == "" && code == "" && strings.Contains(low, t.Match) {
			return t, true
		}
	}
	if isMissingObject(low) && code == "" {
		return ServerText{
			Match:   "device object by the given id",
			Meaning: "The device object is not in Microsoft Entra ID yet.",
			Remedy:  "Wait for synchronisation; after the patience window check userCertificate, the organisational unit in scope, and the health of synchronisation.",
			Expects: true, Source: "Microsoft Learn, troubleshoot-device-dsregcmd",
		}, true
	}
	return ServerText{Code: code}, code != ""
}

// ServerTexts returns the catalogued texts.
func ServerTexts() []ServerText { return slices.Clone(serverTexts[:]) }

// isMissingObject matches "The device object by the given id (…) is not
// found" and its variant "isn't found".
func isMissingObject(low string) bool {
	return strings.Contains(low, "device object") && (strings.Contains(low, "not found") || strings.Contains(low, "n't found") || strings.Contains(low, "n’t found"))
}

// ServerCode returns the first AADSTSnnnnn or MSISnnnn in s, or "". Digits
// decide the end, so AADSTS500 is not found in AADSTS50034.
func ServerCode(s string) string {
	for _, prefix := range [...]string{"AADSTS", "MSIS"} {
		for rest := s; ; {
			i := strings.Index(rest, prefix)
			if i < 0 {
				break
			}
			n := i + len(prefix)
			end := n
			for end < len(rest) && end < n+12 && rest[end] >= '0' && rest[end] <= '9' {
				end++
			}
			if end > n {
				return rest[i:end]
			}
			rest = rest[n:]
		}
	}
	return ""
}
