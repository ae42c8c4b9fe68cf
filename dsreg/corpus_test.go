package dsreg_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
)

// corpusFacts is what the corpus's index and the captures themselves say,
// written down by hand: join state and the findings that must and must not be there.
var corpusFacts = map[string]struct {
	join   dsreg.JoinState
	n      int // captures, 1 if 0
	kind   dsreg.Kind
	has    []string
	errors []string // ids of all error findings
}{
	"aadj-local-account-2022":                        {join: dsreg.EntraJoined, has: []string{"prt-not-applicable", "context-local-account", "key-software"}},
	"avd-aadj-2021-short-deviceid":                   {join: dsreg.EntraJoined, has: []string{"key-software", "capture-truncated"}},
	"azurevm-aadj-empty-tenantname-noidp":            {join: dsreg.EntraJoined, has: []string{"capture-redacted", "capture-truncated"}},
	"cmd-join-debug-federated-syncfallback":          {kind: dsreg.KindJoin, has: []string{"sync-pending", "auth-wstrust"}},
	"cmd-listaccounts-cleanupaccounts":               {kind: dsreg.KindAccounts, n: 3, has: []string{"multiple-captures"}},
	"derived-utf16le-bom-crlf":                       {join: dsreg.EntraJoined, has: []string{"context-remote", "whfb-blocked-deviceeligible"}},
	"derived-utf8-bom-crlf":                          {join: dsreg.EntraJoined, has: []string{"context-remote"}},
	"hybrid-2020-truncated-midline":                  {join: dsreg.HybridJoined, has: []string{"capture-truncated"}},
	"hybrid-adfs-certtrust-qna-fenced":               {join: dsreg.HybridJoined, has: []string{"whfb-blocked-adfsrefreshtoken"}},
	"msdocs-device-details":                          {has: []string{"key-software"}},
	"msdocs-device-state":                            {join: dsreg.HybridJoined},
	"msdocs-ngc-certtrust":                           {},
	"msdocs-oldformat-nospace-colon":                 {join: dsreg.HybridJoined, has: []string{"key-untested", "capture-old-layout"}},
	"msdocs-postjoin-nospace-colon":                  {},
	"msdocs-prejoin-directoryerror":                  {has: []string{"sync-pending", "context-system"}},
	"msdocs-prejoin-discover-fail":                   {has: []string{"tests-skipped", "context-system"}, errors: []string{"discovery-network"}},
	"msdocs-prejoin-unelevated-timeout":              {has: []string{"tests-skipped"}, errors: []string{"discovery-network"}},
	"msdocs-sso-prt-failed-enterprise-ok":            {errors: []string{"prt-missing"}},
	"msdocs-tenant-details":                          {},
	"msdocs-user-state":                              {},
	"ngc-1709-fragment-aadrecoveryneeded":            {has: []string{"whfb-not-wanted", "capture-old-layout"}},
	"registered-trimmed-nomillis":                    {has: []string{"prt-not-applicable", "capture-truncated"}},
	"server2016-hybrid-oldformat":                    {join: dsreg.HybridJoined, has: []string{"capture-old-layout", "key-software"}, errors: []string{"prt-missing"}},
	"userstate-ngcset-markdown-bold":                 {},
	"win-24h2plus-domainjoined-scp-missing-indented": {join: dsreg.DomainJoined, has: []string{"wam-error-context", "whfb-check-failed", "context-remote"}, errors: []string{"domain-only-scp-missing"}},
	"win10-1803-hybrid-altloginid-trimmed":           {join: dsreg.HybridJoined, has: []string{"capture-old-layout", "key-untested"}},
	"win10-22h2-aadj-rdp":                            {join: dsreg.EntraJoined, has: []string{"context-remote"}},
	"win10-workgroup-trailing-spaces":                {join: dsreg.NotJoined, has: []string{"not-joined-expected", "prt-not-applicable"}},
	"win11-24h2plus-kerberos-join-fail-lines":        {has: []string{"auth-kerberos"}, errors: []string{"stale-registration-renew"}},
	"win11-25h2-hybrid-sso-diag-ngc-abridged":        {has: []string{"whfb-not-wanted"}},
	"win11-25h2-hybrid-state-details-misaligned":     {join: dsreg.HybridJoined, has: []string{"key-software"}},
	"win11-25h2-prt-aadsts90002-abridged":            {has: []string{"upn-unverified-suffix"}},
	"win11-hybrid-devicestate-only":                  {join: dsreg.HybridJoined},
	"win11-registered-italian-banner":                {join: dsreg.Registered, has: []string{"not-joined-expected", "prt-not-applicable"}},
	"workgroup-2020-truncated-in-header":             {join: dsreg.NotJoined, has: []string{"capture-truncated", "not-joined-expected"}},
}

// TestCorpus reads published captures, where the folder that holds them is named.
func TestCorpus(t *testing.T) {
	root := os.Getenv("HYBRIDKIT_CORPUS")
	if root == "" {
		t.Skip("HYBRIDKIT_CORPUS names no folder of published captures")
	}
	dir := filepath.Join(root, "dsreg")
	if _, err := os.Stat(dir); err != nil {
		dir = root
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			all, err := dsreg.ParseAll(strings.NewReader(string(b)))
			require.NoError(t, err)
			if !strings.Contains(name, "utf16") {
				requireAccounted(t, strings.TrimPrefix(string(b), "\ufeff"))
			}
			want, known := corpusFacts[name]
			if !known {
				t.Log("a capture without facts: it is read, and nothing is compared")
			}
			for _, st := range all {
				d := dsreg.Diagnose(st, dsreg.Expectation{})
				t.Logf("%s: %s, %s, layout %q, findings %v", name, st.Kind, d.Join.State, st.Layout().Family, idsOf(d))
				for _, f := range d.Findings {
					requireFinding(t, st, f)
				}
				for f := range st.Fields() {
					require.True(t, f.Known() || f.Section == "log" || f.Section == "accounts", "%d: %s is not in the catalogue", f.Line, f.Label)
				}
				var r dsreg.Redactor
				requireSameShape(t, st, r.Status(st))
				if !known {
					continue
				}
				require.Equal(t, want.join, d.Join.State)
				for _, id := range want.has {
					require.True(t, d.Has(id), "%s is missing", id)
				}
				var errs []string
				for _, f := range d.Findings {
					if f.Severity == dsreg.Error {
						errs = append(errs, f.ID)
					}
				}
				slices.Sort(errs)
				require.Equal(t, want.errors, errs)
			}
			if known {
				require.Len(t, all, max(want.n, 1))
				require.Equal(t, max(want.kind, dsreg.KindStatus), all[0].Kind)
			}
		})
	}
	require.GreaterOrEqual(t, len(files), len(corpusFacts), "a capture with facts is gone")
}
