// Package report brings Microsoft Entra ID's and Intune's records of hybrid-joined devices together: who owns each, what
// manages it, when it was last seen, and what is wrong with it. It knows nothing of how the records were read.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.internal/hybridkit/comgmt"
)

// A Device is what a report needs of a device of Microsoft Entra ID. Times are zero and flags nil where there is none.
type Device struct {
	DeviceID   string // deviceId, which Intune calls azureADDeviceId
	Name       string
	OSVersion  string
	Profile    string    // profileType: RegisteredDevice once the registration is complete
	Owners     []string  // user principal names, or ids of owners that are no users
	Enabled    *bool     // accountEnabled
	Compliant  *bool     // isCompliant
	Registered time.Time // registrationDateTime
	SeenAt     time.Time // approximateLastSignInDateTime
}

// A Managed is what a report needs of a managed device of Intune.
type Managed struct {
	DeviceID   string // azureADDeviceId
	Agent      comgmt.ManagementAgent
	Compliance string    // complianceState
	SyncedAt   time.Time // lastSyncDateTime
}

// DefaultStale is when a device counts as stale. Microsoft advises 90 days, and never less than the 14 days that
// approximateLastSignInDateTime may be late ("Manage stale devices in Microsoft Entra ID").
const DefaultStale = 90 * 24 * time.Hour

// MinStale is the shortest time without a sign-in that says anything.
const MinStale = 14 * 24 * time.Hour

// Options are those of [Build].
type Options struct {
	Now   time.Time
	Stale time.Duration // 0 is DefaultStale; less than MinStale is MinStale
}

// The issues a row can have.
const (
	Stale     = "stale"     // no sign-in for Options.Stale
	NeverSeen = "neverSeen" // no sign-in at all
	Pending   = "pending"   // synchronised from Active Directory, registration not complete
	Disabled  = "disabled"
	NoOwner   = "noOwner"   // registered by nobody; usual for a hybrid-joined device, so no finding of its own
	Unmanaged = "unmanaged" // Intune has no record
	Duplicate = "duplicate" // another hybrid-joined device has the name
)

// The authorities of a row.
const (
	ByIntune    = "Intune"
	ByConfigMgr = "Configuration Manager" // tenant attach: Intune shows the device and does not manage it
	CoManaged   = "co-managed"
	ByNobody    = "none"
)

// A Row is one device of a report. StaleDays is -1 where there was no sign-in.
type Row struct {
	Name       string    `json:"name"`
	DeviceID   string    `json:"deviceId"`
	OSVersion  string    `json:"osVersion,omitempty"`
	Owners     []string  `json:"owners"`
	Authority  string    `json:"authority"`
	Agent      string    `json:"managementAgent,omitempty"`
	Compliance string    `json:"compliance,omitempty"`
	SeenAt     time.Time `json:"lastSignIn,omitzero"`
	StaleDays  int       `json:"daysSinceSignIn"`
	Issues     []string  `json:"issues"`
}

// Finding reports whether something about the row wants attention.
func (r *Row) Finding() bool {
	return slices.ContainsFunc(r.Issues, func(i string) bool { return i != NoOwner })
}

// A Report is the rows by name, with their counts.
type Report struct {
	At          time.Time      `json:"at"`
	StaleDays   int            `json:"staleAfterDays"`
	Devices     []Row          `json:"devices"`
	Authorities map[string]int `json:"authorities"`
	Issues      map[string]int `json:"issues"`
	// Orphans are Intune's records whose device is not among the hybrid-joined: joined in another way, or gone.
	Orphans int `json:"managedElsewhere"`
}

// Findings returns the number of rows that want attention.
func (r *Report) Findings() (n int) {
	for i := range r.Devices {
		if r.Devices[i].Finding() {
			n++
		}
	}
	return n
}

// Build makes the report. Devices and their management are brought together by device id, compared without case.
func Build(devices []Device, managed []Managed, o Options) *Report {
	o.Stale = max(cmp.Or(o.Stale, DefaultStale), MinStale)
	byID, names := map[string]Managed{}, map[string]int{}
	for _, m := range managed {
		id := strings.ToLower(m.DeviceID)
		if have, twice := byID[id]; !twice || m.SyncedAt.After(have.SyncedAt) {
			byID[id] = m // enrolled again: the record that is alive
		}
	}
	r := &Report{At: o.Now, StaleDays: int(o.Stale / (24 * time.Hour)), Authorities: map[string]int{}, Issues: map[string]int{}, Devices: []Row{}}
	for _, d := range devices {
		names[strings.ToLower(d.Name)]++
	}
	for _, d := range devices {
		id := strings.ToLower(d.DeviceID)
		m, known := byID[id]
		row := newRow(d, m, known, o)
		if names[strings.ToLower(d.Name)] > 1 {
			row.Issues = append(row.Issues, Duplicate)
		}
		for _, i := range row.Issues {
			r.Issues[i]++
		}
		r.Authorities[row.Authority]++
		r.Devices = append(r.Devices, row)
		delete(byID, id)
	}
	r.Orphans = len(byID)
	slices.SortFunc(r.Devices, func(a, b Row) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.DeviceID, b.DeviceID))
	})
	return r
}

func newRow(d Device, m Managed, known bool, o Options) Row {
	row := Row{
		Name: d.Name, DeviceID: d.DeviceID, OSVersion: d.OSVersion, Owners: append([]string{}, d.Owners...), SeenAt: d.SeenAt, StaleDays: -1,
		Issues: []string{}, Authority: ByNobody,
	}
	issue := func(when bool, id string) {
		if when {
			row.Issues = append(row.Issues, id)
		}
	}
	if known {
		row.Authority, row.Agent, row.Compliance = authority(m.Agent), string(m.Agent), m.Compliance
	} else if d.Compliant != nil && *d.Compliant {
		row.Compliance = "compliant" // said by another than Intune
	}
	if !d.SeenAt.IsZero() {
		row.StaleDays = max(int(o.Now.Sub(d.SeenAt)/(24*time.Hour)), 0)
	}
	pending := d.Profile != "RegisteredDevice" && d.Registered.IsZero()
	issue(pending, Pending)
	issue(!d.SeenAt.IsZero() && o.Now.Sub(d.SeenAt) >= o.Stale, Stale)
	issue(d.SeenAt.IsZero() && !pending, NeverSeen)
	issue(d.Enabled != nil && !*d.Enabled, Disabled)
	issue(!known && !pending, Unmanaged)
	issue(len(d.Owners) == 0, NoOwner)
	return row
}

// authority names what manages a device by Intune's managementAgent; one this package does not know is named as it is.
func authority(a comgmt.ManagementAgent) string {
	switch {
	case a.CoManaged() == comgmt.Yes:
		return CoManaged
	case a == comgmt.AgentConfigMgr:
		return ByConfigMgr
	case a.Enrolled() == comgmt.Yes:
		return ByIntune
	case a == "":
		return "unknown"
	}
	return string(a)
}

// WriteJSON writes the report as one document.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report as a table with a summary below.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tOWNER\tMANAGED BY\tCOMPLIANCE\tLAST SIGN-IN\tISSUES")
	for _, d := range r.Devices {
		seen := "never"
		if d.StaleDays >= 0 {
			seen = fmt.Sprintf("%s (%d d)", d.SeenAt.UTC().Format(time.DateOnly), d.StaleDays)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(d.Name), dash(printable(strings.Join(d.Owners, ", "))), printable(d.Authority), dash(printable(d.Compliance)), seen, dash(strings.Join(d.Issues, ", ")))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d hybrid-joined devices at %s; stale after %d days\nmanaged by: %s\nissues: %s\n%d of Intune's devices are not among them\n",
		len(r.Devices), r.At.UTC().Format(time.RFC3339), r.StaleDays, counts(r.Authorities), counts(r.Issues), r.Orphans)
	return err
}

// printable keeps what a directory says from steering the terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return '?'
		}
		return c
	}, s)
}

func dash(s string) string { return cmp.Or(s, "-") }

func counts(m map[string]int) string {
	var parts []string
	for name, n := range m {
		parts = append(parts, fmt.Sprintf("%s %d", printable(name), n))
	}
	slices.Sort(parts)
	return dash(strings.Join(parts, ", "))
}
