package entra

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.internal/hybridkit/ldapsync"
)

// A Kind is how Graph writes the values of a property in JSON, and how they look as attribute values.
type Kind uint8

const (
	Text    Kind = iota // a string
	Boolean             // true and false, as the values "TRUE" and "FALSE" (RFC 4517 section 3.3.3)
	Integer             // a whole number, in decimal
	Instant             // a point in time, as RFC 3339 in UTC: 2026-11-21T09:00:00Z
	Binary              // base64 in JSON, bytes as a value
)

// String returns the name.
func (k Kind) String() string {
	return [...]string{"text", "boolean", "integer", "instant", "binary"}[k%5]
}

// A Property is a property of users or devices as the Target sees it.
type Property struct {
	Name     string // as Graph spells it; attribute names of mappings compare without case
	Kind     Kind
	Multi    bool // a collection; its order means nothing
	Max      int  // the longest text in characters, or bytes where it is Binary; 0: not checked here
	MaxCount int  // most values of a collection; 0: not checked here

	// ReadOnly says why the property cannot be written and what writes it instead; "" means that it can be.
	ReadOnly string
	// Required: Graph does not take null for it.
	Required bool
	// Mastered: read-only as long as the object is synchronised from Active Directory.
	Mastered bool
	// NeverSynced: writable only if the object was never synchronised from Active Directory.
	NeverSynced bool
	// Advanced: a filter on it needs ConsistencyLevel: eventual and $count=true (Microsoft, "Advanced query
	// capabilities on Microsoft Entra ID objects").
	Advanced bool

	// In is the property of the object that this one is a member of, such as onPremisesExtensionAttributes.
	In string
}

// The reasons why properties are read-only. The tables follow Microsoft's pages "user resource type", "Update user",
// "device resource type" and "Update device" (v1.0).
const (
	byConnect  = "only Microsoft Entra Connect or Cloud Sync writes it, from Active Directory: no application can, with any permission"
	byEntra    = "Microsoft Entra ID writes it itself"
	byExchange = "Exchange writes it: use its tools"
	byIntune   = "only a mobile device management service such as Intune writes it"
	byDevice   = "device registration writes it: Entra Connect or Cloud Sync for hybrid join, else the device itself"
	bySPO      = "it is kept by SharePoint, not by the directory, and cannot be changed together with other properties"
	byPassword = "passwords and what belongs to them are not this package's business"
)

func text(names ...string) (out []Property) {
	for _, n := range names {
		out = append(out, Property{Name: n, Mastered: true})
	}
	return out
}

func readOnly(why string, kind Kind, names ...string) (out []Property) {
	for _, n := range names {
		out = append(out, Property{Name: n, Kind: kind, ReadOnly: why})
	}
	return out
}

func extensionAttributes(in string, neverSynced bool) (out []Property) {
	for i := range 15 {
		out = append(out, Property{Name: "extensionAttribute" + strconv.Itoa(i+1), In: in, Max: 1024, NeverSynced: neverSynced, Advanced: true})
	}
	return out
}

// advanced are the properties of users that can be compared for equality in advanced queries only, of those in the
// tables (Microsoft, "Advanced query capabilities on Microsoft Entra ID objects"; the page changes over time).
var advanced = " companyName employeeHireDate employeeType mobilePhone officeLocation onPremisesImmutableId onPremisesLastSyncDateTime onPremisesSamAccountName passwordPolicies postalCode preferredLanguage showInAddressList streetAddress "

// UserProperties returns the properties of users that mappings may name, with what is known of each. The slice is the
// caller's.
func UserProperties() []Property {
	var out []Property
	out = append(out, text("city", "companyName", "country", "department", "employeeId", "employeeType", "faxNumber",
		"givenName", "jobTitle", "mobilePhone", "officeLocation", "postalCode", "preferredLanguage", "state", "streetAddress", "surname")...)
	out = append(out,
		Property{Name: "accountEnabled", Kind: Boolean, Required: true, Mastered: true},
		Property{Name: "displayName", Required: true, Mastered: true},
		Property{Name: "userPrincipalName", Required: true, Mastered: true},
		Property{Name: "mail", Required: true, Mastered: true},
		Property{Name: "mailNickname", Required: true, Mastered: true},
		Property{Name: "businessPhones", Multi: true, MaxCount: 1, Mastered: true},
		Property{Name: "otherMails", Multi: true},
		Property{Name: "usageLocation", Required: true},
		Property{Name: "onPremisesImmutableId"},
		Property{Name: "ageGroup"},
		Property{Name: "consentProvidedForMinor"},
		Property{Name: "employeeHireDate", Kind: Instant},
		Property{Name: "preferredDataLocation"},
		Property{Name: "userType"},
		Property{Name: "showInAddressList", Kind: Boolean},
	)
	out = append(out, extensionAttributes("onPremisesExtensionAttributes", true)...)
	out = append(out, readOnly(byConnect, Text, "onPremisesSamAccountName", "onPremisesDomainName", "onPremisesUserPrincipalName",
		"onPremisesSecurityIdentifier", "onPremisesDistinguishedName")...)
	out = append(out, readOnly(byConnect, Boolean, "onPremisesSyncEnabled")...)
	out = append(out, readOnly(byConnect, Instant, "onPremisesLastSyncDateTime")...)
	out = append(out, readOnly(byEntra, Text, "id", "creationType", "externalUserState", "securityIdentifier", "legalAgeGroupClassification")...)
	out = append(out, readOnly(byEntra, Instant, "createdDateTime", "deletedDateTime", "lastPasswordChangeDateTime", "signInSessionsValidFromDateTime", "externalUserStateChangeDateTime")...)
	out = append(out, readOnly(byEntra, Boolean, "isManagementRestricted", "isResourceAccount")...)
	out = append(out, readOnly("a separate permission (User-LifeCycleInfo.ReadWrite.All) and lifecycle workflows go with it", Instant, "employeeLeaveDateTime")...)
	out = append(out, readOnly(byPassword, Text, "passwordPolicies")...)
	out = append(out, readOnly(bySPO, Text, "aboutMe", "mySite", "preferredName")...)
	for _, n := range []string{"proxyAddresses", "imAddresses"} {
		out = append(out, Property{Name: n, Multi: true, ReadOnly: byExchange})
	}
	for i := range out {
		if strings.Contains(advanced, " "+out[i].Name+" ") {
			out[i].Advanced = true
		}
	}
	return out
}

// DeviceProperties returns the properties of devices that mappings may name. Beside the extension attributes nothing
// of a device that is not a Windows one can be written by an application (Microsoft, "Update device"). The slice is
// the caller's.
func DeviceProperties() []Property {
	out := []Property{
		{Name: "accountEnabled", Kind: Boolean, Required: true},
		{Name: "displayName", Required: true},
		{Name: "operatingSystem", Required: true},
		{Name: "operatingSystemVersion", Required: true},
		{Name: "physicalIds", Multi: true, ReadOnly: byDevice},
		{Name: "systemLabels", Multi: true, ReadOnly: byEntra},
	}
	out = append(out, extensionAttributes("extensionAttributes", false)...)
	out = append(out, readOnly(byDevice, Text, "deviceId", "trustType", "profileType", "enrollmentProfileName", "deviceMetadata")...)
	out = append(out, readOnly(byDevice, Instant, "registrationDateTime")...)
	out = append(out, readOnly(byDevice, Integer, "deviceVersion")...)
	out = append(out, readOnly(byConnect, Text, "onPremisesSecurityIdentifier")...)
	out = append(out, readOnly(byConnect, Boolean, "onPremisesSyncEnabled")...)
	out = append(out, readOnly(byConnect, Instant, "onPremisesLastSyncDateTime")...)
	out = append(out, readOnly(byIntune, Boolean, "isCompliant", "isManaged", "isRooted")...)
	out = append(out, readOnly(byIntune, Text, "managementType", "mdmAppId", "deviceOwnership", "deviceCategory", "enrollmentType", "manufacturer", "model")...)
	out = append(out, readOnly(byIntune, Instant, "complianceExpirationDateTime")...)
	out = append(out, readOnly(byEntra, Text, "id")...)
	out = append(out, readOnly(byEntra, Instant, "approximateLastSignInDateTime", "deletedDateTime")...)
	out = append(out, readOnly(byEntra, Boolean, "isManagementRestricted")...)
	return out
}

// meant says what became of attributes that Active Directory knows by another name.
var meant = map[string]string{
	"samaccountname":             "onPremisesSamAccountName is read-only: " + byConnect,
	"objectsid":                  "onPremisesSecurityIdentifier is read-only: " + byConnect,
	"distinguishedname":          "onPremisesDistinguishedName is read-only: " + byConnect,
	"dnsdomainname":              "onPremisesDomainName is read-only: " + byConnect,
	"sn":                         "in Graph it is surname",
	"l":                          "in Graph it is city",
	"st":                         "in Graph it is state",
	"title":                      "in Graph it is jobTitle",
	"telephonenumber":            "in Graph it is businessPhones",
	"mobile":                     "in Graph it is mobilePhone",
	"company":                    "in Graph it is companyName",
	"physicaldeliveryofficename": "in Graph it is officeLocation",
	"employeenumber":             "Graph has employeeId; for another number declare a directory extension",
}

// encode makes the JSON of values of the property; no values make null, or [] of a collection, which does not take
// null.
func (p *Property) encode(values []string) (json.RawMessage, error) {
	switch {
	case len(values) == 0 && p.Multi:
		return json.RawMessage("[]"), nil
	case len(values) == 0 && p.Required:
		return nil, errors.New("it cannot be cleared: Graph refuses null for it")
	case len(values) == 0:
		return json.RawMessage("null"), nil
	case !p.Multi && len(values) > 1:
		return nil, fmt.Errorf("it takes one value, not %d", len(values))
	case p.MaxCount > 0 && len(values) > p.MaxCount:
		return nil, fmt.Errorf("it takes at most %d values, not %d", p.MaxCount, len(values))
	case !p.Multi:
		return p.encodeOne(values[0])
	}
	out := []byte("[")
	for i, v := range values {
		raw, err := p.encodeOne(v)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, raw...)
	}
	return append(out, ']'), nil
}

func (p *Property) encodeOne(v string) (json.RawMessage, error) {
	switch p.Kind {
	case Boolean:
		switch strings.ToUpper(v) {
		case "TRUE":
			return json.RawMessage("true"), nil
		case "FALSE":
			return json.RawMessage("false"), nil
		}
		return nil, errors.New("it takes TRUE or FALSE")
	case Integer:
		if _, err := strconv.ParseInt(v, 10, 64); err != nil || v[0] == '+' {
			return nil, errors.New("it takes a whole number")
		}
		return json.RawMessage(v), nil
	case Instant:
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil || !strings.HasSuffix(v, "Z") {
			return nil, errors.New("it takes a time in UTC such as 2026-11-21T09:00:00Z")
		}
	case Binary:
		if p.Max > 0 && len(v) > p.Max {
			return nil, fmt.Errorf("it takes at most %d bytes, not %d", p.Max, len(v))
		}
		return json.Marshal(base64.StdEncoding.EncodeToString([]byte(v)))
	default:
		switch {
		case v == "":
			return nil, errors.New("the empty text is refused by Graph; clear the attribute instead")
		case !utf8.ValidString(v):
			return nil, errors.New("the value is not text (UTF-8)")
		case p.Max > 0 && utf8.RuneCountInString(v) > p.Max:
			return nil, fmt.Errorf("it takes at most %d characters, not %d", p.Max, utf8.RuneCountInString(v))
		case p.Name == "onPremisesImmutableId" && strings.ContainsAny(v, "$_"):
			return nil, errors.New("it must not contain $ or _")
		}
	}
	return json.RawMessage(appendJSON(nil, v)), nil
}

// decode makes values of JSON; null and [] are no values.
func (p *Property) decode(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
		var out []string
		for _, r := range list {
			v, ok, err := p.decodeOne(r)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, v)
			}
		}
		return out, nil
	}
	v, ok, err := p.decodeOne(raw)
	if !ok || err != nil {
		return nil, err
	}
	return []string{v}, nil
}

func (p *Property) decodeOne(raw json.RawMessage) (string, bool, error) {
	switch {
	case string(raw) == "null":
		return "", false, nil
	case raw[0] == '"':
		s, ok := unquote(raw)
		if !ok {
			return "", false, fmt.Errorf("%s is not a text", p.Name)
		}
		if p.Kind == Binary {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return "", false, fmt.Errorf("%s is not base64", p.Name)
			}
			s = string(b)
		}
		// An empty text is how some properties show that they have no value.
		return s, s != "", nil
	case string(raw) == "true":
		return "TRUE", true, nil
	case string(raw) == "false":
		return "FALSE", true, nil
	case raw[0] == '{', raw[0] == '[':
		return "", false, fmt.Errorf("%s is not a plain value", p.Name)
	}
	return string(raw), true, nil // a number, as it was written
}

// table finds properties by name.
type table map[string]*Property

func newTable(lists ...[]Property) table {
	t := make(table)
	for _, l := range lists {
		for i := range l {
			t[strings.ToLower(l[i].Name)] = &l[i]
		}
	}
	return t
}

// with adds others, which win.
func (t table) with(others table) table {
	maps.Copy(t, others)
	return t
}

func (t table) find(name string) *Property { return t[strings.ToLower(name)] }

// A ReadOnlyError is a property that a mapping shall write and cannot.
type ReadOnlyError struct {
	Track    string // "" where there is none
	Class    ldapsync.Class
	Property string // as the mapping spells it
	Rule     string // "" where there is none
	Why      string // and what writes it instead
}

// Error names the property, the reason and the way out.
func (e *ReadOnlyError) Error() string {
	s := "entra: "
	if e.Track != "" {
		s += "track " + e.Track + ": "
	}
	if e.Rule != "" && e.Rule != e.Property {
		s += "rule " + e.Rule + ": "
	}
	return s + e.Property + " of a " + e.Class.String() + " cannot be written through Graph: " + e.Why
}
