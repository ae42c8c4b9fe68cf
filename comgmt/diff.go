package comgmt

import (
	"fmt"
)

// A Move is one workload of one device that changes hands.
type Move struct {
	From Verdict `json:"from"`
	To   Verdict `json:"to"`
}

// A DeviceChange is what a step from one plan to the next does to one device.
type DeviceChange struct {
	Device string `json:"device"`
	// Workloads holds only the workloads whose authority changes.
	Workloads map[Workload]Move `json:"workloads"`
	// Before and After are what the device should show under either plan.
	Before Expectation `json:"before"`
	After  Expectation `json:"after"`
	// Enrols is true when automatic enrolment would take the device in under the new plan but not under the old.
	Enrols bool `json:"enrols"`
}

// Diff compares two plans on one device. ok is false if nothing changes for it: neither authority, nor the
// expected flags, nor enrolment.
func Diff(from, to *Plan, d Device) (c DeviceChange, ok bool) {
	before, after := from.Effective(d), to.Effective(d)
	c = DeviceChange{Device: d.Name, Workloads: map[Workload]Move{}, Before: from.Expect(d), After: to.Expect(d)}
	for w := range AllWorkloads() {
		if a, b := before.Verdict(w), after.Verdict(w); a.Authority != b.Authority {
			c.Workloads[w] = Move{From: a, To: b}
		}
	}
	was, _ := from.WillEnrol(d)
	is, _ := to.WillEnrol(d)
	c.Enrols = is == Yes && was != Yes
	flags := !sameFlags(c.Before.Flags, c.After.Flags)
	return c, len(c.Workloads) > 0 || flags || c.Enrols
}

func sameFlags(a, b *Flags) bool { return a == b || a != nil && b != nil && *a == *b }

// A Summary counts the devices a step affects, per workload.
type Summary struct {
	Devices   int                `json:"devices"`   // devices compared
	Changed   int                `json:"changed"`   // devices for which anything changes
	Enrol     int                `json:"enrol"`     // devices that start to enrol
	Workloads map[Workload]Count `json:"workloads"` // only workloads that move somewhere
}

// A Count is how many devices a workload moves for. Lost counts devices that end with an unknown authority or none.
type Count struct {
	ToIntune    int `json:"toIntune"`
	ToConfigMgr int `json:"toConfigMgr"`
	Lost        int `json:"lost"`
}

// Add counts one device; c and changed are what [Diff] returned for it. The zero Summary is ready to use.
func (s *Summary) Add(c DeviceChange, changed bool) {
	s.Devices++
	if !changed {
		return
	}
	s.Changed++
	if c.Enrols {
		s.Enrol++
	}
	if s.Workloads == nil {
		s.Workloads = map[Workload]Count{}
	}
	for w, m := range c.Workloads {
		n := s.Workloads[w]
		switch m.To.Authority {
		case AuthorityIntune:
			n.ToIntune++
		case AuthorityConfigMgr:
			n.ToConfigMgr++
		default:
			n.Lost++
		}
		s.Workloads[w] = n
	}
}

// Ids of the checks of [LintStep].
const (
	CheckSeveralMoves   = "several-workloads-at-once"
	CheckOverlap        = "overlapping-moves"
	CheckSkippedPilot   = "moved-without-pilot"
	CheckMovedBack      = "moved-back"
	CheckVersionBack    = "site-version-goes-back"
	CheckEnrolmentBack  = "auto-enrolment-narrowed"
	CheckPilotForgotten = "pilot-collection-changed"
)

var stepChecks = [...]Check{
	{CheckSeveralMoves, "A step moves one workload at a time.", "Split the step, so that a fault can be told to one workload.", "How to switch workloads: workloads can be switched separately"},
	{CheckOverlap, "A step does not move a workload twice.", "Decide whether the workload moves by its own slider or along with Device Configuration.", "Co-management workloads, Device configuration"},
	{CheckSkippedPilot, "A workload is in Pilot Intune before it is at Intune.", "Move it to Pilot Intune with a collection first.", "How to switch workloads"},
	{CheckMovedBack, "A workload does not go back to Configuration Manager.", "Make sure that Configuration Manager still has policies for it; Endpoint Protection and Device Configuration settings from Intune stay on devices.", "Co-management workloads; How to switch workloads"},
	{CheckVersionBack, "The site version does not go back.", "Check which plan is the old one.", "-"},
	{CheckEnrolmentBack, "Automatic enrolment is not narrowed.", "Enrolled devices stay enrolled; unenrol them if that is the aim.", "Enable co-management, Enablement"},
	{CheckPilotForgotten, "A pilot keeps its collection.", "Include the old collection in the new one unless its devices are meant to go back.", "How to switch workloads, Staging"},
}

// LintStep returns what is worth knowing about moving from one plan to the next, beyond what [Plan.Lint] says about
// either: only infos and warnings, in the order of [Checks].
func LintStep(from, to *Plan) []Finding {
	var out []Finding
	add := func(id string, status Status, subject, message string, evidence ...string) {
		out = append(out, find(id, status, subject, message, evidence...))
	}
	var moved WorkloadSet
	for w := range AllWorkloads() {
		a, b := from.Setting(w), to.Setting(w)
		forced := w == ResourceAccess && to.Site.forcesResourceAccess()
		change := w.Name() + ": " + describe(a) + " → " + describe(b)
		if a.Slider != b.Slider && !forced {
			moved = moved.With(w)
		}
		switch {
		case forced:
		case a.Slider == SliderConfigMgr && b.Slider == SliderIntune:
			add(CheckSkippedPilot, StatusInfo, w.Name(), "It goes from Configuration Manager to Intune for every enrolled device in one step.", change)
		case a.Slider > b.Slider:
			add(CheckMovedBack, StatusWarning, w.Name(), "The slider moves back.", change)
		case a.Slider == SliderPilot && b.Slider == SliderPilot && !sameCollection(a.Collection, b.Collection):
			add(CheckPilotForgotten, StatusWarning, w.Name(), "Devices that are only in the old collection go back to Configuration Manager.", change)
		}
	}
	if moved.Len() > 1 {
		add(CheckSeveralMoves, StatusWarning, "step", fmt.Sprintf("%d workloads move in one step.", moved.Len()), moved.Names())
	}
	if moved.Has(DeviceConfiguration) {
		for _, w := range [...]Workload{ResourceAccess, EndpointProtection} {
			if moved.Has(w) {
				add(CheckOverlap, StatusWarning, w.Name(), "It moves by its own slider and along with Device Configuration in the same step.", "Device Configuration: "+describe(to.Setting(DeviceConfiguration)), w.Name()+": "+describe(to.Setting(w)))
			}
		}
	}
	if to.Site != 0 && to.Site < from.Site {
		add(CheckVersionBack, StatusWarning, "siteVersion", fmt.Sprintf("The site goes from %v to %v.", from.Site, to.Site))
	}
	if to.AutoEnrolment.Mode < from.AutoEnrolment.Mode {
		add(CheckEnrolmentBack, StatusWarning, "autoEnrolment", fmt.Sprintf("Automatic enrolment goes from %v to %v.", from.AutoEnrolment.Mode, to.AutoEnrolment.Mode))
	}
	return inOrder(out)
}
