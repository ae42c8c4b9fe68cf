package dsreg

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// A Fleet sums up many statuses in bounded memory: it keeps counts and the
// worst devices, never the statuses. Set its fields before the first Add. The
// zero Fleet keeps DefaultWorst devices and MaxTenants tenants. A Fleet is not
// safe for concurrent use.
type Fleet struct {
	Want Expectation // for the diagnosis of Add
	Keep int         // how many of the worst devices to keep; 0 means DefaultWorst, below 0 none

	total int

	join     [len(joinNames)]int
	findings map[string]*FindingCount
	tenants  map[string]*TenantCount
	others   int // captures of tenants beyond MaxTenants
	severity [len(severityNames)]int
	worst    []DeviceSummary
}

// Bounds of a Fleet.
const (
	DefaultWorst = 20
	MaxTenants   = 1000
)

// A FindingCount is how many captures have a finding.
type FindingCount struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"` // the highest with which it occurred
	Count    int      `json:"count"`
	Example  string   `json:"example"` // name of the first capture with it
}

// A TenantCount is how many captures are joined to a tenant.
type TenantCount struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"` // as the first capture printed it
	Count int    `json:"count"`
}

// A JoinCount is how many captures have a join state.
type JoinCount struct {
	State JoinState `json:"state"`
	Count int       `json:"count"`
}

// A DeviceSummary is one of the worst devices.
type DeviceSummary struct {
	Name     string    `json:"name"` // what the caller called the capture
	Device   string    `json:"device,omitempty"`
	State    JoinState `json:"joinState"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []string  `json:"findings"` // ids of errors and warnings
}

// A FleetSummary is the state of a Fleet. Lists are in descending order of
// count, those of devices worst first; ties are in alphabetical order, so that
// the same captures in the same order give the same summary.
type FleetSummary struct {
	Captures     int             `json:"captures"`
	Clean        int             `json:"clean"` // without error or warning
	WithErrors   int             `json:"withErrors"`
	JoinStates   []JoinCount     `json:"joinStates"`
	Findings     []FindingCount  `json:"findings"` // worst severity first
	Tenants      []TenantCount   `json:"tenants"`
	OtherTenants int             `json:"otherTenants,omitempty"` // captures of tenants beyond MaxTenants
	Worst        []DeviceSummary `json:"worst"`
}

// Add diagnoses a status and counts it. The name is what the caller knows the capture by, for example its file.
func (f *Fleet) Add(name string, s *Status) *Diagnosis {
	d := Diagnose(s, f.Want)
	f.AddDiagnosis(name, s, d)
	return d
}

// AddDiagnosis counts a status with a diagnosis that the caller already has.
func (f *Fleet) AddDiagnosis(name string, s *Status, d *Diagnosis) {
	if f.findings == nil {
		f.findings, f.tenants = map[string]*FindingCount{}, map[string]*TenantCount{}
	}
	f.total++
	if s.Kind == KindStatus {
		f.join[d.Join.State]++
	}
	f.severity[d.Worst()]++
	sum := DeviceSummary{Name: name, Device: strings.Clone(clip(s.Device.DeviceName.Raw, 256)), State: d.Join.State}
	for i, x := range d.Findings {
		fresh := !slices.ContainsFunc(d.Findings[:i], func(y Finding) bool { return y.ID == x.ID })
		switch x.Severity {
		case Error:
			sum.Errors++
		case Warning:
			sum.Warnings++
		}
		if x.Severity > Info && fresh {
			sum.Findings = append(sum.Findings, x.ID)
		}
		c := f.findings[x.ID]
		if c == nil {
			c = &FindingCount{ID: x.ID, Example: clip(name, 256)}
			f.findings[x.ID] = c
		}
		if fresh {
			c.Count++
		}
		c.Severity = max(c.Severity, x.Severity)
	}
	if id := &s.Tenant.TenantID; id.Present() && (d.Join.State == EntraJoined || d.Join.State == HybridJoined) {
		key := strings.Clone(clip(id.Raw, 64)) // a Raw shares the memory of its input
		if id.State == Set {
			key = id.ID.String()
		}
		if t := f.tenants[key]; t != nil {
			t.Count++
		} else if len(f.tenants) < MaxTenants {
			f.tenants[key] = &TenantCount{ID: key, Name: strings.Clone(clip(s.Tenant.TenantName.Raw, 256)), Count: 1}
		} else {
			f.others++
		}
	}
	if sum.Errors+sum.Warnings > 0 {
		f.keep(sum)
	}
}

// keep inserts a device among the worst.
func (f *Fleet) keep(d DeviceSummary) {
	limit := f.Keep
	if limit == 0 {
		limit = DefaultWorst
	}
	at, _ := slices.BinarySearchFunc(f.worst, d, worse)
	if at >= limit {
		return
	}
	f.worst = slices.Insert(f.worst, at, d)
	if len(f.worst) > limit {
		f.worst = f.worst[:limit]
	}
}

func worse(a, b DeviceSummary) int {
	return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(b.Warnings, a.Warnings), cmp.Compare(a.Name, b.Name))
}

// Summary returns the counts so far. Adding may go on.
func (f *Fleet) Summary() FleetSummary {
	s := FleetSummary{Captures: f.total, OtherTenants: f.others, Clean: f.severity[0] + f.severity[Info], WithErrors: f.severity[Error],
		JoinStates: []JoinCount{}, Findings: []FindingCount{}, Tenants: []TenantCount{}, Worst: slices.Clone(f.worst)}
	for j, n := range f.join {
		if n > 0 {
			s.JoinStates = append(s.JoinStates, JoinCount{JoinState(j), n})
		}
	}
	for _, c := range f.findings {
		s.Findings = append(s.Findings, *c)
	}
	for _, t := range f.tenants {
		s.Tenants = append(s.Tenants, *t)
	}
	slices.SortFunc(s.JoinStates, func(a, b JoinCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.State, b.State))
	})
	slices.SortFunc(s.Findings, func(a, b FindingCount) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(s.Tenants, func(a, b TenantCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID))
	})
	if s.Worst == nil {
		s.Worst = []DeviceSummary{}
	}
	return s
}

// MarshalJSON writes the Summary.
func (f *Fleet) MarshalJSON() ([]byte, error) { return json.Marshal(f.Summary()) }
