package ldapsync_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports: the imports of these packages are part of their API. Whoever uses them, or their tests, downloads
// what they reach.
func TestImports(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to list imports")
	}
	const module = "go.internal/hybridkit/"
	list := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		return string(out)
	}
	t.Run("standard library only", func(t *testing.T) {
		// The engine and what unit tests of mappings need must not bring drivers with them.
		for _, pkg := range []string{".", "./changes", "./hazardtest", "./ldapfilter", "./memdir", "./memstate", "./statetest", "./targettest", "./expr", "./mapfile", "./syncrules"} {
			for dep := range strings.FieldsSeq(list("-deps", pkg)) {
				first, _, _ := strings.Cut(dep, "/")
				if strings.Contains(first, ".") && !strings.HasPrefix(dep, module+"ldapsync") {
					t.Errorf("%s imports %s: these packages import the standard library only", pkg, dep)
				}
			}
		}
	})
	t.Run("no testing in programs", func(t *testing.T) {
		for _, pkg := range []string{".", "./changes", "./ldapfilter", "./memdir", "./memstate", "./boltstate", "./ldif", "./expr", "./mapfile", "./syncrules"} {
			if strings.Contains("\n"+list("-deps", pkg), "\ntesting\n") {
				t.Errorf("%s imports testing, which belongs into the packages whose names end in test", pkg)
			}
		}
	})
	t.Run("nothing heavy in tests", func(t *testing.T) {
		banned := map[string]string{
			"github.com/microsoftgraph/": "belongs in a driver of its own: slow to build, and every consumer's go mod tidy would fetch it",
			"github.com/microsoft/kiota": "comes with the Graph SDK; see there",
			"github.com/Azure/azure-sdk": "comes with the Graph SDK; see there",
			module + "dsreg":             "the packages of the module do not import each other",
			module + "comgmt":            "the packages of the module do not import each other",
			module + "registry":          "the packages of the module do not import each other",
			module + "scepclient":        "the packages of the module do not import each other",
		}
		for _, pkg := range []string{".", "./changes", "./hazardtest", "./ldapfilter", "./memdir", "./memstate", "./statetest", "./targettest", "./boltstate", "./ldif", "./mappingtest", "./expr", "./mapfile", "./syncrules"} {
			for dep := range strings.FieldsSeq(list("-deps", "-test", pkg)) {
				for prefix, why := range banned {
					if strings.HasPrefix(dep, prefix) {
						t.Errorf("%s or its tests import %s: %s", pkg, dep, why)
					}
				}
			}
		}
	})
}
