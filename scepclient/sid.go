package scepclient

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// sidPrefix is what Intune writes before the SID in a URI SAN (KB5014754).
const sidPrefix = "tag:microsoft.com,2022-09-14:sid:"

// OIDSIDExtension is szOID_NTDS_CA_SECURITY_EXT, the extension AD CS itself puts the requester's SID into
// (KB5014754). A CA does not take it from a SCEP request unless it is told to.
var OIDSIDExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2}

var oidSIDName = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 25, 2, 1}

var sidText = regexp.MustCompile(`^S-1-(0x[0-9A-Fa-f]{1,12}|[0-9]{1,15})(-[0-9]{1,10}){1,15}$`)

// SIDURI returns the URI SAN for strong certificate mapping by SID: tag:microsoft.com,2022-09-14:sid:SID.
func SIDURI(sid string) (string, error) {
	sid = strings.ToUpper(strings.TrimSpace(sid))
	if !sidText.MatchString(sid) {
		return "", fmt.Errorf("scepclient: %q is not a SID", sid)
	}
	return sidPrefix + sid, nil
}

// SIDs returns the SIDs in c: those of URI SANs and that of the AD CS extension 1.3.6.1.4.1.311.25.2, each once.
// The inner structure of the extension (otherName with an OCTET STRING of text) is as observed, not from a
// specification; an extension of another shape is skipped.
func SIDs(c *x509.Certificate) []string {
	var out []string
	add := func(s string) {
		s = strings.ToUpper(s)
		if sidText.MatchString(s) && !strings.Contains("\n"+strings.Join(out, "\n")+"\n", "\n"+s+"\n") {
			out = append(out, s)
		}
	}
	for _, u := range c.URIs {
		if s := u.String(); len(s) > len(sidPrefix) && strings.EqualFold(s[:len(sidPrefix)], sidPrefix) {
			add(s[len(sidPrefix):])
		}
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(OIDSIDExtension) {
			add(sidFromExtension(e.Value))
		}
	}
	return out
}

func sidFromExtension(der []byte) string {
	s := cryptobyte.String(der)
	var names, other, explicit, text cryptobyte.String
	var oid asn1.ObjectIdentifier
	tag0 := cbasn1.Tag(0).ContextSpecific().Constructed()
	if !s.ReadASN1(&names, cbasn1.SEQUENCE) || !names.ReadASN1(&other, tag0) ||
		!other.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidSIDName) ||
		!other.ReadASN1(&explicit, tag0) || !explicit.ReadASN1(&text, cbasn1.OCTET_STRING) {
		return ""
	}
	return string(text)
}
