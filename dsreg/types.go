package dsreg

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A Flag is a YES/NO row.
type Flag struct {
	Cell
	Value Tri // Maybe unless State is Set
}

// Yes reports whether the row says YES.
func (f *Flag) Yes() bool { return f.Value == Yes }

// No reports whether the row says NO. It is not the opposite of Yes.
func (f *Flag) No() bool { return f.Value == No }

// Reason returns the text in parentheses of "YES ( StateReady )", or "".
func (f *Flag) Reason() string {
	_, rest, ok := strings.Cut(f.Raw, "(")
	if !ok || f.State != Set {
		return ""
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
}

func (f *Flag) decode() bool {
	s := f.Raw
	if len(s) > len("YES") {
		if i := strings.IndexByte(s, '('); i > 0 {
			s = strings.TrimSpace(s[:i])
		}
	}
	switch {
	case s == "YES" || strings.EqualFold(s, "YES"):
		f.Value = Yes
	case s == "NO" || strings.EqualFold(s, "NO"):
		f.Value = No
	default:
		return false
	}
	return true
}

// A Text is a row whose value is any text.
type Text struct{ Cell }

func (t *Text) decode() bool { return true }

// An Enum is a row with a few known values.
type Enum struct {
	Cell
	Known bool // Raw is a value this package knows for the row
}

func (e *Enum) decode() bool { return true }

// A Link is a URL row. Some print NO in place of a URL.
type Link struct{ Cell }

func (l *Link) decode() bool {
	return strings.EqualFold(l.Raw, "NO") || strings.Contains(l.Raw, "://") || strings.HasPrefix(l.Raw, "www.")
}

// Says reports NO printed in place of a URL.
func (l *Link) Says(no string) bool { return l.State == Set && strings.EqualFold(l.Raw, no) }

// URL parses the value. It fails for an absent, empty or NO row.
func (l *Link) URL() (*url.URL, error) {
	if l.State != Set || l.Says("NO") {
		return nil, fmt.Errorf("dsreg: line %d: no URL: the row is %s (%q)", l.Line, l.State, l.Raw)
	}
	u, err := url.Parse(l.Raw)
	if err != nil {
		return nil, fmt.Errorf("dsreg: line %d: %w", l.Line, err)
	}
	return u, nil
}

// A Provider is the WamDefaultGUID row: "{GUID} (AzureAd)".
type Provider struct {
	Cell
	ID   UUID
	Name string // AzureAd, MicrosoftAccount
}

func (p *Provider) decode() (ok bool) {
	id, name, _ := strings.Cut(p.Raw, "(")
	p.Name = strings.TrimSuffix(strings.TrimSpace(name), ")")
	p.ID, ok = parseUUID(strings.TrimSpace(id))
	return ok
}

// A Number is a decimal row.
type Number struct {
	Cell
	N int
}

func (n *Number) decode() bool {
	i, err := strconv.Atoi(n.Raw)
	if err == nil {
		n.N = i
	}
	return err == nil
}

// An ErrorCode is a row that holds an HRESULT or NTSTATUS.
type ErrorCode struct {
	Cell
	Value Code // 0 is success, and also the value of a row that is not Set
}

func (e *ErrorCode) decode() bool {
	code, err := ParseCode(e.Raw)
	if err == nil {
		e.Value = code
	}
	return err == nil
}

// A TestResult is the outcome of a pre-join test.
type TestResult uint8

// Outcomes of a Test. A SKIPPED test has State NotTested and no outcome.
const (
	NoResult TestResult = iota
	Pass
	Fail
)

// String returns "none", "pass" or "fail"; other values print as TestResult(n).
func (r TestResult) String() string {
	switch r {
	case NoResult:
		return "none"
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	}
	return "TestResult(" + strconv.Itoa(int(r)) + ")"
}

// A Test is a pre-join test row: PASS, FAIL [outer] or FAIL [outer/cause].
type Test struct {
	Cell
	Result TestResult
	Outer  Code // what failed
	Cause  Code // why; 0 if only one code was printed
}

func (t *Test) decode() bool {
	if strings.EqualFold(t.Raw, "PASS") {
		t.Result = Pass
		return true
	}
	if !hasPrefixFold(t.Raw, "FAIL") {
		return false
	}
	rest := strings.TrimSpace(t.Raw[4:])
	if rest == "" {
		t.Result = Fail
		return true
	}
	if len(rest) < 2 || rest[0] != '[' || rest[len(rest)-1] != ']' {
		return false
	}
	a, b, two := strings.Cut(rest[1:len(rest)-1], "/")
	outer, err := ParseCode(strings.TrimSpace(a))
	if err != nil {
		return false
	}
	var cause Code
	if two {
		if cause, err = ParseCode(strings.TrimSpace(b)); err != nil {
			return false
		}
	}
	t.Result, t.Outer, t.Cause = Fail, outer, cause
	return true
}

// A KeySign is the KeySignTest row.
type KeySign struct {
	Cell
	Result TestResult // NoResult when the test was not run
	Key    string     // which key failed: "device key", "transport key", "resource account key", "unknown key"
}

func (k *KeySign) decode() bool {
	switch {
	case strings.EqualFold(k.Raw, "PASSED"):
		k.Result = Pass
	case hasPrefixFold(k.Raw, "FAILED"):
		k.Result = Fail
		k.Key = strings.Trim(k.Raw[6:], " ().")
	default:
		return false
	}
	return true
}

// An AuthResult is the outcome of DeviceAuthStatus.
type AuthResult uint8

// Outcomes of DeviceAuthStatus.
const (
	AuthUnknown   AuthResult = iota
	AuthOK                   // SUCCESS
	AuthRejected             // the device object is disabled or deleted in Microsoft Entra ID
	AuthNotTested            // the check itself failed, Code says how
)

var authNames = [...]string{"unknown", "ok", "rejected", "not-tested"}

// String returns the outcome's name; values off the table print as AuthResult(n).
func (r AuthResult) String() string {
	if int(r) < len(authNames) {
		return authNames[r]
	}
	return "AuthResult(" + strconv.Itoa(int(r)) + ")"
}

// An AuthStatus is the DeviceAuthStatus row. Its Code is the error of a check that could not run.
type AuthStatus struct {
	Cell
	Result AuthResult
}

func (a *AuthStatus) decode() bool {
	switch {
	case strings.EqualFold(a.Raw, "SUCCESS"):
		a.Result = AuthOK
	case hasPrefixFold(a.Raw, "FAILED") && containsFold(a.Raw, "disabled or deleted"):
		a.Result = AuthRejected
	case hasPrefixFold(a.Raw, "FAILED"):
		// "FAILED. Error: 0x…", and "FAILED. ERROR" in the documentation.
		a.Result = AuthNotTested
		if i := strings.Index(a.Raw, "0x"); i >= 0 {
			a.Code, _ = parseHexCode(strings.TrimRight(a.Raw[i:], ". )"))
		}
	default:
		return false
	}
	return true
}

// An Account is the Executing Account Name row.
type Account struct {
	Cell
	Domain string // part before the backslash: a domain, a computer, or AzureAD
	User   string
	UPN    string // what follows the comma; "" for a local account
}

func (a *Account) decode() bool {
	name, upn, _ := strings.Cut(a.Raw, ",")
	a.UPN = strings.TrimSpace(upn)
	name = strings.TrimSpace(name)
	if d, u, ok := strings.Cut(name, `\`); ok {
		a.Domain, a.User = d, u
	} else {
		a.User = name
	}
	return true
}

// Machine reports the computer account or SYSTEM: the name ends in a dollar sign.
func (a *Account) Machine() bool { return a.State == Set && strings.HasSuffix(a.User, "$") }

// A List is a comma-separated row.
type List struct{ Cell }

func (l *List) decode() bool { return true }

// Items returns the items of the list without blanks around them; nil if there is none.
func (l *List) Items() []string {
	if l.State != Set {
		return nil
	}
	items := strings.Split(l.Raw, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

// A SettingsBlob is the base64 text of SettingsUrl.
type SettingsBlob struct{ Cell }

func (s *SettingsBlob) decode() bool {
	for i := range len(s.Raw) {
		switch c := s.Raw[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/', c == '=':
		default:
			return false
		}
	}
	return true
}

// URIs decodes the endpoints of Enterprise State Roaming: base64 of a JSON
// object with the member "Uris".
func (s *SettingsBlob) URIs() ([]string, error) {
	if s.State != Set {
		return nil, fmt.Errorf("dsreg: line %d: no settings: the row is %s", s.Line, s.State)
	}
	b, err := base64.StdEncoding.DecodeString(s.Raw)
	if err != nil {
		return nil, fmt.Errorf("dsreg: line %d: SettingsUrl: %w", s.Line, err)
	}
	var doc struct{ Uris []string }
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("dsreg: line %d: SettingsUrl: %w", s.Line, err)
	}
	if doc.Uris == nil {
		return nil, fmt.Errorf("dsreg: line %d: SettingsUrl: %w", s.Line, errors.New(`no member "Uris"`))
	}
	return doc.Uris, nil
}
