package gpo_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestImports(t *testing.T) {
	banned := map[string]string{
		"golang.org/x/":                       "the answer must not depend on the system it is computed on",
		"github.com/":                         "LDIF and JSON are read here, so that nobody gets an LDAP client with it",
		"go.internal/hybridkit/registry/live": "policy is computed from files, not from this machine",
		"net/http":                            "nothing is fetched",
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		for prefix, why := range banned {
			if strings.HasPrefix(dep, prefix) {
				t.Errorf("imports %s: %s", dep, why)
			}
		}
	}
}
