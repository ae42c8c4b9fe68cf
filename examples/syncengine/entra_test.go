package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// signIn is a sign-in service in front of Graph.
func signIn(graph http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		root := "https://" + r.Host + "/" + strings.Split(r.URL.Path, "/")[1]
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s/oauth2/v2.0/token","issuer":"%[1]s/v2.0"}`, root)
		case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"tok"}`)
		default:
			graph.ServeHTTP(w, r)
		}
	})
}

// withEntra adds an Entra ID as a further target.
func withEntra(t *testing.T, s *site, server *entratest.Server, users string) string {
	t.Helper()
	srv := httptest.NewTLSServer(signIn(server))
	t.Cleanup(srv.Close)
	s.write(t, "graph-ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	s.write(t, "app.secret", "s3cret\n")
	host := strings.TrimPrefix(srv.URL, "https://")
	more := fmt.Sprintf(`"more": [{"name": "entra",
      "target": {"kind": "entra", "caFile": "graph-ca.pem", "auth": {"method": "client-secret", "tenantId": "2f6f1f1a-4b1e-4a51-9d0c-0d1f5a6b7c8d",
        "clientId": "8b0f6c4e-3d55-4f0b-9d2c-7a1e9c0b5f21", "secretFile": "app.secret", "graphHost": %q, "loginUrl": %q}},
      "writesPerSecond": 2000,
      "users": %s}],
    "users"`, host, srv.URL+"/", users)
	return s.write(t, "both.json", strings.Replace(read(t, s.config), `"users"`, more, 1))
}

const entraUsers = `{"ous": [{"dn": "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"}], "mapping": ["copy:department", "copy:title>jobTitle", "copy:sAMAccountName>extensionAttribute1"]}`

// TestBothTargets: one organisation, its provisioning directory and its Entra ID, over TLS with a real sign-in.
func TestBothTargets(t *testing.T) {
	s := newSite(t)
	server := entratest.New(entratest.Config{Token: "tok"})
	require.NoError(t, cloudAccounts(s.src, server))
	config := withEntra(t, s, server, entraUsers)

	upn := server.Users()[3]["userPrincipalName"].(string)
	require.True(t, server.SetUser(upn, entratest.Object{"onPremisesSyncEnabled": true}))
	code, _, errs := call(t, "", "plan", "-config", config, "-org", "ashdown-vale.entra", "-quiet")
	require.Equal(t, exitFindings, code)
	require.Contains(t, errs, "CN="+upn+" will be refused")
	require.Contains(t, errs, "synchronised from Active Directory, which is the authority")
	require.Equal(t, 1, strings.Count(errs, "\n"))
	require.True(t, server.SetUser(upn, entratest.Object{"onPremisesSyncEnabled": nil}))

	code, out, errs := call(t, "", "apply", "-config", config)
	require.Zero(t, code, errs)
	require.Contains(t, out, "308 written")
	require.Equal(t, 2, strings.Count(out, "written to the target"), out)
	require.Equal(t, 257, len(server.Writes()))
	written := 0
	for _, u := range server.Users() {
		if ext, _ := u["onPremisesExtensionAttributes"].(map[string]any); ext["extensionAttribute1"] != nil {
			written++
		}
	}
	require.Equal(t, 257, written, "two are in a child OU, which is not traversed")
	server.ResetRequests()
	code, out, errs = call(t, "", "apply", "-config", config)
	require.Zero(t, code, errs)
	require.Equal(t, 2, strings.Count(out, "0 written to the target"), out)
	require.Empty(t, server.Writes())

	code, out, errs = call(t, "", "status", "-config", config, "-org", "ashdown-vale.entra")
	require.Zero(t, code, errs)
	require.Contains(t, out, "ashdown-vale.entra: last synchronised")
	code, _, errs = call(t, "", "plan", "-config", config, "-org", "ashdown")
	require.Equal(t, exitError, code)
	require.Contains(t, errs, "it has ashdown-vale, ashdown-vale.entra")
}

// TestEntraMistakes: what can be wrong with such a target, and what is said; nothing is sent.
func TestEntraMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		users  string
		change func(string) string
		want   []string
	}{
		"read-only property": {strings.Replace(entraUsers, "extensionAttribute1", "onPremisesSamAccountName", 1), nil,
			[]string{"onPremisesSamAccountName of a user cannot be written through Graph", "Entra Connect or Cloud Sync"}},
		"AD's name":      {strings.Replace(entraUsers, "copy:department", "copy:company", 1), nil, []string{"companyName"}},
		"an OU":          {strings.Replace(entraUsers, `"mapping"`, `"targetOU": {"dn": "OU=x"}, "mapping"`, 1), nil, []string{"no organisational units"}},
		"creating":       {strings.Replace(entraUsers, `"mapping"`, `"create": true, "mapping"`, 1), replace(`"copy:department"`, `"copy:name>cn"`), []string{"users are made by Entra Connect"}},
		"deleting":       {strings.Replace(entraUsers, `"mapping"`, `"leave": "delete", "mapping"`, 1), nil, []string{"Config.Delete"}},
		"unknown method": {entraUsers, replace("client-secret", "password"), []string{`there is no method "password"`}},
		"no secret":      {entraUsers, replace("app.secret", "none.secret"), []string{"none.secret"}},
		"unknown cloud":  {entraUsers, replace(`"method"`, `"cloud": "germany", "method"`), []string{`no cloud "germany"`}},
		"unknown type":   {entraUsers, replace(`"caFile": "graph-ca.pem"`, `"caFile": "graph-ca.pem", "extensions": [{"name": "x", "type": "colour"}]`), []string{`unknown type "colour"`}},
		"no name":        {entraUsers, replace(`"name": "entra"`, `"name": ""`), []string{"a further target has no name"}},
		"misspelt":       {entraUsers, replace(`"tenantId"`, `"tenantID2"`), []string{"line ", "unknown field"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			server := entratest.New(entratest.Config{Token: "tok"})
			config := withEntra(t, s, server, c.users)
			if c.change != nil {
				config = s.write(t, "both.json", c.change(read(t, config)))
			}
			code, _, errs := call(t, "", "plan", "-config", config, "-quiet")
			require.Equal(t, exitError, code)
			for _, w := range c.want {
				require.Contains(t, errs, w)
			}
			require.Empty(t, server.Writes())
		})
	}
}

// TestSharedBudget: what writes with one application in one tenant has one budget, the slowest asked for.
func TestSharedBudget(t *testing.T) {
	c, err := loadConfig("-", strings.NewReader(`{"organisations": [
		{"name": "a", "state": "s", "more": [{"name": "x", "target": {"kind": "entra", "auth": {"tenantId": "t", "clientId": "c"}}, "writesPerSecond": 5, "users": {}},
			{"name": "y", "target": {"kind": "entra", "auth": {"tenantId": "t", "clientId": "c"}}, "users": {}}]},
		{"name": "b", "state": "s", "target": {"kind": "entra", "auth": {"tenantId": "u", "clientId": "c"}}, "users": {}}]}`))
	require.NoError(t, err)
	var names []string
	for _, o := range c.Organisations {
		names = append(names, o.Name)
	}
	require.Equal(t, []string{"a.x", "a.y", "b"}, names)
	x, y, b := c.Organisations[0].Target.budget, c.Organisations[1].Target.budget, c.Organisations[2].Target.budget
	require.Same(t, x, y)
	require.NotSame(t, x, b)
	require.Equal(t, 5, x.Limits[0].Writes)
	require.Equal(t, 20, b.Limits[0].Writes)
}
