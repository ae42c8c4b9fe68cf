package dsreg_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
)

func TestCodes(t *testing.T) {
	all := dsreg.Codes()
	require.GreaterOrEqual(t, len(all), 71)
	for i, c := range all {
		if i > 0 {
			require.Less(t, all[i-1].Code, c.Code, "sorted and without duplicates")
		}
		require.NotEmpty(t, c.Meaning, c.Code)
		require.NotEmpty(t, c.Remedy, c.Code)
		require.NotEmpty(t, c.Source, c.Code)
		require.NotContains(t, strings.ToLower(c.Meaning+c.Remedy), "as above")
		for _, text := range []string{c.Code.String(), strings.ToUpper(c.Code.String()), decimal(int64(c.Code)), decimal(int64(c.Code.Signed()))} {
			got, err := dsreg.ParseCode(text)
			require.NoError(t, err, text)
			require.Equal(t, c.Code, got, text)
		}
		info, ok := dsreg.Lookup(c.Code)
		require.True(t, ok)
		require.Equal(t, c, info)
		require.True(t, dsreg.Explain(c.Code).Exact)
	}
	info, ok := dsreg.LookupSymbol("dsreg_e_directory_failure")
	require.True(t, ok)
	require.Equal(t, dsreg.Code(0x801c03f2), info.Code)
	require.EqualValues(t, -2145647630, info.Code.Signed())
	_, ok = dsreg.LookupSymbol("TIMEOUT")
	require.False(t, ok)
	for _, bad := range []string{"", "0x", "0x123456789", "0xzz", "4294967296", "-2147483649", "12a"} {
		_, err := dsreg.ParseCode(bad)
		require.Error(t, err, bad)
	}
}

func decimal(n int64) string {
	s := ""
	neg := n < 0
	if neg {
		n = -n
	}
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	if neg {
		return "-" + s
	}
	return s
}

func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		code   dsreg.Code
		family dsreg.Family
		inner  uint32
		symbol string
	}{
		{0, dsreg.FamilySuccess, 0, ""},
		{0xd000023c, dsreg.FamilyNTHRESULT, 0xc000023c, "STATUS_NETWORK_UNREACHABLE"},
		{0xc000023c, dsreg.FamilyNTSTATUS, 0xc000023c, "STATUS_NETWORK_UNREACHABLE"},
		{0xcaa82ee2, dsreg.FamilyADALNet, 12002, "ERROR_ADAL_INTERNET_TIMEOUT"},
		{0xcaa82ee7, dsreg.FamilyADALNet, 12007, "WININET_E_NAME_NOT_RESOLVED"},
		{0x80072f05, dsreg.FamilyWinHTTP, 12037, "ERROR_WINHTTP_SECURE_CERT_DATE_INVALID"},
		{0x2ee6, dsreg.FamilyWinHTTP, 12006, "ERROR_WINHTTP_UNRECOGNIZED_SCHEME"},
		{0x8007054b, dsreg.FamilyWin32, 0x54b, "ERROR_NO_SUCH_DOMAIN"},
		{0x80190190, dsreg.FamilyHTTP, 400, ""},
		{0x80180018, dsreg.FamilyMDM, 0x18, ""},
		{0x801cffff, dsreg.FamilyDSREG, 0xffff, ""},
		{0x4aa90010, dsreg.FamilyADALInfo, 0x4aa90010, ""},
		{0x800484c1, dsreg.FamilyCloudAP, 0x800484c1, "AAD_CLOUDAP_E_WSTRUST_SAML_TOKENS_ARE_EMPTY"},
		{0x80090016, dsreg.FamilyCrypto, 0x80090016, "NTE_BAD_KEYSET"},
		{0x80290407, dsreg.FamilyTPM, 0x80290407, "TPM_E_PCP_INTERNAL_ERROR"},
		{0x12345678, dsreg.FamilyOther, 0x12345678, ""},
	} {
		e := dsreg.Explain(c.code)
		require.Equal(t, c.family, e.Family, c.code)
		require.Equal(t, c.inner, e.Inner, c.code)
		require.Contains(t, e.Symbol, c.symbol, c.code)
		require.Equal(t, c.code, e.Code)
	}
	require.Equal(t, dsreg.Yes, dsreg.Explain(0x801901f7).Transient, "HTTP 503 passes")
}

func TestServerTexts(t *testing.T) {
	require.Equal(t, "AADSTS50034", dsreg.ServerCode("AADSTS50034: The user account does not exist. AADSTS90002"))
	require.Equal(t, "MSIS9682", dsreg.ServerCode("x MSIS9682: no"))
	require.Equal(t, "", dsreg.ServerCode("AADSTS: no digits, AADSTSx"))
	for _, x := range dsreg.ServerTexts() {
		require.NotEmpty(t, x.Meaning)
		require.NotEmpty(t, x.Remedy)
		require.NotEmpty(t, x.Source)
		got, ok := dsreg.ExplainText("Error: " + strings.ToUpper(x.Match) + ": something")
		require.True(t, ok, x.Match)
		require.Equal(t, x.Meaning, got.Meaning)
	}
	for _, s := range []string{"The device object by the given id (1) is not found.", "The device object by the given id (1) isn't found."} {
		x, ok := dsreg.ExplainText(s)
		require.True(t, ok)
		require.True(t, x.Expects)
	}
	x, ok := dsreg.ExplainText("AADSTS999999: new")
	require.True(t, ok)
	require.Equal(t, dsreg.ServerText{Code: "AADSTS999999"}, x)
	_, ok = dsreg.ExplainText("all is well")
	require.False(t, ok)
}
