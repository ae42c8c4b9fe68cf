package main

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entraauth"
)

// More is another target of the same organisation, with tracks of its own: the Entra ID of an organisation whose
// provisioning directory is the first, for example. The source is read for it again. Plans, status and undo know it
// as ORGANISATION.NAME, which is also what -org takes.
type More struct {
	Name            string          `json:"name"`
	Target          Directory       `json:"target"`
	State           string          `json:"state"` // the organisation's file if absent
	Users           *Track          `json:"users"`
	Devices         *Track          `json:"devices"`
	Guards          ldapsync.Guards `json:"guards"`
	Workers         int             `json:"workers"`
	WritesPerSecond float64         `json:"writesPerSecond"`
}

// Extension is a directory extension that mappings may name.
type Extension struct {
	Name    string `json:"name"`
	AppID   string `json:"appId"`
	Type    string `json:"type"` // "text" (default), "boolean", "integer", "instant", "binary"
	Multi   bool   `json:"multi"`
	Users   bool   `json:"users"`
	Devices bool   `json:"devices"`
	Synced  bool   `json:"synced"` // Entra Connect fills it
}

// expand turns every further target into an organisation of its own.
func expand(list []Organisation) ([]Organisation, error) {
	var out []Organisation
	for _, o := range list {
		more := o.More
		o.More = nil
		first := len(more) == 0 || o.Users != nil || o.Devices != nil
		if first {
			out = append(out, o)
		}
		for i, m := range more {
			if m.Name == "" {
				return nil, fmt.Errorf("organisation %s: a further target has no name", o.Name)
			}
			x := o
			x.Name, x.Target, x.Users, x.Devices, x.Guards = o.Name+"."+m.Name, m.Target, m.Users, m.Devices, m.Guards
			x.Workers, x.WritesPerSecond = m.Workers, m.WritesPerSecond
			x.Source.Notify = o.Source.Notify && !first && i == 0 // one is enough
			if m.State != "" {
				x.State = m.State
			}
			out = append(out, x)
		}
	}
	return out, nil
}

// rebase makes the paths in the connection relative to the configuration.
func (d *Directory) rebase(dir string) {
	paths := []*string{&d.File, &d.PasswordFile, &d.CAFile, &d.ClientCert, &d.ClientKey}
	if d.Auth != nil {
		paths = append(paths, &d.Auth.SecretFile, &d.Auth.CertificateFile, &d.Auth.TokenFile)
	}
	for _, p := range paths {
		if *p != "" && *p != "-" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

// budget is a pace of writes; 0 means what Graph admits of an application.
func budget(rate float64) *entra.Budget {
	if rate <= 0 {
		return new(entra.Budget)
	}
	n := max(int(rate), 1)
	return &entra.Budget{Limits: []entra.Limit{{Writes: n, Per: time.Duration(float64(n) / rate * float64(time.Second))}}}
}

// shareBudgets gives one budget to all that write with the same application in the same tenant: the slowest that one of
// them asks for.
func shareBudgets(list []Organisation) {
	type application struct{ tenant, client, host string }
	key := func(o *Organisation) application {
		return application{o.Target.Auth.TenantID, o.Target.Auth.ClientID, o.Target.Auth.GraphHost}
	}
	standard := entra.DefaultLimits()[0]
	rates := make(map[application]float64)
	for i := range list {
		if o := &list[i]; o.Target.Auth != nil {
			rate := o.WritesPerSecond
			if rate <= 0 {
				rate = float64(standard.Writes) / standard.Per.Seconds()
			}
			if old, ok := rates[key(o)]; !ok || rate < old {
				rates[key(o)] = rate
			}
		}
	}
	budgets := make(map[application]*entra.Budget)
	for i := range list {
		if o := &list[i]; o.Target.Auth != nil {
			if budgets[key(o)] == nil {
				budgets[key(o)] = budget(rates[key(o)])
			}
			o.Target.budget = budgets[key(o)]
		}
	}
}

// entra connects to Entra ID. Nothing is sent yet.
func (d *Directory) entra(rate float64) (*entra.Target, error) {
	if d.Auth == nil {
		return nil, fmt.Errorf(`kind "entra" needs "auth": {"method": "client-certificate", …}`)
	}
	auth := *d.Auth
	if d.CAFile != "" {
		cas, err := d.cas()
		if err != nil {
			return nil, err
		}
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.TLSClientConfig = &tls.Config{RootCAs: cas}
		auth.Transport = tr
	}
	adapter, err := entraauth.NewAdapter(auth)
	if err != nil {
		return nil, err
	}
	cfg := entra.Config{Client: &entra.Client{Adapter: adapter}, UserFilter: d.UserFilter, DeviceFilter: d.DeviceFilter, PageSize: d.PageSize, Delete: d.Delete}
	if cfg.Budget = d.budget; cfg.Budget == nil {
		cfg.Budget = budget(rate)
	}
	kinds := map[string]entra.Kind{"": entra.Text, "text": entra.Text, "boolean": entra.Boolean, "integer": entra.Integer, "instant": entra.Instant, "binary": entra.Binary}
	for _, x := range d.Extensions {
		k, ok := kinds[x.Type]
		if !ok {
			return nil, fmt.Errorf("extension %s: unknown type %q; known are text, boolean, integer, instant, binary", x.Name, x.Type)
		}
		cfg.Extensions = append(cfg.Extensions, entra.Extension{Name: x.Name, AppID: x.AppID, Kind: k, Multi: x.Multi, Users: x.Users, Devices: x.Devices, Synced: x.Synced})
	}
	return entra.New(cfg)
}

// foretell says which items of a plan Entra ID would refuse because Active Directory is the authority.
func (t *tool) foretell(s *ldapsync.Syncer, p *ldapsync.Plan) error {
	g, ok := s.Target.(*entra.Target)
	if !ok {
		return nil
	}
	refused, err := g.CheckPlan(t.ctx, p)
	if err != nil {
		return fmt.Errorf("looking up what can be written: %w", err)
	}
	const most = 20
	for n, i := range slices.Sorted(maps.Keys(refused)) {
		if n == most {
			fmt.Fprintf(t.stderr, "syncengine: … and %d more\n", len(refused)-most)
			break
		}
		fmt.Fprintf(t.stderr, "syncengine: %s will be refused: %v\n", p.Items[i].TargetDN, refused[i])
	}
	return nil
}
