package intune

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"go.internal/hybridkit/scepclient/ndes"
)

// Rules returns the rules, the caller's to select from.
func Rules() []Rule {
	return []Rule{
		{"resource-type", "The resource type is known", srcGraph, ruleType},
		{"enumeration", "Enumeration values are known", srcGraph, ruleEnums},
		{"ndes-template", "Key usage decides the certificate template", srcNDES, ruleTemplate},
		{"root-missing", "A trusted root profile is bound", srcProfile, ruleRoot},
		{"root-certificate", "The bound root profile holds a CA certificate in date", srcRootRule, ruleRootCertificate},
		{"root-assignment", "Root and SCEP profile are assigned to the same groups", srcProfile, ruleAssignment},
		{"key-size", "The key is long enough", srcProfile, ruleKeySize},
		{"key-storage", "Key size and key storage provider go together", srcProfile, ruleKSP},
		{"hash", "The hash is SHA-2", srcProfile, ruleHash},
		{"validity", "The validity is between five days and two years", srcProfile, ruleValidity},
		{"threshold", "The renewal threshold is between 1 and 99 per cent", srcProfile, ruleThreshold},
		{"url", "Server addresses are usable by the platform", srcNDES, ruleURL},
		{"subject", "The subject can be parsed, and Intune can compare it", srcProfile, ruleSubject},
		{"variable", "Variables are known and fit the certificate type and platform", srcProfile, ruleVariables},
		{"held", "Variables that hold the request are intended", srcProfile + "; holding: " + srcHybrid, ruleHeld},
		{"sid-uri", "The SID is in a URI entry of its own", srcProfile, ruleSID},
		{"strong-mapping", "Certificates for Active Directory hold a SID", srcKB, ruleStrongMapping},
		{"extended-key-usage", "Extended key usages are valid and honoured", srcProfile, ruleEKU},
		{"limits", "Lists are within Graph's limits", srcGraph, ruleLimits},
		{"android-chain", "Android devices need the issuing CA as well", srcAndroid, ruleAndroidChain},
	}
}

func ruleType(l *pass) {
	if l.p.Platform() == "" {
		l.report(Error, "Read the profile from the beta version of Microsoft Graph.", "@odata.type %q", l.p.ODataType)
	}
	if l.p.Platform() == WindowsPhone || l.p.Platform() == Windows10X {
		l.report(Info, "Remove the profile when no device is left.", "%s has no devices any more", l.p.Platform())
	}
}

// enums are the values of Graph's enumerations; unknownFutureValue may stand in any of them.
var enums = map[string][]string{
	"subjectNameFormat":              {"commonName", "commonNameIncludingEmail", "commonNameAsEmail", "custom", "commonNameAsIMEI", "commonNameAsSerialNumber", "commonNameAsAadDeviceId", "commonNameAsIntuneDeviceId", "commonNameAsDurableDeviceId"},
	"subjectAlternativeNameType":     {"none", "emailAddress", "userPrincipalName", "customAzureADAttribute", "domainNameService", "universalResourceIdentifier"},
	"keyUsage":                       {"keyEncipherment", "digitalSignature"},
	"keySize":                        {"size1024", "size2048", "size4096"},
	"hashAlgorithm":                  {"sha1", "sha2"},
	"keyStorageProvider":             {"useTpmKspOtherwiseUseSoftwareKsp", "useTpmKspOtherwiseFail", "usePassportForWorkKspOtherwiseFail", "useSoftwareKsp"},
	"certificateStore":               {"user", "machine"},
	"certificateValidityPeriodScale": {"days", "months", "years"},
}

func ruleEnums(l *pass) {
	one := func(property, v string) {
		if v != "" && !slices.Contains(enums[property], v) {
			l.report(Warning, "Check whether Graph has a newer value, or the export is damaged.", "%s is %q", property, v)
		}
	}
	p := l.p
	one("subjectNameFormat", p.SubjectNameFormat)
	one("keySize", p.KeySize)
	one("keyStorageProvider", p.KeyStorageProvider)
	one("certificateStore", p.CertificateStore)
	one("certificateValidityPeriodScale", p.CertificateValidityPeriodScale)
	for _, v := range p.KeyUsage {
		one("keyUsage", v)
	}
	for _, v := range p.HashAlgorithm {
		one("hashAlgorithm", v)
	}
	for _, v := range p.SubjectAlternativeNameType {
		one("subjectAlternativeNameType", v)
	}
	for _, s := range p.SANs() {
		one("subjectAlternativeNameType", s.Type)
	}
}

func ruleTemplate(l *pass) {
	if keyUsage(l.p) == 0 {
		l.report(Error, "Choose digital signature, key encipherment, or both.", "no key usage")
		return
	}
	l.report(Info, "The registry value of this name on NDES must hold the name of the certificate template.", "template=%s", l.p.TemplateValue())
}

func ruleRoot(l *pass) {
	if l.p.RootID() == "" {
		l.report(Error, "Bind the trusted root profile of the CA chain. In an export without $expand=rootCertificate the binding does not show.", "no trusted root profile bound")
	}
}

// bound returns the trusted root profile among the documents, nil if it is not there.
func (l *pass) bound() *TrustedRoot {
	id := l.p.RootID()
	for _, r := range l.docs.Roots {
		if id != "" && strings.EqualFold(r.ID, id) {
			return r
		}
	}
	return nil
}

func ruleRootCertificate(l *pass) {
	r := l.bound()
	if r == nil {
		return
	}
	if r.Platform() != l.p.Platform() {
		l.report(Error, "Bind the root profile of the same platform.", "root profile %q is for %s, this profile for %s", r.DisplayName, r.Platform(), l.p.Platform())
	}
	der := r.Certificate
	if b, _ := pem.Decode(der); b != nil {
		der = b.Bytes
	}
	c, err := x509.ParseCertificate(der)
	switch {
	case err != nil:
		l.report(Error, "Upload the root certificate as .cer.", "root profile %q holds no certificate: %v", r.DisplayName, err)
	case c.Version >= 3 && !c.IsCA:
		l.report(Error, "Upload the certificate of the CA.", "root profile %q holds %s, which is no CA", r.DisplayName, c.Subject)
	case !bytes.Equal(c.RawSubject, c.RawIssuer):
		l.report(Info, "Microsoft binds the root of the chain, SCEPman's guide the issuing CA where an intermediate issues; keep to what the server's vendor says.", "root profile %q holds an intermediate, %s", r.DisplayName, c.Subject)
	case r.DestinationStore == "computerCertStoreIntermediate" || r.DestinationStore == "userCertStoreIntermediate":
		l.report(Warning, "Roots belong into computerCertStoreRoot.", "root profile %q puts a self-issued certificate into %s", r.DisplayName, r.DestinationStore)
	}
}

// targets returns the sorted targets of assignments.
func targets(as []Assignment) []string {
	var out []string
	for _, a := range as {
		out = append(out, a.Target.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func ruleAssignment(l *pass) {
	r := l.bound()
	if r == nil || l.p.Assignments == nil || r.Assignments == nil {
		return // exports without $expand=assignments do not say
	}
	scep, root := targets(l.p.Assignments), targets(r.Assignments)
	if slices.Equal(scep, root) {
		return
	}
	l.report(Error, "Assign both to the same groups with the same filters: users with users, devices with devices. Otherwise devices ask before they trust the CA, and enrolment fails.",
		"SCEP profile: %s; root profile %q: %s", list(scep), r.DisplayName, list(root))
}

func list(s []string) string {
	if len(s) == 0 {
		return "nobody"
	}
	return strings.Join(s, ", ")
}

func ruleKeySize(l *pass) {
	if l.p.KeySize == "size1024" {
		l.report(Warning, "Use size2048 or size4096.", "1024-bit key")
	}
}

func ruleKSP(l *pass) {
	if l.p.Platform() != Windows || l.p.KeySize != "size4096" || l.p.KeyStorageProvider == "useSoftwareKsp" {
		return
	}
	remedy := "Use size2048, or useSoftwareKsp."
	if l.p.KeyStorageProvider == "usePassportForWorkKspOtherwiseFail" {
		l.report(Error, remedy, "4096-bit keys and Windows Hello for Business do not go together")
		return
	}
	l.report(Error, remedy, "4096-bit keys need the software KSP on Windows; the profile has %q", l.p.KeyStorageProvider)
}

func ruleHash(l *pass) {
	if l.p.HashAlgorithm.Has("sha1") && !l.p.HashAlgorithm.Has("sha2") {
		if l.p.Platform().IsAndroid() {
			l.report(Info, "Use sha2.", "SHA-1 is set; Android uses the strongest hash the server supports")
			return
		}
		l.report(Warning, "Use sha2.", "SHA-1")
	}
}

func ruleValidity(l *pass) {
	days := validityDays(l.p)
	switch {
	case l.p.CertificateValidityPeriodValue < 0:
		l.report(Error, "Set a validity.", "validity %d", l.p.CertificateValidityPeriodValue)
	case days > 730:
		l.report(Error, "Set 24 months or less, and no more than the certificate template and the CA allow.", "validity of %d %s is over 24 months", l.p.CertificateValidityPeriodValue, l.p.CertificateValidityPeriodScale)
	case days > 0 && days < 5:
		l.report(Warning, "Set five days or more: devices that are off for a while cannot renew in time.", "validity under five days: %d %s", l.p.CertificateValidityPeriodValue, l.p.CertificateValidityPeriodScale)
	}
	if l.p.Platform().IsApple() && days > 0 {
		l.report(Warning, "Set the validity in the certificate template.", "iOS/iPadOS and macOS use the validity of the template, whatever the profile says")
	}
}

func ruleThreshold(l *pass) {
	if n := l.p.RenewalThresholdPercentage; n < 1 || n > 99 {
		l.report(Error, "20 renews when a fifth of the lifetime is left.", "renewalThresholdPercentage %d is outside 1-99", n)
	}
}

func ruleURL(l *pass) {
	if len(l.p.SCEPServerURLs) == 0 {
		l.report(Error, "Add the address of NDES.", "no server address")
	}
	for _, s := range l.p.SCEPServerURLs {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			l.report(Error, "Give https://HOST/certsrv/mscep/mscep.dll.", "%q is not an address", s)
			continue
		}
		if u.Scheme == "http" {
			sev := Warning
			if l.p.Platform().IsAndroid() {
				sev = Error
			}
			l.report(sev, "Publish the server over https; Android takes nothing else.", "http URL %s", s)
		}
		if strings.Contains(strings.ToLower(u.Path), "/certsrv") && !strings.HasSuffix(strings.TrimRight(strings.ToLower(u.Path), "/"), "/mscep.dll") {
			remedy := "NDES is at /certsrv/mscep/mscep.dll."
			if e, err := ndes.ParseEndpoint(s); err == nil {
				remedy = "Use " + e.Enrol + "."
			}
			l.report(Warning, remedy, "URL does not end in /mscep.dll: %s", s)
		}
	}
	if len(l.p.SCEPServerURLs) > 1 {
		l.report(Info, "All servers have to belong to one CA, and a load balancer in front of them has to be sticky: each NDES has RA keys of its own.", "%d server addresses", len(l.p.SCEPServerURLs))
	}
}

func ruleSubject(l *pass) {
	tmpl := l.p.SubjectTemplate()
	if tmpl == "" {
		if l.p.SubjectNameFormat == "custom" {
			l.report(Error, "Fill in subjectNameFormatString.", "custom subject without text")
		}
		return
	}
	name, issues, err := parseName(tmpl)
	if err != nil {
		l.report(Error, "Write it as CN={{DeviceName}},O=Organisation; values with commas in quotes.", "%v", err)
		return
	}
	for _, i := range issues {
		l.report(Error, "Put the whole value in quotes, or leave the character out: Intune's challenge validation fails on escapes (subject name in CSR and challenge do not match).", "%s", i.text)
	}
	for _, rdn := range name {
		for _, a := range rdn {
			l.text("subject "+a.Type, a.Value)
		}
	}
	if utf8.RuneCountInString(tmpl) > 64 && len(name) == 1 {
		l.report(Info, "A common name over 64 characters needs DN length enforcement turned off on the CA.", "subject template of %d characters", utf8.RuneCountInString(tmpl))
	}
	for _, s := range l.p.SANs() {
		l.text("alternative name", s.Name)
	}
}

// text reports braces and characters.
func (l *pass) text(where, s string) {
	_, issues := split(s)
	for _, i := range issues {
		switch i.id {
		case "single-braces":
			l.report(Error, "Write variables as {{Name}}.", "%s: single braces: %s", where, i.text)
		default:
			l.report(Error, "Leave the character out.", "%s: character | not allowed in text after a variable: %s", where, i.text)
		}
	}
}

// eachVariable calls f for every variable of subject and alternative names; san is the type of the latter.
func (l *pass) eachVariable(f func(name, san string)) {
	walk := func(s, san string) {
		segs, _ := split(s)
		for _, seg := range segs {
			if seg.name != "" {
				f(seg.name, san)
			}
		}
	}
	walk(l.p.SubjectTemplate(), "")
	for _, s := range l.p.sanTemplates() {
		walk(s.Name, s.Type)
	}
}

func ruleVariables(l *pass) {
	p := l.p.Platform()
	l.eachVariable(func(name, san string) {
		v, ok := FindVariable(name)
		switch {
		case !ok:
			l.report(Error, "Known are "+known()+".", "unknown variable %s", name)
		case v.User && l.p.CertificateType() == DeviceType:
			l.report(Error, "Use a device variable, or make it a user certificate.", "user variable %s in a device certificate", v.Name)
		case p == AOSP && slices.Contains([]string{"OnPrem_Distinguished_Name", "OnPremisesSamAccountName", "Department"}, v.Name):
			l.report(Error, "Use another variable.", "%s is not supported on Android (AOSP)", v.Name)
		case v.Name == "FullyQualifiedDomainName" && p != Windows && p != "":
			l.report(Error, "Use another variable.", "FullyQualifiedDomainName is supported on Windows only")
		case v.Name == "UserName" && san != "" && p == AndroidDeviceOwner:
			l.report(Error, "Use {{UserPrincipalName}}.", "UserName in an alternative name is not supported on Android Enterprise fully managed, dedicated and corporate-owned work profile")
		case p == AndroidWorkProfile && slices.Contains([]string{"SerialNumber", "IMEINumber", "MEID"}, v.Name):
			l.report(Warning, "Use {{DeviceId}} or {{AAD_Device_ID}}.", "%s is not available on personally owned work profiles from Android 12 on", v.Name)
		case slices.Contains([]string{"IMEINumber", "MEID"}, v.Name):
			l.report(Warning, "Assign the profile to devices with a modem only.", "%s: the profile fails on devices without a modem", v.Name)
		case v.Name == "DeviceId" && san == "" && p == Windows:
			l.report(Warning, "Use {{AAD_Device_ID}}, or put {{DeviceId}} into an alternative name.", "DeviceId as subject of a Windows certificate can disturb the device's sync with Intune")
		case v.Name == "OnPrem_Distinguished_Name" && !strings.Contains(l.p.SubjectTemplate(), `"{{`):
			l.report(Warning, `Write CN="{{OnPrem_Distinguished_Name}}".`, "OnPrem_Distinguished_Name holds commas and is not in quotes")
		}
	})
}

func known() string {
	var out []string
	for _, v := range variables {
		out = append(out, v.Name)
	}
	return strings.Join(out, ", ")
}

func ruleHeld(l *pass) {
	seen := map[string]bool{}
	l.eachVariable(func(name, _ string) {
		v, ok := FindVariable(name)
		if !ok || seen[v.Name] {
			return
		}
		seen[v.Name] = true
		switch {
		case v.Name == "FullyQualifiedDomainName" && l.estate.Join == EntraJoined:
			l.report(Error, "Give Microsoft Entra joined devices a profile of their own.", "FullyQualifiedDomainName never resolves on Microsoft Entra joined devices: their requests are held for ever")
		case v.Name == "FullyQualifiedDomainName" && l.p.Platform() == Windows:
			l.report(Info, "Assign it to hybrid joined devices, and another profile to Microsoft Entra joined ones.", "FullyQualifiedDomainName resolves only on domain-joined devices (held until then); never on Entra-joined devices")
		case v.Name == "OnPremisesSecurityIdentifier" && l.p.CertificateType() == DeviceType && l.estate.Join == EntraJoined:
			l.report(Warning, "Leave the entry out for these devices.", "OnPremisesSecurityIdentifier stays out of device certificates of Microsoft Entra joined devices")
		case v.Name == "DeviceName" && (l.estate.Join == HybridPending || l.estate.Join == HybridJoined):
			l.report(Warning, "Use {{FullyQualifiedDomainName}}, which waits for the join, or an ID.", "DeviceName during hybrid Autopilot is the old, random name: certificates issued before the domain join hold it")
		}
	})
}

func ruleSID(l *pass) {
	l.eachVariable(func(name, san string) {
		if v, ok := FindVariable(name); ok && v.Name == "OnPremisesSecurityIdentifier" && san != "universalResourceIdentifier" {
			l.report(Error, "Move it to an alternative name of type URI; Intune writes tag:microsoft.com,2022-09-14:sid:SID there.", "OnPremisesSecurityIdentifier works only with the URI attribute")
		}
	})
}

func ruleStrongMapping(l *pass) {
	if !l.estate.StrongMapping {
		return
	}
	for _, s := range l.p.sanTemplates() {
		if s.Type == "universalResourceIdentifier" && strings.Contains(strings.ToLower(s.Name), "onpremisessecurityidentifier") {
			return
		}
	}
	l.report(Warning, "Add {{OnPremisesSecurityIdentifier}} as an alternative name of type URI: domain controllers enforce strong mapping since February 2025, without opt-out since September 2025. Device certificates hold it on hybrid joined Windows devices only.", "no SID for strong mapping")
}

func ruleEKU(l *pass) {
	client := false
	for _, k := range l.p.ExtendedKeyUsages {
		if _, err := parseOID(k.OID); err != nil || strings.Count(k.OID, ".") < 2 {
			l.report(Error, "Give an object identifier such as 1.3.6.1.5.5.7.3.2.", "extended key usage %q is %q", k.Name, k.OID)
		}
		client = client || k.OID == "1.3.6.1.5.5.7.3.2"
	}
	switch {
	case len(l.p.ExtendedKeyUsages) == 0:
		l.report(Info, "Add Client Authentication, which most certificates of devices and users are for.", "no extended key usage")
	case l.p.Platform() == IOS && !(client && len(l.p.ExtendedKeyUsages) == 1):
		l.report(Info, "Set the others in the certificate template.", "iOS is reported to honour Client Authentication only")
	}
}

const maxListed = 500 // of customSubjectAlternativeNames and extendedKeyUsages (Graph)

func ruleLimits(l *pass) {
	if n := len(l.p.SANs()); n > maxListed {
		l.report(Error, fmt.Sprintf("Graph takes %d.", maxListed), "%d alternative names", n)
	}
	if n := len(l.p.ExtendedKeyUsages); n > maxListed {
		l.report(Error, fmt.Sprintf("Graph takes %d.", maxListed), "%d extended key usages", n)
	}
}

func ruleAndroidChain(l *pass) {
	if l.p.Platform().IsAndroid() {
		l.report(Info, "Where an intermediate issues, assign a trusted certificate profile for it too; iOS needs the root only.", "Android needs the root and the issuing CA on the device")
	}
}
