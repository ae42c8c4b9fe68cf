package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adtest"
)

// call runs the tool.
func call(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestDemo(t *testing.T) {
	code, out, errs := call(t, "", "demo")
	require.Zero(t, code, errs)
	require.Empty(t, errs)
	for _, want := range []string{
		"1. The initial synchronisation", "308 written, 0 refused, 0 failed", "applied: nothing to write",
		"2 target objects match mail", "userCertificate is absent: the Automatic-Device-Join task has not written it yet",
		`department: "Cardiology" -> "Theatre"`, "it was moved out of the OU", "title cannot be read on 232 objects",
		"BLOCKED by guard reverts:users", "3 written, 1 refused", "taking back plan", "Nothing is left behind",
		"257 written, 0 refused, 0 failed", "Graph saw 269 writes, of which 12 were refused and came again",
		`sent: {"department":null,"jobTitle":null,"onPremisesExtensionAttributes":{"extensionAttribute1":null}}`,
		"onPremisesSamAccountName of a user cannot be written through Graph: only Microsoft Entra Connect or Cloud Sync writes it",
	} {
		require.Contains(t, out, want)
	}
	code, again, _ := call(t, "", "demo")
	require.Zero(t, code)
	require.Equal(t, redactPorts(out), redactPorts(again), "the demonstration repeats itself")

	code, out, _ = call(t, "", "demo", "-json")
	require.Zero(t, code)
	var scenes []scene
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var s scene
		require.NoError(t, d.Decode(&s))
		scenes = append(scenes, s)
	}
	require.Len(t, scenes, 15)
	require.Equal(t, map[string]int{"update": 252, "create": 56, "wait": 4, "conflict": 1, "hold": 8}, scenes[0].Actions)
	for i, writes := range []int{308, 0, 1, 1, 1, 1, 0, 0, 0, 3, 3, 257, 0, 1, 0} {
		require.Equal(t, writes, scenes[i].Writes, scenes[i].Title)
	}
	require.Equal(t, []string{"reverts:users"}, scenes[7].Trips)
	require.Equal(t, 1, scenes[9].Refused)
}

func redactPorts(s string) string {
	f := strings.Split(s, "127.0.0.1:")
	for i := 1; i < len(f); i++ {
		f[i] = strings.TrimLeft(f[i], "0123456789")
	}
	return strings.Join(f, "127.0.0.1:")
}

// site is two directories, a configuration that names them, and its folder.
type site struct {
	src, dst *adtest.Server
	dir      string
	config   string
}

func newSite(t *testing.T, change ...func(string) string) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	s.src = adtest.New(t, adtest.Config{Domain: "ashdown.example", LDIF: bytes.NewReader(demoSource)})
	s.dst = adtest.New(t, adtest.Config{Domain: "prov.example", LDIF: bytes.NewReader(demoTarget)})
	s.write(t, "src-ca.pem", string(s.src.CAPEM()))
	s.write(t, "dst-ca.pem", string(s.dst.CAPEM()))
	s.write(t, "src.password", "Passw0rd-reader\n")
	t.Setenv("HYBRIDKIT_TEST_PASSWORD", "Passw0rd-writer")
	text := fmt.Sprintf(`{
  "interval": "1h",
  "organisations": [{
    "name": "ashdown-vale",
    "domain": {"fqdn": "ashdown.example", "netbios": "ASHDOWN"},
    "source": {"url": %q, "serverName": %q, "user": "reader@ashdown.example", "passwordFile": "src.password", "caFile": "src-ca.pem"},
    "target": {"url": %q, "serverName": %q, "user": "writer@prov.example", "passwordEnv": "HYBRIDKIT_TEST_PASSWORD", "caFile": "dst-ca.pem"},
    "state": "ashdown.state",
    "users": {"ous": [{"dn": "OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"}], "targetOU": {"dn": "OU=Ashdown Vale,OU=People,DC=prov,DC=example"},
              "mapping": ["cloud-sso-users", "copy:title", "copy:department"]},
    "devices": {"ous": [{"dn": "OU=HybridComputers,DC=ashdown,DC=example"}], "targetOU": {"dn": "OU=Ashdown Vale,OU=Devices,DC=prov,DC=example"},
                "mapping": ["hybrid-join-devices"]}
  }]
}`, s.src.TLSURL(), s.src.DNSHostName(), s.dst.TLSURL(), s.dst.DNSHostName())
	for _, c := range change {
		text = c(text)
	}
	s.config = s.write(t, "sync.json", text)
	return s
}

func (s *site) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (s *site) dump(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.dst.Dump(&b, ""))
	return b.String()
}

func replace(old, with string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, with) }
}

func TestPlanApplyExplainUndoStatus(t *testing.T) {
	s := newSite(t)
	plan := filepath.Join(s.dir, "plan.jsonl")
	code, out, errs := call(t, "", "plan", "-config", s.config, "-out", plan, "-quiet")
	require.Equal(t, exitFindings, code, errs)
	require.Contains(t, out, "252 update")
	fresh := s.dump(t)

	code, out, errs = call(t, "", "apply", "-config", s.config, "-plan", plan, "-json")
	require.Zero(t, code, errs)
	var rep struct {
		Writes int            `json:"writes"`
		Done   map[string]int `json:"done"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &rep))
	require.Equal(t, 308, rep.Writes)
	require.Equal(t, map[string]int{"update": 252, "create": 56}, rep.Done)

	code, _, errs = call(t, "", "apply", "-config", s.config, "-plan", plan)
	require.Equal(t, exitError, code)
	require.Contains(t, errs, "was applied already")
	synced := s.dump(t)
	code, out, errs = call(t, "", "apply", "-config", s.config)
	require.Zero(t, code, errs)
	require.Contains(t, out, "0 written to the target")
	require.Equal(t, synced, s.dump(t))

	code, out, errs = call(t, "", "explain", "-config", s.config, "CN=AVPC-010,OU=HybridComputers,DC=ashdown,DC=example")
	require.Zero(t, code, errs)
	require.Contains(t, out, "condition     hybrid-join-certificate: FAILS")

	code, out, errs = call(t, "", "status", "-config", s.config, "-json")
	require.Zero(t, code, errs)
	var st struct{ Applied []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(out), &st))
	require.Len(t, st.Applied, 2)
	first := st.Applied[1].ID

	code, out, errs = call(t, "", "undo", "-config", s.config, "-dry-run", first)
	require.Zero(t, code, errs)
	require.Contains(t, out, "taking back plan "+first[:12])
	require.Equal(t, synced, s.dump(t))
	code, _, errs = call(t, "", "undo", "-config", s.config, first[:10])
	require.Zero(t, code, errs)
	require.Equal(t, bare(fresh), bare(s.dump(t)))
}

// bare leaves out what a directory counts and dates by itself.
func bare(ldif string) string {
	var out []string
	for line := range strings.Lines(ldif) {
		if !strings.HasPrefix(line, "uSN") && !strings.HasPrefix(line, "when") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func TestPlanOnStandardInputAndLDIFSource(t *testing.T) {
	s := newSite(t)
	export := filepath.Join(s.dir, "export.ldf")
	var b bytes.Buffer
	require.NoError(t, s.src.Dump(&b, ""))
	require.NoError(t, os.WriteFile(export, b.Bytes(), 0o600))
	live, fromFile := s.config, s.write(t, "ldif.json", strings.Replace(read(t, s.config), `"source": {`, `"source": {"kind": "ldif", "file": "export.ldf", `, 1))
	code, want, errs := call(t, "", "plan", "-config", live, "-json")
	require.Equal(t, exitFindings, code, errs)
	code, got, errs := call(t, "", "plan", "-config", fromFile, "-json")
	require.Equal(t, exitFindings, code, errs)
	require.Equal(t, items(want), items(got), "an export gives the same plan as the directory")
	code, _, errs = call(t, want, "apply", "-config", live, "-plan", "-")
	require.Zero(t, code, errs)
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// items are the lines between the header and the trailer of a plan.
func items(plan string) []string {
	l := strings.Split(strings.TrimSpace(plan), "\n")
	return l[1 : len(l)-1]
}

func TestGuardBlocksAndIsAcceptedOnce(t *testing.T) {
	s := newSite(t)
	code, _, errs := call(t, "", "apply", "-config", s.config)
	require.Zero(t, code, errs)
	d := demonstration{src: s.src, dst: s.dst, lift: func() {}}
	require.NoError(t, d.accident())
	before := s.dump(t)
	code, _, errs = call(t, "", "apply", "-config", s.config)
	require.Equal(t, exitFindings, code)
	require.Contains(t, errs, "blocked by guard reverts:users: objects that leave and would be reverted: 40 of 252")
	require.Equal(t, before, s.dump(t))
	accept := errs[strings.Index(errs, `"reverts`)+1:]
	accept = accept[:strings.Index(accept, `"`)]
	code, out, errs := call(t, "", "apply", "-config", s.config, "-accept", accept)
	require.Zero(t, code, errs)
	require.Contains(t, out, "40 revert")
}

// TestMistakes lists what can be wrong and what is said. Nothing is written in any case.
func TestMistakes(t *testing.T) {
	expired := adtest.New(t, adtest.Config{Certificate: adtest.ExpiredCertificate})
	for name, c := range map[string]struct {
		change func(string) string
		args   []string // after "plan -config FILE"
		want   []string
	}{
		"wrong password":       {change: replace("reader@ashdown.example", "admin@ashdown.example"), want: []string{"password"}},
		"wrong base":           {change: replace("OU=HybridComputers,DC=ashdown", "OU=HybridComputer,DC=ashdown"), want: []string{"OU=HybridComputer,DC=ashdown,DC=example cannot be found", "check its name"}},
		"wrong target":         {change: replace("OU=Ashdown Vale,OU=People", "OU=Ashdown,OU=People"), want: []string{"target container OU=Ashdown,OU=People"}},
		"dead server":          {change: func(s string) string { return between(s, `"url": "`, `"`, "ldaps://127.0.0.1:1") }, want: []string{"127.0.0.1:1", "refused"}},
		"expired certificate":  {change: func(s string) string { return between(s, `"url": "`, `"`, expired.TLSURL()) }, want: []string{"certificate"}},
		"unknown mapping":      {change: replace("cloud-sso-users", "cloud-sso"), want: []string{`unknown mapping "cloud-sso"`, "known are cloud-sso-users"}},
		"misspelt member":      {change: replace(`"mapping"`, `"mappings"`), want: []string{"line ", `unknown field "mappings"`}},
		"not JSON":             {change: func(s string) string { return s[:len(s)/2] }, want: []string{"line ", "unexpected EOF"}},
		"no state":             {change: replace(`"ashdown.state"`, `""`), want: []string{`"state" names no file`}},
		"state is no state":    {change: replace(`"ashdown.state"`, `"sync.json"`), want: []string{"state", "sync.json"}},
		"state in no folder":   {change: replace(`"ashdown.state"`, `"none/x.state"`), want: []string{"state", "none/x.state"}},
		"no password file":     {change: replace("src.password", "other.password"), want: []string{"passwordFile", "other.password"}},
		"no password variable": {change: replace("HYBRIDKIT_TEST_PASSWORD", "HYBRIDKIT_NOT_SET"), want: []string{"HYBRIDKIT_NOT_SET is not set"}},
		"no CA file":           {change: replace("src-ca.pem", "sync.json"), want: []string{"holds no PEM certificate"}},
		"wrong CA":             {change: replace("src-ca.pem", "dst-ca.pem"), want: []string{"certificate"}},
		"global catalog":       {change: func(s string) string { return between(s, `"url": "`, `"`, "ldaps://127.0.0.1:3269") }, want: []string{"Global Catalog"}},
		"truncated LDIF":       {change: replace(`"source": {`, `"source": {"kind": "ldif", "file": "cut.ldf", `), want: []string{"cut.ldf", "line "}},
		"no LDIF":              {change: replace(`"source": {`, `"source": {"kind": "ldif", "file": "none.ldf", `), want: []string{"none.ldf", "no such file"}},
		"other organisation":   {args: []string{"-org", "elsewhere"}, want: []string{`no organisation "elsewhere" (it has ashdown-vale)`}},
		"operand":              {args: []string{"extra"}, want: []string{`unexpected ["extra"]`}},
		"bad flag":             {args: []string{"-frobnicate"}, want: []string{"flag provided but not defined: -frobnicate"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if c.change != nil {
				s.config = s.write(t, "sync.json", c.change(read(t, s.config)))
			}
			s.write(t, "cut.ldf", string(demoSource[:len(demoSource)/2]))
			before := s.dump(t)
			code, out, errs := call(t, "", append([]string{"plan", "-config", s.config}, c.args...)...)
			require.Equal(t, exitError, code, out+errs)
			for _, w := range c.want {
				require.Contains(t, errs, w)
			}
			require.NotContains(t, errs+out, "Passw0rd")
			require.Equal(t, before, s.dump(t))
		})
	}
	for _, args := range [][]string{{}, {"frobnicate"}, {"plan"}, {"explain", "-config", "x"}, {"undo"}} {
		code, _, errs := call(t, "", args...)
		require.Equal(t, exitError, code, args)
		require.NotEmpty(t, errs)
	}
	code, out, _ := call(t, "", "-h")
	require.Zero(t, code)
	require.Contains(t, out, "usage: syncengine")
}

// between replaces what stands between the first occurrence of start and the end after it.
func between(s, start, end, with string) string {
	i := strings.Index(s, start) + len(start)
	return s[:i] + with + s[i+strings.Index(s[i:], end):]
}

func TestRunStopsCleanly(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	done := make(chan int)
	go func() { done <- run(ctx, []string{"run", "-config", s.config, "-interval", "1ms"}, nil, &out, &errs) }()
	for s.dst.Stats().Writes() < 308 {
		select {
		case code := <-done:
			t.Fatalf("ended with %d: %s", code, errs.String())
		default:
		}
	}
	cancel()
	require.Zero(t, <-done, errs.String())
	require.Contains(t, errs.String(), "stopped")
	code, out2, errs2 := call(t, "", "apply", "-config", s.config)
	require.Zero(t, code, errs2)
	require.Contains(t, out2, "0 written to the target")
}

// TestNotified: with an interval of an hour, a change arrives because the directory tells of it, and only what
// changed is read.
func TestNotified(t *testing.T) {
	s := newSite(t, replace(`"caFile": "src-ca.pem"`, `"caFile": "src-ca.pem", "changes": "auto", "notify": true`))
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	done := make(chan int)
	go func() { done <- run(ctx, []string{"run", "-config", s.config}, nil, &out, &errs) }()
	written := func(n int64) {
		for s.dst.Stats().Writes() < n {
			select {
			case code := <-done:
				t.Fatalf("ended with %d: %s", code, errs.String())
			case <-time.After(time.Millisecond):
			}
		}
	}
	written(308)
	require.Eventually(t, func() bool { return s.src.Stats().Watches == 2 }, time.Minute, time.Millisecond, "both organisational units are watched")
	users, err := s.src.Entries("OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example")
	require.NoError(t, err)
	changed := false
	for _, u := range users {
		if u.First("department") == "Cardiology" && !changed {
			require.NoError(t, s.src.Set(u.DN, "department", "Theatre"))
			changed = true
		}
	}
	require.True(t, changed)
	written(309)
	cancel()
	require.Zero(t, <-done, errs.String())
	require.Contains(t, errs.String(), "users of OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example: read everything (it is the first time); from now on what changed, found by dirsync-object-security")
	require.Contains(t, errs.String(), "devices of OU=HybridComputers,DC=ashdown,DC=example: read only what changed, found by dirsync-object-security")
}

func TestChangesConfiguration(t *testing.T) {
	for with, want := range map[string]string{
		`"changes": "usm"`: `unknown way to find changes "usm"; known are "auto", "dirsync", "dirsync-object-security", "usn"`,
		`"changes": "auto", "kind": "ldap", "trustAbsence": true`: `"changes" is for a source of kind "ad"`,
		`"notify": true, "kind": "ldap"`:                          `"notify" is for a source of kind "ad"`,
		`"changes": "dirsync"`:                                    "permission denied",
	} {
		s := newSite(t, replace(`"caFile": "src-ca.pem"`, `"caFile": "src-ca.pem", `+with))
		code, _, errs := call(t, "", "run", "-config", s.config)
		require.Equal(t, exitError, code, with)
		require.Contains(t, errs, want)
	}
}
