package comgmt_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

// a plan with nothing to say about it, for each check to spoil.
func sound(change func(*comgmt.Plan)) *comgmt.Plan {
	p := &comgmt.Plan{
		Site:          2403,
		AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolPilot, Collection: "Enrol"},
		Workloads: comgmt.Workloads{
			comgmt.Compliance:     {Slider: comgmt.SliderIntune},
			comgmt.ResourceAccess: {Slider: comgmt.SliderIntune},
			comgmt.WindowsUpdate:  {Slider: comgmt.SliderPilot, Collection: "Pilot"},
		},
	}
	if change != nil {
		change(p)
	}
	return p
}

func fleet() []comgmt.Device {
	return []comgmt.Device{
		{Name: "AV-1", OS: "Windows 11", Join: comgmt.HybridJoined, Enrolment: comgmt.EnrolmentIntune, Collections: []string{"Enrol", "Pilot"}},
		{Name: "AV-2", OS: "Windows 11", Join: comgmt.HybridJoined, Enrolment: comgmt.EnrolmentNone, Collections: []string{"Enrol"}},
	}
}

func ids(fs []comgmt.Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Check)
	}
	return out
}

func TestPlanLint(t *testing.T) {
	require.Empty(t, sound(nil).Lint(comgmt.Goals{ConditionalAccess: true}, fleet()), "the quiet case of every check")
	put := func(w comgmt.Workload, s comgmt.Setting) func(*comgmt.Plan) {
		return func(p *comgmt.Plan) { p.Workloads[w] = s }
	}
	intune := comgmt.Setting{Slider: comgmt.SliderIntune}
	pilot := comgmt.Setting{Slider: comgmt.SliderPilot, Collection: "Pilot"}
	for _, c := range []struct {
		check  string
		status comgmt.Status
		plan   *comgmt.Plan
		goals  comgmt.Goals
		fleet  []comgmt.Device
	}{
		{comgmt.CheckSiteVersionMissing, comgmt.StatusWarning, sound(func(p *comgmt.Plan) { p.Site = 0 }), comgmt.Goals{}, nil},
		{comgmt.CheckPilotNoCollection, comgmt.StatusFailure, sound(put(comgmt.ClientApps, comgmt.Setting{Slider: comgmt.SliderPilot, Collection: " "})), comgmt.Goals{}, nil},
		{comgmt.CheckCollectionNoPilot, comgmt.StatusWarning, sound(put(comgmt.ClientApps, comgmt.Setting{Collection: "Pilot"})), comgmt.Goals{}, nil},
		{comgmt.CheckAutoEnrolNone, comgmt.StatusWarning, sound(func(p *comgmt.Plan) { p.AutoEnrolment = comgmt.AutoEnrolment{} }), comgmt.Goals{}, nil},
		{comgmt.CheckAutoEnrolCollection, comgmt.StatusFailure, sound(func(p *comgmt.Plan) { p.AutoEnrolment.Collection = "" }), comgmt.Goals{}, nil},
		{comgmt.CheckOutsideAutoEnrol, comgmt.StatusWarning, sound(nil), comgmt.Goals{}, append(fleet(), comgmt.Device{Name: "AV-3", Enrolment: comgmt.EnrolmentNone, Collections: []string{"Pilot"}})},
		{comgmt.CheckWorkloadTooNew, comgmt.StatusFailure, sound(func(p *comgmt.Plan) { p.Site = 1710; p.Workloads[comgmt.ClientApps] = intune }), comgmt.Goals{}, nil},
		{comgmt.CheckLegacyGroups, comgmt.StatusWarning, sound(func(p *comgmt.Plan) { p.Legacy.ExclusionGroup = []string{"Out"} }), comgmt.Goals{}, nil},
		{comgmt.CheckCollectionTooEarly, comgmt.StatusWarning, sound(func(p *comgmt.Plan) { p.Site = 1902; p.Legacy.PilotGroup = []string{"Shared"} }), comgmt.Goals{}, nil},
		{comgmt.CheckResourceAccess, comgmt.StatusInfo, sound(put(comgmt.ResourceAccess, comgmt.Setting{})), comgmt.Goals{}, nil},
		{comgmt.CheckResourceAccess, comgmt.StatusWarning, sound(func(p *comgmt.Plan) { p.Site = 2309; p.Workloads[comgmt.ResourceAccess] = comgmt.Setting{} }), comgmt.Goals{}, nil},
		{comgmt.CheckResourceAccess, comgmt.StatusWarning, sound(func(p *comgmt.Plan) { p.Site = 2203; p.Workloads[comgmt.ResourceAccess] = comgmt.Setting{} }), comgmt.Goals{}, nil},
		{comgmt.CheckTakesAlong, comgmt.StatusWarning, sound(put(comgmt.DeviceConfiguration, pilot)), comgmt.Goals{}, nil},
		{comgmt.CheckEndpointAlone, comgmt.StatusInfo, sound(put(comgmt.EndpointProtection, intune)), comgmt.Goals{}, nil},
		{comgmt.CheckPilotRemoval, comgmt.StatusInfo, sound(put(comgmt.EndpointProtection, pilot)), comgmt.Goals{}, nil},
		{comgmt.CheckConditionalAccess, comgmt.StatusFailure, sound(put(comgmt.Compliance, comgmt.Setting{})), comgmt.Goals{ConditionalAccess: true}, nil},
		{comgmt.CheckConditionalAccess, comgmt.StatusWarning, sound(put(comgmt.Compliance, pilot)), comgmt.Goals{ConditionalAccess: true}, nil},
		{comgmt.CheckConditionalAccess, comgmt.StatusInfo, sound(put(comgmt.Compliance, comgmt.Setting{})), comgmt.Goals{}, nil},
		{comgmt.CheckAutopatch, comgmt.StatusFailure, sound(nil), comgmt.Goals{Autopatch: true}, nil},
		{comgmt.CheckAutopilotPilot, comgmt.StatusFailure, sound(nil), comgmt.Goals{Autopilot: true}, nil},
		{comgmt.CheckAutopilotVersion, comgmt.StatusFailure, sound(func(p *comgmt.Plan) { p.Site = 2107 }), comgmt.Goals{Autopilot: true}, nil},
		{comgmt.CheckCollectionEmpty, comgmt.StatusWarning, sound(put(comgmt.ClientApps, comgmt.Setting{Slider: comgmt.SliderPilot, Collection: "Piolt"})), comgmt.Goals{}, fleet()},
	} {
		t.Run(fmt.Sprintf("%s/%v", c.check, c.status), func(t *testing.T) {
			fs := c.plan.Lint(c.goals, c.fleet)
			require.Contains(t, ids(fs), c.check)
			for _, f := range fs {
				if f.Check != c.check {
					continue
				}
				require.Equal(t, c.status, f.Status)
				require.NotEmpty(t, f.Subject)
				require.NotEmpty(t, f.Message)
				require.NotEmpty(t, f.Remedy)
				require.NotEmpty(t, f.Source)
			}
		})
	}
	// A plan of devices that say nothing about collections is not blamed for empty ones.
	require.Empty(t, sound(nil).Lint(comgmt.Goals{}, []comgmt.Device{{Name: "AV-1"}}))
}

func TestStepLint(t *testing.T) {
	set := func(site comgmt.SiteVersion, mode comgmt.EnrolMode, w comgmt.Workloads) *comgmt.Plan {
		return &comgmt.Plan{Site: site, AutoEnrolment: comgmt.AutoEnrolment{Mode: mode}, Workloads: w}
	}
	pilot := func(c string) comgmt.Setting { return comgmt.Setting{Slider: comgmt.SliderPilot, Collection: c} }
	wu, ep, dc := comgmt.WindowsUpdate, comgmt.EndpointProtection, comgmt.DeviceConfiguration
	base := set(2309, comgmt.EnrolAll, comgmt.Workloads{wu: pilot("A")})
	require.Empty(t, comgmt.LintStep(base, base))
	require.Empty(t, comgmt.LintStep(base, set(2309, comgmt.EnrolAll, comgmt.Workloads{wu: toIntune})), "pilot to Intune is the way")
	require.Empty(t, comgmt.LintStep(set(2309, 0, nil), set(2403, 0, nil)), "what the site forces is no move of the plan")
	for check, to := range map[string]*comgmt.Plan{
		comgmt.CheckSeveralMoves:   set(2309, comgmt.EnrolAll, comgmt.Workloads{wu: toIntune, ep: pilot("A")}),
		comgmt.CheckOverlap:        set(2309, comgmt.EnrolAll, comgmt.Workloads{wu: pilot("A"), dc: pilot("A"), ep: pilot("A")}),
		comgmt.CheckSkippedPilot:   set(2309, comgmt.EnrolAll, comgmt.Workloads{wu: pilot("A"), ep: toIntune}),
		comgmt.CheckMovedBack:      set(2309, comgmt.EnrolAll, nil),
		comgmt.CheckVersionBack:    set(2303, comgmt.EnrolAll, comgmt.Workloads{wu: pilot("A")}),
		comgmt.CheckEnrolmentBack:  set(2309, comgmt.EnrolNone, comgmt.Workloads{wu: pilot("A")}),
		comgmt.CheckPilotForgotten: set(2309, comgmt.EnrolAll, comgmt.Workloads{wu: pilot("B")}),
	} {
		fs := comgmt.LintStep(base, to)
		require.Contains(t, ids(fs), check)
		for _, f := range fs {
			require.NotEqual(t, comgmt.StatusFailure, f.Status)
			require.NotEmpty(t, f.Message)
		}
	}
}

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range comgmt.Checks() {
		require.False(t, seen[c.ID], c.ID)
		seen[c.ID] = true
		require.NotEmpty(t, c.Title)
		require.NotEmpty(t, c.Source)
		require.NotEmpty(t, c.Remedy)
		got, ok := comgmt.CheckByID(c.ID)
		require.True(t, ok)
		require.Equal(t, c, got)
	}
	for _, r := range comgmt.Rules() {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
		require.NotEmpty(t, r.Title)
		require.NotEmpty(t, r.Source)
	}
	_, ok := comgmt.RuleByID("nothing")
	require.False(t, ok)
	_, ok = comgmt.CheckByID("nothing")
	require.False(t, ok)
}

func TestDiff(t *testing.T) {
	from := &comgmt.Plan{Site: 2309, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolNone}}
	to := &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolAll}, Workloads: comgmt.Workloads{comgmt.WindowsUpdate: toPilot}}
	var sum comgmt.Summary
	add := func(d comgmt.Device) (comgmt.DeviceChange, bool) {
		c, ok := comgmt.Diff(from, to, d)
		sum.Add(c, ok)
		return c, ok
	}
	member, ok := add(managed())
	require.True(t, ok)
	require.Len(t, member.Workloads, 2)
	require.Equal(t, comgmt.RulePilotMember, member.Workloads[comgmt.WindowsUpdate].To.Rule)
	require.Equal(t, comgmt.RuleForced, member.Workloads[comgmt.ResourceAccess].To.Rule)
	require.Equal(t, comgmt.Flags(8193), *member.Before.Flags)
	require.Equal(t, comgmt.Flags(8213), *member.After.Flags)
	require.Equal(t, comgmt.Yes, member.After.Features[comgmt.WindowsUpdate])
	require.Equal(t, comgmt.No, member.Before.Features[comgmt.WindowsUpdate])
	require.False(t, member.Enrols)

	none, ok := add(managed(func(d *comgmt.Device) { d.Enrolment, d.ConfigInfo = comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent }))
	require.True(t, ok, "flags change and it starts to enrol")
	require.Empty(t, none.Workloads)
	require.True(t, none.Enrols)
	require.Equal(t, comgmt.Unknown, none.After.Features[comgmt.WindowsUpdate], "Graph says nothing about a device that is not enrolled")

	_, ok = add(managed(func(d *comgmt.Device) { d.OS = "Windows Server 2022" }))
	require.False(t, ok)
	_, ok = add(managed(func(d *comgmt.Device) { d.ConfigInfo = comgmt.ConfigInfoIntune; d.Flags = new(comgmt.Override) }))
	require.False(t, ok, "an overridden device ignores sliders")

	require.Equal(t, comgmt.Summary{Devices: 4, Changed: 2, Enrol: 1, Workloads: map[comgmt.Workload]comgmt.Count{
		comgmt.WindowsUpdate: {ToIntune: 1}, comgmt.ResourceAccess: {ToIntune: 1},
	}}, sum)
}

func TestExpect(t *testing.T) {
	p := &comgmt.Plan{Site: 2309, Workloads: comgmt.Workloads{comgmt.DeviceConfiguration: toIntune, comgmt.ClientApps: toPilot}}
	e := p.Expect(managed())
	require.Equal(t, comgmt.Flags(8193|8|64), *e.Flags, "bits follow the sliders, not what goes along")
	require.Equal(t, comgmt.Unknown, e.Features[comgmt.EndpointProtection], "what Graph says of a workload that goes along is not documented")
	require.Equal(t, comgmt.Yes, e.Features[comgmt.DeviceConfiguration])
	require.Nil(t, p.Expect(managed(func(d *comgmt.Device) { d.Collections = nil })).Flags)
	require.Nil(t, (&comgmt.Plan{}).Expect(managed()).Flags)
	require.Nil(t, p.Expect(managed(func(d *comgmt.Device) { d.OS = "Windows Server 2019" })).Flags)
	require.Nil(t, p.Expect(managed(func(d *comgmt.Device) { d.Enrolment = comgmt.EnrolmentThirdParty })).Flags)
	require.Equal(t, comgmt.Override, *p.Expect(managed(func(d *comgmt.Device) { d.ConfigInfo = comgmt.ConfigInfoIntune; d.Flags = new(comgmt.Override) })).Flags)
	unknown := p.Expect(managed(func(d *comgmt.Device) { d.Enrolment, d.ConfigInfo = 0, 0 }))
	require.NotNil(t, unknown.Flags, "flags do not need enrolment")
	require.Equal(t, comgmt.Unknown, unknown.Features[comgmt.WindowsUpdate])
	shared := &comgmt.Plan{Site: 1902, Workloads: comgmt.Workloads{comgmt.Compliance: {Slider: comgmt.SliderPilot}}, Legacy: comgmt.Legacy{PilotGroup: []string{"Pilot"}, ExclusionGroup: []string{"Out"}}}
	require.Equal(t, comgmt.Flags(3), *shared.Expect(managed()).Flags)
	require.Nil(t, shared.Expect(managed(func(d *comgmt.Device) { d.Collections = []string{"Out"} })).Flags)
}
