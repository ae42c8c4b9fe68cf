package ldapsync_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func TestUserAccountControl(t *testing.T) {
	for text, want := range map[string]string{
		"512": "NORMAL_ACCOUNT", "514": "ACCOUNTDISABLE|NORMAL_ACCOUNT", "0": "0x0", "4096": "WORKSTATION_TRUST_ACCOUNT",
		"66048": "NORMAL_ACCOUNT|DONT_EXPIRE_PASSWD", "4": "0x4", "6": "ACCOUNTDISABLE|0x4", "67108864": "0x4000000",
		"4294967295": ldapsync.UserAccountControl(0xFFFFFFFF).String(), "-1": ldapsync.UserAccountControl(0xFFFFFFFF).String(),
	} {
		u, err := ldapsync.ParseUserAccountControl(text)
		require.NoError(t, err)
		require.Equal(t, want, u.String())
	}
	for _, bad := range []string{"", "x", "0x200", "4294967296", "-2147483649", "1.0"} {
		_, err := ldapsync.ParseUserAccountControl(bad)
		require.ErrorContains(t, err, "not a userAccountControl", bad)
	}
	require.True(t, ldapsync.UACNormalAccount.Enabled())
	require.False(t, (ldapsync.UACNormalAccount | ldapsync.UACAccountDisable).Enabled())
	// Every bit is printed, with a name of its own or in the rest.
	seen := map[string]bool{}
	for i := range 32 {
		name := ldapsync.UserAccountControl(1 << i).String()
		require.False(t, seen[name], name)
		require.NotContains(t, name, "|")
		seen[name] = true
	}
	require.Equal(t, 21, len(strings.Split(ldapsync.UserAccountControl(0xFFFFFFFF).String(), "|"))-1, "names, and the rest")
}

func ExampleUserAccountControl() {
	u, err := ldapsync.ParseUserAccountControl("514")
	fmt.Println(u, u.Enabled(), err)
	// Output: ACCOUNTDISABLE|NORMAL_ACCOUNT false <nil>
}
