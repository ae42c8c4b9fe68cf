package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/ldapsync/ldapdir"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
)

const (
	sourceCDJ = "operations guide 7.9 (client-side service connection point by Group Policy)"
	titleCDJ  = "Group Policy gives devices the tenant"
)

// policies checks for each organisational unit what Group Policy tells its devices about the tenant.
func (g *gatherer) policies(ctx context.Context) ([]adpreflight.Check, error) {
	p := g.q.Policy
	if p == nil {
		return untried("cdj", titleCDJ, "no SYSVOL was given (policy)", sourceCDJ), nil
	}
	ous := p.OUs
	if len(ous) == 0 && g.q.Directory != nil && g.q.Directory.Devices != nil {
		ous = []string{g.q.Directory.Devices.OU}
	}
	if len(ous) == 0 {
		return nil, errors.New("policy.ous: name the organisational units of the devices")
	}
	if p.Links == "" && g.dir == nil {
		return nil, errors.New("policy.links: say where policies are linked, or give the directory to read it from")
	}
	g.progress("computing Group Policy")
	estate, err := g.policyEstate(ctx)
	if p.Links == "" && err != nil && (errors.Is(err, ldapsync.ErrTransient) || errors.Is(err, ldapsync.ErrCredentials) || errors.Is(err, ldapsync.ErrPermission)) {
		return untried("cdj", titleCDJ, "the links could not be read from the directory: "+oneLine(err.Error()), sourceCDJ), nil
	}
	if err != nil {
		return nil, err
	}
	s := g.q.service()
	schema := registry.CDJ(registry.CDJParams{TenantID: s.TenantID, TenantName: s.TenantName})
	var out []adpreflight.Check
	for _, ou := range ous {
		dn, err := ldapsync.ParseDN(ou)
		if err != nil {
			return nil, fmt.Errorf("policy.ous: %w", err)
		}
		_, name := dn.RDN()
		id := "cdj." + strings.ReplaceAll(name, " ", "-")
		if slices.ContainsFunc(out, func(c adpreflight.Check) bool { return c.ID == id }) {
			id = fmt.Sprintf("%s-%d", id, len(out)+1)
		}
		title := titleCDJ + " in " + ou
		result, err := estate.Effective(gpo.Target{DN: ou})
		if err != nil {
			out = append(out, untried(id, title, oneLine(err.Error()), sourceCDJ)...)
			continue
		}
		out = append(out, merged(id, title, cdj(schema, result)))
	}
	return out, nil
}

// cdj compares what Group Policy gives with the tenant, and says which policy decided.
func cdj(schema registry.Schema, result *gpo.Result) []adpreflight.Check {
	snap, err := result.Snapshot()
	if err != nil {
		return untried("", "", oneLine(err.Error()), sourceCDJ)
	}
	var out []adpreflight.Check
	for d := range schema.Drift(snap) {
		if e, ok := result.Get(d.Path, d.Name); ok && len(e.Unknown) > 0 {
			continue // below
		}
		evidence := fmt.Sprintf("%s is %s, wanted %s", d.Name, orNothing(d.Got), d.Want)
		if why := decided(result, d.Path, d.Name); why != "" {
			evidence += " (" + why + ")"
		}
		out = append(out, adpreflight.Check{Title: d.Name, State: ofDrift(d.Severity), Evidence: evidence, Source: sourceCDJ,
			Remedy: "link a policy with the wanted values to the organisational unit, and make it win: " + sentence(d.Remedy)})
	}
	for _, e := range result.Errors {
		out = append(out, adpreflight.Check{Title: "SYSVOL", State: adpreflight.Warning, Evidence: e.Error(), Remedy: "repair the file, or copy SYSVOL again", Source: sourceCDJ})
	}
	for _, v := range schema.Settings {
		e, ok := result.Get(v.Path, v.Name)
		if ok && len(e.Unknown) > 0 {
			out = append(out, adpreflight.Check{Title: v.Name, Source: sourceCDJ,
				Evidence: "it depends on what is not known here: " + e.Unknown[0].String() + ": " + e.Unknown[0].Detail, Remedy: "see on a device: gpresult /r"})
		}
	}
	if len(out) > 0 {
		return out
	}
	var seen []string
	for _, v := range schema.Settings {
		if e, ok := result.Get(v.Path, v.Name); ok && e.Winner != nil {
			seen = append(seen, fmt.Sprintf("%s %s by %q", v.Name, e.Value.Plain(), e.Winner.Link.Name))
		}
	}
	return []adpreflight.Check{{State: adpreflight.Pass, Evidence: strings.Join(seen, ", "), Source: sourceCDJ}}
}

// decided says which policy gave a value, and which policies with another one lost.
func decided(result *gpo.Result, path registry.Path, name string) string {
	e, ok := result.Get(path, name)
	if !ok {
		return ""
	}
	var parts []string
	if e.Winner != nil {
		parts = append(parts, fmt.Sprintf("set by %q", e.Winner.Link.Name))
	}
	for _, l := range e.Losers {
		parts = append(parts, fmt.Sprintf("%q loses: %s", l.Link.Name, l.Detail))
	}
	return strings.Join(parts, "; ")
}

func orNothing(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}

// linksFromDirectory reads where policies are linked, as the LDIF that package gpo takes: containers with links or
// blocked inheritance, and what the directory says of the policies themselves.
func linksFromDirectory(ctx context.Context, dir *ldapdir.Dir) (string, error) {
	base := ""
	if err := dir.Search(ctx, "", 0, "", []string{"defaultNamingContext"}, func(_ string, a map[string][]string) error {
		base = strings.Join(a["defaultnamingcontext"], "")
		return nil
	}); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("version: 1\n")
	record := func(dn string, attrs map[string][]string) error {
		fmt.Fprintf(&b, "\ndn:: %s\n", base64.StdEncoding.EncodeToString([]byte(dn)))
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			for _, v := range attrs[name] {
				fmt.Fprintf(&b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(v)))
			}
		}
		return nil
	}
	err := dir.Search(ctx, base, 2, "(|(objectClass=domainDNS)(objectClass=organizationalUnit))", []string{"objectClass", "gPLink", "gPOptions"}, record)
	if err != nil {
		return "", err
	}
	err = dir.Search(ctx, "CN=Policies,CN=System,"+base, 1, "(objectClass=groupPolicyContainer)", []string{"objectClass", "name", "displayName", "flags", "gPCWQLFilter",
		"gPCMachineExtensionNames", "gPCUserExtensionNames", "nTSecurityDescriptor"}, record)
	if errors.Is(err, ldapsync.ErrNotFound) {
		err = nil
	}
	return b.String(), err
}
