package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regconv"
	"go.internal/hybridkit/registry/remedy"
)

const forms = "reg, reg4, pol, gpp, inf, json, reg-add, reg-add-batch, powershell, admx, gpo, gpo-pol, gpo-gpp"

func (a *app) emitFlags() {
	a.schemaFlags()
	a.flags.StringVar(&a.as, "as", "", "form: "+forms)
	a.flags.BoolVar(&a.remove, "remove", false, "what takes the values away again, for off-boarding")
	a.flags.StringVar(&a.output, "o", "", "write to this file, or this folder for powershell, admx and gpo, instead of standard output")
	a.flags.StringVar(&a.namespace, "namespace", "Organisation.Policies.HybridJoin", "namespace of the template (admx)")
	a.flags.StringVar(&a.gpoName, "name", "", "name of the Group Policy Object (gpo); default: the title of the schema")
	a.flags.StringVar(&a.domain, "domain", "", "DNS name of the domain (gpo); needed with -backup")
	a.flags.BoolVar(&a.backup, "backup", false, "write the form that Import-GPO and the console import (gpo)")
}

func (a *app) emit(args []string) (int, error) {
	if len(args) > 0 {
		return 0, usagef("emit takes no file")
	}
	schema, err := a.getSchema()
	if err != nil {
		return 0, err
	}
	delta := schema.Desired()
	after := schema.AfterChange
	if a.remove {
		delta, after = schema.Remove(), schema.AfterRemoval
	}
	if len(delta) == 0 {
		return 0, fmt.Errorf("schema %s has nothing to set; it needs parameters, or is read-only", schema.Name)
	}
	var code int
	switch a.as {
	case "":
		return 0, usagef("-as is missing; it is one of %s", forms)
	case "reg", "reg4", "pol", "gpp", "inf", "json":
		code, err = a.write(func(w io.Writer) error { return regconv.Encode(w, regconv.Format(a.as), slices.Values(delta)) })
	case "reg-add", "reg-add-batch":
		code, err = a.write(func(w io.Writer) error {
			return remedy.RegAdd(w, slices.Values(delta), a.as == "reg-add-batch")
		})
	case "powershell":
		code, err = a.emitScripts(schema)
	case "admx":
		code, err = a.emitTemplate(schema)
	case "gpo", "gpo-pol", "gpo-gpp":
		code, err = a.emitGPO(schema, delta)
	default:
		return 0, usagef("no form %q; it is one of %s", a.as, forms)
	}
	if err == nil {
		a.hints(schema, after, delta)
	}
	return code, err
}

// hints says on standard error what the output itself does not.
func (a *app) hints(schema registry.Schema, after string, delta registry.Delta) {
	if after != "" {
		fmt.Fprintf(a.errOut, "afterwards: %s\n", after)
	}
	if slices.Contains([]string{"pol", "gpp", "gpo", "gpo-pol", "gpo-gpp"}, a.as) {
		stay := slices.ContainsFunc(delta, func(e registry.Entry) bool { return e.Op == registry.Set && registry.Tattoos(e.Path) })
		if stay {
			fmt.Fprintf(a.errOut, "the values stay when the policy is removed (tattoo); regcheck emit -schema %s -remove makes what takes them away\n", schema.Name)
		}
	}
}

// emitFiles writes files into the -o folder, or one behind the other with a heading.
func (a *app) emitFiles(names []string, files [][]byte) error {
	for i, name := range names {
		if a.output != "" {
			path := filepath.Join(a.output, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				return err
			}
			if err := os.WriteFile(path, files[i], 0o666); err != nil {
				return err
			}
			fmt.Fprintln(a.out, path)
			continue
		}
		fmt.Fprintf(a.out, "# ---- %s\r\n%s", name, files[i])
	}
	return nil
}

// finish prints losses and passes every other error on.
func (a *app) finish(err error) (int, error) {
	if lost := losses(err); lost != nil {
		return a.complain("not written", lost), nil
	}
	return exitOK, err
}

func (a *app) emitScripts(schema registry.Schema) (int, error) {
	make := remedy.PowerShell
	if a.remove {
		make = remedy.PowerShellRemoval
	}
	pair, lost := make(schema)
	if err := a.emitFiles([]string{"detect.ps1", "remediate.ps1"}, [][]byte{[]byte(pair.Detect), []byte(pair.Remediate)}); err != nil {
		return 0, err
	}
	return a.finish(lost)
}

func (a *app) emitTemplate(schema registry.Schema) (int, error) {
	if a.remove {
		return 0, usagef("a template has no removal: set its policies to disabled")
	}
	prefix, _, _ := strings.Cut(strings.ToLower(a.namespace), ".")
	t, lost := remedy.ADMX(schema, a.namespace, prefix)
	if t.File == "" {
		return 0, lost
	}
	if err := a.emitFiles([]string{t.File + ".admx", "en-US/" + t.File + ".adml"}, [][]byte{t.ADMX, t.ADML}); err != nil {
		return 0, err
	}
	return a.finish(lost)
}
