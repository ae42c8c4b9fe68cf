package scepclient_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports keeps the client small: it is what other programs link.
func TestImports(t *testing.T) {
	allowed := map[string]string{
		"github.com/smallstep/scep":    "types and numbers of the protocol",
		"github.com/smallstep/pkcs7":   "comes with smallstep/scep",
		"golang.org/x/crypto":          "cryptobyte; comes with smallstep/pkcs7",
		"go.internal/hybridkit/scepcl": "this package",
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		ok := false
		for prefix := range allowed {
			ok = ok || strings.HasPrefix(dep, prefix)
		}
		if !ok {
			t.Errorf("imports %s: a SCEP client should cost its users smallstep/scep and nothing else", dep)
		}
	}
	// The tests as well: what they import, every user's go mod tidy fetches. intune/graph is the driver that has kiota.
	out, err = exec.CommandContext(t.Context(), "go", "list", "./...").Output()
	require.NoError(t, err)
	light := slices.DeleteFunc(strings.Fields(string(out)), func(p string) bool { return strings.HasSuffix(p, "/scepclient/intune/graph") })
	out, err = exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-test"}, light...)...).Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		for prefix, why := range map[string]string{
			"github.com/microsoft":        "msgraph-sdk-go and kiota: profiles are read from JSON",
			"github.com/micromdm/scep":    "pulls go-kit, gorilla and bbolt; real peers are run by .ci",
			"github.com/smallstep/certif": "step-ca is run by .ci",
			"go.internal/hybridkit/ldaps": "packages of this module do not import each other",
			"go.internal/hybridkit/regis": "packages of this module do not import each other",
		} {
			if strings.HasPrefix(dep, prefix) {
				t.Errorf("imports %s: %s", dep, why)
			}
		}
	}
}
