package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
)

// TestSchemasAreComplete walks every setting and rule: facts without a source are opinions.
func TestSchemasAreComplete(t *testing.T) {
	rules := map[string]bool{}
	for _, name := range registry.Names() {
		s, err := registry.ByName(name, nil)
		require.NoError(t, err)
		require.Equal(t, name, s.Name)
		require.NotEmpty(t, s.Title)
		seen := map[string]bool{}
		for _, set := range s.Settings {
			where := name + ": " + set.Path.String() + ` \ ` + set.Name
			require.False(t, seen[registry.Fold(where)], where)
			seen[registry.Fold(where)] = true
			require.NotEmpty(t, set.Why, where)
			require.NotEmpty(t, set.Source, where)
			require.NotZero(t, set.Path.Hive, where)
			require.NotEqual(t, registry.TypeNone, set.Type, where)
			if set.Required || len(set.Want.Data) > 0 {
				require.NotEmpty(t, set.Consequence, where)
			}
			if len(set.Want.Data) > 0 {
				require.Equal(t, set.Type, set.Want.Type, where)
			}
		}
		for _, r := range s.Rules {
			rules[r.ID] = true
			require.NotEmpty(t, r.Title, r.ID)
			require.NotEmpty(t, r.Source, r.ID)
		}
	}
	require.Len(t, rules, 9)
}

// TestDesiredLeavesNoDrift: what a schema asks for satisfies it, twice is once, and Remove takes it all away.
func TestDesiredLeavesNoDrift(t *testing.T) {
	for _, s := range []registry.Schema{
		registry.CDJ(registry.GuideCDJ()), registry.Registration(), registry.CloudKerberos(),
		registry.MDM(registry.MDMParams{}), registry.NDES(registry.GuideNDES()), registry.HTTPSys(),
	} {
		t.Run(s.Name, func(t *testing.T) {
			var snap registry.Snapshot
			require.NotEmpty(t, slices.Collect(s.Drift(&snap)))
			require.NoError(t, s.Desired().Apply(&snap, "desired"))
			require.Empty(t, slices.Collect(s.Drift(&snap)))
			twice := snap.Clone()
			require.NoError(t, s.Desired().Apply(twice, "desired"))
			require.Empty(t, registry.Diff(&snap, twice))
			require.NoError(t, s.Remove().Apply(&snap, "remove"))
			require.Empty(t, slices.Collect(snap.All()))
		})
	}
}

func TestParseSchema(t *testing.T) {
	s, err := registry.ParseSchema(strings.NewReader(`{
	  "name": "ashdown", "use": [{"schema": "http"}],
	  "settings": [
	    {"path": "HKLM\\SOFTWARE\\Ashdown", "name": "Mode", "type": "REG_DWORD", "want": 7, "one-of": [1, 7], "basis": "observed"},
	    {"path": "HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters", "name": "maxfieldlength", "type": "REG_DWORD", "want": 32768},
	    {"path": "HKCU\\Software\\Ashdown", "name": "List", "type": "REG_MULTI_SZ", "want": ["a", "b"]},
	    {"path": "HKCU\\Software\\Ashdown", "name": "Old", "type": "REG_SZ", "absent": true}
	  ]}`))
	require.NoError(t, err)
	require.Equal(t, "ashdown", s.Name)
	d := s.Desired()
	require.Len(t, d, 5)
	require.Equal(t, registry.DWord(7), d[0].Value)
	require.Equal(t, registry.DWord(32768), d[1].Value)
	require.Equal(t, registry.Strings("a", "b"), d[2].Value)
	require.Equal(t, registry.DeleteValue, d[3].Op)
	require.Equal(t, "MaxRequestBytes", d[4].Name)

	for _, bad := range []string{
		``, `{`, `{}`, `[]`, `{"nam":"x"}`, `{"use":[{"schema":"nope"}]}`, `{"use":[{"schema":"cdj","params":{"x":"y"}}]}`,
		`{"settings":[{"name":"x","type":"REG_SZ"}]}`, `{"settings":[{"path":"HKXX\\a","type":"REG_SZ"}]}`,
		`{"settings":[{"path":"HKLM\\a","type":"REG_DWORD","want":"x"}]}`, `{"settings":[{"path":"HKLM\\a","type":"REG_DWORD","want":4294967296}]}`,
		`{"settings":[{"path":"HKLM\\a","type":"REG_FOO"}]}`, `{"settings":[{"path":"HKLM\\a","type":"REG_SZ","content":"x"}]}`,
		`{"settings":[{"path":"HKLM\\a","type":"REG_SZ","basis":"x"}]}`, `{"settings":[{"path":"HKLM\\a","type":"REG_DWORD","min":3,"max":2}]}`,
	} {
		_, err := registry.ParseSchema(strings.NewReader(bad))
		require.Error(t, err, bad)
	}
}

func TestByNameRefuses(t *testing.T) {
	for name, params := range map[string]registry.Params{
		"nope": nil, "http": {"template": "x"}, "cdj": {"tenant-id": "{37c354b2-85b0-47f5-b222-07b48d774ee3}"},
		"ndes": {"template": "NDES User"}, "mdm": {"device-credential": "maybe"},
	} {
		_, err := registry.ByName(name, params)
		require.Error(t, err, name)
	}
	_, err := registry.ByName("ndes", registry.Params{"template": "NDES User"})
	require.ErrorIs(t, err, registry.ErrParam)
	require.ErrorContains(t, err, "display name")
}
