package comgmt_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt"
)

const gateway = "vale.ashdown.example/CCM_Proxy_MutualAuth/72057594037927999"

func TestParseCcmsetup(t *testing.T) {
	for _, c := range []struct {
		line    string
		form    comgmt.CcmsetupForm
		program string
		args    []string
		msi     []string
	}{
		{`CCMSETUPCMD="CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1"`, comgmt.FormProperty, "", []string{"CCMHOSTNAME=" + gateway, "SMSSITECODE=AV1"}, nil},
		{`ccmsetup.msi CCMSETUPCMD="/mp:https://mp.ashdown.example CCMHOSTNAME=mp.ashdown.example"`, comgmt.FormMSI, "ccmsetup.msi", []string{"/mp:https://mp.ashdown.example", "CCMHOSTNAME=mp.ashdown.example"}, nil},
		{`msiexec /i "C:\New Folder\ccmsetup.msi" /qn CCMSETUPCMD="/NoCRLCheck SMSSITECODE=AV1" REBOOT=ReallySuppress`, comgmt.FormMSI, `msiexec /i "C:\New Folder\ccmsetup.msi" /qn`, []string{"/NoCRLCheck", "SMSSITECODE=AV1"}, []string{"REBOOT=ReallySuppress"}},
		{`msiexec /i ccmsetup.msi SMSSITECODE=AV1 CCMSETUPCMD="/NoCRLCheck"`, comgmt.FormMSI, "msiexec /i ccmsetup.msi", []string{"/NoCRLCheck"}, []string{"SMSSITECODE=AV1"}},
		{`C:\Windows\ccmsetup\CCMSetup.exe /mp:SMSMP01 /logon SMSSITECODE=S01`, comgmt.FormExe, `C:\Windows\ccmsetup\CCMSetup.exe`, []string{"/mp:SMSMP01", "/logon", "SMSSITECODE=S01"}, nil},
		{`"C:\Program Files\x\ccmsetup.exe" /source:"C:\Client Files" SMSSITECODE=AV1`, comgmt.FormExe, `"C:\Program Files\x\ccmsetup.exe"`, []string{`/source:"C:\Client Files"`, "SMSSITECODE=AV1"}, nil},
		{`/mp:SMSMP01 SMSSITECODE=AV1`, comgmt.FormArguments, "", []string{"/mp:SMSMP01", "SMSSITECODE=AV1"}, nil},
		{`/source:\\srv\share\ccmsetup SMSSITECODE=AV1`, comgmt.FormArguments, "", []string{`/source:\\srv\share\ccmsetup`, "SMSSITECODE=AV1"}, nil},
		{`SMSCACHEDIR=C:\ccmsetup SMSSITECODE=AV1`, comgmt.FormArguments, "", []string{`SMSCACHEDIR=C:\ccmsetup`, "SMSSITECODE=AV1"}, nil},
		{`-CCMSETUP`, comgmt.FormArguments, "", []string{"/CCMSETUP"}, nil},
		{`CCMSETUPCMD="SMSCACHEDIR=""C:\Client Cache"" SMSSITECODE=AV1"`, comgmt.FormProperty, "", []string{`SMSCACHEDIR="C:\Client Cache"`, "SMSSITECODE=AV1"}, nil},
		{"ccmsetup.exe", comgmt.FormExe, "ccmsetup.exe", nil, nil},
		{`ccmsetup.exe /uninstall`, comgmt.FormExe, "ccmsetup.exe", []string{"/uninstall"}, nil},
	} {
		t.Run(c.line, func(t *testing.T) {
			p, err := comgmt.ParseCcmsetup(c.line)
			require.NoError(t, err)
			require.Equal(t, c.form, p.Form)
			require.Equal(t, c.program, p.Program)
			var args, msi []string
			for _, a := range p.Args {
				args = append(args, a.Text())
			}
			for _, a := range p.MSIProperties {
				msi = append(msi, a.Text())
			}
			require.Equal(t, c.args, args)
			require.Equal(t, c.msi, msi)
			require.Empty(t, p.Findings)
			again, err := comgmt.ParseCcmsetup(p.CommandLine())
			require.NoError(t, err)
			require.Equal(t, p.CommandLine(), again.CommandLine())
		})
	}
	for _, bad := range []string{"", "  ", strings.Repeat("x", 40_000), "a\x00b", "\xff"} {
		_, err := comgmt.ParseCcmsetup(bad)
		require.ErrorIs(t, err, comgmt.ErrCcmsetup)
	}
	p, err := comgmt.ParseCcmsetup(`ccmsetup.exe SMSSiteCode=AV1 smssitecode=AV2`)
	require.NoError(t, err)
	v, ok := p.Property("SMSSITECODE")
	require.True(t, ok)
	require.Equal(t, "AV2", v, "names compare without case, the last counts")
	_, ok = p.Switch("SMSSITECODE")
	require.False(t, ok)
}

func TestCcmsetupLint(t *testing.T) {
	good := `CCMSETUPCMD="CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1"`
	for _, line := range []string{
		good,
		`ccmsetup.exe /mp:https://` + gateway + ` CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1`,
		`CCMSetup.exe /mp:SMSMP01 /logon SMSSITECODE=S01 FSP=FSP01`,
		`ccmsetup.exe /mp:MP1;MP2 SMSSITECODE=AUTO`,
		`ccmsetup.exe /mp:https://` + gateway + ` /regtoken:abc CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1 SMSMP=https://mp.ashdown.example`,
		`CCMSETUPCMD="CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1 AADCLIENTAPPID=1 AADRESOURCEURI=https://x"`,
	} {
		p, err := comgmt.ParseCcmsetup(line)
		require.NoError(t, err)
		require.Empty(t, p.Lint(), line)
	}
	for _, c := range []struct {
		check  string
		status comgmt.Status
		line   string
	}{
		{comgmt.CheckCcmQuotes, comgmt.StatusFailure, strings.ReplaceAll(good, `"`, "”")},
		{comgmt.CheckCcmQuotes, comgmt.StatusFailure, strings.TrimSuffix(good, `"`)},
		{comgmt.CheckCcmQuotes, comgmt.StatusFailure, strings.TrimSuffix(good, `"`) + "”"},
		{comgmt.CheckCcmQuotes, comgmt.StatusFailure, strings.ReplaceAll(good, `"`, "'")},
		{comgmt.CheckCcmQuotes, comgmt.StatusFailure, strings.ReplaceAll(good, `"`, "")},
		{comgmt.CheckCcmQuotes, comgmt.StatusFailure, `ccmsetup.exe /source:"C:\x SMSSITECODE=AV1`},
		{comgmt.CheckCcmCharacters, comgmt.StatusWarning, "ccmsetup.exe –mp:MP1 SMSSITECODE=AV1"},
		{comgmt.CheckCcmCharacters, comgmt.StatusWarning, "ccmsetup.exe\u00a0/mp:MP1 SMSSITECODE=AV1"},
		{comgmt.CheckCcmSpaces, comgmt.StatusFailure, `CCMSETUPCMD= "CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1"`},
		{comgmt.CheckCcmSpaces, comgmt.StatusFailure, `ccmsetup.exe SMSSITECODE= AV1`},
		{comgmt.CheckCcmSpaces, comgmt.StatusFailure, `ccmsetup.exe SMSSITECODE =AV1`},
		{comgmt.CheckCcmStray, comgmt.StatusWarning, `ccmsetup.exe install SMSSITECODE=AV1`},
		{comgmt.CheckCcmLength, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1 FSP=` + strings.Repeat("f", 1024) + `"`},
		{comgmt.CheckCcmDuplicate, comgmt.StatusWarning, `ccmsetup.exe SMSSITECODE=AV1 SMSSiteCode=AV2`},
		{comgmt.CheckCcmSiteCode, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=` + gateway + `"`},
		{comgmt.CheckCcmSiteCode, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=` + gateway + ` SMSSITECODE=AUTO"`},
		{comgmt.CheckCcmSiteCode, comgmt.StatusFailure, `ccmsetup.exe SMSSITECODE=ASHDOWN`},
		{comgmt.CheckCcmHost, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=https://` + gateway + ` SMSSITECODE=AV1"`},
		{comgmt.CheckCcmHost, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME= SMSSITECODE=AV1"`},
		{comgmt.CheckCcmHost, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=vale_/CCM_Proxy_MutualAuth/72057594037927999 SMSSITECODE=AV1"`},
		{comgmt.CheckCcmHost, comgmt.StatusWarning, `ccmsetup.exe /mp:https://` + gateway + ` SMSSITECODE=AV1`},
		{comgmt.CheckCcmMP, comgmt.StatusFailure, `ccmsetup.exe /mp:` + gateway + ` SMSSITECODE=AV1`},
		{comgmt.CheckCcmMP, comgmt.StatusFailure, `ccmsetup.exe /mp: SMSSITECODE=AV1`},
		{comgmt.CheckCcmEndpoint, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=vale.cloudapp.net SMSSITECODE=AV1"`},
		{comgmt.CheckCcmEndpoint, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=vale.ashdown.example/CCM_Proxy/72057594037927999 SMSSITECODE=AV1"`},
		{comgmt.CheckCcmEndpoint, comgmt.StatusFailure, `CCMSETUPCMD="CCMHOSTNAME=vale.ashdown.example/CCM_Proxy_MutualAuth/7205x SMSSITECODE=AV1"`},
		{comgmt.CheckCcmEndpoint, comgmt.StatusWarning, `CCMSETUPCMD="CCMHOSTNAME=vale.ashdown.example/CCM_Proxy_MutualAuth/7205 SMSSITECODE=AV1"`},
		{comgmt.CheckCcmRegToken, comgmt.StatusFailure, `ccmsetup.exe /regtoken:abc SMSSITECODE=AV1`},
		{comgmt.CheckCcmEntraPair, comgmt.StatusWarning, `CCMSETUPCMD="CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1 AADCLIENTAPPID=1"`},
		{comgmt.CheckCcmPlaceholder, comgmt.StatusFailure, `ccmsetup.exe SMSSITECODE=AV1 FSP=<server>`},
		{comgmt.CheckCcmUnknown, comgmt.StatusInfo, `ccmsetup.exe SMSSITECODE=AV1 SMSITECODE=AV1`},
		{comgmt.CheckCcmMSIOutside, comgmt.StatusFailure, `ccmsetup.msi SMSSITECODE=AV1 CCMSETUPCMD="CCMHOSTNAME=` + gateway + `"`},
		{comgmt.CheckCcmNothing, comgmt.StatusWarning, `CCMSETUPCMD=""`},
	} {
		t.Run(c.check+" "+c.line[:min(len(c.line), 60)], func(t *testing.T) {
			p, err := comgmt.ParseCcmsetup(c.line)
			require.NoError(t, err)
			fs := p.Lint()
			require.Contains(t, ids(fs), c.check)
			for _, f := range fs {
				if f.Check == c.check {
					require.Equal(t, c.status, f.Status)
				}
			}
		})
	}
	// What was meant is read in spite of the quotes.
	p, err := comgmt.ParseCcmsetup(strings.ReplaceAll(good, `"`, "”"))
	require.NoError(t, err)
	site, _ := p.Property("SMSSITECODE")
	require.Equal(t, "AV1", site)
}

func TestInternetInstall(t *testing.T) {
	in := comgmt.InternetInstall{Host: gateway, Site: "AV1"}
	line, err := in.Property()
	require.NoError(t, err)
	require.Equal(t, `CCMSETUPCMD="CCMHOSTNAME=`+gateway+` SMSSITECODE=AV1"`, line)
	p, err := comgmt.ParseCcmsetup(line)
	require.NoError(t, err)
	require.Empty(t, p.Lint(), "what is built lints clean")
	line, err = in.IntuneCommand()
	require.NoError(t, err)
	require.Equal(t, `msiexec /i "ccmsetup.msi" /qn CCMSETUPCMD="CCMHOSTNAME=`+gateway+` SMSSITECODE=AV1"`, line)
	p, err = comgmt.ParseCcmsetup(line)
	require.NoError(t, err)
	require.Empty(t, p.Lint())

	full := comgmt.InternetInstall{Host: gateway, Site: "AV1", DownloadFromGateway: true, ManagementPoint: "https://mp.ashdown.example", ClientAppID: "a", ResourceURI: "https://r", RegToken: comgmt.NewToken("s3cret"), NoCRLCheck: true, TaskSequence: "AV120001", UpgradeToLatest: true}
	line, err = full.Arguments()
	require.NoError(t, err)
	require.Equal(t, `/NoCRLCheck /mp:https://`+gateway+` /regtoken:s3cret CCMHOSTNAME=`+gateway+` SMSSITECODE=AV1 SMSMP=https://mp.ashdown.example AADCLIENTAPPID=a AADRESOURCEURI=https://r PROVISIONTS=AV120001 UPGRADETOLATEST=TRUE`, line)

	for why, bad := range map[string]comgmt.InternetInstall{
		"Host is required":     {Site: "AV1"},
		"SMSSITECODE":          {Host: gateway},
		"site code is three":   {Host: gateway, Site: "AV"},
		"AUTO":                 {Host: gateway, Site: "AUTO"},
		"scheme":               {Host: "https://" + gateway, Site: "AV1"},
		"SMSMP":                {Host: gateway, Site: "AV1", RegToken: comgmt.NewToken("t")},
		"quotes and spaces":    {Host: gateway, Site: `A" `},
		"One is given without": {Host: gateway, Site: "AV1", ClientAppID: "a"},
		"1024":                 {Host: gateway, Site: "AV1", ManagementPoint: "https://" + strings.Repeat("m", 1024)},
	} {
		_, err := bad.Arguments()
		if why == "SMSMP" {
			require.ErrorContains(t, err, "token needs more")
			continue
		}
		require.ErrorContains(t, err, why)
	}
}

// TestTokenStaysSecret prints everything that may hold a registration token in every way a program does.
func TestTokenStaysSecret(t *testing.T) {
	const secret = "s3cret-t0ken"
	p, err := comgmt.ParseCcmsetup(`ccmsetup.exe /mp:https://` + gateway + ` /regtoken:` + secret + ` SMSSITECODE=AV1`)
	require.NoError(t, err)
	in := comgmt.InternetInstall{Host: gateway, RegToken: comgmt.NewToken(secret)}
	_, buildErr := in.Arguments()
	require.Error(t, buildErr)
	for _, v := range []any{p, *p, p.Args, p.Args[1], in, &in, in.RegToken, buildErr, p.Lint(), p.Report()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			require.NotContains(t, fmt.Sprintf(verb, v), secret, "%T with %s", v, verb)
		}
		if b, err := json.Marshal(v); err == nil {
			require.NotContains(t, string(b), secret)
		}
	}
	for _, broken := range []string{`ccmsetup.exe /regtoken: ` + secret, `ccmsetup.exe /regtoken:"` + secret + ` x`, `ccmsetup.exe /regtoken =` + secret} {
		p, err := comgmt.ParseCcmsetup(broken)
		require.NoError(t, err)
		require.NotContains(t, fmt.Sprint(p.Lint()), secret)
	}
	require.Contains(t, p.String(), "/regtoken:REDACTED")
	require.Contains(t, p.CommandLine(), secret, "CommandLine is for running")
	v, _ := p.Switch("regtoken")
	require.Equal(t, secret, v)
}

func TestCorpusCcmsetup(t *testing.T) {
	dir := os.Getenv("HYBRIDKIT_CORPUS")
	if dir == "" {
		t.Skip("HYBRIDKIT_CORPUS is not set: no sample lines")
	}
	f, err := os.Open(filepath.Join(dir, "comgmt", "ccmsetup", "commandlines.txt"))
	require.NoError(t, err)
	defer f.Close()
	n := 0
	for sc := bufio.NewScanner(f); sc.Scan(); n++ {
		p, err := comgmt.ParseCcmsetup(sc.Text())
		require.NoError(t, err, sc.Text())
		require.NotEmpty(t, p.Args)
		require.Empty(t, p.Findings, "Microsoft's lines have sound quotes")
		for _, finding := range p.Lint() {
			t.Logf("line %d: %v", n+1, finding.Message)
			require.NotEqual(t, comgmt.CheckCcmLength, finding.Check)
		}
	}
	require.Equal(t, 8, n)
}

func FuzzParseCcmsetup(f *testing.F) {
	for _, s := range []string{`CCMSETUPCMD="CCMHOSTNAME=` + gateway + ` SMSSITECODE=AV1"`, `ccmsetup.exe /mp:"a b" X= y`, `CCMSETUPCMD="a""b" C=d`, "”“’", `0CCMSETUPCMD=`, `" ="`, `CCMSETUPCMD"="`, `CCMSETUPC"MD"=`, "0\"=\v\"", `CCMSETUPCMD=A=B\`, `msiexec /i ccmsetup.msi CCMSETUPCMD=`, `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := comgmt.ParseCcmsetup(s)
		if err != nil {
			return
		}
		p.Lint()
		if _, err := json.Marshal(p.Report()); err != nil {
			t.Fatal(err)
		}
		if len(p.Findings) > 0 {
			return
		}
		again, err := comgmt.ParseCcmsetup(p.CommandLine())
		if err != nil {
			t.Fatalf("%q: %v", p.CommandLine(), err)
		}
		if !slices.EqualFunc(p.Args, again.Args, func(a, b comgmt.CcmsetupArg) bool { return a.Text() == b.Text() }) {
			t.Fatalf("%q has %q, written as %q it has %q", s, p.Args, p.CommandLine(), again.Args)
		}
	})
}

func ExampleParseCcmsetup() {
	c, err := comgmt.ParseCcmsetup(`CCMSETUPCMD="CCMHOSTNAME=https://vale.ashdown.example/CCM_Proxy_MutualAuth/72057594037927999”`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range c.Lint() {
		fmt.Println(f.Status, f.Subject+":", f.Message)
	}
	// Output:
	// failure quotes: 1 typographic quotes: Windows Installer stops with error 1639.
	// failure SMSSITECODE: The site code is missing: a client on the internet cannot find its site.
	// failure CCMHOSTNAME: It is written with a scheme; the value is the host alone, with the gateway's path.
}
