// Package dsregtest builds output of dsregcmd for tests: start from a named
// healthy state, change the rows the test is about, and render the report in the
// layout and encoding of a build or of a careless paste.
//
//	st := dsregtest.New(dsregtest.Hybrid).
//		Set("SSO State", "AzureAdPrt", "NO").
//		Status(t)
//
// All names in the reports are made up (Ashdown Vale, ashdown.example). The
// package does not check that a report is one the program could print; that
// freedom is what tests of contradictions need.
package dsregtest

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.internal/hybridkit/dsreg"
)

// A State names a healthy report to start from.
type State int

// The states. Each report has the rows of a Windows 11 24H2 capture by an
// ordinary user at the console.
const (
	Empty      State = iota // no section at all
	Hybrid                  // Microsoft Entra hybrid joined
	Entra                   // Microsoft Entra joined
	Domain                  // joined to Active Directory only, with the pre-join tests, all passed
	Registered              // workgroup computer with one work account
	Workgroup               // joined to nothing
	DRS                     // registered with an AD FS device registration service
)

// Values that the reports share, for use in expectations.
const (
	TenantID   = "4d1c2f6e-8a53-4b7e-9c21-6f0a5e7b1d38"
	TenantName = "Ashdown Vale Trust"
	DeviceID   = "b7e0c9d4-15a2-4f63-8e9b-2c4d7a10f5e6"
	Domain1    = "ASHDOWN"
	Computer   = "AV-LT-0417"
	UPN        = "r.okafor@ashdown.example"
	// ClientTime is the capture's clock in reports that print one; the tokens of the others were renewed an hour before it.
	ClientTime = "2026-03-04 09:30:00.000 UTC"
)

// A row is one line; an empty label is a blank line.
type row struct{ label, value string }

type section struct {
	title string
	rows  []row
}

// A Report is a report under construction. Its methods change it and return it.
// The zero Report is empty. A Report is not safe for concurrent use.
type Report struct {
	sections []section
	preface  []string
	footer   bool
}

// New returns the healthy report of a state.
func New(s State) *Report {
	r := &Report{footer: s != Empty}
	device := func(entra, enterprise, domain string) {
		r.add("Device State", "AzureAdJoined", entra, "EnterpriseJoined", enterprise, "DomainJoined", domain)
		name := Computer
		if domain == "YES" {
			r.add("Device State", "DomainName", Domain1)
			name += ".ashdown.example"
		}
		r.add("Device State", "Virtual Desktop", "NOT SET", "Device Name", name)
	}
	switch s {
	case Hybrid:
		device("YES", "NO", "YES")
		r.joined()
		r.user("YES")
		r.token("YES")
		r.post(Domain1 + `\r.okafor, ` + UPN)
		r.proxy()
		r.hello("YES", "YES")
	case Entra:
		device("YES", "NO", "NO")
		r.joined()
		r.user("YES")
		r.token("YES")
		r.post(`AzureAD\RuthOkafor, ` + UPN)
		r.proxy()
		r.hello("YES", "YES")
	case DRS:
		device("NO", "YES", "YES")
		r.joined()
		r.Remove("Device Details", "DeviceAuthStatus")
		r.user("NO")
		r.token("NO")
		r.post(Domain1 + `\r.okafor, ` + UPN)
		r.proxy()
		r.hello("NO", "NO")
	case Domain:
		device("NO", "NO", "YES")
		r.user("NO")
		r.token("NO")
		r.add("Diagnostic Data", "Diagnostics Reference", "www.microsoft.com/aadjerrors", "User Context", "UN-ELEVATED User", "Client Time", ClientTime,
			"AD Connectivity Test", "PASS", "AD Configuration Test", "PASS", "DRS Discovery Test", "PASS", "DRS Connectivity Test", "PASS",
			"Kerberos Ticket Test", "PASS", "Token acquisition Test", "SKIPPED", "Fallback to Sync-Join", "ENABLED", "Fallback to Fed-Join", "ENABLED", "", "",
			"Executing Account Name", Domain1+`\r.okafor, `+UPN)
		r.proxy()
		r.hello("NO", "NO")
	case Registered:
		device("NO", "NO", "NO")
		r.user("NO")
		r.Set("User State", "WorkplaceJoined", "YES")
		r.InsertAfter("User State", "WorkplaceJoined", "WorkAccountCount", "1")
		r.token("NO")
		r.WorkAccount(1)
		r.proxy()
		r.hello("NO", "NO")
	case Workgroup:
		device("NO", "NO", "NO")
		r.user("NO")
		r.token("NO")
		r.proxy()
		r.hello("NO", "NO")
	}
	return r
}

func (r *Report) joined() {
	base := "https://login.microsoftonline.com/" + TenantID + "/oauth2/"
	drs := "https://enterpriseregistration.windows.net/"
	urn := "urn:ms-drs:enterpriseregistration.windows.net"
	r.add("Device Details", "DeviceId", DeviceID, "Thumbprint", "5C0F1A7E92B34D6688E1A0C4F3275B9D1E64A802",
		"DeviceCertificateValidity", "[ 2025-06-02 07:11:05.000 UTC -- 2035-06-02 07:41:05.000 UTC ]", "KeyContainerId", "0f9d3b52-77c4-4e18-a6b0-d15e48c2f970",
		"KeyProvider", "Microsoft Platform Crypto Provider", "TpmProtected", "YES", "DeviceAuthStatus", "SUCCESS")
	r.add("Tenant Details", "TenantName", TenantName, "TenantId", TenantID, "AuthCodeUrl", base+"authorize", "AccessTokenUrl", base+"token",
		"MdmUrl", "", "MdmTouUrl", "", "MdmComplianceUrl", "", "SettingsUrl", "",
		"JoinSrvVersion", "2.0", "JoinSrvUrl", drs+"EnrollmentServer/device/", "JoinSrvId", urn,
		"KeySrvVersion", "1.0", "KeySrvUrl", drs+"EnrollmentServer/key/", "KeySrvId", urn,
		"WebAuthNSrvVersion", "1.0", "WebAuthNSrvUrl", drs+"webauthn/"+TenantID+"/", "WebAuthNSrvId", urn,
		"DeviceManagementSrvVer", "1.0", "DeviceManagementSrvUrl", drs+"manage/"+TenantID+"/", "DeviceManagementSrvId", urn)
}

func (r *Report) user(wam string) {
	r.add("User State", "NgcSet", "NO", "WorkplaceJoined", "NO", "WamDefaultSet", wam)
	if wam == "YES" {
		r.add("User State", "WamDefaultAuthority", "organizations", "WamDefaultId", "https://login.microsoft.com",
			"WamDefaultGUID", "{B16898C6-A148-4967-9171-64D755DA8520} (AzureAd)")
	}
}

func (r *Report) token(prt string) {
	if prt != "YES" {
		r.add("SSO State", "AzureAdPrt", "NO", "AzureAdPrtAuthority", "NO", "EnterprisePrt", "NO", "EnterprisePrtAuthority", "NO")
		return
	}
	r.add("SSO State", "AzureAdPrt", "YES", "AzureAdPrtUpdateTime", "2026-03-04 08:30:00.000 UTC", "AzureAdPrtExpiryTime", "2026-03-18 08:30:00.000 UTC",
		"AzureAdPrtAuthority", "https://login.microsoftonline.com/"+TenantID, "EnterprisePrt", "NO", "EnterprisePrtAuthority", "",
		"OnPremTgt", "NO", "CloudTgt", "YES", "KerbTopLevelNames", ".windows.net,.windows.net:1433,.windows.net:3342,.azure.net,.azure.net:1433,.azure.net:3342")
}

func (r *Report) post(account string) {
	r.add("Diagnostic Data", "AadRecoveryEnabled", "NO", "Executing Account Name", account, "KeySignTest", "PASSED", "", "",
		"DisplayNameUpdated", "YES", "OsVersionUpdated", "YES", "HostNameUpdated", "YES", "", "", "Last HostName Update", "NONE")
}

func (r *Report) proxy() {
	r.add("IE Proxy Config for Current User", "Auto Detect Settings", "YES", "Auto-Configuration URL", "", "Proxy Server List", "", "Proxy Bypass List", "")
	r.add("WinHttp Default Proxy Config", "Access Type", "DIRECT")
}

func (r *Report) hello(joined, user string) {
	r.add("Ngc Prerequisite Check", "IsDeviceJoined", joined, "IsUserAzureAD", user, "PolicyEnabled", joined, "PostLogonEnabled", "YES",
		"DeviceEligible", "YES", "SessionIsNotRemote", "YES", "CertEnrollment", "none")
	if joined == "YES" {
		r.add("Ngc Prerequisite Check", "OnPremTGT", "YES", "PreReqResult", "WillProvision")
	} else {
		r.add("Ngc Prerequisite Check", "PreReqResult", "WillNotProvision")
	}
}

// WorkAccount adds the box "Work Account n" after "SSO State".
func (r *Report) WorkAccount(n int) *Report {
	return r.Section("Work Account "+strconv.Itoa(n),
		"WorkplaceDeviceId", "e3a8145c-0b6d-4f27-b9c1-70d25f8e64a"+strconv.Itoa(n%10), "WorkplaceThumbprint", "77A0C3E5F19B2D486A5C0E7F3B91D2486C5A0E7F",
		"DeviceCertificateValidity", "[ 2025-09-10 10:00:00.000 UTC -- 2035-09-10 10:30:00.000 UTC ]", "KeyContainerId", "9d02c7b4-53fe-4a81-8c6d-1e94b3a7f025",
		"KeyProvider", "Microsoft Platform Crypto Provider", "TpmProtected", "YES", "WorkplaceTenantId", TenantID, "WorkplaceTenantName", TenantName,
		"WorkplaceMdmUrl", "", "WorkplaceSettingsUrl", "", "NgcSet", "NO")
}

// order is the print order of sections.
var order = []string{"Device State", "Device Details", "Tenant Details", "User State", "SSO State", "Work Account", "Diagnostic Data",
	"IE Proxy Config for System Account", "URL Specific Proxy Config", "IE Proxy Config for Current User", "WinHttp Default Proxy Config",
	"Ngc Prerequisite Check", "Virtual Desktop Settings"}

func rank(title string) int {
	for i, t := range order {
		if t == title || t == "Work Account" && strings.HasPrefix(title, t) {
			return i
		}
	}
	return len(order)
}

func (r *Report) find(title string) *section {
	for i := range r.sections {
		if r.sections[i].title == title {
			return &r.sections[i]
		}
	}
	return nil
}

func (r *Report) add(title string, kv ...string) {
	s := r.find(title)
	if s == nil {
		at := len(r.sections)
		for at > 0 && rank(r.sections[at-1].title) > rank(title) {
			at--
		}
		r.sections = slices.Insert(r.sections, at, section{title: title})
		s = &r.sections[at]
	}
	for i := 0; i+1 < len(kv); i += 2 {
		s.rows = append(s.rows, row{kv[i], kv[i+1]})
	}
}

// Section appends rows to a section, which it puts at its place in the print
// order if it is new. Labels and values alternate; an empty label is a blank line.
func (r *Report) Section(title string, kv ...string) *Report {
	r.add(title, kv...)
	return r
}

// Set changes the value of the first row with this label, or appends the row.
func (r *Report) Set(title, label, value string) *Report {
	if s := r.find(title); s != nil {
		for i := range s.rows {
			if s.rows[i].label == label {
				s.rows[i].value = value
				return r
			}
		}
	}
	r.add(title, label, value)
	return r
}

// InsertAfter puts rows behind the first row with this label, or at the end.
func (r *Report) InsertAfter(title, after string, kv ...string) *Report {
	s := r.find(title)
	if s == nil {
		return r.Section(title, kv...)
	}
	at := len(s.rows)
	for i := range s.rows {
		if s.rows[i].label == after {
			at = i + 1
			break
		}
	}
	for i := 0; i+1 < len(kv); i += 2 {
		s.rows = slices.Insert(s.rows, at, row{kv[i], kv[i+1]})
		at++
	}
	return r
}

// Remove takes out rows by label.
func (r *Report) Remove(title string, labels ...string) *Report {
	if s := r.find(title); s != nil {
		s.rows = slices.DeleteFunc(s.rows, func(x row) bool { return slices.Contains(labels, x.label) })
	}
	return r
}

// RemoveSection takes out whole sections.
func (r *Report) RemoveSection(titles ...string) *Report {
	r.sections = slices.DeleteFunc(r.sections, func(s section) bool { return slices.Contains(titles, s.title) })
	return r
}

// Preface adds lines before the report: a prompt, a banner, messages of /debug.
func (r *Report) Preface(lines ...string) *Report {
	r.preface = append(r.preface, lines...)
	return r
}

// Status renders the report as UTF-8 and parses it. It stops the test if that fails.
func (r *Report) Status(tb testing.TB) *dsreg.Status {
	tb.Helper()
	st, err := dsreg.ParseString(r.String())
	if err != nil {
		tb.Fatalf("dsregtest: the report does not parse: %v", err)
	}
	return st
}

// String renders the report as a current build prints it, in UTF-8 with LF.
func (r *Report) String() string { return string(r.Render(Format{})) }
