package comgmt_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

func TestPowerShell(t *testing.T) {
	p := &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolPilot, Collection: "Enrol"}, Workloads: comgmt.Workloads{
		comgmt.Compliance:    {Slider: comgmt.SliderIntune},
		comgmt.WindowsUpdate: {Slider: comgmt.SliderPilot, Collection: "Ana’s pilot"},
		comgmt.ClientApps:    {Slider: comgmt.SliderPilot, Collection: "ana’s PILOT"},
	}}
	s, err := p.PowerShell()
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(s, "New-CMCoManagementPolicy @policy"), "production, enrolment, one pilot collection")
	require.Equal(t, 3, strings.Count(s, "New-CMConfigurationPolicyDeployment -CoManagementPolicyName"))
	require.Contains(t, s, "-CollectionName 'All Systems'")
	require.Contains(t, s, "-CollectionName 'Enrol'")
	require.Contains(t, s, "-CollectionName 'Ana’’s pilot'", "PowerShell ends a string at a typographic quote too")
	require.Contains(t, s, "throw 'The site has co-management policies already")
	blocks := strings.Split(s, "$policy = @{")[1:]
	require.Contains(t, blocks[0], "AutoEnroll = $false")
	require.Contains(t, blocks[0], "CAWorkloadEnabled = $true")
	require.Contains(t, blocks[0], "RAWorkloadEnabled = $true", "fixed by the site")
	require.Contains(t, blocks[0], "WufbWorkloadEnabled = $false")
	require.Contains(t, blocks[1], "AutoEnroll = $true")
	require.Contains(t, blocks[2], "WufbWorkloadEnabled = $true")
	require.Contains(t, blocks[2], "ClientAppsWorkloadEnabled = $true")
	for w := range comgmt.AllWorkloads() {
		require.Equal(t, 3, strings.Count(s, w.Parameter()+" = "))
	}
	for why, bad := range map[string]*comgmt.Plan{
		"no collection": {Site: 2403, AutoEnrolment: p.AutoEnrolment, Workloads: comgmt.Workloads{comgmt.ClientApps: {Slider: comgmt.SliderPilot}}},
		"1902":          {Site: 1806},
	} {
		_, err := bad.PowerShell()
		require.ErrorContains(t, err, why)
	}
	evil, err := (&comgmt.Plan{Site: 2403, Workloads: comgmt.Workloads{comgmt.ClientApps: {Slider: comgmt.SliderPilot, Collection: "x'; Remove-Item C:\\ -Recurse #\nRemove-Item D:\\"}}}).PowerShell()
	require.NoError(t, err)
	for line := range strings.SplitSeq(evil, "\n") {
		if !strings.HasPrefix(line, "#") {
			require.NotContains(t, strings.ReplaceAll(line, "''", ""), "x'; Remove-Item")
		}
		require.False(t, strings.HasPrefix(line, "Remove-Item"))
	}
}

func TestPages(t *testing.T) {
	p := &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolAll}, Workloads: comgmt.Workloads{
		comgmt.WindowsUpdate:       {Slider: comgmt.SliderPilot, Collection: "Pilot | <b>one</b>"},
		comgmt.DeviceConfiguration: {Slider: comgmt.SliderIntune},
	}}
	devices := []comgmt.Device{managed(), managed(func(d *comgmt.Device) { d.Enrolment, d.ConfigInfo = comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent })}
	md := p.Markdown("Ashdown Vale", devices)
	require.Contains(t, md, "# Ashdown Vale\n")
	require.Contains(t, md, `Pilot \| &lt;b&gt;one&lt;/b&gt;`)
	require.Contains(t, md, "| Device Configuration | 1 | 1 | 0 | 0 |")
	require.Contains(t, md, "| Endpoint Protection | 1 | 1 | 0 | 0 |", "goes along")
	require.Contains(t, md, "8205 (0x200D)")
	for line := range strings.SplitSeq(md, "\n") {
		if strings.HasPrefix(line, "|") {
			n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			require.Contains(t, []int{5, 6}, n, line)
		}
	}
	require.Contains(t, (&comgmt.Plan{}).Markdown("", nil), "# Co-management\n")

	page, err := p.HTML("Ashdown <Vale>", devices)
	require.NoError(t, err)
	require.Contains(t, page, "Ashdown &lt;Vale&gt;")
	require.NotContains(t, page, "<b>one</b>")
	// It is well-formed, as XML with HTML's void elements.
	dec := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(page, "<!DOCTYPE html>")))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
}

func ExamplePlan_Lint() {
	p := &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolAll}, Workloads: comgmt.Workloads{
		comgmt.Compliance:     {Slider: comgmt.SliderIntune},
		comgmt.ResourceAccess: {Slider: comgmt.SliderIntune},
		comgmt.ClientApps:     {Slider: comgmt.SliderPilot},
	}}
	for _, f := range p.Lint(comgmt.Goals{}, nil) {
		fmt.Printf("%v %s: %s\n", f.Status, f.Subject, f.Message)
	}
	// Output:
	// failure Client Apps: The slider is at Pilot Intune, but no collection is in the pilot: nobody is affected.
}

func ExampleDiff() {
	now := &comgmt.Plan{Site: 2309}
	next := &comgmt.Plan{Site: 2309, Workloads: comgmt.Workloads{comgmt.DeviceConfiguration: {Slider: comgmt.SliderIntune}}}
	change, _ := comgmt.Diff(now, next, comgmt.Device{Name: "AV-1042", OS: "Windows 11", Enrolment: comgmt.EnrolmentIntune, ConfigInfo: comgmt.ConfigInfoConfigMgr, Collections: []string{}})
	for w := range comgmt.AllWorkloads() {
		if m, ok := change.Workloads[w]; ok {
			fmt.Println(w, m.From.Authority, "→", m.To.Authority, m.To.Rule)
		}
	}
	fmt.Println("capabilities", *change.Before.Flags, "→", *change.After.Flags)
	// Output:
	// resource-access configmgr → intune device-configuration-implies
	// device-configuration configmgr → intune slider-intune
	// endpoint-protection configmgr → intune device-configuration-implies
	// capabilities 8193 → 8201
}

func ExamplePlan_PowerShell() {
	p := &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolAll}}
	s, err := p.PowerShell()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, policy, _ := strings.Cut(s, "$policy = ")
	fmt.Print(policy)
	// Output:
	// @{
	//     CoManagementPolicyName = 'CoMgmtSettingsProd'
	//     AutoEnroll = $true
	//     CAWorkloadEnabled = $false
	//     RAWorkloadEnabled = $true
	//     DCWorkloadEnabled = $false
	//     WufbWorkloadEnabled = $false
	//     EPWorkloadEnabled = $false
	//     ClientAppsWorkloadEnabled = $false
	//     O365WorkloadEnabled = $false
	// }
	// New-CMCoManagementPolicy @policy
	// New-CMConfigurationPolicyDeployment -CoManagementPolicyName 'CoMgmtSettingsProd' -CollectionName 'All Systems'
}
