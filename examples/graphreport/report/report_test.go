package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/examples/graphreport/report"
)

var now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func days(n int) time.Time { return now.Add(-time.Duration(n) * 24 * time.Hour) }

func TestBuild(t *testing.T) {
	yes, no := true, false
	registered := func(d report.Device) report.Device {
		d.Profile, d.Registered = "RegisteredDevice", days(400)
		return d
	}
	devices := []report.Device{
		registered(report.Device{DeviceID: "A", Name: "AV-1", Owners: []string{"ada@ashdown.example"}, SeenAt: days(3), Enabled: &yes}),
		registered(report.Device{DeviceID: "b", Name: "AV-2", SeenAt: days(90), Enabled: &no}),
		registered(report.Device{DeviceID: "c", Name: "AV-3", SeenAt: days(89), Compliant: &yes}),
		{DeviceID: "d", Name: "AV-4"},
		registered(report.Device{DeviceID: "e", Name: "av-1"}),
		registered(report.Device{DeviceID: "f", Name: "AV-5", SeenAt: now.Add(time.Hour)}),
		registered(report.Device{DeviceID: "g", Name: "AV-6", SeenAt: now}),
	}
	managed := []report.Managed{
		{DeviceID: "a", Agent: comgmt.AgentConfigMgrAndMDM, Compliance: "compliant", SyncedAt: days(1)},
		{DeviceID: "a", Agent: comgmt.AgentMDM, SyncedAt: days(200)},
		{DeviceID: "b", Agent: comgmt.AgentConfigMgr, SyncedAt: days(200)},
		{DeviceID: "e", Agent: comgmt.AgentMDM}, {DeviceID: "f", Agent: "somethingLater"}, {DeviceID: "g"},
		{DeviceID: "z", Agent: comgmt.AgentMDM},
	}
	r := report.Build(devices, managed, report.Options{Now: now})
	type line struct {
		name, authority string
		days            int
		issues          string
	}
	var got []line
	for _, d := range r.Devices {
		got = append(got, line{d.Name, d.Authority, d.StaleDays, strings.Join(d.Issues, " ")})
	}
	require.Equal(t, []line{
		{"AV-1", report.CoManaged, 3, "duplicate"},
		{"av-1", report.ByIntune, -1, "neverSeen noOwner duplicate"},
		{"AV-2", report.ByConfigMgr, 90, "stale disabled noOwner"},
		{"AV-3", report.ByNobody, 89, "unmanaged noOwner"},
		{"AV-4", report.ByNobody, -1, "pending noOwner"},
		{"AV-5", "somethingLater", 0, "noOwner"},
		{"AV-6", "unknown", 0, "noOwner"},
	}, got)
	require.Equal(t, 5, r.Findings(), "no owner is no finding of its own")
	require.Equal(t, 1, r.Orphans)
	require.Equal(t, 2, r.Issues[report.Duplicate])
	require.Equal(t, 90, r.StaleDays)
	require.Equal(t, 14, report.Build(nil, nil, report.Options{Now: now, Stale: time.Hour}).StaleDays, "less says nothing")
}

func TestWrite(t *testing.T) {
	r := report.Build([]report.Device{{DeviceID: "a", Name: "AV\x1b[31m-1", Owners: []string{"ada@ashdown.example"}}}, nil, report.Options{Now: now})
	var text, doc bytes.Buffer
	require.NoError(t, r.WriteText(&text))
	require.NotContains(t, text.String(), "\x1b")
	require.Contains(t, text.String(), "issues: pending 1")
	require.NoError(t, r.WriteJSON(&doc))
	var back report.Report
	require.NoError(t, json.Unmarshal(doc.Bytes(), &back))
	require.Equal(t, *r, back)
	require.Contains(t, doc.String(), `"owners": [`)

	empty := report.Build(nil, nil, report.Options{Now: now})
	text.Reset()
	require.NoError(t, empty.WriteText(&text))
	require.Contains(t, text.String(), "0 hybrid-joined devices")
	doc.Reset()
	require.NoError(t, empty.WriteJSON(&doc))
	require.Contains(t, doc.String(), `"devices": []`, "an empty list, not null")
}

// TestDefaultBuildIsLight keeps the SDK behind its tag: without it, neither this package nor the tool may reach it.
func TestDefaultBuildIsLight(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "go.internal/hybridkit/examples/graphreport/...").Output()
	require.NoError(t, err)
	require.NotContains(t, string(out), "github.com/microsoft", "it costs 4 CPU-minutes and 5 GiB to build")
	code, err := os.ReadFile("../main_untagged.go")
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(code, []byte("//go:build !graphreport")))
}
