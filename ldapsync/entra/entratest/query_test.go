package entratest_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// vale is a directory small enough to say what every filter finds.
func vale() *entratest.Server {
	s := entratest.New(entratest.Config{})
	s.AddUser(entratest.Object{
		"userPrincipalName": "ada@ashdown.example", "displayName": "Ada O'Neil", "department": "Moat", "employeeId": "10", "companyName": "Vale",
		"onPremisesImmutableId": "A+b/c==", "proxyAddresses": []string{"SMTP:ada@ashdown.example", "smtp:a@ashdown.example"},
		"createdDateTime": "2026-01-02T03:04:05Z", "onPremisesExtensionAttributes": entratest.Object{"extensionAttribute1": "north"},
	})
	s.AddUser(entratest.Object{
		"userPrincipalName": "bea@ashdown.example", "displayName": "Bea", "employeeId": "11", "accountEnabled": false,
		"createdDateTime": "2026-06-02T03:04:05Z",
	})
	s.AddUser(entratest.Object{"userPrincipalName": "cyd@ashdown.example", "displayName": "Cyd", "department": "Tower", "city": "Ash"})
	s.AddDevice(entratest.Object{"displayName": "AV-1", "trustType": "ServerAd", "operatingSystem": "Windows", "physicalIds": []string{"[HWID]:h:1"}})
	s.AddDevice(entratest.Object{"displayName": "AV-2", "trustType": "Workplace", "operatingSystem": "Windows"})
	return s
}

func TestFilter(t *testing.T) {
	s := vale()
	const no = -1 // refused
	tests := []struct {
		set, filter     string
		plain, advanced int
	}{
		{"users", "userPrincipalName eq 'ADA@ashdown.example'", 1, 1},
		{"users", "displayName eq 'Ada O''Neil'", 1, 1},
		{"users", "employeeId eq '10' or employeeId eq '11'", 2, 2},
		{"users", "(employeeId eq '10' or employeeId eq '11') and accountEnabled eq true", 1, 1},
		{"users", "accountEnabled eq false", 1, 1},
		{"users", "mail eq 'x@ashdown.example'", 0, 0},
		{"users", "department in ('Moat', 'Tower')", 2, 2},
		{"users", "startsWith(displayName,'ad')", 1, 1},
		{"users", "startswith(employeeId,'1')", 2, 2},
		{"users", "endsWith(userPrincipalName,'@ashdown.example')", no, 3},
		{"users", "department eq null", no, 1},
		{"users", "department ne null", no, 2},
		{"users", "department ne 'Moat'", no, 2},
		{"users", "not (department eq 'Moat')", no, 2},
		{"users", "not startsWith(displayName,'A')", no, 2},
		{"users", "companyName eq 'Vale'", no, 1},
		{"users", "onPremisesImmutableId eq 'A+b/c=='", no, 1},
		{"users", "onPremisesSamAccountName eq 'ada'", no, 0},
		{"users", "onPremisesExtensionAttributes/extensionAttribute1 eq 'north'", no, 1},
		{"users", "onPremisesExtensionAttributes/extensionAttribute1 eq null", no, 2},
		{"users", "createdDateTime ge 2026-06-01T00:00:00Z", 1, 1},
		{"users", "createdDateTime lt 2026-06-01T00:00:00Z", 1, 1},
		{"users", "proxyAddresses/any(p:p eq 'smtp:a@ashdown.example')", 1, 1},
		{"users", "proxyAddresses/any(p:startsWith(p,'SMTP:ada'))", 1, 1},
		{"users", "proxyAddresses/any(p:endsWith(p,'ashdown.example'))", no, 1},
		{"users", "givenName eq null", no, 3},
		{"users", "contains(displayName,'d')", no, no},
		{"users", "aboutMe eq 'x'", no, no},
		{"users", "nosuch eq 'x'", no, no},
		{"users", "extension_0_x eq 'x'", no, no},
		{"users", "onPremisesExtensionAttributes/extensionAttribute16 eq 'x'", no, no},
		{"users", "onPremisesExtensionAttributes eq 'x'", no, no},
		{"users", "displayName = 'Ada'", no, no},
		{"users", "displayName eq 'Ada", no, no},
		{"users", "displayName eq", no, no},
		{"users", "displayName eq 'Ada' extra", no, no},
		{"users", "(displayName eq 'Ada'", no, no},
		{"users", "", no, no},
		{"devices", "trustType eq 'ServerAd'", 1, 1},
		{"devices", "displayName eq 'av-2'", 1, 1},
		{"devices", "startsWith(displayName,'AV')", 2, 2},
		{"devices", "operatingSystem eq 'Windows' and trustType ne 'ServerAd'", no, 1},
		{"devices", "physicalIds/any(p:startsWith(p,'[HWID]'))", 1, 1},
		{"devices", "deviceOwnership eq 'Company'", no, no},
	}
	for _, test := range tests {
		t.Run(test.filter, func(t *testing.T) {
			q := "/" + test.set + "?$filter=" + url.QueryEscape(test.filter)
			plain := get(t, s, q)
			advanced := get(t, s, q+"&$count=true", "ConsistencyLevel", "eventual")
			for _, c := range []struct {
				got  reply
				want int
			}{{plain, test.plain}, {advanced, test.advanced}} {
				if c.want == no {
					require.Equal(t, 400, c.got.status, c.got.raw)
					require.Contains(t, []string{"BadRequest", "Request_UnsupportedQuery"}, c.got.code())
					continue
				}
				require.Equal(t, 200, c.got.status, c.got.raw)
				require.Len(t, c.got.values(), c.want)
			}
			if test.advanced != no {
				require.EqualValues(t, test.advanced, advanced.body["@odata.count"])
			}
		})
	}
}

func TestSimpleImmutableID(t *testing.T) {
	s := entratest.New(entratest.Config{SimpleImmutableID: true})
	s.AddUser(entratest.Object{"onPremisesImmutableId": "A+b/c=="})
	require.Len(t, get(t, s, "/users?$filter="+url.QueryEscape("onPremisesImmutableId eq 'A+b/c=='")).values(), 1)
}

func TestFilterLimits(t *testing.T) {
	s := vale()
	clauses := func(n int, glue string) string {
		f := "employeeId eq '0'"
		for i := 1; i < n; i++ {
			f += fmt.Sprintf("%semployeeId eq '%d'", glue, i)
		}
		return f
	}
	require.Equal(t, 200, get(t, s, "/users?$filter="+url.QueryEscape(clauses(15, " or "))).status)
	require.Equal(t, "Request_UnsupportedQuery", get(t, s, "/users?$filter="+url.QueryEscape(clauses(16, " or "))).code())
	deep := ""
	for range 5000 {
		deep += "("
	}
	require.Equal(t, 400, get(t, s, "/users?$filter="+deep).status)
	deep = ""
	for range 5000 {
		deep += "not "
	}
	require.Equal(t, 400, get(t, s, "/users?$filter="+url.QueryEscape(deep), "ConsistencyLevel", "eventual").status)
}

func TestQueryOptions(t *testing.T) {
	s := vale()
	for q, status := range map[string]int{
		"/users?$count=true":                      400, // needs ConsistencyLevel
		"/users?$top=0":                           400,
		"/users?$top=1000":                        400,
		"/users?$top=999":                         200,
		"/users?$select=nosuch":                   400,
		"/users?$select=DisplayName":              200,
		"/users?$search=x":                        501,
		"/users?$orderby=mail":                    501,
		"/users?$expand=manager":                  501,
		"/users?$bogus=1":                         400,
		"/users?$top=1&$top=2":                    400,
		"/users?$skiptoken=rubbish":               400,
		"/users?$filter=%zz":                      400,
		"/users/x('y')/z":                         501,
		"/users(3)":                               400,
		"/groups":                                 501,
		"/users/ada@ashdown.example/manager":      501,
		"/devices?$expand=registeredOwners":       200,
		"/users/$count":                           400,
		"/users/ada@ashdown.example?$select=mail": 200,
	} {
		require.Equal(t, status, get(t, s, q).status, q)
	}
	r := get(t, s, "/users/$count", "ConsistencyLevel", "eventual")
	require.Equal(t, "3", r.raw)
	require.Equal(t, 405, do(t, s, "PUT", "/users", `{}`).status)
	require.Equal(t, 400, get(t, s, "https://x/v2.0/users").status)
	require.Contains(t, get(t, s, "https://x/beta/devices").values()[0], "trustType")
	require.Equal(t, 200, get(t, s, "https://x/beta/devices?$select=hostnames").status)
	require.Equal(t, 400, get(t, s, "/devices?$select=hostnames").status)
}

func TestPaging(t *testing.T) {
	s := entratest.New(entratest.Config{PageSize: 10})
	for i := range 25 {
		s.AddUser(entratest.Object{"employeeId": fmt.Sprint(i % 2)})
	}
	seen := map[any]bool{}
	pages := 0
	for link := "/users?$select=id&$count=true&$filter=" + url.QueryEscape("employeeId eq '0'") + "&$top=4"; link != ""; pages++ {
		r := get(t, s, link, "ConsistencyLevel", "eventual")
		require.Equal(t, 200, r.status, r.raw)
		require.Equal(t, pages == 0, r.body["@odata.count"] != nil, "the count is on the first page")
		for _, v := range r.values() {
			require.False(t, seen[v["id"]])
			require.Len(t, v, 1)
			seen[v["id"]] = true
		}
		link, _ = r.body["@odata.nextLink"].(string)
	}
	require.Len(t, seen, 13)
	require.Equal(t, 4, pages)

	full := get(t, s, "/users?$top=25")
	require.NotContains(t, full.body, "@odata.nextLink", "a page that is just full is the last")
	require.Len(t, get(t, s, "/users").values(), 10)
}

func TestEmptyPages(t *testing.T) {
	s := entratest.New(entratest.Config{PageSize: 2, EmptyPages: true})
	for range 5 {
		s.AddUser(nil)
		s.AddManagedDevice(nil)
	}
	for _, link := range []string{"/users", "/deviceManagement/managedDevices", "/users/delta"} {
		var sizes []int
		for link != "" {
			r := get(t, s, link)
			require.Equal(t, 200, r.status, r.raw)
			sizes = append(sizes, len(r.values()))
			link, _ = r.body["@odata.nextLink"].(string)
		}
		require.Equal(t, []int{2, 0, 2, 0, 1}, sizes)
	}
}

func TestOwners(t *testing.T) {
	s := vale()
	d := s.AddDevice(entratest.Object{"displayName": "AV-3"})
	s.AddOwner(d, "ada@ashdown.example")
	require.Equal(t, "Ada O'Neil", get(t, s, "/devices/"+d+"/registeredOwners").values()[0]["displayName"])
	r := get(t, s, "/devices/"+d+"?$select=displayName&$expand=registeredOwners")
	owner := r.body["registeredOwners"].([]any)[0].(map[string]any)
	require.Equal(t, "#microsoft.graph.user", owner["@odata.type"])
}
