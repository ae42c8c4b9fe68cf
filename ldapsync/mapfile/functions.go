package mapfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// Builtins returns the rules of package ldapsync as functions a file may name. The map is the caller's to change.
//
//	sid-text ATTR           the S-1-… text of a SID
//	guid-text               the text of objectGUID, a device's deviceId in Entra ID
//	account-enabled         TRUE or FALSE after bit 0x2 of userAccountControl
//	join-certificates       the hybrid-join certificates of a device
//	domain-fqdn             the DNS name of the source domain, and Unknown where it is not known
//	domain-netbios          its NetBIOS name, likewise
//	first-of ATTR…          the first attribute that is present
//	concat SEP ATTR…        those that are present, joined
//	lower ATTR, upper ATTR, trim ATTR
func Builtins() map[string]Function {
	one := func(f func(attr, to string) ldapsync.Rule) Function {
		return func(to string, args []string) (ldapsync.Rule, error) {
			if len(args) != 1 || args[0] == "" {
				return ldapsync.Rule{}, fmt.Errorf("it takes one attribute, not %d arguments", len(args))
			}
			return f(args[0], to), nil
		}
	}
	none := func(f func(to string) ldapsync.Rule) Function {
		return func(to string, args []string) (ldapsync.Rule, error) {
			if len(args) != 0 {
				return ldapsync.Rule{}, fmt.Errorf("it takes no arguments, not %d", len(args))
			}
			return f(to), nil
		}
	}
	domain := func(param string) Function {
		return none(func(to string) ldapsync.Rule {
			return ldapsync.Rule{To: to, From: []string{param}, Doc: param, Value: func(in ldapsync.Inputs) (ldapsync.Result, error) {
				if v, ok := in.Get(param); ok {
					return ldapsync.Set(v), nil
				}
				return ldapsync.Unknown(param + " is not known"), nil
			}}
		})
	}
	return map[string]Function{
		"sid-text":          one(ldapsync.SIDText),
		"guid-text":         none(ldapsync.GUIDText),
		"account-enabled":   none(ldapsync.AccountEnabled),
		"join-certificates": none(ldapsync.JoinCertificates),
		"domain-fqdn":       domain(ldapsync.ParamDomainFQDN),
		"domain-netbios":    domain(ldapsync.ParamDomainNetBIOS),
		"lower":             one(func(a, to string) ldapsync.Rule { return ldapsync.Lower(ldapsync.Copy(a, to)) }),
		"upper":             one(func(a, to string) ldapsync.Rule { return ldapsync.Upper(ldapsync.Copy(a, to)) }),
		"trim":              one(func(a, to string) ldapsync.Rule { return ldapsync.Trim(ldapsync.Copy(a, to)) }),
		"first-of": func(to string, args []string) (ldapsync.Rule, error) {
			if len(args) == 0 || slices.Contains(args, "") {
				return ldapsync.Rule{}, fmt.Errorf("it takes at least one attribute")
			}
			return ldapsync.FirstOf(to, args...), nil
		},
		"concat": func(to string, args []string) (ldapsync.Rule, error) {
			if len(args) < 2 || slices.Contains(args[1:], "") {
				return ldapsync.Rule{}, fmt.Errorf("it takes a separator and at least one attribute")
			}
			return ldapsync.Concat(to, args[0], args[1:]...), nil
		},
	}
}

func names(f map[string]Function) string { return strings.Join(slices.Sorted(maps.Keys(f)), ", ") }
