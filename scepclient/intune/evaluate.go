package intune

import (
	"fmt"
	"net/url"
	"strings"

	"go.internal/hybridkit/scepclient"
)

// An Evaluation is the certificate request that a profile makes of a device.
type Evaluation struct {
	Outcome Outcome `json:"outcome"` // the worst of all variables
	// Subject is set when Outcome is Resolved.
	Subject Name `json:"-"`
	// SubjectText is Subject in writing.
	SubjectText string `json:"subject,omitempty"`
	// SANs are the alternative names with their values.
	SANs      []SAN        `json:"subjectAlternativeNames,omitempty"`
	Variables []Resolution `json:"variables,omitempty"` // in the order they are met
	Problems  []string     `json:"problems,omitempty"`  // what is wrong with the profile itself
}

// subjectTemplates are the templates behind the fixed formats. Durable device ID is of retired Windows Phones.
var subjectTemplates = map[string]string{
	"commonName":                 "CN={{UserName}}",
	"commonNameIncludingEmail":   "CN={{UserName}},E={{EmailAddress}}",
	"commonNameAsEmail":          "CN={{EmailAddress}}",
	"commonNameAsIMEI":           "CN={{IMEINumber}}",
	"commonNameAsSerialNumber":   "CN={{SerialNumber}}",
	"commonNameAsAadDeviceId":    "CN={{AAD_Device_ID}}",
	"commonNameAsIntuneDeviceId": "CN={{DeviceId}}",
}

// SubjectTemplate returns the template of the subject, for custom and fixed formats; "" for a format without one.
func (p *Profile) SubjectTemplate() string {
	if p.SubjectNameFormat == "custom" || (p.SubjectNameFormat == "" && p.SubjectNameFormatString != "") {
		return p.SubjectNameFormatString
	}
	return subjectTemplates[p.SubjectNameFormat]
}

// sanTemplates returns custom names and those of the flags, which older profiles have instead.
func (p *Profile) sanTemplates() []SAN {
	out := p.SANs()
	if len(out) > 0 {
		return out
	}
	if p.SubjectAlternativeNameType.Has("emailAddress") {
		out = append(out, SAN{"emailAddress", "{{EmailAddress}}"})
	}
	if p.SubjectAlternativeNameType.Has("userPrincipalName") {
		out = append(out, SAN{"userPrincipalName", "{{UserPrincipalName}}"})
	}
	return out
}

// Evaluate substitutes the variables of p for d. Values go into the parsed name and are never read again as part of
// it: a value cannot add an attribute, and braces inside a value stay text.
func Evaluate(p *Profile, d *Device) *Evaluation {
	e := &Evaluation{Outcome: Resolved}
	t := p.CertificateType()
	if pl := p.Platform(); pl != "" && pl != d.platform() {
		e.problem(fmt.Sprintf("the profile is for %s, the device is %s", pl, d.platform()))
	}
	tmpl := p.SubjectTemplate()
	if tmpl == "" {
		e.problem(fmt.Sprintf("subjectNameFormat %q has no template", p.SubjectNameFormat))
	} else if name, issues, err := parseName(tmpl); err != nil {
		e.problem(err.Error())
	} else {
		for _, i := range issues {
			e.problem(i.text)
		}
		for _, rdn := range name {
			for i := range rdn {
				rdn[i].Value = e.substitute(rdn[i].Value, t, d, "")
			}
		}
		e.Subject = name
	}
	for _, san := range p.sanTemplates() {
		before := len(e.Variables)
		v := e.substitute(san.Name, t, d, san.Type)
		if san.Type == "universalResourceIdentifier" && len(e.Variables) == before+1 && e.Variables[before].Variable == "OnPremisesSecurityIdentifier" && strings.TrimSpace(san.Name) == braces(san.Name) {
			r := e.Variables[before]
			switch {
			case r.Outcome == Never: // the entry stays out, and the request goes on without it
				e.Variables[before].Outcome, e.Variables[before].Value = Resolved, ""
				continue
			case r.Outcome == Resolved:
				uri, err := scepclient.SIDURI(r.Value)
				if err != nil {
					e.problem(err.Error())
					continue
				}
				v = uri
			}
		}
		e.SANs = append(e.SANs, SAN{san.Type, v})
	}
	for _, r := range e.Variables {
		if outcomeRank[r.Outcome] > outcomeRank[e.Outcome] {
			e.Outcome = r.Outcome
		}
	}
	if e.Outcome == Resolved {
		e.SubjectText = e.Subject.String()
	} else {
		e.Subject, e.SANs = nil, nil
	}
	return e
}

// braces returns s if it is one variable in braces, "" otherwise.
func braces(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "{{") && strings.Index(s, "}}") == len(s)-2 {
		return s
	}
	return ""
}

func (e *Evaluation) problem(text string) {
	e.Outcome = Failed
	e.Problems = append(e.Problems, text)
}

// substitute replaces the variables of one value, once. san is the type of an alternative name, "" in the subject.
func (e *Evaluation) substitute(s string, t CertificateType, d *Device, san string) string {
	segs, issues := split(s)
	for _, i := range issues {
		e.problem(i.text)
	}
	var b strings.Builder
	for _, seg := range segs {
		if seg.name == "" {
			b.WriteString(seg.text)
			continue
		}
		r := Resolve(seg.name, t, d)
		if r.Variable == "OnPremisesSecurityIdentifier" && san != "universalResourceIdentifier" {
			r.Outcome, r.Value = Failed, ""
			r.Reason, r.Remedy = "works only in an alternative name of type URI", "Move it to a URI entry of its own."
		}
		e.Variables = append(e.Variables, r)
		b.WriteString(r.Value)
	}
	return b.String()
}

// Template turns a resolved evaluation into the request a device would make, for scepclient.
func (e *Evaluation) Template(p *Profile) (scepclient.Template, error) {
	var t scepclient.Template
	if e.Outcome != Resolved {
		return t, fmt.Errorf("intune: the profile is not resolved: %s", e.Outcome)
	}
	var err error
	if t.RawSubject, err = e.Subject.DER(); err != nil {
		return t, err
	}
	for _, s := range e.SANs {
		switch s.Type {
		case "domainNameService":
			t.DNSNames = append(t.DNSNames, s.Name)
		case "emailAddress":
			t.EmailAddresses = append(t.EmailAddresses, s.Name)
		case "userPrincipalName":
			t.UPNs = append(t.UPNs, s.Name)
		case "universalResourceIdentifier":
			u, err := url.Parse(s.Name)
			if err != nil {
				return t, fmt.Errorf("intune: URI %q cannot be parsed", s.Name)
			}
			t.URIs = append(t.URIs, u)
		default:
			return t, fmt.Errorf("intune: alternative name of type %q cannot be requested", s.Type)
		}
	}
	t.KeyUsage = keyUsage(p)
	for _, k := range p.ExtendedKeyUsages {
		oid, err := parseOID(k.OID)
		if err != nil {
			return t, err
		}
		t.ExtKeyUsage = append(t.ExtKeyUsage, oid)
	}
	return t, nil
}

// An Answer is why a device has, waits for, or will not get its certificate.
type Answer struct {
	Outcome    Outcome     `json:"outcome"`
	Summary    string      `json:"summary"`
	Reasons    []string    `json:"reasons,omitempty"`
	Remedies   []string    `json:"remedies,omitempty"`
	Evaluation *Evaluation `json:"evaluation"`
}

// Why answers in words why a device waits for the certificate of a profile.
func Why(p *Profile, d *Device) *Answer {
	e := Evaluate(p, d)
	a := &Answer{Outcome: e.Outcome, Evaluation: e, Reasons: e.Problems}
	name := p.DisplayName
	if name == "" {
		name = "the profile"
	} else {
		name = fmt.Sprintf("%q", name)
	}
	switch e.Outcome {
	case Resolved:
		a.Summary = fmt.Sprintf("Nothing in %s makes the device wait: it asks for %s.", name, e.SubjectText)
		a.Remedies = append(a.Remedies, "If there is still no certificate, look at the server: scepenrol doctor, NDES events 29 and 31, failed requests of the CA, and whether the trusted root profile is on the device.")
	case Held:
		a.Summary = fmt.Sprintf("The device waits: it holds the request of %s until its names are known, then sends it by itself.", name)
	case Never:
		a.Summary = fmt.Sprintf("The device will wait for ever: %s needs something this device will never have.", name)
	case Failed:
		a.Summary = fmt.Sprintf("The device does not wait: %s fails on it.", name)
	}
	seen := map[string]bool{}
	for _, r := range e.Variables {
		if r.Reason == "" || seen[r.Variable] {
			continue
		}
		seen[r.Variable] = true
		a.Reasons = append(a.Reasons, fmt.Sprintf("{{%s}}: %s", r.Variable, r.Reason))
		if r.Remedy != "" {
			a.Remedies = append(a.Remedies, r.Remedy)
		}
	}
	return a
}
