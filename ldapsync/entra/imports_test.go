package entra_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports: what these packages import is part of their API. Whoever uses them, or their tests, builds it.
func TestImports(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to list imports")
	}
	list := func(args ...string) []string {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		return strings.Fields(string(out))
	}
	const sdk = "github.com/microsoftgraph/msgraph-sdk-go"
	for _, pkg := range []string{".", "./bulk", "./entraauth", "./entratest"} {
		for _, dep := range list("-deps", "-test", pkg) {
			if dep == sdk || strings.HasPrefix(dep, sdk+"/") && dep != sdk+"/models/odataerrors" {
				t.Errorf("%s or its tests import %s: building that takes gigabytes; of the SDK models/odataerrors alone is used", pkg, dep)
			}
		}
	}
	for pkg, banned := range map[string]map[string]string{
		".":           {"github.com/Azure/azure-sdk-for-go": "how to sign in is entraauth's", sdk + "-core": "an adapter is the caller's", "testing": "belongs into packages whose names end in test"},
		"./bulk":      {"github.com/Azure/azure-sdk-for-go": "how to sign in is entraauth's", "testing": "belongs into packages whose names end in test"},
		"./entraauth": {"testing": "belongs into packages whose names end in test"},
		"./entratest": {"github.com/": "it is a fake of the service, not of the SDK: the standard library has all it needs"},
	} {
		for _, dep := range list("-deps", pkg) {
			for prefix, why := range banned {
				if dep == prefix || prefix != "testing" && strings.HasPrefix(dep, prefix) {
					t.Errorf("%s imports %s: %s", pkg, dep, why)
				}
			}
		}
	}
}
