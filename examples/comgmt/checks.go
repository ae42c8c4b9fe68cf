package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cname"
)

func (t *tool) ccmsetup(args []string) (int, error) {
	var in comgmt.InternetInstall
	build := t.flags.Bool("build", false, "write a line instead of reading one")
	intune := t.flags.Bool("intune", false, "with -build: the install command of an Intune Win32 app")
	t.flags.StringVar(&in.Host, "host", "", "with -build: the gateway's `endpoint`, HOST/CCM_Proxy_MutualAuth/NUMBER")
	t.flags.StringVar(&in.Site, "site", "", "with -build: the site `code`")
	t.flags.StringVar(&in.ManagementPoint, "smsmp", "", "with -build: a management point for the internal network")
	t.flags.StringVar(&in.ClientAppID, "app", "", "with -build: AADCLIENTAPPID")
	t.flags.StringVar(&in.ResourceURI, "resource", "", "with -build: AADRESOURCEURI")
	t.flags.BoolVar(&in.NoCRLCheck, "nocrlcheck", false, "with -build: the revocation list is not published")
	t.flags.BoolVar(&in.DownloadFromGateway, "mp", false, "with -build: download the client from the gateway")
	lines, err := t.parse(args)
	if err != nil {
		return 0, err
	}
	if *build {
		if err := need(lines, 0, 0, "no line with -build"); err != nil {
			return 0, err
		}
		text, err := in.Property()
		if *intune {
			text, err = in.IntuneCommand()
		}
		if err != nil {
			return 0, err
		}
		if lines = []string{text}; !t.json {
			_, err = fmt.Fprintln(t.out, text)
			return fine, err
		}
	}
	if err := need(lines, 1, -1, "a line in quotes"); err != nil {
		return 0, err
	}
	l := t.list()
	if t.json {
		defer l.end()
	}
	code := fine
	for _, line := range lines {
		if line == "-" {
			b, err := t.readAll("-", 1<<20)
			if err != nil {
				return 0, err
			}
			line = string(b)
		}
		c, err := comgmt.ParseCcmsetup(line)
		if err != nil {
			return 0, err
		}
		r := c.Report()
		if comgmt.Problems(r.Findings) {
			code = found
		}
		if t.json {
			if err := l.add(r); err != nil {
				return 0, err
			}
			continue
		}
		fmt.Fprintln(t.out, c)
		if _, err := t.findings(r.Findings); err != nil {
			return 0, err
		}
	}
	return code, nil
}

// readAll reads a small file.
func (t *tool) readAll(name string, most int64) ([]byte, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s: larger than %d bytes", name, most)
	}
	return b, err
}

// resolver returns nil for "none".
func resolver(server string) comgmt.Resolver {
	switch server {
	case "none":
		return nil
	case "system":
		server = ""
	}
	return &cname.Resolver{Server: server}
}

func (t *tool) cmg(args []string) (int, error) {
	var g comgmt.CMG
	t.flags.StringVar(&g.ServiceName, "name", "", "service `name`: the common name of the certificate (required)")
	t.flags.StringVar(&g.Host, "host", "", "first `label` that replaces the * of a wildcard")
	t.flags.TextVar(&g.Deployment, "deployment", comgmt.ScaleSet, "vmss or classic")
	t.flags.StringVar(&g.Region, "region", "", "Azure `region` of a scale set")
	t.flags.StringVar(&g.DeploymentName, "azure", "", "deployment `name` in Azure, if it is known")
	t.flags.BoolVar(&g.PublicCA, "public-ca", false, "the certificate is to come from a public authority")
	t.flags.BoolVar(&g.USGovernment, "gov", false, "Azure US Government")
	cert := t.flags.String("cert", "", "certificate `file`, PEM or DER")
	at := t.flags.String("at", "", "`date` (2006-01-02) to judge the certificate at; default now")
	server := t.flags.String("dns", "none", "DNS `server` to ask for the CNAME, system, or none")
	rest, err := t.parse(args)
	if err == nil {
		err = need(rest, 0, 0, "options only")
	}
	if err == nil && g.ServiceName == "" {
		err = usageError{errors.New("cmg: -name is required")}
	}
	if err != nil {
		return 0, err
	}
	now := time.Now()
	if *at != "" {
		if now, err = time.Parse(time.DateOnly, *at); err != nil {
			return 0, usageError{fmt.Errorf("-at: %q is not a date like 2006-01-02", *at)}
		}
	}
	out := g.Check()
	if *cert != "" {
		c, err := t.certificate(*cert)
		if err != nil {
			return 0, err
		}
		out = append(out, g.CheckCertificate(c, now)...)
	}
	if r := resolver(*server); r != nil {
		t.strict = true
		out = append(out, g.CheckDNS(t.ctx, r)...)
	}
	return t.findings(out)
}

func (t *tool) certificate(name string) (*x509.Certificate, error) {
	b, err := t.readAll(name, 1<<20)
	if err != nil {
		return nil, err
	}
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			b = block.Bytes
			break
		}
	}
	c, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, fmt.Errorf("%s: not a certificate in PEM or DER: %w", name, err)
	}
	return c, nil
}

func (t *tool) preflight(args []string) (int, error) {
	var p comgmt.Precondition
	t.flags.Func("domain", "UPN suffix to check DNS for; may be given more than once", func(s string) error {
		p.Domains = append(p.Domains, strings.Split(s, ",")...)
		return nil
	})
	upns := t.flags.String("upns", "", "`file` with user principal names, one per line or CSV")
	domains := t.flags.String("domains", "", "`file` with Graph's answer to GET /domains")
	t.flags.Func("verified", "verified domains, comma-separated", func(s string) error {
		p.Verified = append(p.Verified, strings.Split(s, ",")...)
		return nil
	})
	server := t.flags.String("dns", "system", "DNS `server`, system, or none")
	t.flags.BoolVar(&p.Automatic, "automatic", false, "devices enrol by themselves")
	t.flags.BoolVar(&p.USGovernment, "gov", false, "US Government cloud")
	t.flags.BoolVar(&p.UsesCMG, "uses-cmg", false, "a cloud management gateway is part of the plan")
	t.flags.TextVar(&p.Scope, "scope", comgmt.ScopeUnknown, "MDM user scope: none, some or all")
	url := func(name, usage string, to **string) {
		t.flags.Func(name, usage, func(s string) error { *to = &s; return nil })
	}
	url("discovery-url", "MDM discovery `URL` as configured", &p.DiscoveryURL)
	url("terms-url", "MDM terms of use `URL` as configured", &p.TermsURL)
	url("compliance-url", "MDM compliance `URL` as configured", &p.ComplianceURL)
	tri := func(name, usage string, to *comgmt.Tri) {
		t.flags.Func(name, usage+": yes or no", func(s string) error {
			switch s {
			case "yes":
				*to = comgmt.Yes
			case "no":
				*to = comgmt.No
			default:
				return errors.New("want yes or no")
			}
			return nil
		})
	}
	tri("connection-point-online", "service connection point", &p.ConnectionPointOnline)
	tri("auto-register", "client setting: register domain joined devices with Azure Active Directory", &p.Settings.AutoRegister)
	tri("use-cmg", "client setting: use a cloud management gateway", &p.Settings.UseCMG)
	tri("cloud-dp", "client setting: access to cloud distribution point", &p.Settings.CloudDistribution)
	tri("internet-user-policy", "client setting: user policy requests from internet clients", &p.Settings.InternetUserPolicy)
	tri("intune-authority", "MDM authority is Intune", &p.AuthorityIntune)
	rest, err := t.parse(args)
	if err == nil {
		err = need(rest, 0, 0, "options only")
	}
	if err != nil {
		return 0, err
	}
	if p.Resolver = resolver(*server); p.Resolver != nil {
		t.strict = true
	}
	if *domains != "" {
		f, err := t.open(*domains)
		if err != nil {
			return 0, err
		}
		verified, err := comgmt.DecodeDomains(f)
		f.Close()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", *domains, err)
		}
		p.Verified = append(verified, p.Verified...)
	}
	if *upns != "" {
		f, err := t.open(*upns)
		if err != nil {
			return 0, err
		}
		p.Suffixes, err = comgmt.CountSuffixes(f)
		f.Close()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", *upns, err)
		}
	}
	out := comgmt.Preflight(t.ctx, p)
	if len(out) == 0 {
		return 0, usageError{errors.New("preflight: nothing to check; give -domain, -upns or another option")}
	}
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	return t.findings(out)
}
