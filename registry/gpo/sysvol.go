package gpo

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// MaxFile is the longest file of a GPO that is read, in bytes.
const MaxFile = 256 << 20

// ErrNoPolicies is wrapped by the error of LoadSysvol if fsys holds no folder of a GPO.
var ErrNoPolicies = errors.New("gpo: no Group Policy Object in this folder")

// LoadSysvol reads the settings of all GPOs in fsys: SYSVOL itself, the folder of a domain in it, the folder Policies, a
// copy of one of these, or a folder of backups made by Backup-GPO, which also say what the directory object says
// (name, disabled halves, permissions, extensions, WMI filter). Names compare without case, on every file system. GPOs that are not in e yet are added. Files that cannot be read are errors; files with wrong content
// are not (Effective reports them where they matter).
func (e *Estate) LoadSysvol(fsys fs.FS) error {
	folders, err := policyFolders(fsys, ".", 0)
	if err != nil {
		return err
	}
	if len(folders) == 0 {
		return ErrNoPolicies
	}
	var errs []error
	for _, f := range folders {
		described := GPO{ID: foldID(path.Base(f))}
		b, err := readFold(fsys, f, []string{"Backup.xml"})
		if err == nil && b != nil {
			described, err = backedUp(b)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("gpo: %s: %w", f, err))
			continue
		}
		g := e.gpo(described.ID)
		if g == nil {
			e.GPOs = append(e.GPOs, described)
			g = &e.GPOs[len(e.GPOs)-1]
		}
		if b == nil {
			errs = append(errs, g.load(fsys, f))
			continue
		}
		errs = append(errs, g.load(fsys, path.Join(f, "DomainSysvol", "GPO")))
		g.Computer.Version, g.User.Version = described.Computer.Version, described.User.Version
	}
	return errors.Join(errs...)
}

// policyFolders finds {GUID} folders at most three levels down.
func policyFolders(fsys fs.FS, dir string, depth int) (found []string, err error) {
	list, err := fs.ReadDir(fsys, dir)
	if err != nil {
		if depth > 0 && errors.Is(err, fs.ErrPermission) {
			return nil, nil // SYSVOL has folders that are not for everyone
		}
		return nil, fmt.Errorf("gpo: %w", err)
	}
	for _, d := range list {
		name := path.Join(dir, d.Name())
		switch {
		case !d.IsDir():
		case isGUID(strings.Trim(d.Name(), "{}")): // Backup-GPO writes braces, as SYSVOL has them
			found = append(found, name)
		case depth < 3:
			more, err := policyFolders(fsys, name, depth+1)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	return found, nil
}

// backedUp reads the Backup.xml of a backup. Its Options are taken to be the flags of the directory object.
func backedUp(b []byte) (GPO, error) {
	var x struct {
		Core struct {
			ID, DisplayName, Options, SecurityDescriptor string
			MachineExtensionGuids, UserExtensionGuids    string
			MachineVersionNumber, UserVersionNumber      uint32
			WMIFilter                                    struct {
				Inner string `xml:",innerxml"`
			}
		} `xml:"GroupPolicyObject>GroupPolicyCoreSettings"`
	}
	if err := xml.Unmarshal(b, &x); err != nil {
		return GPO{}, fmt.Errorf("reading Backup.xml: %w", err)
	}
	c := x.Core
	if !isGUID(strings.Trim(foldID(c.ID), "{}")) {
		return GPO{}, fmt.Errorf("reading Backup.xml: id %.60q is no GUID", c.ID)
	}
	flags, _ := strconv.ParseUint(strings.TrimSpace(c.Options), 10, 32)
	g := GPO{ID: foldID(c.ID), Name: c.DisplayName, UserDisabled: flags&1 != 0, ComputerDisabled: flags&2 != 0,
		MachineExtensionNames: c.MachineExtensionGuids, UserExtensionNames: c.UserExtensionGuids}
	g.Computer.Version, g.User.Version = uint16(c.MachineVersionNumber), uint16(c.UserVersionNumber)
	if strings.TrimSpace(c.WMIFilter.Inner) != "" {
		g.WMIFilter = "of the backup of " + c.DisplayName // the backup describes it, but the links know its name
	}
	// Published backups have their descriptors cut; then permissions are not known.
	if sd, err := hex.DecodeString(strings.Join(strings.Fields(c.SecurityDescriptor), "")); err == nil {
		if list, err := permissions(sd); err == nil && len(sd) > 20 {
			g.Security = list
		}
	}
	return g, nil
}

func (g *GPO) load(fsys fs.FS, dir string) error {
	var errs []error
	read := func(parts ...string) []byte {
		b, err := readFold(fsys, dir, parts)
		if err != nil {
			errs = append(errs, fmt.Errorf("gpo: %s: %w", g.ID, err))
		}
		return b
	}
	half := func(name string) Settings {
		return Settings{Policy: read(name, "Registry.pol"), Preferences: read(name, "Preferences", "Registry", "Registry.xml"), Folder: dir}
	}
	g.Computer, g.User = half("Machine"), half("User")
	g.Computer.Security = read("Machine", "Microsoft", "Windows NT", "SecEdit", "GptTmpl.inf")
	version := iniVersion(read("GPT.INI"))
	g.Computer.Version, g.User.Version = uint16(version), uint16(version>>16)
	return errors.Join(errs...)
}

// readFold reads a file whose folders and name may be spelled in any case; it returns nil if there is none.
func readFold(fsys fs.FS, dir string, parts []string) ([]byte, error) {
	for i, part := range parts {
		list, err := fs.ReadDir(fsys, dir)
		if err != nil {
			return nil, err
		}
		next := ""
		for _, d := range list {
			if strings.EqualFold(d.Name(), part) && (i == len(parts)-1) != d.IsDir() {
				next = d.Name()
			}
		}
		if next == "" {
			return nil, nil
		}
		dir = path.Join(dir, next)
	}
	f, err := fsys.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(b) > MaxFile {
		err = fmt.Errorf("%s: more than %d bytes", dir, MaxFile)
	}
	if b == nil && err == nil {
		b = []byte{}
	}
	return b, err
}

// iniVersion returns Version from the text of a GPT.INI, 0 if it has none.
func iniVersion(b []byte) uint32 {
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		k, v, _ := strings.Cut(s.Text(), "=")
		if strings.EqualFold(strings.TrimSpace(k), "Version") {
			n, _ := strconv.ParseUint(strings.TrimSpace(v), 10, 32)
			return uint32(n)
		}
	}
	return 0
}
