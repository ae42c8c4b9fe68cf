package gpo_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
)

// recorded is a GPO of a recorded topology.
type recorded struct {
	Name     string
	LinkedTo string            `json:"linked_to"`
	Order    int               `json:"link_order"`
	Enforced bool              `json:"enforced"`
	Enabled  bool              `json:"link_enabled"`
	UserSide bool              `json:"user_side_enabled"`
	Computer map[string]string `json:"computer_values"`
	Security []struct{ Trustee, Right string }
	WMI      *struct{ Query, Evaluates string } `json:"wmi_filter"`
}

// TestCorpus resolves the recorded topologies and compares with the values that Windows had afterwards.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no observations of Windows to compare with")
	}
	files, err := filepath.Glob(filepath.Join(dir, "registry", "precedence", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			var v struct {
				OUs []struct {
					Key, Parent string
					Block       bool `json:"block_inheritance"`
				}
				Target  string `json:"target_ou"`
				GPOs    []recorded
				Values  map[string]string `json:"observed_values"`
				Applied []string          `json:"observed_applied"`
			}
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &v))
			dn := map[string]string{"site": "CN=site,CN=Sites,CN=Configuration,DC=x", "domain": "DC=x"}
			e := &gpo.Estate{Containers: []gpo.Container{{DN: dn["site"], Kind: gpo.Site}, {DN: dn["domain"], Kind: gpo.Domain}}}
			for _, o := range v.OUs {
				dn[o.Key] = "OU=" + o.Key + "," + dn[o.Parent]
				e.Containers = append(e.Containers, gpo.Container{DN: dn[o.Key], BlockInheritance: o.Block})
			}
			target := gpo.Target{DN: dn[v.Target], Site: "site", Principals: []string{"computer"}, WMI: map[string]gpo.WMIResult{}}
			slices.SortStableFunc(v.GPOs, func(a, b recorded) int {
				return a.Order - b.Order
			})
			for _, g := range v.GPOs {
				out := gpo.GPO{ID: g.Name, Name: g.Name, UserDisabled: !g.UserSide}
				for name, s := range g.Computer {
					out.Computer.Entries = append(out.Computer.Entries, registry.Entry{Op: registry.Set, Path: key, Name: name, Value: registry.String(s)})
				}
				for _, s := range g.Security {
					p := gpo.Permission{Trustee: s.Trustee}
					switch s.Right {
					case "allow-read":
						p.Read = true
					case "allow-read+apply":
						p.Read, p.Apply = true, true
					case "deny-apply":
						p.Deny, p.Apply = true, true
					default:
						t.Fatalf("right %q", s.Right)
					}
					out.Security = append(out.Security, p)
				}
				if g.WMI != nil {
					out.WMIFilter = g.WMI.Query
					target.WMI[g.WMI.Query] = map[string]gpo.WMIResult{"true": gpo.WMITrue, "false": gpo.WMIFalse}[g.WMI.Evaluates]
				}
				e.GPOs = append(e.GPOs, out)
				for i := range e.Containers {
					if c := &e.Containers[i]; c.DN == dn[g.LinkedTo] {
						require.Equal(t, g.Order, len(c.Links)+1)
						c.Links = append(c.Links, gpo.Link{GPO: g.Name, Enforced: g.Enforced, Disabled: !g.Enabled})
					}
				}
			}
			r, err := e.Effective(target)
			require.NoError(t, err)
			require.Empty(t, r.Errors)
			got := map[string]string{}
			for _, v := range r.Values {
				require.Empty(t, v.Unknown)
				if v.Present {
					got[v.Name], err = v.Value.Text()
					require.NoError(t, err)
				}
				for _, l := range v.Losers {
					require.NotEmpty(t, l.Reason, "%v", l)
					require.NotEmpty(t, l.Detail, "%v", l)
					t.Logf("%s: %v", v.Name, l)
				}
			}
			require.Equal(t, v.Values, got)
			var applied []string
			for _, l := range r.GPOs {
				if l.Applies.String() == "yes" {
					applied = append(applied, l.ID)
				}
			}
			slices.Sort(applied)
			require.Equal(t, v.Applied, applied)
		})
	}
}

// TestCorpusBackup reads a GPO as Backup-GPO wrote it: what the directory object says and a security template.
func TestCorpusBackup(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no backup made by Windows to read")
	}
	backup, err := os.ReadFile(filepath.Join(dir, "registry", "gpo", "nsa-Windows-computer-Backup.xml"))
	require.NoError(t, err)
	template, err := os.ReadFile(filepath.Join(dir, "registry", "gpo", "nsa-Windows-computer-GptTmpl.inf"))
	require.NoError(t, err)
	const folder = "backups/{00000000-0000-4000-8000-000000000001}/"
	fsys := fstest.MapFS{folder + "Backup.xml": {Data: backup},
		folder + "DomainSysvol/GPO/Machine/microsoft/windows nt/SecEdit/GptTmpl.inf": {Data: template}}
	e := &gpo.Estate{Containers: []gpo.Container{{DN: "DC=x", Kind: gpo.Domain}}}
	require.NoError(t, e.LoadSysvol(fsys))
	require.Len(t, e.GPOs, 1)
	g := e.GPOs[0]
	require.NotEmpty(t, g.Name)
	require.Contains(t, g.Security, gpo.Permission{Trustee: "S-1-5-11", Apply: true})
	require.NotZero(t, g.Computer.Version)
	e.Containers[0].Links = []gpo.Link{{GPO: g.ID}}
	r, err := e.Effective(gpo.Target{DN: "DC=x"})
	require.NoError(t, err)
	require.Empty(t, r.Errors)
	require.Greater(t, len(r.Values), 30)
	for _, v := range r.Values {
		require.Equal(t, gpo.SecurityTemplate, v.Winner.Mechanism)
	}
}
