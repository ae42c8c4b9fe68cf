package dsreg

import (
	"slices"
	"strings"
)

// A ChangeKind is what happened between two captures of one device.
type ChangeKind string

// Kinds of changes.
const (
	ChangeDevice     ChangeKind = "other-device"  // the captures are of different computers
	ChangeJoined     ChangeKind = "joined"        // to Microsoft Entra ID
	ChangeLeft       ChangeKind = "left"          // Microsoft Entra ID
	ChangeState      ChangeKind = "state"         // another change of the join state
	ChangeTenant     ChangeKind = "tenant"        // joined to another tenant
	ChangeReregister ChangeKind = "re-registered" // same tenant, new device id or certificate
	ChangeRenewed    ChangeKind = "prt-renewed"
	ChangeGotPRT     ChangeKind = "prt-gained"
	ChangeLostPRT    ChangeKind = "prt-lost"
	ChangeRegistered ChangeKind = "account-added"   // a work account of the user
	ChangeRemoved    ChangeKind = "account-removed" // a work account of the user
	ChangeFinding    ChangeKind = "finding-new"
	ChangeSolved     ChangeKind = "finding-gone"
	ChangeRow        ChangeKind = "row" // a row's value, or the row itself, came, went or changed
)

// A Change is one difference between two captures.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// What is the row ("Section/Label"), the finding's id, or the fact that changed.
	What   string `json:"what"`
	Before string `json:"before"`
	After  string `json:"after"`
	// BeforeLine and AfterLine are lines of the inputs, 0 where a row is missing or the change is no row's.
	BeforeLine int `json:"beforeLine,omitempty"`
	AfterLine  int `json:"afterLine,omitempty"`
}

// A Comparison is what changed between two captures: first what it means, then every row.
type Comparison struct {
	Before, After JoinState
	Changes       []Change
}

// Has reports whether a change of this kind is among the changes.
func (c *Comparison) Has(kind ChangeKind) bool {
	return slices.ContainsFunc(c.Changes, func(x Change) bool { return x.Kind == kind })
}

// ConfirmsLeave reports that the device was joined to Microsoft Entra ID
// before and is joined to on-premises Active Directory only, or to nothing, after:
// the check after dsregcmd /debug /leave. A capture that does not say confirms nothing.
func (c *Comparison) ConfirmsLeave() bool {
	before := c.Before == HybridJoined || c.Before == EntraJoined
	switch c.After {
	case DomainJoined, DomainJoinedRegistered, NotJoined, Registered:
		return before && !c.Has(ChangeDevice)
	}
	return false
}

// ConfirmsHybridJoin reports that the device is hybrid joined after and was
// joined to Active Directory only before: the check of a device with hybrid join.
func (c *Comparison) ConfirmsHybridJoin() bool {
	return c.After == HybridJoined && (c.Before == DomainJoined || c.Before == DomainJoinedRegistered) && !c.Has(ChangeDevice)
}

// Compare reports what changed from before to after. Findings are compared by
// id, with the same expectation for both. A row that only one capture has is a
// change only if that capture's section exists in the other, so that a
// fragment is not a device that lost everything.
func Compare(before, after *Status, want Expectation) *Comparison {
	c := &Comparison{Before: before.Join(), After: after.Join()}
	fact := func(kind ChangeKind, what string, a, b *Cell) {
		c.Changes = append(c.Changes, Change{kind, what, a.Raw, b.Raw, int(a.Line), int(b.Line)})
	}
	a, b := &before.Device.DeviceName, &after.Device.DeviceName
	if a.State == Set && b.State == Set && !sameHost(a.Raw, b.Raw) {
		fact(ChangeDevice, "Device Name", &a.Cell, &b.Cell)
	}
	entra := func(j JoinState) bool { return j == EntraJoined || j == HybridJoined }
	decided := c.Before != Undetermined && c.After != Undetermined
	switch {
	case !decided || c.Before == c.After:
	case !entra(c.Before) && entra(c.After):
		c.Changes = append(c.Changes, Change{Kind: ChangeJoined, What: "join state", Before: c.Before.String(), After: c.After.String()})
	case entra(c.Before) && !entra(c.After):
		c.Changes = append(c.Changes, Change{Kind: ChangeLeft, What: "join state", Before: c.Before.String(), After: c.After.String()})
	default:
		c.Changes = append(c.Changes, Change{Kind: ChangeState, What: "join state", Before: c.Before.String(), After: c.After.String()})
	}
	if entra(c.Before) && entra(c.After) {
		ta, tb := &before.Tenant.TenantID, &after.Tenant.TenantID
		da, db := &before.Details.DeviceID, &after.Details.DeviceID
		pa, pb := &before.Details.Thumbprint, &after.Details.Thumbprint
		switch {
		case ta.State == Set && tb.State == Set && ta.ID != tb.ID:
			fact(ChangeTenant, "TenantId", &ta.Cell, &tb.Cell)
		case da.State == Set && db.State == Set && da.ID != db.ID:
			fact(ChangeReregister, "DeviceId", &da.Cell, &db.Cell)
		case pa.State == Set && pb.State == Set && !strings.EqualFold(pa.Raw, pb.Raw):
			fact(ChangeReregister, "Thumbprint", &pa.Cell, &pb.Cell)
		}
	}
	c.tokens(before, after)
	c.accounts(before, after)
	c.findings(Diagnose(before, want), Diagnose(after, want))
	c.rows(before, after)
	return c
}

// sameHost compares host names; one capture may hold the short name.
func sameHost(a, b string) bool {
	ha, _, fa := strings.Cut(a, ".")
	hb, _, fb := strings.Cut(b, ".")
	if fa && fb {
		return strings.EqualFold(a, b)
	}
	return strings.EqualFold(ha, hb)
}

func (c *Comparison) tokens(before, after *Status) {
	a, b := &before.SSO, &after.SSO
	change := func(kind ChangeKind, x, y *Cell) {
		c.Changes = append(c.Changes, Change{kind, "AzureAdPrt", x.Raw, y.Raw, int(x.Line), int(y.Line)})
	}
	switch {
	case a.AzureAdPrt.No() && b.AzureAdPrt.Yes():
		change(ChangeGotPRT, &a.AzureAdPrt.Cell, &b.AzureAdPrt.Cell)
	case a.AzureAdPrt.Yes() && b.AzureAdPrt.No():
		change(ChangeLostPRT, &a.AzureAdPrt.Cell, &b.AzureAdPrt.Cell)
	case b.AzureAdPrt.Yes() && a.AzureAdPrtUpdateTime.State == Set && b.AzureAdPrtUpdateTime.Time.After(a.AzureAdPrtUpdateTime.Time):
		change(ChangeRenewed, &a.AzureAdPrtUpdateTime.Cell, &b.AzureAdPrtUpdateTime.Cell)
	}
}

func (c *Comparison) accounts(before, after *Status) {
	if before.registered() == Maybe || after.registered() == Maybe {
		return
	}
	has := func(s *Status, id string) bool {
		return slices.ContainsFunc(s.WorkAccounts, func(w WorkAccount) bool { return strings.EqualFold(w.WorkplaceDeviceID.Raw, id) })
	}
	for i := range after.WorkAccounts {
		if w := &after.WorkAccounts[i].WorkplaceDeviceID; w.Present() && !has(before, w.Raw) {
			c.Changes = append(c.Changes, Change{Kind: ChangeRegistered, What: "WorkplaceDeviceId", After: w.Raw, AfterLine: int(w.Line)})
		}
	}
	for i := range before.WorkAccounts {
		if w := &before.WorkAccounts[i].WorkplaceDeviceID; w.Present() && !has(after, w.Raw) {
			c.Changes = append(c.Changes, Change{Kind: ChangeRemoved, What: "WorkplaceDeviceId", Before: w.Raw, BeforeLine: int(w.Line)})
		}
	}
}

func (c *Comparison) findings(before, after *Diagnosis) {
	for _, f := range after.Findings {
		if !before.Has(f.ID) {
			c.Changes = append(c.Changes, Change{Kind: ChangeFinding, What: f.ID, After: f.Severity.String()})
		}
	}
	for _, f := range before.Findings {
		if !after.Has(f.ID) {
			c.Changes = append(c.Changes, Change{Kind: ChangeSolved, What: f.ID, Before: f.Severity.String()})
		}
	}
}

// rows compares rows by section, label and how often the label came before in its section.
func (c *Comparison) rows(before, after *Status) {
	type place struct {
		section, label string
		n              int
	}
	index := func(s *Status) ([]place, map[place]*Field, map[string]bool) {
		var order []place
		m := make(map[place]*Field, len(s.fields))
		sections := map[string]bool{}
		seen := map[place]int{}
		for i := range s.fields {
			f := &s.fields[i]
			p := place{f.Section, f.Label, 0}
			if key := f.Key(); key != "" {
				sec, label, _ := strings.Cut(key, "/")
				if sec != "Work Account" {
					p.section = sec // so that layouts can be compared
				}
				p.label = label
			}
			seen[p]++
			p.n = seen[place{p.section, p.label, 0}]
			order = append(order, p)
			m[p] = f
			sections[p.section] = true
		}
		return order, m, sections
	}
	oa, ma, sa := index(before)
	ob, mb, sb := index(after)
	for _, p := range oa {
		fa, fb := ma[p], mb[p]
		switch {
		case fb != nil && fa.Value != fb.Value:
			c.Changes = append(c.Changes, Change{ChangeRow, p.section + "/" + p.label, fa.Value, fb.Value, fa.Line, fb.Line})
		case fb == nil && (sb[p.section] || c.sectionMayGo(p.section)):
			c.Changes = append(c.Changes, Change{Kind: ChangeRow, What: p.section + "/" + p.label, Before: fa.Value, BeforeLine: fa.Line})
		}
	}
	for _, p := range ob {
		if ma[p] == nil && (sa[p.section] || c.sectionMayGo(p.section)) {
			c.Changes = append(c.Changes, Change{Kind: ChangeRow, What: p.section + "/" + p.label, After: mb[p].Value, AfterLine: mb[p].Line})
		}
	}
}

// sectionMayGo reports sections that the program prints for some states only,
// so that their absence is a fact and not a fragment.
func (c *Comparison) sectionMayGo(section string) bool {
	if c.Before == Undetermined || c.After == Undetermined || c.Before == c.After {
		return false
	}
	return section == sectionTitles[SecDeviceDetails] || section == sectionTitles[SecTenantDetails] || section == sectionTitles[SecDiagnosticData]
}
