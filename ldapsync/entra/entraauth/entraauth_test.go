package entraauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entraauth"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

const (
	tenant = "2f6f1f1a-4b1e-4a51-9d0c-0d1f5a6b7c8d"
	app    = "8b0f6c4e-3d55-4f0b-9d2c-7a1e9c0b5f21"
)

// world is a sign-in service, the identity endpoint of an Azure machine, and Graph behind the host names.
type world struct {
	t     *testing.T
	graph *entratest.Server

	mu    sync.Mutex
	asked []string // scope or resource of each token, with the host that was asked
	forms []string
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch path := r.URL.Path; {
	case r.URL.Host == "169.254.169.254":
		w.asked = append(w.asked, r.URL.Host+" "+r.URL.Query().Get("resource"))
		return answer(200, fmt.Sprintf(`{"access_token":"tok","expires_on":"%d","expires_in":"3600","token_type":"Bearer","resource":"x"}`, time.Now().Add(time.Hour).Unix()))
	case strings.HasSuffix(path, "/discovery/instance"):
		h := "login.microsoftonline.com"
		return answer(200, `{"tenant_discovery_endpoint":"https://`+h+`/`+tenant+`/v2.0/.well-known/openid-configuration","metadata":[{"preferred_network":"`+h+`","preferred_cache":"`+h+`","aliases":["`+h+`"]}]}`)
	case strings.HasSuffix(path, "/openid-configuration"):
		root := "https://" + r.URL.Host + "/" + tenant
		return answer(200, `{"authorization_endpoint":"`+root+`/oauth2/v2.0/authorize","token_endpoint":"`+root+`/oauth2/v2.0/token","issuer":"`+root+`/v2.0"}`)
	case strings.HasSuffix(path, "/token"):
		form := string(body)
		w.forms = append(w.forms, form)
		scope := ""
		for pair := range strings.SplitSeq(form, "&") {
			if s, ok := strings.CutPrefix(pair, "scope="); ok {
				scope, _, _ = strings.Cut(strings.NewReplacer("%3A", ":", "%2F", "/").Replace(s), "+")
			}
		}
		w.asked = append(w.asked, r.URL.Host+" "+scope)
		if strings.Contains(form, "client_secret=wrong") {
			return answer(401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`)
		}
		return answer(200, `{"token_type":"Bearer","expires_in":3600,"ext_expires_in":3600,"access_token":"tok"}`)
	}
	return w.graph.Transport().RoundTrip(r)
}

func newWorld(t *testing.T) *world {
	return &world{t: t, graph: entratest.New(entratest.Config{Token: "tok"})}
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func certificate(t *testing.T, key any, public any) string {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Ashdown Sync"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, public, key)
	require.NoError(t, err)
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}))
}

// TestMethods: each method gets a token in each way it can, and Graph accepts it.
func TestMethods(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	t.Setenv("ASHDOWN_SECRET", "s3cret")
	base := entraauth.Config{TenantID: tenant, ClientID: app, LoginURL: "https://login.ashdown.example/"}
	with := func(f func(*entraauth.Config)) entraauth.Config { c := base; f(&c); return c }
	for name, c := range map[string]entraauth.Config{
		"secret file": with(func(c *entraauth.Config) { c.Method, c.SecretFile = entraauth.ClientSecret, file(t, "s3cret\n") }),
		"secret env":  with(func(c *entraauth.Config) { c.Method, c.SecretEnv = entraauth.ClientSecret, "ASHDOWN_SECRET" }),
		"certificate": with(func(c *entraauth.Config) {
			c.Method, c.CertificateFile = entraauth.ClientCertificate, file(t, certificate(t, key, key.Public()))
		}),
		"chain": with(func(c *entraauth.Config) {
			c.Method, c.CertificateFile, c.SendCertificateChain = entraauth.ClientCertificate, file(t, certificate(t, key, key.Public())), true
		}),
		"workload":     with(func(c *entraauth.Config) { c.Method, c.TokenFile = entraauth.WorkloadIdentity, file(t, "ey.ey.x") }),
		"managed":      {Method: entraauth.ManagedIdentity},
		"managed user": {Method: entraauth.ManagedIdentity, ClientID: app},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.Transport = w
			a, err := entraauth.NewAdapter(c)
			require.NoError(t, err)
			require.Empty(t, w.asked, "nothing is sent before it is needed")
			client := &entra.Client{Adapter: a}
			res, err := client.Get(t.Context(), "/users", nil)
			require.NoError(t, err)
			require.Contains(t, string(res.Body), `"value"`)
			if c.Method == entraauth.ManagedIdentity && len(w.asked) == 0 {
				return // azidentity keeps such tokens for the life of the process, and this one ran before
			}
			require.NotEmpty(t, w.asked)
			require.Contains(t, w.asked[0], "https://graph.microsoft.com")
			require.NotContains(t, fmt.Sprintf("%+v %#v", c, c), "s3cret")
		})
	}
}

// TestClouds: the login host, the Graph host and the scope go together.
func TestClouds(t *testing.T) {
	for c, want := range map[entraauth.Cloud][2]string{
		entraauth.Public:    {"login.microsoftonline.com", "graph.microsoft.com"},
		"":                  {"login.microsoftonline.com", "graph.microsoft.com"},
		entraauth.USGov:     {"login.microsoftonline.us", "graph.microsoft.us"},
		entraauth.USDefense: {"login.microsoftonline.us", "dod-graph.microsoft.us"},
		entraauth.China:     {"login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"},
	} {
		w := newWorld(t)
		t.Setenv("ASHDOWN_SECRET", "s3cret")
		cfg := entraauth.Config{Method: entraauth.ClientSecret, Cloud: c, TenantID: tenant, ClientID: app, SecretEnv: "ASHDOWN_SECRET", Transport: w}
		a, err := entraauth.NewAdapter(cfg)
		require.NoError(t, err)
		require.Equal(t, "https://"+want[1]+"/v1.0", a.GetBaseUrl())
		_, err = (&entra.Client{Adapter: a}).Get(t.Context(), "/users", nil)
		require.NoError(t, err, c)
		require.Contains(t, w.asked[0], "https://"+want[1]+"/.default", c)
		if c == entraauth.China || c == entraauth.USGov {
			require.True(t, strings.HasPrefix(w.asked[0], want[0]) || strings.HasPrefix(w.asked[0], "login.partner.microsoftonline.cn"), w.asked[0])
		}
		url, err := cfg.BaseURL()
		require.NoError(t, err)
		require.Equal(t, a.GetBaseUrl(), url)
	}
}

// TestWrongSecret: a refused sign-in is ErrCredentials, which is never retried, and says what the service said.
func TestWrongSecret(t *testing.T) {
	w := newWorld(t)
	c := entraauth.Config{Method: entraauth.ClientSecret, TenantID: tenant, ClientID: app, SecretFile: file(t, "wrong"), LoginURL: "https://login.ashdown.example/", Transport: w}
	a, err := entraauth.NewAdapter(c)
	require.NoError(t, err)
	_, err = (&entra.Client{Adapter: a}).Get(t.Context(), "/users", nil)
	require.ErrorIs(t, err, ldapsync.ErrCredentials)
	require.NotErrorIs(t, err, ldapsync.ErrTransient)
	require.ErrorContains(t, err, "AADSTS7000215")
	require.Len(t, w.asked, 1)
	require.Empty(t, w.graph.Requests())
	cred, err := c.Credential()
	require.NoError(t, err)
	require.ErrorContains(t, entraauth.Check(t.Context(), c, cred), "client-secret")
}

// TestSignInUnreachable: a sign-in service that is busy or away is ErrTransient, and nothing was sent to Graph.
func TestSignInUnreachable(t *testing.T) {
	synctest.Test(t, testSignInUnreachable) // azcore tries several times
}

func testSignInUnreachable(t *testing.T) {
	down := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "login.ashdown.example" {
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
		}
		t.Error("something was sent")
		return nil, io.ErrUnexpectedEOF
	})
	c := entraauth.Config{Method: entraauth.ClientSecret, TenantID: tenant, ClientID: app, SecretFile: file(t, "s3cret"), LoginURL: "https://login.ashdown.example/", Transport: down}
	a, err := entraauth.NewAdapter(c)
	require.NoError(t, err)
	_, err = (&entra.Client{Adapter: a}).Do(t.Context(), entra.Request{Method: http.MethodPatch, Path: "/users/x", Body: []byte(`{}`)})
	require.ErrorIs(t, err, ldapsync.ErrTransient)
	require.NotErrorIs(t, err, ldapsync.ErrUnclear)
	require.NotErrorIs(t, err, ldapsync.ErrCredentials)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAzureCLI: the token of the person who is signed in is asked for by the program az.
func TestAzureCLI(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for az is a shell script")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\necho '{\"accessToken\":\"tok\",\"expiresOn\":\"2099-01-01 00:00:00.000000\",\"expires_on\":4070908800,\"tokenType\":\"Bearer\"}'\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "az"), []byte(script), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	a, err := entraauth.NewAdapter(entraauth.Config{Method: entraauth.AzureCLI, Transport: newWorld(t)})
	require.NoError(t, err)
	_, err = (&entra.Client{Adapter: a}).Get(t.Context(), "/users", nil)
	require.NoError(t, err)
}

// TestPrivateEndpoint: a host of one's own gets the token for Graph.
func TestPrivateEndpoint(t *testing.T) {
	for _, host := range []string{"graph.ashdown.example", "127.0.0.1:8443"} {
		w := newWorld(t)
		a, err := entraauth.NewAdapter(entraauth.Config{Method: entraauth.ClientSecret, TenantID: tenant, ClientID: app, SecretFile: file(t, "s3cret"), GraphHost: host, Transport: w})
		require.NoError(t, err)
		_, err = (&entra.Client{Adapter: a}).Get(t.Context(), "/users", nil)
		require.NoError(t, err)
		require.Contains(t, w.asked[0], "https://graph.microsoft.com")
	}
}

func TestValidate(t *testing.T) {
	ok := entraauth.Config{Method: entraauth.ClientSecret, TenantID: tenant, ClientID: app, SecretEnv: "X"}
	require.NoError(t, ok.Validate())
	for want, f := range map[string]func(*entraauth.Config){
		"there is no method":    func(c *entraauth.Config) { c.Method = "password" },
		"there is no cloud":     func(c *entraauth.Config) { c.Cloud = "germany" },
		"needs tenantId":        func(c *entraauth.Config) { c.TenantID = "" },
		"either secretFile or":  func(c *entraauth.Config) { c.SecretFile = "x" },
		"graphHost is the name": func(c *entraauth.Config) { c.GraphHost = "https://graph.microsoft.com" },
		"loginUrl is an https":  func(c *entraauth.Config) { c.LoginURL = "http://login.example/" },
		"needs certificateFile": func(c *entraauth.Config) { c.Method = entraauth.ClientCertificate },
		"needs tokenFile":       func(c *entraauth.Config) { c.Method = entraauth.WorkloadIdentity },
	} {
		c := ok
		f(&c)
		require.ErrorContains(t, c.Validate(), want)
		_, err := entraauth.NewAdapter(c)
		require.ErrorContains(t, err, want)
	}
	_, err := entraauth.NewAdapter(ok)
	require.ErrorContains(t, err, "environment variable X is empty")
	_, err = entraauth.WithCredential(ok, nil)
	require.Error(t, err)
	for name, content := range map[string]string{"empty": "", "two lines": "a\nb\n"} {
		c := ok
		c.SecretEnv, c.SecretFile = "", file(t, content)
		_, err := entraauth.NewAdapter(c)
		require.ErrorContains(t, err, "one line", name)
	}
	c := ok
	c.Method, c.CertificateFile = entraauth.ClientCertificate, file(t, "\x89PNG\r\n")
	_, err = entraauth.NewAdapter(c)
	require.Error(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c.CertificateFile = file(t, certificate(t, key, key.Public()))
	_, err = entraauth.NewAdapter(c)
	require.ErrorContains(t, err, "client-certificate")
}
