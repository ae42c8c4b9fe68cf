package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regconv"
	"go.internal/hybridkit/scepclient/ndes"
)

const sourceNDES = "Microsoft: Configure infrastructure to support SCEP with Intune"

// export checks the registry of an NDES server: a check for every value that must be there, and for every other that is
// wrong.
func (g *gatherer) export(context.Context) ([]adpreflight.Check, error) {
	const id, title = "ndes.registry", "the registry of the NDES server is right"
	n := g.q.NDES
	if n == nil || n.Export == "" {
		return untried(id, title, "no registry export was given (ndes.export)", sourceNDES), nil
	}
	var snap *registry.Snapshot
	if err := g.with(n.Export, func(r io.Reader) error {
		_, entries, err := regconv.Decode(r, regconv.Options{Name: n.Export})
		if err != nil {
			return err
		}
		snap, err = registry.Collect(n.Export, entries)
		return err
	}); err != nil {
		return nil, err
	}
	schema := registry.NDES(registry.NDESParams{Template: n.Template})
	type value struct{ path, name string }
	drifts := map[value][]adpreflight.Check{}
	var order []value
	for _, s := range schema.Settings {
		if v := (value{s.Path.String(), s.Name}); (s.Required || !s.Want.Equal(registry.Value{})) && drifts[v] == nil {
			order = append(order, v)
			drifts[v] = []adpreflight.Check{}
		}
	}
	for d := range schema.Drift(snap) {
		v := value{d.Path.String(), d.Name}
		if _, ok := drifts[v]; !ok {
			order = append(order, v)
		}
		evidence := orNothing(d.Got)
		if d.Want != "" {
			evidence += ", wanted " + d.Want
		}
		drifts[v] = append(drifts[v], adpreflight.Check{State: ofDrift(d.Severity), Evidence: sentence(evidence, d.Why), Remedy: d.Remedy, Source: d.Source})
	}
	var out []adpreflight.Check
	used := map[string]int{}
	for _, v := range order {
		name := v.name
		if name == "" {
			name = v.path[strings.LastIndexByte(v.path, '\\')+1:]
		}
		cid := id + "." + strings.ReplaceAll(name, " ", "-")
		if used[cid]++; used[cid] > 1 {
			cid += fmt.Sprintf("-%d", used[cid])
		}
		found := drifts[v]
		if len(found) == 0 {
			p, _ := registry.ParsePath(v.path)
			item, _ := snap.Get(p, v.name)
			found = []adpreflight.Check{{State: adpreflight.Pass, Evidence: item.Value.Plain(), Source: sourceNDES}}
		}
		out = append(out, merged(cid, fmt.Sprintf(`%s below %s`, name, v.path), found))
	}
	return out, nil
}

// live asks the NDES server itself.
func (g *gatherer) live(ctx context.Context) ([]adpreflight.Check, error) {
	const id, title = "ndes.live", "the NDES server answers as it should"
	n := g.q.NDES
	if n == nil || n.URL == "" {
		return untried(id, title, "no address was given (ndes.url)", sourceNDES), nil
	}
	d := &ndes.Doctor{URL: n.URL, Intune: n.Intune, Names: n.Names, HTTPClient: g.client, Now: g.now, Checks: ndes.Checks(),
		Progress: func(c ndes.Check) { g.progress("NDES: " + c.Title) }}
	if n.CAFile != "" {
		pool, err := g.authorities(n.CAFile)
		if err != nil {
			return nil, err
		}
		d.Roots = pool
		d.HTTPClient = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, Proxy: http.ProxyFromEnvironment}}
	}
	if g.client != nil { // a stand-in without a socket
		d.Checks = slices.DeleteFunc(d.Checks, func(c ndes.Check) bool { return c.ID == "tls" })
	}
	report, err := d.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("ndes.url: %w", err)
	}
	var out []adpreflight.Check
	for _, c := range ndes.Checks() {
		var found []adpreflight.Check
		for _, f := range report.Findings {
			if f.Check == c.ID {
				found = append(found, adpreflight.Check{State: ofNDES(f.Severity), Evidence: sentence(f.Evidence, f.Meaning), Remedy: f.Remedy, Source: f.Source})
			}
		}
		if len(found) == 0 && !slices.ContainsFunc(d.Checks, func(x ndes.Check) bool { return x.ID == c.ID }) {
			found = []adpreflight.Check{{Evidence: "the demonstration has no TLS", Source: c.Source}}
		}
		if len(found) == 0 {
			found = []adpreflight.Check{{State: adpreflight.NotApplicable, Evidence: "nothing to say about this address", Source: c.Source}}
		}
		out = append(out, merged(id+"."+c.ID, c.Title, found))
	}
	return out, nil
}
