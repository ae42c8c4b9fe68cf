package comgmt_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

func graphOf(s string) ([]comgmt.GraphObject, error) {
	var out []comgmt.GraphObject
	for o, err := range comgmt.DecodeGraph(strings.NewReader(s)) {
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
	return out, nil
}

const (
	v1Device = `{"@odata.type":"#microsoft.graph.managedDevice","id":"1","deviceName":"AV-1042","managementAgent":"configurationManagerClientMdm","lastSyncDateTime":"2025-07-04T08:00:00Z",
		"configurationManagerClientEnabledFeatures":{"inventory":false,"modernApps":true,"resourceAccess":true,"deviceConfiguration":false,"compliancePolicy":true,"windowsUpdateForBusiness":false}}`
	betaDevice = `{"id":"2","deviceName":"AV-1043","managementAgent":"configurationManagerClientMdmEas","joinType":"hybridAzureADJoined",
		"configurationManagerClientEnabledFeatures":{"@odata.type":"x","inventory":true,"modernApps":false,"resourceAccess":false,"deviceConfiguration":true,"compliancePolicy":true,"windowsUpdateForBusiness":true,"endpointProtection":false,"officeApps":null,"printing":true},
		"configurationManagerClientHealthState":{"state":"communicationError","errorCode":-2016410539,"lastSyncDateTime":"2025-07-04T08:00:02.3205976-08:00"}}`
)

func TestDecodeGraph(t *testing.T) {
	for _, text := range []string{v1Device, `{"value":` + v1Device + `}`, `{"value":[` + v1Device + `]}`, `[` + v1Device + `]`, `{"@odata.context":"c","value":[` + v1Device + `],"@odata.nextLink":"n"}`} {
		os, err := graphOf(text)
		require.NoError(t, err, text)
		require.Len(t, os, 1)
		o := os[0]
		require.Equal(t, comgmt.KindManagedDevice, o.Kind)
		require.Equal(t, "AV-1042", o.Name)
		require.Equal(t, comgmt.Yes, o.Agent.CoManaged())
		require.Equal(t, comgmt.Yes, o.Features.Get(comgmt.ClientApps))
		require.Equal(t, comgmt.No, o.Features.Get(comgmt.WindowsUpdate))
		require.Equal(t, comgmt.Unknown, o.Features.Get(comgmt.EndpointProtection), "absent is not false")
		require.Equal(t, comgmt.No, o.Features.Inventory)
		missing := o.Features.Missing()
		require.Len(t, missing, 2)
		require.Contains(t, missing[comgmt.EndpointProtection], "beta")
		require.Contains(t, missing[comgmt.OfficeClickToRun], "beta")
		require.JSONEq(t, v1Device, string(o.Raw))
	}
	os, err := graphOf(betaDevice)
	require.NoError(t, err)
	o := os[0]
	require.Equal(t, comgmt.No, o.Features.Get(comgmt.EndpointProtection))
	require.Equal(t, comgmt.Unknown, o.Features.Get(comgmt.OfficeClickToRun))
	require.Equal(t, map[string]json.RawMessage{"printing": json.RawMessage("true")}, o.Features.Extra)
	b, err := json.Marshal(o.Features)
	require.NoError(t, err)
	require.JSONEq(t, `{"inventory":true,"modernApps":false,"resourceAccess":false,"deviceConfiguration":true,"compliancePolicy":true,"windowsUpdateForBusiness":true,"endpointProtection":false,"officeApps":null,"printing":true}`, string(b))
	require.Equal(t, "communicationError", o.Health.State)
	require.Equal(t, comgmt.HealthInstalled|comgmt.HealthRegistered|comgmt.HealthCommsError, o.Health.Bits)
	require.Equal(t, "2025-07-04T16:00:02.3205976Z", o.Health.LastSync.UTC().Format(time.RFC3339Nano))
	r := o.Report()
	require.Len(t, r.Notes, 2, "resource access and endpoint protection go along")

	for text, kind := range map[string]comgmt.GraphKind{
		`{"@odata.type":"#microsoft.graph.comanagementEligibleDevice","status":"scheduledForEnrollment"}`: comgmt.KindEligibleDevice,
		`{"mdmStatus":"x","status":"brandNew"}`:                                                           comgmt.KindEligibleDevice,
		`{"totalComanagedCount":3,"configurationSettingsCount":2,"officeAppsCount":1}`:                    comgmt.KindCoManagedSummary,
		`{"eligibleButNotAzureAdJoinedCount":1}`:                                                          comgmt.KindEligibleSummary,
		`{"displayName":"a user"}`:                                                                        comgmt.KindUnrecognised,
		`{"managementAgent":"mdm","configurationManagerClientEnabledFeatures":null}`:                      comgmt.KindManagedDevice,
	} {
		os, err := graphOf(text)
		require.NoError(t, err)
		require.Equal(t, kind, os[0].Kind)
		_, err = json.Marshal(os[0].Report())
		require.NoError(t, err)
	}
	summary, err := graphOf(`{"totalComanagedCount":3,"configurationSettingsCount":2,"officeAppsCount":1}`)
	require.NoError(t, err)
	n, ok := summary[0].Workload(comgmt.DeviceConfiguration)
	require.True(t, ok)
	require.Equal(t, int64(2), n)
	_, ok = summary[0].Workload(comgmt.WindowsUpdate)
	require.False(t, ok)

	null, err := graphOf(`{"managementAgent":"mdm","configurationManagerClientEnabledFeatures":null}`)
	require.NoError(t, err)
	require.Nil(t, null[0].Features)
	require.True(t, null[0].HasFeatures)
	require.Contains(t, null[0].Report().Notes[0], "no Configuration Manager client")

	never, err := graphOf(`{"managementAgent":"configurationManagerClientMdm","lastSyncDateTime":"1900-02-01T00:00:00Z"}`)
	require.NoError(t, err)
	require.True(t, never[0].NeverCheckedIn)
}

func TestDecodeGraphErrors(t *testing.T) {
	for text, why := range map[string]string{
		"": "unexpected EOF", "7": "not a Graph entity", `"x"`: "not a Graph entity", `[1]`: "not a Graph entity", `[null]`: "not a Graph entity",
		`{"value":7}`:           "neither an entity nor an array",
		`{"value":[` + v1Device: "unexpected EOF",
		`{"value":{"id":"1"}`:   "unexpected EOF",
		v1Device + "{}":         "more follows",
		`{"managementAgent":7}`: "managementAgent",
		`{"managementAgent":"mdm","configurationManagerClientEnabledFeatures":{"modernApps":"yes"}}`: "modernApps",
		`{"error":{"code":"Forbidden","message":"no right"}}`:                                        "Forbidden: no right",
		"\x89PNG": "invalid character",
	} {
		_, err := graphOf(text)
		require.ErrorContains(t, err, why, text)
	}
	_, err := graphOf(`{"error":{"code":"Forbidden","message":"no right"}}`)
	require.ErrorIs(t, err, comgmt.ErrGraphAnswer)
}

func TestAgents(t *testing.T) {
	for agent, want := range map[comgmt.ManagementAgent][2]comgmt.Tri{ // co-managed, enrolled
		"configurationManagerClient": {comgmt.No, comgmt.No}, "configurationManagerClientMdm": {comgmt.Yes, comgmt.Yes}, "configurationManagerClientMdmEas": {comgmt.Yes, comgmt.Yes},
		"mdm": {comgmt.No, comgmt.Yes}, "unknown": {0, 0}, "": {0, 0}, "newThing": {0, 0}, "jamf": {comgmt.No, 0}, "eas": {comgmt.No, comgmt.No}, "msSense": {comgmt.No, 0},
	} {
		require.Equal(t, want, [2]comgmt.Tri{agent.CoManaged(), agent.Enrolled()}, agent)
	}
	n, ok := comgmt.AgentConfigMgrAndMDM.Number()
	require.True(t, ok)
	require.Equal(t, 10, n)
	_, ok = comgmt.ManagementAgent("newThing").Number()
	require.False(t, ok)
	n, ok = comgmt.Eligibility("scheduledForEnrollment").Number()
	require.True(t, ok)
	require.Equal(t, 6, n)
	_, ok = comgmt.Eligibility("brandNew").Number()
	require.False(t, ok)
	require.Contains(t, comgmt.Eligibility("brandNew").Meaning(), "does not know")
}

func TestClientHealth(t *testing.T) {
	now := time.Date(2025, 7, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		bits           comgmt.ClientHealth
		age            time.Duration
		healthy, fresh comgmt.Tri
	}{
		{7, 29 * 24 * time.Hour, comgmt.Yes, comgmt.Yes}, {7, 31 * 24 * time.Hour, comgmt.Unknown, comgmt.No},
		{23, 47 * time.Hour, comgmt.No, comgmt.Yes}, {23, 49 * time.Hour, comgmt.Unknown, comgmt.No}, {1, time.Hour, comgmt.No, comgmt.Yes},
	} {
		healthy, fresh := c.bits.Healthy(now.Add(-c.age), now)
		require.Equal(t, [2]comgmt.Tri{c.healthy, c.fresh}, [2]comgmt.Tri{healthy, fresh}, "%v %v", c.bits, c.age)
	}
	_, fresh := comgmt.ClientHealth(7).Healthy(time.Time{}, now)
	require.Equal(t, comgmt.Unknown, fresh)
	require.Equal(t, "installed, registered, evaluated, communication error", comgmt.ClientHealth(23).String())
	require.Equal(t, "installed, 64", comgmt.ClientHealth(65).String())
	require.Equal(t, "unknown", comgmt.ClientHealth(0).String())
}

func TestCorpusGraph(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no sample documents")
	}
	files, err := filepath.Glob(filepath.Join(dir, "comgmt", "graph", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		os, err := graphOf(string(b))
		require.NoError(t, err, name)
		require.Len(t, os, 1)
		require.NotEqual(t, comgmt.KindUnrecognised, os[0].Kind, name)
		if os[0].Kind == comgmt.KindManagedDevice {
			require.Empty(t, os[0].Features.Missing(), "a beta document has all")
		}
	}
}

func FuzzDecodeGraph(f *testing.F) {
	for _, s := range []string{v1Device, betaDevice, `{"value":[` + v1Device + `,{}]}`, `{"value":{}}`, `[{}]`, `{"error":{}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for o, err := range comgmt.DecodeGraph(strings.NewReader(s)) {
			if err != nil {
				return
			}
			if _, err := json.Marshal(o.Report()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func ExampleDecodeGraph() {
	doc := `{"deviceName":"AV-1042","managementAgent":"configurationManagerClientMdm",
		"configurationManagerClientEnabledFeatures":{"compliancePolicy":true,"windowsUpdateForBusiness":false}}`
	for o, err := range comgmt.DecodeGraph(strings.NewReader(doc)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(o.Name, "co-managed:", o.Agent.CoManaged())
		for _, w := range []comgmt.Workload{comgmt.Compliance, comgmt.WindowsUpdate, comgmt.OfficeClickToRun} {
			fmt.Println(w, "with Intune:", o.Features.Get(w))
		}
	}
	// Output:
	// AV-1042 co-managed: yes
	// compliance with Intune: yes
	// windows-update with Intune: no
	// office-click-to-run with Intune: unknown
}
