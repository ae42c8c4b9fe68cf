package comgmt

import (
	"slices"
	"strings"
)

// An EnrolMode is the setting "Automatic enrollment into Intune".
type EnrolMode uint8

const (
	EnrolNone  EnrolMode = iota // nobody
	EnrolPilot                  // members of the Intune Auto Enrollment collection
	EnrolAll                    // every client with Windows 10 1709 or later
)

var enrolModeNames = [...]string{"none", "pilot", "all"}

// String returns "none", "pilot" or "all"; these are also the values in JSON.
func (m EnrolMode) String() string { return nameOf(enrolModeNames[:], int(m), "EnrolMode") }

// MarshalText returns the name; it fails off the table.
func (m EnrolMode) MarshalText() ([]byte, error) {
	return marshalName(enrolModeNames[:], int(m), "EnrolMode")
}

// UnmarshalText reads the name.
func (m *EnrolMode) UnmarshalText(b []byte) error {
	return unmarshalName(enrolModeNames[:], m, b, "automatic enrolment mode")
}

// An AutoEnrolment is the site's setting for automatic enrolment. The zero value enrols nobody.
type AutoEnrolment struct {
	Mode EnrolMode `json:"mode"`
	// Collection is the Intune Auto Enrollment collection; used with EnrolPilot.
	Collection string `json:"collection,omitempty"`
}

// A Setting is one workload's slider. The zero Setting leaves the workload with Configuration Manager.
type Setting struct {
	Slider Slider `json:"slider"`
	// Collection is the workload's one pilot collection (site version 1906 or later); used with SliderPilot.
	Collection string `json:"collection,omitempty"`
}

// Workloads maps workloads to settings. A workload that is not in it is with Configuration Manager.
type Workloads map[Workload]Setting

// A Legacy is the pilot group and exclusion group that all workloads shared before site version 1906. Each is
// one or more collections. It is ignored from 1906 on.
type Legacy struct {
	PilotGroup     []string `json:"pilotGroup,omitempty"`
	ExclusionGroup []string `json:"exclusionGroup,omitempty"`
}

// A Plan is the co-management configuration of a site, as it is or as it is meant to become. The zero Plan has
// every workload with Configuration Manager on a site of unknown version.
type Plan struct {
	Site          SiteVersion   `json:"siteVersion,omitzero"`
	AutoEnrolment AutoEnrolment `json:"autoEnrolment,omitzero"`
	Workloads     Workloads     `json:"workloads,omitempty"`
	Legacy        Legacy        `json:"legacy,omitzero"`
}

// Setting returns the setting that is in force for w. For resource access on a site from 2403 on that is Intune,
// whatever the plan says: there the slider is fixed.
func (p *Plan) Setting(w Workload) Setting {
	if w == ResourceAccess && p.Site.forcesResourceAccess() {
		return Setting{Slider: SliderIntune}
	}
	return p.Workloads[w]
}

// usesLegacyGroups reports whether the shared groups decide pilots. With an unknown version they do for
// a workload that has no collection of its own.
func (p *Plan) usesLegacyGroups(w Workload) bool {
	switch {
	case p.Site == 0:
		return p.Workloads[w].Collection == "" && len(p.Legacy.PilotGroup) > 0
	default:
		return p.Site < pilotPerWorkload
	}
}

// pilotCollections returns the collections whose members are in the pilot of w.
func (p *Plan) pilotCollections(w Workload) []string {
	if p.usesLegacyGroups(w) {
		return nonEmpty(p.Legacy.PilotGroup)
	}
	return nonEmpty([]string{p.Workloads[w].Collection})
}

// exclusions returns the collections whose members get no co-management.
func (p *Plan) exclusions() []string {
	if p.Site >= pilotPerWorkload {
		return nil
	}
	return nonEmpty(p.Legacy.ExclusionGroup)
}

func nonEmpty(s []string) []string {
	return slices.DeleteFunc(slices.Clone(s), func(c string) bool { return strings.TrimSpace(c) == "" })
}

// Collections returns every collection the plan names, each once, in the order of first use.
func (p *Plan) Collections() []string {
	var out []string
	add := func(cs ...string) {
		for _, c := range nonEmpty(cs) {
			if !slices.ContainsFunc(out, func(o string) bool { return sameCollection(o, c) }) {
				out = append(out, c)
			}
		}
	}
	add(p.AutoEnrolment.Collection)
	for w := range AllWorkloads() {
		add(p.Workloads[w].Collection)
	}
	add(p.Legacy.PilotGroup...)
	add(p.Legacy.ExclusionGroup...)
	return out
}

// memberOfAny reports whether d is in one of the collections, and in which.
func memberOfAny(d *Device, collections []string) (Tri, string) {
	if len(collections) == 0 {
		return No, ""
	}
	for _, c := range collections {
		switch d.MemberOf(c) {
		case Yes:
			return Yes, c
		case Unknown:
			return Unknown, ""
		}
	}
	return No, ""
}

// quoteAll writes names for a person.
func quoteAll(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = `"` + n + `"`
	}
	return strings.Join(q, ", ")
}
