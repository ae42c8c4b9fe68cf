package comgmt_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

func set(ws ...comgmt.Workload) comgmt.WorkloadSet { return comgmt.NewWorkloadSet(ws...) }

func TestDecode(t *testing.T) {
	all := comgmt.AllWorkloadSet()
	for _, c := range []struct {
		value                          comgmt.Flags
		era                            comgmt.Era
		configured                     bool
		workloads                      comgmt.WorkloadSet
		override, masked, maskPossible bool
		unknown                        comgmt.Flags
	}{
		{0, comgmt.EraNone, false, 0, false, false, false, 0},
		{1, comgmt.EraLegacy, true, 0, false, false, true, 0},
		{7, comgmt.EraLegacy, true, set(comgmt.Compliance, comgmt.ResourceAccess), false, false, true, 0},
		{33, comgmt.EraLegacy, true, set(comgmt.EndpointProtection), false, false, true, 0},
		{65, comgmt.EraLegacy, true, set(comgmt.ClientApps), false, false, true, 0},
		{255, comgmt.EraLegacy, true, all, false, false, true, 0},
		{8193, comgmt.Era2111, true, 0, false, false, false, 0},
		{8197, comgmt.Era2111, true, set(comgmt.ResourceAccess), false, false, false, 0},
		{12321, comgmt.Era2111, true, set(comgmt.EndpointProtection), false, false, false, 0},
		{12543, comgmt.Era2111, true, all, false, false, false, 0},
		{comgmt.Override, comgmt.Era2111, true, all, true, false, false, 0},
		{8193 | 32, comgmt.Era2111, true, set(comgmt.EndpointProtection), false, true, false, 0},              // 32 without 4096
		{4129, comgmt.EraLegacy, true, set(comgmt.EndpointProtection), false, true, false, 0},                 // 4096 without 8192
		{8192, comgmt.Era2111, false, 0, false, true, false, 0},                                               // 8192 without 1
		{2, comgmt.EraUnknown, false, set(comgmt.Compliance), false, false, false, 0},                         // no site writes this
		{8193 | 256, comgmt.Era2111, true, 0, false, false, false, 256},                                       // unassigned bit
		{1 | 1<<40, comgmt.EraLegacy, true, 0, false, false, true, 1 << 40},                                   // beyond 32 bits
		{comgmt.Override | 256, comgmt.Era2111, true, all, false, false, false, comgmt.Override&^12543 | 256}, // nearly an override is none
	} {
		t.Run(c.value.String(), func(t *testing.T) {
			d := c.value.Decode()
			require.Equal(t, c.era, d.Era)
			require.Equal(t, c.configured, d.Configured)
			require.Equal(t, c.workloads, d.Workloads)
			require.Equal(t, c.override, d.Override)
			require.Equal(t, c.masked, d.Masked, "masked")
			require.Equal(t, c.maskPossible, d.MaskPossible, "mask possible")
			require.Equal(t, c.unknown, c.value.Unknown())
			require.Equal(t, c.value, d.Flags(), "nothing is lost")
			require.NotEmpty(t, c.value.Explain())
		})
	}
}

// TestEveryUint32 walks all 2³² values of the registry's DWORD in steps that meet every combination of the low 14 bits with
// random upper bits; the fuzz test does the rest.
func TestEveryUint32(t *testing.T) {
	for low := range uint32(1 << 14) {
		for range 4 {
			f := comgmt.Flags(low | rand.Uint32()<<14)
			if f.Decode().Flags() != f {
				t.Fatalf("%v becomes %v", f, f.Decode().Flags())
			}
		}
	}
}

func FuzzFlags(f *testing.F) {
	for _, v := range []uint32{0, 1, 255, 8193, 12543, 0x7FFFF0FF, 0xFFFFFFFF, 0x80000000} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v uint32) {
		flags := comgmt.Flags(v)
		if got := flags.Decode().Flags(); got != flags {
			t.Fatalf("%d becomes %d", v, got)
		}
		if d := flags.Decode(); d.Masked && d.MaskPossible {
			t.Fatalf("%d is masked and possibly masked", v)
		}
		for _, s := range []string{flags.String(), flags.Hex(), strconv.Itoa(int(int32(v))), fmt.Sprintf("dword:%08x", v), fmt.Sprintf("    CoManagementFlags    REG_DWORD    0x%x", v), fmt.Sprintf("hex(b):%02x,%02x,%02x,%02x,00,00,00,00", byte(v), byte(v>>8), byte(v>>16), byte(v>>24))} {
			got, err := comgmt.ParseFlags(s)
			if err != nil || got != flags {
				t.Fatalf("%q is read as %v: %v", s, got, err)
			}
		}
		flags.Explain()
	})
}

func FuzzParseFlags(f *testing.F) {
	for _, s := range []string{"12543", "0x30FF", "-1", "dword:000030ff", "hex(b):ff,30,00,00,00,00,00,00", "REG_SZ 12543", "0x000030ff (12543)", "0x", "\u200e8197\u200e", `"CoManagementFlags"=dword:2007`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := comgmt.ParseFlags(s)
		if err != nil {
			require.ErrorIs(t, err, comgmt.ErrFlags)
			require.Less(t, len(err.Error()), 800)
			return
		}
		again, err := comgmt.ParseFlags(v.String())
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}

func TestParseFlags(t *testing.T) {
	for in, want := range map[string]comgmt.Flags{
		"12543": 12543, " 12543\r\n": 12543, "+12543": 12543, "0": 0,
		"0x30FF": 12543, "0X30ff": 12543, "0x7FFFF0FF": comgmt.Override,
		"-1": 0xFFFFFFFF, "-2147483648": 0x80000000, "-2147483649": 0xFFFFFFFF7FFFFFFF, "18446744073709551615": 1<<64 - 1,
		"dword:000030ff": 12543, "qword:30ff": 12543, "hex(b):07,20,00,00,00,00,00,00": 8199, "hex(4):07,20,00,00": 8199,
		`"CoManagementFlags"=dword:00002007`: 8199,
		"REG_DWORD 0x2007":                   8199, "REG_QWORD 0x30ff": 12543, "REG_SZ 8197": 8197, "reg_dword 8197": 8197,
		"    CoManagementFlags    REG_DWORD    0x2007": 8199,
		"0x00002007 (8199)":                            8199,
		"\u200e8197\u200e":                             8197, // directional marks of a web page
		"\ufeff8197\u00a0":                             8197,
	} {
		got, err := comgmt.ParseFlags(in)
		require.NoError(t, err, "%q", in)
		require.Equal(t, want, got, "%q", in)
	}
	for in, why := range map[string]string{
		"": "empty", " ": "empty", "abc": "0xabc", "30FF": "write 0x30FF", "12.5": "whole number", "1e3": "0x1e3", "0x": "hexadecimal", "0x1FFFFFFFFFFFFFFFF": "64 bits",
		"18446744073709551616": "64 bits", "dword:1ffffffff": "32 bits", "REG_DWORD 0x1FFFFFFFF": "32 bits", "REG_BINARY 01": "whole number",
		"ConfigInfo REG_SZ 2": `"ConfigInfo"`, "0x2007 (8198)": "differ", "hex(b):07,20": "8 bytes", "8197 8199": "whole number", "--1": "whole number", "\x00": "whole number",
	} {
		_, err := comgmt.ParseFlags(in)
		require.ErrorIs(t, err, comgmt.ErrFlags, "%q", in)
		require.ErrorContains(t, err, why, "%q", in)
	}
}

func TestEncodeFlags(t *testing.T) {
	w := set(comgmt.WindowsUpdate, comgmt.EndpointProtection)
	for v, want := range map[comgmt.SiteVersion]comgmt.Flags{1806: 49, 2107: 49, 2111: 12337, 2309: 12337, 2403: 12341, 2509: 12341} {
		got, err := comgmt.EncodeFlags(v, w)
		require.NoError(t, err)
		require.Equal(t, want, got, "site %v", v)
	}
	_, err := comgmt.EncodeFlags(0, w)
	require.ErrorContains(t, err, "unknown")
	// Every subset and era: what is encoded decodes to the same set.
	for s := range comgmt.AllWorkloadSet() + 1 {
		for _, v := range []comgmt.SiteVersion{2107, 2111, 2403} {
			f, err := comgmt.EncodeFlags(v, s)
			require.NoError(t, err)
			want := s
			if v == 2403 {
				want = want.With(comgmt.ResourceAccess)
			}
			d := f.Decode()
			require.Equal(t, want, d.Workloads)
			require.False(t, d.Masked)
			require.Equal(t, map[bool]comgmt.Era{true: comgmt.Era2111, false: comgmt.EraLegacy}[v >= 2111], d.Era)
			require.Equal(t, d.Workloads, comgmt.MergeFlags(comgmt.LegacyMask, f).Workloads(), "the mask cuts no workload")
		}
	}
	require.Equal(t, comgmt.Flags(65), comgmt.MergeFlags(4095, 8193, 8257))
	require.Equal(t, comgmt.Flags(8259), comgmt.MergeFlags(0, 8195, 8257))
}

func TestExplain(t *testing.T) {
	for v, parts := range map[comgmt.Flags][]string{
		12543:           {"all seven workloads", "2111 or later", "enrolled"},
		8197:            {"set to Intune: Resource access policies", "2403", "nothing moved"},
		comgmt.Override: {"authority for all workloads", "ignored"},
		0:               {"not configured"},
		8193:            {"no workload is with Intune"},
		73:              {"up to 2107", "takes Resource access and Endpoint Protection along"},
		8193 | 256:      {"without a known meaning: 256"},
		2:               {"bit 1 is missing"},
	} {
		for _, p := range parts {
			require.Contains(t, v.Explain(), p, "%v", v)
		}
		require.NotContains(t, v.Explain(), "\n")
	}
}

func TestWorkloadNames(t *testing.T) {
	seen := map[string]comgmt.Workload{}
	var bits comgmt.Flags
	for w := range comgmt.AllWorkloads() {
		for _, name := range []string{w.String(), w.Name(), w.GraphName(), w.Parameter(), w.PilotPolicy()} {
			require.NotEmpty(t, name)
			require.NotContains(t, seen, name)
			seen[name] = w
			got, err := comgmt.ParseWorkload(strings.ToUpper(name))
			require.NoError(t, err)
			require.Equal(t, w, got)
		}
		require.Zero(t, bits&w.Bit(), "bits do not overlap")
		bits |= w.Bit()
		text, err := json.Marshal(w)
		require.NoError(t, err)
		var back comgmt.Workload
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, w, back)
	}
	require.Equal(t, comgmt.Flags(254), bits)
	for _, w := range []comgmt.Workload{0, 8, 255} {
		require.Contains(t, w.String(), "Workload(")
		require.Zero(t, w.Bit())
		_, err := w.MarshalText()
		require.Error(t, err)
		require.Zero(t, set(w))
	}
	_, err := comgmt.ParseWorkload("inventory")
	require.ErrorContains(t, err, "compliance, resource-access")
}

func TestFlagsJSON(t *testing.T) {
	b, err := json.Marshal(map[string]comgmt.Flags{"f": comgmt.Override})
	require.NoError(t, err)
	require.JSONEq(t, `{"f":2147479807}`, string(b))
	var in []comgmt.Flags
	require.NoError(t, json.Unmarshal([]byte(`[8197,"0x2005","dword:00002005",-1]`), &in))
	require.Equal(t, []comgmt.Flags{8197, 8197, 8197, 0xFFFFFFFF}, in)
	require.Error(t, json.Unmarshal([]byte(`[1.5]`), &in))
	require.Error(t, json.Unmarshal([]byte(`[true]`), &in))
}

// TestCorpusFlags checks every row of the collected values, where they are.
func TestCorpusFlags(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no collected values")
	}
	short := map[string]comgmt.Workload{"CA": comgmt.Compliance, "RA": comgmt.ResourceAccess, "DC": comgmt.DeviceConfiguration, "WU": comgmt.WindowsUpdate, "EP": comgmt.EndpointProtection, "CApp": comgmt.ClientApps, "O365": comgmt.OfficeClickToRun}
	rows := readCSV(t, filepath.Join(dir, "comgmt", "flags", "arithmetic.csv"))
	require.Len(t, rows, 128)
	for _, row := range rows {
		var ws comgmt.WorkloadSet
		for name := range strings.SplitSeq(row["workloads_bits_set"], "+") {
			ws = ws.With(short[name])
		}
		for column, v := range map[string]comgmt.SiteVersion{"value_le_2107": 2107, "value_ge_2111": 2111, "value_ge_2403": 2403} {
			f, err := comgmt.ParseFlags(row[column])
			require.NoError(t, err)
			want := ws
			if v == 2403 {
				want = want.With(comgmt.ResourceAccess)
			}
			require.Equal(t, want, f.Workloads(), "%s of %v", column, row)
			encoded, err := comgmt.EncodeFlags(v, ws)
			require.NoError(t, err)
			require.Equal(t, f, encoded)
			require.True(t, f.Configured())
		}
		for column, other := range map[string]string{"hex_le_2107": "value_le_2107", "hex_ge_2111": "value_ge_2111"} {
			a, err := comgmt.ParseFlags(row[column])
			require.NoError(t, err)
			b, err := comgmt.ParseFlags(row[other])
			require.NoError(t, err)
			require.Equal(t, a, b)
		}
	}
	long := map[string]comgmt.WorkloadSet{"Compliance": set(comgmt.Compliance), "Resource access": set(comgmt.ResourceAccess), "Client Apps": set(comgmt.ClientApps), "Windows Update": set(comgmt.WindowsUpdate), "Endpoint Protection": set(comgmt.EndpointProtection), "all seven": comgmt.AllWorkloadSet(), "no workload": 0}
	rows = readCSV(t, filepath.Join(dir, "comgmt", "flags", "observed.csv"))
	require.NotEmpty(t, rows)
	for _, row := range rows {
		f, err := comgmt.ParseFlags(row["value"])
		require.NoError(t, err)
		h, err := comgmt.ParseFlags(row["hex"])
		require.NoError(t, err)
		require.Equal(t, f, h)
		want, era := row["expected_flags_only"], strings.Contains(row["expected_flags_only"], "2111+")
		want = strings.TrimSuffix(want, " (era 2111+)")
		if strings.Contains(strings.ToLower(want), "override") || f.IsOverride() {
			require.True(t, f.IsOverride())
			continue
		}
		var ws comgmt.WorkloadSet
		for part := range strings.SplitSeq(want, "; ") {
			if part == "configured" {
				require.True(t, f.Configured())
				continue
			}
			s, ok := long[part]
			require.True(t, ok, "expectation %q", part)
			ws |= s
		}
		require.Equal(t, ws, f.Workloads(), "%v", row)
		if era {
			require.Equal(t, comgmt.Era2111, f.Era())
		}
	}
}

func readCSV(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, v := range row {
			m[rows[0][i]] = v
		}
		out = append(out, m)
	}
	return out
}

func BenchmarkParseAndDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		f, err := comgmt.ParseFlags("12543")
		if err != nil || f.Decode().Workloads.Len() != 7 {
			b.Fatal(f, err)
		}
	}
}

func ExampleEncodeFlags() {
	moved := comgmt.NewWorkloadSet(comgmt.WindowsUpdate, comgmt.EndpointProtection)
	for _, site := range []comgmt.SiteVersion{2107, 2111, 2403} {
		f, err := comgmt.EncodeFlags(site, moved)
		fmt.Println(site, f, f.Workloads(), err)
	}
	// Output:
	// 2107 49 windows-update, endpoint-protection <nil>
	// 2111 12337 windows-update, endpoint-protection <nil>
	// 2403 12341 resource-access, windows-update, endpoint-protection <nil>
}

func ExampleParseFlags() {
	for _, s := range []string{"8199", "0x2007", "dword:00002007", "CoManagementFlags    REG_DWORD    0x2007"} {
		f, err := comgmt.ParseFlags(s)
		fmt.Println(f, f.Workloads(), err)
	}
	// Output:
	// 8199 compliance, resource-access <nil>
	// 8199 compliance, resource-access <nil>
	// 8199 compliance, resource-access <nil>
	// 8199 compliance, resource-access <nil>
}
