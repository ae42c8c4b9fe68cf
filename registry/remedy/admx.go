package remedy

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"go.internal/hybridkit/registry"
)

// ErrNoPolicies is returned by ADMX for a schema none of whose values is a policy.
var ErrNoPolicies = errors.New("remedy: none of the values lies in a policy key, so a template would tattoo; use preferences or a script")

// A Template is an administrative template for the central store of Group Policy: File.admx beside en-US\File.adml.
type Template struct {
	File string // base name for both
	ADMX []byte
	ADML []byte
}

// ADMX returns a template with a policy for each wanted value of s that lies below Software\Policies or
// Software\Microsoft\Windows\CurrentVersion\Policies. Enabled writes the wanted value, disabled deletes it. namespace is the
// organisation's own, such as "Ashdown.Policies.HybridJoin"; prefix is the short form, "ashdown".
//
// All other wanted values are left out and returned as *registry.LossError, because a template would leave them behind
// when the policy goes; if nothing is left the error is ErrNoPolicies. Intune does not ingest such a template.
func ADMX(s registry.Schema, namespace, prefix string) (Template, error) {
	if namespace == "" || prefix == "" || strings.ContainsAny(namespace+prefix, " \t\r\n<>&\"") {
		return Template{}, fmt.Errorf("remedy: %q and %q are no namespace and prefix of a template", namespace, prefix)
	}
	var losses registry.Losses
	x := admx{
		Revision: "1.0", SchemaVersion: "1.0", Xmlns: policyNamespace,
		Target:    target{Prefix: prefix, Namespace: namespace},
		Using:     target{Prefix: "windows", Namespace: "Microsoft.Policies.Windows"},
		Resources: resources{MinRequiredRevision: "1.0"},
		Category:  category{Name: prefix + "Category", DisplayName: "$(string.Category)"},
	}
	l := adml{
		Revision: "1.0", SchemaVersion: "1.0", Xmlns: policyNamespace, DisplayName: s.Title, Description: s.Title,
		Strings: []text{{"Category", s.Title}},
	}
	for _, e := range s.Desired() {
		set := find(s, e)
		switch {
		case e.Op != registry.Set || set == nil:
			losses.Add("admx", e, "a template cannot only delete")
			continue
		case registry.Tattoos(e.Path):
			losses.Add("admx", e, "the value is not in a policy key and would stay when the policy goes")
			continue
		}
		p := policy{Key: e.Path.Key, ValueName: e.Name, Parent: ref{x.Category.Name}, Supported: ref{"windows:SUPPORTED_Windows_10_0"}}
		switch p.Class = "Machine"; e.Path.Hive {
		case registry.CurrentUser:
			p.Class = "User"
		case registry.LocalMachine:
		default:
			losses.Add("admx", e, "policies are about HKLM and HKCU")
			continue
		}
		if n, err := e.Value.Uint(); err == nil && e.Value.Type == registry.TypeDWord {
			p.Enabled.Decimal = &decimal{n}
		} else if t, err := e.Value.Text(); err == nil && e.Value.Type == registry.TypeSZ {
			p.Enabled.String = &t
		} else {
			losses.Add("admx", e, "a template value is a REG_DWORD or a REG_SZ")
			continue
		}
		id := identifier(e.Name, len(x.Policies))
		p.Name, p.DisplayName, p.ExplainText = id, "$(string."+id+")", "$(string."+id+"_Help)"
		x.Policies = append(x.Policies, p)
		l.Strings = append(l.Strings, text{id, e.Name}, text{id + "_Help", help(set)})
	}
	if len(x.Policies) == 0 {
		return Template{}, errors.Join(ErrNoPolicies, losses.Err())
	}
	t := Template{File: strings.ReplaceAll(namespace, ".", "-")}
	var err1, err2 error
	t.ADMX, err1 = document(x)
	t.ADML, err2 = document(l)
	if err := errors.Join(err1, err2); err != nil {
		return Template{}, err
	}
	return t, losses.Err()
}

func find(s registry.Schema, e registry.Entry) *registry.Setting {
	for i := range s.Settings {
		if set := &s.Settings[i]; set.Path.Equal(e.Path) && registry.EqualFold(set.Name, e.Name) {
			return set
		}
	}
	return nil
}

// identifier makes a name for a policy, which may hold letters, digits and underscores only.
func identifier(name string, n int) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	return fmt.Sprintf("Policy%d_%s", n+1, clean)
}

func help(s *registry.Setting) string {
	var parts []string
	for _, p := range []string{s.Why, s.Consequence, s.Source} {
		if p != "" {
			parts = append(parts, p+".")
		}
	}
	return strings.Join(parts, "\n\n")
}

func document(v any) ([]byte, error) {
	b, err := xml.MarshalIndent(v, "", "  ")
	return append([]byte(xml.Header), append(b, '\n')...), err
}

const policyNamespace = "http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions"

type admx struct {
	XMLName       xml.Name  `xml:"policyDefinitions"`
	Revision      string    `xml:"revision,attr"`
	SchemaVersion string    `xml:"schemaVersion,attr"`
	Xmlns         string    `xml:"xmlns,attr"`
	Target        target    `xml:"policyNamespaces>target"`
	Using         target    `xml:"policyNamespaces>using"`
	Resources     resources `xml:"resources"`
	Category      category  `xml:"categories>category"`
	Policies      []policy  `xml:"policies>policy"`
}

type target struct {
	Prefix    string `xml:"prefix,attr"`
	Namespace string `xml:"namespace,attr"`
}

type resources struct {
	MinRequiredRevision string `xml:"minRequiredRevision,attr"`
}

type category struct {
	Name        string `xml:"name,attr"`
	DisplayName string `xml:"displayName,attr"`
}

type ref struct {
	Ref string `xml:"ref,attr"`
}

type policy struct {
	Name        string  `xml:"name,attr"`
	Class       string  `xml:"class,attr"`
	DisplayName string  `xml:"displayName,attr"`
	ExplainText string  `xml:"explainText,attr"`
	Key         string  `xml:"key,attr"`
	ValueName   string  `xml:"valueName,attr"`
	Parent      ref     `xml:"parentCategory"`
	Supported   ref     `xml:"supportedOn"`
	Enabled     enabled `xml:"enabledValue"`
	Disabled    struct {
		Delete struct{} `xml:"delete"`
	} `xml:"disabledValue"`
}

type enabled struct {
	Decimal *decimal `xml:"decimal"`
	String  *string  `xml:"string"`
}

type decimal struct {
	Value uint64 `xml:"value,attr"`
}

type adml struct {
	XMLName       xml.Name `xml:"policyDefinitionResources"`
	Revision      string   `xml:"revision,attr"`
	SchemaVersion string   `xml:"schemaVersion,attr"`
	Xmlns         string   `xml:"xmlns,attr"`
	DisplayName   string   `xml:"displayName"`
	Description   string   `xml:"description"`
	Strings       []text   `xml:"resources>stringTable>string"`
}

type text struct {
	ID   string `xml:"id,attr"`
	Text string `xml:",chardata"`
}
