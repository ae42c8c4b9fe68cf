package expr

import (
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const maxCertificate = 64 << 10

// certificate is what the Cert functions read of an X.509 certificate.
type certificate struct {
	*x509.Certificate
	keyAlgorithm, signatureAlgorithm pkix.AlgorithmIdentifier
	serial                           []byte // as encoded
}

// parseCertificate reads DER, or base64 of it with or without PEM's lines.
func parseCertificate(s string) (certificate, error) {
	var c certificate
	if len(s) > maxCertificate {
		return c, fmt.Errorf("it has more than %d bytes", maxCertificate)
	}
	der := []byte(s)
	if len(der) > 0 && der[0] != 0x30 {
		if block, _ := pem.Decode(der); block != nil {
			der = block.Bytes
		} else if b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), "")); err == nil {
			der = b
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return c, err
	}
	c.Certificate = parsed
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Bits      asn1.BitString
	}
	var tbs struct {
		Version int `asn1:"optional,explicit,default:0,tag:0"`
		Serial  asn1.RawValue
		Rest    asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return c, err
	}
	if _, err := asn1.Unmarshal(parsed.RawSubjectPublicKeyInfo, &key); err != nil {
		return c, err
	}
	// The structure is cut short on purpose: only the serial number is wanted.
	if _, err := asn1.Unmarshal(parsed.RawTBSCertificate, &tbs); err == nil {
		c.serial = tbs.Serial.Bytes
	} else {
		c.serial = parsed.SerialNumber.Bytes()
	}
	c.keyAlgorithm, c.signatureAlgorithm = key.Algorithm, outer.Algorithm
	return c, nil
}

// cert makes a function of a certificate.
func cert(name string, result Type, note string, f func(c certificate, a []Value) Value) function {
	params := "certificateRawData:bin"
	if name == "CertNameInfo" {
		params += ", x509NameType:str, includesIssuerName:bool"
	}
	return function{Function: Function{Name: name, Params: sig(params), Result: result, Note: note}, each: true,
		eval: func(m *machine, a []Value) Value {
			if !m.step(1 + len(a[0].s)/16) {
				return Value{}
			}
			c, err := parseCertificate(a[0].s)
			if err != nil {
				return m.bad(ErrValue, "keep only certificates with Where and IsCert", "the %d bytes are not a certificate: %v", len(a[0].s), err)
			}
			if name == "CertNameInfo" && !knownNameType(a[1].s) {
				hint := ""
				if near := nearest(a[1].s, nameTypes[:]); near != "" {
					hint = "did you mean " + near + "?"
				}
				return m.bad(ErrValue, hint, "unknown X509NameType %s", m.quote(a[1].s))
			}
			return f(c, a)
		}}
}

const (
	noteUTC   = "Microsoft gives local time of the server; this is UTC"
	noteNoOID = "what it is based on, the Oid of a .NET X500DistinguishedName, has no value; null"
)

func certFunctions() []function {
	text := func(f func(c certificate) string) func(certificate, []Value) Value {
		return func(c certificate, _ []Value) Value { return String(f(c)) }
	}
	date := func(f func(c certificate) time.Time) func(certificate, []Value) Value {
		return func(c certificate, _ []Value) Value { return Date(f(c)) }
	}
	none := func(certificate, []Value) Value { return Value{} }
	issuer := text(func(c certificate) string { return nameText(c.RawIssuer) })
	subject := text(func(c certificate) string { return nameText(c.RawSubject) })
	keyOID := text(func(c certificate) string { return c.keyAlgorithm.Algorithm.String() })
	thumbprint := text(func(c certificate) string { return fmt.Sprintf("%X", sha1.Sum(c.Raw)) })
	return []function{
		cert("CertExtensionOids", TypeMulti, "", func(c certificate, _ []Value) Value {
			var oids []string
			for _, e := range c.Extensions {
				if e.Critical {
					oids = append(oids, e.Id.String())
				}
			}
			return Strings(oids...)
		}),
		cert("CertFormat", TypeString, "", text(func(certificate) string { return "X509" })),
		cert("CertFriendlyName", TypeString, "a friendly name is a property of a certificate store, not of a certificate; empty", text(func(certificate) string { return "" })),
		cert("CertHashString", TypeString, "", thumbprint),
		cert("CertIssuer", TypeString, "", issuer),
		cert("CertIssuerDN", TypeString, "", issuer),
		cert("CertIssuerOid", TypeString, noteNoOID, none),
		cert("CertKeyAlgorithm", TypeString, "the OID, as .NET's GetKeyAlgorithm", keyOID),
		cert("CertKeyAlgorithmParams", TypeString, "", text(func(c certificate) string { return fmt.Sprintf("%X", c.keyAlgorithm.Parameters.FullBytes) })),
		cert("CertNameInfo", TypeString, "", func(c certificate, a []Value) Value { return String(nameInfo(c, a[1].s, a[2].n != 0)) }),
		cert("CertNotAfter", TypeDate, noteUTC, date(func(c certificate) time.Time { return c.NotAfter })),
		cert("CertNotBefore", TypeDate, noteUTC, date(func(c certificate) time.Time { return c.NotBefore })),
		cert("CertPublicKeyOid", TypeString, "", keyOID),
		cert("CertPublicKeyParametersOid", TypeString, "", keyOID),
		cert("CertSerialNumber", TypeString, "", text(func(c certificate) string { return fmt.Sprintf("%X", c.serial) })),
		cert("CertSignatureAlgorithmOid", TypeString, "", text(func(c certificate) string { return c.signatureAlgorithm.Algorithm.String() })),
		cert("CertSubject", TypeString, "", subject),
		cert("CertSubjectNameDN", TypeString, "", subject),
		cert("CertSubjectNameOid", TypeString, noteNoOID, none),
		cert("CertThumbprint", TypeString, "", thumbprint),
		cert("CertVersion", TypeString, "", text(func(c certificate) string { return strconv.Itoa(c.Version) })),
		{Function: Function{Name: "IsCert", Params: sig("certificateRawData:bin"), Result: TypeBool}, each: true, nulls: true,
			eval: func(m *machine, a []Value) Value {
				if !m.step(1 + len(a[0].s)/16) {
					return Value{}
				}
				_, err := parseCertificate(a[0].s)
				return Bool(err == nil)
			}},
	}
}

// oidNames are the attribute types .NET prints by name.
var oidNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "SERIALNUMBER", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "S",
	"2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "T", "2.5.4.42": "G", "2.5.4.43": "I",
	"1.2.840.113549.1.9.1": "E", "0.9.2342.19200300.100.1.25": "DC",
}

// nameText writes a name as .NET's X500DistinguishedName does: the last component first, ", " between them.
func nameText(raw []byte) string {
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		return ""
	}
	var b strings.Builder
	for i := len(rdns) - 1; i >= 0; i-- {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		for j, atv := range rdns[i] {
			if j > 0 {
				b.WriteString(" + ")
			}
			typ, ok := oidNames[atv.Type.String()]
			if !ok {
				typ = "OID." + atv.Type.String()
			}
			value := fmt.Sprint(atv.Value)
			if strings.ContainsAny(value, ",+=\"\n<>#;") || value == "" || strings.TrimSpace(value) != value {
				value = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
			}
			b.WriteString(typ + "=" + value)
		}
	}
	return b.String()
}

var nameTypes = [...]string{"SimpleName", "EmailName", "UpnName", "DnsName", "DnsFromAlternativeName", "UrlName"}

func knownNameType(s string) bool {
	for _, n := range nameTypes {
		if n == s {
			return true
		}
	}
	return false
}

// nameInfo gives a name of the subject or issuer by .NET's X509NameType.
func nameInfo(c certificate, typ string, ofIssuer bool) string {
	name := c.Subject
	if ofIssuer {
		name = c.Issuer
	}
	first := func(list []string) string {
		if len(list) > 0 && !ofIssuer { // the issuer's alternative names are another extension
			return list[0]
		}
		return ""
	}
	attribute := func(oid string) string {
		for _, atv := range name.Names {
			if atv.Type.String() == oid {
				return fmt.Sprint(atv.Value)
			}
		}
		return ""
	}
	switch typ {
	case "EmailName":
		if mail := first(c.EmailAddresses); mail != "" {
			return mail
		}
		return attribute("1.2.840.113549.1.9.1")
	case "UpnName":
		if ofIssuer {
			return ""
		}
		return upnName(c)
	case "DnsName":
		if dns := first(c.DNSNames); dns != "" {
			return dns
		}
		return attribute("2.5.4.3")
	case "DnsFromAlternativeName":
		return first(c.DNSNames)
	case "UrlName":
		if len(c.URIs) > 0 && !ofIssuer {
			return c.URIs[0].String()
		}
		return ""
	}
	for _, oid := range [...]string{"2.5.4.3", "2.5.4.11", "2.5.4.10", "1.2.840.113549.1.9.1"} {
		if v := attribute(oid); v != "" {
			return v
		}
	}
	return first(c.EmailAddresses)
}

// upnName finds the user principal name among the alternative names: otherName 1.3.6.1.4.1.311.20.2.3.
func upnName(c certificate) string {
	for _, e := range c.Extensions {
		if e.Id.String() != "2.5.29.17" {
			continue
		}
		var names []asn1.RawValue
		if _, err := asn1.Unmarshal(e.Value, &names); err != nil {
			return ""
		}
		for _, n := range names {
			if n.Class != asn1.ClassContextSpecific || n.Tag != 0 {
				continue
			}
			var id asn1.ObjectIdentifier
			rest, err := asn1.Unmarshal(n.Bytes, &id)
			if err != nil || id.String() != "1.3.6.1.4.1.311.20.2.3" {
				continue
			}
			var value asn1.RawValue
			var text string
			if _, err := asn1.Unmarshal(rest, &value); err != nil {
				continue
			}
			if _, err := asn1.UnmarshalWithParams(value.Bytes, &text, "utf8"); err == nil {
				return text
			}
		}
	}
	return ""
}
