package scepclient

import (
	"crypto"
	"fmt"
	"strconv"

	"go.internal/hybridkit/scepclient/internal/cms"
)

// A Cipher is a content cipher a request may be encrypted with.
type Cipher uint8

// The ciphers of requests. Single DES is not among them (RFC 8894, 2.9: MUST NOT).
const (
	AES128 Cipher = iota // AES-128-CBC, the zero value and what RFC 8894 makes mandatory
	AES256               // AES-256-CBC
	DES3                 // 3DES-CBC, what NDES reads
)

var cipherNames = [...]struct {
	name string
	cms  cms.Cipher
}{AES128: {"AES-128-CBC", cms.AES128CBC}, AES256: {"AES-256-CBC", cms.AES256CBC}, DES3: {"3DES-CBC", cms.TripleDESCBC}}

// String returns the usual name.
func (c Cipher) String() string {
	if int(c) < len(cipherNames) {
		return cipherNames[c].name
	}
	return "Cipher(" + strconv.Itoa(int(c)) + ")"
}

// A Digest is a digest a request may be signed with.
type Digest uint8

// The digests of requests. MD5 is not among them (RFC 8894, 2.9: MUST NOT).
const (
	SHA256 Digest = iota // the zero value
	SHA512
	SHA1
)

var digestNames = [...]struct {
	name string
	hash crypto.Hash
}{SHA256: {"SHA-256", crypto.SHA256}, SHA512: {"SHA-512", crypto.SHA512}, SHA1: {"SHA-1", crypto.SHA1}}

// String returns the usual name.
func (d Digest) String() string {
	if int(d) < len(digestNames) {
		return digestNames[d].name
	}
	return "Digest(" + strconv.Itoa(int(d)) + ")"
}

// ReplyPolicy says which algorithms a reply may use. A reply holds a public certificate, so a weak reply is
// another risk than a challenge sent under a weak cipher: the two have separate knobs.
type ReplyPolicy uint8

const (
	// ReplyStandard, the zero value, takes AES and 3DES with SHA-1 or better, and warns about 3DES and
	// SHA-1, which RFC 8894 (2.9) only tolerates. It refuses single DES.
	ReplyStandard ReplyPolicy = iota
	// ReplyLenient takes single DES too, with a warning. micromdm scepserver and a step-ca provisioner
	// without encryptionAlgorithmIdentifier always answer so.
	ReplyLenient
	// ReplyStrict takes AES with SHA-2 only. No NDES, micromdm scepserver or step-ca passes: all sign with SHA-1.
	ReplyStrict
)

var replyPolicies = [...]string{ReplyStandard: "standard", ReplyLenient: "lenient", ReplyStrict: "strict"}

// String returns standard, lenient or strict.
func (p ReplyPolicy) String() string {
	if int(p) < len(replyPolicies) {
		return replyPolicies[p]
	}
	return "ReplyPolicy(" + strconv.Itoa(int(p)) + ")"
}

// ParseReplyPolicy is the inverse of String.
func ParseReplyPolicy(s string) (ReplyPolicy, error) {
	for i, n := range replyPolicies {
		if n == s {
			return ReplyPolicy(i), nil
		}
	}
	return 0, fmt.Errorf("scepclient: reply policy %q is not standard, lenient or strict", s)
}

// A Policy decides algorithms, per call and without global state. The zero Policy sends AES-128-CBC and
// SHA-256 and takes replies by [ReplyStandard].
type Policy struct {
	// Cipher and Digest are used when the CA's capabilities do not rule them out. Setting DES3 or SHA1 here
	// has no effect; use the Allow fields.
	Cipher Cipher
	Digest Digest
	// AllowTripleDES lets a request use 3DES when the CA advertises DES3 and not AES, which is what NDES does.
	AllowTripleDES bool
	// AllowSHA1 lets a request be signed with SHA-1 when the CA advertises SHA-1 and neither SHA-256 nor SHA-512.
	AllowSHA1 bool
	// RequireSCEPStandard refuses a CA that does not advertise SCEPStandard: the answer to an attacker who
	// strips capabilities, where the CA is known to have it (RFC 8894, 7.5).
	RequireSCEPStandard bool
	// AssumeCapabilities stands in for GetCACaps when the CA answers it with nothing or an error, as old
	// NDES versions do.
	AssumeCapabilities []string
	// Reply is what is taken back.
	Reply ReplyPolicy
	// RejectChanged refuses an issued certificate whose subject, SAN, key usage or extended key usage is not
	// the requested one. Otherwise each difference is a Warning: a CA may well complete a subject.
	RejectChanged bool
}

// PolicyNDES returns the policy for NDES: 3DES where AES is not offered and SHA-1 where SHA-256 is not,
// both still only as far as the server's capabilities say so (reported NDES capabilities:
// POSTPKIOperation, Renewal, SHA-512, SHA-256, SHA-1, DES3).
func PolicyNDES() Policy { return Policy{AllowTripleDES: true, AllowSHA1: true} }

// A PolicyError says that a request was not sent because every way the CA offers is below the policy, or
// that the key cannot do what SCEP needs. Nothing has left the machine.
type PolicyError struct {
	What string // what is missing or too weak
	Do   string // what to change, "" if nothing helps
}

func (e *PolicyError) Error() string {
	if e.Do == "" {
		return "scepclient: not sent: " + e.What
	}
	return "scepclient: not sent: " + e.What + "; " + e.Do
}

// Is makes every PolicyError match ErrPolicy.
func (e *PolicyError) Is(target error) bool { return target == ErrPolicy }

// Choose returns the cipher and digest of requests to a CA with these capabilities, or a *PolicyError.
// When the CA says nothing about ciphers (or digests) the mandatory ones of RFC 8894 are used.
func (p Policy) Choose(caps Capabilities) (Cipher, Digest, error) {
	if p.RequireSCEPStandard && !caps.Has(CapStandard) {
		return 0, 0, &PolicyError{What: "the CA does not advertise SCEPStandard", Do: "find out whether someone strips GetCACaps, or clear RequireSCEPStandard"}
	}
	cipher := p.Cipher
	if cipher != AES256 {
		cipher = AES128
	}
	if !caps.Has(CapAES) && caps.Has(CapDES3) {
		if !p.AllowTripleDES {
			return 0, 0, &PolicyError{What: "the CA advertises DES3 but not AES", Do: "set Policy.AllowTripleDES (PolicyNDES does) if 3DES is acceptable for the challenge"}
		}
		cipher = DES3
	}
	digest := p.Digest
	if digest == SHA512 && caps.Has(CapSHA512) {
		return cipher, SHA512, nil
	}
	digest = SHA256
	if !caps.Has(CapSHA256) {
		switch {
		case caps.Has(CapSHA512):
			digest = SHA512
		case caps.Has(CapSHA1):
			if !p.AllowSHA1 {
				return 0, 0, &PolicyError{What: "the CA advertises SHA-1 but neither SHA-256 nor SHA-512", Do: "set Policy.AllowSHA1 if a request signed with SHA-1 is acceptable"}
			}
			digest = SHA1
		}
	}
	return cipher, digest, nil
}

// reply decides about the algorithms of a reply: warnings, or the reason to refuse it.
func (p Policy) reply(c cms.Cipher, h crypto.Hash) (warn []Warning, refuse string) {
	switch c {
	case cms.CipherUnknown: // no envelope: FAILURE and PENDING
	case cms.DESCBC:
		if p.Reply != ReplyLenient {
			return nil, "the reply is encrypted with single DES; set Policy.Reply to ReplyLenient to take it (micromdm scepserver, step-ca without encryptionAlgorithmIdentifier)"
		}
		warn = append(warn, Warning{WarnWeakReplyCipher, "the reply is encrypted with single DES"})
	case cms.TripleDESCBC:
		if p.Reply == ReplyStrict {
			return nil, "the reply is encrypted with 3DES"
		}
		warn = append(warn, Warning{WarnWeakReplyCipher, "the reply is encrypted with 3DES"})
	case cms.AES128GCM, cms.AES192GCM, cms.AES256GCM:
		warn = append(warn, Warning{WarnNonStandardReply, "the reply is " + c.String() + " in plain EnvelopedData, which RFC 8894 does not have"})
	}
	if h == crypto.SHA1 {
		if p.Reply == ReplyStrict {
			return nil, "the reply is signed with SHA-1"
		}
		warn = append(warn, Warning{WarnWeakReplyDigest, "the reply is signed with SHA-1"})
	}
	return warn, ""
}

// A Warning is something a caller may want to know about a certificate it received all the same.
type Warning struct {
	Code string `json:"code"` // one of the Warn constants; stable
	Text string `json:"text"`
}

// Codes of warnings.
const (
	WarnWeakReplyCipher  = "weak-reply-cipher"
	WarnWeakReplyDigest  = "weak-reply-digest"
	WarnNonStandardReply = "non-standard-reply"
	WarnUnpinned         = "ca-not-pinned"
	WarnCASkipped        = "ca-certificate-skipped"
	WarnChanged          = "issued-differs"
	WarnSeveral          = "several-certificates"
	WarnWeakRequest      = "weak-request"
)

// String returns "code: text".
func (w Warning) String() string { return w.Code + ": " + w.Text }
