package comgmt

import (
	"strconv"
	"strings"
	"time"
)

// A ManagementAgent is Graph's managedDevice.managementAgent. Values Graph may add later are kept as they are.
type ManagementAgent string

// Management agents that matter to co-management.
const (
	AgentMDM                 ManagementAgent = "mdm"
	AgentConfigMgr           ManagementAgent = "configurationManagerClient"       // Configuration Manager only: tenant attach
	AgentConfigMgrAndMDM     ManagementAgent = "configurationManagerClientMdm"    // co-managed
	AgentConfigMgrAndMDMEAS  ManagementAgent = "configurationManagerClientMdmEas" // co-managed, and Exchange ActiveSync
	AgentMicrosoft365Managed ManagementAgent = "microsoft365ManagedMdm"
)

// managementAgents are the members of the enumeration (Graph metadata, v1.0 and beta).
var managementAgents = map[ManagementAgent]int{
	"eas": 1, "mdm": 2, "easMdm": 3, "intuneClient": 4, "easIntuneClient": 5, "configurationManagerClient": 8,
	"configurationManagerClientMdm": 10, "configurationManagerClientMdmEas": 11, "unknown": 16, "jamf": 32,
	"googleCloudDevicePolicyController": 64, "microsoft365ManagedMdm": 258, "windowsManagementCloudApi": 512,
	"msSense": 1024, "intuneAosp": 2048,
}

// Number returns the agent's number in the enumeration; ok is false for a name the metadata does not have.
func (a ManagementAgent) Number() (n int, ok bool) { n, ok = managementAgents[a]; return n, ok }

// CoManaged reports whether the agent says Configuration Manager and Intune both manage the device. Unknown for an
// empty agent, "unknown", and names the metadata does not have.
func (a ManagementAgent) CoManaged() Tri {
	switch a {
	case AgentConfigMgrAndMDM, AgentConfigMgrAndMDMEAS:
		return Yes
	case "", "unknown":
		return Unknown
	}
	if _, ok := managementAgents[a]; !ok {
		return Unknown
	}
	return No
}

// Enrolled reports whether the agent says the device is enrolled in Intune's MDM, Unknown as in CoManaged.
func (a ManagementAgent) Enrolled() Tri {
	n, ok := managementAgents[a]
	switch {
	case !ok || a == "unknown":
		return Unknown
	case a == AgentMDM, a == "easMdm", a == AgentConfigMgrAndMDM, a == AgentConfigMgrAndMDMEAS, n == 258, n == 2048, n == 64:
		return Yes
	case a == AgentConfigMgr, a == "eas":
		return No
	}
	return Unknown
}

// An Eligibility is Graph's comanagementEligibleDevice.status (beta). Values Graph may add later are kept as they are.
type Eligibility string

var eligibilities = map[Eligibility]struct {
	number  int
	meaning string
}{
	"comanaged":                   {1, "co-managed already"},
	"eligible":                    {2, "can be co-managed"},
	"eligibleButNotAzureAdJoined": {3, "could be co-managed once it is hybrid joined or Entra joined"},
	"needsOsUpdate":               {4, "Windows has to be updated first"},
	"ineligible":                  {5, "cannot be co-managed"},
	"scheduledForEnrollment":      {6, "enrolment is scheduled"},
	"unknownFutureValue":          {7, "a value newer than the client that asked"},
	"":                            {0, "not said"},
}

// Number returns the number in the enumeration; ok is false for a name the reference does not have.
func (e Eligibility) Number() (n int, ok bool) {
	row, ok := eligibilities[e]
	return row.number, ok && e != ""
}

// Meaning explains the status in a few words.
func (e Eligibility) Meaning() string {
	if row, ok := eligibilities[e]; ok {
		return row.meaning
	}
	return "a status this package does not know"
}

// A ClientHealth is the state of the Configuration Manager client as Intune knows it, as bits: the registry value
// ClientHealthStatus and, as names for some combinations, Graph's configurationManagerClientHealthState.
type ClientHealth uint32

const (
	HealthInstalled  ClientHealth = 1
	HealthRegistered ClientHealth = 2
	HealthEvaluated  ClientHealth = 4  // a health evaluation succeeded
	HealthSetupError ClientHealth = 8  // installation or update failed
	HealthCommsError ClientHealth = 16 // communication failed
	healthKnown      ClientHealth = 31
)

// healthStates are Graph's names. Its numbers are combinations of the bits, but not all that occur: 23 (healthy
// before, now unable to communicate), 3 and 5 have no name.
var healthStates = map[string]ClientHealth{
	"unknown": 0, "installed": 1, "healthy": 7, "installFailed": 8, "updateFailed": 11, "communicationError": 19,
}

// HealthOf returns the bits of Graph's state name; ok is false for a name the reference does not have.
func HealthOf(state string) (h ClientHealth, ok bool) { h, ok = healthStates[state]; return h, ok }

// String names the bits, such as "installed, registered, evaluated"; "unknown" for 0. Unknown bits appear as numbers.
func (h ClientHealth) String() string {
	var parts []string
	for i, name := range [...]string{"installed", "registered", "evaluated", "setup error", "communication error"} {
		if h&(1<<i) != 0 {
			parts = append(parts, name)
		}
	}
	if rest := h &^ healthKnown; rest != 0 {
		parts = append(parts, strconv.FormatUint(uint64(rest), 10))
	}
	if parts == nil {
		return "unknown"
	}
	return strings.Join(parts, ", ")
}

// Healthy applies Microsoft's freshness rule ("Troubleshoot co-management: bootstrap"): the healthy state counts if the
// last synchronisation is at most 30 days old, any other state is believed for 48 hours. fresh is Unknown
// without a time of synchronisation.
func (h ClientHealth) Healthy(lastSync, now time.Time) (healthy, fresh Tri) {
	good := h&(HealthInstalled|HealthRegistered|HealthEvaluated) == 7 && h&(HealthSetupError|HealthCommsError) == 0
	limit := 48 * time.Hour
	if good {
		limit = 30 * 24 * time.Hour
	}
	switch {
	case lastSync.IsZero():
		return Unknown, Unknown
	case now.Sub(lastSync) > limit:
		return Unknown, No
	}
	return TriOf(good), Yes
}
