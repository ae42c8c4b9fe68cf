package adpreflight

import (
	"errors"
	"slices"
	"strings"
)

// The roles in the order of Roles, each with the object that names its holder in fSMORoleOwner ([MS-ADTS] 6.1.5).
var roleObjects = [...]struct{ role, object, context string }{
	{"schema", "", "schemaNamingContext"},
	{"naming", "CN=Partitions,", "configurationNamingContext"},
	{"pdc", "", "defaultNamingContext"},
	{"rid", "CN=RID Manager$,CN=System,", "defaultNamingContext"},
	{"infrastructure", "CN=Infrastructure,", "defaultNamingContext"},
}

// Roles returns the names of the flexible single master operations roles, as Config.FSMO takes them: "schema",
// "naming", "pdc", "rid" and "infrastructure".
func Roles() []string {
	var out []string
	for _, r := range roleObjects {
		out = append(out, r.role)
	}
	return out
}

func roleSpecs() []spec {
	return []spec{
		{"fsmo.holders", "every operations master role has a holder that exists", "operations guide 5.2.2; [MS-ADTS] 6.1.5", false, withRoot((*runner).holders)},
		{"fsmo.agreed", "the roles are held where it was agreed", "operations guide 5.2.2, 7.5", false, withRoot((*runner).agreed)},
		{"lint.infrastructure-master", "the infrastructure master is not harmed by the Global Catalog",
			"operations guide 5.2.2 (Global Catalog and infrastructure master) against 7.5 (Global Catalog only)", false, withRoot((*runner).infrastructure)},
	}
}

// holder returns the NTDS Settings that hold a role.
func (r *runner) holder(root entry, role string) (string, error) {
	for _, o := range roleObjects {
		if o.role != role {
			continue
		}
		f := r.get(o.object+one(root.attrs, o.context), "fSMORoleOwner")
		if f.err != nil {
			return "", f.err
		}
		return one(f.attrs, "fSMORoleOwner"), nil
	}
	return "", errors.New("no such role")
}

func (r *runner) holders(root entry) verdict {
	t := r.topologyOf(root)
	if t.err != nil {
		return unread("CN=Sites", t.err)
	}
	var seen, missing []string
	for _, role := range Roles() {
		settings, err := r.holder(root, role)
		if err != nil {
			return unread("the holder of the role "+role, err)
		}
		c, ok := t.controllerAt(settings)
		switch {
		case settings == "":
			missing = append(missing, role+": nobody, or not readable (fSMORoleOwner is absent)")
		case !ok:
			missing = append(missing, role+": "+settings+", which is no domain controller any more")
		default:
			seen = append(seen, role+": "+c.name())
		}
	}
	if len(missing) > 0 {
		return fail("seize the role on a working domain controller: Move-ADDirectoryServerOperationMasterRole -Force; check with netdom query fsmo",
			"%s without a holder", plural(len(missing), "role")).with(append(missing, seen...)...)
	}
	return pass("five roles, five holders").with(seen...)
}

func (r *runner) agreed(root entry) verdict {
	if len(r.cfg.FSMO) == 0 {
		return notApplicable("no holders were agreed")
	}
	t := r.topologyOf(root)
	if t.err != nil {
		return unread("CN=Sites", t.err)
	}
	var wrong []string
	for _, role := range Roles() {
		want, ok := r.cfg.FSMO[role]
		if !ok {
			continue
		}
		settings, err := r.holder(root, role)
		if err != nil {
			return unread("the holder of the role "+role, err)
		}
		if c, _ := t.controllerAt(settings); !sameName(c.host, want) {
			wrong = append(wrong, role+": "+orAbsent(c.name())+" instead of "+want)
		}
	}
	if len(wrong) > 0 {
		return fail("move the role (Move-ADDirectoryServerOperationMasterRole), or correct what was agreed", "%s elsewhere", plural(len(wrong), "role")).with(wrong...)
	}
	return pass("%s as agreed", plural(len(r.cfg.FSMO), "role"))
}

// infrastructure resolves what the guide leaves open: an infrastructure master on a Global Catalog does not update
// references to other domains, unless there are no other domains or every domain controller is a Global Catalog.
func (r *runner) infrastructure(root entry) verdict {
	t := r.topologyOf(root)
	if t.err != nil {
		return unread("CN=Sites", t.err)
	}
	settings, err := r.holder(root, "infrastructure")
	if err != nil {
		return unread("the holder of the role infrastructure", err)
	}
	c, ok := t.controllerAt(settings)
	all := !slices.ContainsFunc(t.controllers, func(c controller) bool { return !c.gc })
	switch {
	case !ok:
		return notTried("the infrastructure master is not known")
	case !c.gc:
		return pass("%s is the infrastructure master and no Global Catalog", c.name())
	case len(t.domains) <= 1:
		return pass("%s is both, which is harmless in a forest of one domain", c.name())
	case all:
		return pass("%s is both, which is harmless where every domain controller is a Global Catalog", c.name())
	}
	var without []string
	for _, o := range t.controllers {
		if !o.gc {
			without = append(without, o.name())
		}
	}
	return warn("make every domain controller a Global Catalog, or move the role to one that is none; the guide's table asks for both on one machine, its section 7.5 does not",
		"%s is infrastructure master and Global Catalog, the forest has the domains %s, and some domain controllers are no Global Catalog", c.name(), strings.Join(t.domains, ", ")).with(without...)
}
