package comgmt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/comgmttest"
)

func status(fs []comgmt.Finding, check string) comgmt.Status {
	for _, f := range fs {
		if f.Check == check {
			return f.Status
		}
	}
	return comgmt.StatusNotApplicable
}

func TestCMGNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		cmg   comgmt.CMG
		azure string
		cname bool
		bad   string // check that fails; "" if none
	}{
		{"own domain, scale set", comgmt.CMG{ServiceName: "vale.ashdown.example", Region: "westus"}, "vale.westus.cloudapp.azure.com", true, ""},
		{"azure name, scale set", comgmt.CMG{ServiceName: "vale.westus.cloudapp.azure.com", Region: "WestUS"}, "vale.westus.cloudapp.azure.com", false, ""},
		{"classic, azure name", comgmt.CMG{ServiceName: "vale.cloudapp.net", Deployment: comgmt.Classic}, "vale.cloudapp.net", false, ""},
		{"classic, own domain", comgmt.CMG{ServiceName: "vale.ashdown.example", Deployment: comgmt.Classic}, "vale.cloudapp.net", true, ""},
		{"government", comgmt.CMG{ServiceName: "vale.ashdown.example", USGovernment: true}, "vale.usgovcloudapp.net", true, ""},
		{"wildcard with host", comgmt.CMG{ServiceName: "*.ashdown.example", Host: "vale", Region: "westus"}, "vale.westus.cloudapp.azure.com", true, ""},
		{"wildcard without host", comgmt.CMG{ServiceName: "*.ashdown.example", Region: "westus"}, "", true, ""},
		{"deployment name given", comgmt.CMG{ServiceName: "vale.ashdown.example", DeploymentName: "vale.westus.cloudapp.azure.com"}, "vale.westus.cloudapp.azure.com", true, ""},
		{"capitals", comgmt.CMG{ServiceName: "Vale.Ashdown.example", Region: "westus"}, "vale.westus.cloudapp.azure.com", true, ""},

		{"scale set with a classic name", comgmt.CMG{ServiceName: "vale.cloudapp.net"}, "vale.cloudapp.net", false, comgmt.CheckCMGMismatch},
		{"classic with a scale set's name", comgmt.CMG{ServiceName: "vale.westus.cloudapp.azure.com", Deployment: comgmt.Classic}, "vale.westus.cloudapp.azure.com", false, comgmt.CheckCMGMismatch},
		{"other region", comgmt.CMG{ServiceName: "vale.eastus.cloudapp.azure.com", Region: "westus"}, "vale.eastus.cloudapp.azure.com", false, comgmt.CheckCMGMismatch},
		{"no region", comgmt.CMG{ServiceName: "vale.cloudapp.azure.com"}, "vale.cloudapp.azure.com", false, comgmt.CheckCMGMismatch},
		{"other prefix", comgmt.CMG{ServiceName: "vale.ashdown.example", DeploymentName: "ridge.westus.cloudapp.azure.com"}, "ridge.westus.cloudapp.azure.com", true, comgmt.CheckCMGMismatch},
		{"deployment elsewhere", comgmt.CMG{ServiceName: "vale.ashdown.example", DeploymentName: "vale.example.com"}, "vale.example.com", true, comgmt.CheckCMGMismatch},
		{"other cloud", comgmt.CMG{ServiceName: "vale.usgovcloudapp.net"}, "vale.usgovcloudapp.net", false, comgmt.CheckCMGMismatch},
		{"dash", comgmt.CMG{ServiceName: "ash-vale.ashdown.example", Region: "westus"}, "ash-vale.westus.cloudapp.azure.com", true, comgmt.CheckCMGPrefix},
		{"short", comgmt.CMG{ServiceName: "av.ashdown.example", Region: "westus"}, "av.westus.cloudapp.azure.com", true, comgmt.CheckCMGPrefix},
		{"long", comgmt.CMG{ServiceName: strings.Repeat("v", 25) + ".ashdown.example", Region: "westus"}, strings.Repeat("v", 25) + ".westus.cloudapp.azure.com", true, comgmt.CheckCMGPrefix},
		{"public CA for Azure's name", comgmt.CMG{ServiceName: "vale.westus.cloudapp.azure.com", PublicCA: true}, "vale.westus.cloudapp.azure.com", false, comgmt.CheckCMGPublicCA},
		{"no name", comgmt.CMG{ServiceName: "vale"}, "", true, comgmt.CheckCMGServiceName},
		{"typo with an empty label", comgmt.CMG{ServiceName: "vale..cloudapp.net"}, "", true, comgmt.CheckCMGServiceName},
		{"wildcard for two labels", comgmt.CMG{ServiceName: "*.ashdown.example", Host: "a.b"}, "", true, comgmt.CheckCMGWildcard},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := c.cmg.Check()
			var failed []string
			for _, f := range fs {
				if f.Status == comgmt.StatusFailure {
					failed = append(failed, f.Check)
				}
			}
			if c.bad == "" {
				require.Empty(t, failed)
			} else {
				require.Equal(t, []string{c.bad}, failed)
			}
			if c.bad != comgmt.CheckCMGServiceName && c.bad != comgmt.CheckCMGWildcard {
				require.Equal(t, c.azure, c.cmg.AzureName())
				require.Equal(t, c.cname, c.cmg.NeedsCNAME())
			}
			if c.cmg.Deployment == comgmt.Classic {
				require.Equal(t, comgmt.StatusWarning, status(fs, comgmt.CheckCMGClassic))
			}
		})
	}
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func certificate(t *testing.T, change func(*x509.Certificate), key ...any) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vale.ashdown.example"}, DNSNames: []string{"vale.ashdown.example"},
		NotBefore: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(c)
	var private, public any = rsaKey(), rsaKey().Public()
	if len(key) > 0 {
		private = key[0]
		public = &key[0].(*ecdsa.PrivateKey).PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, private)
	require.NoError(t, err)
	out, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return out
}

func TestCMGCertificate(t *testing.T) {
	g := comgmt.CMG{ServiceName: "vale.ashdown.example", Region: "westus"}
	now := time.Date(2025, 7, 4, 0, 0, 0, 0, time.UTC)
	for _, f := range g.CheckCertificate(certificate(t, func(*x509.Certificate) {}), now) {
		require.Equal(t, comgmt.StatusPass, f.Status, f.Check)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, c := range []struct {
		check  string
		status comgmt.Status
		cert   *x509.Certificate
		now    time.Time
	}{
		{comgmt.CheckCMGCommonName, comgmt.StatusFailure, certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "ridge.ashdown.example" }), now},
		{comgmt.CheckCMGCommonName, comgmt.StatusFailure, certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "" }), now},
		{comgmt.CheckCMGCommonName, comgmt.StatusPass, certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "*.ashdown.example" }), now},
		{comgmt.CheckCMGCommonName, comgmt.StatusFailure, certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "*.example" }), now},
		{comgmt.CheckCMGSAN, comgmt.StatusWarning, certificate(t, func(c *x509.Certificate) { c.DNSNames = nil }), now},
		{comgmt.CheckCMGSAN, comgmt.StatusWarning, certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"ridge.ashdown.example"} }), now},
		{comgmt.CheckCMGSAN, comgmt.StatusPass, certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.Ashdown.example"} }), now},
		{comgmt.CheckCMGKey, comgmt.StatusFailure, certificate(t, func(*x509.Certificate) {}, ec), now},
		{comgmt.CheckCMGDates, comgmt.StatusFailure, certificate(t, func(*x509.Certificate) {}), now.AddDate(1, 0, 0)},
		{comgmt.CheckCMGDates, comgmt.StatusFailure, certificate(t, func(*x509.Certificate) {}), now.AddDate(-1, 0, 0)},
		{comgmt.CheckCMGDates, comgmt.StatusWarning, certificate(t, func(*x509.Certificate) {}), time.Date(2025, 12, 20, 0, 0, 0, 0, time.UTC)},
		{comgmt.CheckCMGUsage, comgmt.StatusFailure, certificate(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), now},
		{comgmt.CheckCMGUsage, comgmt.StatusPass, certificate(t, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), now},
	} {
		require.Equal(t, c.status, status(g.CheckCertificate(c.cert, c.now), c.check), c.check)
	}
	old := *certificate(t, func(*x509.Certificate) {})
	old.SignatureAlgorithm = x509.SHA1WithRSA
	require.Equal(t, comgmt.StatusFailure, status(g.CheckCertificate(&old, now), comgmt.CheckCMGSignature))
	wild := comgmt.CMG{ServiceName: "*.ashdown.example", Host: "vale", Region: "westus"}
	fs := wild.CheckCertificate(certificate(t, func(c *x509.Certificate) {
		c.Subject.CommonName = "*.ashdown.example"
		c.DNSNames = []string{"*.ashdown.example"}
	}), now)
	require.False(t, comgmt.Problems(fs))
}

func TestCMGDNS(t *testing.T) {
	g := comgmt.CMG{ServiceName: "vale.ashdown.example", Region: "westus"}
	for target, want := range map[string]comgmt.Status{
		"vale.westus.cloudapp.azure.com": comgmt.StatusPass, "Vale.WestUS.CloudApp.Azure.com.": comgmt.StatusPass,
		"ridge.westus.cloudapp.azure.com": comgmt.StatusFailure, "vale.cloudapp.net": comgmt.StatusFailure, "": comgmt.StatusFailure,
	} {
		fs := g.CheckDNS(t.Context(), comgmttest.Resolver{"vale.ashdown.example": target})
		require.Equal(t, want, status(fs, comgmt.CheckCMGCNAME), target)
	}
	fs := g.CheckDNS(t.Context(), comgmttest.Resolver{"vale.ashdown.example": comgmttest.ServerFailure})
	require.Equal(t, comgmt.StatusUnknown, status(fs, comgmt.CheckCMGNotResolving))
	none := comgmt.CMG{ServiceName: "vale.westus.cloudapp.azure.com"}
	require.Equal(t, comgmt.StatusNotApplicable, status(none.CheckDNS(t.Context(), nil), comgmt.CheckCMGCNAME))
	anywhere := comgmt.CMG{ServiceName: "vale.ashdown.example"}
	require.Equal(t, comgmt.StatusPass, status(anywhere.CheckDNS(t.Context(), comgmttest.Resolver{"vale.ashdown.example": "vale.westus.cloudapp.azure.com"}), comgmt.CheckCMGCNAME))
	wild := comgmt.CMG{ServiceName: "*.ashdown.example"}
	require.Equal(t, comgmt.StatusUnknown, status(wild.CheckDNS(t.Context(), comgmttest.Resolver{}), comgmt.CheckCMGCNAME))
}

func TestCorpusCMG(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no sample names")
	}
	for _, row := range readCSV(t, filepath.Join(dir, "comgmt", "cmg", "names.csv")) {
		kind, region, _ := strings.Cut(row["deployment"], " ")
		g := comgmt.CMG{ServiceName: row["service_name_cn"], Region: region}
		require.NoError(t, g.Deployment.UnmarshalText([]byte(kind)))
		fs := g.Check()
		for _, f := range fs {
			require.NotEqual(t, comgmt.StatusFailure, f.Status, "%v", row)
		}
		require.Equal(t, row["needs_cname"] == "true", g.NeedsCNAME())
		if row["cname_target"] != "" {
			require.Equal(t, row["cname_target"], g.AzureName())
		}
	}
}

func ExampleCMG_Check() {
	g := comgmt.CMG{ServiceName: "vale.cloudapp.net", Deployment: comgmt.ScaleSet}
	for _, f := range g.Check() {
		if f.Status.Problem() {
			fmt.Println(f.Check, f.Status)
		}
	}
	g = comgmt.CMG{ServiceName: "vale.ashdown.example", Region: "uksouth"}
	fmt.Println(g.FQDN(), "needs a CNAME to", g.AzureName())
	// Output:
	// cmg-name-and-deployment failure
	// vale.ashdown.example needs a CNAME to vale.uksouth.cloudapp.azure.com
}
