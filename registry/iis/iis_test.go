package iis_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/iis"
)

// config is what the role installer leaves, plus what the test adds at the site.
func config(site string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.webServer><security><requestFiltering><requestLimits maxAllowedContentLength="1000" /></requestFiltering></security></system.webServer>
  ` + site + `
  <location path="Default Web Site/CertSrv/mscep">
    <system.webServer><security><requestFiltering allowDoubleEscaping="true">
      <requestLimits maxQueryString="65536" />
    </requestFiltering></security></system.webServer>
  </location>
  <location path="Default Web Site/CertSrv/mscep_admin">
    <system.webServer><security><requestFiltering><requestLimits maxQueryString="65536" /></requestFiltering></security></system.webServer>
  </location>
</configuration>
`
}

func siteLimits(attrs string) string {
	return `<location path="default web site"><system.webServer><security><requestFiltering><requestLimits ` + attrs + `/></requestFiltering></security></system.webServer></location>`
}

func find(t *testing.T, text string, w iis.Want) []string {
	c, err := iis.Parse(strings.NewReader(text))
	require.NoError(t, err)
	var got []string
	for d := range c.Drift("applicationHost.config", w) {
		got = append(got, fmt.Sprintf("%v %s %s", d.Kind, d.Path.Key, d.Name))
		require.NotEmpty(t, d.Remedy)
		require.NotEmpty(t, d.Source)
	}
	slices.Sort(got)
	return got
}

func TestDrift(t *testing.T) {
	const mscep, admin = `applicationHost.config\Default Web Site/CertSrv/mscep requestLimits/@`, `applicationHost.config\Default Web Site/CertSrv/mscep_admin requestLimits/@`
	require.Empty(t, find(t, config(siteLimits(`maxUrl="65534"`)), iis.Want{}), "maxUrl is inherited from the site")
	require.Equal(t, []string{"missing " + mscep + "maxUrl", "missing " + admin + "maxUrl"}, find(t, config(""), iis.Want{}), "as installed")
	require.Equal(t, []string{"wrong-value " + mscep + "maxUrl", "wrong-value " + admin + "maxUrl"}, find(t, config(siteLimits(`maxUrl="0x2000" maxQueryString="65534"`)), iis.Want{}))
	low := strings.ReplaceAll(config(siteLimits(`maxUrl="65534" maxQueryString="65534"`)), `"65536"`, `"2048"`)
	require.Equal(t, []string{"wrong-value " + mscep + "maxQueryString", "wrong-value " + admin + "maxQueryString"}, find(t, low, iis.Want{}), "the location wins over the site")
	require.Empty(t, find(t, low, iis.Want{MaxQueryString: 2048, MaxURL: 4096}))
}

func TestEffective(t *testing.T) {
	c, err := iis.Parse(bytes.NewReader(registry.AppendUTF16([]byte("\xFF\xFE"), strings.Replace(config(""), "UTF-8", "UTF-16", 1))))
	require.NoError(t, err)
	l := c.Effective("DEFAULT WEB SITE/CertSrv/mscep/x")
	require.Equal(t, uint64(65536), l.MaxQueryString.Value)
	require.Equal(t, 7, l.MaxQueryString.Line)
	require.Equal(t, uint64(1000), l.MaxContent.Value)
	require.False(t, l.MaxURL.Set)
	require.False(t, c.Effective("Default Web Site/CertSrv/mscepX").MaxQueryString.Set)
}

func TestParseErrors(t *testing.T) {
	for text, msg := range map[string]string{
		"": "no IIS configuration", "<a/>": "begins with <a>", "<configuration>": "line 1", "\x89PNG": "line 1",
		siteLimits(""): "begins with <location>",
		"<configuration>\n<requestFiltering><requestLimits maxUrl='many'/></requestFiltering></configuration>": "line 2: requestLimits/@maxUrl",
		strings.Repeat("<configuration>", 100): "nested",
	} {
		_, err := iis.Parse(strings.NewReader(text))
		require.ErrorContains(t, err, msg, text)
	}
}

func TestSniff(t *testing.T) {
	require.True(t, iis.Sniff([]byte(config(""))))
	require.True(t, iis.Sniff([]byte("\xEF\xBB\xBF<!-- x --> <configuration/>")))
	require.False(t, iis.Sniff([]byte("<configurations/>")))
	require.False(t, iis.Sniff([]byte("<RegistrySettings/>")))
	require.False(t, iis.Sniff(nil))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(config(siteLimits(`maxUrl="65534"`))))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := iis.Parse(bytes.NewReader(data))
		if err == nil {
			for range c.Drift("", iis.Want{}) {
			}
		}
	})
}

func ExampleConfig_Drift() {
	c, err := iis.Parse(strings.NewReader(config("")))
	if err != nil {
		panic(err)
	}
	for d := range c.Drift("applicationHost.config", iis.Want{Paths: []string{"CertSrv/mscep"}}) {
		fmt.Println(d.Kind, d.Name, "want", d.Want)
	}
	// Output: missing requestLimits/@maxUrl want 65534
}
