package expr_test

import (
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/expr"
)

func TestCertificateFunctions(t *testing.T) {
	upn, err := asn1.MarshalWithParams("ann@ashdown.example", "utf8")
	require.NoError(t, err)
	oid, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3})
	require.NoError(t, err)
	explicit, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: upn})
	require.NoError(t, err)
	san, err := asn1.Marshal([]asn1.RawValue{
		{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("pc-17.ashdown.example")},
		{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: append(oid, explicit...)},
	})
	require.NoError(t, err)
	der := makeCert(t, &x509.Certificate{
		SerialNumber: big.NewInt(0x9A2B), NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC),
		Subject:               pkix.Name{CommonName: "pc-17, lab", OrganizationalUnit: []string{"Staff"}, Organization: []string{"Ashdown Vale"}, Country: []string{"GB"}},
		ExtraExtensions:       []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	})
	name := `"CN=\"pc-17, lab\", OU=Staff, O=Ashdown Vale, C=GB"`
	thumbprint := fmt.Sprintf("\"%X\"", sha1.Sum(der))
	ec := `"1.2.840.10045.2.1"`
	for src, want := range map[string]string{
		`CertExtensionOids([c])`: `{"2.5.29.15", "2.5.29.19"}`, `CertFormat([c])`: `"X509"`, `CertFriendlyName([c])`: `""`,
		`CertHashString([c])`: thumbprint, `CertThumbprint([c])`: thumbprint, `CertIssuer([c])`: name, `CertIssuerDN([c])`: name,
		`CertSubject([c])`: name, `CertSubjectNameDN([c])`: name, `CertIssuerOid([c])`: `null`, `CertSubjectNameOid([c])`: `null`,
		`CertKeyAlgorithm([c])`: ec, `CertPublicKeyOid([c])`: ec, `CertPublicKeyParametersOid([c])`: ec,
		`CertKeyAlgorithmParams([c])`:              `"06082A8648CE3D030107"`, // the curve P-256 (RFC 5480 section 2.1.1.1)
		`CertNameInfo([c], "SimpleName", False)`:   `"pc-17, lab"`,
		`CertNameInfo([c], "UpnName", False)`:      `"ann@ashdown.example"`,
		`CertNameInfo([c], "DnsName", False)`:      `"pc-17.ashdown.example"`,
		`CertNameInfo([c], "DnsName", True)`:       `"pc-17, lab"`,
		`CertNameInfo([c], "UrlName", False)`:      `""`,
		`CertNotBefore([c])`:                       `1/2/2026 3:04:05 AM`,
		`CertNotAfter([c])`:                        `1/2/2027 3:04:05 AM`,
		`CertSerialNumber([c])`:                    `"009A2B"`,
		`CertSignatureAlgorithmOid([c])`:           `"1.2.840.10045.4.3.2"`,
		`CertVersion([c])`:                         `"3"`,
		`IsCert([c])`:                              `True`,
		`IsCert([base64])`:                         `True`,
		`IsCert([pem])`:                            `True`,
		`IsCert("MIIB")`:                           `False`,
		`IsCert([none])`:                           `False`,
		`CertSubject([base64]) = CertSubject([c])`: `True`,
	} {
		v, err := eval(t, expr.Connect, src, expr.Options{}, &expr.Env{Attrs: expr.Attrs{
			"c": expr.Binary(string(der)), "base64": expr.String(base64.StdEncoding.EncodeToString(der)),
			"pem": expr.String(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		}})
		require.NoError(t, err, src)
		require.Equal(t, want, v.String(), src)
	}
	_, err = eval(t, expr.Connect, `CertNameInfo([c], "SimplName", False)`, expr.Options{}, &expr.Env{Attrs: expr.Attrs{"c": expr.Binary(string(der))}})
	require.ErrorContains(t, err, "did you mean SimpleName?")
}
