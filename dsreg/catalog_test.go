package dsreg_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
)

// readLabels parses the captures that together hold every label.
func readLabels(t testing.TB) map[string]*dsreg.Status {
	t.Helper()
	files, err := filepath.Glob("testdata/labels/*.txt")
	require.NoError(t, err)
	all := map[string]*dsreg.Status{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		requireAccounted(t, string(b))
		st, err := dsreg.ParseString(string(b))
		require.NoError(t, err)
		require.False(t, st.Several, name)
		all[strings.TrimSuffix(filepath.Base(name), ".txt")] = st
	}
	return all
}

// TestEveryLabel checks that each label of the catalogue stands in a fixture,
// in its section, and becomes a typed row with the value and the line that
// the fixture has.
func TestEveryLabel(t *testing.T) {
	seen := map[string]bool{}
	for name, st := range readLabels(t) {
		typed := typedRows(st)
		for f := range st.Fields() {
			if f.Section == "Virtual Desktop Settings" && !f.Known() {
				continue
			}
			require.True(t, f.Known(), "%s:%d: %s", name, f.Line, f.Label)
			seen[f.Key()] = true
			raw, ok := typed[f.Line]
			require.True(t, ok, "%s:%d: %s has no typed row", name, f.Line, f.Label)
			require.Equal(t, f.Value, raw)
			l, ok := dsreg.Describe(f)
			require.True(t, ok, f.Label)
			require.NotEmpty(t, l.Source)
		}
	}
	labels := dsreg.Catalog()
	require.GreaterOrEqual(t, len(labels), 134)
	for _, l := range labels {
		require.True(t, seen[l.Section.String()+"/"+l.Name], "no fixture has %s/%s", l.Section, l.Name)
		require.NotEmpty(t, l.Type)
		require.NotEmpty(t, l.Source)
	}
}

// typedRows finds every Cell of the typed model by reflection: line and raw value.
func typedRows(st *dsreg.Status) map[int]string {
	rows := map[int]string{}
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			if c, ok := v.Interface().(dsreg.Cell); ok {
				if c.State != dsreg.Absent {
					rows[int(c.Line)] = c.Raw
				}
				return
			}
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() && v.Type().Field(i).Type != reflect.TypeFor[dsreg.Field]() {
					walk(v.Field(i))
				}
			}
		}
	}
	walk(reflect.ValueOf(*st))
	return rows
}

func TestTypedValues(t *testing.T) {
	all := readLabels(t)
	cur, pre, old := all["current"], all["prejoin"], all["old"]

	require.Equal(t, dsreg.HybridJoined, cur.Join())
	require.True(t, cur.JoinDetail().Dual)
	require.Equal(t, 2035, cur.Details.DeviceCertificateValidity.End.Year())
	require.Equal(t, dsreg.AuthNotTested, cur.Details.DeviceAuthStatus.Result)
	require.Equal(t, dsreg.Code(0xd000023c), cur.Details.DeviceAuthStatus.Code)
	uris, err := cur.Tenant.SettingsURL.URIs()
	require.NoError(t, err)
	require.Equal(t, []string{"https://roam.ashdown.example/"}, uris)
	u, err := cur.SSO.EnterprisePrtAuthority.URL()
	require.NoError(t, err)
	require.Equal(t, "443", u.Port())
	require.Equal(t, "AzureAd", cur.User.WamDefaultGUID.Name)
	require.Equal(t, []string{".windows.net", ".windows.net:1433", ".azure.net"}, cur.SSO.KerbTopLevelNames.Items())
	require.Len(t, cur.SSO.Attempts, 2)
	require.Equal(t, 417_000_000, cur.SSO.Attempts[0].PreviousPrtAttempt.Time.Nanosecond())
	require.Equal(t, 400, cur.SSO.Attempts[0].HTTPStatus.N)
	require.Equal(t, dsreg.RefreshPRT, cur.SSO.Attempts[1].Kind)
	require.Equal(t, "ASHDOWN", cur.Diagnostics.ExecutingAccountName.Domain)
	require.Equal(t, "r.okafor@ashdown.example", cur.Diagnostics.ExecutingAccountName.UPN)
	require.Equal(t, dsreg.Absent, cur.Diagnostics.Pre.ClientTime.State, "the clock of the host-name block is not the capture's")
	require.Equal(t, "DirectoryError", cur.Diagnostics.HostName.ServerErrorCode.Raw)
	require.Equal(t, "StateReady", cur.Ngc.LogonCertTemplateReady.Reason())
	require.Equal(t, []string{"Pool", "Broker"}, []string{cur.VirtualDesktop.Pairs[0].Label, cur.VirtualDesktop.Pairs[1].Label})
	require.True(t, cur.Diagnostics.Post.OsVersionUpdated.Known)
	require.False(t, cur.VirtualDesktop.UserMode.Known, "its words are not documented")

	require.Equal(t, dsreg.Fail, pre.Diagnostics.Pre.KerberosTicketTest.Result)
	require.Equal(t, dsreg.Code(0x80090303), pre.Diagnostics.Pre.KerberosTicketTest.Outer)
	require.Equal(t, dsreg.NotTested, pre.Diagnostics.Pre.TokenAcquisitionTest.State)
	require.Equal(t, dsreg.Failed, pre.Ngc.NgcPreReq.State)
	require.Equal(t, dsreg.Unknown, pre.Ngc.IsDeviceJoined.State)
	require.Equal(t, dsreg.Maybe, pre.Ngc.IsDeviceJoined.Value)
	require.Equal(t, dsreg.Empty, pre.Proxy.System.AutoConfigurationURL.State)
	require.Equal(t, dsreg.Absent, pre.Proxy.User.AutoConfigurationURL.State)
	require.True(t, strings.HasSuffix(pre.Proxy.URL.AutoDetectPACStatus.Raw, "using WPAD. code: 0x80072f94"))
	require.True(t, pre.Proxy.URLAccount.Machine())

	require.Equal(t, dsreg.DomainJoinedRegistered, old.Join())
	require.NotNil(t, old.OldRegistration)
	require.Equal(t, dsreg.Absent, old.Details.DeviceID.State)
	require.Equal(t, "1.0", old.OldRegistration.Tenant.DeviceManagementSrvVer.Raw)
	require.Equal(t, dsreg.Set, old.OldRegistration.Tenant.MDMComplianceURL.State)
	require.True(t, old.SSO.AzureAdPrtAuthority.Says("NO"))
	require.Len(t, old.WorkAccounts, 1)
	require.Equal(t, "A", old.Layout().Family[:1])
}

// TestSameLabelInEverySection: a label that occurs in several sections is
// found in each, in any of its spellings.
func TestSpellings(t *testing.T) {
	for _, l := range dsreg.Catalog() {
		for _, name := range []string{l.Name, l.Alias, strings.ToUpper(l.Name), strings.ReplaceAll(l.Name, " ", "")} {
			if name == "" || l.Name == "KeySignTest" && name == l.Alias {
				continue
			}
			title := l.Section.String()
			if l.Section == dsreg.SecWorkAccount {
				title += " 1"
			}
			st, err := dsreg.ParseString("| " + title + " |\n  " + name + " : \n")
			require.NoError(t, err)
			f := slices.Collect(st.Fields())[0]
			require.Equal(t, l.Section.String()+"/"+l.Name, f.Key(), "%q in %q", name, title)
			require.Equal(t, name, f.Label, "the label stays as printed")
		}
	}
}
