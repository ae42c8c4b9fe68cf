package intune

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Platform is what a profile is for.
type Platform string

// The platforms, one for each resource type.
const (
	Windows            Platform = "windows"
	Windows10X         Platform = "windows10X"
	WindowsPhone       Platform = "windowsPhone81" // retired; kept because tenants still hold such profiles
	IOS                Platform = "iOS"
	MacOS              Platform = "macOS"
	Android            Platform = "android" // device administrator
	AndroidForWork     Platform = "androidForWork"
	AndroidWorkProfile Platform = "androidWorkProfile"
	AndroidDeviceOwner Platform = "androidDeviceOwner"
	AOSP               Platform = "aospDeviceOwner"
)

// resourceTypes are the Graph types, without #microsoft.graph.
var resourceTypes = []struct {
	scep, root string
	platform   Platform
}{
	{"windows81SCEPCertificateProfile", "windows81TrustedRootCertificate", Windows},
	{"windows10XSCEPCertificateProfile", "windows10XTrustedRootCertificate", Windows10X},
	{"windowsPhone81SCEPCertificateProfile", "windowsPhone81TrustedRootCertificate", WindowsPhone},
	{"iosScepCertificateProfile", "iosTrustedRootCertificate", IOS},
	{"macOSScepCertificateProfile", "macOSTrustedRootCertificate", MacOS},
	{"androidScepCertificateProfile", "androidTrustedRootCertificate", Android},
	{"androidForWorkScepCertificateProfile", "androidForWorkTrustedRootCertificate", AndroidForWork},
	{"androidWorkProfileScepCertificateProfile", "androidWorkProfileTrustedRootCertificate", AndroidWorkProfile},
	{"androidDeviceOwnerScepCertificateProfile", "androidDeviceOwnerTrustedRootCertificate", AndroidDeviceOwner},
	{"aospDeviceOwnerScepCertificateProfile", "aospDeviceOwnerTrustedRootCertificate", AOSP},
}

const graphPrefix = "#microsoft.graph."

// platformOf finds a resource type; names compare without regard to case.
func platformOf(odataType string) (p Platform, root, ok bool) {
	name := strings.TrimPrefix(strings.ToLower(odataType), graphPrefix)
	name = strings.TrimPrefix(name, "microsoft.graph.")
	for _, r := range resourceTypes {
		switch name {
		case strings.ToLower(r.scep):
			return r.platform, false, true
		case strings.ToLower(r.root):
			return r.platform, true, true
		}
	}
	return "", false, false
}

// IsAndroid reports whether p is one of the Android platforms.
func (p Platform) IsAndroid() bool {
	return slices.Contains([]Platform{Android, AndroidForWork, AndroidWorkProfile, AndroidDeviceOwner, AOSP}, p)
}

// IsApple reports whether p is iOS or macOS.
func (p Platform) IsApple() bool { return p == IOS || p == MacOS }

// A Profile is a SCEP certificate profile. Enumerations are kept as Graph's texts, so that values added later
// survive. Change fields and marshal: what was not changed is written as it was read.
type Profile struct {
	ODataType                          string        `json:"@odata.type,omitzero"`
	ID                                 string        `json:"id,omitzero"`
	DisplayName                        string        `json:"displayName,omitzero"`
	SCEPServerURLs                     []string      `json:"scepServerUrls,omitzero"`
	SubjectNameFormat                  string        `json:"subjectNameFormat,omitzero"`
	SubjectNameFormatString            string        `json:"subjectNameFormatString,omitzero"`
	SubjectAlternativeNameType         List          `json:"subjectAlternativeNameType,omitzero"`
	SubjectAlternativeNameFormatString string        `json:"subjectAlternativeNameFormatString,omitzero"`
	CustomSubjectAlternativeNames      []SAN         `json:"customSubjectAlternativeNames,omitzero"`
	SubjectAlternativeNameFormats      []SAN         `json:"subjectAlternativeNameFormats,omitzero"` // windows10X
	KeyUsage                           List          `json:"keyUsage,omitzero"`                      // digitalSignature, keyEncipherment
	KeySize                            string        `json:"keySize,omitzero"`
	HashAlgorithm                      List          `json:"hashAlgorithm,omitzero"`
	ExtendedKeyUsages                  []ExtKeyUsage `json:"extendedKeyUsages,omitzero"`
	CertificateValidityPeriodValue     int           `json:"certificateValidityPeriodValue,omitzero"`
	CertificateValidityPeriodScale     string        `json:"certificateValidityPeriodScale,omitzero"` // days, months, years
	RenewalThresholdPercentage         int           `json:"renewalThresholdPercentage,omitzero"`     // of the lifetime that is left
	KeyStorageProvider                 string        `json:"keyStorageProvider,omitzero"`             // Windows
	CertificateStore                   string        `json:"certificateStore,omitzero"`               // user or machine
	RootCertificateBind                string        `json:"rootCertificate@odata.bind,omitzero"`
	RootCertificateID                  string        `json:"rootCertificateId,omitzero"` // windows10X
	RootCertificate                    *RootRef      `json:"rootCertificate,omitzero"`
	Assignments                        []Assignment  `json:"assignments,omitzero"`

	doc document
}

// A SAN is one entry of customSubjectAlternativeNames. Type is emailAddress, userPrincipalName, customAzureADAttribute,
// domainNameService or universalResourceIdentifier.
type SAN struct {
	Type string `json:"sanType"`
	Name string `json:"name"`
}

// An ExtKeyUsage is one extended key usage.
type ExtKeyUsage struct {
	Name string `json:"name"`
	OID  string `json:"objectIdentifier"`
}

// A RootRef is the expanded rootCertificate.
type RootRef struct {
	ID          string `json:"id,omitzero"`
	DisplayName string `json:"displayName,omitzero"`
}

// An Assignment is one target of a profile, as $expand=assignments shows it.
type Assignment struct {
	ID     string `json:"id,omitzero"`
	Target Target `json:"target"`
}

// A Target is a group, all users or all devices, with its filter.
type Target struct {
	ODataType  string `json:"@odata.type"` // …groupAssignmentTarget, …exclusionGroupAssignmentTarget, …allDevicesAssignmentTarget, …
	GroupID    string `json:"groupId,omitzero"`
	FilterID   string `json:"deviceAndAppManagementAssignmentFilterId,omitzero"`
	FilterType string `json:"deviceAndAppManagementAssignmentFilterType,omitzero"`
}

// String names the target, its group and its filter.
func (t Target) String() string {
	s := strings.TrimSuffix(strings.TrimPrefix(t.ODataType, graphPrefix), "AssignmentTarget")
	if t.GroupID != "" {
		s += " " + t.GroupID
	}
	if t.FilterID != "" && t.FilterType != "none" {
		s += " filter " + t.FilterType + " " + t.FilterID
	}
	return s
}

type profileModel Profile

// UnmarshalJSON reads one resource.
func (p *Profile) UnmarshalJSON(b []byte) error {
	var m profileModel
	if err := m.doc.load(b, &m); err != nil {
		return fmt.Errorf("intune: SCEP profile: %w", err)
	}
	*p = Profile(m)
	return nil
}

// MarshalJSON writes the resource with everything that was read.
func (p *Profile) MarshalJSON() ([]byte, error) {
	m := profileModel(*p)
	return p.doc.save(&m)
}

// Platform returns what the profile is for, "" for an unknown resource type.
func (p *Profile) Platform() Platform {
	pl, _, _ := platformOf(p.ODataType)
	return pl
}

// A CertificateType says whose certificate it is.
type CertificateType string

// The types. UnknownType is what resource types without certificateStore leave open.
const (
	UnknownType CertificateType = ""
	UserType    CertificateType = "user"
	DeviceType  CertificateType = "device"
)

// CertificateType reads certificateStore: machine is a device certificate.
func (p *Profile) CertificateType() CertificateType {
	switch p.CertificateStore {
	case "machine":
		return DeviceType
	case "user":
		return UserType
	}
	return UnknownType
}

// SANs returns the alternative names of either form.
func (p *Profile) SANs() []SAN {
	return append(slices.Clone(p.CustomSubjectAlternativeNames), p.SubjectAlternativeNameFormats...)
}

// RootID returns the ID of the bound trusted root profile, "" if none is bound or the export does not say.
func (p *Profile) RootID() string {
	if p.RootCertificate != nil && p.RootCertificate.ID != "" {
		return p.RootCertificate.ID
	}
	if p.RootCertificateID != "" {
		return p.RootCertificateID
	}
	// …/deviceConfigurations('ID') or …/deviceConfigurations/ID
	s := strings.TrimRight(p.RootCertificateBind, "/')")
	if i := strings.LastIndexAny(s, "('/"); i >= 0 {
		s = s[i+1:]
	}
	return s
}

// A TrustedRoot is a trusted certificate profile.
type TrustedRoot struct {
	ODataType        string       `json:"@odata.type,omitzero"`
	ID               string       `json:"id,omitzero"`
	DisplayName      string       `json:"displayName,omitzero"`
	Certificate      []byte       `json:"trustedRootCertificate,omitzero"` // DER, or PEM as uploaded
	CertFileName     string       `json:"certFileName,omitzero"`
	DestinationStore string       `json:"destinationStore,omitzero"` // Windows
	Assignments      []Assignment `json:"assignments,omitzero"`

	doc document
}

type rootModel TrustedRoot

// UnmarshalJSON reads one resource.
func (r *TrustedRoot) UnmarshalJSON(b []byte) error {
	var m rootModel
	if err := m.doc.load(b, &m); err != nil {
		return fmt.Errorf("intune: trusted root profile: %w", err)
	}
	*r = TrustedRoot(m)
	return nil
}

// MarshalJSON writes the resource with everything that was read.
func (r *TrustedRoot) MarshalJSON() ([]byte, error) {
	m := rootModel(*r)
	return r.doc.save(&m)
}

// Platform returns what the profile is for.
func (r *TrustedRoot) Platform() Platform {
	pl, _, _ := platformOf(r.ODataType)
	return pl
}

// Documents are the profiles of one or more exports.
type Documents struct {
	SCEP  []*Profile
	Roots []*TrustedRoot
	// Other are the types of resources that are neither, such as a Wi-Fi profile.
	Other []string
}

// Append adds the documents of d.
func (d *Documents) Append(more *Documents) {
	d.SCEP = append(d.SCEP, more.SCEP...)
	d.Roots = append(d.Roots, more.Roots...)
	d.Other = append(d.Other, more.Other...)
}

// MaxSize is the longest export read, in bytes.
const MaxSize = 64 << 20

// Parse reads one resource, a JSON array of resources, or a Graph collection with "value", with or without byte order
// mark.
func Parse(r io.Reader) (*Documents, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("intune: %w", err)
	}
	if len(b) > MaxSize {
		return nil, fmt.Errorf("intune: more than %d bytes", MaxSize)
	}
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	if !json.Valid(b) {
		var v any
		err := json.Unmarshal(b, &v)
		return nil, fmt.Errorf("intune: not JSON: %w%s", err, where(b, err))
	}
	d := new(Documents)
	return d, d.add(b, "", 0)
}

// where turns the offset of a syntax error into a line.
func where(b []byte, err error) string {
	se, ok := err.(*json.SyntaxError)
	if !ok {
		return ""
	}
	return fmt.Sprintf(" (line %d)", 1+bytes.Count(b[:min(int(se.Offset), len(b))], []byte("\n")))
}

func (d *Documents) add(b []byte, at string, depth int) error {
	if depth > 4 {
		return fmt.Errorf("intune: %s: nested too deeply", at)
	}
	if bytes.HasPrefix(b, []byte("[")) {
		var list []json.RawMessage
		if err := json.Unmarshal(b, &list); err != nil {
			return fmt.Errorf("intune: %s: %w", at, err)
		}
		for i, e := range list {
			if err := d.add(bytes.TrimSpace(e), fmt.Sprintf("%s[%d]", at, i), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if !bytes.HasPrefix(b, []byte("{")) {
		return fmt.Errorf("intune: %s: neither object nor array", at)
	}
	var head struct {
		Type  string          `json:"@odata.type"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("intune: %s: %w", at, err)
	}
	if head.Type == "" && bytes.HasPrefix(bytes.TrimSpace(head.Value), []byte("[")) {
		return d.add(bytes.TrimSpace(head.Value), at+".value", depth+1)
	}
	_, root, ok := platformOf(head.Type)
	switch {
	case !ok && head.Type == "":
		return fmt.Errorf("intune: %s: no @odata.type: not a resource of Microsoft Graph", at)
	case !ok:
		d.Other = append(d.Other, head.Type)
	case root:
		r := new(TrustedRoot)
		if err := json.Unmarshal(b, r); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		d.Roots = append(d.Roots, r)
	default:
		p := new(Profile)
		if err := json.Unmarshal(b, p); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		d.SCEP = append(d.SCEP, p)
	}
	return nil
}
