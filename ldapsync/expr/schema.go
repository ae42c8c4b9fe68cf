package expr

import (
	"strconv"
	"strings"
)

// A Schema is the attributes of a directory by name. Lint finds attributes that are not in it.
type Schema map[string]AttributeInfo

// AttributeInfo is what a Schema knows of an attribute.
type AttributeInfo struct {
	Type        Type // TypeAny if it is not known
	MultiValued bool
	Required    bool // every object of the class has it: it is never null
	// Catalog says that the global catalog holds the attribute (isMemberOfPartialAttributeSet).
	Catalog bool
}

// lookup finds an attribute as it is spelled; near is the name with another case, or the most similar one.
func (s Schema) lookup(name string) (info AttributeInfo, ok bool, near string) {
	if info, ok = s[name]; ok {
		return info, true, ""
	}
	names := make([]string, 0, len(s))
	for n := range s {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return s[n], false, n
		}
		names = append(names, n)
	}
	return info, false, nearest(name, names)
}

func schemaOf(list string) Schema {
	s := make(Schema)
	for entry := range strings.FieldsSeq(list) {
		name, flags, _ := strings.Cut(entry, ":")
		var info AttributeInfo
		for _, f := range flags {
			switch f {
			case 's':
				info.Type = TypeString
			case 'n':
				info.Type = TypeNumber
			case 'b':
				info.Type = TypeBool
			case 'x':
				info.Type = TypeBinary
			case 'm':
				info.MultiValued = true
			case 'r':
				info.Required = true
			case 'g':
				info.Catalog = true
			}
		}
		s[name] = info
	}
	return s
}

// ADSchema returns the attributes of users, groups and computers in Active Directory that mappings commonly
// read, with the extension attributes of Exchange, for the caller to extend (Microsoft, Active Directory
// Schema). It is not the whole schema: an attribute it does not know may exist.
func ADSchema() Schema {
	s := schemaOf(`accountExpires:n adminCount:n adminDescription:s altRecipient:s altSecurityIdentities:sm assistant:s badPasswordTime:n
		c:sg carLicense:sm cn:srg co:s comment:s company:s countryCode:n department:sg departmentNumber:sm description:smg
		directReports:sm displayName:sg displayNamePrintable:s distinguishedName:srg dn:srg division:s dNSHostName:sg
		employeeID:s employeeNumber:s employeeType:s extensionName:sm facsimileTelephoneNumber:s generationQualifier:s
		givenName:sg groupType:ng homeDirectory:s homeDrive:s homeMDB:sg homePhone:s info:s initials:s instanceType:nrg
		ipPhone:s isCriticalSystemObject:bg isDeleted:bg jpegPhoto:xm l:sg lastLogoff:n lastLogon:n lastLogonTimestamp:ng
		legacyExchangeDN:sg lockoutTime:n logonCount:n mail:sg mailNickname:sg managedBy:sg managedObjects:sm manager:sg
		member:smg memberOf:smg middleName:s mobile:s name:srg objectCategory:srg objectClass:smrg objectGUID:xrg objectSid:xrg
		operatingSystem:sg operatingSystemVersion:sg operatingSystemServicePack:sg otherFacsimileTelephoneNumber:sm otherHomePhone:sm
		otherMailbox:sm otherMobile:sm otherTelephone:sm ou:sm pager:s personalTitle:s physicalDeliveryOfficeName:s postalAddress:sm
		postalCode:s postOfficeBox:sm preferredLanguage:s primaryGroupID:ng profilePath:s proxyAddresses:smg pwdLastSet:n
		roomNumber:sm sAMAccountName:srg sAMAccountType:nrg scriptPath:s seeAlso:sm servicePrincipalName:smg sIDHistory:xmg
		sn:sg st:sg street:s streetAddress:s telephoneAssistant:s telephoneNumber:sg thumbnailLogo:x thumbnailPhoto:x title:sg
		targetAddress:sg uid:sm userAccountControl:ng userCertificate:xmg userParameters:s userPrincipalName:sg
		userSMIMECertificate:xm uSNChanged:nrg uSNCreated:nrg whenChanged:srg whenCreated:srg wWWHomePage:s url:sm
		msDS-KeyCredentialLink:sm msDS-ExternalDirectoryObjectId:sg msDS-User-Account-Control-Computed:n mS-DS-ConsistencyGuid:x
		msExchArchiveGUID:x msExchArchiveName:sm msExchAssistantName:s msExchHideFromAddressLists:bg msExchMailboxGuid:xg
		msExchMasterAccountSid:xg msExchRecipientDisplayType:ng msExchRecipientTypeDetails:ng msExchRemoteRecipientType:n
		msExchResourceDisplay:s msExchUsageLocation:s msRTCSIP-PrimaryUserAddress:sg`)
	for i := range 15 {
		s["extensionAttribute"+strconv.Itoa(i+1)] = AttributeInfo{Type: TypeString, Catalog: true}
	}
	return s
}

// GraphSchema returns the properties of users in Microsoft Graph that mappings commonly read, and those of
// devices, for the caller to extend (Microsoft Graph, user and device resource types). Catalog is true for all:
// there is no global catalog.
func GraphSchema() Schema {
	s := schemaOf(`accountEnabled:b ageGroup:s appRoleAssignments:m assignedRoles:m businessPhones:sm city:s companyName:s
		consentProvidedForMinor:s country:s createdDateTime:s creationType:s department:s deviceId:s deviceOwnership:s
		displayName:sr employeeHireDate:s employeeId:s employeeLeaveDateTime:s employeeOrgData:s employeeType:s
		externalUserState:s faxNumber:s givenName:s id:sr identities:m imAddresses:sm isSoftDeleted:b IsSoftDeleted:b jobTitle:s
		mail:s mailNickname:s manager:s mobile:s mobilePhone:s objectId:sr officeLocation:s onPremisesDistinguishedName:s
		onPremisesDomainName:s onPremisesImmutableId:s onPremisesLastSyncDateTime:s onPremisesSamAccountName:s
		onPremisesSecurityIdentifier:s onPremisesSyncEnabled:b onPremisesUserPrincipalName:s operatingSystem:s
		operatingSystemVersion:s originalUserPrincipalName:s otherMails:sm passwordPolicies:s physicalDeliveryOfficeName:s
		postalCode:s preferredLanguage:s proxyAddresses:sm refreshTokensValidFromDateTime:s securityIdentifier:s
		showInAddressList:b state:s streetAddress:s surname:s telephoneNumber:s trustType:s usageLocation:s
		userPrincipalName:sr userType:s`)
	for i := range 15 {
		s["extensionAttribute"+strconv.Itoa(i+1)] = AttributeInfo{Type: TypeString}
	}
	for n, info := range s {
		info.Catalog = true
		s[n] = info
	}
	return s
}
