package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cmlog"
	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/registry"
)

// unknownAge marks an age or a remaining time that nothing says.
const unknownAge = -1 << 31

// A device is what is kept of one device: a few dozen bytes, whatever its files were.
type device struct {
	name     string
	captured time.Time // of the capture that counts: the latest
	join     dsreg.JoinState
	hasJoin  bool
	worst    dsreg.Severity
	findings []uint16 // in estate.findings, sorted
	tenant   string
	prtHours int32 // age of the token when the capture was made
	certDays int32 // until the device's certificate ends

	flags     *comgmt.Flags
	enrolment comgmt.Enrolment
	features  *comgmt.Features
}

// A kind is a finding as the whole estate knows it.
type kind struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Severity dsreg.Severity `json:"severity"`
	Remedy   string         `json:"remedy,omitempty"`
	Count    int            `json:"count"`
}

// An estate collects devices. It keeps no file.
type estate struct {
	want     dsreg.Expectation
	at       time.Time // for captures without a clock of their own
	schema   registry.Schema
	devices  map[string]*device
	kinds    []kind
	kindOf   map[string]uint16
	files    int
	captures int
	failed   []failure
	failures int
}

// A failure is a file that could not be used.
type failure struct {
	File  string `json:"file"`
	Error string `json:"error"`
}

// maxFailures bounds the list; the count is complete.
const maxFailures = 100

func newEstate() *estate {
	return &estate{devices: map[string]*device{}, kindOf: map[string]uint16{}}
}

func (e *estate) device(name string) *device {
	key := strings.ToLower(name)
	d := e.devices[key]
	if d == nil {
		d = &device{name: strings.Clone(name), prtHours: unknownAge, certDays: unknownAge}
		e.devices[key] = d
	}
	return d
}

func (e *estate) fail(file string, err error) {
	if e.failures++; len(e.failed) < maxFailures {
		e.failed = append(e.failed, failure{file, err.Error()})
	}
}

// find notes a finding of a device, once.
func (e *estate) find(d *device, id, title, remedy string, sev dsreg.Severity) {
	n, ok := e.kindOf[id]
	if !ok {
		if len(e.kinds) == 1<<16-1 {
			return // more kinds than there are rules in all packages
		}
		n = uint16(len(e.kinds))
		e.kindOf[id] = n
		e.kinds = append(e.kinds, kind{ID: id, Title: title, Remedy: remedy})
	}
	e.kinds[n].Severity = max(e.kinds[n].Severity, sev)
	if at, found := slices.BinarySearch(d.findings, n); !found {
		d.findings = slices.Insert(d.findings, at, n)
	}
	d.worst = max(d.worst, sev)
}

// capture takes the output of dsregcmd. The latest of several about a device counts.
func (e *estate) capture(st *dsreg.Status, fallback string, modified time.Time) {
	e.captures++
	name := fallback
	if n := st.Device.DeviceName; n.IsSet() {
		name, _, _ = strings.Cut(n.Raw, ".")
	}
	d := e.device(name)
	at := cmp.Or(st.Diagnostics.Pre.ClientTime.Time, e.at, modified)
	if d.hasJoin && at.Before(d.captured) {
		return
	}
	want := e.want
	want.At = at
	diag := dsreg.Diagnose(st, want)
	if d.hasJoin { // an older one: what it said no longer counts
		d.findings = slices.DeleteFunc(d.findings, func(n uint16) bool { return !strings.Contains(e.kinds[n].ID, "/") })
		d.worst = 0
		for _, n := range d.findings {
			d.worst = max(d.worst, e.kinds[n].Severity)
		}
	}
	d.captured, d.join, d.hasJoin = at, diag.Join.State, true
	d.tenant, d.prtHours, d.certDays = "", unknownAge, unknownAge
	if t := st.Tenant.TenantName; t.IsSet() {
		d.tenant = strings.Clone(t.Raw)
	} else if t := st.Tenant.TenantID; t.IsSet() {
		d.tenant = strings.Clone(t.Raw)
	}
	if t := st.SSO.AzureAdPrtUpdateTime.Time; !t.IsZero() && !at.IsZero() {
		d.prtHours = int32(at.Sub(t) / time.Hour)
	}
	if t := st.Details.DeviceCertificateValidity.End; !t.IsZero() && !at.IsZero() {
		d.certDays = int32(t.Sub(at) / (24 * time.Hour))
	}
	for _, f := range diag.Findings {
		e.find(d, f.ID, f.Title, f.Remedy, f.Severity)
	}
}

// registry takes an export of a device's registry.
func (e *estate) registry(name string, snap *registry.Snapshot) {
	d := e.device(name)
	if it, ok := snap.Get(registry.HKLM(`SOFTWARE\Microsoft\CCM`), "CoManagementFlags"); ok {
		if f, err := comgmt.ParseFlags(it.Value.Plain()); err == nil {
			d.flags = &f
		}
	}
	if !snap.HasKey(e.schema.Settings[0].Path) {
		return // the export is of something else
	}
	for x := range e.schema.Drift(snap) {
		sev := dsreg.Warning
		if x.Severity == registry.Failure {
			sev = dsreg.Error
		}
		e.find(d, "registry/"+x.Kind.String()+" "+x.Name, "CDJ\\AAD "+x.Name+": "+x.Kind.String(), x.Remedy, sev)
	}
}

// log takes CoManagementHandler.log.
func (e *estate) log(name string, st *cmlog.State) {
	d := e.device(name)
	if st.Applied != nil {
		d.flags = st.Applied
	}
	switch {
	case st.Coexistence == comgmt.Yes:
		d.enrolment = comgmt.EnrolmentThirdParty
	case st.Enrolled == comgmt.Yes:
		d.enrolment = comgmt.EnrolmentIntune
	case st.Enrolled == comgmt.No:
		d.enrolment = comgmt.EnrolmentNone
	}
	if st.LastError != nil {
		id, title := "comgmt/enrolment", "Co-management's last try failed"
		if len(st.LastError.Codes) > 0 {
			code := st.LastError.Codes[0]
			id += " " + code.String()
			if info, ok := comgmt.LookupError(code); ok {
				e.find(d, id, strings.TrimPrefix(info.Name+": "+info.Meaning, ": "), info.Remedy, dsreg.Error)
				return
			}
			title += " with " + code.String()
		}
		e.find(d, id, title, "See comgmt log with the whole file.", dsreg.Error)
	}
}

// graph takes an entity of Microsoft Graph; only managed devices say something about one device.
func (e *estate) graph(o *comgmt.GraphObject) {
	if o.Kind != comgmt.KindManagedDevice || o.Name == "" {
		return
	}
	d := e.device(o.Name)
	d.enrolment = comgmt.EnrolmentIntune
	if o.Features != nil {
		d.features = o.Features
	}
	if o.NeverCheckedIn {
		e.find(d, "intune/never-checked-in", "Intune never got a compliance check-in", "That is in order while the compliance workload is with Configuration Manager.", dsreg.Info)
	}
}

// joins translates join states; what is not in it is unknown to co-management.
var joins = map[dsreg.JoinState]comgmt.Join{
	dsreg.HybridJoined: comgmt.HybridJoined, dsreg.EntraJoined: comgmt.EntraJoined, dsreg.DomainJoined: comgmt.DomainJoined,
	dsreg.DomainJoinedRegistered: comgmt.DomainJoined, dsreg.Registered: comgmt.Registered, dsreg.NotJoined: comgmt.NotJoined,
}

// authorities says who manages each workload, in the order of comgmt's workloads.
func (d *device) authorities() [7]comgmt.Authority {
	var out [7]comgmt.Authority
	if d.flags != nil {
		c := comgmt.Device{Name: d.name, Enrolment: d.enrolment, Flags: d.flags}
		if d.hasJoin {
			c.Join = joins[d.join]
		}
		for w, v := range c.Observed().Workloads {
			out[w-1] = v.Authority
		}
		return out
	}
	if d.features != nil {
		for w := range comgmt.AllWorkloadSet().All() {
			switch d.features.Get(w) {
			case comgmt.Yes:
				out[w-1] = comgmt.AuthorityIntune
			case comgmt.No:
				out[w-1] = comgmt.AuthorityConfigMgr
			}
		}
	}
	return out
}

// sorted returns the devices, worst first and then by name.
func (e *estate) sorted() []*device {
	out := make([]*device, 0, len(e.devices))
	for _, d := range e.devices {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *device) int {
		return cmp.Or(cmp.Compare(b.worst, a.worst), cmp.Compare(len(b.findings), len(a.findings)), strings.Compare(a.name, b.name))
	})
	return out
}
