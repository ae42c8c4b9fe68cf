package entratest

import "strings"

// An edmType is the JSON form of a property, after the Edm types of Graph's metadata document (CSDL).
type edmType uint8

const (
	edmString edmType = iota + 1
	edmBool
	edmInt32
	edmInt64
	edmTime    // Edm.DateTimeOffset
	edmBinary  // base64
	edmStrings // Collection(Edm.String)
	edmObject  // a complex type
	edmObjects // a collection of complex types
)

var edmNames = [...]string{
	edmString: "Edm.String", edmBool: "Edm.Boolean", edmInt32: "Edm.Int32", edmInt64: "Edm.Int64", edmTime: "Edm.DateTimeOffset",
	edmBinary: "Edm.Binary", edmStrings: "Collection(Edm.String)", edmObject: "Edm.ComplexType", edmObjects: "Collection(Edm.ComplexType)",
}

// Facts of a property beyond its type.
const (
	readOnly   = 1 << iota // never set by a request
	byDefault              // returned without $select
	required               // cannot be cleared: null is refused
	cloud                  // may be set for a user mastered on premises too
	betaOnly               // unknown to v1.0
	v1Undoc                // not in the v1.0 metadata document although documented and accepted there
	onCreate               // set when the object is created, not afterwards
	mdmOnly                // set by Intune or an approved MDM application only
	sharePoint             // kept by SharePoint, not in the directory: not in this fake
)

// A property is one row of a resource type.
type property struct {
	typ    edmType
	traits int
	object string // complex type of edmObject and edmObjects
	maxLen int    // in characters, 0 for no limit known
}

func (p property) is(trait int) bool { return p.traits&trait != 0 }

// A resource is a type of Graph: its properties and the names of its navigation properties.
type resource struct {
	name       string // as in messages: User, Device
	odata      string // as in @odata.type: user, device
	set        string // entity set: users, devices
	properties map[string]property
	navigation []string
	filter     map[string]support
	derived    bool // objects of derived types, which have more than these properties
	logs       bool // filters compare with case and have contains
}

// The properties are those of Graph's metadata document for v1.0 (August 2026) and of the reference pages "user resource
// type", "Update user", "device resource type", "Update device" and "onPremisesExtensionAttributes resource type"
// for what is read-only, returned by default, limited in length, or not to be cleared.
var userType = resource{
	name: "User", odata: "user", set: "users",
	properties: map[string]property{
		"id":                              {typ: edmString, traits: readOnly | byDefault},
		"deletedDateTime":                 {typ: edmTime, traits: readOnly},
		"aboutMe":                         {typ: edmString, traits: sharePoint},
		"accountEnabled":                  {typ: edmBool, traits: required},
		"ageGroup":                        {typ: edmString, traits: cloud},
		"assignedLicenses":                {typ: edmObjects, traits: readOnly, object: "assignedLicense"},
		"assignedPlans":                   {typ: edmObjects, traits: readOnly, object: "assignedPlan"},
		"authorizationInfo":               {typ: edmObject, object: "authorizationInfo"},
		"birthday":                        {typ: edmTime, traits: sharePoint},
		"businessPhones":                  {typ: edmStrings, traits: byDefault | required},
		"city":                            {typ: edmString, maxLen: 128},
		"companyName":                     {typ: edmString, maxLen: 64},
		"consentProvidedForMinor":         {typ: edmString, traits: cloud},
		"country":                         {typ: edmString, maxLen: 128},
		"createdDateTime":                 {typ: edmTime, traits: readOnly},
		"creationType":                    {typ: edmString, traits: readOnly},
		"customSecurityAttributes":        {typ: edmObject, traits: cloud, object: "customSecurityAttributeValue"},
		"department":                      {typ: edmString, maxLen: 64},
		"deviceEnrollmentLimit":           {typ: edmInt32, traits: cloud},
		"displayName":                     {typ: edmString, traits: byDefault | required, maxLen: 256},
		"employeeHireDate":                {typ: edmTime},
		"employeeId":                      {typ: edmString, maxLen: 16},
		"employeeLeaveDateTime":           {typ: edmTime},
		"employeeOrgData":                 {typ: edmObject, object: "employeeOrgData"},
		"employeeType":                    {typ: edmString},
		"externalUserState":               {typ: edmString},
		"externalUserStateChangeDateTime": {typ: edmTime},
		"faxNumber":                       {typ: edmString},
		"givenName":                       {typ: edmString, traits: byDefault, maxLen: 64},
		"hireDate":                        {typ: edmTime, traits: sharePoint},
		"identities":                      {typ: edmObjects, object: "objectIdentity"},
		"identityParentId":                {typ: edmString},
		"imAddresses":                     {typ: edmStrings, traits: readOnly},
		"interests":                       {typ: edmStrings, traits: sharePoint},
		"isManagementRestricted":          {typ: edmBool, traits: readOnly},
		"isResourceAccount":               {typ: edmBool},
		"jobTitle":                        {typ: edmString, traits: byDefault, maxLen: 128},
		"lastPasswordChangeDateTime":      {typ: edmTime, traits: readOnly},
		"legalAgeGroupClassification":     {typ: edmString, traits: readOnly},
		"licenseAssignmentStates":         {typ: edmObjects, traits: readOnly, object: "licenseAssignmentState"},
		"mail":                            {typ: edmString, traits: byDefault},
		"mailNickname":                    {typ: edmString, traits: required, maxLen: 64},
		"mailboxSettings":                 {typ: edmObject, object: "mailboxSettings"},
		"mobilePhone":                     {typ: edmString, traits: byDefault, maxLen: 64},
		"mySite":                          {typ: edmString, traits: sharePoint},
		"officeLocation":                  {typ: edmString, traits: byDefault},
		"onPremisesDistinguishedName":     {typ: edmString, traits: readOnly},
		"onPremisesDomainName":            {typ: edmString, traits: readOnly},
		"onPremisesExtensionAttributes":   {typ: edmObject, object: "onPremisesExtensionAttributes"},
		"onPremisesImmutableId":           {typ: edmString, traits: cloud},
		"onPremisesLastSyncDateTime":      {typ: edmTime, traits: readOnly},
		"onPremisesProvisioningErrors":    {typ: edmObjects, traits: readOnly, object: "onPremisesProvisioningError"},
		"onPremisesSamAccountName":        {typ: edmString, traits: readOnly},
		"onPremisesSecurityIdentifier":    {typ: edmString, traits: readOnly},
		"onPremisesSyncEnabled":           {typ: edmBool, traits: readOnly},
		"onPremisesUserPrincipalName":     {typ: edmString, traits: readOnly},
		"otherMails":                      {typ: edmStrings, traits: cloud | required},
		"passwordPolicies":                {typ: edmString, traits: cloud},
		"passwordProfile":                 {typ: edmObject, traits: cloud, object: "passwordProfile"},
		"pastProjects":                    {typ: edmStrings, traits: sharePoint},
		"postalCode":                      {typ: edmString, maxLen: 40},
		"preferredDataLocation":           {typ: edmString, traits: cloud},
		"preferredLanguage":               {typ: edmString, traits: byDefault},
		"preferredName":                   {typ: edmString, traits: sharePoint},
		"print":                           {typ: edmObject, traits: readOnly, object: "userPrint"},
		"provisionedPlans":                {typ: edmObjects, traits: readOnly, object: "provisionedPlan"},
		"proxyAddresses":                  {typ: edmStrings, traits: readOnly},
		"responsibilities":                {typ: edmStrings, traits: sharePoint},
		"schools":                         {typ: edmStrings, traits: sharePoint},
		"securityIdentifier":              {typ: edmString, traits: readOnly},
		"serviceProvisioningErrors":       {typ: edmObjects, traits: readOnly, object: "serviceProvisioningError"},
		"showInAddressList":               {typ: edmBool},
		"signInActivity":                  {typ: edmObject, traits: readOnly, object: "signInActivity"},
		"signInSessionsValidFromDateTime": {typ: edmTime, traits: readOnly},
		"skills":                          {typ: edmStrings, traits: sharePoint},
		"state":                           {typ: edmString, maxLen: 128},
		"streetAddress":                   {typ: edmString, maxLen: 1024},
		"surname":                         {typ: edmString, traits: byDefault, maxLen: 64},
		"usageLocation":                   {typ: edmString, traits: cloud | required, maxLen: 2},
		"userPrincipalName":               {typ: edmString, traits: byDefault | required, maxLen: 113},
		"userType":                        {typ: edmString, traits: cloud},
	},
	navigation: []string{
		"activities", "adhocCalls", "agreementAcceptances", "appRoleAssignments", "authentication", "calendar", "calendarGroups",
		"calendars", "calendarView", "chats", "cloudClipboard", "cloudPCs", "contactFolders", "contacts", "createdObjects",
		"dataSecurityAndGovernance", "deviceManagementTroubleshootingEvents", "directReports", "drive", "drives",
		"employeeExperience", "events", "extensions", "followedSites", "inferenceClassification", "insights", "joinedTeams",
		"licenseDetails", "mailFolders", "managedAppRegistrations", "managedDevices", "manager", "memberOf", "messages",
		"oauth2PermissionGrants", "onenote", "onlineMeetings", "onPremisesSyncBehavior", "outlook", "ownedDevices", "ownedObjects",
		"people", "permissionGrants", "photo", "photos", "planner", "presence", "registeredDevices", "scopedRoleMemberOf",
		"settings", "solutions", "sponsorOf", "sponsors", "teamwork", "todo", "transitiveMemberOf",
	},
	filter: userFilter,
}

var deviceType = resource{
	name: "Device", odata: "device", set: "devices",
	properties: map[string]property{
		"id":                            {typ: edmString, traits: readOnly | byDefault},
		"deletedDateTime":               {typ: edmTime, traits: readOnly | byDefault},
		"accountEnabled":                {typ: edmBool, traits: byDefault | required},
		"alternativeSecurityIds":        {typ: edmObjects, traits: byDefault | required | onCreate, object: "alternativeSecurityId"},
		"approximateLastSignInDateTime": {typ: edmTime, traits: readOnly | byDefault},
		"complianceExpirationDateTime":  {typ: edmTime, traits: readOnly | byDefault},
		"deviceCategory":                {typ: edmString, traits: readOnly | byDefault},
		"deviceId":                      {typ: edmString, traits: byDefault | required | onCreate},
		"deviceMetadata":                {typ: edmString, traits: readOnly | byDefault},
		"deviceOwnership":               {typ: edmString, traits: readOnly | byDefault},
		"deviceVersion":                 {typ: edmInt32, traits: readOnly | byDefault},
		"displayName":                   {typ: edmString, traits: byDefault | required, maxLen: 256},
		"enrollmentProfileName":         {typ: edmString, traits: readOnly | byDefault},
		"enrollmentType":                {typ: edmString, traits: readOnly | byDefault},
		"extensionAttributes":           {typ: edmObject, traits: v1Undoc, object: "onPremisesExtensionAttributes"},
		"isCompliant":                   {typ: edmBool, traits: byDefault | mdmOnly},
		"isManaged":                     {typ: edmBool, traits: byDefault | mdmOnly},
		"isManagementRestricted":        {typ: edmBool, traits: readOnly},
		"isRooted":                      {typ: edmBool, traits: readOnly | byDefault},
		"managementType":                {typ: edmString, traits: readOnly | byDefault},
		"manufacturer":                  {typ: edmString, traits: readOnly | byDefault},
		"mdmAppId":                      {typ: edmString, traits: readOnly | byDefault},
		"model":                         {typ: edmString, traits: readOnly | byDefault},
		"onPremisesLastSyncDateTime":    {typ: edmTime, traits: readOnly | byDefault},
		"onPremisesSecurityIdentifier":  {typ: edmString, traits: readOnly},
		"onPremisesSyncEnabled":         {typ: edmBool, traits: readOnly | byDefault},
		"operatingSystem":               {typ: edmString, traits: byDefault | required},
		"operatingSystemVersion":        {typ: edmString, traits: byDefault | required},
		"physicalIds":                   {typ: edmStrings, traits: readOnly | byDefault},
		"profileType":                   {typ: edmString, traits: readOnly | byDefault},
		"registrationDateTime":          {typ: edmTime, traits: readOnly | byDefault},
		"systemLabels":                  {typ: edmStrings, traits: readOnly | byDefault},
		"trustType":                     {typ: edmString, traits: readOnly | byDefault},
		"alternativeNames":              {typ: edmStrings, traits: readOnly | betaOnly},
		"domainName":                    {typ: edmString, traits: readOnly | betaOnly},
		"hostnames":                     {typ: edmStrings, traits: readOnly | betaOnly},
		"kind":                          {typ: edmString, traits: readOnly | betaOnly},
		"name":                          {typ: edmString, traits: readOnly | betaOnly},
		"platform":                      {typ: edmString, traits: readOnly | betaOnly},
		"status":                        {typ: edmString, traits: readOnly | betaOnly},
	},
	navigation: []string{"extensions", "memberOf", "registeredOwners", "registeredUsers", "transitiveMemberOf"},
	filter:     deviceFilter,
}

// The complex types whose members are checked. A complex property of another type takes any object.
var complexTypes = map[string]map[string]property{
	"onPremisesExtensionAttributes": extensionAttributes(),
	"alternativeSecurityId": {
		"type": {typ: edmInt32}, "identityProvider": {typ: edmString}, "key": {typ: edmBinary},
	},
	"passwordProfile": {
		"forceChangePasswordNextSignIn": {typ: edmBool}, "forceChangePasswordNextSignInWithMfa": {typ: edmBool}, "password": {typ: edmString},
	},
	"employeeOrgData": {"costCenter": {typ: edmString}, "division": {typ: edmString}},
	"objectIdentity":  {"signInType": {typ: edmString}, "issuer": {typ: edmString}, "issuerAssignedId": {typ: edmString}},
	"authorizationInfo": {
		"certificateUserIds": {typ: edmStrings},
	},
}

func extensionAttributes() map[string]property {
	m := map[string]property{}
	for _, name := range extensionAttributeNames {
		m[name] = property{typ: edmString, maxLen: 1024}
	}
	return m
}

var extensionAttributeNames = strings.Fields(`extensionAttribute1 extensionAttribute2 extensionAttribute3 extensionAttribute4
	extensionAttribute5 extensionAttribute6 extensionAttribute7 extensionAttribute8 extensionAttribute9 extensionAttribute10
	extensionAttribute11 extensionAttribute12 extensionAttribute13 extensionAttribute14 extensionAttribute15`)

// property returns the row of a name as the version of the API knows it.
func (t *resource) property(name, version string) (property, bool) {
	p, ok := t.properties[name]
	if ok && p.is(betaOnly) && version != "beta" {
		return property{}, false
	}
	return p, ok
}

// declared returns the spelling of a name that a query wrote in another case: $select and $filter compare without case.
func (t *resource) declared(name, version string) (string, bool) {
	if _, ok := t.property(name, version); ok {
		return name, true
	}
	for n := range t.properties {
		if strings.EqualFold(n, name) {
			_, ok := t.property(n, version)
			return n, ok
		}
	}
	return "", false
}
