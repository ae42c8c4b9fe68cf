package entratest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// MaxOperations is the number of operations one bulkUpload may have.
const MaxOperations = 50

const (
	scimBulk       = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	scimUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	scimEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// A ProvisioningJob is a job of API-driven inbound provisioning to Microsoft Entra ID.
type ProvisioningJob struct {
	ServicePrincipal string // its object id
	ID               string // such as API2AAD.0f1e2d…
	// Attributes maps a property of the user to the path of the SCIM attribute it comes from: "name.givenName",
	// "addresses[work].locality", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department". nil is
	// DefaultAttributes. active always becomes accountEnabled.
	Attributes map[string]string
	// Match names the property of the user that decides which one a record is; its attribute comes from Attributes.
	// "" is employeeId.
	Match string
	// Delay is when an upload is worked off: 0 at once, else by the first request that much later. Less than 0 leaves
	// it to [Server.RunProvisioning].
	Delay time.Duration
	// Reject makes a record fail: a code that is not empty is put into the provisioning log with the reason. It is called with
	// the server locked.
	Reject func(data Object) (code, reason string)
}

// DefaultAttributes returns the mapping of a job that names none: the common part of what Microsoft's template maps, which
// tenants change. A new user's mailNickname is the first part of userPrincipalName.
func DefaultAttributes() map[string]string {
	return map[string]string{
		"employeeId": "externalId", "userPrincipalName": "userName", "displayName": "displayName", "givenName": "name.givenName",
		"surname": "name.familyName", "jobTitle": "title", "employeeType": "userType", "preferredLanguage": "preferredLanguage",
		"department": scimEnterprise + ":department", "companyName": scimEnterprise + ":organization",
		"city": "addresses[work].locality", "state": "addresses[work].region", "streetAddress": "addresses[work].streetAddress",
		"postalCode": "addresses[work].postalCode", "mobilePhone": "phoneNumbers[mobile].value",
	}
}

// A job is a ProvisioningJob with what waits for it.
type job struct {
	ProvisioningJob
	waiting []upload
	cycles  int
}

// An upload is the operations of one bulkUpload.
type upload struct {
	at         time.Time
	operations []any
}

// AddProvisioningJob adds a job.
func (s *Server) AddProvisioningJob(p ProvisioningJob) {
	if p.Attributes == nil {
		p.Attributes = DefaultAttributes()
	}
	if p.Match == "" {
		p.Match = "employeeId"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, &job{ProvisioningJob: p})
}

// RunProvisioning works off all uploads that wait and returns the number of records.
func (s *Server) RunProvisioning() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, j := range s.jobs {
		n += s.cycle(j, func(upload) bool { return true })
	}
	return n
}

// due works off the uploads whose time has come.
func (s *Server) due() {
	now := s.clock()
	for _, j := range s.jobs {
		s.cycle(j, func(u upload) bool { return j.Delay >= 0 && now.Sub(u.at) >= j.Delay })
	}
}

func (s *Server) cycle(j *job, ready func(upload) bool) int {
	n, id := 0, ""
	for len(j.waiting) > 0 && ready(j.waiting[0]) {
		if id == "" {
			j.cycles++
			id = s.dir.newID()
		}
		for _, op := range j.waiting[0].operations {
			m, _ := op.(map[string]any)
			data, _ := m["data"].(map[string]any)
			s.logs = append(s.logs, s.provision(j, id, data))
			n++
		}
		j.waiting = j.waiting[1:]
	}
	return n
}

// isUpload reports whether r is a call of bulkUpload.
func (r *Request) isUpload() bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.Path, "/servicePrincipals/") && strings.HasSuffix(r.Path, "/bulkUpload")
}

// servicePrincipal answers the synchronization jobs of a service principal.
func (s *Server) servicePrincipal(c *call, segments []segment) *answer {
	_, id, rest := key(segments)
	if len(rest) < 2 || rest[0].name != "synchronization" || rest[1].name != "jobs" {
		return missing("/servicePrincipals other than {id}/synchronization/jobs")
	}
	_, jobID, deeper := key(rest[1:])
	list := []any{}
	for _, j := range s.jobs {
		if !strings.EqualFold(j.ServicePrincipal, id) {
			continue
		}
		if jobID == "" {
			list = append(list, j.show())
			continue
		}
		if j.ID != jobID {
			continue
		}
		switch {
		case len(deeper) == 0 && c.Method == http.MethodGet:
			out := j.show()
			out["@odata.context"] = c.context("servicePrincipals('"+id+"')/synchronization/jobs") + "/$entity"
			return &answer{status: http.StatusOK, body: out}
		case len(deeper) == 1 && deeper[0].name == "bulkUpload" && c.Method == http.MethodPost:
			return s.bulkUpload(c, j)
		}
		return notAllowed(c)
	}
	if jobID != "" || len(list) == 0 {
		return notFound(id)
	}
	if c.Method != http.MethodGet {
		return notAllowed(c)
	}
	return &answer{status: http.StatusOK, body: map[string]any{
		"@odata.context": c.context("servicePrincipals('" + id + "')/synchronization/jobs"), "value": list,
	}}
}

func (j *job) show() map[string]any {
	return map[string]any{
		"id": j.ID, "templateId": "API2AAD", "schedule": map[string]any{"expiration": nil, "interval": "PT40M", "state": "Active"},
		"status": map[string]any{"code": "Active", "countSuccessiveCompleteFailures": 0, "escrowsPruned": false},
	}
}

// bulkUpload takes a SCIM bulk request (RFC 7644 section 3.7, as narrowed by the page "synchronizationJob: bulkUpload").
func (s *Server) bulkUpload(c *call, j *job) *answer {
	body, a := c.object("application/scim+json")
	if a != nil {
		return a
	}
	if schemas, _ := body["schemas"].([]any); len(schemas) != 1 || schemas[0] != scimBulk {
		return fail(400, codeBadRequest, "Invalid request: schemas has to be %s.", scimBulk)
	}
	operations, _ := body["Operations"].([]any)
	if n := len(operations); n == 0 || n > MaxOperations {
		return fail(400, codeBadRequest, "Invalid request: %d operations; 1 to %d are allowed.", n, MaxOperations)
	}
	seen := map[string]bool{}
	for i, v := range operations {
		m, _ := v.(map[string]any)
		op := Object(m)
		data, _ := op["data"].(map[string]any)
		schemas, _ := data["schemas"].([]any)
		id := op.text("bulkId")
		switch {
		case !strings.EqualFold(op.text("method"), http.MethodPost):
			return fail(400, codeBadRequest, "Invalid request: operation %d: method has to be POST.", i)
		case op.text("path") != "/Users":
			return fail(400, codeBadRequest, "Invalid request: operation %d: path has to be /Users.", i)
		case id == "" || seen[id]:
			return fail(400, codeBadRequest, "Invalid request: operation %d: bulkId has to be there and unique.", i)
		case !slices.Contains(schemas, any(scimUser)):
			return fail(400, codeBadRequest, "Invalid request: operation %d: data.schemas has to have %s.", i, scimUser)
		}
		seen[id] = true
	}
	j.waiting = append(j.waiting, upload{at: s.clock(), operations: operations})
	s.due()
	filter := "?$filter=" + escapeQuery("jobId eq '"+j.ID+"'")
	return (&answer{status: http.StatusAccepted}).with("Location", c.base+"/"+c.Version+"/auditLogs/provisioning"+filter)
}

// provision applies one record and returns its entry in the log.
func (s *Server) provision(j *job, cycle string, data Object) Object {
	want := Object{}
	for name, path := range j.Attributes {
		if v, ok := scimValue(data, path); ok {
			want[name] = v
		}
	}
	if active, ok := data["active"].(bool); ok {
		want["accountEnabled"] = active
	}
	entry := s.logEntry(j, cycle, data)
	value := want.text(j.Match)
	if value == "" {
		return entry.failed("MissingMatchingAttribute", "The record has no value for "+j.Match+".")
	}
	if j.Reject != nil {
		if code, reason := j.Reject(cloneObject(data)); code != "" {
			return entry.failed(code, reason)
		}
	}
	e := s.dir.findBy(&userType, j.Match, value)
	if e == nil {
		return s.provisionNew(entry, want)
	}
	entry["targetIdentity"] = identity(e.id, e.now.data.text("displayName"))
	changed := Object{}
	for name, v := range want {
		if !equal(e.now.data[name], v) {
			changed[name] = v
		}
	}
	if len(changed) == 0 {
		entry["provisioningAction"] = "other"
		entry["provisioningStatusInfo"] = statusInfo("skipped", "RedundantImport", "The state of the record and of the user is the same.")
		return entry
	}
	if e.now.data.flag("onPremisesSyncEnabled") {
		return entry.failed("AzureActiveDirectoryInvalidUserType", masteredOnPremises)
	}
	for _, name := range sortedKeys(changed) {
		entry.modified(name, e.now.data[name], changed[name])
		if p := userType.properties[name]; p.typ != 0 {
			if a := checkValue("User", name, p, changed[name]); a != nil {
				return entry.failed("InvalidAttributeValue", a.message())
			}
		}
	}
	entry["provisioningAction"] = "update"
	if changed["accountEnabled"] == false && len(changed) == 1 {
		entry["provisioningAction"] = "disable"
	}
	s.dir.commit(e, state{data: merge(e.now.data, changed)}, true)
	return entry
}

// provisionNew makes a user of a record.
func (s *Server) provisionNew(entry logEntry, want Object) Object {
	entry["provisioningAction"] = "create"
	upn := want.text("userPrincipalName")
	local, _, ok := strings.Cut(upn, "@")
	switch {
	case !ok || want.text("displayName") == "":
		return entry.failed("AttributeValidationFailure", "A user needs userPrincipalName and displayName.")
	case s.dir.findBy(&userType, "userPrincipalName", upn) != nil:
		return entry.failed("AzureActiveDirectoryDuplicateUserPrincipalName", "A user with this userPrincipalName exists and does not match the record.")
	}
	if want.text("mailNickname") == "" {
		want["mailNickname"] = local
	}
	for _, name := range sortedKeys(want) {
		if p, ok := userType.properties[name]; ok {
			if a := checkValue("User", name, p, want[name]); a != nil {
				return entry.failed("InvalidAttributeValue", a.message())
			}
		}
		entry.modified(name, nil, want[name])
	}
	if _, ok := want["accountEnabled"]; !ok {
		want["accountEnabled"] = true
	}
	want["id"], want["userType"], want["createdDateTime"] = s.dir.newID(), "Member", stamp(s.clock())
	e := s.dir.add(&userType, want, true)
	entry["targetIdentity"] = identity(e.id, want.text("displayName"))
	return entry
}

// scimValue finds an attribute: a.b, a[type].b, or schema:a.
func scimValue(data Object, path string) (any, bool) {
	if schema, rest, ok := cutSchema(path); ok {
		m, _ := data[schema].(map[string]any)
		return scimValue(m, rest)
	}
	first, rest, deeper := strings.Cut(path, ".")
	name, typ, isList := strings.Cut(strings.TrimSuffix(first, "]"), "[")
	v, ok := data[name]
	if isList {
		list, _ := v.([]any)
		v, ok = nil, false
		for _, element := range list {
			if m, _ := element.(map[string]any); m["type"] == typ {
				v, ok = m, true
				break
			}
		}
	}
	if !deeper || !ok {
		return v, ok
	}
	m, _ := v.(map[string]any)
	return scimValue(m, rest)
}

// cutSchema splits a path that begins with the URN of a schema, at its last colon.
func cutSchema(path string) (schema, rest string, ok bool) {
	if !strings.HasPrefix(path, "urn:") {
		return "", path, false
	}
	i := strings.LastIndexByte(path, ':')
	return path[:i], path[i+1:], true
}

// A logEntry is a provisioningObjectSummary.
type logEntry = Object

func (s *Server) logEntry(j *job, cycle string, data Object) logEntry {
	source := identity(data.text("externalId"), data.text("displayName"))
	return logEntry{
		"id": s.dir.newID(), "activityDateTime": stamp(s.clock()), "jobId": j.ID, "cycleId": cycle, "changeId": s.dir.newID(),
		"tenantId": s.organization.text("id"), "durationInMilliseconds": json.Number("120"), "provisioningAction": "other",
		"provisioningStatusInfo": statusInfo("success", "", ""), "sourceIdentity": source, "targetIdentity": identity("", ""),
		"modifiedProperties": []any{}, "provisioningSteps": []any{},
		"servicePrincipal": map[string]any{"id": j.ServicePrincipal, "displayName": "API-driven provisioning to Microsoft Entra ID"},
		"sourceSystem":     map[string]any{"id": j.ServicePrincipal, "displayName": "API", "details": map[string]any{}},
		"targetSystem":     map[string]any{"id": j.ServicePrincipal, "displayName": "Microsoft Entra ID", "details": map[string]any{}},
		"initiatedBy":      map[string]any{"id": "", "displayName": "Microsoft Entra Provisioning Service", "initiatorType": "system"},
	}
}

func identity(id, displayName string) map[string]any {
	return map[string]any{"id": id, "displayName": displayName, "identityType": "User", "details": map[string]any{}}
}

func statusInfo(status, code, reason string) map[string]any {
	m := map[string]any{"status": status, "errorInformation": nil}
	if code != "" {
		m["errorInformation"] = map[string]any{
			"errorCode": code, "reason": reason, "errorCategory": "nonServiceFailure", "additionalDetails": nil, "recommendedAction": nil,
		}
	}
	return m
}

func (o Object) failed(code, reason string) Object {
	o["provisioningStatusInfo"] = statusInfo("failure", code, reason)
	return o
}

func (o Object) modified(name string, before, after any) {
	text := func(v any) any {
		if v == nil {
			return nil
		}
		return fmt.Sprint(v)
	}
	list, _ := o["modifiedProperties"].([]any)
	o["modifiedProperties"] = append(list, map[string]any{"displayName": name, "oldValue": text(before), "newValue": text(after)})
}

// logType has what the page "provisioningObjectSummary resource type" lists; its filters are eq, gt, lt and contains.
var logType = resource{
	name: "ProvisioningObjectSummary", odata: "provisioningObjectSummary", set: "auditLogs/provisioning", logs: true,
	properties: map[string]property{
		"id": {typ: edmString, traits: byDefault}, "activityDateTime": {typ: edmTime, traits: byDefault},
		"changeId": {typ: edmString, traits: byDefault}, "cycleId": {typ: edmString, traits: byDefault},
		"durationInMilliseconds": {typ: edmInt32, traits: byDefault}, "initiatedBy": {typ: edmObject, traits: byDefault},
		"jobId": {typ: edmString, traits: byDefault}, "modifiedProperties": {typ: edmObjects, traits: byDefault},
		"provisioningAction": {typ: edmString, traits: byDefault}, "provisioningStatusInfo": {typ: edmObject, traits: byDefault},
		"provisioningSteps": {typ: edmObjects, traits: byDefault}, "servicePrincipal": {typ: edmObject, traits: byDefault},
		"sourceIdentity": {typ: edmObject, traits: byDefault}, "sourceSystem": {typ: edmObject, traits: byDefault},
		"targetIdentity": {typ: edmObject, traits: byDefault}, "targetSystem": {typ: edmObject, traits: byDefault},
		"tenantId": {typ: edmString, traits: byDefault},
	},
	filter: map[string]support{
		"id": "D--------", "activityDateTime": "D--DD----", "changeId": "D--------", "cycleId": "D--------",
		"durationInMilliseconds": "D--DD----", "initiatedBy": "D--------", "jobId": "D--------", "provisioningAction": "D--------",
		"provisioningStatusInfo": "D--------", "servicePrincipal": "D--------", "sourceIdentity": "D--------", "sourceSystem": "D--------",
		"targetIdentity": "D--------", "targetSystem": "D--------", "tenantId": "D--------",
	},
}

// auditLog answers auditLogs/provisioning, newest first unless $orderby=activityDateTime asks otherwise.
func (s *Server) auditLog(c *call, rest []segment) *answer {
	if len(rest) != 1 || rest[0].name != "provisioning" {
		return missing("/auditLogs other than provisioning")
	}
	if c.Method != http.MethodGet {
		return notAllowed(c)
	}
	list := slices.Clone(s.logs)
	switch by := strings.Fields(c.Query.Get("$orderby")); {
	case len(by) == 0, len(by) == 2 && strings.EqualFold(by[0], "activityDateTime") && by[1] == "desc":
		slices.Reverse(list)
	case len(by) <= 2 && strings.EqualFold(by[0], "activityDateTime") && (len(by) == 1 || by[1] == "asc"):
	default:
		return fail(400, codeBadRequest, "Unsupported $orderby of auditLogs/provisioning: %s", c.Query.Get("$orderby"))
	}
	return s.listPlain(c, &logType, list, "auditLogs/provisioning")
}
