package cmlog

import (
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
)

// A Kind is what a message means. Kinds are part of the API.
type Kind string

// Kinds of messages.
const (
	PolicyRead        Kind = "policy-read"        // a co-management policy is being read
	SettingRead       Kind = "setting-read"       // a setting is being merged
	SettingMerged     Kind = "setting-merged"     // Setting and Value are the result
	FlagsMasked       Kind = "flags-masked"       // Flags is the value after Mask
	FlagsMerging      Kind = "flags-merging"      // Flags is the OR of two policies
	FlagsApplied      Kind = "flags-applied"      // Flags is what the client applies
	Overridden        Kind = "overridden"         // Intune set the workloads; the site's are not used
	NotEnrolled       Kind = "not-enrolled"       // everything is with Configuration Manager
	PolicyAhead       Kind = "policy-ahead"       // policy asks for co-management, the client has not got there
	NoEnrolmentURL    Kind = "no-enrolment-url"   // the MDM enrolment URL is not known yet
	NotProvisioned    Kind = "not-provisioned"    //
	Provisioned       Kind = "provisioned"        //
	EnrolQueued       Kind = "enrol-queued"       // automatic enrolment is queued
	TimerSet          Kind = "timer-set"          // Value is when enrolment will be tried, as printed
	TimerAlreadySet   Kind = "timer-already-set"  //
	TimerFired        Kind = "timer-fired"        //
	NoConfigSetting   Kind = "no-config-setting"  // MDM_ConfigSetting is missing: normal before the first user signs in
	SessionFound      Kind = "session-found"      // a user is signed in
	JoinInfo          Kind = "join-info"          // join data was read
	EnrolTry          Kind = "enrol-try"          // Try of Tries
	EnrolDeviceToken  Kind = "enrol-device-token" // with the device's token
	EnrolUserToken    Kind = "enrol-user-token"   // with the user's token
	EnrolSucceeded    Kind = "enrol-succeeded"    //
	EnrolFailed       Kind = "enrol-failed"       // Codes say why
	EnrolmentType     Kind = "enrolment-type"     // Value is the number: 0 MDM, 5 MAM, 6 device with Entra ID, 13 user
	AlreadyEnrolled   Kind = "already-enrolled"   //
	AccountFound      Kind = "account-found"      // the Intune account id was read
	FlagsCompliant    Kind = "flags-compliant"    // applied and wanted workloads agree
	StateUnchanged    Kind = "state-unchanged"    // nothing to report to the site
	StateReported     Kind = "state-reported"     // Value is the state number (107; its meaning is not known)
	Coexistence       Kind = "coexistence"        // enrolled to an unexpected vendor
	WorkloadAsked     Kind = "workload-asked"     // a component tests Workload in Flags
	WorkloadResult    Kind = "workload-result"    // Value is the result of the AND
	WorkloadIntune    Kind = "workload-intune"    // the component leaves it to Intune
	WorkloadConfigMgr Kind = "workload-configmgr" // the component keeps it
	WorkloadDisabled  Kind = "workload-disabled"  // the component stops its own work
	HealthSync        Kind = "health-sync"        // Value is the time written for Intune
	ClientRegistering Kind = "client-registering" //
	ClientRegistered  Kind = "client-registered"  // Value is the client's id
	CMGRefused        Kind = "cmg-refused"        // the gateway answered 403: certificate or its revocation list
	TokenAsked        Kind = "token-asked"        // an Entra token is being fetched
	SetupExit         Kind = "setup-exit"         // Value is ccmsetup's return code
	ErrorSeen         Kind = "error"              // not a message of the catalogue, but it holds an error code or is of type error
)

// An Event is a record whose message is understood. Which fields are set depends on Kind.
type Event struct {
	Record
	Kind     Kind
	Setting  string // "AutoEnroll", "Capabilities" or "Allow", without CoManagementSettings_
	Value    string
	Flags    comgmt.Flags // with HasFlags
	HasFlags bool
	Mask     comgmt.Flags
	Workload comgmt.Workload
	Try      int
	Tries    int
	Codes    []comgmt.ErrorCode // error codes in the message, in order
}

// A message of the catalogue. text is looked for at the beginning of the message, or anywhere if anywhere is set.
type message struct {
	text     string
	kind     Kind
	anywhere bool
	read     func(*Event, string) // gets the text behind; nil: nothing to read
}

// catalogue is in the order of trial: a longer text before one it begins with.
var catalogue = [...]message{
	{"Processing GET for assignment", PolicyRead, false, nil},
	{"Getting/Merging value for setting", SettingRead, false, readSetting},
	{"Merged value for setting ", SettingMerged, false, readMerged},
	{"Merged value for ", SettingMerged, false, readMerged},
	{"New merged workloadflags value with co-management max capabilities", FlagsMasked, false, readMasked},
	{"Merging workload flags ", FlagsMerging, false, readMerging},
	{"Workloads flag retrieved ", FlagsApplied, false, readFlags},
	{"Workloads are explicitly set by Intune", Overridden, false, nil},
	{"Device is not MDM enrolled yet", NotEnrolled, false, nil},
	{"Co-management is disabled but expected to be enabled", PolicyAhead, false, nil},
	{"Mdm Enrollment Url has not yet been configured", NoEnrolmentURL, false, nil},
	{"Device is not provisioned", NotProvisioned, false, nil},
	{"Device is provisioned", Provisioned, false, nil},
	{"Successfully queued MDM auto enrollment", EnrolQueued, false, nil},
	{"Queuing enrollment timer to fire at ", TimerSet, false, readRest},
	{"timer already set for enrollment", TimerAlreadySet, false, nil},
	{"Enrollment randomization timer fired", TimerFired, false, nil},
	{"Expected MDM_ConfigSetting instance is missing", NoConfigSetting, false, nil},
	{"Found Active User Session", SessionFound, false, nil},
	{"AAD-Join Info", JoinInfo, false, nil},
	{"Enrolling device to MDM", EnrolTry, false, readTry},
	{"Enrolling device with RegisterDeviceWithManagementUsingAADDeviceCredentials", EnrolDeviceToken, false, nil},
	{"Enrolling device with RegisterDeviceWithManagementUsingAADCredentials", EnrolUserToken, false, nil},
	{"MDM enrollment succeeded", EnrolSucceeded, false, nil},
	{"MDM enrollment failed", EnrolFailed, false, nil},
	{"Failed to enroll", EnrolFailed, false, nil},
	{"Auto MDM Enroll: Succeeded", EnrolSucceeded, false, nil},
	{"Auto MDM Enroll:", EnrolFailed, false, nil},
	{"MDM Enroll: Succeeded", EnrolSucceeded, false, nil},
	{"MDM Enroll:", EnrolFailed, false, nil},
	{"Enrollment type: ", EnrolmentType, false, readRest},
	{"Device is already or being enrolled into MDM", AlreadyEnrolled, false, nil},
	{"Machine is already enrolled with MDM", AlreadyEnrolled, false, nil},
	{"Device is already enrolled with MDM", AlreadyEnrolled, false, nil},
	{"Intune SA Account ID retrieved", AccountFound, false, nil},
	{"Co-mgmt workloads flag is compliant", FlagsCompliant, false, nil},
	{"State ID and report detail hash are not changed", StateUnchanged, false, nil},
	{"StateID or report hash is changed. Sending up the report for state ", StateReported, false, readRest},
	{"This device is enrolled to an unexpected vendor", Coexistence, false, nil},
	{"Verifying if workload ", WorkloadAsked, false, readWorkload},
	{"Result of & operation is ", WorkloadResult, false, readRest},
	{"Feature flag is ON", WorkloadIntune, false, nil},
	{"Feature flag is OFF", WorkloadConfigMgr, false, nil},
	{"CA workload is disabled for ConfigMgr", WorkloadDisabled, false, func(e *Event, _ string) { e.Workload = comgmt.Compliance }},
	{"Resource Access workload is disabled for ConfigMgr", WorkloadDisabled, false, func(e *Event, _ string) { e.Workload = comgmt.ResourceAccess }},
	{"A different management authority is enabled for Resource Access workloads", WorkloadDisabled, false, func(e *Event, _ string) { e.Workload = comgmt.ResourceAccess }},
	{"Updating MDM_ConfigSetting.ClientHealthLastSyncTime with value ", HealthSync, false, readRest},
	{"[RegTask] - Client is not registered", ClientRegistering, false, nil},
	{"Registering client using AAD auth", ClientRegistering, false, nil},
	{"[RegTask] - Client is registered. Server assigned ClientID is ", ClientRegistered, false, readClientID},
	{"CMGConnector_Clientcertificaterequired", CMGRefused, true, nil},
	{"Getting Azure AD (User) token", TokenAsked, false, nil},
	{"Getting Azure AD (device) token", TokenAsked, false, nil},
	{"CcmSetup is exiting with return code ", SetupExit, false, readRest},
}

func readRest(e *Event, rest string) { e.Value = strings.TrimSpace(strings.TrimRight(rest, ".\r\n")) }

func readClientID(e *Event, rest string) {
	e.Value, _, _ = strings.Cut(rest, ". ")
	e.Value = strings.TrimSpace(e.Value)
}

// inQuotes returns the text between the next two single quotes, and what follows.
func inQuotes(s string) (text, rest string) {
	_, s, ok := strings.Cut(s, "'")
	if !ok {
		return "", ""
	}
	text, rest, _ = strings.Cut(s, "'")
	return text, rest
}

func readSetting(e *Event, rest string) {
	name, _ := inQuotes(rest)
	e.Setting = strings.TrimPrefix(name, "CoManagementSettings_")
}

func readMerged(e *Event, rest string) {
	name, rest := inQuotes(rest)
	e.Setting = strings.TrimPrefix(name, "CoManagementSettings_")
	e.Value, _ = inQuotes(rest)
	if e.Setting == "Capabilities" {
		e.setFlags(e.Value)
	}
}

func readMasked(e *Event, rest string) {
	mask, rest := inQuotes(rest)
	value, _ := inQuotes(rest)
	if m, err := comgmt.ParseFlags(mask); err == nil {
		e.Mask = m
	}
	e.setFlags(value)
}

func readMerging(e *Event, rest string) {
	a, b, _ := strings.Cut(strings.TrimRight(rest, ". \r\n"), " with ")
	x, err1 := comgmt.ParseFlags(a)
	y, err2 := comgmt.ParseFlags(b)
	if err1 == nil && err2 == nil {
		e.Flags, e.HasFlags = comgmt.MergeFlags(0, x, y), true
	}
}

func readFlags(e *Event, rest string) { readRest(e, rest); e.setFlags(e.Value) }

func (e *Event) setFlags(s string) {
	if f, err := comgmt.ParseFlags(s); err == nil {
		e.Flags, e.HasFlags = f, true
	}
}

func readTry(e *Event, rest string) {
	_, rest, _ = strings.Cut(rest, "Try #")
	a, b, _ := strings.Cut(rest, " out of ")
	e.Try, _ = strconv.Atoi(a) // not a number: 0, not said
	e.Tries, _ = strconv.Atoi(strings.TrimRight(b, ". \r\n"))
}

func readWorkload(e *Event, rest string) {
	bit, rest, _ := strings.Cut(rest, " ")
	if f, err := comgmt.ParseFlags(bit); err == nil {
		for w := range comgmt.AllWorkloads() {
			if w.Bit() == f {
				e.Workload = w
			}
		}
	}
	e.Value = bit
	if _, flags, ok := strings.Cut(rest, "workloadFlags "); ok {
		e.setFlags(strings.TrimRight(flags, ". \r\n"))
	}
}

// Classify says what a record means; ok is false if its message is not in the catalogue and is no error.
func Classify(r Record) (e Event, ok bool) {
	text := strings.TrimLeft(r.Message, " \t")
	for i := range catalogue {
		m := &catalogue[i]
		rest, found := strings.CutPrefix(text, m.text)
		if !found && m.anywhere {
			_, rest, found = strings.Cut(text, m.text)
		}
		if !found {
			continue
		}
		e = Event{Record: r, Kind: m.kind, Codes: errorCodes(text)}
		if m.read != nil {
			m.read(&e, rest)
		}
		return e, true
	}
	codes := errorCodes(text)
	if codes == nil && r.Severity != Error {
		return Event{}, false
	}
	return Event{Record: r, Kind: ErrorSeen, Codes: codes}, true
}

// errorCodes finds result codes, 0x and eight hexadecimal digits with the failure bit, in a message.
func errorCodes(s string) []comgmt.ErrorCode {
	var out []comgmt.ErrorCode
	for {
		i := strings.Index(s, "0x")
		if j := strings.Index(s, "0X"); i < 0 || j >= 0 && j < i {
			i = j
		}
		if i < 0 {
			return out
		}
		s = s[i+2:]
		n := 0
		for n < len(s) && isHex(s[n]) {
			n++
		}
		if n != 8 {
			continue
		}
		if c, err := comgmt.ParseErrorCode("0x" + s[:8]); err == nil && c&0x80000000 != 0 {
			out = append(out, c)
		}
	}
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

// Events yields the records that [Classify] understands, in order.
func Events(records iter.Seq2[Record, error]) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for r, err := range records {
			if err != nil {
				yield(Event{}, err)
				return
			}
			if e, ok := Classify(r); ok && !yield(e, nil) {
				return
			}
		}
	}
}

// Explain returns the event in a few words.
func (e Event) Explain() string {
	switch e.Kind {
	case SettingMerged:
		if e.HasFlags {
			return "policy capabilities " + e.Flags.String() + ": " + e.Flags.Workloads().String() + " with Intune"
		}
		return "policy " + e.Setting + " is " + e.Value
	case FlagsMasked:
		return "merged to " + e.Flags.String() + " after the mask " + e.Mask.String()
	case FlagsMerging:
		return "policies merge to " + e.Flags.String()
	case FlagsApplied:
		return "applies " + e.Flags.String() + ": " + e.Flags.Workloads().String() + " with Intune"
	case EnrolTry:
		if e.Tries > 0 {
			return "enrolment, try " + strconv.Itoa(e.Try) + " of " + strconv.Itoa(e.Tries)
		}
		return "enrolment is tried"
	case TimerSet:
		return "enrolment is due at " + e.Value
	case WorkloadAsked:
		if e.Workload.Known() {
			return "asks for " + e.Workload.String()
		}
		return "asks for bit " + e.Value
	case WorkloadDisabled:
		return e.Workload.String() + ": Configuration Manager stops its own work"
	case EnrolFailed, ErrorSeen:
		s := meanings[e.Kind]
		for _, c := range e.Codes {
			info, _ := comgmt.LookupError(c)
			s += "; " + c.String() + " " + info.Name + ": " + info.Meaning
		}
		return s
	}
	if m := meanings[e.Kind]; m != "" {
		if e.Value != "" {
			return m + ": " + e.Value
		}
		return m
	}
	return string(e.Kind)
}

// MarshalJSON writes what programs print of an event: line, time (UTC, left out where unknown), local (as printed),
// component, severity, kind, explanation, message, and, where the message has them, flags, workload and codes.
func (e Event) MarshalJSON() ([]byte, error) {
	var flags *comgmt.Flags
	if e.HasFlags {
		flags = new(e.Flags)
	}
	return json.Marshal(struct {
		Line        int                `json:"line"`
		Time        time.Time          `json:"time,omitzero"`
		Local       string             `json:"local,omitempty"`
		Component   string             `json:"component,omitempty"`
		Severity    string             `json:"severity,omitempty"`
		Kind        Kind               `json:"kind"`
		Explanation string             `json:"explanation"`
		Message     string             `json:"message"`
		Flags       *comgmt.Flags      `json:"flags,omitempty"`
		Workload    comgmt.Workload    `json:"workload,omitzero"`
		Codes       []comgmt.ErrorCode `json:"codes,omitempty"`
	}{e.Line, e.Time, e.Wall.String(), e.Component, e.Severity.String(), e.Kind, e.Explain(), e.Message, flags, e.Workload, e.Codes})
}

var meanings = map[Kind]string{
	PolicyRead: "reads a co-management policy", SettingRead: "merges a setting", Overridden: "Intune set the workloads; the site's are not used",
	NotEnrolled: "not enrolled: everything is with Configuration Manager", PolicyAhead: "policy asks for co-management, the client is not there yet",
	NoEnrolmentURL: "the MDM enrolment URL is not known yet", NotProvisioned: "the device is not provisioned for MDM", Provisioned: "the device is provisioned for MDM",
	EnrolQueued: "automatic enrolment is queued", TimerAlreadySet: "the enrolment timer is set already", TimerFired: "the enrolment timer fired",
	NoConfigSetting: "MDM_ConfigSetting is missing: normal before the first user signs in", SessionFound: "a user is signed in", JoinInfo: "reads the join state",
	EnrolDeviceToken: "enrols with the device's token", EnrolUserToken: "enrols with the user's token", EnrolSucceeded: "enrolled", EnrolFailed: "enrolment failed",
	EnrolmentType: "enrolment type", AlreadyEnrolled: "is enrolled already", AccountFound: "found the Intune account", FlagsCompliant: "wanted and applied workloads agree",
	StateUnchanged: "nothing new to report to the site", StateReported: "reports state", Coexistence: "another vendor's MDM: Configuration Manager steps back",
	WorkloadResult: "result of the test", WorkloadIntune: "leaves it to Intune", WorkloadConfigMgr: "keeps it", HealthSync: "tells Intune it is alive",
	ClientRegistering: "registers with the site", ClientRegistered: "is registered with the site", CMGRefused: "the gateway refused the client certificate (403): certificate or its revocation list",
	TokenAsked: "fetches an Entra token", SetupExit: "ccmsetup ended with", ErrorSeen: "error",
}
