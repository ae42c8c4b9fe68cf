package entratest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

func TestDirectoryExtensions(t *testing.T) {
	s := entratest.New(entratest.Config{})
	app := s.AddApplication(entratest.Object{"appId": "b7d8e648-520f-41d3-b9c0-fdeb91768a0a", "displayName": "Vale sync"})
	require.Equal(t, app, get(t, s, "/applications?$filter="+url.QueryEscape("appId eq 'b7d8e648-520f-41d3-b9c0-fdeb91768a0a'")).values()[0]["id"])
	require.Equal(t, app, get(t, s, "/applications(appId='b7d8e648-520f-41d3-b9c0-fdeb91768a0a')").body["id"])

	define := func(body string) reply {
		return do(t, s, "POST", "/applications/"+app+"/extensionProperties", body)
	}
	r := define(`{"name":"towerNumber","dataType":"Integer","targetObjects":["User","Device"]}`)
	require.Equal(t, 201, r.status, r.raw)
	name := "extension_b7d8e648520f41d3b9c0fdeb91768a0a_towerNumber"
	require.Equal(t, name, r.body["name"])
	require.Equal(t, false, r.body["isSyncedFromOnPremises"])
	for _, body := range []string{
		`{"name":"towerNumber","dataType":"Integer","targetObjects":["User"]}`, // exists
		`{"name":"x","dataType":"Text","targetObjects":["User"]}`,
		`{"name":"x","dataType":"String","targetObjects":["Mailbox"]}`,
		`{"name":"x","dataType":"String","targetObjects":[]}`,
		`{"name":"9 x","dataType":"String","targetObjects":["User"]}`,
		`{"name":"x","dataType":"String"}`,
		`{"name":"x","dataType":"String","targetObjects":["User"],"appDisplayName":"y"}`,
	} {
		require.Equal(t, 400, define(body).status, body)
	}

	user := s.AddUser(entratest.Object{"userPrincipalName": "ada@ashdown.example"})
	require.Equal(t, 204, patch(t, s, "/users/"+user, `{"`+name+`":7}`).status)
	require.Equal(t, 400, patch(t, s, "/users/"+user, `{"`+name+`":"7"}`).status, "an Integer")
	require.EqualValues(t, 7, get(t, s, "/users/"+user+"?$select=id,"+name).body[name])
	require.NotContains(t, get(t, s, "/users/"+user).body, name)
	require.Len(t, get(t, s, "/users?$filter="+url.QueryEscape(name+" eq 7")).values(), 1)
	_, link := round(t, s, "/users/delta?$select="+name)
	require.Equal(t, 204, patch(t, s, "/users/"+user, `{"`+name+`":null}`).status)
	require.NotContains(t, get(t, s, "/users/"+user+"?$select=id,"+name).body, name)
	changes, _ := round(t, s, link)
	require.Equal(t, []map[string]any{{"id": user, name: nil}}, changes)

	only := s.AddExtension(app, "moat", "String", "User")
	device := s.AddDevice(entratest.Object{"operatingSystem": "Windows"})
	require.Equal(t, 204, patch(t, s, "/devices/"+device, `{"`+name+`":1}`).status)
	require.Equal(t, 400, patch(t, s, "/devices/"+device, `{"`+only+`":"x"}`).status, "defined for users")
	s.SetUser(user, entratest.Object{"onPremisesSyncEnabled": true})
	require.Equal(t, 204, patch(t, s, "/users/"+user, `{"`+only+`":"x"}`).status, "the cloud's own, also for a synchronised user")
	s.SyncExtension(only)
	require.Equal(t, 400, patch(t, s, "/users/"+user, `{"`+only+`":"y"}`).status)

	list := get(t, s, "/applications/"+app+"/extensionProperties").values()
	require.Len(t, list, 2)
	require.Len(t, do(t, s, "POST", "/directoryObjects/microsoft.graph.getAvailableExtensionProperties", `{"isSyncedFromOnPremises":true}`).values(), 1)
	require.Equal(t, 204, do(t, s, "DELETE", fmt.Sprintf("/applications/%s/extensionProperties/%s", app, list[0]["id"]), "").status)
	require.Equal(t, 400, patch(t, s, "/devices/"+device, `{"`+name+`":1}`).status)
	require.Panics(t, func() { s.AddUser(entratest.Object{"extension_0_x": "y"}) })
	require.Panics(t, func() { s.AddUser(entratest.Object{"nosuch": "y"}) })
	require.Panics(t, func() { s.AddUser(entratest.Object{"department": 3}) })
}

// record is one operation of a bulkUpload.
func record(bulkID, externalID, name, more string) string {
	return fmt.Sprintf(`{"method":"POST","bulkId":%q,"path":"/Users","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],
		"externalId":%q,"userName":"%s@ashdown.example","displayName":%q,"active":true%s}}`, bulkID, externalID, name, name, more)
}

func bulk(operations ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[` + strings.Join(operations, ",") + `],"failOnErrors":null}`
}

const upload = "/servicePrincipals/8f0c/synchronization/jobs/API2AAD.71/bulkUpload"

func TestBulkUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := entratest.New(entratest.Config{Budgets: []entratest.Budget{entratest.UploadBudget(), entratest.WriteBudget()}})
		s.AddProvisioningJob(entratest.ProvisioningJob{
			ServicePrincipal: "8f0c", ID: "API2AAD.71", Delay: 10 * time.Minute,
			Reject: func(data entratest.Object) (code, reason string) {
				if data["externalId"] == "13" {
					return "RejectedByTest", "unlucky"
				}
				return "", ""
			},
		})
		known := s.AddUser(entratest.Object{"employeeId": "11", "userPrincipalName": "bea@ashdown.example", "displayName": "Bea"})
		s.AddUser(entratest.Object{"employeeId": "14", "userPrincipalName": "dot@ashdown.example", "displayName": "dot", "onPremisesSyncEnabled": true})
		s.AddUser(entratest.Object{"employeeId": "16", "userPrincipalName": "fay@ashdown.example", "displayName": "fay"})
		body := bulk(
			record("a", "10", "ada", `,"name":{"givenName":"Ada"},"addresses":[{"type":"home"},{"type":"work","locality":"Ash"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Moat"}`),
			record("b", "11", "bea", `,"title":"Keeper"`),
			record("c", "13", "cyd", ""), record("d", "14", "dot", `,"title":"x"`), record("e", "", "eve", ""), record("f", "16", "fay", ""),
			record("g", "17", "fay", ""),
		)
		r := do(t, s, "POST", upload, body, "Content-Type", "application/scim+json")
		require.Equal(t, 202, r.status, r.raw)
		require.Empty(t, r.raw)
		require.Empty(t, s.Writes(), "an upload is no write of the directory's budget")
		log := r.header.Get("Location")
		require.Empty(t, get(t, s, log).values())
		require.Len(t, s.Users(), 3)
		time.Sleep(10 * time.Minute)

		entries := get(t, s, log+"&$orderby=activityDateTime").values()
		require.Len(t, entries, 7)
		var got []string
		for _, e := range entries {
			info := e["provisioningStatusInfo"].(map[string]any)
			line := fmt.Sprint(e["sourceIdentity"].(map[string]any)["id"], " ", e["provisioningAction"], " ", info["status"])
			if ei, ok := info["errorInformation"].(map[string]any); ok {
				line += " " + ei["errorCode"].(string)
			}
			got = append(got, line)
		}
		require.Equal(t, []string{
			"10 create success", "11 update success", "13 other failure RejectedByTest", "14 other failure AzureActiveDirectoryInvalidUserType",
			" other failure MissingMatchingAttribute", "16 other skipped RedundantImport", "17 create failure AzureActiveDirectoryDuplicateUserPrincipalName",
		}, got)
		u, ok := s.User("ada@ashdown.example")
		require.True(t, ok)
		require.Equal(t, []any{"10", "Ada", "Ash", "Moat", "ada", true}, []any{u["employeeId"], u["givenName"], u["city"], u["department"], u["mailNickname"], u["accountEnabled"]})
		require.Equal(t, u["id"], entries[0]["targetIdentity"].(map[string]any)["id"])
		u, _ = s.User(known)
		require.Equal(t, "Keeper", u["jobTitle"])

		failed := url.QueryEscape("jobId eq 'API2AAD.71' and provisioningStatusInfo/status eq 'failure'")
		require.Len(t, get(t, s, "/auditLogs/provisioning?$filter="+failed).values(), 4)
		require.Len(t, get(t, s, "/auditLogs/provisioning?$filter="+url.QueryEscape("contains(sourceIdentity/displayName,'fay')")).values(), 2)
		require.Empty(t, get(t, s, "/auditLogs/provisioning?$filter="+url.QueryEscape("jobId eq 'api2aad.71'")).values(), "compared with case")
		later := url.QueryEscape("activityDateTime gt " + time.Now().Add(time.Second).UTC().Format(time.RFC3339))
		require.Empty(t, get(t, s, "/auditLogs/provisioning?$filter="+later).values())
	})
}

func TestBulkUploadRefused(t *testing.T) {
	s := entratest.New(entratest.Config{})
	s.AddProvisioningJob(entratest.ProvisioningJob{ServicePrincipal: "8f0c", ID: "API2AAD.71", Delay: -1})
	var many []string
	for i := range 51 {
		many = append(many, record(fmt.Sprint(i), fmt.Sprint(i), fmt.Sprint("u", i), ""))
	}
	send := func(body string) int {
		return do(t, s, "POST", upload, body, "Content-Type", "application/scim+json").status
	}
	require.Equal(t, 202, send(bulk(many[:50]...)))
	for name, body := range map[string]string{
		"51": bulk(many...), "none": bulk(), "twice": bulk(many[0], many[0]), "no schema": `{"Operations":[` + many[0] + `]}`,
		"method":  bulk(strings.Replace(many[0], `"POST"`, `"PUT"`, 1)),
		"path":    bulk(strings.Replace(many[0], "/Users", "/Groups", 1)),
		"schemas": bulk(strings.Replace(many[0], "core:2.0:User", "core:2.0:Group", 1)),
	} {
		require.Equal(t, 400, send(body), name)
	}
	require.Equal(t, 415, do(t, s, "POST", upload, bulk(many[0])).status, "application/json")
	require.Equal(t, 405, get(t, s, upload).status)
	require.Equal(t, 404, do(t, s, "POST", strings.Replace(upload, "71", "72", 1), bulk(many[0]), "Content-Type", "application/scim+json").status)
	require.Equal(t, "API2AAD.71", get(t, s, "/servicePrincipals/8f0c/synchronization/jobs").values()[0]["id"])
	require.Empty(t, s.Users())
	require.Equal(t, 50, s.RunProvisioning())
	require.Len(t, s.Users(), 50)
	require.Zero(t, s.RunProvisioning())
}

func TestIntune(t *testing.T) {
	s := entratest.New(entratest.Config{PageSize: 2})
	for i := range 3 {
		s.AddManagedDevice(entratest.Object{
			"deviceName": fmt.Sprintf("AV-%d", i), "managementAgent": "configurationManagerClientMdm", "joinType": "hybridAzureADJoined",
			"configurationManagerClientEnabledFeatures": entratest.Object{"inventory": true},
		})
	}
	r := get(t, s, "/deviceManagement/managedDevices?$select=deviceName,managementAgent")
	require.Len(t, r.values(), 2)
	require.Len(t, get(t, s, r.body["@odata.nextLink"].(string)).values(), 1)
	require.Equal(t, 400, get(t, s, "/deviceManagement/managedDevices?$select=joinType").status, "beta only")
	require.Equal(t, 200, get(t, s, "https://x/beta/deviceManagement/managedDevices?$select=joinType").status)
	require.Len(t, get(t, s, "/deviceManagement/managedDevices?$filter="+url.QueryEscape("deviceName eq 'av-1'")).values(), 1)

	id := s.AddConfiguration(entratest.Object{
		"@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile", "displayName": "Vale SCEP", "scepServerUrls": []string{"https://scep.ashdown.example/"},
	}, entratest.Object{"target": entratest.Object{"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": "71"}})
	path := "/deviceManagement/deviceConfigurations"
	v1 := get(t, s, path).values()[0]
	require.Equal(t, "#microsoft.graph.deviceConfiguration", v1["@odata.type"])
	require.NotContains(t, v1, "scepServerUrls")
	require.NotContains(t, v1, "assignments")
	beta := get(t, s, "https://x/beta"+path+"/"+id+"?$expand=assignments").body
	require.Equal(t, "#microsoft.graph.windows81SCEPCertificateProfile", beta["@odata.type"])
	require.Contains(t, beta, "scepServerUrls")
	require.Len(t, beta["assignments"], 1)
	require.Equal(t, "71", get(t, s, "https://x/beta"+path+"/"+id+"/assignments").values()[0]["target"].(map[string]any)["groupId"])
	require.Equal(t, 404, get(t, s, path+"/nosuch").status)
	require.Equal(t, 501, patch(t, s, path+"/"+id, `{}`).status)
}

func TestOrganization(t *testing.T) {
	s := entratest.New(entratest.Config{})
	s.SetOrganization(entratest.Object{"displayName": "Ashdown Vale", "onPremisesSyncEnabled": true})
	require.Equal(t, true, get(t, s, "/organization").values()[0]["onPremisesSyncEnabled"])
}
