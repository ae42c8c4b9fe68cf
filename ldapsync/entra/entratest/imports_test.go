package entratest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports keeps the fake free of what it stands in for: a test of any client must be able to use it at no cost.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		switch first, _, _ := strings.Cut(dep, "/"); {
		case dep == "go.internal/hybridkit/ldapsync/entra/entratest":
		case dep == "testing" || strings.HasPrefix(dep, "testing/"):
			t.Errorf("imports %s: a fake is also run by demos, outside of go test", dep)
		case strings.Contains(first, "."):
			t.Errorf("imports %s: only the standard library, so that every client can be tested against it", dep)
		}
	}
	out, err = exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", ".").Output()
	require.NoError(t, err)
	require.NotContains(t, string(out), "github.com/microsoft", "a test that imports the SDK makes every user of the fake download it")
}
