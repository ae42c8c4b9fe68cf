package scepclient_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/scepclient"
	"go.internal/hybridkit/scepclient/sceptest"
)

// TestFailuresHaveRemedies makes each failure happen and asks what it means.
func TestFailuresHaveRemedies(t *testing.T) {
	seen := map[string]bool{}
	check := func(t *testing.T, err error, id, says string) {
		t.Helper()
		e, ok := scepclient.Explain(err)
		require.True(t, ok, err)
		require.Equal(t, id, e.ID, err)
		require.NotEmpty(t, e.Remedy)
		require.NotEmpty(t, e.Source)
		require.Contains(t, e.Meaning+e.Remedy, says)
		seen[id] = true
	}
	enrol := func(cfg sceptest.Config) error {
		_, err := client(sceptest.New(t, cfg)).Enrol(t.Context(), request())
		return err
	}
	for status, c := range map[int][2]string{
		401: {"http-401", "anonymous"}, 403: {"http-403", "policy module"}, 404: {"http-404", "404.15"}, 405: {"http-405", "method"}, 414: {"http-url-length", "65534"}, 400: {"http-url-length", "maxQueryString"},
		500: {"http-500", "Impersonate a client"}, 502: {"http-gateway", "connector"}, 503: {"http-503", "Trusted Root store"}, 504: {"http-gateway", "connector"}, 302: {"http-redirect", "sign-in"}, 418: {"http-other", "log"},
	} {
		check(t, enrol(sceptest.Config{Status: statusFor("GetCACert", status)}), c[0], c[1])
		check(t, enrol(sceptest.Config{Status: statusFor("PKIOperation", status)}), c[0], c[1])
	}
	for code, id := range map[int]string{0: "bad-alg", 1: "bad-message-check", 2: "bad-request", 3: "bad-time", 4: "bad-cert-id", 7: "failure-other"} {
		check(t, enrol(sceptest.Config{Reply: func(r sceptest.Request) []byte { return r.CA.Failure(r, code, "") }}), id, "")
	}
	check(t, enrol(sceptest.Config{Reply: func(sceptest.Request) []byte { return []byte("<html><body>Sign in") }}), "html-200", "mscep.dll")
	check(t, enrol(sceptest.Config{Reply: func(sceptest.Request) []byte { return []byte("?") }}), "reply-refused", "")
	check(t, enrol(sceptest.Config{Mode: sceptest.NDES}), "policy", "")
	ca := sceptest.New(t, sceptest.Config{ManualApproval: true})
	cl := client(ca)
	cl.Poll = func(int) (time.Duration, bool) { return 0, false }
	_, err := cl.Enrol(t.Context(), request())
	check(t, err, "pending", "Save")
	cl.Trust.Pins = []string{strings.Repeat("0", 64)}
	_, err = cl.Enrol(t.Context(), request())
	check(t, err, "untrusted-ca", "fingerprint")
	check(t, &scepclient.UnclearError{Err: errors.New("reset")}, "unclear", "used up")
	cl.HTTPClient, cl.URL = nil, "http://127.0.0.1:1/"
	_, err = cl.Enrol(t.Context(), request())
	check(t, err, "unreachable", "")

	srv := httptest.NewUnstartedServer(ca)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	srv.StartTLS()
	defer srv.Close()
	cl.URL = srv.URL
	_, err = cl.Enrol(t.Context(), request())
	check(t, err, "tls-untrusted", "403.16")
	h := srv.Client()
	h.Transport.(*http.Transport).TLSClientConfig.ServerName = "other.ashdown.example"
	cl.HTTPClient = h
	_, err = cl.Enrol(t.Context(), request())
	check(t, err, "tls-name", "12175")

	e, ok := scepclient.ExplainNDES(200, []byte("<html><title>Network Device Enrollment Service"))
	require.True(t, ok)
	require.Equal(t, "ndes-page", e.ID)
	seen[e.ID] = true
	for _, e := range scepclient.Explanations() {
		require.True(t, seen[e.ID], "no failure leads to %s", e.ID)
	}
	_, ok = scepclient.Explain(nil)
	require.False(t, ok)
	_, ok = scepclient.Explain(errors.New("x"))
	require.False(t, ok)
}

// TestNoSecretInAnyOutput runs every failure with logging on and searches all text for the challenge.
func TestNoSecretInAnyOutput(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	var out bytes.Buffer
	dump := func(v any) {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x\n", v, v, v, v, v, v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	s := scepclient.NewSecret(secret)
	dump(s)
	dump(&s)
	dump(struct{ S scepclient.Secret }{s})
	dump(map[string]any{"s": s})
	cfgs := []sceptest.Config{{}, {Mode: sceptest.NDES}, {Capabilities: []string{"AES"}}, {ManualApproval: true, Challenges: []string{secret}}, {WeakReplies: true, Challenges: []string{secret}}}
	for _, status := range []int{400, 403, 404, 414, 500, 503} {
		cfgs = append(cfgs, sceptest.Config{Status: statusFor("PKIOperation", status)})
	}
	for _, c := range append(sceptest.Cases(), sceptest.PolicyCases()...) {
		cfgs = append(cfgs, sceptest.Config{RA: true, Reply: c.Reply})
	}
	for _, cfg := range cfgs {
		ca := sceptest.New(t, cfg)
		cl := client(ca)
		cl.Policy.AllowTripleDES = true
		cl.Poll = func(int) (time.Duration, bool) { return 0, false }
		cl.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		req := request()
		req.Challenge = s
		dump(req)
		iss, err := cl.Enrol(t.Context(), req)
		if iss != nil {
			dump(iss.Warnings)
			old := scepclient.Renewal{Request: req, Certificate: iss.Certificate, OldKey: deviceKey()}
			old.Key = secondKey()
			_, err = cl.Renew(t.Context(), old)
		}
		dump(err)
		var pe *scepclient.PendingError
		if errors.As(err, &pe) {
			dump(pe.Transaction)
		}
	}
	// A transport error of a GET must not print the URL, which carries the message.
	cl := &scepclient.Client{URL: "http://127.0.0.1:1/?token=" + secret, Trust: scepclient.Trust{Insecure: true}}
	_, err := cl.Enrol(t.Context(), request())
	dump(err)
	text := strings.ToLower(out.String())
	require.NotContains(t, text, secret)
	require.NotContains(t, text, fmt.Sprintf("%x", secret))
	require.NotContains(t, text, url.QueryEscape(secret))
	require.Error(t, json.Unmarshal([]byte(`"x"`), &s))
}

// TestCAIdentifier: servers that want message= get it after they refused without.
func TestCAIdentifier(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{})
	var ids []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if op := q.Get("operation"); op == "GetCACert" || op == "GetCACaps" {
			ids = append(ids, q.Get("message"))
			if q.Get("message") == "" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
		}
		ca.ServeHTTP(w, r)
	}))
	defer srv.Close()
	cl := client(ca)
	cl.URL, cl.HTTPClient = srv.URL, srv.Client()
	_, err := cl.Enrol(t.Context(), request())
	require.NoError(t, err)
	require.Equal(t, []string{"", "default", "", "default"}, ids)
	ids, cl.CAIdentifier = nil, "Ashdown"
	_, err = cl.Enrol(t.Context(), request())
	require.NoError(t, err)
	require.Equal(t, []string{"Ashdown", "Ashdown"}, ids)
}

func TestRedirects(t *testing.T) {
	ca := sceptest.New(t, sceptest.Config{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
			return
		}
		ca.ServeHTTP(w, r)
	}))
	defer srv.Close()
	cl := client(ca)
	cl.HTTPClient, cl.URL = nil, srv.URL+"/old"
	_, err := cl.GetCACert(t.Context())
	require.NoError(t, err, "a GET follows a redirect on the same host")
	_, err = cl.Enrol(t.Context(), request())
	var he *scepclient.HTTPError
	require.ErrorAs(t, err, &he, "a POST does not")
	require.Equal(t, 307, he.Status)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, srv.URL+"/new?"+r.URL.RawQuery, http.StatusFound)
	}))
	defer away.Close()
	cl.URL = away.URL
	_, err = cl.GetCACert(t.Context())
	require.ErrorAs(t, err, &he, "and nothing goes to another host")
}

// TestSentOnce: a connection that dies under a request must not make net/http send it again, by POST or by GET.
func TestSentOnce(t *testing.T) {
	for method, caps := range map[string][]string{"POST": {"SCEPStandard"}, "GET": {"AES", "SHA-256"}} {
		t.Run(method, func(t *testing.T) {
			ca := sceptest.New(t, sceptest.Config{Capabilities: caps})
			var sent atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("operation") != "PKIOperation" {
					ca.ServeHTTP(w, r)
					return
				}
				sent.Add(1)
				if r.ContentLength < 0 || len(r.TransferEncoding) > 0 {
					t.Error("chunked: IIS does not take it")
				}
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				conn.Close()
			}))
			defer srv.Close()
			cl := client(ca)
			cl.URL, cl.HTTPClient = srv.URL, nil
			_, err := cl.Enrol(t.Context(), request())
			require.ErrorIs(t, err, scepclient.ErrUnclear)
			require.EqualValues(t, 1, sent.Load())
		})
	}
}
