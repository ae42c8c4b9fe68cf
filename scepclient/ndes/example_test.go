package ndes_test

import (
	"crypto/x509"
	"fmt"

	"go.internal/hybridkit/scepclient/ndes"
)

func ExampleParseEndpoint() {
	e, err := ndes.ParseEndpoint("https://NDES01.ashdown.example/CertSrv/mscep/")
	fmt.Println(e.Enrol, err)
	// Output: https://NDES01.ashdown.example/certsrv/mscep/mscep.dll <nil>
}

func ExampleTemplateFor() {
	fmt.Println(ndes.TemplateFor(x509.KeyUsageDigitalSignature))
	// Output: SignatureTemplate
}
