package main

import (
	"context"
	"io"
	"slices"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/comgmt/cname"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/scepclient/intune"
)

// certificateProfiles checks exports of SCEP and trusted-root profiles: a check for every rule.
func (g *gatherer) certificateProfiles(context.Context) ([]adpreflight.Check, error) {
	const id, title, source = "scep.profiles", "the SCEP certificate profiles are right", "Microsoft: Create and assign SCEP certificate profiles in Intune"
	p := g.q.Profiles
	if p == nil || len(p.Files) == 0 {
		return untried(id, title, "no export of profiles was given (profiles.files)", source), nil
	}
	docs := &intune.Documents{}
	for _, name := range p.Files {
		if err := g.with(name, func(r io.Reader) error {
			more, err := intune.Parse(r)
			if err == nil {
				docs.Append(more)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	if len(docs.SCEP) == 0 {
		return []adpreflight.Check{{ID: id, Title: title, State: adpreflight.Fail, Evidence: "the exports hold no SCEP profile",
			Remedy: "create one, or export deviceConfigurations completely (beta, $expand=assignments)", Source: source}}, nil
	}
	found := intune.Lint(docs, intune.Estate{Join: p.Join, StrongMapping: p.StrongMapping})
	var out []adpreflight.Check
	for _, rule := range intune.Rules() {
		var all []adpreflight.Check
		for _, f := range found {
			if f.Rule == rule.ID {
				all = append(all, adpreflight.Check{Title: f.Profile, State: ofIntune(f.Severity), Evidence: f.Profile + ": " + f.Evidence, Remedy: f.Remedy, Source: f.Source})
			}
		}
		if len(all) == 0 {
			all = []adpreflight.Check{{State: adpreflight.Pass, Evidence: "no profile breaks this rule", Source: rule.Source}}
		}
		if len(all) > 1 { // the details name the profile already
			for i := range all {
				all[i].Title = ""
			}
		}
		out = append(out, merged("scep."+rule.ID, rule.Title, all))
	}
	return out, nil
}

// coManagement checks what has to be in place before devices can be co-managed.
func (g *gatherer) coManagement(ctx context.Context) ([]adpreflight.Check, error) {
	const id, title, source = "comgmt", "the prerequisites of co-management are met", "Configuration Manager documentation, prerequisites of co-management"
	c := g.q.CoManagement
	if c == nil {
		return untried(id, title, "nothing was given to look at (coManagement)", source), nil
	}
	p := comgmt.Precondition{
		Domains: c.Domains, Resolver: g.resolver, Automatic: c.Automatic, DiscoveryURL: c.DiscoveryURL, TermsURL: c.TermsURL, ComplianceURL: c.ComplianceURL,
		Scope: c.Scope, ConnectionPointOnline: c.ConnectionPointOnline, AuthorityIntune: c.AuthorityIntune, UsesCMG: c.UsesCMG,
		Settings: comgmt.ClientSettings{AutoRegister: c.AutoRegister, UseCMG: c.UseCMG, CloudDistribution: c.CloudDistribution, InternetUserPolicy: c.InternetUserPolicy},
	}
	if p.Resolver == nil && c.DNSServer != "" {
		p.Resolver = &cname.Resolver{Server: c.DNSServer}
	}
	g.progress("co-management")
	found := comgmt.Preflight(ctx, p)
	var order []string
	for _, f := range found {
		if !slices.Contains(order, f.Check) {
			order = append(order, f.Check)
		}
	}
	var out []adpreflight.Check
	for _, check := range order {
		var all []adpreflight.Check
		for _, f := range found {
			if f.Check == check {
				all = append(all, adpreflight.Check{Title: f.Subject, State: ofStatus(f.Status), Evidence: sentence(append([]string{f.Message}, f.Evidence...)...), Remedy: f.Remedy, Source: f.Source})
			}
		}
		known, _ := comgmt.CheckByID(check)
		out = append(out, merged(id+"."+check, sentence(known.Title), all))
	}
	if len(out) == 0 {
		return untried(id, title, "nothing was given to look at (coManagement)", source), nil
	}
	return out, nil
}
