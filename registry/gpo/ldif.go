package gpo

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// readLDIF reads an export of directory objects (RFC 2849, content records only): containers with gPLink or
// gPOptions and groupPolicyContainer objects. Other objects and attributes do not matter. A value given by URL is
// refused: an input file must not make this program open others.
func (e *Estate) readLDIF(data []byte) error {
	rec := map[string][]string{}
	start := 0
	flush := func() error {
		if len(rec) == 0 {
			return nil
		}
		defer clear(rec)
		if err := e.object(rec); err != nil {
			return fmt.Errorf("line %d: %w", start, err)
		}
		return nil
	}
	any := false
	lines := bytes.Split(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n"))
	for i := 0; i < len(lines); i++ {
		at, line := i+1, lines[i]
		if len(line) == 0 {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		if i+1 < len(lines) && len(lines[i+1]) > 0 && lines[i+1][0] == ' ' {
			line = bytes.Clone(line)
			for i+1 < len(lines) && len(lines[i+1]) > 0 && lines[i+1][0] == ' ' {
				line = append(line, lines[i+1][1:]...)
				i++
			}
		}
		if line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			return fmt.Errorf("line %d: no colon in %.60q", at, line)
		}
		switch {
		case strings.HasPrefix(value, ":"):
			b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value[1:]))
			if err != nil {
				return fmt.Errorf("line %d: %s: %w", at, name, err)
			}
			value = string(b)
		case strings.HasPrefix(value, "<"):
			return fmt.Errorf("line %d: %s is given by URL, which is not followed", at, name)
		default:
			value = strings.TrimLeft(value, " ")
		}
		name, _, _ = strings.Cut(strings.ToLower(name), ";")
		if name == "version" && len(rec) == 0 {
			continue
		}
		if name == "changetype" && !strings.EqualFold(value, "add") {
			return fmt.Errorf("line %d: changetype %.40q; an export has none, or add", at, value)
		}
		if len(rec) == 0 {
			if name != "dn" {
				return fmt.Errorf("line %d: a record starts with %.40q instead of dn", at, name)
			}
			start, any = at, true
		}
		rec[name] = append(rec[name], value)
	}
	if err := flush(); err != nil {
		return err
	}
	if !any {
		return fmt.Errorf("neither a JSON object nor LDIF")
	}
	return nil
}

// object takes over one directory object.
func (e *Estate) object(rec map[string][]string) error {
	get := func(name string) string {
		if v := rec[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	number := func(name string) (int64, error) {
		s := get(name)
		if s == "" {
			return 0, nil
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %.40q is no number", name, s)
		}
		return n, nil
	}
	dn := get("dn")
	class := map[string]bool{}
	for _, c := range rec["objectclass"] {
		class[strings.ToLower(c)] = true
	}
	parts := splitDN(dn)
	rdn := ""
	if len(parts) > 0 {
		_, rdn, _ = strings.Cut(parts[0], "=")
	}
	if class["grouppolicycontainer"] || isGUID(strings.Trim(rdn, "{}")) && (get("gpcfilesyspath") != "" || get("versionnumber") != "") {
		flags, err := number("flags")
		if err != nil {
			return err
		}
		g := GPO{ID: foldID(rdn), Name: get("displayname"), UserDisabled: flags&1 != 0, ComputerDisabled: flags&2 != 0,
			MachineExtensionNames: get("gpcmachineextensionnames"), UserExtensionNames: get("gpcuserextensionnames")}
		// [domain;{filter id};0]
		if f := strings.Split(strings.Trim(get("gpcwqlfilter"), "[] "), ";"); len(f) > 1 {
			g.WMIFilter = foldID(f[1])
		}
		if sd := get("ntsecuritydescriptor"); sd != "" {
			if g.Security, err = permissions([]byte(sd)); err != nil {
				return fmt.Errorf("nTSecurityDescriptor of %s: %w", dn, err)
			}
		}
		e.GPOs = append(e.GPOs, g)
		return nil
	}
	options, err := number("gpoptions")
	if err != nil {
		return err
	}
	_, linked := rec["gplink"]
	if !linked && options == 0 && !class["organizationalunit"] && !class["domaindns"] && !class["site"] {
		return nil
	}
	c := Container{DN: dn, BlockInheritance: options&1 != 0, GPLink: strings.TrimSpace(get("gplink"))}
	switch {
	case class["site"] || strings.Contains(foldDN(dn), ",cn=sites,cn=configuration,"):
		c.Kind = Site
	case class["domaindns"] || len(parts) > 0 && isDC(parts[0]):
		c.Kind = Domain
	}
	e.Containers = append(e.Containers, c)
	return nil
}
