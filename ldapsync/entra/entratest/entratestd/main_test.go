package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// started runs the command until the test ends, and returns where it listens and a function that stops it and returns the
// rest of its output.
func started(t *testing.T, stdin string, args ...string) (where served, stop func() (stdout, stderr string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"-json"}, args...), strings.NewReader(stdin), w, &stderr)
		w.Close()
	}()
	d := json.NewDecoder(r)
	require.NoError(t, d.Decode(&where))
	stopped := false
	stop = func() (string, string) {
		if stopped {
			return "", ""
		}
		stopped = true
		cancel()
		rest, err := io.ReadAll(io.MultiReader(d.Buffered(), r))
		require.NoError(t, err)
		require.Equal(t, exitOK, <-code)
		return string(rest), stderr.String()
	}
	t.Cleanup(func() { stop() })
	return where, stop
}

func ask(t *testing.T, client *http.Client, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer x")
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "devices.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"value":[{"deviceId":"71","displayName":"AV-1","trustType":"ServerAd"}]}`), 0o600))
	where, stop := started(t, `[{"userPrincipalName":"ada@ashdown.example","department":"Moat"}]`, "-load", "-", "-load", file, "-log", "-dump", "-quota")
	require.Equal(t, 1, where.Users)
	require.Equal(t, 1, where.Devices)
	code, body := ask(t, http.DefaultClient, "GET", where.URL+"/v1.0/users?$select=department", "")
	require.Equal(t, 200, code)
	require.Contains(t, body, "Moat")
	code, _ = ask(t, http.DefaultClient, "PATCH", where.URL+"/v1.0/users/ada@ashdown.example", `{"department":null,"city":"Ash"}`)
	require.Equal(t, 204, code)
	code, _ = ask(t, http.DefaultClient, "POST", where.URL+"/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/devices"}]}`)
	require.Equal(t, 200, code)
	out, log := stop()
	var dump map[string][]map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &dump))
	require.Nil(t, dump["users"][0]["department"])
	require.Equal(t, "Ash", dump["users"][0]["city"])
	require.Contains(t, log, `204 PATCH "/v1.0/users/ada@ashdown.example"`)
	require.Contains(t, log, `  200 GET "/v1.0/devices"`)
	require.NotContains(t, log, "Bearer")
}

func TestTLSAndThrottle(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	where, _ := started(t, "", "-tls", "-ca", ca, "-throttle", "1")
	pem, err := os.ReadFile(ca)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	code, body := ask(t, client, "GET", where.URL+"/v1.0/users", "")
	require.Equal(t, 429, code)
	require.Contains(t, body, "TooManyRequests")
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		f := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(f, []byte(content), 0o600))
		return f
	}
	for name, args := range map[string][]string{
		"flag": {"-x"}, "argument": {"extra"}, "listen": {"-listen", "0.0.0.0:0"}, "name": {"-listen", "localhost:0"}, "port": {"-listen", "127.0.0.1"},
		"missing": {"-load", filepath.Join(dir, "nosuch")}, "empty": {"-load", write("empty", "")}, "cut": {"-load", write("cut", `[{"id":`)},
		"image": {"-load", write("png", "\x89PNG\r\n\x1a\n")}, "group": {"-load", write("group", `{"id":"1"}`)}, "throttle": {"-throttle", "2"}, "ca": {"-ca", "x"},
		"standard input": {"-load", "-"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), args, strings.NewReader(""), &out, &errs), name)
		require.Empty(t, out.String(), name)
		require.NotEmpty(t, errs.String(), name)
	}
	var out, errs bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), []string{"-h"}, nil, &out, &errs))
	require.Contains(t, errs.String(), "usage: entratestd")
}
