package comgmt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/comgmttest"
)

func TestPreflightDNS(t *testing.T) {
	const domain = "ashdown-vale.org"
	for _, c := range []struct {
		target     string
		automatic  bool
		government bool
		want       comgmt.Status
	}{
		{"EnterpriseEnrollment-s.manage.microsoft.com", false, false, comgmt.StatusPass},
		{"enterpriseenrollment-s.manage.microsoft.com.", false, false, comgmt.StatusPass},
		{"EnterpriseEnrollment.manage.microsoft.com", false, false, comgmt.StatusWarning},
		{"manage.microsoft.com", false, false, comgmt.StatusWarning},
		{"enrolment-proxy.ashdown-vale.org", false, false, comgmt.StatusFailure},
		{"", false, false, comgmt.StatusWarning},
		{"", true, false, comgmt.StatusInfo},
		{"EnterpriseEnrollment-s.manage.microsoft.us", false, true, comgmt.StatusPass},
		{"EnterpriseEnrollment-s.manage.microsoft.com", false, true, comgmt.StatusFailure},
		{"EnterpriseEnrollment-s.manage.microsoft.us", false, false, comgmt.StatusFailure},
		{comgmttest.ServerFailure, false, false, comgmt.StatusUnknown},
	} {
		fs := comgmt.Preflight(t.Context(), comgmt.Precondition{
			Domains: []string{" Ashdown-Vale.org."}, Automatic: c.automatic, USGovernment: c.government,
			Resolver: comgmttest.Resolver{"enterpriseenrollment." + domain: c.target, "enterpriseregistration." + domain: "EnterpriseRegistration.windows.net"},
		})
		require.Equal(t, c.want, status(fs, comgmt.CheckEnrolmentCNAME), "%q", c.target)
		require.Equal(t, comgmt.StatusPass, status(fs, comgmt.CheckRegistrationCNAME))
	}
	for target, want := range map[string]comgmt.Status{"": comgmt.StatusInfo, "elsewhere.example": comgmt.StatusFailure, comgmttest.ServerFailure: comgmt.StatusUnknown} {
		fs := comgmt.Preflight(t.Context(), comgmt.Precondition{Domains: []string{domain}, Resolver: comgmttest.Resolver{"enterpriseregistration." + domain: target}})
		require.Equal(t, want, status(fs, comgmt.CheckRegistrationCNAME))
	}
	fs := comgmt.Preflight(t.Context(), comgmt.Precondition{Domains: []string{domain, "ashdown"}})
	require.Len(t, fs, 3)
	require.Equal(t, comgmt.StatusUnknown, fs[0].Status, "without a resolver nothing is asked")
	require.Contains(t, fs[1].Message, "not a routable", "a name of one label is no domain")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fs = comgmt.Preflight(ctx, comgmt.Precondition{Domains: []string{domain}, Resolver: comgmttest.Resolver{}})
	require.Equal(t, comgmt.StatusUnknown, status(fs, comgmt.CheckEnrolmentCNAME))
}

func TestPreflightSettings(t *testing.T) {
	require.Empty(t, comgmt.Preflight(t.Context(), comgmt.Precondition{}), "what was not read is not judged")
	const discovery = "https://enrollment.manage.microsoft.com/enrollmentserver/discovery.svc"
	for _, c := range []struct {
		name  string
		p     comgmt.Precondition
		check string
		want  comgmt.Status
	}{
		{"discovery", comgmt.Precondition{DiscoveryURL: new("HTTPS://Enrollment.manage.microsoft.com/EnrollmentServer/Discovery.svc")}, comgmt.CheckMDMDiscovery, comgmt.StatusPass},
		{"discovery of 2016", comgmt.Precondition{DiscoveryURL: new("https://enterpriseenrollment-s.manage.microsoft.com/EnrollmentServer/Discovery.svc")}, comgmt.CheckMDMDiscovery, comgmt.StatusWarning},
		{"discovery elsewhere", comgmt.Precondition{DiscoveryURL: new("https://mdm.example/discovery.svc")}, comgmt.CheckMDMDiscovery, comgmt.StatusFailure},
		{"discovery look-alike", comgmt.Precondition{DiscoveryURL: new("https://x@enrollment.manage.microsoft.com/enrollmentserver/discovery.svc")}, comgmt.CheckMDMDiscovery, comgmt.StatusFailure},
		{"discovery empty", comgmt.Precondition{DiscoveryURL: new("")}, comgmt.CheckMDMDiscovery, comgmt.StatusFailure},
		{"discovery of the other cloud", comgmt.Precondition{DiscoveryURL: new(discovery), USGovernment: true}, comgmt.CheckMDMDiscovery, comgmt.StatusFailure},
		{"terms", comgmt.Precondition{TermsURL: new("https://portal.manage.microsoft.com/TermsOfUse.aspx")}, comgmt.CheckMDMTerms, comgmt.StatusPass},
		{"terms elsewhere", comgmt.Precondition{TermsURL: new("http://portal.manage.microsoft.com/TermsOfUse.aspx")}, comgmt.CheckMDMTerms, comgmt.StatusFailure},
		{"compliance", comgmt.Precondition{ComplianceURL: new("https://portal.manage.microsoft.com/?portalaction=compliance")}, comgmt.CheckMDMCompliance, comgmt.StatusPass},
		{"compliance without query", comgmt.Precondition{ComplianceURL: new("https://portal.manage.microsoft.com/")}, comgmt.CheckMDMCompliance, comgmt.StatusFailure},
		{"scope none", comgmt.Precondition{Scope: comgmt.ScopeNone}, comgmt.CheckMDMScope, comgmt.StatusFailure},
		{"scope some", comgmt.Precondition{Scope: comgmt.ScopeSome}, comgmt.CheckMDMScope, comgmt.StatusInfo},
		{"scope all", comgmt.Precondition{Scope: comgmt.ScopeAll}, comgmt.CheckMDMScope, comgmt.StatusPass},
		{"connection point on", comgmt.Precondition{ConnectionPointOnline: comgmt.Yes}, comgmt.CheckConnectionPoint, comgmt.StatusPass},
		{"connection point off", comgmt.Precondition{ConnectionPointOnline: comgmt.No}, comgmt.CheckConnectionPoint, comgmt.StatusFailure},
		{"register yes", comgmt.Precondition{Settings: comgmt.ClientSettings{AutoRegister: comgmt.Yes}}, comgmt.CheckClientSetting, comgmt.StatusPass},
		{"register no", comgmt.Precondition{Settings: comgmt.ClientSettings{AutoRegister: comgmt.No}}, comgmt.CheckClientSetting, comgmt.StatusFailure},
		{"gateway no, not planned", comgmt.Precondition{Settings: comgmt.ClientSettings{UseCMG: comgmt.No}}, comgmt.CheckClientSetting, comgmt.StatusInfo},
		{"gateway no, planned", comgmt.Precondition{UsesCMG: true, Settings: comgmt.ClientSettings{UseCMG: comgmt.No}}, comgmt.CheckClientSetting, comgmt.StatusFailure},
		{"user policy no", comgmt.Precondition{Settings: comgmt.ClientSettings{InternetUserPolicy: comgmt.No}}, comgmt.CheckClientSetting, comgmt.StatusWarning},
		{"authority", comgmt.Precondition{AuthorityIntune: comgmt.Yes}, comgmt.CheckMDMAuthority, comgmt.StatusPass},
		{"authority elsewhere", comgmt.Precondition{AuthorityIntune: comgmt.No}, comgmt.CheckMDMAuthority, comgmt.StatusFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := comgmt.Preflight(t.Context(), c.p)
			require.Len(t, fs, 1)
			require.Equal(t, c.want, status(fs, c.check), "%v", fs)
			require.Equal(t, c.want.Problem() || c.want == comgmt.StatusInfo, fs[0].Remedy != "")
		})
	}
}

func TestCountSuffixes(t *testing.T) {
	want := []comgmt.SuffixCount{
		{Suffix: "", Users: 3, Examples: []string{"", "ashdown-vale.org", "@ashdown-vale.org"}},
		{Suffix: "ashdown-vale.org", Users: 3, Examples: []string{"a@ashdown-vale.org", "B@Ashdown-Vale.ORG", "odd@name@ashdown-vale.org"}},
		{Suffix: "vale.local", Users: 1, Examples: []string{"c@vale.local"}},
	}
	csv := "Name,User_Principal_Name0\r\na,a@ashdown-vale.org\r\nb,B@Ashdown-Vale.ORG\r\nx,odd@name@ashdown-vale.org\r\nn,NULL\r\nc,c@vale.local\r\nd,ashdown-vale.org\r\ne,@ashdown-vale.org\r\n"
	got, err := comgmt.CountSuffixes(strings.NewReader(csv))
	require.NoError(t, err)
	require.Equal(t, want, got, "no text without @ is a suffix, and NULL is none")
	got, err = comgmt.CountSuffixes(strings.NewReader("\ufeffuserPrincipalName;id\na@ashdown-vale.org;1\n"))
	require.NoError(t, err)
	require.Equal(t, 1, got[0].Users)
	got, err = comgmt.CountSuffixes(strings.NewReader("#TYPE Selected.User\r\n\"Name\",\"UserPrincipalName\"\r\n\"a\",\"a@ashdown-vale.org\"\r\n"))
	require.NoError(t, err)
	require.Equal(t, []comgmt.SuffixCount{{Suffix: "ashdown-vale.org", Users: 1, Examples: []string{"a@ashdown-vale.org"}}}, got)
	got, err = comgmt.CountSuffixes(strings.NewReader("# users\na@ashdown-vale.org\n\nb@ashdown-vale.org."))
	require.NoError(t, err)
	require.Equal(t, []comgmt.SuffixCount{{Suffix: "ashdown-vale.org", Users: 2, Examples: []string{"a@ashdown-vale.org", "b@ashdown-vale.org."}}}, got)
	got, err = comgmt.CountSuffixes(strings.NewReader(""))
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = comgmt.CountSuffixes(strings.NewReader("Name,Mail\na,b\n"))
	require.ErrorIs(t, err, comgmt.ErrNoUPNColumn)
	_, err = comgmt.CountSuffixes(strings.NewReader("\x89PNG\r\n\x1a\n\x00\x00"))
	require.ErrorContains(t, err, "no text")
	_, err = comgmt.CountSuffixes(strings.NewReader("a@b\n" + strings.Repeat("x", 70_000)))
	require.ErrorContains(t, err, "line 2")
	var many strings.Builder
	for i := range 100_001 {
		fmt.Fprintf(&many, "u@d%d.example\n", i)
	}
	_, err = comgmt.CountSuffixes(strings.NewReader(many.String()))
	require.ErrorIs(t, err, comgmt.ErrTooManySuffixes)
}

func TestSuffixClasses(t *testing.T) {
	verified := []string{"ashdown-vale.org", "Ashdown.example"}
	for suffix, want := range map[string]comgmt.SuffixClass{
		"ashdown-vale.org": comgmt.SuffixVerified, "ashdown.example": comgmt.SuffixVerified, "uk.ashdown-vale.org": comgmt.SuffixUnverified, "vale.net": comgmt.SuffixUnverified,
		"vale.local": comgmt.SuffixNonRoutable, "corp.internal": comgmt.SuffixNonRoutable, "vale": comgmt.SuffixNonRoutable, "": comgmt.SuffixMissing, "a b.org": comgmt.SuffixNonRoutable,
	} {
		require.Equal(t, want, comgmt.SuffixCount{Suffix: suffix}.Class(verified), suffix)
	}
	require.Equal(t, comgmt.SuffixUnknown, comgmt.SuffixCount{Suffix: "vale.net"}.Class(nil))
	require.Equal(t, comgmt.SuffixUnverified, comgmt.SuffixCount{Suffix: "vale.net"}.Class([]string{}))

	fs := comgmt.Preflight(t.Context(), comgmt.Precondition{Verified: verified, Suffixes: []comgmt.SuffixCount{{Suffix: "ashdown-vale.org", Users: 9}, {Suffix: "vale.net", Users: 2}, {Suffix: "vale.local", Users: 1}, {Suffix: "", Users: 4}}})
	require.Len(t, fs, 4)
	for i, want := range []comgmt.Status{comgmt.StatusPass, comgmt.StatusFailure, comgmt.StatusFailure, comgmt.StatusFailure} {
		require.Equal(t, want, fs[i].Status)
	}
	require.Equal(t, comgmt.CheckUPNMissing, fs[3].Check)
	require.Contains(t, fs[1].Evidence, "2 users")
}

func TestDecodeDomains(t *testing.T) {
	got, err := comgmt.DecodeDomains(strings.NewReader(`{"value":[{"id":"Ashdown-Vale.org","isVerified":true},{"id":"vale.net","isVerified":false}]}`))
	require.NoError(t, err)
	require.Equal(t, []string{"ashdown-vale.org"}, got)
	for _, bad := range []string{"", "[]", "{}", `{"value":[{"id":"x"}]}`, `{"value":[{"isVerified":true}]}`} {
		_, err := comgmt.DecodeDomains(strings.NewReader(bad))
		require.Error(t, err, bad)
	}
}

func TestCorpusCNAMEs(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no sample records")
	}
	for _, row := range readCSV(t, filepath.Join(dir, "comgmt", "dns", "cnames.csv")) {
		host := strings.ToLower(row["name"])
		check, domain := comgmt.CheckEnrolmentCNAME, strings.TrimPrefix(host, "enterpriseenrollment.")
		if d, ok := strings.CutPrefix(host, "enterpriseregistration."); ok {
			check, domain = comgmt.CheckRegistrationCNAME, d
		}
		fs := comgmt.Preflight(t.Context(), comgmt.Precondition{Domains: []string{domain}, Automatic: true, Resolver: comgmttest.Resolver{host: row["target"]}})
		want := map[string]comgmt.Status{"pass": comgmt.StatusPass, "fail": comgmt.StatusFailure, "info": comgmt.StatusInfo}[row["verdict"]]
		require.Equal(t, want, status(fs, check), "%v", row)
	}
}

func FuzzCountSuffixes(f *testing.F) {
	f.Add("a@ashdown-vale.org\nb@vale.local\n")
	f.Add("Name,userPrincipalName\na,\"a@b")
	f.Fuzz(func(t *testing.T, s string) {
		counts, err := comgmt.CountSuffixes(strings.NewReader(s))
		if err != nil {
			return
		}
		for i, c := range counts {
			if c.Users < 1 || len(c.Examples) > 3 || i > 0 && counts[i-1].Users < c.Users {
				t.Fatalf("%+v", counts)
			}
			c.Class([]string{"ashdown-vale.org"})
		}
	})
}

func ExamplePreflight() {
	suffixes, err := comgmt.CountSuffixes(strings.NewReader("ana@ashdown-vale.org\nben@ashdown-vale.org\ncy@vale.local\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range comgmt.Preflight(context.Background(), comgmt.Precondition{
		Domains:  []string{"ashdown-vale.org"},
		Resolver: comgmttest.Resolver{"enterpriseenrollment.ashdown-vale.org": "EnterpriseEnrollment-s.manage.microsoft.com"},
		Suffixes: suffixes, Verified: []string{"ashdown-vale.org"},
	}) {
		fmt.Println(f.Status, f.Subject)
	}
	// Output:
	// pass enterpriseenrollment.ashdown-vale.org
	// info enterpriseregistration.ashdown-vale.org
	// pass ashdown-vale.org
	// failure vale.local
}
