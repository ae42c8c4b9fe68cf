//go:build graphreport

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	abstractions "github.com/microsoft/kiota-abstractions-go"

	"go.internal/hybridkit/ldapsync/entra/entraauth"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// demoNow is when the demo takes place, so that it always says the same.
var demoNow = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// demoAdapter is signed in to a tenant in this process.
func demoAdapter() (abstractions.RequestAdapter, error) {
	return tenantAdapter(demoTenant())
}

func tenantAdapter(s *entratest.Server) (abstractions.RequestAdapter, error) {
	return entraauth.WithCredential(entraauth.Config{GraphHost: "graph.ashdown.example", Transport: s.Transport()}, demoToken{})
}

// A demoToken is the credential of a tenant that takes any token.
type demoToken struct{}

func (demoToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "demo", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// demoTenant is a small estate of Ashdown Vale with one device of each kind.
func demoTenant() *entratest.Server {
	s := entratest.New(entratest.Config{Now: func() time.Time { return demoNow }, PageSize: 4})
	ago := func(days int) string { return demoNow.Add(-time.Duration(days) * 24 * time.Hour).Format(time.RFC3339) }
	for _, name := range []string{"ada", "bea", "cyd"} {
		s.AddUser(entratest.Object{"userPrincipalName": name + "@ashdown.example", "displayName": name})
	}
	for i, d := range []struct {
		name, trust, owner, agent, compliance string
		seen                                  int // days ago, -1 never
		pending, disabled                     bool
	}{
		{"AV-LT-0101", "ServerAd", "ada", "configurationManagerClientMdm", "compliant", 2, false, false},
		{"AV-LT-0102", "ServerAd", "bea", "configurationManagerClientMdm", "noncompliant", 5, false, false},
		{"AV-LT-0103", "ServerAd", "", "configurationManagerClient", "unknown", 1, false, false},
		{"AV-LT-0104", "ServerAd", "cyd", "mdm", "compliant", 131, false, false},
		{"AV-LT-0105", "ServerAd", "", "", "", -1, true, false},
		{"AV-LT-0106", "ServerAd", "", "", "", 40, false, false},
		{"AV-LT-0107", "ServerAd", "ada", "mdm", "compliant", 210, false, true},
		{"AV-LT-0102", "ServerAd", "", "mdm", "compliant", 300, false, false},
		{"AV-PH-0201", "Workplace", "ada", "mdm", "compliant", 1, false, false},
		{"AV-NB-0301", "AzureAd", "bea", "mdm", "compliant", 1, false, false},
	} {
		o := entratest.Object{
			"deviceId": fmt.Sprintf("0a5d0000-71c2-4e80-9b00-%012d", i+1), "displayName": d.name, "trustType": d.trust, "operatingSystem": "Windows",
			"operatingSystemVersion": "10.0.26100.4652", "accountEnabled": !d.disabled, "onPremisesSyncEnabled": d.trust == "ServerAd",
		}
		if !d.pending {
			o["profileType"], o["registrationDateTime"] = "RegisteredDevice", ago(400)
		}
		if d.seen >= 0 {
			o["approximateLastSignInDateTime"] = ago(d.seen)
		}
		id := s.AddDevice(o)
		if d.owner != "" {
			s.AddOwner(id, d.owner+"@ashdown.example")
		}
		if d.agent != "" {
			s.AddManagedDevice(entratest.Object{
				"deviceName": d.name, "azureADDeviceId": o["deviceId"], "managementAgent": d.agent, "complianceState": d.compliance, "lastSyncDateTime": ago(max(d.seen, 0)),
			})
		}
	}
	return s
}
