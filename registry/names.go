package registry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Params are the parameters of a schema by their stable names, the form in which command lines and files give them:
//
//	cdj             tenant-id, tenant-name
//	mdm             device-credential (true or false)
//	ndes            template, signature-template, encryption-template, general-purpose-template, schannel (true or false)
//	ndes-templates  template, signature-template, encryption-template, general-purpose-template
//	schannel        schannel (true or false)
type Params map[string]string

// Errors wrapped by ByName and ParseSchema.
var (
	ErrSchema = errors.New("registry: no such schema")
	ErrParam  = errors.New("registry: wrong parameter of a schema")
)

type builtin struct {
	name   string
	params []string
	make   func(Params) (Schema, error)
}

var templateParams = []string{"template", "signature-template", "encryption-template", "general-purpose-template"}

// builtins is the only place names of schemas are written down.
func builtins() []builtin {
	plain := func(name string, f func() Schema) builtin {
		return builtin{name, nil, func(Params) (Schema, error) { return f(), nil }}
	}
	return []builtin{
		{"cdj", []string{"tenant-id", "tenant-name"}, func(p Params) (Schema, error) {
			if id := p["tenant-id"]; id != "" && GUID.fault(id) != "" {
				return Schema{}, fmt.Errorf("%w: tenant-id: %s", ErrParam, GUID.fault(id))
			}
			if name := p["tenant-name"]; name != "" && DomainName.fault(name) != "" {
				return Schema{}, fmt.Errorf("%w: tenant-name: %s", ErrParam, DomainName.fault(name))
			}
			return CDJ(CDJParams{TenantID: p["tenant-id"], TenantName: p["tenant-name"]}), nil
		}},
		plain("guide-cdj", func() Schema { return CDJ(GuideCDJ()) }),
		plain("registration", Registration),
		{"mdm", []string{"device-credential"}, func(p Params) (Schema, error) {
			device, err := p.flag("device-credential")
			return MDM(MDMParams{DeviceCredential: device}), err
		}},
		plain("kerberos", CloudKerberos),
		plain("join-state", JoinState),
		plain("comanagement", CoManagement),
		plain("policy-processing", PolicyProcessing),
		{"ndes", append(slices.Clone(templateParams), "schannel"), func(p Params) (Schema, error) {
			np, err := p.ndes()
			return NDES(np), err
		}},
		plain("guide-ndes", func() Schema { return NDES(GuideNDES()) }),
		{"ndes-templates", templateParams, func(p Params) (Schema, error) {
			np, err := p.ndes()
			return NDESTemplates(np), err
		}},
		plain("mscep", MSCEP),
		plain("http", HTTPSys),
		{"schannel", []string{"schannel"}, func(p Params) (Schema, error) {
			on, err := p.flag("schannel")
			return SCHANNEL(on), err
		}},
		plain("connector", Connector),
		plain("strong-mapping", StrongMapping),
	}
}

func (p Params) flag(name string) (bool, error) {
	if p[name] == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(p[name])
	if err != nil {
		return false, fmt.Errorf("%w: %s is true or false, not %q", ErrParam, name, clip(p[name], 40))
	}
	return on, nil
}

func (p Params) ndes() (NDESParams, error) {
	on, err := p.flag("schannel")
	for _, name := range templateParams {
		if v := p[name]; v != "" && err == nil {
			if strings.Contains(strings.TrimSpace(v), " ") {
				err = fmt.Errorf("%w: %s: a template name has no blanks; %q looks like a display name", ErrParam, name, clip(v, 80))
			} else if fault := TemplateName.fault(v); fault != "" {
				err = fmt.Errorf("%w: %s: %s", ErrParam, name, fault)
			}
		}
	}
	return NDESParams{
		Template: p["template"], Signature: p["signature-template"], Encryption: p["encryption-template"],
		GeneralPurpose: p["general-purpose-template"], SCHANNEL: on,
	}, err
}

// Names returns the names that ByName knows.
func Names() []string {
	var names []string
	for _, b := range builtins() {
		names = append(names, b.name)
	}
	return names
}

// ByName returns a schema of this package by its name, with the organisation's parameters. An unknown name gives an error
// wrapping ErrSchema, an unknown or malformed parameter one wrapping ErrParam.
func ByName(name string, p Params) (Schema, error) {
	for _, b := range builtins() {
		if b.name != name {
			continue
		}
		for k := range p {
			if !slices.Contains(b.params, k) {
				known := "it has none"
				if len(b.params) > 0 {
					known = "it has " + strings.Join(b.params, ", ")
				}
				return Schema{}, fmt.Errorf("%w: schema %s has no parameter %q; %s", ErrParam, name, clip(k, 40), known)
			}
		}
		s, err := b.make(p)
		if err != nil {
			return Schema{}, err
		}
		s.Name = name
		return s, nil
	}
	return Schema{}, fmt.Errorf("%w: %q; there are %s", ErrSchema, clip(name, 40), strings.Join(Names(), ", "))
}

// ParamNames returns the parameters that ByName takes for the schema of the given name.
func ParamNames(name string) []string {
	for _, b := range builtins() {
		if b.name == name {
			return slices.Clone(b.params)
		}
	}
	return nil
}
