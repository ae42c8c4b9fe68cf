package intune_test

import (
	"fmt"
	"strings"

	"go.internal/hybridkit/scepclient/intune"
)

func ExampleWhy() {
	docs, err := intune.Parse(strings.NewReader(`{
		"@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile", "displayName": "Laptops", "certificateStore": "machine",
		"subjectNameFormat": "custom", "subjectNameFormatString": "CN={{FullyQualifiedDomainName}}"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	a := intune.Why(docs.SCEP[0], &intune.Device{Join: intune.HybridPending, Values: map[string]string{"DeviceName": "DESKTOP-1"}})
	fmt.Println(a.Outcome)
	fmt.Println(a.Remedies[0])
	// Output:
	// held
	// Wait for the domain join and the restart. This is not an error.
}

func ExampleLint() {
	docs, err := intune.Parse(strings.NewReader(`{
		"@odata.type": "#microsoft.graph.windows81SCEPCertificateProfile", "displayName": "Laptops", "certificateStore": "machine",
		"subjectNameFormat": "custom", "subjectNameFormatString": "CN={{UserPrincipalName}}", "scepServerUrls": ["https://ndes01.ashdown.example/certsrv/mscep/mscep.dll"],
		"keyUsage": "digitalSignature", "keySize": "size2048", "hashAlgorithm": "sha2", "renewalThresholdPercentage": 20, "rootCertificateId": "1",
		"certificateValidityPeriodValue": 1, "certificateValidityPeriodScale": "years"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range intune.Lint(docs, intune.Estate{}) {
		if f.Severity == intune.Error {
			fmt.Println(f.Rule, f.Evidence)
		}
	}
	// Output: variable user variable UserPrincipalName in a device certificate
}
