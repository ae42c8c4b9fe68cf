package intune

import (
	"crypto/x509"
	"fmt"
	"strings"

	"go.internal/hybridkit/scepclient/ndes"
)

// A Severity ranks findings.
type Severity string

// The severities.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// A Finding is what one rule saw in one profile.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Profile  string   `json:"profile"` // display name, or ID
	Evidence string   `json:"evidence"`
	Remedy   string   `json:"remedy,omitempty"`
	Source   string   `json:"source"`
}

// An Estate is what the rules need to know beyond the profiles. The zero Estate knows nothing, and rules that need it
// stay quiet.
type Estate struct {
	// Join is how the devices are joined that the profiles are assigned to.
	Join JoinState
	// StrongMapping says that the certificates authenticate to Active Directory (NPS, VPN, RDP, LDAP), whose domain
	// controllers enforce strong mapping (KB5014754).
	StrongMapping bool
}

// A Rule is one check. Rules are data: Lint runs those of Rules, LintWith the slice it is given.
type Rule struct {
	ID     string // stable; findings can be suppressed by it
	Title  string
	Source string // document it rests on
	check  func(*pass)
}

// A pass is one rule over one profile.
type pass struct {
	rule   Rule
	p      *Profile
	docs   *Documents
	estate Estate
	out    *[]Finding
}

func (l *pass) report(s Severity, remedy, format string, args ...any) {
	name := l.p.DisplayName
	if name == "" {
		name = l.p.ID
	}
	if name == "" {
		name = "(unnamed)"
	}
	*l.out = append(*l.out, Finding{l.rule.ID, s, name, fmt.Sprintf(format, args...), remedy, l.rule.Source})
}

// Lint checks every SCEP profile of docs with all rules, in the order of profiles, then rules.
func Lint(docs *Documents, estate Estate) []Finding { return LintWith(docs, estate, Rules()) }

// LintWith is Lint with a choice of rules.
func LintWith(docs *Documents, estate Estate, rules []Rule) []Finding {
	var out []Finding
	for _, p := range docs.SCEP {
		for _, r := range rules {
			r.check(&pass{r, p, docs, estate, &out})
		}
	}
	return out
}

// keyUsage turns the flags into key usage bits.
func keyUsage(p *Profile) (u x509.KeyUsage) {
	for _, k := range p.KeyUsage {
		switch k {
		case "digitalSignature":
			u |= x509.KeyUsageDigitalSignature
		case "keyEncipherment":
			u |= x509.KeyUsageKeyEncipherment
		}
	}
	return u
}

// TemplateValue returns the NDES registry value that names the certificate template for the profile's key usage.
func (p *Profile) TemplateValue() ndes.TemplateValue { return ndes.TemplateFor(keyUsage(p)) }

// validityDays is the validity in days, months as 30 and years as 365, 0 if the profile does not say.
func validityDays(p *Profile) int {
	n := p.CertificateValidityPeriodValue
	switch strings.ToLower(p.CertificateValidityPeriodScale) {
	case "days":
		return n
	case "months":
		return n * 30
	case "years":
		return n * 365
	}
	return 0
}
