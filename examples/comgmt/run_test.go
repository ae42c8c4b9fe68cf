package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// call runs the tool as a shell would.
func call(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// array runs the tool with -json and reads the array it prints.
func array(t *testing.T, wantCode int, stdin string, args ...string) []map[string]any {
	t.Helper()
	code, out, errs := call(t, stdin, append(args, "-json")...)
	require.Equal(t, wantCode, code, "%s%s", out, errs)
	require.Empty(t, errs)
	var objects []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &objects), out)
	return objects
}

func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "input")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

const (
	planBefore = `{"siteVersion":"2309"}`
	planAfter  = `{"siteVersion":"2403","autoEnrolment":{"mode":"all"},"workloads":{"windows-update":{"slider":"pilot","collection":"Pilot Updates"}}}`
	devices    = `[
	{"name":"AV-1042","os":"Windows 11","join":"hybrid-joined","enrolment":"intune","collections":["Pilot Updates"],"configInfo":2,"flags":8213},
	{"name":"AV-1043","os":"Windows 11","join":"hybrid-joined","enrolment":"none","collections":[],"configInfo":"absent","flags":8197},
	{"name":"AV-SRV","os":"Windows Server 2022","enrolment":"none","collections":[]}
]`
)

func TestFlags(t *testing.T) {
	code, out, _ := call(t, "", "flags", "12543", "8197", "0x7FFFF0FF")
	require.Equal(t, fine, code)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3, "one line each")
	require.Contains(t, lines[0], "all seven workloads")
	require.Contains(t, lines[1], "Resource access")
	require.Contains(t, lines[2], "authority for all workloads")

	o := array(t, fine, "", "flags", "8449", "-1", "dword:00000043")
	require.Equal(t, float64(8449), o[0]["value"])
	require.Equal(t, "0x2101", o[0]["hex"])
	require.Equal(t, "2111+", o[0]["era"])
	require.Equal(t, true, o[0]["configured"])
	require.Equal(t, false, o[0]["override"])
	require.Equal(t, false, o[0]["masked"])
	require.Equal(t, []any{}, o[0]["workloads"])
	require.Equal(t, []any{float64(256)}, o[0]["unknownBits"])
	require.Equal(t, float64(4294967295), o[1]["value"])
	require.Equal(t, []any{"compliance", "client-apps"}, o[2]["workloads"])
	require.Equal(t, "legacy", o[2]["era"])
}

func TestEffective(t *testing.T) {
	plan, file := write(t, planAfter), write(t, devices)
	o := array(t, fine, "", "effective", "-plan", plan, file)
	require.Len(t, o, 3)
	require.Equal(t, "AV-1042", o[0]["device"])
	update := o[0]["workloads"].(map[string]any)["windows-update"].(map[string]any)
	require.Equal(t, "intune", update["authority"])
	require.Equal(t, "slider-pilot-member", update["rule"])
	require.Equal(t, "documented", update["basis"])
	require.Len(t, o[0]["workloads"], 7)
	require.Equal(t, "not-enrolled", o[1]["workloads"].(map[string]any)["resource-access"].(map[string]any)["rule"])
	require.Equal(t, "configmgr", o[2]["workloads"].(map[string]any)["compliance"].(map[string]any)["authority"])

	stdin := array(t, fine, devices, "effective", "-plan", plan, "-")
	require.Equal(t, o, stdin)
	observed := array(t, fine, devices, "effective", "-")
	require.Equal(t, "client-flags", observed[0]["workloads"].(map[string]any)["windows-update"].(map[string]any)["rule"])

	code, out, _ := call(t, "", "effective", file, "-plan", plan)
	require.Equal(t, fine, code)
	require.Contains(t, out, "windows-update         intune     slider-pilot-member (documented)")
}

func TestDiff(t *testing.T) {
	before, after, file := write(t, planBefore), write(t, planAfter), write(t, devices)
	o := array(t, found, "", "diff", before, after, file)
	require.Len(t, o, 2, "the server does not change")
	move := o[0]["workloads"].(map[string]any)["windows-update"].(map[string]any)
	require.Equal(t, "configmgr", move["from"].(map[string]any)["authority"])
	require.Equal(t, "intune", move["to"].(map[string]any)["authority"])
	require.Equal(t, float64(8213), o[0]["after"].(map[string]any)["flags"])
	require.Equal(t, true, o[1]["enrols"])
	require.Empty(t, array(t, fine, "", "diff", after, after, file))

	code, out, _ := call(t, "", "diff", before, after, file)
	require.Equal(t, found, code)
	require.Contains(t, out, "2 of 3 devices change, 1 start to enrol")
	require.Contains(t, out, "windows-update         configmgr → intune")
}

func TestLintAndEmit(t *testing.T) {
	plan, file := write(t, planAfter), write(t, devices)
	code, out, _ := call(t, "", "lint", plan, file)
	require.Equal(t, fine, code, "only notes: %s", out)
	require.Contains(t, out, "info")
	o := array(t, found, "", "lint", "-conditional-access", plan)
	require.Equal(t, "compliance-before-conditional-access", o[len(o)-1]["check"])

	for format, want := range map[string]string{"powershell": "New-CMCoManagementPolicy @policy", "markdown": "| Windows Update policies | pilot |", "html": "<!DOCTYPE html>"} {
		code, out, errs := call(t, "", "emit", "-format", format, plan, file)
		require.Equal(t, fine, code, errs)
		require.Contains(t, out, want)
	}
	code, _, errs := call(t, "", "emit", "-format", "word", plan)
	require.Equal(t, unusable, code)
	require.Contains(t, errs, `"word"`)
}

func TestLog(t *testing.T) {
	frame := func(m, clock string) string {
		return "<![LOG[" + m + `]LOG]!><time="` + clock + `-60" date="07-04-2025" component="CoManagementHandler" context="" type="1" thread="7" file="vale.cpp:1">` + "\r\n"
	}
	good := frame("Workloads flag retrieved 8199", "09:00:00.000") + frame("MDM enrollment succeeded", "09:01:00.000") + frame("unrelated", "09:02:00.000")
	bad := good + frame("Auto MDM Enroll: Failed (Unknown Win32 Error code: 0x8018002b)", "09:03:00.000")
	file := write(t, good)
	o := array(t, fine, "", "log", file)
	require.Equal(t, file, o[0]["file"])
	require.Len(t, o[0]["events"], 2)
	require.Equal(t, "2025-07-04T08:00:00Z", o[0]["events"].([]any)[0].(map[string]any)["time"])
	state := o[0]["state"].(map[string]any)
	require.Equal(t, float64(8199), state["applied"])
	require.Equal(t, true, state["enrolled"])
	require.Equal(t, float64(3), state["records"])

	code, out, _ := call(t, bad, "log", "-")
	require.Equal(t, found, code)
	require.Contains(t, out, "MENROLL_E_MDM_NOT_CONFIGURED")
	require.Contains(t, out, "2025-07-04 08:03:00.000Z")
	code, out, _ = call(t, good, "log", "-state", "-")
	require.Equal(t, fine, code)
	require.NotContains(t, out, "08:00:00")
	code, out, _ = call(t, good, "log", "-all", "-")
	require.Equal(t, fine, code)
	require.Contains(t, out, "unrelated")
}

func TestGraphAndErrors(t *testing.T) {
	o := array(t, fine, `{"deviceName":"AV-1042","managementAgent":"configurationManagerClientMdm","configurationManagerClientEnabledFeatures":{"compliancePolicy":true}}`, "graph", "-")
	require.Equal(t, "managedDevice", o[0]["kind"])
	require.Equal(t, true, o[0]["coManaged"])
	require.Equal(t, true, o[0]["workloads"].(map[string]any)["compliance"])
	require.Nil(t, o[0]["workloads"].(map[string]any)["endpoint-protection"])
	require.Contains(t, o[0]["missing"].(map[string]any)["endpoint-protection"], "beta")
	for _, doc := range []string{`{"totalComanagedCount":3,"officeAppsCount":1}`, `{"eligibleButNotAzureAdJoinedCount":1}`, `{"mdmStatus":"x","status":"eligible"}`, `{"managementAgent":"mdm"}`} {
		code, out, errs := call(t, doc, "graph", "-")
		require.Equal(t, fine, code, errs)
		require.NotEmpty(t, out)
	}

	e := array(t, fine, "", "error", "0x8018002A", "-2145910741", "80180030")
	require.Equal(t, "0x8018002A", e[0]["code"])
	require.Equal(t, float64(2149056554), e[0]["unsigned"])
	require.Equal(t, float64(-2145910742), e[0]["signed"])
	require.Equal(t, "MENROLL_E_MDM_NOT_CONFIGURED", e[1]["name"])
	require.Equal(t, "0x8018002A", e[2]["aliasOf"])
	require.Equal(t, false, array(t, found, "", "error", "0xDEADBEEF")[0]["known"])
	code, out, _ := call(t, "", "error", "0x80180030")
	require.Equal(t, fine, code)
	require.Contains(t, out, "stands for 0x8018002A")
}

func TestCcmsetup(t *testing.T) {
	const host = "vale.ashdown.example/CCM_Proxy_MutualAuth/72057594037927999"
	code, out, _ := call(t, "", "ccmsetup", "-build", "-host", host, "-site", "AV1")
	require.Equal(t, fine, code)
	require.Equal(t, `CCMSETUPCMD="CCMHOSTNAME=`+host+` SMSSITECODE=AV1"`+"\n", out)
	code, again, _ := call(t, out, "ccmsetup", "-")
	require.Equal(t, fine, code)
	require.Contains(t, again, "nothing found")
	code, out, _ = call(t, "", "ccmsetup", "-build", "-intune", "-host", host, "-site", "AV1")
	require.Equal(t, fine, code)
	require.Contains(t, out, "msiexec /i")
	o := array(t, found, "", "ccmsetup", `CCMSETUPCMD=”CCMHOSTNAME=https://`+host+`”`)
	require.Equal(t, "property", o[0]["form"])
	require.Len(t, o[0]["findings"], 3)
	require.Empty(t, array(t, fine, "", "ccmsetup", "-build", "-host", host, "-site", "AV1")[0]["findings"])
	code, out, _ = call(t, "", "ccmsetup", "/regtoken:s3cret /mp:MP1 SMSSITECODE=AV1")
	require.Equal(t, found, code)
	require.NotContains(t, out, "s3cret")
}

func TestCMGAndPreflight(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vale.ashdown.example"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	for _, file := range []string{write(t, string(der)), write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))} {
		o := array(t, found, "", "cmg", "-name", "vale.ashdown.example", "-region", "westus", "-cert", file, "-at", "2025-07-04")
		require.NotEmpty(t, o)
	}
	require.NotEmpty(t, array(t, fine, "", "cmg", "-name", "vale.ashdown.example", "-region", "westus"))
	require.NotEmpty(t, array(t, found, "", "cmg", "-name", "vale.cloudapp.net"))

	upns := write(t, "a@ashdown-vale.org\nb@vale.local\n")
	o := array(t, found, "", "preflight", "-dns", "none", "-domain", "ashdown-vale.org", "-upns", upns, "-verified", "ashdown-vale.org", "-scope", "all")
	require.Len(t, o, 5)
	domains := write(t, `{"value":[{"id":"ashdown-vale.org","isVerified":true}]}`)
	o = array(t, fine, "a@ashdown-vale.org\n", "preflight", "-upns", "-", "-domains", domains, "-connection-point-online", "yes")
	require.Equal(t, "unknown", array(t, found, "a@ashdown-vale.org\n", "preflight", "-upns", "-")[0]["status"], "the verified domains are not known")
	require.Len(t, o, 2)
	require.Equal(t, "pass", o[0]["status"])
}

// TestUnanswered asks a DNS server that is not there: what could not be checked is not fine.
func TestUnanswered(t *testing.T) {
	for _, args := range [][]string{{"preflight", "-domain", "ashdown-vale.org", "-dns", "127.0.0.1:1"}, {"cmg", "-name", "vale.ashdown.example", "-region", "westus", "-dns", "127.0.0.1:1"}} {
		o := array(t, found, "", args...)
		last := o[len(o)-1]
		require.Equal(t, "unknown", last["status"])
		require.NotEmpty(t, last["evidence"])
	}
	require.Equal(t, "unknown", array(t, fine, "", "preflight", "-domain", "ashdown-vale.org", "-dns", "none")[0]["status"])
}

func TestReconcile(t *testing.T) {
	plan := write(t, planAfter)
	device := func(flags int) string {
		return write(t, fmt.Sprintf(`[{"name":"AV-1042","os":"Windows 11","enrolment":"intune","collections":["Pilot Updates"],"configInfo":2,"flags":%d}]`, flags))
	}
	graph := write(t, `{"managementAgent":"configurationManagerClientMdm","configurationManagerClientEnabledFeatures":{"windowsUpdateForBusiness":false}}`)
	log := write(t, "Workloads flag retrieved 8213\n")
	code, out, _ := call(t, "", "reconcile", "-plan", plan, "-log", log, device(8213))
	require.Equal(t, fine, code, out)
	require.Contains(t, out, "agree")
	o := array(t, found, "", "reconcile", "-plan", plan, "-graph", graph, "-log", log, "-bridge", "8197", "-site", "8197", device(8213))
	require.Len(t, o, 3)
	require.Equal(t, "Graph", o[2]["liar"])
	code, out, _ = call(t, "", "reconcile", "-plan", plan, device(8197))
	require.Equal(t, found, code)
	require.Contains(t, out, "✗ registry flags")
	code, out, _ = call(t, "", "reconcile", "-plan", plan, device(8213&4095))
	require.Equal(t, fine, code, "a mask is harmless")
	require.Contains(t, out, "mask 4095")
}

func TestSchemaAndRules(t *testing.T) {
	for _, name := range []string{"plan", "devices"} {
		code, out, _ := call(t, "", "schema", name)
		require.Equal(t, fine, code)
		require.True(t, json.Valid([]byte(out)))
	}
	code, out, _ := call(t, "", "rules")
	require.Equal(t, fine, code)
	require.Contains(t, out, "resource-access-forced")
	require.Greater(t, len(array(t, fine, "", "rules")), 60)
}

func TestHelp(t *testing.T) {
	code, out, errs := call(t, "", "-h")
	require.Equal(t, fine, code)
	require.Empty(t, errs)
	for line := range strings.SplitSeq(out, "\n") {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "  "), " ")
		if !ok || !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "   ") {
			continue
		}
		code, help, errs := call(t, "", name, "-h")
		require.Equal(t, fine, code, "%s: %s", name, errs)
		require.Contains(t, help, "-json")
	}
}

func TestWrongUse(t *testing.T) {
	good, plan := write(t, devices), write(t, planAfter)
	png := write(t, "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	for _, args := range [][]string{
		{}, {"nonsense"}, {"flags"}, {"flags", "abc"}, {"flags", "-nope", "1"}, {"effective"}, {"effective", "-plan", "nowhere.json", good},
		{"effective", "-plan", plan, "nowhere.json"}, {"effective", "-plan", good, good}, {"effective", "-plan", png, good}, {"effective", png}, {"effective", write(t, "")},
		{"effective", write(t, devices[:100])}, {"effective", "-plan", "-", "-"}, {"diff", plan, plan}, {"log"}, {"log", png}, {"log", write(t, "")}, {"log", "nowhere.log"}, {"graph", png}, {"graph", write(t, "")},
		{"graph"}, {"error"}, {"error", "0x80180002b"}, {"ccmsetup"}, {"ccmsetup", ""}, {"ccmsetup", "-build"}, {"ccmsetup", "-build", "-host", "h"}, {"cmg"}, {"cmg", "-name", "x.example", "-cert", png},
		{"cmg", "-name", "x.example", "-at", "soon"}, {"cmg", "-name", "x.example", "extra"}, {"cmg", "-deployment", "cloud"}, {"preflight"}, {"preflight", "-dns", "none", "-upns", png}, {"preflight", "-scope", "most"},
		{"preflight", "-connection-point-online", "maybe"}, {"preflight", "-domains", png}, {"reconcile"}, {"reconcile", good}, {"reconcile", "-graph", png, write(t, `[{"name":"AV-1"}]`)}, {"reconcile", "-graph", write(t, `{"totalComanagedCount":1}`), write(t, `[{"name":"AV-1"}]`)},
		{"reconcile", "-log", png, write(t, `[{"name":"AV-1"}]`)}, {"reconcile", "-bridge", "x", good}, {"schema"}, {"schema", "x"}, {"rules", "x"}, {"lint"}, {"emit", "-json", plan}, {"-json"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			code, _, errs := call(t, "", args...)
			require.Equal(t, unusable, code, errs)
			require.True(t, strings.HasPrefix(errs, "comgmt: "), errs)
			require.Less(t, len(errs), 600)
			require.NotContains(t, errs, "goroutine")
		})
	}
	code, _, errs := call(t, `[{"name":"AV-1","jion":"x"}]`, "effective", "-")
	require.Equal(t, unusable, code)
	require.Contains(t, errs, "[0].jion: unknown member")
}

// TestLargeInput reads a long array without keeping it.
func TestLargeInput(t *testing.T) {
	var b strings.Builder
	b.WriteString("[")
	const n = 5_000
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"name":"AV-%d","os":"Windows 11","enrolment":"intune","collections":["Pilot Updates"],"configInfo":2}`+"\n", i)
	}
	b.WriteString("]")
	o := array(t, fine, b.String(), "effective", "-plan", write(t, planAfter), "-")
	require.Len(t, o, n)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	require.Equal(t, unusable, run(ctx, []string{"effective", "-"}, strings.NewReader(b.String()), &out, &errs))
	require.Contains(t, errs.String(), "canceled")
}
