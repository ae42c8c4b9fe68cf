package dsreg

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A Tri is a fact that may be unknown. The zero Tri is Maybe: a row this
// Windows build does not print, or printed as an error, is not "NO".
type Tri uint8

// The three values of a Tri.
const (
	Maybe Tri = iota
	No
	Yes
)

// String returns "unknown", "no" or "yes"; other values print as Tri(n).
func (t Tri) String() string {
	switch t {
	case Maybe:
		return "unknown"
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return "Tri(" + strconv.Itoa(int(t)) + ")"
}

// A State says in which way a row speaks. The zero State is Absent. The seven
// states are never folded into each other: an absent row, an empty one, a NO,
// an UNKNOWN, an ERROR and an untested one mean different things.
type State uint8

// The states of a Cell.
const (
	Absent    State = iota // the capture has no such row
	Empty                  // the row is there and its value is empty
	Set                    // a value of the row's type (YES, NO, a time, a code, …)
	Unknown                // the program printed UNKNOWN
	Failed                 // the program printed ERROR, with or without a code
	NotTested              // SKIPPED, NOT TESTED, or "MUST Run elevated to test."
	Malformed              // a value that is not of the row's type: redacted, cut off, or from a build newer than this package
)

var stateNames = [...]string{"absent", "empty", "set", "unknown", "failed", "not-tested", "malformed"}

// String returns the name of s in lower case; values off the table print as State(n).
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// A Cell is what every typed row has in common: where it stands and how it
// speaks. The zero Cell is a row that the capture does not have.
type Cell struct {
	Raw   string // the value as printed, blanks at both ends removed
	Line  int32  // line of the input, from 1; 0 when Absent
	row   int32  // index in Status.fields plus 1
	Code  Code   // the code of an ERROR (0x…); 0 if it carried none
	State State
}

// Present reports whether the capture has the row, whatever its value.
func (c *Cell) Present() bool { return c.State != Absent }

// IsSet reports whether the row holds a value of its type.
func (c *Cell) IsSet() bool { return c.State == Set }

// Is reports whether the row holds a value equal to s without regard to case.
func (c *Cell) Is(s string) bool { return c.State != Absent && strings.EqualFold(c.Raw, s) }

func (c *Cell) cell() *Cell { return c }

// A value is a typed row of the model: a struct that embeds Cell.
type value interface {
	cell() *Cell
	// decode reads Raw, which is neither empty nor one of the common
	// non-values, and reports whether it is of the type.
	decode() bool
}

// fill stores one printed row in its typed field. The first row wins: a later
// one with the same owner stays in Status.Fields only.
func fill(v value, raw string, line, row int32) bool {
	c := v.cell()
	if c.State != Absent {
		return false
	}
	c.Raw, c.Line, c.row = raw, line, row
	if raw == "" {
		c.State = Empty
		return true
	}
	switch raw[0] {
	case 'E', 'e', 'U', 'u', 'N', 'n', 'S', 's', 'M', 'm':
		if st, code, ok := nonValue(raw); ok {
			// "Unknown" is one of the catalogued values of CanReset and of the attribute uploads, and still says nothing.
			c.State, c.Code = st, code
			v.decode()
			return true
		}
	}
	if v.decode() {
		c.State = Set
	} else {
		c.State = Malformed
	}
	return true
}

// nonValue recognises what the program prints in place of a value.
func nonValue(s string) (State, Code, bool) {
	if len(s) > 48 {
		return 0, 0, false
	}
	switch {
	case strings.EqualFold(s, "UNKNOWN"):
		return Unknown, 0, true
	case strings.EqualFold(s, "SKIPPED"), strings.EqualFold(s, "NOT TESTED"):
		return NotTested, 0, true
	case hasPrefixFold(s, "MUST run elevated"):
		return NotTested, 0, true
	case strings.EqualFold(s, "ERROR"), strings.EqualFold(s, "ERROR [UNKNOWN_ERROR]"):
		return Failed, 0, true
	case hasPrefixFold(s, "ERROR 0x"):
		code, ok := parseHexCode(s[6:])
		return Failed, code, ok
	case hasPrefixFold(s, "ERROR (0x") && s[len(s)-1] == ')':
		code, ok := parseHexCode(s[7 : len(s)-1])
		return Failed, code, ok
	}
	return 0, 0, false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

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
	if i := strings.IndexByte(s, '('); i > 0 {
		s = strings.TrimSpace(s[:i])
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

// A Time is a UTC time row. No other zone is ever printed.
type Time struct {
	Cell
	Time time.Time // zero unless State is Set
}

func (t *Time) decode() (ok bool) {
	t.Time, ok = parseTime(t.Raw)
	return ok
}

// A TimeRange is a "[ start -- end ]" row.
type TimeRange struct {
	Cell
	Start, End time.Time // zero unless State is Set
}

func (t *TimeRange) decode() bool {
	s, ok := strings.CutPrefix(t.Raw, "[")
	if !ok {
		return false
	}
	if s, ok = strings.CutSuffix(s, "]"); !ok {
		return false
	}
	a, b, ok := strings.Cut(s, "--")
	if !ok {
		return false
	}
	start, ok1 := parseTime(strings.TrimSpace(a))
	end, ok2 := parseTime(strings.TrimSpace(b))
	if !ok1 || !ok2 {
		return false
	}
	t.Start, t.End = start, end
	return true
}

// parseTime reads "2006-01-02 15:04:05.000 UTC"; the fraction may be missing
// or have up to nine digits.
func parseTime(s string) (time.Time, bool) {
	const shape = "dddd-dd-dd dd:dd:dd"
	if len(s) < len(shape)+4 {
		return time.Time{}, false
	}
	for i := range len(shape) {
		if shape[i] == 'd' {
			if s[i] < '0' || s[i] > '9' {
				return time.Time{}, false
			}
		} else if s[i] != shape[i] {
			return time.Time{}, false
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	year := two(0)*100 + two(2)
	month, day, hour, minute, sec := two(5), two(8), two(11), two(14), two(17)
	rest := s[len(shape):]
	nanos := 0
	if rest[0] == '.' {
		i, scale := 1, 100_000_000
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
			nanos += int(rest[i]-'0') * scale
			scale /= 10
		}
		if i == 1 || i > 10 {
			return time.Time{}, false
		}
		rest = rest[i:]
	}
	if rest != " UTC" || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || sec > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, nanos, time.UTC)
	if t.Day() != day { // 31 February
		return time.Time{}, false
	}
	return t, true
}

// A UUID is a GUID in the order of its text.
type UUID [16]byte

// String returns the 36-character lower-case form.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], u[10:16])
	return string(b[:])
}

// IsZero reports the nil GUID, which the program never prints.
func (u UUID) IsZero() bool { return u == UUID{} }

// ParseUUID reads a GUID with or without braces; blanks inside the braces are
// accepted because dsregcmd prints them.
func ParseUUID(s string) (UUID, error) {
	if u, ok := parseUUID(s); ok {
		return u, nil
	}
	return UUID{}, fmt.Errorf("dsreg: %q is not a GUID", clip(s, 64))
}

func parseUUID(s string) (u UUID, ok bool) {
	if len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	for n, i := range [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		hi, lo := unhex(s[i]), unhex(s[i+1])
		if hi > 15 || lo > 15 {
			return UUID{}, false
		}
		u[n] = hi<<4 | lo
	}
	return u, true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// A GUID is a GUID row. A shortened or redacted one is Malformed and keeps its text in Raw.
type GUID struct {
	Cell
	ID UUID // zero unless State is Set
}

func (g *GUID) decode() (ok bool) {
	g.ID, ok = parseUUID(g.Raw)
	return ok
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

func containsFold(s, lower string) bool {
	return strings.Contains(strings.ToLower(s), lower)
}

// clip shortens text from outside before it goes into a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
