package dsreg_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/dsreg"
)

// capture renders the four deciding rows; "" leaves a row out.
func capture(a, e, d, w string) string {
	s := "| Device State |\n"
	row := func(label, v string) {
		if v != "" {
			s += fmt.Sprintf("  %s : %s\n", label, v)
		}
	}
	row("AzureAdJoined", a)
	row("EnterpriseJoined", e)
	row("DomainJoined", d)
	s += "| User State |\n  NgcSet : NO\n"
	row("WorkplaceJoined", w)
	return s
}

// TestJoinTable walks all 81 combinations of YES, NO and not known.
func TestJoinTable(t *testing.T) {
	known := map[string]dsreg.JoinState{
		"YES NO NO": dsreg.EntraJoined, "YES NO YES": dsreg.HybridJoined, "NO YES YES": dsreg.DRSJoined,
		"YES YES YES": dsreg.Contradictory, "YES YES NO": dsreg.Contradictory, "NO YES NO": dsreg.Contradictory,
	}
	values := []string{"YES", "NO", "ERROR (0x80070005)"}
	n := 0
	for _, a := range values {
		for _, e := range values {
			for _, d := range values {
				for _, w := range values {
					n++
					want := dsreg.Undetermined
					if s, ok := known[a+" "+e+" "+d]; ok {
						want = s
					} else if a == "YES" && e == "YES" {
						want = dsreg.Contradictory
					} else if a == "NO" && e == "NO" {
						switch {
						case d == "YES" && w == "YES":
							want = dsreg.DomainJoinedRegistered
						case d == "YES":
							want = dsreg.DomainJoined
						case d == "NO" && w == "YES":
							want = dsreg.Registered
						case d == "NO" && w == "NO":
							want = dsreg.NotJoined
						}
					}
					for _, w := range []string{w, map[string]string{"YES": "YES", "NO": "NO"}[w]} { // failed and absent are alike
						st, err := dsreg.ParseString(capture(a, e, d, w))
						require.NoError(t, err)
						j := st.JoinDetail()
						require.Equal(t, want, j.State, "%s %s %s %s", a, e, d, w)
						require.Equal(t, want == dsreg.HybridJoined && w == "YES", j.Dual)
						require.Equal(t, j.State == dsreg.Undetermined || j.State == dsreg.Contradictory, j.Reason != "")
						if want == dsreg.Undetermined {
							require.NotEmpty(t, j.Missing)
						}
					}
				}
			}
		}
	}
	require.Equal(t, 81, n)
}

func TestNothingReadIsNotNotJoined(t *testing.T) {
	for _, in := range []string{"| Device State |\n", "| SSO State |\n AzureAdPrt : NO\n", capture("", "", "", ""), capture("NO", "NO", "", "NO"), capture("NO", "", "NO", "NO"), capture("NO", "NO", "NO", "UNKNOWN"), capture("NO", "NO", "NO", "")} {
		st, err := dsreg.ParseString(in)
		require.NoError(t, err)
		require.Equal(t, dsreg.Undetermined, st.Join(), in)
	}
	var zero dsreg.Status
	require.Equal(t, dsreg.Undetermined, zero.Join())
}

func TestValueTables(t *testing.T) {
	for j := dsreg.Undetermined; j <= dsreg.Contradictory; j++ {
		got, err := dsreg.ParseJoinState(j.String())
		require.NoError(t, err)
		require.Equal(t, j, got)
		require.NotEmpty(t, j.Title())
		b, err := j.MarshalText()
		require.NoError(t, err)
		var back dsreg.JoinState
		require.NoError(t, back.UnmarshalText(b))
		require.Equal(t, j, back)
	}
	_, err := dsreg.JoinState(255).MarshalText()
	require.Error(t, err)
	_, err = dsreg.Severity(0).MarshalText()
	require.Error(t, err)
	for _, s := range []fmt.Stringer{dsreg.JoinState(255), dsreg.Kind(0), dsreg.Kind(255), dsreg.State(255), dsreg.Tri(255), dsreg.Severity(0), dsreg.Severity(255),
		dsreg.TextClass(255), dsreg.TestResult(255), dsreg.AuthResult(255), dsreg.PRTOwner(255), dsreg.AttemptKind(255), dsreg.Section(255)} {
		require.Contains(t, s.String(), "(", "values off the table print")
	}
	for _, s := range []fmt.Stringer{dsreg.KindStatus, dsreg.KindCleanup, dsreg.Malformed, dsreg.Yes, dsreg.Error, dsreg.TextElision, dsreg.Fail, dsreg.AuthNotTested, dsreg.OwnerEnterprise, dsreg.RefreshPRT, dsreg.SecVirtualDesktop} {
		require.NotContains(t, s.String(), "(")
	}
}
