package comgmt

import (
	"fmt"
	"strings"
	"time"
)

// A Surface is a place where co-management shows.
type Surface string

const (
	SurfacePlan       Surface = "site policy"
	SurfaceSite       Surface = "site database"
	SurfaceRegistry   Surface = "registry flags"
	SurfaceBridge     Surface = "WMI bridge"
	SurfaceConfigInfo Surface = "ConfigInfo"
	SurfaceGraph      Surface = "Graph"
	SurfaceLog        Surface = "CoManagementHandler.log"
	SurfaceDevice     Surface = "enrolment as given"
)

// A SiteState is the device's row in the site database (SMS_Client_ComanagementState, v_ClientCoManagementState).
type SiteState struct {
	MDMEnrolled   Tri
	PolicyPresent Tri    // ComgmtPolicyPresent
	Workloads     *Flags // MDMWorkloads; nil if not read
}

// CoManaged applies the site's definition: enrolled and policy present ("Monitor co-management"). One No is No.
func (s SiteState) CoManaged() Tri {
	switch {
	case s.MDMEnrolled == No || s.PolicyPresent == No:
		return No
	case s.MDMEnrolled == Yes && s.PolicyPresent == Yes:
		return Yes
	}
	return Unknown
}

// A LogState is what CoManagementHandler.log says last; package comgmt/cmlog makes one. Nil and Unknown mean that the log
// does not say.
type LogState struct {
	Policy   *Flags // capabilities of the last policy
	Merged   *Flags // merged value after the mask
	Mask     *Flags // "max capabilities"
	Applied  *Flags // "Workloads flag retrieved"
	Enrolled Tri
	// Override is Yes once the log says that Intune set the workloads.
	Override Tri
	// Coexistence is Yes once the log says that an unexpected vendor has the device.
	Coexistence Tri
	At          time.Time // of the last record with a known time; zero if none
}

// Surfaces are the sources to compare for one device. Whatever was not read stays nil or zero and is left out.
type Surfaces struct {
	Plan   *Plan  // what the site is set to
	Device Device // with Flags, ConfigInfo, Enrolment and Collections
	Bridge *Flags // ConfigInfo below DeviceManageabilityCSP\Provider\WMI_Bridge_Server
	Site   *SiteState
	Graph  *GraphObject
	Log    *LogState
	Now    time.Time // to judge age by; zero: age is not judged
}

// Ids of the disagreements [Reconcile] finds.
const (
	DisagreeEnrolment   = "enrolment"
	DisagreeOverride    = "override"
	DisagreeMask        = "mask"
	DisagreeNotEnrolled = "flags-without-enrolment"
	DisagreeThirdParty  = "coexistence"
	DisagreeStalePolicy = "stale-policy"
	DisagreeBridge      = "bridge"
	DisagreeLog         = "log"
	DisagreeSite        = "stale-inventory"
	DisagreeGraph       = "graph"
	DisagreeAlong       = "goes-along"
	DisagreeAuthority   = "authority"
)

// A Claim is what one surface says.
type Claim struct {
	Surface Surface `json:"surface"`
	Says    string  `json:"says"`
}

// A Disagreement is two or more surfaces that contradict each other.
type Disagreement struct {
	ID string `json:"id"`
	// Subject is a workload's identifier, "flags", "enrolment" or "authority".
	Subject string  `json:"subject"`
	Claims  []Claim `json:"claims"`
	// Liar is the surface most likely wrong or misread; "" if nothing says which.
	Liar   Surface `json:"liar"`
	Reason string  `json:"reason"`
	Remedy string  `json:"remedy,omitempty"`
	// Harmless is true for a difference that has an explanation and needs nothing done.
	Harmless bool  `json:"harmless"`
	Basis    Basis `json:"basis"`
}

// Reconcile compares the surfaces and returns where they contradict each other, most general first. It names the likely
// liar and the reason; both are judgements. Surfaces that agree, and surfaces that were not read, give nothing.
func Reconcile(s Surfaces) []Disagreement {
	r := reconciler{Surfaces: s}
	r.enrolment()
	r.authority()
	r.flags()
	r.site()
	r.graph()
	return r.out
}

type reconciler struct {
	Surfaces
	out      []Disagreement
	enrolled Tri // what the most trustworthy surface says
}

func (r *reconciler) add(d Disagreement) { r.out = append(r.out, d) }

// enrolment compares who says the device is enrolled in Intune. Trust: client registry, then Intune, then the rest.
func (r *reconciler) enrolment() {
	type vote struct {
		Claim
		enrolled Tri
	}
	var votes []vote
	add := func(s Surface, t Tri, says string) {
		if t != Unknown {
			votes = append(votes, vote{Claim{s, says}, t})
		}
	}
	switch c := r.Device.ConfigInfo; {
	case c > 0:
		add(SurfaceConfigInfo, Yes, c.String())
	case c == ConfigInfoAbsent:
		add(SurfaceConfigInfo, No, "absent: not enrolled")
	}
	if r.Graph != nil {
		add(SurfaceGraph, r.Graph.Agent.Enrolled(), "managementAgent "+string(r.Graph.Agent))
	}
	if r.Log != nil {
		add(SurfaceLog, r.Log.Enrolled, map[Tri]string{Yes: "enrolled", No: "not MDM enrolled yet"}[r.Log.Enrolled])
	}
	switch r.Device.Enrolment {
	case EnrolmentIntune:
		add(SurfaceDevice, Yes, "intune")
	case EnrolmentNone, EnrolmentThirdParty:
		add(SurfaceDevice, No, r.Device.Enrolment.String())
	}
	if r.Site != nil {
		add(SurfaceSite, r.Site.MDMEnrolled, "MDMEnrolled "+r.Site.MDMEnrolled.String())
	}
	if len(votes) == 0 {
		return
	}
	r.enrolled = votes[0].enrolled
	d := Disagreement{ID: DisagreeEnrolment, Subject: "enrolment", Basis: BasisDerived, Remedy: "Let the client evaluate its policy and send state, then read again."}
	yes := 0
	for _, v := range votes {
		d.Claims = append(d.Claims, v.Claim)
		if v.enrolled == Yes {
			yes++
		}
		if v.enrolled != votes[0].enrolled && d.Liar == "" {
			d.Liar = v.Surface
		}
	}
	if yes == 0 || yes == len(votes) {
		return
	}
	d.Reason = fmt.Sprintf("%s is written on the client at enrolment; %s is reported later and is out of date.", votes[0].Surface, d.Liar)
	switch {
	case votes[0].Surface == SurfaceGraph:
		d.Reason = "Intune knows its own enrolments; the other is out of date."
	case d.Liar == SurfaceGraph && r.graphStale():
		d.Reason = "Graph's object has not synchronised for more than 30 days: a left-over, or a second record of the same device."
	case votes[0].Surface != SurfaceConfigInfo:
		d.Reason = "One of them is out of date."
	}
	r.add(d)
}

func (r *reconciler) graphStale() bool {
	return r.Graph != nil && !r.Now.IsZero() && !r.Graph.LastSync.IsZero() && r.Now.Sub(r.Graph.LastSync) > 30*24*time.Hour
}

// authority looks at surfaces that say who is in charge of the whole device.
func (r *reconciler) authority() {
	f := r.Device.Flags
	coexists := r.Log != nil && r.Log.Coexistence == Yes
	if coexists && r.Device.Enrolment != EnrolmentThirdParty && r.Device.Enrolment != EnrolmentUnknown {
		r.add(Disagreement{ID: DisagreeThirdParty, Subject: "authority", Liar: SurfaceLog, Basis: BasisObserved,
			Claims: []Claim{{SurfaceLog, "enrolled to an unexpected vendor, co-existence mode"}, {SurfaceDevice, r.Device.Enrolment.String()}},
			Reason: "How the client recognises another vendor is not documented, and it does so on devices that never had one.",
			Remedy: "Look for a left-over enrolment below HKLM\\SOFTWARE\\Microsoft\\Enrollments."})
	}
	if f == nil || r.Device.ConfigInfo <= 0 {
		return
	}
	switch {
	case f.IsOverride() && r.Device.ConfigInfo == ConfigInfoConfigMgr:
		r.add(Disagreement{ID: DisagreeAuthority, Subject: "authority", Basis: BasisDerived,
			Claims: []Claim{{SurfaceRegistry, f.String() + ": Intune overrides"}, {SurfaceConfigInfo, r.Device.ConfigInfo.String()}},
			Reason: "The two change together; one of them has not followed. Changing the authority after provisioning is not deterministic.",
			Remedy: "Let the client evaluate its policy, then read both again."})
	case !f.IsOverride() && r.Device.ConfigInfo == ConfigInfoIntune:
		r.add(Disagreement{ID: DisagreeOverride, Subject: "authority", Liar: SurfaceRegistry, Basis: BasisObserved,
			Claims: []Claim{{SurfaceConfigInfo, r.Device.ConfigInfo.String()}, {SurfaceRegistry, f.String() + ": " + f.Workloads().String() + " with Intune"}},
			Reason: "Intune is the authority, so the site's value in the registry is not what is applied.",
			Remedy: "Nothing, if Intune is meant to be in charge; otherwise assign a co-management settings policy without override."})
	}
}

// flags compares the numbers.
func (r *reconciler) flags() {
	f := r.Device.Flags
	if f != nil && r.enrolled == No && f.Workloads() != 0 {
		r.add(Disagreement{ID: DisagreeNotEnrolled, Subject: "flags", Liar: SurfaceRegistry, Basis: BasisObserved, Harmless: true,
			Claims: []Claim{{SurfaceRegistry, f.String() + ": " + f.Workloads().String() + " with Intune"}, {SurfaceConfigInfo, "not enrolled"}},
			Reason: "Flags are what the site asked for. Without enrolment Configuration Manager manages everything.",
			Remedy: "Enrol the device, or ignore the number."})
	}
	if r.Plan != nil && f != nil && !f.IsOverride() {
		if want := r.Plan.Expect(r.unflagged()).Flags; want != nil && *want != *f {
			r.compareFlags(SurfacePlan, *want, *f)
		}
	} else if r.Plan != nil && f != nil && f.IsOverride() && r.Plan.moved() != AllWorkloadSet() {
		r.add(Disagreement{ID: DisagreeOverride, Subject: "flags", Liar: SurfacePlan, Basis: BasisObserved,
			Claims: []Claim{{SurfacePlan, "sliders"}, {SurfaceRegistry, f.String() + ": Intune overrides"}},
			Reason: "A co-management settings policy in Intune overrides the sliders, or the device enrolled before it had the client.",
			Remedy: "Nothing, if that is meant; otherwise a co-management settings policy without override and without automatic client installation."})
	}
	if f != nil && r.Bridge != nil && *f != *r.Bridge {
		r.pair(DisagreeBridge, SurfaceRegistry, *f, SurfaceBridge, *r.Bridge, SurfaceBridge, "The value handed to the MDM side follows the client's own when the client next evaluates.")
	}
	if r.Log != nil && f != nil {
		switch {
		case r.Log.Applied != nil && *r.Log.Applied != *f:
			r.pair(DisagreeLog, SurfaceLog, *r.Log.Applied, SurfaceRegistry, *f, SurfaceRegistry, "The client logged what it applied; the registry value was read at another time.")
		case r.Log.Applied == nil && r.Log.Merged != nil && *r.Log.Merged != *f && !f.IsOverride():
			r.pair(DisagreeLog, SurfaceLog, *r.Log.Merged, SurfaceRegistry, *f, SurfaceRegistry, "The client merged a policy and has not applied it yet.")
		}
		if r.Log.Policy != nil && r.Log.Override == Yes && !f.IsOverride() {
			r.add(Disagreement{ID: DisagreeOverride, Subject: "flags", Liar: SurfaceRegistry, Basis: BasisObserved,
				Claims: []Claim{{SurfaceLog, "workloads set by Intune, not by the site"}, {SurfaceRegistry, f.String()}},
				Reason: "The log says that Intune set the workloads; the registry still shows the site's value.",
				Remedy: "Let the client evaluate its policy, then read again."})
		}
	}
}

// unflagged is the device without the flags, so that the expectation comes from the plan alone.
func (r *reconciler) unflagged() Device {
	d := r.Device
	d.Flags = nil
	if d.ConfigInfo == ConfigInfoIntune {
		d.ConfigInfo = ConfigInfoUnread
	}
	return d
}

// compareFlags explains why the registry shows something else than the site policy.
func (r *reconciler) compareFlags(surface Surface, want, got Flags) {
	mask := LegacyMask
	if r.Log != nil && r.Log.Mask != nil {
		mask = *r.Log.Mask
	}
	d := Disagreement{Subject: "flags", Basis: BasisDerived, Claims: []Claim{{surface, want.String() + ": " + want.Workloads().String()}, {SurfaceRegistry, got.String() + ": " + got.Workloads().String()}}}
	switch {
	case want&mask == got:
		d.ID, d.Liar, d.Harmless = DisagreeMask, SurfaceRegistry, true
		d.Reason = fmt.Sprintf("The client's mask %v cut the site's value; the workloads are the same.", mask)
		if want.Workloads() != got.Workloads() {
			d.Harmless = false
			d.Reason = fmt.Sprintf("The client's mask %v cut workloads out of the site's value: the client is too old for them.", mask)
			d.Remedy = "Update the client."
		}
	case got&^known != 0 && want == got&known:
		d.ID, d.Liar, d.Harmless = DisagreeStalePolicy, "", true
		d.Reason = "Only bits without a known meaning differ: " + joinFlags((got &^ known).Bits()) + "."
	default:
		d.ID, d.Liar = DisagreeStalePolicy, SurfaceRegistry
		missing, extra := want.Workloads()&^got.Workloads(), got.Workloads()&^want.Workloads()
		var parts []string
		if missing != 0 {
			parts = append(parts, "has not got "+missing.String()+" yet")
		}
		if extra != 0 {
			parts = append(parts, "still has "+extra.String())
		}
		if parts == nil {
			parts = append(parts, "differs in the era of the value only")
		}
		d.Reason = "The client " + strings.Join(parts, " and ") + ": it has not evaluated the policy, or its collection membership is not what was given."
		d.Remedy = "Update collection membership, let the client fetch policy, and look at CoManagementHandler.log."
	}
	r.add(d)
}

func (r *reconciler) pair(id string, a Surface, av Flags, b Surface, bv Flags, liar Surface, reason string) {
	d := Disagreement{ID: id, Subject: "flags", Liar: liar, Reason: reason, Basis: BasisDerived,
		Claims: []Claim{{a, av.String() + ": " + av.Workloads().String()}, {b, bv.String() + ": " + bv.Workloads().String()}}}
	if av&LegacyMask == bv || bv&LegacyMask == av {
		d.ID, d.Harmless = DisagreeMask, av.Workloads() == bv.Workloads()
		d.Reason = fmt.Sprintf("One is the other cut by the mask %v.", LegacyMask)
	}
	r.add(d)
}

// site compares the site database with the client.
func (r *reconciler) site() {
	if r.Site == nil || r.Site.Workloads == nil || r.Device.Flags == nil || *r.Site.Workloads == *r.Device.Flags {
		return
	}
	r.pair(DisagreeSite, SurfaceSite, *r.Site.Workloads, SurfaceRegistry, *r.Device.Flags, SurfaceSite, "The site database is inventory: it shows what the client last reported.")
}

// graph compares Intune's booleans with what the client or the plan says, workload by workload.
func (r *reconciler) graph() {
	if r.Graph == nil || r.Graph.Features == nil {
		return
	}
	f := r.Device.Flags
	if f == nil {
		return
	}
	intuneRules := f.IsOverride() || r.Device.ConfigInfo == ConfigInfoIntune
	for w := range AllWorkloads() {
		says := r.Graph.Features.Get(w)
		has := TriOf(f.Has(w) || intuneRules)
		if says == Unknown || says == has {
			continue
		}
		d := Disagreement{ID: DisagreeGraph, Subject: w.String(), Basis: BasisDerived,
			Claims: []Claim{{SurfaceGraph, w.GraphName() + " " + says.String()}, {SurfaceRegistry, f.String() + ": " + has.String()}}}
		switch {
		case says == Yes && (w == ResourceAccess || w == EndpointProtection) && f.Has(DeviceConfiguration):
			d.ID, d.Harmless, d.Basis = DisagreeAlong, true, BasisDocumented
			d.Liar = SurfaceRegistry
			d.Reason = "Device Configuration takes it along, whatever its own bit says."
		case r.graphStale():
			d.Liar = SurfaceGraph
			d.Reason = "Graph's object has not synchronised for more than 30 days."
			d.Remedy = "Look for a second record of the device."
		case r.enrolled == No:
			d.Liar = SurfaceRegistry
			d.Reason = "The device is not enrolled, so its flags do not count."
		case says == No:
			d.Liar = SurfaceGraph
			d.Reason = "Intune learns a moved workload with the device's next synchronisation."
			d.Remedy = "Synchronise the device."
		default:
			d.Liar = SurfaceGraph
			d.Reason = "Intune still shows a workload that has moved back, or the client has not applied the policy Intune knows of."
			d.Remedy = "Synchronise the device and let the client evaluate its policy."
		}
		r.add(d)
	}
}
