package ndes

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
)

// A TemplateValue is a registry value below HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP that names a certificate
// template. It holds the template's name, which has no blanks, not its display name; a wrong one makes the CA
// refuse with 0x80094800 (NDES event 31). All three are IPSECIntermediateOffline by default.
type TemplateValue string

// The values.
const (
	SignatureTemplate      TemplateValue = "SignatureTemplate"
	EncryptionTemplate     TemplateValue = "EncryptionTemplate"
	GeneralPurposeTemplate TemplateValue = "GeneralPurposeTemplate"
)

// TemplateFor returns the value NDES takes the template from, by the key usage asked for: digitalSignature
// only, keyEncipherment only, or both (Microsoft: Configure infrastructure to support SCEP with Intune). For a
// request without key usage NDES is reported to take GeneralPurposeTemplate; no document says so.
func TemplateFor(usage x509.KeyUsage) TemplateValue {
	sign := usage&x509.KeyUsageDigitalSignature != 0
	encrypt := usage&x509.KeyUsageKeyEncipherment != 0
	switch {
	case sign && !encrypt:
		return SignatureTemplate
	case encrypt && !sign:
		return EncryptionTemplate
	}
	return GeneralPurposeTemplate
}

// TemplateForCSR reads the key usage out of a PKCS #10 request.
func TemplateForCSR(der []byte) (TemplateValue, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return "", err
	}
	var usage x509.KeyUsage
	for _, e := range csr.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 15}) {
			continue
		}
		var bits asn1.BitString
		if rest, err := asn1.Unmarshal(e.Value, &bits); err != nil || len(rest) > 0 {
			return "", errors.New("ndes: key usage extension is malformed")
		}
		for i := range 9 {
			if bits.At(i) != 0 {
				usage |= 1 << i
			}
		}
	}
	return TemplateFor(usage), nil
}
