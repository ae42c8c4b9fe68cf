package registry_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regfile"
)

// An export of an NDES server with three classic mistakes.
const export = `REGEDIT4

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Cryptography\MSCEP]
"SignatureTemplate"="Ashdown Device"
"EncryptionTemplate"="IPSECIntermediateOffline"
"GeneralPurposeTemplate"="AshdownDevice"

[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]
"MaxFieldLength"=dword:00065534
"MaxRequestBytes"=dword:0000fffe
`

func ExampleSchema_Drift() {
	snapshot, err := registry.Collect("export.reg", regfile.Decode(strings.NewReader(export)))
	if err != nil {
		fmt.Println(err)
		return
	}
	schema := registry.NDES(registry.NDESParams{Template: "AshdownDevice"})
	for d := range schema.Drift(snapshot) {
		fmt.Println(d.Kind, d.Name, d.Got, "at", d.Origin)
	}
	// Output:
	// display-name SignatureTemplate "Ashdown Device" at export.reg: line 4
	// placeholder EncryptionTemplate "IPSECIntermediateOffline" at export.reg: line 5
	// hex-decimal-slip MaxFieldLength 415028 (0x65534) at export.reg: line 9
}

func ExampleSchema_Desired() {
	schema := registry.CDJ(registry.CDJParams{TenantID: "4d5f6e7a-0b1c-4d2e-8f30-415263748596", TenantName: "ashdown.example"})
	for _, change := range schema.Desired() {
		fmt.Println(change)
	}
	for _, change := range schema.Remove() {
		fmt.Println(change, "- tattooed:", registry.Tattoos(change.Path))
	}
	// Output:
	// set HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD TenantId REG_SZ "4d5f6e7a-0b1c-4d2e-8f30-415263748596"
	// set HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD TenantName REG_SZ "ashdown.example"
	// delete-value HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD TenantId - tattooed: true
	// delete-value HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD TenantName - tattooed: true
}

// An organisation's own values beside those of this package.
func ExampleMerge() {
	own := registry.Schema{Settings: []registry.Setting{{
		Path: registry.HKLM(`SOFTWARE\Ashdown\Agent`), Name: "Mode", Type: registry.TypeDWord, Want: registry.DWord(2),
		OneOf: []uint64{1, 2}, Why: "2 reports to the new server", Consequence: "Devices report to a server that is gone", Source: "Ashdown runbook 12",
	}}}
	schema := registry.Merge("ashdown", "Ashdown Vale", own, registry.Registration())
	for d := range schema.Drift(new(registry.Snapshot)) {
		fmt.Println(d.Kind, d.Path.Short(), d.Name)
	}
	// Output:
	// missing HKLM\SOFTWARE\Ashdown\Agent Mode
	// missing HKLM\SOFTWARE\Policies\Microsoft\Windows\WorkplaceJoin BlockAADWorkplaceJoin
}

func ExampleParseSchema() {
	schema, err := registry.ParseSchema(strings.NewReader(`{
		"name": "ashdown-ndes",
		"use": [{"schema": "ndes-templates", "params": {"template": "AshdownDevice", "signature-template": "AshdownSigning"}}]
	}`))
	fmt.Println(schema.Name, len(schema.Settings), err)
	fmt.Println(schema.Desired()[0].Value)
	// Output:
	// ashdown-ndes 3 <nil>
	// "AshdownSigning"
}

func ExampleDiff() {
	p := registry.HKLM(`SOFTWARE\Ashdown`)
	var before, after registry.Snapshot
	for _, err := range []error{
		before.Put(registry.Item{Path: p, Name: "Mode", Value: registry.DWord(1)}), before.Put(registry.Item{Path: p, Name: "Old", Value: registry.String("x")}),
		after.Put(registry.Item{Path: p, Name: "mode", Value: registry.DWord(2)}),
	} {
		if err != nil {
			fmt.Println(err)
		}
	}
	delta := registry.Diff(&before, &after)
	var b bytes.Buffer
	if err := (regfile.Encoder{Version: regfile.Version4}).Encode(&b, slices.Values(delta)); err != nil {
		fmt.Println(err)
	}
	fmt.Print(strings.ReplaceAll(b.String(), "\r", ""))
	// Output:
	// REGEDIT4
	//
	// [HKEY_LOCAL_MACHINE\SOFTWARE\Ashdown]
	// "Old"=-
	// "mode"=dword:00000002
}

func ExampleSnapshot_Resolve() {
	// An offline SYSTEM hive has no CurrentControlSet; Select\Current says which set is the current one.
	var hive registry.Snapshot
	if err := hive.Put(registry.Item{Path: registry.HKLM(`SYSTEM\Select`), Name: "Current", Value: registry.DWord(1)}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(hive.Resolve(registry.HKLM(`SYSTEM\CurrentControlSet\Services\HTTP\Parameters`)).Short())
	// Output: HKLM\SYSTEM\ControlSet001\Services\HTTP\Parameters
}

func ExamplePath_In() {
	p := registry.HKLM(`SOFTWARE\Microsoft\Cryptography\MSCEP`)
	fmt.Println(p.In(registry.View32).Short())
	// Output: HKLM\SOFTWARE\WOW6432Node\Microsoft\Cryptography\MSCEP
}
