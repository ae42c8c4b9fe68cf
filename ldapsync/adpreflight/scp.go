package adpreflight

import (
	"errors"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// scpName is the service connection point of device registration, below the configuration naming context.
const scpName = "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,"

func scpSpecs() []spec {
	return []spec{{"scp.tenant", "the directory's service connection point names no other tenant",
		`operations guide 7.9; Microsoft, "Configure Microsoft Entra hybrid join" (service connection point)`, false, withRoot((*runner).scp)}}
}

func (r *runner) scp(root entry) verdict {
	s := r.cfg.Service
	f := r.get(scpName+one(root.attrs, "configurationNamingContext"), "keywords")
	switch {
	case errors.Is(f.err, ldapsync.ErrNotFound):
		return pass("there is none: devices learn the tenant from the CDJ values in their registry alone")
	case f.err != nil:
		return unread("the service connection point", f.err)
	}
	keywords := slices.Sorted(slices.Values(f.attrs["keywords"]))
	if len(keywords) == 0 {
		return warn("read it with an account that may, or remove the object", "it is there, but has no keywords, or none that the account may read")
	}
	id, name := "", ""
	for _, k := range keywords {
		if v, ok := cutFold(k, "azureADId:"); ok {
			id = v
		}
		if v, ok := cutFold(k, "azureADName:"); ok {
			name = v
		}
	}
	switch {
	case s.TenantID == "":
		return notTried("the tenant was not given").with(keywords...)
	case strings.EqualFold(strings.Trim(id, "{}"), s.TenantID):
		return pass("it names the tenant %s (%s)", id, orAbsent(name))
	}
	return fail("remove or correct it; where it must stay, make certain that every device gets the CDJ values, which come before it: a device without them registers in the other tenant",
		"it names the tenant %s (%s), not %s", orAbsent(id), orAbsent(name), s.TenantID).with(keywords...)
}

// cutFold cuts a prefix off, without regard to case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return strings.TrimSpace(s[len(prefix):]), true
}
