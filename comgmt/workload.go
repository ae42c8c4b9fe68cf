package comgmt

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// A Workload is one slider on the Workloads page of the co-management properties. The zero Workload is none.
type Workload uint8

// The seven workloads, in the order of their bits.
const (
	Compliance          Workload = iota + 1 // Compliance policies
	ResourceAccess                          // Resource access policies: retired, forced to Intune from site version 2403
	DeviceConfiguration                     // Device Configuration; takes ResourceAccess and EndpointProtection along
	WindowsUpdate                           // Windows Update policies
	EndpointProtection                      // Endpoint Protection
	ClientApps                              // Client Apps, "Mobile apps for co-managed devices" before 2002
	OfficeClickToRun                        // Office Click-to-Run apps, "Office 365" in 1806
)

// workloadRow holds every name one workload has.
type workloadRow struct {
	id        string      // identifier in our JSON
	console   string      // name in the console
	bit       Flags       // bit in the capabilities, in every era
	companion Flags       // further bit that goes with it from 2111 on
	graph     string      // member of configurationManagerClientEnabledFeatures
	betaOnly  bool        // the member is missing from Graph v1.0
	summary   string      // member of comanagedDevicesSummary
	parameter string      // parameter of New-CMCoManagementPolicy
	pilot     string      // name of the site's pilot policy
	log       string      // client log that tests the bit
	since     SiteVersion // first site version with the slider
}

// workloads is the only place where the names and bits of workloads are written down.
var workloads = [...]workloadRow{
	Compliance: {
		id: "compliance", console: "Compliance policies", bit: bitCompliance, graph: "compliancePolicy",
		summary: "compliancePolicyCount", parameter: "CAWorkloadEnabled", pilot: "CoMgmtSettingsPilotCP", log: "ComplRelayAgent.log", since: 1710,
	},
	ResourceAccess: {
		id: "resource-access", console: "Resource access policies", bit: bitResourceAccess, graph: "resourceAccess",
		summary: "resourceAccessCount", parameter: "RAWorkloadEnabled", pilot: "CoMgmtSettingsPilotRAP", log: "CIAgent.log", since: 1710,
	},
	DeviceConfiguration: {
		id: "device-configuration", console: "Device Configuration", bit: bitDeviceConfiguration, graph: "deviceConfiguration",
		summary: "configurationSettingsCount", parameter: "DCWorkloadEnabled", pilot: "CoMgmtSettingsPilotDC", since: 1806,
	},
	WindowsUpdate: {
		id: "windows-update", console: "Windows Update policies", bit: bitWindowsUpdate, graph: "windowsUpdateForBusiness",
		summary: "windowsUpdateForBusinessCount", parameter: "WufbWorkloadEnabled", pilot: "CoMgmtSettingsPilotWUP", log: "WUAHandler.log", since: 1710,
	},
	EndpointProtection: {
		id: "endpoint-protection", console: "Endpoint Protection", bit: bitEndpointProtection, companion: bitEndpointCompanion, graph: "endpointProtection", betaOnly: true,
		summary: "endpointProtectionCount", parameter: "EPWorkloadEnabled", pilot: "CoMgmtSettingsPilotEP", since: 1802,
	},
	ClientApps: {
		id: "client-apps", console: "Client Apps", bit: bitClientApps, graph: "modernApps",
		summary: "modernAppsCount", parameter: "ClientAppsWorkloadEnabled", pilot: "CoMgmtSettingsPilotCApp", since: 1806,
	},
	OfficeClickToRun: {
		id: "office-click-to-run", console: "Office Click-to-Run apps", bit: bitOffice, graph: "officeApps", betaOnly: true,
		summary: "officeAppsCount", parameter: "O365WorkloadEnabled", pilot: "CoMgmtSettingsPilotO365", since: 1806,
	},
}

// numWorkloads is the number of workloads.
const numWorkloads = len(workloads) - 1

// AllWorkloads yields the seven workloads in the order of their bits.
func AllWorkloads() iter.Seq[Workload] {
	return func(yield func(Workload) bool) {
		for w := Compliance; w.Known(); w++ {
			if !yield(w) {
				return
			}
		}
	}
}

// Known reports whether w is one of the seven workloads.
func (w Workload) Known() bool { return w >= 1 && int(w) < len(workloads) }

func (w Workload) row() workloadRow {
	if !w.Known() {
		return workloadRow{}
	}
	return workloads[w]
}

// String returns the identifier used in JSON, such as "windows-update"; "Workload(9)" for a value off the table.
func (w Workload) String() string {
	if !w.Known() {
		return "Workload(" + strconv.Itoa(int(w)) + ")"
	}
	return workloads[w].id
}

// Name returns the name in the Configuration Manager console, "" for a value off the table.
func (w Workload) Name() string { return w.row().console }

// Bit returns the bit that says the workload is with Intune. It holds in every era: Endpoint Protection is 32,
// not 4128, and testing with 4128 fails on legacy and masked values. 0 for a value off the table.
func (w Workload) Bit() Flags { return w.row().bit }

// GraphName returns the member of Graph's configurationManagerClientEnabledFeatures, such as "modernApps".
func (w Workload) GraphName() string { return w.row().graph }

// BetaOnly reports whether GraphName exists only in Graph beta. It holds for Endpoint Protection and Office:
// a v1.0 document says nothing about them (Graph v1.0 metadata, configurationManagerClientEnabledFeatures).
func (w Workload) BetaOnly() bool { return w.row().betaOnly }

// Parameter returns the parameter of the PowerShell cmdlet New-CMCoManagementPolicy.
func (w Workload) Parameter() string { return w.row().parameter }

// PilotPolicy returns the name of the site's pilot policy for the workload, such as "CoMgmtSettingsPilotWUP".
func (w Workload) PilotPolicy() string { return w.row().pilot }

// Log returns the client log in which the workload's bit is tested, "" where none is known.
func (w Workload) Log() string { return w.row().log }

// Since returns the first site version that has the slider.
func (w Workload) Since() SiteVersion { return w.row().since }

// MarshalText returns the identifier. It fails for a value off the table.
func (w Workload) MarshalText() ([]byte, error) {
	if !w.Known() {
		return nil, fmt.Errorf("comgmt: %v has no identifier", w)
	}
	return []byte(workloads[w].id), nil
}

// UnmarshalText accepts what [ParseWorkload] accepts.
func (w *Workload) UnmarshalText(b []byte) error {
	v, err := ParseWorkload(string(b))
	if err == nil {
		*w = v
	}
	return err
}

// ParseWorkload reads the identifier of a workload, its name in the console, in Graph or in PowerShell, without
// regard to case.
func ParseWorkload(s string) (Workload, error) {
	t := strings.TrimSpace(s)
	for w := range AllWorkloads() {
		r := workloads[w]
		for _, name := range [...]string{r.id, r.console, r.graph, r.parameter, r.pilot} {
			if strings.EqualFold(t, name) {
				return w, nil
			}
		}
	}
	return 0, fmt.Errorf("comgmt: no workload is called %q (want one of %s)", clip(s), AllWorkloadSet())
}

// A WorkloadSet is a set of workloads. The zero WorkloadSet is empty; sets compare with ==.
type WorkloadSet uint8

// NewWorkloadSet returns the set of ws. Values off the table are left out.
func NewWorkloadSet(ws ...Workload) WorkloadSet {
	var s WorkloadSet
	for _, w := range ws {
		s = s.With(w)
	}
	return s
}

// AllWorkloadSet returns the set of all seven workloads.
func AllWorkloadSet() WorkloadSet { return 1<<numWorkloads - 1 }

// Has reports whether w is in s.
func (s WorkloadSet) Has(w Workload) bool { return w.Known() && s&(1<<(w-1)) != 0 }

// With returns s with w. A value off the table changes nothing.
func (s WorkloadSet) With(w Workload) WorkloadSet {
	if !w.Known() {
		return s
	}
	return s | 1<<(w-1)
}

// Without returns s without w.
func (s WorkloadSet) Without(w Workload) WorkloadSet {
	if !w.Known() {
		return s
	}
	return s &^ (1 << (w - 1))
}

// Len returns the number of workloads in s.
func (s WorkloadSet) Len() int {
	n := 0
	for range s.All() {
		n++
	}
	return n
}

// All yields the workloads of s in the order of their bits.
func (s WorkloadSet) All() iter.Seq[Workload] {
	return func(yield func(Workload) bool) {
		for w := range AllWorkloads() {
			if s.Has(w) && !yield(w) {
				return
			}
		}
	}
}

// Strings returns the identifiers of s, never nil.
func (s WorkloadSet) Strings() []string {
	out := make([]string, 0, numWorkloads)
	for w := range s.All() {
		out = append(out, w.String())
	}
	return out
}

// String returns the identifiers of s separated by ", ", or "none".
func (s WorkloadSet) String() string {
	if s.Len() == 0 {
		return "none"
	}
	return strings.Join(s.Strings(), ", ")
}

// Names returns the console names of s separated by ", ", or "none".
func (s WorkloadSet) Names() string {
	var out []string
	for w := range s.All() {
		out = append(out, w.Name())
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, ", ")
}

// clip keeps text from outside short enough for an error.
func clip(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
