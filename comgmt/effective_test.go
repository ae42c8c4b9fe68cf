package comgmt_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

// Devices and plans that the scenarios vary.
func managed(change ...func(*comgmt.Device)) comgmt.Device {
	d := comgmt.Device{Name: "AV-1042", OS: "Windows 11 Enterprise", Join: comgmt.HybridJoined, Enrolment: comgmt.EnrolmentIntune, Collections: []string{"Pilot"}, ConfigInfo: comgmt.ConfigInfoConfigMgr}
	for _, c := range change {
		c(&d)
	}
	return d
}

func plan(site comgmt.SiteVersion, w comgmt.Workload, s comgmt.Setting, change ...func(*comgmt.Plan)) *comgmt.Plan {
	p := &comgmt.Plan{Site: site, Workloads: comgmt.Workloads{w: s}}
	for _, c := range change {
		c(p)
	}
	return p
}

var (
	toIntune = comgmt.Setting{Slider: comgmt.SliderIntune}
	toPilot  = comgmt.Setting{Slider: comgmt.SliderPilot, Collection: "Pilot"}
	stays    = comgmt.Setting{}
)

type scenario struct {
	name      string
	plan      *comgmt.Plan
	device    comgmt.Device
	workload  comgmt.Workload
	authority comgmt.Authority
	rule      string
	basis     comgmt.Basis
}

func scenarios() []scenario {
	const (
		intune, site, none, unknown = comgmt.AuthorityIntune, comgmt.AuthorityConfigMgr, comgmt.AuthorityNone, comgmt.AuthorityUnknown
		wu, ra, ep, dc              = comgmt.WindowsUpdate, comgmt.ResourceAccess, comgmt.EndpointProtection, comgmt.DeviceConfiguration
		documented                  = comgmt.BasisDocumented
		observed                    = comgmt.BasisObserved
		derived                     = comgmt.BasisDerived
		nothing                     = comgmt.BasisUnknown
	)
	os := func(s string) func(*comgmt.Device) { return func(d *comgmt.Device) { d.OS = s } }
	enrol := func(e comgmt.Enrolment, c comgmt.ConfigInfo) func(*comgmt.Device) {
		return func(d *comgmt.Device) { d.Enrolment, d.ConfigInfo = e, c }
	}
	flags := func(f comgmt.Flags) func(*comgmt.Device) { return func(d *comgmt.Device) { d.Flags = new(f) } }
	in := func(c ...string) func(*comgmt.Device) { return func(d *comgmt.Device) { d.Collections = c } }
	client := func(c comgmt.Client) func(*comgmt.Device) { return func(d *comgmt.Device) { d.Client = c } }
	legacy := func(pilot, exclusion string) func(*comgmt.Plan) {
		return func(p *comgmt.Plan) {
			p.Legacy = comgmt.Legacy{PilotGroup: []string{pilot}, ExclusionGroup: []string{exclusion}}
		}
	}
	with := func(w comgmt.Workload, s comgmt.Setting) func(*comgmt.Plan) {
		return func(p *comgmt.Plan) { p.Workloads[w] = s }
	}
	return []scenario{
		// The slider (section Slider of the authority model).
		{"slider at Intune", plan(2309, wu, toIntune), managed(), wu, intune, comgmt.RuleSliderIntune, documented},
		{"slider at Configuration Manager", plan(2309, wu, stays), managed(), wu, site, comgmt.RuleSliderConfigMgr, documented},
		{"no setting is Configuration Manager", &comgmt.Plan{Site: 2309}, managed(), wu, site, comgmt.RuleSliderConfigMgr, documented},
		{"pilot, member", plan(2309, wu, toPilot), managed(), wu, intune, comgmt.RulePilotMember, documented},
		{"pilot, member in other letters", plan(2309, wu, toPilot), managed(in(" PILOT")), wu, intune, comgmt.RulePilotMember, documented},
		{"pilot, not a member", plan(2309, wu, toPilot), managed(in("Other")), wu, site, comgmt.RulePilotOther, documented},
		{"pilot, member of nothing", plan(2309, wu, toPilot), managed(in([]string{}...), func(d *comgmt.Device) { d.Collections = []string{} }), wu, site, comgmt.RulePilotOther, documented},
		{"pilot, membership unknown", plan(2309, wu, toPilot), managed(func(d *comgmt.Device) { d.Collections = nil }), wu, unknown, comgmt.RuleMembershipUnknown, nothing},
		{"pilot, membership unknown, flags say Intune", plan(2309, wu, toPilot), managed(func(d *comgmt.Device) { d.Collections = nil }, flags(8209)), wu, intune, comgmt.RuleClientFlags, derived},
		{"pilot, membership unknown, flags say not", plan(2309, wu, toPilot), managed(func(d *comgmt.Device) { d.Collections = nil }, flags(8193)), wu, site, comgmt.RuleClientFlags, derived},
		{"pilot without a collection", plan(2309, wu, comgmt.Setting{Slider: comgmt.SliderPilot}), managed(), wu, site, comgmt.RulePilotEmpty, derived},
		{"one workload's pilot is not another's", plan(2309, wu, toPilot), managed(), comgmt.Compliance, site, comgmt.RuleSliderConfigMgr, documented},

		// Shared groups before 1906.
		{"shared pilot, member", plan(1902, wu, toPilot, legacy("Pilot", "Out")), managed(), wu, intune, comgmt.RulePilotMember, documented},
		{"shared pilot, not a member", plan(1902, wu, toPilot, legacy("Shared", "Out")), managed(), wu, site, comgmt.RulePilotOther, documented},
		{"shared pilot, excluded", plan(1902, wu, toIntune, legacy("Shared", "Pilot")), managed(), wu, site, comgmt.RuleExcluded, documented},
		{"exclusion means nothing from 1906 on", plan(1906, wu, toIntune, legacy("Shared", "Pilot")), managed(), wu, intune, comgmt.RuleSliderIntune, documented},
		{"excluded or not is unknown", plan(1902, wu, toIntune, legacy("Shared", "Out")), managed(func(d *comgmt.Device) { d.Collections = nil }), wu, unknown, comgmt.RuleMembershipUnknown, nothing},
		{"own collection means nothing before 1906", plan(1902, wu, toPilot), managed(), wu, site, comgmt.RulePilotEmpty, derived},

		// What Device Configuration takes along.
		{"resource access goes along", plan(2309, dc, toIntune), managed(), ra, intune, comgmt.RuleDeviceConfiguration, documented},
		{"endpoint protection goes along", plan(2309, dc, toIntune), managed(), ep, intune, comgmt.RuleDeviceConfiguration, documented},
		{"along with a pilot", plan(2309, dc, toPilot), managed(), ep, intune, comgmt.RuleDeviceConfiguration, documented},
		{"not along for others", plan(2309, dc, toPilot), managed(in("Other")), ep, site, comgmt.RuleSliderConfigMgr, documented},
		{"nothing else goes along", plan(2309, dc, toIntune), managed(), wu, site, comgmt.RuleSliderConfigMgr, documented},
		{"own slider comes first", plan(2309, dc, toIntune, with(ep, toIntune)), managed(), ep, intune, comgmt.RuleSliderIntune, documented},
		{"along or not is unknown", plan(2309, dc, toPilot), managed(func(d *comgmt.Device) { d.Collections = nil }), ep, unknown, comgmt.RuleMembershipUnknown, nothing},
		{"endpoint protection takes nothing along", plan(2309, ep, toIntune), managed(), dc, site, comgmt.RuleSliderConfigMgr, documented},

		// Resource access from 2403 on.
		{"forced at 2403", plan(2403, wu, stays), managed(), ra, intune, comgmt.RuleForced, documented},
		{"forced later", plan(2509, ra, stays), managed(), ra, intune, comgmt.RuleForced, documented},
		{"not forced before", plan(2309, wu, stays), managed(), ra, site, comgmt.RuleSliderConfigMgr, documented},
		{"not forced without enrolment", plan(2403, wu, stays), managed(enrol(comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent)), ra, site, comgmt.RuleNotEnrolled, observed},

		// Enrolment.
		{"not enrolled", plan(2403, wu, toIntune), managed(enrol(comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent)), wu, site, comgmt.RuleNotEnrolled, observed},
		{"not enrolled, flags all set", plan(2403, wu, toIntune), managed(enrol(comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent), flags(12543)), wu, site, comgmt.RuleNotEnrolled, observed},
		{"not enrolled, but ConfigInfo says so", plan(2403, wu, toIntune), managed(enrol(comgmt.EnrolmentNone, comgmt.ConfigInfoConfigMgr)), wu, site, comgmt.RuleNotEnrolled, derived},
		{"enrolment from ConfigInfo", plan(2309, wu, toIntune), managed(enrol(comgmt.EnrolmentUnknown, comgmt.ConfigInfoConfigMgr)), wu, intune, comgmt.RuleSliderIntune, documented},
		{"no enrolment from ConfigInfo", plan(2309, wu, toIntune), managed(enrol(comgmt.EnrolmentUnknown, comgmt.ConfigInfoAbsent)), wu, site, comgmt.RuleNotEnrolled, observed},
		{"enrolment unknown and it matters", plan(2309, wu, toIntune), managed(enrol(comgmt.EnrolmentUnknown, comgmt.ConfigInfoUnread)), wu, unknown, comgmt.RuleEnrolmentUnknown, nothing},
		{"enrolment unknown, the same either way", plan(2309, wu, stays), managed(enrol(comgmt.EnrolmentUnknown, comgmt.ConfigInfoUnread)), wu, site, comgmt.RuleSliderConfigMgr, derived},
		{"enrolled, but ConfigInfo absent", plan(2309, wu, toIntune), managed(enrol(comgmt.EnrolmentIntune, comgmt.ConfigInfoAbsent)), wu, unknown, comgmt.RuleEnrolmentConflict, nothing},
		{"ConfigInfo unread is an assumption", plan(2309, wu, toIntune), managed(enrol(comgmt.EnrolmentIntune, comgmt.ConfigInfoUnread)), wu, intune, comgmt.RuleSliderIntune, derived},
		{"ConfigInfo of no known meaning", plan(2309, wu, toIntune), managed(enrol(comgmt.EnrolmentIntune, 7)), wu, intune, comgmt.RuleSliderIntune, derived},

		// Intune as the authority for the whole device.
		{"ConfigInfo 1 and override", plan(2309, wu, stays), managed(enrol(comgmt.EnrolmentIntune, comgmt.ConfigInfoIntune), flags(comgmt.Override)), wu, intune, comgmt.RuleIntuneAuthority, observed},
		{"ConfigInfo 1 alone", plan(2309, wu, stays), managed(enrol(comgmt.EnrolmentIntune, comgmt.ConfigInfoIntune), flags(8197)), wu, intune, comgmt.RuleIntuneAuthority, observed},
		{"override alone", plan(2309, wu, stays), managed(enrol(comgmt.EnrolmentIntune, comgmt.ConfigInfoUnread), flags(comgmt.Override)), wu, intune, comgmt.RuleIntuneAuthority, observed},
		{"override and ConfigInfo 2", plan(2309, wu, stays), managed(flags(comgmt.Override)), wu, unknown, comgmt.RuleAuthorityConflict, nothing},
		{"override without enrolment", plan(2309, wu, stays), managed(enrol(comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent), flags(comgmt.Override)), wu, site, comgmt.RuleNotEnrolled, observed},
		{"all set is not an override", plan(2309, wu, stays), managed(flags(12543)), wu, site, comgmt.RuleSliderConfigMgr, documented},

		// Third-party MDM.
		{"coexistence", plan(2403, wu, toIntune), managed(enrol(comgmt.EnrolmentThirdParty, comgmt.ConfigInfoUnread)), wu, none, comgmt.RuleCoexistence, documented},
		{"a server does not coexist", plan(2403, wu, toIntune), managed(enrol(comgmt.EnrolmentThirdParty, comgmt.ConfigInfoUnread), os("Windows Server 2022")), wu, site, comgmt.RuleNotWindowsClient, documented},

		// Operating system.
		{"server", plan(2403, wu, toIntune), managed(os("Microsoft Windows NT Server 10.0")), wu, site, comgmt.RuleNotWindowsClient, documented},
		{"Windows 8.1", plan(2403, wu, toIntune), managed(os("Windows 8.1 Pro")), wu, site, comgmt.RuleNotWindowsClient, documented},
		{"workstation", plan(2309, wu, toIntune), managed(os("Microsoft Windows NT Workstation 10.0")), wu, intune, comgmt.RuleSliderIntune, documented},
		{"unknown system, enrolled", plan(2309, wu, toIntune), managed(os("")), wu, intune, comgmt.RuleSliderIntune, documented},

		// Client.
		{"no client, enrolled", plan(2309, wu, stays), managed(client(comgmt.ClientMissing)), wu, intune, comgmt.RuleNoClientEnrolled, derived},
		{"no client, not enrolled", plan(2309, wu, toIntune), managed(client(comgmt.ClientMissing), enrol(comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent)), wu, none, comgmt.RuleNoClient, derived},
		{"no client, enrolment unknown", plan(2309, wu, toIntune), managed(client(comgmt.ClientMissing), enrol(comgmt.EnrolmentUnknown, comgmt.ConfigInfoUnread)), wu, unknown, comgmt.RuleEnrolmentUnknown, nothing},
		{"client installed", plan(2309, wu, stays), managed(client(comgmt.ClientInstalled)), wu, site, comgmt.RuleSliderConfigMgr, documented},
	}
}

func TestEffective(t *testing.T) {
	fired := map[string]bool{comgmt.RuleFlagsUnread: true} // see TestObserved
	quiet := map[string]bool{comgmt.RuleFlagsUnread: true}
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			v := s.plan.Effective(s.device).Verdict(s.workload)
			require.Equal(t, s.rule, v.Rule, "%v", v)
			require.Equal(t, s.authority, v.Authority)
			require.Equal(t, s.basis, v.Basis, "%v", v.Evidence)
			require.Equal(t, s.workload, v.Workload)
			require.NotEmpty(t, v.Evidence)
		})
		fired[s.rule] = true
		for _, r := range comgmt.Rules() {
			if r.ID != s.rule {
				quiet[r.ID] = true
			}
		}
	}
	for _, r := range comgmt.Rules() {
		require.True(t, fired[r.ID], "a scenario in which %s decides", r.ID)
		require.True(t, quiet[r.ID], "a scenario in which %s does not decide", r.ID)
	}
}

// TestEveryVerdict checks what must hold for all devices and plans, whatever the combination.
func TestEveryVerdict(t *testing.T) {
	sliders := []comgmt.Setting{stays, toPilot, toIntune, {Slider: comgmt.SliderPilot}}
	for _, site := range []comgmt.SiteVersion{0, 1902, 2111, 2403} {
		for _, a := range sliders {
			for _, b := range sliders {
				p := &comgmt.Plan{Site: site, Workloads: comgmt.Workloads{comgmt.DeviceConfiguration: a, comgmt.EndpointProtection: b}}
				for enrolment := comgmt.EnrolmentUnknown; enrolment <= comgmt.EnrolmentThirdParty; enrolment++ {
					for _, info := range []comgmt.ConfigInfo{0, 1, 2, -1} {
						for _, flags := range []*comgmt.Flags{nil, new(comgmt.Flags(8197)), new(comgmt.Override)} {
							for _, collections := range [][]string{nil, {}, {"Pilot"}} {
								d := comgmt.Device{Name: "AV-1", OS: "Windows 11", Enrolment: enrolment, ConfigInfo: info, Flags: flags, Collections: collections}
								checkVerdicts(t, p, d)
							}
						}
					}
				}
			}
		}
	}
}

func checkVerdicts(t *testing.T, p *comgmt.Plan, d comgmt.Device) {
	e := p.Effective(d)
	if len(e.Workloads) != 7 {
		t.Fatalf("%d verdicts", len(e.Workloads))
	}
	for w, v := range e.Workloads {
		r, ok := comgmt.RuleByID(v.Rule)
		switch {
		case !ok || v.Workload != w || len(v.Evidence) == 0:
			t.Fatalf("%+v on %+v: %+v", p, d, v)
		case (v.Authority == comgmt.AuthorityUnknown) != (v.Basis == comgmt.BasisUnknown):
			t.Fatalf("unknown without reason or the reverse: %+v on %+v: %+v", p, d, v)
		case v.Basis != r.Basis && v.Basis != comgmt.BasisDerived:
			t.Fatalf("basis: %+v", v)
		case v.Authority == comgmt.AuthorityIntune && d.Enrolment == comgmt.EnrolmentNone:
			t.Fatalf("Intune without enrolment: %+v on %+v", v, d)
		}
	}
	if e.Verdict(comgmt.DeviceConfiguration).Authority == comgmt.AuthorityIntune {
		for _, w := range []comgmt.Workload{comgmt.ResourceAccess, comgmt.EndpointProtection} {
			if e.Verdict(w).Authority != comgmt.AuthorityIntune {
				t.Fatalf("%v stays while Device Configuration moves: %+v on %+v", w, p, d)
			}
		}
	}
	same, changed := comgmt.Diff(p, p, d)
	if changed || len(same.Workloads) != 0 {
		t.Fatalf("a plan differs from itself: %+v", same)
	}
	if _, err := json.Marshal(e); err != nil {
		t.Fatal(err)
	}
}

func TestObserved(t *testing.T) {
	for _, c := range []struct {
		name   string
		device comgmt.Device
		w      comgmt.Workload
		want   comgmt.Authority
		rule   string
	}{
		{"flag set", managed(func(d *comgmt.Device) { d.Flags = new(comgmt.Flags(8199)) }), comgmt.Compliance, comgmt.AuthorityIntune, comgmt.RuleClientFlags},
		{"flag not set", managed(func(d *comgmt.Device) { d.Flags = new(comgmt.Flags(8199)) }), comgmt.WindowsUpdate, comgmt.AuthorityConfigMgr, comgmt.RuleClientFlags},
		{"along", managed(func(d *comgmt.Device) { d.Flags = new(comgmt.Flags(9)) }), comgmt.EndpointProtection, comgmt.AuthorityIntune, comgmt.RuleDeviceConfiguration},
		{"not enrolled", managed(func(d *comgmt.Device) {
			d.Flags = new(comgmt.Flags(8197))
			d.Enrolment, d.ConfigInfo = comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent
		}), comgmt.ResourceAccess, comgmt.AuthorityConfigMgr, comgmt.RuleNotEnrolled},
		{"override", managed(func(d *comgmt.Device) { d.Flags = new(comgmt.Override); d.ConfigInfo = comgmt.ConfigInfoIntune }), comgmt.OfficeClickToRun, comgmt.AuthorityIntune, comgmt.RuleIntuneAuthority},
		{"unread", managed(), comgmt.Compliance, comgmt.AuthorityUnknown, comgmt.RuleFlagsUnread},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.device.Observed().Verdict(c.w)
			require.Equal(t, c.rule, v.Rule)
			require.Equal(t, c.want, v.Authority)
		})
	}
}

func TestNotes(t *testing.T) {
	p := plan(2403, comgmt.WindowsUpdate, toIntune)
	require.Empty(t, p.Effective(managed()).Notes)
	for want, d := range map[string]comgmt.Device{
		"registered":                   managed(func(d *comgmt.Device) { d.Join = comgmt.Registered }),
		"needs Windows 10 1709":        managed(func(d *comgmt.Device) { d.OS = "Windows 10 1607" }),
		"taken as Windows 10 or later": managed(func(d *comgmt.Device) { d.OS = "Windows" }),
	} {
		notes := p.Effective(d).Notes
		require.Len(t, notes, 1)
		require.Contains(t, notes[0], want)
	}
}

func TestParseOS(t *testing.T) {
	for in, want := range map[string]comgmt.OS{
		"Windows 11 Enterprise":                 {Kind: comgmt.WindowsClient, Build: 22000},
		"Microsoft Windows 10 Pro 10.0.19045":   {Kind: comgmt.WindowsClient, Build: 19045},
		"10.0.22631.3296":                       {Kind: comgmt.WindowsClient, Build: 22631},
		"Windows (10.0.22631)":                  {Kind: comgmt.WindowsClient, Build: 22631},
		"Microsoft Windows NT Workstation 10.0": {Kind: comgmt.WindowsClient},
		"windows-10":                            {Kind: comgmt.WindowsClient},
		"Windows 10 1607":                       {Kind: comgmt.WindowsClient, Build: 14393},
		"Windows 10, version 1703":              {Kind: comgmt.WindowsClient, Build: 15063},
		"Windows 10 1909":                       {Kind: comgmt.WindowsClient, Build: 16299},
		"Windows 10 22H2":                       {Kind: comgmt.WindowsClient, Build: 16299},
		"Windows 10 kiosk":                      {Kind: comgmt.WindowsClient},
		"Windows Server 2022 Standard":          {Kind: comgmt.WindowsServer},
		"Windows Server 2019 10.0.17763":        {Kind: comgmt.WindowsServer, Build: 17763},
		"Microsoft Windows NT Workstation 6.1":  {Kind: comgmt.WindowsEarlier},
		"Windows 7":                             {Kind: comgmt.WindowsEarlier},
		"Windows 10 Mobile":                     {Kind: comgmt.OSOther},
		"macOS 14.2":                            {Kind: comgmt.OSOther},
		"iOS 17.1":                              {Kind: comgmt.OSOther},
		"Windows":                               {},
		"":                                      {},
		"99999999999999999999.1":                {},
	} {
		require.Equal(t, want, comgmt.ParseOS(in), "%q", in)
	}
}

func TestWillEnrol(t *testing.T) {
	none := managed(func(d *comgmt.Device) { d.Enrolment, d.ConfigInfo = comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent })
	change := func(f func(*comgmt.Device)) comgmt.Device { d := none; f(&d); return d }
	all := &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolAll}}
	pilot := &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolPilot, Collection: "Pilot"}}
	for _, c := range []struct {
		plan   *comgmt.Plan
		device comgmt.Device
		want   comgmt.Tri
		why    string
	}{
		{all, none, comgmt.Yes, "all devices"},
		{pilot, none, comgmt.Yes, `"Pilot"`},
		{pilot, change(func(d *comgmt.Device) { d.Collections = []string{} }), comgmt.No, "not in"},
		{pilot, change(func(d *comgmt.Device) { d.Collections = nil }), comgmt.Unknown, "not read"},
		{&comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolPilot}}, none, comgmt.No, "without a collection"},
		{&comgmt.Plan{Site: 2403}, none, comgmt.No, "off"},
		{all, managed(), comgmt.No, "already"},
		{all, change(func(d *comgmt.Device) { d.Enrolment = comgmt.EnrolmentThirdParty }), comgmt.No, "another service"},
		{all, change(func(d *comgmt.Device) { d.OS = "Windows Server 2022" }), comgmt.No, "client edition"},
		{all, change(func(d *comgmt.Device) { d.OS = "Windows 10 1703" }), comgmt.No, "1709"},
		{all, change(func(d *comgmt.Device) { d.Join = comgmt.Registered }), comgmt.No, "registered"},
		{all, change(func(d *comgmt.Device) { d.Join = comgmt.JoinUnknown }), comgmt.Unknown, "join state"},
		{all, change(func(d *comgmt.Device) { d.Client = comgmt.ClientMissing }), comgmt.No, "no Configuration Manager client"},
		{all, change(func(d *comgmt.Device) { d.Enrolment, d.ConfigInfo = 0, 0 }), comgmt.Unknown, "enrolment"},
		{&comgmt.Plan{Site: 1902, AutoEnrolment: all.AutoEnrolment, Legacy: comgmt.Legacy{ExclusionGroup: []string{"Pilot"}}}, none, comgmt.No, "exclusion"},
		{&comgmt.Plan{Site: 1902, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolPilot}, Legacy: comgmt.Legacy{PilotGroup: []string{"Pilot"}}}, none, comgmt.Yes, `"Pilot"`},
	} {
		got, why := c.plan.WillEnrol(c.device)
		require.Equal(t, c.want, got, why)
		require.Contains(t, why, c.why)
	}
}

func ExamplePlan_Effective() {
	plan := &comgmt.Plan{Site: 2403, Workloads: comgmt.Workloads{
		comgmt.WindowsUpdate: {Slider: comgmt.SliderPilot, Collection: "Pilot Updates"},
	}}
	device := comgmt.Device{
		Name: "AV-1042", OS: "Windows 11", Join: comgmt.HybridJoined, Enrolment: comgmt.EnrolmentIntune,
		Collections: []string{"Pilot Updates"}, ConfigInfo: comgmt.ConfigInfoConfigMgr,
	}
	for w := range comgmt.AllWorkloads() {
		v := plan.Effective(device).Verdict(w)
		fmt.Printf("%-22v %-10v %s (%v)\n", w, v.Authority, v.Rule, v.Basis)
	}
	// Output:
	// compliance             configmgr  slider-configmgr (documented)
	// resource-access        intune     resource-access-forced (documented)
	// device-configuration   configmgr  slider-configmgr (documented)
	// windows-update         intune     slider-pilot-member (documented)
	// endpoint-protection    configmgr  slider-configmgr (documented)
	// client-apps            configmgr  slider-configmgr (documented)
	// office-click-to-run    configmgr  slider-configmgr (documented)
}

func ExampleFlags_Explain() {
	for _, f := range []comgmt.Flags{8197, comgmt.Override} {
		fmt.Println(f, f.Explain())
	}
	// Output:
	// 8197 Co-management is configured; set to Intune: Resource access policies; the other six stay with Configuration Manager (written by site version 2111 or later). From site version 2403 on resource access is always with Intune, so there this is the value with nothing moved. This only counts once the device is enrolled in Intune.
	// 2147479807 Intune is set as the authority for all workloads; the sliders of the Configuration Manager site are ignored.
}
