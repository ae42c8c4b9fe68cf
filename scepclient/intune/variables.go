package intune

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A JoinState is how a device is joined.
type JoinState string

// The join states.
const (
	JoinUnknown     JoinState = ""
	EntraJoined     JoinState = "entra"            // Microsoft Entra joined (Azure AD joined)
	HybridJoined    JoinState = "hybrid"           // domain joined and registered with Microsoft Entra ID
	HybridPending   JoinState = "hybrid-pending"   // will be hybrid joined: domain join or registration is not complete
	EntraRegistered JoinState = "entra-registered" // workplace joined
	DomainOnly      JoinState = "domain"           // domain joined, and no registration will come
)

var joinStates = []JoinState{JoinUnknown, EntraJoined, HybridJoined, HybridPending, EntraRegistered, DomainOnly}

// A Device is what is known about a device and its user.
type Device struct {
	Platform Platform  `json:"platform,omitzero"` // "": Windows
	Join     JoinState `json:"joinState,omitzero"`
	// DomainJoined tells the two halves of HybridPending apart: domain joined, and not yet registered.
	DomainJoined bool `json:"domainJoined,omitzero"`
	// Values are the values of variables by their names, without braces and in any spelling this package knows:
	// {"DeviceName": "AV-LT-0042"}. A variable that is not there has no value.
	Values map[string]string `json:"values"`
}

// ParseDevice reads a Device from JSON and refuses names it does not know.
func ParseDevice(r io.Reader) (*Device, error) {
	dec := json.NewDecoder(io.LimitReader(r, 1<<20))
	dec.DisallowUnknownFields()
	var d Device
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("intune: device: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("intune: device: more than one JSON value")
	}
	if d.Platform != "" && !slices.ContainsFunc(resourceTypes, func(t struct {
		scep, root string
		platform   Platform
	}) bool {
		return t.platform == d.Platform
	}) {
		return nil, fmt.Errorf("intune: device: platform %q is not one of this package's", d.Platform)
	}
	if !slices.Contains(joinStates, d.Join) {
		return nil, fmt.Errorf("intune: device: joinState %q is not one of entra, hybrid, hybrid-pending, entra-registered, domain", d.Join)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Values)) {
		if _, ok := FindVariable(name); !ok {
			return nil, fmt.Errorf("intune: device: %q is not a variable of Intune", name)
		}
	}
	return &d, nil
}

func (d *Device) platform() Platform {
	if d.Platform == "" {
		return Windows
	}
	return d.Platform
}

func (d *Device) value(v Variable) string {
	for name, s := range d.Values {
		if f, ok := FindVariable(name); ok && f.Name == v.Name {
			return s
		}
	}
	return ""
}

// A Variable is one that Intune substitutes in subject and alternative names.
type Variable struct {
	Name    string   // as Microsoft prints it, without braces
	Aliases []string // other spellings and synonyms in Microsoft's pages
	User    bool     // describes a user: in user certificates only
	What    string   // what its value is
}

var variables = []Variable{
	{"UserName", nil, true, "user name"},
	{"UserPrincipalName", nil, true, "user principal name"},
	{"EmailAddress", nil, true, "e-mail address of the user"},
	{"OnPrem_Distinguished_Name", nil, true, "on-premises distinguished name of the user (onPremisesDistinguishedName)"},
	{"OnPremisesSamAccountName", nil, true, "on-premises account name of the user"},
	{"OnPremisesUserPrincipalName", nil, true, "on-premises user principal name"},
	{"Department", nil, true, "department of the user"},
	{"OnPremisesSecurityIdentifier", nil, false, "on-premises SID"},
	{"AAD_Device_ID", []string{"AzureADDeviceId"}, false, "Microsoft Entra device ID"},
	{"DeviceId", nil, false, "Intune device ID"},
	{"SerialNumber", []string{"Device_Serial"}, false, "serial number"},
	{"IMEINumber", []string{"Device_IMEI", "IMEI"}, false, "IMEI of the modem"},
	{"MEID", nil, false, "MEID of the modem"},
	{"WiFiMacAddress", nil, false, "MAC address of the Wi-Fi adapter"},
	{"DeviceName", nil, false, "name of the device"},
	{"FullyQualifiedDomainName", nil, false, "DNS name of the device in its domain"},
}

// Variables returns the variables this package knows, in Microsoft's order.
func Variables() []Variable { return slices.Clone(variables) }

// FindVariable finds a variable by any of its spellings, without regard to case: Microsoft's own page writes
// {{SERIALNUMBER}} and {{SerialNumber}}.
func FindVariable(name string) (Variable, bool) {
	for _, v := range variables {
		if strings.EqualFold(v.Name, name) || slices.ContainsFunc(v.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return v, true
		}
	}
	return Variable{}, false
}

// An Outcome is what becomes of a variable, and of a whole certificate request.
type Outcome string

// The outcomes, from best to worst.
const (
	Resolved Outcome = "resolved"
	Held     Outcome = "held"  // the client waits, and sends the request later
	Never    Outcome = "never" // waits for something that will not happen on this device
	Failed   Outcome = "error" // the profile fails on this device
)

var outcomeRank = map[Outcome]int{Resolved: 0, Held: 1, Never: 2, Failed: 3}

// A Resolution is what becomes of one variable on one device.
type Resolution struct {
	Variable string  `json:"variable"`
	Outcome  Outcome `json:"outcome"`
	Value    string  `json:"value,omitempty"`
	// Reason says why it is not simply resolved, or what to know about a value that is.
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	Source string `json:"source,omitempty"`
}

const (
	srcProfile  = "Microsoft: Create and assign SCEP certificate profiles in Intune"
	srcHybrid   = "reported by administrators of hybrid Autopilot; Microsoft documents no rule"
	srcKB       = "Microsoft: KB5014754, certificate-based authentication changes on Windows domain controllers"
	srcNDES     = "Microsoft: Configure infrastructure to support SCEP with Intune"
	srcGraph    = "Microsoft Graph beta: SCEP certificate profile resource types"
	srcAndroid  = "Microsoft: Create and assign SCEP certificate profiles in Intune (Android Enterprise)"
	srcRootRule = "Microsoft: Create trusted certificate profiles in Intune"
)

// Resolve says what becomes of a variable (any spelling, without braces) in a certificate of type t on d.
func Resolve(name string, t CertificateType, d *Device) Resolution {
	v, ok := FindVariable(name)
	if !ok {
		return Resolution{name, Failed, "", "Intune has no such variable: it stays in the name as text or the profile fails", "Correct the spelling.", srcProfile}
	}
	r := Resolution{Variable: v.Name, Value: d.value(v), Source: srcProfile}
	fail := func(reason, remedy string) Resolution {
		r.Outcome, r.Value, r.Reason, r.Remedy = Failed, "", reason, remedy
		return r
	}
	if v.User && t == DeviceType {
		return fail("a variable of the user in a device certificate", "Use a device variable, or make it a user certificate.")
	}
	switch p := d.platform(); {
	case p == AOSP && slices.Contains([]string{"OnPrem_Distinguished_Name", "OnPremisesSamAccountName", "Department"}, v.Name):
		return fail("not supported on Android (AOSP)", "Use another variable.")
	case v.Name == "FullyQualifiedDomainName":
		return resolveFQDN(r, d)
	case v.Name == "OnPremisesSecurityIdentifier":
		return resolveSID(r, t, d)
	case v.Name == "AAD_Device_ID" && r.Value == "" && d.Join == HybridPending:
		r.Outcome, r.Reason, r.Source = Held, "the device has no Microsoft Entra device ID until its hybrid join is complete", srcHybrid
		r.Remedy = "Wait for the registration: the device object has to be synchronised by Microsoft Entra Connect first."
		return r
	}
	if r.Value != "" {
		r.Outcome = Resolved
		if v.Name == "DeviceName" && d.Join == HybridPending {
			r.Reason, r.Source = "the name changes with the domain join of a hybrid join: this certificate will hold the old, random name", srcHybrid
			r.Remedy = "Use {{FullyQualifiedDomainName}}, which waits for the join, or {{DeviceId}}."
		}
		return r
	}
	if v.User {
		return fail("the user has no "+v.What+", or the device has no user", "Fill the attribute, let it be synchronised, and check that the device has a user.")
	}
	return fail("the device has no "+v.What+"; a device must support every variable of a profile, or the profile fails on it", "Use another variable, or assign the profile to devices that have one.")
}

func resolveFQDN(r Resolution, d *Device) Resolution {
	r.Source = srcProfile + "; holding: " + srcHybrid
	switch {
	case d.platform() != Windows:
		r.Outcome, r.Value, r.Reason, r.Remedy = Failed, "", "supported on Windows only", "Use another variable."
	case (d.Join == HybridJoined || d.Join == DomainOnly || d.DomainJoined) && r.Value != "":
		r.Outcome = Resolved
	case d.Join == HybridPending && !d.DomainJoined:
		r.Outcome, r.Value = Held, ""
		r.Reason = "the device is not domain joined yet: Windows holds the request until after the restart that follows the domain join, then sends it"
		r.Remedy = "Wait for the domain join and the restart. This is not an error."
	case d.Join == HybridJoined || d.Join == DomainOnly || d.DomainJoined:
		r.Outcome, r.Reason, r.Remedy = Failed, "the device is domain joined and no name is known", "Give the device's FullyQualifiedDomainName."
	case d.Join == EntraJoined || d.Join == EntraRegistered:
		r.Outcome, r.Value = Never, ""
		r.Reason = "the device is not and will not be domain joined, so it has no such name and the request is held for ever"
		r.Remedy = "Assign Microsoft Entra joined devices a profile of their own, with {{DeviceName}}, {{AAD_Device_ID}} or {{DeviceId}}."
	default:
		r.Outcome, r.Value, r.Reason, r.Remedy = Held, "", "the join state is unknown; without a domain join the request is held", "Give the join state."
	}
	return r
}

func resolveSID(r Resolution, t CertificateType, d *Device) Resolution {
	r.Source = srcProfile + "; " + srcKB
	if t == DeviceType {
		switch {
		case d.platform() != Windows || d.Join == EntraJoined || d.Join == EntraRegistered:
			r.Outcome, r.Value = Never, ""
			r.Reason = "device certificates hold a SID on Microsoft Entra hybrid joined Windows devices only: the entry stays out"
			r.Remedy = "Leave the entry out of the profile for these devices; they have no computer account to map to."
			return r
		case d.Join == HybridPending && r.Value == "":
			r.Outcome, r.Reason = Held, "the SID of the computer account is known after the hybrid join"
			r.Remedy = "Wait for the hybrid join to complete and synchronise."
			return r
		}
	}
	if r.Value == "" {
		r.Outcome, r.Reason = Failed, "no on-premises SID is known: the object is not synchronised from Active Directory"
		r.Remedy = "Synchronise the object with Microsoft Entra Connect; cloud-only objects have no SID."
		return r
	}
	r.Outcome = Resolved
	return r
}

// A segment is text or a variable of a template.
type segment struct {
	text string
	name string // of a variable
}

// split cuts a template into text and variables. Braces that are not two and two are reported.
func split(s string) (out []segment, issues []nameIssue) {
	variable := false // something before was one
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			break
		}
		end := -1
		if strings.HasPrefix(s[i:], "{{") {
			end = strings.Index(s[i+2:], "}}")
		}
		name := ""
		if end >= 0 {
			name = strings.TrimSpace(s[i+2 : i+2+end])
		}
		if end < 0 || name == "" || strings.ContainsAny(name, "{}") {
			issues = append(issues, nameIssue{"single-braces", fmt.Sprintf("%q: a variable has two braces on each side", s[i:])})
			return append(out, segment{text: s}), issues
		}
		if i > 0 {
			out = append(out, segment{text: s[:i]})
		}
		out = append(out, segment{name: name})
		variable = true
		s = s[i+2+end+2:]
	}
	if s != "" {
		out = append(out, segment{text: s})
	}
	if variable {
		for _, seg := range out {
			if i := strings.IndexAny(seg.text, "|"); i >= 0 {
				issues = append(issues, nameIssue{"text-character", fmt.Sprintf("%q beside a variable: { } | ; are not allowed there", seg.text)})
			}
		}
	}
	return out, issues
}
