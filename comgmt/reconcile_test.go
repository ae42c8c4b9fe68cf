package comgmt_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

func TestReconcile(t *testing.T) {
	now := time.Date(2025, 7, 4, 12, 0, 0, 0, time.UTC)
	// Everything agrees: pilot member with Windows Update from Intune on a 2403 site.
	agree := func() comgmt.Surfaces {
		p := &comgmt.Plan{Site: 2403, Workloads: comgmt.Workloads{comgmt.WindowsUpdate: toPilot}}
		return comgmt.Surfaces{
			Plan: p, Device: managed(func(d *comgmt.Device) { d.Flags = new(comgmt.Flags(8213)) }), Bridge: new(comgmt.Flags(8213)), Now: now,
			Site: &comgmt.SiteState{MDMEnrolled: comgmt.Yes, PolicyPresent: comgmt.Yes, Workloads: new(comgmt.Flags(8213))},
			Graph: &comgmt.GraphObject{Agent: comgmt.AgentConfigMgrAndMDM, LastSync: now.Add(-time.Hour), Features: &comgmt.Features{Workloads: map[comgmt.Workload]comgmt.Tri{
				comgmt.WindowsUpdate: comgmt.Yes, comgmt.ResourceAccess: comgmt.Yes, comgmt.Compliance: comgmt.No,
			}}},
			Log: &comgmt.LogState{Policy: new(comgmt.Flags(8213)), Applied: new(comgmt.Flags(8213)), Enrolled: comgmt.Yes, Override: comgmt.No, At: now},
		}
	}
	require.Empty(t, comgmt.Reconcile(agree()))
	require.Empty(t, comgmt.Reconcile(comgmt.Surfaces{}), "what was not read contradicts nothing")

	for _, c := range []struct {
		name     string
		change   func(*comgmt.Surfaces)
		id       string
		subject  string
		liar     comgmt.Surface
		harmless bool
		reason   string
	}{
		{"mask", func(s *comgmt.Surfaces) {
			for _, f := range []*comgmt.Flags{s.Device.Flags, s.Bridge, s.Site.Workloads, s.Log.Applied} {
				*f = 8213 & 4095
			}
		}, comgmt.DisagreeMask, "flags", comgmt.SurfaceRegistry, true, "mask 4095"},
		{"mask of the log", func(s *comgmt.Surfaces) {
			for _, f := range []*comgmt.Flags{s.Device.Flags, s.Bridge, s.Site.Workloads, s.Log.Applied} {
				*f = 8213 & 15
			}
			s.Log.Mask = new(comgmt.Flags(15))
			s.Graph = nil
		}, comgmt.DisagreeMask, "flags", comgmt.SurfaceRegistry, false, "too old"},
		{"policy not evaluated", func(s *comgmt.Surfaces) {
			for _, f := range []*comgmt.Flags{s.Device.Flags, s.Bridge, s.Site.Workloads, s.Log.Applied} {
				*f = 8199
			}
			s.Graph = nil
		}, comgmt.DisagreeStalePolicy, "flags", comgmt.SurfaceRegistry, false, "has not got windows-update yet and still has compliance"},
		{"unknown bits", func(s *comgmt.Surfaces) {
			for _, f := range []*comgmt.Flags{s.Device.Flags, s.Bridge, s.Site.Workloads, s.Log.Applied} {
				*f |= 256
			}
		}, comgmt.DisagreeStalePolicy, "flags", "", true, "without a known meaning differ: 256"},
		{"override", func(s *comgmt.Surfaces) {
			s.Device.ConfigInfo = comgmt.ConfigInfoIntune
			for _, f := range []*comgmt.Flags{s.Device.Flags, s.Bridge, s.Site.Workloads, s.Log.Applied} {
				*f = comgmt.Override
			}
			s.Graph = nil
		}, comgmt.DisagreeOverride, "flags", comgmt.SurfacePlan, false, "overrides the sliders"},
		{"Intune is the authority, registry has the site's value", func(s *comgmt.Surfaces) { s.Device.ConfigInfo = comgmt.ConfigInfoIntune; s.Graph = nil }, comgmt.DisagreeOverride, "authority", comgmt.SurfaceRegistry, false, "Intune is the authority"},
		{"override against ConfigInfo", func(s *comgmt.Surfaces) {
			*s.Device.Flags = comgmt.Override
			s.Plan, s.Bridge, s.Site, s.Log, s.Graph = nil, nil, nil, nil, nil
		}, comgmt.DisagreeAuthority, "authority", "", false, "change together"},
		{"the log says Intune set it", func(s *comgmt.Surfaces) { s.Log.Override = comgmt.Yes }, comgmt.DisagreeOverride, "flags", comgmt.SurfaceRegistry, false, "Intune set the workloads"},
		{"bridge", func(s *comgmt.Surfaces) { *s.Bridge = 8197 }, comgmt.DisagreeBridge, "flags", comgmt.SurfaceBridge, false, "MDM side"},
		{"bridge is masked", func(s *comgmt.Surfaces) { *s.Bridge = 8213 & 4095 }, comgmt.DisagreeMask, "flags", comgmt.SurfaceBridge, true, "cut by the mask"},
		{"log applied something else", func(s *comgmt.Surfaces) { *s.Log.Applied = 8197 }, comgmt.DisagreeLog, "flags", comgmt.SurfaceRegistry, false, "another time"},
		{"merged, not applied", func(s *comgmt.Surfaces) { s.Log.Applied = nil; s.Log.Merged = new(comgmt.Flags(8215)) }, comgmt.DisagreeLog, "flags", comgmt.SurfaceRegistry, false, "not applied it yet"},
		{"inventory is stale", func(s *comgmt.Surfaces) { *s.Site.Workloads = 8197 }, comgmt.DisagreeSite, "flags", comgmt.SurfaceSite, false, "inventory"},
		{"Graph lags", func(s *comgmt.Surfaces) { s.Graph.Features.Workloads[comgmt.WindowsUpdate] = comgmt.No }, comgmt.DisagreeGraph, "windows-update", comgmt.SurfaceGraph, false, "next synchronisation"},
		{"Graph is ahead", func(s *comgmt.Surfaces) { s.Graph.Features.Workloads[comgmt.Compliance] = comgmt.Yes }, comgmt.DisagreeGraph, "compliance", comgmt.SurfaceGraph, false, "moved back"},
		{"Graph is old", func(s *comgmt.Surfaces) {
			s.Graph.LastSync = now.AddDate(0, -2, 0)
			s.Graph.Features.Workloads[comgmt.WindowsUpdate] = comgmt.No
		}, comgmt.DisagreeGraph, "windows-update", comgmt.SurfaceGraph, false, "30 days"},
		{"goes along", func(s *comgmt.Surfaces) {
			s.Plan.Workloads[comgmt.DeviceConfiguration] = toIntune
			for _, f := range []*comgmt.Flags{s.Device.Flags, s.Bridge, s.Site.Workloads, s.Log.Applied} {
				*f |= 8
			}
			s.Graph.Features.Workloads[comgmt.DeviceConfiguration] = comgmt.Yes
			s.Graph.Features.Workloads[comgmt.EndpointProtection] = comgmt.Yes
		}, comgmt.DisagreeAlong, "endpoint-protection", comgmt.SurfaceRegistry, true, "takes it along"},
		{"site does not know of the enrolment", func(s *comgmt.Surfaces) { s.Site.MDMEnrolled = comgmt.No }, comgmt.DisagreeEnrolment, "enrolment", comgmt.SurfaceSite, false, "out of date"},
		{"Graph does not know of the enrolment", func(s *comgmt.Surfaces) { s.Graph.Agent = comgmt.AgentConfigMgr }, comgmt.DisagreeEnrolment, "enrolment", comgmt.SurfaceGraph, false, "out of date"},
		{"a left-over in Graph", func(s *comgmt.Surfaces) {
			s.Device.ConfigInfo, s.Device.Enrolment, s.Site.MDMEnrolled, s.Log.Enrolled = comgmt.ConfigInfoAbsent, comgmt.EnrolmentNone, comgmt.No, comgmt.No
			s.Graph.LastSync = now.AddDate(0, -2, 0)
		}, comgmt.DisagreeEnrolment, "enrolment", comgmt.SurfaceGraph, false, "left-over"},
		{"flags without enrolment", func(s *comgmt.Surfaces) {
			s.Device.ConfigInfo, s.Device.Enrolment = comgmt.ConfigInfoAbsent, comgmt.EnrolmentNone
			s.Site, s.Log, s.Graph = nil, nil, nil
		}, comgmt.DisagreeNotEnrolled, "flags", comgmt.SurfaceRegistry, true, "Without enrolment"},
		{"coexistence", func(s *comgmt.Surfaces) { s.Log.Coexistence = comgmt.Yes }, comgmt.DisagreeThirdParty, "authority", comgmt.SurfaceLog, false, "not documented"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := agree()
			c.change(&s)
			got := comgmt.Reconcile(s)
			require.NotEmpty(t, got)
			var hit *comgmt.Disagreement
			for i := range got {
				require.GreaterOrEqual(t, len(got[i].Claims), 2)
				require.NotEmpty(t, got[i].Reason)
				require.NotEqual(t, comgmt.BasisUnknown, got[i].Basis)
				if got[i].ID == c.id && got[i].Subject == c.subject && hit == nil {
					hit = &got[i]
				}
			}
			require.NotNil(t, hit, "%+v", got)
			require.Equal(t, c.liar, hit.Liar)
			require.Equal(t, c.harmless, hit.Harmless)
			require.Contains(t, hit.Reason, c.reason)
			_, err := json.Marshal(got)
			require.NoError(t, err)
		})
	}
}

func TestSiteState(t *testing.T) {
	require.Equal(t, comgmt.Yes, comgmt.SiteState{MDMEnrolled: comgmt.Yes, PolicyPresent: comgmt.Yes}.CoManaged())
	require.Equal(t, comgmt.No, comgmt.SiteState{MDMEnrolled: comgmt.No}.CoManaged())
	require.Equal(t, comgmt.Unknown, comgmt.SiteState{MDMEnrolled: comgmt.Yes}.CoManaged())
}

func ExampleReconcile() {
	device := comgmt.Device{Name: "AV-1042", OS: "Windows 11", Enrolment: comgmt.EnrolmentIntune, ConfigInfo: comgmt.ConfigInfoConfigMgr, Collections: []string{}, Flags: new(comgmt.Flags(65))}
	for _, d := range comgmt.Reconcile(comgmt.Surfaces{
		Plan:   &comgmt.Plan{Site: 2111, Workloads: comgmt.Workloads{comgmt.ClientApps: {Slider: comgmt.SliderIntune}}},
		Device: device,
	}) {
		fmt.Println(d.ID, "harmless:", d.Harmless)
		for _, c := range d.Claims {
			fmt.Printf("  %s says %s\n", c.Surface, c.Says)
		}
		fmt.Println(" ", d.Reason)
	}
	// Output:
	// mask harmless: true
	//   site policy says 8257: client-apps
	//   registry flags says 65: client-apps
	//   The client's mask 4095 cut the site's value; the workloads are the same.
}
