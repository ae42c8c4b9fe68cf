package remedy_test

import (
	"fmt"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/remedy"
)

// The values of the client-side service connection point as commands for an elevated prompt.
func ExampleRegAdd() {
	schema := registry.CDJ(registry.CDJParams{TenantID: "4d5f6e7a-0b1c-4d2e-8f30-415263748596", TenantName: "ashdown.example"})
	var lines strings.Builder // they end with CR LF, as cmd.exe wants
	if err := remedy.RegAdd(&lines, slices.Values(schema.Desired()), false); err != nil {
		fmt.Println(err)
	}
	fmt.Print(strings.ReplaceAll(lines.String(), "\r\n", "\n"))
	// Output:
	// reg add "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD" /v "TenantId" /t REG_SZ /d "4d5f6e7a-0b1c-4d2e-8f30-415263748596" /f /reg:64
	// reg add "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD" /v "TenantName" /t REG_SZ /d "ashdown.example" /f /reg:64
}
