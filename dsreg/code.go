package dsreg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Code is an HRESULT, NTSTATUS or Win32 error as dsregcmd prints it. The
// zero Code is success.
type Code uint32

// String returns the code as 0x and eight lower-case hex digits.
func (c Code) String() string {
	const digits = "0123456789abcdef"
	b := [10]byte{'0', 'x'}
	for i := 9; i > 1; i-- {
		b[i] = digits[c&15]
		c >>= 4
	}
	return string(b[:])
}

// Signed returns the code as the signed decimal that events, documents and
// virtual machine extensions print.
func (c Code) Signed() int32 { return int32(c) }

// MarshalText returns String.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what ParseCode reads.
func (c *Code) UnmarshalText(b []byte) (err error) {
	*c, err = ParseCode(string(b))
	return err
}

// ParseCode reads a code in any form in which it is printed: hex with 0x and
// one to eight digits, unsigned decimal, or signed decimal (-2145647630 is
// 0x801c03f2). Blanks around it are ignored.
func ParseCode(s string) (Code, error) {
	s = strings.TrimSpace(s)
	if c, ok := parseHexCode(s); ok {
		return c, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= -1<<31 && n < 1<<32 {
		return Code(uint32(n)), nil
	}
	return 0, fmt.Errorf("dsreg: %q is not an error code", clip(s, 32))
}

func parseHexCode(s string) (Code, bool) {
	if len(s) < 3 || len(s) > 10 || s[0] != '0' || s[1]|0x20 != 'x' {
		return 0, false
	}
	var c Code
	for i := 2; i < len(s); i++ {
		d := unhex(s[i])
		if d > 15 {
			return 0, false
		}
		c = c<<4 | Code(d)
	}
	return c, true
}

// A CodeInfo says what one code means.
type CodeInfo struct {
	Code      Code
	Symbol    string // name in Microsoft's documents or headers; "" if none was found
	Phase     string // pre-check, discover, auth, join, prt, …; several are separated by "; "
	Transient Tri    // Yes: expected to pass by itself
	Meaning   string
	Remedy    string
	Source    string
}

// A Family is the facility a code belongs to.
type Family string

// Families of codes. The ranges of WinHTTP inside 0x8007 and 0xcaa8 agree
// with the pairs that troubleshoot-hybrid-join-windows-current prints; the other
// ranges are the facilities of winerror.h and ntstatus.h.
const (
	FamilySuccess   Family = "success"
	FamilyDSREG     Family = "device registration"
	FamilyMDM       Family = "MDM enrolment"
	FamilyWin32     Family = "Win32"
	FamilyWinHTTP   Family = "WinINet/WinHTTP"
	FamilyHTTP      Family = "HTTP status"
	FamilyADALNet   Family = "ADAL network (WinHTTP)"
	FamilyADAL      Family = "ADAL/WAM"
	FamilyADALInfo  Family = "ADAL/WAM informational"
	FamilyCloudAP   Family = "CloudAP plug-in"
	FamilyNTSTATUS  Family = "NTSTATUS"
	FamilyNTHRESULT Family = "NTSTATUS as HRESULT"
	FamilyCrypto    Family = "SSPI/cryptography"
	FamilyTPM       Family = "TPM"
	FamilyOther     Family = "unknown"
)

// Split returns the family of c and the code inside it: the Win32 error of
// 0x8007xxxx, the WinHTTP error of 0xcaa82ee2, the HTTP status of 0x80190190,
// the NTSTATUS of 0xd000023c (that form is HRESULT_FROM_NT, bit 0x10000000 is
// cleared), and c itself elsewhere.
func (c Code) Split() (Family, uint32) {
	low := uint32(c & 0xffff)
	switch {
	case c == 0:
		return FamilySuccess, 0
	case c>>16 == 0x801c:
		return FamilyDSREG, low
	case c>>16 == 0x8018:
		return FamilyMDM, low
	case c>>16 == 0x8019:
		return FamilyHTTP, low
	case c>>16 == 0x8007 && isWinHTTP(low):
		return FamilyWinHTTP, low
	case c>>16 == 0x8007:
		return FamilyWin32, low
	case c>>16 == 0xcaa8:
		return FamilyADALNet, low
	case c>>20 == 0xcaa:
		return FamilyADAL, uint32(c)
	case c>>20 == 0x4aa:
		return FamilyADALInfo, uint32(c)
	case c>>8 == 0xc00484, c>>8 == 0x800484:
		return FamilyCloudAP, uint32(c)
	case c>>16 == 0x8009:
		return FamilyCrypto, uint32(c)
	case c>>16 == 0x8028, c>>16 == 0x8029:
		return FamilyTPM, uint32(c)
	case c>>28 == 0xc:
		return FamilyNTSTATUS, uint32(c)
	case c>>28 == 0xd:
		return FamilyNTHRESULT, uint32(c &^ 0x10000000)
	case isWinHTTP(uint32(c)):
		return FamilyWinHTTP, uint32(c)
	case c < 0x10000:
		return FamilyWin32, uint32(c)
	}
	return FamilyOther, uint32(c)
}

func isWinHTTP(n uint32) bool { return n >= 12000 && n <= 12287 }

// codeIndex is built once and never changed.
var codeIndex = sync.OnceValue(func() map[Code]int {
	m := make(map[Code]int, len(codes))
	for i := range codes {
		m[codes[i].Code] = i
	}
	return m
})

// Lookup returns the catalogued entry for exactly this code.
func Lookup(c Code) (CodeInfo, bool) {
	i, ok := codeIndex()[c]
	if !ok {
		return CodeInfo{}, false
	}
	return codes[i], true
}

// Codes returns all catalogued codes, in ascending order.
func Codes() []CodeInfo {
	all := slices.Clone(codes[:])
	slices.SortFunc(all, func(a, b CodeInfo) int { return int(int64(a.Code) - int64(b.Code)) })
	return all
}

// LookupSymbol finds a code by its symbolic name, without regard to case.
// Where an entry has two names, either finds it.
func LookupSymbol(name string) (CodeInfo, bool) {
	for i := range codes {
		for part := range strings.FieldsFuncSeq(codes[i].Symbol, func(r rune) bool { return strings.ContainsRune(" /(),", r) }) {
			if strings.EqualFold(part, name) && strings.Contains(part, "_") {
				return codes[i], true
			}
		}
	}
	return CodeInfo{}, false
}

// An Explanation is what is known about a code, exactly or by its family.
type Explanation struct {
	CodeInfo
	Family Family
	Inner  uint32 // the code inside the family: a Win32, WinHTTP, HTTP or NTSTATUS number
	Exact  bool   // the code itself is catalogued, not only its family or an equivalent form
}

// Explain decodes any code: from the catalogue, else from an equivalent form
// that is catalogued (0xd000023c is 0xc000023c, 0xcaa82ee2 and 0x2ee2 are
// 0x80072ee2), else by its family. It never fails; a code nothing is known
// about has FamilyOther and empty texts.
func Explain(c Code) Explanation {
	fam, inner := c.Split()
	e := Explanation{CodeInfo: CodeInfo{Code: c}, Family: fam, Inner: inner}
	if info, ok := Lookup(c); ok {
		e.CodeInfo, e.Exact = info, true
		return e
	}
	equivalents := [3]Code{}
	switch fam {
	case FamilyNTHRESULT:
		equivalents[0] = Code(inner)
	case FamilyWin32, FamilyWinHTTP, FamilyADALNet:
		equivalents = [3]Code{0x80070000 | Code(inner), Code(inner), 0xcaa80000 | Code(inner)}
	case FamilyCloudAP:
		equivalents[0] = c ^ 0x40000000
	}
	for _, other := range equivalents {
		if info, ok := Lookup(other); ok && other != 0 {
			info.Code = c
			e.CodeInfo = info
			return e
		}
	}
	switch fam {
	case FamilyMDM:
		e.CodeInfo = mdmInfo(c, inner)
	case FamilyWinHTTP, FamilyADALNet:
		e.CodeInfo = winHTTPInfo(c, inner)
	case FamilyHTTP:
		e.Meaning = "The server answered with HTTP status " + strconv.Itoa(int(inner)) + "."
		e.Remedy = "Look at what answers at the end point: the service, or a proxy on the way."
		e.Source = "winerror.h, FACILITY_HTTP"
		if inner >= 500 {
			e.Transient = Yes
		}
	case FamilyDSREG:
		e.Meaning = "Device registration error without public documentation."
		e.Remedy = "Read the server message and the event log User Device Registration/Admin (events 304, 305, 307)."
		e.Source = "winerror.h, facility 0x1c"
	case FamilyNTHRESULT:
		e.Meaning = "NTSTATUS " + Code(inner).String() + " in HRESULT form."
		e.Source = "winerror.h, HRESULT_FROM_NT"
	case FamilyADALInfo:
		e.Meaning = "Informational code of the sign-in library, not a failure."
		e.Source = "Microsoft support wiki on hybrid join"
	case FamilyTPM:
		e.Meaning = "The TPM or the platform crypto provider failed."
		e.Remedy = "Check the TPM (tpm.msc, firmware); Windows 10 1809 and later registers without it if it cannot be used."
		e.Source = "Microsoft Learn, troubleshoot-hybrid-join-windows-current"
	}
	return e
}

// mdmInfo holds the MDM enrolment codes that Microsoft's error table lists.
func mdmInfo(c Code, inner uint32) CodeInfo {
	info := CodeInfo{Code: c, Phase: "mdm", Meaning: "MDM enrolment error.", Source: "Microsoft Learn, MDM enrolment errors"}
	switch inner {
	case 0x0e:
		info.Meaning = "MDM enrolment: a password is needed."
	case 0x0f:
		info.Meaning = "MDM enrolment: web authentication failed."
	case 0x10:
		info.Meaning, info.Transient = "MDM enrolment: no connectivity.", Yes
	case 0x12:
		info.Meaning = "MDM enrolment: the server's TLS certificate is invalid."
	case 0x13:
		info.Meaning, info.Remedy = "MDM enrolment: the user's device limit is reached.", "Remove stale devices or raise the limit."
	case 0x14, 0x15:
		info.Meaning = "MDM enrolment: not supported."
	case 0x16:
		info.Meaning = "MDM enrolment: the renewal was rejected."
	case 0x17:
		info.Meaning, info.Transient = "MDM enrolment: the account is under maintenance.", Yes
	case 0x18:
		info.Meaning, info.Remedy = "MDM enrolment: the user has no licence.", "Assign a licence that includes Microsoft Intune."
	case 0x19:
		info.Meaning = "MDM enrolment: the enrolment data is invalid."
	}
	return info
}

// winHTTPInfo names the WinHTTP errors that a registration can meet (Microsoft
// Learn, WinHTTP error messages).
func winHTTPInfo(c Code, inner uint32) CodeInfo {
	info := CodeInfo{Code: c, Source: "Microsoft Learn, WinHTTP error messages",
		Meaning: "Network error " + strconv.Itoa(int(inner)) + " of WinINet/WinHTTP.",
		Remedy:  "Open the registration and sign-in end points for SYSTEM; look at the proxy."}
	switch inner {
	case 12005:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_INVALID_URL", "The URL is invalid."
	case 12017:
		info.Symbol, info.Meaning, info.Transient = "ERROR_WINHTTP_OPERATION_CANCELLED", "The request was cancelled.", Yes
	case 12037:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_SECURE_CERT_DATE_INVALID", "The server's certificate is outside its validity, or the clock is wrong."
	case 12038:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_SECURE_CERT_CN_INVALID", "The server's certificate names another host."
	case 12044:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED", "The server asked for a client certificate."
	case 12045:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_SECURE_INVALID_CA", "The server's certificate comes from an authority that is not trusted: TLS inspection?"
	case 12057:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_SECURE_CERT_REV_FAILED", "Revocation of the server's certificate could not be checked."
	case 12152:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_INVALID_SERVER_RESPONSE", "The answer was not HTTP."
	case 12166:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_BAD_AUTO_PROXY_SCRIPT", "The proxy script failed."
	case 12167:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_UNABLE_TO_DOWNLOAD_SCRIPT", "The proxy script could not be downloaded."
	case 12169:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_SECURE_INVALID_CERT", "The server's certificate is invalid."
	case 12170:
		info.Symbol, info.Meaning = "ERROR_WINHTTP_SECURE_CERT_REVOKED", "The server's certificate is revoked."
	}
	return info
}
