package comgmt

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Ids of the checks of [Preflight].
const (
	CheckEnrolmentCNAME    = "enrolment-cname"
	CheckRegistrationCNAME = "registration-cname"
	CheckMDMDiscovery      = "mdm-discovery-url"
	CheckMDMTerms          = "mdm-terms-url"
	CheckMDMCompliance     = "mdm-compliance-url"
	CheckMDMScope          = "mdm-user-scope"
	CheckUPNSuffix         = "upn-suffix"
	CheckUPNMissing        = "upn-missing"
	CheckConnectionPoint   = "service-connection-point"
	CheckClientSetting     = "client-setting"
	CheckMDMAuthority      = "mdm-authority"
)

const srcCNAME = "Create CNAME records for Windows enrollment"

var preflightChecks = [...]Check{
	{CheckEnrolmentCNAME, "EnterpriseEnrollment of every UPN suffix leads to Intune.", "Create EnterpriseEnrollment.SUFFIX as CNAME of EnterpriseEnrollment-s.manage.microsoft.com (manage.microsoft.us for US Government), TTL one hour; it may take 72 hours to be seen everywhere.", srcCNAME},
	{CheckRegistrationCNAME, "EnterpriseRegistration of every UPN suffix leads to Entra ID.", "Create EnterpriseRegistration.SUFFIX as CNAME of EnterpriseRegistration.windows.net if devices register or conditional access is used.", srcCNAME},
	{CheckMDMDiscovery, "The MDM discovery URL is Intune's.", "Choose \"Restore default MDM URLs\" under Mobility (MDM and MAM), Microsoft Intune.", "public scripts and runbooks that agree; Create CNAME records for Windows enrollment"},
	{CheckMDMTerms, "The MDM terms of use URL is Intune's.", "Choose \"Restore default MDM URLs\" under Mobility (MDM and MAM), Microsoft Intune.", srcWinErrors},
	{CheckMDMCompliance, "The MDM compliance URL is Intune's.", "Choose \"Restore default MDM URLs\" under Mobility (MDM and MAM), Microsoft Intune.", "public scripts and runbooks that agree"},
	{CheckMDMScope, "The MDM user scope includes the users.", "Set the MDM user scope to Some, with a group, or to All.", srcWinErrors},
	{CheckUPNSuffix, "Users sign in with a suffix that is a verified domain.", "Add and verify the domain in Entra ID, or give the users a UPN with a verified suffix.", srcWinErrors + "; guide for hybrid MDM, user principal names"},
	{CheckUPNMissing, "Every user has a user principal name.", "Give the user a UPN with a verified suffix.", "guide for hybrid MDM, user principal names"},
	{CheckConnectionPoint, "The service connection point is online.", "Set the service connection point to online mode.", "Plan for the cloud management gateway, requirements"},
	{CheckClientSetting, "Client settings let clients use the cloud.", "Change the setting in the client settings that are deployed to these devices.", "About client settings; Set-CMClientSettingCloudService"},
	{CheckMDMAuthority, "The MDM authority is Intune.", "Change the MDM authority to Intune; hybrid MDM ended on 1 September 2019.", "What happened to hybrid MDM"},
}

// A MDMScope is the MDM user scope of the Microsoft Intune app in Entra ID. The zero MDMScope is not known.
type MDMScope uint8

const (
	ScopeUnknown MDMScope = iota
	ScopeNone
	ScopeSome
	ScopeAll
)

var mdmScopeNames = [...]string{"unknown", "none", "some", "all"}

// String returns "unknown", "none", "some" or "all"; these are also the values in JSON.
func (s MDMScope) String() string { return nameOf(mdmScopeNames[:], int(s), "MDMScope") }

// MarshalText returns the name; it fails off the table.
func (s MDMScope) MarshalText() ([]byte, error) {
	return marshalName(mdmScopeNames[:], int(s), "MDMScope")
}

// UnmarshalText reads the name.
func (s *MDMScope) UnmarshalText(b []byte) error {
	return unmarshalName(mdmScopeNames[:], s, b, "MDM user scope")
}

// A ClientSettings holds the client settings co-management over the internet asks for, under the names the console
// shows. Unknown means the setting was not read.
type ClientSettings struct {
	AutoRegister       Tri // Cloud Services: Automatically register new Windows 10 domain joined devices with Azure Active Directory (AutoAADJoin)
	UseCMG             Tri // Cloud Services: Enable clients to use a cloud management gateway (AllowCMG)
	CloudDistribution  Tri // Cloud Services: Allow access to cloud distribution point (AllowCloudDP)
	InternetUserPolicy Tri // Client Policy: Enable user policy requests from internet clients
}

// A Precondition is what [Preflight] looks at. Every field may be left out; what is not given is reported as unknown or left out.
type Precondition struct {
	Domains  []string // UPN suffixes to check DNS for
	Resolver Resolver // nil: DNS is not checked
	// Automatic is true if devices enrol by themselves: then a missing EnterpriseEnrollment record is only a note.
	Automatic    bool
	USGovernment bool

	Suffixes []SuffixCount // from [CountSuffixes]
	// Verified are the verified domains of the tenant; nil: not known. See also [DecodeDomains].
	Verified []string

	DiscoveryURL, TermsURL, ComplianceURL *string // nil: not read
	Scope                                 MDMScope
	ConnectionPointOnline                 Tri
	// UsesCMG is true if a cloud management gateway is part of the plan; it makes its settings a requirement.
	UsesCMG  bool
	Settings ClientSettings
	// AuthorityIntune says whether the tenant's MDM authority is Intune.
	AuthorityIntune Tri
}

// Preflight checks what has to be in place before devices can enrol and be co-managed. It returns every outcome in the
// order of [Checks]. It stops early only if ctx ends, with what it has.
func Preflight(ctx context.Context, p Precondition) []Finding {
	var out []Finding
	add := func(id string, status Status, subject, message string, evidence ...string) {
		out = append(out, find(id, status, subject, message, evidence...))
	}
	for _, d := range p.Domains {
		p.checkCNAMEs(ctx, strings.ToLower(strings.Trim(strings.TrimSpace(d), ".")), add)
	}
	p.checkURLs(add)
	p.checkUPNs(add)
	p.checkSite(add)
	return inOrder(out)
}

func (p Precondition) checkCNAMEs(ctx context.Context, domain string, add addFinding) {
	if !validHost(domain) {
		add(CheckEnrolmentCNAME, StatusFailure, clip(domain), "It is not a routable DNS domain.")
		return
	}
	if p.Resolver == nil {
		add(CheckEnrolmentCNAME, StatusUnknown, "EnterpriseEnrollment."+domain, "DNS was not asked.")
		add(CheckRegistrationCNAME, StatusUnknown, "EnterpriseRegistration."+domain, "DNS was not asked.")
		return
	}
	host := "enterpriseenrollment." + domain
	if got, err := p.Resolver.CNAME(ctx, host); err != nil {
		add(CheckEnrolmentCNAME, StatusUnknown, host, "DNS did not answer.", dnsReason(err))
	} else {
		status, message := judgeEnrolmentCNAME(got, p.Automatic, p.USGovernment)
		add(CheckEnrolmentCNAME, status, host, message, evidenceOf("found: ", got)...)
	}
	host = "enterpriseregistration." + domain
	got, err := p.Resolver.CNAME(ctx, host)
	switch target := normalHost(got); {
	case err != nil:
		add(CheckRegistrationCNAME, StatusUnknown, host, "DNS did not answer.", dnsReason(err))
	case target == "":
		add(CheckRegistrationCNAME, StatusInfo, host, "There is no record; it is needed if devices register or conditional access is used.")
	case target == "enterpriseregistration.windows.net":
		add(CheckRegistrationCNAME, StatusPass, host, "It leads to Entra ID.", evidenceOf("found: ", got)...)
	default:
		add(CheckRegistrationCNAME, StatusFailure, host, "It leads elsewhere.", evidenceOf("found: ", got)...)
	}
}

// judgeEnrolmentCNAME judges the target of EnterpriseEnrollment; "" is no record.
func judgeEnrolmentCNAME(target string, automatic, government bool) (Status, string) {
	cloud, other := "manage.microsoft.com", "manage.microsoft.us"
	if government {
		cloud, other = other, cloud
	}
	switch normalHost(target) {
	case "":
		if automatic {
			return StatusInfo, "There is no record; with automatic enrolment it is not needed."
		}
		return StatusWarning, "There is no record: users have to type the server's name, enrollment." + cloud + "."
	case "enterpriseenrollment-s." + cloud:
		return StatusPass, "It leads to Intune."
	case "enterpriseenrollment." + cloud, cloud:
		return StatusWarning, "It leads to Intune, but users are asked to confirm: the host with -s is the one to use."
	case "enterpriseenrollment-s." + other, "enterpriseenrollment." + other, other:
		return StatusFailure, "It leads to the other cloud (public and US Government are separate)."
	}
	return StatusFailure, "It leads elsewhere; a redirect through another host is not supported."
}

func normalHost(s string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
}

func evidenceOf(label, value string) []string {
	if value == "" {
		return nil
	}
	return []string{label + clip(value)}
}

func (p Precondition) checkURLs(add addFinding) {
	tld := "com"
	if p.USGovernment {
		tld = "us"
	}
	enrolment := "enrollment.manage.microsoft." + tld
	portal := "portal.manage.microsoft." + tld
	for _, u := range [...]struct {
		id, subject string
		got         *string
		want        string
		old         string // accepted with a note
	}{
		{CheckMDMDiscovery, "MDM discovery URL", p.DiscoveryURL, "https://" + enrolment + "/enrollmentserver/discovery.svc", "https://enterpriseenrollment-s.manage.microsoft." + tld + "/enrollmentserver/discovery.svc"},
		{CheckMDMTerms, "MDM terms of use URL", p.TermsURL, "https://" + portal + "/TermsofUse.aspx", ""},
		{CheckMDMCompliance, "MDM compliance URL", p.ComplianceURL, "https://" + portal + "/?portalAction=Compliance", ""},
	} {
		switch {
		case u.got == nil:
			continue
		case *u.got == "":
			add(u.id, StatusFailure, u.subject, "It is empty.", "want: "+u.want)
		case sameURL(*u.got, u.want):
			add(u.id, StatusPass, u.subject, "It is Intune's.", "found: "+clip(*u.got))
		case u.old != "" && sameURL(*u.got, u.old):
			add(u.id, StatusWarning, u.subject, "It is the one of 2016; today's is another.", "want: "+u.want, "found: "+clip(*u.got))
		default:
			add(u.id, StatusFailure, u.subject, "It is not Intune's.", "want: "+u.want, "found: "+clip(*u.got))
		}
	}
	switch p.Scope {
	case ScopeNone:
		add(CheckMDMScope, StatusFailure, "MDM user scope", "It is None: enrolment ends with 0x8018002B.")
	case ScopeSome:
		add(CheckMDMScope, StatusInfo, "MDM user scope", "It is Some: only members of its groups can enrol.")
	case ScopeAll:
		add(CheckMDMScope, StatusPass, "MDM user scope", "It is All.")
	}
}

// sameURL compares scheme, host, path and query without case; a final slash of the path does not count.
func sameURL(a, b string) bool {
	x, err := url.Parse(strings.TrimSpace(a))
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	if err != nil {
		return false
	}
	trim := func(u *url.URL) string { return strings.TrimSuffix(u.Path, "/") }
	return strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Host, y.Host) && x.User == nil &&
		strings.EqualFold(trim(x), trim(y)) && strings.EqualFold(x.RawQuery, y.RawQuery)
}

func (p Precondition) checkUPNs(add addFinding) {
	for _, s := range p.Suffixes {
		count := fmt.Sprintf("%d users", s.Users)
		switch s.Class(p.Verified) {
		case SuffixMissing:
			add(CheckUPNMissing, StatusFailure, "(no suffix)", "Users without a usable UPN cannot enrol.", append([]string{count}, s.Examples...)...)
		case SuffixVerified:
			add(CheckUPNSuffix, StatusPass, s.Suffix, "The suffix is a verified domain.", count)
		case SuffixUnverified:
			add(CheckUPNSuffix, StatusFailure, s.Suffix, "The suffix is not a verified domain: enrolment ends with 0x8018002B.", append([]string{count}, s.Examples...)...)
		case SuffixNonRoutable:
			add(CheckUPNSuffix, StatusFailure, s.Suffix, "The suffix cannot be verified, since it does not exist on the internet: enrolment ends with 0x8018002B.", append([]string{count}, s.Examples...)...)
		default:
			add(CheckUPNSuffix, StatusUnknown, s.Suffix, "The verified domains of the tenant were not given.", count)
		}
	}
}

func (p Precondition) checkSite(add addFinding) {
	switch p.ConnectionPointOnline {
	case Yes:
		add(CheckConnectionPoint, StatusPass, "service connection point", "It is online.")
	case No:
		add(CheckConnectionPoint, StatusFailure, "service connection point", "It is offline: the site cannot reach Intune or Azure.")
	}
	for _, s := range [...]struct {
		name     string
		got      Tri
		severity Status
		why      string
	}{
		{"Cloud Services: Automatically register new Windows 10 domain joined devices with Azure Active Directory", p.Settings.AutoRegister, StatusFailure, "domain-joined devices do not become hybrid joined by themselves."},
		{"Cloud Services: Enable clients to use a cloud management gateway", p.Settings.UseCMG, cmgSeverity(p.UsesCMG), "clients on the internet do not use the gateway."},
		{"Cloud Services: Allow access to cloud distribution point", p.Settings.CloudDistribution, cmgSeverity(p.UsesCMG), "clients on the internet get no content from the gateway."},
		{"Client Policy: Enable user policy requests from internet clients", p.Settings.InternetUserPolicy, StatusWarning, "user deployments do not reach users on the internet."},
	} {
		switch s.got {
		case Yes:
			add(CheckClientSetting, StatusPass, s.name, "It is Yes.")
		case No:
			add(CheckClientSetting, s.severity, s.name, "It is No: "+s.why)
		}
	}
	switch p.AuthorityIntune {
	case Yes:
		add(CheckMDMAuthority, StatusPass, "MDM authority", "It is Intune.")
	case No:
		add(CheckMDMAuthority, StatusFailure, "MDM authority", "It is not Intune: co-management cannot be enabled.")
	}
}

// cmgSeverity is how bad a client setting of the gateway is: a failure only where a gateway is planned, since
// co-management of devices on the internal network does not need one.
func cmgSeverity(used bool) Status {
	if used {
		return StatusFailure
	}
	return StatusInfo
}

// verifiedDomain reports whether suffix is one of the verified domains. A subdomain is a domain of its own to Entra ID
// unless it is listed.
func verifiedDomain(verified []string, suffix string) bool {
	return slices.ContainsFunc(verified, func(v string) bool { return normalHost(v) == suffix })
}
