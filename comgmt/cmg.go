package comgmt

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// A Deployment is the way a cloud management gateway (CMG) runs in Azure.
type Deployment uint8

const (
	ScaleSet Deployment = iota // virtual machine scale set; recommended from 2107 on
	Classic                    // cloud service (classic); deprecated
)

var deploymentNames = [...]string{"vmss", "classic"}

// String returns "vmss" or "classic"; these are also the values in JSON.
func (d Deployment) String() string { return nameOf(deploymentNames[:], int(d), "Deployment") }

// MarshalText returns the name; it fails off the table.
func (d Deployment) MarshalText() ([]byte, error) {
	return marshalName(deploymentNames[:], int(d), "Deployment")
}

// UnmarshalText reads the name.
func (d *Deployment) UnmarshalText(b []byte) error {
	return unmarshalName(deploymentNames[:], d, b, "CMG deployment")
}

// A CMG is a cloud management gateway as it is planned or found. Only ServiceName is required.
type CMG struct {
	// ServiceName is what clients use: the common name of the server certificate. It may be a wildcard, then Host is needed.
	ServiceName string
	// Host replaces the * of a wildcard, such as "granite". It is ignored otherwise.
	Host       string
	Deployment Deployment
	Region     string // Azure region of a scale set, such as "westus"; empty if not known
	// DeploymentName is the name in Azure. Empty: derived from the first label, Deployment and Region.
	DeploymentName string
	PublicCA       bool // the certificate is to come from a public authority
	USGovernment   bool // Azure US Government cloud
}

// Ids of the checks of [CMG.Check], [CMG.CheckCertificate] and [CMG.CheckDNS].
const (
	CheckCMGServiceName  = "cmg-service-name"
	CheckCMGPrefix       = "cmg-prefix"
	CheckCMGMismatch     = "cmg-name-and-deployment"
	CheckCMGWildcard     = "cmg-wildcard-host"
	CheckCMGClassic      = "cmg-classic"
	CheckCMGPublicCA     = "cmg-public-ca"
	CheckCMGCommonName   = "cmg-certificate-cn"
	CheckCMGSAN          = "cmg-certificate-san"
	CheckCMGKey          = "cmg-certificate-key"
	CheckCMGDates        = "cmg-certificate-dates"
	CheckCMGUsage        = "cmg-certificate-usage"
	CheckCMGSignature    = "cmg-certificate-signature"
	CheckCMGCNAME        = "cmg-cname"
	CheckCMGCNAMENeeded  = "cmg-cname-needed"
	CheckCMGNotResolving = "cmg-dns-error"
)

const srcCMGCert = "CMG server authentication certificate"

var cmgChecks = [...]Check{
	{CheckCMGServiceName, "The service name is a DNS name.", "Use a name of a domain you own, such as gateway.example.org.", srcCMGCert},
	{CheckCMGPrefix, "The first label has 3 to 24 lower-case letters and digits.", "Choose another first label and issue the certificate for it: it also names the storage account and the key vault.", srcCMGCert},
	{CheckCMGMismatch, "Service name and deployment name belong together.", "Issue the certificate for a name of your own domain, or for the Azure name of this kind of deployment.", srcCMGCert},
	{CheckCMGWildcard, "A wildcard has a host to go with it.", "Say which host name replaces the *, as the wizard asks for in Service FQDN.", srcCMGCert},
	{CheckCMGClassic, "The gateway is a virtual machine scale set.", "Plan the move to a scale set.", srcCMGCert},
	{CheckCMGPublicCA, "A public authority can issue for the name.", "Use a name of a domain you own: no public authority issues for Microsoft's domains.", srcCMGCert},
	{CheckCMGCommonName, "The certificate's common name is the service name.", "Issue the certificate again with the service name as common name.", srcCMGCert},
	{CheckCMGSAN, "The certificate has the service name as DNS subject alternative name.", "Issue the certificate again with the name in the subject alternative names; TLS clients of today look nowhere else.", "good practice: Microsoft does not document alternative names for the CMG"},
	{CheckCMGKey, "The key is RSA of 2048 or 4096 bits.", "Issue the certificate again with such a key.", srcCMGCert},
	{CheckCMGDates, "The certificate is valid now.", "Renew the certificate, and give it to the CMG before the old one ends.", srcCMGCert},
	{CheckCMGUsage, "The certificate is for server authentication.", "Issue the certificate from a web server template.", srcCMGCert},
	{CheckCMGSignature, "The certificate is not signed with MD5 or SHA-1.", "Issue the certificate again with SHA-256.", srcCMGCert},
	{CheckCMGCNAME, "The service name is a CNAME of the deployment name.", "Create or correct the CNAME in public DNS.", srcCMGCert},
	{CheckCMGCNAMENeeded, "It is clear whether a CNAME is needed.", "Create the CNAME in public DNS before clients are pointed at the gateway.", srcCMGCert},
	{CheckCMGNotResolving, "The CNAME could be asked for.", "Ask again, or name another DNS server.", "-"},
}

// azureSuffixes returns the Azure domain of a deployment; for a scale set the region comes before it.
func (c CMG) azureSuffix() string {
	switch {
	case c.USGovernment:
		return "usgovcloudapp.net"
	case c.Deployment == Classic:
		return "cloudapp.net"
	}
	return "cloudapp.azure.com"
}

// FQDN returns the name clients use, in lower case: ServiceName, with Host for a wildcard's *. Empty if Host is missing.
func (c CMG) FQDN() string {
	name := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(c.ServiceName), "."))
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		if c.Host == "" {
			return ""
		}
		return strings.ToLower(c.Host) + "." + rest
	}
	return name
}

// AzureName returns the deployment name, in lower case; empty where it cannot be told (a scale set without region).
// Configuration Manager takes the first label of the service name and appends the Azure domain.
func (c CMG) AzureName() string {
	if c.DeploymentName != "" {
		return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(c.DeploymentName), "."))
	}
	name := c.FQDN()
	if name == "" {
		return ""
	}
	if c.isAzureName(name) {
		return name
	}
	prefix, _, _ := strings.Cut(name, ".")
	if c.Deployment == Classic || c.USGovernment {
		return prefix + "." + c.azureSuffix()
	}
	if c.Region == "" {
		return ""
	}
	return prefix + "." + strings.ToLower(c.Region) + "." + c.azureSuffix()
}

func (c CMG) isAzureName(name string) bool { return azureDomain(name) != "" }

// azureDomain returns the Azure domain name ends with, "" for another domain.
func azureDomain(name string) string {
	for _, d := range [...]string{"cloudapp.azure.com", "usgovcloudapp.net", "cloudapp.net"} {
		if name == d || strings.HasSuffix(name, "."+d) {
			return d
		}
	}
	return ""
}

// NeedsCNAME reports whether clients reach the gateway only through a CNAME from the service name to the deployment
// name: yes for a name of one's own domain, no for an Azure name.
func (c CMG) NeedsCNAME() bool {
	return !c.isAzureName(strings.ToLower(strings.TrimSuffix(c.ServiceName, ".")))
}

// Check judges the names. It returns every outcome, passes included.
func (c CMG) Check() []Finding {
	var out []Finding
	add := func(id string, status Status, message string, evidence ...string) {
		out = append(out, find(id, status, c.ServiceName, message, evidence...))
	}
	raw := strings.TrimSuffix(strings.TrimSpace(c.ServiceName), ".")
	wildcard := strings.HasPrefix(raw, "*.")
	if !validHost(strings.TrimPrefix(raw, "*.")) {
		add(CheckCMGServiceName, StatusFailure, "The service name is not a DNS name.", clip(raw))
		return out
	}
	add(CheckCMGServiceName, StatusPass, "The service name is a DNS name.")
	name := c.FQDN()
	switch {
	case wildcard && c.Host == "":
		add(CheckCMGWildcard, StatusInfo, "The certificate is a wildcard: the host name that clients use has to be chosen.")
	case wildcard && (strings.Contains(c.Host, ".") || !validHost(c.Host+".example")):
		add(CheckCMGWildcard, StatusFailure, "The host is not one DNS label; a wildcard stands for exactly one.", clip(c.Host))
		return out
	case wildcard:
		add(CheckCMGWildcard, StatusPass, "The wildcard has a host: "+name+".")
	}
	domain := azureDomain(strings.ToLower(raw))
	if name != "" {
		c.checkPrefix(raw, name, add)
	}
	c.checkMismatch(name, domain, add)
	if c.Deployment == Classic {
		add(CheckCMGClassic, StatusWarning, "Cloud service (classic) deployments are deprecated.")
	}
	if c.PublicCA && domain != "" {
		add(CheckCMGPublicCA, StatusFailure, "The name is in Microsoft's domain "+domain+".")
	}
	switch target := c.AzureName(); {
	case !c.NeedsCNAME():
		add(CheckCMGCNAMENeeded, StatusPass, "No CNAME is needed: the service name is the Azure name. It takes a certificate of an authority of your own.")
	case target == "":
		add(CheckCMGCNAMENeeded, StatusInfo, "A CNAME is needed; its target cannot be told without host and region.")
	default:
		add(CheckCMGCNAMENeeded, StatusInfo, "A CNAME is needed: "+name+" → "+target+".")
	}
	return out
}

func (c CMG) checkPrefix(raw, name string, add func(string, Status, string, ...string)) {
	prefix, _, _ := strings.Cut(name, ".")
	shown, _, _ := strings.Cut(raw, ".")
	bad := strings.IndexFunc(prefix, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) >= 0
	switch {
	case bad || len(prefix) < 3 || len(prefix) > 24:
		add(CheckCMGPrefix, StatusFailure, fmt.Sprintf("%q does not fit: 3 to 24 letters and digits, no dash.", clip(prefix)))
	case shown != strings.ToLower(shown) && shown != "*":
		add(CheckCMGPrefix, StatusInfo, fmt.Sprintf("%q is written with capitals; today's text asks for lower case, older text allowed both.", shown))
	default:
		add(CheckCMGPrefix, StatusPass, fmt.Sprintf("%q fits.", prefix))
	}
}

func (c CMG) checkMismatch(name, domain string, add func(string, Status, string, ...string)) {
	azure := c.AzureName()
	prefix, _, _ := strings.Cut(name, ".")
	azurePrefix, azureRest, _ := strings.Cut(azure, ".")
	explicit := c.DeploymentName != ""
	switch {
	case domain == "cloudapp.net" && c.Deployment == ScaleSet:
		add(CheckCMGMismatch, StatusFailure, "The name is a classic one (cloudapp.net), but the deployment is a scale set; its name ends with REGION.cloudapp.azure.com. Such a name cannot be moved either.")
	case domain == "cloudapp.azure.com" && c.Deployment == Classic:
		add(CheckCMGMismatch, StatusFailure, "The name is one of a scale set (cloudapp.azure.com), but the deployment is classic, whose name ends with cloudapp.net.")
	case domain == "usgovcloudapp.net" && !c.USGovernment, (domain == "cloudapp.net" || domain == "cloudapp.azure.com") && c.USGovernment:
		add(CheckCMGMismatch, StatusFailure, "The name and the deployment are in different clouds (US Government and public).")
	case domain == "cloudapp.azure.com" && strings.Count(name, ".") != 4:
		add(CheckCMGMismatch, StatusFailure, "A scale set's name is PREFIX.REGION.cloudapp.azure.com.")
	case domain == "cloudapp.azure.com" && c.Region != "" && !strings.Contains(name, "."+strings.ToLower(c.Region)+"."):
		add(CheckCMGMismatch, StatusFailure, "The region in the name is not "+c.Region+".")
	case explicit && azureDomain(azure) == "":
		add(CheckCMGMismatch, StatusFailure, "The deployment name is not in an Azure domain.", clip(azure))
	case explicit && azureDomain(azure) != c.azureSuffix():
		add(CheckCMGMismatch, StatusFailure, "The deployment name ends with "+azureRest+", which is not where this kind of deployment is.", clip(azure))
	case explicit && name != "" && azurePrefix != prefix:
		add(CheckCMGMismatch, StatusFailure, "The first labels differ: Configuration Manager takes the deployment's from the service name.", name, azure)
	case azure == "":
		add(CheckCMGMismatch, StatusUnknown, "The deployment name cannot be told without host and region.")
	default:
		add(CheckCMGMismatch, StatusPass, "The deployment is "+azure+".")
	}
}

// CheckCertificate judges a server certificate for the gateway at the time now. It does not verify the chain: whether
// a device trusts the issuer is known only there.
func (c CMG) CheckCertificate(cert *x509.Certificate, now time.Time) []Finding {
	var out []Finding
	subject := cert.Subject.CommonName
	add := func(id string, status Status, message string, evidence ...string) {
		out = append(out, find(id, status, clip(subject), message, evidence...))
	}
	want := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(c.ServiceName), "."))
	names := c.FQDN()
	if names == "" {
		names = want
	}
	switch cn := strings.ToLower(subject); {
	case cn == want || cn == names:
		add(CheckCMGCommonName, StatusPass, "The common name is the service name.")
	case coversName(cn, names):
		add(CheckCMGCommonName, StatusPass, "The common name is a wildcard that covers the service name.")
	case cn == "":
		add(CheckCMGCommonName, StatusFailure, "The certificate has no common name.", "want: "+want)
	default:
		add(CheckCMGCommonName, StatusFailure, "The common name is another one.", "want: "+want, "found: "+clip(subject))
	}
	covered := slices.ContainsFunc(cert.DNSNames, func(n string) bool {
		n = strings.ToLower(n)
		return n == want || coversName(n, names)
	})
	switch {
	case covered:
		add(CheckCMGSAN, StatusPass, "A subject alternative name covers the service name.")
	case len(cert.DNSNames) == 0:
		add(CheckCMGSAN, StatusWarning, "The certificate has no DNS subject alternative name.")
	default:
		add(CheckCMGSAN, StatusWarning, "No subject alternative name covers the service name.", sample(clipAll(cert.DNSNames))...)
	}
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n == 2048 || n == 4096 {
			add(CheckCMGKey, StatusPass, fmt.Sprintf("RSA, %d bits.", n))
		} else if n < 2048 {
			add(CheckCMGKey, StatusFailure, fmt.Sprintf("RSA, %d bits.", n))
		} else {
			add(CheckCMGKey, StatusWarning, fmt.Sprintf("RSA, %d bits; documented are 2048 and 4096.", n))
		}
	case *ecdsa.PublicKey:
		add(CheckCMGKey, StatusFailure, fmt.Sprintf("ECDSA, %d bits.", key.Curve.Params().BitSize))
	default:
		add(CheckCMGKey, StatusFailure, "The key is not RSA: "+cert.PublicKeyAlgorithm.String()+".")
	}
	const soon = 30 * 24 * time.Hour
	dates := cert.NotBefore.UTC().Format(time.DateOnly) + " to " + cert.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case now.Before(cert.NotBefore):
		add(CheckCMGDates, StatusFailure, "The certificate is not valid yet.", dates)
	case now.After(cert.NotAfter):
		add(CheckCMGDates, StatusFailure, "The certificate has expired.", dates)
	case cert.NotAfter.Sub(now) < soon:
		add(CheckCMGDates, StatusWarning, fmt.Sprintf("The certificate ends in %d days.", int(cert.NotAfter.Sub(now).Hours()/24)), dates)
	default:
		add(CheckCMGDates, StatusPass, "The certificate is valid.", dates)
	}
	if slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) || len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		add(CheckCMGUsage, StatusPass, "The certificate may authenticate a server.")
	} else {
		add(CheckCMGUsage, StatusFailure, "The extended key usage does not include server authentication.")
	}
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		add(CheckCMGSignature, StatusFailure, "The certificate is signed with "+cert.SignatureAlgorithm.String()+".")
	default:
		add(CheckCMGSignature, StatusPass, "The certificate is signed with "+cert.SignatureAlgorithm.String()+".")
	}
	return out
}

func clipAll(s []string) []string {
	out := make([]string, len(s))
	for i, v := range s {
		out[i] = clip(v)
	}
	return out
}

// coversName reports whether pattern, which may be a wildcard for one label, covers name.
func coversName(pattern, name string) bool {
	if pattern == name {
		return true
	}
	rest, ok := strings.CutPrefix(pattern, "*.")
	_, domain, found := strings.Cut(name, ".")
	return ok && found && rest == domain
}

// A Resolver looks up CNAME records. Package comgmt/cname has one that asks a DNS server.
type Resolver interface {
	// CNAME returns the target of the CNAME record of host itself, not the end of a chain, without a final dot. It
	// returns "" if the name has no such record (whether or not it exists), and an error if that could not
	// be found out. (net.Resolver.LookupCNAME does something else: it follows the chain to its end, and
	// Microsoft's enrolment hosts are CNAMEs themselves.)
	CNAME(ctx context.Context, host string) (string, error)
}

// CheckDNS asks for the CNAME of the service name and compares it with the deployment name.
func (c CMG) CheckDNS(ctx context.Context, r Resolver) []Finding {
	name, want := c.FQDN(), c.AzureName()
	one := func(id string, status Status, message string, evidence ...string) []Finding {
		return []Finding{find(id, status, c.ServiceName, message, evidence...)}
	}
	switch {
	case !c.NeedsCNAME():
		return one(CheckCMGCNAME, StatusNotApplicable, "The service name is the Azure name: no CNAME is needed.")
	case name == "":
		return one(CheckCMGCNAME, StatusUnknown, "The certificate is a wildcard and the host is not known.")
	}
	got, err := r.CNAME(ctx, name)
	got = strings.ToLower(strings.TrimSuffix(got, "."))
	switch {
	case err != nil:
		return one(CheckCMGNotResolving, StatusUnknown, "The CNAME could not be asked for.", dnsReason(err))
	case got == "":
		return one(CheckCMGCNAME, StatusFailure, "There is no CNAME for "+name+".", "want: "+want)
	case want == "" && azureDomain(got) == c.azureSuffix():
		return one(CheckCMGCNAME, StatusPass, "The CNAME leads to "+got+"; the region was not given to compare with.")
	case want == "" || got != want:
		return one(CheckCMGCNAME, StatusFailure, "The CNAME leads elsewhere.", "want: "+want, "found: "+clip(got))
	}
	return one(CheckCMGCNAME, StatusPass, "The CNAME leads to "+got+".")
}

// dnsReason shortens an error to what helps: net's errors repeat the addresses of both ends.
func dnsReason(err error) string {
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		return d.Err
	}
	return err.Error()
}
