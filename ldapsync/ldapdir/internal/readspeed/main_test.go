//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

func TestRun(t *testing.T) {
	dc := adtest.New(t, adtest.Config{})
	_, err := dc.Add("OU=People,"+dc.BaseDN(), adtest.Attrs{"objectClass": {"organizationalUnit"}})
	require.NoError(t, err)
	const n = 50
	for i := range n {
		_, err := dc.Add(fmt.Sprintf("CN=user%02d,OU=People,%s", i, dc.BaseDN()), adtest.Attrs{"objectClass": {"user"}, "title": {"Nurse"}})
		require.NoError(t, err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, dc.CAPEM(), 0o600))
	t.Setenv("READSPEED_PASSWORD", "Passw0rd-reader")
	args := []string{"-url", dc.TLSURL(), "-ca", ca, "-user", "reader@ashdown.example", "-base", "OU=People," + dc.BaseDN(), "-attrs", "cn,title", "-page", "20"}
	for _, hold := range []string{"no", "batch", "slice"} {
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), append(args, "-hold", hold, "-rounds", "2"), &out, &errs), errs.String())
		var c cost
		require.NoError(t, json.Unmarshal(out.Bytes(), &c), out.String())
		require.Equal(t, n, c.Entries)
		require.Positive(t, c.Allocs)
		require.Equal(t, hold == "no", c.HeldBytes == 0)
	}
	t.Run("with go-ldap", func(t *testing.T) {
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), append(args, "-client", "go-ldap"), &out, &errs), errs.String())
		var c cost
		require.NoError(t, json.Unmarshal(out.Bytes(), &c), out.String())
		require.Equal(t, n, c.Entries)
	})
	for _, wrong := range [][]string{{"-nonsense"}, {}, {"-kind", "x"}, {"-class", "x"}, {"-hold", "x"}, {"-client", "x"}, {"-ca", "no such file"},
		append([]string{}, append(args, "-base", "OU=Nowhere,"+dc.BaseDN())...), append(args, "-class", "device"), append(args, "-client", "go-ldap", "-class", "device")} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(t.Context(), wrong, &out, &errs), "%v", wrong)
		require.Empty(t, out.String())
		require.NotEmpty(t, errs.String())
	}
}
