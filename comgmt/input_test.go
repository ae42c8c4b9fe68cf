package comgmt_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

func devicesOf(s string) ([]comgmt.Device, error) {
	var out []comgmt.Device
	for d, err := range comgmt.DecodeDevices(strings.NewReader(s)) {
		if err != nil {
			return out, err
		}
		out = append(out, d)
	}
	return out, nil
}

func TestDecodePlan(t *testing.T) {
	p, err := comgmt.DecodePlan(strings.NewReader("\ufeff" + `{"siteVersion":"2403","autoEnrolment":{"mode":"pilot","collection":"Enrol"},
		"workloads":{"windows-update":{"slider":"pilot","collection":"Pilot"},"compliance":{"slider":"intune"},"client-apps":null},
		"legacy":{"pilotGroup":"A","exclusionGroup":["B","C"]}}`))
	require.NoError(t, err)
	require.Equal(t, &comgmt.Plan{
		Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolPilot, Collection: "Enrol"},
		Workloads: comgmt.Workloads{comgmt.WindowsUpdate: toPilot, comgmt.Compliance: toIntune, comgmt.ClientApps: {}},
		Legacy:    comgmt.Legacy{PilotGroup: []string{"A"}, ExclusionGroup: []string{"B", "C"}},
	}, p)
	b, err := json.Marshal(p)
	require.NoError(t, err)
	var back comgmt.Plan
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, *p, back, "a plan survives JSON")
	empty, err := comgmt.DecodePlan(strings.NewReader(`{}`))
	require.NoError(t, err)
	require.Equal(t, &comgmt.Plan{}, empty)
}

func TestInputErrors(t *testing.T) {
	for _, c := range []struct {
		plan, path, why string
		line            int
	}{
		{`{"sightVersion":"2403"}`, "sightVersion", "unknown member", 1},
		{"{\n\"workloads\":{\n\"windows-updates\":{}}}", "workloads.windows-updates", "unknown member", 3},
		{"{\n\"workloads\":{\n\"windows-update\":{\"slider\":\"pilot\",\n\"colection\":\"x\"}}}", "workloads.windows-update.colection", "unknown member", 4},
		{`{"autoEnrolment":{"modus":"all"}}`, "autoEnrolment.modus", "unknown member", 1},
		{`{"legacy":{"pilotGroups":[]}}`, "legacy.pilotGroups", "unknown member", 1},
		{`{"siteVersion":"2403","siteVersion":"2409"}`, "siteVersion", "twice", 1},
		{`{"siteVersion":2403}`, "siteVersion", "number", 1},
		{`{"siteVersion":"2413"}`, "siteVersion", "2413", 1},
		{`{"siteVersion":"1606"}`, "siteVersion", "no co-management", 1},
		{`{"workloads":{"compliance":{"slider":"intnue"}}}`, "workloads.compliance.slider", "intnue", 1},
		{`{"workloads":[]}`, "workloads", "object", 1},
		{`{"legacy":{"pilotGroup":[1]}}`, "legacy.pilotGroup", "collection name", 1},
		{`[]`, "", "object", 1},
		{``, "", "unexpected EOF", 1},
		{"{\n\"siteVersion\":", "siteVersion", "unexpected EOF", 2},
		{"{}\n{}", "", "more follows", 2},
		{"{\n}}", "", "invalid character", 2},
		{"\x89PNG\r\n\x1a\n", "", "invalid character", 1},
		{`{"workloads":{"` + strings.Repeat("x", 500) + `":{}}}`, "", "unknown member", 1},
	} {
		_, err := comgmt.DecodePlan(strings.NewReader(c.plan))
		require.Error(t, err, c.plan)
		var at *comgmt.InputError
		require.ErrorAs(t, err, &at, c.plan)
		if len(c.plan) < 500 {
			require.Equal(t, c.path, at.Path, c.plan)
		}
		require.Equal(t, c.line, at.Line, c.plan)
		require.ErrorContains(t, err, c.why)
		require.Less(t, len(err.Error()), 400)
	}
	_, err := comgmt.DecodePlan(strings.NewReader(`{"siteVersion":"` + strings.Repeat(" ", 2<<20) + `"}`))
	require.ErrorIs(t, err, comgmt.ErrTooLarge)
	_, err = comgmt.DecodePlan(strings.NewReader(`{"x":1}`))
	require.ErrorIs(t, err, comgmt.ErrUnknownMember)

	for _, c := range []struct {
		devices, path, why string
		line               int
	}{
		{`[{"name":"AV-1","jion":"hybrid-joined"}]`, "[0].jion", "unknown member", 1},
		{"[\n{\"name\":\"AV-1\"},\n{\"name\":\"AV-2\",\"join\":\"azure\"}]", "[1].join", `"azure"`, 3},
		{`[{"name":""}]`, "[0]", "name", 1},
		{`[{}]`, "[0]", "name", 1},
		{`[{"name":"AV-1","flags":"abc"}]`, "[0].flags", "abc", 1},
		{`[{"name":"AV-1","flags":1.5}]`, "[0].flags", "1.5", 1},
		{`[{"name":"AV-1","configInfo":"two"}]`, "[0].configInfo", "two", 1},
		{`[{"name":"AV-1","collections":"Pilot"}]`, "[0].collections", "string where slice", 1},
		{`{"name":"AV-1"}`, "", "array", 1},
		{`[null]`, "[0]", "name", 1},
		{`[{"name":"AV-1"}`, "", "unexpected EOF", 1},
		{`[{"name":"AV-1"}]]`, "", "invalid character", 1},
		{``, "", "unexpected EOF", 1},
	} {
		_, err := devicesOf(c.devices)
		require.Error(t, err, c.devices)
		var at *comgmt.InputError
		require.ErrorAs(t, err, &at, c.devices)
		require.Equal(t, c.path, at.Path, c.devices)
		require.Equal(t, c.line, at.Line, c.devices)
		require.ErrorContains(t, err, c.why)
	}
	broken := errors.New("disk")
	for _, err := range comgmt.DecodeDevices(iotest.ErrReader(broken)) {
		require.ErrorIs(t, err, broken)
	}
}

func TestDecodeDevices(t *testing.T) {
	got, err := devicesOf(`[
		{"name":"AV-1","os":"Windows 11","join":"hybrid-joined","enrolment":"intune","collections":["Pilot"],"configInfo":2,"flags":8197},
		{"name":"AV-2","configInfo":"1","flags":"0x7FFFF0FF","client":"missing"},
		{"name":"AV-3","configInfo":null,"flags":null,"collections":null,"os":null,"join":null},
		{"name":"AV-4","configInfo":"absent","flags":0,"collections":[]}
	]`)
	require.NoError(t, err)
	require.Equal(t, []comgmt.Device{
		{Name: "AV-1", OS: "Windows 11", Join: comgmt.HybridJoined, Enrolment: comgmt.EnrolmentIntune, Collections: []string{"Pilot"}, ConfigInfo: comgmt.ConfigInfoConfigMgr, Flags: new(comgmt.Flags(8197))},
		{Name: "AV-2", ConfigInfo: comgmt.ConfigInfoIntune, Flags: new(comgmt.Override), Client: comgmt.ClientMissing},
		{Name: "AV-3"},
		{Name: "AV-4", ConfigInfo: comgmt.ConfigInfoAbsent, Flags: new(comgmt.Flags(0)), Collections: []string{}},
	}, got)
	b, err := json.Marshal(got)
	require.NoError(t, err)
	again, err := devicesOf(string(b))
	require.NoError(t, err)
	require.Equal(t, got, again, "devices survive JSON, unknown membership and none included")
}

// TestSchemas compares the published schemas with what the decoders take: the same members, the same values.
func TestSchemas(t *testing.T) {
	type schema struct {
		Type       any
		Enum       []any
		Properties map[string]*schema
		Additional *bool `json:"additionalProperties"`
		Items      *schema
		Required   []string
		Ref        string             `json:"$ref"`
		Defs       map[string]*schema `json:"$defs"`
	}
	var plan, devices schema
	require.NoError(t, json.Unmarshal(comgmt.PlanSchema(), &plan))
	require.NoError(t, json.Unmarshal(comgmt.DevicesSchema(), &devices))

	var walk func(path string, s *schema)
	walk = func(path string, s *schema) {
		if s.Properties != nil {
			require.NotNil(t, s.Additional, path)
			require.False(t, *s.Additional, "%s refuses unknown members", path)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			walk(path+"."+name, s.Properties[name])
		}
	}
	walk("plan", &plan)
	walk("setting", plan.Defs["setting"])
	walk("device", devices.Items)

	var ws []string
	for w := range comgmt.AllWorkloads() {
		ws = append(ws, w.String())
	}
	require.ElementsMatch(t, ws, slices.Collect(maps.Keys(plan.Properties["workloads"].Properties)))

	// Every value of an enumeration is taken, and every member exists.
	for _, v := range plan.Properties["autoEnrolment"].Properties["mode"].Enum {
		_, err := comgmt.DecodePlan(strings.NewReader(fmt.Sprintf(`{"autoEnrolment":{"mode":%s}}`, raw(t, v))))
		require.NoError(t, err)
	}
	for _, v := range plan.Defs["setting"].Properties["slider"].Enum {
		_, err := comgmt.DecodePlan(strings.NewReader(fmt.Sprintf(`{"workloads":{"compliance":{"slider":%s}}}`, raw(t, v))))
		require.NoError(t, err)
	}
	for name := range plan.Properties {
		_, err := comgmt.DecodePlan(strings.NewReader(fmt.Sprintf(`{%q:%s}`, name, map[bool]string{true: `""`, false: "null"}[name == "$schema" || name == "siteVersion"])))
		require.NoError(t, err, name)
	}
	require.Equal(t, []string{"name"}, devices.Items.Required)
	for name, p := range devices.Items.Properties {
		for _, v := range p.Enum {
			_, err := devicesOf(fmt.Sprintf(`[{"name":"AV-1",%q:%s}]`, name, raw(t, v)))
			require.NoError(t, err)
		}
		if name != "name" {
			_, err := devicesOf(fmt.Sprintf(`[{"name":"AV-1",%q:null}]`, name))
			require.NoError(t, err, name)
		}
	}
	counts := map[string]int{"join": 6, "enrolment": 4, "client": 3}
	for name, n := range counts {
		require.Len(t, devices.Items.Properties[name].Enum, n+1, "all of %s, and null", name)
	}
	comgmt.PlanSchema()[0] = 'x'
	require.Equal(t, byte('{'), comgmt.PlanSchema()[0], "the schema is a copy")
}

func raw(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func FuzzDecodePlan(f *testing.F) {
	f.Add(`{"siteVersion":"2403","autoEnrolment":{"mode":"pilot","collection":"Enrol"},"workloads":{"windows-update":{"slider":"pilot","collection":"Pilot"}},"legacy":{"pilotGroup":"A","exclusionGroup":["B"]}}`)
	f.Add(`{"siteVersion":"2403","autoEnrolment":{"mode":"none"},"workloads":{},"legacy":{"pilotGroup":[]}}`)
	f.Add(`{"x":`)
	f.Add(`[{}]`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := comgmt.DecodePlan(strings.NewReader(s))
		if err != nil {
			var at *comgmt.InputError
			if !errors.As(err, &at) || at.Line < 1 {
				t.Fatalf("%v says no place", err)
			}
			return
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := comgmt.DecodePlan(strings.NewReader(string(b)))
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, _ := json.Marshal(again); string(c) != string(b) {
			t.Fatalf("%s becomes %s", b, c)
		}
		p.Lint(comgmt.Goals{ConditionalAccess: true, Autopatch: true, Autopilot: true}, []comgmt.Device{managed()})
		p.Effective(managed())
		p.Markdown("x", []comgmt.Device{managed()})
		if _, err := p.HTML("x", nil); err != nil {
			t.Fatal(err)
		}
		p.PowerShell()
	})
}

func FuzzDecodeDevices(f *testing.F) {
	f.Add(`[{"name":"AV-1","os":"Windows 11","join":"hybrid-joined","enrolment":"intune","collections":["Pilot"],"configInfo":"2","flags":"0x2005"}]`)
	f.Add("[{},")
	f.Fuzz(func(t *testing.T, s string) {
		for d, err := range comgmt.DecodeDevices(strings.NewReader(s)) {
			if err != nil {
				var at *comgmt.InputError
				if !errors.As(err, &at) || at.Line < 1 || at.Line > strings.Count(s, "\n")+1 {
					t.Fatalf("%v says no place", err)
				}
				return
			}
			b, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			var again comgmt.Device
			if err := json.Unmarshal(b, &again); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			d.Observed()
		}
	})
}
