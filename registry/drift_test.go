package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/registrytest"
)

const (
	cdj     = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD`
	mscep   = `HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP`
	httpKey = `HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters`
	mdm     = `HKLM\SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\MDM`
	wpj     = `HKLM\SOFTWARE\Policies\Microsoft\Windows\WorkplaceJoin`
	tenant  = "4d5f6e7a-0b1c-4d2e-8f30-415263748596"
	other   = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
)

// m is a registrytest.Map with one line per value.
type (
	m map[v]registry.Value
	v struct{ key, name string }
)

func (values m) snapshot(t *testing.T) *registry.Snapshot {
	full := registrytest.Map{}
	for k, value := range values {
		if full[k.key] == nil {
			full[k.key] = map[string]registry.Value{}
		}
		full[k.key][k.name] = value
	}
	return full.Snapshot(t)
}

func TestDrift(t *testing.T) {
	cdjSchema := registry.CDJ(registry.CDJParams{TenantID: tenant, TenantName: "ashdown.example"})
	ndes := registry.NDES(registry.NDESParams{Template: "AshdownDevice"})
	tests := []struct {
		name   string
		schema registry.Schema
		reg    m
		want   []string
		why    string // part of the explanation of the first drift
	}{
		{"cdj right", cdjSchema, m{
			{cdj, "TenantID"}:   registry.String("4D5F6E7A-0B1C-4D2E-8F30-415263748596"),
			{cdj, "tenantname"}: registry.String("Ashdown.Example"),
		}, nil, ""},
		{"cdj empty", cdjSchema, m{}, []string{`missing ` + cdj + `\TenantId`, `missing ` + cdj + `\TenantName`}, "0x801c001d"},
		{"cdj braces and address", cdjSchema, m{
			{cdj, "TenantId"}:   registry.String("{" + tenant + "}"),
			{cdj, "TenantName"}: registry.String("https://ashdown.example/"),
		}, []string{`wrong-value ` + cdj + `\TenantId`, `wrong-value ` + cdj + `\TenantName`}, "braces"},
		{"cdj swapped", cdjSchema, m{
			{cdj, "TenantId"}: registry.String("ashdown.example"), {cdj, "TenantName"}: registry.String(tenant),
		}, []string{`wrong-value ` + cdj + `\TenantId`, `wrong-value ` + cdj + `\TenantName`}, "36 characters"},
		{"cdj other tenant", cdjSchema, m{
			{cdj, "TenantId"}: registry.String(other), {cdj, "TenantName"}: registry.String("ashdown.example"),
		}, []string{`wrong-value ` + cdj + `\TenantId`}, "0x801c003a"},
		{"cdj by a 32-bit script", cdjSchema, m{
			{`HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\CDJ\AAD`, "TenantId"}: registry.String(tenant),
			{cdj, "TenantName"}: registry.String("ashdown.example"),
		}, []string{
			`misplaced HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\CDJ\AAD\TenantId`, `missing ` + cdj + `\TenantId`,
		}, "32-bit"},
		{"cdj one level up and HKLM in the policy file", cdjSchema, m{
			{`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ`, "TenantId"}:                registry.String(tenant),
			{`HKLM\HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD`, "TenantName"}:     registry.String("ashdown.example"),
			{`HKCU\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD`, "TenantName"}:          registry.String("ashdown.example"),
			{`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD\TenantId`, "SomethingX"}: registry.String("no drift"),
		}, []string{
			`misplaced HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\TenantId`, `missing ` + cdj + `\TenantId`, `missing ` + cdj + `\TenantName`,
			`misplaced HKLM\HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD\TenantName`,
			`misplaced HKCU\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD\TenantName`,
		}, "AAD below"},
		{"joined elsewhere, registration off", cdjSchema, m{
			{cdj, "TenantId"}: registry.String(tenant), {cdj, "TenantName"}: registry.String("ashdown.example"),
			{`HKLM\SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo\0F00`, "TenantId"}: registry.String(other),
			{wpj, "autoWorkplaceJoin"}: registry.DWord(0),
		}, []string{`contradictory ` + cdj + `\TenantId`, `contradictory ` + wpj + `\autoWorkplaceJoin`}, other},
		{"ndes classic mistakes", ndes, m{
			{mscep, "SignatureTemplate"}:      registry.String("Ashdown Device"),
			{mscep, "EncryptionTemplate"}:     registry.String("IPSECIntermediateOffline"),
			{mscep, "GeneralPurposeTemplate"}: registry.String("1.3.6.1.4.1.311.21.8.1.2.3"),
			{httpKey, "MaxFieldLength"}:       registry.DWord(0x65534),
			{httpKey, "MaxRequestBytes"}:      registry.String("65534"),
		}, []string{
			`display-name ` + mscep + `\SignatureTemplate`, `placeholder ` + mscep + `\EncryptionTemplate`, `wrong-value ` + mscep + `\GeneralPurposeTemplate`,
			`hex-decimal-slip ` + httpKey + `\MaxFieldLength`, `wrong-type ` + httpKey + `\MaxRequestBytes`,
		}, "display name"},
		{"ndes right", ndes, m{
			{mscep, "SignatureTemplate"}: registry.String("ashdowndevice"), {mscep, "EncryptionTemplate"}: registry.String("AshdownDevice"),
			{mscep, "GeneralPurposeTemplate"}: registry.String("AshdownDevice"),
			{httpKey, "MaxFieldLength"}:       registry.DWord(65534), {httpKey, "MaxRequestBytes"}: registry.DWord(65534),
		}, nil, ""},
		{"templates without knowing the names", registry.NDESTemplates(registry.NDESParams{}), m{
			{mscep, "SignatureTemplate"}: registry.String("Fine"), {mscep, "EncryptionTemplate"}: registry.String("Copied "),
			{mscep, "GeneralPurposeTemplate"}: {Type: registry.TypeSZ, Data: []byte("x\x00")},
		}, []string{`wrong-value ` + mscep + `\EncryptionTemplate`, `wrong-type ` + mscep + `\GeneralPurposeTemplate`}, "blanks before or behind"},
		{"template with a blank behind", ndes, m{
			{mscep, "SignatureTemplate"}: registry.String("AshdownDevice "), {mscep, "EncryptionTemplate"}: registry.String("AshdownDevice"),
			{mscep, "GeneralPurposeTemplate"}: registry.String(" Ashdown Device"),
			{httpKey, "MaxFieldLength"}:       registry.DWord(65534), {httpKey, "MaxRequestBytes"}: registry.DWord(65534),
		}, []string{`wrong-value ` + mscep + `\SignatureTemplate`, `display-name ` + mscep + `\GeneralPurposeTemplate`}, "blanks before or behind"},
		{"http looks bigger", registry.HTTPSys(), m{
			{httpKey, "MaxFieldLength"}: registry.DWord(65536), {httpKey, "MaxRequestBytes"}: registry.DWord(32768),
		}, []string{`out-of-range ` + httpKey + `\MaxFieldLength`, `wrong-value ` + httpKey + `\MaxRequestBytes`}, "64 to 65534"},
		{"http field above request", registry.HTTPSys(), m{
			{httpKey, "MaxFieldLength"}: registry.DWord(65534), {httpKey, "MaxRequestBytes"}: registry.DWord(16384),
		}, []string{`wrong-value ` + httpKey + `\MaxRequestBytes`, `contradictory ` + httpKey + `\MaxRequestBytes`}, ""},
		{"slip without a wanted value", registry.HTTPSys(), m{
			{httpKey, "MaxFieldLength"}: registry.DWord(65534), {httpKey, "MaxRequestBytes"}: registry.DWord(65534),
			{httpKey, "UrlSegmentMaxCount"}: registry.DWord(0x16000),
		}, []string{`hex-decimal-slip ` + httpKey + `\UrlSegmentMaxCount`}, "16000 was typed"},
		{"short dword", registry.HTTPSys(), m{
			{httpKey, "MaxFieldLength"}: {Type: registry.TypeDWord, Data: []byte{0xFE, 0xFF}}, {httpKey, "MaxRequestBytes"}: registry.DWord(65534),
		}, []string{`wrong-type ` + httpKey + `\MaxFieldLength`}, "2 bytes"},
		{"wrong control set", registry.HTTPSys(), m{
			{`HKLM\SYSTEM\Select`, "Current"}:                                                registry.DWord(1),
			{`HKLM\SYSTEM\ControlSet001\Services\HTTP\Parameters`, "MaxRequestBytes"}:        registry.DWord(65534),
			{`HKLM\SYSTEM\ControlSet002\Services\HTTP\Parameters`, "MaxFieldLength"}:         registry.DWord(65534),
			{`HKLM\SYSTEM\ControlSet002\Services\HTTP\Parameters`, "MaxRequestBytes"}:        registry.DWord(1),
			{`HKLM\SYSTEM\ControlSet002\Control\SecurityProviders\SCHANNEL`, "NothingOfOur"}: registry.DWord(1),
		}, []string{`misplaced HKLM\SYSTEM\ControlSet002\Services\HTTP\Parameters\MaxFieldLength`, `missing ` + httpKey + `\MaxFieldLength`}, "not the current one"},
		{"a password in the wrong key", registry.MSCEP(), m{
			{mscep, "PasswordMax"}: registry.DWord(100), {mscep + `\PasswordLength`, "PasswordLength"}: registry.DWord(0),
		}, []string{`misplaced ` + mscep + `\PasswordMax`, `out-of-range ` + mscep + `\PasswordLength\PasswordLength`}, "0 is outside"},
		{"stored password unused, door open", registry.MSCEP(), m{
			{mscep + `\EncryptedPassword`, "EncryptedPassword"}: registry.Binary([]byte("geheim")),
			{mscep + `\EnforcePassword`, "EnforcePassword"}:     registry.DWord(0),
			{mscep + `\UseSinglePassword`, "UseSinglePassword"}: registry.DWord(0),
			{mscep + `\Modules\NDESPolicy`, "x"}:                registry.DWord(0),
		}, []string{
			`contradictory ` + mscep + `\EnforcePassword\EnforcePassword`, `no-effect ` + mscep + `\EncryptedPassword\EncryptedPassword`,
		}, "policy module"},
		{"mdm contradictions", registry.MDM(registry.MDMParams{DeviceCredential: true}), m{
			{mdm, "AutoEnrollMDM"}: registry.DWord(1), {mdm, "UseAADCredentialType"}: registry.DWord(2), {mdm, "DisableRegistration"}: registry.DWord(1),
		}, []string{`contradictory ` + mdm + `\DisableRegistration`, `contradictory ` + mdm + `\UseAADCredentialType`}, "forbids"},
		{"mdm default is user", registry.MDM(registry.MDMParams{}), m{{mdm, "AutoEnrollMDM"}: registry.DWord(1)}, nil, ""},
		{"mdm no such credential", registry.MDM(registry.MDMParams{}), m{
			{mdm, "AutoEnrollMDM"}: registry.DWord(1), {mdm, "UseAADCredentialType"}: registry.DWord(3),
		}, []string{`out-of-range ` + mdm + `\UseAADCredentialType`}, "one of 1, 2"},
		{"dual state", registry.Registration(), m{
			{`HKLM\SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo\0F00`, "TenantId"}:                 registry.String(tenant),
			{`HKCU\SOFTWARE\Microsoft\Windows NT\CurrentVersion\WorkplaceJoin\JoinInfo\{A}`, "TenantId"}:        registry.String(tenant),
			{`HKCU\SOFTWARE\Microsoft\Windows NT\CurrentVersion\WorkplaceJoin\JoinInfo\{A}`, "SomeOtherDetail"}: registry.String("x"),
		}, []string{
			`missing ` + wpj + `\BlockAADWorkplaceJoin`,
			`contradictory HKCU\SOFTWARE\Microsoft\Windows NT\CurrentVersion\WorkplaceJoin\JoinInfo\{A}\(Default)`,
		}, ""},
		{"kerberos policy off", registry.CloudKerberos(), m{
			{`HKLM\SYSTEM\CurrentControlSet\Control\Lsa\Kerberos\Parameters`, "CloudKerberosTicketRetrievalEnabled"}:                      registry.DWord(1),
			{`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\Kerberos\Parameters`, "CloudKerberosTicketRetrievalEnabled"}: registry.DWord(0),
		}, []string{`contradictory HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\Kerberos\Parameters\CloudKerberosTicketRetrievalEnabled`}, ""},
		{"stale kdc", registry.StrongMapping(), m{
			{`HKLM\SYSTEM\CurrentControlSet\Services\Kdc`, "StrongCertificateBindingEnforcement"}: registry.DWord(1),
			{`HKLM\SYSTEM\CurrentControlSet\Services\Kdc`, "CertificateBackdatingCompensation"}:   registry.DWord(100),
		}, []string{`no-effect HKLM\SYSTEM\CurrentControlSet\Services\Kdc\StrongCertificateBindingEnforcement`}, "September 2025"},
		{"mapping methods typed in decimal", registry.SCHANNEL(false), m{
			{`HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL`, "CertificateMappingMethods"}: registry.DWord(0x3F),
			{`HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL`, "ClientAuthTrustMode"}:       registry.DWord(3),
		}, []string{
			`out-of-range HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\ClientAuthTrustMode`,
			`out-of-range HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\CertificateMappingMethods`,
		}, "no meaning"},
		{"thumbprint with blanks", registry.Connector(), m{
			{mscep + `\Modules\NDESPolicy`, "NDESCertThumbprint"}: registry.String("12 34 56 78 90 ab cd ef 12 34 56 78 90 ab cd ef 12 34 56 78"),
		}, []string{`wrong-value ` + mscep + `\Modules\NDESPolicy\NDESCertThumbprint`}, "40 hexadecimal"},
		{"co-management is never judged", registry.CoManagement(), m{{`HKLM\SOFTWARE\Microsoft\CCM`, "CoManagementFlags"}: registry.QWord(12543)}, nil, ""},
		{"co-management of a strange type", registry.CoManagement(), m{{`HKLM\SOFTWARE\Microsoft\CCM`, "CoManagementFlags"}: registry.Binary([]byte{1})},
			[]string{`wrong-type HKLM\SOFTWARE\Microsoft\CCM\CoManagementFlags`}, ""},
		{"join state is judged by form only", registry.JoinState(), m{
			{`HKLM\SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo\AA`, "TenantId"}: registry.String("nonsense"),
			{`HKLM\SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo\BB`, "TenantId"}: registry.String(tenant),
		}, []string{`wrong-value HKLM\SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo\AA\TenantId`}, ""},
	}
	kinds := map[registry.Kind]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			snap := tt.reg.snapshot(t)
			registrytest.Drift(t, tt.schema, snap, tt.want...)
			first := true
			for d := range tt.schema.Drift(snap) {
				kinds[d.Kind] = true
				if first && tt.why != "" {
					require.Contains(t, d.Why, tt.why)
				}
				first = false
				require.NotEmpty(t, d.Why)
				require.NotEmpty(t, d.Source)
				require.NotZero(t, d.Severity)
				require.NotContains(t, d.Got, "676568656d", "the bytes of a password")
				if d.Kind != registry.Missing && d.Name != "" {
					require.Equal(t, registrytest.Source, d.Origin.Source, "evidence")
					require.NotEmpty(t, d.Got)
				}
				text, err := d.Kind.MarshalText()
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(d.String(), d.Severity.String()+" "+string(text)), d.String())
			}
		})
	}
	require.Len(t, kinds, 10, "every kind has a test")
}

// TestFixesMend applies the fixes of all drifts: what is left is only what needs a decision.
func TestFixesMend(t *testing.T) {
	schema := registry.NDES(registry.NDESParams{Template: "AshdownDevice", SCHANNEL: true})
	snap := m{
		{mscep, "SignatureTemplate"}:                                                     registry.String("Ashdown Device"),
		{mscep, "GeneralPurposeTemplate"}:                                                registry.String("IPSECIntermediateOffline"),
		{httpKey, "MaxFieldLength"}:                                                      registry.DWord(0x65534),
		{`HKLM\SYSTEM\CurrentControlSet\Services\HTTP`, "MaxRequestBytes"}:               registry.DWord(65534),
		{`HKLM\SOFTWARE\WOW6432Node\Microsoft\Cryptography\MSCEP`, "EncryptionTemplate"}: registry.String("AshdownDevice"),
	}.snapshot(t)
	var fixes registry.Delta
	for d := range schema.Drift(snap) {
		fixes = append(fixes, d.Fix...)
	}
	require.NoError(t, fixes.Apply(snap, "fix"))
	require.Empty(t, slices.Collect(schema.Drift(snap)))
}
