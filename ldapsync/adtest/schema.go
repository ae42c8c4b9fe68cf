package adtest

import (
	"maps"
	"slices"
	"strings"
)

// A Syntax says how values of an attribute are checked and compared. The zero Syntax is StringSyntax.
type Syntax uint8

// The syntaxes (MS-ADTS 3.1.1.2.2.2).
const (
	StringSyntax  Syntax = iota // compared without case
	OctetSyntax                 // compared byte for byte
	IntegerSyntax               // decimal, up to 64 bits
	BooleanSyntax               // TRUE or FALSE
	TimeSyntax                  // generalizedTime
	DNSyntax                    // compared as distinguished names
	SIDSyntax                   // bytes; a filter may give S-1-…
	SDSyntax                    // nTSecurityDescriptor
	OIDSyntax                   // class and attribute names
)

// syntaxOIDs are attributeSyntax and oMSyntax of attributeSchema objects (MS-ADTS 3.1.1.2.2.2).
var syntaxOIDs = [...]struct{ attributeSyntax, omSyntax string }{
	StringSyntax:  {"2.5.5.12", "64"},
	OctetSyntax:   {"2.5.5.10", "4"},
	IntegerSyntax: {"2.5.5.16", "65"},
	BooleanSyntax: {"2.5.5.8", "1"},
	TimeSyntax:    {"2.5.5.11", "24"},
	DNSyntax:      {"2.5.5.1", "127"},
	SIDSyntax:     {"2.5.5.17", "4"},
	SDSyntax:      {"2.5.5.15", "66"},
	OIDSyntax:     {"2.5.5.2", "6"},
}

// An AttributeType is an addition to the schema, for instance an Exchange attribute.
type AttributeType struct {
	Name          string // lDAPDisplayName
	Syntax        Syntax
	SingleValued  bool
	GlobalCatalog bool // in the partial attribute set: visible on the Global Catalog port
	MaxLength     int  // rangeUpper in characters or bytes; 0 is no limit
}

// attrType is one attribute as the server uses it. Types are shared by pointer within a directory.
type attrType struct {
	name, lower string
	syntax      Syntax
	single      bool
	gc          bool
	tombstone   bool // kept when an object is deleted
	system      bool // maintained by the server, refused from clients
	constructed bool // computed, and returned only when asked for by name
	writeOnly   bool // never returned
	derived     bool // follows from the object's identity and place; not stored
	index       bool
	max         int
	link        *attrType // forward links: the back link, or itself where the schema has none
	back        bool
	linkID      int // even for forward links, the next number for the back link; 0 for others
	schemaID    GUID
	propertySet GUID
}

// Property sets and schemaIDGUIDs that matter for access checks (win32 AD schema documentation).
const (
	generalInformation  = "59ba2f42-79a2-11d0-9020-00c04fc2d3cf"
	publicInformation   = "e48d0154-bcf8-11d1-8702-00c04fb96050"
	personalInformation = "77b5b886-944a-11d1-aebd-0000f80367c1"
	accountRestrictions = "4c164200-20c0-11d0-a768-00aa006e0529"
	dnsHostNameSet      = "72e39547-7b18-11d1-adef-00c04fd8d5cd"
)

var schemaIDs = map[string]string{
	"usercertificate": "bf967a7f-0de6-11d0-a285-00aa003049e2",
	"mail":            "bf967961-0de6-11d0-a285-00aa003049e2",
	"operatingsystem": "3e978925-8c01-11d0-afda-00c04fd930c9",
}

// notReplicated are attributes each domain controller keeps for itself (systemFlags FLAG_ATTR_NOT_REPLICATED).
var notReplicated = map[string]bool{
	"badpasswordtime": true, "badpwdcount": true, "lastlogoff": true, "lastlogon": true, "logoncount": true,
	"usnchanged": true, "usncreated": true, "whenchanged": true,
}

// classIDs are the schemaIDGUIDs of classes that access control entries name, by lDAPDisplayName.
var classIDs = map[string]string{
	"top":                  "bf967ab7-0de6-11d0-a285-00aa003049e2",
	"person":               "bf967aa7-0de6-11d0-a285-00aa003049e2",
	"organizationalPerson": "bf967aa4-0de6-11d0-a285-00aa003049e2",
	"user":                 "bf967aba-0de6-11d0-a285-00aa003049e2",
	"inetOrgPerson":        "4828cc14-1437-45bc-9b07-ad6f015e5f28",
	"computer":             "bf967a86-0de6-11d0-a285-00aa003049e2",
	"contact":              "5cb41ed0-0e4c-11d0-a286-00aa003049e2",
	"group":                "bf967a9c-0de6-11d0-a285-00aa003049e2",
	"organizationalUnit":   "bf967aa5-0de6-11d0-a285-00aa003049e2",
	"container":            "bf967a8b-0de6-11d0-a285-00aa003049e2",
	"builtinDomain":        "bf967a81-0de6-11d0-a285-00aa003049e2",
	"domainDNS":            "19195a5b-6da0-11d0-afd3-00c04fd930c9",
}

var propertySets = map[string]string{"G": generalInformation, "P": publicInformation, "N": personalInformation, "A": accountRestrictions, "H": dnsHostNameSet}

// baseSchema lists the attributes a directory starts with: name, syntax, flags, property set, largest length.
// Flags: 1 single-valued, g in the partial attribute set, t kept on tombstones, s system-only,
// c constructed, w write-only, x indexed, >name forward link with that back link, < back link.
// Which attributes are in the partial attribute set and their lengths follow the 2012 R2 schema.
const baseSchema = `
objectClass O gt P
objectGUID o 1gtsx P 16
objectSid S 1gtx G 28
distinguishedName d 1gts P
name u 1gts P 255
cn u 1gx P 64
ou u g
dc u 1g
l u 1g N 128
o u
c u 1g N 3
instanceType i 1gts
whenCreated t 1gts
whenChanged t 1gts
uSNCreated i 1gts
uSNChanged i 1gts
objectCategory d 1g P
nTSecurityDescriptor D 1gt
isDeleted b 1gts
isRecycled b 1gts
lastKnownParent d 1ts
parentGUID o 1c
canonicalName u c
tokenGroups S c
allowedAttributesEffective O c
sDRightsEffective i 1c
subSchemaSubEntry d 1c
isCriticalSystemObject b 1
sAMAccountName u 1gtx G 256
sAMAccountType i 1g
userPrincipalName u 1gx P 1024
altSecurityIdentities u g P
displayName u 1g G 256
givenName u 1g P 64
sn u 1g P 64
initials u 1 P 6
middleName u 1 - 64
mail u 1gx P 256
proxyAddresses u - P 1123
mailNickname u 1 - 64
legacyExchangeDN u 1g P
targetAddress u 1
title u 1 P 128
department u 1 P 64
company u 1 P 64
division u 1 - 256
employeeID u 1x - 16
employeeNumber u 1 - 512
employeeType u 1 - 256
manager d 1g>directReports P
directReports d g< P
description u g G 1024
info u 1 - 1024
comment u 1
telephoneNumber u 1g N 64
mobile u 1 N 64
homePhone u 1 N 64
pager u 1 N 64
ipPhone u 1 N 64
facsimileTelephoneNumber u 1 N 64
otherTelephone u - N 64
otherMobile u - N 64
physicalDeliveryOfficeName u 1 N 128
street u 1 N 1024
streetAddress u 1 N 1024
postalCode u 1 N 40
st u 1g N 128
co u 1 G 128
countryCode i 1 G
postOfficeBox u - N 40
preferredLanguage u 1 P
url u -
wWWHomePage u 1 N 2048
thumbnailPhoto o 1 N 102400
jpegPhoto o - 
userAccountControl i 1gt A
accountExpires i 1 A
pwdLastSet i 1 A
lockoutTime i 1
badPwdCount i 1
badPasswordTime i 1
lastLogon i 1
lastLogonTimestamp i 1
logonCount i 1
primaryGroupID i 1g
codePage i 1
homeDirectory u 1
homeDrive u 1
profilePath u 1
scriptPath u 1
unicodePwd o 1w
userPassword o w
userCertificate o g N 32768
userSMIMECertificate o - N
cACertificate o g
dNSHostName u 1g H 2048
servicePrincipalName u gx P
operatingSystem u 1
operatingSystemVersion u 1
operatingSystemServicePack u 1
location u 1g - 1024
managedBy d 1g>managedObjects P
managedObjects d g<
mS-DS-ConsistencyGuid o 1x
mS-DS-CreatorSID S 1
msDS-KeyCredentialLink u -
msDS-ExternalDirectoryObjectId u 1g - 256
msDS-SupportedEncryptionTypes i 1
member d g>memberOf
memberOf d g< P
groupType i 1g
keywords u g - 256
serviceBindingInformation u g
serviceDNSName u 1g
serviceClassName u 1g
extensionName u - 
adminCount i 1
adminDescription u 1
adminDisplayName u 1
gPLink u 1
gPOptions i 1
wellKnownObjects u g
otherWellKnownObjects u g
fSMORoleOwner d 1g
serverReference d 1g
dMDLocation d 1g
hasMasterNCs d g
msDS-HasDomainNCs d g
options i 1
invocationId o 1gs
objectVersion i 1
msDS-Behavior-Version i 1g
minPwdAge i 1
maxPwdAge i 1
minPwdLength i 1
pwdHistoryLength i 1
pwdProperties i 1
lockoutDuration i 1
lockoutThreshold i 1
lockOutObservationWindow i 1
nTMixedDomain i 1
creationTime i 1
lDAPAdminLimits u -
nETBIOSName u 1g
dnsRoot u g
nCName d 1g
systemFlags i 1
trustDirection i 1g
trustType i 1g
trustAttributes i 1g
trustPartner u 1g
flatName u 1g
securityIdentifier S 1g
lDAPDisplayName u 1g
attributeID u 1
attributeSyntax u 1
oMSyntax i 1
isSingleValued b 1
isMemberOfPartialAttributeSet b 1
schemaIDGUID o 1
attributeSecurityGUID o 1
searchFlags i 1
rangeUpper i 1
linkID i 1
governsID u 1
attributeTypes u -
objectClasses u -
defaultObjectCategory d 1
`

// newSchema builds the attribute table of one directory.
func newSchema(extra []AttributeType) map[string]*attrType {
	m := map[string]*attrType{}
	links := map[string]string{}
	for line := range strings.Lines(baseSchema) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		for len(f) < 5 {
			f = append(f, "")
		}
		flags, back, _ := strings.Cut(f[2], ">")
		if f[2] == "-" {
			flags = ""
		}
		t := &attrType{name: f[0], lower: strings.ToLower(f[0]), max: atoi(f[4]),
			syntax: map[string]Syntax{"o": OctetSyntax, "i": IntegerSyntax, "b": BooleanSyntax, "t": TimeSyntax, "d": DNSyntax, "S": SIDSyntax, "D": SDSyntax, "O": OIDSyntax}[f[1]]}
		for _, c := range flags {
			switch c {
			case '1':
				t.single = true
			case 'g':
				t.gc = true
			case 't':
				t.tombstone = true
			case 's':
				t.system = true
			case 'c':
				t.constructed = true
			case 'w':
				t.writeOnly = true
			case 'x':
				t.index = true
			case '<':
				t.back = true
			}
		}
		if back != "" {
			links[t.lower] = strings.ToLower(back)
		}
		t.schemaID = schemaID(t.lower)
		if set, ok := propertySets[f[3]]; ok {
			t.propertySet, _ = ParseGUID(set)
		}
		m[t.lower] = t
	}
	for _, name := range []string{"objectguid", "distinguishedname", "name", "usnchanged", "usncreated", "whenchanged", "whencreated", "instancetype"} {
		m[name].derived = true
	}
	for i, forward := range slices.Sorted(maps.Keys(links)) {
		m[forward].link = m[links[forward]]
		m[forward].linkID = 2 * (i + 1) // the numbers of Windows are others
		if back := m[links[forward]]; back != m[forward] {
			back.linkID = 2*(i+1) + 1
		}
	}
	for i := range 15 {
		add(m, AttributeType{Name: "extensionAttribute" + itoa(i+1), SingleValued: true, MaxLength: 1024})
	}
	for i := range 20 {
		add(m, AttributeType{Name: "msDS-cloudExtensionAttribute" + itoa(i+1), SingleValued: true, GlobalCatalog: true})
		m["msds-cloudextensionattribute"+itoa(i+1)].propertySet, _ = ParseGUID(personalInformation)
	}
	for _, t := range extra {
		add(m, t)
	}
	return m
}

func add(m map[string]*attrType, t AttributeType) *attrType {
	lower := strings.ToLower(t.Name)
	a := &attrType{name: t.Name, lower: lower, syntax: t.Syntax, single: t.SingleValued, gc: t.GlobalCatalog, max: t.MaxLength, schemaID: schemaID(lower)}
	m[lower] = a
	return a
}

// schemaID returns the documented schemaIDGUID where an access check may know it, and one derived
// from the name elsewhere.
func schemaID(lower string) GUID {
	if s, ok := schemaIDs[lower]; ok {
		g, _ := ParseGUID(s)
		return g
	}
	return guidFor("schemaIDGUID", lower)
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

// A class knows the values of objectClass, the object category, and its naming attribute.
type class struct {
	chain    []string
	category string
	rdn      string
}

// classes are the structural classes a directory knows; others are accepted as they are given.
var classes = map[string]class{
	"user":                       {[]string{"top", "person", "organizationalPerson", "user"}, "Person", "CN"},
	"inetorgperson":              {[]string{"top", "person", "organizationalPerson", "user", "inetOrgPerson"}, "Person", "CN"},
	"contact":                    {[]string{"top", "person", "organizationalPerson", "contact"}, "Person", "CN"},
	"computer":                   {[]string{"top", "person", "organizationalPerson", "user", "computer"}, "Computer", "CN"},
	"group":                      {[]string{"top", "group"}, "Group", "CN"},
	"organizationalunit":         {[]string{"top", "organizationalUnit"}, "Organizational-Unit", "OU"},
	"container":                  {[]string{"top", "container"}, "Container", "CN"},
	"domaindns":                  {[]string{"top", "domain", "domainDNS"}, "Domain-DNS", "DC"},
	"configuration":              {[]string{"top", "configuration"}, "Configuration", "CN"},
	"dmd":                        {[]string{"top", "dMD"}, "DMD", "CN"},
	"builtindomain":              {[]string{"top", "builtinDomain"}, "Builtin-Domain", "CN"},
	"trusteddomain":              {[]string{"top", "leaf", "trustedDomain"}, "Trusted-Domain", "CN"},
	"infrastructureupdate":       {[]string{"top", "infrastructureUpdate"}, "Infrastructure-Update", "CN"},
	"ridmanager":                 {[]string{"top", "rIDManager"}, "RID-Manager", "CN"},
	"server":                     {[]string{"top", "server"}, "Server", "CN"},
	"serverscontainer":           {[]string{"top", "serversContainer"}, "Servers-Container", "CN"},
	"site":                       {[]string{"top", "site"}, "Site", "CN"},
	"sitescontainer":             {[]string{"top", "sitesContainer"}, "Sites-Container", "CN"},
	"ntdsdsa":                    {[]string{"top", "applicationSettings", "nTDSDSA"}, "NTDS-DSA", "CN"},
	"ntdsservice":                {[]string{"top", "nTDSService"}, "NTDS-Service", "CN"},
	"querypolicy":                {[]string{"top", "queryPolicy"}, "Query-Policy", "CN"},
	"crossref":                   {[]string{"top", "crossRef"}, "Cross-Ref", "CN"},
	"crossrefcontainer":          {[]string{"top", "crossRefContainer"}, "Cross-Ref-Container", "CN"},
	"attributeschema":            {[]string{"top", "attributeSchema"}, "Attribute-Schema", "CN"},
	"classschema":                {[]string{"top", "classSchema"}, "Class-Schema", "CN"},
	"subschema":                  {[]string{"top", "subSchema"}, "SubSchema", "CN"},
	"serviceconnectionpoint":     {[]string{"top", "leaf", "connectionPoint", "serviceConnectionPoint"}, "Service-Connection-Point", "CN"},
	"foreignsecurityprincipal":   {[]string{"top", "foreignSecurityPrincipal"}, "Foreign-Security-Principal", "CN"},
	"msds-device":                {[]string{"top", "msDS-Device"}, "ms-DS-Device", "CN"},
	"grouppolicycontainer":       {[]string{"top", "container", "groupPolicyContainer"}, "Group-Policy-Container", "CN"},
	"lostandfound":               {[]string{"top", "lostAndFound"}, "Lost-And-Found", "CN"},
	"person":                     {[]string{"top", "person"}, "Person", "CN"},
	"organizationalperson":       {[]string{"top", "person", "organizationalPerson"}, "Person", "CN"},
	"msds-managedserviceaccount": {[]string{"top", "person", "organizationalPerson", "user", "computer", "msDS-ManagedServiceAccount"}, "ms-DS-Managed-Service-Account", "CN"},
}

// structural picks the most derived known class among the values of objectClass.
func structural(values []string) (class, bool) {
	var best class
	for _, v := range values {
		if c, ok := classes[strings.ToLower(v)]; ok && len(c.chain) > len(best.chain) {
			best = c
		}
	}
	return best, best.chain != nil
}

// classValues returns the values of objectClass to store: the chain of the structural class, then
// auxiliary and unknown classes in the given order.
func classValues(values []string) []string {
	c, ok := structural(values)
	if !ok {
		if !slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "top") }) {
			values = append([]string{"top"}, values...)
		}
		return values
	}
	out := slices.Clone(c.chain)
	for _, v := range values {
		if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, v) }) {
			out = append(out, v)
		}
	}
	return out
}
