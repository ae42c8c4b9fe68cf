package comgmt_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

func TestErrorTable(t *testing.T) {
	all := comgmt.ErrorCodes()
	require.GreaterOrEqual(t, len(all), 86)
	require.True(t, slices.IsSortedFunc(all, func(a, b comgmt.ErrorInfo) int { return int(int64(a.Code) - int64(b.Code)) }))
	seen := map[comgmt.ErrorCode]bool{}
	for _, e := range all {
		require.False(t, seen[e.Code], "%v twice", e.Code)
		seen[e.Code] = true
		require.NotEmpty(t, e.Meaning, "%v", e.Code)
		require.NotEmpty(t, e.Source, "%v", e.Code)
		for _, s := range []string{e.Code.String(), e.Code.String()[2:], strconv.FormatUint(uint64(e.Code), 10), strconv.Itoa(int(e.Code.Signed())), "0x\u200e" + e.Code.String()[2:] + "\u202c"} {
			got, err := comgmt.ParseErrorCode(s)
			require.NoError(t, err, s)
			require.Equal(t, e.Code, got, s)
		}
		got, ok := comgmt.LookupError(e.Code)
		require.True(t, ok)
		require.Equal(t, e, got)
	}
	for alias, code := range map[comgmt.ErrorCode]comgmt.ErrorCode{0x80180030: 0x8018002A, 0x80180031: 0x8018002B} {
		info, ok := comgmt.LookupError(alias)
		require.True(t, ok)
		require.Equal(t, code, info.AliasOf)
		require.True(t, seen[code])
	}
}

func TestLookupByFacility(t *testing.T) {
	for code, want := range map[comgmt.ErrorCode]string{
		0x801901F7: "HTTP 503", 0x80192EFD: "WinHTTP 12029", 0x80070005: "Win32 5",
	} {
		info, ok := comgmt.LookupError(code)
		require.True(t, ok)
		require.Equal(t, want, info.Name)
		require.Equal(t, comgmt.BasisDerived, info.Basis)
	}
	for _, code := range []comgmt.ErrorCode{0x8018FFFF, 0x80190020} {
		info, ok := comgmt.LookupError(code)
		require.True(t, ok)
		require.Contains(t, info.Meaning, "not in any published list")
	}
	info, ok := comgmt.LookupError(0xDEADBEEF)
	require.False(t, ok)
	require.Equal(t, comgmt.BasisUnknown, info.Basis)
}

func TestParseErrorCode(t *testing.T) {
	for _, s := range []string{"", "0x", "0x80180002b", "0x8018", "80180002b", "4294967296", "-2147483649", "hello", "0x8018002G", "1.5", "0x8018002A x"} {
		_, err := comgmt.ParseErrorCode(s)
		require.ErrorIs(t, err, comgmt.ErrErrorCode, s)
	}
	var in struct{ Code comgmt.ErrorCode }
	require.NoError(t, json.Unmarshal([]byte(`{"Code":"2149056554"}`), &in))
	require.Equal(t, comgmt.ErrorCode(0x8018002A), in.Code)
	require.Error(t, json.Unmarshal([]byte(`{"Code":"x"}`), &in))
}

func TestCorpusErrors(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no collected codes")
	}
	for _, row := range readCSV(t, filepath.Join(dir, "comgmt", "errors", "mdm-enrollment-errors.csv")) {
		code, err := comgmt.ParseErrorCode(row["hex"])
		require.NoError(t, err)
		for _, c := range []string{"unsigned", "signed"} {
			got, err := comgmt.ParseErrorCode(row[c])
			require.NoError(t, err)
			require.Equal(t, code, got, "%v", row)
		}
		info, ok := comgmt.LookupError(code)
		require.True(t, ok)
		require.Equal(t, comgmt.BasisDocumented, info.Basis, "%v is in the table", code)
		if name := row["name"]; name != "-" && info.Name != "HTTP 429" {
			require.Contains(t, name, info.Name, "%v", code)
		}
	}
}

func FuzzParseErrorCode(f *testing.F) {
	for _, s := range []string{"0x8018002A", "8018002A", "2149056554", "-2145910742", "0x\u200e8018002A\u202c", "0x80180002b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := comgmt.ParseErrorCode(s)
		if err != nil {
			return
		}
		again, err := comgmt.ParseErrorCode(c.String())
		if err != nil || again != c {
			t.Fatalf("%q is %v, then %v (%v)", s, c, again, err)
		}
		comgmt.LookupError(c)
	})
}

func ExampleLookupError() {
	code, err := comgmt.ParseErrorCode("-2145910741")
	if err != nil {
		fmt.Println(err)
		return
	}
	info, _ := comgmt.LookupError(code)
	fmt.Println(info.Code, info.Name)
	fmt.Println(info.Remedy)
	// Output:
	// 0x8018002B MENROLL_E_MDM_NOT_CONFIGURED
	// Verify the suffix and give users that UPN; set the MDM user scope.
}
