package remedy_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/registrytest"
	"go.internal/hybridkit/registry/remedy"
)

func ashdown() registry.Schema {
	return registry.CDJ(registry.CDJParams{TenantID: "4d5f6e7a-0b1c-4d2e-8f30-415263748596", TenantName: "ashdown.example"})
}

func TestPowerShellGolden(t *testing.T) {
	for name, f := range map[string]func() (remedy.Pair, error){
		"cdj":         func() (remedy.Pair, error) { return remedy.PowerShell(ashdown()) },
		"cdj-removal": func() (remedy.Pair, error) { return remedy.PowerShellRemoval(ashdown()) },
		"ndes": func() (remedy.Pair, error) {
			return remedy.PowerShell(registry.NDES(registry.NDESParams{Template: "AshdownDevice", SCHANNEL: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := f()
			require.NoError(t, err)
			registrytest.Golden(t, "testdata/"+name+".detect.ps1", []byte(pair.Detect))
			registrytest.Golden(t, "testdata/"+name+".remediate.ps1", []byte(pair.Remediate))
			for _, s := range []string{pair.Detect, pair.Remediate} {
				require.Equal(t, strings.Count(s, "\n"), strings.Count(s, "\r\n"))
				require.Equal(t, strings.Count(s, "{"), strings.Count(s, "}"))
			}
		})
	}
}

func TestPowerShellLiterals(t *testing.T) {
	p := registry.HKLM(`SOFTWARE\Ash'down`)
	set := func(v registry.Value) registry.Schema {
		return registry.Schema{Settings: []registry.Setting{{Path: p, Name: "v", Type: v.Type, Want: v}}}
	}
	for want, v := range map[string]registry.Value{
		"Value = 'it''s $home'":                           registry.String("it's $home"),
		"Value = (-join [char[]]@(0x00fc,0xd83d,0xde00))": registry.String("ü😀"),
		"Value = [int32]-2":                               registry.DWord(0xFFFFFFFE),
		"Value = [int64]::MinValue":                       registry.QWord(1 << 63),
		"Value = [string[]]@('a', 'b c')":                 registry.Strings("a", "b c"),
		"Value = [byte[]]@(0x00,0xff)":                    registry.Binary([]byte{0, 255}),
		"Kind = 'ExpandString'; Value = '%x%'":            registry.ExpandString("%x%"),
	} {
		pair, err := remedy.PowerShell(set(v))
		require.NoError(t, err)
		require.Contains(t, pair.Detect, want)
		require.Contains(t, pair.Detect, `Key = 'SOFTWARE\Ash''down'`)
	}
	for _, v := range []registry.Value{{Type: registry.TypeLink, Data: []byte{1, 0}}, {Type: registry.TypeDWord, Data: []byte{1}}, {Type: registry.TypeSZ, Data: []byte{1}}} {
		_, err := remedy.PowerShell(set(v))
		_, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok)
	}
}

func TestRegAdd(t *testing.T) {
	p := registry.HKLM(`SOFTWARE\Ashdown`)
	d := registry.Delta{
		{Op: registry.CreateKey, Path: p},
		{Op: registry.Set, Path: p, Name: "Path", Value: registry.ExpandString(`%SystemRoot%\x\`)},
		{Op: registry.Set, Path: p, Name: "", Value: registry.DWord(65534)},
		{Op: registry.Set, Path: p, Name: "List", Value: registry.Strings("a", "b")},
		{Op: registry.Set, Path: p, Name: "Bytes", Value: registry.Binary([]byte{1, 0xFF})},
		{Op: registry.DeleteValue, Path: p, Name: "Old"},
		{Op: registry.ClearValues, Path: p},
		{Op: registry.DeleteKey, Path: p.Join("Sub")},
	}
	var b bytes.Buffer
	require.NoError(t, remedy.RegAdd(&b, slices.Values(d), false))
	require.Equal(t, strings.Join([]string{
		`reg add "HKLM\SOFTWARE\Ashdown" /f /reg:64`,
		`reg add "HKLM\SOFTWARE\Ashdown" /v "Path" /t REG_EXPAND_SZ /d "%SystemRoot%\x\\" /f /reg:64`,
		`reg add "HKLM\SOFTWARE\Ashdown" /ve /t REG_DWORD /d "65534" /f /reg:64`,
		`reg add "HKLM\SOFTWARE\Ashdown" /v "List" /t REG_MULTI_SZ /d "a\0b" /f /reg:64`,
		`reg add "HKLM\SOFTWARE\Ashdown" /v "Bytes" /t REG_BINARY /d "01ff" /f /reg:64`,
		`reg delete "HKLM\SOFTWARE\Ashdown" /v "Old" /f /reg:64`,
		`reg delete "HKLM\SOFTWARE\Ashdown" /va /f /reg:64`,
		`reg delete "HKLM\SOFTWARE\Ashdown\Sub" /f /reg:64`, "",
	}, "\r\n"), b.String())

	b.Reset()
	require.NoError(t, remedy.RegAdd(&b, slices.Values(d[1:2]), true))
	require.Contains(t, b.String(), `%%SystemRoot%%`)

	for _, e := range []registry.Entry{
		{Op: registry.SetIfAbsent, Path: p}, {Op: registry.Set, Path: p, Value: registry.String("a\nb")}, {Op: registry.Set, Path: p, Value: registry.String(`a"b`)},
		{Op: registry.Set, Path: p, Name: "\""}, {Op: registry.Set, Path: registry.Path{Key: "x"}}, {Op: registry.Set, Path: p, Value: registry.Strings(`a\0b`)},
		{Op: registry.Set, Path: p, Value: registry.Value{Type: registry.TypeDWord, Data: []byte{1}}}, {Op: registry.Set, Path: p, Value: registry.Value{Type: 99}},
	} {
		err := remedy.RegAdd(&b, slices.Values([]registry.Entry{e}), false)
		_, ok := errors.AsType[*registry.LossError](err)
		require.True(t, ok, "%v", e)
	}
}

func TestADMX(t *testing.T) {
	tmpl, err := remedy.ADMX(registry.Registration(), "Ashdown.Policies.Join", "ashdown")
	require.NoError(t, err)
	registrytest.Golden(t, "testdata/registration.admx", tmpl.ADMX)
	registrytest.Golden(t, "testdata/registration.adml", tmpl.ADML)
	for _, b := range [][]byte{tmpl.ADMX, tmpl.ADML} {
		require.NoError(t, xml.Unmarshal(b, new(struct{ XMLName xml.Name })))
	}

	_, err = remedy.ADMX(ashdown(), "Ashdown.Policies.Join", "ashdown")
	require.ErrorIs(t, err, remedy.ErrNoPolicies)
	loss, ok := errors.AsType[*registry.LossError](err)
	require.True(t, ok)
	require.Contains(t, loss.Why, "stay when the policy goes")

	_, err = remedy.ADMX(registry.Registration(), "has blank", "x")
	require.Error(t, err)
}
