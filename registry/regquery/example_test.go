package regquery_test

import (
	"fmt"
	"strings"

	"go.internal/hybridkit/registry/regquery"
)

// What somebody pasted becomes values with types.
func Example() {
	const pasted = `
HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD
    TenantName    REG_SZ    ashdown.example
`
	for e, err := range regquery.Decode(strings.NewReader(pasted)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Name != "" {
			fmt.Println(e.Path.Short(), e.Name, e.Value)
		}
	}
	// Output:
	// HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD TenantName "ashdown.example"
}
