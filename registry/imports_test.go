package registry_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports keeps the model, the schemas and the codecs free of everything but the standard library.
func TestImports(t *testing.T) {
	const own = "go.internal/hybridkit/registry"
	banned := map[string]string{
		"golang.org/x/": "only package live needs more than the standard library",
		"github.com/":   "someone who imports a schema must not download anything",
		own + "/live":   "a codec has no business with the registry of the machine",
		own + "/gpo":    "belongs above the codecs",
		"testing":       "belongs in registrytest",
	}
	for _, pkg := range []string{"", "/codepage", "/regfile", "/regpol", "/regquery", "/regconv", "/remedy", "/iis", "/gpp", "/secinf", "/hive"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", own+pkg).Output()
		require.NoError(t, err)
		for dep := range strings.FieldsSeq(string(out)) {
			for prefix, why := range banned {
				if dep == prefix || strings.HasPrefix(dep, strings.TrimSuffix(prefix, "/")+"/") {
					t.Errorf("registry%s imports %s: %s", pkg, dep, why)
				}
			}
			for _, sibling := range []string{"ldapsync", "scepclient", "dsreg", "comgmt"} {
				if strings.HasPrefix(dep, "go.internal/hybridkit/"+sibling) {
					t.Errorf("registry%s imports %s: the packages do not import each other", pkg, dep)
				}
			}
			if pkg == "" && strings.HasPrefix(dep, own+"/") {
				t.Errorf("registry imports %s: importers of the schemas would pay for every codec", dep)
			}
		}
	}
}
