package comgmttest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/comgmttest"
)

// recorder is a testing.TB that keeps failures. Fatal ends the goroutine as testing does.
type recorder struct {
	testing.TB
	log []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); panic(r) }

// failures runs f and returns what it reported.
func failures(f func(testing.TB)) (log []string) {
	r := &recorder{}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		log = r.log
	}()
	f(r)
	return r.log
}

var (
	before = &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolAll}}
	after  = &comgmt.Plan{Site: 2403, AutoEnrolment: comgmt.AutoEnrolment{Mode: comgmt.EnrolAll}, Workloads: comgmt.Workloads{
		comgmt.Compliance:    {Slider: comgmt.SliderIntune},
		comgmt.WindowsUpdate: {Slider: comgmt.SliderPilot, Collection: "Pilot Updates"},
	}}
	pilot = comgmttest.Managed("AV-1042", "pilot updates")
	other = comgmttest.Managed("AV-1043")
)

// TestAssertions gives every assertion a case it accepts and one it refuses.
func TestAssertions(t *testing.T) {
	for _, c := range []struct {
		name   string
		accept func(testing.TB)
		refuse func(testing.TB)
		says   []string
	}{
		{
			"Intune",
			func(t testing.TB) { comgmttest.Intune(t, after, pilot, comgmt.WindowsUpdate, comgmt.Compliance) },
			func(t testing.TB) { comgmttest.Intune(t, after, other, comgmt.WindowsUpdate) },
			[]string{"AV-1043", "windows-update", "configmgr", comgmt.RulePilotOther, `not a member of "Pilot Updates"`, "would change"},
		},
		{
			"ConfigMgr",
			func(t testing.TB) { comgmttest.ConfigMgr(t, after, other, comgmt.WindowsUpdate) },
			func(t testing.TB) { comgmttest.ConfigMgr(t, after, pilot, comgmt.WindowsUpdate) },
			[]string{"managed by intune", comgmt.RulePilotMember},
		},
		{
			"Moves",
			func(t testing.TB) {
				comgmttest.Moves(t, before, after, pilot, comgmt.Compliance, comgmt.WindowsUpdate)
				comgmttest.Moves(t, before, after, comgmttest.NotEnrolled("AV-9"))
			},
			func(t testing.TB) { comgmttest.Moves(t, before, after, other, comgmt.WindowsUpdate) },
			[]string{"compliance moves from configmgr to intune, unexpectedly", "windows-update does not move"},
		},
		{
			"Flags",
			func(t testing.TB) { comgmttest.Flags(t, after, pilot, 8215) },
			func(t testing.TB) { comgmttest.Flags(t, after, other, 8215) },
			[]string{"8199", "8215"},
		},
		{
			"Flags of an unknown site",
			func(t testing.TB) {},
			func(t testing.TB) { comgmttest.Flags(t, &comgmt.Plan{}, other, 1) },
			[]string{"cannot be predicted"},
		},
		{
			"Sound",
			func(t testing.TB) { comgmttest.Sound(t, after, comgmt.Goals{}, nil) },
			func(t testing.TB) {
				comgmttest.Sound(t, &comgmt.Plan{Site: 2403, AutoEnrolment: before.AutoEnrolment, Workloads: comgmt.Workloads{comgmt.ClientApps: {Slider: comgmt.SliderPilot}}}, comgmt.Goals{}, nil)
			},
			[]string{comgmt.CheckPilotNoCollection, "remedy"},
		},
		{
			"Sound with a misspelt exception",
			func(t testing.TB) { comgmttest.Sound(t, before, comgmt.Goals{}, nil, comgmt.CheckPilotNoCollection) },
			func(t testing.TB) { comgmttest.Sound(t, before, comgmt.Goals{}, nil, "pilot-with-out-collection") },
			[]string{"no check is called"},
		},
		{
			"LoadPlan",
			func(t testing.TB) { comgmttest.LoadPlan(t, file(t, `{"siteVersion":"2403"}`)) },
			func(t testing.TB) { comgmttest.LoadPlan(t, file(t, `{"sightVersion":"2403"}`)) },
			[]string{"sightVersion", "unknown member"},
		},
		{
			"LoadDevices",
			func(t testing.TB) {
				comgmttest.Find(t, comgmttest.LoadDevices(t, file(t, `[{"name":"AV-1"}]`)), "av-1")
			},
			func(t testing.TB) { comgmttest.LoadDevices(t, file(t, `[{"name":"AV-1","jion":"hybrid-joined"}]`)) },
			[]string{"[0].jion"},
		},
		{
			"Find",
			func(t testing.TB) { comgmttest.Find(t, []comgmt.Device{pilot}, "AV-1042") },
			func(t testing.TB) { comgmttest.Find(t, []comgmt.Device{pilot}, "AV-7") },
			[]string{`"AV-7"`},
		},
		{
			"missing files",
			func(t testing.TB) {},
			func(t testing.TB) { comgmttest.LoadPlan(t, "nowhere.json") },
			[]string{"nowhere.json"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Empty(t, failures(c.accept))
			log := strings.Join(failures(c.refuse), "\n")
			require.NotEmpty(t, log)
			for _, s := range c.says {
				require.Contains(t, log, s)
			}
		})
	}
}

var files string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "comgmttest")
	if err != nil {
		panic(err)
	}
	files = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func file(t testing.TB, content string) string {
	f, err := os.CreateTemp(files, "*.json")
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		t.Fatalf("%v", err)
	}
	return filepath.Clean(f.Name())
}

func TestResolver(t *testing.T) {
	r := comgmttest.Resolver{"www.ashdown.example": "edge.example", "broken.ashdown.example": comgmttest.ServerFailure}
	got, err := r.CNAME(t.Context(), "WWW.ashdown.example.")
	require.NoError(t, err)
	require.Equal(t, "edge.example", got)
	got, err = r.CNAME(t.Context(), "none.ashdown.example")
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = r.CNAME(t.Context(), "broken.ashdown.example")
	require.ErrorIs(t, err, comgmttest.ErrServer)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.CNAME(ctx, "www.ashdown.example")
	require.ErrorIs(t, err, context.Canceled)
}

// A roll-out in go test: after this plan, AV-1042 gets Windows Update from Intune, and nothing else changes hands. In a test
// function, pass its t; here the recorder stands in for it.
func Example() {
	t := &recorder{}

	plan := &comgmt.Plan{Site: 2403, Workloads: comgmt.Workloads{comgmt.WindowsUpdate: {Slider: comgmt.SliderPilot, Collection: "Pilot Updates"}}}
	device := comgmttest.Managed("AV-1042", "Pilot Updates")
	comgmttest.Intune(t, plan, device, comgmt.WindowsUpdate)

	comgmttest.Moves(t, &comgmt.Plan{Site: 2403}, plan, device, comgmt.WindowsUpdate)
	comgmttest.Intune(t, plan, comgmttest.NotEnrolled("AV-2001", "Pilot Updates"), comgmt.WindowsUpdate)
	for _, failure := range t.log {
		fmt.Println(failure)
	}
	// Output:
	// AV-2001, windows-update: managed by configmgr, want intune
	// 	rule not-enrolled (observed): Not enrolled in Intune: Configuration Manager manages everything, whatever the sliders and flags say.
	// 	because: enrolment: none
	// 	would change: enrol it in Intune, then: intune
	// 	would change: it will not enrol by itself: automatic enrolment is off
}
