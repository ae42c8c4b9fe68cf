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
	"businessPhones":                "D-AAA-A--",
	"city":                          "DAADADD-A",
	"companyName":                   "AAAAAAA-A",
	"consentProvidedForMinor":       "DAA--D---",
	"country":                       "DAADDDD-A",
	"createdDateTime":               "DAADDA---",
	"creationType":                  "DAA--D---",
	"deletedDateTime":               "DAADDA---",
	"department":                    "DAADDDD-A",
	"displayName":                   "DAAAADD-A",
	"employeeHireDate":              "AAAAAA---",
	"employeeId":                    "DAAAAAD-A",
	"employeeType":                  "AAAAAAA--",
	"givenName":                     "DAADDDD-A",
	"id":                            "DAA--D---",
	"identities":                    "D--------",
	"imAddresses":                   "DAADD-D--",
	"isResourceAccount":             "DA-------",
	"jobTitle":                      "DAADDDA-A",
	"mail":                          "DAADDDDAA",
	"mailNickname":                  "DAADDDD-A",
	"mobilePhone":                   "AAAAAAA-A",
	"officeLocation":                "AAAAAAA-A",
	"onPremisesExtensionAttributes": "AAAAAAA-A",
	"onPremisesImmutableId":         "AAAAAA---",
	"onPremisesLastSyncDateTime":    "AAAAAA---",
	"onPremisesSamAccountName":      "AAAAAAA--",
	"onPremisesSecurityIdentifier":  "DA---D--A",
	"onPremisesSyncEnabled":         "DAAAAD--A",
	"onPremisesUserPrincipalName":   "DAADDDD--",
	"otherMails":                    "DAADDDDA-",
	"passwordPolicies":              "AAA-----A",
	"postalCode":                    "AAAAAAA-A",
	"preferredLanguage":             "AAAAAAA-A",
	"proxyAddresses":                "DAADD-DAA",
	"showInAddressList":             "AA-AAA---",
	"state":                         "DAADDDD-A",
	"streetAddress":                 "AAAAAAA-A",
	"surname":                       "DAADDDD-A",
	"usageLocation":                 "DAADDDD-A",
	"userPrincipalName":             "DAAADDDA-",
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
