package adpreflight

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A spec is a check that can be made: what it is, and how.
type spec struct {
	id, title, source string
	network           bool // waits for the network, not for the directory
	run               func(*runner) verdict
}

// Run makes every check there is for cfg. It reads only. What cannot be looked at is a Check that says so, not an
// error: the error is a *ConfigError, or the context's, and then the report holds what was found until it ended.
// An ordinary account suffices. Checks over LDAP are made one after another on the Directory, those over the network
// at the same time.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg, err := cfg.prepared()
	if err != nil {
		return Report{}, err
	}
	began := time.Now()
	all := specs(cfg)
	r := &runner{ctx: ctx, cfg: cfg}
	found := make([]verdict, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		if s.network {
			wg.Go(func() { found[i] = s.run(r) })
		}
	}
	for i, s := range all {
		switch {
		case s.network:
		case ctx.Err() != nil:
			found[i] = notTried("the time was over before this check")
		default:
			found[i] = s.run(r)
		}
	}
	wg.Wait()
	report := Report{Checks: make([]Check, len(all))}
	if r.root != nil {
		report.Server = line(one(r.root.attrs, "dnsHostName"))
	}
	for i, s := range all {
		v := found[i]
		c := Check{ID: s.id, Title: s.title, State: v.state, Evidence: line(v.evidence), Remedy: line(v.remedy), Source: s.source}
		for _, d := range v.details {
			c.Details = append(c.Details, line(d))
		}
		report.Checks[i] = c
	}
	report.Elapsed = time.Since(began)
	return report, ctx.Err()
}

// specs lists the checks in the order in which they depend on each other.
func specs(cfg Config) []spec {
	all := slices.Concat(declarationSpecs(), vpnSpecs(cfg), portSpecs(cfg), controllerSpecs(), roleSpecs(), trustSpecs(), dnsSpecs(cfg))
	for _, s := range cfg.Scopes {
		all = append(all, scopeSpecs(s)...)
	}
	return append(all, scpSpecs()...)
}

// A runner holds what was read, so that every search is made once.
type runner struct {
	ctx context.Context
	cfg Config

	root       *found
	topology   *topologyData
	trusts     *trustData
	schemas    map[string]schemaItem
	scopes     map[string]*scopeData
	schemaSeen map[string]bool
}

// An entry is an object as a Directory gave it.
type entry struct {
	dn    string
	attrs map[string][]string
}

// found is the outcome of looking for one object: its entry or why there is none.
type found struct {
	entry
	err error
}

// errEnough ends a search early.
var errEnough = errors.New("enough")

var errNoDirectory = errors.New("there is no connection to the directory")

// search collects entries.
func (r *runner) search(base string, scope int, filter string, attrs ...string) ([]entry, error) {
	if r.cfg.Directory == nil {
		return nil, errNoDirectory
	}
	var out []entry
	const tooMany = 20000 // more than any of the lists here: trusts, domain controllers, DNS zones of one name
	err := r.cfg.Directory.Search(r.ctx, base, scope, filter, attrs, func(dn string, a map[string][]string) error {
		if out = append(out, entry{dn, a}); len(out) >= tooMany {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, err
}

// get reads one object.
func (r *runner) get(dn string, attrs ...string) found {
	all, err := r.search(dn, 0, "", attrs...)
	if err == nil && len(all) == 0 {
		err = ldapsync.ErrNotFound
	}
	if err != nil {
		return found{err: err}
	}
	return found{entry: all[0]}
}

// rootDSE reads what the domain controller says of itself.
func (r *runner) rootDSE() (entry, error) {
	if r.root == nil {
		f := r.get("", "dnsHostName", "dsServiceName", "serverName", "defaultNamingContext", "configurationNamingContext", "schemaNamingContext",
			"rootDomainNamingContext", "namingContexts", "currentTime", "isGlobalCatalogReady", "isSynchronized", "domainFunctionality", "tokenGroups")
		if f.err == nil && one(f.attrs, "defaultNamingContext") == "" {
			f.err = errors.New("the server names no domain (defaultNamingContext): it is not a domain controller, or the account is not signed in")
		}
		r.root = &f
	}
	return r.root.entry, r.root.err
}

// one returns the first value of an attribute, or "".
func one(attrs map[string][]string, name string) string {
	if v := attrs[strings.ToLower(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// unread is the verdict where the directory gave an error.
func unread(what string, err error) verdict {
	switch {
	case errors.Is(err, errNoDirectory):
		return notTried("%s", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return notTried("the time was over while reading %s", what)
	}
	return notTried("%s could not be read: %v", what, err)
}

// withRoot runs a check that starts from the rootDSE.
func withRoot(f func(*runner, entry) verdict) func(*runner) verdict {
	return func(r *runner) verdict {
		root, err := r.rootDSE()
		if err != nil {
			return unread("the rootDSE", err)
		}
		return f(r, root)
	}
}

// sameName compares DNS names: without case, and without the dot at the end.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// sameDN compares distinguished names as the directory does, or as text where they are none.
func sameDN(a, b string) bool {
	x, err := ldapsync.ParseDN(a)
	y, err2 := ldapsync.ParseDN(b)
	if err != nil || err2 != nil {
		return strings.EqualFold(a, b)
	}
	return x.Equal(y)
}
