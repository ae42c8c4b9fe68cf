// Package entraauth makes the request adapter that package entra needs, from a configuration that can be kept in a file:
// who the application is, how it proves it, and in which of Microsoft's clouds.
//
//	adapter, err := entraauth.NewAdapter(entraauth.Config{
//		Method: entraauth.ClientCertificate, TenantID: "…", ClientID: "…", CertificateFile: "sync.pfx",
//	})
//	client := &entra.Client{Adapter: adapter}
//
// It is a package of its own because it brings azidentity with it; entra itself does not. It registers nothing with
// the SDK's package variables, so that adapters may be made by several goroutines at once.
package entraauth

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	coreauth "github.com/microsoftgraph/msgraph-sdk-go-core/authentication"

	"go.internal/hybridkit/ldapsync"
)

// A Method is how an application proves who it is.
type Method string

const (
	ClientSecret      Method = "client-secret"      // a password of the application's
	ClientCertificate Method = "client-certificate" // a certificate with its private key; the better of the two
	WorkloadIdentity  Method = "workload-identity"  // a token of Kubernetes', GitHub's or another issuer's, in a file
	ManagedIdentity   Method = "managed-identity"   // of the Azure machine the program runs on
	AzureCLI          Method = "azure-cli"          // the person signed in with "az login": for trying things out
)

// A Cloud is one of Microsoft's, each with a sign-in service and a Graph of its own (Microsoft, "National cloud
// deployments").
type Cloud string

const (
	Public    Cloud = "public"
	USGov     Cloud = "us-government" // L4, GCC High
	USDefense Cloud = "us-dod"        // L5
	China     Cloud = "china"         // operated by 21Vianet
)

// Config says who signs in, how and where. It holds names of files and variables and no secrets, so that it may be
// printed. The JSON form is what tools keep in their configuration.
type Config struct {
	Method   Method `json:"method"`
	Cloud    Cloud  `json:"cloud,omitempty"`    // "" means Public
	TenantID string `json:"tenantId,omitempty"` // required for all but managed-identity and azure-cli
	ClientID string `json:"clientId,omitempty"` // of the application; of a user-assigned managed identity; else ""

	SecretFile string `json:"secretFile,omitempty"` // client-secret: a file with the secret and nothing else, or
	SecretEnv  string `json:"secretEnv,omitempty"`  // the name of an environment variable that holds it

	CertificateFile        string `json:"certificateFile,omitempty"` // client-certificate: PEM with the key, or PFX
	CertificatePasswordEnv string `json:"certificatePasswordEnv,omitempty"`
	SendCertificateChain   bool   `json:"sendCertificateChain,omitempty"` // for applications that trust a subject and issuer

	TokenFile string `json:"tokenFile,omitempty"` // workload-identity

	// GraphHost and LoginURL replace those of the cloud, for a private endpoint or a fake: "graph.example",
	// "https://login.example/".
	GraphHost string `json:"graphHost,omitempty"`
	LoginURL  string `json:"loginUrl,omitempty"`

	// Transport carries both sign-in and Graph; nil means the default one. Not part of the JSON form.
	Transport http.RoundTripper `json:"-"`
}

type endpoints struct {
	cloud cloud.Configuration
	graph string
}

func (c Config) endpoints() (endpoints, error) {
	var e endpoints
	switch c.Cloud {
	case "", Public:
		e = endpoints{cloud.AzurePublic, "graph.microsoft.com"}
	case USGov:
		e = endpoints{cloud.AzureGovernment, "graph.microsoft.us"}
	case USDefense:
		e = endpoints{cloud.AzureGovernment, "dod-graph.microsoft.us"}
	case China:
		e = endpoints{cloud.AzureChina, "microsoftgraph.chinacloudapi.cn"}
	default:
		return e, fmt.Errorf("entraauth: there is no cloud %q; there are %s, %s, %s and %s", c.Cloud, Public, USGov, USDefense, China)
	}
	if c.GraphHost != "" {
		e.graph = c.GraphHost
	}
	if c.LoginURL != "" {
		e.cloud.ActiveDirectoryAuthorityHost = c.LoginURL
	}
	return e, nil
}

// Validate reports everything that is wrong with the configuration, together, without reading files.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("entraauth: "+format, args...)) }
	needs := func(field, value string) {
		if value == "" {
			bad("%s needs %s", c.Method, field)
		}
	}
	if _, err := c.endpoints(); err != nil {
		errs = append(errs, err)
	}
	if h := c.GraphHost; h != "" && (strings.ContainsAny(h, "/@?#") || strings.Contains(h, "://")) {
		bad("graphHost is the name of a host, not %q", h)
	}
	if l := c.LoginURL; l != "" {
		if u, err := url.Parse(l); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			bad("loginUrl is an https URL without credentials")
		}
	}
	switch c.Method {
	case ClientSecret:
		needs("tenantId", c.TenantID)
		needs("clientId", c.ClientID)
		if (c.SecretFile == "") == (c.SecretEnv == "") {
			bad("%s needs either secretFile or secretEnv", c.Method)
		}
	case ClientCertificate:
		needs("tenantId", c.TenantID)
		needs("clientId", c.ClientID)
		needs("certificateFile", c.CertificateFile)
	case WorkloadIdentity:
		needs("tenantId", c.TenantID)
		needs("clientId", c.ClientID)
		needs("tokenFile", c.TokenFile)
	case ManagedIdentity, AzureCLI:
	default:
		all := []Method{ClientSecret, ClientCertificate, WorkloadIdentity, ManagedIdentity, AzureCLI}
		bad("there is no method %q; there are %q", c.Method, all)
	}
	return errors.Join(errs...)
}

// transporter is a RoundTripper as azcore wants it.
type transporter struct{ http.RoundTripper }

func (t transporter) Do(r *http.Request) (*http.Response, error) { return t.RoundTrip(r) }

// Credential makes the credential. It reads the files that are named, and signs in nowhere yet.
func (c Config) Credential() (azcore.TokenCredential, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e, err := c.endpoints()
	if err != nil {
		return nil, err
	}
	opt := policy.ClientOptions{Cloud: e.cloud}
	if c.Transport != nil {
		opt.Transport = transporter{c.Transport}
	}
	cred, err := c.credential(opt)
	if err != nil {
		return nil, fmt.Errorf("entraauth: %s: %w", c.Method, err)
	}
	return classified{c.Method, cred}, nil
}

// classified says of an error whether the credential was refused, which is never tried again, or the sign-in service
// could not be reached or was busy. azidentity puts both into one type.
type classified struct {
	method Method
	azcore.TokenCredential
}

// GetToken implements azcore.TokenCredential.
func (c classified) GetToken(ctx context.Context, opt policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := c.TokenCredential.GetToken(ctx, opt)
	if err == nil {
		return t, nil
	}
	condition := ldapsync.ErrCredentials
	var failed *azidentity.AuthenticationFailedError
	if ctx.Err() != nil {
		return t, fmt.Errorf("entraauth: %s: %w", c.method, errors.Join(ctx.Err(), err))
	}
	if errors.As(err, &failed) && c.method != AzureCLI {
		if r := failed.RawResponse; r == nil || r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500 {
			condition = ldapsync.ErrTransient
		}
	}
	return t, fmt.Errorf("entraauth: %s: %w: %w", c.method, condition, err)
}

func (c Config) credential(opt policy.ClientOptions) (azcore.TokenCredential, error) {
	own := c.LoginURL != "" // Microsoft's instance discovery does not know it
	switch c.Method {
	case ClientSecret:
		secret, err := c.secret()
		if err != nil {
			return nil, err
		}
		return azidentity.NewClientSecretCredential(c.TenantID, c.ClientID, secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: opt, DisableInstanceDiscovery: own})
	case ClientCertificate:
		certs, key, err := c.certificate()
		if err != nil {
			return nil, err
		}
		return azidentity.NewClientCertificateCredential(c.TenantID, c.ClientID, certs, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: opt, DisableInstanceDiscovery: own, SendCertificateChain: c.SendCertificateChain})
	case WorkloadIdentity:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: opt, DisableInstanceDiscovery: own, TenantID: c.TenantID, ClientID: c.ClientID, TokenFilePath: c.TokenFile})
	case ManagedIdentity:
		o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: opt}
		if c.ClientID != "" {
			o.ID = azidentity.ClientID(c.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(o)
	}
	return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: c.TenantID})
}

func (c Config) secret() (string, error) {
	if c.SecretEnv != "" {
		v := os.Getenv(c.SecretEnv)
		if v == "" {
			return "", fmt.Errorf("the environment variable %s is empty", c.SecretEnv)
		}
		return v, nil
	}
	b, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return "", err
	}
	v := strings.TrimRight(string(b), "\r\n")
	if v == "" || strings.ContainsAny(v, "\r\n") {
		return "", fmt.Errorf("%s has to hold one line, the secret", c.SecretFile)
	}
	return v, nil
}

func (c Config) certificate() ([]*x509.Certificate, crypto.PrivateKey, error) {
	b, err := os.ReadFile(c.CertificateFile)
	if err != nil {
		return nil, nil, err
	}
	var password []byte
	if c.CertificatePasswordEnv != "" {
		password = []byte(os.Getenv(c.CertificatePasswordEnv))
	}
	certs, key, err := azidentity.ParseCertificates(b, password)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.CertificateFile, err)
	}
	return certs, key, nil
}

// BaseURL is the v1.0 endpoint of the configuration's cloud.
func (c Config) BaseURL() (string, error) {
	e, err := c.endpoints()
	return "https://" + e.graph + "/v1.0", err
}

// NewAdapter makes a request adapter for Graph: it signs in when the first request needs it, and sends its token to
// the Graph host of the cloud and to no other.
func NewAdapter(c Config) (abstractions.RequestAdapter, error) {
	cred, err := c.Credential()
	if err != nil {
		return nil, err
	}
	return WithCredential(c, cred)
}

// WithCredential is NewAdapter with a credential of the caller's; of c it uses Cloud, GraphHost and Transport.
func WithCredential(c Config, cred azcore.TokenCredential) (abstractions.RequestAdapter, error) {
	if cred == nil {
		return nil, errors.New("entraauth: the credential is nil")
	}
	e, err := c.endpoints()
	if err != nil {
		return nil, err
	}
	// The scope is that of Graph, also where the host is a private endpoint's.
	public := c
	public.GraphHost = ""
	scope, err := public.endpoints()
	if err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(e.graph, ":")
	auth, err := coreauth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(cred, []string{"https://" + scope.graph + "/.default"}, slices.Compact([]string{host, e.graph}))
	if err != nil {
		return nil, fmt.Errorf("entraauth: %w", err)
	}
	mw, err := khttp.GetDefaultMiddlewaresWithOptions(khttp.NewCompressionOptionsReference(false))
	if err != nil {
		return nil, fmt.Errorf("entraauth: %w", err)
	}
	mw = append([]khttp.Middleware{core.NewGraphTelemetryHandler(&core.GraphClientOptions{})}, mw...)
	hc := khttp.GetDefaultClient(mw...)
	if c.Transport != nil {
		hc.Transport = khttp.NewCustomTransportWithParentTransport(c.Transport, mw...)
	}
	a, err := core.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(auth, core.GraphClientOptions{},
		jsonserialization.NewJsonParseNodeFactory(), jsonserialization.NewJsonSerializationWriterFactory(), hc)
	if err != nil {
		return nil, fmt.Errorf("entraauth: %w", err)
	}
	a.SetBaseUrl("https://" + e.graph + "/v1.0")
	return a, nil
}

// Check signs in and returns the error of that, so that a tool can tell a wrong credential from a wrong permission
// before it reads anything. Of credentials made here the error wraps ldapsync.ErrCredentials or ldapsync.ErrTransient.
func Check(ctx context.Context, c Config, cred azcore.TokenCredential) error {
	e, err := c.endpoints()
	if err != nil {
		return err
	}
	_, err = cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://" + e.graph + "/.default"}, EnableCAE: true})
	return err
}
