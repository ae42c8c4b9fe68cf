package entratest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// testCall is a request with a token, as the server takes it.
func testCall(t testing.TB, s *Server, method, target, body string) *call {
	t.Helper()
	r := httptest.NewRequest("GET", "http://graph.ashdown.example/", strings.NewReader(body))
	r.Method = method // any text at all
	path, query, _ := strings.Cut(target, "?")
	r.URL = &url.URL{Scheme: "http", Host: r.Host, Path: path, RawQuery: query}
	r.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Type": {"application/json"}}
	return s.newCall(r)
}

// FuzzRequest sends any request to a server with something of everything in it: no request panics, and every answer is
// one that can be encoded.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/v1.0/users?$filter=startsWith(displayName,'a') and not (city eq null)&$count=true", ""},
		{"GET", "/v1.0/users?$filter=proxyAddresses/any(p:p eq 'x') or id in ('1','2')&$top=3", ""},
		{"PATCH", "/v1.0/users/ada@ashdown.example", `{"department":null,"onPremisesExtensionAttributes":{"extensionAttribute1":"x"},"extension_0_a":[1]}`},
		{"PATCH", "/beta/devices(deviceId='1')", `{"extensionAttributes":null,"alternativeSecurityIds":[{"key":"AA=="}]}`},
		{"POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"PATCH","url":"/users/1?x=%zz","headers":{"Content-Type":"application/json"},"body":{"city":"x"},"dependsOn":[]}]}`},
		{"POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"Ida","mailNickname":"ida","userPrincipalName":"ida@ashdown.example","passwordProfile":{"password":"x"}}`},
		{"POST", "/v1.0/applications/app/extensionProperties", `{"name":"x","dataType":"String","targetObjects":["User"],"isMultiValued":true}`},
		{"GET", "/v1.0/users/delta?$skiptoken=eyJzIjoidXNlcnMifQ", ""},
		{"POST", "/v1.0/servicePrincipals/sp/synchronization/jobs/job/bulkUpload", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"POST","bulkId":"1","path":"/Users","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"name":{"givenName":1},"externalId":"1"}}]}`},
		{"GET", "/v1.0/auditLogs/provisioning?$orderby=activityDateTime desc&$filter=contains(jobId,'j')", ""},
		{"GET", "/beta/deviceManagement/deviceConfigurations/cfg?$expand=assignments", ""},
		{"POST", "/v1.0/directory/deletedItems/gone/restore", ""},
		{"", "", ""}, {"GET", "//", "{"}, {"GET", "/v1.0/users('", ""}, {"GET", "/v1.0/(x)", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		s := New(Config{IndexLag: Lag{Reads: 1}, Budgets: []Budget{WriteBudget(), UnitBudget(), UploadBudget()}, DeltaRepeats: true, ShuffleBatch: true})
		app := s.AddApplication(Object{"id": "app", "appId": "0"})
		s.AddExtension(app, "a", "Integer", "User", "Device")
		s.AddUser(Object{"id": "1", "userPrincipalName": "ada@ashdown.example", "department": "Moat"})
		s.AddUser(Object{"id": "gone"})
		s.DeleteUser("gone", false)
		s.AddDevice(Object{"id": "2", "deviceId": "1", "operatingSystem": "Windows"})
		s.AddOwner("2", "1")
		s.AddConfiguration(Object{"id": "cfg", "@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile"})
		s.AddProvisioningJob(ProvisioningJob{ServicePrincipal: "sp", ID: "job"})
		for _, level := range []string{"", "eventual"} {
			c := testCall(t, s, method, target, body)
			c.Header.Set("ConsistencyLevel", level)
			if strings.Contains(target, "bulkUpload") {
				c.Header.Set("Content-Type", "application/scim+json")
			}
			a := s.serve(c)
			if a.status < 200 || a.status > 599 {
				t.Fatalf("status %d", a.status)
			}
			if b, _ := a.encode(); strings.Contains(string(b), "answer cannot be encoded") {
				t.Fatal("an answer cannot be encoded")
			}
		}
		for _, u := range append(s.Users(), s.Devices()...) {
			if u.text("id") == "" {
				t.Fatal("an object lost its id")
			}
		}
	})
}
