package dsreg

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Report is one capture with its diagnosis, in the form in which tools
// exchange it. All members are always present; a fact the capture does not have is "".
type Report struct {
	File         string          `json:"file"`
	Index        int             `json:"index"` // number of the capture in the file, from 1
	Kind         string          `json:"kind"`
	Lines        [2]int          `json:"lines"` // first and last line in the file
	Verdict      string          `json:"verdict"`
	JoinState    JoinState       `json:"joinState"`
	Registered   Tri             `json:"registered"`
	DualState    bool            `json:"dualState"`
	Missing      []string        `json:"missing"` // rows without which the join state cannot be told
	DeviceID     string          `json:"deviceId"`
	TenantID     string          `json:"tenantId"`
	TenantName   string          `json:"tenantName"`
	DomainName   string          `json:"domainName"`
	DeviceName   string          `json:"deviceName"`
	PRT          string          `json:"prt"` // yes, no, not-applicable or unknown
	WorkAccounts []ReportAccount `json:"workAccounts"`
	WAMAccounts  []ReportWAM     `json:"wamAccounts,omitempty"` // of /listaccounts and /cleanupaccounts
	ClientTime   string          `json:"clientTime"`            // RFC 3339, "" if the capture prints none
	Layout       string          `json:"layout"`                // range of builds, inferred
	Encoding     Encoding        `json:"encoding"`
	Findings     []Finding       `json:"findings"`
	Rows         []Field         `json:"rows"`
}

// A ReportAccount is one work account of the user.
type ReportAccount struct {
	DeviceID   string `json:"deviceId"`
	TenantID   string `json:"tenantId"`
	TenantName string `json:"tenantName"`
	MDMURL     string `json:"mdmUrl"`
	Thumbprint string `json:"thumbprint"`
}

// A ReportWAM is one account of the Web Account Manager.
type ReportWAM struct {
	Kind      string `json:"kind"` // user, application or default
	Handle    string `json:"handle"`
	User      string `json:"user"`
	Authority string `json:"authority"`
	Removed   bool   `json:"removed"`
	Result    string `json:"result,omitempty"`
}

// NewReport joins a status and its diagnosis.
func NewReport(file string, s *Status, d *Diagnosis) Report {
	r := Report{File: file, Index: s.Index, Kind: s.Kind.String(), Lines: [2]int{s.Source.FirstLine, s.Source.LastLine},
		JoinState: d.Join.State, Registered: d.Join.Registered, DualState: d.Join.Dual, Missing: d.Join.Missing,
		DeviceID: s.Details.DeviceID.text(), TenantID: s.Tenant.TenantID.text(), TenantName: s.Tenant.TenantName.Raw,
		DomainName: s.Device.DomainName.Raw, DeviceName: s.Device.DeviceName.Raw, PRT: s.PRT(),
		WorkAccounts: []ReportAccount{}, Layout: s.Layout().Builds, Encoding: s.Source.Encoding, Findings: slices.Clone(d.Findings), Rows: s.fields}
	if t := &s.Diagnostics.Pre.ClientTime; t.State == Set {
		r.ClientTime = t.Time.Format(time.RFC3339Nano)
	}
	for i := range s.WorkAccounts {
		w := &s.WorkAccounts[i]
		r.WorkAccounts = append(r.WorkAccounts, ReportAccount{w.WorkplaceDeviceID.text(), w.WorkplaceTenantID.text(), w.WorkplaceTenantName.Raw, w.WorkplaceMDMURL.Raw, w.WorkplaceThumbprint.Raw})
	}
	if a := s.Accounts; a != nil {
		add := func(kind string, list ...WAMAccount) {
			for _, x := range list {
				w := ReportWAM{Kind: kind, Handle: x.Handle, User: x.User, Authority: x.Authority, Removed: x.Removed}
				if x.Result.State == Set {
					w.Result = x.Result.Value.String()
				}
				r.WAMAccounts = append(r.WAMAccounts, w)
			}
		}
		add("user", a.Users...)
		add("application", a.Apps...)
		if a.HasDefault {
			add("default", a.Default)
		}
	}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	for i := range r.Findings {
		if r.Findings[i].Rows == nil {
			r.Findings[i].Rows = []Field{}
		}
	}
	if r.Missing == nil {
		r.Missing = []string{}
	}
	if r.Rows == nil {
		r.Rows = []Field{}
	}
	r.Verdict = verdict(s, d)
	return r
}

// text returns the GUID in lower case, or what was printed in its place.
func (g *GUID) text() string {
	if g.State == Set {
		return g.ID.String()
	}
	return g.Raw
}

// PRT says whether the user has a token of Microsoft Entra ID: yes, no,
// not-applicable (the device or the account cannot have one) or unknown.
func (s *Status) PRT() string {
	prt := &s.SSO.AzureAdPrt
	if prt.Yes() {
		return "yes"
	}
	j := s.Join()
	switch j {
	case NotJoined, Registered, DomainJoined, DomainJoinedRegistered, DRSJoined:
		return "not-applicable"
	}
	switch {
	case !prt.No():
		return "unknown"
	case s.Context().LocalAccount:
		return "not-applicable"
	}
	return "no"
}

func verdict(s *Status, d *Diagnosis) string {
	var b strings.Builder
	switch s.Kind {
	case KindAccounts, KindCleanup:
		fmt.Fprintf(&b, "%d user accounts, %d application accounts", len(s.Accounts.Users), len(s.Accounts.Apps))
		if s.Kind == KindCleanup {
			fmt.Fprintf(&b, ", removed, %d failures", s.Accounts.Failures)
		}
		return b.String()
	case KindJoin:
		b.WriteString("trace of a join")
	case KindLeave:
		b.WriteString("trace of a leave")
	default:
		b.WriteString(d.Join.State.Title())
		if d.Join.Dual {
			b.WriteString(", and registered by a work account")
		}
		if n := s.Tenant.TenantName.Raw; n != "" {
			b.WriteString(", tenant " + clip(n, 80))
		} else if id := s.Tenant.TenantID.Raw; id != "" {
			b.WriteString(", tenant " + clip(id, 80))
		}
	}
	errs, warns := 0, 0
	first := ""
	for _, f := range d.Findings {
		switch f.Severity {
		case Error:
			errs++
		case Warning:
			warns++
		}
		if first == "" && f.Severity > Info {
			first = f.ID
		}
	}
	switch {
	case errs+warns == 0 && d.Join.State == Undetermined && s.Kind == KindStatus:
		b.WriteString("; nothing wrong in the rows that are there")
	case errs+warns == 0 && d.Has("sync-pending"):
		b.WriteString("; waits for synchronisation, nothing wrong found")
	case errs+warns == 0:
		b.WriteString("; nothing wrong found")
	default:
		fmt.Fprintf(&b, "; %s, %s, first %s", plural(errs, "error"), plural(warns, "warning"), first)
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// WriteText prints the status as a current build would: boxes, aligned rows,
// and the text between them, without the blanks and rules of the input. What
// it prints parses to the same rows.
func (s *Status) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	rule := "+" + strings.Repeat("-", 70) + "+\n"
	h, t, section := 0, 0, ""
	texts := func(before int) {
		for ; t < len(s.texts) && s.texts[t].Line < before; t++ {
			fmt.Fprintln(b, s.texts[t].Text)
		}
	}
	heading := func() {
		x := &s.headings[h]
		texts(x.Line)
		fmt.Fprintf(b, "%s| %s%s|\n%s\n", rule, x.Title, strings.Repeat(" ", max(0, 69-len(x.Title))), rule)
		section = x.Title
		h++
	}
	for i := range s.fields {
		f := &s.fields[i]
		for h < len(s.headings) && s.headings[h].first <= i {
			if h > 0 {
				fmt.Fprintln(b)
			}
			heading()
		}
		texts(f.Line)
		switch {
		case f.Section == sectionTitles[SecLog] || f.Section == sectionTitles[SecAccounts]:
			switch {
			case f.Label == "":
				fmt.Fprintln(b, f.Value)
			default:
				fmt.Fprintln(b, strings.TrimRight(f.Label+": "+f.Value, " "))
			}
		case f.Section == section:
			fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("%26s : %s", f.Label, f.Value), " "))
		default:
			fmt.Fprintf(b, "%26s : %s\n", f.Label, f.Value)
		}
	}
	for h < len(s.headings) {
		heading()
	}
	texts(1 << 62)
	fmt.Fprintln(b)
	return b.Flush()
}
