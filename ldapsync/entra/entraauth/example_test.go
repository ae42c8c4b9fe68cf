package entraauth_test

import (
	"encoding/json"
	"fmt"

	"go.internal/hybridkit/ldapsync/entra/entraauth"
)

// A configuration is a few lines of a file, and says what is missing.
func ExampleConfig_Validate() {
	var c entraauth.Config
	if err := json.Unmarshal([]byte(`{"method": "client-certificate", "cloud": "us-government", "tenantId": "2f6f1f1a-4b1e-4a51-9d0c-0d1f5a6b7c8d", "clientId": "8b0f6c4e-3d55-4f0b-9d2c-7a1e9c0b5f21"}`), &c); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Validate())
	fmt.Println(c.BaseURL())
	// Output:
	// entraauth: client-certificate needs certificateFile
	// https://graph.microsoft.us/v1.0 <nil>
}
