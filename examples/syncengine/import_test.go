package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/mappingtest"
	"go.internal/hybridkit/ldapsync/syncrules"
)

// carriers give the attributes of Entra ID those of the demonstration's provisioning directory.
var carriers = map[string]string{
	"onPremiseSecurityIdentifier": "msDS-cloudExtensionAttribute1",
	"dnsDomainName":               "msDS-cloudExtensionAttribute2",
	"netBiosName":                 "msDS-cloudExtensionAttribute3",
	"accountName":                 "msDS-cloudExtensionAttribute4",
	"onPremisesUserPrincipalName": "msDS-cloudExtensionAttribute5",
}

// importCloudSync and importConnect read what an organisation would have exported.
func importCloudSync(t *testing.T) *syncrules.Import {
	f, err := os.Open("testdata/cloudsync-schema.json")
	require.NoError(t, err)
	defer f.Close()
	imp, err := syncrules.CloudSync(f, syncrules.CloudSyncOptions{Rename: carriers})
	require.NoError(t, err)
	return imp
}

func importConnect(t *testing.T) *syncrules.Import {
	imp, err := syncrules.ConnectFolder(os.DirFS("testdata/connect"), syncrules.ConnectOptions{Outbound: syncrules.EntraConnector, Rename: carriers})
	require.NoError(t, err)
	return imp
}

// TestImportedRules: an organisation's Cloud Sync schema and its Entra Connect export, imported into mapping files
// and run by the engine over the demonstration's directories, leave the target as the Go mappings do.
func TestImportedRules(t *testing.T) {
	apply := func(t *testing.T, s *site) string {
		code, out, errs := call(t, "", "apply", "-config", s.config)
		require.Zero(t, code, errs)
		if !strings.Contains(out, "308 written to the target") {
			_, plan, _ := call(t, "", "explain", "-config", s.config, "CN=Ann Oakley 000,OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example")
			t.Fatal(out, plan)
		}
		code, out, errs = call(t, "", "apply", "-config", s.config)
		require.Zero(t, code, errs)
		require.Contains(t, out, "0 written to the target", "applied twice is applied once")
		return bare(s.dump(t))
	}
	// One write at a time: the directory numbers what it creates in the order it comes.
	steady := replace(`"state":`, `"workers": 1, "state":`)
	want := apply(t, newSite(t, steady, replace(`"copy:title",`, `"copy:title", "copy:userPrincipalName", "copy:mail",`)))
	for name, imp := range map[string]func(*testing.T) *syncrules.Import{"cloudsync": importCloudSync, "connect": importConnect} {
		t.Run(name, func(t *testing.T) {
			i := imp(t)
			var file bytes.Buffer
			_, err := i.File.WriteTo(&file)
			require.NoError(t, err)
			s := newSite(t, steady,
				replace(`"mapping": ["cloud-sso-users", "copy:title", "copy:department"]`, `"mappingFile": "rules.json"`),
				replace(`"mapping": ["hybrid-join-devices"]`, `"mappingFile": "rules.json"`))
			s.write(t, "rules.json", file.String())
			if got := apply(t, s); got != want {
				var lines []string
				for l := range strings.Lines(mappingtest.Diff(want, got)) {
					if !strings.HasPrefix(l, " ") && len(lines) < 40 {
						lines = append(lines, l)
					}
				}
				t.Fatal("the target is another one (- Go, + imported):\n" + strings.Join(lines, ""))
			}
			for _, f := range i.Findings {
				if f.Level == syncrules.Lost {
					require.Contains(t, f.What+f.Reason, "users and devices", "only groups are lost: %s", f)
				}
			}
		})
	}
}

func TestMappingFileMistakes(t *testing.T) {
	for name, c := range map[string]struct{ file, config, want string }{
		"missing":    {"", `"rules.json"`, "no such file"},
		"not json":   {"x", `"rules.json"`, "line 1, column 1: not JSON"},
		"no section": {`{"version": 1, "mappings": [{"name": "a", "class": "user", "rules": [{"to": "x", "copy": "y"}]}]}`, `"rules.json#b"`, `no mapping "b"`},
		"expression": {"{\"version\": 1, \"mappings\": [{\"name\": \"a\", \"class\": \"user\", \"dialect\": \"cloudsync\", \"rules\": [\n{\"to\": \"x\", \"expression\": \"Trimm([y])\"}]}]}", `"rules.json"`, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, replace(`"mapping": ["cloud-sso-users", "copy:title", "copy:department"]`, `"mappingFile": `+c.config))
			if c.file != "" {
				s.write(t, "rules.json", c.file)
			}
			code, _, errs := call(t, "", "plan", "-config", s.config)
			require.Equal(t, exitError, code)
			require.Contains(t, errs, c.want)
		})
	}
}
