package adtest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports keeps the package cheap to import: other teams' tests and the demo program take it.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".", "./adtestd").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(dep, "go.internal/hybridkit/ldapsync/adtest") {
			t.Errorf("imports %s: the fake directory is standard library only, so that a test that uses it adds nothing to a module graph", dep)
		}
	}
	out, err = exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		if dep == "testing" {
			t.Error("imports testing: programs outside tests use Start, and would get the test flags")
		}
	}
	out, err = exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "./...").Output()
	require.NoError(t, err)
	require.NotContains(t, string(out), "github.com/microsoft", "26 modules for every consumer's go mod tidy")
}
