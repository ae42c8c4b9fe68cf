package cmlog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cmlog"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		message string
		kind    cmlog.Kind
		check   func(*testing.T, cmlog.Event)
	}{
		{"Processing GET for assignment (ScopeId_VALE/ConfigurationPolicy_1 : 1)", cmlog.PolicyRead, nil},
		{"Getting/Merging value for setting 'CoManagementSettings_AutoEnroll'", cmlog.SettingRead, func(t *testing.T, e cmlog.Event) { require.Equal(t, "AutoEnroll", e.Setting) }},
		{"Merged value for setting 'CoManagementSettings_Capabilities' is '8199'", cmlog.SettingMerged, func(t *testing.T, e cmlog.Event) { require.Equal(t, comgmt.Flags(8199), e.Flags) }},
		{"Merged value for 'CoManagementSettings_AutoEnroll' is 'False'", cmlog.SettingMerged, func(t *testing.T, e cmlog.Event) { require.Equal(t, "False", e.Value); require.False(t, e.HasFlags) }},
		{"New merged workloadflags value with co-management max capabilities '4095' is '65'", cmlog.FlagsMasked, func(t *testing.T, e cmlog.Event) {
			require.Equal(t, comgmt.Flags(65), e.Flags)
			require.Equal(t, comgmt.LegacyMask, e.Mask)
		}},
		{"Merging workload flags 1 with 64", cmlog.FlagsMerging, func(t *testing.T, e cmlog.Event) { require.Equal(t, comgmt.Flags(65), e.Flags) }},
		{"Merging workload flags one with two", cmlog.FlagsMerging, func(t *testing.T, e cmlog.Event) { require.False(t, e.HasFlags) }},
		{"Workloads flag retrieved 2147479807", cmlog.FlagsApplied, func(t *testing.T, e cmlog.Event) { require.True(t, e.Flags.IsOverride()) }},
		{"Workloads are explicitly set by Intune Co-Management Profile so not using ConfigMgr set workloads", cmlog.Overridden, nil},
		{"Device is not MDM enrolled yet. All workloads are managed by SCCM.", cmlog.NotEnrolled, nil},
		{"Co-management is disabled but expected to be enabled.", cmlog.PolicyAhead, nil},
		{"Mdm Enrollment Url has not yet been configured.", cmlog.NoEnrolmentURL, nil},
		{"Device is not provisioned", cmlog.NotProvisioned, nil},
		{"Device is provisioned", cmlog.Provisioned, nil},
		{"Successfully queued MDM auto enrollment", cmlog.EnrolQueued, nil},
		{"Queuing enrollment timer to fire at 07/04/2025 14:03:19 +01:00 local time", cmlog.TimerSet, func(t *testing.T, e cmlog.Event) {
			require.Equal(t, "07/04/2025 14:03:19 +01:00 local time", e.Value)
		}},
		{"timer already set for enrollment, no need to re-randomize", cmlog.TimerAlreadySet, nil},
		{"Enrollment randomization timer fired", cmlog.TimerFired, nil},
		{"Expected MDM_ConfigSetting instance is missing", cmlog.NoConfigSetting, nil},
		{"Found Active User Session", cmlog.SessionFound, nil},
		{"AAD-Join Info: type = 1, DeviceId d, TenantId t, EnrollmentUrl u", cmlog.JoinInfo, nil},
		{"Enrolling device to MDM... Try #2 out of 3", cmlog.EnrolTry, func(t *testing.T, e cmlog.Event) { require.Equal(t, [2]int{2, 3}, [2]int{e.Try, e.Tries}) }},
		{"Enrolling device to MDM...", cmlog.EnrolTry, func(t *testing.T, e cmlog.Event) { require.Zero(t, e.Try) }},
		{"Enrolling device with RegisterDeviceWithManagementUsingAADDeviceCredentials", cmlog.EnrolDeviceToken, nil},
		{"Enrolling device with RegisterDeviceWithManagementUsingAADCredentials", cmlog.EnrolUserToken, nil},
		{"MDM enrollment succeeded", cmlog.EnrolSucceeded, nil},
		{"Enrollment type: 6", cmlog.EnrolmentType, func(t *testing.T, e cmlog.Event) { require.Equal(t, "6", e.Value) }},
		{"Device is already or being enrolled into MDM", cmlog.AlreadyEnrolled, nil},
		{"Machine is already enrolled with MDM", cmlog.AlreadyEnrolled, nil},
		{"Device is already enrolled with MDM", cmlog.AlreadyEnrolled, nil},
		{"Intune SA Account ID retrieved", cmlog.AccountFound, nil},
		{"Co-mgmt workloads flag is compliant", cmlog.FlagsCompliant, nil},
		{"State ID and report detail hash are not changed. No need to resend.", cmlog.StateUnchanged, nil},
		{"StateID or report hash is changed. Sending up the report for state 107", cmlog.StateReported, func(t *testing.T, e cmlog.Event) { require.Equal(t, "107", e.Value) }},
		{"This device is enrolled to an unexpected vendor, it will be set in co-existence mode.", cmlog.Coexistence, nil},
		{"Verifying if workload 16 is enabled in workloadFlags 7", cmlog.WorkloadAsked, func(t *testing.T, e cmlog.Event) {
			require.Equal(t, comgmt.WindowsUpdate, e.Workload)
			require.Equal(t, comgmt.Flags(7), e.Flags)
		}},
		{"Verifying if workload 256 is enabled in workloadFlags 7", cmlog.WorkloadAsked, func(t *testing.T, e cmlog.Event) { require.Equal(t, comgmt.Workload(0), e.Workload) }},
		{"Result of & operation is 0", cmlog.WorkloadResult, func(t *testing.T, e cmlog.Event) { require.Equal(t, "0", e.Value) }},
		{"Feature flag is ON, device should be Intune managed.", cmlog.WorkloadIntune, nil},
		{"Feature flag is OFF, should be SCCM managed.", cmlog.WorkloadConfigMgr, nil},
		{"CA workload is disabled for ConfigMgr. No compliance state to report for user SID S-1-5-21-1", cmlog.WorkloadDisabled, func(t *testing.T, e cmlog.Event) { require.Equal(t, comgmt.Compliance, e.Workload) }},
		{"Resource Access workload is disabled for ConfigMgr client.", cmlog.WorkloadDisabled, func(t *testing.T, e cmlog.Event) { require.Equal(t, comgmt.ResourceAccess, e.Workload) }},
		{"A different management authority is enabled for Resource Access workloads. Terminating current job.", cmlog.WorkloadDisabled, nil},
		{"Updating MDM_ConfigSetting.ClientHealthLastSyncTime with value 2025-04-01T21:42:51Z", cmlog.HealthSync, func(t *testing.T, e cmlog.Event) { require.Equal(t, "2025-04-01T21:42:51Z", e.Value) }},
		{"[RegTask] - Client is not registered. Sending registration request for GUID:1", cmlog.ClientRegistering, nil},
		{"Registering client using AAD auth.", cmlog.ClientRegistering, nil},
		{"[RegTask] - Client is registered. Server assigned ClientID is GUID:1. Approval status 3", cmlog.ClientRegistered, func(t *testing.T, e cmlog.Event) { require.Equal(t, "GUID:1", e.Value) }},
		{"[CCMHTTP] ERROR INFO: StatusCode=403 StatusText=CMGConnector_Clientcertificaterequired", cmlog.CMGRefused, nil},
		{"Getting Azure AD (User) token with: ClientId = x", cmlog.TokenAsked, nil},
		{"Getting Azure AD (device) token with: ClientId = x", cmlog.TokenAsked, nil},
		{"CcmSetup is exiting with return code 7", cmlog.SetupExit, func(t *testing.T, e cmlog.Event) { require.Equal(t, "7", e.Value) }},
		{"Auto MDM Enroll: Failed (Unknown Win32 Error code: 0x8018002a)", cmlog.EnrolFailed, func(t *testing.T, e cmlog.Event) { require.Equal(t, []comgmt.ErrorCode{0x8018002A}, e.Codes) }},
		{"MDM Enroll: OMA-DM client configuration failed. RAWResult: (0x800706D9) Result: (Unknown Win32 Error code: 0x80180023).", cmlog.EnrolFailed, func(t *testing.T, e cmlog.Event) {
			require.Equal(t, []comgmt.ErrorCode{0x800706D9, 0x80180023}, e.Codes)
		}},
		{"Error: 0xCAA2000C The request requires user interaction.", cmlog.ErrorSeen, func(t *testing.T, e cmlog.Event) { require.Equal(t, []comgmt.ErrorCode{0xCAA2000C}, e.Codes) }},
	} {
		t.Run(c.message, func(t *testing.T) {
			e, ok := cmlog.Classify(cmlog.Record{Message: c.message})
			require.True(t, ok)
			require.Equal(t, c.kind, e.Kind)
			require.NotEqual(t, string(c.kind), e.Explain(), "a message of the catalogue is explained in words")
			if c.check != nil {
				c.check(t, e)
			}
		})
	}
	for _, quiet := range []string{"", "Hello", "address 0x00000000 and 0x80180002b and 0x1234", "Result 0x00000005"} {
		_, ok := cmlog.Classify(cmlog.Record{Message: quiet})
		require.False(t, ok, quiet)
	}
	e, ok := cmlog.Classify(cmlog.Record{Message: "went wrong", Severity: cmlog.Error})
	require.True(t, ok)
	require.Equal(t, cmlog.ErrorSeen, e.Kind)
}

// story is the life of a client: policy without enrolment, a pilot, a failure, a success.
func story() []string {
	lines := []string{
		"Merged value for 'CoManagementSettings_AutoEnroll' is 'False'",
		"Merged value for 'CoManagementSettings_Allow' is 'True'",
		"Merged value for 'CoManagementSettings_Capabilities' is '8193'",
		"Device is not MDM enrolled yet. All workloads are managed by SCCM.",
		"Co-management is disabled but expected to be enabled.",
		"Merged value for setting 'CoManagementSettings_AutoEnroll' is 'true'",
		"New merged workloadflags value with co-management max capabilities '4095' is '65'",
		"Merging workload flags 1 with 65",
		"Queuing enrollment timer to fire at 07/04/2025 14:03:19 +01:00 local time",
		"Enrolling device to MDM... Try #1 out of 3",
		"Auto MDM Enroll: Failed (Unknown Win32 Error code: 0x8018002b)",
		"Enrollment randomization timer fired",
		"Enrolling device to MDM... Try #2 out of 3",
		"MDM enrollment succeeded",
		"Workloads flag retrieved 65",
		"Co-mgmt workloads flag is compliant",
	}
	for i, l := range lines {
		lines[i] = frame(l, fmt.Sprintf("09:%02d:00.000-60", i), "07-04-2025")
	}
	return lines
}

func TestState(t *testing.T) {
	at := func(n int) cmlog.State {
		s, err := cmlog.ReadState(strings.NewReader(strings.Join(story()[:n], "\r\n")))
		require.NoError(t, err)
		return s
	}
	require.Equal(t, cmlog.State{}, at(0), "a log that says nothing")

	s := at(5)
	require.Equal(t, comgmt.No, s.AutoEnrol)
	require.Equal(t, comgmt.Yes, s.Allow)
	require.Equal(t, comgmt.Flags(8193), *s.Policy)
	require.Equal(t, comgmt.No, s.Enrolled)
	require.True(t, s.Lagging)
	require.Nil(t, s.Applied)

	s = at(9)
	require.Equal(t, comgmt.Yes, s.AutoEnrol)
	require.Equal(t, comgmt.LegacyMask, *s.Mask)
	require.Equal(t, comgmt.Flags(65), *s.Merged)
	require.Equal(t, "07/04/2025 14:03:19 +01:00 local time", s.NextTimer)
	require.Equal(t, "2025-07-04T13:03:19Z", s.NextTime.Format(time.RFC3339))

	s = at(11)
	require.Equal(t, comgmt.ErrorCode(0x8018002B), s.LastError.Codes[0])
	require.Equal(t, [2]int{1, 3}, [2]int{s.Try, s.Tries})

	s = at(16)
	require.Equal(t, comgmt.Yes, s.Enrolled)
	require.Nil(t, s.LastError, "a success clears the error")
	require.Empty(t, s.NextTimer)
	require.Equal(t, comgmt.Flags(65), *s.Applied)
	require.False(t, s.Lagging)
	require.Equal(t, comgmt.Yes, s.Compliant)
	require.Equal(t, 16, s.Records)
	require.Equal(t, "2025-07-04T08:00:00Z", s.First.Format(time.RFC3339))
	require.Equal(t, "2025-07-04T08:15:00Z", s.Last.Format(time.RFC3339))

	l := s.LogState()
	require.Equal(t, comgmt.Flags(65), *l.Applied)
	require.Equal(t, comgmt.No, l.Override)
}

// TestCorpus reads the sample logs beside the checkout, where there are any.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no sample logs")
	}
	files, err := filepath.Glob(filepath.Join(dir, "comgmt", "logs", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		var utc []string
		understood, total := 0, 0
		for r, err := range cmlog.Read(f) {
			require.NoError(t, err)
			require.Empty(t, r.Problem, "%s:%d", name, r.Line)
			if strings.HasPrefix(r.Message, "# ") {
				continue // a remark of whoever collected the messages
			}
			total++
			if !r.Time.IsZero() {
				utc = append(utc, r.Time.Format(time.RFC3339Nano))
			}
			if _, ok := cmlog.Classify(r); ok {
				understood++
			} else {
				t.Logf("%s:%d: not in the catalogue: %s", filepath.Base(name), r.Line, r.Message)
			}
		}
		require.NotZero(t, total, name)
		switch filepath.Base(name) {
		case "cmtrace-real-bias330.log":
			require.Equal(t, []string{"2014-11-28T14:03:19.766Z", "2014-11-28T14:03:19.766Z", "2014-12-23T01:33:10.647Z", "2014-12-23T01:33:10.647Z", "2014-12-29T15:07:41.047Z", "2014-12-28T07:59:43.373Z"}, utc)
			require.Len(t, utc, total)
		case "constructed-comanagementhandler-bst.log":
			require.Equal(t, "2025-07-04T08:00:00Z", utc[0])
			require.Equal(t, total, understood)
		}
		if strings.HasPrefix(filepath.Base(name), "comanagementhandler") {
			require.Equal(t, total, understood, "every message of %s is in the catalogue", name)
		}
	}
}

func ExampleReadState() {
	s, err := cmlog.ReadState(strings.NewReader(strings.Join(story(), "\r\n")))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("enrolled:", s.Enrolled)
	fmt.Println("applied: ", *s.Applied, "with Intune:", s.Applied.Workloads())
	fmt.Println("mask:    ", *s.Mask)
	// Output:
	// enrolled: yes
	// applied:  65 with Intune: client-apps
	// mask:     4095
}
