package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
	"go.internal/hybridkit/registry/gpp"
)

// effectiveFlags are the flags of one command only.
type effectiveFlags struct {
	sysvol, links, ou, site, local, under string
	user                                  bool
	members                               []string
	wmi                                   map[string]gpo.WMIResult
}

func (a *app) effectiveFlags() {
	e := &a.eff
	e.wmi = map[string]gpo.WMIResult{}
	a.flags.StringVar(&e.sysvol, "sysvol", "", "`folder` with the Group Policy Objects: SYSVOL, a domain in it, its Policies, or a copy")
	a.flags.StringVar(&e.links, "links", "", "JSON or LDIF `file` of organizational units, links and Group Policy Objects")
	a.flags.StringVar(&e.ou, "ou", "", "`DN` of the organizational unit, or of an account in it")
	a.flags.StringVar(&e.site, "site", "", "DN or name of the Active Directory site")
	a.flags.StringVar(&e.local, "local", "", "`file` with what the registry holds otherwise")
	a.flags.StringVar(&e.under, "under", "", "show values below this `key` only")
	a.flags.BoolVar(&e.user, "user", false, "the user half of the policies, for a user in the unit")
	a.flags.Func("member", "`SID` or name of a group the account is in; may be repeated, \"\" says that there is no other", func(s string) error {
		if e.members == nil {
			e.members = []string{}
		}
		if s != "" {
			e.members = append(e.members, s)
		}
		return nil
	})
	a.flags.Func("wmi", "result of a WMI filter, `name=true|false|failed`; may be repeated", func(s string) error {
		name, value, _ := strings.Cut(s, "=")
		r, ok := map[string]gpo.WMIResult{"true": gpo.WMITrue, "false": gpo.WMIFalse, "failed": gpo.WMIFailed}[value]
		if !ok || name == "" {
			return errors.New("a result is written name=true, name=false or name=failed")
		}
		e.wmi[name] = r
		return nil
	})
	a.schemaFlags()
	a.inputFlags()
}

// An effectiveValue is one line of effective -json.
type effectiveValue struct {
	Path    string      `json:"path"`
	Name    string      `json:"name"`
	Present bool        `json:"present"`
	Type    string      `json:"type,omitempty"`
	Data    string      `json:"data,omitempty"`
	Text    string      `json:"text,omitempty"`
	Winner  *candidate  `json:"winner,omitempty"`
	Losers  []candidate `json:"losers"`
	Unknown []candidate `json:"unknown"`
}

type candidate struct {
	Mechanism gpo.Mechanism `json:"mechanism"`
	GPO       string        `json:"gpo,omitempty"`
	ID        string        `json:"id,omitempty"`
	Container string        `json:"container,omitempty"`
	Order     int           `json:"order,omitempty"`
	Enforced  bool          `json:"enforced,omitempty"`
	Effect    string        `json:"effect"`
	Reason    gpo.Reason    `json:"reason,omitempty"`
	Detail    string        `json:"detail,omitempty"`
	Tattoo    bool          `json:"tattoo"`
}

func newCandidate(c gpo.Candidate) candidate {
	return candidate{
		c.Mechanism, c.Link.Name, c.Link.ID, c.Link.Container, c.Link.Order, c.Link.Enforced, c.Entry.String(), c.Reason, c.Detail, c.Tattoo,
	}
}

func newCandidates(list []gpo.Candidate) []candidate {
	out := []candidate{}
	for _, c := range list {
		out = append(out, newCandidate(c))
	}
	return out
}

func (a *app) effective(args []string) (int, error) {
	e := &a.eff
	switch {
	case len(args) > 0:
		return 0, usagef("effective takes no file")
	case e.sysvol == "" || e.links == "" || e.ou == "":
		return 0, usagef("-sysvol, -links and -ou are needed")
	}
	var under registry.Path
	if e.under != "" {
		var err error
		if under, err = registry.ParsePath(e.under); err != nil {
			return 0, usagef("-under: %v", err)
		}
	}
	target := gpo.Target{DN: e.ou, Site: e.site, User: e.user, Principals: e.members, WMI: e.wmi}
	if e.local != "" {
		_, snap, config, errs, err := a.read(e.local)
		if err == nil && config != nil {
			err = errors.New("an IIS configuration is no registry")
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", e.local, err)
		}
		a.complain(e.local, errs)
		target.Local = snap
	}
	result, err := a.resolve(target)
	if err != nil {
		return 0, err
	}
	for _, err := range result.Errors {
		fmt.Fprintf(a.errOut, "%v\n", err)
	}
	if len(result.Errors) > 0 && !a.tolerant {
		return 0, errors.New("the result would lack what could not be read; -tolerant shows the rest")
	}
	for _, n := range result.Notes {
		fmt.Fprintf(a.errOut, "note: %s\n", n)
	}
	if a.schema != "" {
		schema, err := a.getSchema()
		if err != nil {
			return 0, err
		}
		snap, err := result.Snapshot()
		if err != nil {
			return 0, err
		}
		return a.print(judge(schema, snap, e.ou, "effective"), schema)
	}
	return exitOK, a.printEffective(result, under)
}

func (a *app) resolve(target gpo.Target) (*gpo.Result, error) {
	links, err := a.open(a.eff.links)
	if err != nil {
		return nil, err
	}
	defer links.Close()
	if st, err := os.Stat(a.eff.sysvol); err != nil {
		return nil, err
	} else if !st.IsDir() {
		return nil, fmt.Errorf("%s is no folder", a.eff.sysvol)
	}
	estate, err := gpo.Load(os.DirFS(a.eff.sysvol), links)
	if err != nil {
		return nil, err
	}
	return estate.Effective(target)
}

func (a *app) printEffective(result *gpo.Result, under registry.Path) error {
	if !a.json {
		fmt.Fprintln(a.out, "Group Policy Objects, strongest first:")
		for _, l := range result.GPOs {
			line := "  " + l.String()
			if l.Applies != gpp.Yes {
				line += ": " + string(l.Reason)
				if l.Detail != "" {
					line += " (" + l.Detail + ")"
				}
			}
			fmt.Fprintln(a.out, line)
		}
	}
	for _, v := range result.Values {
		if !under.IsZero() && !v.Path.Under(under) {
			continue
		}
		if a.json {
			if err := writeJSON(a.out, effectiveJSON(v)); err != nil {
				return err
			}
			continue
		}
		text := "not present"
		if v.Present {
			text = v.Value.Type.String() + " " + v.Value.String()
		}
		fmt.Fprintf(a.out, "\n%s\\%s  %s\n", v.Path.Short(), registry.ValueName(v.Name), text)
		if v.Winner != nil {
			stays := ""
			if v.Winner.Tattoo {
				stays = "; stays when the policy goes"
			}
			fmt.Fprintf(a.out, "  won      %v%s\n", *v.Winner, stays)
		}
		for _, c := range v.Losers {
			fmt.Fprintf(a.out, "  lost     %v\n", c)
		}
		for _, c := range v.Unknown {
			fmt.Fprintf(a.out, "  unknown  %v\n", c)
		}
	}
	return nil
}

func effectiveJSON(v gpo.Effective) effectiveValue {
	j := effectiveValue{Path: v.Path.String(), Name: v.Name, Present: v.Present, Losers: newCandidates(v.Losers), Unknown: newCandidates(v.Unknown)}
	if v.Present {
		j.Type, j.Data, j.Text = v.Value.Type.String(), hex.EncodeToString(v.Value.Data), v.Value.String()
	}
	if v.Winner != nil {
		c := newCandidate(*v.Winner)
		j.Winner = &c
	}
	return j
}
