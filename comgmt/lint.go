package comgmt

import (
	"fmt"
	"strings"
)

// Ids of the checks of [Plan.Lint].
const (
	CheckSiteVersionMissing  = "site-version-missing"
	CheckPilotNoCollection   = "pilot-without-collection"
	CheckCollectionNoPilot   = "collection-without-pilot"
	CheckAutoEnrolNone       = "auto-enrolment-none"
	CheckAutoEnrolCollection = "auto-enrolment-without-collection"
	CheckOutsideAutoEnrol    = "pilot-outside-auto-enrolment"
	CheckWorkloadTooNew      = "workload-newer-than-site"
	CheckLegacyGroups        = "legacy-groups-ignored"
	CheckCollectionTooEarly  = "pilot-collection-before-1906"
	CheckResourceAccess      = "resource-access-retired"
	CheckTakesAlong          = "device-configuration-takes-along"
	CheckEndpointAlone       = "endpoint-protection-without-device-configuration"
	CheckPilotRemoval        = "pilot-does-not-remove"
	CheckConditionalAccess   = "compliance-before-conditional-access"
	CheckAutopatch           = "autopatch-workloads"
	CheckAutopilotPilot      = "autopilot-without-pilot"
	CheckAutopilotVersion    = "autopilot-site-version"
	CheckCollectionEmpty     = "collection-without-members"
)

var planChecks = [...]Check{
	{CheckSiteVersionMissing, "The plan names the version of the site.", "Set siteVersion; the number clients show and the resource access slider depend on it.", "Co-management workloads; bit values of 2111"},
	{CheckPilotNoCollection, "A workload in Pilot Intune has a pilot collection.", "Choose the collection on the Staging tab, or move the slider.", "How to switch workloads, Staging"},
	{CheckCollectionNoPilot, "A pilot collection goes with the slider at Pilot Intune.", "Remove the collection, or move the slider to Pilot Intune.", "How to switch workloads, Staging"},
	{CheckAutoEnrolNone, "Workloads that are moved have devices that enrol.", "Set automatic enrolment to pilot or all, or make sure that devices enrol another way.", "Co-management overview; Enable co-management"},
	{CheckAutoEnrolCollection, "Automatic enrolment in mode pilot has a collection.", "Choose the Intune Auto Enrollment collection.", "Enable co-management, Enablement"},
	{CheckOutsideAutoEnrol, "Members of a workload's pilot collection are in the Intune Auto Enrollment collection too.", "Include the pilot collection in the Intune Auto Enrollment collection.", "What's new in version 1906, pilot collections"},
	{CheckWorkloadTooNew, "The site has the workloads the plan moves.", "Update the site, or take the workload out of the plan.", "What's new in versions 1802 and 1806"},
	{CheckLegacyGroups, "The shared pilot and exclusion groups are used on sites before 1906 only.", "Name a collection per workload; exclude devices inside it.", "What's new in version 1906, pilot collections"},
	{CheckCollectionTooEarly, "A collection per workload needs site version 1906.", "Use the shared pilot group, or update the site.", "What's new in version 1906, pilot collections"},
	{CheckResourceAccess, "Resource access is retired.", "Move resource access to Intune and delete the policies left on the site.", "Resource access deprecation FAQ; Co-management workloads, Resource access policies"},
	{CheckTakesAlong, "Device Configuration takes Resource access and Endpoint Protection along.", "Plan the three together: same position, same collection.", "Co-management workloads, Device configuration"},
	{CheckEndpointAlone, "Endpoint Protection alone leaves some settings with both.", "Move Device Configuration as well, or expect Windows Information Protection settings from both sides.", "Co-management workloads, Endpoint Protection"},
	{CheckPilotRemoval, "While in pilot, Intune does not remove what it deployed.", "Move the slider to Intune before counting on removal.", "How to switch workloads"},
	{CheckConditionalAccess, "Conditional access needs the compliance workload with Intune.", "Move Compliance policies to Intune before requiring compliant devices.", "Co-management workloads, Compliance policies; Troubleshoot co-management bootstrap"},
	{CheckAutopatch, "Windows Autopatch needs Windows Update, Device Configuration and Office with Intune.", "Move the three workloads for the devices of Autopatch, and set the client setting Software Updates to No.", "Co-management workloads, Windows Autopatch"},
	{CheckAutopilotPilot, "Autopilot into co-management does not evaluate pilot collections.", "Use the positions Intune or Configuration Manager for devices that come from Autopilot.", "Autopilot into co-management, Limitations"},
	{CheckAutopilotVersion, "Autopilot into co-management needs site version 2111.", "Update the site.", "Autopilot into co-management, Requirements"},
	{CheckCollectionEmpty, "A collection the plan names has members.", "Check the spelling of the collection and its members.", "How to switch workloads, Staging"},
}

// Goals are what a roll-out is for; they add checks to [Plan.Lint]. The zero Goals add none.
type Goals struct {
	ConditionalAccess bool // conditional access will require compliant devices
	Autopatch         bool // devices will be in Windows Autopatch
	Autopilot         bool // devices will come from Windows Autopilot into co-management
}

// Lint returns what is wrong or surprising about p: only infos, warnings and failures, in the order of [Checks].
// With devices it also looks at the collections' members; nil devices leave those checks out.
func (p *Plan) Lint(goals Goals, devices []Device) []Finding {
	var out []Finding
	add := func(id string, status Status, subject, message string, evidence ...string) {
		out = append(out, find(id, status, subject, message, evidence...))
	}
	p.lintSite(add)
	p.lintWorkloads(add)
	p.lintGoals(goals, add)
	if devices != nil {
		p.lintMembers(devices, add)
	}
	return inOrder(out)
}

type addFinding func(id string, status Status, subject, message string, evidence ...string)

// inOrder sorts findings into the order of the checks, keeping the order of subjects.
func inOrder(fs []Finding) []Finding {
	out := make([]Finding, 0, len(fs))
	for _, c := range Checks() {
		for _, f := range fs {
			if f.Check == c.ID {
				out = append(out, f)
			}
		}
	}
	return out
}

// moved returns the workloads whose slider is not at Configuration Manager, leaving out what the site forces.
func (p *Plan) moved() WorkloadSet {
	var s WorkloadSet
	for w, set := range p.Workloads {
		if set.Slider != SliderConfigMgr {
			s = s.With(w)
		}
	}
	return s
}

func (p *Plan) lintSite(add addFinding) {
	if p.Site == 0 {
		add(CheckSiteVersionMissing, StatusWarning, "siteVersion", "The site version is not known: expected flags cannot be computed and resource access is decided by its slider.")
	}
	if p.moved() != 0 && p.AutoEnrolment.Mode == EnrolNone {
		add(CheckAutoEnrolNone, StatusWarning, "autoEnrolment", "Workloads are moved, but automatic enrolment is off: only devices that enrol another way are affected.", "moved: "+p.moved().Names())
	}
	shared := p.Site < pilotPerWorkload && len(nonEmpty(p.Legacy.PilotGroup)) > 0
	if p.AutoEnrolment.Mode == EnrolPilot && strings.TrimSpace(p.AutoEnrolment.Collection) == "" && !shared {
		add(CheckAutoEnrolCollection, StatusFailure, "autoEnrolment", "Automatic enrolment is at Pilot without a collection: nobody enrols.")
	}
	if p.Site >= pilotPerWorkload && len(p.Legacy.PilotGroup)+len(p.Legacy.ExclusionGroup) > 0 {
		add(CheckLegacyGroups, StatusWarning, "legacy", "The shared groups have no effect on site version "+p.Site.String()+".", "pilot group: "+quoteAll(p.Legacy.PilotGroup), "exclusion group: "+quoteAll(p.Legacy.ExclusionGroup))
	}
	set, named := p.Workloads[ResourceAccess]
	forced := p.Site.forcesResourceAccess()
	switch {
	case forced && named && set.Slider != SliderIntune:
		add(CheckResourceAccess, StatusInfo, ResourceAccess.Name(), "The site fixes the slider at Intune, whatever the plan says; the upgrade to "+raForced.String()+" is refused while old policies exist.", "plan: "+set.Slider.String())
	case !forced && p.Site >= raPrerequisiteWarn && set.Slider == SliderConfigMgr:
		add(CheckResourceAccess, StatusWarning, ResourceAccess.Name(), "The prerequisite check warns, and the upgrade to "+raForced.String()+" moves the workload to Intune for all co-managed devices.", "site version "+p.Site.String())
	case !forced && p.Site >= raUnsupported && set.Slider == SliderConfigMgr:
		add(CheckResourceAccess, StatusWarning, ResourceAccess.Name(), "Resource access with Configuration Manager is not supported any more.", "site version "+p.Site.String())
	}
}

func (p *Plan) lintWorkloads(add addFinding) {
	for w := range AllWorkloads() {
		set, ok := p.Workloads[w]
		if !ok {
			continue
		}
		name := w.Name()
		collection := strings.TrimSpace(set.Collection)
		if set.Slider == SliderPilot && len(p.pilotCollections(w)) == 0 {
			add(CheckPilotNoCollection, StatusFailure, name, "The slider is at Pilot Intune, but no collection is in the pilot: nobody is affected.")
		}
		if set.Slider != SliderPilot && collection != "" {
			add(CheckCollectionNoPilot, StatusWarning, name, fmt.Sprintf("The collection %q has no effect: the slider is not at Pilot Intune.", collection), "slider: "+set.Slider.String())
		}
		if p.Site != 0 && p.Site < w.Since() && set.Slider != SliderConfigMgr {
			add(CheckWorkloadTooNew, StatusFailure, name, fmt.Sprintf("Site version %v has no such slider; it came with %v.", p.Site, w.Since()))
		}
		if p.Site != 0 && p.Site < pilotPerWorkload && set.Slider == SliderPilot && collection != "" {
			add(CheckCollectionTooEarly, StatusWarning, name, fmt.Sprintf("The collection %q has no effect on site version %v: all workloads share the pilot group.", collection, p.Site))
		}
		if set.Slider == SliderPilot && (w == EndpointProtection || w == DeviceConfiguration) {
			add(CheckPilotRemoval, StatusInfo, name, "In Pilot Intune, Intune deploys policies but does not remove them when they are unassigned.")
		}
	}
	dc := p.Setting(DeviceConfiguration)
	if dc.Slider != SliderConfigMgr {
		for _, w := range [...]Workload{ResourceAccess, EndpointProtection} {
			set := p.Setting(w)
			if set.Slider == SliderIntune || set.Slider == dc.Slider && sameCollection(set.Collection, dc.Collection) {
				continue
			}
			add(CheckTakesAlong, StatusWarning, w.Name(), "It goes along with Device Configuration, further than its own slider says.", "Device Configuration: "+describe(dc), w.Name()+": "+describe(set))
		}
	}
	if ep := p.Setting(EndpointProtection); ep.Slider != SliderConfigMgr && dc.Slider == SliderConfigMgr {
		add(CheckEndpointAlone, StatusInfo, EndpointProtection.Name(), "Windows Information Protection settings come from both sides, and settings are not removed, until Device Configuration is with Intune too.", "Endpoint Protection: "+describe(ep))
	}
}

func (p *Plan) lintGoals(goals Goals, add addFinding) {
	compliance := p.Setting(Compliance)
	switch {
	case goals.ConditionalAccess && compliance.Slider == SliderConfigMgr:
		add(CheckConditionalAccess, StatusFailure, Compliance.Name(), "Conditional access would judge devices by Configuration Manager's compliance state, and Intune does not keep their last check-in.", "slider: configmgr")
	case goals.ConditionalAccess && compliance.Slider == SliderPilot:
		add(CheckConditionalAccess, StatusWarning, Compliance.Name(), "Only the pilot's compliance is judged by Intune.", describe(compliance))
	case compliance.Slider == SliderConfigMgr && (p.moved()&^NewWorkloadSet(ResourceAccess)) != 0:
		add(CheckConditionalAccess, StatusInfo, Compliance.Name(), "Other workloads move while compliance stays: do not turn on conditional access that requires compliant devices yet.", "moved: "+p.moved().Names())
	}
	if goals.Autopatch {
		for _, w := range [...]Workload{WindowsUpdate, DeviceConfiguration, OfficeClickToRun} {
			if s := p.Setting(w); s.Slider == SliderConfigMgr {
				add(CheckAutopatch, StatusFailure, w.Name(), "Windows Autopatch needs this workload with Intune.", "slider: configmgr")
			}
		}
	}
	if goals.Autopilot {
		for w := range AllWorkloads() {
			if p.Setting(w).Slider == SliderPilot {
				add(CheckAutopilotPilot, StatusFailure, w.Name(), "During Autopilot collections are evaluated too late: the device starts as if it were not in the pilot.", describe(p.Setting(w)))
			}
		}
		if p.Site != 0 && p.Site < cloudAttach {
			add(CheckAutopilotVersion, StatusFailure, "siteVersion", "Site version "+p.Site.String()+" is older than "+cloudAttach.String()+".")
		}
	}
}

func (p *Plan) lintMembers(devices []Device, add addFinding) {
	for _, c := range p.Collections() {
		members, unknown := 0, 0
		for i := range devices {
			switch devices[i].MemberOf(c) {
			case Yes:
				members++
			case Unknown:
				unknown++
			}
		}
		if members == 0 && unknown == 0 {
			add(CheckCollectionEmpty, StatusWarning, c, fmt.Sprintf("None of the %d devices given is a member of %q.", len(devices), c))
		}
	}
	if p.AutoEnrolment.Mode != EnrolPilot || strings.TrimSpace(p.AutoEnrolment.Collection) == "" || p.Site != 0 && p.Site < pilotPerWorkload {
		return
	}
	for w := range AllWorkloads() {
		set := p.Setting(w)
		if set.Slider != SliderPilot || strings.TrimSpace(set.Collection) == "" {
			continue
		}
		var outside []string
		for i := range devices {
			d := &devices[i]
			if d.MemberOf(set.Collection) == Yes && d.MemberOf(p.AutoEnrolment.Collection) == No && d.Enrolment != EnrolmentIntune {
				outside = append(outside, d.Name)
			}
		}
		if outside != nil {
			add(CheckOutsideAutoEnrol, StatusWarning, w.Name(), fmt.Sprintf("%d devices of %q are not enrolled and not in the Intune Auto Enrollment collection %q.", len(outside), set.Collection, p.AutoEnrolment.Collection), sample(outside)...)
		}
	}
}

// sample returns at most ten names, and how many more there are.
func sample(names []string) []string {
	const most = 10
	if len(names) <= most {
		return names
	}
	return append(names[:most:most], fmt.Sprintf("and %d more", len(names)-most))
}

func describe(s Setting) string {
	switch {
	case s.Slider == SliderPilot && s.Collection != "":
		return fmt.Sprintf("Pilot Intune, collection %q", s.Collection)
	case s.Slider == SliderPilot:
		return "Pilot Intune"
	case s.Slider == SliderIntune:
		return "Intune"
	}
	return "Configuration Manager"
}
