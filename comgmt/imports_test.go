package comgmt_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports keeps the package and its codecs free of dependencies.
func TestImports(t *testing.T) {
	const own = "go.internal/hybridkit/comgmt"
	banned := map[string]string{
		"github.com/microsoftgraph/":       "belongs in a sub-package of its own: it is slow to build and large in every consumer's module graph",
		"github.com/microsoft/kiota":       "comes with the Graph SDK",
		"github.com/go-ldap/":              "a decision about workloads needs no directory",
		"go.internal/hybridkit/dsreg":      "the packages do not import each other",
		"go.internal/hybridkit/registry":   "the packages do not import each other",
		"go.internal/hybridkit/ldapsync":   "the packages do not import each other",
		"go.internal/hybridkit/scepclient": "the packages do not import each other",
		"go.internal/hybridkit/examples":   "arrows point from examples to packages",
	}
	packages, err := exec.CommandContext(t.Context(), "go", "list", "./...").Output()
	require.NoError(t, err)
	list := []string{"list", "-deps", "-test"}
	for p := range strings.FieldsSeq(string(packages)) {
		if p != own+"/graph" { // the one package that may, with rules of its own
			list = append(list, p)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", list...).Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		for prefix, why := range banned {
			if strings.HasPrefix(dep, prefix) {
				t.Errorf("imports %s: %s", dep, why)
			}
		}
	}
	out, err = exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "./cmlog", "./cname").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		first, _, _ := strings.Cut(dep, "/")
		if strings.Contains(first, ".") && !strings.HasPrefix(dep, own) {
			t.Errorf("imports %s: the package uses the standard library only", dep)
		}
		if dep == "testing" {
			t.Error("imports testing: only comgmttest may")
		}
	}
}
