package comgmt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Join is how a device is joined. The zero Join is not known.
type Join uint8

const (
	JoinUnknown  Join = iota
	HybridJoined      // Active Directory and Microsoft Entra ID
	EntraJoined       // Microsoft Entra ID only (formerly Azure AD joined)
	DomainJoined      // Active Directory only
	Registered        // Entra registered (workplace joined); not supported for co-management (Co-management overview)
	NotJoined
)

var joinNames = [...]string{"unknown", "hybrid-joined", "entra-joined", "domain-joined", "registered", "not-joined"}

// String returns the value used in JSON, such as "hybrid-joined".
func (j Join) String() string { return nameOf(joinNames[:], int(j), "Join") }

// MarshalText returns the name; it fails off the table.
func (j Join) MarshalText() ([]byte, error) { return marshalName(joinNames[:], int(j), "Join") }

// UnmarshalText reads the name.
func (j *Join) UnmarshalText(b []byte) error { return unmarshalName(joinNames[:], j, b, "join state") }

// An Enrolment is which mobile device management (MDM) service a device is enrolled in. The zero Enrolment is not known.
type Enrolment uint8

const (
	EnrolmentUnknown    Enrolment = iota
	EnrolmentNone                 // in none
	EnrolmentIntune               // in Intune
	EnrolmentThirdParty           // in another vendor's: "coexistence" in the documentation
)

var enrolmentNames = [...]string{"unknown", "none", "intune", "third-party"}

// String returns "unknown", "none", "intune" or "third-party"; these are also the values in JSON.
func (e Enrolment) String() string { return nameOf(enrolmentNames[:], int(e), "Enrolment") }

// MarshalText returns the name; it fails off the table.
func (e Enrolment) MarshalText() ([]byte, error) {
	return marshalName(enrolmentNames[:], int(e), "Enrolment")
}

// UnmarshalText reads the name.
func (e *Enrolment) UnmarshalText(b []byte) error {
	return unmarshalName(enrolmentNames[:], e, b, "enrolment")
}

// A ConfigInfo is the management authority a client holds in the registry: the value ConfigInfo below
// HKLM\SOFTWARE\Microsoft\DeviceManageabilityCSP\Provider\MS DM Server. Its coding was seen on clients; the
// DeviceManageability CSP reference documents the node but not the numbers. The zero ConfigInfo was not read.
// Numbers off the table are kept.
type ConfigInfo int

const (
	ConfigInfoUnread    ConfigInfo = 0
	ConfigInfoIntune    ConfigInfo = 1
	ConfigInfoConfigMgr ConfigInfo = 2
	ConfigInfoAbsent    ConfigInfo = -1 // the value was looked for and is not there: not enrolled in Intune
)

// String returns "unread", "absent", "1 (Intune)", "2 (Configuration Manager)" or the number.
func (c ConfigInfo) String() string {
	switch c {
	case ConfigInfoUnread:
		return "unread"
	case ConfigInfoAbsent:
		return "absent"
	case ConfigInfoIntune:
		return "1 (Intune)"
	case ConfigInfoConfigMgr:
		return "2 (Configuration Manager)"
	}
	return strconv.Itoa(int(c))
}

// MarshalJSON returns the number, "absent", or null for a value that was not read.
func (c ConfigInfo) MarshalJSON() ([]byte, error) {
	switch c {
	case ConfigInfoUnread:
		return []byte("null"), nil
	case ConfigInfoAbsent:
		return []byte(`"absent"`), nil
	}
	return strconv.AppendInt(nil, int64(c), 10), nil
}

// UnmarshalJSON reads a whole number, the same number as text (the registry keeps text), "absent", or null and "" for unread.
func (c *ConfigInfo) UnmarshalJSON(b []byte) error {
	s := strings.TrimSpace(strings.Trim(string(b), `"`))
	switch s {
	case "null", "":
		*c = ConfigInfoUnread
		return nil
	case "absent":
		*c = ConfigInfoAbsent
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return fmt.Errorf(`comgmt: %s is no ConfigInfo (want 1 for Intune, 2 for Configuration Manager, "absent", or null if it was not read)`, clip(string(b)))
	}
	*c = ConfigInfo(n)
	return nil
}

// A Client says whether the Configuration Manager client is installed. The zero Client is ClientAssumed.
type Client uint8

const (
	ClientAssumed   Client = iota // not said; taken as installed, since the device came from a Configuration Manager estate
	ClientInstalled               // installed
	ClientMissing                 // not installed
)

var clientNames = [...]string{"assumed", "installed", "missing"}

// String returns "assumed", "installed" or "missing"; these are also the values in JSON.
func (c Client) String() string { return nameOf(clientNames[:], int(c), "Client") }

// MarshalText returns the name; it fails off the table.
func (c Client) MarshalText() ([]byte, error) { return marshalName(clientNames[:], int(c), "Client") }

// UnmarshalText reads the name.
func (c *Client) UnmarshalText(b []byte) error { return unmarshalName(clientNames[:], c, b, "client") }

// A Device is what is known about one device. Only Name is needed; every zero field means "not known".
type Device struct {
	Name string `json:"name"`
	// OS is the operating system as any inventory writes it: see [ParseOS].
	OS        string    `json:"os,omitempty"`
	Join      Join      `json:"join,omitzero"`
	Enrolment Enrolment `json:"enrolment,omitzero"`
	// Collections are the names of the collections the device is a member of, compared without case. Nil
	// means membership is not known, empty means member of none.
	Collections []string   `json:"collections,omitzero"`
	ConfigInfo  ConfigInfo `json:"configInfo,omitzero"`
	// Flags are the capabilities the client shows, nil if not read. [Plan.Effective] decides from the plan;
	// it needs them only where membership is not known, and to see an override.
	Flags  *Flags `json:"flags,omitempty"`
	Client Client `json:"client,omitzero"`
}

// MemberOf reports whether d is in the named collection; Unknown if its membership is not known.
func (d *Device) MemberOf(collection string) Tri {
	if d.Collections == nil {
		return Unknown
	}
	return TriOf(slices.ContainsFunc(d.Collections, func(c string) bool { return sameCollection(c, collection) }))
}

// sameCollection compares names the way the site does: without case and surrounding space.
func sameCollection(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// An OSKind is the group of operating systems that matters to co-management. The zero OSKind is not known.
type OSKind uint8

const (
	OSUnknown      OSKind = iota
	WindowsClient         // Windows 10 or later, client edition
	WindowsServer         // any Windows Server
	WindowsEarlier        // a Windows client before Windows 10
	OSOther               // Windows Mobile, Holographic, IoT Core, or not Windows
)

// An OS is an operating system as co-management sees it.
type OS struct {
	Kind  OSKind
	Build int // Windows build number, such as 19045; 0 if not known
}

// build1709 is the first Windows 10 that enrols automatically (error 0x80070032 of "Monitor co-management").
const build1709 = 16299

// ParseOS reads an operating system as Configuration Manager ("Microsoft Windows NT Workstation 10.0"), Graph
// ("Windows", "10.0.22631.3296"), WMI ("Microsoft Windows 11 Enterprise") or a person ("Windows 10 1909") writes
// it. What it cannot place is OSUnknown, never an error. A bare "Windows" is OSUnknown.
func ParseOS(s string) OS {
	t := strings.ToLower(strings.Join(strings.Fields(s), " "))
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(t, w) })
	}
	major, minor, build := version(t)
	switch {
	case t == "":
		return OS{}
	case has("server"):
		return OS{Kind: WindowsServer, Build: build}
	case has("mobile", "phone", "holographic", "iot core", "windows rt"):
		return OS{Kind: OSOther}
	case has("windows 10", "windows 11", "windows10", "windows11", "windows-10", "windows-11", "win10", "win11") || major == 10 && (has("windows") || build >= 10240):
		if build == 0 {
			build = release(t)
		}
		if build == 0 && has("windows 11", "windows11", "windows-11", "win11") {
			build = 22000
		}
		return OS{Kind: WindowsClient, Build: build}
	case has("windows xp", "windows vista", "windows 7", "windows 8", "windows7", "windows8", "windows-7", "windows-8", "win7", "win8", "windows 2000") || has("windows") && major > 0 && (major < 6 || major == 6 && minor <= 3):
		return OS{Kind: WindowsEarlier}
	case has("macos", "mac os", "ipados", "android", "linux", "ubuntu", "debian", "chrome os", "chromeos") || t == "ios" || strings.HasPrefix(t, "ios "):
		return OS{Kind: OSOther}
	}
	return OS{}
}

// version finds the first dotted number in t, such as 10.0.19045.
func version(t string) (major, minor, build int) {
	for f := range strings.FieldsFuncSeq(t, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		parts := strings.Split(strings.Trim(f, "."), ".")
		if len(parts) < 2 {
			continue
		}
		var n [3]int
		for i := range min(3, len(parts)) {
			n[i], _ = strconv.Atoi(parts[i]) // an overlong number is no version: 0 does
		}
		return n[0], n[1], n[2]
	}
	return 0, 0, 0
}

// release finds a Windows release such as 1709 or 22H2 and returns its build. It knows the releases that
// decide something here: everything before 1709, 1709 and later.
func release(t string) int {
	for f := range strings.FieldsFuncSeq(t, func(r rune) bool { return r == ' ' || r == '(' || r == ')' || r == ',' }) {
		if len(f) != 4 {
			continue
		}
		if n, err := strconv.Atoi(f); err == nil && n >= 1507 && n <= 2009 {
			switch {
			case n < 1511:
				return 10240
			case n < 1607:
				return 10586
			case n < 1703:
				return 14393
			case n < 1709:
				return 15063
			}
			return build1709
		}
		if f[2] == 'h' && (f[3] == '1' || f[3] == '2') && f[0] == '2' {
			return build1709
		}
	}
	return 0
}
