package dsreg_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/dsreg/dsregtest"
)

// accented is a report with letters outside ASCII.
func accented() *dsregtest.Report {
	return dsregtest.New(dsregtest.Hybrid).Set("Tenant Details", "TenantName", "Hôpital Ashdown Größe").
		Set("Diagnostic Data", "Executing Account Name", `ASHDOWN\rené, rené@ashdown.example`)
}

// facts are the rows without their lines, which damage may change.
func facts(st *dsreg.Status) []string {
	var out []string
	for f := range st.Fields() {
		out = append(out, fmt.Sprintf("%s|%s|%s|%s", f.Section, f.Key(), f.Value, f.Label))
	}
	return out
}

func TestEncodingsGiveTheSameFacts(t *testing.T) {
	want, err := dsreg.ParseString(accented().String())
	require.NoError(t, err)
	require.Equal(t, dsreg.HybridJoined, want.Join())
	require.Equal(t, "Hôpital Ashdown Größe", want.Tenant.TenantName.Raw)
	for _, enc := range []dsregtest.Encoding{dsregtest.UTF8, dsregtest.UTF8BOM, dsregtest.UTF16LE, dsregtest.UTF16LEBOM, dsregtest.UTF16BEBOM, dsregtest.CP1252} {
		for _, end := range []string{"\n", "\r\n", "\r"} {
			t.Run(fmt.Sprintf("%d/%q", enc, end), func(t *testing.T) {
				b := accented().Render(dsregtest.Format{Encoding: enc, LineEnd: end})
				st, err := dsreg.Parse(strings.NewReader(string(b)))
				require.NoError(t, err)
				require.Equal(t, facts(want), facts(st))
				require.Equal(t, slices.Collect(want.Fields()), slices.Collect(st.Fields()), "lines are those of the text, whatever ends them")
				again, err := dsreg.ParseString(string(b))
				require.NoError(t, err)
				require.Equal(t, facts(want), facts(again))
				a, c := dsreg.Diagnose(want, dsreg.Expectation{}), dsreg.Diagnose(st, dsreg.Expectation{})
				if enc == dsregtest.CP1252 {
					require.True(t, c.Has("encoding-repaired"), "a repair is always reported")
				} else {
					require.Equal(t, a.Findings, c.Findings)
				}
			})
		}
	}
}

func TestDamageLeavesTheFacts(t *testing.T) {
	for name, base := range map[string]*dsregtest.Report{"hybrid": dsregtest.New(dsregtest.Hybrid), "domain": dsregtest.New(dsregtest.Domain), "registered": dsregtest.New(dsregtest.Registered)} {
		want, err := dsreg.ParseString(base.String())
		require.NoError(t, err)
		for _, d := range []dsregtest.Damage{dsregtest.Indented, dsregtest.Trimmed, dsregtest.Quoted, dsregtest.Fenced, dsregtest.Spaced, dsregtest.HTML, dsregtest.Flattened, dsregtest.TightColon, dsregtest.Padded} {
			t.Run(fmt.Sprintf("%s/%d", name, d), func(t *testing.T) {
				st, err := dsreg.Parse(strings.NewReader(string(base.Render(dsregtest.Format{Damage: d}))))
				require.NoError(t, err)
				require.Equal(t, facts(want), facts(st))
				require.Equal(t, want.Join(), st.Join())
			})
		}
		for _, width := range []int{80, 94, 120} {
			t.Run(fmt.Sprintf("%s/wrap %d", name, width), func(t *testing.T) {
				st, err := dsreg.Parse(strings.NewReader(string(base.Render(dsregtest.Format{Wrap: width}))))
				require.NoError(t, err)
				require.Equal(t, facts(want), facts(st))
			})
		}
	}
}

func TestOldLayouts(t *testing.T) {
	for _, l := range []dsregtest.Layout{dsregtest.Old1803, dsregtest.Server2016} {
		st, err := dsreg.Parse(strings.NewReader(string(dsregtest.New(dsregtest.Hybrid).Render(dsregtest.Format{Layout: l}))))
		require.NoError(t, err)
		require.Equal(t, dsreg.HybridJoined, st.Join())
		require.Equal(t, dsregtest.DeviceID, st.Details.DeviceID.ID.String())
		require.Equal(t, dsregtest.TenantID, st.Tenant.TenantID.ID.String())
		require.Equal(t, dsreg.Pass, st.Diagnostics.Post.KeySignTest.Result)
		require.True(t, st.SSO.AzureAdPrt.Yes())
		require.Nil(t, st.OldRegistration)
		require.True(t, st.Layout().Old)
	}
	// The trap: not joined, and device rows that describe the work account.
	r := dsregtest.New(dsregtest.Entra).Set("Device State", "AzureAdJoined", "NO").Set("User State", "WorkplaceJoined", "YES").WorkAccount(1)
	st, err := dsreg.Parse(strings.NewReader(string(r.Render(dsregtest.Format{Layout: dsregtest.Old1803}))))
	require.NoError(t, err)
	require.Equal(t, dsreg.Registered, st.Join())
	require.Equal(t, dsreg.Absent, st.Details.DeviceID.State, "the device id of a registration is not the device's")
	require.Equal(t, dsreg.Absent, st.Tenant.TenantID.State)
	require.NotNil(t, st.OldRegistration)
	require.Equal(t, dsregtest.DeviceID, st.OldRegistration.Details.DeviceID.ID.String())
	require.Len(t, st.WorkAccounts, 1)
	require.Equal(t, dsregtest.TenantID, st.WorkAccounts[0].WorkplaceTenantID.ID.String())
}

func TestQuirks(t *testing.T) {
	const head = "+----------------------------------------------------------------------+\n"
	cases := []struct {
		name, in string
		check    func(*testing.T, *dsreg.Status)
	}{
		{"empty value is not the next row", "| Tenant Details |\n   MdmUrl :\n   MdmTouUrl : https://tou.ashdown.example/\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.Empty, st.Tenant.MDMURL.State)
			require.Equal(t, "", st.Tenant.MDMURL.Raw)
			require.Equal(t, "https://tou.ashdown.example/", st.Tenant.MDMTermsOfUseURL.Raw)
		}},
		{"first separator splits", "| SSO State |\n EnterprisePrtAuthority : https://fs.ashdown.example:443/adfs\n Server Error Description : AADSTS50126: Error : again.\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, "https://fs.ashdown.example:443/adfs", st.SSO.EnterprisePrtAuthority.Raw)
			require.Equal(t, "AADSTS50126: Error : again.", st.SSO.Attempts[0].ServerErrorDescription.Raw)
		}},
		{"KeySignTest with its own colon", "| Device State |\n KeySignTest: : MUST Run elevated to test.\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.NotTested, st.Diagnostics.Post.KeySignTest.State)
		}},
		{"title without box", "Device State\n AzureAdJoined : YES\n\n## SSO State\n AzureAdPrt : NO\n", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Device.AzureAdJoined.Yes())
			f, ok := st.Find("SSO State", "AzureAdPrt")
			require.True(t, ok)
			require.Equal(t, 5, f.Line)
		}},
		{"headless fragment", "Registration Type : fallback_sync\nServer ErrorSubCode : error_missing_device\nHTTP Status : 400\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, "fallback_sync", st.Diagnostics.Pre.RegistrationType.Raw)
			require.Equal(t, 400, st.Diagnostics.Pre.HTTPSStatus.N)
			require.Equal(t, dsreg.Undetermined, st.Join())
		}},
		{"unknown section and rows are kept", head + "| Quantum State |\n" + head + "\n   DeviceId : 5\n   Shiny Row : on\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.Absent, st.Details.DeviceID.State, "a row of a section nobody knows is not the device's")
			require.Equal(t, 2, st.Len())
			f, ok := st.Find("Quantum State", "Shiny Row")
			require.True(t, ok)
			require.False(t, f.Known())
			require.Equal(t, "on", f.Value)
		}},
		{"translated title", head + "| État de l’appareil |\n" + head + "  AzureAdJoined : YES\n", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Device.AzureAdJoined.Yes())
		}},
		{"footer is no row", "| Device State |\n AzureAdJoined : YES\nFor more information, please visit https://www.microsoft.com/aadjerrors\nOwner : somebody\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, 1, st.Len(), "rows end at the footer")
			texts := slices.Collect(st.Texts())
			require.Equal(t, dsreg.TextFooter, texts[0].Class)
		}},
		{"progress text", "| Diagnostic Data |\nWaiting for Diagnostics Task to complete. This could take a few minutes...\n   \n User Context : SYSTEM\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, "SYSTEM", st.Diagnostics.Pre.UserContext.Raw)
			require.Equal(t, dsreg.TextProgress, slices.Collect(st.Texts())[0].Class)
		}},
		{"wrap with a colon in the rest", head + "| URL Specific Proxy Config |\n" + head +
			"   Auto Detect PAC Status : Failed to auto detect the Proxy Auto-Configuration (PAC) script u\nsing WPAD. code: 0x80072f94\n   Executing Account Name : ASHDOWN\\AV-LT-0417$\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, "Failed to auto detect the Proxy Auto-Configuration (PAC) script using WPAD. code: 0x80072f94", st.Proxy.URL.AutoDetectPACStatus.Raw)
			require.True(t, st.Proxy.URLAccount.Machine())
			f, _ := st.Find("", "Auto Detect PAC Status")
			require.Equal(t, 2, f.Lines)
		}},
		{"no wrap after a short line", head + "| Device Details |\n" + head + "   DeviceId : b7e0c9d4-15a2-4f63-8e9b-2c4d7a10f5e6\nand this is a remark of the author\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.Set, st.Details.DeviceID.State)
			require.Len(t, slices.Collect(st.Texts()), 1)
		}},
		{"line breaks in a server text", "| SSO State |\n  AcquirePrtDiagnostics : PRESENT\n  Correlation ID : 0f9d3b52-77c4-4e18-a6b0-d15e48c2f970\n  Server Error Description : AADSTS50034: No such user.\nTrace ID: 1\nCorrelation ID: 2\nTimestamp: 2026-03-04 09:00:00Z\n  EnterprisePrt : NO\n", func(t *testing.T, st *dsreg.Status) {
			a := st.SSO.Attempts[0]
			require.Equal(t, "0f9d3b52-77c4-4e18-a6b0-d15e48c2f970", a.CorrelationID.ID.String())
			require.Equal(t, "AADSTS50034: No such user.\nTrace ID: 1\nCorrelation ID: 2\nTimestamp: 2026-03-04 09:00:00Z", a.ServerErrorDescription.Raw)
			require.True(t, st.SSO.EnterprisePrt.No())
		}},
		{"cut in a value", "| Tenant Details |\n  TenantId : 4d1c2f6e-8a53", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Source.CutEnd)
			require.Equal(t, dsreg.Malformed, st.Tenant.TenantID.State)
		}},
		{"cut in a header", head + "| Device State |\n" + head + " AzureAdJoined : NO\n" + head + "| Ngc Prerequisite Check", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Source.CutEnd)
			require.True(t, st.Has(dsreg.SecNgc))
		}},
		{"no-break spaces", "| Device State |\n\u00a0\u00a0\u00a0AzureAdJoined\u00a0: YES\n   DomainJoined : NO\u00a0\u00a0\n", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Device.DomainJoined.No())
		}},
		{"bold row", "| User State |\n     **NgcSet : YES**\n", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.User.NgcSet.Yes())
		}},
		{"list with code marks", "* AzureAdJoined : `YES`\n* EnterpriseJoined : `NO`\n* DomainJoined : `NO`\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.EntraJoined, st.Join())
		}},
		{"JSON strings", "\"   AzureAdJoined : YES\",\r\n\"   DomainJoined : NO\",\r\n", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Device.DomainJoined.No())
		}},
		{"table of a report", "<table><tr><td>AzureAdJoined</td><td>:</td><td>YES</td></tr><tr><td>DomainJoined : NO</td></tr></table>", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Device.AzureAdJoined.Yes())
			require.True(t, st.Device.DomainJoined.No())
		}},
		{"OEM bytes", "| Tenant Details |\nTenantName : H\x94henbach\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, "Höhenbach", st.Tenant.TenantName.Raw)
			require.Equal(t, dsreg.CP850, st.Source.Encoding)
		}},
		{"several rows on a line", "| Device State |\nAzureAdJoined : YES  EnterpriseJoined : NO, DomainJoined : YES; DomainName : ASHDOWN\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.HybridJoined, st.Join())
			require.Equal(t, "ASHDOWN", st.Device.DomainName.Raw)
		}},
		{"host-name block is not a join failure", "| Diagnostic Data |\n  KeySignTest : PASSED\n\n  Last HostName Update : SUCCESS\n  Client Time : 2026-03-04 09:30:00.000 UTC\n  HTTP Status : 200\n  Server Message : updated\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.Absent, st.Diagnostics.Pre.ClientTime.State)
			require.Equal(t, 200, st.Diagnostics.HostName.HTTPSStatus.N)
			require.Equal(t, "updated", st.Diagnostics.HostName.ServerMessage.Raw)
		}},
		{"console code page", "| Tenant Details |\n TenantName : RÚpertoire par dÚfaut\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, "Répertoire par défaut", st.Tenant.TenantName.Raw)
			require.Equal(t, []dsreg.Repair{{Line: 2, From: "RÚpertoire par dÚfaut", To: "Répertoire par défaut"}}, st.Source.Repairs)
		}},
		{"capitals are no damage", "| Tenant Details |\n TenantName : ÉCOLE Élémentaire ÅNGSTRÖM\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, "ÉCOLE Élémentaire ÅNGSTRÖM", st.Tenant.TenantName.Raw)
			require.Empty(t, st.Source.Repairs)
		}},
		{"two work accounts keep their rows", dsregtest.New(dsregtest.Registered).WorkAccount(2).Set("Work Account 2", "TpmProtected", "NO").String(), func(t *testing.T, st *dsreg.Status) {
			require.Len(t, st.WorkAccounts, 2)
			require.True(t, st.WorkAccounts[0].TpmProtected.Yes())
			require.True(t, st.WorkAccounts[1].TpmProtected.No())
			require.Equal(t, 2, st.WorkAccounts[1].Number)
			require.Equal(t, dsreg.Absent, st.Details.TpmProtected.State)
		}},
		{"messages before the first box", "dsregcmd::wmain logging initialized.\nERROR PrivateKeySignTest 0x80090016 (failed key type: 1)\n" + dsregtest.New(dsregtest.Hybrid).String(), func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, dsreg.KindStatus, st.Kind)
			require.False(t, st.Several)
			require.NotNil(t, st.Log)
		}},
		{"proxies of user and system", "| IE Proxy Config for System Account |\n Auto Detect Settings : NO\n| IE Proxy Config for Current User |\n Auto Detect Settings : YES\n", func(t *testing.T, st *dsreg.Status) {
			require.True(t, st.Proxy.System.AutoDetectSettings.No())
			require.True(t, st.Proxy.User.AutoDetectSettings.Yes())
		}},
		{"vendor pairs", "| Virtual Desktop Settings |\n Provider : Ashdown VDI\n Extensions : 2\n Pool : blue\n Type Of : x\n", func(t *testing.T, st *dsreg.Status) {
			require.Equal(t, 2, st.VirtualDesktop.Extensions.N)
			require.Len(t, st.VirtualDesktop.Pairs, 2)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			st, err := dsreg.ParseString(c.in)
			require.NoError(t, err)
			c.check(t, st)
			requireAccounted(t, c.in)
		})
	}
}

// requireAccounted checks that every line that is not noise is in the model
// exactly once: as a row or a part of one, a title, or text.
func requireAccounted(t testing.TB, in string) {
	t.Helper()
	all, err := dsreg.ParseAll(strings.NewReader(in))
	require.NoError(t, err)
	seen := map[int]int{}
	rows := map[int]int{}
	for _, st := range all {
		for f := range st.Fields() {
			rows[f.Line]++
			for i := range max(f.Lines, 1) {
				if i > 0 || rows[f.Line] == 1 {
					seen[f.Line+i]++ // several rows on a line are one line
				}
			}
		}
		for h := range st.Headings() {
			if seen[h.Line] == 0 || rows[h.Line] == 0 {
				seen[h.Line]++
			}
		}
		for x := range st.Texts() {
			for i := range x.Lines {
				if rows[x.Line] == 0 {
					seen[x.Line+i]++
				}
			}
		}
	}
	in = strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\r", "\n")
	for i, line := range strings.Split(in, "\n") {
		noise := strings.Trim(line, " \t+-=*_>`~\u00a0\v\f\x00") == "" || strings.HasPrefix(strings.TrimSpace(line), "```")
		if !noise {
			require.Equal(t, 1, seen[i+1], "line %d: %q", i+1, line)
		}
	}
}

func TestEveryLineOnce(t *testing.T) {
	for s := dsregtest.Hybrid; s <= dsregtest.DRS; s++ {
		r := dsregtest.New(s).Preface("A remark", "", "PS C:\\> dsregcmd /status", "")
		for _, f := range []dsregtest.Format{{}, {Damage: dsregtest.Padded}, {Damage: dsregtest.Fenced}, {Wrap: 80}, {Layout: dsregtest.Old1803}, {Damage: dsregtest.Quoted}, {LineEnd: "\r\n"}} {
			requireAccounted(t, string(r.Render(f)))
		}
	}
}

func TestSeveralCaptures(t *testing.T) {
	a, b := dsregtest.New(dsregtest.Hybrid).String(), dsregtest.New(dsregtest.Workgroup).String()
	in := "first user\n" + a + "\nC:\\> dsregcmd /status\n" + b + "dsregcmd::wmain logging initialized.\npreCheckResult: Join\nDSREGCMD_END_STATUS\n             AzureAdJoined : NO\n          EnterpriseJoined : NO\n$ dsregcmd /listaccounts\nCall ListAccounts to list WAM accounts from the current user profile.\n\nUser accounts:\nAccounts found: 0.\n"
	all, err := dsreg.ParseAll(strings.NewReader(in))
	require.NoError(t, err)
	require.Len(t, all, 4)
	for i, want := range []dsreg.Kind{dsreg.KindStatus, dsreg.KindStatus, dsreg.KindJoin, dsreg.KindAccounts} {
		require.Equal(t, want, all[i].Kind, "capture %d", i+1)
		require.Equal(t, i+1, all[i].Index)
		require.True(t, all[i].Several)
	}
	texts := slices.Collect(all[1].Texts())
	require.Equal(t, dsreg.TextPrompt, texts[0].Class, "the prompt introduces the second capture")
	requireAccounted(t, in)

	st, err := dsreg.Parse(strings.NewReader(in))
	require.NoError(t, err)
	require.True(t, st.Several)
	require.Equal(t, dsreg.HybridJoined, st.Join())
}

func TestStreamingGivesTheSame(t *testing.T) {
	var in strings.Builder
	const n = 400 // several segments
	for i := range n {
		in.WriteString(dsregtest.New(dsregtest.State(1 + i%6)).Preface(fmt.Sprintf("PS C:\\> dsregcmd /status # %d", i)).String())
	}
	whole, err := dsreg.ParseAll(strings.NewReader(in.String()))
	require.NoError(t, err)
	require.Len(t, whole, n)
	slow, err := dsreg.ParseAll(iotest.OneByteReader(strings.NewReader(in.String())))
	require.NoError(t, err)
	require.Equal(t, len(whole), len(slow))
	lines := strings.Split(in.String(), "\n")
	for i := range whole {
		require.Equal(t, slices.Collect(whole[i].Fields()), slices.Collect(slow[i].Fields()))
		require.Equal(t, i+1, whole[i].Index)
		for f := range whole[i].Fields() {
			require.Contains(t, lines[f.Line-1], f.Label, "line numbers go on over chunks")
		}
	}
	for _, stop := range []int{0, 1, n / 3, n / 2, n - 1} {
		got := 0
		for st, err := range dsreg.Decode(strings.NewReader(in.String())) {
			require.NoError(t, err)
			require.Equal(t, whole[got].Join(), st.Join())
			if got++; got > stop {
				break
			}
		}
		require.Equal(t, stop+1, got)
	}
	broken := errors.New("disk on fire")
	got := 0
	for st, err := range dsreg.Decode(io.MultiReader(strings.NewReader(in.String()), iotest.ErrReader(broken))) {
		if err != nil {
			require.ErrorIs(t, err, broken)
			require.Nil(t, st)
			continue
		}
		require.Equal(t, whole[got].Join(), st.Join())
		got++
	}
	require.Greater(t, got, n/2, "what was read before the error is not lost")
}

func TestNoCapture(t *testing.T) {
	for name, c := range map[string]struct{ in, reason string }{
		"nothing":     {"", "empty"},
		"blank":       {" \n\r\n\t", "empty"},
		"one byte":    {"x", "no row or title"},
		"PNG":         {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a PNG image"},
		"ZIP":         {"PK\x03\x04....", "a ZIP archive"},
		"other text":  {"Author : me\nName : value\nThe quick brown fox\n", "no row or title"},
		"NUL bytes":   {"\x00\x01\x02abc\x00", "not text"},
		"rule only":   {"+----------------------------------------------------------------------+\n", "no row or title"},
		"common word": {"Type : persistent\nProvider : me\n", "no row or title"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dsreg.Parse(strings.NewReader(c.in))
			require.ErrorIs(t, err, dsreg.ErrNoCapture)
			require.ErrorContains(t, err, c.reason)
			_, err = dsreg.ParseString(c.in)
			require.ErrorIs(t, err, dsreg.ErrNoCapture)
			_, err = dsreg.ParseAll(strings.NewReader(c.in))
			require.ErrorIs(t, err, dsreg.ErrNoCapture)
		})
	}
	broken := errors.New("disk on fire")
	_, err := dsreg.Parse(io.MultiReader(strings.NewReader("| Device State |\n"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}

func TestLimits(t *testing.T) {
	_, err := dsreg.Parse(strings.NewReader("| Device State |\n" + strings.Repeat("a : b\n", dsreg.MaxRows+10)))
	require.ErrorIs(t, err, dsreg.ErrTooLarge)
	in, ok := errors.AsType[*dsreg.InputError](err)
	require.True(t, ok)
	require.Greater(t, in.Line, 60000)
	_, err = dsreg.Parse(strings.NewReader(strings.Repeat("x", dsreg.MaxCapture+1)))
	require.ErrorIs(t, err, dsreg.ErrTooLarge)
}
