package bulk

import (
	"maps"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// DefaultPaths are the SCIM paths of properties of Graph users under the default attribute mapping of a job (Microsoft,
// "Configure API-driven inbound provisioning app", attribute mapping), by property in lower case. A job whose mapping
// was changed needs its own. The map is the caller's.
func DefaultPaths() map[string]string {
	return map[string]string{
		"userprincipalname": "userName",
		"displayname":       "displayName",
		"givenname":         "name.givenName",
		"surname":           "name.familyName",
		"jobtitle":          "title",
		"employeetype":      "userType",
		"preferredlanguage": "preferredLanguage",
		"mailnickname":      "nickName",
		"mobilephone":       `phoneNumbers[type eq "mobile"].value`,
		"businessphones":    `phoneNumbers[type eq "work"].value`,
		"streetaddress":     `addresses[type eq "work"].streetAddress`,
		"city":              `addresses[type eq "work"].locality`,
		"state":             `addresses[type eq "work"].region`,
		"postalcode":        `addresses[type eq "work"].postalCode`,
		"country":           `addresses[type eq "work"].country`,
		"department":        SchemaEnterprise + ":department",
		"companyname":       SchemaEnterprise + ":organization",
	}
}

// A ClearMode says what becomes of an attribute that a plan clears. Whether and how the service clears an attribute
// depends on the job's mapping; Microsoft's pages do not promise it, so the default sends nothing and says so.
type ClearMode uint8

const (
	ClearSkip ClearMode = iota // not sent; reported
	ClearNull                  // sent as null
)

// PlanOptions say how FromPlan makes records.
type PlanOptions struct {
	// Paths maps target attributes, in lower case, to SCIM paths; nil means DefaultPaths.
	Paths map[string]string
	// ExternalID gives what the service shall match an item by, "" if it has none. Nil means the value of employeeId
	// among the item's edits, after the change or else before. An update that does not touch it needs the function:
	// the source's employeeNumber by Item.Source, say.
	ExternalID func(*ldapsync.Item) string
	Clear      ClearMode
}

// Skipped is a part of a plan that no record was made of, and why.
type Skipped struct {
	Source ldapsync.GUID
	DN     ldapsync.DN
	Attr   string // "" for the item as a whole
	Why    string
}

// FromPlan makes the records of what a plan would write. The plan may be one for a directory in memory that mirrors
// the tenant: it is not applied, and the state of the engine learns nothing of it. What has no equivalent is reported,
// never dropped: devices, deletions, renaming, attributes without a path, clearing.
func FromPlan(p *ldapsync.Plan, opt PlanOptions) (records []Record, skipped []Skipped) {
	if opt.Paths == nil {
		opt.Paths = DefaultPaths()
	}
	if opt.ExternalID == nil {
		opt.ExternalID = employeeID
	}
	for i := range p.Items {
		it := &p.Items[i]
		if !it.Action.Writes() {
			continue
		}
		skip := func(attr, why string) {
			skipped = append(skipped, Skipped{Source: it.Source, DN: it.SourceDN, Attr: attr, Why: why})
		}
		switch {
		case it.Class != ldapsync.User:
			skip("", "API-driven provisioning takes users only")
			continue
		case it.Action != ldapsync.ActionCreate && it.Action != ldapsync.ActionUpdate && it.Action != ldapsync.ActionRevert:
			skip("", "API-driven provisioning does not "+it.Action.String()+" users; send active as false to disable one")
			continue
		}
		r := Record{ExternalID: opt.ExternalID(it)}
		if r.ExternalID == "" {
			skip("", "nothing is known to match it by (PlanOptions.ExternalID)")
			continue
		}
		for _, e := range it.Edits {
			if why := r.edit(&e, &opt); why != "" {
				skip(e.Attr, why)
			}
		}
		if len(r.Attributes) > 0 {
			records = append(records, r)
		}
	}
	return records, skipped
}

func employeeID(it *ldapsync.Item) string {
	for _, e := range it.Edits {
		if strings.EqualFold(e.Attr, "employeeId") {
			for _, v := range [][]string{e.After, e.Before} {
				if len(v) > 0 {
					return v[0]
				}
			}
		}
	}
	return ""
}

// edit puts one edit into the record, or says why not.
func (r *Record) edit(e *ldapsync.PlannedEdit, opt *PlanOptions) string {
	name := strings.ToLower(e.Attr)
	switch {
	case name == "employeeid": // the ExternalID
		if len(e.After) == 0 {
			return "the matching attribute cannot be cleared"
		}
		return ""
	case name == "accountenabled":
		if len(e.After) != 1 {
			return "active has no third state"
		}
		r.Set("active", strings.EqualFold(e.After[0], "TRUE"))
		return ""
	}
	to, ok := opt.Paths[name]
	switch {
	case !ok:
		return "no SCIM path is known for it (PlanOptions.Paths)"
	case len(e.After) == 0 && opt.Clear == ClearSkip:
		return "clearing is not promised by the service (PlanOptions.Clear)"
	case len(e.After) == 0:
		r.Set(to, nil)
	case len(e.After) > 1:
		return "it has several values, and the path takes one"
	default:
		r.Set(to, e.After[0])
	}
	return ""
}

// Extend returns a copy of paths with others added, for organisations whose job maps more.
func Extend(paths map[string]string, others map[string]string) map[string]string {
	out := maps.Clone(paths)
	if out == nil {
		out = make(map[string]string)
	}
	for k, v := range others {
		out[strings.ToLower(k)] = v
	}
	return out
}
