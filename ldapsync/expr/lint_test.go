package expr_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/expr"
)

func lintIDs(t *testing.T, d expr.Dialect, src string, o expr.LintOptions) []string {
	e, err := expr.Parse(d, src)
	require.NoError(t, err)
	var ids []string
	for _, f := range expr.Lint(e, o) {
		require.NotEmpty(t, f.Message)
		require.NotEmpty(t, f.Remedy)
		require.Positive(t, f.Column)
		require.NotEmpty(t, f.Evidence)
		ids = append(ids, f.ID)
	}
	return ids
}

// TestLint has for each rule expressions that make it fire and some that do not.
func TestLint(t *testing.T) {
	ad := expr.LintOptions{Schema: expr.ADSchema()}
	create := expr.LintOptions{Schema: expr.ADSchema(), OnCreateOnly: true}
	gc := expr.LintOptions{Schema: expr.ADSchema(), GlobalCatalog: true}
	tests := []struct {
		id    string
		fires bool
		d     expr.Dialect
		src   string
		o     expr.LintOptions
	}{
		{"iif-null", true, expr.CloudSync, `IIF([department]="IT","a","b")`, ad},
		{"iif-null", true, expr.CloudSync, `IIF(IsNullOrEmpty([c]),"a",[c])`, expr.LintOptions{}},
		{"iif-null", false, expr.CloudSync, `IIF([sAMAccountName]="x","a","b")`, ad}, // every object has it
		{"iif-null", false, expr.Connect, `IIF([department]="IT","a","b")`, ad},
		{"switch-clears", true, expr.CloudSync, `Switch([c], "x", "GB", "y")`, ad},
		{"switch-clears", false, expr.CloudSync, `Switch([c], "x", "GB", "y")`, create},
		{"switch-clears", false, expr.CloudSync, `IgnoreFlowIfNullOrEmpty(Switch([c], "x", "GB", "y"))`, ad},
		{"switch-no-default", true, expr.CloudSync, `Switch([c], , "GB", "y")`, ad},
		{"switch-no-default", true, expr.Connect, `Switch([c] = "GB", "y")`, ad},
		{"switch-no-default", false, expr.Connect, `Switch([c] = "GB", "y", True, "z")`, ad},
		{"switch-conditions", true, expr.CloudSync, `Switch(IsPresent([c]), [c], IsPresent([l]), [l])`, ad},
		{"switch-conditions", true, expr.Connect, `Switch([c], "x", "GB", "y")`, ad},
		{"switch-conditions", false, expr.CloudSync, `Switch([c], "x", "GB", "y")`, ad},
		{"dialect", true, expr.CloudSync, `Join([proxyAddresses], ",")`, ad},
		{"dialect", true, expr.Connect, `Join(",", [proxyAddresses])`, ad},
		{"dialect", true, expr.CloudSync, `LCase([cn])`, ad},
		{"dialect", false, expr.CloudSync, `Join(",", [proxyAddresses])`, ad},
		{"undocumented-function", true, expr.CloudSync, `CRef([dn])`, ad},
		{"undocumented-function", false, expr.Connect, `CRef([dn])`, ad},
		{"attribute-unknown", true, expr.CloudSync, `[departmnt]`, ad},
		{"attribute-unknown", true, expr.Connect, `[samAccountName]`, ad},
		{"attribute-unknown", true, expr.Connect, `ImportedValue("proxyAdresses")`, ad},
		{"attribute-unknown", false, expr.CloudSync, `[department]`, ad},
		{"attribute-unknown", false, expr.CloudSync, `[anything]`, expr.LintOptions{}},
		{"global-catalog", true, expr.CloudSync, `[employeeID]`, gc},
		{"global-catalog", false, expr.CloudSync, `[employeeID]`, ad},
		{"global-catalog", false, expr.CloudSync, `[mail]`, gc},
		{"nondeterministic", true, expr.CloudSync, `Append([cn], Guid())`, ad},
		{"nondeterministic", true, expr.Connect, `RandomNum(1, 9)`, ad},
		{"nondeterministic", false, expr.CloudSync, `Append([cn], Guid())`, create},
		{"nondeterministic", false, expr.Connect, `Where($c, [userCertificate], CertNotAfter($c) > Now())`, ad},
		{"unreachable", true, expr.CloudSync, `IIF("a" = "b", [cn], [sn])`, ad},
		{"unreachable", true, expr.CloudSync, `Switch([c], "", "GB", "1", "GB", "2")`, ad},
		{"unreachable", true, expr.Connect, `Switch(True, "a", [c] = "GB", "b")`, ad},
		{"unreachable", true, expr.CloudSync, `Coalesce([sAMAccountName], [cn])`, ad},
		{"unreachable", false, expr.CloudSync, `Coalesce([mail], [cn])`, ad},
		{"unreachable", false, expr.CloudSync, `IIF([c] = "b", [cn], [sn])`, ad},
		{"type-mismatch", true, expr.CloudSync, `Switch([proxyAddresses], "", "a", "b")`, ad},
		{"type-mismatch", true, expr.Connect, `LCase([objectSid])`, ad},
		{"type-mismatch", true, expr.Connect, `FormatDateTime([whenCreated], "yyyy")`, ad},
		{"type-mismatch", true, expr.Connect, `Left([cn], [sn])`, ad},
		{"type-mismatch", true, expr.Connect, `Count([cn])`, ad},
		{"type-mismatch", false, expr.Connect, `BitAnd([userAccountControl], 2)`, ad},
		{"type-mismatch", false, expr.Connect, `Trim([proxyAddresses])`, ad},
		{"operator-priority", true, expr.Connect, `1 + 2 * 3`, ad},
		{"operator-priority", true, expr.Connect, `[a] = "x" && [b] = "y" || [c] = "z"`, expr.LintOptions{}},
		{"operator-priority", false, expr.Connect, `(1 + 2) * 3`, ad},
		{"operator-priority", false, expr.Connect, `[a] = "x" && [b] = "y"`, expr.LintOptions{}},
		{"regex", true, expr.CloudSync, `Replace([cn], , "x$", , "", , )`, ad},
		{"regex", true, expr.CloudSync, `Replace([cn], , "x*", , "-", , )`, ad},
		{"regex", false, expr.CloudSync, `Replace([cn], , "x+", , "-", , )`, ad},
		{"unique-diacritics", true, expr.CloudSync, `SelectUniqueValue([cn], [sn])`, create},
		{"unique-diacritics", false, expr.CloudSync, `SelectUniqueValue(NormalizeDiacritics([cn]), "x")`, create},
		{"unique-updates", true, expr.CloudSync, `SelectUniqueValue([cn], [sn])`, ad},
		{"unique-updates", false, expr.CloudSync, `SelectUniqueValue([cn], [sn])`, create},
		{"invalid", true, expr.CloudSync, `Trimm([cn])`, ad},
		{"invalid", false, expr.CloudSync, `Trim([cn])`, ad},
	}
	fired, quiet := map[string]bool{}, map[string]bool{}
	for _, tt := range tests {
		ids := lintIDs(t, tt.d, tt.src, tt.o)
		require.Equal(t, tt.fires, slices.Contains(ids, tt.id), "%s on %s: %v", tt.id, tt.src, ids)
		if tt.fires {
			fired[tt.id] = true
		} else {
			quiet[tt.id] = true
		}
	}
	seen := map[string]bool{}
	for _, r := range expr.LintRules() {
		require.False(t, seen[r.ID], "two rules %s", r.ID)
		seen[r.ID] = true
		require.NotEmpty(t, r.Title)
		require.NotEmpty(t, r.Source)
		require.NotEmpty(t, r.Remedy)
		require.True(t, fired[r.ID], "no expression makes %s fire", r.ID)
		require.True(t, quiet[r.ID], "no expression keeps %s quiet", r.ID)
	}
}

// TestLintQuiet: what is right has no findings at all.
func TestLintQuiet(t *testing.T) {
	require.Empty(t, lintIDs(t, expr.CloudSync, `ToLower(Join("@", NormalizeDiacritics(StripSpaces([givenName])), "ashdown.example"))`, expr.LintOptions{Schema: expr.ADSchema()}))
	require.Empty(t, lintIDs(t, expr.Connect, `IIF(IsPresent([mail]), [mail], NULL)`, expr.LintOptions{Schema: expr.ADSchema()}))
}
