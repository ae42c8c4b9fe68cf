package ldapsync

import "slices"

// Sources of the built-in mappings.
const (
	sourceSyncedAttributes = `Microsoft, "Microsoft Entra Connect Sync: attributes synchronized", Windows 10`
	sourceDeviceSync       = `Microsoft, "Microsoft Entra Cloud Sync device sync (preview)", attribute mapping`
	sourceSSO              = `Microsoft, "How SSO to on-premises resources works on Microsoft Entra joined devices"`
)

// Carriers names the target attributes that carry what a copied object cannot keep: its objectGUID, its SID and
// the names of its domain. A copy in another forest gets a GUID and SID of its own, so whatever reads the copy
// next must take these from here. The attributes are a choice of this package, not of Microsoft; change them to
// what the forest has room for.
type Carriers struct {
	SID               string `json:"sid"`
	DomainFQDN        string `json:"domainFQDN"`
	DomainNetBIOS     string `json:"domainNetBIOS"`
	SAMAccountName    string `json:"sAMAccountName"`    // users only
	UserPrincipalName string `json:"userPrincipalName"` // users only
}

// DefaultCarriers uses msDS-cloudExtensionAttribute1 to 5, which every forest since Windows Server 2012 has.
func DefaultCarriers() Carriers {
	return Carriers{
		SID:               "msDS-cloudExtensionAttribute1",
		DomainFQDN:        "msDS-cloudExtensionAttribute2",
		DomainNetBIOS:     "msDS-cloudExtensionAttribute3",
		SAMAccountName:    "msDS-cloudExtensionAttribute4",
		UserPrincipalName: "msDS-cloudExtensionAttribute5",
	}
}

func sourced(source string, rules ...Rule) Mapping {
	for i := range rules {
		rules[i].Source = source
	}
	return rules
}

// HybridJoinDevices is the mapping for the hybrid track: what Entra Connect and Cloud Sync read of a computer for
// hybrid join, from the copy in a provisioning forest. The objectGUID travels in the anchor, see DevicesTrack.
// Whether the account is enabled is not copied: the copy is enabled or disabled in its own forest. Copy the
// mapping and change it.
func HybridJoinDevices(c Carriers) Mapping {
	m := sourced(sourceSyncedAttributes,
		Copy("cn", "cn"),
		FirstOf("displayName", "displayName", "dNSHostName", "cn"),
		Copy("dNSHostName", "dNSHostName"),
		Copy("operatingSystem", "operatingSystem"),
		Copy("operatingSystemVersion", "operatingSystemVersion"),
		SIDText("objectSid", c.SID),
	)
	m[1].Source = sourceDeviceSync
	return append(m,
		JoinCertificates("userCertificate"),
		parameter(ParamDomainFQDN, c.DomainFQDN, sourceSSO),
		parameter(ParamDomainNetBIOS, c.DomainNetBIOS, sourceSSO),
	)
}

// CloudSSOUsers is the mapping for the Cloud + SSO track: the least a user needs so that sign-on to on-premises
// resources works from a device that is only in Entra ID: sAMAccountName, userPrincipalName, objectSid, and both
// names of the domain. Copy the mapping and change it.
func CloudSSOUsers(c Carriers) Mapping {
	m := sourced(sourceSSO,
		Copy("sAMAccountName", c.SAMAccountName),
		Copy("userPrincipalName", c.UserPrincipalName),
		parameter(ParamDomainFQDN, c.DomainFQDN, sourceSSO),
		parameter(ParamDomainNetBIOS, c.DomainNetBIOS, sourceSSO),
	)
	return append(m, sourced(sourceSyncedAttributes, SIDText("objectSid", c.SID))...)
}

// parameter sets a domain name; where it is not known the target is left alone.
func parameter(param, to, source string) Rule {
	return Rule{To: to, From: []string{param}, Doc: param, Source: source, Value: func(in Inputs) (Result, error) {
		if v, ok := in.Get(param); ok {
			return Set(v), nil
		}
		return Unknown(param + " is not known"), nil
	}}
}

// UserProfile copies plain attributes under their own names, for organisations that let the engine write them.
func UserProfile(attrs ...string) Mapping {
	var m Mapping
	for _, a := range slices.Compact(slices.Sorted(slices.Values(attrs))) {
		m = append(m, Copy(a, a))
	}
	return m
}

// UsersTrack is the track for users with the service's rules: a single OU, one level, update only, joined by
// anchor and then by userPrincipalName and mail, reverted on leaving (operations guide, 5.2.2, 7.10, 9.2).
func UsersTrack(sourceOU, targetOU string, m Mapping) Track {
	return Track{
		Name: "users", Class: User,
		Scope:   Scope{OUs: []ContainerRef{{DN: sourceOU}}},
		Mapping: m,
		Join: Join{
			Anchor: "mS-DS-ConsistencyGuid",
			Keys:   []MatchKey{{Source: "userPrincipalName", Target: "userPrincipalName"}, {Source: "mail", Target: "mail"}},
		},
		Place: Placement{Container: ContainerRef{DN: targetOU}},
	}
}

// DevicesTrack is the track for devices with the service's rules: a single OU, one level, created at the target
// once the hybrid-join certificate is there, left alone on leaving (operations guide, 7.9, 9.3). The anchor is
// always objectGUID, which is the device's identity in Entra ID.
func DevicesTrack(sourceOU, targetOU string, m Mapping) Track {
	return Track{
		Name: "devices", Class: Device,
		Scope:   Scope{OUs: []ContainerRef{{DN: sourceOU}}, Conditions: []Condition{HybridJoinCertificate()}},
		Mapping: m,
		Join:    Join{SourceAnchor: []string{"objectGUID"}, Anchor: "mS-DS-ConsistencyGuid"},
		Place:   Placement{Container: ContainerRef{DN: targetOU}},
		Policy:  Policy{Create: true, Leave: LeaveStop},
	}
}
