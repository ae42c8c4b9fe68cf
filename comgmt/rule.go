package comgmt

// A Rule is one way in which a verdict can be reached. Rules are fixed: their ids are part of the API.
type Rule struct {
	ID     string `json:"id"`     // stable, found in Verdict.Rule
	Title  string `json:"title"`  // what the rule says, in one sentence
	Basis  Basis  `json:"basis"`  // what it rests on; a verdict that needs an assumption is derived instead
	Source string `json:"source"` // document and section, or where it was seen
}

// Ids of the rules that decide authority.
const (
	RuleNoClient            = "no-client"
	RuleNoClientEnrolled    = "no-client-enrolled"
	RuleNotWindowsClient    = "not-windows-client"
	RuleCoexistence         = "third-party-coexistence"
	RuleNotEnrolled         = "not-enrolled"
	RuleEnrolmentUnknown    = "enrolment-unknown"
	RuleEnrolmentConflict   = "enrolment-conflict"
	RuleAuthorityConflict   = "authority-conflict"
	RuleIntuneAuthority     = "intune-authority"
	RuleExcluded            = "legacy-excluded"
	RuleForced              = "resource-access-forced"
	RuleDeviceConfiguration = "device-configuration-implies"
	RuleSliderIntune        = "slider-intune"
	RulePilotMember         = "slider-pilot-member"
	RulePilotOther          = "slider-pilot-not-member"
	RulePilotEmpty          = "slider-pilot-no-collection"
	RuleSliderConfigMgr     = "slider-configmgr"
	RuleClientFlags         = "client-flags"
	RuleMembershipUnknown   = "membership-unknown"
	RuleFlagsUnread         = "flags-unread"
)

var rules = [...]Rule{
	{RuleNoClient, "No Configuration Manager client and no Intune enrolment: neither manages the device.", BasisDerived, "Co-management overview: co-management needs both"},
	{RuleNoClientEnrolled, "No Configuration Manager client, enrolled in Intune: Intune manages everything.", BasisDerived, "Co-management overview: co-management needs both"},
	{RuleNotWindowsClient, "The co-management policy applies only to client editions of Windows 10 and later; Configuration Manager manages everything else it has a client on.", BasisDocumented, "Monitor co-management, Deployment policies"},
	{RuleCoexistence, "A third-party MDM service has the device: Configuration Manager switches its own workloads off.", BasisDocumented, "Third-party MDM coexistence, Workloads (Configuration Manager documentation, 2020)"},
	{RuleNotEnrolled, "Not enrolled in Intune: Configuration Manager manages everything, whatever the sliders and flags say.", BasisObserved, "CoManagementHandler.log: Device is not MDM enrolled yet. All workloads are managed by SCCM."},
	{RuleEnrolmentUnknown, "Whether the device is enrolled in Intune is not known, and the answer depends on it.", BasisUnknown, "-"},
	{RuleEnrolmentConflict, "The device is said to be enrolled in Intune, but its ConfigInfo was looked for and is absent, as on a device that is not.", BasisUnknown, "ConfigInfo as seen on clients"},
	{RuleAuthorityConflict, "ConfigInfo names Configuration Manager as the authority, but the flags are the Intune override.", BasisUnknown, "ConfigInfo and override as seen on clients"},
	{RuleIntuneAuthority, "Intune is the authority for the whole device: sliders are ignored.", BasisObserved, "seen on clients (ConfigInfo 1, capabilities 2147479807); cause in Co-management settings: Windows Autopilot with co-management"},
	{RuleExcluded, "Member of the exclusion group: no co-management for this device.", BasisDocumented, "Enable co-management (1902 and earlier), exclusion group"},
	{RuleForced, "From site version 2403 on, resource access is always with Intune.", BasisDocumented, "Co-management workloads, Resource access policies"},
	{RuleDeviceConfiguration, "Device Configuration is with Intune and takes Resource access and Endpoint Protection along.", BasisDocumented, "Co-management workloads, Device configuration"},
	{RuleSliderIntune, "The slider is at Intune, which holds for every enrolled device.", BasisDocumented, "How to switch workloads"},
	{RulePilotMember, "The slider is at Pilot Intune and the device is in the pilot collection.", BasisDocumented, "How to switch workloads"},
	{RulePilotOther, "The slider is at Pilot Intune and the device is not in the pilot collection.", BasisDocumented, "How to switch workloads"},
	{RulePilotEmpty, "The slider is at Pilot Intune but no collection is set: nobody is in the pilot.", BasisDerived, "How to switch workloads: a pilot is its collection"},
	{RuleSliderConfigMgr, "The slider is at Configuration Manager.", BasisDocumented, "How to switch workloads"},
	{RuleClientFlags, "The client's own flags decide: the device is enrolled and Configuration Manager is the authority.", BasisObserved, "Troubleshoot co-management workloads: a workload is Intune's when the AND with its bit is not 0"},
	{RuleMembershipUnknown, "The slider is at Pilot Intune and it is not known whether the device is in the collection.", BasisUnknown, "-"},
	{RuleFlagsUnread, "The device is enrolled, and its flags, which would decide, were not read.", BasisUnknown, "-"},
}

// Rules returns every rule that can decide a verdict. The slice is the caller's.
func Rules() []Rule {
	out := make([]Rule, len(rules))
	copy(out, rules[:])
	return out
}

// RuleByID returns the rule with the given id; ok is false if there is none.
func RuleByID(id string) (r Rule, ok bool) {
	for _, r := range rules {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}
