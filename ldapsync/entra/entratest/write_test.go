package entratest_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// TestPatchUser sends one PATCH to a user in each of three states of mastering and expects the service's answer.
func TestPatchUser(t *testing.T) {
	long := strings.Repeat("x", 1025)
	tests := []struct {
		name, user, body string
		status           int
		code, message    string
	}{
		{"plain", "cloud", `{"department":"Moat"}`, 204, "", ""},
		{"null clears", "cloud", `{"department":null}`, 204, "", ""},
		{"type annotation", "cloud", `{"@odata.type":"#microsoft.graph.user","city":"Ash"}`, 204, "", ""},
		{"wrong type annotation", "cloud", `{"@odata.type":"#microsoft.graph.device"}`, 400, "BadRequest", "microsoft.graph.user"},
		{"unknown", "cloud", `{"odataType":null}`, 400, "Request_BadRequest", "'odataType' does not exist"},
		{"case matters", "cloud", `{"Department":"x"}`, 400, "Request_BadRequest", "'Department'"},
		{"beta only", "cloud", `{"hostnames":["x"]}`, 400, "Request_BadRequest", "'hostnames'"},
		{"navigation", "cloud", `{"manager":{"id":"x"}}`, 400, "Request_BadRequest", "navigation"},
		{"bind", "cloud", `{"manager@odata.bind":"x"}`, 501, "notImplemented", "manager@odata.bind"},
		{"read-only", "cloud", `{"onPremisesSamAccountName":"maud"}`, 400, "Request_BadRequest", "Property 'onPremisesSamAccountName' is read-only and cannot be set."},
		{"read-only null", "cloud", `{"onPremisesSyncEnabled":null}`, 400, "Request_BadRequest", "read-only"},
		{"id", "cloud", `{"id":"x"}`, 400, "Request_BadRequest", "read-only"},
		{"empty text", "cloud", `{"department":""}`, 400, "Request_BadRequest", "Invalid value specified for property 'department' of resource 'User'."},
		{"too long", "cloud", `{"employeeId":"12345678901234567"}`, 400, "Request_BadRequest", "employeeId"},
		{"number for text", "cloud", `{"employeeId":71}`, 400, "BadRequest", "Edm.String"},
		{"text for boolean", "cloud", `{"accountEnabled":"true"}`, 400, "BadRequest", "Edm.Boolean"},
		{"fraction for integer", "cloud", `{"deviceEnrollmentLimit":1.5}`, 400, "BadRequest", "Edm.Int32"},
		{"integer too large", "cloud", `{"deviceEnrollmentLimit":2147483648}`, 400, "BadRequest", "Edm.Int32"},
		{"date", "cloud", `{"employeeHireDate":"2026-02-01T00:00:00Z"}`, 204, "", ""},
		{"not a date", "cloud", `{"employeeHireDate":"1.2.2026"}`, 400, "BadRequest", "Edm.DateTimeOffset"},
		{"text for collection", "cloud", `{"otherMails":"a@ashdown.example"}`, 400, "BadRequest", "Collection(Edm.String)"},
		{"null in collection", "cloud", `{"otherMails":[null]}`, 400, "BadRequest", "Collection(Edm.String)"},
		{"two phones", "cloud", `{"businessPhones":["1","2"]}`, 400, "Request_BadRequest", "businessPhones"},
		{"no phone", "cloud", `{"businessPhones":[]}`, 204, "", ""},
		{"null collection", "cloud", `{"businessPhones":null}`, 400, "Request_BadRequest", "A value is required for property 'businessPhones'"},
		{"displayName null", "cloud", `{"displayName":null}`, 400, "Request_BadRequest", "A value is required for property 'displayName' of resource 'User'."},
		{"usageLocation null", "cloud", `{"usageLocation":null}`, 400, "Request_BadRequest", "usageLocation"},
		{"usageLocation", "cloud", `{"usageLocation":"GB"}`, 204, "", ""},
		{"usageLocation long", "cloud", `{"usageLocation":"GBR"}`, 400, "Request_BadRequest", "usageLocation"},
		{"immutable id", "cloud", `{"onPremisesImmutableId":"A+b/c=="}`, 204, "", ""},
		{"immutable id refused", "cloud", `{"onPremisesImmutableId":"a_b"}`, 400, "Request_BadRequest", "onPremisesImmutableId"},
		{"upn without domain", "cloud", `{"userPrincipalName":"maud"}`, 400, "Request_BadRequest", "userPrincipalName is invalid"},
		{"upn taken", "cloud", `{"userPrincipalName":"SYNCED@ashdown.example"}`, 400, "Request_BadRequest", "Another object with the same value for property userPrincipalName already exists."},
		{"own upn", "cloud", `{"userPrincipalName":"cloud@ashdown.example"}`, 204, "", ""},
		{"sharepoint", "cloud", `{"skills":["moats"]}`, 501, "notImplemented", "SharePoint"},
		{"extension attribute", "cloud", `{"onPremisesExtensionAttributes":{"extensionAttribute15":"x"}}`, 204, "", ""},
		{"extension attribute 16", "cloud", `{"onPremisesExtensionAttributes":{"extensionAttribute16":"x"}}`, 400, "BadRequest", "extensionAttribute16"},
		{"extension attribute long", "cloud", `{"onPremisesExtensionAttributes":{"extensionAttribute1":"` + long + `"}}`, 400, "Request_BadRequest", "extensionAttribute1"},
		{"extension attribute empty", "cloud", `{"onPremisesExtensionAttributes":{"extensionAttribute1":""}}`, 400, "Request_BadRequest", "extensionAttribute1"},
		{"undefined extension", "cloud", `{"extension_0_x":"1"}`, 400, "Request_BadRequest", "The following extension properties are not available: extension_0_x."},
		{"synced: plain", "synced", `{"department":"x"}`, 400, "Request_BadRequest", "on-premises mastered Directory Sync objects"},
		{"synced: clear", "synced", `{"department":null}`, 400, "Request_BadRequest", "on-premises mastered"},
		{"synced: extension attribute", "synced", `{"onPremisesExtensionAttributes":{"extensionAttribute1":"x"}}`, 400, "Request_BadRequest", "on-premises mastered"},
		{"synced: cloud property", "synced", `{"usageLocation":"GB","otherMails":["m@ashdown.example"]}`, 204, "", ""},
		{"synced: immutable id", "synced", `{"onPremisesImmutableId":"c3luY2Vk"}`, 204, "", ""},
		{"once: plain", "once", `{"department":"x"}`, 204, "", ""},
		{"once: extension attribute", "once", `{"onPremisesExtensionAttributes":{"extensionAttribute1":"x"}}`, 400, "Request_BadRequest", "originated within an external service"},
		{"not JSON", "cloud", `{"department":`, 400, "BadRequest", "Unable to read JSON"},
		{"two values", "cloud", `{} {}`, 400, "BadRequest", "Unable to read JSON"},
		{"array", "cloud", `[]`, 400, "BadRequest", "Empty Payload"},
		{"nobody", "nobody", `{"department":"x"}`, 404, "Request_ResourceNotFound", "nobody@ashdown.example"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := entratest.New(entratest.Config{})
			s.AddUser(entratest.Object{"userPrincipalName": "cloud@ashdown.example", "department": "Tower"})
			s.AddUser(entratest.Object{"userPrincipalName": "synced@ashdown.example", "onPremisesSyncEnabled": true, "onPremisesLastSyncDateTime": "2026-11-01T00:00:00Z"})
			s.AddUser(entratest.Object{"userPrincipalName": "once@ashdown.example", "onPremisesSyncEnabled": nil, "onPremisesLastSyncDateTime": "2025-11-01T00:00:00Z"})
			before, _ := s.User(test.user + "@ashdown.example")
			r := patch(t, s, "/users/"+test.user+"@ashdown.example", test.body)
			require.Equal(t, test.status, r.status, r.raw)
			require.Equal(t, test.code, r.code())
			require.Contains(t, r.message(), test.message)
			after, _ := s.User(test.user + "@ashdown.example")
			if test.status != 204 {
				require.Equal(t, before, after, "a refused write changes nothing")
				e := r.body["error"].(map[string]any)["innerError"].(map[string]any)
				require.NotEmpty(t, e["request-id"])
				require.Equal(t, e["request-id"], r.header.Get("request-id"))
			}
		})
	}
}

func TestPatchDevice(t *testing.T) {
	tests := []struct {
		name, os, body string
		delegated      bool
		status         int
	}{
		{"extension attribute", "Windows", `{"extensionAttributes":{"extensionAttribute1":"BYOD","extensionAttribute2":null}}`, false, 204},
		{"display name", "Windows", `{"displayName":"AV-7"}`, false, 204},
		{"disable", "Windows", `{"accountEnabled":false}`, false, 204},
		{"trust type", "Windows", `{"trustType":"AzureAd"}`, false, 400},
		{"device id", "Windows", `{"deviceId":"3e2f"}`, false, 400},
		{"compliance", "Windows", `{"isCompliant":true}`, false, 403},
		{"display name null", "Windows", `{"displayName":null}`, false, 400},
		{"mac extension attribute", "MacMDM", `{"extensionAttributes":{"extensionAttribute1":"x"}}`, false, 204},
		{"mac display name", "MacMDM", `{"displayName":"x"}`, false, 403},
		{"mac display name by a person", "MacMDM", `{"displayName":"x"}`, true, 204},
		{"linux extension attribute", "Linux", `{"extensionAttributes":{"extensionAttribute1":"x"}}`, false, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := entratest.New(entratest.Config{Delegated: test.delegated})
			id := s.AddDevice(entratest.Object{"deviceId": "6fa60d52-0000-4b18-8055-4759461fc16b", "operatingSystem": test.os})
			r := patch(t, s, "/devices(deviceId='6fa60d52-0000-4b18-8055-4759461fc16b')", test.body)
			require.Equal(t, test.status, r.status, r.raw)
			d, ok := s.Device("6fa60d52-0000-4b18-8055-4759461fc16b")
			require.True(t, ok)
			require.Equal(t, id, d["id"])
		})
	}
}

func TestDeviceExtensionAttributes(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddDevice(entratest.Object{"operatingSystem": "Windows"})
	require.Equal(t, 204, patch(t, s, "/devices/"+id, `{"extensionAttributes":{"extensionAttribute1":"BYOD"}}`).status)
	require.NotContains(t, get(t, s, "/devices/"+id).body, "extensionAttributes")
	r := get(t, s, "/devices/"+id+"?$select=id,extensionAttributes")
	require.Equal(t, "BYOD", r.body["extensionAttributes"].(map[string]any)["extensionAttribute1"])
}

func TestCreateDeleteRestore(t *testing.T) {
	s := entratest.New(entratest.Config{})
	body := `{"accountEnabled":true,"displayName":"Ida","mailNickname":"ida","userPrincipalName":"ida@ashdown.example","passwordProfile":{"password":"not kept 1!"}}`
	r := do(t, s, "POST", "/users", strings.Replace(body, `"displayName":"Ida",`, "", 1))
	require.Equal(t, 400, r.status)
	r = do(t, s, "POST", "/users", body)
	require.Equal(t, 201, r.status, r.raw)
	id := r.body["id"].(string)
	require.True(t, strings.HasSuffix(r.header.Get("Location"), "/v1.0/users/"+id))
	u, _ := s.User(id)
	require.NotContains(t, u, "passwordProfile")
	require.Equal(t, 400, do(t, s, "POST", "/users", body).status, "the name is taken")

	require.Equal(t, 204, do(t, s, "DELETE", "/users/"+id, "").status)
	require.Equal(t, 404, get(t, s, "/users/"+id).status)
	require.Equal(t, 404, do(t, s, "DELETE", "/users/"+id, "").status)
	require.Len(t, get(t, s, "/directory/deletedItems/microsoft.graph.user").values(), 1)
	require.Equal(t, 200, do(t, s, "POST", "/directory/deletedItems/"+id+"/restore", "").status)
	require.Equal(t, 200, get(t, s, "/users/ida@ashdown.example").status)
	require.Empty(t, get(t, s, "/directory/deletedItems/microsoft.graph.user").values())
	require.True(t, s.DeleteUser(id, true))
	require.Equal(t, 404, do(t, s, "POST", "/directory/deletedItems/"+id+"/restore", "").status)
}

func TestBodyEncoding(t *testing.T) {
	s := entratest.New(entratest.Config{})
	id := s.AddUser(nil)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	fmt.Fprint(w, `{"department":"Moat"}`)
	require.NoError(t, w.Close())
	url := "/users/" + id
	require.Equal(t, 204, do(t, s, "PATCH", url, z.String(), "Content-Encoding", "gzip").status)
	require.Equal(t, 400, do(t, s, "PATCH", url, `{"department":"x"}`, "Content-Encoding", "gzip").status, "announced but not compressed")
	require.Equal(t, 400, do(t, s, "PATCH", url, z.String()[:z.Len()-9], "Content-Encoding", "gzip").status, "cut off")
	require.Equal(t, 400, do(t, s, "PATCH", url, z.String()).status, "compressed but not announced")
	require.Equal(t, 415, do(t, s, "PATCH", url, `{}`, "Content-Type", "text/plain").status)
	require.Equal(t, 413, do(t, s, "PATCH", url, `{"department":"`+strings.Repeat("x", entratest.MaxBody)+`"}`).status)

	var bomb bytes.Buffer
	w = gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 16 {
		_, err := w.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.Equal(t, 413, do(t, s, "PATCH", url, bomb.String(), "Content-Encoding", "gzip").status)

	u, _ := s.User(id)
	require.Equal(t, "Moat", u["department"])
	require.JSONEq(t, `{"department":"Moat"}`, string(s.Requests()[0].Body), "the record has the body decompressed")
}

func TestToken(t *testing.T) {
	s := entratest.New(entratest.Config{Token: "right"})
	s.AddUser(nil)
	for header, status := range map[string]int{"": 401, "Bearer ": 401, "Basic right": 401, "Bearer wrong": 401, "Bearer right": 200, "bearer right": 200} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", graph+"/users", nil)
		require.NoError(t, err)
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		resp, err := s.Transport().RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, status, resp.StatusCode, header)
		require.NoError(t, resp.Body.Close())
	}
	for _, r := range s.Requests() {
		require.NotContains(t, fmt.Sprintf("%+v", r), "right", "a token is never recorded")
	}
}
