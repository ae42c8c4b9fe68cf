package entratest

// A support is how the operators of $filter work on a property: in the order of supportOps, D by default, A with
// ConsistencyLevel: eventual and $count=true only, - not at all.
type support string

// supportOps are the columns: an operator, not before it, in a list, startsWith, endsWith, and eq or ne with null.
// gt and lt are ge and le. endsWith is always an advanced query.
const (
	opEq = iota
	opNe
	opNot
	opGe
	opLe
	opIn
	opStarts
	opEnds
	opNull
)

// Page "Advanced query capabilities on Microsoft Entra ID objects", table of the properties of user; its wording has changed
// over time. Columns: eq ne not ge le in startsWith endsWith null.
var userFilter = map[string]support{
	"accountEnabled":                "DAAAAD---",
	"ageGroup":                      "DAA--D---",
	"assignedLicenses":              "D-A------",
	"assignedPlans":                 "D-A------",
	"businessPhones":                "D-A---A--",
	"city":                          "DAAD-DD-A",
	"companyName":                   "AAAAAAA-A",
	"consentProvidedForMinor":       "DAA--D---",
	"country":                       "DAADDDD-A",
	"createdDateTime":               "DAADDA---",
	"creationType":                  "DAA--D---",
	"deletedDateTime":               "DAADDA---",
	"department":                    "DAADDDD-A",
	"displayName":                   "DAA--DD-A",
	"employeeHireDate":              "AA-AAA---",
	"employeeId":                    "DA--A-D-A",
	"employeeType":                  "AA-AAAA--",
	"givenName":                     "DA-DDDD-A",
	"id":                            "DAA--D---",
	"identities":                    "D--------",
	"imAddresses":                   "DAADD-D--",
	"isResourceAccount":             "DA-------",
	"jobTitle":                      "DA-DDDA-A",
	"mail":                          "DA-DDDDAA",
	"mailNickname":                  "DA-DDDD-A",
	"mobilePhone":                   "AA-AAAA-A",
	"officeLocation":                "AA-AAAA-A",
	"onPremisesExtensionAttributes": "AA-AAAA-A",
	"onPremisesImmutableId":         "AA-AAA---",
	"onPremisesLastSyncDateTime":    "AA-AAA---",
	"onPremisesSamAccountName":      "AA-AAAA--",
	"onPremisesSecurityIdentifier":  "DA---D--A",
	"onPremisesSyncEnabled":         "DA-AAD--A",
	"onPremisesUserPrincipalName":   "DA-DDDD--",
	"otherMails":                    "DA-DDDDA-",
	"passwordPolicies":              "AA------A",
	"postalCode":                    "AA-AAAA-A",
	"preferredLanguage":             "AA-AAAA-A",
	"proxyAddresses":                "DA-DD-DAA",
	"showInAddressList":             "AA-AAA---",
	"state":                         "DA-DDDD-A",
	"streetAddress":                 "AA-AAAA-A",
	"surname":                       "DA-DDDD-A",
	"usageLocation":                 "DA-DDDD--",
	"userPrincipalName":             "DA--DDDA-",
	"userType":                      "DAA--D--A",
}

// Page "device resource type", for the operators; that ne, not, endsWith and null need an advanced query is the general
// rule of "Advanced query capabilities on Microsoft Entra ID objects".
var deviceFilter = map[string]support{
	"accountEnabled":                "DAA--D---",
	"alternativeSecurityIds":        "D-ADD----",
	"approximateLastSignInDateTime": "DAADD---A",
	"deviceId":                      "DAA--DD--",
	"displayName":                   "DAADDDDAA",
	"extensionAttributes":           "AA----A-A",
	"id":                            "DAA--D---",
	"isCompliant":                   "DAA------",
	"isManaged":                     "DAA------",
	"mdmAppId":                      "DAA---D--",
	"onPremisesLastSyncDateTime":    "DAADDD---",
	"onPremisesSecurityIdentifier":  "D--------",
	"onPremisesSyncEnabled":         "DAA--D--A",
	"operatingSystem":               "DAADD-D-A",
	"operatingSystemVersion":        "DAADD-D-A",
	"physicalIds":                   "D-ADD-D--",
	"profileType":                   "DAA--D---",
	"trustType":                     "DAA--D---",
}
