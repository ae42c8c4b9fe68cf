package dsreg

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Severity is the weight of a finding. The zero Severity is no severity.
type Severity uint8

// Severities, in ascending order.
const (
	Info    Severity = iota + 1 // worth knowing; nothing to repair
	Warning                     // works, but not for long or not fully
	Error                       // broken
)

var severityNames = [...]string{"", "info", "warning", "error"}

// String returns info, warning or error; other values print as Severity(n).
func (s Severity) String() string {
	if s != 0 && int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "Severity(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText returns the name; it fails for a value off the table.
func (s Severity) MarshalText() ([]byte, error) {
	if s == 0 || int(s) >= len(severityNames) {
		return nil, fmt.Errorf("dsreg: no severity %d", uint8(s))
	}
	return []byte(severityNames[s]), nil
}

// UnmarshalText reads a name.
func (s *Severity) UnmarshalText(b []byte) error {
	if i := slices.Index(severityNames[1:], string(b)); i >= 0 {
		*s = Severity(i + 1)
		return nil
	}
	return fmt.Errorf("dsreg: %q is not a severity", clip(string(b), 40))
}

// A Phase is the step of a device's life that a finding belongs to.
type Phase string

// Phases, in the order in which they happen; the first broken one is the cause of those after it.
const (
	PhaseCapture  Phase = "capture"
	PhasePreCheck Phase = "pre-check"
	PhaseDiscover Phase = "discover"
	PhaseAuth     Phase = "auth"
	PhaseJoin     Phase = "join"
	PhasePostJoin Phase = "post-join"
	PhasePRT      Phase = "prt"
	PhaseUser     Phase = "user"
	PhaseHello    Phase = "whfb"
)

var phaseOrder = [...]Phase{PhasePreCheck, PhaseDiscover, PhaseAuth, PhaseJoin, PhasePostJoin, PhasePRT, PhaseUser, PhaseHello, PhaseCapture}

func (p Phase) rank() int {
	for i, q := range phaseOrder {
		if p == q {
			return i
		}
	}
	return len(phaseOrder)
}

// A Confidence says how sure a finding is.
type Confidence string

// Confidences.
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
)

// A Finding is one thing a rule has to say about a capture.
type Finding struct {
	ID         string     `json:"id"`
	Severity   Severity   `json:"severity"`
	Phase      Phase      `json:"phase"`
	Title      string     `json:"title"`
	Code       string     `json:"code,omitempty"` // 0x…, AADSTS… or MSIS…
	Rows       []Field    `json:"rows"`           // what it rests on, in print order; empty only where the finding is that nothing was printed
	Cause      string     `json:"cause"`
	Remedy     string     `json:"remedy"`
	Transient  Tri        `json:"transient"` // expected to pass by itself
	Confidence Confidence `json:"confidence"`
	Source     string     `json:"source"`
}

// MarshalJSON returns true, false, or null for Maybe.
func (t Tri) MarshalJSON() ([]byte, error) {
	switch t {
	case Yes:
		return []byte("true"), nil
	case No:
		return []byte("false"), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads true, false and null.
func (t *Tri) UnmarshalJSON(b []byte) error {
	var v *bool
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch {
	case v == nil:
		*t = Maybe
	case *v:
		*t = Yes
	default:
		*t = No
	}
	return nil
}

// A Context is under which circumstances the command ran. User rows of a run
// as SYSTEM, elevated or through a remote shell describe somebody else or nobody.
type Context struct {
	System       bool // by SYSTEM or a computer account
	Elevated     bool
	RemoteShell  bool // WinRM or a similar session without a sign-in of its own
	RemoteDesk   bool // a remote desktop session: an ordinary sign-in, except for Windows Hello
	LocalAccount bool // by an account of the computer itself, which cannot have a token of Microsoft Entra ID
	Rows         []Field
}

// UserRowsCount reports whether the rows about the user may be believed.
func (c Context) UserRowsCount() bool { return !c.System && !c.Elevated && !c.RemoteShell }

// Context returns the circumstances that the capture gives away.
func (s *Status) Context() Context {
	var c Context
	note := func(cell *Cell) {
		if f, ok := s.rowOf(cell); ok && !slices.ContainsFunc(c.Rows, func(g Field) bool { return g.Line == f.Line && g.Label == f.Label }) {
			c.Rows = append(c.Rows, f)
		}
	}
	uc := &s.Diagnostics.Pre.UserContext
	switch {
	case uc.Is("SYSTEM"):
		c.System = true
		note(&uc.Cell)
	case uc.Is("ELEVATED User"):
		c.Elevated = true
		note(&uc.Cell)
	}
	acct := &s.Diagnostics.ExecutingAccountName
	if acct.Machine() || strings.EqualFold(acct.User, "SYSTEM") {
		c.System = true
		note(&acct.Cell)
	}
	if acct.State == Set && acct.UPN == "" && acct.Domain != "" && !acct.Machine() {
		host, _, _ := strings.Cut(s.Device.DeviceName.Raw, ".")
		if strings.EqualFold(acct.Domain, host) {
			c.LocalAccount = true
			note(&acct.Cell)
		}
	}
	const noLogon, noRPC = 0x80070520, 0xd0020017
	wam, ngc := &s.User.WamDefaultSet, &s.Ngc.NgcPreReq
	switch {
	case wam.Code == noRPC, ngc.Code == noRPC:
		c.RemoteShell = true
		if wam.Code == noRPC {
			note(&wam.Cell)
		}
		if ngc.Code == noRPC {
			note(&ngc.Cell)
		}
	case wam.Code == noLogon && uc.State == Absent && !c.System:
		// No sign-in session: run elevated as another account, says the documentation.
		c.Elevated = true
		note(&wam.Cell)
	}
	for i := range s.texts {
		t := &s.texts[i]
		switch {
		case t.Class == TextProgress && !c.System:
			c.Elevated = true // the task is started by elevated runs only
		case t.Class == TextPrompt && (strings.Contains(t.Text, "Evil-WinRM") || strings.Contains(t.Text, "]: PS ")):
			c.RemoteShell = true
		}
	}
	if s.Ngc.SessionIsNotRemote.No() {
		c.RemoteDesk = !c.RemoteShell
		note(&s.Ngc.SessionIsNotRemote.Cell)
	}
	slices.SortFunc(c.Rows, func(a, b Field) int { return a.Line - b.Line })
	return c
}

// A Case is what a rule looks at.
type Case struct {
	Status  *Status
	Expect  Expectation
	Join    Join
	Context Context
	// Clock is the capture's clock: Client Time of the pre-join block, else
	// Expect.At, else zero. ClockGiven tells that it is the caller's.
	Clock      time.Time
	ClockGiven bool

	codes     []rowCode
	attempted bool // the capture holds a trace of a join attempt
	outdated  bool // the recorded failure is older than tests that pass now
}

// A rowCode is an error code of the join with the cell that printed it.
type rowCode struct {
	code Code
	cell *Cell
	test bool // from a test, so it is current
}

// Cells returns the raw rows of typed cells, in print order, without those the capture lacks.
func (c *Case) Cells(cells ...*Cell) []Field {
	var rows []Field
	for _, cell := range cells {
		if f, ok := c.Status.rowOf(cell); ok {
			rows = append(rows, f)
		}
	}
	slices.SortStableFunc(rows, func(a, b Field) int { return a.Line - b.Line })
	return rows
}

// A Rule is one check. Rules are data: DiagnoseWith runs the slice it is given.
type Rule struct {
	ID       string   // stable; findings can be suppressed by it
	Title    string   // one line, for lists
	Phase    Phase    // of its findings, unless they say otherwise
	Severity Severity // of its findings, unless they say otherwise
	Source   string   // the document it rests on
	User     bool     // rests on rows about the user: a finding weighs less where Context.UserRowsCount is false

	Applies func(*Case) bool // nil: always
	Check   func(*Case, func(Finding))
}

// Rules returns the package's rules in the order in which they run. The slice
// and the rules are the caller's to change.
func Rules() []Rule {
	return slices.Concat(joinRules(), deviceRules(), userRules(), helloRules(), captureRules())
}

// A Diagnosis is the outcome of rules run over one status.
type Diagnosis struct {
	Join     Join
	Context  Context
	Findings []Finding // worst first; among equals the earlier phase first
	// Passed are the rules that applied and had nothing to say, NotApplicable
	// those that could not be asked of this capture.
	Passed, NotApplicable []string
}

// Worst returns the highest severity, 0 if there is no finding.
func (d *Diagnosis) Worst() Severity {
	if len(d.Findings) == 0 {
		return 0
	}
	return d.Findings[0].Severity
}

// Has reports whether a finding has this id.
func (d *Diagnosis) Has(id string) bool {
	_, ok := d.Find(id)
	return ok
}

// Find returns the first finding with this id.
func (d *Diagnosis) Find(id string) (Finding, bool) {
	for _, f := range d.Findings {
		if f.ID == id {
			return f, true
		}
	}
	return Finding{}, false
}

// Diagnose runs Rules over a status. The same status and expectation give the
// same diagnosis, at any time and on any machine.
func Diagnose(s *Status, want Expectation) *Diagnosis {
	return DiagnoseWith(allRules(), s, want)
}

// DiagnoseWith runs the given rules over a status.
func DiagnoseWith(rules []Rule, s *Status, want Expectation) *Diagnosis {
	c := &Case{Status: s, Expect: want, Join: s.JoinDetail(), Context: s.Context()}
	c.Clock, c.ClockGiven = want.At, !want.At.IsZero()
	if t := &s.Diagnostics.Pre.ClientTime; t.State == Set {
		c.Clock, c.ClockGiven = t.Time, false
	}
	c.attempted = c.lookForAttempt()
	c.collect()
	d := &Diagnosis{Join: c.Join, Context: c.Context}
	names := make([]string, 2*len(rules))
	d.Passed, d.NotApplicable = names[:0:len(rules)], names[len(rules):len(rules)]
	reliable := c.Context.UserRowsCount()
	var r *Rule // the rule that reports
	report := func(f Finding) {
		f.ID = r.ID
		if f.Severity == 0 {
			f.Severity = r.Severity
		}
		if f.Phase == "" {
			f.Phase = r.Phase
		}
		if f.Title == "" {
			f.Title = r.Title
		}
		if f.Source == "" {
			f.Source = r.Source
		}
		if f.Remedy == "" { // a code that nothing is known about
			f.Remedy = "Look for the code in the event logs User Device Registration/Admin and AAD/Operational, which say more about it."
		}
		if f.Confidence == "" {
			f.Confidence = High
		}
		if r.User && !reliable && f.Severity > Info {
			f.Severity, f.Confidence = Info, Low
			f.Cause += " The command did not run as an ordinary signed-in user, so this may describe somebody else: run it again un-elevated, in the user's own session."
		}
		d.Findings = append(d.Findings, f)
	}
	for i := range rules {
		r = &rules[i]
		if r.Applies != nil && !r.Applies(c) {
			d.NotApplicable = append(d.NotApplicable, r.ID)
			continue
		}
		before := len(d.Findings)
		r.Check(c, report)
		if len(d.Findings) == before {
			d.Passed = append(d.Passed, r.ID)
		}
	}
	slices.SortStableFunc(d.Findings, func(a, b Finding) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		return a.Phase.rank() - b.Phase.rank()
	})
	return d
}

// collect gathers the codes of the join attempt, tests first.
func (c *Case) collect() {
	pre := &c.Status.Diagnostics.Pre
	passed, failed := 0, 0
	for _, t := range pre.tests() {
		switch t.Result {
		case Pass:
			passed++
		case Fail:
			failed++
			if t.Cause != 0 {
				c.codes = append(c.codes, rowCode{t.Cause, &t.Cell, true})
			}
			c.codes = append(c.codes, rowCode{t.Outer, &t.Cell, true})
		}
	}
	// The record of the last attempt may be older than the tests, which speak
	// about the phases before the join only.
	prev := &pre.PreviousRegistration
	c.outdated = passed >= 3 && failed == 0 && prev.State == Set && !pre.ErrorPhase.Is("join") && pre.ErrorPhase.Present() &&
		pre.ClientTime.State == Set && prev.Time.Before(pre.ClientTime.Time)
	if pre.ClientErrorCode.Value != 0 && !c.outdated {
		c.codes = append(c.codes, rowCode{pre.ClientErrorCode.Value, &pre.ClientErrorCode.Cell, false})
	}
	if l := c.Status.Log; l != nil {
		for _, e := range []*ErrorCode{&l.SCP, &l.Adal, &l.TokenError, &l.FederatedError, &l.SyncError} {
			if e.Value != 0 {
				c.codes = append(c.codes, rowCode{e.Value, &e.Cell, false})
			}
		}
	}
}

// code returns the first code of the join attempt that satisfies f, and all rows that print such a code.
func (c *Case) code(f func(Code) bool) (Code, []*Cell) {
	var first Code
	var cells []*Cell
	for _, rc := range c.codes {
		if f(rc.code) {
			if len(cells) == 0 {
				first = rc.code
			}
			if !slices.Contains(cells, rc.cell) {
				cells = append(cells, rc.cell)
			}
		}
	}
	return first, cells
}

func (p *PreJoin) tests() []*Test {
	return []*Test{&p.ADConnectivityTest, &p.ADConfigurationTest, &p.DRSDiscoveryTest, &p.DRSConnectivityTest, &p.KerberosTicketTest, &p.TokenAcquisitionTest}
}

func oneOf(codes ...Code) func(Code) bool {
	return func(c Code) bool { return slices.Contains(codes, c) }
}

// fromCode fills code, cause, remedy and transience from the catalogue.
func (f Finding) fromCode(c Code) Finding {
	e := Explain(c)
	f.Code = c.String()
	if e.Symbol != "" {
		f.Cause = join(f.Cause, fmt.Sprintf("%s is %s: %s", c, e.Symbol, e.Meaning))
	} else if e.Meaning != "" {
		f.Cause = join(f.Cause, fmt.Sprintf("%s: %s", c, e.Meaning))
	} else {
		f.Cause = join(f.Cause, fmt.Sprintf("%s (%s) is not in the catalogue.", c, e.Family))
	}
	if f.Remedy == "" {
		f.Remedy = e.Remedy
	}
	if f.Transient == Maybe {
		f.Transient = e.Transient
	}
	return f
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + " " + b
}
