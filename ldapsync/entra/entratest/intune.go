package entratest

import (
	"net/http"
	"strings"
)

// A configuration is a device configuration profile with its assignments.
type configuration struct {
	data        Object
	assignments []any
}

// names makes read-only rows of one type, returned by default.
func names(rows map[string]property, typ edmType, traits int, list string) {
	for name := range strings.FieldsSeq(list) {
		rows[name] = property{typ: typ, traits: readOnly | byDefault | traits}
	}
}

// managedDeviceType has the properties of Graph's metadata document for v1.0 and those of beta that co-management needs.
var managedDeviceType = resource{
	name: "ManagedDevice", odata: "managedDevice", set: "managedDevices", properties: managedDeviceProperties(),
	filter: map[string]support{
		"azureADDeviceId": "DDD--D---", "complianceState": "DDD--D---", "deviceName": "DDD--DD--", "id": "DDD--D---",
		"lastSyncDateTime": "DDDDD----", "managementAgent": "DDD--D---", "operatingSystem": "DDD--DD--", "serialNumber": "DDD--DD--",
		"userId": "DDD--D---", "userPrincipalName": "DDD--DD--", "managedDeviceOwnerType": "DDD--D---",
	},
}

func managedDeviceProperties() map[string]property {
	rows := map[string]property{}
	names(rows, edmString, 0, `id activationLockBypassCode androidSecurityPatchLevel azureADDeviceId complianceState
		deviceCategoryDisplayName deviceEnrollmentType deviceName deviceRegistrationState easDeviceId emailAddress enrollmentProfileName
		ethernetMacAddress exchangeAccessState exchangeAccessStateReason iccid imei jailBroken managedDeviceName
		managedDeviceOwnerType managementAgent managementState manufacturer meid model notes operatingSystem osVersion
		partnerReportedThreatState phoneNumber remoteAssistanceSessionErrorDetails remoteAssistanceSessionUrl serialNumber
		subscriberCarrier udid userDisplayName userId userPrincipalName wiFiMacAddress`)
	names(rows, edmBool, 0, `azureADRegistered easActivated isEncrypted isSupervised requireUserEnrollmentApproval`)
	names(rows, edmInt64, 0, `freeStorageSpaceInBytes physicalMemoryInBytes totalStorageSpaceInBytes`)
	names(rows, edmTime, 0, `complianceGracePeriodExpirationDateTime easActivationDateTime enrolledDateTime
		exchangeLastSuccessfulSyncDateTime lastSyncDateTime managementCertificateExpirationDate`)
	names(rows, edmObject, 0, `configurationManagerClientEnabledFeatures deviceHealthAttestationState`)
	names(rows, edmObjects, 0, `deviceActionResults`)
	names(rows, edmString, betaOnly, `azureActiveDirectoryDeviceId chassisType deviceType enrolledByUserPrincipalName joinType
		lostModeState managementFeatures ownerType processorArchitecture securityPatchLevel skuFamily specificationVersion`)
	names(rows, edmBool, betaOnly, `aadRegistered autopilotEnrolled bootstrapTokenEscrowed deviceFirmwareConfigurationInterfaceManaged`)
	names(rows, edmInt32, betaOnly, `skuNumber windowsActiveMalwareCount windowsRemediatedMalwareCount`)
	names(rows, edmTime, betaOnly, `preferMdmOverGroupPolicyAppliedDateTime retireAfterDateTime`)
	names(rows, edmObject, betaOnly, `configurationManagerClientHealthState configurationManagerClientInformation hardwareInformation`)
	names(rows, edmStrings, betaOnly, `roleScopeTagIds`)
	return rows
}

// configurationType is the base type; what SCEP and trusted root profiles have beyond it exists in beta only.
var configurationType = resource{
	name: "DeviceConfiguration", odata: "deviceConfiguration", set: "deviceManagement/deviceConfigurations", derived: true,
	properties: map[string]property{
		"id":                   {typ: edmString, traits: readOnly | byDefault},
		"createdDateTime":      {typ: edmTime, traits: readOnly | byDefault},
		"description":          {typ: edmString, traits: byDefault},
		"displayName":          {typ: edmString, traits: byDefault | required},
		"lastModifiedDateTime": {typ: edmTime, traits: readOnly | byDefault},
		"version":              {typ: edmInt32, traits: readOnly | byDefault},
		"roleScopeTagIds":      {typ: edmStrings, traits: byDefault | betaOnly},
		"supportsScopeTags":    {typ: edmBool, traits: readOnly | byDefault | betaOnly},
	},
	navigation: []string{
		"assignments", "deviceSettingStateSummaries", "deviceStatuses", "deviceStatusOverview", "groupAssignments", "userStatuses",
		"userStatusOverview", "rootCertificate", // of SCEP profiles
	},
	filter: map[string]support{"displayName": "DDD--DD--", "id": "DDD--D---"},
}

var assignmentType = resource{
	name: "DeviceConfigurationAssignment", odata: "deviceConfigurationAssignment", set: "assignments",
	properties: map[string]property{
		"id": {typ: edmString, traits: readOnly | byDefault}, "target": {typ: edmObject, traits: byDefault, object: "assignmentTarget"},
		"intent": {typ: edmString, traits: byDefault | betaOnly}, "source": {typ: edmString, traits: byDefault | betaOnly},
		"sourceId": {typ: edmString, traits: byDefault | betaOnly},
	},
}

// AddManagedDevice adds a device that Intune manages, as the test wrote it, and returns its id.
func (s *Server) AddManagedDevice(o Object) string {
	data := s.plain(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.managed = append(s.managed, data)
	return data.text("id")
}

// AddConfiguration adds a device configuration profile, as the test wrote it, with its assignments, and returns its id.
// @odata.type says which it is, such as #microsoft.graph.windows81SCEPCertificateProfile; rootCertificate@odata.bind, or
// rootCertificate with an id, which trusted root profile it is bound to.
func (s *Server) AddConfiguration(o Object, assignments ...Object) string {
	cfg := configuration{data: s.plain(o), assignments: []any{}}
	for _, a := range assignments {
		cfg.assignments = append(cfg.assignments, map[string]any(s.plain(a)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg.data["assignments"] = cfg.assignments
	s.configurations = append(s.configurations, cfg)
	return cfg.data.text("id")
}

// plain normalises an object and gives it an id.
func (s *Server) plain(o Object) Object {
	data, err := normal(o)
	if err != nil {
		panic("entratest: " + err.Error())
	}
	if data == nil {
		data = Object{}
	}
	if data.text("id") == "" {
		s.mu.Lock()
		data["id"] = s.dir.newID()
		s.mu.Unlock()
	}
	return data
}

// deviceManagement answers managedDevices and deviceConfigurations, which are only read here.
func (s *Server) deviceManagement(c *call, segments []segment) *answer {
	if len(segments) == 0 {
		return missing("/deviceManagement itself")
	}
	if c.Method != http.MethodGet {
		return missing("%s of /deviceManagement", c.Method)
	}
	switch segments[0].name {
	case "managedDevices":
		_, id, rest := key(segments)
		switch {
		case id == "":
			return s.listPlain(c, &managedDeviceType, s.managed, "deviceManagement/managedDevices")
		case len(rest) > 0:
			return missing("%s of a managed device", rest[0].name)
		}
		for _, d := range s.managed {
			if strings.EqualFold(d.text("id"), id) {
				return s.readPlain(c, &managedDeviceType, d, "deviceManagement/managedDevices")
			}
		}
		return notFound(id)
	case "deviceConfigurations":
		return s.deviceConfigurations(c, segments)
	}
	return missing("/deviceManagement/%s", segments[0].name)
}

func (s *Server) deviceConfigurations(c *call, segments []segment) *answer {
	_, id, rest := key(segments)
	if id == "" {
		list := make([]Object, len(s.configurations))
		for i, cfg := range s.configurations {
			list[i] = cfg.data
		}
		return s.listPlain(c, &configurationType, list, configurationType.set)
	}
	for _, cfg := range s.configurations {
		if !strings.EqualFold(cfg.data.text("id"), id) {
			continue
		}
		switch {
		case len(rest) == 0:
			o, a := s.options(c, &configurationType, false)
			if a != nil {
				return a
			}
			out := configurationType.present(cfg.data, o, c.Version)
			out["@odata.context"] = c.context(configurationType.set) + "/$entity"
			return &answer{status: http.StatusOK, body: map[string]any(out)}
		case len(rest) == 1 && rest[0].name == "assignments":
			var list []Object
			for _, v := range cfg.assignments {
				list = append(list, v.(map[string]any))
			}
			return s.listPlain(c, &assignmentType, list, configurationType.set+"('"+id+"')/assignments")
		}
		if len(rest) == 2 && rest[1].name == "rootCertificate" && c.Version == "beta" {
			return s.rootCertificate(c, cfg, rest[0].name)
		}
		return missing("%s of a device configuration", rest[0].name)
	}
	return notFound(id)
}

// rootCertificate answers deviceConfigurations/{id}/{type}/rootCertificate, the trusted root a SCEP profile is bound to: what
// its rootCertificate, or the end of its rootCertificate@odata.bind, names.
func (s *Server) rootCertificate(c *call, cfg configuration, cast string) *answer {
	if "#"+cast != cfg.data.text("@odata.type") {
		return fail(400, codeBadRequest, "The profile is no %s.", cast)
	}
	bound, _ := cfg.data["rootCertificate"].(map[string]any)
	id := Object(bound).text("id")
	if bind := strings.TrimRight(cfg.data.text("rootCertificate@odata.bind"), "')"); bind != "" {
		id = bind[strings.LastIndexAny(bind, "('/")+1:]
	}
	for _, other := range s.configurations {
		if strings.EqualFold(other.data.text("id"), id) {
			out := configurationType.present(other.data, options{}, c.Version)
			out["@odata.context"] = c.context(configurationType.set) + "/$entity"
			return &answer{status: http.StatusOK, body: map[string]any(out)}
		}
	}
	return notFound(id)
}
