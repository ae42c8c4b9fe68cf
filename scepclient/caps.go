package scepclient

import (
	"slices"
	"strings"
)

// Capability keywords of RFC 8894, 3.5.2.
const (
	CapAES           = "AES"
	CapDES3          = "DES3"
	CapGetNextCACert = "GetNextCACert"
	CapPOST          = "POSTPKIOperation"
	CapRenewal       = "Renewal"
	CapSHA1          = "SHA-1"
	CapSHA256        = "SHA-256"
	CapSHA512        = "SHA-512"
	CapStandard      = "SCEPStandard"
)

var knownCaps = []string{CapAES, CapDES3, CapGetNextCACert, CapPOST, CapRenewal, CapSHA1, CapSHA256, CapSHA512, CapStandard}

// maxCaps bounds the keywords kept from a reply; RFC 8894 defines nine.
const maxCaps = 128

// Capabilities is what a CA said it can do. GetCACaps is not authenticated (RFC 8894, 7.5): someone on the
// path may have removed keywords, which is why a [Policy] decides and this only informs.
// The zero value is a CA that said nothing.
type Capabilities struct {
	// Keywords are the tokens as sent, in order, unknown ones included.
	Keywords []string `json:"keywords"`
	// HTTPStatus is the status of a GetCACaps that failed, 0 when it succeeded or the connection was closed.
	// A failure means "none of them" (RFC 8894, 3.5.2), not a broken server.
	HTTPStatus int `json:"httpStatus,omitempty"`
	// Assumed is true when Keywords came from Policy.AssumeCapabilities because the CA said nothing.
	Assumed bool `json:"assumed,omitempty"`
}

// ParseCapabilities reads a GetCACaps reply: one keyword a line, LF or CR LF. It cannot fail; lines that
// are no keyword (an HTML page) are dropped.
func ParseCapabilities(b []byte) Capabilities {
	var c Capabilities
	for line := range strings.Lines(string(b[:min(len(b), 16<<10)])) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" || len(line) > 64 || strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' }) {
			continue
		}
		if len(c.Keywords) < maxCaps {
			c.Keywords = append(c.Keywords, line)
		}
	}
	return c
}

// Has reports whether the CA advertised keyword, comparing whole tokens without regard to case.
// SCEPStandard stands for AES, POSTPKIOperation and SHA-256 as well (RFC 8894, 3.5.2).
func (c Capabilities) Has(keyword string) bool {
	has := func(k string) bool {
		return slices.ContainsFunc(c.Keywords, func(s string) bool { return strings.EqualFold(s, k) })
	}
	if has(keyword) {
		return true
	}
	switch strings.ToUpper(keyword) {
	case "AES", "POSTPKIOPERATION", "SHA-256":
		return has(CapStandard)
	}
	return false
}

// Unknown returns the keywords RFC 8894 does not define, such as the Update of older drafts.
func (c Capabilities) Unknown() []string {
	var out []string
	for _, k := range c.Keywords {
		if !slices.ContainsFunc(knownCaps, func(s string) bool { return strings.EqualFold(s, k) }) {
			out = append(out, k)
		}
	}
	return out
}

// String returns the keywords separated by spaces, or "none".
func (c Capabilities) String() string {
	if len(c.Keywords) == 0 {
		return "none"
	}
	return strings.Join(c.Keywords, " ")
}
