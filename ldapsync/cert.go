package ldapsync

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// A CertState says what the certificates of a computer object mean for hybrid join.
type CertState uint8

// The states, best last. A computer with several certificates has the best of their states.
const (
	CertNone       CertState = iota // userCertificate holds nothing: Automatic-Device-Join has not run yet
	CertUnreadable                  // userCertificate holds values, none of which parses
	CertForeign                     // none has the subject CN=<objectGUID>: enterprise PKI, or a copied object
	CertExpired                     // one has the subject, but its time is over or has not come
	CertValid                       // one parses, is in date and has the subject
)

var certStates = [...]string{"no certificate", "unreadable certificate", "foreign certificate", "certificate out of date", "valid certificate"}

// String describes the state in words.
func (c CertState) String() string {
	if int(c) >= len(certStates) {
		return fmt.Sprintf("CertState(%d)", uint8(c))
	}
	return certStates[c]
}

// sourceCertRule is where the three demands on the certificate are written down.
const sourceCertRule = `Microsoft, "Understanding Microsoft Entra Connect 1.4.xx.x and device disappearance"`

// HybridJoinCertificates examines the userCertificate values of a computer as Microsoft Entra Connect (formerly
// Azure AD Connect) does since 1.4: a certificate counts if it parses, is in date at now, and its subject is
// CN=<objectGUID> or CN={<objectGUID>} of the *source* object. It returns the best state, the certificates that
// count, and a sentence of evidence.
func HybridJoinCertificates(id GUID, values []string, now time.Time) (state CertState, valid []string, evidence string) {
	if len(values) == 0 {
		return CertNone, nil, "userCertificate is absent: the Automatic-Device-Join task has not written it yet"
	}
	state, evidence = CertUnreadable, fmt.Sprintf("none of %d userCertificate values parses", len(values))
	want := id.String()
	for _, v := range values {
		c, err := x509.ParseCertificate([]byte(v))
		if err != nil {
			continue
		}
		cn := strings.TrimSuffix(strings.TrimPrefix(c.Subject.CommonName, "{"), "}")
		switch {
		case !strings.EqualFold(cn, want):
			if state < CertForeign {
				state, evidence = CertForeign, fmt.Sprintf("no certificate has the subject CN=%s (found CN=%s)", want, clip(c.Subject.CommonName))
			}
		case now.After(c.NotAfter):
			if state < CertExpired {
				state, evidence = CertExpired, "the certificate expired on "+c.NotAfter.UTC().Format(time.RFC3339)
			}
		case now.Before(c.NotBefore):
			if state < CertExpired {
				state, evidence = CertExpired, "the certificate is not valid before "+c.NotBefore.UTC().Format(time.RFC3339)
			}
		default:
			if state < CertValid {
				state, evidence = CertValid, "a certificate for this device is valid until "+c.NotAfter.UTC().Format(time.RFC3339)
			}
			valid = append(valid, v)
		}
	}
	return state, valid, evidence
}

// HybridJoinCertificate is the scope condition for devices: a valid certificate by HybridJoinCertificates. A
// device that fails it is held and reported: it is not created, and one that is already synchronised stays.
// Entra Connect deletes such a device; Leaves(HybridJoinCertificate()) does as it does.
func HybridJoinCertificate() Condition {
	return Condition{
		ID: "hybrid-join-certificate", From: []string{"userCertificate"}, Source: sourceCertRule,
		Doc: "userCertificate parses, is in date, subject CN=objectGUID",
		Test: func(in Inputs) (bool, string) {
			state, _, evidence := HybridJoinCertificates(in.ID(), in.All("userCertificate"), in.Now())
			return state == CertValid, evidence
		},
	}
}

// JoinCertificates sets the certificates that count by HybridJoinCertificates, and leaves enterprise certificates
// behind. Where none counts the target is left alone: the scope condition holds the device anyway.
func JoinCertificates(to string) Rule {
	return Rule{
		To: to, From: []string{"userCertificate"}, Source: sourceCertRule, Doc: "the device's hybrid-join certificates",
		Value: func(in Inputs) (Result, error) {
			_, valid, evidence := HybridJoinCertificates(in.ID(), in.All("userCertificate"), in.Now())
			if len(valid) == 0 {
				return Skip(evidence), nil
			}
			return Set(valid...), nil
		},
	}
}
