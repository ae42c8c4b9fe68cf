package gpo

import (
	"bufio"
	"bytes"
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

// LoadSysvol reads the settings of all GPOs in fsys: SYSVOL itself, the folder of a domain in it, the folder Policies, or a
// copy of one of these. Names compare without case, on every
// file system. GPOs that are not in e yet are added. Files that cannot be read are errors; files with wrong content
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
		id := foldID(path.Base(f))
		g := e.gpo(id)
		if g == nil {
			e.GPOs = append(e.GPOs, GPO{ID: id})
			g = &e.GPOs[len(e.GPOs)-1]
		}
		errs = append(errs, g.load(fsys, f))
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
		case strings.HasPrefix(d.Name(), "{") && isGUID(strings.Trim(d.Name(), "{}")):
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
